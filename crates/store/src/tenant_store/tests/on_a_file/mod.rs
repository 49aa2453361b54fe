//! The promises, kept on an embedded file.

use super::*;

type World = super::World<File>;

#[path = "../alerts.rs"]
mod alerts;
#[path = "../deployments.rs"]
mod deployments;
#[path = "../extremes.rs"]
mod extremes;
#[path = "../outbox.rs"]
mod outbox;
#[path = "../receivers.rs"]
mod receivers;
#[path = "../revisions.rs"]
mod revisions;
#[path = "../tenants.rs"]
mod tenants;
#[path = "../work.rs"]
mod work;
