//! Making objects so, by server-side apply, and asking whether the cluster would take them.

use super::client::{CallError, MANAGER, answered, api};
use super::kinds::{self, KINDS, Kind};
use super::{KubernetesCluster, drift};
use ecp_core::ids::TenantId;
use ecp_core::manifest::Object;
use ecp_core::ports::{ClusterError, Refusal};
use ecp_core::text::Message;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use kube::api::{Patch, PatchParams};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hasher};

/// Annotation with a digest of what was last applied. A live object that has all that is wanted may
/// still have what was wanted before; without it that would never be taken out. A release that
/// digests otherwise applies once more.
const APPLIED: &str = "ecp.ai/applied";
/// Where objects are tried whose own namespace is not there yet.
const TRIAL_NAMESPACE: &str = "default";

impl KubernetesCluster {
    /// Applies objects step by step, those of a step side by side.
    pub(super) async fn apply_objects(
        &self,
        tenant: &TenantId,
        objects: &[Object],
    ) -> Result<Vec<Message>, ClusterError> {
        self.check_reachable()?;
        if objects.iter().any(|object| matches!(object, Object::Namespace(_))) {
            self.check_owner(tenant)?;
        }
        let autoscaled = self.index.autoscaled(tenant, objects);
        let mut steps: BTreeMap<u8, Vec<(usize, &Object)>> = BTreeMap::new();
        for object in objects {
            let (place, kind) = known(object.kind())?;
            steps.entry(kind.step).or_default().push((place, object));
        }
        let mut warnings = Vec::new();
        for objects in steps.into_values() {
            let mut calls: FuturesUnordered<_> = objects
                .into_iter()
                .map(|(place, object)| self.apply_one(tenant, place, object, &autoscaled))
                .collect();
            while let Some(result) = calls.next().await {
                warnings.extend(result?);
            }
        }
        Ok(warnings)
    }

    async fn apply_one(
        &self,
        tenant: &TenantId,
        place: usize,
        object: &Object,
        autoscaled: &HashSet<String>,
    ) -> Result<Vec<Message>, ClusterError> {
        let (kind, name) = (&KINDS[place], object.name());
        let skipped =
            || vec![Message::new("cluster.kind_unknown").with("kind", kind.name).with("name", name)];
        if self.index.skip_unknown(tenant, place, name) {
            return Ok(skipped());
        }
        let scales_itself = autoscaled.contains(name);
        let mut json = to_json(object)?;
        let digest = digest(&json);
        let as_it_should_be = self.index.with_entry(tenant, place, name, |entry| {
            if scales_itself && kind.step == kinds::WORKLOADS {
                leave_replicas(&mut json, &entry.live(), entry.replicas_owned_by_other);
            }
            let live = entry.live();
            let kept = entry.ours && !entry.facts.terminating && applied(&live) == Some(digest.as_str());
            kept && drift::first_difference(&json, &live, scales_itself).is_none()
        });
        if as_it_should_be == Some(true) {
            return Ok(Vec::new());
        }
        json["metadata"]["annotations"][APPLIED] = digest.into();
        let _turn = self.turns.acquire().await;
        let calls = api(&self.client, &kind.resource(), object.namespace());
        let patch = Patch::Apply(&json);
        let polite = PatchParams::apply(MANAGER);
        let (answer, warnings) = match answered(calls.patch(name, &polite, &patch)).await {
            Err(conflict) if !conflict.conflicts().is_empty() => {
                let warnings = conflict
                    .conflicts()
                    .into_iter()
                    .map(|(manager, field)| {
                        Message::new("cluster.field_taken_back")
                            .with("object", format!("{} {name}", kind.name))
                            .with("field", field)
                            .with("manager", manager)
                    })
                    .collect();
                (answered(calls.patch(name, &polite.force(), &patch)).await, warnings)
            }
            answer => (answer, Vec::new()),
        };
        match answer {
            Ok(applied) => {
                if !kind.is_namespaced() {
                    self.index.namespace_applied(&applied);
                }
                self.index.object_applied(place, applied);
                Ok(warnings)
            }
            Err(error) if kind.optional && error.is_unknown_kind() => {
                self.index.set_known(place, false);
                self.index.skip_unknown(tenant, place, name);
                Ok(skipped())
            }
            Err(error) => Err(self.told(error, kind.name, name)),
        }
    }

    /// Turns what a call met into what the domain is told. A namespace that is missing or on its
    /// way out comes back: that is a matter of time, not a refusal.
    pub(super) fn told(&self, error: CallError, kind: &str, name: &str) -> ClusterError {
        if error.is_about_namespace() {
            return ClusterError::Unreachable(format!("the namespace of {kind} {name} is going away"));
        }
        match &error {
            CallError::Answered(status) if status.code == 409 => {
                ClusterError::Unreachable(format!("{kind} {name} changed meanwhile: {}", status.message))
            }
            _ => error.of(kind, name),
        }
    }

    /// Asks what the cluster says to objects, and changes nothing.
    pub(super) async fn try_objects(&self, objects: &[Value]) -> Result<Vec<Refusal>, ClusterError> {
        self.check_reachable()?;
        let mut calls: FuturesUnordered<_> =
            objects.iter().enumerate().map(|(index, object)| self.try_one(index, object)).collect();
        let mut refusals = Vec::new();
        while let Some(result) = calls.next().await {
            refusals.extend(result?);
        }
        refusals.sort_by_key(|refusal| refusal.index);
        Ok(refusals)
    }

    async fn try_one(&self, index: usize, object: &Value) -> Result<Option<Refusal>, ClusterError> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (kind_name, name) = (text("/kind"), text("/metadata/name"));
        // What is not ours to apply is not ours to try.
        let Some((_, kind)) = kinds::find(kind_name) else { return Ok(None) };
        if name.is_empty() || text("/apiVersion") != kind.api_version() {
            return Ok(None);
        }
        let own = text("/metadata/namespace");
        let moved = kind.is_namespaced() && self.index.namespace(own).is_none();
        let mut tried = object.clone();
        if moved && let Some(namespace) = tried.pointer_mut("/metadata/namespace") {
            *namespace = TRIAL_NAMESPACE.into();
        }
        let namespace = match (kind.is_namespaced(), moved) {
            (false, _) => None,
            (true, true) => Some(TRIAL_NAMESPACE),
            (true, false) => Some(own),
        };
        let _turn = self.turns.acquire().await;
        let calls = api(&self.client, &kind.resource(), namespace);
        let trial = PatchParams::apply(MANAGER).force().dry_run();
        match answered(calls.patch(name, &trial, &Patch::Apply(&tried))).await {
            Ok(_) => Ok(None),
            Err(error) if kind.optional && error.is_unknown_kind() => Ok(None),
            Err(error) if error.is_about_namespace() => Ok(None),
            Err(CallError::Answered(status)) => {
                // Another namespace's quota says nothing of the one that is to be.
                if moved && status.code == 403 && status.message.contains("exceeded quota") {
                    return Ok(None);
                }
                Ok(Some(Refusal {
                    index,
                    kind: kind_name.to_owned(),
                    name: name.to_owned(),
                    reason: status.message,
                }))
            }
            Err(error) => Err(error.of(kind_name, name)),
        }
    }
}

fn known(name: &str) -> Result<(usize, &'static Kind), ClusterError> {
    kinds::find(name).ok_or_else(|| ClusterError::Refused {
        kind: name.to_owned(),
        name: String::new(),
        reason: "this kind is not applied".to_owned(),
    })
}

pub(super) fn to_json(object: &Object) -> Result<Value, ClusterError> {
    serde_json::to_value(object).map_err(|error| ClusterError::Refused {
        kind: object.kind().to_owned(),
        name: object.name().to_owned(),
        reason: error.to_string(),
    })
}

/// Differs whenever what is wanted does.
fn digest(wanted: &Value) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(wanted.to_string().as_bytes());
    format!("{:016x}", hasher.finish())
}

/// The digest of what was last applied to an object.
fn applied(live: &Value) -> Option<&str> {
    live["metadata"]["annotations"][APPLIED].as_str()
}

/// Leaves the number of replicas to the autoscaler: unsaid where another manager owns it, else as
/// it is, since a field that its only owner no longer names falls back to its default.
fn leave_replicas(json: &mut Value, live: &Value, owned_by_other: bool) {
    let Some(spec) = json.get_mut("spec").and_then(Value::as_object_mut) else { return };
    match live.pointer("/spec/replicas") {
        _ if owned_by_other => _ = spec.remove("replicas"),
        Some(replicas) => _ = spec.insert("replicas".to_owned(), replicas.clone()),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_wanted_no_more_changes_the_digest() {
        let before = json!({"data": {"A": "1", "B": "2"}});
        let after = json!({"data": {"A": "1"}});
        // The live object still has it all, so the difference alone would not tell.
        assert_eq!(drift::first_difference(&after, &before, false), None);
        assert_ne!(digest(&before), digest(&after));
        assert_eq!(digest(&before), digest(&before.clone()));
    }

    #[test]
    fn replicas_are_unsaid_where_another_manager_owns_them_and_else_as_they_are() {
        let wanted = json!({"spec": {"replicas": 3}});
        let live = json!({"spec": {"replicas": 5}});
        let left = |owned| {
            let mut json = wanted.clone();
            leave_replicas(&mut json, &live, owned);
            json
        };
        assert_eq!(left(true), json!({"spec": {}}));
        assert_eq!(left(false), json!({"spec": {"replicas": 5}}));
    }
}
