//! The promises, kept on a PostgreSQL server.

use super::*;

type World = super::World<Server>;

#[path = "../alerts.rs"]
mod alerts;
#[path = "../deployments.rs"]
mod deployments;
#[path = "../extremes.rs"]
mod extremes;
mod leases;
#[path = "../outbox.rs"]
mod outbox;
mod processes;
#[path = "../receivers.rs"]
mod receivers;
#[path = "../revisions.rs"]
mod revisions;
mod simulation;
#[path = "../tenants.rs"]
mod tenants;
#[path = "../work.rs"]
mod work;
