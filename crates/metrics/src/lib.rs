//! Metrics.

mod codec;
mod head;
mod rollup;
mod set;
pub mod synthetic;
mod tier;

#[cfg(test)]
mod testing;
