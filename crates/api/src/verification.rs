//! What a simulation says of a sizing's promises.

use ecp_core::catalog::Catalog;
use ecp_core::simulation::{self, Options, Promise, Verification};
use ecp_core::sizing::{Demand, Sizing};
use serde::Serialize;
use utoipa::ToSchema;

/// Events of one simulation: a large tenant's is cut short, so that no request keeps a core for long.
const MOST_EVENTS: u64 = 1_500_000;

/// A tenant's promises against the simulation of one hour.
#[derive(Debug, Serialize, ToSchema)]
pub struct VerificationOut {
    /// `mean_hour` or `busy_hour`.
    #[schema(example = "mean_hour")]
    hour: &'static str,
    /// The same seed gives the same figures.
    #[schema(example = 1)]
    seed: u64,
    /// Seconds of the tenant's time that were measured.
    #[schema(example = 3240.0)]
    seconds: f64,
    /// Share of the GPUs' time that was used.
    #[schema(example = 0.13)]
    gpu_utilization: f64,
    /// False where a promise that was made without a warning is more than a twentieth better than what
    /// happened.
    kept: bool,
    /// Every promise.
    promises: Vec<PromiseOut>,
}

/// A promise, and what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct PromiseOut {
    /// Whose.
    #[schema(example = "callbot")]
    service: &'static str,
    /// Of which stage; absent where it is the service's lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "tts")]
    stage: Option<&'static str>,
    /// `response_time_ms`, `response_time_p95_ms`, `blocking`, `lines_busy`.
    #[schema(example = "response_time_ms")]
    figure: &'static str,
    /// As `services` prints it; `null` where the pods can not keep up.
    #[schema(example = 138.0)]
    promised: Option<f64>,
    /// As it happened; `null` where nothing answered.
    #[schema(example = 134.1)]
    simulated: Option<f64>,
    /// Requests, turns or calls that it comes from.
    #[schema(example = 20114)]
    samples: u64,
    /// Whether the promise is at most a twentieth better, chance left out.
    kept: bool,
}

impl VerificationOut {
    /// The mean hour's and the busiest hour's.
    pub(crate) fn both_hours(catalog: &Catalog, demand: &Demand, sizing: &Sizing) -> Vec<Self> {
        [false, true]
            .into_iter()
            .filter_map(|busy_hour| {
                let options = Options { busy_hour, most_events: MOST_EVENTS, ..Options::default() };
                simulation::verify_order(catalog, demand, sizing, &options)
            })
            .map(|verification| Self::new(&verification))
            .collect()
    }

    fn new(verification: &Verification) -> Self {
        Self {
            hour: if verification.busy_hour { "busy_hour" } else { "mean_hour" },
            seed: verification.seed,
            seconds: verification.seconds.round(),
            gpu_utilization: number(verification.gpu_utilization).unwrap_or_default(),
            kept: verification.broken().next().is_none(),
            promises: verification.promises.iter().map(PromiseOut::new).collect(),
        }
    }
}

impl PromiseOut {
    fn new(promise: &Promise) -> Self {
        Self {
            service: promise.service.as_str(),
            stage: promise.stage.map(|stage| stage.as_str()),
            figure: promise.figure.as_str(),
            promised: number(promise.promised),
            simulated: number(promise.simulated),
            samples: promise.samples,
            kept: promise.kept,
        }
    }
}

fn number(value: f64) -> Option<f64> {
    value.is_finite().then(|| (value * 1e6).round() / 1e6)
}
