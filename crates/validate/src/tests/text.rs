//! The text itself: YAML and JSON, lists, aliases, merges, duplicate keys, and what is printed.

use super::{GOOD, broken, check, check_with, finds, listed};
use ecp_core::text::Language;
use serde_json::{Value, json};

/// The good manifest as JSON objects.
fn objects(text: &str) -> Vec<Value> {
    text.split("\n---\n").map(|document| serde_saphyr::from_str(document).unwrap()).collect()
}

fn without_lines(text: &str) -> Vec<(usize, String, String)> {
    let outcome = check(text);
    let all = outcome.errors.iter().chain(&outcome.warnings);
    let mut rows: Vec<_> = all
        .map(|finding| (finding.position.document, finding.position.path.clone(), finding.code.to_owned()))
        .collect();
    rows.sort();
    rows
}

#[test]
fn a_key_of_json_is_as_long_as_it_is_and_one_of_yaml_has_a_bound() {
    let key = "k".repeat(1100);
    let object = json!({
        "apiVersion": "example.com/v1", "kind": "Foo", "metadata": {"name": "a"}, "spec": {&key: 1},
    });
    for text in [object.to_string(), serde_json::to_string_pretty(&object).unwrap()] {
        let read = crate::manifest_objects(&text).unwrap();
        assert_eq!(
            read.into_iter().map(|(_, object)| object).collect::<Vec<_>>(),
            std::slice::from_ref(&object)
        );
    }
    for text in [format!("kind: Foo\n{key}: 1\n"), format!("kind: Foo\nspec: {{\"{key}\": 1}}\n")] {
        assert!(crate::manifest_objects(&text).is_err(), "{text:.80}");
    }
}

#[test]
fn json_and_yaml_give_the_same_findings() {
    let text = GOOD
        .replace("replicas: 3", "replica: 3")
        .replace("image: registry", "imagee: registry")
        .replace("name: ecp-ai-acme", "name: ecp-ai-other")
        .replace("memory: 512Mi", "memory: 8Gi")
        .replace("      app: callbot\n  template", "      app: chatbot\n  template");
    let rows = without_lines(&text);
    assert!(rows.len() >= 5, "{rows:?}");
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects(&text)});
    assert_eq!(without_lines(&serde_json::to_string(&list).unwrap()), rows);
    assert_eq!(without_lines(&serde_json::to_string_pretty(&list).unwrap()), rows);
    let tabs = serde_json::to_string_pretty(&list).unwrap().replace("  ", "\t");
    assert_eq!(without_lines(&tabs), rows);
}

#[test]
fn the_items_of_a_list_count_as_documents_and_keep_their_lines() {
    let text = "apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: ConfigMap
  metadata:
    name: a
    namespace: ecp-ai-acme
- apiVersion: v1
  kind: ConfigMap
  metadata:
    name: b
    namespace: ecp-ai-acme
  dato: {}
";
    let outcome = check(text);
    let position = &outcome.errors[0].position;
    assert_eq!((position.document, position.path.as_str(), position.line), (2, "dato", 14));
    assert_eq!(outcome.summary.configmaps, 2);
}

#[test]
fn a_finding_prints_with_document_path_and_line() {
    let text = GOOD.replace("replicas: 3", "replicas: three");
    let finding = &check(&text).errors[0];
    assert_eq!(
        finding.render(Language::Ko),
        "값 'three' 대신 따옴표 없는 정수를 쓰십시오 (문서 6, spec.replicas, 50행)"
    );
    assert_eq!(
        finding.render(Language::En),
        "Write a whole number without quotes instead of 'three' (document 6, spec.replicas, line 50)"
    );
    let empty = &check("").errors[0];
    assert_eq!(
        empty.render(Language::Ko),
        "매니페스트에 객체가 없습니다. apiVersion과 kind가 있는 문서를 하나 이상 넣으십시오"
    );
    let root = &check("- a\n").errors[0];
    assert!(root.render(Language::Ko).ends_with("쓰십시오 (문서 1, 1행)"));
}

#[test]
fn a_duplicate_key_is_a_warning_at_the_place_that_does_not_count() {
    broken(
        "  replicas: 3\n  revisionHistoryLimit: 2\n",
        "  revisionHistoryLimit: 2\n  replicas: 3\n  replicas: 4\n",
        &[("warning yaml.duplicate_key", "spec.replicas", "replicas: 3")],
    );
    let many: String = (0..40).map(|n| format!("  key{}: x\n", n % 39)).collect();
    let text = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a, namespace: ecp-ai-acme}}\ndata:\n{many}"
    );
    let found = listed(&check(&text));
    assert_eq!(found, [("warning yaml.duplicate_key".to_owned(), "data.key0".to_owned(), 5)]);
}

#[test]
fn aliases_stand_for_what_they_name() {
    let text = GOOD
        .replace(
            "    matchLabels:\n      app: callbot\n  template",
            "    matchLabels: &labels\n      app: callbot\n  template",
        )
        .replace("  selector:\n    app: callbot\n  ports", "  selector: {app: callbot}\n  ports");
    assert_eq!(listed(&check(&text)), []);
    let document = "apiVersion: v1
kind: ConfigMap
metadata: {name: a, namespace: ecp-ai-acme, labels: &labels {app: x}, annotations: *labels}
data: &data {one: \"1\"}
binaryData: *data
";
    finds(
        document,
        &[
            ("error config.both", "binaryData.one", "data: &data"),
            ("error schema.base64", "binaryData.one", "data: &data"),
        ],
    );
}

#[test]
fn merge_keys_bring_entries_and_what_is_said_here_wins() {
    let document = "apiVersion: v1
kind: ConfigMap
metadata: &base
  name: a
  namespace: ecp-ai-acme
immutable: false
data:
  <<: [&x {one: \"1\", two: \"2\"}, {two: \"3\", three: 3}]
  one: \"own\"
";
    finds(document, &[("error schema.wrong_type", "data.three", "three: 3")]);
    let wrong =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: ecp-ai-acme}\ndata:\n  <<: text\n";
    finds(wrong, &[("error yaml.merge", "data[\"<<\"]", "<<")]);
}

#[test]
fn keys_that_are_lists_and_tags_of_nobody_are_reported() {
    let document = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: ecp-ai-acme}\ndata:\n  ? [a, b]\n  : x\n  c: !Ref d\n";
    finds(
        document,
        &[
            ("error yaml.key_not_text", "data[\"?\"]", "? [a, b]"),
            ("error schema.config_key", "data[\"?\"]", "? [a, b]"),
            ("warning yaml.unknown_tag", "data.c", "!Ref"),
        ],
    );
    let tagged = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: ecp-ai-acme}\ndata:\n  port: !!str 8080\n";
    finds(tagged, &[]);
}

#[test]
fn a_text_that_is_no_yaml_is_refused_with_line_and_column() {
    let fault = check_with("apiVersion: v1\nkind: [Pod\nmetadata: }\n", None).unwrap_err();
    assert!(matches!(fault.line, Some(2..=4)), "{fault:?}");
    assert!(fault.column.is_some());
    assert!(fault.message.render(Language::Ko).starts_with("YAML로 읽을 수 없습니다"));
    for text in ["a: b: c\n", "{", "\"open", "a: *missing\n", "\u{0}", "a:\n\t- b\n"] {
        assert!(check_with(text, None).is_err(), "{text:?}");
    }
}

#[test]
fn the_documents_are_numbered_as_they_stand_in_the_text() {
    let text = "---\napiVersion: v1\nkind: Pods\nmetadata: {name: a, namespace: ecp-ai-acme}\n---\n# nothing\n---\napiVersion: v1\nkind: Podz\nmetadata: {name: b, namespace: ecp-ai-acme}\n";
    let outcome = check(text);
    let documents: Vec<usize> = outcome.errors.iter().map(|finding| finding.position.document).collect();
    assert_eq!(documents, [1, 3]);
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_are_read() {
    let text = format!("\u{feff}{}", GOOD.replace('\n', "\r\n"));
    assert_eq!(listed(&check(&text)), []);
}

#[test]
fn bytes_that_are_no_text_are_replaced_and_binary_files_refused() {
    use crate::decode;
    let text = "kind: é";
    let wide = |to_bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(to_bytes).collect::<Vec<u8>>();
    assert_eq!(decode(text.as_bytes()).unwrap(), text);
    assert_eq!(decode(&[&[0xff, 0xfe], wide(u16::to_le_bytes).as_slice()].concat()).unwrap(), text);
    assert_eq!(decode(&[&[0xfe, 0xff], wide(u16::to_be_bytes).as_slice()].concat()).unwrap(), text);
    assert_eq!(decode(b"kind: \xe9").unwrap(), "kind: \u{fffd}");
    assert!(decode(b"\xe9\0\x01").is_err());
}

#[test]
fn a_line_of_a_block_begins_with_no_tab_and_one_of_a_flow_may() {
    let object = |rest: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  namespace: ecp-ai-acme\n{rest}")
    };
    for rest in ["\t\n", "\t# x\n", "data:\n\t\n  k: v\n", "data:\n  k: |\n    \tv\n"] {
        assert_eq!(check(&object(rest)).errors[0].code, "unreadable.tab", "{rest:?}");
    }
    for rest in [
        "data: {k: a,\n\tl: b}\n",
        "data:\n  k: \"a\n\tb\"\n",
        "data:\n  k: |\n    v\n    \tw\n",
        "data:\n  k: a\tb\n",
    ] {
        assert_eq!(listed(&check(&object(rest))), [], "{rest:?}");
    }
}
