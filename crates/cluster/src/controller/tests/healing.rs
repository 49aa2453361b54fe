//! What others change and delete, what the cluster would not take, and what it warns of.

use super::bench::Refused;
use super::*;
use crate::controller::healing::MOST_HEALS;
use ecp_core::deployment::LogLevel;
use ecp_core::ports::AuditQuery;
use std::sync::atomic::Ordering;

async fn running(names: &[&str]) -> Bench {
    let mut bench = Bench::new().await;
    for name in names {
        bench.create(name, None).await;
    }
    bench.run_to_rest().await;
    bench.line().applied.lock().clear();
    bench.line().drift_asked.lock().clear();
    bench
}

/// Somebody changes the chatbot, and the cluster says so.
async fn change_chatbot(bench: &mut Bench) {
    bench.line().change_by_hand(&id("acme"), "Deployment", "chatbot");
    bench.process().controller.cluster_changed([id("acme")]).await;
    assert!(bench.settle().await);
}

/// What the trail says of healing, newest first.
async fn heals(bench: &Bench) -> Vec<AuditEntry> {
    let query = AuditQuery { limit: 100, ..Default::default() };
    let (entries, _) = bench.store().audit(query).await.unwrap();
    entries.into_iter().filter(|entry| entry.action == "tenant.heal").collect()
}

fn lines_with(bench: &Bench, key: &str) -> usize {
    bench.newest("acme").logs.iter().filter(|line| line.message.key == key).count()
}

fn has_chatbot(bench: &Bench) -> bool {
    let seen = bench.line().simulated.observe(&id("acme")).unwrap().objects;
    seen.iter().any(|object| {
        object.kind == "Deployment" && object.name == "chatbot" && object.status != "Terminating"
    })
}

#[tokio::test]
async fn what_was_changed_by_hand_is_put_back_alone_and_the_trail_says_who_changed_it() {
    let mut bench = running(&["acme"]).await;
    change_chatbot(&mut bench).await;
    assert_eq!(*bench.line().applied.lock(), ["Deployment chatbot"]);
    let [entry] = &heals(&bench).await[..] else { panic!("one entry") };
    assert_eq!((entry.actor.as_str(), entry.outcome.as_str()), ("controller", "restored"));
    let found = serde_json::json!([
        { "object": "Deployment chatbot", "field": "/spec/replicas", "manager": "kubectl-edit" }
    ]);
    assert_eq!(entry.before, Some(found));
    let english = log(&bench.newest("acme"), Language::En).pop().unwrap();
    assert!(english.contains("Deployment chatbot") && english.contains("kubectl-edit"), "{english}");
    assert_eq!(bench.status("acme"), TenantStatus::Running);
    let commits = bench.commits();
    bench.process().controller.look_around().await;
    bench.run_to_rest().await;
    assert_eq!(bench.commits(), commits, "nothing is left to heal");
}

#[tokio::test]
async fn healing_one_tenant_asks_nothing_about_the_others() {
    let names = ["acme", "bravo", "charlie", "delta"];
    let mut bench = running(&names).await;
    change_chatbot(&mut bench).await;
    bench.process().controller.look_around().await;
    bench.run_to_rest().await;
    let asked = bench.line().drift_asked.lock().clone();
    assert!(!asked.is_empty() && asked.iter().all(|tenant| *tenant == id("acme")), "{asked:?}");
}

#[tokio::test]
async fn what_is_changed_by_hand_during_a_roll_out_is_put_back_too() {
    let mut bench = Bench::new().await;
    let deployment_id = bench.create("acme", None).await;
    assert!(bench.settle().await);
    change_chatbot(&mut bench).await;
    assert_eq!(heals(&bench).await.len(), 1);
    bench.run_to_rest().await;
    assert_eq!(bench.deployment(&deployment_id).status, DeploymentStatus::Running);
}

#[tokio::test]
async fn an_object_that_is_changed_again_and_again_rests_with_a_warning_and_is_put_back_later() {
    let mut bench = running(&["acme"]).await;
    for _ in 0..MOST_HEALS {
        change_chatbot(&mut bench).await;
        bench.clock.pass_seconds(1);
    }
    assert_eq!(heals(&bench).await.len(), MOST_HEALS);
    bench.line().applied.lock().clear();
    for _ in 0..3 {
        change_chatbot(&mut bench).await;
        bench.clock.pass_seconds(1);
    }
    assert!(bench.line().applied.lock().is_empty());
    assert_eq!(lines_with(&bench, "deployment.contested"), 1, "once a rest");
    let korean = log(&bench.newest("acme"), Language::Ko).pop().unwrap();
    assert!(korean.contains("Deployment chatbot") && korean.contains("kubectl-edit"), "{korean}");
    assert_eq!(bench.status("acme"), TenantStatus::Running);

    let commits = bench.commits();
    bench.process().controller.look_around().await;
    assert!(bench.settle().await);
    assert_eq!(bench.commits(), commits, "a rest costs nothing");
    bench.clock.pass_seconds(60);
    bench.process().controller.look_around().await;
    bench.run_to_rest().await;
    assert_eq!(*bench.line().applied.lock(), ["Deployment chatbot"]);
    assert_eq!(heals(&bench).await.len(), MOST_HEALS + 1);
}

#[tokio::test]
async fn an_object_that_is_deleted_again_and_again_rests_and_comes_back_later() {
    let mut bench = running(&["acme"]).await;
    for round in 0..=MOST_HEALS {
        assert!(has_chatbot(&bench), "round {round}");
        bench.line().simulated.delete_object(&id("acme"), "Deployment", "chatbot");
        assert!(bench.settle().await);
    }
    assert!(!has_chatbot(&bench));
    assert_eq!(lines_with(&bench, "deployment.contested"), 1);
    bench.clock.pass_seconds(61);
    bench.process().controller.look_around().await;
    bench.run_to_rest().await;
    assert!(has_chatbot(&bench));
    assert_eq!(bench.status("acme"), TenantStatus::Running);
}

#[tokio::test]
async fn a_crash_before_or_after_the_apply_of_a_heal_converges() {
    for point in [0, 1] {
        let mut bench = running(&["acme"]).await;
        bench.line().dies_after.store(point, Ordering::SeqCst);
        bench.line().change_by_hand(&id("acme"), "Deployment", "chatbot");
        bench.process().controller.cluster_changed([id("acme")]).await;
        assert!(!bench.settle().await, "it dies at point {point}");
        let left = bench.line().drifts.lock().clone();
        assert_eq!(left[&id("acme")].is_empty(), point == 1);
        bench.crash_and_restart().await;
        *bench.line().drifts.lock() = left;
        bench.run_to_rest().await;
        assert!(bench.line().drifts.lock()[&id("acme")].is_empty(), "died at point {point}");
        let told = heals(&bench).await;
        assert_eq!(told.len(), 1, "died at point {point}: {told:?}");
        assert_eq!(bench.status("acme"), TenantStatus::Running);
    }
}

#[tokio::test]
async fn a_manifest_that_the_cluster_would_refuse_is_never_applied_not_even_later() {
    let mut bench = Bench::new().await;
    *bench.line().refused_beforehand.lock() = Some("Secret");
    let deployment_id = bench.create("acme", None).await;
    bench.run_to_rest().await;
    let failed = bench.deployment(&deployment_id);
    assert_eq!(failed.status, DeploymentStatus::Failed);
    let failure = failed.failure.unwrap();
    assert_eq!(failure.code, "MANIFEST_INVALID");
    let text = failure.message.render(Language::En);
    assert!(text.contains("Secret ") && text.contains("denied by policy"), "{text}");
    bench.process().controller.look_around().await;
    bench.store().queue_work(&id("acme")).await.unwrap();
    bench.run_to_rest().await;
    assert_eq!(bench.line().applies.load(Ordering::SeqCst), 0);
    assert!(bench.line().simulated.observe(&id("acme")).unwrap().objects.is_empty());
}

#[tokio::test]
async fn what_ran_stays_healed_after_a_change_that_the_cluster_refused_also_after_a_restart() {
    for refused in [Refused::Beforehand, Refused::Applying] {
        for restart in [false, true] {
            let mut bench = running(&["acme"]).await;
            let before = bench.line().simulated.observe(&id("acme")).unwrap();
            *bench.line().refused_object.lock() = Some((refused, "Deployment", "advisor"));
            let services = [(Service::Callbot, 50), (Service::Advisor, 5)];
            let deployment_id = bench.change(changed(bench.tenant("acme"), &services)).await;
            bench.run_to_rest().await;
            let failed = bench.deployment(&deployment_id);
            assert_eq!(failed.status, DeploymentStatus::Failed, "{refused:?}");
            assert!(failed.logs.iter().any(|line| line.message.key == "deployment.stays_at"));
            let is_back = |bench: &Bench| {
                let now = bench.line().simulated.observe(&id("acme")).unwrap();
                let mut sorted = [now, before.clone()].map(|seen| {
                    seen.objects.into_iter().map(|object| (object.kind, object.name, object.ready)).collect()
                });
                sorted.iter_mut().for_each(|list: &mut Vec<_>| list.sort());
                let [now, before] = sorted;
                assert_eq!(now, before, "{refused:?}, restart: {restart}");
            };
            is_back(&bench);

            if restart {
                bench.crash_and_restart().await;
                bench.run_to_rest().await;
            }
            let simulated = bench.line().simulated.clone();
            for (kind, name) in [
                ("Deployment", "chatbot"),
                ("Service", "callbot-service"),
                ("NetworkPolicy", "default-deny"),
                ("ResourceQuota", "tenant-quota"),
            ] {
                simulated.delete_object(&id("acme"), kind, name);
            }
            bench.process().controller.look_around().await;
            bench.run_to_rest().await;
            is_back(&bench);
            change_chatbot(&mut bench).await;
            bench.run_to_rest().await;
            assert!(bench.line().drifts.lock()[&id("acme")].is_empty(), "what is changed is put back");
            assert_eq!(bench.status("acme"), TenantStatus::Failed, "the change did not come to be");

            let commits = bench.commits();
            bench.process().controller.look_around().await;
            bench.run_to_rest().await;
            assert_eq!(bench.commits(), commits, "at rest nothing is written");
            // Something newer runs, and is what is healed from then on.
            *bench.line().refused_object.lock() = None;
            let newer = bench.change(changed(bench.tenant("acme"), &services)).await;
            bench.run_to_rest().await;
            assert_eq!(bench.deployment(&newer).status, DeploymentStatus::Running);
            bench.line().simulated.delete_object(&id("acme"), "Deployment", "advisor");
            bench.process().controller.look_around().await;
            bench.run_to_rest().await;
            let objects = bench.line().simulated.observe(&id("acme")).unwrap().objects;
            assert!(objects.iter().any(|object| object.name == "advisor" && object.ready));
            assert!(!objects.iter().any(|object| object.name == "chatbot"));
        }
    }
}

#[tokio::test]
async fn an_object_that_is_refused_keeps_no_other_from_coming_back() {
    let mut bench = running(&["acme"]).await;
    *bench.line().refused_object.lock() = Some((Refused::Applying, "Service", "callbot-service"));
    let simulated = bench.line().simulated.clone();
    for (kind, name) in [("Service", "callbot-service"), ("Deployment", "chatbot")] {
        simulated.delete_object(&id("acme"), kind, name);
    }
    bench.process().controller.look_around().await;
    bench.run_to_rest().await;
    let objects = simulated.observe(&id("acme")).unwrap().objects;
    assert!(objects.iter().any(|object| object.name == "chatbot"));
    assert!(!objects.iter().any(|object| object.name == "callbot-service"));
}

#[tokio::test]
async fn what_the_cluster_warns_of_is_in_the_log_once() {
    let mut bench = Bench::new().await;
    let warning = Message::new("deployment.degraded").with("objects", "ServiceMonitor");
    *bench.line().warning.lock() = Some(warning.clone());
    bench.create("acme", None).await;
    bench.run_to_rest().await;
    assert!(bench.line().applies.load(Ordering::SeqCst) > 1);
    let logs = bench.newest("acme").logs;
    let warned: Vec<LogLevel> =
        logs.iter().filter(|line| line.message == warning).map(|line| line.level).collect();
    assert_eq!(warned, [LogLevel::Warning]);
}

#[tokio::test]
async fn a_namespace_of_somebody_else_ends_the_deployment_and_is_not_tried_again() {
    let mut bench = Bench::new().await;
    bench.line().foreign.store(true, Ordering::SeqCst);
    let deployment_id = bench.create("acme", None).await;
    bench.run_to_rest().await;
    let failed = bench.deployment(&deployment_id);
    assert_eq!(failed.status, DeploymentStatus::Failed);
    let failure = failed.failure.unwrap();
    let reason = failure.message;
    assert_eq!((failure.code.as_str(), &*reason.key), ("CONFLICT", "deployment.foreign_namespace"));
    let text = reason.render(Language::En);
    assert!(text.contains("'ecp-ai-acme'") && text.contains("another tenant_id"), "{text}");
    let applies = bench.line().applies.load(Ordering::SeqCst);
    bench.clock.pass_seconds(3600);
    bench.process().controller.look_around().await;
    bench.run_to_rest().await;
    assert_eq!(bench.line().applies.load(Ordering::SeqCst), applies);
}

#[tokio::test]
async fn what_a_webhook_keeps_from_coming_back_is_shown_missing_with_the_reason_until_it_is_back() {
    let mut bench = running(&["acme"]).await;
    *bench.line().hindered_object.lock() = Some(("Service", "callbot-service"));
    bench.line().simulated.delete_object(&id("acme"), "Service", "callbot-service");
    assert!(bench.settle().await);
    assert_eq!(bench.status("acme"), TenantStatus::Pending);
    let shown = bench.newest("acme");
    let missing = shown.pending_resources.iter().find(|resource| resource.name == "callbot-service");
    let reason = missing.and_then(|resource| resource.reason.clone()).expect("it is shown with its reason");
    let text = reason.render(Language::En);
    assert!(text.contains("Service callbot-service") && text.contains("failed calling webhook"), "{text}");
    assert_eq!(lines_with(&bench, "cluster.hindered_by_admission"), 1);
    let outcomes = async |bench: &Bench| -> Vec<String> {
        heals(bench).await.into_iter().map(|entry| entry.outcome).collect()
    };
    assert_eq!(outcomes(&bench).await, ["begun"], "it is one deed, which is tried again");
    *bench.line().hindered_object.lock() = None;
    bench.clock.pass_seconds(120);
    bench.run_to_rest().await;
    assert_eq!(bench.status("acme"), TenantStatus::Running);
    assert!(bench.newest("acme").pending_resources.is_empty());
    assert_eq!(outcomes(&bench).await, ["restored"]);
}
