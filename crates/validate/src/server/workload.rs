//! Controllers of pods: rollouts, selectors, jobs.

use super::super::objects::Object;
use super::super::tree::{Kind, Node};
use super::{Rules, Share, storage};
use crate::findings::Place;
use ecp_core::text::Message;
use std::collections::HashSet;

/// Checks a controller whose pods run until they are stopped.
pub(super) fn check(rules: &mut Rules<'_>, object: &Object<'_>) {
    let Some(spec) = object.spec() else { return };
    if let Some(pod) = spec.at(&["template", "spec"]) {
        rules.forbidden(pod, "activeDeadlineSeconds", &format!("kind: {}", object.kind));
    }
    match object.kind {
        "Deployment" => {
            check_deployment(rules, spec);
        }
        "ReplicationController" => {
            let labels = spec.at(&["template", "metadata", "labels"]);
            if !spec.filled("selector") && labels.is_none_or(Node::is_empty) {
                rules.required(spec, "selector");
            }
        }
        "DaemonSet" => check_daemon_set(rules, spec),
        "StatefulSet" => check_stateful_set(rules, spec),
        _ => {}
    }
}

fn check_deployment(rules: &mut Rules<'_>, spec: Node<'_>) {
    let ready = spec.int_at("minReadySeconds").unwrap_or(0);
    let progress = spec.get("progressDeadlineSeconds");
    match progress.map_or(Some(600), Node::as_integer) {
        Some(seconds) if seconds <= ready => {
            let place = progress.or(spec.get("minReadySeconds")).unwrap_or(spec);
            rules.findings.error(place, || {
                Message::new("validate.workload.progress").with("value", seconds).with("ready", ready)
            });
        }
        _ => {}
    }
    let Some(rolling) = spec.at(&["strategy", "rollingUpdate"]) else { return };
    let unavailable = rules.count_or_percent(rolling.get("maxUnavailable"), true);
    let surge = rules.count_or_percent(rolling.get("maxSurge"), false);
    both_zero(rules, rolling, unavailable, surge);
}

/// A rollout must be able to stop a pod first or to start one first. What is not given is a quarter.
fn both_zero(rules: &mut Rules<'_>, rolling: Node<'_>, unavailable: Option<Share>, surge: Option<Share>) {
    if unavailable.is_some_and(Share::is_zero) && surge.is_some_and(Share::is_zero) {
        let place = rolling.get("maxUnavailable").unwrap_or(rolling);
        rules.findings.error(place, || Message::new("validate.workload.no_progress"));
    }
}

fn check_daemon_set(rules: &mut Rules<'_>, spec: Node<'_>) {
    let Some(strategy) = spec.get("updateStrategy") else { return };
    if strategy.str_at("type") == "OnDelete" {
        return;
    }
    let Some(rolling) = strategy.get("rollingUpdate") else { return };
    let unavailable = rules.count_or_percent(rolling.get("maxUnavailable"), true);
    let surge = rules.count_or_percent(rolling.get("maxSurge"), true);
    let stops = !rolling.has("maxUnavailable") || unavailable.is_some_and(|share| !share.is_zero());
    if surge.is_some_and(|share| !share.is_zero()) && stops {
        let place = rolling.get("maxSurge").unwrap_or(rolling);
        rules.findings.error(place, || {
            Message::new("validate.rule.forbidden")
                .with("field", "maxSurge")
                .with("when", "maxUnavailable ≠ 0")
        });
    }
    both_zero(rules, rolling, unavailable, surge.or(Some(Share::Count(0))));
}

fn check_stateful_set(rules: &mut Rules<'_>, spec: Node<'_>) {
    if let Some(strategy) = spec.get("updateStrategy") {
        if strategy.str_at("type") == "OnDelete" {
            rules.forbidden(strategy, "rollingUpdate", "updateStrategy.type: OnDelete");
        }
        if let Some(rolling) = strategy.get("rollingUpdate") {
            // What may be unavailable is dropped unless its feature is switched on.
            rules.range(rolling.get("partition"), 0, i64::from(i32::MAX));
        }
    }
    if let Some(name) = spec.get("serviceName") {
        rules.holds(
            Some(name),
            |text| text.is_empty() || ecp_core::ids::is_dns_1123_label(text),
            "validate.schema.label",
        );
    }
    for claim in spec.list_at("volumeClaimTemplates") {
        match claim.at(&["metadata", "name"]).filter(|name| !name.is_empty()) {
            Some(name) => rules.holds(Some(name), ecp_core::ids::is_dns_1123_label, "validate.schema.label"),
            None => rules.findings.error(Place::Missing(claim, "metadata"), || {
                Message::new("validate.schema.missing_field").with("field", "metadata.name")
            }),
        }
        if let Some(claim) = claim.get("spec") {
            storage::check_claim(rules, claim, false);
        }
    }
}

/// Checks a job, or the job that a CronJob makes.
pub(super) fn check_job(rules: &mut Rules<'_>, spec: Option<Node<'_>>, name: &str, is_own: bool) {
    let Some(spec) = spec.filter(|spec| spec.kind() == Kind::Mapping) else { return };
    let manual = spec.flag_at("manualSelector");
    if !manual
        && spec
            .get("selector")
            .is_some_and(|selector| selector.filled("matchLabels") || selector.filled("matchExpressions"))
    {
        rules.forbidden(spec, "selector", "manualSelector ≠ true");
    }
    if is_own {
        check_labels(rules, spec, manual);
        check_pod_names(rules, spec, name);
    }
    if !is_own && manual {
        rules.forbidden(spec, "manualSelector", "kind: CronJob");
    }
    let says_nothing = |selector: Node<'_>| selector.children().all(Node::is_empty);
    if !is_own && spec.get("selector").is_some_and(says_nothing) {
        rules.forbidden(spec, "selector", "kind: CronJob");
    }
    let indexed = spec.str_at("completionMode") == "Indexed";
    if indexed {
        // One pod at once and one completion are what is filled in where neither is given.
        if spec.has("parallelism") || !is_own {
            rules.required_where(spec, "completions", "completionMode: Indexed");
        }
        rules.range(spec.get("parallelism"), 0, 100_000);
        if spec.has("backoffLimitPerIndex") && spec.int_at("completions").is_some_and(|count| count > 100_000)
        {
            rules.range(spec.get("parallelism"), 0, 10_000);
            rules.range(spec.get("maxFailedIndexes"), 0, 10_000);
            rules.required_where(spec, "maxFailedIndexes", "completions > 100000");
        }
        if let (Some(failed), Some(all)) = (spec.get("maxFailedIndexes"), spec.get("completions"))
            && failed.as_integer() > all.as_integer()
        {
            rules.not_above(failed, "completions", all);
        }
    } else {
        for field in ["backoffLimitPerIndex", "maxFailedIndexes", "successPolicy"] {
            rules.forbidden(spec, field, "completionMode ≠ Indexed");
        }
    }
    if spec.has("maxFailedIndexes") && indexed {
        rules.required_where(spec, "backoffLimitPerIndex", "maxFailedIndexes");
    }
    rules.holds(spec.get("managedBy"), super::super::format::is_domain_path, "validate.schema.controller");
    rules.length(spec.get("managedBy"), 63);
    if let Some(policy) = spec.get("podFailurePolicy") {
        check_failure_policy(rules, spec, policy);
    }
    rules.at_most(spec.at(&["successPolicy", "rules"]), 20);
    for rule in spec.get("successPolicy").into_iter().flat_map(|policy| policy.list_at("rules")) {
        rules.length(rule.get("succeededIndexes"), 64 * 1024);
        if !rule.has("succeededCount") && !rule.has("succeededIndexes") {
            rules.findings.error(rule, || {
                Message::new("validate.rule.one_of")
                    .with("fields", "succeededCount, succeededIndexes")
                    .with("count", 0)
            });
        }
        rules.range(rule.get("succeededCount"), 0, i64::from(i32::MAX));
        if let (Some(count), Some(all)) = (rule.get("succeededCount"), spec.get("completions"))
            && count.as_integer() > all.as_integer()
        {
            rules.not_above(count, "completions", all);
        }
        if let Some(indexes) = rule.get("succeededIndexes") {
            // One completion is what is filled in where neither number is given.
            let filled_in = (is_own && !spec.has("parallelism")).then_some(1);
            let completions = spec.int_at("completions").or(filled_in);
            let named = if indexes.is_empty() { Some(0) } else { check_indexes(rules, indexes, completions) };
            if let (Some(count), Some(named)) = (rule.get("succeededCount"), named)
                && count.as_integer().is_some_and(|count| count > named)
            {
                rules.not_above(count, "succeededIndexes", indexes);
            }
        }
    }
    if spec.get("successPolicy").is_some_and(|policy| policy.get("rules").is_some_and(Node::is_empty)) {
        rules.required(spec.get("successPolicy").unwrap_or(spec), "rules");
    }
}

/// Labels and selector of a Job's pods: its own, or those that the server writes.
fn check_labels(rules: &mut Rules<'_>, spec: Node<'_>, manual: bool) {
    let labels = spec.at(&["template", "metadata", "labels"]);
    if manual {
        rules.required_where(spec, "selector", "manualSelector: true");
        let Some(selector) = spec.get("selector") else { return };
        let taken = crate::workloads::Selector::of(selector).takes(&crate::workloads::labels(labels));
        if !taken || selector.children().all(Node::is_empty) {
            rules.findings.error(selector, || {
                Message::new("validate.rule.required")
                    .with("field", "template.metadata.labels")
                    .with("when", "manualSelector: true")
            });
        }
        return;
    }
    let written = ["controller-uid", "batch.kubernetes.io/controller-uid"];
    let named = ["job-name", "batch.kubernetes.io/job-name"];
    for label in labels.into_iter().flat_map(Node::children) {
        let own = named.contains(&label.key())
            && spec.document().at(&["metadata", "name"]).is_some_and(|name| name.text() == label.text());
        if written.contains(&label.key()) || (named.contains(&label.key()) && !own) {
            rules
                .findings
                .error(label, || Message::new("validate.metadata.set_by_server").with("field", label.key()));
        }
    }
}

/// Pods of an indexed Job are called by its name and their number.
fn check_pod_names(rules: &mut Rules<'_>, spec: Node<'_>, name: &str) {
    if spec.str_at("completionMode") != "Indexed" || name.is_empty() {
        return;
    }
    let last = spec.int_at("completions").unwrap_or(1) - 1;
    let pod = format!("{name}-{last}");
    if last >= 0 && !ecp_core::ids::is_dns_1123_label(&pod) {
        let place = spec.document().at(&["metadata", "name"]).unwrap_or(spec);
        rules.findings.error(place, || Message::new("validate.workload.pod_name").with("value", pod));
    }
}

/// Ranges of indexes such as `0,2-4`, in order.
fn check_indexes(rules: &mut Rules<'_>, node: Node<'_>, completions: Option<i64>) -> Option<i64> {
    let (mut last, mut named) = (-1, 0);
    let well = node.text().split(',').all(|range| {
        let (first, end, is_range) = match range.split_once('-') {
            Some((first, end)) => (first, end, true),
            None => (range, range, false),
        };
        let (Ok(first), Ok(end)) = (first.parse::<i64>(), end.parse::<i64>()) else { return false };
        let ascends = if is_range { first < end } else { first == end };
        let fits = first > last && ascends && completions.is_none_or(|count| end < count);
        named += end - first + 1;
        last = end;
        fits
    });
    if !well {
        rules.bad(node, "validate.workload.indexes");
    }
    well.then_some(named)
}

fn check_failure_policy(rules: &mut Rules<'_>, spec: Node<'_>, policy: Node<'_>) {
    let pod = spec.at(&["template", "spec"]);
    if let Some(pod) = pod
        && !matches!(pod.str_at("restartPolicy"), "Never" | "" | "Always")
        && let Some(place) = pod.get("restartPolicy")
    {
        rules.findings.error(place, || {
            Message::new("validate.rule.required")
                .with("field", "restartPolicy: Never")
                .with("when", "podFailurePolicy")
        });
    }
    if let Some(replacement) = spec.get("podReplacementPolicy") {
        rules.words(Some(replacement), &["Failed"]);
    }
    let names: HashSet<&str> = pod
        .into_iter()
        .flat_map(|pod| pod.list_at("containers").chain(pod.list_at("initContainers")))
        .map(|container| container.str_at("name"))
        .collect();
    rules.at_most(policy.get("rules"), 20);
    for rule in policy.list_at("rules") {
        if rule.str_at("action") == "FailIndex" && !spec.has("backoffLimitPerIndex") {
            rules.required_where(spec, "backoffLimitPerIndex", "action: FailIndex");
        }
        rules.at_most(rule.get("onPodConditions"), 20);
        let conditions = rule.filled("onPodConditions");
        if rule.has("onExitCodes") == conditions {
            let place = if conditions {
                rule.get("onPodConditions").map_or(Place::Value(rule), Place::Key)
            } else {
                Place::Value(rule)
            };
            rules.findings.error(place, || {
                Message::new("validate.rule.one_of")
                    .with("fields", "onExitCodes, onPodConditions")
                    .with("count", usize::from(conditions) * 2)
            });
        }
        let Some(codes) = rule.get("onExitCodes") else { continue };
        if let Some(name) = codes.get("containerName").filter(|name| !names.contains(name.text())) {
            rules.bad(name, "validate.workload.no_such_container");
        }
        if codes.get("values").is_some_and(Node::is_empty) {
            rules.required(codes, "values");
        }
        rules.at_most(codes.get("values"), 255);
        let mut previous = None;
        for value in codes.list_at("values") {
            let number = value.as_integer();
            if previous.is_some() && number <= previous {
                rules.bad(value, "validate.workload.exit_codes");
            }
            if codes.str_at("operator") == "In" && number == Some(0) {
                rules.bad(value, "validate.workload.exit_code_zero");
            }
            previous = number;
        }
    }
}
