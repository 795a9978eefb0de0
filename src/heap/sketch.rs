//! Snapshots drawn by hand, for tests: nodes and edges in words, written as V8 would.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "only tests use it, and they fail by panicking"
)]

use std::io::Cursor;

use crate::base::error::Failure;
use crate::heap::control::Control;
use crate::heap::graph::Graph;
use crate::heap::snapshot_file::parse::parse;
use crate::heap::snapshot_file::Input;

const NODE_TYPES: [&str; 15] = [
    "hidden",
    "array",
    "string",
    "object",
    "code",
    "closure",
    "regexp",
    "number",
    "native",
    "synthetic",
    "concatenated string",
    "sliced string",
    "symbol",
    "bigint",
    "object shape",
];
const EDGE_TYPES: [&str; 7] = [
    "context", "element", "property", "internal", "hidden", "shortcut", "weak",
];

/// A snapshot in the making. Node 0 is the root.
#[derive(Clone)]
pub(crate) struct Sketch {
    nodes: Vec<(usize, usize, u64)>,
    edges: Vec<(usize, usize, usize, usize)>,
    strings: Vec<String>,
}

impl Sketch {
    pub(crate) fn new() -> Sketch {
        let mut sketch = Sketch {
            nodes: Vec::new(),
            edges: Vec::new(),
            strings: vec!["<dummy>".to_owned()],
        };
        sketch.node("synthetic", "", 0);
        sketch
    }

    fn string(&mut self, text: &str) -> usize {
        match self.strings.iter().position(|known| known == text) {
            Some(index) => index,
            None => {
                self.strings.push(text.to_owned());
                self.strings.len() - 1
            }
        }
    }

    /// Adds a node; its id is 2 × ordinal + 1.
    pub(crate) fn node(&mut self, kind: &str, name: &str, size: u64) -> usize {
        let kind = NODE_TYPES.iter().position(|&known| known == kind).unwrap();
        let name = self.string(name);
        self.nodes.push((kind, name, size));
        self.nodes.len() - 1
    }

    pub(crate) fn edge(&mut self, from: usize, kind: &str, name: &str, to: usize) {
        let kind_index = EDGE_TYPES.iter().position(|&known| known == kind).unwrap();
        let name = match kind {
            "element" | "hidden" => name.parse().unwrap(),
            _ => self.string(name),
        };
        self.edges.push((from, kind_index, name, to));
    }

    pub(crate) fn json(&self) -> String {
        let mut nodes = Vec::new();
        let mut edges = Vec::new();
        for (ordinal, &(kind, name, size)) in self.nodes.iter().enumerate() {
            let own: Vec<_> = self.edges.iter().filter(|edge| edge.0 == ordinal).collect();
            nodes.push(format!(
                "{kind},{name},{},{size},{},0,0",
                2 * ordinal + 1,
                own.len()
            ));
            for &&(_, kind, name, to) in &own {
                edges.push(format!("{kind},{name},{}", to * 7));
            }
        }
        let names = |types: &[&str]| {
            let quoted: Vec<String> = types.iter().map(|name| format!("\"{name}\"")).collect();
            quoted.join(",")
        };
        let strings: Vec<String> = self
            .strings
            .iter()
            .map(|text| {
                let escaped: String = text
                    .encode_utf16()
                    .map(|unit| match unit {
                        0x20..=0x7e if unit != 0x22 && unit != 0x5c => {
                            char::from(unit as u8).to_string()
                        }
                        _ => format!("\\u{unit:04x}"),
                    })
                    .collect();
                format!("\"{escaped}\"")
            })
            .collect();
        format!(
            "{{\"snapshot\":{{\"meta\":{{\
             \"node_fields\":[\"type\",\"name\",\"id\",\"self_size\",\"edge_count\",\"trace_node_id\",\"detachedness\"],\
             \"node_types\":[[{}],\"string\",\"number\",\"number\",\"number\",\"number\",\"number\"],\
             \"edge_fields\":[\"type\",\"name_or_index\",\"to_node\"],\
             \"edge_types\":[[{}],\"string_or_number\",\"node\"],\
             \"location_fields\":[\"object_index\",\"script_id\",\"line\",\"column\"]}},\
             \"node_count\":{},\"edge_count\":{},\"trace_function_count\":0}},\n\
             \"nodes\":[{}],\n\"edges\":[{}],\n\"trace_function_infos\":[],\n\"trace_tree\":[],\n\
             \"samples\":[],\n\"locations\":[],\n\"strings\":[{}]}}\n",
            names(&NODE_TYPES),
            names(&EDGE_TYPES),
            self.nodes.len(),
            edges.len(),
            nodes.join("\n,"),
            edges.join("\n,"),
            strings.join(",\n")
        )
    }

    pub(crate) fn graph(&self) -> Graph {
        read(self.json().as_bytes()).unwrap()
    }
}

/// Parses bytes.
pub(crate) fn read(bytes: &[u8]) -> Result<Graph, Failure> {
    parse(input(bytes)?.into_source(), 1, &Control::new())
}

pub(crate) fn input(bytes: &[u8]) -> Result<Input, Failure> {
    Input::stream(Box::new(Cursor::new(bytes.to_vec())), "sketch")
}
