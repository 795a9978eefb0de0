//! What a reference is called, and when its name is data.
//!
//! Knows: kinds and names of references, and which objects are dictionaries or collections. Out of scope: whole paths.
//! Limitations: whether an object is a dictionary is guessed from its number of edges.

#![forbid(unsafe_code)]

use std::hash::{Hash, Hasher};

use rustc_hash::FxHasher;

use crate::heap::graph::kinds::{EdgeKind, NodeKind};
use crate::heap::graph::{Graph, Ordinal, NONE};

/// An object with more edges than this is taken for a dictionary: its keys are data, not names.
const DICTIONARY: u32 = 64;

/// Whether a node is the global object of a realm.
pub(crate) fn is_global(graph: &Graph, node: Ordinal) -> bool {
    graph.kind(node) == NodeKind::Object && {
        let name = graph.strings.bytes(graph.name(node));
        name == b"global" || name.starts_with(b"global ")
    }
}

pub(crate) fn shorten(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(limit).collect();
    short.push('…');
    short
}

/// Whether the edges of a node are told apart by data rather than by names.
pub(crate) fn is_dictionary(graph: &Graph, node: Ordinal) -> bool {
    has_many_edges(graph, node) && !is_global(graph, node)
}

/// Whether a node has as many edges as a dictionary.
pub(crate) fn has_many_edges(graph: &Graph, node: Ordinal) -> bool {
    let edges = graph.edges(node);
    edges.end - edges.start > DICTIONARY
}

pub(crate) fn is_collection(graph: &Graph, node: Ordinal) -> bool {
    graph.kind(node) == NodeKind::Object
        && matches!(
            graph.strings.bytes(graph.name(node)),
            b"Map" | b"Set" | b"WeakMap" | b"WeakSet"
        )
}

/// A property by its name.
pub(crate) fn property(name: &str) -> String {
    if is_identifier(name) {
        format!(".{name}")
    } else {
        format!("[{:?}]", shorten(name, 80))
    }
}

pub(crate) fn is_identifier(name: &str) -> bool {
    let mut characters = name.chars();
    characters
        .next()
        .is_some_and(|first| first.is_alphabetic() || matches!(first, '_' | '$' | '#'))
        && characters.all(|character| character.is_alphanumeric() || matches!(character, '_' | '$'))
}

/// The words of `12 / DevTools console`: V8 numbers such handles, and each would be a path of its own.
pub(crate) fn without_number(name: &[u8]) -> &[u8] {
    let digits = name.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match name[digits..].strip_prefix(b" / ") {
        Some(words) if digits > 0 => words,
        _ => name,
    }
}

/// A number that is the same for the same text.
pub(crate) fn fingerprint(text: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    text.hash(&mut hasher);
    hasher.finish()
}

/// Kind and name of an edge, the name left out where it is data.
pub(crate) fn abstract_label(graph: &Graph, edge: u32, dictionary: bool) -> u64 {
    let kind = graph.edge_kind(edge);
    let name = graph.edge_name(edge);
    let numbered = match kind {
        EdgeKind::Element | EdgeKind::Hidden | EdgeKind::Other => true,
        EdgeKind::Property | EdgeKind::Shortcut => dictionary,
        EdgeKind::Internal => {
            graph.ephemerons.contains_key(&name)
                || graph
                    .strings
                    .bytes(name)
                    .iter()
                    .all(|byte| byte.is_ascii_digit())
        }
        _ => false,
    };
    (kind as u64) << 32
        | if numbered {
            u64::from(NONE)
        } else {
            u64::from(name)
        }
}
