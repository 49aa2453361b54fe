//! What a connection is doing, and until when it may.
//!
//! The socket and the service note what happens; the connection's own task looks at the one deadline
//! that results each time it runs, and arms its timer only when the deadline came nearer or the timer
//! rang. So a busy connection touches no timer at all.

use parking_lot::Mutex;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// The times that connections have.
#[derive(Clone, Copy)]
pub(super) struct Timeouts {
    pub header: Duration,
    pub idle: Duration,
    pub write: Duration,
    /// For a client that still sends while we close, so that it gets to read our answer.
    pub linger: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Request headers are arriving, or due on a new connection.
    Head,
    /// A request is being handled; its time is the request layer's.
    Request,
    /// An answer is on its way, or everything is done.
    Idle,
    /// Our side is closed.
    Closing,
}

struct State {
    phase: Phase,
    /// When the phase ends at the latest.
    deadline: Option<Instant>,
    /// Since when the client takes nothing of what is to be written.
    write_blocked: Option<Instant>,
    /// The last request had a body, which may not have been read.
    had_body: bool,
    /// Since when nothing is asked: no request is being handled, and no answer waits to be taken.
    idle_since: Option<Instant>,
}

/// What a connection is doing.
pub(super) struct Activity {
    timeouts: Timeouts,
    state: Mutex<State>,
}

impl Activity {
    pub(super) fn new(timeouts: Timeouts) -> Self {
        let state = State {
            phase: Phase::Head,
            deadline: Some(Instant::now() + timeouts.header),
            write_blocked: None,
            had_body: false,
            idle_since: Some(Instant::now()),
        };
        Self { timeouts, state: Mutex::new(state) }
    }

    /// Bytes arrived.
    pub(super) fn received(&self) {
        let mut state = self.state.lock();
        if state.phase == Phase::Idle {
            state.phase = Phase::Head;
            state.deadline = Some(Instant::now() + self.timeouts.header);
        }
    }

    /// The headers are complete, and a request is handled from now on.
    pub(super) fn request_started(&self, has_body: bool) {
        let mut state = self.state.lock();
        state.phase = Phase::Request;
        state.deadline = None;
        state.had_body = has_body;
        state.idle_since = None;
    }

    /// The answer is known; writing it follows.
    pub(super) fn request_answered(&self) {
        let mut state = self.state.lock();
        let now = Instant::now();
        state.phase = Phase::Idle;
        state.deadline = Some(now + self.timeouts.idle);
        state.idle_since = Some(now);
    }

    /// Since when nothing is asked on the connection; none while something is, or an answer is on its way.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let state = self.state.lock();
        state.idle_since.filter(|_| state.write_blocked.is_none())
    }

    /// The client took bytes.
    pub(super) fn written(&self) {
        let mut state = self.state.lock();
        state.write_blocked = None;
        if state.phase == Phase::Idle {
            state.deadline = Some(Instant::now() + self.timeouts.idle);
        }
    }

    /// The client takes nothing just now.
    pub(super) fn write_blocked(&self) {
        self.state.lock().write_blocked.get_or_insert_with(Instant::now);
    }

    /// Our side is closed; true where the client may still be sending.
    pub(super) fn closing(&self) -> bool {
        let mut state = self.state.lock();
        let unread = state.phase == Phase::Head || state.had_body;
        state.phase = Phase::Closing;
        state.write_blocked = None;
        state.deadline = Some(Instant::now() + self.timeouts.linger);
        unread
    }

    fn deadline(&self) -> Option<Instant> {
        let state = self.state.lock();
        let write = state.write_blocked.map(|since| since + self.timeouts.write);
        match (state.deadline, write) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }
}

/// The timer of a connection.
#[derive(Default)]
pub(super) struct Watchdog(Option<Pin<Box<Sleep>>>);

impl Watchdog {
    /// Ready when the connection is past its deadline.
    pub(super) fn poll(&mut self, activity: &Activity, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = activity.deadline() else { return Poll::Pending };
        let sleep = self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    const TIMEOUTS: Timeouts = Timeouts {
        header: Duration::from_secs(10),
        idle: Duration::from_secs(75),
        write: Duration::from_secs(30),
        linger: Duration::from_secs(1),
    };

    /// Seconds of (paused) time until the watchdog bites, at most 1000.
    async fn bites_after(activity: &Activity, watchdog: &mut Watchdog) -> Option<u64> {
        let start = Instant::now();
        let bite = poll_fn(|cx| watchdog.poll(activity, cx));
        tokio::time::timeout(Duration::from_secs(1000), bite).await.ok()?;
        Some(start.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn headers_that_drip_have_one_deadline_from_the_first_byte() {
        let (activity, mut watchdog) = (Activity::new(TIMEOUTS), Watchdog::default());
        activity.request_started(false);
        activity.request_answered();
        tokio::time::advance(Duration::from_secs(60)).await;
        activity.received();
        tokio::time::advance(Duration::from_secs(6)).await;
        activity.received();
        assert_eq!(bites_after(&activity, &mut watchdog).await, Some(4));
    }

    #[tokio::test(start_paused = true)]
    async fn the_pause_between_requests_counts_from_the_last_written_byte() {
        let (activity, mut watchdog) = (Activity::new(TIMEOUTS), Watchdog::default());
        activity.request_started(false);
        activity.request_answered();
        tokio::time::advance(Duration::from_secs(50)).await;
        activity.written();
        assert_eq!(bites_after(&activity, &mut watchdog).await, Some(75));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_in_the_making_is_left_alone_even_after_the_timer_rang() {
        let (activity, mut watchdog) = (Activity::new(TIMEOUTS), Watchdog::default());
        let first = poll_fn(|cx| Poll::Ready(watchdog.poll(&activity, cx))).await;
        assert!(first.is_pending());
        activity.request_started(true);
        assert_eq!(bites_after(&activity, &mut watchdog).await, None);
        activity.request_answered();
        assert_eq!(bites_after(&activity, &mut watchdog).await, Some(75));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_of_its_answer_is_given_up_earlier_than_an_idle_one() {
        let (activity, mut watchdog) = (Activity::new(TIMEOUTS), Watchdog::default());
        activity.request_started(false);
        activity.request_answered();
        activity.write_blocked();
        assert_eq!(bites_after(&activity, &mut watchdog).await, Some(30));
    }

    #[tokio::test(start_paused = true)]
    async fn closing_waits_for_the_client_only_where_it_may_still_be_sending() {
        let activity = Activity::new(TIMEOUTS);
        assert!(activity.closing(), "headers were not read to their end");
        for has_body in [true, false] {
            let activity = Activity::new(TIMEOUTS);
            activity.request_started(has_body);
            activity.request_answered();
            assert_eq!(activity.closing(), has_body);
            assert_eq!(bites_after(&activity, &mut Watchdog::default()).await, Some(1));
        }
    }
}
