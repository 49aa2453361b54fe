//! The first look at every request: who sends it, and whether it is one too many.

use crate::auth::{Identity, socket_token};
use crate::error::ApiError;
use crate::state::ApiState;
use axum::extract::ConnectInfo;
use http::Request;
use std::net::SocketAddr;

/// Paths of machines that watch the process; they are not counted against anybody.
const UNLIMITED: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Notes in the request's extensions who sends it, and refuses with 429 what is over the limit.
/// Whether the caller may do what it asks is the handler's extractor's.
pub(crate) fn admit<B>(state: &ApiState, request: &mut Request<B>) -> Result<(), ApiError> {
    let mut identity = None;
    if state.authentication.is_on() {
        let found = state.authentication.identify(request.headers(), socket_token(request));
        if matches!(found, Identity::UnknownToken) {
            state.telemetry.token_refused();
        }
        identity = Some(found);
    }
    let mut admitted = Ok(());
    if let Some(limit) = &state.rate_limit
        && !UNLIMITED.contains(&request.uri().path().trim_end_matches('/'))
    {
        let access = match &identity {
            Some(Identity::Known(access)) => Some(&**access),
            _ => None,
        };
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        admitted = limit.check(access, peer).inspect_err(|_| state.telemetry.request_rate_limited());
    }
    if let Some(identity) = identity {
        request.extensions_mut().insert(identity);
    }
    admitted
}
