//! Suspects: patterns that leaks have, each with its evidence; one file per kind.
//!
//! Knows: which kinds there are, and that equal ones on one path are one line.
//! Out of scope: whether it is a leak; one snapshot cannot tell, two can.
//! Limitations: entries that are small integers have no edge and are not counted, so collections are at least as
//! large as said; chains are counted along shortest paths; a slice's own length is in no snapshot.

#![forbid(unsafe_code)]

mod accumulations;
mod chains;
mod collections;
mod console;
mod contexts;
mod finalization;
mod groups;
mod limits;
mod listeners;
mod names;
mod origins;
mod reach;
mod slices;
mod tables;
mod timers;
mod weak_refs;

use groups::Groups;
use limits::Limits;
use names::Names;
use rustc_hash::FxHashMap;

use crate::base::error::Failure;
use crate::heap::graph::kinds::NodeKind;
use crate::heap::graph::{Bits, Graph, Ordinal, NONE};
use crate::heap::json::JsonWriter;
use crate::heap::paths::Detail;
use crate::heap::subject::{cut, Subject};

/// Steps from an object to the head of a list that it holds, at most.
const MAX_BELOW: usize = 4;

struct Suspect {
    kind: &'static str,
    node: Ordinal,
    count: u64,
    bytes: u64,
    text: String,
}

/// The lines of the table, each with the number of others on the same path.
pub(crate) struct Lines(Vec<(Suspect, u64)>);

pub(crate) fn lines(subject: &Subject) -> Result<Lines, Failure> {
    one_line_per_path(subject, find(subject)?).map(Lines)
}

pub(crate) fn write(subject: &Subject, Lines(suspects): Lines, json: &mut JsonWriter) {
    json.key("suspectCount").number(suspects.len() as u64);
    let shown = suspects.into_iter().take(subject.options.top);
    json.key("suspects").list(shown, |json, (suspect, more)| {
        let (detail, text) = match more {
            0 => (Detail::Exact, suspect.text),
            more => (
                Detail::Grouped,
                format!("{}, and {more} more on the same path", suspect.text),
            ),
        };
        json.object(|json| {
            json.key("kind").text(suspect.kind);
            json.key("text").text(&text);
            json.key("count").number(suspect.count);
            json.key("retainedBytes").number(suspect.bytes);
            json.key("id").number(subject.graph().id(suspect.node));
            json.key("path").text(&subject.path(suspect.node, detail));
        });
    });
}

fn find(subject: &Subject) -> Result<Vec<Suspect>, Failure> {
    let names = Names::find(subject)?;
    let mut suspects = Vec::new();
    // Links of listener lists, and sets of signals that are in a line already: each is written once.
    let mut claimed = Bits::new(subject.graph().node_count());
    accumulations::find(subject, &mut suspects);
    collections::find(subject, &names, &mut suspects)?;
    listeners::find(subject, &names, &mut claimed, &mut suspects)?;
    chains::find(subject, &names, &claimed, &mut suspects)?;
    timers::find(subject, &names, &mut suspects)?;
    console::find(subject, &mut suspects)?;
    finalization::find(subject, &names, &mut suspects)?;
    weak_refs::find(subject, &names, &claimed, &mut suspects)?;
    contexts::find(subject, &names, &mut suspects)?;
    slices::find(subject, &mut suspects)?;
    // One structure is one line: its own kind says more than that many small parts come together in it.
    let others: Vec<(Ordinal, u64)> = suspects
        .iter()
        .filter(|suspect| suspect.kind != accumulations::KIND)
        .map(|suspect| (suspect.node, suspect.bytes))
        .collect();
    suspects.retain(|suspect| {
        suspect.kind != accumulations::KIND
            || !others.iter().any(|&(node, bytes)| {
                bytes >= suspect.bytes / 2 && is_right_below(subject, node, suspect.node)
            })
    });
    // What is offheap's own is no suspect. Listeners are the program's, on a Monitor as on any other emitter.
    suspects.retain(|suspect| {
        suspect.kind == listeners::KIND || !subject.analysis.distances.ours.get(suspect.node)
    });
    Ok(suspects)
}

/// Whether a node is an object, or one of the first things that it dominates: the head of its list.
fn is_right_below(subject: &Subject, mut node: Ordinal, object: Ordinal) -> bool {
    for _ in 0..MAX_BELOW {
        if node == object {
            return true;
        }
        if node == subject.graph().root {
            return false;
        }
        node = subject.analysis.retained.dominator[node as usize];
    }
    false
}

/// The largest of each kind and path, with the number of the others; the largest first.
fn one_line_per_path(
    subject: &Subject,
    mut suspects: Vec<Suspect>,
) -> Result<Vec<(Suspect, u64)>, Failure> {
    suspects.sort_by(|a, b| {
        b.bytes
            .cmp(&a.bytes)
            .then(a.kind.cmp(b.kind))
            .then(a.node.cmp(&b.node))
    });
    if suspects.len() < 2 {
        return Ok(suspects.into_iter().map(|suspect| (suspect, 0)).collect());
    }
    let places = subject.places();
    let mut lines: Vec<(Suspect, u64)> = Vec::new();
    let mut known: FxHashMap<(&'static str, u32), usize> = FxHashMap::default();
    // Collections within collections: what the outer one retains is not counted again.
    let mut groups: Option<Groups> = None;
    let mut nested: FxHashMap<usize, u32> = FxHashMap::default();
    for suspect in suspects {
        let path = (suspect.kind, places[suspect.node as usize]);
        let line = match known.get(&path) {
            // Two suspects of one object, such as two events of one emitter, are two lines. So is each accumulation.
            Some(&line)
                if lines[line].0.node != suspect.node
                    && suspect.kind != accumulations::KIND
                    && path.1 != NONE =>
            {
                line
            }
            other => {
                if other.is_none() {
                    known.insert(path, lines.len());
                }
                lines.push((suspect, 0));
                continue;
            }
        };
        let (first, more) = &mut lines[line];
        *more += 1;
        first.count = first.count.saturating_add(suspect.count);
        if suspect.kind != collections::KIND {
            first.bytes = first.bytes.saturating_add(suspect.bytes);
            continue;
        }
        let groups = groups.get_or_insert_with(|| Groups::new(subject.graph()));
        let group = *nested.entry(line).or_insert_with(|| groups.add_group());
        groups.add(first.node, group);
        groups.add(suspect.node, group);
    }
    if let Some(groups) = groups {
        let bytes = groups.bytes(subject)?;
        for (line, group) in nested {
            lines[line].0.bytes = bytes[group as usize];
        }
    }
    lines.sort_by_key(|line| std::cmp::Reverse(line.0.bytes));
    Ok(lines)
}

/// What an object is called in a sentence.
fn title(graph: &Graph, node: Ordinal) -> String {
    let name = graph.name_text(node);
    match graph.kind(node) {
        NodeKind::Closure => format!("function {}", cut(&name)),
        _ => cut(&name).into_owned(),
    }
}

/// The class that holds most of the bytes of some nodes.
fn commonest_class<'a>(subject: &'a Subject, nodes: impl Iterator<Item = Ordinal>) -> &'a str {
    let mut classes: FxHashMap<u32, u64> = FxHashMap::default();
    for node in nodes {
        *classes
            .entry(subject.classes.of(subject.graph(), node))
            .or_default() += subject.retained(node);
    }
    classes
        .into_iter()
        .max_by_key(|&(class, bytes)| (bytes, std::cmp::Reverse(class)))
        .map_or("", |(class, _)| subject.classes.name(class))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::control::Control;
    use crate::heap::sketch::Sketch;
    use crate::heap::solve::essential::Rules;
    use crate::heap::solve::Analysis;
    use crate::heap::subject::ReportOptions;

    /// Kind, count, bytes and text of each line about a sketch.
    pub(crate) fn lines_about(sketch: &Sketch) -> Vec<(&'static str, u64, u64, String)> {
        let control = Control::new();
        let lines =
            Analysis::of(sketch.graph(), Rules::default(), 1, &control).and_then(|analysis| {
                let options = ReportOptions::default();
                let subject = Subject::new(&analysis, &options, &control);
                one_line_per_path(&subject, find(&subject)?)
            });
        match lines {
            Ok(lines) => lines
                .into_iter()
                .map(|(suspect, more)| {
                    let more = match more {
                        0 => String::new(),
                        more => format!(" +{more}"),
                    };
                    (
                        suspect.kind,
                        suspect.count,
                        suspect.bytes,
                        suspect.text + &more,
                    )
                })
                .collect(),
            Err(failure) => vec![("failure", 0, 0, failure.to_string())],
        }
    }

    /// A root with a global object that holds nothing yet.
    pub(crate) fn sketch_with_global() -> (Sketch, usize) {
        let mut sketch = Sketch::new();
        let global = sketch.node("object", "global", 8);
        sketch.edge(0, "shortcut", "1", global);
        (sketch, global)
    }

    /// An array of `length` objects of 1,000 bytes.
    fn array(sketch: &mut Sketch, length: usize) -> usize {
        let array = sketch.node("object", "Array", 0);
        for index in 0..length {
            let entry = sketch.node("object", "Entry", 1_000);
            sketch.edge(array, "element", &index.to_string(), entry);
        }
        array
    }

    #[test]
    fn suspects_on_one_path_are_one_line_and_what_lies_in_another_counts_once() {
        // GIVEN a list of two large lists, one of which has another large one in it; and a large list elsewhere
        let (mut sketch, global) = sketch_with_global();
        let outer = array(&mut sketch, 0);
        sketch.edge(global, "property", "outer", outer);
        let inner = array(&mut sketch, 1_199);
        sketch.edge(outer, "element", "0", inner);
        let innermost = array(&mut sketch, 1_100);
        sketch.edge(inner, "element", "1199", innermost);
        let second = array(&mut sketch, 1_200);
        sketch.edge(outer, "element", "1", second);
        let other = array(&mut sketch, 1_500);
        sketch.edge(global, "property", "other", other);
        // WHEN suspects are looked for
        let found = lines_about(&sketch);
        // THEN the three on one path are one line, and the bytes of the innermost are in it once
        let collections: Vec<_> = found
            .iter()
            .filter(|line| line.0 == "large-collection")
            .map(|(_, count, bytes, text)| (*count, *bytes, text.as_str()))
            .collect();
        assert_eq!(
            collections,
            [
                (3_500, 3_499_000, "Array with at least 1200 entries +2"),
                (1_500, 1_500_000, "Array with at least 1500 entries")
            ]
        );
    }
}
