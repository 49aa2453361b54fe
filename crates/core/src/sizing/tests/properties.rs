//! What must hold for every demand.

use super::*;
use proptest::prelude::*;

/// True where no figure of `larger` is below that of `smaller`.
fn at_least(larger: &Sizing, smaller: &Sizing) -> bool {
    let (more, less) = (&larger.resources, &smaller.resources);
    let device = |sizing: &Sizing| catalog().devices.iter().position(|device| device.name == sizing.gpu_type);
    larger.preset >= smaller.preset
        && more.cpu_millicores >= less.cpu_millicores
        && more.memory_mib >= less.memory_mib
        && more.gpu >= less.gpu
        && more.storage_gb >= less.storage_gb
        && device(larger) >= device(smaller)
        && larger.list_price_usd >= smaller.list_price_usd
        && larger.operator_cost_usd >= smaller.operator_cost_usd
}

fn total(sizing: &Sizing, pick: fn(&ContainerResources) -> u64) -> u64 {
    sizing.services.iter().map(|plan| pick(&plan.limits) * u64::from(plan.replicas)).sum()
}

/// Units around every step of the model: none, a few, hundreds, and up to the API's most.
fn units() -> impl Strategy<Value = u32> {
    prop_oneof![
        4 => Just(0_u32),
        4 => 1..300_u32,
        3 => 300..20_000_u32,
        1 => 20_000..=1_000_000_u32,
    ]
}

prop_compose! {
    fn any_demand()(
        units in proptest::collection::vec(units(), 7),
        ppm in prop_oneof![Just(1_000_000_u32), 990_000..1_000_000_u32, 1..1_000_000_u32],
        response_time_ms in prop_oneof![100..400_u32, 0..5000_u32, any::<u32>()],
        concurrent_users in proptest::option::of(prop_oneof![1..50_000_u32, any::<u32>()]),
        preset in proptest::option::of(0..4_usize),
    ) -> Demand {
        let service_requirements =
            Service::ALL.into_iter().zip(units).filter(|(_, units)| *units > 0).collect();
        Demand {
            preset: preset.map(|index| Preset::ALL[index]),
            service_requirements,
            sla_target: SlaTarget { availability: Availability(ppm), response_time_ms, concurrent_users },
            options: SizingOptions::default(),
        }
    }
}

proptest! {
    #[test]
    fn devices_that_are_not_offered_change_no_answer(demand in any_demand()) {
        let mut offered_alone = catalog().clone();
        offered_alone.devices.retain(|device| device.offered);
        prop_assert!(offered_alone.devices.len() < catalog().devices.len());
        prop_assert_eq!(calculate(catalog(), &demand), calculate(&offered_alone, &demand));
    }

    /// A plan that is said to do is short of nothing that it was named for, and one that is to be left out does.
    #[test]
    fn the_way_out_of_a_warning_is_one(demand in any_demand(), named in 0..4_usize) {
        let demand = Demand { preset: Some(Preset::ALL[named]), ..demand };
        let is_warned_of = |demand: &Demand, short_of: &str| {
            size(catalog(), demand).warnings.iter().any(|warning| warning.short_of == short_of)
        };
        for warning in size(catalog(), &demand).warnings {
            let way_out = match warning.suggested_preset {
                None => {
                    prop_assert!(warning.message.key.ends_with("_unreachable"));
                    continue;
                }
                Some(_) if warning.message.key.ends_with("_in_largest") => None,
                preset => preset,
            };
            let other = Demand { preset: way_out, ..demand.clone() };
            prop_assert!(!is_warned_of(&other, &warning.short_of), "{warning:?}");
        }
    }

    #[test]
    fn more_load_never_gets_a_smaller_answer(
        mut demand in any_demand(), index in 0..7_usize, more in prop_oneof![1..50_u32, 1..50_000_u32],
    ) {
        demand.preset = None;
        let mut larger = demand.clone();
        let units = larger.service_requirements.entry(Service::ALL[index]).or_default();
        *units = units.saturating_add(more);
        let (less, more) = (size(catalog(), &demand), size(catalog(), &larger));
        prop_assert!(at_least(&more, &less), "{less:#?}\n{more:#?}");
    }

    #[test]
    fn a_service_more_never_gets_a_smaller_answer(
        mut demand in any_demand(), index in 0..7_usize, more in 1..3_u32, users in 0..1_000_000_u32,
    ) {
        demand.preset = None;
        demand.sla_target.concurrent_users = Some(users);
        demand.service_requirements.remove(&Service::ALL[index]);
        let mut larger = demand.clone();
        larger.service_requirements.insert(Service::ALL[index], more);
        let (less, more) = (size(catalog(), &demand), size(catalog(), &larger));
        prop_assert!(at_least(&more, &less), "{less:#?}\n{more:#?}");
    }

    #[test]
    fn a_faster_promise_never_gets_a_smaller_answer(mut demand in any_demand(), faster in 1..1000_u32) {
        demand.preset = None;
        let mut tighter = demand.clone();
        tighter.sla_target.response_time_ms = tighter.sla_target.response_time_ms.saturating_sub(faster);
        let (loose, tight) = (size(catalog(), &demand), size(catalog(), &tighter));
        prop_assert!(at_least(&tight, &loose), "{loose:#?}\n{tight:#?}");
    }

    #[test]
    fn a_higher_availability_never_gets_a_smaller_answer(mut demand in any_demand(), ppm in 1..200_000_u32) {
        demand.preset = None;
        let mut tighter = demand.clone();
        let availability = &mut tighter.sla_target.availability.0;
        *availability = (*availability + ppm).min(1_000_000);
        let (loose, tight) = (size(catalog(), &demand), size(catalog(), &tighter));
        prop_assert!(at_least(&tight, &loose), "{loose:#?}\n{tight:#?}");
    }

    #[test]
    fn more_concurrent_users_never_get_a_smaller_answer(mut demand in any_demand(), more in 1..100_000_u32) {
        demand.preset = None;
        let mut larger = demand.clone();
        let users = &mut larger.sla_target.concurrent_users;
        *users = Some(users.unwrap_or(0).saturating_add(more));
        let (less, more) = (size(catalog(), &demand), size(catalog(), &larger));
        prop_assert!(at_least(&more, &less), "{less:#?}\n{more:#?}");
    }

    #[test]
    fn containers_fit_their_envelope_and_requests_their_limits(demand in any_demand()) {
        let sizing = size(catalog(), &demand);
        prop_assert!(total(&sizing, |limits| limits.cpu_millicores) <= sizing.resources.cpu_millicores);
        prop_assert!(total(&sizing, |limits| limits.memory_mib) <= sizing.resources.memory_mib);
        prop_assert!(total(&sizing, |limits| limits.gpu) <= sizing.resources.gpu);
        for plan in &sizing.services {
            prop_assert!(plan.replicas >= catalog().plan(sizing.preset).replicas);
            prop_assert_eq!(plan.requests.cpu_millicores, 200);
            prop_assert_eq!(plan.requests.memory_mib, 512);
            prop_assert!(plan.limits.cpu_millicores >= 200 && plan.limits.memory_mib >= 512, "{plan:?}");
            prop_assert_eq!(plan.requests.gpu, plan.limits.gpu);
        }
    }

    #[test]
    fn a_named_preset_is_given_as_listed(mut demand in any_demand(), preset in 0..4_usize) {
        let preset = Preset::ALL[preset];
        demand.preset = Some(preset);
        let sizing = size(catalog(), &demand);
        prop_assert_eq!(sizing.preset, preset);
        prop_assert_eq!(sizing.resources, catalog().plan(preset).resources());
        prop_assert_eq!(&sizing.gpu_type, &catalog().plan(preset).gpu_type);
    }

    #[test]
    fn what_the_calculator_chooses_is_short_of_nothing_that_can_be_had(mut demand in any_demand()) {
        demand.preset = None;
        let sizing = size(catalog(), &demand);
        for warning in &sizing.warnings {
            let key = warning.message.key.as_ref();
            let unreachable =
                ["sizing.availability_unreachable", "sizing.response_time_unreachable"].contains(&key);
            prop_assert!(unreachable, "{warning:?}");
        }
    }

    #[test]
    fn alternatives_are_smaller_and_cheaper_and_every_text_is_filled(demand in any_demand()) {
        let calculation = calculate(catalog(), &demand);
        for alternative in &calculation.alternatives {
            prop_assert!(alternative.preset < calculation.sizing.preset);
            prop_assert!(alternative.list_price_usd <= calculation.sizing.list_price_usd);
        }
        let texts = (calculation.alternatives.iter().map(|alternative| &alternative.performance_impact))
            .chain(calculation.sizing.warnings.iter().map(|warning| &warning.message));
        for message in texts {
            for language in [Language::Ko, Language::En] {
                prop_assert!(!message.render(language).contains('{'), "{message:?}");
            }
        }
    }
}
