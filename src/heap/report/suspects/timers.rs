//! Timers: pending ones of one kind, with the function that most of them call.
//!
//! Knows: Node's classes Timeout and Immediate. Out of scope: when they fire.
//! Limitations: what a timer shares with others is not its own, so a group holds at least as much as said.

#![forbid(unsafe_code)]

use rustc_hash::FxHashMap;

use super::origins::Origins;
use super::{title, Groups, Limits, Names, Suspect};
use crate::base::error::Failure;
use crate::heap::control::Ticker;
use crate::heap::graph::kinds::{EdgeKind, NodeKind};
use crate::heap::graph::{Graph, Ordinal, NONE};
use crate::heap::paths::position;
use crate::heap::subject::Subject;

const LIMITS: Limits = Limits {
    few: 20,
    many: 1_000,
    heavy_percent: 1,
};

pub(crate) fn find(
    subject: &Subject,
    names: &Names,
    suspects: &mut Vec<Suspect>,
) -> Result<(), Failure> {
    let graph = subject.graph();
    let kinds = [
        (names.timeout, "_onTimeout", "Timeout"),
        (names.immediate, "_onImmediate", "Immediate"),
    ];
    let mut ticker = Ticker::new(subject.control);
    for (class, callback, title_text) in kinds {
        let Some(class) = class else {
            continue;
        };
        let mut timers: Vec<Ordinal> = Vec::new();
        for node in graph.nodes() {
            ticker.tick()?;
            if graph.kind(node) == NodeKind::Object
                && graph.name(node) == class
                && is_pending(graph, node)
            {
                timers.push(node);
            }
        }
        let count = timers.len() as u64;
        if count < LIMITS.few {
            continue;
        }
        let mut groups = Groups::new(graph);
        let group = groups.add_group();
        let origins = Origins::new(graph);
        let mut functions: FxHashMap<Ordinal, (u64, Ordinal)> = FxHashMap::default();
        for &timer in &timers {
            groups.add(timer, group);
            if let Some(edge) = graph.find_edge(timer, EdgeKind::Property, callback) {
                let function = origins.meant(graph.to(edge));
                if graph.kind(function) == NodeKind::Closure {
                    functions
                        .entry(code(graph, function))
                        .or_insert((0, function))
                        .0 += 1;
                }
            }
        }
        let bytes = groups.bytes(subject)?[group as usize];
        if !LIMITS.judge(subject.retained(graph.root), count, bytes) {
            continue;
        }
        let node = timers
            .iter()
            .copied()
            .max_by_key(|&timer| (subject.retained(timer), std::cmp::Reverse(timer)))
            .unwrap_or(timers[0]);
        let commonest = functions
            .into_values()
            .max_by_key(|&(count, function)| (count, std::cmp::Reverse(function)));
        let mut text = format!("{count} {title_text} objects");
        if let Some((calls, function)) = commonest {
            let name = graph.name_text(function);
            let name = if name.is_empty() {
                "a function without a name".to_owned()
            } else {
                title(graph, function)
            };
            text.push_str(&format!(", {calls} of them for {name}"));
            if let Some(place) = position(graph, function) {
                text.push_str(&format!(" ({place})"));
            }
        }
        suspects.push(Suspect {
            kind: "many-timers",
            node,
            count,
            bytes,
            text,
        });
    }
    Ok(())
}

/// A Timeout that has fired or was cleared is in no list any more.
fn is_pending(graph: &Graph, timer: Ordinal) -> bool {
    if graph
        .find_edge(timer, EdgeKind::Property, "constructor")
        .is_some()
    {
        return false;
    }
    let next = graph.find_edge(timer, EdgeKind::Property, "_idleNext");
    let previous = graph.find_edge(timer, EdgeKind::Property, "_idlePrev");
    match (next, previous) {
        (Some(next), Some(previous)) => [next, previous]
            .iter()
            .any(|&edge| graph.kind(graph.to(edge)) == NodeKind::Object),
        _ => true,
    }
}

/// What closures of one place in the source have in common.
fn code(graph: &Graph, function: Ordinal) -> Ordinal {
    graph
        .find_edge(function, EdgeKind::Internal, "shared")
        .map_or(NONE, |edge| graph.to(edge))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{lines_about, sketch_with_global};

    #[test]
    fn only_pending_timers_count() {
        // GIVEN 30 pending timers, of which each but the first retains 50,000 bytes, and 500 that were cleared
        let (mut sketch, global) = sketch_with_global();
        let list = sketch.node("object", "TimersList", 8);
        let null = sketch.node("hidden", "system / Oddball", 0);
        let callback = sketch.node("closure", "poll", 64);
        sketch.edge(global, "property", "list", list);
        for index in 0..530 {
            let is_pending = index < 30;
            let timer = sketch.node("object", "Timeout", if is_pending { 50_000 } else { 9 });
            let neighbour = if is_pending { list } else { null };
            sketch.edge(global, "element", &index.to_string(), timer);
            sketch.edge(timer, "property", "_idleNext", neighbour);
            sketch.edge(timer, "property", "_idlePrev", neighbour);
            sketch.edge(timer, "property", "_onTimeout", callback);
        }
        // WHEN suspects are looked for, THEN the text names their function
        let text = "30 Timeout objects, 30 of them for function poll".to_owned();
        assert_eq!(lines_about(&sketch), [("many-timers", 30, 1_500_000, text)]);
    }
}
