//! What a shell may complete: tenants, as the server lists them, and the words of the API.

use super::connection::{Call, ClientOptions};
use super::output::{Format, entries, text_of};
use clap::Parser;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use std::time::Duration;

/// Nobody waits longer at a prompt.
const PATIENCE: Duration = Duration::from_secs(2);

/// Ids of tenants, with their names and statuses.
pub(super) fn tenants() -> ArgValueCandidates {
    ArgValueCandidates::new(|| of_the_server().unwrap_or_default())
}

/// Formats of results.
pub(super) fn formats() -> ArgValueCandidates {
    let candidate = |(name, _, help): &(&'static str, Format, &'static str)| {
        CompletionCandidate::new(name).help(Some((*help).into()))
    };
    ArgValueCandidates::new(move || Format::NAMES.iter().map(candidate).collect())
}

/// These words.
pub(super) fn words(words: &'static [&'static str]) -> ArgValueCandidates {
    ArgValueCandidates::new(|| words.iter().map(CompletionCandidate::new).collect())
}

/// Plans of the embedded catalog.
pub(super) const PRESETS: &[&str] = &["micro", "small", "medium", "large"];
/// Statuses of a tenant.
pub(super) const STATUSES: &[&str] = &["pending", "running", "failed", "deleting"];
/// Faults that demo mode can show.
pub(super) const FAULTS: &[&str] = &["image-not-found", "crash-loop", "unschedulable", "none"];

#[derive(Parser)]
#[command(ignore_errors = true, disable_help_flag = true)]
struct Typed {
    #[command(flatten)]
    options: ClientOptions,
    #[arg(allow_hyphen_values = true)]
    _rest: Vec<String>,
}

/// Asks the server that the half-typed command line names; a server that is not there completes nothing.
fn of_the_server() -> Option<Vec<CompletionCandidate>> {
    let typed = Typed::try_parse_from(super::completions::typed_words()).ok()?;
    let connection = typed.options.connect().ok()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let call = Call::get("/api/v1/tenants/").query("limit", Some(1000));
    let work = async { tokio::time::timeout(PATIENCE, connection.once_json(&call)).await };
    let list = runtime.block_on(work).ok()?.ok()?;
    let candidate = |tenant: &serde_json::Value| {
        let help = format!("{}, {}", text_of(&tenant["status"]), text_of(&tenant["name"]));
        CompletionCandidate::new(text_of(&tenant["tenant_id"])).help(Some(help.into()))
    };
    Some(entries(&list, "tenants").iter().map(candidate).collect())
}
