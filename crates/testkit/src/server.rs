//! The program's own server on a free port of loopback, with its files in a temporary folder.

use crate::{Client, Socket};
use ecp_core::ports::{Clock, SystemClock};
use ecp_orchestrator::App;
use ecp_orchestrator::config::{Config, Overrides, TokenPolicy};
use ecp_testservers::Postgres;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// How a test server differs from the usual one.
pub struct TestServerBuilder {
    config: Config,
    clock: Arc<dyn Clock>,
    folder: Option<TempDir>,
}

impl TestServerBuilder {
    /// Changes the configuration.
    #[must_use]
    pub fn configure(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Sets the clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Requires bearer tokens.
    #[must_use]
    pub fn tokens(self) -> Self {
        self.configure(|config| config.auth.tokens = TokenPolicy::On)
    }

    /// Uses the folder of a server that was stopped.
    #[must_use]
    pub fn folder(mut self, folder: TempDir) -> Self {
        self.folder = Some(folder);
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// Where it does not start.
    pub async fn start(self) -> TestServer {
        let folder = self.folder.unwrap_or_else(|| tempfile::tempdir().expect("a temporary folder"));
        let mut config = self.config;
        config.listen.set_port(0);
        config.data_dir = folder.path().to_owned();
        if std::env::var_os("ECP_TEST_POSTGRES").is_some() && config.database_url.is_empty() {
            config.database_url = database_of(folder.path());
        }
        let app = App::start(config, self.clock).await.expect("the server starts");
        let client = Client::new(format!("http://{}", app.address()));
        TestServer { app, client, folder }
    }
}

/// A database on the shared server that belongs to a folder, so that both are found again together.
fn database_of(folder: &Path) -> String {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let name = folder.join("database");
    std::fs::read_to_string(&name).unwrap_or_else(|_| {
        let url = Postgres::shared().database(&format!("it_{}", MADE.fetch_add(1, Ordering::Relaxed)));
        std::fs::write(&name, &url).expect("the folder can be written");
        url
    })
}

/// A running server.
pub struct TestServer {
    app: App,
    client: Client,
    folder: TempDir,
}

impl TestServer {
    /// A server in demo mode without seeds and made-up load, and with a cluster so quick that a
    /// deployment takes a fraction of a second.
    pub fn builder() -> TestServerBuilder {
        let mut config =
            Config::load(&Overrides::default(), |_| None).expect("the default configuration is valid");
        config.demo.seed = false;
        config.demo.load = false;
        config.demo_speed = 5000.0;
        TestServerBuilder { config, clock: Arc::new(SystemClock), folder: None }
    }

    /// [`Self::builder`], started.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// A client in demo mode without a token.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> std::net::SocketAddr {
        self.app.address()
    }

    /// Folder of the databases.
    pub fn data_dir(&self) -> &Path {
        self.folder.path()
    }

    /// Opens a WebSocket in demo mode.
    ///
    /// # Panics
    /// Where the handshake is refused.
    pub async fn socket(&self, path: &str) -> Socket {
        self.try_socket(path, &[("x-demo-mode", "true")])
            .await
            .unwrap_or_else(|(status, body)| panic!("the handshake was answered {status}: {body}"))
    }

    /// Opens a WebSocket with headers of the test's own.
    pub async fn try_socket(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Socket, (u16, String)> {
        Socket::open(&format!("ws://{}{path}", self.app.address()), headers).await
    }

    /// Creates a tenant in demo mode.
    ///
    /// # Panics
    /// Where it is refused.
    pub async fn create(&self, tenant: &Value) -> Value {
        self.client.post("/api/v1/tenants/", tenant).await.expect(201).json()
    }

    /// Follows a deployment to its end over its WebSocket and returns the last frame.
    ///
    /// # Panics
    /// Where it does not end.
    pub async fn follow(&self, deployment_id: &str) -> Value {
        let mut socket = self.socket(&format!("/ws/deployment/{deployment_id}")).await;
        let mut last = Value::Null;
        loop {
            match socket.next().await {
                Ok(frame) => last = frame,
                Err(code) => {
                    assert_eq!(code, 1000, "after {last}");
                    self.client.assert_audited().await;
                    return last;
                }
            }
        }
    }

    /// Creates a tenant and waits until its deployment has ended; returns the last frame.
    pub async fn deploy(&self, tenant: &Value) -> Value {
        let created = self.create(tenant).await;
        self.follow(created["deployment_id"].as_str().expect("a deployment id")).await
    }

    /// Waits until a GET answers with a status, as long as a test's patience lasts.
    ///
    /// # Panics
    /// Where it does not come to that.
    pub async fn wait_for_status(&self, path: &str, status: u16) {
        let until = std::time::Instant::now() + Duration::from_secs(20);
        while self.client.get(path).await.status.as_u16() != status {
            assert!(std::time::Instant::now() < until, "{path} never answered {status}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Stops it as SIGTERM does and gives back its folder.
    ///
    /// # Panics
    /// Where it does not stop in time.
    pub async fn stop(self) -> TempDir {
        self.app.stop().await.expect("the server stops");
        self.folder
    }

    /// Path of a file in the data folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
