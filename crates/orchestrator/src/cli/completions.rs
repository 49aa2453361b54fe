//! `ecp completions` and `ecp man`, made from the commands themselves; and what shells and kubectl ask
//! while somebody types.

use super::{command, output};
use anyhow::{Context as _, anyhow};
use clap::Args;
use clap_complete::env::Shells;
use clap_complete::{Shell, engine};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;

/// What a shell sets to the words that are completed.
const VARIABLE: &str = "COMPLETE";

/// For which shell.
#[derive(Args)]
pub(super) struct Completions {
    /// bash, zsh, fish, elvish or powershell.
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let (name, shells) = (self.shell.to_string(), Shells::builtins());
        let completer = shells.completer(&name).ok_or_else(|| anyhow!("no completions for {name}"))?;
        let mut script = Vec::new();
        completer.write_registration(VARIABLE, "ecp", "ecp", "ecp", &mut script)?;
        output::print(&String::from_utf8_lossy(&script))
    }
}

static TYPED: OnceLock<Vec<OsString>> = OnceLock::new();

/// The command line that is being completed, the program first.
pub(super) fn typed_words() -> Vec<OsString> {
    let of_the_shell = || std::env::args_os().skip_while(|word| word != "--").skip(1).collect();
    TYPED.get_or_init(of_the_shell).clone()
}

/// The words that kubectl wants completed, where it is kubectl that asks: as `kubectl_complete-ecp`.
pub(super) fn of_kubectl(arguments: &[OsString]) -> Option<Vec<OsString>> {
    let (program, words) = arguments.split_first()?;
    let name = Path::new(program).file_name()?;
    (name == "kubectl_complete-ecp").then(|| words.to_vec())
}

/// Answers kubectl: a candidate and its description in each line, then that files are no candidates.
pub(super) fn answer_kubectl(words: Vec<OsString>) -> ExitCode {
    let mut typed = vec![OsString::from("ecp")];
    typed.extend(words);
    let index = typed.len() - 1;
    let typed = TYPED.get_or_init(|| typed).clone();
    // As kubectl's own: flags are offered once a dash is there.
    let wants_flags = typed.last().is_some_and(|word| word.to_string_lossy().starts_with('-'));
    let found = engine::complete(&mut command(), typed, index, None).unwrap_or_default();
    let mut text = String::new();
    for candidate in found.iter().filter(|candidate| !candidate.is_hide_set()) {
        let value = candidate.get_value().to_string_lossy();
        if value.starts_with('-') && !wants_flags {
            continue;
        }
        text += &value;
        if let Some(help) = candidate.get_help() {
            text += &format!("\t{}", help.to_string().lines().next().unwrap_or_default());
        }
        text.push('\n');
    }
    // Cobra's directive for "no files".
    text += ":4\n";
    match output::print(&text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Where to.
#[derive(Args)]
pub(super) struct Man {
    /// Writes a page for every command into this folder, which must exist.
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

impl Man {
    pub(super) fn run(self) -> anyhow::Result<()> {
        if let Some(folder) = self.dir {
            return clap_mangen::generate_to(command(), &folder)
                .with_context(|| folder.display().to_string());
        }
        let mut page = Vec::new();
        clap_mangen::Man::new(command()).render(&mut page)?;
        output::print(&String::from_utf8_lossy(&page))
    }
}
