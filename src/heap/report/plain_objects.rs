//! Plain objects by the names of their properties, because the class `Object` alone says nothing.
//!
//! Knows: property names. Out of scope: hidden classes, which tell objects apart that look alike.
//! Limitations: properties that hold small integers have no edge, hence no name here; dictionaries are left out.

#![forbid(unsafe_code)]

use rustc_hash::FxHashMap;

use crate::base::error::Failure;
use crate::base::sum::Sum;
use crate::heap::control::Ticker;
use crate::heap::graph::kinds::{EdgeKind, NodeKind};
use crate::heap::graph::Ordinal;
use crate::heap::json::JsonWriter;
use crate::heap::subject::{cut, Largest, Subject, MAX_GROUPS};

/// The shapes of plain objects: what is there of each, and one object.
pub(crate) struct Shapes(Vec<(Sum, Ordinal)>);

impl Shapes {
    /// Notes in `group_of` the row of each object, rows counted from `first`.
    pub(crate) fn find(
        subject: &Subject,
        first: usize,
        group_of: &mut [u32],
    ) -> Result<Shapes, Failure> {
        let graph = subject.graph();
        let mut known: FxHashMap<Vec<u32>, u32> = FxHashMap::default();
        let mut rows: Vec<(Sum, Ordinal)> = Vec::new();
        let mut names = Vec::new();
        let mut ticker = Ticker::new(subject.control);
        let object = graph.strings.find("Object");
        let proto = graph.strings.find("__proto__");
        for node in graph.nodes() {
            ticker.tick()?;
            if graph.kind(node) != NodeKind::Object || Some(graph.name(node)) != object {
                continue;
            }
            names.clear();
            for edge in graph.edges(node) {
                if graph.edge_kind(edge) == EdgeKind::Property
                    && Some(graph.edge_name(edge)) != proto
                {
                    names.push(graph.edge_name(edge));
                }
            }
            // Objects with many properties are dictionaries; each would be a shape of its own.
            if names.is_empty() || names.len() > 32 || known.len() >= MAX_GROUPS {
                continue;
            }
            let shape = match known.get(&names) {
                Some(&shape) => shape,
                None => {
                    rows.push((Sum::default(), node));
                    known.insert(names.clone(), rows.len() as u32 - 1);
                    rows.len() as u32 - 1
                }
            };
            rows[shape as usize].0.add(subject.analysis.sizes.get(node));
            group_of[node as usize] = first as u32 + shape;
        }
        Ok(Shapes(rows))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Writes the table; `retained` is what the objects of each row retain.
    pub(crate) fn write(self, subject: &Subject, retained: &[u64], json: &mut JsonWriter) {
        let Shapes(rows) = self;
        let graph = subject.graph();
        let proto = graph.strings.find("__proto__");
        let mut best = Largest::new(subject.options.top);
        for (row, &bytes) in retained.iter().enumerate() {
            best.offer(bytes, row as u32);
        }
        json.key("plainObjects")
            .list(best.into_sorted(), |json, row| {
                let (sum, example) = rows[row as usize];
                let mut text = String::from("{");
                for edge in graph.edges(example) {
                    if graph.edge_kind(edge) == EdgeKind::Property
                        && Some(graph.edge_name(edge)) != proto
                    {
                        if text.len() > 1 {
                            text.push_str(", ");
                        }
                        text.push_str(&graph.strings.text(graph.edge_name(edge)));
                    }
                }
                text.push('}');
                json.object(|json| {
                    json.key("shape").text(&cut(&text));
                    json.key("count").number(sum.count);
                    json.key("shallowBytes").number(sum.bytes);
                    json.key("retainedBytes").number(retained[row as usize]);
                    json.key("exampleId").number(graph.id(example));
                });
            });
    }
}
