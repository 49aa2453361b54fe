//! Answers queries from roll-ups, raw rows and the head, as of one moment.
//!
//! The head is read first, then the disk. The disk says up to which log row it has the tenant's
//! samples; parts of the head that are up to there are left out, so that a flush under way is
//! neither missed nor counted twice. A day at five minutes is answered from memory alone where its
//! roll-ups are cached and the head is newer than they are.

use super::Inner;
use super::slot::{Flushing, Slot};
use super::tables::{self, DamagedChunk};
use crate::cache::{RollupCache, RowKey};
use crate::codec::{CodecError, raw, rollup};
use crate::grid::{Grid, Range, no_series};
use crate::head;
use crate::rollup::RollupRow;
use crate::set::MetricSet;
use crate::tier::Tier;
use ecp_core::ids::TenantKey;
use ecp_core::metrics::{Metric, Sample, Series, SeriesQuery};
use ecp_core::ports::MetricError;
use ecp_store::database_error;
use rusqlite::Connection;
use std::borrow::Cow;
use std::sync::Arc;

const READING: &str = "reading samples";

/// A tenant's state in memory as of one moment, with the cached rows of that moment.
struct View {
    key: i64,
    flushed_log_id: i64,
    flushing: Option<Arc<Flushing>>,
    head: Vec<Sample>,
    head_log_id: i64,
    /// One for each row of the range; none of raw rows.
    cached: Vec<Option<Arc<RollupRow>>>,
}

impl View {
    /// None without samples.
    fn of(slot: &Slot, range: &Range, cache: &RollupCache, wanted: MetricSet) -> Option<Self> {
        // Cached rows change under this lock alone, together with the log row they are up to.
        let state = slot.state.lock();
        let key = state.key?;
        let cached = match range.tier {
            Tier::Raw => Vec::new(),
            tier => range.rows().map(|start_ms| cache.get((key, tier, start_ms), wanted)).collect(),
        };
        Some(Self {
            key,
            cached,
            flushed_log_id: state.flushed_log_id,
            flushing: state.flushing.clone(),
            head: range.select(&state.head).to_vec(),
            head_log_id: state.head_log_id,
        })
    }

    /// Samples of the range that a disk that has this log row does not have in chunks.
    fn unflushed(&self, range: &Range, flushed_log_id: i64) -> Cow<'_, [Sample]> {
        let head: &[Sample] = if self.head_log_id > flushed_log_id { &self.head } else { &[] };
        match &self.flushing {
            Some(flushing) if flushing.log_id > flushed_log_id => {
                let older = range.select(&flushing.samples);
                if head.is_empty() { Cow::Borrowed(older) } else { Cow::Owned(head::merged(older, head)) }
            }
            _ => Cow::Borrowed(head),
        }
    }
}

/// What a read found.
enum Found {
    /// The answer, the rows that were decoded for it, and the log row that the disk had.
    Series { series: Vec<Series>, decoded: Vec<Arc<RollupRow>>, flushed_log_id: i64 },
    /// The tenant's key is gone: its samples were displaced or forgotten.
    KeyGone,
}

impl Inner {
    /// Averages by bucket and summaries.
    pub(super) async fn query(
        self: &Arc<Self>,
        tenant: &TenantKey,
        query: &SeriesQuery,
    ) -> Result<Vec<Series>, MetricError> {
        let nothing = || Ok(no_series(&query.metrics));
        let Some(slot) = self.registry.get(tenant) else { return nothing() };
        let Some(range) = Range::of(query, &self.options.retention, self.now_ms()) else { return nothing() };
        let wanted: MetricSet = query.metrics.iter().copied().collect();
        // A key that is gone is followed by another one, or by none, as soon as that is published.
        for _ in 0..3 {
            let Some(view) = View::of(&slot, &range, &self.cache, wanted) else { return nothing() };
            if let Some(series) = answer_from_memory(&range, &query.metrics, &view) {
                return Ok(series);
            }
            let (key, known_log_id) = (view.key, view.flushed_log_id);
            let (inner, metrics, reader) = (self.clone(), query.metrics.clone(), slot.clone());
            let reading = self.database.read(READING, move |connection| {
                inner
                    .read(connection, &reader, &range, &metrics, wanted, &view)
                    .map_err(database_error(READING))
            });
            match reading.await.map_err(MetricError::Storage)? {
                Found::KeyGone => {}
                Found::Series { series, decoded, flushed_log_id } => {
                    let state = slot.state.lock();
                    // Rows of another moment than memory's would be wrong beside its head.
                    if state.key == Some(key) && state.flushed_log_id == flushed_log_id {
                        debug_assert!(known_log_id <= flushed_log_id, "the disk never goes back");
                        for row in decoded {
                            self.cache.put((key, range.tier, row.start_ms()), row);
                        }
                    }
                    return Ok(series);
                }
            }
        }
        nothing()
    }

    fn read(
        &self,
        connection: &Connection,
        slot: &Slot,
        range: &Range,
        metrics: &[Metric],
        wanted: MetricSet,
        view: &View,
    ) -> rusqlite::Result<Found> {
        // A read is one transaction: every row is as of the same moment.
        let Some(flushed_log_id) = tables::flushed_log_id(connection, view.key)? else {
            return Ok(Found::KeyGone);
        };
        let unflushed = view.unflushed(range, flushed_log_id);
        let mut grid = Grid::new(*range, metrics);
        // What can not be decoded is left out of the answer, and told.
        let set_aside = |tier: Tier, start_ms: i64, error: CodecError| {
            let chunk = DamagedChunk { tenant_key: view.key, tier, start_ms, reason: error.to_string() };
            chunk.report(self.database.damage(), &slot.tenant);
        };
        let read_raw = |start_ms: i64| -> rusqlite::Result<Option<Vec<Sample>>> {
            let Some(data) = tables::chunk(connection, view.key, Tier::Raw, start_ms)? else {
                return Ok(None);
            };
            Ok(raw::decode(&data, wanted).map_err(|error| set_aside(Tier::Raw, start_ms, error)).ok())
        };
        let mut decoded = Vec::new();
        if range.tier == Tier::Raw {
            for start_ms in range.rows() {
                let unflushed = row_of(&unflushed, start_ms);
                match read_raw(start_ms)? {
                    Some(known) => grid.add_samples(&head::merged(&known, unflushed)),
                    None => grid.add_samples(unflushed),
                }
            }
        } else {
            let mut rows = Vec::new();
            for (index, start_ms) in range.rows().enumerate() {
                let cached = view.cached.get(index).and_then(Option::as_ref);
                if let Some(row) = cached.filter(|_| flushed_log_id == view.flushed_log_id) {
                    rows.push(row.clone());
                    continue;
                }
                let key: RowKey = (view.key, range.tier, start_ms);
                let row = match tables::chunk(connection, view.key, range.tier, start_ms)? {
                    None => RollupRow::empty(range.tier, start_ms),
                    Some(data) => {
                        // What is cached of it stays answerable.
                        let loaded = self.cache.loaded(key).union(wanted);
                        rollup::decode(&data, range.tier, start_ms, loaded).unwrap_or_else(|error| {
                            set_aside(range.tier, start_ms, error);
                            RollupRow::empty(range.tier, start_ms)
                        })
                    }
                };
                let row = Arc::new(row);
                decoded.push(row.clone());
                rows.push(row);
            }
            let mut from_raw = Vec::new();
            for start_ms in raw_rows_needed(range, &rows, &unflushed) {
                if let Some(known) = read_raw(start_ms)? {
                    grid.add_samples(&head::merged(&known, row_of(&unflushed, start_ms)));
                    from_raw.push(start_ms);
                }
            }
            rows.iter().for_each(|row| grid.add_row(row, &from_raw));
            for samples in unflushed.chunk_by(|a, b| raw_row(a) == raw_row(b)) {
                if !from_raw.contains(&raw_row(&samples[0])) {
                    grid.add_samples(samples);
                }
            }
        }
        Ok(Found::Series { series: grid.finish(), decoded, flushed_log_id })
    }
}

/// Answers without the disk, where every row is cached and no raw row is needed.
fn answer_from_memory(range: &Range, metrics: &[Metric], view: &View) -> Option<Vec<Series>> {
    if range.tier == Tier::Raw {
        return None;
    }
    let rows: Vec<&Arc<RollupRow>> = view.cached.iter().map(Option::as_ref).collect::<Option<_>>()?;
    let unflushed = view.unflushed(range, view.flushed_log_id);
    if !raw_rows_needed(range, &rows, &unflushed).is_empty() {
        return None;
    }
    let mut grid = Grid::new(*range, metrics);
    rows.iter().for_each(|row| grid.add_row(row, &[]));
    grid.add_samples(&unflushed);
    Some(grid.finish())
}

/// Raw rows without which the answer would not be exact: those with samples of the head that may
/// replace one in a chunk, and the last one where it has samples after the range's end.
fn raw_rows_needed<R: AsRef<RollupRow>>(range: &Range, rows: &[R], unflushed: &[Sample]) -> Vec<i64> {
    let last_ms = |timestamp_ms: i64| {
        let start_ms = range.tier.row_start(timestamp_ms);
        rows.iter().map(AsRef::as_ref).find(|row| row.start_ms() == start_ms).and_then(|row| row.last_ms)
    };
    let mut needed: Vec<i64> = Vec::new();
    for row in rows.iter().map(AsRef::as_ref) {
        let Some(last_ms) = row.last_ms else { continue };
        let older = &unflushed[..unflushed.partition_point(|sample| sample.timestamp_ms <= last_ms)];
        let within = &older[older.partition_point(|sample| sample.timestamp_ms < row.start_ms())..];
        needed.extend(within.chunk_by(|a, b| raw_row(a) == raw_row(b)).map(|samples| raw_row(&samples[0])));
    }
    let end_row = Tier::Raw.row_start(range.end_ms);
    if last_ms(range.end_ms) > Some(range.end_ms) && !needed.contains(&end_row) {
        needed.push(end_row);
    }
    needed
}

fn raw_row(sample: &Sample) -> i64 {
    Tier::Raw.row_start(sample.timestamp_ms)
}

/// The samples that fall in a raw row.
fn row_of(samples: &[Sample], start_ms: i64) -> &[Sample] {
    head::within(samples, start_ms, start_ms + Tier::Raw.row_ms() - 1)
}
