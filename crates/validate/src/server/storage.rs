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
        ("PersistentVolumeClaim", Some(spec)) => check_claim(rules, spec, true),
        ("PersistentVolume", Some(spec)) => check_volume(rules, spec),
        ("StorageClass", _) => check_class(rules, object.root),
        ("CSIDriver", _) => {
            if let Some(name) = object.root.at(&["metadata", "name"]) {
                // Bounded like any other name.
                rules.holds(
                    Some(name),
                    |text| format::is_dns_subdomain(&text.to_ascii_lowercase()),
                    "validate.storage.driver",
                );
            }
            let mut audiences = HashSet::new();
            for request in object.spec().into_iter().flat_map(|spec| spec.list_at("tokenRequests")) {
                if !audiences.insert(request.str_at("audience")) {
                    rules.bad(request.get("audience").unwrap_or(request), "validate.rule.duplicate");
                }
            }
            if let Some(spec) = object.spec().filter(|spec| spec.has("serviceAccountTokenInSecrets")) {
                rules.required_where(spec, "tokenRequests", "serviceAccountTokenInSecrets");
            }
        }
        ("VolumeAttributesClass", _) => {
            let class = object.root;
            rules.holds(class.get("driverName"), is_provisioner, "validate.schema.key");
            if let Some(parameters) = class.get("parameters") {
                if parameters.is_empty() {
                    rules.required(class, "parameters");
                }
                check_parameters(rules, parameters);
            }
        }
        ("CSIStorageCapacity", _) => {
            // The largest size is not looked at.
            if let Some(capacity) = object.root.get("capacity")
                && amount_of(Some(capacity)).is_some_and(|amount| amount < 0)
            {
                rules.bad(capacity, "validate.rule.negative");
            }
            if let Some(topology) = object.root.get("nodeTopology") {
                rules.selector(topology);
            }
        }
        ("VolumeAttachment", Some(spec)) => {
            if let Some(source) = spec.get("source") {
                let fields = ["persistentVolumeName", "inlineVolumeSpec"];
                // An empty name counts as given beside another source.
                if source.has("inlineVolumeSpec") && source.has("persistentVolumeName") {
                    rules.not_both(source, fields[0], fields[1]);
                } else {
                    rules.one_of(source, &fields);
                }
                if let Some(inline) = source.get("inlineVolumeSpec") {
                    check_inline(rules, inline);
                }
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
                let mut keys = HashSet::new();
                for key in driver.list_at("topologyKeys") {
                    if key.kind() == Kind::Null {
                        rules.bad(key, "validate.schema.empty_text");
                    }
                    rules.holds(Some(key), format::is_qualified_name, "validate.schema.key");
                    rules.unique(Some(key), &mut keys);
                }
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

/// A claim's `spec`; in a template of claims nothing of it is dropped.
pub(super) fn check_claim(rules: &mut Rules<'_>, spec: Node<'_>, is_own: bool) {
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
    // One in another namespace is dropped unless its feature is switched on.
    let reference =
        spec.get("dataSourceRef").filter(|source| !is_own || source.str_at("namespace").is_empty());
    for source in spec.get("dataSource").into_iter().chain(reference) {
        // A source that is neither claim nor snapshot is dropped, and the claim taken.
        let (kind, group) = (source.str_at("kind"), source.str_at("apiGroup"));
        let kept = (kind == "PersistentVolumeClaim" && group.is_empty())
            || (kind == "VolumeSnapshot" && group == "snapshot.storage.k8s.io");
        if is_own && reference.is_none() && !kept {
            continue;
        }
        rules.required(source, "kind");
        rules.required(source, "name");
        if group.is_empty() {
            rules.words(source.get("kind").filter(|kind| !kind.is_empty()), &["PersistentVolumeClaim"]);
        }
        rules.holds(
            source.get("apiGroup"),
            |text| text.is_empty() || format::is_dns_subdomain(text),
            "validate.schema.subdomain",
        );
    }
    if let (Some(source), Some(reference)) = (spec.get("dataSource"), reference) {
        let differs =
            ["apiGroup", "kind", "name"].iter().any(|field| source.str_at(field) != reference.str_at(field));
        if differs {
            rules.not_both(spec, "dataSource", "dataSourceRef");
        }
    }
}

/// What single kinds of volumes demand, in a pod and in a PersistentVolume.
pub(super) fn check_source(rules: &mut Rules<'_>, volume: Node<'_>) {
    if let Some(iscsi) = volume.get("iscsi") {
        for field in ["iqn", "initiatorName"] {
            let given = iscsi.get(field).filter(|name| field == "initiatorName" || !name.is_empty());
            rules.form(given, is_initiator, "iqn.2001-04.com.example:storage.disk1");
        }
        for field in ["chapAuthDiscovery", "chapAuthSession"] {
            if iscsi.flag_at(field) {
                rules.required_where(iscsi, "secretRef", &format!("{field}: true"));
            }
        }
    }
    if let Some(channel) = volume.get("fc") {
        if channel.filled("targetWWNs") == channel.filled("wwids") {
            let count = usize::from(channel.filled("wwids")) * 2;
            rules.findings.error(channel, || {
                Message::new("validate.rule.one_of").with("fields", "targetWWNs, wwids").with("count", count)
            });
        }
        if channel.filled("targetWWNs") {
            rules.required_where(channel, "lun", "targetWWNs");
            rules.range(channel.get("lun"), 0, 255);
        }
    }
    if let Some(disk) = volume.get("azureDisk") {
        let (head, example) = match disk.str_at("kind") {
            "Managed" => (
                "/subscriptions",
                "/subscriptions/ID/resourcegroups/GROUP/providers/microsoft.compute/disks/DISK",
            ),
            _ => ("https://", "https://ACCOUNT.blob.core.windows.net/CONTAINER/DISK.vhd"),
        };
        let address = disk.get("diskURI").filter(|address| !address.is_empty());
        rules.form(address, |text| text.starts_with(head), example);
    }
    for source in ["storageos", "cinder"] {
        if let Some(secret) = volume.at(&[source, "secretRef"]) {
            rules.required(secret, "name");
        }
    }
    for field in ["volumeName", "volumeNamespace"] {
        let name = volume.at(&["storageos", field]).filter(|name| !name.is_empty());
        rules.holds(name, ecp_core::ids::is_dns_1123_label, "validate.schema.label");
    }
    for source in ["awsElasticBlockStore", "gcePersistentDisk"] {
        rules.range(volume.at(&[source, "partition"]), 0, 255);
    }
    for option in volume.at(&["flexVolume", "options"]).into_iter().flat_map(Node::children) {
        if is_reserved(option.key()) {
            rules.findings.error(Place::Key(option), || {
                Message::new("validate.storage.reserved_option")
                    .with("value", format::shortened(option.key()))
            });
        }
    }
    if let Some(cephfs) = volume.get("cephfs") {
        rules.required(cephfs, "monitors");
    }
    if let Some(scale) = volume.get("scaleIO") {
        rules.required(scale, "volumeName");
    }
    if let Some(quobyte) = volume.get("quobyte") {
        let is_pair = |pair: &str| pair.matches(':').count() == 1 || pair.contains("]:");
        rules.form(
            quobyte.get("registry").filter(|registry| !registry.is_empty()),
            |text| text.split(',').all(is_pair),
            "registry:7861",
        );
        rules.length(quobyte.get("tenant"), 64);
    }
    if let Some(flocker) = volume.get("flocker") {
        rules.one_of(flocker, &["datasetName", "datasetUUID"]);
        rules.form(flocker.get("datasetName"), |text| !text.contains('/'), "dataset");
    }
}

/// An option of Kubernetes' own.
fn is_reserved(option: &str) -> bool {
    let domain = option.split_once('/').map_or(option, |(domain, _)| domain).to_ascii_lowercase();
    ["kubernetes.io", "k8s.io"]
        .iter()
        .any(|own| domain.strip_suffix(own).is_some_and(|before| before.is_empty() || before.ends_with('.')))
}

/// The name of an iSCSI initiator or target.
fn is_initiator(text: &str) -> bool {
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let of_length = |rest: &str, length: usize| rest.len() == length + 1 && plain(&rest[1..]);
    if let Some(rest) = text.strip_prefix("iqn.") {
        let digits =
            |text: Option<&str>| text.is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let Some((name, unique)) = rest.split_once(':') else { return false };
        return digits(name.get(..4))
            && name.get(4..5) == Some("-")
            && digits(name.get(5..7))
            && name.get(7..8) == Some(".")
            && name.len() > 8
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
            && !unique.is_empty()
            && !unique.contains([',', ';', '*', '&', '$', '|'])
            && !unique.contains(char::is_whitespace);
    }
    match text.get(..3) {
        Some("eui") if text.is_ascii() => of_length(&text[3..], 16),
        Some("naa") if text.is_ascii() => of_length(&text[3..], 32),
        _ => false,
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
    check_source(rules, spec);
    // A flexVolume behind these is not counted by the server.
    let before = ["azureFile", "vsphereVolume", "photonPersistentDisk", "portworxVolume", "azureDisk"];
    let after = ["scaleIO", "local", "storageos", "csi"];
    let counted = !spec.has("flexVolume") || before.iter().chain(&after).any(|source| spec.has(source));
    let given = SOURCES.iter().filter(|source| spec.has(source)).count();
    if counted || given != 2 {
        rules.one_of(spec, &SOURCES);
    }
    rules.required(spec, "capacity");
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
    check_csi(rules, spec);
    let namespace = spec.at(&["glusterfs", "endpointsNamespace"]);
    rules.holds(namespace, ecp_core::ids::is_dns_1123_label, "validate.schema.label");
    if let Some(azure) = spec.get("azureFile").filter(|azure| azure.has("secretNamespace")) {
        rules.required(azure, "secretNamespace");
    }
    for source in ["cinder", "storageos"] {
        if let Some(secret) = spec.at(&[source, "secretRef"]) {
            rules.required(secret, "namespace");
        }
    }
    if spec.at(&["hostPath", "path"]).is_some_and(|path| is_root(path.text()))
        && spec.str_at("persistentVolumeReclaimPolicy") == "Recycle"
    {
        rules.forbidden(spec, "persistentVolumeReclaimPolicy", "hostPath.path: /");
    }
    if let Some(class) = spec.get("volumeAttributesClassName") {
        rules.holds(Some(class), format::is_dns_subdomain, "validate.schema.subdomain");
        rules.required_where(spec, "csi", "volumeAttributesClassName");
    }
}

/// Secrets and driver of a volume by CSI.
fn check_csi(rules: &mut Rules<'_>, spec: Node<'_>) {
    if let Some(csi) = spec.get("csi") {
        if let Some(driver) = csi.get("driver") {
            check_driver(rules, driver);
        }
        for field in [
            "controllerPublishSecretRef",
            "controllerExpandSecretRef",
            "nodePublishSecretRef",
            "nodeExpandSecretRef",
        ] {
            if let Some(reference) = csi.get(field) {
                rules.required(reference, "name");
                rules.required(reference, "namespace");
                let filled = |field: &str| reference.get(field).filter(|value| !value.is_empty());
                rules.holds(filled("name"), format::is_dns_subdomain, "validate.schema.subdomain");
                rules.holds(filled("namespace"), ecp_core::ids::is_dns_1123_label, "validate.schema.label");
            }
        }
    }
}

/// A volume that is written out where it is attached: by CSI, and nothing that a class or a claim would say.
fn check_inline(rules: &mut Rules<'_>, spec: Node<'_>) {
    const WHEN: &str = "inlineVolumeSpec";
    rules.required_where(spec, "csi", WHEN);
    rules.one_of(spec, &SOURCES);
    check_modes(rules, spec);
    check_csi(rules, spec);
    for field in ["capacity", "claimRef", "nodeAffinity", "storageClassName"] {
        let says = |value: Node<'_>| field == "claimRef" || field == "nodeAffinity" || !value.is_empty();
        if spec.get(field).is_some_and(says) {
            rules.forbidden(spec, field, WHEN);
        }
    }
    let policy = spec.get("persistentVolumeReclaimPolicy").filter(|policy| !policy.is_empty());
    rules.words(policy, &["Retain"]);
    rules.words(spec.get("volumeMode"), &["Filesystem"]);
}

/// A path that comes to `/`.
fn is_root(path: &str) -> bool {
    let mut depth = 0_usize;
    for step in path.split('/') {
        match step {
            "" | "." => {}
            ".." => depth = depth.saturating_sub(1),
            _ => depth += 1,
        }
    }
    path.starts_with('/') && depth == 0
}

fn check_class(rules: &mut Rules<'_>, class: Node<'_>) {
    rules.holds(class.get("provisioner"), is_provisioner, "validate.schema.key");
    if let Some(parameters) = class.get("parameters") {
        check_parameters(rules, parameters);
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
        // One that says nothing stands twice already.
        if values.is_empty() || !seen.insert(values) {
            rules.bad(term, "validate.rule.duplicate");
        }
    }
}

fn is_provisioner(text: &str) -> bool {
    text.is_empty() || format::is_qualified_name(&text.to_ascii_lowercase())
}

fn check_parameters(rules: &mut Rules<'_>, parameters: Node<'_>) {
    rules.at_most(Some(parameters), 512);
    for parameter in parameters.children().filter(|parameter| parameter.key().is_empty()) {
        rules.bad(parameter, "validate.schema.empty_text");
    }
}
