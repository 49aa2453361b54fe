//! What is in a namespace and is not ours, of every kind that the API server lists: before the
//! namespace goes, and everything in it with it.

use super::KubernetesCluster;
use super::client::{CallError, answered, api};
use super::kinds::{CLAIM, KINDS};
use super::ownership::{Marks, is_sibling};
use ecp_core::ids::TenantId;
use ecp_core::ports::{ClusterError, ObjectState};
use ecp_core::text::Message;
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;
use kube::core::discovery::v2::APIGroupDiscovery;
use kube::core::{ApiResource, GroupVersionKind};
use std::collections::{BTreeMap, HashSet};

/// Lists asked for at once.
const LISTS_AT_ONCE: usize = 16;
/// Objects of one page.
const PAGE: u32 = 500;
/// What the control plane, a mesh or a distribution puts into every namespace, and puts there again.
const FURNITURE: [(&str, &str); 4] = [
    ("ServiceAccount", "default"),
    ("ConfigMap", "kube-root-ca.crt"),
    ("ConfigMap", "istio-ca-root-cert"),
    ("ConfigMap", "openshift-service-ca.crt"),
];

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// What is not ours, and kinds of which that can not be told, as the status shows them.
    pub(super) foreign: Vec<ObjectState>,
    /// What is ours and still there.
    pub(super) ours: Vec<(ApiResource, String, String)>,
}

/// An object that was listed.
#[derive(Clone, Debug)]
struct Listed {
    kind: usize,
    metadata: ObjectMeta,
}

impl Listed {
    fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    fn uid(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }
}

/// What the ledger says of a tenant.
#[derive(Debug, Default)]
struct Known {
    /// Uids of our objects, the namespace's among them.
    uids: HashSet<String>,
    /// Names of kinds whose objects are ours by name: volumes, and what is made for a Service.
    names: HashSet<(&'static str, String)>,
}

impl KubernetesCluster {
    /// Looks through a tenant's namespace.
    pub(super) async fn survey(&self, tenant: &TenantId) -> Result<Survey, ClusterError> {
        let namespace = tenant.namespace();
        let refused = |error: CallError| self.told(error, "Namespace", &namespace);
        let core = answered(self.client.list_core_api_versions_aggregated()).await.map_err(refused)?;
        let groups = answered(self.client.list_api_groups_aggregated()).await.map_err(refused)?;
        let named = answered(self.client.list_api_groups()).await.map_err(refused)?;
        let mut kinds = Kinds::default();
        let known = kinds.discover(core.items.iter().chain(&groups.items));
        let versions = named.groups.into_iter().flat_map(|group| group.versions);
        let mut unknown: Vec<String> = versions.map(|version| version.group_version).collect();
        unknown.retain(|version| !known.contains(version));
        let mut unreadable = self.ask_again(&mut kinds, unknown).await;
        let kinds: Vec<ApiResource> = kinds.0.into_values().collect();
        let mut calls = Vec::with_capacity(kinds.len());
        for (kind, resource) in kinds.iter().enumerate() {
            let call = self.list_all(resource, &namespace);
            calls.push(async move { (kind, call.await) });
        }
        let lists: Vec<_> = stream::iter(calls).buffer_unordered(LISTS_AT_ONCE).collect().await;
        let mut listed = Vec::new();
        let is_there = lists.iter().any(|(_, list)| list.is_ok());
        for (kind, list) in lists {
            match list {
                Ok(objects) => listed.extend(objects.into_iter().map(|metadata| Listed { kind, metadata })),
                // It went since it was discovered, or is no list after all.
                Err(CallError::Answered(status)) if matches!(status.code, 404 | 405) => {}
                Err(CallError::Answered(status)) => {
                    unreadable.insert(full_name(&kinds[kind]), status.message);
                }
                // The API server is there, and who answers it for this kind, such as a conversion webhook, is not.
                Err(CallError::Away(said) | CallError::Hindered(said)) if is_there => {
                    unreadable.insert(full_name(&kinds[kind]), said);
                }
                Err(error) => return Err(refused(error)),
            }
        }
        let mut known = Known::default();
        for (place, name, uid) in self.index.noted(tenant) {
            known.uids.extend(uid);
            match KINDS[place].name {
                CLAIM => _ = known.names.insert((CLAIM, name)),
                "Service" => _ = known.names.insert(("Endpoints", name)),
                _ => {}
            }
        }
        let mut survey = sorted(&kinds, listed, known);
        survey.foreign.extend(unreadable.into_iter().map(|(kind, said)| ObjectState {
            reason: Some(Message::new("cluster.not_readable").with("said", said)),
            ..foreign(&kind, "*", "Unreadable")
        }));
        Ok(survey)
    }

    /// Asks the API services themselves for what the API server does not know of them: it asks as seldom
    /// as once a minute, and for a while after its start it leaves out what it has not asked yet.
    /// Returns those that do not answer, and what is said of them.
    async fn ask_again(&self, kinds: &mut Kinds, unknown: Vec<String>) -> BTreeMap<String, String> {
        let asked = unknown.into_iter().map(|version| async {
            let answer = answered(self.client.list_api_group_resources(&version)).await;
            (version, answer)
        });
        let mut silent = BTreeMap::new();
        for (group_version, answer) in join_all(asked).await {
            let (group, version) = group_version.split_once('/').unwrap_or(("", &group_version));
            let Ok(list) = answer else {
                silent.insert(
                    format!("*.{group}"),
                    format!("{group_version}: the API service does not answer"),
                );
                continue;
            };
            // A part of a kind, such as its status, has a slash in its name.
            for resource in list.resources.iter().filter(|resource| !resource.name.contains('/')) {
                let gvk = GroupVersionKind::gvk(group, version, &resource.kind);
                kinds.take(&gvk, &resource.name, resource.namespaced, &resource.verbs);
            }
        }
        silent
    }

    /// Metadata of all objects of a kind in a namespace; what they hold is nobody's business here.
    async fn list_all(&self, resource: &ApiResource, namespace: &str) -> Result<Vec<ObjectMeta>, CallError> {
        let calls = api(&self.client, resource, Some(namespace));
        let (mut found, mut page) = (Vec::new(), ListParams::default().limit(PAGE));
        loop {
            let list = answered(calls.list_metadata(&page)).await?;
            found.extend(list.items.into_iter().map(|object| object.metadata));
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(found),
            }
        }
    }
}

/// Kinds whose objects a namespace takes with it, by group and plural name.
#[derive(Debug, Default)]
struct Kinds(BTreeMap<(String, String), ApiResource>);

impl Kinds {
    /// Takes up what the API server knows of its groups, and returns the versions, as
    /// `GROUP/VERSION`, whose kinds it knows.
    fn discover<'g>(&mut self, groups: impl Iterator<Item = &'g APIGroupDiscovery>) -> HashSet<String> {
        let mut known = HashSet::new();
        for group in groups {
            let name =
                group.metadata.as_ref().and_then(|metadata| metadata.name.as_deref()).unwrap_or_default();
            for version in &group.versions {
                let version_name = version.version.as_deref().unwrap_or_default();
                if version.freshness.as_deref() != Some("Stale") || !version.resources.is_empty() {
                    known.insert(format!("{name}/{version_name}"));
                }
                for resource in &version.resources {
                    let (Some(plural), Some(kind)) = (&resource.resource, &resource.response_kind) else {
                        continue;
                    };
                    let kind = kind.kind.as_deref().unwrap_or_default();
                    let gvk = GroupVersionKind::gvk(name, version_name, kind);
                    self.take(&gvk, plural, resource.scope.as_deref() == Some("Namespaced"), &resource.verbs);
                }
            }
        }
        known
    }

    /// Takes up a kind whose objects are in namespaces, can be listed and can be deleted: what can not
    /// be deleted, such as metrics, is a view and not an object. The first version is the preferred one.
    fn take(&mut self, gvk: &GroupVersionKind, plural: &str, is_namespaced: bool, verbs: &[String]) {
        let has = |verb: &str| verbs.iter().any(|known| known == verb);
        // What happened is told, not owned; it is in two groups.
        let is_told = gvk.kind == "Event" && ["", "events.k8s.io"].contains(&gvk.group.as_str());
        if is_namespaced && has("list") && has("delete") && !is_told {
            let resource = ApiResource::from_gvk_with_plural(gvk, plural);
            self.0.entry((gvk.group.clone(), plural.to_owned())).or_insert(resource);
        }
    }
}

fn full_name(resource: &ApiResource) -> String {
    if resource.group.is_empty() {
        resource.plural.clone()
    } else {
        format!("{}.{}", resource.plural, resource.group)
    }
}

/// Tells ours from theirs: ours is what the ledger knows, and what belongs to that by the uid of its
/// owner; of what belongs to a foreign object the owner is named alone.
fn sorted(kinds: &[ApiResource], listed: Vec<Listed>, mut known: Known) -> Survey {
    let kind_of = |object: &Listed| kinds[object.kind].kind.as_str();
    let by_name = |object: &Listed| {
        let resource = &kinds[object.kind];
        let named = |(kind, name): &(&str, String)| {
            let beside = || *kind == CLAIM && is_sibling(name, object.name(), &Marks::of(&object.metadata));
            *kind == resource.kind && (name == object.name() || beside())
        };
        (resource.group.is_empty() && known.names.iter().any(named)) || is_furniture(resource, object)
    };
    let named: Vec<bool> = listed.iter().map(by_name).collect();
    for (object, _) in listed.iter().zip(&named).filter(|(_, named)| **named) {
        known.uids.insert(object.uid().to_owned());
    }
    let owners = |object: &Listed| -> Vec<String> {
        let owners = object.metadata.owner_references.as_deref().unwrap_or_default();
        owners.iter().map(|owner| owner.uid.clone()).collect()
    };
    loop {
        let before = known.uids.len();
        for object in &listed {
            if owners(object).iter().any(|owner| known.uids.contains(owner)) {
                known.uids.insert(object.uid().to_owned());
            }
        }
        if known.uids.len() == before {
            break;
        }
    }
    let there: HashSet<&str> = listed.iter().map(Listed::uid).collect();
    let mut survey = Survey::default();
    for object in &listed {
        if known.uids.contains(object.uid()) {
            let of_the_system = is_furniture(&kinds[object.kind], object);
            if !of_the_system && owners(object).is_empty() {
                let resource = kinds[object.kind].clone();
                survey.ours.push((resource, object.name().to_owned(), object.uid().to_owned()));
            }
        } else if !owners(object).iter().any(|owner| there.contains(owner.as_str())) && !is_left_over(object)
        {
            survey.foreign.push(foreign(kind_of(object), object.name(), "Foreign"));
        }
    }
    survey.foreign.sort_by(|a, b| (&a.kind, &a.name).cmp(&(&b.kind, &b.name)));
    survey
}

/// True of what is on its way out after its owner: it goes by itself, and nothing makes it anew.
fn is_left_over(object: &Listed) -> bool {
    let metadata = &object.metadata;
    metadata.deletion_timestamp.is_some()
        && metadata.owner_references.as_ref().is_some_and(|it| !it.is_empty())
}

fn is_furniture(resource: &ApiResource, object: &Listed) -> bool {
    let annotations = object.metadata.annotations.as_ref();
    let of_default = annotations
        .and_then(|them| them.get("kubernetes.io/service-account.name"))
        .is_some_and(|account| account == "default");
    resource.group.is_empty()
        && (FURNITURE.contains(&(resource.kind.as_str(), object.name()))
            || (resource.kind == "Secret" && of_default && object.name().starts_with("default-token-")))
}

fn foreign(kind: &str, name: &str, status: &str) -> ObjectState {
    ObjectState {
        kind: kind.to_owned(),
        name: name.to_owned(),
        status: status.to_owned(),
        ready: false,
        replicas: None,
        reason: Some(Message::new("cluster.not_ours")),
        stuck: false,
    }
}

#[cfg(test)]
mod tests;
