//! What holds for a schema of a definition by where it is: how often there can be such a value, whether it has
//! defaults, whether it is found again after a change. What the schema itself says is [`super::structural`]'s.

use super::super::tree::Node;

/// What holds for a schema by where it is.
#[derive(Clone, Copy)]
pub(super) struct Within {
    /// It is the schema of the whole object.
    pub is_root: bool,
    /// How often such a value can be in an object, absent without a bound.
    pub often: Option<u64>,
    /// It is of `apiVersion`, `kind` or `metadata` of an object.
    pub is_meta: bool,
    /// What keeps defaults from being filled in.
    pub no_default: Option<&'static str>,
    /// What keeps a value from being found again in the object as it was before.
    pub not_followed: Option<&'static str>,
}

impl Within {
    /// That of the whole object.
    pub const ROOT: Self =
        Self { is_root: true, often: Some(1), is_meta: false, no_default: None, not_followed: None };

    /// That of a property.
    pub fn property(self, schema: Node<'_>, name: &str) -> Self {
        let is_object = self.is_root || schema.flag_at("x-kubernetes-embedded-resource");
        let is_meta = is_object && matches!(name, "apiVersion" | "kind" | "metadata");
        let is_atomic = schema.str_at("x-kubernetes-map-type") == "atomic";
        Self {
            is_root: false,
            is_meta: self.is_meta || is_meta,
            no_default: self.no_default.or((self.is_root && is_meta).then_some("openAPIV3Schema.properties")),
            not_followed: self.not_followed.or(is_atomic.then_some("x-kubernetes-map-type: atomic")),
            ..self
        }
    }

    /// That of items.
    pub fn items(self, schema: Node<'_>) -> Self {
        let is_keyed = schema.str_at("x-kubernetes-list-type") == "map";
        let not_followed = (!is_keyed).then_some("x-kubernetes-list-type ≠ map");
        Self { is_root: false, not_followed: self.not_followed.or(not_followed), ..self }
    }

    /// That of further values.
    pub fn additional(self) -> Self {
        let no_default = self.is_meta.then_some("metadata.additionalProperties");
        Self { is_root: false, no_default: self.no_default.or(no_default), ..self }
    }
}
