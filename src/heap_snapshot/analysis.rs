//! One snapshot with everything worked out that reports are made of.
//!
//! Knows: in which order the parts run, and which run at the same time. Must never know: what is reported.
//! Limits: holds the graph and seven more numbers per node; see docs/analysis.md for what that comes to.

#![forbid(unsafe_code)]

use std::io::Read;
use std::path::Path;
use std::thread;

use super::control::{Control, Phase};
use super::distances::Distances;
use super::dominators::Dominators;
use super::essential::{Essential, Rules};
use super::graph::{Graph, Sizes};
use super::parse::parse;
use super::retained::{attribute, sole_owners, Retained};
use super::source::Source;
use crate::error::Failure;

/// Where a snapshot comes from.
pub struct Input(Source);

impl Input {
    /// A `.heapsnapshot` or `.heapsnapshot.gz` file.
    pub fn file(path: &Path) -> Result<Input, Failure> {
        Source::open(path).map(Input)
    }

    /// Standard input, plain or gzip.
    pub fn stdin() -> Result<Input, Failure> {
        Source::stdin().map(Input)
    }

    /// Any other stream, plain or gzip; `name` is what messages call it.
    pub fn stream(reader: Box<dyn Read + Send>, name: &str) -> Result<Input, Failure> {
        Source::from_reader(reader, None, name.to_owned()).map(Input)
    }

    pub(crate) fn into_source(self) -> Source {
        self.0
    }
}

/// A snapshot, worked out.
pub struct Analysis {
    pub(crate) graph: Graph,
    /// Shallow sizes as DevTools shows them.
    pub(crate) sizes: Sizes,
    pub(crate) retained: Retained,
    pub(crate) distances: Distances,
}

impl Analysis {
    /// Reads a snapshot and works it out, on up to `threads` threads (1: this one only; 2 is the most that is
    /// used).
    ///
    /// # Errors
    ///
    /// Any `ERR_OFFHEAP_SNAPSHOT_…`, or `ERR_OFFHEAP_ABORTED` once `control` has been cancelled.
    pub fn read(
        input: Input,
        rules: Rules,
        threads: usize,
        control: &Control,
    ) -> Result<Analysis, Failure> {
        let graph = parse(input.into_source(), threads, control)?;
        Analysis::of(graph, rules, threads, control)
    }

    /// Works out a parsed snapshot.
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
        let (tree, walks): (_, Result<_, Failure>) = if threads < 2 {
            (tree(), walks())
        } else {
            thread::scope(|scope| {
                match thread::Builder::new()
                    .name("offheap-walk".to_owned())
                    .spawn_scoped(scope, walks)
                {
                    Ok(handle) => {
                        let tree = tree();
                        let walks = handle
                            .join()
                            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                        (tree, walks)
                    }
                    // No thread to be had: one after the other.
                    Err(_) => (tree(), walks()),
                }
            })
        };
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
