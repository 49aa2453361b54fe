//! Nothing that was acknowledged is lost when the process is killed in the middle of writing, and
//! nothing half done is found.
//!
//! The test runs itself as the victim, reads what the victim says it was answered, kills it and
//! opens the store again. `ECP_KILL_ROUNDS` sets how often (default 25).

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use ecp_core::Timestamp;
use ecp_core::alerts::{Alert, AlertChange, AlertSubject, Severity};
use ecp_core::audit::AuditEntry;
use ecp_core::catalog::{Catalog, Edition};
use ecp_core::deployment::{Deployment, DeploymentKind, Removal};
use ecp_core::ids::{AlertId, DeploymentId, TenantId};
use ecp_core::ports::{Admission, AuditQuery, NewTenant, SystemClock, TenantChange, TenantStore};
use ecp_core::quantity::Resources;
use ecp_core::revision::{Cause, NewRevision};
use ecp_core::sizing::{DeploymentTime, Sizing};
use ecp_core::tenant::{
    Availability, Preset, Service, SlaTarget, Tenant, TenantSecrets, TenantSpec, TenantStatus,
};
use ecp_core::text::Message;
use ecp_store::{Database, MIGRATIONS, SqlStore};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use tempfile::TempDir;

const FOLDER: &str = "ECP_KILL_FOLDER";
const ROUND: &str = "ECP_KILL_ROUND";
const ROUNDS: &str = "ECP_KILL_ROUNDS";
/// Writers of the victim at a time, so that commits are shared.
const WRITERS: usize = 8;

fn open(folder: &Path) -> (Database, Arc<SqlStore>) {
    let database = Database::open(&folder.join("real.db"), MIGRATIONS).unwrap();
    let store = SqlStore::open(database.clone(), Arc::new(SystemClock)).unwrap();
    (database, Arc::new(store))
}

fn audit(id: &TenantId, action: &str) -> AuditEntry {
    AuditEntry {
        timestamp: Timestamp::now(),
        actor: "victim".to_owned(),
        action: action.to_owned(),
        tenant_id: Some(id.clone()),
        request_id: None,
        before: None,
        after: None,
        outcome: "accepted".to_owned(),
    }
}

fn new_tenant(id: TenantId) -> NewTenant {
    let now = Timestamp::now();
    let deployment =
        Deployment::accepted(DeploymentId::generate(), id.clone(), 1, DeploymentKind::Create, now, None);
    let sizing = Sizing {
        preset: Preset::Micro,
        resources: Resources::default(),
        gpu_type: "t4".to_owned(),
        services: Vec::new(),
        list_price_usd: 1,
        operator_cost_usd: 1,
        deployment_time: DeploymentTime { min_minutes: 5, max_minutes: 10 },
        warnings: Vec::new(),
        places: ecp_core::sizing::Places::new(),
    };
    let spec = TenantSpec {
        name: id.to_string(),
        preset: None,
        service_requirements: BTreeMap::from([(Service::Chatbot, 1)]),
        sla_target: SlaTarget {
            availability: Availability::parse("99.9%").unwrap(),
            response_time_ms: 200,
            concurrent_users: None,
        },
        description: None,
        exposure: None,
        management: Default::default(),
        demo_fault: None,
        sizing: ecp_core::sizing::SizingOptions::default(),
    };
    let tenant = Tenant {
        id: id.clone(),
        spec,
        sizing,
        status: TenantStatus::Pending,
        generation: 1,
        incarnation: Default::default(),
        deployment_id: deployment.id.clone(),
        created_at: now,
        updated_at: now,
    };
    let secrets = TenantSecrets::generate(&["REDIS_PASSWORD"]);
    let revision = revision(&tenant, &secrets);
    let (audit, admission) = (audit(&id, "tenant.create"), Admission::default());
    NewTenant { tenant, deployment, secrets, revision, idempotency: None, audit, admission }
}

fn change(tenant: &Tenant, kind: DeploymentKind) -> TenantChange {
    let mut tenant = tenant.clone();
    tenant.generation += 1;
    if matches!(kind, DeploymentKind::Delete(_)) {
        tenant.status = TenantStatus::Deleting;
    }
    tenant.deployment_id = DeploymentId::generate();
    let deployment = Deployment::accepted(
        tenant.deployment_id.clone(),
        tenant.id.clone(),
        tenant.generation,
        kind,
        Timestamp::now(),
        None,
    );
    let audit = audit(&tenant.id, "tenant.update");
    let secrets = TenantSecrets::generate(&["REDIS_PASSWORD"]);
    let revision = (tenant.status != TenantStatus::Deleting).then(|| revision(&tenant, &secrets));
    TenantChange { tenant, deployment, revision, audit, admission: Admission::default(), ended: None }
}

fn revision(tenant: &Tenant, secrets: &TenantSecrets) -> NewRevision {
    let edition = Arc::new(Edition::of(Arc::new(Catalog::embedded())));
    NewRevision::render(&edition, tenant, secrets, Cause::Request)
}

fn alert(tenant_id: &TenantId, id: &str) -> Alert {
    let now = Timestamp::now();
    Alert {
        id: AlertId::from_text(id),
        tenant_id: tenant_id.clone(),
        incarnation: Default::default(),
        severity: Severity::Warning,
        subject: AlertSubject::Cpu,
        message: Message::new("alert.cpu_over").with("threshold", 80),
        current_value: 85.0,
        threshold: 80.0,
        opened_at: now,
        updated_at: now,
        resolved_at: None,
    }
}

/// Says that a write was answered; a line that is cut off does not count.
fn acknowledge(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("ACK {line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

async fn write_for_ever(store: Arc<SqlStore>, round: String, writer: usize) {
    for n in 0.. {
        let id = TenantId::parse(&format!("t-{round}-{writer}-{n}")).unwrap();
        store.create_tenant(new_tenant(id.clone())).await.unwrap();
        acknowledge(&format!("created {id}"));
        let alert = alert(&id, &format!("alert-{id}"));
        store.record_alerts(vec![(AlertChange::Opened, alert)]).await.unwrap();
        acknowledge(&format!("alerted {id}"));
        let tenant = store.tenant(&id).unwrap();
        let changed = store.change_tenant(change(&tenant, DeploymentKind::Update)).await.unwrap();
        acknowledge(&format!("changed {id}"));
        if n % 2 == 0 {
            store.change_tenant(change(&changed, DeploymentKind::Delete(Removal::ORDERLY))).await.unwrap();
            acknowledge(&format!("deleting {id}"));
            store.remove_tenant(&id, audit(&id, "tenant.delete")).await.unwrap();
            acknowledge(&format!("removed {id}"));
        }
    }
}

#[test]
#[ignore = "the victim of the other test, which starts it"]
fn victim() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let round = std::env::var(ROUND).unwrap();
    let (_database, store) = open(Path::new(&folder));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| tokio::spawn(write_for_ever(store.clone(), round.clone(), writer)))
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
    });
}

fn start_victim(folder: &Path, round: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "victim", "--nocapture"])
        .env(FOLDER, folder)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Lets the victim be answered `answers` times, kills it, and returns all that it was answered.
fn kill_after(mut victim: Child, answers: usize) -> Vec<String> {
    let mut output = BufReader::new(victim.stdout.take().unwrap());
    let mut acknowledged = Vec::new();
    let mut line = String::new();
    while acknowledged.len() < answers {
        line.clear();
        assert_ne!(output.read_line(&mut line).unwrap(), 0, "the victim ended by itself");
        acknowledged.extend(line.trim_end().strip_prefix("ACK ").map(str::to_owned));
    }
    victim.kill().unwrap();
    victim.wait().unwrap();
    // What it wrote until the kill counts too, but for a line without its end.
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    let whole = rest.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    acknowledged.extend(whole.filter_map(|line| line.strip_prefix("ACK ")).map(str::to_owned));
    acknowledged
}

/// The last thing that was acknowledged of each tenant.
type Acknowledged = BTreeMap<TenantId, String>;

async fn check(store: &SqlStore, acknowledged: &Acknowledged) {
    for (id, what) in acknowledged {
        let tenant = store.tenant(id);
        let generation = tenant.as_ref().map(|tenant| tenant.generation);
        // What comes next may have been committed without an answer.
        let kept = match what.as_str() {
            "created" | "alerted" => generation.is_some(),
            "changed" => generation.is_some_and(|generation| generation >= 2),
            "deleting" => generation.is_none_or(|generation| generation == 3),
            "removed" => generation.is_none(),
            other => panic!("an unknown answer {other:?}"),
        };
        assert!(kept, "{id} was {what}, and is at {generation:?}");
        if matches!(what.as_str(), "alerted" | "changed" | "deleting") && tenant.is_some() {
            assert_eq!(store.open_alerts(id).len(), 1, "the alert of {id}, which was {what}");
        }
        let query = AuditQuery { tenant_id: Some(id.clone()), limit: 9, ..AuditQuery::default() };
        let entries = store.audit(query).await.unwrap().1;
        let least = match what.as_str() {
            "created" | "alerted" => 1,
            "changed" => 2,
            "deleting" => 3,
            _ => 4,
        };
        assert!(entries >= least, "{id} was {what} and has {entries} audit entries");
    }
    let queued = store.lease_work(Timestamp::now(), usize::MAX).await.unwrap();
    let queued: BTreeSet<TenantId> = queued.into_iter().map(|item| item.tenant_id).collect();
    for tenant in store.tenants().iter() {
        let id = &tenant.id;
        assert!(store.tenant_secrets(id).await.is_ok(), "{id} has its secrets");
        assert!(store.deployment(&tenant.deployment_id).is_some(), "{id} has its deployment");
        assert!(queued.contains(id), "{id} is queued");
    }
    assert_eq!(queued.len(), store.tenants().len(), "nothing else is queued");
}

#[test]
fn every_acknowledged_write_is_found_after_each_kill() {
    let rounds = std::env::var(ROUNDS).map_or(25, |rounds| rounds.parse().unwrap());
    let folder = TempDir::new().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut acknowledged = Acknowledged::new();
    for round in 0..rounds {
        // From the first answers to some checkpoints of the log, in an order that repeats.
        let answers = 1 + round * 37 % 150;
        for line in kill_after(start_victim(folder.path(), round), answers) {
            let (what, id) = line.split_once(' ').unwrap();
            acknowledged.insert(TenantId::parse(id).unwrap(), what.to_owned());
        }
        let (database, store) = open(folder.path());
        runtime.block_on(check(&store, &acknowledged));
        database.close();
    }
    assert!(acknowledged.len() >= rounds, "the victims wrote something each time");
}
