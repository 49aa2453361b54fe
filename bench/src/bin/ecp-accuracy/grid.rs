//! The grid of orders: what each was told to expect beside what the simulation of its manifest saw.

use crate::census::{promised_ms, sentence};
use crate::orders::{self, Order};
use ecp_core::catalog::Catalog;
use ecp_core::ids::TenantId;
use ecp_core::simulation::{Figure, Options};
use ecp_core::sizing::{Percentile, Stage};

/// Events of each simulation.
const EVENTS: u64 = 2_000_000;

/// An hour of an order: promised beside simulated.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hour {
    pub mean_ms: Option<(f64, f64)>,
    pub p95_ms: Option<(f64, f64)>,
    /// Shares of turns that find their pod's lines busy.
    pub turns: Option<(f64, f64)>,
}

/// One order.
#[derive(Clone, Debug)]
pub struct Row {
    pub order: String,
    pub sla_ms: u32,
    pub plan: String,
    pub pods: u32,
    pub gpus: String,
    pub largest_pod_mib: u64,
    pub warned: bool,
    pub mean_hour: Hour,
    pub busy_hour: Hour,
    pub broken: Vec<String>,
}

/// Sizes, renders and simulates every order of the grid.
pub fn run(catalog: &Catalog, seed: u64) -> Vec<Row> {
    let Ok(id) = TenantId::parse("order") else { return Vec::new() };
    let row = |spec| row(catalog, &Order::new(catalog, &id, spec), seed);
    orders::grid().into_iter().map(row).collect()
}

fn row(catalog: &Catalog, order: &Order, seed: u64) -> Row {
    let (sizing, reports) = (&order.sizing, order.report(catalog));
    let mut broken = Vec::new();
    let mut hour = |busy_hour: bool| {
        let options = Options { seed, busy_hour, most_events: EVENTS, ..Options::default() };
        let verification = order.verify(catalog, &options);
        let confirmed = order.broken(catalog, &verification, &options);
        broken.extend(confirmed.iter().map(|promise| sentence(order, busy_hour, promise)));
        let worst = |figure: Figure| {
            let of_figure = verification.promises.iter().filter(|promise| promise.figure == figure);
            of_figure.map(|promise| promise.simulated).max_by(f64::total_cmp)
        };
        let blocking = |stage: &ecp_core::sizing::StageReport| {
            let hour = if busy_hour { &stage.busy_hour } else { &stage.mean_hour };
            hour.blocking
        };
        let stages = || reports.iter().flat_map(|report| &report.stages);
        let promised = stages().find(|stage| stage.stage == Stage::Stt).and_then(blocking);
        let ms = |percentile| promised_ms(&reports, busy_hour, percentile);
        Hour {
            mean_ms: ms(Percentile::Mean).zip(worst(Figure::ResponseMean)),
            p95_ms: ms(Percentile::P95).zip(worst(Figure::ResponseP95)),
            turns: promised.zip(worst(Figure::TurnsBusy)),
        }
    };
    let (mean_hour, busy_hour) = (hour(false), hour(true));
    Row {
        order: order.text(),
        sla_ms: order.demand.sla_target.response_time_ms,
        plan: sizing.preset.to_string(),
        pods: sizing.services.iter().map(|plan| plan.replicas).sum(),
        gpus: format!("{} {}", sizing.resources.gpu, sizing.gpu_type),
        largest_pod_mib: sizing.services.iter().map(|plan| plan.limits.memory_mib).max().unwrap_or(0),
        warned: !sizing.warnings.is_empty(),
        mean_hour,
        busy_hour,
        broken,
    }
}
