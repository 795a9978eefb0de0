//! What is said of one snapshot: totals, classes, largest objects, the dominator tree; the other tables have files of
//! their own.
//!
//! Knows: which tables there are, and their order. Out of scope: how JSON becomes text.
//! Limitations: those of each table are in its file.

#![forbid(unsafe_code)]

mod backing_stores;
mod closures;
pub(crate) mod holders;
mod plain_objects;
mod strings;
mod suspects;

use crate::base::error::{Code, Failure};
use crate::base::sum::Sum;
use crate::heap::control::{Control, Phase, Ticker};
use crate::heap::graph::classes::class_name;
use crate::heap::graph::kinds::{EdgeKind, NodeKind};
use crate::heap::graph::{Ordinal, NONE};
use crate::heap::json::JsonWriter;
use crate::heap::paths::Detail;
use crate::heap::report::closures::Closures;
use crate::heap::report::plain_objects::Shapes;
use crate::heap::solve::Analysis;
use crate::heap::subject::{
    edge_text, ClassSums, Largest, ReportOptions, Subject, BACKING_STORE, PATH_LIMIT,
};
use crate::heap::two_threads::both;

/// Writes the report of one snapshot as JSON, on up to `threads` threads (1: this one only; 2 is the most that is used).
///
/// # Errors
///
/// `ERR_OFFHEAP_SNAPSHOT_OBJECT_NOT_FOUND` for an id that no object has, `ERR_OFFHEAP_ABORTED`.
pub fn report(
    analysis: &Analysis,
    options: &ReportOptions,
    threads: usize,
    control: &Control,
) -> Result<String, Failure> {
    control.report(Phase::Report, 0, 6)?;
    let graph = &analysis.graph;
    let object = match options.id {
        None => None,
        Some(id) => Some(graph.ordinal_of(id).ok_or_else(|| {
            Failure::new(
                Code::SnapshotObjectNotFound,
                format!("The snapshot has no object with id {id}"),
            )
        })?),
    };
    let subject = Subject::new(analysis, options, control);
    let mut json = JsonWriter::default();
    let mut result = Ok(());
    json.object(|json| {
        let (tables, lines) = both(
            threads,
            "offheap-report",
            || subject.write(json, object),
            || {
                // The tables need the places soon, and the suspects do too.
                subject.places();
                suspects::lines(&subject)
            },
        );
        result = tables
            .and(lines)
            .map(|lines| suspects::write(&subject, lines, json));
    });
    result?;
    control.report(Phase::Report, 6, 6)?;
    Ok(json.finish())
}

impl Subject<'_> {
    fn write(&self, json: &mut JsonWriter, object: Option<Ordinal>) -> Result<(), Failure> {
        let graph = self.graph();
        json.key("snapshotBytes").number(graph.snapshot_bytes);
        json.key("nodeCount").number(graph.node_count() as u64);
        json.key("edgeCount").number(graph.edge_count() as u64);
        json.key("stringCount").number(graph.strings.len() as u64);
        self.totals(json);
        if let Some(node) = object {
            json.key("object");
            self.object(json, node)?;
        } else {
            json.key("object").null();
        }
        self.control.report(Phase::Report, 1, 6)?;
        self.class_table(json)?;
        self.control.report(Phase::Report, 2, 6)?;
        self.largest(json);
        self.dominator_tree(json);
        self.control.report(Phase::Report, 3, 6)?;
        backing_stores::write(self, json)?;
        strings::write(self, json)?;
        self.control.report(Phase::Report, 4, 6)?;
        self.closures_and_plain_objects(json)?;
        self.control.report(Phase::Report, 5, 6)
    }

    fn closures_and_plain_objects(&self, json: &mut JsonWriter) -> Result<(), Failure> {
        let graph = self.graph();
        // No object is in both tables, so that one walk over the dominator tree finds what all rows retain.
        let mut group_of = vec![NONE; graph.node_count()];
        let closures = Closures::find(self, &mut group_of);
        let count = closures.len();
        let shapes = Shapes::find(self, count, &mut group_of)?;
        let retained = self.dominated.group_bytes(
            graph.root,
            count + shapes.len(),
            &self.analysis.retained.bytes,
            |node| Some(group_of[node as usize]).filter(|&group| group != NONE),
            self.control,
        )?;
        closures.write(self, &retained[..count], json);
        shapes.write(self, &retained[count..], json);
        Ok(())
    }

    fn totals(&self, json: &mut JsonWriter) {
        let graph = self.graph();
        // What V8 wrote, not what is attributed: the sum must be the snapshot's.
        let types: Vec<Sum> = graph
            .type_sums
            .iter()
            .map(|&(count, bytes)| Sum { count, bytes })
            .collect();
        let mut detached = Sum::default();
        let mut array_buffers = Sum::default();
        if let Some(store) = graph.strings.find(BACKING_STORE) {
            for node in graph.nodes() {
                if graph.name(node) == store && graph.kind(node) == NodeKind::Native {
                    array_buffers.add(self.analysis.sizes.get(node));
                }
            }
        }
        for &node in &graph.detached {
            detached.add(self.retained(node));
        }
        let total: u64 = types.iter().map(|sum| sum.bytes).sum();
        json.key("totals").object(|json| {
            json.key("shallowBytes").number(total);
            json.key("backingStoreBytes").number(array_buffers.bytes);
            json.key("extraNativeBytes")
                .number(graph.extra_native_bytes);
            json.key("detachedCount").number(detached.count);
            let mut rows: Vec<usize> = (0..types.len()).collect();
            rows.retain(|&row| types[row].count > 0);
            rows.sort_by_key(|&row| std::cmp::Reverse(types[row].bytes));
            json.key("types").list(rows, |json, row| {
                json.object(|json| {
                    json.key("type").text(&graph.node_type_names[row]);
                    json.key("count").number(types[row].count);
                    json.key("shallowBytes").number(types[row].bytes);
                });
            });
        });
    }

    fn class_table(&self, json: &mut JsonWriter) -> Result<(), Failure> {
        let sizes = &self.analysis.sizes;
        let classes = &self.classes;
        let ClassSums {
            shallow,
            nearest,
            retained,
        } = self.class_sums()?;
        let mut rows: Vec<u32> = (0..classes.len() as u32)
            .filter(|&class| {
                shallow[class as usize].count > 0 && self.options.wants(classes.name(class))
            })
            .collect();
        rows.sort_by(|&a, &b| {
            retained[b as usize]
                .cmp(&retained[a as usize])
                .then_with(|| classes.name(a).cmp(classes.name(b)))
        });
        json.key("classCount").number(rows.len() as u64);
        rows.truncate(self.options.top);
        let places = match self.options.retainers {
            0 => &[],
            _ => self.places(),
        };
        let place = |node: Ordinal| places[node as usize];
        let wanted = |node| sizes.get(node) > 0;
        let paths = self.grouped_paths(&rows, place, wanted)?;
        let examples = paths.values().flatten().map(|group| group.example);
        let texts = self.shared_paths(examples, place, wanted)?;
        json.key("classes").list(rows, |json, class| {
            json.object(|json| {
                let sum = shallow[class as usize];
                json.key("name").text(classes.name(class));
                json.key("count").number(sum.count);
                json.key("shallowBytes").number(sum.bytes);
                json.key("retainedBytes").number(retained[class as usize]);
                let distance = nearest[class as usize];
                json.key("distance").optional(
                    (distance < crate::heap::solve::distances::SYSTEM).then_some(distance),
                );
                json.key("paths");
                self.write_groups(json, paths.get(&class).map_or(&[], Vec::as_slice), &texts);
            });
        });
        Ok(())
    }

    /// The objects that retain most, of the kinds that a program knows.
    fn largest(&self, json: &mut JsonWriter) {
        let graph = self.graph();
        let visible = |node: Ordinal| {
            !matches!(
                graph.kind(node),
                NodeKind::Synthetic
                    | NodeKind::Hidden
                    | NodeKind::Array
                    | NodeKind::Code
                    | NodeKind::ObjectShape
            ) && self.options.wants(&class_name(graph, node))
        };
        let mut best = Largest::new(self.options.top);
        for node in graph.nodes() {
            let bytes = self.retained(node);
            if best.would_take(bytes) && node != graph.root && visible(node) {
                best.offer(bytes, node);
            }
        }
        json.key("largest").list(best.into_sorted(), |json, node| {
            json.object(|json| {
                self.identity(json, node);
                self.write_path(json, node);
            });
        });
    }

    /// The top of the dominator tree: four levels, five children each, nothing below a hundredth of the heap.
    fn dominator_tree(&self, json: &mut JsonWriter) {
        let root = self.graph().root;
        let least = self.retained(root) / 100;
        json.key("dominators");
        self.dominator_level(json, root, least.max(1), 4);
    }

    fn dominator_level(&self, json: &mut JsonWriter, node: Ordinal, least: u64, depth: usize) {
        let mut best = Largest::new(5);
        if depth > 0 {
            for &child in self.dominated.by(node) {
                if self.retained(child) >= least {
                    best.offer(self.retained(child), child);
                }
            }
        }
        json.list(best.into_sorted(), |json, child| {
            json.object(|json| {
                self.identity(json, child);
                json.key("dominatedCount")
                    .number(self.dominated.by(child).len() as u64);
                json.key("children");
                self.dominator_level(json, child, least, depth - 1);
            });
        });
    }

    fn object(&self, json: &mut JsonWriter, node: Ordinal) -> Result<(), Failure> {
        let graph = self.graph();
        // One pass over all edges: cheaper than keeping every node's retainers for the few that are asked for.
        let mut retainers = Vec::new();
        let mut ticker = Ticker::new(self.control);
        for from in graph.nodes() {
            ticker.tick()?;
            for edge in graph.edges(from) {
                if graph.to(edge) == node {
                    retainers.push((from, edge));
                }
            }
        }
        retainers.sort_by_key(|&(from, edge)| {
            (
                graph.edge_kind(edge) == EdgeKind::Weak,
                self.analysis.distances.raw(from),
                edge,
            )
        });
        let mut dominators = Vec::new();
        let mut above = self.analysis.retained.dominator[node as usize];
        while above != graph.root && dominators.len() < PATH_LIMIT {
            dominators.push(above);
            above = self.analysis.retained.dominator[above as usize];
        }
        json.object(|json| {
            self.identity(json, node);
            self.write_path(json, node);
            json.key("retainerCount").number(retainers.len() as u64);
            retainers.truncate(self.options.top);
            json.key("retainers").list(retainers, |json, (from, edge)| {
                json.object(|json| {
                    json.key("edgeType").text(graph.edge_kind(edge).name());
                    json.key("edge").text(&edge_text(graph, edge));
                    self.identity(json, from);
                    json.key("path");
                    match self.analysis.distances.is_reached(from) && from != graph.root {
                        true => json.text(&self.path(from, Detail::Exact)),
                        false => json.null(),
                    }
                });
            });
            json.key("dominators").list(dominators, |json, node| {
                json.object(|json| self.identity(json, node));
            });
        });
        Ok(())
    }
}
