//! PodDisruptionBudget of each service, and HorizontalPodAutoscaler of each that can move.

use super::footprint::{cpu, times};
use super::{Object, Scope, app_selector, count};
use crate::quantity::Resources;
use crate::sizing::{ServicePlan, Sizing, fewest_replicas};
use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HPAScalingPolicy, HPAScalingRules, HorizontalPodAutoscaler,
    HorizontalPodAutoscalerBehavior, HorizontalPodAutoscalerSpec, MetricSpec, MetricTarget,
    ResourceMetricSource,
};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// Kubernetes' own wait before it scales down, which is never undercut.
const SHORTEST_WAIT_SECONDS: i32 = 300;
/// Longest period of a scaling policy that Kubernetes takes.
const LONGEST_PERIOD_SECONDS: i32 = 1800;

pub(super) fn scaling(scope: &Scope<'_>) -> Vec<Object> {
    let most = most_replicas(&scope.tenant.sizing);
    let fewest = fewest_replicas(scope.catalog, &scope.tenant.spec.demand(), &scope.tenant.sizing);
    let plans = || scope.services().iter();
    let autoscalers = (plans().zip(fewest.into_iter().zip(most)))
        .filter(|(_, (fewest, most))| fewest < most)
        .map(|(plan, (fewest, most))| autoscaler(scope, plan, fewest, most));
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

/// Fewest pods for the mean of the working hours, most by the plan.
fn autoscaler(scope: &Scope<'_>, plan: &ServicePlan, fewest: u32, most: u32) -> Object {
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
        min_replicas: Some(count(fewest)),
        max_replicas: count(most),
        metrics: Some(vec![metric]),
        behavior: Some(behavior(scope.settings.lifecycle.drain_seconds_of(plan.service))),
    };
    Object::HorizontalPodAutoscaler(HorizontalPodAutoscaler {
        metadata: scope.service_metadata(name, plan.service),
        spec,
        ..HorizontalPodAutoscaler::default()
    })
}

/// Up at once, as Kubernetes does unless it is told otherwise; down by a pod in the time that one has to finish
/// its calls, after that long of less load.
fn behavior(drain_seconds: u32) -> HorizontalPodAutoscalerBehavior {
    let policy =
        |type_: &str, value, period_seconds| HPAScalingPolicy { type_: type_.into(), value, period_seconds };
    let rules = |wait: i32, policies| HPAScalingRules {
        stabilization_window_seconds: Some(wait),
        select_policy: Some("Max".into()),
        policies: Some(policies),
        ..HPAScalingRules::default()
    };
    let wait = count(drain_seconds).max(SHORTEST_WAIT_SECONDS);
    HorizontalPodAutoscalerBehavior {
        scale_up: Some(rules(0, vec![policy("Percent", 100, 15), policy("Pods", 4, 15)])),
        scale_down: Some(rules(wait, vec![policy("Pods", 1, wait.min(LONGEST_PERIOD_SECONDS))])),
    }
}

/// One pod at a time may be moved away. That holds for a service of a single pod too: with none
/// allowed, its node could never be drained.
fn disruption_budget(scope: &Scope<'_>, plan: &ServicePlan) -> Object {
    let name = plan.service.as_str();
    let spec = PodDisruptionBudgetSpec {
        max_unavailable: Some(IntOrString::Int(1)),
        selector: Some(app_selector(name)),
        // A pod that never became ready keeps no node from being drained.
        unhealthy_pod_eviction_policy: Some("AlwaysAllow".into()),
        ..PodDisruptionBudgetSpec::default()
    };
    Object::PodDisruptionBudget(PodDisruptionBudget {
        metadata: scope.service_metadata(name, plan.service),
        spec: Some(spec),
        ..PodDisruptionBudget::default()
    })
}
