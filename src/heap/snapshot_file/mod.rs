//! Snapshot files: `.heapsnapshot` and `.heapsnapshot.gz`, read into a graph, or copied without their texts; files that are being written, and old
//! ones that are to be deleted.
//!
//! Knows: the file format of V8 (Node 18 to 26, Chrome). Out of scope: what is worked out from a graph.
//! Limitations: see `parse` and `scan`.

#![forbid(unsafe_code)]

pub(crate) mod head;
mod integers;
mod keyed_hash;
mod new_file;
pub(crate) mod parse;
pub mod partial_files;
pub(crate) mod redact;
pub mod retention;
pub(crate) mod scan;
pub(crate) mod source;

use std::io::Read;
use std::path::Path;

use crate::base::error::Failure;
use crate::heap::control::Control;
use crate::heap::graph::Graph;
use crate::heap::snapshot_file::source::Source;

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

/// Reads a snapshot.
///
/// # Errors
///
/// Any `ERR_OFFHEAP_SNAPSHOT_…`, or `ERR_OFFHEAP_ABORTED` once `control` has been cancelled.
pub fn read(input: Input, threads: usize, control: &Control) -> Result<Graph, Failure> {
    parse::parse(input.into_source(), threads, control)
}
