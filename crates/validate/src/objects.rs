//! The objects of a manifest: what each document says it is, and how others find it.

use super::findings::{Findings, Place};
use super::format::{nearest, shortened};
use super::kinds::{KindInfo, Lookup, Registry};
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
    pub fn read(
        tree: &'t Tree<'_>,
        registry: &'static Registry,
        namespace: &'t str,
        findings: &mut Findings,
    ) -> Self {
        let mut objects = Self { all: Vec::new(), by_name: HashMap::new() };
        let mut something = false;
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
        if !something {
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
    let api_version = root.text_at("apiVersion");
    let kind = root.text_at("kind");
    for (field, value) in [("apiVersion", api_version), ("kind", kind)] {
        if value.is_none() {
            walk::missing_field(findings, root, field);
        }
    }
    let (api_version, kind) = (api_version?, kind?);
    let mut info = None;
    match registry.lookup(api_version, kind) {
        Lookup::Known(known) => {
            info = Some(known);
            if let Some(shape) = known.shape {
                walk::check(findings, &registry.shapes, root, shape);
            }
        }
        other => report_unknown(&other, root, api_version, kind, registry, findings),
    }
    let metadata = root.get("metadata");
    let name = metadata.and_then(|metadata| metadata.text_at("name")).unwrap_or("");
    let named = metadata.and_then(|metadata| metadata.text_at("namespace"));
    let namespaced = info.is_none_or(|info| info.namespaced);
    let namespace = if namespaced { named.unwrap_or(namespace) } else { "" };
    Some(Object { root, info, kind, name, namespace })
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
        Lookup::WrongVersion(known) => findings.error(place, || {
            with_names(Message::new("validate.object.wrong_version")).with("right", known.api_version)
        }),
        Lookup::Unknown => findings.warning(root.get("kind").unwrap_or(root), || {
            let near = nearest(kind, registry.kind_names()).filter(|near| *near != kind);
            with_names(match near {
                Some(near) => Message::new("validate.object.unknown_kind.near").with("nearest", near),
                None => Message::new("validate.object.unknown_kind"),
            })
        }),
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
                findings.error(place, || with_key(Message::new("validate.yaml.duplicate_key")));
            }
            TextFault::KeyNotText => findings.error(place, || Message::new("validate.yaml.key_not_text")),
            TextFault::MergeNotMapping => findings.error(place, || Message::new("validate.yaml.merge")),
            TextFault::UnknownTag => findings.warning(node, || Message::new("validate.yaml.unknown_tag")),
        }
    }
    findings.more_errors(tree.faults_left_out);
}
