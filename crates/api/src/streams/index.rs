//! What subscribers of the same tenant or deployment share: frames that are encoded once, alert
//! changes that are read once, and the word that the tenant is gone.
//!
//! Entries live as long as somebody subscribes.

use crate::error::ApiError;
use crate::request_context::Api;
use crate::state::ApiState;
use axum::extract::ws::Utf8Bytes;
use ecp_core::Mode;
use ecp_core::ids::{DeploymentId, Incarnation, TenantId, TenantKey};
use ecp_core::ports::TenantStore;
use ecp_core::tenant::Tenant;
use ecp_core::text::Language;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use tokio_util::sync::CancellationToken;

use super::alerts::AlertLog;

/// Frames of one tenant or deployment that are kept for the next subscriber.
const FRAMES_KEPT: usize = 32;
/// Entries from which on dead ones are looked for.
const SWEEP_AT: usize = 64;

/// Everything that is subscribed to, by mode.
#[derive(Default)]
pub(super) struct Index {
    demo: ModeIndex,
    real: ModeIndex,
}

#[derive(Default)]
struct ModeIndex {
    tenants: Mutex<HashMap<TenantId, Weak<TenantFeed>>>,
    deployments: Mutex<HashMap<DeploymentId, Weak<DeploymentFeed>>>,
    /// Frames of the newest changes of all tenants' alerts, by number and language.
    all_alerts: FrameCache<(u64, Language)>,
    /// Somebody looks after tenants that go away.
    watched: AtomicBool,
}

/// What the subscribers of one tenant share.
pub(super) struct TenantFeed {
    pub id: TenantId,
    /// Tells a tenant from an earlier one of the same id.
    pub incarnation: Incarnation,
    /// Cancelled when the tenant is gone or the server stops.
    pub ended: CancellationToken,
    /// Frames of the newest samples up to their number, by sample version and wanted metrics.
    pub samples: FrameCache<(u64, u16)>,
    /// The newest alert changes.
    pub alerts: tokio::sync::Mutex<AlertLog>,
}

/// What the subscribers of one deployment share.
pub(super) struct DeploymentFeed {
    /// Frames by event number and language.
    pub events: FrameCache<(u64, Language)>,
}

impl Index {
    fn of(&self, mode: Mode) -> &ModeIndex {
        match mode {
            Mode::Demo => &self.demo,
            Mode::Real => &self.real,
        }
    }

    /// What a tenant's subscribers share. 404 where the tenant goes away at this moment.
    pub(super) fn tenant(&self, api: &Api, tenant: &Tenant) -> Result<Arc<TenantFeed>, ApiError> {
        let index = self.of(api.mode);
        index.watch(api);
        let feed = {
            let mut tenants = index.tenants.lock();
            let known = tenants.get(&tenant.id).and_then(Weak::upgrade);
            let (present, earlier) = match known {
                Some(feed) if feed.incarnation == tenant.incarnation => (Some(feed), None),
                earlier => (None, earlier),
            };
            if let Some(earlier) = earlier {
                earlier.ended.cancel();
            }
            present.unwrap_or_else(|| {
                let ended = api.state.stopping.child_token();
                let feed = Arc::new(TenantFeed::new(tenant.key(), ended));
                keep(&mut tenants, tenant.id.clone(), &feed);
                feed
            })
        };
        // Gone between the caller's look and ours: nobody would tell the feed any more.
        if feed.is_gone(&*api.services().tenants) {
            return Err(ApiError::tenant_not_found(tenant.id.as_str()));
        }
        Ok(feed)
    }

    /// What subscribers to all tenants' alerts share.
    pub(super) fn all_alerts(&self, mode: Mode) -> &FrameCache<(u64, Language)> {
        &self.of(mode).all_alerts
    }

    /// What a deployment's subscribers share.
    pub(super) fn deployment(&self, mode: Mode, id: &DeploymentId) -> Arc<DeploymentFeed> {
        let mut deployments = self.of(mode).deployments.lock();
        deployments.get(id).and_then(Weak::upgrade).unwrap_or_else(|| {
            let feed = Arc::new(DeploymentFeed { events: FrameCache::default() });
            keep(&mut deployments, id.clone(), &feed);
            feed
        })
    }
}

/// Adds an entry, and from time to time drops those that nobody uses.
fn keep<K: Eq + Hash, V>(entries: &mut HashMap<K, Weak<V>>, key: K, value: &Arc<V>) {
    // Doubling before each sweep keeps its share of every insertion constant.
    if entries.len() >= SWEEP_AT && entries.len() == entries.capacity() {
        entries.retain(|_, entry| entry.strong_count() > 0);
    }
    entries.insert(key, Arc::downgrade(value));
}

impl TenantFeed {
    pub(super) fn new(tenant: TenantKey, ended: CancellationToken) -> Self {
        let (samples, alerts) = (FrameCache::default(), tokio::sync::Mutex::default());
        Self { id: tenant.id, incarnation: tenant.incarnation, ended, samples, alerts }
    }

    fn is_gone(&self, tenants: &dyn TenantStore) -> bool {
        tenants.tenant(&self.id).is_none_or(|tenant| tenant.incarnation != self.incarnation)
    }
}

impl ModeIndex {
    /// Starts looking after tenants that go away, once.
    fn watch(&self, api: &Api) {
        if self.watched.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut changes = api.services().tenants.subscribe_tenants();
        let (state, mode): (Weak<ApiState>, Mode) = (Arc::downgrade(&api.state), api.mode);
        let stopping = api.state.stopping.clone();
        tokio::spawn(async move {
            while let Some(Ok(())) = stopping.run_until_cancelled(changes.changed()).await {
                let Some(state) = state.upgrade() else { return };
                state.streams.index.of(mode).end_gone(&*state.services(mode).tenants);
            }
        });
    }

    /// Ends the feeds of tenants that are gone.
    fn end_gone(&self, store: &dyn TenantStore) {
        self.tenants.lock().retain(|_, entry| {
            let Some(feed) = entry.upgrade() else { return false };
            let gone = feed.is_gone(store);
            if gone {
                feed.ended.cancel();
            }
            !gone
        });
    }
}

/// The newest encoded frames by what tells them apart.
pub(super) struct FrameCache<K>(Mutex<VecDeque<(K, Utf8Bytes)>>);

impl<K> Default for FrameCache<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: PartialEq> FrameCache<K> {
    /// The frame under a key, encoded where no subscriber had it yet.
    pub(super) fn get(&self, key: K, encode: impl FnOnce() -> String) -> Utf8Bytes {
        let mut frames = self.0.lock();
        if let Some((_, frame)) = frames.iter().rev().find(|(known, _)| *known == key) {
            return frame.clone();
        }
        if frames.len() == FRAMES_KEPT {
            frames.pop_front();
        }
        let frame = Utf8Bytes::from(encode());
        frames.push_back((key, frame.clone()));
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_encoded_once_while_it_is_among_the_newest() {
        let cache = FrameCache::default();
        assert_eq!(cache.get(1, || "one".to_owned()).as_str(), "one");
        assert_eq!(cache.get(1, || unreachable!("it is kept")).as_str(), "one");
        for key in 2..2 + FRAMES_KEPT {
            cache.get(key, || "another".to_owned());
        }
        assert_eq!(cache.get(1, || "anew".to_owned()).as_str(), "anew");
        assert_eq!(cache.0.lock().len(), FRAMES_KEPT);
    }

    #[test]
    fn entries_that_nobody_uses_are_dropped() {
        let mut entries = HashMap::new();
        let kept = Arc::new(0);
        keep(&mut entries, 0, &kept);
        for key in 1..100_000 {
            keep(&mut entries, key, &Arc::new(key));
        }
        assert!(entries.len() < 1000, "{} are kept", entries.len());
        assert_eq!(entries[&0].upgrade(), Some(kept));
    }
}
