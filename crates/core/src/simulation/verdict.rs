//! What was promised beside what happened.

use super::{Calls, Options, Outcome};
use crate::sizing::{Percentile, ServiceReport, Sizing, Stage};
use crate::tenant::Service;

/// By how much a promise may be better than what happens.
const TOLERANCE: f64 = 0.05;
/// Standard deviations by which chance is allowed to differ.
const DEVIATIONS: f64 = 3.0;
/// Requests of which a percentile is told.
const FEWEST_REQUESTS: u64 = 200;

/// A figure that is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Mean response time of a GPU stage, in milliseconds.
    ResponseMean,
    /// What 95 of 100 stay within.
    ResponseP95,
    /// Share of spoken turns that find the lines of their pod busy.
    TurnsBusy,
    /// Share of calls that find the service's lines busy.
    LinesBusy,
}

impl Figure {
    /// The spelling of answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ResponseMean => "response_time_ms",
            Self::ResponseP95 => "response_time_p95_ms",
            Self::TurnsBusy => "blocking",
            Self::LinesBusy => "lines_busy",
        }
    }
}

/// A promise and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Promise {
    /// Whose.
    pub service: Service,
    /// Of which stage; none where it is the service's lines.
    pub stage: Option<Stage>,
    /// Which figure.
    pub figure: Figure,
    /// As the answer prints it.
    pub promised: f64,
    /// As it happened.
    pub simulated: f64,
    /// How many requests, turns or calls that comes from.
    pub samples: u64,
    /// False where the promise is more than a twentieth better, chance left out.
    pub kept: bool,
}

/// A tenant's promises against its simulation.
#[derive(Clone, Debug, PartialEq)]
pub struct Verification {
    /// The seed; the same one gives the same figures.
    pub seed: u64,
    /// Whether it was the busiest hour.
    pub busy_hour: bool,
    /// Seconds of the tenant's time that were measured.
    pub seconds: f64,
    /// Every promise.
    pub promises: Vec<Promise>,
    /// Whether the plan was given with a warning, so that nothing was promised.
    pub warned: bool,
    /// Share of the GPUs' time that was used.
    pub gpu_utilization: f64,
}

impl Verification {
    /// Promises that were made without a warning and not kept.
    pub fn broken(&self) -> impl Iterator<Item = &Promise> {
        self.promises.iter().filter(|promise| !self.warned && !promise.kept)
    }
}

pub(super) fn verification(
    sizing: &Sizing,
    reports: &[ServiceReport],
    outcome: Outcome,
    options: &Options,
) -> Verification {
    let mut promises = Vec::new();
    for report in reports {
        if let (Some(lines), Some(calls)) = (&report.lines, outcome.calls.get(&report.service)) {
            let busy = if options.busy_hour { lines.busy_hour } else { lines.mean_hour };
            promises.extend(share(report.service, None, Figure::LinesBusy, busy.share(), *calls));
        }
        for stage in &report.stages {
            let hour = if options.busy_hour { &stage.busy_hour } else { &stage.mean_hour };
            if let Some(blocking) = hour.blocking {
                let turns = outcome.turns;
                promises.extend(share(report.service, Some(stage.stage), Figure::TurnsBusy, blocking, turns));
            }
            let Some(responses) = outcome.responses.get(&stage.stage) else { continue };
            for (figure, percentile) in
                [(Figure::ResponseMean, Percentile::Mean), (Figure::ResponseP95, Percentile::P95)]
            {
                let simulated = match percentile {
                    Percentile::Mean => responses.mean_ms(),
                    _ => responses.percentile_ms(0.95),
                };
                let (Some(promised), Some(simulated)) = (hour.percentile_ms(percentile), simulated) else {
                    continue;
                };
                let samples = responses.count();
                if samples < FEWEST_REQUESTS {
                    continue;
                }
                // Requests that share a device are alike: fewer of them count than there are.
                let chance = DEVIATIONS / (samples as f64 / 20.0).sqrt();
                promises.push(Promise {
                    service: report.service,
                    stage: Some(stage.stage),
                    figure,
                    promised,
                    simulated,
                    samples,
                    kept: simulated <= promised * (1.0 + TOLERANCE + chance.min(0.2)),
                });
            }
        }
    }
    Verification {
        seed: options.seed,
        busy_hour: options.busy_hour,
        seconds: outcome.seconds,
        promises,
        warned: !sizing.warnings.is_empty(),
        gpu_utilization: outcome.gpu_utilization,
    }
}

fn share(
    service: Service,
    stage: Option<Stage>,
    figure: Figure,
    promised: f64,
    calls: Calls,
) -> Option<Promise> {
    if calls.offered == 0 {
        return None;
    }
    let (samples, simulated) = (calls.offered, calls.busy as f64 / calls.offered as f64);
    // Calls that find lines busy come in runs: ten of them tell about as much as one.
    let chance = DEVIATIONS * (promised.max(1.0 / samples as f64) * 10.0 / samples as f64).sqrt();
    let kept = simulated <= promised * (1.0 + TOLERANCE) + chance;
    Some(Promise { service, stage, figure, promised, simulated, samples, kept })
}
