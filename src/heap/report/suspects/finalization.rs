//! Registries whose held values keep their own targets: `registry.register(object, { object })` never fires.
//!
//! Knows: V8's cells: weak to the target, strong to the held value. Out of scope: what the callback does.
//! A held value counts as V8's semantics would have it if it could not keep its target: once the target is reached
//! by other references. A target that is reached by none is kept by held values alone.
//! Limitations: a held value that is a number or a string keeps nothing and is not looked at.

#![forbid(unsafe_code)]

use rustc_hash::FxHashMap;

use super::reach::{reached, Counts};
use super::{commonest_class, Groups, Limits, Names, Suspect};
use crate::base::error::Failure;
use crate::heap::control::Ticker;
use crate::heap::graph::kinds::{EdgeKind, NodeKind};
use crate::heap::graph::{Graph, Ordinal, NONE};
use crate::heap::subject::Subject;

/// It is a mistake at any number, but a few bytes are no suspect.
const LIMITS: Limits = Limits {
    few: 1,
    many: 10,
    heavy_percent: 1,
};

struct Cell {
    registry: Ordinal,
    target: Ordinal,
    /// The edge to the held value.
    held: u32,
}

pub(crate) fn find(
    subject: &Subject,
    names: &Names,
    suspects: &mut Vec<Suspect>,
) -> Result<(), Failure> {
    let graph = subject.graph();
    let Some(class) = names.weak_cell else {
        return Ok(());
    };
    let mut cells: FxHashMap<Ordinal, Cell> = FxHashMap::default();
    let mut ticker = Ticker::new(subject.control);
    for node in graph.nodes() {
        ticker.tick()?;
        if graph.kind(node) == NodeKind::Hidden && graph.name(node) == class {
            if let Some(cell) = cell(graph, node, class) {
                cells.insert(node, cell);
            }
        }
    }
    // A walk over the whole graph only if a shortest path leads through a cell at all.
    let mut budget = graph.node_count();
    if !cells
        .values()
        .any(|cell| leads_through_cell(subject, cell.target, class, &mut budget))
    {
        return Ok(());
    }
    let reached = reached(subject, |node, edge, _| match cells.get(&node) {
        Some(cell) if cell.held == edge => Counts::With(cell.target),
        _ => Counts::Always,
    })?;
    let mut by_registry: FxHashMap<Ordinal, Vec<Ordinal>> = FxHashMap::default();
    for cell in cells.values() {
        if !reached.get(cell.target) {
            by_registry
                .entry(cell.registry)
                .or_default()
                .push(cell.target);
        }
    }
    if by_registry.is_empty() {
        return Ok(());
    }
    let mut groups = Groups::new(graph);
    let rows: Vec<(u32, Ordinal, Vec<Ordinal>)> = by_registry
        .into_iter()
        .map(|(registry, targets)| {
            let group = groups.add_group();
            for &target in &targets {
                groups.add(target, group);
            }
            (group, registry, targets)
        })
        .collect();
    let bytes = groups.bytes(subject)?;
    let total = subject.retained(graph.root);
    for (group, registry, targets) in rows {
        let count = targets.len() as u64;
        let bytes = bytes[group as usize];
        if count >= LIMITS.many || LIMITS.judge(total, count, bytes) {
            suspects.push(Suspect {
                kind: "held-target",
                node: registry,
                count,
                bytes,
                text: format!(
                    "FinalizationRegistry with {count} held values that keep their own targets, mostly {}",
                    commonest_class(subject, targets.iter().copied())
                ),
            });
        }
    }
    Ok(())
}

/// A cell that has a target and holds something that can refer to it.
fn cell(graph: &Graph, node: Ordinal, class: u32) -> Option<Cell> {
    let mut target = None;
    let mut registry = None;
    let mut held = None;
    for edge in graph.edges(node) {
        let to = graph.to(edge);
        match graph.edge_kind(edge) {
            EdgeKind::Weak if graph.strings.bytes(graph.edge_name(edge)) == b"target" => {
                target = Some(to);
            }
            // V8 writes the registry first, then the held value, and the neighbouring cells.
            EdgeKind::Hidden if registry.is_none() => registry = Some(to),
            EdgeKind::Hidden
                if held.is_none()
                    && matches!(
                        graph.kind(to),
                        NodeKind::Object | NodeKind::Closure | NodeKind::Native
                    )
                    && graph.name(to) != class =>
            {
                held = Some(edge);
            }
            _ => {}
        }
    }
    Some(Cell {
        registry: registry.filter(|&to| graph.kind(to) == NodeKind::Object)?,
        target: target?,
        held: held?,
    })
}

/// `budget` is how many steps may be taken in all: where paths are that long, the walk is cheaper.
fn leads_through_cell(subject: &Subject, target: Ordinal, class: u32, budget: &mut usize) -> bool {
    let graph = subject.graph();
    let via = &subject.analysis.distances.via;
    let mut node = target;
    while *budget > 0 {
        *budget -= 1;
        let edge = via[node as usize];
        if edge == NONE {
            return false;
        }
        node = graph.from(edge);
        if graph.kind(node) == NodeKind::Hidden && graph.name(node) == class {
            return true;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::super::tests::{lines_about, sketch_with_global};
    use crate::heap::sketch::Sketch;

    struct Drawing {
        sketch: Sketch,
        global: usize,
        registry: usize,
        last: usize,
    }

    impl Drawing {
        /// A registry without cells.
        fn new() -> Drawing {
            let (mut sketch, global) = sketch_with_global();
            let registry = sketch.node("object", "FinalizationRegistry", 8);
            sketch.edge(global, "property", "registry", registry);
            Drawing {
                sketch,
                global,
                registry,
                last: registry,
            }
        }

        fn target(&mut self) -> usize {
            self.sketch.node("object", "Target", 1_000)
        }

        /// A cell as V8 writes it: registry, held value, the next one; the first hangs from the registry.
        fn cell(&mut self, target: Option<usize>, held: usize) {
            let cell = self.sketch.node("hidden", "system / WeakCell", 8);
            if let Some(target) = target {
                self.sketch.edge(cell, "weak", "target", target);
            }
            self.sketch.edge(cell, "hidden", "0", self.registry);
            self.sketch.edge(cell, "hidden", "1", held);
            let slot = if self.last == self.registry { "4" } else { "3" };
            self.sketch.edge(self.last, "hidden", slot, cell);
            self.last = cell;
        }
    }

    #[test]
    fn held_values_that_keep_their_targets_directly_or_in_a_ring_are_counted() {
        // GIVEN eight cells that hold their own targets, and two that hold each other's
        let mut drawing = Drawing::new();
        for _ in 0..8 {
            let target = drawing.target();
            let held = drawing.sketch.node("object", "Object", 8);
            drawing.sketch.edge(held, "property", "target", target);
            drawing.cell(Some(target), held);
        }
        let [one, two] = [drawing.target(), drawing.target()];
        drawing.cell(Some(one), two);
        drawing.cell(Some(two), one);
        let text =
            "FinalizationRegistry with 10 held values that keep their own targets, mostly Target";
        assert_eq!(
            lines_about(&drawing.sketch),
            [("held-target", 10, 10_000, text.to_owned())]
        );
    }

    #[test]
    fn targets_that_live_otherwise_and_values_that_lead_elsewhere_are_no_suspects() {
        let mut drawing = Drawing::new();
        for index in 0..20 {
            // The program holds the first; its held value leads to the second, whose held value leads to itself
            // by way of the program: alive as long as the first is.
            let [first, second] = [drawing.target(), drawing.target()];
            let name = index.to_string();
            drawing.sketch.edge(drawing.global, "element", &name, first);
            drawing.cell(Some(first), second);
            drawing.cell(Some(second), second);
            // One whose target has died.
            let third = drawing.target();
            drawing.cell(None, third);
            drawing.cell(Some(third), third);
        }
        assert_eq!(lines_about(&drawing.sketch), []);
    }
}
