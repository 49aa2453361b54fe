//! What a planner may ask for beyond units and SLA. Everything is optional: without it, an order means
//! what it always meant.

use crate::tenant::Service;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A share in parts per million, so that `12.5%` is kept exactly; growth may be over the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Share(pub u32);

impl Share {
    /// The share as a fraction of one.
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / 1e6
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:04}", self.0 / 10_000, self.0 % 10_000);
        write!(f, "{}%", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl Share {
    /// Reads `12.5%`, with up to four decimals, of at most a number of percent.
    pub fn parse(text: &str, most_percent: u32) -> Option<Self> {
        let number = text.trim().strip_suffix('%')?.trim_end();
        let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || whole.len() > 4 || decimals.len() > 4 || !digits(whole) || !digits(decimals) {
            return None;
        }
        let decimals: u32 = format!("{decimals:0<4}").parse().ok()?;
        let ppm = whole.parse::<u32>().ok()? * 10_000 + decimals;
        (ppm <= most_percent.saturating_mul(10_000)).then_some(Self(ppm))
    }
}

/// Which hour of the day a tenant is sized for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SizedFor {
    /// The mean of the working hours.
    #[default]
    MeanHour,
    /// The busiest hour, by the service's share of the day's items that come in it.
    BusyHour,
}

/// Which figure of the response time has to keep the SLA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Percentile {
    /// The mean.
    #[default]
    Mean,
    /// What 95 of 100 requests stay within.
    P95,
    /// What 99 of 100 requests stay within.
    P99,
}

/// What a tenant goes on carrying its load without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Survives {
    /// Nothing in particular.
    #[default]
    Nothing,
    /// Any one GPU.
    Device,
    /// Any one node, on which one pod of each service is.
    Node,
}

macro_rules! choices {
    ($name:ident: $($variant:ident = $text:literal),+) => {
        impl $name {
            /// Every choice.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The spelling of requests and answers.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
    };
}
choices!(SizedFor: MeanHour = "mean_hour", BusyHour = "busy_hour");
choices!(Percentile: Mean = "mean", P95 = "p95", P99 = "p99");
choices!(Survives: Nothing = "nothing", Device = "device", Node = "node");

impl Percentile {
    /// The share of requests that may take longer; none of the mean.
    pub fn outside(self) -> Option<f64> {
        match self {
            Self::Mean => None,
            Self::P95 => Some(0.05),
            Self::P99 => Some(0.01),
        }
    }
}

/// The optional inputs of a sizing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SizingOptions {
    /// The hour that is sized for; a service whose share of the busy hour is named is always sized for
    /// that.
    pub sized_for: SizedFor,
    /// Share of a day's items that come in the busiest hour, by service; else the catalog's.
    pub busy_hour_share: BTreeMap<Service, Share>,
    /// Share of calls that may find every line busy; else what the availability leaves.
    pub blocking: Option<Share>,
    /// The figure of the response time that has to keep the SLA.
    pub percentile: Percentile,
    /// Response time by service in milliseconds, where it is another than the tenant's.
    pub response_time_ms: BTreeMap<Service, u32>,
    /// What is kept free on top of what the work needs.
    pub headroom: Share,
    /// By how much the load is to grow before the tenant is sized again.
    pub growth: Share,
    /// What may be lost without missing the SLA.
    pub survives: Survives,
}

/// The optional inputs that a request names; what it does not is left as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SizingPatch {
    /// See [`SizingOptions::sized_for`].
    pub sized_for: Option<SizedFor>,
    /// By service; see [`SizingOptions::busy_hour_share`].
    pub busy_hour_share: BTreeMap<Service, Share>,
    /// See [`SizingOptions::blocking`].
    pub blocking: Option<Share>,
    /// See [`SizingOptions::percentile`].
    pub percentile: Option<Percentile>,
    /// By service; see [`SizingOptions::response_time_ms`].
    pub response_time_ms: BTreeMap<Service, u32>,
    /// See [`SizingOptions::headroom`].
    pub headroom: Option<Share>,
    /// See [`SizingOptions::growth`].
    pub growth: Option<Share>,
    /// See [`SizingOptions::survives`].
    pub survives: Option<Survives>,
}

impl SizingPatch {
    /// The options after the change.
    pub fn over(self, mut options: SizingOptions) -> SizingOptions {
        options.busy_hour_share.extend(self.busy_hour_share);
        options.response_time_ms.extend(self.response_time_ms);
        SizingOptions {
            sized_for: self.sized_for.unwrap_or(options.sized_for),
            blocking: self.blocking.or(options.blocking),
            percentile: self.percentile.unwrap_or(options.percentile),
            headroom: self.headroom.unwrap_or(options.headroom),
            growth: self.growth.unwrap_or(options.growth),
            survives: self.survives.unwrap_or(options.survives),
            ..options
        }
    }
}

impl SizingOptions {
    /// True where nothing was asked for.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
