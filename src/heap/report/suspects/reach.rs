//! What the roots reach, where some references count only once another object is reached.
//!
//! Knows: for each such reference the object that it depends on. Out of scope: why it depends on it.
//! Limitations: weak references count for nothing, and a WeakMap's value hangs from its key.

#![forbid(unsafe_code)]

use rustc_hash::FxHashMap;

use crate::base::error::Failure;
use crate::heap::control::Ticker;
use crate::heap::graph::kinds::EdgeKind;
use crate::heap::graph::{Bits, Graph, Ordinal};
use crate::heap::subject::Subject;

/// Whether a reference counts.
pub(crate) enum Counts {
    Always,
    Never,
    /// Once this node is reached by other references.
    With(Ordinal),
}

/// The nodes that the root reaches; `counts` is asked about each strong reference: its node, the edge, its end.
pub(crate) fn reached(
    subject: &Subject,
    counts: impl Fn(Ordinal, u32, Ordinal) -> Counts,
) -> Result<Bits, Failure> {
    let graph = subject.graph();
    let mut reached = Bits::new(graph.node_count());
    let mut waiting: FxHashMap<Ordinal, Vec<Ordinal>> = FxHashMap::default();
    let mut pending = vec![graph.root];
    reached.set(graph.root);
    let mut ticker = Ticker::new(subject.control);
    while let Some(node) = pending.pop() {
        ticker.tick()?;
        for edge in graph.edges(node) {
            let to = graph.to(edge);
            if reached.get(to) || !is_strong(graph, node, edge) {
                continue;
            }
            match counts(node, edge, to) {
                Counts::With(condition) if !reached.get(condition) => {
                    waiting.entry(condition).or_default().push(to);
                    continue;
                }
                Counts::Never => continue,
                Counts::With(_) | Counts::Always => {}
            }
            reached.set(to);
            pending.push(to);
        }
        if waiting.is_empty() {
            continue;
        }
        for to in waiting.remove(&node).into_iter().flatten() {
            if !reached.get(to) {
                reached.set(to);
                pending.push(to);
            }
        }
    }
    Ok(reached)
}

fn is_strong(graph: &Graph, node: Ordinal, edge: u32) -> bool {
    match graph.edge_kind(edge) {
        EdgeKind::Weak => false,
        EdgeKind::Internal if !graph.ephemerons.is_empty() => graph
            .ephemerons
            .get(&graph.edge_name(edge))
            .is_none_or(|entry| entry.table_id != graph.id(node)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::control::Control;
    use crate::heap::sketch::Sketch;
    use crate::heap::solve::essential::Rules;
    use crate::heap::solve::Analysis;
    use crate::heap::subject::{ReportOptions, Subject};

    #[test]
    fn a_reference_with_a_condition_counts_once_the_condition_is_reached() {
        // GIVEN root → a ┄(if c)┄► b, a → c, a ┄(if e)┄► e, a ┄(never)┄► f, a ⇢ g
        let mut sketch = Sketch::new();
        let [a, b, c, e, f, g] =
            ["a", "b", "c", "e", "f", "g"].map(|name| sketch.node("object", name, 8));
        sketch.edge(0, "shortcut", "a", a);
        for (name, to) in [("b", b), ("c", c), ("e", e), ("f", f)] {
            sketch.edge(a, "property", name, to);
        }
        sketch.edge(a, "weak", "g", g);
        let control = Control::new();
        let analysis = Analysis::of(sketch.graph(), Rules::default(), 1, &control);
        let options = ReportOptions::default();
        let found = analysis.and_then(|analysis| {
            let subject = Subject::new(&analysis, &options, &control);
            reached(&subject, |_, _, to| match to as usize {
                to if to == b => Counts::With(c as u32),
                to if to == e => Counts::With(e as u32),
                to if to == f => Counts::Never,
                _ => Counts::Always,
            })
        });
        // THEN b is reached after c, and what waits for itself is not
        let found = found.map(|found| [a, b, c, e, f, g].map(|node| found.get(node as u32)));
        assert_eq!(
            found.map_err(|failure| failure.to_string()),
            Ok([true, true, true, false, false, false])
        );
    }
}
