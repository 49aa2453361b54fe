//! Erlang's formulas and the response time of a loaded device.

/// Share of calls that find all `lines` busy at `offered` erlangs (Erlang B).
pub fn erlang_b(offered: f64, lines: u64) -> f64 {
    if offered <= 0.0 {
        return if lines == 0 { 1.0 } else { 0.0 };
    }
    // The recursion on the reciprocal is stable for any size, where factorials overflow at 170.
    let mut inverse = 1.0;
    for line in 1..=lines {
        inverse = 1.0 + inverse * line as f64 / offered;
        if inverse.is_infinite() {
            return 0.0;
        }
    }
    1.0 / inverse
}

/// Share of calls that wait at `offered` erlangs on `lines` (Erlang C); 1 where the queue only grows.
pub fn erlang_c(offered: f64, lines: u64) -> f64 {
    if offered >= lines as f64 {
        return 1.0;
    }
    let blocked = erlang_b(offered, lines);
    let utilisation = offered / lines as f64;
    blocked / (1.0 - utilisation * (1.0 - blocked))
}

/// Fewest lines at which at most `blocking` of the calls of `offered` erlangs are lost, but never more
/// than `at_most`: there are no more sources than that.
pub fn lines_for_blocking(offered: f64, blocking: f64, at_most: u64) -> u64 {
    if offered <= 0.0 {
        return 0;
    }
    let mut inverse = 1.0;
    for line in 1..=at_most {
        inverse = 1.0 + inverse * line as f64 / offered;
        if 1.0 / inverse <= blocking {
            return line;
        }
    }
    at_most
}

/// Milliseconds that a request takes on devices used to `utilisation`; infinite from 1 on.
pub fn response_time_ms(service_time_ms: f64, utilisation: f64) -> f64 {
    if utilisation >= 1.0 { f64::INFINITY } else { service_time_ms / (1.0 - utilisation) }
}
