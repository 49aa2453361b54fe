use super::*;
use crate::testing::{ManualClock, deployment, namespace, quota, redis, service};
use ecp_core::ports::ObjectState;
use ecp_core::text::Language;
use std::collections::HashMap;

/// A cluster at the speed of life, its clock and the faults that its tenants ask for.
struct Bench {
    cluster: SimulatedCluster,
    clock: Arc<ManualClock>,
    faults: Arc<Mutex<HashMap<TenantId, DemoFault>>>,
}

impl Bench {
    fn new() -> Self {
        Self::with(&SimulatedNodes::default())
    }

    fn with(nodes: &SimulatedNodes) -> Self {
        let clock = Arc::new(ManualClock::new());
        let faults = Arc::new(Mutex::new(HashMap::new()));
        let asked = faults.clone();
        let fault_of: FaultOf = Arc::new(move |tenant| asked.lock().get(tenant).copied());
        let speed = DemoSpeed::new(1.0).expect("a speed");
        let cluster = SimulatedCluster::new(nodes, speed, clock.clone(), fault_of);
        Self { cluster, clock, faults }
    }

    async fn apply(&self, tenant: &TenantId, objects: &[Object]) {
        self.cluster.apply(tenant, objects).await.expect("the cluster takes it");
    }

    /// Goes on to the next thing that happens; false when nothing is left to happen.
    fn step(&self) -> bool {
        let Some(due) = self.cluster.next_event_at() else { return false };
        self.clock.set(due);
        self.cluster.tick();
        true
    }

    fn settle(&self) {
        let mut steps = 0;
        while self.step() {
            steps += 1;
            assert!(steps < 100_000, "the cluster never comes to rest");
        }
    }

    fn object(&self, tenant: &TenantId, name: &str) -> ObjectState {
        let observation = self.cluster.observe(tenant).expect("it can be seen");
        observation.objects.into_iter().find(|object| object.name == name).expect("it is there")
    }

    fn seconds(&self) -> i64 {
        self.clock.now().as_second()
    }

    fn used_gpu(&self) -> u64 {
        self.cluster.capacity().expect("a capacity").used.gpu
    }
}

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).expect("a valid id")
}

fn reason(state: &ObjectState) -> String {
    state.reason.as_ref().expect("a reason").render(Language::En)
}

fn callbot(gpu: u32) -> Vec<Object> {
    vec![namespace(), service("callbot-service"), deployment("callbot", "ecp-ai/callbot:latest", 3, gpu)]
}

#[tokio::test]
async fn pods_go_from_pending_over_progressing_to_available() {
    let bench = Bench::new();
    let id = tenant("acme");
    bench.apply(&id, &callbot(1)).await;
    let mut seen = vec![];
    loop {
        let state = bench.object(&id, "callbot");
        assert_eq!(state.ready, state.status == "Available");
        if seen.last() != Some(&(state.status.clone(), state.replicas)) {
            seen.push((state.status, state.replicas));
        }
        if !bench.step() {
            break;
        }
    }
    let expected = [
        ("Pending", (0, 3)),
        ("Progressing", (0, 3)),
        ("Progressing", (1, 3)),
        ("Progressing", (2, 3)),
        ("Available", (3, 3)),
    ];
    assert_eq!(seen, expected.map(|(status, replicas)| (status.to_owned(), Some(replicas))));
    assert_eq!(bench.object(&id, "callbot-service").status, "Active");
    assert_eq!(bench.used_gpu(), 3);
}

#[tokio::test]
async fn the_same_pods_live_the_same_life_in_every_run() {
    let mut ends = vec![];
    for _ in 0..2 {
        let bench = Bench::new();
        bench.apply(&tenant("acme"), &callbot(1)).await;
        bench.settle();
        ends.push(bench.seconds());
    }
    assert_eq!(ends[0], ends[1]);
}

#[tokio::test]
async fn an_image_that_a_node_has_is_not_pulled_again_and_models_take_minutes() {
    let one_node = SimulatedNodes {
        pools: vec![NodePool { nodes: 1, ..SimulatedNodes::default().pools.remove(0) }],
        storage_gb: 1000,
    };
    let bench = Bench::with(&one_node);
    let took = |from: i64| bench.seconds() - from;
    let began = bench.seconds();
    bench.apply(&tenant("a"), &[namespace(), deployment("chatbot", "chatbot:1", 1, 0)]).await;
    bench.settle();
    assert!((60..=150).contains(&took(began)), "{} s with a pull", took(began));
    let began = bench.seconds();
    bench.apply(&tenant("b"), &[namespace(), deployment("chatbot", "chatbot:1", 1, 0)]).await;
    bench.settle();
    assert!((20..=70).contains(&took(began)), "{} s without", took(began));
    let began = bench.seconds();
    bench.apply(&tenant("c"), &[namespace(), deployment("chatbot", "chatbot:1", 1, 1)]).await;
    bench.settle();
    assert!((240..=490).contains(&took(began)), "{} s with a model to load", took(began));
}

#[tokio::test]
async fn a_missing_image_ends_in_image_pull_back_off_with_its_name() {
    let bench = Bench::new();
    let id = tenant("acme");
    bench.faults.lock().insert(id.clone(), DemoFault::ImageNotFound);
    bench.apply(&id, &callbot(0)).await;
    bench.settle();
    let state = bench.object(&id, "callbot");
    assert!(state.stuck && !state.ready);
    assert_eq!((state.status.as_str(), state.replicas), ("Failed", Some((0, 3))));
    let text = reason(&state);
    assert!(text.contains("ImagePullBackOff") && text.contains("ecp-ai/callbot:latest"), "{text}");
}

#[tokio::test]
async fn a_crash_loop_shows_exit_code_and_last_log_line() {
    let bench = Bench::new();
    let id = tenant("acme");
    bench.faults.lock().insert(id.clone(), DemoFault::CrashLoop);
    bench.apply(&id, &callbot(0)).await;
    bench.settle();
    let state = bench.object(&id, "callbot");
    assert!(state.stuck);
    let text = reason(&state);
    assert!(text.contains("CrashLoopBackOff") && text.contains("Last log line: "), "{text}");
    assert!(text.contains("exit code 1)") || text.contains("exit code 137)"), "{text}");
}

#[tokio::test]
async fn a_pod_that_is_asked_to_be_unschedulable_says_what_the_scheduler_says() {
    let bench = Bench::new();
    let id = tenant("acme");
    bench.faults.lock().insert(id.clone(), DemoFault::Unschedulable);
    bench.apply(&id, &callbot(1)).await;
    bench.settle();
    let state = bench.object(&id, "callbot");
    assert!(state.stuck);
    assert!(reason(&state).contains("0/32 nodes are available: 32 Insufficient nvidia.com/gpu"));
    assert_eq!(bench.used_gpu(), 0);
}

#[tokio::test]
async fn only_the_first_deployment_shows_the_fault_and_taking_it_away_heals() {
    let bench = Bench::new();
    let id = tenant("acme");
    bench.faults.lock().insert(id.clone(), DemoFault::CrashLoop);
    let mut objects = callbot(0);
    objects.insert(1, redis());
    objects.push(deployment("chatbot", "chatbot:1", 2, 0));
    bench.apply(&id, &objects).await;
    bench.settle();
    assert!(bench.object(&id, "callbot").stuck);
    assert!(bench.object(&id, "chatbot").ready && bench.object(&id, "redis").ready);
    bench.faults.lock().clear();
    bench.apply(&id, &objects).await;
    bench.settle();
    assert!(bench.object(&id, "callbot").ready);
}

#[tokio::test]
async fn gpus_run_out_for_real_and_who_waits_gets_what_others_give_back() {
    let bench = Bench::new();
    let (greedy, late) = (tenant("greedy"), tenant("late"));
    bench.apply(&greedy, &[namespace(), deployment("callbot", "callbot:1", 256, 1)]).await;
    bench.settle();
    assert_eq!(bench.used_gpu(), 256);
    bench.apply(&late, &callbot(1)).await;
    bench.settle();
    let state = bench.object(&late, "callbot");
    assert!(state.stuck && reason(&state).contains("32 Insufficient nvidia.com/gpu"));
    bench.cluster.delete(&greedy, Removal::ORDERLY).await.expect("it goes");
    bench.settle();
    assert!(bench.object(&late, "callbot").ready);
    assert_eq!(bench.used_gpu(), 3);
}

#[tokio::test]
async fn deleting_terminates_pods_within_the_grace_period_and_then_the_namespace() {
    let bench = Bench::new();
    let id = tenant("acme");
    let mut objects = callbot(1);
    objects.push(quota("500G"));
    bench.apply(&id, &objects).await;
    bench.settle();
    assert_eq!(bench.cluster.capacity().expect("a capacity").used.storage_gb, 500);
    let began = bench.seconds();
    bench.cluster.delete(&id, Removal::ORDERLY).await.expect("it goes");
    let left = bench.cluster.observe(&id).expect("it can be seen").objects;
    assert!(left.iter().all(|object| object.status == "Terminating" && !object.ready));
    let names: Vec<&str> = left.iter().map(|object| object.name.as_str()).collect();
    assert_eq!(names, ["ecp-ai-acme", "callbot"]);
    let refused = bench.cluster.apply(&id, &objects).await;
    assert!(matches!(refused, Err(ClusterError::Unreachable(_))), "{refused:?}");
    bench.settle();
    assert_eq!(bench.cluster.observe(&id).expect("it can be seen"), Observation::default());
    let took = bench.seconds() - began;
    assert!((8..=36).contains(&took), "{took} s");
    assert_eq!(bench.cluster.capacity().expect("a capacity").used, Default::default());
}

#[tokio::test]
async fn force_skips_the_grace_period_even_when_it_comes_later() {
    for grace_first in [false, true] {
        let bench = Bench::new();
        let id = tenant("acme");
        bench.apply(&id, &callbot(1)).await;
        bench.settle();
        if grace_first {
            bench.cluster.delete(&id, Removal::ORDERLY).await.expect("it goes");
        }
        let began = bench.seconds();
        bench.cluster.delete(&id, Removal::FORCED).await.expect("it goes");
        while !bench.cluster.observe(&id).expect("it can be seen").objects.is_empty() {
            assert!(bench.step(), "it never goes");
        }
        let took = bench.seconds() - began;
        assert!(took <= 6, "{took} s");
    }
}

#[tokio::test]
async fn applying_the_same_again_changes_nothing() {
    let bench = Bench::new();
    let id = tenant("acme");
    bench.apply(&id, &callbot(1)).await;
    bench.settle();
    let mut changes = bench.cluster.changes();
    let before = bench.cluster.observe(&id).expect("it can be seen");
    bench.apply(&id, &callbot(1)).await;
    bench.settle();
    assert_eq!(bench.cluster.observe(&id).expect("it can be seen"), before);
    assert!(changes.try_recv().is_err());
}

#[tokio::test]
async fn an_update_rolls_pod_by_pod_and_keeps_serving() {
    let bench = Bench::new();
    let id = tenant("acme");
    bench.apply(&id, &callbot(0)).await;
    bench.settle();
    bench.apply(&id, &[deployment("callbot", "ecp-ai/callbot:2", 3, 0)]).await;
    assert_eq!(bench.object(&id, "callbot").status, "Progressing");
    let mut ready = vec![];
    while bench.step() {
        let (now, _) = bench.object(&id, "callbot").replicas.expect("replicas");
        if ready.last() != Some(&now) {
            ready.push(now);
        }
    }
    assert_eq!(ready, [0, 1, 2, 3]);
    assert!(bench.object(&id, "callbot").ready);
    assert_eq!(bench.cluster.capacity().expect("a capacity").used.cpu_millicores, 600);
}

#[tokio::test]
async fn pruning_deletes_what_is_not_kept_and_an_empty_keep_deletes_nothing() {
    let bench = Bench::new();
    let id = tenant("acme");
    let mut objects = callbot(0);
    objects.push(deployment("chatbot", "chatbot:1", 1, 0));
    objects.push(service("chatbot-service"));
    bench.apply(&id, &objects).await;
    bench.settle();
    bench.cluster.prune(&id, &[]).await.expect("it does nothing");
    assert_eq!(bench.cluster.observe(&id).expect("it can be seen").objects.len(), 5);
    bench.cluster.prune(&id, &callbot(0)[1..]).await.expect("it prunes");
    assert_eq!(bench.object(&id, "chatbot").status, "Terminating");
    bench.settle();
    let left = bench.cluster.observe(&id).expect("it can be seen").objects;
    let names: Vec<&str> = left.iter().map(|object| object.name.as_str()).collect();
    assert_eq!(names, ["ecp-ai-acme", "callbot-service", "callbot"]);
}

#[tokio::test]
async fn objects_without_their_namespace_are_refused() {
    let bench = Bench::new();
    let refused = bench.cluster.apply(&tenant("acme"), &[service("callbot-service")]).await;
    assert!(matches!(refused, Err(ClusterError::Refused { .. })), "{refused:?}");
    assert!(bench.cluster.observe(&tenant("acme")).expect("it can be seen").objects.is_empty());
}

#[tokio::test]
async fn what_is_restored_is_ready_at_once_and_stays_so() {
    let bench = Bench::new();
    let id = tenant("acme");
    bench.cluster.restore(&id, &callbot(1)).expect("it is there again");
    assert!(bench.object(&id, "callbot").ready);
    bench.settle();
    assert!(bench.object(&id, "callbot").ready);
    assert_eq!(bench.used_gpu(), 3);
}

#[tokio::test]
async fn a_tenant_that_showed_a_fault_is_restored_with_it() {
    let bench = Bench::new();
    let id = tenant("acme");
    bench.faults.lock().insert(id.clone(), DemoFault::CrashLoop);
    let mut objects = callbot(0);
    objects.push(deployment("chatbot", "chatbot:1", 2, 0));
    bench.cluster.restore(&id, &objects).expect("it is there again");
    assert!(bench.object(&id, "chatbot").ready && !bench.object(&id, "callbot").ready);
    bench.settle();
    assert!(bench.object(&id, "callbot").stuck);
}

#[tokio::test]
async fn each_change_is_told_with_its_tenant() {
    let bench = Bench::new();
    let mut changes = bench.cluster.changes();
    bench.apply(&tenant("acme"), &callbot(0)).await;
    assert_eq!(changes.try_recv(), Ok(tenant("acme")));
    assert!(changes.try_recv().is_err());
    while changes.try_recv().is_err() {
        assert!(bench.step(), "nothing was told");
    }
}

#[tokio::test]
async fn a_thousand_tenants_of_fifteen_pods_settle_and_go() {
    let mut plan = SimulatedNodes::default();
    for pool in &mut plan.pools {
        pool.gpu = 100;
    }
    let bench = Bench::with(&plan);
    let services = ["callbot", "chatbot", "advisor", "stt", "tts"];
    let mut objects = vec![namespace()];
    for (at, name) in services.iter().enumerate() {
        objects.push(deployment(name, name, 3, u32::from(at == 0)));
    }
    let tenants: Vec<TenantId> = (0..1000).map(|number| tenant(&format!("t-{number}"))).collect();
    for id in &tenants {
        bench.apply(id, &objects).await;
    }
    bench.settle();
    let ready =
        |id: &TenantId| bench.cluster.observe(id).is_ok_and(|seen| seen.objects.iter().all(|o| o.ready));
    assert!(tenants.iter().all(ready));
    assert_eq!(bench.used_gpu(), 3000);
    for id in &tenants {
        bench.cluster.delete(id, Removal::ORDERLY).await.expect("it goes");
    }
    bench.settle();
    assert_eq!(bench.used_gpu(), 0);
}

#[tokio::test]
async fn running_it_lives_by_itself_and_stops_when_told() {
    let clock = Arc::new(ecp_core::ports::SystemClock);
    let speed = DemoSpeed::new(1e6).expect("a speed");
    let cluster =
        Arc::new(SimulatedCluster::new(&SimulatedNodes::default(), speed, clock, Arc::new(|_| None)));
    let shutdown = CancellationToken::new();
    let (living, until) = (cluster.clone(), shutdown.clone());
    let life = tokio::spawn(async move { living.run(until).await });
    let mut changes = cluster.changes();
    let id = tenant("acme");
    cluster.apply(&id, &callbot(1)).await.expect("the cluster takes it");
    while !cluster.observe(&id).expect("it can be seen").objects.iter().all(|object| object.ready) {
        changes.recv().await.expect("changes are told");
    }
    shutdown.cancel();
    life.await.expect("it stops");
}
