//! What says that an object is ours, and which fields of it are somebody else's; pure.
//!
//! What an object carries can be copied: it never makes an object ours by itself. Its uid in the
//! ledger does; the marks only tell a call that was cut short from somebody else's object.

use super::client::MANAGER;
use super::drift::APPLIED;
use ecp_core::ids::InstallationId;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use serde_json::{Map, Value};
use std::collections::HashSet;

/// Annotation that names the installation that made an object.
pub(super) const INSTALLATION: &str = "ecp.ai/installation";
/// The manager that the API server makes up for fields of an object that had no manager.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// The manager of what Kubernetes' own controllers make.
const CONTROLLERS: &str = "kube-controller-manager";

/// What an object carries of its maker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// Our manager applied it.
    pub(super) applied: bool,
    /// The digest of what was applied is still ours: who changes an annotation takes it over.
    pub(super) digested: bool,
    /// Kubernetes' own controllers made it.
    pub(super) by_controllers: bool,
    /// Which installation made it; none of builds that did not say.
    pub(super) installation: Option<String>,
}

impl Marks {
    pub(super) fn of(metadata: &ObjectMeta) -> Self {
        let fields = metadata.managed_fields.as_deref().unwrap_or_default();
        let annotations = metadata.annotations.as_ref();
        Self {
            applied: fields.iter().any(is_our_apply),
            digested: fields.iter().filter(|entry| is_our_apply(entry)).any(owns_digest),
            by_controllers: fields.first().is_some_and(|one| one.manager.as_deref() == Some(CONTROLLERS)),
            installation: annotations.and_then(|them| them.get(INSTALLATION)).cloned(),
        }
    }

    /// True where this installation applied it.
    pub(super) fn are_of(&self, installation: &InstallationId) -> bool {
        self.applied && self.installation.as_deref() == Some(installation.as_str())
    }

    /// True where it was applied by a build that named no installation.
    pub(super) fn are_unsigned(&self) -> bool {
        self.applied && self.installation.is_none()
    }
}

/// True of what our manager owns, however it came to.
pub(super) fn is_ours(entry: &ManagedFieldsEntry) -> bool {
    entry.manager.as_deref() == Some(MANAGER)
}

/// True of a volume claim that the controller of StatefulSets made for a pod beside the one whose claim is
/// known, as after somebody scaled the workload by hand.
pub(super) fn is_sibling(known: &str, claim: &str, marks: &Marks) -> bool {
    let stem = |name: &str| {
        let (stem, ordinal) = name.rsplit_once('-')?;
        ordinal.parse::<u32>().ok().map(|_| stem.to_owned())
    };
    marks.by_controllers && stem(claim).is_some_and(|one| stem(known) == Some(one))
}

fn is_our_apply(entry: &ManagedFieldsEntry) -> bool {
    entry.manager.as_deref() == Some(MANAGER) && entry.operation.as_deref() == Some("Apply")
}

fn owns_digest(entry: &ManagedFieldsEntry) -> bool {
    let annotation = format!("f:{APPLIED}");
    entry.fields_v1.as_ref().is_some_and(|set| !set.0["f:metadata"]["f:annotations"][&annotation].is_null())
}

/// One step into an object, as managed fields spell it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// A field.
    Field(String),
    /// The item of a list that has these values.
    Item(Map<String, Value>),
    /// The item of a list that is this value.
    Value(Value),
}

impl Step {
    fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        match kind {
            "f" => Some(Self::Field(rest.to_owned())),
            "k" => serde_json::from_str(rest).ok().map(Self::Item),
            "v" => serde_json::from_str(rest).ok().map(Self::Value),
            _ => None,
        }
    }

    /// Where it leads from a value: the key or index, and what is there.
    pub(super) fn find<'v>(&self, from: &'v Value) -> Option<(String, &'v Value)> {
        match self {
            Self::Field(name) => Some((name.clone(), from.get(name)?)),
            Self::Item(keys) => find_item(from, |item| {
                keys.iter().all(|(key, value)| match item.get(key) {
                    None => key == "protocol" && value == "TCP",
                    Some(found) => found == value,
                })
            }),
            Self::Value(value) => find_item(from, |item| item == value),
        }
    }
}

fn find_item(list: &Value, is_it: impl Fn(&Value) -> bool) -> Option<(String, &Value)> {
    let items = list.as_array()?;
    let index = items.iter().position(is_it)?;
    Some((index.to_string(), &items[index]))
}

/// A field, or an item of a list, that another manager owns and we do not.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Taken {
    pub(super) path: Vec<Step>,
    /// Whose; none where the cluster does not say.
    pub(super) manager: Option<String>,
}

/// What of an object others own and we do not, but for metadata and status, which others may add to.
pub(super) fn taken(fields: &[ManagedFieldsEntry]) -> Vec<Taken> {
    let mut ours = HashSet::new();
    let apply = fields.iter().find(|entry| is_our_apply(entry));
    if let Some(set) = apply.and_then(|entry| entry.fields_v1.as_ref()) {
        collect(&set.0, String::new(), &mut |path| _ = ours.insert(path.to_owned()));
    }
    let version = apply.and_then(|entry| entry.api_version.as_deref());
    let mut taken = Vec::new();
    for entry in fields.iter().filter(|entry| !is_our_apply(entry)) {
        let is_other_version = version.is_some() && entry.api_version.as_deref() != version;
        if is_other_version || entry.subresource.as_deref() == Some("status") {
            continue;
        }
        let known = |manager: &&str| ![MANAGER, BEFORE_FIRST_APPLY].contains(manager);
        let manager = entry.manager.as_deref().filter(known).map(str::to_owned);
        if let Some(set) = &entry.fields_v1 {
            walk(&set.0, &mut Vec::new(), String::new(), &ours, &mut |path| {
                taken.push(Taken { path: path.to_vec(), manager: manager.clone() });
            });
        }
    }
    taken
}

fn collect(set: &Value, path: String, found: &mut impl FnMut(&str)) {
    for (name, inner) in set.as_object().into_iter().flatten() {
        let path = format!("{path}\u{1f}{name}");
        found(&path);
        collect(inner, path, found);
    }
}

fn walk(
    set: &Value,
    path: &mut Vec<Step>,
    text: String,
    ours: &HashSet<String>,
    found: &mut impl FnMut(&[Step]),
) {
    for (name, inner) in set.as_object().into_iter().flatten() {
        let Some(step) = Step::parse(name) else { continue };
        if path.is_empty() && matches!(name.as_str(), "f:metadata" | "f:status") {
            continue;
        }
        let text = format!("{text}\u{1f}{name}");
        let is_item = !matches!(step, Step::Field(_));
        let is_leaf = inner.as_object().is_none_or(Map::is_empty);
        path.push(step);
        if is_leaf || (is_item && inner.get(".").is_some() && !ours.contains(&text)) {
            if !ours.contains(&text) {
                found(path);
            }
        } else {
            walk(inner, path, text, ours, found);
        }
        path.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(manager: &str, operation: &str, fields: Value) -> ManagedFieldsEntry {
        serde_json::from_value(json!({
            "manager": manager, "operation": operation, "apiVersion": "v1", "fieldsV1": fields,
        }))
        .expect("an entry")
    }

    fn port(number: u16) -> String {
        format!("k:{{\"port\":{number},\"protocol\":\"TCP\"}}")
    }

    #[test]
    fn only_what_others_own_and_we_do_not_is_taken() {
        let ours = json!({"f:spec": {"f:ports": {port(80): {".": {}, "f:name": {}, "f:port": {}}}}});
        let theirs = json!({
            "f:metadata": {"f:labels": {"f:team": {}}},
            "f:spec": {
                "f:externalTrafficPolicy": {},
                "f:ports": {port(80): {"f:name": {}}, port(8080): {".": {}, "f:name": {}, "f:port": {}}},
            },
        });
        let mut status = entry("kcm", "Update", json!({"f:spec": {"f:anything": {}}}));
        status.subresource = Some("status".into());
        let found = taken(&[entry(MANAGER, "Apply", ours), entry("kubectl-edit", "Update", theirs), status]);
        let live = json!({"spec": {
            "externalTrafficPolicy": "Local", "ports": [{"port": 80, "name": "a"}, {"port": 8080}],
        }});
        let places: Vec<_> = found
            .iter()
            .map(|taken| {
                let steps = taken.path.iter().scan(&live, |at, step| {
                    let (key, inner) = step.find(at)?;
                    *at = inner;
                    Some(key)
                });
                (steps.collect::<Vec<_>>().join("/"), taken.manager.as_deref())
            })
            .collect();
        let manager = Some("kubectl-edit");
        assert_eq!(
            places,
            [("spec/externalTrafficPolicy".into(), manager), ("spec/ports/1".into(), manager)]
        );
    }

    #[test]
    fn a_claim_of_another_pod_of_ours_is_a_sibling_where_the_controller_made_it() {
        let made_by = |manager: &str| {
            let fields = vec![entry(manager, "Update", json!({"f:spec": {}}))];
            Marks::of(&ObjectMeta { managed_fields: Some(fields), ..ObjectMeta::default() })
        };
        let controllers = made_by(CONTROLLERS);
        assert!(is_sibling("data-redis-0", "data-redis-12", &controllers));
        assert!(!is_sibling("data-redis-0", "data-redis-12", &made_by("kubectl-create")));
        for other in ["data-redis-x", "data-redis", "data-mysql-1", "other-data-redis-1"] {
            assert!(!is_sibling("data-redis-0", other, &controllers), "{other}");
        }
    }

    #[test]
    fn marks_are_of_the_manager_and_the_installation_together() {
        let installation = InstallationId::from_text("ecp-a");
        let metadata = |manager: &str, id: &str| ObjectMeta {
            annotations: Some([(INSTALLATION.to_owned(), id.to_owned())].into()),
            managed_fields: Some(vec![entry(manager, "Apply", json!({}))]),
            ..ObjectMeta::default()
        };
        assert!(Marks::of(&metadata(MANAGER, "ecp-a")).are_of(&installation));
        assert!(!Marks::of(&metadata(MANAGER, "ecp-b")).are_of(&installation));
        assert!(!Marks::of(&metadata("kubectl", "ecp-a")).are_of(&installation));
        assert!(!Marks::of(&metadata(MANAGER, "ecp-a")).are_unsigned());
    }
}
