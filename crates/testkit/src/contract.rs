//! Holds every answer of a test to the document that `/openapi.json` serves: the status is one that the
//! operation names, its headers are those that it names for it, and a JSON body is what it says of that status.

use crate::client::Reply;
use jsonschema::Validator;
use parking_lot::Mutex;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

/// Statuses that any request can meet before an operation sees it; the document says them once, in its
/// description, and not at each operation.
const COMMON: [u16; 12] = [400, 401, 403, 404, 405, 408, 413, 421, 426, 429, 431, 503];

/// Headers that mean something to a client of the API; the others are HTTP's own.
const HEADERS: [&str; 11] = [
    "allow",
    "content-disposition",
    "etag",
    "idempotent-replayed",
    "location",
    "retry-after",
    "warning",
    "www-authenticate",
    "x-request-id",
    "x-revision",
    "x-warning-code",
];

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(&ecp_api::openapi_json()).expect("the document is JSON"));

/// A method, a path of the document, and a status.
type Answer = (String, String, u16);

/// Compiled schemas by answer.
static SCHEMAS: LazyLock<Mutex<HashMap<Answer, Arc<Validator>>>> = LazyLock::new(Mutex::default);

/// The path of the document that a request's path is an instance of; literal segments win.
fn template(path: &str) -> Option<&'static str> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let fits = |template: &str| {
        let template = template.strip_suffix('/').unwrap_or(template);
        let (mut given, mut known) = (path.split('/'), template.split('/'));
        loop {
            match (given.next(), known.next()) {
                (None, None) => return true,
                (Some(one), Some(other)) if one == other || other.starts_with('{') => {}
                _ => return false,
            }
        }
    };
    let paths = DOCUMENT["paths"].as_object()?.keys().map(String::as_str).filter(|template| fits(template));
    paths.min_by_key(|template| template.matches('{').count())
}

/// Checks a frame of a stream.
///
/// # Panics
/// Where the document does not say that it can be so.
pub(crate) fn check_frame(path: &str, frame: &Value) {
    let Some(template) = template(path) else { return };
    // An answer to a message of the client's.
    if frame["action"] == "pong" {
        return;
    }
    let schema = match frame.get("error") {
        Some(_) => json!({"$ref": "#/components/schemas/ErrorOut"}),
        None => DOCUMENT["paths"][template]["get"]["x-frame"].clone(),
    };
    assert!(schema.is_object(), "the document says nothing of the frames of {path}");
    let key =
        (if frame.get("error").is_some() { "error" } else { "frame" }.to_owned(), template.to_owned(), 101);
    hold(key, schema, frame, || format!("{path}: {frame}"));
}

/// Checks an answer.
///
/// # Panics
/// Where the document does not say that it can be so.
pub(crate) fn check(method: &Method, path: &str, reply: &Reply) {
    let (status, text, content_type) = (reply.status, &reply.text, reply.header("content-type"));
    let Some(template) = template(path) else { return };
    // HEAD is GET without its body, and OPTIONS is a browser asking for leave.
    if matches!(*method, Method::HEAD | Method::OPTIONS) {
        return;
    }
    let method = method.as_str().to_ascii_lowercase();
    let operation = &DOCUMENT["paths"][template][&method];
    let status = status.as_u16();
    let told = || format!("{method} {path}: {status} {text:.500}");
    if operation.is_null() {
        assert!(COMMON.contains(&status), "no such operation in the document: {}", told());
        return;
    }
    let response = &operation["responses"][status.to_string()];
    let mut schema = response["content"]["application/json"]["schema"].clone();
    if response.is_null() {
        assert!(COMMON.contains(&status), "the operation names no such status: {}", told());
        schema = json!({"$ref": "#/components/schemas/ErrorOut"});
    } else {
        let named = |name: &str| {
            let mut names = response["headers"].as_object().into_iter().flat_map(|headers| headers.keys());
            names.any(|header| header.eq_ignore_ascii_case(name))
        };
        for header in HEADERS.into_iter().filter(|header| reply.headers.contains_key(*header)) {
            assert!(named(header), "the operation names no header {header}: {}", told());
        }
        assert!(reply.headers.contains_key("x-request-id"), "no X-Request-ID: {}", told());
    }
    if !content_type.starts_with("application/json") || schema.is_null() {
        return;
    }
    let key = (method.clone(), template.to_owned(), status);
    let body: Value =
        serde_json::from_str(text).unwrap_or_else(|error| panic!("no JSON ({error}): {}", told()));
    hold(key, schema, &body, told);
}

/// Holds a value to a schema of the document.
fn hold(key: Answer, schema: Value, value: &Value, told: impl Fn() -> String) {
    let known = SCHEMAS.lock().get(&key).cloned();
    let validator = known.unwrap_or_else(|| {
        let whole = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "components": DOCUMENT["components"],
            "allOf": [schema],
        });
        let validator =
            Arc::new(jsonschema::validator_for(&whole).expect("a schema of the document compiles"));
        SCHEMAS.lock().insert(key, validator.clone());
        validator
    });
    let faults: Vec<String> = validator
        .iter_errors(value)
        .map(|fault| format!("{}: {fault:.300}", fault.instance_path()))
        .collect();
    assert!(faults.is_empty(), "not as the document says: {}\n{}", faults.join("\n"), told());
}
