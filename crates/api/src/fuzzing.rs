//! What the fuzz targets of `fuzz/` and the replay of their seeds call: the readers of what comes from outside.
//!
//! No input panics; a refusal can be told in both languages, and a warning fits a header.

use crate::error::ApiError;
use crate::fields::Faults;
use crate::json;
use crate::query::QueryReader;
use crate::request_layer::warning_text;
use crate::tenants::input::{TENANT, read_calculation, read_creation, read_patch};
use crate::{revisions, streams};
use ecp_core::catalog::Catalog;
use ecp_core::costs::Month;
use ecp_core::ids::TenantId;
use ecp_core::metrics::Metric;
use ecp_core::text::Language;
use ecp_core::{Mode, Timestamp};
use http::{HeaderValue, Uri};
use jiff::tz::TimeZone;
use std::sync::LazyLock;

static CATALOG: LazyLock<Catalog> = LazyLock::new(Catalog::embedded);

/// A body of the tenants' operations.
pub fn tenant_body(bytes: &[u8]) {
    let read = match json::read(bytes, &TENANT) {
        Ok(read) => read,
        Err(error) => return told(&error),
    };
    let id = TenantId::parse("acme").expect("a label");
    let sla = CATALOG.default_sla();
    let readers: [&dyn Fn(&Faults); 4] = [
        &|faults| drop(read_creation(&read.value, Mode::Demo, sla, faults)),
        &|faults| drop(read_creation(&read.value, Mode::Real, sla, faults)),
        &|faults| drop(read_patch(&read.value, &id, Mode::Demo, faults)),
        &|faults| drop(read_calculation(&read.value, sla, faults)),
    ];
    for reader in readers {
        let faults = Faults::default();
        reader(&faults);
        finished(faults.finish());
    }
}

/// A message of a stream's client.
pub fn message(text: &str) {
    match streams::read_command(text) {
        Ok((_, body)) => {
            if let Err(error) = streams::read_subscription(&body) {
                told(&error);
            }
        }
        Err(error) => told(&error),
    }
}

/// A query string, read as every kind of parameter that there is.
pub fn query(text: &str) {
    let Ok(uri) = format!("/api/v1/tenants?{text}").parse::<Uri>() else { return };
    let query = QueryReader::new(&uri);
    let page = query.page();
    assert!(page.limit <= 1000, "{page:?}");
    let _ = query.flag("dry_run");
    let _ = query.integer("hours", 1..=8760);
    let _ = query.choices("metric_type", "api.unknown_metric", &Metric::ALL, Metric::as_str);
    let _ = query.choice("expand", "api.unknown_metric", &Metric::ALL, Metric::as_str);
    let _ = query.text("since").map(str::parse::<Timestamp>);
    if let Some(text) = query.text("month")
        && let Some(month) = Month::parse(text, &TimeZone::UTC)
    {
        assert!(month.begin < month.end && month.name == text, "{month:?}");
    }
    if let Some(Err(error)) = query.text("revision").map(revisions::parse) {
        told(&error);
    }
    finished(query.unread());
}

fn finished(unread: Result<Vec<String>, ApiError>) {
    match unread {
        Ok(names) => {
            for name in names {
                let header = warning_text(&format!("unknown field: {name}"));
                assert!(HeaderValue::from_str(&header).is_ok(), "{header:?}");
            }
        }
        Err(error) => told(&error),
    }
}

fn told(error: &ApiError) {
    for language in [Language::Ko, Language::En] {
        let envelope = error.envelope(language, Timestamp::UNIX_EPOCH, "req-1");
        assert!(envelope["error"]["message"].as_str().is_some_and(|text| !text.is_empty()), "{envelope}");
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// What fuzzing began with and what it found, read again.
    #[test]
    fn every_seed_is_read() {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
        let replay = |target: &str, read: &dyn Fn(&[u8])| {
            let files = std::fs::read_dir(seeds.join(target)).expect("a folder of seeds");
            let read_all =
                files.map(|file| read(&std::fs::read(file.expect("a file").path()).expect("a seed")));
            assert!(read_all.count() > 2, "{target}");
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        replay("body", &super::tenant_body);
        replay("message", &|bytes| super::message(&text(bytes)));
        replay("query", &|bytes| super::query(&text(bytes)));
    }
}
