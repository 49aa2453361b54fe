//! The objects of a manifest: what each document says it is, and how others find it.

use super::findings::{Findings, Place};
use super::format::{nearest, shortened};
use super::kinds::{KindInfo, Lookup, Registry, Release, registry};
use super::monitoring;
use super::schemas::Schemas;
use super::server::{self, Rules};
use super::tree::{Kind, Node, TextFault, Tree};
use super::walk;
use ecp_core::text::Message;
use std::collections::HashMap;

/// One object.
pub(super) struct Object<'t> {
    /// The document.
    pub root: Node<'t>,
    /// Its kind, where it is known.
    pub info: Option<&'static KindInfo>,
    /// The kind as the manifest says it.
    pub kind: &'t str,
    /// Its name; empty where it has none.
    pub name: &'t str,
    /// The namespace it lands in; empty where it is known to live in none.
    pub namespace: &'t str,
}

impl<'t> Object<'t> {
    /// True for a known kind of this name.
    pub fn is(&self, kind: &str) -> bool {
        self.info.is_some_and(|info| info.kind == kind)
    }

    /// Its `metadata`.
    pub fn metadata(&self) -> Option<Node<'t>> {
        self.root.get("metadata").filter(|metadata| metadata.kind() == Kind::Mapping)
    }

    /// Its `spec`.
    pub fn spec(&self) -> Option<Node<'t>> {
        self.root.get("spec").filter(|spec| spec.kind() == Kind::Mapping)
    }

    /// A label of its own.
    pub fn label(&self, key: &str) -> Option<&'t str> {
        self.metadata()?.get("labels")?.text_at(key)
    }

    /// Where its name is, or where it should be.
    pub fn name_place(&self) -> Node<'t> {
        self.root.at(&["metadata", "name"]).unwrap_or(self.root)
    }

    /// `Deployment/callbot`, for messages.
    pub fn title(&self) -> String {
        format!("{}/{}", shortened(self.kind), shortened(self.name))
    }
}

/// All objects and how to find one.
pub(super) struct Objects<'t> {
    /// In the order of the text.
    pub all: Vec<Object<'t>>,
    by_name: HashMap<(&'t str, &'t str, &'t str), usize>,
}

impl<'t> Objects<'t> {
    /// Reads every document as an object and checks each against its schema. `namespace` is the
    /// one that objects land in which name none.
    pub fn read(tree: &'t Tree<'_>, release: Release, namespace: &'t str, findings: &mut Findings) -> Self {
        let registry = registry(release);
        let mut objects = Self { all: Vec::new(), by_name: HashMap::new() };
        let mut something = false;
        for &id in &tree.lists {
            check_list(tree.node(id), registry, findings);
        }
        for root in tree.roots() {
            match root.kind() {
                Kind::Null => {}
                Kind::Mapping => {
                    something = true;
                    if let Some(object) = read_object(root, registry, namespace, findings) {
                        objects.add(object);
                    }
                }
                _ => {
                    something = true;
                    findings.error(root, || Message::new("validate.object.not_a_mapping"));
                }
            }
        }
        let readable = tree.unreadable.is_empty() && tree.faults.is_empty();
        if !something && readable {
            findings.error(Place::Whole, || Message::new("validate.manifest.empty"));
        }
        objects
    }

    fn add(&mut self, object: Object<'t>) {
        let place = self.all.len();
        if let Some(info) = object.info {
            self.by_name.entry((info.kind, object.namespace, object.name)).or_insert(place);
        }
        self.all.push(object);
    }

    /// Holds custom resources against their definitions: those of the manifest, and those given.
    pub fn check_custom(&self, given: Option<&Schemas>, release: Release, findings: &mut Findings) {
        let mut own = Schemas::default();
        own.add_objects(self);
        let mut rules = Rules::new(findings, release);
        for object in &self.all {
            let api_version = object.root.str_at("apiVersion");
            let is_built_in = object.info.is_some() && api_version != monitoring::API_VERSION;
            if is_built_in {
                continue;
            }
            let definition = own.find(api_version, object.kind);
            let definition = definition.or_else(|| given?.find(api_version, object.kind));
            let definition = definition.or_else(|| monitoring::DEFINITIONS.find(api_version, object.kind));
            if let Some(definition) = definition {
                server::check_custom_object(&mut rules, object, definition);
            }
        }
    }

    /// The object of a known kind, by namespace and name.
    pub fn find(&self, kind: &str, namespace: &str, name: &str) -> Option<&Object<'t>> {
        self.by_name.get(&(kind, namespace, name)).map(|&place| &self.all[place])
    }

    /// Every object of a known kind.
    pub fn of_kind(&self, kind: &'static str) -> impl Iterator<Item = &Object<'t>> {
        self.all.iter().filter(move |object| object.is(kind))
    }
}

fn read_object<'t>(
    root: Node<'t>,
    registry: &'static Registry,
    namespace: &'t str,
    findings: &mut Findings,
) -> Option<Object<'t>> {
    let list = root.typed_list();
    let stated = |field: &str| {
        let own = root.get(field).filter(|value| !value.is_empty());
        own.or_else(|| list.and_then(|list| list.get(field))).and_then(Node::as_text)
    };
    // An empty group is the core.
    let in_core = |version: &'t str| version.strip_prefix('/').filter(|version| !version.contains('/'));
    let api_version = stated("apiVersion").map(|version| in_core(version).unwrap_or(version));
    let kind = stated("kind").map(|kind| match list {
        Some(_) if !root.has("kind") => kind.strip_suffix("List").unwrap_or(kind),
        _ => kind,
    });
    for (field, value) in [("apiVersion", api_version), ("kind", kind)] {
        if value.is_some() {
            continue;
        }
        match root.children().find(|child| child.key().eq_ignore_ascii_case(field) && child.key() != field) {
            Some(misspelt) => findings.error(Place::Key(misspelt), || {
                Message::new("validate.schema.unknown_field.near")
                    .with("nearest", field)
                    .with("field", shortened(misspelt.key()))
                    .with("object", "Object")
            }),
            None if root.get(field).is_some_and(|value| value.kind() != Kind::Text) => {
                let node = root.get(field).unwrap_or(root);
                findings.error(node, || {
                    Message::new("validate.schema.wrong_type.text").with("value", shortened(node.text()))
                });
            }
            None => walk::missing_field(findings, root, field),
        }
    }
    let (api_version, kind) = (api_version?, kind?);
    let mut info = None;
    match registry.lookup(api_version, kind) {
        Lookup::Known(known) => {
            info = Some(known);
            if let Some(shape) = known.shape {
                walk::check(findings, registry.release, root, shape);
            }
        }
        Lookup::Unknown => {
            check_group(root, api_version, kind, findings);
            if let Some(metadata) = root.get("metadata") {
                if metadata.kind() == Kind::Mapping {
                    walk::check(findings, registry.release, metadata, registry.metadata);
                } else {
                    findings.error(metadata, || {
                        Message::new("validate.schema.wrong_type.mapping")
                            .with("value", shortened(metadata.text()))
                    });
                }
            }
        }
        other => report_unknown(&other, root, api_version, kind, registry, findings),
    }
    let metadata = root.get("metadata");
    let name = metadata.and_then(|metadata| metadata.text_at("name")).unwrap_or("");
    let named = metadata.and_then(|metadata| metadata.text_at("namespace")).filter(|name| !name.is_empty());
    let namespaced = info.is_none_or(|info| info.namespaced);
    let namespace = if namespaced { named.unwrap_or(namespace) } else { "" };
    let object = Object { root, info, kind, name, namespace };
    server::check_metadata(&mut Rules::new(findings, registry.release), &object);
    Some(object)
}

/// A list is of a kind that the API version has, or of any.
fn check_list(list: Node<'_>, registry: &'static Registry, findings: &mut Findings) {
    let (api_version, kind) = (list.str_at("apiVersion"), list.str_at("kind"));
    let of = kind.strip_suffix("List").unwrap_or(kind);
    if api_version.is_empty() {
        if list.filled("items") {
            walk::missing_field(findings, list, "apiVersion");
        }
        return;
    }
    if of.is_empty() && registry.serves(api_version) {
        return;
    }
    match registry.lookup(api_version, of) {
        Lookup::Known(_) | Lookup::Unknown => {}
        other => report_unknown(
            &other,
            list,
            api_version,
            if of.is_empty() { kind } else { of },
            registry,
            findings,
        ),
    }
}

/// An API version is a version, or a group and a version.
fn check_group(root: Node<'_>, api_version: &str, kind: &str, findings: &mut Findings) {
    let well =
        api_version.matches('/').count() == 1 && !api_version.starts_with('/') && !api_version.ends_with('/');
    if !well || kind.is_empty() {
        findings.error(root.get("apiVersion").unwrap_or(root), || {
            Message::new("validate.object.api_version").with("value", shortened(api_version))
        });
    }
}

fn report_unknown(
    lookup: &Lookup,
    root: Node<'_>,
    api_version: &str,
    kind: &str,
    registry: &'static Registry,
    findings: &mut Findings,
) {
    let place = root.get("apiVersion").unwrap_or(root);
    let with_names =
        |message: Message| message.with("api_version", shortened(api_version)).with("kind", shortened(kind));
    match lookup {
        Lookup::Known(_) => {}
        Lookup::Removed { replacement: Some(replacement), since } => findings.error(place, || {
            with_names(Message::new("validate.object.removed_version"))
                .with("replacement", replacement)
                .with("since", since)
        }),
        Lookup::Removed { replacement: None, since } => findings.error(place, || {
            with_names(Message::new("validate.object.removed_version.for_good")).with("since", since)
        }),
        Lookup::SwitchedOff(Some(known)) => findings.error(place, || {
            with_names(Message::new("validate.object.switched_off.stable")).with("right", known.api_version)
        }),
        Lookup::SwitchedOff(None) => {
            findings.error(place, || with_names(Message::new("validate.object.switched_off")));
        }
        Lookup::Elsewhere(known) if known.kind == kind => findings.error(place, || {
            with_names(Message::new("validate.object.wrong_version")).with("right", known.api_version)
        }),
        Lookup::Elsewhere(known) => findings.error(root.get("kind").unwrap_or(root), || {
            with_names(Message::new("validate.object.no_such_kind.near")).with("nearest", known.kind)
        }),
        Lookup::NoSuchKind => {
            findings.error(root.get("kind").unwrap_or(root), || match nearest(kind, registry.kind_names()) {
                Some(near) => {
                    with_names(Message::new("validate.object.no_such_kind.near")).with("nearest", near)
                }
                None => with_names(Message::new("validate.object.no_such_kind")),
            })
        }
        Lookup::Unknown => {}
    }
}

/// Reports what is wrong with the text itself.
pub(super) fn report_text_faults(tree: &Tree<'_>, findings: &mut Findings) {
    for &(id, fault) in &tree.faults {
        let node = tree.node(id);
        let place = Place::Key(node);
        let with_key = |message: Message| message.with("key", shortened(node.key()));
        match fault {
            TextFault::DuplicateKey => {
                findings.warning(place, || with_key(Message::new("validate.yaml.duplicate_key")));
            }
            TextFault::KeyNotText => findings.error(place, || Message::new("validate.yaml.key_not_text")),
            TextFault::MergeNotMapping => findings.error(place, || Message::new("validate.yaml.merge")),
            TextFault::UnknownTag => findings.warning(node, || Message::new("validate.yaml.unknown_tag")),
            TextFault::Ignored(line) => {
                findings.warning(node, || Message::new("validate.yaml.ignored").with("line", line));
            }
            TextFault::TagOfAnother => findings.error(node, || Message::new("validate.yaml.tag_of_another")),
            TextFault::WideKey => findings.error(place, || Message::new("validate.yaml.wide_key")),
            TextFault::TabAfterDash => findings.error(node, || Message::new("validate.yaml.tab")),
            TextFault::ListInList => findings.error(place, || Message::new("validate.yaml.list_in_list")),
            TextFault::NullKey => findings.error(place, || Message::new("validate.yaml.null_key")),
            TextFault::NullItem => findings.error(node, || Message::new("validate.yaml.null_item")),
            TextFault::Unreadable(place) => {
                if let Some(unreadable) = tree.unreadable.get(place as usize) {
                    findings.error(node, || unreadable.message.clone());
                }
            }
        }
    }
    findings.more_errors(tree.faults_left_out);
}
