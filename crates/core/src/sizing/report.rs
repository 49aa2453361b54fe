//! What each service can expect of the pods as they are rendered: where its stages run, how much of
//! them is used, how fast they answer and how much is lost, in the mean hour and in the busiest.
//!
//! It is computed from the sizing that a tenant has, not from the one that it would get, so that anyone
//! can hold the manifest to it.

use super::demand::{Caused, Hour, Work, items_per_hour, service_time_ms, sized_for, tts_channels};
use super::queueing::{erlang_b, erlang_c, lines_for_blocking};
use super::warnings::percent;
use super::{Demand, Percentile, ServicePlan, SizedFor, Sizing, Stage, availability};
use crate::catalog::{Catalog, Device};
use crate::tenant::Service;
use crate::text::Message;

/// What one service can expect.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceReport {
    /// Which service.
    pub service: Service,
    /// The hour that it was sized for.
    pub sized_for: SizedFor,
    /// The stages that it causes or runs, in order.
    pub stages: Vec<StageReport>,
    /// Its units as lines that calls find busy; none where they are no lines.
    pub lines: Option<LinesReport>,
    /// What the order itself implies, whatever the plan: lost calls, a busy hour over the SLA.
    pub notes: Vec<Message>,
}

/// One stage of a service.
#[derive(Clone, Debug, PartialEq)]
pub struct StageReport {
    /// Which kind of work.
    pub stage: Stage,
    /// The service whose pods do it.
    pub place: Service,
    /// Pods of the place.
    pub pods: u32,
    /// `cpu`, or the device type.
    pub device: String,
    /// What this service alone takes of it in the mean hour, in cores or devices.
    pub own_load: f64,
    /// The place with all of its work in the mean of the working hours.
    pub mean_hour: HourReport,
    /// The same in the busiest hour.
    pub busy_hour: HourReport,
}

/// A place in an hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HourReport {
    /// Cores or devices that the work keeps fully busy.
    pub load: f64,
    /// Cores or devices of the place's pods.
    pub capacity: f64,
    /// Load over capacity; over 1 where the pods can not keep up.
    pub utilization: f64,
    /// Milliseconds of a request on an idle device, of GPU stages.
    pub service_time_ms: Option<f64>,
    /// Share of what is spoken that finds every line of its pod busy, of speech-to-text.
    pub blocking: Option<f64>,
}

impl HourReport {
    /// The mean or a percentile of the response time in milliseconds, of GPU stages; infinite where they can not
    /// keep up.
    pub fn percentile_ms(&self, percentile: Percentile) -> Option<f64> {
        Some(percentile.response_ms(self.service_time_ms?, self.utilization))
    }
}

/// A service's units as lines.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinesReport {
    /// Units ordered.
    pub units: u32,
    /// Share of the calls that may find all of them busy.
    pub target: f64,
    /// What does, in the mean hour.
    pub mean_hour: Busy,
    /// And in the busiest.
    pub busy_hour: Busy,
    /// Units that would keep the target in the mean hour.
    pub units_for_target: u64,
}

/// What happens to calls that find every line busy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Busy {
    /// They are lost (Erlang B).
    Lost(f64),
    /// They wait (Erlang C): agents have a queue.
    Waits(f64),
}

impl Busy {
    /// The share of calls.
    pub fn share(self) -> f64 {
        match self {
            Self::Lost(share) | Self::Waits(share) => share,
        }
    }
}

/// What every service of a tenant can expect, in listing order.
pub fn report(catalog: &Catalog, demand: &Demand, sizing: &Sizing) -> Vec<ServiceReport> {
    let reporter = Reporter {
        catalog,
        demand,
        sizing,
        device: catalog.devices.iter().find(|device| device.name == sizing.gpu_type),
        mean: Work::in_hour(catalog, demand, Hour::Mean),
        busy: Work::in_hour(catalog, demand, Hour::Busy),
    };
    sizing.services.iter().map(|plan| reporter.service(plan)).collect()
}

struct Reporter<'a> {
    catalog: &'a Catalog,
    demand: &'a Demand,
    sizing: &'a Sizing,
    device: Option<&'a Device>,
    mean: Work,
    busy: Work,
}

impl Reporter<'_> {
    fn service(&self, plan: &ServicePlan) -> ServiceReport {
        let service = plan.service;
        let ordered = self.demand.service_requirements.contains_key(&service);
        let runs = |stage: Stage| self.place(stage).is_some_and(|place| place.service == service);
        let causes = |stage: Stage| ordered && stage.is_caused_by(self.catalog, service);
        let stages: Vec<StageReport> = (Stage::ALL.into_iter())
            .filter(|stage| causes(*stage) || runs(*stage))
            .filter_map(|stage| self.stage(stage, service))
            .collect();
        let lines = ordered.then(|| self.lines(service)).flatten();
        let notes = self.notes(service, &stages, lines.as_ref());
        ServiceReport { service, sized_for: sized_for(self.demand, service), stages, lines, notes }
    }

    /// Whose pods do a stage's work; none of a stage that has none. A tenant that was sized before stages had
    /// places has its GPU work in the first pods that hold a GPU.
    fn place(&self, stage: Stage) -> Option<&ServicePlan> {
        let services = &self.sizing.services;
        let of = |service: Service| services.iter().find(|plan| plan.service == service);
        if !self.sizing.places.is_empty() {
            return self.sizing.places.get(&stage).and_then(|place| of(*place));
        }
        match stage {
            Stage::Stt => of(Service::Stt),
            Stage::Ta => of(Service::Ta),
            Stage::Qa => of(Service::Qa),
            Stage::Tts | Stage::Nlp | Stage::Aicm => services.iter().find(|plan| plan.limits.gpu > 0),
        }
    }

    fn stage(&self, stage: Stage, service: Service) -> Option<StageReport> {
        let place = self.place(stage)?;
        let own = self.mean.caused.get(&service).copied().unwrap_or_default();
        let own_load = self.own_load(stage, service, &own);
        let device = if stage.is_on_gpu() { self.sizing.gpu_type.clone() } else { "cpu".to_owned() };
        Some(StageReport {
            stage,
            place: place.service,
            pods: place.replicas,
            device,
            own_load,
            mean_hour: self.hour(stage, place, &self.mean),
            busy_hour: self.hour(stage, place, &self.busy),
        })
    }

    fn own_load(&self, stage: Stage, service: Service, own: &Caused) -> f64 {
        let cpu = &self.catalog.cpu;
        let of_device = |load: fn(&Catalog, &Device, &Caused) -> f64| {
            self.device.map_or(0.0, |device| load(self.catalog, device, own))
        };
        match stage {
            Stage::Stt => own.stt_erlangs / cpu.stt_channels_per_core,
            Stage::Tts => of_device(|catalog, device, own| own.tts_erlangs / tts_channels(catalog, device)),
            Stage::Nlp => of_device(|_, device, own| own.nlp_per_second / device.nlp_queries_per_second),
            Stage::Aicm => of_device(|_, device, own| own.aicm_per_second / device.aicm_searches_per_second),
            Stage::Ta | Stage::Qa => self.cores(&self.mean, service),
        }
    }

    /// Cores without what is kept free.
    fn cores(&self, work: &Work, service: Service) -> f64 {
        work.cpu_millicores.get(&service).copied().unwrap_or(0.0) / 1000.0 / work.headroom
    }

    fn hour(&self, stage: Stage, place: &ServicePlan, work: &Work) -> HourReport {
        let pods = f64::from(place.replicas);
        if stage.is_on_gpu() {
            let load =
                self.device.map_or(f64::NAN, |device| work.devices(self.catalog, device) / work.headroom);
            let capacity = pods * place.limits.gpu as f64;
            let utilization = load / capacity;
            let service_time_ms =
                self.device.map_or(f64::NAN, |device| service_time_ms(self.catalog, device, stage));
            return HourReport {
                load,
                capacity,
                utilization,
                service_time_ms: Some(service_time_ms),
                blocking: None,
            };
        }
        let per_core = self.catalog.cpu.stt_channels_per_core;
        let capacity = pods * place.limits.cpu_millicores as f64 / 1000.0;
        let (load, blocking) = if stage == Stage::Stt {
            let lines = lines_of_pod(self.catalog, place);
            (work.stt_erlangs / per_core, Some(work.turns_on_pod(pods).blocking(lines)))
        } else {
            (self.cores(work, place.service), None)
        };
        HourReport { load, capacity, utilization: load / capacity, service_time_ms: None, blocking }
    }

    fn lines(&self, service: Service) -> Option<LinesReport> {
        let units = self.demand.service_requirements.get(&service).copied()?;
        let erlangs = |work: &Work| work.caused.get(&service).map_or(0.0, |caused| caused.call_erlangs);
        let waits = match service {
            Service::Callbot | Service::Stt | Service::Tts => false,
            Service::Advisor => true,
            Service::Chatbot | Service::Ta | Service::Qa => return None,
        };
        if erlangs(&self.mean) <= 0.0 {
            return None;
        }
        let lines = u64::from(units);
        let busy = |work: &Work| {
            if waits {
                Busy::Waits(erlang_c(erlangs(work), lines))
            } else {
                Busy::Lost(erlang_b(erlangs(work), lines))
            }
        };
        Some(LinesReport {
            units,
            target: self.mean.blocking,
            mean_hour: busy(&self.mean),
            busy_hour: busy(&self.busy),
            units_for_target: lines_for_blocking(erlangs(&self.mean), self.mean.blocking),
        })
    }

    fn notes(&self, service: Service, stages: &[StageReport], lines: Option<&LinesReport>) -> Vec<Message> {
        let mut notes = Vec::new();
        if let Some(lines) = lines
            && let Busy::Lost(mean) = lines.mean_hour
        {
            let shares = |key: &'static str, share: f64| {
                Message::new(key)
                    .with("service", service)
                    .with("units", lines.units)
                    .with("share", percent(share))
                    .with("target", percent(lines.target))
            };
            if mean > lines.target {
                notes.push(shares("sizing.lines_busy", mean).with("enough", lines.units_for_target));
            } else if lines.busy_hour.share() > lines.target {
                let offered = items_per_hour(self.catalog, self.demand, Hour::Busy, Service::Callbot);
                notes.push(
                    shares("sizing.lines_busy_in_busy_hour", lines.busy_hour.share())
                        .with("calls", format!("{offered:.0}")),
                );
            }
        }
        notes.extend(
            stages.iter().filter(|stage| stage.place == service).filter_map(|stage| self.lost_turns(stage)),
        );
        let sla = self.demand.response_time_ms();
        let percentile = self.demand.options.percentile;
        let slow = stages
            .iter()
            .filter_map(|stage| stage.busy_hour.percentile_ms(percentile))
            .find(|expected| *expected > f64::from(sla));
        if let Some(expected) = slow {
            let expected =
                if expected.is_finite() { format!("{:.0}ms", expected.ceil()) } else { "∞".to_owned() };
            notes.push(
                Message::new("sizing.slow_in_busy_hour")
                    .with("service", service)
                    .with("expected", expected)
                    .with("target", format!("{sla}ms")),
            );
        }
        notes
    }
}

impl Reporter<'_> {
    /// What pods lose of what is spoken, where that is over the target.
    fn lost_turns(&self, stage: &StageReport) -> Option<Message> {
        let target = self.mean.blocking;
        let note = |key, work: &Work, share: f64| {
            Message::new(key)
                .with("service", stage.place)
                .with("share", percent(share))
                .with("target", percent(target))
                .with("enough", work.turns_on_pod(f64::from(stage.pods)).lines_for(target, u64::MAX))
        };
        let (mean, busy) = (stage.mean_hour.blocking?, stage.busy_hour.blocking?);
        if mean > target {
            Some(note("sizing.turns_busy", &self.mean, mean))
        } else if busy > target {
            Some(note("sizing.turns_busy_in_busy_hour", &self.busy, busy))
        } else {
            None
        }
    }
}

/// Pods of each service, in listing order, that carry the mean of the working hours as well as the plan's
/// do, where the service's work is measured in CPU; never fewer than keep the availability, and of a service
/// that has more than one never fewer than two. The others keep all of theirs.
pub fn fewest_replicas(catalog: &Catalog, demand: &Demand, sizing: &Sizing) -> Vec<u32> {
    let work = Work::in_hour(catalog, demand, Hour::Mean);
    let spares =
        availability::replicas_for(catalog, 2, sizing.services.len(), demand.sla_target.availability);
    let fewest = |plan: &ServicePlan| {
        let floor = plan.replicas.min(spares);
        let cores = work.cpu_millicores.get(&plan.service).copied().unwrap_or(0.0);
        if plan.limits.gpu > 0 || cores <= 0.0 {
            return plan.replicas;
        }
        let carries = |pods: u32| match plan.service {
            Service::Stt => {
                work.turns_on_pod(f64::from(pods)).blocking(lines_of_pod(catalog, plan)) <= work.blocking
            }
            _ => cores <= f64::from(pods) * plan.limits.cpu_millicores as f64,
        };
        // More pods carry more, so that the fewest is found by halving.
        let (mut low, mut high) = (floor, plan.replicas);
        while low < high {
            let middle = low.midpoint(high);
            if carries(middle) { high = middle } else { low = middle + 1 }
        }
        low
    };
    sizing.services.iter().map(fewest).collect()
}

/// Speech-to-text lines that each pod of a plan holds.
pub(super) fn lines_of_pod(catalog: &Catalog, plan: &ServicePlan) -> u64 {
    // A limit that was rounded up to a step holds the lines that it was rounded for.
    (plan.limits.cpu_millicores as f64 / 1000.0 * catalog.cpu.stt_channels_per_core + 1e-9).floor() as u64
}
