//! What reads are answered from: tenants in order, their open alerts, and deployments.
//!
//! It is changed on the writer's thread alone, after the commit, in the order of the commits.

use super::alert_feed::AlertFeed;
use super::deployments::Deployments;
use super::receivers::Receivers;
use super::silences::Silences;
use ecp_core::alerts::settings::AlertRules;
use ecp_core::alerts::{Alert, AlertEvent};
use ecp_core::catalog::{CatalogDigest, Edition};
use ecp_core::ids::TenantId;
use ecp_core::ports::AlertQuery;
use ecp_core::tenant::{Tenant, TenantSecrets};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::watch;

/// A tenant and what is read with it.
pub(super) struct Entry {
    pub(super) tenant: Arc<Tenant>,
    /// Open alerts, oldest first.
    pub(super) open_alerts: Vec<Arc<Alert>>,
    /// Its secret values, where they were read or written.
    pub(super) secrets: Option<TenantSecrets>,
    /// The catalog of its newest revision.
    pub(super) catalog: Option<CatalogDigest>,
    /// What it sets of the alert rules.
    pub(super) alert_rules: Arc<AlertRules>,
    /// Number of the newest alert change.
    pub(super) alert_seq: watch::Sender<u64>,
}

#[derive(Default)]
pub(super) struct Index {
    entries: HashMap<TenantId, Entry>,
    /// By `created_at`, then id.
    ordered: Arc<Vec<Arc<Tenant>>>,
    pub(super) deployments: Deployments,
    pub(super) silences: Silences,
    pub(super) receivers: Receivers,
    pub(super) alert_feed: AlertFeed,
    /// Catalogs that revisions name.
    pub(super) editions: HashMap<CatalogDigest, Arc<Edition>>,
}

impl Index {
    pub(super) fn entry(&self, id: &TenantId) -> Option<&Entry> {
        self.entries.get(id)
    }

    pub(super) fn entry_mut(&mut self, id: &TenantId) -> Option<&mut Entry> {
        self.entries.get_mut(id)
    }

    pub(super) fn ordered(&self) -> Arc<Vec<Arc<Tenant>>> {
        self.ordered.clone()
    }

    /// Adds a tenant, or replaces it by its newer state.
    pub(super) fn put_tenant(&mut self, tenant: Arc<Tenant>) {
        // A snapshot that a reader holds stays as it is; the list is copied then.
        let ordered = Arc::make_mut(&mut self.ordered);
        let moved = self.entries.get(&tenant.id).filter(|old| old.tenant.created_at != tenant.created_at);
        if let Some(Ok(old_place)) = moved.map(|old| place(ordered, &old.tenant)) {
            ordered.remove(old_place);
        }
        match place(ordered, &tenant) {
            Ok(place) => ordered[place] = tenant.clone(),
            Err(place) => ordered.insert(place, tenant.clone()),
        }
        match self.entries.get_mut(&tenant.id) {
            Some(entry) => entry.tenant = tenant,
            None => {
                let entry = Entry {
                    tenant: tenant.clone(),
                    open_alerts: Vec::new(),
                    secrets: None,
                    catalog: None,
                    alert_rules: Arc::default(),
                    alert_seq: watch::Sender::new(0),
                };
                self.entries.insert(tenant.id.clone(), entry);
            }
        }
    }

    /// Forgets a tenant and its alerts; whoever watches them is told by the end of the channel.
    pub(super) fn remove_tenant(&mut self, id: &TenantId) {
        let Some(entry) = self.entries.remove(id) else { return };
        let ordered = Arc::make_mut(&mut self.ordered);
        if let Ok(place) = place(ordered, &entry.tenant) {
            ordered.remove(place);
        }
        if self.silences.iter().any(|silence| silence.filter.tenant_id.as_ref() == Some(id)) {
            Arc::make_mut(&mut self.silences).retain(|silence| silence.filter.tenant_id.as_ref() != Some(id));
        }
    }

    /// Open alerts of all tenants, newest first: a page and how many there are.
    pub(super) fn open_alerts_page(&self, query: &AlertQuery) -> (Vec<Alert>, usize) {
        let tenants = self.ordered.iter().filter_map(|tenant| self.entries.get(&tenant.id));
        let mut found: Vec<&Arc<Alert>> = tenants
            .flat_map(|entry| &entry.open_alerts)
            .filter(|alert| {
                query.tenant_id.as_ref().is_none_or(|id| alert.tenant_id == *id)
                    && query.severity.is_none_or(|severity| alert.severity == severity)
                    && (query.subjects.is_empty() || query.subjects.contains(&alert.subject))
            })
            .collect();
        found.sort_by_key(|alert| std::cmp::Reverse(alert.opened_at));
        let page = found.iter().skip(query.skip).take(query.limit).map(|alert| Alert::clone(alert));
        (page.collect(), found.len())
    }

    /// Takes a change of an alert.
    pub(super) fn put_alert_event(&mut self, event: &AlertEvent) {
        let Some(entry) = self.entries.get_mut(&event.alert.tenant_id) else { return };
        let place = entry.open_alerts.iter().position(|alert| alert.id == event.alert.id);
        match (place, event.alert.resolved_at.is_some()) {
            (Some(place), true) => drop(entry.open_alerts.remove(place)),
            (Some(place), false) => entry.open_alerts[place] = Arc::new(event.alert.clone()),
            (None, false) => entry.open_alerts.push(Arc::new(event.alert.clone())),
            (None, true) => {}
        }
        entry.alert_seq.send_replace(event.seq);
        self.alert_feed.push(Arc::new(event.clone()));
    }
}

/// Where a tenant is in the list, or belongs.
fn place(ordered: &[Arc<Tenant>], tenant: &Tenant) -> Result<usize, usize> {
    ordered.binary_search_by(|other| (other.created_at, &other.id).cmp(&(tenant.created_at, &tenant.id)))
}
