//! The worked examples and the rules, one by one.

mod catalogs;
mod properties;

use super::*;
use crate::tenant::Availability;
use crate::text::Language;
use std::sync::OnceLock;

fn catalog() -> &'static Catalog {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    CATALOG.get_or_init(Catalog::embedded)
}

fn demand(services: &[(Service, u32)], availability: &str, response_time_ms: u32) -> Demand {
    Demand {
        preset: None,
        service_requirements: services.iter().copied().collect(),
        sla_target: SlaTarget {
            availability: Availability::parse(availability).expect("an availability"),
            response_time_ms,
            concurrent_users: None,
        },
        options: SizingOptions::default(),
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
    let services = [(Service::Callbot, 100), (Service::Chatbot, 200), (Service::Advisor, 50)];
    let calculation = calculate(catalog(), &demand(&services, "99.9%", 150));
    let sizing = &calculation.sizing;
    assert_eq!(sizing.preset, Preset::Large);
    assert_eq!(sizing.resources, catalog().plan(Preset::Large).resources());
    assert_eq!((sizing.gpu_type.as_str(), sizing.list_price_usd), ("v100", 450));
    let [medium] = calculation.alternatives.as_slice() else {
        panic!("one alternative, not {:?}", calculation.alternatives);
    };
    assert_eq!((medium.preset, medium.list_price_usd), (Preset::Medium, 250));
    assert_eq!(medium.performance_impact.render(Language::Ko), "응답시간 20% 증가 예상");
    assert_eq!(explain(catalog(), &demand(&services, "99.9%", 150))["bottleneck"], "cpu");
}

#[test]
fn my_ai_service_gets_its_medium_plan_without_a_warning() {
    let sizing = size(catalog(), &my_ai_service());
    assert_eq!(sizing.preset, Preset::Medium);
    assert_eq!(sizing.resources.cpu_text(), "24000m");
    assert_eq!(sizing.resources.memory_text(), "32Gi");
    assert_eq!(sizing.resources.gpu, 3);
    assert_eq!(sizing.resources.storage_text(), "1.0TB");
    assert_eq!(sizing.list_price_usd, 350);
    assert_eq!(sizing.deployment_time, DeploymentTime { min_minutes: 15, max_minutes: 20 });
    assert_eq!(sizing.warnings, []);
    let deletion = deletion_time(catalog(), &sizing);
    assert_eq!(deletion, DeploymentTime { min_minutes: 5, max_minutes: 10 });
}

#[test]
fn my_ai_service_s_pods_are_the_contract_s() {
    let sizing = size(catalog(), &my_ai_service());
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
    assert_eq!(total(|limits| limits.memory_mib), 32_768 - 2);
}

#[test]
fn global_call_center_has_five_services_because_callbot_and_advisor_bring_two() {
    let services = [(Service::Callbot, 25), (Service::Chatbot, 85), (Service::Advisor, 32)];
    let mut demand = demand(&services, "99.86%", 265);
    demand.preset = Some(Preset::Large);
    let sizing = size(catalog(), &demand);
    let counts: Vec<_> = sizing.services.iter().map(|plan| (plan.service.as_str(), plan.count)).collect();
    assert_eq!(counts, [("callbot", 25), ("chatbot", 85), ("advisor", 32), ("stt", 89), ("tts", 25)]);
    assert_eq!((sizing.resources.gpu, sizing.gpu_type.as_str()), (6, "v100"));
    assert_eq!(sizing.warnings, []);
}

#[test]
fn a_named_plan_that_is_too_small_is_honoured_and_says_what_is_short() {
    let mut demand = demand(&[(Service::Callbot, 200)], "99.95%", 150);
    demand.preset = Some(Preset::Micro);
    let sizing = size(catalog(), &demand);
    assert_eq!(sizing.resources, catalog().plan(Preset::Micro).resources());
    let short: Vec<_> = sizing.warnings.iter().map(|warning| warning.short_of.as_str()).collect();
    assert_eq!(short, ["cpu", "memory", "gpu", "availability"]);
    assert!(sizing.warnings.iter().all(|warning| warning.suggested_preset == Some(Preset::Large)));
    let services: Vec<_> = sizing.warnings.iter().map(|warning| warning.service).collect();
    assert_eq!(services, [Some(Service::Stt), Some(Service::Callbot), Some(Service::Callbot), None]);
}

#[test]
fn a_stage_that_nobody_asks_is_not_reported() {
    for (services, expected) in [
        (&[(Service::Tts, 11), (Service::Qa, 20)][..], &[Stage::Tts, Stage::Qa][..]),
        (&[(Service::Stt, 5)], &[Stage::Stt]),
        (&[(Service::Chatbot, 50)], &[Stage::Nlp, Stage::Aicm]),
    ] {
        let order = demand(services, "99.9%", 300);
        let reports = report(catalog(), &order, &size(catalog(), &order));
        let stages: Vec<_> = reports.iter().flat_map(|one| &one.stages).map(|stage| stage.stage).collect();
        assert_eq!(stages, expected, "{services:?}");
    }
}

#[test]
fn a_response_time_asks_nothing_of_work_that_has_none() {
    for service in [Service::Stt, Service::Ta, Service::Qa] {
        let of =
            |response_time_ms| calculate(catalog(), &demand(&[(service, 10)], "99.9%", response_time_ms));
        let (strict, lax) = (of(1), of(5000));
        assert_eq!(strict, lax, "{service}");
        assert!(strict.sizing.warnings.is_empty(), "{service}");
        let explained = explain(catalog(), &demand(&[(service, 10)], "99.9%", 1));
        let changed = explained["assumptions"].as_array().expect("a list").iter();
        assert!(changed.clone().count() > 0);
        for assumption in changed {
            assert_ne!(assumption["changes"], "response_time_ms", "{service}");
        }
    }
}

#[test]
fn a_plan_that_would_have_to_grow_is_not_named_as_the_way_out() {
    let mut demand = demand(&[(Service::Callbot, 2000)], "99.9%", 200);
    demand.preset = Some(Preset::Micro);
    let keys: Vec<_> = size(catalog(), &demand).warnings.into_iter().map(|one| one.message.key).collect();
    assert!(keys.iter().any(|key| *key == "sizing.short_of_gpu_in_largest"), "{keys:?}");
    assert!(keys.iter().any(|key| *key == "sizing.short_of_availability"), "{keys:?}");
    // What nothing reaches has no plan that would do.
    demand.sla_target.response_time_ms = 1;
    demand.service_requirements = [(Service::Callbot, 1)].into();
    let warnings = size(catalog(), &demand).warnings;
    let slow = warnings.iter().find(|one| one.short_of == "response_time").expect("a warning");
    assert_eq!(slow.suggested_preset, None);
}

#[test]
fn twenty_thousand_channels_keep_the_preset_large_and_grow_everything() {
    let sizing = size(catalog(), &demand(&[(Service::Callbot, 20_000)], "99.9%", 200));
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
fn a_named_large_does_not_grow_but_says_that_the_calculator_s_would() {
    let mut demand = demand(&[(Service::Callbot, 20_000)], "99.9%", 200);
    demand.preset = Some(Preset::Large);
    let sizing = size(catalog(), &demand);
    assert_eq!(sizing.resources, catalog().plan(Preset::Large).resources());
    assert_eq!(sizing.list_price_usd, 450);
    let gpu = sizing.warnings.iter().find(|warning| warning.short_of == "gpu").expect("a warning");
    assert_eq!(gpu.suggested_preset, Some(Preset::Large));
    assert_eq!(gpu.message.key, "sizing.short_of_gpu_in_largest");
}

#[test]
fn a_promise_that_nothing_keeps_is_warned_of_even_where_the_calculator_chooses() {
    for (availability, response_time_ms, short_of) in
        [("100%", 300, "availability"), ("99.9%", 100, "response_time")]
    {
        let sizing = size(catalog(), &demand(&[(Service::Callbot, 10)], availability, response_time_ms));
        assert_eq!(sizing.preset, Preset::Large);
        let short: Vec<_> = sizing.warnings.iter().map(|warning| warning.short_of.as_str()).collect();
        assert_eq!(short, [short_of]);
    }
}

#[test]
fn each_step_of_load_gets_the_next_plan() {
    let preset = |callbots, availability| {
        size(catalog(), &demand(&[(Service::Callbot, callbots)], availability, 300)).preset
    };
    assert_eq!(preset(5, "99.5%"), Preset::Micro);
    // Three services of a pod each and a redis, all of which must answer.
    assert_eq!(preset(5, "99.9%"), Preset::Small);
    assert_eq!(preset(40, "99.9%"), Preset::Small);
    assert_eq!(preset(100, "99.9%"), Preset::Medium);
    assert_eq!(preset(250, "99.9%"), Preset::Large);
}

#[test]
fn each_service_s_cpu_work_is_needed_beside_the_others() {
    let needed = |services: &[(Service, u32)]| {
        let demand = demand(services, "99%", 300);
        let explanation = explain(catalog(), &demand);
        let steps = explanation["steps"].as_array().cloned().unwrap_or_default();
        let work = steps.iter().filter(|step| step["name"] == "cpu_work");
        work.filter_map(|step| step["result"].as_f64()).sum::<f64>().round() as u64
    };
    let (analysis, speech) = (needed(&[(Service::Ta, 10)]), needed(&[(Service::Stt, 30)]));
    assert_eq!(analysis, 10_000);
    // The limits of pods stand day and night, so that no hour's work can lend another its own.
    assert!(needed(&[(Service::Ta, 10), (Service::Stt, 30)]).abs_diff(analysis + speech) <= 1);
    assert_eq!(needed(&[(Service::Qa, 100)]), 2000);
}

#[test]
fn quality_assessment_counts_the_items_of_the_other_services() {
    let assessed = Work::of(catalog(), &demand(&[(Service::Callbot, 90), (Service::Qa, 1)], "99%", 300));
    // 90 x 160 calls over 9 hours, 70 % assessed, 5 % of that in-house.
    assert!((assessed.qa_items_per_second - 14_400.0 / 32_400.0 * 0.7 * 0.05).abs() < 1e-9);
    let without = Work::of(catalog(), &demand(&[(Service::Callbot, 90)], "99%", 300));
    assert_eq!(without.qa_items_per_second, 0.0);
}

#[test]
fn all_gpus_are_where_the_gpu_work_is_one_a_pod() {
    let plans = |preset, services: &[(Service, u32)]| -> Vec<(&'static str, u32, u64)> {
        let mut demand = demand(services, "99%", 500);
        demand.preset = Some(preset);
        let services = size(catalog(), &demand).services;
        services.iter().map(|plan| (plan.service.as_str(), plan.replicas, plan.limits.gpu)).collect()
    };
    let large = plans(Preset::Large, &[(Service::Callbot, 10), (Service::Advisor, 10)]);
    assert_eq!(large, [("callbot", 6, 1), ("advisor", 3, 0), ("stt", 3, 0), ("tts", 3, 0)]);
    let agents = plans(Preset::Large, &[(Service::Advisor, 10)]);
    assert_eq!(agents, [("advisor", 6, 1), ("stt", 3, 0)]);
    let speech = plans(Preset::Micro, &[(Service::Tts, 5), (Service::Qa, 5)]);
    assert_eq!(speech, [("tts", 1, 1), ("qa", 1, 0)]);
    let chat = plans(Preset::Medium, &[(Service::Chatbot, 10)]);
    assert_eq!(chat, [("chatbot", 3, 1)]);
    // Nothing of these needs a GPU, so that no pod has one.
    let batch = plans(Preset::Small, &[(Service::Stt, 10), (Service::Ta, 2)]);
    assert_eq!(batch, [("stt", 2, 0), ("ta", 2, 0)]);
}

#[test]
fn every_gpu_stage_of_every_order_runs_where_the_tenant_s_gpus_are() {
    for units in [1, 40, 400, 100_000] {
        for set in 1..1_u32 << Service::ALL.len() {
            let services = Service::ALL.into_iter().enumerate();
            let ordered: Vec<_> = (services.filter(|(bit, _)| set & (1 << bit) != 0))
                .map(|(_, service)| (service, units))
                .collect();
            let sizing = size(catalog(), &demand(&ordered, "99.9%", 250));
            let with_gpu: Vec<Service> =
                sizing.services.iter().filter(|plan| plan.limits.gpu > 0).map(|plan| plan.service).collect();
            let hosts: std::collections::BTreeSet<Service> = (sizing.places.iter())
                .filter(|(stage, _)| stage.is_on_gpu())
                .map(|(_, place)| *place)
                .collect();
            assert_eq!(with_gpu, hosts.iter().copied().collect::<Vec<_>>(), "{ordered:?}");
            let given: u64 =
                sizing.services.iter().map(|plan| plan.limits.gpu * u64::from(plan.replicas)).sum();
            assert_eq!(given, if hosts.is_empty() { 0 } else { sizing.resources.gpu }, "{ordered:?}");
        }
    }
}

#[test]
fn a_device_carries_the_harmonic_mean_of_what_it_does_with_the_cache_and_without() {
    let channels = |name: &str| {
        let device = catalog().device(name);
        (demand::tts_channels(catalog(), device) * 10.0).round() / 10.0
    };
    assert_eq!([channels("t4"), channels("v100"), channels("l40s")], [41.4, 124.2, 165.6]);
}

#[test]
fn speech_recognition_s_pods_hold_its_lines_in_every_plan_that_is_chosen() {
    for callbots in [1, 7, 42, 100, 260, 1000, 20_000] {
        let demand = demand(&[(Service::Callbot, callbots), (Service::Chatbot, 50)], "99.9%", 250);
        let sizing = size(catalog(), &demand);
        for service in report(catalog(), &demand, &sizing) {
            for stage in service.stages.iter().filter(|stage| stage.stage == Stage::Stt) {
                let hour = &stage.mean_hour;
                assert!(hour.utilization < 1.0, "{callbots}: {stage:?}");
                let blocking = hour.blocking.expect("lines block");
                assert!(blocking <= 0.001, "{callbots}: {stage:?}");
            }
        }
    }
}

#[test]
fn a_hundred_thousand_chat_users_get_pods_that_fit_a_node() {
    let sizing = size(catalog(), &demand(&[(Service::Chatbot, 100_000)], "99.9%", 300));
    let chatbot = &sizing.services[0];
    assert!(chatbot.replicas > 6 && chatbot.limits.gpu == 1, "{chatbot:?}");
    assert!(chatbot.limits.memory_mib <= catalog().nodes.memory_mib, "{chatbot:?}");
}

#[test]
fn all_of_the_time_gets_no_fewer_replicas_than_the_most_that_can_be_promised() {
    let text = crate::catalog::EMBEDDED.replacen("pod_share = 0.999", "pod_share = 0.9", 1);
    let catalog = Catalog::parse(&text).expect("valid");
    let replicas = |availability: &str| {
        size(&catalog, &demand(&[(Service::Stt, 5)], availability, 300)).services[0].replicas
    };
    assert_eq!([replicas("99.9999%"), replicas("100%")], [7, 7]);
}

#[test]
fn a_plan_of_fewer_gpus_than_replicas_runs_one_pod_on_each() {
    let text = crate::catalog::EMBEDDED.replacen("gpu = 3\n", "gpu = 2\n", 1);
    let catalog = Catalog::parse(&text).expect("valid");
    let mut demand = demand(&[(Service::Tts, 5)], "99%", 500);
    demand.preset = Some(Preset::Medium);
    let tts = size(&catalog, &demand).services[0].clone();
    assert_eq!((tts.replicas, tts.limits.gpu), (2, 1));
}

#[test]
fn a_grown_plan_costs_in_proportion_to_what_grew_most() {
    let large = catalog().plan(Preset::Large).resources();
    assert_eq!(list_price_of(catalog(), &large), 450);
    assert_eq!(list_price_of(catalog(), &Resources { gpu: 12, ..large }), 900);
    assert_eq!(list_price_of(catalog(), &Resources { cpu_millicores: 1000, ..Resources::default() }), 60);
    assert_eq!(smallest_preset_for(catalog(), &Resources { gpu: 3, ..Resources::default() }), Preset::Medium);
}

#[test]
fn stand_alone_speech_channels_are_sold_pro_rata() {
    let price = |stt, tts| {
        let mut demand = demand(&[(Service::Stt, stt), (Service::Tts, tts)], "99%", 500);
        demand.preset = Some(Preset::Small);
        size(catalog(), &demand).list_price_usd
    };
    assert_eq!(price(30, 30), 230);
    assert_eq!(price(31, 0), 182);
    assert_eq!(price(1, 45), 207);
}

#[test]
fn the_operator_pays_for_devices_nodes_and_storage() {
    let sizing = size(catalog(), &my_ai_service());
    // 3 x 2.48 + 24 x 0.031 + 32 x 0.0042 dollars an hour, and 1000 x 0.08 a month.
    assert_eq!(sizing.operator_cost_usd, 6152);
}

#[test]
fn every_number_is_explained() {
    let explanation = explain(catalog(), &my_ai_service());
    let steps = explanation["steps"].as_array().expect("steps");
    for step in steps {
        for key in ["name", "formula", "source"] {
            assert!(step[key].as_str().is_some_and(|text| !text.is_empty()), "{key} of {step}");
        }
        assert!(step["inputs"].as_object().is_some_and(|inputs| !inputs.is_empty()), "{step}");
    }
    let result = |name: &str| &steps.iter().find(|step| step["name"] == name).expect(name)["result"];
    assert_eq!(result("services")["stt"], 130);
    assert_eq!(result("load_multiplier"), 1.5);
    assert_eq!(result("list_price_usd"), 350.0);
    assert_eq!(result("plan")["preset"], "medium");
    assert_eq!(
        (result("deployment_minutes_min"), result("deployment_minutes_max")),
        (&15.0.into(), &20.0.into())
    );
    assert_eq!(
        explanation["plans"][0]["short_of"],
        serde_json::json!(["cpu", "memory", "gpu", "availability"])
    );
}

#[test]
fn the_whole_range_of_units_is_answered() {
    let everything: Vec<_> = Service::ALL.into_iter().map(|service| (service, u32::MAX)).collect();
    for (availability, response_time_ms) in [("100%", 0), ("0.0001%", u32::MAX)] {
        let mut demand = demand(&everything, availability, response_time_ms);
        demand.sla_target.concurrent_users = Some(u32::MAX);
        let grown = size(catalog(), &demand);
        assert!(grown.resources.cpu_millicores > 1_000_000_000_000, "{:?}", grown.resources);
        demand.preset = Some(Preset::Micro);
        assert_eq!(size(catalog(), &demand).resources, catalog().plan(Preset::Micro).resources());
    }
    let nothing = size(catalog(), &demand(&[], "99.9%", 300));
    assert_eq!((nothing.preset, nothing.services.len()), (Preset::Micro, 0));
}
