//! `GET /api/v1/tenants/{tenant_id}/deployment-status`: the newest roll-out of a tenant, or another one.

use crate::auth::Reader;
use crate::error::ApiError;
use crate::openapi::ErrorOut;
use crate::query::QueryReader;
use crate::request_context::PathText;
use crate::wire;
use axum::response::Response;
use ecp_core::deployment::{Deployment, Failure, LogLevel, Phase, ResourceState};
use ecp_core::ids::DeploymentId;
use ecp_core::text::Language;
use http::{StatusCode, Uri};
use serde::Serialize;
use std::borrow::Cow;
use utoipa::ToSchema;

/// A roll-out as it stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeploymentStatusOut<'a> {
    /// Whose.
    #[schema(example = "my-ai-service")]
    tenant_id: &'a str,
    /// `dep-…`, or `del-…` for a deletion.
    #[schema(example = "dep-abc123")]
    deployment_id: &'a str,
    /// `pending`, `deploying`, `running`, `failed`, `rolled_back`, `deleting`, `deleted`.
    #[schema(example = "deploying")]
    status: &'static str,
    /// Percent done, 0–100.
    #[schema(example = 65)]
    progress: u8,
    /// `queued`, `creating-namespace`, `creating-config`, `creating-services`, `scaling-services`,
    /// `verifying`, `completed`; or `failed`, `rolling-back`.
    #[schema(example = "creating-services")]
    phase: &'static str,
    /// The phase in which it failed or gave way to another; `null` where it did not.
    #[schema(example = "scaling-services")]
    failed_phase: Option<&'static str>,
    /// What is there and ready.
    #[schema(example = json!([
        {"type": "Namespace", "name": "ecp-ai-my-ai-service", "status": "Active"},
        {"type": "Deployment", "name": "callbot", "status": "Available", "replicas": "3/3"}
    ]))]
    created_resources: Vec<ResourceStateOut<'a>>,
    /// What is not.
    #[schema(example = json!([{"type": "Deployment", "name": "chatbot", "status": "Progressing"}]))]
    pending_resources: Vec<ResourceStateOut<'a>>,
    /// When it should be done; `null` where it has ended.
    #[schema(example = "2024-01-20T15:00:00Z")]
    estimated_completion: Option<String>,
    /// Newest last.
    logs: Vec<LogLineOut>,
    /// Why it failed, where it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<FailureOut<'a>>,
}

/// One object of the cluster.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResourceStateOut<'a> {
    /// Kind.
    #[serde(rename = "type")]
    kind: &'a str,
    /// Name.
    name: &'a str,
    /// `Active`, `Available`, `Progressing`, `Pending`, `Failed`, `Terminating`.
    status: &'a str,
    /// Ready of wanted pods, for workloads.
    #[serde(skip_serializing_if = "Option::is_none")]
    replicas: Option<&'a str>,
    /// Why it is not ready, with the fix.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl<'a> ResourceStateOut<'a> {
    fn list(states: &'a [ResourceState], language: Language) -> Vec<Self> {
        let state = |state: &'a ResourceState| Self {
            kind: &state.kind,
            name: &state.name,
            status: &state.status,
            replicas: state.replicas.as_deref(),
            reason: state.reason.as_ref().map(|reason| reason.render(language)),
        };
        states.iter().map(state).collect()
    }
}

/// One line of the log.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"timestamp": "2024-01-20T14:35:00Z", "level": "info", "message": "Namespace 생성 완료"}))]
pub struct LogLineOut {
    /// When.
    timestamp: String,
    /// `info`, `warning`, `error`.
    level: &'static str,
    /// What happened.
    message: String,
}

/// Why a roll-out failed.
#[derive(Debug, Serialize, ToSchema)]
pub struct FailureOut<'a> {
    /// An error code of the API.
    #[schema(example = "DEPLOYMENT_FAILED")]
    #[schema(value_type = String)]
    code: Cow<'a, str>,
    /// What went wrong and how to fix it.
    message: String,
}

impl FailureOut<'static> {
    /// A failure in a language.
    pub(crate) fn owned(failure: &Failure, language: Language) -> Self {
        Self { code: Cow::Owned(failure.code.clone()), message: failure.message.render(language) }
    }
}

impl<'a> FailureOut<'a> {
    /// The same, as long as the failure is there.
    pub(crate) fn new(failure: &'a Failure, language: Language) -> Self {
        Self { code: Cow::Borrowed(&failure.code), message: failure.message.render(language) }
    }
}

impl<'a> DeploymentStatusOut<'a> {
    fn new(deployment: &'a Deployment, language: Language) -> Self {
        let logs = deployment.logs.iter().map(|line| LogLineOut {
            timestamp: wire::timestamp_text(line.timestamp),
            level: match line.level {
                LogLevel::Info => "info",
                LogLevel::Warning => "warning",
                LogLevel::Error => "error",
            },
            message: line.message.render(language),
        });
        Self {
            tenant_id: deployment.tenant_id.as_str(),
            deployment_id: deployment.id.as_str(),
            status: deployment.status.as_str(),
            progress: deployment.progress,
            phase: deployment.phase.as_str(),
            failed_phase: deployment.failed_phase().map(Phase::as_str),
            created_resources: ResourceStateOut::list(&deployment.created_resources, language),
            pending_resources: ResourceStateOut::list(&deployment.pending_resources, language),
            estimated_completion: deployment.estimated_completion.map(wire::timestamp_text),
            logs: logs.collect(),
            failure: deployment.failure.as_ref().map(|failure| FailureOut::new(failure, language)),
        }
    }
}

/// Get the deployment status
///
/// The newest roll-out of the tenant, or its deletion; with `deployment_id`, that one, which tells who waits
/// for it how it ended even where another has taken its place.
#[utoipa::path(
    get,
    path = "/api/v1/tenants/{tenant_id}/deployment-status",
    tag = "manifests",
    params(
        ("tenant_id" = String, Path, description = "Tenant id", example = "global-call-center"),
        ("deployment_id" = Option<String>, Query, description = "One of the tenant's roll-outs (default: the newest)"),
    ),
    responses(
        (status = 200, description = "The roll-out", body = DeploymentStatusOut),
        (status = 404, description = "TENANT_NOT_FOUND; DEPLOYMENT_NOT_FOUND where the tenant has no such roll-out", body = ErrorOut),
    ),
)]
pub(crate) async fn get_deployment_status(
    Reader(api): Reader,
    PathText(tenant_id): PathText,
    uri: Uri,
) -> Result<Response, ApiError> {
    let query = QueryReader::new(&uri);
    let asked = query.text("deployment_id").map(DeploymentId::from_text);
    query.finish(&api.context)?;
    let tenant = api.find_tenant(&tenant_id)?;
    let id = asked.as_ref().unwrap_or(&tenant.deployment_id);
    let deployment = api.services().tenants.deployment(id);
    let deployment = deployment
        .filter(|deployment| deployment.tenant_id == tenant.id)
        .ok_or_else(|| ApiError::deployment_not_found(id.as_str()))?;
    Ok(wire::json(StatusCode::OK, &DeploymentStatusOut::new(&deployment, api.language())))
}
