#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use super::*;

fn run_pod(cluster: &ControlPlane, namespace: &str, tenant: &str) {
    let labels = format!("ecp.ai/tenant={tenant}");
    cluster.kubectl(&["-n", namespace, "run", tenant, "--image", "ecp-ai/callbot:1", "--labels", &labels]);
}

/// Waits until a field of a pod's first container has a value.
fn wait_for_container(cluster: &ControlPlane, namespace: &str, pod: &str, field: &str, value: &str) {
    let condition = format!("--for=jsonpath={{.status.containerStatuses[0].{field}}}={value}");
    cluster.kubectl(&["-n", namespace, "wait", "pod", pod, &condition, "--timeout=30s"]);
}

#[test]
fn pods_come_up_or_fail_as_the_id_of_their_tenant_says() {
    let cluster = ControlPlane::shared_with_faults();
    let namespace = "control-plane-faults";
    cluster.kubectl(&["create", "namespace", namespace]);
    for tenant in ["fine", "fault-image-1", "fault-crash-1", "fault-oom-1", "fault-probe-1"] {
        run_pod(cluster, namespace, tenant);
    }

    wait_for_container(cluster, namespace, "fine", "ready", "true");
    wait_for_container(cluster, namespace, "fault-image-1", "state.waiting.reason", "ImagePullBackOff");
    wait_for_container(cluster, namespace, "fault-crash-1", "state.waiting.reason", "CrashLoopBackOff");
    wait_for_container(cluster, namespace, "fault-crash-1", "lastState.terminated.exitCode", "1");
    wait_for_container(cluster, namespace, "fault-oom-1", "lastState.terminated.reason", "OOMKilled");
    wait_for_container(cluster, namespace, "fault-probe-1", "started", "true");
    wait_for_container(cluster, namespace, "fault-probe-1", "ready", "false");
    let crashed = cluster.get(&["-n", namespace, "pod", "fault-crash-1"]);
    let message = &crashed["status"]["containerStatuses"][0]["lastState"]["terminated"]["message"];
    assert!(message.as_str().unwrap().contains("cannot open the model"), "{message}");
    let log = cluster.kubectl(&["-n", namespace, "logs", "--previous", "fault-crash-1"]);
    assert!(log.contains("cannot open the model"), "{log}");
}

#[test]
fn a_namespace_can_be_told_to_fail_its_next_pods_and_to_stop_that() {
    let cluster = ControlPlane::shared_with_faults();
    let namespace = "control-plane-told";
    cluster.kubectl(&["create", "namespace", namespace]);
    cluster.set_fault(namespace, Some("crash"));
    run_pod(cluster, namespace, "first");
    wait_for_container(cluster, namespace, "first", "state.waiting.reason", "CrashLoopBackOff");
    cluster.set_fault(namespace, None);
    run_pod(cluster, namespace, "second");
    wait_for_container(cluster, namespace, "second", "ready", "true");
}

#[test]
fn programs_of_a_cluster_can_be_killed_and_started_and_none_is_left_at_the_end() {
    let cluster = ControlPlane::start("outage");
    assert_eq!(cluster.pids().len(), 6);
    cluster.apply("{apiVersion: v1, kind: Namespace, metadata: {name: kept}}");
    cluster.signal(Component::ApiServer, Signal::Kill);
    cluster.stop_component(Component::Etcd);
    assert!(cluster.try_kubectl(&["get", "namespace", "kept"]).is_err());
    cluster.start_components();
    cluster.kubectl(&["get", "namespace", "kept"]);

    let (pids, kubeconfig) = (cluster.pids(), cluster.kubeconfig().to_owned());
    assert_eq!(pids.len(), 6, "{pids:?}");
    cluster.stop();
    assert!(!kubeconfig.exists());
    for (name, pid) in pids {
        let running = Command::new("kill").args(["-0", &pid.to_string()]).output().unwrap().status.success();
        // A process that its parent has not yet taken notice of is a zombie, and no longer runs.
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(!running || state.contains(") Z"), "{name} is left");
    }
}
