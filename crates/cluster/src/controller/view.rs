//! What the cluster shows of a tenant, held against what it should show; pure.

use ecp_core::deployment::{Deployment, DeploymentStatus, ResourceState};
use ecp_core::manifest::Object;
use ecp_core::ports::{ObjectState, Observation};
use ecp_core::tenant::{Tenant, TenantStatus};
use ecp_core::text::Message;
use std::collections::{HashMap, HashSet};

/// The status of objects that are on their way out.
const TERMINATING: &str = "Terminating";

/// A tenant's objects, sorted by whether they are as they should be.
#[derive(Debug, Default)]
pub(super) struct View {
    /// There and ready.
    pub(super) created: Vec<ResourceState>,
    /// Not yet; and what is there and should not be, or is on its way out.
    pub(super) pending: Vec<ResourceState>,
    /// Ready pods of all workloads.
    pub(super) pods_ready: u32,
    /// Wanted pods of all workloads.
    pub(super) pods_wanted: u32,
    /// Names of objects that should be there and are not.
    pub(super) missing: Vec<String>,
    /// Objects that should be there and are on their way out: they have to be gone before they can come back.
    pub(super) ending: Vec<String>,
    /// An object is there that should not, and is not on its way out.
    pub(super) surplus: bool,
    /// An object is on its way out.
    pub(super) leaving: bool,
    /// A workload serves nobody, or something without which nobody is served is missing.
    pub(super) down: bool,
    /// The first object for which waiting will not help.
    pub(super) stuck: Option<ObjectState>,
}

impl View {
    /// Holds what is there against what should be.
    pub(super) fn of(wanted: &[Object], observation: &Observation) -> Self {
        let mut seen: HashMap<(&str, &str), &ObjectState> = index(observation);
        let mut view = Self::default();
        for object in wanted {
            let pods = object.workload().map(|workload| fewest(wanted, object, workload.replicas));
            match seen.remove(&(object.kind(), object.name())) {
                Some(state) if state.status == TERMINATING => view.add_ending(state, pods),
                Some(state) => view.add(state, pods),
                None => view.add_missing(object, pods),
            }
        }
        let others = observation.objects.iter();
        let others = others.filter(|state| seen.contains_key(&(state.kind.as_str(), state.name.as_str())));
        view.pending.extend(others.map(resource));
        view.surplus = seen.values().any(|state| state.status != TERMINATING);
        view.leaving = observation.objects.iter().any(|state| state.status == TERMINATING);
        view
    }

    /// Everything is there and ready, and nothing else.
    pub(super) fn is_complete(&self) -> bool {
        self.pending.is_empty() && !self.surplus && !self.leaving
    }

    /// True of an object that is wanted and on its way out, or in a namespace that is.
    pub(super) fn is_ending(&self, object: &str) -> bool {
        self.ending.iter().any(|ending| ending == object || ending.starts_with("Namespace "))
    }

    /// A record shows exactly this.
    pub(super) fn is_shown_by(&self, deployment: &Deployment) -> bool {
        deployment.created_resources == self.created && deployment.pending_resources == self.pending
    }

    /// Says of an object why it is not as it should be.
    pub(super) fn explain(&mut self, kind: &str, name: &str, reason: &Message) {
        let all = self.pending.iter_mut().chain(&mut self.created);
        for resource in all.filter(|resource| resource.kind == kind && resource.name == name) {
            resource.reason = Some(reason.clone());
        }
    }

    /// Percent of the wanted pods that are ready; 100 where none are wanted.
    pub(super) fn percent_ready(&self) -> u32 {
        (self.pods_ready.min(self.pods_wanted) * 100).checked_div(self.pods_wanted).unwrap_or(100)
    }

    fn add(&mut self, state: &ObjectState, pods: Option<u32>) {
        let below = below_the_fewest(state, pods);
        let state = below.as_ref().unwrap_or(state);
        if let Some((ready, wanted)) = state.replicas {
            self.pods_ready += ready.min(wanted);
            self.pods_wanted += wanted;
            self.down |= ready == 0 && wanted > 0;
        } else if let Some(wanted) = pods {
            self.pods_wanted += wanted;
            self.down |= wanted > 0;
        }
        if state.stuck && self.stuck.is_none() {
            self.stuck = Some(state.clone());
        }
        let list = if state.ready { &mut self.created } else { &mut self.pending };
        list.push(resource(state));
    }

    fn add_ending(&mut self, state: &ObjectState, pods: Option<u32>) {
        self.down = true;
        self.pods_wanted += pods.unwrap_or(0);
        self.ending.push(format!("{} {}", state.kind, state.name));
        self.pending.push(resource(state));
    }

    fn add_missing(&mut self, object: &Object, pods: Option<u32>) {
        self.down |= serves(object);
        self.pods_wanted += pods.unwrap_or(0);
        self.missing.push(format!("{} {}", object.kind(), object.name()));
        self.pending.push(ResourceState {
            kind: object.kind().to_owned(),
            name: object.name().to_owned(),
            status: "Pending".to_owned(),
            replicas: None,
            reason: None,
        });
    }
}

/// The fewest pods that a workload is to have: its own number, or what its autoscaler keeps.
fn fewest(wanted: &[Object], workload: &Object, replicas: u32) -> u32 {
    let scaled = wanted.iter().filter_map(Object::autoscales).find(|(name, _)| *name == workload.name());
    match (workload, scaled) {
        (Object::Deployment(_), Some((_, fewest))) => fewest.min(replicas),
        _ => replicas,
    }
}

/// A workload that was scaled below what it is to have is as ready as it is of that: of none wanted all are
/// ready, and nobody is served. None of one that was not.
fn below_the_fewest(state: &ObjectState, fewest: Option<u32>) -> Option<ObjectState> {
    let (ready, wanted) = state.replicas?;
    let fewest = fewest.filter(|fewest| wanted < *fewest)?;
    let mut below = ObjectState { replicas: Some((ready, fewest)), ..state.clone() };
    if state.ready {
        below.ready = false;
        below.status = if ready > 0 { "Progressing" } else { "Pending" }.to_owned();
    }
    Some(below)
}

/// True of what has to be there for anybody to be served. What is missing beside it is brought back too, and
/// keeps no request from its pods.
fn serves(object: &Object) -> bool {
    match object {
        Object::Namespace(_) | Object::Service(_) => true,
        other => other.workload().is_some_and(|workload| workload.replicas > 0),
    }
}

/// An object as the status call prints it.
pub(super) fn resource(state: &ObjectState) -> ResourceState {
    ResourceState {
        kind: state.kind.clone(),
        name: state.name.clone(),
        status: state.status.clone(),
        replicas: state.replicas.map(|(ready, wanted)| format!("{ready}/{wanted}")),
        reason: state.reason.clone(),
    }
}

/// True where a deployment that ended shows otherwise than its record says: something was lost or got ready, or
/// what is not ready serves more or less than it did, or for another reason, or what was on its way out is gone.
pub(super) fn differs_from_record(deployment: &Deployment, observation: &Observation) -> bool {
    let seen = index(observation);
    let is_ready = |recorded: &ResourceState| {
        seen.get(&(recorded.kind.as_str(), recorded.name.as_str()))
            .is_some_and(|state| state.ready && resource(state).replicas == recorded.replicas)
    };
    let is_otherwise =
        |recorded: &ResourceState| match seen.get(&(recorded.kind.as_str(), recorded.name.as_str())) {
            Some(state) => state.ready || resource(state) != *recorded,
            None => recorded.status == TERMINATING,
        };
    deployment.created_resources.iter().any(|recorded| !is_ready(recorded))
        || deployment.pending_resources.iter().any(is_otherwise)
}

/// True of a tenant that is said to be on its way while the record of what runs shows everything ready.
pub(super) fn denies_its_record(tenant: &Tenant, deployment: &Deployment) -> bool {
    tenant.status == TenantStatus::Pending
        && deployment.status == DeploymentStatus::Running
        && deployment.pending_resources.is_empty()
}

/// Names of objects that were not ready when a deployment was recorded and are not even there now, but for what was on
/// its way out already.
pub(super) fn lost_before_ready(deployment: &Deployment, observation: &Observation) -> Vec<String> {
    let seen = index(observation);
    let is_there = |recorded: &&ResourceState| {
        let state = seen.get(&(recorded.kind.as_str(), recorded.name.as_str()));
        state.is_some_and(|state| state.status != TERMINATING)
    };
    let lost = deployment.pending_resources.iter();
    let lost = lost.filter(|recorded| recorded.status != TERMINATING && !is_there(recorded));
    lost.map(|recorded| format!("{} {}", recorded.kind, recorded.name)).collect()
}

/// Names of the workloads that began and of those that got ready, from one record to the next.
pub(super) fn news(before: &Deployment, after: &View) -> (Vec<String>, Vec<String>) {
    let key = |resource: &ResourceState| (resource.kind.clone(), resource.name.clone());
    let was_ready: HashSet<_> = before.created_resources.iter().map(key).collect();
    let had_begun: HashSet<_> =
        before.pending_resources.iter().filter(|resource| begun(resource)).map(key).collect();
    let workloads = |list: &[ResourceState], new: &dyn Fn(&ResourceState) -> bool| {
        let is_news = |resource: &&ResourceState| resource.replicas.is_some() && new(resource);
        list.iter().filter(is_news).map(|resource| capitalized(&resource.name)).collect()
    };
    let started =
        workloads(&after.pending, &|resource| begun(resource) && !had_begun.contains(&key(resource)));
    let ready = workloads(&after.created, &|resource| !was_ready.contains(&key(resource)));
    (started, ready)
}

fn begun(resource: &ResourceState) -> bool {
    !["Pending", "Available", TERMINATING].contains(&resource.status.as_str())
}

fn capitalized(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn index(observation: &Observation) -> HashMap<(&str, &str), &ObjectState> {
    observation.objects.iter().map(|state| ((state.kind.as_str(), state.name.as_str()), state)).collect()
}

/// How many pods are ready, in words.
pub(super) fn pods_ready(view: &View) -> Message {
    Message::new("deployment.pods_ready").with("ready", view.pods_ready).with("wanted", view.pods_wanted)
}

/// What does not move, in words.
pub(super) fn stalled(view: &View) -> Message {
    let names: Vec<&str> = view.pending.iter().map(|resource| resource.name.as_str()).collect();
    Message::new("deployment.stalled").with("objects", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{autoscaler, deployment, namespace, quota, service};
    use ecp_core::Timestamp;
    use ecp_core::deployment::DeploymentKind;
    use ecp_core::ids::{DeploymentId, TenantId};

    fn state(kind: &str, name: &str, status: &str, replicas: Option<(u32, u32)>) -> ObjectState {
        ObjectState {
            kind: kind.to_owned(),
            name: name.to_owned(),
            status: status.to_owned(),
            ready: ["Active", "Available"].contains(&status),
            replicas,
            reason: None,
            stuck: status == "Failed",
        }
    }

    fn wanted() -> Vec<Object> {
        vec![namespace(), deployment("callbot", "a", 3, 0), service("callbot-service")]
    }

    #[test]
    fn what_is_missing_counts_with_the_pods_it_wants() {
        let view = View::of(&wanted(), &Observation::default());
        assert_eq!(view.missing, ["Namespace ecp-ai-acme", "Deployment callbot", "Service callbot-service"]);
        assert_eq!((view.pods_ready, view.pods_wanted, view.percent_ready()), (0, 3, 0));
        assert!(view.down && !view.is_complete());
    }

    #[test]
    fn what_is_missing_and_serves_nobody_takes_nothing_down() {
        let mut wanted = wanted();
        wanted.push(quota("10Gi"));
        let objects = vec![
            state("Namespace", "ecp-ai-acme", "Active", None),
            state("Deployment", "callbot", "Available", Some((3, 3))),
            state("Service", "callbot-service", "Active", None),
        ];
        let view = View::of(&wanted, &Observation { objects });
        assert_eq!(view.missing, ["ResourceQuota quota"]);
        assert!(!view.down && !view.is_complete());
    }

    #[test]
    fn everything_ready_and_nothing_else_is_complete() {
        let mut objects = vec![
            state("Namespace", "ecp-ai-acme", "Active", None),
            state("Deployment", "callbot", "Available", Some((3, 3))),
            state("Service", "callbot-service", "Active", None),
        ];
        let view = View::of(&wanted(), &Observation { objects: objects.clone() });
        assert!(view.is_complete() && !view.down && view.percent_ready() == 100);
        assert_eq!(view.created[1].replicas.as_deref(), Some("3/3"));
        objects.push(state("Deployment", "chatbot", "Terminating", Some((0, 1))));
        let view = View::of(&wanted(), &Observation { objects: objects.clone() });
        assert!(view.leaving && !view.surplus && !view.is_complete());
        objects.push(state("Deployment", "advisor", "Available", Some((1, 1))));
        assert!(View::of(&wanted(), &Observation { objects }).surplus);
    }

    #[test]
    fn what_is_wanted_no_more_is_named_while_it_is_there() {
        let mut leaving = state("Deployment", "qa", "Terminating", Some((0, 1)));
        leaving.reason =
            Some(Message::new("cluster.held_by_finalizers").with("finalizers", "example.com/hold"));
        let objects = vec![
            state("Namespace", "ecp-ai-acme", "Active", None),
            state("Deployment", "callbot", "Available", Some((3, 3))),
            state("Service", "callbot-service", "Active", None),
            leaving.clone(),
        ];
        let view = View::of(&wanted(), &Observation { objects: objects.clone() });
        assert_eq!(view.pending, [resource(&leaving)]);
        assert!(!view.is_complete() && !view.down && view.ending.is_empty());
        assert!(stalled(&view).values.iter().any(|(_, value)| value.contains("qa")));
        let mut deployment = recorded();
        (deployment.created_resources, deployment.pending_resources) = (view.created, view.pending);
        assert!(!differs_from_record(&deployment, &Observation { objects: objects.clone() }));
        assert_eq!(lost_before_ready(&deployment, &Observation { objects: objects.clone() }), [""; 0]);
        // Gone, it is no loss and is looked at again.
        let after = Observation { objects: objects[..3].to_vec() };
        assert!(differs_from_record(&deployment, &after));
        assert_eq!(lost_before_ready(&deployment, &after), [""; 0]);
    }

    #[test]
    fn what_is_wanted_and_on_its_way_out_is_waited_for_and_not_missing() {
        let objects = vec![
            state("Namespace", "ecp-ai-acme", "Active", None),
            state("Deployment", "callbot", "Terminating", Some((3, 3))),
        ];
        let view = View::of(&wanted(), &Observation { objects });
        assert_eq!(view.missing, ["Service callbot-service"]);
        assert_eq!(view.ending, ["Deployment callbot"]);
        assert!(
            view.down && view.is_ending("Deployment callbot") && !view.is_ending("Service callbot-service")
        );
        let view = View::of(
            &wanted(),
            &Observation { objects: vec![state("Namespace", "ecp-ai-acme", "Terminating", None)] },
        );
        assert!(view.is_ending("Service callbot-service"), "nothing can be made in it");
    }

    fn recorded() -> Deployment {
        let (id, now) = (TenantId::parse("acme").expect("an id"), Timestamp::UNIX_EPOCH);
        Deployment::accepted(DeploymentId::from_text("dep-1"), id, 1, DeploymentKind::Create, now, None)
    }

    #[test]
    fn a_workload_that_serves_nobody_is_down_and_one_that_partly_serves_is_not() {
        let see = |status, ready| {
            let objects = vec![
                state("Namespace", "ecp-ai-acme", "Active", None),
                state("Deployment", "callbot", status, Some((ready, 3))),
                state("Service", "callbot-service", "Active", None),
            ];
            View::of(&wanted(), &Observation { objects })
        };
        assert!(!see("Progressing", 1).down);
        assert!(see("Progressing", 0).down);
        assert_eq!(see("Failed", 0).stuck.map(|state| state.name), Some("callbot".to_owned()));
    }

    #[test]
    fn a_workload_that_was_scaled_to_nothing_serves_nobody() {
        let see = |ready, live| {
            let objects = vec![
                state("Namespace", "ecp-ai-acme", "Active", None),
                state("Deployment", "callbot", "Available", Some((ready, live))),
                state("Service", "callbot-service", "Active", None),
            ];
            View::of(&wanted(), &Observation { objects })
        };
        let view = see(0, 0);
        assert!(view.down && !view.is_complete() && view.percent_ready() == 0);
        assert_eq!(view.pending[0].replicas.as_deref(), Some("0/3"));
        assert!(!see(1, 1).down && !see(1, 1).is_complete());
        assert!(see(5, 5).is_complete(), "an autoscaler may have more");
    }

    #[test]
    fn an_autoscaled_workload_is_whole_with_the_fewest_that_its_autoscaler_keeps() {
        let mut wanted = wanted();
        wanted.push(autoscaler("callbot", 2, 6));
        let see = |pods| {
            let objects = vec![
                state("Namespace", "ecp-ai-acme", "Active", None),
                state("Deployment", "callbot", "Available", Some((pods, pods))),
                state("Service", "callbot-service", "Active", None),
                state("HorizontalPodAutoscaler", "callbot", "Active", None),
            ];
            View::of(&wanted, &Observation { objects })
        };
        assert!(see(2).is_complete() && see(6).is_complete());
        assert!(!see(1).is_complete() && see(0).down);
    }

    #[test]
    fn what_serves_more_or_less_than_recorded_or_fails_otherwise_differs() {
        let saw = |ready, reason: Option<&'static str>| {
            let mut callbot = state("Deployment", "callbot", "Progressing", Some((ready, 3)));
            callbot.reason = reason.map(Message::new);
            callbot.ready = ready == 3;
            let objects = vec![
                state("Namespace", "ecp-ai-acme", "Active", None),
                callbot,
                state("Service", "callbot-service", "Active", None),
            ];
            Observation { objects }
        };
        let (first, second) = (Some("cluster.not_ours"), Some("deployment.recovered"));
        for (before, after) in [
            ((3, None), (2, None)),
            ((1, None), (0, None)),
            ((0, None), (1, None)),
            ((1, None), (3, None)),
            ((0, None), (0, first)),
            ((0, first), (0, second)),
        ] {
            let (before, after) = (saw(before.0, before.1), saw(after.0, after.1));
            let mut deployment = recorded();
            let view = View::of(&wanted(), &before);
            (deployment.created_resources, deployment.pending_resources) = (view.created, view.pending);
            assert!(!differs_from_record(&deployment, &before), "{before:?}");
            assert!(differs_from_record(&deployment, &after), "{before:?} {after:?}");
        }
    }
}
