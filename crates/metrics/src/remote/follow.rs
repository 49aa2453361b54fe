//! What happens by itself: samples of other processes are looked up, those that were ahead are shown in their
//! time, and series of tenants that are gone are deleted.

use super::Inner;
use super::promql::Answered;
use super::series::{metric_and_source, tenant_of};
use ecp_core::ids::TenantKey;
use ecp_core::metrics::{CURRENT_MS, Latest, Metric, Sample, SampleSource};
use ecp_core::ports::MetricError;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Between two looks at what others wrote; each also tells whether the store answers.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How far back a look goes: what was written late or shown late by the store is seen by a later one.
const LOOK_BACK_MS: i64 = 30_000;
/// Every so many looks one goes back as far as values are current.
const LONG_LOOK_EVERY: u32 = 12;
/// Between two looks at what was ahead.
const DUE_EVERY: Duration = Duration::from_secs(1);
/// Before series that could not be deleted are tried again.
const DELETE_AGAIN: Duration = Duration::from_secs(10);

/// The newest samples of tenants, by source.
type Newest = BTreeMap<(String, u64, &'static str), (TenantKey, SampleSource, BTreeMap<i64, Sample>)>;

impl Inner {
    /// Looks up what others wrote, and this process before it was started.
    pub(super) async fn follow(&self) {
        for look in (0..LONG_LOOK_EVERY).cycle() {
            let back_ms = if look == 0 { CURRENT_MS } else { LOOK_BACK_MS };
            if let Err(error) = self.look(back_ms).await {
                let error = &error as &dyn std::error::Error;
                tracing::debug!(error, "what others wrote is not known");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    pub(super) async fn look(&self, back_ms: i64) -> Result<(), MetricError> {
        let at_ms = self.now_ms() + 999;
        let answer = self.client.raw(&self.owner.selector(), back_ms, at_ms, self.client.deadline()).await?;
        for (key, source, samples) in newest(&answer).into_values() {
            if !(self.exists)(&key) {
                continue;
            }
            let tenant = self.registry.get_or_add(&key);
            if source.is_measured() {
                self.note_own(&tenant);
            } else if tenant.own.load(Ordering::Acquire) {
                continue;
            } else {
                tenant.made_up.store(true, Ordering::Release);
            }
            let samples: Vec<Sample> = samples.into_values().collect();
            let now_ms = self.now_ms();
            let observers = self.observers.read();
            let mut passing = tenant.passing.lock();
            passing.told.note(source, &samples);
            let known = tenant.newest.latest();
            let news: Vec<Sample> = samples
                .iter()
                .filter_map(|sample| newer(sample, known.as_ref()))
                .filter(|sample| sample.timestamp_ms <= now_ms)
                .collect();
            if !news.is_empty() {
                tenant.newest.offer(&news, now_ms);
                observers.iter().for_each(|seen| seen.samples_stored(&key, source, &news));
            }
        }
        self.registry.drop_unused(|key| (self.exists)(key));
        Ok(())
    }

    /// Shows what was ahead and is not any more.
    pub(super) async fn show_what_was_ahead(&self) {
        loop {
            tokio::time::sleep(DUE_EVERY).await;
            for tenant in self.registry.all() {
                if tenant.passing.lock().ahead.next_due().is_some_and(|due| due <= self.now_ms()) {
                    let own = tenant.own.load(Ordering::Acquire);
                    self.pass(
                        &tenant,
                        if own { SampleSource::Collector } else { SampleSource::Synthetic },
                        &[],
                    );
                }
            }
        }
    }

    /// Deletes series, as long as the store does that.
    pub(super) async fn delete_what_is_doomed(&self) {
        loop {
            let next = self.doomed.lock().last().cloned();
            let Some(selector) = next else {
                self.doomed_changed.notified().await;
                continue;
            };
            match self.client.delete_series(&selector).await {
                Ok(true) => self.doomed.lock().retain(|doomed| *doomed != selector),
                Ok(false) => {
                    tracing::info!(
                        "the metric store does not delete series: samples of tenants that are gone stay in it, \
                         where nothing shows them, for as long as it keeps samples"
                    );
                    self.deletes.store(false, Ordering::Relaxed);
                    self.doomed.lock().clear();
                }
                Err(_away) => tokio::time::sleep(DELETE_AGAIN).await,
            }
        }
    }
}

/// The part of a sample that is newer than what is known; none where nothing is.
fn newer(sample: &Sample, known: Option<&Latest>) -> Option<Sample> {
    let mut news = *sample;
    for metric in Metric::ALL {
        let reading = known.and_then(|known| known.get(metric));
        if reading.is_some_and(|reading| reading.timestamp_ms >= sample.timestamp_ms) {
            news.values[metric.index()] = f64::NAN;
        }
    }
    news.values.iter().any(|value| !value.is_nan()).then_some(news)
}

/// The values of an answer as samples.
fn newest(answer: &[Answered]) -> Newest {
    let mut found = Newest::new();
    for Answered { labels, values } in answer {
        let Some(((metric, source), key)) = metric_and_source(labels).zip(tenant_of(labels)) else {
            continue;
        };
        let place = (key.id.to_string(), key.incarnation.first_generation(), source.as_str());
        let (_, _, samples) = found.entry(place).or_insert_with(|| (key, source, BTreeMap::new()));
        for (timestamp_ms, value) in values {
            let sample = samples.entry(*timestamp_ms).or_insert_with(|| Sample::empty(*timestamp_ms));
            sample.values[metric.index()] = *value;
        }
    }
    found
}
