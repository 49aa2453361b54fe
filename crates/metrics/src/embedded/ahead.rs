//! Samples that are ahead of the server's clock: on disk at once, shown and judged in their time.
//!
//! A collector whose clock is fast must neither raise an alert before its time nor keep what others
//! measure now from being shown and judged. The queries need nothing of this: a range ends now.

use super::Inner;
use super::slot::Slot;
use ecp_core::metrics::SampleSource;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Longest wait between two looks while something is ahead: the clock may be set.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

impl Inner {
    /// Notes that a tenant has samples that are ahead.
    pub(super) fn note_ahead(&self, slot: &Arc<Slot>) {
        let mut ahead = self.ahead.lock();
        if !ahead.iter().any(|known| Arc::ptr_eq(known, slot)) {
            ahead.push(slot.clone());
            self.ahead_changed.notify_one();
        }
    }

    /// Shows what is due again and again, until it is cancelled.
    pub(super) async fn show_what_was_ahead(&self, cancel: CancellationToken) {
        loop {
            let now_ms = self.now_ms();
            self.show_due(now_ms);
            let next = self.ahead.lock().iter().filter_map(|slot| slot.state.lock().ahead.next_due()).min();
            let changed = self.ahead_changed.notified();
            let waiting = async {
                match next {
                    None => changed.await,
                    Some(due) => {
                        let wait = Duration::from_millis(u64::try_from(due - now_ms).unwrap_or(0));
                        let _ = tokio::time::timeout(wait.min(LONGEST_WAIT), changed).await;
                    }
                }
            };
            if cancel.run_until_cancelled(waiting).await.is_none() {
                return;
            }
        }
    }

    /// Shows what was ahead and is not any more.
    pub(super) fn show_due(&self, now_ms: i64) {
        let slots = self.ahead.lock().clone();
        for slot in slots {
            let mut state = slot.state.lock();
            let due = state.ahead.take_due(&[], now_ms).into_owned();
            // Nobody asks whether it was a client or our collector that was ahead.
            let source = if state.own { SampleSource::Client } else { SampleSource::Synthetic };
            drop(state);
            if !due.is_empty() {
                slot.newest.offer(&due, now_ms);
                let observers = self.observers.read();
                observers.iter().for_each(|seen| seen.samples_stored(&slot.tenant, source, &due));
            }
        }
        self.ahead.lock().retain(|slot| slot.state.lock().ahead.next_due().is_some());
    }
}
