//! What must hold for every demand with every catalog that is valid.

use super::*;
use crate::catalog::ServiceTimes;
use proptest::prelude::*;

/// Figures of a catalog, each within what could be somebody's.
#[derive(Clone, Debug)]
struct Figures {
    /// Of each plan over the one before: CPU, memory, GPUs, storage, price, replicas.
    plans: Vec<(u64, u64, u64, u64, u64, u32)>,
    /// Of each device over the one before, and by how much the cache helps.
    devices: Vec<(f64, f64, f64, f64, u64)>,
    /// Of each service: items a day, minutes, weights.
    services: Vec<(f64, f64, u64, u64)>,
    order: Vec<Service>,
    cache_share: f64,
    speech_share: f64,
    per_core: (f64, f64, f64),
    service_time_ms: f64,
    lowest_utilization: f64,
    multipliers: (f64, f64),
    requests: (u64, u64),
    steps: (u64, u64, u64, u64),
    nodes: (u64, u64),
    away: (f64, f64, f64, u32),
    feed: (u64, u64),
    /// Of each device: how long each kind of request takes, where it is its own time.
    times: Vec<[Option<f64>; 3]>,
}

fn any_figures() -> impl Strategy<Value = Figures> {
    let plans =
        prop::collection::vec((0_u64..30_000, 0_u64..40_000, 0_u64..4, 0_u64..2000, 0_u64..300, 0_u32..2), 4);
    let devices = prop::collection::vec((1.0..3.0, 1.0..8.0, 1.0..3.0, 1.0..3.0, 1_u64..8), 1..5);
    let services = prop::collection::vec((0.1..2.0, 0.5..3.0, 1_u64..6, 1_u64..12), 7);
    let order = prop::sample::subsequence(
        vec![Service::Callbot, Service::Chatbot, Service::Advisor, Service::Tts],
        0..=4,
    )
    .prop_shuffle();
    let shares = (0.0..1.0, 0.05..1.0, (3.0..20.0, 0.5..4.0, 5.0..100.0));
    let gpu = (20.0..300.0, 0.05..0.6, (1.0..2.0, 1.0..2.0));
    let amounts = ((50_u64..400, 64_u64..1024), (1_u64..500, 1_u64..128, 1_u64..2000, 1_u64..2048));
    let nodes = ((16_000_u64..64_000, 8192_u64..262_144), (0.0001..0.05, 0.0..0.001, 0.0..0.01, 1_u32..6));
    let feed = (0_u64..3000, 0_u64..6000);
    let times = prop::collection::vec(prop::array::uniform3(prop::option::of(20.0..300.0)), 5);
    (plans, devices, services, order, shares, gpu, amounts, nodes, feed, times).prop_map(
        |(plans, devices, services, order, shares, gpu, amounts, nodes, feed, times)| Figures {
            plans,
            devices,
            services,
            order,
            cache_share: shares.0,
            speech_share: shares.1,
            per_core: shares.2,
            service_time_ms: gpu.0,
            lowest_utilization: gpu.1,
            multipliers: gpu.2,
            requests: amounts.0,
            steps: amounts.1,
            nodes: nodes.0,
            away: nodes.1,
            feed,
            times,
        },
    )
}

impl Figures {
    /// The catalog, as an operator's file would be read.
    fn catalog(&self) -> Option<Catalog> {
        let mut catalog = Catalog::embedded();
        let device = catalog.devices[0].clone();
        let (mut rates, mut bound) = ((8.0, 100.0, 70.0, 0.2), 0);
        let count = self.devices.len();
        catalog.devices = (self.devices.iter().enumerate())
            .map(|(index, (tts, cached, nlp, aicm, more))| {
                rates = (rates.0 * tts, rates.1 * nlp, rates.2 * aicm, rates.3 * tts);
                bound += more;
                let mut device = device.clone();
                device.name = format!("d{index}");
                device.tts_channels_uncached = rates.0;
                device.tts_channels_cached = rates.0 * cached;
                device.nlp_queries_per_second = rates.1;
                device.aicm_searches_per_second = rates.2;
                device.list_price_usd_per_hour = rates.3;
                device.up_to_count = if index + 1 == count { 0 } else { bound };
                let [tts, nlp, aicm] = self.times[index];
                device.service_time_ms = ServiceTimes { tts, nlp, aicm };
                device
            })
            .collect();
        // What a device is faster without the cache, it is with it.
        for index in 1..count {
            let before = catalog.devices[index - 1].tts_channels_cached;
            let cached = &mut catalog.devices[index].tts_channels_cached;
            *cached = cached.max(before);
        }
        for (service, (items, minutes, cpu_weight, memory_weight)) in
            Service::ALL.into_iter().zip(&self.services)
        {
            let model = catalog.services.get_mut(&service)?;
            model.items_per_day *= items;
            model.minutes_per_item *= minutes;
            model.cpu_weight = *cpu_weight;
            model.memory_weight = *memory_weight;
        }
        catalog.requests.cpu_millicores = self.requests.0;
        catalog.requests.memory_mib = self.requests.1;
        let (mut sum, mut replicas) = (catalog.presets[0].clone(), 1);
        sum.gpu = 1;
        for (index, (plan, (cpu, memory, gpu, storage, price, more))) in
            catalog.presets.iter_mut().zip(&self.plans).enumerate()
        {
            replicas += more;
            // Every service's pods get at least what they ask for.
            let asked = u64::from(replicas) * 7 * 6;
            sum.cpu_millicores = (sum.cpu_millicores + cpu).max(asked * self.requests.0);
            sum.memory_mib = (sum.memory_mib + memory).max(asked * 2 * self.requests.1);
            sum.gpu += gpu;
            sum.storage_gb += storage;
            sum.list_price_usd += price;
            let gpu_type = catalog.devices[index.min(count - 1)].name.clone();
            *plan = crate::catalog::Plan { name: plan.name, replicas, gpu_type, ..sum.clone() };
        }
        catalog.gpu.order = self.order.clone();
        catalog.gpu.tts_cache_share = self.cache_share;
        catalog.gpu.service_time_ms = self.service_time_ms;
        catalog.gpu.lowest_utilization = self.lowest_utilization;
        (catalog.gpu.cpu_millicores_per_gpu, catalog.gpu.memory_mib_per_gpu) = self.feed;
        catalog.cpu.stt_speech_share = self.speech_share;
        catalog.cpu.stt_channels_per_core = self.per_core.0;
        catalog.cpu.ta_channels_per_core = self.per_core.1;
        catalog.cpu.qa_channels_per_core = self.per_core.2;
        for (step, factor) in catalog.load_multipliers.iter_mut().zip([
            1.0,
            self.multipliers.0,
            self.multipliers.0 * self.multipliers.1,
        ]) {
            step.factor = factor;
        }
        let (cpu_step, memory_step, cpu_growth, memory_growth) = self.steps;
        catalog.limits.cpu_step_millicores = cpu_step;
        catalog.limits.memory_step_mib = memory_step;
        catalog.growth.cpu_step_millicores = cpu_growth;
        catalog.growth.memory_step_mib = memory_growth;
        (catalog.nodes.cpu_millicores, catalog.nodes.memory_mib) = self.nodes;
        let (pod, node, redis, spread) = self.away;
        catalog.availability.pod_share = 1.0 - pod;
        catalog.availability.node_share = 1.0 - node.max(1e-6);
        catalog.availability.redis_share = 1.0 - redis.max(1e-6);
        catalog.availability.spread_over_nodes = spread;
        Catalog::parse(&toml::to_string(&catalog).ok()?).ok()
    }
}

prop_compose! {
    fn any_order()(
        units in prop::collection::vec(prop_oneof![3 => Just(0_u32), 3 => 1_u32..300, 1 => 300_u32..5000], 7),
        ppm in prop::sample::select(vec![990_000, 999_000, 999_900, 1_000_000]),
        response_time_ms in 50_u32..800,
    ) -> Demand {
        let service_requirements =
            Service::ALL.into_iter().zip(units).filter(|(_, units)| *units > 0).collect();
        let sla_target = SlaTarget { availability: Availability(ppm), response_time_ms, concurrent_users: None };
        Demand { preset: None, service_requirements, sla_target, options: SizingOptions::default() }
    }
}

/// GPUs at the place of a service's GPU stages.
fn gpus(reports: &[ServiceReport], service: Service) -> Option<u64> {
    let report = reports.iter().find(|report| report.service == service)?;
    let stage = report.stages.iter().find(|stage| stage.stage.is_on_gpu())?;
    Some(stage.mean_hour.capacity.round() as u64)
}

#[test]
fn nearly_every_catalog_that_is_made_up_is_valid() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let valid = (0..50)
        .filter(|_| {
            let tree = any_figures().new_tree(&mut runner).expect("figures");
            proptest::strategy::ValueTree::current(&tree).catalog().is_some()
        })
        .count();
    assert!(valid >= 40, "{valid} of 50");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn more_load_gets_no_less_with_any_catalog(
        figures in any_figures(), order in any_order(), index in 0..7_usize, more in 1_u32..2000,
    ) {
        let Some(catalog) = figures.catalog() else { return Ok(()) };
        let mut larger = order.clone();
        let units = larger.service_requirements.entry(Service::ALL[index]).or_default();
        *units = units.saturating_add(more);
        let (less, more) = (size(&catalog, &order), size(&catalog, &larger));
        let (had, has) = (&less.resources, &more.resources);
        prop_assert!(more.preset >= less.preset, "{less:#?}\n{more:#?}");
        prop_assert!(has.cpu_millicores >= had.cpu_millicores, "{less:#?}\n{more:#?}");
        prop_assert!(has.memory_mib >= had.memory_mib, "{less:#?}\n{more:#?}");
        prop_assert!(has.gpu >= had.gpu && has.storage_gb >= had.storage_gb, "{less:#?}\n{more:#?}");
        // And so for each service.
        let (before, after) = (report(&catalog, &order, &less), report(&catalog, &larger, &more));
        for service in order.service_requirements.keys() {
            if let (Some(had), Some(has)) = (gpus(&before, *service), gpus(&after, *service)) {
                prop_assert!(has >= had, "{service}: {had} {has}\n{less:#?}\n{more:#?}");
            }
        }
    }

    #[test]
    fn what_is_given_fits_quota_node_and_limit_range_with_any_catalog(
        figures in any_figures(), mut order in any_order(), preset in prop::option::of(0..4_usize),
    ) {
        let Some(catalog) = figures.catalog() else { return Ok(()) };
        order.preset = preset.map(|index| Preset::ALL[index]);
        let sizing = size(&catalog, &order);
        let total = |pick: fn(&ContainerResources) -> u64| -> u64 {
            sizing.services.iter().map(|plan| pick(&plan.limits) * u64::from(plan.replicas)).sum()
        };
        let plan = &sizing.resources;
        prop_assert!(total(|limits| limits.cpu_millicores) <= plan.cpu_millicores, "{sizing:#?}");
        prop_assert!(total(|limits| limits.memory_mib) <= plan.memory_mib, "{sizing:#?}");
        prop_assert!(total(|limits| limits.gpu) <= plan.gpu, "{sizing:#?}");
        for service in &sizing.services {
            prop_assert!(service.replicas > 0);
            let (asked, limits) = (&service.requests, &service.limits);
            prop_assert!(asked.cpu_millicores <= limits.cpu_millicores, "{service:?}");
            prop_assert!(asked.memory_mib <= limits.memory_mib && asked.gpu == limits.gpu, "{service:?}");
            prop_assert!(limits.cpu_millicores <= catalog.nodes.cpu_millicores, "{service:?}");
            prop_assert!(limits.memory_mib <= catalog.nodes.memory_mib, "{service:?}");
        }
    }

    #[test]
    fn what_is_promised_without_a_warning_the_pods_can_carry_with_any_catalog(
        figures in any_figures(), order in any_order(),
    ) {
        let Some(catalog) = figures.catalog() else { return Ok(()) };
        let sizing = size(&catalog, &order);
        if !sizing.warnings.is_empty() {
            return Ok(());
        }
        for report in report(&catalog, &order, &sizing) {
            for stage in &report.stages {
                let hour = &stage.mean_hour;
                prop_assert!(hour.utilization < 1.0 + 1e-9, "{stage:#?}\n{sizing:#?}");
                if let Some(response) = hour.percentile_ms(Percentile::Mean) {
                    let sla = f64::from(order.sla_target.response_time_ms);
                    prop_assert!(response <= sla * (1.0 + 1e-9), "{stage:#?}\n{sizing:#?}");
                }
            }
        }
    }

    #[test]
    fn all_of_the_time_gets_no_fewer_replicas_than_nearly_all_with_any_catalog(
        figures in any_figures(), order in any_order(), ppm in 900_000_u32..1_000_000,
    ) {
        let Some(catalog) = figures.catalog() else { return Ok(()) };
        let with = |ppm| {
            let sla_target = SlaTarget { availability: Availability(ppm), ..order.sla_target };
            size(&catalog, &Demand { sla_target, ..order.clone() })
        };
        let (nearly, all) = (with(ppm), with(1_000_000));
        for (nearly, all) in nearly.services.iter().zip(&all.services) {
            prop_assert!(all.replicas >= nearly.replicas, "{nearly:#?}\n{all:#?}");
        }
    }
}
