//! `ecp alert-rules`: thresholds, times and switches of a tenant's alerts.

use super::Client;
use super::candidates;
use super::clock::parse_duration;
use super::connection::{Call, Connection, tenant_path};
use super::failure::Failure;
use super::input::{each_once, read_object};
use super::language::say_text;
use super::output::{View, text_of};
use super::table::{Cell, Table};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// What to do with a tenant's alert rules.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Shows every rule as it holds for a tenant.
    Get(Get),
    /// Changes what is given and leaves the other rules; with -f, sets all of them.
    Set(Set),
    /// Brings the defaults back, of all rules or of those of some metrics.
    Reset(Reset),
}

/// Whose rules.
#[derive(Args)]
pub(super) struct Get {
    /// Whose.
    #[arg(add = candidates::tenants())]
    tenant_id: String,
}

/// What to set.
#[derive(Args)]
pub(super) struct Set {
    /// Whose.
    #[arg(add = candidates::tenants())]
    tenant_id: String,
    /// What holds from now on, such as cpu.warning=70 cpu.critical=90 cpu.for=5m gpu.enabled=false.
    #[arg(value_parser = parse_setting, value_name = "METRIC.FIELD=VALUE", add = candidates::settings(),
          required_unless_present = "file", conflicts_with = "file")]
    settings: Vec<Setting>,
    /// File with all rules, as get -o yaml prints them; - reads standard input.
    #[arg(short, long)]
    file: Option<PathBuf>,
}

/// What to bring back.
#[derive(Args)]
pub(super) struct Reset {
    /// Whose.
    #[arg(add = candidates::tenants())]
    tenant_id: String,
    /// Metrics whose rules are brought back [default: all].
    #[arg(add = candidates::alert_metrics())]
    metrics: Vec<String>,
}

/// One field of one rule.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Setting {
    metric: String,
    field: &'static str,
    value: Value,
}

/// Fields of a rule, by the names that they are given by.
pub(super) const FIELDS: [(&str, &str); 5] = [
    ("warning", "warning"),
    ("critical", "critical"),
    ("for", "for_seconds"),
    ("for_seconds", "for_seconds"),
    ("enabled", "enabled"),
];

fn parse_setting(text: &str) -> Result<Setting, String> {
    let wrong = || say_text!("cli.rule_setting");
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    let (metric, field) = name.split_once('.').ok_or_else(wrong)?;
    let (_, field) = FIELDS.iter().find(|(given, _)| *given == field).ok_or_else(wrong)?;
    let number = || value.parse::<f64>().ok().filter(|number| number.is_finite());
    let value = match *field {
        "enabled" => value.parse::<bool>().ok().map(Value::from),
        "for_seconds" => {
            let seconds = || parse_duration(value).ok().map(|length| length.as_secs());
            value.parse::<i64>().ok().or_else(seconds).map(Value::from)
        }
        _ => number().map(Value::from),
    };
    let value = value.ok_or_else(wrong)?;
    Ok(Setting { metric: metric.to_owned(), field, value })
}

impl Command {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let connection = client.options.connect()?;
        let rules = match self {
            Self::Get(get) => connection.json(&read(&get.tenant_id)).await?,
            Self::Set(set) => match &set.file {
                Some(path) => write(&connection, &set.tenant_id, Value::Object(read_object(path)?)).await?,
                None => {
                    each_once(set.settings.iter().map(|one| format!("{}.{}", one.metric, one.field)))?;
                    let mut rules = own_rules(&connection, &set.tenant_id).await?;
                    for setting in set.settings {
                        // A rule that nothing sets yet starts from its defaults.
                        let rule = rules.entry(setting.metric).or_insert_with(|| json!({}));
                        rule[setting.field] = setting.value;
                    }
                    write(&connection, &set.tenant_id, json!({ "rules": rules })).await?
                }
            },
            Self::Reset(reset) if reset.metrics.is_empty() => {
                write(&connection, &reset.tenant_id, json!({})).await?
            }
            Self::Reset(reset) => {
                let mut rules = own_rules(&connection, &reset.tenant_id).await?;
                for metric in reset.metrics {
                    // Named without a field it is the default; a metric that does not exist is refused.
                    rules.insert(metric, json!({}));
                }
                write(&connection, &reset.tenant_id, json!({ "rules": rules })).await?
            }
        };
        client.output.value(&rules, |rules| table(rules, &connection.place()))
    }
}

fn read(tenant_id: &str) -> Call {
    Call::get(tenant_path(tenant_id, "/alert-rules"))
}

async fn write(connection: &Connection, tenant_id: &str, body: Value) -> Result<Value, Failure> {
    let call = Call::put(tenant_path(tenant_id, "/alert-rules"), body).with_rows();
    Ok(connection.json(&call).await?)
}

/// The rules that the tenant has set, by metric, as they can be written back.
async fn own_rules(connection: &Connection, tenant_id: &str) -> Result<Map<String, Value>, Failure> {
    let mut all = connection.json(&read(tenant_id)).await?;
    let rules = all["rules"].as_object_mut().map(std::mem::take).unwrap_or_default();
    let own = rules.into_iter().filter(|(_, rule)| rule["is_default"] != true);
    Ok(own
        .map(|(metric, mut rule)| {
            if let Some(fields) = rule.as_object_mut() {
                fields.retain(|_, value| !value.is_null());
            }
            (metric, rule)
        })
        .collect())
}

fn table(rules: &Value, place: &str) -> View {
    let mut table = Table::new(["METRIC", "TYPE", "WARNING", "CRITICAL", "UNIT", "FOR", "ENABLED", "OWN"]);
    for (metric, rule) in rules["rules"].as_object().into_iter().flatten() {
        let text = |name: &str| match &rule[name] {
            Value::Null => Cell::from("-"),
            value => Cell::from(text_of(value)),
        };
        let is_on = rule["enabled"] == true;
        table.row([
            Cell::from(metric.as_str()),
            text("type"),
            text("warning"),
            text("critical"),
            text("unit"),
            Cell::from(format!("{}s", text_of(&rule["for_seconds"]))),
            Cell::word(if is_on { "yes" } else { "no" }).like(if is_on { "" } else { "warning" }),
            Cell::word(if rule["is_default"] == true { "" } else { "yes" }),
        ]);
    }
    let tenant_id = text_of(&rules["tenant_id"]);
    View::Rows(table, say_text!("cli.alert_rules_of", tenant_id = tenant_id, place = place))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;

    #[test]
    fn a_setting_names_metric_field_and_value() {
        let setting =
            |text: &str| parse_setting(text).map(|setting| (setting.metric, setting.field, setting.value));
        assert_eq!(setting("cpu.warning=70").unwrap(), ("cpu".to_owned(), "warning", json!(70.0)));
        assert_eq!(setting("cpu.for=5m").unwrap(), ("cpu".to_owned(), "for_seconds", json!(300)));
        assert_eq!(setting("cpu.for=0").unwrap(), ("cpu".to_owned(), "for_seconds", json!(0)));
        assert_eq!(setting("gpu.enabled=false").unwrap(), ("gpu".to_owned(), "enabled", json!(false)));
        for wrong in ["cpu", "cpu.warning", "cpu=70", "cpu.limit=70", "cpu.warning=NaN", "cpu.enabled=no"] {
            assert!(setting(wrong).is_err(), "{wrong}");
        }
    }
}
