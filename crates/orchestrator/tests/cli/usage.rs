//! What people and shells see: tables, colours, contexts, completions, manual pages, exit codes.

use crate::harness::{Server, finish, program};
use serde_json::Value;
use std::process::Stdio;

#[test]
fn a_tenant_lives_by_commands_alone() {
    let server = Server::start();
    let created =
        server.run(["tenants", "create", "by-hand", "--name", "콜봇", "-s", "chatbot=10", "--wait"]).done();
    let before = ["--server", &server.url, "--demo", "-o", "name", "tenants", "list"];
    let listed = finish(program().args(before), "").done();
    assert!(listed.lines().any(|id| id == "by-hand"), "options may stand before the command: {listed}");
    assert!(created.contains("accepted as dep-") && created.ends_with("by-hand: running\n"), "{created}");
    let list = server.run(["tenants", "list"]).done();
    let row = list.lines().find(|line| line.starts_with("by-hand ")).expect("a row");
    assert!(row.contains("콜봇") && row.contains("running"), "{row}");
    assert!(!list.contains('\u{1b}'), "no colours in a pipe");
    let coloured = server.run(["tenants", "list", "--color", "always"]).done();
    assert!(coloured.contains("\u{1b}[32mrunning"), "{coloured:?}");
    assert!(server.run(["tenants", "get", "by-hand"]).done().contains("Ordered:"));
    let yaml = server.run(["tenants", "get", "by-hand", "-o", "yaml"]).done();
    assert!(yaml.contains("tenant_id: by-hand\n"), "{yaml}");
    let dry = server.run(["tenants", "update", "by-hand", "-s", "callbot=5", "--dry-run"]).done();
    assert!(
        dry.contains("create") && dry.contains("callbot") && dry.contains("Nothing was changed"),
        "{dry}"
    );
    let sent = server.run(["metrics", "send", "by-hand", "cpu=97", "memory=20.5"]).done();
    assert_eq!(sent, "1 stored\n");
    let metrics = server.run(["metrics", "get", "by-hand", "--hours", "1"]).done();
    assert!(metrics.starts_with("TIME") && metrics.contains("97.0"), "{metrics}");
    assert!(server.run(["alerts", "by-hand"]).done().contains("critical"));
    assert!(server.run(["audit", "--tenant", "by-hand"]).done().contains("tenant.create"));
    assert!(server.run(["status", "by-hand"]).done().contains("100%"));
    assert!(server.run(["cluster"]).done().starts_with("healthy"));
    let deleted = server.run(["tenants", "delete", "by-hand", "--wait"]).done();
    assert!(deleted.lines().last().expect("lines").contains("deleted"), "{deleted}");
    assert_eq!(server.run(["tenants", "get", "by-hand"]).code, 4);
}

#[test]
fn a_roll_out_that_fails_says_why_with_exit_code_8() {
    let server = Server::start();
    let create = [
        "tenants",
        "create",
        "bad",
        "--name",
        "a",
        "-s",
        "chatbot=1",
        "--demo-fault",
        "image-not-found",
        "--wait",
    ];
    let ran = server.run(create);
    assert_eq!(ran.code, 8, "{ran:?}");
    assert!(ran.err.contains("ImagePullBackOff") && ran.err.contains("DEPLOYMENT_FAILED"), "{}", ran.err);
    let watched = server.run(["status", "bad", "--watch"]);
    assert_eq!(watched.code, 8);
    assert!(watched.out.contains("failed"), "{}", watched.out);
}

#[test]
fn a_context_names_server_mode_and_token_once_and_for_all() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("deep/contexts.toml");
    let run = |arguments: &[&str]| finish(program().env("ECP_CONTEXTS", &file).args(arguments), "");
    run(&["contexts", "set", "lab", "--server", &server.url, "--demo"]).done();
    run(&["contexts", "set", "far", "--server", "http://127.0.0.1:1", "--token", "secret-token"]).done();
    let list = run(&["contexts", "list"]).done();
    assert!(list.contains("lab") && list.contains("demo") && !list.contains("secret-token"), "{list}");
    assert!(run(&["tenants", "list"]).done().contains("global-call-center"));
    assert_eq!(run(&["tenants", "list", "--context", "far", "--retries", "0"]).code, 7);
    let nowhere = run(&["tenants", "list", "--context", "prod"]);
    assert_eq!(nowhere.code, 2);
    assert!(nowhere.err.contains("prod") && nowhere.err.contains("far, lab"), "{}", nowhere.err);
    run(&["contexts", "use", "far"]).done();
    assert_eq!(run(&["tenants", "list", "--retries", "0"]).code, 7);
    run(&["contexts", "delete", "far"]).done();
    assert_eq!(run(&["contexts", "use", "far"]).code, 2);
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(&file).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_server_that_is_not_there_is_named_with_exit_code_7() {
    let ran =
        finish(program().args(["tenants", "list", "--server", "http://127.0.0.1:1", "--retries", "0"]), "");
    assert_eq!(ran.code, 7);
    assert!(ran.err.contains("http://127.0.0.1:1") && ran.err.contains("CONNECTION_ERROR"), "{}", ran.err);
    let wrong = finish(program().args(["tenants", "list", "--server", "somewhere"]), "");
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("somewhere"), "{}", wrong.err);
    let typo = finish(program().args(["tenant", "list"]), "");
    assert_eq!(typo.code, 2);
    assert!(typo.err.contains("tenants"), "{}", typo.err);
}

#[test]
fn shells_take_the_completions_and_every_command_has_a_manual_page() {
    for (shell, check) in [("bash", "-n"), ("zsh", "-n"), ("fish", "-n")] {
        let script = finish(program().args(["completions", shell]), "").done();
        assert!(script.contains("ecp"), "{shell}");
        let installed = std::process::Command::new(shell).arg("--version").stdout(Stdio::null()).status();
        if installed.is_ok_and(|status| status.success()) {
            let file = tempfile::NamedTempFile::new().expect("a file");
            std::fs::write(file.path(), &script).expect("written");
            let status = std::process::Command::new(shell).arg(check).arg(file.path()).status();
            assert!(status.expect("the shell runs").success(), "{shell}");
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    finish(program().args(["man", "--dir"]).arg(folder.path()), "").done();
    for page in ["ecp.1", "ecp-tenants.1", "ecp-tenants-create.1", "ecp-serve.1"] {
        let text = std::fs::read_to_string(folder.path().join(page))
            .unwrap_or_else(|error| panic!("{page}: {error}"));
        assert!(text.contains(".SH"), "{page}");
    }
}

#[test]
fn a_link_named_kubectl_ecp_is_a_plugin_of_kubectl() {
    let folder = tempfile::tempdir().expect("a folder");
    let link = folder.path().join("kubectl-ecp");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_ecp"), &link).expect("a link");
    let help = finish(std::process::Command::new(&link).args(["size", "--help"]), "").done();
    assert!(help.contains("kubectl ecp size"), "{help}");
    let sized =
        finish(std::process::Command::new(&link).args(["size", "-s", "chatbot=1", "-o", "json"]), "").done();
    assert_eq!(serde_json::from_str::<Value>(&sized).expect("JSON")["recommended_preset"], "small");
}

#[test]
fn messages_come_in_the_language_that_is_asked_for() {
    let server = Server::start();
    let korean = server.run(["tenants", "get", "nobody", "--lang", "ko"]).err;
    let english = server.run(["tenants", "get", "nobody"]).err;
    assert!(korean.contains("찾을 수 없습니다"), "{korean}");
    assert!(english.contains("not found"), "{english}");
    let of_the_system =
        finish(server.command().env("LANG", "ko_KR.UTF-8").args(["tenants", "get", "nobody"]), "").err;
    assert!(of_the_system.contains("찾을 수 없습니다"), "{of_the_system}");
}

#[test]
fn a_roll_out_that_was_taken_back_has_failed_and_says_to_what() {
    let server = Server::start();
    server.run(["tenants", "create", "back", "--name", "a", "-s", "chatbot=1", "--wait"]).done();
    let update = ["tenants", "update", "back", "--demo-fault", "crash-loop", "--wait", "--rollback"];
    let ran = server.run(update);
    assert_eq!(ran.code, 8, "{ran:?}");
    assert!(
        ran.err.contains("CrashLoopBackOff") && ran.err.contains("brought back as deployment dep-"),
        "{ran:?}"
    );
    assert!(!ran.out.contains("running"), "{ran:?}");
    // What runs now is another roll-out, and that one is fine.
    server.run(["status", "back", "--wait"]).done();
}

#[test]
fn a_field_that_nothing_reads_is_said_and_refused_where_that_is_asked_for() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("tenant.yaml");
    let text =
        "tenant_id: typo\nname: a\nservice_requirements: {chatbot: 1}\nsla_targt: {availability: 99.9}\n";
    std::fs::write(&file, text).expect("written");
    let file = file.to_str().expect("UTF-8");
    for arguments in [
        &["tenants", "create", "-f", file, "--strict"][..],
        &["size", "-f", file, "--strict"],
        &["manifest", "-f", file, "--strict"],
    ] {
        let ran = server.run(arguments);
        assert_eq!(ran.code, 3, "{ran:?}");
        assert!(ran.err.contains("sla_targt"), "{ran:?}");
    }
    assert_eq!(server.run(["tenants", "get", "typo"]).code, 4, "nothing was created");
    let ran = server.run(["tenants", "create", "-f", file]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("warning: unknown field: sla_targt"), "{ran:?}");
}

#[test]
fn what_is_read_can_be_applied_without_a_change_of_meaning() {
    let server = Server::start();
    server.run(["tenants", "create", "same", "--name", "a", "-s", "chatbot=1", "--wait"]).done();
    let read = server.run(["tenants", "get", "same", "-o", "yaml"]).done();
    assert!(read.contains("preset_chosen_by: calculator\n"), "{read}");
    let update = ["tenants", "update", "same", "-f", "-", "--strict", "-o", "yaml"];
    let ran = finish(server.command().args(update), &read);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    assert_eq!(ran.out, read, "nothing changed, not even the plan's being chosen");
    let grown = server.run(["tenants", "update", "same", "-s", "callbot=100", "-o", "json"]).done();
    let grown: Value = serde_json::from_str(&grown).expect("JSON");
    assert_ne!(grown["preset"], "micro", "the calculator chose again");
}

#[test]
fn secrets_are_printed_only_where_that_is_said() {
    let server = Server::start();
    let redacted = server.run(["manifest", "global-call-center"]).done();
    let whole = server.run(["manifest", "global-call-center", "--with-secrets"]).done();
    assert_ne!(redacted, whole);
    assert!(redacted.contains("kind: Secret"), "{redacted}");
    let again = server.run(["manifest", "global-call-center"]).done();
    assert_eq!(redacted, again);
}

#[test]
fn lists_and_what_is_not_found_say_where_that_was() {
    let server = Server::start();
    let place = format!("demo mode at {}", server.url);
    for arguments in [&["tenants", "list"][..], &["audit"], &["alerts", "global-call-center"]] {
        let list = server.run(arguments).done();
        assert!(list.contains(&place), "{list}");
    }
    let nobody = server.run(["tenants", "get", "nobody"]).err;
    assert!(nobody.contains(&format!("looked for in {place}")), "{nobody}");
    let here = server.run(["context"]).done();
    assert!(here.contains("demo") && here.contains(&server.url), "{here}");
}

/// What a completion for kubectl offers after these words.
fn offered(server: &Server, words: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let link = folder.path().join("kubectl_complete-ecp");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_ecp"), &link).expect("a link");
    let mut command = std::process::Command::new(link);
    command
        .env("ECP_SERVER", &server.url)
        .env("ECP_DEMO", "true")
        .env("ECP_CONTEXTS", "/nonexistent")
        .args(words);
    let text = finish(&mut command, "").done();
    let (candidates, directive) = text.trim_end().rsplit_once('\n').unwrap_or(("", text.trim_end()));
    assert_eq!(directive, ":4", "{text}");
    candidates.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn tenants_plans_statuses_faults_and_formats_complete_in_shells_and_in_kubectl() {
    let server = Server::start();
    assert_eq!(offered(&server, &["tenants", "get", "han"]), ["hanbit-card"]);
    assert!(offered(&server, &["status", ""]).contains(&"global-call-center".to_owned()));
    assert_eq!(offered(&server, &["tenants", "list", "--status", "r"]), ["running"]);
    assert_eq!(offered(&server, &["tenants", "list", "--preset", "m"]), ["micro", "medium"]);
    assert_eq!(offered(&server, &["tenants", "create", "--demo-fault", "crash"]), ["crash-loop"]);
    assert_eq!(offered(&server, &["tenants", "update", "hanbit-card", "--management", "e"]), ["external"]);
    assert_eq!(offered(&server, &["tenants", "list", "-o", "js"]), ["jsonpath=", "json"]);
    assert_eq!(offered(&server, &["alert-rules", "set", "hanbit-card", "cpu.w"]), ["cpu.warning="]);
    let silence = server.run(["silence", "create", "--severity", "warning", "-o", "name"]).done();
    assert_eq!(offered(&server, &["silence", "delete", "sil"]), [silence.trim()]);
    assert_eq!(offered(&server, &["--server", "http://127.0.0.1:1", "tenants", "get", "han"]), [""; 0]);
    let mut shell = server.command();
    shell.env("COMPLETE", "bash").env("_CLAP_IFS", "\n").env("_CLAP_COMPLETE_INDEX", "3");
    assert_eq!(
        finish(shell.args(["--", "ecp", "tenants", "get", "han"]), "").done().trim_end(),
        "hanbit-card"
    );
}

#[test]
fn lists_are_written_for_people_shells_and_spreadsheets() {
    let server = Server::start();
    let names = server.run(["tenants", "list", "-o", "name"]).done();
    assert_eq!(names.lines().next(), Some("global-call-center"));
    assert_eq!(names.lines().count(), 4, "{names}");
    let csv = server.run(["tenants", "list", "-o", "csv"]).done();
    assert!(csv.starts_with("TENANT,NAME,PLAN,") && csv.contains("\r\nhanbit-card,"), "{csv}");
    let template = r#"jsonpath={range .tenants[*]}{.tenant_id}={.preset}{"\n"}{end}"#;
    let picked = server.run(["tenants", "list", "-o", template]).done();
    assert!(picked.starts_with("global-call-center=large\n"), "{picked}");
    let wrong = server.run(["tenants", "list", "-o", "jsonpath={.a"]);
    assert_eq!(wrong.code, 2, "{wrong:?}");
    let unknown = server.run(["tenants", "list", "-o", "xml"]);
    assert!(unknown.code == 2 && unknown.err.contains("jsonpath=TEMPLATE"), "{unknown:?}");
    let refused = server.run(["overview", "-o", "csv"]);
    assert!(refused.code == 2 && refused.err.contains("choose table"), "{refused:?}");
}

#[test]
fn help_is_korean_under_a_korean_locale() {
    let korean = |arguments: &[&str]| finish(program().env("LANG", "ko_KR.UTF-8").args(arguments), "").done();
    for arguments in
        [&["--help"][..], &["help"], &["tenants", "create", "--help"], &["help", "tenants", "create"]]
    {
        let help = korean(arguments);
        assert!(help.contains("사용법: ecp") && help.contains("옵션:"), "{help}");
        for english in ["Usage", "Options", "Commands", "Print", "Client"] {
            assert!(!help.contains(english), "{english}: {help}");
        }
    }
    assert!(korean(&["--help"]).contains("종료 코드"));
    assert!(korean(&["tenants", "--help", "--lang", "en"]).contains("Usage: ecp tenants"));
    let of_kubectl = tempfile::tempdir().expect("a folder");
    let link = of_kubectl.path().join("kubectl-ecp");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_ecp"), &link).expect("a link");
    let mut command = std::process::Command::new(link);
    assert!(
        finish(command.args(["size", "--help", "--lang", "ko"]), "")
            .done()
            .contains("사용법: kubectl ecp size")
    );
}

#[test]
fn metrics_are_drawn_for_people() {
    let server = Server::start();
    server.run(["metrics", "send", "hanbit-card", "cpu=97", "response_time=250"]).done();
    let chart = server.run(["metrics", "get", "hanbit-card", "--hours", "1", "--chart"]).done();
    let line = chart.lines().find(|line| line.starts_with("response_time")).expect("a line");
    assert!(line.contains('█') && line.contains("ms"), "{chart}");
    assert!(!chart.contains('{'), "{chart}");
    let range = |flag: &str, time: &str| {
        let picked = "jsonpath={.time_range.start}{.time_range.end}";
        let text = server.run(["metrics", "get", "hanbit-card", flag, time, "-o", picked]).done();
        let moment = |text: &str| text.parse::<jiff::Timestamp>().expect("a time").as_second();
        moment(&text[20..40]) - moment(&text[..20])
    };
    assert_eq!(range("--since", "90m"), range("--hours", "2"));
    let csv = server.run(["metrics", "get", "hanbit-card", "--hours", "1", "-o", "csv"]).done();
    assert!(csv.starts_with("TIME,") && csv.contains("Z,"), "{csv}");
}

#[test]
fn results_are_korean_under_a_korean_locale() {
    let server = Server::start();
    let korean = |arguments: &[&str]| finish(server.command().env("LANG", "ko_KR.UTF-8").args(arguments), "");
    let created =
        korean(&["tenants", "create", "korean", "--name", "가", "-s", "chatbot=1", "--wait"]).done();
    assert!(created.contains("접수했습니다"), "{created}");
    let list = korean(&["tenants", "list"]).done();
    assert!(list.contains("테넌트 5개 중 5개, 데모 모드"), "{list}");
    assert!(korean(&["overview"]).done().contains("주문한 GPU"));
    let page = korean(&["describe", "korean"]).done();
    assert!(page.contains("상태:") && page.contains("최근 배포") && !page.contains("Status:"), "{page}");
    let nobody = korean(&["tenants", "get", "nobody"]).err;
    assert!(nobody.contains("찾은 곳: 데모 모드") && nobody.contains("요청 id"), "{nobody}");
    let nowhere = finish(
        program().env("LANG", "ko_KR.UTF-8").args([
            "tenants",
            "list",
            "--server",
            "http://127.0.0.1:1",
            "--retries",
            "0",
        ]),
        "",
    );
    assert!(nowhere.err.contains("서버가 실행 중인지"), "{}", nowhere.err);
}

#[test]
fn wrong_usage_is_said_in_korean_under_a_korean_locale() {
    let wrong = |arguments: &[&str]| {
        let ran = finish(program().env("LANG", "ko_KR.UTF-8").args(arguments), "");
        assert_eq!(ran.code, 2, "{ran:?}");
        ran.err
    };
    for (arguments, part) in [
        (&["tenant", "list"][..], "'tenant' 명령이 없습니다"),
        (&["tenant", "list"], "혹시 'tenants'입니까?"),
        (&["tenants", "list", "--statsu", "x"], "'--statsu' 옵션이 없습니다"),
        (&["tenants", "get"], "꼭 필요한 것이 없습니다"),
        (&["top", "--by", "gpux"], "쓸 수 있는 값: cpu, gpu"),
        (&["audit", "--since", "never"], "'never'를 쓸 수 없습니다"),
    ] {
        let said = wrong(arguments);
        assert!(said.contains(part) && !said.contains("Usage"), "{part}: {said}");
    }
}

#[test]
fn a_manifest_is_written_as_results_are_unless_its_format_is_said() {
    let server = Server::start();
    let printed = |rest: &[&str]| server.run(["manifest", "hanbit-card"].iter().chain(rest)).done();
    assert!(printed(&[]).starts_with("apiVersion: v1"));
    assert!(printed(&["-o", "json"]).starts_with('{'));
    assert!(printed(&["-o", "json", "--format", "yaml"]).starts_with("apiVersion: v1"));
    assert!(printed(&["--format", "json"]).starts_with('{'));
}

#[test]
fn the_names_of_alerts_are_their_ids() {
    let server = Server::start();
    server.run(["metrics", "send", "hanbit-card", "cpu=97"]).done();
    let ids = server.run(["alerts", "hanbit-card", "--status", "open", "-o", "name"]).done();
    assert!(ids.lines().count() > 0 && ids.lines().all(|id| id.starts_with("alert-")), "{ids}");
    let objects = server.run(["events", "hanbit-card", "-o", "name"]).done();
    assert!(objects.lines().all(|object| object.contains('/')), "{objects}");
}
