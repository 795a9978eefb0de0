//! The subject of a report or comparison: an analysis with its classes and places, what is wanted of it, and the pieces that tables share.
//!
//! Knows: an [`Analysis`], and how many rows are wanted. Out of scope: which tables there are, and how JSON becomes text.
//! Limitations: tables are cut after `top` rows; each says how many rows there were.

#![forbid(unsafe_code)]

use std::sync::OnceLock;

use rustc_hash::FxHashMap;

use crate::base::error::Failure;
use crate::base::sum::Sum;
use crate::heap::control::{Control, Ticker};
use crate::heap::graph::classes::{class_name, Classes};
use crate::heap::graph::kinds::{EdgeKind, NodeKind};
use crate::heap::graph::{Graph, Ordinal, NONE};
use crate::heap::json::JsonWriter;
use crate::heap::paths::keys;
use crate::heap::paths::places::{unite, Places};
use crate::heap::paths::steps::{count, steps, Step};
use crate::heap::paths::{describe, describe_shared, describe_step, position, Detail};
use crate::heap::solve::retained::Dominated;
use crate::heap::solve::Analysis;

/// Steps that a path in words says at most.
pub(crate) const PATH_LIMIT: usize = 24;
/// How many groups are kept apart: more help nobody and would cost memory.
pub(crate) const MAX_GROUPS: usize = 1 << 18;
/// Objects of a group whose keys are looked at.
const MAX_MEMBERS: usize = 256;
/// Longest text of a string that a report shows, in characters.
const TEXT_LIMIT: usize = 100;

/// What a report shows.
#[derive(Debug, Clone)]
pub struct ReportOptions {
    /// Rows per table.
    pub top: usize,
    /// Retaining paths per class; 0 leaves them out.
    pub retainers: usize,
    /// Only classes and objects whose class contains this, in any case of letters.
    pub filter: Option<String>,
    /// The id of an object to show in full.
    pub id: Option<u32>,
}

impl Default for ReportOptions {
    fn default() -> Self {
        ReportOptions {
            top: 20,
            retainers: 1,
            filter: None,
            id: None,
        }
    }
}

impl ReportOptions {
    pub(crate) fn wants(&self, class: &str) -> bool {
        match &self.filter {
            Some(filter) => class.to_lowercase().contains(&filter.to_lowercase()),
            None => true,
        }
    }
}

/// What there is of each class, by class.
pub(crate) struct ClassSums {
    /// How many objects, and their own bytes.
    pub(crate) shallow: Vec<Sum>,
    pub(crate) nearest: Vec<u32>,
    pub(crate) retained: Vec<u64>,
}

/// A grouped retaining path: how many objects, how many bytes, and one of them.
pub(crate) struct PathGroup {
    pub(crate) sum: Sum,
    /// What the objects retain together.
    pub(crate) retained: u64,
    pub(crate) example: Ordinal,
}

pub(crate) struct Subject<'a> {
    pub(crate) analysis: &'a Analysis,
    pub(crate) options: &'a ReportOptions,
    pub(crate) control: &'a Control,
    pub(crate) classes: Classes,
    pub(crate) dominated: Dominated,
    places: OnceLock<PlacesOfNodes>,
}

/// The place of each node, and which places are chains.
struct PlacesOfNodes {
    of: Vec<u32>,
    chains: Vec<bool>,
}
impl<'a> Subject<'a> {
    pub(crate) fn new(
        analysis: &'a Analysis,
        options: &'a ReportOptions,
        control: &'a Control,
    ) -> Subject<'a> {
        Subject {
            analysis,
            options,
            control,
            classes: Classes::find(&analysis.graph),
            dominated: Dominated::build(&analysis.graph, &analysis.retained.dominator),
            places: OnceLock::new(),
        }
    }

    pub(crate) fn graph(&self) -> &Graph {
        &self.analysis.graph
    }

    pub(crate) fn retained(&self, node: Ordinal) -> u64 {
        self.analysis.retained.bytes[node as usize]
    }

    pub(crate) fn path(&self, node: Ordinal, detail: Detail) -> String {
        let steps = steps(self.graph(), &self.analysis.distances, node);
        describe(self.graph(), &steps, detail, PATH_LIMIT)
    }

    /// The place of each node; made once, if it is needed.
    pub(crate) fn places(&self) -> &[u32] {
        &self.find_places().of
    }

    /// Whether a node is in a place whose objects hold each other.
    pub(crate) fn is_in_chain(&self, node: Ordinal) -> bool {
        let PlacesOfNodes { of, chains } = self.find_places();
        let place = of[node as usize];
        place != NONE && chains[place as usize]
    }

    fn find_places(&self) -> &PlacesOfNodes {
        self.places.get_or_init(|| {
            let Places { list, of } =
                Places::find(self.graph(), &self.analysis.distances, &self.classes);
            let united = unite([&list, &[]]);
            PlacesOfNodes {
                of: of.into_iter().map(|place| united.map(0, place)).collect(),
                chains: united.chains,
            }
        })
    }

    /// Id, class, name, sizes and distance of a node: the beginning of every row about an object.
    pub(crate) fn identity(&self, json: &mut JsonWriter, node: Ordinal) {
        let graph = self.graph();
        json.key("id").number(graph.id(node));
        json.key("className").text(&class_name(graph, node));
        json.key("name").text(&cut(&graph.name_text(node)));
        json.key("type")
            .text(&graph.node_type_names[graph.node_type[node as usize] as usize]);
        json.key("shallowBytes")
            .number(self.analysis.sizes.get(node));
        json.key("retainedBytes").number(self.retained(node));
        json.key("distance")
            .optional(self.analysis.distances.get(node));
    }

    /// A path in words and step by step: three keys of the object that is being written.
    pub(crate) fn write_path(&self, json: &mut JsonWriter, node: Ordinal) {
        let graph = self.graph();
        let steps = steps(graph, &self.analysis.distances, node);
        let path = json.key("path");
        if steps.is_empty() {
            path.null();
        } else {
            path.text(&describe(graph, &steps, Detail::Exact, PATH_LIMIT));
        }
        let shown = if steps.len() > 2 * PATH_LIMIT {
            [&steps[..PATH_LIMIT], &steps[steps.len() - PATH_LIMIT..]].concat()
        } else {
            steps.clone()
        };
        json.key("pathStepCount").number(count(&steps) as u64);
        json.key("pathSteps").list(shown, |json, step| {
            json.object(|json| self.write_step(json, step));
        });
    }

    fn write_step(&self, json: &mut JsonWriter, step: Step) {
        let graph = self.graph();
        let kind = graph.edge_kind(step.edge);
        json.key("edgeType").text(kind.name());
        json.key("edge").text(&edge_text(graph, step.edge));
        json.key("id").number(graph.id(step.node));
        json.key("className").text(&class_name(graph, step.node));
        json.key("name").text(&cut(&graph.name_text(step.node)));
    }

    /// Count, sizes and least distance of every class.
    pub(crate) fn class_sums(&self) -> Result<ClassSums, Failure> {
        let graph = self.graph();
        let sizes = &self.analysis.sizes;
        let classes = &self.classes;
        let mut shallow = vec![Sum::default(); classes.len()];
        let mut nearest = vec![NONE; classes.len()];
        let ours = &self.analysis.distances.ours;
        for node in graph.nodes() {
            let bytes = sizes.get(node);
            // As in DevTools: what has no size (any more) is not listed. Nor is what is offheap's own.
            if bytes > 0 && !ours.get(node) {
                let class = classes.of(graph, node) as usize;
                shallow[class].add(bytes);
                nearest[class] = nearest[class].min(self.analysis.distances.raw(node));
            }
        }
        let retained = self.dominated.group_bytes(
            graph.root,
            classes.len(),
            &self.analysis.retained.bytes,
            |node| (sizes.get(node) > 0 && !ours.get(node)).then(|| classes.of(graph, node)),
            self.control,
        )?;
        Ok(ClassSums {
            shallow,
            nearest,
            retained,
        })
    }

    /// The retaining paths of the objects of some classes, those of the most retained bytes first. `place` is where an object is held.
    pub(crate) fn grouped_paths(
        &self,
        rows: &[u32],
        place: impl Fn(Ordinal) -> u32,
        wanted: impl Fn(Ordinal) -> bool,
    ) -> Result<FxHashMap<u32, Vec<PathGroup>>, Failure> {
        let all = self.every_path(rows, place, wanted)?;
        Ok(all
            .into_iter()
            .map(|(class, groups)| (class, self.weightiest(groups)))
            .collect())
    }

    /// All places of the objects of some classes.
    pub(crate) fn every_path(
        &self,
        rows: &[u32],
        place: impl Fn(Ordinal) -> u32,
        wanted: impl Fn(Ordinal) -> bool,
    ) -> Result<FxHashMap<u32, Vec<(u32, PathGroup)>>, Failure> {
        let graph = self.graph();
        let mut by_class: FxHashMap<u32, Vec<(u32, PathGroup)>> = FxHashMap::default();
        if self.options.retainers == 0 || rows.is_empty() {
            return Ok(by_class);
        }
        let mut listed = vec![false; self.classes.len()];
        for &class in rows {
            listed[class as usize] = true;
        }
        let ours = &self.analysis.distances.ours;
        let mut groups: FxHashMap<(u32, u32), PathGroup> = FxHashMap::default();
        let mut ticker = Ticker::new(self.control);
        for node in graph.nodes() {
            ticker.tick()?;
            let class = self.classes.of(graph, node);
            if !listed[class as usize] || !wanted(node) || place(node) == NONE || ours.get(node) {
                continue;
            }
            groups
                .entry((class, place(node)))
                .or_insert(PathGroup {
                    sum: Sum::default(),
                    retained: 0,
                    example: node,
                })
                .sum
                .add(self.analysis.sizes.get(node));
        }
        let place_count = groups.keys().map(|&(_, place)| place as usize + 1).max();
        let retained = self.dominated.group_bytes(
            graph.root,
            place_count.unwrap_or(0),
            &self.analysis.retained.bytes,
            |node| {
                let is_wanted = listed[self.classes.of(graph, node) as usize]
                    && wanted(node)
                    && !ours.get(node);
                is_wanted
                    .then(|| place(node))
                    .filter(|&place| place != NONE)
            },
            self.control,
        )?;
        for ((class, place), mut group) in groups {
            group.retained = retained[place as usize];
            by_class.entry(class).or_default().push((place, group));
        }
        Ok(by_class)
    }

    /// As many of some groups as are wanted, those that retain most first.
    pub(crate) fn weightiest(&self, groups: Vec<(u32, PathGroup)>) -> Vec<PathGroup> {
        let mut groups: Vec<PathGroup> = groups.into_iter().map(|(_, group)| group).collect();
        groups.sort_by_key(|group| {
            (
                std::cmp::Reverse((group.retained, group.sum.count)),
                self.graph().id(group.example),
            )
        });
        groups.truncate(self.options.retainers);
        groups
    }

    /// The path of each of some groups in words, by the example of the group. Its keys show what the keys of all objects have in common
    /// that are in the same place and `wanted`.
    pub(crate) fn shared_paths(
        &self,
        examples: impl IntoIterator<Item = Ordinal>,
        place: impl Fn(Ordinal) -> u32,
        wanted: impl Fn(Ordinal) -> bool,
    ) -> Result<FxHashMap<Ordinal, String>, Failure> {
        let graph = self.graph();
        let distances = &self.analysis.distances;
        let examples: Vec<Ordinal> = examples.into_iter().collect();
        let mut members: FxHashMap<u32, Vec<Ordinal>> = examples
            .iter()
            .map(|&example| (place(example), vec![example]))
            .collect();
        let mut ticker = Ticker::new(self.control);
        for node in graph.nodes().filter(|_| !examples.is_empty()) {
            ticker.tick()?;
            if let Some(members) = members.get_mut(&place(node)) {
                if members.len() < MAX_MEMBERS && wanted(node) {
                    members.push(node);
                }
            }
        }
        Ok(examples
            .into_iter()
            .map(|example| {
                let steps = steps(graph, distances, example);
                let patterns =
                    keys::patterns(graph, distances, &steps, &members[&place(example)], &place);
                let text = describe_shared(graph, &steps, PATH_LIMIT, &patterns, &place);
                (example, text)
            })
            .collect())
    }

    /// The function of the program that a timer calls, as a step of its path: no path leads to whoever has set the timer. Empty for other
    /// objects.
    pub(crate) fn calls(&self, node: Ordinal) -> String {
        let graph = self.graph();
        if !graph.is_named(node, "Timeout") && !graph.is_named(node, "Immediate") {
            return String::new();
        }
        graph
            .edges(node)
            .filter(|&edge| graph.edge_kind(edge) == EdgeKind::Property)
            .find_map(|edge| {
                let function = graph.to(edge);
                let is_function = graph.kind(function) == NodeKind::Closure;
                position(graph, function).filter(|_| is_function)?;
                let step = Step {
                    edge,
                    node: function,
                };
                Some(describe_step(graph, node, step))
            })
            .unwrap_or_default()
    }

    pub(crate) fn write_groups(
        &self,
        json: &mut JsonWriter,
        groups: &[PathGroup],
        texts: &FxHashMap<Ordinal, String>,
    ) {
        json.list(groups, |json, group| {
            json.object(|json| {
                json.key("path")
                    .text(texts.get(&group.example).map_or("", String::as_str));
                json.key("count").number(group.sum.count);
                json.key("shallowBytes").number(group.sum.bytes);
                json.key("retainedBytes").number(group.retained);
                json.key("exampleId").number(self.graph().id(group.example));
            });
        });
    }
}

/// V8's name of the bytes behind an ArrayBuffer.
pub(crate) const BACKING_STORE: &str = "system / JSArrayBufferData";

/// The name or number of an edge as text.
pub(crate) fn edge_text(graph: &Graph, edge: u32) -> String {
    let name = graph.edge_name(edge);
    if graph.edge_kind(edge).has_string_name() {
        cut(&graph.strings.text(name)).into_owned()
    } else {
        name.to_string()
    }
}

/// The beginning of a text.
pub(crate) fn cut(text: &str) -> std::borrow::Cow<'_, str> {
    match text.char_indices().nth(TEXT_LIMIT) {
        None => std::borrow::Cow::Borrowed(text),
        Some((end, _)) => std::borrow::Cow::Owned(format!("{}…", &text[..end])),
    }
}

/// The few largest of many, without sorting all.
pub(crate) struct Largest {
    limit: usize,
    /// The smallest on top of the heap; of equals the later number is the smaller.
    heap: std::collections::BinaryHeap<std::cmp::Reverse<(u64, std::cmp::Reverse<u32>)>>,
}

impl Largest {
    pub(crate) fn new(limit: usize) -> Largest {
        Largest {
            limit,
            heap: std::collections::BinaryHeap::with_capacity(limit.min(4096) + 1),
        }
    }

    pub(crate) fn would_take(&self, size: u64) -> bool {
        self.heap.len() < self.limit
            || self
                .heap
                .peek()
                .is_some_and(|std::cmp::Reverse((least, _))| size > *least)
    }

    pub(crate) fn offer(&mut self, size: u64, item: u32) {
        self.heap
            .push(std::cmp::Reverse((size, std::cmp::Reverse(item))));
        if self.heap.len() > self.limit {
            self.heap.pop();
        }
    }

    /// Largest first.
    pub(crate) fn into_sorted(self) -> Vec<u32> {
        self.heap
            .into_sorted_vec()
            .into_iter()
            .map(|std::cmp::Reverse((_, std::cmp::Reverse(item)))| item)
            .collect()
    }
}
