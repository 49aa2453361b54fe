//! `ecp completions` and `ecp man`: made from the commands themselves.

use super::{command, output};
use anyhow::Context as _;
use clap::Args;
use clap_complete::Shell;
use std::path::PathBuf;

/// For which shell.
#[derive(Args)]
pub(super) struct Completions {
    /// bash, zsh, fish, elvish or powershell.
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command(), "ecp", &mut script);
        output::print(&String::from_utf8_lossy(&script))
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
