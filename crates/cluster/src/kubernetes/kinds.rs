//! The kinds that a tenant is made of, in the order in which they are applied.

use ecp_core::ports::ClusterError;
use kube::core::{ApiResource, GroupVersionKind};

/// One kind.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    pub(super) name: &'static str,
    pub(super) plural: &'static str,
    /// Objects of one step are applied side by side; a step begins when the one before is done.
    pub(super) step: u8,
    /// A cluster may not know it: its definition comes with an operator, and tenants run without it.
    pub(super) optional: bool,
    /// The Kubernetes from which on it is served, where older ones do not know it; tenants that have such
    /// objects do not run without.
    pub(super) since: Option<&'static str>,
}

/// Step of the workloads: their pods must be gone before what they use goes.
pub(super) const WORKLOADS: u8 = 5;

const fn kind(
    step: u8,
    group: &'static str,
    version: &'static str,
    name: &'static str,
    plural: &'static str,
) -> Kind {
    Kind { group, version, name, plural, step, optional: false, since: None }
}

/// Every kind that is applied or watched for a tenant. A StatefulSet's controller makes the claims.
pub(super) const KINDS: [Kind; 18] = [
    kind(0, "", "v1", "Namespace", "namespaces"),
    kind(1, "", "v1", "ResourceQuota", "resourcequotas"),
    kind(1, "", "v1", "LimitRange", "limitranges"),
    kind(1, "networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
    kind(1, "", "v1", "ServiceAccount", "serviceaccounts"),
    kind(2, "", "v1", "ConfigMap", "configmaps"),
    kind(2, "", "v1", "Secret", "secrets"),
    Kind {
        since: Some("1.34"),
        ..kind(2, "resource.k8s.io", "v1", "ResourceClaimTemplate", "resourceclaimtemplates")
    },
    kind(3, "", "v1", CLAIM, "persistentvolumeclaims"),
    kind(4, "", "v1", "Service", "services"),
    kind(WORKLOADS, "apps", "v1", "StatefulSet", "statefulsets"),
    kind(WORKLOADS, "apps", "v1", "Deployment", "deployments"),
    kind(6, "autoscaling", "v2", AUTOSCALER, "horizontalpodautoscalers"),
    kind(6, "policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    Kind { optional: true, ..kind(7, "monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors") },
    Kind { optional: true, ..kind(7, "monitoring.coreos.com", "v1", "PrometheusRule", "prometheusrules") },
    kind(8, "networking.k8s.io", "v1", "Ingress", "ingresses"),
    Kind { optional: true, ..kind(8, "gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes") },
];

/// Place of namespaces.
pub(super) const NAMESPACE: usize = 0;
/// Volumes of a StatefulSet; deleted with the tenant, never pruned.
pub(super) const CLAIM: &str = "PersistentVolumeClaim";
/// What owns the replicas of the Deployment that it names.
pub(super) const AUTOSCALER: &str = "HorizontalPodAutoscaler";

impl Kind {
    /// How the API server calls it.
    pub(super) fn resource(&self) -> ApiResource {
        let kind = GroupVersionKind::gvk(self.group, self.version, self.name);
        ApiResource::from_gvk_with_plural(&kind, self.plural)
    }

    /// True where its objects are in a namespace.
    pub(super) fn is_namespaced(&self) -> bool {
        self.name != "Namespace"
    }

    /// True where a cluster may not know it.
    pub(super) fn may_be_unknown(&self) -> bool {
        self.optional || self.since.is_some()
    }

    /// Why an object of it can not be had from a cluster that does not know it; none where nobody needs it.
    pub(super) fn unserved(&self, name: &str) -> Option<ClusterError> {
        let (kind, name) = (self.name.to_owned(), name.to_owned());
        let reason = format!(
            "the API server does not serve {} (Kubernetes {} and newer do), or the orchestrator's role does not \
             have {}",
            self.api_version(),
            self.since?,
            self.plural
        );
        Some(ClusterError::Refused { kind, name, reason })
    }

    /// Its `apiVersion`.
    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}

/// The kind of that name, and its place in the order.
pub(super) fn find(name: &str) -> Option<(usize, &'static Kind)> {
    KINDS.iter().enumerate().find(|(_, kind)| kind.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_never_go_back() {
        assert_eq!(KINDS[NAMESPACE].name, "Namespace");
        assert!(KINDS.windows(2).all(|pair| pair[0].step <= pair[1].step));
    }

    #[test]
    fn api_versions_are_spelled_as_in_manifests() {
        let spelled = |name| find(name).map(|(_, kind)| kind.api_version());
        assert_eq!(spelled("Secret").as_deref(), Some("v1"));
        assert_eq!(spelled("Deployment").as_deref(), Some("apps/v1"));
    }
}
