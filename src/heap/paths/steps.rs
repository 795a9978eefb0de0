//! The shortest path to an object, step by step.
//!
//! Knows: the edge over which each object was reached first. Out of scope: words.

#![forbid(unsafe_code)]

use crate::heap::graph::{Graph, Ordinal, NONE};
use crate::heap::solve::distances::Distances;

/// A path is followed for this many steps at most; the end of a list of millions says nothing that its middle
/// does not.
const MAX_STEPS: usize = 100_000;

/// One step of a path: the edge that leads to a node ([`NONE`] at the start).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) edge: u32,
    pub(crate) node: Ordinal,
}

/// The steps from the root's child to `node`; none if nothing reaches it.
pub(crate) fn steps(graph: &Graph, distances: &Distances, node: Ordinal) -> Vec<Step> {
    let mut steps = Vec::new();
    if !distances.is_reached(node) {
        return steps;
    }
    let mut node = node;
    loop {
        let edge = distances.via[node as usize];
        if edge == NONE {
            if node != graph.root {
                steps.push(Step { edge, node });
            }
            break;
        }
        let from = graph.from(edge);
        steps.push(Step { edge, node });
        if from == graph.root || steps.len() == MAX_STEPS {
            break;
        }
        node = from;
    }
    steps.reverse();
    steps
}
