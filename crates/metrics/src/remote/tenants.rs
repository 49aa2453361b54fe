//! What is kept in memory of each tenant: its newest values, and whether it has samples of its own.

use crate::newest::{Ahead, Newest, ToldByClients};
use ecp_core::ids::TenantKey;
use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

/// How long the word of the store that nothing was measured holds: another process may learn otherwise first.
const ASKED_LATELY_MS: i64 = 60_000;

/// One tenant.
pub(super) struct Known {
    pub(super) key: TenantKey,
    pub(super) newest: Newest,
    pub(super) passing: Mutex<Passing>,
    /// True once samples were measured.
    pub(super) own: AtomicBool,
    /// True while its newest values are made up.
    pub(super) made_up: AtomicBool,
    asked_ms: AtomicI64,
}

/// What changes as samples pass.
#[derive(Default)]
pub(super) struct Passing {
    pub(super) ahead: Ahead,
    pub(super) told: ToldByClients,
}

impl Known {
    fn new(key: TenantKey) -> Self {
        let (newest, passing) = (Newest::default(), Mutex::default());
        let (own, made_up) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { key, newest, passing, own, made_up, asked_ms: AtomicI64::new(i64::MIN) }
    }

    pub(super) fn was_asked_lately(&self, now_ms: i64) -> bool {
        let asked_ms = self.asked_ms.load(Ordering::Relaxed);
        (asked_ms..asked_ms.saturating_add(ASKED_LATELY_MS)).contains(&now_ms)
    }

    pub(super) fn note_asked(&self, now_ms: i64) {
        self.asked_ms.store(now_ms, Ordering::Relaxed);
    }
}

/// Every tenant that has samples, or that someone looks at.
#[derive(Default)]
pub(super) struct Registry {
    tenants: RwLock<HashMap<TenantKey, Arc<Known>>>,
}

impl Registry {
    pub(super) fn get(&self, key: &TenantKey) -> Option<Arc<Known>> {
        self.tenants.read().get(key).cloned()
    }

    pub(super) fn get_or_add(&self, key: &TenantKey) -> Arc<Known> {
        if let Some(tenant) = self.get(key) {
            return tenant;
        }
        let tenant = || Arc::new(Known::new(key.clone()));
        self.tenants.write().entry(key.clone()).or_insert_with(tenant).clone()
    }

    pub(super) fn take(&self, key: &TenantKey) -> Option<Arc<Known>> {
        self.tenants.write().remove(key)
    }

    pub(super) fn all(&self) -> Vec<Arc<Known>> {
        self.tenants.read().values().cloned().collect()
    }

    /// Drops those that are gone and that nobody looks at.
    pub(super) fn drop_unused(&self, exists: impl Fn(&TenantKey) -> bool) {
        self.tenants.write().retain(|key, tenant| {
            // Nobody can take one while the registry is locked for writing.
            Arc::strong_count(tenant) > 1 || tenant.newest.is_watched() || exists(key)
        });
    }
}
