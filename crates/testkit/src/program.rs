//! The program itself, in a process that can be killed.

use crate::Client;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// How the program is started.
pub struct ProgramBuilder {
    command: Command,
}

impl ProgramBuilder {
    /// Adds arguments of `ecp serve`.
    #[must_use]
    pub fn args(mut self, args: &[&str]) -> Self {
        self.command.args(args);
        self
    }

    /// Sets variables of its environment.
    #[must_use]
    pub fn envs(mut self, variables: &[(&str, &str)]) -> Self {
        self.command.envs(variables.iter().copied());
        self
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    /// Where it ends before.
    pub fn start(mut self) -> Program {
        let mut child = self.command.stderr(Stdio::piped()).spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stderr.take().expect("standard error is piped"));
        let (mut line, mut said) = (String::new(), String::new());
        let address = loop {
            line.clear();
            assert_ne!(
                lines.read_line(&mut line).expect("a line"),
                0,
                "it ended before it was ready: {said}"
            );
            said += &line;
            let ready = line.split_once("ready: http://").and_then(|(_, rest)| rest.split_once("/docs"));
            if let Some((address, _)) = ready {
                break address.parse().expect("an address");
            }
        };
        let drain = std::thread::spawn(move || {
            let mut rest = String::new();
            // What was read before an error is what there is to show.
            let _ = lines.read_to_string(&mut rest);
            said + &rest
        });
        Program { child, address, drain: Some(drain) }
    }
}

/// A running process of the program; it is killed as `kill -9` does when it is dropped.
pub struct Program {
    child: Child,
    address: SocketAddr,
    /// Empties the pipe, so that the program never waits for its reader; ends with what it printed.
    drain: Option<std::thread::JoinHandle<String>>,
}

impl Program {
    /// `ecp serve` of this executable on a free port, with its files in the folder, without anything
    /// made up, and in no environment but the one that is given.
    pub fn builder(executable: &str, data_dir: &Path) -> ProgramBuilder {
        Self::by(Command::new(executable), data_dir)
    }

    /// [`Self::builder`] where it may open so many files.
    pub fn builder_with_files(files: u32, executable: &str, data_dir: &Path) -> ProgramBuilder {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -n {files}; exec \"$0\" \"$@\""), executable]);
        Self::by(shell, data_dir)
    }

    /// [`Self::builder`] where a write past the largest size that a file may have is refused, as on a full disk; it
    /// ends the process otherwise.
    pub fn builder_for_full_disks(executable: &str, data_dir: &Path) -> ProgramBuilder {
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", executable]);
        Self::by(shell, data_dir)
    }

    fn by(mut command: Command, data_dir: &Path) -> ProgramBuilder {
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ECP_")) {
            command.env_remove(name);
        }
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data_dir)
            .env("LANG", "C")
            .env("ECP_DEMO_SPEED", "5000")
            .env("ECP_DEMO__SEED", "false")
            .env("ECP_DEMO__LOAD", "false");
        ProgramBuilder { command }
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A client in demo mode without a token.
    pub fn client(&self) -> Client {
        Client::new(format!("http://{}", self.address))
    }

    /// `http://127.0.0.1:PORT` and the path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that it had, in bytes.
    ///
    /// # Panics
    /// Where the system does not tell.
    pub fn peak_memory(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("its status");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak");
        peak.trim().trim_end_matches(" kB").parse::<u64>().expect("kB") * 1024
    }

    /// Kills it as `kill -9` does, waits for its end, and returns what it printed.
    ///
    /// # Panics
    /// Where it ended by itself before.
    pub fn kill(mut self) -> String {
        assert!(self.child.try_wait().expect("its state").is_none(), "it ended by itself: {}", self.end());
        self.end()
    }

    /// Asks it to end, as SIGTERM does, and waits; true where it ended by itself, with 0.
    ///
    /// # Panics
    /// Where it cannot be asked.
    pub fn ends_well_when_asked(mut self) -> bool {
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
        asked.success() && self.child.wait().expect("it ends").success()
    }

    fn end(&mut self) -> String {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.drain.take().and_then(|drain| drain.join().ok()).unwrap_or_default()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.end();
    }
}
