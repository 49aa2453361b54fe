//! A smaller census with seeds of its own: what is promised without a warning is kept.

use super::census::{self, Census};
use super::{grid, page};
use ecp_core::catalog::Catalog;

#[test]
fn what_is_promised_without_a_warning_the_rendered_manifest_keeps() {
    let catalog = Catalog::embedded();
    let census = Census::take(&catalog, 20_261_127, 150, 20_000);
    let promises: u64 = census.margins.values().map(|margin| margin.promises).sum();
    assert!(promises > 300, "{promises} promises were held to the simulation");
    assert!(census.broken.is_empty(), "{:#?}", census.broken);
    for (what, part) in [
        ("stt below its mean load", census.stt_below_mean),
        ("tts without a GPU", census.tts_without_gpu),
        ("GPUs in no pod", census.idle_gpus),
        ("mean hour over the SLA", census.mean_over_sla),
        ("away for longer than promised", census.away_too_long),
        ("autoscalers that can not move", census.autoscalers_that_can_not_move),
    ] {
        assert_eq!(part.hit, 0, "{what}: {part:?}");
    }
}

#[test]
fn more_load_never_gets_less() {
    let pairs = census::fewer_for_more(&Catalog::embedded(), 20_261_127, 400);
    assert!(pairs.fewer_gpus.of > 100 && pairs.smaller.of == 400, "{pairs:?}");
    assert_eq!((pairs.fewer_gpus.hit, pairs.smaller.hit, pairs.carries_less.hit), (0, 0, 0), "{pairs:?}");
}

#[test]
fn a_census_that_counts_nothing_is_told_from_one_that_finds_nothing() {
    // A catalog whose devices are in truth half as fast: the figures that it promises with stay, the simulation
    // is given the slower ones.
    let catalog = Catalog::embedded();
    let mut slower = catalog.clone();
    for device in &mut slower.devices {
        device.nlp_queries_per_second /= 2.0;
        device.aicm_searches_per_second /= 2.0;
        device.tts_channels_cached /= 2.0;
        device.tts_channels_uncached /= 2.0;
    }
    slower.cpu.stt_channels_per_core /= 2.0;
    let mut random = ecp_core::simulation::Random::new(5);
    let id = ecp_core::ids::TenantId::parse("order").expect("an id");
    let broken: usize = (0..20)
        .map(|_| {
            let order = super::orders::Order::new(&catalog, &id, super::orders::random(&mut random));
            let options = ecp_core::simulation::Options { most_events: 20_000, ..Default::default() };
            let report = order.report(&catalog);
            let verification = ecp_core::simulation::verify_promises(
                &slower,
                &order.demand,
                &order.sizing,
                &report,
                &order.objects,
                &options,
            );
            verification.broken().count()
        })
        .sum();
    assert!(broken > 0);
}

#[test]
fn the_page_has_a_row_for_each_order() {
    let catalog = Catalog::embedded();
    let census = Census::take(&catalog, 3, 10, 1000);
    let pairs = census::fewer_for_more(&catalog, 3, 5);
    let row = grid::Row {
        order: "chatbot=100000".to_owned(),
        sla_ms: 300,
        plan: "large".to_owned(),
        pods: 12,
        gpus: "9 l40s".to_owned(),
        largest_pod_mib: 2048,
        warned: false,
        mean_hour: grid::Hour { mean_ms: Some((130.0, 128.0)), p95_ms: None, turns: Some((0.0005, 0.0004)) },
        busy_hour: grid::Hour::default(),
        broken: Vec::new(),
    };
    let text = page::page(&catalog, 3, &[row], &census, &pairs);
    assert!(text.contains(
        "| chatbot=100000 | 300 ms | large | 12 | 9 l40s | 130 / 128 | – | 0.050 / 0.040 % | – | – |"
    ));
    assert!(text.contains("12 pods, none over 2 GiB") && text.contains("| 14 accepted |"), "{text}");
    assert!(text.contains("No promise that was made without a warning"));
}
