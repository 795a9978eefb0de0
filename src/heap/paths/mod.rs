//! Retaining paths in words: `global.sessions (Map) entry .user (User)`.
//!
//! Knows: one shortest path per node, and how V8 lays out Maps, arrays, contexts and buffers. Out of scope:
//! sizes.
//! Limitations: one path of possibly many; a suspect may have others. Paths are grouped by their words with indices
//! and dictionary keys left out.

#![forbid(unsafe_code)]

pub(crate) mod keys;
pub(crate) mod labels;
pub(crate) mod places;
pub(crate) mod steps;

use crate::heap::graph::kinds::{EdgeKind, NodeKind};
use crate::heap::graph::scripts::{line_and_column, script_name};
use crate::heap::graph::{Graph, Ordinal, NONE};
use crate::heap::paths::keys::Patterns;
use crate::heap::paths::labels::{
    is_collection, is_dictionary, is_global, property, shorten, without_number,
};
use crate::heap::paths::steps::Step;

/// How much of a path is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Indices and keys as they are.
    Exact,
    /// Indices and dictionary keys left out, repetitions folded.
    Grouped,
}

/// Puts a path into words. At most `limit` steps are written; the middle is left out.
pub(crate) fn describe(graph: &Graph, steps: &[Step], detail: Detail, limit: usize) -> String {
    in_words(graph, steps, detail, limit, &Patterns::default(), |_| NONE)
}

/// Puts a path into words that many objects share: with what their keys have in common. A path that returns to a `place` where it was
/// before is a list, a tree or a chain, which is written once.
pub(crate) fn describe_shared(
    graph: &Graph,
    steps: &[Step],
    limit: usize,
    patterns: &Patterns,
    place: impl Fn(Ordinal) -> u32,
) -> String {
    in_words(graph, steps, Detail::Grouped, limit, patterns, place)
}

/// One step in words, as it stands on a path.
pub(crate) fn describe_step(graph: &Graph, from: Ordinal, step: Step) -> String {
    let label = label(graph, from, step.edge, Detail::Exact);
    format!("{label}{}", annotation(graph, step.node))
}

fn in_words(
    graph: &Graph,
    steps: &[Step],
    detail: Detail,
    limit: usize,
    patterns: &Patterns,
    place: impl Fn(Ordinal) -> u32,
) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut repeats: Vec<usize> = Vec::new();
    // The place of each word, and of what comes after it without a word of its own.
    let mut places: Vec<(u32, usize)> = Vec::new();
    let mut from: Option<Ordinal> = None;
    for step in steps {
        if step.edge == NONE && from.is_some() {
            words.push(format!(" … {} steps …", step.node));
            repeats.push(1);
            continue;
        }
        let word = match from {
            None if step.edge != NONE && graph.from(step.edge) != graph.root => {
                format!("… {}", start(graph, step.node))
            }
            None => start(graph, step.node),
            Some(_) => {
                let from = graph.from(step.edge);
                let label = match patterns.get(&step.edge) {
                    Some(pattern) => pattern.clone(),
                    None => label(graph, from, step.edge, detail),
                };
                let class = annotation(graph, step.node);
                format!("{label}{class}")
            }
        };
        from = Some(step.node);
        let place = place(step.node);
        if place != NONE {
            if let Some(at) = places.iter().position(|&(known, _)| known == place) {
                let count = places[at].1;
                places.truncate(at + 1);
                words.truncate(count);
                repeats.truncate(count);
                if let Some(last) = repeats.last_mut() {
                    *last += 1;
                }
                continue;
            }
        }
        if word.is_empty() {
            places.push((place, words.len()));
            continue;
        }
        // A global object that is reached through a native context is where a path begins.
        if is_global(graph, step.node) {
            words.clear();
            repeats.clear();
            places.clear();
            places.push((place, 1));
            words.push("global".to_owned());
            repeats.push(1);
            continue;
        }
        if words.last() == Some(&word) {
            if let Some(last) = repeats.last_mut() {
                *last += 1;
            }
            places.push((place, words.len()));
            continue;
        }
        words.push(word);
        repeats.push(1);
        places.push((place, words.len()));
    }
    let mut text = String::new();
    // The end of a path says what holds an object, so more is kept of it than of the beginning.
    let head = limit / 3;
    let hidden = match words.len().saturating_sub(limit) {
        // As long as what would be hidden.
        0..=3 => 0,
        hidden => hidden,
    };
    for (index, (word, count)) in words.iter().zip(&repeats).enumerate() {
        if hidden > 0 && index == head {
            text.push_str(&format!(" … {hidden} steps …"));
        }
        if index >= head && index < head + hidden {
            continue;
        }
        text.push_str(word);
        if *count > 1 {
            match detail {
                Detail::Exact => text.push_str(&format!(" ×{count}")),
                Detail::Grouped => text.push_str(" ×n"),
            }
        }
    }
    text
}

fn start(graph: &Graph, node: Ordinal) -> String {
    if is_global(graph, node) {
        return "global".to_owned();
    }
    let name = graph.name_text(node);
    if name.is_empty() {
        format!(
            "({})",
            graph.node_type_names[graph.node_type[node as usize] as usize]
        )
    } else {
        name.into_owned()
    }
}

/// What is written of the node at the end of a step; nothing where the name of the edge is enough.
fn annotation(graph: &Graph, node: Ordinal) -> String {
    let name = graph.name_text(node);
    match graph.kind(node) {
        NodeKind::Object if matches!(&*name, "Object" | "Array" | "system / Context" | "") => {
            String::new()
        }
        NodeKind::Object | NodeKind::Native => format!(" ({})", shorten(&name, 60)),
        NodeKind::Closure => {
            let words: Vec<String> = [Some(shorten(&name, 60)), position(graph, node)]
                .into_iter()
                .flatten()
                .filter(|word| !word.is_empty())
                .collect();
            match words.is_empty() {
                true => " (function)".to_owned(),
                false => format!(" (function {})", words.join(" ")),
            }
        }
        NodeKind::Synthetic => format!(" {}", shorten(&name, 60)),
        _ => String::new(),
    }
}

/// Where a function was written: `server.js:12`. Those of Node and of V8 have no such place.
pub(crate) fn position(graph: &Graph, closure: Ordinal) -> Option<String> {
    let (line, _) = line_and_column(graph, closure)?;
    let script = script_name(graph, closure)?;
    if script.is_empty() || script.starts_with("node:") {
        return None;
    }
    let file = script.rsplit(['/', '\\']).next().unwrap_or(&script);
    Some(format!("{}:{line}", shorten(file, 60)))
}

fn label(graph: &Graph, from: Ordinal, edge: u32, detail: Detail) -> String {
    let kind = graph.edge_kind(edge);
    let name = graph.edge_name(edge);
    let grouped = detail == Detail::Grouped;
    match kind {
        EdgeKind::Element if grouped => "[…]".to_owned(),
        EdgeKind::Element => format!("[{name}]"),
        EdgeKind::Property | EdgeKind::Shortcut => {
            if grouped && is_dictionary(graph, from) {
                return "[…]".to_owned();
            }
            property(&graph.strings.text(name))
        }
        EdgeKind::Context => format!(" → variable {}", graph.strings.text(name)),
        EdgeKind::Weak => format!(" ⇢ {}", graph.strings.text(name)),
        EdgeKind::Hidden | EdgeKind::Other => hidden_label(graph, from, u64::from(name), grouped),
        EdgeKind::Internal => {
            let text = graph.strings.text(name);
            if graph.ephemerons.contains_key(&name) {
                return " value in WeakMap".to_owned();
            }
            if let Ok(index) = text.parse::<u64>() {
                return hidden_label(graph, from, index, grouped);
            }
            match &*text {
                // These say nothing that the next step does not say better.
                "elements" | "properties" | "context" | "previous" => String::new(),
                "table" if is_collection(graph, from) => String::new(),
                _ if grouped => {
                    let words = without_number(text.as_bytes());
                    format!(" → {}", String::from_utf8_lossy(words))
                }
                _ => format!(" → {text}"),
            }
        }
    }
}

/// A numbered field: the slot of a Map's table, of an array, or of something inside the engine.
fn hidden_label(graph: &Graph, from: Ordinal, index: u64, grouped: bool) -> String {
    match graph.kind(from) {
        NodeKind::Array if graph.strings.bytes(graph.name(from)).is_empty() => " entry".to_owned(),
        NodeKind::Object if graph.is_named(from, "system / Context") => {
            " → variable of a block".to_owned()
        }
        // A context's cell holds the variable that the step before has named.
        NodeKind::Hidden if graph.is_named(from, "system / ContextCell") => String::new(),
        NodeKind::Hidden if graph.is_named(from, "system / PropertyCell") => String::new(),
        _ if grouped => "[…]".to_owned(),
        _ => format!("[{index}]"),
    }
}
