//! A tenant's newest values in memory, as live views and alerts see them: samples that are ahead of the clock
//! wait for their time, and what clients told is remembered. Every metric store has these of its tenants.

use ecp_core::metrics::{Latest, Metric, Sample, SampleSource};
use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::watch;

/// The newest value of each metric, now and as it changes.
pub(crate) struct Newest {
    latest: watch::Sender<Option<Latest>>,
    /// Changes of `latest` so far; goes on where the samples are forgotten and come again.
    versions: AtomicU64,
}

impl Default for Newest {
    fn default() -> Self {
        Self { latest: watch::Sender::new(None), versions: AtomicU64::new(0) }
    }
}

impl Newest {
    /// What is known now.
    pub(crate) fn latest(&self) -> Option<Latest> {
        *self.latest.borrow()
    }

    /// Publishes what is newer in samples that are due.
    pub(crate) fn offer(&self, samples: &[Sample], now_ms: i64) {
        self.latest.send_if_modified(|known| {
            let mut latest = known.unwrap_or_else(|| Latest::after(self.versions.load(Ordering::Relaxed)));
            let newer = latest.offer(samples, now_ms);
            if newer {
                self.versions.store(latest.version, Ordering::Relaxed);
                *known = Some(latest);
            }
            newer
        });
    }

    /// Publishes that there is no sample any more.
    pub(crate) fn forget(&self) {
        self.latest.send_if_modified(|latest| latest.take().is_some());
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<Latest>> {
        self.latest.subscribe()
    }

    /// True while somebody looks at it.
    pub(crate) fn is_watched(&self) -> bool {
        self.latest.receiver_count() > 0
    }
}

/// Samples that are ahead of the clock: nobody is shown them before their time. Sorted, and at most one a
/// second, so that they are bounded by how far ahead a sample may be.
#[derive(Default)]
pub(crate) struct Ahead(Vec<Sample>);

impl Ahead {
    pub(crate) fn samples(&self) -> &[Sample] {
        &self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// When the next of them is due, in milliseconds since 1970.
    pub(crate) fn next_due(&self) -> Option<i64> {
        self.0.first().map(|sample| sample.timestamp_ms)
    }

    /// Takes samples that just came and returns those that are due, with those that were ahead and
    /// are not any more; keeps what is ahead.
    pub(crate) fn take_due<'a>(&mut self, samples: &'a [Sample], now_ms: i64) -> Cow<'a, [Sample]> {
        let is_due = |sample: &Sample| sample.timestamp_ms <= now_ms;
        if self.0.is_empty() && samples.iter().all(is_due) {
            return Cow::Borrowed(samples);
        }
        let rest = self.0.partition_point(is_due);
        let mut due: Vec<Sample> = self.0.drain(..rest).collect();
        for sample in samples {
            if is_due(sample) {
                due.push(*sample);
            } else {
                self.keep(sample);
            }
        }
        Cow::Owned(due)
    }

    fn keep(&mut self, sample: &Sample) {
        let second = |sample: &Sample| sample.timestamp_ms.div_euclid(1000);
        let place = self.0.partition_point(|known| second(known) < second(sample));
        match self.0.get_mut(place) {
            Some(known) if second(known) == second(sample) => {
                known.update(sample);
                known.timestamp_ms = known.timestamp_ms.max(sample.timestamp_ms);
            }
            _ => self.0.insert(place, *sample),
        }
    }
}

/// When the newest value of each metric that a client sent was measured.
#[derive(Default)]
pub(crate) struct ToldByClients([Option<i64>; Metric::ALL.len()]);

impl ToldByClients {
    /// Remembers what clients told.
    pub(crate) fn note(&mut self, source: SampleSource, samples: &[Sample]) {
        if source != SampleSource::Client {
            return;
        }
        for sample in samples {
            for (told, value) in self.0.iter_mut().zip(sample.values) {
                if !value.is_nan() {
                    *told = (*told).max(Some(sample.timestamp_ms));
                }
            }
        }
    }

    /// In milliseconds since 1970.
    pub(crate) fn at(&self, metric: Metric) -> Option<i64> {
        self.0[metric.index()]
    }
}
