//! The catalog: presets, services, devices, prices, weights and the operator's settings.

mod kubernetes;

pub use kubernetes::{
    ImageSettings, IngressSettings, KubernetesSettings, MonitoringSettings, NodeSettings, RedisSettings,
    TolerationSettings,
};

use crate::tenant::Service;
use serde::Deserialize;

/// The catalog, validated whole.
#[derive(Clone, Debug, Deserialize)]
pub struct Catalog {
    /// How manifests are rendered for this operator's clusters.
    pub kubernetes: KubernetesSettings,
}

/// Every fault of a catalog file, with where it is and how to fix it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the catalog has {} fault(s):\n{}", .0.len(), .0.join("\n"))]
pub struct CatalogFaults(pub Vec<String>);

impl Catalog {
    /// The embedded catalog.
    pub fn embedded() -> Self {
        Self::parse(include_str!("../catalog.toml")).expect("a test reads the embedded catalog")
    }

    /// Reads and validates an operator's catalog (TOML, the same file as the embedded one).
    pub fn parse(text: &str) -> Result<Self, CatalogFaults> {
        let catalog: Self = toml::from_str(text).map_err(|fault| CatalogFaults(vec![fault.to_string()]))?;
        let faults = catalog.kubernetes.faults();
        if faults.is_empty() { Ok(catalog) } else { Err(CatalogFaults(faults)) }
    }

    /// The services that a service calls.
    pub fn needs(&self, service: Service) -> Vec<Service> {
        match service {
            Service::Callbot => vec![Service::Stt, Service::Tts],
            Service::Advisor => vec![Service::Stt],
            _ => vec![],
        }
    }
}
