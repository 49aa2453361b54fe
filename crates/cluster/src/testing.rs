//! What the tests of this crate share: a clock that they set, and small objects.

use ecp_core::Timestamp;
use ecp_core::manifest::Object;
use ecp_core::ports::Clock;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{
    Container, Namespace, PersistentVolumeClaim, PodSpec, PodTemplateSpec, ResourceQuota,
    ResourceRequirements, Service,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use parking_lot::Mutex;

/// A clock that stands still until it is set.
pub(crate) struct ManualClock(Mutex<Times>);

#[derive(Clone, Copy)]
struct Times {
    now: Timestamp,
    steady: Timestamp,
}

impl ManualClock {
    pub(crate) fn new() -> Self {
        let now = "2026-11-23T00:00:00Z".parse().expect("a timestamp");
        Self(Mutex::new(Times { now, steady: now }))
    }

    pub(crate) fn set(&self, now: Timestamp) {
        let mut times = self.0.lock();
        times.steady = now.max(times.steady);
        times.now = now.max(times.now);
    }

    /// Somebody sets the clock.
    pub(crate) fn step_to(&self, now: Timestamp) {
        self.0.lock().now = now;
    }

    pub(crate) fn pass_seconds(&self, seconds: u64) {
        let mut times = self.0.lock();
        times.now += std::time::Duration::from_secs(seconds);
        times.steady += std::time::Duration::from_secs(seconds);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.0.lock().now
    }

    fn steady(&self) -> Timestamp {
        self.0.lock().steady
    }
}

fn named(name: &str) -> ObjectMeta {
    ObjectMeta { name: Some(name.to_owned()), ..Default::default() }
}

fn amount(name: &str, text: &str) -> (String, Quantity) {
    (name.to_owned(), Quantity(text.to_owned()))
}

fn pods(image: &str, gpu: u32) -> PodTemplateSpec {
    let mut requests = vec![amount("cpu", "200m"), amount("memory", "512Mi")];
    if gpu > 0 {
        requests.push(amount("nvidia.com/gpu", &gpu.to_string()));
    }
    let resources = ResourceRequirements {
        limits: Some(requests.iter().cloned().collect()),
        requests: Some(requests.into_iter().collect()),
        ..Default::default()
    };
    let container = Container {
        name: "main".to_owned(),
        image: Some(image.to_owned()),
        resources: Some(resources),
        ..Default::default()
    };
    PodTemplateSpec {
        spec: Some(PodSpec { containers: vec![container], ..Default::default() }),
        ..Default::default()
    }
}

pub(crate) fn namespace() -> Object {
    Object::Namespace(Namespace { metadata: named("ecp-ai-acme"), ..Default::default() })
}

pub(crate) fn service(name: &str) -> Object {
    Object::Service(Service { metadata: named(name), ..Default::default() })
}

pub(crate) fn quota(storage: &str) -> Object {
    named_quota(&[("requests.storage", storage)])
}

pub(crate) fn named_quota(hard: &[(&str, &str)]) -> Object {
    let mut quota = ResourceQuota { metadata: named("quota"), ..Default::default() };
    quota.spec.get_or_insert_default().hard =
        Some(hard.iter().map(|(resource, text)| amount(resource, text)).collect());
    Object::ResourceQuota(quota)
}

/// A Deployment whose pods are replaced in place and take so many millicores each.
pub(crate) fn sized_deployment(name: &str, replicas: i32, millicores: u64, gpu: u32) -> Object {
    let Object::Deployment(mut sized) = deployment(name, "a", replicas, gpu) else {
        unreachable!("it is one")
    };
    let spec = sized.spec.get_or_insert_default();
    let strategy = spec.strategy.get_or_insert_default();
    strategy.rolling_update.get_or_insert_default().max_surge = Some(IntOrString::Int(0));
    for container in &mut spec.template.spec.get_or_insert_default().containers {
        let resources = container.resources.get_or_insert_default();
        let cpu = [amount("cpu", &format!("{millicores}m"))];
        resources.limits.get_or_insert_default().extend(cpu.clone());
        resources.requests.get_or_insert_default().extend(cpu);
    }
    Object::Deployment(sized)
}

pub(crate) fn deployment(name: &str, image: &str, replicas: i32, gpu: u32) -> Object {
    let mut deployment = Deployment { metadata: named(name), ..Default::default() };
    let spec = deployment.spec.get_or_insert_default();
    spec.replicas = Some(replicas);
    spec.template = pods(image, gpu);
    Object::Deployment(deployment)
}

pub(crate) fn autoscaler(name: &str, fewest: i32, most: i32) -> Object {
    let mut autoscaler = HorizontalPodAutoscaler { metadata: named(name), ..Default::default() };
    autoscaler.spec.scale_target_ref.kind = "Deployment".to_owned();
    autoscaler.spec.scale_target_ref.name = name.to_owned();
    autoscaler.spec.min_replicas = Some(fewest);
    autoscaler.spec.max_replicas = most;
    Object::HorizontalPodAutoscaler(autoscaler)
}

pub(crate) fn redis() -> Object {
    let mut set = StatefulSet { metadata: named("redis"), ..Default::default() };
    let spec = set.spec.get_or_insert_default();
    spec.replicas = Some(1);
    spec.template = pods("redis:7", 0);
    let mut claim = PersistentVolumeClaim { metadata: named("data"), ..Default::default() };
    let resources = &mut claim.spec.get_or_insert_default().resources;
    resources.get_or_insert_default().requests = Some([amount("storage", "10Gi")].into());
    spec.volume_claim_templates = Some(vec![claim]);
    Object::StatefulSet(set)
}
