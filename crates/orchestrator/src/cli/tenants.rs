//! `ecp tenants`: list, get, create, update, delete.

use super::Client;
use super::candidates;
use super::changes;
use super::clock::local_and_age;
use super::connection::{Call, Connection, parse_seconds, tenant_path};
use super::failure::{CallFailure, Failure};
use super::history::{History, Rollback};
use super::input::{TenantFlags, require_something};
use super::language::told;
use super::output::{Format, View, entries, pairs_of, text_of};
use super::rollout;
use super::table::{Cell, Table, status_style};
use clap::{Args, Subcommand};
use ecp_core::text::Message;
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

/// What to do with tenants.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Lists tenants, oldest first.
    List(List),
    /// Shows a tenant.
    Get {
        /// Its id.
        #[arg(add = candidates::tenants())]
        tenant_id: String,
    },
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

/// Which tenants to list.
#[derive(Args)]
pub(super) struct List {
    /// Only those of this plan.
    #[arg(long, add = candidates::words(candidates::PRESETS))]
    preset: Option<String>,
    /// Only those with this status: pending, running, failed, deleting.
    #[arg(long, add = candidates::words(candidates::STATUSES))]
    status: Option<String>,
    /// Only those whose id or name contains this.
    #[arg(short = 'q', long, value_name = "TEXT")]
    search: Option<String>,
    /// name, status, created_at, gpu, cost, cpu_usage, gpu_usage or response_time; - before it for descending.
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    sort_by: Option<String>,
    /// With newest values, open alerts, cost and failure of each.
    #[arg(long)]
    wide: bool,
    /// Which part of the list.
    #[command(flatten)]
    page: Page,
}

/// Which part of a list.
#[derive(Args)]
pub(super) struct Page {
    /// Entries to leave out.
    #[arg(long)]
    pub(super) skip: Option<u32>,
    /// Entries at most, 1-1000; with --all, of one page.
    #[arg(long)]
    pub(super) limit: Option<u32>,
    /// Reads every page.
    #[arg(long, conflicts_with = "skip")]
    pub(super) all: bool,
}

impl Page {
    /// Reads this part of a list, or all of it; `call` asks for what comes after so many entries.
    pub(super) async fn read(
        &self,
        connection: &Connection,
        entries: &str,
        call: impl Fn(Option<usize>) -> Call,
    ) -> Result<Value, CallFailure> {
        if self.all {
            return connection.all_pages(entries, self.limit.unwrap_or(1000), |skip| call(Some(skip))).await;
        }
        let skip = self.skip.map(|skip| skip as usize);
        connection.json(&call(skip).query("limit", self.limit)).await
    }
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

/// A tenant to delete.
#[derive(Args)]
pub(super) struct Delete {
    /// Its id.
    #[arg(add = candidates::tenants())]
    tenant_id: String,
    /// Skips grace periods.
    #[arg(long)]
    force: bool,
    /// Gives a namespace in which others keep something up to them, so that the tenant can end.
    #[arg(long)]
    release: bool,
    /// Does not ask for confirmation on a terminal.
    #[arg(short, long)]
    yes: bool,
    /// Only if the tenant is still at this generation.
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
            Self::Get { tenant_id } => {
                let tenant = client.options.connect()?.json(&Call::get(tenant_path(&tenant_id, ""))).await?;
                client.output.value(&tenant, detail)
            }
            Self::Create(create) => create.run(client).await,
            Self::Update(update) => update.run(client).await,
            Self::Delete(delete) => delete.run(client).await,
            Self::History(history) => history.run(client).await,
            Self::Rollback(rollback) => rollback.run(client).await,
        }
    }
}

impl List {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let connection = client.options.connect()?;
        let wide = self.wide || client.output.format == Format::Wide;
        let call = |skip: Option<usize>| {
            Call::get("/api/v1/tenants/")
                .query("preset", self.preset.as_ref())
                .query("status", self.status.as_ref())
                .query("q", self.search.as_ref())
                .query("sort", self.sort_by.as_ref())
                .query("expand", wide.then_some("metrics,alerts,cost,failure"))
                .query("skip", skip)
        };
        let list = self.page.read(&connection, "tenants", call).await?;
        let shown = if wide { wide_table } else { table };
        client.output.value(&list, |list| shown(list, &connection.place()))
    }
}

fn table(list: &Value, place: &str) -> View {
    let mut table =
        Table::new(["TENANT", "NAME", "PLAN", "STATUS", "SERVICES", "CPU", "MEMORY", "GPU", "SLA", "AGE"]);
    for tenant in entries(list, "tenants") {
        let text = |name: &str| Cell::from(text_of(&tenant[name]));
        let sla =
            format!("{} {}", text_of(&tenant["sla_availability"]), text_of(&tenant["sla_response_time"]));
        table.row([
            text("tenant_id"),
            text("name"),
            text("preset"),
            Cell::status(&text_of(&tenant["status"])),
            text("services_count"),
            text("cpu_limit"),
            text("memory_limit"),
            text("gpu_limit"),
            Cell::from(sla),
            Cell::age(&text_of(&tenant["created_at"])),
        ]);
    }
    View::Rows(table, footer(list, place))
}

/// How many of how many are shown, and where.
fn footer(list: &Value, place: &str) -> String {
    let shown = entries(list, "tenants").len();
    let total = list["total_count"].as_u64().unwrap_or(0);
    let more = if list["pagination"]["has_more"] == true { "; --all shows the rest" } else { "" };
    format!("{shown} of {total} tenants, {place}{more}")
}

/// With what is measured, paid and wrong now.
fn wide_table(list: &Value, place: &str) -> View {
    let mut table = Table::new([
        "TENANT", "STATUS", "PLAN", "GPU", "CPU%", "GPU%", "RESPONSE", "SLA", "ALERTS", "PRICE", "OPERATOR",
        "FAILURE",
    ]);
    for tenant in entries(list, "tenants") {
        let measured = |name: &str, unit: &str| {
            tenant["metrics"][name].as_f64().map_or("-".to_owned(), |value| format!("{value:.0}{unit}"))
        };
        let dollars = |name: &str| format!("${}", text_of(&tenant["cost"][name]));
        table.row([
            Cell::from(text_of(&tenant["tenant_id"])),
            Cell::status(&text_of(&tenant["status"])),
            Cell::from(text_of(&tenant["preset"])),
            Cell::from(text_of(&tenant["gpu_limit"])),
            Cell::from(measured("cpu", "")),
            Cell::from(measured("gpu", "")),
            Cell::from(measured("response_time", "ms")),
            Cell::from(text_of(&tenant["sla_response_time"])),
            Cell::from(format!(
                "{} ({} critical)",
                text_of(&tenant["alerts"]["open"]),
                text_of(&tenant["alerts"]["critical"])
            )),
            Cell::from(dollars("list_price_usd")),
            Cell::from(dollars("operator_cost_usd")),
            Cell::from(text_of(&tenant["failure"]["message"])),
        ]);
    }
    View::Rows(table, footer(list, place))
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
        ("GPU type", text_of(&tenant["gpu_type"])),
        (
            "Cost",
            format!(
                "{} (operator: {})",
                text_of(&tenant["estimated_cost"]),
                text_of(&tenant["operator_cost"])
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
pub(super) fn named_lines(lines: &[(&str, String)]) -> String {
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 2;
    let lines: Vec<_> =
        lines.iter().map(|(name, text)| format!("{:<width$}{text}", format!("{name}:"))).collect();
    lines.join("\n")
}

/// The warnings of an answer, if any.
pub(super) fn warnings(answer: &Value) -> String {
    let style = status_style("warning");
    let warnings = entries(answer, "warnings").iter();
    warnings.map(|warning| format!("\n{style}warning{style:#}: {}", text_of(&warning["message"]))).collect()
}

impl Create {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let mut body = self.tenant.body(self.file.as_deref())?;
        if let Some(id) = &self.tenant_id {
            body.insert("tenant_id".to_owned(), json!(id));
        }
        require_something(&body, "a tenant id and what it wants")?;
        let connection = client.options.connect()?;
        let call = |dry_run: bool| {
            Call::post("/api/v1/tenants/", Value::Object(body.clone()))
                .query("dry_run", dry_run.then_some(true))
                .repeatable(self.idempotency_key.is_some() || dry_run)
                .header("idempotency-key", self.idempotency_key.as_ref())
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
            client.say(&format!("{tenant_id}: accepted as {deployment_id}"))?;
            let limit = self.waiting.wait_timeout;
            let state = client.wait_for_rollout(&connection, &tenant_id, &deployment_id, limit).await?;
            return client
                .output
                .value(&state, |state| format!("{tenant_id}: {}", text_of(&state["status"])));
        }
        client.output.value(&answer, |answer| {
            format!(
                "{tenant_id}: accepted as {}\n{}, {}, ready in about {}\n\
                 Follow it: ecp status {tenant_id} --watch{}",
                text_of(&answer["deployment_id"]),
                pairs_of(&answer["estimated_resources"]),
                text_of(&answer["estimated_cost"]),
                text_of(&answer["deployment_time"]),
                warnings(answer)
            )
        })
    }
}

impl Update {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let body = self.tenant.body(self.file.as_deref())?;
        require_something(&body, "what changes")?;
        let connection = client.options.connect()?;
        let call = |dry_run: bool| {
            Call::put(tenant_path(&self.tenant_id, ""), Value::Object(body.clone()))
                .query("dry_run", dry_run.then_some(true))
                .query("rollback", self.rollback)
                .repeatable(dry_run)
                .header("if-match", self.if_generation.map(|generation| format!("\"{generation}\"")))
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
        if !self.waiting.dry_run && !self.yes && !confirmed(&self.tenant_id)? {
            return Err(Failure::Input(format!("{} is left as it is", self.tenant_id)));
        }
        let connection = client.options.connect()?;
        let call = Call::delete(tenant_path(&self.tenant_id, ""))
            .query("force", self.force.then_some(true))
            .query("release", self.release.then_some(true))
            .query("dry_run", self.waiting.dry_run.then_some(true))
            .repeatable(self.waiting.dry_run)
            .header("if-match", self.if_generation.map(|generation| format!("\"{generation}\"")));
        let answer = connection.json(&call).await?;
        if self.waiting.dry_run {
            return client.output.value(&answer, preview);
        }
        let deletion_id = text_of(&answer["deletion_id"]);
        if self.waiting.wait {
            return client.watch_rollout(&connection, &deletion_id, self.waiting.wait_timeout).await;
        }
        client.output.value(&answer, |answer| {
            format!(
                "{}\n{deletion_id}, in about {}",
                text_of(&answer["message"]),
                text_of(&answer["estimated_time"])
            )
        })
    }
}

/// Asks on a terminal; elsewhere the command itself is the confirmation.
pub(super) fn confirmed(tenant_id: &str) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(true);
    }
    let ask = || -> std::io::Result<String> {
        let mut terminal = std::io::stderr();
        write!(terminal, "Delete tenant {tenant_id} and all it has? [y/N] ")?;
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
