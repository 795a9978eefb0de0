//! Heap snapshots: analysis, comparison and redaction, on libuv's pool or, in a forked child, on its only thread.
//!
//! Results leave as JSON text and failures as a code and a message, so that JavaScript makes objects and errors of
//! its own realm. A run has a number by which its progress is read and by which it is cancelled.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::Path;
use std::sync::Arc;

use napi::bindgen_prelude::{AsyncTask, Float64Array, Task};
use napi::Env;
use napi_derive::napi;

use super::Result;
use crate::base::error::{Code, Failure};
use crate::heap::{compare, read, redact, report, Control, Input, ReportOptions, Rules, RUNS};

/// Begins a run; `heap_snapshot_end` must follow.
#[napi(catch_unwind)]
pub fn heap_snapshot_begin() -> u32 {
    RUNS.lock().begin()
}

/// Phase (0 read, 1 dominators, 2 distances, 3 report) and thousandths of it.
#[napi(catch_unwind)]
pub fn heap_snapshot_progress(run: u32) -> Vec<u32> {
    let (phase, permille) = RUNS.lock().control(run).progress();
    vec![phase, permille]
}

/// Asks a run to stop.
#[napi(catch_unwind)]
pub fn heap_snapshot_cancel(run: u32) {
    RUNS.lock().control(run).cancel();
}

/// Ends a run: its number is free.
#[napi(catch_unwind)]
pub fn heap_snapshot_end(run: u32) {
    RUNS.lock().end(run);
}

/// What is to be done. A path of `None` is standard input.
enum Job {
    Analyze {
        path: Option<String>,
        options: ReportOptions,
    },
    Compare {
        before: Option<String>,
        after: Option<String>,
        options: ReportOptions,
    },
    Redact {
        path: Option<String>,
        out: String,
        key: [u8; 16],
    },
}

fn input(path: Option<&str>) -> std::result::Result<Input, Failure> {
    match path {
        Some(path) => Input::file(Path::new(path)),
        None => Input::stdin(),
    }
}

impl Job {
    fn run(&self, threads: usize, control: &Control) -> std::result::Result<String, Failure> {
        match self {
            Job::Analyze { path, options } => {
                let input = input(path.as_deref())?;
                let analysis = read(input, Rules::default(), threads, control)?;
                report(&analysis, options, threads, control)
            }
            Job::Compare {
                before,
                after,
                options,
            } => compare(
                input(before.as_deref())?,
                input(after.as_deref())?,
                options,
                threads,
                control,
            ),
            Job::Redact { path, out, key } => {
                let done = redact(
                    input(path.as_deref())?,
                    Path::new(out),
                    *key,
                    threads,
                    control,
                )?;
                Ok(format!(
                    "{{\"redactedCount\":{},\"keptCount\":{},\"snapshotBytes\":{}}}",
                    done.redacted_count, done.kept_count, done.snapshot_bytes
                ))
            }
        }
    }
}

/// A job on libuv's pool.
pub struct SnapshotTask {
    job: Job,
    threads: usize,
    control: Arc<Control>,
}

impl Task for SnapshotTask {
    type Output = Vec<String>;
    type JsValue = Vec<String>;

    fn compute(&mut self) -> napi::Result<Self::Output> {
        // A panic here would cross a C frame and take the host down.
        let result = catch_unwind(AssertUnwindSafe(|| {
            self.job.run(self.threads, &self.control)
        }));
        let failure = match result {
            Ok(Ok(text)) => return Ok(vec![text]),
            Ok(Err(failure)) => failure,
            Err(panic) => Failure::new(
                Code::Internal,
                panic
                    .downcast_ref::<String>()
                    .map(String::as_str)
                    .or_else(|| panic.downcast_ref::<&str>().copied())
                    .unwrap_or("a panic without a text"),
            ),
        };
        Ok(vec![failure.code.as_str().to_owned(), failure.message])
    }

    fn resolve(&mut self, _: Env, output: Self::Output) -> napi::Result<Self::JsValue> {
        Ok(output)
    }
}

fn task(run: u32, threads: u32, job: Job) -> AsyncTask<SnapshotTask> {
    AsyncTask::new(SnapshotTask {
        job,
        threads: threads as usize,
        control: RUNS.lock().control(run),
    })
}

fn options(top: u32, retainers: u32, filter: Option<String>, id: Option<u32>) -> ReportOptions {
    ReportOptions {
        top: top as usize,
        retainers: retainers as usize,
        filter,
        id,
    }
}

/// Analyzes one snapshot; resolves to `[json]` or `[code, message]`.
#[napi(catch_unwind)]
pub fn analyze_heap_snapshot(
    run: u32,
    threads: u32,
    path: Option<String>,
    top: u32,
    retainers: u32,
    filter: Option<String>,
    id: Option<u32>,
) -> AsyncTask<SnapshotTask> {
    let options = options(top, retainers, filter, id);
    task(run, threads, Job::Analyze { path, options })
}

/// Compares two snapshots; resolves to `[json]` or `[code, message]`.
#[napi(catch_unwind)]
pub fn compare_heap_snapshots(
    run: u32,
    threads: u32,
    before: Option<String>,
    after: Option<String>,
    top: u32,
    retainers: u32,
    filter: Option<String>,
) -> AsyncTask<SnapshotTask> {
    let options = options(top, retainers, filter, None);
    task(
        run,
        threads,
        Job::Compare {
            before,
            after,
            options,
        },
    )
}

/// Writes a redacted copy; `key` is 16 bytes. Resolves to `[json]` or `[code, message]`.
#[napi(catch_unwind)]
pub fn redact_heap_snapshot(
    run: u32,
    threads: u32,
    path: Option<String>,
    out: String,
    key: &[u8],
) -> Result<AsyncTask<SnapshotTask>> {
    let key = key
        .try_into()
        .map_err(|_| Failure::new(Code::Internal, "the key of a redaction is not 16 bytes"))?;
    Ok(task(run, threads, Job::Redact { path, out, key }))
}

/// Analyzes one snapshot on this thread, and on no other if `threads` is 1: for a forked child.
#[napi(catch_unwind)]
pub fn analyze_heap_snapshot_sync(
    threads: u32,
    path: String,
    top: u32,
    retainers: u32,
    filter: Option<String>,
) -> Result<String> {
    let job = Job::Analyze {
        path: Some(path),
        options: options(top, retainers, filter, None),
    };
    Ok(job.run(threads as usize, &Control::new())?)
}

/// Every node's numbers, five by five (see `Analysis::table`); for the tests against other tools.
#[napi(catch_unwind)]
pub fn heap_snapshot_table(
    path: String,
    user_roots: bool,
    ephemerons: bool,
    attribute: bool,
    threads: u32,
) -> Result<Float64Array> {
    let rules = Rules {
        user_roots,
        ephemerons,
        attribute,
    };
    let analysis = read(
        Input::file(Path::new(&path))?,
        rules,
        threads as usize,
        &Control::new(),
    )?;
    Ok(Float64Array::new(analysis.table().concat()))
}

/// Reads and works out a snapshot without a report: what other tools' "parse and retained sizes" is. Nodes, edges
/// and the retained size of the root; for the benchmark.
#[napi(catch_unwind)]
pub fn heap_snapshot_core(path: String, threads: u32) -> Result<Vec<f64>> {
    let analysis = read(
        Input::file(Path::new(&path))?,
        Rules::default(),
        threads as usize,
        &Control::new(),
    )?;
    let graph = analysis.graph();
    Ok(vec![
        graph.node_count() as f64,
        graph.edge_count() as f64,
        analysis.total_bytes() as f64,
    ])
}
