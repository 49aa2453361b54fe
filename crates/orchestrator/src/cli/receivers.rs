//! `ecp receivers`: who is told of alerts, what they were told, and whether they can be.

use super::Client;
use super::candidates;
use super::connection::{Call, Connection, escaped};
use super::failure::Failure;
use super::input::read_text;
use super::language::say_text;
use super::output::{View, entries, text_of};
use super::page::Listing;
use super::table::{Cell, Table};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

const PATH: &str = "/api/v1/receivers";
/// What the API reads of a receiver; a secret that is left out is kept.
const FIELDS: [&str; 7] = ["kind", "url", "tenant_id", "type", "metric", "severity", "comment"];

/// What to do with receivers of alerts.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Lists receivers, the oldest first.
    List(List),
    /// Shows one receiver.
    Get(Named),
    /// Has a receiver told of alerts from now on; shows the secret of a webhook, this once.
    Create(Create),
    /// Changes what is given of a receiver and leaves the rest.
    Update(Update),
    /// Removes receivers, with what waits for them.
    Delete(Delete),
    /// Sends a receiver a test and says what came of it.
    Test(Named),
    /// Lists what a receiver was told, what waits, and what was given up.
    Deliveries(Deliveries),
}

/// Which receivers.
#[derive(Args)]
pub(super) struct List {
    /// Which part of the list, and in which order.
    #[command(flatten)]
    listing: Listing,
}

/// One receiver.
#[derive(Args)]
pub(super) struct Named {
    /// Its id, as the list shows it.
    receiver_id: String,
}

/// A receiver to make.
#[derive(Args)]
pub(super) struct Create {
    /// Where it is told: the address of a webhook, the base address of an Alertmanager.
    url: String,
    /// How it is told: webhook or alertmanager.
    #[arg(long, default_value = "webhook", add = candidates::words(&["webhook", "alertmanager"]))]
    kind: String,
    /// What else of it.
    #[command(flatten)]
    details: Details,
}

/// A receiver to change.
#[derive(Args)]
pub(super) struct Update {
    /// Its id, as the list shows it.
    receiver_id: String,
    /// Where it is told.
    #[arg(long)]
    url: Option<String>,
    /// How it is told: webhook or alertmanager.
    #[arg(long, add = candidates::words(&["webhook", "alertmanager"]))]
    kind: Option<String>,
    /// What else of it.
    #[command(flatten)]
    details: Details,
}

/// Of which alerts a receiver is told: those for which all that is named is so.
#[derive(Args)]
pub(super) struct Details {
    /// File with the secret of a webhook (whsec_…); - reads standard input [default: one is made].
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Only alerts of this tenant; empty for any.
    #[arg(long, add = candidates::tenants())]
    tenant: Option<String>,
    /// Only alerts of this type: resource_usage, performance, availability or deployment_failed; empty for any.
    #[arg(long = "type", value_name = "TYPE", add = candidates::alert_types())]
    kind_of_alert: Option<String>,
    /// Only alerts of this metric, such as cpu, samples or deployment; empty for any.
    #[arg(long, add = candidates::alert_metrics())]
    metric: Option<String>,
    /// Only alerts of this severity: warning or critical; empty for any.
    #[arg(long, add = candidates::severities())]
    severity: Option<String>,
    /// What it is for.
    #[arg(long)]
    comment: Option<String>,
}

/// Receivers to remove.
#[derive(Args)]
pub(super) struct Delete {
    /// Their ids, as the list shows them.
    #[arg(required = true, value_name = "RECEIVER_ID")]
    receiver_ids: Vec<String>,
}

/// Which deliveries.
#[derive(Args)]
pub(super) struct Deliveries {
    /// Id of the receiver, as the list shows it.
    receiver_id: String,
    /// Only those in this state: pending, delivered or given_up.
    #[arg(long, add = candidates::words(&["pending", "delivered", "given_up"]))]
    status: Option<String>,
    /// Which part of the list, and in which order.
    #[command(flatten)]
    listing: Listing,
}

impl Command {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let connection = client.options.connect()?;
        match self {
            Self::List(list) => list.run(client, &connection).await,
            Self::Get(named) => {
                let receiver = connection.json(&Call::get(path(&named.receiver_id, ""))).await?;
                client.output.value(&receiver, |receiver| {
                    let list = json!({"receivers": [receiver], "total_count": 1});
                    table(&list, &connection.place())
                })
            }
            Self::Create(create) => create.run(client, &connection).await,
            Self::Update(update) => update.run(client, &connection).await,
            Self::Delete(delete) => delete.run(client, &connection).await,
            Self::Test(named) => test(client, &connection, &named.receiver_id).await,
            Self::Deliveries(deliveries) => deliveries.run(client, &connection).await,
        }
    }
}

impl List {
    async fn run(self, client: &Client, connection: &Connection) -> Result<(), Failure> {
        let call = |skip: Option<usize>| Call::get(PATH).query("skip", skip);
        let list = self.listing.read(connection, "receivers", call).await?;
        client.output.value(&list, |list| table(list, &connection.place()))
    }
}

impl Details {
    /// Lays what was given over a receiver.
    fn lay_over(&self, body: &mut Map<String, Value>) -> Result<(), Failure> {
        let members = [
            ("tenant_id", &self.tenant),
            ("type", &self.kind_of_alert),
            ("metric", &self.metric),
            ("severity", &self.severity),
            ("comment", &self.comment),
        ];
        for (name, value) in members {
            if let Some(value) = value {
                let value = if value.is_empty() { Value::Null } else { json!(value) };
                body.insert(name.to_owned(), value);
            }
        }
        if let Some(file) = &self.secret_file {
            body.insert("secret".to_owned(), json!(read_text(file)?.trim()));
        }
        Ok(())
    }
}

impl Create {
    async fn run(self, client: &Client, connection: &Connection) -> Result<(), Failure> {
        let mut body = Map::new();
        body.insert("kind".to_owned(), json!(self.kind));
        body.insert("url".to_owned(), json!(self.url));
        self.details.lay_over(&mut body)?;
        let receiver = connection.json(&Call::post(PATH, Value::Object(body))).await?;
        client.output.value(&receiver, |receiver| {
            let id = text_of(&receiver["receiver_id"]);
            let created = say_text!("cli.receiver_created", id = &id, what = named(receiver));
            with_secret(created, receiver)
        })
    }
}

impl Update {
    async fn run(self, client: &Client, connection: &Connection) -> Result<(), Failure> {
        let path = path(&self.receiver_id, "");
        let present = connection.json(&Call::get(path.clone())).await?;
        let members = FIELDS.map(|name| (name.to_owned(), present[name].clone()));
        let mut body = Map::from_iter(members);
        for (name, value) in [("kind", self.kind), ("url", self.url)] {
            if let Some(value) = value {
                body.insert(name.to_owned(), json!(value));
            }
        }
        self.details.lay_over(&mut body)?;
        let receiver = connection.json(&Call::put(path, Value::Object(body))).await?;
        client.output.value(&receiver, |receiver| {
            let id = text_of(&receiver["receiver_id"]);
            let updated = say_text!("cli.receiver_updated", id = id, what = named(receiver));
            with_secret(updated, receiver)
        })
    }
}

impl Delete {
    async fn run(self, client: &Client, connection: &Connection) -> Result<(), Failure> {
        for id in &self.receiver_ids {
            let receiver = connection.json(&Call::delete(path(id, ""))).await?;
            client.output.value(&receiver, |receiver| {
                say_text!("cli.receiver_deleted", id = text_of(&receiver["receiver_id"]))
            })?;
        }
        Ok(())
    }
}

impl Deliveries {
    async fn run(self, client: &Client, connection: &Connection) -> Result<(), Failure> {
        let path = path(&self.receiver_id, "/deliveries");
        let call = |skip: Option<usize>| {
            Call::get(path.clone()).query("status", self.status.as_ref()).query("skip", skip)
        };
        let list = self.listing.read(connection, "deliveries", call).await?;
        client.output.value(&list, |list| {
            let (shown, total) = counts(list, "deliveries");
            let place = connection.place();
            let footer = say_text!("cli.deliveries_shown", shown = shown, total = total, place = place);
            View::Rows(deliveries(list), footer)
        })
    }
}

/// One that was not delivered is a failure of the command, too.
async fn test(client: &Client, connection: &Connection, id: &str) -> Result<(), Failure> {
    let delivery = connection.json(&Call::post(path(id, "/test"), json!({}))).await?;
    let error = text_of(&delivery["last_error"]);
    if delivery["status"] != "delivered" {
        if !client.output.is_for_people() {
            client.output.value(&delivery, |_| String::new())?;
        }
        return Err(anyhow::anyhow!(say_text!("cli.receiver_not_told", id = id, reason = error)).into());
    }
    client.output.value(&delivery, |delivery| {
        say_text!("cli.receiver_told", id = id, status = text_of(&delivery["last_status_code"]))
    })
}

fn path(id: &str, below: &str) -> String {
    format!("{PATH}/{}{below}", escaped(id))
}

fn with_secret(said: String, receiver: &Value) -> String {
    match receiver["secret"].as_str() {
        Some(secret) => format!("{said}\n{}", say_text!("cli.receiver_secret", secret = secret)),
        None => said,
    }
}

/// What a receiver names of alerts, as `name=value`; `*` where it hears of all.
fn named(receiver: &Value) -> String {
    let names = ["tenant_id", "type", "metric", "severity"].into_iter();
    let named: Vec<_> = names
        .filter(|name| receiver[*name].is_string())
        .map(|name| format!("{name}={}", text_of(&receiver[name])))
        .collect();
    if named.is_empty() { "*".to_owned() } else { named.join(",") }
}

fn counts(list: &Value, name: &str) -> (usize, u64) {
    (entries(list, name).len(), list["total_count"].as_u64().unwrap_or(0))
}

fn table(list: &Value, place: &str) -> View {
    let mut table = Table::new(["RECEIVER", "KIND", "URL", "ALERTS", "BY", "AGE", "COMMENT"]);
    for receiver in entries(list, "receivers") {
        let text = |name: &str| Cell::from(text_of(&receiver[name]));
        table.row([
            text("receiver_id"),
            text("kind"),
            text("url"),
            Cell::from(named(receiver)),
            text("created_by"),
            Cell::age(&text_of(&receiver["created_at"])),
            text("comment"),
        ]);
    }
    let (shown, total) = counts(list, "receivers");
    View::Rows(table, say_text!("cli.receivers_shown", shown = shown, total = total, place = place))
}

fn deliveries(list: &Value) -> Table {
    let mut table = Table::new([
        "DELIVERY", "EVENT", "TENANT", "METRIC", "SEVERITY", "STATUS", "TRIES", "ANSWER", "AGE", "NEXT",
        "ERROR",
    ]);
    for delivery in entries(list, "deliveries") {
        let text = |name: &str| Cell::from(text_of(&delivery[name]));
        table.row([
            text("delivery_id"),
            text("event"),
            text("tenant_id"),
            text("metric"),
            Cell::status(&text_of(&delivery["severity"])),
            Cell::status(&text_of(&delivery["status"])),
            text("attempts"),
            text("last_status_code"),
            Cell::age(&text_of(&delivery["created_at"])),
            Cell::time(&text_of(&delivery["next_attempt_at"])),
            text("last_error"),
        ]);
    }
    table
}
