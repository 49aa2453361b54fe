//! `/ws/alerts`: the open alerts of all tenants, then every change, none twice and none lost.

use super::alerts::{CHANGES_TAKEN, Frames};
use super::handshake::Handshake;
use super::session::{Feed, Session, Step, unknown_action};
use crate::error::ApiError;
use crate::openapi::ErrorOut;
use crate::state::ApiState;
use crate::telemetry::Stream;
use axum::extract::ws::Utf8Bytes;
use axum::response::Response;
use ecp_core::Mode;
use ecp_core::alerts::{Alert, AlertChange, AlertEvent};
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::watch;

/// Watch the alerts of all tenants
///
/// A WebSocket, for tokens without a list of tenants. The open alerts come at once, then each change, as
/// in the stream of one tenant; `seq` counts the changes of all of them. With `since` the changes after
/// that alert's opening come instead of the open alerts, so that nothing is lost over a reconnect.
#[utoipa::path(
    get,
    path = "/ws/alerts",
    tag = "streams",
    params(("since" = Option<String>, Query, description = "The last alert that the client has seen")),
    responses(
        (status = 101, description = "The WebSocket is open"),
        (status = 403, description = "FORBIDDEN: the token does not cover all tenants", body = ErrorOut),
    ),
)]
pub(crate) async fn watch_all_alerts(handshake: Handshake) -> Result<Response, ApiError> {
    let api = &handshake.api;
    api.see_all()?;
    // Subscribed before anything is read: what happens meanwhile is read again, not missed.
    let changes = api.services().alerting.subscribe_alert_feed();
    let session = Session::new(api, handshake.language, api.state.stopping.clone());
    let mut feed = AllAlertsFeed {
        state: api.state.clone(),
        mode: api.mode,
        changes,
        frames: Frames::of(api, handshake.language),
        sent: 0,
        waiting: VecDeque::new(),
    };
    match &handshake.since {
        // Every kept change where the alert is not known.
        Some(since) => feed.sent = api.services().alerting.alert_opening(since).await?.unwrap_or(0),
        None => feed.begin(),
    }
    handshake.accept(Stream::alerts, |socket| session.run(socket, feed))
}

struct AllAlertsFeed {
    state: Arc<ApiState>,
    mode: Mode,
    changes: watch::Receiver<u64>,
    frames: Frames,
    /// Number of the newest change that was sent or waits.
    sent: u64,
    waiting: VecDeque<Waiting>,
}

/// What is still to be sent; it is encoded when it is its turn.
enum Waiting {
    /// An alert that was open at the start.
    Open(Arc<Alert>),
    Change(Arc<AlertEvent>),
}

impl AllAlertsFeed {
    /// Starts with the open alerts.
    fn begin(&mut self) {
        let store = self.state.services(self.mode).tenants.clone();
        loop {
            let before = *self.changes.borrow();
            let tenants = store.tenants();
            let mut open: Vec<_> = tenants.iter().flat_map(|tenant| store.open_alerts(&tenant.id)).collect();
            // A change between the two reads may or may not be in the list: look again.
            if *self.changes.borrow() == before {
                open.sort_by_key(|alert| alert.opened_at);
                self.sent = before;
                self.waiting = open.into_iter().map(Waiting::Open).collect();
                return;
            }
        }
    }

    fn encode(&self, waiting: &Waiting) -> Utf8Bytes {
        match waiting {
            Waiting::Open(alert) => self.frames.encode(alert, AlertChange::Opened, self.sent).into(),
            Waiting::Change(event) => {
                let shared = self.state.streams.index.all_alerts(self.mode);
                shared.get((event.number, self.frames.language()), || {
                    self.frames.encode(&event.alert, event.change, event.number)
                })
            }
        }
    }
}

impl Feed for AllAlertsFeed {
    async fn next(&mut self) -> Step {
        loop {
            if let Some(frame) = self.waiting() {
                return Step::Frame(frame);
            }
            let published = *self.changes.borrow_and_update();
            if published <= self.sent {
                if self.changes.changed().await.is_err() {
                    return Step::Fail;
                }
                continue;
            }
            let alerting = &self.state.services(self.mode).alerting;
            match alerting.alert_feed_after(self.sent, CHANGES_TAKEN).await {
                Ok(events) => {
                    // Changes that are gone were cleared; the gap in the numbers says so.
                    self.sent = events.last().map_or(published, |event| event.number);
                    self.waiting.extend(events.into_iter().map(Waiting::Change));
                }
                Err(error) => {
                    tracing::error!(%error, "alert changes can not be read");
                    return Step::Fail;
                }
            }
        }
    }

    fn waiting(&mut self) -> Option<Utf8Bytes> {
        let waiting = self.waiting.pop_front()?;
        Some(self.encode(&waiting))
    }

    fn command(&mut self, action: &str, _body: &Value) -> Result<(), ApiError> {
        Err(unknown_action(action, &["ping"]))
    }

    fn seq(&mut self) -> u64 {
        self.sent
    }
}
