//! What a watch saw go: an answer to an apply that arrives after that must not bring it back.

use std::collections::{HashMap, VecDeque};

/// Deletions remembered; far more than answers can be under way.
const REMEMBERED: usize = 4096;

/// Objects that went lately, by uid, with the version at which they did.
#[derive(Debug, Default)]
pub(super) struct Dead {
    versions: HashMap<String, u64>,
    /// Oldest first.
    order: VecDeque<String>,
}

impl Dead {
    /// An object went out of a watch's sight at a version.
    pub(super) fn add(&mut self, uid: &str, version: u64) {
        if self.versions.insert(uid.to_owned(), version).is_none() {
            self.order.push_back(uid.to_owned());
        }
        while self.order.len() > REMEMBERED {
            if let Some(oldest) = self.order.pop_front() {
                self.versions.remove(&oldest);
            }
        }
    }

    /// True of a state from before that. One whose labels were taken off and put back is seen again at
    /// a later version.
    pub(super) fn holds(&self, uid: &str, version: u64) -> bool {
        self.versions.get(uid).is_some_and(|gone| version <= *gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_answer_is_from_before_the_deletion_and_a_later_one_is_not() {
        let mut dead = Dead::default();
        assert!(!dead.holds("a", 5));
        dead.add("a", 7);
        assert!(dead.holds("a", 5) && dead.holds("a", 7));
        assert!(!dead.holds("a", 8) && !dead.holds("b", 5));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut dead = Dead::default();
        for number in 0..REMEMBERED + 10 {
            dead.add(&number.to_string(), 1);
        }
        assert_eq!((dead.versions.len(), dead.order.len()), (REMEMBERED, REMEMBERED));
        assert!(!dead.holds("0", 1) && dead.holds("10", 1));
    }
}
