//! Alerts: numbers, order, resuming, clearing and forgetting.

use super::*;
use ecp_core::alerts::{AlertSubject, Severity};
use ecp_core::text::Message;

pub(super) fn alert(tenant: &str, id: &str) -> Alert {
    Alert {
        id: AlertId::from_text(id),
        tenant_id: tenant_id(tenant),
        incarnation: Default::default(),
        severity: Severity::Warning,
        subject: AlertSubject::Cpu,
        message: Message::new("alert.cpu_over").with("threshold", 80),
        current_value: 85.2,
        threshold: 80.0,
        opened_at: start(),
        updated_at: start(),
        resolved_at: None,
    }
}

/// A tenant's alerts, all or the open ones.
pub(super) fn of(id: &TenantId, open_only: bool, skip: usize, limit: usize) -> AlertQuery {
    let open = open_only.then_some(true);
    AlertQuery { tenant_id: Some(id.clone()), open, skip, limit, ..Default::default() }
}

fn opened(tenant: &str, id: &str) -> (AlertChange, Alert) {
    (AlertChange::Opened, alert(tenant, id))
}

fn resolved(tenant: &str, id: &str) -> (AlertChange, Alert) {
    (AlertChange::Resolved, Alert { resolved_at: Some(start()), ..alert(tenant, id) })
}

fn raised(tenant: &str, id: &str) -> (AlertChange, Alert) {
    (AlertChange::Raised, Alert { severity: Severity::Critical, ..alert(tenant, id) })
}

fn ids<'a>(alerts: impl IntoIterator<Item = &'a Alert>) -> Vec<&'a str> {
    alerts.into_iter().map(|alert| alert.id.as_str()).collect()
}

fn seqs(events: &[AlertEvent]) -> Vec<u64> {
    events.iter().map(|event| event.seq).collect()
}

#[tokio::test]
async fn changes_are_numbered_within_their_tenant_without_gaps_also_after_a_restart() {
    let world = World::new();
    world.create("acme").await;
    world.create("beta").await;
    let changes = vec![opened("acme", "a1"), opened("beta", "b1"), raised("acme", "a1")];
    world.store.record_alerts(changes).await.unwrap();
    let world = world.reopen();
    world.store.record_alerts(vec![resolved("acme", "a1")]).await.unwrap();
    let acme = world.store.alert_events_after(&tenant_id("acme"), 0).await.unwrap();
    assert_eq!(seqs(&acme), [1, 2, 3]);
    let changes: Vec<_> = acme.iter().map(|event| event.change).collect();
    assert_eq!(changes, [AlertChange::Opened, AlertChange::Raised, AlertChange::Resolved]);
    let beta = world.store.alert_events_after(&tenant_id("beta"), 0).await.unwrap();
    assert_eq!(seqs(&beta), [1]);
}

#[tokio::test]
async fn open_alerts_are_listed_oldest_first_and_follow_each_change() {
    let world = World::new();
    world.create("acme").await;
    let id = tenant_id("acme");
    let changes = vec![opened("acme", "a1"), opened("acme", "a2"), opened("acme", "a3")];
    world.store.record_alerts(changes).await.unwrap();
    world.store.record_alerts(vec![resolved("acme", "a2"), raised("acme", "a1")]).await.unwrap();
    let open = world.store.open_alerts(&id);
    assert_eq!(ids(open.iter().map(|alert| &**alert)), ["a1", "a3"]);
    assert_eq!(open[0].severity, Severity::Critical);
    assert_eq!(world.reopen().store.open_alerts(&id), open);
}

#[tokio::test]
async fn alerts_are_paged_newest_first_and_can_be_open_ones_only() {
    let world = World::new();
    world.create("acme").await;
    let id = tenant_id("acme");
    let names = ["a1", "a2", "a3", "a4"];
    world.store.record_alerts(names.iter().map(|name| opened("acme", name)).collect()).await.unwrap();
    world.store.record_alerts(vec![resolved("acme", "a3")]).await.unwrap();
    let (page, total) = world.store.alerts(of(&id, false, 1, 2)).await.unwrap();
    assert_eq!((ids(&page), total), (vec!["a3", "a2"], 4));
    assert!(page[0].resolved_at.is_some());
    let (page, total) = world.store.alerts(of(&id, true, 0, 9)).await.unwrap();
    assert_eq!((ids(&page), total), (vec!["a4", "a2", "a1"], 3));
}

#[tokio::test]
async fn a_reader_resumes_after_the_opening_that_it_saw_or_from_the_beginning() {
    let world = World::new();
    for id in ["acme", "beta"] {
        world.create(id).await;
    }
    let changes =
        vec![opened("acme", "a1"), opened("acme", "a2"), raised("acme", "a1"), opened("beta", "b1")];
    world.store.record_alerts(changes).await.unwrap();
    let since = async |alert: &str| {
        let events = world.store.alert_events_since(&tenant_id("acme"), &AlertId::from_text(alert)).await;
        seqs(&events.unwrap())
    };
    assert_eq!(since("a1").await, [2, 3]);
    assert_eq!(since("a2").await, [3]);
    assert_eq!(since("unknown").await, [1, 2, 3]);
    assert_eq!(since("b1").await, [1, 2, 3], "another tenant's alert is unknown here");
}

#[tokio::test]
async fn the_number_of_the_newest_change_is_told_and_the_change_can_be_read_then() {
    let world = World::new();
    world.create("acme").await;
    let id = tenant_id("acme");
    let mut newest = world.store.subscribe_alerts(&id);
    assert_eq!(*newest.borrow_and_update(), 0);
    world.store.record_alerts(vec![opened("acme", "a1"), raised("acme", "a1")]).await.unwrap();
    newest.changed().await.unwrap();
    assert_eq!(*newest.borrow_and_update(), 2);
    assert_eq!(world.store.alert_events_after(&id, 1).await.unwrap().len(), 1);
    assert_eq!(*world.reopen().store.subscribe_alerts(&id).borrow(), 2);
}

#[tokio::test]
async fn changes_of_a_tenant_that_is_gone_are_dropped_and_its_watchers_are_told() {
    let world = World::new();
    for id in ["acme", "beta"] {
        world.create(id).await;
    }
    world.store.record_alerts(vec![opened("acme", "a1")]).await.unwrap();
    let mut newest = world.store.subscribe_alerts(&tenant_id("acme"));
    newest.mark_unchanged();
    world.delete("acme").await;
    assert!(newest.changed().await.is_err());
    world.store.record_alerts(vec![raised("acme", "a1"), opened("beta", "b1")]).await.unwrap();
    assert_eq!((world.count("alerts"), world.count("alert_events")), (1, 1));
    assert!(world.store.open_alerts(&tenant_id("acme")).is_empty());
    assert!(world.store.subscribe_alerts(&tenant_id("acme")).changed().await.is_err());
    let again = world.create("acme").await;
    world.store.record_alerts(vec![opened("acme", "a2")]).await.unwrap();
    assert!(world.store.open_alerts(&again.id).is_empty(), "it was about the tenant before");
    let (change, alert) = opened("acme", "a3");
    let own = Alert { incarnation: again.incarnation, ..alert };
    world.store.record_alerts(vec![(change, own)]).await.unwrap();
    assert_eq!(*world.store.subscribe_alerts(&again.id).borrow(), 1, "a new tenant counts from 1");
}

#[tokio::test]
async fn clearing_forgets_alerts_and_the_numbers_go_on() {
    let world = World::new();
    world.create("acme").await;
    let id = tenant_id("acme");
    world.store.record_alerts(vec![opened("acme", "a1"), opened("acme", "a2")]).await.unwrap();
    world.store.clear_alerts(&world.store.tenant(&id).unwrap().key()).await.unwrap();
    assert!(world.store.open_alerts(&id).is_empty());
    assert_eq!(world.store.alerts(of(&id, false, 0, 9)).await.unwrap(), (Vec::new(), 0));
    assert!(world.store.alert_events_after(&id, 0).await.unwrap().is_empty());
    let world = world.reopen();
    world.store.record_alerts(vec![opened("acme", "a3")]).await.unwrap();
    assert_eq!(seqs(&world.store.alert_events_after(&id, 2).await.unwrap()), [3]);
}

#[tokio::test]
async fn the_oldest_changes_and_resolved_alerts_give_way_and_open_ones_stay() {
    let world = World::new();
    world.create("acme").await;
    let id = tenant_id("acme");
    let kept = ALERT_CHANGES_KEPT as usize;
    let mut changes = vec![opened("acme", "open")];
    for n in 0..kept + 10 {
        let name = format!("a{n}");
        changes.extend([opened("acme", &name), resolved("acme", &name)]);
    }
    world.store.record_alerts(changes).await.unwrap();
    let events = world.store.alert_events_since(&id, &AlertId::from_text("open")).await.unwrap();
    assert_eq!(events.len(), kept);
    assert_eq!(events.last().unwrap().seq, 2 * (kept as u64 + 10) + 1);
    let (open, total) = world.store.alerts(of(&id, true, 0, 9)).await.unwrap();
    assert_eq!((ids(&open), total), (vec!["open"], 1));
    assert_eq!(world.store.alerts(of(&id, false, 0, 0)).await.unwrap().1, kept + 1);
}

#[tokio::test]
async fn alerts_of_all_tenants_are_filtered_and_paged_newest_first() {
    let world = World::new();
    for id in ["acme", "beta"] {
        world.create(id).await;
    }
    let about = |(change, alert): (AlertChange, Alert), subject| (change, Alert { subject, ..alert });
    let changes = vec![
        opened("acme", "a1"),
        about(raised("beta", "b1"), AlertSubject::ErrorRate),
        resolved("acme", "a2"),
        about(opened("beta", "b2"), AlertSubject::NoSamples),
    ];
    world.store.record_alerts(changes).await.unwrap();
    let found = async |query: AlertQuery| {
        let (page, total) = world.store.alerts(AlertQuery { limit: 2, ..query }).await.unwrap();
        (ids(&page).join(" "), total)
    };
    let all = AlertQuery::default;
    assert_eq!(found(all()).await, ("b2 a2".to_owned(), 4));
    assert_eq!(found(AlertQuery { skip: 2, ..all() }).await, ("b1 a1".to_owned(), 4));
    assert_eq!(found(AlertQuery { open: Some(true), ..all() }).await, ("b2 b1".to_owned(), 3));
    assert_eq!(found(AlertQuery { open: Some(false), ..all() }).await, ("a2".to_owned(), 1));
    assert_eq!(found(AlertQuery { severity: Some(Severity::Critical), ..all() }).await, ("b1".to_owned(), 1));
    let subjects = AlertSubject::of_kind(ecp_core::alerts::AlertKind::Performance);
    assert_eq!(found(AlertQuery { subjects, ..all() }).await, ("b1".to_owned(), 1));
    let tenant_id = Some(tenant_id("acme"));
    assert_eq!(found(AlertQuery { tenant_id, open: Some(true), ..all() }).await, ("a1".to_owned(), 1));
}
