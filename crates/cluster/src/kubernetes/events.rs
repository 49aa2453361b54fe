//! What the cluster says happened to workloads that are not ready. Events can not be watched by
//! tenant, so they are asked for, and only where something is wrong.

use super::client::{answered, api};
use super::index::Index;
use super::state::EventFacts;
use kube::Client;
use kube::api::ListParams;
use kube::core::{ApiResource, GroupVersionKind};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Between two rounds.
const ROUND: Duration = Duration::from_secs(3);
/// Tenants asked about in a round, so that an outage of everything does not flood the API server.
const TENANTS_PER_ROUND: usize = 20;
/// Events read of one namespace.
const EVENTS_PER_TENANT: u32 = 200;

/// Asks for events until told to stop.
pub(super) async fn run(client: Client, index: Arc<Index>, stop: CancellationToken) {
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("", "v1", "Event"), "events");
    let mut start = 0;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(ROUND) => {}
        }
        let mut troubled = index.in_trouble();
        troubled.sort();
        let count = troubled.len();
        let turn = troubled.iter().cycle().skip(start).take(count.min(TENANTS_PER_ROUND));
        for tenant in turn {
            let calls = api(&client, &resource, Some(&tenant.namespace()));
            let warnings = ListParams::default().fields("type=Warning").limit(EVENTS_PER_TENANT);
            let Ok(listed) = answered(calls.list(&warnings)).await else { continue };
            let events = listed.items.iter().filter_map(|event| serde_json::to_value(event).ok());
            let events = events.map(|event| EventFacts::of(&event)).filter(EventFacts::is_telling);
            index.set_events(tenant, events.collect());
        }
        start = if count == 0 { 0 } else { (start + TENANTS_PER_ROUND) % count };
    }
}
