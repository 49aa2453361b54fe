//! What applying one manifest after another would do, object by object.

use super::Object;
use serde_json::Value;
use std::collections::BTreeMap;

/// What would become of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectAction {
    /// It is not there yet.
    Create,
    /// Some of its fields change.
    Update,
    /// It goes.
    Delete,
    /// It stays as it is.
    Unchanged,
}

impl ObjectAction {
    /// The spelling of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Unchanged => "unchanged",
        }
    }
}

/// One object, and what would become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectChange {
    /// Kind.
    pub kind: &'static str,
    /// Name.
    pub name: String,
    /// What would become of it.
    pub action: ObjectAction,
    /// Fields that change.
    pub fields: Vec<FieldChange>,
}

/// A field that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldChange {
    /// Which, as a JSON pointer.
    pub pointer: String,
    /// What it was and becomes; none in a Secret.
    pub values: Option<(Value, Value)>,
}

/// Holds two manifests against each other: those of `after` in their order, then what goes.
pub fn difference(before: &[Object], after: &[Object]) -> Vec<ObjectChange> {
    let key = |object: &Object| (object.kind(), object.name().to_owned());
    let mut left: BTreeMap<_, &Object> = before.iter().map(|object| (key(object), object)).collect();
    let change = |object: &Object, action, fields| ObjectChange {
        kind: object.kind(),
        name: object.name().to_owned(),
        action,
        fields,
    };
    let mut changes: Vec<ObjectChange> = after
        .iter()
        .map(|object| match left.remove(&key(object)) {
            None => change(object, ObjectAction::Create, Vec::new()),
            Some(old) if old == object => change(object, ObjectAction::Unchanged, Vec::new()),
            Some(old) => change(object, ObjectAction::Update, changed_fields(old, object)),
        })
        .collect();
    let going = before.iter().filter(|object| left.contains_key(&key(object)));
    changes.extend(going.map(|object| change(object, ObjectAction::Delete, Vec::new())));
    changes
}

fn changed_fields(before: &Object, after: &Object) -> Vec<FieldChange> {
    let json = |object| serde_json::to_value(object).unwrap_or(Value::Null);
    let mut fields = Vec::new();
    collect(&json(before), &json(after), "", &mut fields);
    if matches!(after, Object::Secret(_)) {
        fields.iter_mut().for_each(|field| field.values = None);
    }
    fields
}

fn collect(before: &Value, after: &Value, path: &str, fields: &mut Vec<FieldChange>) {
    let below = |key: &str| format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
    match (before, after) {
        _ if before == after => {}
        (Value::Object(before), Value::Object(after)) => {
            for key in before.keys().chain(after.keys().filter(|key| !before.contains_key(*key))) {
                let part = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                collect(&part(before), &part(after), &below(key), fields);
            }
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (place, (before, after)) in before.iter().zip(after).enumerate() {
                collect(before, after, &below(&place.to_string()), fields);
            }
        }
        _ => fields
            .push(FieldChange { pointer: path.to_owned(), values: Some((before.clone(), after.clone())) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

    fn config(name: &str, value: &str) -> Object {
        Object::ConfigMap(ConfigMap {
            metadata: ObjectMeta { name: Some(name.into()), ..Default::default() },
            data: Some([("a/b".to_owned(), value.to_owned())].into()),
            ..Default::default()
        })
    }

    #[test]
    fn each_object_is_created_changed_left_or_deleted() {
        let before = [config("same", "1"), config("changed", "1"), config("gone", "1")];
        let after = [config("new", "1"), config("same", "1"), config("changed", "2")];
        let told: Vec<_> = difference(&before, &after)
            .into_iter()
            .map(|change| (change.name, change.action.as_str(), change.fields))
            .collect();
        let changed = FieldChange {
            pointer: "/data/a~1b".to_owned(),
            values: Some((Value::from("1"), Value::from("2"))),
        };
        let expected = [
            ("new".to_owned(), "create", vec![]),
            ("same".to_owned(), "unchanged", vec![]),
            ("changed".to_owned(), "update", vec![changed]),
            ("gone".to_owned(), "delete", vec![]),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn what_changes_in_a_secret_is_named_without_its_value() {
        let secret = |value: &str| {
            Object::Secret(k8s_openapi::api::core::v1::Secret {
                metadata: ObjectMeta { name: Some("keys".into()), ..Default::default() },
                string_data: Some([("key".to_owned(), value.to_owned())].into()),
                ..Default::default()
            })
        };
        let changes = difference(&[secret("old")], &[secret("new")]);
        let expected = [FieldChange { pointer: "/stringData/key".to_owned(), values: None }];
        assert_eq!(changes[0].fields, expected);
    }
}
