//! An HTTP client that sends the API's headers and keeps what came back for assertions.

use crate::contract;
use anyhow::Context;
use parking_lot::Mutex;
use reqwest::{Method, RequestBuilder, StatusCode, header::HeaderMap};
use serde_json::Value;
use std::collections::HashSet;
use std::sync::Arc;

/// An HTTP client as the program's own command line makes them.
pub fn http_client() -> reqwest::Client {
    ecp_orchestrator::tls::install_crypto_provider();
    reqwest::Client::new()
}

/// Speaks to one server in one mode, with or without a token.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    demo_mode: &'static str,
    token: Option<String>,
    changes: Arc<Mutex<Vec<Change>>>,
}

/// A call that changed something, as far as its answer says: neither a read nor a dry run.
#[derive(Clone, Debug)]
pub struct Change {
    /// HTTP method.
    pub method: Method,
    /// Path without its query.
    pub path: String,
    /// Whose, as the answer says.
    pub tenant_id: Option<String>,
    /// The roll-out or deletion that the answer names.
    pub deployment_id: Option<String>,
    /// `X-Request-ID` of the answer.
    pub request_id: String,
}

/// A response, read whole.
#[derive(Clone, Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: StatusCode,
    /// Response headers.
    pub headers: HeaderMap,
    /// Body as text.
    pub text: String,
}

impl Reply {
    /// The body as JSON.
    ///
    /// # Panics
    /// Where it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.text))
    }

    /// The code of the error envelope; `null` where there is none.
    pub fn error_code(&self) -> Value {
        self.json()["error"]["code"].clone()
    }

    /// A header as text, empty where absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The reply, where its status is the expected one.
    ///
    /// # Panics
    /// Where it is another, with the body in the message.
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }
}

impl Client {
    /// For the server at `base`, such as `http://127.0.0.1:8001`, in demo mode.
    pub fn new(base: String) -> Self {
        Self { http: crate::http_client(), base, demo_mode: "true", token: None, changes: Arc::default() }
    }

    /// The same client in real mode.
    pub fn real(&self) -> Self {
        Self { demo_mode: "false", ..self.clone() }
    }

    /// The changes that this client and its copies made so far, in order.
    pub fn changes(&self) -> Vec<Change> {
        self.changes.lock().clone()
    }

    /// Holds that each call that changed a tenant has its one entry in the audit trail, and that none has two;
    /// where the trail can not be read by this client, or is longer than a page, nothing is held.
    ///
    /// # Panics
    /// Where an entry is missing, or there are several.
    pub async fn assert_audited(&self) {
        let reply = self.get("/api/v1/audit?limit=1000").await;
        if !reply.status.is_success() {
            return;
        }
        let trail = reply.json();
        let entries = trail["entries"].as_array().map(Vec::as_slice).unwrap_or_default();
        if trail["total_count"].as_u64() > Some(entries.len() as u64) {
            return;
        }
        let mut rolled_out = HashSet::new();
        for change in self.changes() {
            let (Some(_), Some(deployment_id)) = (&change.tenant_id, &change.deployment_id) else { continue };
            let of_it = |entry: &&Value| {
                entry["request_id"] == change.request_id.as_str() && entry["actor"] != "controller"
            };
            let found = entries.iter().filter(of_it).count();
            // The same again changes nothing.
            let changed = rolled_out.insert(deployment_id.clone());
            assert!(found == 1 || (!changed && found == 0), "{found} entries of {change:?}: {trail:#}");
        }
    }

    /// The same client with a bearer token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// A request with the mode header, for tests that add more to it.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.bare(method, path).header("x-demo-mode", self.demo_mode);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// A request without any header of the API.
    pub fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// Sends a request and reads the whole answer, which must be one that the API's document allows.
    ///
    /// # Panics
    /// Where there is no answer.
    pub async fn send(&self, request: RequestBuilder) -> Reply {
        let reply = async {
            let request = request.build().context("no request")?;
            let (method, path) = (request.method().clone(), request.url().path().to_owned());
            let is_trial = request.url().query().is_some_and(|query| query.contains("dry_run=true"));
            let response = self.http.execute(request).await.context("no response")?;
            let (status, headers) = (response.status(), response.headers().clone());
            let reply = Reply { status, headers, text: response.text().await.context("no body")? };
            contract::check(&method, &path, &reply);
            if status.is_success() && method != Method::GET && method != Method::HEAD && !is_trial {
                let request_id = reply.header("x-request-id").to_owned();
                let answer: Value = serde_json::from_str(&reply.text).unwrap_or_default();
                let text = |key: &str| answer[key].as_str().map(str::to_owned);
                let tenant_id = text("tenant_id");
                let deployment_id = text("deployment_id").or_else(|| text("deletion_id"));
                self.changes.lock().push(Change { method, path, tenant_id, deployment_id, request_id });
            }
            anyhow::Ok(reply)
        };
        reply.await.expect("the server answers")
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Reply {
        self.send(self.request(Method::GET, path)).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Reply {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// POST of a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// PUT of a JSON body.
    pub async fn put(&self, path: &str, body: &Value) -> Reply {
        self.send(self.request(Method::PUT, path).json(body)).await
    }

    /// POST of any text as JSON.
    pub async fn post_text(&self, path: &str, body: &str) -> Reply {
        let request = self.request(Method::POST, path).header("content-type", "application/json");
        self.send(request.body(body.to_owned())).await
    }
}
