//! The share of time in service that a tenant is promised.

use crate::text::Message;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Availability in parts per million, so that `99.95%` is kept exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Availability(pub u32);

/// Why a text is not an availability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AvailabilityFault {
    /// Not a percentage above 0 and at most 100 with up to four decimals.
    #[error("is not a percentage above 0 and at most 100 with up to four decimals")]
    NotAPercentage,
    /// Below 1 and without the sign: most likely a fraction of one, as other tools write it.
    #[error("is below 1 and has no percent sign; was {meant} meant?")]
    Fraction {
        /// The fraction in percent.
        meant: Availability,
    },
}

impl AvailabilityFault {
    /// What is wrong, for people.
    pub fn message(self) -> Message {
        match self {
            Self::NotAPercentage => Message::new("api.expects_availability"),
            Self::Fraction { meant } => Message::new("api.availability_fraction").with("meant", meant),
        }
    }
}

impl Availability {
    /// Reads `99.9%` or `99.9`: above 0 and at most 100, with up to four decimals. Below 1 the sign
    /// must be there: `0.999` is what other tools write for `99.9%`.
    pub fn parse(text: &str) -> Result<Self, AvailabilityFault> {
        let text = text.trim();
        let signed = text.strip_suffix('%').map(str::trim_end);
        let number = signed.unwrap_or(text);
        let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(decimals) {
            return Err(AvailabilityFault::NotAPercentage);
        }
        if signed.is_none() && whole.bytes().all(|digit| digit == b'0') {
            // Parts per million of one; what is finer than that is left out of the question.
            let millionths: String = decimals.chars().chain("000000".chars()).take(6).collect();
            let meant = Self::of_ppm(millionths.parse().unwrap_or(0));
            return Err(meant
                .map_or(AvailabilityFault::NotAPercentage, |meant| AvailabilityFault::Fraction { meant }));
        }
        if whole.is_empty() || whole.len() > 3 || decimals.len() > 4 {
            return Err(AvailabilityFault::NotAPercentage);
        }
        let ten_thousandths = format!("{whole}{decimals:0<4}").parse().unwrap_or(0);
        Self::of_ppm(ten_thousandths).ok_or(AvailabilityFault::NotAPercentage)
    }

    /// Above 0 and at most all of the time.
    fn of_ppm(ppm: u32) -> Option<Self> {
        (1..=1_000_000).contains(&ppm).then_some(Self(ppm))
    }

    /// The share as a fraction of one.
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / 1e6
    }
}

impl fmt::Display for Availability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 10_000, self.0 % 10_000);
        if rest == 0 {
            return write!(f, "{whole}%");
        }
        let decimals = format!("{rest:04}");
        write!(f, "{whole}.{}%", decimals.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn availability_keeps_the_decimals_it_was_given() {
        for text in ["99.9%", "99.95%", "99.86%", "100%", "99%", "0.5%"] {
            assert_eq!(Availability::parse(text).expect(text).to_string(), text);
        }
        assert_eq!(Availability::parse("99.9"), Availability::parse("99.90%"));
        assert_eq!(Availability::parse("1"), Ok(Availability(10_000)));
        for wrong in ["", "%", "100.1%", "0%", "0", "0.0", ".", "-1%", "abc", "99.99999%", "1e2%", "99,9%"] {
            assert_eq!(Availability::parse(wrong), Err(AvailabilityFault::NotAPercentage), "{wrong}");
        }
    }

    #[test]
    fn a_number_below_one_without_the_sign_is_asked_about_and_never_taken() {
        for (fraction, percent) in [
            ("0.999", "99.9%"),
            (" 0.9995 ", "99.95%"),
            (".99", "99%"),
            ("0.99999", "99.999%"),
            ("0.9999999", "99.9999%"),
            ("000.5", "50%"),
            ("0.000001", "0.0001%"),
        ] {
            let meant = Availability::parse(percent).expect(percent);
            assert_eq!(
                Availability::parse(fraction),
                Err(AvailabilityFault::Fraction { meant }),
                "{fraction}"
            );
        }
        assert_eq!(
            Availability::parse("0.999%"),
            Ok(Availability(9_990)),
            "with the sign it is what it says"
        );
        assert_eq!(Availability::parse("0.0000001"), Err(AvailabilityFault::NotAPercentage));
    }
}
