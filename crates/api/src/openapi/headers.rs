//! The headers of answers, as each operation names them.

use crate::request_context::WarningCode;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Header, RefOr, Response};

/// Names what any answer of a status, or of a kind of content, carries.
pub(super) fn of_answers(operation: &mut Operation, path: &str) {
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        name(response, "X-Request-ID", "Names the request");
        if path.starts_with("/api/") {
            name(
                response,
                "Warning",
                "299 with a text, each time: a field that is not known, a state that may be behind",
            );
            let codes = WarningCode::ALL.map(WarningCode::as_str).join("`, `");
            name(
                response,
                "X-Warning-Code",
                &format!("What each `Warning` is about, in their order: `{codes}`"),
            );
        }
        match status.as_str() {
            "401" => name(response, "WWW-Authenticate", "`Bearer`, and what is wrong with the token"),
            "429" | "503" => name(response, "Retry-After", "Seconds to wait before the next try"),
            _ => {}
        }
        let is_file =
            ["text/csv", "application/yaml"].iter().any(|kind| response.content.contains_key(*kind));
        if is_file {
            name(response, "Content-Disposition", "The name of the file that it is");
        }
    }
}

/// Every answer to a write names a revision.
pub(super) fn name_revision(operation: &mut Operation) {
    for response in operation.responses.responses.values_mut() {
        let RefOr::T(response) = response else { continue };
        name(response, "X-Revision", "What was written is in every answer that is asked for with it");
    }
}

fn name(response: &mut Response, header: &str, description: &str) {
    let text = || {
        let mut header = Header::new(ObjectBuilder::new().schema_type(Type::String));
        header.description = Some(description.to_owned());
        header
    };
    response.headers.entry(header.to_owned()).or_insert_with(|| text().into());
}
