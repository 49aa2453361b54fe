//! Putting back what others changed: what was found, who fights over it, and what the trail says.
//!
//! Healing is at once, but not for ever: an object that something else changes or deletes again and
//! again rests for a while, so that two controllers do not chase each other. Applying is [`super::rollout`]'s.

use super::Shared;
use super::view::{self, View};
use ecp_core::Timestamp;
use ecp_core::audit::{AuditEntry, BEGUN, Intent};
use ecp_core::deployment::{Deployment, DeploymentStatus, ResourceState};
use ecp_core::ids::TenantId;
use ecp_core::origin::ServerActor;
use ecp_core::ports::{Drift, Observation, StoreError};
use ecp_core::tenant::Tenant;
use jiff::SignedDuration;
use std::collections::{HashMap, VecDeque};

/// How often it is tried to put an object back within [`FIGHT_TIME`] before it rests.
pub(super) const MOST_HEALS: usize = 5;
/// The time in which tries at an object count together, and how long it rests after too many.
pub(super) const FIGHT_TIME: SignedDuration = SignedDuration::from_mins(1);

/// The action of the audit trail.
const HEAL: &str = "tenant.heal";
/// The status of objects whose kind the cluster does not know.
const SKIPPED: &str = "Skipped";

/// Two lists of what was found, each thing once.
fn merged(earlier: Option<serde_json::Value>, now: Option<serde_json::Value>) -> Option<serde_json::Value> {
    let list = |value: Option<serde_json::Value>| match value {
        Some(serde_json::Value::Array(items)) => items,
        other => other.into_iter().collect(),
    };
    let mut all = list(earlier);
    for item in list(now) {
        if !all.contains(&item) {
            all.push(item);
        }
    }
    Some(all.into())
}

/// What was not as it should be, and was put right.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Objects that were gone.
    pub(super) missing: Vec<String>,
    /// Objects that someone changed.
    pub(super) drifts: Vec<Drift>,
    /// Objects that are left as they are for now: their rest began.
    pub(super) contested: Vec<Contested>,
}

/// An object that was put back and changed again, too often.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Contested {
    pub(super) object: String,
    /// Who changes it, where the cluster says.
    pub(super) manager: Option<String>,
    /// How often it was put back.
    pub(super) times: usize,
}

impl Found {
    /// Nothing happened that is worth a word.
    pub(super) fn is_nothing(&self) -> bool {
        !self.is_to_be_put_back() && self.contested.is_empty()
    }

    /// Something is to be applied again.
    pub(super) fn is_to_be_put_back(&self) -> bool {
        !self.missing.is_empty() || !self.drifts.is_empty()
    }

    /// Leaves out what is on its way out, alone or with its namespace: it has to be gone before anything can be made
    /// under its name.
    pub(super) fn leave_what_ends(&mut self, view: &View) {
        self.missing.retain(|object| !view.is_ending(object));
        self.drifts.retain(|drift| !view.is_ending(&name_of(drift)));
    }

    /// Leaves out what is not as it should be even now: it was not put back, whatever was tried. What
    /// the cluster can not have at all never was.
    pub(super) fn keep_what_happened(&mut self, view: &View, left: &[Drift]) {
        let skipped = |name: &str| {
            let is_it =
                |one: &ResourceState| one.status == SKIPPED && format!("{} {}", one.kind, one.name) == name;
            view.created.iter().any(is_it)
        };
        self.missing.retain(|name| !view.missing.contains(name) && !skipped(name));
        self.drifts.retain(|drift| !left.iter().any(|one| name_of(one) == name_of(drift)));
    }

    /// Leaves out objects that the record shows as skipped: the cluster can have them now, and did not lose
    /// them.
    pub(super) fn leave_out_what_never_was(&mut self, deployment: &Deployment) {
        let was_skipped = |name: &str| {
            let recorded = deployment.created_resources.iter();
            recorded
                .filter(|one| one.status == SKIPPED)
                .any(|one| format!("{} {}", one.kind, one.name) == name)
        };
        self.missing.retain(|name| !was_skipped(name));
    }

    /// Each object that is to be applied again, once, with who changed it.
    pub(super) fn objects(&self) -> HashMap<String, Option<String>> {
        let missing = self.missing.iter().map(|name| (name.clone(), None));
        missing.chain(self.drifts.iter().map(|drift| (name_of(drift), drift.manager.clone()))).collect()
    }
}

fn name_of(drift: &Drift) -> String {
    format!("{} {}", drift.kind, drift.name)
}

/// A try at putting an object back.
struct Try {
    at: Timestamp,
    /// It was as it should be after that.
    succeeded: bool,
}

/// Tries at one object.
#[derive(Default)]
struct Contest {
    /// Those of late, oldest first.
    tries: VecDeque<Try>,
    /// Until when it is left alone.
    rests_until: Option<Timestamp>,
}

impl Contest {
    fn rests(&self, now: Timestamp) -> bool {
        self.rests_until.is_some_and(|until| now < until)
    }
}

/// Which objects it was tried to put back lately, and which of them rest. Kept in memory: after a restart they
/// get a fresh chance.
#[derive(Default)]
pub(super) struct Fights(HashMap<TenantId, HashMap<String, Contest>>);

impl Fights {
    /// Takes out of `found` what rests, and begins the rest of what was tried too often.
    pub(super) fn hold_back(&mut self, id: &TenantId, found: &mut Found, now: Timestamp) {
        let Some(contests) = self.0.get_mut(id) else { return };
        let objects = found.objects();
        contests.retain(|object, contest| {
            contest.tries.retain(|one| now.duration_since(one.at) < FIGHT_TIME);
            contest.rests(now) || (objects.contains_key(object) && !contest.tries.is_empty())
        });
        for (object, manager) in objects {
            let Some(contest) = contests.get_mut(&object) else { continue };
            let rested = contest.rests(now);
            if !rested && contest.tries.len() < MOST_HEALS {
                continue;
            }
            if !rested {
                contest.rests_until = Some(now + FIGHT_TIME);
                let times = contest.tries.iter().filter(|one| one.succeeded).count();
                // What could not be put back at all is said elsewhere.
                if times > 0 {
                    found.contested.push(Contested { object: object.clone(), manager, times });
                }
            }
            found.missing.retain(|missing| *missing != object);
            found.drifts.retain(|drift| name_of(drift) != object);
        }
        if contests.is_empty() {
            self.0.remove(id);
        }
        found.contested.sort();
    }

    /// Counts the tries at these objects, of which `found` names what came back.
    pub(super) fn tried(
        &mut self,
        id: &TenantId,
        objects: impl Iterator<Item = String>,
        found: &Found,
        now: Timestamp,
    ) {
        let healed = found.objects();
        let contests = self.0.entry(id.clone()).or_default();
        for object in objects {
            let succeeded = healed.contains_key(&object);
            contests.entry(object).or_default().tries.push_back(Try { at: now, succeeded });
        }
    }

    /// True of an object that is left alone for now.
    fn rests(&self, id: &TenantId, object: &str, now: Timestamp) -> bool {
        self.0.get(id).and_then(|contests| contests.get(object)).is_some_and(|contest| contest.rests(now))
    }

    /// True where an object of the tenant has rested long enough.
    pub(super) fn has_rested(&self, id: &TenantId, now: Timestamp) -> bool {
        let over = |contest: &Contest| contest.rests_until.is_some_and(|until| until <= now);
        self.0.get(id).is_some_and(|contests| contests.values().any(over))
    }

    /// Forgets a tenant that is gone.
    pub(super) fn forget(&mut self, id: &TenantId) {
        self.0.remove(id);
    }
}

impl Shared {
    /// True where a running tenant lost again what was on its way back. A deployment that failed may
    /// name objects that never were there.
    pub(super) fn has_lost(&self, deployment: &Deployment, observation: &Observation) -> bool {
        if deployment.status != DeploymentStatus::Running {
            return false;
        }
        let lost = view::lost_before_ready(deployment, observation);
        let (fights, now) = (self.fights.lock(), self.clock.steady());
        lost.iter().any(|object| !fights.rests(&deployment.tenant_id, object, now))
    }

    /// True where something is there and not as it was applied, where what is in force after a roll-out
    /// that came to nothing is not there whole, or where what was given up is whole by now. Where nothing
    /// changed and nothing failed, this costs nothing.
    pub(super) async fn differs_from_what_is_in_force(
        &self,
        deployment: &Deployment,
        observation: &Observation,
    ) -> bool {
        let id = &deployment.tenant_id;
        let may_have_drifted = self.cluster.may_have_drifted(id);
        if !may_have_drifted && deployment.status != DeploymentStatus::Failed {
            return false;
        }
        let Ok(revisions) = self.store.revisions(id).await else { return false };
        let Some(in_force) = revisions.in_force() else { return false };
        let is_earlier = in_force.number != deployment.generation;
        let may_be_whole = observation.objects.iter().all(|state| state.ready);
        if !may_have_drifted && !is_earlier && !may_be_whole {
            return false;
        }
        let Ok(objects) = self.objects_of(id, in_force).await else { return false };
        let drifts = match may_have_drifted {
            true => self.cluster.drift(id, &objects).unwrap_or_default(),
            false => Vec::new(),
        };
        let view = View::of(&objects, observation);
        let differs = match (deployment.status, is_earlier) {
            // It was given up, and all that it waited for is there by now.
            (DeploymentStatus::Failed, false) => view.is_complete(),
            (_, false) => false,
            (_, true) => view.surplus,
        };
        let (fights, now) = (self.fights.lock(), self.clock.steady());
        let is_lost = |object: &String| !view.is_ending(object) && !fights.rests(id, object, now);
        differs
            || drifts.iter().any(|drift| !fights.rests(id, &name_of(drift), now))
            || (is_earlier && view.missing.iter().any(is_lost))
    }

    /// Writes down what is about to be put back. What a crash left unsettled is the same deed.
    pub(super) async fn intend_healing(&self, tenant: &Tenant, found: &Found) -> Result<Intent, StoreError> {
        let mut entry = AuditEntry { outcome: BEGUN.to_owned(), ..self.audit_of_healing(tenant, found) };
        let intent = match self.intent(&tenant.id).await? {
            Some(earlier) => {
                entry.timestamp = earlier.entry.timestamp;
                entry.before = merged(earlier.entry.before.clone(), entry.before);
                self.store.settle(&earlier, Some(entry.clone())).await?;
                Intent { number: earlier.number, tenant_id: tenant.id.clone(), entry }
            }
            None => self.store.intend(&tenant.id, entry).await?,
        };
        self.intents.lock().insert(tenant.id.clone(), Some(intent.clone()));
        Ok(intent)
    }

    /// Says what came of it.
    pub(super) async fn settle_healing(
        &self,
        id: &TenantId,
        intent: &Intent,
        came_of_it: Option<AuditEntry>,
    ) -> Result<(), StoreError> {
        self.store.settle(intent, came_of_it).await?;
        self.intents.lock().insert(id.clone(), None);
        Ok(())
    }

    /// Healing that was begun and is not settled: a crash came between.
    pub(super) async fn intent(&self, id: &TenantId) -> Result<Option<Intent>, StoreError> {
        let known = self.intents.lock().get(id).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let found = self.store.intents(id).await?.into_iter().find(|intent| intent.entry.action == HEAL);
        self.intents.lock().insert(id.clone(), found.clone());
        Ok(found)
    }

    /// What healing put back: an entry says what was found.
    pub(super) fn audit_of_healing(&self, tenant: &Tenant, found: &Found) -> AuditEntry {
        let changed = found.drifts.iter().map(|drift| {
            serde_json::json!({
                "object": name_of(drift),
                "field": drift.field,
                "manager": drift.manager,
            })
        });
        let lost =
            found.missing.iter().map(|object| serde_json::json!({ "object": object, "missing": true }));
        AuditEntry {
            timestamp: self.clock.now(),
            actor: ServerActor::Controller.into(),
            action: HEAL.to_owned(),
            tenant_id: Some(tenant.id.clone()),
            request_id: None,
            before: Some(changed.chain(lost).collect()),
            after: Some(serde_json::json!({ "generation": tenant.generation })),
            outcome: "restored".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(object: &str) -> Found {
        Found { missing: vec![object.to_owned()], ..Found::default() }
    }

    #[test]
    fn only_what_came_back_counts_as_put_back_and_every_try_towards_a_rest() {
        let (id, now) = (TenantId::parse("acme").expect("an id"), Timestamp::UNIX_EPOCH);
        for (came_back, contested) in [(0, None), (2, Some(2)), (MOST_HEALS, Some(MOST_HEALS))] {
            let mut fights = Fights::default();
            for number in 0..MOST_HEALS {
                let mut found = lost("Service a");
                fights.hold_back(&id, &mut found, now);
                assert!(found.is_to_be_put_back(), "try {number}");
                let healed = if number < came_back { found } else { Found::default() };
                fights.tried(&id, ["Service a".to_owned()].into_iter(), &healed, now);
            }
            let mut found = lost("Service a");
            fights.hold_back(&id, &mut found, now);
            assert!(!found.is_to_be_put_back(), "it rests");
            assert_eq!(found.contested.first().map(|contested| contested.times), contested);
        }
    }
}
