//! Two snapshots side by side: which objects are new, which are deleted, and what holds the new ones.
//!
//! Knows: objects by V8's id, which the process keeps for an object as long as snapshots have been taken in it.
//! Out of scope: when or where the snapshots were taken.
//! Limitations: objects that were made and collected between the two are in neither. Where the ids of the two files do not
//! correspond (two forked children without an earlier snapshot in the parent, two processes), the result says so and compares by
//! class and path only.

#![forbid(unsafe_code)]

mod before;
mod growth;
mod ids;

use rustc_hash::FxHashMap;

use crate::base::error::Failure;
use crate::base::sum::Sum;
use crate::heap::control::{Control, Ticker};
use crate::heap::diff::before::{text_of, Before, Object};
use crate::heap::diff::growth::{Change, Kind, Line};
use crate::heap::diff::ids::{disagreement, Agreement, PARTS};
use crate::heap::graph::{Ordinal, NONE};
use crate::heap::json::JsonWriter;
use crate::heap::paths::places::{unite, Places, United};
use crate::heap::solve::Analysis;
use crate::heap::subject::{PathGroup, ReportOptions, Subject};

/// One class in both snapshots.
#[derive(Default, Clone)]
struct Row {
    name: String,
    before: Sum,
    after: Sum,
    retained_before: u64,
    retained_after: u64,
    came: Sum,
    went: Sum,
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
/// The first graph is made, reduced to rows and dropped before the second is made.
///
/// # Errors
///
/// What `before` and `after` fail with, and `ERR_OFFHEAP_ABORTED`.
pub(crate) fn compare(
    before: impl FnOnce() -> Result<Analysis, Failure>,
    after: impl FnOnce() -> Result<Analysis, Failure>,
    options: &ReportOptions,
    control: &Control,
) -> Result<String, Failure> {
    let first = Before::of(&before()?, options, control)?;
    let analysis = after()?;
    let subject = Subject::new(&analysis, options, control);
    let graph = &analysis.graph;
    let sums = subject.class_sums()?;

    let class_count = subject.classes.len();
    let mut row_of_before = vec![0; first.shallow.len()];
    let mut rows: Vec<Row> = (0..class_count as u32)
        .map(|class| Row {
            name: subject.classes.name(class).to_owned(),
            after: sums.shallow[class as usize],
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
        rows[row].before = first.shallow[class as usize];
        rows[row].retained_before = first.retained[class as usize];
    }

    // Both sides sorted by id: one pass.
    let mut ordinals: Vec<Ordinal> = graph
        .nodes()
        .filter(|&node| analysis.sizes.get(node) > 0)
        .collect();
    ordinals.sort_unstable_by_key(|&node| (graph.id(node), node));
    let sides = Sides {
        first: &first,
        row_of_before: &row_of_before,
        subject: &subject,
        ordinals: &ordinals,
    };
    let (parts, common) = sides.agreement(control)?;
    let disagreement = disagreement(
        &parts,
        common,
        first.objects.len().min(ordinals.len()) as u64,
    );
    let limit = match &disagreement {
        None => u32::MAX,
        Some(found) => sides.last_id_of(found.agreeing_parts),
    };
    let reason = disagreement.map(|found| found.reason);
    let new = sides.count(&mut rows, limit, control)?;
    let places = match options.retainers {
        0 => Places::none(graph),
        _ => Places::find(graph, &analysis.distances, &subject.classes),
    };
    let united = unite([&first.places, &places.list]);
    let changes = sides.changes(&united, &places.of, limit, control)?;
    let row_names: Vec<String> = rows.iter().map(|row| row.name.clone()).collect();

    rows.retain(|row| {
        let changed = row.before != row.after
            || row.growth() != 0
            || row.came.count > 0
            || row.went.count > 0;
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
    let place = |node: Ordinal| united.place(1, &places.of, node);
    let is_listed = |node: Ordinal| analysis.sizes.get(node) > 0;
    let is_new = |node: Ordinal| reason.is_some() || new.get(node);
    let paths = if reason.is_none() {
        subject.grouped_paths(&listed, place, |node| is_new(node) && is_listed(node))?
    } else {
        grown_paths(&subject, &listed, place, &changes)?
    };
    let mut lines = growth::lines(&subject, &united, &changes, &row_names)?;
    let line_count = lines.len();
    lines.truncate(options.top);
    let examples = examples(&subject, place, &lines, |node| {
        is_new(node) && is_listed(node)
    })?;
    let texts = subject.shared_paths(
        paths
            .values()
            .flatten()
            .map(|group| group.example)
            .chain(examples.values().copied()),
        place,
        |node| is_new(node) && is_listed(node),
    )?;

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
                let write = |json: &mut JsonWriter, count: &str, bytes: &str, sum: Sum| {
                    json.key(count).number(sum.count);
                    json.key(bytes).number(sum.bytes);
                };
                write(json, "newCount", "newBytes", row.came);
                write(json, "deletedCount", "deletedBytes", row.went);
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
                let groups = row.class.and_then(|class| paths.get(&class));
                subject.write_groups(json, groups.map_or(&[], Vec::as_slice), &texts);
            });
        });
        json.key("growthCount").number(line_count as u64);
        json.key("growth").list(&lines, |json, line| {
            json.object(|json| {
                let example = examples.get(&line.place);
                json.key("kind").text(line.kind.name());
                json.key("className").text(&row_names[line.row as usize]);
                json.key("count").number(line.count);
                json.key("bytes").number(line.bytes);
                match line.mostly {
                    Some((row, count, bytes)) => json.key("mostly").object(|json| {
                        json.key("className").text(&row_names[row as usize]);
                        json.key("count").number(count);
                        json.key("bytes").number(bytes);
                    }),
                    None => json.key("mostly").null(),
                }
                match example.and_then(|example| Some((example, texts.get(example)?))) {
                    Some((&example, text)) => {
                        let calls = subject.calls(example);
                        json.key("path").text(&format!("{text}{calls}"));
                    }
                    None => json.key("path").null(),
                }
                json.key("exampleId")
                    .optional(example.map(|&example| graph.id(example)));
            });
        });
    });
    Ok(json.finish())
}

/// The objects of both snapshots, side by side.
struct Sides<'a, 'b> {
    first: &'a Before,
    /// The row of a class of the first snapshot.
    row_of_before: &'a [usize],
    subject: &'a Subject<'b>,
    /// Of the second snapshot, by id.
    ordinals: &'a [Ordinal],
}

impl Sides<'_, '_> {
    /// Calls `visit` for every id that one of the snapshots has, with the object before and the one after.
    fn each(
        &self,
        control: &Control,
        mut visit: impl FnMut(u32, Option<Object>, Option<(usize, Ordinal)>),
    ) -> Result<(), Failure> {
        let graph = self.subject.graph();
        let mut before = self.first.objects.iter().copied().peekable();
        let mut ticker = Ticker::new(control);
        for (position, &node) in self.ordinals.iter().enumerate() {
            ticker.tick()?;
            let id = graph.id(node);
            while let Some(object) = before.next_if(|object| object.id < id) {
                visit(object.id, Some(object), None);
            }
            let same = before.next_if(|object| object.id == id);
            visit(id, same, Some((position, node)));
        }
        for object in before {
            visit(object.id, Some(object), None);
        }
        Ok(())
    }

    fn row_before(&self, object: Object) -> usize {
        self.row_of_before[object.class() as usize]
    }

    fn class_after(&self, node: Ordinal) -> usize {
        self.subject.classes.of(self.subject.graph(), node) as usize
    }

    /// How far equal ids mean equal objects, part by part, and how many there are.
    fn agreement(&self, control: &Control) -> Result<([Agreement; PARTS], u64), Failure> {
        let mut parts = [Agreement::default(); PARTS];
        let mut common = 0;
        self.each(control, |_, before, after| {
            let (Some(object), Some((position, node))) = (before, after) else {
                return;
            };
            common += 1;
            let part = &mut parts[position * PARTS / self.ordinals.len().max(1)];
            let text = text_of(self.subject.graph(), node);
            if object.text != 0 && text != 0 {
                if object.text == text {
                    part.same += 1;
                } else {
                    part.different += 1;
                }
            } else if self.row_before(object) != self.class_after(node) {
                part.different += 1;
            }
        })?;
        Ok((parts, common))
    }

    /// The highest id in the first parts of the second snapshot; 0 for none.
    fn last_id_of(&self, parts: usize) -> u32 {
        // The first position of the next part, see `agreement`.
        let end = (parts * self.ordinals.len()).div_ceil(PARTS);
        let last = end.checked_sub(1).and_then(|last| self.ordinals.get(last));
        last.map_or(0, |&node| self.subject.graph().id(node))
    }

    /// How each place has changed. As for [`Sides::count`], objects are matched up to the id `limit`.
    fn changes(
        &self,
        united: &United,
        places: &[u32],
        limit: u32,
        control: &Control,
    ) -> Result<Vec<Change>, Failure> {
        let sizes = &self.subject.analysis.sizes;
        let mut changes = vec![Change::NONE; united.len()];
        self.each(control, |id, before, after| {
            let before = before.map(|object| {
                let place = united.map(0, object.place);
                (place, self.row_before(object), object.bytes as i64)
            });
            let after = after.map(|(_, node)| {
                let place = united.place(1, places, node);
                (place, self.class_after(node), sizes.get(node) as i64)
            });
            if let Some((place, row, _)) = after {
                if place != NONE {
                    changes[place as usize].row = row as u32;
                    changes[place as usize].after += 1;
                }
            }
            if let (Some((_, row, was)), Some((place, same, is))) = (before, after) {
                if id <= limit && row == same {
                    if place != NONE && was != is {
                        let change = &mut changes[place as usize];
                        change.resized += u64::from(is > was);
                        change.resized_bytes += is - was;
                    }
                    return;
                }
            }
            for (side, sign) in [(before, -1), (after, 1)] {
                let Some((place, row, bytes)) = side.filter(|(place, ..)| *place != NONE) else {
                    continue;
                };
                let change = &mut changes[place as usize];
                change.row = row as u32;
                let (count, sum) = match id <= limit {
                    true => (&mut change.count, &mut change.bytes),
                    false => (&mut change.rest_count, &mut change.rest_bytes),
                };
                *count += sign;
                *sum += sign * bytes;
            }
        })?;
        Ok(changes)
    }

    /// Counts new and deleted objects into the rows, and returns which objects of the second snapshot are new. Up to the id `limit`
    /// objects are matched. Above it ids mean nothing: if a class has more objects than before, at least the difference is new; if it has
    /// fewer, at least the difference is deleted.
    fn count(
        &self,
        rows: &mut [Row],
        limit: u32,
        control: &Control,
    ) -> Result<crate::heap::graph::Bits, Failure> {
        let sizes = &self.subject.analysis.sizes;
        let ours = &self.subject.analysis.distances.ours;
        let mut new = crate::heap::graph::Bits::new(self.subject.graph().node_count());
        let mut above = vec![(Sum::default(), Sum::default()); rows.len()];
        self.each(control, |id, before, after| {
            let is_same = match (before, after) {
                (Some(object), Some((_, node))) => {
                    self.row_before(object) == self.class_after(node)
                }
                _ => false,
            };
            if id <= limit && is_same {
                return;
            }
            // What is offheap's own is in no row.
            if let Some(object) = before.filter(|object| !object.is_ours()) {
                let row = self.row_before(object);
                if id <= limit {
                    rows[row].went.add(object.bytes);
                } else {
                    above[row].0.add(object.bytes);
                }
            }
            if let Some((_, node)) = after.filter(|&(_, node)| !ours.get(node)) {
                let row = self.class_after(node);
                if id <= limit {
                    rows[row].came.add(sizes.get(node));
                    new.set(node);
                } else {
                    above[row].1.add(sizes.get(node));
                }
            }
        })?;
        for (row, (before, after)) in rows.iter_mut().zip(above) {
            row.came.count += after.count.saturating_sub(before.count);
            row.went.count += before.count.saturating_sub(after.count);
            if after.count > before.count {
                row.came.bytes += after.bytes.saturating_sub(before.bytes);
            } else {
                row.went.bytes += before.bytes.saturating_sub(after.bytes);
            }
        }
        Ok(new)
    }
}

/// Paths by how many more objects they hold than before, for snapshots without common ids.
fn grown_paths(
    subject: &Subject,
    listed: &[u32],
    place: impl Fn(Ordinal) -> u32,
    changes: &[Change],
) -> Result<FxHashMap<u32, Vec<PathGroup>>, Failure> {
    let mut all = subject.every_path(listed, place, |node| subject.analysis.sizes.get(node) > 0)?;
    for groups in all.values_mut() {
        groups.retain_mut(|(place, group)| {
            let change = &changes[*place as usize];
            let more = (change.count + change.rest_count).max(0).unsigned_abs();
            // Sizes follow in proportion: which of the objects are new is not known.
            group.sum.bytes = (u128::from(group.sum.bytes) * u128::from(more)
                / u128::from(group.sum.count.max(1))) as u64;
            group.retained = (u128::from(group.retained) * u128::from(more)
                / u128::from(group.sum.count.max(1))) as u64;
            group.sum.count = more;
            more > 0
        });
    }
    Ok(all
        .into_iter()
        .map(|(class, groups)| (class, subject.weightiest(groups)))
        .collect())
}

/// An object of each line: the youngest of the new ones, or the largest of those that have grown.
fn examples(
    subject: &Subject,
    place: impl Fn(Ordinal) -> u32,
    lines: &[Line],
    is_new: impl Fn(Ordinal) -> bool,
) -> Result<FxHashMap<u32, Ordinal>, Failure> {
    let graph = subject.graph();
    let wanted: FxHashMap<u32, Kind> = lines
        .iter()
        .filter(|line| matches!(line.kind, Kind::New | Kind::Grown))
        .map(|line| (line.place, line.kind))
        .collect();
    let mut best: FxHashMap<u32, (bool, u64, Ordinal)> = FxHashMap::default();
    let mut ticker = Ticker::new(subject.control);
    for node in graph.nodes() {
        ticker.tick()?;
        let place = place(node);
        let Some(kind) = wanted.get(&place) else {
            continue;
        };
        let size = subject.analysis.sizes.get(node);
        if size == 0 {
            continue;
        }
        let rank = match kind {
            Kind::New => (is_new(node), u64::from(graph.id(node)), node),
            _ => (true, size, node),
        };
        let known = best.entry(place).or_insert(rank);
        if (rank.0, rank.1) > (known.0, known.1) {
            *known = rank;
        }
    }
    Ok(best
        .into_iter()
        .map(|(place, (_, _, node))| (place, node))
        .collect())
}
