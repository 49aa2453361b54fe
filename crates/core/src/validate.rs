//! Validation of any Kubernetes manifest, with a position on each finding.

use crate::catalog::Catalog;
use crate::ids::TenantId;
use crate::ports::Capacity;
use crate::quantity::Resources;
use crate::text::Message;

/// Largest manifest that is read, in bytes.
pub const MAX_MANIFEST_BYTES: usize = 4 * 1024 * 1024;

/// Where a finding is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Document in the stream, from 1.
    pub document: usize,
    /// Path in the document, such as `spec.template.spec.containers[0].image`; empty for the root.
    pub path: String,
    /// Line in the text, from 1.
    pub line: usize,
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
    pub deployment_time: crate::sizing::DeploymentTime,
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
}

/// Validates multi-document YAML or JSON. Time and memory are bounded whatever the text holds.
/// `capacity` is the cluster's, where there is one.
pub fn validate_manifest(
    catalog: &Catalog,
    tenant_id: Option<&TenantId>,
    content: &str,
    capacity: Option<&Capacity>,
) -> Result<Report, Unreadable> {
    let _ = (catalog, tenant_id, content, capacity);
    unimplemented!()
}
