//! A set of metrics.

use ecp_core::metrics::Metric;

/// Metrics as bits, by [`Metric::index`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MetricSet(u16);

impl MetricSet {
    /// Every metric.
    pub(crate) const ALL: Self = Self((1 << Metric::ALL.len()) - 1);

    pub(crate) fn from_bits(bits: u16) -> Option<Self> {
        (bits & !Self::ALL.0 == 0).then_some(Self(bits))
    }

    pub(crate) fn bits(self) -> u16 {
        self.0
    }

    pub(crate) fn contains(self, metric: Metric) -> bool {
        self.0 >> metric.index() & 1 == 1
    }

    /// True when every metric of the other is in this one.
    pub(crate) fn covers(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    pub(crate) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn insert(&mut self, metric: Metric) {
        self.0 |= 1 << metric.index();
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Metric> {
        Metric::ALL.into_iter().filter(move |metric| self.contains(*metric))
    }
}

impl FromIterator<Metric> for MetricSet {
    fn from_iter<I: IntoIterator<Item = Metric>>(metrics: I) -> Self {
        metrics.into_iter().fold(Self::default(), |mut set, metric| {
            set.insert(metric);
            set
        })
    }
}
