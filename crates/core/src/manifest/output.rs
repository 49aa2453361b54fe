//! A manifest as text: multi-document YAML, or a `List` as JSON.

use super::{Manifest, Object};
use serde::Serialize;
use serde_saphyr::{ser_options, to_fmt_writer_with_options};

/// Texts stay on one line, however long: a folded PromQL expression is hard to read. A text of
/// several lines is a block.
const LONGEST_LINE: usize = 100_000;

/// A typical object's YAML in bytes.
const TYPICAL_OBJECT: usize = 1024;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    api_version: &'static str,
    kind: &'static str,
    items: &'a [Object],
}

impl Manifest {
    /// Multi-document YAML, for `kubectl apply -f`.
    pub fn to_yaml(&self) -> String {
        let mut text = String::with_capacity(self.objects.len() * TYPICAL_OBJECT);
        for object in &self.objects {
            if !text.is_empty() {
                text.push_str("---\n");
            }
            let options = ser_options! { folded_wrap_chars: LONGEST_LINE };
            to_fmt_writer_with_options(&mut text, object, options)
                .expect("typed objects serialize, and a String takes every write");
        }
        text
    }

    /// A `List` as JSON, for `kubectl apply -f`.
    pub fn to_json(&self) -> String {
        let list = List { api_version: "v1", kind: "List", items: &self.objects };
        serde_json::to_string_pretty(&list).expect("typed objects have text keys")
    }
}
