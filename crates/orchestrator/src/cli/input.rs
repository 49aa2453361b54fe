//! What a command is given: files of YAML or JSON, and flags that stand for members of a body.

use super::candidates;
use super::failure::Failure;
use super::language::say_text;
use super::output::Output;
use clap::Args;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::fmt::Display;
use std::io::Read;
use std::path::Path;

/// Most bytes that are read from a file; no request may be as large.
const MAX_INPUT_BYTES: u64 = 16 << 20;

/// Reads a file; `-` is standard input.
pub(super) fn read_text(path: &Path) -> Result<String, Failure> {
    let (name, text) = if path == Path::new("-") {
        (say_text!("cli.standard_input"), read_limited(std::io::stdin().lock()))
    } else {
        let name = path.display().to_string();
        (name, std::fs::File::open(path).and_then(read_limited))
    };
    text.map_err(|error| Failure::Input(say_text!("cli.can_not_be_read", name = name, error = error)))
}

fn read_limited(reader: impl Read) -> std::io::Result<String> {
    let mut text = String::new();
    reader.take(MAX_INPUT_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_INPUT_BYTES {
        return Err(std::io::Error::other(say_text!("cli.too_large", mebibytes = MAX_INPUT_BYTES >> 20)));
    }
    Ok(text)
}

/// What is wrong with a text, without advice for who writes programs.
pub(super) fn yaml_fault(error: &serde_saphyr::Error) -> String {
    let text = error.to_string().replace(", set DuplicateKeyPolicy in Options if acceptable", "");
    text.strip_prefix("error: ").unwrap_or(&text).to_owned()
}

/// Reads a file that holds one object as YAML or JSON.
pub(super) fn read_object(path: &Path) -> Result<Map<String, Value>, Failure> {
    let text = read_text(path)?;
    let name =
        if path == Path::new("-") { say_text!("cli.standard_input") } else { path.display().to_string() };
    let value: Value = serde_saphyr::from_str(&text).map_err(|error| {
        Failure::Input(say_text!("cli.not_yaml", name = &name, error = yaml_fault(&error)))
    })?;
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(Failure::Input(say_text!("cli.want_object", name = name))),
    }
}

/// What becomes of members that nothing reads.
#[derive(Args)]
pub(super) struct Unread {
    /// Refuses a file with fields that nothing reads, before anything is changed; else they are a warning.
    #[arg(long)]
    pub(super) strict: bool,
}

impl Unread {
    /// Warns of members that nothing reads, or refuses them.
    pub(super) fn check(&self, output: &Output, pointers: &[String]) -> Result<(), Failure> {
        if self.strict && !pointers.is_empty() {
            let names = pointers.join(", ");
            return Err(Failure::Unread(say_text!("cli.unread_refused", what = names)));
        }
        for pointer in pointers {
            output.warn(&say_text!("cli.unread", pointer = pointer));
        }
        Ok(())
    }
}

/// Units of services and what is promised.
#[derive(Args)]
pub(super) struct DemandFlags {
    /// What becomes of a file's other members.
    #[command(flatten)]
    pub(super) unread: Unread,
    /// Units of a service, such as callbot=50; may be repeated. 0 removes it.
    #[arg(short, long = "service", value_name = "SERVICE=UNITS", value_parser = parse_service)]
    services: Vec<(String, u64)>,
    /// Plan: micro, small, medium or large; left out, the calculator chooses.
    #[arg(long, add = candidates::presets())]
    preset: Option<String>,
    /// Promised share of time in service, such as 99.9%.
    #[arg(long)]
    availability: Option<String>,
    /// Promised response time, such as 200ms.
    #[arg(long)]
    response_time: Option<String>,
    /// Users at once over all services.
    #[arg(long)]
    concurrent_users: Option<u64>,
    /// Hour to size for: mean_hour or busy_hour.
    #[arg(long)]
    size_for: Option<String>,
    /// Share of a day's calls in the busiest hour, such as callbot=15%; may be repeated.
    #[arg(long, value_name = "SERVICE=SHARE", value_parser = parse_named)]
    busy_hour_share: Vec<(String, String)>,
    /// Share of calls that may find every line busy, such as 1%.
    #[arg(long)]
    blocking: Option<String>,
    /// Figure of the response time that keeps the promise: mean, p95 or p99.
    #[arg(long)]
    percentile: Option<String>,
    /// Response time of one service, such as callbot=150ms; may be repeated.
    #[arg(long, value_name = "SERVICE=TIME", value_parser = parse_named)]
    service_response_time: Vec<(String, String)>,
    /// What is kept free on top of the work, such as 20%.
    #[arg(long)]
    headroom: Option<String>,
    /// By how much the load is to grow, such as 30%.
    #[arg(long)]
    growth: Option<String>,
    /// What may be lost without missing the promise: nothing, device or node.
    #[arg(long)]
    survives: Option<String>,
}

fn parse_named(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| say_text!("cli.want_share"))?;
    Ok((name.to_owned(), value.to_owned()))
}

fn parse_service(text: &str) -> Result<(String, u64), String> {
    let (name, units) = text.split_once('=').ok_or_else(|| say_text!("cli.want_units"))?;
    let units = units.parse().map_err(|_| say_text!("cli.want_whole_number", value = units))?;
    Ok((name.to_owned(), units))
}

impl DemandFlags {
    /// Puts what was given into a body; what the body has already gives way.
    pub(super) fn write_to(&self, body: &mut Map<String, Value>) -> Result<(), Failure> {
        each_once(self.services.iter().map(|(name, _)| name))?;
        for pairs in [&self.busy_hour_share, &self.service_response_time] {
            each_once(pairs.iter().map(|(name, _)| name))?;
        }
        let services = self.services.iter().map(|(name, units)| (name.clone(), json!(units)));
        merge(body, "service_requirements", services);
        set(body, "preset", self.preset.as_ref());
        let promised = [
            ("availability", self.availability.as_ref().map(|text| json!(text))),
            ("response_time", self.response_time.as_ref().map(|text| json!(text))),
            ("concurrent_users", self.concurrent_users.map(|users| json!(users))),
        ];
        merge(
            body,
            "sla_target",
            promised.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))),
        );
        let named = |pairs: &[(String, String)]| {
            let members: Map<String, Value> =
                pairs.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            (!members.is_empty()).then_some(Value::Object(members))
        };
        let text = |text: &Option<String>| text.as_ref().map(|text| json!(text));
        let planned = [
            ("size_for", text(&self.size_for)),
            ("busy_hour_share", named(&self.busy_hour_share)),
            ("blocking", text(&self.blocking)),
            ("percentile", text(&self.percentile)),
            ("response_time", named(&self.service_response_time)),
            ("headroom", text(&self.headroom)),
            ("growth", text(&self.growth)),
            ("survives", text(&self.survives)),
        ];
        merge(
            body,
            "sizing",
            planned.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))),
        );
        Ok(())
    }
}

/// A tenant's name and the like.
#[derive(Args)]
pub(super) struct TenantFlags {
    /// Name for people.
    #[arg(long)]
    name: Option<String>,
    /// What is ordered and promised.
    #[command(flatten)]
    pub(super) demand: DemandFlags,
    /// Free text.
    #[arg(long)]
    description: Option<String>,
    /// How the services are reached from outside (none, ingress, gateway) [default: as the catalog says].
    #[arg(long)]
    exposure: Option<String>,
    /// Who brings the tenant's objects to the cluster (internal, external) [default: internal].
    #[arg(long, add = candidates::managements())]
    management: Option<String>,
    /// Demo mode: the failure that the deployment shows (image-not-found, crash-loop, unschedulable, none).
    #[arg(long, add = candidates::faults())]
    demo_fault: Option<String>,
}

impl TenantFlags {
    /// The body that file and flags make together; flags win.
    pub(super) fn body(&self, file: Option<&Path>) -> Result<Map<String, Value>, Failure> {
        let mut body = file.map(read_object).transpose()?.unwrap_or_default();
        set(&mut body, "name", self.name.as_ref());
        self.demand.write_to(&mut body)?;
        set(&mut body, "description", self.description.as_ref());
        set(&mut body, "exposure", self.exposure.as_ref());
        if self.exposure.is_some() {
            // A file that was read back may say that the catalog chose.
            body.shift_remove("exposure_chosen_by");
        }
        set(&mut body, "management", self.management.as_ref());
        set(&mut body, "demo_fault", self.demo_fault.as_ref());
        Ok(body)
    }
}

fn set(body: &mut Map<String, Value>, name: &str, value: Option<&String>) {
    body.extend(value.map(|value| (name.to_owned(), json!(value))));
}

fn merge(body: &mut Map<String, Value>, name: &str, members: impl Iterator<Item = (String, Value)>) {
    let mut members = members.peekable();
    if members.peek().is_none() {
        return;
    }
    match body.entry(name).or_insert_with(|| json!({})) {
        Value::Object(object) => object.extend(members),
        // What is no object is for the API to refuse, by its name.
        other => *other = Value::Object(members.collect()),
    }
}

/// A value as flags give it: a number where it is one.
pub(super) fn parse_measurement(text: &str) -> Result<(String, f64), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| say_text!("cli.want_measurement"))?;
    let number = value.parse().ok().filter(|number: &f64| number.is_finite());
    let number = number.ok_or_else(|| say_text!("cli.want_number", value = value))?;
    Ok((name.to_owned(), number))
}

/// Fails where something is given more than once: one of them would be passed over.
pub(super) fn each_once<T: Ord + Display>(names: impl Iterator<Item = T>) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    for name in names {
        if let Some(name) = seen.replace(name) {
            return Err(Failure::Input(say_text!("cli.given_twice", name = name)));
        }
    }
    Ok(())
}

/// Fails unless a flag or a file says something.
pub(super) fn require_something(body: &Map<String, Value>, what: String) -> Result<(), Failure> {
    if body.is_empty() {
        return Err(Failure::Input(say_text!("cli.want_something", what = what)));
    }
    Ok(())
}
