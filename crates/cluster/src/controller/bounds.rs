//! What bounds a tenant while a roll-out is under way: its quota, widened by what the roll-out needs.
//!
//! The quota is never absent: it binds at admission alone, and a pod that got in while there was
//! none stays. A roll-out that replaces pods in place needs no room above the plan; one that changes
//! how many there are, or how large, has old and new pods side by side for a while. Pure; applying
//! the quota and bringing it back is [`super::rollout`]'s.

use ecp_core::manifest::{Object, claimed, class_of_quota_key};
use ecp_core::quantity::parse_quantity;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentStrategy};
use k8s_openapi::api::core::v1::{PodTemplateSpec, ResourceQuota};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::BTreeMap;

/// What the manifest of a roll-out is applied with until everything is there: `wanted`, its quotas
/// widened for the pods that `earlier` manifests may have left.
pub(super) fn while_rolling_out(wanted: &[Object], earlier: &[&[Object]]) -> Vec<Object> {
    let widen = |object: &Object| match object {
        Object::ResourceQuota(quota) => Object::ResourceQuota(widened(quota, wanted, earlier)),
        other => other.clone(),
    };
    wanted.iter().map(widen).collect()
}

/// The objects that say how much a tenant may have, and the namespace that they are in.
pub(super) fn quotas(objects: &[Object]) -> Vec<Object> {
    let bounds = |object: &&Object| matches!(object, Object::Namespace(_) | Object::ResourceQuota(_));
    objects.iter().filter(bounds).cloned().collect()
}

/// For each resource the largest of what the quota says, what it said earlier, and what old and new
/// pods take side by side at most.
fn widened(quota: &ResourceQuota, wanted: &[Object], earlier: &[&[Object]]) -> ResourceQuota {
    let mut quota = quota.clone();
    let before = earlier.iter().flat_map(|objects| objects.iter()).filter_map(|object| match object {
        Object::ResourceQuota(before) if before.metadata.name == quota.metadata.name => before.spec.as_ref(),
        _ => None,
    });
    let before: Vec<_> = before.filter_map(|spec| spec.hard.as_ref()).collect();
    let hard = quota.spec.get_or_insert_default().hard.get_or_insert_default();
    for (resource, amount) in before.into_iter().flatten() {
        raise(hard, resource, amount);
    }
    let pairs = Pair::of(wanted, earlier);
    for resource in hard.keys().cloned().collect::<Vec<_>>() {
        let side_by_side = pairs.iter().map(|pair| pair.most_of(&resource)).fold(0, u128::saturating_add);
        raise(hard, &resource, &quantity(side_by_side));
    }
    quota
}

fn raise(hard: &mut BTreeMap<String, Quantity>, resource: &str, amount: &Quantity) {
    let Some(wished) = parse_quantity(&amount.0) else { return };
    match hard.get_mut(resource) {
        Some(now) if parse_quantity(&now.0).is_some_and(|now| now < wished) => *now = amount.clone(),
        Some(_) => {}
        None => _ = hard.insert(resource.to_owned(), amount.clone()),
    }
}

/// Thousandths, in the plainest spelling.
fn quantity(thousandths: u128) -> Quantity {
    match thousandths % 1000 {
        0 => Quantity((thousandths / 1000).to_string()),
        _ => Quantity(format!("{thousandths}m")),
    }
}

/// A workload as it may be, and as it is to be.
#[derive(Default)]
struct Pair<'a> {
    /// As it may be: the pods of each earlier manifest.
    old: Vec<Pods<'a>>,
    /// As it is to be; none where it goes.
    new: Option<Pods<'a>>,
}

/// The pods of a workload.
struct Pods<'a> {
    template: &'a PodTemplateSpec,
    /// At most, by its autoscaler too.
    count: u128,
    /// Beyond that while they are replaced.
    surge: u128,
    /// All of them go before the first one comes.
    one_after_another: bool,
    /// Devices that each claims, by their class.
    claimed: BTreeMap<&'a str, u64>,
}

impl<'a> Pair<'a> {
    fn of(wanted: &'a [Object], earlier: &[&'a [Object]]) -> Vec<Self> {
        let mut pairs: BTreeMap<(&str, &str), Self> = BTreeMap::new();
        for objects in earlier {
            for object in *objects {
                let Some(pods) = Pods::of(object, objects) else { continue };
                pairs.entry((object.kind(), object.name())).or_default().old.push(pods);
            }
        }
        for object in wanted {
            let Some(pods) = Pods::of(object, wanted) else { continue };
            pairs.entry((object.kind(), object.name())).or_default().new = Some(pods);
        }
        pairs.into_values().collect()
    }

    /// How much of a resource its old and new pods may take together, in thousandths.
    fn most_of(&self, resource: &str) -> u128 {
        let each = |pods: &Pods<'_>| pods.each_of(resource);
        let old_each = self.old.iter().map(each).max().unwrap_or(0);
        let old_count = self.old.iter().map(|pods| pods.count).max().unwrap_or(0);
        let before = old_each.saturating_mul(old_count);
        let Some(new) = &self.new else { return before };
        let after = each(new).saturating_mul(new.count);
        if new.one_after_another {
            return before.max(after);
        }
        // Old pods stay until enough new ones are ready: at first there may be as many new ones as
        // the workload lacks, at last as many old ones as it may have too many.
        let coming = (new.count + new.surge).saturating_sub(old_count);
        let at_first = before.saturating_add(each(new).saturating_mul(coming));
        let at_last = after.saturating_add(old_each.saturating_mul(new.surge.min(old_count)));
        at_first.max(at_last)
    }
}

impl<'a> Pods<'a> {
    fn of(object: &'a Object, all: &'a [Object]) -> Option<Self> {
        let template = object.pod_template()?;
        let replicas = u128::from(object.workload()?.replicas);
        let grows_to = all.iter().filter_map(|other| match other {
            Object::HorizontalPodAutoscaler(autoscaler)
                if autoscaler.spec.scale_target_ref.kind == object.kind()
                    && autoscaler.spec.scale_target_ref.name == object.name() =>
            {
                u128::try_from(autoscaler.spec.max_replicas).ok()
            }
            _ => None,
        });
        let count = grows_to.fold(replicas, u128::max);
        let (surge, one_after_another) = match object {
            Object::Deployment(deployment) => surge(deployment, count),
            // A pod of a StatefulSet comes when its predecessor of the same name is gone.
            _ => (0, true),
        };
        let claims = template.spec.as_ref().and_then(|pod| pod.resource_claims.as_deref());
        let claimed = claimed(all, claims.unwrap_or_default());
        Some(Self { template, count, surge, one_after_another, claimed })
    }

    /// How much of a quota's resource one pod takes, in thousandths.
    fn each_of(&self, resource: &str) -> u128 {
        let Some(pod) = &self.template.spec else { return 0 };
        if let Some(class) = class_of_quota_key(resource) {
            return u128::from(self.claimed.get(class).copied().unwrap_or(0)) * 1000;
        }
        let (name, limits_alone) = match resource.split_once('.') {
            Some(("limits", name)) => (name, true),
            Some(("requests", name)) => (name, false),
            _ if resource == "pods" || resource == "count/pods" => return 1000,
            _ => (resource, false),
        };
        let takes = |container: &k8s_openapi::api::core::v1::Container| {
            let resources = container.resources.as_ref()?;
            let limit = resources.limits.as_ref().and_then(|limits| limits.get(name));
            let request = resources.requests.as_ref().and_then(|requests| requests.get(name));
            let amount = if limits_alone { limit } else { request.or(limit) };
            parse_quantity(&amount?.0)
        };
        let running: u128 = pod.containers.iter().filter_map(takes).sum();
        let starting = pod.init_containers.iter().flatten().filter_map(takes).max().unwrap_or(0);
        running.max(starting)
    }
}

/// How many pods more than wanted a Deployment may have while it is replaced, and whether all go
/// first; what it does not say is as Kubernetes takes it.
fn surge(deployment: &Deployment, count: u128) -> (u128, bool) {
    const UNSAID: IntOrString = IntOrString::Int(0);
    let strategy = deployment.spec.as_ref().and_then(|spec| spec.strategy.as_ref());
    if strategy.and_then(|strategy| strategy.type_.as_deref()) == Some("Recreate") {
        return (0, true);
    }
    let said = |strategy: &DeploymentStrategy| strategy.rolling_update.as_ref()?.max_surge.clone();
    let percent = |percent: u128| count.saturating_mul(percent).div_ceil(100);
    let surge = match strategy.map_or(Some(UNSAID), said) {
        None => percent(25),
        Some(IntOrString::Int(pods)) => u128::try_from(pods).unwrap_or(0),
        Some(IntOrString::String(text)) => {
            text.strip_suffix('%').and_then(|text| text.parse().ok()).map_or(0, percent)
        }
    };
    (surge, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{deployment, named_quota, sized_deployment};
    use k8s_openapi::api::core::v1::PodResourceClaim;
    use proptest::prelude::*;
    use serde_json::json;

    fn hard(objects: &[Object], resource: &str) -> u128 {
        let found = objects.iter().find_map(|object| match object {
            Object::ResourceQuota(quota) => quota.spec.as_ref()?.hard.as_ref()?.get(resource).cloned(),
            _ => None,
        });
        parse_quantity(&found.expect("the quota names it").0).expect("a quantity")
    }

    /// `(replicas, millicores)` of one workload under a quota that just holds it.
    fn manifest(replicas: i32, millicores: u64) -> Vec<Object> {
        let total = u64::try_from(replicas).expect("some") * millicores;
        vec![
            named_quota(&[("limits.cpu", &format!("{total}m"))]),
            sized_deployment("callbot", replicas, millicores, 0),
        ]
    }

    #[test]
    fn pods_that_are_replaced_one_by_one_need_no_room_and_the_larger_plan_counts() {
        for (before, after, expected) in [
            // Another image, the same pods.
            ((3, 1000), (3, 1000), 3000),
            // Larger pods, then smaller ones.
            ((3, 1000), (3, 2000), 6000),
            ((3, 2000), (3, 1000), 6000),
            // More pods of the same size, then fewer.
            ((3, 1000), (5, 1000), 5000),
            ((5, 1000), (3, 1000), 5000),
            // More and smaller ones: the large one stays until one of them is ready.
            ((1, 9000), (3, 3000), 15_000),
        ] {
            let (old, new) = (manifest(before.0, before.1), manifest(after.0, after.1));
            let during = while_rolling_out(&new, &[&old]);
            assert_eq!(hard(&during, "limits.cpu"), expected, "{before:?} to {after:?}");
        }
    }

    #[test]
    fn a_surge_is_exactly_the_room_for_the_pods_it_adds() {
        for (surge, expected) in [("1", 4000), ("25%", 4000), ("100%", 6000)] {
            let mut new = manifest(3, 1000);
            let Object::Deployment(deployment) = &mut new[1] else { unreachable!("it is one") };
            let strategy = deployment.spec.get_or_insert_default().strategy.get_or_insert_default();
            let value = match surge.parse() {
                Ok(pods) => IntOrString::Int(pods),
                Err(_) => IntOrString::String(surge.to_owned()),
            };
            strategy.rolling_update.get_or_insert_default().max_surge = Some(value);
            assert_eq!(
                hard(&while_rolling_out(&new, &[&manifest(3, 1000)]), "limits.cpu"),
                expected,
                "{surge}"
            );
        }
    }

    #[test]
    fn what_goes_counts_until_it_is_gone_and_what_comes_at_once() {
        let old = vec![named_quota(&[("limits.cpu", "2")]), sized_deployment("callbot", 2, 1000, 0)];
        let new = vec![named_quota(&[("limits.cpu", "3")]), sized_deployment("chatbot", 3, 1000, 0)];
        assert_eq!(hard(&while_rolling_out(&new, &[&old]), "limits.cpu"), 5000);
    }

    #[test]
    fn only_quotas_are_other_than_wanted_and_resources_of_earlier_ones_stay_bound() {
        let old = vec![named_quota(&[("limits.cpu", "2"), ("requests.amd.com/gpu", "4")])];
        let new = vec![named_quota(&[("limits.cpu", "1")]), deployment("callbot", "b", 1, 0)];
        let during = while_rolling_out(&new, &[&old]);
        assert_eq!(hard(&during, "limits.cpu"), 2000);
        assert_eq!(hard(&during, "requests.amd.com/gpu"), 4000);
        assert_eq!(during[1..], new[1..]);
        assert_eq!(quotas(&during).len(), 1);
    }

    #[test]
    fn claimed_devices_are_bounded_by_their_class_like_any_other_resource() {
        const QUOTA: &str = "gpu.example.com.deviceclass.resource.k8s.io/devices";
        let claiming = |replicas: i32, devices: usize| {
            let template = json!({
                "apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaimTemplate",
                "metadata": {"name": "callbot-gpu"},
                "spec": {"spec": {"devices": {"requests": [
                    {"name": "gpu", "exactly": {"deviceClassName": "gpu.example.com", "count": 1}},
                ]}}},
            });
            let template: Object = serde_json::from_value(template).expect("a template");
            let mut workload = sized_deployment("callbot", replicas, 1000, 0);
            let Object::Deployment(deployment) = &mut workload else { unreachable!("it is one") };
            let pod = deployment.spec.get_or_insert_default().template.spec.get_or_insert_default();
            let claim = |number| PodResourceClaim {
                name: format!("gpu-{number}"),
                resource_claim_template_name: Some("callbot-gpu".to_owned()),
                resource_claim_name: None,
            };
            pod.resource_claims = Some((0..devices).map(claim).collect());
            let hard = (usize::try_from(replicas).expect("some") * devices).to_string();
            vec![named_quota(&[(QUOTA, &hard)]), template, workload]
        };
        // More pods of as many devices each; larger ones come while the others are there still.
        let during =
            |before: Vec<Object>, after: Vec<Object>| hard(&while_rolling_out(&after, &[&before]), QUOTA);
        assert_eq!(during(claiming(2, 1), claiming(3, 1)), 3000);
        assert_eq!(during(claiming(1, 4), claiming(2, 1)), 5000);
    }

    proptest! {
        /// A Deployment controller that replaces pods with `maxSurge: 0, maxUnavailable: 1`, against
        /// the quota: it always gets to the end, and the quota never holds more than it said.
        #[test]
        fn a_roll_out_never_waits_for_ever_for_the_quota(
            before in (1..6_i32, 1..8_u64),
            after in (1..6_i32, 1..8_u64),
        ) {
            let during = while_rolling_out(&manifest(after.0, after.1), &[&manifest(before.0, before.1)]);
            let quota = hard(&during, "limits.cpu");
            let (mut old, mut new) = (before.0, 0);
            for _round in 0..100 {
                let used = |old: i32, new: i32| old as u128 * u128::from(before.1) + new as u128 * u128::from(after.1);
                // New ones up to the wanted number, as the quota lets them in.
                while old + new < after.0 && new < after.0 {
                    prop_assert!(used(old, new + 1) <= quota, "{old} old and {new} new leave no room in {quota}");
                    new += 1;
                }
                // All that run are ready by now: old ones go as long as enough are left.
                let may_go = (old + new - (after.0 - 1)).clamp(0, old);
                old -= may_go;
            }
            prop_assert_eq!((old, new), (0, after.0));
        }
    }
}
