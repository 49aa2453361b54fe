//! Erlang's formulas and the response time of a loaded device.
//!
//! The recursion `1/B(n) = 1 + n/A · 1/B(n-1)` is stable where factorials overflow at 170, and forgets
//! where it began: an error shrinks by `n/A` at each line below the load. So a large trunk is computed
//! from ten deviations below, in steps that grow with the root of the load and not with the load.

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

#[cfg(test)]
mod tests;
