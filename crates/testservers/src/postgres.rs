//! A PostgreSQL server over a temporary folder.
//!
//! Its programs are looked for on PATH, then where Debian keeps them, then in the user's cache; where there
//! are none, those of the package `pgserver` are fetched there with pip, without root.

use crate::process::{cache, ending_with_us, read};
use std::fs::{self, File};
use std::io;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Whose user and group the server runs as where the tests run as root, which it refuses to.
const NOBODY: u32 = 65534;
/// How long the programs may take.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// The package that has the programs.
const PACKAGE: &str = "pgserver==0.1.4";

/// A server of this process alone; it ends when this is dropped.
pub struct Postgres {
    port: u16,
    server: Child,
    programs: PathBuf,
    folder: TempDir,
    tls: Tls,
}

/// Whether the server speaks TLS, and nothing else then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tls {
    Off,
    Required,
}

impl Tls {
    fn sslmode(self) -> &'static str {
        match self {
            Self::Off => "disable",
            Self::Required => "require",
        }
    }
}

impl Postgres {
    /// The server that the tests of this process share; it is ended with the process, by the kernel.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| {
            // The kernel ends the server with the thread that started it: that one must not be a test's.
            let (started, server) = std::sync::mpsc::channel();
            std::thread::spawn(move || {
                let _ = started.send(Self::start());
                loop {
                    std::thread::park();
                }
            });
            server.recv().expect("it is tried").expect("PostgreSQL starts")
        })
    }

    /// Starts a server with an empty database.
    ///
    /// # Errors
    /// The programs are neither found nor to be had, or do not run; the text says which.
    pub fn start() -> io::Result<Self> {
        Self::start_with(Tls::Off)
    }

    /// Starts a server that refuses connections without TLS. Its certificate, for 127.0.0.1, is of the authority in
    /// [`Self::file`] `ca.pem`; `other.pem` there is an authority that made nothing.
    ///
    /// # Errors
    /// As [`Self::start`]; or openssl can not be run.
    pub fn start_requiring_tls() -> io::Result<Self> {
        Self::start_with(Tls::Required)
    }

    fn start_with(tls: Tls) -> io::Result<Self> {
        let programs = programs()?;
        let folder = TempDir::new()?;
        let data = folder.path().join("data");
        fs::create_dir(&data)?;
        give_away(folder.path())?;
        give_away(&data)?;
        let log = File::create(folder.path().join("log"))?;
        let made = program(&programs, "initdb", folder.path())
            .args(["--username=ecp", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync", "-D"])
            .arg(&data)
            .stdout(log.try_clone()?)
            .stderr(log.try_clone()?)
            .status()?;
        if !made.success() {
            return Err(io::Error::other(format!("initdb failed: {}", read(&folder.path().join("log")))));
        }
        if tls == Tls::Required {
            certify(folder.path())?;
            fs::write(data.join("pg_hba.conf"), "hostssl all all 127.0.0.1/32 trust\n")?;
        }
        // Another process may take the port before the server does: then it is tried again.
        for _ in 0..5 {
            let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
            let mut server = server(&programs, folder.path(), port, tls);
            let mut server = ending_with_us(&mut server).stderr(log.try_clone()?).spawn()?;
            if answers(&programs, folder.path(), port, tls, &mut server) {
                return Ok(Self { port, server, programs, folder, tls });
            }
            let _ = server.kill();
            let _ = server.wait();
        }
        Err(io::Error::other(format!("postgres does not start: {}", read(&folder.path().join("log")))))
    }

    /// Address of a database.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://ecp@127.0.0.1:{}/{database}?sslmode={}", self.port, self.tls.sslmode())
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A file of its folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A database of its own on this server, made now.
    pub fn database(&self, name: &str) -> String {
        let made = program(&self.programs, "psql", self.folder.path())
            .args([&self.url(), "-q", "-c", &format!("CREATE DATABASE {name}")])
            .status();
        assert!(made.expect("psql runs").success(), "a database is made");
        self.url_of(name)
    }

    /// Runs SQL in a database and gives what it prints, rows in lines.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let url = self.url_of(database);
        let output = program(&self.programs, "psql", self.folder.path())
            .args([&url, "-At", "-v", "ON_ERROR_STOP=1", "-c", sql])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output()
            .expect("psql runs");
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Ends the server at once, as a crash would; [`Self::restart`] starts it again on the same port.
    pub fn stop(&mut self) {
        let _ = program(&self.programs, "pg_ctl", self.folder.path())
            .args(["stop", "-m", "immediate", "-s", "-D"])
            .arg(self.folder.path().join("data"))
            .status();
        let _ = self.server.wait();
    }

    /// Starts it again with what it had.
    pub fn restart(&mut self) {
        let mut server = server(&self.programs, self.folder.path(), self.port, self.tls);
        let mut server = ending_with_us(&mut server).stderr(Stdio::null()).spawn().expect("it starts");
        assert!(
            answers(&self.programs, self.folder.path(), self.port, self.tls, &mut server),
            "it answers on its port again"
        );
        self.server = server;
    }

    /// Process of the server.
    pub fn pid(&self) -> u32 {
        self.server.id()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Where the programs are; they are fetched where they are nowhere.
fn programs() -> io::Result<PathBuf> {
    if let Some(found) = found() {
        return Ok(found);
    }
    let cache = cache("postgres")?;
    fs::create_dir_all(&cache)?;
    let lock = File::create(cache.join("lock"))?;
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)?;
    let programs = cache.join("pgserver/pginstall/bin");
    if !programs.join("postgres").exists() {
        let fetched = Command::new("python3")
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target"])
            .args([cache.as_os_str(), PACKAGE.as_ref()])
            .status();
        if !fetched.is_ok_and(|status| status.success()) || !programs.join("postgres").exists() {
            return Err(io::Error::other(format!(
                "no PostgreSQL server: install it (on Debian or Ubuntu: apt-get install postgresql), or let \
                 `python3 -m pip install --target {} {PACKAGE}` succeed",
                cache.display()
            )));
        }
    }
    Ok(programs)
}

fn found() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|version| version.path().join("bin")).collect())
        .unwrap_or_default();
    folders.sort();
    folders.reverse();
    let on_path = std::env::split_paths(&path);
    // All of them, from one version.
    let complete = |folder: &PathBuf| {
        ["postgres", "initdb", "psql", "pg_ctl"].iter().all(|program| folder.join(program).exists())
    };
    on_path.chain(folders).find(complete)
}

/// A program of the server, as a user that it accepts.
fn program(programs: &Path, name: &str, folder: &Path) -> Command {
    let mut command = Command::new(programs.join(name));
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).env("LC_ALL", "C");
    // Where they look for certificates: not into a folder that another user's process may not read.
    command.env("HOME", folder);
    if rustix::process::getuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// The server over the folder's data.
fn server(programs: &Path, folder: &Path, port: u16, tls: Tls) -> Command {
    let mut server = program(programs, "postgres", folder);
    server.arg("-D").arg(folder.join("data"));
    server.args(["-p", &port.to_string(), "-k", "", "-h", "127.0.0.1", "-c", "max_connections=300"]);
    if tls == Tls::Required {
        for (name, file) in [("ssl_cert_file", "server.pem"), ("ssl_key_file", "server.key")] {
            server.args(["-c", &format!("{name}={}", folder.join(file).display())]);
        }
        server.args(["-c", "ssl=on"]);
    }
    server
}

/// Makes two authorities, and a certificate of the first for the server.
fn certify(folder: &Path) -> io::Result<()> {
    const KEY: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let make = |name: &str, rest: &[&str]| {
        let (key, certificate) = (format!("{name}.key"), format!("{name}.pem"));
        let mut openssl = program(Path::new(""), "openssl", folder);
        openssl.args(["req", "-x509", "-days", "3650", "-subj", &format!("/CN={name}")]).args(KEY);
        let output = openssl.args(["-keyout", &key, "-out", &certificate]).args(rest).output();
        let output = output.map_err(|error| {
            io::Error::other(format!("no certificates: openssl can not be run ({error}); put it on PATH"))
        })?;
        if output.status.success() {
            return Ok(());
        }
        Err(io::Error::other(format!("openssl failed: {}", String::from_utf8_lossy(&output.stderr))))
    };
    make("ca", &[])?;
    make("other", &[])?;
    let of_server =
        ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"];
    make("server", &[&["-CA", "ca.pem", "-CAkey", "ca.key"][..], &of_server].concat())
}

fn give_away(folder: &Path) -> io::Result<()> {
    if rustix::process::getuid().is_root() {
        std::os::unix::fs::chown(folder, Some(NOBODY), Some(NOBODY))?;
    }
    Ok(())
}

fn answers(programs: &Path, folder: &Path, port: u16, tls: Tls, server: &mut Child) -> bool {
    let url = format!("postgres://ecp@127.0.0.1:{port}/postgres?sslmode={}", tls.sslmode());
    let deadline = Instant::now() + READY_WITHIN;
    while Instant::now() < deadline {
        if !matches!(server.try_wait(), Ok(None)) {
            return false;
        }
        let mut asked = program(programs, "psql", folder);
        let asked = asked.args([&url, "-c", "SELECT 1"]).stderr(Stdio::null()).status();
        if asked.is_ok_and(|status| status.success()) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}
