//! The namespace and what bounds it: ResourceQuota and LimitRange.

use super::footprint::{cpu, memory, quantities, quota};
use super::{Object, Scope};
use crate::sizing::ContainerResources;
use k8s_openapi::api::core::v1::{
    LimitRange, LimitRangeItem, LimitRangeSpec, Namespace, ResourceQuota, ResourceQuotaSpec,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use std::collections::BTreeMap;

/// What a container gets that says nothing itself: ours all say, so this is for one that an
/// operator adds by hand.
const DEFAULT_REQUEST: ContainerResources =
    ContainerResources { cpu_millicores: 100, memory_mib: 128, gpu: 0 };
const DEFAULT_LIMIT: ContainerResources = ContainerResources { cpu_millicores: 500, memory_mib: 512, gpu: 0 };

pub(super) fn namespace(scope: &Scope<'_>) -> Object {
    let mut metadata = scope.metadata(scope.namespace.clone());
    metadata.namespace = None;
    let labels = metadata.labels.get_or_insert_default();
    labels.insert("ecp.ai/preset".into(), scope.tenant.sizing.preset.as_str().into());
    labels.insert("pod-security.kubernetes.io/enforce".into(), "restricted".into());
    Object::Namespace(Namespace { metadata, ..Namespace::default() })
}

pub(super) fn resource_quota(scope: &Scope<'_>) -> Object {
    let bounds = quota(scope.settings, &scope.tenant.sizing.resources);
    let hard = BTreeMap::from([
        ("limits.cpu".to_owned(), cpu(bounds.cpu_millicores)),
        ("limits.memory".to_owned(), memory(bounds.memory_mib)),
        ("requests.cpu".to_owned(), cpu(bounds.cpu_millicores)),
        ("requests.memory".to_owned(), memory(bounds.memory_mib)),
        ("requests.storage".to_owned(), Quantity(format!("{}G", bounds.storage_gb))),
        (scope.gpu_quota_key(), Quantity(bounds.gpu.to_string())),
    ]);
    let spec = ResourceQuotaSpec { hard: Some(hard), ..ResourceQuotaSpec::default() };
    let metadata = scope.metadata("tenant-quota");
    Object::ResourceQuota(ResourceQuota { metadata, spec: Some(spec), ..ResourceQuota::default() })
}

/// Defaults only: a minimum or maximum would have to know every container of every plan.
pub(super) fn limit_range(scope: &Scope<'_>) -> Object {
    let item = LimitRangeItem {
        type_: "Container".into(),
        default: Some(quantities(scope.gpu_resource(), DEFAULT_LIMIT)),
        default_request: Some(quantities(scope.gpu_resource(), DEFAULT_REQUEST)),
        ..LimitRangeItem::default()
    };
    let spec = LimitRangeSpec { limits: vec![item] };
    Object::LimitRange(LimitRange { metadata: scope.metadata("container-defaults"), spec: Some(spec) })
}
