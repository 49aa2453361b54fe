//! From ordered units to work: channels, queries, cores, memory, storage.

use super::Demand;
use super::queueing::lines_for_blocking;
use crate::catalog::{Catalog, Device};
use crate::tenant::{Service, ServiceRequirements};

/// Minutes of an hour, seconds of an hour.
const MINUTES: f64 = 60.0;
const SECONDS: f64 = 3600.0;

/// The work that a demand causes, whatever carries it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Work {
    /// Users at once: of the chatbot, or over all services where the SLA states more.
    pub users: u64,
    /// Units by service, those that other services bring included.
    pub counts: ServiceRequirements,
    /// Voice channels as ordered: callbot + advisor + stt + tts.
    pub voice_channels: u64,
    /// Factor on nlp and aicm work.
    pub load_multiplier: f64,
    /// Text-to-speech channels in use at once.
    pub tts_lines: u64,
    /// Speech-to-text channels in use at once.
    pub stt_lines: u64,
    /// Nlp queries a second, multiplied.
    pub nlp_per_second: f64,
    /// Aicm searches a second, multiplied.
    pub aicm_per_second: f64,
    /// Erlangs that the calls of callbot and advisor offer to the telephone lines.
    pub trunk_erlangs: f64,
    /// Erlangs of text-to-speech.
    pub tts_erlangs: f64,
    /// Erlangs of speech-to-text; a channel works only while somebody speaks.
    pub stt_erlangs: f64,
    /// Items a second that quality assessment does in-house.
    pub qa_items_per_second: f64,
    /// Cores in working hours: speech-to-text and quality assessment.
    pub day_cores: f64,
    /// Cores in idle hours: text analysis.
    pub idle_cores: f64,
    /// MiB for what is active at once.
    pub memory_mib: f64,
    /// GB stored.
    pub storage_gb: f64,
}

impl Work {
    /// The work of a demand.
    pub fn of(catalog: &Catalog, demand: &Demand) -> Self {
        let ordered = &demand.service_requirements;
        let units = |service| u64::from(ordered.get(&service).copied().unwrap_or(0));
        let counts = with_derived(catalog, ordered);
        let count = |service| u64::from(counts.get(&service).copied().unwrap_or(0));
        let voice_channels =
            units(Service::Callbot) + units(Service::Advisor) + units(Service::Stt) + units(Service::Tts);
        let load_multiplier = catalog
            .load_multipliers
            .iter()
            .find(|step| step.up_to_voice_channels == 0 || voice_channels <= step.up_to_voice_channels)
            .map_or(1.0, |step| step.factor);
        let blocking = 1.0 - demand.sla_target.availability.fraction();
        let busy = busy_share(catalog);
        let (tts, stt) = (count(Service::Tts), count(Service::Stt));
        let tts_erlangs = tts as f64 * busy;
        let stt_erlangs = stt as f64 * busy * catalog.cpu.stt_speech_share;
        // There are no more sources than channels, whatever the formula for endless sources says.
        let tts_lines = lines_for_blocking(tts_erlangs, blocking).min(tts);
        let stt_lines = lines_for_blocking(stt_erlangs, blocking).min(stt);
        let (mut nlp, mut aicm, mut qa_items) = (0.0, 0.0, 0.0);
        for (service, units) in ordered {
            let model = catalog.service(*service);
            if model.items_per_day > 0.0 {
                let items = f64::from(*units) * model.items_per_day / (model.hours_per_day * SECONDS);
                nlp += items * model.nlp_queries_per_item * load_multiplier;
                aicm += items * model.aicm_searches_per_item * load_multiplier;
                qa_items += items * model.qa_item_share * catalog.cpu.qa_in_house_share;
            }
        }
        if count(Service::Qa) == 0 {
            qa_items = 0.0;
        }
        let cpu = &catalog.cpu;
        let concurrent = u64::from(demand.sla_target.concurrent_users.unwrap_or(0));
        let users = units(Service::Chatbot).max(concurrent);
        let memory = &catalog.memory;
        let storage = &catalog.storage;
        Self {
            users,
            voice_channels,
            load_multiplier,
            tts_lines,
            stt_lines,
            nlp_per_second: nlp,
            aicm_per_second: aicm,
            trunk_erlangs: (units(Service::Callbot) + units(Service::Advisor)) as f64 * busy,
            tts_erlangs,
            stt_erlangs,
            qa_items_per_second: qa_items,
            day_cores: stt_lines as f64 / cpu.stt_channels_per_core
                + count(Service::Qa) as f64 / cpu.qa_channels_per_core
                + qa_items * cpu.qa_cpu_seconds_per_item,
            idle_cores: count(Service::Ta) as f64 / cpu.ta_channels_per_core,
            memory_mib: (stt + tts) as f64 * memory.mib_per_voice_channel
                + users as f64 * memory.mib_per_chat_user,
            storage_gb: counts.len() as f64 * storage.gb_per_service
                + users as f64 * storage.mb_per_user / 1000.0
                + units(Service::Advisor) as f64 * storage.mb_per_agent_day * storage.recording_days / 1000.0,
            counts,
        }
    }

    /// Thousandths of a core at the busiest hour: text analysis takes those that speech leaves in the
    /// idle hours.
    pub fn cpu_millicores(&self) -> f64 {
        self.day_cores.max(self.idle_cores) * 1000.0
    }

    /// Devices of a type that the GPU work keeps fully busy.
    pub fn devices(&self, catalog: &Catalog, device: &Device) -> f64 {
        self.tts_lines as f64 / tts_channels(catalog, device)
            + self.nlp_per_second / device.nlp_queries_per_second
            + self.aicm_per_second / device.aicm_searches_per_second
    }
}

/// Text-to-speech channels that a device carries in effect, part of the speech coming from the cache.
pub(super) fn tts_channels(catalog: &Catalog, device: &Device) -> f64 {
    let cached = catalog.gpu.tts_cache_share;
    cached * device.tts_channels_cached + (1.0 - cached) * device.tts_channels_uncached
}

/// Erlangs that a voice channel offers: the share of its working hours in which a call is on.
pub(super) fn busy_share(catalog: &Catalog) -> f64 {
    let call = catalog.service(Service::Callbot);
    if call.hours_per_day <= 0.0 {
        return 1.0;
    }
    (call.items_per_day * call.minutes_per_item / (call.hours_per_day * MINUTES)).min(1.0)
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
