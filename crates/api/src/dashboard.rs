//! The dashboard at `/`: the files that its build left in `dashboard/dist`, embedded in the binary.
//!
//! It owns how they are sent: compressed at build time, the page checked anew each time by its `ETag`,
//! everything else kept for ever under a name with a hash, and a policy that lets the page load
//! nothing but itself. What the page shows it asks of the API like any other client.

use crate::error::ApiError;
use crate::request_context::PathText;
use crate::router::unknown_path;
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, LOCATION, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri};
use rust_embed::{Embed, EmbeddedFile};
use std::fmt::Write as _;
use std::sync::Arc;
use tower::ServiceExt;

/// Files of the dashboard; none where it was not built before the binary.
#[derive(Embed)]
#[folder = "../../dashboard/dist"]
#[allow_missing = true]
struct Files;

/// The page may load its own files and ask its own server; nothing inline, nothing evaluated, no frame.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// What `/` says where the binary was built without the dashboard.
const NOT_BUILT: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
<title>ECP-AI Kubernetes Orchestrator</title>\n\
<h1>ECP-AI Kubernetes Orchestrator</h1>\n\
<p lang=\"ko\">이 실행 파일은 대시보드 없이 빌드되었습니다. Node.js 20.19 이상을 설치하고 저장소에서 \
<code>make run</code>을 실행하면 대시보드를 포함해 빌드합니다.</p>\n\
<p>This binary was built without the dashboard. Install Node.js 20.19 or newer and run <code>make run</code> \
in the repository: it builds the dashboard and the binary with it.</p>\n\
<p>API: <a href=\"docs\">/docs</a>, <a href=\"openapi.json\">/openapi.json</a></p>\n</html>\n";

/// True where a caller of `/` wants JSON rather than a page.
pub(crate) fn wants_json(headers: &HeaderMap) -> bool {
    let accepted = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.contains("application/json") && !accepted.contains("text/html")
}

/// The page.
pub(crate) fn page(headers: &HeaderMap) -> Response {
    let mut response = match Files::get("index.html") {
        Some(file) => send("index.html", &file, headers, "no-cache"),
        None => {
            let mut response = Response::new(Body::from(NOT_BUILT));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            response
        }
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.append(VARY, HeaderValue::from_static("Accept"));
    response
}

/// One of the files that the page names. Their names change with their content.
pub(crate) async fn get_dashboard_file(
    PathText(name): PathText,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let name = format!("assets/{name}");
    let is_variant = name.ends_with(".br") || name.ends_with(".gz");
    let file = Files::get(&name).filter(|_| !is_variant).ok_or_else(|| unknown_path(&uri))?;
    Ok(send(&name, &file, &headers, "public, max-age=31536000, immutable"))
}

/// Sends a file as the caller can read it, or 304 where it has it already.
fn send(name: &str, file: &EmbeddedFile, asked: &HeaderMap, cache: &'static str) -> Response {
    let (encoding, body) = encoded(name, file, asked);
    let tag = entity_tag(&file.metadata.sha256_hash(), encoding);
    let known = asked
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|known| known.trim().trim_start_matches("W/"))
        .any(|known| known == "*" || known == tag);
    let mut response = Response::new(if known { Body::empty() } else { Body::from(body.into_owned()) });
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(name)));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    if let (Some(encoding), false) = (encoding, known) {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}

/// The smallest form of a file that the caller can read.
fn encoded(
    name: &str,
    file: &EmbeddedFile,
    asked: &HeaderMap,
) -> (Option<&'static str>, std::borrow::Cow<'static, [u8]>) {
    for (encoding, ending) in [("br", "br"), ("gzip", "gz")] {
        if accepts(asked, encoding)
            && let Some(file) = Files::get(&format!("{name}.{ending}"))
        {
            return (Some(encoding), file.data);
        }
    }
    (None, file.data.clone())
}

/// Whether `Accept-Encoding` names this encoding, and not with weight 0.
fn accepts(asked: &HeaderMap, encoding: &str) -> bool {
    let values = asked.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|choice| {
        let mut parts = choice.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(encoding));
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
        named && weight > 0.0
    })
}

fn entity_tag(hash: &[u8; 32], encoding: Option<&str>) -> String {
    let mut tag = String::from("\"");
    for byte in &hash[..12] {
        // Writing to a string can not fail.
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push_str(encoding.map_or("", |encoding| if encoding == "br" { "-br" } else { "-gz" }));
    tag.push('"');
    tag
}

/// The kinds of file that the build writes.
fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    }
}

/// Serves everything under a path of a site as well, for a proxy that passes paths on as they are. What
/// comes without the prefix is served too: probes, and proxies that take it off.
pub fn under_base_path(router: Router, base_path: &str) -> Router {
    let base: Arc<str> = Arc::from(base_path.trim_end_matches('/'));
    if base.is_empty() {
        return router;
    }
    Router::new().fallback(move |mut request: Request<Body>| {
        let (router, base) = (router.clone(), base.clone());
        async move {
            let is_inside = match without_base(request.uri(), &base) {
                Inside::Page => return to_page(&base),
                Inside::Path(uri) => {
                    *request.uri_mut() = uri;
                    true
                }
                Inside::Outside => false,
            };
            let mut response = match router.oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            if is_inside {
                lead_inside(&mut response, &base);
            }
            response
        }
    })
}

/// Where a request stands to the base path.
enum Inside {
    /// The base path itself, without the slash that the page's files are named from.
    Page,
    /// Under it; the rest of the path.
    Path(Uri),
    /// Elsewhere.
    Outside,
}

fn without_base(uri: &Uri, base: &str) -> Inside {
    let Some(rest) = uri.path().strip_prefix(base) else { return Inside::Outside };
    if rest.is_empty() {
        return Inside::Page;
    }
    if !rest.starts_with('/') {
        return Inside::Outside;
    }
    let rest = match uri.query() {
        Some(query) => format!("{rest}?{query}"),
        None => rest.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    let Ok(path) = PathAndQuery::try_from(rest) else { return Inside::Outside };
    parts.path_and_query = Some(path);
    Uri::from_parts(parts).map_or(Inside::Outside, Inside::Path)
}

/// Who asked under the base path is led to what lies under it.
fn lead_inside(response: &mut Response, base: &str) {
    let Some(path) = response.headers().get(LOCATION).and_then(|value| value.to_str().ok()) else { return };
    if path.starts_with('/')
        && let Ok(location) = HeaderValue::from_str(&format!("{base}{path}"))
    {
        response.headers_mut().insert(LOCATION, location);
    }
}

fn to_page(base: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    if let Ok(location) = HeaderValue::from_str(&format!("{base}/")) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;

    fn headers(name: http::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn an_encoding_is_sent_to_those_who_take_it() {
        for (asked, br, gzip) in [
            ("gzip, deflate, br", true, true),
            ("gzip;q=0.5, br;q=0", false, true),
            ("brotli, x-gzip", false, false),
            ("", false, false),
        ] {
            let asked = headers(ACCEPT_ENCODING, asked);
            assert_eq!((accepts(&asked, "br"), accepts(&asked, "gzip")), (br, gzip), "{asked:?}");
        }
    }

    #[test]
    fn a_browser_gets_the_page_and_a_program_that_asks_for_json_the_index() {
        assert!(!wants_json(&headers(ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8")));
        assert!(!wants_json(&HeaderMap::new()));
        assert!(wants_json(&headers(ACCEPT, "application/json")));
    }

    #[test]
    fn a_file_is_sent_once_and_then_known_by_its_tag() {
        let file = Files::get("index.html").unwrap_or_else(|| EmbeddedFile {
            data: NOT_BUILT.as_bytes().into(),
            metadata: rust_embed::Metadata::__rust_embed_new([7; 32], None, None),
        });
        let first = send("index.html", &file, &HeaderMap::new(), "no-cache");
        assert_eq!(first.status(), StatusCode::OK);
        let tag = first.headers()[ETAG].to_str().unwrap().to_owned();
        let again =
            send("index.html", &file, &headers(IF_NONE_MATCH, &format!("\"x\", W/{tag}")), "no-cache");
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        let other = send("index.html", &file, &headers(IF_NONE_MATCH, "\"x\""), "no-cache");
        assert_eq!(other.status(), StatusCode::OK);
    }

    #[test]
    fn the_page_is_sent_with_its_policy_built_or_not() {
        let response = page(&HeaderMap::new());
        let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(response.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
    }

    #[test]
    fn a_base_path_is_taken_off_whole_segments_alone() {
        let rest = |uri: &str| match without_base(&Uri::try_from(uri).unwrap(), "/ops/ecp") {
            Inside::Page => "page".to_owned(),
            Inside::Path(uri) => uri.to_string(),
            Inside::Outside => "outside".to_owned(),
        };
        assert_eq!(rest("/ops/ecp"), "page");
        assert_eq!(rest("/ops/ecp/"), "/");
        assert_eq!(rest("/ops/ecp/api/v1/tenants?q=a%2Fb"), "/api/v1/tenants?q=a%2Fb");
        assert_eq!(rest("/ops/ecp2/x"), "outside");
        assert_eq!(rest("/healthz"), "outside");
    }

    #[tokio::test]
    async fn what_is_served_is_served_under_the_base_path_too() {
        let inner = Router::new().route("/x", axum::routing::get(async || "here"));
        let router = under_base_path(inner, "/ops/");
        for (path, status) in [("/ops/x", 200), ("/x", 200), ("/ops", 308), ("/opsx", 404)] {
            let request = Request::get(path).body(Body::empty()).unwrap();
            assert_eq!(router.clone().oneshot(request).await.unwrap().status(), status, "{path}");
        }
        let inner = Router::new().route("/made", axum::routing::post(async || [(LOCATION, "/x")]));
        let router = under_base_path(inner, "/ops");
        for (path, location) in [("/ops/made", "/ops/x"), ("/made", "/x")] {
            let request = Request::post(path).body(Body::empty()).unwrap();
            let response = router.clone().oneshot(request).await.unwrap();
            assert_eq!(response.headers()[LOCATION], location, "{path}");
        }
    }
}
