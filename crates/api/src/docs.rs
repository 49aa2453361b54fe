//! The API's own pages: the index at `/`, `/openapi.json`, and Swagger UI at `/docs`, all without the internet.

use crate::dashboard;
use crate::error::ApiError;
use crate::openapi::openapi_json;
use crate::request_context::PathText;
use crate::router::unknown_path;
use crate::wire;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use serde_json::json;
use std::sync::{Arc, OnceLock};
use utoipa_swagger_ui::{Config, serve};

/// What the pages may load: themselves, inline styles and images that Swagger UI makes.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
);

/// The dashboard, or where to look for those who ask for JSON.
pub(crate) async fn get_index(headers: HeaderMap) -> Response {
    if !dashboard::wants_json(&headers) {
        return dashboard::page(&headers);
    }
    let index = json!({
        "name": "ECP-AI Kubernetes Orchestrator",
        "version": env!("CARGO_PKG_VERSION"),
        "documentation": "/docs",
        "openapi": "/openapi.json",
        "health": "/healthz",
        "readiness": "/readyz",
        "metrics": "/metrics",
        "tenants": "/api/v1/tenants/",
    });
    wire::json(StatusCode::OK, &index)
}

/// The OpenAPI document.
pub(crate) async fn get_openapi() -> Response {
    static DOCUMENT: OnceLock<Bytes> = OnceLock::new();
    let document = DOCUMENT.get_or_init(|| Bytes::from(openapi_json()));
    wire::json_bytes(StatusCode::OK, document.clone())
}

/// Swagger UI. Its page names its files relative to itself, so the page without a trailing slash gets
/// another base than the one with it.
pub(crate) async fn get_docs(uri: Uri) -> Result<Response, ApiError> {
    let base = if uri.path().ends_with('/') { "./" } else { "docs/" };
    let (bytes, _) = file("index.html").ok_or_else(|| unknown_path(&uri))?;
    let page =
        String::from_utf8_lossy(&bytes).replacen("<head>", &format!("<head><base href=\"{base}\">"), 1);
    let mut response = page_response(page.into_bytes(), "text/html; charset=utf-8");
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, PAGE_POLICY);
    Ok(response)
}

/// One file of Swagger UI.
pub(crate) async fn get_docs_file(PathText(name): PathText, uri: Uri) -> Result<Response, ApiError> {
    let (bytes, content_type) = file(&name).ok_or_else(|| unknown_path(&uri))?;
    Ok(page_response(bytes, &content_type))
}

fn file(name: &str) -> Option<(Vec<u8>, String)> {
    // Relative to the page's base; no validator, which would be asked over the internet.
    let config = Config::from("../openapi.json")
        .validator_url("none")
        .try_it_out_enabled(true)
        .display_request_duration(true)
        .persist_authorization(true);
    let file = serve(name, Arc::new(config)).ok().flatten()?;
    Some((file.bytes.into_owned(), file.content_type))
}

fn page_response(bytes: Vec<u8>, content_type: &str) -> Response {
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(content_type) {
        headers.insert(CONTENT_TYPE, value);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;

    #[test]
    fn the_page_and_every_file_that_it_names_are_in_the_binary() {
        let (page, _) = file("index.html").unwrap();
        let page = String::from_utf8(page).unwrap();
        assert!(page.contains("<head>"));
        let mut names = 0;
        for part in page.split(['"']).filter(|part| part.ends_with(".js") || part.ends_with(".css")) {
            assert!(file(part.trim_start_matches("./")).is_some(), "{part}");
            names += 1;
        }
        assert!(names >= 4);
    }

    #[test]
    fn the_page_loads_nothing_from_elsewhere() {
        let (script, _) = file("swagger-initializer.js").unwrap();
        let script = String::from_utf8(script).unwrap();
        assert!(script.contains("../openapi.json") && !script.contains("petstore"), "{script}");
        assert!(script.contains("none"), "{script}");
    }
}
