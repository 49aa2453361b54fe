//! The tenant's redis: configuration, Service and StatefulSet.
//!
//! The contract's containers name it `redis://redis-service:6379`, without a password: its
//! NetworkPolicy admits the tenant's services alone.

use super::config::digest;
use super::footprint::requirements;
use super::pods::{Pod, mount};
use super::{Object, REDIS_PORT, Scope, app_selector, labels};
use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec};
use k8s_openapi::api::core::v1::{
    ConfigMap, ConfigMapVolumeSource, Container, ContainerPort, ExecAction, PersistentVolumeClaim,
    PersistentVolumeClaimSpec, Probe, Service, ServicePort, ServiceSpec, TCPSocketAction, Volume,
    VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::BTreeMap;

const NAME: &str = "redis";
const SERVICE_NAME: &str = "redis-service";
const CONFIG_NAME: &str = "redis-config";

/// How the tenant's containers reach it, as the contract prints it.
pub(super) const URL: &str = "redis://redis-service:6379";

pub(super) fn config(scope: &Scope<'_>) -> Object {
    Object::ConfigMap(ConfigMap {
        metadata: scope.metadata(CONFIG_NAME),
        data: Some(settings(scope)),
        ..ConfigMap::default()
    })
}

fn settings(scope: &Scope<'_>) -> BTreeMap<String, String> {
    let redis = &scope.settings.redis;
    let max_memory_mib = redis.memory_mib * redis.max_data_percent / 100;
    // Protected mode refuses every client from another pod while there is no password.
    let text = format!(
        "port {REDIS_PORT}\nprotected-mode no\ndir /data\nappendonly yes\nsave \"\"\n\
         maxmemory {max_memory_mib}mb\nmaxmemory-policy noeviction\n"
    );
    BTreeMap::from([("redis.conf".to_owned(), text)])
}

pub(super) fn service(scope: &Scope<'_>) -> Object {
    let port = ServicePort {
        name: Some(NAME.into()),
        port: REDIS_PORT,
        protocol: Some("TCP".into()),
        target_port: Some(IntOrString::Int(REDIS_PORT)),
        ..ServicePort::default()
    };
    let spec = ServiceSpec {
        type_: Some("ClusterIP".into()),
        selector: Some(labels([("app", NAME)])),
        ports: Some(vec![port]),
        ..ServiceSpec::default()
    };
    let metadata = scope.metadata(SERVICE_NAME);
    Object::Service(Service { metadata, spec: Some(spec), ..Service::default() })
}

pub(super) fn stateful_set(scope: &Scope<'_>) -> Object {
    let redis = &scope.settings.redis;
    let container = Container {
        name: NAME.into(),
        image: Some(redis.image.clone()),
        command: Some(vec!["redis-server".into(), "/etc/redis/redis.conf".into()]),
        ports: Some(vec![ContainerPort { container_port: REDIS_PORT, ..ContainerPort::default() }]),
        resources: Some(requirements(scope, redis.requests(), redis.limits())),
        volume_mounts: Some(vec![mount("data", "/data"), mount("config", "/etc/redis")]),
        // It accepts connections, and so lives, while it still reads its data back from disk.
        liveness_probe: Some(Probe {
            tcp_socket: Some(TCPSocketAction { port: IntOrString::Int(REDIS_PORT), host: None }),
            initial_delay_seconds: Some(10),
            period_seconds: Some(10),
            ..Probe::default()
        }),
        readiness_probe: Some(Probe {
            exec: Some(ExecAction { command: Some(vec!["redis-cli".into(), "-e".into(), "ping".into()]) }),
            initial_delay_seconds: Some(2),
            period_seconds: Some(5),
            ..Probe::default()
        }),
        ..Container::default()
    };
    let config = ConfigMapVolumeSource { name: CONFIG_NAME.into(), ..ConfigMapVolumeSource::default() };
    let mut pod_labels = scope.labels();
    pod_labels.insert("app".into(), NAME.into());
    let pod = Pod {
        labels: pod_labels,
        config_digest: digest(&settings(scope)),
        container,
        claims: None,
        volumes: vec![Volume { name: "config".into(), config_map: Some(config), ..Volume::default() }],
        run_as_user: redis.run_as_user,
        has_gpu: false,
    };
    let spec = StatefulSetSpec {
        replicas: Some(1),
        selector: app_selector(NAME),
        service_name: Some(SERVICE_NAME.into()),
        template: pod.template(scope),
        volume_claim_templates: Some(vec![volume_claim(scope)]),
        ..StatefulSetSpec::default()
    };
    Object::StatefulSet(StatefulSet {
        metadata: scope.metadata(NAME),
        spec: Some(spec),
        ..StatefulSet::default()
    })
}

fn volume_claim(scope: &Scope<'_>) -> PersistentVolumeClaim {
    let size = Quantity(format!("{}Gi", scope.settings.redis.storage_gib));
    let class = &scope.settings.storage_class;
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some("data".into()),
            labels: Some(scope.labels()),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".into()]),
            resources: Some(VolumeResourceRequirements {
                requests: Some(BTreeMap::from([("storage".to_owned(), size)])),
                limits: None,
            }),
            storage_class_name: (!class.is_empty()).then(|| class.clone()),
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    }
}
