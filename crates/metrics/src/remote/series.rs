//! How samples are named in the store: the labels of a series, and the selectors that find them.
//!
//! A series is `ecp_tenant_METRIC` with the labels `installation`, `mode`, `tenant_id`, `incarnation`, `metric` and
//! `source`. The incarnation tells a tenant from an earlier one of its id, the installation from one of another
//! database; the metric stands once more since functions of PromQL drop the name.

use ecp_core::ids::{Incarnation, TenantId, TenantKey};
use ecp_core::metrics::{Metric, SampleSource};
use std::collections::HashMap;
use std::fmt::Write as _;

const PREFIX: &str = "ecp_tenant_";

/// Whose samples an adapter keeps: those of one mode of one installation.
#[derive(Clone, Debug)]
pub(super) struct Owner {
    mode: String,
    installation: String,
}

impl Owner {
    pub(super) fn new(mode: &str, installation: &str) -> Self {
        Self { mode: mode.to_owned(), installation: installation.to_owned() }
    }

    /// Selects every series of this owner.
    pub(super) fn selector(&self) -> String {
        format!(
            "{{__name__=~\"{PREFIX}.+\",installation={},mode={}}}",
            quoted(&self.installation),
            quoted(&self.mode)
        )
    }

    /// Selects the series of a tenant, of these metrics alone where any are named.
    pub(super) fn tenant_selector(&self, key: &TenantKey, metrics: &[Metric]) -> String {
        let mut selector = self.selector();
        selector.pop();
        // A tenant id is a DNS label and an incarnation a number: nothing in them needs escaping.
        let _ = write!(
            selector,
            ",tenant_id=\"{}\",incarnation=\"{}\"",
            key.id,
            key.incarnation.first_generation()
        );
        if !metrics.is_empty() && metrics.len() < Metric::ALL.len() {
            let names: Vec<&str> = metrics.iter().map(|metric| metric.as_str()).collect();
            let _ = write!(selector, ",metric=~\"{}\"", names.join("|"));
        }
        selector.push('}');
        selector
    }

    /// Selects the series of a tenant that were made up.
    pub(super) fn synthetic_selector(&self, key: &TenantKey) -> String {
        self.by_source(key, "=")
    }

    /// Selects the series of a tenant that somebody measured.
    pub(super) fn measured_selector(&self, key: &TenantKey) -> String {
        self.by_source(key, "!=")
    }

    fn by_source(&self, key: &TenantKey, operator: &str) -> String {
        let mut selector = self.tenant_selector(key, &[]);
        selector.pop();
        let _ = write!(selector, ",source{operator}\"{}\"}}", SampleSource::Synthetic.as_str());
        selector
    }
}

/// The labels of a tenant's series of one source.
pub(super) struct SeriesLabels<'a> {
    pub(super) owner: &'a Owner,
    pub(super) key: &'a TenantKey,
    pub(super) source: SampleSource,
}

impl SeriesLabels<'_> {
    /// Sorted by name, as remote write has them.
    pub(super) fn of(&self, metric: Metric) -> [(&'static str, String); 7] {
        [
            ("__name__", format!("{PREFIX}{}", metric.as_str())),
            ("incarnation", self.key.incarnation.first_generation().to_string()),
            ("installation", self.owner.installation.clone()),
            ("metric", metric.as_str().to_owned()),
            ("mode", self.owner.mode.clone()),
            ("source", self.source.as_str().to_owned()),
            ("tenant_id", self.key.id.to_string()),
        ]
    }
}

/// Which series an answer is about; none where it is not one of ours.
pub(super) fn metric_and_source(labels: &HashMap<String, String>) -> Option<(Metric, SampleSource)> {
    let name = labels.get("metric")?;
    let metric = Metric::ALL.into_iter().find(|metric| metric.as_str() == name)?;
    let source = labels.get("source")?;
    let source = SampleSource::ALL.into_iter().find(|known| known.as_str() == source)?;
    Some((metric, source))
}

/// Whose series an answer is about.
pub(super) fn tenant_of(labels: &HashMap<String, String>) -> Option<TenantKey> {
    let id = TenantId::parse(labels.get("tenant_id")?).ok()?;
    let incarnation = Incarnation::begun_at(labels.get("incarnation")?.parse().ok()?);
    Some(TenantKey { id, incarnation })
}

/// A string of PromQL.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_names_owner_tenant_and_metrics() {
        let owner = Owner::new("real", "ecp-\"a\\");
        let key = TenantKey {
            id: TenantId::parse("acme").expect("a label"),
            incarnation: Incarnation::begun_at(3),
        };
        assert_eq!(
            owner.tenant_selector(&key, &[Metric::CpuUsage, Metric::ErrorRate]),
            r#"{__name__=~"ecp_tenant_.+",installation="ecp-\"a\\",mode="real",tenant_id="acme",incarnation="3",metric=~"cpu_usage|error_rate"}"#
        );
        assert!(!owner.tenant_selector(&key, &Metric::ALL).contains("metric="));
    }
}
