//! Following the feed: woken by the server's notifications, and looking by itself beneath them.

use super::PostgresError;
use super::connect::Connector;
use super::workers::Workers;
use crate::sql::PostgresSession;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Between two looks without a notification.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Between two tries to connect.
const CONNECT_EVERY: Duration = Duration::from_secs(1);

/// The channel of a schema's notifications.
pub(super) fn channel(connector: &Connector) -> String {
    format!("{}_feed", connector.schema())
}

/// Takes what others write, until it is told to stop.
pub(super) fn follow_until_stopped(workers: &Workers) {
    let mut session: Option<PostgresSession> = None;
    while !workers.stopped.load(Ordering::Acquire) {
        let wait = match look(workers, &mut session) {
            Ok(()) => LOOK_EVERY,
            Err(error) => {
                session = None;
                workers.health.failed(&error.to_string());
                CONNECT_EVERY
            }
        };
        match &session {
            Some(session) => {
                let heard = workers.heard.notified();
                let _ = session.wait(async { tokio::time::timeout(wait, heard).await });
            }
            None => std::thread::park_timeout(wait),
        }
    }
}

fn look(workers: &Workers, session: &mut Option<PostgresSession>) -> Result<(), PostgresError> {
    if session.as_ref().is_none_or(PostgresSession::is_closed) {
        let mut fresh = workers.connector.connect_and_hear(workers.heard.clone())?;
        fresh.batch(&format!("LISTEN {}", channel(&workers.connector)))?;
        *session = Some(fresh);
    }
    let session = session.as_mut().ok_or(PostgresError::Lost)?;
    let _turn = workers.turn.lock();
    session.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
    workers.catch_up(session)?;
    session.batch("COMMIT")
}
