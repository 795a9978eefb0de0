//! Closures by place in the source.
//!
//! Knows: the locations that V8 writes, and how a closure leads to its script. Must never know: the source.
//! Limits: built-in functions have no place and are left out.

#![forbid(unsafe_code)]

use rustc_hash::FxHashMap;

use super::graph::{Graph, Ordinal};
use super::json::JsonWriter;
use super::meta::{EdgeKind, NodeKind};
use super::report::{cut, Tally, Top, View};
use crate::error::Failure;

pub(crate) fn write(view: &View, json: &mut JsonWriter) -> Result<(), Failure> {
    let graph = view.graph();
    json.key("closures");
    let Some(locations) = &graph.locations else {
        json.null();
        return Ok(());
    };
    let mut places: FxHashMap<(u32, u32, u32), u32> = FxHashMap::default();
    let mut rows: Vec<(Tally, Ordinal)> = Vec::new();
    let mut place_of = Vec::with_capacity(locations.len());
    for location in locations {
        let place = *places
            .entry((location.script, location.line, location.column))
            .or_insert_with(|| {
                rows.push((Tally::default(), location.ordinal));
                rows.len() as u32 - 1
            });
        rows[place as usize]
            .0
            .add(view.analysis.sizes.get(location.ordinal));
        place_of.push(place);
    }
    let retained = view.dominated.group_bytes(
        graph.root,
        rows.len(),
        &view.analysis.retained.bytes,
        |node| {
            if graph.kind(node) != NodeKind::Closure {
                return None;
            }
            locations
                .binary_search_by_key(&node, |location| location.ordinal)
                .ok()
                .map(|index| place_of[index])
        },
        view.control,
    )?;
    let mut best = Top::new(view.options.top);
    for (row, &bytes) in retained.iter().enumerate() {
        best.offer(bytes, row as u32);
    }
    json.list(best.into_sorted(), |json, row| {
        let (tally, example) = rows[row as usize];
        let at = locations
            .binary_search_by_key(&example, |location| location.ordinal)
            .map(|index| locations[index]);
        json.object(|json| {
            json.key("name").text(&cut(&graph.name_text(example)));
            match script_name(graph, example) {
                Some(script) => json.key("script").text(&script),
                None => json.key("script").null(),
            }
            if let Ok(at) = at {
                // V8 counts from 0, editors from 1.
                json.key("line").number(u64::from(at.line) + 1);
                json.key("column").number(u64::from(at.column) + 1);
            }
            json.key("count").number(tally.count);
            json.key("shallowBytes").number(tally.bytes);
            json.key("retainedBytes").number(retained[row as usize]);
            json.key("exampleId").number(graph.id(example));
        });
    });
    Ok(())
}

/// The file in which a closure was written, as V8 knows it.
fn script_name(graph: &Graph, closure: Ordinal) -> Option<String> {
    let shared = graph.to(graph.find_edge(closure, EdgeKind::Internal, "shared")?);
    let script = ["script", "script_or_debug_info"]
        .iter()
        .find_map(|name| graph.find_edge(shared, EdgeKind::Internal, name))?;
    let script = graph.to(script);
    let name = graph.to(graph.find_edge(script, EdgeKind::Internal, "name")?);
    (graph.kind(name) == NodeKind::String).then(|| graph.name_text(name).into_owned())
}
