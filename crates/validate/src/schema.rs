//! The schemas of Kubernetes' kinds in a compact form, read once from the packed OpenAPI.
//!
//! `schemas/kubernetes.txt` is made by `schemas/generate.py` from what Kubernetes publishes, a line a
//! field: releases in which it exists (a bit each), name, form, and the keys of a list that is keyed.
//! A form is a letter for a scalar, `[` and `{` before the form of items and values, `@` before the
//! name of a definition, `!` behind what must be there. What the schemas leave to prose (allowed words,
//! ranges, the syntax of names) is in [`super::rules`]. Kinds outside Kubernetes are in
//! [`super::monitoring`].

use super::demanded;
use super::dropped;
use super::kinds::{KindInfo, Release};
use super::rules::{self, Rule};
use std::collections::HashMap;

static PACKED: &str = include_str!("../schemas/kubernetes.txt");

/// Place of a shape in [`Shapes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ShapeId(u32);

/// What a value must look like.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// Whatever.
    Anything,
    /// A mapping of whatever.
    FreeObject,
    /// A mapping of known fields.
    Object(ObjectShape),
    /// A mapping of free keys to one shape.
    Map(ShapeId),
    /// A list of one shape.
    List(ShapeId),
    /// Text.
    Text,
    /// Text in base64.
    Bytes,
    /// A time as RFC 3339 text.
    Time,
    /// A time as RFC 3339 text with six digits of the second.
    MicroTime,
    /// A whole number of 32 bits.
    Integer32,
    /// A whole number of 64 bits.
    Integer64,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A whole number or a text: a port, or a percentage.
    IntegerOrText,
    /// An amount such as `200m` or `4Gi`.
    Quantity,
}

/// A mapping of known fields.
#[derive(Clone, Debug)]
pub(super) struct ObjectShape {
    /// Short name for messages, such as `Container`.
    pub name: &'static str,
    /// Sorted by name.
    pub fields: Vec<Field>,
}

/// One field of an object.
#[derive(Clone, Debug)]
pub(super) struct Field {
    /// Name.
    pub name: &'static str,
    /// Shape of its value.
    pub shape: ShapeId,
    /// What the shape alone does not say.
    pub rule: Option<&'static Rule>,
    /// It must be there.
    pub required: bool,
    /// The release reads it and drops it.
    pub dropped: bool,
    /// What tells its items apart, where it is a list whose items stand once.
    pub keys: Option<Keys>,
}

/// What tells the items of a list apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    /// Their value.
    Value,
    /// These fields.
    Fields(Vec<&'static str>),
}

impl ObjectShape {
    /// The field of a name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        let place = self.fields.binary_search_by(|field| field.name.cmp(name)).ok()?;
        Some(&self.fields[place])
    }
}

/// All shapes of a release.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    shapes: Vec<Shape>,
    by_definition: HashMap<&'static str, ShapeId>,
}

/// What the packed schemas hold for a release.
pub(super) struct Packed {
    /// The shapes.
    pub shapes: Shapes,
    /// The kinds that are served.
    pub kinds: Vec<KindInfo>,
    /// Kinds of versions that are served only where they are switched on: API version, kind.
    pub switched_off: Vec<(&'static str, &'static str)>,
}

impl Shapes {
    /// The shape at a place.
    pub fn get(&self, id: ShapeId) -> &Shape {
        &self.shapes[id.0 as usize]
    }

    /// Adds a shape.
    pub fn add(&mut self, shape: Shape) -> ShapeId {
        self.shapes.push(shape);
        ShapeId(u32::try_from(self.shapes.len() - 1).unwrap_or(u32::MAX))
    }

    /// Adds an object; the fields may come in any order.
    pub fn add_object(&mut self, name: &'static str, mut fields: Vec<Field>) -> ShapeId {
        fields.sort_by(|a, b| a.name.cmp(b.name));
        self.add(Shape::Object(ObjectShape { name, fields }))
    }

    /// The shape of a definition such as `meta.v1.ObjectMeta`; anything where there is none yet.
    pub fn definition(&mut self, name: &'static str) -> ShapeId {
        if let Some(&id) = self.by_definition.get(name) {
            return id;
        }
        // Filled when its own lines are read; definitions may hold themselves.
        let id = self.add(Shape::Anything);
        self.by_definition.insert(name, id);
        id
    }

    fn form(&mut self, form: &'static str) -> ShapeId {
        let shape = match form.as_bytes().first() {
            Some(b'[') => Shape::List(self.form(&form[1..])),
            Some(b'{') => Shape::Map(self.form(&form[1..])),
            Some(b'@') => return self.definition(&form[1..]),
            Some(b's') => Shape::Text,
            Some(b'b') => Shape::Bytes,
            Some(b't') => Shape::Time,
            Some(b'u') => Shape::MicroTime,
            Some(b'i') => Shape::Integer32,
            Some(b'l') => Shape::Integer64,
            Some(b'n') => Shape::Number,
            Some(b'f') => Shape::Boolean,
            Some(b'x') => Shape::IntegerOrText,
            Some(b'q') => Shape::Quantity,
            Some(b'o') => Shape::FreeObject,
            _ => Shape::Anything,
        };
        self.add(shape)
    }
}

/// Reads the schemas of a release.
pub(super) fn read(release: Release) -> Packed {
    let mut packed = Packed { shapes: Shapes::default(), kinds: Vec::new(), switched_off: Vec::new() };
    let mut definition = "";
    let mut fields = Vec::new();
    for line in PACKED.lines() {
        let mut words = line.split(' ');
        let mut word = || words.next().unwrap_or("");
        match word() {
            "#" => {}
            "K" => {
                if is_in(word(), release) {
                    let (api_version, kind, namespaced) = (word(), word(), word() == "N");
                    let shape = Some(packed.shapes.definition(word()));
                    packed.kinds.push(KindInfo { api_version, kind, namespaced, shape });
                }
            }
            "O" => {
                if is_in(word(), release) {
                    packed.switched_off.push((word(), word()));
                }
            }
            "D" => {
                packed.close(definition, std::mem::take(&mut fields));
                definition = word();
            }
            mask => {
                if is_in(mask, release) {
                    let name = word();
                    let form = word();
                    let keys = word().strip_prefix('=').map(keys_of);
                    let shape = packed.shapes.form(form.trim_end_matches('!'));
                    let required = demanded::is_required(definition, name, form.ends_with('!'));
                    fields.push(Field {
                        name,
                        shape,
                        rule: rules::rule_for(definition, name),
                        required,
                        dropped: dropped::is_listed(definition, name, release),
                        keys,
                    });
                }
            }
        }
    }
    packed.close(definition, fields);
    packed
}

impl Packed {
    fn close(&mut self, definition: &'static str, mut fields: Vec<Field>) {
        if definition.is_empty() {
            return;
        }
        let id = self.shapes.definition(definition);
        let shape = match fields.as_slice() {
            // Not a mapping of known fields: what it is stands under `*`.
            [only] if only.name == "*" => self.shapes.get(only.shape).clone(),
            _ => {
                fields.sort_by(|a, b| a.name.cmp(b.name));
                let name = definition.rsplit('.').next().unwrap_or_default();
                Shape::Object(ObjectShape { name, fields })
            }
        };
        self.shapes.shapes[id.0 as usize] = shape;
    }
}

fn is_in(mask: &str, release: Release) -> bool {
    mask.parse::<u8>().is_ok_and(|mask| mask & release.bit() != 0)
}

fn keys_of(names: &'static str) -> Keys {
    if names.is_empty() { Keys::Value } else { Keys::Fields(names.split(',').collect()) }
}
