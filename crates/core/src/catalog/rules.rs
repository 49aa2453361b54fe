//! What a catalog must satisfy beyond its shape; every fault at once.

use super::kubernetes::is_label_value;
use super::{Catalog, Device, Fault, Plan, ServiceModel};
use crate::tenant::{Preset, Service};
use crate::text::Message;

/// Most of anything that is counted (cores in thousandths, MiB, GB, dollars, channels); sums and
/// products of such figures stay within 64 bits.
const MOST: u64 = 1_000_000_000;
/// Most pods of a service in a plan.
const MOST_REPLICAS: u64 = 1000;
/// Most minutes of each part of a deployment: a day.
const MOST_MINUTES: u64 = 1440;

/// Faults as they are found.
#[derive(Default)]
pub(super) struct Faults(pub(super) Vec<Fault>);

impl Faults {
    /// Notes a fault, by the key of its text, where something is not right.
    pub(super) fn check(&mut self, right: bool, path: impl Into<String>, fix: &'static str) {
        self.check_with(right, path, || Message::new(fix));
    }

    /// Notes a fault whose text has values.
    pub(super) fn check_with(&mut self, right: bool, path: impl Into<String>, fix: impl FnOnce() -> Message) {
        if !right {
            self.0.push(Fault { path: path.into(), fix: fix() });
        }
    }

    /// Bounds that are themselves right.
    pub(super) fn within(&mut self, path: impl Into<String>, least: u64, most: u64, value: u64) {
        self.check_with((least..=most).contains(&value), path, || between(least, most));
    }

    pub(super) fn over_zero(&mut self, path: impl Into<String>, most: u64, value: f64) {
        let fix = || Message::new("catalog.over_zero").with("most", most);
        self.check_with(value > 0.0 && value <= most as f64, path, fix);
    }

    pub(super) fn above_zero(&mut self, path: impl Into<String>, value: f64) {
        self.over_zero(path, MOST, value);
    }

    fn counted(&mut self, path: impl Into<String>, least: u64, value: u64) {
        self.within(path, least, MOST, value);
    }

    fn zero_or_more(&mut self, path: impl Into<String>, value: f64) {
        self.check_with((0.0..=MOST as f64).contains(&value), path, || between(0, MOST));
    }

    fn share(&mut self, path: impl Into<String>, value: f64) {
        self.check_with((0.0..=1.0).contains(&value), path, || between(0, 1));
    }
}

fn between(least: u64, most: u64) -> Message {
    Message::new("catalog.between").with("least", least).with("most", most)
}

/// Everything that is wrong, each with its key and how to fix it.
pub(super) fn faults(catalog: &Catalog) -> Vec<Fault> {
    let mut faults = Faults::default();
    plans(&mut faults, catalog);
    devices(&mut faults, &catalog.devices);
    for service in Service::ALL {
        match catalog.services.get(&service) {
            Some(model) => service_model(&mut faults, service, model),
            None => faults.check(false, format!("services.{service}"), "catalog.missing_table"),
        }
    }
    work(&mut faults, catalog);
    money_and_time(&mut faults, catalog);
    catalog.billing.check(&mut faults);
    catalog.kubernetes.check(&mut faults);
    let kubernetes = &catalog.kubernetes;
    let resources = kubernetes.gpu_resources.keys().map(|name| ("gpu_resources", name));
    let claims = kubernetes.gpu_claims.devices.keys().map(|name| ("gpu_claims.devices", name));
    for (key, name) in resources.chain(claims) {
        let known = catalog.devices.iter().any(|device| device.name == *name);
        faults.check(known, format!("kubernetes.{key}.{name}"), "catalog.of_a_device");
    }
    if kubernetes.claims().is_some() {
        // It is a label's value of their pods.
        for device in catalog.offered() {
            let right = is_label_value(&device.name);
            faults.check(right, format!("devices.{}.name", device.name), "catalog.name_of_claimed");
        }
    }
    faults.0
}

fn plans(faults: &mut Faults, catalog: &Catalog) {
    for preset in Preset::ALL {
        let times = catalog.presets.iter().filter(|plan| plan.name == preset).count();
        faults.check(times == 1, format!("presets.{preset}"), "catalog.exactly_once");
    }
    for pair in catalog.presets.windows(2) {
        let (smaller, larger) = (&pair[0], &pair[1]);
        let key = |field: &str| format!("presets.{}.{field}", larger.name);
        let grows = || Message::new("catalog.grows_plan").with("plan", smaller.name);
        faults.check(smaller.name <= larger.name, key("name"), "catalog.plans_in_order");
        type Figure = fn(&Plan) -> u64;
        let figures: [(&str, Figure); 6] = [
            ("cpu_millicores", |plan| plan.cpu_millicores),
            ("memory_mib", |plan| plan.memory_mib),
            ("gpu", |plan| plan.gpu),
            ("storage_gb", |plan| plan.storage_gb),
            ("list_price_usd", |plan| plan.list_price_usd),
            ("replicas", |plan| u64::from(plan.replicas)),
        ];
        for (field, figure) in figures {
            faults.check_with(figure(smaller) <= figure(larger), key(field), grows);
        }
        let position = |plan: &Plan| catalog.offered().position(|device| device.name == plan.gpu_type);
        faults.check_with(position(smaller) <= position(larger), key("gpu_type"), grows);
    }
    for plan in &catalog.presets {
        let key = |field: &str| format!("presets.{}.{field}", plan.name);
        let offered = catalog.offered().any(|device| device.name == plan.gpu_type);
        faults.check(offered, key("gpu_type"), "catalog.names_offered");
        faults.within(key("replicas"), 1, MOST_REPLICAS, u64::from(plan.replicas));
        faults.counted(key("gpu"), 1, plan.gpu);
        faults.counted(key("storage_gb"), 1, plan.storage_gb);
        faults.counted(key("list_price_usd"), 0, plan.list_price_usd);
        let (cpu, memory) = (catalog.requests.cpu_millicores, catalog.requests.memory_mib);
        let least_cpu = least_plan(catalog, plan, cpu, |model| model.cpu_weight);
        let least_memory = least_plan(catalog, plan, memory, |model| model.memory_weight);
        faults.counted(key("cpu_millicores"), least_cpu, plan.cpu_millicores);
        faults.counted(key("memory_mib"), least_memory, plan.memory_mib);
    }
}

/// Every service may be ordered at once, and the pods of the one with the least weight must get what
/// they ask for.
fn least_plan(catalog: &Catalog, plan: &Plan, request: u64, weight: fn(&ServiceModel) -> u64) -> u64 {
    let weights = || catalog.services.values().map(weight);
    let (sum, lightest) = (weights().fold(0, u64::saturating_add), weights().min().unwrap_or(1));
    let asked = u64::from(plan.replicas).saturating_mul(request);
    asked.saturating_mul(sum).div_ceil(lightest.max(1))
}

fn devices(faults: &mut Faults, devices: &[Device]) {
    let offered = || devices.iter().filter(|device| device.offered);
    faults.check(offered().count() > 0, "devices", "catalog.one_offered");
    for (index, device) in devices.iter().enumerate() {
        let key = |field: &str| format!("devices.{}.{field}", device.name);
        // What is not offered is never chosen, so its order among the others does not matter.
        let before = devices[..index].iter().rfind(|before| before.offered && device.offered);
        let twice = devices[..index].iter().any(|other| other.name == device.name);
        faults.check(!twice && !device.name.is_empty(), key("name"), "catalog.own_name");
        type Figure = fn(&Device) -> f64;
        let figures: [(&str, Figure); 5] = [
            ("tts_channels_uncached", |device| device.tts_channels_uncached),
            ("tts_channels_cached", |device| device.tts_channels_cached),
            ("nlp_queries_per_second", |device| device.nlp_queries_per_second),
            ("aicm_searches_per_second", |device| device.aicm_searches_per_second),
            ("list_price_usd_per_hour", |device| device.list_price_usd_per_hour),
        ];
        for (field, figure) in figures {
            faults.above_zero(key(field), figure(device));
            let grows = before.is_none_or(|before| figure(before) <= figure(device));
            faults.check(grows, key(field), "catalog.grows_device");
        }
        faults.zero_or_more(key("power_watts"), device.power_watts);
        device.check_sources(faults);
        let cached = device.tts_channels_cached >= device.tts_channels_uncached;
        faults.check(cached, key("tts_channels_cached"), "catalog.cached_channels");
        if !device.offered {
            continue;
        }
        let last = offered().next_back().is_some_and(|last| std::ptr::eq(last, device));
        let bound = device.up_to_count;
        let right = if last { bound == 0 } else { bound > before.map_or(0, |before| before.up_to_count) };
        faults.check(right && bound <= MOST, key("up_to_count"), "catalog.up_to_count");
    }
}

fn service_model(faults: &mut Faults, service: Service, model: &ServiceModel) {
    let key = |field: &str| format!("services.{service}.{field}");
    faults.within(key("container_port"), 1, 65535, u64::from(model.container_port));
    for (field, weight) in [("cpu_weight", model.cpu_weight), ("memory_weight", model.memory_weight)] {
        faults.within(key(field), 1, 1000, weight);
    }
    for (field, channels) in [("stt_channels", model.stt_channels), ("tts_channels", model.tts_channels)] {
        faults.within(key(field), 0, 100, u64::from(channels));
    }
    for (field, value) in [
        ("items_per_day", model.items_per_day),
        ("minutes_per_item", model.minutes_per_item),
        ("nlp_queries_per_item", model.nlp_queries_per_item),
        ("aicm_searches_per_item", model.aicm_searches_per_item),
    ] {
        faults.zero_or_more(key(field), value);
    }
    faults.share(key("qa_item_share"), model.qa_item_share);
    faults.share(key("busy_hour_share"), model.busy_hour_share);
    let hours = (0.0..=24.0).contains(&model.hours_per_day)
        && (model.items_per_day == 0.0 || model.hours_per_day > 0.0);
    faults.check(hours, key("hours_per_day"), "catalog.hours");
}

fn work(faults: &mut Faults, catalog: &Catalog) {
    let (cpu, gpu) = (&catalog.cpu, &catalog.gpu);
    for (path, value) in [
        ("cpu.stt_channels_per_core", cpu.stt_channels_per_core),
        ("cpu.ta_channels_per_core", cpu.ta_channels_per_core),
        ("cpu.qa_channels_per_core", cpu.qa_channels_per_core),
        ("gpu.service_time_ms", gpu.service_time_ms),
    ] {
        faults.above_zero(path, value);
    }
    for (path, asked, value) in [
        ("nodes.cpu_millicores", catalog.requests.cpu_millicores, catalog.nodes.cpu_millicores),
        ("nodes.memory_mib", catalog.requests.memory_mib, catalog.nodes.memory_mib),
    ] {
        faults.counted(path, asked.max(1), value);
    }
    let overcommit = &catalog.overcommit;
    for (path, factor) in [("overcommit.cpu", overcommit.cpu), ("overcommit.memory", overcommit.memory)] {
        faults.over_zero(path, 100, factor);
    }
    for (gpu_type, factor) in &overcommit.gpu {
        let path = format!("overcommit.gpu.{gpu_type}");
        let known = catalog.devices.iter().any(|device| device.name == *gpu_type);
        faults.check(known, path.clone(), "catalog.names_device");
        faults.over_zero(path, 100, *factor);
    }
    for (path, value) in [
        ("gpu.cpu_millicores_per_gpu", gpu.cpu_millicores_per_gpu),
        ("gpu.memory_mib_per_gpu", gpu.memory_mib_per_gpu),
    ] {
        faults.counted(path, 0, value);
    }
    faults.share("cpu.qa_in_house_share", cpu.qa_in_house_share);
    faults.zero_or_more("cpu.qa_cpu_seconds_per_item", cpu.qa_cpu_seconds_per_item);
    faults.share("cpu.stt_speech_share", cpu.stt_speech_share);
    faults.share("cpu.stt_blocking_warned_of", cpu.stt_blocking_warned_of);
    faults.share("gpu.tts_cache_share", gpu.tts_cache_share);
    let inner = |share: f64| share > 0.0 && share < 1.0;
    faults.check(inner(gpu.lowest_utilization), "gpu.lowest_utilization", "catalog.inner_share");
    let availability = &catalog.availability;
    for (key, share) in [
        ("availability.pod_share", availability.pod_share),
        ("availability.redis_share", availability.redis_share),
        ("availability.node_share", availability.node_share),
    ] {
        faults.check(inner(share), key, "catalog.inner_share");
    }
    faults.counted("availability.spread_over_nodes", 1, u64::from(availability.spread_over_nodes));
    let twice = (1..gpu.order.len()).any(|index| gpu.order[..index].contains(&gpu.order[index]));
    faults.check(!twice, "gpu.order", "catalog.each_service_once");
    // Their pods are counted by CPU, those that hold GPUs by GPUs.
    let counted_by_cpu = |service: &Service| matches!(service, Service::Stt | Service::Ta | Service::Qa);
    faults.check(!gpu.order.iter().any(counted_by_cpu), "gpu.order", "catalog.order_by_gpu");

    let steps = &catalog.load_multipliers;
    let bounded = steps.last().is_some_and(|step| step.up_to_voice_channels == 0);
    let rising = steps.windows(2).all(|pair| {
        let (lower, upper) = (&pair[0], &pair[1]);
        let bound = upper.up_to_voice_channels;
        lower.factor <= upper.factor
            && lower.up_to_voice_channels > 0
            && (bound == 0 || lower.up_to_voice_channels < bound)
    });
    let positive = steps.iter().all(|step| step.factor >= 0.0 && step.factor <= 1000.0);
    let right = bounded && rising && positive;
    faults.check(right, "load_multipliers", "catalog.load_multipliers");

    let (requests, limits, growth) = (&catalog.requests, &catalog.limits, &catalog.growth);
    for (path, value) in
        [("requests.cpu_millicores", requests.cpu_millicores), ("requests.memory_mib", requests.memory_mib)]
    {
        faults.within(path, 1, 1_000_000, value);
    }
    for (path, value) in [
        ("limits.cpu_step_millicores", limits.cpu_step_millicores),
        ("limits.memory_step_mib", limits.memory_step_mib),
        ("growth.cpu_step_millicores", growth.cpu_step_millicores),
        ("growth.memory_step_mib", growth.memory_step_mib),
        ("growth.storage_step_gb", growth.storage_step_gb),
    ] {
        faults.counted(path, 1, value);
    }
    let sla = catalog.default_sla.response_time_ms;
    faults.check(sla > 0, "default_sla.response_time_ms", "catalog.one_or_more");
}

fn money_and_time(faults: &mut Faults, catalog: &Catalog) {
    let (prices, cost) = (&catalog.prices, &catalog.operator_cost);
    faults.counted("prices.speech_block_channels", 1, prices.speech_block_channels);
    faults.above_zero("operator_cost.hours_per_month", cost.hours_per_month);
    let (memory, storage) = (&catalog.memory, &catalog.storage);
    for (path, value) in [
        ("memory.mib_per_voice_channel", memory.mib_per_voice_channel),
        ("memory.mib_per_chat_user", memory.mib_per_chat_user),
        ("storage.gb_per_service", storage.gb_per_service),
        ("storage.mb_per_user", storage.mb_per_user),
        ("storage.mb_per_agent_day", storage.mb_per_agent_day),
        ("storage.recording_days", storage.recording_days),
        ("alternatives.max_response_increase_percent", catalog.alternatives.max_response_increase_percent),
        ("prices.usd_per_stt_block", prices.usd_per_stt_block),
        ("prices.usd_per_tts_block", prices.usd_per_tts_block),
        ("operator_cost.usd_per_core_hour", cost.usd_per_core_hour),
        ("operator_cost.usd_per_gib_hour", cost.usd_per_gib_hour),
        ("operator_cost.usd_per_storage_gb_month", cost.usd_per_storage_gb_month),
    ] {
        faults.zero_or_more(path, value);
    }
    let minutes = &catalog.deployment_time;
    for (field, value) in [
        ("base_minutes", minutes.base_minutes),
        ("minutes_per_workload", minutes.minutes_per_workload),
        ("minutes_per_gpu_model", minutes.minutes_per_gpu_model),
        ("spread_minutes_per_workload", minutes.spread_minutes_per_workload),
        ("deletion_minutes_per_workload", minutes.deletion_minutes_per_workload),
        ("deletion_spread_minutes_per_workload", minutes.deletion_spread_minutes_per_workload),
    ] {
        faults.within(format!("deployment_time.{field}"), 0, MOST_MINUTES, u64::from(value));
    }
}
