//! What a change of a tenant names, and what it makes of a specification.

use crate::sizing::SizingPatch;
use crate::tenant::{Availability, DemoFault, Exposure, Management, Preset, Service, TenantSpec};
use std::collections::BTreeMap;

/// A change of a tenant: what is named is changed, the rest is left.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TenantPatch {
    /// New name.
    pub name: Option<String>,
    /// New plan; `Some(None)` has the calculator choose, now and on every later change.
    pub preset: Option<Option<Preset>>,
    /// Units by service; 0 removes the service.
    pub service_requirements: BTreeMap<Service, u32>,
    /// New availability target.
    pub availability: Option<Availability>,
    /// New response time target in milliseconds.
    pub response_time_ms: Option<u32>,
    /// New number of concurrent users.
    pub concurrent_users: Option<u32>,
    /// New description.
    pub description: Option<String>,
    /// How it is reached from outside; `Some(None)` has the catalog say it.
    pub exposure: Option<Option<Exposure>>,
    /// Who brings its objects to the cluster.
    pub management: Option<Management>,
    /// In demo mode, the failure that the deployment is to show; `Some(None)` takes it away.
    pub demo_fault: Option<Option<DemoFault>>,
    /// What the planner asks for beyond units and SLA.
    pub sizing: SizingPatch,
}

impl TenantPatch {
    /// The specification after the change.
    pub(super) fn applied_to(self, spec: &TenantSpec) -> TenantSpec {
        let mut spec = spec.clone();
        if let Some(name) = self.name {
            spec.name = name;
        }
        if let Some(preset) = self.preset {
            spec.preset = preset;
        }
        spec.service_requirements.extend(self.service_requirements);
        spec.service_requirements.retain(|_, units| *units > 0);
        let sla = &mut spec.sla_target;
        sla.availability = self.availability.unwrap_or(sla.availability);
        sla.response_time_ms = self.response_time_ms.unwrap_or(sla.response_time_ms);
        sla.concurrent_users = self.concurrent_users.or(sla.concurrent_users);
        if self.description.is_some() {
            spec.description = self.description;
        }
        if let Some(exposure) = self.exposure {
            spec.exposure = exposure;
        }
        spec.management = self.management.unwrap_or(spec.management);
        if let Some(fault) = self.demo_fault {
            spec.demo_fault = fault;
        }
        spec.sizing = self.sizing.over(spec.sizing);
        spec
    }
}
