//! Sizes: shallow as DevTools shows them, and retained.
//!
//! Knows: the dominator tree and self sizes. Out of scope: names, beyond the three that V8 hides.
//! Limitations: a retained size counts every byte once, with its dominator; memory that no node stands for is in
//! none of them.

#![forbid(unsafe_code)]

use crate::base::error::Failure;
use crate::heap::control::{Control, Ticker};
use crate::heap::graph::kinds::{EdgeKind, NodeKind};
use crate::heap::graph::{Graph, Ordinal, Sizes, NONE};
use crate::heap::solve::dominators::Dominators;
use crate::heap::solve::essential::is_document_trees;

/// Has more than one owner.
const SHARED: u32 = NONE - 1;

/// Whether the root refers to anything but synthetic nodes. Without (`exposeInternals`), sizes stay as V8 wrote
/// them.
pub(crate) fn has_user_roots(graph: &Graph) -> bool {
    graph.edges(graph.root).any(|edge| {
        let to = graph.to(edge);
        is_user_root(graph, to)
    })
}

pub(crate) fn is_user_root(graph: &Graph, node: Ordinal) -> bool {
    graph.kind(node) != NodeKind::Synthetic || is_document_trees(graph, node)
}

/// Hidden nodes and arrays that belong to one object alone, and that object: a Map's table is the Map's, not
/// "(array)".
pub(crate) fn sole_owners(
    graph: &Graph,
    control: &Control,
) -> Result<Vec<(Ordinal, Ordinal)>, Failure> {
    let mut owned = Vec::new();
    if !has_user_roots(graph) {
        return Ok(owned);
    }
    let external_string = graph.strings.find("system / ExternalStringData");
    let mut owner: Vec<u32> = graph
        .nodes()
        .map(|node| match graph.kind(node) {
            NodeKind::Hidden | NodeKind::Array => NONE,
            NodeKind::Native if Some(graph.name(node)) == external_string => NONE,
            _ => node,
        })
        .collect();
    let mut ticker = Ticker::new(control);
    let mut pending = Vec::new();
    for start in graph.nodes() {
        if owner[start as usize] != start {
            continue;
        }
        pending.push(start);
        while let Some(node) = pending.pop() {
            ticker.tick()?;
            let by = owner[node as usize];
            for edge in graph.edges(node) {
                let to = graph.to(edge);
                let known = owner[to as usize];
                if known == to || known == by || known == SHARED {
                    continue;
                }
                if graph.edge_kind(edge) == EdgeKind::Weak {
                    continue;
                }
                // At most twice per node: once when it gets an owner, once when it gets a second.
                owner[to as usize] = if known == NONE { by } else { SHARED };
                pending.push(to);
            }
        }
    }
    for node in graph.nodes() {
        let by = owner[node as usize];
        if by == node || by == NONE || by == SHARED {
            continue;
        }
        if by == graph.root || graph.kind(by) == NodeKind::Synthetic {
            continue;
        }
        if graph.sizes.get(node) > 0 {
            owned.push((node, by));
        }
    }
    Ok(owned)
}

/// Moves the sizes of what is owned to the owners.
pub(crate) fn attribute(sizes: &mut Sizes, owned: &[(Ordinal, Ordinal)]) {
    for &(node, by) in owned {
        let moved = sizes.get(node);
        sizes.set(node, 0);
        sizes.set(by, sizes.get(by).saturating_add(moved));
    }
}

/// Retained sizes and dominators by ordinal.
pub(crate) struct Retained {
    pub(crate) bytes: Vec<u64>,
    pub(crate) dominator: Vec<Ordinal>,
}

impl Retained {
    pub(crate) fn add_up(tree: Dominators, sizes: &Sizes) -> Retained {
        let Dominators { order, mut parent } = tree;
        let count = order.len();
        let mut bytes: Vec<u64> = (0..count as u32).map(|node| sizes.get(node)).collect();
        let mut dominator = vec![0; count];
        for number in (1..count).rev() {
            let node = order[number];
            let by = order[parent[number] as usize];
            dominator[node as usize] = by;
            bytes[by as usize] = bytes[by as usize].saturating_add(bytes[node as usize]);
        }
        dominator[order[0] as usize] = order[0];
        parent.clear();
        Retained { bytes, dominator }
    }
}

/// The dominator tree from the top down.
pub(crate) struct Dominated {
    first: Vec<u32>,
    nodes: Vec<Ordinal>,
}

impl Dominated {
    pub(crate) fn build(graph: &Graph, dominator: &[Ordinal]) -> Dominated {
        let mut first = vec![0u32; dominator.len() + 1];
        for node in graph.nodes().filter(|&node| node != graph.root) {
            first[dominator[node as usize] as usize] += 1;
        }
        let mut total = 0;
        for slot in &mut first {
            total += *slot;
            *slot = total;
        }
        let mut nodes = vec![0; total as usize];
        for node in graph.nodes().rev().filter(|&node| node != graph.root) {
            let slot = &mut first[dominator[node as usize] as usize];
            *slot -= 1;
            nodes[*slot as usize] = node;
        }
        Dominated { first, nodes }
    }

    /// What a node dominates immediately, by ordinal.
    pub(crate) fn by(&self, node: Ordinal) -> &[Ordinal] {
        &self.nodes[self.first[node as usize] as usize..self.first[node as usize + 1] as usize]
    }

    /// Retained size per group without counting anything twice: a node counts unless another of its group
    /// dominates it. `group` is `None` for nodes that belong to none.
    pub(crate) fn group_bytes(
        &self,
        root: Ordinal,
        groups: usize,
        bytes: &[u64],
        group: impl Fn(Ordinal) -> Option<u32>,
        control: &Control,
    ) -> Result<Vec<u64>, Failure> {
        let mut sums = vec![0u64; groups];
        let mut open = vec![false; groups];
        // Nodes to visit, and between them markers of groups to close: an entry is a node or NONE followed by
        // a group in `closing`.
        let mut pending = vec![root];
        let mut closing = Vec::new();
        let mut ticker = Ticker::new(control);
        while let Some(node) = pending.pop() {
            ticker.tick()?;
            if node == NONE {
                if let Some(group) = closing.pop() {
                    open[group as usize] = false;
                }
                continue;
            }
            let dominated = self.by(node);
            if let Some(group) = group(node) {
                if !open[group as usize] {
                    sums[group as usize] =
                        sums[group as usize].saturating_add(bytes[node as usize]);
                    if !dominated.is_empty() {
                        open[group as usize] = true;
                        closing.push(group);
                        pending.push(NONE);
                    }
                }
            }
            pending.extend_from_slice(dominated);
        }
        Ok(sums)
    }
}
