//! Where each kind of work runs: the pods of which service.
//!
//! All GPU work of a tenant runs in one place, the pods of the first service of the catalog's order that
//! the tenant has, and all of its GPUs are there: one pool of devices waits less than two, and no GPU
//! lies where nobody asks for it.

use crate::catalog::Catalog;
use crate::tenant::{Service, ServiceRequirements};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Speech to text; CPU.
    Stt,
    /// Synthesis; GPU.
    Tts,
    /// Understanding of queries; GPU.
    Nlp,
    /// Knowledge search; GPU.
    Aicm,
    /// Text analysis; CPU.
    Ta,
    /// Quality assessment; CPU.
    Qa,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Self; 6] = [Self::Stt, Self::Tts, Self::Nlp, Self::Aicm, Self::Ta, Self::Qa];

    /// The spelling of answers and of the environment's variables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stt => "stt",
            Self::Tts => "tts",
            Self::Nlp => "nlp",
            Self::Aicm => "aicm",
            Self::Ta => "ta",
            Self::Qa => "qa",
        }
    }

    /// Whether it is work of a GPU.
    pub fn is_on_gpu(self) -> bool {
        matches!(self, Self::Tts | Self::Nlp | Self::Aicm)
    }

    /// Whether a service's units cause it.
    pub fn is_caused_by(self, catalog: &Catalog, service: Service) -> bool {
        let model = catalog.service(service);
        let queries = |each: f64| each > 0.0 && model.items_per_day > 0.0;
        match self {
            Self::Stt => service == Service::Stt || model.stt_channels > 0,
            Self::Tts => service == Service::Tts || model.tts_channels > 0,
            Self::Nlp => queries(model.nlp_queries_per_item),
            Self::Aicm => queries(model.aicm_searches_per_item),
            Self::Ta => service == Service::Ta,
            Self::Qa => service == Service::Qa,
        }
    }
}

/// The place of every stage that a tenant has work for.
pub type Places = BTreeMap<Stage, Service>;

/// The service whose pods hold the tenant's GPUs; none where nothing needs one.
pub(super) fn gpu_host(catalog: &Catalog, counts: &ServiceRequirements) -> Option<Service> {
    let causes = |service: &Service| {
        Stage::ALL.into_iter().any(|stage| stage.is_on_gpu() && stage.is_caused_by(catalog, *service))
    };
    let first_causing = counts.keys().copied().find(causes)?;
    let in_order = catalog.gpu.order.iter().copied().find(|service| counts.contains_key(service));
    Some(in_order.unwrap_or(first_causing))
}

/// Where the stages of a tenant run.
pub(super) fn places(catalog: &Catalog, counts: &ServiceRequirements) -> Places {
    let host = gpu_host(catalog, counts);
    let place = |stage: Stage| {
        let wanted = counts.keys().any(|service| stage.is_caused_by(catalog, *service));
        let own = match stage {
            Stage::Stt => Some(Service::Stt),
            Stage::Ta => Some(Service::Ta),
            Stage::Qa => Some(Service::Qa),
            Stage::Tts | Stage::Nlp | Stage::Aicm => host,
        };
        own.filter(|_| wanted)
    };
    Stage::ALL.into_iter().filter_map(|stage| Some((stage, place(stage)?))).collect()
}
