//! What each operation can be refused with, and what that looks like: an example for each code.

use crate::error::{ApiError, ErrorCode};
use ecp_core::Timestamp;
use ecp_core::ids::TenantId;
use ecp_core::text::{Language, Message};
use http::StatusCode;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

/// When the examples' errors happened, and the request that they name: those of the contract.
const WHEN: &str = "2024-01-20T14:30:00Z";
const REQUEST: &str = "req-xyz789";
const TENANT: &str = "my-ai-service";
const TIMED_OUT: &str = "INTERNAL_ERROR: the time limit passed";

/// Operations that are answered from memory, or by calculation alone.
const WITHOUT_DATABASE: [&str; 16] = [
    "list_tenants",
    "get_tenant",
    "calculate_resources",
    "get_capacity",
    "get_overview",
    "list_nodes",
    "get_alert_rules",
    "list_silences",
    "get_silence",
    "list_receivers",
    "get_receiver",
    "get_system_metrics",
    "get_manifest",
    "validate_manifest",
    "get_catalog_diff",
    "compare_catalog",
];
/// Operations for admins.
const FOR_ADMINS: [&str; 8] = [
    "list_audit_entries",
    "list_receivers",
    "create_receiver",
    "get_receiver",
    "update_receiver",
    "delete_receiver",
    "list_deliveries",
    "test_receiver",
];
/// Operations that need to know what the cluster has.
const WITH_CLUSTER: [&str; 4] = ["create_tenant", "update_tenant", "roll_back_tenant", "get_system_metrics"];

/// Adds what an operation below `/api/` can be refused with beside what it says itself.
pub(super) fn of_api(operation: &mut Operation, path: &str) {
    let id = operation.operation_id.clone().unwrap_or_default();
    let takes_body = operation.request_body.is_some();
    let parameters = operation.parameters.iter().flatten();
    let has_query = parameters.filter_map(|parameter| match parameter {
        RefOr::T(parameter) => Some(parameter),
        RefOr::Ref(_) => None,
    });
    let has_query = has_query.into_iter().any(|parameter| parameter.parameter_in == ParameterIn::Query);
    let unreadable = if takes_body { "a header, the path or the JSON" } else { "a header or the path" };
    add(operation, "400", &format!("INVALID_REQUEST: {unreadable} can not be read"));
    add(operation, "401", "UNAUTHORIZED: a token is needed");
    add(operation, "403", "FORBIDDEN: the token, or the page that asks, is not allowed to");
    if path.contains("{tenant_id}") {
        add(operation, "404", "TENANT_NOT_FOUND");
    }
    if takes_body {
        add(operation, "408", "INVALID_REQUEST: the body did not arrive in time");
        add(operation, "413", "INVALID_REQUEST: the body is too large");
    }
    if has_query {
        add(operation, "422", "VALIDATION_FAILED, with every wrong parameter");
    }
    add(operation, "429", "RATE_LIMITED: come back after `Retry-After` seconds");
    add(operation, "500", "INTERNAL_ERROR: a defect of the server");
    let mut away = Vec::new();
    if !WITHOUT_DATABASE.contains(&id.as_str()) {
        away.push("DATABASE_ERROR: the database failed, and nothing was changed");
    }
    if WITH_CLUSTER.contains(&id.as_str()) {
        away.push("KUBERNETES_ERROR: the cluster does not answer");
    }
    if let Some(RefOr::T(said)) = operation.responses.responses.get("503") {
        away.insert(0, &said.description);
    }
    away.push(TIMED_OUT);
    let away = away.join("; ");
    operation.responses.responses.insert("503".to_owned(), response(&away).into());
}

/// Adds what the handshake of a stream can be refused with beside what it says itself.
pub(super) fn of_stream(operation: &mut Operation) {
    for (status, description) in [
        ("400", "INVALID_REQUEST: the mode can not be read"),
        ("401", "UNAUTHORIZED: a token is needed"),
        ("403", "FORBIDDEN: the token, or the page that asks, is not allowed to"),
        ("426", "INVALID_REQUEST: the request asks for no WebSocket"),
        ("429", "RATE_LIMITED: come back after `Retry-After` seconds"),
        ("503", "MONITORING_UNAVAILABLE: too many WebSockets are open"),
    ] {
        add(operation, status, description);
    }
}

/// Gives every error of an operation its examples, one for each code that its description names.
pub(super) fn show(operation: &mut Operation) {
    let id = operation.operation_id.clone().unwrap_or_default();
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        let Some(status) = status.parse().ok().and_then(|status| StatusCode::from_u16(status).ok()) else {
            continue;
        };
        let described = response.description.clone();
        let Some(RefOr::T(content)) = response.content.get_mut("application/json") else { continue };
        if status.as_u16() < 400 || !is_envelope(content.schema.as_ref()) {
            continue;
        }
        for code in ErrorCode::ALL {
            if described
                .split(|letter: char| letter != '_' && !letter.is_alphanumeric())
                .any(|word| word == code.as_str())
            {
                let value = envelope(&example(*code, status, &id).with_status(status));
                let shown = ExampleBuilder::new().value(Some(value)).build();
                content.examples.insert(code.as_str().to_owned(), shown.into());
            }
        }
    }
}

fn add(operation: &mut Operation, status: &str, description: &str) {
    let responses = &mut operation.responses.responses;
    responses.entry(status.to_owned()).or_insert_with(|| response(description).into());
}

fn response(description: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("ErrorOut"))).build();
    ResponseBuilder::new().description(description).content("application/json", content).build()
}

fn is_envelope(schema: Option<&RefOr<utoipa::openapi::Schema>>) -> bool {
    matches!(schema, Some(RefOr::Ref(reference)) if reference.ref_location.ends_with("/ErrorOut"))
}

fn envelope(error: &ApiError) -> serde_json::Value {
    // A constant in the format that is parsed.
    let when: Timestamp = WHEN.parse().expect("an RFC 3339 time");
    error.envelope(Language::Ko, when, REQUEST)
}

/// An error as this operation answers it.
fn example(code: ErrorCode, status: StatusCode, operation: &str) -> ApiError {
    let plain = |key: &'static str| ApiError::new(code, Message::new(key));
    match code {
        ErrorCode::InvalidRequest => match status {
            StatusCode::REQUEST_TIMEOUT => plain("api.body_too_slow"),
            StatusCode::PAYLOAD_TOO_LARGE => {
                let limit = if operation == "validate_manifest" { 4 << 20 } else { 1 << 20 };
                ApiError::new(code, Message::new("api.body_too_large").with("limit_bytes", limit))
                    .detail("limit_bytes", limit)
            }
            StatusCode::UPGRADE_REQUIRED => plain("stream.upgrade_required"),
            _ => plain("api.demo_mode_missing").detail("header", "X-Demo-Mode"),
        },
        ErrorCode::Unauthorized => plain("auth.token_missing"),
        ErrorCode::Forbidden => {
            let needs = if FOR_ADMINS.contains(&operation) { "admin" } else { "operator" };
            ApiError::new(
                code,
                Message::new("auth.forbidden_role").with("required", needs).with("role", "viewer"),
            )
            .detail("required", needs)
            .detail("role", "viewer")
        }
        ErrorCode::TenantNotFound => ApiError::tenant_not_found(TENANT),
        ErrorCode::DeploymentNotFound => ApiError::deployment_not_found("dep-abc123"),
        ErrorCode::TenantAlreadyExists => {
            plain("api.tenant_exists").detail("tenant_id", TENANT).detail("existing_status", "running")
        }
        ErrorCode::Conflict => conflict(status, operation),
        ErrorCode::InsufficientResources => {
            let text = Message::new("api.insufficient_resources_for_scope").with("tenant_id", TENANT);
            ApiError::new(code, text).detail("tenant_id", TENANT)
        }
        ErrorCode::ValidationFailed => validation(operation),
        ErrorCode::InvalidPreset => {
            let reason = Message::new("api.unknown_preset").with("given", "medum").with("nearest", "medium");
            ApiError::invalid_field("/preset", reason.with("choices", "micro, small, medium, large"))
        }
        ErrorCode::ManifestInvalid => {
            let message =
                Message::new("validate.unreadable.syntax").with("reason", "did not find expected key");
            ApiError::new(code, message).detail("line", 3).detail("column", 1)
        }
        ErrorCode::RateLimited => ApiError::new(code, Message::new("auth.rate_limited").with("seconds", 1)),
        ErrorCode::InternalError if status == StatusCode::SERVICE_UNAVAILABLE => plain("api.timed_out"),
        ErrorCode::InternalError | ErrorCode::DeploymentFailed => plain("api.internal_error"),
        ErrorCode::MonitoringUnavailable => plain("api.monitoring_unavailable"),
        ErrorCode::DatabaseError => plain("api.database_failed"),
        ErrorCode::KubernetesError => plain("api.cluster_unreachable"),
    }
}

fn conflict(status: StatusCode, operation: &str) -> ApiError {
    let of_tenant = |key| {
        ApiError::new(ErrorCode::Conflict, Message::new(key).with("tenant_id", TENANT))
            .detail("tenant_id", TENANT)
    };
    match (status, operation) {
        // A constant that is a tenant id.
        (StatusCode::PRECONDITION_FAILED, _) => {
            ApiError::stale(&TenantId::parse(TENANT).expect("a tenant id"), 4)
        }
        (_, "create_tenant") => {
            ApiError::new(ErrorCode::Conflict, Message::new("api.idempotency_key_reused"))
        }
        (_, "create_receiver") => {
            let text = Message::new("api.too_many_kept").with("what", "receivers").with("most", 100);
            ApiError::new(ErrorCode::Conflict, text).detail("most", 100)
        }
        (_, "roll_back_tenant") => of_tenant("api.nothing_to_return_to"),
        _ => of_tenant("api.tenant_deleting"),
    }
}

/// A wrong field or parameter that the operation has.
fn validation(operation: &str) -> ApiError {
    let unknown = |key, given: &str, nearest: &str, choices: &str| {
        Message::new(key).with("given", given).with("nearest", nearest).with("choices", choices)
    };
    let (pointer, reason) = match operation {
        "create_tenant" | "update_tenant" | "calculate_resources" | "get_capacity" => (
            "/service_requirements/chatbots",
            unknown(
                "api.unknown_service",
                "chatbots",
                "chatbot",
                "callbot, chatbot, advisor, stt, tts, ta, qa",
            ),
        ),
        "send_metrics" => ("/metrics/cpu_usage", Message::new("api.expects_percentage")),
        "get_monitoring" => ("interval", unknown("api.unknown_interval", "2m", "1m", "1m, 5m, 1h")),
        "get_manifest" => ("format", unknown("api.unknown_format", "yml", "yaml", "yaml, json")),
        "roll_back_tenant" => ("/deployment_id", Message::new("api.expects_text")),
        "validate_manifest" => {
            ("/manifest_content", Message::new("api.field_missing").with("field", "manifest_content"))
        }
        "create_receiver" | "update_receiver" => {
            ("/kind", unknown("api.unknown_receiver_kind", "web-hook", "webhook", "webhook, alertmanager"))
        }
        "compare_catalog" => ("/catalog", Message::new("api.field_missing").with("field", "catalog")),
        "roll_out_catalog" => ("/tenants", Message::new("api.expects_tenant_ids")),
        "delete_tenant" => ("force", Message::new("api.expects_flag")),
        _ => ("limit", Message::new("api.expects_integer").with("min", 1).with("max", 1000)),
    };
    ApiError::invalid_field(pointer, reason)
}
