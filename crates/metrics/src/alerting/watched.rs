//! What the engine knows of one tenant, and the judging of its values.

use super::{HISTORY_MS, Item, SUBJECTS};
use ecp_core::Timestamp;
use ecp_core::alerts::rules::{Over, Rules, SILENCE_SECONDS, advance, end};
use ecp_core::alerts::settings::AlertRules;
use ecp_core::alerts::{Alert, AlertSubject};
use ecp_core::ids::{DeploymentId, TenantKey};
use ecp_core::metrics::{CURRENT_MS, Sample, to_millis};
use ecp_core::tenant::{Tenant, TenantStatus};
use ecp_core::text::Message;
use std::borrow::Cow;
use std::sync::Arc;

/// What the engine knows of a tenant.
pub(super) struct Watched {
    /// The tenant, told from a later one of the same id.
    pub(super) key: TenantKey,
    /// Under which tenure of this process it is judged.
    pub(super) tenure: Option<u64>,
    /// Time of the newest sample that was judged, by [`AlertSubject::index`].
    pub(super) newest_ms: [Option<i64>; SUBJECTS],
    /// When a value last came, or waiting for one began to count, by [`AlertSubject::index`].
    pub(super) seen_at: [Timestamp; SUBJECTS],
    /// True while demo mode makes up its samples.
    pub(super) synthetic: bool,
    /// True once it was seen running.
    pub(super) running: bool,
    /// When it was last heard of, or silence began to count.
    pub(super) heard_at: Timestamp,
    /// Its open alerts, by [`AlertSubject::index`].
    pub(super) open: [Option<Alert>; SUBJECTS],
    /// Since when values are over their thresholds, by [`AlertSubject::index`].
    pub(super) over: [Over; SUBJECTS],
    /// The value that was judged last, by [`AlertSubject::index`].
    pub(super) last: [Option<f64>; SUBJECTS],
    /// The rules by which it was judged last.
    pub(super) settings: Arc<AlertRules>,
    /// Its newest deployment when it was looked at last.
    pub(super) deployment_id: Option<DeploymentId>,
}

impl Watched {
    pub(super) fn new(tenant: &Tenant, settings: Arc<AlertRules>, now: Timestamp) -> Self {
        Self {
            key: tenant.key(),
            tenure: None,
            newest_ms: [None; SUBJECTS],
            seen_at: [now; SUBJECTS],
            synthetic: false,
            running: false,
            heard_at: now,
            open: Default::default(),
            over: Default::default(),
            last: Default::default(),
            settings,
            deployment_id: None,
        }
    }

    /// Judges samples by every rule, each metric in order of time: none that is older than the newest
    /// judged, and of what was history when it came its newest alone.
    pub(super) fn judge(
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
            let (limits, enabled) = (rules.limits(subject), rules.is_enabled(subject));
            let (open, over, key) = (&mut self.open[index], &mut self.over[index], &self.key);
            let last = &mut self.last[index];
            let mut last_ms = None;
            let mut take = |(time_ms, value): (i64, f64)| {
                last_ms = Some(time_ms);
                *last = Some(value);
                let Ok(at) = Timestamp::from_millisecond(time_ms) else { return };
                if !enabled {
                    return;
                }
                let change = advance(open, over, key, subject, &limits, value, at);
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

    /// Takes up the newest values of before the process began, sorted by time. They came when they were
    /// measured: what is no longer current opens nothing, and its alert ends by [`Self::end_unsent`].
    pub(super) fn take_up(
        &mut self,
        rules: &Rules,
        stored: &[Sample],
        now: Timestamp,
        changes: &mut Vec<Item>,
    ) {
        let oldest_ms = to_millis(now) - CURRENT_MS;
        let current = stored.partition_point(|sample| sample.timestamp_ms < oldest_ms);
        self.judge(rules, &stored[current..], self.synthetic, now, changes);
        for subject in AlertSubject::ALL {
            let newest = stored.iter().rev().find(|sample| rules.reading(subject, sample).is_some());
            let Some(newest_ms) = newest.map(|sample| sample.timestamp_ms) else { continue };
            let index = subject.index();
            self.newest_ms[index] = Some(newest_ms);
            if let Ok(at) = Timestamp::from_millisecond(newest_ms) {
                self.seen_at[index] = at.min(now);
            }
        }
    }

    /// Takes up other rules: an alert of one that is off ends, and the last values are judged anew, without
    /// the margin of alerts that were raised by other thresholds.
    pub(super) fn take_rules(
        &mut self,
        tenant: &Tenant,
        settings: Arc<AlertRules>,
        now: Timestamp,
    ) -> Vec<Item> {
        if Arc::ptr_eq(&self.settings, &settings) || *self.settings == *settings {
            return Vec::new();
        }
        self.settings = settings;
        let rules = self.rules(tenant);
        let mut changes = Vec::new();
        for subject in AlertSubject::ALL {
            let index = subject.index();
            let limits = rules.limits(subject).without_margin();
            let open = &mut self.open[index];
            let change = if !rules.is_enabled(subject) {
                self.over[index] = Over::default();
                end(open, now, Message::new("alert.rule_disabled"))
            } else if subject == AlertSubject::NoSamples {
                let silence = now.duration_since(self.heard_at).as_secs_f64();
                let ended = open.is_some() && silence <= limits.warning;
                ended.then(|| end(open, now, Message::new("alert.rule_changed"))).flatten()
            } else {
                let value = self.last[index];
                value.and_then(|value| {
                    advance(open, &mut self.over[index], &self.key, subject, &limits, value, now)
                })
            };
            changes.extend(change.map(|(change, alert)| Item::Change(change, alert)));
        }
        changes
    }

    /// The rules as they hold for the tenant.
    pub(super) fn rules(&self, tenant: &Tenant) -> Rules {
        Rules::of(tenant).with(&self.settings)
    }

    /// Opens the alert of a roll-out that failed, and ends it when the tenant recovers. One that failed and was
    /// `taken_back` by itself is told however soon the tenant runs again.
    pub(super) fn judge_deployment(
        &mut self,
        tenant: &Tenant,
        taken_back: impl FnOnce() -> bool,
        now: Timestamp,
    ) -> Option<Item> {
        const SUBJECT: AlertSubject = AlertSubject::DeploymentFailed;
        let is_same = self.deployment_id.as_ref() == Some(&tenant.deployment_id);
        let before = if is_same { None } else { self.deployment_id.replace(tenant.deployment_id.clone()) };
        let rules = self.rules(tenant);
        if !rules.is_enabled(SUBJECT) {
            return None;
        }
        let is_failed = match tenant.status {
            TenantStatus::Failed => true,
            TenantStatus::Pending => taken_back(),
            // It may have come and gone since the last look.
            TenantStatus::Running => before.is_some() && taken_back(),
            TenantStatus::Deleting => false,
        };
        let failed = f64::from(u8::from(is_failed));
        let (open, over) = (&mut self.open[SUBJECT.index()], &mut self.over[SUBJECT.index()]);
        // What goes on after a failure has recovered when it runs, and not before.
        if open.is_some() && tenant.status == TenantStatus::Pending {
            return None;
        }
        let change = advance(open, over, &self.key, SUBJECT, &rules.limits(SUBJECT), failed, now);
        change.map(|(change, alert)| Item::Change(change, alert))
    }

    /// Ends the alerts whose metric is no longer sent.
    pub(super) fn end_unsent(&mut self, now: Timestamp, changes: &mut Vec<Item>) {
        for subject in AlertSubject::ALL {
            let index = subject.index();
            let unsent = now.duration_since(self.seen_at[index]).as_secs_f64() > SILENCE_SECONDS;
            // These have no metric of their own that could be missing.
            if !unsent || matches!(subject, AlertSubject::NoSamples | AlertSubject::DeploymentFailed) {
                continue;
            }
            (self.last[index], self.over[index]) = (None, Over::default());
            let open = &mut self.open[index];
            if open.is_some() {
                let ended = end(open, now, Message::new("alert.metric_unsent"));
                changes.extend(ended.map(|(change, alert)| Item::Change(change, alert)));
            }
        }
    }
}
