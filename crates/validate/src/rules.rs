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
    /// A port, or 0 or an empty text for the default.
    PortOrNone,
    /// The name of a port.
    PortName,
    /// An RFC 1123 label; an empty text is none.
    Label,
    /// An RFC 1123 subdomain: what most objects' names are; an empty text is none.
    Subdomain,
    /// An RFC 1123 subdomain, empty texts refused.
    RequiredSubdomain,
    /// A Service's name.
    ServiceName,
    /// A qualified name: what labels' keys are.
    QualifiedName,
    /// A label's value.
    LabelValue,
    /// A mapping of labels.
    Labels,
    /// A mapping of ConfigMap or Secret keys.
    ConfigKeys,
    /// A ConfigMap or Secret key.
    ConfigKey,
    /// A text without space around it.
    Trimmed,
    /// A text with something in it.
    NotEmptyText,
    /// An environment variable's name.
    EnvName,
    /// An HTTP header's name.
    HeaderName,
    /// A list with at least one item.
    NotEmpty,
    /// An amount that is not below zero.
    NotNegative,
    /// A path that begins at the root.
    AbsolutePath,
    /// A path that does not begin at the root and does not climb.
    RelativePath,
    /// A path that does not climb.
    NoBacksteps,
    /// A part of a path: no slash, no percent sign, not a dot.
    PathSegment,
    /// The permissions of a file: 0 to 0777.
    Mode,
    /// The name of a controller: a domain with a path.
    Controller,
    /// A cron schedule.
    Schedule,
    /// A time zone of the IANA database.
    TimeZone,
    /// A Prometheus duration.
    Duration,
}

use Rule::{
    AbsolutePath, ConfigKey, ConfigKeys, Controller, EnvName, HeaderName, Label, LabelValue, Labels, Mode,
    NoBacksteps, NotEmpty, NotEmptyText, NotNegative, OneOf, PathSegment, Port, PortName, PortOrNone,
    QualifiedName, Range, RelativePath, RequiredSubdomain, Schedule, ServiceName, Subdomain, TimeZone,
    Trimmed,
};

const COUNT: Rule = Range(0, i32::MAX as i64);
const WIDE_COUNT: Rule = Range(0, i64::MAX);
const AT_LEAST_ONE: Rule = Range(1, i32::MAX as i64);
const WIDE_AT_LEAST_ONE: Rule = Range(1, i64::MAX);
/// User and group ids.
const ID: Rule = Range(0, i32::MAX as i64);
const PROTOCOL: Rule = OneOf(&["", "TCP", "UDP", "SCTP"]);
const PROTOCOL_POINTER: Rule = OneOf(&["TCP", "UDP", "SCTP"]);
const PULL_POLICY: Rule = OneOf(&["", "Always", "IfNotPresent", "Never"]);
const TERMINATION_POLICY: Rule = OneOf(&["", "File", "FallbackToLogsOnError"]);
const RETENTION: Rule = OneOf(&["", "Retain", "Delete"]);
const SELECTOR_OPERATOR: Rule = OneOf(&["In", "NotIn", "Exists", "DoesNotExist"]);
const FAILURE_POLICY: Rule = OneOf(&["Ignore", "Fail"]);
const MATCH_POLICY: Rule = OneOf(&["Exact", "Equivalent"]);
const ACCESS_MODES: Rule = OneOf(&["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"]);

/// Rules by the last part of the definition's name, and field. An empty word among those allowed says that
/// the server takes an empty text for the default; where the field is a pointer there, it does not.
static RULES: &[(&str, &str, Rule)] = &[
    ("APIServiceSpec", "groupPriorityMinimum", Range(1, 20_000)),
    ("APIServiceSpec", "versionPriority", Range(1, 1000)),
    ("AppArmorProfile", "type", OneOf(&["RuntimeDefault", "Localhost", "Unconfined"])),
    ("AzureDiskVolumeSource", "cachingMode", OneOf(&["None", "ReadOnly", "ReadWrite"])),
    ("AzureDiskVolumeSource", "kind", OneOf(&["Shared", "Dedicated", "Managed"])),
    ("CSIDriverSpec", "fsGroupPolicy", OneOf(&["ReadWriteOnceWithFSType", "File", "None"])),
    ("CSIDriverSpec", "volumeLifecycleModes", OneOf(&["Persistent", "Ephemeral"])),
    ("CertificateSigningRequestSpec", "expirationSeconds", Range(600, i32::MAX as i64)),
    ("CertificateSigningRequestSpec", "usages", OneOf(&USAGES)),
    ("ClientIPConfig", "timeoutSeconds", Range(1, 86_400)),
    ("ClusterTrustBundleProjection", "path", RelativePath),
    ("ConfigMap", "binaryData", ConfigKeys),
    ("ConfigMap", "data", ConfigKeys),
    ("ConfigMapKeySelector", "key", ConfigKey),
    ("ConfigMapKeySelector", "name", Subdomain),
    ("ConfigMapVolumeSource", "defaultMode", Mode),
    ("Container", "image", Trimmed),
    ("Container", "imagePullPolicy", PULL_POLICY),
    ("Container", "name", Label),
    ("Container", "restartPolicy", OneOf(&["Always", "OnFailure", "Never"])),
    ("Container", "terminationMessagePolicy", TERMINATION_POLICY),
    ("ContainerPort", "containerPort", Port),
    ("ContainerPort", "hostPort", PortOrNone),
    ("ContainerPort", "name", PortName),
    ("ContainerPort", "protocol", PROTOCOL),
    ("ContainerResizePolicy", "resourceName", OneOf(&["cpu", "memory"])),
    ("ContainerResizePolicy", "restartPolicy", OneOf(&["NotRequired", "RestartContainer"])),
    ("ContainerRestartRule", "action", OneOf(&["Restart", "RestartAllContainers"])),
    ("ContainerRestartRuleOnExitCodes", "operator", OneOf(&["In", "NotIn"])),
    ("CronJobSpec", "concurrencyPolicy", OneOf(&["", "Allow", "Forbid", "Replace"])),
    ("CronJobSpec", "failedJobsHistoryLimit", COUNT),
    ("CronJobSpec", "schedule", Schedule),
    ("CronJobSpec", "startingDeadlineSeconds", WIDE_COUNT),
    ("CronJobSpec", "successfulJobsHistoryLimit", COUNT),
    ("CronJobSpec", "timeZone", TimeZone),
    ("CrossVersionObjectReference", "kind", PathSegment),
    ("CrossVersionObjectReference", "name", PathSegment),
    ("CustomResourceColumnDefinition", "type", OneOf(&["integer", "number", "string", "boolean", "date"])),
    ("CustomResourceConversion", "strategy", OneOf(&["", "None", "Webhook"])),
    ("CustomResourceDefinitionSpec", "scope", OneOf(&["Namespaced", "Cluster"])),
    ("DaemonSetSpec", "minReadySeconds", COUNT),
    ("DaemonSetSpec", "revisionHistoryLimit", COUNT),
    ("DaemonSetUpdateStrategy", "type", OneOf(&["", "OnDelete", "RollingUpdate"])),
    ("DeploymentSpec", "minReadySeconds", COUNT),
    ("DeploymentSpec", "progressDeadlineSeconds", COUNT),
    ("DeploymentSpec", "replicas", COUNT),
    ("DeploymentSpec", "revisionHistoryLimit", COUNT),
    ("DeploymentStrategy", "type", OneOf(&["", "Recreate", "RollingUpdate"])),
    ("DeviceTaint", "effect", OneOf(&["NoSchedule", "NoExecute", "None"])),
    ("DownwardAPIVolumeFile", "mode", Mode),
    ("DownwardAPIVolumeFile", "path", RelativePath),
    ("DownwardAPIVolumeSource", "defaultMode", Mode),
    ("EmptyDirVolumeSource", "sizeLimit", NotNegative),
    ("Endpoint", "nodeName", Subdomain),
    ("EndpointAddress", "hostname", Label),
    ("EndpointPort", "name", Label),
    ("EndpointSlice", "addressType", OneOf(&["IPv4", "IPv6", "FQDN"])),
    ("EnvVar", "name", EnvName),
    ("EphemeralContainer", "image", Trimmed),
    ("EphemeralContainer", "imagePullPolicy", PULL_POLICY),
    ("EphemeralContainer", "name", Label),
    ("EphemeralContainer", "terminationMessagePolicy", TERMINATION_POLICY),
    ("ExactDeviceRequest", "allocationMode", OneOf(&["", "ExactCount", "All"])),
    ("FlowDistinguisherMethod", "type", OneOf(&["ByUser", "ByNamespace"])),
    ("FlowSchemaSpec", "matchingPrecedence", Range(0, 10_000)),
    ("GRPCAction", "port", Port),
    ("HPAScalingPolicy", "periodSeconds", Range(1, 1800)),
    ("HPAScalingPolicy", "type", OneOf(&["Pods", "Percent"])),
    ("HPAScalingPolicy", "value", AT_LEAST_ONE),
    ("HPAScalingRules", "selectPolicy", OneOf(&["Max", "Min", "Disabled"])),
    ("HPAScalingRules", "stabilizationWindowSeconds", Range(0, 3600)),
    ("HTTPGetAction", "port", Port),
    ("HTTPGetAction", "scheme", OneOf(&["", "HTTP", "HTTPS"])),
    ("HTTPHeader", "name", HeaderName),
    ("HTTPIngressPath", "pathType", OneOf(&["Exact", "Prefix", "ImplementationSpecific"])),
    ("HTTPIngressRuleValue", "paths", NotEmpty),
    ("HorizontalPodAutoscalerSpec", "maxReplicas", AT_LEAST_ONE),
    ("HorizontalPodAutoscalerSpec", "minReplicas", AT_LEAST_ONE),
    ("HorizontalPodAutoscalerSpec", "targetCPUUtilizationPercentage", AT_LEAST_ONE),
    ("HostPathVolumeSource", "path", NoBacksteps),
    (
        "HostPathVolumeSource",
        "type",
        OneOf(&[
            "",
            "DirectoryOrCreate",
            "Directory",
            "FileOrCreate",
            "File",
            "Socket",
            "CharDevice",
            "BlockDevice",
        ]),
    ),
    ("IngressClassParametersReference", "apiGroup", Subdomain),
    ("IngressClassParametersReference", "kind", PathSegment),
    ("IngressClassParametersReference", "name", PathSegment),
    ("IngressClassParametersReference", "namespace", Label),
    ("IngressClassSpec", "controller", Controller),
    ("IngressServiceBackend", "name", ServiceName),
    ("JobSpec", "activeDeadlineSeconds", WIDE_COUNT),
    ("JobSpec", "backoffLimit", COUNT),
    ("JobSpec", "backoffLimitPerIndex", COUNT),
    ("JobSpec", "completionMode", OneOf(&["NonIndexed", "Indexed"])),
    ("JobSpec", "completions", COUNT),
    ("JobSpec", "maxFailedIndexes", COUNT),
    ("JobSpec", "parallelism", COUNT),
    ("JobSpec", "podReplacementPolicy", OneOf(&["TerminatingOrFailed", "Failed"])),
    ("JobSpec", "ttlSecondsAfterFinished", COUNT),
    ("KeyToPath", "mode", Mode),
    ("KeyToPath", "path", RelativePath),
    ("LabelSelector", "matchLabels", Labels),
    ("LabelSelectorRequirement", "key", QualifiedName),
    ("LabelSelectorRequirement", "operator", SELECTOR_OPERATOR),
    ("LimitResponse", "type", OneOf(&["Queue", "Reject"])),
    ("LimitedPriorityLevelConfiguration", "lendablePercent", Range(0, 100)),
    ("LimitedPriorityLevelConfiguration", "nominalConcurrencyShares", COUNT),
    ("MetricSpec", "type", OneOf(&["Resource", "ContainerResource", "Pods", "Object", "External"])),
    ("MetricTarget", "averageUtilization", AT_LEAST_ONE),
    ("MetricTarget", "type", OneOf(&["Utilization", "Value", "AverageValue"])),
    ("MutatingWebhook", "failurePolicy", FAILURE_POLICY),
    ("MutatingWebhook", "matchPolicy", MATCH_POLICY),
    ("MutatingWebhook", "reinvocationPolicy", OneOf(&["Never", "IfNeeded"])),
    ("MutatingWebhook", "sideEffects", OneOf(&["None", "NoneOnDryRun"])),
    ("MutatingWebhook", "timeoutSeconds", Range(1, 30)),
    ("NFSVolumeSource", "path", AbsolutePath),
    ("NamedRuleWithOperations", "operations", OneOf(&["*", "CREATE", "UPDATE", "DELETE", "CONNECT"])),
    ("NetworkPolicyPort", "endPort", Port),
    ("NetworkPolicyPort", "port", Port),
    ("NetworkPolicyPort", "protocol", PROTOCOL_POINTER),
    ("NetworkPolicySpec", "policyTypes", OneOf(&["Ingress", "Egress"])),
    ("NodeSelectorRequirement", "key", QualifiedName),
    ("NodeSelectorRequirement", "operator", OneOf(&["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"])),
    ("PersistentVolumeClaimSpec", "accessModes", ACCESS_MODES),
    ("PersistentVolumeClaimSpec", "storageClassName", Subdomain),
    ("PersistentVolumeClaimSpec", "volumeAttributesClassName", Subdomain),
    ("PersistentVolumeClaimSpec", "volumeMode", OneOf(&["Filesystem", "Block"])),
    ("PersistentVolumeSpec", "accessModes", ACCESS_MODES),
    ("PersistentVolumeSpec", "persistentVolumeReclaimPolicy", OneOf(&["", "Retain", "Recycle", "Delete"])),
    ("PersistentVolumeSpec", "storageClassName", Subdomain),
    ("PersistentVolumeSpec", "volumeMode", OneOf(&["Filesystem", "Block"])),
    ("PodAffinityTerm", "topologyKey", QualifiedName),
    ("PodDisruptionBudgetSpec", "unhealthyPodEvictionPolicy", OneOf(&["IfHealthyBudget", "AlwaysAllow"])),
    ("PodFailurePolicyOnExitCodesRequirement", "operator", OneOf(&["In", "NotIn"])),
    ("PodFailurePolicyOnPodConditionsPattern", "status", OneOf(&["", "True", "False", "Unknown"])),
    ("PodFailurePolicyOnPodConditionsPattern", "type", QualifiedName),
    ("PodFailurePolicyRule", "action", OneOf(&["FailJob", "FailIndex", "Ignore", "Count"])),
    ("PodOS", "name", OneOf(&["linux", "windows"])),
    ("PodReadinessGate", "conditionType", QualifiedName),
    ("PodResourceClaim", "name", Label),
    ("PodSchedulingGate", "name", QualifiedName),
    ("PodSecurityContext", "fsGroup", ID),
    ("PodSecurityContext", "fsGroupChangePolicy", OneOf(&["OnRootMismatch", "Always"])),
    ("PodSecurityContext", "runAsGroup", ID),
    ("PodSecurityContext", "runAsUser", ID),
    ("PodSecurityContext", "seLinuxChangePolicy", OneOf(&["Recursive", "MountOption"])),
    ("PodSecurityContext", "supplementalGroupsPolicy", OneOf(&["Merge", "Strict"])),
    ("PodSpec", "activeDeadlineSeconds", AT_LEAST_ONE),
    ("PodSpec", "containers", NotEmpty),
    ("PodSpec", "dnsPolicy", OneOf(&["", "ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"])),
    ("PodSpec", "hostname", Label),
    ("PodSpec", "nodeName", Subdomain),
    ("PodSpec", "nodeSelector", Labels),
    ("PodSpec", "preemptionPolicy", OneOf(&["PreemptLowerPriority", "Never"])),
    ("PodSpec", "priorityClassName", Subdomain),
    ("PodSpec", "restartPolicy", OneOf(&["", "Always", "OnFailure", "Never"])),
    ("PodSpec", "runtimeClassName", RequiredSubdomain),
    ("PodSpec", "serviceAccountName", Subdomain),
    ("PodSpec", "subdomain", Label),
    ("PreferredSchedulingTerm", "weight", Range(1, 100)),
    ("PriorityClass", "preemptionPolicy", OneOf(&["PreemptLowerPriority", "Never"])),
    ("PriorityLevelConfigurationReference", "name", Subdomain),
    ("PriorityLevelConfigurationSpec", "type", OneOf(&["Limited", "Exempt"])),
    ("Probe", "failureThreshold", COUNT),
    ("Probe", "initialDelaySeconds", COUNT),
    ("Probe", "periodSeconds", COUNT),
    ("Probe", "successThreshold", COUNT),
    ("Probe", "terminationGracePeriodSeconds", WIDE_AT_LEAST_ONE),
    ("Probe", "timeoutSeconds", COUNT),
    ("ProjectedVolumeSource", "defaultMode", Mode),
    ("ReplicaSetSpec", "minReadySeconds", COUNT),
    ("ReplicaSetSpec", "replicas", COUNT),
    ("ReplicationControllerSpec", "minReadySeconds", COUNT),
    ("ReplicationControllerSpec", "replicas", COUNT),
    ("ReplicationControllerSpec", "selector", Labels),
    ("RoleRef", "name", PathSegment),
    ("RuleWithOperations", "operations", OneOf(&["CREATE", "UPDATE", "DELETE", "CONNECT", "*"])),
    ("RuleWithOperations", "scope", OneOf(&["*", "Cluster", "Namespaced"])),
    ("RuntimeClass", "handler", Label),
    ("SeccompProfile", "type", OneOf(&["RuntimeDefault", "Localhost", "Unconfined"])),
    ("Secret", "data", ConfigKeys),
    ("Secret", "stringData", ConfigKeys),
    ("SecretKeySelector", "key", ConfigKey),
    ("SecretKeySelector", "name", Subdomain),
    ("SecretVolumeSource", "defaultMode", Mode),
    ("SecurityContext", "procMount", OneOf(&["Default", "Unmasked"])),
    ("SecurityContext", "runAsGroup", ID),
    ("SecurityContext", "runAsUser", ID),
    ("ServiceAccountTokenProjection", "expirationSeconds", Range(600, 1 << 32)),
    ("ServiceAccountTokenProjection", "path", RelativePath),
    ("ServiceBackendPort", "name", PortName),
    ("ServiceBackendPort", "number", PortOrNone),
    ("ServicePort", "appProtocol", QualifiedName),
    ("ServicePort", "name", Label),
    ("ServicePort", "nodePort", Range(0, 65_535)),
    ("ServicePort", "port", Port),
    ("ServicePort", "protocol", PROTOCOL),
    ("ServicePort", "targetPort", PortOrNone),
    ("ServiceReference", "port", Port),
    ("ServiceSpec", "externalTrafficPolicy", OneOf(&["", "Cluster", "Local"])),
    ("ServiceSpec", "internalTrafficPolicy", OneOf(&["Cluster", "Local"])),
    ("ServiceSpec", "ipFamilies", OneOf(&["IPv4", "IPv6"])),
    ("ServiceSpec", "ipFamilyPolicy", OneOf(&["SingleStack", "PreferDualStack", "RequireDualStack"])),
    ("ServiceSpec", "selector", Labels),
    ("ServiceSpec", "sessionAffinity", OneOf(&["", "None", "ClientIP"])),
    ("ServiceSpec", "trafficDistribution", OneOf(&["PreferClose", "PreferSameZone", "PreferSameNode"])),
    ("ServiceSpec", "type", OneOf(&["", "ClusterIP", "NodePort", "LoadBalancer", "ExternalName"])),
    ("StatefulSetOrdinals", "start", COUNT),
    ("StatefulSetPersistentVolumeClaimRetentionPolicy", "whenDeleted", RETENTION),
    ("StatefulSetPersistentVolumeClaimRetentionPolicy", "whenScaled", RETENTION),
    ("StatefulSetSpec", "minReadySeconds", COUNT),
    ("StatefulSetSpec", "podManagementPolicy", OneOf(&["", "OrderedReady", "Parallel"])),
    ("StatefulSetSpec", "replicas", COUNT),
    ("StatefulSetSpec", "revisionHistoryLimit", COUNT),
    ("StatefulSetUpdateStrategy", "type", OneOf(&["", "OnDelete", "RollingUpdate"])),
    ("StorageClass", "reclaimPolicy", OneOf(&["Retain", "Delete"])),
    ("StorageClass", "volumeBindingMode", OneOf(&["Immediate", "WaitForFirstConsumer"])),
    ("TCPSocketAction", "port", Port),
    ("Taint", "effect", OneOf(&["NoSchedule", "PreferNoSchedule", "NoExecute"])),
    ("Taint", "key", QualifiedName),
    ("Taint", "value", LabelValue),
    ("TokenRequest", "expirationSeconds", Range(600, 1 << 32)),
    ("Toleration", "effect", OneOf(&["", "NoSchedule", "PreferNoSchedule", "NoExecute"])),
    ("Toleration", "key", QualifiedName),
    ("Toleration", "operator", OneOf(&["", "Exists", "Equal", "Lt", "Gt"])),
    ("TopologySelectorLabelRequirement", "values", NotEmpty),
    ("TopologySpreadConstraint", "maxSkew", AT_LEAST_ONE),
    ("TopologySpreadConstraint", "minDomains", AT_LEAST_ONE),
    ("TopologySpreadConstraint", "nodeAffinityPolicy", OneOf(&["Honor", "Ignore"])),
    ("TopologySpreadConstraint", "nodeTaintsPolicy", OneOf(&["Honor", "Ignore"])),
    ("TopologySpreadConstraint", "topologyKey", QualifiedName),
    ("TopologySpreadConstraint", "whenUnsatisfiable", OneOf(&["DoNotSchedule", "ScheduleAnyway"])),
    ("ValidatingAdmissionPolicyBindingSpec", "policyName", Subdomain),
    ("ValidatingAdmissionPolicyBindingSpec", "validationActions", OneOf(&["Deny", "Warn", "Audit"])),
    ("ValidatingAdmissionPolicySpec", "failurePolicy", FAILURE_POLICY),
    ("ValidatingWebhook", "failurePolicy", FAILURE_POLICY),
    ("ValidatingWebhook", "matchPolicy", MATCH_POLICY),
    ("ValidatingWebhook", "sideEffects", OneOf(&["None", "NoneOnDryRun"])),
    ("ValidatingWebhook", "timeoutSeconds", Range(1, 30)),
    ("Volume", "name", Label),
    ("VolumeDevice", "devicePath", NoBacksteps),
    ("VolumeMount", "mountPropagation", OneOf(&["None", "HostToContainer", "Bidirectional"])),
    ("VolumeMount", "recursiveReadOnly", OneOf(&["Disabled", "IfPossible", "Enabled"])),
    ("VolumeMount", "subPath", RelativePath),
    ("VolumeMount", "subPathExpr", RelativePath),
    ("WeightedPodAffinityTerm", "weight", Range(1, 100)),
    ("WindowsSecurityContextOptions", "runAsUserName", NotEmptyText),
];

/// What a certificate can be for.
const USAGES: [&str; 23] = [
    "signing",
    "digital signature",
    "content commitment",
    "key encipherment",
    "key agreement",
    "data encipherment",
    "cert sign",
    "crl sign",
    "encipher only",
    "decipher only",
    "any",
    "server auth",
    "client auth",
    "code signing",
    "email protection",
    "s/mime",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "timestamping",
    "ocsp signing",
    "microsoft sgc",
    "netscape sgc",
];

/// Fields that the API server demands and the published schema calls optional.
static REQUIRED: &[(&str, &str)] = &[
    ("APIService", "spec"),
    ("FlowSchema", "spec"),
    ("IngressClass", "spec"),
    ("IngressClassSpec", "controller"),
    ("JobTemplateSpec", "spec"),
    ("NamedRuleWithOperations", "apiGroups"),
    ("NamedRuleWithOperations", "apiVersions"),
    ("NamedRuleWithOperations", "operations"),
    ("NamedRuleWithOperations", "resources"),
    ("PriorityLevelConfiguration", "spec"),
    ("ValidatingAdmissionPolicy", "spec"),
    ("ClusterTrustBundleProjection", "path"),
    ("ConfigMapEnvSource", "name"),
    ("ConfigMapKeySelector", "name"),
    ("ConfigMapVolumeSource", "name"),
    ("Container", "image"),
    ("CronJob", "spec"),
    ("DaemonSet", "spec"),
    ("Deployment", "spec"),
    ("DeploymentSpec", "template"),
    ("EphemeralContainer", "image"),
    ("EphemeralVolumeSource", "volumeClaimTemplate"),
    ("ExecAction", "command"),
    ("HorizontalPodAutoscaler", "spec"),
    ("Ingress", "spec"),
    ("Job", "spec"),
    ("MetricTarget", "type"),
    ("PersistentVolume", "spec"),
    ("PersistentVolumeClaim", "spec"),
    ("PersistentVolumeClaimSpec", "accessModes"),
    ("PersistentVolumeClaimSpec", "resources"),
    ("PersistentVolumeSpec", "accessModes"),
    ("PersistentVolumeSpec", "capacity"),
    ("Pod", "spec"),
    ("PodTemplateSpec", "spec"),
    ("ReplicaSet", "spec"),
    ("ReplicaSetSpec", "template"),
    ("ReplicationController", "spec"),
    ("ReplicationControllerSpec", "template"),
    ("RuleWithOperations", "apiGroups"),
    ("RuleWithOperations", "apiVersions"),
    ("RuleWithOperations", "operations"),
    ("RuleWithOperations", "resources"),
    ("SecretEnvSource", "name"),
    ("SecretKeySelector", "name"),
    ("SecretVolumeSource", "secretName"),
    ("Service", "spec"),
    ("StatefulSet", "spec"),
    ("ValidatingWebhook", "admissionReviewVersions"),
    ("MutatingWebhook", "admissionReviewVersions"),
];

/// Fields that the published schema demands and the API server takes without: zero, empty and the
/// default are values like others there.
static OPTIONAL: &[(&str, &str)] = &[
    ("AWSElasticBlockStoreVolumeSource", "partition"),
    ("ControllerRevision", "revision"),
    ("CSIDriver", "spec"),
    ("CSINodeSpec", "drivers"),
    ("Capacity", "value"),
    ("CustomResourceConversion", "strategy"),
    ("CustomResourceDefinitionVersion", "served"),
    ("CustomResourceDefinitionVersion", "storage"),
    ("DeviceClass", "spec"),
    ("EndpointSlice", "endpoints"),
    ("Event", "involvedObject"),
    ("HTTPHeader", "value"),
    ("ISCSIPersistentVolumeSource", "lun"),
    ("ISCSIVolumeSource", "lun"),
    ("LimitRangeSpec", "limits"),
    ("PodFailurePolicy", "rules"),
    ("PodFailurePolicyOnPodConditionsPattern", "status"),
    ("PriorityClass", "value"),
    ("ResourceClaim", "spec"),
    ("ResourceClaimTemplate", "spec"),
    ("ResourceClaimTemplateSpec", "spec"),
    ("ResourcePool", "generation"),
    ("RoleRef", "apiGroup"),
    ("SleepAction", "seconds"),
    ("Sysctl", "value"),
    ("TokenRequest", "audience"),
    ("NodeSelector", "nodeSelectorTerms"),
];

/// The rule for a field of a definition such as `io.k8s.api.core.v1.Container`.
pub(super) fn rule_for(definition: &str, field: &str) -> Option<&'static Rule> {
    let object = definition.rsplit('.').next()?;
    let place = RULES.binary_search_by(|(o, f, _)| (*o, *f).cmp(&(object, field))).ok()?;
    Some(&RULES[place].2)
}

/// True where the API server demands a field, whatever the published schema says.
pub(super) fn is_required(definition: &str, field: &str, published: bool) -> bool {
    let object = definition.rsplit('.').next().unwrap_or_default();
    let listed = |table: &[(&str, &str)]| table.contains(&(object, field));
    listed(REQUIRED) || (published && !listed(OPTIONAL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_so_that_it_can_be_searched() {
        assert!(RULES.is_sorted_by(|a, b| (a.0, a.1) < (b.0, b.1)));
    }
}
