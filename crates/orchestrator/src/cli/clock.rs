//! Times as people say and read them: local time, ages, and "12 hours ago" as `12h`.

use super::language::say_text;
use ecp_core::{Timestamp, duration};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, civil};

/// How long ago it was, in its largest unit: `45s`, `12m`, `7h`, `3d`; the text itself where it is no time.
pub(super) fn age(text: &str) -> String {
    age_at(text, Timestamp::now())
}

fn age_at(text: &str, now: Timestamp) -> String {
    let Ok(then) = text.parse::<Timestamp>() else { return text.to_owned() };
    let seconds = now.duration_since(then).as_secs();
    let (is_ahead, seconds) = (seconds < 0, seconds.unsigned_abs());
    let (count, unit) = match seconds {
        0..120 => (seconds, "s"),
        120..7_200 => (seconds / 60, "m"),
        7_200..172_800 => (seconds / 3_600, "h"),
        172_800..63_072_000 => (seconds / 86_400, "d"),
        _ => (seconds / 31_536_000, "y"),
    };
    let length = format!("{count}{unit}");
    if is_ahead { say_text!("cli.in_time", time = length) } else { length }
}

/// In the zone of the machine, to the second; the text itself where it is no time.
pub(super) fn local(text: &str) -> String {
    local_in(text, TimeZone::system())
}

fn local_in(text: &str, zone: TimeZone) -> String {
    let then = text.parse::<Timestamp>();
    then.map_or_else(
        |_| text.to_owned(),
        |then| then.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S").to_string(),
    )
}

/// Local time, its zone, and how long ago that was.
pub(super) fn local_and_age(text: &str) -> String {
    match text.parse::<Timestamp>() {
        Ok(then) => {
            let zoned = then.to_zoned(TimeZone::system());
            format!("{} ({})", zoned.strftime("%Y-%m-%d %H:%M:%S %Z"), age(text))
        }
        Err(_) => text.to_owned(),
    }
}

/// A time as people give it: `12h` ago, a local day or time, or RFC 3339; answered as RFC 3339.
pub(crate) fn parse_moment(text: &str) -> Result<String, String> {
    let moment = moment(text, Timestamp::now(), &TimeZone::system());
    moment.map(|moment| moment.to_string()).ok_or_else(|| say_text!("cli.want_moment"))
}

fn moment(text: &str, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    if let Some(ago) = duration::parse(text) {
        return now.checked_sub(ago).ok();
    }
    let local = text.replacen(' ', "T", 1);
    let time = local.parse::<civil::DateTime>();
    let time = time.or_else(|_| local.parse::<civil::Date>().map(|day| day.at(0, 0, 0, 0))).ok()?;
    Some(zone.to_ambiguous_zoned(time).compatible().ok()?.timestamp())
}

/// A length of time with its unit: `90s`, `30m`, `12h`, `7d`, also one after another (`1h30m`).
pub(crate) fn parse_duration(text: &str) -> Result<SignedDuration, String> {
    duration::parse(text).ok_or_else(|| say_text!("cli.want_duration"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;

    #[test]
    fn an_age_is_told_in_its_largest_unit() {
        let now: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        for (then, expected) in [
            ("2026-11-26T11:59:15Z", "45s"),
            ("2026-11-26T11:48:00Z", "12m"),
            ("2026-11-26T05:00:00Z", "7h"),
            ("2026-11-23T11:00:00Z", "3d"),
            ("2024-01-15T10:30:00Z", "2y"),
            ("2026-11-26T12:05:00Z", "in 5m"),
            ("never", "never"),
        ] {
            assert_eq!(age_at(then, now), expected);
        }
    }

    #[test]
    fn times_are_given_as_people_say_them() {
        let now: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        let seoul = TimeZone::fixed(jiff::tz::offset(9));
        let given = |text: &str| moment(text, now, &seoul).map(|moment| moment.to_string());
        assert_eq!(given("12h").as_deref(), Some("2026-11-26T00:00:00Z"));
        assert_eq!(given("1h30m").as_deref(), Some("2026-11-26T10:30:00Z"));
        assert_eq!(given("2026-11-26").as_deref(), Some("2026-11-25T15:00:00Z"));
        assert_eq!(given("2026-11-26 18:00").as_deref(), Some("2026-11-26T09:00:00Z"));
        assert_eq!(given("2026-11-26T18:00:00+09:00").as_deref(), Some("2026-11-26T09:00:00Z"));
        for wrong in ["", "12", "12x", "h", "tomorrow", "99999999999999999999h", "9223372036854775807w"] {
            assert_eq!(given(wrong), None, "{wrong}");
        }
        assert_eq!(local_in("2026-11-26T15:00:00Z", seoul), "2026-11-27 00:00:00");
    }
}
