//! Which edges keep something alive: the rules of Chrome DevTools.
//!
//! Knows: weak edges, short cuts, what the user's roots own, WeakMap entries. Out of scope: dominators.
//! Limitations: as DevTools, what a debugger or the embedder holds beside the user's own references is left out of
//! the dominator tree, so retained sizes answer "what if the program released it".

#![forbid(unsafe_code)]

use crate::base::error::Failure;
use crate::heap::control::{Control, Ticker};
use crate::heap::graph::kinds::{EdgeKind, NodeKind};
use crate::heap::graph::{Bits, Graph, Ordinal};

/// The rules in which tools differ; all on is what DevTools does. Tests switch them off one by one to account
/// for every difference from other tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// An edge from what the user's roots do not reach into what they do reach keeps nothing alive.
    pub user_roots: bool,
    /// A WeakMap's value is kept by its key, not by the table.
    pub ephemerons: bool,
    /// The size of a hidden node or array that belongs to one object alone is counted as that object's.
    pub attribute: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            user_roots: true,
            ephemerons: true,
            attribute: true,
        }
    }
}

/// What the rules make of one graph.
pub(crate) struct Essential {
    /// By edge.
    edges: Bits,
    /// By node: whether any essential edge leads to it.
    retained: Bits,
}

impl Essential {
    pub(crate) fn find(
        graph: &Graph,
        rules: Rules,
        control: &Control,
    ) -> Result<Essential, Failure> {
        let owned = if rules.user_roots {
            owned_by_user_roots(graph, control)?
        } else {
            Bits::new(0)
        };
        let mut edges = Bits::new(graph.edge_count());
        let mut retained = Bits::new(graph.node_count());
        let mut ticker = Ticker::new(control);
        for node in graph.nodes() {
            ticker.tick()?;
            let is_root = node == graph.root;
            let node_owned = owned.get(node);
            for edge in graph.edges(node) {
                let to = graph.to(edge);
                let kind = graph.edge_kind(edge);
                let essential = match kind {
                    EdgeKind::Weak => false,
                    _ if to == node => false,
                    EdgeKind::Shortcut => is_root,
                    // Other edges from the root count whatever they lead to.
                    _ => is_root || node_owned || !owned.get(to),
                };
                if !essential {
                    continue;
                }
                if kind == EdgeKind::Internal && rules.ephemerons && !graph.ephemerons.is_empty() {
                    let entry = graph.ephemerons.get(&graph.edge_name(edge));
                    if entry.is_some_and(|entry| entry.table_id == graph.id(node)) {
                        continue;
                    }
                }
                edges.set(edge);
                retained.set(to);
            }
        }
        Ok(Essential { edges, retained })
    }

    #[inline]
    pub(crate) fn edge(&self, edge: u32) -> bool {
        self.edges.get(edge)
    }

    pub(crate) fn is_retained(&self, node: Ordinal) -> bool {
        self.retained.get(node)
    }
}

pub(crate) fn is_document_trees(graph: &Graph, node: Ordinal) -> bool {
    graph.kind(node) == NodeKind::Synthetic && graph.is_named(node, "(Document DOM trees)")
}

/// Everything reachable from the root's short cuts (global objects) and the document trees, weak edges aside.
fn owned_by_user_roots(graph: &Graph, control: &Control) -> Result<Bits, Failure> {
    let mut owned = Bits::new(graph.node_count());
    let mut pending = Vec::new();
    for edge in graph.edges(graph.root) {
        let to = graph.to(edge);
        let entry = match graph.edge_kind(edge) {
            EdgeKind::Shortcut => true,
            EdgeKind::Element => is_document_trees(graph, to),
            _ => false,
        };
        if entry && !owned.get(to) {
            owned.set(to);
            pending.push(to);
        }
    }
    let mut ticker = Ticker::new(control);
    while let Some(node) = pending.pop() {
        ticker.tick()?;
        for edge in graph.edges(node) {
            let to = graph.to(edge);
            if !owned.get(to) && graph.edge_kind(edge) != EdgeKind::Weak {
                owned.set(to);
                pending.push(to);
            }
        }
    }
    Ok(owned)
}
