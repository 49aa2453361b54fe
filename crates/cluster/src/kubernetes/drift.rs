//! Whether an object is still as it was applied: wanted fields held against live ones; pure.
//!
//! What the live object has beyond the wanted one (defaults, what other managers own) is no drift.
//! Reading objects and putting them back is left to others.

use ecp_core::quantity::parse_quantity;
use k8s_openapi::ByteString;
use serde_json::{Map, Value};

/// What a cluster writes into an object's metadata by itself.
const SERVER_METADATA: [&str; 6] =
    ["managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink"];

/// Under these, text and numbers are quantities: `1000m` is `1`.
const QUANTITIES: [&str; 13] = [
    "limits",
    "requests",
    "hard",
    "default",
    "defaultRequest",
    "max",
    "min",
    "maxLimitRequestRatio",
    "capacity",
    "overhead",
    "sizeLimit",
    "averageValue",
    "divisor",
];

/// Fields that are left out of a live object where they are false or 0.
const LEFT_OUT_WHEN_ZERO: [&str; 12] = [
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "stdin",
    "stdinOnce",
    "tty",
    "readOnly",
    "paused",
    "publishNotReadyAddresses",
    "initialDelaySeconds",
    "minReadySeconds",
    "hostPort",
];

/// The first field of `wanted` that `live` lacks or has otherwise, as a JSON pointer into `wanted`.
/// The number of replicas is not held against it where an autoscaler owns it.
pub(crate) fn first_difference(
    wanted: &Value,
    live: &Value,
    replicas_are_autoscaled: bool,
) -> Option<String> {
    let kind = wanted["kind"].as_str().unwrap_or_default();
    let mut walk = Walk { kind, replicas_are_autoscaled, path: Vec::new() };
    let differs = match wanted.as_object() {
        Some(fields) => walk.object_differs(fields, live),
        None => wanted != live,
    };
    differs.then(|| walk.pointer())
}

/// A live object without what the cluster itself keeps in it.
pub(crate) fn pruned(mut live: Value) -> Value {
    if let Some(object) = live.as_object_mut() {
        object.shift_remove("status");
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.retain(|key, _| !SERVER_METADATA.contains(&key.as_str()));
        }
    }
    live
}

/// A walk through the wanted object; `path` is where it stands, and stays there at a difference.
struct Walk<'a> {
    kind: &'a str,
    replicas_are_autoscaled: bool,
    path: Vec<String>,
}

impl Walk<'_> {
    fn pointer(&self) -> String {
        let escaped = self.path.iter().map(|step| step.replace('~', "~0").replace('/', "~1"));
        escaped.fold(String::new(), |pointer, step| pointer + "/" + &step)
    }

    /// Looks one step further down; the step stays on the path where there is a difference.
    fn at(&mut self, step: impl Into<String>, differs: impl FnOnce(&mut Self) -> bool) -> bool {
        self.path.push(step.into());
        let found = differs(self);
        if !found {
            self.path.pop();
        }
        found
    }

    fn object_differs(&mut self, wanted: &Map<String, Value>, live: &Value) -> bool {
        wanted.iter().any(|(key, value)| match key.as_str() {
            "apiVersion" | "kind" | "status" => false,
            "metadata" => self.at(key, |walk| walk.metadata_differs(value, &live["metadata"])),
            "stringData" if self.kind == "Secret" => {
                self.at(key, |walk| walk.secret_text_differs(value, &live["data"]))
            }
            _ => self.at(key, |walk| walk.differs(key, value, live.get(key), false)),
        })
    }

    fn metadata_differs(&mut self, wanted: &Value, live: &Value) -> bool {
        ["labels", "annotations"].into_iter().any(|key| {
            self.at(key, |walk| {
                walk.differs(key, wanted.get(key).unwrap_or(&Value::Null), live.get(key), false)
            })
        })
    }

    /// Secrets are written as text and read back in base64.
    fn secret_text_differs(&mut self, wanted: &Value, live: &Value) -> bool {
        let Some(fields) = wanted.as_object() else { return false };
        fields.iter().any(|(key, value)| {
            self.at(key, |_| {
                let bytes = ByteString(value.as_str().unwrap_or_default().as_bytes().to_vec());
                serde_json::to_value(bytes).ok().as_ref() != live.get(key)
            })
        })
    }

    fn differs(&mut self, key: &str, wanted: &Value, live: Option<&Value>, quantity: bool) -> bool {
        if self.is_left_alone() {
            return false;
        }
        let live = match live {
            None | Some(Value::Null) => return !equals_absent(key, wanted),
            Some(live) => live,
        };
        let quantity = quantity || QUANTITIES.contains(&key);
        match (wanted, live) {
            (Value::Null, _) => false,
            (Value::Object(fields), Value::Object(_)) => fields.iter().any(|(field, value)| {
                self.at(field, |walk| walk.differs(field, value, live.get(field), quantity))
            }),
            (Value::Array(items), Value::Array(live)) => self.list_differs(key, items, live),
            (Value::Array(items), _) if items.is_empty() => false,
            _ => !same_scalar(wanted, live, quantity),
        }
    }

    fn is_left_alone(&self) -> bool {
        self.replicas_are_autoscaled
            && matches!(self.kind, "Deployment" | "StatefulSet")
            && matches!(self.path.as_slice(), [spec, replicas] if spec == "spec" && replicas == "replicas")
    }

    fn list_differs(&mut self, key: &str, wanted: &[Value], live: &[Value]) -> bool {
        if key == "conditions" {
            return false;
        }
        let merge_keys = self.merge_keys(key, wanted);
        if merge_keys.is_empty() && wanted.len() != live.len() {
            return true;
        }
        wanted.iter().enumerate().any(|(index, item)| {
            let other = if merge_keys.is_empty() {
                live.get(index)
            } else {
                live.iter().find(|other| {
                    merge_keys.iter().all(|key| merge_value(key, item) == merge_value(key, other))
                })
            };
            self.at(index.to_string(), |walk| walk.differs("", item, other, false))
        })
    }

    /// By what Kubernetes tells the items of a list apart; none where the list is one value.
    fn merge_keys(&self, key: &str, items: &[Value]) -> &'static [&'static str] {
        let in_service = self.kind == "Service" && self.path.len() == 2;
        match key {
            "containers" | "initContainers" | "env" | "volumes" | "imagePullSecrets" => &["name"],
            "groups" if self.kind == "PrometheusRule" => &["name"],
            "volumeMounts" => &["mountPath"],
            "volumeDevices" => &["devicePath"],
            "hostAliases" => &["ip"],
            "topologySpreadConstraints" => &["topologyKey", "whenUnsatisfiable"],
            "ports" if in_service => &["port", "protocol"],
            "ports" if items.iter().any(|item| item.get("containerPort").is_some()) => {
                &["containerPort", "protocol"]
            }
            _ => &[],
        }
    }
}

/// The value of a merge key; a protocol that is not said is TCP.
fn merge_value<'a>(key: &str, item: &'a Value) -> Option<std::borrow::Cow<'a, Value>> {
    use std::borrow::Cow;
    match item.get(key) {
        None | Some(Value::Null) if key == "protocol" => Some(Cow::Owned("TCP".into())),
        value => value.map(Cow::Borrowed),
    }
}

/// True where a cluster shows nothing of such a value.
fn equals_absent(key: &str, wanted: &Value) -> bool {
    match wanted {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(value) => !value && LEFT_OUT_WHEN_ZERO.contains(&key),
        Value::Number(number) => number.as_u64() == Some(0) && LEFT_OUT_WHEN_ZERO.contains(&key),
    }
}

fn same_scalar(wanted: &Value, live: &Value, quantity: bool) -> bool {
    if wanted == live {
        return true;
    }
    if let (Some(wanted), Some(live)) = (wanted.as_f64(), live.as_f64()) {
        return wanted == live;
    }
    let (Some(wanted), Some(live)) = (scalar_text(wanted), scalar_text(live)) else { return false };
    // A number may be written as text where either will do, such as the port of a probe.
    wanted == live
        || (quantity && parse_quantity(&wanted).is_some_and(|amount| parse_quantity(&live) == Some(amount)))
}

fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
