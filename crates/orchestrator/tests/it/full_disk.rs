//! A process whose files can not grow any more: it tells, says so once, does not spin, and goes on when there is room.

use ecp_testkit::{Client, Program};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
/// More than the changes of state that a log tells of, and far less than what a process says that spins.
const MOST_COMPLAINTS: usize = 60;

/// Lets no file of the process grow beyond this; none for any size.
fn limit_files(program: &Program, most: Option<u64>) {
    let pid = i32::try_from(program.pid()).ok().and_then(Pid::from_raw).expect("a process");
    prlimit(Some(pid), Resource::Fsize, Rlimit { current: most, maximum: None }).expect("it is limited");
}

fn largest_file(folder: &Path) -> u64 {
    let files =
        std::fs::read_dir(folder).expect("the folder").filter_map(|entry| entry.ok()?.metadata().ok());
    files.map(|file| file.len()).max().expect("files")
}

async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < PATIENCE, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn create(client: &Client, id: &str) -> (u16, Value) {
    let body =
        json!({"tenant_id": id, "name": id, "preset": "micro", "service_requirements": {"chatbot": 5}});
    let reply = client.post("/api/v1/tenants/", &body).await;
    (reply.status.as_u16(), reply.json())
}

async fn is_running(client: &Client, id: &str) -> bool {
    client.get(&format!("/api/v1/tenants/{id}")).await.json()["status"] == "running"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_can_not_write_tells_and_waits_and_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = Program::builder_for_full_disks(env!("CARGO_BIN_EXE_ecp"), folder.path()).start();
    let client = program.client();
    assert_eq!(create(&client, "before").await.0, 201);
    until("the first tenant runs", async || is_running(&client, "before").await).await;

    limit_files(&program, Some(largest_file(folder.path())));
    let mut accepted = vec!["before".to_owned()];
    let refused = loop {
        let id = format!("full-{}", accepted.len());
        match create(&client, &id).await {
            (201, _) => accepted.push(id),
            (status, answer) => break (status, answer["error"]["code"].clone()),
        }
        assert!(accepted.len() < 2_000, "the files have a limit");
    };
    assert_eq!(refused, (503, json!("DATABASE_ERROR")));
    // Nobody is told that all is well, and what can be read is read.
    until("readiness tells", async || {
        let ready = client.get("/readyz").await;
        ready.status == 503 && ready.json()["storage"].as_str().is_some_and(|text| text.starts_with("demo: "))
    })
    .await;
    for _ in 0..200 {
        client.get("/healthz").await.expect(200);
        client.get("/api/v1/tenants/before").await.expect(200);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    limit_files(&program, None);
    until("readiness is back", async || client.get("/readyz").await.status == 200).await;
    assert_eq!(create(&client, "after").await.0, 201);
    accepted.push("after".to_owned());
    for id in &accepted {
        until(&format!("{id} runs"), async || is_running(&client, id).await).await;
    }
    client.assert_audited().await;
    let said = program.kill();
    let complaints = said.lines().filter(|line| line.contains(" WARN ") || line.contains(" ERROR ")).count();
    assert!((1..MOST_COMPLAINTS).contains(&complaints), "{complaints} complaints: {said}");
}
