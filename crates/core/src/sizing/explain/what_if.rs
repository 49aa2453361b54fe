//! What would be otherwise: with more load, with another figure where one is assumed, and what is left of the
//! price.

use super::{number, round};
use crate::catalog::Catalog;
use crate::sizing::capacity::{self, Fit};
use crate::sizing::demand::Work;
use crate::sizing::{Demand, Model, Share, SizedFor, Sizing, size};
use serde_json::{Value, json};

/// Percent more load, and percent by which an assumed figure is taken to be wrong.
const PERCENT: f64 = 10.0;

/// What is left of the list price when the operator's cost is paid; below 0 it is said.
pub(super) fn margin(sizing: &Sizing) -> Value {
    let margin = sizing.margin_usd();
    json!({
        "list_price_usd": sizing.list_price_usd,
        "operator_cost_usd": sizing.operator_cost_usd,
        "margin_usd": margin,
        "list_price_is_below_cost": margin < 0,
    })
}

/// What the next tenth of load would change.
pub(super) fn sensitivity(model: &Model<'_>, sizing: &Sizing) -> Value {
    let mut options = model.demand.options.clone();
    let grown = (1.0 + options.growth.fraction()) * (1.0 + PERCENT / 100.0) - 1.0;
    options.growth = Share((grown * 1e6).round().min(f64::from(u32::MAX)) as u32);
    let demand = Demand { options, ..model.demand.clone() };
    let more = Model::new(model.catalog, &demand);
    let with = size(model.catalog, &demand);
    let short = |sizing: &Sizing| -> Vec<String> {
        sizing.warnings.iter().map(|warning| warning.short_of.clone()).collect()
    };
    json!({
        "load_percent": PERCENT,
        "changes_plan": with.preset != sizing.preset || with.resources != sizing.resources,
        "preset": with.preset,
        "resources": with.resources,
        "gpu_type": with.gpu_type,
        "list_price_usd": with.list_price_usd,
        "operator_cost_usd": with.operator_cost_usd,
        "response_time_ms": number(round(more.fit.response_time_ms)),
        "gpu_utilization": number(round(more.fit.utilization)),
        "short_of": short(&with),
        "was_short_of": short(sizing),
    })
}

/// A figure that the catalog assumes.
struct Assumption {
    path: String,
    get: fn(&Catalog) -> f64,
    set: fn(&mut Catalog, f64),
    is_share: bool,
}

macro_rules! assumption {
    ($($field:ident).+, $is_share:expr) => {
        Assumption {
            path: stringify!($($field).+).replace(' ', ""),
            get: |catalog| catalog.$($field).+,
            set: |catalog, value| catalog.$($field).+ = value,
            is_share: $is_share,
        }
    };
}

/// The figures that are assumed, the one that matters most first: by how many percent at most the need of
/// any resource, or the response time, changes in the same plan where the figure is a tenth larger or smaller.
pub(super) fn assumptions(model: &Model<'_>) -> Vec<Value> {
    let mut assumed = vec![
        assumption!(gpu.tts_cache_share, true),
        Assumption {
            path: "gpu.service_time_ms".to_owned(),
            get: |catalog| catalog.gpu.service_time_ms,
            set: |catalog, value| {
                // What a device takes by itself is as uncertain.
                let factor = value / catalog.gpu.service_time_ms;
                catalog.gpu.service_time_ms = value;
                for device in &mut catalog.devices {
                    let times = &mut device.service_time_ms;
                    for time in [&mut times.tts, &mut times.nlp, &mut times.aicm].into_iter().flatten() {
                        *time *= factor;
                    }
                }
            },
            is_share: false,
        },
        assumption!(cpu.stt_speech_share, true),
        assumption!(memory.mib_per_voice_channel, false),
        assumption!(memory.mib_per_chat_user, false),
        assumption!(storage.gb_per_service, false),
        assumption!(storage.recording_days, false),
    ];
    let options = &model.demand.options;
    if options.sized_for == SizedFor::BusyHour {
        assumed.push(Assumption {
            path: "services.*.busy_hour_share".to_owned(),
            get: |_| 1.0,
            set: |catalog, factor| {
                catalog.services.values_mut().for_each(|service| service.busy_hour_share *= factor);
            },
            is_share: false,
        });
    }
    let mut effects: Vec<(f64, Value)> = assumed.iter().map(|assumption| effect(model, assumption)).collect();
    effects.sort_by(|left, right| right.0.total_cmp(&left.0));
    effects.into_iter().map(|(_, effect)| effect).collect()
}

fn effect(model: &Model<'_>, assumption: &Assumption) -> (f64, Value) {
    let assumed = (assumption.get)(model.catalog);
    let most = if assumption.is_share { 1.0 } else { f64::INFINITY };
    let before = outcomes(&model.fit, &model.work);
    let mut worst = (0.0_f64, "", assumed);
    for factor in [1.0 - PERCENT / 100.0, 1.0 + PERCENT / 100.0] {
        let value = (assumed * factor).min(most);
        let mut catalog = model.catalog.clone();
        (assumption.set)(&mut catalog, value);
        let work = Work::of(&catalog, model.demand);
        let after = outcomes(&capacity::listed(&catalog, model.fit.preset, &work, model.demand), &work);
        let listed = capacity::listed(model.catalog, model.fit.preset, &model.work, model.demand);
        let before = if listed == model.fit { before } else { outcomes(&listed, &model.work) };
        for ((name, was), (_, is)) in before.iter().zip(after) {
            let percent = (is / was - 1.0) * 100.0;
            if percent.is_finite() && percent.abs() > worst.0.abs() {
                worst = (percent, *name, value);
            }
        }
    }
    let value = json!({
        "catalog": assumption.path,
        "assumed": assumed,
        "taken": worst.2,
        "changes": if worst.1.is_empty() { Value::Null } else { json!(worst.1) },
        "percent": round(worst.0),
    });
    (worst.0.abs(), value)
}

/// What the work needs, and the response time in the plan.
fn outcomes(fit: &Fit, work: &Work) -> [(&'static str, f64); 5] {
    [
        ("gpu_load", fit.gpu_load),
        // Without requests to GPUs there is none.
        ("response_time_ms", if fit.gpu_load > 0.0 { fit.response_time_ms } else { 0.0 }),
        ("cpu_wanted", fit.needs.cpu.good),
        ("memory", fit.needs.memory.least),
        ("storage", work.storage_gb),
    ]
}
