//! What all pods have in common: the restricted Pod Security Standard, nodes, labels.

use super::config::SERVICE_ACCOUNT;
use super::{CONFIG_DIGEST, Labels, Scope, labels};
use crate::catalog::TolerationSettings;
use crate::placement::Constraint;
use k8s_openapi::api::core::v1::{
    Capabilities, Container, EmptyDirVolumeSource, LocalObjectReference, PodResourceClaim,
    PodSecurityContext, PodSpec, PodTemplateSpec, SeccompProfile, SecurityContext, Toleration, Volume,
    VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// A pod of one container, as the restricted Pod Security Standard wants it. Its root file system
/// is read-only; `/tmp` is there to write to.
pub(super) struct Pod {
    pub(super) labels: Labels,
    pub(super) config_digest: String,
    pub(super) container: Container,
    pub(super) claims: Option<Vec<PodResourceClaim>>,
    pub(super) volumes: Vec<Volume>,
    pub(super) run_as_user: i64,
    pub(super) has_gpu: bool,
}

impl Pod {
    pub(super) fn template(self, scope: &Scope<'_>) -> PodTemplateSpec {
        let mut container = self.container;
        container.security_context = Some(container_security());
        // The last lines of a container that failed are then in its pod's status, for whoever may
        // read that and no log.
        container.termination_message_policy = Some("FallbackToLogsOnError".into());
        container.volume_mounts.get_or_insert_default().push(mount("tmp", "/tmp"));
        let mut volumes = self.volumes;
        volumes.push(Volume {
            name: "tmp".into(),
            empty_dir: Some(EmptyDirVolumeSource {
                size_limit: Some(Quantity("1Gi".into())),
                ..EmptyDirVolumeSource::default()
            }),
            ..Volume::default()
        });

        let nodes = Constraint::of(scope.settings, &scope.tenant.sizing.gpu_type, self.has_gpu);
        let node_selector: Labels =
            nodes.selector.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let tolerations: Vec<Toleration> = nodes.tolerations.into_iter().map(toleration).collect();
        let pull_secrets: Vec<LocalObjectReference> = (scope.settings.images.pull_secrets.iter())
            .map(|name| LocalObjectReference { name: name.clone() })
            .collect();

        PodTemplateSpec {
            metadata: Some(ObjectMeta {
                labels: Some(self.labels),
                annotations: Some(labels([(CONFIG_DIGEST, &self.config_digest)])),
                ..ObjectMeta::default()
            }),
            spec: Some(PodSpec {
                containers: vec![container],
                volumes: Some(volumes),
                service_account_name: Some(SERVICE_ACCOUNT.into()),
                automount_service_account_token: Some(false),
                // Else every Service of the namespace becomes a handful of variables.
                enable_service_links: Some(false),
                security_context: Some(pod_security(self.run_as_user)),
                image_pull_secrets: (!pull_secrets.is_empty()).then_some(pull_secrets),
                node_selector: (!node_selector.is_empty()).then_some(node_selector),
                tolerations: (!tolerations.is_empty()).then_some(tolerations),
                resource_claims: self.claims,
                // Said only where it is not the default, which older servers do not know.
                host_users: (!scope.settings.host_users).then_some(false),
                ..PodSpec::default()
            }),
        }
    }
}

pub(super) fn mount(volume: &str, path: &str) -> VolumeMount {
    VolumeMount { name: volume.into(), mount_path: path.into(), ..VolumeMount::default() }
}

fn pod_security(user: i64) -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(user),
        run_as_group: Some(user),
        fs_group: Some(user),
        seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".into(), localhost_profile: None }),
        ..PodSecurityContext::default()
    }
}

fn container_security() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities { add: None, drop: Some(vec!["ALL".into()]) }),
        read_only_root_filesystem: Some(true),
        ..SecurityContext::default()
    }
}

fn toleration(settings: &TolerationSettings) -> Toleration {
    let operator = if settings.value.is_some() { "Equal" } else { "Exists" };
    Toleration {
        key: Some(settings.key.clone()),
        operator: Some(operator.into()),
        value: settings.value.clone(),
        effect: settings.effect.clone(),
        toleration_seconds: None,
    }
}
