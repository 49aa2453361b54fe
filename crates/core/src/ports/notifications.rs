//! Who is told of alerts, what waits to be told, and who tells it.

use super::StoreError;
use crate::Timestamp;
use crate::alerts::notice::{Attempt, Delivery, DeliveryState};
use crate::alerts::receiver::{Receiver, ReceiverKind};
use crate::alerts::{Alert, Severity};
use crate::audit::AuditEntry;
use crate::ids::{AlertId, DeliveryId, ReceiverId};
use crate::text::Message;
use async_trait::async_trait;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Which deliveries are asked for.
#[derive(Clone, Debug)]
pub struct DeliveryQuery {
    /// Of this receiver.
    pub receiver_id: ReceiverId,
    /// In this state.
    pub state: Option<DeliveryState>,
    /// Entries to leave out first.
    pub skip: usize,
    /// Entries at most.
    pub limit: usize,
}

/// What waits for one receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// For whom.
    pub receiver_id: ReceiverId,
    /// How it is told.
    pub kind: ReceiverKind,
    /// When the next of them is due, or open alerts are to be sent again; none where nothing is.
    pub next_due: Option<Timestamp>,
}

/// A receiver's turn: what one process alone may send it now.
#[derive(Clone, Debug)]
pub struct Turn {
    /// Who is told.
    pub receiver: Arc<Receiver>,
    /// What is due, oldest first; one of an alert at most.
    pub deliveries: Vec<Delivery>,
    /// Whether open alerts are to be sent again; to an Alertmanager alone.
    pub sends_again: bool,
}

/// Receivers and the outbox of one mode. Deliveries are recorded by the store itself, in the transaction of
/// the change that they tell.
#[async_trait]
pub trait NotificationStore: Send + Sync {
    /// Every receiver, oldest first, from memory.
    fn receivers(&self) -> Arc<Vec<Arc<Receiver>>>;
    /// Keeps a new receiver; refused beyond [`MOST`](crate::alerts::receiver::MOST).
    async fn add_receiver(&self, receiver: Receiver, audit: AuditEntry) -> Result<(), StoreError>;
    /// Replaces a receiver, with its secret; false where it is not there.
    async fn change_receiver(&self, receiver: Receiver, audit: AuditEntry) -> Result<bool, StoreError>;
    /// Takes a receiver away, with what waits for it; false where it is not there.
    async fn remove_receiver(&self, id: &ReceiverId, audit: AuditEntry) -> Result<bool, StoreError>;

    /// Deliveries, newest first: page and total count.
    async fn deliveries(&self, query: DeliveryQuery) -> Result<(Vec<Delivery>, usize), StoreError>;
    /// Keeps a delivery that came to its end already: that of a test.
    async fn add_delivery(&self, delivery: Delivery) -> Result<(), StoreError>;

    /// Changes whenever something may have come to wait.
    fn subscribe_outbox(&self) -> watch::Receiver<u64>;
    /// What waits, for each receiver there is. Its cost does not grow with how much that is.
    async fn waiting(&self) -> Result<Vec<Waiting>, StoreError>;
    /// Deliveries that have not come to their end, by receiver; those for whom none waits are left out.
    async fn queue_lengths(&self) -> Result<HashMap<ReceiverId, usize>, StoreError>;
    /// Begins a receiver's turn, so many deliveries at most; none where another holder has it. It is that
    /// holder's until it ends it, or for so long by the database's clock.
    async fn begin_turn(
        &self,
        id: &ReceiverId,
        holder: &str,
        lease: Duration,
        most: usize,
    ) -> Result<Option<Turn>, StoreError>;
    /// Open alerts of which a receiver hears now, from memory.
    fn open_alerts_for(&self, receiver: &Receiver) -> Vec<Arc<Alert>>;
    /// Alerts of which a receiver was told.
    async fn told_alerts(&self, id: &ReceiverId) -> Result<HashSet<AlertId>, StoreError>;
    /// Notes that a receiver is about to be told of open alerts of which it has not heard, so that of their end
    /// it will; those that are noted, with the severity that it is to be told. Of the others it hears otherwise.
    async fn note_told(
        &self,
        id: &ReceiverId,
        alerts: Vec<AlertId>,
    ) -> Result<HashMap<AlertId, Severity>, StoreError>;
    /// Says what came of one try of some deliveries; the states that those are in then which are there and had
    /// not come to their end.
    async fn record_attempts(
        &self,
        ids: Vec<DeliveryId>,
        attempt: Attempt,
    ) -> Result<Vec<DeliveryState>, StoreError>;
    /// Ends a receiver's turn. Where it was cut while open alerts were sent, they are to be sent again at once.
    async fn end_turn(&self, id: &ReceiverId, holder: &str, is_cut: bool) -> Result<(), StoreError>;
    /// Has alerts told over which a silence ended by now; each silence once.
    async fn end_silences(&self) -> Result<(), StoreError>;
    /// Forgets deliveries that came to their end and are listed no longer.
    async fn forget_deliveries(&self) -> Result<(), StoreError>;
}

/// Tells receivers.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Checks an address to which a receiver may be told; the error says what is wrong with it.
    async fn check_url(&self, kind: ReceiverKind, url: &str) -> Result<(), Message>;
    /// Sends a test and says what came of it.
    async fn send_test(&self, receiver: &Receiver, id: &DeliveryId) -> Attempt;
}
