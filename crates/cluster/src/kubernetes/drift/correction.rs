//! How a live object looks without what was added to it, as a merge patch.
//!
//! Server-side apply leaves what others own, and what it adds beside may contradict it: two ports of
//! one name. A patch of the whole structure takes out and puts in at once.

use super::{Addition, Walk, merge_value};
use serde_json::{Map, Value};

/// The merge patch (RFC 7386) that takes `additions` out of `live` and puts what is wanted in their
/// place; none where there is nothing to take out.
pub(crate) fn correction(
    wanted: &Value,
    live: &Value,
    additions: &[Addition],
    replicas_are_autoscaled: bool,
) -> Option<Value> {
    if additions.is_empty() {
        return None;
    }
    let mut right = live.clone();
    let mut pointers: Vec<&str> = additions.iter().map(|addition| addition.pointer.as_str()).collect();
    // Later items of a list first, so that the places of the others stay.
    pointers.sort_by_key(|pointer| std::cmp::Reverse(place_of(pointer)));
    for pointer in &pointers {
        take_out(&mut right, pointer);
    }
    let kind = wanted["kind"].as_str().unwrap_or_default();
    let mut overlay = Overlay(Walk::new(kind, replicas_are_autoscaled));
    let touched = |key: &str| {
        let prefix = format!("/{key}/");
        pointers.iter().any(|pointer| pointer.starts_with(&prefix))
    };
    for (key, value) in wanted.as_object().into_iter().flatten() {
        if key != "metadata" && touched(key) {
            overlay.0.path.push(key.clone());
            overlay.put(key, &mut right[key], value);
            overlay.0.path.pop();
        }
    }
    difference(live, &right)
}

/// Sorts items of one list by their index, and what lies deeper behind what it lies in.
fn place_of(pointer: &str) -> Vec<(u64, String)> {
    pointer.split('/').map(|step| (step.parse().unwrap_or(0), step.to_owned())).collect()
}

fn take_out(object: &mut Value, pointer: &str) {
    let Some((parent, key)) = pointer.rsplit_once('/') else { return };
    match object.pointer_mut(parent) {
        Some(Value::Object(fields)) => {
            fields.shift_remove(&key.replace("~1", "/").replace("~0", "~"));
        }
        Some(Value::Array(items)) => {
            if let Some(index) = key.parse().ok().filter(|index| *index < items.len()) {
                items.remove(index);
            }
        }
        _ => {}
    }
}

/// Puts what is wanted over what is there.
struct Overlay<'a>(Walk<'a>);

impl Overlay<'_> {
    fn put(&mut self, key: &str, live: &mut Value, wanted: &Value) {
        if wanted.is_null() || self.0.leaves_alone(&self.0.pointer()) {
            return;
        }
        match (wanted, &mut *live) {
            (Value::Object(fields), Value::Object(_)) => {
                for (field, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
                    self.0.path.push(field.clone());
                    self.put(field, &mut live[field], value);
                    self.0.path.pop();
                }
            }
            (Value::Array(items), Value::Array(there)) => {
                let merge_keys = self.0.merge_keys(key, items);
                if merge_keys.is_empty() {
                    *live = wanted.clone();
                    return;
                }
                for (index, item) in items.iter().enumerate() {
                    let same = |other: &Value| {
                        merge_keys.iter().all(|key| merge_value(key, item) == merge_value(key, other))
                    };
                    match there.iter().position(same) {
                        Some(found) => {
                            self.0.path.push(index.to_string());
                            self.put("", &mut there[found], item);
                            self.0.path.pop();
                        }
                        None => there.push(item.clone()),
                    }
                }
            }
            _ => *live = wanted.clone(),
        }
    }
}

/// The merge patch from one value to another; none where they are the same.
fn difference(from: &Value, to: &Value) -> Option<Value> {
    let (Value::Object(before), Value::Object(after)) = (from, to) else {
        return (from != to).then(|| to.clone());
    };
    let mut patch = Map::new();
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, value) in after {
        match before.get(key) {
            Some(old) => {
                if let Some(change) = difference(old, value) {
                    patch.insert(key.clone(), change);
                }
            }
            None => _ = patch.insert(key.clone(), value.clone()),
        }
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}
