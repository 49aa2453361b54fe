//! Manifests: the typed Kubernetes objects of a tenant, a pure function of tenant and catalog.

use crate::catalog::Catalog;
use crate::tenant::{Tenant, TenantSecrets};
use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    autoscaling::v2::HorizontalPodAutoscaler,
    core::v1::{ConfigMap, LimitRange, Namespace, ResourceQuota, Secret, Service, ServiceAccount},
    networking::v1::{Ingress, NetworkPolicy},
    policy::v1::PodDisruptionBudget,
};
use serde::Serialize;

/// What the caller of the manifest call can choose.
#[derive(Clone, Debug)]
pub struct RenderOptions {
    /// With ServiceMonitor and PrometheusRule.
    pub include_monitoring: bool,
    /// With Ingress.
    pub include_ingress: bool,
    /// Another namespace than `ecp-ai-<tenant_id>`; a DNS-1123 label.
    pub namespace: Option<String>,
    /// Secret values are replaced by a fixed text.
    pub redact_secrets: bool,
}

impl Default for RenderOptions {
    fn default() -> Self {
        Self { include_monitoring: true, include_ingress: false, namespace: None, redact_secrets: false }
    }
}

/// Keys of the tenant's Secret, made once at creation.
pub const SECRET_KEYS: &[&str] = &["REDIS_PASSWORD"];

/// One typed object; serializes as the object itself, `apiVersion` and `kind` included.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[allow(missing_docs, reason = "each variant is the Kubernetes kind of its name")]
pub enum Object {
    Namespace(Namespace),
    ResourceQuota(ResourceQuota),
    LimitRange(LimitRange),
    NetworkPolicy(NetworkPolicy),
    ServiceAccount(ServiceAccount),
    ConfigMap(ConfigMap),
    Secret(Secret),
    StatefulSet(StatefulSet),
    Deployment(Deployment),
    Service(Service),
    HorizontalPodAutoscaler(HorizontalPodAutoscaler),
    PodDisruptionBudget(PodDisruptionBudget),
    Ingress(Ingress),
}

impl Object {
    /// Its kind, such as `Deployment`.
    pub fn kind(&self) -> &'static str {
        unimplemented!()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        unimplemented!()
    }
}

/// All objects of a tenant, in the order in which they are applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// The objects.
    pub objects: Vec<Object>,
}

impl Manifest {
    /// Multi-document YAML.
    pub fn to_yaml(&self) -> String {
        unimplemented!()
    }

    /// A `List` as JSON.
    pub fn to_json(&self) -> String {
        unimplemented!()
    }
}

/// Renders a tenant. Same input, same bytes.
pub fn render(
    catalog: &Catalog,
    tenant: &Tenant,
    secrets: &TenantSecrets,
    options: &RenderOptions,
) -> Manifest {
    let _ = (catalog, tenant, secrets, options);
    unimplemented!()
}
