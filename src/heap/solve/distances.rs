//! Distances from the roots, and with them one shortest path to every node.
//!
//! Knows: the order in which DevTools walks, and the edges it passes over. Out of scope: dominators.
//! Unlike DevTools, it goes on from what is offheap's own only when there is no other way: what a service keeps is to be seen on
//! the service's own path, not on the one through its diagnosis tool.
//! Limitations: a node that only the engine's own roots reach has no distance (DevTools shows "−"); it still has a
//! path, from one of those.

#![forbid(unsafe_code)]

use rustc_hash::FxHashSet;

use crate::base::error::Failure;
use crate::heap::control::{Control, Ticker};
use crate::heap::graph::kinds::{EdgeKind, NodeKind};
use crate::heap::graph::ours::Ours;
use crate::heap::graph::{Bits, Graph, Ordinal, NONE};
use crate::heap::solve::retained::is_user_root;

/// Added to the distance of what only system roots reach, as in DevTools.
pub(crate) const SYSTEM: u32 = 100_000_000;

/// Distances and shortest paths.
pub(crate) struct Distances {
    /// By ordinal; [`NONE`] if nothing reaches it.
    distance: Vec<u32>,
    /// The edge over which a node was reached first; [`NONE`] for the start of a path.
    pub(crate) via: Vec<u32>,
    /// The nodes in the order in which they were reached.
    pub(crate) order: Vec<Ordinal>,
    /// What is offheap's own, or held by nothing but that, and is not the program's: no answer to what the service holds.
    pub(crate) ours: Bits,
}

impl Distances {
    pub(crate) fn find(graph: &Graph, control: &Control) -> Result<Distances, Failure> {
        let count = graph.node_count();
        let ours = Ours::find(graph, control)?;
        let mut search = Search {
            graph,
            found: Distances {
                distance: vec![NONE; count],
                via: vec![NONE; count],
                order: Vec::with_capacity(count),
                ours: Bits::new(count),
            },
            sloppy: graph.strings.find("sloppy_function_map"),
            native_context: graph.strings.find("system / NativeContext"),
            descriptors: graph.strings.find("(map descriptors)"),
            half_pairs: FxHashSet::default(),
            ours,
            deferred: Vec::new(),
            own: Vec::new(),
            ticker: Ticker::new(control),
        };
        for edge in graph.edges(graph.root) {
            let to = graph.to(edge);
            if is_user_root(graph, to) && search.found.distance[to as usize] == NONE {
                search.found.distance[to as usize] = 1;
                search.found.via[to as usize] = edge;
                search.found.order.push(to);
            }
        }
        let users = !search.found.order.is_empty();
        search.run(0)?;
        let rest = search.found.order.len();
        if search.found.distance[graph.root as usize] == NONE {
            search.found.order.push(graph.root);
        }
        search.found.distance[graph.root as usize] = if users { SYSTEM } else { 0 };
        search.found.via[graph.root as usize] = NONE;
        search.run(rest)?;
        Ok(search.found)
    }

    /// The distance as DevTools counts it; `None` for what no user root reaches.
    pub(crate) fn get(&self, node: Ordinal) -> Option<u32> {
        let distance = self.distance[node as usize];
        (distance < SYSTEM).then_some(distance)
    }

    /// The number behind [`Distances::get`], ordered so that lower is nearer.
    pub(crate) fn raw(&self, node: Ordinal) -> u32 {
        self.distance[node as usize]
    }

    pub(crate) fn is_reached(&self, node: Ordinal) -> bool {
        self.distance[node as usize] != NONE
    }
}

struct Search<'a> {
    graph: &'a Graph,
    found: Distances,
    sloppy: Option<u32>,
    native_context: Option<u32>,
    descriptors: Option<u32>,
    /// WeakMap entries of which one of the two edges has been met.
    half_pairs: FxHashSet<u32>,
    ours: Ours,
    /// Edges from offheap to what is the program's, with the distance of what they lead to.
    deferred: Vec<(u32, u32)>,
    /// Edges from offheap to what it has for itself, if nothing else leads there.
    own: Vec<(u32, u32)>,
    ticker: Ticker<'a>,
}

impl Search<'_> {
    /// Goes on from the nodes in `order[next..]`; when nothing else is left, from offheap to what is the program's; and when nothing
    /// is left of that either, to what offheap has for itself.
    fn run(&mut self, mut next: usize) -> Result<(), Failure> {
        loop {
            self.walk(next)?;
            next = self.found.order.len();
            for (edge, distance) in std::mem::take(&mut self.deferred) {
                self.reach(edge, distance);
            }
            if next < self.found.order.len() {
                continue;
            }
            for (edge, distance) in std::mem::take(&mut self.own) {
                if self.reach(edge, distance) {
                    self.found.ours.set(self.graph.to(edge));
                }
            }
            if next == self.found.order.len() {
                return Ok(());
            }
        }
    }

    /// Reaches a node over an edge, unless it was reached before. Returns whether it was not.
    fn reach(&mut self, edge: u32, distance: u32) -> bool {
        let to = self.graph.to(edge);
        let is_first = self.found.distance[to as usize] == NONE;
        if is_first {
            self.found.distance[to as usize] = distance;
            self.found.via[to as usize] = edge;
            self.found.order.push(to);
        }
        is_first
    }

    fn walk(&mut self, mut next: usize) -> Result<(), Failure> {
        while next < self.found.order.len() {
            self.ticker.tick()?;
            let node = self.found.order[next];
            next += 1;
            let distance = self.found.distance[node as usize] + 1;
            let kind = self.graph.kind(node);
            let context =
                kind == NodeKind::Hidden && Some(self.graph.name(node)) == self.native_context;
            let descriptors =
                kind == NodeKind::Array && Some(self.graph.name(node)) == self.descriptors;
            if self.ours.is_node(node) {
                self.found.ours.set(node);
            }
            let ours = self.found.ours.get(node);
            for edge in self.graph.edges(node) {
                let to = self.graph.to(edge);
                if self.found.distance[to as usize] != NONE {
                    continue;
                }
                let edge_kind = self.graph.edge_kind(edge);
                if edge_kind == EdgeKind::Weak
                    || context && self.is_sloppy(edge, edge_kind)
                    || descriptors && is_shared_descriptor(self.graph, edge, edge_kind)
                    || edge_kind == EdgeKind::Internal && self.is_first_of_pair(edge)
                {
                    continue;
                }
                if ours {
                    let is_own = self.ours.passes_on(self.graph, node, edge)
                        && !self.ours.is_of_others(self.graph, to);
                    let later = match is_own {
                        true => &mut self.own,
                        false => &mut self.deferred,
                    };
                    later.push((edge, distance));
                } else if self.ours.is_edge(edge_kind, self.graph.edge_name(edge)) {
                    self.deferred.push((edge, distance));
                } else {
                    self.reach(edge, distance);
                }
            }
        }
        Ok(())
    }

    fn is_sloppy(&self, edge: u32, kind: EdgeKind) -> bool {
        kind.has_string_name() && Some(self.graph.edge_name(edge)) == self.sloppy
    }

    /// A WeakMap's value is as far away as the farther of key and table: only the second of the two edges that
    /// are met counts.
    fn is_first_of_pair(&mut self, edge: u32) -> bool {
        if self.graph.ephemerons.is_empty() {
            return false;
        }
        let Some(entry) = self.graph.ephemerons.get(&self.graph.edge_name(edge)) else {
            return false;
        };
        if self.half_pairs.remove(&entry.pair) {
            return false;
        }
        self.half_pairs.insert(entry.pair);
        true
    }
}

/// Hidden classes share descriptor arrays: the value slots may belong to others.
fn is_shared_descriptor(graph: &Graph, edge: u32, kind: EdgeKind) -> bool {
    let index = if kind.has_string_name() {
        let text = graph.strings.text(graph.edge_name(edge));
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        match text[..digits].parse::<u32>() {
            Ok(index) => index,
            Err(_) => return false,
        }
    } else {
        graph.edge_name(edge)
    };
    index >= 2 && index % 3 == 1
}
