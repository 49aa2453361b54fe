//! What the API server of a release reads and then drops before it looks at the rest: fields of features
//! that are not switched on there by default. Their types count, and nothing else of them.
//!
//! Fields that no release keeps are passed over where their rules would be.
//!
//! Source: `pkg/features/kube_features.go` of each release, and what `pkg/registry` and `pkg/api` drop.

use super::kinds::Release;
use super::tree::{Kind, Node};

use Release::{V1_35, V1_36};

/// Definition, field, and the first release that keeps it.
static FIELDS: &[(&str, &str, Release)] = &[
    ("CSIDriverSpec", "nodeAllocatableUpdatePeriodSeconds", V1_35),
    ("Container", "restartPolicy", V1_35),
    ("Container", "restartPolicyRules", V1_35),
    ("Device", "allNodes", V1_36),
    ("Device", "allowMultipleAllocations", V1_36),
    ("Device", "bindingConditions", V1_36),
    ("Device", "bindingFailureConditions", V1_36),
    ("Device", "bindsToNode", V1_36),
    ("Device", "consumesCounters", V1_36),
    ("Device", "nodeName", V1_36),
    ("Device", "nodeSelector", V1_36),
    ("Device", "taints", V1_36),
    ("DeviceCapacity", "requestPolicy", V1_36),
    ("DeviceClassSpec", "extendedResourceName", V1_36),
    ("DeviceConstraint", "distinctAttribute", V1_36),
    ("DeviceSubRequest", "capacity", V1_36),
    ("DeviceSubRequest", "tolerations", V1_36),
    ("EnvVarSource", "fileKeyRef", V1_35),
    ("ExactDeviceRequest", "capacity", V1_36),
    ("ExactDeviceRequest", "tolerations", V1_36),
    ("HPAScalingRules", "tolerance", V1_35),
    ("NodeStatus", "declaredFeatures", V1_36),
    ("PodSpec", "hostnameOverride", V1_35),
    ("ResourceSliceSpec", "perDeviceNodeSelection", V1_36),
    ("ResourceSliceSpec", "sharedCounters", V1_36),
];

/// Definition and field that no release keeps, where what is around it is judged without it.
static NOT_YET: &[(&str, &str)] = &[("Lifecycle", "stopSignal")];

/// True where a release drops a field.
pub(super) fn is_listed(definition: &str, field: &str, release: Release) -> bool {
    let object = definition.rsplit('.').next().unwrap_or_default();
    NOT_YET.contains(&(object, field))
        || FIELDS.iter().any(|&(of, name, keeps)| (of, name) == (object, field) && release < keeps)
}

/// True where a field that a release drops is kept for what it says: what runs beside the others.
pub(super) fn is_kept(field: Node<'_>) -> bool {
    field.key() == "restartPolicy"
        && field.text() == "Always"
        && field.parent().parent().key() == "initContainers"
}

/// Drops a lifecycle that held nothing but what was dropped of it.
pub(super) fn drop_emptied(lifecycle: Node<'_>) {
    let is_emptied = lifecycle.children().all(|field| field.kind() == Kind::Null);
    if is_emptied && lifecycle.written().any(Node::is_dropped) {
        lifecycle.mark_dropped();
    }
}

/// Drops volumes that are images, and where they are mounted: 1.34 does.
pub(super) fn drop_image_volumes(pod: Node<'_>, release: Release) {
    if release >= V1_35 {
        return;
    }
    let mut names = Vec::new();
    for volume in pod.list_at("volumes").filter(|volume| volume.has("image")) {
        names.push(volume.str_at("name"));
        volume.mark_dropped();
    }
    if names.is_empty() {
        return;
    }
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        for mount in pod.list_at(list).flat_map(|container| container.list_at("volumeMounts")) {
            if names.contains(&mount.str_at("name")) {
                mount.mark_dropped();
            }
        }
    }
}
