//! The language of what this program says by itself: Korean or English, as the flag or the system says.

use ecp_core::text::{Language, Message};
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

/// A text in that language.
pub(super) fn told(message: &Message) -> String {
    message.render(CHOSEN.get().copied().unwrap_or_else(of_the_system))
}
