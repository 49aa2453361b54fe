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
use std::collections::HashSet;

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
            found.extend(self.differences(&json, &live, entry, autoscaled.contains(object.name())));
            found.extend(index.pods_differing(&key, entry, &live, &self.installation));
            let left = index.left_of(&key, &entry.uid);
            found.extend(
                drift::additions(&json, &live, &entry.taken, autoscaled.contains(object.name()))
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

    /// Names of the Deployments whose replicas an autoscaler owns, or is about to.
    pub(in crate::kubernetes) fn autoscaled(&self, tenant: &TenantId, wanted: &[Object]) -> HashSet<String> {
        let mut names: HashSet<String> = wanted
            .iter()
            .filter_map(|object| match object {
                Object::HorizontalPodAutoscaler(autoscaler) => {
                    Some(autoscaler.spec.scale_target_ref.name.clone())
                }
                _ => None,
            })
            .collect();
        let inner = self.inner.lock();
        let entries = inner.tenants.get(tenant).into_iter().flat_map(|index| index.objects.iter());
        let targets = entries.filter(|(key, _)| KINDS[key.0].name == AUTOSCALER).filter_map(|(_, entry)| {
            entry.live().pointer("/spec/scaleTargetRef/name").and_then(Value::as_str).map(str::to_owned)
        });
        names.extend(targets);
        names
    }
}
