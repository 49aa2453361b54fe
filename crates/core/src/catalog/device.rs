//! A GPU: what it carries, how long it takes, and where each of its figures comes from.

use super::rules::Faults;
use crate::sizing::Stage;
use serde::{Deserialize, Serialize};

/// Most characters of a source.
const LONGEST_SOURCE: usize = 300;

/// A GPU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Its name in requests and answers.
    pub name: String,
    /// GB.
    pub memory_gb: u32,
    /// Text-to-speech channels without the cache.
    pub tts_channels_uncached: f64,
    /// Text-to-speech channels with the cache.
    pub tts_channels_cached: f64,
    /// Nlp queries a second.
    pub nlp_queries_per_second: f64,
    /// Aicm searches a second.
    pub aicm_searches_per_second: f64,
    /// Watts.
    pub power_watts: f64,
    /// US dollars.
    pub list_price_usd_per_hour: f64,
    /// Largest number of devices for which this type is chosen; 0 for no bound.
    pub up_to_count: u64,
    /// Whether the installation has such devices: plans name them and sizes are chosen among them.
    #[serde(default = "Device::offered_unless_said")]
    pub offered: bool,
    /// How long a request takes on an idle one; what is left out is the catalog's `gpu.service_time_ms`.
    #[serde(default, skip_serializing_if = "ServiceTimes::is_empty")]
    pub service_time_ms: ServiceTimes,
    /// Where the figures come from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<FigureSource>,
}

/// Milliseconds of a request on an idle device, by its kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceTimes {
    /// An utterance, from the cache or not: the mean of what comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tts: Option<f64>,
    /// An nlp query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nlp: Option<f64>,
    /// An aicm search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aicm: Option<f64>,
}

impl ServiceTimes {
    /// Whether every kind takes the catalog's time.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Of a stage's requests; none where the catalog's time is theirs.
    pub fn of(&self, stage: Stage) -> Option<f64> {
        match stage {
            Stage::Tts => self.tts,
            Stage::Nlp => self.nlp,
            Stage::Aicm => self.aicm,
            Stage::Stt | Stage::Ta | Stage::Qa => None,
        }
    }

    /// Those that are the device's own, by the key of their kind.
    pub fn own(&self) -> impl Iterator<Item = (&'static str, f64)> {
        Stage::ALL.into_iter().filter_map(|stage| Some((stage.as_str(), self.of(stage)?)))
    }
}

/// A figure of a device that has a source, spelled as its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceFigure {
    /// GB.
    MemoryGb,
    /// Channels.
    TtsChannelsUncached,
    /// Channels.
    TtsChannelsCached,
    /// Queries a second.
    NlpQueriesPerSecond,
    /// Searches a second.
    AicmSearchesPerSecond,
    /// Watts.
    PowerWatts,
    /// US dollars.
    ListPriceUsdPerHour,
    /// Milliseconds.
    ServiceTimeMs,
}

impl DeviceFigure {
    /// Every one, in the order of the file.
    pub const ALL: [Self; 8] = [
        Self::MemoryGb,
        Self::TtsChannelsUncached,
        Self::TtsChannelsCached,
        Self::NlpQueriesPerSecond,
        Self::AicmSearchesPerSecond,
        Self::PowerWatts,
        Self::ListPriceUsdPerHour,
        Self::ServiceTimeMs,
    ];

    /// The key.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MemoryGb => "memory_gb",
            Self::TtsChannelsUncached => "tts_channels_uncached",
            Self::TtsChannelsCached => "tts_channels_cached",
            Self::NlpQueriesPerSecond => "nlp_queries_per_second",
            Self::AicmSearchesPerSecond => "aicm_searches_per_second",
            Self::PowerWatts => "power_watts",
            Self::ListPriceUsdPerHour => "list_price_usd_per_hour",
            Self::ServiceTimeMs => "service_time_ms",
        }
    }

    /// Its unit.
    pub fn unit(self) -> &'static str {
        match self {
            Self::MemoryGb => "GB",
            Self::TtsChannelsUncached | Self::TtsChannelsCached => "channels",
            Self::NlpQueriesPerSecond => "queries/s",
            Self::AicmSearchesPerSecond => "searches/s",
            Self::PowerWatts => "W",
            Self::ListPriceUsdPerHour => "USD/h",
            Self::ServiceTimeMs => "ms",
        }
    }
}

/// How a figure came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provenance {
    /// By a load test.
    Measured,
    /// By the figures that the product line publishes.
    ProductLine,
    /// By the vendor's specification.
    Vendor,
    /// By a conclusion that nobody has measured yet.
    Assumed,
}

impl Provenance {
    /// The spelling of the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::ProductLine => "product_line",
            Self::Vendor => "vendor",
            Self::Assumed => "assumed",
        }
    }
}

/// Where some of a device's figures come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FigureSource {
    /// Which figures.
    pub figures: Vec<DeviceFigure>,
    /// How they came about.
    pub label: Provenance,
    /// Where to look them up, or how they were concluded.
    pub source: String,
    /// The day on which they were read or measured, such as `2026-11-27`.
    pub date: String,
}

impl Device {
    /// Files that were written before there was a choice offer every device that they have.
    fn offered_unless_said() -> bool {
        true
    }

    /// Where a figure comes from; none where the catalog does not say.
    pub fn source_of(&self, figure: DeviceFigure) -> Option<&FigureSource> {
        self.sources.iter().find(|source| source.figures.contains(&figure))
    }

    /// A figure's value; none of the times, of which there is one for each kind.
    pub fn value_of(&self, figure: DeviceFigure) -> Option<f64> {
        match figure {
            DeviceFigure::MemoryGb => Some(f64::from(self.memory_gb)),
            DeviceFigure::TtsChannelsUncached => Some(self.tts_channels_uncached),
            DeviceFigure::TtsChannelsCached => Some(self.tts_channels_cached),
            DeviceFigure::NlpQueriesPerSecond => Some(self.nlp_queries_per_second),
            DeviceFigure::AicmSearchesPerSecond => Some(self.aicm_searches_per_second),
            DeviceFigure::PowerWatts => Some(self.power_watts),
            DeviceFigure::ListPriceUsdPerHour => Some(self.list_price_usd_per_hour),
            DeviceFigure::ServiceTimeMs => None,
        }
    }

    /// Faults of the times and the sources.
    pub(super) fn check_sources(&self, faults: &mut Faults) {
        let key = |field: &str| format!("devices.{}.{field}", self.name);
        for (kind, time) in self.service_time_ms.own() {
            faults.above_zero(key(&format!("service_time_ms.{kind}")), time);
        }
        for (index, source) in self.sources.iter().enumerate() {
            let key = |field: &str| key(&format!("sources.{index}.{field}"));
            let before = || self.sources[..index].iter().flat_map(|source| &source.figures);
            let own = &source.figures;
            let twice = own.iter().enumerate().any(|(place, figure)| {
                own[..place].contains(figure) || before().any(|other| other == figure)
            });
            faults.check(!own.is_empty(), key("figures"), "catalog.some_figure");
            faults.check(!twice, key("figures"), "catalog.each_figure_once");
            let length = source.source.trim().chars().count();
            faults.check((1..=LONGEST_SOURCE).contains(&length), key("source"), "catalog.source");
            let is_day = source.date.len() == 10 && source.date.parse::<jiff::civil::Date>().is_ok();
            faults.check(is_day, key("date"), "catalog.day");
        }
    }
}
