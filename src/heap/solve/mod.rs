//! One snapshot with everything worked out that reports are made of.
//!
//! Knows: in which order the parts run, and which run at the same time. Out of scope: what is reported.
//! Limitations: holds the graph and seven more numbers per node; see docs/heap-analysis.md for what that comes to.

#![forbid(unsafe_code)]

pub(crate) mod distances;
pub(crate) mod dominators;
pub(crate) mod essential;
pub(crate) mod retained;

#[cfg(test)]
mod oracle;

use crate::base::error::Failure;
use crate::heap::control::{Control, Phase};
use crate::heap::graph::{Graph, Sizes};
use crate::heap::solve::distances::Distances;
use crate::heap::solve::dominators::Dominators;
use crate::heap::solve::essential::{Essential, Rules};
use crate::heap::solve::retained::{attribute, sole_owners, Retained};
use crate::heap::two_threads::both;

/// A snapshot, worked out.
pub struct Analysis {
    pub(crate) graph: Graph,
    /// Shallow sizes as DevTools shows them.
    pub(crate) sizes: Sizes,
    pub(crate) retained: Retained,
    pub(crate) distances: Distances,
}

impl Analysis {
    /// Works out a graph, on up to `threads` threads (1: this one only; 2 is the most that is used).
    ///
    /// # Errors
    ///
    /// `ERR_OFFHEAP_ABORTED` once `control` has been cancelled.
    pub fn of(
        graph: Graph,
        rules: Rules,
        threads: usize,
        control: &Control,
    ) -> Result<Analysis, Failure> {
        control.report(Phase::Dominators, 0, 1)?;
        let tree = || {
            let essential = Essential::find(&graph, rules, control)?;
            Dominators::find(&graph, &essential, control)
        };
        let walks = || {
            let owned = if rules.attribute {
                sole_owners(&graph, control)?
            } else {
                Vec::new()
            };
            Ok((owned, Distances::find(&graph, control)?))
        };
        let (tree, walks): (_, Result<_, Failure>) = both(threads, "offheap-walk", tree, walks);
        let tree = tree?;
        let (owned, distances) = walks?;
        control.report(Phase::Distances, 1, 1)?;
        let mut graph = graph;
        let mut sizes = std::mem::take(&mut graph.sizes);
        attribute(&mut sizes, &owned);
        let retained = Retained::add_up(tree, &sizes);
        Ok(Analysis {
            graph,
            sizes,
            retained,
            distances,
        })
    }

    /// The graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// What the root retains: everything.
    pub fn total_bytes(&self) -> u64 {
        self.retained.bytes[self.graph.root as usize]
    }

    /// Id, shallow size, retained size, id of the dominator and distance of every node, in the order of the
    /// file; for tests against other tools.
    pub fn table(&self) -> Vec<[f64; 5]> {
        self.graph
            .nodes()
            .map(|node| {
                [
                    f64::from(self.graph.id(node)),
                    self.sizes.get(node) as f64,
                    self.retained.bytes[node as usize] as f64,
                    f64::from(self.graph.id(self.retained.dominator[node as usize])),
                    f64::from(self.distances.raw(node)),
                ]
            })
            .collect()
    }
}
