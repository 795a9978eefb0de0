//! Long strings that only slices of them keep: ten characters of a request's body keep the body.
//!
//! Knows: what the table of strings found. Out of scope: who sliced.
//! Limitations: a snapshot does not say how long a slice is; one of nearly the whole string looks the same.

#![forbid(unsafe_code)]

use rustc_hash::FxHashMap;

use super::{Limits, Suspect};
use crate::base::error::Failure;
use crate::heap::graph::Ordinal;
use crate::heap::report::strings::Slices;
use crate::heap::subject::Subject;

const LIMITS: Limits = Limits {
    few: 1,
    many: u64::MAX,
    heavy_percent: 1,
};

/// The strings whose slices are on one path.
struct Row {
    strings: u64,
    slices: u64,
    bytes: u64,
    /// Size of the longest string, and the nearest slice of it.
    example: (u64, Ordinal),
}

pub(crate) fn find(subject: &Subject, suspects: &mut Vec<Suspect>) -> Result<(), Failure> {
    let total = subject.retained(subject.graph().root);
    let sizes = &subject.analysis.sizes;
    let mut slices = Slices::find(subject);
    if !LIMITS.judge(total, 1, slices.bytes(subject)) {
        return Ok(());
    }
    slices.keep_only_pinned(subject)?;
    let places = subject.places();
    let mut rows: FxHashMap<u32, Row> = FxHashMap::default();
    for (&parent, parts) in &slices.parents {
        let bytes = sizes.get(parent);
        let row = rows.entry(places[parts.nearest as usize]).or_insert(Row {
            strings: 0,
            slices: 0,
            bytes: 0,
            example: (0, parts.nearest),
        });
        row.strings += 1;
        row.slices += parts.count;
        row.bytes = row.bytes.saturating_add(bytes);
        let better = (bytes, std::cmp::Reverse(parts.nearest))
            > (row.example.0, std::cmp::Reverse(row.example.1));
        if better {
            row.example = (bytes, parts.nearest);
        }
    }
    for row in rows.into_values() {
        if LIMITS.judge(total, row.strings, row.bytes) {
            suspects.push(Suspect {
                kind: "pinned-string",
                node: row.example.1,
                count: row.strings,
                bytes: row.bytes,
                text: format!(
                    "{} strings that only {} slices of them keep",
                    row.strings, row.slices
                ),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{lines_about, sketch_with_global};

    #[test]
    fn strings_that_only_slices_keep_are_a_line_per_path() {
        // GIVEN a string with two slices and one with one, on one path; and one that is held itself
        let (mut sketch, global) = sketch_with_global();
        let names = sketch.node("object", "Array", 8);
        sketch.edge(global, "property", "names", names);
        for (index, body) in [0, 0, 1, 2].into_iter().enumerate() {
            let slice = sketch.node("sliced string", "(sliced string)", 32);
            sketch.edge(names, "element", &index.to_string(), slice);
            if index != 1 {
                let parent = sketch.node("string", &format!("body {body}"), 700_000);
                sketch.edge(slice, "internal", "parent", parent);
                if body == 2 {
                    sketch.edge(global, "property", "body", parent);
                }
            } else {
                // The parent of the first.
                sketch.edge(slice, "internal", "parent", slice - 1);
            }
        }
        // WHEN suspects are looked for
        assert_eq!(
            lines_about(&sketch),
            [(
                "pinned-string",
                2,
                1_400_000,
                "2 strings that only 3 slices of them keep".to_owned()
            )]
        );
    }
}
