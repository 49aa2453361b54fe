//! Creating, changing, healing and deleting tenants where nothing goes wrong.

use super::*;
use ecp_core::deployment::Removal;
use std::sync::atomic::Ordering;

#[tokio::test]
async fn a_creation_goes_through_its_phases_in_order_and_ends_running() {
    let mut bench = Bench::new().await;
    let deployment_id = bench.create("acme", None).await;
    assert!(bench.settle().await);
    let under_way = bench.newest("acme");
    assert_eq!((under_way.status, under_way.phase), (DeploymentStatus::Deploying, Phase::ScalingServices));
    let estimated = under_way.estimated_completion.unwrap();
    assert_eq!(estimated.duration_since(bench.clock.now()).as_secs(), 20 * 60);
    assert_eq!(bench.status("acme"), TenantStatus::Pending);
    bench.run_to_rest().await;

    let phases = [
        Phase::Queued,
        Phase::CreatingNamespace,
        Phase::CreatingConfig,
        Phase::CreatingServices,
        Phase::ScalingServices,
        Phase::Verifying,
        Phase::Completed,
    ];
    assert_eq!(bench.phases(&deployment_id), phases);
    let done = bench.deployment(&deployment_id);
    assert_progress_only_grows(&done);
    assert_eq!((done.status, done.progress), (DeploymentStatus::Running, 100));
    assert!(done.finished_at.is_some() && done.estimated_completion.is_none());
    assert_eq!(bench.status("acme"), TenantStatus::Running);
    assert_eq!(bench.trail("acme").await, [("tenant.create".to_owned(), "completed".to_owned())]);
}

#[tokio::test]
async fn resources_and_log_read_as_the_contract_prints_them() {
    let mut bench = Bench::new().await;
    bench.create("acme", None).await;
    assert!(bench.settle().await);
    let under_way = bench.newest("acme");
    let waiting = |name: &str| {
        under_way
            .pending_resources
            .iter()
            .any(|resource| resource.name == name && resource.status == "Pending")
    };
    assert!(waiting("callbot") && waiting("chatbot"));
    bench.run_to_rest().await;

    let done = bench.newest("acme");
    assert!(done.pending_resources.is_empty());
    let resource = |kind: &str, name: &str| {
        let found =
            done.created_resources.iter().find(|resource| resource.kind == kind && resource.name == name);
        found.map(|resource| (resource.status.clone(), resource.replicas.clone())).unwrap()
    };
    assert_eq!(resource("Namespace", "ecp-ai-acme"), ("Active".to_owned(), None));
    assert_eq!(resource("Service", "callbot-service"), ("Active".to_owned(), None));
    assert_eq!(resource("Deployment", "callbot"), ("Available".to_owned(), Some("3/3".to_owned())));

    let korean = log(&done, Language::Ko);
    assert!(korean.contains(&"Namespace 생성 완료".to_owned()), "{korean:#?}");
    let position = |part: &str| korean.iter().position(|line| line.contains(part)).unwrap();
    assert!(position("Callbot deployment 시작") < position("Callbot deployment 완료"), "{korean:#?}");
    assert!(log(&done, Language::En).contains(&"Namespace created".to_owned()));
}

#[tokio::test]
async fn many_tenants_come_up_side_by_side_but_never_more_at_once_than_allowed() {
    let mut bench = Bench::with(crate::SimulatedNodes::default(), 3).await;
    let names: Vec<String> = (0..12).map(|number| format!("t-{number}")).collect();
    for name in &names {
        bench.create(name, None).await;
    }
    bench.run_to_rest().await;
    assert!(names.iter().all(|name| bench.status(name) == TenantStatus::Running));
    assert_eq!(bench.most_looks, 3);
    let most_applying = bench.line().most_applying.load(Ordering::SeqCst);
    assert!((1..=3).contains(&most_applying), "{most_applying} at once");
}

#[tokio::test]
async fn tenants_at_rest_cost_no_write_and_no_call() {
    let mut bench = Bench::new().await;
    for number in 0..10 {
        bench.create(&format!("t-{number}"), None).await;
    }
    bench.run_to_rest().await;
    let before = (bench.commits(), bench.line().applies.load(Ordering::SeqCst));
    for _ in 0..3 {
        bench.clock.pass_seconds(3600);
        bench.process().controller.look_around().await;
        bench.run_to_rest().await;
    }
    assert_eq!((bench.commits(), bench.line().applies.load(Ordering::SeqCst)), before);
}

#[tokio::test]
async fn a_change_rolls_out_and_what_it_no_longer_names_is_pruned() {
    let mut bench = Bench::new().await;
    bench.create("acme", None).await;
    bench.run_to_rest().await;
    let services = [(Service::Callbot, 50), (Service::Advisor, 5)];
    let deployment_id = bench.change(changed(bench.tenant("acme"), &services)).await;
    bench.run_to_rest().await;

    let done = bench.deployment(&deployment_id);
    assert_eq!(done.status, DeploymentStatus::Running);
    assert_progress_only_grows(&done);
    assert_eq!(bench.status("acme"), TenantStatus::Running);
    let left = bench.line().simulated.observe(&id("acme")).unwrap().objects;
    assert!(left.iter().any(|object| object.name == "advisor" && object.ready));
    assert!(!left.iter().any(|object| object.name.starts_with("chatbot")));
    assert_eq!(bench.trail("acme").await[1].0, "tenant.update");
}

#[tokio::test]
async fn a_newer_change_takes_the_place_of_those_under_way() {
    let mut bench = Bench::new().await;
    let first = bench.create("acme", None).await;
    for _ in 0..5 {
        bench.step().await;
    }
    let services = [(Service::Callbot, 50)];
    let second = bench.change(changed(bench.tenant("acme"), &services)).await;
    let third = bench.change(changed(bench.tenant("acme"), &[(Service::Chatbot, 7)])).await;
    bench.run_to_rest().await;

    for (old, newer) in [(&first, &third), (&second, &third)] {
        let old = bench.deployment(old);
        assert_eq!((old.status, old.phase), (DeploymentStatus::RolledBack, Phase::RollingBack));
        let last = log(&old, Language::Ko).pop().unwrap();
        assert!(last.contains("새 변경") && last.contains(newer.as_str()), "{last}");
    }
    assert_eq!(bench.deployment(&third).status, DeploymentStatus::Running);
    assert_eq!(bench.status("acme"), TenantStatus::Running);
}

#[tokio::test]
async fn a_lost_service_comes_back_and_the_tenant_says_so_meanwhile() {
    let mut bench = Bench::new().await;
    bench.create("acme", None).await;
    bench.run_to_rest().await;
    bench.line().simulated.delete_object(&id("acme"), "Deployment", "chatbot");
    assert!(bench.settle().await);
    assert_eq!(bench.status("acme"), TenantStatus::Pending);
    assert!(bench.newest("acme").pending_resources.iter().any(|resource| resource.name == "chatbot"));
    bench.run_to_rest().await;
    assert_eq!(bench.status("acme"), TenantStatus::Running);
    let healed = bench.newest("acme");
    assert!(healed.pending_resources.is_empty() && healed.status == DeploymentStatus::Running);
    let korean = log(&healed, Language::Ko).join("\n");
    assert!(korean.contains("사라진 리소스를 다시 생성했습니다: Deployment chatbot"), "{korean}");
}

#[tokio::test]
async fn losing_what_serves_nobody_by_itself_leaves_the_tenant_running() {
    let mut bench = Bench::new().await;
    bench.create("acme", None).await;
    bench.run_to_rest().await;
    bench.line().simulated.delete_object(&id("acme"), "Service", "chatbot-service");
    bench.run_to_rest().await;
    assert_eq!(bench.status("acme"), TenantStatus::Running);
    let objects = bench.line().simulated.observe(&id("acme")).unwrap().objects;
    assert!(objects.iter().any(|object| object.name == "chatbot-service"));
    let statuses: Vec<_> = bench.newest("acme").events.iter().map(|event| event.status).collect();
    assert_eq!(statuses.last(), Some(&DeploymentStatus::Running));
}

#[tokio::test]
async fn a_deletion_ends_with_everything_gone_but_the_trail() {
    for force in [false, true] {
        let mut bench = Bench::new().await;
        bench.create("acme", None).await;
        bench.run_to_rest().await;
        let deletion_id = bench.change(removal(bench.tenant("acme"), force)).await;
        assert!(bench.settle().await);
        let under_way = bench.deployment(&deletion_id);
        assert_eq!(under_way.status, DeploymentStatus::Deleting);
        assert!(under_way.pending_resources.iter().all(|resource| resource.status == "Terminating"));
        let mut watched = bench.store().subscribe_deployment(&deletion_id).unwrap();
        bench.run_to_rest().await;

        assert!(bench.store().tenant(&id("acme")).is_none());
        assert!(bench.line().simulated.observe(&id("acme")).unwrap().objects.is_empty());
        // Once more after the tenant was gone: samples may have come in between.
        assert_eq!(*bench.process().metrics.removed.lock(), [id("acme"), id("acme")]);
        let done = watched.borrow_and_update().clone();
        assert_eq!((done.status, done.progress), (DeploymentStatus::Deleted, 100));
        assert_progress_only_grows(&done);
        let trail = bench.trail("acme").await;
        assert_eq!(trail.last(), Some(&("tenant.delete".to_owned(), "completed".to_owned())));
    }
}

#[tokio::test]
async fn force_that_is_asked_for_later_hurries_a_deletion_under_way() {
    let mut bench = Bench::new().await;
    bench.create("acme", None).await;
    bench.run_to_rest().await;
    let deletion_id = bench.change(removal(bench.tenant("acme"), false)).await;
    assert!(bench.settle().await);
    let began = bench.clock.now();
    let deployment =
        Deployment { kind: DeploymentKind::Delete(Removal::FORCED), ..bench.deployment(&deletion_id) };
    let update = ProgressUpdate { deployment, tenant_status: TenantStatus::Deleting, audit: None };
    bench.store().record_progress(update).await.unwrap();
    bench.store().queue_work(&id("acme")).await.unwrap();
    assert!(bench.settle().await);
    while !bench.line().simulated.observe(&id("acme")).unwrap().objects.is_empty() {
        assert!(bench.step().await, "it never goes");
    }
    assert!(bench.clock.now().duration_since(began).as_secs() <= 6);
}

#[tokio::test]
async fn a_tenant_that_is_deleted_while_it_comes_up_goes_and_its_deployment_ends() {
    let mut bench = Bench::new().await;
    let creation = bench.create("acme", None).await;
    assert!(bench.settle().await);
    let watched = bench.store().subscribe_deployment(&creation).unwrap();
    bench.change(removal(bench.tenant("acme"), false)).await;
    bench.run_to_rest().await;
    assert!(bench.store().tenant(&id("acme")).is_none());
    assert_eq!(watched.borrow().status, DeploymentStatus::RolledBack);
}

#[tokio::test]
async fn running_it_takes_work_by_itself_and_stops_when_told() {
    let bench = Bench::new().await;
    let store = bench.process().store.clone();
    let clock = Arc::new(ecp_core::ports::SystemClock);
    let speed = crate::DemoSpeed::new(100_000.0).unwrap();
    let nodes = crate::SimulatedNodes::default();
    let cluster = Arc::new(crate::SimulatedCluster::new(&nodes, speed, clock.clone(), Arc::new(|_| None)));
    let options = ControllerOptions { time_scale: speed.times(), ..Default::default() };
    let controller = Controller::new(
        Mode::Demo,
        store.clone(),
        bench.process().metrics.clone(),
        cluster.clone(),
        clock,
        options,
    );
    let shutdown = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let until = shutdown.clone();
    tasks.spawn(async move { cluster.run(until).await });
    let until = shutdown.clone();
    tasks.spawn(async move { controller.run(until).await });

    let deployment_id = bench.create("acme", None).await;
    let mut watched = store.subscribe_deployment(&deployment_id).unwrap();
    watched.wait_for(|deployment| deployment.status == DeploymentStatus::Running).await.unwrap();
    let deletion_id = bench.change(removal(bench.tenant("acme"), false)).await;
    let mut watched = store.subscribe_deployment(&deletion_id).unwrap();
    watched.wait_for(|deletion| deletion.status == DeploymentStatus::Deleted).await.unwrap();
    shutdown.cancel();
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
}
