//! What holds after every end of a roll-out, whatever it was.

use super::*;
use ecp_core::ports::AuditQuery;

impl Bench {
    /// The tenant's quota is as rendered, everything else too, policies are there, nobody's change is
    /// left, what is lost comes back, and the trail has one entry of each call. The clock stays.
    pub(super) async fn assert_sound(&mut self, name: &str) {
        self.assert_as_rendered(name).await;
        // A policy and the quota are what an intruder would take away.
        for (kind, object) in [("NetworkPolicy", "default-deny"), ("ResourceQuota", "tenant-quota")] {
            let has = |bench: &Self| {
                let seen = bench.line().simulated.observe(&id(name)).unwrap();
                seen.objects.iter().any(|state| state.kind == kind && state.name == object)
            };
            assert!(has(self), "{name} has its {kind} {object}");
            let before = self.heals_of(name, &format!("{kind} {object}")).await.len();
            self.line().simulated.delete_object(&id(name), kind, object);
            assert!(!has(self));
            assert!(self.settle().await);
            assert!(has(self), "{kind} {object} of {name} comes back");
            let heals = self.heals_of(name, &format!("{kind} {object}")).await;
            assert_eq!(heals.len(), before + 1, "one entry says so: {heals:?}");
        }
        self.assert_as_rendered(name).await;
        self.assert_trail_is_whole().await;
    }

    /// Everything that is to be there is there as it was rendered, and nothing else.
    pub(super) async fn assert_as_rendered(&self, name: &str) {
        let tenant = self.store().tenant(&id(name)).unwrap();
        let newest = self.newest(name);
        assert!(!newest.unsettled, "{:?} at {:?}", newest.status, newest.phase);
        let wanted = self.objects_in_force(&tenant).await;
        let live = self.line().live.lock().clone();
        let there = self.line().simulated.observe(&tenant.id).unwrap().objects;
        for object in &wanted {
            let key = (tenant.id.clone(), object.kind(), object.name().to_owned());
            assert_eq!(live.get(&key), Some(object), "{} {}", object.kind(), object.name());
            let is_there = |state: &ecp_core::ports::ObjectState| {
                state.kind == object.kind() && state.name == object.name() && state.status != "Terminating"
            };
            assert!(there.iter().any(is_there), "{} {} is there", object.kind(), object.name());
        }
        let surplus = there.iter().filter(|state| {
            state.status != "Terminating"
                && !wanted.iter().any(|object| object.kind() == state.kind && object.name() == state.name)
        });
        assert_eq!(surplus.count(), 0, "nothing of earlier manifests is left");
        let left = self.line().drifts.lock().get(&tenant.id).cloned().unwrap_or_default();
        assert_eq!(left, [], "what others changed is put back");
    }

    /// What is to be there while nothing is being rolled out.
    async fn objects_in_force(&self, tenant: &Tenant) -> Vec<Object> {
        let revisions = self.store().revisions(&tenant.id).await.unwrap();
        let in_force = revisions.in_force().expect("something is in force");
        self.process().controller.shared.read_objects(&tenant.id, in_force).await.unwrap()
    }

    /// Entries of healing that name an object.
    async fn heals_of(&self, name: &str, object: &str) -> Vec<AuditEntry> {
        let query = AuditQuery {
            tenant_id: Some(id(name)),
            action: Some("tenant.heal".to_owned()),
            limit: 1000,
            ..AuditQuery::default()
        };
        let (mut entries, _) = self.store().audit(query).await.unwrap();
        entries.retain(|entry| entry.before.as_ref().is_some_and(|found| found.to_string().contains(object)));
        entries
    }

    /// Each call that was accepted has exactly one entry, and no entry names a call that was not.
    pub(super) async fn assert_trail_is_whole(&self) {
        let query = AuditQuery { limit: 10_000, ..AuditQuery::default() };
        let (entries, _) = self.store().audit(query).await.unwrap();
        let calls = self.calls.lock().clone();
        for (tenant, action, request_id) in &calls {
            // What the controller did for it later is its own.
            let of_it = entries.iter().filter(|entry| {
                entry.actor != "controller" && entry.request_id.as_deref() == Some(request_id.as_str())
            });
            let told: Vec<_> = of_it.map(|entry| (entry.tenant_id.as_ref(), entry.action.as_str())).collect();
            assert_eq!(told, [(Some(tenant), *action)], "{request_id}");
        }
        for entry in entries.iter().filter(|entry| entry.actor != "controller") {
            let known = calls.iter().any(|(.., id)| entry.request_id.as_ref() == Some(id));
            assert!(known, "nobody called for {entry:?}");
        }
    }
}
