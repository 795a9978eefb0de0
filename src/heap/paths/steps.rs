//! The shortest path to an object, step by step.
//!
//! Knows: the edge over which each object was reached first. Out of scope: words.
//! Limitations: the middle of a very long path is not kept.

#![forbid(unsafe_code)]

use crate::heap::graph::{Graph, Ordinal, NONE};
use crate::heap::solve::distances::Distances;

/// Of a longer path this many steps are kept at its beginning, where the owner is, and as many at its end; the middle of a list of millions says
/// nothing that these do not.
const KEPT: usize = 2_000;

/// One step of a path: the edge that leads to a node ([`NONE`] at the start). Or, further on with the edge [`NONE`], as many steps as `node` says that
/// were left out.
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
        if from == graph.root {
            break;
        }
        node = from;
    }
    steps.reverse();
    let hidden = steps.len().saturating_sub(2 * KEPT);
    if hidden > 1 {
        let left_out = Step {
            edge: NONE,
            node: hidden as Ordinal,
        };
        steps.splice(KEPT..KEPT + hidden, [left_out]);
    }
    steps
}

/// How many steps a path has, with those that were left out.
pub(crate) fn count(steps: &[Step]) -> usize {
    let hidden = steps.iter().skip(1).find(|step| step.edge == NONE);
    steps.len() + hidden.map_or(0, |step| step.node as usize - 1)
}
