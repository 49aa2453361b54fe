use crate::testing::{ManualClock, deployment, namespace, redis, service};
use crate::{DemoSpeed, NodePool, SimulatedCluster, SimulatedNodes};
use ecp_core::deployment::Removal;
use ecp_core::ids::TenantId;
use ecp_core::manifest::Object;
use ecp_core::ports::{Clock, Cluster, ClusterView};
use ecp_core::tenant::DemoFault;
use std::sync::Arc;

fn cluster(clock: &Arc<ManualClock>, nodes: &SimulatedNodes) -> SimulatedCluster {
    let speed = DemoSpeed::new(60.0).expect("a speed");
    let fault_of = Arc::new(|id: &TenantId| (id.as_str() == "broken").then_some(DemoFault::ImageNotFound));
    SimulatedCluster::new(nodes, speed, clock.clone(), fault_of)
}

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).expect("a valid id")
}

fn objects() -> Vec<Object> {
    vec![
        namespace(),
        service("callbot-service"),
        redis(),
        deployment("callbot", "ecp-ai/callbot:latest", 3, 1),
    ]
}

/// Everything that is asked of a cluster.
async fn seen(cluster: &SimulatedCluster, tenants: &[TenantId]) -> String {
    let mut seen = format!("{:?}", cluster.capacity().expect("a capacity").used);
    for id in tenants {
        let objects = cluster.observe(id).expect("it can be seen");
        let (events, pods) = (cluster.events(id).await.expect("events"), cluster.pods(id).expect("pods"));
        seen += &format!("\n{id}: {objects:?}\n{events:?}\n{pods:?}");
    }
    seen
}

#[tokio::test]
async fn whoever_takes_a_kept_state_shows_the_same_and_goes_on_the_same_way() {
    let (clock, nodes) = (Arc::new(ManualClock::new()), SimulatedNodes::default());
    let one = cluster(&clock, &nodes);
    let tenants = ["acme", "broken", "going"].map(tenant);
    for id in &tenants {
        one.apply(id, &objects()).await.expect("the cluster takes it");
        clock.pass_seconds(1);
        one.tick();
    }
    one.delete(&tenants[2], Removal::ORDERLY).await.expect("it goes");
    // Another process, whose clock began later.
    let other = cluster(&clock, &nodes);
    other.take_kept(&one.to_kept().expect("it can be kept")).expect("it can be taken");
    let mut different = 0;
    for _ in 0..40 {
        let (here, there) = (seen(&one, &tenants).await, seen(&other, &tenants).await);
        assert_eq!(here, there, "at {}", clock.now());
        clock.pass_seconds(1);
        one.tick();
        other.tick();
        different += usize::from(seen(&one, &tenants).await != here);
    }
    assert!(different > 2, "things happened meanwhile: {different}");
    assert!(one.observe(&tenants[0]).expect("it can be seen").objects.iter().all(|object| object.ready));
    assert!(one.observe(&tenants[2]).expect("it can be seen").objects.is_empty());
    // It goes on being changed there.
    other.delete(&tenants[0], Removal { force: true, release: false }).await.expect("it goes");
    clock.pass_seconds(10);
    other.tick();
    assert!(other.observe(&tenants[0]).expect("it can be seen").objects.is_empty());
}

#[tokio::test]
async fn what_is_no_state_of_these_nodes_leaves_the_cluster_as_it_is() {
    let clock = Arc::new(ManualClock::new());
    let one = cluster(&clock, &SimulatedNodes::default());
    let id = tenant("acme");
    one.apply(&id, &objects()).await.expect("the cluster takes it");
    let before = seen(&one, std::slice::from_ref(&id)).await;
    let pool = NodePool {
        name: "small".to_owned(),
        nodes: 1,
        cpu_millicores: 1000,
        memory_mib: 1024,
        gpu: 0,
        gpu_type: None,
    };
    let small = cluster(&clock, &SimulatedNodes { pools: vec![pool], storage_gb: 1 });
    for text in [small.to_kept().expect("it can be kept"), String::new(), "{}".to_owned()] {
        assert!(one.take_kept(&text).is_err());
        assert_eq!(seen(&one, std::slice::from_ref(&id)).await, before);
    }
}

#[tokio::test]
async fn pods_that_have_room_take_no_more_of_it_when_a_tenant_is_put_back() {
    let clock = Arc::new(ManualClock::new());
    let (one, id) = (cluster(&clock, &SimulatedNodes::default()), tenant("acme"));
    one.apply(&id, &objects()).await.expect("the cluster takes it");
    clock.pass_seconds(600);
    one.tick();
    let used = |cluster: &SimulatedCluster| cluster.capacity().expect("a capacity").used;
    let before = used(&one);
    assert_ne!(before, Default::default());
    // An object is missing in the kept state, so that the tenant is put back over what is there.
    let mut more = objects();
    more.push(service("added"));
    one.restore(&id, &more).expect("it is put back");
    assert_eq!(used(&one), before);
    // Of a state that counted wrong the pods tell what is taken.
    let mut kept: serde_json::Value =
        serde_json::from_str(&one.to_kept().expect("it can be kept")).expect("JSON");
    for node in kept["world"]["nodes"]["nodes"].as_array_mut().expect("nodes") {
        node["used"]["cpu_millicores"] = 77_777.into();
    }
    let other = cluster(&clock, &SimulatedNodes::default());
    other.take_kept(&kept.to_string()).expect("it can be taken");
    assert_eq!(used(&other), before);
    other.delete(&id, Removal { force: true, release: false }).await.expect("it goes");
    clock.pass_seconds(10);
    other.tick();
    assert_eq!(used(&other), Default::default());
}
