//! The operator's settings of the rendered manifests: images, GPUs, nodes, storage, ingress.
//!
//! The embedded values give the contract's manifest. What is asked of whom (sizes, prices, needs of
//! services) is elsewhere in the catalog.

use super::claims::{ClaimSettings, GpuAllocation};
use super::reach::{self, CallerSettings, GatewaySettings, IngressSettings, PlatformService, is_cidr};
use super::rules::Faults;
use crate::ids::is_dns_1123_label;
use crate::sizing::ContainerResources;
use crate::tenant::{Exposure, Service};
use crate::text::Message;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most seconds of each part of a pod's life that is waited for.
const MOST_SECONDS: u64 = 3600;

/// How manifests are rendered for this operator's clusters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KubernetesSettings {
    /// Where the services' images are.
    pub images: ImageSettings,
    /// Which nodes pods go to.
    pub nodes: NodeSettings,
    /// Extended resource by which a GPU is asked for, where its type has none of its own.
    pub gpu_resource: String,
    /// By device type, the extended resource by which it is asked for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub gpu_resources: BTreeMap<String, String>,
    /// How GPUs are asked for.
    #[serde(default, skip_serializing_if = "GpuAllocation::is_default")]
    pub gpu_allocation: GpuAllocation,
    /// What is claimed, where they are asked for by claims.
    #[serde(default, skip_serializing_if = "ClaimSettings::is_default")]
    pub gpu_claims: ClaimSettings,
    /// Whether users of pods are users of their node; else a pod's have no meaning outside it.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub host_users: bool,
    /// By service, where the files of its models come from, where that is an image of its own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub model_images: BTreeMap<Service, ModelImage>,
    /// User and group that pods run as; not root.
    pub run_as_user: i64,
    /// Storage class of volumes; empty: the cluster's default.
    pub storage_class: String,
    /// Storage that tenants' volumes can have altogether, in GB (10⁹ bytes); 0: not known, and not
    /// counted.
    #[serde(default)]
    pub storage_capacity_gb: u64,
    /// Namespace whose pods answer DNS.
    pub dns_namespace: String,
    /// Addresses that answer DNS on the nodes themselves (NodeLocal DNSCache), as CIDRs.
    #[serde(default = "node_local_dns")]
    pub dns_cidrs: Vec<String>,
    /// Services that call a provider outside the cluster (HTTPS).
    pub external_egress: Vec<Service>,
    /// When a Deployment that has room in its tenant's plan gets another pod: CPU use of a pod in
    /// percent of its limit.
    pub scale_up_cpu_percent: u64,
    /// How pods come and go.
    #[serde(default = "LifecycleSettings::embedded")]
    pub lifecycle: LifecycleSettings,
    /// The redis of each tenant.
    pub redis: RedisSettings,
    /// How Prometheus finds the services.
    pub monitoring: MonitoringSettings,
    /// How the services of a tenant are reached from outside that does not say it itself.
    #[serde(default)]
    pub exposure: Exposure,
    /// How an Ingress reaches them.
    pub ingress: IngressSettings,
    /// How a Gateway reaches them.
    #[serde(default)]
    pub gateway: GatewaySettings,
    /// Namespaces whose pods may call services of every tenant.
    #[serde(default)]
    pub callers: Vec<CallerSettings>,
    /// Services outside the tenants that their pods may call.
    #[serde(default)]
    pub platform_services: Vec<PlatformService>,
}

/// Files that a service's containers find at a path, out of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelImage {
    /// Whole reference of the image.
    pub image: String,
    /// Where its files are in the container.
    pub path: String,
}

impl ModelImage {
    /// A folder by itself, not one that containers have already.
    fn has_a_path_of_its_own(&self) -> bool {
        let parts: Vec<&str> = self.path.split('/').collect();
        let plain = |part: &&str| !part.is_empty() && ![".", ".."].contains(part) && !part.contains(':');
        parts.len() > 1
            && parts[0].is_empty()
            && parts[1..].iter().all(plain)
            && !["tmp", "proc", "sys", "dev"].contains(&parts[1])
    }
}

/// Where images come from: `[registry/]repository/service:tag`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSettings {
    /// Registry host; empty: the nodes' default.
    pub registry: String,
    /// Path before the service's name.
    pub repository: String,
    /// Tag of the services' images.
    pub tag: String,
    /// Whole reference by service, instead of the composed one.
    pub overrides: BTreeMap<Service, String>,
    /// Names of pull secrets that exist in every tenant's namespace.
    pub pull_secrets: Vec<String>,
}

/// Which nodes pods go to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeSettings {
    /// Labels that the node of any pod has.
    pub selector: BTreeMap<String, String>,
    /// By device type, further labels that the node of a pod with a GPU has.
    pub gpu_selectors: BTreeMap<String, BTreeMap<String, String>>,
    /// Taints that any pod tolerates.
    pub tolerations: Vec<TolerationSettings>,
    /// Further taints that a pod with a GPU tolerates.
    pub gpu_tolerations: Vec<TolerationSettings>,
}

/// A taint that is tolerated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TolerationSettings {
    /// Key of the taint.
    pub key: String,
    /// Its value; absent: any.
    pub value: Option<String>,
    /// Its effect (`NoSchedule`, `PreferNoSchedule`, `NoExecute`); absent: any.
    pub effect: Option<String>,
}

/// How pods of services come and go, in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LifecycleSettings {
    /// Longest until a container is healthy for the first time.
    pub startup_seconds: u32,
    /// Longest that a pod of a service with calls has to finish them.
    pub drain_voice_seconds: u32,
    /// The same of other services.
    pub drain_seconds: u32,
    /// Part of that before the program is told to end; 0: none.
    pub leave_endpoints_seconds: u32,
}

impl LifecycleSettings {
    /// Longest that a pod of a service has to finish what it does.
    pub fn drain_seconds_of(&self, service: Service) -> u32 {
        match service {
            Service::Callbot | Service::Advisor | Service::Stt | Service::Tts => self.drain_voice_seconds,
            Service::Chatbot | Service::Ta | Service::Qa => self.drain_seconds,
        }
    }

    /// Those of the embedded catalog, for files that were written before there were any.
    fn embedded() -> Self {
        super::model::embedded("kubernetes", "lifecycle", |value| value.clone().try_into().ok())
    }
}

/// The redis of each tenant; it comes on top of the tenant's plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisSettings {
    /// Whole image reference.
    pub image: String,
    /// User and group that the image's files belong to; not root.
    pub run_as_user: i64,
    /// CPU that is reserved, in thousandths of a core.
    pub cpu_request_millicores: u64,
    /// CPU at most, in thousandths of a core.
    pub cpu_limit_millicores: u64,
    /// Memory, reserved and at most, in MiB.
    pub memory_mib: u64,
    /// Share of the memory that data may take, in percent; the rest is for copy-on-write.
    pub max_data_percent: u64,
    /// Volume, in GiB.
    pub storage_gib: u64,
}

/// How Prometheus finds the services.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonitoringSettings {
    /// Namespace that Prometheus scrapes from.
    pub namespace: String,
    /// Labels by which the Prometheus Operator finds ServiceMonitors and PrometheusRules.
    pub labels: BTreeMap<String, String>,
    /// Path of the services' metrics page.
    pub path: String,
    /// Between two scrapes, such as `30s`.
    pub interval: String,
}

impl KubernetesSettings {
    /// What is claimed, where GPUs are asked for by claims.
    pub fn claims(&self) -> Option<&ClaimSettings> {
        (self.gpu_allocation == GpuAllocation::Claims).then_some(&self.gpu_claims)
    }

    /// The name that tells devices of a type from others: the extended resource by which they are asked for, or,
    /// of claims, the type itself.
    pub fn gpus_asked_as<'s>(&'s self, gpu_type: &'s str) -> &'s str {
        if self.claims().is_some() { gpu_type } else { self.gpu_resource_of(gpu_type) }
    }

    /// The extended resource by which devices of a type are asked for.
    pub fn gpu_resource_of(&self, gpu_type: &str) -> &str {
        self.gpu_resources.get(gpu_type).unwrap_or(&self.gpu_resource)
    }

    /// Every extended resource by which devices are asked for, each once; first that of types without their own.
    pub fn all_gpu_resources(&self) -> Vec<&str> {
        let mut all = vec![self.gpu_resource.as_str()];
        for resource in self.gpu_resources.values() {
            if !all.contains(&resource.as_str()) {
                all.push(resource);
            }
        }
        all
    }

    /// Image reference of a service, such as `ecp-ai/callbot:latest`.
    pub fn image(&self, service: Service) -> String {
        let ImageSettings { registry, repository, tag, overrides, .. } = &self.images;
        if let Some(image) = overrides.get(&service) {
            return image.clone();
        }
        let parts = [registry.as_str(), repository, service.as_str()];
        let path: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        format!("{}:{tag}", path.join("/"))
    }

    /// Notes everything that is wrong.
    pub(super) fn check(&self, faults: &mut Faults) {
        self.check_images(faults);
        self.check_devices(faults);
        let Self { redis, monitoring, nodes, .. } = self;
        let mut check = |right: bool, key: &str, fix| faults.check(right, format!("kubernetes.{key}"), fix);
        for (key, user) in [("run_as_user", self.run_as_user), ("redis.run_as_user", redis.run_as_user)] {
            check((1..=i64::from(i32::MAX)).contains(&user), key, "catalog.user_id");
        }
        let class = self.storage_class.is_empty() || is_dns_name(&self.storage_class);
        check(class, "storage_class", "catalog.storage_class");
        for (key, name) in
            [("dns_namespace", &self.dns_namespace), ("monitoring.namespace", &monitoring.namespace)]
        {
            check(is_dns_1123_label(name), key, "catalog.namespace");
        }
        let lifecycle = &self.lifecycle;
        let leaves =
            lifecycle.leave_endpoints_seconds < lifecycle.drain_voice_seconds.min(lifecycle.drain_seconds);
        check(leaves, "lifecycle.leave_endpoints_seconds", "catalog.leave_endpoints");
        check(!redis.image.is_empty() && has_no_blank(&redis.image), "redis.image", "catalog.image");
        let cpu = (1..=redis.cpu_limit_millicores).contains(&redis.cpu_request_millicores);
        check(cpu, "redis.cpu_request_millicores", "catalog.redis_cpu");
        check(monitoring.path.starts_with('/'), "monitoring.path", "catalog.path");
        check(is_prometheus_duration(&monitoring.interval), "monitoring.interval", "catalog.duration");
        check(self.dns_cidrs.iter().all(|cidr| is_cidr(cidr)), "dns_cidrs", "catalog.cidrs");
        for toleration in nodes.tolerations.iter().chain(&nodes.gpu_tolerations) {
            check(is_label_key(&toleration.key), "nodes.tolerations", "catalog.taint_key");
            let effects = [None, Some("NoSchedule"), Some("PreferNoSchedule"), Some("NoExecute")];
            let right = effects.contains(&toleration.effect.as_deref());
            check(right, "nodes.tolerations", "catalog.taint_effect");
        }
        for (key, most, value) in [
            ("scale_up_cpu_percent", 100, self.scale_up_cpu_percent),
            ("lifecycle.startup_seconds", MOST_SECONDS, lifecycle.startup_seconds.into()),
            ("lifecycle.drain_voice_seconds", MOST_SECONDS, lifecycle.drain_voice_seconds.into()),
            ("lifecycle.drain_seconds", MOST_SECONDS, lifecycle.drain_seconds.into()),
            ("redis.max_data_percent", 100, redis.max_data_percent),
        ] {
            faults.within(format!("kubernetes.{key}"), 1, most, value);
        }
        for (key, least, value) in
            [("redis.memory_mib", 32, redis.memory_mib), ("redis.storage_gib", 1, redis.storage_gib)]
        {
            let fix = || Message::new("catalog.at_least").with("least", least);
            faults.check_with(value >= least, format!("kubernetes.{key}"), fix);
        }
        let selectors = [&nodes.selector, &monitoring.labels].into_iter().chain(nodes.gpu_selectors.values());
        for (key, value) in selectors.flatten() {
            let right = is_label_key(key) && (value.is_empty() || is_label_value(value));
            let fix = || Message::new("catalog.label").with("key", key).with("value", value);
            faults.check_with(right, "kubernetes.nodes", fix);
        }
        reach::check(faults, &self.ingress, &self.gateway, &self.callers, &self.platform_services);
    }

    fn check_images(&self, faults: &mut Faults) {
        let images = &self.images;
        let mut check = |right: bool, key: &str, fix| faults.check(right, format!("kubernetes.{key}"), fix);
        check(is_tag(&images.tag), "images.tag", "catalog.image_tag");
        let mut references =
            [&images.registry, &images.repository].into_iter().chain(images.overrides.values());
        check(references.all(|text| has_no_blank(text)), "images", "catalog.image_blanks");
        check(images.overrides.values().all(|text| !text.is_empty()), "images.overrides", "catalog.image");
        let secrets = images.pull_secrets.iter().all(|name| is_dns_name(name));
        check(secrets, "images.pull_secrets", "catalog.kubernetes_name");
        for (service, files) in &self.model_images {
            let named = !files.image.is_empty() && has_no_blank(&files.image);
            check(named, &format!("model_images.{service}.image"), "catalog.image");
            let right = files.has_a_path_of_its_own();
            check(right, &format!("model_images.{service}.path"), "catalog.model_path");
        }
    }

    fn check_devices(&self, faults: &mut Faults) {
        let resources = self.gpu_resources.iter();
        let keys = resources.map(|(device, resource)| (format!("gpu_resources.{device}"), resource));
        for (key, resource) in [("gpu_resource".to_owned(), &self.gpu_resource)].into_iter().chain(keys) {
            let named = resource.split_once('/');
            let right = named.is_some_and(|(domain, name)| is_dns_name(domain) && is_label_value(name))
                && !is_of_kubernetes(resource);
            faults.check(right, format!("kubernetes.{key}"), "catalog.extended_resource");
        }
        self.gpu_claims.check(faults);
    }
}

fn has_no_blank(text: &str) -> bool {
    !text.contains(|character: char| character.is_whitespace() || character.is_control())
}

impl RedisSettings {
    /// What its pod reserves.
    pub fn requests(&self) -> ContainerResources {
        let cpu_millicores = self.cpu_request_millicores;
        ContainerResources { cpu_millicores, memory_mib: self.memory_mib, gpu: 0 }
    }

    /// What its pod may use at most.
    pub fn limits(&self) -> ContainerResources {
        ContainerResources { cpu_millicores: self.cpu_limit_millicores, ..self.requests() }
    }
}

fn yes() -> bool {
    true
}

fn is_yes(value: &bool) -> bool {
    *value
}

/// The link-local address that NodeLocal DNSCache takes unless it is told another.
fn node_local_dns() -> Vec<String> {
    vec!["169.254.20.10/32".to_owned()]
}

pub(super) fn is_dns_name(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_dns_1123_label)
}

pub(super) fn is_label_value(text: &str) -> bool {
    text.len() <= 63
        && text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
        && text.as_bytes().last().is_some_and(u8::is_ascii_alphanumeric)
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

pub(super) fn is_label_key(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => is_dns_name(prefix) && is_label_value(name),
        None => is_label_value(text),
    }
}

fn is_tag(text: &str) -> bool {
    text.len() <= 128
        && text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// The cluster's own resources are no devices.
fn is_of_kubernetes(resource: &str) -> bool {
    resource.split('/').next().is_some_and(|domain| domain.ends_with("kubernetes.io"))
}

fn is_prometheus_duration(text: &str) -> bool {
    ["ms", "s", "m", "h"].iter().any(|unit| {
        let number = text.strip_suffix(unit);
        number.is_some_and(|number| {
            number.bytes().all(|byte| byte.is_ascii_digit())
                && number.parse::<u32>().is_ok_and(|number| number > 0)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    fn embedded() -> KubernetesSettings {
        Catalog::embedded().kubernetes
    }

    fn faulty_keys(settings: &KubernetesSettings) -> Vec<String> {
        let mut faults = Faults::default();
        settings.check(&mut faults);
        faults.0.into_iter().map(|fault| fault.path).collect()
    }

    #[test]
    fn the_embedded_settings_are_faultless_and_name_the_contracts_image() {
        assert_eq!(faulty_keys(&embedded()), Vec::<String>::new());
        assert_eq!(embedded().image(Service::Callbot), "ecp-ai/callbot:latest");
    }

    #[test]
    fn an_image_has_the_operators_registry_and_tag_or_is_named_whole() {
        let mut settings = embedded();
        settings.images.registry = "registry.example.com:5000".into();
        settings.images.tag = "1.4.2".into();
        settings.images.overrides.insert(Service::Stt, "ghcr.io/acme/whisper:3".into());
        assert_eq!(settings.image(Service::Qa), "registry.example.com:5000/ecp-ai/qa:1.4.2");
        assert_eq!(settings.image(Service::Stt), "ghcr.io/acme/whisper:3");
    }

    #[test]
    fn every_fault_is_named_with_its_key() {
        let mut settings = embedded();
        settings.images.tag = "a b".into();
        settings.images.pull_secrets = vec!["Not A Name".into()];
        settings.gpu_resource = "kubernetes.io/gpu".into();
        settings.run_as_user = 0;
        settings.scale_up_cpu_percent = 0;
        settings.redis.cpu_request_millicores = settings.redis.cpu_limit_millicores + 1;
        settings.monitoring.interval = "30".into();
        settings.ingress.domain = "-.example".into();
        settings.nodes.selector.insert("pool".into(), "not a label".into());
        let expected = [
            "images.tag",
            "images.pull_secrets",
            "gpu_resource",
            "run_as_user",
            "redis.cpu_request_millicores",
            "monitoring.interval",
            "scale_up_cpu_percent",
            "nodes",
            "ingress.domain",
        ];
        assert_eq!(faulty_keys(&settings), expected.map(|key| format!("kubernetes.{key}")));
    }
}
