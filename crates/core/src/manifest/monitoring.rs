//! ServiceMonitor and PrometheusRule of a tenant: the built-in alerts, for clusters whose
//! Prometheus scrapes the services itself.

use super::prometheus::{
    Endpoint, PrometheusRule, PrometheusRuleSpec, Rule, RuleGroup, ServiceMonitor, ServiceMonitorSpec,
};
use super::{HTTP, Object, SERVICE_LABEL, Scope, TENANT_LABEL, any_service, labels};
use crate::alerts::rules::Rules;
use crate::alerts::{AlertSubject, Severity};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

/// How long a value must be over its threshold, or silence must last: the five minutes after which
/// the orchestrator itself alerts on silence.
const HOLD: &str = "5m";

pub(super) fn monitoring(scope: &Scope<'_>) -> [Object; 2] {
    [Object::ServiceMonitor(service_monitor(scope)), Object::PrometheusRule(prometheus_rule(scope))]
}

/// With the labels by which the Prometheus Operator finds it.
fn metadata(scope: &Scope<'_>, name: &str) -> ObjectMeta {
    let mut metadata = scope.metadata(name);
    metadata.labels.get_or_insert_default().extend(scope.settings.monitoring.labels.clone());
    metadata
}

fn service_monitor(scope: &Scope<'_>) -> ServiceMonitor {
    let settings = &scope.settings.monitoring;
    let endpoint =
        Endpoint { interval: settings.interval.clone(), path: settings.path.clone(), port: HTTP.into() };
    let selector = LabelSelector {
        match_labels: Some(labels([(TENANT_LABEL, scope.tenant.id.as_str())])),
        match_expressions: Some(any_service()),
    };
    ServiceMonitor {
        metadata: metadata(scope, "services"),
        spec: ServiceMonitorSpec {
            endpoints: vec![endpoint],
            job_label: SERVICE_LABEL.into(),
            selector,
            target_labels: vec![TENANT_LABEL.into()],
        },
    }
}

fn prometheus_rule(scope: &Scope<'_>) -> PrometheusRule {
    let group = RuleGroup { name: "tenant".into(), rules: rules(scope) };
    PrometheusRule {
        metadata: metadata(scope, "tenant-alerts"),
        spec: PrometheusRuleSpec { groups: vec![group] },
    }
}

/// The thresholds of the orchestrator's own alerts, over what the cluster measures.
fn rules(scope: &Scope<'_>) -> Vec<Rule> {
    let pods = format!("namespace=\"{}\"", scope.namespace);
    let limits =
        |resource: &str| format!("sum(kube_pod_container_resource_limits{{{pods},resource=\"{resource}\"}})");
    let cpu = format!(
        "100 * sum(rate(container_cpu_usage_seconds_total{{{pods},container!=\"\"}}[5m])) / {}",
        limits("cpu")
    );
    let memory = format!(
        "100 * sum(container_memory_working_set_bytes{{{pods},container!=\"\"}}) / {}",
        limits("memory")
    );
    // Which of the two labels the device exporter's series carry depends on how it is scraped.
    let gpu = format!("avg(DCGM_FI_DEV_GPU_UTIL{{{pods}}} or DCGM_FI_DEV_GPU_UTIL{{exported_{pods}}})");
    let storage = format!(
        "100 * sum(kubelet_volume_stats_used_bytes{{{pods}}}) / \
         sum(kube_resourcequota{{{pods},resource=\"requests.storage\",type=\"hard\"}})"
    );
    let response_time = format!(
        "1000 * sum(rate(http_request_duration_seconds_sum{{{pods}}}[5m])) / \
         sum(rate(http_request_duration_seconds_count{{{pods}}}[5m]))"
    );
    let error_rate = format!(
        "100 * sum(rate(http_requests_total{{{pods},status=~\"5..\"}}[5m])) / \
         sum(rate(http_requests_total{{{pods}}}[5m]))"
    );
    let mut subjects = vec![
        (AlertSubject::Cpu, "CPU use", "%", cpu),
        (AlertSubject::Memory, "Memory use", "%", memory),
        (AlertSubject::Gpu, "GPU use", "%", gpu),
        (AlertSubject::Storage, "Storage use", "%", storage),
        (AlertSubject::ResponseTime, "Response time", " ms", response_time),
        (AlertSubject::ErrorRate, "Error rate", "%", error_rate),
    ];
    subjects.retain(|(subject, ..)| *subject != AlertSubject::Gpu || scope.tenant.sizing.resources.gpu > 0);

    let tenant = scope.tenant.id.as_str();
    let thresholds = Rules::of(scope.tenant);
    let mut rules = Vec::with_capacity(2 * subjects.len() + 1);
    for (subject, words, unit, expression) in subjects {
        for severity in [Severity::Warning, Severity::Critical] {
            let threshold = thresholds.limits(subject).threshold(severity);
            let summary = format!("{words} of tenant {tenant} is over {threshold}{unit}");
            rules.push(rule(scope, subject, severity, format!("{expression} > {threshold}"), summary));
        }
    }
    let silence = format!("absent(up{{{pods}}} == 1)");
    let summary = format!("No service of tenant {tenant} answers a scrape");
    rules.push(rule(scope, AlertSubject::NoSamples, Severity::Warning, silence, summary));
    rules
}

fn rule(scope: &Scope<'_>, subject: AlertSubject, severity: Severity, expr: String, summary: String) -> Rule {
    let tenant = scope.tenant.id.as_str();
    let severity_text = match severity {
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    };
    Rule {
        alert: subject.alert_name().to_owned(),
        annotations: labels([("summary", &summary)]),
        expr,
        hold: HOLD.into(),
        labels: labels([("severity", severity_text), ("tenant", tenant)]),
    }
}
