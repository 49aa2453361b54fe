//! Starts the program: as a server, and as a command against it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use tempfile::TempDir;

/// The program.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ecp"));
    // Nothing of the developer's own settings.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ECP_")) {
        command.env_remove(name);
    }
    command.env("LANG", "C").env("ECP_CONTEXTS", "/nonexistent/contexts.toml");
    command
}

/// A server in demo mode, on a port and a folder of its own.
pub struct Server {
    child: Child,
    pub url: String,
    _folder: TempDir,
}

impl Server {
    pub fn start() -> Self {
        Self::at_speed("2000")
    }

    /// One whose simulated cluster lives so many times faster than life.
    pub fn at_speed(speed: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut child = program()
            .args(["serve", "--listen", "127.0.0.1:0", "--demo-speed", speed, "--data-dir"])
            .arg(folder.path())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let lines = lines_of(child.stderr.take().expect("piped"));
        let ready = lines.iter().find_map(|line| Some(line.split_once("ready: ")?.1.to_owned()));
        let url = ready
            .expect("the server says where it listens")
            .split("/docs")
            .next()
            .unwrap_or_default()
            .to_owned();
        Self { child, url, _folder: folder }
    }

    /// A command against it, in demo mode.
    pub fn command(&self) -> Command {
        let mut command = program();
        command.env("ECP_SERVER", &self.url).env("ECP_DEMO", "true");
        command
    }

    /// Runs a command against it.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ran {
        finish(self.command().args(arguments), "")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// Its standard output, after it did what it should.
    pub fn done(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }
}

/// Runs a command to its end with this standard input.
pub fn finish(command: &mut Command, input: &str) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    // A command that reads no input may have closed it already.
    let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("the command ends");
    Ran {
        code: output.status.code().expect("no signal"),
        out: String::from_utf8(output.stdout).expect("UTF-8"),
        err: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// The lines of a stream as they come, read on a thread of its own so that nobody blocks on a full pipe.
pub fn lines_of(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            // Nobody may be listening any more; the pipe is emptied all the same.
            let _ = sender.send(line);
        }
    });
    receiver
}
