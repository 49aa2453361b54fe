//! The examples of `docs/CLI.md`, run from top to bottom by a shell.

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
