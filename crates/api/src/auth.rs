//! Authentication and authorization: bearer tokens, and the extractors that every handler starts
//! with.
//!
//! # How a handler uses it
//!
//! The extractor in a handler's signature is its authorization. [`Reader`] lets every role in,
//! [`Writer`] operators and admins, [`Auditor`] admins, [`Admin`] those of them who see every tenant. Each yields the [`Api`] of the request, which
//! carries the caller's [`Access`]; what names a tenant goes through its scope:
//!
//! - `api.see(&id)?` before a tenant is looked up: a tenant outside the caller's list is answered 404
//!   exactly like one that does not exist;
//! - `api.access.may_see(&id)` to filter lists and totals;
//! - `api.own(&id)?` before a tenant id is taken (creation): 403, whether or not it exists;
//! - `api.caller()` for the audit trail.
//!
//! Where tokens are off, everybody is `anonymous` and may do everything. Keeping tokens and
//! recognizing them is the store's, behind [`AccessControl`](ecp_core::access::AccessControl).

use crate::error::{ApiError, ErrorCode};
use crate::request_context::Api;
use crate::state::ApiState;
use crate::tracing_context::trace_parent;
use axum::extract::FromRequestParts;
use ecp_core::access::{Access, AccessControl, Role};
use ecp_core::damage::Damage;
use ecp_core::ids::TenantId;
use ecp_core::origin::{Caller, Origin};
use ecp_core::tenancy::TenancyError;
use ecp_core::text::Message;
use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request};
use std::sync::Arc;
use tokio::time::{Interval, MissedTickBehavior};

/// The WebSocket protocol that we speak; the one that is chosen where a client offers several.
pub(crate) const SOCKET_PROTOCOL: &str = "ecp.v1";

/// Whether callers must show a token.
#[derive(Clone)]
pub struct Authentication {
    tokens: Option<Arc<dyn AccessControl>>,
    anonymous: Arc<Access>,
    open_metrics: bool,
}

impl Authentication {
    /// Everybody may do everything.
    pub fn off() -> Self {
        Self { tokens: None, anonymous: Arc::new(Access::anonymous()), open_metrics: true }
    }

    /// Every request but the open ones needs a token.
    pub fn on(tokens: Arc<dyn AccessControl>) -> Self {
        Self { tokens: Some(tokens), open_metrics: false, ..Self::off() }
    }

    /// Lets everybody read `/metrics`, as is fit where only this machine can ask.
    #[must_use]
    pub fn with_open_metrics(mut self, open: bool) -> Self {
        self.open_metrics |= open;
        self
    }

    /// Tokens that can not be read.
    pub(crate) fn damage(&self) -> Vec<Damage> {
        self.tokens.as_ref().map(|tokens| tokens.damage()).unwrap_or_default()
    }

    /// True where a token is needed.
    pub fn is_on(&self) -> bool {
        self.tokens.is_some()
    }

    /// Whether the token that gave this access is neither revoked nor expired by now.
    pub(crate) fn still_holds(&self, access: &Access) -> bool {
        match (&self.tokens, &access.token_id) {
            (None, _) => true,
            (Some(tokens), Some(token_id)) => tokens.is_valid(token_id),
            (Some(_), None) => false,
        }
    }

    /// Who is asking, by the `Authorization` header, or by the token that a WebSocket of a browser
    /// brings.
    pub(crate) fn identify(&self, headers: &HeaderMap, socket_token: Option<&str>) -> Identity {
        let Some(tokens) = &self.tokens else { return Identity::Known(self.anonymous.clone()) };
        let mut sent = headers.get_all(AUTHORIZATION).iter();
        let token = match sent.next() {
            // Of two, a proxy may have looked at the other.
            Some(_) if sent.next().is_some() => return Identity::Malformed,
            Some(value) => match value.to_str().ok().and_then(bearer_token) {
                Some(token) => token,
                None => return Identity::Malformed,
            },
            None => match socket_token {
                Some(token) => token,
                None => return Identity::NoToken,
            },
        };
        match tokens.verify(token) {
            Some(access) => Identity::Known(Arc::new(access)),
            None => Identity::UnknownToken,
        }
    }
}

/// Looks now and then whether the token that let a caller in still holds.
pub(crate) struct TokenWatch {
    authentication: Authentication,
    access: Arc<Access>,
    looks: Interval,
}

impl TokenWatch {
    /// Of the caller of a request.
    pub(crate) fn new(api: &Api) -> Self {
        let mut looks = tokio::time::interval(api.state.streams.token_interval());
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { authentication: api.state.authentication.clone(), access: api.access.clone(), looks }
    }

    /// Waits until it is revoked or expired. May be dropped and asked again at any time.
    pub(crate) async fn ended(&mut self) {
        while self.authentication.still_holds(&self.access) {
            self.looks.tick().await;
        }
    }
}

/// The token that a WebSocket brings where it can not send headers, as browsers can not: the protocol
/// `bearer.<token>`, offered beside [`SOCKET_PROTOCOL`], or else the query parameter `access_token`,
/// which proxies may log (we do not).
pub(crate) fn socket_token<B>(request: &Request<B>) -> Option<&str> {
    if !request.uri().path().starts_with("/ws/") {
        return None;
    }
    let offered = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let mut protocols = offered.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    protocols.find_map(|protocol| protocol.trim().strip_prefix("bearer.")).or_else(|| {
        let pairs = request.uri().query()?.split('&');
        pairs.filter_map(|pair| pair.strip_prefix("access_token=")).next()
    })
}

/// The token of `Bearer <token>`; the scheme in any case, as RFC 9110 has it.
fn bearer_token(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    let token = token.trim_start();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Who is asking.
#[derive(Clone, Debug)]
pub(crate) enum Identity {
    /// A bearer of a known token, or anybody where tokens are off.
    Known(Arc<Access>),
    /// No token was sent.
    NoToken,
    /// The `Authorization` header is not `Bearer <token>`.
    Malformed,
    /// The token is not known.
    UnknownToken,
}

impl Identity {
    /// What the caller may do, or 401.
    pub(crate) fn access(&self) -> Result<Arc<Access>, ApiError> {
        let (key, challenge) = match self {
            Self::Known(access) => return Ok(access.clone()),
            Self::NoToken => ("auth.token_missing", "Bearer realm=\"ecp\""),
            Self::Malformed => ("auth.token_malformed", "Bearer realm=\"ecp\", error=\"invalid_request\""),
            Self::UnknownToken => ("auth.token_unknown", "Bearer realm=\"ecp\", error=\"invalid_token\""),
        };
        Err(ApiError::new(ErrorCode::Unauthorized, Message::new(key))
            .header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge)))
    }
}

/// What the caller of a request may do, or 401.
pub(crate) fn access_of(parts: &Parts, state: &ApiState) -> Result<Arc<Access>, ApiError> {
    match parts.extensions.get::<Identity>() {
        Some(identity) => identity.access(),
        None => state.authentication.identify(&parts.headers, None).access(),
    }
}

/// Refuses a role that is too weak with 403.
pub(crate) fn require_role(access: &Access, required: Role) -> Result<(), ApiError> {
    if access.allows(required) {
        return Ok(());
    }
    let message = Message::new("auth.forbidden_role").with("required", required).with("role", access.role);
    Err(ApiError::new(ErrorCode::Forbidden, message).detail("required_role", required.as_str()))
}

/// Refuses a token with a list of tenants with 403: what is asked for is of the cluster as a whole.
pub(crate) fn require_everything(access: &Access) -> Result<(), ApiError> {
    if access.sees_everything() {
        return Ok(());
    }
    Err(ApiError::new(ErrorCode::Forbidden, Message::new("auth.forbidden_scope")))
}

macro_rules! authorized_extractor {
    ($(#[$doc:meta])* $name:ident, $role:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(pub Api);

        impl FromRequestParts<Arc<ApiState>> for $name {
            type Rejection = ApiError;

            async fn from_request_parts(
                parts: &mut Parts,
                state: &Arc<ApiState>,
            ) -> Result<Self, ApiError> {
                let access = access_of(parts, state)?;
                require_role(&access, Role::$role)?;
                Ok(Self(Api::new(parts, state, access)?))
            }
        }
    };
}

authorized_extractor!(
    /// Lets every role in: what reads.
    Reader,
    Viewer
);
authorized_extractor!(
    /// Lets operators and admins in: what creates, changes, deletes, sends metrics or validates.
    Writer,
    Operator
);
authorized_extractor!(
    /// Lets admins in: the audit trail.
    Auditor,
    Admin
);

/// Lets admins in who see every tenant: receivers of alerts.
#[derive(Clone)]
pub struct Admin(pub Api);

impl FromRequestParts<Arc<ApiState>> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ApiState>) -> Result<Self, ApiError> {
        let access = access_of(parts, state)?;
        require_role(&access, Role::Admin)?;
        require_everything(&access)?;
        Ok(Self(Api::new(parts, state, access)?))
    }
}

/// Lets in who may read `/metrics`, which count all tenants: any token that sees all of them, or
/// everybody where that is allowed.
pub(crate) struct MetricsReader {
    /// True of who may read about tenants, their costs and the cluster; others learn how the process
    /// is, and how many tenants there are.
    pub sees_tenants: bool,
}

impl FromRequestParts<Arc<ApiState>> for MetricsReader {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ApiState>) -> Result<Self, ApiError> {
        let access = access_of(parts, state);
        if state.authentication.open_metrics {
            return Ok(Self { sees_tenants: access.is_ok_and(|access| access.sees_everything()) });
        }
        require_everything(&*access?)?;
        Ok(Self { sees_tenants: true })
    }
}

impl Api {
    /// Who asks, for the audit trail and for what is done afterwards.
    pub fn caller(&self) -> Caller {
        let origin = Origin { request_id: self.context.request_id.clone(), trace_parent: trace_parent() };
        Caller { actor: self.access.actor.clone(), origin: Some(origin) }
    }

    /// Answers 404, as for a tenant that does not exist, where the caller may not see this one.
    pub fn see(&self, id: &TenantId) -> Result<(), ApiError> {
        if self.access.may_see(id) { Ok(()) } else { Err(ApiError::tenant_not_found(id.as_str())) }
    }

    /// Answers 403 where the caller may see some tenants alone and asks about all.
    pub(crate) fn see_all(&self) -> Result<(), ApiError> {
        if self.access.sees_everything() {
            return Ok(());
        }
        Err(ApiError::new(ErrorCode::Forbidden, Message::new("auth.all_tenants")))
    }

    /// What the caller learns of a refusal: with a list of tenants not how much the cluster has left.
    pub(crate) fn refusal(&self, error: TenancyError) -> ApiError {
        let error = ApiError::from(error);
        if self.access.sees_everything() { error } else { error.without_cluster_figures() }
    }

    /// Answers 403 where the caller's list does not have this tenant id, taken or not.
    pub fn own(&self, id: &TenantId) -> Result<(), ApiError> {
        if self.access.may_see(id) {
            return Ok(());
        }
        let message = Message::new("auth.forbidden_tenant").with("tenant_id", id);
        Err(ApiError::new(ErrorCode::Forbidden, message).detail("tenant_id", id.as_str()))
    }
}
