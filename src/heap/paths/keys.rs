//! What the keys that lead to the objects of one place have in common: `session:…`, `manifest.mjs?t=…`.
//!
//! Knows: how properties of dictionaries and entries of Maps show their keys. Out of scope: which objects are looked at.
//! Limitations: a key that is a small integer has no node and is not seen.

#![forbid(unsafe_code)]

use std::borrow::Cow;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::heap::graph::kinds::{EdgeKind, NodeKind};
use crate::heap::graph::{Graph, Ordinal, NONE};
use crate::heap::paths::labels::{is_dictionary, property, shorten};
use crate::heap::paths::steps::Step;
use crate::heap::solve::distances::Distances;

/// Steps that are followed from an object upwards.
const MAX_STEPS: usize = 64;
/// How deep a string may be put together.
const MAX_PARTS: usize = 8;
/// Characters that keys must have in common to say something.
const ENOUGH: usize = 3;
/// From this number on, properties of one object are no names.
const MANY: usize = 4;
/// Characters of a pattern that are shown on each side.
const SHOWN: usize = 60;

/// What stands in the place of a reference on a path, by edge.
pub(crate) type Patterns = FxHashMap<u32, String>;

/// What the keys on the paths to `members` have in common, for the edges of one of those paths. `place` tells the steps of
/// different paths that mean the same.
pub(crate) fn patterns(
    graph: &Graph,
    distances: &Distances,
    steps: &[Step],
    members: &[Ordinal],
    place: impl Fn(Ordinal) -> u32,
) -> Patterns {
    let mut keys: FxHashMap<u32, FxHashSet<Cow<[u8]>>> = FxHashMap::default();
    // Not the references within a list or a tree: they lead from its place to the same.
    let enters = |edge: u32, node: Ordinal| place(graph.from(edge)) != place(node);
    for step in steps {
        if key(graph, step.edge).is_some() && enters(step.edge, step.node) {
            keys.entry(place(step.node)).or_default();
        }
    }
    if keys.is_empty() {
        return Patterns::default();
    }
    for &member in members {
        let mut node = member;
        for _ in 0..MAX_STEPS {
            let edge = distances.via[node as usize];
            if edge == NONE {
                break;
            }
            if let Some(seen) = keys.get_mut(&place(node)) {
                if enters(edge, node) {
                    seen.extend(key(graph, edge));
                }
            }
            node = graph.from(edge);
            if node == graph.root {
                break;
            }
        }
    }
    steps
        .iter()
        .filter_map(|step| {
            key(graph, step.edge)?;
            let found = keys
                .get(&place(step.node))
                .filter(|found| !found.is_empty())?;
            if !enters(step.edge, step.node) {
                return None;
            }
            let is_entry = graph.kind(graph.from(step.edge)) == NodeKind::Array;
            // Two names of one list, which is held at both ends.
            let from = graph.from(step.edge);
            if !is_entry && found.len() < MANY && found.len() > 1 && !is_dictionary(graph, from) {
                return None;
            }
            let text = in_words(found, is_entry)?;
            key(graph, step.edge).map(|_| (step.edge, text))
        })
        .collect()
}

/// The key that an edge leads over, if it has one.
fn key(graph: &Graph, edge: u32) -> Option<Cow<'_, [u8]>> {
    if edge == NONE {
        return None;
    }
    match graph.edge_kind(edge) {
        EdgeKind::Property => Some(Cow::Borrowed(graph.strings.bytes(graph.edge_name(edge)))),
        // The value of a Map's entry: V8 writes the table's slots in their order, the key before the value.
        EdgeKind::Hidden | EdgeKind::Internal => {
            let from = graph.from(edge);
            if graph.kind(from) != NodeKind::Array
                || !graph.strings.bytes(graph.name(from)).is_empty()
            {
                return None;
            }
            let before = edge.checked_sub(1)?;
            if before < graph.edges(from).start || slot(graph, before)? + 1 != slot(graph, edge)? {
                return None;
            }
            text(graph, graph.to(before), MAX_PARTS)
        }
        _ => None,
    }
}

/// What a string says. V8 may still keep it as the two that it was concatenated from.
fn text(graph: &Graph, node: Ordinal, depth: usize) -> Option<Cow<'_, [u8]>> {
    match graph.kind(node) {
        NodeKind::String => return Some(Cow::Borrowed(graph.strings.bytes(graph.name(node)))),
        NodeKind::ConsString => {}
        _ => return None,
    }
    let part = |name| {
        graph
            .find_edge(node, EdgeKind::Internal, name)
            .map(|edge| graph.to(edge))
    };
    let (first, second) = part("first").zip(part("second"))?;
    let depth = depth.checked_sub(1)?;
    let mut whole = text(graph, first, depth)?.into_owned();
    whole.extend_from_slice(&text(graph, second, depth)?);
    Some(Cow::Owned(whole))
}

/// The number of a slot.
fn slot(graph: &Graph, edge: u32) -> Option<u32> {
    let name = graph.edge_name(edge);
    if graph.edge_kind(edge).has_string_name() {
        graph.strings.text(name).parse().ok()
    } else {
        Some(name)
    }
}

/// `.name` for one key, `["start…end"]` for many that are alike.
fn in_words(keys: &FxHashSet<Cow<[u8]>>, is_entry: bool) -> Option<String> {
    let mut all = keys.iter().map(|key| String::from_utf8_lossy(key));
    let first = all.next()?;
    let (mut start, mut end) = (first.chars().count(), first.chars().count());
    for other in all {
        let same = |a: &mut dyn Iterator<Item = char>, b: &mut dyn Iterator<Item = char>| {
            a.zip(b).take_while(|(a, b)| a == b).count()
        };
        start = start.min(same(&mut first.chars(), &mut other.chars()));
        end = end.min(same(&mut first.chars().rev(), &mut other.chars().rev()));
    }
    let entry = if is_entry { " entry" } else { "" };
    if keys.len() == 1 {
        return Some(match is_entry {
            true => format!(" entry[{:?}]", shorten(&first, SHOWN)),
            false => property(&first),
        });
    }
    // Where the numbers of numbered keys begin alike, that is chance.
    let start: String = first.chars().take(start).collect();
    let start = start.trim_end_matches(|character: char| character.is_ascii_digit());
    let length = first.chars().count();
    let end: String = first
        .chars()
        .skip(length - end.min(length - start.chars().count()))
        .collect();
    let end = end.trim_start_matches(|character: char| character.is_ascii_digit());
    if start.chars().count() + end.chars().count() < ENOUGH {
        return None;
    }
    let ending: String = end
        .chars()
        .skip(end.chars().count().saturating_sub(SHOWN))
        .collect();
    Some(format!(
        "{entry}[{:?}]",
        format!("{}…{ending}", shorten(start, SHOWN).trim_end_matches('…'))
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(keys: &[&str]) -> Option<String> {
        in_words(
            &keys
                .iter()
                .map(|key| Cow::Borrowed(key.as_bytes()))
                .collect(),
            false,
        )
    }

    #[test]
    fn one_key_is_written_as_it_is() {
        assert_eq!(words(&["sessions"]).as_deref(), Some(".sessions"));
        assert_eq!(words(&["a b"]).as_deref(), Some("[\"a b\"]"));
    }

    #[test]
    fn keys_that_begin_or_end_alike_are_shown_as_a_pattern() {
        let urls = ["file:///m.mjs?t=1711", "file:///m.mjs?t=1720"];
        assert_eq!(words(&urls).as_deref(), Some("[\"file:///m.mjs?t=…\"]"));
        let metrics = ["http_a_total", "http_bc_total", "http_bb_total"];
        assert_eq!(words(&metrics).as_deref(), Some("[\"http_…_total\"]"));
    }

    #[test]
    fn keys_with_nothing_in_common_are_no_pattern() {
        assert_eq!(words(&["k17", "k18"]), None);
        assert_eq!(words(&["abc", "xyz"]), None);
        assert_eq!(words(&["1000001", "1000002"]), None);
    }

    #[test]
    fn a_key_that_is_the_beginning_of_another_is_not_counted_twice() {
        assert_eq!(words(&["aaaa", "aaaaaaaa"]).as_deref(), Some("[\"aaaa…\"]"));
    }
}
