//! In which months and which money costs are told.

use super::rules::Faults;
use crate::costs::rounded;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// Months and money.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Billing {
    /// Zone of the months, by its IANA name.
    pub time_zone: String,
    /// The money that costs are told in beside US dollars.
    pub currency: Currency,
}

/// A currency beside US dollars, counted whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Currency {
    /// ISO 4217 code.
    pub code: String,
    /// So many for one US dollar.
    pub per_usd: f64,
    /// Day of that rate.
    pub as_of: Date,
}

impl Billing {
    /// The months' zone; UTC where this machine does not know it, which validation refuses.
    pub fn zone(&self) -> TimeZone {
        TimeZone::get(&self.time_zone).unwrap_or(TimeZone::UTC)
    }

    pub(super) fn embedded() -> Self {
        Self {
            time_zone: "Asia/Seoul".to_owned(),
            currency: Currency {
                code: "KRW".to_owned(),
                per_usd: 1390.0,
                as_of: Date::constant(2026, 11, 2),
            },
        }
    }

    /// Notes everything that is wrong.
    pub(super) fn check(&self, faults: &mut Faults) {
        faults.check(TimeZone::get(&self.time_zone).is_ok(), "billing.time_zone", "catalog.time_zone");
        let code = &self.currency.code;
        let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
        faults.check(is_code, "billing.currency.code", "catalog.currency_code");
        faults.over_zero("billing.currency.per_usd", 1_000_000, self.currency.per_usd);
    }
}

impl Currency {
    /// Whole units for US cents, by the rate in millionths.
    pub fn of_cents(&self, cents: i64) -> i64 {
        let micros = (self.per_usd * 1e6).round() as i128;
        rounded(i128::from(cents) * micros, 100_000_000)
    }
}
