//! Random numbers that are the same for the same seed on every machine and in every release
//! (SplitMix64); no one's secret depends on them.

/// A generator of such numbers.
pub struct Random(u64);

impl Random {
    /// Starts it from a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to 1, which it never is.
    pub fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Below a number over 0.
    pub fn below(&mut self, number: usize) -> usize {
        ((self.share() * number as f64) as usize).min(number.saturating_sub(1))
    }

    /// A time until something that comes at a rate; infinite where it never does.
    pub fn exponential(&mut self, rate: f64) -> f64 {
        if rate > 0.0 { -(1.0 - self.share()).ln() / rate } else { f64::INFINITY }
    }
}
