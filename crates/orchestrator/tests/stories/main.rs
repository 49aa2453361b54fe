//! The stories of `tests/stories`, each run by a shell on a server of its own in demo mode.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Stories tell receivers of alerts on this machine.
const CONFIG: &str = "[notifications]\nallow_private = [\"127.0.0.1/32\"]\n";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/stories")
}

fn without_settings(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ECP_")) {
        command.env_remove(name);
    }
    command.env("LANG", "C");
    command
}

struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(data: &Path, config: &str) -> Self {
        let file = data.join("ecp.toml");
        std::fs::write(&file, config).expect("written");
        let mut child = without_settings(env!("CARGO_BIN_EXE_ecp"))
            .args(["serve", "--listen", "127.0.0.1:0", "--demo-speed", "2000", "--data-dir"])
            .arg(data)
            .arg("--config")
            .arg(file)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
        let ready = lines.find_map(|line| Some(line.split_once("ready: ")?.1.to_owned()));
        let url = ready.expect("the server says where it listens");
        // The pipe is emptied, so that the server never waits for its reader.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url: url.split("/docs").next().unwrap_or_default().to_owned() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(story: &str, config: &str) {
    let data = tempfile::tempdir().expect("a folder");
    let server = Server::start(data.path(), config);
    let programs = Path::new(env!("CARGO_BIN_EXE_ecp")).parent().expect("a folder");
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").expect("PATH"));
    let ran = without_settings("bash")
        .arg(folder().join(format!("{story}.sh")))
        .env("PATH", path)
        .env("ECP_SERVER", &server.url)
        .env("ECP_DEMO", "true")
        .env("ECP_CONTEXTS", data.path().join("contexts.toml"))
        .stdin(Stdio::null())
        .output()
        .expect("bash runs");
    let said = String::from_utf8_lossy(&ran.stdout);
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{story}: {}\n{said}\n{errors}", ran.status);
}

/// A test for each story, and one that none is left out.
macro_rules! stories {
    ($($name:ident: $story:literal,)*) => {
        $(#[test]
        fn $name() {
            run($story, CONFIG);
        })*

        #[test]
        fn no_story_is_left_out() {
            let known = ["story", $($story),*];
            for entry in std::fs::read_dir(folder()).expect("the stories") {
                let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
                if let Some(story) = name.strip_suffix(".sh") {
                    assert!(known.contains(&story), "{story} is not run");
                }
            }
        }
    };
}

stories! {
    a_tenant_is_slow_and_why: "slow-tenant",
    who_uses_most_gpu: "most-gpu",
    two_hundred_channels_more: "200-channels",
    a_roll_out_that_fails_to_its_end: "failed-rollout",
    what_changed_last_night: "last-night",
    every_tenant_to_git_and_back: "git",
    a_tenant_that_argo_cd_applies: "given-away",
    back_to_what_ran_by_hand: "rollback",
    costs_of_last_month_to_the_cent: "last-months-costs",
    a_threshold_for_one_tenant_alone: "one-threshold",
    a_page_by_alertmanager_and_by_a_webhook_that_fails_twice: "page",
    silence_for_an_hour: "silence",
}
