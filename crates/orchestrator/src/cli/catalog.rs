//! `ecp catalog`: the embedded catalog, what another one would change, and rolling it out.

use super::Client;
use super::connection::Call;
use super::failure::Failure;
use super::language::say_text;
use super::output::{View, entries, text_of};
use super::size::parse_catalog;
use super::table::{Cell, Table};
use anyhow::Context as _;
use clap::Subcommand;
use ecp_api::offline;
use ecp_core::Mode;
use ecp_core::catalog::Catalog;
use ecp_core::ports::SystemClock;
use ecp_store::{Database, MIGRATIONS, SqlStore};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What to do with the catalog.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Says what the server's catalog, or that of a file, would change of tenants that are there.
    Diff {
        /// Catalog to ask about [default: the one that the server runs with; with --data-dir the embedded
        /// one].
        file: Option<PathBuf>,
        /// Folder of a server that does not run; it is only read.
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
    },
    /// Rolls the server's catalog out to tenants that run with another one.
    Rollout {
        /// Tenants; left out, all of them, a few at a time.
        tenants: Vec<String>,
    },
}

impl Command {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        match self {
            Self::Diff { file, data_dir } => {
                let answer = match data_dir {
                    Some(folder) => of_folder(client, &folder, file.as_deref()).await?,
                    None => {
                        let call = match file {
                            Some(file) => {
                                let body = json!({ "catalog": read(&file)? });
                                Call::post("/api/v1/catalog/diff", body).repeatable(true)
                            }
                            None => Call::get("/api/v1/catalog/diff"),
                        };
                        client.options.connect()?.json(&call).await?
                    }
                };
                client.output.value(&answer, differences)
            }
            Self::Rollout { tenants } => {
                let body = if tenants.is_empty() { json!({}) } else { json!({ "tenants": tenants }) };
                let call = Call::post("/api/v1/catalog/rollout", body).with_rows();
                let answer = client.options.connect()?.json(&call).await?;
                client.output.value(&answer, started)
            }
        }
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| {
        Failure::Input(say_text!("cli.can_not_be_read", name = file.display(), error = error))
    })
}

/// What a catalog would change of the tenants of a server that does not run.
async fn of_folder(client: &Client, folder: &Path, file: Option<&Path>) -> Result<Value, Failure> {
    let catalog = match file {
        Some(file) => parse_catalog(file, &read(file)?)?,
        None => Catalog::embedded(),
    };
    let mode = if client.options.is_demo()? { Mode::Demo } else { Mode::Real };
    let path = folder.join(format!("{}.db", mode.as_str()));
    if !path.exists() {
        return Err(Failure::Input(say_text!("cli.no_data_folder", path = path.display())));
    }
    let copies = tempfile::tempdir().context("a temporary folder can not be made")?;
    let copy = copies.path().join("copy.db");
    let open = || -> anyhow::Result<SqlStore> {
        Database::copy_unused(&path, &copy).context("ask the running server instead, without --data-dir")?;
        Ok(SqlStore::open(Database::open(&copy, MIGRATIONS)?, Arc::new(SystemClock))?)
    };
    let store = open().with_context(|| path.display().to_string())?;
    Ok(offline::catalog_diff(&store, catalog, client.options.language()).await)
}

fn differences(answer: &Value) -> String {
    let tenants = entries(answer, "tenants");
    let unchanged = text_of(&answer["unchanged"]);
    let rollout = &answer["rollout"];
    let state = if rollout.is_object() {
        let (mode, state) = (text_of(&rollout["mode"]), text_of(&rollout["state"]));
        format!("\n{}", say_text!("cli.catalog_rollout", mode = mode, state = state))
    } else {
        String::new()
    };
    if tenants.is_empty() {
        return format!("{}{state}", say_text!("cli.catalog_same", count = unchanged));
    }
    let mut table = Table::new(["TENANT", "STATUS", "REVISION", "OBJECT", "CHANGE", "FIELDS"]);
    for tenant in tenants {
        for (place, object) in entries(tenant, "objects").iter().enumerate() {
            let first = |name: &str| if place == 0 { text_of(&tenant[name]) } else { String::new() };
            let fields: Vec<String> =
                object["fields"].as_array().into_iter().flatten().map(text_of).collect();
            table.row([
                Cell::from(first("tenant_id")),
                Cell::status(&first("status")),
                Cell::from(first("revision")),
                Cell::from(format!("{} {}", text_of(&object["kind"]), text_of(&object["name"]))),
                Cell::status(&text_of(&object["action"])),
                Cell::from(fields.join(", ")),
            ]);
        }
    }
    let keys: std::collections::BTreeSet<String> = tenants
        .iter()
        .flat_map(|tenant| tenant["changed_keys"].as_array().into_iter().flatten().map(text_of))
        .collect();
    let keys = match keys.len() {
        0 => say_text!("cli.catalog_no_keys"),
        _ => say_text!("cli.catalog_keys", keys = keys.into_iter().collect::<Vec<_>>().join(", ")),
    };
    let refused = tenants.iter().filter(|tenant| tenant["in_place"] == false);
    let refused: String = refused.map(|tenant| format!("\n{}", text_of(&tenant["reason"]))).collect();
    let count = tenants.len();
    let differs = say_text!("cli.catalog_differs", count = count, unchanged = unchanged, keys = keys);
    format!("{table}\n\n{differs}{state}{refused}")
}

fn started(answer: &Value) -> View {
    let footer = if answer["all"] == true { say_text!("cli.catalog_all") } else { String::new() };
    let mut table = Table::new(["TENANT", "RESULT", "DEPLOYMENT OR REASON"]);
    let mut row =
        |id: String, result, rest: String| table.row([Cell::from(id), Cell::word(result), Cell::from(rest)]);
    for tenant in entries(answer, "started") {
        row(text_of(&tenant["tenant_id"]), "started", text_of(&tenant["deployment_id"]));
    }
    for tenant in entries(answer, "unchanged") {
        row(text_of(tenant), "unchanged", String::new());
    }
    for tenant in entries(answer, "refused") {
        let reason = format!("{}: {}", text_of(&tenant["code"]), text_of(&tenant["message"]));
        row(text_of(&tenant["tenant_id"]), "refused", reason);
    }
    View::Rows(table, footer)
}
