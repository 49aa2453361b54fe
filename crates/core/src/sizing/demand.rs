//! From ordered units to work: channels, queries, cores, memory, storage; for the tenant and for each
//! service that causes it.

use super::queueing::lines_for_blocking;
use super::speech::{Speakers, Turns};
use super::{Demand, SizedFor, Stage};
use crate::catalog::{Catalog, Device};
use crate::tenant::{Service, ServiceRequirements};
use std::collections::BTreeMap;

/// Minutes of an hour, seconds of an hour.
const MINUTES: f64 = 60.0;
const SECONDS: f64 = 3600.0;
/// Smallest share of lost calls that a trunk is sized for: nobody can tell it from none.
const LEAST_BLOCKING: f64 = 1e-9;

/// Which hour's load is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hour {
    /// The hour that the demand is sized for, service by service.
    Sized,
    /// The mean of the working hours.
    Mean,
    /// The busiest.
    Busy,
}

/// What one service causes, wherever it is done.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Caused {
    /// Text-to-speech channels.
    pub tts_channels: f64,
    /// Speech-to-text channels.
    pub stt_channels: f64,
    /// Erlangs of each.
    pub tts_erlangs: f64,
    /// A channel works only while somebody speaks.
    pub stt_erlangs: f64,
    /// Nlp queries a second, multiplied.
    pub nlp_per_second: f64,
    /// Aicm searches a second, multiplied.
    pub aicm_per_second: f64,
    /// Erlangs that its calls offer to its units; 0 where its units are no lines.
    pub call_erlangs: f64,
    /// The same calls, as speech recognition hears them; none where it does not.
    pub speakers: Option<Speakers>,
}

/// The work that a demand causes, whatever carries it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Work {
    /// Users at once: of the chatbot, or over all services where the SLA states more.
    pub users: u64,
    /// Units by service, those that other services bring included.
    pub counts: ServiceRequirements,
    /// What each ordered service causes.
    pub caused: BTreeMap<Service, Caused>,
    /// Voice channels as ordered: callbot + advisor + stt + tts.
    pub voice_channels: u64,
    /// Factor on nlp and aicm work.
    pub load_multiplier: f64,
    /// How many times today's load is meant: 1 and what it is to grow.
    pub growth: f64,
    /// 1 and what is kept free on top of the work.
    pub headroom: f64,
    /// Share of calls that may be lost.
    pub blocking: f64,
    /// Text-to-speech channels in use at once.
    pub tts_lines: u64,
    /// Speech-to-text channels in use at once, were there one pod of them.
    pub stt_lines: u64,
    /// Most of them that can be in use: the channels.
    pub stt_channels: u64,
    /// Nlp queries a second, multiplied.
    pub nlp_per_second: f64,
    /// Aicm searches a second, multiplied.
    pub aicm_per_second: f64,
    /// Erlangs that the calls of callbot and advisor offer to the telephone lines.
    pub trunk_erlangs: f64,
    /// Erlangs of text-to-speech.
    pub tts_erlangs: f64,
    /// Erlangs of speech-to-text.
    pub stt_erlangs: f64,
    /// Items a second that quality assessment does in-house.
    pub qa_items_per_second: f64,
    /// Thousandths of a core by the service whose pods do the work.
    pub cpu_millicores: BTreeMap<Service, f64>,
    /// MiB for what is active at once, by the service whose pods hold it.
    pub memory_mib: BTreeMap<Service, f64>,
    /// GB stored.
    pub storage_gb: f64,
}

impl Work {
    /// The work of a demand in the hour that it is sized for.
    pub fn of(catalog: &Catalog, demand: &Demand) -> Self {
        Self::in_hour(catalog, demand, Hour::Sized)
    }

    /// The work of a demand in an hour.
    pub fn in_hour(catalog: &Catalog, demand: &Demand, hour: Hour) -> Self {
        let (ordered, options) = (&demand.service_requirements, &demand.options);
        let units = |service| u64::from(ordered.get(&service).copied().unwrap_or(0));
        let counts = with_derived(catalog, ordered);
        let count = |service| u64::from(counts.get(&service).copied().unwrap_or(0));
        let voice_channels =
            units(Service::Callbot) + units(Service::Advisor) + units(Service::Stt) + units(Service::Tts);
        let load_multiplier = load_multiplier(catalog, voice_channels);
        let growth = 1.0 + options.growth.fraction();
        let of_sla = 1.0 - demand.sla_target.availability.fraction();
        let blocking = options.blocking.map_or(of_sla, |share| share.fraction()).max(LEAST_BLOCKING);
        let caused: BTreeMap<Service, Caused> = (ordered.iter())
            .filter(|(_, units)| **units > 0)
            .map(|(service, units)| {
                let units = f64::from(*units) * growth;
                (*service, caused(catalog, demand, hour, *service, units, load_multiplier))
            })
            .collect();
        let sum = |pick: fn(&Caused) -> f64| -> f64 { caused.values().map(pick).sum() };
        let grown = |channels: u64| (channels as f64 * growth).ceil() as u64;
        let (tts_channels, stt_channels) = (grown(count(Service::Tts)), grown(count(Service::Stt)));
        let tts_erlangs = sum(|caused| caused.tts_erlangs);
        let stt_erlangs = sum(|caused| caused.stt_erlangs);
        // There are no more sources than channels, whatever the formula for endless sources says.
        let tts_lines = lines_for_blocking(tts_erlangs, blocking).min(tts_channels);
        let stt_lines = lines_for_blocking(stt_erlangs, blocking).min(stt_channels);
        let mut qa_items = 0.0;
        if count(Service::Qa) > 0 {
            for (service, units) in ordered {
                let model = catalog.service(*service);
                let items = f64::from(*units) * growth * items_per_hour(catalog, demand, hour, *service);
                qa_items += items / SECONDS * model.qa_item_share * catalog.cpu.qa_in_house_share;
            }
        }
        let concurrent = u64::from(demand.sla_target.concurrent_users.unwrap_or(0));
        let users = grown(units(Service::Chatbot).max(concurrent));
        let storage = &catalog.storage;
        let mut work = Self {
            users,
            voice_channels,
            load_multiplier,
            growth,
            headroom: 1.0 + options.headroom.fraction(),
            blocking,
            tts_lines,
            stt_lines,
            stt_channels,
            nlp_per_second: sum(|caused| caused.nlp_per_second),
            aicm_per_second: sum(|caused| caused.aicm_per_second),
            trunk_erlangs: [Service::Callbot, Service::Advisor]
                .iter()
                .filter_map(|service| caused.get(service))
                .map(|caused| caused.call_erlangs)
                .sum(),
            tts_erlangs,
            stt_erlangs,
            qa_items_per_second: qa_items,
            cpu_millicores: BTreeMap::new(),
            memory_mib: BTreeMap::new(),
            storage_gb: counts.len() as f64 * storage.gb_per_service
                + users as f64 * storage.mb_per_user / 1000.0
                + units(Service::Advisor) as f64 * growth * storage.mb_per_agent_day * storage.recording_days
                    / 1000.0,
            counts,
            caused,
        };
        work.cpu_millicores = work.cpu_by_service(catalog);
        work.memory_mib = work.memory_by_service(catalog, tts_channels);
        work
    }

    /// The spoken turns that come to one of a number of pods.
    pub fn turns_on_pod(&self, pods: f64) -> Turns {
        let speakers: Vec<Speakers> = self.caused.values().filter_map(|caused| caused.speakers).collect();
        Turns::on_pod(&speakers, pods)
    }

    /// Thousandths of a core: speech-to-text, analysis and assessment run in the pods of their services.
    fn cpu_by_service(&self, catalog: &Catalog) -> BTreeMap<Service, f64> {
        let cpu = &catalog.cpu;
        let units = |service| f64::from(self.counts.get(&service).copied().unwrap_or(0)) * self.growth;
        let cores = |service| match service {
            Service::Stt => self.stt_lines as f64 / cpu.stt_channels_per_core,
            Service::Ta => units(Service::Ta) / cpu.ta_channels_per_core,
            Service::Qa => {
                units(Service::Qa) / cpu.qa_channels_per_core
                    + self.qa_items_per_second * cpu.qa_cpu_seconds_per_item
            }
            Service::Callbot | Service::Chatbot | Service::Advisor | Service::Tts => 0.0,
        };
        self.counts.keys().map(|service| (*service, cores(*service) * 1000.0 * self.headroom)).collect()
    }

    /// MiB: a voice channel's where its audio is worked on, a user's where the dialogue is.
    fn memory_by_service(&self, catalog: &Catalog, tts_channels: u64) -> BTreeMap<Service, f64> {
        let memory = &catalog.memory;
        let mut held: BTreeMap<Service, f64> = self.counts.keys().map(|service| (*service, 0.0)).collect();
        let mut add = |service: Option<Service>, mib: f64| {
            if let Some(held) = service.and_then(|service| held.get_mut(&service)) {
                *held += mib * self.headroom;
            }
        };
        add(Some(Service::Stt), self.stt_channels as f64 * memory.mib_per_voice_channel);
        let host = super::places::gpu_host(catalog, &self.counts);
        add(host, tts_channels as f64 * memory.mib_per_voice_channel);
        let chatbot = self.counts.contains_key(&Service::Chatbot).then_some(Service::Chatbot);
        // Where nobody holds dialogues, users hold no memory: were it some other service's, it would move, and that
        // service's pods be fewer, with the first one that does.
        add(chatbot.or(host), self.users as f64 * memory.mib_per_chat_user);
        held
    }

    /// Devices of a type that the GPU work keeps fully busy.
    pub fn devices(&self, catalog: &Catalog, device: &Device) -> f64 {
        self.headroom
            * (self.tts_lines as f64 / tts_channels(catalog, device)
                + self.nlp_per_second / device.nlp_queries_per_second
                + self.aicm_per_second / device.aicm_searches_per_second)
    }

    /// Milliseconds on an idle device of the slowest kind of request that the work has: the one that has to
    /// keep the SLA.
    pub fn service_time_ms(&self, catalog: &Catalog, device: &Device) -> f64 {
        let kinds = [
            (Stage::Tts, self.tts_lines > 0),
            (Stage::Nlp, self.nlp_per_second > 0.0),
            (Stage::Aicm, self.aicm_per_second > 0.0),
        ];
        let times = kinds.iter().filter(|(_, there)| *there).map(|(stage, _)| stage);
        times
            .map(|stage| service_time_ms(catalog, device, *stage))
            .reduce(f64::max)
            .unwrap_or(catalog.gpu.service_time_ms)
    }
}

impl Caused {
    /// Devices of a type that its GPU work keeps fully busy on average.
    pub fn devices(&self, catalog: &Catalog, device: &Device) -> f64 {
        self.tts_erlangs / tts_channels(catalog, device)
            + self.nlp_per_second / device.nlp_queries_per_second
            + self.aicm_per_second / device.aicm_searches_per_second
    }
}

fn caused(
    catalog: &Catalog,
    demand: &Demand,
    hour: Hour,
    service: Service,
    units: f64,
    multiplier: f64,
) -> Caused {
    let model = catalog.service(service);
    let items = items_per_hour(catalog, demand, hour, service);
    // A stand-alone channel has no items of its own: it is taken to be as busy as a call channel.
    let (stt, tts) = match service {
        Service::Stt => (1, 0),
        Service::Tts => (0, 1),
        _ => (model.stt_channels, model.tts_channels),
    };
    let channel_items = items_per_hour(catalog, demand, hour, Service::Callbot);
    let minutes = catalog.service(Service::Callbot).minutes_per_item;
    // Erlangs of one unit.
    let each = match service {
        Service::Stt | Service::Tts => channel_items * minutes / MINUTES,
        _ => items * model.minutes_per_item / MINUTES,
    };
    let are_lines = are_lines(service);
    // Of a unit that is offered more than it can take, the rest never becomes work.
    let taken = if are_lines && each > 1.0 { 1.0 / each } else { 1.0 };
    let busy = each * taken;
    let (stt_channels, tts_channels) = (units * f64::from(stt), units * f64::from(tts));
    let speech = catalog.cpu.stt_speech_share;
    let speakers = (stt > 0).then(|| {
        let lines = are_lines.then(|| units.ceil() as u64);
        Speakers::new(units * each, lines, service == Service::Advisor, f64::from(stt) * speech)
    });
    Caused {
        tts_channels,
        stt_channels,
        tts_erlangs: tts_channels * busy,
        stt_erlangs: stt_channels * busy * speech,
        nlp_per_second: units * items * taken * model.nlp_queries_per_item * multiplier / SECONDS,
        aicm_per_second: units * items * taken * model.aicm_searches_per_item * multiplier / SECONDS,
        call_erlangs: if are_lines { units * each } else { 0.0 },
        speakers,
    }
}

/// Whether a service's units are lines, each of which has one call at a time.
fn are_lines(service: Service) -> bool {
    match service {
        Service::Callbot | Service::Advisor | Service::Stt | Service::Tts => true,
        Service::Chatbot | Service::Ta | Service::Qa => false,
    }
}

/// What one ordered service's calls, sessions or consultations are in an hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ServiceLoad {
    /// Which service.
    pub service: Service,
    /// Calls at once; none where the units are no lines.
    pub lines: Option<u64>,
    /// Items that come in a second.
    pub items_per_second: f64,
    /// Mean length of an item.
    pub item_seconds: f64,
    /// Nlp queries of an item, multiplied.
    pub nlp_per_item: f64,
    /// Aicm searches of an item, multiplied.
    pub aicm_per_item: f64,
    /// Speech-to-text channels of an item.
    pub stt_channels: f64,
    /// Text-to-speech channels of an item.
    pub tts_channels: f64,
}

/// What comes to each ordered service in the mean of the working hours, or in the busiest.
pub fn service_loads(catalog: &Catalog, demand: &Demand, busy_hour: bool) -> Vec<ServiceLoad> {
    let ordered = &demand.service_requirements;
    let hour = if busy_hour { Hour::Busy } else { Hour::Mean };
    let units = |service: Service| u64::from(ordered.get(&service).copied().unwrap_or(0));
    let voice = [Service::Callbot, Service::Advisor, Service::Stt, Service::Tts];
    let multiplier = load_multiplier(catalog, voice.into_iter().map(units).sum());
    let growth = 1.0 + demand.options.growth.fraction();
    let load = |service: Service| {
        // A stand-alone channel is as busy as a call channel.
        let (as_service, stt, tts) = match service {
            Service::Stt => (Service::Callbot, 1, 0),
            Service::Tts => (Service::Callbot, 0, 1),
            other => (other, catalog.service(other).stt_channels, catalog.service(other).tts_channels),
        };
        let (model, calls) = (catalog.service(service), catalog.service(as_service));
        let lines = are_lines(service).then(|| units(service));
        let items = items_per_hour(catalog, demand, hour, as_service);
        ServiceLoad {
            service,
            lines,
            items_per_second: units(service) as f64 * growth * items / SECONDS,
            item_seconds: calls.minutes_per_item * MINUTES,
            nlp_per_item: model.nlp_queries_per_item * multiplier,
            aicm_per_item: model.aicm_searches_per_item * multiplier,
            stt_channels: f64::from(stt),
            tts_channels: f64::from(tts),
        }
    };
    ordered.iter().filter(|(_, units)| **units > 0).map(|(service, _)| load(*service)).collect()
}

/// Calls, sessions or consultations of one unit in an hour.
pub(super) fn items_per_hour(catalog: &Catalog, demand: &Demand, hour: Hour, service: Service) -> f64 {
    let model = catalog.service(service);
    if model.items_per_day <= 0.0 || model.hours_per_day <= 0.0 {
        return 0.0;
    }
    let mean = 1.0 / model.hours_per_day;
    let named = demand.options.busy_hour_share.get(&service).map(|share| share.fraction());
    // The busiest hour is never below the mean of the working ones.
    let busy = || named.unwrap_or(model.busy_hour_share).max(mean);
    let share = match hour {
        Hour::Mean => mean,
        Hour::Busy => busy(),
        Hour::Sized if named.is_some() || demand.options.sized_for == SizedFor::BusyHour => busy(),
        Hour::Sized => mean,
    };
    model.items_per_day * share
}

/// The hour that a service is sized for.
pub(super) fn sized_for(demand: &Demand, service: Service) -> SizedFor {
    // Stand-alone channels are as busy as call channels.
    let by = match service {
        Service::Stt | Service::Tts => Service::Callbot,
        other => other,
    };
    let named = demand.options.busy_hour_share.contains_key(&by);
    if named { SizedFor::BusyHour } else { demand.options.sized_for }
}

/// The factor on nlp and aicm work at a number of voice channels.
pub(super) fn load_multiplier(catalog: &Catalog, voice_channels: u64) -> f64 {
    catalog
        .load_multipliers
        .iter()
        .find(|step| step.up_to_voice_channels == 0 || voice_channels <= step.up_to_voice_channels)
        .map_or(1.0, |step| step.factor)
}

/// Text-to-speech channels that a device carries in effect, part of the speech coming from the cache. A
/// channel takes `1 / cached` of a device while the cache answers and `1 / uncached` else, so that the
/// harmonic mean of the two is what a device carries.
pub(super) fn tts_channels(catalog: &Catalog, device: &Device) -> f64 {
    let cached = catalog.gpu.tts_cache_share;
    1.0 / (cached / device.tts_channels_cached + (1.0 - cached) / device.tts_channels_uncached)
}

/// Erlangs that a voice channel carries: the share of the hour in which a call is on.
pub(super) fn busy_share(catalog: &Catalog, demand: &Demand, hour: Hour) -> f64 {
    let call = catalog.service(Service::Callbot);
    if call.hours_per_day <= 0.0 {
        return 1.0;
    }
    (items_per_hour(catalog, demand, hour, Service::Callbot) * call.minutes_per_item / MINUTES).min(1.0)
}

/// Units by service with what each service brings.
fn with_derived(catalog: &Catalog, ordered: &ServiceRequirements) -> ServiceRequirements {
    let mut counts: ServiceRequirements =
        ordered.iter().filter(|(_, units)| **units > 0).map(|(service, units)| (*service, *units)).collect();
    for (service, units) in ordered {
        let model = catalog.service(*service);
        for (brought, channels) in [(Service::Stt, model.stt_channels), (Service::Tts, model.tts_channels)] {
            if channels > 0 && *units > 0 {
                let count = counts.entry(brought).or_default();
                *count = count.saturating_add(units.saturating_mul(channels));
            }
        }
    }
    counts
}

/// Milliseconds that a request of a GPU stage takes on an idle device.
pub(crate) fn service_time_ms(catalog: &Catalog, device: &Device, stage: Stage) -> f64 {
    device.service_time_ms.of(stage).unwrap_or(catalog.gpu.service_time_ms)
}
