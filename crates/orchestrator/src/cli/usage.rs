//! Wrong usage, said in Korean; in English clap says it itself.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use ecp_core::text::Language;

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
    let (argument, value) = (said(ContextKind::InvalidArg), said(ContextKind::InvalidValue));
    let mut text = match error.kind() {
        ErrorKind::InvalidSubcommand => format!("'{}' 명령이 없습니다", said(ContextKind::InvalidSubcommand)),
        ErrorKind::UnknownArgument => format!("'{argument}' 옵션이 없습니다"),
        ErrorKind::MissingRequiredArgument => format!("꼭 필요한 것이 없습니다: {argument}"),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => return None,
        ErrorKind::InvalidValue if value.is_empty() => format!("'{argument}'에 값이 없습니다"),
        ErrorKind::InvalidValue => {
            format!(
                "'{argument}'에 '{value}'를 쓸 수 없습니다. 쓸 수 있는 값: {}",
                said(ContextKind::ValidValue)
            )
        }
        ErrorKind::ValueValidation => {
            let reason = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
            format!("'{argument}'에 '{value}'를 쓸 수 없습니다: {reason}")
        }
        ErrorKind::ArgumentConflict => {
            format!("'{argument}'과(와) 함께 쓸 수 없습니다: {}", said(ContextKind::PriorArg))
        }
        ErrorKind::NoEquals => format!("'{argument}'에는 =를 붙여 값을 주십시오"),
        ErrorKind::TooManyValues => format!("'{argument}'에 값이 너무 많습니다: '{value}'"),
        _ => return None,
    };
    let suggestions =
        [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue];
    let meant = suggestions.into_iter().map(said).find(|text| !text.is_empty());
    if let Some(meant) = meant {
        text += &format!("\n  혹시 '{meant}'입니까?");
    }
    Some(text + "\n  --help로 쓰는 법을 볼 수 있습니다")
}
