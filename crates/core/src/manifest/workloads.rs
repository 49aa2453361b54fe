//! Each service's Deployment and Service, field by field as the contract prints them.

use super::config::{SERVICE_CONFIG, SERVICE_SECRET, digest, service_settings, settings_read_by};
use super::footprint::requirements;
use super::pods::{Pod, mount};
use super::{
    CONTAINER_PORT, HTTP, Object, SERVICE_LABEL, SERVICE_PORT, Scope, app_selector, claims, count, labels,
    redis,
};
use crate::catalog::ModelImage;
use crate::sizing::ServicePlan;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::api::core::v1::{
    ConfigMapEnvSource, Container, ContainerPort, EnvFromSource, EnvVar, HTTPGetAction, ImageVolumeSource,
    Lifecycle, LifecycleHandler, PodTemplateSpec, Probe, SecretEnvSource, Service, ServicePort, ServiceSpec,
    SleepAction, TopologySpreadConstraint, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

pub(super) fn workloads(scope: &Scope<'_>) -> Vec<Object> {
    let settings = service_settings(scope);
    let pair = |plan: &ServicePlan| {
        let config_digest = digest(settings_read_by(&settings, plan.service));
        [deployment(scope, plan, config_digest), service(scope, plan)]
    };
    scope.services().iter().flat_map(pair).collect()
}

fn deployment(scope: &Scope<'_>, plan: &ServicePlan, config_digest: String) -> Object {
    let name = plan.service.as_str();
    // The containers' limits are the whole plan, and so is the quota: a pod more would be refused,
    // and its GPU would be taken. One goes, then one comes.
    let rolling_update = RollingUpdateDeployment {
        max_surge: Some(IntOrString::Int(0)),
        max_unavailable: Some(IntOrString::Int(1)),
    };
    let spec = DeploymentSpec {
        replicas: Some(count(plan.replicas)),
        selector: app_selector(name),
        strategy: Some(DeploymentStrategy {
            type_: Some("RollingUpdate".into()),
            rolling_update: Some(rolling_update),
        }),
        template: pod_template(scope, plan, config_digest),
        ..DeploymentSpec::default()
    };
    Object::Deployment(Deployment {
        metadata: scope.service_metadata(name, plan.service),
        spec: Some(spec),
        ..Deployment::default()
    })
}

fn pod_template(scope: &Scope<'_>, plan: &ServicePlan, config_digest: String) -> PodTemplateSpec {
    let name = plan.service.as_str();
    let container = Container {
        name: name.into(),
        image: Some(scope.settings.image(plan.service)),
        ports: Some(vec![ContainerPort { container_port: CONTAINER_PORT, ..ContainerPort::default() }]),
        resources: Some(requirements(scope, plan.requests, plan.limits)),
        env: Some(environment(scope, plan)),
        env_from: Some(environment_sources()),
        startup_probe: Some(startup_probe(scope.settings.lifecycle.startup_seconds)),
        lifecycle: leave_endpoints(scope.settings.lifecycle.leave_endpoints_seconds),
        liveness_probe: Some(probe("/health", 30, 10)),
        readiness_probe: Some(probe("/ready", 5, 5)),
        volume_mounts: scope
            .settings
            .model_images
            .get(&plan.service)
            .map(|models| vec![VolumeMount { read_only: Some(true), ..mount(MODELS, &models.path) }]),
        ..Container::default()
    };
    let mut pod_labels = scope.labels();
    pod_labels.insert("app".into(), name.into());
    pod_labels.insert(SERVICE_LABEL.into(), name.into());
    let claims = claims::of_pod(scope, plan);
    if claims.is_some() {
        pod_labels.insert(claims::GPU_TYPE_LABEL.into(), scope.tenant.sizing.gpu_type.clone());
    }
    let models = scope.settings.model_images.get(&plan.service);
    let pod = Pod {
        labels: pod_labels,
        config_digest,
        container,
        claims,
        volumes: models.map(model_volume).into_iter().collect(),
        run_as_user: scope.settings.run_as_user,
        has_gpu: plan.limits.gpu > 0,
    };
    let mut template = pod.template(scope);
    // Pods of a service keep apart where nodes allow it, so that a node takes down one of them.
    let spread = TopologySpreadConstraint {
        max_skew: 1,
        topology_key: "kubernetes.io/hostname".into(),
        when_unsatisfiable: "ScheduleAnyway".into(),
        label_selector: Some(app_selector(name)),
        // Pods of the revision before do not count: they go, and would push the new ones together.
        match_label_keys: Some(vec!["pod-template-hash".into()]),
        ..TopologySpreadConstraint::default()
    };
    let spec = template.spec.get_or_insert_default();
    spec.topology_spread_constraints = Some(vec![spread]);
    spec.termination_grace_period_seconds =
        Some(scope.settings.lifecycle.drain_seconds_of(plan.service).into());
    template
}

/// Name of the volume with a service's models.
const MODELS: &str = "models";

/// The files of an image, read-only. Kubernetes 1.35 and newer.
fn model_volume(models: &ModelImage) -> Volume {
    let image = ImageVolumeSource { reference: Some(models.image.clone()), ..ImageVolumeSource::default() };
    Volume { name: MODELS.into(), image: Some(image), ..Volume::default() }
}

/// The contract's three, in its order; whatever else a service reads is in [`environment_sources`].
fn environment(scope: &Scope<'_>, plan: &ServicePlan) -> Vec<EnvVar> {
    let variable = |name: &str, value: &str| EnvVar {
        name: name.into(),
        value: Some(value.into()),
        ..EnvVar::default()
    };
    vec![
        variable("TENANT_ID", scope.tenant.id.as_str()),
        variable("SERVICE_TYPE", plan.service.as_str()),
        variable("REDIS_URL", redis::URL),
    ]
}

fn environment_sources() -> Vec<EnvFromSource> {
    let config = ConfigMapEnvSource { name: SERVICE_CONFIG.into(), optional: None };
    let secret = SecretEnvSource { name: SERVICE_SECRET.into(), optional: None };
    vec![
        EnvFromSource { config_map_ref: Some(config), ..EnvFromSource::default() },
        EnvFromSource { secret_ref: Some(secret), ..EnvFromSource::default() },
    ]
}

fn probe(path: &str, initial_delay_seconds: i32, period_seconds: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.into()),
            port: IntOrString::Int(CONTAINER_PORT),
            ..HTTPGetAction::default()
        }),
        initial_delay_seconds: Some(initial_delay_seconds),
        period_seconds: Some(period_seconds),
        ..Probe::default()
    }
}

/// Until it succeeds, liveness does not look: loading a model is not taken for hanging.
fn startup_probe(longest_seconds: u32) -> Probe {
    let period_seconds = 5;
    Probe {
        initial_delay_seconds: None,
        failure_threshold: Some(count(longest_seconds.div_ceil(5))),
        ..probe("/health", 0, period_seconds)
    }
}

/// The pod is taken out of its Service while it still takes requests, so that none is refused; then
/// the program is told, and has the rest of the grace period for its calls. Kubernetes 1.30 and newer.
fn leave_endpoints(seconds: u32) -> Option<Lifecycle> {
    let sleep = SleepAction { seconds: seconds.into() };
    let pre_stop = LifecycleHandler { sleep: Some(sleep), ..LifecycleHandler::default() };
    (seconds > 0).then(|| Lifecycle { pre_stop: Some(pre_stop), ..Lifecycle::default() })
}

fn service(scope: &Scope<'_>, plan: &ServicePlan) -> Object {
    let name = plan.service.as_str();
    let port = ServicePort {
        name: Some(HTTP.into()),
        port: SERVICE_PORT,
        target_port: Some(IntOrString::Int(CONTAINER_PORT)),
        protocol: Some("TCP".into()),
        ..ServicePort::default()
    };
    let spec = ServiceSpec {
        selector: Some(labels([("app", name)])),
        ports: Some(vec![port]),
        type_: Some("ClusterIP".into()),
        ..ServiceSpec::default()
    };
    let metadata = scope.service_metadata(format!("{name}-service"), plan.service);
    Object::Service(Service { metadata, spec: Some(spec), ..Service::default() })
}
