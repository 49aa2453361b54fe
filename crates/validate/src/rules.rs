//! What Kubernetes demands of a field beyond its type, and the published schema does not say.
//!
//! Source: the API server's validation of Kubernetes 1.36 (`pkg/apis/*/validation`).

/// A demand on the value of a field; on a list's field it is a demand on each item.
#[derive(Debug)]
pub(super) enum Rule {
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A whole number in this range.
    Range(i64, i64),
    /// A port: 1–65535, or the name of one where the type allows a text.
    Port,
    /// The name of a port.
    PortName,
    /// An RFC 1123 label.
    Label,
    /// An RFC 1123 subdomain: what most objects' names are.
    Subdomain,
    /// A mapping of labels.
    Labels,
    /// A mapping whose keys are qualified names.
    QualifiedKeys,
    /// A mapping of ConfigMap or Secret keys.
    ConfigKeys,
    /// An image reference.
    Image,
    /// An environment variable's name.
    EnvName,
    /// A list with at least one item.
    NotEmpty,
    /// A path that begins at the root.
    AbsolutePath,
    /// A cron schedule.
    Schedule,
    /// A Prometheus duration.
    Duration,
}

use Rule::{
    AbsolutePath, ConfigKeys, EnvName, Image, Label, Labels, NotEmpty, OneOf, Port, PortName, QualifiedKeys,
    Range, Schedule, Subdomain,
};

const COUNT: Rule = Range(0, i32::MAX as i64);
const AT_LEAST_ONE: Rule = Range(1, i32::MAX as i64);
const PROTOCOL: Rule = OneOf(&["TCP", "UDP", "SCTP"]);
const PULL_POLICY: Rule = OneOf(&["Always", "IfNotPresent", "Never"]);
const TERMINATION_POLICY: Rule = OneOf(&["File", "FallbackToLogsOnError"]);
const TAINT_EFFECT: Rule = OneOf(&["NoSchedule", "PreferNoSchedule", "NoExecute"]);
const TRAFFIC_POLICY: Rule = OneOf(&["Cluster", "Local"]);
const RETENTION: Rule = OneOf(&["Retain", "Delete"]);
const SELECTOR_OPERATOR: Rule = OneOf(&["In", "NotIn", "Exists", "DoesNotExist"]);

/// Rules by the last part of the definition's name, and field.
static RULES: &[(&str, &str, Rule)] = &[
    ("ConfigMap", "binaryData", ConfigKeys),
    ("ConfigMap", "data", ConfigKeys),
    ("ConfigMapKeySelector", "name", Subdomain),
    ("Container", "image", Image),
    ("Container", "imagePullPolicy", PULL_POLICY),
    ("Container", "name", Label),
    ("Container", "restartPolicy", OneOf(&["Always", "OnFailure", "Never"])),
    ("Container", "terminationMessagePolicy", TERMINATION_POLICY),
    ("ContainerPort", "containerPort", Port),
    ("ContainerPort", "hostPort", Port),
    ("ContainerPort", "name", PortName),
    ("ContainerPort", "protocol", PROTOCOL),
    ("CronJobSpec", "concurrencyPolicy", OneOf(&["Allow", "Forbid", "Replace"])),
    ("CronJobSpec", "failedJobsHistoryLimit", COUNT),
    ("CronJobSpec", "schedule", Schedule),
    ("CronJobSpec", "successfulJobsHistoryLimit", COUNT),
    ("CrossVersionObjectReference", "name", Subdomain),
    ("DaemonSetUpdateStrategy", "type", OneOf(&["OnDelete", "RollingUpdate"])),
    ("DeploymentSpec", "minReadySeconds", COUNT),
    ("DeploymentSpec", "progressDeadlineSeconds", AT_LEAST_ONE),
    ("DeploymentSpec", "replicas", COUNT),
    ("DeploymentSpec", "revisionHistoryLimit", COUNT),
    ("DeploymentStrategy", "type", OneOf(&["Recreate", "RollingUpdate"])),
    ("EmptyDirVolumeSource", "medium", OneOf(&["", "Memory", "HugePages", "HugePages-2Mi", "HugePages-1Gi"])),
    ("EnvVar", "name", EnvName),
    ("GRPCAction", "port", Port),
    ("HPAScalingPolicy", "periodSeconds", Range(1, 1800)),
    ("HPAScalingPolicy", "type", OneOf(&["Pods", "Percent"])),
    ("HPAScalingPolicy", "value", AT_LEAST_ONE),
    ("HPAScalingRules", "selectPolicy", OneOf(&["Max", "Min", "Disabled"])),
    ("HPAScalingRules", "stabilizationWindowSeconds", Range(0, 3600)),
    ("HTTPGetAction", "port", Port),
    ("HTTPGetAction", "scheme", OneOf(&["HTTP", "HTTPS"])),
    ("HTTPIngressPath", "path", AbsolutePath),
    ("HTTPIngressPath", "pathType", OneOf(&["Exact", "Prefix", "ImplementationSpecific"])),
    ("HTTPIngressRuleValue", "paths", NotEmpty),
    ("HorizontalPodAutoscalerSpec", "maxReplicas", AT_LEAST_ONE),
    ("HorizontalPodAutoscalerSpec", "minReplicas", COUNT),
    ("IngressServiceBackend", "name", Subdomain),
    ("JobSpec", "activeDeadlineSeconds", AT_LEAST_ONE),
    ("JobSpec", "backoffLimit", COUNT),
    ("JobSpec", "completionMode", OneOf(&["NonIndexed", "Indexed"])),
    ("JobSpec", "completions", COUNT),
    ("JobSpec", "parallelism", COUNT),
    ("JobSpec", "ttlSecondsAfterFinished", COUNT),
    ("LabelSelector", "matchLabels", Labels),
    ("LabelSelectorRequirement", "operator", SELECTOR_OPERATOR),
    ("LimitRangeItem", "type", OneOf(&["Container", "Pod", "PersistentVolumeClaim"])),
    ("LimitRangeSpec", "limits", NotEmpty),
    ("LocalObjectReference", "name", Subdomain),
    ("MetricSpec", "type", OneOf(&["Resource", "ContainerResource", "Pods", "Object", "External"])),
    ("MetricTarget", "averageUtilization", AT_LEAST_ONE),
    ("MetricTarget", "type", OneOf(&["Utilization", "Value", "AverageValue"])),
    ("NetworkPolicyPort", "endPort", Port),
    ("NetworkPolicyPort", "port", Port),
    ("NetworkPolicyPort", "protocol", PROTOCOL),
    ("NetworkPolicySpec", "policyTypes", OneOf(&["Ingress", "Egress"])),
    ("NodeSelectorRequirement", "operator", OneOf(&["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"])),
    ("ObjectMeta", "annotations", QualifiedKeys),
    ("ObjectMeta", "labels", Labels),
    ("ObjectMeta", "namespace", Label),
    (
        "PersistentVolumeClaimSpec",
        "accessModes",
        OneOf(&["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"]),
    ),
    ("PersistentVolumeClaimSpec", "volumeMode", OneOf(&["Filesystem", "Block"])),
    ("PodDisruptionBudgetSpec", "unhealthyPodEvictionPolicy", OneOf(&["IfHealthyBudget", "AlwaysAllow"])),
    ("PodSpec", "activeDeadlineSeconds", AT_LEAST_ONE),
    ("PodSpec", "containers", NotEmpty),
    ("PodSpec", "dnsPolicy", OneOf(&["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"])),
    ("PodSpec", "nodeSelector", Labels),
    ("PodSpec", "preemptionPolicy", OneOf(&["PreemptLowerPriority", "Never"])),
    ("PodSpec", "restartPolicy", OneOf(&["Always", "OnFailure", "Never"])),
    ("PodSpec", "serviceAccountName", Subdomain),
    ("PodSpec", "terminationGracePeriodSeconds", COUNT),
    ("Probe", "failureThreshold", AT_LEAST_ONE),
    ("Probe", "initialDelaySeconds", COUNT),
    ("Probe", "periodSeconds", AT_LEAST_ONE),
    ("Probe", "successThreshold", AT_LEAST_ONE),
    ("Probe", "terminationGracePeriodSeconds", AT_LEAST_ONE),
    ("Probe", "timeoutSeconds", AT_LEAST_ONE),
    ("ReplicaSetSpec", "replicas", COUNT),
    ("ResourceQuotaSpec", "hard", QualifiedKeys),
    ("ResourceRequirements", "limits", QualifiedKeys),
    ("ResourceRequirements", "requests", QualifiedKeys),
    ("RoleRef", "kind", OneOf(&["Role", "ClusterRole"])),
    ("SeccompProfile", "type", OneOf(&["RuntimeDefault", "Localhost", "Unconfined"])),
    ("Secret", "data", ConfigKeys),
    ("Secret", "stringData", ConfigKeys),
    ("SecretKeySelector", "name", Subdomain),
    ("ServiceBackendPort", "name", PortName),
    ("ServiceBackendPort", "number", Port),
    ("ServicePort", "name", Label),
    ("ServicePort", "nodePort", Port),
    ("ServicePort", "port", Port),
    ("ServicePort", "protocol", PROTOCOL),
    ("ServicePort", "targetPort", Port),
    ("ServiceSpec", "externalTrafficPolicy", TRAFFIC_POLICY),
    ("ServiceSpec", "internalTrafficPolicy", TRAFFIC_POLICY),
    ("ServiceSpec", "ipFamilyPolicy", OneOf(&["SingleStack", "PreferDualStack", "RequireDualStack"])),
    ("ServiceSpec", "selector", Labels),
    ("ServiceSpec", "sessionAffinity", OneOf(&["None", "ClientIP"])),
    ("ServiceSpec", "type", OneOf(&["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"])),
    ("StatefulSetPersistentVolumeClaimRetentionPolicy", "whenDeleted", RETENTION),
    ("StatefulSetPersistentVolumeClaimRetentionPolicy", "whenScaled", RETENTION),
    ("StatefulSetSpec", "podManagementPolicy", OneOf(&["OrderedReady", "Parallel"])),
    ("StatefulSetSpec", "replicas", COUNT),
    ("StatefulSetSpec", "revisionHistoryLimit", COUNT),
    ("StatefulSetUpdateStrategy", "type", OneOf(&["OnDelete", "RollingUpdate"])),
    ("Subject", "kind", OneOf(&["User", "Group", "ServiceAccount"])),
    ("TCPSocketAction", "port", Port),
    ("Toleration", "effect", TAINT_EFFECT),
    ("Toleration", "operator", OneOf(&["Exists", "Equal", "Lt", "Gt"])),
    ("TopologySpreadConstraint", "maxSkew", AT_LEAST_ONE),
    ("TopologySpreadConstraint", "whenUnsatisfiable", OneOf(&["DoNotSchedule", "ScheduleAnyway"])),
    ("Volume", "name", Label),
    ("VolumeMount", "mountPropagation", OneOf(&["None", "HostToContainer", "Bidirectional"])),
];

/// Fields that the API server demands and the published schema calls optional.
static REQUIRED: &[(&str, &str)] = &[
    ("Container", "image"),
    ("CronJob", "spec"),
    ("DaemonSet", "spec"),
    ("Deployment", "spec"),
    ("DeploymentSpec", "template"),
    ("HorizontalPodAutoscaler", "spec"),
    ("Ingress", "spec"),
    ("Job", "spec"),
    ("LimitRange", "spec"),
    ("MetricTarget", "type"),
    ("NetworkPolicy", "spec"),
    ("PersistentVolumeClaim", "spec"),
    ("PersistentVolumeClaimSpec", "accessModes"),
    ("PersistentVolumeClaimSpec", "resources"),
    ("Pod", "spec"),
    ("PodDisruptionBudget", "spec"),
    ("PodTemplateSpec", "spec"),
    ("ReplicaSet", "spec"),
    ("ReplicaSetSpec", "template"),
    ("ResourceQuota", "spec"),
    ("Service", "spec"),
    ("StatefulSet", "spec"),
];

/// The rule for a field of a definition such as `io.k8s.api.core.v1.Container`.
pub(super) fn rule_for(definition: &str, field: &str) -> Option<&'static Rule> {
    let object = definition.rsplit('.').next()?;
    let place = RULES.binary_search_by(|(o, f, _)| (*o, *f).cmp(&(object, field))).ok()?;
    Some(&RULES[place].2)
}

/// True where the API server demands a field that the published schema calls optional.
pub(super) fn is_required(definition: &str, field: &str) -> bool {
    let object = definition.rsplit('.').next().unwrap_or_default();
    REQUIRED.contains(&(object, field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_so_that_it_can_be_searched() {
        assert!(RULES.is_sorted_by(|a, b| (a.0, a.1) < (b.0, b.1)));
    }
}
