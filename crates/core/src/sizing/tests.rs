//! The worked examples, the golden vectors of Erlang B, and what must hold for every demand.

use super::queueing::{erlang_b, erlang_c, lines_for_blocking};
use super::*;
use crate::tenant::{Availability, Service};
use crate::text::Language;
use proptest::prelude::*;

fn demand(services: &[(Service, u32)], availability: &str, response_time_ms: u32) -> Demand {
    Demand {
        preset: None,
        service_requirements: services.iter().copied().collect(),
        sla_target: SlaTarget {
            availability: Availability::parse(availability).expect("an availability"),
            response_time_ms,
            concurrent_users: None,
        },
    }
}

fn my_ai_service() -> Demand {
    let services = [
        (Service::Callbot, 50),
        (Service::Chatbot, 100),
        (Service::Advisor, 25),
        (Service::Stt, 30),
        (Service::Tts, 30),
    ];
    let mut demand = demand(&services, "99.9%", 200);
    demand.preset = Some(Preset::Medium);
    demand.sla_target.concurrent_users = Some(200);
    demand
}

#[test]
fn the_calculator_s_example_is_large_with_medium_as_the_one_alternative() {
    let catalog = Catalog::embedded();
    let services = [(Service::Callbot, 100), (Service::Chatbot, 200), (Service::Advisor, 50)];
    let calculation = calculate(&catalog, &demand(&services, "99.9%", 150));
    let sizing = &calculation.sizing;
    assert_eq!(sizing.preset, Preset::Large);
    assert_eq!(sizing.resources, catalog.plan(Preset::Large).resources());
    assert_eq!((sizing.gpu_type.as_str(), sizing.list_price_usd), ("v100", 450));
    let [medium] = calculation.alternatives.as_slice() else {
        panic!("one alternative, not {:?}", calculation.alternatives);
    };
    assert_eq!((medium.preset, medium.list_price_usd), (Preset::Medium, 250));
    assert_eq!(medium.performance_impact.render(Language::Ko), "응답시간 20% 증가 예상");
    assert_eq!(calculation.explanation["bottleneck"], "cpu");
}

#[test]
fn my_ai_service_gets_its_medium_plan_without_a_warning() {
    let sizing = size(&Catalog::embedded(), &my_ai_service());
    assert_eq!(sizing.preset, Preset::Medium);
    assert_eq!(sizing.resources.cpu_text(), "24000m");
    assert_eq!(sizing.resources.memory_text(), "32Gi");
    assert_eq!(sizing.resources.gpu, 3);
    assert_eq!(sizing.resources.storage_text(), "1.0TB");
    assert_eq!(sizing.list_price_usd, 350);
    assert_eq!(sizing.deployment_time, DeploymentTime { min_minutes: 15, max_minutes: 20 });
    assert_eq!(sizing.warnings, []);
    let deletion = deletion_time(&Catalog::embedded(), &sizing);
    assert_eq!(deletion, DeploymentTime { min_minutes: 5, max_minutes: 10 });
}

#[test]
fn my_ai_service_s_pods_are_the_contract_s() {
    let sizing = size(&Catalog::embedded(), &my_ai_service());
    let callbot = &sizing.services[0];
    assert_eq!(callbot.replicas, 3);
    assert_eq!(callbot.requests, ContainerResources { cpu_millicores: 200, memory_mib: 512, gpu: 1 });
    assert_eq!(callbot.limits, ContainerResources { cpu_millicores: 2000, memory_mib: 4096, gpu: 1 });
    assert_eq!(sizing.services.iter().map(|plan| plan.replicas).sum::<u32>(), 15);
    let total = |pick: fn(&ContainerResources) -> u64| -> u64 {
        sizing.services.iter().map(|plan| pick(&plan.limits) * u64::from(plan.replicas)).sum()
    };
    assert_eq!(total(|limits| limits.cpu_millicores), 24_000);
    assert_eq!(total(|limits| limits.gpu), 3);
    // 5 GiB over three pods is no whole number of MiB: 32 GiB but for the rounding.
    assert_eq!(total(|limits| limits.memory_mib), 32_768 - 4 * 2);
}

#[test]
fn global_call_center_has_five_services_because_callbot_and_advisor_bring_two() {
    let services = [(Service::Callbot, 25), (Service::Chatbot, 85), (Service::Advisor, 32)];
    let mut demand = demand(&services, "99.86%", 265);
    demand.preset = Some(Preset::Large);
    let sizing = size(&Catalog::embedded(), &demand);
    let counts: Vec<_> = sizing.services.iter().map(|plan| (plan.service.as_str(), plan.count)).collect();
    assert_eq!(counts, [("callbot", 25), ("chatbot", 85), ("advisor", 32), ("stt", 89), ("tts", 25)]);
    assert_eq!((sizing.resources.gpu, sizing.gpu_type.as_str()), (6, "v100"));
    assert_eq!(sizing.warnings, []);
}

#[test]
fn a_named_plan_that_is_too_small_is_honoured_and_says_what_is_short() {
    let mut demand = demand(&[(Service::Callbot, 200)], "99.9%", 150);
    demand.preset = Some(Preset::Micro);
    let sizing = size(&Catalog::embedded(), &demand);
    assert_eq!(sizing.resources, Catalog::embedded().plan(Preset::Micro).resources());
    let short: Vec<_> = sizing.warnings.iter().map(|warning| warning.short_of.as_str()).collect();
    assert_eq!(short, ["cpu", "memory", "gpu", "availability"]);
    assert!(sizing.warnings.iter().all(|warning| warning.suggested_preset == Preset::Large));
}

#[test]
fn twenty_thousand_channels_keep_the_preset_large_and_grow_everything() {
    let catalog = Catalog::embedded();
    let sizing = size(&catalog, &demand(&[(Service::Callbot, 20_000)], "99.9%", 200));
    assert_eq!((sizing.preset, sizing.gpu_type.as_str()), (Preset::Large, "l40s"));
    assert!(sizing.resources.gpu > 200 && sizing.resources.gpu < 1000, "{:?}", sizing.resources);
    assert!(sizing.list_price_usd > 10_000 && sizing.operator_cost_usd > 10_000);
    assert_eq!(sizing.warnings, []);
    assert_eq!(
        sizing.services.iter().map(|plan| plan.limits.gpu * u64::from(plan.replicas)).sum::<u64>(),
        sizing.resources.gpu
    );
}

#[test]
fn erlang_b_has_its_golden_values() {
    for (offered, one_percent, one_in_thousand) in [(17.986, 28, 32), (50.0, 64, 71), (100.0, 117, 128)] {
        assert_eq!(lines_for_blocking(offered, 0.01, 1000), one_percent, "{offered}");
        assert_eq!(lines_for_blocking(offered, 0.001, 1000), one_in_thousand, "{offered}");
    }
    assert!(erlang_b(20_000.0, 20_000).is_finite());
    assert!(erlang_c(10.0, 14) > erlang_b(10.0, 14));
    assert_eq!(erlang_c(10.0, 10), 1.0);
}

#[test]
fn erlang_b_agrees_with_a_simulated_trunk() {
    // A linear congruential generator: the same calls on every machine.
    let mut state = 42_u64;
    let mut exponential = |mean: f64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let uniform = ((state >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        -uniform.ln() * mean
    };
    let (offered, lines) = (20.0, 24);
    let (mut now, mut lost, calls) = (0.0, 0, 400_000);
    let mut busy_until: Vec<f64> = Vec::new();
    for _ in 0..calls {
        now += exponential(1.0 / offered);
        busy_until.retain(|end| *end > now);
        if busy_until.len() < lines {
            busy_until.push(now + exponential(1.0));
        } else {
            lost += 1;
        }
    }
    let simulated = f64::from(lost) / f64::from(calls);
    let formula = erlang_b(offered, lines as u64);
    assert!((simulated - formula).abs() < 0.004, "simulated {simulated}, formula {formula}");
}

fn at_least(larger: &Sizing, smaller: &Sizing) -> bool {
    let (more, less) = (&larger.resources, &smaller.resources);
    larger.preset >= smaller.preset
        && more.cpu_millicores >= less.cpu_millicores
        && more.memory_mib >= less.memory_mib
        && more.gpu >= less.gpu
        && more.storage_gb >= less.storage_gb
        && larger.list_price_usd >= smaller.list_price_usd
        && larger.operator_cost_usd >= smaller.operator_cost_usd
}

prop_compose! {
    fn any_demand()(
        units in proptest::collection::vec(prop_oneof![Just(0_u32), 1..300_u32, 300..20_000_u32], 7),
        ppm in 900_000..=1_000_000_u32,
        response_time_ms in 50..2000_u32,
        concurrent_users in proptest::option::of(1..50_000_u32),
    ) -> Demand {
        let mut requirements: ServiceRequirements =
            Service::ALL.into_iter().zip(units).filter(|(_, units)| *units > 0).collect();
        if requirements.is_empty() {
            requirements.insert(Service::Chatbot, 1);
        }
        Demand {
            preset: None,
            service_requirements: requirements,
            sla_target: SlaTarget { availability: Availability(ppm), response_time_ms, concurrent_users },
        }
    }
}

proptest! {
    #[test]
    fn more_load_never_gets_a_smaller_answer(
        demand in any_demand(), index in 0..7_usize, more in 1..5000_u32,
    ) {
        let catalog = Catalog::embedded();
        let mut larger = demand.clone();
        *larger.service_requirements.entry(Service::ALL[index]).or_default() += more;
        let (less, more) = (size(&catalog, &demand), size(&catalog, &larger));
        prop_assert!(at_least(&more, &less), "{less:#?}\n{more:#?}");
    }

    #[test]
    fn a_tighter_sla_never_gets_a_smaller_answer(
        demand in any_demand(), faster in 1..1000_u32, ppm in 1..100_000_u32,
    ) {
        let catalog = Catalog::embedded();
        let mut tighter = demand.clone();
        let sla = &mut tighter.sla_target;
        sla.response_time_ms = sla.response_time_ms.saturating_sub(faster).max(1);
        sla.availability = Availability((sla.availability.0 + ppm).min(1_000_000));
        let (loose, tight) = (size(&catalog, &demand), size(&catalog, &tighter));
        prop_assert!(at_least(&tight, &loose), "{loose:#?}\n{tight:#?}");
    }

    #[test]
    fn containers_fit_their_envelope_and_requests_their_limits(
        mut demand in any_demand(), preset in proptest::option::of(0..4_usize),
    ) {
        demand.preset = preset.map(|index| Preset::ALL[index]);
        let sizing = size(&Catalog::embedded(), &demand);
        let total = |pick: fn(&ContainerResources) -> u64| -> u64 {
            sizing.services.iter().map(|plan| pick(&plan.limits) * u64::from(plan.replicas)).sum()
        };
        prop_assert!(total(|limits| limits.cpu_millicores) <= sizing.resources.cpu_millicores);
        prop_assert!(total(|limits| limits.memory_mib) <= sizing.resources.memory_mib);
        prop_assert!(total(|limits| limits.gpu) <= sizing.resources.gpu);
        for plan in &sizing.services {
            prop_assert!(plan.replicas > 0 && plan.limits.cpu_millicores > 0 && plan.limits.memory_mib > 0);
            prop_assert!(plan.requests.cpu_millicores <= plan.limits.cpu_millicores);
            prop_assert!(plan.requests.memory_mib <= plan.limits.memory_mib);
            prop_assert_eq!(plan.requests.gpu, plan.limits.gpu);
        }
        if let Some(preset) = demand.preset {
            prop_assert_eq!(sizing.preset, preset);
        }
    }
}
