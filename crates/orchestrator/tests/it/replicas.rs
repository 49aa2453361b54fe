//! Several replicas on one PostgreSQL are one service, each of them a process of its own: killed, paused and
//! stopped. The test binary runs itself as the replica.

use ecp_testkit::{Client, Reply, TestServer, my_ai_service};
use ecp_testservers::Postgres;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// Where a replica finds the database; set for a process that is to be one.
const DATABASE: &str = "ECP_REPLICA_DATABASE";
/// How fast its simulated cluster runs.
const SPEED: &str = "ECP_REPLICA_SPEED";
/// What a replica says before its address.
const LISTENS: &str = "replica listens on ";
/// For what takes a lease's time on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// A replica when the variables say so; alone it is nothing.
#[allow(clippy::print_stdout, reason = "it tells its parent where it listens")]
#[tokio::test(flavor = "multi_thread")]
async fn a_process_of_its_own() {
    let (Ok(url), Ok(speed)) = (std::env::var(DATABASE), std::env::var(SPEED)) else { return };
    let server = TestServer::builder().configure(|config| {
        config.database_url = url;
        config.shared_samples = true;
        config.demo_speed = speed.parse().expect("a speed");
    });
    let server = server.start().await;
    println!("\n{LISTENS}{}", server.address());
    let closed = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    closed.await.expect("it is read").expect("it ends");
    server.stop().await;
}

/// One replica.
struct Replica {
    child: Child,
    input: Option<ChildStdin>,
    client: Client,
    drain: Option<std::thread::JoinHandle<()>>,
}

impl Replica {
    fn start(url: &str, speed: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("the test binary"))
            .args(["--exact", "replicas::a_process_of_its_own", "--nocapture", "--test-threads", "1"])
            .env(DATABASE, url)
            .env(SPEED, speed)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("standard output is piped"));
        let mut line = String::new();
        let address = loop {
            line.clear();
            assert_ne!(lines.read_line(&mut line).expect("a line"), 0, "it ended before it was ready");
            if let Some(address) = line.trim().strip_prefix(LISTENS) {
                break address.to_owned();
            }
        };
        let drain = std::thread::spawn(move || {
            let _ = lines.read_to_end(&mut Vec::new());
        });
        let (input, client) = (child.stdin.take(), Client::new(format!("http://{address}")));
        Self { child, input, client, drain: Some(drain) }
    }

    /// `STOP`, `CONT` and the like.
    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status().expect("kill runs");
        assert!(sent.success(), "SIG{name} is delivered");
    }

    fn kill(mut self) {
        self.child.kill().expect("SIGKILL is delivered");
    }

    /// In order, as SIGTERM ends it.
    fn stop(mut self) {
        drop(self.input.take());
        assert!(self.child.wait().expect("it ends").success(), "it ended in order");
    }

    /// What `/readyz` says of it in demo mode.
    async fn standing(&self) -> Value {
        let ready = self.client.send(self.client.bare(Method::GET, "/readyz")).await.expect(200).json();
        ready["replica"]["demo"].clone()
    }

    async fn leads(&self) -> bool {
        self.standing().await["leads"] == true
    }

    async fn status(&self, id: &str) -> Value {
        self.client.get(&format!("/api/v1/tenants/{id}")).await.json()["status"].clone()
    }

    /// Who works on a tenant, as the detail's `debug` has it.
    async fn lease(&self, id: &str) -> Value {
        let asked =
            self.client.request(Method::GET, &format!("/api/v1/tenants/{id}")).header("X-Debug", "true");
        self.client.send(asked).await.expect(200).json()["debug"]["lease"].clone()
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(drain) = self.drain.take() {
            let _ = drain.join();
        }
    }
}

fn tenant(id: &str) -> Value {
    let mut tenant = my_ai_service();
    tenant["tenant_id"] = id.into();
    tenant
}

async fn until(what: &str, mut asked: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !asked().await {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Both, the one that leads first.
async fn in_order(one: Replica, other: Replica) -> (Replica, Replica) {
    loop {
        if one.leads().await {
            return (one, other);
        }
        if other.leads().await {
            return (other, one);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_replica_takes_anything_and_answers_as_the_others_do() {
    let url = Postgres::shared().database("replicas_alike");
    let (leader, other) = in_order(Replica::start(&url, "5000"), Replica::start(&url, "5000")).await;
    assert!(!other.leads().await);

    // Accepted by the one that does not run the cluster, read from the other at once by its revision.
    let created = other.client.post("/api/v1/tenants/", &tenant("acme")).await.expect(201);
    let shown = leader.client.request(Method::GET, "/api/v1/tenants/acme");
    leader.client.send(shown.header("X-Revision", created.header("x-revision"))).await.expect(200);
    until("it runs, as both see it", async || {
        leader.status("acme").await == "running" && other.status("acme").await == "running"
    })
    .await;
    for replica in [&leader, &other] {
        let lease = replica.lease("acme").await;
        assert_eq!(lease["holder"], leader.standing().await["id"]);
        assert!(lease["epoch"].as_u64().is_some_and(|epoch| epoch > 0), "{lease}");
        assert!(lease["expires"].is_string(), "{lease}");
    }
    let metrics = other.client.get("/metrics").await.expect(200).text;
    for line in
        [r#"ecp_leases_held{mode="demo"} 0"#, r#"ecp_replica_leads{mode="demo"} 0"#, "ecp_view_lag_seconds{"]
    {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }

    // What is only in the memory of the one that runs the cluster, both know.
    for path in [
        "/api/v1/tenants/acme",
        "/api/v1/tenants/acme/deployment-status",
        "/api/v1/tenants/acme/events",
        "/api/v1/tenants/acme/manifest",
        "/api/v1/monitoring/system",
        "/api/v1/overview",
        "/api/v1/audit",
    ] {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answers = [&leader, &other].map(|replica| replica.client.get(path));
            let [one, two] = answers;
            let (one, two) = (told(one.await.expect(200)), told(two.await.expect(200)));
            if one == two {
                break;
            }
            assert!(Instant::now() < deadline, "{path} differs:\n{one}\n{two}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    // A change and a deletion by whichever.
    other.client.put("/api/v1/tenants/acme", &json!({"name": "Acme"})).await.expect(200);
    until("the other has the name", async || {
        leader.client.get("/api/v1/tenants/acme").await.json()["name"] == "Acme"
    })
    .await;
    until("it runs", async || other.status("acme").await == "running").await;

    // What meets is planned on what there is then, whoever wrote it: refused is only what asks for more.
    let put = async |number: usize, etag: Option<&str>| {
        let client = &[&leader, &other][number % 2].client;
        let change = client.request(Method::PUT, "/api/v1/tenants/acme");
        let change = change.json(&json!({"description": format!("number {number}")}));
        let change = etag.iter().fold(change, |change, etag| change.header("If-Match", *etag));
        client.send(change).await.status.as_u16()
    };
    let changed = join_all((0..6).map(|number| put(number, None))).await;
    assert_eq!(changed, [200; 6]);
    let etag = async |replica: &Replica| {
        replica.client.get("/api/v1/tenants/acme").await.expect(200).header("etag").to_owned()
    };
    until("both have the newest", async || etag(&leader).await == etag(&other).await).await;
    let newest = etag(&leader).await;
    let mut changed = join_all((6..12).map(|number| put(number, Some(&newest)))).await;
    changed.sort_unstable();
    assert_eq!(changed, [200, 412, 412, 412, 412, 412]);
    let (one, two) = tokio::join!(
        leader.client.delete("/api/v1/tenants/acme"),
        other.client.delete("/api/v1/tenants/acme")
    );
    let (one, two) = (one.expect(200).json(), two.expect(200).json());
    assert_eq!(one["deletion_id"], two["deletion_id"]);
    until("it is gone from both", async || {
        let gone = async |replica: &Replica| replica.client.get("/api/v1/tenants/acme").await.status == 404;
        gone(&leader).await && gone(&other).await
    })
    .await;

    // Stopped in order it hands over at once.
    leader.stop();
    until("the other leads", async || other.leads().await).await;
    other.client.post("/api/v1/tenants/", &tenant("later")).await.expect(201);
    until("it runs", async || other.status("later").await == "running").await;
}

/// A body without what is of the moment of asking.
fn told(reply: Reply) -> String {
    let mut body = match serde_json::from_str::<Value>(&reply.text) {
        Ok(body) => body,
        Err(_) => return reply.text,
    };
    if let Some(body) = body.as_object_mut() {
        body.remove("timestamp");
        body.remove("generated_at");
    }
    body.to_string()
}

/// How often a replica is killed; `ECP_TAKEOVERS` asks for more, whose times are printed with `--nocapture`.
const TAKEOVERS: usize = 1;

#[allow(clippy::print_stdout, reason = "how long it takes is for people")]
#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_replica_was_doing_goes_on_at_another() {
    let takeovers =
        std::env::var("ECP_TAKEOVERS").ok().and_then(|text| text.parse().ok()).unwrap_or(TAKEOVERS);
    let url = Postgres::shared().database("replicas_killed");
    // So slow that a deployment takes some ten seconds.
    let (mut leader, mut other) = in_order(Replica::start(&url, "60"), Replica::start(&url, "60")).await;
    for number in 0..takeovers {
        let id = format!("acme-{number}");
        other.client.post("/api/v1/tenants/", &tenant(&id)).await.expect(201);
        until("it is under way", async || {
            let path = format!("/api/v1/tenants/{id}/deployment-status");
            other.client.get(&path).await.expect(200).json()["phase"] == "scaling-services"
        })
        .await;
        let before = other.lease(&id).await;
        let own = other.standing().await["id"].clone();
        let killed = Instant::now();
        leader.kill();
        until("another has it", async || other.lease(&id).await["holder"] == own).await;
        println!("takeover {number}: {:.1} s after the kill", killed.elapsed().as_secs_f64());
        until("it runs", async || other.status(&id).await == "running").await;
        let after = other.lease(&id).await;
        assert_eq!(after["holder"], own);
        assert!(after["epoch"].as_u64() > before["epoch"].as_u64(), "{before} {after}");
        // The next one is killed in its place.
        leader = other;
        other = Replica::start(&url, "60");
        until("it leads", async || leader.leads().await).await;
    }
    let trail = leader.client.get("/api/v1/audit?action=tenant.heal").await.expect(200).json();
    assert_eq!(trail["total_count"], 0, "nothing had to be put back: {trail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_replica_loses_what_it_had_and_writes_nothing_when_it_goes_on() {
    let url = Postgres::shared().database("replicas_paused");
    let (paused, other) = in_order(Replica::start(&url, "60"), Replica::start(&url, "60")).await;
    other.client.post("/api/v1/tenants/", &tenant("acme")).await.expect(201);
    until("it is under way", async || {
        let status = other.client.get("/api/v1/tenants/acme/deployment-status").await.expect(200).json();
        status["phase"] == "scaling-services"
    })
    .await;
    paused.signal("STOP");
    until("it runs at the other", async || other.status("acme").await == "running").await;
    // Only the other writes, and it has nothing to write.
    let sql = |sql: &str| Postgres::shared().sql("replicas_paused", sql);
    let newest = "SELECT max(revision) FROM ecp_demo.feed";
    let (mut still, mut since) = (sql(newest), Instant::now());
    until("all is at rest", async || {
        let now = sql(newest);
        if now != still {
            (still, since) = (now, Instant::now());
        }
        since.elapsed() > Duration::from_secs(2)
    })
    .await;
    let lease = other.lease("acme").await;
    paused.signal("CONT");
    until("it knows", async || {
        let standing = paused.standing().await;
        standing["leads"] == false && standing["leases"] == 0 && paused.status("acme").await == "running"
    })
    .await;
    // What it had begun would be over by now.
    let resumed = Instant::now();
    until("it had time", async || resumed.elapsed() > Duration::from_secs(3)).await;
    assert_eq!(sql(newest), still, "nothing was written");
    for (field, value) in [("holder", &lease["holder"]), ("epoch", &lease["epoch"])] {
        assert_eq!(paused.lease("acme").await[field], *value);
    }
    assert_eq!(paused.lease("acme").await["holder"], other.standing().await["id"]);
    // It is of use again.
    paused.client.post("/api/v1/tenants/", &tenant("later")).await.expect(201);
    until("it runs", async || paused.status("later").await == "running").await;
}
