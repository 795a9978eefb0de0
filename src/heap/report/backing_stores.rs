//! Backing stores: the bytes behind ArrayBuffers, put down to the views and paths that hold them.
//!
//! Knows: how V8 draws a store, its ArrayBuffers and their views. Out of scope: where the bytes are.
//! Limitations: a store with several views is put down to the nearest; bytes that an addon frees itself are a store too.

#![forbid(unsafe_code)]

use rustc_hash::FxHashMap;

use crate::base::error::Failure;
use crate::base::sum::Sum;
use crate::heap::control::Ticker;
use crate::heap::graph::classes::class_name;
use crate::heap::graph::kinds::{EdgeKind, NodeKind};
use crate::heap::graph::{Bits, Ordinal, NONE};
use crate::heap::json::JsonWriter;
use crate::heap::paths::Detail;
use crate::heap::subject::{Largest, PathGroup, Subject, BACKING_STORE};

struct Store {
    /// An ArrayBuffer (or whatever object refers to the bytes).
    holder: Ordinal,
    view: Ordinal,
    views: u64,
}

impl Default for Store {
    fn default() -> Self {
        Store {
            holder: NONE,
            view: NONE,
            views: 0,
        }
    }
}

impl Store {
    fn speaker(&self) -> Option<Ordinal> {
        [self.view, self.holder]
            .into_iter()
            .find(|&node| node != NONE)
    }
}

/// Backing stores put down to the views that read them and to what holds those.
pub(crate) fn write(subject: &Subject, json: &mut JsonWriter) -> Result<(), Failure> {
    let graph = subject.graph();
    let mut stores: FxHashMap<Ordinal, Store> = FxHashMap::default();
    let mut total = Sum::default();
    // Asked for each edge of the snapshot: a bit is found faster than an entry of a map.
    let mut is_store = Bits::new(graph.node_count());
    if let Some(name) = graph.strings.find(BACKING_STORE) {
        for node in graph.nodes() {
            if graph.kind(node) == NodeKind::Native && graph.name(node) == name {
                total.add(subject.analysis.sizes.get(node));
                stores.insert(node, Store::default());
                is_store.set(node);
            }
        }
    }
    // From the store to the ArrayBuffers, from there to the views: one pass over the edges each.
    let mut buffers: FxHashMap<Ordinal, Ordinal> = FxHashMap::default();
    let mut ticker = Ticker::new(subject.control);
    if !stores.is_empty() {
        for from in graph.nodes() {
            ticker.tick()?;
            if graph.kind(from) != NodeKind::Object {
                continue;
            }
            for edge in graph.edges(from) {
                let to = graph.to(edge);
                if is_store.get(to) {
                    if let Some(store) = stores.get_mut(&to) {
                        store.holder = store.holder.min(from);
                        buffers.insert(from, to);
                    }
                }
            }
        }
        drop(is_store);
        let mut is_buffer = Bits::new(graph.node_count());
        for &buffer in buffers.keys() {
            is_buffer.set(buffer);
        }
        for from in graph.nodes() {
            ticker.tick()?;
            if graph.kind(from) != NodeKind::Object {
                continue;
            }
            for edge in graph.edges(from) {
                if graph.edge_kind(edge) != EdgeKind::Internal || !is_buffer.get(graph.to(edge)) {
                    continue;
                }
                let Some(store) = buffers.get(&graph.to(edge)) else {
                    continue;
                };
                if graph.strings.bytes(graph.edge_name(edge)) != b"buffer" {
                    continue;
                }
                if let Some(store) = stores.get_mut(store) {
                    store.views += 1;
                    // The nearest view speaks for the store; a Buffer among other views first.
                    if store.view == NONE
                        || subject.analysis.distances.raw(from)
                            < subject.analysis.distances.raw(store.view)
                    {
                        store.view = from;
                    }
                }
            }
        }
    }
    let places = subject.places();
    let mut by_holder: FxHashMap<u32, PathGroup> = FxHashMap::default();
    let mut by_class: FxHashMap<u32, Sum> = FxHashMap::default();
    let mut unheld = Sum::default();
    for (&node, store) in &stores {
        let bytes = subject.analysis.sizes.get(node);
        let Some(holder) = store.speaker() else {
            unheld.add(bytes);
            continue;
        };
        if subject.analysis.distances.ours.get(holder) {
            continue;
        }
        by_class
            .entry(subject.classes.of(graph, holder))
            .or_default()
            .add(bytes);
        let group = by_holder
            .entry(places[holder as usize])
            .or_insert(PathGroup {
                sum: Sum::default(),
                retained: 0,
                example: holder,
            });
        group.example = group.example.min(holder);
        group.sum.add(bytes);
    }
    let mut holders: Vec<PathGroup> = by_holder.into_values().collect();
    holders.sort_by_key(|group| (std::cmp::Reverse(group.sum.bytes), group.example));
    holders.truncate(subject.options.top);
    let mut class_rows: Vec<(u32, Sum)> = by_class.into_iter().collect();
    class_rows.sort_by_key(|(class, sum)| (std::cmp::Reverse(sum.bytes), *class));
    class_rows.truncate(subject.options.top);
    let mut best = Largest::new(subject.options.top);
    for &node in stores.keys() {
        best.offer(subject.analysis.sizes.get(node), node);
    }
    json.key("backingStores").object(|json| {
        json.key("count").number(total.count);
        json.key("bytes").number(total.bytes);
        json.key("unheldCount").number(unheld.count);
        json.key("unheldBytes").number(unheld.bytes);
        json.key("classes").list(class_rows, |json, (class, sum)| {
            json.object(|json| {
                json.key("className").text(subject.classes.name(class));
                json.key("count").number(sum.count);
                json.key("bytes").number(sum.bytes);
            });
        });
        json.key("paths").list(holders, |json, group| {
            json.object(|json| {
                json.key("path")
                    .text(&subject.path(group.example, Detail::Grouped));
                json.key("count").number(group.sum.count);
                json.key("bytes").number(group.sum.bytes);
                json.key("exampleId").number(graph.id(group.example));
            });
        });
        json.key("largest").list(best.into_sorted(), |json, node| {
            let store = &stores[&node];
            json.object(|json| {
                json.key("id").number(graph.id(node));
                json.key("bytes").number(subject.analysis.sizes.get(node));
                json.key("viewCount").number(store.views);
                match store.speaker() {
                    Some(holder) => {
                        json.key("holderId").number(graph.id(holder));
                        json.key("className").text(&class_name(graph, holder));
                        json.key("path").text(&subject.path(holder, Detail::Exact));
                    }
                    None => {
                        json.key("holderId").null();
                        json.key("className").null();
                        json.key("path").null();
                    }
                }
            });
        });
    });
    Ok(())
}
