//! The program itself, in a process of its own.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The program itself, in a process that can be killed.
pub(crate) struct Victim {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Kept open and drained, so that a full pipe never blocks the server.
    drain: Option<std::thread::JoinHandle<()>>,
}

impl Victim {
    pub(crate) fn start(data_dir: &Path) -> Self {
        Self::start_by(Command::new(env!("CARGO_BIN_EXE_ecp")), data_dir)
    }

    /// Starts it with variables of the environment.
    pub(crate) fn start_with(variables: &[(&str, &str)], data_dir: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ecp"));
        command.envs(variables.iter().copied());
        Self::start_by(command, data_dir)
    }

    /// Starts it where it may open so many files.
    pub(crate) fn start_with_files(files: u32, data_dir: &Path) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -n {files}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_ecp")]);
        Self::start_by(shell, data_dir)
    }

    fn start_by(mut command: Command, data_dir: &Path) -> Self {
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0", "--demo-speed", "5000", "--data-dir"])
            .arg(data_dir)
            .env("ECP_DEMO__SEED", "false")
            .env("ECP_DEMO__LOAD", "false")
            .env("ECP_LOG__FORMAT", "json")
            .env("ECP_LOG__LEVEL", "warn,ecp=info")
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(child.stderr.take().expect("standard error is piped"));
        let mut line = String::new();
        let address = loop {
            line.clear();
            assert_ne!(
                lines.read_line(&mut line).expect("a line"),
                0,
                "the program ended before it was ready"
            );
            let event: Value = serde_json::from_str(&line).unwrap_or_default();
            if let Some(address) = event["listen"].as_str() {
                break address.parse().expect("an address");
            }
        };
        let drain = std::thread::spawn(move || {
            let _ = lines.read_to_end(&mut Vec::new());
        });
        Self { child, address, drain: Some(drain) }
    }

    /// Kills it as `kill -9` does, and waits for its end.
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// Asks it to end, as SIGTERM does, and waits; true where it ended by itself, with 0.
    pub(crate) fn ends_well_when_asked(mut self) -> bool {
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
        asked.success() && self.child.wait().expect("it ends").success()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The most memory that it had, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("its status");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak");
        peak.trim().trim_end_matches(" kB").parse::<u64>().expect("kB") * 1024
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // One that has ended already takes it as well.
        self.child.kill().expect("SIGKILL is delivered");
        self.child.wait().expect("it ends");
        if let Some(drain) = self.drain.take() {
            drain.join().expect("the reader ends with the pipe");
        }
    }
}
