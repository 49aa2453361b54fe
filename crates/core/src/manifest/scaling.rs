//! HorizontalPodAutoscaler and PodDisruptionBudget of each service.

use super::footprint::{cpu, times};
use super::{Object, Scope, app_selector, count};
use crate::quantity::Resources;
use crate::sizing::{ServicePlan, Sizing};
use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec, MetricSpec,
    MetricTarget, ResourceMetricSource,
};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

pub(super) fn scaling(scope: &Scope<'_>) -> Vec<Object> {
    let most = most_replicas(&scope.tenant.sizing);
    let plans = || scope.services().iter();
    let autoscalers = plans().zip(most).map(|(plan, most)| autoscaler(scope, plan, most));
    let budgets = plans().map(|plan| disruption_budget(scope, plan));
    autoscalers.chain(budgets).collect()
}

/// Replicas that each service may grow to. What the services leave of the plan goes to them in
/// their order, at most their own number again, so that all of them at their most still fit the
/// quota. Where the services' limits are the whole plan, none can grow, a service with a GPU
/// never beyond the plan's GPUs.
pub(super) fn most_replicas(sizing: &Sizing) -> Vec<u32> {
    let used = |sum: Resources, plan: &ServicePlan| sum.plus(&times(plan.limits, plan.replicas));
    let taken = sizing.services.iter().fold(Resources::default(), used);
    let mut free = sizing.resources.minus(&taken);
    let grow = |plan: &ServicePlan| {
        let pod = times(plan.limits, 1);
        let room = [
            (free.cpu_millicores, pod.cpu_millicores),
            (free.memory_mib, pod.memory_mib),
            (free.gpu, pod.gpu),
        ];
        let fitting = room.into_iter().filter_map(|(free, each)| free.checked_div(each)).min();
        let more = u32::try_from(fitting.unwrap_or(0)).unwrap_or(u32::MAX).min(plan.replicas);
        free = free.minus(&times(plan.limits, more));
        plan.replicas + more
    };
    sizing.services.iter().map(grow).collect()
}

fn autoscaler(scope: &Scope<'_>, plan: &ServicePlan, most: u32) -> Object {
    let name = plan.service.as_str();
    // A percentage would be one of the request, which is a tenth of what a pod may use: it would
    // scale an idle service up.
    let target = plan.limits.cpu_millicores * scope.settings.scale_up_cpu_percent / 100;
    let metric = MetricSpec {
        type_: "Resource".into(),
        resource: Some(ResourceMetricSource {
            name: "cpu".into(),
            target: MetricTarget {
                type_: "AverageValue".into(),
                average_value: Some(cpu(target.max(1))),
                ..MetricTarget::default()
            },
        }),
        ..MetricSpec::default()
    };
    let spec = HorizontalPodAutoscalerSpec {
        scale_target_ref: CrossVersionObjectReference {
            api_version: Some("apps/v1".into()),
            kind: "Deployment".into(),
            name: name.into(),
        },
        min_replicas: Some(count(plan.replicas)),
        max_replicas: count(most),
        metrics: Some(vec![metric]),
        ..HorizontalPodAutoscalerSpec::default()
    };
    Object::HorizontalPodAutoscaler(HorizontalPodAutoscaler {
        metadata: scope.service_metadata(name, plan.service),
        spec,
        ..HorizontalPodAutoscaler::default()
    })
}

/// One pod at a time may be moved away. That holds for a service of a single pod too: with none
/// allowed, its node could never be drained.
fn disruption_budget(scope: &Scope<'_>, plan: &ServicePlan) -> Object {
    let name = plan.service.as_str();
    let spec = PodDisruptionBudgetSpec {
        max_unavailable: Some(IntOrString::Int(1)),
        selector: Some(app_selector(name)),
        ..PodDisruptionBudgetSpec::default()
    };
    Object::PodDisruptionBudget(PodDisruptionBudget {
        metadata: scope.service_metadata(name, plan.service),
        spec: Some(spec),
        ..PodDisruptionBudget::default()
    })
}
