//! Whether an object is still as it was applied: wanted fields held against live ones; pure.
//!
//! What is wanted and is not so is found here, what is there and was not applied by [`additions`], and
//! how an object looks without it by [`correction`]. Reading objects and putting them back is left to
//! others.

mod additions;
mod correction;

pub(super) use additions::OUR_PREFIX;
pub(crate) use additions::{Addition, additions, owner_of, taken_over};
pub(crate) use correction::correction;

use ecp_core::quantity::parse_quantity;
use k8s_openapi::ByteString;
use serde_json::{Map, Value};

/// What a cluster writes into an object's metadata by itself.
const SERVER_METADATA: [&str; 6] =
    ["managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink"];

/// Annotation with a digest of what was last applied. A live object that has all that is wanted may
/// still have what was wanted before; without it that would never be taken out. A release that
/// digests otherwise applies once more.
pub(super) const APPLIED: &str = "ecp.ai/applied";
/// Differences told of one object.
const DIFFERENCES_TOLD: usize = 16;

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

/// Fields of `wanted` that `live` lacks or has otherwise, as JSON pointers into `wanted`, the first
/// few. The number of replicas is not held against it where an autoscaler owns it.
pub(crate) fn differences(wanted: &Value, live: &Value, replicas_are_autoscaled: bool) -> Vec<String> {
    let kind = wanted["kind"].as_str().unwrap_or_default();
    let mut walk = Walk::new(kind, replicas_are_autoscaled);
    match wanted.as_object() {
        Some(fields) => walk.object(fields, live),
        None if wanted != live => walk.report(),
        None => {}
    }
    walk.found
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

/// A walk through the wanted object; `path` is where it stands.
struct Walk<'a> {
    kind: &'a str,
    replicas_are_autoscaled: bool,
    path: Vec<String>,
    found: Vec<String>,
}

impl<'a> Walk<'a> {
    fn new(kind: &'a str, replicas_are_autoscaled: bool) -> Self {
        Self { kind, replicas_are_autoscaled, path: Vec::new(), found: Vec::new() }
    }

    fn pointer(&self) -> String {
        self.path.iter().fold(String::new(), |pointer, step| pointer + "/" + &escaped(step))
    }

    /// Notes a difference here.
    fn report(&mut self) {
        if self.found.len() < DIFFERENCES_TOLD {
            self.found.push(self.pointer());
        }
    }

    /// Looks one step further down.
    fn at(&mut self, step: impl Into<String>, look: impl FnOnce(&mut Self)) {
        self.path.push(step.into());
        look(self);
        self.path.pop();
    }

    fn object(&mut self, wanted: &Map<String, Value>, live: &Value) {
        for (key, value) in wanted {
            match key.as_str() {
                "apiVersion" | "kind" | "status" => {}
                "metadata" => self.at(key, |walk| walk.metadata(value, &live["metadata"])),
                "stringData" if self.kind == "Secret" => {
                    self.at(key, |walk| walk.secret_text(value, &live["data"]));
                }
                _ => self.at(key, |walk| walk.compare(key, value, live.get(key), false)),
            }
        }
    }

    fn metadata(&mut self, wanted: &Value, live: &Value) {
        for key in ["labels", "annotations"] {
            let wanted = wanted.get(key).unwrap_or(&Value::Null);
            self.at(key, |walk| walk.compare(key, wanted, live.get(key), false));
        }
    }

    /// Secrets are written as text and read back in base64.
    fn secret_text(&mut self, wanted: &Value, live: &Value) {
        for (key, value) in wanted.as_object().into_iter().flatten() {
            let bytes = ByteString(value.as_str().unwrap_or_default().as_bytes().to_vec());
            if serde_json::to_value(bytes).ok().as_ref() != live.get(key) {
                self.at(key, Self::report);
            }
        }
    }

    fn compare(&mut self, key: &str, wanted: &Value, live: Option<&Value>, quantity: bool) {
        if self.leaves_alone(&self.pointer()) {
            return;
        }
        let live = match live {
            None | Some(Value::Null) => {
                return match wanted {
                    _ if equals_absent(key, wanted) => {}
                    // Each label and each key that is gone is told by its own name.
                    Value::Object(fields) if is_shared_map(key) => {
                        fields.keys().for_each(|field| self.at(field, Self::report));
                    }
                    _ => self.report(),
                };
            }
            Some(live) => live,
        };
        let quantity = quantity || QUANTITIES.contains(&key);
        match (wanted, live) {
            (Value::Null, _) => {}
            (Value::Object(fields), Value::Object(_)) => {
                for (field, value) in fields {
                    self.at(field, |walk| walk.compare(field, value, live.get(field), quantity));
                }
            }
            (Value::Array(items), Value::Array(live)) => self.list(key, items, live),
            (Value::Array(items), _) if items.is_empty() => {}
            _ if same_scalar(wanted, live, quantity) => {}
            _ => self.report(),
        }
    }

    /// True of the number of replicas that an autoscaler owns.
    fn leaves_alone(&self, pointer: &str) -> bool {
        self.replicas_are_autoscaled
            && matches!(self.kind, "Deployment" | "StatefulSet")
            && pointer == "/spec/replicas"
    }

    fn list(&mut self, key: &str, wanted: &[Value], live: &[Value]) {
        if key == "conditions" {
            return;
        }
        let merge_keys = self.merge_keys(key, wanted);
        if merge_keys.is_empty() && wanted.len() != live.len() {
            return self.report();
        }
        for (index, item) in wanted.iter().enumerate() {
            let other = if merge_keys.is_empty() {
                live.get(index)
            } else {
                live.iter().find(|other| {
                    merge_keys.iter().all(|key| merge_value(key, item) == merge_value(key, other))
                })
            };
            self.at(index.to_string(), |walk| walk.compare("", item, other, false));
        }
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

/// A step of a JSON pointer.
fn escaped(step: &str) -> String {
    step.replace('~', "~0").replace('/', "~1")
}

fn is_shared_map(key: &str) -> bool {
    matches!(key, "labels" | "annotations")
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
