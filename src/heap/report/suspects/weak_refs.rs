//! Collections of dead WeakRefs: `new Map([[key, new WeakRef(value)]])` from which nobody removes what has died.
//!
//! Knows: that V8 writes a living WeakRef with its target and a dead one without. Out of scope: what it was.
//! Limitations: the WeakRef itself, or one in a property of a small entry; instances of subclasses are not recognised.

#![forbid(unsafe_code)]

use super::tables::{entry_count, entry_edges, slots};
use super::{title, Names, Suspect};
use crate::base::error::Failure;
use crate::heap::control::Ticker;
use crate::heap::graph::kinds::{EdgeKind, NodeKind};
use crate::heap::graph::{Bits, Graph, Ordinal};
use crate::heap::subject::Subject;

/// Each costs its collection an entry and a key: their number is what grows.
const MANY: u64 = 1_000;
/// What is larger than this in bytes is an object of its own that happens to have a dead WeakRef.
const SMALL: u64 = 512;

/// `claimed` are sets that have been named.
pub(crate) fn find(
    subject: &Subject,
    names: &Names,
    claimed: &Bits,
    suspects: &mut Vec<Suspect>,
) -> Result<(), Failure> {
    let graph = subject.graph();
    let Some(class) = names.weak_ref else {
        return Ok(());
    };
    let mut ticker = Ticker::new(subject.control);
    let mut dead = Bits::new(graph.node_count());
    let mut count = 0;
    for node in graph.nodes() {
        ticker.tick()?;
        if graph.kind(node) == NodeKind::Object
            && graph.name(node) == class
            && is_dead(graph, names, node)
        {
            dead.set(node);
            count += 1;
        }
    }
    if count < MANY {
        return Ok(());
    }
    // Entries that are a dead WeakRef or have one in a property.
    let mut carriers = dead.clone();
    for node in graph.nodes() {
        ticker.tick()?;
        if graph.kind(node) == NodeKind::Object
            && subject.retained(node) <= SMALL
            && graph
                .edges(node)
                .any(|edge| graph.edge_kind(edge) == EdgeKind::Property && dead.get(graph.to(edge)))
        {
            carriers.set(node);
        }
    }
    for &(node, table) in &names.tables {
        ticker.tick()?;
        if !claimed.get(node) {
            judge(
                subject,
                node,
                in_table(subject, &carriers, node, table),
                suspects,
            );
        }
    }
    for node in graph.nodes() {
        ticker.tick()?;
        let edges = graph.edges(node);
        if graph.kind(node) == NodeKind::Object && u64::from(edges.end - edges.start) >= MANY {
            judge(subject, node, in_edges(subject, &carriers, node), suspects);
        }
    }
    Ok(())
}

/// Dead entries, all entries, and what the dead ones and their keys retain.
#[derive(Default)]
struct Entries {
    dead: u64,
    all: u64,
    bytes: u64,
}

fn judge(subject: &Subject, node: Ordinal, entries: Entries, suspects: &mut Vec<Suspect>) {
    if entries.dead < MANY {
        return;
    }
    let what = title(subject.graph(), node);
    let what = if what == "Object" { "object" } else { &what };
    suspects.push(Suspect {
        kind: "dead-weak-refs",
        node,
        count: entries.dead,
        bytes: entries.bytes,
        text: format!(
            "{what} with {} dead WeakRefs among at least {} entries",
            entries.dead, entries.all
        ),
    });
}

fn is_dead(graph: &Graph, names: &Names, node: Ordinal) -> bool {
    graph.edges(node).all(|edge| match graph.edge_kind(edge) {
        EdgeKind::Weak => Some(graph.edge_name(edge)) != names.target,
        // The prototype is called as its instances are.
        EdgeKind::Property => Some(graph.edge_name(edge)) != names.constructor,
        _ => true,
    })
}

fn in_table(subject: &Subject, carriers: &Bits, node: Ordinal, table: Ordinal) -> Entries {
    let graph = subject.graph();
    let mut entries = Entries {
        all: entry_count(graph, node, table),
        ..Entries::default()
    };
    let mut before: Option<(u32, Ordinal)> = None;
    for (number, entry) in slots(graph, table) {
        if carriers.get(entry) {
            entries.dead += 1;
            entries.bytes = entries.bytes.saturating_add(subject.retained(entry));
            // In a Map the key stands right before.
            if let Some((_, key)) = before.filter(|&(at, _)| at.checked_add(1) == Some(number)) {
                entries.bytes = entries.bytes.saturating_add(subject.retained(key));
            }
        }
        before = Some((number, entry));
    }
    entries
}

fn in_edges(subject: &Subject, carriers: &Bits, node: Ordinal) -> Entries {
    let graph = subject.graph();
    let mut entries = Entries::default();
    for edge in entry_edges(graph, node) {
        entries.all += 1;
        if carriers.get(graph.to(edge)) {
            entries.dead += 1;
            entries.bytes = entries
                .bytes
                .saturating_add(subject.retained(graph.to(edge)));
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::super::tests::{lines_about, sketch_with_global};

    #[test]
    fn a_thousand_dead_ones_are_a_suspect_and_the_living_and_the_prototype_do_not_count() {
        for (dead, is_suspect) in [(999, false), (1_000, true)] {
            // GIVEN a cache with some dead WeakRefs under keys of their own, ten living ones, and the prototype
            let (mut sketch, global) = sketch_with_global();
            let cache = sketch.node("object", "Cache", 8);
            let table = sketch.node("array", "", 8);
            let value = sketch.node("object", "Value", 8);
            let constructor = sketch.node("closure", "WeakRef", 8);
            let prototype = sketch.node("object", "WeakRef", 8);
            sketch.edge(prototype, "property", "constructor", constructor);
            sketch.edge(global, "property", "cache", cache);
            sketch.edge(global, "property", "value", value);
            sketch.edge(cache, "internal", "table", table);
            for index in 0..dead + 10 {
                let key = sketch.node("string", "key", 24);
                let reference = sketch.node("object", "WeakRef", 32);
                sketch.edge(table, "internal", &(5 + 3 * index).to_string(), key);
                sketch.edge(table, "internal", &(6 + 3 * index).to_string(), reference);
                if index >= dead {
                    sketch.edge(reference, "weak", "target", value);
                }
                sketch.edge(reference, "property", "__proto__", prototype);
            }
            // WHEN suspects are looked for, THEN the dead ones and their keys count
            let text = "Cache with 1000 dead WeakRefs among at least 1010 entries".to_owned();
            let line = ("dead-weak-refs", 1_000, 56_000, text);
            let found: Vec<_> = lines_about(&sketch)
                .into_iter()
                .filter(|line| line.0 == "dead-weak-refs")
                .collect();
            assert_eq!(found, Vec::from_iter(is_suspect.then_some(line)));
        }
    }

    #[test]
    fn a_large_object_with_a_dead_reference_is_no_dead_entry() {
        for (size, wanted) in [(100, 1), (1_000, 0)] {
            let (mut sketch, global) = sketch_with_global();
            let list = sketch.node("object", "Array", 8);
            sketch.edge(global, "property", "list", list);
            for index in 0..1_000 {
                let entry = sketch.node("object", "Session", size);
                let reference = sketch.node("object", "WeakRef", 32);
                sketch.edge(list, "element", &index.to_string(), entry);
                sketch.edge(entry, "property", "last", reference);
            }
            let found = lines_about(&sketch);
            let found = found.iter().filter(|line| line.0 == "dead-weak-refs");
            assert_eq!(found.count(), wanted, "{size}");
        }
    }
}
