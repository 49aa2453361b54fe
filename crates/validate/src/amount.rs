//! Kubernetes quantities with their sign.

use ecp_core::quantity::parse_quantity;
use std::borrow::Cow;

/// An amount in thousandths of its unit.
pub(super) type Milli = i128;

/// What the server takes for an amount that it can not count.
const MOST: Milli = i64::MAX as Milli * 1000;

/// Reads a quantity such as `200m`, `1.5`, `4Gi` or `-1e3`; smaller parts than a thousandth are
/// rounded up, as the API server does. None where it is no quantity.
pub(super) fn parse(text: &str) -> Option<Milli> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    // Without a digit it is nothing of its unit, and what is beyond any machine is as much as there can be.
    let is_bare = !unsigned.starts_with(|c: char| c.is_ascii_digit());
    let unsigned = if is_bare { Cow::Owned(format!("0{unsigned}")) } else { Cow::Borrowed(unsigned) };
    let amount = match parse_quantity(&unsigned) {
        Some(amount) => Milli::try_from(amount).unwrap_or(Milli::MAX),
        None => beyond(&unsigned).or_else(|| long(&unsigned))?,
    };
    Some(if negative { -amount } else { amount })
}

/// A quantity with an exponent of three digits, more than can be counted or next to nothing.
fn beyond(text: &str) -> Option<Milli> {
    let (number, exponent) = text.split_once(['e', 'E'])?;
    let (is_small, digits) = match exponent.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, exponent.strip_prefix('+').unwrap_or(exponent)),
    };
    let is_exponent = matches!(digits.len(), 1..=3) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let amount = parse_quantity(number)?;
    match (is_exponent, amount == 0, is_small) {
        (false, ..) => None,
        (_, true, _) => Some(0),
        (.., true) => Some(1),
        _ => Some(MOST),
    }
}

/// A quantity of more digits than can be counted exactly: as much as there can be at most.
fn long(text: &str) -> Option<Milli> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = parse_quantity(&format!("1{unit}"))?;
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "so many digits are more than counts"
    )]
    let amount = (number.parse::<f64>().ok()? * unit as f64).ceil().min(MOST as f64) as Milli;
    Some(amount.min(MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_have_their_sign() {
        assert_eq!(parse("1.5"), Some(1500));
        assert_eq!(parse("+1"), Some(1000));
        assert_eq!(parse("-200m"), Some(-200));
        for nothing in [".", "-", "+", "m", "Ki", "e3", "-.", "E"] {
            assert_eq!(parse(nothing), Some(0), "{nothing}");
        }
        assert_eq!(parse(".5"), Some(500));
        assert_eq!(parse("1e100"), Some(MOST));
        assert_eq!(parse("-1e100"), Some(-MOST));
        assert_eq!(parse("1e-100"), Some(1));
        assert_eq!(parse("0e100"), Some(0));
        assert_eq!(parse("100000000000000000000E"), Some(MOST));
        assert_eq!(parse(&format!("0.{}1", "0".repeat(60))), Some(1));
        for text in ["", "--1", "-+", "k i", "1 Gi", "abc", "9e9999", "1e", "1e1e1"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
