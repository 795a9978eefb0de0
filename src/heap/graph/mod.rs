//! The graph of one snapshot in compressed sparse rows: flat arrays, 32-bit indices, nothing per node.
//!
//! Knows: nodes by ordinal (0..n), edges by index (0..m), strings by index. The file's flat offsets do not
//! outlive parsing. Out of scope: files, dominators, reports.
//! Limitations: at most 2^32 − 2 nodes and edges, 2^29 − 2 strings, 4 GiB of kept text. Long string *values* are
//! kept by their first bytes only; names are kept whole.

#![forbid(unsafe_code)]

pub(crate) mod classes;
pub(crate) mod kinds;
pub(crate) mod ours;
pub(crate) mod scripts;

use std::borrow::Cow;
use std::ops::Range;

use rustc_hash::FxHashMap;

use crate::heap::graph::kinds::{EdgeKind, NodeKind};

/// Position of a node, 0..n.
pub type Ordinal = u32;
/// "No node" and "no edge".
pub(crate) const NONE: u32 = u32::MAX;
/// Labels from here on live in a table of their own.
const WIDE_LABEL: u32 = (1 << 29) - 1;

/// Sizes in bytes, 32 bits each; the few that need more (backing stores) stand aside.
#[derive(Debug, Default, Clone)]
pub(crate) struct Sizes {
    narrow: Vec<u32>,
    wide: FxHashMap<u32, u64>,
}

impl Sizes {
    pub(crate) fn reserve_exact(&mut self, count: usize) {
        self.narrow.reserve_exact(count);
    }

    pub(crate) fn push(&mut self, size: u64) {
        let index = self.narrow.len() as u32;
        self.narrow.push(0);
        self.set(index, size);
    }

    #[inline]
    pub(crate) fn get(&self, ordinal: Ordinal) -> u64 {
        let narrow = self.narrow[ordinal as usize];
        if narrow == u32::MAX {
            return self.wide.get(&ordinal).copied().unwrap_or(0);
        }
        u64::from(narrow)
    }

    pub(crate) fn set(&mut self, ordinal: Ordinal, size: u64) {
        self.narrow[ordinal as usize] = match u32::try_from(size) {
            Ok(narrow) if narrow < u32::MAX => narrow,
            _ => {
                self.wide.insert(ordinal, size);
                u32::MAX
            }
        };
    }
}

/// One bit per item.
#[derive(Debug, Default, Clone)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    pub(crate) fn new(count: usize) -> Bits {
        Bits(vec![0; count.div_ceil(64)])
    }

    #[inline]
    pub(crate) fn get(&self, index: u32) -> bool {
        self.0
            .get(index as usize / 64)
            .is_some_and(|word| word >> (index % 64) & 1 != 0)
    }

    #[inline]
    pub(crate) fn set(&mut self, index: u32) {
        self.0[index as usize / 64] |= 1 << (index % 64);
    }

    /// Sets a bit, making room first. Returns whether it was clear.
    pub(crate) fn set_growing(&mut self, index: u32) -> bool {
        let word = index as usize / 64;
        if word >= self.0.len() {
            self.0.resize(word + 1 + word / 2, 0);
        }
        let clear = self.0[word] >> (index % 64) & 1 == 0;
        self.0[word] |= 1 << (index % 64);
        clear
    }
}

/// The string table: UTF-8, one buffer.
#[derive(Debug, Default)]
pub(crate) struct Strings {
    pub(crate) bytes: Vec<u8>,
    /// Where each string ends in `bytes`.
    pub(crate) ends: Vec<u32>,
    /// Length in UTF-16 code units of those that were cut.
    pub(crate) cut: FxHashMap<u32, u64>,
}

impl Strings {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// What is kept of a string. An index out of range is the empty string: parsing has refused such files.
    pub(crate) fn bytes(&self, index: u32) -> &[u8] {
        let index = index as usize;
        let Some(end) = self.ends.get(index) else {
            return &[];
        };
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.bytes[start as usize..*end as usize]
    }

    pub(crate) fn text(&self, index: u32) -> Cow<'_, str> {
        String::from_utf8_lossy(self.bytes(index))
    }

    /// Length in UTF-16 code units.
    pub(crate) fn length(&self, index: u32) -> u64 {
        self.cut
            .get(&index)
            .copied()
            .unwrap_or_else(|| self.text(index).encode_utf16().count() as u64)
    }

    /// The index of a text that is kept whole.
    pub(crate) fn find(&self, text: &str) -> Option<u32> {
        let mut start = 0u32;
        for (index, &end) in self.ends.iter().enumerate() {
            if (end - start) as usize == text.len()
                && &self.bytes[start as usize..end as usize] == text.as_bytes()
            {
                return Some(index as u32);
            }
            start = end;
        }
        None
    }
}

/// Where a closure stands in the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) ordinal: Ordinal,
    pub(crate) script: u32,
    /// Counted from 0.
    pub(crate) line: u32,
    /// Counted from 0.
    pub(crate) column: u32,
}

/// One name of the two edges that stand for an entry of a WeakMap: one from the key, one from the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ephemeron {
    /// V8's id of the table.
    pub(crate) table_id: u32,
    /// The same number on both edges.
    pub(crate) pair: u32,
}

/// The nodes that edges start from: finding one among all nodes would look at twenty far-apart places in memory.
#[derive(Debug)]
pub(crate) struct Sources {
    /// For each [`Sources::STEP`] edges, the node that the first of them starts from.
    nodes: Vec<Ordinal>,
}

impl Sources {
    const STEP: u32 = 256;

    pub(crate) fn of(first_edge: &[u32]) -> Sources {
        let mut nodes = Vec::new();
        let mut wanted = 0;
        for (node, edges) in first_edge.windows(2).enumerate() {
            while wanted < u64::from(edges[1]) {
                nodes.push(node as Ordinal);
                wanted += u64::from(Sources::STEP);
            }
        }
        Sources { nodes }
    }

    fn get(&self, first_edge: &[u32], edge: u32) -> Ordinal {
        let step = (edge / Sources::STEP) as usize;
        let low = self.nodes[step] as usize;
        let high = match self.nodes.get(step + 1) {
            Some(&node) => node as usize + 1,
            None => first_edge.len(),
        };
        (low + first_edge[low..high].partition_point(|&first| first <= edge)) as Ordinal - 1
    }
}

/// A parsed snapshot.
#[derive(Debug)]
pub struct Graph {
    /// The node types by number: their kinds, and V8's names.
    pub(crate) node_kinds: Vec<NodeKind>,
    pub(crate) node_type_names: Vec<String>,
    /// Native memory that belongs to no node (Node 24 and up).
    pub(crate) extra_native_bytes: u64,
    pub(crate) root: Ordinal,
    pub(crate) node_type: Vec<u8>,
    pub(crate) node_name: Vec<u32>,
    pub(crate) node_id: Vec<u32>,
    /// As V8 wrote them; an analysis takes them over and attributes them.
    pub(crate) sizes: Sizes,
    /// Count and bytes of each node type, as V8 wrote them.
    pub(crate) type_sums: Vec<(u64, u64)>,
    /// Where the edges of each node begin; one more entry than nodes.
    pub(crate) first_edge: Vec<u32>,
    pub(crate) sources: Sources,
    pub(crate) edge_to: Vec<Ordinal>,
    /// Kind in the low three bits, name or index above.
    pub(crate) edge_label: Vec<u32>,
    pub(crate) wide_labels: FxHashMap<u32, u32>,
    /// Nodes that Chrome says are detached from the document.
    pub(crate) detached: Vec<Ordinal>,
    /// Of closures only, by ordinal; `None` when the file has no locations.
    pub(crate) locations: Option<Vec<Location>>,
    pub(crate) strings: Strings,
    pub(crate) ephemerons: FxHashMap<u32, Ephemeron>,
    /// Bytes that were scanned (after unpacking).
    pub(crate) snapshot_bytes: u64,
}

impl Graph {
    /// Number of nodes.
    pub fn node_count(&self) -> usize {
        self.node_type.len()
    }

    /// Number of edges.
    pub fn edge_count(&self) -> usize {
        self.edge_to.len()
    }

    pub(crate) fn nodes(&self) -> Range<Ordinal> {
        0..self.node_count() as u32
    }

    #[inline]
    pub(crate) fn edges(&self, ordinal: Ordinal) -> Range<u32> {
        self.first_edge[ordinal as usize]..self.first_edge[ordinal as usize + 1]
    }

    #[inline]
    pub(crate) fn to(&self, edge: u32) -> Ordinal {
        self.edge_to[edge as usize]
    }

    #[inline]
    pub(crate) fn edge_kind(&self, edge: u32) -> EdgeKind {
        EdgeKind::from_bits(self.edge_label[edge as usize])
    }

    /// The name (a string index) or the number of an edge.
    #[inline]
    pub(crate) fn edge_name(&self, edge: u32) -> u32 {
        let name = self.edge_label[edge as usize] >> 3;
        if name == WIDE_LABEL {
            return self.wide_labels.get(&edge).copied().unwrap_or(name);
        }
        name
    }

    /// Packs a label; `Err` is a number that belongs into `wide_labels`.
    pub(crate) fn pack_label(kind: EdgeKind, name: u32) -> (u32, Option<u32>) {
        if name < WIDE_LABEL {
            (name << 3 | kind as u32, None)
        } else {
            (WIDE_LABEL << 3 | kind as u32, Some(name))
        }
    }

    /// The highest string index that a label or a node can have.
    pub(crate) const MAX_STRING: u64 = WIDE_LABEL as u64 - 1;

    #[inline]
    pub(crate) fn kind(&self, ordinal: Ordinal) -> NodeKind {
        self.node_kinds[self.node_type[ordinal as usize] as usize]
    }

    #[inline]
    pub(crate) fn name(&self, ordinal: Ordinal) -> u32 {
        self.node_name[ordinal as usize]
    }

    pub(crate) fn name_text(&self, ordinal: Ordinal) -> Cow<'_, str> {
        self.strings.text(self.name(ordinal))
    }

    pub(crate) fn is_named(&self, ordinal: Ordinal, text: &str) -> bool {
        self.strings.bytes(self.name(ordinal)) == text.as_bytes()
    }

    pub(crate) fn id(&self, ordinal: Ordinal) -> u32 {
        self.node_id[ordinal as usize]
    }

    /// The node that an edge starts from.
    pub(crate) fn from(&self, edge: u32) -> Ordinal {
        self.sources.get(&self.first_edge, edge)
    }

    /// The edge of this kind and name, if the node has one.
    pub(crate) fn find_edge(&self, ordinal: Ordinal, kind: EdgeKind, name: &str) -> Option<u32> {
        self.edges(ordinal).find(|&edge| {
            self.edge_kind(edge) == kind
                && self.strings.bytes(self.edge_name(edge)) == name.as_bytes()
        })
    }

    /// Where a node is that has this id.
    pub(crate) fn ordinal_of(&self, id: u32) -> Option<Ordinal> {
        self.node_id
            .iter()
            .position(|&known| known == id)
            .map(|position| position as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::Sources;

    #[test]
    fn the_start_of_each_edge_is_found_also_among_nodes_without_edges() {
        for counts in [
            &[0, 0, 3, 0, 1, 0][..],
            &[256, 0, 0, 256, 0],
            &[1],
            &[255, 1, 0, 0, 1, 800, 0, 0, 0, 1],
        ] {
            let mut first_edge = vec![0];
            let mut wanted = Vec::new();
            for (node, &count) in counts.iter().enumerate() {
                wanted.extend(vec![node as u32; count]);
                first_edge.push(wanted.len() as u32);
            }
            let sources = Sources::of(&first_edge);
            let found: Vec<u32> = (0..wanted.len() as u32)
                .map(|edge| sources.get(&first_edge, edge))
                .collect();
            assert_eq!(found, wanted);
        }
    }
}
