//! What people ask every day: one tenant on a page, who uses most, waiting, logging in.

use crate::harness::{Ran, Server, finish, lines_of, program};
use serde_json::Value;
use std::process::Stdio;
use std::time::Duration;

#[test]
fn a_tenant_is_described_on_one_page() {
    let server = Server::start();
    let bad =
        ["tenants", "create", "bad", "--name", "나쁨", "-s", "chatbot=1", "--demo-fault", "image-not-found"];
    assert_eq!(server.run(bad.iter().chain(&["--wait"])).code, 8);
    server.run(["metrics", "send", "hanbit-card", "response_time=900", "cpu=97"]).done();
    let page = server.run(["describe", "bad"]).done();
    for part in
        ["Failure and fix", "ImagePullBackOff", "Objects that are waited for", "Last deployments", "failed"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    let page = server.run(["describe", "hanbit-card"]).done();
    for part in ["900.0ms", "300ms", "Open alerts", "critical", "Cost:", "callbot"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let json = server.run(["describe", "hanbit-card", "-o", "json"]).done();
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["tenant"]["tenant_id"], "hanbit-card");
}

#[test]
fn top_names_the_tenants_that_use_most_first() {
    let server = Server::start();
    server.run(["metrics", "send", "seorak-insurance-qa", "gpu=100", "response_time=5000"]).done();
    for by in ["gpu", "response-time"] {
        let first = server.run(["top", "--by", by, "--limit", "1", "-o", "name"]).done();
        assert_eq!(first, "seorak-insurance-qa\n", "{by}");
    }
    let most = server.run(["top", "--by", "gpus", "-o", "name"]).done();
    assert_eq!(most.lines().next(), Some("global-call-center"));
    let table = server.run(["top"]).done();
    assert!(table.starts_with("TENANT") && table.contains("4 of 4 tenants, demo mode at"), "{table}");
}

#[test]
fn waiting_ends_when_it_is_so_or_can_not_become_so() {
    let server = Server::start();
    server.run(["tenants", "create", "soon", "--name", "a", "-s", "chatbot=1"]).done();
    let both = server.run(["wait", "soon", "hanbit-card", "--for", "running"]).done();
    assert_eq!(both, "soon: running\nhanbit-card: running\n");
    server
        .run(["tenants", "create", "bad", "--name", "a", "-s", "chatbot=1", "--demo-fault", "crash-loop"])
        .done();
    let failed = server.run(["wait", "bad", "--for=running"]);
    assert!(failed.code == 8 && failed.err.contains("CrashLoopBackOff"), "{failed:?}");
    server.run(["wait", "bad", "--for", "failed"]).done();
    let late = server.run(["wait", "soon", "--for", "failed", "--wait-timeout", "0.1"]);
    assert!(
        late.code == 7 && late.err.contains("soon is not failed after 0.1 s; last seen: running"),
        "{late:?}"
    );
    let deleted = server.run(["tenants", "delete", "soon", "bad"]).done();
    assert!(deleted.matches("del-").count() == 2, "{deleted}");
    server.run(["wait", "soon", "bad", "--for=deleted"]).done();
    assert_eq!(server.run(["wait", "soon", "--for", "running"]).code, 4);
}

/// Starts a command, presses Ctrl-C after its first line, and answers with its exit code and what it said.
fn stopped_after_a_line(server: &Server, arguments: &[&str]) -> (Option<i32>, String) {
    let mut child = server
        .command()
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let (out, err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
    let (lines, said) = (lines_of(out), lines_of(err));
    lines.recv_timeout(Duration::from_secs(60)).expect("a line");
    let pid = child.id().to_string();
    let sent = std::process::Command::new("kill").args(["-INT", &pid]).status().expect("kill runs");
    assert!(sent.success());
    let code = child.wait().expect("it ends").code();
    (code, said.iter().collect::<Vec<_>>().join("\n"))
}

#[test]
fn who_stops_waiting_is_told_that_it_goes_on() {
    let slow = Server::at_speed("1");
    slow.run(["tenants", "create", "slow", "--name", "a", "-s", "chatbot=1"]).done();
    let (code, said) = stopped_after_a_line(&slow, &["status", "slow", "--watch"]);
    assert!(code == Some(130) && said.contains("the roll-out goes on, see: ecp status"), "{code:?} {said}");
    drop(slow);
    let server = Server::start();
    let stuck = ["--name", "a", "-s", "chatbot=1", "--demo-fault", "unschedulable"];
    server.run(["tenants", "create", "stuck"].iter().chain(&stuck)).done();
    server.run(["wait", "stuck", "--for", "failed"]).done();
    let wait = ["wait", "stuck", "hanbit-card", "--for", "failed"];
    let (code, said) = stopped_after_a_line(&server, &wait);
    assert!(code == Some(130) && said.contains("stopped waiting; nothing was changed"), "{code:?} {said}");
}

#[test]
fn a_tenant_that_is_nearly_named_is_suggested() {
    let server = Server::start();
    let near = server.run(["tenants", "get", "hanbit-crad"]);
    assert!(near.code == 4 && near.err.contains("did you mean hanbit-card?"), "{near:?}");
    let korean = server.run(["status", "hanbit-crad", "--lang", "ko"]);
    assert!(korean.err.contains("hanbit-card를 찾으셨습니까?"), "{korean:?}");
    let far = server.run(["tenants", "get", "nobody"]);
    assert!(far.code == 4 && !far.err.contains("did you mean"), "{far:?}");
}

#[test]
fn several_tenants_are_shown_at_once_and_followed() {
    let server = Server::start();
    let two = server.run(["tenants", "get", "hanbit-card", "namsan-shopping", "-o", "yaml"]).done();
    assert_eq!(two.matches("---\n").count(), 2, "{two}");
    let names = server.run(["tenants", "get", "hanbit-card", "namsan-shopping", "-o", "name"]).done();
    assert_eq!(names, "hanbit-card\nnamsan-shopping\n");
    let states = server.run(["status", "hanbit-card", "namsan-shopping"]).done();
    assert_eq!(states.matches("100%").count(), 2, "{states}");
    let mut child =
        server.command().args(["tenants", "list", "-w"]).stdout(Stdio::piped()).spawn().expect("it starts");
    let rows = lines_of(child.stdout.take().expect("piped"));
    let next = |wanted: &str| loop {
        let row = rows.recv_timeout(Duration::from_secs(30)).unwrap_or_else(|_| panic!("no row of {wanted}"));
        if row.contains(wanted) {
            return row;
        }
    };
    next("seorak-insurance-qa");
    server.run(["tenants", "create", "watched", "--name", "a", "-s", "chatbot=1", "--wait"]).done();
    next("watched");
    server.run(["tenants", "delete", "watched", "--wait"]).done();
    while !next("watched").contains("deleted") {}
    child.kill().expect("it runs until it is stopped");
    child.wait().expect("it ends");
}

#[test]
fn a_list_is_ordered_by_any_of_its_fields() {
    let server = Server::start();
    server.run(["metrics", "send", "hanbit-card", "cpu=97", "memory=85"]).done();
    let list = |key: &str| {
        let sort = format!("--sort-by={key}");
        server.run(["alerts", "hanbit-card", &sort, "-o", "jsonpath={.alerts[*].metric}"]).done()
    };
    assert_eq!(list("metric"), "cpu memory\n");
    assert_eq!(list("-metric"), "memory cpu\n");
    let since = |time: &str| {
        let arguments = ["tenants", "history", "hanbit-card", "--since", time, "-o", "name"];
        server.run(arguments).done().lines().count()
    };
    assert_eq!((since("2020-01-01"), since("2100-01-01")), (1, 0));
}

#[test]
fn a_token_is_tried_and_kept_for_nobody_else_to_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let config = folder.path().join("ecp.toml");
    std::fs::write(&config, "[auth]\ntokens = \"on\"\n").expect("written");
    let mut serve = program();
    serve.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(&data).arg("--config").arg(&config);
    let mut child = serve.stderr(Stdio::piped()).spawn().expect("the server starts");
    let lines = lines_of(child.stderr.take().expect("piped"));
    let ready = lines.iter().find_map(|line| Some(line.split_once("ready: ")?.1.to_owned())).expect("ready");
    let url = ready.split("/docs").next().expect("an address").to_owned();
    let contexts = folder.path().join("contexts.toml");
    let run = |arguments: &[&str], input: &str| -> Ran {
        finish(program().env("ECP_CONTEXTS", &contexts).args(arguments), input)
    };
    let create = finish(
        program().args(["tokens", "create", "--name", "me", "--role", "viewer", "--data-dir"]).arg(&data),
        "",
    );
    let token =
        create.done().split_whitespace().find(|word| word.starts_with("ecp_")).expect("a token").to_owned();
    assert_eq!(run(&["tenants", "list", "--demo", "--server", &url], "").code, 6);
    let wrong = run(&["login", "lab", "--demo", "--server", &url], "ecp_wrong\n");
    assert_eq!(wrong.code, 6, "{wrong:?}");
    assert!(!contexts.exists(), "a token that is refused is not kept");
    let said = run(&["login", "lab", "--demo", "--server", &url], &format!("{token}\n")).done();
    assert!(said.contains("context lab") && !said.contains(&token), "{said}");
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(&contexts).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    run(&["tenants", "list"], "").done();
    let versions = run(&["version"], "").done();
    assert!(versions.contains("Client:") && versions.contains("Server: 1."), "{versions}");
    run(&["logout"], "").done();
    assert_eq!(run(&["tenants", "list"], "").code, 6);
    assert_eq!(run(&["login"], "").code, 2, "no token was given");
    child.kill().expect("it runs");
    child.wait().expect("it ends");
}
