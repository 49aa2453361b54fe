//! Templates of `-o jsonpath=…` in the way of kubectl: paths in braces, text around them, `range` and `end`.

use super::language::say_text;
use jsonpath_rust::JsonPath;
use serde_json::Value;

/// A template, ready to be filled.
#[derive(Clone, Debug)]
pub(super) struct Template(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Path(String),
    Range(String, Vec<Part>),
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What can not be read, and how it is written.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if !text.contains('{') {
            // Without braces it is a path.
            return Ok(Self(vec![Part::Path(checked(text)?)]));
        }
        let mut open: Vec<(String, Vec<Part>)> = Vec::new();
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find('{') {
            if start > 0 {
                parts.push(Part::Text(rest[..start].to_owned()));
            }
            let length = end_of(&rest[start..]).ok_or_else(|| say_text!("cli.brace_open", text = text))?;
            let inner = rest[start + 1..start + length].trim();
            rest = &rest[start + length + 1..];
            if let Some(path) = inner.strip_prefix("range ") {
                open.push((checked(path.trim())?, std::mem::take(&mut parts)));
            } else if inner == "end" {
                let (path, before) = open.pop().ok_or_else(|| say_text!("cli.end_alone", text = text))?;
                let body = std::mem::replace(&mut parts, before);
                parts.push(Part::Range(path, body));
            } else if let Some(literal) = inner.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')) {
                parts.push(Part::Text(
                    literal.replace("\\n", "\n").replace("\\t", "\t").replace("\\\"", "\""),
                ));
            } else {
                parts.push(Part::Path(checked(inner)?));
            }
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        if open.is_empty() { Ok(Self(parts)) } else { Err(say_text!("cli.range_alone", text = text)) }
    }

    /// Fills it from a value.
    pub(super) fn fill(&self, value: &Value) -> String {
        let mut text = String::new();
        fill(&self.0, value, &mut text);
        text
    }
}

/// Where the brace that opens the text is closed, quoted ones not counted.
fn end_of(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (place, character) in text.char_indices() {
        match (quote, character) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), close) if open == close => quote = None,
            (None, '"' | '\'') => quote = Some(character),
            (None, '}') => return Some(place),
            _ => {}
        }
    }
    None
}

/// The path as RFC 9535 writes it: from the root, names with a dot before them.
fn checked(path: &str) -> Result<String, String> {
    let below = path.strip_prefix(['$', '@']).unwrap_or(path);
    let below = if below.starts_with(['.', '[']) || below.is_empty() {
        below.to_owned()
    } else {
        format!(".{below}")
    };
    let path = if below == "." { "$".to_owned() } else { format!("${below}") };
    match Value::Null.query(&path) {
        Ok(_) => Ok(path),
        Err(error) => Err(say_text!("cli.wrong_path", path = path, error = error)),
    }
}

fn fill(parts: &[Part], value: &Value, text: &mut String) {
    for part in parts {
        match part {
            Part::Text(literal) => text.push_str(literal),
            Part::Path(path) => {
                let found: Vec<String> = found(value, path).map(super::output::plain).collect();
                text.push_str(&found.join(" "));
            }
            Part::Range(path, body) => found(value, path).for_each(|entry| fill(body, entry, text)),
        }
    }
}

fn found<'a>(value: &'a Value, path: &str) -> impl Iterator<Item = &'a Value> {
    // A path that was read once is read again.
    value.query(path).unwrap_or_default().into_iter()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;
    use serde_json::json;

    fn filled(template: &str) -> String {
        let value = json!({"tenants": [{"tenant_id": "a", "gpu": 1}, {"tenant_id": "b", "gpu": 2}], "n": 2});
        Template::parse(template).unwrap().fill(&value)
    }

    #[test]
    fn templates_are_those_of_kubectl() {
        assert_eq!(filled("{.n}"), "2");
        assert_eq!(filled(".n"), "2");
        assert_eq!(filled("{.tenants[*].tenant_id}"), "a b");
        assert_eq!(filled("n={.n}, first {.tenants[0].tenant_id}"), "n=2, first a");
        assert_eq!(filled(r#"{range .tenants[*]}{.tenant_id}{"\t"}{.gpu}{"\n"}{end}"#), "a\t1\nb\t2\n");
        assert_eq!(filled("{.tenants[?(@.gpu>1)].tenant_id}"), "b");
        assert_eq!(filled(r#"{.tenants[?(@.tenant_id=="a")].gpu}"#), "1");
        assert_eq!(filled("{.nothing}"), "");
    }

    #[test]
    fn what_can_not_be_read_is_said() {
        for (template, reason) in [
            ("{.a", "not closed"),
            ("{range .a}{.b}", "without {end}"),
            ("{end}", "without {range}"),
            ("{.a[}", "$.a["),
        ] {
            let error = Template::parse(template).unwrap_err();
            assert!(error.contains(reason), "{template}: {error}");
        }
    }
}
