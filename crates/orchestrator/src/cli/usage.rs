//! Wrong usage, said in Korean; in English clap says it itself.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use ecp_core::text::{Language, fill};

/// What is wrong with a command line; nothing where clap is to say it.
pub(super) fn complaint(error: &clap::Error, language: Language) -> Option<String> {
    if language == Language::En || !error.use_stderr() {
        return None;
    }
    let said = |kind: ContextKind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        Some(ContextValue::StyledStr(text)) => text.to_string(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let reason = || std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    let value = said(ContextKind::InvalidValue);
    let template = match error.kind() {
        ErrorKind::InvalidSubcommand => "'{command}' 명령이 없습니다",
        ErrorKind::UnknownArgument => "'{argument}' 옵션이 없습니다",
        ErrorKind::MissingRequiredArgument => "꼭 필요한 것이 없습니다: {argument}",
        ErrorKind::InvalidValue if value.is_empty() => "'{argument}'에 값이 없습니다",
        ErrorKind::InvalidValue => "'{argument}'에 '{value}'을(를) 쓸 수 없습니다. 쓸 수 있는 값: {values}",
        ErrorKind::ValueValidation => "'{argument}'에 '{value}'을(를) 쓸 수 없습니다: {reason}",
        ErrorKind::ArgumentConflict => "'{argument}'과(와) 함께 쓸 수 없습니다: {other}",
        ErrorKind::NoEquals => "'{argument}'에는 =를 붙여 값을 주십시오",
        ErrorKind::TooManyValues => "'{argument}'에 값이 너무 많습니다: '{value}'",
        _ => return None,
    };
    let values = [
        ("command", said(ContextKind::InvalidSubcommand)),
        ("argument", said(ContextKind::InvalidArg)),
        ("value", value),
        ("values", said(ContextKind::ValidValue)),
        ("other", said(ContextKind::PriorArg)),
        ("reason", reason()),
    ];
    let mut text = fill(template, &values.map(|(name, value)| (name.into(), value)), language);
    let suggestions =
        [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue];
    let meant = suggestions.into_iter().map(said).find(|text| !text.is_empty());
    if let Some(meant) = meant {
        text += &format!("\n  혹시 '{meant}'입니까?");
    }
    Some(text + "\n  --help로 쓰는 법을 볼 수 있습니다")
}
