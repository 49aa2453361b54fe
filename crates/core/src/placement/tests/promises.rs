//! What pods may use, and not what they ask for, is what nodes are promised for.

use super::*;
use crate::tenancy::planned_tenant;

/// A size whose pods ask for a core each and may use more.
fn hungry(gpu_type: &str, services: &[Pods], cores_used: u64) -> Sizing {
    let mut sizing = sizing(gpu_type, services);
    for plan in &mut sizing.services {
        plan.limits.cpu_millicores = cores_used * 1000;
    }
    sizing
}

fn typed(name: &str, gpu_type: &str, gpu: u64) -> Node {
    with_gpus(node(name, 64, 0), &[(gpu_type, None, gpu)])
}

#[test]
fn a_tenant_counts_with_what_its_pods_may_use_times_the_catalogs_factor() {
    let capacity = cluster(&[node("a", 16, 0), node("b", 16, 0)]);
    let chat = hungry("t4", &[(Service::Chatbot, 2, 1, 0)], 8);
    let first = [tenant("first", chat.clone())];
    assert_eq!(ask(&capacity, &[], &chat), Ok(()));
    let shortage = ask(&capacity, &first, &chat).unwrap_err();
    let short = &shortage.short[0];
    assert_eq!(
        (short.resource, short.counted, &*short.requested, &*short.missing),
        ("cpu", Counted::Limits, "16500m", "1000m")
    );
    let mut catalog = Catalog::embedded();
    catalog.overcommit.cpu = 1.1;
    assert!(admit(&catalog, &capacity, &first, &id("new"), &chat).is_ok());
    // What others than tenants ask for is not promised.
    let mut shared = capacity.clone();
    shared.places.nodes[0].taken.cpu_millicores = 15_600;
    assert_eq!(missing(&ask(&shared, &[], &chat).unwrap_err()), [("cpu", "100m")]);
}

#[test]
fn forty_orders_of_8840_cores_are_not_accepted_on_4000() {
    let nodes: Vec<Node> = (0..32).map(|number| node(&format!("n{number}"), 125, 0)).collect();
    let capacity =
        cluster(&nodes.into_iter().map(|node| Node { max_pods: 1000, ..node }).collect::<Vec<_>>());
    let catalog = Catalog::embedded();
    let spec = TenantSpec {
        service_requirements: [(Service::Stt, 3000)].into(),
        ..tenant("x", sizing("t4", &[])).spec.clone()
    };
    let order = planned_tenant(&catalog, id("order"), spec, "2026-01-20T14:30:00Z".parse().unwrap());
    let used = manifest::limits(&catalog, &order.sizing).cpu_millicores;
    let found = headroom(&catalog, &capacity, &[], &order);
    assert_eq!(found.more as u64, 4_000_000 / used, "{used}");
    assert!(found.more < 40 && found.runs_out.is_some_and(|short| short.short[0].resource == "cpu"));
}

/// The embedded catalog as the file of an operator who has one type of device.
fn offering_only(gpu_type: &str) -> Catalog {
    let mut catalog = Catalog::embedded();
    for device in &mut catalog.devices {
        device.offered = device.name == gpu_type;
    }
    for plan in &mut catalog.presets {
        plan.gpu_type = gpu_type.to_owned();
    }
    let labels = [("gpu".to_owned(), gpu_type.to_owned())].into();
    catalog.kubernetes.nodes.gpu_selectors.insert(gpu_type.to_owned(), labels);
    Catalog::parse(&toml::to_string(&catalog).expect("a file")).expect("valid")
}

#[test]
fn an_operator_with_one_of_the_other_devices_sizes_renders_and_admits_with_it() {
    for gpu_type in ["l4", "a10", "a100", "h100", "h200"] {
        let catalog = offering_only(gpu_type);
        let spec = TenantSpec {
            preset: None,
            service_requirements: [(Service::Callbot, 300)].into(),
            ..tenant("x", sizing(gpu_type, &[])).spec.clone()
        };
        let order = planned_tenant(&catalog, id("order"), spec, "2026-01-20T14:30:00Z".parse().unwrap());
        assert_eq!(order.sizing.gpu_type, gpu_type);
        let secrets = crate::tenant::TenantSecrets::generate(manifest::SECRET_KEYS);
        let rendered = manifest::render(&catalog, &order, &secrets, &Default::default());
        let mut named = rendered.objects.iter().filter(|object| object.name() == "callbot");
        let pod = named.find_map(|object| object.pod_template());
        let selector = pod.and_then(|pod| pod.spec.as_ref()?.node_selector.clone()).expect("a selector");
        assert_eq!(selector.get("gpu").map(String::as_str), Some(gpu_type));
        let nodes = |labelled_as: &str| -> Vec<Node> {
            (0..64)
                .map(|n| {
                    labelled(Node { max_pods: 1000, ..node(&format!("n{n}"), 1000, 64) }, "gpu", labelled_as)
                })
                .collect()
        };
        let admitted =
            |nodes: &[Node]| admit(&catalog, &cluster(nodes), &[], &id("order"), &order.sizing).is_ok();
        assert!(admitted(&nodes(gpu_type)), "{gpu_type}");
        assert!(!admitted(&nodes("t4")), "{gpu_type}");
    }
}

#[test]
fn gpus_count_by_type_where_nodes_say_theirs() {
    let capacity = cluster(&[typed("t", "t4", 4), typed("v", "v100", 2)]);
    let voice = |gpu_type: &str, pods| sizing(gpu_type, &[(Service::Callbot, pods, 1, 1)]);
    assert_eq!(ask(&capacity, &[], &voice("t4", 4)), Ok(()));
    let shortage = ask(&capacity, &[], &voice("v100", 3)).unwrap_err();
    assert_eq!(missing(&shortage), [("gpu", "1")]);
    // Of one type all may be taken, the other's are there.
    let taken = [tenant("all", voice("v100", 2))];
    assert_eq!(missing(&ask(&capacity, &taken, &voice("v100", 1)).unwrap_err()), [("gpu", "1")]);
    assert_eq!(ask(&capacity, &taken, &voice("t4", 4)), Ok(()));
    // Devices that are none of the catalog's are any type's, once.
    let others = cluster(&[typed("t", "t4", 1), typed("o", "b300", 2)]);
    assert_eq!(ask(&others, &[], &voice("v100", 2)), Ok(()));
    assert_eq!(ask(&others, &[], &voice("t4", 3)), Ok(()));
    let taken = [tenant("two", voice("t4", 2))];
    assert_eq!(ask(&others, &taken, &voice("v100", 1)), Ok(()));
    assert_eq!(missing(&ask(&others, &taken, &voice("v100", 2)).unwrap_err()), [("gpu", "1")]);
}

#[test]
fn what_needs_no_more_is_never_too_much_and_only_what_grows_is_asked_for() {
    let catalog = Catalog::embedded();
    let chat = |pods, cores| hungry("t4", &[(Service::Chatbot, pods, 1, 0)], cores);
    // Both were accepted while nodes were larger, or the factor was.
    let accepted = [tenant("a", chat(2, 8)), tenant("b", chat(2, 8))];
    let mut capacity = cluster(&[node("n", 20, 0)]);
    let changed = |capacity: &Capacity, after: &Sizing| {
        admit(&catalog, capacity, &accepted, &id("a"), after).map_err(|shortage| *shortage)
    };
    for fewer in [chat(2, 8), chat(1, 8), chat(2, 4)] {
        assert!(!needs_more(&catalog, &accepted[0].sizing, &fewer));
        assert_eq!(changed(&capacity, &fewer), Ok(()));
    }
    assert!(needs_more(&catalog, &accepted[0].sizing, &chat(2, 9)));
    assert_eq!(missing(&changed(&capacity, &chat(2, 9)).unwrap_err()), [("cpu", "15000m")]);
    // More pods that may use less altogether are only asked for what they ask for.
    assert_eq!(changed(&capacity, &chat(4, 4)), Ok(()));
    capacity.places.nodes[0].taken.cpu_millicores = 18_000;
    assert_eq!(changed(&capacity, &chat(4, 4)).unwrap_err().short[0].counted, Counted::Requests);
}

proptest! {
    /// As many are admitted one after the other as the capacity call says, and no more; their limits are within
    /// what nodes have, by device type.
    #[test]
    fn as_many_are_admitted_as_are_said_to_fit(
        shapes in prop::collection::vec((4_u64..40, 0_u64..4, 0_u8..4), 1..5),
        (pods, used, gpus) in (1_u32..4, 1_u64..6, 0_u64..2),
        gpu_type in prop::sample::select(vec!["t4", "v100"]),
        factor in prop::sample::select(vec![0.5, 1.0, 2.0]),
    ) {
        let nodes: Vec<Node> = shapes.iter().enumerate().map(|(number, &(cores, gpu, kind))| {
            let gpu_type = ["t4", "v100", "b300", "unknown"][usize::from(kind)];
            let plain = node(&format!("n{number}"), cores, 0);
            if gpu > 0 { with_gpus(plain, &[(gpu_type, None, gpu)]) } else { plain }
        }).collect();
        let mut catalog = Catalog::embedded();
        catalog.overcommit.cpu = factor;
        let capacity = cluster(&nodes);
        let order = hungry(gpu_type, &[(Service::Callbot, pods, 1, gpus)], used);
        let like = tenant("like", order.clone());
        let said = headroom(&catalog, &capacity, &[], &like).more;
        let mut accepted = Vec::new();
        while admit(&catalog, &capacity, &accepted, &id(&format!("t{}", accepted.len())), &order).is_ok() {
            accepted.push(tenant(&format!("t{}", accepted.len()), order.clone()));
        }
        prop_assert_eq!(accepted.len(), said);
        let cores: u64 = nodes.iter().map(|node| node.allocatable.cpu_millicores).sum();
        let promised: u64 = accepted.len() as u64 * manifest::limits(&catalog, &order).cpu_millicores;
        prop_assert!(promised as f64 <= cores as f64 * factor);
        let could = |node: &&Node| node.gpu_type().is_some_and(|own| !["t4", "v100"].contains(&own) || own == gpu_type);
        let gpus: u64 = nodes.iter().filter(could).map(|node| node.allocatable.gpu).sum();
        prop_assert!(accepted.len() as u64 * manifest::limits(&catalog, &order).gpu <= gpus);
    }
}
