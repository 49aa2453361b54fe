//! The headers of answers: described once, and named at each answer that carries them.

use crate::request_context::WarningCode;
use std::collections::BTreeMap;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Header, Ref, RefOr, Response};

/// The headers that many answers carry.
pub(super) fn shared() -> BTreeMap<String, RefOr<Header>> {
    let codes = WarningCode::ALL.map(WarningCode::as_str).join("`, `");
    let codes = format!("What each `Warning` is about, in their order: `{codes}`");
    let texts = [
        ("Content-Disposition", "The name of the file that it is"),
        (
            "Retry-After",
            "Seconds to wait before the next try; left out where trying again alone helps nobody",
        ),
        ("WWW-Authenticate", "`Bearer`, and what is wrong with the token"),
        ("Warning", "299 with a text, each time: a field that is not known, a state that may be behind"),
        ("X-Request-ID", "Names the request"),
        ("X-Revision", "What was written is in every answer that is asked for with it"),
        ("X-Warning-Code", &codes),
    ];
    let described = |(name, text): (&str, &str)| {
        let mut header = Header::new(ObjectBuilder::new().schema_type(Type::String));
        header.description = Some(text.to_owned());
        (name.to_owned(), header.into())
    };
    texts.into_iter().map(described).collect()
}

/// Names what any answer of a status, or of a kind of content, carries.
pub(super) fn of_answers(operation: &mut Operation, path: &str) {
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        name(response, "X-Request-ID");
        if path.starts_with("/api/") {
            name(response, "Warning");
            name(response, "X-Warning-Code");
        }
        match status.as_str() {
            "401" => name(response, "WWW-Authenticate"),
            "429" | "503" => name(response, "Retry-After"),
            _ => {}
        }
        let is_file =
            ["text/csv", "application/yaml"].iter().any(|kind| response.content.contains_key(*kind));
        if is_file {
            name(response, "Content-Disposition");
        }
    }
}

/// Every answer to a write names a revision.
pub(super) fn name_revision(operation: &mut Operation) {
    for response in operation.responses.responses.values_mut() {
        let RefOr::T(response) = response else { continue };
        name(response, "X-Revision");
    }
}

/// Names one of [`shared`]; what an operation says of a header itself stays.
fn name(response: &mut Response, header: &str) {
    let there = || RefOr::Ref(Ref::new(format!("#/components/headers/{header}")));
    response.headers.entry(header.to_owned()).or_insert_with(there);
}
