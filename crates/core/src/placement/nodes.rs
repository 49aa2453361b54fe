//! Each node by itself: what it has, what is taken of it, and why tenants' pods stay away.

use super::{Absence, LeftOutReason, Node, Places};
use crate::catalog::KubernetesSettings;
use crate::sizing::ContainerResources;

/// A node, and what is taken of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeUse<'a> {
    /// The node.
    pub node: &'a Node,
    /// Why pods of no tenant could come here; none where they could.
    pub left_out: Option<LeftOutReason>,
    /// What pods requested, whoever's they are.
    pub requested: ContainerResources,
    /// How many pods there are.
    pub pods: u64,
    /// How many tenants have some of them.
    pub tenants: u64,
}

impl Node {
    /// Why pods of no tenant could come here, with a GPU or without.
    pub fn left_out(&self, settings: &KubernetesSettings) -> Option<LeftOutReason> {
        let nodes = &settings.nodes;
        let tolerations: Vec<_> = nodes.tolerations.iter().chain(&nodes.gpu_tolerations).collect();
        match self.absence {
            Some(Absence::NotReady) => return Some(LeftOutReason::NotReady),
            Some(Absence::Cordoned) => return Some(LeftOutReason::Cordoned),
            None => {}
        }
        if let Some(taint) = self.taints.iter().find(|taint| !taint.is_tolerated(&tolerations)) {
            return Some(LeftOutReason::Taint(taint.to_string()));
        }
        let wrong = nodes.selector.iter().find(|(key, value)| self.labels.get(*key) != Some(value));
        wrong.map(|(key, value)| LeftOutReason::Selector(format!("{key}={value}")))
    }
}

impl Places {
    /// Every node, by name.
    pub fn node_uses(&self, settings: &KubernetesSettings) -> Vec<NodeUse<'_>> {
        let mut uses: Vec<NodeUse<'_>> = self
            .nodes
            .iter()
            .map(|place| NodeUse {
                node: &place.node,
                left_out: place.node.left_out(settings),
                requested: place.taken,
                pods: place.pods,
                tenants: 0,
            })
            .collect();
        for pods in self.tenants.values() {
            let mut its: Vec<usize> = Vec::new();
            for pod in pods {
                let Some(at) = pod.node else { continue };
                let Some(used) = uses.get_mut(at) else { continue };
                used.requested.cpu_millicores += pod.requests.cpu_millicores;
                used.requested.memory_mib += pod.requests.memory_mib;
                used.requested.gpu += pod.requests.gpu;
                used.pods += 1;
                its.push(at);
            }
            its.sort_unstable();
            its.dedup();
            its.into_iter().for_each(|at| uses[at].tenants += 1);
        }
        uses.sort_by(|one, other| one.node.name.cmp(&other.node.name));
        uses
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Place, Taint, TaintEffect, TenantPod};
    use super::*;
    use crate::catalog::Catalog;
    use crate::ids::TenantId;
    use std::sync::Arc;

    fn resources(cpu_millicores: u64, memory_mib: u64, gpu: u64) -> ContainerResources {
        ContainerResources { cpu_millicores, memory_mib, gpu }
    }

    fn place(node: Node, taken: ContainerResources, pods: u64) -> Place {
        Place { node: Arc::new(node), taken, taken_gpus: Vec::new(), pods }
    }

    #[test]
    fn a_node_s_pods_count_whoever_s_they_are_and_its_tenants_once() {
        let node = |name: &str| Node { name: name.to_owned(), ..Node::default() };
        let requests = resources(200, 512, 1);
        let pod = |node| TenantPod { node, app: None, requests, gpus: None, leaving: false };
        let places = Places {
            nodes: vec![
                place(node("b"), resources(100, 64, 0), 2),
                place(Node { absence: Some(Absence::Cordoned), ..node("a") }, resources(0, 0, 0), 0),
            ],
            tenants: [
                (TenantId::parse("acme").expect("a label"), vec![pod(Some(0)), pod(Some(0)), pod(None)]),
                (TenantId::parse("globex").expect("a label"), vec![pod(Some(0)), pod(Some(1))]),
            ]
            .into(),
            ..Places::default()
        };
        let catalog = Catalog::embedded();
        let uses = places.node_uses(&catalog.kubernetes);
        let [a, b] = &uses[..] else { panic!("two nodes") };
        assert_eq!((a.node.name.as_str(), a.left_out.clone()), ("a", Some(LeftOutReason::Cordoned)));
        assert_eq!((a.pods, a.tenants, a.requested), (1, 1, resources(200, 512, 1)));
        assert_eq!((b.node.name.as_str(), b.left_out.clone()), ("b", None));
        assert_eq!((b.pods, b.tenants, b.requested), (5, 2, resources(700, 64 + 3 * 512, 3)));
    }

    #[test]
    fn why_a_node_is_left_out_names_the_taint_or_the_label() {
        let mut settings = Catalog::embedded().kubernetes.clone();
        settings.nodes.selector.insert("pool".to_owned(), "tenants".to_owned());
        let tainted =
            Taint { key: "db".to_owned(), value: "only".to_owned(), effect: TaintEffect::NoSchedule };
        let label = [("pool".to_owned(), "tenants".to_owned())].into();
        let right = Node { labels: label, ..Node::default() };
        assert_eq!(right.left_out(&settings), None);
        let wrong = Node::default().left_out(&settings).map(|reason| reason.to_string());
        assert_eq!(wrong.as_deref(), Some("selector pool=tenants"));
        let tainted = Node { taints: vec![tainted], ..right };
        let why = tainted.left_out(&settings).map(|reason| reason.to_string());
        assert_eq!(why.as_deref(), Some("taint db=only:NoSchedule"));
    }
}
