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
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Kind::Float;
    }
    if is_decimal_float(unsigned) { Kind::Float } else { Kind::Text }
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
