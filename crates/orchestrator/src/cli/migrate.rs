//! `ecp migrate`: moves an embedded installation to a PostgreSQL server.

use crate::mode::{FILES, schema};
use clap::Args;
use ecp_core::Mode;
use ecp_store::{PostgresUrl, Source, move_to};
use std::fmt::Write as _;
use std::path::PathBuf;

/// From where, to where.
#[derive(Args)]
pub(super) struct Migrate {
    /// Data folder of a server that does not run.
    #[arg(long)]
    from: PathBuf,
    /// PostgreSQL server with an empty database, as postgres://user:password@host:5432/database
    /// [environment: ECP_DATABASE_URL].
    #[arg(long, env = "ECP_DATABASE_URL", hide_env_values = true)]
    to: String,
}

impl Migrate {
    /// Moves everything but samples, and says what.
    pub(super) fn run(self) -> anyhow::Result<String> {
        let url: PostgresUrl = self.to.parse()?;
        let modes = [Mode::Demo, Mode::Real].into_iter().zip(FILES);
        let mut sources: Vec<Source> = modes
            .map(|(mode, file)| Source { file: self.from.join(file), schema: schema(mode), is_access: false })
            .collect();
        sources.push(Source {
            file: self.from.join(crate::tokens::FILE),
            schema: "ecp_access",
            is_access: true,
        });
        if !sources.iter().any(|source| source.file.exists()) {
            anyhow::bail!(
                "{} has none of {}, {} and {}: name the folder that the server was started with as --data-dir",
                self.from.display(),
                FILES[0],
                FILES[1],
                crate::tokens::FILE
            );
        }
        let moved = move_to(&sources, &url)?;
        let mut text = format!("moved to {}:\n", url.told());
        for table in moved.iter().filter(|table| table.rows > 0) {
            writeln!(text, "  {:<11} {:<18} {:>8} rows", table.schema, table.table, table.rows)?;
        }
        writeln!(
            text,
            "samples stay in {}: go on with `ecp serve --data-dir {} --database-url …`",
            self.from.display(),
            self.from.display()
        )?;
        Ok(text)
    }
}
