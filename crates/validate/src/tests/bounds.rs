//! Texts made to exhaust: refused, or answered with a bounded report.

use super::super::findings::MAX_FINDINGS;
use super::super::{MAX_MANIFEST_BYTES, Unreadable};
use super::{check, check_with};

fn refused(text: &str) -> Unreadable {
    check_with(text, None).expect_err("the text is refused")
}

#[test]
fn an_alias_bomb_is_refused_before_it_expands() {
    let mut text = String::from("a: &a [x,x,x,x,x,x,x,x,x]\n");
    for (name, inner) in "bcdefghi".chars().zip("abcdefgh".chars()) {
        let aliases = vec![format!("*{inner}"); 9].join(",");
        text.push_str(&format!("{name}: &{name} [{aliases}]\n"));
    }
    assert!(text.len() < 1024);
    let fault = refused(&text);
    assert_eq!(fault.message.key, "validate.unreadable.aliases");
    assert!(matches!(fault.line, Some(4..=6)), "{fault:?}");
}

#[test]
fn a_bomb_of_merges_and_one_of_keys_are_refused() {
    let mut text = String::from("a: &a {k0: x, k1: x, k2: x}\n");
    for level in 0..30 {
        let last = if level == 0 { "a".to_owned() } else { format!("m{level}") };
        text.push_str(&format!("m{}: &m{} {{x: *{last}, y: *{last}, <<: *{last}}}\n", level + 1, level + 1));
    }
    assert_eq!(refused(&text).message.key, "validate.unreadable.aliases");
}

#[test]
fn a_long_text_behind_many_aliases_is_refused() {
    let aliases = "*a,".repeat(5000);
    let text = format!("a: &a \"{}\"\nb: [{aliases}]\n", "x".repeat(100_000));
    assert_eq!(refused(&text).message.key, "validate.unreadable.aliases");
}

#[test]
fn an_alias_inside_what_it_names_is_refused() {
    assert_eq!(refused("a: &a [b, *a]\n").message.key, "validate.unreadable.alias_of_itself");
    assert_eq!(refused("&a {b: *a}\n").message.key, "validate.unreadable.alias_of_itself");
}

#[test]
fn deep_nesting_is_refused_without_exhausting_the_stack() {
    for text in [
        "[".repeat(1_000_000),
        "{a: ".repeat(500_000),
        "- ".repeat(1_000_000),
        (0..2000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect(),
        "[{a: ".repeat(40),
    ] {
        assert_eq!(refused(&text).message.key, "validate.unreadable.too_deep", "{}", &text[..20]);
    }
}

#[test]
fn aliases_do_not_reach_deeper_than_the_text_may() {
    let mut text = format!("a: &a {}x{}\n", "[".repeat(30), "]".repeat(30));
    text.push_str(&format!("b: &b {}*a{}\n", "[".repeat(30), "]".repeat(30)));
    text.push_str(&format!("c: {}*b{}\n", "[".repeat(30), "]".repeat(30)));
    assert_eq!(refused(&text).message.key, "validate.unreadable.too_deep");
}

#[test]
fn too_many_documents_values_or_bytes_are_refused() {
    assert_eq!(refused(&"---\na\n".repeat(10_001)).message.key, "validate.unreadable.too_many_documents");
    let items = "- {}\n".repeat(10_001);
    assert_eq!(
        refused(&format!("kind: List\nitems:\n{items}")).message.key,
        "validate.unreadable.too_many_documents"
    );
    let values = "1,".repeat(410_000);
    assert_eq!(refused(&format!("[{values}]")).message.key, "validate.unreadable.too_many_values");
    let large = " ".repeat(MAX_MANIFEST_BYTES + 1);
    assert_eq!(refused(&large).message.key, "validate.unreadable.too_large");
}

#[test]
fn a_key_that_stands_very_often_counts_as_its_last_value() {
    let head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: ecp-ai-acme}\ndata:\n";
    for line in ["  a: b\n", "  a: !!str b\n"] {
        let outcome = check(&format!("{head}{}  a: 1\n", line.repeat(60_000)));
        let wrong: Vec<_> = outcome.errors.iter().map(|finding| finding.code).collect();
        assert!(wrong.contains(&"schema.wrong_type"), "{wrong:?}");
        assert!(outcome.warnings.len() <= MAX_FINDINGS + 1, "{}", outcome.warnings.len());
    }
}

#[test]
fn a_report_lists_a_bounded_number_of_findings_and_says_how_many_more() {
    let fields: String = (0..2000).map(|n| format!("  unknown{n}: x\n")).collect();
    let text = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: a, namespace: ecp-ai-acme}}\nspec:\n  clusterIP: None\n{fields}"
    );
    let errors = check(&text).errors;
    assert_eq!(errors.len(), MAX_FINDINGS + 1);
    let last = errors.last().unwrap();
    assert_eq!(last.code, "manifest.more_errors");
    assert_eq!(last.message.values[0].1, (2000 - MAX_FINDINGS).to_string());
}

#[test]
fn a_message_stays_short_whatever_the_text_says() {
    let (long, key) = ("x".repeat(100_000), "k".repeat(1000));
    let text = format!(
        "apiVersion: v1\nkind: {long}\nmetadata:\n  name: {long}\n  namespace: {long}\n  {key}: {long}\n"
    );
    let outcome = check(&text);
    for finding in outcome.errors.iter().chain(&outcome.warnings) {
        let printed = finding.render(ecp_core::text::Language::Ko);
        assert!(printed.len() < 2000, "{} bytes", printed.len());
    }
    assert!(!outcome.errors.is_empty());
}

#[test]
fn a_text_of_endless_selectors_is_told_that_not_all_was_compared() {
    let mut text = String::new();
    for n in 0..1500 {
        text.push_str(&format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p{n}, namespace: ecp-ai-acme, labels: {{a: x}}}}\nspec: {{containers: []}}\n"
        ));
        text.push_str(&format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: s{n}, namespace: ecp-ai-acme}}\nspec: {{selector: {{a: x}}, ports: [{{port: 1, targetPort: nowhere}}]}}\n"
        ));
    }
    let outcome = check(&text);
    assert!(outcome.warnings.iter().any(|finding| finding.code == "manifest.unchecked"));
}

/// A definition whose `properties` are these, and objects of it.
fn custom(properties: &str, objects: impl IntoIterator<Item = String>) -> String {
    let mut text = format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: tests.example.com}}\n\
         spec:\n  group: example.com\n  scope: Namespaced\n  names: {{plural: tests, kind: Test}}\n  versions:\n  \
         - name: v1\n    served: true\n    storage: true\n    schema:\n      openAPIV3Schema:\n        \
         type: object\n        properties: {{{properties}}}\n"
    );
    for object in objects {
        text.push_str(
            "---\napiVersion: example.com/v1\nkind: Test\nmetadata: {name: a, namespace: ecp-ai-acme}\n",
        );
        text.push_str(&object);
    }
    text
}

#[test]
fn sizes_of_a_definition_and_of_an_object_do_not_multiply() {
    let list = |words: &str| format!("list: {{type: array, items: {{type: string, {words}}}}}");
    let many = |item: &str| format!("list: [{}]\n", format!("{item}, ").repeat(20_000));
    let names = |start: &str| (0..10_000).map(|n| format!("{start}{n}")).collect::<Vec<_>>();
    let fields =
        names("property").iter().map(|name| format!("{name}: {{type: string}}, ")).collect::<String>();
    let other = names("qroperty").iter().map(|name| format!("{name}: a\n")).collect::<String>();
    let enumerated = list(&format!("enum: [{}]", names("w").join(", ")));
    for text in [
        custom(&list("pattern: '^((a{1,20}){1,20}){1,20}b$'"), [many(&"a".repeat(20))]),
        custom(&list("pattern: '^(a{1,900}){1,900}b$'"), [many("a")]),
        custom(&enumerated, [many("w9999")]),
        custom(&fields, [other]),
    ] {
        // Where they multiply, this does not end.
        let outcome = check(&text);
        let told = |finding: &super::Finding| finding.code == "definition.unchecked";
        assert!(outcome.warnings.iter().any(told) || outcome.errors.is_empty(), "{}", &text[300..400]);
        let printed = |finding: &super::Finding| finding.render(ecp_core::text::Language::En).len();
        assert!(outcome.errors.iter().all(|finding| printed(finding) < 4000));
    }
}

#[test]
fn many_objects_of_a_large_definition_are_all_checked() {
    let fields: String =
        (0..2_000).map(|n| format!("p{n}: {{type: string, pattern: '^[a-z]+$'}}, ")).collect();
    let outcome = check(&custom(&fields, (0..300).map(|n| format!("p{n}: A\n"))));
    assert_eq!(outcome.errors.iter().filter(|finding| finding.code == "schema.bound").count(), 300);
    assert!(!outcome.warnings.iter().any(|finding| finding.code == "definition.unchecked"));
}

#[test]
fn what_fuzzing_begins_with_and_what_it_found_is_read() {
    let seeds = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    let mut texts = 0;
    for target in ["reader", "manifest", "definition"] {
        for file in std::fs::read_dir(seeds.join(target)).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            let Ok(text) = crate::decode(&bytes) else { continue };
            texts += 1;
            // Whatever is said of it; what is read can be written as JSON and read again.
            let Ok(objects) = crate::manifest_objects(&text) else { continue };
            for (_, object) in objects {
                assert!(crate::manifest_objects(&object.to_string()).is_ok(), "{object}");
            }
        }
    }
    assert!(texts > 3);
}
