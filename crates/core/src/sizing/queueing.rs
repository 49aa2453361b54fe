//! Erlang's formulas and the response time of a loaded device.
//!
//! The recursion `1/B(n) = 1 + n/A · 1/B(n-1)` is stable where factorials overflow at 170, and forgets
//! where it began: an error shrinks by `n/A` at each line below the load. So a large trunk is computed
//! from ten deviations below, in steps that grow with the root of the load and not with the load.

use super::Percentile;

/// Deviations (roots of the load) below the wanted line at which the recursion begins: what it begins
/// with is off by less than one part in 10^20 there.
const DEVIATIONS_BELOW: f64 = 10.0;

/// The recursion on the reciprocal of Erlang B.
pub(super) struct Trunk {
    offered: f64,
    line: u64,
    reciprocal: f64,
}

impl Trunk {
    /// Begins well below a line, whose value it gives as exactly as the recursion from 0 would.
    fn below(offered: f64, line: f64) -> Self {
        let begin = (line.min(offered) - DEVIATIONS_BELOW * offered.sqrt()).max(0.0).floor();
        // A trunk of far fewer lines than erlangs loses all but what its lines carry: 1 - n/A.
        Self { offered, line: begin as u64, reciprocal: 1.0 / (1.0 - begin / offered) }
    }

    /// Of a number of lines.
    pub(super) fn at(offered: f64, lines: u64) -> Self {
        let mut trunk = Self::below(offered, lines as f64);
        while trunk.line < lines {
            trunk.next();
        }
        trunk
    }

    /// One line more.
    pub(super) fn next(&mut self) {
        self.line += 1;
        self.reciprocal = 1.0 + self.reciprocal * self.line as f64 / self.offered;
    }

    /// Share of calls that are lost.
    pub(super) fn blocking(&self) -> f64 {
        1.0 / self.reciprocal
    }
}

/// Share of calls that find all `lines` busy at `offered` erlangs (Erlang B).
pub fn erlang_b(offered: f64, lines: u64) -> f64 {
    if offered <= 0.0 {
        return if lines == 0 { 1.0 } else { 0.0 };
    }
    let mut trunk = Trunk::below(offered, lines as f64);
    while trunk.line < lines && trunk.reciprocal.is_finite() {
        trunk.next();
    }
    trunk.blocking()
}

/// Share of calls that wait at `offered` erlangs on `lines` (Erlang C); 1 where the queue only grows.
pub fn erlang_c(offered: f64, lines: u64) -> f64 {
    if offered >= lines as f64 {
        return 1.0;
    }
    let blocked = erlang_b(offered, lines);
    blocked / (1.0 - offered / lines as f64 * (1.0 - blocked))
}

/// Fewest lines at which at most `blocking` of the calls of `offered` erlangs are lost. For 0 it is
/// the number at which the share is too small to be told from 0.
pub fn lines_for_blocking(offered: f64, blocking: f64) -> u64 {
    if offered <= 0.0 {
        return 0;
    }
    // No trunk carries more than it has lines, so fewer than A (1 - B) of them never do.
    let mut trunk = Trunk::below(offered, offered * (1.0 - blocking));
    while trunk.blocking() > blocking {
        trunk.next();
    }
    trunk.line
}

/// Milliseconds that a request takes on devices used to `utilization`; infinite from 1 on.
pub fn response_time_ms(service_time_ms: f64, utilization: f64) -> f64 {
    if utilization >= 1.0 { f64::INFINITY } else { service_time_ms / (1.0 - utilization) }
}

/// Milliseconds that all but a share `outside` of the requests stay within; infinite from a utilisation of 1 on.
///
/// A device that serves at once all that it holds finds `n` others with a request that comes in with probability
/// `(1 - u) u^n`, whatever they ask for. All but the share come to `ln(1 / outside) / ln(1 / u)` others at most,
/// and a request takes no longer than if as many stayed as it found: those that leave are replaced, on average.
pub fn response_within_ms(service_time_ms: f64, utilization: f64, outside: f64) -> f64 {
    if utilization >= 1.0 {
        f64::INFINITY
    } else {
        service_time_ms * (1.0 + (1.0 / outside).ln() / (1.0 / utilization).ln())
    }
}

/// Highest utilisation at which all but a share `outside` of the requests stay within a time; 0 where none does.
pub fn utilization_within(service_time_ms: f64, target_ms: f64, outside: f64) -> f64 {
    let others = target_ms / service_time_ms - 1.0;
    if others > 0.0 { (-(1.0 / outside).ln() / others).exp() } else { 0.0 }
}

impl Percentile {
    /// Milliseconds of this figure on devices used to `utilization`.
    pub(super) fn response_ms(self, service_time_ms: f64, utilization: f64) -> f64 {
        match self.outside() {
            None => response_time_ms(service_time_ms, utilization),
            Some(outside) => response_within_ms(service_time_ms, utilization, outside),
        }
    }

    /// Highest utilisation at which this figure is within a time; 0 or less where none is.
    pub(super) fn highest_utilization(self, service_time_ms: f64, target_ms: f64) -> f64 {
        match self.outside() {
            None => 1.0 - service_time_ms / target_ms,
            Some(outside) => utilization_within(service_time_ms, target_ms, outside),
        }
    }
}

#[cfg(test)]
mod tests;
