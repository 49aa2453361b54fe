//! What a service can expect of the pods that it is given: the part of `services[]` that the detail and
//! the calculator share.

use ecp_core::sizing::{
    Busy, HourReport, LinesReport, Percentile, ServiceReport, SizingOptions, StageReport,
};
use ecp_core::text::Language;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What the planner asked for beyond units and SLA, as requests spell it.
#[derive(Debug, Serialize, ToSchema)]
pub struct SizingOptionsOut {
    /// `mean_hour` or `busy_hour`.
    #[schema(example = "busy_hour")]
    size_for: &'static str,
    /// By service.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = Object)]
    busy_hour_share: BTreeMap<&'static str, String>,
    /// Share of calls that may find every line busy.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "1%")]
    blocking: Option<String>,
    /// `mean`, `p95` or `p99`.
    #[schema(example = "p95")]
    percentile: &'static str,
    /// By service.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = Object)]
    response_time: BTreeMap<&'static str, String>,
    /// What is kept free.
    #[schema(example = "20%")]
    headroom: String,
    /// By how much the load is to grow.
    #[schema(example = "0%")]
    growth: String,
    /// `nothing`, `device` or `node`.
    #[schema(example = "node")]
    survives: &'static str,
}

impl From<&SizingOptions> for SizingOptionsOut {
    fn from(options: &SizingOptions) -> Self {
        let shares = options.busy_hour_share.iter();
        let times = options.response_time_ms.iter();
        Self {
            size_for: options.sized_for.as_str(),
            busy_hour_share: shares.map(|(service, share)| (service.as_str(), share.to_string())).collect(),
            blocking: options.blocking.map(|share| share.to_string()),
            percentile: options.percentile.as_str(),
            response_time: times.map(|(service, ms)| (service.as_str(), format!("{ms}ms"))).collect(),
            headroom: options.headroom.to_string(),
            growth: options.growth.to_string(),
            survives: options.survives.as_str(),
        }
    }
}

/// What a service can expect of its pods and of those that work for it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExpectationOut {
    /// The hour that it was sized for: `mean_hour` or `busy_hour`.
    #[schema(example = "mean_hour")]
    sized_for: &'static str,
    /// Where its stages run and what they carry.
    stages: Vec<StageOut>,
    /// Its units as lines that calls may find busy; absent where they are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    lines: Option<LinesOut>,
    /// What the order itself implies, whatever the plan: lost calls, a busy hour over the SLA.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

/// One stage of a service.
#[derive(Debug, Serialize, ToSchema)]
pub struct StageOut {
    /// `stt`, `tts`, `nlp`, `aicm`, `ta`, `qa`.
    #[schema(example = "tts")]
    stage: &'static str,
    /// The service whose pods do it.
    #[schema(example = "callbot")]
    runs_in: &'static str,
    /// Pods of that service.
    #[schema(example = 3)]
    pods: u32,
    /// `cpu`, or the device type.
    #[schema(example = "v100")]
    device: String,
    /// Cores or devices that this service alone keeps busy in the mean hour.
    #[schema(example = 0.357)]
    own_load: Option<f64>,
    /// The place with all of its work, in the mean of the working hours.
    mean_hour: HourOut,
    /// The same in the busiest hour.
    busy_hour: HourOut,
}

/// A place in an hour.
#[derive(Debug, Serialize, ToSchema)]
pub struct HourOut {
    /// Cores or devices that the work keeps fully busy.
    #[schema(example = 0.689)]
    load: Option<f64>,
    /// Cores or devices of the place's pods.
    #[schema(example = 3.0)]
    capacity: Option<f64>,
    /// Load over capacity; `null` where there is no capacity.
    #[schema(example = 0.23)]
    utilization: Option<f64>,
    /// Response time of GPU stages in milliseconds; `null` where the pods can not keep up.
    #[serde(skip_serializing_if = "Option::is_none")]
    response_time_ms: Option<ResponseTimeOut>,
    /// Share of what is spoken that finds every line of its pod busy, of speech-to-text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 0.0008)]
    blocking: Option<f64>,
}

/// Response times in milliseconds.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResponseTimeOut {
    /// The mean.
    #[schema(example = 153.2)]
    mean: Option<f64>,
    /// What 95 of 100 requests stay within.
    #[schema(example = 459.0)]
    p95: Option<f64>,
    /// What 99 of 100 requests stay within.
    #[schema(example = 705.5)]
    p99: Option<f64>,
}

/// A service's units as lines.
#[derive(Debug, Serialize, ToSchema)]
pub struct LinesOut {
    /// Units ordered.
    #[schema(example = 50)]
    units: u32,
    /// Share of the calls that may find all of them busy.
    #[schema(example = 0.001)]
    target: Option<f64>,
    /// What becomes of calls that do: `lost`, or `wait` where there is a queue.
    #[schema(example = "lost")]
    then: &'static str,
    /// Their share in the mean of the working hours.
    #[schema(example = 0.0492)]
    mean_hour: Option<f64>,
    /// Their share in the busiest hour.
    #[schema(example = 0.2161)]
    busy_hour: Option<f64>,
    /// Units that would keep the target in the mean hour.
    #[schema(example = 64)]
    units_for_target: u64,
}

impl ExpectationOut {
    pub(crate) fn new(report: &ServiceReport, language: Language) -> Self {
        Self {
            sized_for: report.sized_for.as_str(),
            stages: report.stages.iter().map(StageOut::new).collect(),
            lines: report.lines.as_ref().map(LinesOut::new),
            notes: report.notes.iter().map(|note| note.render(language)).collect(),
        }
    }
}

impl StageOut {
    fn new(report: &StageReport) -> Self {
        Self {
            stage: report.stage.as_str(),
            runs_in: report.place.as_str(),
            pods: report.pods,
            device: report.device.clone(),
            own_load: number(report.own_load),
            mean_hour: HourOut::new(&report.mean_hour),
            busy_hour: HourOut::new(&report.busy_hour),
        }
    }
}

impl HourOut {
    fn new(report: &HourReport) -> Self {
        let of = |percentile| report.percentile_ms(percentile).and_then(number);
        let response_time_ms = report.service_time_ms.map(|_| ResponseTimeOut {
            mean: of(Percentile::Mean),
            p95: of(Percentile::P95),
            p99: of(Percentile::P99),
        });
        Self {
            load: number(report.load),
            capacity: number(report.capacity),
            utilization: number(report.utilization),
            response_time_ms,
            blocking: report.blocking.and_then(number),
        }
    }
}

impl LinesOut {
    fn new(report: &LinesReport) -> Self {
        Self {
            units: report.units,
            target: number(report.target),
            then: match report.mean_hour {
                Busy::Lost(_) => "lost",
                Busy::Waits(_) => "wait",
            },
            mean_hour: number(report.mean_hour.share()),
            busy_hour: number(report.busy_hour.share()),
            units_for_target: report.units_for_target,
        }
    }
}

/// A number that JSON can hold, to six decimals.
fn number(value: f64) -> Option<f64> {
    value.is_finite().then(|| (value * 1e6).round() / 1e6)
}
