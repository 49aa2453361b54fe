//! What is recommended for what was measured.

use super::*;
use crate::catalog::Edition;
use crate::ids::TenantId;
use crate::manifest::SECRET_KEYS;
use crate::revision::{Cause, NewRevision};
use crate::sizing::SizingOptions;
use crate::tenancy::planned_tenant;
use crate::tenant::{Service, TenantSecrets};
use proptest::prelude::*;

fn spec(preset: Option<Preset>, units: &[(Service, u32)]) -> TenantSpec {
    let units: BTreeMap<_, _> = units.iter().copied().collect();
    let json = json!({
        "name": "n", "preset": preset, "service_requirements": units,
        "sla_target": Catalog::embedded().default_sla(), "sizing": SizingOptions::default(),
    });
    serde_json::from_value(json).expect("a specification")
}

fn sized(spec: &TenantSpec) -> Sizing {
    size(&Catalog::embedded(), &spec.demand())
}

fn series(metric: Metric, hours: usize, value: f64) -> Series {
    let points = (0..hours as i64).map(|hour| (hour * 3_600_000, value)).collect();
    Series { metric, points, average: Some(value), maximum: Some(value) }
}

/// A week of one load.
fn week(cpu: f64, gpu: f64, response_time_ms: f64) -> Observed {
    let of = |metric, value| series(metric, 168, value);
    let all = [
        of(Metric::CpuUsage, cpu),
        of(Metric::MemoryUsage, 20.0),
        of(Metric::GpuUsage, gpu),
        of(Metric::ResponseTime, response_time_ms),
    ];
    Observed::new(168, &all)
}

fn advised(spec: &TenantSpec, observed: &Observed) -> Recommendation {
    recommend(&Catalog::embedded(), spec, &sized(spec), observed)
}

/// GPU use of the busiest hour as the sizing of a tenant expects it, in percent.
fn expected_gpu(spec: &TenantSpec) -> f64 {
    advised(spec, &Observed::default()).expected_gpu.expect("it has GPUs")
}

#[test]
fn what_was_expected_is_kept() {
    let spec = spec(None, &[(Service::Callbot, 50), (Service::Chatbot, 100)]);
    let answer = advised(&spec, &week(30.0, expected_gpu(&spec), 100.0));
    assert_eq!((answer.advice, answer.proposal), (Advice::Keep, None));
    assert!((answer.load_factor.expect("measured") - 1.0).abs() < 1e-9);
    assert_eq!(answer.observed_units, spec.service_requirements);
}

#[test]
fn a_tenth_of_the_load_shrinks_the_tenant_and_saves_money() {
    let spec = spec(Some(Preset::Large), &[(Service::Callbot, 200), (Service::Chatbot, 500)]);
    let answer = advised(&spec, &week(5.0, expected_gpu(&spec) / 10.0, 100.0));
    assert_eq!(answer.advice, Advice::Shrink);
    let proposal = answer.proposal.expect("a proposal");
    assert_eq!(proposal.service_requirements[&Service::Callbot], 20);
    assert_eq!(proposal.preset, Some(proposal.sizing.preset), "the tenant names its plan");
    assert!(proposal.sizing.operator_cost_usd < sized(&spec).operator_cost_usd);
}

#[test]
fn memory_that_a_smaller_plan_has_not_keeps_the_tenant() {
    let spec = spec(Some(Preset::Large), &[(Service::Callbot, 200), (Service::Chatbot, 500)]);
    let mut observed = week(5.0, expected_gpu(&spec) / 10.0, 100.0);
    observed.memory = Some(Usage { mean: 90.0, busiest_hour: 95.0, maximum: 99.0 });
    assert_eq!(advised(&spec, &observed).advice, Advice::Keep);
}

#[test]
fn an_sla_that_was_missed_grows_the_tenant_until_capacity_is_not_the_cause() {
    let spec = spec(None, &[(Service::Callbot, 50)]);
    let sla = f64::from(spec.sla_target.response_time_ms);
    let answer = advised(&spec, &week(30.0, 60.0, sla * 1.5));
    assert_eq!(answer.advice, Advice::Grow);
    let proposal = answer.proposal.expect("a proposal");
    assert!(proposal.service_requirements[&Service::Callbot] > 50, "{proposal:?}");
    // At a tenth of the use, 90 % of the response time is the service itself.
    let answer = advised(&spec, &week(30.0, 10.0, sla * 1.5));
    assert_eq!((answer.advice, answer.proposal), (Advice::Investigate, None));
}

#[test]
fn less_than_a_day_recommends_nothing_and_says_how_much_there_is() {
    let spec = spec(None, &[(Service::Callbot, 50)]);
    for (hours, confidence) in [(0, "none"), (1, "low"), (23, "low"), (24, "medium"), (168, "high")] {
        let observed = Observed::new(168, &[series(Metric::GpuUsage, hours, 99.0)]);
        let observed = if hours == 0 { Observed::new(168, &[]) } else { observed };
        assert_eq!(observed.confidence().as_str(), confidence, "{hours}");
        let waits = advised(&spec, &observed).advice == Advice::Wait;
        assert_eq!(waits, hours < 24, "{hours}");
    }
    // A week with samples in every second hour.
    assert_eq!(Observed::new(336, &[series(Metric::GpuUsage, 168, 9.0)]).confidence(), Confidence::Medium);
}

#[test]
fn gpus_that_nobody_measured_shrink_nothing() {
    let spec = spec(Some(Preset::Large), &[(Service::Callbot, 200), (Service::Chatbot, 500)]);
    let cpu = series(Metric::CpuUsage, 168, 1.0);
    let answer = advised(&spec, &Observed::new(168, std::slice::from_ref(&cpu)));
    assert_eq!((answer.advice, answer.load_factor), (Advice::Keep, None));
    // An hour of it tells of an hour.
    let hour = series(Metric::GpuUsage, 1, 1.0);
    assert_eq!(advised(&spec, &Observed::new(168, &[cpu, hour])).advice, Advice::Wait);
}

#[test]
fn load_as_ordered_keeps_the_room_to_grow_and_what_the_sizing_expects_of_cpus() {
    let mut growing = spec(None, &[(Service::Callbot, 200)]);
    growing.sizing.growth = Share::parse("100%", 1000).expect("a share");
    let answer = advised(&growing, &week(10.0, expected_gpu(&growing), 100.0));
    assert_eq!((answer.advice, answer.proposal), (Advice::Keep, None));
    for service in [Service::Ta, Service::Qa, Service::Stt] {
        let spec = spec(None, &[(service, 300)]);
        let expected = advised(&spec, &Observed::default());
        let cpu = expected.expected_cpu.unwrap_or(10.0);
        let answer = advised(&spec, &week(cpu, expected.expected_gpu.unwrap_or(0.0), 1.0));
        assert_eq!(answer.advice, Advice::Keep, "{service:?}: {answer:?}");
    }
}

#[test]
fn what_is_proposed_for_a_named_plan_is_what_naming_it_gives() {
    let spec = spec(Some(Preset::Large), &[(Service::Callbot, 200), (Service::Chatbot, 500)]);
    let idle = week(5.0, expected_gpu(&spec) / 10.0, 100.0);
    for (observed, is_freed) in [(idle, false), (week(90.0, 99.0, 100.0), true)] {
        let proposal = advised(&spec, &observed).proposal.expect("a proposal");
        let mut put = spec.demand();
        put.preset = proposal.preset;
        put.service_requirements = proposal.service_requirements.clone();
        assert_eq!(proposal.sizing, size(&Catalog::embedded(), &put));
        assert_eq!(proposal.preset.is_none(), is_freed);
        // What is recommended is not the next thing to be warned of.
        assert_eq!(proposal.sizing.warnings, []);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn more_load_never_recommends_less(
        callbot in 1_u32..2_000, chatbot in 1_u32..5_000,
        gpu in 0.0_f64..100.0, more in 0.0_f64..100.0, cpu in 0.0_f64..100.0,
    ) {
        let spec = spec(None, &[(Service::Callbot, callbot), (Service::Chatbot, chatbot)]);
        let now = sized(&spec);
        let cost = |gpu: f64| {
            let answer = recommend(&Catalog::embedded(), &spec, &now, &week(cpu, gpu, 1.0));
            answer.proposal.map_or(now.operator_cost_usd, |proposal| proposal.sizing.operator_cost_usd)
        };
        prop_assert!(cost(gpu) <= cost((gpu + more).min(100.0)));
    }
}

#[test]
fn a_size_is_as_old_as_the_oldest_of_the_newest_revisions_that_are_alike_in_it() {
    let edition = std::sync::Arc::new(Edition::of(std::sync::Arc::new(Catalog::embedded())));
    let secrets = TenantSecrets::generate(SECRET_KEYS);
    let at = |hour: i64| Timestamp::from_second(hour * 3600).expect("in range");
    let id = TenantId::parse("acme").expect("a label");
    let small = spec(None, &[(Service::Callbot, 5)]);
    let large = spec(None, &[(Service::Callbot, 50)]);
    let renamed = TenantSpec { name: "other".to_owned(), ..large.clone() };
    let tenant = |hour: i64, spec: &TenantSpec| Tenant {
        generation: hour as u64,
        updated_at: at(hour),
        ..planned_tenant(&edition.catalog, id.clone(), spec.clone(), at(hour))
    };
    let since = |specs: &[&TenantSpec]| {
        let tenants: Vec<_> = (1..).zip(specs).map(|(hour, spec)| tenant(hour, spec)).collect();
        let revision = |tenant| NewRevision::render(&edition, tenant, &secrets, Cause::Request).revision;
        let revisions = Revisions::new(tenants.iter().map(revision).collect());
        sized_since(&revisions, tenants.last().expect("one"))
    };
    assert_eq!(since(&[&large]), at(1));
    assert_eq!(since(&[&small, &large, &renamed, &large]), at(2), "a name is no size");
    assert_eq!(since(&[&large, &small, &large]), at(3), "it was another in between");
    assert_eq!(sized_since(&Revisions::default(), &tenant(7, &large)), at(7));
}
