//! Definitions of custom resources that are at hand: of the same input, and of files beside it.

use super::Unreadable;
use super::format::shortened;
use super::objects::Objects;
use super::tree::{Kind, Node};
use super::values::value;
use super::yaml::{self, Readers};
use serde_json::Value;
use std::collections::HashMap;

/// One version of a definition.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    /// Its `openAPIV3Schema`.
    pub schema: Value,
    /// The status is another's to write.
    pub status: bool,
}

/// Definitions by API version and kind.
#[derive(Clone, Debug, Default)]
pub struct Schemas {
    definitions: HashMap<(String, String), Definition>,
}

impl Schemas {
    /// Adds the definitions of a text; how many they are.
    ///
    /// # Errors
    /// The text can not be read.
    pub fn add(&mut self, content: &str) -> Result<usize, Unreadable> {
        let tree = yaml::read(content, Readers::Both)?;
        let before = self.definitions.len();
        for root in tree.roots() {
            self.add_object(root);
        }
        Ok(self.definitions.len() - before)
    }

    /// Adds the definitions among objects.
    pub(super) fn add_objects(&mut self, objects: &Objects<'_>) {
        for object in objects.of_kind("CustomResourceDefinition") {
            self.add_object(object.root);
        }
    }

    fn add_object(&mut self, root: Node<'_>) {
        if root.str_at("kind") != "CustomResourceDefinition" {
            return;
        }
        let Some(spec) = root.get("spec").filter(|spec| spec.kind() == Kind::Mapping) else { return };
        let kind = spec.at(&["names", "kind"]).map_or("", Node::text);
        for version in spec.list_at("versions") {
            let Some(schema) = version.at(&["schema", "openAPIV3Schema"]) else { continue };
            let name = format!("{}/{}", spec.str_at("group"), version.str_at("name"));
            let status = version.at(&["subresources", "status"]).is_some();
            self.definitions
                .insert((name, shortened(kind).into_owned()), Definition { schema: value(schema), status });
        }
    }

    /// Adds a schema of a kind whose status is another's to write.
    pub(super) fn add_schema(&mut self, api_version: &str, kind: &str, schema: Value) {
        let name = (api_version.to_owned(), kind.to_owned());
        self.definitions.insert(name, Definition { schema, status: true });
    }

    /// The definition of a kind.
    pub(super) fn find(&self, api_version: &str, kind: &str) -> Option<&Definition> {
        if self.definitions.is_empty() {
            return None;
        }
        self.definitions.get(&(api_version.to_owned(), kind.to_owned()))
    }
}
