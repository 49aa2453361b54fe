//! Walks an object along its schema and reports everything that does not fit.

use super::amount;
use super::dropped;
use super::findings::{Findings, Place};
use super::format::{self, nearest, shortened};
use super::kinds::{Release, registry};
use super::rules::Rule;
use super::scalar::is_old_boolean;
use super::schema::{Field, Keys, ObjectShape, Shape, ShapeId, Shapes};
use super::tree::{Kind, Node};
use ecp_core::ids::is_dns_1123_label;
use ecp_core::text::Message;

/// Most field names that a message lists.
const MAX_NAMES_SHOWN: usize = 12;

const TEXT: &str = "validate.schema.wrong_type.text";
const INTEGER: &str = "validate.schema.wrong_type.integer";
const NUMBER: &str = "validate.schema.wrong_type.number";
const BOOLEAN: &str = "validate.schema.wrong_type.boolean";
const INTEGER_OR_TEXT: &str = "validate.schema.wrong_type.integer_or_text";
const QUANTITY: &str = "validate.schema.wrong_type.quantity";
const LIST: &str = "validate.schema.wrong_type.list";
const MAPPING: &str = "validate.schema.wrong_type.mapping";

/// Checks a value against a shape and everything below it. Of a `status` only the types count: the
/// server reads it and throws it away.
pub(super) fn check(findings: &mut Findings, release: Release, node: Node<'_>, shape: ShapeId) {
    let shapes = &registry(release).shapes;
    let is_applied = !is_asked(node) && node.at(&["metadata", "name"]).is_some_and(|name| !name.is_empty());
    let mut walk = Walk { findings, shapes, release, types_alone: false, is_applied, is_open: false };
    let Shape::Object(object) = shapes.get(shape) else { return };
    walk.object(node, object);
}

/// A question to the server, which keeps none and looks at little of their metadata.
fn is_asked(root: Node<'_>) -> bool {
    let kind = root.str_at("kind");
    kind == "Binding" || kind.ends_with("Review")
}

struct Walk<'w> {
    findings: &'w mut Findings,
    shapes: &'w Shapes,
    release: Release,
    types_alone: bool,
    /// It has a name, and so can be applied.
    is_applied: bool,
    /// Within a part that is read apart, where nobody sees fields that are not known.
    is_open: bool,
}

/// Lists that only a server-side apply tells the items of apart; at a creation they are what they are.
const APPLIED_LISTS: [&str; 6] =
    ["addresses", "finalizers", "hostAliases", "imagePullSecrets", "ownerReferences", "secrets"];

impl Walk<'_> {
    fn value(&mut self, node: Node<'_>, shape: ShapeId, rule: Option<&Rule>) {
        let shapes = self.shapes;
        let shape = shapes.get(shape);
        match shape {
            Shape::Object(object) => self.object(node, object),
            Shape::Map(values) => self.map(node, *values, rule),
            Shape::List(items) => self.list(node, *items, rule),
            Shape::FreeObject if node.kind() != Kind::Mapping => self.wrong_type(node, MAPPING),
            _ => self.scalar(node, shape, rule),
        }
    }

    fn object(&mut self, node: Node<'_>, object: &ObjectShape) {
        if node.kind() != Kind::Mapping {
            return self.wrong_type(node, MAPPING);
        }
        if object.name == "PodSpec" {
            dropped::drop_image_volumes(node, self.release);
        }
        for child in node.written() {
            match object.field(child.key()) {
                None if self.is_open => {}
                None => self.unknown_field(child, object),
                Some(_) if child.kind() == Kind::Null => {}
                Some(field) if object.name == "JSONSchemaProps" && self.is_schema(child, field.name) => {
                    self.inner_schema(child, object);
                }
                Some(field) => {
                    let outer = self.types_alone;
                    // Of a template's metadata the server reads labels and annotations, and drops the rest.
                    let is_dropped = object.name == "ObjectMeta"
                        && (node.parent().parent() != node.parent() || is_asked(node.parent()))
                        && !matches!(field.name, "labels" | "annotations");
                    let is_root = node.parent() == node || object.name == "PersistentVolumeClaim";
                    if field.dropped && !dropped::is_kept(child) {
                        child.mark_dropped();
                        self.dropped(child);
                    }
                    self.types_alone |= is_dropped
                        || child.is_dropped()
                        || matches!(field.rule, Some(Rule::TypesAlone))
                        || (field.name == "status" && is_root);
                    self.value(child, field.shape, field.rule.filter(|_| !self.types_alone));
                    let has_own = matches!(
                        (object.name, field.name),
                        ("PodSpec", "containers" | "initContainers" | "volumes")
                            | ("Container", "env" | "ports" | "volumeMounts")
                            | ("ServiceSpec", "ports")
                    );
                    let is_told_apart = self.is_applied || !APPLIED_LISTS.contains(&field.name);
                    let keys = field.keys.as_ref().filter(|_| is_told_apart && !self.is_open);
                    // Who looks at those that are kept does not see the others.
                    let is_seen = has_own && !child.written().any(Node::is_dropped);
                    if let Some(keys) = keys.filter(|_| !is_seen) {
                        self.unique_items(child, keys);
                    }
                    self.types_alone = outer;
                }
            }
        }
        if object.name == "Lifecycle" {
            dropped::drop_emptied(node);
        }
        if self.types_alone {
            return;
        }
        for field in object.fields.iter().filter(|field| field.required) {
            match node.get(field.name) {
                None => missing_field(self.findings, node, field.name),
                Some(value) if value.kind() == Kind::Text && value.text().is_empty() => {
                    self.findings.error(value, || {
                        Message::new("validate.schema.missing_field.empty").with("field", field.name)
                    });
                }
                Some(_) => {}
            }
        }
    }

    /// A field of a schema that holds a schema and is read apart. What else it holds is not looked at, but for
    /// what is said of fields beyond those that are known: that is yes or no.
    fn is_schema(&mut self, node: Node<'_>, field: &str) -> bool {
        let of_others = matches!(field, "additionalProperties" | "additionalItems");
        if of_others && !matches!(node.kind(), Kind::Boolean | Kind::Mapping) {
            self.wrong_type(node, MAPPING);
        }
        of_others || field == "items"
    }

    fn inner_schema(&mut self, node: Node<'_>, object: &ObjectShape) {
        let outer = std::mem::replace(&mut self.is_open, true);
        let parts = node.children().filter(|_| node.kind() == Kind::Sequence);
        for schema in parts.chain(std::iter::once(node)).filter(|part| part.kind() == Kind::Mapping) {
            self.object(schema, object);
        }
        self.is_open = outer;
    }

    /// Items whose keys are equal: a server-side apply can not tell them apart.
    fn unique_items(&mut self, list: Node<'_>, keys: &Keys) {
        let identity = |item: Node<'_>| -> String {
            match keys {
                Keys::Value => item.text().to_owned(),
                Keys::Fields(fields) => fields
                    .iter()
                    .map(|field| match (*field, item.str_at(field)) {
                        ("protocol", "") => "TCP",
                        (_, text) => text,
                    })
                    .collect::<Vec<_>>()
                    .join(", "),
            }
        };
        if let Some(nothing) = list.written().find(|item| item.kind() == Kind::Null) {
            self.findings.error(nothing, || Message::new("validate.yaml.null_item"));
        }
        let mut items = list.written();
        let (Some(first), Some(second)) = (items.next(), items.next()) else { return };
        let mut seen = std::collections::HashSet::new();
        for item in [first, second].into_iter().chain(items) {
            let identity = identity(item);
            if !seen.insert(identity.clone()) {
                let place = match keys {
                    Keys::Fields(fields) => item.get(fields[0]).unwrap_or(item),
                    Keys::Value => item,
                };
                self.findings.error(place, || {
                    Message::new("validate.schema.duplicate_item")
                        .with("value", shortened(&identity))
                        .with("list", list.key())
                });
            }
        }
    }

    fn map(&mut self, node: Node<'_>, values: ShapeId, rule: Option<&Rule>) {
        if node.kind() != Kind::Mapping {
            return self.wrong_type(node, MAPPING);
        }
        for child in node.children() {
            match rule {
                Some(Rule::Labels) => self.label(child),
                Some(Rule::ConfigKeys) if !format::is_config_key(child.key()) => {
                    self.bad_text(Place::Key(child), "validate.schema.config_key", child.key());
                }
                _ => {}
            }
            if child.kind() != Kind::Null {
                self.value(child, values, None);
            }
        }
    }

    fn label(&mut self, label: Node<'_>) {
        if !format::is_qualified_name(label.key()) {
            self.bad_text(Place::Key(label), "validate.schema.key", label.key());
        }
        if label.as_text().is_some_and(|value| !format::is_label_value(value)) {
            self.bad_text(label.into(), "validate.schema.label_value", label.text());
        }
    }

    fn list(&mut self, node: Node<'_>, items: ShapeId, rule: Option<&Rule>) {
        if node.kind() != Kind::Sequence {
            return self.wrong_type(node, LIST);
        }
        if matches!(rule, Some(Rule::NotEmpty)) && node.children().next().is_none() {
            self.findings
                .error(node, || Message::new("validate.schema.empty_list").with("field", node.key()));
        }
        for item in node.written() {
            let outer = self.types_alone;
            if item.is_dropped() {
                self.types_alone = true;
                self.dropped(item);
            }
            match (item.kind(), self.shapes.get(items)) {
                // Nothing is the empty text, zero, or an object without fields.
                (Kind::Null, Shape::Object(object)) => {
                    for field in object.fields.iter().filter(|field| field.required && !self.types_alone) {
                        missing_field(self.findings, item, field.name);
                    }
                }
                (Kind::Null, _) => {
                    if let Some(Rule::OneOf(words)) = rule
                        && !words.contains(&"")
                        && !self.types_alone
                    {
                        self.not_allowed(item, words);
                    }
                }
                _ => self.value(item, items, rule.filter(|_| !self.types_alone)),
            }
            self.types_alone = outer;
        }
    }

    /// Says that the server keeps nothing of it.
    fn dropped(&mut self, node: Node<'_>) {
        let release = self.release.as_str();
        // An item goes by the name of its list.
        let name = if node.key().is_empty() { node.parent().key() } else { node.key() };
        self.findings.warning(Place::Key(node), || {
            Message::new("validate.schema.dropped").with("field", name).with("release", release)
        });
    }

    fn scalar(&mut self, node: Node<'_>, shape: &Shape, rule: Option<&Rule>) {
        let kind = node.kind();
        let expected = match (shape, kind) {
            (Shape::Anything | Shape::FreeObject, _) => return,
            (Shape::Text, Kind::Text) => return self.rule(node, rule),
            (Shape::Bytes, Kind::Text) => {
                if !format::is_base64(node.text()) {
                    self.findings.error(node, || Message::new("validate.schema.base64"));
                }
                return;
            }
            (Shape::Time | Shape::MicroTime, Kind::Text) => {
                if !format::is_time(node.text(), matches!(shape, Shape::MicroTime)) {
                    self.bad_text(node.into(), "validate.schema.time", node.text());
                }
                return;
            }
            (Shape::Integer32 | Shape::Integer64, Kind::Integer) => return self.integer(node, shape, rule),
            (Shape::Integer32 | Shape::Integer64 | Shape::IntegerOrText, Kind::Float)
                if node.as_integer().is_some() =>
            {
                return self.integer(node, shape, rule);
            }
            (Shape::Number, Kind::Integer | Kind::Float) => return,
            (Shape::Boolean, Kind::Boolean) => {
                if is_old_boolean(node.text()) {
                    self.findings.warning(node, || {
                        Message::new("validate.yaml.ambiguous_boolean")
                            .with("value", node.text())
                            .with("plain", node.is_true())
                    });
                }
                return;
            }
            (Shape::IntegerOrText, Kind::Integer) => return self.integer(node, shape, rule),
            (Shape::IntegerOrText, Kind::Text) => return self.rule(node, rule),
            (Shape::Quantity, Kind::Integer | Kind::Float | Kind::Text) => return self.quantity(node, rule),
            (Shape::Text, Kind::Integer | Kind::Float | Kind::Boolean)
                if matches!(rule, Some(Rule::OneOf(_))) =>
            {
                // Quotes would not make it one of the words.
                return self.rule(node, rule);
            }
            (Shape::Text | Shape::Bytes | Shape::Time | Shape::MicroTime, _) => TEXT,
            (Shape::Integer32 | Shape::Integer64, _) => INTEGER,
            (Shape::Number, _) => NUMBER,
            (Shape::Boolean, _) => BOOLEAN,
            (Shape::IntegerOrText, _) => INTEGER_OR_TEXT,
            (Shape::Quantity, _) => QUANTITY,
            (Shape::Object(_) | Shape::Map(_) | Shape::List(_), _) => return,
        };
        self.wrong_type(node, expected);
    }

    fn integer(&mut self, node: Node<'_>, shape: &Shape, rule: Option<&Rule>) {
        let bounds = (i64::from(i32::MIN), i64::from(i32::MAX));
        match node.as_integer() {
            Some(value) if !matches!(shape, Shape::Integer64) && !(bounds.0..=bounds.1).contains(&value) => {
                self.out_of_range(node, bounds);
            }
            _ => self.rule(node, rule),
        }
    }

    fn quantity(&mut self, node: Node<'_>, rule: Option<&Rule>) {
        // The API server takes a number as its text, and the text must be a quantity.
        match amount::parse(node.text().trim_matches(' ')) {
            // A number is sent as YAML reads it, whatever its notation.
            None if node.as_integer().is_some_and(|number| number >= 0)
                || node.text().parse::<f64>().is_ok_and(|number| number >= 0.0 && number.is_finite())
                    && node.kind() == Kind::Float => {}
            None => self.bad_text(node.into(), "validate.schema.quantity", node.text()),
            Some(amount) if amount < 0 && matches!(rule, Some(Rule::NotNegative)) => {
                self.out_of_range(node, (0, i64::MAX));
            }
            Some(_) => {}
        }
    }

    fn rule(&mut self, node: Node<'_>, rule: Option<&Rule>) {
        let Some(rule) = rule else { return };
        let text = node.text();
        let unless_empty = |holds: fn(&str) -> bool| text.is_empty() || holds(text);
        let (holds, key) = match rule {
            Rule::OneOf(words) => {
                if node.kind() != Kind::Text || !words.contains(&text) {
                    self.not_allowed(node, words);
                }
                return;
            }
            Rule::Range(low, high) => {
                if node.as_integer().is_some_and(|value| !(*low..=*high).contains(&value)) {
                    self.out_of_range(node, (*low, *high));
                }
                return;
            }
            Rule::Mode => {
                if node.as_integer().is_some_and(|value| !(0..=0o777).contains(&value)) {
                    self.findings.error(node, || {
                        let octal =
                            text.bytes().all(|byte| (b'0'..=b'7').contains(&byte)) && !text.starts_with('0');
                        let key = if octal { "validate.schema.mode.octal" } else { "validate.schema.mode" };
                        Message::new(key).with("value", shortened(text))
                    });
                }
                return;
            }
            Rule::Port | Rule::PortOrNone => match node.as_integer() {
                Some(port) => {
                    let low = i64::from(matches!(rule, Rule::Port));
                    if !(low..=65_535).contains(&port) {
                        self.out_of_range(node, (1, 65_535));
                    }
                    return;
                }
                None if text.is_empty() && matches!(rule, Rule::PortOrNone) => return,
                None => (format::is_port_name(text), "validate.schema.port_name"),
            },
            Rule::PortName => (unless_empty(format::is_port_name), "validate.schema.port_name"),
            Rule::Label => (unless_empty(is_dns_1123_label), "validate.schema.label"),
            Rule::ServiceName => {
                let holds = if self.release >= Release::V1_36 {
                    is_dns_1123_label
                } else {
                    format::is_dns_1035_label
                };
                (unless_empty(holds), "validate.schema.service_name")
            }
            Rule::Subdomain => (unless_empty(format::is_dns_subdomain), "validate.schema.subdomain"),
            Rule::RequiredSubdomain => (format::is_dns_subdomain(text), "validate.schema.subdomain"),
            Rule::QualifiedName => (unless_empty(format::is_qualified_name), "validate.schema.key"),
            Rule::LabelValue => (format::is_label_value(text), "validate.schema.label_value"),
            Rule::ConfigKey => (unless_empty(format::is_config_key), "validate.schema.config_key"),
            Rule::NotEmptyText => (!text.is_empty(), "validate.schema.empty_text"),
            Rule::EnvName => (unless_empty(format::is_env_name), "validate.schema.env_name"),
            Rule::HeaderName => (format::is_header_name(text), "validate.schema.header"),
            Rule::AbsolutePath => {
                (unless_empty(|path| path.starts_with('/')), "validate.schema.absolute_path")
            }
            Rule::RelativePath => (unless_empty(format::is_descending_path), "validate.schema.relative_path"),
            Rule::FilePath => (
                unless_empty(|path| format::is_descending_path(path) && !path.starts_with("..")),
                "validate.schema.relative_path",
            ),
            Rule::NoBacksteps => (!text.split('/').any(|part| part == ".."), "validate.schema.backsteps"),
            Rule::PathSegment => (unless_empty(format::is_path_segment), "validate.schema.path_segment"),
            Rule::Controller => (unless_empty(format::is_domain_path), "validate.schema.controller"),
            Rule::Schedule => {
                if !text.is_empty()
                    && let Err(key) = format::check_schedule(text)
                {
                    self.bad_text(node.into(), key, text);
                }
                return;
            }
            Rule::TimeZone => (format::is_time_zone(text), "validate.schema.time_zone"),
            Rule::Labels | Rule::ConfigKeys | Rule::NotEmpty | Rule::NotNegative | Rule::TypesAlone => return,
        };
        if !holds {
            self.bad_text(node.into(), key, text);
        }
    }

    fn bad_text(&mut self, place: Place<'_>, key: &'static str, text: &str) {
        self.findings.error(place, || Message::new(key).with("value", shortened(text)));
    }

    fn out_of_range(&mut self, node: Node<'_>, (low, high): (i64, i64)) {
        self.findings.error(node, || {
            Message::new("validate.schema.out_of_range")
                .with("value", shortened(node.text()))
                .with("low", low)
                .with("high", high)
        });
    }

    fn not_allowed(&mut self, node: Node<'_>, words: &[&'static str]) {
        self.findings.error(node, || {
            let allowed =
                words.iter().filter(|word| !word.is_empty()).copied().collect::<Vec<_>>().join(", ");
            let message = match nearest(node.text(), words.iter().copied()) {
                Some(near) => Message::new("validate.schema.not_allowed.near").with("nearest", near),
                None => Message::new("validate.schema.not_allowed"),
            };
            message.with("value", shortened(node.text())).with("allowed", allowed)
        });
    }

    fn unknown_field(&mut self, child: Node<'_>, object: &ObjectShape) {
        self.findings.error(Place::Key(child), || {
            let name = |field: &Field| field.name;
            let message = match nearest(child.key(), object.fields.iter().map(|field| field.name)) {
                Some(near) => Message::new("validate.schema.unknown_field.near").with("nearest", near),
                None => {
                    let mut names: Vec<&str> = object.fields.iter().take(MAX_NAMES_SHOWN).map(name).collect();
                    if object.fields.len() > MAX_NAMES_SHOWN {
                        names.push("…");
                    }
                    Message::new("validate.schema.unknown_field").with("allowed", names.join(", "))
                }
            };
            message.with("field", shortened(child.key())).with("object", object.name)
        });
    }

    fn wrong_type(&mut self, node: Node<'_>, expected: &'static str) {
        self.findings.error(node, || {
            let value = match node.kind() {
                Kind::Sequence => "[…]".into(),
                Kind::Mapping => "{…}".into(),
                Kind::Null => "null".into(),
                _ => shortened(node.text()),
            };
            let key = match (expected, node.is_plain()) {
                (TEXT, true) => "validate.schema.wrong_type.unquoted",
                _ => expected,
            };
            Message::new(key).with("value", value)
        });
    }
}

/// Reports a field that an object lacks.
pub(super) fn missing_field<'t>(findings: &mut Findings, node: Node<'t>, field: &'t str) {
    findings.error(Place::Missing(node, field), || {
        Message::new("validate.schema.missing_field").with("field", field)
    });
}
