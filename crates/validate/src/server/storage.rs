//! Claims, volumes, classes and drivers.

use super::super::format;
use super::super::objects::Object;
use super::super::tree::{Kind, Node};
use super::{Rules, amount_of, scheduling};
use crate::findings::Place;
use ecp_core::text::Message;
use std::collections::HashSet;

/// What a PersistentVolume can be.
const SOURCES: [&str; 22] = [
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "csi",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "glusterfs",
    "hostPath",
    "iscsi",
    "local",
    "nfs",
    "photonPersistentDisk",
    "portworxVolume",
    "quobyte",
    "rbd",
    "scaleIO",
    "storageos",
    "vsphereVolume",
];

/// Checks an object of the group.
pub(super) fn check(rules: &mut Rules<'_>, object: &Object<'_>) {
    match (object.kind, object.spec()) {
        ("PersistentVolumeClaim", Some(spec)) => check_claim(rules, spec),
        ("PersistentVolume", Some(spec)) => check_volume(rules, spec),
        ("StorageClass", _) => check_class(rules, object.root),
        ("CSIDriver", _) => {
            if let Some(name) = object.root.at(&["metadata", "name"]) {
                check_driver(rules, name);
            }
        }
        ("CSIStorageCapacity", _) => {
            for field in ["capacity", "maximumVolumeSize"] {
                if amount_of(object.root.get(field)).is_some_and(|amount| amount < 0) {
                    rules.bad(object.root.get(field).unwrap_or(object.root), "validate.rule.negative");
                }
            }
            if let Some(topology) = object.root.get("nodeTopology") {
                rules.selector(topology);
            }
        }
        ("VolumeAttachment", Some(spec)) => {
            if let Some(source) = spec.get("source") {
                rules.one_of(source, &["persistentVolumeName", "inlineVolumeSpec"]);
            }
            rules.holds(
                spec.get("attacher"),
                |text| text.is_empty() || is_driver(text),
                "validate.storage.driver",
            );
        }
        ("CSINode", Some(spec)) => {
            for driver in spec.list_at("drivers") {
                rules.holds(driver.get("name"), is_driver, "validate.storage.driver");
                rules.length(driver.get("nodeID"), 256);
            }
        }
        _ => {}
    }
}

fn is_driver(text: &str) -> bool {
    text.len() <= 63 && format::is_dns_subdomain(&text.to_ascii_lowercase())
}

/// The name of a CSI driver.
pub(super) fn check_driver(rules: &mut Rules<'_>, node: Node<'_>) {
    rules.holds(Some(node), |text| text.is_empty() || is_driver(text), "validate.storage.driver");
}

/// A claim's `spec`, wherever it stands.
pub(super) fn check_claim(rules: &mut Rules<'_>, spec: Node<'_>) {
    check_modes(rules, spec);
    if let Some(selector) = spec.get("selector") {
        rules.selector(selector);
    }
    match spec.at(&["resources", "requests", "storage"]) {
        Some(storage) => check_size(rules, storage),
        None => {
            let place = spec.get("resources").unwrap_or(spec);
            rules.findings.error(place, || {
                Message::new("validate.schema.missing_field").with("field", "resources.requests.storage")
            });
        }
    }
    if let Some(resources) = spec.get("resources") {
        rules.forbidden(resources, "claims", "kind: PersistentVolumeClaim");
    }
    for field in ["dataSource", "dataSourceRef"] {
        let Some(source) = spec.get(field) else { continue };
        // A source of the core group that is no claim is dropped, and the claim taken.
        rules.holds(
            source.get("apiGroup"),
            |text| text.is_empty() || format::is_dns_subdomain(text),
            "validate.schema.subdomain",
        );
    }
    if let (Some(source), Some(reference)) = (spec.get("dataSource"), spec.get("dataSourceRef")) {
        let differs =
            ["apiGroup", "kind", "name"].iter().any(|field| source.str_at(field) != reference.str_at(field));
        if differs {
            rules.not_both(spec, "dataSource", "dataSourceRef");
        }
    }
}

fn check_size(rules: &mut Rules<'_>, storage: Node<'_>) {
    if amount_of(Some(storage)).is_some_and(|amount| amount <= 0) {
        rules.bad(storage, "validate.rule.positive");
    }
}

fn check_modes(rules: &mut Rules<'_>, spec: Node<'_>) {
    if let Some(modes) = spec.get("accessModes").filter(|modes| modes.kind() == Kind::Sequence) {
        if modes.is_empty() {
            rules
                .findings
                .error(modes, || Message::new("validate.schema.empty_list").with("field", "accessModes"));
        }
        let alone = spec.list_at("accessModes").find(|mode| mode.text() == "ReadWriteOncePod");
        if let Some(mode) =
            alone.filter(|_| spec.list_at("accessModes").any(|mode| mode.text() != "ReadWriteOncePod"))
        {
            rules.bad(mode, "validate.storage.alone");
        }
    }
}

fn check_volume(rules: &mut Rules<'_>, spec: Node<'_>) {
    check_modes(rules, spec);
    rules.one_of(spec, &SOURCES);
    if let Some(capacity) = spec.get("capacity").filter(|capacity| capacity.kind() == Kind::Mapping) {
        if !capacity.has("storage") {
            rules.required(capacity, "storage");
        }
        for amount in capacity.children() {
            if amount.key() != "storage" {
                rules.findings.error(Place::Key(amount), || {
                    Message::new("validate.schema.not_allowed")
                        .with("value", amount.key())
                        .with("allowed", "storage")
                });
            }
            check_size(rules, amount);
        }
    }
    let affinity = spec.get("nodeAffinity");
    if let Some(required) = affinity.and_then(|affinity| affinity.get("required")) {
        scheduling::check_node_selector(rules, required);
    } else if affinity.is_some() {
        rules.required(affinity.unwrap_or(spec), "required");
    }
    if spec.has("local") {
        rules.required_where(spec, "nodeAffinity", "local");
    }
    if let Some(csi) = spec.get("csi") {
        if let Some(driver) = csi.get("driver") {
            check_driver(rules, driver);
        }
        for field in [
            "controllerPublishSecretRef",
            "controllerExpandSecretRef",
            "nodePublishSecretRef",
            "nodeExpandSecretRef",
            "nodeStageSecretRef",
        ] {
            if let Some(reference) = csi.get(field) {
                rules.required(reference, "name");
                rules.required(reference, "namespace");
            }
        }
    }
    if spec.at(&["hostPath", "path"]).is_some_and(|path| path.text() == "/")
        && spec.str_at("persistentVolumeReclaimPolicy") == "Recycle"
    {
        rules.forbidden(spec, "persistentVolumeReclaimPolicy", "hostPath.path: /");
    }
    if let Some(class) = spec.get("volumeAttributesClassName") {
        rules.holds(Some(class), format::is_dns_subdomain, "validate.schema.subdomain");
        rules.required_where(spec, "csi", "volumeAttributesClassName");
    }
}

fn check_class(rules: &mut Rules<'_>, class: Node<'_>) {
    rules.holds(
        class.get("provisioner"),
        |text| text.is_empty() || format::is_qualified_name(&text.to_ascii_lowercase()),
        "validate.schema.key",
    );
    let parameters: Vec<Node<'_>> = class.get("parameters").into_iter().flat_map(Node::children).collect();
    if parameters.len() > 512 {
        rules.at_most(class.get("parameters"), 512);
    }
    for parameter in parameters.into_iter().filter(|parameter| parameter.key().is_empty()) {
        rules.bad(parameter, "validate.schema.empty_text");
    }
    let mut seen = HashSet::new();
    for term in class.list_at("allowedTopologies") {
        let mut keys = HashSet::new();
        let mut values = Vec::new();
        for expression in term.list_at("matchLabelExpressions") {
            rules.unique(expression.get("key"), &mut keys);
            let mut own = HashSet::new();
            for value in expression.list_at("values") {
                rules.unique(Some(value), &mut own);
                values.push((expression.str_at("key"), value.text()));
            }
        }
        values.sort_unstable();
        if !values.is_empty() && !seen.insert(values) {
            rules.bad(term, "validate.rule.duplicate");
        }
    }
}
