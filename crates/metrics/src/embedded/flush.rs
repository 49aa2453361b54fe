//! From the log into chunks: compressed raw samples by two hours, and roll-ups beside them.
//!
//! A flush takes the heads of all tenants, some tenants at a time. For each it merges the head into
//! the raw rows concerned and computes the roll-ups of those rows anew, so that a sample sent again
//! replaces the one before there too. Where a row's raw samples are gone (past their retention),
//! samples are added to the roll-ups alone. With the chunks the tenant's place in the log is
//! written, so a flush that is cut off anywhere is neither lost nor counted twice: what was
//! written is not replayed, what was not is.

use super::Inner;
use super::slot::{Flushing, Slot};
use super::tables::{self, DamagedChunk};
use crate::codec::{raw, rollup};
use crate::head;
use crate::rollup::RollupRow;
use crate::set::MetricSet;
use crate::tier::Tier;
use ecp_core::metrics::{Retention, Sample};
use ecp_core::ports::{MetricError, StoreError};
use ecp_store::database_error;
use rusqlite::{Connection, Transaction};
use std::collections::{BTreeMap, HashMap};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Tenants of one transaction: it stays short, so appends that share it do not wait long.
const TENANTS_IN_A_WRITE: usize = 16;

const FLUSHING: &str = "moving samples into chunks";

/// What a flush does to one tenant.
struct Plan {
    slot: Arc<Slot>,
    key: i64,
    flushing: Arc<Flushing>,
    newest: Vec<u8>,
    rows: Rows,
}

/// New rows of one tenant.
#[derive(Default)]
struct Rows {
    /// Raw rows by start; empty data where an unreadable row is to be dropped.
    raw: Vec<(i64, Vec<u8>)>,
    rollups: Vec<(Tier, Arc<RollupRow>, Vec<u8>)>,
    /// Rows that are there and can not be read.
    damaged: Vec<DamagedChunk>,
}

impl Inner {
    /// Moves every head into chunks and shortens the log. Runs to its end even where the caller
    /// goes away, since half a flush is not a state that memory knows.
    pub(super) async fn flush_all(self: &Arc<Self>) -> Result<(), MetricError> {
        let inner = self.clone();
        let flush = tokio::spawn(async move {
            let _alone = inner.maintenance.lock().await;
            inner.flush_alone().await
        });
        flush.await.unwrap_or_else(|panic| {
            Err(MetricError::Storage(StoreError::Database { operation: FLUSHING, source: Box::new(panic) }))
        })
    }

    async fn flush_alone(self: &Arc<Self>) -> Result<(), MetricError> {
        let (mut slots, log_id, log_bytes) = {
            let mut unflushed = self.unflushed.lock();
            let slots = mem::take(&mut *unflushed);
            for slot in &slots {
                slot.state.lock().listed = false;
            }
            (slots, self.log_id.load(Ordering::Relaxed), self.log_bytes.load(Ordering::Relaxed))
        };
        while !slots.is_empty() {
            let group = slots.split_off(slots.len().saturating_sub(TENANTS_IN_A_WRITE));
            if let Err(error) = self.flush_group(group).await {
                self.relist(slots);
                return Err(error);
            }
        }
        let damaged = self.damaged_log.lock().clone();
        let deletion = move |transaction: &Transaction<'_>| {
            let delete = || {
                damaged.iter().try_for_each(|id| tables::set_log_aside(transaction, *id))?;
                tables::delete_log(transaction, log_id)
            };
            delete().map_err(database_error(FLUSHING))
        };
        self.database.write(FLUSHING, deletion).await.map_err(MetricError::Storage)?;
        // They are all of before the start, and so of what was deleted.
        self.damaged_log.lock().clear();
        self.log_bytes.fetch_sub(log_bytes, Ordering::Relaxed);
        Ok(())
    }

    pub(super) async fn flush_group(self: &Arc<Self>, slots: Vec<Arc<Slot>>) -> Result<(), MetricError> {
        let taken: Vec<(Arc<Slot>, i64, Arc<Flushing>)> = {
            let _between_groups = self.unflushed.lock();
            slots
                .into_iter()
                .filter_map(|slot| {
                    let (key, flushing) = slot.state.lock().take_head()?;
                    Some((slot, key, flushing))
                })
                .collect()
        };
        if taken.is_empty() {
            return Ok(());
        }
        let written = self.write_chunks(&taken).await;
        if written.is_err() {
            for (slot, _, flushing) in &taken {
                let mut state = slot.state.lock();
                if state.flushing.as_ref().is_some_and(|now| Arc::ptr_eq(now, flushing)) {
                    state.restore_head(flushing);
                }
            }
            self.relist(taken.into_iter().map(|(slot, _, _)| slot).collect());
        }
        written.map_err(MetricError::Storage)
    }

    async fn write_chunks(
        self: &Arc<Self>,
        taken: &[(Arc<Slot>, i64, Arc<Flushing>)],
    ) -> Result<(), StoreError> {
        let (retention, now_ms) = (self.options.retention, self.now_ms());
        let taken = taken.to_vec();
        let reading = self.database.read(FLUSHING, move |connection| {
            let read = |(slot, key, flushing): (Arc<Slot>, i64, Arc<Flushing>)| {
                let known = known_rows(connection, key, &flushing.samples, &retention, now_ms)?;
                Ok((slot, key, flushing, known))
            };
            let read: rusqlite::Result<Vec<_>> = taken.into_iter().map(read).collect();
            read.map_err(database_error(FLUSHING))
        });
        let known = reading.await?;
        // Compressing takes its time; it holds neither a reader nor a thread of the runtime.
        let planning = tokio::task::spawn_blocking(move || {
            let plan = |(slot, key, flushing, known): (Arc<Slot>, i64, Arc<Flushing>, KnownRows)| {
                let rows = rows_of(key, &known, &flushing.samples, &retention, now_ms);
                let newest = raw::encode(&slot.newest_samples());
                Plan { slot, key, flushing, newest, rows }
            };
            known.into_iter().map(plan).collect::<Vec<Plan>>()
        });
        let plans = Arc::new(planning.await.map_err(database_error(FLUSHING))?);
        let (to_write, to_publish, inner) = (plans.clone(), plans, self.clone());
        let write = move |transaction: &Transaction<'_>| {
            to_write
                .iter()
                .try_for_each(|plan| write_plan(transaction, plan))
                .map_err(database_error(FLUSHING))
        };
        let publish = move |_: &()| to_publish.iter().for_each(|plan| inner.publish_plan(plan));
        self.database.write_then(FLUSHING, write, publish).await
    }

    fn publish_plan(&self, plan: &Plan) {
        plan.rows.damaged.iter().for_each(|chunk| chunk.report(self.database.damage(), &plan.slot.tenant));
        let mut state = plan.slot.state.lock();
        if state.flushing.as_ref().is_none_or(|now| !Arc::ptr_eq(now, &plan.flushing)) {
            // Its samples were displaced or forgotten meanwhile, and the write left them out.
            return;
        }
        state.flushing = None;
        state.flushed_log_id = plan.flushing.log_id;
        for (tier, row, _) in &plan.rows.rollups {
            self.cache.refresh((plan.key, *tier, row.start_ms()), row.clone());
        }
    }

    fn relist(&self, slots: Vec<Arc<Slot>>) {
        let mut unflushed = self.unflushed.lock();
        for slot in slots {
            if !mem::replace(&mut slot.state.lock().listed, true) {
                unflushed.push(slot);
            }
        }
    }
}

fn write_plan(transaction: &Transaction<'_>, plan: &Plan) -> rusqlite::Result<()> {
    let (key, rows) = (plan.key, &plan.rows);
    if !tables::mark_flushed(transaction, key, plan.flushing.log_id, &plan.newest)? {
        return Ok(());
    }
    rows.damaged
        .iter()
        .try_for_each(|chunk| tables::set_chunk_aside(transaction, &plan.slot.tenant, chunk))?;
    for (start_ms, data) in &rows.raw {
        if data.is_empty() {
            tables::delete_chunk(transaction, key, Tier::Raw, *start_ms)?;
        } else {
            tables::put_chunk(transaction, key, Tier::Raw, *start_ms, data)?;
        }
    }
    for (tier, row, data) in &rows.rollups {
        tables::put_chunk(transaction, key, *tier, row.start_ms(), data)?;
    }
    Ok(())
}

/// A tenant's rows as they are on disk, those that samples are to be merged into.
type KnownRows = HashMap<(Tier, i64), Vec<u8>>;

fn known_rows(
    connection: &Connection,
    key: i64,
    samples: &[Sample],
    retention: &Retention,
    now_ms: i64,
) -> rusqlite::Result<KnownRows> {
    let mut known = KnownRows::new();
    for tier in Tier::ALL {
        let oldest = tier.oldest_row(retention, now_ms);
        let row = |sample: &Sample| tier.row_start(sample.timestamp_ms);
        for samples in samples.chunk_by(|a, b| row(a) == row(b)) {
            let start_ms = row(&samples[0]);
            if start_ms >= oldest
                && let Some(data) = tables::chunk(connection, key, tier, start_ms)?
            {
                known.insert((tier, start_ms), data);
            }
        }
    }
    Ok(known)
}

/// Merges samples into a tenant's rows.
fn rows_of(key: i64, known: &KnownRows, samples: &[Sample], retention: &Retention, now_ms: i64) -> Rows {
    let oldest = Tier::ALL.map(|tier| tier.oldest_row(retention, now_ms));
    let mut rows = Rows::default();
    let mut rollups: BTreeMap<(Tier, i64), RollupRow> = BTreeMap::new();
    let raw_row = |sample: &Sample| Tier::Raw.row_start(sample.timestamp_ms);
    for samples in samples.chunk_by(|a, b| raw_row(a) == raw_row(b)) {
        let start_ms = raw_row(&samples[0]);
        let end_ms = start_ms + Tier::Raw.row_ms();
        let affected: Vec<(Tier, i64)> = Tier::ROLLUPS
            .into_iter()
            .map(|tier| (tier, tier.row_start(start_ms)))
            .filter(|(tier, row_start)| *row_start >= oldest[*tier as usize])
            .collect();
        for (tier, row_start) in &affected {
            let damaged = &mut rows.damaged;
            let read = || read_rollup(key, known, *tier, *row_start, damaged);
            rollups.entry((*tier, *row_start)).or_insert_with(read);
        }
        // Roll-ups without raw samples say that those were there once.
        let rolled_up = || {
            let row = rollups.get(&(Tier::OneHour, Tier::OneHour.row_start(start_ms)));
            row.is_some_and(|row| !row.is_empty_in(start_ms, end_ms))
        };
        let before = match known.get(&(Tier::Raw, start_ms)).map(|data| raw::decode(data, MetricSet::ALL)) {
            Some(Ok(before)) => Some(before),
            Some(Err(error)) => {
                // Two hours of raw samples; their roll-ups stay.
                let (tier, reason) = (Tier::Raw, error.to_string());
                rows.damaged.push(DamagedChunk { tenant_key: key, tier, start_ms, reason });
                rows.raw.push((start_ms, Vec::new()));
                None
            }
            None if start_ms < oldest[Tier::Raw as usize] || rolled_up() => None,
            None => Some(Vec::new()),
        };
        let merged = before.map(|before| head::merged(&before, samples));
        if let Some(merged) = &merged {
            rows.raw.push((start_ms, raw::encode(merged)));
        }
        for affected in affected {
            if let Some(row) = rollups.get_mut(&affected) {
                if merged.is_some() {
                    row.clear(start_ms, end_ms);
                }
                row.add(merged.as_deref().unwrap_or(samples));
            }
        }
    }
    rows.rollups = rollups
        .into_iter()
        .map(|((tier, _), row)| {
            let data = rollup::encode(&row);
            (tier, Arc::new(row), data)
        })
        .collect();
    rows
}

fn read_rollup(
    key: i64,
    known: &KnownRows,
    tier: Tier,
    start_ms: i64,
    damaged: &mut Vec<DamagedChunk>,
) -> RollupRow {
    let empty = RollupRow::empty(tier, start_ms);
    let Some(data) = known.get(&(tier, start_ms)) else { return empty };
    rollup::decode(data, tier, start_ms, MetricSet::ALL).unwrap_or_else(|error| {
        damaged.push(DamagedChunk { tenant_key: key, tier, start_ms, reason: error.to_string() });
        empty
    })
}
