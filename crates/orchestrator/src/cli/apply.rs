//! `ecp apply`: makes tenants what files say, whether they are there already or not.

use super::Client;
use super::connection::{Call, Connection, tenant_path};
use super::documents::{self, Document};
use super::failure::{CallFailure, Failure};
use super::input::Unread;
use super::language::told;
use super::options::parse_seconds;
use super::output::{Format, entries, text_of};
use super::table::{Cell, Table};
use super::{changes, tenants};
use clap::Args;
use ecp_core::text::Message;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// Which files, and how.
#[derive(Args)]
pub(super) struct Apply {
    /// File, folder or pattern with tenants as YAML or JSON, many in a file; - reads standard input. May repeat.
    #[arg(short, long = "file", required = true, value_name = "PATH")]
    files: Vec<PathBuf>,
    /// Only says what would be done, with the values.
    #[arg(long)]
    dry_run: bool,
    /// Deletes every tenant of the mode that the files do not describe, too.
    #[arg(long)]
    prune: bool,
    /// With --prune: does not ask for confirmation on a terminal.
    #[arg(short, long)]
    yes: bool,
    /// Brings the last good revision back where a roll-out fails [default: as the server is configured].
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    rollback: Option<bool>,
    /// Waits for the end of every roll-out.
    #[arg(long, conflicts_with = "dry_run")]
    wait: bool,
    /// Seconds to wait for each at most.
    #[arg(long, default_value = "1800", value_parser = parse_seconds, value_name = "SECONDS")]
    wait_timeout: Duration,
    /// What becomes of members that nothing reads.
    #[command(flatten)]
    unread: Unread,
}

/// What became of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Created,
    Updated,
    Unchanged,
    Deleted,
}

impl Effect {
    fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Deleted => "deleted",
        }
    }
}

/// The tenant as it is; none where there is none.
pub(super) async fn present(connection: &Connection, tenant_id: &str) -> Result<Option<Value>, CallFailure> {
    match connection.json(&Call::get(tenant_path(tenant_id, "")).answers(&["tenant_id", "generation"])).await
    {
        Ok(tenant) => Ok(Some(tenant)),
        Err(failure) if failure.status == 404 => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// The call that makes a tenant what a document says; it changes only what is still as it was read.
pub(super) fn call(document: &Document, present: Option<&Value>, dry_run: bool) -> Call {
    let call = match present {
        None => Call::post("/api/v1/tenants/", Value::Object(document.body.clone())),
        Some(tenant) => {
            let body = Value::Object(document.change_of(tenant));
            Call::put(tenant_path(&document.tenant_id, ""), body)
                .header("if-match", Some(format!("\"{}\"", text_of(&tenant["generation"]))))
        }
    };
    call.query("dry_run", dry_run.then_some(true)).repeatable(dry_run).with_rows().answers(&["tenant_id"])
}

impl Apply {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let documents = documents::read(&self.files)?;
        let connection = client.options.connect()?;
        let surplus = self.surplus(&connection, &documents).await?;
        let mut done = Vec::new();
        let mut failed = None;
        for document in &documents {
            match self.one(client, &connection, document).await {
                Ok(entry) => done.push(self.tell(client, entry)?),
                Err(failure) => {
                    // The others are tried all the same; the first failure gives the exit code.
                    let said = Failure::of_tenant(&document.tenant_id, &document.origin, failure);
                    if let Some(earlier) = failed.replace(said) {
                        let later = failed.replace(earlier);
                        later.iter().for_each(|failure| failure.report(&client.output));
                    }
                }
            }
        }
        if failed.is_none() {
            for tenant_id in &surplus {
                done.push(self.tell(client, self.delete(&connection, tenant_id).await?)?);
            }
            if self.wait {
                self.wait_for_all(client, &connection, &done).await?;
            }
        }
        if !client.output.is_for_people() {
            let value = json!({"tenants": done, "dry_run": self.dry_run});
            client.output.value(&value, summary)?;
        }
        failed.map_or(Ok(()), Err)
    }

    /// Tenants that no document describes, where they are to go; refused on a terminal without a yes.
    async fn surplus(&self, connection: &Connection, documents: &[Document]) -> Result<Vec<String>, Failure> {
        if !self.prune {
            return Ok(Vec::new());
        }
        let call = |skip: usize| Call::get("/api/v1/tenants/").query("skip", Some(skip));
        let list = connection.all_pages("tenants", 1000, call).await?;
        let ids = entries(&list, "tenants").iter().map(|tenant| text_of(&tenant["tenant_id"]));
        let described = |id: &String| documents.iter().any(|document| document.tenant_id == *id);
        let surplus: Vec<String> = ids.filter(|id| !described(id)).collect();
        if !surplus.is_empty() && !self.dry_run && !self.yes {
            let names = surplus.join(", ");
            if !tenants::deletion_is_confirmed(connection, &surplus).await? {
                return Err(Failure::Input(told(
                    &Message::new("cli.left_as_it_is").with("tenant_id", names),
                )));
            }
        }
        Ok(surplus)
    }

    async fn one(
        &self,
        client: &Client,
        connection: &Connection,
        document: &Document,
    ) -> Result<Value, Failure> {
        let present = present(connection, &document.tenant_id).await?;
        let call = |dry_run| call(document, present.as_ref(), dry_run);
        if self.unread.strict {
            connection.refuse_unread(&call(true)).await?;
        }
        let effect = |is_same: bool| match (&present, is_same) {
            (None, _) => Effect::Created,
            (Some(_), true) => Effect::Unchanged,
            (Some(_), false) => Effect::Updated,
        };
        let id = &document.tenant_id;
        if self.dry_run {
            let preview = connection.json(&call(true)).await?;
            let effect = effect(!changes::is_difference(&preview)).as_str();
            return Ok(json!({"tenant_id": id, "effect": effect, "preview": preview}));
        }
        let call = call(false).query("rollback", present.as_ref().and(self.rollback));
        let answer = connection.json(&call).await?;
        let same = present.as_ref().is_some_and(|before| before["generation"] == answer["generation"]);
        let effect = effect(same);
        let mut entry = json!({"tenant_id": id, "effect": effect.as_str()});
        if effect != Effect::Unchanged {
            entry["deployment_id"] = answer["deployment_id"].clone();
        }
        if client.output.is_for_people() {
            let shown = tenants::warnings(&answer);
            if !shown.is_empty() {
                client.output.line(&format!("{id}:{shown}"))?;
            }
        }
        Ok(entry)
    }

    async fn delete(&self, connection: &Connection, tenant_id: &str) -> Result<Value, Failure> {
        let call = Call::delete(tenant_path(tenant_id, ""))
            .query("dry_run", self.dry_run.then_some(true))
            .repeatable(self.dry_run)
            .with_rows()
            .answers(if self.dry_run { &["tenant_id"] } else { &["deletion_id"] });
        let answer = connection.json(&call).await?;
        let mut entry = json!({"tenant_id": tenant_id, "effect": Effect::Deleted.as_str()});
        if self.dry_run {
            entry["preview"] = answer;
        } else {
            entry["deployment_id"] = answer["deletion_id"].clone();
        }
        Ok(entry)
    }

    /// Says what became of a tenant as soon as that is known.
    fn tell(&self, client: &Client, entry: Value) -> Result<Value, Failure> {
        if client.output.format == Format::Name {
            client.output.line(&text_of(&entry["tenant_id"]))?;
        } else if client.output.is_for_people() {
            client.output.line(&line(&entry, self.dry_run))?;
        }
        Ok(entry)
    }

    async fn wait_for_all(
        &self,
        client: &Client,
        connection: &Connection,
        done: &[Value],
    ) -> Result<(), Failure> {
        for entry in done {
            let (tenant_id, id) = (text_of(&entry["tenant_id"]), text_of(&entry["deployment_id"]));
            if entry["effect"] == Effect::Deleted.as_str() {
                client.watch_rollout(connection, Some(&tenant_id), &id, self.wait_timeout).await?;
            } else if !id.is_empty() {
                let state = client.wait_for_rollout(connection, &tenant_id, &id, self.wait_timeout).await?;
                client.say(&format!("{tenant_id}: {}", text_of(&state["status"])))?;
            }
        }
        Ok(())
    }
}

fn line(entry: &Value, dry_run: bool) -> String {
    let (id, effect) = (text_of(&entry["tenant_id"]), text_of(&entry["effect"]));
    let key = match effect.as_str() {
        "created" => "cli.created",
        "updated" => "cli.updated",
        "deleted" => "cli.deleted",
        _ => "cli.unchanged",
    };
    let mut text = told(&Message::new(key).with("tenant_id", id));
    if let Some(deployment) = entry["deployment_id"].as_str() {
        text += &format!(" ({deployment})");
    }
    if dry_run {
        text += &format!(" {}", told(&Message::new("cli.dry_run")));
        if effect != "unchanged" {
            text += &format!("\n{}", changes::text(&entry["preview"]).replace("\n", "\n  "));
        }
    }
    text
}

/// The same as rows, for formats that are made of rows.
fn summary(value: &Value) -> Table {
    let mut table = Table::new(["TENANT", "EFFECT", "DEPLOYMENT"]);
    for entry in entries(value, "tenants") {
        table.row([
            Cell::from(text_of(&entry["tenant_id"])),
            Cell::status(&text_of(&entry["effect"])),
            Cell::from(text_of(&entry["deployment_id"])),
        ]);
    }
    table
}
