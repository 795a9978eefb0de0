//! Accumulations: where a tenth of the heap or more comes together from many small parts.
//!
//! Knows: the dominator tree. Out of scope: what kind of collection it is.
//! Limitations: parts that something else holds as well have no one object that dominates them.

#![forbid(unsafe_code)]

use rustc_hash::FxHashSet;

use super::{commonest_class, title, Suspect};
use crate::heap::graph::kinds::NodeKind;
use crate::heap::graph::Ordinal;
use crate::heap::paths::labels::is_global;
use crate::heap::subject::Subject;

pub(crate) const KIND: &str = "accumulation";

/// Node's class of its own modules: in a small heap their Map is a tenth of it.
const BUILT_IN: &str = "BuiltinModule";

pub(crate) fn find(subject: &Subject, suspects: &mut Vec<Suspect>) {
    let graph = subject.graph();
    let total = subject.retained(graph.root).max(1);
    let mut seen = FxHashSet::default();
    let mut pending = vec![graph.root];
    while let Some(node) = pending.pop() {
        let children = subject.dominated.by(node);
        let bytes = subject.retained(node);
        let mut largest = 0;
        for &child in children {
            let size = subject.retained(child);
            largest = largest.max(size);
            if size >= total / 10 {
                pending.push(child);
            }
        }
        if node == graph.root || children.len() < 100 || largest > bytes / 3 {
            continue;
        }
        let owner = visible(subject, node);
        if owner == graph.root
            || graph.kind(owner) == NodeKind::Synthetic
            || is_global(graph, owner)
            || !seen.insert(owner)
        {
            continue;
        }
        let commonest = commonest_class(subject, children.iter().copied());
        if commonest == BUILT_IN {
            continue;
        }
        suspects.push(Suspect {
            kind: KIND,
            node: owner,
            count: children.len() as u64,
            bytes: subject.retained(owner),
            text: format!(
                "{} holds {} % of the heap through {} objects, mostly {}",
                title(graph, owner),
                u128::from(subject.retained(owner)) * 100 / u128::from(total),
                children.len(),
                commonest
            ),
        });
    }
}

/// The nearest object of the program that dominates a node of the engine.
fn visible(subject: &Subject, mut node: Ordinal) -> Ordinal {
    let graph = subject.graph();
    while matches!(
        graph.kind(node),
        NodeKind::Hidden | NodeKind::Array | NodeKind::Code | NodeKind::ObjectShape
    ) {
        node = subject.analysis.retained.dominator[node as usize];
    }
    node
}
