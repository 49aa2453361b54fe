//! How containers get their GPUs: by an extended resource of a device plugin, or by claims (dynamic resource
//! allocation).

use super::kubernetes::is_dns_name;
use super::rules::Faults;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Longest expression that an API server takes.
const LONGEST_SELECTOR: usize = 10 * 1024;

/// How a container asks for GPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GpuAllocation {
    /// By an extended resource among its limits.
    #[default]
    DevicePlugin,
    /// By a claim for each device (`resource.k8s.io/v1`, Kubernetes 1.34 and newer).
    Claims,
}

impl GpuAllocation {
    /// True of what is taken where a catalog says nothing.
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What is claimed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClaimSettings {
    /// The driver of the devices, whose ResourceSlices say what nodes have.
    pub driver: String,
    /// DeviceClass of types that have none of their own.
    pub device_class: String,
    /// By device type, what is claimed of it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub devices: BTreeMap<String, DeviceClaim>,
}

impl Default for ClaimSettings {
    /// As NVIDIA's driver names them.
    fn default() -> Self {
        Self {
            driver: "gpu.nvidia.com".to_owned(),
            device_class: "gpu.nvidia.com".to_owned(),
            devices: BTreeMap::new(),
        }
    }
}

/// What is claimed of a device type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeviceClaim {
    /// Its DeviceClass, where that is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_class: Option<String>,
    /// What a device must be beyond its class, in CEL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
}

impl ClaimSettings {
    /// True of what is taken where a catalog says nothing.
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The DeviceClass of a device type.
    pub fn class_of(&self, gpu_type: &str) -> &str {
        let own = self.devices.get(gpu_type).and_then(|device| device.device_class.as_deref());
        own.unwrap_or(&self.device_class)
    }

    /// What a device of a type must be beyond its class.
    pub fn selector_of(&self, gpu_type: &str) -> Option<&str> {
        self.devices.get(gpu_type)?.selector.as_deref()
    }

    /// Notes everything that is wrong.
    pub(super) fn check(&self, faults: &mut Faults) {
        const NAME: &str = "catalog.kubernetes_name";
        let mut check =
            |right: bool, key: &str, fix| faults.check(right, format!("kubernetes.gpu_claims.{key}"), fix);
        check(self.driver.len() <= 63 && is_dns_name(&self.driver), "driver", NAME);
        check(is_dns_name(&self.device_class), "device_class", NAME);
        for (device, claim) in &self.devices {
            let class = claim.device_class.as_deref().is_none_or(is_dns_name);
            check(class, &format!("devices.{device}.device_class"), NAME);
            let selector = claim.selector.as_ref();
            let fits = selector.is_none_or(|text| (1..=LONGEST_SELECTOR).contains(&text.trim().len()));
            check(fits, &format!("devices.{device}.selector"), "catalog.selector");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    #[test]
    fn a_type_has_its_own_class_and_selector_or_those_of_all() {
        let claims: ClaimSettings = toml::from_str(
            r#"
            device_class = "whole.example.com"
            [devices.v100]
            selector = "device.attributes['gpu.example.com'].model == 'v100'"
            [devices."a100-mig-1g.10gb"]
            device_class = "slice.example.com"
            "#,
        )
        .expect("readable");
        assert_eq!(claims.driver, "gpu.nvidia.com");
        assert_eq!(
            (claims.class_of("v100"), claims.class_of("t4")),
            ("whole.example.com", "whole.example.com")
        );
        assert_eq!(claims.class_of("a100-mig-1g.10gb"), "slice.example.com");
        assert!(claims.selector_of("v100").is_some_and(|text| text.contains("model")));
        assert_eq!(claims.selector_of("t4"), None);
    }

    #[test]
    fn what_is_not_said_is_not_kept_and_every_fault_is_named() {
        let mut settings = Catalog::embedded().kubernetes;
        let kept = toml::to_string(&settings).expect("a file");
        assert!(!kept.contains("gpu_allocation") && !kept.contains("gpu_claims"), "{kept}");
        let claims = &mut settings.gpu_claims;
        claims.driver = "Not A Name".to_owned();
        claims.device_class = String::new();
        let wrong = DeviceClaim { device_class: Some("_".to_owned()), selector: Some(" ".to_owned()) };
        claims.devices.insert("t4".to_owned(), wrong);
        let mut faults = Faults::default();
        settings.check(&mut faults);
        let keys: Vec<&str> = faults.0.iter().map(|fault| fault.path.as_str()).collect();
        let expected = ["driver", "device_class", "devices.t4.device_class", "devices.t4.selector"];
        assert_eq!(keys, expected.map(|key| format!("kubernetes.gpu_claims.{key}")));
    }
}
