//! Each service's Deployment and Service, field by field as the contract prints them.

use super::config::{SERVICE_CONFIG, SERVICE_SECRET, digest, service_settings};
use super::footprint::requirements;
use super::pods::Pod;
use super::{
    CONTAINER_PORT, HTTP, Object, SECRET_KEYS, SERVICE_LABEL, Scope, app_selector, count, labels, redis,
};
use crate::sizing::ServicePlan;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::api::core::v1::{
    ConfigMapEnvSource, Container, ContainerPort, EnvFromSource, EnvVar, EnvVarSource, HTTPGetAction,
    PodTemplateSpec, Probe, SecretKeySelector, Service, ServicePort, ServiceSpec, TopologySpreadConstraint,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

pub(super) fn workloads(scope: &Scope<'_>) -> Vec<Object> {
    let config_digest = digest(&service_settings(scope));
    let pair = |plan| [deployment(scope, plan, &config_digest), service(scope, plan)];
    scope.services().iter().flat_map(pair).collect()
}

fn deployment(scope: &Scope<'_>, plan: &ServicePlan, config_digest: &str) -> Object {
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

fn pod_template(scope: &Scope<'_>, plan: &ServicePlan, config_digest: &str) -> PodTemplateSpec {
    let name = plan.service.as_str();
    let container = Container {
        name: name.into(),
        image: Some(scope.settings.image(plan.service)),
        ports: Some(vec![ContainerPort {
            name: Some(HTTP.into()),
            container_port: CONTAINER_PORT,
            protocol: Some("TCP".into()),
            ..ContainerPort::default()
        }]),
        resources: Some(requirements(scope.settings, plan.requests, plan.limits)),
        env: Some(environment(scope, plan)),
        env_from: Some(vec![EnvFromSource {
            config_map_ref: Some(ConfigMapEnvSource { name: SERVICE_CONFIG.into(), optional: None }),
            ..EnvFromSource::default()
        }]),
        liveness_probe: Some(probe("/health", 30, 10)),
        readiness_probe: Some(probe("/ready", 5, 5)),
        ..Container::default()
    };
    let mut pod_labels = scope.labels();
    pod_labels.insert("app".into(), name.into());
    pod_labels.insert(SERVICE_LABEL.into(), name.into());
    let pod = Pod {
        labels: pod_labels,
        config_digest: config_digest.to_owned(),
        container,
        volumes: vec![],
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
        ..TopologySpreadConstraint::default()
    };
    template.spec.get_or_insert_default().topology_spread_constraints = Some(vec![spread]);
    template
}

/// The contract's three first, in its order.
fn environment(scope: &Scope<'_>, plan: &ServicePlan) -> Vec<EnvVar> {
    let plain = |name: &str, value: &str| EnvVar {
        name: name.into(),
        value: Some(value.into()),
        ..EnvVar::default()
    };
    let secret = |key: &str| EnvVar {
        name: key.into(),
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                name: SERVICE_SECRET.into(),
                key: key.into(),
                optional: None,
            }),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    };
    let mut variables = vec![
        plain("TENANT_ID", scope.tenant.id.as_str()),
        plain("SERVICE_TYPE", plan.service.as_str()),
        plain("REDIS_URL", redis::URL),
        plain("SERVICE_UNITS", &plan.count.to_string()),
    ];
    variables.extend(SECRET_KEYS.iter().map(|key| secret(key)));
    variables
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

fn service(scope: &Scope<'_>, plan: &ServicePlan) -> Object {
    let name = plan.service.as_str();
    let port = ServicePort {
        name: Some(HTTP.into()),
        port: 80,
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
