//! Watches samples as they arrive and has the changes of alerts recorded.
//!
//! The engine decides in memory, on the path of the sample, by the rules of core; a task of its own
//! records the changes in order. A change that can not be recorded is tried again until it can.
//! Should too many wait, the engine stops deciding: the state stays as it is, and the next sample
//! after that is judged against it. So nothing is dropped, and nothing grows without bound.
//!
//! What is newest is judged for each metric by itself and by the server's clock: a source that is late,
//! or sends other metrics, keeps nothing of the rest from being judged. Samples that are ahead come
//! here in their time. An alert whose metric is no longer sent ends after five minutes; where nothing
//! comes at all, the alert about that says so.
//!
//! Rules that a tenant sets hold from the moment they are set: what was judged last is judged by them
//! once more, and the next sample by them alone.

mod watched;

use async_trait::async_trait;
use ecp_core::Timestamp;
use ecp_core::alerts::rules::{Rules, advance, end, end_silence};
use ecp_core::alerts::{Alert, AlertChange, AlertSubject};
use ecp_core::deployment::DeploymentStatus;
use ecp_core::ids::{TenantId, TenantKey};
use ecp_core::metrics::{CURRENT_MS, Sample, SampleSource, to_millis};
use ecp_core::ports::{
    AlertingStore, Clock, MetricError, MetricStore, RuleObserver, SampleObserver, StoreError, TenantStore,
};
use ecp_core::tenant::{Tenant, TenantStatus};
use ecp_core::text::Message;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use watched::Watched;

/// Changes that may wait to be recorded.
const WAITING_LIMIT: usize = 10_000;
/// Changes recorded in one transaction.
const CHANGES_IN_A_RECORD: usize = 256;
/// How often running tenants are looked at for silence.
const SILENCE_CHECK: Duration = Duration::from_secs(5);
/// How long changes of tenants are waited for before all are looked at.
const TENANTS_TOGETHER: Duration = Duration::from_millis(200);
/// Longest pause between two tries to record.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Longest that who sent a sample waits for its alert to be recorded.
const LONGEST_SETTLING: Duration = Duration::from_millis(500);
/// Samples of a batch that are older than this were history when they arrived; of those the newest
/// alone is judged.
const HISTORY_MS: i64 = 3_600_000;
/// Places for what is known by subject.
const SUBJECTS: usize = AlertSubject::ALL.len();

/// Opens, moves and resolves the alerts of one mode's tenants.
pub struct AlertEngine {
    store: Arc<dyn TenantStore>,
    alerting: Arc<dyn AlertingStore>,
    clock: Arc<dyn Clock>,
    tenants: Mutex<HashMap<TenantId, Watched>>,
    waiting: Mutex<VecDeque<Item>>,
    wake: Notify,
    /// Counts the tries to record what waits.
    tries: watch::Sender<u64>,
}

#[derive(Clone)]
enum Item {
    Change(AlertChange, Alert),
    Clear(TenantKey),
}

impl AlertEngine {
    /// Makes an engine that knows nothing yet; see [`Self::restore`].
    pub fn new(store: Arc<dyn TenantStore>, alerting: Arc<dyn AlertingStore>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            alerting,
            clock,
            tenants: Mutex::default(),
            waiting: Mutex::default(),
            wake: Notify::new(),
            tries: watch::Sender::new(0),
        }
    }

    /// Takes up the alerts that were open when the server last ended, and judges each tenant's newest
    /// values that are still current, should their change not have been recorded any more. To be called
    /// before the engine observes samples.
    ///
    /// # Errors
    /// The metric storage's.
    pub async fn restore(&self, metrics: &dyn MetricStore) -> Result<(), MetricError> {
        let now = self.clock.now();
        for tenant in self.store.tenants().iter().filter(|tenant| tenant.status != TenantStatus::Deleting) {
            let mut watched = self.begin(tenant, now);
            let key = tenant.key();
            let newest = metrics.subscribe(&key).borrow().map(|latest| latest.samples());
            watched.synthetic = newest.is_some() && !metrics.has_own_samples(&key).await?;
            let mut changes = Vec::new();
            let newest = newest.unwrap_or_default();
            let rules = watched.rules(tenant);
            watched.take_up(&rules, &newest, now, &mut changes);
            for subject in AlertSubject::ALL.into_iter().filter(|subject| !rules.is_enabled(*subject)) {
                let ended = end(&mut watched.open[subject.index()], now, Message::new("alert.rule_disabled"));
                changes.extend(ended.map(|(change, alert)| Item::Change(change, alert)));
            }
            self.tenants.lock().insert(tenant.id.clone(), watched);
            self.enqueue(changes);
        }
        Ok(())
    }

    /// Alerts running tenants that were silent for too long and those whose roll-out failed, ends the
    /// silence of those that no longer run and alerts whose metric is no longer sent, takes up rules that
    /// were changed elsewhere, and forgets tenants that are gone.
    pub fn check_silence(&self, now: Timestamp) {
        if self.is_full() {
            return;
        }
        let tenants = self.store.tenants();
        let mut changes = Vec::new();
        let mut watched_tenants = self.tenants.lock();
        for tenant in tenants.iter().filter(|tenant| self.is_to_be_judged(tenant)) {
            let watched = self.watched(&mut watched_tenants, tenant, now);
            changes.extend(watched.take_rules(tenant, self.alerting.alert_rules(&tenant.key()), now));
            watched.end_unsent(now, &mut changes);
            changes.extend(watched.judge_deployment(tenant, || self.is_taken_back(tenant), now));
            let rules = watched.rules(tenant);
            let open = &mut watched.open[AlertSubject::NoSamples.index()];
            let running = tenant.status == TenantStatus::Running;
            let change = if !running {
                end_silence(open, now)
            } else if !watched.running {
                // It has just begun to run, or the engine has: from here on samples are expected.
                watched.heard_at = watched.heard_at.max(now);
                None
            } else {
                let limits = rules.limits(AlertSubject::NoSamples);
                let silence = now.duration_since(watched.heard_at).as_secs_f64();
                // Silence only grows; what ends it is a sample.
                let alerted = open.is_some() || silence <= 0.0;
                if alerted || !rules.is_enabled(AlertSubject::NoSamples) {
                    None
                } else {
                    let over = &mut watched.over[AlertSubject::NoSamples.index()];
                    advance(open, over, &watched.key, AlertSubject::NoSamples, &limits, silence, now)
                }
            };
            watched.running = running;
            changes.extend(change.map(|(change, alert)| Item::Change(change, alert)));
        }
        if watched_tenants.len() > tenants.len() {
            watched_tenants.retain(|id, _| self.store.tenant(id).is_some());
        }
        // Still locked, so that changes of a tenant wait in the order in which they were decided.
        self.enqueue(changes);
    }

    /// True of a tenant that goes back, or went, because its roll-out failed.
    fn is_taken_back(&self, tenant: &Tenant) -> bool {
        let replaced =
            self.store.deployment(&tenant.deployment_id).and_then(|newest| newest.replaces.clone());
        replaced
            .and_then(|id| self.store.deployment(&id))
            .is_some_and(|failed| failed.status == DeploymentStatus::RolledBack)
    }

    /// Records changes and watches for silence until cancelled; what waits then is recorded once
    /// more.
    pub async fn run(&self, cancel: CancellationToken) {
        let watching = async {
            let mut timer = tokio::time::interval(SILENCE_CHECK);
            timer.set_missed_tick_behavior(MissedTickBehavior::Skip);
            let mut tenants = self.store.subscribe_tenants();
            let mut due = async || {
                tokio::select! {
                    _ = timer.tick() => {}
                    // A roll-out may have failed. Many change at a time: they are looked at together.
                    changed = tenants.changed() => match changed {
                        Ok(()) => tokio::time::sleep(TENANTS_TOGETHER).await,
                        Err(_closed) => std::future::pending().await,
                    },
                }
            };
            while cancel.run_until_cancelled(due()).await.is_some() {
                self.check_silence(self.clock.now());
            }
        };
        let recording = async {
            let mut pause = Duration::from_millis(100);
            while !cancel.is_cancelled() {
                match self.record_waiting().await {
                    Ok(()) => {
                        pause = Duration::from_millis(100);
                        cancel.run_until_cancelled(self.wake.notified()).await;
                    }
                    Err(error) => {
                        tracing::error!(
                            error = &error as &dyn std::error::Error,
                            "changes of alerts can not be recorded; they are tried again"
                        );
                        cancel.run_until_cancelled(tokio::time::sleep(pause)).await;
                        pause = (pause * 2).min(LONGEST_PAUSE);
                    }
                }
            }
        };
        tokio::join!(watching, recording);
        if let Err(error) = self.record_waiting().await {
            tracing::error!(error = &error as &dyn std::error::Error, "changes of alerts are not recorded");
        }
    }

    /// Records everything that waits, in order; what fails goes on waiting.
    async fn record_waiting(&self) -> Result<(), StoreError> {
        loop {
            let (changes, clear) = {
                let waiting = self.waiting.lock();
                let changes: Vec<(AlertChange, Alert)> = waiting
                    .iter()
                    .take(CHANGES_IN_A_RECORD)
                    .map_while(|item| match item {
                        Item::Change(change, alert) => Some((*change, alert.clone())),
                        Item::Clear(_) => None,
                    })
                    .collect();
                match waiting.front() {
                    None => return Ok(()),
                    Some(Item::Clear(key)) => (changes, Some(key.clone())),
                    Some(Item::Change(..)) => (changes, None),
                }
            };
            let count = if clear.is_some() { 1 } else { changes.len() };
            let recorded = match &clear {
                Some(key) => self.store.clear_alerts(key).await,
                None => self.store.record_alerts(changes).await,
            };
            if recorded.is_ok() {
                // This task alone takes from the front.
                self.waiting.lock().drain(..count);
            }
            self.tries.send_modify(|tries| *tries += 1);
            recorded?;
        }
    }

    /// True of a tenant that is judged here: of several processes the one that works on it does.
    fn is_to_be_judged(&self, tenant: &Tenant) -> bool {
        tenant.status != TenantStatus::Deleting && self.store.tenure(&tenant.id).is_some()
    }

    /// What is known of a tenant at first: the alerts that are open.
    fn begin(&self, tenant: &Tenant, now: Timestamp) -> Watched {
        let mut watched = Watched::new(tenant, self.alerting.alert_rules(&tenant.key()), now);
        watched.tenure = self.store.tenure(&tenant.id);
        for alert in self.store.open_alerts(&tenant.id) {
            watched.open[alert.subject.index()] = Some(Alert::clone(&alert));
        }
        watched
    }

    /// The state of a tenant; begun anew where there is none, or it is that of an earlier tenant, or another
    /// process judged the tenant meanwhile.
    fn watched<'a>(
        &self,
        tenants: &'a mut HashMap<TenantId, Watched>,
        tenant: &Tenant,
        now: Timestamp,
    ) -> &'a mut Watched {
        let watched = tenants.entry(tenant.id.clone()).or_insert_with(|| self.begin(tenant, now));
        let tenure = self.store.tenure(&tenant.id);
        if watched.key.incarnation != tenant.incarnation || watched.tenure != tenure {
            *watched = self.begin(tenant, now);
        }
        watched
    }

    fn is_full(&self) -> bool {
        self.waiting.lock().len() >= WAITING_LIMIT
    }

    fn enqueue(&self, changes: Vec<Item>) {
        if !changes.is_empty() {
            self.waiting.lock().extend(changes);
            self.wake.notify_one();
        }
    }
}

impl Item {
    fn is_of(&self, key: &TenantKey) -> bool {
        match self {
            Self::Change(_, alert) => alert.tenant_id == key.id && alert.incarnation == key.incarnation,
            Self::Clear(cleared) => cleared == key,
        }
    }

    /// When the change happened; clearing comes before all changes.
    fn at(&self) -> Option<Timestamp> {
        match self {
            Self::Change(_, alert) => Some(alert.updated_at),
            Self::Clear(_) => None,
        }
    }
}

#[async_trait]
impl SampleObserver for AlertEngine {
    fn is_settled(&self, key: &TenantKey) -> bool {
        !self.waiting.lock().iter().any(|item| item.is_of(key))
    }

    async fn settle(&self, key: &TenantKey) {
        let mut tries = self.tries.subscribe();
        let recorded = async { while !self.is_settled(key) && tries.changed().await.is_ok() {} };
        // A database that fails keeps the change waiting; the sample is on disk all the same.
        let _ = tokio::time::timeout(LONGEST_SETTLING, recorded).await;
    }

    fn samples_stored(&self, key: &TenantKey, source: SampleSource, samples: &[Sample]) {
        let synthetic = !source.is_measured();
        // Samples of a tenant that is gone must not be judged as those of the next one of its id.
        let is_this =
            |tenant: &Arc<Tenant>| tenant.incarnation == key.incarnation && self.is_to_be_judged(tenant);
        let Some(tenant) = self.store.tenant(&key.id).filter(is_this) else { return };
        let Some(newest_ms) = samples.iter().map(|sample| sample.timestamp_ms).max() else { return };
        let now = self.clock.now();
        let mut tenants = self.tenants.lock();
        let watched = self.watched(&mut tenants, &tenant, now);
        let mut changes = Vec::new();
        if watched.synthetic && !synthetic {
            // The alerts were about load that nobody had.
            let settings = watched.settings.clone();
            let (running, tenure) = (watched.running, watched.tenure);
            *watched = Watched { running, tenure, ..Watched::new(&tenant, settings, now) };
            changes.push(Item::Clear(key.clone()));
        }
        watched.synthetic = synthetic;
        let is_full = self.is_full();
        let newest_known = watched.newest_ms.iter().flatten().max();
        if newest_known.is_none_or(|known| newest_ms >= *known) || newest_ms >= to_millis(now) - CURRENT_MS {
            watched.heard_at = now;
            let open = &mut watched.open[AlertSubject::NoSamples.index()];
            if open.is_some() && !is_full {
                let over = &mut watched.over[AlertSubject::NoSamples.index()];
                let limits = Rules::of(&tenant).limits(AlertSubject::NoSamples);
                let ended = advance(open, over, key, AlertSubject::NoSamples, &limits, 0.0, now);
                changes.extend(ended.map(|(change, alert)| Item::Change(change, alert)));
            }
        }
        if !is_full {
            changes.extend(watched.take_rules(&tenant, self.alerting.alert_rules(key), now));
            watched.judge(&watched.rules(&tenant), samples, synthetic, now, &mut changes);
        }
        self.enqueue(changes);
    }
}

#[async_trait]
impl RuleObserver for AlertEngine {
    async fn rules_changed(&self, key: &TenantKey) {
        let tenant = self.store.tenant(&key.id).filter(|tenant| tenant.incarnation == key.incarnation);
        if let Some(tenant) = tenant
            && self.is_to_be_judged(&tenant)
            && !self.is_full()
        {
            let now = self.clock.now();
            let mut tenants = self.tenants.lock();
            let watched = self.watched(&mut tenants, &tenant, now);
            let changes = watched.take_rules(&tenant, self.alerting.alert_rules(key), now);
            self.enqueue(changes);
        }
        self.settle(key).await;
    }
}

#[cfg(test)]
mod tests;
