//! The domain: tenants, the catalog, sizing, cost, manifests, alert rules and the ports.
//!
//! Everything here is pure or a trait. It knows no HTTP, no SQL and no Kubernetes client; the
//! crates around it do, and meet only through the traits in [`ports`].

pub mod access;
pub mod alerts;
pub mod audit;
pub mod calibration;
pub mod catalog;
pub mod catalog_change;
pub mod costs;
pub mod damage;
pub mod deployment;
pub mod duration;
pub mod happenings;
pub mod ids;
pub mod ledger;
pub mod manifest;
pub mod metrics;
pub mod origin;
pub mod placement;
pub mod ports;
pub mod quantity;
pub mod recommendation;
pub mod revision;
pub mod rfc3339;
pub mod simulation;
pub mod sizing;
pub mod tenancy;
pub mod tenant;
pub mod text;
pub mod watched;

/// The clock's type everywhere: UTC, printed as RFC 3339 with `Z`.
pub use jiff::Timestamp;

use serde::{Deserialize, Serialize};

/// Which of the two separate worlds a request speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The simulated cluster and its own database.
    Demo,
    /// The real cluster and its own database.
    Real,
}

impl Mode {
    /// True in demo mode; the contract prints it as `is_demo`.
    pub fn is_demo(self) -> bool {
        self == Self::Demo
    }

    /// `demo` or `real`, for log fields and file names.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Real => "real",
        }
    }
}

/// Target of the spans that are for an OpenTelemetry collector alone: the log does not show them.
pub const TRACE_TARGET: &str = "ecp_trace";
