//! Objects that the cluster just took in a trial: what is alike but for its tenant is not tried again.
//!
//! A trial spares a roll-out that would end half-way; what decides is the answer to what is applied. So an
//! answer that is a moment old is as good here, and a fleet that is created costs the API server one trial of
//! each shape, and not one of each object.

use super::apply::digest;
use ecp_core::ids::TenantId;
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long an answer holds: by so much at most, trials are behind what the cluster was told to refuse.
const HOLDS: Duration = Duration::from_secs(10);
/// Shapes that are remembered.
const MOST: usize = 4096;

/// What is the same of two tenants' objects that are alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Shape(String);

impl Shape {
    /// Of an object of a tenant.
    pub(super) fn of(tenant: &TenantId, object: &Value) -> Self {
        let mut alike = without_tenant(object, tenant.as_str(), &tenant.namespace());
        if object["kind"] == "Secret" {
            // The values are made up for each tenant, and are not looked at.
            let values = ["data", "stringData"].into_iter().filter_map(|place| alike.get(place).cloned());
            let lengths: Vec<_> = values.map(|values| with_lengths(&values)).collect();
            alike["data"] = lengths.into();
            alike["stringData"] = Value::Null;
        }
        Self(digest(&alike))
    }
}

/// An object with its tenant's id and namespace taken out of its texts.
fn without_tenant(value: &Value, id: &str, namespace: &str) -> Value {
    match value {
        Value::String(text) => {
            let words = text.split(' ').map(|word| if word == id { "\0" } else { word });
            words.collect::<Vec<_>>().join(" ").replace(namespace, "\0\0").into()
        }
        Value::Array(items) => items.iter().map(|item| without_tenant(item, id, namespace)).collect(),
        Value::Object(fields) => {
            let fields = fields.iter();
            fields.map(|(key, value)| (key.clone(), without_tenant(value, id, namespace))).collect()
        }
        other => other.clone(),
    }
}

fn with_lengths(values: &Value) -> Value {
    let values = values.as_object().into_iter().flatten();
    values.map(|(key, value)| (key.clone(), Value::from(value.as_str().map_or(0, str::len)))).collect()
}

/// Shapes that the cluster took, and when.
#[derive(Default)]
pub(super) struct Tried(Mutex<HashMap<Shape, Instant>>);

impl Tried {
    /// True where the cluster took an object of this shape a moment ago.
    pub(super) fn was_taken(&self, shape: &Shape) -> bool {
        self.0.lock().get(shape).is_some_and(|taken| taken.elapsed() < HOLDS)
    }

    /// The cluster took it, where it is of a tenant.
    pub(super) fn took(&self, shape: Option<Shape>) {
        let Some(shape) = shape else { return };
        let mut taken = self.0.lock();
        if taken.len() >= MOST {
            taken.retain(|_, taken| taken.elapsed() < HOLDS);
        }
        if taken.len() < MOST {
            taken.insert(shape, Instant::now());
        }
    }

    /// The cluster refused something: what it admits may have changed, so all is tried again.
    pub(super) fn forget(&self) {
        self.0.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shape(tenant: &str, object: Value) -> Shape {
        Shape::of(&TenantId::parse(tenant).expect("an id"), &object)
    }

    fn service(tenant: &str, port: u16) -> Value {
        json!({
            "kind": "Service",
            "metadata": {"namespace": format!("ecp-ai-{tenant}"), "labels": {"ecp.ai/tenant": tenant}},
            "spec": {"externalName": format!("x.ecp-ai-{tenant}.svc"), "ports": [{"port": port}]},
        })
    }

    #[test]
    fn objects_are_alike_where_nothing_but_their_tenant_differs() {
        assert_eq!(shape("one", service("one", 80)), shape("two", service("two", 80)));
        assert_ne!(shape("one", service("one", 80)), shape("one", service("one", 81)));
        let told =
            |tenant: &str| shape(tenant, json!({"text": format!("CPU use of tenant {tenant} is high")}));
        assert_eq!(told("one"), told("two"));
        // An id within a longer word is none.
        let named =
            |tenant: &str, name: &str| shape(tenant, json!({"kind": "Service", "metadata": {"name": name}}));
        assert_ne!(named("a", "bar"), named("r", "bra"));
        assert_ne!(named("a", "x-a"), named("b", "x-b"));
        assert_eq!(named("a", "a"), named("b", "b"));
        assert_ne!(named("a", "b"), named("b", "b"));
    }

    #[test]
    fn secrets_are_alike_by_the_lengths_of_their_values() {
        let secret = |value: &str| shape("one", json!({"kind": "Secret", "data": {"KEY": value}}));
        assert_eq!(secret("c29tZQ=="), secret("b3RoZXI="));
        assert_ne!(secret("c29tZQ=="), secret("c29tZXRoaW5nIGxvbmdlcg=="));
        let other_key = shape("one", json!({"kind": "Secret", "data": {"OTHER": "c29tZQ=="}}));
        assert_ne!(secret("c29tZQ=="), other_key);
    }

    #[test]
    fn one_refusal_has_everything_tried_again() {
        let tried = Tried::default();
        let known = shape("one", service("one", 80));
        assert!(!tried.was_taken(&known));
        tried.took(Some(known.clone()));
        assert!(tried.was_taken(&known));
        assert!(!tried.was_taken(&shape("one", service("one", 81))));
        tried.forget();
        assert!(!tried.was_taken(&known));
    }
}
