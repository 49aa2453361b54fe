//! What `/metrics` says of tenants, and to whom.

use ecp_core::access::Role;
use ecp_core::ports::SystemClock;
use ecp_store::{AccessStore, NewToken};
use ecp_testkit::TestServer;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Lines of the families whose names begin with `prefix`, without comments.
fn lines<'a>(text: &'a str, prefix: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.starts_with(prefix)).collect()
}

#[track_caller]
fn says(text: &str, line: &str) {
    assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
}

#[tokio::test]
async fn a_tenants_status_alerts_sla_and_costs_are_series_of_their_own() {
    let server = TestServer::start().await;
    let client = server.client();
    let tenant = |id: &str, name: &str| {
        json!({
            "tenant_id": id, "name": name, "preset": "micro", "service_requirements": {"callbot": 5},
            "sla_target": {"availability": "99.5%", "response_time": "250ms"},
        })
    };
    server.deploy(&tenant("alpha", "One \"quoted\\\" name")).await;
    let mut broken = tenant("broken", "Two");
    broken["demo_fault"] = json!("image-not-found");
    server.deploy(&broken).await;
    let sample = json!({"metrics": {"cpu": 99, "gpu": 50, "response_time": 300}});
    client.post("/api/v1/tenants/alpha/monitoring", &sample).await.expect(201);
    let silence = json!({"tenant_id": "alpha", "metric": "cpu"});
    client.post("/api/v1/silences", &silence).await.expect(201);
    let detail = client.get("/api/v1/tenants/?expand=cost&q=alpha").await.expect(200).json();
    let cost = &detail["tenants"][0]["cost"];

    let text = client.get("/metrics").await.expect(200).text;
    for line in [
        "# TYPE ecp_tenant info",
        "ecp_tenant_info{mode=\"demo\",tenant_id=\"alpha\",name=\"One \\\"quoted\\\\\\\" name\",preset=\"micro\",gpu_type=\"t4\"} 1",
        "# TYPE ecp_tenant_status gauge",
        "ecp_tenant_status{mode=\"demo\",tenant_id=\"alpha\",status=\"running\"} 1.0",
        "ecp_tenant_status{mode=\"demo\",tenant_id=\"alpha\",status=\"failed\"} 0.0",
        "ecp_tenant_status{mode=\"demo\",tenant_id=\"broken\",status=\"failed\"} 1.0",
        "ecp_tenant_open_alerts{mode=\"demo\",tenant_id=\"alpha\",severity=\"critical\",silenced=\"true\"} 1.0",
        "ecp_tenant_open_alerts{mode=\"demo\",tenant_id=\"alpha\",severity=\"critical\",silenced=\"false\"} 0.0",
        "ecp_tenant_open_alerts{mode=\"demo\",tenant_id=\"alpha\",severity=\"warning\",silenced=\"false\"} 1.0",
        "ecp_open_alerts{mode=\"demo\",severity=\"critical\",silenced=\"true\"} 1.0",
        "ecp_tenant_sla_availability_ratio{mode=\"demo\",tenant_id=\"alpha\"} 0.995",
        "ecp_tenant_sla_response_time_seconds{mode=\"demo\",tenant_id=\"alpha\"} 0.25",
        "ecp_tenant_response_time_seconds{mode=\"demo\",tenant_id=\"alpha\"} 0.3",
        "ecp_sla_misses{mode=\"demo\"} 1.0",
        "ecp_sla_misses{mode=\"real\"} 0.0",
        "ecp_tenants_without_series{mode=\"demo\",reason=\"limit\"} 0.0",
        "ecp_metrics_authorized 1.0",
        "ecp_cluster_up{mode=\"demo\"} 1.0",
        "ecp_store_writable{mode=\"real\"} 1.0",
        "ecp_ready 1.0",
    ] {
        says(&text, line);
    }
    for (series, field) in [("list_price", "list_price_usd"), ("operator_cost", "operator_cost_usd")] {
        let dollars = cost[field].as_f64().expect("dollars");
        says(
            &text,
            &format!(
                "ecp_tenant_{series}_dollars_per_month{{mode=\"demo\",tenant_id=\"alpha\"}} {dollars:.1}"
            ),
        );
        says(&text, &format!("ecp_{series}_dollars_per_month{{mode=\"demo\"}} {:.1}", dollars * 2.0));
    }
    let gpus = lines(&text, "ecp_gpu_capacity{mode=\"demo\",gpu_type=\"t4\"}");
    assert!(gpus.len() == 1 && !gpus[0].ends_with(" 0.0"), "{gpus:?}");
    assert_eq!(lines(&text, "ecp_tenant_response_time_seconds{").len(), 1, "who measured nothing has none");
    assert_eq!(lines(&text, "ecp_cluster_up{mode=\"real\"}"), [""; 0], "real mode has no cluster here");
    assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1);
    // Every family says what it is, once.
    let of = |word: &str| -> Vec<&str> {
        let named = text.lines().filter_map(|line| line.strip_prefix(word)?.split(' ').next());
        named.collect()
    };
    let (help, types) = (of("# HELP "), of("# TYPE "));
    assert_eq!(help, types);
    assert_eq!(types.len(), types.iter().collect::<BTreeSet<_>>().len(), "{types:?}");
}

#[tokio::test]
async fn over_the_limit_tenants_are_left_out_whole_and_counted() {
    for (setting, shown, reason) in [("2", 2, "limit"), ("none", 0, "setting"), ("all", 3, "limit")] {
        let server = TestServer::builder()
            .configure(|config| setting.clone_into(&mut config.metrics.per_tenant))
            .start()
            .await;
        for id in ["zeta", "beta", "alpha"] {
            server
                .create(&json!({"tenant_id": id, "name": id, "service_requirements": {"chatbot": 5}}))
                .await;
        }
        let text = server.client().get("/metrics").await.expect(200).text;
        let count = 3 - shown;
        says(&text, &format!("ecp_tenants_without_series{{mode=\"demo\",reason=\"{reason}\"}} {count}.0"));
        let info = lines(&text, "ecp_tenant_info{");
        assert_eq!(info.len(), shown, "{setting}: {info:?}");
        let list = server.client().get("/api/v1/tenants/").await.expect(200).json();
        for (place, tenant) in list["tenants"].as_array().expect("tenants").iter().enumerate() {
            let id = tenant["tenant_id"].as_str().expect("an id");
            let named = text.contains(&format!("tenant_id=\"{id}\""));
            assert_eq!(named, place < shown, "{setting}: who comes first in the list has series; {id}");
        }
        assert_eq!(lines(&text, "ecp_list_price_dollars_per_month{").len(), 2, "sums are there always");
    }
}

#[tokio::test]
async fn on_loopback_without_a_token_nothing_is_said_of_tenants_where_tokens_are_required() {
    let server = TestServer::builder().tokens().start().await;
    let tokens = AccessStore::open(&server.file("access.db"), Arc::new(SystemClock)).expect("tokens");
    let token = |name: &str, role, tenants| {
        let new = NewToken { name: name.to_owned(), role, tenants, expires_at: None };
        tokens.create_token(new).expect("a token").1
    };
    let admin = server.client().with_token(token("admin", Role::Admin, None).expose());
    let tenant = json!({"tenant_id": "alpha", "name": "A", "service_requirements": {"chatbot": 5}});
    admin.post("/api/v1/tenants/", &tenant).await.expect(201);
    let scoped = token("scoped", Role::Admin, Some(BTreeSet::new()));
    let viewer = token("viewer", Role::Viewer, None);
    for (client, sees) in [
        (server.client().clone(), false),
        (server.client().with_token("ecp_not-a-token"), false),
        (server.client().with_token(scoped.expose()), false),
        (server.client().with_token(viewer.expose()), true),
    ] {
        let text = client.get("/metrics").await.expect(200).text;
        assert_eq!(text.contains("alpha"), sees, "{text}");
        for family in ["ecp_tenant_info", "ecp_open_alerts", "ecp_gpu_capacity", "ecp_list_price"] {
            assert_eq!(text.contains(family), sees, "{family}");
        }
        says(&text, &format!("ecp_metrics_authorized {}.0", u8::from(sees)));
        says(&text, "ecp_ready 1.0");
        says(&text, "ecp_tenants{mode=\"demo\",status=\"failed\"} 0.0");
    }
}
