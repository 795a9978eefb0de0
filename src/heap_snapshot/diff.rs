//! Two snapshots side by side: what came, what went, and what holds on to what came.
//!
//! Knows: objects by V8's id, which the process keeps for an object as long as snapshots have been taken in it.
//! Must never know: when or where the snapshots were taken.
//! Cannot see: objects that came and went in between. Where the ids of the two files do not correspond (two
//! forked children without an earlier snapshot in the parent, two processes) it says so and compares by class
//! and path only.

#![forbid(unsafe_code)]

use rustc_hash::FxHashMap;

use super::analysis::{Analysis, Input};
use super::control::{Control, Ticker};
use super::essential::Rules;
use super::graph::{Graph, Ordinal};
use super::json::JsonWriter;
use super::meta::NodeKind;
use super::paths::fingerprint;
use super::report::{PathGroup, ReportOptions, Tally, View};
use crate::error::Failure;

/// Ids are compared in this many parts, by size: children of one fork agree on what an earlier snapshot numbered
/// and disagree on the rest.
const PARTS: usize = 16;
/// Fewer common strings than this prove nothing.
const ENOUGH: u64 = 20;

/// What is kept of the first snapshot while the second is read.
struct Before {
    /// Sorted by id.
    objects: Vec<Object>,
    classes: FxHashMap<String, u32>,
    tallies: Vec<Tally>,
    retained: Vec<u64>,
    paths: FxHashMap<(u32, u64), u64>,
    node_count: u64,
    bytes: u64,
}

#[derive(Clone, Copy)]
struct Object {
    id: u32,
    class: u32,
    bytes: u64,
    /// Of a string: what it says. V8 never changes that, so it shows whether an id means the same object.
    text: Option<u32>,
}

fn text_of(graph: &Graph, node: Ordinal) -> Option<u32> {
    if graph.kind(node) != NodeKind::String {
        return None;
    }
    let name = graph.name(node);
    // The kept bytes may be cut at different lengths; the beginning and the length are the same in both.
    let bytes = graph.strings.bytes(name);
    let beginning = &bytes[..bytes.len().min(64)];
    Some((fingerprint(beginning) >> 32) as u32 ^ graph.strings.length(name) as u32)
}

impl Before {
    fn of(
        analysis: &Analysis,
        options: &ReportOptions,
        control: &Control,
    ) -> Result<Before, Failure> {
        let view = View::new(analysis, options, control);
        let graph = &analysis.graph;
        let sums = view.class_sums()?;
        let mut objects = Vec::new();
        let mut bytes = 0u64;
        let mut ticker = Ticker::new(control);
        for node in graph.nodes() {
            ticker.tick()?;
            let size = analysis.sizes.get(node);
            bytes = bytes.saturating_add(size);
            if size > 0 {
                objects.push(Object {
                    id: graph.id(node),
                    class: view.classes.of(graph, node),
                    bytes: size,
                    text: text_of(graph, node),
                });
            }
        }
        objects.sort_unstable_by_key(|object| object.id);
        let mut paths = FxHashMap::default();
        if options.retainers > 0 {
            let signatures = view.signatures();
            for node in graph.nodes() {
                ticker.tick()?;
                if analysis.sizes.get(node) > 0 && analysis.distances.is_reached(node) {
                    let key = (view.classes.of(graph, node), signatures[node as usize]);
                    *paths.entry(key).or_insert(0u64) += 1;
                }
            }
        }
        Ok(Before {
            objects,
            classes: (0..view.classes.len() as u32)
                .map(|class| (view.classes.name(class).to_owned(), class))
                .collect(),
            tallies: sums.tallies,
            retained: sums.retained,
            paths,
            node_count: graph.node_count() as u64,
            bytes,
        })
    }
}

/// Agreement of the ids, part by part.
#[derive(Default, Clone, Copy)]
struct Agreement {
    same: u64,
    different: u64,
}

/// One class in both snapshots.
#[derive(Default, Clone)]
struct Row {
    name: String,
    before: Tally,
    after: Tally,
    retained_before: u64,
    retained_after: u64,
    came: Tally,
    went: Tally,
    /// The class in the second snapshot.
    class: Option<u32>,
}

impl Row {
    fn growth(&self) -> i128 {
        i128::from(self.retained_after) - i128::from(self.retained_before)
    }
}

/// Compares two snapshots and writes the result as JSON.
///
/// The first is read, summed up and let go before the second is read.
///
/// # Errors
///
/// Any `ERR_OFFHEAP_SNAPSHOT_…` of either file, `ERR_OFFHEAP_ABORTED`.
pub fn compare(
    before: Input,
    after: Input,
    options: &ReportOptions,
    threads: usize,
    control: &Control,
) -> Result<String, Failure> {
    let rules = Rules::default();
    let first = {
        let analysis = Analysis::read(before, rules, threads, control)?;
        Before::of(&analysis, options, control)?
    };
    let analysis = Analysis::read(after, rules, threads, control)?;
    let view = View::new(&analysis, options, control);
    let graph = &analysis.graph;
    let sums = view.class_sums()?;

    let class_count = view.classes.len();
    let mut row_of_before = vec![0; first.tallies.len()];
    let mut rows: Vec<Row> = (0..class_count as u32)
        .map(|class| Row {
            name: view.classes.name(class).to_owned(),
            after: sums.tallies[class as usize],
            retained_after: sums.retained[class as usize],
            class: Some(class),
            ..Row::default()
        })
        .collect();
    let known: FxHashMap<String, usize> = rows
        .iter()
        .enumerate()
        .map(|(row, content)| (content.name.clone(), row))
        .collect();
    for (name, &class) in &first.classes {
        let row = *known.get(name).unwrap_or(&rows.len());
        if row == rows.len() {
            rows.push(Row {
                name: name.clone(),
                ..Row::default()
            });
        }
        row_of_before[class as usize] = row;
        rows[row].before = first.tallies[class as usize];
        rows[row].retained_before = first.retained[class as usize];
    }

    // Both sides sorted by id: one pass.
    let mut ordinals: Vec<Ordinal> = graph
        .nodes()
        .filter(|&node| analysis.sizes.get(node) > 0)
        .collect();
    ordinals.sort_unstable_by_key(|&node| (graph.id(node), node));
    let mut new = super::graph::Bits::new(graph.node_count());
    let mut parts = [Agreement::default(); PARTS];
    let mut common = 0u64;
    let mut at = 0;
    let mut ticker = Ticker::new(control);
    for (position, &node) in ordinals.iter().enumerate() {
        ticker.tick()?;
        let id = graph.id(node);
        while at < first.objects.len() && first.objects[at].id < id {
            went(&mut rows, &row_of_before, first.objects[at]);
            at += 1;
        }
        let class = view.classes.of(graph, node) as usize;
        let size = analysis.sizes.get(node);
        match first.objects.get(at).filter(|object| object.id == id) {
            Some(&object) => {
                at += 1;
                common += 1;
                let part = &mut parts[position * PARTS / ordinals.len().max(1)];
                let same_class = row_of_before[object.class as usize] == class;
                if let (Some(a), Some(b)) = (object.text, text_of(graph, node)) {
                    if a == b {
                        part.same += 1;
                    } else {
                        part.different += 1;
                    }
                } else if !same_class {
                    part.different += 1;
                }
                if !same_class {
                    went(&mut rows, &row_of_before, object);
                    rows[class].came.add(size);
                    new.set(node);
                }
            }
            None => {
                rows[class].came.add(size);
                new.set(node);
            }
        }
    }
    for &object in &first.objects[at..] {
        went(&mut rows, &row_of_before, object);
    }
    let reason = disagreement(
        &parts,
        common,
        first.objects.len().min(ordinals.len()) as u64,
    );

    rows.retain(|row| {
        let changed = row.before != row.after
            || row.growth() != 0
            || reason.is_none() && (row.came.count > 0 || row.went.count > 0);
        changed && options.wants(&row.name)
    });
    rows.sort_by(|a, b| {
        b.growth()
            .cmp(&a.growth())
            .then_with(|| b.came.bytes.cmp(&a.came.bytes))
            .then_with(|| a.name.cmp(&b.name))
    });
    let row_count = rows.len();
    rows.truncate(options.top);
    let listed: Vec<u32> = rows.iter().filter_map(|row| row.class).collect();
    let mut paths = if reason.is_none() {
        view.grouped_paths(&listed, |node| {
            new.get(node) && analysis.sizes.get(node) > 0
        })?
    } else {
        grown_paths(&view, &listed, &first)?
    };

    let after_bytes: u64 = graph.nodes().map(|node| analysis.sizes.get(node)).sum();
    let mut json = JsonWriter::default();
    json.object(|json| {
        json.key("before").object(|json| {
            json.key("nodeCount").number(first.node_count);
            json.key("shallowBytes").number(first.bytes);
        });
        json.key("after").object(|json| {
            json.key("nodeCount").number(graph.node_count() as u64);
            json.key("shallowBytes").number(after_bytes);
        });
        json.key("matchedById").boolean(reason.is_none());
        match &reason {
            Some(reason) => json.key("matchReason").text(reason),
            None => json.key("matchReason").null(),
        }
        json.key("classCount").number(row_count as u64);
        json.key("classes").list(&rows, |json, row| {
            json.object(|json| {
                json.key("name").text(&row.name);
                let tally = |json: &mut JsonWriter, count: &str, bytes: &str, tally: Tally| {
                    if reason.is_none() {
                        json.key(count).number(tally.count);
                        json.key(bytes).number(tally.bytes);
                    } else {
                        json.key(count).null();
                        json.key(bytes).null();
                    }
                };
                tally(json, "newCount", "newBytes", row.came);
                tally(json, "deletedCount", "deletedBytes", row.went);
                json.key("countBefore").number(row.before.count);
                json.key("countAfter").number(row.after.count);
                json.key("countDelta")
                    .number(i128::from(row.after.count) - i128::from(row.before.count));
                json.key("shallowBytesDelta")
                    .number(i128::from(row.after.bytes) - i128::from(row.before.bytes));
                json.key("retainedBytesBefore").number(row.retained_before);
                json.key("retainedBytesAfter").number(row.retained_after);
                json.key("retainedBytesDelta").number(row.growth());
                json.key("paths");
                let groups = row.class.and_then(|class| paths.remove(&class));
                view.write_groups(json, groups.unwrap_or_default());
            });
        });
    });
    Ok(json.finish())
}

fn went(rows: &mut [Row], row_of_before: &[usize], object: Object) {
    rows[row_of_before[object.class as usize]]
        .went
        .add(object.bytes);
}

/// Why the ids of two snapshots do not mean the same objects; `None` if they do.
fn disagreement(parts: &[Agreement], common: u64, possible: u64) -> Option<String> {
    if common * 5 < possible {
        return Some(format!(
            "only {common} of {possible} ids are in both snapshots: they are not of the same process"
        ));
    }
    for part in parts {
        let all = part.same + part.different;
        if all >= ENOUGH && part.different * 10 > all {
            return Some(format!(
                "{} of {all} objects with equal ids are not the same: the snapshots were numbered independently",
                part.different
            ));
        }
    }
    None
}

/// Paths by how many more objects they hold than before, for snapshots without common ids.
fn grown_paths(
    view: &View,
    listed: &[u32],
    first: &Before,
) -> Result<FxHashMap<u32, Vec<PathGroup>>, Failure> {
    let graph = view.graph();
    let mut grown: FxHashMap<u32, Vec<PathGroup>> = FxHashMap::default();
    if view.options.retainers == 0 {
        return Ok(grown);
    }
    let signatures = view.signatures();
    let wanted: rustc_hash::FxHashSet<u32> = listed.iter().copied().collect();
    let mut groups: FxHashMap<(u32, u64), PathGroup> = FxHashMap::default();
    let mut ticker = Ticker::new(view.control);
    for node in graph.nodes() {
        ticker.tick()?;
        let class = view.classes.of(graph, node);
        let size = view.analysis.sizes.get(node);
        if size == 0 || !wanted.contains(&class) || !view.analysis.distances.is_reached(node) {
            continue;
        }
        groups
            .entry((class, signatures[node as usize]))
            .or_insert(PathGroup {
                tally: Tally::default(),
                example: node,
            })
            .tally
            .add(size);
    }
    for ((class, signature), mut group) in groups {
        let before = first
            .classes
            .get(view.classes.name(class))
            .and_then(|&class| first.paths.get(&(class, signature)))
            .copied()
            .unwrap_or(0);
        if group.tally.count <= before {
            continue;
        }
        let more = group.tally.count - before;
        // Sizes follow in proportion: which of the objects are new is not known.
        group.tally.bytes = (u128::from(group.tally.bytes) * u128::from(more)
            / u128::from(group.tally.count)) as u64;
        group.tally.count = more;
        grown.entry(class).or_default().push(group);
    }
    for groups in grown.values_mut() {
        groups.sort_by_key(|group| {
            (
                std::cmp::Reverse(group.tally.count),
                graph.id(group.example),
            )
        });
        groups.truncate(view.options.retainers);
    }
    Ok(grown)
}
