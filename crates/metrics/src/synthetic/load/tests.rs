use super::*;
use crate::codec::{raw, rollup};
use crate::rollup::RollupRow;
use crate::testing::tenant;
use crate::tier::Tier;
use std::collections::BTreeMap;

/// Monday, 15 January 2024, 00:00 in Korea.
const MONDAY: i64 = 1_705_244_400;

fn voice() -> Tenant {
    let mut tenant = tenant("voice");
    tenant.spec.service_requirements = BTreeMap::from([(Service::Callbot, 50), (Service::Advisor, 20)]);
    tenant
}

fn chat() -> Tenant {
    let mut tenant = tenant("chat");
    tenant.spec.service_requirements = BTreeMap::from([(Service::Chatbot, 400)]);
    tenant
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

/// Every sample of some hours after Monday's start, a minute apart.
fn hours(tenant: &Tenant, hot: bool, from: i64, to: i64) -> Vec<Sample> {
    (from * 60..to * 60).map(|minute| load_at(tenant, hot, at(MONDAY + minute * 60))).collect()
}

fn mean(samples: &[Sample], metric: Metric) -> f64 {
    samples.iter().filter_map(|sample| sample.get(metric)).sum::<f64>() / samples.len() as f64
}

#[test]
fn voice_works_in_korean_office_hours() {
    let tenant = voice();
    let day = hours(&tenant, false, 10, 12);
    let lunch = hours(&tenant, false, 12, 13);
    let night = hours(&tenant, false, 1, 5);
    let saturday = hours(&tenant, false, 5 * 24 + 10, 5 * 24 + 12);
    for metric in [Metric::CpuUsage, Metric::GpuUsage, Metric::RequestCount, Metric::NetworkIn] {
        assert!(mean(&day, metric) > 2.5 * mean(&night, metric), "{metric}");
        assert!(mean(&day, metric) > 1.1 * mean(&lunch, metric), "{metric}");
        assert!(mean(&day, metric) > 2.0 * mean(&saturday, metric), "{metric}");
    }
    assert!(mean(&day, Metric::ResponseTime) > 1.1 * mean(&night, Metric::ResponseTime));
}

#[test]
fn chat_peaks_in_the_evening_and_never_stops() {
    let tenant = chat();
    let (evening, night) = (hours(&tenant, false, 20, 22), hours(&tenant, false, 3, 5));
    assert!(mean(&evening, Metric::RequestCount) > 3.0 * mean(&night, Metric::RequestCount));
    assert!(night.iter().all(|sample| sample.get(Metric::RequestCount) > Some(0.0)));
}

#[test]
fn every_value_is_in_its_bounds_and_calm_tenants_stay_below_the_thresholds() {
    for tenant in [voice(), chat()] {
        let sla_ms = f64::from(tenant.spec.sla_target.response_time_ms);
        for sample in hours(&tenant, false, 0, 14 * 24) {
            let get = |metric| sample.get(metric).expect("every metric is there");
            for metric in [Metric::CpuUsage, Metric::MemoryUsage, Metric::GpuUsage] {
                assert!((0.0..80.0).contains(&get(metric)), "{metric} {}", get(metric));
            }
            assert!((0.0..1.0).contains(&get(Metric::ErrorRate)));
            assert!(get(Metric::ResponseTime) > 0.3 * sla_ms && get(Metric::ResponseTime) < sla_ms);
            assert!(get(Metric::StorageUsed) < 0.85e9 * tenant.sizing.resources.storage_gb as f64);
            for metric in [Metric::NetworkIn, Metric::NetworkOut, Metric::RequestCount] {
                assert!(get(metric) >= 0.0 && get(metric).fract() == 0.0);
            }
        }
    }
}

#[test]
fn a_hot_tenant_crosses_the_warning_now_and_then() {
    let samples = hours(&voice(), true, 0, 48);
    let over = samples.iter().filter(|sample| sample.get(Metric::CpuUsage) > Some(80.0)).count();
    let share = over as f64 / samples.len() as f64;
    assert!((0.02..0.3).contains(&share), "{share}");
    assert!(samples.iter().all(|sample| sample.get(Metric::CpuUsage) <= Some(100.0)));
    for part in samples.chunks(6 * 60) {
        assert!(part.iter().any(|sample| sample.get(Metric::CpuUsage) > Some(80.0)), "every six hours");
    }
}

#[test]
fn storage_only_grows_and_every_value_is_the_same_again() {
    let tenant = voice();
    let samples = hours(&tenant, false, 0, 24);
    assert!(samples.is_sorted_by_key(|sample| sample.values[Metric::StorageUsed.index()]));
    assert!(crate::testing::same_samples(&samples, &hours(&tenant, false, 0, 24)));
    let mut other = tenant.clone();
    other.id = ecp_core::ids::TenantId::parse("other").expect("a label");
    assert!(!crate::testing::same_samples(&samples, &hours(&other, false, 0, 24)));
}

#[test]
fn a_tenant_without_gpus_has_no_gpu_load() {
    let mut tenant = voice();
    tenant.sizing.resources.gpu = 0;
    assert_eq!(load_at(&tenant, false, at(MONDAY)).get(Metric::GpuUsage), None);
}

/// A day of samples at the live spacing, starting at a row's start.
fn day_of_samples(tenant: &Tenant) -> Vec<Sample> {
    let day_start = Tier::FiveMinutes.row_start((MONDAY + 24 * 3600) * 1000);
    let times = (day_start..day_start + Tier::FiveMinutes.row_ms()).step_by(SAMPLE_SPACING_MS as usize);
    times.map(|time_ms| load_at(tenant, false, at(time_ms / 1000))).collect()
}

/// Bytes a value of these samples in raw rows and five-minute roll-ups.
fn bytes_a_value(samples: &[Sample]) -> f64 {
    let per_row = (Tier::Raw.row_ms() / SAMPLE_SPACING_MS) as usize;
    let raw_bytes: usize = samples.chunks(per_row).map(|samples| raw::encode(samples).len()).sum();
    let mut row = RollupRow::empty(Tier::FiveMinutes, Tier::FiveMinutes.row_start(samples[0].timestamp_ms));
    row.add(samples);
    (raw_bytes + rollup::encode(&row).len()) as f64 / (samples.len() * Metric::ALL.len()) as f64
}

#[test]
fn a_value_takes_less_than_one_and_three_quarter_bytes_on_disk() {
    let samples = day_of_samples(&voice());
    let size = bytes_a_value(&samples);
    assert!(size <= 0.7, "{size}");

    // With rough values too: percentages of two decimals, traffic to the byte, all of them noisy.
    let noise = Noise { seed: 7 };
    let rough: Vec<Sample> = samples
        .into_iter()
        .map(|mut sample| {
            for (stream, metric) in Metric::ALL.into_iter().enumerate() {
                let draw = noise.step(stream as u64, sample.timestamp_ms as f64);
                let value = &mut sample.values[metric.index()];
                *value = match metric {
                    Metric::CpuUsage | Metric::MemoryUsage | Metric::GpuUsage => {
                        round_to(*value + 3.0 * draw, 0.01).max(0.0)
                    }
                    Metric::NetworkIn | Metric::NetworkOut => round_to(*value * (1.0 + 0.05 * draw), 1.0),
                    Metric::ResponseTime => round_to(*value + 10.0 * draw, 0.1),
                    Metric::StorageUsed | Metric::RequestCount | Metric::ErrorRate => *value,
                };
            }
            sample
        })
        .collect();
    let size = bytes_a_value(&rough);
    assert!(size <= 1.75, "{size}");
}
