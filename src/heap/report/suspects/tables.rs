//! Maps and Sets as V8 lays them out: an object, its `table`, and in that the keys and values by number.
//!
//! Knows: which slots have an edge. Out of scope: what is suspicious.
//! Limitations: a key or value that is a small integer has no edge.

#![forbid(unsafe_code)]

use crate::heap::graph::kinds::EdgeKind;
use crate::heap::graph::{Graph, Ordinal};

/// The table of a Map or Set.
pub(crate) fn table(graph: &Graph, node: Ordinal) -> Option<Ordinal> {
    graph
        .find_edge(node, EdgeKind::Internal, "table")
        .map(|edge| graph.to(edge))
}

/// The slots of a table that hold something with an edge: number and node, in order.
pub(crate) fn slots(graph: &Graph, table: Ordinal) -> impl Iterator<Item = (u32, Ordinal)> + '_ {
    graph.edges(table).filter_map(move |edge| {
        if graph.edge_kind(edge) != EdgeKind::Internal {
            return None;
        }
        // All but the table's own hidden class are numbers.
        let text = graph.strings.bytes(graph.edge_name(edge));
        let number = std::str::from_utf8(text).ok()?.parse().ok()?;
        Some((number, graph.to(edge)))
    })
}

/// The entries of a Map's table of which key and value have an edge.
pub(crate) fn pairs(
    graph: &Graph,
    table: Ordinal,
) -> impl Iterator<Item = (Ordinal, Ordinal)> + '_ {
    let mut last: Option<(u32, Ordinal)> = None;
    slots(graph, table).filter_map(move |(number, node)| {
        let before = last.replace((number, node));
        before
            .filter(|&(before, _)| is_value_of(before, number))
            .map(|(_, key)| (key, node))
    })
}

/// Key, value and the number of another entry stand side by side: only a value is right behind another edge.
fn is_value_of(before: u32, number: u32) -> bool {
    before.checked_add(1) == Some(number)
}

/// Entries of a Map or Set of which key or value has an edge.
pub(crate) fn entry_count(graph: &Graph, node: Ordinal, table: Ordinal) -> u64 {
    if graph.is_named(node, "Set") {
        return slots(graph, table).count() as u64;
    }
    let mut last = None;
    slots(graph, table)
        .filter(|&(number, _)| {
            let before: Option<u32> = last.replace(number);
            !before.is_some_and(|before| is_value_of(before, number))
        })
        .count() as u64
}

/// Entries of an array or of an object that is used as a dictionary, as far as they have an edge: their edges.
pub(crate) fn entry_edges(graph: &Graph, node: Ordinal) -> impl Iterator<Item = u32> + '_ {
    let is_array = graph.is_named(node, "Array");
    graph
        .edges(node)
        .filter(move |&edge| match graph.edge_kind(edge) {
            EdgeKind::Element => true,
            EdgeKind::Property => {
                !is_array && graph.strings.bytes(graph.edge_name(edge)) != b"__proto__"
            }
            _ => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::sketch::Sketch;

    #[test]
    fn entries_count_when_key_or_value_has_an_edge() {
        // GIVEN tables as V8 writes them: key, value, number of the next; small integers have no edge
        let cases: [(&str, &[u32], u64, usize); 6] = [
            ("Map", &[5, 6, 8, 9], 2, 2),
            // From numbers to objects, and from objects to numbers.
            ("Map", &[6, 9, 12], 3, 0),
            ("Map", &[5, 8, 11], 3, 0),
            ("Map", &[6, 8, 9, 11], 3, 1),
            ("Set", &[5, 7, 9], 3, 0),
            ("Cache", &[5, 6, 8, 9], 2, 2),
        ];
        for (class, numbers, entries, pairs_with_edges) in cases {
            let mut sketch = Sketch::new();
            let map = sketch.node("object", class, 8);
            let table_node = sketch.node("array", "", 8);
            let shape = sketch.node("hidden", "system / Map", 8);
            sketch.edge(map, "internal", "table", table_node);
            sketch.edge(table_node, "internal", "map", shape);
            for number in numbers {
                let value = sketch.node("object", "Value", 8);
                sketch.edge(table_node, "internal", &number.to_string(), value);
            }
            let graph = sketch.graph();
            let found = table(&graph, map as u32);
            assert_eq!(found, Some(table_node as u32));
            assert_eq!(
                entry_count(&graph, map as u32, table_node as u32),
                entries,
                "{class} {numbers:?}"
            );
            assert_eq!(
                pairs(&graph, table_node as u32).count(),
                pairs_with_edges,
                "{class} {numbers:?}"
            );
        }
    }
}
