//! The operator's settings of the rendered manifests: images, GPUs, nodes, storage, ingress.
//!
//! The embedded values give the contract's manifest. What is asked of whom (sizes, prices, needs of
//! services) is elsewhere in the catalog.

use super::claims::{ClaimSettings, GpuAllocation};
use super::reach::{self, CallerSettings, GatewaySettings, IngressSettings, PlatformService, is_cidr};
use crate::ids::is_dns_1123_label;
use crate::sizing::ContainerResources;
use crate::tenant::{Exposure, Service};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most seconds of each part of a pod's life that is waited for.
const MOST_SECONDS: u32 = 3600;

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

    /// Everything that is wrong, each with its key and how to fix it.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut check = |right: bool, key: &str, fix: &str| {
            if !right {
                faults.push(format!("kubernetes.{key}: {fix}"));
            }
        };
        let Self { images, redis, monitoring, .. } = self;
        let percent = 1..=100;
        check(is_tag(&images.tag), "images.tag", "write an image tag such as \"1.4.2\"");
        let no_blank = |text: &str| !text.contains(|c: char| c.is_whitespace() || c.is_control());
        let references = [&images.registry, &images.repository].into_iter().chain(images.overrides.values());
        check(
            references.clone().all(|text| no_blank(text)),
            "images",
            "take the blanks out of the reference",
        );
        check(images.overrides.values().all(|text| !text.is_empty()), "images.overrides", "name an image");
        let secrets = images.pull_secrets.iter().all(|name| is_dns_name(name));
        check(secrets, "images.pull_secrets", "name Kubernetes secrets: lower-case letters, digits, - and .");
        let is_extended = |resource: &str| {
            let named = resource.split_once('/');
            named.is_some_and(|(domain, name)| is_dns_name(domain) && is_label_value(name))
                && !is_of_kubernetes(resource)
        };
        let fix = "name an extended resource such as \"nvidia.com/gpu\"";
        check(is_extended(&self.gpu_resource), "gpu_resource", fix);
        for (device, resource) in &self.gpu_resources {
            let fix = "name an extended resource such as \"nvidia.com/mig-1g.10gb\"";
            check(is_extended(resource), &format!("gpu_resources.{device}"), fix);
        }
        for (key, fix) in self.gpu_claims.faults() {
            check(false, &key, fix);
        }
        for (service, files) in &self.model_images {
            let named = !files.image.is_empty() && no_blank(&files.image);
            check(named, &format!("model_images.{service}.image"), "name an image");
            let fix = "write an absolute path such as \"/models\", not under /tmp, /proc, /sys or /dev";
            check(files.has_a_path_of_its_own(), &format!("model_images.{service}.path"), fix);
        }
        for (key, user) in [("run_as_user", self.run_as_user), ("redis.run_as_user", redis.run_as_user)] {
            let fix = "give a user id from 1 to 2147483647; root (0) is refused by the cluster";
            check((1..=i64::from(i32::MAX)).contains(&user), key, fix);
        }
        let class = self.storage_class.is_empty() || is_dns_name(&self.storage_class);
        check(class, "storage_class", "name a storage class, or leave it \"\" for the cluster's default");
        for (key, name) in
            [("dns_namespace", &self.dns_namespace), ("monitoring.namespace", &monitoring.namespace)]
        {
            check(is_dns_1123_label(name), key, "name a namespace: lower-case letters, digits and -");
        }
        let scale = percent.contains(&self.scale_up_cpu_percent);
        check(scale, "scale_up_cpu_percent", "give a percentage from 1 to 100");
        let lifecycle = &self.lifecycle;
        for (key, seconds) in [
            ("lifecycle.startup_seconds", lifecycle.startup_seconds),
            ("lifecycle.drain_voice_seconds", lifecycle.drain_voice_seconds),
            ("lifecycle.drain_seconds", lifecycle.drain_seconds),
        ] {
            check((1..=MOST_SECONDS).contains(&seconds), key, "give 1 to 3600");
        }
        let leaves =
            lifecycle.leave_endpoints_seconds < lifecycle.drain_voice_seconds.min(lifecycle.drain_seconds);
        let fix = "give less than drain_seconds and drain_voice_seconds, or 0";
        check(leaves, "lifecycle.leave_endpoints_seconds", fix);
        check(!redis.image.is_empty() && no_blank(&redis.image), "redis.image", "name an image");
        let cpu = (1..=redis.cpu_limit_millicores).contains(&redis.cpu_request_millicores);
        check(cpu, "redis.cpu_request_millicores", "give at least 1 and at most cpu_limit_millicores");
        check(redis.memory_mib >= 32, "redis.memory_mib", "give at least 32");
        check(percent.contains(&redis.max_data_percent), "redis.max_data_percent", "give 1 to 100");
        check(redis.storage_gib >= 1, "redis.storage_gib", "give at least 1");
        check(monitoring.path.starts_with('/'), "monitoring.path", "start the path with /");
        let fix = "write a duration such as \"30s\" or \"1m\"";
        check(is_prometheus_duration(&monitoring.interval), "monitoring.interval", fix);
        check(
            self.dns_cidrs.iter().all(|cidr| is_cidr(cidr)),
            "dns_cidrs",
            "write CIDRs such as \"169.254.20.10/32\"",
        );
        let nodes = &self.nodes;
        let selectors = nodes
            .gpu_selectors
            .values()
            .chain([&nodes.selector, &monitoring.labels])
            .flat_map(|map| map.iter());
        for (key, value) in selectors {
            let right = is_label_key(key) && (value.is_empty() || is_label_value(value));
            check(
                right,
                "nodes",
                &format!("{key} = {value} is not a label: at most 63 letters, digits, - _ ."),
            );
        }
        for toleration in nodes.tolerations.iter().chain(&nodes.gpu_tolerations) {
            check(is_label_key(&toleration.key), "nodes.tolerations", "name the taint's key");
            let effects = [None, Some("NoSchedule"), Some("PreferNoSchedule"), Some("NoExecute")];
            let fix = "choose NoSchedule, PreferNoSchedule or NoExecute as effect, or leave it out";
            check(effects.contains(&toleration.effect.as_deref()), "nodes.tolerations", fix);
        }
        let reach = reach::faults(&self.ingress, &self.gateway, &self.callers, &self.platform_services);
        reach.iter().for_each(|(key, fix)| check(false, key, fix));
        faults
    }
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

    #[test]
    fn the_embedded_settings_are_faultless_and_name_the_contracts_image() {
        assert_eq!(embedded().faults(), Vec::<String>::new());
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
        let keys: Vec<String> = (settings.faults().iter())
            .map(|fault| fault.split(": ").next().expect("a key").to_owned())
            .collect();
        let expected = [
            "images.tag",
            "images.pull_secrets",
            "gpu_resource",
            "run_as_user",
            "scale_up_cpu_percent",
            "redis.cpu_request_millicores",
            "monitoring.interval",
            "nodes",
            "ingress.domain",
        ];
        assert_eq!(keys, expected.map(|key| format!("kubernetes.{key}")));
    }
}
