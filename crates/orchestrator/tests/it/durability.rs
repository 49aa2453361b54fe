//! What was acknowledged is there after `kill -9`, however often and whenever it comes.

use ecp_core::Timestamp;
use ecp_testkit::Program;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Rounds of a usual test run; `ECP_KILL_ROUNDS` asks for more.
const ROUNDS: u64 = 12;
/// Acknowledged writes in a round before the kill; the exact moment is wherever the others are.
const WRITES_BEFORE_KILL: u64 = 40;

/// One that needs no GPU, of which the simulated cluster has far fewer than a round makes tenants.
fn tenant(id: &str) -> Value {
    json!({ "tenant_id": id, "name": id, "preset": "micro", "service_requirements": { "ta": 5 } })
}

/// One writer: creates tenants and sends samples until the server dies; returns what was
/// acknowledged.
async fn write_until_killed(
    http: reqwest::Client,
    base: String,
    round: u64,
    writer: u64,
    acknowledged: Arc<AtomicU64>,
) -> (Vec<String>, Vec<(String, i64)>) {
    let (mut tenants, mut samples) = (Vec::new(), Vec::new());
    let start = Timestamp::now().as_second() - 3600;
    for number in 0.. {
        let id = format!("t-{round}-{writer}-{number}");
        let create = http.post(format!("{base}/api/v1/tenants/")).header("x-demo-mode", "true");
        match create.json(&tenant(&id)).send().await {
            Ok(response) if response.status() == 201 => tenants.push(id.clone()),
            Ok(response) => panic!("{id}: {}", response.status()),
            Err(_) => break,
        }
        acknowledged.fetch_add(1, Ordering::Relaxed);
        let second = start + number;
        let sample = json!({
            "timestamp": Timestamp::from_second(second).expect("a time"),
            "metrics": { "cpu": 42.0 }
        });
        let post = http.post(format!("{base}/api/v1/tenants/{id}/monitoring")).header("x-demo-mode", "true");
        match post.json(&sample).send().await {
            Ok(response) if response.status() == 201 => samples.push((id, second)),
            Ok(response) => panic!("{id} sample: {}", response.status()),
            Err(_) => break,
        }
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
    (tenants, samples)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_write_survives_kill_9_in_the_middle_of_writes() {
    let rounds = std::env::var("ECP_KILL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut victim = Program::builder(env!("CARGO_BIN_EXE_ecp"), folder.path()).start();
    for round in 0..rounds {
        let acknowledged = Arc::new(AtomicU64::new(0));
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let http = ecp_testkit::http_client();
                tokio::spawn(write_until_killed(http, victim.url(""), round, writer, acknowledged.clone()))
            })
            .collect();
        while acknowledged.load(Ordering::Relaxed) < WRITES_BEFORE_KILL {
            assert!(!writers.iter().any(tokio::task::JoinHandle::is_finished), "a writer gave up early");
            tokio::task::yield_now().await;
        }
        victim.kill();
        victim = Program::builder(env!("CARGO_BIN_EXE_ecp"), folder.path()).start();
        let http = ecp_testkit::http_client();
        let get = async |path: String| {
            let request = http.get(victim.url(&path)).header("x-demo-mode", "true");
            request.send().await.expect("the restarted server answers")
        };
        for writer in writers {
            let (tenants, samples) = writer.await.expect("the writer ends");
            for id in tenants {
                assert_eq!(
                    get(format!("/api/v1/tenants/{id}")).await.status(),
                    200,
                    "round {round}: {id} is lost"
                );
            }
            for (id, second) in samples {
                let reply = get(format!("/api/v1/tenants/{id}/monitoring?hours=2&interval=1m")).await;
                let body: Value = reply.json().await.expect("JSON");
                assert_eq!(
                    body["summary"]["max_cpu"],
                    json!(42.0),
                    "round {round}: the sample of {id} at {second} is lost"
                );
            }
        }
    }
    victim.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_that_was_killed_half_way_is_finished_after_the_restart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let victim = Program::builder(env!("CARGO_BIN_EXE_ecp"), folder.path()).start();
    let http = ecp_testkit::http_client();
    let create = http.post(victim.url("/api/v1/tenants/")).header("x-demo-mode", "true");
    let created = create.json(&tenant("half-way")).send().await.expect("an answer");
    assert_eq!(created.status(), 201);
    victim.kill();
    let victim = Program::builder(env!("CARGO_BIN_EXE_ecp"), folder.path()).start();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let get = http.get(victim.url("/api/v1/tenants/half-way")).header("x-demo-mode", "true");
        let detail: Value = get.send().await.expect("an answer").json().await.expect("JSON");
        if detail["status"] == "running" {
            break;
        }
        assert!(std::time::Instant::now() < until, "still {detail}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    victim.kill();
}
