//! The body of an answer on its way back: held while the line is silent, ended when its time is over.

use super::AnyBody;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use kube::client::Body;
use std::io;
use tokio::sync::watch;
use tokio::time::Instant;

/// What the connections of the proxy are in for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Line {
    #[default]
    Open,
    Refused,
    Silent,
}

/// The state that every connection follows.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LineState {
    pub(super) line: Line,
    /// Counts up when all connections are to break.
    pub(super) cuts: u64,
}

struct Relay {
    body: Body,
    line: watch::Receiver<LineState>,
    end: Option<(Instant, bool)>,
    over: bool,
}

/// Passes the body on until the instant of `end`, where it breaks off (true) or ends in good order.
pub(super) fn relay(body: Body, line: watch::Receiver<LineState>, end: Option<(Instant, bool)>) -> AnyBody {
    let frames = stream::unfold(Relay { body, line, end, over: false }, |mut relay| async move {
        if relay.over {
            return None;
        }
        let time_is_over = async {
            match relay.end {
                Some((instant, _)) => tokio::time::sleep_until(instant).await,
                None => std::future::pending().await,
            }
        };
        let frame = tokio::select! {
            frame = relay.body.frame() => match frame? {
                Ok(frame) => Ok(frame),
                Err(error) => Err(io::Error::other(error)),
            },
            () = time_is_over => {
                if relay.end.is_none_or(|(_, abrupt)| !abrupt) {
                    return None;
                }
                Err(io::Error::other("cut by the test"))
            }
        };
        relay.over = frame.is_err();
        // A frame that came during silence waits for its end.
        let _ = relay.line.wait_for(|state| state.line != Line::Silent).await;
        Some((frame, relay))
    });
    StreamBody::new(frames).boxed_unsync()
}
