//! The program as a library: configuration, wiring, demo seeds, tokens, start and shutdown;
//! and its command line.
//!
//! It decides nothing about tenants; it opens what the other crates offer and connects it.

mod app;
pub mod cli;
pub mod config;
mod mode;
mod mode_metrics;
mod seeds;
pub mod tls;
pub mod tokens;
mod traces;

pub use app::App;
