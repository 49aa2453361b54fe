//! Manifests: the typed Kubernetes objects of a tenant, a pure function of tenant and catalog.

use crate::catalog::Catalog;
use crate::tenant::{Tenant, TenantSecrets};

pub mod monitoring;
mod object;

pub use object::{Object, Workload};

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
pub const SECRET_KEYS: &[&str] = &["SERVICE_TOKEN"];

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
