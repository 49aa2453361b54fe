//! Whether an object is ready, and if not, why; pure.
//!
//! Facts are small, owned and read once, when an object changes; judging combines those of an
//! object, the tenant's pods and recent events. Watching is left to others.

use super::pods::{PodFacts, Shortage, Template, Trouble, items, owned, said, text};
use crate::reasons;
use ecp_core::Timestamp;
use ecp_core::ports::ObjectState;
use ecp_core::quantity::parse_quantity;
use ecp_core::text::Message;
use serde_json::Value;

/// Says only what is left of a namespace, which the others explain where they can.
const CONTENT_REMAINING: &str = "NamespaceContentRemaining";
/// Conditions that say what is wrong while they are true.
const TELLING_CONDITIONS: [&str; 5] = [
    "ReplicaFailure",
    CONTENT_REMAINING,
    "NamespaceFinalizersRemaining",
    "NamespaceDeletionDiscoveryFailure",
    "NamespaceDeletionContentFailure",
];

/// Numbers of pods of a workload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Replicas {
    /// Wanted by its spec.
    pub(crate) wanted: u32,
    /// There, of any revision.
    pub(crate) total: u32,
    /// There, of the newest revision.
    pub(crate) updated: u32,
    /// Ready.
    pub(crate) ready: u32,
    /// Ready for long enough.
    pub(crate) available: u32,
}

/// A condition that holds and tells of a trouble.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    /// Its type.
    pub(crate) name: String,
    /// In one word.
    pub(crate) reason: String,
    /// In a sentence.
    pub(crate) message: String,
}

/// An object, summed up.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ObjectFacts {
    /// Kind.
    pub(crate) kind: String,
    /// Name.
    pub(crate) name: String,
    /// Counts the changes of its spec; 0 where the kind does not count.
    pub(crate) generation: i64,
    /// The generation that its status is about.
    pub(crate) observed_generation: Option<i64>,
    /// Of workloads.
    pub(crate) replicas: Option<Replicas>,
    /// A StatefulSet is on its way from one revision to another.
    pub(crate) between_revisions: bool,
    /// Conditions that tell of a trouble.
    pub(crate) conditions: Vec<Condition>,
    /// It is on its way out.
    pub(crate) terminating: bool,
    /// What must be taken off before it can go.
    pub(crate) finalizers: Vec<String>,
    /// Of namespaces and volume claims.
    pub(crate) phase: Option<String>,
    /// Label `app` of a workload's pods.
    pub(crate) app: Option<String>,
    template: Template,
}

impl ObjectFacts {
    /// Reads an object. Its kind is given, since lists leave it out of their items.
    pub(crate) fn of(kind: &str, object: &Value) -> Self {
        let (metadata, spec, status) = (&object["metadata"], &object["spec"], &object["status"]);
        let is_workload = matches!(kind, "Deployment" | "StatefulSet");
        let revision = |field: &str| owned(&status[field]);
        let template = &spec["template"];
        Self {
            kind: kind.to_owned(),
            name: text(&metadata["name"]).to_owned(),
            generation: metadata["generation"].as_i64().unwrap_or(0),
            observed_generation: status["observedGeneration"].as_i64(),
            replicas: is_workload.then(|| replicas(spec, status)),
            between_revisions: kind == "StatefulSet"
                && revision("updateRevision") != revision("currentRevision"),
            conditions: items(&status["conditions"]).iter().filter_map(condition).collect(),
            terminating: metadata["deletionTimestamp"].is_string(),
            finalizers: items(&metadata["finalizers"]).iter().map(|it| text(it).to_owned()).collect(),
            phase: owned(&status["phase"]),
            app: owned(&spec["selector"]["matchLabels"]["app"]),
            template: if is_workload {
                Template::of(&template["metadata"], &template["spec"])
            } else {
                Template::default()
            },
        }
    }

    /// Its status is about its spec as it is now.
    fn is_observed(&self) -> bool {
        self.observed_generation.is_some_and(|observed| observed >= self.generation)
    }
}

fn replicas(spec: &Value, status: &Value) -> Replicas {
    let number = |value: &Value| value.as_u64().map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    let counted = |field: &str| number(&status[field]).unwrap_or(0);
    Replicas {
        wanted: number(&spec["replicas"]).unwrap_or(1),
        total: counted("replicas"),
        updated: counted("updatedReplicas"),
        ready: counted("readyReplicas"),
        available: counted("availableReplicas"),
    }
}

fn condition(value: &Value) -> Option<Condition> {
    let name = text(&value["type"]);
    (value["status"] == "True" && TELLING_CONDITIONS.contains(&name)).then(|| Condition {
        name: name.to_owned(),
        reason: text(&value["reason"]).to_owned(),
        message: text(&value["message"]).to_owned(),
    })
}

/// An event, summed up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventFacts {
    /// In one word, such as `FailedCreate`.
    pub(crate) reason: String,
    /// In a sentence.
    pub(crate) message: String,
    /// Kind of what it is about.
    pub(crate) kind: String,
    /// Name of what it is about.
    pub(crate) name: String,
    /// When it last happened.
    pub(crate) time: Option<Timestamp>,
}

impl EventFacts {
    /// Reads an Event of either API group.
    pub(crate) fn of(event: &Value) -> Self {
        let about = match &event["regarding"] {
            Value::Null => &event["involvedObject"],
            regarding => regarding,
        };
        let times = [
            &event["series"]["lastObservedTime"],
            &event["lastTimestamp"],
            &event["deprecatedLastTimestamp"],
            &event["eventTime"],
            &event["metadata"]["creationTimestamp"],
        ];
        Self {
            reason: text(&event["reason"]).to_owned(),
            message: owned(&event["note"]).unwrap_or_else(|| text(&event["message"]).to_owned()),
            kind: text(&about["kind"]).to_owned(),
            name: text(&about["name"]).to_owned(),
            time: times.into_iter().find_map(|time| text(time).parse().ok()),
        }
    }

    /// True for the reasons that [`judge_with_events`] looks at; others need not be kept.
    pub(crate) fn is_telling(&self) -> bool {
        matches!(self.reason.as_str(), "FailedCreate" | "Unhealthy" | "ProvisioningFailed")
    }
}

/// As [`judge_with_events`], where no events are known.
pub(crate) fn judge(facts: &ObjectFacts, pods: &[&PodFacts]) -> ObjectState {
    judge_with_events(facts, pods, &[])
}

/// What there is to say of an object. `pods` may hold those of other workloads too.
pub(crate) fn judge_with_events(
    facts: &ObjectFacts,
    pods: &[&PodFacts],
    events: &[EventFacts],
) -> ObjectState {
    let mut state = ObjectState {
        kind: facts.kind.clone(),
        name: facts.name.clone(),
        status: "Active".to_owned(),
        ready: true,
        replicas: facts.replicas.map(|replicas| (replicas.ready.min(replicas.wanted), replicas.wanted)),
        reason: None,
        stuck: false,
    };
    let phase = facts.phase.as_deref();
    if facts.terminating || (facts.kind == "Namespace" && phase == Some("Terminating")) {
        state.ready = false;
        state.status = "Terminating".to_owned();
        state.reason = what_holds(facts);
    } else if let Some(replicas) = facts.replicas {
        judge_workload(&mut state, facts, replicas, pods, events);
    } else if facts.kind == "PersistentVolumeClaim" && phase != Some("Bound") {
        state.ready = false;
        state.stuck = phase == Some("Lost");
        state.status = if state.stuck { "Failed" } else { "Pending" }.to_owned();
        let said_of = newest(events, "ProvisioningFailed", |event| event.name == facts.name);
        state.reason = if state.stuck {
            Some(reasons::volume_lost(&facts.name))
        } else {
            said_of.map(|event| reasons::volume_pending(&facts.name, &said(&event.message)))
        };
    }
    state
}

/// What there is to say of a pod that keeps what it uses from going.
pub(crate) fn judge_leaving(pod: &PodFacts) -> ObjectState {
    let reason = match &pod.trouble {
        _ if !pod.terminating => None,
        _ if !pod.finalizers.is_empty() => Some(reasons::held_by_finalizers(&pod.finalizers.join(", "))),
        Some(Trouble::Fault { reason, .. }) => Some(reason.clone()),
        Some(Trouble::Shortage(_)) | None => None,
    };
    ObjectState {
        kind: "Pod".to_owned(),
        name: pod.name.clone(),
        status: if pod.terminating { "Terminating" } else { "Active" }.to_owned(),
        ready: false,
        replicas: None,
        reason,
        stuck: false,
    }
}

/// Why something that was deleted is still there.
fn what_holds(facts: &ObjectFacts) -> Option<Message> {
    if facts.kind == "Namespace" {
        let (left, causes): (Vec<&Condition>, Vec<&Condition>) =
            facts.conditions.iter().partition(|condition| condition.name == CONTENT_REMAINING);
        let telling = if causes.is_empty() { left } else { causes };
        let all: Vec<String> = telling.iter().map(|condition| said(&condition.message)).collect();
        return (!all.is_empty()).then(|| reasons::namespace_held(&all.join("; ")));
    }
    (!facts.finalizers.is_empty()).then(|| reasons::held_by_finalizers(&facts.finalizers.join(", ")))
}

fn judge_workload(
    state: &mut ObjectState,
    facts: &ObjectFacts,
    replicas: Replicas,
    pods: &[&PodFacts],
    events: &[EventFacts],
) {
    let Replicas { wanted, total, updated, ready, available } = replicas;
    let is_wanted = |count: &u32| *count == wanted;
    state.ready = facts.is_observed()
        && !facts.between_revisions
        && [total, updated, ready, available].iter().all(is_wanted);
    if state.ready {
        state.status = "Available".to_owned();
        return;
    }
    let is_own = |pod: &&&PodFacts| {
        let app = facts.app.as_deref();
        app.is_none() || pod.service().is_none_or(|service| Some(service) == app)
    };
    let own: Vec<&PodFacts> = pods.iter().filter(is_own).copied().collect();
    if let Some(trouble) = worst(facts, &own, events) {
        state.stuck = trouble.stuck;
        state.reason = Some(trouble.reason);
    }
    let begun = ready > 0 || own.iter().any(|pod| pod.node.is_some() && !pod.terminating);
    let status = match (state.stuck, begun) {
        (true, _) => "Failed",
        (false, true) => "Progressing",
        (false, false) => "Pending",
    };
    state.status = status.to_owned();
}

/// A candidate for what an unready workload is said to suffer from.
struct Verdict {
    reason: Message,
    stuck: bool,
}

/// The first for which waiting will not help; else the first of: its new pods, what keeps pods from
/// being created, failing probes, its old pods.
fn worst(facts: &ObjectFacts, pods: &[&PodFacts], events: &[EventFacts]) -> Option<Verdict> {
    let mut pods = pods.to_vec();
    pods.sort_by(|one, other| one.name.cmp(&other.name));
    let (new, old): (Vec<&PodFacts>, Vec<&PodFacts>) =
        pods.into_iter().partition(|pod| facts.template.made(&pod.template));
    let mut verdicts: Vec<Verdict> = new.iter().filter_map(|pod| verdict(pod, &new, events)).collect();
    verdicts.extend(refusal(facts, &new, &old, events));
    verdicts.extend(failing_probe(&new, events));
    // Old pods are being replaced: what is wrong with them does not end the roll-out.
    let of_old = old.iter().filter_map(|pod| verdict(pod, &old, events));
    verdicts.extend(of_old.map(|it| Verdict { stuck: false, ..it }));
    let first = verdicts.iter().position(|it| it.stuck).unwrap_or(0);
    (first < verdicts.len()).then(|| verdicts.swap_remove(first))
}

fn verdict(pod: &PodFacts, siblings: &[&PodFacts], events: &[EventFacts]) -> Option<Verdict> {
    match pod.trouble.as_ref()? {
        Trouble::Fault { reason, stuck } => {
            // The claim's own event knows why; the scheduler only that there is no volume.
            let of_claim = |event: &EventFacts| {
                event.kind == "PersistentVolumeClaim" && pod.claims.contains(&event.name)
            };
            let cause = (reason.key == "cluster.volume_pending")
                .then(|| newest(events, "ProvisioningFailed", of_claim))
                .flatten()
                .map(|event| reasons::volume_pending(&event.name, &said(&event.message)));
            Some(Verdict { reason: cause.unwrap_or_else(|| reason.clone()), stuck: *stuck })
        }
        Trouble::Shortage(shortage) => {
            Some(Verdict { reason: shortage_of(shortage, siblings), stuck: false })
        }
    }
}

fn shortage_of(shortage: &Shortage, siblings: &[&PodFacts]) -> Message {
    let Some((resource, each)) = &shortage.device else {
        return reasons::unschedulable(&shortage.scheduler);
    };
    let waits = |pod: &&&PodFacts| matches!(pod.trouble, Some(Trouble::Shortage(_)));
    let waiting = siblings.iter().filter(waits).count();
    let gpus = each * waiting as u128;
    reasons::unschedulable_gpu(waiting, gpus, resource, &shortage.nodes, &shortage.scheduler)
}

/// Why pods that are missing can not be created.
fn refusal(
    facts: &ObjectFacts,
    new: &[&PodFacts],
    old: &[&PodFacts],
    events: &[EventFacts],
) -> Option<Verdict> {
    if facts.kind == "Deployment" {
        let failure = facts.conditions.iter().find(|condition| condition.name == "ReplicaFailure");
        return refused(&failure.filter(|_| facts.is_observed())?.message);
    }
    // A StatefulSet keeps its refusals to its events, which stay there when it has its pods.
    let living = new.iter().chain(old).filter(|pod| !pod.terminating).count();
    if facts.replicas.is_some_and(|replicas| living >= replicas.wanted as usize) {
        return None;
    }
    let is_own = |event: &EventFacts| event.kind == facts.kind && event.name == facts.name;
    refused(&newest(events, "FailedCreate", is_own)?.message)
}

/// What a refusal to create a pod, or its volume claim, means.
fn refused(message: &str) -> Option<Verdict> {
    if message.contains("because it is being terminated") {
        return None;
    }
    if let Some(at) = message.find("exceeded quota: ") {
        return Some(over_quota(&message[at + "exceeded quota: ".len()..]));
    }
    let forbidden = message.split_once(" is forbidden: ").map(|(_, why)| why);
    let passing = message.contains("error looking up service account");
    if let Some(why) = forbidden.filter(|_| !passing) {
        return Some(Verdict { reason: reasons::admission_refused(&said(why)), stuck: true });
    }
    if message.contains("denied the request") || message.contains("denied request") {
        return Some(Verdict { reason: reasons::admission_refused(&said(message)), stuck: true });
    }
    Some(Verdict { reason: reasons::pod_creation_failed(&said(message)), stuck: false })
}

/// Reads `tenant-quota, requested: a=1,b=2, used: a=1,b=2, limited: a=1,b=2`. What others use may
/// be freed, as by the old pods of a roll-out; a pod that is larger than the whole quota never fits.
fn over_quota(text: &str) -> Verdict {
    let (quota, rest) = text.split_once(", requested: ").unwrap_or((text, ""));
    let (requested, rest) = rest.split_once(", used: ").unwrap_or((rest, ""));
    let (used, limited) = rest.split_once(", limited: ").unwrap_or((rest, ""));
    let amounts = |list: &str| -> Vec<(String, u128)> {
        let pairs = list.split(',').filter_map(|pair| pair.split_once('='));
        pairs.filter_map(|(name, amount)| Some((name.to_owned(), parse_quantity(amount)?))).collect()
    };
    let limits = amounts(limited);
    let never_fits = amounts(requested)
        .iter()
        .any(|(name, amount)| limits.iter().any(|(limited, limit)| limited == name && amount > limit));
    Verdict { reason: reasons::quota_exceeded(quota, requested, used, limited), stuck: never_fits }
}

/// Pods run, do not serve, and an event says that their probe fails.
fn failing_probe(pods: &[&PodFacts], events: &[EventFacts]) -> Option<Verdict> {
    let is_of_one = |event: &EventFacts| {
        event.kind == "Pod" && pods.iter().any(|pod| pod.is_running_unready() && pod.name == event.name)
    };
    let event = newest(events, "Unhealthy", is_of_one)?;
    Some(Verdict { reason: reasons::probe_failing(&said(&event.message)), stuck: false })
}

fn newest<'a>(
    events: &'a [EventFacts],
    reason: &str,
    is_meant: impl Fn(&EventFacts) -> bool,
) -> Option<&'a EventFacts> {
    events.iter().filter(|event| event.reason == reason && is_meant(event)).max_by_key(|event| event.time)
}

#[cfg(test)]
mod tests;
