//! What the kinds of suspects look for by name.
//!
//! Knows: the numbers of those names in one graph, and the objects that have edges with some of them. One walk over strings finds the
//! former, one over edges the latter.
//! Out of scope: what makes a suspect of them.
//! Limitations: names are V8's and Node's own; another engine has others.

#![forbid(unsafe_code)]

use crate::base::error::Failure;
use crate::heap::control::Ticker;
use crate::heap::graph::kinds::{EdgeKind, NodeKind};
use crate::heap::graph::{Bits, Graph, Ordinal};
use crate::heap::subject::Subject;

/// What the kinds look for by name, found in one walk over strings and one over edges.
pub(super) struct Names {
    pub(super) weak_cell: Option<u32>,
    pub(super) weak_ref: Option<u32>,
    pub(super) context_frame: Option<u32>,
    pub(super) property_array: Option<u32>,
    pub(super) timeout: Option<u32>,
    pub(super) immediate: Option<u32>,
    pub(super) next: Option<u32>,
    pub(super) target: Option<u32>,
    pub(super) constructor: Option<u32>,
    pub(super) aborted: Option<u32>,
    /// Maps and Sets, of subclasses too: the object and its table. Each table once, as in the lists below.
    pub(super) tables: Vec<(Ordinal, Ordinal)>,
    /// EventEmitters and their `_events`.
    pub(super) events: Vec<(Ordinal, u32)>,
    /// EventTargets and their `kEvents`.
    pub(super) target_events: Vec<(Ordinal, u32)>,
    /// AbortSignals and their `kDependantSignals`.
    pub(super) followers: Vec<(Ordinal, u32)>,
    /// Asynchronous resources and their edges `kResourceStore`.
    pub(super) stores: Vec<(Ordinal, u32)>,
}

impl Names {
    pub(super) fn find(subject: &Subject) -> Result<Names, Failure> {
        let graph = subject.graph();
        let [weak_cell, weak_ref, context_frame, property_array, timeout, immediate, next, target, constructor, aborted, table, events, target_events, followers, stores] =
            find_all(
                graph,
                [
                    "system / WeakCell",
                    "WeakRef",
                    "AsyncContextFrame",
                    "system / PropertyArray",
                    "Timeout",
                    "Immediate",
                    "next",
                    "target",
                    "constructor",
                    "<symbol kAborted>",
                    "table",
                    "_events",
                    "<symbol kEvents>",
                    "<symbol kDependantSignals>",
                    "<symbol kResourceStore>",
                ],
            );
        let mut names = Names {
            weak_cell,
            weak_ref,
            context_frame,
            property_array,
            timeout,
            immediate,
            next,
            target,
            constructor,
            aborted,
            tables: Vec::new(),
            events: Vec::new(),
            target_events: Vec::new(),
            followers: Vec::new(),
            stores: Vec::new(),
        };
        // As the graph packs kinds and names.
        let wanted = [
            (EdgeKind::Internal, table),
            (EdgeKind::Property, events),
            (EdgeKind::Property, target_events),
            (EdgeKind::Property, followers),
            (EdgeKind::Property, stores),
        ]
        .map(|(kind, name)| name.map(|name| Graph::pack_label(kind, name).0));
        // Each table is walked over later. It is noted once, however many objects of a made-up file refer to it.
        let mut seen = Bits::new(graph.node_count());
        let mut ticker = Ticker::new(subject.control);
        for node in graph.nodes() {
            ticker.tick()?;
            if graph.kind(node) != NodeKind::Object {
                continue;
            }
            for edge in graph.edges(node) {
                let label = Some(graph.edge_label[edge as usize]);
                let Some(which) = wanted.iter().position(|&wanted| wanted == label) else {
                    continue;
                };
                let to = graph.to(edge);
                if which == 4 {
                    names.stores.push((node, edge));
                    continue;
                }
                if seen.get(to) {
                    continue;
                }
                seen.set(to);
                match which {
                    0 => names.tables.push((node, to)),
                    1 => names.events.push((node, to)),
                    2 => names.target_events.push((node, to)),
                    _ => names.followers.push((node, to)),
                }
            }
        }
        Ok(names)
    }
}

/// The indices of some texts, in one walk.
fn find_all<const N: usize>(graph: &Graph, texts: [&str; N]) -> [Option<u32>; N] {
    let mut found = [None; N];
    let lengths = texts
        .iter()
        .fold(0u64, |lengths, text| lengths | 1 << (text.len() % 64));
    let mut start = 0u32;
    for (index, &end) in graph.strings.ends.iter().enumerate() {
        let length = (end - start) as usize;
        if length < 64 && lengths >> length & 1 != 0 {
            let bytes = &graph.strings.bytes[start as usize..end as usize];
            if let Some(which) = texts.iter().position(|text| text.as_bytes() == bytes) {
                found[which].get_or_insert(index as u32);
            }
        }
        start = end;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::tests::sketch_with_global;
    use super::*;

    #[test]
    fn texts_are_found_by_themselves_and_not_as_parts() {
        let (mut sketch, _) = sketch_with_global();
        sketch.node("object", "WeakReference", 8);
        let weak_ref = sketch.node("object", "WeakRef", 8);
        let graph = sketch.graph();
        assert_eq!(
            find_all(&graph, ["WeakRef", "WeakRe", "gone"]),
            [Some(graph.name(weak_ref as u32)), None, None]
        );
    }
}
