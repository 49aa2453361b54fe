//! A custom resource and its definition, parts of a schema and rules in CEL included: both come from outside.
#![no_main]

use ecp_core::catalog::Catalog;
use ecp_validate::Options;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static CATALOG: LazyLock<Catalog> = LazyLock::new(Catalog::embedded);

fuzz_target!(|data: &[u8]| {
    // A schema, a rule and an object, one behind the other.
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut parts = text.splitn(3, '\u{0}');
    let mut part = || parts.next().unwrap_or("{}");
    let (schema, rule, value) = (part(), part(), part());
    let rule = serde_json::Value::from(rule);
    let manifest = format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: ws.example.com}}\n\
         spec: {{group: example.com, scope: Namespaced, names: {{plural: ws, kind: W}}, versions: [{{name: v1, \
         served: true, storage: true, schema: {{openAPIV3Schema: {{type: object, x-kubernetes-validations: \
         [{{rule: {rule}}}], properties: {{spec: {schema}}}}}}}}}]}}\n---\n\
         apiVersion: example.com/v1\nkind: W\nmetadata: {{name: w}}\nspec: {value}\n"
    );
    let _ = ecp_validate::validate_manifest(&CATALOG, &manifest, &Options::default());
});
