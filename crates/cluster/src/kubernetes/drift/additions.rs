//! What an object has that was not applied, inside what is ours whole: its spec and its data.
//!
//! Two things tell an addition from what the cluster fills in by itself: that another manager owns
//! it, and that it is an item of a list or map that a cluster never fills.

use super::{Walk, escaped, merge_value};
use crate::kubernetes::ownership::{Step, Taken};
use serde_json::{Map, Value};

/// Prefix of the labels and annotations that are ours alone.
pub(in crate::kubernetes) const OUR_PREFIX: &str = "ecp.ai/";

/// Maps into which a cluster never puts a key by itself.
const MAPS: [&str; 10] = [
    "data",
    "binaryData",
    "hard",
    "matchLabels",
    "nodeSelector",
    "labels",
    "annotations",
    "limits",
    "requests",
    "parameters",
];

/// Lists into which a cluster never puts an item by itself.
const LISTS: [&str; 14] = [
    "containers",
    "initContainers",
    "ephemeralContainers",
    "env",
    "envFrom",
    "volumes",
    "volumeMounts",
    "volumeDevices",
    "ports",
    "imagePullSecrets",
    "hostAliases",
    "tolerations",
    "topologySpreadConstraints",
    "externalIPs",
];

/// Something that was added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Addition {
    /// Where it is in the live object, as a JSON pointer.
    pub(crate) pointer: String,
    /// The same for people: an item of a list by its key.
    pub(crate) place: String,
    /// Who added it; none where the cluster does not say, as of what admission adds.
    pub(crate) manager: Option<String>,
    /// It is an item or a key that no cluster fills in by itself, not a field that may be a default.
    pub(crate) is_item: bool,
}

/// What `live` has beyond `wanted` and was put there by somebody.
pub(crate) fn additions(
    wanted: &Value,
    live: &Value,
    taken: &[Taken],
    replicas_are_autoscaled: bool,
) -> Vec<Addition> {
    let kind = wanted["kind"].as_str().unwrap_or_default();
    let mut search = Search { walk: Walk::new(kind, replicas_are_autoscaled), found: Vec::new() };
    search.metadata(&wanted["metadata"], &live["metadata"]);
    if is_ours_whole(kind) {
        let (wanted_fields, live_fields) = (wanted.as_object(), live.as_object());
        for (key, value) in live_fields.into_iter().flatten() {
            if matches!(key.as_str(), "apiVersion" | "kind" | "metadata" | "status") {
                continue;
            }
            if kind == "Secret" && key == "data" {
                let own = secret_keys(wanted);
                search.at(key, |search| search.compare(key, Some(&own), value));
                continue;
            }
            let own = wanted_fields.and_then(|fields| fields.get(key));
            search.at(key, |search| search.compare(key, own, value));
        }
    }
    let Search { walk, mut found } = search;
    for one in taken.iter().filter(|_| is_ours_whole(kind)) {
        let Some((pointer, place)) = locate(&one.path, live) else { continue };
        let below = |addition: &Addition| {
            pointer == addition.pointer || pointer.starts_with(&format!("{}/", addition.pointer))
        };
        if let Some(addition) = found.iter_mut().find(|addition| below(addition)) {
            addition.manager = addition.manager.take().or_else(|| one.manager.clone());
        } else if !walk.leaves_alone(&pointer) && !is_wanted(&one.path, wanted) {
            let manager = one.manager.clone();
            found.push(Addition {
                pointer,
                place,
                manager,
                is_item: !matches!(one.path.last(), Some(Step::Field(_))),
            });
        }
    }
    found
}

/// Lists and maps that are one value to the cluster, that we applied and somebody else owns now: who
/// changed a part of one took it whole.
pub(crate) fn taken_over(wanted: &Value, live: &Value, taken: &[Taken]) -> Vec<(String, Option<String>)> {
    let kind = wanted["kind"].as_str().unwrap_or_default();
    let changed = |one: &&Taken| {
        let inner = follow(&one.path, wanted);
        inner.is_some_and(|inner| match inner {
            Value::Array(items) => !items.is_empty(),
            Value::Object(fields) => !fields.is_empty(),
            _ => false,
        })
    };
    let taken = taken.iter().filter(|_| is_ours_whole(kind)).filter(changed);
    taken.filter_map(|one| Some((locate(&one.path, live)?.0, one.manager.clone()))).collect()
}

/// Who owns what a JSON pointer into the wanted object names, or something below or above it.
pub(crate) fn owner_of(pointer: &str, wanted: &Value, taken: &[Taken]) -> Option<String> {
    let fits = |one: &&Taken| {
        locate(&one.path, wanted).is_some_and(|(at, _)| {
            at == pointer || at.starts_with(&format!("{pointer}/")) || pointer.starts_with(&format!("{at}/"))
        })
    };
    taken.iter().filter(|one| one.manager.is_some()).find(fits).and_then(|one| one.manager.clone())
}

/// False of kinds that others rightly write to: controllers give accounts their tokens and namespaces
/// their finalizers.
fn is_ours_whole(kind: &str) -> bool {
    !matches!(kind, "Namespace" | "ServiceAccount")
}

fn is_wanted(path: &[Step], wanted: &Value) -> bool {
    follow(path, wanted).is_some()
}

fn follow<'v>(path: &[Step], wanted: &'v Value) -> Option<&'v Value> {
    // A Secret is written as text and read back as data.
    let from = match path {
        [Step::Field(data), rest @ ..] if data == "data" && wanted["kind"] == "Secret" => {
            let text = rest.iter().try_fold(&wanted["stringData"], |at, step| Some(step.find(at)?.1));
            if text.is_some_and(|text| !text.is_null()) {
                return text;
            }
            wanted
        }
        _ => wanted,
    };
    path.iter().try_fold(from, |at, step| Some(step.find(at)?.1)).filter(|found| !found.is_null())
}

/// Where a path leads in the live object: its JSON pointer, and the same with items by their key.
fn locate(path: &[Step], live: &Value) -> Option<(String, String)> {
    let (mut pointer, mut place, mut at) = (String::new(), String::new(), live);
    for step in path {
        let (key, inner) = step.find(at)?;
        pointer = format!("{pointer}/{}", escaped(&key));
        place = match step {
            Step::Field(_) => format!("{place}/{}", escaped(&key)),
            Step::Item(keys) => format!("{place}/{}", item_name(keys.values())),
            Step::Value(value) => format!("{place}/{}", item_name([value].into_iter())),
        };
        at = inner;
    }
    Some((pointer, place))
}

fn item_name<'v>(values: impl Iterator<Item = &'v Value>) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    escaped(&values.map(text).collect::<Vec<_>>().join(","))
}

struct Search<'a> {
    walk: Walk<'a>,
    found: Vec<Addition>,
}

impl Search<'_> {
    fn at(&mut self, key: &str, look: impl FnOnce(&mut Self)) {
        self.walk.path.push(key.to_owned());
        look(self);
        self.walk.path.pop();
    }

    fn add(&mut self, place: String) {
        let pointer = self.walk.pointer();
        self.found.push(Addition { pointer, place, manager: None, is_item: true });
    }

    /// Labels and annotations are shared; those of our prefix are not, and our objects have no owner.
    fn metadata(&mut self, wanted: &Value, live: &Value) {
        let is_ours = |key: &str| key.starts_with(OUR_PREFIX);
        self.at("metadata", |search| {
            for map in ["labels", "annotations"] {
                for key in live[map].as_object().into_iter().flatten().map(|(key, _)| key) {
                    if is_ours(key) && wanted[map].get(key).is_none() && key != super::APPLIED {
                        search.at(map, |search| {
                            search.at(key, |search| search.add(search.walk.pointer()));
                        });
                    }
                }
            }
            if live["ownerReferences"].as_array().is_some_and(|owners| !owners.is_empty()) {
                search.at("ownerReferences", |search| search.add(search.walk.pointer()));
            }
        });
    }

    fn compare(&mut self, key: &str, wanted: Option<&Value>, live: &Value) {
        let wanted = wanted.filter(|wanted| !wanted.is_null());
        match live {
            Value::Object(fields) => self.compare_fields(key, wanted, fields),
            Value::Array(items) => self.compare_items(key, wanted, items),
            _ => {}
        }
    }

    fn compare_fields(&mut self, key: &str, wanted: Option<&Value>, live: &Map<String, Value>) {
        // Amounts that a LimitRange names fill in one another; only a container's are its own.
        let is_map = MAPS.contains(&key) && self.walk.kind != "LimitRange";
        // A template may be wanted without any metadata, and get some.
        if wanted.is_none() && !is_map && key != "metadata" {
            return;
        }
        for (field, value) in live {
            let own = wanted.and_then(|wanted| wanted.get(field));
            self.at(field, |search| match own {
                None if is_map => search.add(search.walk.pointer()),
                None if LISTS.contains(&field.as_str()) => search.compare_items(field, None, items_of(value)),
                _ => search.compare(field, own, value),
            });
        }
    }

    fn compare_items(&mut self, key: &str, wanted: Option<&Value>, live: &[Value]) {
        let own = wanted.map(items_of).unwrap_or_default();
        let merge_keys = self.walk.merge_keys(key, if own.is_empty() { live } else { own });
        if merge_keys.is_empty() {
            if own.is_empty() && LISTS.contains(&key) && !live.is_empty() {
                self.add(self.walk.pointer());
            }
            for (index, (own, item)) in own.iter().zip(live).enumerate() {
                self.at(&index.to_string(), |search| search.compare("", Some(own), item));
            }
            return;
        }
        let is_list = LISTS.contains(&key);
        for (index, item) in live.iter().enumerate() {
            let same =
                |own: &&Value| merge_keys.iter().all(|key| merge_value(key, own) == merge_value(key, item));
            let own = own.iter().find(same);
            let above = self.walk.pointer();
            self.at(&index.to_string(), |search| match own {
                Some(own) => search.compare("", Some(own), item),
                None if is_list => {
                    let name = item_name(merge_keys.iter().filter_map(|key| item.get(*key)));
                    search.add(format!("{above}/{name}"));
                }
                None => {}
            });
        }
    }
}

/// The keys that a Secret is to have: it is written as text and read back as data.
fn secret_keys(wanted: &Value) -> Value {
    let keys = ["data", "stringData"].into_iter().filter_map(|map| wanted[map].as_object());
    keys.flatten().map(|(key, value)| (key.clone(), value.clone())).collect::<Map<_, _>>().into()
}

fn items_of(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
