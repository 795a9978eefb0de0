//! Heap snapshots: from a `.heapsnapshot` file to the answer, on the machine where the file is.
//!
//! Knows: the file format of V8 (Node 18 to 26, Chrome), and the rules by which Chrome DevTools decides what
//! keeps what alive. Must never know: napi, a running isolate, how a snapshot came to be.
//! Cannot see: memory that no node of the snapshot stands for (native heaps, code pages, free space); contents
//! of numbers unless the snapshot was taken with `exposeNumericValues`; who allocated an object.
//! All of it is safe Rust, iterative, and started and stopped by a [`Control`]; with `threads: 1` no thread is
//! started, which a forked child needs.
//!
//! ```text
//! source ─► scan ─► meta, parse ─► graph ─► essential ─► dominators ─► retained ─┐
//!                                    └────► distances ──────────────────────────┴─► report, diff
//! source ─► scan ─► redact ─► file
//! ```

#![forbid(unsafe_code)]

mod analysis;
mod backing_stores;
mod classes;
mod closures;
mod control;
mod diff;
mod distances;
mod dominators;
mod essential;
mod graph;
mod growth;
mod holders;
mod json;
mod keys;
mod meta;
mod ours;
mod parse;
mod paths;
mod places;
mod plain_objects;
mod redact;
mod report;
mod retained;
mod scan;
mod source;
mod strings;
mod suspects;

pub use analysis::{Analysis, Input};
pub use control::{Control, Phase, Runs, RUNS};
pub use diff::compare;
pub use essential::Rules;
pub use graph::{Graph, Ordinal};
pub use holders::holders;
pub use redact::{redact, redact_stream, Redacted};
pub use report::{report, ReportOptions};

#[cfg(test)]
mod broken;
#[cfg(test)]
mod judge;
#[cfg(test)]
mod sketch;
