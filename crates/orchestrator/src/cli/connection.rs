//! A server that a command speaks to, and one HTTP exchange with it: time limit, retries, errors.

use super::contexts::Context;
use super::failure::{CONNECTION_ERROR, CallFailure, Failure, INVALID_RESPONSE, Missing, TIMEOUT, USAGE};
use super::language::{say_text, told};
use super::output::{Format, Output};
use super::warnings::{self, Warned};
use ecp_core::text::{Language, Message};
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Method, Response, Url, redirect};
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Address of a server that nothing names.
pub(super) const DEFAULT_SERVER: &str = "http://localhost:8001";
/// First pause before a repetition; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Names a revision of what the server keeps.
const X_REVISION: &str = "x-revision";
/// Redirections that are followed of one call.
const MOST_REDIRECTS: usize = 10;
/// Longest pause; a longer `Retry-After` ends the retries.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What one exchange may take.
pub(super) struct Limits {
    /// Longest that one attempt may take.
    pub(super) timeout: Duration,
    /// Repetitions of what can be repeated without harm.
    pub(super) retries: u32,
}

/// A server, and how to speak to it.
pub(super) struct Connection {
    http: reqwest::Client,
    base: String,
    output: Output,
    demo: bool,
    token: Option<String>,
    language: Language,
    pub(super) timeout: Duration,
    pub(super) retries: u32,
    /// The newest revision that an answer named: reads ask for nothing older, whichever replica answers; 0
    /// asks for nothing.
    seen: AtomicU64,
}

/// One call.
pub(super) struct Call {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
    body: Option<Value>,
    repeatable: bool,
    has_rows: bool,
    /// What its answer must have to be the API's.
    members: &'static [&'static str],
}

impl Call {
    fn new(method: Method, path: impl Into<String>, repeatable: bool) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            repeatable,
            has_rows: false,
            members: &[],
        }
    }

    /// A read.
    pub(super) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path, true)
    }

    /// A write, which is never repeated unless [`Self::repeatable`] says so.
    pub(super) fn post(path: impl Into<String>, body: Value) -> Self {
        Self { body: Some(body), ..Self::new(Method::POST, path, false) }
    }

    /// A change.
    pub(super) fn put(path: impl Into<String>, body: Value) -> Self {
        Self { body: Some(body), ..Self::new(Method::PUT, path, false) }
    }

    /// A deletion.
    pub(super) fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path, false)
    }

    /// Adds a parameter where there is a value.
    pub(super) fn query(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// Adds a header where there is a value.
    pub(super) fn header(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.headers.extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// A header that goes with it.
    #[cfg(test)]
    pub(super) fn sent(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| *own == name).map(|(_, value)| value.as_str())
    }

    /// What a write answers is written as rows, so that formats of rows can have it.
    pub(super) fn with_rows(mut self) -> Self {
        self.has_rows = true;
        self
    }

    /// The answer has these members: one without them is not the API's.
    pub(super) fn answers(mut self, members: &'static [&'static str]) -> Self {
        self.members = members;
        self
    }

    /// An answer that is not what the API promises.
    fn unlike(&self, key: &'static str, text: &str) -> CallFailure {
        let start: String = text.chars().take(80).collect();
        let what =
            Message::new(key).with("call", format!("{} {}", self.method, self.path)).with("start", start);
        CallFailure::own(INVALID_RESPONSE, 200, told(&what))
    }

    /// Asking again can change nothing.
    pub(super) fn repeatable(mut self, repeatable: bool) -> Self {
        self.repeatable = repeatable;
        self
    }
}

/// The answer to a call that succeeded.
pub(super) struct Answer {
    text: String,
    /// Its media type.
    kind: String,
    /// What its `Warning` headers say.
    warnings: Vec<Warned>,
}

/// A page of a list that has no such list.
pub(super) fn no_page(entries: &str) -> CallFailure {
    CallFailure::own(INVALID_RESPONSE, 200, say_text!("cli.no_page", entries = entries))
}

/// The media type of an answer; empty where it says none.
fn kind_of(response: &Response) -> &str {
    response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Whether a media type, parameters and all, is this one.
fn is_of(kind: &str, wanted: &str) -> bool {
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(wanted)
}

/// Whether an object has what it must; the API answers none that is empty.
fn has_members(value: &Value, members: &[&str]) -> bool {
    value.as_object().is_some_and(|object| !object.is_empty())
        && members.iter().all(|name| value.get(name).is_some())
}

/// Path of a tenant, or of something below it.
pub(super) fn tenant_path(id: &str, below: &str) -> String {
    format!("/api/v1/tenants/{}{below}", escaped(id))
}

/// One segment of a path, with everything escaped that is not plainly allowed.
pub(super) fn escaped(segment: &str) -> String {
    segment
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

impl Connection {
    /// Makes ready to speak to the server of a context; nothing is sent yet.
    pub(super) fn to(
        context: Context,
        output: Output,
        language: Language,
        limits: Limits,
    ) -> Result<Self, Failure> {
        let server = context.server.clone();
        let wrong = |reason: String| {
            Failure::Input(say_text!(
                "cli.wrong_server",
                server = &server,
                reason = reason,
                example = DEFAULT_SERVER
            ))
        };
        let base = Url::parse(&server).map_err(|error| wrong(error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(wrong(say_text!("cli.wrong_scheme", scheme = base.scheme())));
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(wrong(say_text!("cli.server_with_query")));
        }
        let base = base.as_str().trim_end_matches('/');
        let base = base.strip_suffix("/api/v1").unwrap_or(base).to_owned();
        let token = context.secret()?;
        if token.as_ref().is_some_and(|token| !token.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(Failure::Input(say_text!("cli.token_is_none")));
        }
        crate::tls::install_crypto_provider();
        // Another host is another server, which the token and the answer are no matter of.
        let same_host = redirect::Policy::custom(|attempt| {
            let from = attempt.previous().last().and_then(Url::host_str);
            if from != attempt.url().host_str() || attempt.previous().len() > MOST_REDIRECTS {
                return attempt.stop();
            }
            attempt.follow()
        });
        let http = reqwest::Client::builder()
            .redirect(same_host)
            .user_agent(concat!("ecp/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(anyhow::Error::from)?;
        Ok(Self {
            http,
            base,
            output,
            demo: context.demo,
            token,
            language,
            timeout: limits.timeout,
            retries: limits.retries,
            seen: AtomicU64::new(0),
        })
    }

    /// Sends a call and answers its text, which must be of a media type: what stands between may answer with a
    /// page of its own. What the server warns of is said beside the result.
    pub(super) async fn text(&self, call: &Call, kind: &str) -> Result<String, CallFailure> {
        let answer = self.answer(call).await?;
        if !is_of(&answer.kind, kind) {
            return Err(call.unlike("cli.not_of_the_api", &answer.text));
        }
        Ok(answer.text)
    }

    async fn answer(&self, call: &Call) -> Result<Answer, CallFailure> {
        let answer = self.attempts(call, async || self.once(call).await).await?;
        answer.warnings.iter().for_each(|warned| self.output.pass_on(warned));
        Ok(answer)
    }

    async fn attempts<T>(
        &self,
        call: &Call,
        once: impl AsyncFn() -> Result<T, CallFailure>,
    ) -> Result<T, CallFailure> {
        let mut pause = FIRST_PAUSE;
        // Nothing is done of which the result could not be written then.
        if self.output.format == Format::Csv && call.method != Method::GET && !call.has_rows {
            return Err(CallFailure::own(USAGE, 0, Format::Csv.refusal()));
        }
        for attempt in 0.. {
            let failure = match once().await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let wait = failure.retry_after.unwrap_or(pause);
            if !call.repeatable || attempt >= self.retries || !failure.is_transient() || wait > LONGEST_PAUSE
            {
                return Err(failure);
            }
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        unreachable!("the loop ends with an answer or a failure")
    }

    /// Where the command works, for people: the world and the server.
    pub(super) fn place(&self) -> String {
        match self.demo {
            true => say_text!("cli.place_demo", server = &self.base),
            false => say_text!("cli.place_real", server = &self.base),
        }
    }

    /// Asks by a dry run whether the server would read all of a write; what it would not read is an error.
    /// Nothing is changed.
    pub(super) async fn refuse_unread(&self, dry_run: &Call) -> Result<(), Failure> {
        let answer = self.attempts(dry_run, async || self.once(dry_run).await).await?;
        if answer.warnings.is_empty() {
            return Ok(());
        }
        let warnings: Vec<&str> = answer.warnings.iter().map(|warned| warned.text.as_str()).collect();
        let warnings = warnings.join("; ");
        Err(Failure::Unread(say_text!("cli.unread_refused", what = warnings)))
    }

    /// Sends a call and reads its answer as a JSON object.
    pub(super) async fn json(&self, call: &Call) -> Result<Value, CallFailure> {
        let Answer { text, .. } = self.answer(call).await?;
        let value: Value = serde_json::from_str(&text)
            .ok()
            .filter(Value::is_object)
            .ok_or_else(|| call.unlike("cli.no_json_object", &text))?;
        if !has_members(&value, call.members) {
            return Err(call.unlike("cli.not_of_the_api", &text));
        }
        Ok(value)
    }

    /// Sends a call once and reads its answer, for who can do without.
    pub(super) async fn once_json(&self, call: &Call) -> Result<Value, CallFailure> {
        let answer = self.once(call).await?;
        serde_json::from_str(&answer.text)
            .map_err(|error| CallFailure::own(INVALID_RESPONSE, 200, error.to_string()))
    }

    /// All entries of a list, page by page, as one list.
    pub(super) async fn all_pages(
        &self,
        entries: &str,
        page: u32,
        mut call: impl FnMut(usize) -> Call,
    ) -> Result<Value, CallFailure> {
        let mut all = Vec::new();
        loop {
            let mut list = self.json(&call(all.len()).query("limit", Some(page))).await?;
            let Some(found) = list[entries].as_array_mut().map(std::mem::take) else {
                return Err(no_page(entries));
            };
            let over = found.is_empty() || list["pagination"]["has_more"] != true;
            all.extend(found);
            if over {
                let count = all.len();
                list[entries] = Value::Array(all);
                list["pagination"] = serde_json::json!({"skip": 0, "limit": count, "has_more": false});
                return Ok(list);
            }
        }
    }

    /// Sends a read and hands on the lines of its answer as they come, for as long as there are any; only what
    /// comes before the first has a time limit.
    pub(super) async fn lines(
        &self,
        call: &Call,
        mut on_line: impl FnMut(&str) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let begin = async || {
            let begun = tokio::time::timeout(self.timeout, self.send(call, None)).await;
            begun.unwrap_or_else(|_| Err(self.too_late()))
        };
        let mut response = self.attempts(call, begin).await?;
        warnings::of(&response).iter().for_each(|warned| self.output.pass_on(warned));
        if !is_of(kind_of(&response), "text/plain") {
            return Err(call.unlike("cli.not_of_the_api", kind_of(&response)).into());
        }
        let mut rest = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.no_answer(call, &error))? {
            rest.extend_from_slice(&chunk);
            let whole = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
            let lines: Vec<u8> = rest.drain(..whole).collect();
            String::from_utf8_lossy(&lines).lines().try_for_each(&mut on_line)?;
        }
        String::from_utf8_lossy(&rest).lines().try_for_each(on_line)
    }

    /// Sends a call once, whatever it is.
    pub(super) async fn once(&self, call: &Call) -> Result<Answer, CallFailure> {
        let response = self.send(call, Some(self.timeout)).await?;
        let warnings = warnings::of(&response);
        let kind = kind_of(&response).to_owned();
        let text = response.text().await.map_err(|error| self.no_answer(call, &error))?;
        Ok(Answer { text, kind, warnings })
    }

    /// Sends a call once; the answer's body is still to come where it succeeded.
    async fn send(&self, call: &Call, limit: Option<Duration>) -> Result<Response, CallFailure> {
        let mut request =
            self.http.request(call.method.clone(), format!("{}{}", self.base, call.path)).query(&call.query);
        if let Some(limit) = limit {
            request = request.timeout(limit);
        }
        for (name, value) in self.headers() {
            request = request.header(name, value);
        }
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        if let Some(revision) = self.shown().filter(|_| call.method == Method::GET) {
            request = request.header(X_REVISION, revision);
        }
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        let failed = |error: reqwest::Error| self.no_answer(call, &error);
        let response = request.send().await.map_err(failed)?;
        self.note(response.headers());
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let header =
            |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (request_id, retry_after) = (header("x-request-id"), header("retry-after"));
        let text = response.text().await.map_err(failed)?;
        let retry_after = retry_after.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        let missing = (status == 404).then(|| Box::new(Missing { place: self.place(), suggestion: None }));
        let failure =
            CallFailure { retry_after, missing, ..CallFailure::from_answer(status, &text, request_id) };
        self.forget_where_unreached(&failure);
        Err(failure)
    }

    /// A server that cannot get to a revision, such as one that was restored from a backup, is not asked for it
    /// again.
    pub(super) fn forget_where_unreached(&self, failure: &CallFailure) {
        if failure.status == 503 && !failure.details["revision"].is_null() {
            self.seen.store(0, Ordering::Relaxed);
        }
    }

    /// Remembers the revision that an answer names.
    fn note(&self, headers: &HeaderMap) {
        let named = headers.get(X_REVISION).and_then(|value| value.to_str().ok());
        if let Some(revision) = named.and_then(|text| text.parse().ok()) {
            self.seen.fetch_max(revision, Ordering::Relaxed);
        }
    }

    /// The revision that reads and streams ask for, where there was a write.
    fn shown(&self) -> Option<String> {
        let revision = self.seen.load(Ordering::Relaxed);
        (revision > 0).then(|| revision.to_string())
    }

    fn too_late(&self) -> CallFailure {
        let what = say_text!("cli.no_answer", server = &self.base, seconds = self.timeout.as_secs_f64());
        CallFailure::own(TIMEOUT, 0, what)
    }

    fn no_answer(&self, call: &Call, error: &reqwest::Error) -> CallFailure {
        if error.is_timeout() {
            return self.too_late();
        }
        let mut cause: &dyn std::error::Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        let hint = if error.is_connect() { say_text!("cli.is_it_running") } else { String::new() };
        let what = format!("{} {}{}: {cause}{hint}", call.method, self.base, call.path);
        CallFailure::own(CONNECTION_ERROR, 0, what)
    }

    /// Headers of every request and handshake.
    pub(super) fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("x-demo-mode", self.demo.to_string()),
            ("accept-language", self.language_code().to_owned()),
        ];
        headers.extend(self.token.as_ref().map(|token| ("authorization", format!("Bearer {token}"))));
        headers
    }

    /// Address of a stream.
    pub(super) fn stream_url(&self, path: &str, query: &[(&str, String)]) -> Result<Url, CallFailure> {
        let wrong = |error: String| CallFailure::own(CONNECTION_ERROR, 0, error);
        let mut url = Url::parse(&format!("ws{}{path}", self.base.trim_start_matches("http")))
            .map_err(|error| wrong(error.to_string()))?;
        url.query_pairs_mut()
            .append_pair("demo_mode", if self.demo { "true" } else { "false" })
            .append_pair("lang", self.language_code())
            .extend_pairs(query)
            .extend_pairs(self.shown().map(|revision| ("revision", revision)));
        Ok(url)
    }

    fn language_code(&self) -> &'static str {
        match self.language {
            Language::Ko => "ko",
            Language::En => "en",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{has_members, is_of};
    use serde_json::json;

    #[test]
    fn an_answer_of_another_media_type_is_not_the_apis() {
        assert!(is_of("text/csv; charset=utf-8", "text/csv"));
        assert!(is_of("Application/YAML", "application/yaml"));
        for kind in ["text/html; charset=utf-8", "text/plain", "", "text/csvx"] {
            assert!(!is_of(kind, "text/csv"), "{kind}");
        }
    }

    #[test]
    fn an_object_without_what_was_asked_for_is_not_the_apis() {
        assert!(has_members(&json!({"tenants": [], "new": 1}), &["tenants"]));
        assert!(has_members(&json!({"status": "ok"}), &[]));
        assert!(!has_members(&json!({}), &[]));
        assert!(!has_members(&json!({"status": "ok"}), &["tenants"]));
    }
}
