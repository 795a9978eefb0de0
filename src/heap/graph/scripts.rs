//! Where functions were written.
//!
//! Knows: how a closure leads to its script, and the locations that V8 writes. Out of scope: the source.
//! Limitations: functions that are built into the engine have no script.

#![forbid(unsafe_code)]

use crate::heap::graph::kinds::{EdgeKind, NodeKind};
use crate::heap::graph::{Graph, Location, Ordinal};

/// The script of a closure.
pub(crate) fn script_of_closure(graph: &Graph, closure: Ordinal) -> Option<Ordinal> {
    let shared = graph.to(graph.find_edge(closure, EdgeKind::Internal, "shared")?);
    let script = ["script", "script_or_debug_info"]
        .iter()
        .find_map(|name| graph.find_edge(shared, EdgeKind::Internal, name))?;
    Some(graph.to(script))
}

/// The string that is the name of a script's file.
pub(crate) fn file_of(graph: &Graph, script: Ordinal) -> Option<u32> {
    let name = graph.to(graph.find_edge(script, EdgeKind::Internal, "name")?);
    (graph.kind(name) == NodeKind::String).then(|| graph.name(name))
}

/// The file in which a closure was written, as V8 knows it.
pub(crate) fn script_name(graph: &Graph, closure: Ordinal) -> Option<String> {
    let file = file_of(graph, script_of_closure(graph, closure)?)?;
    Some(graph.strings.text(file).into_owned())
}

/// Where a closure stands in its file, if the snapshot says so: line and column, counted from 1.
pub(crate) fn line_and_column(graph: &Graph, closure: Ordinal) -> Option<(u32, u32)> {
    let locations = graph.locations.as_ref()?;
    let index = locations
        .binary_search_by_key(&closure, |location| location.ordinal)
        .ok()?;
    let Location { line, column, .. } = locations[index];
    // V8 counts from 0, editors from 1.
    Some((line.saturating_add(1), column.saturating_add(1)))
}
