//! What a catalog must satisfy beyond its shape; every fault at once.

use super::Catalog;
use crate::tenant::{Preset, Service};

/// Everything that is wrong, each with its key and how to fix it.
pub(super) fn faults(catalog: &Catalog) -> Vec<String> {
    let mut faults = Vec::new();
    let mut check = |right: bool, key: String, fix: &str| {
        if !right {
            faults.push(format!("{key}: {fix}"));
        }
    };
    for preset in Preset::ALL {
        let times = catalog.presets.iter().filter(|plan| plan.name == preset).count();
        check(times == 1, format!("presets.{preset}"), "must stand in the file exactly once");
    }
    let ascending = catalog.presets.windows(2).all(|pair| {
        let (smaller, larger) = (&pair[0], &pair[1]);
        smaller.name < larger.name
            && smaller.cpu_millicores <= larger.cpu_millicores
            && smaller.memory_mib <= larger.memory_mib
            && smaller.gpu <= larger.gpu
            && smaller.storage_gb <= larger.storage_gb
            && smaller.list_price_usd <= larger.list_price_usd
            && smaller.replicas <= larger.replicas
    });
    check(ascending, "presets".to_owned(), "must grow from micro to large in every figure");
    for plan in &catalog.presets {
        let key = |field: &str| format!("presets.{}.{field}", plan.name);
        let known = catalog.devices.iter().any(|device| device.name == plan.gpu_type);
        check(known, key("gpu_type"), "must name a device of this file");
        check(plan.replicas >= 1, key("replicas"), "must be 1 or more");
        check(plan.cpu_millicores >= 1000, key("cpu_millicores"), "must be 1000 or more");
        check(plan.memory_mib >= 1024, key("memory_mib"), "must be 1024 or more");
        check(plan.gpu >= 1, key("gpu"), "must be 1 or more");
    }
    check(!catalog.devices.is_empty(), "devices".to_owned(), "must have at least one");
    for (index, device) in catalog.devices.iter().enumerate() {
        let key = |field: &str| format!("devices.{}.{field}", device.name);
        for (field, value) in [
            ("tts_channels_uncached", device.tts_channels_uncached),
            ("tts_channels_cached", device.tts_channels_cached),
            ("nlp_queries_per_second", device.nlp_queries_per_second),
            ("aicm_searches_per_second", device.aicm_searches_per_second),
        ] {
            check(value.is_finite() && value > 0.0, key(field), "must be over 0");
        }
        let price = device.list_price_usd_per_hour;
        check(price.is_finite() && price >= 0.0, key("list_price_usd_per_hour"), "must be 0 or more");
        let last = index + 1 == catalog.devices.len();
        let fix = "must be 0 for the last device, and over the one before for the others";
        let before = index.checked_sub(1).map_or(0, |before| catalog.devices[before].up_to_count);
        check(
            if last { device.up_to_count == 0 } else { device.up_to_count > before },
            key("up_to_count"),
            fix,
        );
        if let Some(before) = index.checked_sub(1).map(|before| &catalog.devices[before]) {
            let grows = device.tts_channels_uncached >= before.tts_channels_uncached
                && device.tts_channels_cached >= before.tts_channels_cached
                && device.nlp_queries_per_second >= before.nlp_queries_per_second
                && device.aicm_searches_per_second >= before.aicm_searches_per_second
                && price >= before.list_price_usd_per_hour;
            check(
                grows,
                format!("devices.{}", device.name),
                "must carry and cost at least what the one before does",
            );
        }
    }
    for service in Service::ALL {
        let Some(model) = catalog.services.get(&service) else {
            check(false, format!("services.{service}"), "is missing");
            continue;
        };
        let key = |field: &str| format!("services.{service}.{field}");
        check(model.container_port > 0, key("container_port"), "must be 1 or more");
        check(model.cpu_weight > 0, key("cpu_weight"), "must be 1 or more");
        check(model.memory_weight > 0, key("memory_weight"), "must be 1 or more");
        check(
            model.stt_channels <= 100 && model.tts_channels <= 100,
            key("stt_channels"),
            "must be 100 or less",
        );
        for (field, value) in [
            ("items_per_day", model.items_per_day),
            ("minutes_per_item", model.minutes_per_item),
            ("nlp_queries_per_item", model.nlp_queries_per_item),
            ("aicm_searches_per_item", model.aicm_searches_per_item),
        ] {
            check(value.is_finite() && value >= 0.0, key(field), "must be 0 or more");
        }
        let hours = (0.0..=24.0).contains(&model.hours_per_day)
            && (model.items_per_day == 0.0 || model.hours_per_day > 0.0);
        check(hours, key("hours_per_day"), "must be over 0 and at most 24 where there are items");
    }
    for (key, value) in [
        ("cpu.stt_channels_per_core", catalog.cpu.stt_channels_per_core),
        ("cpu.ta_channels_per_core", catalog.cpu.ta_channels_per_core),
        ("cpu.qa_channels_per_core", catalog.cpu.qa_channels_per_core),
        ("gpu.service_time_ms", catalog.gpu.service_time_ms),
        ("operator_cost.hours_per_month", catalog.operator_cost.hours_per_month),
    ] {
        check(value.is_finite() && value > 0.0, key.to_owned(), "must be over 0");
    }
    for (key, value) in [
        ("cpu.stt_speech_share", catalog.cpu.stt_speech_share),
        ("gpu.tts_cache_share", catalog.gpu.tts_cache_share),
    ] {
        check((0.0..=1.0).contains(&value), key.to_owned(), "must be between 0 and 1");
    }
    let share = catalog.availability.pod_share;
    check(share > 0.0 && share < 1.0, "availability.pod_share".to_owned(), "must be between 0 and 1");
    for (key, value) in [
        ("memory.mib_per_voice_channel", catalog.memory.mib_per_voice_channel),
        ("memory.mib_per_chat_user", catalog.memory.mib_per_chat_user),
        ("storage.gb_per_service", catalog.storage.gb_per_service),
        ("storage.mb_per_user", catalog.storage.mb_per_user),
        ("storage.mb_per_agent_day", catalog.storage.mb_per_agent_day),
        ("storage.recording_days", catalog.storage.recording_days),
        ("alternatives.max_response_increase_percent", catalog.alternatives.max_response_increase_percent),
        ("prices.usd_per_30_stt_channels", catalog.prices.usd_per_30_stt_channels),
        ("prices.usd_per_30_tts_channels", catalog.prices.usd_per_30_tts_channels),
        ("operator_cost.usd_per_core_hour", catalog.operator_cost.usd_per_core_hour),
        ("operator_cost.usd_per_gib_hour", catalog.operator_cost.usd_per_gib_hour),
        ("operator_cost.usd_per_storage_gb_month", catalog.operator_cost.usd_per_storage_gb_month),
    ] {
        check(value.is_finite() && value >= 0.0, key.to_owned(), "must be 0 or more");
    }
    let steps = &catalog.load_multipliers;
    let bounded = steps.last().is_some_and(|step| step.up_to_voice_channels == 0);
    let rising = steps.windows(2).all(|pair| {
        pair[0].factor <= pair[1].factor
            && pair[0].up_to_voice_channels > 0
            && (pair[1].up_to_voice_channels == 0
                || pair[0].up_to_voice_channels < pair[1].up_to_voice_channels)
    });
    let fix = "must rise in bound and factor; the last has the bound 0, which means none";
    check(
        bounded && rising && steps.iter().all(|step| step.factor >= 0.0),
        "load_multipliers".to_owned(),
        fix,
    );
    check(catalog.requests.cpu_millicores > 0, "requests.cpu_millicores".to_owned(), "must be 1 or more");
    check(catalog.requests.memory_mib > 0, "requests.memory_mib".to_owned(), "must be 1 or more");
    check(
        catalog.default_sla.response_time_ms > 0,
        "default_sla.response_time_ms".to_owned(),
        "must be 1 or more",
    );
    faults.extend(catalog.kubernetes.faults());
    faults
}
