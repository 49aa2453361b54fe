//! Where work comes from: the calls, sessions and consultations of each ordered service.

use super::random::Random;
use crate::catalog::Catalog;
use crate::sizing::{Demand, Stage, service_loads, service_time_ms};
use crate::tenant::Service;

/// What calls that are on make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Process {
    /// A spoken turn that is recognised.
    Turn,
    /// An utterance that is synthesised, from the cache or not.
    Synthesis,
    /// An nlp query.
    Query,
    /// An aicm search.
    Search,
}

impl Process {
    pub(super) const ALL: [Self; 4] = [Self::Turn, Self::Synthesis, Self::Query, Self::Search];
}

/// One service's calls.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub service: Service,
    /// Most calls at once; none where there is no bound.
    pub lines: Option<u64>,
    /// Whether a call waits that finds every line busy.
    pub waits: bool,
    pub arrivals_per_second: f64,
    pub call_seconds: f64,
    /// What a call that is on makes in a second, by process.
    per_second: [f64; 4],
    /// Device-seconds of each request: an utterance from the cache and not, a query, a search.
    cached: f64,
    uncached: f64,
    query: f64,
    search: f64,
    cache_share: f64,
    /// The recognising pod of each call that is on.
    pub calls: Vec<usize>,
    pub waiting: u64,
    /// Counts changes of the number of calls.
    pub version: u32,
}

impl Source {
    pub(super) fn rate(&self, process: Process) -> f64 {
        self.per_second[process as usize] * self.calls.len() as f64
    }

    /// Calls that are on, on average.
    pub(super) fn mean_calls(&self) -> u64 {
        let on = (self.arrivals_per_second * self.call_seconds).round() as u64;
        self.lines.map_or(on, |lines| on.min(lines))
    }

    /// Events that it makes in a second, on average.
    pub(super) fn events_per_second(&self) -> f64 {
        let made: f64 = self.per_second.iter().sum();
        2.0 * self.arrivals_per_second
            + self.mean_calls() as f64 * (made + self.per_second[Process::Turn as usize])
    }

    /// The stage and the device-seconds of a request.
    pub(super) fn job(&self, process: Process, random: &mut Random) -> (Stage, f64) {
        match process {
            Process::Query => (Stage::Nlp, self.query),
            Process::Search => (Stage::Aicm, self.search),
            Process::Synthesis | Process::Turn => {
                let cached = random.share() < self.cache_share;
                (Stage::Tts, if cached { self.cached } else { self.uncached })
            }
        }
    }
}

/// The sources of a demand in an hour.
pub(super) fn sources(catalog: &Catalog, demand: &Demand, gpu_type: &str, busy_hour: bool) -> Vec<Source> {
    let Some(device) = catalog.devices.iter().find(|device| device.name == gpu_type) else {
        return Vec::new();
    };
    let gpu = &catalog.gpu;
    // A channel speaks at such intervals that an utterance, cached or not, takes the service time on
    // average and a device carries the channels that the catalog says.
    let mixed = gpu.tts_cache_share / device.tts_channels_cached
        + (1.0 - gpu.tts_cache_share) / device.tts_channels_uncached;
    let between = service_time_ms(catalog, device, Stage::Tts) / 1000.0 / mixed;
    service_loads(catalog, demand, busy_hour)
        .into_iter()
        .filter(|load| load.items_per_second > 0.0 && load.item_seconds > 0.0)
        .map(|load| Source {
            service: load.service,
            lines: load.lines,
            waits: load.service == Service::Advisor,
            arrivals_per_second: load.items_per_second,
            call_seconds: load.item_seconds,
            per_second: [
                load.stt_channels * catalog.cpu.stt_speech_share / super::TURN_SECONDS,
                load.tts_channels / between,
                load.nlp_per_item / load.item_seconds,
                load.aicm_per_item / load.item_seconds,
            ],
            cached: between / device.tts_channels_cached,
            uncached: between / device.tts_channels_uncached,
            query: 1.0 / device.nlp_queries_per_second,
            search: 1.0 / device.aicm_searches_per_second,
            cache_share: gpu.tts_cache_share,
            calls: Vec::new(),
            waiting: 0,
            version: 0,
        })
        .collect()
}
