//! Validation of any Kubernetes manifest, with a position on each finding.
//!
//! [`yaml`] and [`block`] read the text into a [`tree`] under bounds ([`build`]); [`walk`] holds each object
//! against the published schema ([`schema`], [`rules`], [`kinds`], [`monitoring`]); the other
//! modules check what one object means for another. Everything runs on the text alone: a dry run
//! against a cluster is the cluster's to add.

mod amount;
mod block;
mod build;
mod cel;
mod demanded;
mod dropped;
mod findings;
mod flow;
mod format;
mod house;
mod identity;
mod json;
mod kinds;
mod monitoring;
mod objects;
mod own_rules;
mod plan;
mod pods;
mod policy;
mod privilege;
mod references;
mod resources;
mod rules;
mod scalar;
mod schema;
mod schemas;
mod server;
mod services;
mod source;
mod tabs;
#[cfg(test)]
mod tests;
mod text;
mod totals;
mod tree;
mod values;
mod walk;
mod workloads;
mod yaml;

use ecp_core::catalog::Catalog;
use ecp_core::ids::TenantId;
use ecp_core::ports::Capacity;
use ecp_core::quantity::Resources;
use ecp_core::sizing::DeploymentTime;
use ecp_core::text::Message;
use findings::{Findings, Place};
use objects::Objects;
use resources::Sums;
use workloads::{Effort, Workloads};
use yaml::Readers;

/// Largest manifest that is read, in bytes.
pub const MAX_MANIFEST_BYTES: usize = 4 * 1024 * 1024;

/// Where a finding is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Document in the stream, from 1; the items of a `List` count as documents. 0 where the
    /// finding is about the manifest as a whole.
    pub document: usize,
    /// Path in the document, such as `spec.template.spec.containers[0].image`; empty for the root.
    pub path: String,
    /// Line in the text, from 1; 0 where the finding is about the manifest as a whole.
    pub line: usize,
    /// Column in the line, from 1, in characters; 0 where it is not known.
    pub column: usize,
}

pub use kinds::Release;
pub use policy::{POLICY_RULES, Policy, PolicyFault, PolicyRule, Profile, Severity, UnknownName};
pub use schemas::Schemas;
pub use text::decode;
pub use values::manifest_objects;

/// What a manifest is held against.
#[derive(Clone, Debug, Default)]
pub struct Options<'o> {
    /// Whose API server is asked.
    pub release: Release,
    /// What is demanded beyond that.
    pub policy: Policy,
    /// Whose namespace the objects must be in.
    pub tenant_id: Option<&'o TenantId>,
    /// The cluster's, where there is one.
    pub capacity: Option<&'o Capacity>,
    /// Definitions of custom resources besides those of the manifest.
    pub schemas: Option<&'o Schemas>,
}

impl<'o> Options<'o> {
    /// The profile `tenant` for a tenant that is named, validity alone otherwise.
    pub fn for_tenant(tenant_id: Option<&'o TenantId>) -> Self {
        let profile = if tenant_id.is_some() { Profile::Tenant } else { Profile::Validity };
        Self { policy: Policy::of(profile), tenant_id, ..Self::default() }
    }
}

/// One thing that is wrong or doubtful, with the fix in its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub position: Position,
    /// A stable short code, such as `schema.unknown_field`.
    pub code: &'static str,
    /// For people, with the fix.
    pub message: Message,
    /// The policy says so, and not the API server.
    pub is_policy: bool,
}

/// The verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// What makes it invalid.
    pub errors: Vec<Finding>,
    /// What does not.
    pub warnings: Vec<Finding>,
    /// What it holds.
    pub summary: ResourceSummary,
    /// List price in whole US dollars a month of the smallest plan that holds it.
    pub list_price_usd: u64,
    /// Estimated time to deploy.
    pub deployment_time: DeploymentTime,
}

/// Counts and sums over the manifest; the sums are of container limits times replicas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceSummary {
    /// Namespace objects.
    pub namespaces: usize,
    /// Deployment objects.
    pub deployments: usize,
    /// Service objects.
    pub services: usize,
    /// ConfigMap objects.
    pub configmaps: usize,
    /// Secret objects.
    pub secrets: usize,
    /// CPU, memory, GPU.
    pub total: Resources,
    /// Pods over all workloads.
    pub estimated_pods: u64,
}

/// Why a text can not be read as a manifest at all (`MANIFEST_INVALID`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Line from 1, where known.
    pub line: Option<usize>,
    /// Column from 1, where known.
    pub column: Option<usize>,
    /// What is wrong and how to fix it.
    pub message: Message,
    /// What it is can be told: a template that was not rendered, or what `kubectl` alone refuses. Such a text
    /// is an invalid manifest, not an unreadable one.
    pub has_verdict: bool,
}

impl Report {
    /// True without errors; warnings do not count.
    pub fn is_valid(&self) -> bool {
        self.errors.is_empty()
    }
}

/// Validates multi-document YAML or JSON. Time and memory are bounded whatever the text holds.
///
/// # Errors
/// The text can not be read at all.
pub fn validate_manifest(
    catalog: &Catalog,
    content: &str,
    options: &Options<'_>,
) -> Result<Report, Unreadable> {
    let tree = yaml::read(content, Readers::Both)?;
    let mut findings = Findings::new(options.policy.clone());
    objects::report_text_faults(&tree, &mut findings);
    let namespace = options.tenant_id.map_or_else(|| "default".to_owned(), TenantId::namespace);
    let objects = Objects::read(&tree, options.release, &namespace, &mut findings);
    objects.check_custom(options.schemas, options.release, &mut findings);
    identity::check(&objects, options.tenant_id, &mut findings);

    let workloads = Workloads::of(&objects);
    pods::check(&objects, &workloads, &mut findings);
    server::check(&objects, &workloads, options.release, &mut findings);
    let gpu_resources = &catalog.kubernetes.all_gpu_resources()[..];
    if findings.asks_policy() {
        privilege::check(&objects, &workloads, &mut findings);
        house::check(&objects, &workloads, &mut findings);
        own_rules::check(&objects, &mut findings);
        let mut effort = Effort::new();
        let mut reported = references::Reported::new();
        references::check(&objects, &workloads, &mut effort, &mut reported, &mut findings);
        services::check(&objects, &workloads, &mut effort, &mut reported, &mut findings);
        if effort.is_exhausted() {
            findings.warning(Place::Whole, || Message::new("validate.manifest.unchecked"));
        }
    }
    house::check_budgets(&objects, &workloads, &mut findings);
    services::check_ports(&objects, &mut findings);

    let totals = resources::check(&objects, &workloads, gpu_resources, &mut findings);
    totals::check_quotas(&objects, &totals.by_namespace, gpu_resources, &mut findings);
    let sum = totals.all();
    if let Some(capacity) = options.capacity {
        totals::check_capacity(&sum.requests.resources(), capacity, &mut findings);
    }
    let (errors, warnings) = findings.finish();
    let summary = ResourceSummary::of(&objects, &sum);
    let plan = plan::estimate(catalog, &workloads, &totals);
    Ok(Report {
        errors,
        warnings,
        summary,
        list_price_usd: plan.list_price_usd,
        deployment_time: plan.deployment_time,
    })
}

impl ResourceSummary {
    fn of(objects: &Objects<'_>, sum: &Sums) -> Self {
        let count = |kind: &'static str| objects.of_kind(kind).count();
        Self {
            namespaces: count("Namespace"),
            deployments: count("Deployment"),
            services: count("Service"),
            configmaps: count("ConfigMap"),
            secrets: count("Secret"),
            total: sum.limits.resources(),
            estimated_pods: sum.pods,
        }
    }
}
