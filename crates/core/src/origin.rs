//! Where something that is done later comes from: who asked for it, and by which request.

use crate::ids::RequestId;
use serde::{Deserialize, Serialize};

/// Who asks.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Token name, or `anonymous`.
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
