//! The catalog: presets, services, devices, prices, weights and the operator's settings.
//!
//! One commented file holds every figure; this module reads it and validates it whole. What the
//! figures mean for a tenant is the sizing's.

mod kubernetes;
mod model;
mod rules;

pub use kubernetes::{
    ImageSettings, IngressSettings, KubernetesSettings, MonitoringSettings, NodeSettings, RedisSettings,
    TolerationSettings,
};
pub use model::{
    Alternatives, AvailabilityModel, Catalog, CpuModel, DefaultSla, DeploymentMinutes, Device, GpuModel,
    LoadMultiplier, MemoryModel, OperatorCost, Plan, Prices, Requests, ServiceModel, StorageModel,
};

use crate::tenant::{Availability, Preset, Service, SlaTarget};
use serde::de::Error as _;

/// The catalog that the program carries.
pub const EMBEDDED: &str = include_str!("../catalog.toml");

/// Every fault of a catalog file, with where it is and how to fix it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the catalog has {} fault(s):\n{}", .0.len(), .0.join("\n"))]
pub struct CatalogFaults(pub Vec<String>);

impl Catalog {
    /// The embedded catalog.
    pub fn embedded() -> Self {
        Self::parse(EMBEDDED).expect("a test reads the embedded catalog")
    }

    /// Reads and validates an operator's catalog (TOML, the same file as the embedded one).
    pub fn parse(text: &str) -> Result<Self, CatalogFaults> {
        let catalog: Self = toml::from_str(text).map_err(|fault| CatalogFaults(vec![fault.to_string()]))?;
        let faults = rules::faults(&catalog);
        if faults.is_empty() { Ok(catalog) } else { Err(CatalogFaults(faults)) }
    }

    /// What a tenant is promised that states no SLA.
    pub fn default_sla(&self) -> SlaTarget {
        SlaTarget {
            availability: self.default_sla.availability,
            response_time_ms: self.default_sla.response_time_ms,
            concurrent_users: None,
        }
    }

    /// The figures of a plan.
    pub fn plan(&self, preset: Preset) -> &Plan {
        self.presets
            .iter()
            .find(|plan| plan.name == preset)
            .expect("validation finds every preset in the catalog")
    }

    /// The figures of a device.
    pub fn device(&self, name: &str) -> &Device {
        self.devices
            .iter()
            .find(|device| device.name == name)
            .expect("validation finds every device that a plan names")
    }

    /// The figures of a service.
    pub fn service(&self, service: Service) -> &ServiceModel {
        self.services.get(&service).expect("validation finds every service in the catalog")
    }

    /// The services that a service calls.
    pub fn needs(&self, service: Service) -> Vec<Service> {
        let model = self.service(service);
        [(Service::Stt, model.stt_channels), (Service::Tts, model.tts_channels)]
            .into_iter()
            .filter_map(|(needed, channels)| (channels > 0).then_some(needed))
            .collect()
    }

    /// Image reference of a service, such as `ecp-ai/callbot:latest`.
    pub fn image(&self, service: Service) -> String {
        self.kubernetes.image(service)
    }
}

fn availability<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Availability, D::Error> {
    let text: String = serde::Deserialize::deserialize(deserializer)?;
    Availability::parse(&text)
        .ok_or_else(|| D::Error::custom(format!("{text:?} is no availability; write one such as \"99.9%\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_catalog_is_valid_and_has_every_preset_and_service() {
        let catalog = Catalog::parse(EMBEDDED).expect("valid");
        for preset in Preset::ALL {
            assert_eq!(catalog.plan(preset).name, preset);
        }
        for service in Service::ALL {
            assert!(catalog.service(service).cpu_weight > 0);
        }
        assert_eq!(catalog.needs(Service::Callbot), [Service::Stt, Service::Tts]);
        assert_eq!(catalog.needs(Service::Advisor), [Service::Stt]);
        assert_eq!(catalog.image(Service::Callbot), "ecp-ai/callbot:latest");
    }

    #[test]
    fn every_fault_of_a_catalog_is_reported_at_once() {
        let broken = EMBEDDED
            .replace("tts_cache_share = 0.785", "tts_cache_share = 1.785")
            .replace("gpu_type = \"t4\"", "gpu_type = \"h100\"")
            .replace("stt_channels_per_core = 6.5", "stt_channels_per_core = 0");
        let CatalogFaults(faults) = Catalog::parse(&broken).expect_err("three kinds of fault");
        for part in ["gpu.tts_cache_share", "presets.micro.gpu_type", "cpu.stt_channels_per_core"] {
            assert!(faults.iter().any(|fault| fault.starts_with(part)), "{part} in {faults:?}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let broken = format!("surprise = 1\n{EMBEDDED}");
        let CatalogFaults(faults) = Catalog::parse(&broken).expect_err("unknown key");
        assert!(faults[0].contains("surprise"), "{faults:?}");
    }
}
