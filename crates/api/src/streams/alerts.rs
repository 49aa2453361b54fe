//! `/ws/alerts/{tenant_id}`: the open alerts, then every change, none twice and none lost.

use super::handshake::Handshake;
use super::index::TenantFeed;
use super::session::{Feed, Session, Step, unknown_action};
use crate::error::ApiError;
use crate::openapi::ErrorOut;
use crate::request_context::{Api, PathText};
use crate::telemetry::Stream;
use crate::wire;
use axum::extract::ws::Utf8Bytes;
use axum::response::Response;
use ecp_core::alerts::{Alert, AlertChange, AlertEvent, Severity};
use ecp_core::ids::AlertId;
use ecp_core::ports::{AlertingStore, Clock, StoreError, TenantStore};
use ecp_core::text::{Language, Message};
use serde::Serialize;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::watch;
use utoipa::ToSchema;

/// Changes that the subscribers of a tenant share; who is further behind reads the store.
const CHANGES_SHARED: usize = 256;
/// Changes that one subscriber takes at a time.
pub(super) const CHANGES_TAKEN: usize = 64;

/// Watch a tenant's alerts
///
/// A WebSocket. The open alerts come at once, then each change: the alert's fields with `state`
/// (`opened`, `raised`, `lowered`, `resolved`) and `seq`, which counts the tenant's alert changes; open
/// alerts carry the number of the newest change before them. With `since` the changes after that
/// alert's opening come instead of the open alerts, so that nothing is lost over a reconnect.
#[utoipa::path(
    get,
    path = "/ws/alerts/{tenant_id}",
    tag = "streams",
    params(
        ("tenant_id" = String, Path, description = "Tenant id", example = "global-call-center"),
        ("since" = Option<String>, Query, description = "The last alert that the client has seen"),
    ),
    responses(
        (status = 101, description = "The WebSocket is open"),
        (status = 404, description = "TENANT_NOT_FOUND", body = ErrorOut),
    ),
)]
pub(crate) async fn watch_alerts(
    handshake: Handshake,
    PathText(tenant_id): PathText,
) -> Result<Response, ApiError> {
    let api = &handshake.api;
    let tenant = api.find_tenant(&tenant_id)?;
    let shared = api.state.streams.index.tenant(api, &tenant)?;
    let store = api.services().tenants.clone();
    // Subscribed before anything is read: what happens meanwhile is read again, not missed.
    let changes = store.subscribe_alerts(&tenant.id);
    let session = Session::new(api, handshake.language, shared.ended.clone());
    let mut feed = AlertFeed {
        shared,
        store,
        changes,
        frames: Frames::of(api, handshake.language),
        sent: 0,
        waiting: VecDeque::new(),
    };
    match &handshake.since {
        Some(since) => feed.resume(since).await?,
        None => feed.begin(),
    }
    handshake.accept(Stream::alerts, |socket| session.run(socket, feed))
}

struct AlertFeed {
    shared: Arc<TenantFeed>,
    store: Arc<dyn TenantStore>,
    changes: watch::Receiver<u64>,
    frames: Frames,
    /// Number of the newest change that was sent or waits.
    sent: u64,
    waiting: VecDeque<Utf8Bytes>,
}

impl AlertFeed {
    /// Starts with the open alerts.
    fn begin(&mut self) {
        loop {
            let before = *self.changes.borrow();
            let open = self.store.open_alerts(&self.shared.id);
            // A change between the two reads may or may not be in the list: look again.
            if *self.changes.borrow() == before {
                self.sent = before;
                let is_ours = |alert: &&Arc<Alert>| alert.incarnation == self.shared.incarnation;
                let frame = |alert: &Arc<Alert>| self.frames.encode(alert, AlertChange::Opened, before);
                self.waiting = open.iter().filter(is_ours).map(|alert| frame(alert).into()).collect();
                return;
            }
        }
    }

    /// Starts with what happened after an alert opened.
    async fn resume(&mut self, since: &AlertId) -> Result<(), StoreError> {
        let before = *self.changes.borrow();
        let mut events = self.store.alert_events_since(&self.shared.id, since).await?;
        events.retain(|event| event.alert.incarnation == self.shared.incarnation);
        self.sent = events.last().map_or(before, |event| event.seq.max(before));
        self.waiting = events
            .iter()
            .map(|event| self.frames.encode(&event.alert, event.change, event.seq).into())
            .collect();
        Ok(())
    }
}

impl Feed for AlertFeed {
    async fn next(&mut self) -> Step {
        loop {
            if let Some(frame) = self.waiting() {
                return Step::Frame(frame);
            }
            let published = *self.changes.borrow_and_update();
            if published <= self.sent {
                if self.changes.changed().await.is_err() {
                    return Step::End(Message::new("stream.tenant_deleted"));
                }
                continue;
            }
            let mut log = self.shared.alerts.lock().await;
            match log.after(&*self.store, &self.shared, self.sent, published, &self.frames).await {
                Ok(frames) => {
                    // Changes that are gone were cleared; the gap in the numbers says so.
                    self.sent = frames.last().map_or(published, |(seq, _)| *seq);
                    self.waiting.extend(frames.into_iter().map(|(_, frame)| frame));
                }
                Err(error) => {
                    tracing::error!(tenant.id = self.shared.id.as_str(), %error, "alert changes can not be read");
                    return Step::Fail;
                }
            }
        }
    }

    fn waiting(&mut self) -> Option<Utf8Bytes> {
        self.waiting.pop_front()
    }

    fn command(&mut self, action: &str, _body: &Value) -> Result<(), ApiError> {
        Err(unknown_action(action, &["ping"]))
    }

    fn seq(&mut self) -> u64 {
        self.sent
    }
}

/// The newest alert changes of a tenant, read once for all its subscribers.
#[derive(Default)]
pub(super) struct AlertLog {
    /// Everything after this number is in `changes`; `None` before the first reader.
    start: Option<u64>,
    changes: VecDeque<LoggedChange>,
}

struct LoggedChange {
    event: AlertEvent,
    korean: Option<Utf8Bytes>,
    english: Option<Utf8Bytes>,
}

impl LoggedChange {
    fn frame(&mut self, frames: &Frames) -> (u64, Utf8Bytes) {
        let encoded = match frames.language {
            Language::Ko => &mut self.korean,
            Language::En => &mut self.english,
        };
        let AlertEvent { seq, change, alert, .. } = &self.event;
        let frame = encoded.get_or_insert_with(|| frames.encode(alert, *change, *seq).into());
        (*seq, frame.clone())
    }
}

impl AlertLog {
    /// Frames of the changes after `sent`, a handful at most; `published` is the newest number.
    async fn after(
        &mut self,
        store: &dyn TenantStore,
        tenant: &TenantFeed,
        sent: u64,
        published: u64,
        frames: &Frames,
    ) -> Result<Vec<(u64, Utf8Bytes)>, StoreError> {
        // A later tenant of the same id has changes of its own.
        let is_ours = |event: &AlertEvent| event.alert.incarnation == tenant.incarnation;
        let start = *self.start.get_or_insert(sent);
        if sent < start {
            // Further behind than the log reaches.
            let events = store.alert_events_after(&tenant.id, sent).await?;
            let encode =
                |event: &AlertEvent| (event.seq, frames.encode(&event.alert, event.change, event.seq).into());
            return Ok(events
                .iter()
                .filter(|event| is_ours(event))
                .take(CHANGES_TAKEN)
                .map(encode)
                .collect());
        }
        let newest = self.changes.back().map_or(start, |change| change.event.seq);
        if newest < published {
            for event in store.alert_events_after(&tenant.id, newest).await?.into_iter().filter(is_ours) {
                self.changes.push_back(LoggedChange { event, korean: None, english: None });
            }
            while self.changes.len() > CHANGES_SHARED {
                self.start = self.changes.pop_front().map(|change| change.event.seq);
            }
        }
        let place = self.changes.partition_point(|change| change.event.seq <= sent);
        Ok(self
            .changes
            .iter_mut()
            .skip(place)
            .take(CHANGES_TAKEN)
            .map(|change| change.frame(frames))
            .collect())
    }
}

/// A change of an alert, as its stream sends it.
#[derive(Serialize, ToSchema)]
#[schema(as = AlertFrame)]
pub(crate) struct AlertFrame<'a> {
    /// Its id from opening to resolution.
    alert_id: &'a str,
    /// Whose.
    tenant_id: &'a str,
    /// `warning` or `critical`; when resolved, the last.
    #[schema(value_type = String)]
    severity: Severity,
    /// `resource_usage`, `performance`, `availability`, `deployment_failed`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// For people.
    message: String,
    /// Series, `samples`, or `deployment`.
    metric: &'static str,
    /// Value that changed it.
    current_value: f64,
    /// Threshold that it is over, or was.
    threshold: f64,
    /// When.
    timestamp: String,
    /// `opened`, `raised`, `lowered` or `resolved`.
    #[schema(value_type = String)]
    state: AlertChange,
    /// Counts the changes of the tenant's alerts, or of all.
    seq: u64,
    /// When it opened.
    opened_at: String,
    /// When it resolved; `null` while it is open.
    resolved_at: Option<String>,
    /// True while a silence has nobody told of it.
    silenced: bool,
}

/// Makes frames: in which language, and whether a silence holds when the frame is made.
pub(super) struct Frames {
    language: Language,
    alerting: Arc<dyn AlertingStore>,
    clock: Arc<dyn Clock>,
}

impl Frames {
    pub(super) fn of(api: &Api, language: Language) -> Self {
        Self { language, alerting: api.services().alerting.clone(), clock: api.state.clock.clone() }
    }

    pub(super) fn language(&self) -> Language {
        self.language
    }

    pub(super) fn encode(&self, alert: &Alert, state: AlertChange, seq: u64) -> String {
        let frame = AlertFrame {
            alert_id: alert.id.as_str(),
            tenant_id: alert.tenant_id.as_str(),
            severity: alert.severity,
            kind: alert.subject.kind().as_str(),
            message: alert.message.render(self.language),
            metric: alert.subject.metric_name(),
            current_value: alert.current_value,
            threshold: alert.threshold,
            timestamp: wire::timestamp_text(alert.updated_at),
            state,
            seq,
            opened_at: wire::timestamp_text(alert.opened_at),
            resolved_at: alert.resolved_at.map(wire::timestamp_text),
            silenced: self.alerting.is_silenced(alert, self.clock.now()),
        };
        // Texts and finite numbers only: serializing can not fail.
        serde_json::to_string(&frame).expect("an alert frame serializes")
    }
}
