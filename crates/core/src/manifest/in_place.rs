//! What a cluster does not let anybody change in an object that is there; pure.

use super::Object;
use serde_json::Value;

/// A field that would have to change and can not, with the object that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImmutableField {
    /// Kind.
    pub kind: &'static str,
    /// Name.
    pub name: String,
    /// The field, as a JSON pointer.
    pub field: &'static str,
}

/// Fields of a kind that are fixed when the object is made, as JSON pointers.
fn immutable(object: &Object) -> &'static [&'static str] {
    match object {
        // Of a StatefulSet all but a short list is fixed; these are what a manifest can say.
        Object::StatefulSet(_) => &[
            "/spec/selector",
            "/spec/serviceName",
            "/spec/podManagementPolicy",
            "/spec/volumeClaimTemplates",
        ],
        Object::Deployment(_) => &["/spec/selector"],
        Object::Service(_) => &["/spec/clusterIP", "/spec/clusterIPs", "/spec/ipFamilies"],
        Object::ResourceQuota(_) => &["/spec/scopes", "/spec/scopeSelector"],
        Object::Secret(_) => &["/type"],
        Object::ResourceClaimTemplate(_) => &["/spec"],
        _ => &[],
    }
}

/// True of an object whose content is fixed as a whole.
fn is_sealed(object: &Object) -> bool {
    match object {
        Object::ConfigMap(config) => config.immutable == Some(true),
        Object::Secret(secret) => secret.immutable == Some(true),
        _ => false,
    }
}

/// The fields of objects that are in both manifests and would have to change although a cluster
/// refuses that. What comes and what goes is no matter.
pub fn changed_in_vain(before: &[Object], after: &[Object]) -> Vec<ImmutableField> {
    let mut found = Vec::new();
    for new in after {
        let same = |old: &&Object| old.kind() == new.kind() && old.name() == new.name();
        let Some(old) = before.iter().find(same).filter(|old| *old != new) else { continue };
        let json = |object: &Object| serde_json::to_value(object).unwrap_or(Value::Null);
        let (was, is) = (json(old), json(new));
        let sealed: &[&str] =
            if is_sealed(old) { &["/data", "/binaryData", "/stringData", "/immutable"] } else { &[] };
        let differing =
            immutable(new).iter().chain(sealed).filter(|field| was.pointer(field) != is.pointer(field));
        found.extend(differing.map(|field| ImmutableField {
            kind: new.kind(),
            name: new.name().to_owned(),
            field,
        }));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::manifest::PinnedManifest;
    use crate::manifest::tests::my_ai_service;
    use crate::manifest::{RenderOptions, render};
    use crate::tenant::TenantSecrets;

    fn rendered(change: impl Fn(&mut Catalog)) -> Vec<Object> {
        let mut catalog = Catalog::embedded();
        change(&mut catalog);
        let secrets = TenantSecrets::generate(crate::manifest::SECRET_KEYS);
        render(&catalog, &my_ai_service(), &secrets, &RenderOptions::default()).objects
    }

    #[test]
    fn a_volume_can_not_be_changed_in_place_and_an_image_can() {
        let before = rendered(|_| {});
        for change in [
            (|catalog: &mut Catalog| catalog.kubernetes.redis.storage_gib = 20) as fn(&mut Catalog),
            |catalog| catalog.kubernetes.storage_class = "fast".to_owned(),
        ] {
            let fields = changed_in_vain(&before, &rendered(change));
            let told: Vec<_> = fields.iter().map(|one| (one.kind, one.name.as_str(), one.field)).collect();
            assert_eq!(told, [("StatefulSet", "redis", "/spec/volumeClaimTemplates")]);
        }
        let image = rendered(|catalog| catalog.kubernetes.images.tag = "2.0".to_owned());
        assert_ne!(before, image);
        assert_eq!(changed_in_vain(&before, &image), []);
    }

    #[test]
    fn an_object_that_comes_or_goes_is_no_change() {
        let before = rendered(|_| {});
        assert_eq!(changed_in_vain(&before, &[]), []);
        assert_eq!(changed_in_vain(&[], &before), []);
    }

    #[test]
    fn every_kind_is_read_back_as_it_was_pinned_with_its_secret_values() {
        let catalog = Catalog::embedded();
        let tenant = my_ai_service();
        let secrets = TenantSecrets::generate(crate::manifest::SECRET_KEYS);
        let options =
            RenderOptions { include_ingress: true, redact_secrets: true, ..RenderOptions::default() };
        let objects = render(&catalog, &tenant, &secrets, &options).objects;
        let text = serde_json::to_string(&objects).expect("JSON");
        assert_eq!(PinnedManifest::from_text(text).redacted().expect("readable"), objects);

        let pinned = PinnedManifest::render(&catalog, &tenant, &secrets);
        let applied = render(&catalog, &tenant, &secrets, &RenderOptions::default()).objects;
        assert_eq!(pinned.objects(&secrets).expect("readable"), applied);
        for value in secrets.expose().values() {
            assert!(!pinned.text().contains(value.as_str()));
        }
    }
}
