//! The `Warning` headers of answers: what the server wants said beside a result.

use reqwest::Response;

/// Texts of the `Warning` headers of an answer.
pub(super) fn of(response: &Response) -> Vec<String> {
    let warnings = response.headers().get_all("warning").iter();
    warnings.filter_map(|value| Some(text_of(value.to_str().ok()?))).collect()
}

/// The quoted text of a `Warning` header (`299 - "text"`, RFC 7234); the whole where it has another form.
fn text_of(header: &str) -> String {
    let Some((_, quoted)) = header.split_once('"') else { return header.to_owned() };
    let mut characters = quoted.chars();
    let mut text = String::with_capacity(quoted.len());
    while let Some(character) = characters.next().filter(|character| *character != '"') {
        if character == '\\' {
            text.extend(characters.next());
        } else {
            text.push(character);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_read_as_it_was_meant() {
        assert_eq!(text_of(r#"299 - "unknown field: foo""#), "unknown field: foo");
        assert_eq!(text_of(r#"299 ecp "a \"b\" c" "Wed, 21 Oct""#), r#"a "b" c"#);
        assert_eq!(text_of("no quotes"), "no quotes");
    }
}
