//! Orders: those of the grid, random ones, and an order as a rendered tenant.

use ecp_core::Timestamp;
use ecp_core::catalog::Catalog;
use ecp_core::ids::TenantId;
use ecp_core::manifest::{Object, RenderOptions, SECRET_KEYS, render};
use ecp_core::simulation::{Options, Promise, Random, Verification, verify};
use ecp_core::sizing::{Demand, ServiceReport, Sizing, SizingOptions, report};
use ecp_core::tenancy::planned_tenant;
use ecp_core::tenant::{Availability, Preset, Service, SlaTarget, TenantSecrets, TenantSpec};

/// Runs that are to confirm a broken promise, each longer and with a seed of its own, and how many standard
/// errors of their mean it is worse by: a queue that is nearly full stays as it is for many minutes, so that the
/// calls of one run say little of each other's chance.
const CONFIRMATIONS: u64 = 16;
const TIMES_AS_LONG: u64 = 5;
const ERRORS: f64 = 3.5;
/// By how much a promise may be better than what happens.
const TOLERANCE: f64 = 0.05;

/// An order, sized and rendered.
pub struct Order {
    pub demand: Demand,
    pub sizing: Sizing,
    pub objects: Vec<Object>,
}

/// A specification as an order is typed: units, and what was promised.
pub fn spec(services: &[(Service, u32)], response_time_ms: u32, availability: Availability) -> TenantSpec {
    TenantSpec {
        name: "order".to_owned(),
        preset: None,
        service_requirements: services.iter().copied().collect(),
        sla_target: SlaTarget { availability, response_time_ms, concurrent_users: None },
        description: None,
        exposure: None,
        management: Default::default(),
        demo_fault: None,
        sizing: SizingOptions::default(),
    }
}

impl Order {
    /// Sizes and renders a specification.
    pub fn new(catalog: &Catalog, id: &TenantId, spec: TenantSpec) -> Self {
        let tenant = planned_tenant(catalog, id.clone(), spec, Timestamp::UNIX_EPOCH);
        let secrets = TenantSecrets::generate(SECRET_KEYS);
        let objects = render(catalog, &tenant, &secrets, &RenderOptions::default()).objects;
        Self { demand: tenant.spec.demand(), sizing: tenant.sizing, objects }
    }

    /// What each service was told to expect.
    pub fn report(&self, catalog: &Catalog) -> Vec<ServiceReport> {
        report(catalog, &self.demand, &self.sizing)
    }

    /// The simulation of an hour.
    pub fn verify(&self, catalog: &Catalog, options: &Options) -> Verification {
        verify(catalog, &self.demand, &self.sizing, &self.objects, options)
    }

    /// Promises without a warning that a run breaks and so does the mean of several longer ones.
    pub fn broken(&self, catalog: &Catalog, first: &Verification, options: &Options) -> Vec<Promise> {
        if first.broken().next().is_none() {
            return Vec::new();
        }
        let again: Vec<Verification> = (1..=CONFIRMATIONS)
            .map(|run| Options {
                seed: options.seed.wrapping_add(run.wrapping_mul(0x9e37_79b9)),
                seconds: options.seconds * TIMES_AS_LONG as f64,
                most_events: options.most_events * TIMES_AS_LONG,
                ..*options
            })
            .map(|longer| self.verify(catalog, &longer))
            .collect();
        let confirmed = |promise: &Promise| {
            let same = |other: &&Promise| {
                (other.service, other.stage, other.figure) == (promise.service, promise.stage, promise.figure)
            };
            let seen = again.iter().filter_map(|run| run.promises.iter().find(same));
            let seen: Vec<f64> = seen.map(|promise| promise.simulated).collect();
            let (mean, error) = mean_and_error(&seen)?;
            let is_broken = mean > promise.promised * (1.0 + TOLERANCE) + ERRORS * error;
            is_broken.then(|| Promise { simulated: mean, ..promise.clone() })
        };
        first.broken().filter_map(confirmed).collect()
    }

    /// The order in the words of the command line.
    pub fn text(&self) -> String {
        let units = self.demand.service_requirements.iter();
        let units: Vec<String> = units.map(|(service, units)| format!("{service}={units}")).collect();
        let plan = self.demand.preset.map(|preset| format!("{preset}: ")).unwrap_or_default();
        format!("{plan}{}", units.join(" "))
    }
}

/// Mean of independent figures and its standard error; none of fewer than two.
fn mean_and_error(figures: &[f64]) -> Option<(f64, f64)> {
    let count = figures.len() as f64;
    let mean = figures.iter().sum::<f64>() / count;
    let squares: f64 = figures.iter().map(|figure| (figure - mean).powi(2)).sum();
    (figures.len() > 1).then(|| (mean, (squares / (count - 1.0) / count).sqrt()))
}

/// The grid: each service alone over three orders of magnitude, mixtures, the reference's examples, and the
/// orders that went wrong once.
pub fn grid() -> Vec<TenantSpec> {
    use Service::{Advisor, Callbot, Chatbot, Qa, Stt, Ta, Tts};
    let usual = Availability(999_000);
    let order = |services: &[(Service, u32)], response_time_ms| spec(services, response_time_ms, usual);
    let named = |preset, spec: TenantSpec| TenantSpec { preset: Some(preset), ..spec };
    let mut orders = vec![
        order(&[(Callbot, 100), (Chatbot, 200), (Advisor, 50)], 150),
        named(
            Preset::Medium,
            order(&[(Callbot, 50), (Chatbot, 100), (Advisor, 25), (Stt, 30), (Tts, 30)], 200),
        ),
        named(Preset::Large, order(&[(Callbot, 25), (Chatbot, 85), (Advisor, 32)], 265)),
    ];
    for (service, most) in [(Callbot, 1000), (Advisor, 1000), (Stt, 3000), (Tts, 1000), (Chatbot, 100_000)] {
        orders.extend([100, 10, 1].map(|part| order(&[(service, most / part)], 300)));
    }
    orders.extend([
        order(&[(Tts, 42)], 300),
        order(&[(Tts, 42), (Callbot, 1)], 300),
        order(&[(Chatbot, 5000)], 300),
        order(&[(Callbot, 200), (Advisor, 100)], 200),
        order(&[(Callbot, 300), (Chatbot, 3000), (Stt, 300), (Tts, 300)], 200),
        order(&[(Callbot, 5), (Ta, 4), (Qa, 50)], 300),
        order(&[(Chatbot, 300), (Qa, 500)], 250),
        order(&[(Advisor, 60), (Tts, 60), (Ta, 20)], 180),
        spec(&[(Callbot, 3), (Stt, 3)], 300, Availability(999_000)),
        spec(&[(Callbot, 40), (Chatbot, 400)], 300, Availability(999_900)),
        spec(&[(Callbot, 40), (Chatbot, 400)], 300, Availability(990_000)),
    ]);
    orders
}

/// A random order: any services, units over the whole of their range alike, small or large, and an SLA.
pub fn random(random: &mut Random) -> TenantSpec {
    let most: [(Service, f64, f64); 7] = [
        (Service::Callbot, 0.5, 500.0),
        (Service::Chatbot, 0.5, 20_000.0),
        (Service::Advisor, 0.35, 300.0),
        (Service::Stt, 0.3, 1000.0),
        (Service::Tts, 0.3, 500.0),
        (Service::Ta, 0.2, 200.0),
        (Service::Qa, 0.2, 1000.0),
    ];
    let mut services = Vec::new();
    while services.is_empty() {
        for (service, share, most) in most {
            if random.share() < share {
                services.push((service, most.powf(random.share()).round() as u32));
            }
        }
    }
    let responses = [150, 200, 300, 500];
    let availabilities = [990_000, 995_000, 999_000, 999_900].map(Availability);
    spec(
        &services,
        responses[random.below(responses.len())],
        availabilities[random.below(availabilities.len())],
    )
}

/// The same with more of some services that it has already, or with another one.
pub fn more(random: &mut Random, spec: &TenantSpec) -> TenantSpec {
    let mut more = spec.clone();
    for (service, units) in super::orders::random(random).service_requirements {
        let grown = more.service_requirements.entry(service).or_insert(0);
        *grown = grown.saturating_add(units);
    }
    more
}
