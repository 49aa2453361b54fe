//! The golden vectors, the formulas against simulations of what they describe, and their shape.

use super::*;
use proptest::prelude::*;
use std::collections::BinaryHeap;

/// A linear congruential generator: the same calls on every machine.
struct Random(u64);

impl Random {
    /// Time to the next event of a rate of 1, exponentially distributed.
    fn exponential(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let uniform = ((self.0 >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        -uniform.ln()
    }
}

/// Times in a heap that gives the earliest first.
#[derive(PartialEq)]
struct Earliest(f64);

impl Eq for Earliest {}

impl Ord for Earliest {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.0.total_cmp(&self.0)
    }
}

impl PartialOrd for Earliest {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Share of calls that find every line busy and are lost.
fn simulated_loss(offered: f64, lines: usize, calls: u32) -> f64 {
    let mut random = Random(42);
    let mut busy: BinaryHeap<Earliest> = BinaryHeap::new();
    let (mut now, mut lost) = (0.0, 0);
    for _ in 0..calls {
        now += random.exponential() / offered;
        while busy.peek().is_some_and(|end| end.0 <= now) {
            busy.pop();
        }
        if busy.len() < lines {
            busy.push(Earliest(now + random.exponential()));
        } else {
            lost += 1;
        }
    }
    f64::from(lost) / f64::from(calls)
}

/// Share of calls that wait, and the mean time from arrival to end, in mean call lengths.
fn simulated_queue(offered: f64, lines: usize, calls: u32) -> (f64, f64) {
    let mut random = Random(7);
    let mut free_at: BinaryHeap<Earliest> = (0..lines).map(|_| Earliest(0.0)).collect();
    let (mut now, mut waited, mut total) = (0.0, 0, 0.0);
    for _ in 0..calls {
        now += random.exponential() / offered;
        let free = free_at.pop().expect("every line is in the heap").0;
        let begin = f64::max(free, now);
        waited += u32::from(free > now);
        let end = begin + random.exponential();
        total += end - now;
        free_at.push(Earliest(end));
    }
    (f64::from(waited) / f64::from(calls), total / f64::from(calls))
}

#[test]
fn lines_for_a_blocking_are_those_of_the_published_tables() {
    for (offered, one_percent, one_in_a_thousand) in [(17.986, 28, 32), (50.0, 64, 71), (100.0, 117, 128)] {
        assert_eq!(lines_for_blocking(offered, 0.01), one_percent, "{offered} at 1 %");
        assert_eq!(lines_for_blocking(offered, 0.001), one_in_a_thousand, "{offered} at 0.1 %");
    }
}

#[test]
fn a_trunk_without_load_or_without_lines_has_the_limits() {
    assert_eq!(erlang_b(0.0, 0), 1.0);
    assert_eq!(erlang_b(0.0, 3), 0.0);
    assert_eq!(erlang_b(5.0, 0), 1.0);
    assert!((erlang_b(1.0, 1) - 0.5).abs() < 1e-12);
    assert_eq!(lines_for_blocking(0.0, 0.01), 0);
    assert_eq!(lines_for_blocking(10.0, 1.0), 0);
    assert_eq!(erlang_c(10.0, 10), 1.0);
    assert!(lines_for_blocking(100.0, 0.0) > lines_for_blocking(100.0, 1e-9));
}

#[test]
fn the_short_way_agrees_with_the_recursion_from_the_first_line() {
    for offered in [0.3, 17.986, 999.5, 17_777.8, 250_000.0] {
        let mut reciprocal = 1.0;
        let most = (offered * 1.2) as u64 + 20;
        for line in 1..=most {
            reciprocal = 1.0 + reciprocal * line as f64 / offered;
            if line % (most / 20).max(1) == 0 {
                let (short, long) = (erlang_b(offered, line), 1.0 / reciprocal);
                assert!(
                    (short - long).abs() <= long * 1e-9,
                    "{offered} erlangs, {line} lines: {short} {long}"
                );
            }
        }
    }
}

#[test]
fn the_lines_of_a_large_trunk_are_the_fewest_that_do() {
    for (offered, blocking) in [(17_777.8, 0.001), (1e6, 0.01), (3.5e6, 0.2), (2e9, 0.001)] {
        let lines = lines_for_blocking(offered, blocking);
        assert!(erlang_b(offered, lines) <= blocking);
        assert!(erlang_b(offered, lines - 1) > blocking, "{offered} erlangs need fewer than {lines}");
    }
}

#[test]
fn erlang_b_agrees_with_a_simulated_trunk() {
    for (offered, lines) in [(2.0, 3), (20.0, 24), (100.0, 105)] {
        let simulated = simulated_loss(offered, lines, 100_000);
        let formula = erlang_b(offered, lines as u64);
        assert!((simulated - formula).abs() < 0.004, "{offered}/{lines}: simulated {simulated}, {formula}");
    }
}

#[test]
fn erlang_c_agrees_with_a_simulated_queue() {
    for (offered, lines) in [(2.0, 3), (20.0, 24)] {
        let (simulated, _) = simulated_queue(offered, lines, 200_000);
        let formula = erlang_c(offered, lines as u64);
        assert!((simulated - formula).abs() < 0.02, "{offered}/{lines}: simulated {simulated}, {formula}");
    }
}

#[test]
fn the_response_time_agrees_with_a_simulated_device() {
    for utilization in [0.14, 0.29, 0.6] {
        let (_, simulated) = simulated_queue(utilization, 1, 200_000);
        let formula = response_time_ms(1.0, utilization);
        assert!((simulated / formula - 1.0).abs() < 0.02, "{utilization}: simulated {simulated}, {formula}");
    }
    assert_eq!(response_time_ms(118.0, 1.0), f64::INFINITY);
}

proptest! {
    #[test]
    fn more_load_or_less_blocking_never_needs_fewer_lines(
        offered in 0.0..1e6_f64, more in 0.0..1e4_f64, blocking in 0.0..1.0_f64, share in 0.0..1.0_f64,
    ) {
        let lines = lines_for_blocking(offered, blocking);
        prop_assert!(lines_for_blocking(offered + more, blocking) >= lines);
        prop_assert!(lines_for_blocking(offered, blocking * share) >= lines);
    }

    #[test]
    fn waiting_is_more_likely_than_loss_and_both_are_shares(offered in 0.001..1e5_f64, lines in 1_u64..100_000) {
        let (lost, waits) = (erlang_b(offered, lines), erlang_c(offered, lines));
        prop_assert!((0.0..=1.0).contains(&lost) && waits <= 1.0 && waits >= lost);
    }
}
