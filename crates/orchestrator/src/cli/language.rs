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

/// A text of the catalogs in that language, its placeholders filled.
macro_rules! say_text {
    ($key:literal $(, $name:ident = $value:expr)* $(,)?) => {
        $crate::cli::language::told(
            &::ecp_core::text::Message::new($key)$(.with(stringify!($name), $value))*
        )
    };
}
pub(crate) use say_text;

/// Labels of details, by their English text.
const LABELS: [(&str, &str); 32] = [
    ("Tenant", "테넌트"),
    ("Status", "상태"),
    ("Plan", "플랜"),
    ("Ordered", "주문"),
    ("Promised", "약속"),
    ("Resources", "자원"),
    ("Exposure", "공개 방법"),
    ("Management", "관리 주체"),
    ("GPU type", "GPU 종류"),
    ("Cost", "비용"),
    ("Operator", "운영 원가"),
    ("Margin", "마진"),
    ("Generation", "세대"),
    ("Deployment", "배포"),
    ("Created", "생성"),
    ("Updated", "변경"),
    ("Description", "설명"),
    ("Fits now", "지금 가능"),
    ("Node lost", "노드 장애 시"),
    ("Asked", "조회한 곳"),
    ("Context", "컨텍스트"),
    ("Server", "서버"),
    ("Mode", "모드"),
    ("Token", "토큰"),
    ("Client", "클라이언트"),
    ("Reason", "이유"),
    ("Silence", "무음"),
    ("Alerts", "알림"),
    ("From", "시작"),
    ("Until", "끝"),
    ("By", "만든 사람"),
    ("Comment", "메모"),
];

/// A label in that language; one that is no word of it stays.
pub(super) fn label(english: &str) -> &str {
    let korean = || LABELS.iter().find(|(name, _)| *name == english).map(|(_, korean)| *korean);
    match language() {
        Language::Ko => korean().unwrap_or(english),
        Language::En => english,
    }
}

fn language() -> Language {
    CHOSEN.get().copied().unwrap_or_else(of_the_system)
}

/// A text in that language.
pub(crate) fn told(message: &Message) -> String {
    message.render(language())
}
