//! Help in Korean: the same commands, with the texts of `help.ko.toml`.

use clap::builder::StyledStr;
use clap::{Arg, ArgAction, Command};
use ecp_core::text::Language;
use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::OnceLock;

const TEMPLATE: &str = "{about-with-newline}\n사용법: {usage}\n\n{all-args}{after-help}";

fn korean() -> &'static HashMap<String, String> {
    static TEXTS: OnceLock<HashMap<String, String>> = OnceLock::new();
    TEXTS.get_or_init(|| {
        toml::from_str(include_str!("help.ko.toml")).expect("the embedded texts are valid TOML")
    })
}

/// The language of the help: as the command line says, else the environment.
pub(super) fn language(arguments: &[OsString]) -> Language {
    let words: Vec<_> = arguments.iter().map(|word| word.to_string_lossy()).collect();
    let after = words.iter().position(|word| word == "--lang").and_then(|place| words.get(place + 1));
    let joined = words.iter().find_map(|word| word.strip_prefix("--lang=").map(str::to_owned));
    let said = after.map(|word| word.to_string()).or(joined).or_else(|| std::env::var("ECP_LANG").ok());
    match said.as_deref() {
        Some("ko") => Language::Ko,
        Some("en") => Language::En,
        _ => super::language::of_the_system(),
    }
}

/// `ecp help COMMAND` as `ecp COMMAND --help`, which has its texts in every language.
pub(super) fn as_flag(mut arguments: Vec<OsString>) -> Vec<OsString> {
    if arguments.get(1).is_some_and(|word| word == "help") {
        arguments.remove(1);
        arguments.push("--help".into());
    }
    arguments
}

/// The command with its help in a language.
pub(super) fn in_language(command: Command, language: Language) -> Command {
    match language {
        Language::En => command,
        Language::Ko => translated(command, true),
    }
}

fn text(english: Option<&StyledStr>) -> Option<String> {
    korean().get(&english?.to_string()).cloned()
}

fn translated(mut command: Command, is_root: bool) -> Command {
    if let Some(about) = text(command.get_about()) {
        command = command.about(about);
    }
    if let Some(about) = text(command.get_long_about()) {
        command = command.long_about(about);
    }
    command = command
        .help_template(TEMPLATE)
        .subcommand_help_heading("명령")
        .subcommand_value_name("명령")
        .disable_help_subcommand(true)
        .mut_args(translated_argument)
        .mut_subcommands(|inner| translated(inner, false));
    if is_root {
        let help = Arg::new("help").short('h').long("help").action(ArgAction::Help).global(true);
        let version = Arg::new("version").short('V').long("version").action(ArgAction::Version);
        command = command
            .disable_help_flag(true)
            .disable_version_flag(true)
            .arg(help.help("도움말을 보여 줍니다").help_heading("옵션"))
            .arg(version.help("버전을 보여 줍니다").help_heading("옵션"))
            .after_help(EXIT_CODES);
    }
    command
}

const EXIT_CODES: &str = "\
종료 코드: 0 완료, 1 서버나 프로그램의 실패(diff: 차이 있음), 2 잘못된 사용법, 3 잘못된 요청이나 매니페스트,
4 없는 테넌트, 배포, 토큰, 5 충돌, 6 권한 없음, 7 서버나 클러스터에 연결할 수 없거나 너무 느리거나 바쁨,
8 배포가 실패했거나 되돌려짐, 130 기다리기를 멈춤.";

fn translated_argument(mut argument: Arg) -> Arg {
    if let Some(help) = text(argument.get_help()) {
        argument = argument.help(help);
    }
    if let Some(help) = text(argument.get_long_help()) {
        argument = argument.long_help(help);
    }
    let values = argument.get_possible_values();
    if argument.get_action().takes_values() && !values.is_empty() {
        // clap lists them in English alone.
        let told: Vec<_> = values
            .iter()
            .map(|value| match text(value.get_help()) {
                Some(help) => format!("{}: {help}", value.get_name()),
                None => value.get_name().to_owned(),
            })
            .collect();
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        argument = argument.help(format!("{help} ({})", told.join(", "))).hide_possible_values(true);
    }
    let heading = match argument.get_help_heading() {
        Some(_) => "접속과 출력",
        None if argument.is_positional() => "인자",
        None => "옵션",
    };
    argument.help_heading(heading)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Every text of the help but those of clap itself.
    fn texts(command: &Command, found: &mut BTreeSet<String>) {
        let of_arguments = command.get_arguments().flat_map(|argument| {
            let values = argument.get_possible_values();
            let values = values.into_iter().filter_map(|value| Some(value.get_help()?.to_string()));
            let own = [argument.get_help(), argument.get_long_help()];
            own.into_iter().flatten().map(ToString::to_string).chain(values).collect::<Vec<_>>()
        });
        let abouts = [command.get_about(), command.get_long_about()];
        found.extend(abouts.into_iter().flatten().map(ToString::to_string).chain(of_arguments));
        command.get_subcommands().for_each(|inner| texts(inner, found));
    }

    #[test]
    fn every_text_of_the_help_has_a_korean_one_and_no_other_is_kept() {
        let mut english = BTreeSet::new();
        texts(&super::super::command(), &mut english);
        let kept: BTreeSet<String> = korean().keys().cloned().collect();
        let missing: Vec<_> = english.difference(&kept).collect();
        let stale: Vec<_> = kept.difference(&english).collect();
        assert!(missing.is_empty() && stale.is_empty(), "missing {missing:#?}, stale {stale:#?}");
        in_language(super::super::command(), Language::Ko).debug_assert();
    }

    #[test]
    fn the_language_of_the_help_is_asked_for_on_the_command_line() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert_eq!(language(&words("ecp --help --lang ko")), Language::Ko);
        assert_eq!(language(&words("ecp tenants --lang=en --help")), Language::En);
    }
}
