//! The HTTP face of the orchestrator: REST resources, WebSockets, wire types and OpenAPI.
//!
//! It turns requests into calls of the domain and answers into the contract's JSON. It decides
//! nothing about tenants, sizes nothing and stores nothing: that is the domain's and its ports'.

mod admission;
mod alert_filter;
mod alert_rules;
mod alerts;
mod audit;
pub mod auth;
mod body;
mod capacity;
mod catalog;
mod clients;
mod costs;
pub mod dashboard;
mod deployments;
mod docs;
pub mod error;
mod fields;
#[doc(hidden)]
pub mod fuzzing;
mod gpu_headroom;
mod happenings;
mod health;
mod history;
mod json;
mod manifests;
mod memory;
mod monitoring;
mod nodes;
pub mod offline;
mod openapi;
mod overview;
mod query;
pub mod rate_limit;
mod receivers;
mod recommendation;
pub mod request_context;
mod request_layer;
mod revisions;
mod router;
pub mod serve;
mod silences;
pub mod sites;
mod sizing;
pub mod state;
pub mod streams;
mod system;
pub mod telemetry;
mod tenants;
mod tracing_context;
mod verification;
mod wire;

pub use error::{ApiError, ErrorCode};
pub use openapi::{openapi, openapi_json};
pub use request_context::{Api, RequestContext};
pub use router::router;
pub use state::{ApiState, Limits, ModeServices, Readiness};
