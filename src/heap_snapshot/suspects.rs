//! Suspects: patterns that leaks have, each with its evidence.
//!
//! Knows: accumulation points, very large collections, emitters with many listeners, long chains, timers. Must
//! never know: whether it is a leak; one snapshot cannot tell, two can.
//! Limits: entries that are small integers have no edge and are not counted, so collections are at least as
//! large as said; chains are counted along shortest paths.

#![forbid(unsafe_code)]

use rustc_hash::FxHashMap;

use super::control::Ticker;
use super::graph::{Graph, Ordinal, NONE};
use super::json::JsonWriter;
use super::meta::{EdgeKind, NodeKind};
use super::paths::{abstract_label, is_global, Detail};
use super::report::{cut, View};
use crate::error::Failure;

/// Entries from which on a collection is worth a look.
const MANY_ENTRIES: u64 = 10_000;
/// Node warns from the eleventh listener of one event.
const MANY_LISTENERS: u64 = 11;
/// Links from which on a chain is worth a look.
const LONG_CHAIN: u32 = 1_000;
/// Pending timers of one kind.
const MANY_TIMERS: u64 = 1_000;

struct Suspect {
    kind: &'static str,
    node: Ordinal,
    count: u64,
    bytes: u64,
    text: String,
}

pub(crate) fn write(view: &View, json: &mut JsonWriter) -> Result<(), Failure> {
    let mut suspects = Vec::new();
    accumulations(view, &mut suspects);
    collections(view, &mut suspects)?;
    listeners(view, &mut suspects)?;
    chains(view, &mut suspects)?;
    timers(view, &mut suspects);
    suspects.sort_by(|a, b| {
        b.bytes
            .cmp(&a.bytes)
            .then(a.kind.cmp(b.kind))
            .then(a.node.cmp(&b.node))
    });
    json.key("suspectCount").number(suspects.len() as u64);
    suspects.truncate(view.options.top);
    json.key("suspects").list(suspects, |json, suspect| {
        json.object(|json| {
            json.key("kind").text(suspect.kind);
            json.key("text").text(&suspect.text);
            json.key("count").number(suspect.count);
            json.key("retainedBytes").number(suspect.bytes);
            json.key("id").number(view.graph().id(suspect.node));
            json.key("path")
                .text(&view.path(suspect.node, Detail::Exact));
        });
    });
    Ok(())
}

/// The nearest object of the program that dominates a node of the engine.
fn visible(view: &View, mut node: Ordinal) -> Ordinal {
    let graph = view.graph();
    while matches!(
        graph.kind(node),
        NodeKind::Hidden | NodeKind::Array | NodeKind::Code | NodeKind::ObjectShape
    ) {
        node = view.analysis.retained.dominator[node as usize];
    }
    node
}

fn title(graph: &Graph, node: Ordinal) -> String {
    let name = graph.name_text(node);
    match graph.kind(node) {
        NodeKind::Closure => format!("function {}", cut(&name)),
        _ => cut(&name).into_owned(),
    }
}

/// Where a tenth of the heap or more comes together from many small parts.
fn accumulations(view: &View, suspects: &mut Vec<Suspect>) {
    let graph = view.graph();
    let total = view.retained(graph.root).max(1);
    let mut seen = Vec::new();
    let mut pending = vec![graph.root];
    while let Some(node) = pending.pop() {
        let children = view.dominated.by(node);
        let bytes = view.retained(node);
        let mut largest = 0;
        for &child in children {
            let size = view.retained(child);
            largest = largest.max(size);
            if size >= total / 10 {
                pending.push(child);
            }
        }
        if node == graph.root || children.len() < 100 || largest > bytes / 3 {
            continue;
        }
        let owner = visible(view, node);
        if owner == graph.root
            || graph.kind(owner) == NodeKind::Synthetic
            || is_global(graph, owner)
            || seen.contains(&owner)
        {
            continue;
        }
        seen.push(owner);
        let mut classes: FxHashMap<u32, u64> = FxHashMap::default();
        for &child in children {
            *classes.entry(view.classes.of(graph, child)).or_default() += view.retained(child);
        }
        let commonest = classes
            .into_iter()
            .max_by_key(|&(class, bytes)| (bytes, std::cmp::Reverse(class)))
            .map_or("", |(class, _)| view.classes.name(class));
        suspects.push(Suspect {
            kind: "accumulation",
            node: owner,
            count: children.len() as u64,
            bytes: view.retained(owner),
            text: format!(
                "{} holds {} % of the heap through {} objects, mostly {commonest}",
                title(graph, owner),
                u128::from(view.retained(owner)) * 100 / u128::from(total),
                children.len()
            ),
        });
    }
}

/// Entries of a Map, Set, array or dictionary that have an edge.
fn entries(graph: &Graph, node: Ordinal) -> (u64, &'static str) {
    let edges = graph.edges(node);
    match graph.strings.bytes(graph.name(node)) {
        name @ (b"Map" | b"Set") => {
            let Some(table) = graph.find_edge(node, EdgeKind::Internal, "table") else {
                return (0, "");
            };
            let table = graph.to(table);
            // One edge is the table's own hidden class.
            let slots = graph
                .edges(table)
                .filter(|&edge| graph.edge_kind(edge) != EdgeKind::Weak)
                .count()
                .saturating_sub(1) as u64;
            if name == b"Map" {
                (slots.div_ceil(2), "Map")
            } else {
                (slots, "Set")
            }
        }
        b"Array" => (
            edges
                .filter(|&edge| graph.edge_kind(edge) == EdgeKind::Element)
                .count() as u64,
            "Array",
        ),
        _ if u64::from(edges.end - edges.start) >= MANY_ENTRIES => (
            edges
                .filter(|&edge| {
                    matches!(
                        graph.edge_kind(edge),
                        EdgeKind::Property | EdgeKind::Element
                    )
                })
                .count() as u64,
            "object",
        ),
        _ => (0, ""),
    }
}

fn collections(view: &View, suspects: &mut Vec<Suspect>) -> Result<(), Failure> {
    let graph = view.graph();
    let mut ticker = Ticker::new(view.control);
    for node in graph.nodes() {
        ticker.tick()?;
        if graph.kind(node) != NodeKind::Object {
            continue;
        }
        let (count, what) = entries(graph, node);
        if count >= MANY_ENTRIES {
            suspects.push(Suspect {
                kind: "large-collection",
                node,
                count,
                bytes: view.retained(node),
                text: format!("{what} with at least {count} entries"),
            });
        }
    }
    Ok(())
}

fn listeners(view: &View, suspects: &mut Vec<Suspect>) -> Result<(), Failure> {
    let graph = view.graph();
    let Some(events) = graph.strings.find("_events") else {
        return Ok(());
    };
    let mut ticker = Ticker::new(view.control);
    for node in graph.nodes() {
        ticker.tick()?;
        if graph.kind(node) != NodeKind::Object {
            continue;
        }
        for edge in graph.edges(node) {
            if graph.edge_kind(edge) != EdgeKind::Property || graph.edge_name(edge) != events {
                continue;
            }
            for event in graph.edges(graph.to(edge)) {
                let list = graph.to(event);
                if graph.edge_kind(event) != EdgeKind::Property
                    || graph.kind(list) != NodeKind::Object
                    || !graph.is_named(list, "Array")
                {
                    continue;
                }
                let count = graph
                    .edges(list)
                    .filter(|&edge| {
                        graph.edge_kind(edge) == EdgeKind::Element
                            && graph.kind(graph.to(edge)) == NodeKind::Closure
                    })
                    .count() as u64;
                if count >= MANY_LISTENERS {
                    suspects.push(Suspect {
                        kind: "many-listeners",
                        node,
                        count,
                        bytes: view.retained(list),
                        text: format!(
                            "{} with {count} listeners for \"{}\"",
                            title(graph, node),
                            cut(&graph.strings.text(graph.edge_name(event)))
                        ),
                    });
                }
            }
        }
    }
    Ok(())
}

/// Lists, promise chains, scopes within scopes: the same reference between objects of the same class, over and
/// over.
fn chains(view: &View, suspects: &mut Vec<Suspect>) -> Result<(), Failure> {
    let graph = view.graph();
    let distances = &view.analysis.distances;
    let mut length = vec![0u32; graph.node_count()];
    let mut head = vec![NONE; graph.node_count()];
    let mut labels = vec![u64::MAX; graph.node_count()];
    let mut longest: FxHashMap<(u32, u64), (u32, Ordinal)> = FxHashMap::default();
    let mut ticker = Ticker::new(view.control);
    for &from in &distances.order {
        ticker.tick()?;
        if graph.kind(from) != NodeKind::Object {
            continue;
        }
        let class = view.classes.of(graph, from);
        for edge in graph.edges(from) {
            let to = graph.to(edge);
            if distances.via[to as usize] != edge
                || graph.kind(to) != NodeKind::Object
                || view.classes.of(graph, to) != class
            {
                continue;
            }
            let label = abstract_label(graph, edge, false);
            labels[to as usize] = label;
            let (links, first) = if labels[from as usize] == label {
                (length[from as usize] + 1, head[from as usize])
            } else {
                (1, from)
            };
            length[to as usize] = links;
            head[to as usize] = first;
            if links >= LONG_CHAIN {
                let best = longest.entry((class, label)).or_insert((0, first));
                if links > best.0 {
                    *best = (links, first);
                }
            }
        }
    }
    for ((class, label), (links, first)) in longest {
        let name = match EdgeKind::from_bits((label >> 32) as u32) {
            kind if kind.has_string_name() && label as u32 != NONE => {
                graph.strings.text(label as u32).into_owned()
            }
            _ => "[…]".to_owned(),
        };
        suspects.push(Suspect {
            kind: "long-chain",
            node: first,
            count: u64::from(links) + 1,
            bytes: view.retained(first),
            text: format!(
                "chain of {} {} objects, linked by {}",
                u64::from(links) + 1,
                view.classes.name(class),
                cut(&name)
            ),
        });
    }
    Ok(())
}

fn timers(view: &View, suspects: &mut Vec<Suspect>) {
    let graph = view.graph();
    for name in ["Timeout", "Immediate"] {
        let Some(index) = graph.strings.find(name) else {
            continue;
        };
        let mut count = 0;
        let mut bytes = 0u64;
        let mut first = NONE;
        for node in graph.nodes() {
            if graph.kind(node) == NodeKind::Object && graph.name(node) == index {
                count += 1;
                bytes = bytes.saturating_add(view.retained(node));
                first = first.min(node);
            }
        }
        if count >= MANY_TIMERS {
            suspects.push(Suspect {
                kind: "many-timers",
                node: first,
                count,
                bytes,
                text: format!("{count} {name} objects"),
            });
        }
    }
}
