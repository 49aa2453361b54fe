//! `/ws/deployment/{deployment_id}`: a roll-out or a deletion, from its present state to its end.

use super::handshake::Handshake;
use super::index::DeploymentFeed;
use super::session::{Feed, Session, Step, unknown_action};
use crate::deployments::FailureOut;
use crate::error::ApiError;
use crate::openapi::ErrorOut;
use crate::request_context::PathText;
use crate::telemetry::Stream;
use crate::wire;
use axum::extract::ws::Utf8Bytes;
use axum::response::Response;
use ecp_core::deployment::{Deployment, DeploymentEvent, DeploymentKind, DeploymentStatus};
use ecp_core::ids::DeploymentId;
use ecp_core::text::{Language, Message};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::watch;
use utoipa::ToSchema;

/// Watch a deployment
///
/// A WebSocket, for a deployment (`dep-…`) or a deletion (`del-…`). The present state comes at once,
/// then each change, `{"deployment_id", "status", "progress", "phase", "message", "timestamp",
/// "seq"}`, with `failure` (`code`, `message`) where it failed; after the end the socket is closed
/// with 1000.
#[utoipa::path(
    get,
    path = "/ws/deployment/{deployment_id}",
    tag = "streams",
    params(("deployment_id" = String, Path, description = "Deployment or deletion id: `dep-…` or `del-…`")),
    responses(
        (status = 101, description = "The WebSocket is open"),
        (status = 404, description = "DEPLOYMENT_NOT_FOUND", body = ErrorOut),
    ),
)]
pub(crate) async fn watch_deployment(
    handshake: Handshake,
    PathText(deployment_id): PathText,
) -> Result<Response, ApiError> {
    let api = &handshake.api;
    let id = DeploymentId::from_text(deployment_id);
    let changes = api.services().tenants.subscribe_deployment(&id);
    let changes = changes.filter(|changes| api.access.may_see(&changes.borrow().tenant_id));
    let Some(changes) = changes else { return Err(ApiError::deployment_not_found(id.as_str())) };
    api.context.set_tenant(&changes.borrow().tenant_id);
    let shared = api.state.streams.index.deployment(api.mode, &id);
    let session = Session::new(api, handshake.language, api.state.stopping.clone());
    // The newest event is the present state.
    let sent = changes.borrow().events.last().map_or(0, |event| event.seq.saturating_sub(1));
    let feed = ProgressFeed { shared, changes, language: handshake.language, sent };
    handshake.accept(Stream::deployment, |socket| session.run(socket, feed))
}

struct ProgressFeed {
    shared: Arc<DeploymentFeed>,
    changes: watch::Receiver<Arc<Deployment>>,
    language: Language,
    /// Number of the newest event that was sent.
    sent: u64,
}

impl Feed for ProgressFeed {
    async fn next(&mut self) -> Step {
        loop {
            let (is_final, kind) = {
                let deployment = self.changes.borrow_and_update();
                (deployment.status.is_final(), deployment.kind)
            };
            if let Some(frame) = self.waiting() {
                return Step::Frame(frame);
            }
            if is_final {
                return Step::End(Message::new(match kind {
                    DeploymentKind::Delete(_) => "stream.deletion_ended",
                    DeploymentKind::Create | DeploymentKind::Update => "stream.deployment_ended",
                }));
            }
            if self.changes.changed().await.is_err() {
                return Step::End(Message::new("stream.tenant_deleted"));
            }
        }
    }

    fn waiting(&mut self) -> Option<Utf8Bytes> {
        let deployment = self.changes.borrow().clone();
        let place = deployment.events.partition_point(|event| event.seq <= self.sent);
        let event = deployment.events.get(place)?;
        self.sent = event.seq;
        let key = (event.seq, self.language);
        Some(self.shared.events.get(key, || encode(&deployment, event, self.language)))
    }

    fn command(&mut self, action: &str, _body: &Value) -> Result<(), ApiError> {
        Err(unknown_action(action, &["ping"]))
    }

    fn seq(&mut self) -> u64 {
        self.sent
    }
}

/// The state of a deployment or deletion at one moment, as its stream sends it.
#[derive(Serialize, ToSchema)]
#[schema(as = DeploymentFrame)]
pub(crate) struct DeploymentFrame<'a> {
    /// `dep-…`, or `del-…` of a deletion.
    deployment_id: &'a str,
    /// `pending`, `deploying`, `running`, `failed`, `rolled_back`, `deleting` or `deleted`.
    status: &'static str,
    /// Percent done.
    progress: u8,
    /// What is being done.
    phase: &'static str,
    /// For people.
    message: String,
    /// Why it failed, where it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<FailureOut<'a>>,
    /// When.
    timestamp: String,
    /// Counts the deployment's changes.
    seq: u64,
}

fn encode(deployment: &Deployment, event: &DeploymentEvent, language: Language) -> String {
    let failed = matches!(event.status, DeploymentStatus::Failed | DeploymentStatus::RolledBack);
    let failure = deployment.failure.as_ref().filter(|_| failed);
    let frame = DeploymentFrame {
        deployment_id: deployment.id.as_str(),
        status: event.status.as_str(),
        progress: event.progress,
        phase: event.phase.as_str(),
        message: event.message.render(language),
        failure: failure.map(|failure| FailureOut::owned(failure, language)),
        timestamp: wire::timestamp_text(event.timestamp),
        seq: event.seq,
    };
    // Texts and numbers only: serializing can not fail.
    serde_json::to_string(&frame).expect("a deployment frame serializes")
}
