//! What is promised: at every moment, and when faults have stopped and all is at rest.

use crate::replica::Replica;
use crate::users::{self, ACTOR, Kind, Request};
use ecp_cluster::SimulatedCluster;
use ecp_core::deployment::DeploymentStatus;
use ecp_core::ids::TenantId;
use ecp_core::manifest::Object;
use ecp_core::ports::{ClusterView as _, Leases as _, StoreError, TenantStore as _};
use ecp_core::tenant::{Service, Tenant, TenantStatus};
use ecp_store::{SimulatedServer, SqlStore};
use std::collections::BTreeMap;
use std::sync::Arc;

/// At most one process may act for a tenant.
pub(crate) fn at_every_moment(replicas: &[Option<Replica>], ids: &[TenantId]) -> Result<(), String> {
    for id in ids {
        let acting = replicas.iter().flatten().filter(|replica| replica.store.may_act(id)).count();
        if acting > 1 {
            return Err(format!("{acting} processes may act for {id} at once"));
        }
    }
    for (at, replica) in replicas.iter().enumerate() {
        if let Some(damage) = replica.as_ref().and_then(|replica| replica.store.damage().into_iter().next()) {
            return Err(format!("process {at} finds a row damaged: {damage:?}"));
        }
    }
    Ok(())
}

/// True where nothing is queued and no tenant is on its way to something else.
pub(crate) fn is_at_rest(server: &SimulatedServer) -> Result<bool, String> {
    let queued = "SELECT 1 FROM work_queue UNION ALL SELECT 1 FROM deployments WHERE finished = 0 LIMIT 1";
    Ok(server.rows(queued).map_err(told)?.is_empty())
}

/// What is not at rest, for people.
pub(crate) fn what_moves(server: &SimulatedServer, replicas: &[Option<Replica>]) -> String {
    let rows = |sql: &str| format!("{:?}", server.rows(sql).unwrap_or_default());
    let held: Vec<_> = replicas.iter().flatten().map(|replica| replica.store.held()).collect();
    format!(
        "queued {}, under way {}, leases {}, held {held:?}",
        rows("SELECT tenant_id, queue_number, attempts FROM work_queue"),
        rows("SELECT tenant_id, generation, json_extract(document, '$.kind'), json_extract(document, '$.phase')
              FROM deployments WHERE finished = 0"),
        rows("SELECT tenant_id, epoch, expires FROM leases"),
    )
}

/// What an entry of the audit trail says.
struct Entry {
    tenant_id: String,
    actor: String,
    action: String,
    outcome: String,
    request_id: String,
    deployment_id: String,
}

fn trail(server: &SimulatedServer) -> Result<Vec<Entry>, String> {
    let rows = server.rows(
        "SELECT tenant_id, coalesce(actor, ''), coalesce(action, ''), coalesce(outcome, ''), coalesce(request_id, ''),
                coalesce(json_extract(document, '$.after.deployment_id'), '')
         FROM audit ORDER BY number",
    );
    let entry = |row: Vec<String>| {
        let [tenant_id, actor, action, outcome, request_id, deployment_id] = row.try_into().ok()?;
        Some(Entry { tenant_id, actor, action, outcome, request_id, deployment_id })
    };
    Ok(rows.map_err(told)?.into_iter().filter_map(entry).collect())
}

/// Everything that is to be so in the end.
pub(crate) async fn in_the_end(
    server: &SimulatedServer,
    cluster: &SimulatedCluster,
    replicas: &[Option<Replica>],
    fresh: &SqlStore,
    requests: &[Request],
    ids: &[TenantId],
) -> Result<(), String> {
    let trail = trail(server)?;
    let expected = what_was_asked(&trail, requests)?;
    let told_twice = ended_twice(&trail);
    if let Some(deployment) = told_twice {
        return Err(format!("the end of deployment {deployment} is in the audit trail twice"));
    }
    for id in ids {
        let found = fresh.tenant(id);
        match (expected.get(id.as_str()), &found) {
            (None, None) => {
                let left = cluster.observe(id).map_err(|error| error.to_string())?.objects;
                if let Some(object) = left.first() {
                    return Err(format!("{} {} of {id} is left, which is gone", object.kind, object.name));
                }
            }
            (None, Some(_)) => return Err(format!("{id} is there and is not to be")),
            (Some(number), None) => {
                return Err(format!("{id} is not there, and op-{number} was acknowledged or kept"));
            }
            (Some(number), Some(tenant)) => {
                is_as_asked(tenant, *number, &requests[*number])?;
                is_in_the_cluster(fresh, cluster, tenant).await?;
            }
        }
    }
    all_see_the_same(replicas, fresh, ids)
}

/// Which request each tenant is as, by the audit trail; and that each acknowledged change is in it once.
fn what_was_asked(trail: &[Entry], requests: &[Request]) -> Result<BTreeMap<String, usize>, String> {
    let mut entries: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for entry in trail.iter().filter(|entry| entry.actor == ACTOR) {
        entries.entry(&entry.request_id).or_default().push(entry);
    }
    for (number, request) in requests.iter().enumerate() {
        let count = entries.get(users::request_id(number).as_str()).map_or(0, Vec::len);
        let (least, most) = match request.kind {
            _ if request.is_refused() => (0, 0),
            // Asked for again, a deletion is the one under way.
            Kind::Delete(_) => (0, request.asked),
            _ if request.is_acknowledged() => (1, 1),
            _ => (0, 1),
        };
        if count < least || count > most {
            return Err(format!(
                "op-{number} ({:?} {}, answered {:?}) is in the audit trail {count} times",
                request.kind, request.tenant_id, request.answers
            ));
        }
    }
    let mut expected = BTreeMap::new();
    let mut ended: BTreeMap<String, usize> = BTreeMap::new();
    for (place, entry) in trail.iter().enumerate() {
        let number = entry.request_id.strip_prefix("op-").filter(|_| entry.actor == ACTOR);
        let number = number.and_then(|number| number.parse::<usize>().ok());
        match (entry.action.as_str(), number) {
            ("tenant.delete", Some(_)) => {
                expected.remove(&entry.tenant_id);
                ended.insert(entry.tenant_id.clone(), place);
            }
            ("tenant.create" | "tenant.update", Some(number)) => {
                expected.insert(entry.tenant_id.clone(), number);
            }
            ("tenant.create" | "tenant.update" | "tenant.delete" | "tenant.heal", None) => {}
            (action, _) => return Err(format!("{action} of {} is in the audit trail", entry.tenant_id)),
        }
    }
    Ok(expected)
}

fn ended_twice(trail: &[Entry]) -> Option<&str> {
    let mut seen = BTreeMap::new();
    let ends = trail.iter().filter(|entry| {
        entry.actor == "controller" && entry.action != "tenant.heal" && !entry.deployment_id.is_empty()
    });
    for entry in ends {
        if seen.insert((&entry.deployment_id, &entry.outcome), ()).is_some() {
            return Some(&entry.deployment_id);
        }
    }
    None
}

fn is_as_asked(tenant: &Tenant, number: usize, request: &Request) -> Result<(), String> {
    let (id, name) = (&tenant.id, users::name_by(number));
    if tenant.spec.name != name {
        return Err(format!("{id} is named {:?} and not {name:?}", tenant.spec.name));
    }
    let units = tenant.spec.service_requirements.get(&Service::Callbot).copied();
    if units != Some(request.units) {
        return Err(format!("{id} has {units:?} units and not {}", request.units));
    }
    if tenant.status != TenantStatus::Running {
        return Err(format!("{id} is {:?}", tenant.status));
    }
    Ok(())
}

async fn is_in_the_cluster(
    fresh: &SqlStore,
    cluster: &SimulatedCluster,
    tenant: &Tenant,
) -> Result<(), String> {
    let id = &tenant.id;
    let deployments = fresh.deployments(id, 0, 1).await.map_err(told)?.0;
    let newest = deployments.first().ok_or_else(|| format!("{id} has no deployment"))?;
    if (&newest.id, newest.status) != (&tenant.deployment_id, DeploymentStatus::Running) || newest.unsettled {
        return Err(format!("the newest deployment of {id} is {:?} ({:?})", newest.status, newest.phase));
    }
    let wanted = wanted(fresh, tenant).await?;
    let (seen, drifts) = cluster.observe_wanted(id, &wanted).map_err(|error| error.to_string())?;
    if let Some(drift) = drifts.first() {
        return Err(format!("{} {} of {id} is not as it is to be", drift.kind, drift.name));
    }
    if let Some(object) = seen.objects.iter().find(|object| !object.ready) {
        return Err(format!("{} {} of {id} is {}", object.kind, object.name, object.status));
    }
    let there = cluster.observe(id).map_err(|error| error.to_string())?.objects;
    if (there.len(), seen.objects.len()) != (wanted.len(), wanted.len()) {
        let (there, seen, wanted) = (there.len(), seen.objects.len(), wanted.len());
        return Err(format!(
            "of {id} there are {there} objects, {seen} of the {wanted} that are to be there"
        ));
    }
    Ok(())
}

async fn wanted(fresh: &SqlStore, tenant: &Tenant) -> Result<Vec<Object>, String> {
    let id = &tenant.id;
    let revisions = fresh.revisions(id).await.map_err(told)?;
    let revision = revisions.numbered(tenant.generation).ok_or_else(|| format!("{id} has no revision"))?;
    let pinned = fresh.pinned_manifest(id, &revision.manifest).await.map_err(told)?;
    let pinned = pinned.ok_or_else(|| format!("the manifest of {id} is not kept"))?;
    let secrets = fresh.tenant_secrets(id).await.map_err(told)?;
    pinned.objects(&secrets).map_err(|error| error.to_string())
}

/// The view of every process is what is kept.
fn all_see_the_same(replicas: &[Option<Replica>], fresh: &SqlStore, ids: &[TenantId]) -> Result<(), String> {
    let kept = fresh.tenants();
    for (at, replica) in replicas.iter().enumerate() {
        let Some(store) = replica.as_ref().map(|replica| &replica.store) else { continue };
        if store.tenants() != kept {
            let names = |tenants: &[Arc<Tenant>]| {
                tenants
                    .iter()
                    .map(|tenant| format!("{} {} {:?}", tenant.id, tenant.generation, tenant.status))
                    .collect::<Vec<_>>()
            };
            return Err(format!(
                "process {at} sees {:?}, kept is {:?}",
                names(&store.tenants()),
                names(&kept)
            ));
        }
        if store.revision() != fresh.revision() {
            return Err(format!("process {at} is at revision {} of {}", store.revision(), fresh.revision()));
        }
        for id in ids {
            let open = |store: &SqlStore| {
                let tenant = store.tenant(id)?;
                store.deployment(&tenant.deployment_id).map(|deployment| (*deployment).clone())
            };
            // One that ended need not be in memory.
            if let (Some(seen), Some(kept)) = (open(store), open(fresh))
                && seen != kept
            {
                return Err(format!("process {at} sees another deployment of {id} than is kept"));
            }
            if store.edition_of(id).map(|edition| edition.digest.clone())
                != fresh.edition_of(id).map(|edition| edition.digest.clone())
            {
                return Err(format!("process {at} sees another catalog of {id} than is kept"));
            }
        }
    }
    let held: usize = replicas.iter().flatten().filter_map(|replica| replica.store.held()).sum();
    if held != kept.len() {
        return Err(format!("{held} tenants are held, of {}", kept.len()));
    }
    Ok(())
}

fn told(error: StoreError) -> String {
    match &error {
        StoreError::Database { source, .. } => format!("{error}: {source}"),
        _ => error.to_string(),
    }
}
