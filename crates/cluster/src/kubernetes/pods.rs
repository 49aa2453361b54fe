//! What a Pod says of itself: whether it serves, and what keeps it from it; pure.

use crate::reasons;
use ecp_core::quantity::parse_quantity;
use ecp_core::text::Message;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Restarts after which another one will not help.
const RESTARTS_GIVEN: u64 = 3;
/// Characters of what a registry, runtime or container said that are kept.
const SAID_CHARACTERS: usize = 400;
/// Lines of a container's last words that are kept.
const LAST_LINES: usize = 3;
/// The annotation by which a pod follows its configuration.
const CONFIG_DIGEST: &str = "ecp.ai/config-digest";

/// What keeps a pod from serving.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Trouble {
    /// No node fits.
    Shortage(Shortage),
    /// Anything else.
    Fault {
        /// What is wrong and how to fix it.
        reason: Message,
        /// Waiting will not help.
        stuck: bool,
    },
}

/// A pod that no node has room for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shortage {
    /// What the scheduler says about the nodes.
    pub(crate) scheduler: String,
    /// Name and number of the GPUs (or other devices) that it asks for and that are short.
    pub(crate) device: Option<(String, u128)>,
    /// Labels that its node must have.
    pub(crate) nodes: String,
}

/// What makes pods at once, by its uid: a name says nothing of whose they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Controller {
    /// A workload itself.
    StatefulSet(Workload),
    /// A ReplicaSet, with its uid; it has an owner in its turn.
    ReplicaSet(String),
}

/// A Deployment or a StatefulSet, as its pods and ReplicaSets name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Workload {
    /// Its name.
    pub(crate) name: String,
    /// Tells it from another of that name.
    pub(crate) uid: String,
}

/// A Pod, summed up.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PodFacts {
    /// Its name.
    pub(crate) name: String,
    /// Its label `app`: which workload it is of.
    pub(crate) app: Option<String>,
    /// What made it; none of one that was cut off, or that nothing controls.
    pub(crate) controller: Option<Controller>,
    /// The Deployment or StatefulSet at the end of its chain of controllers, where that is known.
    pub(crate) workload: Option<Workload>,
    /// Its labels.
    pub(crate) labels: BTreeMap<String, String>,
    /// Tells it from a later pod of the same name.
    pub(crate) uid: String,
    /// It serves.
    pub(crate) ready: bool,
    /// As Kubernetes names it: `Pending`, `Running`, `Succeeded`, `Failed`, `Unknown`.
    pub(crate) phase: String,
    /// The node it is on.
    pub(crate) node: Option<String>,
    /// It is on its way out.
    pub(crate) terminating: bool,
    /// What must be taken off before it can go.
    pub(crate) finalizers: Vec<String>,
    /// What keeps it from serving, where it says so.
    pub(crate) trouble: Option<Trouble>,
    /// Volume claims that it needs.
    pub(crate) claims: Vec<String>,
    /// Containers that prepare it or look into it, beside its own.
    helpers: Vec<String>,
    pub(super) template: Template,
}

impl PodFacts {
    /// Reads a Pod.
    pub(crate) fn of(pod: &Value) -> Self {
        let metadata = &pod["metadata"];
        let conditions = items(&pod["status"]["conditions"]);
        let ready = conditions.iter().any(|it| it["type"] == "Ready" && it["status"] == "True");
        let labels = metadata["labels"].as_object().into_iter().flatten();
        let controller = Controller::of(metadata);
        let workload = match &controller {
            Some(Controller::StatefulSet(workload)) => Some(workload.clone()),
            Some(Controller::ReplicaSet(_)) | None => None,
        };
        let claim = |volume: &Value| owned(&volume["persistentVolumeClaim"]["claimName"]);
        let helpers = ["initContainers", "ephemeralContainers"].map(|kind| items(&pod["spec"][kind]));
        Self {
            name: text(&metadata["name"]).to_owned(),
            app: owned(&metadata["labels"]["app"]),
            controller,
            workload,
            labels: labels.map(|(key, value)| (key.clone(), text(value).to_owned())).collect(),
            uid: text(&metadata["uid"]).to_owned(),
            ready,
            phase: text(&pod["status"]["phase"]).to_owned(),
            node: owned(&pod["spec"]["nodeName"]),
            terminating: metadata["deletionTimestamp"].is_string(),
            finalizers: items(&metadata["finalizers"]).iter().map(|it| text(it).to_owned()).collect(),
            trouble: if ready { None } else { trouble(pod, conditions) },
            claims: items(&pod["spec"]["volumes"]).iter().filter_map(claim).collect(),
            helpers: helpers
                .into_iter()
                .flatten()
                .filter_map(|container| owned(&container["name"]))
                .collect(),
            template: Template::of(metadata, &pod["spec"]),
        }
    }

    /// True of a pod of the workload with this uid.
    pub(crate) fn is_of(&self, uid: &str) -> bool {
        self.workload.as_ref().is_some_and(|workload| workload.uid == uid)
    }

    /// The service that it is of, also where its label was taken off.
    pub(crate) fn service(&self) -> Option<&str> {
        self.app.as_deref().or_else(|| self.workload.as_ref().map(|workload| workload.name.as_str()))
    }

    /// Names of its containers, the first of its own first.
    pub(crate) fn containers(&self) -> impl Iterator<Item = &str> {
        let own = self.template.containers.iter().map(|(name, _)| name.as_str());
        own.chain(self.helpers.iter().map(String::as_str))
    }

    /// Its containers run and it does not serve.
    pub(crate) fn is_running_unready(&self) -> bool {
        self.phase == "Running" && !self.ready && !self.terminating
    }
}

impl Controller {
    /// What the metadata of a pod names as its controller; none of what makes pods of no service, such as a
    /// Job.
    fn of(metadata: &Value) -> Option<Self> {
        let owner = items(&metadata["ownerReferences"]).iter().find(|owner| owner["controller"] == true)?;
        let (name, uid) = (text(&owner["name"]).to_owned(), text(&owner["uid"]).to_owned());
        match text(&owner["kind"]) {
            "StatefulSet" => Some(Self::StatefulSet(Workload { name, uid })),
            "ReplicaSet" => Some(Self::ReplicaSet(uid)),
            _ => None,
        }
    }
}

impl Workload {
    /// The Deployment that controls a ReplicaSet.
    pub(crate) fn of_replica_set(metadata: &ObjectMeta) -> Option<Self> {
        let owners = metadata.owner_references.as_deref().unwrap_or_default();
        let owner =
            owners.iter().find(|owner| owner.controller == Some(true) && owner.kind == "Deployment")?;
        Some(Self { name: owner.name.clone(), uid: owner.uid.clone() })
    }
}

/// By what a pod of a workload's present template is told from one of an older template, whatever
/// an admission webhook adds to pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Template {
    config_digest: Option<String>,
    containers: Vec<(String, u64)>,
}

impl Template {
    pub(super) fn of(metadata: &Value, spec: &Value) -> Self {
        let digest = |container: &Value| {
            let mut hasher = DefaultHasher::new();
            for field in ["image", "command", "args"] {
                container[field].to_string().hash(&mut hasher);
            }
            for resource in ["cpu", "memory"] {
                let limit = &container["resources"]["limits"][resource];
                limit.as_str().and_then(parse_quantity).hash(&mut hasher);
            }
            (text(&container["name"]).to_owned(), hasher.finish())
        };
        Self {
            config_digest: owned(&metadata["annotations"][CONFIG_DIGEST]),
            containers: items(&spec["containers"]).iter().map(digest).collect(),
        }
    }

    /// True where `pod` was made from this template.
    pub(super) fn made(&self, pod: &Self) -> bool {
        self.config_digest == pod.config_digest
            && self.containers.iter().all(|container| pod.containers.contains(container))
    }
}

fn trouble(pod: &Value, conditions: &[Value]) -> Option<Trouble> {
    let status = &pod["status"];
    let condition = |name: &str| conditions.iter().find(|condition| condition["type"] == name);
    let fault = |reason: Message, stuck: bool| Some(Trouble::Fault { reason, stuck });
    if is_on_lost_node(
        status,
        condition("Ready"),
        condition("ContainersReady"),
        condition("DisruptionTarget"),
    ) {
        return fault(reasons::node_lost(text(&pod["spec"]["nodeName"])), false);
    }
    if pod["metadata"]["deletionTimestamp"].is_string() {
        return None;
    }
    if status["phase"] == "Failed" {
        let (state, said) = (text(&status["reason"]), said(text(&status["message"])));
        return fault(reasons::pod_failed(if state.is_empty() { "Failed" } else { state }, &said), false);
    }
    if let Some(scheduled) = condition("PodScheduled").filter(|it| it["status"] == "False") {
        return unscheduled(pod, scheduled);
    }
    let containers = |statuses: &str, specs: &str| {
        items(&status[statuses]).iter().find_map(|container| {
            let name = text(&container["name"]);
            let spec = items(&pod["spec"][specs]).iter().find(|spec| spec["name"] == name);
            container_trouble(container, spec.unwrap_or(&Value::Null))
        })
    };
    containers("initContainerStatuses", "initContainers")
        .or_else(|| containers("containerStatuses", "containers"))
}

/// The node controller takes `Ready` from pods whose node is silent and leaves the containers'
/// states as the node last told them.
fn is_on_lost_node(
    status: &Value,
    ready: Option<&Value>,
    containers_ready: Option<&Value>,
    disruption: Option<&Value>,
) -> bool {
    let is = |condition: Option<&Value>, wanted: &str| condition.is_some_and(|it| it["status"] == wanted);
    let by_taint =
        disruption.is_some_and(|it| it["status"] == "True" && it["reason"] == "DeletionByTaintManager");
    let gates = ready.is_some_and(|it| it["reason"] == "ReadinessGatesNotReady");
    status["reason"] == "NodeLost"
        || by_taint
        || (is(ready, "False") && is(containers_ready, "True") && !gates)
}

fn unscheduled(pod: &Value, condition: &Value) -> Option<Trouble> {
    if condition["reason"] != "Unschedulable" {
        return None;
    }
    let message = text(&condition["message"]);
    // What follows is about throwing other pods out, which does not happen between tenants.
    let end =
        [". preemption:", ". no new claims", " preemption:"].iter().filter_map(|it| message.find(it)).min();
    let scheduler = said(&message[..end.unwrap_or(message.len())]);
    if message.to_lowercase().contains("persistentvolumeclaim") {
        let claims = items(&pod["spec"]["volumes"]).iter();
        let claims: Vec<&str> =
            claims.filter_map(|it| it["persistentVolumeClaim"]["claimName"].as_str()).collect();
        let reason = reasons::volume_pending(&claims.join(", "), &scheduler);
        return Some(Trouble::Fault { reason, stuck: false });
    }
    let selector = pod["spec"]["nodeSelector"].as_object();
    let labels = selector.into_iter().flatten().map(|(key, value)| format!("{key}={}", text(value)));
    let nodes: Vec<String> = labels.collect();
    Some(Trouble::Shortage(Shortage {
        device: short_device(&pod["spec"], &scheduler),
        nodes: if nodes.is_empty() { "-".to_owned() } else { nodes.join(", ") },
        scheduler,
    }))
}

/// The device that the pod asks for, unless the scheduler says that only something else is short.
fn short_device(spec: &Value, scheduler: &str) -> Option<(String, u128)> {
    let limits = items(&spec["containers"]).iter().filter_map(|it| it["resources"]["limits"].as_object());
    let devices = limits.flatten().filter(|(name, _)| name.contains('/'));
    let (name, count) = devices.fold(None, |sum: Option<(&str, u128)>, (name, amount)| {
        let amount = amount.as_str().and_then(parse_quantity).unwrap_or(0) / 1000;
        let (first, before) = sum.unwrap_or((name, 0));
        Some((first, if first == name { before + amount } else { before }))
    })?;
    let short = scheduler.contains(&format!("Insufficient {name}"));
    let unmatched = scheduler.contains("node affinity/selector") && !scheduler.contains("Insufficient");
    (count > 0 && (short || unmatched)).then(|| (name.to_owned(), count))
}

fn container_trouble(status: &Value, spec: &Value) -> Option<Trouble> {
    let name = text(&status["name"]);
    let waiting = &status["state"]["waiting"];
    let state = text(&waiting["reason"]);
    let message = text(&waiting["message"]);
    let image = owned(&spec["image"]).unwrap_or_else(|| text(&status["image"]).to_owned());
    let fault = |reason: Message, stuck: bool| Some(Trouble::Fault { reason, stuck });
    match state {
        "InvalidImageName" => fault(reasons::image_name_invalid(&image), true),
        "ErrImagePull"
        | "ImagePullBackOff"
        | "ErrImageNeverPull"
        | "RegistryUnavailable"
        | "ImageInspectError"
        | "SignatureValidationFailed" => {
            let stuck = matches!(state, "ImagePullBackOff" | "ErrImageNeverPull");
            fault(reasons::image_pull_failed(&image, state, &said(registry_said(message))), stuck)
        }
        "CreateContainerConfigError" => fault(reasons::config_missing(name, &said(message)), true),
        "CreateContainerError" | "RunContainerError" | "CreatePodSandboxError" => {
            fault(reasons::container_not_started(name, state, &said(message)), false)
        }
        _ => ended_again(status, spec, name),
    }
}

/// A container that ended with an error: just now, or before it was started again.
fn ended_again(status: &Value, spec: &Value, name: &str) -> Option<Trouble> {
    let now = &status["state"]["terminated"];
    let ended = if now.is_object() { now } else { &status["lastState"]["terminated"] };
    let exit_code = ended["exitCode"].as_i64()?;
    let serves = status["ready"] == true;
    if serves || (exit_code == 0 && status["state"]["waiting"]["reason"] != "CrashLoopBackOff") {
        return None;
    }
    let running = status["state"]["running"].is_object();
    let stuck = !running && status["restartCount"].as_u64().unwrap_or(0) >= RESTARTS_GIVEN;
    let reason = if ended["reason"] == "OOMKilled" {
        let limit = owned(&spec["resources"]["limits"]["memory"]);
        reasons::out_of_memory(name, limit.as_deref().unwrap_or("-"))
    } else {
        let code = i32::try_from(exit_code).unwrap_or(i32::MAX);
        reasons::crash_loop(name, code, &last_lines(text(&ended["message"])))
    };
    Some(Trouble::Fault { reason, stuck })
}

/// What is behind the kubelet's and the runtime's own words.
fn registry_said(message: &str) -> &str {
    let after = |mark: &str| message.rfind(mark).map(|at| &message[at + mark.len()..]);
    after("desc = ").or_else(|| after("ErrImagePull: ")).unwrap_or(message)
}

fn last_lines(message: &str) -> String {
    let lines: Vec<&str> = message.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines[lines.len().saturating_sub(LAST_LINES)..].join(" | ");
    let surplus = last.chars().count().saturating_sub(SAID_CHARACTERS);
    if last.is_empty() { "-".to_owned() } else { last.chars().skip(surplus).collect() }
}

/// What someone said, on one line and not too long.
pub(super) fn said(message: &str) -> String {
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = line.trim_end_matches('.');
    if line.is_empty() { "-".to_owned() } else { line.chars().take(SAID_CHARACTERS).collect() }
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(super) fn owned(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

pub(super) fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
