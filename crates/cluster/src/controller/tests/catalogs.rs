//! A catalog that was changed under tenants that run, and a release that renders otherwise.

use super::*;
use crate::catalog_rollout::{CatalogRollout, CatalogRolloutOptions, Memory};
use ecp_core::audit::AuditEntry;
use ecp_core::catalog::{Catalog, EMBEDDED, Edition};
use ecp_core::catalog_change::{CatalogRolloutState, CatalogStatus, TenantDifference, differences};
use ecp_core::manifest::PinnedManifest;
use ecp_core::origin::Caller;
use ecp_core::ports::AuditQuery;
use ecp_core::revision::{Cause, NewRevision, Revision, adopt_tenants};
use ecp_core::tenancy::{Accepted, Tenancy, TenancyError, TenantPatch};
use ecp_core::tenant::{Availability, Management, Preset, SlaTarget, TenantSpec};
use std::collections::BTreeMap;

fn tenancy(bench: &Bench) -> Arc<Tenancy> {
    let process = bench.process();
    let (store, line) = (process.store.clone(), process.line.clone());
    Arc::new(Tenancy::new(bench.catalog.clone(), store, line, bench.clock.clone(), 1.0))
}

fn caller() -> Caller {
    Caller { actor: "operator".to_owned(), origin: None }
}

/// Tenants that were created as requests do it, and run.
async fn running(names: &[&str]) -> Bench {
    let mut bench = Bench::new().await;
    for name in names {
        let spec = TenantSpec {
            name: (*name).to_owned(),
            preset: Some(Preset::Micro),
            service_requirements: BTreeMap::from([(Service::Callbot, 5), (Service::Chatbot, 10)]),
            sla_target: SlaTarget {
                availability: Availability(999_000),
                response_time_ms: 300,
                concurrent_users: None,
            },
            description: None,
            exposure: None,
            management: Default::default(),
            demo_fault: None,
            sizing: Default::default(),
        };
        let (tenancy, caller) = (tenancy(&bench), caller());
        let created = tenancy.create_tenant(&caller, id(name), spec, None, |_| serde_json::Value::Null).await;
        assert!(matches!(created.unwrap(), Accepted::New(_)));
    }
    bench.run_to_rest().await;
    for name in names {
        assert_eq!(bench.status(name), TenantStatus::Running);
    }
    bench
}

/// The embedded catalog with another text in it.
fn edited(from: &str, to: &str) -> Arc<Catalog> {
    assert!(EMBEDDED.contains(from), "{from}");
    Arc::new(Catalog::parse(&EMBEDDED.replacen(from, to, 1)).unwrap())
}

fn other_tag(tag: &str) -> Arc<Catalog> {
    edited("tag = \"latest\"", &format!("tag = \"{tag}\""))
}

async fn restart_with(bench: &mut Bench, catalog: Arc<Catalog>) {
    bench.catalog = catalog;
    bench.crash_and_restart().await;
    bench.line().applied.lock().clear();
    bench.run_to_rest().await;
}

async fn outstanding(bench: &Bench) -> Vec<TenantDifference> {
    differences(bench.store(), &bench.edition()).await.found
}

async fn newest(bench: &Bench, name: &str) -> Revision {
    bench.store().revisions(&id(name)).await.unwrap().newest().unwrap().clone()
}

async fn trail(bench: &Bench) -> Vec<AuditEntry> {
    let query = AuditQuery { limit: 1000, ..Default::default() };
    let (mut entries, _) = bench.store().audit(query).await.unwrap();
    entries.reverse();
    entries
}

/// What is lost with a simulated cluster comes back, and that is all that heals.
#[track_caller]
fn assert_nothing_was_changed_by_hand(trail: &[AuditEntry]) {
    for entry in trail.iter().filter(|entry| entry.action == "tenant.heal") {
        let found = entry.before.as_ref().unwrap().as_array().unwrap();
        assert!(found.iter().all(|object| object["missing"] == true), "{entry:?}");
    }
}

/// The part that rolls out, which begins afresh with each process.
struct Roller {
    rollout: CatalogRollout,
    tenancy: Arc<Tenancy>,
    memory: Memory,
}

impl Roller {
    fn new(bench: &Bench, options: CatalogRolloutOptions) -> Self {
        let tenancy = tenancy(bench);
        let store = bench.process().store.clone();
        let rollout = CatalogRollout::new(Mode::Demo, tenancy.clone(), store, options);
        Self { rollout, tenancy, memory: Memory::default() }
    }

    async fn look(&mut self) -> CatalogStatus {
        self.rollout.look(&mut self.memory).await.unwrap();
        self.tenancy.catalog_status()
    }

    /// Goes on until nothing more is begun; the most that were under way at once.
    async fn run(&mut self, bench: &mut Bench) -> (CatalogStatus, usize) {
        let mut most = 0;
        for _ in 0..1000 {
            let status = self.look().await;
            most = most.max(status.under_way.len());
            if status.state != CatalogRolloutState::UnderWay {
                return (status, most);
            }
            for _ in 0..5 {
                bench.step().await;
            }
        }
        panic!("it never ends");
    }
}

const AUTOMATIC: CatalogRolloutOptions = CatalogRolloutOptions { automatic: true, at_once: 2, stop_after: 2 };

#[tokio::test]
async fn a_changed_catalog_changes_nothing_of_what_runs_until_it_is_asked_for() {
    let mut bench = running(&["acme"]).await;
    let before = bench.line().simulated.observe(&id("acme")).unwrap();
    let old = newest(&bench, "acme").await;
    restart_with(&mut bench, other_tag("2.0")).await;
    let manual = Roller::new(&bench, CatalogRolloutOptions::default()).look().await;
    assert_eq!((manual.behind.len(), manual.state), (1, CatalogRolloutState::Idle));
    bench.process().controller.look_around().await;
    bench.run_to_rest().await;
    assert!(bench.line().applied.lock().is_empty());
    assert_eq!(bench.line().simulated.observe(&id("acme")).unwrap(), before);
    let [difference] = &outstanding(&bench).await[..] else { panic!("one tenant is behind") };
    assert_eq!(difference.changed_keys, ["kubernetes.images.tag"]);
    assert!(difference.is_in_place());
    let images: Vec<_> =
        difference.objects.iter().map(|change| (change.kind, change.name.as_str())).collect();
    assert!(
        images.contains(&("Deployment", "callbot")) && images.contains(&("Deployment", "chatbot")),
        "{images:?}"
    );

    // What is lost comes back as it was.
    bench.line().simulated.delete_object(&id("acme"), "Deployment", "chatbot");
    bench.process().controller.look_around().await;
    bench.run_to_rest().await;
    assert_eq!(*bench.line().applied.lock(), ["Deployment chatbot"]);
    assert_eq!(newest(&bench, "acme").await, old);

    // A change of the tenant takes the new one, even one that changes nothing else.
    let patch = TenantPatch::default();
    let changed = tenancy(&bench).update_tenant(&caller(), &id("acme"), patch, None, None).await;
    assert_eq!(changed.unwrap().generation, old.number + 1);
    bench.run_to_rest().await;
    let new = newest(&bench, "acme").await;
    assert_eq!(new.catalog, bench.edition().digest);
    assert!(new.seen_running_whole_at.is_some());
    assert_eq!(outstanding(&bench).await, []);
    // Nobody changed anything by hand.
    assert_nothing_was_changed_by_hand(&trail(&bench).await);
}

#[tokio::test]
async fn a_catalog_is_rolled_out_a_few_tenants_at_a_time_with_history_and_goes_on_after_a_restart() {
    let names = ["a", "b", "c", "d", "e"];
    let mut bench = running(&names).await;
    restart_with(&mut bench, other_tag("2.0")).await;
    // Cut short after a while.
    let mut roller = Roller::new(&bench, AUTOMATIC);
    assert_eq!(roller.look().await.under_way.len(), 2);
    bench.step().await;
    restart_with(&mut bench, other_tag("2.0")).await;
    let mut roller = Roller::new(&bench, AUTOMATIC);
    let (status, most) = roller.run(&mut bench).await;
    assert_eq!((status.state, status.behind.len()), (CatalogRolloutState::Idle, 0));
    assert!(most <= 2, "{most} at once");
    for name in names {
        assert_eq!(bench.status(name), TenantStatus::Running, "{name}");
        let deployment = bench.newest(name);
        assert_eq!((deployment.kind, deployment.cause), (DeploymentKind::Update, Cause::Catalog));
        assert_eq!(deployment.actor.as_deref(), Some("catalog"));
        assert_eq!(newest(&bench, name).await.number, 2, "it was rolled out once");
    }
    let trail = trail(&bench).await;
    let accepted: Vec<_> =
        trail.iter().filter(|entry| entry.action == "tenant.update" && entry.outcome == "accepted").collect();
    assert_eq!(accepted.len(), names.len());
    for entry in accepted {
        assert_eq!((entry.actor.as_str(), &entry.request_id), ("catalog", &None));
        assert_eq!(entry.after.as_ref().unwrap()["cause"], "catalog");
    }
    assert_nothing_was_changed_by_hand(&trail);
    assert_eq!(roller.look().await.state, CatalogRolloutState::Idle);
}

#[tokio::test]
async fn what_others_have_yet_to_apply_holds_up_no_catalog() {
    let mut bench = running(&["theirs", "a", "b"]).await;
    let external = TenantPatch { management: Some(Management::External), ..TenantPatch::default() };
    tenancy(&bench).update_tenant(&caller(), &id("theirs"), external, None, None).await.unwrap();
    bench.run_to_rest().await;
    assert_eq!(bench.status("theirs"), TenantStatus::Running);
    for tag in ["2.0", "2.1"] {
        restart_with(&mut bench, other_tag(tag)).await;
        let one_at_once = CatalogRolloutOptions { at_once: 1, ..AUTOMATIC };
        let mut roller = Roller::new(&bench, one_at_once);
        let (ended, most) = roller.run(&mut bench).await;
        assert_eq!(ended.state, CatalogRolloutState::Idle);
        assert!(most <= 2, "one, and the one that nobody waits for");
        assert!(bench.settle().await);
        assert_eq!(roller.look().await.behind, []);
        let waits = bench.newest("theirs");
        assert_eq!((waits.status, waits.cause), (DeploymentStatus::Deploying, Cause::Catalog));
        assert_eq!(newest(&bench, "theirs").await.catalog, bench.edition().digest);
        assert!(["a", "b"].iter().all(|name| bench.status(name) == TenantStatus::Running));
    }
}

#[tokio::test]
async fn a_catalog_that_fails_is_stopped_after_a_few_tenants_which_run_as_before() {
    let names = ["a", "b", "c", "d", "e"];
    let mut bench = running(&names).await;
    restart_with(&mut bench, other_tag("broken")).await;
    *bench.line().refused_text.lock() = Some(":broken");
    let mut roller = Roller::new(&bench, AUTOMATIC);
    let (status, _) = roller.run(&mut bench).await;
    assert_eq!((status.state, status.failed.len()), (CatalogRolloutState::Stopped, 2));
    bench.run_to_rest().await;
    let touched = |bench: &Bench| names.iter().filter(|name| bench.tenant(name).generation > 1).count();
    for name in names {
        assert_eq!(bench.status(name), TenantStatus::Running, "{name} is as it was");
    }
    assert_eq!(touched(&bench), 2);
    assert_eq!(roller.look().await.state, CatalogRolloutState::Stopped);

    // It stays so, also after a restart, until somebody asks again.
    restart_with(&mut bench, other_tag("broken")).await;
    *bench.line().refused_text.lock() = Some(":broken");
    let mut roller = Roller::new(&bench, AUTOMATIC);
    assert_eq!(roller.look().await.state, CatalogRolloutState::Stopped);
    bench.run_to_rest().await;
    assert_eq!(touched(&bench), 2);
    bench.clock.pass_seconds(5);
    *bench.line().refused_text.lock() = None;
    roller.tenancy.order_catalog_rollout(&caller()).await.unwrap();
    let (status, _) = roller.run(&mut bench).await;
    assert_eq!((status.state, status.behind.len(), status.failed.len()), (CatalogRolloutState::Idle, 0, 0));
    assert_eq!(bench.newest("e").actor.as_deref(), Some("operator"));
}

#[tokio::test]
async fn few_tenants_that_all_fail_are_not_tried_again_and_again() {
    let mut bench = running(&["a"]).await;
    restart_with(&mut bench, other_tag("broken")).await;
    *bench.line().refused_text.lock() = Some(":broken");
    let mut roller = Roller::new(&bench, AUTOMATIC);
    let (status, _) = roller.run(&mut bench).await;
    assert_eq!((status.state, status.failed.len()), (CatalogRolloutState::Stopped, 1));
    bench.run_to_rest().await;
    let generation = bench.tenant("a").generation;
    for _ in 0..3 {
        bench.clock.pass_seconds(60);
        assert_eq!(roller.look().await.state, CatalogRolloutState::Stopped);
        bench.run_to_rest().await;
    }
    assert_eq!(bench.tenant("a").generation, generation);
    // A catalog that was mended is rolled out.
    restart_with(&mut bench, other_tag("2.1")).await;
    let (status, _) = Roller::new(&bench, AUTOMATIC).run(&mut bench).await;
    assert_eq!((status.state, status.behind.len()), (CatalogRolloutState::Idle, 0));
}

#[tokio::test]
async fn what_can_not_be_changed_in_place_is_refused_before_anything_is_touched() {
    let mut bench = running(&["acme"]).await;
    restart_with(&mut bench, edited("storage_gib = 1\n", "storage_gib = 7\n")).await;
    let (before, commits) = (bench.tenant("acme"), bench.commits());
    let [difference] = &outstanding(&bench).await[..] else { panic!("one tenant is behind") };
    let fields: Vec<_> =
        difference.immutable.iter().map(|field| (field.kind, field.name.as_str(), field.field)).collect();
    assert_eq!(fields, [("StatefulSet", "redis", "/spec/volumeClaimTemplates")]);
    let patch = TenantPatch { name: Some("Other".to_owned()), ..TenantPatch::default() };
    let tenancy = tenancy(&bench);
    for refused in [
        tenancy.update_tenant(&caller(), &id("acme"), patch.clone(), None, None).await.map(Some),
        tenancy.roll_out_catalog(&caller(), &id("acme")).await,
    ] {
        assert!(matches!(refused, Err(TenancyError::NotInPlace { .. })), "{refused:?}");
    }
    assert!(tenancy.preview_update(&id("acme"), patch, None).await.is_err());
    let status = Roller::new(&bench, AUTOMATIC).look().await;
    assert_eq!((status.state, status.not_in_place.len()), (CatalogRolloutState::Idle, 1));
    bench.run_to_rest().await;
    assert_eq!((bench.tenant("acme"), bench.commits()), (before, commits));
    assert!(bench.line().applied.lock().is_empty());
}

#[tokio::test]
async fn tenants_of_a_release_without_revisions_are_adopted_and_nothing_is_rolled_out() {
    let mut bench = running(&["acme"]).await;
    let forget = |bench: &Bench| {
        let database = bench.process().database.clone();
        async move {
            let forgotten = database.write("forgetting", |transaction| {
                let sql = "DELETE FROM revisions; DELETE FROM manifests; DELETE FROM catalogs;";
                transaction.execute_batch(sql).map_err(ecp_store::database_error("forgetting"))
            });
            forgotten.await.unwrap();
        }
    };
    forget(&bench).await;
    bench.catalog = other_tag("2.0");
    bench.crash_and_restart().await;
    let store = bench.process().store.clone();
    assert_eq!(adopt_tenants(&*store, &bench.catalog).await.unwrap(), 1);
    assert_eq!(adopt_tenants(&*store, &bench.catalog).await.unwrap(), 0);
    bench.process().controller.look_around().await;
    bench.run_to_rest().await;
    let adopted = newest(&bench, "acme").await;
    assert!(adopted.seen_running_whole_at.is_some());
    assert_eq!((adopted.number, adopted.catalog), (1, bench.edition().digest.clone()));
    assert_eq!(outstanding(&bench).await, []);
    assert_eq!(bench.newest("acme").generation, 1);
}

#[tokio::test]
async fn a_release_that_renders_otherwise_rolls_nothing_out_by_itself() {
    let mut bench = running(&["acme"]).await;
    let kept = newest(&bench, "acme").await;
    let pinned = bench.store().pinned_manifest(&id("acme"), &kept.manifest).await.unwrap().unwrap();
    // As an earlier release would have rendered it.
    let text = pinned.text().replace("\"runAsNonRoot\":true", "\"runAsNonRoot\":true,\"fsGroup\":4711");
    let manifest = PinnedManifest::from_text(text);
    assert_ne!(manifest.digest, kept.manifest);
    let revision = Revision { manifest: manifest.digest.clone(), ..kept.clone() };
    let old = NewRevision { revision, edition: Some(bench.edition()), manifest: Some(manifest) };
    let forgotten = bench.process().database.write("forgetting", |transaction| {
        transaction.execute_batch("DELETE FROM revisions;").map_err(ecp_store::database_error("forgetting"))
    });
    forgotten.await.unwrap();
    bench.store().adopt_revisions(&id("acme"), vec![old]).await.unwrap();

    let catalog = bench.catalog.clone();
    restart_with(&mut bench, catalog).await;
    bench.process().controller.look_around().await;
    bench.run_to_rest().await;
    assert!(bench.line().applied.lock().is_empty());
    let [difference] = &outstanding(&bench).await[..] else { panic!("one tenant is behind") };
    assert_eq!(difference.changed_keys, Vec::<String>::new());
    assert!(
        difference
            .objects
            .iter()
            .any(|change| change.fields.iter().any(|field| field.pointer.ends_with("/fsGroup")))
    );
    let (status, _) = Roller::new(&bench, AUTOMATIC).run(&mut bench).await;
    assert_eq!((status.state, status.behind.len()), (CatalogRolloutState::Idle, 0));
    assert_eq!(newest(&bench, "acme").await.manifest, kept.manifest);
}

/// Every value of a catalog, by the keys that lead to it.
fn leaves(value: &toml::Value, path: Vec<String>, found: &mut Vec<(Vec<String>, toml::Value)>) {
    let below = |step: String| path.iter().cloned().chain([step]).collect::<Vec<_>>();
    match value {
        toml::Value::Table(table) if !table.is_empty() => {
            table.iter().for_each(|(key, value)| leaves(value, below(key.clone()), found));
        }
        toml::Value::Array(items) if items.iter().any(toml::Value::is_table) => {
            items.iter().enumerate().for_each(|(place, item)| leaves(item, below(place.to_string()), found));
        }
        leaf => found.push((path, leaf.clone())),
    }
}

fn put(value: &mut toml::Value, path: &[String], leaf: toml::Value) {
    let Some((step, rest)) = path.split_first() else {
        *value = leaf;
        return;
    };
    let inner = match value {
        toml::Value::Table(table) => table.get_mut(step).unwrap(),
        toml::Value::Array(items) => items.get_mut(step.parse::<usize>().unwrap()).unwrap(),
        _ => panic!("no such place"),
    };
    put(inner, rest, leaf);
}

/// Other values of the kind, some of which the rules take.
fn others(leaf: &toml::Value) -> Vec<toml::Value> {
    match leaf {
        toml::Value::Integer(number) => {
            [number + 1, number - 1, number * 2, number / 2].map(Into::into).to_vec()
        }
        toml::Value::Float(number) => [number * 1.01, number * 0.99, number * 0.5].map(Into::into).to_vec(),
        toml::Value::Boolean(value) => vec![(!value).into()],
        toml::Value::String(text) => {
            let texts = [
                format!("{text}x"),
                format!("x{text}"),
                "2m".into(),
                "99.5%".into(),
                "v100".into(),
                "l40s".into(),
                "vendor".into(),
                "2026-01-02".into(),
            ];
            texts.into_iter().filter(|other| other != text).map(Into::into).collect()
        }
        toml::Value::Array(items) => {
            let texts = ["callbot", "stt", "extra"].map(toml::Value::from);
            let longer =
                texts.into_iter().map(|text| items.iter().cloned().chain([text]).collect::<Vec<_>>());
            longer.chain([items.iter().skip(1).cloned().collect()]).map(Into::into).collect()
        }
        toml::Value::Table(_) => {
            let entry =
                |key: &str, value: &str| toml::Table::from_iter([(key.to_owned(), value.into())]).into();
            vec![entry("pool", "ai"), entry("callbot", "example.com/callbot:2")]
        }
        toml::Value::Datetime(_) => vec![],
    }
}

#[tokio::test]
async fn whatever_key_of_the_catalog_changes_nothing_rolls_by_itself_and_what_can_be_is_rolled_out_whole() {
    let mut bench = running(&["acme"]).await;
    let embedded = bench.catalog.clone();
    let document: toml::Value = toml::Value::Table(Edition::of(embedded.clone()).document().parse().unwrap());
    let mut keys = Vec::new();
    leaves(&document, vec![], &mut keys);
    // Where a figure is from is told alike of every device.
    keys.retain(|(path, _)| path[0] != "devices" || path[1] == "0" || path[2] != "sources");
    let (mut without_other, mut rolled, mut fixed) = (Vec::new(), 0, Vec::new());
    for (path, leaf) in &keys {
        let key = path.join(".");
        let parsed = others(leaf).into_iter().filter(|other| other != leaf).find_map(|other| {
            let mut changed = document.clone();
            put(&mut changed, path, other);
            Catalog::parse(&toml::to_string(&changed).ok()?).ok()
        });
        let Some(changed) = parsed else {
            without_other.push(key);
            continue;
        };
        bench.catalog = Arc::new(changed);
        let commits = bench.commits();
        let found = outstanding(&bench).await;
        let status = Roller::new(&bench, CatalogRolloutOptions::default()).look().await;
        assert_eq!(status.behind.len(), found.len(), "{key}");
        bench.process().controller.look_around().await;
        bench.run_to_rest().await;
        assert_eq!(bench.commits(), commits, "{key}: nothing happens by itself");
        let Some(difference) = found.first() else { continue };
        assert_eq!(difference.changed_keys.len(), 1, "{key}: {:?}", difference.changed_keys);
        let result = tenancy(&bench).roll_out_catalog(&caller(), &id("acme")).await;
        if !difference.is_in_place() {
            assert!(matches!(result, Err(TenancyError::NotInPlace { .. })), "{key}");
            assert_eq!(bench.commits(), commits, "{key}");
            fixed.push(key);
            continue;
        }
        result.unwrap_or_else(|error| panic!("{key}: {error}"));
        bench.run_to_rest().await;
        assert_eq!(bench.status("acme"), TenantStatus::Running, "{key}");
        assert_eq!(outstanding(&bench).await, [], "{key}");
        rolled += 1;
        // And back again.
        bench.catalog = embedded.clone();
        tenancy(&bench).roll_out_catalog(&caller(), &id("acme")).await.unwrap();
        bench.run_to_rest().await;
        assert_eq!(bench.status("acme"), TenantStatus::Running, "{key}, back");
        assert_eq!(outstanding(&bench).await, [], "{key}, back");
    }
    fixed.sort();
    assert_eq!(fixed, ["kubernetes.redis.storage_gib", "kubernetes.storage_class"]);
    assert!(rolled > 20, "{rolled} keys were rolled out");
    assert!(without_other.len() * 5 < keys.len(), "no other value for {without_other:?}");
}
