//! Asking whether the cluster would take objects, without changing anything.

use super::KubernetesCluster;
use super::apply::by_us;
use super::client::{CallError, MANAGER, answered, api};
use super::drift;
use super::kinds::{self, KINDS};
use super::ownership::INSTALLATION;
use super::tried::Shape;
use ecp_core::ids::TenantId;
use ecp_core::ports::{ClusterError, Refusal};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

/// What the namespace for trials begins with: a tenant's id does not begin with a hyphen.
const TRIAL_PREFIX: &str = "ecp-ai--trial-";

/// How old an answer of the cluster may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    /// It is asked now.
    New,
    /// One of a moment ago will do, to an object that is alike but for its tenant.
    Recent,
}

/// True of a name that can stand in the path of a call as it is: one with `?` or `#` in it would be another call, and
/// not a dry one. No object has another name.
fn is_path_segment(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    name.bytes().all(is_plain) && name != "." && name != ".."
}

impl KubernetesCluster {
    /// Asks what the cluster says to objects, and changes nothing.
    pub(super) async fn try_objects(
        &self,
        objects: &[Value],
        answers: Answers,
    ) -> Result<Vec<Refusal>, ClusterError> {
        self.check_reachable()?;
        let mut calls: FuturesUnordered<_> =
            objects.iter().enumerate().map(|(index, object)| self.try_one(index, object, answers)).collect();
        let mut refusals = Vec::new();
        while let Some(result) = calls.next().await {
            refusals.extend(result?);
        }
        if !refusals.is_empty() {
            self.tried.forget();
        }
        refusals.sort_by_key(|refusal| refusal.index);
        Ok(refusals)
    }

    async fn try_one(
        &self,
        index: usize,
        object: &Value,
        answers: Answers,
    ) -> Result<Option<Refusal>, ClusterError> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (kind_name, name) = (text("/kind"), text("/metadata/name"));
        // What is not ours to apply is not ours to try.
        let Some((place, kind)) = kinds::find(kind_name) else { return Ok(None) };
        if name.is_empty() || text("/apiVersion") != kind.api_version() {
            return Ok(None);
        }
        if !is_path_segment(name) {
            let reason = format!(
                "metadata.name: Invalid value: {name:?}: letters, digits, '-', '_', '.' and ':' may be in it"
            );
            return Ok(Some(Refusal { index, kind: kind_name.to_owned(), name: name.to_owned(), reason }));
        }
        let own = text("/metadata/namespace");
        let moved = kind.is_namespaced() && !self.index.has_namespace(own);
        let tenant = TenantId::of_namespace(own);
        // What is there already has a say in the answer.
        let shape = tenant.as_ref().filter(|_| moved).map(|tenant| Shape::of(tenant, object));
        if answers == Answers::Recent && shape.as_ref().is_some_and(|shape| self.tried.was_taken(shape)) {
            return Ok(None);
        }
        let mut tried = object.clone();
        let mut namespace = kind.is_namespaced().then(|| own.to_owned());
        if moved {
            let Some(trial) = self.trial_namespace().await? else { return Ok(None) };
            tried["metadata"]["namespace"] = trial.as_str().into();
            namespace = Some(trial);
        }
        let calls = api(&self.client, &kind.resource(), namespace.as_deref());
        let _turn = self.turns.acquire().await;
        // What somebody added to an object of ours will be taken out first; so it is here.
        let seen = tenant.filter(|_| !moved).and_then(|tenant| self.index.seen(&tenant, place, name));
        let seen = seen.filter(|seen| seen.is_kept);
        let correction = seen.and_then(|seen| {
            let additions = drift::additions(&tried, &seen.live, &seen.taken, true);
            drift::correction(&tried, &seen.live, &additions, true)
        });
        let answer = match correction {
            Some(patch) => answered(calls.patch(name, &by_us().dry_run(), &Patch::Merge(&patch))).await,
            None => {
                let trial = PatchParams::apply(MANAGER).force().dry_run();
                answered(calls.patch(name, &trial, &Patch::Apply(&tried))).await
            }
        };
        match answer {
            Ok(_) => {
                self.tried.took(shape);
                Ok(None)
            }
            // Left out where it is not served.
            Err(error) if kind.optional && error.is_unknown_kind() => {
                self.tried.took(shape);
                Ok(None)
            }
            Err(error) if error.is_about_namespace() => Ok(None),
            Err(error) if error.is_unknown_kind() && kind.since.is_some() => {
                Ok(kind.unserved(name).and_then(|error| match error {
                    ClusterError::Refused { kind, name, reason } => {
                        Some(Refusal { index, kind, name, reason })
                    }
                    _ => None,
                }))
            }
            Err(CallError::Answered(status)) => Ok(Some(Refusal {
                index,
                kind: kind_name.to_owned(),
                name: name.to_owned(),
                reason: status.message,
            })),
            Err(error) => Err(error.of(kind_name, name)),
        }
    }

    /// The namespace in which objects are tried whose own is not there yet: the API server tries
    /// nothing in a namespace that does not exist, and in one that others use the name may be theirs.
    /// It is ours, empty, and named as no tenant's can be; none where somebody else has the name.
    async fn trial_namespace(&self) -> Result<Option<String>, ClusterError> {
        let name = format!("{TRIAL_PREFIX}{}", self.index.installation());
        if self.index.has_namespace(&name) {
            return Ok(self.index.is_own_namespace(&name).then_some(name));
        }
        let kind = &KINDS[kinds::NAMESPACE];
        let calls = api(&self.client, &kind.resource(), None);
        let namespace = json!({
            "apiVersion": kind.api_version(), "kind": kind.name,
            "metadata": {
                "name": name,
                "labels": {"ecp.ai/managed-by": MANAGER},
                "annotations": {INSTALLATION: self.index.installation().as_str()},
            },
        });
        let made =
            answered(calls.patch(&name, &PatchParams::apply(MANAGER), &Patch::Apply(&namespace))).await;
        let made = made.map_err(|error| self.told(error, kind.name, &name))?;
        self.index.namespace_applied(&made);
        Ok(Some(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_would_make_another_call_is_never_sent() {
        for name in ["chatbot", "tenant-quota", "a.b", "system:reader", "x_y"] {
            assert!(is_path_segment(name), "{name}");
        }
        for name in
            [".", "..", "a/b", "a?force=true", "a#", "a%2e", "a b", "a\n", "\u{200b}", "챗봇", "a&b", "a\\b"]
        {
            assert!(!is_path_segment(name), "{name}");
        }
    }
}
