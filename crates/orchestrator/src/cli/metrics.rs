//! `ecp metrics`: a tenant's values, now and as they come, and samples to send.

use super::Client;
use super::candidates;
use super::chart;
use super::clock::{local, parse_duration};
use super::connection::{Call, tenant_path};
use super::failure::Failure;
use super::input::{each_once, parse_measurement, read_object};
use super::language::say_text;
use super::options::parse_seconds;
use super::output::{Format, View, terminal_width, text_of};
use super::stream::Stream;
use super::table::{Cell, Table};
use clap::{Args, Subcommand};
use jiff::SignedDuration;
use serde_json::{Map, Value, json};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

/// What to do with metrics.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Shows a tenant's values over time.
    Get(Get),
    /// Follows a tenant's newest values.
    Watch(Watch),
    /// Sends a sample, or the samples of a file.
    Send(Send),
}

/// Which values.
#[derive(Args)]
pub(super) struct Get {
    /// Whose.
    #[arg(add = candidates::tenants())]
    tenant_id: String,
    /// Series, separated by commas: cpu, memory, gpu, network, storage, requests, response_time, error_rate.
    #[arg(long)]
    metric_type: Option<String>,
    /// How many hours back, 1-8760.
    #[arg(long)]
    hours: Option<u32>,
    /// The same as a length of time, such as 12h or 7d; the API counts whole hours.
    #[arg(long, value_name = "TIME", value_parser = parse_duration, conflicts_with = "hours")]
    since: Option<SignedDuration>,
    /// Length of one step: 1m, 5m or 1h.
    #[arg(long)]
    interval: Option<String>,
    /// Draws lines of blocks in place of numbers [default: on a terminal].
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    chart: Option<bool>,
}

/// Which newest values.
#[derive(Args)]
pub(super) struct Watch {
    /// Whose.
    #[arg(add = candidates::tenants())]
    tenant_id: String,
    /// Series, separated by commas.
    #[arg(long, value_delimiter = ',')]
    metric_type: Vec<String>,
    /// Seconds between two looks, 0.1-3600.
    #[arg(long, default_value = "5", value_parser = parse_seconds, value_name = "SECONDS")]
    every: Duration,
}

/// What was measured.
#[derive(Args)]
pub(super) struct Send {
    /// Whose.
    #[arg(add = candidates::tenants())]
    tenant_id: String,
    /// Values, such as cpu=65.5 memory=78.2.
    #[arg(value_parser = parse_measurement, value_name = "METRIC=VALUE",
          required_unless_present = "file", conflicts_with = "file")]
    values: Vec<(String, f64)>,
    /// File with a sample, or with a batch under `samples`; - reads standard input.
    #[arg(short, long)]
    file: Option<PathBuf>,
    /// When it was measured, as RFC 3339 [default: now].
    #[arg(long, conflicts_with = "file")]
    timestamp: Option<String>,
}

impl Command {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let connection = client.options.connect()?;
        match self {
            Self::Get(get) => {
                let hours = get.hours.map(i64::from).or(get.since.map(whole_hours));
                let call = Call::get(tenant_path(&get.tenant_id, "/monitoring"))
                    .query("metric_type", get.metric_type)
                    .query("hours", hours)
                    .query("interval", get.interval);
                let width = terminal_width();
                let is_chart = get.chart.unwrap_or(width.is_some() && client.output.format == Format::Table);
                client.output.value(&connection.json(&call).await?, |answer| {
                    if is_chart {
                        View::from(chart::text(answer, width.unwrap_or(100)))
                    } else {
                        table(answer)
                    }
                })
            }
            Self::Watch(watch) => {
                let stream = Stream::monitoring(&watch.tenant_id, &watch.metric_type, watch.every);
                client
                    .follow(&connection, stream, |frame| {
                        client.output.frame(frame, line)?;
                        Ok(ControlFlow::Continue(()))
                    })
                    .await
            }
            Self::Send(send) => {
                let path = tenant_path(&send.tenant_id, "/monitoring");
                let answer = connection.json(&Call::post(path, send.body()?)).await?;
                client.output.value(&answer, |answer| {
                    say_text!("cli.rows_stored", count = text_of(&answer["accepted"]))
                })
            }
        }
    }
}

/// Hours that a length of time begins.
fn whole_hours(time: SignedDuration) -> i64 {
    time.as_hours() + i64::from(time.as_secs() % 3_600 > 0)
}

impl Send {
    fn body(&self) -> Result<Value, Failure> {
        if let Some(path) = &self.file {
            return read_object(path).map(Value::Object);
        }
        each_once(self.values.iter().map(|(name, _)| name))?;
        let metrics: Map<_, _> =
            self.values.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let mut body = json!({"metrics": metrics});
        if let Some(timestamp) = &self.timestamp {
            body["timestamp"] = json!(timestamp);
        }
        Ok(body)
    }
}

/// Series side by side, a row for each step, and what they come to.
fn table(answer: &Value) -> View {
    let all = answer["metrics"].as_object().into_iter().flatten();
    let series: Vec<_> = all.filter(|(_, points)| points != &&json!([])).collect();
    let mut steps: Vec<String> = series
        .iter()
        .flat_map(|(_, points)| points.as_array().into_iter().flatten())
        .map(|point| text_of(&point["timestamp"]))
        .collect();
    steps.sort_unstable();
    steps.dedup();
    let at = |points: &Value, step: &str| {
        let mut points = points.as_array().into_iter().flatten();
        points
            .find(|point| point["timestamp"] == step)
            .map_or_else(String::new, |point| text_of(&point["value"]))
    };
    let names = series.iter().map(|(name, _)| name.to_uppercase());
    let mut table = Table::with_headers(std::iter::once("TIME".to_owned()).chain(names));
    for step in &steps {
        let values = series.iter().map(|(_, points)| Cell::from(at(points, step)));
        table.row(std::iter::once(Cell::time(step)).chain(values));
    }
    let mut summary = Table::new(["SUMMARY", "VALUE"]);
    for (name, value) in answer["summary"].as_object().into_iter().flatten() {
        summary.row([name.clone(), text_of(value)]);
    }
    View::Rows(table, summary.to_string())
}

fn line(frame: &Value) -> String {
    format!(
        "{}  {}",
        local(&text_of(&frame["timestamp"])),
        super::output::pairs_of(&frame["metrics"]).replace(',', "  ")
    )
}
