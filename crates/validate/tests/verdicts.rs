//! The validator over every variant whose verdict by an API server is on record.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a failed expectation fails the test")]

mod variants;

use ecp_core::catalog::Catalog;
use ecp_validate::{Options, Release};
use serde_json::{Value, json};
use std::collections::HashSet;

/// Variants that are still judged otherwise: file and line, reason.
const KNOWN: &str = include_str!("variants/known.list");

#[test]
fn every_variant_is_judged_as_the_server_of_each_release_judged_it() {
    let wrong: Vec<String> = Release::ALL.into_iter().flat_map(judged_otherwise).collect();
    assert!(wrong.is_empty(), "{} variants are judged otherwise:\n{}", wrong.len(), wrong.join("\n"));
}

fn judged_otherwise(release: Release) -> Vec<String> {
    let catalog = Catalog::embedded();
    let options = Options { release, ..Options::default() };
    let all = variants::all(release);
    assert!(all.len() > 5000, "{}", all.len());
    let mut wrong = Vec::new();
    let mut known: Vec<&str> = KNOWN
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| match line.split_once(' ')? {
            (first, rest) if first.starts_with("1.") => (first == release.as_str()).then_some(rest),
            _ => Some(line),
        })
        .filter_map(|line| line.split(' ').next())
        .collect();
    for variant in &all {
        let report = ecp_validate::validate_manifest(&catalog, &variant.object.to_string(), &options)
            .expect("it can be read");
        if report.is_valid() == variant.is_valid {
            continue;
        }
        match known.iter().position(|place| *place == variant.place) {
            Some(at) => drop(known.remove(at)),
            None => wrong.push(format!(
                "{release:?} {}: the server says {}, ours {:?}: {}",
                variant.place,
                if variant.is_valid { "valid" } else { "invalid" },
                report.errors.iter().map(|finding| finding.code).collect::<Vec<_>>(),
                variant.change
            )),
        }
    }
    assert!(known.is_empty(), "judged as the server does by now, take them off the list: {known:?}");
    wrong
}

/// Custom resources beside their definition, each with the server's verdict once the definition was there.
#[test]
fn every_custom_resource_is_judged_as_the_server_judged_it() {
    let catalog = Catalog::embedded();
    let definition = include_str!("custom/definition.yaml");
    let mut wrong = Vec::new();
    for line in include_str!("custom/resources.txt").lines() {
        let (verdict, fields) = line.split_once(' ').expect("a verdict and fields");
        let fields = fields.strip_prefix('{').expect("a mapping");
        let object = format!(
            "{{\"apiVersion\": \"example.org/v1\", \"kind\": \"Gadget\", \"metadata\": {{\"name\": \"g\"}}, {fields}"
        );
        let text = format!("{definition}\n---\n{object}\n");
        let report =
            ecp_validate::validate_manifest(&catalog, &text, &Options::default()).expect("it can be read");
        if report.is_valid() != (verdict == "valid") {
            let codes: Vec<_> = report.errors.iter().map(|finding| finding.code).collect();
            wrong.push(format!("the server says {verdict}, ours {codes:?}: {line}"));
        }
    }
    assert!(wrong.is_empty(), "{} are judged otherwise:\n{}", wrong.len(), wrong.join("\n"));
}

/// Objects of the Prometheus operator, each with the server's verdict once the operator's definitions were there.
#[test]
fn every_monitor_is_judged_as_the_server_judged_it() {
    let catalog = Catalog::embedded();
    let mut wrong = Vec::new();
    for line in include_str!("custom/monitoring.txt").lines() {
        let (verdict, object) = line.split_once(' ').expect("a verdict and an object");
        let report =
            ecp_validate::validate_manifest(&catalog, object, &Options::default()).expect("it can be read");
        if report.is_valid() != (verdict == "valid") {
            let codes: Vec<_> = report.errors.iter().map(|finding| finding.code).collect();
            wrong.push(format!("the server says {verdict}, ours {codes:?}: {line}"));
        }
    }
    assert!(wrong.is_empty(), "{} are judged otherwise:\n{}", wrong.len(), wrong.join("\n"));
}

/// Texts as `kubectl` reads them, each with whether it would send them and the server take them: tabs, keys,
/// numbers, anchors, lists, streams.
#[test]
fn every_text_is_judged_as_kubectl_judged_it() {
    let catalog = Catalog::embedded();
    let mut wrong = Vec::new();
    for line in include_str!("texts.txt").lines() {
        let (verdict, text) = line.split_once(' ').expect("a verdict and a text");
        let text: String = serde_json::from_str(text).expect("a text in JSON");
        let is_valid = ecp_validate::validate_manifest(&catalog, &text, &Options::default())
            .is_ok_and(|report| report.is_valid());
        if is_valid != (verdict == "valid") {
            wrong.push(format!("kubectl says {verdict}: {text:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} texts are judged otherwise:\n{}", wrong.len(), wrong.join("\n"));
}

/// Rules of a definition on values, each with whether the server took the value.
#[test]
fn every_rule_says_what_the_server_said() {
    let catalog = Catalog::embedded();
    let definition = include_str!("custom/rules.yaml");
    let mut wrong = Vec::new();
    for line in include_str!("custom/rules.txt").lines() {
        let (verdict, case) = line.split_once(' ').expect("a verdict and a case");
        let case: Value = serde_json::from_str(case).expect("the case is JSON");
        let object = json!({
            "apiVersion": "example.org/v1", "kind": "Probe", "metadata": {"name": "p"}, "of": case["value"]
        });
        let text = format!("{}\n---\n{object}\n", definition.replace("RULE", &case["rule"].to_string()));
        let report =
            ecp_validate::validate_manifest(&catalog, &text, &Options::default()).expect("it can be read");
        let was_run = report.warnings.iter().all(|warning| warning.code != "definition.rule_not_run");
        if !was_run || report.is_valid() != (verdict == "valid") {
            let codes: Vec<_> = report.errors.iter().map(|finding| finding.code).collect();
            wrong.push(format!("the server says {verdict}, ours {codes:?}: {line}"));
        }
    }
    assert!(wrong.is_empty(), "{} are judged otherwise:\n{}", wrong.len(), wrong.join("\n"));
}

/// A definition with a rule: lists and maps of at most so many items, texts of at most so many characters.
fn with_rule(case: &Value) -> Value {
    let bounded = |mut of: Value, name: &str, bound: &Value| {
        if !bound.is_null() {
            of[name] = bound.clone();
        }
        of
    };
    let (items, length) = (&case["items"], &case["length"]);
    let text = || bounded(json!({"type": "string"}), "maxLength", length);
    let list = |of: Value| bounded(json!({"type": "array", "items": of}), "maxItems", items);
    let whole = json!({"type": "integer"});
    let object = json!({"type": "object", "required": ["b"], "properties": {
        "a": text(), "b": whole, "ll": list(text())
    }});
    let mut keyed = list(json!({"type": "object", "required": ["k"], "properties": {"k": text()}}));
    keyed["x-kubernetes-list-type"] = json!("map");
    keyed["x-kubernetes-list-map-keys"] = json!(["k"]);
    let map = json!({"type": "object", "additionalProperties": text()});
    let mut rules = vec![json!({"rule": case["rule"]})];
    if case["in"] == "several" {
        let rule = case["rule"].as_str().unwrap_or_default();
        rules.push(json!({"rule": format!("({rule})")}));
        rules.push(json!({"rule": format!("(({rule}))")}));
    }
    let of = json!({"type": "object", "x-kubernetes-validations": rules, "properties": {
        "s": text(), "s2": text(), "i": whole, "l": list(text()), "l2": list(text()), "li": list(whole.clone()),
        "m": bounded(map, "maxProperties", items), "lo": list(object), "lm": keyed,
        "e": {"type": "string", "enum": ["A", "B"]}, "t": {"type": "string", "format": "date-time"},
        "emb": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true},
        "q": {"x-kubernetes-int-or-string": true}
    }});
    let properties = match case["in"].as_str().unwrap_or_default() {
        "list" => json!({"spec": list(of)}),
        "map" => json!({"spec": {"type": "object", "additionalProperties": of}}),
        "several" => json!({"s0": of, "s1": of, "s2": of, "s3": of}),
        _ => json!({"spec": of}),
    };
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "probes.example.org"}, "spec": {"group": "example.org", "scope": "Namespaced",
        "names": {"plural": "probes", "singular": "probe", "kind": "Probe"}, "versions": [{"name": "v1",
        "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}}}]}})
}

/// Rules whose bounds are wide or narrow, each with whether the server took what they may cost.
#[test]
fn every_rule_costs_what_the_server_said() {
    let catalog = Catalog::embedded();
    let mut wrong = Vec::new();
    for line in include_str!("custom/costs.txt").lines() {
        let (verdict, case) = line.split_once(' ').expect("a verdict and a case");
        let definition = with_rule(&serde_json::from_str(case).expect("the case is JSON"));
        let report = ecp_validate::validate_manifest(&catalog, &definition.to_string(), &Options::default())
            .expect("it can be read");
        let expected: &[&str] = if verdict == "valid" { &[] } else { &["definition.cost"] };
        let codes: HashSet<_> = report.errors.iter().map(|finding| finding.code).collect();
        if codes != expected.iter().copied().collect() {
            wrong.push(format!("the server says {verdict}, ours {codes:?}: {line}"));
        }
    }
    assert!(wrong.is_empty(), "{} are judged otherwise:\n{}", wrong.len(), wrong.join("\n"));
}
