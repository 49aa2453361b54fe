//! How many more tenants of one size fit.

use super::{Absence, Node, Places, Shortage, admit};
use crate::catalog::Catalog;
use crate::ids::TenantId;
use crate::ports::Capacity;
use crate::sizing::ContainerResources;
use crate::tenant::Tenant;
use std::collections::HashSet;
use std::sync::Arc;

/// Most tenants that are tried.
pub const MOST_TRIED: usize = 1000;

/// How many more fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headroom {
    /// How many would be admitted one after another, at most [`MOST_TRIED`].
    pub more: usize,
    /// What the next one would lack; none where [`MOST_TRIED`] fit.
    pub runs_out: Option<Shortage>,
}

/// How many more tenants like this one would be admitted beside those that were, and what runs out
/// then: asked of [`admit`] itself, so that the answer is what would happen.
pub fn headroom(catalog: &Catalog, capacity: &Capacity, accepted: &[Arc<Tenant>], like: &Tenant) -> Headroom {
    let ids = free_ids(accepted);
    let refusal_after = |more: usize| {
        let mut tenants = accepted.to_vec();
        tenants.extend(ids.iter().take(more).map(|id| Arc::new(Tenant { id: id.clone(), ..like.clone() })));
        admit(catalog, capacity, &tenants, &ids[more], &like.sizing).err()
    };
    // Another one fits after every number below `low`, and none after `high`, once one was refused.
    let (mut low, mut high) = (0, 0);
    let mut refusal = refusal_after(high);
    while refusal.is_none() {
        low = high + 1;
        if low >= MOST_TRIED {
            return Headroom { more: MOST_TRIED, runs_out: None };
        }
        high = (low * 2).min(MOST_TRIED - 1);
        refusal = refusal_after(high);
    }
    while low < high {
        let middle = low + (high - low) / 2;
        match refusal_after(middle) {
            None => low = middle + 1,
            refused => (high, refusal) = (middle, refused),
        }
    }
    Headroom { more: high, runs_out: refusal.map(|shortage| *shortage) }
}

/// Ids that no accepted tenant has.
fn free_ids(accepted: &[Arc<Tenant>]) -> Vec<TenantId> {
    let taken: HashSet<&TenantId> = accepted.iter().map(|tenant| &tenant.id).collect();
    let ids = (0..).filter_map(|number: usize| TenantId::parse(&format!("what-if-{number}")).ok());
    ids.filter(|id| !taken.contains(id)).take(MOST_TRIED).collect()
}

/// The cluster without its largest node: the one with the most GPUs of a device type, then of any, then
/// cores, then memory, of those that take pods. Its name, and what is left; none where there is no such node.
pub fn without_largest_node(capacity: &Capacity, gpu_type: &str) -> Option<(String, Capacity)> {
    let size = |node: &Node| {
        let ContainerResources { cpu_millicores, memory_mib, gpu } = node.allocatable;
        let of_type: u64 =
            node.gpus.iter().filter(|gpus| gpus.gpu_type == gpu_type).map(|gpus| gpus.count).sum();
        (of_type, gpu, cpu_millicores, memory_mib)
    };
    let nodes = capacity.places.nodes.iter().enumerate();
    let (largest, place) =
        nodes.filter(|(_, place)| place.node.absence.is_none()).max_by_key(|(_, place)| size(&place.node))?;
    let mut places = Places::clone(&capacity.places);
    let node = Arc::make_mut(&mut places.nodes[largest].node);
    node.absence = Some(Absence::NotReady);
    let name = place.node.name.clone();
    Some((name, Capacity { places, ..capacity.clone() }))
}
