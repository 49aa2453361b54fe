//! Spoken turns that come in runs, because the calls that they belong to do.
//!
//! A call stays with one pod, and its turns are much shorter than the call: while the number of calls on
//! a pod stands still, its turns are lost as Erlang B says of what those calls offer. What a pod loses is
//! the mean of that over the calls that may be on it, each weighed by the turns that they bring. Calls
//! on a pod have the mean and the variance of a random share of what the service's lines carry; a load
//! of that mean and variance is taken to come in equal steps, a Poisson number of them. With calls of
//! one kind and no bound on them that is exact.

use super::queueing::{Trunk, erlang_b, erlang_c};

/// Deviations around the mean number of steps beyond which no load is looked at: few calls lose next to
/// nothing.
const DEVIATIONS_BELOW: f64 = 6.0;
const DEVIATIONS_ABOVE: f64 = 8.0;
/// Points for each deviation, where there are more steps than that; two give a sum over a bell to 1 in 10^30.
const POINTS_PER_DEVIATION: f64 = 2.0;
/// Erlangs of one pod over which its lines are not counted but taken from a bound: no node holds such a pod,
/// so that its plan is short anyway.
const MOST_ERLANGS: f64 = 20_000.0;
/// Deviations above the mean that are enough lines for any share of lost turns that is told from none.
const ENOUGH_DEVIATIONS: f64 = 7.0;
/// Steps of a load that does not vary: more would not be told from one value.
const MOST_STEPS: f64 = 1e12;

/// Calls that speech recognition listens to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Speakers {
    /// Calls that are on, on average.
    calls: f64,
    /// Their variance over that of a Poisson number; below 0 where lines bound them.
    beyond: f64,
    /// Erlangs of turns of each call.
    turns: f64,
}

impl Speakers {
    /// Calls of a number of erlangs; on `lines` at most, where there is a bound. With `waits`, those that
    /// find them busy wait. Each call has turns on for `turns` of the time, all of its channels together.
    pub fn new(offered: f64, lines: Option<u64>, waits: bool, turns: f64) -> Self {
        let (calls, beyond) = match lines {
            None => (offered, 0.0),
            Some(lines) if waits => {
                let calls = offered.min(lines as f64);
                (calls, -calls * erlang_c(offered, lines))
            }
            Some(lines) => {
                let busy = erlang_b(offered, lines);
                let calls = offered * (1.0 - busy);
                (calls, -offered * busy * (lines as f64 - calls).max(0.0))
            }
        };
        Self { calls, beyond, turns }
    }
}

/// What comes to one of several equal pods, call by call at random.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Turns {
    /// Erlangs of turns, and the weight of each.
    points: Vec<(f64, f64)>,
    /// Mean erlangs.
    mean: f64,
    /// Variance of the turns that are on at once.
    variance: f64,
}

impl Turns {
    /// Of the calls of several services, in one of a number of pods.
    pub fn on_pod(speakers: &[Speakers], pods: f64) -> Self {
        let (mut mean, mut variance) = (0.0, 0.0);
        for Speakers { calls, beyond, turns } in speakers {
            mean += turns * calls / pods;
            variance += turns * turns * (calls / pods + beyond / (pods * pods)).max(0.0);
        }
        Self::of(mean, variance)
    }

    /// A load of a mean and a variance, in erlangs.
    pub fn of(mean: f64, variance: f64) -> Self {
        if mean <= 0.0 {
            return Self { points: Vec::new(), mean: 0.0, variance: 0.0 };
        }
        let steps = (mean * mean / variance).min(MOST_STEPS);
        let each = mean / steps;
        let deviation = steps.sqrt();
        let stride = (deviation / POINTS_PER_DEVIATION).floor().max(1.0);
        let first = (steps - DEVIATIONS_BELOW * deviation).max(0.0).floor();
        let last = steps + DEVIATIONS_ABOVE * (deviation + 1.0);
        let count = ((last - first) / stride).ceil() as u32;
        let weigh = |point: u32| {
            let number = first + f64::from(point) * stride;
            // One step more than the number: a turn sees the call that it belongs to.
            (each * (number + 1.0), poisson(number, steps))
        };
        let mut points: Vec<(f64, f64)> =
            (0..=count).map(weigh).filter(|(_, weight)| *weight > 0.0).collect();
        let sum: f64 = points.iter().map(|(_, weight)| weight).sum();
        points.iter_mut().for_each(|(_, weight)| *weight /= sum);
        Self { points, mean, variance: mean + variance }
    }

    /// Mean erlangs, and the variance of what the calls on the pod offer.
    pub fn moments(&self) -> (f64, f64) {
        (self.mean, self.variance - self.mean)
    }

    /// Share of the turns that find all of a pod's lines busy.
    pub fn blocking(&self, lines: u64) -> f64 {
        self.points.iter().map(|(erlangs, weight)| weight * erlang_b(*erlangs, lines)).sum()
    }

    /// Fewest lines of a pod that lose at most a share of the turns; one more than `most` where that many
    /// lose more.
    pub fn lines_for(&self, blocking: f64, most: u64) -> u64 {
        // No number of lines carries more than it is.
        let first = (self.mean * (1.0 - blocking)).floor().max(0.0) as u64;
        if self.points.is_empty() || first > most {
            return if self.points.is_empty() { 0 } else { most.saturating_add(1) };
        }
        if self.mean > MOST_ERLANGS {
            let enough = self.mean + ENOUGH_DEVIATIONS * self.variance.sqrt();
            return (enough.ceil() as u64).min(most.saturating_add(1));
        }
        let mut trunks: Vec<(f64, Trunk)> =
            self.points.iter().map(|(erlangs, weight)| (*weight, Trunk::at(*erlangs, first))).collect();
        let mut lines = first;
        while lines <= most {
            let lost: f64 = trunks.iter().map(|(weight, trunk)| weight * trunk.blocking()).sum();
            if lost <= blocking {
                return lines;
            }
            trunks.iter_mut().for_each(|(_, trunk)| trunk.next());
            lines += 1;
        }
        lines
    }
}

/// Probability of a Poisson number; the factorial by Stirling's series.
fn poisson(number: f64, mean: f64) -> f64 {
    if number < 0.5 {
        return (-mean).exp();
    }
    let series = 1.0 / (12.0 * number) - 1.0 / (360.0 * number.powi(3)) + 1.0 / (1260.0 * number.powi(5));
    let logarithm =
        number * (mean / number).ln() + number - mean - 0.5 * (std::f64::consts::TAU * number).ln() - series;
    logarithm.exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(calls: f64, lines: Option<u64>, waits: bool, channels: f64) -> Speakers {
        Speakers::new(calls, lines, waits, channels * 0.5)
    }

    #[test]
    fn poisson_s_probabilities_are_exact_and_add_up() {
        let exact = |number: i32, mean: f64| -> f64 {
            (-mean).exp() * (1..=number).map(|factor| mean / f64::from(factor)).product::<f64>()
        };
        for (number, mean) in [(0, 2.0), (1, 2.0), (5, 2.0), (20, 14.0), (100, 90.0)] {
            let (seen, expected) = (poisson(f64::from(number), mean), exact(number, mean));
            assert!((seen / expected - 1.0).abs() < 1e-3, "{number} of {mean}: {seen} for {expected}");
        }
    }

    #[test]
    fn calls_that_do_not_vary_lose_as_erlang_b_says_and_those_that_do_lose_more() {
        // Ten agents who are never idle: ten channels of each of two sides, one pod.
        let steady = Turns::on_pod(&[calls(50.0, Some(10), true, 2.0)], 1.0);
        assert!((steady.blocking(20) / erlang_b(10.0, 20) - 1.0).abs() < 1e-3);
        let random = Turns::on_pod(&[calls(20.0, None, false, 1.0)], 1.0);
        assert!(random.blocking(20) > 2.0 * erlang_b(10.0, 20));
    }

    #[test]
    fn a_random_number_of_calls_loses_what_the_sum_over_them_says() {
        // Calls are Poisson, turns lost by Erlang B of half an erlang each, weighed by the calls.
        let (mean, lines) = (29.6_f64, 24);
        let weight = |number: i32| -> f64 {
            (-mean).exp() * (1..=number).map(|factor| mean / f64::from(factor)).product::<f64>()
        };
        let lost: f64 = (1..120)
            .map(|number| weight(number) * f64::from(number) * erlang_b(0.5 * f64::from(number), lines))
            .sum();
        let turns = Turns::on_pod(&[calls(2.0 * mean, None, false, 1.0)], 2.0);
        assert!((turns.blocking(lines) / (lost / mean) - 1.0).abs() < 1e-3);
    }

    #[test]
    fn the_lines_for_a_share_are_the_fewest_that_keep_it() {
        for load in [0.3, 4.0, 88.0, 1000.0, 30_000.0] {
            let turns = Turns::on_pod(&[calls(load, None, false, 1.0)], 1.0);
            let lines = turns.lines_for(0.001, u64::MAX);
            assert!(turns.blocking(lines) <= 0.001 && turns.blocking(lines - 1) > 0.001, "{load}");
            assert_eq!(turns.lines_for(0.001, lines - 1), lines);
        }
        assert_eq!(Turns::on_pod(&[], 3.0).lines_for(0.001, 10), 0);
    }
}
