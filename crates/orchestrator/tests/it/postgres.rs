//! Tenants on a PostgreSQL server: the same answers, revisions, and what is said while it is away.

use ecp_testkit::{TestServer, my_ai_service};
use ecp_testservers::Postgres;
use reqwest::Method;
use serde_json::Value;
use std::time::{Duration, Instant};

const TENANT: &str = "/api/v1/tenants/my-ai-service";

async fn server_on(url: &str) -> TestServer {
    TestServer::builder().configure(|config| config.database_url = url.to_owned()).start().await
}

/// Asks until an answer is as it should be.
async fn until(what: &str, mut asked: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !asked().await {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_accepted_is_on_the_server_and_there_after_a_restart() {
    let url = Postgres::shared().database("it_kept");
    let server = server_on(&url).await;
    server.deploy(&my_ai_service()).await;
    let before = server.client().get(TENANT).await.expect(200).json();
    let audit = server.client().get("/api/v1/audit").await.expect(200).json();
    assert_eq!(Postgres::shared().sql("it_kept", "SELECT id FROM ecp_demo.tenants"), "my-ai-service");
    server.stop().await;

    // Another folder: nothing but samples was in the first.
    let server = server_on(&url).await;
    let after = server.client().get(TENANT).await.expect(200).json();
    for field in ["generation", "created_at", "deployment_id", "status"] {
        assert_eq!(after[field], before[field], "{field}");
    }
    assert_eq!(server.client().get("/api/v1/audit").await.expect(200).json()["total"], audit["total"]);
    server.client().get(&format!("{TENANT}/deployments")).await.expect(200);
    server.client().delete(TENANT).await.expect(200);
    server.wait_for_status(TENANT, 404).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_names_its_revision_and_a_read_waits_for_the_one_it_is_shown() {
    let server = TestServer::start().await;
    let client = server.client();
    let created = client.post("/api/v1/tenants/", &my_ai_service()).await.expect(201);
    let revision: u64 = created.header("x-revision").parse().expect("a number");
    assert!(revision > 0);
    assert_eq!(client.get(TENANT).await.expect(200).header("x-revision"), "", "reads have none");
    let shown = |value: String| client.request(Method::GET, TENANT).header("X-Revision", value);
    client.send(shown(revision.to_string())).await.expect(200);
    let ahead = client.send(shown((revision + 1_000_000).to_string())).await.expect(503);
    assert_eq!(ahead.error_code(), "DATABASE_ERROR");
    assert_eq!(ahead.header("retry-after"), "2");
    for wrong in ["", "x", "-1", "1.0", "99999999999999999999"] {
        assert_eq!(
            client.send(shown(wrong.to_owned())).await.expect(400).error_code(),
            "INVALID_REQUEST",
            "{wrong:?}"
        );
    }
    let handshake = |value: &str| format!("/ws/monitoring/my-ai-service?revision={value}");
    server.socket(&handshake(&revision.to_string())).await;
    let (status, _) =
        server.try_socket(&handshake("x"), &[("x-demo-mode", "true")]).await.err().expect("refused");
    assert_eq!(status, 400);
    // Deleted and restarted, numbers only grow.
    client.delete(TENANT).await.expect(200);
    server.wait_for_status(TENANT, 404).await;
    let folder = server.stop().await;
    let server = TestServer::builder().folder(folder).start().await;
    let again = server.client().post("/api/v1/tenants/", &my_ai_service()).await.expect(201);
    assert!(again.header("x-revision").parse::<u64>().expect("a number") > revision + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_server_is_away_reads_go_on_and_say_so_and_writes_are_refused_at_once() {
    let mut postgres = Postgres::start().expect("PostgreSQL starts");
    let server = server_on(&postgres.url()).await;
    let client = server.client();
    server.deploy(&my_ai_service()).await;
    client.get(TENANT).await.expect(200);

    postgres.stop();
    until("the outage is noticed", async || {
        client.get(TENANT).await.expect(200).header("warning").contains("does not answer")
    })
    .await;
    let asked = Instant::now();
    let mut other = my_ai_service();
    other["tenant_id"] = "another".into();
    let refused = client.post("/api/v1/tenants/", &other).await.expect(503);
    assert_eq!(refused.error_code(), "DATABASE_ERROR");
    assert!(asked.elapsed() < Duration::from_secs(5), "at once");
    client.get("/api/v1/tenants/").await.expect(200);
    client.get("/api/v1/alerts?status=open").await.expect(200);
    client.get(&format!("{TENANT}/manifest")).await.expect(200);
    assert_eq!(client.get("/api/v1/audit").await.expect(503).error_code(), "DATABASE_ERROR");
    let ready = client.send(client.bare(Method::GET, "/readyz")).await.expect(200).json();
    assert!(ready["storage"].as_str().is_some_and(|text| text.contains("demo:")), "{ready}");
    assert_eq!(ready["status"], "degraded");

    postgres.restart();
    until("writes are taken again", async || client.post("/api/v1/tenants/", &other).await.status == 201)
        .await;
    until("nothing is said any more", async || {
        client.get(TENANT).await.expect(200).header("warning").is_empty()
    })
    .await;
    let listed = client.get("/api/v1/tenants/").await.expect(200).json();
    assert_eq!(listed["tenants"].as_array().map(Vec::len), Some(2), "{listed}");
    let ready = client.send(client.bare(Method::GET, "/readyz")).await.expect(200).json();
    assert_eq!(ready["storage"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_none_is_refused_and_its_password_is_not_repeated() {
    for (url, says) in [
        ("mysql://root:geheim@localhost/x", "postgres://"),
        ("postgres://ecp:geheim@localhost:none/x", "can not be read"),
    ] {
        let environment = |name: &str| (name == "ECP_DATABASE_URL").then(|| url.to_owned());
        let faults =
            ecp_orchestrator::config::Config::load(&Default::default(), environment).expect_err("refused");
        let text = faults.to_string();
        assert!(text.contains("database_url") && text.contains(says), "{text}");
        assert!(!text.contains("geheim"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_with_samples_of_its_own_is_refused_and_a_restart_is_not() {
    let url = Postgres::shared().database("it_alone");
    let server = server_on(&url).await;
    server.deploy(&my_ai_service()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = ecp_orchestrator::config::Config::load(&Default::default(), |_| None).expect("valid");
    config.listen.set_port(0);
    config.data_dir = folder.path().to_owned();
    config.database_url = url.clone();
    config.demo.seed = false;
    let second =
        ecp_orchestrator::App::start(config, std::sync::Arc::new(ecp_core::ports::SystemClock)).await;
    let refusal = format!("{:#}", second.err().expect("it is refused"));
    assert!(refusal.contains("another process") && refusal.contains("samples"), "{refusal}");
    server.client().get(TENANT).await.expect(200);

    // The same samples after a restart, however the process ended: at once.
    let folder = server.stop().await;
    let server = TestServer::builder()
        .configure(|config| config.database_url = url.clone())
        .folder(folder)
        .start()
        .await;
    server.client().get(TENANT).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_embedded_installation_moves_to_a_server_whole_or_not_at_all() {
    let server = TestServer::builder().tokens().start().await;
    let made = |args: &[&str]| {
        let output =
            std::process::Command::new(env!("CARGO_BIN_EXE_ecp")).args(args).output().expect("it runs");
        let text =
            String::from_utf8_lossy(if output.status.success() { &output.stdout } else { &output.stderr });
        (output.status.success(), text.into_owned())
    };
    let folder = server.data_dir().display().to_string();
    let (ok, token) = made(&["tokens", "create", "--name", "op", "--role", "admin", "--data-dir", &folder]);
    assert!(ok, "{token}");
    let token = token.lines().last().expect("the token").to_owned();
    let client = server.client().with_token(&token);
    client.post("/api/v1/tenants/", &my_ai_service()).await.expect(201);
    until("it runs", async || client.get(TENANT).await.expect(200).json()["status"] == "running").await;
    let before = client.get(TENANT).await.expect(200).json();
    let audit = client.get("/api/v1/audit").await.expect(200).json();

    let url = Postgres::shared().database("it_moved");
    let (ok, said) = made(&["migrate", "--from", &folder, "--to", &url]);
    assert!(!ok && said.contains("in use"), "a server runs on it: {said}");
    let place = server.stop().await;
    let (ok, said) = made(&["migrate", "--from", &folder, "--to", &url]);
    assert!(ok, "{said}");
    assert!(said.contains("tenants") && said.contains("tokens") && said.contains("samples stay"), "{said}");
    let (ok, said) = made(&["migrate", "--from", &folder, "--to", &url]);
    assert!(!ok && (said.contains("not empty") || said.contains("was moved")), "{said}");
    let (ok, said) = made(&["serve", "--data-dir", &folder, "--listen", "127.0.0.1:0"]);
    assert!(!ok && said.contains("moved to postgres://") && said.contains("--database-url"), "{said}");

    let server = TestServer::builder()
        .tokens()
        .configure(|config| config.database_url = url.clone())
        .folder(place)
        .start()
        .await;
    let client = server.client().with_token(&token);
    let after = client.get(TENANT).await.expect(200).json();
    for field in ["generation", "created_at", "deployment_id", "status"] {
        assert_eq!(after[field], before[field], "{field}");
    }
    assert_eq!(client.get("/api/v1/audit").await.expect(200).json()["total_count"], audit["total_count"]);
    let mut second = my_ai_service();
    second["tenant_id"] = "second".into();
    client.post("/api/v1/tenants/", &second).await.expect(201);
    until("it runs", async || {
        client.get("/api/v1/tenants/second").await.expect(200).json()["status"] == "running"
    })
    .await;
}
