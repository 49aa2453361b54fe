//! Where something that is done later comes from: who asked for it, and by which request.

use crate::ids::RequestId;
use serde::{Deserialize, Serialize};

/// What the audit trail calls who is no bearer of a token. No token may be named so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerActor {
    /// Whoever asks where tokens are off.
    Anonymous,
    /// The reconciler.
    Controller,
    /// The configuration, where it asks that the present catalog is rolled out.
    Catalog,
    /// The tenants that demo mode begins with.
    Demo,
}

impl ServerActor {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Anonymous, Self::Controller, Self::Catalog, Self::Demo];

    /// The spelling of the audit trail.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Controller => "controller",
            Self::Catalog => "catalog",
            Self::Demo => "demo",
        }
    }
}

impl From<ServerActor> for String {
    fn from(actor: ServerActor) -> Self {
        actor.as_str().to_owned()
    }
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Token name, or a [`ServerActor`].
    pub actor: String,
    /// The request; none where no request asked.
    pub origin: Option<Origin>,
}

impl Caller {
    /// The id of the request, where one asked.
    pub fn request_id(&self) -> Option<&str> {
        self.origin.as_ref().map(|origin| origin.request_id.as_str())
    }
}

/// The request that caused what is done after it was answered. It is kept with the deployment, so that a
/// look of the controller is found by the request, after a restart too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Its `X-Request-ID`.
    pub request_id: RequestId,
    /// Its span, as `traceparent` spells it, where a collector takes traces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_parent: Option<String>,
}
