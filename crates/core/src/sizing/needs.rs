//! What the pods of each service need: how many they are, and CPU and memory of each.
//!
//! Three levels. The *least* is what the work takes and what a container asks of the scheduler: below it
//! a plan is short. *Fed* also keeps the GPUs busy. *Good* also keeps the blocking of speech recognition within its
//! target although calls come to one of several pods at random, each with lines of its own. A plan's
//! sums are taken from bounds that only grow with the work, so that more load never needs less.

use super::demand::Work;
use super::places;
use super::{Demand, Survives};
use crate::catalog::{Catalog, ServiceModel};
use crate::quantity::Resources;
use crate::tenant::Service;

/// Most pods of a service for which the split of its lines is tried one by one.
const MOST_TRIED_PODS: u32 = 256;
/// Numbers of GPUs for each pod that are tried where there is no room for a pod on each.
const MOST_TRIED_GPUS: u64 = 1000;

/// An amount at its three levels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Levels {
    /// Below this the plan is short.
    pub least: f64,
    /// At least `least`.
    pub fed: f64,
    /// At least `fed`.
    pub good: f64,
}

/// What one service's pods need.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Need {
    /// Which service.
    pub service: Service,
    /// Pods.
    pub pods: u32,
    /// GPUs of each.
    pub gpu: u64,
    /// Thousandths of a core of each.
    pub cpu: Levels,
    /// MiB of each.
    pub memory: Levels,
    /// Speech-to-text lines of each; 0 where it has none.
    pub stt_lines: u64,
}

/// What one service adds to the sums, for the explanation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Term {
    /// Which service.
    pub service: Service,
    /// Its pods.
    pub pods: u32,
    /// Those that carry the work when what is to be survived is gone.
    pub carrying: f64,
    /// Thousandths of a core that the work takes.
    pub cpu: f64,
    /// The same with the lines of speech recognition that keep the blocking in every pod.
    pub good_cpu: f64,
    /// MiB.
    pub memory: f64,
}

/// What all services' pods need, in listing order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Needs {
    /// Each service's.
    pub services: Vec<Need>,
    /// Sums, never smaller for more work, in thousandths of a core.
    pub cpu: Levels,
    /// The same in MiB.
    pub memory: Levels,
    /// What the sums are sums of, and what feeds the GPUs beyond that: CPU and memory.
    pub terms: Vec<Term>,
    /// See [`Self::terms`].
    pub feed: (f64, f64),
    /// GPUs that are in pods.
    pub gpus: u64,
    /// GPUs that carry the load when what is to be survived is gone.
    pub surviving_gpus: u64,
    /// A pod would be larger than a node.
    pub oversized: bool,
    /// A service has no pod left when what is to be survived is gone.
    pub unsurvivable: bool,
}

/// What a tenant's pods are counted for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    pub catalog: &'a Catalog,
    pub demand: &'a Demand,
    pub work: &'a Work,
    /// Fewest pods of a service.
    pub replicas: u32,
    /// GPUs of the plan.
    pub gpus: u64,
}

impl Frame<'_> {
    /// What the pods need; where a plan is given, in as many pods as it has room for.
    pub fn needs(&self, plan: Option<&Resources>) -> Needs {
        let needs = self.with_pods(plan, true);
        let Some(plan) = plan else { return needs };
        let asked = self.asked(&needs);
        if asked.cpu_millicores <= plan.cpu_millicores && asked.memory_mib <= plan.memory_mib {
            return needs;
        }
        // The plan is short anyway: its own number of pods at least gets what it asks for.
        Needs { services: self.with_pods(Some(plan), false).services, ..needs }
    }

    /// Pods that go with one loss, of a service.
    fn lost(&self, service: Service) -> u32 {
        let is_host = places::gpu_host(self.catalog, &self.work.counts) == Some(service);
        match self.demand.options.survives {
            Survives::Nothing => 0,
            Survives::Device => u32::from(is_host),
            Survives::Node => 1,
        }
    }

    /// Devices that go with one loss.
    pub fn lost_devices(&self) -> u64 {
        places::gpu_host(self.catalog, &self.work.counts).map_or(0, |host| u64::from(self.lost(host)))
    }

    fn asked(&self, needs: &Needs) -> Resources {
        // The pods with GPUs take what room there is, but never fewer than the plan's.
        let fewest = u64::from(self.replicas);
        let pods =
            |need: &Need| u64::from(need.pods).max(if need.gpu > 0 { fewest.min(self.gpus) } else { 0 });
        let pods: u64 = needs.services.iter().map(pods).sum();
        let each = &self.catalog.requests;
        Resources {
            cpu_millicores: pods.saturating_mul(each.cpu_millicores),
            memory_mib: pods.saturating_mul(each.memory_mib),
            ..Resources::default()
        }
    }

    fn with_pods(&self, plan: Option<&Resources>, by_nodes: bool) -> Needs {
        let Self { catalog, work, .. } = self;
        let host = places::gpu_host(catalog, &work.counts);
        let mut sums = Sums::new(catalog);
        let mut services: Vec<Need> = Vec::with_capacity(work.counts.len());
        let mut unsurvivable = false;
        for service in work.counts.keys().copied().filter(|service| Some(*service) != host) {
            let (need, survives) = self.need(&mut sums, service, by_nodes);
            unsurvivable |= !survives;
            services.push(need);
        }
        let (mut gpus, mut surviving_gpus, mut oversized) = (0, 0, false);
        if let Some(host) = host {
            let room = plan.map(|plan| self.room(plan, &services));
            let need = self.host_need(&mut sums, host, room);
            gpus = u64::from(need.pods).saturating_mul(need.gpu);
            let kept = u64::from(need.pods.saturating_sub(self.lost(host)));
            surviving_gpus = kept.saturating_mul(need.gpu);
            unsurvivable |= kept == 0;
            oversized = self.fewest_gpus() > u64::from(need.pods);
            services.push(need);
            services.sort_by_key(|need| need.service);
        }
        let Sums { cpu, memory, mut terms, feed, .. } = sums;
        terms.sort_by_key(|term| term.service);
        Needs { services, cpu, memory, terms, feed, gpus, surviving_gpus, oversized, unsurvivable }
    }

    /// Pods that the plan has room for beside those of other services.
    fn room(&self, plan: &Resources, others: &[Need]) -> u64 {
        let pods: u64 = others.iter().map(|need| u64::from(need.pods)).sum();
        let asked = &self.catalog.requests;
        let left = |have: u64, each: u64| have.saturating_sub(pods.saturating_mul(each)) / each;
        left(plan.cpu_millicores, asked.cpu_millicores).min(left(plan.memory_mib, asked.memory_mib)).max(1)
    }

    /// Fewest GPUs, one a pod, whose pods are no larger than a node: what its channels and users hold in
    /// memory is there, whichever service has them.
    pub fn fewest_gpus(&self) -> u64 {
        let Some(host) = places::gpu_host(self.catalog, &self.work.counts) else { return 0 };
        let held: f64 = (self.work.memory_mib.iter())
            .filter(|(service, _)| **service != Service::Stt)
            .map(|(_, mib)| *mib)
            .sum();
        let pods = (held / self.catalog.nodes.memory_mib as f64).ceil() as u64;
        pods.max(1).saturating_add(u64::from(self.lost(host)))
    }

    fn need(&self, sums: &mut Sums<'_>, service: Service, by_nodes: bool) -> (Need, bool) {
        let Self { catalog, work, .. } = self;
        let (cpu, memory) = (work.cpu_millicores[&service], work.memory_mib[&service]);
        let lost = self.lost(service);
        let base = self.replicas.saturating_sub(lost).max(1);
        let node = &catalog.nodes;
        let mut pods = base;
        if by_nodes {
            let whole = |work: f64, node: u64| (work / node as f64).ceil() as u32;
            pods = pods.max(whole(cpu, node.cpu_millicores)).max(whole(memory, node.memory_mib));
        }
        let per_line = 1000.0 / catalog.cpu.stt_channels_per_core * work.headroom;
        let (mut stt_lines, mut good) = (0, cpu);
        if service == Service::Stt {
            let most = (node.cpu_millicores as f64 / per_line).floor().max(1.0) as u64;
            let split = Split::of(work, pods, if by_nodes { most } else { u64::MAX });
            pods = pods.max(split.pods);
            good = split.lines as f64 * per_line;
            stt_lines = split.lines.div_ceil(u64::from(pods));
        }
        let carrying = f64::from(pods);
        let pods = pods.saturating_add(lost);
        let per_pod = |work: f64| work / carrying;
        let line_work = stt_lines as f64 * per_line;
        sums.add(Term { service, pods, carrying, cpu, good_cpu: good.max(cpu), memory });
        let cpu_of_pod = per_pod(cpu);
        let need = Need {
            service,
            pods,
            gpu: 0,
            cpu: Levels { least: cpu_of_pod, fed: cpu_of_pod, good: cpu_of_pod.max(line_work) },
            memory: same(per_pod(memory)),
            stt_lines,
        };
        (need, self.replicas > lost)
    }

    fn host_need(&self, sums: &mut Sums<'_>, service: Service, room: Option<u64>) -> Need {
        let Self { catalog, work, .. } = self;
        let (pods, gpu) = pods_for_gpus(self.gpus, room.unwrap_or(u64::MAX));
        let lost = self.lost(service);
        let carrying = f64::from(pods.saturating_sub(lost).max(1));
        let (cpu, memory) = (work.cpu_millicores[&service], work.memory_mib[&service]);
        let feed = &catalog.gpu;
        let fed_cpu = gpu.saturating_mul(feed.cpu_millicores_per_gpu) as f64;
        let fed_memory = gpu.saturating_mul(feed.memory_mib_per_gpu) as f64;
        let levels = |work: f64, fed: f64| Levels { least: work, fed: work.max(fed), good: work.max(fed) };
        let (cpu_of_pod, memory_of_pod) = (cpu / carrying, memory / carrying);
        sums.add(Term { service, pods, carrying, cpu, good_cpu: cpu, memory });
        sums.feed(pods, self.gpus);
        Need {
            service,
            pods,
            gpu,
            cpu: levels(cpu_of_pod, fed_cpu),
            memory: levels(memory_of_pod, fed_memory),
            stt_lines: 0,
        }
    }
}

fn same(amount: f64) -> Levels {
    Levels { least: amount, fed: amount, good: amount }
}

/// Pods and GPUs of each, whole and alike: a pod for each GPU where there is room, else the number of
/// each that leaves the fewest over.
fn pods_for_gpus(gpus: u64, room: u64) -> (u32, u64) {
    let fewest = gpus.div_ceil(room.max(1)).max(1);
    let tried = fewest..=fewest.saturating_add(MOST_TRIED_GPUS).min(gpus.max(fewest));
    let each = tried.min_by_key(|each| (gpus % each, *each)).unwrap_or(fewest);
    (u32::try_from(gpus / each).unwrap_or(u32::MAX).max(1), each)
}

/// Sums that only grow with work and pods: rounding of each pod included.
struct Sums<'a> {
    catalog: &'a Catalog,
    cpu: Levels,
    memory: Levels,
    terms: Vec<Term>,
    feed: (f64, f64),
}

impl<'a> Sums<'a> {
    fn new(catalog: &'a Catalog) -> Self {
        let (cpu, memory) = (Levels::default(), Levels::default());
        Self { catalog, cpu, memory, terms: Vec::new(), feed: (0.0, 0.0) }
    }

    fn add(&mut self, term: Term) {
        let Term { pods, carrying, cpu, good_cpu, memory, .. } = term;
        self.terms.push(term);
        let spare = f64::from(pods) / carrying;
        let (own_cpu, own_memory) = self.own();
        let of_pods = f64::from(pods) * own_cpu;
        self.cpu.least += cpu * spare + of_pods;
        self.cpu.fed += cpu * spare + of_pods;
        self.cpu.good += good_cpu * spare + of_pods;
        let held = memory * spare + f64::from(pods) * own_memory;
        self.memory.least += held;
        self.memory.fed += held;
        self.memory.good += held;
    }

    /// What keeps the GPUs of a number of pods busy, beyond what those pods have been given of their own.
    fn feed(&mut self, pods: u32, gpus: u64) {
        let (feed, own) = (&self.catalog.gpu, self.own());
        let beyond =
            |feed: u64, own: f64| (gpus.saturating_mul(feed) as f64 - f64::from(pods) * own).max(0.0);
        let (cpu, memory) =
            (beyond(feed.cpu_millicores_per_gpu, own.0), beyond(feed.memory_mib_per_gpu, own.1));
        self.feed = (cpu, memory);
        self.cpu.fed += cpu;
        self.cpu.good += cpu;
        self.memory.fed += memory;
        self.memory.good += memory;
    }

    /// CPU and memory that a container has whatever its work: its request and a step of rounding.
    fn own(&self) -> (f64, f64) {
        let (asked, steps) = (&self.catalog.requests, &self.catalog.limits);
        let own = |asked: u64, step: u64| asked.saturating_add(step) as f64;
        (own(asked.cpu_millicores, steps.cpu_step_millicores), own(asked.memory_mib, steps.memory_step_mib))
    }
}

/// Speech-to-text lines over pods that calls come to at random.
struct Split {
    pods: u32,
    /// Of all pods; never fewer for more erlangs, less blocking or more pods.
    lines: u64,
}

impl Split {
    fn of(work: &Work, base: u32, most_of_pod: u64) -> Self {
        let blocking = work.blocking;
        let lines_in = |pods: u32| work.turns_on_pod(f64::from(pods)).lines_for(blocking, most_of_pod);
        // More pods than channels help nobody: a call that loses turns on a pod of its own does so on any.
        let most_pods = u32::try_from(work.stt_channels).unwrap_or(u32::MAX).max(1);
        let full = fewest(most_pods, |pods| lines_in(pods) <= most_of_pod);
        let total = |pods: u32| {
            if pods < full {
                u64::from(full).saturating_mul(most_of_pod)
            } else {
                u64::from(pods).saturating_mul(lines_in(pods))
            }
        };
        let tried = base.min(MOST_TRIED_PODS);
        let lines = (1..=tried).chain([base]).map(total).max().unwrap_or(0);
        Self { pods: base.max(full), lines }
    }
}

/// Fewest pods, up to the most, of which something holds that goes on to hold for more; the most where it
/// holds for none.
fn fewest(most: u32, holds: impl Fn(u32) -> bool) -> u32 {
    let mut high = 1_u32;
    while high < most && !holds(high) {
        high = high.saturating_mul(2).min(most);
    }
    let mut low = high / 2 + 1;
    while low < high {
        let middle = low.midpoint(high);
        if holds(middle) { high = middle } else { low = middle + 1 }
    }
    high
}

/// Weights by which the rest of a plan is dealt.
pub(super) fn weight(model: &ServiceModel, memory: bool) -> u64 {
    if memory { model.memory_weight } else { model.cpu_weight }
}
