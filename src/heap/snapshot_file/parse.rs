//! From tokens to the graph: the sections of a snapshot, each checked against the head and the others.
//!
//! Knows: the order of sections, and every way in which they can contradict each other. Out of scope: what
//! the graph is for. Memory follows what was read, never what the head promises.
//! Limitations: the sections must come as V8 writes them where one needs another: snapshot, nodes, edges, strings.

#![forbid(unsafe_code)]

use rustc_hash::FxHashMap;

use crate::base::error::Failure;
use crate::heap::control::{Control, Phase};
use crate::heap::graph::kinds::NodeKind;
use crate::heap::graph::{Bits, Ephemeron, Graph, Location, Sizes, Sources, Strings};
use crate::heap::snapshot_file::head::Meta;
use crate::heap::snapshot_file::scan::Scanner;
use crate::heap::snapshot_file::source::{Feed, Source};

/// How much is kept of a string value that is no name: enough to recognise it.
const VALUE_LIMIT: usize = 160;

/// The largest whole number that JavaScript has exactly.
const MAX_BYTES: u64 = 1 << 53;

/// Division by a number that is known only at run time, at the price of a multiplication.
#[derive(Clone, Copy)]
pub(crate) struct Divider {
    by: u64,
    reciprocal: u64,
}

impl Divider {
    pub(crate) fn new(by: usize) -> Divider {
        let by = by.max(1) as u64;
        Divider {
            by,
            // Rounded up; exact for every dividend below 2^64 / by^2, and larger ones are refused.
            reciprocal: if by == 1 { 0 } else { u64::MAX / by + 1 },
        }
    }

    /// The quotient, if there is no remainder and it is below `limit`.
    #[inline]
    pub(crate) fn exact(self, value: u64, limit: u64) -> Option<u32> {
        let quotient = if self.by == 1 {
            value
        } else {
            ((u128::from(value) * u128::from(self.reciprocal)) >> 64) as u64
        };
        // A wrong quotient of a huge dividend fails here too: the limit is far below 2^64 / by^2.
        (quotient < limit && quotient * self.by == value).then_some(quotient as u32)
    }
}

/// Reads a whole snapshot.
pub(crate) fn parse(source: Source, threads: usize, control: &Control) -> Result<Graph, Failure> {
    let name = source.name.clone();
    let plain_bytes = source.plain_bytes;
    let mut scanner = Scanner::new(Feed::new(source, threads), name);
    let mut parser = Parser::new(plain_bytes, control);
    scanner.expect(b'{')?;
    if !scanner.accept(b'}')? {
        let mut key = Vec::new();
        loop {
            key.clear();
            scanner.section = "a section name";
            scanner.string(&mut key, 64)?;
            scanner.expect(b':')?;
            parser.section(&key, &mut scanner)?;
            scanner.section = "the sections";
            if !scanner.more(b'}')? {
                break;
            }
        }
    }
    scanner.expect_end()?;
    parser.finish(&scanner)
}

struct Parser<'a> {
    control: &'a Control,
    plain_bytes: Option<u64>,
    seen: Vec<&'static str>,
    meta: Option<Meta>,
    node_type: Vec<u8>,
    node_name: Vec<u32>,
    node_id: Vec<u32>,
    sizes: Sizes,
    type_sums: Vec<(u64, u64)>,
    first_edge: Vec<u32>,
    edge_to: Vec<u32>,
    edge_label: Vec<u32>,
    wide_labels: FxHashMap<u32, u32>,
    detached: Vec<u32>,
    locations: Option<Vec<Location>>,
    strings: Strings,
    ephemerons: FxHashMap<u32, Ephemeron>,
    /// Strings that are somebody's name.
    names: Bits,
    highest_string: u32,
}

/// The sections that are read; others are skipped.
const SECTIONS: [&str; 5] = ["snapshot", "nodes", "edges", "locations", "strings"];

impl<'a> Parser<'a> {
    fn new(plain_bytes: Option<u64>, control: &'a Control) -> Parser<'a> {
        Parser {
            control,
            plain_bytes,
            seen: Vec::new(),
            meta: None,
            node_type: Vec::new(),
            node_name: Vec::new(),
            node_id: Vec::new(),
            sizes: Sizes::default(),
            type_sums: Vec::new(),
            first_edge: Vec::new(),
            edge_to: Vec::new(),
            edge_label: Vec::new(),
            wide_labels: FxHashMap::default(),
            detached: Vec::new(),
            locations: None,
            strings: Strings::default(),
            ephemerons: FxHashMap::default(),
            names: Bits::default(),
            highest_string: 0,
        }
    }

    fn section(&mut self, key: &[u8], scanner: &mut Scanner) -> Result<(), Failure> {
        let Some(&section) = SECTIONS.iter().find(|known| known.as_bytes() == key) else {
            scanner.section = "a section that is skipped";
            return scanner.skip_value();
        };
        scanner.section = section;
        if self.seen.contains(&section) {
            return Err(scanner.format(&format!("the section \"{section}\" stands twice")));
        }
        let needs: &[&str] = match section {
            "nodes" => &["snapshot"],
            "edges" | "locations" => &["snapshot", "nodes"],
            "strings" => &["snapshot", "nodes", "edges"],
            _ => &[],
        };
        if let Some(missing) = needs.iter().find(|need| !self.seen.contains(need)) {
            return Err(scanner.format(&format!(
                "the section \"{section}\" comes before \"{missing}\""
            )));
        }
        self.seen.push(section);
        match section {
            "snapshot" => {
                self.meta = Some(Meta::read(scanner)?);
                Ok(())
            }
            "nodes" => self.nodes(scanner),
            "edges" => self.edges(scanner),
            "locations" => self.locations(scanner),
            _ => self.strings(scanner),
        }
    }

    fn meta(&self, scanner: &Scanner) -> Result<Meta, Failure> {
        // The order of sections has been checked.
        self.meta
            .clone()
            .ok_or_else(|| scanner.format("the section \"snapshot\" is missing"))
    }

    /// How many records to make room for: what the head says, if the file is long enough to hold them.
    fn room(&self, promised: u64, width: usize) -> usize {
        let possible = self.plain_bytes.unwrap_or(0) / (2 * width as u64);
        promised.min(possible) as usize
    }

    fn progress(&self, scanner: &Scanner) -> Result<(), Failure> {
        match self.plain_bytes {
            Some(total) => self.control.report(Phase::Read, scanner.passed(), total),
            None => self.control.check(),
        }
    }

    /// Whether a string of this index can exist in a file of this length (`"",` is three bytes).
    fn check_string(&self, index: u64, what: &str, scanner: &Scanner) -> Result<u32, Failure> {
        if index > Graph::MAX_STRING {
            return Err(scanner.too_large(&format!("{what} is string {index}")));
        }
        if self.plain_bytes.is_some_and(|bytes| index > bytes / 3) {
            return Err(scanner.format(&format!(
                "{what} is string {index}, more than the file can hold"
            )));
        }
        Ok(index as u32)
    }

    fn nodes(&mut self, scanner: &mut Scanner) -> Result<(), Failure> {
        let meta = self.meta(scanner)?;
        let room = self.room(meta.node_count, meta.node_width);
        self.node_type.reserve_exact(room);
        self.node_name.reserve_exact(room);
        self.node_id.reserve_exact(room);
        self.sizes.reserve_exact(room);
        self.first_edge.reserve_exact(room + 1);
        self.first_edge.push(0);
        self.type_sums = vec![(0, 0); meta.node_kinds.len()];
        let names_nothing: Vec<bool> = meta.node_kinds.iter().map(|&kind| is_value(kind)).collect();
        let mut edges = 0u64;
        let mut bytes = 0u64;
        let mut highest = 0u64;
        let count = scanner.records(meta.node_width, |records, scanner| {
            for record in records {
                let ordinal = self.node_type.len();
                if ordinal & 0x3fff == 0 {
                    self.progress(scanner)?;
                    if ordinal >= u32::MAX as usize - 1 {
                        return Err(scanner.too_large("more than 2^32 - 2 nodes"));
                    }
                }
                let kind = record[meta.node_type];
                if kind >= meta.node_kinds.len() as u64 {
                    return Err(scanner.format(&format!(
                        "node {ordinal} has type {kind}; node_types has {}",
                        meta.node_kinds.len()
                    )));
                }
                let name = record[meta.node_name];
                if name > highest {
                    self.check_string(name, "a node name", scanner)?;
                    highest = name;
                }
                if !names_nothing[kind as usize] {
                    self.names.set_growing(name as u32);
                }
                let id = u32::try_from(record[meta.node_id]).map_err(|_| {
                    scanner.too_large(&format!("node {ordinal} has an id of 2^32 or more"))
                })?;
                // With the sum in bounds no sum of parts can overflow, and JavaScript holds all of them exactly.
                bytes = bytes
                    .checked_add(record[meta.node_self_size])
                    .filter(|&bytes| bytes <= MAX_BYTES)
                    .ok_or_else(|| scanner.too_large("the sizes add up to more than 2^53 bytes"))?;
                edges = edges.saturating_add(record[meta.node_edge_count]);
                let first = u32::try_from(edges)
                    .ok()
                    .filter(|&edges| edges < u32::MAX)
                    .ok_or_else(|| scanner.too_large("more than 2^32 - 2 edges"))?;
                if meta
                    .node_detachedness
                    .is_some_and(|field| record[field] == 2)
                {
                    self.detached.push(ordinal as u32);
                }
                let sum = &mut self.type_sums[kind as usize];
                sum.0 += 1;
                sum.1 += record[meta.node_self_size];
                self.node_type.push(kind as u8);
                self.node_name.push(name as u32);
                self.node_id.push(id);
                self.sizes.push(record[meta.node_self_size]);
                self.first_edge.push(first);
            }
            Ok(())
        })?;
        self.highest_string = highest as u32;
        if count != meta.node_count {
            return Err(scanner.format(&format!(
                "snapshot.node_count is {}, but there are {count} nodes",
                meta.node_count
            )));
        }
        if edges != meta.edge_count {
            return Err(scanner.format(&format!(
                "snapshot.edge_count is {}, but the nodes claim {edges} edges",
                meta.edge_count
            )));
        }
        Ok(())
    }

    fn edges(&mut self, scanner: &mut Scanner) -> Result<(), Failure> {
        let meta = self.meta(scanner)?;
        let room = self.room(meta.edge_count, meta.edge_width);
        self.edge_to.reserve_exact(room);
        self.edge_label.reserve_exact(room);
        let node_count = self.node_type.len() as u64;
        let divider = Divider::new(meta.node_width);
        let mut highest = u64::from(self.highest_string);
        let count = scanner.records(meta.edge_width, |records, scanner| {
            for record in records {
                let edge = self.edge_to.len();
                if edge & 0x3fff == 0 {
                    self.progress(scanner)?;
                }
                if edge as u64 == meta.edge_count {
                    return Err(scanner.format(&format!(
                        "snapshot.edge_count is {edge}, but there are more edges"
                    )));
                }
                let Some(&kind) = meta.edge_kinds.get(record[meta.edge_type] as usize) else {
                    return Err(scanner.format(&format!(
                        "edge {edge} has type {}; edge_types has {}",
                        record[meta.edge_type],
                        meta.edge_kinds.len()
                    )));
                };
                let to = divider
                    .exact(record[meta.edge_to], node_count)
                    .ok_or_else(|| {
                        scanner.format(&format!(
                            "edge {edge} points to {}, where no node begins",
                            record[meta.edge_to]
                        ))
                    })?;
                let name = record[meta.edge_name];
                let (label, wide) = if kind.has_string_name() {
                    if name > highest {
                        self.check_string(name, "an edge name", scanner)?;
                        highest = name;
                    }
                    self.names.set_growing(name as u32);
                    Graph::pack_label(kind, name as u32)
                } else {
                    let name = u32::try_from(name).map_err(|_| {
                        scanner.too_large(&format!("edge {edge} has an index of 2^32 or more"))
                    })?;
                    Graph::pack_label(kind, name)
                };
                if let Some(wide) = wide {
                    self.wide_labels.insert(edge as u32, wide);
                }
                self.edge_to.push(to);
                self.edge_label.push(label);
            }
            Ok(())
        })?;
        self.highest_string = highest as u32;
        if count != meta.edge_count {
            return Err(scanner.format(&format!(
                "snapshot.edge_count is {}, but there are {count} edges",
                meta.edge_count
            )));
        }
        Ok(())
    }

    fn locations(&mut self, scanner: &mut Scanner) -> Result<(), Failure> {
        let meta = self.meta(scanner)?;
        let Some((width, places)) = meta.locations else {
            return scanner.skip_value();
        };
        let divider = Divider::new(meta.node_width);
        let node_count = self.node_type.len() as u64;
        let mut locations = Vec::new();
        let mut number = 0u64;
        scanner.records(width, |records, scanner| {
            for record in records {
                number += 1;
                if number & 0x3fff == 0 {
                    self.progress(scanner)?;
                }
                let ordinal = divider
                    .exact(record[places[0]], node_count)
                    .ok_or_else(|| {
                        scanner.format(&format!(
                            "a location belongs to {}, where no node begins",
                            record[places[0]]
                        ))
                    })?;
                // V8 gives objects the place of their constructor; only closures are shown by place.
                if meta.node_kinds[self.node_type[ordinal as usize] as usize] == NodeKind::Closure {
                    locations.push(Location {
                        ordinal,
                        script: record[places[1]].min(u64::from(u32::MAX)) as u32,
                        line: record[places[2]].min(u64::from(u32::MAX)) as u32,
                        column: record[places[3]].min(u64::from(u32::MAX)) as u32,
                    });
                }
            }
            Ok(())
        })?;
        locations.sort_unstable_by_key(|location| location.ordinal);
        locations.dedup_by_key(|location| location.ordinal);
        locations.shrink_to_fit();
        self.locations = Some(locations);
        Ok(())
    }

    fn strings(&mut self, scanner: &mut Scanner) -> Result<(), Failure> {
        let mut pairs: FxHashMap<Vec<u8>, u32> = FxHashMap::default();
        scanner.expect(b'[')?;
        let mut more = !scanner.accept(b']')?;
        while more {
            let index = self.strings.ends.len();
            if index & 0xfff == 0 {
                self.progress(scanner)?;
            }
            if index as u64 > Graph::MAX_STRING {
                return Err(scanner.too_large("more than 2^29 - 2 strings"));
            }
            let index = index as u32;
            let is_name = self.names.get(index);
            let limit = if is_name { usize::MAX } else { VALUE_LIMIT };
            let start = self.strings.bytes.len();
            let (units, cut) = scanner.string(&mut self.strings.bytes, limit)?;
            let end = u32::try_from(self.strings.bytes.len())
                .map_err(|_| scanner.too_large("more than 4 GiB of names"))?;
            if cut {
                self.strings.cut.insert(index, units);
            }
            if is_name {
                let name = &self.strings.bytes[start..];
                // The first byte decides for nearly all.
                if name.first().is_some_and(u8::is_ascii_digit) {
                    if let Some((table_id, pair)) = ephemeron(name) {
                        let next = pairs.len() as u32;
                        let pair = *pairs.entry(pair.to_vec()).or_insert(next);
                        self.ephemerons.insert(index, Ephemeron { table_id, pair });
                    }
                }
            }
            self.strings.ends.push(end);
            more = scanner.more(b']')?;
        }
        Ok(())
    }

    fn finish(self, scanner: &Scanner) -> Result<Graph, Failure> {
        if let Some(missing) = ["snapshot", "nodes", "edges", "strings"]
            .iter()
            .find(|section| !self.seen.contains(section))
        {
            return Err(scanner.format(&format!("the section \"{missing}\" is missing")));
        }
        let meta = self.meta(scanner)?;
        if self.node_type.is_empty() {
            return Err(scanner.format("there are no nodes"));
        }
        if self.highest_string as usize >= self.strings.len() {
            return Err(scanner.format(&format!(
                "string {} is used, but there are {} strings",
                self.highest_string,
                self.strings.len()
            )));
        }
        let root = Divider::new(meta.node_width)
            .exact(meta.root_index, self.node_type.len() as u64)
            .ok_or_else(|| {
                scanner.format(&format!(
                    "snapshot.root_index is {}, where no node begins",
                    meta.root_index
                ))
            })?;
        self.control.report(Phase::Read, 1, 1)?;
        Ok(Graph {
            node_kinds: meta.node_kinds,
            node_type_names: meta.node_type_names,
            extra_native_bytes: meta.extra_native_bytes,
            root,
            node_type: self.node_type,
            node_name: self.node_name,
            node_id: self.node_id,
            sizes: self.sizes,
            type_sums: self.type_sums,
            sources: Sources::of(&self.first_edge),
            first_edge: self.first_edge,
            edge_to: self.edge_to,
            edge_label: self.edge_label,
            wide_labels: self.wide_labels,
            detached: self.detached,
            locations: self.locations,
            strings: self.strings,
            ephemerons: self.ephemerons,
            snapshot_bytes: scanner.offset(),
        })
    }
}

/// Whether the name of such a node is data of the program rather than the name of something.
pub(crate) fn is_value(kind: NodeKind) -> bool {
    matches!(
        kind,
        NodeKind::String
            | NodeKind::ConsString
            | NodeKind::SlicedString
            | NodeKind::Number
            | NodeKind::BigInt
            | NodeKind::RegExp
            | NodeKind::Symbol
    )
}

/// The id of the table, and the part that both edges of the entry share.
fn ephemeron(name: &[u8]) -> Option<(u32, &[u8])> {
    // Most names that begin with a digit are numbers.
    let digits = name.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if name.get(digits) != Some(&b' ') {
        return None;
    }
    let text = std::str::from_utf8(name).ok()?;
    let entry = weak_map_entry(text)?;
    Some((entry.table_id.parse().ok()?, &name[entry.index.len()..]))
}

/// The parts of an edge name like `7 / part of key (Key @11) -> value (Value @13) pair in WeakMap (table @17)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WeakMapEntry<'a> {
    pub(crate) index: &'a str,
    pub(crate) key: &'a str,
    pub(crate) key_id: &'a str,
    pub(crate) value: &'a str,
    pub(crate) value_id: &'a str,
    pub(crate) table_id: &'a str,
}

/// Takes the name of an edge of a WeakMap entry apart, accepting exactly what DevTools does. Key and value are
/// texts of the program and may look like anything, also like the rest of the name.
pub(crate) fn weak_map_entry(name: &str) -> Option<WeakMapEntry<'_>> {
    const BETWEEN: &str = ") -> value (";
    let is_id = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (index, rest) = name.split_once(" / part of key (")?;
    let (pair, table) = rest.rsplit_once(") pair in WeakMap (table @")?;
    let table_id = table.strip_suffix(')')?;
    if !is_id(index) || !is_id(table_id) || name.contains(['\n', '\r', '\u{2028}', '\u{2029}']) {
        return None;
    }
    let with_id = |text: &'_ str| {
        let at = text.rfind(" @")?;
        is_id(&text[at + 2..]).then_some(at)
    };
    pair.match_indices(BETWEEN).find_map(|(at, _)| {
        let (left, right) = (&pair[..at], &pair[at + BETWEEN.len()..]);
        let (key_end, value_end) = (with_id(left)?, with_id(right)?);
        Some(WeakMapEntry {
            index,
            key: &left[..key_end],
            key_id: &left[key_end + 2..],
            value: &right[..value_end],
            value_id: &right[value_end + 2..],
            table_id,
        })
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn names_of_weak_map_entries_are_taken_apart_whatever_stands_in_them() {
        let parts = |name| {
            weak_map_entry(name).map(|entry| {
                [
                    entry.index,
                    entry.key,
                    entry.key_id,
                    entry.value,
                    entry.value_id,
                    entry.table_id,
                ]
            })
        };
        assert_eq!(
            parts("7 / part of key (Key @11) -> value (Value @13) pair in WeakMap (table @17)"),
            Some(["7", "Key", "11", "Value", "13", "17"])
        );
        assert_eq!(
            parts("7 / part of key (K) -> value (x @11) -> value ( @1) pair in WeakMap (table @2) @13) pair in WeakMap (table @17)"),
            Some(["7", "K) -> value (x", "11", " @1) pair in WeakMap (table @2)", "13", "17"])
        );
        for not in [
            "",
            "7",
            "x / part of key (Key @11) -> value (Value @13) pair in WeakMap (table @17)",
            "7 / part of key (Key) -> value (Value @13) pair in WeakMap (table @17)",
            "7 / part of key (Key @11) -> value (Value @) pair in WeakMap (table @17)",
            "7 / part of key (Key @11) -> value (Value @13) pair in WeakMap (table @17) ",
            "7 / part of key (K\ney @11) -> value (Value @13) pair in WeakMap (table @17)",
        ] {
            assert_eq!(parts(not), None, "{not}");
        }
    }

    #[test]
    fn division_is_exact_or_refused() {
        for by in 1..=32usize {
            let divider = Divider::new(by);
            for value in (0..2000)
                .chain(u64::MAX - 2000..=u64::MAX)
                .chain([(1 << 32) * by as u64 - by as u64, (1 << 32) * by as u64])
            {
                let wanted = value / by as u64;
                let exact = value % by as u64 == 0 && wanted < u64::from(u32::MAX);
                assert_eq!(
                    divider.exact(value, u64::from(u32::MAX)),
                    exact.then_some(wanted as u32),
                    "{value} / {by}"
                );
            }
        }
    }
}
