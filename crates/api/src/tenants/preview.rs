//! What `?dry_run=true` answers: what a request would do, object by object, and what it would cost.

use crate::history::{SpecChangeOut, spec_changes};
use crate::request_context::Api;
use crate::wire::{self, ResourcesOut, WarningOut};
use axum::response::Response;
use ecp_core::manifest::ObjectChange;
use ecp_core::quantity::Resources;
use ecp_core::tenancy::Preview;
use ecp_core::tenant::Tenant;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

/// What a request would do. Nothing is written.
#[derive(Debug, Serialize, ToSchema)]
pub struct PreviewOut {
    /// Always true.
    dry_run: bool,
    /// Whose.
    #[schema(example = "my-ai-service")]
    tenant_id: String,
    /// What would change of the tenant's specification; empty where nothing would.
    changes: Vec<SpecChangeOut>,
    /// What would become of each object.
    objects: Vec<ObjectChangeOut>,
    /// What the plan holds.
    quota: QuotaChangeOut,
    /// List price a month.
    cost: CostChangeOut,
    /// Where the model expects the plan not to carry the load or the SLA.
    warnings: Vec<WarningOut>,
    /// What the cluster would refuse; empty where it would take everything.
    refusals: Vec<RefusalOut>,
}

/// One object, and what would become of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ObjectChangeOut {
    /// Kind.
    #[schema(example = "Deployment")]
    kind: &'static str,
    /// Name.
    #[schema(example = "callbot")]
    name: String,
    /// `create`, `update`, `delete` or `unchanged`.
    #[schema(example = "update")]
    action: &'static str,
    /// Fields that change, as JSON pointers.
    #[schema(example = json!(["/spec/replicas"]))]
    fields: Vec<String>,
    /// What each of them was and becomes; empty for a Secret.
    values: Vec<SpecChangeOut>,
}

impl From<&ObjectChange> for ObjectChangeOut {
    fn from(change: &ObjectChange) -> Self {
        Self {
            kind: change.kind,
            name: change.name.clone(),
            action: change.action.as_str(),
            fields: change.fields.iter().map(|field| field.pointer.clone()).collect(),
            values: change.fields.iter().filter_map(SpecChangeOut::of_field).collect(),
        }
    }
}

/// The plan before and after; absent where there is none.
#[derive(Debug, Serialize, ToSchema)]
pub struct QuotaChangeOut {
    /// As it is.
    before: Option<ResourcesOut>,
    /// As it would be.
    after: Option<ResourcesOut>,
    /// After less before.
    difference: ResourceDifferenceOut,
}

/// Differences with their sign.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResourceDifferenceOut {
    /// Thousandths of a core.
    #[schema(example = 12000)]
    cpu_millicores: i64,
    /// MiB.
    #[schema(example = 16384)]
    memory_mib: i64,
    /// Whole GPUs.
    #[schema(example = 1)]
    gpu: i64,
    /// GB.
    #[schema(example = 500)]
    storage_gb: i64,
}

/// The price before and after.
#[derive(Debug, Serialize, ToSchema)]
pub struct CostChangeOut {
    /// As it is.
    #[schema(example = "$130/month")]
    before: String,
    /// As it would be.
    #[schema(example = "$250/month")]
    after: String,
    /// After less before, in US dollars a month.
    #[schema(example = 120)]
    difference_usd: i64,
}

/// What the cluster would refuse.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefusalOut {
    /// Kind.
    #[schema(example = "Deployment")]
    kind: String,
    /// Name.
    #[schema(example = "callbot")]
    name: String,
    /// What the cluster said.
    reason: String,
}

impl Api {
    /// Answers with what would be done.
    pub(super) fn preview_response(&self, preview: Preview) -> Response {
        wire::json(StatusCode::OK, &self.preview_out(preview))
    }

    fn preview_out(&self, preview: Preview) -> PreviewOut {
        let (before, after) = (preview.before.as_deref(), preview.after.as_ref());
        let plan = |tenant: &Tenant| tenant.sizing.resources;
        let price = |tenant: Option<&Tenant>| tenant.map_or(0, |tenant| tenant.sizing.list_price_usd);
        let signed = |amount: u64| i64::try_from(amount).unwrap_or(i64::MAX);
        let tenant_id = after.or(before).map(|tenant| tenant.id.to_string()).unwrap_or_default();
        let warnings = after.map(|tenant| WarningOut::list(&tenant.sizing.warnings, self.language()));
        PreviewOut {
            dry_run: true,
            tenant_id,
            changes: spec_changes(before.map(|tenant| &tenant.spec), after.map(|tenant| &tenant.spec)),
            objects: preview.objects.iter().map(ObjectChangeOut::from).collect(),
            quota: QuotaChangeOut {
                before: before.map(|tenant| (&plan(tenant)).into()),
                after: after.map(|tenant| (&plan(tenant)).into()),
                difference: difference(
                    &before.map(plan).unwrap_or_default(),
                    &after.map(plan).unwrap_or_default(),
                ),
            },
            cost: CostChangeOut {
                before: wire::cost_text(price(before)),
                after: wire::cost_text(price(after)),
                difference_usd: signed(price(after)) - signed(price(before)),
            },
            warnings: warnings.unwrap_or_default(),
            refusals: preview
                .refusals
                .into_iter()
                .map(|refusal| RefusalOut { kind: refusal.kind, name: refusal.name, reason: refusal.reason })
                .collect(),
        }
    }
}

fn difference(before: &Resources, after: &Resources) -> ResourceDifferenceOut {
    let less = |after: u64, before: u64| {
        i64::try_from(after).unwrap_or(i64::MAX) - i64::try_from(before).unwrap_or(i64::MAX)
    };
    ResourceDifferenceOut {
        cpu_millicores: less(after.cpu_millicores, before.cpu_millicores),
        memory_mib: less(after.memory_mib, before.memory_mib),
        gpu: less(after.gpu, before.gpu),
        storage_gb: less(after.storage_gb, before.storage_gb),
    }
}
