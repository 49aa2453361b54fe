//! Revisions: what a tenant was told to be, one after another, and which of them was seen running.
//!
//! A revision is the specification, the sizing and the objects as they were rendered when it was
//! accepted, with the catalog that they came from. It is told by its deployment how far it got. What
//! is healed to, and what is rolled back to, are questions to the list.

use crate::Timestamp;
use crate::catalog::{Catalog, CatalogDigest, Edition};
use crate::deployment::{Deployment, DeploymentKind, DeploymentStatus, Phase};
use crate::ids::DeploymentId;
use crate::manifest::{ManifestDigest, PinnedManifest};
use crate::ports::{StoreError, TenantStore};
use crate::sizing::Sizing;
use crate::tenant::{Tenant, TenantSecrets, TenantSpec, TenantStatus};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Revisions kept of each tenant, beside the one that is in force and the last that ran whole.
pub const REVISIONS_KEPT: u64 = 20;

/// Why there is a revision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// Somebody created or changed the tenant.
    #[default]
    Request,
    /// An update failed, or somebody asked for what ran before.
    Rollback,
    /// The operator changed the catalog, or runs a release that renders otherwise.
    Catalog,
}

impl Cause {
    /// The spelling of the API and of the audit trail.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Rollback => "rollback",
            Self::Catalog => "catalog",
        }
    }
}

/// How far a revision got in the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// The cluster has nothing of it.
    #[default]
    Accepted,
    /// The cluster may have some of it.
    Applying,
    /// The cluster took all of it.
    Applied,
}

/// One revision of a tenant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    /// The tenant's generation.
    pub number: u64,
    /// What rolled it out.
    pub deployment_id: DeploymentId,
    /// Why there is one.
    #[serde(default)]
    pub cause: Cause,
    /// What was asked for.
    pub spec: TenantSpec,
    /// What the tenant got.
    pub sizing: Sizing,
    /// The catalog that it was sized and rendered with.
    pub catalog: CatalogDigest,
    /// Its objects.
    pub manifest: ManifestDigest,
    /// How far it got.
    #[serde(default)]
    pub reach: Reach,
    /// When all of it was first seen running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_running_whole_at: Option<Timestamp>,
    /// When it was accepted.
    pub created_at: Timestamp,
}

impl Revision {
    /// Takes over what its deployment shows; true where that is news.
    pub fn learn_from(&mut self, deployment: &Deployment) -> bool {
        let before = (self.reach, self.seen_running_whole_at);
        self.reach = self.reach.max(reach_shown(deployment));
        if deployment.status == DeploymentStatus::Running && self.seen_running_whole_at.is_none() {
            self.seen_running_whole_at = Some(deployment.finished_at.unwrap_or(deployment.created_at));
        }
        before != (self.reach, self.seen_running_whole_at)
    }

    /// Whether its roll-out was tried and is over without having run whole.
    pub fn was_tried_in_vain(&self, deployment: Option<&Deployment>) -> bool {
        self.seen_running_whole_at.is_none()
            && deployment.is_none_or(|deployment| deployment.status.is_final())
    }
}

/// How far a deployment brought its revision, as far as its present state tells.
pub fn reach_shown(deployment: &Deployment) -> Reach {
    match deployment.phase {
        Phase::Queued | Phase::Failed | Phase::RollingBack => Reach::Accepted,
        Phase::CreatingNamespace | Phase::CreatingConfig | Phase::CreatingServices => Reach::Applying,
        Phase::ScalingServices | Phase::Verifying | Phase::Completed => Reach::Applied,
    }
}

/// A revision that is to be kept, with what is kept beside it once: its catalog and its objects.
#[derive(Clone, Debug)]
pub struct NewRevision {
    /// The revision.
    pub revision: Revision,
    /// Its catalog; none where the store has it.
    pub edition: Option<Arc<Edition>>,
    /// Its objects; none where an earlier revision of the tenant has the same.
    pub manifest: Option<PinnedManifest>,
}

impl NewRevision {
    /// What a tenant becomes under a catalog.
    pub fn render(edition: &Arc<Edition>, tenant: &Tenant, secrets: &TenantSecrets, cause: Cause) -> Self {
        let manifest = PinnedManifest::render(&edition.catalog, tenant, secrets);
        Self::pin(edition, tenant, manifest, cause)
    }

    /// What a tenant becomes, where its objects are rendered already.
    pub fn pin(edition: &Arc<Edition>, tenant: &Tenant, manifest: PinnedManifest, cause: Cause) -> Self {
        let revision = Revision {
            number: tenant.generation,
            deployment_id: tenant.deployment_id.clone(),
            cause,
            spec: tenant.spec.clone(),
            sizing: tenant.sizing.clone(),
            catalog: edition.digest.clone(),
            manifest: manifest.digest.clone(),
            reach: Reach::Accepted,
            seen_running_whole_at: None,
            created_at: tenant.updated_at,
        };
        Self { revision, edition: Some(edition.clone()), manifest: Some(manifest) }
    }

    /// An earlier revision again, its objects to the letter: `tenant` has its specification and sizing already.
    pub fn again(earlier: &Revision, tenant: &Tenant, cause: Cause) -> Self {
        let revision = Revision {
            number: tenant.generation,
            deployment_id: tenant.deployment_id.clone(),
            spec: tenant.spec.clone(),
            cause,
            reach: Reach::Accepted,
            seen_running_whole_at: None,
            created_at: tenant.updated_at,
            ..earlier.clone()
        };
        Self { revision, edition: None, manifest: None }
    }
}

/// Gives every tenant revisions that has none, since a release accepted it that kept none; how many
/// there were. Nothing is rolled out by that.
///
/// # Errors
/// The store failed.
pub async fn adopt_tenants(store: &dyn TenantStore, catalog: &Arc<Catalog>) -> Result<usize, StoreError> {
    let edition = Arc::new(Edition::of(catalog.clone()));
    let mut count = 0;
    for tenant in store.tenants().iter() {
        if store.has_revisions(&tenant.id) {
            continue;
        }
        let Some(newest) = store.deployment(&tenant.deployment_id) else { continue };
        let secrets = match store.tenant_secrets(&tenant.id).await {
            Ok(secrets) => secrets,
            // The store has said so; the others are not stopped by it.
            Err(StoreError::TenantDamaged(_)) => continue,
            Err(error) => return Err(error),
        };
        store.adopt_revisions(&tenant.id, adopted(&edition, tenant, &newest, &secrets)).await?;
        count += 1;
    }
    Ok(count)
}

/// The revisions of a tenant, oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Revisions(Vec<Revision>);

impl Revisions {
    /// Takes them in any order.
    pub fn new(mut revisions: Vec<Revision>) -> Self {
        revisions.sort_by_key(|revision| revision.number);
        Self(revisions)
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Revision> {
        self.0.iter()
    }

    /// The newest, whatever came of it.
    pub fn newest(&self) -> Option<&Revision> {
        self.0.last()
    }

    /// One by its number.
    pub fn numbered(&self, number: u64) -> Option<&Revision> {
        self.0.iter().find(|revision| revision.number == number)
    }

    /// What is to be in the cluster while nothing is being rolled out: the newest of which the cluster
    /// took all. What it refused never counts, nor what a newer change overtook half-way.
    pub fn in_force(&self) -> Option<&Revision> {
        self.0.iter().rev().find(|revision| revision.reach == Reach::Applied)
    }

    /// The last before `number` that was seen running whole: what a failed roll-out goes back to.
    pub fn last_whole_before(&self, number: u64) -> Option<&Revision> {
        let mut earlier = self.0.iter().rev().filter(|revision| revision.number < number);
        earlier.find(|revision| revision.seen_running_whole_at.is_some())
    }

    /// Those before `number` of which pods may still be there: the last that was seen running whole
    /// took the place of all before it.
    pub fn perhaps_left_before(&self, number: u64) -> impl Iterator<Item = &Revision> {
        let since = self.last_whole_before(number).map_or(0, |whole| whole.number);
        let places = since..number;
        self.0
            .iter()
            .filter(move |revision| places.contains(&revision.number) && revision.reach > Reach::Accepted)
    }

    /// The one before `number`.
    pub fn before(&self, number: u64) -> Option<&Revision> {
        self.0.iter().rev().find(|revision| revision.number < number)
    }

    /// The last that was seen running whole and is not what runs now: what somebody goes back to who
    /// says no more.
    pub fn last_other_whole(&self) -> Option<&Revision> {
        let newest = self.newest()?;
        let runs = newest.seen_running_whole_at.is_some();
        let same =
            |earlier: &&Revision| runs && earlier.spec == newest.spec && earlier.manifest == newest.manifest;
        let mut whole =
            self.0.iter().rev().filter(|revision| {
                revision.number < newest.number && revision.seen_running_whole_at.is_some()
            });
        whole.find(|earlier| !same(earlier))
    }

    /// Those of which the cluster may have objects: what is in force, and what came since.
    pub fn perhaps_in_cluster(&self) -> impl Iterator<Item = &Revision> {
        let since = self.in_force().map_or(0, |revision| revision.number);
        self.0.iter().filter(move |revision| revision.number >= since && revision.reach > Reach::Accepted)
    }
}

/// The tenant as an earlier revision of it has it, as its next generation.
pub fn returned_to(good: &Revision, tenant: &Tenant, now: Timestamp) -> Tenant {
    Tenant {
        sizing: good.sizing.clone(),
        spec: good.spec.clone(),
        status: TenantStatus::Pending,
        generation: tenant.generation + 1,
        deployment_id: DeploymentId::generate(),
        updated_at: now,
        ..tenant.clone()
    }
}

/// The revisions of a tenant of which none were kept yet: it was accepted by a release that kept
/// none. What runs is taken to be what this catalog and this release make of it.
pub fn adopted(
    edition: &Arc<Edition>,
    tenant: &Tenant,
    newest: &Deployment,
    secrets: &TenantSecrets,
) -> Vec<NewRevision> {
    // A deletion rolls nothing out.
    let number = match newest.kind {
        DeploymentKind::Delete(_) => newest.generation.saturating_sub(1),
        DeploymentKind::Create | DeploymentKind::Update => newest.generation,
    };
    let mut found = Vec::new();
    if let Some(good) =
        newest.last_good.clone().filter(|_| number > 1 && newest.status != DeploymentStatus::Running)
    {
        let sizing = crate::sizing::size(&edition.catalog, &good.demand());
        let earlier = Tenant { spec: good, sizing, generation: number - 1, ..tenant.clone() };
        let mut earlier = NewRevision::render(edition, &earlier, secrets, Cause::Request);
        let revision = &mut earlier.revision;
        revision.deployment_id = newest.replaces.clone().unwrap_or_else(|| newest.id.clone());
        revision.reach = Reach::Applied;
        revision.seen_running_whole_at = Some(newest.created_at);
        found.push(earlier);
    }
    let mut now = NewRevision::render(edition, tenant, secrets, Cause::Request);
    now.revision.number = number.max(1);
    now.revision.learn_from(newest);
    // What such a release was refused beforehand shows no object.
    let shows = !newest.created_resources.is_empty() || !newest.pending_resources.is_empty();
    if shows && newest.status.is_final() {
        now.revision.reach = Reach::Applied;
    }
    found.push(now);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::ids::TenantId;
    use crate::tenancy::planned_tenant;
    use crate::tenant::{Availability, Preset, Service, SlaTarget};
    use std::collections::BTreeMap;

    fn tenant() -> Tenant {
        let spec = TenantSpec {
            name: "Acme".into(),
            preset: Some(Preset::Micro),
            service_requirements: BTreeMap::from([(Service::Chatbot, 10)]),
            sla_target: SlaTarget {
                availability: Availability(999_000),
                response_time_ms: 300,
                concurrent_users: None,
            },
            description: None,
            exposure: None,
            management: Default::default(),
            demo_fault: None,
            sizing: crate::sizing::SizingOptions::default(),
        };
        let id = TenantId::parse("acme").expect("a valid id");
        planned_tenant(&Catalog::embedded(), id, spec, Timestamp::UNIX_EPOCH)
    }

    fn edition() -> Arc<Edition> {
        Arc::new(Edition::of(Arc::new(Catalog::embedded())))
    }

    /// A list from what each revision came to: how far it got, and whether it ran whole.
    fn list(ends: &[(Reach, bool)]) -> Revisions {
        let secrets = TenantSecrets::generate(crate::manifest::SECRET_KEYS);
        let one = NewRevision::render(&edition(), &tenant(), &secrets, Cause::Request).revision;
        let made = (1..).zip(ends).map(|(number, (reach, whole))| Revision {
            number,
            reach: *reach,
            seen_running_whole_at: whole.then_some(Timestamp::UNIX_EPOCH),
            ..one.clone()
        });
        Revisions::new(made.collect())
    }

    #[test]
    fn in_force_is_the_newest_that_the_cluster_took_and_whole_is_asked_of_the_list() {
        use Reach::{Accepted, Applied, Applying};
        let number = |revision: Option<&Revision>| revision.map(|revision| revision.number);
        for (ends, in_force, whole) in [
            (vec![], None, None),
            (vec![(Accepted, false)], None, None),
            (vec![(Applying, false)], None, None),
            (vec![(Applied, false)], Some(1), None),
            (vec![(Applied, true), (Accepted, false)], Some(1), Some(1)),
            (vec![(Applied, true), (Applying, false)], Some(1), Some(1)),
            (vec![(Applied, true), (Applied, false)], Some(2), Some(1)),
            (vec![(Applied, true), (Applied, false), (Applied, false), (Accepted, false)], Some(3), Some(1)),
            (vec![(Applied, true), (Applied, true), (Applied, false)], Some(3), Some(2)),
        ] {
            let list = list(&ends);
            assert_eq!(number(list.in_force()), in_force, "{ends:?}");
            let newest = list.newest().map_or(0, |newest| newest.number);
            let from = if ends.last().is_some_and(|(_, whole)| *whole) { newest + 1 } else { newest };
            assert_eq!(number(list.last_whole_before(from)), whole, "{ends:?}");
        }
    }

    #[test]
    fn a_revision_never_forgets_how_far_it_got() {
        let mut revision = list(&[(Reach::Accepted, false)]).newest().expect("one").clone();
        let tenant = tenant();
        let mut deployment = Deployment::accepted(
            tenant.deployment_id.clone(),
            tenant.id.clone(),
            1,
            DeploymentKind::Create,
            Timestamp::UNIX_EPOCH,
            None,
        );
        assert!(!revision.learn_from(&deployment));
        deployment.advance(Phase::ScalingServices, 40);
        assert!(revision.learn_from(&deployment));
        let failure = crate::deployment::Failure {
            code: "DEPLOYMENT_FAILED".into(),
            message: crate::text::Message::new("deployment.superseded"),
        };
        deployment.fail(Timestamp::UNIX_EPOCH, failure);
        assert!(!revision.learn_from(&deployment));
        assert_eq!((revision.reach, revision.seen_running_whole_at), (Reach::Applied, None));
        deployment.complete(Timestamp::UNIX_EPOCH);
        assert!(revision.learn_from(&deployment) && revision.seen_running_whole_at.is_some());
    }

    #[test]
    fn a_tenant_of_a_release_without_revisions_is_taken_as_it_stands() {
        let (edition, secrets) = (edition(), TenantSecrets::generate(crate::manifest::SECRET_KEYS));
        let tenant = Tenant { generation: 3, ..tenant() };
        let mut deployment = Deployment::accepted(
            tenant.deployment_id.clone(),
            tenant.id.clone(),
            3,
            DeploymentKind::Update,
            Timestamp::UNIX_EPOCH,
            None,
        );
        let good = TenantSpec { name: "Before".into(), ..tenant.spec.clone() };
        deployment.last_good = Some(good.clone());
        let list = |deployment: &Deployment| {
            let found = adopted(&edition, &tenant, deployment, &secrets);
            Revisions::new(found.into_iter().map(|one| one.revision).collect())
        };
        let under_way = list(&deployment);
        assert_eq!(under_way.in_force().map(|revision| &revision.spec), Some(&good));
        assert_eq!(under_way.last_whole_before(3).map(|revision| revision.number), Some(2));
        deployment.complete(Timestamp::UNIX_EPOCH);
        let running = list(&deployment);
        assert_eq!(running.iter().count(), 1);
        assert_eq!(running.in_force().map(|revision| revision.number), Some(3));
        assert!(running.newest().is_some_and(|newest| newest.seen_running_whole_at.is_some()));
    }
}
