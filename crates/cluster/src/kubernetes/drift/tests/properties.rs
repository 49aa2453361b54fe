//! Whatever is wanted: what a server adds and respells is no drift, any wanted leaf that changed is.

use super::super::*;
use super::first_of;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::json;

/// Keys of objects that say nothing special to the comparison.
const PLAIN_KEYS: [&str; 6] = ["alpha", "beta", "gamma", "delta", "template", "spec"];

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::from),
        (0..5000_u32).prop_map(Value::from),
        "[a-z]{0,5}".prop_map(Value::from),
        Just(Value::Null),
    ]
}

/// Amounts in a spelling that a server would change.
fn amounts() -> impl Strategy<Value = Value> {
    (1..64_u32, 1..64_u32).prop_map(|(cores, gibibytes)| {
        json!({"cpu": format!("{cores}000m"), "memory": format!("{}Mi", gibibytes * 1024)})
    })
}

/// A list whose items are told apart by their name.
fn named(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    prop::collection::vec(inner, 0..3).prop_map(|items| {
        let item = |(index, inner): (usize, Value)| json!({"name": format!("item{index}"), "inner": inner});
        items.into_iter().enumerate().map(item).collect()
    })
}

/// Something wanted below `spec`.
fn wanted_tree() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 24, 4, |inner| {
        let key = prop::sample::select(PLAIN_KEYS.as_slice());
        prop_oneof![
            4 => prop::collection::btree_map(key, inner.clone(), 0..4).prop_map(|fields| json!(fields)),
            1 => amounts().prop_map(|amounts| json!({"resources": {"limits": amounts}})),
            1 => named(inner.clone()).prop_map(|items| json!({"containers": items})),
            1 => prop::collection::vec("[a-z]{1,4}", 0..3).prop_map(|items| json!({"args": items})),
            1 => any::<bool>().prop_map(|flag| json!({"hostNetwork": flag, "minReadySeconds": 0})),
        ]
    })
}

fn wanted_object() -> impl Strategy<Value = Value> {
    let labels = prop::collection::btree_map("[a-z]{1,3}/[a-z]{1,3}", "[a-z]{0,4}", 0..3);
    (labels, wanted_tree()).prop_map(|(labels, tree)| {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "callbot", "labels": labels},
            "spec": {"tree": tree, "replicas": 3},
        })
    })
}

/// A source of choices that a seed decides.
struct Choices(u64);

impl Choices {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

/// What a server makes of an object: it leaves out what says nothing, spells amounts its own way,
/// fills in defaults, and lets others add fields and items.
fn served(key: &str, value: Value, amount: bool, choices: &mut Choices) -> Value {
    match value {
        Value::Object(fields) => {
            let mut served_fields = Map::new();
            for (field, value) in fields {
                if equals_absent(&field, &value) && choices.below(2) == 0 {
                    continue;
                }
                let amount = amount || field == "limits";
                let value = served(&field, value, amount, choices);
                served_fields.insert(field, value);
            }
            if !amount && choices.below(2) == 0 {
                served_fields.insert("added".to_owned(), json!({"by": "the server", "number": 1}));
            }
            Value::Object(served_fields)
        }
        Value::Array(items) if key == "containers" => {
            let mut served_items: Vec<Value> =
                items.into_iter().map(|item| served("", item, false, choices)).collect();
            if choices.below(2) == 0 {
                let place = choices.below(served_items.len() + 1);
                served_items.insert(place, json!({"name": "sidecar", "image": "proxy:1"}));
            }
            if choices.below(3) == 0 {
                served_items.reverse();
            }
            Value::Array(served_items)
        }
        Value::String(text) if amount => match text.strip_suffix("000m") {
            Some(cores) => json!(cores),
            None => {
                let mebibytes: u64 = text.trim_end_matches("Mi").parse().expect("an amount in Mi");
                json!(format!("{}Gi", mebibytes / 1024))
            }
        },
        other => other,
    }
}

fn served_object(wanted: &Value, seed: u64) -> Value {
    let mut live = wanted.clone();
    let choices = &mut Choices(seed);
    live["spec"] = served("spec", live["spec"].take(), false, choices);
    live["metadata"]["labels"]["others/label"] = json!("theirs");
    live["metadata"]["resourceVersion"] = json!("7");
    live["metadata"]["managedFields"] = json!([{"manager": "kubelet"}]);
    live["status"] = json!({"replicas": 3});
    live
}

/// Pointers to every leaf that says something.
fn leaves(pointer: &str, key: &str, value: &Value, found: &mut Vec<String>) {
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                leaves(&format!("{pointer}/{}", escaped(field)), field, value, found);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                leaves(&format!("{pointer}/{index}"), "", value, found);
            }
        }
        leaf if equals_absent(key, leaf) => {}
        _ => found.push(pointer.to_owned()),
    }
}

fn leaves_of(wanted: &Value) -> Vec<String> {
    let mut found = Vec::new();
    leaves("/metadata/labels", "labels", &wanted["metadata"]["labels"], &mut found);
    leaves("/spec", "spec", &wanted["spec"], &mut found);
    found
}

/// Another value of the same type.
fn changed(leaf: &Value) -> Value {
    match leaf {
        Value::Bool(flag) => json!(!flag),
        Value::Number(number) => json!(number.as_u64().unwrap_or(0) + 1),
        Value::String(text) if text.ends_with("000m") => json!(format!("9{text}")),
        Value::String(text) if text.ends_with("Mi") => json!(format!("9{}Mi", 1024)),
        Value::String(text) => json!(format!("{text}-changed")),
        other => other.clone(),
    }
}

fn quick() -> ProptestConfig {
    ProptestConfig {
        cases: 256,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(7),
        ..Default::default()
    }
}

proptest! {
    #![proptest_config(quick())]

    #[test]
    fn what_was_applied_and_then_defaulted_and_extended_is_no_drift(
        wanted in wanted_object(), seed in any::<u64>(),
    ) {
        let live = served_object(&wanted, seed);
        prop_assert_eq!(first_of(&wanted, &live, false), None, "{}", live);
        prop_assert_eq!(first_of(&wanted, &pruned(live.clone()), false), None, "{}", live);
    }

    #[test]
    fn any_wanted_leaf_that_was_changed_is_drift_and_its_place_is_named(
        wanted in wanted_object(), seed in any::<u64>(), which in any::<prop::sample::Index>(),
    ) {
        let leaves = leaves_of(&wanted);
        let leaf = which.get(&leaves);
        let mut other = wanted.clone();
        let place = other.pointer_mut(leaf).expect("a leaf of the object");
        *place = changed(place);
        let found = first_of(&wanted, &served_object(&other, seed), false);
        let found = found.unwrap_or_else(|| panic!("{leaf} was changed unseen"));
        prop_assert!(leaf.starts_with(&found), "{} was changed and {} found", leaf, found);
    }

    #[test]
    fn any_wanted_leaf_that_was_taken_out_is_drift(
        wanted in wanted_object(), seed in any::<u64>(), which in any::<prop::sample::Index>(),
    ) {
        let leaves = leaves_of(&wanted);
        let leaf = which.get(&leaves);
        let mut other = wanted.clone();
        let (parent, key) = leaf.rsplit_once('/').expect("a pointer");
        let key = key.replace("~1", "/").replace("~0", "~");
        match other.pointer_mut(parent).expect("its parent") {
            Value::Object(fields) => _ = fields.shift_remove(&key),
            Value::Array(items) => _ = items.remove(key.parse().expect("an index")),
            _ => unreachable!("a parent of a leaf is an object or a list"),
        }
        let found = first_of(&wanted, &served_object(&other, seed), false);
        let found = found.unwrap_or_else(|| panic!("{leaf} was taken out unseen"));
        prop_assert!(leaf.starts_with(&found), "{} was taken out and {} found", leaf, found);
    }
}
