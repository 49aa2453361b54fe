//! Decoded roll-up rows, as many as fit a budget of bytes; the least recently used go first.

use crate::rollup::RollupRow;
use crate::set::MetricSet;
use crate::tier::Tier;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// What an entry takes beside its row: map slot, key, counters.
const ENTRY_OVERHEAD: usize = 96;

/// Names a row: tenant key, tier, start.
pub(crate) type RowKey = (i64, Tier, i64);

/// The cache; it never holds more than its budget.
pub(crate) struct RollupCache {
    budget: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    rows: HashMap<RowKey, Entry>,
    bytes: usize,
    uses: u64,
}

struct Entry {
    row: Arc<RollupRow>,
    bytes: usize,
    last_use: u64,
}

impl RollupCache {
    pub(crate) fn new(budget: usize) -> Self {
        Self { budget, inner: Mutex::default() }
    }

    /// A row, if it is here with all the metrics wanted.
    pub(crate) fn get(&self, key: RowKey, wanted: MetricSet) -> Option<Arc<RollupRow>> {
        let mut inner = self.inner.lock();
        inner.uses += 1;
        let now = inner.uses;
        let entry = inner.rows.get_mut(&key).filter(|entry| entry.row.loaded.covers(wanted))?;
        entry.last_use = now;
        Some(entry.row.clone())
    }

    /// The metrics with which a row is here.
    pub(crate) fn loaded(&self, key: RowKey) -> MetricSet {
        self.inner.lock().rows.get(&key).map(|entry| entry.row.loaded).unwrap_or_default()
    }

    /// Keeps a row.
    pub(crate) fn put(&self, key: RowKey, row: Arc<RollupRow>) {
        let bytes = row.size() + ENTRY_OVERHEAD;
        let mut inner = self.inner.lock();
        inner.uses += 1;
        let last_use = inner.uses;
        inner.bytes += bytes;
        if let Some(old) = inner.rows.insert(key, Entry { row, bytes, last_use }) {
            inner.bytes -= old.bytes;
        }
        if inner.bytes > self.budget {
            inner.evict(self.budget - self.budget / 8);
        }
    }

    /// Replaces a row that is here; one that is not here stays away.
    pub(crate) fn refresh(&self, key: RowKey, row: Arc<RollupRow>) {
        if self.inner.lock().rows.contains_key(&key) {
            self.put(key, row);
        }
    }

    /// Forgets the rows of a tenant key.
    pub(crate) fn forget(&self, tenant_key: i64) {
        let mut inner = self.inner.lock();
        let Inner { rows, bytes, .. } = &mut *inner;
        rows.retain(|key, entry| {
            let stays = key.0 != tenant_key;
            *bytes -= if stays { 0 } else { entry.bytes };
            stays
        });
    }

    /// Bytes held now.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.inner.lock().bytes
    }
}

impl Inner {
    /// Drops rows, longest unused first, until no more than `budget` remains.
    fn evict(&mut self, budget: usize) {
        let mut by_age: Vec<(u64, RowKey)> =
            self.rows.iter().map(|(key, entry)| (entry.last_use, *key)).collect();
        by_age.sort_unstable();
        for (_, key) in by_age {
            if self.bytes <= budget {
                break;
            }
            if let Some(entry) = self.rows.remove(&key) {
                self.bytes -= entry.bytes;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ecp_core::metrics::{Metric, Sample};

    fn row(start_ms: i64) -> Arc<RollupRow> {
        let mut row = RollupRow::empty(Tier::FiveMinutes, start_ms);
        row.add(&[Sample { timestamp_ms: start_ms, values: [1.0; 9] }]);
        Arc::new(row)
    }

    #[test]
    fn the_least_recently_used_rows_go_when_the_budget_is_full() {
        let size = row(0).size() + ENTRY_OVERHEAD;
        let cache = RollupCache::new(4 * size);
        let key = |tenant| (tenant, Tier::FiveMinutes, 0);
        for tenant in 0..4 {
            cache.put(key(tenant), row(0));
        }
        assert!(cache.get(key(0), MetricSet::ALL).is_some());
        cache.put(key(4), row(0));
        assert!(cache.bytes() <= 4 * size);
        let here: Vec<i64> =
            (0..5).filter(|tenant| cache.get(key(*tenant), MetricSet::ALL).is_some()).collect();
        assert_eq!(here, [0, 3, 4], "1 and 2 were not used since they came");
        cache.forget(0);
        assert!(cache.get(key(0), MetricSet::ALL).is_none());
        assert_eq!(cache.bytes(), 2 * size);
    }

    #[test]
    fn a_row_without_the_metric_wanted_is_not_an_answer() {
        let cache = RollupCache::new(1 << 20);
        let mut part = RollupRow::empty(Tier::OneHour, 0);
        part.loaded = MetricSet::from_iter([Metric::CpuUsage]);
        let key = (1, Tier::OneHour, 0);
        cache.put(key, Arc::new(part));
        assert!(cache.get(key, MetricSet::from_iter([Metric::CpuUsage])).is_some());
        assert!(cache.get(key, MetricSet::ALL).is_none());
        cache.refresh((2, Tier::OneHour, 0), row(0));
        assert!(cache.get((2, Tier::OneHour, 0), MetricSet::default()).is_none());
    }
}
