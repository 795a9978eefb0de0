//! A test oracle: dominators, retained sizes and distances worked out by their definitions, and compared with ours on thousands of random graphs.
//!
//! Knows: the definitions. Out of scope: speed. Limitations: small graphs.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::needless_range_loop,
    reason = "only tests use it: they fail by panicking, and definitions speak of numbered nodes"
)]

use std::collections::VecDeque;

use crate::heap::control::Control;
use crate::heap::graph::kinds::{EdgeKind, NodeKind};
use crate::heap::sketch::Sketch;
use crate::heap::solve::essential::Rules;
use crate::heap::solve::Analysis;

/// A small generator of numbers; its seed is in every message.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

const KINDS: [&str; 9] = [
    "object",
    "object",
    "object",
    "closure",
    "array",
    "hidden",
    "string",
    "native",
    "synthetic",
];
const EDGES: [&str; 7] = [
    "property", "property", "context", "element", "internal", "shortcut", "weak",
];

fn random_sketch(seed: u64) -> Sketch {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut sketch = Sketch::new();
    let count = 2 + random.below(14);
    for node in 1..count {
        let kind = KINDS[random.below(KINDS.len())];
        sketch.node(kind, &format!("n{}", random.below(4)), 1 << node);
    }
    for _ in 0..random.below(3 * count) {
        let from = random.below(count);
        let to = random.below(count);
        let kind = EDGES[random.below(EDGES.len())];
        let name = match kind {
            "element" => random.below(5).to_string(),
            _ => format!("e{}", random.below(5)),
        };
        sketch.edge(from, kind, &name, to);
    }
    sketch
}

/// What the definitions say.
struct Naive {
    /// Edges that keep something alive, from → to, by node.
    keeps: Vec<Vec<usize>>,
    count: usize,
}

impl Naive {
    fn new(analysis: &Analysis) -> Naive {
        let graph = &analysis.graph;
        let count = graph.node_count();
        let all: Vec<(usize, EdgeKind, usize)> = graph
            .nodes()
            .flat_map(|node| graph.edges(node).map(move |edge| (node, edge)))
            .map(|(node, edge)| {
                (
                    node as usize,
                    graph.edge_kind(edge),
                    graph.to(edge) as usize,
                )
            })
            .collect();
        // What the user's roots own, to the fixed point.
        let mut owned = vec![false; count];
        loop {
            let before = owned.clone();
            for &(from, kind, to) in &all {
                let entry = from == 0 && kind == EdgeKind::Shortcut;
                if entry || owned[from] && kind != EdgeKind::Weak {
                    owned[to] = true;
                }
            }
            if owned == before {
                break;
            }
        }
        let mut keeps = vec![Vec::new(); count];
        let mut kept = vec![false; count];
        for &(from, kind, to) in &all {
            let keep = from != to
                && kind != EdgeKind::Weak
                && (from == 0 || kind != EdgeKind::Shortcut && (owned[from] || !owned[to]));
            if keep {
                keeps[from].push(to);
                kept[to] = true;
            }
        }
        let mut naive = Naive { keeps, count };
        // What nothing keeps hangs from the root.
        let reached = naive.reached(None);
        for node in 1..count {
            if !reached[node] && !kept[node] {
                naive.keeps[0].push(node);
            }
        }
        // What is left are cycles: they hang from the root one by one and keep nothing.
        let reached = naive.reached(None);
        for node in 1..count {
            if !reached[node] {
                naive.keeps[node].clear();
                naive.keeps[0].push(node);
            }
        }
        naive
    }

    fn reached(&self, without: Option<usize>) -> Vec<bool> {
        let mut reached = vec![false; self.count];
        let mut pending = vec![0];
        reached[0] = without != Some(0);
        while let Some(node) = pending.pop() {
            if !reached[node] {
                continue;
            }
            for &to in &self.keeps[node] {
                if !reached[to] && without != Some(to) {
                    reached[to] = true;
                    pending.push(to);
                }
            }
        }
        reached
    }

    /// By node: whom it dominates, itself included.
    fn dominated(&self) -> Vec<Vec<bool>> {
        (0..self.count)
            .map(|node| {
                self.reached(Some(node))
                    .iter()
                    .map(|reached| !reached)
                    .collect()
            })
            .collect()
    }
}

#[test]
fn dominators_and_retained_sizes_are_those_of_the_definition_on_random_graphs() {
    let rules = Rules {
        attribute: false,
        ..Rules::default()
    };
    for seed in 0..2500 {
        let sketch = random_sketch(seed);
        let analysis = Analysis::of(sketch.graph(), rules, 1, &Control::new()).unwrap();
        let naive = Naive::new(&analysis);
        let dominated = naive.dominated();
        let dominators: Vec<usize> = (0..naive.count)
            .map(|node| {
                (0..naive.count)
                    .filter(|&above| dominated[above][node])
                    .count()
            })
            .collect();
        for node in 0..naive.count {
            let wanted: u64 = (0..naive.count)
                .filter(|&other| dominated[node][other])
                .map(|other| analysis.sizes.get(other as u32))
                .sum();
            assert_eq!(
                analysis.retained.bytes[node], wanted,
                "retained size of node {node}, seed {seed}"
            );
            if node == 0 {
                continue;
            }
            // The immediate dominator is the one that most others dominate.
            let wanted = (0..naive.count)
                .filter(|&other| other != node && dominated[other][node])
                .max_by_key(|&other| dominators[other]);
            assert_eq!(
                Some(analysis.retained.dominator[node] as usize),
                wanted,
                "dominator of node {node}, seed {seed}"
            );
        }
    }
}

#[test]
fn distances_are_those_of_a_plain_search_on_random_graphs() {
    for seed in 0..1500 {
        let sketch = random_sketch(seed);
        let analysis = Analysis::of(sketch.graph(), Rules::default(), 1, &Control::new()).unwrap();
        let graph = &analysis.graph;
        let mut distance = vec![None; graph.node_count()];
        let mut pending = VecDeque::new();
        for edge in graph.edges(0) {
            let to = graph.to(edge);
            if graph.kind(to) != NodeKind::Synthetic && distance[to as usize].is_none() {
                distance[to as usize] = Some(1);
                pending.push_back(to);
            }
        }
        while let Some(node) = pending.pop_front() {
            for edge in graph.edges(node) {
                let to = graph.to(edge) as usize;
                if graph.edge_kind(edge) != EdgeKind::Weak && distance[to].is_none() {
                    distance[to] = distance[node as usize].map(|distance: u32| distance + 1);
                    pending.push_back(to as u32);
                }
            }
        }
        let users = graph
            .edges(0)
            .any(|edge| graph.kind(graph.to(edge)) != NodeKind::Synthetic);
        for node in graph.nodes().skip(1).filter(|_| users) {
            assert_eq!(
                analysis.distances.get(node),
                distance[node as usize],
                "distance of node {node}, seed {seed}"
            );
        }
    }
}

#[test]
fn two_threads_give_the_same_table_as_one() {
    for seed in 0..200 {
        let sketch = random_sketch(seed);
        let table = |threads| {
            Analysis::of(sketch.graph(), Rules::default(), threads, &Control::new())
                .unwrap()
                .table()
        };
        assert_eq!(table(1), table(2), "seed {seed}");
    }
}

#[test]
fn a_list_of_a_million_that_ends_in_a_million_shared_objects_is_no_slower_than_any_other() {
    // GIVEN root → a list of 200,000, its end → a hub of 200,000 objects, each also held by the root. Climbing
    // dominators one by one would take 4 × 10^10 steps.
    const COUNT: usize = 200_000;
    let mut nodes = String::from("9,0,1,0,");
    nodes.push_str(&format!("{}", COUNT + 1));
    let mut edges: Vec<String> = vec![format!("2,1,{}", 5)];
    for leaf in 0..COUNT {
        edges.push(format!("1,{leaf},{}", (1 + COUNT + leaf) * 5));
    }
    for link in 0..COUNT {
        let last = link == COUNT - 1;
        nodes.push_str(&format!(
            ",3,2,{},16,{}",
            link + 3,
            if last { COUNT } else { 1 }
        ));
        if last {
            for leaf in 0..COUNT {
                edges.push(format!("1,{leaf},{}", (1 + COUNT + leaf) * 5));
            }
        } else {
            edges.push(format!("2,3,{}", (link + 2) * 5));
        }
    }
    for leaf in 0..COUNT {
        nodes.push_str(&format!(",3,4,{},24,0", COUNT + leaf + 3));
    }
    let json = format!(
        "{{\"snapshot\":{{\"meta\":{{\"node_fields\":[\"type\",\"name\",\"id\",\"self_size\",\"edge_count\"],\
         \"node_types\":[[\"hidden\",\"array\",\"string\",\"object\",\"code\",\"closure\",\"regexp\",\"number\",\"native\",\"synthetic\"],\"string\",\"number\",\"number\",\"number\"],\
         \"edge_fields\":[\"type\",\"name_or_index\",\"to_node\"],\
         \"edge_types\":[[\"context\",\"element\",\"property\",\"internal\",\"hidden\",\"shortcut\",\"weak\"],\"string_or_number\",\"node\"]}},\
         \"node_count\":{},\"edge_count\":{}}},\"nodes\":[{nodes}],\"edges\":[{}],\
         \"strings\":[\"\",\"list\",\"Link\",\"next\",\"Leaf\"]}}",
        1 + 2 * COUNT,
        edges.len(),
        edges.join(",")
    );
    // WHEN it is worked out
    let graph = crate::heap::sketch::read(json.as_bytes()).unwrap();
    let analysis = Analysis::of(graph, Rules::default(), 1, &Control::new()).unwrap();
    // THEN each leaf hangs from the root, and each link retains the rest of the list only
    assert_eq!(analysis.retained.dominator[1 + COUNT], 0);
    assert_eq!(analysis.retained.dominator[2 * COUNT], 0);
    assert_eq!(analysis.retained.bytes[1], 16 * COUNT as u64);
    assert_eq!(analysis.retained.bytes[COUNT], 16);
    assert_eq!(analysis.retained.bytes[0], (16 + 24) * COUNT as u64);
}
