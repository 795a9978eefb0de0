//! Any graph: bytes become nodes and edges of a well-formed snapshot, and what is worked out must agree with the
//! definitions (checked by brute force while the graph is small).

#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use offheap::heap::{read, report, Control, Input, ReportOptions, Rules};

const TYPES: usize = 10;
const EDGE_TYPES: usize = 7;
const WEAK: usize = 6;

fuzz_target!(|bytes: &[u8]| {
    let Some((&count, rest)) = bytes.split_first() else {
        return;
    };
    let count = 1 + usize::from(count) % 24;
    let (kinds, edges) = rest.split_at(rest.len().min(count - 1));
    let mut nodes = vec![(9usize, 0usize)];
    nodes.extend(kinds.iter().map(|&byte| (usize::from(byte) % TYPES, usize::from(byte) / TYPES % 6)));
    let count = nodes.len();
    let edges: Vec<(usize, usize, usize, usize)> = edges
        .chunks_exact(3)
        .map(|edge| {
            let kind = usize::from(edge[0]) % EDGE_TYPES;
            (usize::from(edge[1]) % count, kind, usize::from(edge[0]) / EDGE_TYPES % 6, usize::from(edge[2]) % count)
        })
        .collect();

    let mut node_text = Vec::new();
    let mut edge_text = Vec::new();
    for (ordinal, (kind, name)) in nodes.iter().enumerate() {
        let own: Vec<_> = edges.iter().filter(|edge| edge.0 == ordinal).collect();
        node_text.push(format!("{kind},{name},{},{},{}", 2 * ordinal + 1, 1u64 << ordinal, own.len()));
        edge_text.extend(own.iter().map(|(_, kind, name, to)| format!("{kind},{name},{}", to * 5)));
    }
    let json = format!(
        "{{\"snapshot\":{{\"meta\":{{\"node_fields\":[\"type\",\"name\",\"id\",\"self_size\",\"edge_count\"],\
         \"node_types\":[[\"hidden\",\"array\",\"string\",\"object\",\"code\",\"closure\",\"regexp\",\"number\",\"native\",\"synthetic\"],\
         \"string\",\"number\",\"number\",\"number\"],\"edge_fields\":[\"type\",\"name_or_index\",\"to_node\"],\
         \"edge_types\":[[\"context\",\"element\",\"property\",\"internal\",\"hidden\",\"shortcut\",\"weak\"],\"string_or_number\",\"node\"]}},\
         \"node_count\":{count},\"edge_count\":{}}},\"nodes\":[{}],\"edges\":[{}],\
         \"strings\":[\"\",\"Map\",\"table\",\"1 / part of key (a @3) -> value (b @5) pair in WeakMap (table @7)\",\"_events\",\"(Document DOM trees)\"]}}",
        edge_text.len(),
        node_text.join(","),
        edge_text.join(",")
    );
    let control = Control::new();
    let input = Input::stream(Box::new(Cursor::new(json.into_bytes())), "fuzz").expect("memory can be read");
    let rules = Rules { user_roots: false, ephemerons: false, attribute: false };
    let analysis = read(input, rules, 1, &control).expect("the snapshot is well formed");
    let table = analysis.table();

    let keeps = |from: usize, kind: usize, to: usize| {
        from != to && kind != WEAK && (kind != 5 || from == 0)
    };
    let mut out = vec![Vec::new(); count];
    let mut kept = vec![false; count];
    for &(from, kind, _, to) in &edges {
        if keeps(from, kind, to) {
            out[from].push(to);
            kept[to] = true;
        }
    }
    let reach = |out: &[Vec<usize>], without: usize| {
        let mut reached = vec![false; count];
        let mut pending = vec![0];
        while let Some(node) = pending.pop() {
            if node != without && !reached[node] {
                reached[node] = true;
                pending.extend(&out[node]);
            }
        }
        reached
    };
    let reached = reach(&out, usize::MAX);
    for node in 1..count {
        if !reached[node] && !kept[node] {
            out[0].push(node);
        }
    }
    let reached = reach(&out, usize::MAX);
    for node in 1..count {
        if !reached[node] {
            out[node].clear();
            out[0].push(node);
        }
    }
    for node in 0..count {
        let lost = reach(&out, node);
        let retained: u64 = (0..count).filter(|&other| !lost[other]).map(|other| 1u64 << other).sum();
        assert_eq!(table[node][2], retained as f64, "retained size of node {node}");
    }
    report(&analysis, &ReportOptions { retainers: 2, ..ReportOptions::default() }, 1, &control).expect("no id was asked for");
});
