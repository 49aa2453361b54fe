//! A census of random tenants: how many were promised what their pods can not keep.

use crate::orders::{self, Order};
use ecp_core::catalog::Catalog;
use ecp_core::ids::TenantId;
use ecp_core::manifest::Object;
use ecp_core::simulation::{Figure, Options, Promise, Random};
use ecp_core::sizing::{Percentile, ServiceReport, Stage, queueing};
use ecp_core::tenant::Service;
use std::collections::BTreeMap;

/// Times the SLA that a response takes which counts as over it: the short runs of a census differ by chance.
const OVER: f64 = 1.05;

/// A number of those that it is a number of.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Part {
    pub hit: u64,
    pub of: u64,
}

impl Part {
    pub fn add(&mut self, hit: bool) {
        self.hit += u64::from(hit);
        self.of += 1;
    }
}

/// How far promises are from what happens.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Margin {
    pub promises: u64,
    pub over: u64,
    /// Sum and greatest of simulated over promised, of milliseconds alone: shares near zero have no ratio.
    pub ratios: f64,
    pub ratio_count: u64,
    pub worst: f64,
}

/// What was counted.
#[derive(Clone, Debug, Default)]
pub struct Census {
    pub tenants: u64,
    pub warned: u64,
    pub stt_below_mean: Part,
    pub tts_without_gpu: Part,
    pub idle_gpus: Part,
    pub tenants_with_idle_gpus: Part,
    pub mean_over_sla: Part,
    pub p95_over_sla: Part,
    pub busy_mean_over_sla: Part,
    pub busy_p95_over_sla: Part,
    pub turns_lost_mean: Part,
    pub turns_lost_busy: Part,
    pub away_too_long: Part,
    pub device_lost: Part,
    pub autoscalers_that_can_not_move: Part,
    pub largest_pod_mib: u64,
    pub margins: BTreeMap<&'static str, Margin>,
    /// Promises without a warning that two simulations break.
    pub broken: Vec<String>,
}

impl Census {
    /// Sizes, renders and simulates a number of random tenants.
    pub fn take(catalog: &Catalog, seed: u64, tenants: u32, events: u64) -> Self {
        let mut random = Random::new(seed);
        let mut census = Self::default();
        let Ok(id) = TenantId::parse("order") else { return census };
        for number in 0..tenants {
            let order = Order::new(catalog, &id, orders::random(&mut random));
            census.count(catalog, &order);
            let options = Options {
                seed: seed.wrapping_add(u64::from(number)),
                most_events: events,
                busy_hour: number % 2 == 1,
                ..Options::default()
            };
            census.simulate(catalog, &order, &options);
        }
        census
    }

    fn count(&mut self, catalog: &Catalog, order: &Order) {
        self.tenants += 1;
        let sizing = &order.sizing;
        let no_warning = sizing.warnings.is_empty();
        self.warned += u64::from(!no_warning);
        let largest = sizing.services.iter().map(|plan| plan.limits.memory_mib).max();
        self.largest_pod_mib = self.largest_pod_mib.max(largest.unwrap_or(0));
        for object in &order.objects {
            if let Object::HorizontalPodAutoscaler(autoscaler) = object {
                let spec = &autoscaler.spec;
                let fewest = spec.min_replicas.unwrap_or(1);
                self.autoscalers_that_can_not_move.add(fewest >= spec.max_replicas);
            }
        }
        if !no_warning {
            return;
        }
        let reports = order.report(catalog);
        let stages = || reports.iter().flat_map(|report| &report.stages);
        if let Some(stt) = stages().find(|stage| stage.stage == Stage::Stt) {
            self.stt_below_mean.add(stt.mean_hour.load > stt.mean_hour.capacity);
        }
        if stages().any(|stage| stage.stage == Stage::Tts) {
            let has_gpu = stages().any(|stage| stage.stage == Stage::Tts && stage.mean_hour.capacity >= 1.0);
            self.tts_without_gpu.add(!has_gpu);
        }
        let in_pods: u64 =
            sizing.services.iter().map(|plan| plan.limits.gpu * u64::from(plan.replicas)).sum();
        // Who has no work for GPUs gets the plan's for nothing, and asks no cluster for them.
        if stages().any(|stage| stage.stage.is_on_gpu()) {
            let idle = sizing.resources.gpu.saturating_sub(in_pods);
            self.idle_gpus.hit += idle;
            self.idle_gpus.of += sizing.resources.gpu;
            self.tenants_with_idle_gpus.add(idle > 0);
        }
        self.count_loss(catalog, order, &reports);
        let allowed = 1.0 - order.demand.sla_target.availability.fraction();
        self.away_too_long.add(away(catalog, order) > allowed * (1.0 + 1e-9));
    }

    /// Whether the mean response time of the mean hour is still within the SLA with one device less.
    fn count_loss(&mut self, catalog: &Catalog, order: &Order, reports: &[ServiceReport]) {
        let on_gpu = |report: &&ServiceReport| report.stages.iter().any(|stage| stage.stage.is_on_gpu());
        let stage = reports
            .iter()
            .find(on_gpu)
            .and_then(|report| report.stages.iter().find(|stage| stage.stage.is_on_gpu()));
        if let Some(stage) = stage {
            let left = stage.mean_hour.load / (stage.mean_hour.capacity - 1.0).max(0.0);
            let response = queueing::response_time_ms(catalog.gpu.service_time_ms, left);
            self.device_lost.add(response > f64::from(order.demand.sla_target.response_time_ms));
        }
    }

    fn simulate(&mut self, catalog: &Catalog, order: &Order, options: &Options) {
        let verification = order.verify(catalog, options);
        if verification.warned {
            return;
        }
        let sla = f64::from(order.demand.sla_target.response_time_ms);
        let (mean, p95, lost) = if options.busy_hour {
            (&mut self.busy_mean_over_sla, &mut self.busy_p95_over_sla, &mut self.turns_lost_busy)
        } else {
            (&mut self.mean_over_sla, &mut self.p95_over_sla, &mut self.turns_lost_mean)
        };
        let worst = |figure: Figure| {
            let of_figure = verification.promises.iter().filter(|promise| promise.figure == figure);
            of_figure.map(|promise| promise.simulated).max_by(f64::total_cmp)
        };
        if let Some(worst) = worst(Figure::ResponseMean) {
            mean.add(worst > sla * OVER);
        }
        if let Some(worst) = worst(Figure::ResponseP95) {
            p95.add(worst > sla * OVER);
        }
        if let Some(worst) = worst(Figure::TurnsBusy) {
            lost.add(worst > 0.001);
        }
        for promise in &verification.promises {
            let margin = self.margins.entry(promise.figure.as_str()).or_default();
            margin.promises += 1;
            margin.over += u64::from(!promise.kept);
            if matches!(promise.figure, Figure::ResponseMean | Figure::ResponseP95) {
                let ratio = promise.simulated / promise.promised;
                margin.ratios += ratio;
                margin.ratio_count += 1;
                margin.worst = margin.worst.max(ratio);
            }
        }
        let broken = order.broken(catalog, &verification, options);
        self.broken.extend(broken.iter().map(|promise| sentence(order, options.busy_hour, promise)));
    }
}

/// A broken promise in words.
pub fn sentence(order: &Order, busy_hour: bool, promise: &Promise) -> String {
    let hour = if busy_hour { "busy hour" } else { "mean hour" };
    let stage = promise.stage.map(|stage| format!(" {}", stage.as_str())).unwrap_or_default();
    format!(
        "{} within {} ms, {hour}: {}{stage} {} promised {:.4}, simulated {:.4}",
        order.text(),
        order.demand.sla_target.response_time_ms,
        promise.service,
        promise.figure.as_str(),
        promise.promised,
        promise.simulated
    )
}

/// Share of time in which a tenant is away, from the replicas that were rendered and the catalog alone: services
/// and redis in series, a service's pods dealt out evenly over nodes. Pods beyond the plan's replicas are there
/// for load, not as spares.
fn away(catalog: &Catalog, order: &Order) -> f64 {
    let model = &catalog.availability;
    let spares = catalog.plan(order.sizing.preset).replicas;
    let service = |pods: u32| {
        let nodes = pods.min(model.spread_over_nodes);
        let node = |index: u32| {
            let here = pods / nodes + u32::from(index < pods % nodes);
            1.0 - model.node_share * (1.0 - (1.0 - model.pod_share).powf(f64::from(here)))
        };
        1.0 - (0..nodes).map(node).product::<f64>()
    };
    let is_grown = order.sizing.resources != catalog.plan(order.sizing.preset).resources();
    let pods = |replicas: u32| if is_grown { replicas } else { replicas.min(spares) };
    let services: f64 = order.sizing.services.iter().map(|plan| service(pods(plan.replicas))).product();
    1.0 - services * model.redis_share * model.node_share
}

/// Pairs of random tenants, the second with more load.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pairs {
    /// Of services of the first: fewer GPUs at the place of their stages.
    pub fewer_gpus: Part,
    /// Of the first: less CPU, memory, fewer GPUs or less storage altogether.
    pub smaller: Part,
    /// Of services of the first: a place that carries less of what it has to in the mean hour.
    pub carries_less: Part,
}

/// Sizes pairs, and counts the answers that are smaller for more load.
pub fn fewer_for_more(catalog: &Catalog, seed: u64, pairs: u32) -> Pairs {
    let mut random = Random::new(seed ^ 0x5eed);
    let mut counts = Pairs::default();
    let Ok(id) = TenantId::parse("order") else { return counts };
    for _ in 0..pairs {
        let spec = orders::random(&mut random);
        let more = orders::more(&mut random, &spec);
        let [first, second] = [spec, more].map(|spec| Order::new(catalog, &id, spec));
        let (less, larger) = (&first.sizing.resources, &second.sizing.resources);
        counts.smaller.add(
            larger.cpu_millicores < less.cpu_millicores
                || larger.memory_mib < less.memory_mib
                || larger.gpu < less.gpu
                || larger.storage_gb < less.storage_gb,
        );
        let (before, after) = (first.report(catalog), second.report(catalog));
        for report in before {
            let Some(other) = after.iter().find(|other| other.service == report.service) else { continue };
            if let (Some(less), Some(more)) = (gpus(&report), gpus(other)) {
                counts.fewer_gpus.add(more < less);
            }
            if second.sizing.warnings.is_empty() {
                counts.carries_less.add(overloaded(other));
            }
        }
    }
    counts
}

fn gpus(report: &ServiceReport) -> Option<u64> {
    let stage = report.stages.iter().find(|stage| stage.stage.is_on_gpu())?;
    Some(stage.mean_hour.capacity.round() as u64)
}

fn overloaded(report: &ServiceReport) -> bool {
    report.stages.iter().any(|stage| stage.mean_hour.utilization > 1.0)
}

/// The response time that a service was promised in an hour, worst stage first.
pub fn promised_ms(reports: &[ServiceReport], busy_hour: bool, percentile: Percentile) -> Option<f64> {
    let stages = reports.iter().flat_map(|report| &report.stages);
    let of_stage = stages.filter_map(|stage| {
        let hour = if busy_hour { &stage.busy_hour } else { &stage.mean_hour };
        hour.percentile_ms(percentile)
    });
    of_stage.max_by(f64::total_cmp)
}

/// How many tenants of one order a cluster of a number of cores is promised, by limits.
pub fn accepted_on(catalog: &Catalog, cores: u64, service: Service, units: u32) -> u64 {
    let spec = orders::spec(&[(service, units)], 300, ecp_core::tenant::Availability(999_000));
    let Ok(id) = TenantId::parse("order") else { return 0 };
    let order = Order::new(catalog, &id, spec);
    let limits = ecp_core::manifest::limits(catalog, &order.sizing).cpu_millicores;
    (cores as f64 * 1000.0 * catalog.overcommit.cpu / limits as f64).floor() as u64
}
