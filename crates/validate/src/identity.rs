//! Who an object is and where it lives: names, duplicates, namespaces, scope.

use super::findings::{Findings, Place};
use super::format::shortened;
use super::objects::{Object, Objects};
use ecp_core::ids::TenantId;
use ecp_core::text::Message;
use std::collections::HashMap;

/// Label that says whose a namespace is.
const TENANT_LABEL: &str = "ecp.ai/tenant";

/// Checks every object.
pub(super) fn check(objects: &Objects<'_>, tenant_id: Option<&TenantId>, findings: &mut Findings) {
    let home = tenant_id.map(|id| Home::of(id, objects, findings));
    let mut seen: HashMap<_, &Object<'_>> = HashMap::with_capacity(objects.all.len());
    for object in &objects.all {
        check_scope(object, findings);
        if let Some(home) = &home {
            home.check(object, findings);
        }
        if object.name.is_empty() {
            continue;
        }
        let group = object.root.text_at("apiVersion").and_then(|version| version.split_once('/'));
        let identity = (group.map(|(group, _)| group), object.kind, object.namespace, object.name);
        if let Some(first) = seen.get(&identity) {
            findings.warning(object.name_place(), || {
                Message::new("validate.object.duplicate")
                    .with("object", object.title())
                    .with("first", first.root.position().document)
            });
        } else {
            seen.insert(identity, object);
        }
    }
}

/// A tenant's manifest may hold its namespace and nothing else that is the whole cluster's.
fn check_scope(object: &Object<'_>, findings: &mut Findings) {
    if object.info.is_some_and(|info| !info.namespaced && info.kind != "Namespace") {
        findings.policy(object.root.get("kind").unwrap_or(object.root), || {
            Message::new("validate.namespace.cluster_scoped").with("object", object.title())
        });
    }
}

/// The namespace of a tenant.
struct Home {
    expected: String,
    /// Another namespace that the manifest itself declares for the tenant.
    custom: Option<String>,
}

impl Home {
    fn of(tenant_id: &TenantId, objects: &Objects<'_>, findings: &mut Findings) -> Self {
        let expected = tenant_id.namespace();
        let custom = objects.of_kind("Namespace").find(|namespace| {
            namespace.name != expected
                && !is_reserved(namespace.name)
                && namespace.label(TENANT_LABEL) == Some(tenant_id.as_str())
        });
        if let Some(custom) = custom {
            findings.policy(custom.name_place(), || {
                Message::new("validate.namespace.custom")
                    .with("namespace", shortened(custom.name))
                    .with("expected", &expected)
            });
        }
        Self { custom: custom.map(|custom| custom.name.to_owned()), expected }
    }

    fn check(&self, object: &Object<'_>, findings: &mut Findings) {
        let is_home =
            |namespace: &str| namespace == self.expected || self.custom.as_deref() == Some(namespace);
        if object.is("Namespace") {
            if !object.name.is_empty() && !is_home(object.name) {
                findings
                    .policy(object.name_place(), || self.message("validate.namespace.other", object.name));
            }
            return;
        }
        if object.info.is_some_and(|info| !info.namespaced) {
            return;
        }
        match object.root.at(&["metadata", "namespace"]) {
            Some(namespace) if is_home(namespace.text()) => {}
            Some(namespace) => {
                findings.policy(namespace, || self.message("validate.namespace.other", namespace.text()));
            }
            None => {
                let Some(metadata) = object.metadata() else { return };
                findings.policy(Place::Missing(metadata, "namespace"), || {
                    self.message("validate.namespace.missing", "")
                });
            }
        }
    }

    fn message(&self, key: &'static str, namespace: &str) -> Message {
        let message = Message::new(key).with("expected", self.custom.as_ref().unwrap_or(&self.expected));
        if namespace.is_empty() { message } else { message.with("namespace", shortened(namespace)) }
    }
}

/// Namespaces that no tenant may claim: the cluster's own and other tenants'.
fn is_reserved(namespace: &str) -> bool {
    namespace == "default" || namespace.starts_with("kube-") || namespace.starts_with("ecp-ai-")
}
