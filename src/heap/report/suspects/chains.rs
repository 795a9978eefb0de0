//! Chains: lists, promise chains, scopes within scopes: the same reference between objects of the same class, over
//! and over.
//!
//! Knows: the shortest paths. Out of scope: what the links mean.
//! Limitations: counted along shortest paths.

#![forbid(unsafe_code)]

use rustc_hash::FxHashMap;

use super::{Groups, Limits, Names, Suspect};
use crate::base::error::Failure;
use crate::heap::control::Ticker;
use crate::heap::graph::kinds::{EdgeKind, NodeKind};
use crate::heap::graph::{Bits, Graph, Ordinal, NONE};
use crate::heap::paths::labels::abstract_label;
use crate::heap::subject::{cut, Subject};

const LIMITS: Limits = Limits {
    few: 100,
    many: 1_000,
    heavy_percent: 1,
};

/// Steps between two links that are no objects of the class: a promise leads to the next one through its reaction.
const MAX_BETWEEN: usize = 8;

/// All chains of one class and one reference.
struct Kin {
    group: u32,
    /// The references, two for lists that are held at both ends.
    labels: Vec<u64>,
    objects: u64,
    chains: u64,
    /// Links of the longest.
    longest: u32,
    /// Its last object.
    end: Ordinal,
}

/// `claimed` are links that have a kind of their own, as timers have.
pub(crate) fn find(
    subject: &Subject,
    names: &Names,
    claimed: &Bits,
    suspects: &mut Vec<Suspect>,
) -> Result<(), Failure> {
    let graph = subject.graph();
    let mut length = vec![0u32; graph.node_count()];
    // What ends a piece of `few` objects.
    let mut ends = Vec::new();
    let mut ticker = Ticker::new(subject.control);
    let links = Links {
        subject,
        promise: graph.strings.find("Promise"),
    };
    for &to in &subject.analysis.distances.order {
        ticker.tick()?;
        let name = Some(graph.name(to));
        if claimed.get(to) || name == names.timeout || name == names.immediate {
            continue;
        }
        let Some((from, label)) = links.before(to) else {
            continue;
        };
        if claimed.get(from) {
            continue;
        }
        let goes_on = length[from as usize] > 0
            && links
                .before(from)
                .is_some_and(|(_, before)| before == label);
        length[to as usize] = match goes_on {
            true => length[from as usize].saturating_add(1),
            false => 1,
        };
        if u64::from(length[to as usize]) + 1 >= LIMITS.few {
            ends.push((to, label));
        }
    }
    if ends.is_empty() {
        return Ok(());
    }
    // A list that is held at both ends is one, under either of its references.
    let places = subject.places();
    let mut first_label: FxHashMap<(u32, u32), u64> = FxHashMap::default();
    let mut same: FxHashMap<(u32, u64), u64> = FxHashMap::default();
    for &(to, label) in &ends {
        let class = subject.classes.of(graph, to);
        let first = *first_label
            .entry((class, places[to as usize]))
            .or_insert(label);
        let first = same.get(&(class, first)).copied().unwrap_or(first);
        same.entry((class, label)).or_insert(first);
    }
    let mut groups = Groups::new(graph);
    let mut found: FxHashMap<(u32, u64), Kin> = FxHashMap::default();
    for (to, label) in ends {
        ticker.tick()?;
        let class = subject.classes.of(graph, to);
        let kin = found
            .entry((class, same[&(class, label)]))
            .or_insert_with(|| Kin {
                group: groups.add_group(),
                labels: Vec::new(),
                objects: 0,
                chains: 0,
                longest: 0,
                end: to,
            });
        if !kin.labels.contains(&label) {
            kin.labels.push(label);
        }
        let count = length[to as usize];
        if count > kin.longest {
            kin.longest = count;
            kin.end = to;
        }
        // Back to where another chain of the kind has been, or to the head: each object once.
        let mut node = to;
        for left in (0..=count).rev() {
            if !groups.add(node, kin.group) {
                break;
            }
            kin.objects += 1;
            if left == 0 {
                kin.chains += 1;
            } else if let Some((before, _)) = links.before(node) {
                node = before;
            }
        }
    }
    let bytes = groups.bytes(subject)?;
    let total = subject.retained(graph.root);
    for ((class, _), kin) in found {
        let bytes = bytes[kin.group as usize];
        if !LIMITS.judge(total, kin.objects, bytes) {
            continue;
        }
        let mut first = kin.end;
        for _ in 0..kin.longest {
            first = links.before(first).map_or(first, |(before, _)| before);
        }
        let class = subject.classes.name(class);
        let references: Vec<String> = kin
            .labels
            .iter()
            .map(|&label| reference(graph, label))
            .collect();
        let linked = match references.iter().any(|reference| reference == "[…]") {
            true => String::new(),
            false => format!(", linked by {}", references.join(" and ")),
        };
        let (objects, longest) = (kin.objects, u64::from(kin.longest) + 1);
        suspects.push(Suspect {
            kind: "long-chain",
            node: first,
            count: objects,
            bytes,
            text: match (kin.chains, kin.labels.len()) {
                (0 | 1, _) | (2, 2) => {
                    format!("chain of {objects} {class} objects{linked}")
                }
                (chains, _) => {
                    format!("{chains} chains of {class} objects{linked}, the longest of {longest}")
                }
            },
        });
    }
    Ok(())
}

struct Links<'a, 'b> {
    subject: &'a Subject<'b>,
    promise: Option<u32>,
}

impl Links<'_, '_> {
    /// The object of the same class that leads to this one, and what the reference is called: right before it, or, of promises and of
    /// functions that hold each other in their scopes, a few steps before.
    fn before(&self, node: Ordinal) -> Option<(Ordinal, u64)> {
        let graph = self.subject.graph();
        let via = &self.subject.analysis.distances.via;
        let kind = graph.kind(node);
        if !matches!(kind, NodeKind::Object | NodeKind::Closure) {
            return None;
        }
        let edge = via[node as usize];
        if edge == NONE {
            return None;
        }
        let class = self.subject.classes.of(graph, node);
        let is_same = |other: Ordinal| {
            graph.kind(other) == kind && self.subject.classes.of(graph, other) == class
        };
        let from = graph.from(edge);
        let label = abstract_label(graph, edge, false);
        if kind == NodeKind::Object && is_same(from) {
            return Some((from, label));
        }
        let is_promise = |node: Ordinal| {
            graph.kind(node) == NodeKind::Object && Some(graph.name(node)) == self.promise
        };
        if kind != NodeKind::Closure && !is_promise(node) || !self.subject.is_in_chain(node) {
            return None;
        }
        let mut between = from;
        for _ in 0..MAX_BETWEEN {
            if is_same(between) {
                return Some((between, label));
            }
            // Functions between promises are those of the promises.
            if is_promise(between) {
                return None;
            }
            let edge = via[between as usize];
            if edge == NONE {
                return None;
            }
            between = graph.from(edge);
        }
        None
    }
}

fn reference(graph: &Graph, label: u64) -> String {
    match EdgeKind::from_bits((label >> 32) as u32) {
        kind if kind.has_string_name() && label as u32 != NONE => {
            cut(&graph.strings.text(label as u32)).into_owned()
        }
        _ => "[…]".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{lines_about, sketch_with_global};

    #[test]
    fn a_hundred_heavy_links_are_a_suspect_and_99_are_none() {
        for (links, wanted) in [(99, 0), (100, 1)] {
            let (mut sketch, global) = sketch_with_global();
            let mut last = global;
            for _ in 0..links {
                let link = sketch.node("object", "Link", 20_000);
                sketch.edge(last, "property", "next", link);
                last = link;
            }
            let found = lines_about(&sketch);
            assert_eq!(found.len(), wanted, "{found:?}");
            if let Some(line) = found.first() {
                let text = "chain of 100 Link objects, linked by next".to_owned();
                assert_eq!(line, &("long-chain", 100, 2_000_000, text));
            }
        }
    }

    #[test]
    fn chains_of_one_kind_are_one_line_and_a_common_beginning_counts_once() {
        // GIVEN two chains of 150 that share their first 50, one of 120 elsewhere, and one that is too short
        let (mut sketch, global) = sketch_with_global();
        let mut grow = |from: usize, first: &str, links: usize| {
            let mut last = from;
            for index in 0..links {
                let link = sketch.node("object", "Link", 10_000);
                let name = if index == 0 { first } else { "next" };
                sketch.edge(last, "property", name, link);
                last = link;
            }
            last
        };
        let fork = grow(global, "a", 50);
        grow(fork, "next", 100);
        grow(fork, "next", 100);
        grow(global, "b", 120);
        grow(global, "c", 80);
        // WHEN suspects are looked for, THEN each object counts once
        assert_eq!(
            lines_about(&sketch),
            [(
                "long-chain",
                370,
                3_700_000,
                "2 chains of Link objects, linked by next, the longest of 150".to_owned()
            )]
        );
    }

    #[test]
    fn timers_are_no_chain() {
        let (mut sketch, global) = sketch_with_global();
        let mut last = global;
        for _ in 0..150 {
            let timer = sketch.node("object", "Timeout", 20_000);
            sketch.edge(last, "property", "_idleNext", timer);
            last = timer;
        }
        let kinds: Vec<_> = lines_about(&sketch).iter().map(|line| line.0).collect();
        assert_eq!(kinds, ["many-timers"]);
    }
}
