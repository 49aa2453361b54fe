//! `docs/ACCURACY.md`.

use crate::census::{Census, Pairs, Part, accepted_on};
use crate::grid::{Hour, Row};
use ecp_core::catalog::Catalog;
use ecp_core::tenant::Service;

/// Cores of the cluster in the table, and the order that it is asked to hold forty times.
const CORES: u64 = 4000;
const ORDERED: (Service, u32) = (Service::Stt, 3000);

/// The whole page.
pub fn page(catalog: &Catalog, seed: u64, grid: &[Row], census: &Census, pairs: &Pairs) -> String {
    let broken: Vec<&String> = census.broken.iter().chain(grid.iter().flat_map(|row| &row.broken)).collect();
    let verdict = if broken.is_empty() {
        "No promise that was made without a warning is more than a twentieth better than what happens."
            .to_owned()
    } else {
        let lines: Vec<String> = broken.iter().map(|line| format!("- {line}")).collect();
        format!("**These promises are broken:**\n\n{}", lines.join("\n"))
    };
    format!(
        "# Accuracy of the sizing\n\n\
         Written by `make accuracy` (seed {seed}): {tenants} random tenants and a grid of {orders} orders are sized \
         without a plan being named, rendered, and the objects simulated for an hour, every second tenant in its busiest \
         one. {verdict}\n\n\
         A promise counts as broken where a run is worse than it by more than 5 % and what chance explains, and so is \
         the mean of sixteen runs of their own seeds, each five times as long, by 5 % and 3.5 standard errors. Of the {tenants} tenants {warned} got a warning: no plan \
         keeps what they ask for, and the answer says so. The shares below are of the others.\n\n\
         ## Before and after\n\n\
         Before is the first model, which computed a tenant as one pool and dealt that out by weight.\n\n{table}\n\
         ## Promised and simulated\n\n{margins}\n\
         ## The grid\n\n\
         Milliseconds and shares of lost turns are *promised / simulated*, the worst of the order's services; `!` is an \
         order that came with a warning.\n\n{grid}",
        tenants = census.tenants,
        orders = grid.len(),
        warned = census.warned,
        table = comparison(catalog, grid, census, pairs),
        margins = margins(census),
        grid = grid_table(grid),
    )
}

fn comparison(catalog: &Catalog, grid: &[Row], census: &Census, pairs: &Pairs) -> String {
    let of_grid = |hit: &dyn Fn(&Row) -> Option<bool>| {
        let rows = grid.iter().filter(|row| !row.warned).filter_map(hit);
        let mut part = Part::default();
        rows.for_each(|is_hit| part.add(is_hit));
        format!("{} of {}", part.hit, part.of)
    };
    let over = |ms: Option<(f64, f64)>, row: &Row| ms.map(|(_, simulated)| simulated > f64::from(row.sla_ms));
    let lost = |hour: &Hour| hour.turns.map(|(_, simulated)| simulated > 0.001);
    let v100 = catalog.devices.iter().find(|device| device.name == "v100");
    let cached = v100.map_or(0.0, |device| {
        let share = catalog.gpu.tts_cache_share;
        1.0 / (share / device.tts_channels_cached + (1.0 - share) / device.tts_channels_uncached)
    });
    let (service, units) = ORDERED;
    let accepted = accepted_on(catalog, CORES, service, units).min(40);
    let largest = grid.iter().find(|row| row.order == "chatbot=100000");
    let pods = largest.map_or("–".to_owned(), |row| {
        format!("{} pods, none over {:.0} GiB", row.pods, row.largest_pod_mib as f64 / 1024.0)
    });
    let rows: [(&str, &str, String); 18] = [
        ("CPU limits of the stt pods below the mean load", "63 % of tenants", share(census.stt_below_mean)),
        ("tts without any GPU", "60 % of those that order speech", share(census.tts_without_gpu)),
        ("GPUs in no pod, paid for", "7 %", share(census.idle_gpus)),
        (
            "mean response over the SLA by more than 5 %, as rendered, mean hour (census)",
            "–",
            share(census.mean_over_sla),
        ),
        (
            "mean response over the SLA, as rendered, busy hour (grid)",
            "14 of 29",
            of_grid(&|row| over(row.busy_hour.mean_ms, row)),
        ),
        (
            "the same in the busy hour (census): the service's notes say so",
            "–",
            share(census.busy_mean_over_sla),
        ),
        (
            "95th percentile over the SLA, busy hour (grid): the SLA is the mean's unless `percentile` is asked for",
            "29 of 29",
            of_grid(&|row| over(row.busy_hour.p95_ms, row)),
        ),
        (
            "cache mixing",
            "arithmetic: 124 channels a V100 at 78.5 % hits, in truth 80.6",
            format!(
                "harmonic: {cached:.1} channels a V100 at {:.2} % hits",
                catalog.gpu.tts_cache_share * 100.0
            ),
        ),
        ("lost turns over 0.1 %, mean hour (grid)", "25 of 29", of_grid(&|row| lost(&row.mean_hour))),
        (
            "lost turns over 0.1 %, busy hour (grid): the service's notes say so",
            "29 of 29",
            of_grid(&|row| lost(&row.busy_hour)),
        ),
        (
            "availability promised and not kept, services, redis and nodes in series",
            "every tenant of one replica (99.60 % promised as 99.9 %)",
            share(census.away_too_long),
        ),
        (
            "one GPU lost: over the SLA in the mean hour, where surviving it was not asked for",
            "34 %",
            share(census.device_lost),
        ),
        (
            "admission: forty orders of stt=3000 on 4,000 cores",
            "40 accepted (8,840 cores)",
            format!("{accepted} accepted"),
        ),
        ("autoscalers that can not move", "all but one", share(census.autoscalers_that_can_not_move)),
        ("`chatbot=100000`", "three pods of 261 GiB", pods),
        (
            "fewer GPUs for a service for more load",
            "1,341 of 20,000 pairs",
            format!("{} of {} services of pairs", pairs.fewer_gpus.hit, pairs.fewer_gpus.of),
        ),
        (
            "less of anything altogether for more load",
            "0",
            format!("{} of {} pairs", pairs.smaller.hit, pairs.smaller.of),
        ),
        (
            "a place that can not carry its mean hour, without a warning",
            "63 % of tenants",
            format!("{} of {} services of pairs", pairs.carries_less.hit, pairs.carries_less.of),
        ),
    ];
    let mut text = "| what | before | after |\n| --- | --- | --- |\n".to_owned();
    for (what, before, after) in rows {
        text.push_str(&format!("| {what} | {before} | {after} |\n"));
    }
    text
}

fn share(part: Part) -> String {
    if part.of == 0 {
        return "–".to_owned();
    }
    format!("{:.1} % ({} of {})", part.hit as f64 / part.of as f64 * 100.0, part.hit, part.of)
}

fn margins(census: &Census) -> String {
    let mut text = "| figure | promises | worse in one run than chance explains | broken | simulated ÷ promised, mean | worst |\n\
                    | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for (figure, margin) in &census.margins {
        let broken =
            census.broken.iter().filter(|line| line.contains(&format!(" {figure} promised"))).count();
        let ratios = if margin.ratio_count == 0 {
            "– | –".to_owned()
        } else {
            format!("{:.3} | {:.3}", margin.ratios / margin.ratio_count as f64, margin.worst)
        };
        text.push_str(&format!(
            "| {figure} | {} | {} | {broken} | {ratios} |\n",
            margin.promises, margin.over
        ));
    }
    text
}

fn grid_table(grid: &[Row]) -> String {
    let mut text = "| order | SLA | plan | pods | GPUs | mean, mean hour | p95, mean hour | lost turns, mean hour | mean, busy hour | lost turns, busy hour |\n\
                    | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    let ms = |pair: Option<(f64, f64)>| {
        let text = |ms: f64| if ms.is_finite() { format!("{ms:.0}") } else { "∞".to_owned() };
        pair.map_or("–".to_owned(), |(promised, simulated)| {
            format!("{} / {}", text(promised), text(simulated))
        })
    };
    let turns = |pair: Option<(f64, f64)>| {
        pair.map_or("–".to_owned(), |(promised, simulated)| {
            format!("{:.3} / {:.3} %", promised * 100.0, simulated * 100.0)
        })
    };
    for row in grid {
        let warned = if row.warned { " !" } else { "" };
        text.push_str(&format!(
            "| {}{warned} | {} ms | {} | {} | {} | {} | {} | {} | {} | {} |\n",
            row.order,
            row.sla_ms,
            row.plan,
            row.pods,
            row.gpus,
            ms(row.mean_hour.mean_ms),
            ms(row.mean_hour.p95_ms),
            turns(row.mean_hour.turns),
            ms(row.busy_hour.mean_ms),
            turns(row.busy_hour.turns),
        ));
    }
    text
}
