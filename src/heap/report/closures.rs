//! Closures by place in the source.
//!
//! Knows: the locations that V8 writes, and how a closure leads to its script. Out of scope: the source.
//! Limitations: built-in functions have no place and are left out.

#![forbid(unsafe_code)]

use rustc_hash::FxHashMap;

use crate::base::error::Failure;
use crate::base::sum::Sum;
use crate::heap::graph::kinds::NodeKind;
use crate::heap::graph::scripts::{line_and_column, script_name};
use crate::heap::graph::Ordinal;
use crate::heap::json::JsonWriter;
use crate::heap::subject::{cut, Largest, Subject};

pub(crate) fn write(subject: &Subject, json: &mut JsonWriter) -> Result<(), Failure> {
    let graph = subject.graph();
    json.key("closures");
    let Some(locations) = &graph.locations else {
        json.null();
        return Ok(());
    };
    let mut places: FxHashMap<(u32, u32, u32), u32> = FxHashMap::default();
    let mut rows: Vec<(Sum, Ordinal)> = Vec::new();
    let mut place_of = Vec::with_capacity(locations.len());
    for location in locations {
        let place = *places
            .entry((location.script, location.line, location.column))
            .or_insert_with(|| {
                rows.push((Sum::default(), location.ordinal));
                rows.len() as u32 - 1
            });
        rows[place as usize]
            .0
            .add(subject.analysis.sizes.get(location.ordinal));
        place_of.push(place);
    }
    let retained = subject.dominated.group_bytes(
        graph.root,
        rows.len(),
        &subject.analysis.retained.bytes,
        |node| {
            if graph.kind(node) != NodeKind::Closure {
                return None;
            }
            locations
                .binary_search_by_key(&node, |location| location.ordinal)
                .ok()
                .map(|index| place_of[index])
        },
        subject.control,
    )?;
    let mut best = Largest::new(subject.options.top);
    for (row, &bytes) in retained.iter().enumerate() {
        best.offer(bytes, row as u32);
    }
    json.list(best.into_sorted(), |json, row| {
        let (sum, example) = rows[row as usize];
        json.object(|json| {
            json.key("name").text(&cut(&graph.name_text(example)));
            match script_name(graph, example) {
                Some(script) => json.key("file").text(&script),
                None => json.key("file").null(),
            }
            if let Some((line, column)) = line_and_column(graph, example) {
                json.key("line").number(line);
                json.key("column").number(column);
            }
            json.key("count").number(sum.count);
            json.key("shallowBytes").number(sum.bytes);
            json.key("retainedBytes").number(retained[row as usize]);
            json.key("exampleId").number(graph.id(example));
        });
    });
    Ok(())
}
