//! The OpenAPI document: collected from the handlers, completed with what all of them share.

mod closed_sets;
mod errors;
mod headers;
mod opening;

use crate::{
    alert_rules, alerts, audit, capacity, catalog, costs, deployments, happenings, health, history,
    manifests, monitoring, nodes, overview, receivers, recommendation, silences, sizing, streams, system,
    tenants,
};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Ref, RefOr, Required};
use utoipa::{Modify, OpenApi, ToSchema};

/// The tenant that the examples read and change: one of those with which a demo begins.
pub(crate) const SHOWN_TENANT: &str = "global-call-center";

/// The document without what [`Shared`] adds.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "ECP-AI Kubernetes Orchestrator API",
        description = "Sizes, deploys and watches AI services for contact centers on Kubernetes. \
            `X-Demo-Mode` is required on every `/api/v1` request: `true` speaks to the simulated \
            cluster, `false` to the real one; each has a database of its own. Paths are the same \
            with and without a trailing slash.",
    ),
    servers((url = "/", description = "This server")),
    tags(
        (name = "tenants", description = "Tenants: create, list, change, delete, size"),
        (name = "overview", description = "Everything at a glance, and what still fits"),
        (name = "monitoring", description = "Samples, series, alerts, the cluster as a whole"),
        (name = "alerting", description = "Of which alerts people are told, and how"),
        (name = "manifests", description = "Kubernetes manifests and their roll-out"),
        (name = "streams", description = "WebSockets: live samples, deployments and alerts"),
        (name = "audit", description = "Who changed what"),
        (name = "catalog", description = "What a changed catalog changes, and rolling it out"),
        (name = "server", description = "The process itself"),
    ),
    paths(
        tenants::list_tenants,
        tenants::create_tenant,
        tenants::get_tenant,
        tenants::update_tenant,
        tenants::delete_tenant,
        sizing::calculate_resources,
        monitoring::get_monitoring,
        monitoring::send_metrics,
        alerts::list_alerts,
        alerts::list_all_alerts,
        alert_rules::get_alert_rules,
        alert_rules::set_alert_rules,
        silences::list_silences,
        silences::create_silence,
        silences::get_silence,
        silences::delete_silence,
        receivers::list_receivers,
        receivers::create_receiver,
        receivers::deliveries::list_deliveries,
        receivers::deliveries::test_receiver,
        receivers::get_receiver,
        receivers::update_receiver,
        receivers::delete_receiver,
        system::get_system_metrics,
        overview::get_overview,
        capacity::get_capacity,
        nodes::list_nodes,
        costs::get_costs,
        happenings::list_events,
        happenings::read_logs,
        manifests::get_manifest,
        manifests::validate_manifest,
        deployments::get_deployment_status,
        recommendation::get_recommendation,
        history::list_deployments,
        history::roll_back_tenant,
        audit::list_audit_entries,
        catalog::get_catalog_diff,
        catalog::compare_catalog,
        catalog::roll_out_catalog,
        streams::watch_monitoring,
        streams::watch_deployment,
        streams::watch_alerts,
        streams::watch_all_alerts,
        health::get_health,
        health::get_readiness,
        health::get_metrics,
    ),
    components(schemas(
        ErrorOut,
        streams::AlertFrame,
        streams::DeploymentFrame,
        streams::MonitoringFrame
    )),
    modifiers(&Shared),
)]
struct Document;

/// The OpenAPI 3.1 document of every route.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// The document as it is served and committed: pretty JSON, the same bytes every time.
pub fn openapi_json() -> String {
    // The document has texts for keys and finite numbers: serializing can not fail.
    let mut text = openapi().to_pretty_json().expect("the document serializes");
    text.push('\n');
    text
}

/// The envelope of every error.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorOut {
    /// The error.
    error: ErrorBodyOut,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "code": "TENANT_ALREADY_EXISTS",
    "message": "동일한 ID의 테넌트가 이미 존재합니다",
    "details": {"tenant_id": "my-ai-service", "existing_status": "running"},
    "timestamp": "2024-01-20T14:30:00Z",
    "request_id": "req-xyz789"
}))]
pub struct ErrorBodyOut {
    /// One of a closed set; the same in every language.
    code: String,
    /// For people, in the language that `Accept-Language` asks for: Korean or English.
    message: String,
    /// What it is about; `fields` lists wrong fields as `{pointer, reason}`.
    #[schema(value_type = Object)]
    details: BTreeMap<String, serde_json::Value>,
    /// When.
    timestamp: String,
    /// As in the `X-Request-ID` header.
    request_id: String,
}

/// Adds what every operation has: headers, common errors, the bearer token.
struct Shared;

impl Modify for Shared {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let mut bearer = Http::new(HttpAuthScheme::Bearer);
        bearer.description = Some("Needed where the server requires tokens".to_owned());
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let code = components.schemas.get_mut("ErrorBodyOut");
        if let Some(utoipa::openapi::RefOr::T(utoipa::openapi::Schema::Object(body))) = code {
            let names = crate::error::ErrorCode::ALL.iter().map(|code| code.as_str());
            let schema = ObjectBuilder::new()
                .schema_type(Type::String)
                .enum_values(Some(names))
                .description(Some("One of a closed set; the same in every language."));
            body.properties.insert("code".to_owned(), schema.into());
        }
        closed_sets::close_properties(components);
        components.headers = headers::shared();
        for (path, item) in &mut document.paths.paths {
            if let Some(operation) = &mut item.get {
                complete(operation, path);
                if path.starts_with("/api/") {
                    operation.parameters.get_or_insert_default().push(shown_revision().into());
                }
            }
            for operation in [&mut item.put, &mut item.post, &mut item.delete].into_iter().flatten() {
                complete(operation, path);
                if path.starts_with("/api/") && !path.ends_with("/monitoring") {
                    headers::name_revision(operation);
                }
            }
        }
    }
}

fn complete(operation: &mut Operation, path: &str) {
    let in_api = path.starts_with("/api/");
    closed_sets::close_parameters(operation);
    if takes_dry_run(operation) {
        allow_preview(operation);
    }
    if in_api {
        errors::of_api(operation, path);
        operation.parameters.get_or_insert_default().extend(common_parameters().map(Into::into));
        operation.security = Some(optional_bearer());
    }
    if path.starts_with("/ws/") {
        errors::of_stream(operation);
        opening::describe(operation, path);
        operation.parameters.get_or_insert_default().extend(stream_parameters().map(Into::into));
        operation.security = Some(optional_bearer());
    }
    errors::show(operation);
    headers::of_answers(operation, path);
}

/// What every read takes.
fn shown_revision() -> Parameter {
    ParameterBuilder::new()
        .name("X-Revision")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some("Of an earlier answer: this one is not older; 503 where that takes over 2 s"))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build()
}

fn takes_dry_run(operation: &Operation) -> bool {
    operation
        .parameters
        .iter()
        .flatten()
        .any(|parameter| matches!(parameter, RefOr::T(parameter) if parameter.name == "dry_run"))
}

/// With `dry_run` a change and a deletion answer 200 too, and with a preview.
fn allow_preview(operation: &mut Operation) {
    let Some(RefOr::T(response)) = operation.responses.responses.get_mut("200") else { return };
    let Some(RefOr::T(content)) = response.content.get_mut("application/json") else { return };
    let Some(RefOr::Ref(answer)) = &content.schema else { return };
    if ["/PreviewOut", "/SilenceTrialOut"].iter().any(|name| answer.ref_location.ends_with(name)) {
        return;
    }
    let either = OneOfBuilder::new().item(answer.clone()).item(Ref::from_schema_name("PreviewOut"));
    content.schema = Some(either.into());
}

/// A token, where the server asks for one.
fn optional_bearer() -> Vec<SecurityRequirement> {
    vec![SecurityRequirement::default(), SecurityRequirement::new("bearer", Vec::<String>::new())]
}

/// What every WebSocket takes: browsers can not send headers with one.
fn stream_parameters() -> [Parameter; 6] {
    let parameter = |name: &str, place, description: &str| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(place)
            .required(Required::False)
            .description(Some(description))
            .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
            .build()
    };
    [
        parameter(
            "X-Demo-Mode",
            ParameterIn::Header,
            "`true` for demo mode, `false` for real mode; wins over `demo_mode`",
        ),
        ParameterBuilder::from(parameter(
            "demo_mode",
            ParameterIn::Query,
            "As the header, which browsers can not send; neither means real mode",
        ))
        .example(Some(json!("true")))
        .build(),
        parameter(
            "lang",
            ParameterIn::Query,
            "Language of texts for people: `ko` or `en`; by default as `Accept-Language` says",
        ),
        parameter(
            "Sec-WebSocket-Protocol",
            ParameterIn::Header,
            "`ecp.v1`; a browser offers its token beside it as `bearer.<token>`",
        ),
        parameter(
            "access_token",
            ParameterIn::Query,
            "The token, where neither header can be sent; proxies may log it",
        ),
        parameter(
            "revision",
            ParameterIn::Query,
            "`X-Revision` of an earlier answer: what comes first is not older; 503 where that takes over 2 s",
        ),
    ]
}

fn common_parameters() -> [Parameter; 4] {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let header = |name: &str, description: &str| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(description))
            .schema(Some(text()))
    };
    let flag = |default: &str| text().enum_values(Some(["true", "false"])).default(Some(json!(default)));
    [
        header("X-Demo-Mode", "`true` for demo mode, `false` for real mode; in any case")
            .required(Required::True)
            .schema(Some(flag("true")))
            .build(),
        header("X-Request-ID", "Echoed; 1–128 visible ASCII characters").build(),
        header("X-Debug", "`true` adds a `debug` object to JSON bodies").schema(Some(flag("false"))).build(),
        header("Accept-Language", "Language of texts for people: `ko` (default) or `en`").build(),
    ]
}

#[cfg(test)]
mod tests;
