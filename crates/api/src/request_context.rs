//! What the headers of a request say: mode, request id, language, debug; and what the layer is to
//! add to the response.

use crate::auth::Reader;
use crate::error::{ApiError, ErrorCode};
use crate::fields::Faults;
use crate::state::{ApiState, ModeServices};
use axum::extract::{FromRequestParts, Path};
use ecp_core::Mode;
use ecp_core::access::Access;
use ecp_core::ids::{RequestId, TenantId};
use ecp_core::text::{Language, Message};
use http::header::ACCEPT_LANGUAGE;
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use parking_lot::Mutex;
use serde_json::{Map, Value};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// Tells demo from real; required on every `/api/v1` request.
pub const X_DEMO_MODE: HeaderName = HeaderName::from_static("x-demo-mode");
/// Names the request in responses, errors and logs.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Asks for a `debug` object in JSON bodies.
pub const X_DEBUG: HeaderName = HeaderName::from_static("x-debug");
/// Says what each `Warning` of an answer is about, in their order.
pub const X_WARNING_CODE: HeaderName = HeaderName::from_static("x-warning-code");

/// Longest `X-Request-ID` that is echoed.
const REQUEST_ID_MAX_LENGTH: usize = 128;

/// Why the mode of a request is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModeFault {
    /// `X-Demo-Mode` was not sent.
    Missing,
    /// It is neither `true` nor `false`, or both.
    Invalid,
}

impl From<ModeFault> for ApiError {
    fn from(fault: ModeFault) -> Self {
        let key = match fault {
            ModeFault::Missing => "api.demo_mode_missing",
            ModeFault::Invalid => "api.demo_mode_invalid",
        };
        Self::new(ErrorCode::InvalidRequest, Message::new(key)).detail("header", "X-Demo-Mode")
    }
}

/// What one request says about itself. Made by the request layer, found in the request's
/// extensions as `Arc<RequestContext>`.
#[derive(Debug)]
pub struct RequestContext {
    /// The caller's own, or a made one.
    pub request_id: RequestId,
    /// From `X-Demo-Mode`.
    pub mode: Result<Mode, ModeFault>,
    /// From `Accept-Language`; Korean unless English is preferred.
    pub language: Language,
    /// From `X-Debug`.
    pub debug: bool,
    /// When the request line had been read.
    pub started: Instant,
    tenant_id: OnceLock<TenantId>,
    notes: Mutex<Notes>,
}

/// What a warning beside an answer is about; a program that reads it need not know its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WarningCode {
    /// A field or parameter that nothing reads.
    Unknown,
    /// A field or parameter that is there more than once.
    Repeated,
    /// The answer may be older than what is stored.
    Stale,
    /// A pod has no container before the last restart.
    NoPreviousContainer,
    /// There are more pods than are read.
    TooManyPods,
}

impl WarningCode {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Unknown, Self::Repeated, Self::Stale, Self::NoPreviousContainer, Self::TooManyPods];

    /// Its spelling in `X-Warning-Code`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN_NAME",
            Self::Repeated => "REPEATED_NAME",
            Self::Stale => "STALE_ANSWER",
            Self::NoPreviousContainer => "NO_PREVIOUS_CONTAINER",
            Self::TooManyPods => "TOO_MANY_PODS",
        }
    }
}

/// Something said beside an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Warning {
    /// What it is about.
    pub code: WarningCode,
    /// For people, in English.
    pub text: String,
}

/// What handlers leave for the request layer to add to the response.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// What `Warning` headers say.
    pub warnings: Vec<Warning>,
    /// Members of the `debug` object.
    pub debug: Map<String, Value>,
}

impl RequestContext {
    /// Reads the headers.
    pub fn read(headers: &HeaderMap) -> Self {
        Self {
            request_id: request_id(headers),
            mode: mode(headers),
            language: language(headers),
            debug: header_is_true(headers, &X_DEBUG),
            started: Instant::now(),
            tenant_id: OnceLock::new(),
            notes: Mutex::default(),
        }
    }

    /// Names the tenant in the log line of this request; the first one named stays.
    pub fn set_tenant(&self, id: &TenantId) {
        if self.tenant_id.get().is_none() {
            // A second writer would have named the same tenant.
            let _ = self.tenant_id.set(id.clone());
        }
    }

    /// The tenant that the request is about, once known.
    pub fn tenant_id(&self) -> Option<&TenantId> {
        self.tenant_id.get()
    }

    /// Answers with a `Warning` header that names a field or parameter that nothing reads.
    pub fn warn_unknown(&self, kind: &str, name: &str) {
        self.warn(WarningCode::Unknown, format!("unknown {kind}: {name}"));
    }

    /// Answers with a `Warning` header of a field or parameter that is there more than once.
    pub fn warn_repeated(&self, kind: &str, name: &str) {
        self.warn(WarningCode::Repeated, format!("repeated {kind}: {name}; the last one counts"));
    }

    /// Answers with a `Warning` header of this text.
    pub(crate) fn warn(&self, code: WarningCode, text: String) {
        self.notes.lock().warnings.push(Warning { code, text });
    }

    /// Adds to the `debug` object, where the caller asked for one; `value` is made only then.
    pub fn debug_note(&self, name: &'static str, value: impl FnOnce() -> Value) {
        if self.debug {
            let value = value();
            self.notes.lock().debug.insert(name.to_owned(), value);
        }
    }

    /// Takes what the handlers left.
    pub(crate) fn take_notes(&self) -> Notes {
        std::mem::take(&mut *self.notes.lock())
    }
}

/// What every `/api/v1` handler works with: the request's context, the services of its mode, and what
/// its caller may do. Handlers take it out of [`crate::auth::Reader`], [`crate::auth::Writer`] or
/// [`crate::auth::Auditor`].
#[derive(Clone)]
pub struct Api {
    /// Shared state.
    pub state: Arc<ApiState>,
    /// What the headers say.
    pub context: Arc<RequestContext>,
    /// Which of the two worlds.
    pub mode: Mode,
    /// What the caller may do, and to which tenants.
    pub access: Arc<Access>,
}

impl Api {
    /// Refuses a request without a valid `X-Demo-Mode`.
    pub(crate) fn new(parts: &Parts, state: &Arc<ApiState>, access: Arc<Access>) -> Result<Self, ApiError> {
        let context = context_of(parts);
        let mode = context.mode?;
        Ok(Self { state: state.clone(), context, mode, access })
    }

    /// The services of the request's mode.
    pub fn services(&self) -> &ModeServices {
        self.state.services(self.mode)
    }

    /// Refuses the request where fields are wrong; warns of fields that nothing read.
    pub(crate) fn warn_of_unknown_fields(&self, faults: Faults) -> Result<(), ApiError> {
        let repeated = faults.take_repeated();
        for name in faults.finish()? {
            self.context.warn_unknown("field", &name);
        }
        for name in repeated {
            self.context.warn_repeated("field", &name);
        }
        Ok(())
    }

    /// The language of texts for people.
    pub fn language(&self) -> Language {
        self.context.language
    }
}

/// As [`crate::auth::Reader`].
impl FromRequestParts<Arc<ApiState>> for Api {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ApiState>) -> Result<Self, ApiError> {
        let Reader(api) = Reader::from_request_parts(parts, state).await?;
        Ok(api)
    }
}

/// The one parameter of a path, decoded; a text that is not UTF-8 names nothing.
pub(crate) struct PathText(pub String);

impl FromRequestParts<Arc<ApiState>> for PathText {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ApiState>) -> Result<Self, ApiError> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(text)) => Ok(Self(text)),
            Err(_not_utf8) => Err(crate::router::unknown_path(&parts.uri)),
        }
    }
}

/// The context that the request layer made; read anew where a service is called without the layer.
pub fn context_of(parts: &Parts) -> Arc<RequestContext> {
    match parts.extensions.get::<Arc<RequestContext>>() {
        Some(context) => context.clone(),
        None => Arc::new(RequestContext::read(&parts.headers)),
    }
}

/// Reads `true` or `false` in any case.
pub fn parse_bool(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

fn header_is_true(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| parse_bool(text.trim()))
        .unwrap_or(false)
}

fn mode(headers: &HeaderMap) -> Result<Mode, ModeFault> {
    let mut found = None;
    for value in headers.get_all(&X_DEMO_MODE) {
        let text = value.to_str().map_err(|_| ModeFault::Invalid)?;
        let demo = parse_bool(text.trim()).ok_or(ModeFault::Invalid)?;
        if found.is_some_and(|earlier| earlier != demo) {
            return Err(ModeFault::Invalid);
        }
        found = Some(demo);
    }
    match found {
        Some(true) => Ok(Mode::Demo),
        Some(false) => Ok(Mode::Real),
        None => Err(ModeFault::Missing),
    }
}

fn request_id(headers: &HeaderMap) -> RequestId {
    headers
        .get(&X_REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|text| (1..=REQUEST_ID_MAX_LENGTH).contains(&text.len()))
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic()))
        .map_or_else(make_request_id, RequestId::from_text)
}

/// Makes a request id without asking the operating system for random bits each time: a random
/// start, a counter, and SplitMix64's finalizer, which maps different counts to different ids.
fn make_request_id() -> RequestId {
    static START: OnceLock<u64> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
    let start = *START.get_or_init(|| {
        use std::hash::{BuildHasher, RandomState};
        RandomState::new().hash_one(std::process::id())
    });
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut bits = start.wrapping_add(count.wrapping_mul(GOLDEN_GAMMA));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let mut text = String::with_capacity(17);
    text.push_str("req-");
    for _ in 0..13 {
        text.push(char::from(ALPHABET[(bits & 31) as usize]));
        bits >>= 5;
    }
    RequestId::from_text(text)
}

/// Korean or English, whichever `Accept-Language` weighs more; the earlier one where both weigh the
/// same, Korean where neither is named.
fn language(headers: &HeaderMap) -> Language {
    let Some(text) = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()) else {
        return Language::Ko;
    };
    let mut best = (0.0, Language::Ko);
    for range in text.split(',') {
        let mut parts = range.split(';');
        let tag = parts.next().unwrap_or_default().trim();
        let primary = tag.split('-').next().unwrap_or_default();
        let language = if primary.eq_ignore_ascii_case("en") {
            Language::En
        } else if primary.eq_ignore_ascii_case("ko") || primary == "*" {
            Language::Ko
        } else {
            continue;
        };
        let quality = parts
            .find_map(|parameter| parameter.trim().strip_prefix("q="))
            .map_or(1.0, |text| text.trim().parse::<f32>().unwrap_or(0.0));
        if quality > best.0 {
            best = (quality, language);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn the_mode_is_read_in_any_case_and_never_guessed() {
        for (value, mode) in [("true", Mode::Demo), ("TRUE", Mode::Demo), ("False", Mode::Real)] {
            assert_eq!(RequestContext::read(&headers(&[("x-demo-mode", value)])).mode, Ok(mode));
        }
        assert_eq!(RequestContext::read(&headers(&[])).mode, Err(ModeFault::Missing));
        for wrong in ["1", "yes", ""] {
            let read = RequestContext::read(&headers(&[("x-demo-mode", wrong)]));
            assert_eq!(read.mode, Err(ModeFault::Invalid), "{wrong:?}");
        }
        let both = headers(&[("x-demo-mode", "true"), ("x-demo-mode", "false")]);
        assert_eq!(RequestContext::read(&both).mode, Err(ModeFault::Invalid));
    }

    #[test]
    fn a_request_id_is_echoed_when_it_is_visible_ascii_and_made_otherwise() {
        let read = |value| RequestContext::read(&headers(&[("x-request-id", value)])).request_id;
        assert_eq!(read("unique-request-id").as_str(), "unique-request-id");
        let longest = "x".repeat(128).leak();
        assert_eq!(read(longest).as_str(), longest);
        for refused in ["x".repeat(129).leak() as &'static str, "with space", ""] {
            assert!(read(refused).as_str().starts_with("req-"), "{refused:?}");
        }
        let made: std::collections::HashSet<_> = (0..10_000).map(|_| make_request_id()).collect();
        assert_eq!(made.len(), 10_000);
    }

    #[test]
    fn english_is_spoken_when_it_is_preferred_to_korean() {
        let read = |value| RequestContext::read(&headers(&[("accept-language", value)])).language;
        for english in ["en", "en-US", "EN", "fr, en;q=0.5", "ko;q=0.5, en;q=0.9", "en, ko"] {
            assert_eq!(read(english), Language::En, "{english}");
        }
        for korean in ["", "ko", "fr", "ko-KR, en;q=0.8", "en;q=0.3, ko;q=0.4", "en;q=0", "*", "en;q=x"] {
            assert_eq!(read(korean), Language::Ko, "{korean}");
        }
        assert_eq!(RequestContext::read(&headers(&[])).language, Language::Ko);
    }

    #[test]
    fn debug_notes_are_made_only_when_asked_for() {
        let quiet = RequestContext::read(&headers(&[]));
        quiet.debug_note("never", || unreachable!("no debug object was asked for"));
        let loud = RequestContext::read(&headers(&[("x-debug", "True")]));
        loud.debug_note("sizing", || Value::from(1));
        assert_eq!(loud.take_notes().debug["sizing"], 1);
    }
}
