//! Heap snapshots: from a `.heapsnapshot` file to the answer, on the machine where the file is.
//!
//! Knows: the file format of V8 (Node 18 to 26, Chrome), and the rules by which Chrome DevTools decides what
//! keeps what alive. Out of scope: napi, a running isolate, how a snapshot came to be.
//! Limitations: a snapshot has no node for native heaps, code pages and free space; it has no values of numbers unless it was taken with
//! `exposeNumericValues`; and it does not say who allocated an object.
//! All of it is safe Rust, iterative, and started and stopped by a [`Control`]; with `threads: 1` no thread is
//! started, which a forked child needs.
//!
//! ```text
//! source ─► scan ─► meta, parse ─► graph ─► essential ─► dominators ─► retained ─┐
//!                                    └────► distances ──────────────────────────┴─► report, diff
//! source ─► scan ─► redact ─► file
//! ```

#![forbid(unsafe_code)]

pub(crate) mod control;
pub(crate) mod diff;
pub(crate) mod graph;
pub(crate) mod json;
pub(crate) mod paths;
pub(crate) mod report;
pub mod snapshot_file;
pub(crate) mod solve;
pub(crate) mod subject;
pub(crate) mod two_threads;

#[cfg(test)]
mod broken;
#[cfg(test)]
pub(crate) mod sketch;

pub use control::{Control, Phase, Runs, RUNS};
pub use graph::{Graph, Ordinal};
pub use report::holders::holders;
pub use report::report;
pub use snapshot_file::redact::{redact, redact_stream, Redacted};
pub use snapshot_file::Input;
pub use solve::essential::Rules;
pub use solve::Analysis;
pub use subject::ReportOptions;

use crate::base::error::Failure;

/// Reads a snapshot and works it out, on up to `threads` threads (1: this one only; 2 is the most that is used).
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
    let graph = snapshot_file::read(input, threads, control)?;
    Analysis::of(graph, rules, threads, control)
}

/// Compares two snapshots and writes the result as JSON.
///
/// # Errors
///
/// Any `ERR_OFFHEAP_SNAPSHOT_…` of either file, `ERR_OFFHEAP_ABORTED`.
pub fn compare(
    before: Input,
    after: Input,
    options: &ReportOptions,
    threads: usize,
    control: &Control,
) -> Result<String, Failure> {
    let read = |input| read(input, Rules::default(), threads, control);
    diff::compare(|| read(before), || read(after), options, control)
}
