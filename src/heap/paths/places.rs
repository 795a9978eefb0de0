//! Places: objects that are held in the same way, whatever the indices and keys on their paths are.
//!
//! Knows: one shortest path per node. Places form a tree; a place has one class, and what is below it hangs from its
//! objects. Out of scope: sizes, and how a path is put into words.
//! Two snapshots can be compared place by place only if both draw the line between a name and a key in the same way:
//! [`unite`] draws it for both.
//! Limitations: there are at most [`MAX_PLACES`]; other objects have no place.

#![forbid(unsafe_code)]

use rustc_hash::{FxHashMap, FxHashSet};

use crate::heap::graph::classes::Classes;
use crate::heap::graph::kinds::{EdgeKind, NodeKind};
use crate::heap::graph::{Graph, Ordinal, NONE};
use crate::heap::paths::labels::{
    abstract_label, fingerprint, has_many_edges, is_dictionary, is_global, without_number,
};
use crate::heap::solve::distances::Distances;

/// The place of the root.
pub(crate) const TOP: u32 = 0;
/// More are nobody's answer and would cost memory.
const MAX_PLACES: usize = 1 << 21;
/// The label of a step that a key leads over.
const KEY: u64 = u64::MAX;
/// The label of all steps from one object into a list that begins at several ends.
const CHAIN: u64 = u64::MAX - 1;
/// Steps after which a chain returns to where it was, at most.
const MAX_CYCLE: usize = 8;
/// From this number of keys on that only one of two snapshots has, with objects of one class under them, they are no names.
const CHANGED_KEYS: u32 = 8;

/// Where some objects are held.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) parent: u32,
    /// Fingerprint of the class, and of the name of a function.
    class: u32,
    /// Kind and name of the reference that leads here; [`KEY`] for one that is data.
    label: u64,
    /// The reference is a property, which may be a name or a key.
    is_property: bool,
    /// Properties of the objects here are keys.
    is_dictionary: bool,
    /// The objects here are global objects: their properties are names, however many there are.
    is_global: bool,
    /// The objects here are offheap's own.
    is_ours: bool,
    /// Objects here hold each other: a list, a tree, a chain of promises.
    is_chain: bool,
    /// The class is one that somebody has named, not `Object` or `Array`.
    is_named: bool,
}

/// Makes the print of a class another one where its objects are offheap's own.
const OURS: u64 = 0x9e37_79b9_7f4a_7c15;

impl Place {
    const TOP: Place = Place {
        parent: NONE,
        class: 0,
        label: 0,
        is_property: false,
        is_dictionary: false,
        is_global: true,
        is_ours: false,
        is_chain: false,
        is_named: false,
    };

    fn key(&self, parent: u32, label: u64) -> (u32, u32, u64) {
        (parent, self.class, label)
    }
}

/// The places of one snapshot, parents first.
pub(crate) struct Places {
    pub(crate) list: Vec<Place>,
    /// By ordinal; [`NONE`] for what has no place.
    pub(crate) of: Vec<u32>,
}

impl Places {
    /// Where nobody asks: no place for any node.
    pub(crate) fn none(graph: &Graph) -> Places {
        Places {
            list: vec![Place::TOP],
            of: vec![NONE; graph.node_count()],
        }
    }

    pub(crate) fn find(graph: &Graph, distances: &Distances, classes: &Classes) -> Places {
        let mut places = Places {
            list: vec![Place::TOP],
            of: vec![NONE; graph.node_count()],
        };
        places.of[graph.root as usize] = TOP;
        let mut known: FxHashMap<(u32, u32, u64), u32> = FxHashMap::default();
        let class_prints: Vec<u64> = (0..classes.len() as u32)
            .map(|class| fingerprint(classes.name(class).as_bytes()))
            .collect();
        let mut traits = Cache::new();
        let mut labels = Cache::new();
        places.note_references(graph, graph.root, is_global(graph, graph.root));
        // The object that the last reference started from. Those from one object mostly follow each other.
        let mut from = graph.root;
        let mut from_dictionary = is_dictionary(graph, from);
        for &to in &distances.order {
            let edge = distances.via[to as usize];
            if edge == NONE || to == graph.root {
                continue;
            }
            if !graph.edges(from).contains(&edge) {
                from = graph.from(edge);
                from_dictionary = is_dictionary(graph, from);
            }
            let parent = places.of[from as usize];
            if parent == NONE {
                continue;
            }
            let is_property = matches!(
                graph.edge_kind(edge),
                EdgeKind::Property | EdgeKind::Shortcut
            ) && from != graph.root;
            let label = if is_property && from_dictionary {
                KEY
            } else {
                // Kind and name, packed: all that a label depends on.
                let packed = u64::from(graph.edge_label[edge as usize]);
                labels.get(packed, || label_of(graph, edge))
            };
            let kind = graph.kind(to);
            let mut class = class_prints[classes.of(graph, to) as usize];
            let traits = match kind {
                NodeKind::Object | NodeKind::Closure => {
                    let packed =
                        u64::from(graph.name(to)) << 1 | u64::from(kind == NodeKind::Object);
                    traits.get(packed, || Traits::of(graph, to))
                }
                _ => Traits::default(),
            };
            class ^= traits.print;
            let is_ours = distances.ours.get(to);
            if is_ours {
                class ^= OURS;
            }
            let place = Place {
                parent,
                class: (class ^ class >> 32) as u32,
                label,
                is_property,
                is_dictionary: false,
                is_global: false,
                is_ours,
                is_chain: false,
                is_named: traits.is_named,
            };
            places.of[to as usize] = match known.get(&place.key(parent, label)) {
                Some(&number) => number,
                None => {
                    let recurs = kind != NodeKind::Synthetic;
                    let number = places.add(place, recurs);
                    if number != NONE {
                        known.insert(place.key(parent, label), number);
                    }
                    number
                }
            };
            places.note_references(graph, to, traits.is_global);
        }
        places
    }

    /// Notes what the references of an object say about its place.
    fn note_references(&mut self, graph: &Graph, node: Ordinal, is_global: bool) {
        if let Some(place) = self.list.get_mut(self.of[node as usize] as usize) {
            place.is_dictionary |= !is_global && has_many_edges(graph, node);
            place.is_global |= is_global;
        }
    }
}

/// What the kind and the name of an object or a function say.
#[derive(Clone, Copy, Default)]
struct Traits {
    /// Of functions, a fingerprint of the name.
    print: u64,
    is_named: bool,
    is_global: bool,
}

impl Traits {
    fn of(graph: &Graph, node: Ordinal) -> Traits {
        Traits {
            print: match graph.kind(node) {
                NodeKind::Closure => {
                    fingerprint(graph.strings.bytes(graph.name(node))).rotate_left(17)
                }
                _ => 0,
            },
            is_named: is_named(graph, node),
            is_global: is_global(graph, node),
        }
    }
}

/// What follows from a number, kept for the numbers that were asked for last: of a million objects most have one of a few names.
struct Cache<T> {
    slots: Vec<Option<(u64, T)>>,
}

impl<T: Copy> Cache<T> {
    const SLOTS: usize = 1 << 12;

    fn new() -> Cache<T> {
        Cache {
            slots: vec![None; Self::SLOTS],
        }
    }

    fn get(&mut self, number: u64, find: impl FnOnce() -> T) -> T {
        let slot = &mut self.slots[number as usize % Self::SLOTS];
        match *slot {
            Some((known, found)) if known == number => found,
            _ => slot.insert((number, find())).1,
        }
    }
}

impl Places {
    /// The number of a new place. Roots within roots are not taken for a list.
    fn add(&mut self, place: Place, may_recur: bool) -> u32 {
        if let Some(before) = self.recurs(&place).filter(|_| may_recur) {
            self.list[before as usize].is_chain = true;
            return before;
        }
        if self.list.len() == MAX_PLACES {
            return NONE;
        }
        self.list.push(place);
        self.list.len() as u32 - 1
    }

    /// The place above that a new one would only repeat, because a list, a tree or a chain of any length is one place. That is the place right
    /// above, if its named class is the same, whatever the reference is called; or the one from which the same steps were made twice.
    fn recurs(&self, place: &Place) -> Option<u32> {
        if place.is_named
            && place.parent != TOP
            && self.list[place.parent as usize].class == place.class
        {
            return Some(place.parent);
        }
        let mut above = [(TOP, 0, 0); 2 * MAX_CYCLE];
        above[0] = (NONE, place.label, place.class);
        let mut number = place.parent;
        let mut count = 1;
        while count < above.len() && number != TOP {
            let place = &self.list[number as usize];
            above[count] = (number, place.label, place.class);
            number = place.parent;
            count += 1;
        }
        let step = |at: usize| (above[at].1, above[at].2);
        (1..=count / 2)
            .find(|&period| {
                (0..period).all(|at| step(at) == step(at + period) && step(at).0 != KEY)
            })
            .map(|period| above[period].0)
    }
}

/// Whether a class is one that a program, or Node, has given a name to.
fn is_named(graph: &Graph, node: Ordinal) -> bool {
    graph.kind(node) == NodeKind::Object
        && !is_global(graph, node)
        && !matches!(
            graph.strings.bytes(graph.name(node)),
            b"" | b"Object"
                | b"Array"
                | b"Map"
                | b"Set"
                | b"WeakMap"
                | b"WeakSet"
                | b"Promise"
                | b"system / Context"
        )
}

/// Kind and name of an edge as one number, the same in every snapshot.
fn label_of(graph: &Graph, edge: u32) -> u64 {
    let label = abstract_label(graph, edge, false);
    let name = label as u32;
    if name == NONE || !graph.edge_kind(edge).has_string_name() {
        return label;
    }
    fingerprint(without_number(graph.strings.bytes(name))) ^ (label >> 32).rotate_right(8)
}

/// The places of one or two snapshots, made alike.
pub(crate) struct United {
    /// The parent of each place; parents come first.
    pub(crate) parents: Vec<u32>,
    /// Whether the objects of each place are offheap's own.
    pub(crate) ours: Vec<bool>,
    /// Whether the objects of each place hold each other.
    pub(crate) chains: Vec<bool>,
    /// The place here of each place of the first snapshot, and of the second.
    pub(crate) maps: [Vec<u32>; 2],
}

impl United {
    /// The place of a node of the snapshot `side`, whose places are `of`.
    pub(crate) fn place(&self, side: usize, of: &[u32], node: Ordinal) -> u32 {
        self.map(side, of[node as usize])
    }

    pub(crate) fn map(&self, side: usize, place: u32) -> u32 {
        if place == NONE {
            return NONE;
        }
        self.maps[side][place as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.parents.len()
    }
}

/// Makes the places of two snapshots alike: properties are keys in both where they are in one, or where some appear and some disappear
/// between the two. With one snapshot (the second is empty), the places of objects of which some are dictionaries.
pub(crate) fn unite(sides: [&[Place]; 2]) -> United {
    let is_pair = sides.iter().all(|side| !side.is_empty());
    let mut maps = sides.map(|side| vec![TOP; side.len()]);
    let mut list = vec![Place::TOP];
    let mut known: FxHashMap<(u32, u32, u64), u32> = FxHashMap::default();
    for level in levels(sides) {
        if is_pair {
            mark_changed_keys(&level, sides, &maps, &mut list);
        }
        let chains = chains(&level, sides, &maps);
        for (side, places) in level.iter().enumerate() {
            for &number in places {
                let place = sides[side][number as usize];
                let parent = maps[side][place.parent as usize];
                let is_key = place.is_property && list[parent as usize].is_dictionary;
                let label = if is_key && !list[parent as usize].is_global {
                    KEY
                } else if place.is_named && chains.contains(&(parent, place.class)) {
                    CHAIN
                } else {
                    place.label
                };
                let united = *known.entry(place.key(parent, label)).or_insert_with(|| {
                    list.push(Place {
                        parent,
                        label,
                        is_dictionary: false,
                        is_global: false,
                        ..place
                    });
                    list.len() as u32 - 1
                });
                list[united as usize].is_dictionary |= place.is_dictionary;
                list[united as usize].is_global |= place.is_global;
                list[united as usize].is_chain |= place.is_chain;
                maps[side][number as usize] = united;
            }
        }
    }
    United {
        parents: list.iter().map(|place| place.parent).collect(),
        ours: list.iter().map(|place| place.is_ours).collect(),
        chains: list.iter().map(|place| place.is_chain).collect(),
        maps,
    }
}

/// The places of both by their distance from the top, the top left out.
fn levels(sides: [&[Place]; 2]) -> Vec<[Vec<u32>; 2]> {
    let mut levels: Vec<[Vec<u32>; 2]> = Vec::new();
    for (side, places) in sides.iter().enumerate() {
        let mut depths = vec![0u32; places.len()];
        for (number, place) in places.iter().enumerate().skip(1) {
            let depth = depths[place.parent as usize] + 1;
            depths[number] = depth;
            if levels.len() < depth as usize {
                levels.push(Default::default());
            }
            levels[depth as usize - 1][side].push(number as u32);
        }
    }
    levels
}

/// Where lists begin, by the place that holds them and their class. A list that is held at both ends begins twice and is one list.
fn chains(
    level: &[Vec<u32>; 2],
    sides: [&[Place]; 2],
    maps: &[Vec<u32>; 2],
) -> FxHashSet<(u32, u32)> {
    let mut chains = FxHashSet::default();
    for (side, places) in level.iter().enumerate() {
        for &number in places {
            let place = &sides[side][number as usize];
            if place.is_chain && place.is_named {
                chains.insert((maps[side][place.parent as usize], place.class));
            }
        }
    }
    chains
}

/// Marks places as dictionaries if some of their properties appear and some disappear between the two.
fn mark_changed_keys(
    level: &[Vec<u32>; 2],
    sides: [&[Place]; 2],
    maps: &[Vec<u32>; 2],
    list: &mut [Place],
) {
    let mut seen: FxHashMap<(u32, u32, u64), u8> = FxHashMap::default();
    for (side, places) in level.iter().enumerate() {
        for &number in places {
            let place = &sides[side][number as usize];
            let parent = maps[side][place.parent as usize];
            if place.is_property && !list[parent as usize].is_dictionary {
                *seen.entry(place.key(parent, place.label)).or_default() |= 1 << side;
            }
        }
    }
    let mut changed: FxHashMap<(u32, u32), u32> = FxHashMap::default();
    for ((parent, class, _), sides) in seen {
        if sides != 3 {
            *changed.entry((parent, class)).or_default() += 1;
        }
    }
    for ((parent, _), count) in changed {
        if count >= CHANGED_KEYS {
            list[parent as usize].is_dictionary = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::control::Control;
    use crate::heap::sketch::Sketch;

    /// `global.cache`, an object with a property for each of `keys`, each leading to a `Thing`; and the Things.
    fn cache(keys: &[String]) -> (Graph, Vec<Ordinal>) {
        let mut sketch = Sketch::new();
        let global = sketch.node("object", "global", 8);
        sketch.edge(0, "shortcut", "1", global);
        let cache = sketch.node("object", "Object", 8);
        sketch.edge(global, "property", "cache", cache);
        let things = keys
            .iter()
            .map(|key| {
                let thing = sketch.node("object", "Thing", 8);
                sketch.edge(cache, "property", key, thing);
                thing as Ordinal
            })
            .collect();
        (sketch.graph(), things)
    }

    fn places(graph: &Graph) -> Places {
        let distances =
            Distances::find(graph, &Control::new()).unwrap_or_else(|_| panic!("no distances"));
        Places::find(graph, &distances, &Classes::find(graph))
    }

    fn keys(range: std::ops::Range<u32>) -> Vec<String> {
        range.map(|number| format!("k{number}")).collect()
    }

    /// How many places the things of two caches have, in the first, in the second, and in both together.
    fn count(first: &[String], second: &[String]) -> [usize; 3] {
        let sides = [cache(first), cache(second)];
        let found = [places(&sides[0].0), places(&sides[1].0)];
        let united = unite([&found[0].list, &found[1].list]);
        let of = |side: usize| -> std::collections::BTreeSet<u32> {
            let (_, things) = &sides[side];
            things
                .iter()
                .map(|&thing| united.place(side, &found[side].of, thing))
                .collect()
        };
        let (before, after) = (of(0), of(1));
        [before.len(), after.len(), before.union(&after).count()]
    }

    #[test]
    fn a_property_that_stays_is_a_name() {
        assert_eq!(count(&keys(0..10), &keys(0..12)), [10, 12, 12]);
    }

    #[test]
    fn what_is_a_dictionary_in_one_snapshot_is_one_in_the_other() {
        assert_eq!(count(&keys(0..40), &keys(0..200)), [1, 1, 1]);
        assert_eq!(count(&keys(0..200), &keys(0..3)), [1, 1, 1]);
    }

    #[test]
    fn properties_that_come_and_go_are_keys() {
        assert_eq!(count(&keys(0..10), &keys(8..16)), [1, 1, 1]);
        assert_eq!(count(&keys(0..10), &keys(4..10)), [10, 6, 10]);
    }

    #[test]
    fn properties_of_the_global_object_are_names_however_many_come() {
        let draw = |count: usize| {
            let mut sketch = Sketch::new();
            let global = sketch.node("object", "global", 8);
            sketch.edge(0, "shortcut", "1", global);
            for number in 0..count {
                let thing = sketch.node("object", "Thing", 8);
                sketch.edge(global, "property", &format!("g{number}"), thing);
            }
            sketch.graph()
        };
        let found = [places(&draw(100)), places(&draw(300))];
        let united = unite([&found[0].list, &found[1].list]);
        // The top, the global object, and 300 things.
        assert_eq!(united.len(), 302);
    }

    #[test]
    fn a_list_of_any_length_is_one_place() {
        let mut sketch = Sketch::new();
        let global = sketch.node("object", "global", 8);
        sketch.edge(0, "shortcut", "1", global);
        let mut last = global;
        for _ in 0..1_000 {
            let link = sketch.node("object", "Link", 8);
            sketch.edge(last, "property", "next", link);
            last = link;
        }
        let graph = sketch.graph();
        // The top, the global object, and the list.
        assert_eq!(places(&graph).list.len(), 3);
    }
}
