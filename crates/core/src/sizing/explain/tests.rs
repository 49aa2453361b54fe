//! Every figure's formula, recomputed from its inputs, and what is said of the answer as a whole.

use super::formula::evaluate;
use crate::catalog::Catalog;
use crate::sizing::{Demand, Share, SizedFor, SizingOptions, Survives, calculate, explain};
use crate::tenant::{Availability, Preset, Service, SlaTarget};
use proptest::prelude::*;
use serde_json::{Value, json};

fn demand(services: &[(Service, u32)], response_time_ms: u32, availability: u32) -> Demand {
    let availability = Availability(availability);
    Demand {
        preset: None,
        service_requirements: services.iter().copied().collect(),
        sla_target: SlaTarget { availability, response_time_ms, concurrent_users: None },
        options: SizingOptions::default(),
    }
}

/// Recomputes every formula; says how many there were.
fn recomputed(explanation: &Value) -> usize {
    let steps = explanation["steps"].as_array().expect("steps");
    let mut count = 0;
    for step in steps {
        for key in ["name", "formula", "source", "label"] {
            assert!(step[key].as_str().is_some_and(|text| !text.is_empty()), "{key} of {step}");
        }
        if step["kind"] != "formula" {
            assert_eq!(step["kind"], "rule", "{step}");
            continue;
        }
        let formula = step["formula"].as_str().expect("a formula");
        let value = evaluate(formula, &step["inputs"]).unwrap_or_else(|error| panic!("{error}: {step}"));
        match step["result"].as_f64() {
            Some(result) => {
                let off = (value - result).abs();
                assert!(off <= 1e-9 * result.abs().max(1.0), "{value} for {step}");
            }
            None => assert!(!value.is_finite(), "{value} for {step}"),
        }
        count += 1;
    }
    count
}

fn named<'a>(explanation: &'a Value, name: &str, service: Option<&str>) -> &'a Value {
    let steps = explanation["steps"].as_array().expect("steps");
    let found = steps.iter().find(|step| step["name"] == name && step["service"].as_str() == service);
    found.unwrap_or_else(|| panic!("{name} of {service:?}"))
}

#[test]
fn what_the_answer_says_is_what_the_formulas_give() {
    let catalog = Catalog::embedded();
    let order =
        demand(&[(Service::Callbot, 100), (Service::Chatbot, 200), (Service::Advisor, 50)], 150, 999_000);
    let explanation = explain(&catalog, &order);
    assert!(recomputed(&explanation) > 100);
    let sizing = calculate(&catalog, &order).sizing;
    for (name, value) in [
        ("list_price_usd", sizing.list_price_usd),
        ("operator_cost_usd", sizing.operator_cost_usd),
        ("plan_cpu", sizing.resources.cpu_millicores),
        ("plan_memory", sizing.resources.memory_mib),
        ("plan_storage", sizing.resources.storage_gb),
    ] {
        assert_eq!(named(&explanation, name, None)["result"].as_f64(), Some(value as f64), "{name}");
    }
    for plan in &sizing.services {
        let of = |name: &str| named(&explanation, name, Some(plan.service.as_str()))["result"].as_f64();
        assert_eq!(of("limit_cpu"), Some(plan.limits.cpu_millicores as f64));
        assert_eq!(of("limit_memory"), Some(plan.limits.memory_mib as f64));
        assert_eq!(of("replicas"), Some(f64::from(plan.replicas)));
    }
}

#[test]
fn a_formula_that_is_wrong_is_found() {
    let inputs = json!({ "a": 2.0, "b": 3.0, "lost": null });
    assert_eq!(evaluate("a + b * 2 ^ (a - 1) / 3", &inputs), Ok(4.0));
    assert_eq!(evaluate("max(ceil(b / a), 1) - min(a, b)", &inputs), Ok(0.0));
    assert_eq!(evaluate("response(118, lost)", &inputs), Ok(f64::INFINITY));
    for wrong in ["a +", "c", "a b", "max(a)", "(a"] {
        assert!(evaluate(wrong, &inputs).is_err(), "{wrong}");
    }
}

#[test]
fn the_next_tenth_of_load_the_weightiest_assumption_and_the_margin_are_said() {
    let catalog = Catalog::embedded();
    let order = demand(&[(Service::Callbot, 100), (Service::Tts, 60)], 200, 999_000);
    let explanation = explain(&catalog, &order);
    assert_eq!(explanation["sensitivity"]["load_percent"], 10.0);
    let more =
        calculate(&catalog, &demand(&[(Service::Callbot, 110), (Service::Tts, 66)], 200, 999_000)).sizing;
    assert_eq!(explanation["sensitivity"]["preset"], json!(more.preset));
    // Half of all speech not being in the cache any more would take most.
    let assumptions = explanation["assumptions"].as_array().expect("assumptions");
    assert_eq!(assumptions[0]["catalog"], "gpu.tts_cache_share", "{assumptions:#?}");
    let percents: Vec<f64> = assumptions.iter().filter_map(|one| one["percent"].as_f64()).collect();
    assert!(percents.windows(2).all(|pair| pair[0].abs() >= pair[1].abs()), "{percents:?}");
    let sizing = calculate(&catalog, &order).sizing;
    let margin = sizing.list_price_usd as i64 - sizing.operator_cost_usd as i64;
    assert!(margin < 0);
    assert_eq!(explanation["margin"]["margin_usd"], margin);
    assert_eq!(explanation["margin"]["list_price_is_below_cost"], true);
}

#[test]
fn an_alternative_that_misses_the_sla_says_by_how_much() {
    let catalog = Catalog::embedded();
    let order =
        demand(&[(Service::Callbot, 100), (Service::Chatbot, 200), (Service::Advisor, 50)], 150, 999_000);
    let calculation = calculate(&catalog, &order);
    let alternative = &calculation.alternatives[0];
    let medium = calculate(&catalog, &Demand { preset: Some(Preset::Medium), ..order }).sizing;
    assert!(medium.warnings.iter().any(|warning| warning.short_of == "response_time"));
    let slow =
        alternative.misses.iter().find(|miss| miss.figure == "response_time_ms").expect("it is slower");
    assert_eq!(slow.target, 150.0);
    assert!(slow.over() > 0.0 && slow.over() < 50.0, "{slow:?}");
    // One that keeps it says nothing.
    let relaxed = calculate(&catalog, &demand(&[(Service::Chatbot, 400)], 1000, 990_000));
    assert!(relaxed.alternatives.iter().all(|plan| plan.misses.is_empty()), "{:?}", relaxed.alternatives);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_formula_gives_its_result(
        units in prop::collection::vec(0_u32..400, 7),
        response_time_ms in 100_u32..500,
        availability in prop::sample::select(vec![990_000, 999_000, 999_900]),
        preset in prop::sample::select(vec![None, Some(Preset::Micro), Some(Preset::Medium), Some(Preset::Large)]),
        (headroom, growth, busy) in (0_u32..300_000, 0_u32..500_000, any::<bool>()),
        survives in prop::sample::select(Survives::ALL),
    ) {
        let services: Vec<(Service, u32)> =
            Service::ALL.into_iter().zip(units).filter(|(_, units)| *units > 100).collect();
        let mut order = demand(&services, response_time_ms, availability);
        order.preset = preset;
        order.options = SizingOptions {
            headroom: Share(headroom),
            growth: Share(growth),
            survives,
            sized_for: if busy { SizedFor::BusyHour } else { SizedFor::MeanHour },
            ..SizingOptions::default()
        };
        recomputed(&explain(&Catalog::embedded(), &order));
    }
}
