//! What a demo tenant would measure at a moment: a pure function of the tenant and the time.
//!
//! Voice services (callbot, advisor, stand-alone speech) work from 09:00 to 18:00 Korean time on
//! weekdays, with a dip at lunch; chatbots all day, most in the evening. Noise comes in slow waves
//! and small steps, spikes last a few minutes. The figures hang together: CPU, GPU, traffic and
//! requests follow the activity, the response time follows the utilisation as a queue does, errors
//! come with strain, and storage only grows. All stay below the alert thresholds, but for the
//! spikes of tenants that are asked to run hot.

use ecp_core::Timestamp;
use ecp_core::metrics::{Metric, Sample};
use ecp_core::tenant::{Service, Tenant};

const SECOND: f64 = 1.0;
const MINUTE: f64 = 60.0 * SECOND;
const HOUR: f64 = 60.0 * MINUTE;
const DAY: f64 = 24.0 * HOUR;
/// Korea has one zone without daylight saving: nine hours ahead.
const KST_OFFSET: f64 = 9.0 * HOUR;
/// The spacing of live samples; request counts are those of this span.
pub(crate) const SAMPLE_SPACING_MS: i64 = 5_000;
/// A tenant that does not run hot is never busier than this.
const CALM_CEILING: f64 = 77.0;

/// Activity at hours of a working day, as a share of the plan; straight lines between.
const VOICE_WEEKDAY: [(f64, f64); 11] = [
    (0.0, 0.03),
    (7.5, 0.05),
    (9.2, 0.82),
    (10.5, 1.0),
    (11.7, 0.92),
    (12.4, 0.60),
    (13.3, 0.88),
    (14.7, 0.97),
    (17.5, 0.80),
    (18.6, 0.14),
    (24.0, 0.03),
];
const VOICE_WEEKEND: [(f64, f64); 5] = [(0.0, 0.03), (9.0, 0.06), (13.0, 0.14), (18.0, 0.07), (24.0, 0.03)];
const CHAT: [(f64, f64); 8] = [
    (0.0, 0.42),
    (4.0, 0.12),
    (8.0, 0.34),
    (12.3, 0.62),
    (16.0, 0.55),
    (20.5, 1.0),
    (22.5, 0.74),
    (24.0, 0.42),
];

/// The sample of a tenant at a moment; the same arguments always give the same values.
pub fn load_at(tenant: &Tenant, hot: bool, at: Timestamp) -> Sample {
    let timestamp_ms = at.as_millisecond();
    let seconds = timestamp_ms as f64 / 1000.0;
    let noise = Noise { seed: seed(tenant.id.as_str()) };
    let orders = Orders::of(tenant);

    let activity =
        (orders.activity(seconds, &noise) * (1.0 + 0.08 * noise.wave(1, seconds, 23.0 * MINUTE))).max(0.02);
    let spike = noise.spike(seconds, hot);
    let strain = |base: f64, per_activity: f64, stream: u64, reach: f64| {
        let calm = base
            + per_activity * activity
            + 2.2 * noise.wave(stream, seconds, 4.0 * MINUTE)
            + 0.5 * noise.step(stream + 1, seconds);
        // A spike lifts towards its peak, so that it shows at night as it does by day.
        let lifted = calm + (reach * spike).max(0.0) * (spike_peak(hot) - calm).max(0.0);
        lifted.clamp(0.5, if hot { 99.0 } else { CALM_CEILING })
    };
    let cpu = strain(11.0, 51.0, 10, 1.0);
    let memory = strain(44.0, 16.0, 20, 0.35);
    let gpu = strain(7.0, 60.0, 30, 0.9);

    let utilisation = cpu.max(gpu) / 100.0;
    let sla_ms = f64::from(tenant.spec.sla_target.response_time_ms);
    let response_time =
        0.42 * sla_ms / (1.0 - 0.6 * utilisation) * (1.0 + 0.03 * noise.wave(40, seconds, 2.0 * MINUTE));
    let error_rate = 0.02 + 0.30 * utilisation.powi(5) + 0.01 * noise.step(41, seconds);
    let traffic = orders.bytes_per_second * activity * (1.0 + 0.04 * noise.wave(50, seconds, 3.0 * MINUTE));
    let requests = orders.requests_per_second
        * activity
        * (SAMPLE_SPACING_MS as f64 / 1000.0)
        * (1.0 + 0.03 * noise.step(60, seconds));

    let mut sample = Sample::empty(timestamp_ms);
    let mut set = |metric: Metric, value: f64, unit: f64| {
        sample.values[metric.index()] = round_to(value.max(0.0), unit);
    };
    set(Metric::CpuUsage, cpu, 0.1);
    set(Metric::MemoryUsage, memory, 0.1);
    if tenant.sizing.resources.gpu > 0 {
        set(Metric::GpuUsage, gpu, 0.1);
    }
    set(Metric::NetworkIn, traffic, 1000.0);
    set(Metric::NetworkOut, traffic * (0.68 + 0.02 * noise.step(51, seconds)), 1000.0);
    set(Metric::StorageUsed, storage_used(tenant, &noise, seconds), 1e6);
    set(Metric::RequestCount, requests, 1.0);
    set(Metric::ResponseTime, response_time, 0.1);
    set(Metric::ErrorRate, error_rate, 0.01);
    sample
}

/// What the tenant's orders mean for its shape and its traffic.
struct Orders {
    /// Share of the activity that follows office hours.
    voice_share: f64,
    requests_per_second: f64,
    bytes_per_second: f64,
}

impl Orders {
    fn of(tenant: &Tenant) -> Self {
        let units = |service| tenant.spec.service_requirements.get(&service).copied().map_or(0.0, f64::from);
        let voice = units(Service::Callbot)
            + units(Service::Advisor)
            + units(Service::Stt)
            + units(Service::Tts)
            + units(Service::Ta)
            + units(Service::Qa);
        let users = units(Service::Chatbot);
        // A chatbot user keeps the machines about a quarter as busy as a voice channel.
        let voice_share = if voice + users > 0.0 { voice / (voice + users / 4.0) } else { 0.5 };
        Self {
            voice_share,
            // A channel asks some twenty questions in a call of three minutes, a user twelve in eight.
            requests_per_second: 0.11 * voice + 0.025 * users + 0.4,
            // Telephone speech is 8,000 bytes a second (G.711); a chat is a few hundred.
            bytes_per_second: 8000.0 * voice + 400.0 * users + 20_000.0,
        }
    }

    fn activity(&self, seconds: f64, noise: &Noise) -> f64 {
        // Each tenant starts and ends its day some minutes earlier or later than the next.
        let local = seconds + KST_OFFSET + 12.0 * MINUTE * noise.unit(2, 0);
        let hour = local.rem_euclid(DAY) / HOUR;
        // The first of January 1970 was a Thursday.
        let weekday = ((local / DAY).floor() as i64 + 3).rem_euclid(7);
        let voice = if weekday < 5 { between(&VOICE_WEEKDAY, hour) } else { between(&VOICE_WEEKEND, hour) };
        self.voice_share * voice + (1.0 - self.voice_share) * between(&CHAT, hour)
    }
}

/// Bytes stored: a part of the quota from the start, growing ever more slowly, never near full.
fn storage_used(tenant: &Tenant, noise: &Noise, seconds: f64) -> f64 {
    let quota = tenant.sizing.resources.storage_gb as f64 * 1e9;
    let start = 0.34 + 0.06 * noise.unit(3, 0);
    let days = ((seconds - tenant.created_at.as_second() as f64) / DAY).max(0.0);
    quota * (start + (0.70 - start) * (1.0 - (-days / 240.0).exp()))
}

/// Where a spike leads to in percent.
fn spike_peak(hot: bool) -> f64 {
    if hot { 97.0 } else { 76.0 }
}

fn between(line: &[(f64, f64)], x: f64) -> f64 {
    let after = line.partition_point(|(at, _)| *at <= x).clamp(1, line.len() - 1);
    let ((x0, y0), (x1, y1)) = (line[after - 1], line[after]);
    y0 + (y1 - y0) * ((x - x0) / (x1 - x0)).clamp(0.0, 1.0)
}

/// Rounds to a unit; decimal units by division, so that 65.5 is the number 65.5.
fn round_to(value: f64, unit: f64) -> f64 {
    if unit < 1.0 {
        let per_one = (1.0 / unit).round();
        (value * per_one).round() / per_one
    } else {
        (value / unit).round() * unit
    }
}

/// Noise that depends on the tenant, a stream and the time alone.
struct Noise {
    seed: u64,
}

impl Noise {
    /// One draw in `[-1, 1]`.
    fn unit(&self, stream: u64, slot: i64) -> f64 {
        let bits = mix(self.seed ^ mix(stream ^ mix(slot as u64)));
        (bits >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    /// A draw for each sample.
    fn step(&self, stream: u64, seconds: f64) -> f64 {
        self.unit(stream, seconds.floor() as i64)
    }

    /// Draws a period apart with a smooth way between them.
    fn wave(&self, stream: u64, seconds: f64, period: f64) -> f64 {
        let slot = (seconds / period).floor();
        let part = seconds / period - slot;
        let eased = part * part * (3.0 - 2.0 * part);
        let (from, to) = (self.unit(stream, slot as i64), self.unit(stream, slot as i64 + 1));
        from + (to - from) * eased
    }

    /// How far into a spike the moment is, 0–1: one span in three has one, with hot tenants more.
    fn spike(&self, seconds: f64, hot: bool) -> f64 {
        let (period, share) = if hot { (40.0 * MINUTE, 0.7) } else { (90.0 * MINUTE, 0.33) };
        let slot = (seconds / period).floor();
        let draw = |stream| (self.unit(stream, slot as i64) + 1.0) / 2.0;
        if draw(70) >= share {
            return 0.0;
        }
        let length = MINUTE * (5.0 + 5.0 * draw(71));
        let begin = slot * period + draw(72) * (period - length);
        let part = (seconds - begin) / length;
        if !(0.0..=1.0).contains(&part) {
            return 0.0;
        }
        // Up in a fifth of the time, then level, then down.
        let height = 0.72 + 0.28 * draw(73);
        height * (part * 5.0).min((1.0 - part) * 4.0).min(1.0)
    }
}

/// SplitMix64's output step.
fn mix(value: u64) -> u64 {
    let mut bits = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ bits >> 31
}

fn seed(text: &str) -> u64 {
    text.bytes().fold(0, |seed, byte| mix(seed ^ u64::from(byte)))
}

#[cfg(test)]
mod tests;
