//! The kinds that are known: their API version, scope and schema; and versions that are gone.

use super::monitoring;
use super::schema::{Converter, ShapeId, Shapes};
use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet},
    autoscaling::{v1::HorizontalPodAutoscaler as OldAutoscaler, v2::HorizontalPodAutoscaler},
    batch::v1::{CronJob, Job},
    core::v1::{
        ConfigMap, LimitRange, Namespace, PersistentVolume, PersistentVolumeClaim, Pod, ResourceQuota,
        Secret, Service, ServiceAccount,
    },
    networking::v1::{Ingress, IngressClass, NetworkPolicy},
    policy::v1::PodDisruptionBudget,
    rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
    scheduling::v1::PriorityClass,
    storage::v1::StorageClass,
};
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope, Resource};
use schemars::JsonSchema;
use std::collections::HashMap;
use std::sync::OnceLock;

/// A kind that is known.
#[derive(Debug)]
pub(super) struct KindInfo {
    /// Such as `apps/v1`.
    pub api_version: &'static str,
    /// Such as `Deployment`.
    pub kind: &'static str,
    /// It lives in a namespace.
    pub namespaced: bool,
    /// Its schema; absent where only the scope is known.
    pub shape: Option<ShapeId>,
}

/// What an `apiVersion` and `kind` name.
pub(super) enum Lookup {
    /// A known kind.
    Known(&'static KindInfo),
    /// A version that Kubernetes no longer serves: what replaces it, and since which release it
    /// is gone. Some have no successor.
    Removed {
        /// Such as `apps/v1`; absent where nothing replaces it.
        replacement: Option<&'static str>,
        /// Such as `1.16`.
        since: &'static str,
    },
    /// A kind of Kubernetes under an API version that never had it; the right one.
    WrongVersion(&'static KindInfo),
    /// Nothing that is known here, such as a custom resource.
    Unknown,
}

/// Every known kind.
pub(super) struct Registry {
    by_kind: HashMap<&'static str, Vec<KindInfo>>,
    /// The shapes that the kinds refer to.
    pub shapes: Shapes,
}

/// The registry, made at first use.
pub(super) fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(Registry::build)
}

trait Scope {
    const NAMESPACED: bool;
}
impl Scope for ClusterResourceScope {
    const NAMESPACED: bool = false;
}
impl Scope for NamespaceResourceScope {
    const NAMESPACED: bool = true;
}

struct Kinds {
    converter: Converter,
    by_kind: HashMap<&'static str, Vec<KindInfo>>,
}

impl Kinds {
    fn add<T>(&mut self)
    where
        T: JsonSchema + Resource,
        T::Scope: Scope,
    {
        let shape = self.converter.shape_of::<T>();
        self.insert(T::API_VERSION, T::KIND, T::Scope::NAMESPACED, Some(shape));
    }

    fn insert(
        &mut self,
        api_version: &'static str,
        kind: &'static str,
        namespaced: bool,
        shape: Option<ShapeId>,
    ) {
        let info = KindInfo { api_version, kind, namespaced, shape };
        self.by_kind.entry(kind).or_default().push(info);
    }
}

impl Registry {
    fn build() -> Self {
        let mut kinds = Kinds { converter: Converter::new(), by_kind: HashMap::new() };
        kinds.add::<Namespace>();
        kinds.add::<ResourceQuota>();
        kinds.add::<LimitRange>();
        kinds.add::<NetworkPolicy>();
        kinds.add::<ServiceAccount>();
        kinds.add::<ConfigMap>();
        kinds.add::<Secret>();
        kinds.add::<StatefulSet>();
        kinds.add::<Deployment>();
        kinds.add::<DaemonSet>();
        kinds.add::<ReplicaSet>();
        kinds.add::<Pod>();
        kinds.add::<Job>();
        kinds.add::<CronJob>();
        kinds.add::<Service>();
        kinds.add::<HorizontalPodAutoscaler>();
        kinds.add::<OldAutoscaler>();
        kinds.add::<PodDisruptionBudget>();
        kinds.add::<Ingress>();
        kinds.add::<IngressClass>();
        kinds.add::<PersistentVolumeClaim>();
        kinds.add::<PersistentVolume>();
        kinds.add::<Role>();
        kinds.add::<RoleBinding>();
        kinds.add::<ClusterRole>();
        kinds.add::<ClusterRoleBinding>();
        kinds.add::<StorageClass>();
        kinds.add::<PriorityClass>();
        for (kind, shape) in monitoring::shapes(&mut kinds.converter) {
            kinds.insert(monitoring::API_VERSION, kind, true, Some(shape));
        }
        for &(api_version, kind, namespaced) in WITHOUT_SCHEMA {
            kinds.insert(api_version, kind, namespaced, None);
        }
        Self { by_kind: kinds.by_kind, shapes: kinds.converter.shapes }
    }

    /// What an `apiVersion` and `kind` name.
    pub fn lookup(&'static self, api_version: &str, kind: &str) -> Lookup {
        let known = self.by_kind.get(kind);
        if let Some(info) = known.and_then(|infos| infos.iter().find(|info| info.api_version == api_version))
        {
            return Lookup::Known(info);
        }
        if let Some(&(_, _, replacement, since)) =
            REMOVED.iter().find(|(gone, of, ..)| *gone == api_version && (*of == kind || of.is_empty()))
        {
            return Lookup::Removed { replacement: (!replacement.is_empty()).then_some(replacement), since };
        }
        match known.and_then(|infos| infos.first()) {
            Some(info) if self.is_own_group(api_version) => Lookup::WrongVersion(info),
            _ => Lookup::Unknown,
        }
    }

    /// Names of all known kinds.
    pub fn kind_names(&self) -> impl Iterator<Item = &'static str> {
        self.by_kind.keys().copied()
    }

    /// True for the API groups of Kubernetes itself; others may have kinds of the same names.
    fn is_own_group(&self, api_version: &str) -> bool {
        let group = |version: &str| version.rsplit_once('/').map_or("", |(group, _)| group).to_owned();
        let asked = group(api_version);
        asked == "extensions" || self.by_kind.values().flatten().any(|info| group(info.api_version) == asked)
    }
}

/// Kinds of which only the scope matters: where they may not stand, it is said.
static WITHOUT_SCHEMA: &[(&str, &str, bool)] = &[
    ("v1", "Endpoints", true),
    ("v1", "Event", true),
    ("v1", "Node", false),
    ("v1", "PodTemplate", true),
    ("v1", "ReplicationController", true),
    ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", false),
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", false),
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding", false),
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", false),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition", false),
    ("apiregistration.k8s.io/v1", "APIService", false),
    ("apps/v1", "ControllerRevision", true),
    ("certificates.k8s.io/v1", "CertificateSigningRequest", false),
    ("coordination.k8s.io/v1", "Lease", true),
    ("discovery.k8s.io/v1", "EndpointSlice", true),
    ("flowcontrol.apiserver.k8s.io/v1", "FlowSchema", false),
    ("flowcontrol.apiserver.k8s.io/v1", "PriorityLevelConfiguration", false),
    ("node.k8s.io/v1", "RuntimeClass", false),
    ("storage.k8s.io/v1", "CSIDriver", false),
    ("storage.k8s.io/v1", "CSINode", false),
    ("storage.k8s.io/v1", "VolumeAttachment", false),
];

/// Versions that Kubernetes no longer serves: version, kind (empty: every kind), replacement
/// (empty: none), release that removed it. Source: the deprecated API migration guide.
static REMOVED: &[(&str, &str, &str, &str)] = &[
    ("extensions/v1beta1", "Ingress", "networking.k8s.io/v1", "1.22"),
    ("extensions/v1beta1", "NetworkPolicy", "networking.k8s.io/v1", "1.16"),
    ("extensions/v1beta1", "PodSecurityPolicy", "", "1.16"),
    ("extensions/v1beta1", "", "apps/v1", "1.16"),
    ("apps/v1beta1", "", "apps/v1", "1.16"),
    ("apps/v1beta2", "", "apps/v1", "1.16"),
    ("networking.k8s.io/v1beta1", "Ingress", "networking.k8s.io/v1", "1.22"),
    ("networking.k8s.io/v1beta1", "IngressClass", "networking.k8s.io/v1", "1.22"),
    ("policy/v1beta1", "PodDisruptionBudget", "policy/v1", "1.25"),
    ("policy/v1beta1", "PodSecurityPolicy", "", "1.25"),
    ("autoscaling/v2beta1", "", "autoscaling/v2", "1.25"),
    ("autoscaling/v2beta2", "", "autoscaling/v2", "1.26"),
    ("batch/v1beta1", "CronJob", "batch/v1", "1.25"),
    ("batch/v2alpha1", "CronJob", "batch/v1", "1.21"),
    ("rbac.authorization.k8s.io/v1alpha1", "", "rbac.authorization.k8s.io/v1", "1.22"),
    ("rbac.authorization.k8s.io/v1beta1", "", "rbac.authorization.k8s.io/v1", "1.22"),
    ("storage.k8s.io/v1beta1", "StorageClass", "storage.k8s.io/v1", "1.22"),
    ("storage.k8s.io/v1beta1", "CSIDriver", "storage.k8s.io/v1", "1.22"),
    ("storage.k8s.io/v1beta1", "CSINode", "storage.k8s.io/v1", "1.22"),
    ("storage.k8s.io/v1beta1", "VolumeAttachment", "storage.k8s.io/v1", "1.22"),
    ("apiextensions.k8s.io/v1beta1", "", "apiextensions.k8s.io/v1", "1.22"),
    ("apiregistration.k8s.io/v1beta1", "", "apiregistration.k8s.io/v1", "1.22"),
    (
        "admissionregistration.k8s.io/v1beta1",
        "MutatingWebhookConfiguration",
        "admissionregistration.k8s.io/v1",
        "1.22",
    ),
    (
        "admissionregistration.k8s.io/v1beta1",
        "ValidatingWebhookConfiguration",
        "admissionregistration.k8s.io/v1",
        "1.22",
    ),
    ("certificates.k8s.io/v1beta1", "CertificateSigningRequest", "certificates.k8s.io/v1", "1.22"),
    ("coordination.k8s.io/v1beta1", "Lease", "coordination.k8s.io/v1", "1.22"),
    ("discovery.k8s.io/v1beta1", "EndpointSlice", "discovery.k8s.io/v1", "1.25"),
    ("node.k8s.io/v1beta1", "RuntimeClass", "node.k8s.io/v1", "1.25"),
    ("scheduling.k8s.io/v1alpha1", "PriorityClass", "scheduling.k8s.io/v1", "1.17"),
    ("scheduling.k8s.io/v1beta1", "PriorityClass", "scheduling.k8s.io/v1", "1.22"),
];
