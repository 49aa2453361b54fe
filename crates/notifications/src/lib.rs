//! Tells receivers of alerts: what is said, to which addresses, when, and by whom.
//!
//! What there is to tell stands in the store's outbox, recorded with the change that it tells; nothing is
//! sent that is not there. This crate takes turns at receivers, sends, and says what came of it. It decides
//! nothing about alerts.

mod addresses;
mod alertmanager;
mod client;
mod counts;
mod pace;
mod sender;
#[cfg(test)]
mod testing;
mod webhook;

pub use addresses::{AllowedAddresses, AllowedFault};
pub use client::ReceiverClient;
pub use counts::{Counts, Outcome};
pub use sender::NotificationSender;
