//! How fast the simulated cluster lives, and what its moments are on the injected clock.

use ecp_core::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How many times faster than life the simulated cluster runs: over 0, at most a million.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct DemoSpeed(f64);

/// Why a number is no speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the demo speed must be a number over 0 and at most 1000000 (120 is two minutes in a second)")]
pub struct DemoSpeedFault;

impl DemoSpeed {
    /// Checks and wraps a number.
    pub fn new(times: f64) -> Result<Self, DemoSpeedFault> {
        if times > 0.0 && times <= 1e6 { Ok(Self(times)) } else { Err(DemoSpeedFault) }
    }

    /// The number.
    pub fn times(self) -> f64 {
        self.0
    }
}

impl Default for DemoSpeed {
    /// 120: a deployment of 15 minutes takes some seven seconds.
    fn default() -> Self {
        Self(120.0)
    }
}

impl TryFrom<f64> for DemoSpeed {
    type Error = DemoSpeedFault;
    fn try_from(times: f64) -> Result<Self, DemoSpeedFault> {
        Self::new(times)
    }
}

impl From<DemoSpeed> for f64 {
    fn from(speed: DemoSpeed) -> Self {
        speed.0
    }
}

impl FromStr for DemoSpeed {
    type Err = DemoSpeedFault;
    fn from_str(text: &str) -> Result<Self, DemoSpeedFault> {
        Self::new(text.trim().parse().map_err(|_| DemoSpeedFault)?)
    }
}

impl fmt::Display for DemoSpeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Turns moments of the clock into milliseconds of the cluster's life and back.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct LifeTime {
    began: Timestamp,
    speed: f64,
}

impl LifeTime {
    pub(super) fn from(began: Timestamp, speed: DemoSpeed) -> Self {
        Self { began, speed: speed.times() }
    }

    /// Milliseconds lived at `now`; 0 before the beginning.
    pub(super) fn at(&self, now: Timestamp) -> u64 {
        let nanoseconds = now.as_nanosecond() - self.began.as_nanosecond();
        (nanoseconds.max(0) as f64 * self.speed / 1e6) as u64
    }

    /// The first microsecond at which `lived_ms` milliseconds are lived.
    pub(super) fn moment(&self, lived_ms: u64) -> Timestamp {
        let microseconds = (lived_ms as f64 * 1e3 / self.speed).ceil() as i128 + 1;
        let nanoseconds = self.began.as_nanosecond() + microseconds * 1000;
        Timestamp::from_nanosecond(nanoseconds).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_positive_finite_speeds_are_taken() {
        for wrong in ["0", "-1", "NaN", "inf", "fast", "", "1000001"] {
            assert_eq!(wrong.parse::<DemoSpeed>(), Err(DemoSpeedFault), "{wrong}");
        }
        assert_eq!("0.5".parse::<DemoSpeed>().map(DemoSpeed::times), Ok(0.5));
        assert_eq!(DemoSpeed::default().to_string(), "120");
    }

    #[test]
    fn a_moment_is_not_before_its_life_time_and_not_long_after() {
        let began: Timestamp = "2026-11-23T00:00:00Z".parse().expect("a timestamp");
        for speed in [0.1, 1.0, 3.0, 120.0, 1e6] {
            let life = LifeTime::from(began, DemoSpeed::new(speed).expect("a speed"));
            for lived in [0, 1, 7, 1234, 86_400_000, 31_536_000_000] {
                let back = life.at(life.moment(lived));
                assert!(back >= lived, "{lived} at {speed}");
                assert!(back - lived <= (speed * 3e-3) as u64 + 1, "{lived} at {speed}: {back}");
            }
        }
    }
}
