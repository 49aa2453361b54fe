//! `ecp recommend`: what fits a tenant by what was measured of it.

use super::Client;
use super::candidates;
use super::connection::{Call, tenant_path};
use super::failure::Failure;
use super::language::{say_text, told};
use super::output::{pairs_of, text_of};
use super::tenants::{confirmed, detail, named_lines};
use clap::Args;
use ecp_core::text::Message;
use serde_json::Value;

/// Whose size.
#[derive(Args)]
pub(super) struct Recommend {
    /// The tenant's id.
    #[arg(add = candidates::tenants())]
    tenant_id: String,
    /// How many hours back, 1-8760.
    #[arg(long, value_name = "N")]
    hours: Option<u32>,
    /// Changes the tenant to what is recommended, where something is.
    #[arg(long)]
    apply: bool,
    /// Does not ask for confirmation on a terminal.
    #[arg(short, long, requires = "apply")]
    yes: bool,
}

impl Recommend {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let connection = client.options.connect()?;
        let call = Call::get(tenant_path(&self.tenant_id, "/recommendation")).query("hours", self.hours);
        let answer = connection.json(&call).await?;
        let Some(change) = change(&self.tenant_id, &answer).filter(|_| self.apply) else {
            return client.output.value(&answer, |answer| table(answer, &connection.place()));
        };
        // What is about to be done is not the answer: that is the tenant, on standard output.
        eprintln!("{}", table(&answer, &connection.place()));
        if !self.yes && !confirmed(&say_text!("cli.apply_question", tenant_id = &self.tenant_id))? {
            return Err(Failure::Input(told(
                &Message::new("cli.left_as_it_is").with("tenant_id", &self.tenant_id),
            )));
        }
        let tenant = connection.json(&change).await?;
        client.output.value(&tenant, detail)
    }
}

/// The call that makes a tenant what is recommended; it changes only what is still as it was measured.
fn change(tenant_id: &str, answer: &Value) -> Option<Call> {
    let body = answer["apply"].clone();
    let call = Call::put(tenant_path(tenant_id, ""), body);
    let call = call.header("if-match", Some(format!("\"{}\"", text_of(&answer["generation"]))));
    (!answer["apply"].is_null()).then_some(call)
}

fn table(answer: &Value, place: &str) -> String {
    let measured = |name: &str| {
        let usage = &answer["observed"][name];
        if usage.is_null() {
            return String::new();
        }
        let percent = |value: &Value| value.as_f64().map_or_else(String::new, |value| format!("{value:.1}%"));
        let busiest = percent(&usage["busiest_hour"]);
        match usage["expected"].as_f64() {
            Some(_) => {
                let expected = percent(&usage["expected"]);
                say_text!("cli.busiest_and_expected", busiest = busiest, expected = expected)
            }
            None => say_text!("cli.busiest", busiest = busiest),
        }
    };
    let fit = |fit: &Value| match fit.is_null() {
        true => String::new(),
        false => format!(
            "{} ({}): ${}, ${}",
            text_of(&fit["preset"]),
            pairs_of(&fit["service_requirements"]),
            text_of(&fit["list_price_usd"]),
            text_of(&fit["operator_cost_usd"]),
        ),
    };
    let time = &answer["observed"]["response_time"];
    let response_time = match time["p95"].as_f64() {
        Some(p95) => say_text!("cli.p95_and_sla", p95 = format!("{p95:.0}"), sla = text_of(&time["sla"])),
        None => String::new(),
    };
    let data = &answer["data"];
    let confidence = say_text!(
        "cli.confidence",
        confidence = text_of(&answer["confidence"]),
        hours = text_of(&data["hours_with_samples"]),
        of = text_of(&data["hours"]),
        source = text_of(&data["source"]),
    );
    let mut lines = vec![
        ("Advice", format!("{}: {}", text_of(&answer["advice"]), text_of(&answer["message"]))),
        ("Confidence", confidence),
        ("CPU", measured("cpu")),
        ("Memory", measured("memory")),
        ("GPU", measured("gpu")),
        ("Response", response_time),
        ("Sessions", pairs_of(&answer["observed"]["sessions"])),
        ("Now", fit(&answer["current"])),
        ("Then", fit(&answer["recommended"])),
        ("Asked", place.to_owned()),
    ];
    lines.retain(|(_, text)| !text.is_empty());
    named_lines(&lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_recommended_is_for_the_generation_that_was_measured() {
        let answer = json!({"generation": 3, "apply": {"service_requirements": {"callbot": 20}}});
        let call = change("acme", &answer).expect("something is recommended");
        assert_eq!(call.sent("if-match"), Some("\"3\""));
        assert!(change("acme", &json!({"generation": 3, "apply": null})).is_none());
    }
}
