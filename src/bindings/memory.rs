//! `memory()`, `residentBreakdown()`, `trim()` and what of them works here.

use napi::bindgen_prelude::AsyncTask;
use napi::{Env, JsError, Task};
use napi_derive::napi;

use super::Result;
use crate::base::error::{Code, Failure};
use crate::memory::breakdown::{Engine, Table};
use crate::memory::{self, JsThread, Trimmed};

/// What only native code can read. A missing field cannot be measured.
#[napi(object)]
pub struct NativeMemory {
    /// The resident set.
    pub rss: Option<f64>,
    /// Its anonymous part.
    pub rss_anon_bytes: Option<f64>,
    /// Its file part.
    pub rss_file_bytes: Option<f64>,
    /// Its shared-memory part.
    pub rss_shmem_bytes: Option<f64>,
    /// The isolate's true external counter.
    pub declared_external_bytes: f64,
    /// The limit that binds.
    pub cgroup_limit_bytes: Option<f64>,
    /// The usage of the cgroup with that limit.
    pub cgroup_usage_bytes: Option<f64>,
    /// The same without reclaimable file cache.
    pub cgroup_working_set_bytes: Option<f64>,
    /// 1 or 2.
    pub cgroup_version: Option<u32>,
    /// The machine's memory.
    pub machine_total_bytes: Option<f64>,
    /// What of it could be had.
    pub machine_available_bytes: Option<f64>,
}

/// Reads the cheap figures.
#[napi(catch_unwind)]
pub fn read_memory(env: &Env) -> Result<NativeMemory> {
    let declared = declared_external_bytes(env)?;
    let memory = memory::memory();
    let resident = memory.resident;
    let cgroup = memory.cgroup;
    Ok(NativeMemory {
        rss: resident.map(|resident| resident.rss_bytes as f64),
        rss_anon_bytes: resident.and_then(|resident| number(resident.anon_bytes)),
        rss_file_bytes: resident.and_then(|resident| number(resident.file_bytes)),
        rss_shmem_bytes: resident.and_then(|resident| number(resident.shmem_bytes)),
        declared_external_bytes: declared as f64,
        cgroup_limit_bytes: number(cgroup.as_ref().and_then(|cgroup| cgroup.limit_bytes)),
        cgroup_usage_bytes: number(cgroup.as_ref().and_then(|cgroup| cgroup.usage_bytes)),
        cgroup_working_set_bytes: number(
            cgroup.as_ref().and_then(|cgroup| cgroup.working_set_bytes),
        ),
        cgroup_version: cgroup.map(|cgroup| u32::from(cgroup.version.number())),
        machine_total_bytes: memory.machine.map(|machine| machine.total_bytes as f64),
        machine_available_bytes: number(memory.machine.and_then(|machine| machine.available_bytes)),
    })
}

/// The isolate's true external counter. Adding nothing to it is the only way to read it; V8 collects nothing on that occasion.
#[napi(catch_unwind, js_name = "declaredExternalBytes")]
pub fn read_declared_external_bytes(env: &Env) -> Result<f64> {
    Ok(declared_external_bytes(env)? as f64)
}

fn declared_external_bytes(env: &Env) -> Result<i64> {
    env.adjust_external_memory(0)
        .map_err(|error| napi::Error::new(Code::Internal, error.reason.clone()))
}

fn number(bytes: Option<u64>) -> Option<f64> {
    bytes.map(|bytes| bytes as f64)
}

/// What works here; a reason stands for "does not".
#[napi(object)]
pub struct ResidentSupport {
    /// Why there are no cgroup figures.
    pub cgroup: Option<String>,
    /// Why there is no breakdown.
    pub breakdown: Option<String>,
    /// Why nothing can be trimmed.
    pub trim: Option<String>,
    /// 1 or 2.
    pub cgroup_version: Option<u32>,
}

/// Asks what works here.
#[napi(catch_unwind)]
pub fn resident_support() -> ResidentSupport {
    let available = memory::available();
    ResidentSupport {
        cgroup: available.cgroup,
        breakdown: available.breakdown,
        trim: available.trim,
        cgroup_version: available.cgroup_version.map(u32::from),
    }
}

/// What V8 and Node count in the asking isolate.
#[napi(object)]
pub struct EngineFigures {
    /// `process.memoryUsage().arrayBuffers`
    pub array_buffers_bytes: f64,
    /// `process.memoryUsage().external`
    pub external_bytes: f64,
    /// `v8.getHeapStatistics().total_physical_size`
    pub physical_bytes: f64,
    /// Before V8 14, `external` counts WebAssembly memory.
    pub external_counts_web_assembly: bool,
    /// Ask malloc what of its memory is in use.
    pub ask_malloc: bool,
}

/// The rows of the table.
#[napi(object)]
pub struct ResidentTable {
    /// The sum of the rows.
    pub rss: f64,
    /// Row.
    pub v8_heap_bytes: f64,
    /// Row.
    pub web_assembly_bytes: f64,
    /// Row.
    pub array_buffers_bytes: f64,
    /// Row.
    pub malloc_in_use_bytes: Option<f64>,
    /// Row.
    pub malloc_free_bytes: Option<f64>,
    /// Row.
    pub malloc_undivided_bytes: Option<f64>,
    /// Row.
    pub thread_stacks_bytes: f64,
    /// Row.
    pub file_mappings_bytes: f64,
    /// Row.
    pub shared_memory_bytes: f64,
    /// Row.
    pub other_anonymous_bytes: f64,
    /// Row.
    pub unexplained_bytes: f64,
    /// Beside the rows.
    pub other_external_bytes: Option<f64>,
    /// Beside the rows.
    pub malloc_free_at_most_bytes: Option<f64>,
    /// Beside the rows.
    pub not_resident_bytes: Option<f64>,
    /// Beside the rows.
    pub swapped_bytes: f64,
    /// Beside the rows.
    pub largest: Vec<UnexplainedRegion>,
}

/// A region that nobody accounts for.
#[napi(object)]
pub struct UnexplainedRegion {
    /// Resident bytes.
    pub bytes: f64,
    /// Its addresses.
    pub name: String,
}

/// Fills the table on a thread of libuv's pool.
pub struct BreakdownTask {
    engine: Engine,
    js_thread: JsThread,
    ask_malloc: bool,
    failure: Option<Failure>,
}

impl Task for BreakdownTask {
    type Output = Table;
    type JsValue = ResidentTable;

    fn compute(&mut self) -> napi::Result<Table> {
        memory::breakdown(self.engine, self.js_thread, self.ask_malloc).map_err(|failure| {
            let error = napi::Error::from_reason(failure.message.clone());
            self.failure = Some(failure);
            error
        })
    }

    fn resolve(&mut self, _: Env, table: Table) -> napi::Result<ResidentTable> {
        Ok(ResidentTable {
            rss: table.rss_bytes as f64,
            v8_heap_bytes: table.v8_heap_bytes as f64,
            web_assembly_bytes: table.web_assembly_bytes as f64,
            array_buffers_bytes: table.array_buffers_bytes as f64,
            malloc_in_use_bytes: number(table.malloc_in_use_bytes),
            malloc_free_bytes: number(table.malloc_free_bytes),
            malloc_undivided_bytes: number(table.malloc_undivided_bytes),
            thread_stacks_bytes: table.thread_stacks_bytes as f64,
            file_mappings_bytes: table.file_mappings_bytes as f64,
            shared_memory_bytes: table.shared_memory_bytes as f64,
            other_anonymous_bytes: table.other_anonymous_bytes as f64,
            unexplained_bytes: table.unexplained_bytes as f64,
            other_external_bytes: number(table.other_external_bytes),
            malloc_free_at_most_bytes: number(table.malloc_free_at_most_bytes),
            not_resident_bytes: number(table.not_resident_bytes),
            swapped_bytes: table.swapped_bytes as f64,
            largest: table
                .largest
                .iter()
                .map(|region| UnexplainedRegion {
                    bytes: region.resident_bytes as f64,
                    name: format!("{:#x}-{:#x}", region.start, region.end),
                })
                .collect(),
        })
    }

    fn reject(&mut self, env: Env, error: napi::Error) -> napi::Result<ResidentTable> {
        match self.failure.take() {
            Some(failure) => Err(coded(env, failure)),
            None => Err(error),
        }
    }
}

/// A task's own error type has no room for our codes: the JavaScript error is made here and carried through.
fn coded(env: Env, failure: Failure) -> napi::Error {
    napi::Error::from(JsError::from(napi::Error::<Code>::from(failure)).into_unknown(env))
}

/// Starts the breakdown. The engine's figures and this thread's stack are taken now.
#[napi(catch_unwind)]
pub fn resident_breakdown(env: &Env, figures: EngineFigures) -> Result<AsyncTask<BreakdownTask>> {
    Ok(AsyncTask::new(BreakdownTask {
        engine: Engine {
            array_buffers_bytes: figures.array_buffers_bytes as u64,
            external_bytes: figures.external_bytes as u64,
            declared_bytes: u64::try_from(declared_external_bytes(env)?).unwrap_or(0),
            external_counts_web_assembly: figures.external_counts_web_assembly,
            v8_physical_bytes: figures.physical_bytes as u64,
        },
        js_thread: JsThread::current(),
        ask_malloc: figures.ask_malloc,
        failure: None,
    }))
}

/// What `trim` brought. Missing fields: there is nothing to call here.
#[napi(object)]
pub struct TrimResult {
    /// Resident bytes given back.
    pub released_bytes: Option<f64>,
    /// How long malloc was busy.
    pub duration_ms: Option<f64>,
}

/// Gives memory back on a thread of libuv's pool.
pub struct TrimTask;

impl Task for TrimTask {
    type Output = Option<Trimmed>;
    type JsValue = TrimResult;

    fn compute(&mut self) -> napi::Result<Option<Trimmed>> {
        Ok(memory::trim())
    }

    fn resolve(&mut self, _: Env, trimmed: Option<Trimmed>) -> napi::Result<TrimResult> {
        Ok(TrimResult {
            released_bytes: number(trimmed.map(|trimmed| trimmed.released_bytes)),
            duration_ms: trimmed.map(|trimmed| trimmed.duration_ns as f64 / 1e6),
        })
    }
}

/// Starts to give memory back.
#[napi(catch_unwind)]
pub fn trim_malloc() -> AsyncTask<TrimTask> {
    AsyncTask::new(TrimTask)
}
