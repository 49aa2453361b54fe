//! What of a tenant's objects is not as it is wanted.

use super::Index;
use super::entry::Entry;
use crate::kubernetes::drift;
use crate::kubernetes::kinds::{self, AUTOSCALER, KINDS};
use crate::kubernetes::ownership;
use ecp_core::ids::TenantId;
use ecp_core::manifest::Object;
use ecp_core::ports::Drift;
use serde_json::Value;
use std::collections::HashMap;

/// Deployments that are scaled by autoscalers, with the fewest replicas that each of these keeps.
#[derive(Debug, Default)]
pub(in crate::kubernetes) struct Autoscaled(HashMap<String, u64>);

impl Autoscaled {
    /// True of a workload whose number of replicas is the autoscaler's. It never is below its minimum by the
    /// autoscaler's doing, and from 0 no autoscaler brings it back; above the maximum it does so by itself.
    pub(in crate::kubernetes) fn owns(&self, name: &str, live: &Value) -> bool {
        let Some(fewest) = self.0.get(name) else { return false };
        replicas_of(live) >= *fewest
    }

    /// The same object as it is wanted while it is `live`: one that was scaled below the minimum has that.
    pub(in crate::kubernetes) fn raise(&self, wanted: &mut Value, name: &str, live: &Value) {
        if let Some(fewest) = self.0.get(name)
            && !self.owns(name, live)
            && wanted.pointer("/spec/replicas").is_some()
        {
            wanted["spec"]["replicas"] = (*fewest).into();
        }
    }
}

/// One where nothing is said, as the API has it.
fn replicas_of(live: &Value) -> u64 {
    live.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1)
}

impl Index {
    /// What of these objects is there and not as it should be.
    pub(in crate::kubernetes) fn drift(&self, tenant: &TenantId, wanted: &[Object]) -> Vec<Drift> {
        let autoscaled = self.autoscaled(tenant, wanted);
        let mut inner = self.inner.lock();
        let Some(index) = inner.tenants.get_mut(tenant) else { return Vec::new() };
        let mut drifts = Vec::new();
        let mut all_there = true;
        for object in wanted {
            let Some((place, kind)) = kinds::find(object.kind()) else { continue };
            let key = (place, object.name().to_owned());
            let Some(entry) = index.objects.get(&key) else {
                all_there &= kind.optional;
                continue;
            };
            let Ok(mut json) = serde_json::to_value(object) else { continue };
            // As it is applied: what we sign with is wanted, too.
            json["metadata"]["annotations"][ownership::INSTALLATION] = self.installation.as_str().into();
            let mut found = Vec::new();
            if !index.owns(&key, entry, &self.installation) {
                found.push(("/metadata/uid".to_owned(), None));
            } else if !entry.marks.applied {
                found.push(("/metadata/managedFields".to_owned(), None));
            }
            let live = entry.live();
            autoscaled.raise(&mut json, object.name(), &live);
            let scales_itself = autoscaled.owns(object.name(), &live);
            found.extend(self.differences(&json, &live, entry, scales_itself));
            found.extend(index.pods_differing(&key, entry, &live, &self.installation));
            let left = index.left_of(&key, &entry.uid);
            found.extend(
                drift::additions(&json, &live, &entry.taken, scales_itself)
                    .into_iter()
                    .filter(|addition| !left.iter().any(|left| left.is(addition, &live)))
                    .map(|addition| (addition.place, addition.manager)),
            );
            drifts.extend(found.into_iter().map(|(field, manager)| Drift {
                kind: object.kind().to_owned(),
                name: object.name().to_owned(),
                field,
                manager,
            }));
        }
        index.verified = drifts.is_empty() && all_there;
        drifts
    }

    /// What of an object is not as it is wanted, with who made it so where the cluster says.
    pub(in crate::kubernetes) fn differences(
        &self,
        wanted: &Value,
        live: &Value,
        entry: &Entry,
        replicas_are_autoscaled: bool,
    ) -> Vec<(String, Option<String>)> {
        let annotations = &live["metadata"]["annotations"];
        let signed = annotations[ownership::INSTALLATION].as_str() == Some(self.installation.as_str());
        let missing = [(ownership::INSTALLATION, signed), (drift::APPLIED, entry.marks.digested)];
        let missing = missing.into_iter().filter(|(_, there)| !there);
        let missing = missing.map(|(name, _)| format!("/metadata/annotations/{}", name.replace('/', "~1")));
        let mut found: Vec<(String, Option<String>)> =
            drift::differences(wanted, live, replicas_are_autoscaled)
                .into_iter()
                .chain(missing)
                .map(|field| {
                    let manager = drift::owner_of(&field, wanted, &entry.taken);
                    (field, manager)
                })
                .collect();
        for (field, manager) in drift::taken_over(wanted, live, &entry.taken) {
            let told = |told: &str| told == field || told.starts_with(&format!("{field}/"));
            if !found.iter().any(|(other, _)| told(other)) {
                found.push((field, manager));
            }
        }
        found
    }

    /// True where something changed since [`Self::drift`] found nothing.
    pub(in crate::kubernetes) fn may_have_drifted(&self, tenant: &TenantId) -> bool {
        self.inner.lock().tenants.get(tenant).is_some_and(|index| !index.verified)
    }

    /// The Deployments whose replicas an autoscaler owns, or is about to: by what is wanted, and by what is
    /// there where nothing is said of it.
    pub(in crate::kubernetes) fn autoscaled(&self, tenant: &TenantId, wanted: &[Object]) -> Autoscaled {
        let inner = self.inner.lock();
        let entries = inner.tenants.get(tenant).into_iter().flat_map(|index| index.objects.iter());
        let targets = entries.filter(|(key, _)| KINDS[key.0].name == AUTOSCALER).filter_map(|(_, entry)| {
            let live = entry.live();
            let name = live.pointer("/spec/scaleTargetRef/name").and_then(Value::as_str)?.to_owned();
            let fewest = live.pointer("/spec/minReplicas").and_then(Value::as_u64);
            Some((name, fewest.unwrap_or(1)))
        });
        let mut fewest: HashMap<String, u64> = targets.collect();
        let wanted = wanted.iter().filter_map(Object::autoscales);
        fewest.extend(wanted.map(|(name, fewest)| (name.to_owned(), u64::from(fewest))));
        Autoscaled(fewest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn replicas_are_the_autoscaler_s_from_its_minimum_on_and_below_they_are_put_back_to_it() {
        let autoscaled = Autoscaled([("qa".to_owned(), 2)].into());
        let raised = |name: &str, there: u64| {
            let (mut wanted, live) = (json!({"spec": {"replicas": 3}}), json!({"spec": {"replicas": there}}));
            autoscaled.raise(&mut wanted, name, &live);
            (autoscaled.owns(name, &live), wanted["spec"]["replicas"].as_u64())
        };
        for owned in [2, 3, 9] {
            assert_eq!(raised("qa", owned), (true, Some(3)));
        }
        for scaled_down in [0, 1] {
            assert_eq!(raised("qa", scaled_down), (false, Some(2)));
        }
        assert_eq!(raised("chatbot", 0), (false, Some(3)), "what no autoscaler scales is as the plan says");
    }
}
