//! The figures of the device that was chosen, each with where the catalog has it from.

use super::{Label, figure, from};
use crate::catalog::{Device, DeviceFigure};
use crate::sizing::demand::service_time_ms;
use crate::sizing::{Model, Stage};
use serde_json::{Value, json};

pub(super) fn figures(model: &Model<'_>) -> Vec<Value> {
    let device = model.catalog.device(&model.fit.gpu_type);
    let plain = DeviceFigure::ALL.into_iter().filter_map(|wanted| {
        let (label, source) = origin(device, wanted);
        let value = device.value_of(wanted)?;
        Some(as_it_stands(wanted.as_str(), value, wanted.unit(), label, source))
    });
    let times = Stage::ALL.into_iter().filter(|stage| stage.is_on_gpu()).map(|stage| {
        let (label, source) = time_origin(device, stage);
        let name = format!("service_time_ms_{}", stage.as_str());
        as_it_stands(&name, service_time_ms(model.catalog, device, stage), "ms", label, source)
    });
    plain.chain(times).collect()
}

fn as_it_stands(name: &str, value: f64, unit: &'static str, label: Label, source: String) -> Value {
    figure(
        &format!("device_{name}"),
        "catalog",
        json!({ "catalog": value }),
        value,
        from(unit, label, source),
    )
}

fn origin(device: &Device, figure: DeviceFigure) -> (Label, String) {
    let key = format!("catalog devices.{}.{}", device.name, figure.as_str());
    match device.source_of(figure) {
        Some(said) => (said.label.into(), format!("{key}: {}, {}", said.source, said.date)),
        None => (Label::Assumed, format!("{key}: the catalog does not say where it is from")),
    }
}

/// Where the time of a stage's request is from: the device's own, or the one of all devices.
pub(super) fn time_origin(device: &Device, stage: Stage) -> (Label, String) {
    match device.service_time_ms.of(stage) {
        Some(_) => origin(device, DeviceFigure::ServiceTimeMs),
        None => (Label::Assumed, "catalog gpu.service_time_ms".to_owned()),
    }
}
