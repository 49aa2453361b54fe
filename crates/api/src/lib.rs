//! The HTTP face of the orchestrator: REST resources, WebSockets, wire types and OpenAPI.
//!
//! It turns requests into calls of the domain and answers into the contract's JSON. It decides
//! nothing about tenants, sizes nothing and stores nothing: that is the domain's and its ports'.

pub mod auth;
pub mod error;
mod health;
pub mod request_context;
mod request_layer;
mod router;
pub mod state;
mod wire;

pub use error::{ApiError, ErrorCode};
pub use request_context::{Api, RequestContext};
pub use router::router;
pub use state::{ApiState, Limits, ModeServices, Readiness};
