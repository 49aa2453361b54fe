//! Right-sizing: what was measured against what the sizing assumed, and the sizing that fits it.
//!
//! Nothing is measured per service, so the load of all of them is scaled alike: by how much busier (or
//! idler) the GPUs were in the busiest hour than the model expects of them, or the CPUs where there is
//! no GPU. The rest is [`size`], with the same catalog and options as the tenant's own.

use crate::Timestamp;
use crate::catalog::Catalog;
use crate::metrics::{Metric, Series};
use crate::revision::Revisions;
use crate::sizing::explain::{Label, Origin, figure, from};
use crate::sizing::{HourReport, Share, Sizing, report, size};
use crate::tenant::{MAX_UNITS, Preset, PresetChoice, ServiceRequirements, Tenant, TenantSpec};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Use over which pods are short, as the built-in alerts have it.
const FULL: f64 = 0.8;
/// Load under this share of the expected one is worth a smaller sizing.
const IDLE: f64 = 0.8;
/// Parts of the tenant's units in which smaller sizings are tried.
const STEPS: f64 = 20.0;
/// Of a smaller plan at most so much may be used in the busiest hour.
const KEPT_FREE: f64 = 0.8;
/// More capacity than this many times the present one is no answer to a slow response.
const MOST_GROWTH: f64 = 4.0;
/// What sums of floating point may differ by.
const ROUNDING: f64 = 1e-9;
/// Samples of fewer hours tell nothing of a day.
pub const HOURS_OF_A_DAY: usize = 24;
/// And of fewer, nothing of a week.
const HOURS_OF_A_WEEK: usize = 168;
/// Share of the hours with samples that makes a week trustworthy.
const COVERED: f64 = 0.8;

/// What was measured of a share of something, in percent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// Mean over the samples.
    pub mean: f64,
    /// Mean of the busiest hour.
    pub busiest_hour: f64,
    /// Largest sample.
    pub maximum: f64,
}

/// What was measured of response times, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResponseTimes {
    /// Mean over the samples.
    pub mean: f64,
    /// What the means of 95 % of the hours stay within.
    pub p95_of_hours: f64,
    /// Mean of the slowest hour.
    pub slowest_hour: f64,
}

/// Since when a tenant has the units and the sizing that it has, as far as its revisions go back. Shares of what
/// it had before say nothing of what it has; its name, or who may reach it, changes nothing of them.
pub fn sized_since(revisions: &Revisions, tenant: &Tenant) -> Timestamp {
    let is_alike = |units: &ServiceRequirements, sizing: &Sizing| {
        *units == tenant.spec.service_requirements && *sizing == tenant.sizing
    };
    let alike = revisions.iter().rev();
    let alike = alike.take_while(|revision| is_alike(&revision.spec.service_requirements, &revision.sizing));
    alike.last().map_or(tenant.updated_at, |oldest| oldest.created_at)
}

/// What was measured of a tenant in a range.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// Hours of the range.
    pub hours: usize,
    /// Hours of it with samples of GPU use; of CPU use where there are none of GPU use.
    pub hours_with_samples: usize,
    /// CPU use.
    pub cpu: Option<Usage>,
    /// Memory use.
    pub memory: Option<Usage>,
    /// GPU use.
    pub gpu: Option<Usage>,
    /// Response times.
    pub response_time_ms: Option<ResponseTimes>,
    /// Share of failed requests in percent, mean over the samples.
    pub error_rate: Option<f64>,
}

impl Observed {
    /// Series that are read, by hour.
    pub const METRICS: [Metric; 5] =
        [Metric::CpuUsage, Metric::MemoryUsage, Metric::GpuUsage, Metric::ResponseTime, Metric::ErrorRate];

    /// Reads hourly series of a range.
    pub fn new(hours: usize, series: &[Series]) -> Self {
        let find = |metric| series.iter().find(|series| series.metric == metric);
        let usage = |metric| {
            let series = find(metric)?;
            let busiest_hour = hourly(series).into_iter().next_back()?;
            Some(Usage { mean: series.average?, busiest_hour, maximum: series.maximum? })
        };
        let response_time_ms = find(Metric::ResponseTime).and_then(|series| {
            let means = hourly(series);
            let rank = (means.len() * 95).div_ceil(100).checked_sub(1)?;
            Some(ResponseTimes {
                mean: series.average?,
                p95_of_hours: *means.get(rank)?,
                slowest_hour: *means.last()?,
            })
        });
        // What the load is told by: hours that only told of something else say nothing of it.
        let gpu_hours = find(Metric::GpuUsage).map_or(0, |series| series.points.len());
        let cpu_hours = find(Metric::CpuUsage).map_or(0, |series| series.points.len());
        let hours_with_samples = if gpu_hours > 0 { gpu_hours } else { cpu_hours };
        Self {
            hours: hours.max(hours_with_samples),
            hours_with_samples,
            cpu: usage(Metric::CpuUsage),
            memory: usage(Metric::MemoryUsage),
            gpu: usage(Metric::GpuUsage),
            response_time_ms,
            error_rate: find(Metric::ErrorRate).and_then(|series| series.average),
        }
    }

    /// Share of the hours with samples, 0–1.
    pub fn coverage(&self) -> f64 {
        if self.hours == 0 { 0.0 } else { self.hours_with_samples as f64 / self.hours as f64 }
    }

    /// How far what was measured can be trusted.
    pub fn confidence(&self) -> Confidence {
        match self.hours_with_samples {
            0 => Confidence::None,
            hours if hours < HOURS_OF_A_DAY => Confidence::Low,
            hours if hours < HOURS_OF_A_WEEK || self.coverage() < COVERED => Confidence::Medium,
            _ => Confidence::High,
        }
    }
}

/// Means of the hours, smallest first.
fn hourly(series: &Series) -> Vec<f64> {
    let mut means: Vec<f64> = series.points.iter().map(|(_, mean)| *mean).collect();
    means.sort_by(f64::total_cmp);
    means
}

/// How far a recommendation can be trusted, by how much was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// Nothing was measured.
    None,
    /// Less than a day: nothing is recommended.
    Low,
    /// A day, or a week with gaps.
    Medium,
    /// A week.
    High,
}

impl Confidence {
    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// What is recommended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Too little was measured.
    Wait,
    /// What the tenant has fits.
    Keep,
    /// More: pods are short, or the SLA was missed.
    Grow,
    /// Less: it costs less and is expected to keep the SLA.
    Shrink,
    /// The SLA was missed, and pods that do nothing else would miss it too: more of them changes nothing.
    Investigate,
}

impl Advice {
    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Keep => "keep",
            Self::Grow => "grow",
            Self::Shrink => "shrink",
            Self::Investigate => "investigate",
        }
    }
}

/// What the tenant would be sized to.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// Units of each service.
    pub service_requirements: ServiceRequirements,
    /// The plan to name, where the tenant names its plan and one as it is listed would do; else the calculator
    /// chooses it.
    pub preset: Option<Preset>,
    /// What comes of it.
    pub sizing: Sizing,
}

/// A tenant held against what was measured of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Recommendation {
    /// What to do.
    pub advice: Advice,
    /// CPU use of the busiest hour as the sizing expects it, in percent.
    pub expected_cpu: Option<f64>,
    /// And GPU use.
    pub expected_gpu: Option<f64>,
    /// Load of the busiest hour over the expected one.
    pub load_factor: Option<f64>,
    /// Units that cause the load that was measured, by what the model expects of a unit.
    pub observed_units: ServiceRequirements,
    /// The sizing that fits; absent where nothing is to be changed.
    pub proposal: Option<Proposal>,
    /// Each figure with its formula, inputs, result, unit, label and source.
    pub figures: Vec<Value>,
}

/// Holds a tenant against what was measured of it.
pub fn recommend(
    catalog: &Catalog,
    spec: &TenantSpec,
    sizing: &Sizing,
    observed: &Observed,
) -> Recommendation {
    let expected = Expected::of(catalog, spec, sizing);
    let (expected_cpu, expected_gpu) = (expected.cpu.share(), expected.gpu.share());
    let share = |usage: Option<Usage>| usage.map(|usage| usage.busiest_hour / 100.0);
    let (cpu, gpu) = (share(observed.cpu), share(observed.gpu));
    // Where there is work for GPUs, the CPUs tell little of it.
    let signal = match expected_gpu {
        Some(expected) => gpu.map(|busiest| (expected, busiest)),
        None => expected_cpu.zip(cpu),
    };
    let mut figures = expected.figures();
    let load_factor = signal.map(|(expected, busiest)| busiest / expected);
    if let (Some((expected, busiest)), Some(factor)) = (signal, load_factor) {
        let inputs = json!({"busiest_hour": busiest, "expected": expected});
        figures.push(figure("load_factor", "busiest_hour / expected", inputs, factor, measured("ratio")));
    }
    let observed_units = load_factor.map(|factor| scaled(&spec.service_requirements, factor));
    let mut answer = Recommendation {
        advice: Advice::Wait,
        expected_cpu: expected_cpu.map(|share| share * 100.0),
        expected_gpu: expected_gpu.map(|share| share * 100.0),
        load_factor,
        observed_units: observed_units.unwrap_or_default(),
        proposal: None,
        figures,
    };
    if observed.confidence() < Confidence::Medium {
        return answer;
    }
    let used = signal.map(|(_, busiest)| busiest).or(cpu).unwrap_or(0.0);
    let sla_ms = f64::from(spec.sla_target.response_time_ms);
    let missed = observed.response_time_ms.map(|times| times.p95_of_hours).filter(|p95| *p95 > sla_ms);
    let mut more_for_sla = 1.0;
    if let Some(p95) = missed {
        let Some(more) = extra_capacity(used, p95, sla_ms) else {
            answer.advice = Advice::Investigate;
            return answer;
        };
        let inputs = json!({"used": used, "response_time_ms": p95, "sla_ms": sla_ms});
        let formula = "used / (1 - response_time_ms * (1 - used) / sla_ms)";
        answer.figures.push(figure("capacity_for_sla", formula, inputs, more, modelled("ratio")));
        more_for_sla = more;
    }
    // Use that is expected is not too much of it.
    let over = |busiest: Option<f64>, expected: Option<f64>| {
        busiest.map_or(0.0, |busiest| busiest / expected.unwrap_or(0.0).max(FULL))
    };
    let over_full = over(cpu, expected_cpu).max(over(gpu, expected_gpu));
    if missed.is_some() || over_full > 1.0 + ROUNDING {
        let more = load_factor.unwrap_or(1.0).max(1.0) * more_for_sla.max(over_full);
        let inputs = json!({
            "load_factor": load_factor.unwrap_or(1.0), "capacity_for_sla": more_for_sla, "over_full": over_full,
        });
        let formula = "max(load_factor, 1) * max(capacity_for_sla, over_full)";
        answer.figures.push(figure("growth", formula, inputs, more, modelled("ratio")));
        let units = scaled(&spec.service_requirements, more);
        answer.advice = Advice::Grow;
        answer.proposal = Some(propose(catalog, spec, units));
        return answer;
    }
    answer.proposal = load_factor.and_then(|factor| smaller(catalog, spec, sizing, observed, factor));
    answer.advice = if answer.proposal.is_some() { Advice::Shrink } else { Advice::Keep };
    answer
}

/// The smallest sizing that carries the load with what was used of CPU and memory, where it costs less
/// than the tenant's: of a load that is hardly under the expected one, another plan alone.
fn smaller(
    catalog: &Catalog,
    spec: &TenantSpec,
    sizing: &Sizing,
    observed: &Observed,
    load_factor: f64,
) -> Option<Proposal> {
    let first = if load_factor < IDLE { (load_factor * STEPS).ceil() as u32 } else { STEPS as u32 };
    let proposals = (first..=STEPS as u32)
        .map(|step| propose(catalog, spec, scaled(&spec.service_requirements, f64::from(step) / STEPS)));
    let holding = { proposals }.find(|proposal| {
        proposal.sizing.warnings.len() <= sizing.warnings.len() && holds(sizing, &proposal.sizing, observed)
    });
    holding.filter(|proposal| proposal.sizing.operator_cost_usd < sizing.operator_cost_usd)
}

/// By how much more capacity a response time comes down to the SLA; nothing where no sensible capacity does
/// it, since most of the time is the service itself.
/// By R = S / (1 − ρ): S follows from what was measured, ρ from what is wanted.
fn extra_capacity(used: f64, response_time_ms: f64, sla_ms: f64) -> Option<f64> {
    let service_time_ms = response_time_ms * (1.0 - used.min(1.0));
    let wanted = 1.0 - service_time_ms / sla_ms;
    (wanted > 0.0 && used > 0.0).then(|| (used / wanted).max(1.0)).filter(|more| *more <= MOST_GROWTH)
}

/// The tenant with other units, its plan chosen by the calculator.
fn propose(catalog: &Catalog, spec: &TenantSpec, units: ServiceRequirements) -> Proposal {
    let mut demand = spec.demand();
    demand.preset = None;
    demand.service_requirements = units;
    let mut sizing = size(catalog, &demand);
    let mut preset = None;
    if spec.preset_choice() == PresetChoice::Request {
        // A plan that is named is given as it is listed.
        demand.preset = Some(sizing.preset);
        let listed = size(catalog, &demand);
        if listed.warnings.len() <= sizing.warnings.len() {
            (preset, sizing) = (demand.preset, listed);
        }
    }
    Proposal { service_requirements: demand.service_requirements, preset, sizing }
}

fn scaled(ordered: &ServiceRequirements, factor: f64) -> ServiceRequirements {
    let units = |count: u32| (f64::from(count) * factor).ceil().clamp(1.0, MAX_UNITS as f64) as u32;
    ordered.iter().map(|(service, count)| (*service, units(*count))).collect()
}

/// Whether what was used of CPU and memory fits a smaller sizing with something to spare.
fn holds(now: &Sizing, then: &Sizing, observed: &Observed) -> bool {
    let fits = |used: Option<f64>, now: u64, then: u64| {
        used.is_none_or(|percent| percent / 100.0 * now as f64 <= KEPT_FREE * then as f64)
    };
    let (now, then) = (&now.resources, &then.resources);
    fits(observed.cpu.map(|usage| usage.busiest_hour), now.cpu_millicores, then.cpu_millicores)
        && fits(observed.memory.map(|usage| usage.maximum), now.memory_mib, then.memory_mib)
}

/// What the sizing expects of its pods in the busiest hour.
struct Expected {
    /// Of their CPU limits.
    cpu: Use,
    /// Of their GPUs.
    gpu: Use,
}

/// How much of something is used, in cores or devices.
struct Use {
    load: f64,
    capacity: f64,
}

impl Use {
    /// Load over capacity; absent where nothing runs there.
    fn share(&self) -> Option<f64> {
        (self.load > 0.0 && self.capacity > 0.0).then(|| self.load / self.capacity)
    }

    fn figure(&self, name: &str) -> Option<Value> {
        let inputs = json!({"load": self.load, "capacity": self.capacity});
        let percent = self.share()? * 100.0;
        Some(figure(name, "100 * load / capacity", inputs, percent, modelled("percent")))
    }
}

impl Expected {
    fn of(catalog: &Catalog, spec: &TenantSpec, sizing: &Sizing) -> Self {
        let mut places = BTreeMap::new();
        let mut demand = spec.demand();
        // Room for what is to come is not load that is expected now.
        demand.options.growth = Share::default();
        for service in report(catalog, &demand, sizing) {
            for stage in service.stages {
                // Every stage of a place has the load of all of them.
                places.insert((stage.place, stage.device == "cpu"), stage.busy_hour);
            }
        }
        let sum = |is_cpu: bool, amount: fn(&HourReport) -> f64| -> f64 {
            places.iter().filter(|((_, cpu), _)| *cpu == is_cpu).map(|(_, hour)| amount(hour)).sum()
        };
        let millicores =
            sizing.services.iter().map(|plan| u64::from(plan.replicas) * plan.limits.cpu_millicores);
        Self {
            // Samples tell of all that the pods may use, not of the stages' part of it.
            cpu: Use { load: sum(true, |hour| hour.load), capacity: millicores.sum::<u64>() as f64 / 1000.0 },
            gpu: Use { load: sum(false, |hour| hour.load), capacity: sum(false, |hour| hour.capacity) },
        }
    }

    fn figures(&self) -> Vec<Value> {
        self.cpu.figure("expected_cpu").into_iter().chain(self.gpu.figure("expected_gpu")).collect()
    }
}

fn measured(unit: &'static str) -> Origin {
    from(unit, Label::Measured, "samples of the tenant")
}

fn modelled(unit: &'static str) -> Origin {
    from(unit, Label::Model, "the sizing of the tenant")
}

#[cfg(test)]
mod tests;
