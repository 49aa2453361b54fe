//! What an unquoted scalar means: as `kubectl` reads it, so by YAML 1.1 with its `yes` and `on`.
//!
//! Other readers follow YAML 1.2, where those are texts. Where the two differ the walk says so.

use super::tree::Kind;

/// What kind of value a plain (unquoted) scalar is.
pub(super) fn resolve_plain(text: &str) -> Kind {
    let Some(first) = text.bytes().next() else { return Kind::Null };
    match first {
        b'~' if text == "~" => Kind::Null,
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' => resolve_word(text),
        b'0'..=b'9' | b'+' | b'-' | b'.' => resolve_number(text),
        _ => Kind::Text,
    }
}

fn resolve_word(text: &str) -> Kind {
    match text {
        "null" | "Null" | "NULL" => Kind::Null,
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => Kind::Boolean,
        _ if is_old_boolean(text) => Kind::Boolean,
        _ => Kind::Text,
    }
}

/// True for the words that are booleans to YAML 1.1 (`kubectl`) and texts to YAML 1.2.
pub(super) fn is_old_boolean(text: &str) -> bool {
    matches!(
        text,
        "y" | "Y"
            | "yes"
            | "Yes"
            | "YES"
            | "on"
            | "On"
            | "ON"
            | "n"
            | "N"
            | "no"
            | "No"
            | "NO"
            | "off"
            | "Off"
            | "OFF"
    )
}

fn resolve_number(text: &str) -> Kind {
    if integer(text).is_some() {
        return Kind::Integer;
    }
    if wide(text).is_some() {
        return Kind::Float;
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Kind::Float;
    }
    // What no float holds is a text.
    let is_float = is_decimal_float(unsigned)
        && (unsigned.len() < 300 && !unsigned.contains(['e', 'E']) || float(unsigned).is_finite());
    if is_float { Kind::Float } else { Kind::Text }
}

/// A whole number that only 64 bits without a sign hold.
fn wide(text: &str) -> Option<u64> {
    if text.len() < 17 {
        return None;
    }
    let digits = text.replace('_', "");
    match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => u64::from_str_radix(&digits[2..], 16).ok(),
        [b'0', b'o' | b'O', ..] => u64::from_str_radix(&digits[2..], 8).ok(),
        [b'0', b'b' | b'B', ..] => u64::from_str_radix(&digits[2..], 2).ok(),
        [b'0', ..] => u64::from_str_radix(&digits, 8).ok(),
        [b'1'..=b'9', ..] => digits.parse().ok(),
        _ => None,
    }
}

fn float(text: &str) -> f64 {
    text.replace('_', "").parse().unwrap_or(f64::INFINITY)
}

/// A number as `kubectl` writes it where it is a key; nothing where it takes it for none.
pub(super) fn number_key(text: &str, kind: Kind) -> Option<String> {
    if kind == Kind::Integer {
        return integer(text).map(|value| value.to_string());
    }
    if wide(text).is_some() {
        return None;
    }
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    #[allow(clippy::cast_possible_truncation, reason = "it has 32 bits there")]
    let value = match unsigned.trim_start_matches('-').to_ascii_lowercase().as_str() {
        ".nan" => f32::NAN,
        ".inf" if text.starts_with('-') => f32::NEG_INFINITY,
        ".inf" => f32::INFINITY,
        _ => float(unsigned) as f32,
    };
    if !value.is_finite() {
        let sign = if value < 0.0 { "-" } else { "" };
        return Some(if value.is_nan() { ".nan".to_owned() } else { format!("{sign}.inf") });
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e')?;
    let exponent: i32 = exponent.parse().ok()?;
    if (-4..6).contains(&exponent) {
        return Some(value.to_string());
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    Some(format!("{digits}e{sign}{:02}", exponent.abs()))
}

/// A date, alone or with a time.
pub(super) fn is_date(text: &str) -> bool {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let mut parts = text.splitn(3, '-');
    let mut part = || parts.next().unwrap_or_default();
    let (year, month, day) = (part(), part(), part());
    let length = digits(day);
    let follows = day[length..].chars().next().is_none_or(|next| matches!(next, 'T' | 't' | ' '));
    let is_short = |text: &str| matches!(text.len(), 1 | 2) && digits(text) == text.len();
    year.len() == 4 && digits(year) == 4 && is_short(month) && is_short(&day[..length]) && follows
}

/// `1.5`, `.5`, `1.`, `1e3`: digits with a point, an exponent or more digits than 64 bits hold.
fn is_decimal_float(unsigned: &str) -> bool {
    let (number, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let some_digit = number.bytes().any(|byte| byte.is_ascii_digit());
    let exponent_is_number = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    some_digit && digits(whole) && digits(fraction) && exponent_is_number
}

/// The value of an integer scalar, in any of the notations that `kubectl` reads: `8080`, `0x1F`,
/// `0o17`, `017`, `0b101`, `1_000`.
pub(super) fn integer(text: &str) -> Option<i64> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match unsigned.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &unsigned[2..]),
        [b'0', b'o' | b'O', ..] => (8, &unsigned[2..]),
        [b'0', b'b' | b'B', ..] => (2, &unsigned[2..]),
        [b'0', _, ..] => (8, &unsigned[1..]),
        _ => (10, unsigned),
    };
    let mut value: i64 = 0;
    let mut any = false;
    for byte in digits.bytes() {
        if byte == b'_' {
            continue;
        }
        let digit = char::from(byte).to_digit(radix)?;
        any = true;
        value = value.checked_mul(i64::from(radix))?;
        let digit = i64::from(digit);
        value = if negative { value.checked_sub(digit)? } else { value.checked_add(digit)? };
    }
    any.then_some(value)
}

/// The value of a number with a point or an exponent, where it is whole.
pub(super) fn whole(text: &str) -> Option<i64> {
    let value: f64 = text.replace('_', "").parse().ok()?;
    // From 1e21 on a number is written with an exponent on its way to the server.
    #[allow(clippy::cast_possible_truncation, reason = "whole and within range")]
    (value.fract() == 0.0 && value.abs() < 9e18).then_some(value as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_are_read_as_kubectl_reads_them() {
        for (text, kind) in [
            ("", Kind::Null),
            ("~", Kind::Null),
            ("null", Kind::Null),
            ("nullable", Kind::Text),
            ("true", Kind::Boolean),
            ("yes", Kind::Boolean),
            ("off", Kind::Boolean),
            ("offset", Kind::Text),
            ("8080", Kind::Integer),
            ("-1", Kind::Integer),
            ("1_000", Kind::Integer),
            ("0x1F", Kind::Integer),
            ("0o17", Kind::Integer),
            ("0755", Kind::Integer),
            ("0899", Kind::Float),
            ("1.5", Kind::Float),
            (".5", Kind::Float),
            ("1e3", Kind::Float),
            ("-.inf", Kind::Float),
            ("99999999999999999999", Kind::Float),
            ("1e400", Kind::Text),
            ("1.2.3", Kind::Text),
            ("1Gi", Kind::Text),
            ("-", Kind::Text),
            ("--flag", Kind::Text),
            ("2024-01-15", Kind::Text),
            ("10:30", Kind::Text),
            ("callbot", Kind::Text),
        ] {
            assert_eq!(resolve_plain(text), kind, "{text:?}");
        }
    }

    #[test]
    fn keys_that_are_numbers_are_written_as_kubectl_writes_them() {
        for (text, written) in [
            ("1", Some("1")),
            ("+1", Some("1")),
            ("0x10", Some("16")),
            ("017", Some("15")),
            ("1_000", Some("1000")),
            ("1.0", Some("1")),
            ("1.50", Some("1.5")),
            (".5", Some("0.5")),
            ("0.0001", Some("0.0001")),
            ("1e-5", Some("1e-05")),
            ("100000.0", Some("100000")),
            ("1e6", Some("1e+06")),
            ("123456789.0", Some("1.2345679e+08")),
            ("18446744073709551616", Some("1.8446744e+19")),
            ("-9223372036854775809", Some("-9.223372e+18")),
            ("1e39", Some(".inf")),
            ("-.Inf", Some("-.inf")),
            (".nan", Some(".nan")),
            ("9223372036854775808", None),
            ("18446744073709551615", None),
            ("0xffffffffffffffff", None),
        ] {
            assert_eq!(number_key(text, resolve_plain(text)).as_deref(), written, "{text}");
        }
    }

    #[test]
    fn dates_are_told_by_their_form() {
        for (text, is_one) in [
            ("2001-01-02", true),
            ("2001-1-2T03:04:05Z", true),
            ("2001-01-02 03:04", true),
            ("2001", false),
            ("x", false),
            ("2001-01", false),
            ("2001-01-02x", false),
            ("2001-001-02", false),
        ] {
            assert_eq!(is_date(text), is_one, "{text}");
        }
    }

    #[test]
    fn integers_have_their_value_in_every_notation() {
        assert_eq!(integer("0755"), Some(0o755));
        assert_eq!(integer("0x1F"), Some(31));
        assert_eq!(integer("-0b101"), Some(-5));
        assert_eq!(integer("1_000"), Some(1000));
        assert_eq!(integer("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(integer("9223372036854775808"), None);
        assert_eq!(integer("0x"), None);
    }
}
