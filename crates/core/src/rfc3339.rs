//! Reads times as RFC 3339 writes them, and no other way: what another program would read otherwise, or not
//! at all, is refused here too.

use crate::Timestamp;
use jiff::civil;

/// Digits of a second's fraction that are kept: a nanosecond.
const FRACTION_DIGITS: usize = 9;

/// The time that a text names: `2024-01-20T14:30:00Z`, with any number of digits behind the second, and `Z` or an
/// offset; a space, `t` and `z` are taken too. What lies beyond the last moment that can be counted is that
/// moment, so that it compares as it should.
pub fn parse(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let (seconds, rest) = (text.get(..19)?, text.get(19..)?);
    let is_shaped = seconds.bytes().enumerate().all(|(place, byte)| match place {
        4 | 7 => byte == b'-',
        10 => matches!(byte, b'T' | b't' | b' '),
        13 | 16 => byte == b':',
        _ => byte.is_ascii_digit(),
    });
    if !is_shaped {
        return None;
    }
    let digits = match rest.strip_prefix('.') {
        Some(fraction) => match fraction.bytes().take_while(u8::is_ascii_digit).count() {
            0 => return None,
            digits => digits + 1,
        },
        None => 0,
    };
    let zone = &rest[digits..];
    if !is_zone(zone) {
        return None;
    }
    let kept = 19 + digits.min(FRACTION_DIGITS + 1);
    let read = if kept == bytes.len() - zone.len() {
        text.parse()
    } else {
        format!("{}{zone}", &text[..kept]).parse()
    };
    read.ok().or_else(|| {
        let time: civil::DateTime = seconds.to_ascii_uppercase().replace(' ', "T").parse().ok()?;
        Some(if time.year() > 0 { Timestamp::MAX } else { Timestamp::MIN })
    })
}

/// `Z`, or hours and minutes of a day.
fn is_zone(text: &str) -> bool {
    match text.as_bytes() {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', hour @ .., b':', minute_tens, minute] => {
            let is_hour = matches!(hour, [b'0' | b'1', b'0'..=b'9'] | [b'2', b'0'..=b'3']);
            is_hour && matches!(minute_tens, b'0'..=b'5') && minute.is_ascii_digit()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_form_of_the_standard_is_read() {
        let noon = "2026-11-27T12:00:00Z";
        for (text, expected) in [
            (noon, noon),
            ("2026-11-27t12:00:00z", noon),
            ("2026-11-27 12:00:00Z", noon),
            ("2026-11-27T12:00:00+00:00", noon),
            ("2026-11-27T12:00:00-00:00", noon),
            ("2026-11-27T21:00:00+09:00", noon),
            ("2026-11-28T11:59:00+23:59", noon),
            ("2026-11-27T12:00:00.5Z", "2026-11-27T12:00:00.5Z"),
            ("2026-11-27T12:00:00.1234567890123Z", "2026-11-27T12:00:00.123456789Z"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
            ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
            ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"),
        ] {
            assert_eq!(parse(text).unwrap(), expected.parse().unwrap(), "{text}");
        }
        assert_eq!(parse("9999-12-31T23:59:59Z"), Some(Timestamp::MAX));
    }

    #[test]
    fn no_other_form_is_read() {
        for text in [
            "",
            "2026-11-27",
            "2026-11-27T12:00Z",
            "2026-11-27T12:00:00",
            "2026-11-27T12:00:00,5Z",
            "2026-11-27T12:00:00.Z",
            "2026-11-27T12:00:00+0900",
            "2026-11-27T12:00:00+09",
            "2026-11-27T12:00:00+24:00",
            "2026-11-27T12:00:00+09:60",
            "2026-11-27T12:00:00+9:00",
            "2026-11-27T12:00:00 Z",
            " 2026-11-27T12:00:00Z",
            "2026-11-27T12:00:00Z ",
            "2026-11-27T12:00:00Z[Asia/Seoul]",
            "20261127T120000Z",
            "+002026-11-27T12:00:00Z",
            "-0001-01-01T00:00:00Z",
            "10000-01-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-27T24:00:00Z",
            "2026-11-27T12:60:00Z",
            "2026-11-27T12:00:61Z",
            "2026-11-27T12:00:0\u{660}Z",
            "1700000000",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_and_nothing_panics(nanos in any::<i64>(), text in ".{0,40}") {
            let moment = Timestamp::from_nanosecond(nanos.into()).unwrap();
            prop_assert_eq!(parse(&moment.to_string()), Some(moment));
            parse(&text);
        }
    }
}
