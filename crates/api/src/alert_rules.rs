//! `GET|PUT /api/v1/tenants/{tenant_id}/alert-rules`: thresholds, times and switches of a tenant's alerts.

use crate::auth::{Reader, Writer};
use crate::body::RawBody;
use crate::error::ApiError;
use crate::fields::{Faults, FieldReader, unknown_choice};
use crate::json::Shape;
use crate::openapi::ErrorOut;
use crate::request_context::{Api, PathText};
use crate::wire;
use axum::response::Response;
use ecp_core::alerts::AlertSubject;
use ecp_core::alerts::settings::{AlertRules, Rule, RuleSetting};
use ecp_core::tenant::Tenant;
use ecp_core::text::Message;
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What is read of a tenant's rules.
static RULES: Shape = Shape::Object(&[
    ("tenant_id", Shape::Scalar),
    ("rules", Shape::Map(&RULE)),
    // Rules that stand outside: passed over they would bring every default back.
    ("cpu", Shape::Scalar),
    ("memory", Shape::Scalar),
    ("gpu", Shape::Scalar),
    ("storage", Shape::Scalar),
    ("response_time", Shape::Scalar),
    ("error_rate", Shape::Scalar),
    ("samples", Shape::Scalar),
    ("deployment", Shape::Scalar),
]);
static RULE: Shape = Shape::Object(&[
    ("type", Shape::Scalar),
    ("unit", Shape::Scalar),
    ("warning", Shape::Scalar),
    ("critical", Shape::Scalar),
    ("for_seconds", Shape::Scalar),
    ("enabled", Shape::Scalar),
    ("is_default", Shape::Scalar),
]);

/// The alert rules of a tenant as they hold.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlertRulesOut<'a> {
    /// Whose.
    #[schema(example = "my-ai-service")]
    tenant_id: &'a str,
    /// By metric: `cpu`, `memory`, `gpu`, `storage`, `response_time`, `error_rate`, `samples`, `deployment`.
    rules: BTreeMap<&'static str, AlertRuleOut>,
}

/// One rule as it holds.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlertRuleOut {
    /// `resource_usage`, `performance`, `availability` or `deployment_failed`.
    #[serde(rename = "type")]
    #[schema(example = "resource_usage")]
    kind: &'static str,
    /// Of the thresholds: `percent`, `percent_of_quota`, `percent_of_sla`; `null` where there are none.
    #[schema(example = "percent")]
    unit: Option<&'static str>,
    /// A value over it is a warning.
    #[schema(example = 80.0)]
    warning: Option<f64>,
    /// A value over it is critical.
    #[schema(example = 95.0)]
    critical: Option<f64>,
    /// Seconds that values have to be over a threshold before an alert is raised; of `samples` how long they
    /// are missing.
    #[schema(example = 0)]
    for_seconds: u32,
    /// False where nothing is alerted.
    #[schema(example = true)]
    enabled: bool,
    /// True where the tenant sets nothing of its own.
    #[schema(example = true)]
    is_default: bool,
}

impl AlertRuleOut {
    fn new(subject: AlertSubject, rule: &Rule) -> Self {
        let has_thresholds = Rule::thresholds(subject).is_some();
        Self {
            kind: subject.kind().as_str(),
            unit: match subject {
                AlertSubject::Storage => Some("percent_of_quota"),
                AlertSubject::ResponseTime => Some("percent_of_sla"),
                _ => has_thresholds.then_some("percent"),
            },
            warning: has_thresholds.then_some(rule.warning),
            critical: has_thresholds.then_some(rule.critical),
            for_seconds: rule.for_seconds,
            enabled: rule.enabled,
            is_default: *rule == Rule::default_of(subject),
        }
    }
}

/// The alert rules of a tenant; what is not named is the default.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "documents the body, which is checked field by field")]
#[schema(example = json!({"rules": {"cpu": {"warning": 70, "critical": 90, "for_seconds": 60}}}))]
pub struct AlertRulesIn {
    /// By metric: `cpu`, `memory`, `gpu`, `storage`, `response_time`, `error_rate`, `samples`, `deployment`.
    rules: Option<BTreeMap<String, AlertRuleIn>>,
}

/// One rule; what is not named is the default.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "documents the body, which is checked field by field")]
pub struct AlertRuleIn {
    /// A value over it is a warning: percent; of the SLA for `response_time`, of the quota for `storage`.
    #[schema(example = 70.0)]
    warning: Option<f64>,
    /// A value over it is critical; not below `warning`.
    #[schema(example = 90.0)]
    critical: Option<f64>,
    /// Seconds that values have to be over a threshold before an alert is raised; of `samples` how long they
    /// are missing, 10 at least.
    #[schema(minimum = 0, maximum = 86_400, example = 60)]
    for_seconds: Option<u32>,
    /// False where nothing is to be alerted.
    #[schema(example = true)]
    enabled: Option<bool>,
}

/// Get a tenant's alert rules
///
/// Every built-in rule as it holds for the tenant.
#[utoipa::path(
    get,
    path = "/api/v1/tenants/{tenant_id}/alert-rules",
    tag = "monitoring",
    params(("tenant_id" = String, Path, description = "Tenant id", example = "global-call-center")),
    responses((status = 200, description = "The rules as they hold", body = AlertRulesOut)),
)]
pub(crate) async fn get_alert_rules(
    Reader(api): Reader,
    PathText(tenant_id): PathText,
) -> Result<Response, ApiError> {
    let tenant = api.find_tenant(&tenant_id)?;
    Ok(rules_response(&api, &tenant))
}

/// Set a tenant's alert rules
///
/// All of them: what is not named is the default, and `{}` brings every default back. They hold at once,
/// for what was measured last too; an alert of a rule that is switched off ends.
#[utoipa::path(
    put,
    path = "/api/v1/tenants/{tenant_id}/alert-rules",
    tag = "monitoring",
    params(("tenant_id" = String, Path, description = "Tenant id", example = "global-call-center")),
    request_body = AlertRulesIn,
    responses(
        (status = 200, description = "The rules as they hold now", body = AlertRulesOut),
        (status = 422, description = "VALIDATION_FAILED, with every wrong field", body = ErrorOut),
    ),
)]
pub(crate) async fn set_alert_rules(
    Writer(api): Writer,
    PathText(tenant_id): PathText,
    body: RawBody,
) -> Result<Response, ApiError> {
    let tenant = api.find_tenant(&tenant_id)?;
    let (body, faults) = body.json(&api.state, &RULES).await?;
    let rules = read_rules(&body, &faults);
    api.warn_of_unknown_fields(faults)?;
    let services = api.services();
    let key = tenant.key();
    let before = services.alerting.alert_rules(&key);
    let audit = services.tenancy.audit_of_alert_rules(&api.caller(), &tenant, &before, &rules);
    services.alerting.set_alert_rules(&key, rules, audit).await?;
    services.rule_observer.rules_changed(&key).await;
    Ok(rules_response(&api, &tenant))
}

fn rules_response(api: &Api, tenant: &Tenant) -> Response {
    let set = api.services().alerting.alert_rules(&tenant.key());
    let rule =
        |subject: AlertSubject| (subject.metric_name(), AlertRuleOut::new(subject, &set.rule(subject)));
    let rules = AlertSubject::ALL.into_iter().map(rule).collect();
    wire::json(StatusCode::OK, &AlertRulesOut { tenant_id: tenant.id.as_str(), rules })
}

fn read_rules(body: &Value, faults: &Faults) -> AlertRules {
    let mut rules = AlertRules::default();
    let Some(reader) = FieldReader::new(faults, String::new(), body) else { return rules };
    // What was read can be sent back as it is.
    reader.ignore(&["tenant_id"]);
    for name in AlertSubject::ALL.into_iter().map(AlertSubject::metric_name) {
        if reader.value(name).is_some() {
            reader.fault(name, Message::new("api.rule_outside_rules"));
        }
    }
    if let Some(named) = reader.object("rules") {
        for (metric, value) in named.entries() {
            let pointer = named.pointer_to(metric);
            match AlertSubject::ALL.into_iter().find(|subject| subject.metric_name() == metric) {
                Some(subject) => rules.set(subject, read_rule(subject, pointer, value, faults)),
                None => {
                    let names = AlertSubject::ALL.into_iter().map(AlertSubject::metric_name);
                    faults.add(pointer, unknown_choice("api.unknown_alert_metric", metric, names));
                }
            }
        }
    }
    reader.note_unknown();
    rules
}

fn read_rule(subject: AlertSubject, pointer: String, value: &Value, faults: &Faults) -> RuleSetting {
    let Some(reader) = FieldReader::new(faults, pointer, value) else { return RuleSetting::default() };
    reader.ignore(&["type", "unit", "is_default"]);
    let threshold = |name| match Rule::thresholds(subject) {
        Some(range) => reader.number(name, range),
        None => {
            if reader.value(name).is_some() {
                let reason = Message::new("api.rule_no_threshold").with("metric", subject.metric_name());
                reader.fault(name, reason);
            }
            None
        }
    };
    let (warning, critical) = (threshold("warning"), threshold("critical"));
    let times = Rule::times(subject);
    let for_seconds = reader.integer("for_seconds", u64::from(*times.start())..=u64::from(*times.end()));
    let setting = RuleSetting {
        warning,
        critical,
        for_seconds: for_seconds.and_then(|seconds| seconds.try_into().ok()),
        enabled: reader.flag("enabled"),
    };
    let rule = setting.over(Rule::default_of(subject));
    if rule.critical < rule.warning {
        reader.fault("critical", Message::new("api.rule_critical_below").with("warning", rule.warning));
    }
    reader.note_unknown();
    setting
}
