//! Watches that do not work: since when, and what the API server says.

use super::Index;
use crate::kubernetes::watches::WATCH_SECONDS;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A watch that fails for longer than this no longer passes for one that goes on in a moment.
const GRACE: Duration = Duration::from_secs(2 * WATCH_SECONDS as u64);

/// A watch that fails.
#[derive(Debug)]
struct Failing {
    since: Instant,
    /// The API server refuses what is asked.
    is_refused: bool,
    said: String,
}

/// The watches that fail, by what they watch.
#[derive(Debug, Default)]
pub(super) struct Broken(BTreeMap<&'static str, Failing>);

impl Broken {
    fn failed(&mut self, watch: &'static str, is_refused: bool, said: String, now: Instant) {
        let failing = self.0.entry(watch).or_insert(Failing { since: now, is_refused, said: String::new() });
        (failing.is_refused, failing.said) = (is_refused, said);
    }

    /// What fails for at least so long, in words with the fix; none where nothing does.
    fn told(&self, at_least: Duration, now: Instant) -> Option<String> {
        let mut told = Vec::new();
        for (watch, failing) in &self.0 {
            if now.saturating_duration_since(failing.since) < at_least {
                continue;
            }
            let mend =
                if failing.is_refused { "; give the orchestrator's role list and watch on them" } else { "" };
            told.push(format!("{watch} can not be watched: {}{mend}", failing.said));
        }
        (!told.is_empty()).then(|| told.join("; "))
    }
}

impl Index {
    /// A list or a watch was not to be had; true where that is news.
    pub(in crate::kubernetes) fn watch_failed(
        &self,
        watch: &'static str,
        is_refused: bool,
        said: String,
    ) -> bool {
        let mut inner = self.inner.lock();
        let is_news = !inner.broken.0.contains_key(watch);
        inner.broken.failed(watch, is_refused, said, Instant::now());
        is_news
    }

    /// A watch goes on; true where it had failed.
    pub(in crate::kubernetes) fn watch_works(&self, watch: &'static str) -> bool {
        self.inner.lock().broken.0.remove(watch).is_some()
    }

    /// What has not been watched for so long that what is known of it counts for nothing.
    pub(in crate::kubernetes) fn unwatched(&self) -> Option<String> {
        self.inner.lock().broken.told(GRACE, Instant::now())
    }

    /// What can not be watched at the moment.
    pub(in crate::kubernetes) fn failing(&self) -> Option<String> {
        self.inner.lock().broken.told(Duration::ZERO, Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_that_fails_is_told_after_a_while_since_its_first_failure_and_with_the_last_words() {
        let (mut broken, began) = (Broken::default(), Instant::now());
        broken.failed("deployments", false, "503 not now".to_owned(), began);
        broken.failed("deployments", true, "403 forbidden".to_owned(), began + GRACE / 2);
        broken.failed("services", false, "500 no".to_owned(), began + GRACE);
        assert_eq!(broken.told(GRACE, began + GRACE / 2), None);
        let told = broken.told(GRACE, began + GRACE).expect("it is told");
        assert_eq!(
            told,
            "deployments can not be watched: 403 forbidden; give the orchestrator's role list and watch on them"
        );
        assert!(broken.told(Duration::ZERO, began + GRACE).is_some_and(|told| told.contains("services")));
        broken.0.remove("deployments");
        assert_eq!(broken.told(GRACE, began + GRACE), None);
    }
}
