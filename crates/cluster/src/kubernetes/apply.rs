//! Making objects so, by server-side apply.
//!
//! Names go into the ledger before objects are made, uids after. What somebody added is taken out
//! before what is wanted is applied: the two may contradict each other.

use super::KubernetesCluster;
use super::client::{CallError, MANAGER, answered, api, hindered};
use super::drift::{self, APPLIED, Addition};
use super::index::{Autoscaled, Left, Seen, addition_left};
use super::kinds::{self, KINDS, Kind};
use super::ownership::{self, INSTALLATION, Marks};
use ecp_core::ids::TenantId;
use ecp_core::ledger::NotedObject;
use ecp_core::manifest::Object;
use ecp_core::ports::{ClusterError, Hindrance, StoreError};
use ecp_core::text::Message;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// An object of a tenant that is being applied.
struct Target<'a> {
    tenant: &'a TenantId,
    place: usize,
    kind: &'static Kind,
    name: &'a str,
    calls: Api<DynamicObject>,
    /// An autoscaler owns its replicas.
    scales_itself: bool,
}

impl KubernetesCluster {
    /// Applies objects step by step, those of a step side by side.
    pub(super) async fn apply_objects(
        &self,
        tenant: &TenantId,
        objects: &[Object],
    ) -> Result<Vec<Message>, ClusterError> {
        self.check_known(tenant)?;
        self.check_owner(tenant)?;
        self.index.set_shared_with(tenant, Vec::new());
        self.index.set_goes(tenant, false);
        let names = self.index.unnoted_of(tenant, objects);
        self.note(tenant, &names).await?;
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
            let (mut made, mut failed) = (Vec::new(), None);
            while let Some(result) = calls.next().await {
                match result {
                    Ok((object, said)) => {
                        made.extend(object);
                        warnings.extend(said);
                    }
                    Err(error) => _ = failed.get_or_insert(error),
                }
            }
            // What was made is written down, whatever became of the others.
            self.note(tenant, &made).await?;
            if let Some(error) = failed {
                return Err(error);
            }
        }
        Ok(warnings)
    }

    /// Writes into the ledger, and into the index what is written there.
    pub(super) async fn note(&self, tenant: &TenantId, objects: &[NotedObject]) -> Result<(), ClusterError> {
        if objects.is_empty() {
            return Ok(());
        }
        self.ledger.note(tenant, objects).await.map_err(unwritten)?;
        self.index.note(tenant, objects);
        Ok(())
    }

    async fn apply_one(
        &self,
        tenant: &TenantId,
        place: usize,
        object: &Object,
        autoscaled: &Autoscaled,
    ) -> Result<(Option<NotedObject>, Vec<Message>), ClusterError> {
        let (kind, name) = (&KINDS[place], object.name());
        let skipped =
            || vec![Message::new("cluster.kind_unknown").with("kind", kind.name).with("name", name)];
        if let Some(unserved) = kind.unserved(name).filter(|_| self.index.is_unknown(place)) {
            return Err(unserved);
        }
        if self.index.skip_unknown(tenant, place, name) {
            return Ok((None, skipped()));
        }
        let seen = self.index.seen(tenant, place, name);
        let is_workload = kind.step == kinds::WORKLOADS;
        let scales_itself =
            is_workload && seen.as_ref().is_some_and(|seen| autoscaled.owns(name, &seen.live));
        let calls = api(&self.client, &kind.resource(), object.namespace());
        let target = Target { tenant, place, kind, name, calls, scales_itself };
        let mut json = to_json(object)?;
        json["metadata"]["annotations"][INSTALLATION] = self.index.installation().as_str().into();
        let digest = digest(&json);
        match &seen {
            Some(seen) if scales_itself => {
                leave_replicas(&mut json, &seen.live, seen.replicas_owned_by_other);
            }
            Some(seen) if is_workload => autoscaled.raise(&mut json, name, &seen.live),
            _ => {}
        }
        let _turn = self.turns.acquire().await;
        let mut additions = Vec::new();
        if let Some(seen) = &seen {
            self.relabel_pods(&target, seen).await?;
            additions = drift::additions(&json, &seen.live, &seen.taken, scales_itself);
            let left = self.index.left_of(tenant, place, name, &seen.uid);
            additions.retain(|addition| !left.iter().any(|left| left.is(addition, &seen.live)));
            let is_right = drift::differences(&json, &seen.live, scales_itself).is_empty()
                && drift::taken_over(&json, &seen.live, &seen.taken).is_empty();
            let is_applied = seen.is_kept && seen.applied() == Some(digest.as_str());
            if is_applied && is_right && additions.is_empty() {
                return Ok((None, Vec::new()));
            }
        }
        self.check_newcomer(&target, seen.as_ref()).await?;
        json["metadata"]["annotations"][APPLIED] = digest.into();
        if let Some(seen) = seen.as_ref().filter(|_| !additions.is_empty()) {
            let version = seen.resource_version.to_string();
            if let Some(patch) = drift::correction(&json, &seen.live, &additions, scales_itself) {
                match self.correct(&target, patch, &seen.uid, &version).await {
                    // What is applied says what is wrong; what stays is seen then.
                    Ok(_) | Err(ClusterError::Refused { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        let (answer, mut warnings) = self.send(&target, &json).await;
        let answer = match answer {
            Err(CallError::Answered(status)) if status.code == 422 && seen.is_some() => {
                // What is there and what is wanted contradict each other and nothing says whose it is.
                let Some(whole) = whole(&json, seen.as_ref(), scales_itself) else {
                    return Err(self.told(CallError::Answered(status), kind.name, name));
                };
                match answered(target.calls.patch(name, &by_us(), &Patch::Merge(&whole))).await {
                    Ok(_) => self.send(&target, &json).await.0,
                    Err(_) => Err(CallError::Answered(status)),
                }
            }
            answer => answer,
        };
        match answer {
            Ok(applied) => {
                let (object, said) = self.settle_additions(&target, &json, applied).await?;
                warnings.extend(said);
                let uid = object.metadata.uid.clone();
                if !kind.is_namespaced() {
                    self.index.namespace_applied(&object);
                }
                let is_new = self.index.noted_uid(tenant, place, name) != Some(uid.clone());
                // In the index first: what is ours is there by the time that the note is.
                self.index.object_applied(place, object);
                let noted = NotedObject { kind: kind.name.to_owned(), name: name.to_owned(), uid };
                Ok((is_new.then_some(noted), warnings))
            }
            Err(error) if kind.optional && error.is_unknown_kind() => {
                self.index.doubt_kind(place);
                self.index.skip_unknown(tenant, place, name);
                Ok((None, skipped()))
            }
            Err(error) if error.is_unknown_kind() => {
                Err(kind.unserved(name).unwrap_or_else(|| self.told(error, kind.name, name)))
            }
            Err(error) => {
                // What was tried before is not what is so now.
                self.tried.forget();
                Err(self.told(error, kind.name, name))
            }
        }
    }

    /// Applies, politely first: a conflict names who else owns a field, which is then taken back.
    async fn send(
        &self,
        target: &Target<'_>,
        json: &Value,
    ) -> (Result<DynamicObject, CallError>, Vec<Message>) {
        let (name, patch) = (target.name, Patch::Apply(json));
        let polite = PatchParams::apply(MANAGER);
        match answered(target.calls.patch(name, &polite, &patch)).await {
            Err(conflict) if !conflict.conflicts().is_empty() => {
                let warning = |(manager, field): (String, String)| {
                    Message::new("cluster.field_taken_back")
                        .with("object", format!("{} {name}", target.kind.name))
                        .with("field", field)
                        .with("manager", manager)
                };
                let warnings = conflict.conflicts().into_iter().map(warning).collect();
                (answered(target.calls.patch(name, &polite.force(), &patch)).await, warnings)
            }
            answer => (answer, Vec::new()),
        }
    }

    /// Refuses to write over an object that somebody else made: under a name that we never had there, or in the
    /// place of ours that went. What our own call made whose answer was lost has our marks.
    async fn check_newcomer(&self, target: &Target<'_>, seen: Option<&Seen>) -> Result<(), ClusterError> {
        let Target { tenant, place, kind, name, .. } = *target;
        let namespace = tenant.namespace();
        let noted = self.index.noted_uid(tenant, place, name).flatten();
        let is_noted = noted.is_some() && seen.map(|seen| seen.uid.as_str()) == noted.as_deref();
        if is_noted || !kind.is_namespaced() || !self.index.has_namespace(&namespace) {
            return Ok(());
        }
        match answered(target.calls.get(name)).await {
            Ok(object) => {
                let marks = Marks::of(&object.metadata);
                let is_noted = noted.is_some() && object.metadata.uid == noted;
                if is_noted || marks.are_of(self.index.installation()) || marks.are_unsigned() {
                    return Ok(());
                }
                let (kind, name) = (kind.name.to_owned(), name.to_owned());
                Err(ClusterError::ForeignObject { namespace, kind, name })
            }
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(self.told(error, kind.name, name)),
        }
    }

    /// Takes additions out of an object as it was seen; an object that changed since is left to the
    /// next look.
    async fn correct(
        &self,
        target: &Target<'_>,
        mut patch: Value,
        uid: &str,
        version: &str,
    ) -> Result<DynamicObject, ClusterError> {
        patch["metadata"]["uid"] = uid.into();
        patch["metadata"]["resourceVersion"] = version.into();
        let answer = answered(target.calls.patch(target.name, &by_us(), &Patch::Merge(&patch))).await;
        answer.map_err(|error| self.told(error, target.kind.name, target.name))
    }

    /// Takes out what an applied object still has beyond what is wanted. What is there again after that
    /// comes from admission, or from the cluster's defaults: it is left, and the former is told.
    async fn settle_additions(
        &self,
        target: &Target<'_>,
        json: &Value,
        applied: DynamicObject,
    ) -> Result<(DynamicObject, Vec<Message>), ClusterError> {
        let Target { tenant, place, kind, name, scales_itself, .. } = *target;
        let found = |object: &DynamicObject| {
            let fields = object.metadata.managed_fields.as_deref().unwrap_or_default();
            let taken = ownership::taken(fields);
            let live = drift::pruned(serde_json::to_value(object).unwrap_or(Value::Null));
            (drift::additions(json, &live, &taken, scales_itself), live)
        };
        let uid = applied.metadata.uid.clone().unwrap_or_default();
        let before = self.index.left_of(tenant, place, name, &uid);
        let is_known = |addition: &Addition, live: &Value| before.iter().any(|left| left.is(addition, live));
        let (additions, live) = found(&applied);
        let mut object = applied;
        if additions.iter().any(|addition| !is_known(addition, &live))
            && let Some(patch) = drift::correction(json, &live, &additions, scales_itself)
        {
            let version = object.metadata.resource_version.clone().unwrap_or_default();
            match self.correct(target, patch, &uid, &version).await {
                Ok(corrected) => object = corrected,
                Err(ClusterError::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let was_told = |place: &str| before.iter().any(|left| left.place == place && left.is_told);
        let (additions, live) = found(&object);
        let left: Vec<Left> = additions
            .into_iter()
            .map(|addition| Left {
                is_told: addition.is_item || was_told(&addition.place),
                value: live.pointer(&addition.pointer).cloned().unwrap_or_default(),
                place: addition.place,
                manager: addition.manager,
            })
            .collect();
        let news: Vec<&Left> = left.iter().filter(|left| left.is_told && !was_told(&left.place)).collect();
        let mut said = Vec::new();
        if !news.is_empty() {
            said.push(addition_left(kind.name, name, news.into_iter()));
        }
        self.index.set_left(tenant, place, name, &uid, left);
        Ok((object, said))
    }

    /// Gives pods of a workload the labels of its template back.
    async fn relabel_pods(&self, target: &Target<'_>, seen: &Seen) -> Result<(), ClusterError> {
        let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("", "v1", "Pod"), "pods");
        let calls = api(&self.client, &resource, Some(&target.tenant.namespace()));
        for (name, labels) in &seen.pods {
            let patch = json!({"metadata": {"labels": labels}});
            match answered(calls.patch(name, &by_us(), &Patch::Merge(&patch))).await {
                Ok(pod) => self.index.pod_applied(&pod),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(self.told(error, "Pod", name)),
            }
        }
        Ok(())
    }

    /// Turns what a call met into what the domain is told. A namespace that is missing or on its
    /// way out comes back: that is a matter of time, not a refusal.
    pub(super) fn told(&self, error: CallError, kind: &str, name: &str) -> ClusterError {
        if error.is_about_namespace() {
            let reason = match error {
                CallError::Answered(status) => status.message,
                CallError::Away(reason) | CallError::Hindered(reason) => reason,
            };
            return hindered(kind, name, Hindrance::Namespace, reason);
        }
        match error {
            CallError::Answered(status) if status.code == 409 => {
                hindered(kind, name, Hindrance::Changed, status.message)
            }
            error => error.of(kind, name),
        }
    }
}

/// The patches of ours that are not applied.
pub(super) fn by_us() -> PatchParams {
    PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() }
}

/// The ledger can not be written: nothing is made that would not be known again.
pub(super) fn unwritten(error: StoreError) -> ClusterError {
    ClusterError::Unreachable(format!("what is made in the cluster can not be written down: {error}"))
}

/// The merge patch that leaves nothing of an object's own structures but what is wanted, and what the
/// cluster fills in.
fn whole(json: &Value, seen: Option<&Seen>, scales_itself: bool) -> Option<Value> {
    let live = &seen?.live;
    let additions: Vec<Addition> = ["spec", "data", "binaryData"]
        .into_iter()
        .filter_map(|top| Some((top, live.get(top)?.as_object()?)))
        .flat_map(|(top, fields)| {
            let surplus = fields.keys().filter(move |key| {
                !(scales_itself && *key == "replicas")
                    && json[top].get(key.as_str()) != live[top].get(key.as_str())
            });
            surplus.map(move |key| {
                let pointer = format!("/{top}/{}", key.replace('~', "~0").replace('/', "~1"));
                Addition { place: pointer.clone(), pointer, manager: None, is_item: false }
            })
        })
        .collect();
    drift::correction(json, live, &additions, scales_itself)
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
pub(super) fn digest(wanted: &Value) -> String {
    Sha256::digest(wanted.to_string()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
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
        assert_eq!(drift::differences(&after, &before, false), Vec::<String>::new());
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
