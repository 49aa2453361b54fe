//! `ecp tenants`: list, get, create, update, delete.

use super::Client;
use super::candidates;
use super::changes;
use super::clock::local_and_age;
use super::connection::{Call, Connection, tenant_path};
use super::failure::Failure;
use super::history::{History, Rollback};
use super::input::{TenantFlags, require_something};
use super::language::{say_text, told, word};
use super::list;
use super::options::parse_seconds;
use super::output::{Format, entries, pairs_of, text_of};
use super::rollout;
use super::table::{Table, status_style};
use super::watch;
use clap::{Args, Subcommand};
use ecp_core::text::Message;
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;
use unicode_width::UnicodeWidthStr;

/// What to do with tenants.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Lists tenants, oldest first.
    List(list::List),
    /// Shows tenants.
    Get(Get),
    /// Creates a tenant from a file, from flags, or from both.
    Create(Create),
    /// Changes what is given and leaves the rest.
    Update(Update),
    /// Deletes a tenant and all it has.
    Delete(Delete),
    /// Lists what was done to a tenant: who, when, what changed, how it ended.
    History(History),
    /// Goes back to what ran before.
    Rollback(Rollback),
}

/// Tenants to show.
#[derive(Args)]
pub(super) struct Get {
    /// Their ids.
    #[arg(required = true, add = candidates::tenants())]
    tenant_ids: Vec<String>,
    /// Prints a row for each, then one whenever it changes, until it is stopped.
    #[arg(short, long)]
    watch: bool,
}

/// Whether to wait for the roll-out, and how long.
#[derive(Args)]
pub(super) struct Waiting {
    /// Waits for the end of the roll-out or deletion.
    #[arg(long, conflicts_with = "dry_run")]
    wait: bool,
    /// Seconds to wait at most.
    #[arg(long, default_value = "1800", value_parser = parse_seconds, value_name = "SECONDS")]
    wait_timeout: Duration,
    /// Only says what would be done.
    #[arg(long)]
    dry_run: bool,
}

/// A tenant to create.
#[derive(Args)]
pub(super) struct Create {
    /// Its id; may stand in the file instead.
    tenant_id: Option<String>,
    /// File with the tenant as YAML or JSON; - reads standard input.
    #[arg(short, long)]
    file: Option<PathBuf>,
    /// What is ordered.
    #[command(flatten)]
    tenant: TenantFlags,
    /// Makes the creation safe to repeat: the same one under the same key is carried out once.
    #[arg(long)]
    idempotency_key: Option<String>,
    /// What happens then.
    #[command(flatten)]
    waiting: Waiting,
}

/// A change of a tenant.
#[derive(Args)]
pub(super) struct Update {
    /// Its id.
    #[arg(add = candidates::tenants())]
    tenant_id: String,
    /// File with the change as YAML or JSON; - reads standard input.
    #[arg(short, long)]
    file: Option<PathBuf>,
    /// What changes.
    #[command(flatten)]
    tenant: TenantFlags,
    /// Only if the tenant is still at this generation.
    #[arg(long, value_name = "N")]
    if_generation: Option<u64>,
    /// Brings the last good revision back where the roll-out fails [default: as the server is configured].
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    rollback: Option<bool>,
    /// What happens then.
    #[command(flatten)]
    waiting: Waiting,
}

/// Tenants to delete.
#[derive(Args)]
pub(super) struct Delete {
    /// Their ids.
    #[arg(required = true, add = candidates::tenants())]
    tenant_ids: Vec<String>,
    /// Skips grace periods.
    #[arg(long)]
    force: bool,
    /// Gives a namespace in which others keep something up to them, so that the tenant can end.
    #[arg(long)]
    release: bool,
    /// Does not ask for confirmation on a terminal.
    #[arg(short, long)]
    yes: bool,
    /// Only if the tenant is still at this generation; for one tenant.
    #[arg(long, value_name = "N")]
    if_generation: Option<u64>,
    /// What happens then.
    #[command(flatten)]
    waiting: Waiting,
}

impl Command {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        match self {
            Self::List(list) => list.run(client).await,
            Self::Get(get) => get.run(client).await,
            Self::Create(create) => create.run(client).await,
            Self::Update(update) => update.run(client).await,
            Self::Delete(delete) => delete.run(client).await,
            Self::History(history) => history.run(client).await,
            Self::Rollback(rollback) => rollback.run(client).await,
        }
    }
}

pub(super) fn detail(tenant: &Value) -> String {
    let status = text_of(&tenant["status"]);
    let style = status_style(&status);
    let mut lines = vec![
        ("Tenant", format!("{} ({})", text_of(&tenant["tenant_id"]), text_of(&tenant["name"]))),
        ("Status", format!("{style}{status}{style:#}")),
        ("Plan", text_of(&tenant["preset"])),
        ("Ordered", pairs_of(&tenant["service_requirements"])),
        ("Promised", pairs_of(&tenant["sla_target"])),
        ("Resources", pairs_of(&tenant["resources"])),
        ("Exposure", text_of(&tenant["exposure"])),
        ("Management", text_of(&tenant["management"])),
        ("GPU type", text_of(&tenant["gpu_type"])),
        (
            "Cost",
            format!(
                "{} ({})",
                text_of(&tenant["estimated_cost"]),
                say_text!("cli.of_the_operator", cost = text_of(&tenant["operator_cost"]))
            ),
        ),
        ("Generation", text_of(&tenant["generation"])),
        ("Deployment", text_of(&tenant["deployment_id"])),
        ("Created", local_and_age(&text_of(&tenant["created_at"]))),
        ("Updated", local_and_age(&text_of(&tenant["updated_at"]))),
        ("Description", text_of(&tenant["description"])),
    ];
    lines.retain(|(_, text)| !text.is_empty());
    let mut text = named_lines(&lines);
    let mut services = Table::new(["SERVICE", "UNITS", "REPLICAS", "IMAGE", "CPU", "MEMORY", "GPU"]);
    for service in entries(tenant, "services") {
        let resources = &service["resources"];
        services.row([
            text_of(&service["service_name"]),
            text_of(&service["count"]),
            text_of(&service["replicas"]),
            text_of(&service["image"]),
            format!("{}-{}", text_of(&resources["cpu_request"]), text_of(&resources["cpu_limit"])),
            format!("{}-{}", text_of(&resources["memory_request"]), text_of(&resources["memory_limit"])),
            text_of(&resources["gpu_request"]),
        ]);
    }
    text += &format!("\n\n{services}");
    text + &warnings(tenant)
}

/// `Name:  text` lines, aligned.
pub(super) fn named_lines(lines: &[(&'static str, String)]) -> String {
    let width = lines.iter().map(|(name, _)| word(name).width()).max().unwrap_or(0) + 1;
    let line = |(name, text): &(&'static str, String)| {
        let name = word(name);
        format!("{name}:{:space$}{text}", "", space = width - name.width())
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The warnings of an answer, if any.
pub(super) fn warnings(answer: &Value) -> String {
    let style = status_style("warning");
    let warnings = entries(answer, "warnings").iter();
    let name = word("warning");
    warnings.map(|warning| format!("\n{style}{name}{style:#}: {}", text_of(&warning["message"]))).collect()
}

impl Get {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let connection = client.options.connect()?;
        let mut tenants = Vec::new();
        for tenant_id in &self.tenant_ids {
            tenants.push(connection.json(&Call::get(tenant_path(tenant_id, ""))).await?);
        }
        if self.watch {
            let is_named = |id: &str| self.tenant_ids.iter().any(|named| named == id);
            return watch::tenants(client, &connection, || Call::get("/api/v1/tenants/"), is_named).await;
        }
        match tenants.as_slice() {
            [tenant] => client.output.value(tenant, detail),
            _ => each(client, &tenants, detail),
        }
    }
}

/// Writes what several tenants are, one after another; one list of them for programs that want one value.
pub(super) fn each(client: &Client, tenants: &[Value], text: fn(&Value) -> String) -> Result<(), Failure> {
    match client.output.format {
        Format::Json | Format::JsonPath => {
            client.output.value(&json!({ "tenants": tenants }), |_| String::new())
        }
        Format::Yaml => tenants.iter().try_for_each(|tenant| client.output.frame(tenant, text)),
        _ => {
            for (place, tenant) in tenants.iter().enumerate() {
                if place > 0 && client.output.is_for_people() {
                    client.output.line("")?;
                }
                client.output.value(tenant, text)?;
            }
            Ok(())
        }
    }
}

impl Create {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let mut body = self.tenant.body(self.file.as_deref())?;
        if let Some(id) = &self.tenant_id {
            body.insert("tenant_id".to_owned(), json!(id));
        }
        require_something(&body, say_text!("cli.a_tenant"))?;
        let connection = client.options.connect()?;
        let call = |dry_run: bool| {
            Call::post("/api/v1/tenants/", Value::Object(body.clone()))
                .query("dry_run", dry_run.then_some(true))
                .repeatable(self.idempotency_key.is_some() || dry_run)
                .header("idempotency-key", self.idempotency_key.as_ref())
                .answers(&["tenant_id"])
        };
        if self.tenant.demand.unread.strict {
            connection.refuse_unread(&call(true)).await?;
        }
        let answer = connection.json(&call(self.waiting.dry_run)).await?;
        if self.waiting.dry_run {
            return client.output.value(&answer, preview);
        }
        let tenant_id = text_of(&answer["tenant_id"]);
        if self.waiting.wait {
            let deployment_id = text_of(&answer["deployment_id"]);
            client.say(&say_text!("cli.accepted", tenant_id = &tenant_id, deployment_id = &deployment_id))?;
            let limit = self.waiting.wait_timeout;
            let state = client.wait_for_rollout(&connection, &tenant_id, &deployment_id, limit).await?;
            return client
                .output
                .value(&state, |state| format!("{tenant_id}: {}", text_of(&state["status"])));
        }
        client.output.value(&answer, |answer| {
            let accepted = say_text!(
                "cli.accepted",
                tenant_id = &tenant_id,
                deployment_id = text_of(&answer["deployment_id"])
            );
            let outlook = say_text!(
                "cli.accepted_outlook",
                resources = pairs_of(&answer["estimated_resources"]),
                cost = text_of(&answer["estimated_cost"]),
                time = text_of(&answer["deployment_time"]),
                tenant_id = &tenant_id,
            );
            format!("{accepted}\n{outlook}{}", warnings(answer))
        })
    }
}

impl Update {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let body = self.tenant.body(self.file.as_deref())?;
        require_something(&body, say_text!("cli.a_change"))?;
        let connection = client.options.connect()?;
        let call = |dry_run: bool| {
            Call::put(tenant_path(&self.tenant_id, ""), Value::Object(body.clone()))
                .query("dry_run", dry_run.then_some(true))
                .query("rollback", self.rollback)
                .repeatable(dry_run)
                .header("if-match", self.if_generation.map(|generation| format!("\"{generation}\"")))
                .answers(&["tenant_id"])
        };
        if self.tenant.demand.unread.strict {
            connection.refuse_unread(&call(true)).await?;
        }
        let answer = connection.json(&call(self.waiting.dry_run)).await?;
        if self.waiting.dry_run {
            return client.output.value(&answer, preview);
        }
        if self.waiting.wait {
            let (deployment_id, limit) = (text_of(&answer["deployment_id"]), self.waiting.wait_timeout);
            let state = client.wait_for_rollout(&connection, &self.tenant_id, &deployment_id, limit).await?;
            return client.output.value(&state, rollout::table);
        }
        client.output.value(&answer, detail)
    }
}

impl Delete {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        if self.if_generation.is_some() && self.tenant_ids.len() > 1 {
            return Err(Failure::Input(told(&Message::new("cli.one_generation"))));
        }
        let names = self.tenant_ids.join(", ");
        let connection = client.options.connect()?;
        if !self.waiting.dry_run && !self.yes && !deletion_is_confirmed(&connection, &self.tenant_ids).await?
        {
            return Err(Failure::Input(told(&Message::new("cli.left_as_it_is").with("tenant_id", names))));
        }
        let mut deletions = Vec::new();
        for tenant_id in &self.tenant_ids {
            let answer = connection.json(&self.call(tenant_id)).await?;
            if self.waiting.dry_run {
                client.output.value(&answer, preview)?;
            } else if self.waiting.wait {
                client.say(&started(&answer))?;
                deletions.push((tenant_id, text_of(&answer["deletion_id"])));
            } else {
                client.output.value(&answer, started)?;
            }
        }
        for (tenant_id, deletion_id) in &deletions {
            client
                .watch_rollout(&connection, Some(tenant_id), deletion_id, self.waiting.wait_timeout)
                .await?;
        }
        Ok(())
    }

    fn call(&self, tenant_id: &str) -> Call {
        Call::delete(tenant_path(tenant_id, ""))
            .query("force", self.force.then_some(true))
            .query("release", self.release.then_some(true))
            .query("dry_run", self.waiting.dry_run.then_some(true))
            .repeatable(self.waiting.dry_run)
            .header("if-match", self.if_generation.map(|generation| format!("\"{generation}\"")))
            .answers(if self.waiting.dry_run { &["tenant_id"] } else { &["deletion_id"] })
    }
}

fn started(answer: &Value) -> String {
    let (message, id) = (text_of(&answer["message"]), text_of(&answer["deletion_id"]));
    say_text!("cli.deletion", message = message, id = id, time = text_of(&answer["estimated_time"]))
}

/// Asks on a terminal whether tenants are to go, and says what goes with them; elsewhere the command itself is
/// the confirmation.
pub(super) async fn deletion_is_confirmed(connection: &Connection, ids: &[String]) -> Result<bool, Failure> {
    if !is_asked() {
        return Ok(true);
    }
    let (mut ours, mut others) = (Vec::new(), Vec::new());
    for id in ids {
        // Of one that can not be read, the deletion itself says so.
        let tenant = connection.json(&Call::get(tenant_path(id, ""))).await.unwrap_or_default();
        let managed = if tenant["management"] == "external" { &mut others } else { &mut ours };
        managed.push(id.as_str());
    }
    confirmed(&delete_question(&ours, &others))
}

/// True where there is somebody to ask.
fn is_asked() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// What goes with tenants, by who manages their objects.
fn delete_question(ours: &[&str], others: &[&str]) -> String {
    let mut questions = Vec::new();
    if !ours.is_empty() {
        questions.push(say_text!("cli.delete_question", tenant_id = ours.join(", ")));
    }
    if !others.is_empty() {
        questions.push(say_text!("cli.delete_question_external", tenant_id = others.join(", ")));
    }
    questions.join("\n")
}

/// Asks on a terminal; elsewhere the command itself is the confirmation.
pub(super) fn confirmed(question: &str) -> Result<bool, Failure> {
    if !is_asked() {
        return Ok(true);
    }
    let ask = || -> std::io::Result<String> {
        let mut terminal = std::io::stderr();
        write!(terminal, "{question} [y/N] ")?;
        terminal.flush()?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        Ok(answer)
    };
    let answer = ask().map_err(anyhow::Error::from)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// What a dry run says.
fn preview(preview: &Value) -> String {
    format!("{}\n{}", changes::text(preview), told(&Message::new("cli.nothing_changed")))
}

impl Client {
    /// Says how it goes, to people only.
    pub(super) fn say(&self, text: &str) -> Result<(), Failure> {
        if self.output.is_for_people() { self.output.line(text) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deletion_asks_for_what_goes_and_says_what_stays() {
        let ours = delete_question(&["one", "two"], &[]);
        assert!(ours.contains("one, two") && !ours.contains('\n'), "{ours}");
        let others = delete_question(&[], &["three"]);
        assert!(others.contains("three") && others != delete_question(&["three"], &[]), "{others}");
        let both = delete_question(&["one"], &["three"]);
        assert_eq!(both.lines().count(), 2, "{both}");
    }
}
