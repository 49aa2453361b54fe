//! What the cluster tells of a tenant beside its state: events, and what its containers write.

use crate::auth::{Reader, TokenWatch};
use crate::clients::Client;
use crate::error::ApiError;
use crate::fields::unknown_choice;
use crate::openapi::ErrorOut;
use crate::query::QueryReader;
use crate::request_context::{Api, PathText, WarningCode};
use crate::state::ApiState;
use crate::wire;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use bytes::Bytes;
use ecp_core::happenings::{ClusterEvent, LogQuery, MOST_EVENTS, MOST_LINES, PodName};
use ecp_core::text::Message;
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, StatusCode, Uri};
use serde::Serialize;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use utoipa::ToSchema;

/// Events where the request does not say how many.
const EVENTS: usize = 100;
/// Lines of a pod where the request does not say how many.
const LINES: usize = 100;
/// Pods that are read at once.
const MOST_PODS: usize = 20;

/// What happened to a tenant's objects.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventsOut {
    /// The tenant.
    #[schema(example = "my-ai-service")]
    tenant_id: String,
    /// Newest first.
    events: Vec<EventOut>,
}

/// Something that happened to an object, as the cluster's components report it.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventOut {
    /// When it last happened.
    #[schema(example = "2024-01-20T14:30:00Z")]
    timestamp: String,
    /// `Normal` or `Warning`.
    #[serde(rename = "type")]
    #[schema(example = "Warning")]
    kind: &'static str,
    /// In one word.
    #[schema(example = "FailedScheduling")]
    reason: String,
    /// In a sentence, in the cluster's own words.
    #[schema(example = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.")]
    message: String,
    /// How often, by the cluster's reckoning.
    #[schema(example = 4)]
    count: u64,
    /// What it is about.
    object: EventObjectOut,
}

/// What an event is about.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventObjectOut {
    /// Its kind.
    #[schema(example = "Pod")]
    kind: String,
    /// Its name.
    #[schema(example = "callbot-7d9c6b8f5-x2x9k")]
    name: String,
}

impl From<ClusterEvent> for EventOut {
    fn from(event: ClusterEvent) -> Self {
        Self {
            timestamp: wire::timestamp_text(event.at),
            kind: if event.is_warning { "Warning" } else { "Normal" },
            reason: event.reason,
            message: event.message,
            count: event.count,
            object: EventObjectOut { kind: event.kind, name: event.name },
        }
    }
}

/// Tell what happened to a tenant's objects
///
/// The cluster's own events of its namespace, newest first, as long as the cluster keeps them: an hour, as a
/// rule.
#[utoipa::path(
    get,
    path = "/api/v1/tenants/{tenant_id}/events",
    tag = "deployments",
    params(
        ("tenant_id" = String, Path, description = "Id of the tenant"),
        ("limit" = Option<u64>, Query, description = "Events at most, 1–500 (default 100)"),
    ),
    responses(
        (status = 200, description = "The events", body = EventsOut),
        (status = 422, description = "VALIDATION_FAILED, with every wrong parameter", body = ErrorOut),
        (status = 503, description = "KUBERNETES_ERROR: the cluster does not answer", body = ErrorOut),
    ),
)]
pub(crate) async fn list_events(
    Reader(api): Reader,
    PathText(tenant_id): PathText,
    uri: Uri,
) -> Result<Response, ApiError> {
    let query = QueryReader::new(&uri);
    let limit = query.integer("limit", 1..=MOST_EVENTS as u64).unwrap_or(EVENTS as u64);
    query.finish(&api.context)?;
    let tenant = api.find_tenant(&tenant_id)?;
    let events = api.services().cluster.events(&tenant.id).await?;
    let events = events.into_iter().take(limit as usize).map(EventOut::from).collect();
    Ok(wire::json(StatusCode::OK, &EventsOut { tenant_id: tenant.id.to_string(), events }))
}

/// Read what a tenant's containers write
///
/// Lines of text, each with its pod's name before it where there are several pods. `follow=true` goes on with
/// what is written from now on until the caller goes; it takes a place among the WebSockets.
#[utoipa::path(
    get,
    path = "/api/v1/tenants/{tenant_id}/logs",
    tag = "deployments",
    params(
        ("tenant_id" = String, Path, description = "Id of the tenant"),
        ("service" = Option<String>, Query, description = "Pods of this service alone, or of `redis`; default: all"),
        ("pod" = Option<String>, Query, description = "This pod alone"),
        ("container" = Option<String>, Query, description = "This container of each pod that has it; default: its first"),
        ("previous" = Option<bool>, Query, description = "Of the container before the last restart (default false)"),
        ("tail" = Option<u64>, Query, description = "Newest lines of each pod, 0–10,000 (default 100)"),
        ("follow" = Option<bool>, Query, description = "Go on with what is written from now on (default false)"),
    ),
    responses(
        (status = 200, description = "The lines; none with a `Warning` where there is no container before the last restart", body = String, content_type = "text/plain"),
        (status = 422, description = "VALIDATION_FAILED, with every wrong parameter and what there is", body = ErrorOut),
        (status = 503, description = "KUBERNETES_ERROR: the cluster does not answer; MONITORING_UNAVAILABLE: too many are followed", body = ErrorOut),
    ),
)]
pub(crate) async fn read_logs(
    Reader(api): Reader,
    PathText(tenant_id): PathText,
    Asked(parts): Asked,
) -> Result<Response, ApiError> {
    let query = QueryReader::new(&parts.uri);
    let tail = query.integer("tail", 0..=MOST_LINES as u64).unwrap_or(LINES as u64);
    let asked = LogQuery {
        container: query.text("container").map(str::to_owned),
        previous: query.flag("previous").unwrap_or(false),
        tail: tail as usize,
        follow: query.flag("follow").unwrap_or(false),
    };
    let (service, pod) = (query.text("service").map(str::to_owned), query.text("pod").map(str::to_owned));
    let tenant = api.find_tenant(&tenant_id)?;
    let there = api.services().cluster.pods(&tenant.id)?;
    let mut pods = chosen(&query, there, service.as_deref(), pod.as_deref(), asked.container.as_deref());
    query.finish(&api.context)?;
    if pods.len() > MOST_PODS {
        let text = format!("{} pods: the first {MOST_PODS} are read, choose a service or a pod", pods.len());
        api.context.warn(WarningCode::TooManyPods, text);
        pods.truncate(MOST_PODS);
    }
    let follow = asked.follow && !asked.previous;
    let place = if follow { Some(place(&api, &parts)?) } else { None };
    let logs = api.services().cluster.logs(&tenant.id, pods, asked).await?;
    for pod in &logs.without_previous {
        let text = format!("pod {pod} has no container before the last restart");
        api.context.warn(WarningCode::NoPreviousContainer, text);
    }
    let ends = (place, api.state.stopping.clone(), TokenWatch::new(&api));
    let lines = stream::unfold((logs.lines, ends), |(mut lines, mut ends)| async move {
        let (place, stopping, token) = &mut ends;
        let line = tokio::select! {
            biased;
            () = stopping.cancelled() => None,
            () = token.ended() => None,
            () = wanted(place.as_ref()) => None,
            line = lines.recv() => line,
        };
        let mut line = line?;
        line.push('\n');
        Some((Ok::<_, Infallible>(Bytes::from(line)), (lines, ends)))
    });
    let mut response = Response::new(Body::from_stream(lines));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    // What proxies would keep back until it is much.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// The pods that are asked for; what names none of them is a fault that says what there is.
fn chosen(
    query: &QueryReader,
    there: Vec<PodName>,
    service: Option<&str>,
    pod: Option<&str>,
    container: Option<&str>,
) -> Vec<PodName> {
    if there.is_empty() {
        for name in ["service", "pod", "container"].into_iter().filter(|name| query.text(name).is_some()) {
            query.fault(name, Message::new("api.no_pods"));
        }
        return there;
    }
    if let Some(service) = service
        && !there.iter().any(|one| one.app == service)
    {
        let apps: BTreeSet<&str> = there.iter().map(|one| one.app.as_str()).collect();
        query.fault("service", unknown_choice("api.no_pods_of_service", service, apps.into_iter()));
    }
    if let Some(pod) = pod
        && !there.iter().any(|one| one.name == pod)
    {
        let names = there.iter().map(|one| one.name.as_str()).take(MOST_PODS);
        query.fault("pod", unknown_choice("api.no_such_pod", pod, names));
    }
    let wanted = |one: &PodName| {
        service.is_none_or(|service| one.app == service) && pod.is_none_or(|pod| one.name == pod)
    };
    let there: Vec<PodName> = there.into_iter().filter(wanted).collect();
    let Some(container) = container else { return there };
    let has = |one: &PodName| one.containers.iter().any(|name| name == container);
    if !there.is_empty() && !there.iter().any(has) {
        let names: BTreeSet<&str> =
            there.iter().flat_map(|one| &one.containers).map(String::as_str).collect();
        query.fault("container", unknown_choice("api.no_such_container", container, names.into_iter()));
    }
    there.into_iter().filter(has).collect()
}

/// The head of the request.
pub(crate) struct Asked(Parts);

impl axum::extract::FromRequestParts<Arc<ApiState>> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &Arc<ApiState>) -> Result<Self, Infallible> {
        Ok(Self(parts.clone()))
    }
}

/// A place among the streams, so that nobody takes all of them.
fn place(api: &Api, parts: &Parts) -> Result<crate::streams::Place, ApiError> {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    api.state.streams.place(Client::of(&api.access, peer))
}

/// Ends where another needs the place more.
async fn wanted(place: Option<&crate::streams::Place>) {
    match place {
        Some(place) => place.wanted().cancelled_owned().await,
        None => std::future::pending().await,
    }
}
