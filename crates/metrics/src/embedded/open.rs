//! Starting: tenants from their table, heads from the log. Chunks are not touched.

use super::ingest::held_bytes;
use super::slot::{Registry, Slot};
use super::tables;
use super::{EmbeddedMetrics, Inner, MetricsOptions, Tenants};
use crate::cache::RollupCache;
use crate::codec::{log, raw};
use crate::head;
use crate::set::MetricSet;
use ecp_core::ids::{Incarnation, TenantId, TenantKey};
use ecp_core::metrics::to_millis;
use ecp_core::ports::{Clock, StoreError};
use ecp_store::{DamageLog, Database};
use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize};
use tokio::sync::{Notify, Semaphore};

const STARTING: &str = "loading samples";

/// What the log and the tenants' table hold.
#[derive(Default)]
struct Loaded {
    registry: Registry,
    unflushed: Vec<Arc<Slot>>,
    ahead: Vec<Arc<Slot>>,
    log_id: i64,
    log_bytes: usize,
    damaged_log: Vec<i64>,
}

impl EmbeddedMetrics {
    /// Opens the samples of a database that has the sample tables; `tenants` says who exists. Blocks
    /// while it reads the log.
    ///
    /// # Errors
    /// The database can not be read. A damaged row of the log is logged and left out.
    pub fn open(
        database: Database,
        clock: Arc<dyn Clock>,
        options: MetricsOptions,
        tenants: Tenants,
    ) -> Result<Self, StoreError> {
        let now_ms = to_millis(clock.now());
        let damage = database.damage();
        let loading =
            |connection: &_| load(connection, damage, now_ms).map_err(|source| database.load_fault(source));
        let Loaded { registry, unflushed, ahead, log_id, log_bytes, damaged_log } =
            database.read_blocking(STARTING, loading)?;
        let inner = Inner {
            database,
            clock,
            tenants,
            registry,
            cache: RollupCache::new(options.cache_bytes),
            observers: RwLock::default(),
            queue: Mutex::default(),
            gathered: Notify::new(),
            places: Semaphore::new(options.queued_samples),
            unflushed: Mutex::new(unflushed),
            ahead: Mutex::new(ahead),
            ahead_changed: Notify::new(),
            damaged_log: Mutex::new(damaged_log),
            log_id: AtomicI64::new(log_id),
            log_bytes: AtomicUsize::new(log_bytes),
            flush_wanted: Notify::new(),
            maintenance: tokio::sync::Mutex::default(),
            options,
        };
        Ok(Self { inner: Arc::new(inner) })
    }
}

fn load(connection: &rusqlite::Connection, damage: &DamageLog, now_ms: i64) -> rusqlite::Result<Loaded> {
    let mut loaded = Loaded::default();
    let mut by_key: HashMap<i64, Arc<Slot>> = HashMap::new();
    for row in tables::tenants(connection)? {
        let Ok(id) = TenantId::parse(&row.tenant_id) else {
            let reason = format!("{:?} is no tenant id", row.tenant_id);
            damage.set_aside("sample_tenants", row.tenant_key.to_string(), None, &reason);
            continue;
        };
        let incarnation = Incarnation::begun_at(u64::try_from(row.incarnation).unwrap_or_default());
        let slot = loaded.registry.get_or_add(&TenantKey { id, incarnation });
        {
            let mut state = slot.state.lock();
            state.key = Some(row.tenant_key);
            state.own = row.own;
            state.flushed_log_id = row.flushed_log_id;
        }
        let newest = row.newest.map(|data| raw::decode(&data, MetricSet::ALL)).transpose();
        let newest = newest.unwrap_or_else(|error| {
            // The newest values alone go short, until the next ones come.
            let tenant = Some(slot.tenant.id.clone());
            damage.set_aside("sample_tenants", row.tenant_key.to_string(), tenant, &error);
            None
        });
        if let Some(newest) = newest {
            let due = slot.state.lock().ahead.take_due(&newest, now_ms).into_owned();
            slot.newest.offer(&due, now_ms);
        }
        // Ids of log rows never go back, even where the log is empty.
        loaded.log_id = loaded.log_id.max(row.flushed_log_id);
        by_key.insert(row.tenant_key, slot);
    }
    tables::for_each_log_row(connection, |log_id, data| {
        loaded.log_id = loaded.log_id.max(log_id);
        let calls = log::decode(data).unwrap_or_else(|error| {
            damage.set_aside("sample_log", log_id.to_string(), None, &error);
            loaded.damaged_log.push(log_id);
            Vec::new()
        });
        let samples = calls.iter().map(|(_, _, samples)| samples.len()).sum();
        loaded.log_bytes += held_bytes(data.len(), samples);
        for (tenant_key, source, samples) in calls {
            // Keys that are gone belonged to samples that were displaced or forgotten.
            let Some(slot) = by_key.get(&tenant_key) else { continue };
            let mut state = slot.state.lock();
            if log_id <= state.flushed_log_id {
                continue;
            }
            head::add(&mut state.head, &samples);
            state.told.note(source, &samples);
            state.head_log_id = log_id;
            if !mem::replace(&mut state.listed, true) {
                loaded.unflushed.push(slot.clone());
            }
            let due = state.ahead.take_due(&samples, now_ms);
            drop(state);
            slot.newest.offer(&due, now_ms);
        }
    })?;
    let is_ahead = |slot: &Arc<Slot>| slot.state.lock().ahead.next_due().is_some();
    loaded.ahead = by_key.into_values().filter(is_ahead).collect();
    Ok(loaded)
}
