//! Kubernetes quantities, read exactly.

/// An amount in thousandths of its unit; larger ones stop at the largest.
pub(super) type Milli = i128;

/// Reads a quantity such as `200m`, `1.5`, `4Gi` or `1e3`; smaller parts than a thousandth are
/// rounded up, as the API server does.
pub(super) fn parse(text: &str) -> Option<Milli> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let number_length = unsigned.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    let (number, suffix) = unsigned.split_at(number_length);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let (multiplier, divisor) = scale(suffix)?;
    // More digits than fit are more than any amount that the API server keeps.
    let digits = |part: &str| part.parse::<i128>().unwrap_or(i128::MAX);
    let fraction = &fraction[..fraction.len().min(18)];
    let fraction_unit = 10_i128.pow(u32::try_from(fraction.len()).unwrap_or(18));
    let whole = if whole.is_empty() { 0 } else { digits(whole) };
    let fraction = if fraction.is_empty() { 0 } else { digits(fraction) };
    let numerator = whole.saturating_mul(fraction_unit).saturating_add(fraction).saturating_mul(multiplier);
    let denominator = fraction_unit.saturating_mul(divisor);
    let milli = numerator / denominator + i128::from(numerator % denominator != 0);
    Some(if negative { -milli } else { milli })
}

/// Thousandths per unit of a suffix, as a fraction.
fn scale(suffix: &str) -> Option<(i128, i128)> {
    const MILLI: i128 = 1000;
    let binary = |power: u32| Some((MILLI << (10 * power), 1));
    let decimal = |power: u32| Some((MILLI * 10_i128.pow(power), 1));
    match suffix {
        "" => Some((MILLI, 1)),
        "n" => Some((1, 1_000_000)),
        "u" => Some((1, 1000)),
        "m" => Some((1, 1)),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => {
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            let power = 10_i128.checked_pow(exponent.unsigned_abs().min(30))?;
            Some(if exponent < 0 { (MILLI, power) } else { (MILLI * power, 1) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_have_their_exact_value_in_thousandths() {
        for (text, milli) in [
            ("200m", 200),
            ("2", 2000),
            ("0.1", 100),
            ("1.5", 1500),
            (".5", 500),
            ("5.", 5000),
            ("1e3", 1_000_000),
            ("1E-3", 1),
            ("-1", -1000),
            ("+1", 1000),
            ("1k", 1_000_000),
            ("1Ki", 1_024_000),
            ("1.5Gi", 1_610_612_736_000),
            ("100n", 1),
            ("0", 0),
            ("1Ei", 1_152_921_504_606_846_976_000),
        ] {
            assert_eq!(parse(text), Some(milli), "{text}");
        }
    }

    #[test]
    fn other_texts_are_not_quantities() {
        for text in ["", "m", "1 Gi", "1GB", "1gi", "1.2.3", "-", ".", "abc", "1e", "1ee3", "0x10", "१"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn amounts_beyond_all_measure_stop_at_the_largest() {
        assert!(parse(&"9".repeat(400)).is_some_and(|milli| milli > 1 << 80));
        assert!(parse("9e999999999").is_some());
        assert!(parse("99999999999999999999Ei").is_some());
        assert_eq!(parse("1e-999999999"), Some(1));
    }
}
