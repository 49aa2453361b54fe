//! The `Warning` headers of answers: what the server wants said beside a result.

use reqwest::Response;
use reqwest::header::HeaderMap;

/// Something that the server said beside a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Warned {
    /// What it is about, where the server says so.
    pub(super) code: Option<String>,
    /// For people.
    pub(super) text: String,
}

/// What the `Warning` headers of an answer say.
pub(super) fn of(response: &Response) -> Vec<Warned> {
    read(response.headers())
}

fn read(headers: &HeaderMap) -> Vec<Warned> {
    let all = |name: &str| headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let texts: Vec<String> = all("warning").map(text_of).collect();
    let codes: Vec<&str> = all("x-warning-code").flat_map(|line| line.split(',')).map(str::trim).collect();
    // Where others between added warnings of their own, nothing says which is whose.
    let is_paired = codes.len() == texts.len();
    let code = |place: usize| codes.get(place).filter(|_| is_paired).map(|code| (*code).to_owned());
    texts.into_iter().enumerate().map(|(place, text)| Warned { code: code(place), text }).collect()
}

/// The quoted text of a `Warning` header (`299 - "text"`, RFC 7234); the whole where it has another form.
fn text_of(header: &str) -> String {
    let Some((_, quoted)) = header.split_once('"') else { return header.to_owned() };
    let mut rest = quoted;
    let mut text = String::with_capacity(quoted.len());
    while let Some(character) = rest.chars().next().filter(|character| *character != '"') {
        rest = &rest[character.len_utf8()..];
        if character != '\\' {
            text.push(character);
        } else if let Some((escaped, behind)) = escaped(rest) {
            text.push(escaped);
            rest = behind;
        }
    }
    text
}

/// The character behind a backslash, itself or as `u{c774}`, and what follows it.
fn escaped(text: &str) -> Option<(char, &str)> {
    let by_number =
        text.strip_prefix("u{").and_then(|text| text.split_once('}')).and_then(|(number, behind)| {
            let character = u32::from_str_radix(number, 16).ok().and_then(char::from_u32)?;
            Some((character, behind))
        });
    by_number.or_else(|| text.chars().next().map(|character| (character, &text[character.len_utf8()..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_read_as_it_was_meant() {
        assert_eq!(text_of(r#"299 - "unknown field: foo""#), "unknown field: foo");
        assert_eq!(text_of(r#"299 ecp "a \"b\" c" "Wed, 21 Oct""#), r#"a "b" c"#);
        assert_eq!(
            text_of(r#"299 - "unknown field: \u{c774}\u{b984}\\u{41}""#),
            r"unknown field: 이름\u{41}"
        );
        assert_eq!(text_of(r#"299 - "a\u{110000}b\"#), "au{110000}b");
        assert_eq!(text_of("no quotes"), "no quotes");
    }

    #[test]
    fn a_code_belongs_to_the_warning_in_its_place_and_to_none_where_there_are_others() {
        let mut headers = HeaderMap::new();
        let mut append = |name: &'static str, value: &str| {
            headers.append(name, value.parse().expect("a value"));
            read(&headers)
        };
        append("warning", r#"299 - "a""#);
        append("warning", r#"299 - "b""#);
        let codes = append("x-warning-code", "FIRST, SECOND");
        let of = |code: &str, text: &str| Warned { code: Some(code.to_owned()), text: text.to_owned() };
        assert_eq!(codes, [of("FIRST", "a"), of("SECOND", "b")]);
        let beside = append("warning", r#"110 proxy "stale""#);
        assert!(beside.iter().all(|warned| warned.code.is_none()) && beside.len() == 3, "{beside:?}");
    }
}
