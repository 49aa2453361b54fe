//! The kinds that are known: their API version, scope and schema; and versions that are gone.

use super::monitoring;
use super::schema::{self, ShapeId, Shapes};
use std::collections::HashMap;
use std::sync::OnceLock;

/// A release of Kubernetes whose API server is spoken for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Release {
    /// 1.34.
    V1_34,
    /// 1.35.
    V1_35,
    /// 1.36.
    #[default]
    V1_36,
}

impl Release {
    /// Every release.
    pub const ALL: [Self; 3] = [Self::V1_34, Self::V1_35, Self::V1_36];

    /// Such as `1.36`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1_34 => "1.34",
            Self::V1_35 => "1.35",
            Self::V1_36 => "1.36",
        }
    }

    /// The release of a text such as `1.36`, `v1.36` or `1.36.3`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let is_it = |release: &Self| {
            let rest = text.strip_prefix(release.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        Self::ALL.into_iter().find(is_it)
    }

    /// Its bit in the packed schemas.
    pub(super) fn bit(self) -> u8 {
        1 << (self as u8)
    }
}

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
    /// A kind of a version that is served only where an administrator switches it on; the stable
    /// one, where there is one.
    SwitchedOff(Option<&'static KindInfo>),
    /// No such kind in that API version of Kubernetes; another that has it, or one of that spelling.
    Elsewhere(&'static KindInfo),
    /// No such kind in Kubernetes, in a group that can only be its own.
    NoSuchKind,
    /// Nothing that is known here, such as a custom resource.
    Unknown,
}

/// Every known kind of a release.
pub(super) struct Registry {
    /// The release.
    pub release: Release,
    by_kind: HashMap<&'static str, Vec<KindInfo>>,
    switched_off: Vec<(&'static str, &'static str)>,
    /// The shapes that the kinds refer to.
    pub shapes: Shapes,
    /// Shape of every object's `metadata`.
    pub metadata: ShapeId,
}

/// The registry of a release, made at first use.
pub(super) fn registry(release: Release) -> &'static Registry {
    static REGISTRIES: [OnceLock<Registry>; 3] = [const { OnceLock::new() }; 3];
    REGISTRIES[release as usize].get_or_init(|| Registry::build(release))
}

impl Registry {
    fn build(release: Release) -> Self {
        let mut packed = schema::read(release);
        let metadata = packed.shapes.definition("meta.v1.ObjectMeta");
        let mut by_kind: HashMap<&'static str, Vec<KindInfo>> = HashMap::new();
        for (kind, shape) in monitoring::shapes(&mut packed.shapes) {
            let api_version = monitoring::API_VERSION;
            packed.kinds.push(KindInfo { api_version, kind, namespaced: true, shape: Some(shape) });
        }
        // Last, so that the version of a kind that is named first is the newest.
        packed.kinds.sort_by(|a, b| b.api_version.cmp(a.api_version));
        for info in packed.kinds {
            by_kind.entry(info.kind).or_default().push(info);
        }
        Self { release, by_kind, switched_off: packed.switched_off, shapes: packed.shapes, metadata }
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
        if self.switched_off.contains(&(api_version, kind)) {
            return Lookup::SwitchedOff(known.and_then(|infos| infos.first()));
        }
        if !is_kubernetes_group(group_of(api_version)) {
            return Lookup::Unknown;
        }
        let same =
            |name: &&str| name.eq_ignore_ascii_case(kind) || name.to_lowercase() + "s" == kind.to_lowercase();
        let known = known.or_else(|| self.by_kind.get(self.kind_names().find(same)?));
        match known
            .and_then(|infos| infos.iter().find(|info| is_kubernetes_group(group_of(info.api_version))))
        {
            Some(info) => Lookup::Elsewhere(info),
            None => Lookup::NoSuchKind,
        }
    }

    /// Whether any kind is of this API version.
    pub fn serves(&self, api_version: &str) -> bool {
        self.by_kind.values().flatten().any(|info| info.api_version == api_version)
    }

    /// Names of all known kinds.
    pub fn kind_names(&self) -> impl Iterator<Item = &'static str> {
        self.by_kind.keys().copied()
    }
}

/// The group of an API version; empty for the core.
pub(super) fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

/// True for the groups of Kubernetes itself. A group without a dot can be nobody else's: a custom
/// resource's group is a domain.
fn is_kubernetes_group(group: &str) -> bool {
    !group.contains('.') || GROUPS.contains(&group)
}

/// Groups of Kubernetes with a dot, those of the past included.
static GROUPS: &[&str] = &[
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "internal.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "settings.k8s.io",
    "storage.k8s.io",
    "storagemigration.k8s.io",
];

/// Versions that Kubernetes no longer serves: version, kind (empty: every kind), replacement
/// (empty: none), release that removed it. Source: the deprecated API migration guide.
static REMOVED: &[(&str, &str, &str, &str)] = &[
    ("extensions/v1beta1", "Ingress", "networking.k8s.io/v1", "1.22"),
    ("extensions/v1beta1", "NetworkPolicy", "networking.k8s.io/v1", "1.16"),
    ("extensions/v1beta1", "PodSecurityPolicy", "", "1.16"),
    ("extensions/v1beta1", "Deployment", "apps/v1", "1.16"),
    ("extensions/v1beta1", "DaemonSet", "apps/v1", "1.16"),
    ("extensions/v1beta1", "ReplicaSet", "apps/v1", "1.16"),
    ("apps/v1beta1", "", "apps/v1", "1.16"),
    ("apps/v1beta2", "", "apps/v1", "1.16"),
    ("networking.k8s.io/v1beta1", "Ingress", "networking.k8s.io/v1", "1.22"),
    ("networking.k8s.io/v1beta1", "IngressClass", "networking.k8s.io/v1", "1.22"),
    ("policy/v1beta1", "PodDisruptionBudget", "policy/v1", "1.25"),
    ("policy/v1beta1", "PodSecurityPolicy", "", "1.25"),
    ("autoscaling/v2beta1", "", "autoscaling/v2", "1.25"),
    ("settings.k8s.io/v1alpha1", "PodPreset", "", "1.20"),
    ("discovery.k8s.io/v1alpha1", "EndpointSlice", "discovery.k8s.io/v1", "1.21"),
    ("events.k8s.io/v1beta1", "Event", "events.k8s.io/v1", "1.25"),
    ("node.k8s.io/v1alpha1", "RuntimeClass", "node.k8s.io/v1", "1.22"),
    ("storage.k8s.io/v1alpha1", "VolumeAttachment", "storage.k8s.io/v1", "1.24"),
    ("storage.k8s.io/v1alpha1", "CSIStorageCapacity", "storage.k8s.io/v1", "1.24"),
    ("storage.k8s.io/v1beta1", "CSIStorageCapacity", "storage.k8s.io/v1", "1.27"),
    ("flowcontrol.apiserver.k8s.io/v1alpha1", "", "flowcontrol.apiserver.k8s.io/v1", "1.21"),
    ("flowcontrol.apiserver.k8s.io/v1beta1", "", "flowcontrol.apiserver.k8s.io/v1", "1.26"),
    ("flowcontrol.apiserver.k8s.io/v1beta2", "", "flowcontrol.apiserver.k8s.io/v1", "1.29"),
    ("flowcontrol.apiserver.k8s.io/v1beta3", "", "flowcontrol.apiserver.k8s.io/v1", "1.32"),
    ("resource.k8s.io/v1alpha2", "", "resource.k8s.io/v1", "1.31"),
    ("authentication.k8s.io/v1beta1", "", "authentication.k8s.io/v1", "1.22"),
    ("authorization.k8s.io/v1beta1", "", "authorization.k8s.io/v1", "1.22"),
    (
        "admissionregistration.k8s.io/v1beta1",
        "ValidatingAdmissionPolicy",
        "admissionregistration.k8s.io/v1",
        "1.34",
    ),
    (
        "admissionregistration.k8s.io/v1beta1",
        "ValidatingAdmissionPolicyBinding",
        "admissionregistration.k8s.io/v1",
        "1.34",
    ),
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
