//! Which alerts are meant, on the wire: the same four fields wherever alerts are chosen.

use crate::error::ApiError;
use crate::fields::FieldReader;
use crate::request_context::Api;
use crate::tenants::input::tenant_id;
use ecp_core::alerts::filter::AlertFilter;
use ecp_core::alerts::{AlertKind, AlertSubject, Severity};
use ecp_core::text::Message;
use serde::Serialize;
use utoipa::ToSchema;

/// Which alerts are meant; what is `null` can be anything.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlertFilterOut {
    /// Alerts of this tenant.
    #[schema(example = "my-ai-service")]
    tenant_id: Option<String>,
    /// `resource_usage`, `performance`, `availability` or `deployment_failed`.
    #[serde(rename = "type")]
    #[schema(example = "resource_usage")]
    kind: Option<&'static str>,
    /// Series, `samples`, or `deployment`.
    #[schema(example = "cpu")]
    metric: Option<&'static str>,
    /// `warning` or `critical`.
    #[schema(example = "warning")]
    severity: Option<&'static str>,
}

impl AlertFilterOut {
    /// A filter as it is told.
    pub(crate) fn new(filter: &AlertFilter) -> Self {
        Self {
            tenant_id: filter.tenant_id.as_ref().map(ToString::to_string),
            kind: filter.kind.map(AlertKind::as_str),
            metric: filter.subject.map(AlertSubject::metric_name),
            severity: filter.severity.map(Severity::as_str),
        }
    }
}

/// Reads the four fields; at least one has to be named.
pub(crate) fn read_named_filter(reader: &FieldReader<'_>) -> AlertFilter {
    let faults = reader.fault_count();
    let filter = read_filter(reader);
    if filter.is_empty() && reader.fault_count() == faults {
        reader.fault("tenant_id", Message::new("api.silence_names_nothing"));
    }
    filter
}

/// Reads the four fields; where none is named, every alert is meant.
pub(crate) fn read_filter(reader: &FieldReader<'_>) -> AlertFilter {
    let tenant_id = tenant_id(reader, "tenant_id");
    let filter = AlertFilter {
        tenant_id,
        kind: reader.choice("type", "api.unknown_alert_type", &AlertKind::ALL, AlertKind::as_str),
        subject: reader.choice(
            "metric",
            "api.unknown_alert_metric",
            &AlertSubject::ALL,
            AlertSubject::metric_name,
        ),
        severity: reader.choice("severity", "api.unknown_severity", &Severity::ALL, Severity::as_str),
    };
    if let Some(subject) = filter.subject.filter(|_| filter.is_contradictory()) {
        let reason = Message::new("api.filter_contradictory");
        reader.fault("type", reason.with("metric", subject.metric_name()));
    }
    filter
}

/// Refuses a filter that reaches beyond what the caller may see: 404 for a tenant that is not there or not
/// theirs, 403 where none is named and the token has a list.
pub(crate) fn check_reach(api: &Api, filter: &AlertFilter) -> Result<(), ApiError> {
    match &filter.tenant_id {
        Some(id) => api.find_tenant(id.as_str()).map(|_tenant| ()),
        None => api.see_all(),
    }
}
