//! Annotations that stand for fields, or hold what once was one: they must fit, and say what the field says.
//! Their size and their keys are [`super::metadata`]'s.

use super::super::format::{self, shortened};
use super::super::objects::Object;
use super::super::tree::Node;
use super::super::workloads::Workload;
use super::Rules;
use crate::findings::Place;
use ecp_core::text::Message;
use serde_json::Value;

const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
const SECCOMP: &str = "container.seccomp.security.alpha.kubernetes.io/";
const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const ZERO_SHARES: &str = "flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares";

/// Checks those of an object itself.
pub(super) fn check(rules: &mut Rules<'_>, object: &Object<'_>) {
    let Some(annotations) = object.root.at(&["metadata", "annotations"]) else { return };
    let given = |key: &str| annotations.get(key);
    match object.kind {
        "Node" => {
            let example = r#"{"preferAvoidPods": []}"#;
            rules.form(given("scheduler.alpha.kubernetes.io/preferAvoidPods"), is_avoided, example);
        }
        "Service" => {
            let hints = given("service.kubernetes.io/topology-aware-hints").map(Node::text);
            if let Some(hints) = hints {
                let mode = given("service.kubernetes.io/topology-mode");
                rules.form(mode, |text| text == hints, &shortened(hints));
            }
        }
        "Deployment" => {
            let is_revision =
                |text: &str| text.is_empty() || text.parse::<i64>().is_ok_and(|number| number >= 0);
            rules.form(given("deprecated.deployment.rollback.to"), is_revision, "1");
        }
        "PriorityLevelConfiguration" => {
            if let Some(shares) = annotations.children().find(|shares| shares.key() == ZERO_SHARES) {
                rules.findings.error(Place::Key(shares), || {
                    Message::new("validate.rule.forbidden")
                        .with("field", ZERO_SHARES)
                        .with("when", "kind: PriorityLevelConfiguration")
                });
            }
        }
        "HorizontalPodAutoscaler" if object.root.str_at("apiVersion") == "autoscaling/v1" => {
            let example = r#"[{"type": "Resource", "resource": {"name": "cpu"}}]"#;
            rules.form(given("autoscaling.alpha.kubernetes.io/metrics"), are_metrics, example);
            let example = r#"{"ScaleUp": {"Policies": [{"Type": "Pods", "Value": 1, "PeriodSeconds": 60}]}}"#;
            rules.form(given("autoscaling.alpha.kubernetes.io/behavior"), is_behavior, example);
        }
        _ => {}
    }
}

/// Checks those of a pod, or of what pods are made from.
pub(super) fn check_pod(rules: &mut Rules<'_>, workload: &Workload<'_>, is_pod: bool) {
    let Some(annotations) = workload.template.at(&["metadata", "annotations"]) else { return };
    let is_profile = |text: &str| {
        let file = text.strip_prefix("localhost/");
        matches!(text, "runtime/default" | "docker/default" | "unconfined")
            || file.is_some_and(format::is_descending_path)
    };
    for annotation in annotations.children() {
        let key = annotation.key();
        if let Some(name) = key.strip_prefix(APP_ARMOR) {
            let known = ["initContainers", "containers", "ephemeralContainers"]
                .iter()
                .any(|list| workload.pod.list_at(list).any(|container| container.str_at("name") == name));
            if !known {
                rules.findings.error(Place::Key(annotation), || {
                    Message::new("validate.workload.no_such_container").with("value", format::shortened(name))
                });
            }
            rules.form(
                Some(annotation),
                |text| {
                    matches!(text, "" | "runtime/default" | "unconfined") || text.starts_with("localhost/")
                },
                "runtime/default",
            );
        } else if key == SECCOMP_POD || key.starts_with(SECCOMP) {
            rules.form(Some(annotation), is_profile, "runtime/default");
        } else if key == "controller.kubernetes.io/pod-deletion-cost" {
            rules.form(
                Some(annotation),
                |text| text.parse::<i32>().is_ok_and(|number| number.to_string() == text),
                "100",
            );
        } else if key == "kubernetes.io/config.mirror" && workload.pod.str_at("nodeName").is_empty() {
            rules.required_where(workload.pod, "nodeName", key);
        } else if key == "scheduler.alpha.kubernetes.io/tolerations" {
            rules.form(Some(annotation), are_tolerations, r#"[{"key": "gpu", "operator": "Exists"}]"#);
        }
    }
    check_profiles(rules, annotations, workload.pod, is_pod);
}

/// Profiles that are named by an annotation and by a field are the same.
fn check_profiles(rules: &mut Rules<'_>, annotations: Node<'_>, pod: Node<'_>, is_pod: bool) {
    same_profile(rules, annotations.get(SECCOMP_POD), pod.at(&["securityContext", "seccompProfile"]));
    let whole = pod.at(&["securityContext", "appArmorProfile"]);
    let lists = ["initContainers", "containers", "ephemeralContainers"];
    for container in lists.into_iter().flat_map(|list| pod.list_at(list)) {
        let named = |prefix: &str| annotations.get(&format!("{prefix}{}", container.str_at("name")));
        same_profile(rules, named(SECCOMP), container.at(&["securityContext", "seccompProfile"]));
        // In a pod, what a container does not say itself is taken from its annotation.
        let profile = container.at(&["securityContext", "appArmorProfile"]).or(whole.filter(|_| !is_pod));
        same_profile(rules, named(APP_ARMOR), profile);
    }
}

fn same_profile(rules: &mut Rules<'_>, annotation: Option<Node<'_>>, profile: Option<Node<'_>>) {
    let (Some(annotation), Some(profile)) = (annotation, profile) else { return };
    let is_seccomp = profile.key() == "seccompProfile";
    let said = match profile.str_at("type") {
        "Unconfined" => "unconfined".to_owned(),
        "RuntimeDefault" => "runtime/default".to_owned(),
        "Localhost" => format!("localhost/{}", profile.str_at("localhostProfile")),
        _ => return,
    };
    let is_old_default =
        |text: &str| is_seccomp && text == "docker/default" && profile.str_at("type") == "RuntimeDefault";
    rules.form(Some(annotation), |text| text == said || is_old_default(text), &said);
}

/// A member of a mapping as Go reads it: capitals or not, and `null` is none.
fn member<'v>(of: &'v Value, name: &str) -> Option<&'v Value> {
    let members = of.as_object()?;
    let found = members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    Some(found.1).filter(|value| !value.is_null())
}

/// The text of a member, empty where there is none; absent where it is no text.
fn text<'v>(of: &'v Value, name: &str) -> Option<&'v str> {
    member(of, name).map_or(Some(""), Value::as_str)
}

/// Tolerations as a list in JSON.
fn are_tolerations(annotation: &str) -> bool {
    let is_well = |toleration: &Value| -> Option<bool> {
        let part = |name| text(toleration, name);
        let (key, operator, value, effect) =
            (part("key")?, part("operator")?, part("value")?, part("effect")?);
        let seconds = member(toleration, "tolerationSeconds");
        let fits = match operator {
            "Exists" => value.is_empty(),
            "" | "Equal" => !key.is_empty() && format::is_label_value(value),
            _ => false,
        };
        Some(
            fits && (key.is_empty() || format::is_qualified_name(key))
                && matches!(effect, "" | "NoSchedule" | "PreferNoSchedule" | "NoExecute")
                && seconds.is_none_or(|seconds| seconds.is_i64() && effect == "NoExecute"),
        )
    };
    match serde_json::from_str(annotation) {
        Ok(Value::Null) => true,
        Ok(Value::Array(all)) => {
            all.iter().all(|toleration| toleration.is_object() && is_well(toleration) == Some(true))
        }
        _ => annotation.is_empty(),
    }
}

/// Pods that keep away from a node, each by what controls it.
fn is_avoided(annotation: &str) -> bool {
    let is_controlled = |entry: &Value| {
        let owner = member(entry, "podSignature").and_then(|signature| member(signature, "podController"));
        owner.and_then(|owner| member(owner, "controller")) == Some(&Value::Bool(true))
    };
    match serde_json::from_str(annotation) {
        Ok(Value::Null) => true,
        Ok(all @ Value::Object(_)) => match member(&all, "preferAvoidPods") {
            None => true,
            Some(Value::Array(entries)) => entries.iter().all(is_controlled),
            Some(_) => false,
        },
        _ => annotation.is_empty(),
    }
}

/// Metrics beside the one that a field can say. What is no list of them is passed over.
fn are_metrics(annotation: &str) -> bool {
    let Ok(Value::Array(metrics)) = serde_json::from_str(annotation) else { return true };
    let sources = ["object", "pods", "resource", "containerResource", "external"];
    let is_readable = |metric: &Value| {
        metric.is_object()
            && text(metric, "type").is_some()
            && sources.iter().all(|source| member(metric, source).is_none_or(Value::is_object))
    };
    let is_well = |metric: &Value| {
        let kind = text(metric, "type").unwrap_or_default();
        let of_kind = sources.into_iter().find(|source| {
            kind.eq_ignore_ascii_case(source) && kind.starts_with(|c: char| c.is_ascii_uppercase())
        });
        let has = |source: &str| member(metric, source).is_some();
        of_kind.is_some() && sources.iter().all(|source| has(source) == (of_kind == Some(*source)))
    };
    !metrics.iter().all(is_readable) || metrics.iter().all(is_well)
}

/// How fast an autoscaler goes; nothing of it is filled in. What is no mapping of that is passed over.
fn is_behavior(annotation: &str) -> bool {
    let Ok(behavior @ Value::Object(_)) = serde_json::from_str(annotation) else { return true };
    let number = |of: &Value, name: &str| member(of, name).map_or(Some(0), Value::as_i64);
    let is_policy = |policy: &Value| -> Option<bool> {
        Some(
            matches!(text(policy, "type")?, "Pods" | "Percent")
                && number(policy, "value")? > 0
                && (1..=1800).contains(&number(policy, "periodSeconds")?),
        )
    };
    let is_rule = |rule: &Value| -> Option<bool> {
        let policies = member(rule, "policies")
            .map_or(Some([].as_slice()), |list| list.as_array().map(Vec::as_slice))?;
        let selects = member(rule, "selectPolicy").map_or(Some("Max"), Value::as_str)?;
        let each = policies.iter().map(is_policy).collect::<Option<Vec<bool>>>()?;
        Some(
            (0..=3600).contains(&number(rule, "stabilizationWindowSeconds")?)
                && matches!(selects, "Max" | "Min" | "Disabled")
                && !each.is_empty()
                && !each.contains(&false),
        )
    };
    let given = ["scaleUp", "scaleDown"].into_iter().filter_map(|direction| member(&behavior, direction));
    given.map(is_rule).collect::<Option<Vec<bool>>>().is_none_or(|rules| !rules.contains(&false))
}
