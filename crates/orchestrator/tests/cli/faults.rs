//! What is wrong with words, settings and files: its exit code, and its language.

use crate::harness::{Server, finish, program};

fn is_korean(text: &str) -> bool {
    text.chars().any(|letter| ('가'..='힣').contains(&letter))
}

#[test]
fn what_is_wrongly_written_ends_with_2() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a folder");
    let wrong = folder.path().join("wrong.toml");
    std::fs::write(&wrong, "broken [").expect("written");
    let wrong = wrong.to_str().expect("a path");
    let other = folder.path().join("other");
    let other = other.to_str().expect("a path");
    for words in [
        ["tenants", "list", "--server", "http://127.0.0.1:1?x=1"].as_slice(),
        &["tenants", "list", "--server", "http://127.0.0.1:1/#a"],
        &["catalog", "diff", "no-such-file.toml"],
        &["tokens", "create", "--name", "x", "--role", "root"],
        &["size", "-s", "chatbot=1", "-s", "chatbot=2"],
        &["capacity", "-s", "chatbot=1", "-s", "chatbot=1"],
        &["tenants", "create", "x", "--name", "x", "-s", "chatbot=1", "-s", "chatbot=2"],
        &["size", "-s", "callbot=1", "--busy-hour-share", "callbot=15%", "--busy-hour-share", "callbot=20%"],
        &["metrics", "send", "hanbit-card", "cpu=5", "cpu=6"],
        &["metrics", "send", "hanbit-card", "cpu=NaN"],
        &["metrics", "send", "hanbit-card", "cpu=inf"],
        &["alert-rules", "set", "hanbit-card", "cpu.for=5m", "cpu.for_seconds=60"],
        &["tokens", "create", "--name", "x", "--role", "viewer", "--for", "soon"],
        &["tokens", "create", "--name", "x", "--role", "viewer", "--for", "1d", "--until", "2100-01-01"],
        &["tokens", "create", "--name", "x", "--role", "viewer", "--tenants", "Bad Id"],
        &["tokens", "create", "--name", "x", "--role", "viewer", "--tenants", "acme,"],
        &["tokens", "create", "--name", "x", "--role", "viewer", "--until", "2020-01-01"],
        &["tokens", "create", "--name", "two\nlines", "--role", "viewer", "--data-dir", other],
        &["tokens", "list", "--data-dir", "no-such-folder"],
        &["migrate", "--from", "no-such-folder", "--to", "postgres://127.0.0.1/x"],
        &["migrate", "--from", "no-such-folder", "--to", "mysql://127.0.0.1/x"],
        &["validate", "--tenant", "Bad Id", "-f", "-"],
        &["validate", "--off", "no.such.rule", "-f", "-"],
        &["size", "-s", "callbot=1", "--catalog", wrong],
        &["size", "-s", "callbot=1", "--catalog", "no-such-file.toml"],
        &["catalog", "diff", wrong, "--data-dir", "no-such-folder"],
        &["calibrate", wrong, "--device", "h100"],
        &["calibrate", "no-such-file.csv", "--device", "h100"],
        &["calibrate", wrong, "--device", "H 100"],
        &["calibrate", wrong, "--device", "h100", "--like", "abacus"],
    ] {
        assert_eq!(server.run(words).code, 2, "{words:?}");
    }
    for token in ["two words", "two\nlines", "토큰"] {
        let mut list = server.command();
        let ended = list.env("ECP_TOKEN", token).args(["tenants", "list"]).output().expect("it runs");
        assert_eq!(ended.status.code(), Some(2), "{token:?}: {ended:?}");
    }
    let mut context = server.command();
    let ended = context.env("ECP_CONTEXTS", wrong).args(["contexts", "list"]).output().expect("it runs");
    assert_eq!(ended.status.code(), Some(2), "{ended:?}");
}

#[test]
fn faults_of_settings_and_of_token_files_are_said_in_korean_under_a_korean_locale() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("a path").to_owned()
    };
    let said = |arguments: &[&str], contexts: &str| {
        let mut ran = program();
        ran.env("LANG", "ko_KR.UTF-8").env("ECP_CONTEXTS", contexts).args(arguments);
        let ran = finish(&mut ran, "");
        assert_ne!(ran.code, 0, "{ran:?}");
        ran.err
    };
    let faults = write(
        "faults.toml",
        "lisen = 'x'\ndata_dir = ''\ndemo_speed = 0\ndatabase_url = 'mysql://x'\nmetrics_url = 'x'\ncontext = 'a'\n\
         [log]\nlevel = 'loud'\n[server]\nallowed_hosts = ['*']\nallowed_origins = ['x']\nbase_path = 'x'\n\
         [rate_limit]\nper_second = -2\nburst = 0\n[limits]\nmax_connections = 'many'\nidle_timeout_seconds = 0\n\
         shutdown_grace_seconds = 10\n[retention]\nraw_days = 0\n[controller]\nmax_concurrent = 0\n\
         [notifications]\nallow_private = ['x']\n[telemetry]\notlp_endpoint = 'x'\n[metrics]\nper_tenant = 'x'\n\
         scope_org_id = 'a b'\ntimeout_seconds = 0\n",
    );
    let told = said(&["serve", "--config", &faults], "/nonexistent");
    assert!(told.lines().count() > 20, "{told}");
    for line in told.lines() {
        assert!(is_korean(line), "{line}");
    }
    let broken = write("broken.toml", "broken [");
    let no_folder = folder.path().join("nothing");
    let no_folder = no_folder.to_str().expect("a path");
    let other = folder.path().join("other");
    let other = other.to_str().expect("a path");
    let contexts = write(
        "contexts.toml",
        "current = 'a'\n[contexts.a]\nserver = 'http://127.0.0.1:1'\ntoken_file = '/nonexistent/t'\n",
    );
    for (arguments, contexts) in [
        (&["serve", "--config", "/nonexistent/c.toml"][..], "/nonexistent"),
        (&["serve", "--config", &broken], "/nonexistent"),
        (&["tokens", "list", "--data-dir", no_folder], "/nonexistent"),
        (&["tokens", "create", "--name", "x", "--role", "viewer", "--until", "2020-01-01"], "/nonexistent"),
        (&["tokens", "create", "--name", "x", "--role", "root"], "/nonexistent"),
        (&["tokens", "create", "--name", "x", "--role", "viewer", "--tenants", "Bad Id"], "/nonexistent"),
        (
            &["tokens", "create", "--name", "anonymous", "--role", "viewer", "--data-dir", other],
            "/nonexistent",
        ),
        (&["migrate", "--from", no_folder, "--to", "postgres://127.0.0.1/x"], "/nonexistent"),
        (&["migrate", "--from", no_folder, "--to", "mysql://127.0.0.1/x"], "/nonexistent"),
        (&["validate", "--tenant", "Bad Id", "-f", "-"], "/nonexistent"),
        (&["validate", "--off", "no.such.rule", "-f", "-"], "/nonexistent"),
        (&["size", "-s", "callbot=1", "--catalog", no_folder], "/nonexistent"),
        (&["calibrate", &broken, "--device", "h100"], "/nonexistent"),
        (&["calibrate", &broken, "--device", "H 100"], "/nonexistent"),
        (&["calibrate", &broken, "--device", "h100", "--like", "abacus"], "/nonexistent"),
        (&["tenants", "list"], &contexts),
        (&["contexts", "list"], &broken),
    ] {
        let told = said(arguments, contexts);
        assert!(is_korean(told.lines().next().unwrap_or_default()), "{arguments:?}: {told}");
    }
}

/// The embedded catalog with a fault of each kind: of shape, of a rule, of a setting, of an availability.
fn faulty_catalog() -> String {
    let edits = [
        ("tts_cache_share = 0.9481", "tts_cache_share = 1.9481"),
        ("service_time_ms = 118", "service_time_ms = \"fast\""),
        ("lowest_utilization", "lowest_utilisation"),
        ("availability = \"99.9%\"", "availability = \"0.999\""),
        ("base_minutes = 4\n", ""),
        ("[services.ta]", "[services.tarot]"),
        ("tag = \"latest\"", "tag = \"a b\""),
        ("time_zone = \"Asia/Seoul\"", "time_zone = \"Asia/Atlantis\""),
        ("callers = []\n", "callers = [{ namespace = \"C R M\", services = [] }]\n"),
    ];
    edits.into_iter().fold(ecp_core::catalog::EMBEDDED.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    })
}

#[test]
fn every_fault_of_a_catalog_is_said_in_the_language_of_the_locale_wherever_one_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("a path").to_owned()
    };
    let catalog = write("catalog.toml", &faulty_catalog());
    let config = write("ecp.toml", &format!("listen = '127.0.0.1:0'\ncatalog = '{catalog}'\n"));
    let data = folder.path().join("data");
    let data = data.to_str().expect("a path");
    let load = write("load.csv", "stage,concurrency,latency_ms,throughput_per_second\n");
    let server = Server::start();
    for (arguments, code) in [
        (&["serve", "--config", &config, "--data-dir", data][..], 1),
        (&["size", "-s", "callbot=1", "--catalog", &catalog], 2),
        (&["calibrate", &load, "--device", "h100", "--catalog", &catalog], 2),
        (&["catalog", "diff", &catalog, "--data-dir", data], 2),
        // The server reads this one.
        (&["catalog", "diff", &catalog, "--server", &server.url, "--demo"], 3),
    ] {
        for (locale, korean) in [("ko_KR.UTF-8", true), ("C", false)] {
            let mut ran = program();
            let ran = finish(ran.env("LANG", locale).env("ECP_CONTEXTS", "/nonexistent").args(arguments), "");
            assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
            let faults: Vec<&str> =
                ran.err.lines().filter(|line| line.contains("행: ") || line.contains("line ")).collect();
            assert!(faults.len() > 8, "{arguments:?}: {}", ran.err);
            for fault in faults {
                let words =
                    fault.split_once(if korean { "행: " } else { "line " }).map_or("", |(_, words)| words);
                assert_eq!(is_korean(words), korean, "{arguments:?}: {fault}");
            }
        }
    }
}

#[test]
fn tokens_that_are_there_or_not_there_have_exit_codes_of_their_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().to_str().expect("a path");
    let tokens = |arguments: &[&str]| {
        let mut ran = program();
        finish(ran.env("LANG", "ko_KR.UTF-8").arg("tokens").args(arguments).args(["--data-dir", folder]), "")
    };
    let create = ["create", "--name", "ci", "--role", "viewer", "--tenants", "acme,other"];
    let made = tokens(&create).done();
    let id = made.lines().next().expect("an id");
    let listed = tokens(&["list"]).done();
    assert!(listed.contains("acme,other") && is_korean(&listed), "{listed}");
    let twice = tokens(&create);
    assert_eq!(twice.code, 5, "{twice:?}");
    assert!(is_korean(&twice.err) && twice.err.contains("ci"), "{twice:?}");
    let revoked = tokens(&["revoke", id]).done();
    assert!(is_korean(&revoked) && revoked.contains(id), "{revoked}");
    let gone = tokens(&["revoke", id]);
    assert_eq!(gone.code, 4, "{gone:?}");
    assert!(is_korean(&gone.err) && gone.err.contains(id), "{gone:?}");
}
