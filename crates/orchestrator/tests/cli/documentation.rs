//! The examples of `docs/CLI.md`, run from top to bottom by a shell, and those of the READMEs with what they print.

use crate::harness::{Server, finish};
use std::path::Path;

#[test]
fn every_example_of_the_page_runs() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/CLI.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let examples: Vec<&str> =
        page.split("```sh\n").skip(1).filter_map(|part| part.split("```").next()).collect();
    assert!(examples.len() >= 6, "{} examples", examples.len());
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a folder");
    let program = Path::new(env!("CARGO_BIN_EXE_ecp")).parent().expect("a folder");
    let path = format!("{}:{}", program.display(), std::env::var("PATH").expect("PATH"));
    for example in examples {
        let mut shell = std::process::Command::new("bash");
        // The server is named only where the page names it: in the context that it makes.
        shell
            .args(["-euo", "pipefail", "-c"])
            .arg(example)
            .current_dir(folder.path())
            .env("PATH", &path)
            .env("ECP_CONTEXTS", folder.path().join("contexts.toml"))
            .env_remove("ECP_DEMO");
        if example.contains("$ECP_SERVER") {
            shell.env("ECP_SERVER", &server.url);
        } else {
            shell.env_remove("ECP_SERVER");
        }
        let ran = finish(&mut shell, "");
        assert_eq!(ran.code, 0, "{example}\n{ran:?}");
    }
}

/// A line without what is another each time: ids of roll-outs, and how long ago something was.
fn lasting(line: &str) -> String {
    let id = regex_lite::Regex::new(r"\b(dep|del)-[0-9a-z]{12}\b").expect("a pattern");
    let age = regex_lite::Regex::new(r"\b[0-9]+[smhdy]$").expect("a pattern");
    age.replace(&id.replace_all(line.trim_end(), "$1-ID"), "AGE").into_owned()
}

/// Whether a command printed what a page shows of it; `…` stands for any lines.
fn prints(shown: &[&str], printed: &str) -> Result<(), String> {
    let mut lines = printed.lines().map(lasting);
    let mut is_gap = false;
    for line in shown {
        if *line == "…" {
            is_gap = true;
            continue;
        }
        let wanted = lasting(line);
        match lines.next() {
            Some(line) if line == wanted => {}
            Some(_) if is_gap && lines.any(|line| line == wanted) => {}
            other => return Err(format!("{other:?} where the page has {wanted:?}")),
        }
        is_gap = false;
    }
    match lines.next() {
        Some(line) if !is_gap => Err(format!("{line:?} is not on the page")),
        _ => Ok(()),
    }
}

#[test]
fn the_command_line_of_the_readmes_prints_what_they_show() {
    for name in ["README.md", "README.ko.md"] {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
        let page = std::fs::read_to_string(page).expect("the page");
        let blocks = page.split("```console\n").skip(1).filter_map(|part| part.split("```").next());
        let server = Server::start();
        let mut ran = 0;
        for block in blocks.filter(|block| block.contains("$ target/release/ecp ")) {
            for step in block.split("$ target/release/ecp ").skip(1) {
                let mut lines: Vec<&str> = step.trim_end().lines().collect();
                lines.retain(|line| !line.starts_with("$ export "));
                let (command, shown) = lines.split_first().expect("a command");
                let direct = server.command();
                let mut shell = std::process::Command::new("bash");
                shell.args(["-c", &format!("exec \"$0\" {command}")]).arg(direct.get_program());
                for (name, value) in direct.get_envs() {
                    match value {
                        Some(value) => shell.env(name, value),
                        None => shell.env_remove(name),
                    };
                }
                let printed = finish(&mut shell, "").done();
                prints(shown, &printed)
                    .unwrap_or_else(|fault| panic!("{name}: {command}: {fault}\n{printed}"));
                ran += 1;
            }
        }
        assert!(ran >= 3, "{name}: {ran} commands");
    }
}

#[test]
fn a_line_that_a_command_does_not_print_is_found() {
    assert!(prints(&["a", "…", "c"], "a\nb\nc\n").is_ok());
    assert!(prints(&["dep-0123456789ab 2y"], "dep-ba9876543210 3d\n").is_ok());
    for shown in [&["a", "c"][..], &["a"], &["a", "…", "d"], &["b", "…"]] {
        assert!(prints(shown, "a\nb\nc\n").is_err(), "{shown:?}");
    }
}
