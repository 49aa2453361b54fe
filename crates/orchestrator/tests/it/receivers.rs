//! Receivers of alerts: what they are told, in which order and how often, and what keeps them from doing harm.

use ecp_testkit::{
    Answer, Client, ManualClock, Program, Received, TestReceiver, TestServer, TestServerBuilder,
    my_ai_service,
};
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

const RECEIVERS: &str = "/api/v1/receivers";
const NOON: &str = "2024-01-20T12:00:00Z";
/// Where the tests' own receivers listen.
const LOOPBACK: &str = "127.0.0.0/8";

fn builder() -> TestServerBuilder {
    TestServer::builder().configure(|config| config.notifications.allow_private = vec![LOOPBACK.to_owned()])
}

async fn raise(client: &Client, metrics: Value) {
    client.post("/api/v1/tenants/my-ai-service/monitoring", &json!({ "metrics": metrics })).await.expect(201);
}

/// Makes a receiver; its id.
async fn register(client: &Client, body: Value) -> String {
    let made = client.post(RECEIVERS, &body).await.expect(201).json();
    made["receiver_id"].as_str().expect("an id").to_owned()
}

async fn deliveries(client: &Client, id: &str) -> Vec<Value> {
    let list = client.get(&format!("{RECEIVERS}/{id}/deliveries")).await.expect(200).json();
    list["deliveries"].as_array().expect("deliveries").clone()
}

/// Waits until the deliveries, newest first, are as asked for.
async fn until(client: &Client, id: &str, are_so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let patience = Instant::now() + Duration::from_secs(60);
    loop {
        let listed = deliveries(client, id).await;
        if are_so(&listed) {
            return listed;
        }
        assert!(Instant::now() < patience, "{listed:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until the newest delivery is as asked for.
async fn until_newest(client: &Client, id: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    until(client, id, |listed| listed.first().is_some_and(&is_so)).await.swap_remove(0)
}

fn events(received: &[Received]) -> Vec<String> {
    received.iter().map(|request| request.json()["type"].as_str().expect("a type").to_owned()).collect()
}

#[tokio::test]
async fn a_webhook_is_told_each_change_signed_and_in_order() {
    let server = builder().start().await;
    let client = server.client();
    server.create(&my_ai_service()).await;
    let hook = TestReceiver::start([], Answer::Status(204)).await;
    let made = client.post(RECEIVERS, &json!({"kind": "webhook", "url": hook.url("/ecp?key=1")})).await;
    let made = made.expect(201).json();
    let secret = made["secret"].as_str().expect("a secret, once").to_owned();
    let path = format!("{RECEIVERS}/{}", made["receiver_id"].as_str().expect("an id"));
    assert_eq!(client.get(&path).await.expect(200).json().get("secret"), None);
    raise(client, json!({"cpu": 85.0})).await;
    raise(client, json!({"cpu": 97.0})).await;
    raise(client, json!({"cpu": 10.0})).await;
    let received = hook.requests(3).await;
    assert_eq!(events(&received), ["alert.opened", "alert.raised", "alert.resolved"]);
    for request in &received {
        assert_eq!(request.target, "POST /ecp?key=1");
        let header = |name: &str| request.headers.get(name).expect(name).clone();
        let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
        let signed = signature(&secret, &id, &timestamp, &request.body);
        assert_eq!(header("webhook-signature"), signed);
    }
    let raised = received[1].json();
    let data = &raised["data"];
    assert_eq!((&data["tenant_id"], &data["metric"]), (&json!("my-ai-service"), &json!("cpu")));
    assert_eq!((&data["severity"], &data["previous_severity"]), (&json!("critical"), &json!("warning")));
    assert_eq!((&data["mode"], &data["state"]), (&json!("demo"), &json!("open")));
    let id = made["receiver_id"].as_str().expect("an id");
    let newest = until_newest(client, id, |newest| newest["status"] == "delivered").await;
    assert_eq!((&newest["event"], &newest["last_status_code"]), (&json!("resolved"), &json!(204)));
    let metrics = client.get("/metrics").await.expect(200).text;
    let line = "ecp_notification_attempts_total{mode=\"demo\",kind=\"webhook\",outcome=\"delivered\"} 3";
    assert!(metrics.contains(line), "{metrics}");
    assert!(metrics.contains("ecp_notification_queue_length{mode=\"demo\",kind=\"webhook\"}"), "{metrics}");
    // Real mode has receivers of its own.
    assert_eq!(client.real().get(RECEIVERS).await.expect(200).json()["total_count"], 0);
}

/// As the specification's own example computes it, with openssl: nothing of the program's.
fn signature(secret: &str, id: &str, timestamp: &str, body: &[u8]) -> String {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let script =
        "key=$(printf %s \"$1\" | sed s/^whsec_// | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \\n')
        openssl dgst -sha256 -mac HMAC -macopt hexkey:$key -binary | openssl base64 -A";
    let mut openssl = Command::new("sh")
        .args(["-c", script, "sh", secret])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("openssl runs");
    let mut input = openssl.stdin.take().expect("piped");
    input.write_all(format!("{id}.{timestamp}.").as_bytes()).expect("written");
    input.write_all(body).expect("written");
    drop(input);
    let output = openssl.wait_with_output().expect("openssl ends");
    format!("v1,{}", String::from_utf8(output.stdout).expect("base64"))
}

#[tokio::test]
async fn a_receiver_that_fails_twice_is_told_the_third_time_under_the_same_id() {
    let clock = Arc::new(ManualClock::at(NOON));
    let server = builder().clock(clock.clone()).start().await;
    let client = server.client();
    server.create(&my_ai_service()).await;
    let hook = TestReceiver::start([Answer::Status(500), Answer::Status(503)], Answer::Status(200)).await;
    let id = register(client, json!({"kind": "webhook", "url": hook.url("/")})).await;
    raise(client, json!({"cpu": 85.0})).await;
    let failed = until_newest(client, &id, |newest| newest["attempts"] == 1).await;
    assert_eq!(failed["next_attempt_at"], "2024-01-20T12:00:05Z", "{failed}");
    assert!(failed["last_error"].as_str().expect("a reason").contains("500"), "{failed}");
    // What comes after it for the same alert waits; another alert does not.
    raise(client, json!({"cpu": 97.0})).await;
    let waiting = until_newest(client, &id, |newest| newest["event"] == "raised").await;
    assert_eq!((&waiting["attempts"], &waiting["next_attempt_at"]), (&json!(0), &Value::Null));
    clock.advance(SignedDuration::from_secs(5));
    let second = hook.requests(2).await;
    assert_eq!(events(&second), ["alert.opened", "alert.opened"]);
    until(client, &id, |listed| listed.iter().any(|delivery| delivery["attempts"] == 2)).await;
    clock.advance(SignedDuration::from_secs(30));
    let received = hook.requests(4).await;
    assert_eq!(events(&received)[2..], ["alert.opened", "alert.raised"]);
    let ids: Vec<_> = received.iter().map(|request| request.headers["webhook-id"].clone()).collect();
    assert!(ids[0] == ids[1] && ids[1] == ids[2] && ids[2] != ids[3], "{ids:?}");
    until_newest(client, &id, |newest| newest["status"] == "delivered").await;
    let given = client.get(&format!("{RECEIVERS}/{id}/deliveries?status=delivered")).await.expect(200).json();
    assert_eq!((&given["total_count"], &given["deliveries"][1]["attempts"]), (&json!(2), &json!(3)));
}

#[tokio::test]
async fn hostile_and_dead_receivers_delay_nobody_and_lead_nowhere() {
    let server = builder().start().await;
    let client = server.client();
    server.create(&my_ai_service()).await;
    let inside = TestReceiver::start([], Answer::Status(200)).await;
    let redirecting = TestReceiver::start([], Answer::Redirect(inside.url("/secret"))).await;
    let endless = TestReceiver::start([], Answer::Endless).await;
    let hanging = TestReceiver::start([], Answer::Hang).await;
    let good = TestReceiver::start([], Answer::Status(200)).await;
    let register = async |url: String| register(client, json!({"kind": "webhook", "url": url})).await;
    let redirecting = register(redirecting.url("/")).await;
    let endless = register(endless.url("/")).await;
    let _hanging = register(hanging.url("/")).await;
    // Nobody listens there.
    let dead = register("http://127.0.0.1:9/".to_owned()).await;
    let good_id = register(good.url("/")).await;
    raise(client, json!({"cpu": 85.0})).await;
    raise(client, json!({"memory": 85.0})).await;
    raise(client, json!({"cpu": 97.0})).await;
    let received = good.requests(3).await;
    hanging.requests(1).await;
    assert_eq!(received.len(), 3);
    until_newest(client, &good_id, |newest| newest["status"] == "delivered").await;
    // A body that does not end is an answer all the same.
    until_newest(client, &endless, |newest| newest["status"] == "delivered").await;
    let oldest = |listed: &[Value]| listed.last().cloned().unwrap_or_default();
    let turned = until(client, &redirecting, |listed| oldest(listed)["attempts"] != 0).await;
    assert_eq!(
        (&oldest(&turned)["last_status_code"], &turned[0]["status"]),
        (&json!(302), &json!("pending"))
    );
    assert!(inside.received().is_empty(), "no redirect is followed");
    let unreached = until(client, &dead, |listed| oldest(listed)["last_error"].is_string()).await;
    assert!(unreached.iter().all(|delivery| delivery["status"] == "pending"), "{unreached:?}");
}

#[tokio::test]
async fn addresses_inside_are_refused_when_stored_and_when_dialled() {
    let server = TestServer::start().await;
    let client = server.client();
    server.create(&my_ai_service()).await;
    let inside = TestReceiver::start([], Answer::Status(200)).await;
    let port = inside.address().port();
    for url in [
        inside.url("/"),
        format!("http://localhost:{port}/"),
        format!("http://127.1:{port}/"),
        format!("http://0x7f000001:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        "http://[::1]/".to_owned(),
        "http://[64:ff9b::7f00:1]/".to_owned(),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "http://10.0.0.1/".to_owned(),
        "http://100.64.0.1/".to_owned(),
        "http://192.0.2.1/".to_owned(),
        "http://0.0.0.0/".to_owned(),
        "http://224.0.0.1/".to_owned(),
        "ftp://hooks.example.com/".to_owned(),
        "http://user:password@hooks.example.com/".to_owned(),
        "http://hooks.example.com:0/".to_owned(),
        "hooks.example.com".to_owned(),
    ] {
        let refused = client.post(RECEIVERS, &json!({"kind": "webhook", "url": url})).await;
        let fields = refused.expect(422).json()["error"]["details"]["fields"].clone();
        assert_eq!(fields[0]["pointer"], "/url", "{url}: {fields}");
    }
    // One that was stored while it was allowed is not dialled once it is no longer.
    let folder = server.stop().await;
    let server = builder().folder(folder).start().await;
    let (by_number, by_name) = (inside.url("/"), format!("http://localhost:{port}/"));
    let mut ids = Vec::new();
    for url in [by_number, by_name] {
        ids.push(register(server.client(), json!({"kind": "webhook", "url": url})).await);
    }
    let server = TestServer::builder().folder(server.stop().await).start().await;
    raise(server.client(), json!({"cpu": 85.0})).await;
    for id in &ids {
        let failed = until_newest(server.client(), id, |newest| newest["attempts"] == 1).await;
        let reason = failed["last_error"].as_str().expect("a reason");
        assert!(reason.contains("notifications.allow_private"), "{failed}");
    }
    assert!(inside.received().is_empty(), "nothing was dialled");
}

#[tokio::test]
async fn what_can_not_be_a_receiver_is_refused_with_every_fault() {
    let server = builder().start().await;
    let client = server.client();
    let fields = async |body: Value| {
        let refused = client.post(RECEIVERS, &body).await.expect(422).json();
        let fields = refused["error"]["details"]["fields"].as_array().expect("fields").clone();
        let pointers = fields.iter().map(|field| field["pointer"].as_str().expect("a pointer").to_owned());
        pointers.collect::<Vec<_>>()
    };
    assert_eq!(fields(json!({})).await, ["/kind", "/url"]);
    let wrong = json!({"kind": "mail", "url": "mailto:a@example.com", "secret": "short", "type": "cpu",
        "metric": "cpuu", "severity": "fatal", "comment": 5});
    let expected = ["/kind", "/secret", "/type", "/metric", "/severity", "/comment", "/url"];
    assert_eq!(fields(wrong).await, expected);
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let alertmanager = json!({"kind": "alertmanager", "url": "http://127.0.0.1:9093/?a=1", "secret": secret});
    assert_eq!(fields(alertmanager).await, ["/secret", "/url"]);
    let unknown = json!({"kind": "webhook", "url": "http://127.0.0.1:9/", "tenant_id": "none"});
    assert_eq!(client.post(RECEIVERS, &unknown).await.expect(404).error_code(), "TENANT_NOT_FOUND");
    let warned =
        json!({"kind": "webhook", "url": "http://127.0.0.1:9/", "secret": secret, "sevrity": "critical"});
    let warned = client.post(RECEIVERS, &warned).await.expect(201);
    assert!(warned.header("warning").contains("sevrity"));
    assert_eq!(warned.json().get("secret"), None, "who gave it knows it");
    client.get(&format!("{RECEIVERS}/none")).await.expect(404);
    client.get(&format!("{RECEIVERS}/none/deliveries")).await.expect(404);
}

#[tokio::test]
async fn a_receiver_is_changed_as_a_whole_tested_and_removed() {
    let server = builder().start().await;
    let client = server.client();
    server.create(&my_ai_service()).await;
    let hook = TestReceiver::start([Answer::Status(200), Answer::Status(500)], Answer::Status(200)).await;
    let body = json!({"kind": "webhook", "url": hook.url("/a"), "tenant_id": "my-ai-service", "severity": "critical"});
    let made = client.post(RECEIVERS, &body).await.expect(201).json();
    let id = made["receiver_id"].as_str().expect("an id");
    let path = format!("{RECEIVERS}/{id}");
    let tested = client.post(&format!("{path}/test"), &json!({})).await.expect(200).json();
    assert_eq!((&tested["event"], &tested["status"]), (&json!("test"), &json!("delivered")));
    let tested = client.post(&format!("{path}/test"), &json!({})).await.expect(200).json();
    assert_eq!((&tested["status"], &tested["last_status_code"]), (&json!("given_up"), &json!(500)));
    assert_eq!(events(&hook.received()), ["test", "test"]);
    assert_eq!(deliveries(client, id).await.len(), 2);
    // What is not named is the default; the secret alone is kept.
    let changed =
        client.put(&path, &json!({"kind": "webhook", "url": hook.url("/b")})).await.expect(200).json();
    assert_eq!((&changed["severity"], &changed["tenant_id"]), (&Value::Null, &Value::Null));
    assert_eq!(changed.get("secret"), None);
    raise(client, json!({"cpu": 85.0})).await;
    let told = hook.requests(3).await.pop().expect("one");
    assert_eq!(told.target, "POST /b");
    let signed = &told.headers["webhook-signature"];
    let (id_sent, at) = (&told.headers["webhook-id"], &told.headers["webhook-timestamp"]);
    assert_eq!(*signed, signature(made["secret"].as_str().expect("a secret"), id_sent, at, &told.body));
    let trail = client.get("/api/v1/audit?tenant_id=my-ai-service&action=receiver.create").await.expect(200);
    assert_eq!(trail.json()["total_count"], 1);
    assert!(!trail.text.contains("whsec_"), "{}", trail.text);
    let server = builder().folder(server.stop().await).start().await;
    let client = server.client();
    assert_eq!(client.get(&path).await.expect(200).json(), changed);
    client.delete(&path).await.expect(200);
    client.delete(&path).await.expect(404);
    assert_eq!(client.get(RECEIVERS).await.expect(200).json()["total_count"], 0);
}

#[tokio::test]
async fn nobody_is_told_of_a_silenced_alert_until_its_silence_ends() {
    let clock = Arc::new(ManualClock::at(NOON));
    let server = builder().clock(clock.clone()).start().await;
    let client = server.client();
    server.create(&my_ai_service()).await;
    let hook = TestReceiver::start([], Answer::Status(200)).await;
    let id = register(client, json!({"kind": "webhook", "url": hook.url("/")})).await;
    client
        .post("/api/v1/silences", &json!({"metric": "cpu", "ends_at": "2024-01-20T12:01:00Z"}))
        .await
        .expect(201);
    raise(client, json!({"cpu": 85.0})).await;
    raise(client, json!({"memory": 85.0})).await;
    hook.requests(1).await;
    assert_eq!(deliveries(client, &id).await.len(), 1, "of the other alone");
    clock.advance(SignedDuration::from_secs(60));
    let received = hook.requests(2).await;
    assert_eq!(
        (&events(&received)[1], &received[1].json()["data"]["metric"]),
        (&"alert.opened".into(), &json!("cpu"))
    );
}

#[tokio::test]
async fn an_alertmanager_gets_labels_ends_the_old_set_and_is_sent_what_is_open_again() {
    let clock = Arc::new(ManualClock::at(NOON));
    let server = builder().clock(clock.clone()).start().await;
    let client = server.client();
    server.create(&my_ai_service()).await;
    let manager = TestReceiver::start([], Answer::Status(200)).await;
    register(client, json!({"kind": "alertmanager", "url": manager.url("/am/")})).await;
    raise(client, json!({"cpu": 85.0})).await;
    let opened = manager.requests(1).await[0].clone();
    assert_eq!(opened.target, "POST /am/api/v2/alerts");
    let labels = json!({"alertname": "TenantCpu", "tenant_id": "my-ai-service", "type": "resource_usage",
        "metric": "cpu", "severity": "warning"});
    assert_eq!(opened.json()[0]["labels"], labels);
    let ends = |alert: &Value| alert["endsAt"].as_str().expect("an end").to_owned();
    assert!(ends(&opened.json()[0]).as_str() > NOON);
    let find = async |is_it: &dyn Fn(&Value) -> bool| {
        let mut count = 1;
        loop {
            let received = manager.requests(count).await;
            if received.iter().any(|request| is_it(&request.json())) {
                return;
            }
            count = received.len() + 1;
        }
    };
    clock.advance(SignedDuration::from_secs(10));
    raise(client, json!({"cpu": 97.0})).await;
    find(&|alerts| {
        let of = |severity: &str| {
            let alerts = alerts.as_array().expect("alerts");
            alerts.iter().find(|alert| alert["labels"]["severity"] == severity).map(ends)
        };
        of("warning") == Some("2024-01-20T12:00:10Z".into())
            && of("critical") > Some("2024-01-20T12:00:10Z".into())
    })
    .await;
    let so_far = manager.received().len();
    clock.advance(SignedDuration::from_secs(120));
    let again = manager.requests(so_far + 1).await.pop().expect("one").json();
    assert_eq!(again[0]["labels"]["severity"], "critical");
    assert!(ends(&again[0]).as_str() > "2024-01-20T12:02:10Z");
    raise(client, json!({"cpu": 10.0})).await;
    find(&|alerts| {
        let only = alerts[0]["labels"]["severity"] == "critical" && alerts[1].is_null();
        only && ends(&alerts[0]) == "2024-01-20T12:02:10Z"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_recorded_is_told_after_kill_9_and_nothing_else_is() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let start = || {
        Program::builder(env!("CARGO_BIN_EXE_ecp"), folder.path())
            .envs(&[("ECP_NOTIFICATIONS__ALLOW_PRIVATE", LOOPBACK)])
            .start()
    };
    let hook = TestReceiver::start([Answer::Hang, Answer::Hang, Answer::Hang], Answer::Status(200)).await;
    let http = ecp_testkit::http_client();
    let post = async |url: String, body: Value| {
        let answer = http.post(url).header("x-demo-mode", "true").json(&body).send().await.expect("answers");
        assert_eq!(answer.status().as_u16(), 201);
    };
    let get = async |url: String| -> Value {
        let answer = http.get(url).header("x-demo-mode", "true").send().await.expect("answers");
        serde_json::from_str(&answer.text().await.expect("a text")).expect("JSON")
    };
    let victim = start();
    post(victim.url("/api/v1/tenants/"), my_ai_service()).await;
    post(victim.url(RECEIVERS), json!({"kind": "webhook", "url": hook.url("/")})).await;
    let samples = victim.url("/api/v1/tenants/my-ai-service/monitoring");
    for metric in ["cpu", "memory", "gpu"] {
        post(samples.clone(), json!({"metrics": {metric: 97.0}})).await;
    }
    // It is in the middle of telling.
    hook.requests(1).await;
    victim.kill();
    let victim = start();
    let told = async || {
        let received = hook.received();
        let ids = received.iter().map(|request| request.json()["data"]["alert_id"].clone().to_string());
        ids.collect::<std::collections::BTreeSet<_>>()
    };
    let patience = Instant::now() + Duration::from_secs(60);
    let open = async || {
        let open = get(victim.url("/api/v1/alerts?status=open")).await;
        let alerts = open["alerts"].as_array().expect("alerts").clone();
        alerts.iter().map(|alert| alert["alert_id"].to_string()).collect::<std::collections::BTreeSet<_>>()
    };
    loop {
        let (told, open) = (told().await, open().await);
        assert!(told.is_subset(&open), "what was told was recorded: {told:?} of {open:?}");
        if open.len() == 3 && told == open {
            break;
        }
        assert!(Instant::now() < patience, "{told:?} of {open:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
