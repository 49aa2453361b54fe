//! A pod's volumes.

use super::super::objects::Object;
use super::super::tree::{Kind, Node};
use super::super::workloads::Workload;
use super::{Rules, containers, storage};
use ecp_core::text::Message;
use std::collections::{HashMap, HashSet};

/// Checks the volumes and gives their names, with whether each can be a block device.
pub(super) fn check<'t>(
    rules: &mut Rules<'_>,
    object: &Object<'t>,
    workload: &Workload<'t>,
) -> HashMap<&'t str, bool> {
    let mut names = HashMap::new();
    for volume in workload.pod.list_at("volumes") {
        let is_block = volume.has("persistentVolumeClaim") || volume.has("ephemeral");
        names.insert(volume.str_at("name"), is_block);
        check_source(rules, object, volume);
    }
    if object.is("Pod") && !object.name.is_empty() {
        check_made_claims(rules, object.name, workload.pod);
    }
    if object.is("StatefulSet")
        && let Some(spec) = object.spec()
    {
        for claim in spec.list_at("volumeClaimTemplates") {
            names.insert(claim.at(&["metadata", "name"]).map_or("", Node::text), true);
        }
    }
    names
}

/// Claims that are made for a pod: their names, which no other volume asks for.
fn check_made_claims(rules: &mut Rules<'_>, pod_name: &str, pod: Node<'_>) {
    let mut made = HashSet::new();
    for volume in pod.list_at("volumes").filter(|volume| volume.has("ephemeral")) {
        let Some(name) = volume.get("name").filter(|name| !name.is_empty()) else { continue };
        let claim = format!("{pod_name}-{}", name.text());
        if !super::super::format::is_dns_subdomain(&claim) {
            rules.findings.error(name, || {
                let value = super::super::format::shortened(&claim);
                Message::new("validate.schema.subdomain").with("value", value)
            });
        }
        made.insert(claim);
    }
    let asked =
        pod.list_at("volumes").filter_map(|volume| volume.at(&["persistentVolumeClaim", "claimName"]));
    for claim in asked.filter(|claim| made.contains(claim.text())) {
        rules.bad(claim, "validate.rule.duplicate");
    }
}

fn check_source(rules: &mut Rules<'_>, object: &Object<'_>, volume: Node<'_>) {
    let given = volume.children().filter(|child| child.key() != "name" && child.kind() != Kind::Null).count();
    if given == 0 {
        return; // An empty directory.
    }
    if let Some(downward) = volume.get("downwardAPI") {
        for file in downward.list_at("items") {
            check_file(rules, file);
        }
    }
    if let Some(path) = volume.at(&["gitRepo", "directory"]) {
        rules.holds(Some(path), super::super::format::is_descending_path, "validate.schema.relative_path");
    }
    if let Some(projected) = volume.get("projected") {
        check_projected(rules, projected);
    }
    if let Some(image) = volume.get("image") {
        if object.is("Pod") {
            rules.required(image, "reference");
        }
        rules.words(
            image.get("pullPolicy").filter(|policy| !policy.text().is_empty()),
            &["Always", "IfNotPresent", "Never"],
        );
    }
    if let Some(template) = volume.at(&["ephemeral", "volumeClaimTemplate"]) {
        if let Some(metadata) = template.get("metadata") {
            for field in metadata
                .children()
                .filter(|field| !field.is_empty() || matches!(field.kind(), Kind::Sequence | Kind::Mapping))
                .filter(|field| field.as_integer() != Some(0))
            {
                if !matches!(field.key(), "labels" | "annotations") {
                    rules.forbidden(metadata, field.key(), "ephemeral.volumeClaimTemplate");
                }
            }
            super::metadata::check_labels(rules, metadata, false);
        }
        if let Some(spec) = template.get("spec") {
            storage::check_claim(rules, spec, false);
        }
    }
    if let Some(csi) = volume.get("csi") {
        if let Some(driver) = csi.get("driver") {
            storage::check_driver(rules, driver);
        }
        if let Some(secret) = csi.get("nodePublishSecretRef") {
            rules.required(secret, "name");
            rules.holds(
                secret.get("name").filter(|name| !name.is_empty()),
                super::super::format::is_dns_subdomain,
                "validate.schema.subdomain",
            );
        }
    }
    storage::check_source(rules, volume);
}

/// A file that holds something of the pod.
fn check_file(rules: &mut Rules<'_>, file: Node<'_>) {
    if file.has("fieldRef") && file.has("resourceFieldRef") {
        rules.not_both(file, "fieldRef", "resourceFieldRef");
    }
    if let Some(reference) = file.get("fieldRef") {
        containers::check_field_version(rules, reference);
        if let Some(path) = reference.get("fieldPath") {
            containers::check_field(rules, path, &containers::FILE_FIELDS);
        }
    } else if let Some(reference) = file.get("resourceFieldRef") {
        rules.required_where(reference, "containerName", "downwardAPI");
        containers::check_resource_field(rules, reference);
    } else {
        rules.findings.error(file, || {
            Message::new("validate.rule.one_of").with("fields", "fieldRef, resourceFieldRef").with("count", 0)
        });
    }
}

fn check_projected(rules: &mut Rules<'_>, projected: Node<'_>) {
    let mut paths = HashSet::new();
    for source in projected.list_at("sources") {
        // Others are dropped unless their features are switched on.
        let kinds = ["secret", "configMap", "downwardAPI", "serviceAccountToken"];
        let given = kinds.iter().filter(|kind| source.has(kind)).count();
        if given > 1 {
            rules.one_of(source, &kinds);
        }
        for kind in ["secret", "configMap", "downwardAPI"] {
            let Some(part) = source.get(kind) else { continue };
            if kind != "downwardAPI" {
                rules.required(part, "name");
            }
            for item in part.list_at("items") {
                rules.unique(item.get("path"), &mut paths);
                if kind == "downwardAPI" {
                    check_file(rules, item);
                }
            }
        }
    }
}
