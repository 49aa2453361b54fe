//! The objects of a manifest as JSON, for who asks a cluster about them.

use super::tree::{Kind, Node};
use super::yaml::{self, Readers};
use super::{Position, Unreadable};
use serde_json::{Number, Value};

/// Every object of a multi-document text that can be read, with where it begins.
///
/// # Errors
/// The text can not be read.
pub fn manifest_objects(content: &str) -> Result<Vec<(Position, Value)>, Unreadable> {
    let tree = yaml::read(content, Readers::Both)?;
    let objects = tree.roots().filter(|root| root.kind() == Kind::Mapping);
    Ok(objects.map(|root| (root.position(), value(root))).collect())
}

/// A node as JSON.
pub(super) fn value(node: Node<'_>) -> Value {
    match node.kind() {
        Kind::Null => Value::Null,
        Kind::Boolean => Value::Bool(node.is_true()),
        Kind::Integer => node.as_integer().map_or(Value::Null, Value::from),
        Kind::Float if node.as_integer().is_some() => node.as_integer().map_or(Value::Null, Value::from),
        Kind::Float => {
            let number = node.text().parse().ok().and_then(Number::from_f64);
            number.map_or(Value::Null, Value::Number)
        }
        Kind::Text => Value::from(node.text()),
        Kind::Sequence => node.children().map(value).collect(),
        Kind::Mapping => node.children().map(|child| (child.key().to_owned(), value(child))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_document_becomes_json_and_keeps_its_place() {
        let text = "kind: A\nn: 1\n---\nkind: B\nlist: [true, 1.5, 'x', null]\n";
        let objects = manifest_objects(text).expect("it can be read");
        let values: Vec<_> = objects.iter().map(|(_, value)| value.clone()).collect();
        assert_eq!(
            values,
            [json!({"kind": "A", "n": 1}), json!({"kind": "B", "list": [true, 1.5, "x", null]})]
        );
        assert_eq!(objects[1].0.document, 2);
    }
}
