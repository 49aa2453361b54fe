//! What a plan is expected to be short of, in words, with the way out.

use super::SizingWarning;
use super::capacity::{Fit, Shortage, fastest_response_ms};
use crate::catalog::Catalog;
use crate::tenant::SlaTarget;
use crate::text::Message;

/// What would do instead of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Remedy {
    /// A larger plan.
    Larger,
    /// The largest plan, grown; a plan that is named does not grow.
    Grown,
}

/// A warning for each shortage of a plan; `enough` is the plan that the calculator would choose.
pub(super) fn warnings(catalog: &Catalog, fit: &Fit, enough: &Fit, sla: &SlaTarget) -> Vec<SizingWarning> {
    let remedy = if enough.preset == fit.preset { Remedy::Grown } else { Remedy::Larger };
    fit.shortages(sla)
        .into_iter()
        .map(|shortage| SizingWarning {
            message: message(catalog, fit, sla, shortage, remedy).with("preset", enough.preset),
            short_of: shortage.as_str().to_owned(),
            suggested_preset: enough.preset,
        })
        .collect()
}

fn message(catalog: &Catalog, fit: &Fit, sla: &SlaTarget, shortage: Shortage, remedy: Remedy) -> Message {
    let new = |larger, grown| Message::new(if remedy == Remedy::Larger { larger } else { grown });
    let (needed, plan) = (&fit.needed, &fit.resources);
    match shortage {
        Shortage::Cpu => new("sizing.short_of_cpu", "sizing.short_of_cpu_in_largest")
            .with("needed", needed.cpu_text())
            .with("available", plan.cpu_text()),
        Shortage::Memory => new("sizing.short_of_memory", "sizing.short_of_memory_in_largest")
            .with("needed", needed.memory_text())
            .with("available", plan.memory_text()),
        Shortage::Gpu => new("sizing.short_of_gpu", "sizing.short_of_gpu_in_largest")
            .with("needed", needed.gpu)
            .with("available", plan.gpu),
        Shortage::Storage => new("sizing.short_of_storage", "sizing.short_of_storage_in_largest")
            .with("needed", needed.storage_text())
            .with("available", plan.storage_text()),
        Shortage::ResponseTime => {
            let fastest = fastest_response_ms(catalog).ceil();
            let unreachable = f64::from(sla.response_time_ms) < fastest;
            let message = if unreachable {
                Message::new("sizing.response_time_unreachable").with("fastest", format!("{fastest}ms"))
            } else {
                new("sizing.short_of_response_time", "sizing.short_of_response_time_in_largest")
            };
            message
                .with("expected", format!("{:.0}ms", fit.response_time_ms.ceil()))
                .with("target", format!("{}ms", sla.response_time_ms))
        }
        Shortage::Availability => {
            let everything = sla.availability.fraction() >= 1.0;
            let message = if everything {
                Message::new("sizing.availability_unreachable")
            } else {
                new("sizing.short_of_availability", "sizing.short_of_availability_in_largest")
            };
            message.with("expected", percent(1.0 - fit.unavailability)).with("target", sla.availability)
        }
    }
}

/// A share in percent, rounded down to the four decimals that availabilities have.
fn percent(share: f64) -> String {
    let text = format!("{:.4}", (share * 1e6 + 1e-6).floor() / 1e4);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}
