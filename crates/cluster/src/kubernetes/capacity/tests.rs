//! What nodes give and pods take, as the scheduler would count it.

use super::*;
use ecp_core::catalog::{Catalog, TolerationSettings};
use serde_json::json;

const GPU: &str = "nvidia.com/gpu";
const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";

/// A node with 8 cores and 16 GiB.
fn node(name: &str) -> Value {
    json!({
        "metadata": {"name": name, "labels": {}},
        "spec": {},
        "status": {
            "allocatable": {"cpu": "8", "memory": "16Gi"},
            "conditions": [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": "True"}],
        },
    })
}

fn gpu_node(name: &str, gpus: &str, labels: Value) -> Value {
    let mut node = node(name);
    node["metadata"]["labels"] = labels;
    node["status"]["allocatable"][GPU] = json!(gpus);
    node
}

/// A tenant's pod on a node.
fn pod(node: &str, requests: Value) -> Value {
    json!({
        "metadata": {"labels": {"ecp.ai/tenant": "acme"}},
        "spec": {"nodeName": node, "containers": [{"name": "main", "resources": {"requests": requests}}]},
        "status": {"phase": "Running"},
    })
}

fn sums(nodes: &[Value], pods: &[Value]) -> Capacity {
    sums_with(&Catalog::embedded().kubernetes, nodes, pods)
}

fn sums_with(settings: &KubernetesSettings, nodes: &[Value], pods: &[Value]) -> Capacity {
    let mut catalog = Catalog::embedded();
    catalog.kubernetes = settings.clone();
    let gpus = GpuResources::of(&catalog);
    let nodes: Vec<NodeFacts> = nodes.iter().map(|node| NodeFacts::of(node, &gpus)).collect();
    let read =
        |pod: &Value| (pod["metadata"]["labels"]["ecp.ai/tenant"].is_string(), PodRequests::of(pod, &gpus));
    let (ours, others): (Vec<_>, Vec<_>) = pods.iter().map(read).partition(|(ours, _)| *ours);
    let acme = TenantId::parse("acme").expect("an id");
    capacity(
        settings,
        nodes.iter(),
        None,
        ours.iter().map(|(_, pod)| (&acme, pod)),
        others.iter().map(|(_, pod)| pod),
    )
}

/// GPUs by type.
fn totals(capacity: &Capacity) -> Vec<(String, u64)> {
    let settings = Catalog::embedded().kubernetes;
    let gpus = capacity.places.gpus(&settings);
    gpus.into_iter().map(|(name, gpus)| (name.to_owned(), gpus.total)).collect()
}

fn resources(cpu_millicores: u64, memory_mib: u64, gpu: u64) -> Resources {
    Resources { cpu_millicores, memory_mib, gpu, storage_gb: 0 }
}

#[test]
fn a_recorded_node_gives_what_it_says() {
    let recorded: Value =
        serde_json::from_str(include_str!("../fixtures/nodes.jsonl").trim()).expect("a recorded node");
    let sums = sums(&[recorded], &[]);
    assert_eq!((sums.status.as_str(), sums.total), ("healthy", resources(256_000, 1 << 20, 0)));
    assert_eq!((sums.used, totals(&sums)), (resources(0, 0, 0), vec![]));
}

#[test]
fn gpus_are_counted_by_the_type_that_the_node_s_labels_name() {
    let nodes = [
        gpu_node("a", "8", json!({GPU_PRODUCT: "Tesla-V100-SXM2-32GB"})),
        gpu_node("b", "4", json!({GPU_PRODUCT: "Tesla-V100-PCIE-16GB"})),
        gpu_node("c", "8", json!({GPU_PRODUCT: "NVIDIA-A100-SXM4-80GB"})),
        gpu_node("d", "2", json!({GPU_PRODUCT: "Tesla-T4"})),
        // What an operator says by hand goes before what was discovered.
        gpu_node("e", "1", json!({GPU_PRODUCT: "Tesla-T4", GPU_TYPE_LABEL: "l40"})),
        gpu_node("f", "3", json!({})),
        node("g"),
        // Parts of a device are no such devices.
        gpu_node("h", "7", json!({GPU_PRODUCT: "NVIDIA-A100-SXM4-80GB-MIG-1g.10gb"})),
        gpu_node("i", "10", json!({GPU_PRODUCT: "Tesla-T4-SHARED"})),
    ];
    let sums = sums(&nodes, &[]);
    let by_type = [
        ("a100", 8),
        ("a100-mig-1g.10gb", 7),
        ("l40", 1),
        ("t4", 2),
        ("t4-shared", 10),
        ("unknown", 3),
        ("v100", 12),
    ];
    assert_eq!(totals(&sums), by_type.map(|(name, count)| (name.to_owned(), count)));
    assert_eq!(sums.total, resources(9 * 8000, 9 * 16 * 1024, 43));
}

#[test]
fn a_device_of_another_name_is_no_gpu_unless_it_is_configured() {
    let mut node = node("a");
    node["status"]["allocatable"]["amd.com/gpu"] = json!("4");
    let mut catalog = Catalog::embedded();
    assert_eq!(NodeFacts::of(&node, &GpuResources::of(&catalog)).node.gpu_type(), None);
    catalog.kubernetes.gpu_resource = "amd.com/gpu".to_owned();
    let facts = NodeFacts::of(&node, &GpuResources::of(&catalog));
    assert_eq!(facts.node.gpu_type(), Some("unknown"));
}

#[test]
fn devices_that_go_by_a_name_of_their_own_are_told_apart_by_it() {
    let mut settings = Catalog::embedded().kubernetes;
    for (device, resource) in [
        ("a100-mig-1g.10gb", "nvidia.com/mig-1g.10gb"),
        ("h100-mig-1g.10gb", "nvidia.com/mig-1g.10gb"),
        ("t4-shared", "nvidia.com/gpu.shared"),
    ] {
        settings.gpu_resources.insert(device.to_owned(), resource.to_owned());
    }
    let of = |name: &str, resources: &[(&str, &str)], labels: Value| {
        let mut node = gpu_node(name, "0", labels);
        for (resource, count) in resources {
            node["status"]["allocatable"][*resource] = json!(count);
        }
        node
    };
    let slice = "nvidia.com/mig-1g.10gb";
    let nodes = [
        of("a", &[("nvidia.com/gpu.shared", "10")], json!({GPU_PRODUCT: "Tesla-T4"})),
        // Two devices have such slices: the label of the resource says whose these are.
        of(
            "b",
            &[(slice, "7")],
            json!({GPU_PRODUCT: "NVIDIA-H100-80GB-HBM3",
            "nvidia.com/mig-1g.10gb.product": "NVIDIA-H100-80GB-HBM3-MIG-1g.10gb"}),
        ),
        of("c", &[(GPU, "4")], json!({GPU_PRODUCT: "Tesla-T4"})),
        // Those of several names count apart.
        of(
            "d",
            &[(GPU, "1"), (slice, "14")],
            json!({GPU_PRODUCT: "NVIDIA-A100-SXM4-80GB",
            "nvidia.com/mig-1g.10gb.product": "NVIDIA-A100-SXM4-80GB-MIG-1g.10gb"}),
        ),
    ];
    let mut others = pod("d", json!({slice: "3", GPU: "1"}));
    others["metadata"] = json!({});
    let pods =
        [pod("b", json!({slice: "2"})), pod("c", json!({GPU: "1"})), pod("d", json!({slice: "4"})), others];
    let sums = sums_with(&settings, &nodes, &pods);
    let by_type =
        [("a100", 1), ("a100-mig-1g.10gb", 14), ("h100-mig-1g.10gb", 7), ("t4", 4), ("t4-shared", 10)];
    assert_eq!(totals(&sums), by_type.map(|(name, count)| (name.to_owned(), count)));
    assert_eq!((sums.total.gpu, sums.used.gpu), (36, 11));
    let requested = sums.places.gpus(&settings);
    let requested: Vec<u64> = by_type.iter().map(|(name, _)| requested[name].requested).collect();
    assert_eq!(requested, [1, 7, 2, 1, 0]);
    let d = &sums.places.nodes[3];
    assert_eq!((d.node.gpu_type(), &d.taken_gpus[..]), (Some("a100-mig-1g.10gb"), &[1, 3][..]));
    let acme = &sums.places.tenants[&TenantId::parse("acme").expect("an id")];
    assert_eq!(acme.iter().map(|pod| pod.gpus).collect::<Vec<_>>(), [Some(0), Some(0), Some(1)]);
}

#[test]
fn nodes_that_take_no_pods_are_left_out_with_what_others_run_there() {
    let mut silent = node("silent");
    silent["status"]["conditions"][1]["status"] = json!("Unknown");
    let mut cordoned = gpu_node("cordoned", "8", json!({GPU_PRODUCT: "Tesla-T4"}));
    cordoned["spec"]["unschedulable"] = json!(true);
    let mut control = node("control");
    control["spec"]["taints"] = json!([{"key": CONTROL_PLANE, "effect": "NoSchedule"}]);
    let mut others = pod("control", json!({"cpu": "1", "memory": "1Gi"}));
    others["metadata"] = json!({});

    let one_left = sums(&[silent.clone(), cordoned, node("good")], &[]);
    assert_eq!((one_left.status.as_str(), one_left.total), ("degraded", resources(8000, 16 * 1024, 0)));
    assert_eq!(totals(&one_left), vec![]);
    // A node that runs the cluster itself is no trouble, and what it runs is not held against the rest.
    let with_control = sums(&[control, node("good")], &[others]);
    assert_eq!((with_control.status.as_str(), with_control.used), ("healthy", resources(0, 0, 0)));
    assert_eq!(with_control.total, resources(8000, 16 * 1024, 0));
    let none = sums(&[silent], &[]);
    assert_eq!((none.status.as_str(), none.total), ("degraded", resources(0, 0, 0)));
}

#[test]
fn a_control_plane_that_only_prefers_no_pods_takes_them() {
    let mut control = node("control");
    control["spec"]["taints"] = json!([{"key": CONTROL_PLANE, "effect": "PreferNoSchedule"}]);
    assert_eq!(sums(&[control], &[]).total, resources(8000, 16 * 1024, 0));
}

#[test]
fn a_node_whose_taint_no_tenant_tolerates_is_none_of_theirs() {
    let mut dedicated = gpu_node("dedicated", "8", json!({GPU_PRODUCT: "Tesla-T4"}));
    dedicated["spec"]["taints"] = json!([{"key": "dedicated", "value": "db", "effect": "NoExecute"}]);
    let nodes = [dedicated, node("good")];
    // It is in good health all the same.
    let left_out = sums(&nodes, &[]);
    assert_eq!((left_out.status.as_str(), left_out.total), ("healthy", resources(8000, 16 * 1024, 0)));
    assert_eq!(totals(&left_out), vec![]);
    let mut settings = Catalog::embedded().kubernetes;
    settings.nodes.gpu_tolerations =
        vec![TolerationSettings { key: "dedicated".into(), value: Some("db".into()), effect: None }];
    assert_eq!(sums_with(&settings, &nodes, &[]).total.gpu, 8);
    settings.nodes.selector.insert("pool".into(), "tenants".into());
    assert_eq!(sums_with(&settings, &nodes, &[]).total, resources(0, 0, 0));
}

#[test]
fn nodes_and_pods_are_told_one_by_one() {
    let mut first = gpu_node("b", "2", json!({"pool": "tenants"}));
    first["status"]["allocatable"]["pods"] = json!("110");
    first["spec"]["taints"] = json!([{"key": "dedicated", "value": "db", "effect": "NoSchedule"}]);
    let mut cordoned = node("a");
    cordoned["spec"]["unschedulable"] = json!(true);
    let mut silent = node("c");
    silent["status"]["conditions"] = json!([]);
    let mut other = pod("b", json!({"cpu": "1", "memory": "1Ki"}));
    other["metadata"]["labels"] = json!({});
    let mut ours = pod("b", json!({"cpu": "200m", "memory": "512Mi", GPU: "1"}));
    ours["metadata"]["labels"]["app"] = json!("callbot");
    let waiting = pod("", json!({"cpu": "100m"}));
    let mut ended = other.clone();
    ended["status"]["phase"] = json!("Succeeded");

    let places = sums(&[first, cordoned, silent], &[other, ours, waiting, ended]).places;
    let names: Vec<_> =
        places.nodes.iter().map(|place| (place.node.name.as_str(), place.node.absence)).collect();
    assert_eq!(names, [("a", Some(Absence::Cordoned)), ("b", None), ("c", Some(Absence::NotReady))]);
    let b = &places.nodes[1];
    assert_eq!((b.node.max_pods, b.pods, b.node.labels["pool"].as_str()), (110, 1, "tenants"));
    assert_eq!(b.node.taints[0].to_string(), "dedicated=db:NoSchedule");
    assert_eq!(b.taken, ContainerResources { cpu_millicores: 1000, memory_mib: 1, gpu: 0 });
    let pods = &places.tenants[&TenantId::parse("acme").expect("an id")];
    let requests = ContainerResources { cpu_millicores: 200, memory_mib: 512, gpu: 1 };
    let app = App::parse("callbot");
    assert_eq!(pods[0], TenantPod { node: Some(1), app, requests, gpus: Some(0), leaving: false });
    assert_eq!((pods[1].node, pods[1].app, pods.len()), (None, None, 2));
}

#[test]
fn what_pods_requested_is_summed_and_the_tenants_part_told() {
    let mut others = pod("a", json!({"cpu": "250m", "memory": "100Mi"}));
    others["metadata"]["labels"] = json!({"app": "dns"});
    let pods = [others, pod("a", json!({"cpu": "1.5", "memory": "1Gi", GPU: "2"})), pod("a", json!({}))];
    let sums = sums(&[node("a")], &pods);
    assert_eq!(sums.used, resources(1750, 1124, 2));
    assert_eq!(sums.used_by_tenants, resources(1500, 1024, 2));
}

#[test]
fn a_pod_that_ended_takes_nothing() {
    for phase in ["Succeeded", "Failed"] {
        let mut ended = pod("a", json!({"cpu": "4"}));
        ended["status"]["phase"] = json!(phase);
        assert_eq!(sums(&[node("a")], &[ended]).used, resources(0, 0, 0), "{phase}");
    }
}

#[test]
fn a_tenant_s_pod_counts_before_it_has_a_node_and_another_s_does_not() {
    let requests = json!({"cpu": "2", "memory": "1Gi"});
    let mut waiting = pod("", requests.clone());
    waiting["status"]["phase"] = json!("Pending");
    let mut others = waiting.clone();
    others["metadata"] = json!({});
    assert_eq!(sums(&[node("a")], &[waiting, others]).used, resources(2000, 1024, 0));
    // One whose node is gone needs another, unless it is on its way out.
    let lost = pod("gone", requests.clone());
    assert_eq!(sums(&[node("a")], std::slice::from_ref(&lost)).used, resources(2000, 1024, 0));
    let mut leaving = lost;
    leaving["metadata"]["deletionTimestamp"] = json!("2026-11-23T12:00:00Z");
    assert_eq!(sums(&[node("a")], &[leaving]).used, resources(0, 0, 0));
    // While it is on a node that counts, its place is taken.
    let mut leaving = pod("a", requests);
    leaving["metadata"]["deletionTimestamp"] = json!("2026-11-23T12:00:00Z");
    assert_eq!(sums(&[node("a")], &[leaving]).used, resources(2000, 1024, 0));
}

fn container(cpu: &str, restarts: bool) -> Value {
    let mut container = json!({"resources": {"requests": {"cpu": cpu}}});
    if restarts {
        container["restartPolicy"] = json!("Always");
    }
    container
}

#[test]
fn the_largest_init_container_counts_where_it_needs_more_than_what_runs_later() {
    for (init, containers, millicores) in [
        (vec![container("3", false), container("1", false)], vec![container("1", false)], 3000),
        (vec![container("500m", false)], vec![container("1", false), container("1", false)], 2000),
        // A sidecar keeps running: it counts beside the containers and beside later init containers.
        (vec![container("1", true)], vec![container("2", false)], 3000),
        (vec![container("1", true), container("4", false)], vec![container("2", false)], 5000),
        (vec![container("4", false), container("1", true)], vec![container("2", false)], 4000),
    ] {
        let mut pod = pod("a", json!({}));
        pod["spec"]["initContainers"] = json!(init);
        pod["spec"]["containers"] = json!(containers);
        assert_eq!(sums(&[node("a")], &[pod]).used.cpu_millicores, millicores);
    }
}

#[test]
fn requests_of_the_whole_pod_go_before_its_containers_and_overhead_comes_on_top() {
    let mut pod = pod("a", json!({"cpu": "1", "memory": "1Gi", GPU: "1"}));
    pod["spec"]["resources"] = json!({"requests": {"cpu": "3"}});
    pod["spec"]["overhead"] = json!({"cpu": "100m", "memory": "64Mi"});
    assert_eq!(sums(&[node("a")], &[pod]).used, resources(3100, 1024 + 64, 1));
}

#[test]
fn amounts_are_read_in_every_spelling() {
    for (cpu, millicores) in
        [("250m", 250), ("2", 2000), ("0.1", 100), ("1e1", 10_000), ("1500000u", 1500), ("2000000000n", 2000)]
    {
        let pod = pod("a", json!({"cpu": cpu}));
        assert_eq!(sums(&[node("a")], &[pod]).used.cpu_millicores, millicores, "{cpu}");
    }
    for (memory, mib) in [
        ("1048576", 1),
        ("1048576000m", 1),
        ("1024Ki", 1),
        ("1Mi", 1),
        ("1.5Gi", 1536),
        ("2Ti", 2 << 20),
        ("1Pi", 1 << 30),
        ("1Ei", 1 << 40),
        // Decimal amounts are rounded up to whole MiB: nothing may be promised twice.
        ("1k", 1),
        ("2M", 2),
        ("1G", 954),
        ("1T", 953_675),
        ("1P", 953_674_317),
        ("1E", 953_674_316_407),
        ("1e9", 954),
        ("128e6", 123),
    ] {
        let pod = pod("a", json!({"memory": memory}));
        assert_eq!(sums(&[node("a")], &[pod]).used.memory_mib, mib, "{memory}");
    }
    // A number is read as its text is; what is no amount counts as none.
    assert_eq!(sums(&[node("a")], &[pod("a", json!({"cpu": 2}))]).used.cpu_millicores, 2000);
    assert_eq!(sums(&[node("a")], &[pod("a", json!({"cpu": "lots"}))]).used.cpu_millicores, 0);
}

#[test]
fn memory_of_nodes_is_rounded_down_and_memory_of_pods_up() {
    let mut small = node("a");
    small["status"]["allocatable"]["memory"] = json!("1535Ki");
    let sums = sums(&[small], &[pod("a", json!({"memory": "1Ki"}))]);
    assert_eq!((sums.total.memory_mib, sums.used.memory_mib), (1, 1));
}
