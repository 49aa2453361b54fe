//! The schemas of Kubernetes' kinds in a compact form, made once from the published OpenAPI.
//!
//! `k8s-openapi` carries the published schemas; what they leave to prose (allowed words, ranges,
//! the syntax of names) is in [`super::rules`]. Kinds outside Kubernetes are in
//! [`super::monitoring`].

use super::rules::{self, Rule};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::Value;
use std::collections::HashMap;

/// Place of a shape in [`Shapes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ShapeId(u32);

/// What a value must look like.
#[derive(Debug)]
pub(super) enum Shape {
    /// Whatever.
    Anything,
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
#[derive(Debug)]
pub(super) struct ObjectShape {
    /// Short name for messages, such as `Container`.
    pub name: String,
    /// Sorted by name.
    pub fields: Vec<Field>,
}

/// One field of an object.
#[derive(Debug)]
pub(super) struct Field {
    /// Name.
    pub name: String,
    /// Shape of its value.
    pub shape: ShapeId,
    /// What the shape alone does not say.
    pub rule: Option<&'static Rule>,
    /// It must be there.
    pub required: bool,
}

impl ObjectShape {
    /// The field of a name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        let place = self.fields.binary_search_by(|field| field.name.as_str().cmp(name)).ok()?;
        Some(&self.fields[place])
    }
}

/// All shapes.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    shapes: Vec<Shape>,
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
    pub fn add_object(&mut self, name: &str, mut fields: Vec<Field>) -> ShapeId {
        fields.sort_by(|a, b| a.name.cmp(&b.name));
        self.add(Shape::Object(ObjectShape { name: name.to_owned(), fields }))
    }
}

/// Turns published schemas into shapes; each definition once.
pub(super) struct Converter {
    generator: SchemaGenerator,
    by_definition: HashMap<String, ShapeId>,
    /// The shapes made so far.
    pub shapes: Shapes,
}

impl Converter {
    /// An empty one.
    pub fn new() -> Self {
        Self {
            generator: SchemaGenerator::default(),
            by_definition: HashMap::new(),
            shapes: Shapes::default(),
        }
    }

    /// The shape of a Rust type of `k8s-openapi`.
    pub fn shape_of<T: JsonSchema>(&mut self) -> ShapeId {
        // The reference that comes back is not needed: registering the definition is.
        let _ = self.generator.subschema_for::<T>();
        self.definition(&T::schema_name())
    }

    fn definition(&mut self, name: &str) -> ShapeId {
        if let Some(&id) = self.by_definition.get(name) {
            return id;
        }
        // Reserved before its fields are looked at, since definitions may hold themselves.
        let id = self.shapes.add(Shape::Anything);
        self.by_definition.insert(name.to_owned(), id);
        let schema = self.generator.definitions().get(name).cloned().unwrap_or(Value::Null);
        let shape = match name {
            "io.k8s.apimachinery.pkg.api.resource.Quantity" => Shape::Quantity,
            "io.k8s.apimachinery.pkg.util.intstr.IntOrString" => Shape::IntegerOrText,
            _ => self.shape_from(name, &schema),
        };
        self.shapes.shapes[id.0 as usize] = shape;
        id
    }

    fn convert(&mut self, schema: &Value) -> ShapeId {
        if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
            return self.definition(name);
        }
        let shape = self.shape_from("", schema);
        self.shapes.add(shape)
    }

    fn shape_from(&mut self, definition: &str, schema: &Value) -> Shape {
        match (schema["type"].as_str(), schema["format"].as_str()) {
            (Some("object"), _) if schema["properties"].is_object() => {
                Shape::Object(self.object_from(definition, schema))
            }
            (Some("object"), _) if schema["additionalProperties"].is_object() => {
                Shape::Map(self.convert(&schema["additionalProperties"]))
            }
            (Some("array"), _) => Shape::List(self.convert(&schema["items"])),
            (Some("string"), Some("byte")) => Shape::Bytes,
            (Some("string"), Some("date-time")) => Shape::Time,
            (Some("string"), _) => Shape::Text,
            (Some("integer"), Some("int64")) => Shape::Integer64,
            (Some("integer"), _) => Shape::Integer32,
            (Some("number"), _) => Shape::Number,
            (Some("boolean"), _) => Shape::Boolean,
            _ => Shape::Anything,
        }
    }

    fn object_from(&mut self, definition: &str, schema: &Value) -> ObjectShape {
        let name = definition.rsplit('.').next().unwrap_or_default().to_owned();
        let is_required = |field: &str| {
            schema["required"]
                .as_array()
                .is_some_and(|required| required.iter().any(|name| name.as_str() == Some(field)))
                || rules::is_required(definition, field)
        };
        let mut fields: Vec<Field> = schema["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(field, schema)| Field {
                name: field.clone(),
                shape: self.convert(schema),
                rule: rules::rule_for(definition, field),
                required: is_required(field),
            })
            .collect();
        fields.sort_by(|a, b| a.name.cmp(&b.name));
        ObjectShape { name, fields }
    }
}
