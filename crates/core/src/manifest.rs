//! Manifests: the typed Kubernetes objects of a tenant, a pure function of tenant and catalog.
//!
//! One file a group of kinds; [`render`] puts them in the order in which they are applied. The same
//! objects are printed by the manifest call and applied by the controller, which is not done here.

use crate::catalog::{Catalog, KubernetesSettings};
use crate::sizing::{ServicePlan, Stage};
use crate::tenant::{Exposure, Service, Tenant, TenantSecrets};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement, ObjectMeta};
use std::collections::{BTreeMap, BTreeSet};

mod access;
mod claims;
mod config;
mod difference;
mod footprint;
pub mod gateway;
mod in_place;
mod monitoring;
mod namespace;
mod network;
mod object;
mod output;
mod pinned;
mod pods;
pub mod prometheus;
mod redis;
mod scaling;
mod workloads;

#[cfg(test)]
mod tests;

pub use claims::{GPU_TYPE_LABEL, claimed, class_of_quota_key};
pub use difference::{FieldChange, ObjectAction, ObjectChange, difference};
pub(crate) use footprint::quota;
pub use footprint::{limits, pod_demands, pod_limits, requested_resources};
pub use in_place::{ImmutableField, changed_in_vain};
pub use object::{Object, Workload};
pub use pinned::{ManifestDigest, PinnedManifest};

/// What the caller of the manifest call can choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderOptions {
    /// With ServiceMonitor and PrometheusRule.
    pub include_monitoring: bool,
    /// With Ingress, whatever the tenant's exposure.
    pub include_ingress: bool,
    /// Another namespace than `ecp-ai-<tenant_id>`; a DNS-1123 label.
    pub namespace: Option<String>,
    /// Secret values are replaced by a fixed text.
    pub redact_secrets: bool,
}

impl RenderOptions {
    /// True of what the controller applies, secret values aside.
    pub fn is_as_applied(&self) -> bool {
        *self == Self { redact_secrets: self.redact_secrets, ..Self::default() }
    }
}

impl Default for RenderOptions {
    fn default() -> Self {
        Self { include_monitoring: true, include_ingress: false, namespace: None, redact_secrets: false }
    }
}

/// Keys of the tenant's Secret, made once at creation. `SERVICE_TOKEN` is what the tenant's
/// services show each other; redis has no password, as its URL in the contract has none, and is
/// closed to everyone else by its NetworkPolicy.
pub const SECRET_KEYS: &[&str] = &["SERVICE_TOKEN"];

/// All objects of a tenant, in the order in which they are applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// The objects.
    pub objects: Vec<Object>,
}

/// Renders a tenant. Same input, same bytes.
///
/// The order: namespace; its quota, defaults and policies; account, configuration and secret; redis; what
/// services claim; each service's Deployment and Service, as the contract prints them; scaling; monitoring; ingress or routes.
/// What limits or is read by something comes before it.
pub fn render(
    catalog: &Catalog,
    tenant: &Tenant,
    secrets: &TenantSecrets,
    options: &RenderOptions,
) -> Manifest {
    let scope = Scope::new(catalog, tenant, options);
    let mut objects = Vec::with_capacity(16 + 5 * tenant.sizing.services.len());
    objects.push(namespace::namespace(&scope));
    objects.push(namespace::resource_quota(&scope));
    objects.push(namespace::limit_range(&scope));
    objects.extend(network::network_policies(&scope));
    objects.push(config::service_account(&scope));
    objects.push(config::service_config(&scope));
    objects.push(redis::config(&scope));
    objects.push(config::secret(&scope, secrets));
    objects.push(redis::service(&scope));
    objects.push(redis::stateful_set(&scope));
    objects.extend(scope.services().iter().filter_map(|plan| claims::template(&scope, plan)));
    objects.extend(workloads::workloads(&scope));
    objects.extend(scaling::scaling(&scope));
    if options.include_monitoring {
        objects.extend(monitoring::monitoring(&scope));
    }
    if scope.has_ingress() {
        objects.push(access::ingress(&scope));
    }
    if scope.exposure() == Exposure::Gateway {
        objects.extend(access::routes(&scope));
    }
    Manifest { objects }
}

/// Port of every service's container.
const CONTAINER_PORT: i32 = 8080;
/// Port of every service's Service.
const SERVICE_PORT: i32 = 80;
/// Port of redis.
const REDIS_PORT: i32 = 6379;
/// Name of the Services' port.
const HTTP: &str = "http";
/// Label that names the tenant of an object.
const TENANT_LABEL: &str = "ecp.ai/tenant";
/// Label that names the service of an object; redis has none.
const SERVICE_LABEL: &str = "ecp.ai/service";
/// Label that marks what the orchestrator made.
const MANAGED_BY_LABEL: &str = "ecp.ai/managed-by";
/// Its value.
const MANAGED_BY: &str = "ecp-orchestrator";
/// Changes with what a pod reads only at its start, so that a change rolls the pods.
const CONFIG_DIGEST: &str = "ecp.ai/config-digest";

type Labels = BTreeMap<String, String>;

/// What every object of one manifest is made from.
struct Scope<'a> {
    settings: &'a KubernetesSettings,
    catalog: &'a Catalog,
    tenant: &'a Tenant,
    options: &'a RenderOptions,
    namespace: String,
}

impl<'a> Scope<'a> {
    fn new(catalog: &'a Catalog, tenant: &'a Tenant, options: &'a RenderOptions) -> Self {
        let namespace = options.namespace.clone().unwrap_or_else(|| tenant.id.namespace());
        Self { settings: &catalog.kubernetes, catalog, tenant, options, namespace }
    }

    /// The key of a quota that bounds the tenant's GPUs.
    fn gpu_quota_key(&self) -> String {
        match self.settings.claims() {
            Some(claims) => claims::quota_key(claims.class_of(&self.tenant.sizing.gpu_type)),
            // A quota knows an extended resource by its requests alone: they equal its limits.
            None => format!("requests.{}", self.gpu_resource()),
        }
    }

    /// The extended resource by which the tenant's GPUs are asked for.
    fn gpu_resource(&self) -> &'a str {
        self.settings.gpu_resource_of(&self.tenant.sizing.gpu_type)
    }

    fn services(&self) -> &'a [ServicePlan] {
        &self.tenant.sizing.services
    }

    fn has(&self, service: Service) -> bool {
        self.services().iter().any(|plan| plan.service == service)
    }

    /// The services of this tenant that a service calls: those whose pods do the work that it causes. A
    /// service that runs a GPU stage itself calls itself too, so that any of its pods may answer. A tenant
    /// that was sized before stages had places calls what the catalog says.
    fn callees(&self, service: Service) -> impl Iterator<Item = Service> {
        let places = &self.tenant.sizing.places;
        let callees: BTreeSet<Service> = if places.is_empty() {
            self.catalog.needs(service).into_iter().collect()
        } else {
            let causes = |stage: Stage| stage.is_caused_by(self.catalog, service);
            let called = places
                .iter()
                .filter(|(stage, place)| causes(**stage) && (stage.is_on_gpu() || **place != service));
            called.map(|(_, place)| *place).collect()
        };
        callees.into_iter().filter(|callee| self.has(*callee))
    }

    /// The address of each kind of work that a service has done elsewhere, by its name.
    fn addresses(&self) -> BTreeMap<&'static str, Service> {
        let places = &self.tenant.sizing.places;
        if places.is_empty() {
            let called = self.services().iter().flat_map(|plan| self.callees(plan.service));
            return called.map(|callee| (callee.as_str(), callee)).collect();
        }
        let called = |stage: Stage, place: Service| {
            self.services().iter().any(|plan| {
                stage.is_caused_by(self.catalog, plan.service) && (stage.is_on_gpu() || plan.service != place)
            })
        };
        places
            .iter()
            .filter(|(stage, place)| self.has(**place) && called(**stage, **place))
            .map(|(stage, place)| (stage.as_str(), *place))
            .collect()
    }

    /// The labels by which the orchestrator finds its objects.
    fn labels(&self) -> Labels {
        labels([(TENANT_LABEL, self.tenant.id.as_str()), (MANAGED_BY_LABEL, MANAGED_BY)])
    }

    fn metadata(&self, name: impl Into<String>) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.into()),
            namespace: Some(self.namespace.clone()),
            labels: Some(self.labels()),
            ..ObjectMeta::default()
        }
    }

    fn service_metadata(&self, name: impl Into<String>, service: Service) -> ObjectMeta {
        let mut metadata = self.metadata(name);
        metadata.labels.get_or_insert_default().insert(SERVICE_LABEL.into(), service.as_str().into());
        metadata
    }
}

fn labels<const N: usize>(pairs: [(&str, &str); N]) -> Labels {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Selects the pods of one workload.
fn app_selector(app: &str) -> LabelSelector {
    LabelSelector { match_labels: Some(labels([("app", app)])), match_expressions: None }
}

/// Selects what belongs to any service.
fn any_service() -> Vec<LabelSelectorRequirement> {
    vec![LabelSelectorRequirement { key: SERVICE_LABEL.into(), operator: "Exists".into(), values: None }]
}

/// A Kubernetes count; no workload has more pods than it can say.
fn count(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
