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

use async_trait::async_trait;
use ecp_core::Timestamp;
use ecp_core::alerts::rules::{Rules, SILENCE_SECONDS, advance, end, end_silence};
use ecp_core::alerts::{Alert, AlertChange, AlertSubject};
use ecp_core::ids::{TenantId, TenantKey};
use ecp_core::metrics::{CURRENT_MS, Sample, SampleSource, to_millis};
use ecp_core::ports::{Clock, MetricError, MetricStore, SampleObserver, StoreError, TenantStore};
use ecp_core::tenant::{Tenant, TenantStatus};
use ecp_core::text::Message;
use parking_lot::Mutex;
use std::borrow::Cow;
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
/// Places for what is known by subject.
const SUBJECTS: usize = AlertSubject::ALL.len();

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
    /// The tenant, told from a later one of the same id.
    key: TenantKey,
    /// Time of the newest sample that was judged, by [`AlertSubject::index`].
    newest_ms: [Option<i64>; SUBJECTS],
    /// When a value last came, or waiting for one began to count, by [`AlertSubject::index`].
    seen_at: [Timestamp; SUBJECTS],
    /// True while demo mode makes up its samples.
    synthetic: bool,
    /// True once it was seen running.
    running: bool,
    /// When it was last heard of, or silence began to count.
    heard_at: Timestamp,
    /// Its open alerts, by [`AlertSubject::index`].
    open: [Option<Alert>; SUBJECTS],
}

#[derive(Clone)]
enum Item {
    Change(AlertChange, Alert),
    Clear(TenantKey),
}

impl Watched {
    fn new(tenant: &Tenant, now: Timestamp) -> Self {
        Self {
            key: tenant.key(),
            newest_ms: [None; SUBJECTS],
            seen_at: [now; SUBJECTS],
            synthetic: false,
            running: false,
            heard_at: now,
            open: Default::default(),
        }
    }

    /// Judges samples by every rule, each metric in order of time: none that is older than the newest
    /// judged, and of what was history when it came its newest alone.
    fn judge(
        &mut self,
        rules: &Rules,
        samples: &[Sample],
        synthetic: bool,
        now: Timestamp,
        changes: &mut Vec<Item>,
    ) {
        let now_ms = to_millis(now);
        let sorted = if samples.is_sorted_by_key(|sample| sample.timestamp_ms) {
            Cow::Borrowed(samples)
        } else {
            let mut sorted = samples.to_vec();
            sorted.sort_by_key(|sample| sample.timestamp_ms);
            Cow::Owned(sorted)
        };
        let place = |time_ms: i64| sorted.partition_point(|sample| sample.timestamp_ms < time_ms);
        // Made up for the past, at a stroke: nobody could have been alerted.
        let history = if synthetic { sorted.len() } else { place(now_ms - HISTORY_MS) };
        let current = place(now_ms - CURRENT_MS);
        let mut judged = Vec::new();
        for subject in AlertSubject::ALL {
            let index = subject.index();
            // A clock that was ahead and was set back must not put the judging of the present off.
            let newest_ms = self.newest_ms[index].map(|newest| newest.min(now_ms));
            let new = newest_ms.map_or(0, place);
            let reading = |sample: &Sample| Some((sample.timestamp_ms, rules.reading(subject, sample)?));
            let limits = rules.limits(subject);
            let (open, key) = (&mut self.open[index], &self.key);
            let mut last_ms = None;
            let mut take = |(time_ms, value): (i64, f64)| {
                last_ms = Some(time_ms);
                let Ok(at) = Timestamp::from_millisecond(time_ms) else { return };
                let change = advance(open, key, subject, &limits, value, at);
                judged.extend(change.map(|(change, alert)| Item::Change(change, alert)));
            };
            let mut readings = sorted[new.max(history)..].iter().filter_map(reading).peekable();
            if readings.peek().is_none() {
                let of_history = sorted.get(new..history).unwrap_or_default();
                of_history.iter().rev().find_map(reading).into_iter().for_each(&mut take);
            }
            readings.for_each(take);
            self.newest_ms[index] = last_ms.or(newest_ms);
            // What is late is no news of the metric, unless it is of the last minutes.
            let is_current = || sorted[current..].iter().any(|sample| reading(sample).is_some());
            if last_ms.is_some() || is_current() {
                self.seen_at[index] = now;
            }
        }
        if judged.len() > 1 {
            judged.sort_by_key(Item::at);
        }
        changes.append(&mut judged);
    }

    /// Ends the alerts whose metric is no longer sent.
    fn end_unsent(&mut self, now: Timestamp, changes: &mut Vec<Item>) {
        for (open, seen_at) in self.open.iter_mut().zip(self.seen_at) {
            let unsent = now.duration_since(seen_at).as_secs_f64() > SILENCE_SECONDS;
            // Silence has no metric of its own: its end is a sample.
            if unsent && open.as_ref().is_some_and(|alert| alert.subject != AlertSubject::NoSamples) {
                let ended = end(open, now, Message::new("alert.metric_unsent"));
                changes.extend(ended.map(|(change, alert)| Item::Change(change, alert)));
            }
        }
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

    /// Takes up the alerts that were open when the server last ended, and judges each tenant's newest
    /// values, should their change not have been recorded any more. To be called before the engine
    /// observes samples.
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
            let key = tenant.key();
            let newest = metrics.subscribe(&key).borrow().map(|latest| latest.samples());
            watched.synthetic = newest.is_some() && !metrics.has_own_samples(&key).await?;
            let mut changes = Vec::new();
            let newest = newest.unwrap_or_default();
            watched.judge(&Rules::of(tenant), &newest, watched.synthetic, now, &mut changes);
            self.tenants.lock().insert(tenant.id.clone(), watched);
            self.enqueue(changes);
        }
        Ok(())
    }

    /// Alerts running tenants that were silent for too long, ends the silence of those that no
    /// longer run and alerts whose metric is no longer sent, and forgets tenants that are gone.
    pub fn check_silence(&self, now: Timestamp) {
        if self.is_full() {
            return;
        }
        let tenants = self.store.tenants();
        let mut changes = Vec::new();
        let mut watched_tenants = self.tenants.lock();
        for tenant in tenants.iter().filter(|tenant| tenant.status != TenantStatus::Deleting) {
            let watched = watched(&mut watched_tenants, tenant, now);
            watched.end_unsent(now, &mut changes);
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
                    advance(open, &watched.key, AlertSubject::NoSamples, &limits, silence, now)
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
        let is_this = |tenant: &Arc<Tenant>| {
            tenant.incarnation == key.incarnation && tenant.status != TenantStatus::Deleting
        };
        let Some(tenant) = self.store.tenant(&key.id).filter(is_this) else { return };
        let Some(newest_ms) = samples.iter().map(|sample| sample.timestamp_ms).max() else { return };
        let now = self.clock.now();
        let mut tenants = self.tenants.lock();
        let watched = watched(&mut tenants, &tenant, now);
        let mut changes = Vec::new();
        if watched.synthetic && !synthetic {
            // The alerts were about load that nobody had.
            *watched = Watched { running: watched.running, ..Watched::new(&tenant, now) };
            changes.push(Item::Clear(key.clone()));
        }
        watched.synthetic = synthetic;
        let is_full = self.is_full();
        let newest_known = watched.newest_ms.iter().flatten().max();
        if newest_known.is_none_or(|known| newest_ms >= *known) || newest_ms >= to_millis(now) - CURRENT_MS {
            watched.heard_at = now;
            let open = &mut watched.open[AlertSubject::NoSamples.index()];
            if open.is_some() && !is_full {
                let limits = Rules::of(&tenant).limits(AlertSubject::NoSamples);
                let ended = advance(open, key, AlertSubject::NoSamples, &limits, 0.0, now);
                changes.extend(ended.map(|(change, alert)| Item::Change(change, alert)));
            }
        }
        if !is_full {
            watched.judge(&Rules::of(&tenant), samples, synthetic, now, &mut changes);
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
    if watched.key.incarnation != tenant.incarnation {
        *watched = Watched::new(tenant, now);
    }
    watched
}

#[cfg(test)]
mod tests;
