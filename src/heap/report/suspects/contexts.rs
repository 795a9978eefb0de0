//! Stores of AsyncLocalStorage that only asynchronous resources keep: a socket, timer or promise that was made while
//! serving a request keeps that request's store for as long as it lives.
//!
//! Knows: `kResourceStore` on resources (Node 20, 22), and AsyncContextFrame (24 and later), a Map from storage to
//! store. Out of scope: what is in a store.
//! Limitations: requests that are being served look the same; the number and the bytes tell.

#![forbid(unsafe_code)]

use rustc_hash::{FxHashMap, FxHashSet};

use super::reach::{reached, Counts};
use super::tables::pairs;
use super::{Groups, Limits, Names, Suspect};
use crate::base::error::Failure;
use crate::heap::graph::classes::class_name;
use crate::heap::graph::kinds::{EdgeKind, NodeKind};
use crate::heap::graph::{Bits, Ordinal, NONE};
use crate::heap::subject::{cut, Subject};

const LIMITS: Limits = Limits {
    few: 20,
    many: 1_000,
    heavy_percent: 1,
};

pub(crate) fn find(
    subject: &Subject,
    names: &Names,
    suspects: &mut Vec<Suspect>,
) -> Result<(), Failure> {
    let graph = subject.graph();
    let raw = |node| subject.analysis.distances.raw(node);
    // By store: the nearest resource that keeps it.
    let mut keepers: FxHashMap<Ordinal, Ordinal> = FxHashMap::default();
    let mut keep = |store: Ordinal, resource: Ordinal| {
        if matches!(graph.kind(store), NodeKind::Object | NodeKind::Closure)
            // Such as the one that offheap makes for each request.
            && !subject.analysis.distances.ours.get(store)
        {
            let keeper = keepers.entry(store).or_insert(resource);
            if raw(resource) < raw(*keeper) {
                *keeper = resource;
            }
        }
    };
    for &(resource, edge) in &names.stores {
        keep(graph.to(edge), resource);
    }
    let mut frames: FxHashSet<Ordinal> = FxHashSet::default();
    if let Some(class) = names.context_frame {
        for &(node, table) in &names.tables {
            if graph.name(node) != class {
                continue;
            }
            frames.insert(table);
            let via = subject.analysis.distances.via[node as usize];
            let resource = if via == NONE { node } else { graph.from(via) };
            for (_, store) in pairs(graph, table) {
                keep(store, resource);
            }
        }
    }
    let total = subject.retained(graph.root);
    let sum = keepers.keys().fold(0u64, |sum, &store| {
        sum.saturating_add(subject.retained(store))
    });
    // The walk over the whole graph can only make it less.
    if !LIMITS.judge(total, keepers.len() as u64, sum) {
        return Ok(());
    }
    let reached = reached_otherwise(subject, names, &keepers, &frames)?;
    let mut groups = Groups::new(graph);
    let mut rows: FxHashMap<(String, u32), (u32, Vec<Ordinal>)> = FxHashMap::default();
    for (&store, &resource) in &keepers {
        if reached.get(store) {
            continue;
        }
        let class = subject.classes.of(graph, store);
        let (group, stores) = rows
            .entry((resource_name(subject, resource), class))
            .or_insert_with(|| (groups.add_group(), Vec::new()));
        stores.push(store);
        groups.add(store, *group);
    }
    if rows.is_empty() {
        return Ok(());
    }
    let bytes = groups.bytes(subject)?;
    for ((resource, class), (group, stores)) in rows {
        let count = stores.len() as u64;
        let bytes = bytes[group as usize];
        if !LIMITS.judge(total, count, bytes) {
            continue;
        }
        let node = stores
            .iter()
            .copied()
            .max_by_key(|&store| (subject.retained(store), std::cmp::Reverse(store)))
            .unwrap_or(stores[0]);
        suspects.push(Suspect {
            kind: "async-context",
            node,
            count,
            bytes,
            text: format!(
                "{count} {} stores that only the async context of {resource} objects keeps",
                cut(subject.classes.name(class))
            ),
        });
    }
    Ok(())
}

/// What is reached without asynchronous contexts.
fn reached_otherwise(
    subject: &Subject,
    names: &Names,
    keepers: &FxHashMap<Ordinal, Ordinal>,
    frames: &FxHashSet<Ordinal>,
) -> Result<Bits, Failure> {
    let graph = subject.graph();
    let mut stores = Bits::new(graph.node_count());
    for &store in keepers.keys() {
        stores.set(store);
    }
    let mut contexts: FxHashSet<u32> = FxHashSet::default();
    contexts.extend(names.stores.iter().map(|&(_, edge)| edge));
    reached(subject, |node, edge, to| {
        if !stores.get(to) {
            return Counts::Always;
        }
        // A resource's own slots are written twice: under their name, and as fields of its property array. What
        // anyone else keeps in such an array has a name as well.
        let is_context = contexts.contains(&edge)
            || frames.contains(&node)
            || graph.edge_kind(edge) == EdgeKind::Hidden
                && Some(graph.name(node)) == names.property_array;
        if is_context {
            Counts::Never
        } else {
            Counts::Always
        }
    })
}

/// What a resource is called: the reactions of a promise are the promise.
fn resource_name(subject: &Subject, resource: Ordinal) -> String {
    let graph = subject.graph();
    match graph.kind(resource) {
        NodeKind::Object | NodeKind::Native => cut(&class_name(graph, resource)).into_owned(),
        NodeKind::Hidden if graph.name_text(resource).contains("Promise") => "Promise".to_owned(),
        _ => cut(&graph.name_text(resource)).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{lines_about, sketch_with_global};
    use crate::heap::sketch::Sketch;

    const STORES: usize = 30;

    /// Timers with a store each, as Node 20 and 22 keep it or in frames as later ones do; a property array beside.
    fn drawing(in_frames: bool, held_as: Option<&str>) -> Sketch {
        let (mut sketch, global) = sketch_with_global();
        let storage = sketch.node("object", "AsyncLocalStorage", 8);
        sketch.edge(global, "property", "storage", storage);
        for index in 0..STORES {
            let timer = sketch.node("object", "Resource", 8);
            let store = sketch.node("object", "Store", 50_000);
            let part = sketch.node("object", "Request", 8);
            sketch.edge(global, "element", &index.to_string(), timer);
            // A store that leads to itself is held by nobody else for that.
            sketch.edge(store, "property", "request", part);
            sketch.edge(part, "property", "store", store);
            if in_frames {
                let frame = sketch.node("object", "AsyncContextFrame", 0);
                let table = sketch.node("array", "", 0);
                sketch.edge(timer, "property", "<symbol kAsyncContextFrame>", frame);
                sketch.edge(frame, "internal", "table", table);
                sketch.edge(table, "internal", "5", storage);
                sketch.edge(table, "internal", "6", store);
            } else {
                let array = sketch.node("hidden", "system / PropertyArray", 0);
                sketch.edge(timer, "property", "<symbol kResourceStore>", store);
                sketch.edge(timer, "internal", "properties", array);
                sketch.edge(array, "hidden", "3", store);
            }
            if let Some(name) = held_as {
                sketch.edge(timer, "property", name, store);
            }
        }
        sketch
    }

    #[test]
    fn stores_that_only_a_context_keeps_are_a_suspect_on_every_line_of_node() {
        let text = "30 Store stores that only the async context of Resource objects keeps";
        for in_frames in [false, true] {
            assert_eq!(
                lines_about(&drawing(in_frames, None)),
                [("async-context", 30, 30 * 50_008, text.to_owned())],
                "{in_frames}"
            );
        }
    }

    #[test]
    fn stores_that_the_program_holds_by_a_name_are_none() {
        for in_frames in [false, true] {
            assert_eq!(lines_about(&drawing(in_frames, Some("context"))), []);
        }
    }
}
