//! The watches that keep the index: one a kind for all tenants, resumed after any break.
//!
//! They select by label, since a cluster holds much that is not ours. An object that loses the label
//! leaves its watch as if it were deleted: what is noted as ours is asked for by name then. Namespaces,
//! pods and ReplicaSets are watched whole.

use super::client::{CallError, answered, api};
use super::index::{Doubt, Index};
use super::kinds::{self, KINDS};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind, PartialObjectMeta};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use serde_json::Value;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Label that marks what the orchestrator made.
pub(super) const OURS: &str = "ecp.ai/managed-by=ecp-orchestrator";
/// The server ends a watch after this long; one that ends neither then nor shortly after is half
/// open, and is begun anew.
pub(super) const WATCH_SECONDS: u32 = 45;
/// After the first failure; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// At most.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A watch that was begun anew and did not fail for so long goes on: it tells nothing when it does.
const SETTLED: Duration = Duration::from_secs(10);
/// Until a kind that the cluster does not know is asked for again.
const UNKNOWN_KIND_PAUSE: Duration = Duration::from_secs(20);

/// What a watch is for.
#[derive(Clone, Copy, Debug)]
enum Target {
    /// Objects of a kind, by its place.
    Objects(usize),
    /// Pods, whoever's they are.
    Pods,
    /// What stands between Deployments and their pods; its metadata alone.
    ReplicaSets,
    /// Nodes.
    Nodes,
    /// What devices nodes have.
    Slices,
    /// What holds devices, whoever's it is.
    Claims,
}

impl Target {
    /// Devices are looked at where they are claimed.
    fn all(index: &Index) -> impl Iterator<Item = Self> + use<> {
        let objects = (0..KINDS.len()).map(Self::Objects);
        let devices = if index.claims_devices() { [Self::Slices, Self::Claims].as_slice() } else { &[] };
        objects.chain([Self::Pods, Self::ReplicaSets, Self::Nodes]).chain(devices.iter().copied())
    }

    /// A cluster may not know them, or a role older than this release not have them.
    fn may_be_unknown(self) -> bool {
        match self {
            Self::Objects(kind) => KINDS[kind].may_be_unknown(),
            Self::Pods | Self::Nodes => false,
            Self::ReplicaSets | Self::Slices | Self::Claims => true,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Objects(kind) => KINDS[kind].plural,
            Self::Pods => "pods",
            Self::ReplicaSets => "replicasets",
            Self::Nodes => "nodes",
            Self::Slices => "resourceslices",
            Self::Claims => "resourceclaims",
        }
    }

    fn resource(self) -> ApiResource {
        let core =
            |kind, plural| ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("", "v1", kind), plural);
        let devices = |kind, plural| {
            let kind = GroupVersionKind::gvk("resource.k8s.io", "v1", kind);
            ApiResource::from_gvk_with_plural(&kind, plural)
        };
        match self {
            Self::Objects(kind) => KINDS[kind].resource(),
            Self::Pods => core("Pod", "pods"),
            Self::ReplicaSets => {
                let kind = GroupVersionKind::gvk("apps", "v1", "ReplicaSet");
                ApiResource::from_gvk_with_plural(&kind, self.name())
            }
            Self::Nodes => core("Node", "nodes"),
            Self::Slices => devices("ResourceSlice", "resourceslices"),
            Self::Claims => devices("ResourceClaim", "resourceclaims"),
        }
    }

    fn config(self) -> watcher::Config {
        let config = watcher::Config::default().timeout(WATCH_SECONDS);
        match self {
            Self::Objects(kind) if kind != kinds::NAMESPACE => config.labels(OURS),
            _ => config,
        }
    }

    fn applied(self, index: &Index, object: DynamicObject) {
        match self {
            Self::Objects(kind) => {
                if kind == kinds::NAMESPACE {
                    index.namespace_applied(&object);
                }
                index.object_applied(kind, object);
            }
            Self::Pods => index.pod_applied(&object),
            Self::ReplicaSets => index.replica_set_applied(&object),
            Self::Nodes => index.node_applied(&object),
            Self::Slices => index.slice_applied(&object),
            Self::Claims => index.claim_applied(&object),
        }
    }

    /// What was deleted, or left the watch; where that can not be told it is given back.
    fn deleted(self, index: &Index, object: &DynamicObject) -> Option<Doubt> {
        match self {
            Self::Objects(kind) if kind == kinds::NAMESPACE => {
                index.namespace_deleted(object);
                index.object_deleted(kind, object);
            }
            Self::Objects(kind) => return index.object_left(kind, object),
            Self::Pods => index.pod_deleted(object),
            Self::ReplicaSets => index.replica_set_deleted(object),
            Self::Nodes => index.node_deleted(object),
            Self::Slices => index.slice_deleted(object),
            Self::Claims => index.claim_deleted(object),
        }
        None
    }

    /// How a complete list names its objects.
    fn identity(self, object: &DynamicObject) -> String {
        let id = if matches!(self, Self::Nodes | Self::Slices) {
            &object.metadata.name
        } else {
            &object.metadata.uid
        };
        id.clone().unwrap_or_default()
    }

    /// Forgets what a complete list does not hold; what the list can not tell of is given back.
    fn retain(self, index: &Index, listed: &HashSet<String>) -> Vec<Doubt> {
        match self {
            Self::Objects(kind) => {
                if kind == kinds::NAMESPACE {
                    index.retain_namespaces(listed);
                }
                return index.retain_objects(kind, listed);
            }
            Self::Pods => index.retain_pods(listed),
            Self::ReplicaSets => index.retain_replica_sets(listed),
            Self::Nodes => index.retain_nodes(listed),
            Self::Slices => index.retain_slices(listed),
            Self::Claims => index.retain_claims(listed),
        }
        Vec::new()
    }

    /// Whether the cluster knows what is watched.
    fn set_known(self, index: &Index, known: bool) {
        match self {
            Self::Objects(kind) => index.set_known(kind, known),
            Self::Pods | Self::ReplicaSets | Self::Nodes => {}
            Self::Slices | Self::Claims => index.set_devices_unknown(!known),
        }
    }
}

/// How many watches there are.
pub(super) fn count(index: &Index) -> usize {
    Target::all(index).count()
}

/// Watches everything until told to stop.
pub(super) async fn run(client: Client, index: Arc<Index>, stop: CancellationToken) {
    let mut watches = tokio::task::JoinSet::new();
    for target in Target::all(&index) {
        let (client, index, stop) = (client.clone(), index.clone(), stop.clone());
        watches.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = keep_watching(target, &client, &index) => {}
            }
        });
    }
    while watches.join_next().await.is_some() {}
}

async fn keep_watching(target: Target, client: &Client, index: &Index) {
    let resource = target.resource();
    let mut pause = FIRST_PAUSE;
    let stream = watcher_of(client, &resource, target);
    tokio::pin!(stream);
    let mut listed: Option<HashSet<String>> = None;
    // After a failure: when the watch is taken to go on.
    let mut settles_at: Option<Instant> = None;
    // The watcher goes on by itself after an error, as soon as it is polled again.
    loop {
        let event = tokio::select! {
            event = stream.next() => event,
            () = until(settles_at) => {
                works(target, index);
                settles_at = None;
                continue;
            }
            () = doubted(target, index) => {
                tokio::time::sleep(UNKNOWN_KIND_PAUSE).await;
                stream.set(watcher_of(client, &resource, target));
                listed = None;
                continue;
            }
        };
        let Some(event) = event else { break };
        match event {
            Ok(Event::Init) => {
                settles_at = None;
                listed = Some(HashSet::new());
                if let Target::Objects(kind) = target {
                    index.begin_list(kind);
                }
            }
            Ok(Event::InitApply(object)) => {
                if let Some(listed) = &mut listed {
                    listed.insert(target.identity(&object));
                }
                target.applied(index, object);
            }
            Ok(Event::InitDone) => {
                let doubts = listed.take().map(|listed| target.retain(index, &listed)).unwrap_or_default();
                target.set_known(index, true);
                pause = FIRST_PAUSE;
                // Before anybody relies on the list: what lost its label must not look missing.
                if let Target::Objects(kind) = target {
                    for doubt in doubts {
                        settle(doubt, kind, client, index).await;
                    }
                }
                index.complete(target.name());
                // To list may be allowed, and to watch not.
                settles_at = Some(Instant::now() + SETTLED);
            }
            Ok(Event::Apply(object)) => {
                target.applied(index, object);
                pause = FIRST_PAUSE;
                works(target, index);
                settles_at = None;
            }
            Ok(Event::Delete(object)) => {
                works(target, index);
                settles_at = None;
                if let (Some(doubt), Target::Objects(kind)) = (target.deleted(index, &object), target) {
                    settle(doubt, kind, client, index).await;
                }
            }
            Err(error) if target.may_be_unknown() && is_out_of_reach(&error) => {
                // Nothing of a kind that is not known can be there, and nothing that we may not see was made by us.
                if let Target::Objects(kind) = target {
                    index.begin_list(kind);
                }
                let doubts = target.retain(index, &HashSet::new());
                if let Target::Objects(kind) = target
                    && is_unknown(&error)
                {
                    doubts.into_iter().for_each(|doubt| index.settle_gone(kind, doubt));
                }
                target.set_known(index, false);
                index.complete(target.name());
                tokio::time::sleep(UNKNOWN_KIND_PAUSE).await;
                // From the beginning: a watch that goes on where it was lists nothing, and what is there would be
                // taken for unknown until a restart.
                stream.set(watcher_of(client, &resource, target));
                listed = None;
                settles_at = None;
                index.watch_works(target.name());
            }
            Err(error) => {
                tracing::debug!(%error, watch = target.name(), "a watch broke off and goes on");
                let is_refused = matches!(code_of(&error), 401 | 403);
                if index.watch_failed(target.name(), is_refused, said(&error)) && is_refused {
                    tracing::warn!(%error, watch = target.name(), "a watch is refused; it is tried again");
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
                // A list that goes on says itself when it is complete.
                settles_at = listed.is_none().then(|| Instant::now() + SETTLED);
            }
        }
    }
}

/// Ends at a moment; never where there is none.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// A watch goes on.
fn works(target: Target, index: &Index) {
    if index.watch_works(target.name()) {
        tracing::info!(watch = target.name(), "what could not be watched is watched again");
    }
}

/// Ends when somebody was told that the cluster does not know the kind although it is watched.
async fn doubted(target: Target, index: &Index) {
    match target {
        Target::Objects(kind) => index.doubted(kind).await,
        Target::Pods | Target::ReplicaSets | Target::Nodes | Target::Slices | Target::Claims => {
            std::future::pending().await
        }
    }
}

/// Asks for an object of which a list or a watch does not tell whether it is there.
async fn settle(doubt: Doubt, kind: usize, client: &Client, index: &Index) {
    let namespace = KINDS[kind].is_namespaced().then(|| doubt.tenant.namespace());
    let calls = api(client, &KINDS[kind].resource(), namespace.as_deref());
    loop {
        match answered(calls.get(&doubt.name)).await {
            Ok(object) => return index.object_applied(kind, object),
            Err(error) if error.is_not_found() => return index.settle_gone(kind, doubt),
            // It may not be read one by one: what is listed is all that can be known.
            Err(CallError::Answered(_)) => return index.settle_gone(kind, doubt),
            Err(CallError::Away(_) | CallError::Hindered(_)) => tokio::time::sleep(LONGEST_PAUSE).await,
        }
    }
}

fn watcher_of(
    client: &Client,
    resource: &ApiResource,
    target: Target,
) -> BoxStream<'static, watcher::Result<Event<DynamicObject>>> {
    let config = target.config();
    match target {
        Target::ReplicaSets => {
            let calls: Api<PartialObjectMeta<DynamicObject>> = Api::all_with(client.clone(), resource);
            watcher(calls, config).map_ok(of_metadata).boxed()
        }
        Target::Objects(_) | Target::Pods | Target::Nodes | Target::Slices | Target::Claims => {
            watcher(api(client, resource, None), config).boxed()
        }
    }
}

/// An event of objects of which only metadata is asked for.
fn of_metadata(event: Event<PartialObjectMeta<DynamicObject>>) -> Event<DynamicObject> {
    let object = |partial: PartialObjectMeta<DynamicObject>| DynamicObject {
        types: partial.types,
        metadata: partial.metadata,
        data: Value::Null,
    };
    match event {
        Event::Apply(partial) => Event::Apply(object(partial)),
        Event::Delete(partial) => Event::Delete(object(partial)),
        Event::Init => Event::Init,
        Event::InitApply(partial) => Event::InitApply(object(partial)),
        Event::InitDone => Event::InitDone,
    }
}

/// The cluster does not know the kind, or a role older than this release does not have it.
fn is_out_of_reach(error: &watcher::Error) -> bool {
    [403, 404].contains(&code_of(error))
}

/// The cluster does not know the kind.
fn is_unknown(error: &watcher::Error) -> bool {
    code_of(error) == 404
}

/// What the API server answered to a list or to the beginning of a watch; 0 where it did not.
fn code_of(error: &watcher::Error) -> u16 {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => status.code,
        _ => 0,
    }
}

/// What went wrong, in the words of the API server where it answered.
fn said(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => {
            format!("{} {}", status.code, status.message)
        }
        other => other.to_string(),
    }
}
