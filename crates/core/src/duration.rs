//! Reads lengths of time as people write them: `90s`, `30m`, `12h`, `7d`, `2w`, also one after another.

use jiff::SignedDuration;

/// A length of time with its unit, or several of them one after another (`1h30m`); none where it is nothing, zero, or
/// longer than can be counted.
pub fn parse(text: &str) -> Option<SignedDuration> {
    let mut total = SignedDuration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|character: char| !character.is_ascii_digit())?;
        let (count, unit) = (&rest[..end], rest[end..].chars().next()?);
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        let part = count.parse::<i64>().ok()?.checked_mul(seconds)?;
        total = total.checked_add(SignedDuration::from_secs(part))?;
        rest = &rest[end + unit.len_utf8()..];
    }
    (!total.is_zero()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn units_add_up_and_nothing_else_is_read() {
        for (text, seconds) in [
            ("90s", 90),
            ("30m", 1_800),
            ("1h30m", 5_400),
            ("7d", 604_800),
            ("2w", 1_209_600),
            ("9223372036854775807s", i64::MAX),
        ] {
            assert_eq!(parse(text).map(|length| length.as_secs()), Some(seconds), "{text}");
        }
        let wrong = ["", "0s", "12", "h", "12x", "-1h", "1.5h", "1h 30m", "5분", "9223372036854775807w"];
        for text in wrong {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse("9223372036854775807s1s"), None);
    }
}
