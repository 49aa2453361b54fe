//! Watches samples as they arrive and has the changes of alerts recorded.
//!
//! The engine decides in memory, on the path of the sample, by the rules of core; a task of its own
//! records the changes in order. A change that can not be recorded is tried again until it can.
//! Should too many wait, the engine stops deciding: the state stays as it is, and the next sample
//! after that is judged against it. So nothing is dropped, and nothing grows without bound.

use async_trait::async_trait;
use ecp_core::Timestamp;
use ecp_core::alerts::rules::{Rules, advance, end_silence};
use ecp_core::alerts::{Alert, AlertChange, AlertSubject};
use ecp_core::ids::TenantId;
use ecp_core::metrics::{Sample, to_millis};
use ecp_core::ports::{Clock, MetricError, MetricStore, SampleObserver, StoreError, TenantStore};
use ecp_core::tenant::{Tenant, TenantStatus};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// Changes that may wait to be recorded.
const WAITING_LIMIT: usize = 10_000;
/// Changes recorded in one transaction.
const CHANGES_IN_A_RECORD: usize = 256;
/// How often running tenants are looked at for silence.
const SILENCE_CHECK: Duration = Duration::from_secs(5);
/// Longest pause between two tries to record.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Longest that who sent a sample waits for its alert to be recorded.
const LONGEST_SETTLING: Duration = Duration::from_millis(500);
/// Samples of a batch that are older than this were history when they arrived; of those the newest
/// alone is judged.
const HISTORY_MS: i64 = 3_600_000;
/// A sample that is not older than this shows that its tenant is not silent.
const CURRENT_MS: i64 = 300_000;

/// Opens, moves and resolves the alerts of one mode's tenants.
pub struct AlertEngine {
    store: Arc<dyn TenantStore>,
    clock: Arc<dyn Clock>,
    tenants: Mutex<HashMap<TenantId, Watched>>,
    waiting: Mutex<VecDeque<Item>>,
    wake: Notify,
    /// Counts the tries to record what waits.
    tries: watch::Sender<u64>,
}

/// What the engine knows of a tenant.
struct Watched {
    /// Tells this tenant from a later one of the same id.
    created_at: Timestamp,
    /// Newest sample that was judged.
    newest_ms: Option<i64>,
    /// True while demo mode makes up its samples.
    synthetic: bool,
    /// True once it was seen running.
    running: bool,
    /// When it was last heard of, or silence began to count.
    heard_at: Timestamp,
    /// Its open alerts, by [`AlertSubject::index`].
    open: [Option<Alert>; AlertSubject::ALL.len()],
}

#[derive(Clone)]
enum Item {
    Change(AlertChange, Alert),
    Clear(TenantId),
}

impl Watched {
    fn new(tenant: &Tenant, now: Timestamp) -> Self {
        Self {
            created_at: tenant.created_at,
            newest_ms: None,
            synthetic: false,
            running: false,
            heard_at: now,
            open: Default::default(),
        }
    }

    /// Judges one sample by every rule.
    fn judge(&mut self, tenant: &Tenant, rules: &Rules, sample: &Sample, changes: &mut Vec<Item>) {
        let Ok(at) = Timestamp::from_millisecond(sample.timestamp_ms) else { return };
        self.newest_ms = Some(sample.timestamp_ms);
        for subject in AlertSubject::ALL {
            let Some(value) = rules.reading(subject, sample) else { continue };
            let open = &mut self.open[subject.index()];
            let change = advance(open, &tenant.id, subject, &rules.limits(subject), value, at);
            changes.extend(change.map(|(change, alert)| Item::Change(change, alert)));
        }
    }

    /// The samples to be judged, in order of time: none that is older than the newest judged.
    fn to_judge(&self, samples: &[Sample], synthetic: bool, now_ms: i64) -> Vec<Sample> {
        let is_new = |sample: &&Sample| self.newest_ms.is_none_or(|newest| sample.timestamp_ms >= newest);
        let mut new: Vec<Sample> = samples.iter().filter(is_new).copied().collect();
        new.sort_by_key(|sample| sample.timestamp_ms);
        let history = if synthetic {
            // Made up for the past, at a stroke: nobody could have been alerted.
            new.len()
        } else {
            new.partition_point(|sample| sample.timestamp_ms < now_ms - HISTORY_MS)
        };
        new.drain(..history.min(new.len().saturating_sub(1)));
        new
    }
}

impl AlertEngine {
    /// Makes an engine that knows nothing yet; see [`Self::restore`].
    pub fn new(store: Arc<dyn TenantStore>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            tenants: Mutex::default(),
            waiting: Mutex::default(),
            wake: Notify::new(),
            tries: watch::Sender::new(0),
        }
    }

    /// Takes up the alerts that were open when the server last ended, and judges each tenant's
    /// newest sample, should its change not have been recorded any more. To be called before the
    /// engine observes samples.
    ///
    /// # Errors
    /// The metric storage's.
    pub async fn restore(&self, metrics: &dyn MetricStore) -> Result<(), MetricError> {
        let now = self.clock.now();
        for tenant in self.store.tenants().iter().filter(|tenant| tenant.status != TenantStatus::Deleting) {
            let mut watched = Watched::new(tenant, now);
            for alert in self.store.open_alerts(&tenant.id) {
                watched.open[alert.subject.index()] = Some(Alert::clone(&alert));
            }
            let newest = metrics.subscribe(&tenant.id).borrow().map(|latest| latest.sample);
            watched.synthetic = newest.is_some() && !metrics.has_own_samples(&tenant.id).await?;
            let mut changes = Vec::new();
            if let Some(newest) = newest {
                watched.judge(tenant, &Rules::of(tenant), &newest, &mut changes);
            }
            self.tenants.lock().insert(tenant.id.clone(), watched);
            self.enqueue(changes);
        }
        Ok(())
    }

    /// Alerts running tenants that were silent for too long, ends the silence of those that no
    /// longer run, and forgets tenants that are gone.
    pub fn check_silence(&self, now: Timestamp) {
        if self.is_full() {
            return;
        }
        let tenants = self.store.tenants();
        let mut changes = Vec::new();
        let mut watched_tenants = self.tenants.lock();
        for tenant in tenants.iter().filter(|tenant| tenant.status != TenantStatus::Deleting) {
            let watched = watched(&mut watched_tenants, tenant, now);
            let open = &mut watched.open[AlertSubject::NoSamples.index()];
            let running = tenant.status == TenantStatus::Running;
            let change = if !running {
                end_silence(open, now)
            } else if !watched.running {
                // It has just begun to run, or the engine has: from here on samples are expected.
                watched.heard_at = watched.heard_at.max(now);
                None
            } else {
                let limits = Rules::of(tenant).limits(AlertSubject::NoSamples);
                let silence = now.duration_since(watched.heard_at).as_secs_f64();
                // Silence only grows; what ends it is a sample.
                let alerted = open.is_some() || silence <= 0.0;
                if alerted {
                    None
                } else {
                    advance(open, &tenant.id, AlertSubject::NoSamples, &limits, silence, now)
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

    /// Records changes and watches for silence until cancelled; what waits then is recorded once
    /// more.
    pub async fn run(&self, cancel: CancellationToken) {
        let watching = async {
            let mut timer = tokio::time::interval(SILENCE_CHECK);
            timer.set_missed_tick_behavior(MissedTickBehavior::Skip);
            while cancel.run_until_cancelled(timer.tick()).await.is_some() {
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
                    Some(Item::Clear(id)) => (changes, Some(id.clone())),
                    Some(Item::Change(..)) => (changes, None),
                }
            };
            let count = if clear.is_some() { 1 } else { changes.len() };
            let recorded = match &clear {
                Some(id) => self.store.clear_alerts(id).await,
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
    fn tenant_id(&self) -> &TenantId {
        match self {
            Self::Change(_, alert) => &alert.tenant_id,
            Self::Clear(id) => id,
        }
    }
}

#[async_trait]
impl SampleObserver for AlertEngine {
    fn is_settled(&self, id: &TenantId) -> bool {
        !self.waiting.lock().iter().any(|item| item.tenant_id() == id)
    }

    async fn settle(&self, id: &TenantId) {
        let mut tries = self.tries.subscribe();
        let recorded = async { while !self.is_settled(id) && tries.changed().await.is_ok() {} };
        // A database that fails keeps the change waiting; the sample is on disk all the same.
        let _ = tokio::time::timeout(LONGEST_SETTLING, recorded).await;
    }

    fn samples_stored(&self, id: &TenantId, samples: &[Sample], synthetic: bool) {
        let Some(tenant) = self.store.tenant(id).filter(|tenant| tenant.status != TenantStatus::Deleting)
        else {
            return;
        };
        let Some(newest_ms) = samples.iter().map(|sample| sample.timestamp_ms).max() else { return };
        let now = self.clock.now();
        let mut tenants = self.tenants.lock();
        let watched = watched(&mut tenants, &tenant, now);
        let mut changes = Vec::new();
        if watched.synthetic && !synthetic {
            // The alerts were about load that nobody had.
            *watched = Watched { running: watched.running, ..Watched::new(&tenant, now) };
            changes.push(Item::Clear(id.clone()));
        }
        watched.synthetic = synthetic;
        let is_full = self.is_full();
        if newest_ms >= watched.newest_ms.unwrap_or(i64::MIN) || newest_ms >= to_millis(now) - CURRENT_MS {
            watched.heard_at = now;
            let open = &mut watched.open[AlertSubject::NoSamples.index()];
            if open.is_some() && !is_full {
                let limits = Rules::of(&tenant).limits(AlertSubject::NoSamples);
                let ended = advance(open, id, AlertSubject::NoSamples, &limits, 0.0, now);
                changes.extend(ended.map(|(change, alert)| Item::Change(change, alert)));
            }
        }
        if !is_full {
            let rules = Rules::of(&tenant);
            match samples {
                [sample] => {
                    if watched.newest_ms.is_none_or(|newest| sample.timestamp_ms >= newest) {
                        watched.judge(&tenant, &rules, sample, &mut changes);
                    }
                }
                batch => {
                    for sample in watched.to_judge(batch, synthetic, to_millis(now)) {
                        watched.judge(&tenant, &rules, &sample, &mut changes);
                    }
                }
            }
            // A client whose clock is ahead must not put the judging of the present off.
            watched.newest_ms = watched.newest_ms.map(|newest| newest.min(to_millis(now)));
        }
        self.enqueue(changes);
    }
}

/// The state of a tenant; begun anew where there is none, or it is that of an earlier tenant.
fn watched<'a>(
    tenants: &'a mut HashMap<TenantId, Watched>,
    tenant: &Tenant,
    now: Timestamp,
) -> &'a mut Watched {
    if !tenants.contains_key(&tenant.id) {
        tenants.insert(tenant.id.clone(), Watched::new(tenant, now));
    }
    let watched = tenants.get_mut(&tenant.id).expect("it was inserted if it was not there");
    if watched.created_at != tenant.created_at {
        *watched = Watched::new(tenant, now);
    }
    watched
}

#[cfg(test)]
mod tests;
