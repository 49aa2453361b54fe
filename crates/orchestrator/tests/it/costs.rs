//! What tenants paid and cost.

use ecp_testkit::{ManualClock, TestServer, my_ai_service};
use serde_json::{Value, json};
use std::sync::Arc;

fn named(id: &str, name: &str) -> Value {
    json!({ "tenant_id": id, "name": name, "preset": "medium", "service_requirements": { "callbot": 50 } })
}

/// Dollars as cents: sums of shown figures are exact.
fn cents(amount: &Value) -> i64 {
    (amount.as_f64().expect("a number") * 100.0).round() as i64
}

#[tokio::test]
async fn the_total_is_the_sum_of_the_rows_and_gone_tenants_and_plans_of_before_count() {
    let clock = Arc::new(ManualClock::at("2026-10-31T15:00:00Z"));
    let server = TestServer::builder().clock(clock.clone()).start().await;
    let client = server.client();
    client.post("/api/v1/tenants/", &my_ai_service()).await.expect(201);
    client.post("/api/v1/tenants/", &named("acme", "=HYPERLINK(\"http://evil\"),\"x\"")).await.expect(201);
    // Ten of November's thirty days, then a smaller plan for five.
    clock.advance(days(10));
    let mut smaller = named("acme", "=HYPERLINK(\"http://evil\"),\"x\"");
    smaller["preset"] = "small".into();
    smaller["service_requirements"]["callbot"] = 20.into();
    client.put("/api/v1/tenants/acme", &smaller).await.expect(200);
    clock.advance(days(5));
    let costs = client.get("/api/v1/costs").await.expect(200).json();
    assert_eq!((&costs["month"], &costs["is_complete"]), (&json!("2026-11"), &json!(false)));
    assert_eq!(costs["currency"], json!({ "code": "KRW", "per_usd": 1390.0, "as_of": "2026-11-02" }));
    let rows = costs["tenants"].as_array().expect("rows");
    assert_eq!(rows.len(), 2);
    assert_eq!(
        (&rows[0]["tenant_id"], &rows[0]["days"], &rows[0]["preset"]),
        (&json!("acme"), &json!(15.0), &json!("small"))
    );
    for figure in ["list_price_usd", "operator_cost_usd", "margin_usd"] {
        let sum: i64 = rows.iter().map(|row| cents(&row[figure])).sum();
        assert_eq!(cents(&costs["total"][figure]), sum, "{figure}");
    }
    for figure in ["list_price_local", "operator_cost_local", "margin_local"] {
        let sum: i64 = rows.iter().filter_map(|row| row[figure].as_i64()).sum();
        assert_eq!(costs["total"][figure], sum, "{figure}");
    }
    assert!(
        rows.iter().all(|row| cents(&row["list_price_usd"]) - cents(&row["operator_cost_usd"])
            == cents(&row["margin_usd"]))
    );
    // Fifteen of thirty days of a plan that stayed the same: half of it.
    let listed = client.get("/api/v1/tenants/?expand=cost").await.expect(200).json();
    let of = |id: &str| {
        let tenants = listed["tenants"].as_array().expect("rows");
        tenants
            .iter()
            .find(|tenant| tenant["tenant_id"] == id)
            .map(|tenant| tenant["cost"]["list_price_usd"].clone())
    };
    assert_eq!(cents(&rows[1]["list_price_usd"]), cents(&of("my-ai-service").expect("it is listed")) / 2);

    client.delete("/api/v1/tenants/acme").await.expect(200);
    // The simulated cluster lives by this clock.
    while client.get("/api/v1/tenants/acme").await.status != 404 {
        clock.advance(jiff::SignedDuration::from_millis(10));
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    clock.advance(days(60));
    let november = client.get("/api/v1/costs?month=2026-11").await.expect(200).json();
    assert_eq!(november["is_complete"], true);
    assert_eq!(
        (&november["tenants"][0]["tenant_id"], &november["tenants"][0]["is_deleted"]),
        (&json!("acme"), &json!(true))
    );
    assert_eq!(
        november["tenants"][1]["list_price_usd"],
        of("my-ai-service").expect("it is listed").as_f64().expect("a price")
    );
    let december = client.get("/api/v1/costs?month=2026-12").await.expect(200).json();
    assert_eq!(december["tenants"].as_array().map(Vec::len), Some(1), "who was gone before costs nothing");
    let folder = server.stop().await;
    let server = TestServer::builder().clock(clock).folder(folder).start().await;
    assert_eq!(server.client().get("/api/v1/costs?month=2026-11").await.expect(200).json(), november);

    let table = server.client().get("/api/v1/costs?month=2026-11&format=csv").await.expect(200);
    assert_eq!(table.header("content-type"), "text/csv; charset=utf-8");
    let lines: Vec<&str> = table.text.trim_start_matches('\u{feff}').trim_end().split("\r\n").collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines[0].starts_with("month,tenant_id,name,preset,deleted,days,list_price_usd"));
    assert!(
        lines[1].starts_with("2026-11,acme,\"'=HYPERLINK(\"\"http://evil\"\"),\"\"x\"\"\",small,true,15"),
        "{}",
        lines[1]
    );
    assert!(lines[3].starts_with("2026-11,total,,,,,"), "{}", lines[3]);
}

#[tokio::test]
async fn what_is_no_month_is_named() {
    let server = TestServer::start().await;
    for wrong in ["2026", "2026-13", "november", "2026-11-01"] {
        let refused = server.client().get(&format!("/api/v1/costs?month={wrong}")).await.expect(422);
        assert_eq!(refused.json()["error"]["details"]["fields"][0]["pointer"], "month", "{wrong:?}");
    }
    server.client().get("/api/v1/costs?format=xml").await.expect(422);
    let far = server.client().get("/api/v1/costs?month=9999-11").await.expect(200).json();
    assert_eq!(far["tenants"], json!([]));
}

fn days(days: i64) -> jiff::SignedDuration {
    jiff::SignedDuration::from_hours(24 * days)
}
