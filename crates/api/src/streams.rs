//! WebSockets: live samples, deployments and alerts.
//!
//! All three are fed from one [`index`]: what subscribers share is looked up and encoded once. Each
//! connection is one task over a [`socket`] that takes the next frame only when the last one left, so
//! that a slow reader holds back nothing but itself. What a frame says is decided by the port that it
//! is read from; nothing is computed here.

mod alerts;
mod all_alerts;
mod deployment;
mod handshake;
mod index;
mod monitoring;
mod places;
mod session;
mod socket;

pub(crate) use alerts::AlertFrame;
pub(crate) use deployment::DeploymentFrame;
pub(crate) use monitoring::{MonitoringFrame, read_subscription};
pub(crate) use session::read_command;

pub(crate) use alerts::{__path_watch_alerts, watch_alerts};
pub(crate) use all_alerts::{__path_watch_all_alerts, watch_all_alerts};
pub(crate) use deployment::{__path_watch_deployment, watch_deployment};
pub(crate) use monitoring::{__path_watch_monitoring, watch_monitoring};

pub(crate) use places::Place;

use crate::clients::Client;
use crate::error::{ApiError, ErrorCode};
use ecp_core::text::Message;
use http::HeaderValue;
use http::header::RETRY_AFTER;
use index::Index;
use places::Places;
use std::sync::Arc;
use std::time::Duration;

/// How WebSockets are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamOptions {
    /// WebSockets at once; more are answered 503.
    pub max_sockets: usize,
    /// Time between two pings.
    pub ping_interval: Duration,
    /// A client that has not answered a ping for so long is gone.
    pub pong_timeout: Duration,
    /// A monitoring client that has not subscribed by then is told so.
    pub subscribe_timeout: Duration,
    /// How often the token by which a client came in is looked at again.
    pub token_interval: Duration,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self {
            max_sockets: 10_000,
            ping_interval: Duration::from_secs(20),
            pong_timeout: Duration::from_secs(40),
            subscribe_timeout: Duration::from_secs(10),
            token_interval: Duration::from_secs(5),
        }
    }
}

/// What all WebSockets share.
pub(crate) struct Streams {
    options: StreamOptions,
    places: Arc<Places>,
    index: Index,
}

impl Streams {
    /// A place for a stream, a WebSocket or another.
    pub(crate) fn place(&self, client: Client) -> Result<Place, ApiError> {
        self.places.take(client).ok_or_else(|| {
            ApiError::new(ErrorCode::MonitoringUnavailable, Message::new("stream.too_many_sockets"))
                .header(RETRY_AFTER, HeaderValue::from_static("5"))
        })
    }

    /// How often it is looked whether the token of an open stream still holds.
    pub(crate) fn token_interval(&self) -> std::time::Duration {
        self.options.token_interval
    }

    pub(crate) fn new(options: StreamOptions) -> Self {
        Self { options, places: Places::new(options.max_sockets), index: Index::default() }
    }
}
