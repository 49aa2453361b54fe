//! Claims of devices, where the catalog has GPUs asked for so: a template for each service with GPUs, from
//! which Kubernetes makes a claim for each device of each pod.
//!
//! One claim is one device, so that what a pod takes can be read from the pod alone. What is claimed can not be
//! changed in a template, which therefore has a name of its own for everything that it may say.

use super::config::digest;
use super::{Object, Scope};
use crate::catalog::ClaimSettings;
use crate::sizing::ServicePlan;
use k8s_openapi::api::core::v1::{PodResourceClaim, ResourceClaim};
use k8s_openapi::api::resource::v1::{
    CELDeviceSelector, DeviceClaim, DeviceRequest, DeviceSelector, ExactDeviceRequest, ResourceClaimSpec,
    ResourceClaimTemplate, ResourceClaimTemplateSpec,
};
use std::collections::BTreeMap;

/// Name of the request in a claim.
const REQUEST: &str = "gpu";
/// What a quota's key has behind the DeviceClass whose claimed devices it bounds.
const QUOTA_SUFFIX: &str = ".deviceclass.resource.k8s.io/devices";
/// Label of nodes with GPUs and of pods with claims: the device type that they have, or are for.
pub const GPU_TYPE_LABEL: &str = "ecp.ai/gpu-type";

/// The key of a quota that bounds claimed devices of a class.
pub(super) fn quota_key(device_class: &str) -> String {
    format!("{device_class}{QUOTA_SUFFIX}")
}

/// The DeviceClass whose claimed devices a quota's key bounds; none of another key.
pub fn class_of_quota_key(key: &str) -> Option<&str> {
    key.strip_suffix(QUOTA_SUFFIX)
}

/// The template of a service's claims; none where it has no GPUs or asks for them otherwise.
pub(super) fn template(scope: &Scope<'_>, plan: &ServicePlan) -> Option<Object> {
    let claims = claims_of(scope, plan)?;
    let spec = ResourceClaimTemplateSpec { metadata: None, spec: spec(scope, claims) };
    let metadata = scope.service_metadata(template_name(scope, claims, plan), plan.service);
    Some(Object::ResourceClaimTemplate(ResourceClaimTemplate { metadata, spec }))
}

/// The claims of a pod of a service.
pub(super) fn of_pod(scope: &Scope<'_>, plan: &ServicePlan) -> Option<Vec<PodResourceClaim>> {
    let template = template_name(scope, claims_of(scope, plan)?, plan);
    let claim = |name| PodResourceClaim {
        name,
        resource_claim_template_name: Some(template.clone()),
        ..PodResourceClaim::default()
    };
    Some(names(plan.limits.gpu).map(claim).collect())
}

/// The same claims, as a container has them among its resources.
pub(super) fn of_container(gpus: u64) -> Vec<ResourceClaim> {
    names(gpus).map(|name| ResourceClaim { name, request: None }).collect()
}

fn names(gpus: u64) -> impl Iterator<Item = String> {
    (0..gpus).map(|number| format!("{REQUEST}-{number}"))
}

fn claims_of<'a>(scope: &Scope<'a>, plan: &ServicePlan) -> Option<&'a ClaimSettings> {
    scope.settings.claims().filter(|_| plan.limits.gpu > 0)
}

fn spec(scope: &Scope<'_>, claims: &ClaimSettings) -> ResourceClaimSpec {
    let gpu_type = &scope.tenant.sizing.gpu_type;
    let selector = claims.selector_of(gpu_type).map(|expression| DeviceSelector {
        cel: Some(CELDeviceSelector { expression: expression.trim().to_owned() }),
    });
    let exactly = ExactDeviceRequest {
        device_class_name: claims.class_of(gpu_type).to_owned(),
        selectors: selector.map(|selector| vec![selector]),
        allocation_mode: Some("ExactCount".to_owned()),
        count: Some(1),
        ..ExactDeviceRequest::default()
    };
    let request =
        DeviceRequest { name: REQUEST.to_owned(), exactly: Some(exactly), ..DeviceRequest::default() };
    let devices = DeviceClaim { requests: Some(vec![request]), ..DeviceClaim::default() };
    ResourceClaimSpec { devices: Some(devices) }
}

fn template_name(scope: &Scope<'_>, claims: &ClaimSettings, plan: &ServicePlan) -> String {
    let gpu_type = &scope.tenant.sizing.gpu_type;
    let class = claims.class_of(gpu_type).to_owned();
    let selector = claims.selector_of(gpu_type).unwrap_or_default().trim().to_owned();
    let digest = digest(&BTreeMap::from([("class".to_owned(), class), ("selector".to_owned(), selector)]));
    format!("{}-{REQUEST}-{digest}", plan.service)
}

/// How many devices of each class a pod of these objects claims.
pub fn claimed<'o>(objects: &'o [Object], claims: &[PodResourceClaim]) -> BTreeMap<&'o str, u64> {
    let mut claimed = BTreeMap::new();
    for claim in claims {
        let named = |object: &&Object| claim.resource_claim_template_name.as_deref() == Some(object.name());
        let templates = objects.iter().filter_map(|object| match object {
            Object::ResourceClaimTemplate(template) => Some((object, template)),
            _ => None,
        });
        let Some((_, template)) = templates.into_iter().find(|(object, _)| named(object)) else { continue };
        let devices = template.spec.spec.devices.as_ref();
        for request in devices.and_then(|devices| devices.requests.as_ref()).into_iter().flatten() {
            let Some(exactly) = &request.exactly else { continue };
            let count = exactly.count.and_then(|count| u64::try_from(count).ok()).unwrap_or(1);
            *claimed.entry(exactly.device_class_name.as_str()).or_default() += count;
        }
    }
    claimed
}
