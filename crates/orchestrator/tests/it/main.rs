//! Integration tests over real sockets and real files; one file a resource.

mod alert_rules;
mod authorization;
mod contract;
mod costs;
mod damage;
mod deployments;
mod docs;
mod durability;
mod happenings;
mod history;
mod hostile;
mod incarnations;
mod limits;
mod manifests;
mod monitoring;
mod overview;
mod postgres;
mod process;
mod receivers;
mod requests;
mod silences;
mod sites;
mod sizing;
mod streams;
mod tenants;
