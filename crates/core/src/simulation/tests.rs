//! The simulator against formulas, and the sizing's promises against the simulator.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use super::*;
use crate::catalog::ServiceTimes;
use crate::sizing::{SizingOptions, queueing, size};
use crate::tenant::{Availability, Preset, ServiceRequirements, SlaTarget};

fn demand(services: &[(Service, u32)], response_time_ms: u32) -> Demand {
    let service_requirements: ServiceRequirements = services.iter().copied().collect();
    let sla_target =
        SlaTarget { availability: Availability(999_000), response_time_ms, concurrent_users: None };
    Demand { preset: None, service_requirements, sla_target, options: SizingOptions::default() }
}

fn run(demand: &Demand, seconds: f64, busy_hour: bool) -> Verification {
    let catalog = Catalog::embedded();
    let options = Options { seconds, busy_hour, most_events: 150_000, seed: 7 };
    verify_order(&catalog, demand, &size(&catalog, demand), &options).unwrap()
}

/// Orders of every kind: alone and mixed, small, at the edges of the plans, and grown.
fn orders() -> Vec<Demand> {
    let mut example_2 = demand(
        &[
            (Service::Callbot, 50),
            (Service::Chatbot, 100),
            (Service::Advisor, 25),
            (Service::Stt, 30),
            (Service::Tts, 30),
        ],
        200,
    );
    example_2.preset = Some(Preset::Medium);
    vec![
        demand(&[(Service::Callbot, 100), (Service::Chatbot, 200), (Service::Advisor, 50)], 150),
        example_2,
        demand(&[(Service::Callbot, 25), (Service::Chatbot, 85), (Service::Advisor, 32)], 265),
        demand(&[(Service::Tts, 42)], 300),
        demand(&[(Service::Tts, 42), (Service::Callbot, 1)], 300),
        demand(&[(Service::Stt, 300)], 300),
        demand(&[(Service::Chatbot, 5000)], 300),
        demand(&[(Service::Callbot, 5), (Service::Ta, 4), (Service::Qa, 50)], 300),
        demand(&[(Service::Callbot, 1000)], 200),
    ]
}

#[test]
fn what_is_promised_without_a_warning_is_at_most_a_twentieth_better_than_what_happens() {
    for demand in orders() {
        for busy_hour in [false, true] {
            let verification = run(&demand, 3600.0, busy_hour);
            assert!(!verification.promises.is_empty(), "{:?}", demand.service_requirements);
            let broken: Vec<_> = verification.broken().collect();
            assert!(broken.is_empty(), "{:?} {busy_hour}: {broken:#?}", demand.service_requirements);
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_figures_and_another_one_others() {
    let order = demand(&[(Service::Callbot, 30)], 300);
    let first = run(&order, 600.0, false);
    assert_eq!(first, run(&order, 600.0, false));
    let catalog = Catalog::embedded();
    let other = Options { seed: 8, seconds: 600.0, most_events: 150_000, busy_hour: false };
    let other = verify_order(&catalog, &order, &size(&catalog, &order), &other).unwrap();
    assert_ne!(first.promises, other.promises);
}

#[test]
fn pods_that_can_not_do_the_work_are_seen_by_the_simulation() {
    let catalog = Catalog::embedded();
    let order = demand(&[(Service::Callbot, 100)], 200);
    let good = size(&catalog, &order);
    let mut bad = good.clone();
    for plan in &mut bad.services {
        if plan.service == Service::Stt {
            plan.limits.cpu_millicores = 1000;
        }
        if plan.limits.gpu > 0 {
            plan.replicas = 1;
        }
    }
    let options = Options { seconds: 1800.0, most_events: 150_000, ..Options::default() };
    let rendered = |sizing: &Sizing| {
        let spec = TenantSpec {
            name: String::new(),
            preset: None,
            service_requirements: order.service_requirements.clone(),
            sla_target: order.sla_target,
            description: None,
            exposure: None,
            management: Default::default(),
            demo_fault: None,
            sizing: SizingOptions::default(),
        };
        let id = TenantId::parse("bad").unwrap();
        let mut tenant = planned_tenant(&catalog, id, spec, Timestamp::UNIX_EPOCH);
        tenant.sizing = sizing.clone();
        render(&catalog, &tenant, &TenantSecrets::generate(SECRET_KEYS), &RenderOptions::default()).objects
    };
    // The promises of the good sizing, held against the pods of the bad one.
    let verification = verify(&catalog, &order, &good, &rendered(&bad), &options);
    let broken: Vec<Figure> = verification.broken().map(|promise| promise.figure).collect();
    assert!(broken.contains(&Figure::TurnsBusy) && broken.contains(&Figure::ResponseMean), "{broken:?}");
}

#[test]
fn each_kind_of_request_takes_the_time_of_its_device() {
    let mut catalog = Catalog::embedded();
    for device in &mut catalog.devices {
        device.service_time_ms = ServiceTimes { tts: Some(40.0), nlp: None, aicm: Some(20.0) };
    }
    let order = demand(&[(Service::Callbot, 60)], 300);
    let sizing = size(&catalog, &order);
    let options = Options { seconds: 1800.0, most_events: 400_000, ..Options::default() };
    let verification = verify_order(&catalog, &order, &sizing, &options).unwrap();
    let mean = |stage| {
        let of = |promise: &&Promise| promise.stage == Some(stage) && promise.figure == Figure::ResponseMean;
        let promise = verification.promises.iter().find(of).unwrap();
        assert!((promise.simulated / promise.promised - 1.0).abs() < 0.1, "{promise:?}");
        promise.promised
    };
    let (tts, nlp, aicm) = (mean(Stage::Tts), mean(Stage::Nlp), mean(Stage::Aicm));
    assert!((nlp / tts - 118.0 / 40.0).abs() < 1e-9 && (tts / aicm - 2.0).abs() < 1e-9, "{tts} {nlp} {aicm}");
    // The slowest kind keeps the SLA: where the tenant has none of it, the next one does.
    let fastest = |services: &[(Service, u32)]| {
        let explained = sizing::explain(&catalog, &demand(services, 300));
        let steps = explained["steps"].as_array().unwrap();
        let of = |step: &&serde_json::Value| step["name"] == "response_time_ms" && step["service"].is_null();
        steps.iter().find(of).unwrap()["inputs"]["service_time_ms"].as_f64().unwrap()
    };
    assert_eq!((fastest(&[(Service::Callbot, 60)]), fastest(&[(Service::Tts, 60)])), (118.0, 40.0));
}

#[test]
fn a_shared_device_answers_as_the_formula_says() {
    let mut random = Random::new(3);
    let mut gpu = Device::default();
    let mut responses = Responses::default();
    let (mut now, utilization, work) = (0.0, 0.6, 0.05);
    for _ in 0..60_000 {
        now += random.exponential(utilization / work);
        gpu.advance(now, |_, _, stretch| responses.add(stretch * 118.0));
        let size = random.exponential(1.0 / work);
        gpu.take(now, Stage::Nlp, size.max(1e-6));
    }
    let expected = queueing::response_time_ms(118.0, utilization);
    let seen = responses.mean_ms().unwrap();
    assert!((seen / expected - 1.0).abs() < 0.05, "{seen} for {expected}");
    assert!((gpu.busy_seconds() / now - utilization).abs() < 0.02);
}

/// Whatever is asked of it, and never so loosely that devices would be bought for nothing.
#[test]
fn a_percentile_is_kept_by_a_shared_device_and_is_no_more_than_half_over_what_happens() {
    for (seed, sizes) in [(1, vec![1.0]), (2, vec![1.0, 1.0, 1.0, 5.0]), (3, vec![1.0, 1.0, 1.0, 1.0, 30.0])]
    {
        let mean = sizes.iter().sum::<f64>() / sizes.len() as f64;
        for utilization in [0.1, 0.2, 0.4, 0.6, 0.75] {
            let mut random = Random::new(seed);
            let mut gpu = Device::default();
            let mut responses = Responses::default();
            let mut now = 0.0;
            for _ in 0..60_000 {
                now += random.exponential(utilization / mean);
                gpu.advance(now, |_, _, stretch| responses.add(stretch * 118.0));
                let size = sizes[random.below(sizes.len())];
                gpu.take(now, Stage::Nlp, size);
            }
            for outside in [0.05, 0.01] {
                let promised = queueing::response_within_ms(118.0, utilization, outside);
                let seen = responses.percentile_ms(1.0 - outside).unwrap();
                assert!(seen <= promised * 1.05, "{sizes:?} at {utilization}: {seen} for {promised}");
                assert!(seen >= promised / 1.5, "{sizes:?} at {utilization}: {seen} for {promised}");
                let allowed = queueing::utilization_within(118.0, promised, outside);
                assert!((allowed - utilization).abs() < 1e-9, "{allowed} for {utilization}");
            }
        }
    }
    assert_eq!(queueing::response_within_ms(118.0, 0.0, 0.05), 118.0);
    assert_eq!(queueing::response_within_ms(118.0, 1.0, 0.05), f64::INFINITY);
    assert_eq!(queueing::utilization_within(118.0, 118.0, 0.05), 0.0);
}

#[test]
fn lines_are_busy_as_erlang_b_says() {
    let verification = run(&demand(&[(Service::Callbot, 20)], 300), 200_000.0, true);
    let lines = verification.promises.iter().find(|promise| promise.figure == Figure::LinesBusy).unwrap();
    assert!((lines.simulated / lines.promised - 1.0).abs() < 0.15, "{lines:?}");
}
