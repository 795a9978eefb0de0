//! What is kept of the first snapshot while the second is read: a row for each object, without its graph.
//!
//! Knows: id, class, size and place of each object, and of a string what it says, as a hash.
//! Out of scope: the second snapshot.
//! Limitations: objects without a size are not kept.

#![forbid(unsafe_code)]

use rustc_hash::FxHashMap;

use crate::base::error::Failure;
use crate::base::sum::Sum;
use crate::heap::control::{Control, Ticker};
use crate::heap::graph::kinds::NodeKind;
use crate::heap::graph::{Graph, Ordinal};
use crate::heap::paths::labels::fingerprint;
use crate::heap::paths::places::{Place, Places};
use crate::heap::solve::Analysis;
use crate::heap::subject::{ReportOptions, Subject};

/// What is kept of the first snapshot while the second is read.
pub(super) struct Before {
    /// Sorted by id.
    pub(super) objects: Vec<Object>,
    pub(super) classes: FxHashMap<String, u32>,
    pub(super) shallow: Vec<Sum>,
    pub(super) retained: Vec<u64>,
    /// The places of this snapshot.
    pub(super) places: Vec<Place>,
    pub(super) node_count: u64,
    pub(super) bytes: u64,
}

/// An object of the first snapshot.
#[derive(Clone, Copy)]
pub(super) struct Object {
    pub(super) id: u32,
    /// The class, and [`OURS`] for what is offheap's own.
    tag: u32,
    pub(super) bytes: u64,
    /// Of a string: what it says. V8 never changes that, so it shows whether an id means the same object. 0 for all else.
    pub(super) text: u32,
    /// Where it is held; [`NONE`](crate::heap::graph::NONE) where that is not asked for.
    pub(super) place: u32,
}

const OURS: u32 = 1 << 31;

impl Object {
    pub(super) fn class(&self) -> u32 {
        self.tag & !OURS
    }

    pub(super) fn is_ours(&self) -> bool {
        self.tag & OURS != 0
    }
}

/// What [`Object::text`] is of a node.
pub(super) fn text_of(graph: &Graph, node: Ordinal) -> u32 {
    if graph.kind(node) != NodeKind::String {
        return 0;
    }
    let name = graph.name(node);
    // The kept bytes may be cut at different lengths; the beginning and the length are the same in both.
    let bytes = graph.strings.bytes(name);
    let beginning = &bytes[..bytes.len().min(64)];
    ((fingerprint(beginning) >> 32) as u32 ^ graph.strings.length(name) as u32) | 1
}

impl Before {
    pub(super) fn of(
        analysis: &Analysis,
        options: &ReportOptions,
        control: &Control,
    ) -> Result<Before, Failure> {
        let subject = Subject::new(analysis, options, control);
        let graph = &analysis.graph;
        let sums = subject.class_sums()?;
        let places = match options.retainers {
            0 => Places::none(graph),
            _ => Places::find(graph, &analysis.distances, &subject.classes),
        };
        let mut objects = Vec::new();
        let mut bytes = 0u64;
        let mut ticker = Ticker::new(control);
        for node in graph.nodes() {
            ticker.tick()?;
            let size = analysis.sizes.get(node);
            bytes = bytes.saturating_add(size);
            if size > 0 {
                let ours = analysis.distances.ours.get(node);
                objects.push(Object {
                    id: graph.id(node),
                    tag: subject.classes.of(graph, node) | if ours { OURS } else { 0 },
                    bytes: size,
                    text: text_of(graph, node),
                    place: places.of[node as usize],
                });
            }
        }
        objects.sort_unstable_by_key(|object| object.id);
        Ok(Before {
            objects,
            classes: (0..subject.classes.len() as u32)
                .map(|class| (subject.classes.name(class).to_owned(), class))
                .collect(),
            shallow: sums.shallow,
            retained: sums.retained,
            places: places.list,
            node_count: graph.node_count() as u64,
            bytes,
        })
    }
}
