//! How results are written: nothing is done of which the result could not be written then, ids are of what was made,
//! and words are those of the language.

use crate::harness::{Server, finish};

/// Commands that change something, and what would be seen of it.
#[test]
fn what_changes_something_is_not_begun_where_its_result_can_not_be_written() {
    let server = Server::start();
    let changes: [&[&str]; 10] = [
        &["tenants", "create", "made", "--name", "a", "-s", "chatbot=1"],
        &["tenants", "create", "made", "--name", "a", "-s", "chatbot=1", "--wait"],
        &["tenants", "update", "hanbit-card", "-s", "callbot=31"],
        &["tenants", "delete", "hanbit-card"],
        &["tenants", "rollback", "hanbit-card"],
        &["silence", "create", "--tenant", "hanbit-card"],
        &["receivers", "create", "https://hooks.example.com/ecp"],
        &["metrics", "send", "hanbit-card", "cpu=97"],
        &["recommend", "hanbit-card", "--apply"],
        &["edit", "hanbit-card"],
    ];
    let trail = |server: &Server| server.run(["audit", "-o", "jsonpath={.total_count}"]).done();
    let before = trail(&server);
    for words in changes {
        for format in ["csv", "sarif", "junit", "github"] {
            let refused = server.run(words.iter().chain(&["-o", format]));
            assert!(
                refused.code == 2 && refused.err.contains("choose table"),
                "{words:?} {format}: {refused:?}"
            );
        }
    }
    for words in [&["alert-rules", "reset", "hanbit-card"][..], &["catalog", "rollout", "hanbit-card"]] {
        let refused = server.run(words.iter().chain(&["-o", "sarif"]));
        assert!(refused.code == 2 && refused.err.contains("choose table"), "{words:?}: {refused:?}");
    }
    assert_eq!(trail(&server), before);
    assert_eq!(server.run(["tenants", "get", "made"]).code, 4);
}

#[test]
fn the_name_of_what_was_made_is_its_own_and_not_that_of_its_tenant() {
    let server = Server::start();
    let made =
        server.run(["receivers", "create", "https://a.example/", "--tenant", "hanbit-card", "-o", "name"]);
    let receiver = made.done().trim().to_owned();
    assert_eq!(server.run(["receivers", "list", "-o", "name"]).done().trim(), receiver);
    let named = |words: &[&str]| server.run(words.iter().chain(&["-o", "name"])).done().trim().to_owned();
    assert_eq!(named(&["receivers", "update", &receiver, "--severity", "critical"]), receiver);
    assert_eq!(named(&["receivers", "delete", &receiver]), receiver);
    let silence = named(&["silence", "create", "--tenant", "hanbit-card"]);
    assert_eq!(named(&["silence", "delete", &silence]), silence);
    assert_eq!(named(&["tenants", "create", "made", "--name", "a", "-s", "chatbot=1", "--wait"]), "made");
    assert_eq!(named(&["wait", "made", "hanbit-card", "--for", "running"]), "made\nhanbit-card");
    assert_eq!(named(&["catalog", "rollout", "made"]), "made");
    assert_eq!(named(&["metrics", "send", "made", "cpu=5"]), "made");
    assert_eq!(named(&["alert-rules", "set", "made", "cpu.warning=90"]).lines().next(), Some("cpu"));
    let rows = server.run(["wait", "made", "--for", "running", "-o", "csv"]).done();
    assert_eq!(rows, "TENANT,STATE\r\nmade,running\r\n");
}

#[test]
fn a_manifest_is_read_by_names_and_templates_too() {
    let server = Server::start();
    let printed = |format: &str| server.run(["manifest", "hanbit-card", "-o", format]).done();
    let names = printed("name");
    assert!(names.lines().any(|name| name == "deployment/callbot"), "{names}");
    assert_eq!(printed("jsonpath={.items[0].kind}"), "Namespace\n");
    assert!(printed("csv").contains("\r\ndeployment/callbot,ecp-ai-hanbit-card\r\n"));
    assert_eq!(server.run(["manifest", "hanbit-card", "-o", "sarif"]).code, 2);
    let requests = server.run(["audit", "-o", "name"]).done();
    assert!(requests.lines().all(|id| !id.is_empty()), "{requests}");
}

#[test]
fn contexts_are_rows_like_every_list() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("contexts.toml");
    let run =
        |words: &[&str]| finish(crate::harness::program().env("ECP_CONTEXTS", &file).args(words), "").done();
    assert_eq!(run(&["contexts", "set", "lab", "--server", "http://lab", "--demo", "-o", "name"]), "lab\n");
    assert_eq!(run(&["contexts", "list", "-o", "name"]), "lab\n");
    let rows = run(&["contexts", "list", "-o", "csv"]);
    assert!(rows.starts_with(",NAME,SERVER,MODE,TOKEN\r\n*,lab,http://lab,demo,"), "{rows}");
}

#[test]
fn a_list_is_never_shown_in_another_order_than_was_asked_for() {
    let server = Server::start();
    server.run(["metrics", "send", "hanbit-card", "cpu=97", "memory=85"]).done();
    server.run(["tenants", "create", "made", "--name", "a", "-s", "chatbot=1", "--wait"]).done();
    for words in [&["alerts"][..], &["audit"], &["events", "made"], &["tenants", "history", "made"]] {
        let refused = server.run(words.iter().chain(&["--sort-by", "severty"]));
        assert!(refused.code == 2 && refused.err.contains("'severty'"), "{words:?}: {refused:?}");
    }
    assert_eq!(server.run(["tenants", "list", "--sort-by", "severty"]).code, 3);
    let worst =
        server.run(["alerts", "hanbit-card", "--sort-by=-severity", "-o", "jsonpath={.alerts[*].severity}"]);
    assert_eq!(worst.done(), "critical warning\n");
    let objects = server.run([
        "events",
        "made",
        "--sort-by",
        ".object.name",
        "-o",
        "jsonpath={.events[*].object.name}",
    ]);
    let objects: Vec<String> = objects.done().split_whitespace().map(str::to_owned).collect();
    assert!(objects.len() > 1 && objects.is_sorted(), "{objects:?}");
}

#[test]
fn alerts_of_one_tenant_are_picked_by_severity_type_and_time() {
    let server = Server::start();
    server.run(["metrics", "send", "hanbit-card", "cpu=97", "memory=85", "response_time=5000"]).done();
    server.run(["metrics", "send", "namsan-shopping", "cpu=97"]).done();
    let picked = |words: &[&str]| {
        let all = ["alerts", "hanbit-card", "--sort-by", "metric", "-o", "jsonpath={.alerts[*].metric}"];
        server.run(all.iter().chain(words)).done().trim().to_owned()
    };
    assert_eq!(picked(&["--severity", "warning"]), "memory");
    assert_eq!(picked(&["--type", "performance"]), "response_time");
    assert_eq!(picked(&["--severity", "critical", "--type", "resource_usage", "--since", "1h"]), "cpu");
    assert_eq!(picked(&["--since", "2100-01-01"]), "");
    let wrong = server.run(["alerts", "--since", "yesterday"]);
    assert!(wrong.code == 2 && wrong.err.contains("12h"), "{wrong:?}");
    let nobody = server.run(["alerts", "nobody", "--severity", "critical"]);
    assert_eq!(nobody.code, 4, "{nobody:?}");
}

#[test]
fn words_of_tables_are_korean_under_a_korean_locale_and_english_for_programs() {
    let server = Server::start();
    server.run(["metrics", "send", "hanbit-card", "cpu=97"]).done();
    let korean = |words: &[&str]| finish(server.command().env("LANG", "ko_KR.UTF-8").args(words), "");
    for words in [
        &["tenants", "list"][..],
        &["tenants", "list", "--wide"],
        &["tenants", "get", "hanbit-card"],
        &["tenants", "history", "hanbit-card"],
        &["status", "hanbit-card"],
        &["describe", "hanbit-card"],
        &["top"],
        &["alerts"],
        &["alert-rules", "get", "hanbit-card"],
        &["silence", "list"],
        &["receivers", "list"],
        &["events", "hanbit-card"],
        &["audit"],
        &["costs", "-o", "wide"],
        &["overview"],
        &["nodes"],
        &["cluster"],
        &["capacity", "-s", "chatbot=1"],
        &["recommend", "hanbit-card"],
        &["size", "-s", "chatbot=1"],
        &["catalog", "rollout", "hanbit-card"],
        &["version"],
        &["context"],
    ] {
        let said = korean(words).done();
        for english in [
            "TENANT",
            "STATUS",
            "NAME",
            "MESSAGE",
            "SEVERITY",
            "AGE ",
            "WHO",
            "Status:",
            "Asked:",
            "Advice:",
            "Plan:",
            "unchanged",
            " yes",
            " no ",
        ] {
            assert!(!said.contains(english), "{words:?}: {english}: {said}");
        }
    }
    assert!(korean(&["tenants", "list", "-o", "csv"]).done().starts_with("TENANT,NAME,"));
    assert!(korean(&["costs"]).done().contains("판매가"));
    let wrong = korean(&["tenants", "get", "nobody"]);
    assert!(wrong.err.starts_with("오류: "), "{wrong:?}");
    let wrong = korean(&["tenants", "get"]);
    assert!(wrong.err.starts_with("오류: "), "{wrong:?}");
}
