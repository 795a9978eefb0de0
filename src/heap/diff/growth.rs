//! Where the growth between two snapshots is: the places that hold more than before, each with all that hangs from what it
//! holds, so that no byte is in two lines.
//!
//! Knows: how each place has changed, and the tree of places. Out of scope: single objects, and paths in words.
//!
//! A line begins where objects have become more and what holds them has not: `1,000 more Session`, with their Buffers and
//! strings. Where objects have become larger and not more (a resized Buffer, the memory of a WebAssembly module, the table of a
//! Map), that is a line of its own, unless it is the table of what has become more: that belongs to the entries.
//!
//! Limitations: bytes hang from the shortest path. What is reached over it is freed with it only if nothing else holds it.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use crate::base::error::Failure;
use crate::heap::control::Ticker;
use crate::heap::graph::NONE;
use crate::heap::paths::places::{United, TOP};
use crate::heap::subject::Subject;

/// Objects below others that are this many times more than those begin a line of their own.
const FAN_OUT: i64 = 8;

/// Classes that every program has in many places.
const COMMON: [&str; 8] = [
    "Object",
    "Array",
    "Function",
    "Map",
    "Set",
    "Promise",
    "system / Context",
    "Generator",
];

/// A gain that is this many times a loss has not come from there.
const MUCH_MORE: i64 = 10;

/// A table that has grown by this many times what its new entries have is more than theirs: they are few among numbers, which
/// are no objects.
const TABLE: i64 = 3;

/// Classes that the engine keeps for itself.
const ENGINE: [&str; 4] = ["(system)", "(compiled code)", "(object shape)", "(code)"];

/// How what a place holds has changed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change {
    /// The class of the objects; [`NONE`] where there never were any.
    pub(crate) row: u32,
    /// How many there are now.
    pub(crate) after: u64,
    /// Of objects that are matched by id: the new ones less the deleted ones.
    pub(crate) count: i64,
    pub(crate) bytes: i64,
    /// Of objects that are matched by id and are in both: those whose size has changed, and by how much.
    pub(crate) resized: u64,
    pub(crate) resized_bytes: i64,
    /// Of objects that are not matched by id: how many more there are.
    pub(crate) rest_count: i64,
    pub(crate) rest_bytes: i64,
}

impl Change {
    pub(crate) const NONE: Change = Change {
        row: NONE,
        after: 0,
        count: 0,
        bytes: 0,
        resized: 0,
        resized_bytes: 0,
        rest_count: 0,
        rest_bytes: 0,
    };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// There are more objects than before.
    New,
    /// Objects are larger than before.
    Grown,
    /// Code, hidden classes and the like, of all places together.
    Engine,
    /// What is offheap's own, and nobody else holds.
    Offheap,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::New => "new",
            Kind::Grown => "grown",
            Kind::Engine => "engine",
            Kind::Offheap => "offheap",
        }
    }
}

/// One place, with all below it.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) kind: Kind,
    pub(crate) place: u32,
    pub(crate) row: u32,
    pub(crate) count: u64,
    pub(crate) bytes: u64,
    /// What most of the bytes are, where that is not the class itself: class, count, bytes.
    pub(crate) mostly: Option<(u32, u64, u64)>,
}

/// All lines, the most bytes first.
pub(crate) fn lines(
    subject: &Subject,
    united: &United,
    changes: &[Change],
    names: &[String],
) -> Result<Vec<Line>, Failure> {
    let mut ticker = Ticker::new(subject.control);
    let net = net(changes, names);
    let owners = owners(united, changes, &net);
    let mut bytes = vec![0i64; united.len()];
    let mut sums: FxHashMap<(u32, u32), (i64, i64)> = FxHashMap::default();
    for (place, &owner) in owners.iter().enumerate() {
        ticker.tick()?;
        if owner == NONE || changes[place].row == NONE {
            continue;
        }
        bytes[owner as usize] += net[place].bytes;
        let sum = sums.entry((owner, changes[place].row)).or_default();
        sum.0 += net[place].count;
        sum.1 += net[place].bytes;
    }
    give_to_entries(united, &owners, changes, &net, names, &mut bytes, &mut sums);
    let mut classes: FxHashMap<u32, Vec<(u32, i64, i64)>> = FxHashMap::default();
    for ((owner, row), (count, bytes)) in sums {
        classes.entry(owner).or_default().push((row, count, bytes));
    }
    let is_engine = |row: u32| ENGINE.contains(&names[row as usize].as_str());
    let mut lines: Vec<Line> = Vec::new();
    type Together = Option<(Line, FxHashMap<u32, (i64, i64)>)>;
    let mut sums: [Together; 2] = [None, None];
    for (place, &bytes) in bytes.iter().enumerate() {
        if owners[place] != place as u32 || bytes <= 0 {
            continue;
        }
        let row = changes[place].row;
        let classes = classes.remove(&(place as u32)).unwrap_or_default();
        let most = largest(classes.iter().copied());
        if !classes
            .iter()
            .any(|&(row, _, bytes)| bytes > 0 && subject.options.wants(&names[row as usize]))
        {
            continue;
        }
        // Of source texts and numbers that code holds as well.
        let is_of_engine = |row: u32| is_engine(row) || names[row as usize].starts_with('(');
        let together = match united.ours[place] {
            true => Some(Kind::Offheap),
            false if is_engine(row) && most.is_none_or(|(row, ..)| is_of_engine(row)) => {
                Some(Kind::Engine)
            }
            false => None,
        };
        if let Some(kind) = together {
            let (line, all) = sums[usize::from(kind == Kind::Offheap)].get_or_insert_with(|| {
                let line = Line {
                    kind,
                    place: place as u32,
                    row,
                    count: 0,
                    bytes: 0,
                    mostly: None,
                };
                (line, FxHashMap::default())
            });
            line.count += net[place].count.max(0).unsigned_abs();
            line.bytes += bytes.unsigned_abs();
            for (row, count, bytes) in classes {
                let sum = all.entry(row).or_default();
                sum.0 += count;
                sum.1 += bytes;
            }
            continue;
        }
        let is_new = net[place].count > 0 && net[place].new_bytes * 2 >= net[place].bytes;
        lines.push(Line {
            kind: if is_new { Kind::New } else { Kind::Grown },
            place: place as u32,
            row,
            count: match is_new {
                true => net[place].count.unsigned_abs(),
                false if changes[place].resized > 0 => changes[place].resized,
                false => changes[place].after,
            },
            bytes: bytes.unsigned_abs(),
            mostly: most
                .filter(|&(most, ..)| most != row)
                .map(|(row, count, bytes)| {
                    (row, count.max(0).unsigned_abs(), bytes.unsigned_abs())
                }),
        });
    }
    for (mut line, all) in sums.into_iter().flatten() {
        let all = all.into_iter();
        line.mostly = largest(all.map(|(row, (count, bytes))| (row, count, bytes)))
            .filter(|_| line.kind == Kind::Offheap)
            .map(|(row, count, bytes)| (row, count.max(0).unsigned_abs(), bytes.unsigned_abs()));
        lines.push(line);
    }
    lines.sort_by(|a, b| b.bytes.cmp(&a.bytes).then(a.place.cmp(&b.place)));
    Ok(lines)
}

/// The class of the most bytes.
fn largest(classes: impl Iterator<Item = (u32, i64, i64)>) -> Option<(u32, i64, i64)> {
    classes
        .max_by_key(|&(row, _, bytes)| (bytes, std::cmp::Reverse(row)))
        .filter(|&(_, _, bytes)| bytes > 0)
}

/// How a place has grown.
#[derive(Default, Clone, Copy)]
struct Net {
    count: i64,
    bytes: i64,
    /// How much of that came with new objects.
    new_bytes: i64,
}

/// What of the change of each place is growth. Objects that are not matched by id may have moved from one place to another.
fn net(changes: &[Change], names: &[String]) -> Vec<Net> {
    let rest = arrived(changes, names);
    changes
        .iter()
        .zip(rest)
        .map(|(change, rest_count)| {
            if change.row == NONE {
                return Net::default();
            }
            let rest_bytes = match change.rest_count {
                more if more > 0 => {
                    (i128::from(change.rest_bytes) * i128::from(rest_count) / i128::from(more))
                        as i64
                }
                _ => change.rest_bytes,
            };
            let new_bytes = change.bytes + if rest_count > 0 { rest_bytes } else { 0 };
            Net {
                count: change.count + rest_count,
                bytes: change.bytes + change.resized_bytes + rest_bytes,
                new_bytes,
            }
        })
        .collect()
}

/// By place, how many objects that are not matched by id are more than before and have not come from another place.
///
/// What a place has lost of a class is taken off the place whose gain is nearest to it, and the rest off the next one: the objects have
/// moved there. For a class that everybody uses, nothing is taken off a gain that is more than [`MUCH_MORE`] times as large, so that a leak of
/// Objects is not cut by the few that other places gain and lose.
/// If very many places have lost a little, all gains are cut in proportion.
fn arrived(changes: &[Change], names: &[String]) -> Vec<i64> {
    let mut counts: Vec<i64> = changes.iter().map(|change| change.rest_count).collect();
    let mut gains: Vec<Vec<usize>> = vec![Vec::new(); names.len()];
    let mut losses: Vec<Vec<usize>> = vec![Vec::new(); names.len()];
    for (place, change) in changes.iter().enumerate() {
        if change.row != NONE && change.rest_count != 0 {
            let list = match change.rest_count > 0 {
                true => &mut gains,
                false => &mut losses,
            };
            list[change.row as usize].push(place);
        }
    }
    for ((gains, mut losses), name) in gains.iter().zip(losses).zip(names) {
        let is_common = name.starts_with('(') || COMMON.contains(&name.as_str());
        let mut by_count: BTreeSet<(i64, usize)> =
            gains.iter().map(|&place| (counts[place], place)).collect();
        // The largest first: of those it is most certain where they have gone.
        losses.sort_by_key(|&place| (counts[place], place));
        let mut unpaired = 0;
        for loss in losses {
            let mut lost = -counts[loss];
            while lost > 0 {
                let above = by_count.range((lost, 0)..).next();
                let below = by_count.range(..(lost, 0)).next_back();
                let nearest = [above, below]
                    .into_iter()
                    .flatten()
                    .copied()
                    .filter(|&(gained, _)| !is_common || gained <= lost.saturating_mul(MUCH_MORE))
                    .min_by_key(|&(gained, _)| ratio(gained, lost));
                let Some((gained, place)) = nearest else {
                    break;
                };
                by_count.remove(&(gained, place));
                let taken = gained.min(lost);
                counts[place] = gained - taken;
                lost -= taken;
                if counts[place] > 0 {
                    by_count.insert((counts[place], place));
                }
            }
            unpaired += lost;
        }
        let gained: i64 = gains.iter().map(|&place| counts[place]).sum();
        if unpaired.saturating_mul(2) > gained {
            for &place in gains {
                counts[place] = (i128::from(counts[place]) * i128::from((gained - unpaired).max(0))
                    / i128::from(gained.max(1))) as i64;
            }
        }
    }
    counts
}

/// How far two counts are from each other, in thousandths of the smaller one.
fn ratio(a: i64, b: i64) -> i64 {
    a.max(b).saturating_mul(1_000) / a.min(b).max(1)
}

/// The place at which the line begins that each place belongs to; [`NONE`] for what has not grown.
fn owners(united: &United, changes: &[Change], net: &[Net]) -> Vec<u32> {
    let mut owners = vec![NONE; united.len()];
    for place in 1..united.len() {
        let parent = united.parents[place];
        let above = if parent == TOP {
            NONE
        } else {
            owners[parent as usize]
        };
        // What became more above carries what is below. What only became larger does not.
        // Nor does offheap carry what is the program's.
        let carried = above != NONE
            && net[above as usize].count > 0
            && united.ours[above as usize] == united.ours[place];
        let has_objects = changes[place].row != NONE;
        owners[place] = if !has_objects {
            match above != NONE && united.ours[above as usize] && !united.ours[place] {
                true => NONE,
                false => above,
            }
        } else if net[place].count > 0 {
            match carried && net[place].count < FAN_OUT * net[above as usize].count {
                true => above,
                false => place as u32,
            }
        } else if net[place].bytes > 0 {
            place as u32
        } else {
            NONE
        };
    }
    owners
}

/// What comes with entries is given to their line: the table of a Map, which has grown because entries were added, and the
/// keys.
fn give_to_entries(
    united: &United,
    owners: &[u32],
    changes: &[Change],
    net: &[Net],
    names: &[String],
    bytes: &mut [i64],
    sums: &mut FxHashMap<(u32, u32), (i64, i64)>,
) {
    let is_new = |place: usize| owners[place] == place as u32 && net[place].count > 0;
    let is_text = |place: usize| names[changes[place].row as usize].ends_with("string)");
    // Between a Map and its entries is a table that has no size of its own.
    let holder = |place: usize| {
        let mut holder = united.parents[place];
        while holder != TOP && changes[holder as usize].row == NONE {
            holder = united.parents[holder as usize];
        }
        holder
    };
    // The largest line of more objects right below each place; strings only where there is nothing else.
    let mut best: FxHashMap<u32, usize> = FxHashMap::default();
    for place in (1..united.len()).filter(|&place| is_new(place)) {
        let known = best.entry(holder(place)).or_insert(place);
        let rank = |place: usize| (!is_text(place), bytes[place]);
        if rank(place) > rank(*known) {
            *known = place;
        }
    }
    let mut given: FxHashMap<u32, u32> = FxHashMap::default();
    for place in (1..united.len()).filter(|&place| is_new(place) && is_text(place)) {
        let Some(&entry) = best.get(&holder(place)) else {
            continue;
        };
        if !is_text(entry) && net[place].count <= 2 * net[entry].count {
            given.insert(place as u32, entry as u32);
        }
    }
    for (holder, entry) in best {
        let table = bytes[holder as usize];
        let grown = owners[holder as usize] == holder && net[holder as usize].count <= 0;
        if grown && table > 0 && table < TABLE * bytes[entry] {
            given.entry(holder).or_insert(entry as u32);
        }
    }
    for (&from, &to) in &given {
        bytes[to as usize] += std::mem::take(&mut bytes[from as usize]);
    }
    let moved: Vec<((u32, u32), (i64, i64))> = sums
        .iter()
        .filter(|((owner, _), _)| given.contains_key(owner))
        .map(|(&key, &sum)| (key, sum))
        .collect();
    for ((owner, row), (count, bytes)) in moved {
        sums.remove(&(owner, row));
        let sum = sums.entry((given[&owner], row)).or_default();
        sum.0 += count;
        sum.1 += bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many Objects have arrived at places that have become more by these numbers.
    fn arrivals(counts: &[i64]) -> Vec<i64> {
        arrivals_of("Object", counts)
    }

    fn arrivals_of(class: &str, counts: &[i64]) -> Vec<i64> {
        let changes: Vec<Change> = counts
            .iter()
            .map(|&rest_count| Change {
                row: 0,
                rest_count,
                ..Change::NONE
            })
            .collect();
        arrived(&changes, &[class.to_owned()])
            .into_iter()
            .map(|count| count.max(0))
            .collect()
    }

    #[test]
    fn what_one_place_has_lost_and_another_gained_has_moved() {
        assert_eq!(arrivals(&[500, -500]), [0, 0]);
        assert_eq!(arrivals(&[-500, 510]), [0, 10]);
        assert_eq!(arrivals(&[490, -500, 10_000]), [0, 0, 10_000]);
        // A pool of 200 that has grown to 500 and is held in another way now.
        assert_eq!(arrivals(&[500, -200]), [300, 0]);
        assert_eq!(arrivals(&[1_200, -200, 10]), [1_000, 0, 10]);
        assert_eq!(arrivals(&[300, 250, -500]), [0, 50, 0]);
    }

    #[test]
    fn small_losses_elsewhere_take_nothing_from_a_leak_of_a_common_class() {
        assert_eq!(arrivals_of("Session", &[1_000, -40]), [960, 0]);
        assert_eq!(arrivals(&[1_000, -3, -40, -1]), [1_000, 0, 0, 0]);
        assert_eq!(arrivals(&[1_000, -40, 30]), [1_000, 0, 0]);
    }

    #[test]
    fn a_class_that_loses_as_many_as_it_gains_has_not_grown() {
        assert_eq!(arrivals(&[100, 100, 100, -1_000]), [0, 0, 0, 0]);
        assert_eq!(
            arrivals(&[300, 300, -10, -90, -90, -90, -90, -30])
                .iter()
                .sum::<i64>(),
            210
        );
    }
}
