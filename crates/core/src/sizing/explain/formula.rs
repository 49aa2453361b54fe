//! Reads and recomputes the explanation's formulas, so that what is printed is what was computed.

use crate::sizing::queueing::{
    erlang_b, erlang_c, lines_for_blocking, response_time_ms, response_within_ms, utilization_within,
};
use crate::sizing::speech::Turns;
use serde_json::Value;

/// The value of a formula with these inputs; an input that is null is infinite.
pub(super) fn evaluate(formula: &str, inputs: &Value) -> Result<f64, String> {
    let mut reader = Reader { rest: formula, inputs };
    let value = reader.sum()?;
    if reader.rest.trim().is_empty() { Ok(value) } else { Err(format!("left over: {}", reader.rest)) }
}

struct Reader<'a> {
    rest: &'a str,
    inputs: &'a Value,
}

impl Reader<'_> {
    fn takes(&mut self, token: char) -> bool {
        let rest = self.rest.trim_start();
        let found = rest.strip_prefix(token);
        self.rest = found.unwrap_or(rest);
        found.is_some()
    }

    fn sum(&mut self) -> Result<f64, String> {
        let mut value = self.product()?;
        loop {
            if self.takes('+') {
                value += self.product()?;
            } else if self.takes('-') {
                value -= self.product()?;
            } else {
                return Ok(value);
            }
        }
    }

    fn product(&mut self) -> Result<f64, String> {
        let mut value = self.power()?;
        loop {
            if self.takes('*') {
                value *= self.power()?;
            } else if self.takes('/') {
                value /= self.power()?;
            } else {
                return Ok(value);
            }
        }
    }

    fn power(&mut self) -> Result<f64, String> {
        let base = self.atom()?;
        if self.takes('^') { Ok(base.powf(self.power()?)) } else { Ok(base) }
    }

    fn atom(&mut self) -> Result<f64, String> {
        if self.takes('(') {
            let value = self.sum()?;
            return if self.takes(')') { Ok(value) } else { Err(format!("no bracket before {}", self.rest)) };
        }
        let end = self.rest.find(|letter: char| !(letter.is_ascii_alphanumeric() || "_.".contains(letter)));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        if let Ok(number) = word.parse() {
            return Ok(number);
        }
        if self.takes('(') {
            let mut arguments = vec![self.sum()?];
            while self.takes(',') {
                arguments.push(self.sum()?);
            }
            if !self.takes(')') {
                return Err(format!("no bracket before {}", self.rest));
            }
            return call(word, &arguments);
        }
        match self.inputs.get(word) {
            Some(Value::Null) => Ok(f64::INFINITY),
            Some(value) => value.as_f64().ok_or_else(|| format!("{word} is no number")),
            None => Err(format!("{word:?} is no input")),
        }
    }
}

fn call(name: &str, arguments: &[f64]) -> Result<f64, String> {
    match (name, arguments) {
        ("min", [left, right]) => Ok(left.min(*right)),
        ("max", [left, right]) => Ok(left.max(*right)),
        // The last bits of a sum are no reason for another one.
        ("ceil", [value]) => Ok((value - value.abs() * 1e-12).ceil()),
        ("round", [value]) => Ok(value.round()),
        ("ln", [value]) => Ok(value.ln()),
        ("erlang_b", [erlangs, lines]) => Ok(erlang_b(*erlangs, *lines as u64)),
        ("erlang_c", [erlangs, lines]) => Ok(erlang_c(*erlangs, *lines as u64)),
        ("lines_for", [erlangs, blocking]) => Ok(lines_for_blocking(*erlangs, *blocking) as f64),
        ("response", [service_time, utilization]) => Ok(response_time_ms(*service_time, *utilization)),
        ("response_within", [service_time, utilization, outside]) => {
            Ok(response_within_ms(*service_time, *utilization, *outside))
        }
        ("utilization_within", [service_time, target, outside]) => {
            Ok(utilization_within(*service_time, *target, *outside))
        }
        ("turns_lost", [mean, variance, lines]) => Ok(Turns::of(*mean, *variance).blocking(*lines as u64)),
        _ => Err(format!("{name} with {} arguments is no function", arguments.len())),
    }
}
