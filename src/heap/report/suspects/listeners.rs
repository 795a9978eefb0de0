//! Listeners: emitters, event targets and abort signals with many for one event, and signals with many that follow.
//!
//! Knows: how Node keeps listeners: arrays in `_events`, linked lists in the Map `kEvents`, weak Sets of signals.
//! Out of scope: who should have removed them.
//! Listeners of offheap's own are not counted.
//! Limitations: Node's own listeners on its own objects (some twenty on a worker's standard streams) are normal; they
//! count only in hundreds or when they are heavy.

#![forbid(unsafe_code)]

use super::origins::Origins;
use super::tables::{pairs, slots, table};
use super::{title, Limits, Names, Suspect};
use crate::base::error::Failure;
use crate::heap::control::Ticker;
use crate::heap::graph::kinds::{EdgeKind, NodeKind};
use crate::heap::graph::{Bits, Graph, Ordinal, NONE};
use crate::heap::subject::{cut, Subject};

pub(crate) const KIND: &str = "many-listeners";

/// Node warns from the eleventh listener of one event.
const MANY_OF_THE_PROGRAM: u64 = 11;
/// Of anybody's: what the program hands to Node (`fetch`, `events.once`) adds listeners of Node's own.
const MANY: u64 = 100;
const HEAVY: Limits = Limits {
    few: 11,
    many: MANY,
    heavy_percent: 1,
};

/// The listeners of one event.
#[derive(Default)]
struct Listeners {
    all: u64,
    of_the_program: u64,
}

impl Listeners {
    fn add(&mut self, subject: &Subject, origins: &mut Origins, listener: Ordinal) {
        let graph = subject.graph();
        if subject.analysis.distances.ours.get(listener) {
            return;
        }
        self.all += 1;
        // An object with a method `handleEvent` is the program's.
        if graph.kind(listener) != NodeKind::Closure || !origins.is_nodes_own(listener) {
            self.of_the_program += 1;
        }
    }

    fn is_suspect(&self, total: u64, bytes: u64) -> bool {
        self.of_the_program >= MANY_OF_THE_PROGRAM
            || self.all >= MANY
            || self.all >= HEAVY.few && HEAVY.is_heavy(total, bytes)
    }
}

pub(crate) fn find(
    subject: &Subject,
    names: &Names,
    claimed: &mut Bits,
    suspects: &mut Vec<Suspect>,
) -> Result<(), Failure> {
    let mut origins = Origins::new(subject.graph());
    emitters(subject, names, &mut origins, claimed, suspects)?;
    targets(subject, names, &mut origins, claimed, suspects)?;
    followers(subject, names, claimed, suspects);
    Ok(())
}

fn emitters(
    subject: &Subject,
    names: &Names,
    origins: &mut Origins,
    claimed: &mut Bits,
    suspects: &mut Vec<Suspect>,
) -> Result<(), Failure> {
    let graph = subject.graph();
    let total = subject.retained(graph.root);
    let mut ticker = Ticker::new(subject.control);
    for &(emitter, events) in &names.events {
        ticker.tick()?;
        for event in graph.edges(events) {
            let list = graph.to(event);
            if graph.edge_kind(event) != EdgeKind::Property
                || graph.kind(list) != NodeKind::Object
                || !graph.is_named(list, "Array")
                || claimed.get(list)
            {
                continue;
            }
            claimed.set(list);
            let mut listeners = Listeners::default();
            for edge in graph.edges(list) {
                if graph.edge_kind(edge) == EdgeKind::Element
                    && graph.kind(graph.to(edge)) == NodeKind::Closure
                {
                    listeners.add(subject, origins, graph.to(edge));
                }
            }
            let bytes = subject.retained(list);
            if listeners.is_suspect(total, bytes) {
                let event = graph.strings.text(graph.edge_name(event));
                let who = title(graph, emitter);
                suspects.push(suspect(emitter, &who, &listeners, bytes, &event));
            }
        }
    }
    Ok(())
}

fn targets(
    subject: &Subject,
    names: &Names,
    origins: &mut Origins,
    claimed: &mut Bits,
    suspects: &mut Vec<Suspect>,
) -> Result<(), Failure> {
    let graph = subject.graph();
    let total = subject.retained(graph.root);
    let mut ticker = Ticker::new(subject.control);
    for &(target, events) in &names.target_events {
        let Some(table) = table(graph, events) else {
            continue;
        };
        for (event, root) in pairs(graph, table) {
            ticker.tick()?;
            // As above, each list once, whoever shares it or closes it into a ring.
            if claimed.get(root) {
                continue;
            }
            claimed.set(root);
            let mut listeners = Listeners::default();
            let mut link = next(graph, names, root);
            while link != NONE && !claimed.get(link) {
                ticker.tick()?;
                claimed.set(link);
                if let Some(edge) = graph.find_edge(link, EdgeKind::Property, "listener") {
                    listeners.add(subject, origins, graph.to(edge));
                }
                link = next(graph, names, link);
            }
            let bytes = subject.retained(root);
            if listeners.is_suspect(total, bytes) {
                let event = graph.name_text(event);
                let who = target_title(graph, names, target);
                suspects.push(suspect(target, &who, &listeners, bytes, &event));
            }
        }
    }
    Ok(())
}

fn next(graph: &Graph, names: &Names, node: Ordinal) -> Ordinal {
    graph
        .edges(node)
        .find(|&edge| {
            graph.edge_kind(edge) == EdgeKind::Property && Some(graph.edge_name(edge)) == names.next
        })
        .map(|edge| graph.to(edge))
        .filter(|&to| graph.kind(to) == NodeKind::Object)
        .unwrap_or(NONE)
}

/// Node 20 makes its signals from plain event targets.
fn target_title(graph: &Graph, names: &Names, target: Ordinal) -> String {
    let is_signal = graph.edges(target).any(|edge| {
        graph.edge_kind(edge) == EdgeKind::Property && Some(graph.edge_name(edge)) == names.aborted
    });
    match is_signal && graph.is_named(target, "EventTarget") {
        true => "AbortSignal".to_owned(),
        false => title(graph, target),
    }
}

fn suspect(node: Ordinal, who: &str, listeners: &Listeners, bytes: u64, event: &str) -> Suspect {
    Suspect {
        kind: KIND,
        node,
        count: listeners.all,
        bytes,
        text: format!(
            "{who} with {} listeners for \"{}\"",
            listeners.all,
            cut(event)
        ),
    }
}

/// Signals made by `AbortSignal.any()` from one that lives on.
fn followers(subject: &Subject, names: &Names, claimed: &mut Bits, suspects: &mut Vec<Suspect>) {
    let graph = subject.graph();
    for &(signal, set) in &names.followers {
        let Some(table) = table(graph, set) else {
            continue;
        };
        let count = slots(graph, table).count() as u64;
        if count >= MANY {
            claimed.set(set);
            suspects.push(Suspect {
                kind: KIND,
                node: signal,
                count,
                bytes: subject.retained(set),
                text: format!(
                    "{} with {count} signals of AbortSignal.any() that follow it",
                    target_title(graph, names, signal)
                ),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{lines_about, sketch_with_global};
    use crate::heap::sketch::Sketch;

    /// A function that was written in `script`.
    fn function(sketch: &mut Sketch, script: &str) -> usize {
        let function = sketch.node("closure", "listener", 64);
        let shared = sketch.node("code", "listener", 0);
        let code = sketch.node("code", script, 0);
        let name = sketch.node("string", script, 0);
        sketch.edge(function, "internal", "shared", shared);
        sketch.edge(shared, "internal", "script", code);
        sketch.edge(code, "internal", "name", name);
        function
    }

    /// An emitter with listeners of the program and of Node for one event.
    fn emitter(of_the_program: usize, of_node: usize) -> Sketch {
        let (mut sketch, global) = sketch_with_global();
        let emitter = sketch.node("object", "Emitter", 8);
        let events = sketch.node("object", "Object", 8);
        let list = sketch.node("object", "Array", 16);
        sketch.edge(global, "property", "bus", emitter);
        sketch.edge(emitter, "property", "_events", events);
        sketch.edge(events, "property", "data", list);
        for index in 0..of_the_program + of_node {
            let script = if index < of_node {
                "node:internal/streams/readable"
            } else {
                "/service/bus.js"
            };
            let listener = function(&mut sketch, script);
            sketch.edge(list, "element", &index.to_string(), listener);
        }
        sketch
    }

    #[test]
    fn eleven_listeners_of_the_program_are_a_suspect_and_a_hundred_of_anybody() {
        for (of_the_program, of_node, is_suspect) in [
            (11, 0, true),
            (10, 0, false),
            (10, 89, false),
            (10, 90, true),
            (0, 99, false),
            (0, 100, true),
        ] {
            let count = of_the_program + of_node;
            let wanted = if is_suspect {
                let text = format!("Emitter with {count} listeners for \"data\"");
                vec![("many-listeners", count as u64, 16 + 64 * count as u64, text)]
            } else {
                Vec::new()
            };
            let mut found = lines_about(&emitter(of_the_program, of_node));
            found.retain(|line| line.0 == "many-listeners");
            assert_eq!(found, wanted, "{of_the_program} and {of_node}");
        }
    }

    #[test]
    fn eleven_heavy_listeners_of_node_are_a_suspect() {
        let mut sketch = emitter(0, 11);
        let heavy = sketch.node("object", "Request", 2_000_000);
        // The first function is the first listener.
        sketch.edge(5, "property", "request", heavy);
        let found = lines_about(&sketch);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].0, found[0].1), ("many-listeners", 11));
    }

    #[test]
    fn a_list_that_is_a_ring_ends() {
        // GIVEN a signal whose list of 12 links leads back to its beginning
        let (mut sketch, global) = sketch_with_global();
        let signal = sketch.node("object", "EventTarget", 8);
        let aborted = sketch.node("hidden", "system / Oddball", 0);
        let events = sketch.node("object", "Map", 8);
        let table = sketch.node("array", "", 8);
        let event = sketch.node("string", "abort", 8);
        let list = sketch.node("object", "Object", 8);
        sketch.edge(global, "property", "signal", signal);
        sketch.edge(signal, "property", "<symbol kAborted>", aborted);
        sketch.edge(signal, "property", "<symbol kEvents>", events);
        sketch.edge(events, "internal", "table", table);
        sketch.edge(table, "internal", "5", event);
        sketch.edge(table, "internal", "6", list);
        let mut last = list;
        for _ in 0..12 {
            let link = sketch.node("object", "Listener", 64);
            let listener = function(&mut sketch, "/service/fetch.js");
            sketch.edge(link, "property", "listener", listener);
            sketch.edge(last, "property", "next", link);
            last = link;
        }
        sketch.edge(last, "property", "next", list + 1);
        // WHEN suspects are looked for, THEN it is walked once, and a signal is called one
        assert_eq!(
            lines_about(&sketch),
            [(
                "many-listeners",
                12,
                8 + 12 * 128,
                "AbortSignal with 12 listeners for \"abort\"".to_owned()
            )]
        );
    }
}
