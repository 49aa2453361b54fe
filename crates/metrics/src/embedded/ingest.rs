//! The way in: appends of many callers become one log row and one commit.
//!
//! Callers queue; one task at a time takes the whole queue into a write. What changes a tenant's
//! key (its first samples, own samples after synthetic ones, removal) goes through the same queue,
//! so that the order of acceptance is the order of the queue, in memory and on disk.

use super::slot::Slot;
use super::tables;
use super::{Inner, Tenants};
use crate::codec::log::LogWriter;
use ecp_core::metrics::{Sample, SampleSource};
use ecp_core::ports::{MetricError, StoreError};
use ecp_store::database_error;
use parking_lot::Mutex;
use rusqlite::Transaction;
use std::collections::HashMap;
use std::mem;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

type Answer = oneshot::Sender<Result<Outcome, Arc<StoreError>>>;

/// How a call that was written ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// What was asked for is so.
    Done,
    /// The tenant does not exist any more; nothing is kept.
    TenantGone,
}

/// What callers asked for and no write has taken yet.
#[derive(Default)]
pub(super) struct Queue {
    group: Group,
    /// True while a task is writing; it takes what comes meanwhile.
    writing: bool,
    /// What the next group may wait for.
    gathering: Gathering,
}

/// When a group is worth waiting for: callers that send one sample after another come back soon
/// after their answer, and a commit that takes only the first of them makes the rest wait for two.
#[derive(Clone, Copy, Default)]
struct Gathering {
    /// Calls that are expected; the group is written as soon as they are there.
    calls: usize,
    /// Longest wait for them.
    patience: Duration,
}

impl Gathering {
    /// Commits quicker than this are not worth a wait, nor can the timer measure a part of them.
    const SLOW_COMMIT: Duration = Duration::from_millis(4);

    /// Judges by the group before: it has just been answered.
    fn after(calls: usize, commit: Duration) -> Self {
        if calls < 2 || commit < Self::SLOW_COMMIT {
            return Self::default();
        }
        Self { calls, patience: commit / 4 }
    }
}

/// What goes into one log row. Samples of all calls lie one after another.
#[derive(Default)]
struct Group {
    calls: Vec<Call>,
    samples: Vec<Sample>,
    answers: Vec<Answer>,
    permits: usize,
}

struct Call {
    slot: Arc<Slot>,
    kind: CallKind,
}

enum CallKind {
    Append { samples: Range<usize>, source: SampleSource },
    Remove,
}

/// What the write did for a call, to be repeated in memory after the commit.
#[derive(Clone, Copy)]
enum Effect {
    /// Stored under this key; `fresh` says that the tenant has nothing older under it.
    Stored { key: i64, own: bool, fresh: bool },
    /// Synthetic samples of a tenant that has its own.
    Ignored,
    /// Samples of a tenant that is gone.
    TenantGone,
    /// Everything is forgotten.
    Removed,
}

/// A group that was written, and how.
struct Written {
    group: Group,
    effects: Vec<Effect>,
    log_id: i64,
    log_bytes: usize,
}

/// Passes one failure on to every caller of its group.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Shared(Arc<StoreError>);

fn shared(error: Arc<StoreError>) -> MetricError {
    match &*error {
        StoreError::Closed => MetricError::Storage(StoreError::Closed),
        StoreError::Database { operation, .. } => {
            MetricError::Storage(StoreError::Database { operation, source: Box::new(Shared(error.clone())) })
        }
        _ => {
            MetricError::Storage(StoreError::Database { operation: STORING, source: Box::new(Shared(error)) })
        }
    }
}

const STORING: &str = "storing samples";

impl Inner {
    /// Queues samples and returns when they are on disk.
    pub(super) async fn append(
        self: &Arc<Self>,
        slot: Arc<Slot>,
        source: SampleSource,
        samples: &[Sample],
    ) -> Result<(), MetricError> {
        if samples.is_empty() {
            return Ok(());
        }
        while self.log_bytes.load(Ordering::Relaxed) > self.options.log_bytes_limit {
            // Memory is bounded: who is faster than the chunks helps to write them.
            self.flush_all().await?;
        }
        let permits = samples.len().min(self.options.queued_samples);
        let permit = self.places.acquire_many(permits as u32).await.map_err(|_| closed())?;
        permit.forget();
        let answer = {
            let mut queue = self.queue.lock();
            let start = queue.group.samples.len();
            queue.group.samples.extend_from_slice(samples);
            let samples = start..queue.group.samples.len();
            let call = Call { slot: slot.clone(), kind: CallKind::Append { samples, source } };
            self.enqueue(&mut queue, call, permits)
        };
        match answered(answer).await? {
            Outcome::Done => Ok(()),
            Outcome::TenantGone => Err(MetricError::TenantGone(slot.tenant.clone())),
        }
    }

    /// Queues the removal of a tenant and returns when it is on disk.
    pub(super) async fn remove(self: &Arc<Self>, slot: Arc<Slot>) -> Result<(), MetricError> {
        let answer = self.enqueue(&mut self.queue.lock(), Call { slot, kind: CallKind::Remove }, 0);
        answered(answer).await.map(|_done| ())
    }

    fn enqueue(
        self: &Arc<Self>,
        queue: &mut Queue,
        call: Call,
        permits: usize,
    ) -> oneshot::Receiver<Result<Outcome, Arc<StoreError>>> {
        let (answer, answered) = oneshot::channel();
        queue.group.calls.push(call);
        queue.group.answers.push(answer);
        queue.group.permits += permits;
        if queue.group.calls.len() == queue.gathering.calls {
            self.gathered.notify_one();
        }
        if !mem::replace(&mut queue.writing, true) {
            let inner = self.clone();
            tokio::spawn(async move { inner.write_groups().await });
        }
        answered
    }

    /// Writes group after group until the queue is empty.
    async fn write_groups(self: Arc<Self>) {
        loop {
            self.gather().await;
            let begin = Instant::now();
            // Who waits for this group; outlives the write, so that a failure reaches them.
            let waiting: Arc<Mutex<(Vec<Answer>, usize)>> = Arc::default();
            let (writer, taken, publisher) = (self.clone(), waiting.clone(), self.clone());
            let written = self
                .database
                .write_then(
                    STORING,
                    move |transaction| {
                        let mut group = mem::take(&mut writer.queue.lock().group);
                        *taken.lock() = (mem::take(&mut group.answers), group.permits);
                        let log_id = writer.log_id.load(Ordering::Relaxed) + 1;
                        write_group(transaction, group, log_id, &writer.tenants)
                    },
                    move |written: &Written| publisher.publish(written),
                )
                .await;
            let written = written.map_err(Arc::new);
            let (mut answers, mut permits) = mem::take(&mut *waiting.lock());
            let finished = {
                let mut queue = self.queue.lock();
                if written.is_err() && answers.is_empty() {
                    // The write failed before it took the queue, so it is the queue that failed.
                    let group = mem::take(&mut queue.group);
                    (answers, permits) = (group.answers, group.permits);
                }
                queue.gathering = Gathering::after(answers.len(), begin.elapsed());
                queue.writing = !queue.group.calls.is_empty();
                !queue.writing
            };
            self.places.add_permits(permits);
            for (index, answer) in answers.into_iter().enumerate() {
                let outcome = written.as_ref().map(|written| match written.effects.get(index) {
                    Some(Effect::TenantGone) => Outcome::TenantGone,
                    _ => Outcome::Done,
                });
                // A caller that went away does not want its answer.
                let _ = answer.send(outcome.map_err(Arc::clone));
            }
            if finished {
                return;
            }
        }
    }

    /// Waits for the calls that are worth it.
    async fn gather(&self) {
        let Gathering { calls, patience } = self.queue.lock().gathering;
        let gathering = async {
            while self.queue.lock().group.calls.len() < calls {
                self.gathered.notified().await;
            }
        };
        if calls > 0 {
            // Whoever is there when the time is up is written.
            let _ = tokio::time::timeout(patience, gathering).await;
        }
    }

    /// Repeats in memory what is on disk now. Runs between the commit and its answer, one group at
    /// a time and in order.
    fn publish(&self, written: &Written) {
        let Written { group, effects, log_id, log_bytes } = written;
        let observers = self.observers.read();
        let now_ms = self.now_ms();
        // A flush looks at heads only between groups: one log row is in chunks wholly or not.
        let mut unflushed = self.unflushed.lock();
        for (call, effect) in group.calls.iter().zip(effects) {
            let slot = &call.slot;
            match (&call.kind, effect) {
                (CallKind::Append { samples, source }, Effect::Stored { key, own, fresh }) => {
                    let samples = &group.samples[samples.clone()];
                    let mut state = slot.state.lock();
                    if *fresh {
                        self.forget_cached(state.key);
                        state.restart(Some(*key), *own);
                        slot.newest.forget();
                    }
                    crate::head::add(&mut state.head, samples);
                    state.told.note(*source, samples);
                    state.head_log_id = *log_id;
                    state.note_change();
                    if !mem::replace(&mut state.listed, true) {
                        unflushed.push(slot.clone());
                    }
                    let due = state.ahead.take_due(samples, now_ms);
                    let is_ahead = state.ahead.next_due().is_some();
                    drop(state);
                    if is_ahead {
                        self.note_ahead(slot);
                    }
                    if !due.is_empty() {
                        slot.newest.offer(&due, now_ms);
                        for observer in observers.iter() {
                            observer.samples_stored(&slot.tenant, *source, &due);
                        }
                    }
                }
                (CallKind::Remove, Effect::Removed) => {
                    let mut state = slot.state.lock();
                    self.forget_cached(state.key);
                    state.restart(None, false);
                    slot.newest.forget();
                }
                _ => {}
            }
        }
        self.log_id.store(*log_id, Ordering::Relaxed);
        let bytes = self.log_bytes.fetch_add(*log_bytes, Ordering::Relaxed) + log_bytes;
        drop(unflushed);
        if bytes > self.options.flush_at_log_bytes {
            self.flush_wanted.notify_one();
        }
    }

    fn forget_cached(&self, key: Option<i64>) {
        if let Some(key) = key {
            self.cache.forget(key);
        }
    }
}

async fn answered(
    answer: oneshot::Receiver<Result<Outcome, Arc<StoreError>>>,
) -> Result<Outcome, MetricError> {
    // The writing task answers every call; it is dropped only with its runtime.
    answer.await.map_err(|_| closed())?.map_err(shared)
}

fn closed() -> MetricError {
    MetricError::Storage(StoreError::Closed)
}

/// What a row of the log counts as: it is on disk as it is, and in memory as samples, which take more where they
/// have few values.
pub(super) fn held_bytes(row_bytes: usize, samples: usize) -> usize {
    row_bytes.max(samples * size_of::<Sample>())
}

/// Writes a group in the writer's transaction: decides each call in order, then one log row.
fn write_group(
    transaction: &Transaction<'_>,
    group: Group,
    log_id: i64,
    tenants: &Tenants,
) -> Result<Written, StoreError> {
    // Keys that this very group changed; memory learns of them after the commit.
    let mut changed: HashMap<*const Slot, (Option<i64>, bool)> = HashMap::new();
    let mut effects = Vec::with_capacity(group.calls.len());
    let mut log = LogWriter::with_samples(group.samples.len());
    let mut logged = false;
    let mut decide = || -> rusqlite::Result<()> {
        for call in &group.calls {
            let identity = Arc::as_ptr(&call.slot);
            let known = if changed.is_empty() { None } else { changed.get(&identity).copied() };
            let (key, own) = known.unwrap_or_else(|| {
                let state = call.slot.state.lock();
                (state.key, state.own)
            });
            let effect = match (&call.kind, key) {
                (CallKind::Remove, _) => {
                    if let Some(key) = key {
                        tables::drop_tenant(transaction, key)?;
                    }
                    changed.insert(identity, (None, false));
                    Effect::Removed
                }
                (CallKind::Append { source, .. }, Some(_)) if own && !source.is_measured() => Effect::Ignored,
                // Who has a key exists, or its removal comes after this call.
                (CallKind::Append { .. }, None) if !tenants(&call.slot.tenant) => Effect::TenantGone,
                (CallKind::Append { source, samples }, key) => {
                    let effect = match key {
                        Some(key) if own == source.is_measured() => Effect::Stored { key, own, fresh: false },
                        other => {
                            if let Some(displaced) = other {
                                tables::drop_tenant(transaction, displaced)?;
                            }
                            let own = source.is_measured();
                            let key = tables::add_tenant(transaction, &call.slot.tenant, own)?;
                            changed.insert(identity, (Some(key), own));
                            Effect::Stored { key, own, fresh: true }
                        }
                    };
                    if let Effect::Stored { key, .. } = effect {
                        log.push(key, *source, &group.samples[samples.clone()]);
                        logged = true;
                    }
                    effect
                }
            };
            effects.push(effect);
        }
        Ok(())
    };
    decide().map_err(database_error(STORING))?;
    let mut log_bytes = 0;
    if logged {
        let row = log.finish();
        log_bytes = held_bytes(row.len(), group.samples.len());
        tables::append_log(transaction, log_id, &row).map_err(database_error(STORING))?;
    }
    Ok(Written { group, effects, log_id, log_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_waited_for_only_after_a_slow_commit_of_several_calls() {
        let after = |calls, millis| {
            let gathering = Gathering::after(calls, Duration::from_millis(millis));
            (gathering.calls, gathering.patience.as_millis())
        };
        assert_eq!(after(64, 1), (0, 0));
        assert_eq!(after(1, 20), (0, 0));
        assert_eq!(after(64, 20), (64, 5));
    }
}
