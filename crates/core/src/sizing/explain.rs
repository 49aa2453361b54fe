//! Every number of a sizing with its formula, its inputs, its unit, its source and a label, and the bottleneck.
//!
//! A formula of kind `formula` is an expression over the names of its inputs (`+ - * / ^`, brackets, and the
//! functions that `docs/SIZING.md` lists), so that a program recomputes the result; one of kind `rule` is said
//! in words. Figures of one service carry its name.

mod device;
mod services;
mod tenant;
mod what_if;

#[cfg(test)]
mod formula;
#[cfg(test)]
mod tests;

use super::capacity::{self, Fit};
use super::{Alternative, Model, Sizing};
use crate::catalog::Provenance;
use crate::tenant::{Preset, Service};
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// Where a figure's inputs come from; of several, the least certain one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    /// The request.
    Ordered,
    /// Figures that the product line publishes.
    ProductLine,
    /// A vendor's specification.
    Vendor,
    /// Figures that the catalog assumes.
    Assumed,
    /// Samples of the tenant, or a load test of the device.
    Measured,
    /// What the model makes of all of these.
    Model,
}

impl From<Provenance> for Label {
    fn from(provenance: Provenance) -> Self {
        match provenance {
            Provenance::Measured => Self::Measured,
            Provenance::ProductLine => Self::ProductLine,
            Provenance::Vendor => Self::Vendor,
            Provenance::Assumed => Self::Assumed,
        }
    }
}

impl Label {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ordered => "ordered",
            Self::ProductLine => "product_line",
            Self::Vendor => "vendor",
            Self::Assumed => "assumed",
            Self::Measured => "measured",
            Self::Model => "model",
        }
    }
}

/// Where a figure comes from.
pub(crate) struct Origin {
    unit: &'static str,
    label: Label,
    source: Cow<'static, str>,
}

pub(crate) fn from(unit: &'static str, label: Label, source: impl Into<Cow<'static, str>>) -> Origin {
    Origin { unit, label, source: source.into() }
}

/// A figure whose formula a program can recompute.
pub(crate) fn figure(name: &str, formula: &str, inputs: Value, result: f64, origin: Origin) -> Value {
    entry("formula", name, formula, inputs, number(result), &origin)
}

/// A figure whose formula is a rule in words.
fn rule(name: &str, rule: &str, inputs: Value, result: Value, origin: Origin) -> Value {
    entry("rule", name, rule, inputs, result, &origin)
}

fn entry(kind: &str, name: &str, formula: &str, inputs: Value, result: Value, origin: &Origin) -> Value {
    json!({
        "name": name,
        "kind": kind,
        "formula": formula,
        "inputs": inputs,
        "result": result,
        "unit": origin.unit,
        "label": origin.label.as_str(),
        "source": origin.source,
    })
}

/// The figure as one of a service.
fn of_service(service: Service, mut figure: Value) -> Value {
    figure["service"] = json!(service);
    figure
}

/// A number that JSON can hold, or null.
fn number(value: f64) -> Value {
    if value.is_finite() { json!(value) } else { Value::Null }
}

/// The explanation of a calculation.
pub(super) fn explanation(model: &Model<'_>, sizing: &Sizing, alternatives: &[Alternative]) -> Value {
    let stages = stages(&model.fit);
    let bottleneck = stages.iter().max_by(|left, right| left.1.total_cmp(&right.1));
    let steps =
        [tenant::work(model), device::figures(model), tenant::devices(model), tenant::resources(model)]
            .into_iter()
            .chain([tenant::outcome(model, sizing), services::figures(model, sizing)])
            .flatten()
            .collect::<Vec<_>>();
    json!({
        "bottleneck": bottleneck.map(|stage| stage.0),
        "utilization": (stages.iter())
            .map(|(name, share)| ((*name).to_owned(), number(round(*share))))
            .collect::<Map<_, _>>(),
        "plans": plans(model),
        "alternatives": (alternatives.iter())
            .map(|alternative| alternative.preset.as_str())
            .collect::<Vec<_>>(),
        "margin": what_if::margin(sizing),
        "sensitivity": what_if::sensitivity(model, sizing),
        "assumptions": what_if::assumptions(model),
        "steps": steps,
    })
}

/// How much of each stage the work takes.
fn stages(fit: &Fit) -> [(&'static str, f64); 4] {
    let share = |needed: u64, have: u64| needed as f64 / have as f64;
    let (needed, have) = (&fit.needed, &fit.resources);
    [
        ("gpu", fit.utilization),
        ("cpu", share(needed.cpu_millicores, have.cpu_millicores)),
        ("memory", share(needed.memory_mib, have.memory_mib)),
        ("storage", share(needed.storage_gb, have.storage_gb)),
    ]
}

/// What each listed plan would be short of: why it was or was not chosen.
fn plans(model: &Model<'_>) -> Vec<Value> {
    let plan = |preset| {
        let fit = capacity::listed(model.catalog, preset, &model.work, model.demand);
        json!({
            "preset": preset,
            "short_of": fit.shortages(model.demand).iter().map(|shortage| shortage.as_str()).collect::<Vec<_>>(),
            "response_time_ms": number(round(fit.response_time_ms)),
        })
    };
    Preset::ALL.into_iter().map(plan).collect()
}

/// Four decimals are more than any of these figures is known to.
fn round(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}
