//! Strings: equal ones by what the copies cost, long ones that only slices keep.
//!
//! Knows: string nodes and their texts. Out of scope: whose they are.
//! Limitations: V8 writes the beginning of a long string only; such strings are counted, not compared.

#![forbid(unsafe_code)]

use rustc_hash::FxHashMap;

use crate::base::error::Failure;
use crate::base::sum::Sum;
use crate::heap::control::Ticker;
use crate::heap::graph::kinds::{EdgeKind, NodeKind};
use crate::heap::graph::{Bits, Ordinal};
use crate::heap::json::JsonWriter;
use crate::heap::subject::{cut, Largest, Subject};

/// Characters of a string that V8 writes (`--heap-snapshot-string-limit`).
const STRING_LIMIT: u64 = 1024;

pub(crate) fn write(subject: &Subject, json: &mut JsonWriter) -> Result<(), Failure> {
    let graph = subject.graph();
    let mut total = Sum::default();
    // V8 writes equal strings once: one index, one text.
    let mut counts = vec![0u32; graph.strings.len()];
    let mut bytes = vec![0u64; graph.strings.len()];
    for node in graph.nodes() {
        let kind = graph.kind(node);
        if !matches!(
            kind,
            NodeKind::String | NodeKind::ConsString | NodeKind::SlicedString
        ) {
            continue;
        }
        total.add(subject.analysis.sizes.get(node));
        if kind == NodeKind::String {
            counts[graph.name(node) as usize] += 1;
            bytes[graph.name(node) as usize] += subject.analysis.sizes.get(node);
        }
    }
    let mut duplicates = Sum::default();
    let mut best = Largest::new(subject.options.top);
    for index in 0..counts.len() {
        // V8 writes the first 1,024 characters: longer strings that begin alike need not be equal.
        if counts[index] > 1 && graph.strings.length(index as u32) < STRING_LIMIT {
            let wasted = bytes[index] - bytes[index] / u64::from(counts[index]);
            duplicates.count += u64::from(counts[index]) - 1;
            duplicates.bytes += wasted;
            best.offer(wasted, index as u32);
        }
    }
    let mut slices = Slices::find(subject);
    slices.keep_only_pinned(subject)?;
    let parents = slices.parents;
    let mut pinned = Sum::default();
    let mut pinned_best = Largest::new(subject.options.top);
    for &parent in parents.keys() {
        pinned.add(subject.analysis.sizes.get(parent));
        pinned_best.offer(subject.analysis.sizes.get(parent), parent);
    }
    json.key("strings").object(|json| {
        json.key("count").number(total.count);
        json.key("bytes").number(total.bytes);
        json.key("duplicateCount").number(duplicates.count);
        json.key("duplicateBytes").number(duplicates.bytes);
        json.key("duplicates")
            .list(best.into_sorted(), |json, index| {
                json.object(|json| {
                    json.key("text").text(&cut(&graph.strings.text(index)));
                    json.key("length").number(graph.strings.length(index));
                    json.key("count").number(counts[index as usize]);
                    json.key("bytes").number(bytes[index as usize]);
                });
            });
        json.key("pinnedBySlicesCount").number(pinned.count);
        json.key("pinnedBySlicesBytes").number(pinned.bytes);
        json.key("pinnedBySlices")
            .list(pinned_best.into_sorted(), |json, parent| {
                json.object(|json| {
                    json.key("id").number(graph.id(parent));
                    json.key("text").text(&cut(&graph.name_text(parent)));
                    json.key("bytes").number(subject.analysis.sizes.get(parent));
                    json.key("sliceCount").number(parents[&parent].count);
                });
            });
    });
    Ok(())
}

/// The slices of one string.
pub(crate) struct Parts {
    pub(crate) count: u64,
    /// The slice that is nearest to the roots.
    pub(crate) nearest: Ordinal,
}

/// The strings that have slices, by ordinal.
pub(crate) struct Slices {
    pub(crate) parents: FxHashMap<Ordinal, Parts>,
}

impl Slices {
    pub(crate) fn find(subject: &Subject) -> Slices {
        let graph = subject.graph();
        let distances = &subject.analysis.distances;
        let parent_name = graph.strings.find("parent");
        let mut parents: FxHashMap<Ordinal, Parts> = FxHashMap::default();
        for node in graph.nodes() {
            if graph.kind(node) != NodeKind::SlicedString {
                continue;
            }
            let parent = graph.edges(node).find(|&edge| {
                graph.edge_kind(edge) == EdgeKind::Internal
                    && Some(graph.edge_name(edge)) == parent_name
            });
            if let Some(edge) = parent {
                let parts = parents.entry(graph.to(edge)).or_insert(Parts {
                    count: 0,
                    nearest: node,
                });
                parts.count += 1;
                if distances.raw(node) < distances.raw(parts.nearest) {
                    parts.nearest = node;
                }
            }
        }
        Slices { parents }
    }

    /// Bytes of all these strings.
    pub(crate) fn bytes(&self, subject: &Subject) -> u64 {
        self.parents.keys().fold(0, |sum: u64, &parent| {
            sum.saturating_add(subject.analysis.sizes.get(parent))
        })
    }

    /// Leaves out the strings that something beside their slices refers to.
    pub(crate) fn keep_only_pinned(&mut self, subject: &Subject) -> Result<(), Failure> {
        if self.parents.is_empty() {
            return Ok(());
        }
        let graph = subject.graph();
        let mut sliced = Bits::new(graph.node_count());
        for &parent in self.parents.keys() {
            sliced.set(parent);
        }
        let mut held = Bits::new(graph.node_count());
        let mut ticker = Ticker::new(subject.control);
        for from in graph.nodes() {
            ticker.tick()?;
            if matches!(
                graph.kind(from),
                NodeKind::SlicedString | NodeKind::Synthetic
            ) {
                continue;
            }
            for edge in graph.edges(from) {
                if sliced.get(graph.to(edge)) && graph.edge_kind(edge) != EdgeKind::Weak {
                    held.set(graph.to(edge));
                }
            }
        }
        self.parents.retain(|&parent, _| !held.get(parent));
        Ok(())
    }
}
