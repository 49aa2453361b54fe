//! Objects as an API server showed them, and what is said of them: ready or not, why, and the fix.

use super::*;
use ecp_core::text::Language;
use serde_json::json;

/// One recorded scene: the objects of a namespace at one moment, as the index would sum them up.
struct Scene {
    objects: Vec<ObjectFacts>,
    pods: Vec<PodFacts>,
    events: Vec<EventFacts>,
}

impl Scene {
    fn of(lines: &str) -> Self {
        let parsed = lines.lines().map(|line| serde_json::from_str(line).expect("a recorded object"));
        Self::from(parsed.collect())
    }

    fn from(recorded: Vec<Value>) -> Self {
        let mut scene = Self { objects: Vec::new(), pods: Vec::new(), events: Vec::new() };
        for object in recorded {
            match text(&object["kind"]) {
                "Pod" => scene.pods.push(PodFacts::of(&object)),
                "Event" => scene.events.push(EventFacts::of(&object)),
                kind => scene.objects.push(ObjectFacts::of(kind, &object)),
            }
        }
        scene.events.retain(EventFacts::is_telling);
        scene
    }

    fn judge(&self, kind: &str, name: &str) -> ObjectState {
        let is_meant = |facts: &&ObjectFacts| facts.kind == kind && facts.name == name;
        let facts = self.objects.iter().find(is_meant).expect("a recorded object of that name");
        judge_with_events(facts, &self.pods.iter().collect::<Vec<_>>(), &self.events)
    }

    fn callbot(&self) -> ObjectState {
        self.judge("Deployment", "callbot")
    }

    fn redis(&self) -> ObjectState {
        self.judge("StatefulSet", "redis")
    }
}

fn recorded(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).expect("a recorded object")).collect()
}

const IMAGE: &str = include_str!("../fixtures/image.jsonl");
const CRASH: &str = include_str!("../fixtures/crash.jsonl");
const OOM: &str = include_str!("../fixtures/oom.jsonl");
const PROBE: &str = include_str!("../fixtures/probe.jsonl");
const GPU: &str = include_str!("../fixtures/gpu.jsonl");
const BIG: &str = include_str!("../fixtures/big.jsonl");
const PSA: &str = include_str!("../fixtures/psa.jsonl");
const PVC: &str = include_str!("../fixtures/pvc.jsonl");
const QUOTA: &str = include_str!("../fixtures/quota.jsonl");
const STS_QUOTA: &str = include_str!("../fixtures/sts-quota.jsonl");
const HELD: &str = include_str!("../fixtures/held.jsonl");
const NONE: &str = include_str!("../fixtures/none.jsonl");

/// The reason of what is not ready, as people read it; it must be of the message `key`.
fn told(state: &ObjectState, key: &str) -> String {
    assert!(!state.ready, "{state:?}");
    let reason = state.reason.as_ref().expect("a reason");
    assert_eq!(reason.key, key);
    assert!(!reason.render(Language::Ko).contains('{'), "a placeholder is left in the Korean text");
    reason.render(Language::En)
}

fn assert_says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
}

#[test]
fn what_serves_is_ready_and_has_nothing_to_say() {
    let scene = Scene::of(NONE);
    let callbot = scene.callbot();
    assert_eq!((callbot.ready, callbot.status.as_str()), (true, "Available"));
    assert_eq!((callbot.replicas, callbot.reason, callbot.stuck), (Some((2, 2)), None, false));
    let redis = scene.redis();
    assert_eq!((redis.ready, redis.replicas, redis.reason), (true, Some((1, 1)), None));
    let claim = scene.judge("PersistentVolumeClaim", "data-redis-0");
    assert_eq!((claim.ready, claim.status.as_str(), claim.replicas), (true, "Active", None));
}

#[test]
fn an_image_that_can_not_be_pulled_is_named_with_what_the_registry_said() {
    let callbot = Scene::of(IMAGE).callbot();
    assert_eq!((callbot.status.as_str(), callbot.stuck, callbot.replicas), ("Failed", true, Some((0, 2))));
    let text = told(&callbot, "cluster.image_pull_failed");
    assert_says(&text, &["'ecp-ai/callbot:latest'", "ImagePullBackOff: failed to pull", "not found"]);
    assert_says(&text, &["imagePullSecrets", "then deploy again"]);
    // The kubelet's and the runtime's own words are left out.
    assert!(!text.contains("rpc error") && !text.contains("Back-off"), "{text}");
}

#[test]
fn the_first_failure_of_a_pull_is_told_and_may_pass() {
    let mut objects = recorded(IMAGE);
    for pod in objects.iter_mut().filter(|object| object["kind"] == "Pod") {
        pod["status"]["containerStatuses"][0]["state"]["waiting"] =
            json!({"reason": "ErrImagePull", "message": "dial tcp: i/o timeout"});
    }
    let callbot = Scene::from(objects).callbot();
    assert!(!callbot.stuck);
    assert_says(&told(&callbot, "cluster.image_pull_failed"), &["ErrImagePull: dial tcp: i/o timeout"]);
}

#[test]
fn a_crash_loop_is_told_with_its_exit_code_and_last_lines() {
    let callbot = Scene::of(CRASH).callbot();
    assert!(callbot.stuck);
    let text = told(&callbot, "cluster.crash_loop");
    assert_says(&text, &["Container 'callbot'", "CrashLoopBackOff", "exit code 1"]);
    assert_says(&text, &["reading the configuration | ERROR cannot open the model: /models/current"]);
    assert_says(&text, &["Check its environment, configuration and memory limit, then deploy again"]);
}

#[test]
fn a_container_that_crashed_less_often_may_still_come_up() {
    for restarts in [2, 3] {
        let mut objects = recorded(CRASH);
        for pod in objects.iter_mut().filter(|object| object["kind"] == "Pod") {
            pod["status"]["containerStatuses"][0]["restartCount"] = json!(restarts);
        }
        let callbot = Scene::from(objects).callbot();
        assert_eq!(callbot.stuck, restarts >= 3);
        assert_says(&told(&callbot, "cluster.crash_loop"), &["exit code 1"]);
    }
}

#[test]
fn a_container_that_took_too_much_memory_is_told_with_its_limit() {
    let callbot = Scene::of(OOM).callbot();
    assert!(callbot.stuck);
    let text = told(&callbot, "cluster.out_of_memory");
    assert_says(&text, &["'callbot'", "memory limit (2Gi)", "OOMKilled, exit code 137"]);
    assert_says(&text, &["larger preset"]);
}

#[test]
fn a_failing_probe_is_told_with_its_kind_and_its_answer_and_may_pass() {
    let callbot = Scene::of(PROBE).callbot();
    assert_eq!((callbot.status.as_str(), callbot.stuck), ("Progressing", false));
    let text = told(&callbot, "cluster.probe_failing");
    assert_says(&text, &["Readiness probe failed: HTTP probe failed with statuscode: 503"]);
    assert_says(&text, &["container's log", "/health and /ready"]);
}

#[test]
fn the_probe_of_a_pod_that_serves_again_or_is_gone_is_not_told() {
    let mut scene = Scene::of(PROBE);
    for event in &mut scene.events {
        event.name = "callbot-of-yesterday".to_owned();
    }
    let callbot = scene.callbot();
    assert_eq!((callbot.ready, callbot.reason), (false, None));
}

#[test]
fn missing_gpus_are_told_with_how_many_of_which_on_which_nodes() {
    let callbot = Scene::of(GPU).callbot();
    assert_eq!((callbot.status.as_str(), callbot.stuck), ("Pending", false));
    let text = told(&callbot, "cluster.unschedulable_gpu");
    assert_says(&text, &["pods without a node: 2", "Needed on top: 64 nvidia.com/gpu"]);
    assert_says(&text, &["nvidia.com/gpu.product=Tesla-V100-SXM2-32GB", "8 Insufficient nvidia.com/gpu"]);
    assert_says(&text, &["Add GPU nodes", "smaller preset"]);
    assert!(!text.contains("reemption"), "{text}");
    assert!(reasons::is_shortage(callbot.reason.as_ref().expect("a reason")));
}

#[test]
fn a_pod_that_is_too_big_for_every_node_says_what_is_short_and_no_gpu() {
    let callbot = Scene::of(BIG).callbot();
    assert!(!callbot.stuck);
    let text = told(&callbot, "cluster.unschedulable");
    assert_says(&text, &["FailedScheduling: 0/28 nodes are available: 28 Insufficient cpu)"]);
    assert_says(&text, &["Add nodes", "smaller preset"]);
    assert!(reasons::is_shortage(callbot.reason.as_ref().expect("a reason")));
}

#[test]
fn a_pod_with_a_gpu_that_lacks_only_cpu_is_not_said_to_lack_a_gpu() {
    let mut objects = recorded(GPU);
    for pod in objects.iter_mut().filter(|object| object["kind"] == "Pod") {
        pod["status"]["conditions"][0]["message"] = json!("0/28 nodes are available: 28 Insufficient cpu.");
    }
    told(&Scene::from(objects).callbot(), "cluster.unschedulable");
}

#[test]
fn no_node_with_the_wanted_gpu_counts_as_missing_gpus() {
    let mut objects = recorded(GPU);
    for pod in objects.iter_mut().filter(|object| object["kind"] == "Pod") {
        pod["status"]["conditions"][0]["message"] =
            json!("0/20 nodes are available: 20 node(s) didn't match Pod's node affinity/selector.");
    }
    let text = told(&Scene::from(objects).callbot(), "cluster.unschedulable_gpu");
    assert_says(&text, &["64 nvidia.com/gpu", "Tesla-V100-SXM2-32GB"]);
}

#[test]
fn pods_that_a_policy_keeps_out_are_told_with_its_words() {
    let scene = Scene::of(PSA);
    for (state, container) in [(scene.callbot(), "callbot"), (scene.redis(), "redis")] {
        assert_eq!((state.status.as_str(), state.stuck), ("Failed", true));
        let text = told(&state, "cluster.admission_refused");
        let must = format!("container \"{container}\" must set securityContext.allowPrivilegeEscalation");
        assert_says(&text, &["violates PodSecurity \"restricted:latest\"", &must]);
        assert_says(&text, &["fit the policy", "then deploy again"]);
    }
    assert!(scene.judge("PersistentVolumeClaim", "data-redis-0").ready);
}

#[test]
fn a_refusal_of_yesterday_is_not_told_of_a_stateful_set_that_has_its_pods() {
    let mut scene = Scene::of(PVC);
    let refusals = Scene::of(STS_QUOTA).events;
    scene.events.extend(refusals);
    told(&scene.redis(), "cluster.volume_pending");
}

#[test]
fn a_volume_that_does_not_come_is_told_with_what_its_claim_says() {
    let scene = Scene::of(PVC);
    for state in [scene.redis(), scene.judge("PersistentVolumeClaim", "data-redis-0")] {
        assert_eq!((state.status.as_str(), state.stuck), ("Pending", false));
        let text = told(&state, "cluster.volume_pending");
        assert_says(&text, &["'data-redis-0'", "storageclass.storage.k8s.io \"nothing\" not found"]);
        assert_says(&text, &["check the storage class and its provisioner"]);
    }
}

#[test]
fn a_volume_that_does_not_come_is_told_by_the_scheduler_where_no_event_is_known() {
    let mut scene = Scene::of(PVC);
    scene.events.clear();
    let text = told(&scene.redis(), "cluster.volume_pending");
    assert_says(&text, &["'data-redis-0'", "unbound immediate PersistentVolumeClaims"]);
    let claim = scene.judge("PersistentVolumeClaim", "data-redis-0");
    assert_eq!((claim.ready, claim.reason), (false, None));
}

#[test]
fn a_volume_that_is_lost_will_not_come_back_by_waiting() {
    let claim = json!({"metadata": {"name": "data-redis-0"}, "status": {"phase": "Lost"}});
    let state = judge(&ObjectFacts::of("PersistentVolumeClaim", &claim), &[]);
    assert_eq!((state.status.as_str(), state.stuck), ("Failed", true));
    assert_says(&told(&state, "cluster.volume_lost"), &["'data-redis-0'", "from a backup"]);
}

#[test]
fn a_full_quota_is_told_with_its_name_and_amounts_and_may_get_room_again() {
    let callbot = Scene::of(QUOTA).callbot();
    assert_eq!((callbot.replicas, callbot.stuck), (Some((1, 2)), false));
    let text = told(&callbot, "cluster.quota_exceeded");
    assert_says(&text, &["ResourceQuota 'tenant-quota'", "requested: limits.cpu=1,limits.memory=2Gi"]);
    assert_says(&text, &["used: limits.cpu=1,limits.memory=2Gi", "limited: limits.cpu=1,limits.memory=2Gi"]);
    assert_says(&text, &["larger preset", "admission webhooks"]);
}

#[test]
fn what_is_larger_than_the_whole_quota_never_fits() {
    let redis = Scene::of(STS_QUOTA).redis();
    assert_eq!((redis.status.as_str(), redis.stuck), ("Failed", true));
    let text = told(&redis, "cluster.quota_exceeded");
    assert_says(&text, &["'tenant-quota'", "requested: limits.cpu=500m", "limited: limits.cpu=100m"]);
    let redis = Scene::of(QUOTA).redis();
    assert!(redis.stuck);
    let text = told(&redis, "cluster.quota_exceeded");
    assert_says(&text, &["requested: requests.storage=1Gi, used: requests.storage=0", "=500M"]);
}

#[test]
fn a_namespace_that_can_not_go_names_the_finalizer_that_holds_it() {
    let state = Scene::of(HELD).judge("Namespace", "s-held");
    assert_eq!((state.ready, state.status.as_str()), (false, "Terminating"));
    let text = told(&state, "cluster.namespace_held");
    assert_says(&text, &["example.com/hold in 1 resource instances", "take the finalizers"]);
    assert!(!text.contains("configmaps"), "the finalizer says more: {text}");
}

#[test]
fn a_namespace_whose_content_is_still_going_says_what_is_left() {
    let mut objects = recorded(HELD);
    let conditions = objects[0]["status"]["conditions"].as_array_mut().expect("a list");
    conditions.retain(|condition| condition["type"] != "NamespaceFinalizersRemaining");
    let text = told(&Scene::from(objects).judge("Namespace", "s-held"), "cluster.namespace_held");
    assert_says(&text, &["configmaps. has 1 resource instances", "If it stays so"]);
}

#[test]
fn an_object_that_can_not_go_names_its_finalizers() {
    let quota = json!({"metadata": {
        "name": "tenant-quota", "deletionTimestamp": "2026-11-23T11:59:04Z",
        "finalizers": ["example.com/hold", "example.com/keep"],
    }});
    let state = judge(&ObjectFacts::of("ResourceQuota", &quota), &[]);
    assert_eq!(state.status, "Terminating");
    let text = told(&state, "cluster.held_by_finalizers");
    assert_says(&text, &["example.com/hold, example.com/keep", "take the finalizer off by hand"]);
}

#[test]
fn a_status_about_an_older_spec_is_not_taken_for_ready() {
    let mut objects = recorded(NONE);
    objects[0]["metadata"]["generation"] = json!(2);
    let callbot = Scene::from(objects).callbot();
    assert_eq!((callbot.ready, callbot.status.as_str(), callbot.reason), (false, "Progressing", None));
}

#[test]
fn a_stateful_set_between_two_revisions_is_not_ready() {
    let mut objects = recorded(NONE);
    let redis = objects.iter_mut().find(|object| object["kind"] == "StatefulSet").expect("redis");
    redis["status"]["updateRevision"] = json!("redis-next");
    assert!(!Scene::from(objects).redis().ready);
}

/// The scene without faults, where one of the pods of callbot is changed.
fn with_pod(change: impl FnOnce(&mut Value)) -> ObjectState {
    let mut objects = recorded(NONE);
    objects[0]["status"]["readyReplicas"] = json!(1);
    objects[0]["status"]["availableReplicas"] = json!(1);
    let is_callbot =
        |object: &&mut Value| object["kind"] == "Pod" && object["metadata"]["labels"]["app"] == "callbot";
    change(objects.iter_mut().find(is_callbot).expect("a pod"));
    Scene::from(objects).callbot()
}

fn set_condition(pod: &mut Value, name: &str, fields: &Value) {
    let conditions = pod["status"]["conditions"].as_array_mut().expect("a list");
    conditions.retain(|condition| condition["type"] != name);
    let mut condition = fields.clone();
    condition["type"] = json!(name);
    conditions.push(condition);
}

#[test]
fn a_pod_whose_node_fell_silent_names_the_node() {
    // The node controller only takes `Ready`; the containers stay as the node last told them.
    let state = with_pod(|pod| {
        pod["spec"]["nodeName"] = json!("gpu-7");
        set_condition(pod, "Ready", &json!({"status": "False"}));
    });
    assert!(!state.stuck);
    let text = told(&state, "cluster.node_lost");
    assert_says(&text, &["Node 'gpu-7' does not answer", "Bring the node back"]);
}

#[test]
fn a_pod_that_is_evicted_from_a_lost_node_names_the_node_though_it_is_on_its_way_out() {
    let state = with_pod(|pod| {
        pod["spec"]["nodeName"] = json!("gpu-7");
        pod["metadata"]["deletionTimestamp"] = json!("2026-11-23T12:04:00Z");
        set_condition(pod, "Ready", &json!({"status": "False"}));
        let reason = json!({"status": "True", "reason": "DeletionByTaintManager"});
        set_condition(pod, "DisruptionTarget", &reason);
    });
    assert_says(&told(&state, "cluster.node_lost"), &["'gpu-7'"]);
}

#[test]
fn a_pod_that_waits_for_a_readiness_gate_is_on_no_lost_node() {
    let state = with_pod(|pod| {
        set_condition(pod, "Ready", &json!({"status": "False", "reason": "ReadinessGatesNotReady"}));
    });
    assert_eq!((state.ready, state.reason), (false, None));
}

#[test]
fn a_pod_that_its_node_threw_out_is_told_with_the_node_s_words() {
    let state = with_pod(|pod| {
        pod["status"] = json!({
            "phase": "Failed", "reason": "Evicted",
            "message": "The node was low on resource: ephemeral-storage. ",
        });
    });
    assert!(!state.stuck);
    let text = told(&state, "cluster.pod_failed");
    assert_says(&text, &["(Evicted: The node was low on resource: ephemeral-storage)", "add nodes"]);
}

#[test]
fn what_a_container_waits_for_is_told() {
    let waiting = |reason: &str, message: &str| {
        with_pod(|pod| {
            set_condition(pod, "Ready", &json!({"status": "False", "reason": "ContainersNotReady"}));
            set_condition(pod, "ContainersReady", &json!({"status": "False"}));
            let status = &mut pod["status"]["containerStatuses"][0];
            status["ready"] = json!(false);
            status["state"] = json!({"waiting": {"reason": reason, "message": message}});
        })
    };
    let state = waiting("InvalidImageName", "couldn't parse image name");
    assert!(state.stuck);
    assert_says(&told(&state, "cluster.image_name_invalid"), &["'ecp-ai/callbot:latest'", "[registry/]"]);
    let state = waiting("CreateContainerConfigError", "secret \"service-secret\" not found");
    assert!(state.stuck);
    let text = told(&state, "cluster.config_missing");
    assert_says(&text, &["'callbot'", "secret \"service-secret\" not found", "in the namespace"]);
    let state = waiting("RunContainerError", "exec: no such file");
    assert!(!state.stuck);
    let text = told(&state, "cluster.container_not_started");
    assert_says(&text, &["RunContainerError: exec: no such file", "container runtime"]);
    assert_eq!(waiting("ContainerCreating", "").reason, None);
}

#[test]
fn a_crash_of_an_init_container_is_told_before_its_pod_s_waiting_containers() {
    let state = with_pod(|pod| {
        set_condition(pod, "Ready", &json!({"status": "False", "reason": "ContainersNotReady"}));
        set_condition(pod, "ContainersReady", &json!({"status": "False"}));
        pod["spec"]["initContainers"] = json!([{"name": "fetch-model", "image": "fetch:1"}]);
        pod["status"]["initContainerStatuses"] = json!([{
            "name": "fetch-model", "image": "fetch:1", "ready": false, "restartCount": 5,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"exitCode": 22, "reason": "Error", "message": "404 from the store"}},
        }]);
        pod["status"]["containerStatuses"][0]["ready"] = json!(false);
        pod["status"]["containerStatuses"][0]["state"] = json!({"waiting": {"reason": "PodInitializing"}});
    });
    assert!(state.stuck);
    let text = told(&state, "cluster.crash_loop");
    assert_says(&text, &["'fetch-model'", "exit code 22", "404 from the store"]);
}

#[test]
fn a_fault_of_a_pod_that_is_being_replaced_does_not_end_the_roll_out() {
    let mut objects = recorded(CRASH);
    objects[0]["spec"]["template"]["spec"]["containers"][0]["image"] = json!("ecp-ai/callbot:next");
    let callbot = Scene::from(objects).callbot();
    assert!(!callbot.stuck);
    assert_says(&told(&callbot, "cluster.crash_loop"), &["exit code 1"]);
}

#[test]
fn pods_of_another_workload_are_not_held_against_this_one() {
    let mut scene = Scene::of(CRASH);
    for pod in &mut scene.pods {
        pod.app = Some("chatbot".to_owned());
    }
    assert_eq!(scene.callbot().reason, None);
}

#[test]
fn the_newest_of_several_events_is_told() {
    let mut scene = Scene::of(STS_QUOTA);
    let mut newer = scene.events[0].clone();
    newer.message =
        "pods \"redis-0\" is forbidden: exceeded quota: later, requested: a=1, used: a=1, limited: a=1"
            .to_owned();
    newer.time = "2026-11-23T12:30:00Z".parse().ok();
    scene.events.insert(0, newer);
    let redis = scene.redis();
    assert_says(&told(&redis, "cluster.quota_exceeded"), &["'later'"]);
    assert!(!redis.stuck, "it fits once what is used is freed");
}

#[test]
fn a_namespace_on_its_way_out_and_a_webhook_are_told_apart() {
    let refused = |message: &str| refused(message).map(|verdict| (verdict.reason.key, verdict.stuck));
    let going =
        "pods \"a\" is forbidden: unable to create new content in namespace b because it is being terminated";
    assert!(refused(going).is_none());
    let webhook = "admission webhook \"images.example.com\" denied the request: unsigned image";
    assert_eq!(refused(webhook), Some(("cluster.admission_refused".into(), true)));
    let account = "pods \"a\" is forbidden: error looking up service account b/default: not found";
    assert_eq!(refused(account), Some(("cluster.pod_creation_failed".into(), false)));
}

#[test]
fn events_of_either_api_group_are_read() {
    let core = json!({
        "reason": "Unhealthy", "message": "Liveness probe failed: timeout", "lastTimestamp": "2026-11-23T12:00:00Z",
        "involvedObject": {"kind": "Pod", "name": "a"}, "metadata": {"creationTimestamp": "2026-11-23T11:00:00Z"},
    });
    let newer = json!({
        "reason": "Unhealthy", "note": "Liveness probe failed: timeout", "eventTime": "2026-11-23T11:00:00Z",
        "series": {"lastObservedTime": "2026-11-23T12:00:00Z"}, "regarding": {"kind": "Pod", "name": "a"},
    });
    assert_eq!(EventFacts::of(&core), EventFacts::of(&newer));
    assert!(EventFacts::of(&core).is_telling());
    assert!(!EventFacts::of(&json!({"reason": "Scheduled"})).is_telling());
}
