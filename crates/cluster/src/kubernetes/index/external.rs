//! Tenants whose objects others apply: what is there, whoever made it, held against what is wanted.

use super::{Index, Key, skipped};
use crate::kubernetes::drift;
use crate::kubernetes::kinds::{self, CLAIM};
use ecp_core::ids::TenantId;
use ecp_core::ledger::NotedObject;
use ecp_core::manifest::Object;
use ecp_core::ports::{Drift, Observation};
use serde_json::Value;

impl Index {
    /// What is there of `wanted`, judged, and where it is not as they say.
    pub(in crate::kubernetes) fn observe_wanted(
        &self,
        tenant: &TenantId,
        wanted: &[Object],
    ) -> (Observation, Vec<Drift>) {
        let autoscaled = self.autoscaled(tenant, wanted);
        let (mut observation, mut drifts) = (Observation::default(), Vec::new());
        let inner = self.inner.lock();
        let unknown = &inner.unknown;
        let Some(index) = inner.tenants.get(tenant) else { return (observation, drifts) };
        for object in wanted {
            let Some((place, _)) = kinds::find(object.kind()) else { continue };
            let key: Key = (place, object.name().to_owned());
            let Some(entry) = index.objects.get(&key) else {
                observation.objects.extend(unknown.contains(&place).then(|| skipped(&key)));
                continue;
            };
            observation.objects.push(index.judged(entry));
            let Ok(mut json) = serde_json::to_value(object) else { continue };
            if let (Object::Secret(_), Value::Object(fields)) = (object, &mut json) {
                // Their values are often kept where the manifest is not.
                ["data", "stringData"].into_iter().for_each(|field| _ = fields.shift_remove(field));
            }
            let live = entry.live();
            autoscaled.raise(&mut json, object.name(), &live);
            let differing = drift::differences(&json, &live, autoscaled.owns(object.name(), &live));
            drifts.extend(differing.into_iter().map(|field| Drift {
                kind: object.kind().to_owned(),
                name: object.name().to_owned(),
                manager: drift::owner_of(&field, &json, &entry.taken),
                field,
            }));
        }
        (observation, drifts)
    }

    /// True of an object that the watches showed.
    pub(in crate::kubernetes) fn has_seen(&self, tenant: &TenantId, place: usize, name: &str) -> bool {
        let inner = self.inner.lock();
        let index = inner.tenants.get(tenant);
        index.is_some_and(|index| index.objects.contains_key(&(place, name.to_owned())))
    }

    /// Those of `wanted` that are there, as they are noted when they become ours; none of a volume, which
    /// comes with its StatefulSet, nor of what another installation made.
    pub(in crate::kubernetes) fn to_take_over(
        &self,
        tenant: &TenantId,
        wanted: &[Object],
    ) -> Vec<NotedObject> {
        let inner = self.inner.lock();
        let Some(index) = inner.tenants.get(tenant) else { return Vec::new() };
        let there = |object: &Object| {
            let (place, kind) = kinds::find(object.kind()).filter(|(_, kind)| kind.name != CLAIM)?;
            let entry = index.objects.get(&(place, object.name().to_owned()))?;
            if entry.marks.installation.as_ref().is_some_and(|made_by| made_by != self.installation.as_str())
            {
                return None;
            }
            let (kind, name) = (kind.name.to_owned(), object.name().to_owned());
            Some(NotedObject { kind, name, uid: Some(entry.uid.clone()) })
        };
        wanted.iter().filter_map(there).collect()
    }
}
