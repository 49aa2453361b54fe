//! Some hundred schedules, those that once failed, and that a seed is always the same schedule.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use ecp_simulation::{Outcome, Planted, Stage, watch_panics};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

/// Schedules of `make test`; `make simulate SEEDS=…` runs as many as it is told.
const SEEDS: u64 = 200;
/// Schedules in which a fault that is planted must be found at least once.
const PLANTED: u64 = 100;
/// Seeds that broke a promise, each of another fault.
const REGRESSIONS: [u64; 10] = [38, 42, 495, 496, 977, 1202, 1222, 102_538, 310_329, 314_372];

fn stage() -> Stage {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(watch_panics);
    Stage::new().unwrap()
}

#[track_caller]
fn assert_kept(seed: u64, outcome: &Outcome) {
    assert_eq!(outcome.broken, None, "seed {seed}: make simulate SEED={seed} tells all that happens");
}

#[test]
fn no_schedule_of_whole_replicas_breaks_a_promise() {
    let next = AtomicU64::new(0);
    let acknowledged = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let stage = stage();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= SEEDS {
                        break;
                    }
                    let outcome = stage.run(seed, false);
                    assert_kept(seed, &outcome);
                    acknowledged.fetch_add(outcome.acknowledged as u64, Ordering::Relaxed);
                }
            });
        }
    });
    assert!(acknowledged.into_inner() > SEEDS, "hardly anything happens");
}

#[test]
fn what_was_mended_stays_mended() {
    let stage = stage();
    for seed in REGRESSIONS {
        assert_kept(seed, &stage.run(seed, false));
    }
}

#[test]
fn a_seed_is_always_the_same_schedule() {
    let (first, second) = (stage(), stage());
    for seed in 0..20 {
        // Whatever ran before it, and in which process.
        let before = first.run(seed + 1000, false);
        assert_kept(seed + 1000, &before);
        assert_eq!(first.run(seed, false).digest, second.run(seed, false).digest, "seed {seed}");
    }
}

#[test]
fn faults_that_are_planted_are_found() {
    let stage = stage();
    for (planted, finding) in [
        (Planted::ActsWithoutLease, "reaches the cluster while"),
        (Planted::ForgetsWrites, "op-"),
        (Planted::CountsSlowly, "may act for"),
    ] {
        let mut found = (0..PLANTED).filter_map(|seed| stage.run_with(seed, false, planted).broken);
        assert!(
            found.any(|broken| broken.contains(finding)),
            "{planted:?} is not found in {PLANTED} schedules"
        );
    }
}
