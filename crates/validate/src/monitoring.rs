//! Schemas of the Prometheus operator's kinds that the renderer makes.
//!
//! Source: the operator's API reference, `monitoring.coreos.com/v1`. Fields that manifests of
//! this product do not use are accepted by name and not looked into.

use super::rules::Rule;
use super::schema::{Field, Keys, Shape, ShapeId, Shapes};

/// API version of the kinds.
pub(super) const API_VERSION: &str = "monitoring.coreos.com/v1";

static DURATION: Rule = Rule::Duration;
static NOT_EMPTY: Rule = Rule::NotEmpty;
static SCHEME: Rule = Rule::OneOf(&["http", "https", "HTTP", "HTTPS"]);
static RELABEL_ACTION: Rule = Rule::OneOf(&[
    "replace",
    "Replace",
    "keep",
    "Keep",
    "drop",
    "Drop",
    "hashmod",
    "HashMod",
    "labelmap",
    "LabelMap",
    "labeldrop",
    "LabelDrop",
    "labelkeep",
    "LabelKeep",
    "lowercase",
    "Lowercase",
    "uppercase",
    "Uppercase",
    "keepequal",
    "KeepEqual",
    "dropequal",
    "DropEqual",
]);
static SELECTION: Rule = Rule::OneOf(&["EndpointSlice", "RoleSelector", "RelabelConfig"]);

/// Kinds and their shapes.
pub(super) fn shapes(shapes: &mut Shapes) -> [(&'static str, ShapeId); 2] {
    let metadata = shapes.definition("meta.v1.ObjectMeta");
    let selector = shapes.definition("meta.v1.LabelSelector");
    let basic = Basic::new(shapes);
    let service_monitor = service_monitor(shapes, &basic, selector);
    let prometheus_rule = prometheus_rule(shapes, &basic);
    [("ServiceMonitor", service_monitor), ("PrometheusRule", prometheus_rule)].map(|(kind, spec)| {
        let fields = vec![
            optional("apiVersion", basic.text),
            optional("kind", basic.text),
            required("metadata", metadata),
            required("spec", spec),
            optional("status", basic.anything),
        ];
        (kind, shapes.add_object(kind, fields))
    })
}

/// Shapes that many fields share.
struct Basic {
    anything: ShapeId,
    text: ShapeId,
    texts: ShapeId,
    map: ShapeId,
    number: ShapeId,
    flag: ShapeId,
    port: ShapeId,
}

impl Basic {
    fn new(shapes: &mut Shapes) -> Self {
        let text = shapes.add(Shape::Text);
        Self {
            anything: shapes.add(Shape::Anything),
            text,
            texts: shapes.add(Shape::List(text)),
            map: shapes.add(Shape::Map(text)),
            number: shapes.add(Shape::Integer64),
            flag: shapes.add(Shape::Boolean),
            port: shapes.add(Shape::IntegerOrText),
        }
    }
}

fn optional(name: &'static str, shape: ShapeId) -> Field {
    Field { name, shape, rule: None, required: false, keys: None }
}

fn required(name: &'static str, shape: ShapeId) -> Field {
    Field { required: true, ..optional(name, shape) }
}

fn ruled(name: &'static str, shape: ShapeId, rule: &'static Rule) -> Field {
    Field { rule: Some(rule), ..optional(name, shape) }
}

fn all(names: &[&'static str], shape: ShapeId) -> impl Iterator<Item = Field> {
    names.iter().map(move |name| optional(name, shape))
}

fn service_monitor(shapes: &mut Shapes, basic: &Basic, selector: ShapeId) -> ShapeId {
    let mut endpoint = vec![
        ruled("interval", basic.text, &DURATION),
        ruled("scheme", basic.text, &SCHEME),
        ruled("scrapeTimeout", basic.text, &DURATION),
        optional("targetPort", basic.port),
    ];
    endpoint.extend(all(&["bearerTokenFile", "path", "port", "proxyUrl", "noProxy"], basic.text));
    let flags = [
        "enableHttp2",
        "filterRunning",
        "followRedirects",
        "honorLabels",
        "honorTimestamps",
        "proxyFromEnvironment",
        "trackTimestampsStaleness",
    ];
    endpoint.extend(all(&flags, basic.flag));
    let deep = [
        "authorization",
        "basicAuth",
        "bearerTokenSecret",
        "oauth2",
        "params",
        "proxyConnectHeader",
        "tlsConfig",
    ];
    endpoint.extend(all(&deep, basic.anything));
    let relabelings = relabelings(shapes, basic);
    endpoint.extend(all(&["metricRelabelings", "relabelings"], relabelings));
    let endpoint = shapes.add_object("Endpoint", endpoint);
    let endpoints = shapes.add(Shape::List(endpoint));
    let namespaces = shapes.add_object(
        "NamespaceSelector",
        vec![optional("any", basic.flag), optional("matchNames", basic.texts)],
    );
    let mut spec = vec![
        Field { rule: Some(&NOT_EMPTY), ..required("endpoints", endpoints) },
        optional("namespaceSelector", namespaces),
        required("selector", selector),
        ruled("selectorMechanism", basic.text, &SELECTION),
        optional("convertClassicHistogramsToNHCB", basic.flag),
        optional("scrapeClassicHistograms", basic.flag),
        optional("scrapeNativeHistograms", basic.flag),
        optional("serviceDiscoveryRole", basic.text),
        optional("nativeHistogramMinBucketFactor", basic.port),
    ];
    spec.extend(all(&["bodySizeLimit", "fallbackScrapeProtocol", "jobLabel", "scrapeClass"], basic.text));
    spec.extend(all(&["podTargetLabels", "scrapeProtocols", "targetLabels"], basic.texts));
    let limits = [
        "keepDroppedTargets",
        "labelLimit",
        "labelNameLengthLimit",
        "labelValueLengthLimit",
        "nativeHistogramBucketLimit",
        "sampleLimit",
        "targetLimit",
    ];
    spec.extend(all(&limits, basic.number));
    spec.push(optional("attachMetadata", basic.anything));
    shapes.add_object("ServiceMonitorSpec", spec)
}

fn relabelings(shapes: &mut Shapes, basic: &Basic) -> ShapeId {
    let mut fields = vec![
        ruled("action", basic.text, &RELABEL_ACTION),
        optional("modulus", basic.number),
        optional("sourceLabels", basic.texts),
    ];
    fields.extend(all(&["regex", "replacement", "separator", "targetLabel"], basic.text));
    let config = shapes.add_object("RelabelConfig", fields);
    shapes.add(Shape::List(config))
}

fn prometheus_rule(shapes: &mut Shapes, basic: &Basic) -> ShapeId {
    let rule = shapes.add_object(
        "Rule",
        vec![
            optional("alert", basic.text),
            optional("annotations", basic.map),
            required("expr", basic.port),
            ruled("for", basic.text, &DURATION),
            ruled("keep_firing_for", basic.text, &DURATION),
            optional("labels", basic.map),
            optional("record", basic.text),
        ],
    );
    let rules = shapes.add(Shape::List(rule));
    let group = shapes.add_object(
        "RuleGroup",
        vec![
            ruled("interval", basic.text, &DURATION),
            optional("labels", basic.map),
            optional("limit", basic.number),
            required("name", basic.text),
            optional("partial_response_strategy", basic.text),
            ruled("query_offset", basic.text, &DURATION),
            optional("rules", rules),
        ],
    );
    let groups = shapes.add(Shape::List(group));
    shapes.add_object(
        "PrometheusRuleSpec",
        vec![Field { keys: Some(Keys::Fields(vec!["name"])), ..optional("groups", groups) }],
    )
}
