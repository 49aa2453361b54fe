//! Who may do what: every operation of the OpenAPI document, for every role and tenant scope.
//!
//! A new operation fails [`every_operation_has_an_expectation`] until it has a row in [`RULES`].

use ecp_core::Timestamp;
use ecp_core::access::Role;
use ecp_core::ids::TenantId;
use ecp_core::ports::{Clock, SystemClock};
use ecp_store::{AccessStore, NewToken};
use ecp_testkit::{Client, Reply, TestServer, my_ai_service};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// What a caller meets whose list of tenants lacks the one that the request names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outside {
    /// The request names no tenant.
    NamesNone,
    /// The same answer as for a tenant that does not exist.
    NotFound(&'static str),
    /// A refusal, whether or not the tenant exists.
    Forbidden,
    /// A refusal of every token with a list of tenants: it is of the cluster as a whole.
    WholeCluster,
}

/// What is expected of one operation.
struct Rule {
    method: Method,
    /// As the document spells it.
    path: &'static str,
    /// The weakest role that may; `None` for everybody, without a token.
    role: Option<Role>,
    outside: Outside,
    /// Status for who may; chosen so that nothing changes.
    allowed: u16,
}

const TENANT: Outside = Outside::NotFound("TENANT_NOT_FOUND");
const DEPLOYMENT: Outside = Outside::NotFound("DEPLOYMENT_NOT_FOUND");
const SILENCE: Outside = Outside::NotFound("INVALID_REQUEST");
const VIEWER: Option<Role> = Some(Role::Viewer);
const OPERATOR: Option<Role> = Some(Role::Operator);
const ADMIN: Option<Role> = Some(Role::Admin);

const RULES: [Rule; 47] = [
    rule(Method::GET, "/api/v1/tenants/", VIEWER, Outside::NamesNone, 200),
    rule(Method::POST, "/api/v1/tenants/", OPERATOR, Outside::Forbidden, 409),
    rule(Method::GET, "/api/v1/tenants/{tenant_id}", VIEWER, TENANT, 200),
    rule(Method::PUT, "/api/v1/tenants/{tenant_id}", OPERATOR, TENANT, 412),
    rule(Method::DELETE, "/api/v1/tenants/{tenant_id}", OPERATOR, TENANT, 412),
    rule(Method::POST, "/api/v1/tenants/calculate-resources", VIEWER, Outside::NamesNone, 200),
    rule(Method::GET, "/api/v1/tenants/{tenant_id}/monitoring", VIEWER, TENANT, 200),
    rule(Method::POST, "/api/v1/tenants/{tenant_id}/monitoring", OPERATOR, TENANT, 422),
    rule(Method::GET, "/api/v1/tenants/{tenant_id}/alerts", VIEWER, TENANT, 200),
    rule(Method::GET, "/api/v1/tenants/{tenant_id}/alert-rules", VIEWER, TENANT, 200),
    rule(Method::PUT, "/api/v1/tenants/{tenant_id}/alert-rules", OPERATOR, TENANT, 200),
    rule(Method::GET, "/api/v1/alerts", VIEWER, TENANT, 200),
    rule(Method::GET, "/api/v1/silences", VIEWER, Outside::NamesNone, 200),
    rule(Method::POST, "/api/v1/silences", OPERATOR, TENANT, 200),
    rule(Method::GET, "/api/v1/silences/{silence_id}", VIEWER, SILENCE, 200),
    rule(Method::DELETE, "/api/v1/silences/{silence_id}", OPERATOR, Outside::NamesNone, 404),
    rule(Method::GET, "/api/v1/receivers", ADMIN, Outside::WholeCluster, 200),
    rule(Method::POST, "/api/v1/receivers", ADMIN, Outside::WholeCluster, 422),
    rule(Method::GET, "/api/v1/receivers/{receiver_id}", ADMIN, Outside::WholeCluster, 200),
    rule(Method::PUT, "/api/v1/receivers/{receiver_id}", ADMIN, Outside::WholeCluster, 422),
    rule(Method::DELETE, "/api/v1/receivers/{receiver_id}", ADMIN, Outside::WholeCluster, 404),
    rule(Method::GET, "/api/v1/receivers/{receiver_id}/deliveries", ADMIN, Outside::WholeCluster, 200),
    rule(Method::POST, "/api/v1/receivers/{receiver_id}/test", ADMIN, Outside::WholeCluster, 404),
    rule(Method::GET, "/api/v1/monitoring/system", VIEWER, Outside::NamesNone, 200),
    rule(Method::GET, "/api/v1/overview", VIEWER, Outside::NamesNone, 200),
    rule(Method::GET, "/api/v1/tenants/{tenant_id}/events", VIEWER, TENANT, 200),
    rule(Method::GET, "/api/v1/tenants/{tenant_id}/logs", VIEWER, TENANT, 200),
    rule(Method::GET, "/api/v1/costs", VIEWER, Outside::NamesNone, 200),
    rule(Method::POST, "/api/v1/capacity", VIEWER, Outside::WholeCluster, 200),
    rule(Method::GET, "/api/v1/nodes", VIEWER, Outside::WholeCluster, 200),
    rule(Method::GET, "/api/v1/tenants/{tenant_id}/manifest", VIEWER, TENANT, 200),
    rule(Method::POST, "/api/v1/tenants/validate-manifest", OPERATOR, Outside::Forbidden, 200),
    rule(Method::GET, "/api/v1/tenants/{tenant_id}/deployment-status", VIEWER, TENANT, 200),
    rule(Method::GET, "/api/v1/tenants/{tenant_id}/recommendation", VIEWER, TENANT, 200),
    rule(Method::GET, "/api/v1/tenants/{tenant_id}/deployments", VIEWER, TENANT, 200),
    rule(Method::POST, "/api/v1/tenants/{tenant_id}/rollback", OPERATOR, TENANT, 412),
    rule(Method::GET, "/api/v1/audit", ADMIN, Outside::Forbidden, 200),
    rule(Method::GET, "/api/v1/catalog/diff", VIEWER, Outside::NamesNone, 200),
    rule(Method::POST, "/api/v1/catalog/diff", OPERATOR, Outside::NamesNone, 200),
    rule(Method::POST, "/api/v1/catalog/rollout", OPERATOR, TENANT, 200),
    rule(Method::GET, "/ws/monitoring/{tenant_id}", VIEWER, TENANT, 426),
    rule(Method::GET, "/ws/deployment/{deployment_id}", VIEWER, DEPLOYMENT, 426),
    rule(Method::GET, "/ws/alerts", VIEWER, Outside::WholeCluster, 426),
    rule(Method::GET, "/ws/alerts/{tenant_id}", VIEWER, TENANT, 426),
    rule(Method::GET, "/healthz", None, Outside::NamesNone, 200),
    rule(Method::GET, "/readyz", None, Outside::NamesNone, 200),
    // Open on loopback, where the tests listen; `limits` asks from elsewhere.
    rule(Method::GET, "/metrics", None, Outside::NamesNone, 200),
];

const fn rule(
    method: Method,
    path: &'static str,
    role: Option<Role>,
    outside: Outside,
    allowed: u16,
) -> Rule {
    Rule { method, path, role, outside, allowed }
}

impl Rule {
    /// The path that means a tenant; some name it in the query.
    fn path_of(&self, tenant_id: &str) -> String {
        let path = self.path.replace("{tenant_id}", tenant_id);
        let names_in_query = ["/api/v1/audit", "/api/v1/alerts"].contains(&self.path);
        match self.path {
            _ if names_in_query => format!("{path}?tenant_id={tenant_id}"),
            "/api/v1/silences" => format!("{path}?dry_run=true"),
            _ => path,
        }
    }

    /// A request that means the contract's tenant and would change nothing.
    async fn send(&self, client: &Client, world: &World) -> Reply {
        // What would be deleted is not there.
        let is_deletion = self.method == Method::DELETE;
        let silence_id = if is_deletion { "none" } else { &world.silence_id };
        let is_told = is_deletion || self.path.ends_with("/test");
        let receiver_id = if is_told { "none" } else { &world.receiver_id };
        let path = self.path_of("my-ai-service").replace("{deployment_id}", &world.deployment_id);
        let path = path.replace("{silence_id}", silence_id).replace("{receiver_id}", receiver_id);
        let mut request = client.request(self.method.clone(), &path);
        if self.method != Method::GET {
            let body = match self.path {
                "/api/v1/tenants/" => my_ai_service(),
                "/api/v1/tenants/calculate-resources" | "/api/v1/capacity" => {
                    json!({"service_requirements": {"callbot": 1}})
                }
                "/api/v1/tenants/validate-manifest" => {
                    json!({"tenant_id": "my-ai-service", "manifest_content": "kind: Namespace"})
                }
                "/api/v1/catalog/diff" => json!({"catalog": ecp_core::catalog::EMBEDDED}),
                "/api/v1/catalog/rollout" => json!({"tenants": ["my-ai-service"]}),
                "/api/v1/silences" => json!({"tenant_id": "my-ai-service"}),
                _ => json!({}),
            };
            request = request.header("if-match", "\"0\"").json(&body);
        }
        client.send(request).await
    }

    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

fn in_seconds(seconds: i64) -> Timestamp {
    let now = SystemClock.now().as_second();
    Timestamp::from_second(now + seconds).expect("a time")
}

/// A server that asks for tokens, with the contract's tenant deployed.
struct World {
    server: TestServer,
    tokens: AccessStore,
    deployment_id: String,
    silence_id: String,
    receiver_id: String,
}

impl World {
    async fn new() -> Self {
        let server = TestServer::builder().tokens().start().await;
        let tokens = AccessStore::open(&server.file("access.db"), Arc::new(SystemClock)).expect("tokens");
        let mut world = Self {
            server,
            tokens,
            deployment_id: String::new(),
            silence_id: String::new(),
            receiver_id: String::new(),
        };
        let admin = world.client("setup", Role::Admin, None);
        let created = admin.post("/api/v1/tenants/", &my_ai_service()).await.expect(201).json();
        world.deployment_id = created["deployment_id"].as_str().expect("an id").to_owned();
        let silence = json!({"tenant_id": "my-ai-service", "comment": "for the tests"});
        let silence = admin.post("/api/v1/silences", &silence).await.expect(201).json();
        world.silence_id = silence["silence_id"].as_str().expect("an id").to_owned();
        // Documentation's own name and address: nothing is sent to it, for its tenant has no alerts.
        let receiver = json!({"kind": "webhook", "url": "https://hooks.example/ecp"});
        let receiver = admin.post("/api/v1/receivers", &receiver).await.expect(201).json();
        world.receiver_id = receiver["receiver_id"].as_str().expect("an id").to_owned();
        world
    }

    fn token(&self, name: &str, role: Role, tenants: Option<&[&str]>) -> String {
        let ids = |ids: &[&str]| -> BTreeSet<TenantId> {
            ids.iter().map(|id| TenantId::parse(id).expect("an id")).collect()
        };
        let new = NewToken { name: name.to_owned(), role, tenants: tenants.map(ids), expires_at: None };
        let (_, secret) = self.tokens.create_token(new).expect("a token");
        secret.expose().to_owned()
    }

    fn client(&self, name: &str, role: Role, tenants: Option<&[&str]>) -> Client {
        self.server.client().with_token(&self.token(name, role, tenants))
    }

    async fn send(&self, rule: &Rule, client: &Client) -> Reply {
        rule.send(client, self).await
    }
}

#[tokio::test]
async fn every_operation_has_an_expectation() {
    let server = TestServer::start().await;
    let document = server.client().get("/openapi.json").await.expect(200).json();
    let mut operations = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for method in item.as_object().expect("methods").keys() {
            operations.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    let expected: BTreeSet<String> = RULES.iter().map(Rule::name).collect();
    assert_eq!(expected.len(), RULES.len(), "a rule stands twice");
    assert_eq!(operations, expected, "each operation of the document needs one row in RULES");
}

#[tokio::test]
async fn without_a_valid_token_nothing_but_the_open_paths_answers() {
    let world = World::new().await;
    let unknown = world.server.client().with_token(&format!("ecp_{}", "0".repeat(64)));
    let challenges = [(world.server.client(), "Bearer realm=\"ecp\""), (&unknown, "error=\"invalid_token\"")];
    for rule in &RULES {
        for (client, challenge) in challenges {
            let reply = world.send(rule, client).await;
            if rule.role.is_none() {
                assert_eq!(reply.status.as_u16(), rule.allowed, "{}: {}", rule.name(), reply.text);
                continue;
            }
            assert_eq!(reply.status.as_u16(), 401, "{}: {}", rule.name(), reply.text);
            assert_eq!(reply.error_code(), "UNAUTHORIZED", "{}", rule.name());
            assert!(reply.header("www-authenticate").contains(challenge), "{}", rule.name());
        }
    }
}

#[tokio::test]
async fn every_operation_asks_for_its_role_and_its_tenant() {
    let world = World::new().await;
    for role in Role::ALL {
        let scopes: [(&str, Option<&[&str]>, bool); 4] = [
            ("all", None, true),
            ("listed", Some(&["my-ai-service"]), true),
            ("other", Some(&["another"]), false),
            ("none", Some(&[]), false),
        ];
        for (scope, tenants, inside) in scopes {
            let client = world.client(&format!("{role}-{scope}"), role, tenants);
            for rule in &RULES {
                let reply = world.send(rule, &client).await;
                let too_weak = rule.role.is_some_and(|needed| role < needed);
                let too_narrow = rule.outside == Outside::WholeCluster && tenants.is_some();
                let expected = if too_weak || too_narrow {
                    (403, Some("FORBIDDEN"))
                } else if inside {
                    (rule.allowed, None)
                } else {
                    match rule.outside {
                        Outside::NamesNone | Outside::WholeCluster => (rule.allowed, None),
                        Outside::NotFound(code) => (404, Some(code)),
                        Outside::Forbidden => (403, Some("FORBIDDEN")),
                    }
                };
                let context = format!("{} as {role}, tenants: {scope}: {}", rule.name(), reply.text);
                assert_eq!(reply.status.as_u16(), expected.0, "{context}");
                if let Some(code) = expected.1 {
                    assert_eq!(reply.error_code(), code, "{context}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_tenant_outside_the_list_answers_exactly_like_one_that_does_not_exist() {
    let world = World::new().await;
    let client = world.client("other", Role::Admin, Some(&["another"]));
    for rule in RULES.iter().filter(|rule| rule.outside == TENANT) {
        let mut hidden = world.send(rule, &client).await.json();
        let path = rule.path_of("another");
        let request = client.request(rule.method.clone(), &path).header("if-match", "\"0\"");
        let body = match rule.path {
            "/api/v1/catalog/rollout" => json!({"tenants": ["another"]}),
            "/api/v1/silences" => json!({"tenant_id": "another"}),
            _ => json!({}),
        };
        let mut unknown = client.send(request.json(&body)).await.expect(404).json();
        for body in [&mut hidden, &mut unknown] {
            body["error"]["timestamp"].take();
            body["error"]["request_id"].take();
        }
        let unknown: Value =
            serde_json::from_str(&unknown.to_string().replace("another", "my-ai-service")).expect("JSON");
        assert_eq!(hidden, unknown, "{}", rule.name());
    }
}

#[tokio::test]
async fn a_list_and_the_system_totals_count_only_the_callers_tenants() {
    let world = World::new().await;
    for (name, tenants, count) in [("one", &["my-ai-service"], 1), ("other", &["another"], 0)] {
        let client = world.client(name, Role::Viewer, Some(tenants));
        let list = client.get("/api/v1/tenants/").await.expect(200).json();
        assert_eq!(list["total_count"], count, "{list:#}");
        assert_eq!(list["tenants"].as_array().map(Vec::len), Some(count));
        let system = client.get("/api/v1/monitoring/system").await.expect(200).json();
        assert_eq!(system["total_tenants"], count, "{system:#}");
    }
}

#[tokio::test]
async fn a_listed_token_learns_no_figure_of_the_cluster_as_a_whole() {
    let world = World::new().await;
    let admin = world.client("all", Role::Admin, None);
    let mut other = my_ai_service();
    other["tenant_id"] = json!("another");
    admin.post("/api/v1/tenants/", &other).await.expect(201);
    let system = async |client: &Client| client.get("/api/v1/monitoring/system").await.expect(200).json();
    let whole = system(&admin).await;
    let one = system(&world.client("one", Role::Admin, Some(&["my-ai-service"]))).await;
    let plan = admin.get("/api/v1/tenants/my-ai-service").await.expect(200).json();
    assert_eq!(one["total_resources"]["cpu"], plan["resources"]["cpu"], "{one:#}");
    assert_eq!(one["total_resources"]["gpu"], plan["resources"]["gpu"], "{one:#}");
    assert_ne!(one["total_resources"]["cpu"], whole["total_resources"]["cpu"]);
    // What is used is what pods ask for; those of both tenants are there a moment later.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while system(&admin).await["used_resources"]["cpu"] == one["used_resources"]["cpu"] {
        assert!(std::time::Instant::now() < deadline, "{one:#}");
        tokio::task::yield_now().await;
    }
    let none = system(&world.client("none", Role::Admin, Some(&[]))).await;
    assert_eq!((&none["total_resources"]["cpu"], &none["used_resources"]["gpu"]), (&json!("0m"), &json!(0)));
    assert_eq!(none["utilization"], json!({"cpu": 0.0, "memory": 0.0, "gpu": 0.0, "storage": 0.0}));

    // What does not fit is refused; how much is left is told to who sees everything only.
    let mut huge = my_ai_service();
    huge["tenant_id"] = json!("huge");
    huge.as_object_mut().expect("an object").remove("preset");
    huge["service_requirements"] = json!({"callbot": 1_000_000});
    let scoped = world.client("huge", Role::Operator, Some(&["huge", "huge-2"]));
    let mut shown = [0, 0];
    for (index, client) in [&admin, &scoped].into_iter().enumerate() {
        for (path, method) in
            [("/api/v1/tenants/", Method::POST), ("/api/v1/tenants/?dry_run=true", Method::POST)]
        {
            let reply = client.send(client.request(method, path).json(&huge)).await;
            let reply = reply.expect(409).json();
            assert_eq!(reply["error"]["code"], "INSUFFICIENT_RESOURCES", "{reply}");
            let short = reply["error"]["details"]["short"].as_array().expect("what is short");
            assert!(short.iter().all(|shortfall| shortfall["requested"].is_string()), "{reply}");
            let told = |shortfall: &&Value| {
                ["available", "missing"].into_iter().any(|name| shortfall.get(name).is_some())
            };
            shown[index] += short.iter().filter(told).count();
            shown[index] += usize::from(reply["error"]["details"].get("nodes_left_out").is_some());
            // What is missing and which nodes were left out stands in the text, too.
            let text = reply["error"]["message"].as_str().expect("a text");
            shown[index] += usize::from(text.bytes().any(|byte| byte.is_ascii_digit()));
        }
    }
    assert!(shown[0] > 0 && shown[1] == 0, "{shown:?}");
}

#[tokio::test]
async fn one_caller_never_gets_the_answer_to_another_callers_key() {
    let world = World::new().await;
    let create = async |client: &Client, key: &str| {
        let mut tenant = my_ai_service();
        tenant["tenant_id"] = json!("keyed");
        client
            .send(
                client.request(Method::POST, "/api/v1/tenants/").header("idempotency-key", key).json(&tenant),
            )
            .await
    };
    create(&world.client("a", Role::Operator, None), "b:x").await.expect(201);
    for (name, key) in [("a:b", "x"), ("a:b:x", ":"), ("b", "b:x")] {
        let reply = create(&world.client(name, Role::Operator, None), key).await;
        assert_eq!(reply.expect(409).error_code(), "TENANT_ALREADY_EXISTS", "{name}, {key}");
    }
}

#[tokio::test]
async fn sockets_end_with_1008_when_their_token_is_revoked_or_expires_and_others_stay() {
    let world = World::new().await;
    let expires_at = Some(in_seconds(8));
    let new = |name: &str, expires_at| NewToken {
        name: name.to_owned(),
        role: Role::Viewer,
        tenants: None,
        expires_at,
    };
    let (_, expiring) = world.tokens.create_token(new("expiring", expires_at)).expect("a token");
    let (revoked_info, revoked) = world.tokens.create_token(new("revoked", None)).expect("a token");
    let (_, staying) = world.tokens.create_token(new("staying", None)).expect("a token");
    let open = async |token: &str, path: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("x-demo-mode", "true")];
        world.server.try_socket(path, &headers).await.unwrap_or_else(|refusal| panic!("{refusal:?}"))
    };
    let paths = ["/ws/monitoring/my-ai-service", "/ws/alerts/my-ai-service"];
    let mut ending = Vec::new();
    for path in paths {
        ending.push(open(expiring.expose(), path).await);
        ending.push(open(revoked.expose(), path).await);
    }
    let mut stays = open(staying.expose(), paths[0]).await;
    world.tokens.revoke_token(&revoked_info.id).expect("revoked");
    let within = std::time::Instant::now() + Duration::from_secs(30);
    for mut socket in ending {
        let code = loop {
            match socket.next().await {
                Ok(_frame) => {}
                Err(code) => break code,
            }
        };
        assert_eq!(code, 1008);
        assert!(std::time::Instant::now() < within, "it took longer than 30 s");
    }
    stays.send(&json!({"action": "ping"})).await;
    loop {
        // The reminder to subscribe may come first.
        if stays.frame().await["action"] == "pong" {
            break;
        }
    }
}

#[tokio::test]
async fn the_bearer_of_a_token_is_the_actor_of_the_audit_trail() {
    let world = World::new().await;
    let operator = world.client("ci-pipeline", Role::Operator, None);
    operator.put("/api/v1/tenants/my-ai-service", &json!({"name": "renamed"})).await.expect(200);
    let admin = world.client("auditor", Role::Admin, None);
    let trail = admin.get("/api/v1/audit?tenant_id=my-ai-service").await.expect(200).json();
    let entries = trail["entries"].as_array().expect("entries");
    let update = entries.iter().find(|entry| entry["action"] == "tenant.update").expect("an update");
    assert_eq!(update["actor"], "ci-pipeline");
}

#[tokio::test]
async fn a_revoked_token_is_refused_at_once_and_malformed_headers_are_named() {
    let world = World::new().await;
    let token = world.token("leaver", Role::Viewer, None);
    let client = world.server.client().with_token(&token);
    client.get("/api/v1/tenants/").await.expect(200);
    let id = world.tokens.list_tokens().expect("a list").into_iter().find(|info| info.name == "leaver");
    world.tokens.revoke_token(&id.expect("the token").id).expect("revoked");
    // The server looks at the file of tokens at least every second.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while client.get("/api/v1/tenants/").await.status.as_u16() != 401 {
        assert!(std::time::Instant::now() < until, "the token is still accepted");
        tokio::task::yield_now().await;
    }
    for header in ["Basic dXNlcjpwYXNz", "Bearer", "Bearer ", "ecp_token"] {
        let request = world.server.client().request(Method::GET, "/api/v1/tenants/");
        let reply = world.server.client().send(request.header("authorization", header)).await.expect(401);
        assert!(reply.header("www-authenticate").contains("invalid_request"), "{header}");
    }
    let stays = format!("Bearer {}", world.token("stays", Role::Viewer, None));
    for second in [stays.as_str(), "Basic dXNlcjpwYXNz"] {
        let request = world.server.client().request(Method::GET, "/api/v1/tenants/");
        let request = request.header("authorization", &stays).header("authorization", second);
        world.server.client().send(request).await.expect(401);
    }
}

#[tokio::test]
async fn a_websocket_takes_its_token_from_the_header_the_protocol_or_the_query() {
    let world = World::new().await;
    let token = world.token("browser", Role::Viewer, Some(&["my-ai-service"]));
    let path = "/ws/monitoring/my-ai-service?demo_mode=true";
    let bearer = format!("Bearer {token}");
    let protocols = format!("ecp.v1, bearer.{token}");
    let by_query = format!("{path}&access_token={token}");
    let ways: [(&str, Vec<(&'static str, &str)>); 3] = [
        (path, vec![("authorization", &bearer)]),
        (path, vec![("sec-websocket-protocol", &protocols)]),
        (&by_query, vec![]),
    ];
    for (path, headers) in ways {
        let mut socket = world.server.try_socket(path, &headers).await.expect("opens");
        socket.send(&json!({"action": "ping"})).await;
        assert_eq!(socket.frame().await["action"], "pong");
    }
    let refused = |result: Result<_, (u16, String)>| result.map(|_| ()).expect_err("refused").0;
    assert_eq!(refused(world.server.try_socket(path, &[]).await), 401);
    let wrong = [("sec-websocket-protocol", "ecp.v1, bearer.ecp_wrong")];
    assert_eq!(refused(world.server.try_socket(path, &wrong).await), 401);
    let other = world.token("other-browser", Role::Viewer, Some(&["another"]));
    let path = format!("{path}&access_token={other}");
    assert_eq!(refused(world.server.try_socket(&path, &[]).await), 404);
    // A query parameter opens no other path.
    let rest = format!("/api/v1/tenants/?access_token={token}");
    world.server.client().get(&rest).await.expect(401);
}

#[tokio::test]
async fn a_listed_token_asks_for_the_alerts_of_one_of_its_tenants() {
    let world = World::new().await;
    let listed = world.client("listed-alerts", Role::Viewer, Some(&["my-ai-service"]));
    let all = listed.get("/api/v1/alerts").await.expect(403);
    assert_eq!(all.error_code(), "FORBIDDEN");
    listed.get("/api/v1/alerts?tenant_id=my-ai-service").await.expect(200);
}
