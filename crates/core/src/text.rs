//! Texts for people: messages by key, rendered in Korean or English at the edge.
//!
//! The two catalogs are `messages/ko.toml` and `messages/en.toml`; a test keeps their keys equal.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Display;
use std::sync::OnceLock;

mod particles;

/// The language of a text; Korean unless the caller asks for English.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Korean.
    #[default]
    Ko,
    /// English.
    En,
}

/// A text by its catalog key and the values for its `{placeholders}`; stored so, rendered late.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Key in both catalogs, dotted: `tenant.not_found`.
    pub key: Cow<'static, str>,
    /// Values by placeholder name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<(Cow<'static, str>, String)>,
    /// Texts that fill placeholders, in the language of the whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<(Cow<'static, str>, Message)>,
}

impl Message {
    /// Names a text of the catalogs.
    pub fn new(key: &'static str) -> Self {
        debug_assert!(catalog(Language::Ko).contains_key(key), "no message {key:?} in messages/ko.toml");
        Self { key: Cow::Borrowed(key), values: Vec::new(), parts: Vec::new() }
    }

    /// Fills a placeholder.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Display) -> Self {
        self.values.push((Cow::Borrowed(name), value.to_string()));
        self
    }

    /// Fills a placeholder with a text of its own.
    #[must_use]
    pub fn with_part(mut self, name: &'static str, part: Self) -> Self {
        self.parts.push((Cow::Borrowed(name), part));
        self
    }

    /// The text in a language, with Korean particles chosen by the values they follow; a key that no catalog has prints as itself.
    pub fn render(&self, language: Language) -> String {
        let Some(template) = catalog(language).get(self.key.as_ref()) else {
            return self.key.to_string();
        };
        if self.parts.is_empty() {
            return fill(template, &self.values, language);
        }
        let parts = self.parts.iter().map(|(name, part)| (name.clone(), part.render(language)));
        let values: Vec<_> = self.values.iter().cloned().chain(parts).collect();
        fill(template, &values, language)
    }
}

/// A template's `{placeholders}` filled, with Korean particles chosen by the values they follow; one without a
/// value stays.
pub fn fill(template: &str, values: &[(Cow<'static, str>, String)], language: Language) -> String {
    let mut text = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        let Some(length) = rest[open..].find('}') else { break };
        append(&mut text, &rest[..open], language);
        let name = &rest[open + 1..open + length];
        match values.iter().find(|(candidate, _)| candidate == name) {
            Some((_, value)) => text.push_str(value),
            None => text.push_str(&rest[open..=open + length]),
        }
        rest = &rest[open + length + 1..];
    }
    append(&mut text, rest, language);
    text
}

fn append(text: &mut String, words: &str, language: Language) {
    match language {
        Language::Ko => particles::append(text, words),
        Language::En => text.push_str(words),
    }
}

fn catalog(language: Language) -> &'static HashMap<String, String> {
    static KO: OnceLock<HashMap<String, String>> = OnceLock::new();
    static EN: OnceLock<HashMap<String, String>> = OnceLock::new();
    let (cell, source) = match language {
        Language::Ko => (&KO, include_str!("../messages/ko.toml")),
        Language::En => (&EN, include_str!("../messages/en.toml")),
    };
    cell.get_or_init(|| flatten(source))
}

/// `[tenant] not_found = "…"` becomes `tenant.not_found`; the embedded files are checked by test.
fn flatten(source: &str) -> HashMap<String, String> {
    let sections: HashMap<String, HashMap<String, String>> =
        toml::from_str(source).expect("the embedded message catalog is valid TOML");
    sections
        .into_iter()
        .flat_map(|(section, texts)| {
            texts.into_iter().map(move |(key, text)| (format!("{section}.{key}"), text))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn placeholders(text: &str) -> BTreeSet<&str> {
        text.split('{').skip(1).filter_map(|part| part.split_once('}')).map(|(name, _)| name).collect()
    }

    #[test]
    fn both_languages_have_the_same_keys_and_placeholders() {
        let (ko, en) = (catalog(Language::Ko), catalog(Language::En));
        let keys = |texts: &'static HashMap<String, String>| texts.keys().collect::<BTreeSet<_>>();
        assert_eq!(keys(ko), keys(en));
        for (key, text) in ko {
            assert_eq!(placeholders(text), placeholders(&en[key]), "{key}");
        }
    }

    #[test]
    fn placeholders_are_filled_in_the_language_asked_for() {
        let message = Message::new("tenant.not_found").with("tenant_id", "acme");
        assert!(message.render(Language::Ko).contains("acme"));
        assert!(message.render(Language::En).contains("acme"));
        assert_ne!(message.render(Language::Ko), message.render(Language::En));
    }

    #[test]
    fn a_part_is_in_the_language_of_the_whole() {
        let part = Message::new("catalog.between").with("least", 1).with("most", 9);
        let whole = Message::new("catalog.of_key").with("path", "gpu.order").with_part("fault", part);
        assert_eq!(whole.render(Language::En), "gpu.order: must be between 1 and 9");
        assert_eq!(whole.render(Language::Ko), "gpu.order: 1에서 9 사이여야 합니다");
    }

    #[test]
    fn a_particle_follows_the_value_and_a_value_is_never_touched() {
        let not_found =
            |id: &str| Message::new("tenant.not_found").with("tenant_id", id).render(Language::Ko);
        assert!(not_found("callbot").contains("'callbot'을 찾을"));
        assert!(not_found("을(를)").contains("'을(를)'"));
    }

    #[test]
    fn no_korean_text_fixes_a_particle_behind_a_placeholder() {
        let fixed = ["은 ", "는 ", "이 ", "가 ", "을 ", "를 ", "로 ", "으로 ", "과 ", "와 ", "로, "];
        for (key, text) in catalog(Language::Ko) {
            for (name, after) in text.split('{').filter_map(|part| part.split_once('}')) {
                let after = after.trim_start_matches(['\'', '"']);
                if !name.bytes().all(|letter| letter.is_ascii_lowercase() || letter == b'_') {
                    continue;
                }
                assert!(
                    !fixed.iter().any(|particle| after.starts_with(particle)),
                    "{key}: write both forms, such as 을(를): {text}"
                );
            }
        }
    }
}
