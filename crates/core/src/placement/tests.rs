//! On nodes of many shapes: who has room, who has not, and what is said of it.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use super::*;
use crate::quantity::Resources;
use crate::sizing::{DeploymentTime, ServicePlan};
use crate::tenant::{Availability, Preset, SlaTarget, TenantSpec};
use proptest::prelude::*;

mod promises;

const SLICE: &str = "nvidia.com/mig-1g.10gb";

/// A node with room for pods of a core each; redis takes 100m of it. Its GPUs are of no known type.
fn node(name: &str, cores: u64, gpu: u64) -> Node {
    let node = Node {
        name: name.to_owned(),
        allocatable: ContainerResources { cpu_millicores: cores * 1000, memory_mib: 1 << 20, gpu: 0 },
        max_pods: 110,
        ..Node::default()
    };
    if gpu > 0 { with_gpus(node, &[("unknown", None, gpu)]) } else { node }
}

/// The node with GPUs of these types, by these names, in these numbers.
fn with_gpus(mut node: Node, gpus: &[(&str, Option<&str>, u64)]) -> Node {
    let of = |&(gpu_type, asked_as, count): &(&str, Option<&str>, u64)| NodeGpus {
        gpu_type: gpu_type.to_owned(),
        asked_as: asked_as.map(str::to_owned),
        count,
    };
    node.gpus = gpus.iter().map(of).collect();
    node.allocatable.gpu = node.gpus.iter().map(|gpus| gpus.count).sum();
    node
}

fn tainted(mut node: Node, key: &str, value: &str, effect: TaintEffect) -> Node {
    node.taints.push(Taint { key: key.to_owned(), value: value.to_owned(), effect });
    node
}

fn labelled(mut node: Node, key: &str, value: &str) -> Node {
    node.labels.insert(key.to_owned(), value.to_owned());
    node
}

fn absent(mut node: Node, absence: Absence) -> Node {
    node.absence = Some(absence);
    node
}

fn cluster(nodes: &[Node]) -> Capacity {
    let place = |node: &Node| Place {
        node: Arc::new(node.clone()),
        taken: ContainerResources::default(),
        taken_gpus: Vec::new(),
        pods: 0,
    };
    let places = Places { nodes: nodes.iter().map(place).collect(), ..Places::default() };
    Capacity { places, ..Capacity::default() }
}

/// Pods of a service: how many, cores of each, GPUs of each.
type Pods = (Service, u32, u64, u64);

fn sizing(gpu_type: &str, services: &[Pods]) -> Sizing {
    let plan = |&(service, replicas, cores, gpu): &Pods| {
        let requests = ContainerResources { cpu_millicores: cores * 1000, memory_mib: 512, gpu };
        ServicePlan { service, count: 1, replicas, requests, limits: requests }
    };
    let mut sizing = Sizing {
        preset: Preset::Micro,
        resources: Resources { storage_gb: 250, ..Resources::default() },
        gpu_type: gpu_type.to_owned(),
        services: Vec::new(),
        list_price_usd: 0,
        operator_cost_usd: 0,
        deployment_time: DeploymentTime { min_minutes: 1, max_minutes: 2 },
        warnings: Vec::new(),
        places: crate::sizing::Places::new(),
    };
    sizing.services.extend(services.iter().map(plan));
    sizing
}

fn id(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

fn tenant(name: &str, sizing: Sizing) -> Arc<Tenant> {
    let at = "2026-01-20T14:30:00Z".parse().unwrap();
    let sla_target =
        SlaTarget { availability: Availability(999_000), response_time_ms: 300, concurrent_users: None };
    let spec = TenantSpec {
        name: name.to_owned(),
        preset: None,
        service_requirements: sizing.services.iter().map(|plan| (plan.service, 1)).collect(),
        sla_target,
        description: None,
        exposure: None,
        management: Default::default(),
        demo_fault: None,
        sizing: crate::sizing::SizingOptions::default(),
    };
    let (status, deployment_id) = (TenantStatus::Running, crate::ids::DeploymentId::generate());
    let (created_at, updated_at) = (at, at);
    Arc::new(Tenant {
        id: id(name),
        spec,
        sizing,
        status,
        generation: 1,
        incarnation: Default::default(),
        deployment_id,
        created_at,
        updated_at,
    })
}

/// The pods of a tenant as they are wanted, all on one node.
fn there(sizing: &Sizing, node: usize) -> Vec<TenantPod> {
    let demands = manifest::pod_demands(&Catalog::embedded(), sizing);
    let pods = demands.into_iter().flat_map(|demand| {
        let pod = TenantPod {
            node: Some(node),
            app: Some(demand.app),
            requests: demand.requests,
            gpus: (demand.requests.gpu > 0).then_some(0),
            leaving: false,
        };
        std::iter::repeat_n(pod, demand.replicas as usize)
    });
    pods.collect()
}

fn ask(capacity: &Capacity, accepted: &[Arc<Tenant>], sizing: &Sizing) -> Result<(), Shortage> {
    admit(&Catalog::embedded(), capacity, accepted, &id("new"), sizing).map_err(|shortage| *shortage)
}

/// Resource and what is missing of it.
fn missing(shortage: &Shortage) -> Vec<(&'static str, &str)> {
    shortage.short.iter().map(|short| (short.resource, short.missing.as_str())).collect()
}

fn reasons(shortage: &Shortage) -> Vec<String> {
    shortage.left_out.iter().map(|left| format!("{} {}", left.count, left.reason)).collect()
}

#[test]
fn pods_that_fit_in_sum_but_on_no_node_are_refused() {
    let two = cluster(&[node("a", 3, 0), node("b", 3, 0)]);
    assert_eq!(ask(&two, &[], &sizing("t4", &[(Service::Chatbot, 2, 2, 0)])), Ok(()));
    let shortage = ask(&two, &[], &sizing("t4", &[(Service::Chatbot, 1, 4, 0)])).unwrap_err();
    assert_eq!(missing(&shortage), [("cpu", "4000m")]);
    assert_eq!(reasons(&shortage), ["2 insufficient cpu"]);
    assert_eq!(shortage.left_out[0].nodes, ["a", "b"]);
    // Two GPUs on two nodes are no two GPUs for one pod.
    let gpus = cluster(&[node("a", 8, 1), node("b", 8, 1)]);
    let shortage = ask(&gpus, &[], &sizing("t4", &[(Service::Callbot, 1, 1, 2)])).unwrap_err();
    assert_eq!(missing(&shortage), [("gpu", "2")]);
}

#[test]
fn a_shortage_says_what_was_asked_what_is_there_and_the_rest() {
    let one = cluster(&[node("a", 64, 1)]);
    let shortage = ask(&one, &[], &sizing("t4", &[(Service::Callbot, 3, 1, 1)])).unwrap_err();
    let short = &shortage.short[0];
    assert_eq!(
        (short.resource, &*short.requested, &*short.available, &*short.missing),
        ("gpu", "3", "1", "2")
    );
    assert_eq!(
        (shortage.summary(), shortage.left_out_summary()),
        ("gpu 2".into(), "1 × insufficient gpu".into())
    );
}

#[test]
fn nodes_that_take_no_such_pod_are_left_out_and_say_why() {
    let nodes = [
        tainted(node("a", 64, 8), "dedicated", "db", TaintEffect::NoSchedule),
        tainted(node("b", 64, 8), "evicting", "", TaintEffect::NoExecute),
        absent(node("c", 64, 8), Absence::Cordoned),
        absent(node("d", 64, 8), Absence::NotReady),
        tainted(node("e", 64, 8), "dedicated", "db", TaintEffect::NoSchedule),
    ];
    let shortage = ask(&cluster(&nodes), &[], &sizing("t4", &[(Service::Callbot, 1, 1, 1)])).unwrap_err();
    let expected =
        ["1 not_ready", "1 cordoned", "2 taint dedicated=db:NoSchedule", "1 taint evicting:NoExecute"];
    assert_eq!(reasons(&shortage), expected);
    // Nothing can be had at all: everything that was asked for is missing, redis' share too.
    assert_eq!(missing(&shortage), [("cpu", "1500m"), ("memory", "1Gi"), ("gpu", "1")]);
}

#[test]
fn taints_are_tolerated_as_the_catalog_says_and_pods_without_a_gpu_do_not_have_those_of_the_others() {
    let mut catalog = Catalog::embedded();
    let toleration = |key: &str, value: Option<&str>, effect: Option<&str>| TolerationSettings {
        key: key.to_owned(),
        value: value.map(str::to_owned),
        effect: effect.map(str::to_owned),
    };
    let admitted = |catalog: &Catalog, nodes: &[Node], pods: &[Pods]| {
        admit(catalog, &cluster(nodes), &[], &id("new"), &sizing("t4", pods)).is_ok()
    };
    let gpu_node = tainted(node("gpu", 64, 8), "nvidia.com/gpu", "present", TaintEffect::NoSchedule);
    let plain = node("plain", 64, 0);
    let (voice, chat): (&[Pods], &[Pods]) = (&[(Service::Callbot, 1, 1, 1)], &[(Service::Chatbot, 1, 1, 0)]);
    assert!(!admitted(&catalog, &[gpu_node.clone(), plain.clone()], voice));
    catalog.kubernetes.nodes.gpu_tolerations = vec![toleration("nvidia.com/gpu", None, Some("NoSchedule"))];
    assert!(admitted(&catalog, &[gpu_node.clone(), plain], voice));
    assert!(!admitted(&catalog, std::slice::from_ref(&gpu_node), chat));
    for (value, effect, right) in [
        (Some("present"), None, true),
        (Some("absent"), None, false),
        (None, Some("NoExecute"), false),
        (None, None, true),
    ] {
        catalog.kubernetes.nodes.tolerations = vec![toleration("nvidia.com/gpu", value, effect)];
        assert_eq!(admitted(&catalog, std::slice::from_ref(&gpu_node), chat), right, "{value:?} {effect:?}");
    }
}

#[test]
fn gpus_are_of_the_tenants_type_where_the_catalog_selects_by_it() {
    const PRODUCT: &str = "nvidia.com/gpu.product";
    let nodes = [labelled(node("t", 64, 8), PRODUCT, "Tesla-T4"), node("cpu", 64, 0)];
    let voice = |gpu_type: &str| sizing(gpu_type, &[(Service::Callbot, 2, 1, 1)]);
    let mut catalog = Catalog::embedded();
    let asked = |catalog: &Catalog, gpu_type: &str| {
        admit(catalog, &cluster(&nodes), &[], &id("new"), &voice(gpu_type)).map_err(|shortage| *shortage)
    };
    assert_eq!(asked(&catalog, "v100"), Ok(()));
    for (gpu_type, product) in [("t4", "Tesla-T4"), ("v100", "Tesla-V100-SXM2-32GB")] {
        let labels = BTreeMap::from([(PRODUCT.to_owned(), product.to_owned())]);
        catalog.kubernetes.nodes.gpu_selectors.insert(gpu_type.to_owned(), labels);
    }
    assert_eq!(asked(&catalog, "t4"), Ok(()));
    let shortage = asked(&catalog, "v100").unwrap_err();
    assert_eq!(reasons(&shortage), ["2 selector nvidia.com/gpu.product=Tesla-V100-SXM2-32GB"]);
    assert!(missing(&shortage).contains(&("gpu", "2")), "{shortage:?}");
    // Another type is another resource: a change to it needs more, a change of anything else does not.
    assert!(needs_more(&catalog, &voice("t4"), &voice("v100")));
    assert!(!needs_more(&catalog, &voice("t4"), &voice("t4")));
}

#[test]
fn gpus_of_another_name_are_no_gpus_of_the_tenants_type() {
    let slices = with_gpus(node("slices", 64, 0), &[("t4", Some(SLICE), 7)]);
    let whole = with_gpus(node("whole", 64, 0), &[("t4", Some("nvidia.com/gpu"), 1)]);
    let mut catalog = Catalog::embedded();
    let asked = |catalog: &Catalog, pods: u32| {
        let voice = sizing("t4", &[(Service::Callbot, pods, 1, 1)]);
        let nodes = [slices.clone(), whole.clone()];
        admit(catalog, &cluster(&nodes), &[], &id("new"), &voice).map_err(|shortage| *shortage)
    };
    assert_eq!(asked(&catalog, 1), Ok(()));
    let shortage = asked(&catalog, 2).unwrap_err();
    assert!(missing(&shortage).contains(&("gpu", "1")), "{shortage:?}");
    catalog.kubernetes.gpu_resources.insert("t4".to_owned(), SLICE.to_owned());
    assert_eq!(asked(&catalog, 7), Ok(()));
    assert!(asked(&catalog, 8).is_err());
    // Another name is another resource.
    catalog.kubernetes.gpu_resources.insert("v100".to_owned(), "nvidia.com/gpu".to_owned());
    let voice = |gpu_type: &str| sizing(gpu_type, &[(Service::Callbot, 2, 1, 1)]);
    assert!(asks_for_more(&catalog, &voice("t4"), &voice("v100")));
    // Pods without a GPU go anywhere.
    let chat = sizing("t4", &[(Service::Chatbot, 100, 1, 0)]);
    assert!(admit(&catalog, &cluster(&[slices.clone(), whole.clone()]), &[], &id("new"), &chat).is_ok());
}

/// GPUs of each name of a node: those that a tenant has there, and those that others have, are held
/// against that name alone.
#[test]
fn gpus_of_several_names_of_one_node_are_counted_apart() {
    let mut catalog = Catalog::embedded();
    catalog.kubernetes.gpu_resources.insert("t4".to_owned(), SLICE.to_owned());
    let both =
        with_gpus(node("both", 64, 0), &[("v100", Some("nvidia.com/gpu"), 2), ("t4", Some(SLICE), 14)]);
    let voice = |gpu_type: &str, pods| sizing(gpu_type, &[(Service::Callbot, pods, 1, 1)]);
    let mut capacity = cluster(&[both]);
    let room = |capacity: &Capacity, accepted: &[Arc<Tenant>], gpu_type: &str| -> u32 {
        let fits =
            |pods: &u32| admit(&catalog, capacity, accepted, &id("new"), &voice(gpu_type, *pods)).is_ok();
        (0..20).take_while(fits).last().unwrap_or(0)
    };
    assert_eq!((room(&capacity, &[], "v100"), room(&capacity, &[], "t4")), (2, 14));
    // Whether its pods are there already or not.
    let old = tenant("old", voice("t4", 3));
    let accepted = [old.clone()];
    assert_eq!((room(&capacity, &accepted, "v100"), room(&capacity, &accepted, "t4")), (2, 11));
    let pods = there(&old.sizing, 0).into_iter();
    let on_slices = |pod: TenantPod| TenantPod { gpus: pod.gpus.map(|_| 1), ..pod };
    capacity.places.tenants.insert(old.id.clone(), pods.map(on_slices).collect());
    assert_eq!((room(&capacity, &accepted, "v100"), room(&capacity, &accepted, "t4")), (2, 11));
    // Of one that nobody knows any more, too.
    assert_eq!((room(&capacity, &[], "v100"), room(&capacity, &[], "t4")), (2, 11));
    capacity.places.nodes[0].taken_gpus = vec![1, 4];
    assert_eq!((room(&capacity, &accepted, "v100"), room(&capacity, &accepted, "t4")), (1, 7));
    // What it has of one name is nothing of another, when it changes.
    let more =
        |gpu_type: &str, pods| admit(&catalog, &capacity, &accepted, &old.id, &voice(gpu_type, pods)).is_ok();
    assert!(more("t4", 10) && !more("t4", 11));
    assert!(more("v100", 1) && !more("v100", 2));
    let by_type = capacity.places.gpus(&catalog.kubernetes);
    assert_eq!((by_type["v100"], by_type["t4"]), (gpus(2, 1), gpus(14, 7)));
}

fn gpus(total: u64, requested: u64) -> Gpus {
    Gpus { total, requested }
}

#[test]
fn simulated_nodes_have_none_of_an_operators_labels() {
    let mut catalog = Catalog::embedded();
    catalog.kubernetes.nodes.selector.insert("pool".into(), "tenants".into());
    let mut capacity = cluster(&[node("a", 64, 8)]);
    let chat = sizing("t4", &[(Service::Chatbot, 1, 1, 0)]);
    assert!(admit(&catalog, &capacity, &[], &id("new"), &chat).is_err());
    capacity.places.known_labels_only = true;
    assert!(admit(&catalog, &capacity, &[], &id("new"), &chat).is_ok());
    capacity
        .places
        .nodes
        .push(cluster(&[labelled(node("b", 1, 0), "pool", "others")]).places.nodes.remove(0));
    assert!(admit(&catalog, &capacity, &[], &id("new"), &chat).is_err());
}

#[test]
fn what_others_have_and_the_number_of_pods_of_a_node_count() {
    let mut capacity = cluster(&[node("a", 4, 0)]);
    let chat = |pods| sizing("t4", &[(Service::Chatbot, pods, 1, 0)]);
    assert_eq!(ask(&capacity, &[], &chat(3)), Ok(()));
    capacity.places.nodes[0].taken = ContainerResources { cpu_millicores: 1000, memory_mib: 0, gpu: 0 };
    // Redis asks for 100m and may use 500m.
    assert_eq!(missing(&ask(&capacity, &[], &chat(3)).unwrap_err()), [("cpu", "500m")]);
    assert_eq!(ask(&capacity, &[], &chat(2)), Ok(()));
    capacity.places.nodes[0].pods = 108;
    assert_eq!(missing(&ask(&capacity, &[], &chat(2)).unwrap_err()), [("pods", "1")]);
}

#[test]
fn tenants_count_whether_their_pods_are_there_or_not_and_only_once() {
    let voice = sizing("t4", &[(Service::Callbot, 3, 1, 1)]);
    let mut capacity = cluster(&[node("a", 64, 4), node("b", 64, 2)]);
    let old = tenant("old", voice.clone());
    let accepted = [old.clone()];
    assert_eq!(ask(&capacity, &accepted, &voice), Ok(()));
    let four = sizing("t4", &[(Service::Callbot, 4, 1, 1)]);
    assert_eq!(missing(&ask(&capacity, &accepted, &four).unwrap_err()), [("gpu", "1")]);
    capacity.places.tenants.insert(old.id.clone(), there(&voice, 0));
    assert_eq!(ask(&capacity, &accepted, &voice), Ok(()));
    assert_eq!(missing(&ask(&capacity, &accepted, &four).unwrap_err()), [("gpu", "1")]);
    // Its own pods are free for a tenant that changes.
    assert!(admit(&Catalog::embedded(), &capacity, &accepted, &old.id, &four).is_ok());
    let seven = sizing("t4", &[(Service::Callbot, 7, 1, 1)]);
    assert!(admit(&Catalog::embedded(), &capacity, &accepted, &old.id, &seven).is_err());
}

#[test]
fn pods_of_a_tenant_that_is_leaving_count_while_they_are_there() {
    let voice = sizing("t4", &[(Service::Callbot, 2, 1, 1)]);
    let mut capacity = cluster(&[node("a", 64, 2)]);
    let leaving = Tenant { status: TenantStatus::Deleting, ..(*tenant("old", voice.clone())).clone() };
    let accepted = [Arc::new(leaving)];
    assert_eq!(ask(&capacity, &accepted, &voice), Ok(()));
    let pods = there(&voice, 0).into_iter().map(|pod| TenantPod { leaving: true, ..pod });
    capacity.places.tenants.insert(id("old"), pods.collect());
    assert_eq!(missing(&ask(&capacity, &accepted, &voice).unwrap_err()), [("gpu", "2")]);
    // So do those of a tenant that nobody knows.
    assert_eq!(missing(&ask(&capacity, &[], &voice).unwrap_err()), [("gpu", "2")]);
}

#[test]
fn a_roll_out_takes_the_place_of_the_pods_that_it_replaces_and_no_more() {
    let old = sizing("t4", &[(Service::Callbot, 2, 2, 1)]);
    let new = sizing("t4", &[(Service::Callbot, 2, 1, 1)]);
    let mut capacity = cluster(&[node("a", 8, 4)]);
    let rolling = tenant("rolling", new);
    capacity.places.tenants.insert(rolling.id.clone(), there(&old, 0));
    let accepted = [rolling];
    // Two of four GPUs are taken, however many of its pods are replaced; of the CPU what is there now.
    assert_eq!(ask(&capacity, &accepted, &sizing("t4", &[(Service::Callbot, 2, 1, 1)])), Ok(()));
    assert!(ask(&capacity, &accepted, &sizing("t4", &[(Service::Callbot, 3, 1, 1)])).is_err());
    assert!(ask(&capacity, &accepted, &sizing("t4", &[(Service::Chatbot, 4, 1, 0)])).is_err());
}

#[test]
fn pods_on_a_lost_node_need_another_and_those_on_a_cordoned_one_stay() {
    let voice = sizing("t4", &[(Service::Callbot, 1, 1, 1)]);
    let old = tenant("old", voice.clone());
    for (absence, has_room) in [(Absence::Cordoned, true), (Absence::NotReady, false)] {
        let mut capacity = cluster(&[absent(node("a", 8, 1), absence), node("b", 8, 1)]);
        capacity.places.tenants.insert(old.id.clone(), there(&voice, 0));
        assert_eq!(ask(&capacity, std::slice::from_ref(&old), &voice).is_ok(), has_room, "{absence:?}");
    }
}

#[test]
fn storage_is_promised_once_where_the_cluster_says_how_much_there_is() {
    let chat = sizing("t4", &[(Service::Chatbot, 1, 1, 0)]);
    let mut capacity = cluster(&[node("a", 64, 0)]);
    let accepted = [tenant("a", chat.clone()), tenant("b", chat.clone())];
    assert_eq!(ask(&capacity, &accepted, &chat), Ok(()));
    // Each has 250 GB and its redis 2.
    capacity.total.storage_gb = 3 * 252;
    assert_eq!(ask(&capacity, &accepted, &chat), Ok(()));
    capacity.total.storage_gb -= 1;
    assert_eq!(missing(&ask(&capacity, &accepted, &chat).unwrap_err()), [("storage", "0.001TB")]);
}

#[test]
fn pods_that_need_no_gpu_leave_the_nodes_that_have_one_to_those_that_do() {
    let nodes = cluster(&[node("gpu", 4, 2), node("plain", 4, 0)]);
    let accepted = [tenant("chat", sizing("t4", &[(Service::Chatbot, 3, 1, 0)]))];
    assert_eq!(ask(&nodes, &accepted, &sizing("t4", &[(Service::Callbot, 2, 1, 1)])), Ok(()));
}

/// Whether any assignment puts every pod on a node that it may go to.
fn can_be_scheduled(free: &mut [(u64, u64, u64)], pods: &[(ContainerResources, Vec<usize>)]) -> bool {
    let Some(((pod, nodes), rest)) = pods.split_first() else { return true };
    nodes.iter().any(|&node| {
        let (cpu, gpu, slots) = free[node];
        if cpu < pod.cpu_millicores || gpu < pod.gpu || slots < 1 {
            return false;
        }
        free[node] = (cpu - pod.cpu_millicores, gpu - pod.gpu, slots - 1);
        let rest_can = can_be_scheduled(free, rest);
        free[node] = (cpu, gpu, slots);
        rest_can
    })
}

proptest! {
    /// Tenants that were admitted one after the other, before any of their pods is there, can all be
    /// scheduled; and one more of an unlimited cluster is always admitted.
    #[test]
    fn what_is_admitted_can_be_scheduled(
        shapes in prop::collection::vec((1_u64..6, 0_u64..3, 0_u8..5, 1_u64..8), 1..4),
        wishes in prop::collection::vec((0_u32..3, 1_u64..4, 0_u32..3, 1_u64..3), 1..4),
    ) {
        let nodes: Vec<Node> = shapes.iter().enumerate().map(|(number, &(cores, gpu, kind, max_pods))| {
            let node = Node { max_pods, ..node(&format!("n{number}"), cores, gpu) };
            match kind {
                0 => tainted(node, "dedicated", "db", TaintEffect::NoSchedule),
                1 => absent(node, Absence::Cordoned),
                _ => node,
            }
        }).collect();
        let capacity = cluster(&nodes);
        let open: Vec<usize> = (0..nodes.len())
            .filter(|node| nodes[*node].absence.is_none() && nodes[*node].taints.is_empty())
            .collect();
        let catalog = Catalog::embedded();
        let mut accepted: Vec<Arc<Tenant>> = Vec::new();
        let mut pods: Vec<(ContainerResources, Vec<usize>)> = Vec::new();
        for (number, (chat, chat_cores, voice, voice_cores)) in wishes.into_iter().enumerate() {
            let services = [(Service::Callbot, voice, voice_cores, 1), (Service::Chatbot, chat, chat_cores, 0)];
            let sizing = sizing("t4", &services);
            let name = format!("t{number}");
            match admit(&catalog, &capacity, &accepted, &id(&name), &sizing) {
                Ok(()) => {
                    for demand in manifest::pod_demands(&catalog, &sizing) {
                        pods.extend((0..demand.replicas).map(|_| (demand.requests, open.clone())));
                    }
                    accepted.push(tenant(&name, sizing));
                }
                Err(shortage) => {
                    let no_node = shortage.short.iter().any(|short| short.counted == Counted::Requests);
                    prop_assert!(!shortage.short.is_empty() && (!no_node || !shortage.left_out.is_empty()));
                    prop_assert!(shortage.short.iter().all(|short| short.missing != "0" && short.missing != "0m"));
                }
            }
        }
        pods.sort_by_key(|(pod, _)| std::cmp::Reverse((pod.gpu, pod.cpu_millicores)));
        let mut free: Vec<_> = (nodes.iter())
            .map(|node| (node.allocatable.cpu_millicores, node.allocatable.gpu, node.max_pods))
            .collect();
        prop_assert!(can_be_scheduled(&mut free, &pods), "{:?}", pods);
    }
}
