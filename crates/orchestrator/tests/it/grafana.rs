//! The dashboard and the alert rules of `deploy/grafana` ask for nothing that the server does not export.

use ecp_testkit::TestServer;
use promql_parser::label::{MatchOp, Matchers};
use promql_parser::parser::{Expr, LabelModifier, VectorSelector, parse};
use regex_lite::Regex;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const DASHBOARD: &str = include_str!("../../../../deploy/grafana/ecp-orchestrator.json");
const CHART_DASHBOARD: &str =
    include_str!("../../../../deploy/helm/ecp-orchestrator/files/grafana-dashboard.json");
const RULES: &str = include_str!("../../../../deploy/grafana/alert-rules.yaml");

/// Labels that Prometheus adds to whatever it scrapes.
const TARGET_LABELS: [&str; 2] = ["job", "instance"];

/// What a server exports: the values that each label of each metric has.
struct Exposition(BTreeMap<String, BTreeMap<String, BTreeSet<String>>>);

impl Exposition {
    fn parse(text: &str) -> Self {
        let sample = Regex::new(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? [^ ]+$").expect("a pattern");
        let label = Regex::new(r#"([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)""#).expect("a pattern");
        let mut metrics: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let parts = sample.captures(line).unwrap_or_else(|| panic!("no sample: {line}"));
            let labels = metrics.entry(parts[1].to_owned()).or_default();
            for pair in label.captures_iter(parts.get(2).map_or("", |labels| labels.as_str())) {
                labels.entry(pair[1].to_owned()).or_default().insert(pair[2].to_owned());
            }
        }
        Self(metrics)
    }

    /// What is wrong with a query, if anything is.
    fn faults_of(&self, query: &str) -> Vec<String> {
        let mut faults = Vec::new();
        match parse(query) {
            Ok(expression) => {
                self.labels_of(&expression, &mut faults);
            }
            Err(error) => faults.push(error),
        }
        faults.into_iter().map(|fault| format!("{query}: {fault}")).collect()
    }

    /// The labels that every series of an expression may have.
    fn labels_of(&self, expression: &Expr, faults: &mut Vec<String>) -> BTreeSet<String> {
        match expression {
            Expr::VectorSelector(selector) => self.labels_of_selector(selector, faults),
            Expr::MatrixSelector(matrix) => self.labels_of_selector(&matrix.vs, faults),
            Expr::Paren(inner) => self.labels_of(&inner.expr, faults),
            Expr::Unary(inner) => self.labels_of(&inner.expr, faults),
            Expr::Subquery(inner) => self.labels_of(&inner.expr, faults),
            Expr::Call(call) => {
                let arguments = call.args.args.iter();
                arguments.flat_map(|argument| self.labels_of(argument, faults)).collect()
            }
            Expr::Aggregate(aggregate) => {
                let there = self.labels_of(&aggregate.expr, faults);
                demand(&there, aggregate.modifier.as_ref(), faults);
                let named = |modifier: &LabelModifier| -> BTreeSet<String> {
                    modifier.labels().labels.iter().cloned().collect()
                };
                match &aggregate.modifier {
                    None if aggregate.op.to_string() == "topk" => there,
                    None => BTreeSet::new(),
                    Some(by @ LabelModifier::Include(_)) => named(by),
                    Some(without @ LabelModifier::Exclude(_)) => &there - &named(without),
                }
            }
            Expr::Binary(binary) => {
                let (left, right) =
                    (self.labels_of(&binary.lhs, faults), self.labels_of(&binary.rhs, faults));
                let matching = binary.modifier.as_ref().and_then(|modifier| modifier.matching.as_ref());
                let scalar = |side: &Expr| matches!(side, Expr::NumberLiteral(_)) || is_time(side);
                if scalar(&binary.lhs) || scalar(&binary.rhs) {
                    return &left | &right;
                }
                match matching {
                    Some(_) => [&left, &right].into_iter().for_each(|side| demand(side, matching, faults)),
                    // Otherwise nothing matches: each side has labels that the other has not.
                    None if left != right => faults.push(format!("{left:?} do not match {right:?}")),
                    None => {}
                }
                left
            }
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) => BTreeSet::new(),
            Expr::Extension(_) => panic!("no extension is used"),
        }
    }

    fn labels_of_selector(&self, selector: &VectorSelector, faults: &mut Vec<String>) -> BTreeSet<String> {
        let name = selector.name.as_deref().unwrap_or_default();
        let Some(labels) = self.0.get(name) else {
            faults.push(format!("{name:?} is not exported"));
            return BTreeSet::new();
        };
        let Matchers { matchers, or_matchers } = &selector.matchers;
        for matcher in matchers.iter().chain(or_matchers.iter().flatten()) {
            match labels.get(&matcher.name) {
                None => faults.push(format!("{name} has no label {}", matcher.name)),
                Some(values) if matcher.op == MatchOp::Equal && !values.contains(&matcher.value) => {
                    faults.push(format!("no {name} has {}={:?}", matcher.name, matcher.value));
                }
                Some(_) => {}
            }
        }
        let target = TARGET_LABELS.map(str::to_owned);
        labels.keys().cloned().chain(target).collect()
    }
}

fn is_time(expression: &Expr) -> bool {
    matches!(expression, Expr::Call(call) if call.func.name == "time")
}

fn demand(there: &BTreeSet<String>, modifier: Option<&LabelModifier>, faults: &mut Vec<String>) {
    for label in modifier.map(|modifier| &modifier.labels().labels[..]).unwrap_or_default() {
        if !there.contains(label) {
            faults.push(format!("there is no label {label}; there are {there:?}"));
        }
    }
}

/// Every query of the dashboard with the panel that has it, variables filled in.
fn queries(dashboard: &Value) -> Vec<String> {
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().into_iter().flatten() {
            queries.push(target["expr"].as_str().expect("an expression").to_owned());
        }
    }
    for variable in dashboard["templating"]["list"].as_array().expect("variables") {
        if variable["type"] == "query" {
            queries.push(variable["definition"].as_str().expect("a definition").to_owned());
        }
    }
    queries.iter().map(|query| query.replace("$__rate_interval", "5m")).collect()
}

/// A server on which everything that can be exported is: tenants that run, fail and measured, an alert,
/// GPUs; and requests of each kind.
async fn exposition() -> Exposition {
    let server = TestServer::start().await;
    let tenant = json!({"tenant_id": "alpha", "name": "A", "service_requirements": {"callbot": 5}});
    server.deploy(&tenant).await;
    let sample = json!({"metrics": {"cpu": 99, "response_time": 300}});
    server.client().post("/api/v1/tenants/alpha/monitoring", &sample).await.expect(201);
    Exposition::parse(&server.client().get("/metrics").await.expect(200).text)
}

#[tokio::test]
async fn the_dashboard_asks_for_what_the_server_exports() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let exposition = exposition().await;
    let label_values = Regex::new(r"^label_values\((.*), ([a-z_]+)\)$").expect("a pattern");
    let mut faults = Vec::new();
    let queries = queries(&dashboard);
    assert!(queries.len() > 40, "{}", queries.len());
    for query in &queries {
        match label_values.captures(query) {
            // Of the series the label must be one.
            Some(parts) => {
                faults.extend(exposition.faults_of(&format!("max by ({}) ({})", &parts[2], &parts[1])));
            }
            None => faults.extend(exposition.faults_of(query)),
        }
    }
    assert_eq!(faults, [""; 0]);
}

#[tokio::test]
async fn the_alert_rules_ask_for_what_the_server_exports() {
    let rules: Value = serde_saphyr::from_str(RULES).expect("YAML");
    let exposition = exposition().await;
    let (mut faults, mut names) = (Vec::new(), BTreeSet::new());
    for rule in rules["spec"]["groups"]
        .as_array()
        .expect("groups")
        .iter()
        .flat_map(|group| group["rules"].as_array().expect("rules"))
    {
        let name = rule["alert"].as_str().expect("a name");
        assert!(names.insert(name.to_owned()), "{name} is there twice");
        assert!(["critical", "warning"].iter().any(|known| rule["labels"]["severity"] == *known), "{name}");
        assert!(rule["annotations"]["summary"].is_string(), "{name}");
        // No tenant of real mode is on this server; the two modes have the same series.
        let query = rule["expr"].as_str().expect("an expression").replace("mode=\"real\"", "mode=\"demo\"");
        faults.extend(exposition.faults_of(&query));
    }
    assert_eq!(faults, [""; 0]);
}

#[tokio::test]
async fn a_query_for_what_is_not_exported_is_found() {
    let exposition = exposition().await;
    for wrong in [
        "ecp_tenant_statuses",
        "ecp_tenant_status{phase=\"failed\"}",
        "ecp_tenant_status{status=\"broken\"}",
        "sum by (severity) (ecp_tenants)",
        "sum by (mode) (sum by (status) (ecp_tenants))",
        "sum by (mode) (ecp_gpu_promised) / sum by (mode, gpu_type) (ecp_gpu_capacity)",
        "sum(ecp_tenants",
    ] {
        assert_eq!(exposition.faults_of(wrong).len(), 1, "{wrong}");
    }
}

#[test]
fn the_dashboard_is_of_no_one_installation() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    assert_eq!(DASHBOARD, CHART_DASHBOARD, "`make generate` copies it into the chart");
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        assert!(ids.insert(panel["id"].as_u64().expect("an id")), "{panel}");
        if panel["type"] != "row" {
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
        }
    }
    let variables = dashboard["templating"]["list"].as_array().expect("variables");
    let names: Vec<&str> =
        variables.iter().map(|variable| variable["name"].as_str().expect("a name")).collect();
    assert_eq!(names, ["datasource", "mode", "tenant"]);
    assert!(!DASHBOARD.contains("__inputs"));
}
