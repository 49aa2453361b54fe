//! Objects with one thing changed, each with what an API server of Kubernetes 1.36 says to it by a dry run, and
//! in `older.list` where 1.34 or 1.35 says otherwise: release, file and line, verdict.
//!
//! A line of a file is a verdict, the name of an object of `bases.yaml` (`-` for none) and what is set in it:
//! paths with dots (`~` stands for a dot in a key), `-` before a path that is removed. The oracle of the
//! orchestrator's tests asks the server about the same lines.

use ecp_validate::Release;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::path::Path;

/// One line.
pub struct Variant {
    /// File and line, for messages.
    pub place: String,
    /// The server takes it.
    pub is_valid: bool,
    /// The object.
    pub object: Value,
    /// What is changed.
    pub change: String,
}

/// Every line of every file, in the order of their names, with the verdicts of a release.
pub fn all(release: Release) -> Vec<Variant> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../validate/tests/variants");
    let read = |name: &Path| std::fs::read_to_string(name).expect("the file is there");
    let bases: Map<String, Value> =
        serde_saphyr::from_str(&read(&folder.join("bases.yaml"))).expect("the bases can be read");
    let older = read(&folder.join("older.list"));
    let mut otherwise: HashMap<&str, &str> = older
        .lines()
        .filter_map(|line| line.strip_prefix(release.as_str())?.strip_prefix(' ')?.split_once(' '))
        .collect();
    let entries =
        std::fs::read_dir(&folder).expect("the folder is there").map(|entry| entry.expect("a file"));
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    let mut variants = Vec::new();
    for file in files {
        for (index, line) in read(&file).lines().enumerate() {
            let mut parts = line.splitn(3, ' ');
            let mut part = || parts.next().expect("three parts");
            let (verdict, base, change) = (part(), part(), part());
            let set: Map<String, Value> = serde_json::from_str(change).expect("the change is JSON");
            let object = match base {
                "-" => Value::Object(set),
                base => changed(bases[base].clone(), set),
            };
            let place = format!("{}:{}", file.file_stem().unwrap_or_default().display(), index + 1);
            let verdict = otherwise.remove(place.as_str()).unwrap_or(verdict);
            variants.push(Variant {
                place,
                is_valid: verdict == "valid",
                object,
                change: format!("{base} {change}"),
            });
        }
    }
    assert!(otherwise.is_empty(), "no such variants: {otherwise:?}");
    variants
}

fn changed(mut object: Value, set: Map<String, Value>) -> Value {
    for (path, value) in set {
        let (path, is_removed) = path.strip_prefix('-').map_or((path.as_str(), false), |path| (path, true));
        let steps: Vec<String> = path.split('.').map(|step| step.replace('~', ".")).collect();
        let (last, parents) = steps.split_last().expect("a path has a step");
        let mut place = &mut object;
        for step in parents {
            place = match place {
                Value::Array(items) => &mut items[step.parse::<usize>().expect("a number")],
                other => &mut other[step.as_str()],
            };
        }
        match place {
            Value::Array(items) => {
                let at: usize = last.parse().expect("a number");
                if at == items.len() {
                    items.push(value);
                } else {
                    items[at] = value;
                }
            }
            Value::Object(members) if is_removed => drop(members.remove(last)),
            other => other[last.as_str()] = value,
        }
    }
    object
}
