//! A discrete-event simulation of a tenant as it is rendered: calls, sessions, spoken turns, cache hits,
//! queries, pods and GPUs. It reads the manifest's objects, not the sizing, and holds what the sizing
//! promises against what happens.
//!
//! Calls come at random and last an exponential time; a call is on one of the service's lines, or lost,
//! or waits where there is a queue. Each is recognised by one pod at random, whose lines a turn may find
//! busy. Each request of a GPU stage goes to one GPU at random, at the address of the environment; a GPU
//! serves all requests that it holds at once, each at its share of the speed, so that a request takes as
//! many times its time on an idle device as the device was shared by. The calls do not wait for the
//! GPUs, so that a load that they can not carry piles up.

mod device;
mod layout;
mod random;
mod source;
mod verdict;

#[cfg(test)]
mod tests;

pub use device::Responses;
pub use random::Random;
pub use verdict::{Figure, Promise, Verification};

use crate::Timestamp;
use crate::catalog::Catalog;
use crate::ids::TenantId;
use crate::manifest::{Object, RenderOptions, SECRET_KEYS, render};
use crate::sizing::{self, Demand, ServiceReport, Sizing, Stage};
use crate::tenancy::planned_tenant;
use crate::tenant::{Service, TenantSecrets, TenantSpec};
use device::Device;
use layout::Layout;
use source::{Process, Source};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};

/// Mean length of a spoken turn in seconds; the share of lost turns does not depend on it.
const TURN_SECONDS: f64 = 4.0;
/// Part of a simulation that is left out of the figures: it begins with idle GPUs.
const WARM_UP: f64 = 0.1;

/// How a simulation is run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The same seed gives the same figures.
    pub seed: u64,
    /// The busiest hour instead of the mean of the working ones.
    pub busy_hour: bool,
    /// Seconds of the tenant's time.
    pub seconds: f64,
    /// Events after which a large tenant's simulation is cut short.
    pub most_events: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { seed: 1, busy_hour: false, seconds: 3600.0, most_events: 2_000_000 }
    }
}

/// What happened to a service's calls.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Calls {
    /// Calls that came.
    pub offered: u64,
    /// Calls that found every line busy: lost, or made to wait.
    pub busy: u64,
}

/// What happened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Seconds that were measured.
    pub seconds: f64,
    /// Calls by service.
    pub calls: BTreeMap<Service, Calls>,
    /// Spoken turns, and those that found every line of their pod busy.
    pub turns: Calls,
    /// Response times by GPU stage.
    pub responses: BTreeMap<Stage, Responses>,
    /// Share of the GPUs' time that was used.
    pub gpu_utilization: f64,
}

/// Simulates a tenant's objects under a demand, and holds the sizing's promises against what happens.
pub fn verify(
    catalog: &Catalog,
    demand: &Demand,
    sizing: &Sizing,
    objects: &[Object],
    options: &Options,
) -> Verification {
    let reports = sizing::report(catalog, demand, sizing);
    verify_promises(catalog, demand, sizing, &reports, objects, options)
}

/// The same with promises that were made before, such as by another catalog than the world's.
pub fn verify_promises(
    catalog: &Catalog,
    demand: &Demand,
    sizing: &Sizing,
    promises: &[ServiceReport],
    objects: &[Object],
    options: &Options,
) -> Verification {
    let outcome = simulate(catalog, demand, &sizing.gpu_type, objects, options);
    verdict::verification(sizing, promises, outcome, options)
}

/// Renders an order as it was sized, and verifies that; none where it can not be named.
pub fn verify_order(
    catalog: &Catalog,
    demand: &Demand,
    sizing: &Sizing,
    options: &Options,
) -> Option<Verification> {
    let spec = TenantSpec {
        name: String::new(),
        preset: demand.preset,
        service_requirements: demand.service_requirements.clone(),
        sla_target: demand.sla_target,
        description: None,
        exposure: None,
        management: Default::default(),
        demo_fault: None,
        sizing: demand.options.clone(),
    };
    let mut tenant = planned_tenant(catalog, TenantId::parse("order").ok()?, spec, Timestamp::UNIX_EPOCH);
    tenant.sizing = sizing.clone();
    let secrets = TenantSecrets::generate(SECRET_KEYS);
    let rendered = render(catalog, &tenant, &secrets, &RenderOptions::default());
    Some(verify(catalog, demand, sizing, &rendered.objects, options))
}

/// Simulates a tenant's objects under a demand.
pub fn simulate(
    catalog: &Catalog,
    demand: &Demand,
    gpu_type: &str,
    objects: &[Object],
    options: &Options,
) -> Outcome {
    let layout = Layout::of(catalog, objects);
    let sources = source::sources(catalog, demand, gpu_type, options.busy_hour);
    Run::new(catalog, gpu_type, layout, sources, options).outcome(options)
}

/// Something that is to happen.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// A call comes to a source.
    Arrival(usize),
    /// A call of a source ends.
    End(usize),
    /// A process of a source makes something; of an earlier rate where the version is another.
    Made(usize, Process, u32),
    /// A spoken turn ends in a pod.
    TurnEnd(usize),
}

#[derive(Debug)]
struct Timed {
    at: f64,
    event: Event,
}

impl PartialEq for Timed {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Timed {}
impl PartialOrd for Timed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Timed {
    /// The earliest is the greatest, as a heap yields that first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.total_cmp(&self.at)
    }
}

/// One pod of speech recognition.
#[derive(Clone, Copy, Debug, Default)]
struct Recognizer {
    lines: u64,
    busy: u64,
}

struct Run {
    random: Random,
    events: BinaryHeap<Timed>,
    sources: Vec<Source>,
    recognizers: Vec<Recognizer>,
    devices: BTreeMap<Stage, Vec<usize>>,
    gpus: Vec<Device>,
    /// Milliseconds of a request of each GPU stage on an idle device.
    times: BTreeMap<Stage, f64>,
    measuring_from: f64,
    outcome: Outcome,
}

impl Run {
    fn new(
        catalog: &Catalog,
        gpu_type: &str,
        layout: Layout,
        sources: Vec<Source>,
        options: &Options,
    ) -> Self {
        let device = catalog.devices.iter().find(|device| device.name == gpu_type);
        let time = |stage| device.map(|device| (stage, sizing::service_time_ms(catalog, device, stage)));
        let times = Stage::ALL.into_iter().filter(|stage| stage.is_on_gpu()).filter_map(time).collect();
        let lines = (layout.recognition.millicores as f64 / 1000.0 * catalog.cpu.stt_channels_per_core + 1e-9)
            .floor() as u64;
        let recognizers = vec![Recognizer { lines, busy: 0 }; layout.recognition.pods];
        // Stages at the same address share their devices.
        let mut gpus = Vec::new();
        let mut first_of: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        let mut devices = BTreeMap::new();
        for (stage, place) in &layout.gpu_stages {
            let (first, count) = *first_of.entry(place.app.as_str()).or_insert_with(|| {
                let first = gpus.len();
                gpus.extend((0..place.gpus).map(|_| Device::default()));
                (first, place.gpus)
            });
            devices.insert(*stage, (first..first + count).collect());
        }
        Self {
            random: Random::new(options.seed),
            events: BinaryHeap::new(),
            sources,
            recognizers,
            devices,
            gpus,
            times,
            measuring_from: options.seconds * WARM_UP,
            outcome: Outcome::default(),
        }
    }

    fn outcome(mut self, options: &Options) -> Outcome {
        let rate: f64 = self.sources.iter().map(Source::events_per_second).sum();
        let seconds = options.seconds.min(options.most_events as f64 / rate.max(1e-9));
        self.measuring_from = seconds * WARM_UP;
        for index in 0..self.sources.len() {
            self.begin(index);
        }
        while let Some(Timed { at, event }) = self.events.pop() {
            if at > seconds {
                break;
            }
            self.happen(at, event);
        }
        let (stages, times, gpus) = (&mut self.outcome.responses, &self.times, self.gpus.len());
        let mut used = 0.0;
        for gpu in &mut self.gpus {
            gpu.advance(seconds, |stage, arrived, stretch| {
                if arrived >= self.measuring_from {
                    stages.entry(stage).or_default().add(stretch * time_of(times, stage));
                }
            });
            // What is still there has taken this long already: else an overload would look fast.
            gpu.unfinished(seconds, |stage, arrived, stretch| {
                if arrived >= self.measuring_from {
                    stages.entry(stage).or_default().add(stretch * time_of(times, stage));
                }
            });
            used += gpu.busy_seconds();
        }
        self.outcome.gpu_utilization = if gpus == 0 { 0.0 } else { used / (seconds * gpus as f64) };
        self.outcome.seconds = seconds - self.measuring_from;
        self.outcome
    }

    /// Puts a source where it is on average, and lets it go on from there.
    fn begin(&mut self, index: usize) {
        let calls = self.sources[index].mean_calls();
        for _ in 0..calls {
            self.start_call(0.0, index);
        }
        self.schedule_arrival(0.0, index);
        self.reschedule(0.0, index);
    }

    fn push(&mut self, at: f64, event: Event) {
        if at.is_finite() {
            self.events.push(Timed { at, event });
        }
    }

    fn schedule_arrival(&mut self, now: f64, index: usize) {
        let gap = self.random.exponential(self.sources[index].arrivals_per_second);
        self.push(now + gap, Event::Arrival(index));
    }

    /// Processes go at a rate by the calls that are on; what was to come at the old rate is void.
    fn reschedule(&mut self, now: f64, index: usize) {
        self.sources[index].version = self.sources[index].version.wrapping_add(1);
        for process in Process::ALL {
            self.schedule_next(now, index, process);
        }
    }

    fn schedule_next(&mut self, now: f64, index: usize, process: Process) {
        let source = &self.sources[index];
        let (rate, version) = (source.rate(process), source.version);
        let gap = self.random.exponential(rate);
        self.push(now + gap, Event::Made(index, process, version));
    }

    fn happen(&mut self, now: f64, event: Event) {
        match event {
            Event::Arrival(index) => {
                self.schedule_arrival(now, index);
                self.arrive(now, index);
            }
            Event::End(index) => self.end_call(now, index),
            Event::TurnEnd(pod) => self.recognizers[pod].busy -= 1,
            Event::Made(index, process, version) => {
                if self.sources[index].version != version {
                    return;
                }
                self.schedule_next(now, index, process);
                match process {
                    Process::Turn => self.turn(now, index),
                    Process::Synthesis | Process::Query | Process::Search => {
                        self.request(now, index, process);
                    }
                }
            }
        }
    }

    fn arrive(&mut self, now: f64, index: usize) {
        let measured = now >= self.measuring_from;
        let source = &mut self.sources[index];
        let full = source.lines.is_some_and(|lines| source.calls.len() as u64 >= lines);
        if measured {
            let calls = self.outcome.calls.entry(source.service).or_default();
            calls.offered += 1;
            calls.busy += u64::from(full);
        }
        if !full {
            self.start_call(now, index);
            self.reschedule(now, index);
        } else if source.waits {
            source.waiting += 1;
        }
    }

    fn start_call(&mut self, now: f64, index: usize) {
        let pod = if self.recognizers.is_empty() { 0 } else { self.random.below(self.recognizers.len()) };
        let source = &mut self.sources[index];
        source.calls.push(pod);
        let length = self.random.exponential(1.0 / source.call_seconds);
        self.push(now + length, Event::End(index));
    }

    fn end_call(&mut self, now: f64, index: usize) {
        // Lengths are exponential: any of the calls that are on is as likely to be the one that ends.
        let on = self.sources[index].calls.len();
        if on == 0 {
            return;
        }
        let ended = self.random.below(on);
        self.sources[index].calls.swap_remove(ended);
        if self.sources[index].waiting > 0 {
            self.sources[index].waiting -= 1;
            self.start_call(now, index);
        }
        self.reschedule(now, index);
    }

    fn turn(&mut self, now: f64, index: usize) {
        if self.recognizers.is_empty() || self.sources[index].calls.is_empty() {
            return;
        }
        let call = self.random.below(self.sources[index].calls.len());
        let pod = self.sources[index].calls[call];
        let recognizer = &mut self.recognizers[pod];
        let full = recognizer.busy >= recognizer.lines;
        if now >= self.measuring_from {
            self.outcome.turns.offered += 1;
            self.outcome.turns.busy += u64::from(full);
        }
        if !full {
            recognizer.busy += 1;
            let length = self.random.exponential(1.0 / TURN_SECONDS);
            self.push(now + length, Event::TurnEnd(pod));
        }
    }

    fn request(&mut self, now: f64, index: usize, process: Process) {
        let (stage, size) = self.sources[index].job(process, &mut self.random);
        let Some(place) = self.devices.get(&stage).filter(|place| !place.is_empty()) else {
            // Nobody answers.
            if now >= self.measuring_from {
                self.outcome.responses.entry(stage).or_default().add(f64::INFINITY);
            }
            return;
        };
        let gpu = &mut self.gpus[place[self.random.below(place.len())]];
        let (stages, times, from) = (&mut self.outcome.responses, &self.times, self.measuring_from);
        gpu.advance(now, |stage, arrived, stretch| {
            if arrived >= from {
                stages.entry(stage).or_default().add(stretch * time_of(times, stage));
            }
        });
        gpu.take(now, stage, size);
    }
}

/// Every stage on a GPU has a time where there is a device, and without one there are no requests.
fn time_of(times: &BTreeMap<Stage, f64>, stage: Stage) -> f64 {
    times.get(&stage).copied().unwrap_or(f64::NAN)
}
