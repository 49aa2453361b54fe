//! The tree that a manifest is read into: every value with its parent, its key and its line.
//!
//! All nodes of a text lie in one vector, each subtree contiguous and in reading order, so that a
//! path is found by climbing and an alias is expanded by copying a range.

use super::build::{Bound, MAX_DOCUMENTS};
use super::scalar;
use super::{Position, Unreadable};
use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;

/// No node.
pub(super) const NONE: u32 = u32::MAX;

/// Longest key that a printed path shows whole, in characters.
const PATH_KEY_LENGTH: usize = 80;

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing: `null`, `~` or an empty value.
    Null,
    /// `true`, and what `kubectl` takes for it.
    Boolean,
    /// A whole number of at most 64 bits.
    Integer,
    /// Any other number.
    Float,
    /// Text.
    Text,
    /// A list.
    Sequence,
    /// Keys and values.
    Mapping,
}

/// One node as it is stored.
#[derive(Clone, Debug)]
pub(super) struct Data<'a> {
    /// What it is.
    pub kind: Kind,
    /// A scalar without quotes.
    pub plain: bool,
    /// A scalar's text.
    pub text: Cow<'a, str>,
    /// Key in the parent mapping.
    pub key: Cow<'a, str>,
    /// Place in the parent sequence.
    pub index: u32,
    /// Parent, [`NONE`] at the root.
    pub parent: u32,
    /// First child.
    pub first: u32,
    /// Next child of the same parent.
    pub next: u32,
    /// One past the last node of the subtree.
    pub end: u32,
    /// Line of the value, from 1.
    pub line: u32,
    /// Line of the key, from 1; 0 without one.
    pub key_line: u32,
    /// Number of the document whose root this is, from 1; 0 for every other node.
    pub document: u32,
    /// The server reads it and drops it.
    pub dropped: Cell<bool>,
}

/// Something wrong with the text itself that leaves it readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextFault {
    /// The key stands in its mapping again further down; kept is the last.
    DuplicateKey,
    /// The key is a list or a mapping.
    KeyNotText,
    /// `<<` has a value that can not be merged.
    MergeNotMapping,
    /// A tag that Kubernetes does not know.
    UnknownTag,
    /// The value is not what its tag says.
    TagOfAnother,
    /// The key is a number of 64 bits without a sign, which `kubectl` takes for none.
    WideKey,
    /// A tab stands between the dash of an item and the item.
    TabAfterDash,
    /// An item of a list of objects is nothing.
    NullItem,
    /// An item of a list of objects is such a list itself.
    ListInList,
    /// The key is null.
    NullKey,
    /// What follows the document without a separator, on this line, is not looked at.
    Ignored(u32),
    /// The document can not be read: its place in [`Tree::unreadable`].
    Unreadable(u32),
}

/// All nodes of a text.
#[derive(Debug, Default)]
pub(super) struct Tree<'a> {
    /// Nodes in reading order.
    pub nodes: Vec<Data<'a>>,
    /// Roots of the documents, in order.
    pub documents: Vec<u32>,
    /// Faults of the text, with the node they are at.
    pub faults: Vec<(u32, TextFault)>,
    /// Lists of objects, which are opened.
    pub lists: Vec<u32>,
    /// Faults that found no room in `faults`.
    pub faults_left_out: usize,
    /// The text, for columns.
    pub content: &'a str,
    /// Documents that can not be read, each with a null in their place.
    pub unreadable: Vec<Unreadable>,
    /// Items of a list whose kind says what they are, with the root of that list.
    pub implied: HashMap<u32, u32>,
}

impl<'a> Tree<'a> {
    /// The root nodes of the documents, in order.
    pub fn roots(&self) -> impl Iterator<Item = Node<'_>> {
        self.documents.iter().map(|&id| self.node(id))
    }

    /// A handle on a node.
    pub fn node(&self, id: u32) -> Node<'_> {
        Node { tree: self, id }
    }

    /// Opens every `List`: its items become documents of their own. Documents are numbered anew,
    /// empty ones too, so that numbers count `---` sections where there is no list.
    pub fn open_lists(&mut self) -> Result<(), Bound> {
        let mut waiting: Vec<(u32, bool)> = self.documents.iter().rev().map(|&id| (id, false)).collect();
        let mut opened = Vec::with_capacity(waiting.len());
        while let Some((id, is_item)) = waiting.pop() {
            let node = self.node(id);
            let is_list = node.get("kind").is_some_and(|kind| kind.text().ends_with("List"));
            match node.get("items").filter(|items| is_list && items.kind() == Kind::Sequence) {
                Some(items) => {
                    if is_item {
                        self.faults.push((items.id, TextFault::ListInList));
                        opened.push(id);
                        continue;
                    }
                    let is_typed = node.get("kind").is_some_and(|kind| kind.text() != "List");
                    let nothing: Vec<u32> = items
                        .children()
                        .filter(|item| item.kind() == Kind::Null)
                        .map(|item| item.id)
                        .collect();
                    // What an item says by half is not made whole.
                    let silent: Vec<u32> = items
                        .children()
                        .filter(|item| {
                            ["kind", "apiVersion"].iter().all(|field| item.str_at(field).is_empty())
                        })
                        .map(|item| item.id)
                        .collect();
                    let items: Vec<u32> = items.children().map(|item| item.id).collect();
                    if is_typed {
                        self.implied.extend(silent.iter().map(|&item| (item, id)));
                    } else {
                        self.faults.extend(nothing.into_iter().map(|item| (item, TextFault::NullItem)));
                    }
                    self.lists.push(id);
                    waiting.extend(items.into_iter().rev().map(|item| (item, true)));
                }
                None => opened.push(id),
            }
        }
        if opened.len() > MAX_DOCUMENTS {
            return Err(Bound::Documents);
        }
        for (index, &id) in opened.iter().enumerate() {
            self.nodes[id as usize].document = u32::try_from(index + 1).unwrap_or(u32::MAX);
        }
        self.documents = opened;
        Ok(())
    }
}

/// A node with the tree around it.
#[derive(Clone, Copy)]
pub(super) struct Node<'t> {
    tree: &'t Tree<'t>,
    id: u32,
}

impl PartialEq for Node<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && std::ptr::eq(self.tree, other.tree)
    }
}

impl<'t> Node<'t> {
    /// Its place in the tree.
    pub fn id(self) -> u32 {
        self.id
    }

    fn data(self) -> &'t Data<'t> {
        &self.tree.nodes[self.id as usize]
    }

    /// What it is.
    pub fn kind(self) -> Kind {
        self.data().kind
    }

    /// A scalar's text, quotes and escapes resolved; empty for lists and mappings.
    pub fn text(self) -> &'t str {
        &self.data().text
    }

    /// The text where it is a text.
    pub fn as_text(self) -> Option<&'t str> {
        (self.kind() == Kind::Text).then(|| self.text())
    }

    /// The value where it is a whole number, `3.0` too: it is one by the time the server sees it.
    pub fn as_integer(self) -> Option<i64> {
        match self.kind() {
            Kind::Integer => scalar::integer(self.text()),
            Kind::Float => scalar::whole(self.text()),
            _ => None,
        }
    }

    /// The object that this document is an item of, where that says the item's kind.
    pub fn typed_list(self) -> Option<Node<'t>> {
        self.tree.implied.get(&self.id).map(|&id| Node { tree: self.tree, id })
    }

    /// The document that it is in.
    pub fn document(self) -> Node<'t> {
        let mut node = self;
        while node.data().document == 0 && node.data().parent != NONE {
            node = Node { tree: self.tree, id: node.data().parent };
        }
        node
    }

    /// The value above it; itself at the root of a document.
    pub fn parent(self) -> Node<'t> {
        match self.data().parent {
            parent if parent == NONE || self.data().document != 0 => self,
            parent => Node { tree: self.tree, id: parent },
        }
    }

    /// The text under a key whatever its kind; empty where there is none.
    pub fn str_at(self, key: &str) -> &'t str {
        self.get(key).map_or("", Node::text)
    }

    /// True where a key has a value.
    pub fn has(self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// The whole number under a key.
    pub fn int_at(self, key: &str) -> Option<i64> {
        self.get(key)?.as_integer()
    }

    /// True where the value under a key is `true`.
    pub fn flag_at(self, key: &str) -> bool {
        self.get(key).is_some_and(Node::is_true)
    }

    /// True for nothing, for a list or mapping without children, and for an empty text.
    pub fn is_empty(self) -> bool {
        self.kind() == Kind::Null || (self.children().next().is_none() && self.text().is_empty())
    }

    /// From now on it is not there, as far as [`Self::children`] and what looks by them can tell.
    pub fn mark_dropped(self) {
        self.data().dropped.set(true);
    }

    /// True where it is no longer there.
    pub fn is_dropped(self) -> bool {
        self.data().dropped.get()
    }

    /// True where the list or mapping under a key has something in it.
    pub fn filled(self, key: &str) -> bool {
        self.get(key).is_some_and(|node| node.children().next().is_some())
    }

    /// True for `true` in any spelling that `kubectl` takes.
    pub fn is_true(self) -> bool {
        self.kind() == Kind::Boolean
            && matches!(self.text().as_bytes().first(), Some(b't' | b'T' | b'y' | b'Y' | b'o' | b'O'))
            && !self.text().eq_ignore_ascii_case("off")
    }

    /// A scalar without quotes.
    pub fn is_plain(self) -> bool {
        self.data().plain
    }

    /// Its key in the mapping above; empty elsewhere.
    pub fn key(self) -> &'t str {
        &self.data().key
    }

    /// Children of a list or mapping, in order; none of a scalar.
    pub fn children(self) -> impl Iterator<Item = Node<'t>> {
        self.written().filter(|child| !child.is_dropped())
    }

    /// [`Self::children`], and those that the server drops.
    pub fn written(self) -> impl Iterator<Item = Node<'t>> {
        let tree = self.tree;
        let mut next = self.data().first;
        std::iter::from_fn(move || {
            let node = Node { tree, id: (next != NONE).then_some(next)? };
            next = node.data().next;
            Some(node)
        })
    }

    /// The value under a key; `null` counts as absent, as it does for the API server.
    pub fn get(self, key: &str) -> Option<Node<'t>> {
        self.children().find(|child| child.key() == key).filter(|child| child.kind() != Kind::Null)
    }

    /// The value at the end of a path of keys.
    pub fn at(self, path: &[&str]) -> Option<Node<'t>> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The text under a key, where it is a text.
    pub fn text_at(self, key: &str) -> Option<&'t str> {
        self.get(key)?.as_text()
    }

    /// The items of the list under a key; none where there is no list.
    pub fn list_at(self, key: &str) -> impl Iterator<Item = Node<'t>> {
        let list = self.get(key).filter(|node| node.kind() == Kind::Sequence);
        list.into_iter().flat_map(Node::children)
    }

    /// Where it is: lists and mappings at their key, scalars at their value.
    pub fn position(self) -> Position {
        let data = self.data();
        let own_line = match data.kind {
            // An empty value is read where the next one begins.
            Kind::Null | Kind::Sequence | Kind::Mapping if data.key_line != 0 => data.key_line,
            _ => data.line,
        };
        let column = match data.kind {
            Kind::Null | Kind::Sequence | Kind::Mapping if data.key_line != 0 => self.column_of(&data.key),
            _ => self.column_of(&data.text),
        };
        self.position_at(own_line, column)
    }

    /// Column from 1 of a piece of the text, where it is one; else 0.
    fn column_of(self, piece: &str) -> usize {
        let content = self.tree.content;
        let Some(offset) = (piece.as_ptr() as usize).checked_sub(content.as_ptr() as usize) else { return 0 };
        if offset + piece.len() > content.len() || piece.is_empty() || !content.is_char_boundary(offset) {
            return 0;
        }
        let before = &content[..offset];
        let line = before.rfind('\n').map_or(before, |at| &before[at + 1..]);
        // A quoted text begins with its quote.
        line.trim_end_matches(['"', '\'']).chars().count() + 1
    }

    /// Where its key is.
    pub fn key_position(self) -> Position {
        let data = self.data();
        let (line, piece) =
            if data.key_line == 0 { (data.line, &data.text) } else { (data.key_line, &data.key) };
        self.position_at(line, self.column_of(piece))
    }

    fn position_at(self, line: u32, column: usize) -> Position {
        let mut steps = Vec::new();
        let mut node = self;
        while node.data().document == 0 && node.data().parent != NONE {
            steps.push(node);
            node = Node { tree: self.tree, id: node.data().parent };
        }
        let mut path = String::new();
        for step in steps.into_iter().rev() {
            let parent = step.tree.nodes[step.data().parent as usize].kind;
            push_step(&mut path, step.data(), parent);
        }
        Position { document: node.data().document as usize, path, line: line as usize, column }
    }
}

fn push_step(path: &mut String, data: &Data<'_>, parent: Kind) {
    use std::fmt::Write as _;
    if parent == Kind::Sequence {
        // Writing to a String can not fail.
        let _ = write!(path, "[{}]", data.index);
        return;
    }
    let key = &data.key;
    let simple = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'$');
    if !key.is_empty() && key.len() <= PATH_KEY_LENGTH && key.bytes().all(simple) {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(key);
    } else {
        let _ = write!(path, "[{:?}]", super::format::shortened(key));
    }
}
