//! Closures by place in the source.
//!
//! Knows: the locations that V8 writes, and how a closure leads to its script. Out of scope: the source.
//! Limitations: built-in functions have no place and are left out.

#![forbid(unsafe_code)]

use rustc_hash::FxHashMap;

use crate::base::sum::Sum;
use crate::heap::graph::scripts::{line_and_column, script_name};
use crate::heap::graph::Ordinal;
use crate::heap::json::JsonWriter;
use crate::heap::subject::{cut, Largest, Subject};

/// The places where closures were written: what is there of each, and one closure.
pub(crate) struct Closures(Option<Vec<(Sum, Ordinal)>>);

impl Closures {
    /// Notes in `group_of` the row of each closure, rows counted from 0.
    pub(crate) fn find(subject: &Subject, group_of: &mut [u32]) -> Closures {
        let Some(locations) = &subject.graph().locations else {
            return Closures(None);
        };
        let mut places: FxHashMap<(u32, u32, u32), u32> = FxHashMap::default();
        let mut rows: Vec<(Sum, Ordinal)> = Vec::new();
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
            group_of[location.ordinal as usize] = place;
        }
        Closures(Some(rows))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, Vec::len)
    }

    /// Writes the table; `retained` is what the closures of each row retain.
    pub(crate) fn write(self, subject: &Subject, retained: &[u64], json: &mut JsonWriter) {
        json.key("closures");
        match self.0 {
            Some(rows) => write(subject, &rows, retained, json),
            None => json.null(),
        }
    }
}

fn write(subject: &Subject, rows: &[(Sum, Ordinal)], retained: &[u64], json: &mut JsonWriter) {
    let graph = subject.graph();
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
}
