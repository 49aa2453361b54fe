//! Silences, rules of one tenant, events, logs, costs; and what is followed over all tenants.

use crate::harness::{Server, lines_of};
use serde_json::Value;
use std::process::Stdio;
use std::time::Duration;

fn json(server: &Server, arguments: &[&str]) -> Value {
    let text = server.run(arguments.iter().chain(&["-o", "json"])).done();
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn a_silence_says_first_what_it_would_hit_and_ends_when_it_is_deleted() {
    let server = Server::start();
    server.run(["metrics", "send", "hanbit-card", "cpu=97"]).done();
    let which = ["--tenant", "hanbit-card", "--metric", "cpu"];
    let preview = server.run(["silence", "preview"].iter().chain(&which)).done();
    assert!(preview.contains("1 open alerts would be silenced") && preview.contains("Nothing was changed"));
    assert_eq!(json(&server, &["silence", "list"])["total_count"], 0);
    let dry_run = server.run(["silence", "create", "--dry-run"].iter().chain(&which)).done();
    assert_eq!(dry_run.lines().next(), preview.lines().next());
    let create = ["silence", "create", "--for", "2h", "--comment", "부하 시험", "-o", "json"];
    let created = server.run(create.iter().chain(&which)).done();
    let created: Value = serde_json::from_str(&created).expect("JSON");
    let time = |name: &str| created[name].as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let (start, end) = (time("starts_at").expect("a time"), time("ends_at").expect("a time"));
    // The server's start is a moment after the client's.
    assert!((7_100..=7_200).contains(&end.duration_since(start).as_secs()), "{created}");
    assert!(server.run(["alerts", "hanbit-card"]).done().contains("open, silenced"));
    let ids = server.run(["silence", "list", "-o", "name"]).done();
    let said = server.run(["silence", "delete", ids.trim()]).done();
    assert!(said.contains("no longer silences tenant_id=hanbit-card,metric=cpu"), "{said}");
    assert!(!server.run(["alerts", "hanbit-card"]).done().contains("silenced"));
    let everything = server.run(["silence", "create"]);
    assert!(everything.code == 3 && everything.err.contains("tenant_id, type, metric"), "{everything:?}");
    assert_eq!(server.run(["silence", "delete", "sil-nothing"]).code, 4);
}

#[test]
fn a_rule_is_changed_alone_and_what_was_read_can_be_written_back() {
    let server = Server::start();
    let rule = |metric: &str| json(&server, &["alert-rules", "get", "hanbit-card"])["rules"][metric].clone();
    server.run(["alert-rules", "set", "hanbit-card", "cpu.warning=70", "gpu.enabled=false"]).done();
    server.run(["alert-rules", "set", "hanbit-card", "cpu.for=2m"]).done();
    let cpu = rule("cpu");
    assert_eq!([&cpu["warning"], &cpu["critical"], &cpu["for_seconds"]], [70.0, 95.0, 120.0]);
    assert_eq!(rule("gpu")["enabled"], false);
    let file = server.run(["alert-rules", "get", "hanbit-card", "-o", "yaml"]).done();
    server.run(["alert-rules", "reset", "hanbit-card", "cpu"]).done();
    assert_eq!((&rule("cpu")["is_default"], &rule("gpu")["enabled"]), (&true.into(), &false.into()));
    let mut write = server.command();
    write.args(["alert-rules", "set", "hanbit-card", "-f", "-", "-o", "yaml"]);
    assert_eq!(crate::harness::finish(&mut write, &file).done(), file);
    server.run(["alert-rules", "reset", "hanbit-card"]).done();
    assert_eq!((&rule("cpu")["is_default"], &rule("gpu")["is_default"]), (&true.into(), &true.into()));
    let wrong = server.run(["alert-rules", "set", "hanbit-card", "cpu.warnin=1", "--lang", "ko"]);
    assert!(wrong.code == 2 && wrong.err.contains("'cpu.warnin=1'을 쓸 수 없습니다"), "{wrong:?}");
}

#[test]
fn the_cluster_tells_of_a_tenant_what_went_wrong_and_what_its_containers_write() {
    let server = Server::start();
    let bad =
        ["tenants", "create", "bad", "--name", "a", "-s", "chatbot=1", "--demo-fault", "image-not-found"];
    assert_eq!(server.run(bad.iter().chain(&["--wait"])).code, 8);
    let events = server.run(["events", "bad", "--warnings"]).done();
    assert!(events.contains("Failed to pull image") && !events.contains("Scheduled"), "{events}");
    let none = server.run(["events", "bad", "--since", "2100-01-01"]).done();
    assert!(none.contains("0 events"), "{none}");
    let newest = server.run(["logs", "hanbit-card", "--service", "redis", "--tail", "1"]).done();
    assert_eq!(newest.lines().count(), 1, "{newest}");
    let first = json(&server, &["logs", "hanbit-card", "--pod", "redis-0", "--tail", "1"]);
    assert!(first["line"].as_str().is_some_and(|line| line.starts_with("20")), "{first}");
    let never = server.run(["logs", "hanbit-card", "--service", "redis", "--previous"]);
    assert!(never.out.is_empty() && never.err.contains("no container before"), "{never:?}");
    let unknown = server.run(["logs", "hanbit-card", "--service", "redsi"]);
    assert!(unknown.code == 3 && unknown.err.contains("redis"), "{unknown:?}");
    let mut follow = server.command();
    follow.args(["logs", "hanbit-card", "--service", "redis", "--tail", "0", "--follow"]);
    let mut child = follow.stdout(Stdio::piped()).spawn().expect("it starts");
    let lines = lines_of(child.stdout.take().expect("piped"));
    for _ in 0..2 {
        assert!(lines.recv_timeout(Duration::from_secs(60)).expect("a line").starts_with("20"));
    }
    child.kill().expect("it runs until it is stopped");
    child.wait().expect("it ends");
}

#[test]
fn a_month_s_costs_are_the_same_in_every_format() {
    let server = Server::start();
    let costs = json(&server, &["costs", "--month", "last"]);
    let month = costs["month"].as_str().expect("a month");
    let table = server.run(["costs", "--month", month]).done();
    assert!(table.contains("paid $890.00, operator $19652.00, margin -$18762.00"), "{table}");
    let csv = server.run(["costs", "--month", "last", "-o", "csv"]).done();
    let total = csv.lines().last().expect("a row");
    assert!(total.contains("total,,,,,890.00,19652.00,-18762.00"), "{csv}");
    assert_eq!(costs["total"]["list_price_usd"], 890.0);
}

#[test]
fn the_alerts_of_all_tenants_are_followed_at_once() {
    let server = Server::start();
    let mut follow = server.command();
    follow.args(["alerts", "-w", "--severity", "critical"]);
    let mut child = follow.stdout(Stdio::piped()).spawn().expect("it starts");
    let lines = lines_of(child.stdout.take().expect("piped"));
    server.run(["metrics", "send", "hanbit-card", "memory=85", "cpu=97"]).done();
    server.run(["metrics", "send", "namsan-shopping", "cpu=98"]).done();
    // The load that is made up for others may be over a threshold at any hour.
    let next = |tenant: &str| loop {
        let line = lines.recv_timeout(Duration::from_secs(60)).expect("a line");
        if line.starts_with(tenant) {
            break line;
        }
    };
    let seen = [next("hanbit-card "), next("namsan-shopping ")];
    assert!(seen.iter().all(|line| line.contains("critical")), "{seen:?}");
    child.kill().expect("it runs until it is stopped");
    child.wait().expect("it ends");
}
