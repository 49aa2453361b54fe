//! Walks an object along its schema and reports everything that does not fit.

use super::amount;
use super::findings::{Findings, Place};
use super::format::{self, nearest, shortened};
use super::rules::Rule;
use super::scalar::is_old_boolean;
use super::schema::{Field, ObjectShape, Shape, ShapeId, Shapes};
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

/// Checks a value against a shape and everything below it.
pub(super) fn check(findings: &mut Findings, shapes: &Shapes, node: Node<'_>, shape: ShapeId) {
    Walk { findings, shapes }.value(node, shape, None);
}

struct Walk<'w> {
    findings: &'w mut Findings,
    shapes: &'w Shapes,
}

impl Walk<'_> {
    fn value(&mut self, node: Node<'_>, shape: ShapeId, rule: Option<&Rule>) {
        let shapes = self.shapes;
        let shape = shapes.get(shape);
        match shape {
            Shape::Object(object) => self.object(node, object),
            Shape::Map(values) => self.map(node, *values, rule),
            Shape::List(items) => self.list(node, *items, rule),
            _ => self.scalar(node, shape, rule),
        }
    }

    fn object(&mut self, node: Node<'_>, object: &ObjectShape) {
        if node.kind() != Kind::Mapping {
            return self.wrong_type(node, MAPPING);
        }
        for child in node.children() {
            match object.field(child.key()) {
                None => self.unknown_field(child, object),
                Some(_) if child.kind() == Kind::Null => {}
                Some(field) => self.value(child, field.shape, field.rule),
            }
        }
        for field in object.fields.iter().filter(|field| field.required && node.get(&field.name).is_none()) {
            missing_field(self.findings, node, &field.name);
        }
    }

    fn map(&mut self, node: Node<'_>, values: ShapeId, rule: Option<&Rule>) {
        if node.kind() != Kind::Mapping {
            return self.wrong_type(node, MAPPING);
        }
        for child in node.children() {
            match rule {
                Some(Rule::Labels) => self.label(child),
                Some(Rule::QualifiedKeys) if !format::is_qualified_name(child.key()) => {
                    self.bad_text(Place::Key(child), "validate.schema.key", child.key());
                }
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
        for item in node.children() {
            self.value(item, items, rule);
        }
    }

    fn scalar(&mut self, node: Node<'_>, shape: &Shape, rule: Option<&Rule>) {
        let kind = node.kind();
        let expected = match (shape, kind) {
            (Shape::Anything, _) => return,
            (Shape::Text, Kind::Text) => return self.rule(node, rule),
            (Shape::Bytes, Kind::Text) => {
                if !format::is_base64(node.text()) {
                    self.findings.error(node, || Message::new("validate.schema.base64"));
                }
                return;
            }
            (Shape::Time, Kind::Text) => {
                if node.text().parse::<jiff::Timestamp>().is_err() {
                    self.bad_text(node.into(), "validate.schema.time", node.text());
                }
                return;
            }
            (Shape::Integer32 | Shape::Integer64, Kind::Integer) => return self.integer(node, shape, rule),
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
            (Shape::IntegerOrText, Kind::Integer | Kind::Text) => return self.rule(node, rule),
            (Shape::Quantity, Kind::Integer | Kind::Float | Kind::Text) => return self.quantity(node),
            (Shape::Text | Shape::Bytes | Shape::Time, _) => TEXT,
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
            Some(value) if matches!(shape, Shape::Integer32) && !(bounds.0..=bounds.1).contains(&value) => {
                self.out_of_range(node, bounds);
            }
            _ => self.rule(node, rule),
        }
    }

    fn quantity(&mut self, node: Node<'_>) {
        // The API server takes a number as its text, and the text must be a quantity.
        if amount::parse(node.text()).is_none() {
            self.bad_text(node.into(), "validate.schema.quantity", node.text());
        }
    }

    fn rule(&mut self, node: Node<'_>, rule: Option<&Rule>) {
        let Some(rule) = rule else { return };
        let text = node.text();
        let (holds, key) = match rule {
            Rule::OneOf(words) => {
                if !words.contains(&text) {
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
            Rule::Port => match node.as_integer() {
                Some(port) => {
                    if !(1..=65_535).contains(&port) {
                        self.out_of_range(node, (1, 65_535));
                    }
                    return;
                }
                None => (format::is_port_name(text), "validate.schema.port_name"),
            },
            Rule::PortName => (format::is_port_name(text), "validate.schema.port_name"),
            Rule::Label => (is_dns_1123_label(text), "validate.schema.label"),
            Rule::Subdomain => (format::is_dns_subdomain(text), "validate.schema.subdomain"),
            Rule::Image => (format::is_image(text), "validate.schema.image"),
            Rule::EnvName => (format::is_env_name(text), "validate.schema.env_name"),
            Rule::AbsolutePath => (text.starts_with('/'), "validate.schema.absolute_path"),
            Rule::Schedule => (format::is_schedule(text), "validate.schema.schedule"),
            Rule::Duration => (format::is_duration(text), "validate.schema.duration"),
            Rule::Labels | Rule::QualifiedKeys | Rule::ConfigKeys | Rule::NotEmpty => return,
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
            let name = |field: &Field| field.name.clone();
            let message = match nearest(child.key(), object.fields.iter().map(|field| field.name.as_str())) {
                Some(near) => Message::new("validate.schema.unknown_field.near").with("nearest", near),
                None => {
                    let mut names: Vec<String> =
                        object.fields.iter().take(MAX_NAMES_SHOWN).map(name).collect();
                    if object.fields.len() > MAX_NAMES_SHOWN {
                        names.push("…".to_owned());
                    }
                    Message::new("validate.schema.unknown_field").with("allowed", names.join(", "))
                }
            };
            message.with("field", shortened(child.key())).with("object", &object.name)
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
