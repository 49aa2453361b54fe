//! What a manifest adds up to, against quotas and the cluster.

use super::{GOOD, broken, check, check_with, listed};
use ecp_core::ports::Capacity;
use ecp_core::quantity::Resources;
use ecp_core::text::Language;

fn cluster(gpu: u64, used_gpu: u64) -> Capacity {
    let total = Resources { cpu_millicores: 100_000, memory_mib: 1 << 20, gpu, storage_gb: 10_000 };
    let used = Resources { gpu: used_gpu, ..Resources::default() };
    Capacity { status: "healthy".into(), total, used, ..Capacity::default() }
}

fn codes(text: &str, capacity: &Capacity) -> Vec<String> {
    let outcome = check_with(text, Some(capacity)).unwrap();
    listed(&outcome).into_iter().map(|(code, ..)| code).collect()
}

#[test]
fn the_summary_counts_objects_and_adds_limits_times_replicas() {
    let summary = check(GOOD).summary;
    assert_eq!(
        (summary.namespaces, summary.deployments, summary.services, summary.configmaps, summary.secrets),
        (1, 1, 1, 1, 1)
    );
    assert_eq!(summary.total.cpu_text(), "6000m");
    assert_eq!(summary.total.memory_text(), "12Gi");
    assert_eq!(summary.total.gpu, 3);
    assert_eq!(summary.estimated_pods, 3);
}

#[test]
fn init_containers_count_where_they_need_more_than_the_rest() {
    let text = GOOD.replace(
        "      containers:\n",
        "      initContainers:\n      - {name: fetch, image: \"a:1\", resources: {limits: {cpu: 1, memory: 8Gi}}, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}\n      containers:\n",
    );
    let summary = check(&text).summary;
    assert_eq!(summary.total.cpu_text(), "6000m");
    assert_eq!(summary.total.memory_text(), "24Gi");
}

#[test]
fn claims_of_a_stateful_set_are_made_for_each_pod() {
    let text = "apiVersion: apps/v1
kind: StatefulSet
metadata: {name: s, namespace: ecp-ai-acme}
spec:
  replicas: 2
  serviceName: s
  selector: {matchLabels: {app: s}}
  template:
    metadata: {labels: {app: s}}
    spec: {containers: [{name: s, image: \"s:1\"}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 100G}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: c, namespace: ecp-ai-acme}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 50G}}}
";
    let outcome = check(text);
    assert_eq!(outcome.summary.total.storage_gb, 250);
    assert!(outcome.errors.is_empty(), "{:?}", outcome.errors);
}

#[test]
fn a_quota_of_the_same_manifest_must_hold_the_workloads() {
    broken(
        "limits.cpu: \"8\"",
        "limits.cpu: 5500m",
        &[("error resources.quota", "spec.hard[\"limits.cpu\"]", "@")],
    );
    broken("pods: \"10\"", "pods: \"2\"", &[("error resources.quota", "spec.hard.pods", "@")]);
}

#[test]
fn needs_over_the_clusters_capacity_are_an_error_and_most_of_it_a_warning() {
    assert_eq!(codes(GOOD, &cluster(10, 0)), Vec::<String>::new());
    assert_eq!(codes(GOOD, &cluster(2, 0)), ["error capacity.exceeded"]);
    assert_eq!(codes(GOOD, &cluster(3, 0)), ["warning capacity.large"]);
    assert_eq!(codes(GOOD, &cluster(4, 0)), Vec::<String>::new());
    assert_eq!(codes(GOOD, &cluster(10, 8)), ["warning capacity.not_free"]);
}

#[test]
fn the_warning_about_gpus_is_the_contracts() {
    let outcome = check_with(GOOD, Some(&cluster(3, 0))).unwrap();
    let text = outcome.warnings[0].render(Language::Ko);
    assert!(text.starts_with("GPU 리소스가 클러스터 용량의 80%를 초과합니다"), "{text}");
}

#[test]
fn amounts_beyond_all_measure_do_not_overflow() {
    let text = GOOD
        .replace("cpu: 2000m", "cpu: 9e30")
        .replace("memory: 4Gi", "memory: 99999999999Ei")
        .replace("replicas: 3", "replicas: 2147483647");
    let outcome = check_with(&text, Some(&cluster(3, 0))).unwrap();
    assert_eq!(outcome.summary.total.cpu_millicores, u64::MAX);
    assert!(!outcome.errors.is_empty());
}

#[test]
fn amounts_that_nobody_means_are_doubted_and_those_that_somebody_has_are_not() {
    let doubted = |text: &str| {
        let listed = listed(&check(text)).into_iter().map(|(code, ..)| code);
        listed.filter(|code| code.starts_with("warning resources.")).collect::<Vec<_>>()
    };
    let one = |code: &str| vec![format!("warning resources.{code}")];
    for (cpu, expected) in [
        ("4Gi", one("unit_cpu")),
        ("2k", one("unit_cpu")),
        ("2000", one("many_cores")),
        ("5e2", one("many_cores")),
        ("2000m", vec![]),
        ("192", vec![]),
        ("900000m", vec![]),
    ] {
        assert_eq!(doubted(&GOOD.replace("cpu: 2000m", &format!("cpu: {cpu}"))), expected, "{cpu}");
    }
    for (memory, expected) in [
        ("4096000m", one("unit_memory")),
        ("512", one("little_memory")),
        ("512Ki", one("little_memory")),
        ("2Pi", one("much_memory")),
        ("64Ti", vec![]),
        ("6Mi", vec![]),
    ] {
        assert_eq!(doubted(&GOOD.replace("memory: 4Gi", &format!("memory: {memory}"))), expected, "{memory}");
    }
}
