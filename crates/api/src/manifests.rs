//! A tenant's manifest, and the validation of any manifest.

use crate::auth::{Reader, Writer};
use crate::body::ManifestBody;
use crate::error::{ApiError, ErrorCode};
use crate::fields::{Faults, FieldReader};
use crate::json::Shape;
use crate::openapi::ErrorOut;
use crate::query::QueryReader;
use crate::request_context::PathText;
use crate::tenants::input;
use crate::wire;
use axum::body::Body;
use axum::response::Response;
use ecp_core::Mode;
use ecp_core::access::{Access, Role};
use ecp_core::ids::{TenantId, is_dns_1123_label};
use ecp_core::manifest::RenderOptions;
use ecp_core::ports::ClusterView;
use ecp_core::sizing::Sizing;
use ecp_core::text::{Language, Message};
use ecp_validate::{Finding, MAX_MANIFEST_BYTES, Options, Position, Report, ResourceSummary, Unreadable};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderValue, StatusCode, Uri};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// What the manifest call prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Yaml,
    Json,
}

impl Format {
    /// Every format.
    pub(crate) const ALL: [Self; 2] = [Self::Yaml, Self::Json];

    /// The spelling of the query.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Yaml => "yaml",
            Self::Json => "json",
        }
    }
}

/// Get a tenant's manifest
///
/// The same objects that the controller applies. Secret values are redacted for viewers.
#[utoipa::path(
    get,
    path = "/api/v1/tenants/{tenant_id}/manifest",
    tag = "manifests",
    params(
        ("tenant_id" = String, Path, description = "Tenant id", example = "global-call-center"),
        ("format" = Option<String>, Query, description = "`yaml` (default) or `json`"),
        ("include_monitoring" = Option<bool>, Query, description = "With ServiceMonitor and PrometheusRule (default true)"),
        ("include_ingress" = Option<bool>, Query, description = "With Ingress, whatever the tenant's exposure (default false)"),
        ("namespace" = Option<String>, Query, description = "Another namespace than `ecp-ai-<tenant_id>`; a DNS-1123 label"),
        ("redact" = Option<bool>, Query, description = "Without the values of Secrets, as viewers always get it (default false)"),
    ),
    responses(
        (status = 200, description = "Multi-document YAML, or a `List` as JSON; `kubectl apply -f` takes either", content(
            (String = "application/yaml"),
            (Object = "application/json"),
        )),
        (status = 422, description = "VALIDATION_FAILED, with every wrong parameter", body = ErrorOut),
    ),
)]
pub(crate) async fn get_manifest(
    Reader(api): Reader,
    PathText(tenant_id): PathText,
    uri: Uri,
) -> Result<Response, ApiError> {
    let query = QueryReader::new(&uri);
    let format =
        query.choice("format", "api.unknown_format", &Format::ALL, Format::as_str).unwrap_or(Format::Yaml);
    let defaults = RenderOptions::default();
    let options = RenderOptions {
        include_monitoring: query.flag("include_monitoring").unwrap_or(defaults.include_monitoring),
        include_ingress: query.flag("include_ingress").unwrap_or(defaults.include_ingress),
        namespace: query.text("namespace").map(str::to_owned),
        redact_secrets: query.flag("redact").unwrap_or(false) || !api.access.allows(Role::Operator),
    };
    if options.namespace.as_deref().is_some_and(|namespace| !is_dns_1123_label(namespace)) {
        query.fault("namespace", Message::new("api.not_a_dns_label"));
    }
    query.finish(&api.context)?;

    let tenant = api.find_tenant(&tenant_id)?;
    let manifest = api.services().tenancy.manifest(&tenant, &options).await?;
    let (text, content_type) = match format {
        Format::Yaml => (manifest.to_yaml(), HeaderValue::from_static("application/yaml")),
        Format::Json => (manifest.to_json(), wire::APPLICATION_JSON),
    };
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    let disposition = format!("inline; filename=\"{}.{}\"", tenant.id, format.as_str());
    if let Ok(value) = HeaderValue::try_from(disposition) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

/// A manifest to validate.
#[derive(Debug, ToSchema)]
#[schema(example = json!({
    "tenant_id": "global-call-center",
    "manifest_content": "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: ecp-ai-global-call-center\n"
}))]
#[allow(dead_code, reason = "documents the body, which is checked field by field")]
pub struct ValidateManifestIn {
    /// Whose namespace the objects must be in; left out, any.
    tenant_id: Option<String>,
    /// Multi-document YAML or JSON, at most 4 MiB.
    manifest_content: String,
}

/// The verdict on a manifest.
#[derive(Debug, Serialize, ToSchema)]
pub struct ValidationOut {
    /// False where there are errors.
    #[schema(example = true)]
    valid: bool,
    /// What is doubtful, each with document, path and line.
    #[schema(example = json!(["GPU 리소스가 클러스터 용량의 80%를 초과합니다"]))]
    warnings: Vec<String>,
    /// What is wrong, each with document, path and line.
    errors: Vec<String>,
    /// What the manifest holds.
    resource_summary: ResourceSummaryOut,
    /// List price of the smallest plan that holds it.
    #[schema(example = "$350/month")]
    estimated_cost: String,
    /// How long the roll-out should take.
    #[schema(example = "15-20 minutes")]
    deployment_time: String,
    /// Errors and warnings again, in parts.
    findings: Vec<FindingOut>,
}

/// Counts and sums over a manifest.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "namespaces": 1, "deployments": 5, "services": 5, "configmaps": 2, "secrets": 1,
    "total_cpu": "24000m", "total_memory": "32Gi", "total_gpu": 3, "estimated_pods": 15
}))]
pub struct ResourceSummaryOut {
    /// Namespace objects.
    namespaces: usize,
    /// Deployment objects.
    deployments: usize,
    /// Service objects.
    services: usize,
    /// ConfigMap objects.
    configmaps: usize,
    /// Secret objects.
    secrets: usize,
    /// CPU limits of all pods.
    total_cpu: String,
    /// Memory limits of all pods.
    total_memory: String,
    /// GPUs of all pods.
    total_gpu: u64,
    /// Pods of all workloads.
    estimated_pods: u64,
}

/// One thing that is wrong or doubtful.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "severity": "error", "code": "schema.unknown_field", "document": 1,
    "path": "spec.replica", "line": 7, "column": 3, "policy": false, "message": "'replica' 필드는 없습니다. 'replicas'로 고치십시오"
}))]
pub struct FindingOut {
    /// `error` or `warning`.
    severity: &'static str,
    /// A stable short code.
    code: &'static str,
    /// Document in the stream, from 1.
    document: usize,
    /// Path in the document; empty for the root.
    path: String,
    /// Line in the text, from 1.
    line: usize,
    /// Column in the line, from 1, in characters; 0 where it is not known.
    column: usize,
    /// True where the policy demands it, and not the API server.
    policy: bool,
    /// What is wrong and how to fix it.
    message: String,
}

impl FindingOut {
    fn new(finding: &Finding, severity: &'static str, language: Language) -> Self {
        Self {
            severity,
            code: finding.code,
            document: finding.position.document,
            path: finding.position.path.clone(),
            line: finding.position.line,
            column: finding.position.column,
            policy: finding.is_policy,
            message: finding.message.render(language),
        }
    }
}

impl ValidationOut {
    pub(crate) fn new(report: &Report, language: Language) -> Self {
        let texts = |findings: &[Finding]| findings.iter().map(|finding| finding.render(language)).collect();
        let parts = |findings: &[Finding], severity| -> Vec<FindingOut> {
            findings.iter().map(|finding| FindingOut::new(finding, severity, language)).collect()
        };
        let summary = &report.summary;
        let mut findings = parts(&report.errors, "error");
        findings.extend(parts(&report.warnings, "warning"));
        Self {
            valid: report.errors.is_empty(),
            warnings: texts(&report.warnings),
            errors: texts(&report.errors),
            resource_summary: ResourceSummaryOut {
                namespaces: summary.namespaces,
                deployments: summary.deployments,
                services: summary.services,
                configmaps: summary.configmaps,
                secrets: summary.secrets,
                total_cpu: summary.total.cpu_text(),
                total_memory: summary.total.memory_gib_text(),
                total_gpu: summary.total.gpu,
                estimated_pods: summary.estimated_pods,
            },
            estimated_cost: wire::cost_text(report.list_price_usd),
            deployment_time: wire::minutes_text(report.deployment_time),
            findings,
        }
    }
}

/// What is read of a validation.
static VALIDATION: Shape =
    Shape::Object(&[("tenant_id", Shape::Scalar), ("manifest_content", Shape::Scalar)]);

/// The body of a validation: whose namespace it must be, and the text.
fn read_validation(body: &Value, faults: &Faults) -> Option<(Option<TenantId>, String)> {
    let reader = FieldReader::new(faults, String::new(), body)?;
    reader.require("manifest_content");
    let id = input::tenant_id(&reader, "tenant_id");
    let content = reader.any_text("manifest_content");
    reader.note_unknown();
    Some((id, content?.to_owned()))
}

/// Validate a manifest
///
/// What can be read gets a verdict, `valid` false where errors are; what can not be read, or expands
/// without bound, is MANIFEST_INVALID. In real mode the cluster is asked too, by a server-side dry run,
/// about objects in namespaces that the token covers. A `tenant_id` has a tenant's policy checked too;
/// without one it is what the API server would say.
#[utoipa::path(
    post,
    path = "/api/v1/tenants/validate-manifest",
    tag = "manifests",
    request_body = ValidateManifestIn,
    responses(
        (status = 200, description = "The verdict", body = ValidationOut),
        (status = 422, description = "MANIFEST_INVALID with line and column; VALIDATION_FAILED, with every wrong field", body = ErrorOut),
    ),
)]
pub(crate) async fn validate_manifest(
    Writer(api): Writer,
    ManifestBody(body): ManifestBody,
) -> Result<Response, ApiError> {
    let (value, faults, _charge) = body.into_json(&api.state, &VALIDATION).await?;
    let read = read_validation(&value, &faults);
    // Whoever waits for a turn holds the text once.
    drop(value);
    api.warn_of_unknown_fields(faults)?;
    // Without faults everything that is required was there.
    let (id, content) = read.ok_or_else(|| ApiError::invalid_fields(Vec::new()))?;
    if content.len() > MAX_MANIFEST_BYTES {
        return Err(crate::body::too_large(MAX_MANIFEST_BYTES));
    }
    if let Some(id) = &id {
        api.context.set_tenant(id);
        api.own(id)?;
    }
    // Without a cluster there is no capacity to compare with, and who sees some tenants only learns
    // nothing of the cluster's.
    let cluster = api.services().cluster.capacity().ok();
    let asks_cluster = api.mode == Mode::Real && cluster.is_some();
    let capacity = cluster.filter(|_| api.access.sees_everything());
    let catalog = api.state.catalog.clone();
    // What a manifest becomes takes many times its length, so only a few of them are looked at at once.
    let turn = api.state.memory.turn().await;
    let tenant = id.as_ref().and_then(|id| api.find_tenant(id.as_str()).ok());
    let own = match &tenant {
        Some(tenant) => api.services().tenancy.manifest(tenant, &RenderOptions::default()).await.ok(),
        None => None,
    };
    let verdict = turn.compute(move || {
        let options = Options { capacity: capacity.as_ref(), ..Options::for_tenant(id.as_ref()) };
        let mut report = ecp_validate::validate_manifest(&catalog, &content, &options)?;
        if let (Some(tenant), Some(own)) = (&tenant, own) {
            let own = ecp_validate::validate_manifest(&catalog, &own.to_yaml(), &Options::default())?;
            if is_as_large(&report.summary, &own.summary) {
                say_as_promised(&mut report, &tenant.sizing);
            }
        }
        let objects = if asks_cluster { ecp_validate::manifest_objects(&content)? } else { Vec::new() };
        Ok((report, objects))
    });
    match verdict.await? {
        Ok((mut report, objects)) => {
            let objects = only_visible(&api.access, &mut report, objects);
            ask_cluster(&*api.services().cluster, &mut report, objects).await;
            Ok(wire::json(StatusCode::OK, &ValidationOut::new(&report, api.language())))
        }
        Err(unreadable) => Err(manifest_invalid(&unreadable, api.language())),
    }
}

/// True where what runs by one manifest is as much as what runs by the other.
fn is_as_large(one: &ResourceSummary, other: &ResourceSummary) -> bool {
    let size = |summary: &ResourceSummary| (summary.total, summary.deployments, summary.estimated_pods);
    size(one) == size(other)
}

/// Figures of a tenant's own manifest are the tenant's: what it was promised and pays, which whole MiB, redis
/// beside the services and prices of channels keep from being sums of what is written there.
fn say_as_promised(report: &mut Report, sizing: &Sizing) {
    report.summary.total = sizing.resources;
    report.summary.estimated_pods = sizing.services.iter().map(|service| u64::from(service.replicas)).sum();
    report.list_price_usd = sizing.list_price_usd;
    report.deployment_time = sizing.deployment_time;
}

/// The objects in namespaces that the caller may see. What the cluster says of others would tell what
/// is in them, so it is not asked, and the report says so.
fn only_visible(
    access: &Access,
    report: &mut Report,
    objects: Vec<(Position, Value)>,
) -> Vec<(Position, Value)> {
    let is_visible = |object: &Value| {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let is_namespace = text("/kind") == "Namespace" && text("/apiVersion") == "v1";
        access.may_see_namespace(text(if is_namespace { "/metadata/name" } else { "/metadata/namespace" }))
    };
    let (visible, others): (Vec<_>, Vec<_>) = objects.into_iter().partition(|(_, object)| is_visible(object));
    let count = others.len();
    report.warnings.extend(others.into_iter().next().map(|(position, _)| Finding {
        position,
        code: "cluster.not_asked",
        message: Message::new("validate.cluster.outside_scope").with("count", count),
        is_policy: false,
    }));
    visible
}

/// Adds what the cluster itself would refuse, by a server-side dry run.
async fn ask_cluster(cluster: &dyn ClusterView, report: &mut Report, objects: Vec<(Position, Value)>) {
    if objects.is_empty() {
        return;
    }
    let (places, values): (Vec<Position>, Vec<Value>) = objects.into_iter().unzip();
    match cluster.dry_run(&values).await {
        Ok(refusals) => report.errors.extend(refusals.into_iter().filter_map(|refusal| {
            let message = Message::new("validate.cluster.refused")
                .with("object", format!("{}/{}", refusal.kind, refusal.name))
                .with("reason", &refusal.reason);
            let position = places.get(refusal.index)?.clone();
            Some(Finding { position, code: "cluster.refused", message, is_policy: false })
        })),
        Err(error) => {
            let message = Message::new("validate.cluster.not_asked").with("reason", error);
            let position = places.into_iter().next();
            let finding = position.map(|position| Finding {
                position,
                code: "cluster.not_asked",
                message,
                is_policy: false,
            });
            report.warnings.extend(finding);
        }
    }
}

pub(crate) fn manifest_invalid(unreadable: &Unreadable, language: Language) -> ApiError {
    ApiError::new(ErrorCode::ManifestInvalid, unreadable.message.clone())
        .detail("line", unreadable.line)
        .detail("column", unreadable.column)
        .detail("reason", unreadable.message.render(language))
}
