//! The calls of `sdk/conformance` as command lines.

use serde_json::{Map, Value};

/// The command line and the standard input of a call.
pub fn command_of(call: &str, args: &Map<String, Value>) -> (Vec<String>, String) {
    let mut left = args.clone();
    let mut take = |name: &str| {
        left.remove(name).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    let body = take("body").unwrap_or_default();
    let tenant = take("tenant_id").unwrap_or_default();
    let mut input = String::new();
    let mut words: Vec<String> = Vec::new();
    let mut say = |text: &str| words.extend(text.split(' ').map(str::to_owned));
    let mut flags: Vec<(&str, &str)> = Vec::new();
    match call {
        "list_tenants" | "iterate_tenants" => {
            say("tenants list");
            flags.extend([
                ("preset", "--preset"),
                ("status", "--status"),
                ("q", "--search"),
                ("sort", "--sort-by"),
                ("skip", "--skip"),
                ("limit", "--limit"),
            ]);
            if take("expand").is_some() {
                say("--wide");
            }
        }
        "create_tenant" => {
            say("tenants create -f -");
            flags.push(("idempotency_key", "--idempotency-key"));
        }
        "get_tenant" => say(&format!("tenants get {tenant}")),
        "update_tenant" => say(&format!("tenants update {tenant} -f -")),
        "delete_tenant" => say(&format!("tenants delete {tenant}")),
        "calculate_resources" => say("size -f - --remote"),
        "list_all_alerts" => {
            say("alerts");
            flags.extend([
                ("severity", "--severity"),
                ("type", "--type"),
                ("status", "--status"),
                ("skip", "--skip"),
                ("limit", "--limit"),
            ]);
        }
        "get_overview" => say("overview"),
        "get_capacity" => say("capacity -f -"),
        "list_nodes" => say("nodes"),
        "get_alert_rules" => say(&format!("alert-rules get {tenant}")),
        "set_alert_rules" => say(&format!("alert-rules set {tenant} -f -")),
        "list_silences" => {
            say("silence list");
            flags.extend([("status", "--status"), ("skip", "--skip"), ("limit", "--limit")]);
        }
        "create_silence" => say("silence create"),
        "get_silence" => {
            say("silence get");
            words.extend(take("silence_id"));
        }
        "delete_silence" => {
            say("silence delete");
            words.extend(take("silence_id"));
        }
        "list_receivers" => {
            say("receivers list");
            flags.extend([("skip", "--skip"), ("limit", "--limit")]);
        }
        "create_receiver" => say("receivers create"),
        "get_receiver" | "update_receiver" | "delete_receiver" | "test_receiver" => {
            say("receivers");
            say(call.trim_end_matches("_receiver"));
            words.extend(take("receiver_id"));
        }
        "list_deliveries" => {
            say("receivers deliveries");
            words.extend(take("receiver_id"));
            flags.extend([("status", "--status"), ("skip", "--skip"), ("limit", "--limit")]);
        }
        "list_events" => {
            say(&format!("events {tenant}"));
            flags.push(("limit", "--limit"));
        }
        "read_logs" => {
            say(&format!("logs {tenant}"));
            flags.extend([("service", "--service"), ("tail", "--tail")]);
        }
        "get_recommendation" => {
            say(&format!("recommend {tenant}"));
            flags.push(("hours", "--hours"));
        }
        "get_costs" => {
            say("costs");
            flags.push(("month", "--month"));
        }
        "validate_manifest" => say("validate -f - --remote"),
        "get_manifest" => {
            say(&format!("manifest {tenant}"));
            flags.extend([("format", "--format"), ("namespace", "--namespace")]);
        }
        "list_deployments" | "iterate_deployments" => {
            say(&format!("tenants history {tenant}"));
            flags.extend([("skip", "--skip"), ("limit", "--limit")]);
        }
        "roll_back_tenant" => say(&format!("tenants rollback {tenant}")),
        "get_catalog_diff" => say("catalog diff"),
        "roll_out_catalog" => say("catalog rollout"),
        "get_deployment_status" => {
            say(&format!("status {tenant}"));
            flags.push(("deployment_id", "--deployment"));
        }
        "wait_until_running" => {
            say(&format!("status {tenant} --wait"));
            flags.push(("deployment_id", "--deployment"));
        }
        "get_monitoring" => {
            say(&format!("metrics get {tenant}"));
            flags.extend([
                ("metric_type", "--metric-type"),
                ("hours", "--hours"),
                ("interval", "--interval"),
            ]);
        }
        "send_metrics" => say(&format!("metrics send {tenant} -f -")),
        "list_alerts" | "iterate_alerts" => {
            say(&format!("alerts {tenant}"));
            flags.extend([("status", "--status"), ("skip", "--skip"), ("limit", "--limit")]);
        }
        "list_audit_entries" | "iterate_audit_entries" => {
            say("audit");
            flags.extend([
                ("actor", "--actor"),
                ("action", "--action"),
                ("outcome", "--outcome"),
                ("request_id", "--request-id"),
                ("since", "--since"),
                ("until", "--until"),
                ("skip", "--skip"),
                ("limit", "--limit"),
            ]);
            if !tenant.is_empty() {
                say(&format!("--tenant {tenant}"));
            }
        }
        "get_health" => say("server health"),
        "get_readiness" => say("server ready"),
        "get_metrics" => say("server metrics"),
        "get_system_metrics" => say("cluster"),
        "watch_alerts" => {
            say(&format!("alerts {tenant} --follow"));
            flags.push(("since", "--since"));
        }
        "watch_all_alerts" => {
            say("alerts --follow");
            flags.push(("since", "--since"));
        }
        "watch_monitoring" => say(&format!("metrics watch {tenant}")),
        "watch_deployment" => {
            say("status --watch");
            flags.push(("deployment_id", "--deployment"));
        }
        unknown => panic!("unknown call {unknown}"),
    }
    for (name, flag) in flags {
        if let Some(value) = take(name) {
            words.extend([flag.to_owned(), value]);
        }
    }
    // Answers are asked for as JSON; a manifest then is YAML only where that is said.
    if call == "get_manifest" && !words.iter().any(|word| word == "--format") {
        words.extend(["--format".to_owned(), "yaml".to_owned()]);
    }
    if call.starts_with("iterate_") {
        words.push("--all".to_owned());
    }
    match call {
        "validate_manifest" => {
            let body: Value = serde_json::from_str(&body).expect("a body");
            input = body["manifest_content"].as_str().expect("a manifest").to_owned();
            if let Some(tenant) = body["tenant_id"].as_str() {
                words.extend(["--tenant".to_owned(), tenant.to_owned()]);
            }
        }
        "create_silence" => {
            let body: Map<String, Value> = serde_json::from_str(&body).expect("a body");
            for (name, value) in &body {
                let flag = match name.as_str() {
                    "tenant_id" => "--tenant",
                    "starts_at" => "--from",
                    "ends_at" => "--until",
                    name => &format!("--{name}"),
                };
                words.extend([flag.to_owned(), value.as_str().expect("text").to_owned()]);
            }
        }
        "create_receiver" | "update_receiver" => {
            let body: Map<String, Value> = serde_json::from_str(&body).expect("a body");
            for (name, value) in &body {
                let value = value.as_str().expect("text").to_owned();
                match name.as_str() {
                    "url" if call == "create_receiver" => words.push(value),
                    "secret" => {
                        words.extend(["--secret-file".to_owned(), "-".to_owned()]);
                        input = value;
                    }
                    "tenant_id" => words.extend(["--tenant".to_owned(), value]),
                    name => words.extend([format!("--{name}"), value]),
                }
            }
        }
        "roll_back_tenant" => {
            let body: Value = serde_json::from_str(&body).expect("a body");
            if let Some(id) = body["deployment_id"].as_str() {
                words.extend(["--to".to_owned(), id.to_owned()]);
            }
        }
        "roll_out_catalog" => {
            let body: Value = serde_json::from_str(&body).expect("a body");
            let tenants = body["tenants"].as_array().into_iter().flatten();
            words.extend(tenants.map(|tenant| tenant.as_str().expect("an id").to_owned()));
        }
        _ => input.push_str(&body),
    }
    for (name, flag) in [("dry_run", "--dry-run"), ("force", "--force"), ("include_ingress", "--ingress")] {
        if take(name).as_deref() == Some("true") {
            words.push(flag.to_owned());
        }
    }
    if take("include_monitoring").as_deref() == Some("false") {
        words.push("--no-monitoring".to_owned());
    }
    if let Some(rollback) = take("rollback") {
        words.push(format!("--rollback={rollback}"));
    }
    if let Some(tag) = take("if_match") {
        words.extend(["--if-generation".to_owned(), tag.trim_matches('"').to_owned()]);
    }
    if let Some(metrics) = take("metrics") {
        let metrics: Vec<String> = serde_json::from_str(&metrics).expect("names");
        words.extend(["--metric-type".to_owned(), metrics.join(",")]);
    }
    if let Some(interval) = take("interval") {
        let seconds = interval.parse::<f64>().expect("milliseconds") / 1000.0;
        words.extend(["--every".to_owned(), seconds.to_string()]);
    }
    assert!(left.is_empty(), "{call}: unknown arguments {left:?}");
    (words, input)
}
