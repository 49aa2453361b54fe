//! The load of demo tenants: made up, but believable.

mod load;

pub use load::load_at;
