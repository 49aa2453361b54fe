//! What the simulated cluster reads from a Deployment or StatefulSet, and the next step of its
//! roll-out.

use ecp_core::manifest::Object;
use ecp_core::sizing::ContainerResources;
use ecp_core::tenant::DemoFault;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What all pods of one revision have in common.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Template {
    pub(super) container: String,
    pub(super) image: Arc<str>,
    pub(super) requests: ContainerResources,
    pub(super) selector: BTreeMap<String, String>,
    pub(super) gpu_resource: String,
    /// Of the whole pod template; another hash is another revision.
    hash: u64,
}

/// A Deployment or StatefulSet, as applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct WorkloadSpec {
    pub(super) replicas: u32,
    pub(super) template: Arc<Template>,
    /// Pods that may exist beyond `replicas` while a new revision rolls out.
    surge: u32,
    /// Pods that may be missing meanwhile.
    unavailable: u32,
}

/// A pod as its roll-out sees it.
#[derive(Clone, Copy)]
pub(super) struct Member {
    pub(super) pod: u64,
    /// It is of the newest revision.
    pub(super) current: bool,
    pub(super) ready: bool,
}

/// What to do next; empty when there is nothing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) create: u32,
    pub(super) terminate: Vec<u64>,
}

impl WorkloadSpec {
    /// Reads an object; none where it has no pods.
    pub(super) fn read(object: &Object) -> Option<Self> {
        let workload = object.workload()?;
        let template = object.pod_template()?;
        let pod = template.spec.as_ref()?;
        let container = pod.containers.first()?;
        let gpu_resource = pod
            .containers
            .iter()
            .filter_map(|container| container.resources.as_ref()?.limits.as_ref())
            .flat_map(BTreeMap::keys)
            .find(|resource| resource.contains('/'))
            .map_or("nvidia.com/gpu", String::as_str);
        let (surge, unavailable) = room_to_roll(object, workload.replicas);
        // A template is made of strings, numbers and maps with text keys; it always serializes.
        let bytes = serde_json::to_vec(template).unwrap_or_default();
        Some(Self {
            replicas: workload.replicas,
            template: Arc::new(Template {
                container: container.name.clone(),
                image: workload.image.into(),
                requests: workload.requests,
                selector: pod.node_selector.clone().unwrap_or_default(),
                gpu_resource: gpu_resource.to_owned(),
                hash: hash([bytes.as_slice()]),
            }),
            surge,
            unavailable,
        })
    }

    /// The revision of pods made from this template while the fault is asked for.
    pub(super) fn revision(&self, fault: Option<DemoFault>) -> u64 {
        hash([&self.template.hash.to_le_bytes(), fault.map_or("", DemoFault::as_str).as_bytes()])
    }

    /// The next step of a rolling update, of scaling, or of replacing lost pods. `members` are the
    /// pods that are not terminating, oldest first.
    pub(super) fn next_step(&self, members: &[Member]) -> Step {
        let count =
            |keep: &dyn Fn(&Member) -> bool| members.iter().filter(|member| keep(member)).count() as u32;
        let mut step = Step::default();
        // Too many of the newest revision: those that serve nobody go first, then the youngest.
        let new = count(&|member| member.current);
        let mut surplus: Vec<&Member> = members.iter().rev().filter(|member| member.current).collect();
        surplus.sort_by_key(|member| member.ready);
        let surplus = surplus.into_iter().take(new.saturating_sub(self.replicas) as usize);
        step.terminate.extend(surplus.map(|member| member.pod));
        let new = new.min(self.replicas);
        // Old pods that serve nobody are in the way; those that serve go as far as may be missing.
        let idle = members.iter().filter(|member| !member.current && !member.ready);
        step.terminate.extend(idle.map(|member| member.pod));
        let ready = count(&|member| member.ready);
        let spare = (ready + self.unavailable).saturating_sub(self.replicas) as usize;
        let serving: Vec<u64> = members
            .iter()
            .filter(|member| !member.current && member.ready)
            .map(|member| member.pod)
            .collect();
        let retired = serving.len().min(spare);
        step.terminate.extend(&serving[..retired]);
        let room = (self.replicas + self.surge).saturating_sub(new + (serving.len() - retired) as u32);
        step.create = (self.replicas - new).min(room);
        step
    }
}

/// How many pods may be there too many and too few during a roll-out.
fn room_to_roll(object: &Object, replicas: u32) -> (u32, u32) {
    // A StatefulSet replaces its pods in place, one after the other.
    let Object::Deployment(deployment) = object else { return (0, 1) };
    let strategy = deployment.spec.as_ref().and_then(|spec| spec.strategy.as_ref());
    if strategy.and_then(|strategy| strategy.type_.as_deref()) == Some("Recreate") {
        return (0, replicas.max(1));
    }
    let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
    let surge = pods(rolling.and_then(|rolling| rolling.max_surge.as_ref()), replicas, u64::div_ceil);
    let unavailable =
        pods(rolling.and_then(|rolling| rolling.max_unavailable.as_ref()), replicas, |product, hundred| {
            product / hundred
        });
    // Kubernetes, too, lets one be missing where neither may.
    if surge == 0 && unavailable == 0 { (0, 1) } else { (surge, unavailable) }
}

fn pods(amount: Option<&IntOrString>, replicas: u32, divide: impl Fn(u64, u64) -> u64) -> u32 {
    let percent = match amount {
        Some(IntOrString::Int(pods)) => return u32::try_from(*pods).unwrap_or(0),
        Some(IntOrString::String(text)) => text.trim_end_matches('%').parse().unwrap_or(25),
        None => 25_u32,
    };
    u32::try_from(divide(u64::from(replicas) * u64::from(percent), 100)).unwrap_or(u32::MAX)
}

/// FNV-1a over the parts, mixed once more: the same on every machine and in every run.
pub(super) fn hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u64 {
    let mut state: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in parts.into_iter().flat_map(|part| part.iter().chain(&[0xff])) {
        state = (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(replicas: u32, surge: u32, unavailable: u32) -> WorkloadSpec {
        let template = Template {
            container: String::new(),
            image: "".into(),
            requests: ContainerResources::default(),
            selector: BTreeMap::new(),
            gpu_resource: String::new(),
            hash: 0,
        };
        WorkloadSpec { replicas, template: Arc::new(template), surge, unavailable }
    }

    /// `N` is a new pod that is ready, `n` one that is not, `O` and `o` are old ones.
    fn members(letters: &str) -> Vec<Member> {
        let member = |(pod, letter): (u64, char)| Member {
            pod,
            current: letter.eq_ignore_ascii_case(&'n'),
            ready: letter.is_ascii_uppercase(),
        };
        (0..).zip(letters.chars()).map(member).collect()
    }

    fn step(create: u32, terminate: &[u64]) -> Step {
        Step { create, terminate: terminate.to_vec() }
    }

    #[test]
    fn missing_pods_are_made_and_surplus_ones_go_idle_and_young_first() {
        assert_eq!(spec(3, 1, 0).next_step(&members("N")), step(2, &[]));
        assert_eq!(spec(3, 1, 0).next_step(&members("NNN")), step(0, &[]));
        assert_eq!(spec(2, 1, 0).next_step(&members("NnNN")), step(0, &[1, 3]));
    }

    #[test]
    fn a_roll_out_keeps_serving_within_surge_and_unavailable() {
        assert_eq!(spec(3, 1, 0).next_step(&members("OOO")), step(1, &[]));
        assert_eq!(spec(3, 1, 0).next_step(&members("OOOn")), step(0, &[]));
        assert_eq!(spec(3, 1, 0).next_step(&members("OOON")), step(1, &[0]));
        assert_eq!(spec(3, 0, 1).next_step(&members("OOO")), step(1, &[0]));
        assert_eq!(spec(3, 0, 1).next_step(&members("OOn")), step(0, &[]));
    }

    #[test]
    fn old_pods_that_serve_nobody_are_replaced_at_once() {
        assert_eq!(spec(3, 1, 0).next_step(&members("ooo")), step(3, &[0, 1, 2]));
    }
}
