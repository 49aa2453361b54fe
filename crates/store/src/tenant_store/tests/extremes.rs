//! Whatever can be stored can be read back: extreme numbers, long and odd texts, in every document, through
//! a restart; and rows that can not be read are set aside one by one.

use super::*;
use ecp_core::alerts::{AlertSubject, Severity};
use ecp_core::deployment::{Failure, LogLevel, Phase, ResourceState};
use ecp_core::text::Message;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Texts of every kind: empty, long, controls, NUL, other planes, marks that change direction.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => any::<String>(),
        1 => prop::collection::vec(any::<char>(), 0..200).prop_map(String::from_iter),
        1 => prop::sample::select(vec![
            "", "\0", "'; DROP TABLE tenants; --", "\u{feff}", "\u{202e}abc", "\u{2028}", "e\u{301}\u{301}",
            "👩‍👩‍👧‍👦", "\u{10ffff}", "\\u0000", "{\"a\":", "null", "한글 이름", "\r\n\t\u{7f}",
        ]).prop_map(str::to_owned),
        1 => (any::<char>(), 1..60_000usize).prop_map(|(letter, length)| letter.to_string().repeat(length)),
    ]
}

fn time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        Just(Timestamp::MIN),
        Just(Timestamp::MAX),
        Just(Timestamp::UNIX_EPOCH),
        (-62_000_000_000..253_000_000_000i64, 0..1_000_000_000i32)
            .prop_map(|(second, nanosecond)| Timestamp::new(second, nanosecond).unwrap()),
    ]
}

/// Numbers that a document must survive, those that JSON does not have among them.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        prop::num::f64::ANY,
        prop::sample::select(vec![
            f64::MAX,
            f64::MIN,
            f64::MIN_POSITIVE,
            5e-324,
            f64::INFINITY,
            -0.0,
            f64::NAN
        ]),
    ]
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((text(), inner), 0..5)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

/// What a trail says of a state; `null` there is no state.
fn state() -> impl Strategy<Value = Option<Value>> {
    prop::option::of(json_value()).prop_map(|state| state.filter(|value| !value.is_null()))
}

fn message() -> impl Strategy<Value = Message> {
    prop::collection::vec((text(), text()), 0..3).prop_map(|values| {
        let values = values.into_iter().map(|(name, value)| (name.into(), value)).collect();
        Message { values, ..Message::new("deployment.accepted") }
    })
}

prop_compose! {
    fn creation()(
        (name, description) in (text(), prop::option::of(text())),
        units in prop::collection::btree_map(prop::sample::select(&Service::ALL[..]), any::<u32>(), 0..8),
        (ppm, response_time_ms, concurrent_users) in (any::<u32>(), any::<u32>(), prop::option::of(any::<u32>())),
        (cpu_millicores, memory_mib, gpu, storage_gb) in any::<(u64, u64, u64, u64)>(),
        (list_price_usd, operator_cost_usd) in any::<(u64, u64)>(),
        gpu_type in text(),
        (created_at, updated_at) in (time(), time()),
        secrets in prop::collection::btree_map(text(), text(), 0..3),
        (actor, action, outcome, request_id) in (text(), text(), text(), prop::option::of(text())),
        (before, after) in (state(), state()),
        (caller, key, response) in (text(), text(), json_value()),
    ) -> NewTenant {
        let mut new = new_tenant("acme", start());
        let tenant = &mut new.tenant;
        tenant.spec.name = name;
        tenant.spec.description = description;
        tenant.spec.service_requirements = units;
        let availability = Availability(ppm);
        tenant.spec.sla_target = SlaTarget { availability, response_time_ms, concurrent_users };
        tenant.sizing.resources = Resources { cpu_millicores, memory_mib, gpu, storage_gb };
        (tenant.sizing.list_price_usd, tenant.sizing.operator_cost_usd) = (list_price_usd, operator_cost_usd);
        tenant.sizing.gpu_type = gpu_type;
        (tenant.created_at, tenant.updated_at) = (created_at, updated_at);
        new.revision.revision.spec = tenant.spec.clone();
        new.revision.revision.sizing = tenant.sizing.clone();
        new.secrets = serde_json::from_value(json!(secrets)).unwrap();
        let timestamp = updated_at;
        new.audit =
            AuditEntry { timestamp, actor, action, outcome, request_id, before, after, ..audit("acme", "") };
        let (request_digest, letters_digest) = ([7; 32], [8; 32]);
        let key = IdempotencyKey { actor: caller, key, request_digest, letters_digest };
        new.idempotency = Some((key, response));
        new
    }
}

/// What a deployment came to.
#[derive(Clone, Debug)]
struct Progress {
    resource: ResourceState,
    reasons: Vec<Message>,
    failure: Failure,
    at: Timestamp,
    percent: u8,
}

impl Progress {
    fn apply(&self, deployment: &mut Deployment) {
        deployment.advance(Phase::ScalingServices, self.percent);
        for reason in &self.reasons {
            deployment.note(self.at, LogLevel::Warning, reason.clone());
        }
        deployment.created_resources = vec![self.resource.clone()];
        deployment.pending_resources = vec![self.resource.clone()];
        deployment.fail(self.at, self.failure.clone());
    }
}

prop_compose! {
    fn progress()(
        (kind, name, status) in (text(), text(), text()),
        replicas in prop::option::of(text()),
        reasons in prop::collection::vec(message(), 0..4),
        (code, why) in (text(), message()),
        at in time(),
        percent in any::<u8>(),
    ) -> Progress {
        let reason = reasons.first().cloned();
        let resource = ResourceState { kind, name, status, replicas, reason };
        Progress { resource, reasons, failure: Failure { code, message: why }, at, percent }
    }
}

prop_compose! {
    fn change_of_an_alert()(
        id in text(), message in message(), (current_value, threshold) in (number(), number()), at in time(),
    ) -> (AlertChange, Alert) {
        let alert = Alert {
            id: AlertId::from_text(id),
            tenant_id: tenant_id("acme"),
            incarnation: Default::default(),
            severity: Severity::Critical,
            subject: AlertSubject::Storage,
            message,
            current_value,
            threshold,
            opened_at: at,
            updated_at: at,
            resolved_at: None,
        };
        (AlertChange::Opened, alert)
    }
}

/// The same but for a last digit, and for what JSON does not have.
fn close(kept: f64, given: f64) -> bool {
    let given = if given.is_nan() { 0.0 } else { given.clamp(f64::MIN, f64::MAX) };
    kept.is_finite() && (kept == given || ((kept - given) / given).abs() < 1e-15)
}

async fn round_trip(
    new: NewTenant,
    progress: Progress,
    opened: (AlertChange, Alert),
    setting: (String, String),
) -> Result<(), TestCaseError> {
    let world = World::new();
    let id = tenant_id("acme");
    let given = new.clone();
    world.store.create_tenant(new).await.unwrap();
    let mut deployment = given.deployment.clone();
    progress.apply(&mut deployment);
    let update =
        ProgressUpdate { deployment: deployment.clone(), tenant_status: TenantStatus::Failed, audit: None };
    world.store.record_progress(update).await.unwrap();
    world.store.record_alerts(vec![opened.clone()]).await.unwrap();
    world.store.set_setting(&setting.0, &setting.1).await.unwrap();
    let world = world.reopen();
    let store = &world.store;
    prop_assert_eq!(store.damage(), vec![]);
    let tenant = Tenant { status: TenantStatus::Failed, ..given.tenant.clone() };
    prop_assert_eq!(&*store.tenant(&id).unwrap(), &tenant);
    prop_assert_eq!(&*store.deployment(&deployment.id).unwrap(), &deployment);
    prop_assert_eq!(store.tenant_secrets(&id).await.unwrap(), given.secrets);
    let open = store.open_alerts(&id);
    let (listed, _) = store.alerts(super::alerts::of(&id, false, 0, 9)).await.unwrap();
    let events = store.alert_events_after(&id, 0).await.unwrap();
    for kept in [&*open[0], &listed[0], &events[0].alert] {
        let alert = &opened.1;
        prop_assert!(close(kept.current_value, alert.current_value), "{kept:?} {alert:?}");
        prop_assert!(close(kept.threshold, alert.threshold), "{kept:?} {alert:?}");
        prop_assert_eq!((&kept.id, &kept.message), (&alert.id, &alert.message));
    }
    let (trail, _) = store.audit(AuditQuery { limit: 9, ..Default::default() }).await.unwrap();
    prop_assert_eq!(&trail[0], &given.audit);
    let (key, response) = given.idempotency.unwrap();
    prop_assert_eq!(store.idempotent_response(&key).await.unwrap(), Some(response));
    prop_assert_eq!(store.setting(&setting.0).await.unwrap(), Some(setting.1));
    let revisions = store.revisions(&id).await.unwrap();
    prop_assert_eq!(&revisions.newest().unwrap().spec, &given.tenant.spec);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_document_that_can_be_stored_is_read_back_after_a_restart(
        new in creation(), progress in progress(), opened in change_of_an_alert(),
        // Names and values of ours: short names, and no NUL.
        setting in ("[ -~가-힣]{0,100}", text().prop_map(|text| text.replace('\0', ""))),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(round_trip(new, progress, opened, setting))?;
    }
}

/// Runs SQL past the store.
async fn spoil(world: &World, sql: &'static str) {
    let spoil = move |transaction: &Sql<'_>| transaction.execute(sql, &[]);
    world.store.database.write_then("spoiling", spoil, |_| {}).await.unwrap();
}

/// Every table with a document, and a statement that spoils what `acme` has there.
const SPOILT: [(&str, &str); 8] = [
    ("tenants", "UPDATE tenants SET document = '{}' WHERE id = 'acme'"),
    ("deployments", "UPDATE deployments SET document = '{\"id\": 7' WHERE tenant_id = 'acme'"),
    ("alerts", "UPDATE alerts SET document = '' WHERE tenant_id = 'acme'"),
    ("alert_events", "UPDATE alert_events SET document = 'x' WHERE tenant_id = 'acme'"),
    ("audit", "UPDATE audit SET document = '{\"timestamp\":' WHERE tenant_id = 'acme'"),
    ("secrets", "UPDATE secrets SET document = '[]' WHERE tenant_id = 'acme'"),
    ("work_queue", "UPDATE work_queue SET queue_number = -1 WHERE tenant_id = 'acme'"),
    ("revisions", "UPDATE revisions SET document = 'null' WHERE tenant_id = 'acme'"),
];

#[tokio::test]
async fn a_damaged_row_of_any_table_is_set_aside_named_and_stops_nobody_else() {
    for (table, sql) in SPOILT {
        let world = World::new();
        let alert = |tenant: &str| {
            let (change, alert) = (AlertChange::Opened, super::alerts::alert(tenant, &format!("{tenant}-1")));
            (change, alert)
        };
        for tenant in ["acme", "beta"] {
            world.create(tenant).await;
            world.store.record_alerts(vec![alert(tenant)]).await.unwrap();
        }
        spoil(&world, sql).await;
        let world = world.reopen();
        let store = &world.store;
        let (acme, beta) = (tenant_id("acme"), tenant_id("beta"));
        // Whatever is asked about everybody, and about the other one, is answered.
        let everything = AuditQuery { limit: 9, ..Default::default() };
        let by_action = AuditQuery { action: Some("tenant.create".to_owned()), ..everything.clone() };
        let (all, _) = store.audit(everything).await.unwrap();
        let (created, _) = store.audit(by_action).await.unwrap();
        for trail in [all, created] {
            let expected = if table == "audit" { 1 } else { 2 };
            assert_eq!(trail.len(), expected, "{table}");
        }
        assert!(store.tenant(&beta).is_some());
        assert!(store.deployment(&store.tenant(&beta).unwrap().deployment_id).is_some());
        store.tenant_secrets(&beta).await.unwrap();
        assert_eq!(store.alerts(super::alerts::of(&beta, false, 0, 9)).await.unwrap().0.len(), 1);
        assert_eq!(store.lease_work(world.clock.now(), 9).await.unwrap().len(), 2, "{table}");
        world.create("coda").await;
        world.change("beta", DeploymentKind::Update).await.unwrap();
        // What is damaged is left out, and told once it was looked at.
        if let Some(tenant) = store.tenant(&acme) {
            let _ = store.deployment(&tenant.deployment_id);
        }
        let _ = store.tenant_secrets(&acme).await;
        store.alerts(super::alerts::of(&acme, false, 0, 9)).await.unwrap();
        store.alert_events_after(&acme, 0).await.unwrap();
        store.revisions(&acme).await.unwrap();
        let damage = store.damage();
        assert!(!damage.is_empty() && damage.iter().all(|one| one.table == table), "{table}: {damage:?}");
        for one in &damage {
            assert!(one.file.starts_with(world.place.name()), "{one}");
            assert_eq!(one.tenant_id, Some(acme.clone()), "{one}");
        }
        assert_eq!(store.is_damaged(&acme), table == "tenants");
        if table == "tenants" {
            let taken = store.create_tenant(new_tenant("acme", world.clock.now())).await.unwrap_err();
            assert!(matches!(taken, StoreError::TenantDamaged(_)), "{taken:?}");
        }
        // Nothing of it was destroyed.
        assert!(
            world.count(
                &format!("{table} WHERE tenant_id = 'acme'")
                    .replace("tenants WHERE tenant_id", "tenants WHERE id")
            ) > 0
        );
    }
}
