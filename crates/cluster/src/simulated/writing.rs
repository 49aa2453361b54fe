//! What containers of the simulated cluster write: believable, and the same whenever it is asked for.

use super::workload::hash;
use ecp_core::Timestamp;

/// Between two lines of a container that serves, in milliseconds.
const LINE_EVERY_MS: i64 = 1500;

/// What a container does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    /// It has not begun.
    Nothing,
    /// It loads its model.
    Loading,
    /// It serves.
    Serving,
    /// It ended: exit code and last line.
    Crashed((i32, String)),
    /// It was asked to end.
    Ending,
}

/// A container's lines.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    pub(super) container: String,
    pub(super) seed: u64,
    pub(super) state: Writing,
    /// How often it was started again.
    pub(super) restarts: u32,
}

impl Writer {
    /// The newest lines, oldest first.
    pub(super) fn tail(&self, now: Timestamp, count: usize) -> Vec<String> {
        match &self.state {
            Writing::Nothing => Vec::new(),
            Writing::Loading => newest(self.start(now), count),
            Writing::Crashed((_, last)) => newest(self.end(now, last), count),
            Writing::Serving => {
                let newest = now.as_millisecond().div_euclid(LINE_EVERY_MS);
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                (newest.saturating_sub(count) + 1..=newest).map(|tick| self.line(tick)).collect()
            }
            Writing::Ending => {
                let mut lines = vec![stamped(now, "INFO", "SIGTERM received, draining")];
                lines.push(stamped(now, "INFO", "no new sessions are accepted"));
                newest(lines, count)
            }
        }
    }

    /// The lines of the container before the last restart; none where there was none.
    pub(super) fn previous(&self, now: Timestamp, count: usize) -> Option<Vec<String>> {
        match &self.state {
            Writing::Crashed((_, last)) if self.restarts > 1 => Some(newest(self.end(now, last), count)),
            _ => None,
        }
    }

    /// Lines that came after one moment and not after another.
    pub(super) fn since(&self, before: Timestamp, now: Timestamp) -> Vec<String> {
        if self.state != Writing::Serving {
            return Vec::new();
        }
        let tick = |time: Timestamp| time.as_millisecond().div_euclid(LINE_EVERY_MS);
        (tick(before) + 1..=tick(now)).map(|tick| self.line(tick)).collect()
    }

    fn start(&self, now: Timestamp) -> Vec<String> {
        vec![
            stamped(now, "INFO", &format!("{} starting", self.container)),
            stamped(now, "INFO", &format!("loading model /models/{}.bin", self.container)),
        ]
    }

    fn end(&self, now: Timestamp, last: &str) -> Vec<String> {
        let mut lines = self.start(now);
        lines.push(last.to_owned());
        lines
    }

    fn line(&self, tick: i64) -> String {
        let draw = hash([&self.seed.to_le_bytes()[..], &tick.to_le_bytes()]);
        let at = Timestamp::from_millisecond(tick.saturating_mul(LINE_EVERY_MS)).unwrap_or(Timestamp::MIN);
        let (milliseconds, session) = (20 + draw % 180, draw / 7 % 10_000);
        match draw % 40 {
            0 => stamped(
                at,
                "WARN",
                &format!("slow request session={session} duration={}ms", milliseconds * 5),
            ),
            1 => stamped(at, "INFO", "health check ok"),
            _ => stamped(
                at,
                "INFO",
                &format!("request session={session} status=200 duration={milliseconds}ms"),
            ),
        }
    }
}

fn stamped(at: Timestamp, level: &str, text: &str) -> String {
    format!("{at:.3} {level} {text}")
}

fn newest(mut lines: Vec<String>, count: usize) -> Vec<String> {
    lines.drain(..lines.len().saturating_sub(count));
    lines
}
