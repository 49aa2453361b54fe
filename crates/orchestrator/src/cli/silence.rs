//! `ecp silence`: alerts of which nobody is told for a while.

use super::Client;
use super::alerts;
use super::candidates;
use super::clock::{local, local_and_age, parse_duration, parse_moment};
use super::connection::{Call, escaped};
use super::failure::Failure;
use super::language::{say_text, told};
use super::output::{View, entries, text_of};
use super::page::Listing;
use super::table::{Cell, Table};
use super::tenants::named_lines;
use clap::{Args, Subcommand};
use ecp_core::Timestamp;
use ecp_core::text::Message;
use jiff::SignedDuration;
use serde_json::{Map, Value, json};

const PATH: &str = "/api/v1/silences";

/// What to do with silences.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Has nobody told of alerts for a while; they are listed all the same.
    Create(Create),
    /// Says which open alerts a silence would hit, and silences none.
    Preview(Asked),
    /// Lists silences, the newest first.
    List(List),
    /// Shows silences.
    Get(Named),
    /// Ends silences at once.
    Delete(Named),
}

/// A silence to create.
#[derive(Args)]
pub(super) struct Create {
    /// Which alerts, and how long.
    #[command(flatten)]
    asked: Asked,
    /// Only says which open alerts it would hit.
    #[arg(long)]
    dry_run: bool,
}

/// Which alerts are silenced: those for which all that is named is so; and how long.
#[derive(Args)]
pub(super) struct Asked {
    /// Alerts of this tenant.
    #[arg(long, add = candidates::tenants())]
    tenant: Option<String>,
    /// Alerts of this type: resource_usage, performance, availability or deployment_failed.
    #[arg(long = "type", value_name = "TYPE", add = candidates::alert_types())]
    kind: Option<String>,
    /// Alerts of this metric, such as cpu; samples where none come, deployment of failed roll-outs.
    #[arg(long, add = candidates::alert_metrics())]
    metric: Option<String>,
    /// Alerts of this severity: warning or critical.
    #[arg(long, add = candidates::severities())]
    severity: Option<String>,
    /// How long, such as 30m, 12h or 7d [default: 1h].
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    length: Option<SignedDuration>,
    /// Until this time, in place of --for: 2026-11-26T18:00 or RFC 3339.
    #[arg(long, value_name = "TIME", value_parser = parse_moment, conflicts_with = "length")]
    until: Option<String>,
    /// From this time on, given as with --until [default: now].
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    from: Option<String>,
    /// Why.
    #[arg(long)]
    comment: Option<String>,
}

/// Which silences.
#[derive(Args)]
pub(super) struct List {
    /// Only those in this state: pending, active or ended.
    #[arg(long, add = candidates::silence_statuses())]
    status: Option<String>,
    /// Which part of the list, and in which order.
    #[command(flatten)]
    listing: Listing,
}

/// Some silences.
#[derive(Args)]
pub(super) struct Named {
    /// Their ids, as the list shows them.
    #[arg(required = true, value_name = "SILENCE_ID", add = candidates::silences())]
    silence_ids: Vec<String>,
}

impl Command {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        match self {
            Self::Create(Create { asked, dry_run: false }) => asked.create(client).await,
            Self::Create(Create { asked, dry_run: true }) | Self::Preview(asked) => {
                asked.preview(client).await
            }
            Self::List(list) => list.run(client).await,
            Self::Get(named) => named.get(client).await,
            Self::Delete(named) => named.delete(client).await,
        }
    }
}

impl Asked {
    fn body(&self, now: Timestamp) -> Result<Value, Failure> {
        let from = self.from.as_deref().and_then(|from| from.parse::<Timestamp>().ok());
        let end = match self.length {
            Some(length) => {
                let end = from.unwrap_or(now).checked_add(length).map_err(anyhow::Error::from)?;
                Some(end.to_string())
            }
            None => self.until.clone(),
        };
        let members = [
            ("tenant_id", &self.tenant),
            ("type", &self.kind),
            ("metric", &self.metric),
            ("severity", &self.severity),
            ("starts_at", &self.from),
            ("ends_at", &end),
            ("comment", &self.comment),
        ];
        let given =
            members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?))));
        Ok(Value::Object(given.collect::<Map<_, _>>()))
    }

    async fn create(&self, client: &Client) -> Result<(), Failure> {
        let connection = client.options.connect()?;
        let silence = connection.json(&Call::post(PATH, self.body(Timestamp::now())?)).await?;
        client.output.value(&silence, |silence| {
            let (id, end) = (text_of(&silence["silence_id"]), local(&text_of(&silence["ends_at"])));
            let start = text_of(&silence["starts_at"]);
            let what = named(silence);
            match silence["status"] == "pending" {
                true => {
                    say_text!("cli.silence_planned", id = id, what = what, start = local(&start), end = end)
                }
                false => say_text!("cli.silence_created", id = id, what = what, end = end),
            }
        })
    }

    async fn preview(&self, client: &Client) -> Result<(), Failure> {
        let connection = client.options.connect()?;
        let call = Call::post(PATH, self.body(Timestamp::now())?).query("dry_run", Some(true));
        let call = call.repeatable(true).with_rows();
        let trial = connection.json(&call).await?;
        client.output.value(&trial, |trial| {
            let total = trial["total_count"].as_u64().unwrap_or(0);
            let hit = say_text!("cli.silence_would_hit", count = total, place = connection.place());
            View::Rows(alerts::rows(trial), format!("{hit}\n{}", told(&Message::new("cli.nothing_changed"))))
        })
    }
}

impl List {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let connection = client.options.connect()?;
        let call =
            |skip: Option<usize>| Call::get(PATH).query("status", self.status.as_ref()).query("skip", skip);
        let list = self.listing.read(&connection, "silences", call).await?;
        client.output.value(&list, |list| table(list, &connection.place()))
    }
}

impl Named {
    async fn get(self, client: &Client) -> Result<(), Failure> {
        let connection = client.options.connect()?;
        for id in &self.silence_ids {
            let silence = connection.json(&Call::get(format!("{PATH}/{}", escaped(id)))).await?;
            client.output.value(&silence, detail)?;
        }
        Ok(())
    }

    async fn delete(self, client: &Client) -> Result<(), Failure> {
        let connection = client.options.connect()?;
        for id in &self.silence_ids {
            let silence = connection.json(&Call::delete(format!("{PATH}/{}", escaped(id)))).await?;
            client.output.value(&silence, |silence| {
                say_text!("cli.silence_deleted", id = text_of(&silence["silence_id"]), what = named(silence))
            })?;
        }
        Ok(())
    }
}

fn detail(silence: &Value) -> String {
    let mut lines = vec![
        ("Silence", text_of(&silence["silence_id"])),
        ("Status", text_of(&silence["status"])),
        ("Alerts", named(silence)),
        ("From", local_and_age(&text_of(&silence["starts_at"]))),
        ("Until", local_and_age(&text_of(&silence["ends_at"]))),
        ("By", text_of(&silence["created_by"])),
        ("Comment", text_of(&silence["comment"])),
    ];
    lines.retain(|(_, text)| !text.is_empty());
    named_lines(&lines)
}

/// What a silence names of alerts, as `name=value`.
pub(super) fn named(silence: &Value) -> String {
    let names = ["tenant_id", "type", "metric", "severity"];
    let named = names.iter().filter(|name| silence[**name].is_string());
    named.map(|name| format!("{name}={}", text_of(&silence[*name]))).collect::<Vec<_>>().join(",")
}

fn table(list: &Value, place: &str) -> View {
    let mut table = Table::new(["SILENCE", "STATUS", "ALERTS", "FROM", "UNTIL", "BY", "COMMENT"]);
    for silence in entries(list, "silences") {
        let text = |name: &str| Cell::from(text_of(&silence[name]));
        table.row([
            text("silence_id"),
            Cell::status(&text_of(&silence["status"])),
            Cell::from(named(silence)),
            Cell::time(&text_of(&silence["starts_at"])),
            Cell::time(&text_of(&silence["ends_at"])),
            text("created_by"),
            text("comment"),
        ]);
    }
    let (shown, total) = (entries(list, "silences").len(), list["total_count"].as_u64().unwrap_or(0));
    View::Rows(table, say_text!("cli.silences_shown", shown = shown, total = total, place = place))
}
