//! Kubernetes quantities with their sign.

use ecp_core::quantity::parse_quantity;

/// An amount in thousandths of its unit.
pub(super) type Milli = i128;

/// Reads a quantity such as `200m`, `1.5`, `4Gi` or `-1e3`; smaller parts than a thousandth are
/// rounded up, as the API server does. None where it is no quantity, or beyond any machine.
pub(super) fn parse(text: &str) -> Option<Milli> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let amount = Milli::try_from(parse_quantity(unsigned)?).unwrap_or(Milli::MAX);
    Some(if negative { -amount } else { amount })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_have_their_sign() {
        assert_eq!(parse("1.5"), Some(1500));
        assert_eq!(parse("+1"), Some(1000));
        assert_eq!(parse("-200m"), Some(-200));
        for text in ["", "-", "--1", "1 Gi", "abc", "9e999"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
