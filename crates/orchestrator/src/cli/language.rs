//! The language of what this program says by itself: Korean or English, as the flag or the system says.

use ecp_core::catalog::CatalogFaults;
use ecp_core::text::{Language, Message};
use std::collections::HashMap;
use std::sync::OnceLock;

static CHOSEN: OnceLock<Language> = OnceLock::new();

/// The language that the environment asks for.
pub(super) fn of_the_system() -> Language {
    let value = ["LC_ALL", "LC_MESSAGES", "LANG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    if value.is_some_and(|value| value.starts_with("ko")) { Language::Ko } else { Language::En }
}

/// Settles it for the whole process; the first call counts.
pub(super) fn choose(language: Language) {
    let _ = CHOSEN.set(language);
}

/// A text of the catalogs in that language, its placeholders filled.
macro_rules! say_text {
    ($key:literal $(, $name:ident = $value:expr)* $(,)?) => {
        $crate::cli::language::told(
            &::ecp_core::text::Message::new($key)$(.with(stringify!($name), $value))*
        )
    };
}
pub(crate) use say_text;

fn words() -> &'static HashMap<String, String> {
    static WORDS: OnceLock<HashMap<String, String>> = OnceLock::new();
    WORDS.get_or_init(|| {
        toml::from_str(include_str!("words.ko.toml")).expect("the embedded words are valid TOML")
    })
}

/// A word that stands alone in that language, for people: a label, a header of a table, what a cell says.
pub(super) fn word(english: &'static str) -> &'static str {
    let korean = words().get(english);
    debug_assert!(korean.is_some(), "words.ko.toml has no {english:?}");
    match language() {
        Language::Ko => korean.map_or(english, String::as_str),
        Language::En => english,
    }
}

/// A header that is made of a word and of what is no word, such as a currency.
pub(super) fn header(english: &str) -> String {
    let known = |text: &str| words().get(text).map(String::as_str).filter(|_| language() == Language::Ko);
    let of_two =
        || english.rsplit_once(' ').and_then(|(text, rest)| Some(format!("{} {rest}", known(text)?)));
    known(english).map(str::to_owned).or_else(of_two).unwrap_or_else(|| english.to_owned())
}

fn language() -> Language {
    CHOSEN.get().copied().unwrap_or_else(of_the_system)
}

/// The faults of a catalog in that language.
pub(crate) fn all_told(faults: &CatalogFaults) -> String {
    faults.told(language())
}

/// A text in that language.
pub(crate) fn told(message: &Message) -> String {
    message.render(language())
}
