//! Notices: what a receiver is told of an alert, when it is tried again, and what came of it.
//!
//! A receiver is told what changed since it was last told: one that hears of critical alerts alone hears
//! of an opening when a warning becomes critical. Of an end it hears where it had heard of the alert.

use super::{Alert, Severity};
use crate::Timestamp;
use crate::ids::{DeliveryId, ReceiverId};
use crate::text::Message;
use serde::{Deserialize, Serialize};

/// Seconds after a failed try until the next, first to fourth; every later one comes after an hour.
const FIRST_PAUSES_SECONDS: [i64; 4] = [5, 30, 120, 600];
const LATER_PAUSE_SECONDS: i64 = 60 * 60;
/// Tries an hour apart: a day of them.
const LATER_TRIES: u32 = 24;
/// Tries of a delivery before it is given up.
pub const MOST_ATTEMPTS: u32 = 1 + FIRST_PAUSES_SECONDS.len() as u32 + LATER_TRIES;
/// How long a delivery is tried, in seconds, however few of its tries there were: of a long queue for a receiver
/// that takes nothing not each is tried in its time.
pub const LONGEST_SECONDS: i64 = 30 * 60 * 60;
/// Deliveries that wait for one receiver at most; the oldest are given up beyond that.
pub const MOST_WAITING: usize = 10_000;
/// Deliveries that came to their end and are listed for each receiver at most.
pub const MOST_LISTED: usize = 1_000;
/// How long one that came to its end is listed, in seconds: 30 days.
pub const LISTED_SECONDS: i64 = 30 * 24 * 60 * 60;

/// What a receiver is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// An alert is open of which it had not heard.
    Opened,
    /// Warning became critical.
    Raised,
    /// Critical became warning.
    Lowered,
    /// A silence ended over an alert that is as it was told before.
    Repeated,
    /// It is over.
    Resolved,
    /// Somebody tries the receiver.
    Test,
}

impl NoticeKind {
    /// The spelling of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Raised => "raised",
            Self::Lowered => "lowered",
            Self::Repeated => "repeated",
            Self::Resolved => "resolved",
            Self::Test => "test",
        }
    }
}

/// What becomes of a change for one receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What it is told, if anything.
    pub notice: Option<NoticeKind>,
    /// The severity that it knows of afterwards; none once it need not hear of the alert's end.
    pub told: Option<Severity>,
}

/// How an alert stands towards one receiver.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// The severity that the receiver was last told.
    pub told: Option<Severity>,
    /// Whether its filter means the alert as it is now.
    pub wanted: bool,
    /// Whether a silence has nobody told of it now.
    pub silenced: bool,
    /// Whether a silence just ended over it.
    pub unsilenced: bool,
}

/// Decides what a receiver is told of an alert as it is now.
pub fn decide(alert: &Alert, standing: Standing) -> Decision {
    let Standing { told, wanted, silenced, unsilenced } = standing;
    let nothing = Decision { notice: None, told };
    if alert.resolved_at.is_some() {
        // Who heard of it hears of its end, so that nothing stays open elsewhere.
        return Decision { notice: told.map(|_| NoticeKind::Resolved), told: None };
    }
    if silenced {
        return nothing;
    }
    let moved = |before: Severity| match alert.severity {
        Severity::Critical => (before != Severity::Critical).then_some(NoticeKind::Raised),
        Severity::Warning => (before != Severity::Warning).then_some(NoticeKind::Lowered),
    };
    match (told, wanted) {
        (None, false) => nothing,
        (None, true) => Decision { notice: Some(NoticeKind::Opened), told: Some(alert.severity) },
        (Some(before), true) => {
            let repeated = unsilenced.then_some(NoticeKind::Repeated);
            Decision { notice: moved(before).or(repeated), told: Some(alert.severity) }
        }
        // It left what the receiver hears of. Where the filter did, its end is still told.
        (Some(before), false) => match moved(before) {
            Some(notice) => Decision { notice: Some(notice), told: None },
            None => nothing,
        },
    }
}

/// Where a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It waits for its first or next try.
    Pending,
    /// The receiver took it.
    Delivered,
    /// Every try failed, or too many waited.
    GivenUp,
}

impl DeliveryState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::GivenUp];

    /// The spelling of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::GivenUp => "given_up",
        }
    }
}

/// One try.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it ended.
    pub at: Timestamp,
    /// The receiver's HTTP status, where it answered.
    pub status_code: Option<u16>,
    /// Why it failed; none where the receiver took it.
    pub fault: Option<Message>,
}

/// A notice on its way to a receiver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// Its id, the same at each try.
    pub id: DeliveryId,
    /// To whom.
    pub receiver_id: ReceiverId,
    /// What it tells.
    pub notice: NoticeKind,
    /// The alert as it was then; none of a test.
    pub alert: Option<Alert>,
    /// The severity that the receiver had been told before.
    pub told_before: Option<Severity>,
    /// Whether the receiver goes on hearing of the alert.
    pub goes_on: bool,
    /// When it was recorded, with the change that it tells.
    pub created_at: Timestamp,
    /// Where it is.
    pub state: DeliveryState,
    /// Tries so far.
    pub attempts: u32,
    /// The last of them.
    pub last_attempt: Option<Attempt>,
    /// When it is tried next; none at its end, and while an earlier one of the same alert waits.
    pub due_at: Option<Timestamp>,
}

impl Delivery {
    /// Takes a try in: how it ended, and when the next one is due.
    pub fn tried(&mut self, attempt: Attempt) {
        self.attempts = self.attempts.saturating_add(1);
        let failed = attempt.fault.is_some();
        let age_seconds = attempt.at.as_second().saturating_sub(self.created_at.as_second());
        let is_last = self.attempts >= MOST_ATTEMPTS || age_seconds >= LONGEST_SECONDS;
        let pause = FIRST_PAUSES_SECONDS.get(self.attempts.saturating_sub(1) as usize);
        let next = attempt.at.as_second().saturating_add(*pause.unwrap_or(&LATER_PAUSE_SECONDS));
        self.last_attempt = Some(attempt);
        (self.state, self.due_at) = match failed {
            false => (DeliveryState::Delivered, None),
            true if is_last => (DeliveryState::GivenUp, None),
            true => (DeliveryState::Pending, Some(Timestamp::from_second(next).unwrap_or(Timestamp::MAX))),
        };
    }

    /// Ends it untold, for a reason.
    pub fn give_up(&mut self, now: Timestamp, reason: Message) {
        let status_code = self.last_attempt.as_ref().and_then(|attempt| attempt.status_code);
        self.last_attempt = Some(Attempt { at: now, status_code, fault: Some(reason) });
        (self.state, self.due_at) = (DeliveryState::GivenUp, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::fixtures::alert;

    fn standing(told: Option<Severity>, wanted: bool) -> Standing {
        Standing { told, wanted, silenced: false, unsilenced: false }
    }

    #[test]
    fn a_receiver_is_told_what_changed_since_it_was_last_told() {
        use NoticeKind::{Lowered, Opened, Raised, Resolved};
        use Severity::{Critical, Warning};
        for (told, severity, open, wanted, notice, after) in [
            (None, Warning, true, true, Some(Opened), Some(Warning)),
            (Some(Warning), Warning, true, true, None, Some(Warning)),
            (Some(Warning), Critical, true, true, Some(Raised), Some(Critical)),
            (Some(Critical), Warning, true, true, Some(Lowered), Some(Warning)),
            (Some(Warning), Warning, false, true, Some(Resolved), None),
            // It hears of critical alerts alone.
            (None, Warning, true, false, None, None),
            (None, Critical, true, true, Some(Opened), Some(Critical)),
            (Some(Critical), Warning, true, false, Some(Lowered), None),
            (None, Warning, false, false, None, None),
            // Its filter was changed meanwhile.
            (Some(Warning), Warning, true, false, None, Some(Warning)),
            (Some(Warning), Warning, false, false, Some(Resolved), None),
        ] {
            let decision = decide(&alert(severity, open), standing(told, wanted));
            assert_eq!(decision, Decision { notice, told: after }, "{told:?} {severity:?} {open} {wanted}");
        }
    }

    #[test]
    fn nobody_is_told_of_a_silenced_alert_and_its_end_by_who_knew_of_it_alone() {
        let silenced = |told| Standing { silenced: true, ..standing(told, true) };
        let (warning, critical) = (alert(Severity::Warning, true), alert(Severity::Critical, true));
        assert_eq!(decide(&warning, silenced(None)), Decision { notice: None, told: None });
        let known = silenced(Some(Severity::Warning));
        assert_eq!(decide(&critical, known), Decision { notice: None, told: Some(Severity::Warning) });
        let over = alert(Severity::Critical, false);
        assert_eq!(decide(&over, silenced(None)).notice, None);
        assert_eq!(decide(&over, known).notice, Some(NoticeKind::Resolved));
    }

    #[test]
    fn a_silence_that_ends_over_an_alert_has_it_told() {
        let ended = |told| Standing { unsilenced: true, ..standing(told, true) };
        let warning = alert(Severity::Warning, true);
        assert_eq!(decide(&warning, ended(None)).notice, Some(NoticeKind::Opened));
        assert_eq!(decide(&warning, ended(Some(Severity::Warning))).notice, Some(NoticeKind::Repeated));
        assert_eq!(decide(&warning, ended(Some(Severity::Critical))).notice, Some(NoticeKind::Lowered));
        assert_eq!(decide(&warning, Standing { wanted: false, ..ended(None) }).notice, None);
    }

    #[test]
    fn a_delivery_is_tried_for_a_day_and_then_given_up() {
        let mut delivery = Delivery {
            id: DeliveryId::generate(),
            receiver_id: ReceiverId::generate(),
            notice: NoticeKind::Opened,
            alert: None,
            told_before: None,
            goes_on: true,
            created_at: Timestamp::UNIX_EPOCH,
            state: DeliveryState::Pending,
            attempts: 0,
            last_attempt: None,
            due_at: Some(Timestamp::UNIX_EPOCH),
        };
        let mut pauses = Vec::new();
        while let Some(at) = delivery.due_at {
            let fault = Some(Message::new("notification.unreachable"));
            delivery.tried(Attempt { at, status_code: None, fault });
            pauses.extend(delivery.due_at.map(|next| next.as_second() - at.as_second()));
        }
        assert_eq!(pauses[..6], [5, 30, 120, 600, 3600, 3600]);
        assert_eq!(pauses.len(), 28);
        assert_eq!((delivery.state, delivery.attempts), (DeliveryState::GivenUp, MOST_ATTEMPTS));
        delivery.tried(Attempt { at: Timestamp::UNIX_EPOCH, status_code: Some(200), fault: None });
        assert_eq!((delivery.state, delivery.due_at), (DeliveryState::Delivered, None));
        // One that had to wait for its tries is not tried for longer than that.
        delivery.attempts = 1;
        for (seconds, state) in
            [(LONGEST_SECONDS - 1, DeliveryState::Pending), (LONGEST_SECONDS, DeliveryState::GivenUp)]
        {
            let at = Timestamp::from_second(seconds).expect("a time");
            delivery.tried(Attempt {
                at,
                status_code: None,
                fault: Some(Message::new("notification.unreachable")),
            });
            assert_eq!(delivery.state, state, "{seconds}");
        }
    }
}
