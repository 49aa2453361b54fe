//! One object of a manifest, and what a scheduler needs to know of it.

use super::gateway::HTTPRoute;
use super::prometheus::{PrometheusRule, ServiceMonitor};
use crate::quantity::parse_quantity;
use crate::sizing::ContainerResources;
use k8s_openapi::Resource;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{
    ConfigMap, LimitRange, Namespace, PodTemplateSpec, ResourceQuota, Secret, Service, ServiceAccount,
};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::resource::v1::ResourceClaimTemplate;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Declares [`Object`] and how one is read back, from one list of kinds.
macro_rules! objects {
    ($($kind:ident),* $(,)?) => {
        /// One typed object; serializes as the object itself, `apiVersion` and `kind` included.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(untagged)]
        #[allow(missing_docs, reason = "each variant is the Kubernetes kind of its name")]
        pub enum Object {
            $($kind($kind)),*
        }

        impl<'de> Deserialize<'de> for Object {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = Value::deserialize(deserializer)?;
                let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default();
                $(if kind == <$kind as Resource>::KIND {
                    return serde_json::from_value(value).map(Self::$kind).map_err(D::Error::custom);
                })*
                Err(D::Error::custom(format!("{kind:?} is no kind of a manifest")))
            }
        }
    };
}

objects!(
    Namespace,
    ResourceQuota,
    LimitRange,
    NetworkPolicy,
    ServiceAccount,
    ConfigMap,
    Secret,
    ResourceClaimTemplate,
    StatefulSet,
    Deployment,
    Service,
    HorizontalPodAutoscaler,
    PodDisruptionBudget,
    ServiceMonitor,
    PrometheusRule,
    Ingress,
    HTTPRoute,
);

/// Evaluates `$body` with `$object` bound to the typed object, whichever kind it is.
macro_rules! of_any_kind {
    ($this:expr, $object:ident => $body:expr) => {
        match $this {
            Object::Namespace($object) => $body,
            Object::ResourceQuota($object) => $body,
            Object::LimitRange($object) => $body,
            Object::NetworkPolicy($object) => $body,
            Object::ServiceAccount($object) => $body,
            Object::ConfigMap($object) => $body,
            Object::Secret($object) => $body,
            Object::ResourceClaimTemplate($object) => $body,
            Object::StatefulSet($object) => $body,
            Object::Deployment($object) => $body,
            Object::Service($object) => $body,
            Object::HorizontalPodAutoscaler($object) => $body,
            Object::PodDisruptionBudget($object) => $body,
            Object::ServiceMonitor($object) => $body,
            Object::PrometheusRule($object) => $body,
            Object::Ingress($object) => $body,
            Object::HTTPRoute($object) => $body,
        }
    };
}

/// The pods that an object wants, as a scheduler sees them.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload<'a> {
    /// Pods wanted.
    pub replicas: u32,
    /// What each pod asks of the node it lands on, all its containers together.
    pub requests: ContainerResources,
    /// Image of its first container.
    pub image: &'a str,
}

impl Object {
    /// Of an autoscaler, the name of the Deployment that it scales and the fewest replicas that it keeps.
    pub fn autoscales(&self) -> Option<(&str, u32)> {
        let Self::HorizontalPodAutoscaler(autoscaler) = self else { return None };
        let fewest = autoscaler.spec.min_replicas.and_then(|fewest| u32::try_from(fewest).ok());
        Some((autoscaler.spec.scale_target_ref.name.as_str(), fewest.unwrap_or(1)))
    }

    /// Its kind, such as `Deployment`.
    pub fn kind(&self) -> &'static str {
        fn kind<R: Resource>(_: &R) -> &'static str {
            R::KIND
        }
        of_any_kind!(self, object => kind(object))
    }

    /// Its API group and version, such as `apps/v1`.
    pub fn api_version(&self) -> &'static str {
        fn api_version<R: Resource>(_: &R) -> &'static str {
            R::API_VERSION
        }
        of_any_kind!(self, object => api_version(object))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.metadata().name.as_deref().unwrap_or_default()
    }

    /// Its namespace; none for a Namespace itself.
    pub fn namespace(&self) -> Option<&str> {
        self.metadata().namespace.as_deref()
    }

    /// Name, namespace, labels and annotations.
    pub fn metadata(&self) -> &ObjectMeta {
        of_any_kind!(self, object => &object.metadata)
    }

    /// The template of its pods, where it has any.
    pub fn pod_template(&self) -> Option<&PodTemplateSpec> {
        match self {
            Self::Deployment(deployment) => deployment.spec.as_ref().map(|spec| &spec.template),
            Self::StatefulSet(set) => set.spec.as_ref().map(|spec| &spec.template),
            _ => None,
        }
    }

    /// The pods that it wants, where it wants any.
    pub fn workload(&self) -> Option<Workload<'_>> {
        let replicas = match self {
            Self::Deployment(deployment) => deployment.spec.as_ref()?.replicas,
            Self::StatefulSet(set) => set.spec.as_ref()?.replicas,
            _ => return None,
        };
        let containers = &self.pod_template()?.spec.as_ref()?.containers;
        let mut requests = ContainerResources::default();
        for container in containers {
            let Some(resources) = &container.resources else { continue };
            // A resource with a limit alone is requested in that amount.
            let mut asked = resources.limits.clone().unwrap_or_default();
            asked.extend(resources.requests.clone().unwrap_or_default());
            let asked = amounts(&asked);
            requests.cpu_millicores += asked.cpu_millicores;
            requests.memory_mib += asked.memory_mib;
            // A claim is one device.
            let claims = resources.claims.as_ref().map_or(0, |claims| claims.len() as u64);
            requests.gpu += asked.gpu + claims;
        }
        Some(Workload {
            replicas: u32::try_from(replicas.unwrap_or(1)).unwrap_or(0),
            requests,
            image: containers.first().and_then(|container| container.image.as_deref()).unwrap_or_default(),
        })
    }
}

/// Reads container quantities: every extended resource (`vendor/thing`) is a GPU, whatever the
/// operator's device plugin calls it.
fn amounts(quantities: &BTreeMap<String, Quantity>) -> ContainerResources {
    const MIB_THOUSANDTHS: u128 = 1024 * 1024 * 1000;
    let mut amounts = ContainerResources::default();
    for (resource, Quantity(text)) in quantities {
        let thousandths = parse_quantity(text).unwrap_or(0);
        let whole = |divisor: u128| u64::try_from(thousandths.div_ceil(divisor)).unwrap_or(u64::MAX);
        match resource.as_str() {
            "cpu" => amounts.cpu_millicores = whole(1),
            "memory" => amounts.memory_mib = whole(MIB_THOUSANDTHS),
            extended if extended.contains('/') => amounts.gpu += whole(1000),
            _ => {}
        }
    }
    amounts
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::{Container, PodSpec, ResourceClaim, ResourceRequirements};

    fn quantities<const N: usize>(pairs: [(&str, &str); N]) -> Option<BTreeMap<String, Quantity>> {
        Some(pairs.into_iter().map(|(name, text)| (name.into(), Quantity(text.into()))).collect())
    }

    #[test]
    fn a_workload_asks_for_what_its_containers_request_or_else_may_use() {
        let resources = ResourceRequirements {
            requests: quantities([("cpu", "200m"), ("memory", "512Mi")]),
            limits: quantities([("cpu", "2"), ("memory", "4Gi"), ("nvidia.com/gpu", "1")]),
            ..Default::default()
        };
        let container =
            Container { image: Some("a:1".into()), resources: Some(resources), ..Default::default() };
        let mut deployment = Deployment::default();
        let spec = deployment.spec.get_or_insert_default();
        spec.replicas = Some(3);
        spec.template.spec = Some(PodSpec { containers: vec![container], ..Default::default() });
        let object = Object::Deployment(deployment);

        let requests = ContainerResources { cpu_millicores: 200, memory_mib: 512, gpu: 1 };
        assert_eq!(object.workload(), Some(Workload { replicas: 3, requests, image: "a:1" }));
        assert_eq!((object.kind(), object.api_version()), ("Deployment", "apps/v1"));
        let claims = ["gpu-0", "gpu-1"].map(|name| ResourceClaim { name: name.into(), request: None });
        let resources = ResourceRequirements { claims: Some(claims.into()), ..Default::default() };
        let mut claiming = Deployment::default();
        let container = Container { resources: Some(resources), ..Default::default() };
        claiming.spec.get_or_insert_default().template.spec =
            Some(PodSpec { containers: vec![container], ..Default::default() });
        let claiming = Object::Deployment(claiming);
        assert_eq!(claiming.workload().map(|workload| workload.requests.gpu), Some(2));
        assert_eq!(Object::ConfigMap(ConfigMap::default()).workload(), None);
    }
}
