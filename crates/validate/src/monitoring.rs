//! The Prometheus operator's kinds that users write, by the operator's own definitions.
//!
//! `schemas/monitoring.json` is made by `schemas/monitoring.py` from what the operator publishes (0.85). A definition
//! of the same input or of a file beside it goes before.

use super::schema::{Field, Shape, ShapeId, Shapes};
use super::schemas::Schemas;
use std::sync::LazyLock;

/// API version of the kinds.
pub(super) const API_VERSION: &str = "monitoring.coreos.com/v1";

/// The pattern of a duration there, which a finding calls by its name.
pub(super) const DURATION: &str =
    "^(0|(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$";

static PACKED: &str = include_str!("../schemas/monitoring.json");

/// The definitions.
pub(super) static DEFINITIONS: LazyLock<Schemas> = LazyLock::new(|| {
    let mut definitions = Schemas::default();
    if let Ok(serde_json::Value::Object(kinds)) = serde_json::from_str(PACKED) {
        for (kind, schema) in kinds {
            definitions.add_schema(API_VERSION, &kind, schema);
        }
    }
    definitions
});

/// Kinds and their shapes, which leave what they hold to their definitions.
pub(super) fn shapes(shapes: &mut Shapes) -> [(&'static str, ShapeId); 4] {
    let metadata = shapes.definition("meta.v1.ObjectMeta");
    let (anything, text) = (shapes.add(Shape::Anything), shapes.add(Shape::Text));
    ["PodMonitor", "Probe", "PrometheusRule", "ServiceMonitor"].map(|kind| {
        let fields = [
            ("apiVersion", text),
            ("kind", text),
            ("metadata", metadata),
            ("spec", anything),
            ("status", anything),
        ];
        let field = |(name, shape)| Field {
            name,
            shape,
            rule: None,
            required: name == "metadata",
            dropped: false,
            keys: None,
        };
        (kind, shapes.add_object(kind, fields.into_iter().map(field).collect()))
    })
}
