//! Chains: lists, promise chains, scopes within scopes: the same reference between objects of the same class, over
//! and over.
//!
//! Knows: the shortest paths. Does not know: what the links mean.
//! Limits: counted along shortest paths: a list that is held at both ends is two chains of half the length.

#![forbid(unsafe_code)]

use rustc_hash::FxHashMap;

use super::{Groups, Limits, Names, Suspect};
use crate::base::error::Failure;
use crate::heap::control::Ticker;
use crate::heap::graph::kinds::{EdgeKind, NodeKind};
use crate::heap::graph::{Bits, Graph, Ordinal, NONE};
use crate::heap::paths::labels::abstract_label;
use crate::heap::view::{cut, View};

const LIMITS: Limits = Limits {
    few: 100,
    many: 1_000,
    heavy_percent: 1,
};

/// All chains of one class and one reference.
struct Kin {
    group: u32,
    objects: u64,
    chains: u64,
    /// Links of the longest.
    longest: u32,
    /// Its last object.
    end: Ordinal,
}

/// `claimed` are links that have a kind of their own, as timers have.
pub(crate) fn find(
    view: &View,
    names: &Names,
    claimed: &Bits,
    suspects: &mut Vec<Suspect>,
) -> Result<(), Failure> {
    let graph = view.graph();
    let distances = &view.analysis.distances;
    let mut length = vec![0u32; graph.node_count()];
    // What ends a piece of `few` objects.
    let mut ends = Vec::new();
    let mut ticker = Ticker::new(view.control);
    for &from in &distances.order {
        ticker.tick()?;
        let name = Some(graph.name(from));
        if graph.kind(from) != NodeKind::Object
            || claimed.get(from)
            || name == names.timeout
            || name == names.immediate
        {
            continue;
        }
        let class = view.classes.of(graph, from);
        // How the chain goes on that ends here so far.
        let label_so_far = match length[from as usize] {
            0 => None,
            _ => Some(abstract_label(graph, distances.via[from as usize], false)),
        };
        for edge in graph.edges(from) {
            let to = graph.to(edge);
            if distances.via[to as usize] != edge
                || graph.kind(to) != NodeKind::Object
                || view.classes.of(graph, to) != class
            {
                continue;
            }
            let links = if label_so_far == Some(abstract_label(graph, edge, false)) {
                length[from as usize].saturating_add(1)
            } else {
                1
            };
            length[to as usize] = links;
            if u64::from(links) + 1 >= LIMITS.few {
                ends.push(to);
            }
        }
    }
    if ends.is_empty() {
        return Ok(());
    }
    let mut groups = Groups::new(graph);
    let mut found: FxHashMap<(u32, u64), Kin> = FxHashMap::default();
    for to in ends {
        ticker.tick()?;
        let class = view.classes.of(graph, to);
        let label = abstract_label(graph, distances.via[to as usize], false);
        let kin = found.entry((class, label)).or_insert_with(|| Kin {
            group: groups.add_group(),
            objects: 0,
            chains: 0,
            longest: 0,
            end: to,
        });
        let links = length[to as usize];
        if links > kin.longest {
            kin.longest = links;
            kin.end = to;
        }
        // Back to where another chain of the kind has been, or to the head: each object once.
        let mut node = to;
        for left in (0..=links).rev() {
            if !groups.add(node, kin.group) {
                break;
            }
            kin.objects += 1;
            if left == 0 {
                kin.chains += 1;
            } else {
                node = before(view, node);
            }
        }
    }
    let bytes = groups.bytes(view)?;
    let total = view.retained(graph.root);
    for ((class, label), kin) in found {
        let bytes = bytes[kin.group as usize];
        if !LIMITS.judge(total, kin.objects, bytes) {
            continue;
        }
        let mut first = kin.end;
        for _ in 0..kin.longest {
            first = before(view, first);
        }
        let class = view.classes.name(class);
        let reference = reference(graph, label);
        let longest = u64::from(kin.longest) + 1;
        suspects.push(Suspect {
            kind: "long-chain",
            node: first,
            count: kin.objects,
            bytes,
            text: match kin.chains {
                0 | 1 => format!("chain of {longest} {class} objects, linked by {reference}"),
                chains => format!(
                    "{chains} chains of {class} objects, linked by {reference}, the longest of {longest}"
                ),
            },
        });
    }
    Ok(())
}

/// The object that leads to one which has a link before it.
fn before(view: &View, node: Ordinal) -> Ordinal {
    let graph = view.graph();
    graph.from(view.analysis.distances.via[node as usize])
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
