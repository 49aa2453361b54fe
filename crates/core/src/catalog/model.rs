//! The shape of the catalog file. Units and sources stand in the file itself, beside each figure.

use super::{Billing, Device, KubernetesSettings};
use crate::quantity::Resources;
use crate::tenant::{Availability, Preset, Service};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The catalog, validated whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    /// What a tenant is promised that states no SLA.
    pub(super) default_sla: DefaultSla,
    /// Plans, smallest first.
    pub presets: Vec<Plan>,
    /// Devices; those that are offered, smallest first.
    pub devices: Vec<Device>,
    /// Services.
    pub services: BTreeMap<Service, ServiceModel>,
    /// Work on CPU.
    pub cpu: CpuModel,
    /// Work on GPU.
    pub gpu: GpuModel,
    /// Factors on nlp and aicm work by voice channels, ascending; the last has no bound.
    pub load_multipliers: Vec<LoadMultiplier>,
    /// What one container asks of the scheduler.
    pub requests: Requests,
    /// How containers' limits are rounded.
    pub limits: LimitSteps,
    /// In what steps the largest plan grows.
    pub growth: GrowthSteps,
    /// Memory beside the containers' base.
    pub memory: MemoryModel,
    /// The nodes that pods must fit.
    #[serde(default = "NodeShape::embedded")]
    pub nodes: NodeShape,
    /// How much of what nodes have can be promised.
    #[serde(default)]
    pub overcommit: Overcommit,
    /// Storage.
    pub storage: StorageModel,
    /// Availability of pods.
    pub availability: AvailabilityModel,
    /// When a smaller plan is offered.
    pub alternatives: Alternatives,
    /// Prices beside the plans'.
    pub prices: Prices,
    /// What a tenant costs the operator.
    pub operator_cost: OperatorCost,
    /// In which months and which money costs are told.
    #[serde(default = "Billing::embedded")]
    pub billing: Billing,
    /// Minutes to deploy and to delete.
    pub deployment_time: DeploymentMinutes,
    /// How manifests are rendered for this operator's clusters.
    pub kubernetes: KubernetesSettings,
}

/// What a tenant is promised that states no SLA.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DefaultSla {
    /// Share of time in service.
    #[serde(deserialize_with = "super::availability", serialize_with = "super::availability_text")]
    pub availability: Availability,
    /// Milliseconds.
    pub response_time_ms: u32,
}

/// A plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Which preset.
    pub name: Preset,
    /// Thousandths of a core.
    pub cpu_millicores: u64,
    /// MiB.
    pub memory_mib: u64,
    /// Whole GPUs.
    pub gpu: u64,
    /// Name of a device.
    pub gpu_type: String,
    /// GB.
    pub storage_gb: u64,
    /// US dollars a month.
    pub list_price_usd: u64,
    /// Pods of each service.
    pub replicas: u32,
}

impl Plan {
    /// The plan's envelope.
    pub fn resources(&self) -> Resources {
        Resources {
            cpu_millicores: self.cpu_millicores,
            memory_mib: self.memory_mib,
            gpu: self.gpu,
            storage_gb: self.storage_gb,
        }
    }
}

/// A service. Figures that are left out are zero: the service causes no such work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceModel {
    /// What one unit is.
    pub unit: String,
    /// Port of the container.
    pub container_port: u16,
    /// Speech-to-text channels of one unit.
    #[serde(default)]
    pub stt_channels: u32,
    /// Text-to-speech channels of one unit.
    #[serde(default)]
    pub tts_channels: u32,
    /// Calls, sessions or consultations a day of one unit.
    #[serde(default)]
    pub items_per_day: f64,
    /// Average length.
    #[serde(default)]
    pub minutes_per_item: f64,
    /// Nlp queries of an item.
    #[serde(default)]
    pub nlp_queries_per_item: f64,
    /// Aicm searches of an item.
    #[serde(default)]
    pub aicm_searches_per_item: f64,
    /// Share of the items that quality assessment looks at.
    #[serde(default)]
    pub qa_item_share: f64,
    /// Hours over which a day's items come.
    #[serde(default)]
    pub hours_per_day: f64,
    /// Share of a day's items that come in the busiest hour; 0: as in any other working hour.
    #[serde(default)]
    pub busy_hour_share: f64,
    /// Weight by which the plan's CPU is split.
    pub cpu_weight: u64,
    /// Weight by which the plan's memory is split.
    pub memory_weight: u64,
}

/// Work on CPU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CpuModel {
    /// Speech-to-text channels that a core carries.
    pub stt_channels_per_core: f64,
    /// Text-analysis channels that a core carries.
    pub ta_channels_per_core: f64,
    /// Quality-assessment channels that a core carries.
    pub qa_channels_per_core: f64,
    /// Share of quality assessment that is done in-house.
    pub qa_in_house_share: f64,
    /// CPU time of an item that is assessed in-house.
    pub qa_cpu_seconds_per_item: f64,
    /// Share of a call in which one side speaks.
    pub stt_speech_share: f64,
    /// Share of lost turns over which a plan that was named is warned of.
    #[serde(default = "CpuModel::embedded_blocking")]
    pub stt_blocking_warned_of: f64,
}

impl CpuModel {
    fn embedded_blocking() -> f64 {
        embedded("cpu", "stt_blocking_warned_of", toml::Value::as_float)
    }
}

/// Work on GPU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GpuModel {
    /// Share of speech that comes from the cache.
    pub tts_cache_share: f64,
    /// Milliseconds of a request on an idle device, where the device has no time of its own.
    pub service_time_ms: f64,
    /// Utilisation below which no devices are added.
    pub lowest_utilization: f64,
    /// Services whose pods hold a tenant's GPUs: the first of these that it has.
    pub order: Vec<Service>,
    /// Thousandths of a core that feed a GPU, where the plan has them.
    #[serde(default = "GpuModel::embedded_cpu")]
    pub cpu_millicores_per_gpu: u64,
    /// MiB beside a GPU, where the plan has them.
    #[serde(default = "GpuModel::embedded_memory")]
    pub memory_mib_per_gpu: u64,
}

impl GpuModel {
    fn embedded_cpu() -> u64 {
        embedded_count("gpu", "cpu_millicores_per_gpu")
    }

    fn embedded_memory() -> u64 {
        embedded_count("gpu", "memory_mib_per_gpu")
    }
}

/// What a pod finds on the smallest node that tenants' pods go to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeShape {
    /// Thousandths of a core.
    pub cpu_millicores: u64,
    /// MiB.
    pub memory_mib: u64,
}

impl NodeShape {
    fn embedded() -> Self {
        Self {
            cpu_millicores: embedded_count("nodes", "cpu_millicores"),
            memory_mib: embedded_count("nodes", "memory_mib"),
        }
    }
}

/// How much of what nodes have can be promised, in multiples of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overcommit {
    /// Of CPU.
    #[serde(default = "Overcommit::once")]
    pub cpu: f64,
    /// Of memory.
    #[serde(default = "Overcommit::once")]
    pub memory: f64,
    /// Of GPUs by device type; 1 where it is left out.
    #[serde(default)]
    pub gpu: BTreeMap<String, f64>,
}

impl Default for Overcommit {
    /// Nothing is promised twice.
    fn default() -> Self {
        Self { cpu: Self::once(), memory: Self::once(), gpu: BTreeMap::new() }
    }
}

impl Overcommit {
    fn once() -> f64 {
        1.0
    }

    /// Of the GPUs of a device type.
    pub fn gpu_of(&self, gpu_type: &str) -> f64 {
        self.gpu.get(gpu_type).copied().unwrap_or_else(Self::once)
    }
}

/// A figure of the embedded catalog, for files that were written before there was such a figure.
pub(super) fn embedded<T>(table: &str, key: &str, read: impl Fn(&toml::Value) -> Option<T>) -> T {
    let file: toml::Table = super::EMBEDDED.parse().expect("a test reads the embedded catalog");
    let value = file.get(table).and_then(|table| table.get(key));
    value.and_then(read).expect("a test reads the embedded catalog")
}

fn embedded_count(table: &str, key: &str) -> u64 {
    embedded(table, key, |value| value.as_integer().and_then(|number| u64::try_from(number).ok()))
}

/// A factor on nlp and aicm work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadMultiplier {
    /// Voice channels up to which it holds; 0 for no bound.
    pub up_to_voice_channels: u64,
    /// The factor.
    pub factor: f64,
}

/// What one container asks of the scheduler.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requests {
    /// Thousandths of a core.
    pub cpu_millicores: u64,
    /// MiB.
    pub memory_mib: u64,
}

/// Containers' limits are whole multiples of these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitSteps {
    /// Thousandths of a core.
    pub cpu_step_millicores: u64,
    /// MiB.
    pub memory_step_mib: u64,
}

/// A grown plan holds whole multiples of these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrowthSteps {
    /// Thousandths of a core.
    pub cpu_step_millicores: u64,
    /// MiB.
    pub memory_step_mib: u64,
    /// GB.
    pub storage_step_gb: u64,
}

/// Memory beside the containers' base.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryModel {
    /// MiB for each voice channel.
    pub mib_per_voice_channel: f64,
    /// MiB for each chat user.
    pub mib_per_chat_user: f64,
}

/// Storage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StorageModel {
    /// GB for each service.
    pub gb_per_service: f64,
    /// MB for each user.
    pub mb_per_user: f64,
    /// MB an agent and day.
    pub mb_per_agent_day: f64,
    /// Days that recordings are kept.
    pub recording_days: f64,
}

/// Availability of pods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AvailabilityModel {
    /// Share of time that one pod answers, its node being there.
    pub pod_share: f64,
    /// The same of redis.
    #[serde(default = "AvailabilityModel::embedded_redis")]
    pub redis_share: f64,
    /// Share of time that a node is there.
    #[serde(default = "AvailabilityModel::embedded_node")]
    pub node_share: f64,
    /// Nodes over which the pods of a service are spread at least.
    #[serde(default = "AvailabilityModel::embedded_spread")]
    pub spread_over_nodes: u32,
}

impl AvailabilityModel {
    fn embedded_redis() -> f64 {
        embedded("availability", "redis_share", toml::Value::as_float)
    }

    fn embedded_node() -> f64 {
        embedded("availability", "node_share", toml::Value::as_float)
    }

    fn embedded_spread() -> u32 {
        embedded("availability", "spread_over_nodes", |value| {
            value.as_integer().and_then(|number| u32::try_from(number).ok())
        })
    }
}

/// When a smaller plan is offered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alternatives {
    /// Largest growth of the response time in percent.
    pub max_response_increase_percent: f64,
}

/// Prices beside the plans'.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// Stand-alone channels of a block.
    pub speech_block_channels: u64,
    /// US dollars a month for a block of speech-to-text.
    pub usd_per_stt_block: f64,
    /// US dollars a month for a block of text-to-speech.
    pub usd_per_tts_block: f64,
}

/// What a tenant costs the operator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorCost {
    /// Hours of a month.
    pub hours_per_month: f64,
    /// US dollars.
    pub usd_per_core_hour: f64,
    /// US dollars.
    pub usd_per_gib_hour: f64,
    /// US dollars.
    pub usd_per_storage_gb_month: f64,
}

/// Minutes to deploy and to delete.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeploymentMinutes {
    /// Before the first workload.
    pub base_minutes: u32,
    /// For each workload.
    pub minutes_per_workload: u32,
    /// For each service whose pods load a model onto a GPU.
    pub minutes_per_gpu_model: u32,
    /// Between the shortest and the longest, for each workload.
    pub spread_minutes_per_workload: u32,
    /// Deleting, for each workload.
    pub deletion_minutes_per_workload: u32,
    /// Between the shortest and the longest deletion, for each workload.
    pub deletion_spread_minutes_per_workload: u32,
}
