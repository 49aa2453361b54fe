//! Creations, changes and the ends of deletions.

use super::alert_feed;
use super::prices;
use super::progress::Kept;
use super::revisions::RevisionRows;
use super::rows::{self, to_document};
use super::{Shared, SqlStore};
use crate::database::DamageLog;
use crate::errors::WorkError;
use crate::sql::{Change, Sql, values};
use ecp_core::Timestamp;
use ecp_core::audit::AuditEntry;
use ecp_core::deployment::{Deployment, DeploymentStatus};
use ecp_core::ids::TenantId;
use ecp_core::ports::{Admission, Created, IdempotencyKey, NewTenant, StoreError, TenantChange};
use ecp_core::tenant::{Tenant, TenantSecrets, TenantStatus};
use ecp_core::text::Message;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How long a key answers with its first response, in seconds.
const IDEMPOTENCY_KEPT_S: i64 = 24 * 60 * 60;

/// A creation or change that was committed.
struct Accepted {
    tenant: Arc<Tenant>,
    deployment: Arc<Deployment>,
    /// Of a creation.
    secrets: Option<TenantSecrets>,
    revision: Option<Arc<RevisionRows>>,
    queue_number: u64,
    /// Of a creation, where the accepting process works on it.
    epoch: Option<u64>,
    /// What it takes the place of, where the controller ends that with it.
    ended: Option<Kept>,
}

impl Accepted {
    fn publish(&self, shared: &Shared, due: Timestamp) {
        let mut index = shared.index.write();
        index.put_tenant(self.tenant.clone());
        if let Some((entry, secrets)) = index.entry_mut(&self.tenant.id).zip(self.secrets.clone()) {
            entry.secrets = Some(secrets);
        }
        index.deployments.put(self.deployment.clone());
        drop(index);
        if let Some(ended) = &self.ended {
            ended.publish(shared);
        }
        if let Some(revision) = &self.revision {
            revision.publish(shared, &self.tenant.id);
        }
        shared.published_number.fetch_max(self.queue_number, Ordering::Relaxed);
        shared.leased_new(&self.tenant.id, self.epoch);
        shared.put_queued(&self.tenant.id, self.queue_number, 0, due);
        shared.tell_tenants_changed();
    }
}

/// What a creation's transaction came to.
enum Outcome {
    New(Accepted),
    Replayed(serde_json::Value),
}

impl SqlStore {
    /// Tenant, deployment, secrets, work item, audit entry and idempotency key: one transaction.
    pub(super) async fn accept_creation(&self, mut new: NewTenant) -> Result<Created, StoreError> {
        const OPERATION: &str = "creating a tenant";
        let (now, due) = (self.clock.now(), self.clock.steady());
        let mut documents = CreationDocuments::of(&new).map_err(|error| error.into_store_error(OPERATION))?;
        let outcome = self.write(
            OPERATION,
            move |sql, shared| {
                if let Some((key, _)) = &new.idempotency {
                    purge_responses(sql, now)?;
                    if let Some(response) = kept_response(sql, key, now)? {
                        return Ok(Arc::new(Outcome::Replayed(response)));
                    }
                }
                if let Some(last) = rows::last_generation(sql, &new.tenant.id)? {
                    new.succeed(last);
                    documents = CreationDocuments::of(&new)?;
                }
                let queue_number = shared.next_queue_number();
                insert_creation(sql, &new, &documents, queue_number, now)?;
                admit(sql, shared, &new.admission, &new.tenant.id)?;
                let epoch = shared.lease_new(sql, &new.tenant.id)?;
                Ok(Arc::new(Outcome::New(Accepted {
                    tenant: Arc::new(new.tenant),
                    deployment: Arc::new(new.deployment),
                    secrets: Some(new.secrets),
                    revision: Some(documents.revision),
                    queue_number,
                    epoch,
                    ended: None,
                })))
            },
            move |shared, outcome| {
                if let Outcome::New(accepted) = &**outcome {
                    accepted.publish(shared, due);
                }
            },
        );
        Ok(match &*outcome.await? {
            Outcome::New(accepted) => Created::New(accepted.tenant.clone()),
            Outcome::Replayed(response) => Created::Replayed(response.clone()),
        })
    }

    /// A change, or the start of a deletion.
    pub(super) async fn accept_change(&self, change: TenantChange) -> Result<Arc<Tenant>, StoreError> {
        const OPERATION: &str = "changing a tenant";
        let due = self.clock.steady();
        let prepare = || {
            let revision = change.revision.clone().map(RevisionRows::of).transpose()?.map(Arc::new);
            Ok((to_document(&change.tenant)?, to_document(&change.deployment)?, revision))
        };
        let (tenant_document, deployment_document, revision) =
            prepare().map_err(|error: WorkError| error.into_store_error(OPERATION))?;
        let by_controller = change.ended.is_some().then(|| change.tenant.id.clone());
        let work = move |sql: &Sql<'_>, shared: &Shared| {
            let TenantChange { tenant, deployment, audit, admission, ended, .. } = change;
            let stored = rows::tenant(sql, &tenant.id)?
                .ok_or_else(|| StoreError::TenantNotFound(tenant.id.clone()))?;
            if stored.status == TenantStatus::Deleting {
                return Err(StoreError::TenantDeleting(tenant.id).into());
            }
            if tenant.generation != stored.generation + 1 {
                let actual = stored.generation;
                return Err(StoreError::GenerationMismatch { tenant_id: tenant.id, actual }.into());
            }
            rows::update_tenant(sql, &tenant, &tenant_document)?;
            prices::change(sql, &stored, &tenant)?;
            rows::insert_deployment(sql, &deployment, &deployment_document)?;
            if let Some(revision) = &revision {
                revision.insert(sql, &tenant.id)?;
            }
            let queue_number = shared.next_queue_number();
            queue(sql, &tenant.id, queue_number)?;
            rows::insert_audit(sql, &audit)?;
            admit(sql, shared, &admission, &tenant.id)?;
            Ok(Arc::new(Accepted {
                tenant: Arc::new(tenant),
                deployment: Arc::new(deployment),
                secrets: None,
                revision,
                queue_number,
                epoch: None,
                ended: ended.map(|ended| Kept::of(sql, ended)).transpose()?,
            }))
        };
        let publish = move |shared: &Shared, accepted: &Arc<Accepted>| accepted.publish(shared, due);
        let accepted = match by_controller {
            Some(id) => self.write_held(&id, OPERATION, work, publish).await?,
            None => self.write(OPERATION, work, publish).await?,
        };
        Ok(accepted.tenant.clone())
    }

    /// Takes away everything of a tenant but its audit trail. A tenant that is not being deleted,
    /// such as a new one under the same id, is refused as changed meanwhile.
    pub(super) async fn end_deletion(&self, id: TenantId, audit: AuditEntry) -> Result<(), StoreError> {
        let now = self.clock.now();
        let (removed, held) = (id.clone(), id.clone());
        self.write_held(
            &held,
            "removing a tenant",
            move |sql, shared| {
                let tenant = rows::tenant(sql, &id)?.ok_or_else(|| StoreError::TenantNotFound(id.clone()))?;
                if tenant.status != TenantStatus::Deleting {
                    let actual = tenant.generation;
                    return Err(StoreError::GenerationMismatch { tenant_id: id, actual }.into());
                }
                let mut deletion = rows::deployment(sql, &tenant.deployment_id)?
                    .ok_or(StoreError::DeploymentNotFound(tenant.deployment_id))?;
                if deletion.status != DeploymentStatus::Deleted {
                    deletion.created_resources.clear();
                    deletion.pending_resources.clear();
                    deletion.complete(now);
                }
                let message = Message::new("alert.tenant_gone");
                let last = alert_feed::last_changes(sql, shared, &id, now, &message)?;
                sql.execute("DELETE FROM tenants WHERE id = ?1", values![id.as_str()])?;
                rows::end_generations(sql, &id, tenant.generation)?;
                prices::end(sql, &id, now)?;
                rows::insert_audit(sql, &audit)?;
                shared.unlease_gone(sql, &id)?;
                sql.touch(Change::TenantGone(id, Box::new(deletion.clone())));
                Ok((Arc::new(deletion), last))
            },
            move |shared, (deletion, last)| {
                let mut index = shared.index.write();
                index.remove_tenant(&removed);
                last.iter().for_each(|event| index.alert_feed.push(event.clone()));
                index.deployments.end_tenant(&removed, deletion.clone(), now);
                drop(index);
                shared.queue.lock().remove(&removed);
                shared.unlease(&removed);
                shared.tell_outbox_changed();
                shared.tell_tenants_changed();
            },
        )
        .await
        .map(|_ended| ())
    }
}

/// The rows of a creation, written before the writer's thread has it.
struct CreationDocuments {
    tenant: String,
    deployment: String,
    secrets: String,
    revision: Arc<RevisionRows>,
    response: Option<String>,
}

impl CreationDocuments {
    fn of(new: &NewTenant) -> Result<Self, WorkError> {
        Ok(Self {
            tenant: to_document(&new.tenant)?,
            deployment: to_document(&new.deployment)?,
            secrets: to_document(&new.secrets)?,
            revision: Arc::new(RevisionRows::of(new.revision.clone())?),
            response: new.idempotency.as_ref().map(|(_, response)| to_document(response)).transpose()?,
        })
    }
}

fn insert_creation(
    sql: &Sql<'_>,
    new: &NewTenant,
    documents: &CreationDocuments,
    queue_number: u64,
    now: Timestamp,
) -> Result<(), WorkError> {
    let id = &new.tenant.id;
    let inserted = sql.execute(
        "INSERT INTO tenants (id, incarnation, deployment_id, document) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO NOTHING",
        values![
            id.as_str(),
            new.tenant.incarnation.first_generation(),
            new.tenant.deployment_id.as_str(),
            &documents.tenant
        ],
    )?;
    if inserted == 0 {
        // The row is there: where it does not read, it is damaged.
        let existing = rows::tenant(sql, id).map_err(|_| StoreError::TenantDamaged(id.clone()))?;
        let existing_status = existing.map_or(TenantStatus::Pending, |tenant| tenant.status);
        return Err(StoreError::TenantExists { tenant_id: id.clone(), existing_status }.into());
    }
    sql.touch(Change::Tenant(id.clone()));
    prices::begin(sql, &new.tenant, new.tenant.created_at)?;
    rows::insert_deployment(sql, &new.deployment, &documents.deployment)?;
    sql.execute(
        "INSERT INTO secrets (tenant_id, document) VALUES (?1, ?2)",
        values![id.as_str(), &documents.secrets],
    )?;
    documents.revision.insert(sql, id)?;
    queue(sql, id, queue_number)?;
    rows::insert_audit(sql, &new.audit)?;
    if let (Some((key, _)), Some(response)) = (&new.idempotency, &documents.response) {
        sql.execute(
            "INSERT INTO idempotency_keys (actor, key, digest, response, created_s)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            values![
                &*column(&key.actor),
                &*column(&key.key),
                &key.request_digest[..],
                response,
                now.as_second()
            ],
        )?;
    }
    Ok(())
}

/// Lets the admission decide on a tenant that was just written; a refusal undoes the writes.
fn admit(sql: &Sql<'_>, shared: &Shared, admission: &Admission, id: &TenantId) -> Result<(), WorkError> {
    let Some(decide) = admission.decision() else { return Ok(()) };
    let mut accepted = shared.index.read().ordered();
    // What neighbours in this commit wrote is not in the index yet, but it is queued.
    let neighbours: Vec<Tenant> = rows::readable(
        sql,
        &shared.damage,
        super::load::TENANTS,
        "SELECT document, id, id FROM tenants JOIN work_queue ON work_queue.tenant_id = tenants.id
         WHERE work_queue.queue_number > ?1",
        values![shared.published_number.load(Ordering::Relaxed)],
    )?;
    for neighbour in neighbours.into_iter().filter(|neighbour| neighbour.id != *id) {
        let accepted = Arc::make_mut(&mut accepted);
        accepted.retain(|tenant| tenant.id != neighbour.id);
        accepted.push(Arc::new(neighbour));
    }
    decide(&accepted)
        .map_err(|shortage| StoreError::InsufficientResources { tenant_id: id.clone(), shortage }.into())
}

/// Queues a tenant that was just created or changed: now, with no failed tries.
pub(super) fn queue(sql: &Sql<'_>, id: &TenantId, queue_number: u64) -> Result<(), WorkError> {
    sql.execute(
        "INSERT INTO work_queue (tenant_id, queue_number, attempts) VALUES (?1, ?2, 0)
             ON CONFLICT (tenant_id) DO UPDATE SET queue_number = excluded.queue_number, attempts = 0",
        values![id.as_str(), queue_number],
    )?;
    Ok(())
}

/// What an index of every database takes of a caller's text: itself, or a digest where it is long or holds
/// what text in a database may not.
fn column(text: &str) -> Cow<'_, str> {
    if text.len() <= 255 && !text.contains('\0') {
        return text.into();
    }
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().fold("sha256:".to_owned(), |hex, byte| format!("{hex}{byte:02x}")).into()
}

/// The response under a key that is not too old; an error where it was to another request.
pub(super) fn kept_response(
    sql: &Sql<'_>,
    key: &IdempotencyKey,
    now: Timestamp,
) -> Result<Option<serde_json::Value>, WorkError> {
    let found: Option<(Vec<u8>, String)> = sql.row(
        "SELECT digest, response FROM idempotency_keys WHERE actor = ?1 AND key = ?2 AND created_s > ?3",
        values![&*column(&key.actor), &*column(&key.key), now.as_second() - IDEMPOTENCY_KEPT_S],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    match found {
        None => Ok(None),
        Some((digest, response)) if digest != key.request_digest && digest != key.letters_digest => {
            let response: serde_json::Value = serde_json::from_str(&response).unwrap_or_default();
            let tenant_id = response["tenant_id"].as_str().map(str::to_owned);
            Err(StoreError::IdempotencyKeyReused { tenant_id }.into())
        }
        Some((_, response)) => Ok(Some(serde_json::from_str(&response)?)),
    }
}

fn purge_responses(sql: &Sql<'_>, now: Timestamp) -> Result<(), WorkError> {
    sql.execute(
        "DELETE FROM idempotency_keys WHERE created_s <= ?1",
        values![now.as_second() - IDEMPOTENCY_KEPT_S],
    )?;
    Ok(())
}

/// The secret values of a tenant.
pub(super) fn secrets(sql: &Sql<'_>, damage: &DamageLog, id: &TenantId) -> Result<TenantSecrets, WorkError> {
    let found =
        rows::document(sql, "SELECT document FROM secrets WHERE tenant_id = ?1", values![id.as_str()]);
    match found {
        // A reason might quote what it is about.
        Err(WorkError::Document(_)) => {
            damage.set_aside("secrets", id.as_str(), Some(id.clone()), &"it is no document of secrets");
            Err(StoreError::TenantDamaged(id.clone()).into())
        }
        found => found?.ok_or_else(|| StoreError::TenantNotFound(id.clone()).into()),
    }
}
