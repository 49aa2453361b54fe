//! Errors on the wire: the closed set of codes, the envelope, and the one conversion from the
//! domain's errors.
//!
//! What the caller reads (code, message, details) and what the log keeps (the cause) are separate.
//! An [`ApiError`] becomes its envelope in the request layer, which knows language and request id.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use ecp_core::Timestamp;
use ecp_core::ids::{DeploymentId, TenantId};
use ecp_core::manifest::ImmutableField;
use ecp_core::placement::Shortage;
use ecp_core::ports::{ClusterError, MetricError, StoreError};
use ecp_core::tenancy::TenancyError;
use ecp_core::text::{Language, Message};
use http::header::RETRY_AFTER;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};
use std::sync::Arc;

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:ident;)*) => {
        /// Every code that the API answers; spelled the same in every language.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[$doc])* $name,)*
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The spelling of the contract.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The HTTP status that it comes with unless the error says otherwise.
            pub fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }
        }
    };
}

error_codes! {
    /// The request itself can not be read: header, path, method or JSON.
    InvalidRequest = "INVALID_REQUEST", BAD_REQUEST;
    /// No token, or one that is not known.
    Unauthorized = "UNAUTHORIZED", UNAUTHORIZED;
    /// The token's role or tenants do not allow it.
    Forbidden = "FORBIDDEN", FORBIDDEN;
    /// There is no such tenant in this mode.
    TenantNotFound = "TENANT_NOT_FOUND", NOT_FOUND;
    /// There is no such deployment in this mode.
    DeploymentNotFound = "DEPLOYMENT_NOT_FOUND", NOT_FOUND;
    /// The tenant id is taken.
    TenantAlreadyExists = "TENANT_ALREADY_EXISTS", CONFLICT;
    /// The request does not fit the state that it meets.
    Conflict = "CONFLICT", CONFLICT;
    /// The cluster has too little left.
    InsufficientResources = "INSUFFICIENT_RESOURCES", CONFLICT;
    /// Fields are wrong; `details.fields` names all of them.
    ValidationFailed = "VALIDATION_FAILED", UNPROCESSABLE_ENTITY;
    /// There is no such preset.
    InvalidPreset = "INVALID_PRESET", UNPROCESSABLE_ENTITY;
    /// The text can not be read as a manifest.
    ManifestInvalid = "MANIFEST_INVALID", UNPROCESSABLE_ENTITY;
    /// Too many requests; `Retry-After` says when to come back.
    RateLimited = "RATE_LIMITED", TOO_MANY_REQUESTS;
    /// A defect of the server.
    InternalError = "INTERNAL_ERROR", INTERNAL_SERVER_ERROR;
    /// A roll-out failed; found in deployments.
    DeploymentFailed = "DEPLOYMENT_FAILED", INTERNAL_SERVER_ERROR;
    /// The metric storage failed.
    MonitoringUnavailable = "MONITORING_UNAVAILABLE", SERVICE_UNAVAILABLE;
    /// The database failed.
    DatabaseError = "DATABASE_ERROR", SERVICE_UNAVAILABLE;
    /// The cluster is not configured, does not answer or refuses.
    KubernetesError = "KUBERNETES_ERROR", SERVICE_UNAVAILABLE;
}

/// One wrong field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFault {
    /// JSON pointer into the body (`/sla_target/availability`), or the name of a query parameter.
    pub pointer: String,
    /// What is wrong and how to fix it.
    pub reason: Message,
}

/// What a request is answered with when it is refused or fails.
#[derive(Clone, Debug)]
pub struct ApiError(Box<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    status: StatusCode,
    code: ErrorCode,
    message: Message,
    details: Map<String, Value>,
    fields: Vec<FieldFault>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl ApiError {
    /// An error with its code's own status.
    pub fn new(code: ErrorCode, message: Message) -> Self {
        Self(Box::new(Parts {
            status: code.status(),
            code,
            message,
            details: Map::new(),
            fields: Vec::new(),
            headers: Vec::new(),
            cause: None,
        }))
    }

    /// There is no such tenant in this mode.
    pub fn tenant_not_found(id: &str) -> Self {
        Self::new(ErrorCode::TenantNotFound, Message::new("tenant.not_found").with("tenant_id", id))
            .detail("tenant_id", id)
    }

    /// There is no such deployment in this mode.
    pub fn deployment_not_found(id: &str) -> Self {
        Self::new(
            ErrorCode::DeploymentNotFound,
            Message::new("api.deployment_not_found").with("deployment_id", id),
        )
        .detail("deployment_id", id)
    }

    /// Wrong fields of a body or query, all of them. A wrong preset alone has a code of its own.
    pub fn invalid_fields(fields: Vec<FieldFault>) -> Self {
        let only_preset =
            matches!(&fields[..], [only] if only.pointer == "/preset" || only.pointer == "preset");
        let (code, key) = if only_preset {
            (ErrorCode::InvalidPreset, "api.invalid_preset")
        } else {
            (ErrorCode::ValidationFailed, "api.validation_failed")
        };
        let mut error = Self::new(code, Message::new(key).with("count", fields.len()));
        error.0.fields = fields;
        error
    }

    /// One wrong field.
    pub fn invalid_field(pointer: impl Into<String>, reason: Message) -> Self {
        Self::invalid_fields(vec![FieldFault { pointer: pointer.into(), reason }])
    }

    /// Comes with another status than its code's own.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    /// Adds to `details`.
    #[must_use]
    pub fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.details.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a response header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// Keeps what only the log shows.
    #[must_use]
    pub fn caused_by(mut self, cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.0.cause = Some(Arc::new(cause));
        self
    }

    /// Takes out how much the cluster has left, which is no business of who sees some tenants only.
    pub(crate) fn without_cluster_figures(mut self) -> Self {
        let short = self.0.details.get_mut("short").and_then(Value::as_array_mut);
        for shortfall in short.into_iter().flatten().filter_map(Value::as_object_mut) {
            shortfall.retain(|name, _| matches!(name.as_str(), "resource" | "requested"));
        }
        if self.0.details.remove("nodes_left_out").is_some() {
            let id = self.0.details.get("tenant_id").and_then(Value::as_str).unwrap_or_default();
            self.0.message = Message::new("api.insufficient_resources_for_scope").with("tenant_id", id);
        }
        self
    }

    /// Its code.
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// What a caller reads, in a language.
    pub fn message(&self, language: Language) -> String {
        self.0.message.render(language)
    }

    /// Its HTTP status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The response headers that it brings.
    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.0.headers
    }

    /// The cause and its own causes in one line, for the log.
    pub fn cause_text(&self) -> Option<String> {
        let mut text = String::new();
        let mut cause: Option<&(dyn std::error::Error + 'static)> = match &self.0.cause {
            Some(cause) => Some(&**cause),
            None => None,
        };
        while let Some(error) = cause {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&error.to_string());
            cause = error.source();
        }
        (!text.is_empty()).then_some(text)
    }

    /// The contract's envelope: `{"error": {code, message, details, timestamp, request_id}}`.
    pub fn envelope(&self, language: Language, now: Timestamp, request_id: &str) -> Value {
        let mut details = self.0.details.clone();
        if !self.0.fields.is_empty() {
            let fields = self
                .0
                .fields
                .iter()
                .map(|fault| json!({"pointer": fault.pointer, "reason": fault.reason.render(language)}));
            details.insert("fields".to_owned(), Value::Array(fields.collect()));
        }
        json!({"error": {
            "code": self.0.code.as_str(),
            "message": self.0.message.render(language),
            "details": details,
            "timestamp": crate::wire::timestamp_text(now),
            "request_id": request_id,
        }})
    }
}

impl IntoResponse for ApiError {
    /// Hands the error to the request layer, which writes the envelope.
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let conflict = |key: &'static str, id: &TenantId| {
            Self::new(ErrorCode::Conflict, Message::new(key).with("tenant_id", id))
                .detail("tenant_id", id.as_str())
        };
        match &error {
            StoreError::TenantExists { tenant_id, existing_status } => {
                Self::new(ErrorCode::TenantAlreadyExists, Message::new("api.tenant_exists"))
                    .detail("tenant_id", tenant_id.as_str())
                    .detail("existing_status", existing_status.as_str())
            }
            StoreError::TenantNotFound(id) => Self::tenant_not_found(id.as_str()),
            StoreError::DeploymentNotFound(id) => Self::deployment_not_found(DeploymentId::as_str(id)),
            StoreError::GenerationMismatch { tenant_id, actual } => {
                conflict("api.changed_meanwhile", tenant_id).detail("generation", *actual)
            }
            StoreError::TenantDamaged(id) => {
                let text = Message::new("api.tenant_damaged").with("tenant_id", id);
                Self::new(ErrorCode::DatabaseError, text).detail("tenant_id", id.as_str())
            }
            StoreError::TenantDeleting(id) => conflict("api.tenant_deleting", id),
            StoreError::InsufficientResources { tenant_id, shortage } => {
                Self::insufficient_resources(tenant_id, shortage)
            }
            StoreError::TooMany { what, most } => {
                let text = Message::new("api.too_many_kept").with("what", what).with("most", most);
                Self::new(ErrorCode::Conflict, text).detail("most", *most)
            }
            StoreError::IdempotencyKeyReused { tenant_id } => {
                let text = Message::new("api.idempotency_key_reused");
                let refused = Self::new(ErrorCode::Conflict, text).detail("header", "Idempotency-Key");
                match tenant_id {
                    Some(id) => refused.detail("used_for_tenant_id", id.as_str()),
                    None => refused,
                }
            }
            StoreError::SchemaTooNew { .. }
            | StoreError::MovedTo(_)
            | StoreError::AnotherProcess(_)
            | StoreError::LeaseLost(_)
            | StoreError::LeadLost
            | StoreError::Database { .. }
            | StoreError::Closed => {
                Self::new(ErrorCode::DatabaseError, Message::new("api.database_failed")).caused_by(error)
            }
        }
    }
}

impl From<ClusterError> for ApiError {
    fn from(error: ClusterError) -> Self {
        match &error {
            ClusterError::NotConfigured => {
                Self::new(ErrorCode::KubernetesError, Message::new("api.cluster_not_configured"))
            }
            ClusterError::BeingRead(_) => {
                Self::new(ErrorCode::KubernetesError, Message::new("api.cluster_being_read"))
                    .header(RETRY_AFTER, HeaderValue::from_static("1"))
                    .caused_by(error)
            }
            ClusterError::Hindered { kind, name, reason, .. } => Self::new(
                ErrorCode::KubernetesError,
                Message::new("api.cluster_hindered").with("kind", kind).with("name", name),
            )
            .detail("kind", kind.as_str())
            .detail("name", name.as_str())
            .detail("reason", reason.as_str()),
            ClusterError::Unwatched(reason) => Self::new(
                ErrorCode::KubernetesError,
                Message::new("api.cluster_unwatched").with("reason", reason),
            ),
            ClusterError::Unreachable(_) | ClusterError::Stopping => {
                Self::new(ErrorCode::KubernetesError, Message::new("api.cluster_unreachable"))
                    .header(RETRY_AFTER, HeaderValue::from_static("5"))
                    .caused_by(error)
            }
            ClusterError::Refused { kind, name, reason } => Self::new(
                ErrorCode::KubernetesError,
                Message::new("api.cluster_refused").with("kind", kind).with("name", name),
            )
            .detail("kind", kind.as_str())
            .detail("name", name.as_str())
            .detail("reason", reason.as_str()),
            ClusterError::ForeignObject { namespace, kind, name } => Self::new(
                ErrorCode::Conflict,
                Message::new("api.foreign_object")
                    .with("namespace", namespace)
                    .with("object", format!("{kind} {name}")),
            )
            .detail("namespace", namespace.as_str())
            .detail("kind", kind.as_str())
            .detail("name", name.as_str()),
            ClusterError::ForeignNamespace { namespace } => Self::new(
                ErrorCode::Conflict,
                Message::new("api.foreign_namespace").with("namespace", namespace),
            )
            .detail("namespace", namespace.as_str()),
        }
    }
}

impl From<MetricError> for ApiError {
    fn from(error: MetricError) -> Self {
        match &error {
            MetricError::TenantGone(key) => Self::tenant_not_found(key.id.as_str()),
            MetricError::Storage(_) => {
                Self::new(ErrorCode::MonitoringUnavailable, Message::new("api.monitoring_unavailable"))
                    .caused_by(error)
            }
            MetricError::Unavailable(_) => {
                Self::new(ErrorCode::MonitoringUnavailable, Message::new("api.metric_store_unavailable"))
                    .caused_by(error)
            }
            MetricError::Refused(_) => {
                Self::new(ErrorCode::Conflict, Message::new("api.metric_store_refused")).caused_by(error)
            }
            MetricError::ReadOnly => {
                Self::new(ErrorCode::Conflict, Message::new("api.metric_store_read_only"))
            }
        }
    }
}

impl From<TenancyError> for ApiError {
    fn from(error: TenancyError) -> Self {
        match error {
            TenancyError::Store(error) => error.into(),
            TenancyError::Cluster(error) => error.into(),
            TenancyError::Stale { tenant_id, expected, actual } => {
                Self::stale(&tenant_id, actual).detail("expected_generation", expected)
            }
            TenancyError::NotInPlace { tenant_id, fields } => {
                let named = |field: &ImmutableField| format!("{} {} {}", field.kind, field.name, field.field);
                let told: Vec<String> = fields.iter().map(named).collect();
                let fields: Vec<Value> = fields
                    .iter()
                    .map(|field| json!({ "kind": field.kind, "name": field.name, "field": field.field }))
                    .collect();
                Self::new(
                    ErrorCode::Conflict,
                    Message::new("api.not_in_place")
                        .with("tenant_id", &tenant_id)
                        .with("fields", told.join(", ")),
                )
                .detail("tenant_id", tenant_id.as_str())
                .detail("immutable", fields)
            }
            TenancyError::NothingToReturnTo { tenant_id } => Self::new(
                ErrorCode::Conflict,
                Message::new("api.nothing_to_return_to").with("tenant_id", &tenant_id),
            )
            .detail("tenant_id", tenant_id.as_str()),
            TenancyError::NeverRan { tenant_id, deployment_id } => Self::new(
                ErrorCode::Conflict,
                Message::new("api.never_ran").with("deployment_id", &deployment_id),
            )
            .detail("tenant_id", tenant_id.as_str())
            .detail("deployment_id", deployment_id.as_str()),
            error @ TenancyError::Pinned { .. } => {
                Self::new(ErrorCode::DatabaseError, Message::new("api.database_failed")).caused_by(error)
            }
            TenancyError::NoServices(_) => {
                Self::invalid_field("/service_requirements", Message::new("api.no_services"))
            }
        }
    }
}

impl ApiError {
    /// What is short, by how much, and why nodes were left out.
    fn insufficient_resources(id: &TenantId, shortage: &Shortage) -> Self {
        let message = Message::new("api.insufficient_resources")
            .with("tenant_id", id)
            .with("missing", shortage.summary())
            .with("left_out", shortage.left_out_summary());
        let error = Self::new(ErrorCode::InsufficientResources, message).detail("tenant_id", id.as_str());
        let Value::Object(details) = shortage_details(shortage) else { return error };
        details.into_iter().fold(error, |error, (name, value)| error.detail(&name, value))
    }

    /// There is nothing of this name, or nothing that the caller may see.
    pub(crate) fn nothing_named(key: &'static str, id: &str) -> Self {
        let id = crate::fields::shortened(id);
        Self::new(ErrorCode::InvalidRequest, Message::new(key).with("id", &id))
            .with_status(StatusCode::NOT_FOUND)
            .detail("id", id)
    }

    /// The `If-Match` of the request names another generation than the tenant's.
    pub(crate) fn stale(id: &TenantId, actual: u64) -> Self {
        Self::new(
            ErrorCode::Conflict,
            Message::new("api.stale_generation").with("tenant_id", id).with("actual", actual),
        )
        .with_status(StatusCode::PRECONDITION_FAILED)
        .detail("tenant_id", id.as_str())
        .detail("generation", actual)
    }
}

/// What is short and why nodes were left out, as the details of a refusal and the capacity call say it.
pub(crate) fn shortage_details(shortage: &Shortage) -> Value {
    let short = shortage.short.iter().map(|shortfall| {
        json!({
            "resource": shortfall.resource,
            "counted": shortfall.counted.as_str(),
            "requested": shortfall.requested,
            "available": shortfall.available,
            "missing": shortfall.missing,
        })
    });
    let left_out = shortage.left_out.iter().map(|left_out| {
        json!({
            "reason": left_out.reason.code(),
            "detail": left_out.reason.detail(),
            "count": left_out.count,
            "nodes": left_out.nodes,
        })
    });
    json!({ "short": short.collect::<Vec<_>>(), "nodes_left_out": left_out.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests;
