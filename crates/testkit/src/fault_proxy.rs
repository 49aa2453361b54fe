//! A fault injector between a client and a real Kubernetes API server: a plain HTTP proxy on
//! loopback that passes everything on, but for the faults that a test switches on.
//!
//! It makes up no answer of its own other than those faults, and it counts what passes. It speaks to
//! the API server with the identity of the kubeconfig it is given and asks its own clients for none.
//! It runs on a thread of its own, so that a test may block. Upgrades (exec, attach) do not pass.

mod rules;
mod stream;

pub use rules::{Fault, Scope};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::client::Body;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use parking_lot::Mutex;
use rules::{Passing, Rule};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use stream::{Line, LineState};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{oneshot, watch};

type AnyBody = UnsyncBoxBody<Bytes, std::io::Error>;

/// A running proxy; it ends when it is dropped.
pub struct FaultProxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    folder: TempDir,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

struct Shared {
    client: kube::Client,
    rules: Mutex<Vec<Rule>>,
    passed: Mutex<HashMap<Passing, u64>>,
    line: watch::Sender<LineState>,
}

impl FaultProxy {
    /// Starts a proxy in front of the cluster of a kubeconfig.
    ///
    /// # Panics
    /// Where the kubeconfig is of no use, or loopback has no free port.
    pub fn start(kubeconfig: &Path) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (ready, started) = std::sync::mpsc::channel();
        let upstream = kubeconfig.to_owned();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime for the proxy");
            runtime.block_on(async move {
                let listener = listen(0);
                let address = listener.local_addr().expect("an address");
                let shared = Arc::new(Shared {
                    client: connect(&upstream).await,
                    rules: Mutex::default(),
                    passed: Mutex::default(),
                    line: watch::Sender::new(LineState::default()),
                });
                ready.send((shared.clone(), address)).expect("somebody waits for the proxy");
                tokio::select! {
                    () = accept(shared, listener, address.port()) => {}
                    _ = stopped => {}
                }
            });
        });
        let (shared, address) = started.recv().expect("the proxy starts");
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("kubeconfig"), own_kubeconfig(address)).expect("a kubeconfig");
        Self { shared, address, folder, stop: Some(stop), thread: Some(thread) }
    }

    /// The file by which a client comes through this proxy.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers the requests in the scope with the fault until [`Self::clear`]. The first rule that
    /// fits a request is the one that counts.
    pub fn inject(&self, scope: Scope, fault: Fault) {
        self.shared.rules.lock().push(Rule { scope, fault, skip: 0, left: None });
    }

    /// The same for the next so many requests only.
    pub fn inject_times(&self, scope: Scope, fault: Fault, times: u64) {
        self.shared.rules.lock().push(Rule { scope, fault, skip: 0, left: Some(times) });
    }

    /// Answers the requests in the scope with the fault from the one after so many until [`Self::clear`].
    pub fn inject_after(&self, passed: u64, scope: Scope, fault: Fault) {
        self.shared.rules.lock().push(Rule { scope, fault, skip: passed, left: None });
    }

    /// Ends all faults: rules, silence and refusal. Requests that were swallowed stay unanswered.
    pub fn clear(&self) {
        self.shared.rules.lock().clear();
        self.shared.line.send_modify(|state| state.line = Line::Open);
    }

    /// Closes every connection and refuses new ones until [`Self::clear`].
    pub fn refuse(&self) {
        self.shared.line.send_modify(|state| {
            state.line = Line::Refused;
            state.cuts += 1;
        });
    }

    /// Half-open connections until [`Self::clear`]: open ones fall silent, new ones are taken and
    /// never answered.
    pub fn silence(&self) {
        self.shared.line.send_modify(|state| state.line = Line::Silent);
    }

    /// Breaks every connection that is open now, in the middle of what it carries.
    pub fn cut(&self) {
        self.shared.line.send_modify(|state| state.cuts += 1);
    }

    /// How many requests of the scope have come, those that met a fault included.
    pub fn count(&self, scope: &Scope) -> u64 {
        let passed = self.shared.passed.lock();
        passed.iter().filter(|(passing, _)| scope.covers(passing)).map(|(_, count)| count).sum()
    }

    /// What has come: verb, path and how often, the most frequent first.
    pub fn counts(&self) -> Vec<(String, u64)> {
        let passed = self.shared.passed.lock();
        let mut all: Vec<_> = passed.iter().map(|(passing, count)| (passing.to_string(), *count)).collect();
        all.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
        all
    }

    /// Forgets what has come so far.
    pub fn reset_counts(&self) {
        self.shared.passed.lock().clear();
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn connect(kubeconfig: &Path) -> kube::Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig that can be read");
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .expect("a kubeconfig that names a cluster");
    kube::Client::try_from(config).expect("a client for the cluster")
}

fn own_kubeconfig(address: SocketAddr) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: faults\n\
         clusters: [{{name: faults, cluster: {{server: \"http://{address}\"}}}}]\n\
         users: [{{name: faults, user: {{}}}}]\n\
         contexts: [{{name: faults, context: {{cluster: faults, user: faults}}}}]\n"
    )
}

fn listen(port: u16) -> TcpListener {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("a port that may be taken again at once");
    socket.bind((Ipv4Addr::LOCALHOST, port).into()).expect("a free port of loopback");
    socket.listen(1024).expect("a socket that listens")
}

async fn accept(shared: Arc<Shared>, listener: TcpListener, port: u16) {
    let mut line = shared.line.subscribe();
    let mut listener = Some(listener);
    loop {
        let refused = line.borrow_and_update().line == Line::Refused;
        match (&listener, refused) {
            (Some(_), true) => listener = None,
            (None, false) => listener = Some(listen(port)),
            (None, true) => {
                let _ = line.changed().await;
            }
            (Some(open), false) => tokio::select! {
                connection = open.accept() => {
                    if let Ok((stream, _)) = connection {
                        tokio::spawn(serve(shared.clone(), stream));
                    }
                }
                _ = line.changed() => {}
            },
        }
    }
}

/// Serves a connection until it is closed or cut.
async fn serve(shared: Arc<Shared>, stream: TcpStream) {
    let mut line = shared.line.subscribe();
    let cuts = line.borrow_and_update().cuts;
    let service = service_fn(|request| handle(shared.clone(), request));
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        _ = connection => {}
        _ = line.wait_for(|state| state.cuts != cuts) => {}
    }
}

async fn handle(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<AnyBody>, kube::Error> {
    let passing = Passing::of(&request);
    *shared.passed.lock().entry(passing.clone()).or_default() += 1;
    let mut line = shared.line.subscribe();
    // Where the sender is gone, so is the proxy.
    let _ = line.wait_for(|state| state.line != Line::Silent).await;

    let mut ending = None;
    match rules::next_fault(&mut shared.rules.lock(), &passing) {
        None => {}
        Some(Fault::Delay(time)) => ending = Some(Ending::Delay(time)),
        Some(Fault::EndAfter(time)) => ending = Some(Ending::Stream { time, abrupt: false }),
        Some(Fault::CutAfter(time)) => ending = Some(Ending::Stream { time, abrupt: true }),
        Some(Fault::Swallow) => ending = Some(Ending::Never),
        Some(Fault::SwallowAnswer) => ending = Some(Ending::Unseen),
        Some(Fault::TooManyRequests { retry_after_seconds }) => {
            let mut answer = status(429, "TooManyRequests");
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(retry_after_seconds));
            return Ok(answer);
        }
        Some(Fault::Status(code)) => return Ok(status(code, reason(code))),
        Some(Fault::Gone) => return Ok(gone()),
    }
    match ending {
        Some(Ending::Delay(time)) => tokio::time::sleep(time).await,
        Some(Ending::Never) => std::future::pending().await,
        Some(Ending::Stream { .. } | Ending::Unseen) | None => {}
    }

    let (head, body) = pass_on(&shared.client, request).await?.into_parts();
    if matches!(ending, Some(Ending::Unseen)) {
        // Read to its end: the API server is done with it.
        let _ = body.collect().await;
        return std::future::pending().await;
    }
    let end = match ending {
        Some(Ending::Stream { time, abrupt }) => Some((tokio::time::Instant::now() + time, abrupt)),
        _ => None,
    };
    Ok(Response::from_parts(head, stream::relay(body, line, end)))
}

#[derive(Clone, Copy)]
enum Ending {
    Delay(std::time::Duration),
    Never,
    Unseen,
    Stream { time: std::time::Duration, abrupt: bool },
}

async fn pass_on(client: &kube::Client, request: Request<Incoming>) -> Result<Response<Body>, kube::Error> {
    let (mut head, body) = request.into_parts();
    let body = body.collect().await.map_err(|error| kube::Error::Service(error.into()))?.to_bytes();
    drop_hop_headers(&mut head.headers);
    head.headers.remove(header::HOST);
    let mut answer = client.send(Request::from_parts(head, Body::from(body))).await?;
    drop_hop_headers(answer.headers_mut());
    Ok(answer)
}

/// Headers that are about one connection, not about what it carries.
fn drop_hop_headers(headers: &mut HeaderMap) {
    for name in [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE] {
        headers.remove(name);
    }
}

/// An answer as the API server words it.
fn status(code: u16, reason: &str) -> Response<AnyBody> {
    let body = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": format!("injected by the test: {reason}"), "reason": reason, "code": code,
    });
    answer(code, body.to_string())
}

/// What a watch says whose version the API server has forgotten.
fn gone() -> Response<AnyBody> {
    let event = serde_json::json!({"type": "ERROR", "object": {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "too old resource version: injected by the test", "reason": "Expired", "code": 410,
    }});
    answer(200, format!("{event}\n"))
}

fn answer(code: u16, body: String) -> Response<AnyBody> {
    let body = Full::from(body).map_err(|never| match never {}).boxed_unsync();
    Response::builder()
        .status(code)
        .header(header::CONTENT_TYPE, "application/json")
        .body(body)
        .expect("a status code and a constant header")
}

fn reason(code: u16) -> &'static str {
    match code {
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        410 => "Expired",
        422 => "Invalid",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "InternalError",
    }
}

#[cfg(test)]
mod tests;
