//! The real cluster. What its objects, pods and nodes say is judged by pure functions here.

#[allow(dead_code, reason = "judged for the real cluster, which is being added")]
mod capacity;
#[allow(dead_code, reason = "judged for the real cluster, which is being added")]
mod drift;
#[allow(dead_code, reason = "judged for the real cluster, which is being added")]
mod pods;
#[allow(dead_code, reason = "judged for the real cluster, which is being added")]
mod state;
