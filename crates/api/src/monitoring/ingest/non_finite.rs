//! JSON has no NaN and no infinity, but programs write them all the same. They are wrong values of a
//! field, not an unreadable body, and this finds out which field.

use std::borrow::Cow;

/// The body with every bare `NaN`, `Infinity` or number beyond a double made a text, which the check
/// of the fields then refuses by name. Everything else is left as it is.
pub(super) fn quote_non_finite(body: &[u8]) -> Cow<'_, [u8]> {
    let mut quoted = Vec::new();
    let mut copied = 0;
    let mut position = 0;
    while let Some(&byte) = body.get(position) {
        if byte == b'"' {
            position = end_of_string(body, position);
        } else if is_token(byte) {
            let end = body[position..]
                .iter()
                .position(|byte| !is_token(*byte))
                .map_or(body.len(), |n| position + n);
            if is_non_finite(&body[position..end]) {
                quoted.extend_from_slice(&body[copied..position]);
                quoted.push(b'"');
                quoted.extend_from_slice(&body[position..end]);
                quoted.push(b'"');
                copied = end;
            }
            position = end;
        } else {
            position += 1;
        }
    }
    if quoted.is_empty() {
        return Cow::Borrowed(body);
    }
    quoted.extend_from_slice(&body[copied..]);
    Cow::Owned(quoted)
}

/// The position after the string that opens at `start`.
fn end_of_string(body: &[u8], start: usize) -> usize {
    let mut position = start + 1;
    while let Some(&byte) = body.get(position) {
        match byte {
            b'"' => return position + 1,
            b'\\' => position += 2,
            _ => position += 1,
        }
    }
    body.len()
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

fn is_non_finite(token: &[u8]) -> bool {
    // Rust reads `nan`, `inf` and `infinity` in any case, and numbers too large as infinite.
    std::str::from_utf8(token)
        .ok()
        .and_then(|text| text.parse::<f64>().ok())
        .is_some_and(|number| !number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(text: &str) -> String {
        String::from_utf8_lossy(&quote_non_finite(text.as_bytes())).into_owned()
    }

    #[test]
    fn only_bare_non_finite_numbers_become_texts() {
        assert_eq!(
            quoted(r#"{"a": NaN, "b":[-Infinity,1e999], "c": 1e3, "NaN": "NaN \" NaN"}"#),
            r#"{"a": "NaN", "b":["-Infinity","1e999"], "c": 1e3, "NaN": "NaN \" NaN"}"#
        );
    }

    #[test]
    fn bodies_without_them_and_broken_ones_are_left_as_they_are() {
        for text in [r#"{"a": true, "b": null, "c": -1.5}"#, r#"{"a": "open"#, r#""\"#, "", "nano"] {
            assert_eq!(quoted(text), text);
        }
    }
}
