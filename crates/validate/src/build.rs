//! Builds the tree while a reader walks the text, and keeps it bounded.
//!
//! Aliases are expanded by copying, under a budget that is checked before anything is copied, so
//! that a text of nested aliases is refused in the time it takes to read it.

use super::Unreadable;
use super::scalar::number_key;
use super::tree::{Data, Kind, NONE, TextFault, Tree};
use std::borrow::Cow;
use std::cell::Cell;
use std::collections::{HashMap, HashSet};

/// Most values in one text: a manifest of the largest size holds about half as many.
pub(super) const MAX_NODES: usize = 400_000;
/// Deepest nesting; the deepest field of a Kubernetes object lies at about 20.
pub(super) const MAX_DEPTH: usize = 64;
/// Most documents, items of lists included.
pub(super) const MAX_DOCUMENTS: usize = 10_000;
/// Values that aliases may add whatever the size of the text, and for each value read.
const ALIAS_NODES_FREE: usize = 10_000;
const ALIAS_NODES_PER_NODE: usize = 10;
/// Most faults of the text that are kept apart.
const MAX_FAULTS: usize = 1_000;
/// Up to this many keys a mapping is searched for duplicates without an index.
const FEW_KEYS: usize = 12;

/// Which bound a text breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    /// [`MAX_NODES`].
    Nodes,
    /// [`MAX_DEPTH`].
    Depth,
    /// [`MAX_DOCUMENTS`].
    Documents,
    /// What aliases may add.
    Aliases,
    /// An alias stands inside the value that it names.
    AliasOfItself,
}

struct Frame<'a> {
    id: u32,
    last_child: u32,
    children: u32,
    height: usize,
    anchor: usize,
    /// It is the key of a mapping; its nodes are left out of the tree.
    is_key: bool,
    key: Option<Key<'a>>,
    /// The `<<` entries.
    merges: Vec<u32>,
}

struct Key<'a> {
    text: Cow<'a, str>,
    line: u32,
    is_merge: bool,
    is_text: bool,
    is_null: bool,
    is_wide: bool,
}

/// Subtree of an anchor.
struct Anchor {
    start: u32,
    end: u32,
    height: usize,
}

/// A state of the tree between two documents.
pub(super) struct Mark {
    nodes: usize,
    documents: usize,
    faults: usize,
    faults_left_out: usize,
}

/// A tree under construction.
#[derive(Default)]
pub(super) struct Builder<'a> {
    tree: Tree<'a>,
    frames: Vec<Frame<'a>>,
    anchors: HashMap<usize, Anchor>,
    /// Copies by aliases among all that were ever made.
    alias_nodes: usize,
    alias_bytes: usize,
    /// Made and forgotten again: what was spent on them stays spent.
    forgotten_nodes: usize,
}

impl<'a> Builder<'a> {
    /// An empty one for a text.
    pub fn new(content: &'a str) -> Self {
        Self { tree: Tree { content, ..Tree::default() }, ..Self::default() }
    }

    /// Puts a null where a document can not be read.
    pub fn unreadable(&mut self, unreadable: Unreadable, line: usize) -> Result<(), Bound> {
        self.begin_document()?;
        let place = to_u32(self.tree.unreadable.len());
        self.tree.unreadable.push(unreadable);
        self.fault(TextFault::Unreadable(place));
        self.scalar(Kind::Null, true, Cow::Borrowed(""), line, 0)
    }

    /// True where a key since the mark is no text.
    pub fn has_strange_key(&self, mark: &Mark) -> bool {
        self.tree.faults[mark.faults..].iter().any(|(_, fault)| *fault == TextFault::KeyNotText)
    }

    /// Records a tab after a dash at the first value of a line, where one begins there.
    pub fn tab_after_dash(&mut self, mark: &Mark, line: usize) {
        let nodes = &self.tree.nodes[mark.nodes.min(self.tree.nodes.len())..];
        if let Some(place) = nodes.iter().position(|data| data.line as usize == line) {
            self.fault_at(to_u32(mark.nodes + place), TextFault::TabAfterDash);
        }
    }

    /// Records that what begins at a line is not looked at, at the document before it.
    pub fn ignored(&mut self, mark: &Mark, line: usize) {
        if let Some(&root) = self.tree.documents.get(mark.documents) {
            self.fault_at(root, TextFault::Ignored(to_u32(line)));
        }
    }

    /// The finished tree.
    pub fn finish(self) -> Tree<'a> {
        self.tree
    }

    /// Where the tree stands, to come back to.
    pub fn mark(&self) -> Mark {
        Mark {
            nodes: self.tree.nodes.len(),
            documents: self.tree.documents.len(),
            faults: self.tree.faults.len(),
            faults_left_out: self.tree.faults_left_out,
        }
    }

    /// Forgets everything since a mark.
    pub fn go_back(&mut self, mark: &Mark) {
        self.forgotten_nodes += self.tree.nodes.len() - mark.nodes;
        self.tree.nodes.truncate(mark.nodes);
        self.tree.documents.truncate(mark.documents);
        self.tree.faults.truncate(mark.faults);
        self.tree.faults_left_out = mark.faults_left_out;
        self.frames.clear();
    }

    /// Records a fault at the node that comes next.
    pub fn fault(&mut self, fault: TextFault) {
        let id = to_u32(self.tree.nodes.len());
        self.fault_at(id, fault);
    }

    fn fault_at(&mut self, id: u32, fault: TextFault) {
        if self.tree.faults.len() < MAX_FAULTS {
            self.tree.faults.push((id, fault));
        } else {
            self.tree.faults_left_out += 1;
        }
    }

    /// Starts a document; its anchors are its own.
    pub fn begin_document(&mut self) -> Result<(), Bound> {
        if self.tree.documents.len() >= MAX_DOCUMENTS {
            return Err(Bound::Documents);
        }
        self.anchors.clear();
        Ok(())
    }

    /// Adds a scalar; where a mapping waits for a key it is the key.
    pub fn scalar(
        &mut self,
        kind: Kind,
        plain: bool,
        text: Cow<'a, str>,
        line: usize,
        anchor: usize,
    ) -> Result<(), Bound> {
        if self.key_comes_next() {
            if anchor != 0 {
                // Only keys are named here; the value is stored apart so that an alias finds it.
                self.keep_for_alias(kind, plain, text.clone(), line, anchor)?;
            }
            self.key(text, plain, kind, line);
            return Ok(());
        }
        let id = self.attach(kind, line)?;
        let data = &mut self.tree.nodes[id as usize];
        data.plain = plain;
        data.text = text;
        if anchor != 0 {
            self.anchors.insert(anchor, Anchor { start: id, end: id + 1, height: 0 });
        }
        Ok(())
    }

    /// Names the value that comes next in the mapping. A number is called as `kubectl` writes it, and nothing
    /// can not be said in JSON.
    pub fn key(&mut self, text: Cow<'a, str>, plain: bool, kind: Kind, line: usize) {
        if let Some(frame) = self.frames.last_mut() {
            let is_merge = plain && text == "<<";
            let is_null = kind == Kind::Null;
            let (text, is_wide) = match kind {
                Kind::Integer | Kind::Float => match number_key(&text, kind) {
                    Some(written) if written == text => (text, false),
                    Some(written) => (Cow::Owned(written), false),
                    None => (text, true),
                },
                _ => (text, false),
            };
            frame.key = Some(Key { text, line: to_u32(line), is_merge, is_text: true, is_null, is_wide });
        }
    }

    /// Opens a list or mapping.
    pub fn open(&mut self, kind: Kind, line: usize, anchor: usize) -> Result<(), Bound> {
        if self.frames.len() >= MAX_DEPTH {
            return Err(Bound::Depth);
        }
        let is_key = self.key_comes_next();
        let id = if is_key { self.push(kind, line)? } else { self.attach(kind, line)? };
        self.frames.push(Frame {
            id,
            last_child: NONE,
            children: 0,
            height: 0,
            anchor,
            is_key,
            key: None,
            merges: Vec::new(),
        });
        Ok(())
    }

    /// Closes the innermost list or mapping.
    pub fn close(&mut self) {
        let Some(frame) = self.frames.pop() else { return };
        let end = to_u32(self.tree.nodes.len());
        self.tree.nodes[frame.id as usize].end = end;
        if self.tree.nodes[frame.id as usize].kind == Kind::Mapping {
            if !frame.merges.is_empty() {
                self.merge(frame.id, &frame.merges);
            }
            if frame.children > 1 {
                self.find_duplicates(frame.id, frame.children as usize);
            }
        }
        let height = frame.height + 1;
        if frame.anchor != 0 {
            self.anchors.insert(frame.anchor, Anchor { start: frame.id, end, height });
        }
        let line = self.tree.nodes[frame.id as usize].line;
        if let Some(parent) = self.frames.last_mut() {
            parent.height = parent.height.max(height);
            if frame.is_key {
                parent.key = Some(Key {
                    text: Cow::Borrowed("?"),
                    line,
                    is_merge: false,
                    is_text: false,
                    is_null: false,
                    is_wide: false,
                });
            }
        }
    }

    /// Puts a copy of an anchor's value here.
    pub fn alias(&mut self, anchor: usize, line: usize) -> Result<(), Bound> {
        let Some(&Anchor { start, end, height }) = self.anchors.get(&anchor) else {
            return Err(Bound::AliasOfItself);
        };
        let source = &self.tree.nodes[start as usize];
        if self.key_comes_next() {
            let is_text = !matches!(source.kind, Kind::Sequence | Kind::Mapping);
            let text = if is_text { source.text.clone() } else { Cow::Borrowed("?") };
            if let Some(frame) = self.frames.last_mut() {
                frame.key = Some(Key {
                    text,
                    line: to_u32(line),
                    is_merge: false,
                    is_text,
                    is_null: false,
                    is_wide: false,
                });
            }
            return Ok(());
        }
        if self.frames.len() + height > MAX_DEPTH {
            return Err(Bound::Depth);
        }
        let (kind, plain, text, first) = (source.kind, source.plain, source.text.clone(), source.first);
        self.spend_on_alias(start, end)?;
        let root = self.attach(kind, line)?;
        let shift = |link: u32| if link == NONE { NONE } else { link - start + root };
        for id in start + 1..end {
            let mut copy = self.tree.nodes[id as usize].clone();
            copy.first = shift(copy.first);
            copy.next = shift(copy.next);
            copy.parent = if copy.parent == NONE { NONE } else { shift(copy.parent) };
            copy.end = shift(copy.end);
            self.tree.nodes.push(copy);
        }
        let data = &mut self.tree.nodes[root as usize];
        data.plain = plain;
        data.text = text;
        data.first = shift(first);
        data.end = shift(end);
        if let Some(frame) = self.frames.last_mut() {
            frame.height = frame.height.max(height);
        }
        Ok(())
    }

    fn spend_on_alias(&mut self, start: u32, end: u32) -> Result<(), Bound> {
        let nodes = (end - start) as usize;
        let read = self.tree.nodes.len() + self.forgotten_nodes - self.alias_nodes;
        if self.alias_nodes + nodes > ALIAS_NODES_FREE + ALIAS_NODES_PER_NODE * read {
            return Err(Bound::Aliases);
        }
        if self.tree.nodes.len() + nodes > MAX_NODES {
            return Err(Bound::Nodes);
        }
        let copied = &self.tree.nodes[start as usize..end as usize];
        self.alias_bytes += copied.iter().map(|data| data.text.len() + data.key.len()).sum::<usize>();
        if self.alias_bytes > super::MAX_MANIFEST_BYTES {
            return Err(Bound::Aliases);
        }
        self.alias_nodes += nodes;
        Ok(())
    }

    fn key_comes_next(&self) -> bool {
        self.frames.last().is_some_and(|frame| {
            frame.key.is_none() && self.tree.nodes[frame.id as usize].kind == Kind::Mapping
        })
    }

    fn keep_for_alias(
        &mut self,
        kind: Kind,
        plain: bool,
        text: Cow<'a, str>,
        line: usize,
        anchor: usize,
    ) -> Result<(), Bound> {
        let id = self.push(kind, line)?;
        let data = &mut self.tree.nodes[id as usize];
        data.plain = plain;
        data.text = text;
        self.anchors.insert(anchor, Anchor { start: id, end: id + 1, height: 0 });
        Ok(())
    }

    /// Adds a node without a parent.
    fn push(&mut self, kind: Kind, line: usize) -> Result<u32, Bound> {
        if self.tree.nodes.len() >= MAX_NODES {
            return Err(Bound::Nodes);
        }
        let id = to_u32(self.tree.nodes.len());
        self.tree.nodes.push(Data {
            kind,
            plain: false,
            text: Cow::Borrowed(""),
            key: Cow::Borrowed(""),
            index: 0,
            parent: NONE,
            first: NONE,
            next: NONE,
            end: id + 1,
            line: to_u32(line),
            key_line: 0,
            document: 0,
            dropped: Cell::default(),
        });
        Ok(id)
    }

    /// Adds a node as the next child of the innermost open one, or as the root of a document.
    fn attach(&mut self, kind: Kind, line: usize) -> Result<u32, Bound> {
        let id = self.push(kind, line)?;
        let Some(frame) = self.frames.last_mut() else {
            self.tree.documents.push(id);
            return Ok(id);
        };
        let data = &mut self.tree.nodes[id as usize];
        data.parent = frame.id;
        data.index = frame.children;
        frame.children += 1;
        let key = frame.key.take();
        let (mut key_is_text, mut key_is_null, mut key_is_wide) = (true, false, false);
        if let Some(key) = key {
            data.key = key.text;
            data.key_line = key.line;
            key_is_text = key.is_text;
            key_is_null = key.is_null;
            key_is_wide = key.is_wide;
            if key.is_merge {
                frame.merges.push(id);
            }
        }
        let previous = std::mem::replace(&mut frame.last_child, id);
        let link = if previous == NONE {
            &mut self.tree.nodes[frame.id as usize].first
        } else {
            &mut self.tree.nodes[previous as usize].next
        };
        *link = id;
        if !key_is_text {
            self.fault_at(id, TextFault::KeyNotText);
        }
        if key_is_null {
            self.fault_at(id, TextFault::NullKey);
        }
        if key_is_wide {
            self.fault_at(id, TextFault::WideKey);
        }
        Ok(id)
    }

    /// Of keys that stand twice the last is kept, as `kubectl` does.
    fn find_duplicates(&mut self, mapping: u32, count: usize) {
        let node = self.tree.node(mapping);
        let mut duplicates = Vec::new();
        if count <= FEW_KEYS {
            for (place, child) in node.children().enumerate() {
                if node.children().skip(place + 1).any(|later| later.key() == child.key()) {
                    duplicates.push(child.id());
                }
            }
        } else {
            let mut last = HashMap::with_capacity(count);
            for child in node.children() {
                duplicates.extend(last.insert(child.key(), child.id()));
            }
        }
        if duplicates.is_empty() {
            return;
        }
        let left_out: HashSet<u32> = duplicates.iter().copied().collect();
        let mut chain = self.children(mapping);
        chain.retain(|child| !left_out.contains(child));
        for id in duplicates {
            self.fault_at(id, TextFault::DuplicateKey);
        }
        self.link(mapping, &chain);
    }

    /// Replaces the `<<` entries of a mapping by the entries that they bring, as `kubectl` does: what stands
    /// further down wins, be it said here or brought, and of a list's sources the earlier ones win.
    fn merge(&mut self, mapping: u32, merges: &[u32]) {
        let mut chain: Vec<u32> = Vec::new();
        // Where a key stands in the chain, and whether it was brought.
        let mut known: HashMap<Cow<'a, str>, (usize, bool)> = HashMap::new();
        for child in self.children(mapping) {
            let is_merge = merges.binary_search(&child).is_ok();
            for entry in if is_merge { self.brought(child) } else { vec![child] } {
                match known.get(&self.tree.nodes[entry as usize].key) {
                    // A key that is said twice is found afterwards.
                    Some(&(place, was_brought)) if is_merge || was_brought => chain[place] = entry,
                    _ => {
                        let key = self.tree.nodes[entry as usize].key.clone();
                        known.insert(key, (chain.len(), is_merge));
                        chain.push(entry);
                    }
                }
            }
        }
        self.link(mapping, &chain);
    }

    /// The entries that one `<<` brings.
    fn brought(&mut self, merge: u32) -> Vec<u32> {
        let sources = match self.tree.nodes[merge as usize].kind {
            Kind::Mapping => vec![merge],
            Kind::Sequence => self.children(merge),
            _ => vec![NONE],
        };
        let kind = |id: &u32| self.tree.nodes.get(*id as usize).map(|source| source.kind);
        if !sources.iter().all(|id| kind(id) == Some(Kind::Mapping)) {
            self.fault_at(merge, TextFault::MergeNotMapping);
            return Vec::new();
        }
        sources.into_iter().rev().flat_map(|source| self.children(source)).collect()
    }

    /// Makes a mapping's entries these, in this order.
    fn link(&mut self, mapping: u32, chain: &[u32]) {
        self.tree.nodes[mapping as usize].first = chain.first().copied().unwrap_or(NONE);
        for (place, &id) in chain.iter().enumerate() {
            let data = &mut self.tree.nodes[id as usize];
            data.parent = mapping;
            data.next = chain.get(place + 1).copied().unwrap_or(NONE);
        }
    }

    fn children(&self, id: u32) -> Vec<u32> {
        self.tree.node(id).children().map(|child| child.id()).collect()
    }
}

/// Nodes and lines are bounded far below `u32::MAX` by the size of the text.
fn to_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(NONE - 1)
}
