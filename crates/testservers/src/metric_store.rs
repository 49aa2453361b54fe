//! A metric store over a temporary folder: VictoriaMetrics, or Prometheus where a test asks for it.
//!
//! Their programs are looked for on PATH, then in the user's cache. Where they are nowhere, VictoriaMetrics is built
//! there from its Go module (a minute, without root) and Prometheus taken out of Debian's package. A server that can
//! not be had fails the test.

use crate::process::{ending_with_us, read};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a server may take to answer.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// The module that VictoriaMetrics is built from.
const MODULE: &str = "github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-metrics@v1.138.0";

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricStoreKind {
    /// Windows of PromQL without their first moment; one of equal moments counts.
    VictoriaMetrics,
    /// Debian's, of which windows have their first moment; takes samples out of order of the last year.
    Prometheus,
}

/// A server of this process alone; it ends when this is dropped.
pub struct MetricStoreServer {
    kind: MetricStoreKind,
    port: u16,
    server: Child,
    folder: TempDir,
}

impl MetricStoreServer {
    /// Starts an empty store.
    ///
    /// # Errors
    /// The program is neither found nor to be had, or does not run; the text says which.
    pub fn start(kind: MetricStoreKind) -> io::Result<Self> {
        let folder = TempDir::new()?;
        let mut last = String::new();
        // Another process may take the port before the server does: then it is tried again.
        for _ in 0..5 {
            let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
            let mut server = spawn(kind, port, folder.path())?;
            if answers(port, folder.path(), &mut server) {
                return Ok(Self { kind, port, server, folder });
            }
            let _ = server.kill();
            let _ = server.wait();
            last = read(&folder.path().join("log"));
        }
        Err(io::Error::other(format!("{kind:?} does not start: {last}")))
    }

    /// Its address, for reading and writing; it has a path, as behind a proxy.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}{}", self.port, path_of(self.folder.path()))
    }

    /// Has what was written shown at once, where the store would take a second for it.
    pub fn show_all(&self) {
        if self.kind == MetricStoreKind::VictoriaMetrics {
            let path = format!("{}/internal/force_flush", path_of(self.folder.path()));
            let answer = get(self.port, &path).expect("it answers");
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
    }

    /// Ends the server at once, as a crash would.
    pub fn stop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }

    /// Starts it again on its port with what it had.
    pub fn restart(&mut self) {
        self.server = spawn(self.kind, self.port, self.folder.path()).expect("it starts");
        assert!(answers(self.port, self.folder.path(), &mut self.server), "it answers on its port again");
    }
}

impl Drop for MetricStoreServer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(kind: MetricStoreKind, port: u16, folder: &Path) -> io::Result<Child> {
    let data = folder.join("data");
    let listen = format!("127.0.0.1:{port}");
    let mut command = match kind {
        MetricStoreKind::VictoriaMetrics => {
            let mut command = Command::new(program("victoria-metrics", build_victoria_metrics)?);
            command.arg(format!("-storageDataPath={}", data.display()));
            command.args([&format!("-httpListenAddr={listen}"), "-retentionPeriod=400d"]);
            command.args(["-dedup.minScrapeInterval=1ms", "-memory.allowedBytes=128MB"]);
            command.arg(format!("-http.pathPrefix={}", path_of(folder)));
            command
        }
        MetricStoreKind::Prometheus => {
            let file = folder.join("prometheus.yml");
            fs::write(&file, "storage:\n  tsdb:\n    out_of_order_time_window: 400d\n")?;
            let mut command = Command::new(program("prometheus", take_prometheus)?);
            command.arg(format!("--config.file={}", file.display()));
            command.arg(format!("--storage.tsdb.path={}", data.display()));
            command.args([&format!("--web.listen-address={listen}"), "--storage.tsdb.retention.time=400d"]);
            command.args(["--web.enable-remote-write-receiver", "--web.enable-admin-api"]);
            command.arg(format!("--web.external-url=http://{listen}{}/", path_of(folder)));
            // Nothing is moved from memory to blocks meanwhile: this release can lose the first sample of a series that
            // is made just then (prometheus/prometheus#16333).
            command
                .args(["--storage.tsdb.min-block-duration=400d", "--storage.tsdb.max-block-duration=400d"]);
            command
        }
    };
    let log = File::options().create(true).append(true).open(folder.join("log"))?;
    command.current_dir(folder).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    ending_with_us(&mut command).spawn()
}

/// A program on PATH or in the cache; it is brought there where it is in neither.
fn program(name: &str, bring: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(found) =
        std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.exists())
    {
        return Ok(found);
    }
    let cache = crate::process::cache("metric-stores")?;
    fs::create_dir_all(&cache)?;
    let lock = File::create(cache.join("lock"))?;
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)?;
    let kept = cache.join(name);
    if !kept.exists() {
        bring(&cache)?;
    }
    if kept.exists() { Ok(kept) } else { Err(io::Error::other(format!("{} is not there", kept.display()))) }
}

fn build_victoria_metrics(cache: &Path) -> io::Result<()> {
    let built = Command::new("go")
        .args(["install", "-trimpath", "-buildvcs=false", MODULE])
        .envs([("GOBIN", cache.as_os_str()), ("CGO_ENABLED", "0".as_ref()), ("GOFLAGS", "".as_ref())])
        .status();
    if built.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "no VictoriaMetrics: put victoria-metrics on PATH, or let `go install {MODULE}` succeed"
    )))
}

fn take_prometheus(cache: &Path) -> io::Result<()> {
    let folder = TempDir::new_in(cache)?;
    let script = "apt-get download prometheus && dpkg-deb -x prometheus_*.deb . && mv usr/bin/prometheus ..";
    let taken =
        Command::new("sh").args(["-c", script]).current_dir(folder.path()).stdout(Stdio::null()).status();
    if taken.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    Err(io::Error::other(
        "no Prometheus: put prometheus on PATH, or let `apt-get download prometheus` succeed",
    ))
}

/// The path that this server alone serves: who took its port instead does not know it.
fn path_of(folder: &Path) -> String {
    format!("/{}", folder.file_name().unwrap_or_default().to_string_lossy().trim_start_matches('.'))
}

fn answers(port: u16, folder: &Path, server: &mut Child) -> bool {
    let path = format!("{}/api/v1/query?query=1", path_of(folder));
    let deadline = Instant::now() + READY_WITHIN;
    while Instant::now() < deadline {
        if !matches!(server.try_wait(), Ok(None)) {
            return false;
        }
        if get(port, &path).is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

/// The head and body of an answer; the connection ends with it.
fn get(port: u16, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(READY_WITHIN))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
