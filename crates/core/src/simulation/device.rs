//! One GPU that many requests share, and the response times of a stage.

use crate::sizing::Stage;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Buckets of a histogram: each is two percent above the one before.
const BUCKETS: usize = 700;
const BUCKET_GROWTH: f64 = 1.02;
/// Milliseconds of the first bucket.
const FIRST_MS: f64 = 1.0;

/// Response times: mean, and percentiles to two percent.
#[derive(Clone, Debug, PartialEq)]
pub struct Responses {
    count: u64,
    sum_ms: f64,
    buckets: Vec<u64>,
}

impl Default for Responses {
    fn default() -> Self {
        Self { count: 0, sum_ms: 0.0, buckets: vec![0; BUCKETS] }
    }
}

impl Responses {
    pub(super) fn add(&mut self, ms: f64) {
        self.count += 1;
        self.sum_ms += ms;
        let bucket = ((ms / FIRST_MS).max(1.0).ln() / BUCKET_GROWTH.ln()).ceil();
        let bucket = if bucket.is_finite() { bucket as usize } else { BUCKETS - 1 };
        self.buckets[bucket.min(BUCKETS - 1)] += 1;
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Milliseconds; none where there were none.
    pub fn mean_ms(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum_ms / self.count as f64)
    }

    /// Milliseconds that a share stays within.
    pub fn percentile_ms(&self, share: f64) -> Option<f64> {
        let wanted = (self.count as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if *count > 0 && seen >= wanted {
                return Some(FIRST_MS * BUCKET_GROWTH.powi(i32::try_from(bucket).unwrap_or(i32::MAX)));
            }
        }
        None
    }
}

struct Job {
    /// When it is done, in the device's own time: seconds of work that each job has got.
    done: f64,
    size: f64,
    arrived: f64,
    stage: Stage,
}

impl PartialEq for Job {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Job {}
impl PartialOrd for Job {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Job {
    fn cmp(&self, other: &Self) -> Ordering {
        other.done.total_cmp(&self.done)
    }
}

/// A device that works on all of its jobs at once.
#[derive(Default)]
pub(super) struct Device {
    now: f64,
    /// Seconds of work that a job has got that was there from the start.
    given: f64,
    busy: f64,
    jobs: BinaryHeap<Job>,
}

impl Device {
    /// Goes on to a time; `done` is told the stage, arrival and stretch of each job that ends before it.
    pub(super) fn advance(&mut self, to: f64, mut done: impl FnMut(Stage, f64, f64)) {
        while let Some(job) = self.jobs.peek() {
            let until = (job.done - self.given) * self.jobs.len() as f64;
            if self.now + until > to {
                break;
            }
            self.now += until;
            self.busy += until;
            self.given = job.done;
            if let Some(job) = self.jobs.pop() {
                done(job.stage, job.arrived, ((self.now - job.arrived) / job.size).max(1.0));
            }
        }
        if !self.jobs.is_empty() {
            self.given += (to - self.now) / self.jobs.len() as f64;
            self.busy += to - self.now;
        }
        self.now = to;
    }

    pub(super) fn take(&mut self, now: f64, stage: Stage, size: f64) {
        self.jobs.push(Job { done: self.given + size, size, arrived: now, stage });
    }

    /// Tells of the jobs that are not done, as long as they have taken already.
    pub(super) fn unfinished(&self, now: f64, mut tell: impl FnMut(Stage, f64, f64)) {
        for job in &self.jobs {
            tell(job.stage, job.arrived, ((now - job.arrived) / job.size).max(1.0));
        }
    }

    pub(super) fn busy_seconds(&self) -> f64 {
        self.busy
    }
}
