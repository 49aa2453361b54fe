//! What a shell may complete: tenants, as the server lists them, and the words of the API.

use super::connection::Call;
use super::options::ClientOptions;
use super::output::{Format, entries, text_of};
use clap::Parser;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use ecp_core::alerts::silence::SilencePhase;
use ecp_core::alerts::{AlertKind, AlertSubject, Severity};
use ecp_core::tenant::{DemoFault, Management, Preset, Service, TenantStatus};
use serde_json::Value;
use std::time::Duration;

/// Nobody waits longer at a prompt.
const PATIENCE: Duration = Duration::from_secs(2);

/// Ids of tenants, with their names and statuses.
pub(super) fn tenants() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let candidate = |tenant: &Value| {
            let help = format!("{}, {}", text_of(&tenant["status"]), text_of(&tenant["name"]));
            CompletionCandidate::new(text_of(&tenant["tenant_id"])).help(Some(help.into()))
        };
        let list = of_the_server("/api/v1/tenants/").unwrap_or_default();
        entries(&list, "tenants").iter().map(candidate).collect()
    })
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

/// The same, of words that are computed.
fn names(names: impl Fn() -> Vec<&'static str> + Send + Sync + 'static) -> ArgValueCandidates {
    ArgValueCandidates::new(move || names().into_iter().map(CompletionCandidate::new).collect())
}

/// Plans.
pub(super) fn presets() -> ArgValueCandidates {
    names(|| Preset::ALL.map(Preset::as_str).to_vec())
}

/// Statuses of a tenant.
pub(super) fn statuses() -> ArgValueCandidates {
    names(|| TenantStatus::ALL.map(TenantStatus::as_str).to_vec())
}

/// Faults that demo mode can show, and none of them.
pub(super) fn faults() -> ArgValueCandidates {
    names(|| DemoFault::ALL.map(DemoFault::as_str).into_iter().chain(["none"]).collect())
}

/// Who may manage a tenant.
pub(super) fn managements() -> ArgValueCandidates {
    names(|| Management::ALL.map(Management::as_str).to_vec())
}

/// Services whose pods have logs.
pub(super) fn services() -> ArgValueCandidates {
    names(|| Service::ALL.map(Service::as_str).into_iter().chain(["redis"]).collect())
}

/// Types of alerts.
pub(super) fn alert_types() -> ArgValueCandidates {
    names(|| AlertKind::ALL.map(AlertKind::as_str).to_vec())
}

/// What alerts are about.
pub(super) fn alert_metrics() -> ArgValueCandidates {
    names(|| AlertSubject::ALL.map(AlertSubject::metric_name).to_vec())
}

/// Severities of alerts.
pub(super) fn severities() -> ArgValueCandidates {
    names(|| Severity::ALL.map(Severity::as_str).to_vec())
}

/// States of a silence.
pub(super) fn silence_statuses() -> ArgValueCandidates {
    names(|| SilencePhase::ALL.map(SilencePhase::as_str).to_vec())
}

/// Fields of alert rules, up to their values.
pub(super) fn settings() -> ArgValueCandidates {
    let settings = || {
        let of = |subject: AlertSubject| {
            super::alert_rules::FIELDS.map(|(field, _)| format!("{}.{field}=", subject.metric_name()))
        };
        AlertSubject::ALL.into_iter().flat_map(of).map(CompletionCandidate::new).collect()
    };
    ArgValueCandidates::new(settings)
}

/// Silences that have not ended, with what they name.
pub(super) fn silences() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let candidate = |silence: &Value| {
            let help = format!("{}, {}", text_of(&silence["status"]), super::silence::named(silence));
            CompletionCandidate::new(text_of(&silence["silence_id"])).help(Some(help.into()))
        };
        let list = of_the_server("/api/v1/silences").unwrap_or_default();
        let open = entries(&list, "silences").iter().filter(|silence| silence["status"] != "ended");
        open.map(candidate).collect()
    })
}

#[derive(Parser)]
#[command(ignore_errors = true, disable_help_flag = true)]
struct Typed {
    #[command(flatten)]
    options: ClientOptions,
    #[arg(allow_hyphen_values = true)]
    _rest: Vec<String>,
}

/// Asks the server that the half-typed command line names for a list; one that is not there completes nothing.
fn of_the_server(path: &str) -> Option<Value> {
    let typed = Typed::try_parse_from(super::completions::typed_words()).ok()?;
    let connection = typed.options.connect().ok()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let call = Call::get(path).query("limit", Some(1000));
    let work = async { tokio::time::timeout(PATIENCE, connection.once_json(&call)).await };
    runtime.block_on(work).ok()?.ok()
}
