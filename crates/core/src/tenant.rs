//! A tenant: what was asked for, what it got, and where it stands.

mod availability;

pub use availability::{Availability, AvailabilityFault};

use crate::Timestamp;
use crate::ids::{DeploymentId, Incarnation, TenantId, TenantKey};
use crate::sizing::{Demand, Sizing, SizingOptions};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// The services a tenant can order, in the order in which they are listed everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Voice bot; the unit is concurrent call channels.
    Callbot,
    /// Text bot; the unit is concurrent users.
    Chatbot,
    /// Agent assistance; the unit is human agents.
    Advisor,
    /// Speech-to-text; the unit is stand-alone channels.
    Stt,
    /// Text-to-speech; the unit is stand-alone channels.
    Tts,
    /// Text analysis; the unit is channels.
    Ta,
    /// Quality assessment; the unit is channels.
    Qa,
}

impl Service {
    /// Every service, in listing order.
    pub const ALL: [Self; 7] =
        [Self::Callbot, Self::Chatbot, Self::Advisor, Self::Stt, Self::Tts, Self::Ta, Self::Qa];

    /// The spelling of requests, object names and labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Callbot => "callbot",
            Self::Chatbot => "chatbot",
            Self::Advisor => "advisor",
            Self::Stt => "stt",
            Self::Tts => "tts",
            Self::Ta => "ta",
            Self::Qa => "qa",
        }
    }
}

/// The plans, smallest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// The smallest plan.
    Micro,
    /// Two replicas a service.
    Small,
    /// Three replicas a service.
    Medium,
    /// The largest listed plan; demand over it grows from here.
    Large,
}

/// Who chose a tenant's plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PresetChoice {
    /// The request that ordered the tenant; it stays until another request names one.
    Request,
    /// The calculator; it chooses again on every change.
    Calculator,
}

impl PresetChoice {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Request, Self::Calculator];

    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Calculator => "calculator",
        }
    }
}

impl Preset {
    /// Every preset, smallest first.
    pub const ALL: [Self; 4] = [Self::Micro, Self::Small, Self::Medium, Self::Large];

    /// The spelling of the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Micro => "micro",
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Large => "large",
        }
    }
}

/// The four states that the contract names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TenantStatus {
    /// Accepted, not yet all ready.
    Pending,
    /// Everything asked for is ready.
    Running,
    /// The last roll-out failed; its deployment says why.
    Failed,
    /// Being deleted.
    Deleting,
}

impl TenantStatus {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Running, Self::Failed, Self::Deleting];

    /// The spelling of the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Failed => "failed",
            Self::Deleting => "deleting",
        }
    }
}

macro_rules! text_enum {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl FromStr for $name {
            type Err = ();
            fn from_str(text: &str) -> Result<Self, ()> {
                Self::ALL.into_iter().find(|value| value.as_str() == text).ok_or(())
            }
        }
    };
}
text_enum!(Service);
text_enum!(Preset);
text_enum!(TenantStatus);

/// Units ordered of each service; a service that is not ordered is absent, never zero.
pub type ServiceRequirements = BTreeMap<Service, u32>;

/// Most units of a service that a tenant can order.
pub const MAX_UNITS: u64 = 1_000_000;

/// What the tenant was promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlaTarget {
    /// Share of time in service.
    pub availability: Availability,
    /// Response time in milliseconds.
    pub response_time_ms: u32,
    /// Users at once over all services, where stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrent_users: Option<u32>,
}

/// How a tenant's services are reached from outside the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exposure {
    /// Not at all.
    #[default]
    None,
    /// Through an Ingress.
    Ingress,
    /// Through a Gateway, by HTTPRoutes.
    Gateway,
}

impl Exposure {
    /// Every way.
    pub const ALL: [Self; 3] = [Self::None, Self::Ingress, Self::Gateway];

    /// The spelling of requests and of the catalog.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Ingress => "ingress",
            Self::Gateway => "gateway",
        }
    }
}
text_enum!(Exposure);

/// Who chose how a tenant is exposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExposureChoice {
    /// The request named it.
    Request,
    /// The catalog's default holds, whatever it becomes.
    Catalog,
}

impl ExposureChoice {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Request, Self::Catalog];

    /// The spelling of requests and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Catalog => "catalog",
        }
    }
}

/// Who brings a tenant's objects to the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Management {
    /// The controller: it applies them and keeps them as they should be.
    #[default]
    Internal,
    /// Others, such as Argo CD or Flux: the controller watches, judges and alerts, and writes nothing.
    External,
}

impl Management {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Internal, Self::External];

    /// The spelling of requests and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::External => "external",
        }
    }

    /// True where nothing is said that is not so by default.
    fn is_internal(&self) -> bool {
        *self == Self::Internal
    }
}
text_enum!(Management);

/// A fault that a demo deployment is asked to show; real mode refuses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DemoFault {
    /// The image cannot be pulled (`ImagePullBackOff`).
    ImageNotFound,
    /// The container exits again and again (`CrashLoopBackOff`).
    CrashLoop,
    /// No node has what the pod asks for (`FailedScheduling`).
    Unschedulable,
}

impl DemoFault {
    /// Every fault.
    pub const ALL: [Self; 3] = [Self::ImageNotFound, Self::CrashLoop, Self::Unschedulable];

    /// The spelling of requests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ImageNotFound => "image-not-found",
            Self::CrashLoop => "crash-loop",
            Self::Unschedulable => "unschedulable",
        }
    }
}
text_enum!(DemoFault);

/// What the caller asked for, checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantSpec {
    /// Name for people.
    pub name: String,
    /// The plan that the caller named; absent, the calculator chooses.
    pub preset: Option<Preset>,
    /// Units ordered.
    pub service_requirements: ServiceRequirements,
    /// What was promised.
    pub sla_target: SlaTarget,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How it is reached from outside; absent: as the catalog says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposure: Option<Exposure>,
    /// Who brings its objects to the cluster.
    #[serde(default, skip_serializing_if = "Management::is_internal")]
    pub management: Management,
    /// In demo mode, the failure that the deployment is to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub demo_fault: Option<DemoFault>,
    /// What the planner asks for beyond units and SLA.
    #[serde(default, skip_serializing_if = "SizingOptions::is_default")]
    pub sizing: SizingOptions,
}

impl TenantSpec {
    /// Who chose the plan.
    pub fn preset_choice(&self) -> PresetChoice {
        if self.preset.is_some() { PresetChoice::Request } else { PresetChoice::Calculator }
    }

    /// Who chose how it is reached from outside.
    pub fn exposure_choice(&self) -> ExposureChoice {
        if self.exposure.is_some() { ExposureChoice::Request } else { ExposureChoice::Catalog }
    }

    /// True where others bring its objects to the cluster, and nothing of it is written there.
    pub fn is_external(&self) -> bool {
        self.management == Management::External
    }

    /// What is to be sized.
    pub fn demand(&self) -> Demand {
        Demand {
            preset: self.preset,
            service_requirements: self.service_requirements.clone(),
            sla_target: self.sla_target,
            options: self.sizing.clone(),
        }
    }
}

/// A tenant as the store keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tenant {
    /// Its id, for ever.
    pub id: TenantId,
    /// What was asked for.
    pub spec: TenantSpec,
    /// What it was given when `spec` was last accepted.
    pub sizing: Sizing,
    /// Where it stands.
    pub status: TenantStatus,
    /// Counts accepted changes from 1, over all tenants of the id; the `ETag` of the detail call.
    pub generation: u64,
    /// Which of the tenants of the id.
    #[serde(default)]
    pub incarnation: Incarnation,
    /// The newest roll-out, or the deletion.
    pub deployment_id: DeploymentId,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When a request last changed it.
    pub updated_at: Timestamp,
}

impl Tenant {
    /// Names it and no other tenant of its id.
    pub fn key(&self) -> TenantKey {
        TenantKey { id: self.id.clone(), incarnation: self.incarnation }
    }
}

/// Secret values of a tenant: made once at creation, kept in the store, never logged.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TenantSecrets(BTreeMap<String, String>);

impl TenantSecrets {
    /// Makes a fresh value for each key: 32 hexadecimal characters, 128 random bits.
    pub fn generate(keys: &[&str]) -> Self {
        let value = || {
            // As for ids: without the system's generator there is no safe secret to make.
            let half = || getrandom::u64().expect("the operating system's random generator answers");
            format!("{:016x}{:016x}", half(), half())
        };
        Self(keys.iter().map(|key| ((*key).to_owned(), value())).collect())
    }

    /// The pairs, for the renderer alone.
    pub fn expose(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

impl fmt::Debug for TenantSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TenantSecrets({} values redacted)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_print() {
        let secrets = TenantSecrets::generate(&["REDIS_PASSWORD"]);
        let value = secrets.expose()["REDIS_PASSWORD"].clone();
        assert_eq!(value.len(), 32);
        assert!(!format!("{secrets:?}").contains(&value));
    }
}
