use super::super::settings::RuleSetting;
use super::*;
use crate::ids::{Incarnation, TenantId};
use crate::text::Language;
use AlertChange::{Lowered, Opened, Raised, Resolved};
use proptest::prelude::*;

fn rules() -> Rules {
    Rules {
        storage_quota_bytes: 1e12,
        response_time_ms: 200.0,
        rules: AlertSubject::ALL.map(Rule::default_of),
    }
}

fn tenant_key() -> TenantKey {
    let id = TenantId::parse("my-ai-service").expect("a label");
    TenantKey { id, incarnation: Incarnation::begun_at(7) }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).expect("in range")
}

/// Feeds values one after another; returns the index, change and threshold of each event.
fn play(subject: AlertSubject, values: &[f64]) -> Vec<(usize, AlertChange, f64)> {
    let (limits, mut open, mut over) = (rules().limits(subject), None, Over::default());
    let mut events = Vec::new();
    for (index, value) in values.iter().enumerate() {
        if let Some((change, alert)) =
            advance(&mut open, &mut over, &tenant_key(), subject, &limits, *value, at(index as i64))
        {
            events.push((index, change, alert.threshold));
        }
    }
    events
}

#[test]
fn a_value_at_the_threshold_is_not_over_it() {
    for subject in [AlertSubject::Cpu, AlertSubject::Memory, AlertSubject::Gpu] {
        assert_eq!(play(subject, &[80.0]), []);
        assert_eq!(play(subject, &[80.1, 95.0]), [(0, Opened, 80.0)]);
        assert_eq!(play(subject, &[95.1]), [(0, Opened, 95.0)]);
    }
}

#[test]
fn an_alert_opens_once_moves_between_severities_and_resolves_five_points_below() {
    assert_eq!(
        play(AlertSubject::Cpu, &[85.0, 90.0, 96.0, 99.0, 91.0, 90.0, 80.0, 75.1, 75.0, 79.0, 81.0]),
        [(0, Opened, 80.0), (2, Raised, 95.0), (5, Lowered, 80.0), (8, Resolved, 80.0), (10, Opened, 80.0)]
    );
    assert_eq!(play(AlertSubject::Cpu, &[97.0, 10.0]), [(0, Opened, 95.0), (1, Resolved, 95.0)]);
}

#[test]
fn storage_is_judged_as_a_share_of_the_quota() {
    let mut sample = Sample::empty(0);
    sample.values[Metric::StorageUsed.index()] = 7.5e11;
    assert_eq!(rules().reading(AlertSubject::Storage, &sample), Some(75.0));
    let none = Rules { storage_quota_bytes: 0.0, ..rules() };
    assert_eq!(none.reading(AlertSubject::Storage, &sample), None);
    assert_eq!(
        play(AlertSubject::Storage, &[85.0, 86.0, 95.5, 90.0, 80.0]),
        [(1, Opened, 85.0), (2, Raised, 95.0), (3, Lowered, 85.0), (4, Resolved, 85.0)]
    );
}

#[test]
fn response_time_is_judged_by_the_sla_with_a_margin_of_five_percent() {
    assert_eq!(
        play(AlertSubject::ResponseTime, &[200.0, 201.0, 401.0, 381.0, 380.0, 191.0, 190.0]),
        [(1, Opened, 200.0), (2, Raised, 400.0), (4, Lowered, 200.0), (6, Resolved, 200.0)]
    );
}

#[test]
fn error_rate_falls_back_at_half_the_threshold() {
    assert_eq!(
        play(AlertSubject::ErrorRate, &[1.0, 1.1, 5.1, 2.6, 2.5, 0.6, 0.5]),
        [(1, Opened, 1.0), (2, Raised, 5.0), (4, Lowered, 1.0), (6, Resolved, 1.0)]
    );
}

#[test]
fn silence_is_a_warning_after_five_minutes_and_ends_with_a_sample() {
    assert_eq!(
        play(AlertSubject::NoSamples, &[300.0, 301.0, 1e9, 0.0]),
        [(1, Opened, 300.0), (3, Resolved, 300.0)]
    );
    let mut open = None;
    let limits = rules().limits(AlertSubject::NoSamples);
    advance(&mut open, &mut Over::default(), &tenant_key(), AlertSubject::NoSamples, &limits, 301.0, at(0))
        .expect("opens");
    let (change, alert) = end_silence(&mut open, at(9)).expect("ends");
    assert_eq!((change, alert.resolved_at, alert.current_value), (Resolved, Some(at(9)), 301.0));
    assert_eq!(end_silence(&mut open, at(10)), None);
}

#[test]
fn an_alert_keeps_its_id_and_opening_time_to_the_end() {
    let (limits, mut open, mut over) = (rules().limits(AlertSubject::Cpu), None, Over::default());
    let mut step = |value, second| {
        advance(&mut open, &mut over, &tenant_key(), AlertSubject::Cpu, &limits, value, at(second))
            .expect("a change")
            .1
    };
    let (opened, raised, resolved) = (step(85.2, 0), step(96.0, 5), step(20.0, 10));
    assert_eq!((opened.opened_at, opened.resolved_at), (at(0), None));
    assert_eq!((&raised.id, raised.opened_at, raised.updated_at), (&opened.id, at(0), at(5)));
    assert_eq!((&resolved.id, resolved.opened_at, resolved.resolved_at), (&opened.id, at(0), Some(at(10))));
    assert_ne!(step(85.0, 15).id, opened.id);
}

#[test]
fn the_text_names_the_threshold_and_never_the_machine_s_digits() {
    let text =
        |change, value, threshold| message(AlertSubject::Cpu, change, value, threshold).render(Language::Ko);
    assert_eq!(text(Opened, 85.2, 80.0), "CPU 사용률이 80%를 초과했습니다");
    assert_eq!(text(Raised, 96.0, 95.0), "CPU 사용률이 95%를 초과했습니다");
    assert!(text(Resolved, 70.000_001, 80.0).contains("70%"));
    for subject in AlertSubject::ALL {
        for change in [Opened, Raised, Lowered, Resolved] {
            let text = message(subject, change, 1.0, 300.0).render(Language::En);
            assert!(!text.contains('{') && !text.starts_with("alert."), "{text}");
        }
    }
}

#[test]
fn a_missing_or_unordered_value_changes_nothing() {
    assert_eq!(rules().reading(AlertSubject::Cpu, &Sample::empty(0)), None);
    assert_eq!(play(AlertSubject::Cpu, &[f64::NAN]), []);
    assert_eq!(play(AlertSubject::Cpu, &[90.0, f64::NAN, 91.0]), [(0, Opened, 80.0)]);
}

proptest! {
    #[test]
    fn changes_follow_each_other_as_an_alert_s_life_allows(
        subject in prop::sample::select(&AlertSubject::ALL[..6]),
        values in prop::collection::vec(0.0..500.0f64, 1..80),
    ) {
        let limits = rules().limits(subject);
        let mut over = Over::default();
        let (mut open, mut last): (Option<Alert>, Option<(AlertChange, AlertId)>) = (None, None);
        for (index, value) in values.into_iter().enumerate() {
            let before = open.clone();
            let event = advance(&mut open, &mut over, &tenant_key(), subject, &limits, value, at(index as i64));
            match &event {
                None => prop_assert_eq!(&open, &before),
                Some((change, alert)) => {
                    let allowed: &[AlertChange] = match last.as_ref().map(|(change, _)| *change) {
                        None | Some(Resolved) => &[Opened],
                        Some(Opened) => &[Raised, Lowered, Resolved],
                        Some(Raised) => &[Lowered, Resolved],
                        Some(Lowered) => &[Raised, Resolved],
                    };
                    prop_assert!(allowed.contains(change));
                    if *change != Opened {
                        prop_assert_eq!(Some(&alert.id), last.as_ref().map(|(_, id)| id));
                    }
                    last = Some((*change, alert.id.clone()));
                }
            }
            // Whatever came before, the value and the open alert agree up to the margin.
            match open.as_ref().map(|alert| alert.severity) {
                None => prop_assert!(value <= limits.warning),
                Some(Severity::Warning) => {
                    prop_assert!(value > limits.warning_clear && value <= limits.critical);
                }
                Some(Severity::Critical) => prop_assert!(value > limits.critical_clear),
            }
        }
    }
}

#[test]
fn a_value_has_to_be_over_a_threshold_for_as_long_as_the_rule_says() {
    let mut settings = AlertRules::default();
    let setting = RuleSetting { warning: Some(50.0), for_seconds: Some(2), ..RuleSetting::default() };
    settings.set(AlertSubject::Cpu, setting);
    let limits = rules().with(&settings).limits(AlertSubject::Cpu);
    let (mut open, mut over) = (None, Over::default());
    let mut step = |second, value| {
        let changed =
            advance(&mut open, &mut over, &tenant_key(), AlertSubject::Cpu, &limits, value, at(second));
        changed.map(|(change, alert)| (change, alert.threshold))
    };
    assert_eq!(step(0, 60.0), None);
    assert_eq!(step(1, 40.0), None, "it begins anew");
    assert_eq!(step(2, 60.0), None);
    assert_eq!(step(3, 97.0), None, "critical for no time yet");
    assert_eq!(step(4, 97.0), Some((Opened, 50.0)));
    assert_eq!(step(5, 97.0), Some((Raised, 95.0)));
    assert_eq!(step(6, 45.0), Some((Resolved, 95.0)), "an end waits for nothing");
}

#[test]
fn an_alert_can_end_whatever_its_threshold() {
    for threshold in [0.0, 0.5, 3.0, 100.0] {
        let mut settings = AlertRules::default();
        settings.set(AlertSubject::Cpu, RuleSetting { warning: Some(threshold), ..RuleSetting::default() });
        let limits = rules().with(&settings).limits(AlertSubject::Cpu);
        assert!(limits.warning_clear >= 0.0 && limits.warning_clear <= threshold, "{limits:?}");
    }
}

#[test]
fn a_figure_has_four_digits_and_a_small_one_is_not_nothing() {
    for (value, shown) in [
        (0.0, 0.0),
        (0.02, 0.02),
        (0.001_234_56, 0.001_235),
        (1.25, 1.25),
        (80.25, 80.25),
        (99.96, 99.96),
        (330.000_000_000_000_06, 330.0),
        (12_345.67, 12_345.7),
        (f64::INFINITY, f64::INFINITY),
    ] {
        assert_eq!(figure(value), shown);
    }
    let text = message(AlertSubject::ErrorRate, Opened, 0.04, 0.02).render(Language::En);
    assert!(text.contains("0.02%"), "{text}");
}
