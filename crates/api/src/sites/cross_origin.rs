//! What a browser must be told before a page of a listed origin may ask, and read the answer.

use axum::body::Body;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};

/// Methods of the API.
const METHODS: &str = "GET, HEAD, POST, PUT, DELETE";
/// Headers that the API reads.
const REQUEST_HEADERS: &str = "Accept-Language, Authorization, Content-Type, Idempotency-Key, If-Match, \
    X-Debug, X-Demo-Mode, X-Request-ID, X-Revision";
/// Headers of answers that scripts could not read otherwise.
const RESPONSE_HEADERS: &str = "Allow, Content-Disposition, ETag, Idempotent-Replayed, Location, \
    Retry-After, Warning, WWW-Authenticate, X-Request-ID, X-Revision, X-Warning-Code";
/// Seconds that a browser may remember it.
const REMEMBERED: &str = "600";

/// The answer to a browser that asks for leave before the request proper; `None` where this is no such
/// question.
pub(crate) fn preflight<B>(request: &Request<B>) -> Option<Response> {
    if request.method() != Method::OPTIONS || !request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(REQUEST_HEADERS));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(REMEMBERED));
    Some(response)
}

/// Lets scripts of an origin read an answer.
pub(crate) fn allow_reading(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(RESPONSE_HEADERS));
    headers.append(VARY, HeaderValue::from_static("Origin"));
}
