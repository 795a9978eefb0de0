//! The probe for JavaScript: start, fork, events. The loop over attempts is in `lib/probe/`.
//!
//! In the child, [`probe_fork`] calls the function that it was given and ends the process: it never returns there.

use std::cell::Cell;
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::time::Duration;

use napi::bindgen_prelude::{Buffer, BufferSlice, Function};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi::{Env, Status};
use napi_derive::napi;

use crate::addons::hooks;
use crate::base::error::{Code, Failure};
use crate::base::fork_lock::Held;
use crate::external::process;
use crate::probe::child::report;
use crate::probe::delay_abort;
use crate::probe::messages::Event;
use crate::probe::outcome::{self, Stopped};
use crate::probe::pipe_protocol::{Kind, EXIT_BUG, EXIT_CALLED, EXIT_OUTPUT, MAX_PAYLOAD};
use crate::probe::prepare::Options;
use crate::probe::scratch_place::ScratchPlace;
use crate::probe::session::{self, Process};
use crate::probe::slots;
use crate::probe::sys::Ended;

use super::Result;

/// Why no probe is possible here; `null` where one is.
#[napi(catch_unwind)]
pub fn probe_unsupported_reason() -> Option<String> {
    slots::slots().err().map(|failure| failure.message)
}

/// What a probe is to do.
#[napi(object)]
pub struct ProbeOptions {
    /// Where the child's output goes.
    pub output: Option<String>,
    /// How many platform threads V8 has.
    pub pool_size: f64,
    /// What the child is expected to need in memory.
    pub expected_bytes: Option<f64>,
    /// `memory`, `disk` or `auto`.
    pub scratch: String,
    /// Whether the contents of large Buffers may be missing in the child.
    pub exclude_memory: bool,
    /// The output's disk must keep this many bytes free.
    pub min_free_disk_bytes: f64,
}

/// An event of the probe's thread.
#[napi(object, object_from_js = false)]
pub struct ProbeEvent {
    /// `prepared`, `failed`, `progress`, `ended` or `closed`.
    pub kind: &'static str,
    /// `prepared`: where the child's working memory comes from, `memory` or `disk`.
    pub scratch: Option<&'static str>,
    /// `failed` and `ended`: the code, when it did not go well.
    pub code: Option<&'static str>,
    /// `ended`: the signal that ended the child, when one did and it was not offheap's.
    pub signal: Option<i32>,
    /// `failed` and `ended`: the error number, when the output is to blame.
    pub errno: Option<i32>,
    /// `failed` and `ended`: the message, when it did not go well.
    pub message: Option<String>,
    /// `progress` and `ended`: the size of the output.
    pub byte_length: Option<f64>,
    /// `ended`: the serialized result.
    pub value: Option<Buffer>,
    /// `ended`: what the function threw, serialized.
    pub thrown: Option<Buffer>,
    /// `ended`: the child's peak of resident memory.
    pub peak_rss_bytes: Option<f64>,
    /// `ended`: how much anonymous memory the child took beside what it started with, where it was measured.
    pub anonymous_growth_bytes: Option<f64>,
}

impl From<Event> for ProbeEvent {
    fn from(event: Event) -> Self {
        let mut made = ProbeEvent {
            kind: "prepared",
            scratch: None,
            code: None,
            message: None,
            signal: None,
            errno: None,
            byte_length: None,
            value: None,
            thrown: None,
            peak_rss_bytes: None,
            anonymous_growth_bytes: None,
        };
        match event {
            Event::Prepared(scratch) => {
                made.scratch = Some(if scratch == ScratchPlace::Disk {
                    "disk"
                } else {
                    "memory"
                })
            }
            Event::Closed => made.kind = "closed",
            Event::Failed(refusal) => {
                made.kind = "failed";
                made.errno = refusal.errno;
                made.fail(refusal.failure);
            }
            Event::Progress(bytes) => {
                made.kind = "progress";
                made.byte_length = Some(bytes as f64);
            }
            Event::Ended(ending) => {
                made.kind = "ended";
                made.peak_rss_bytes = ending.reaped.peak_rss_bytes.map(|bytes| bytes as f64);
                made.anonymous_growth_bytes = ending
                    .peak_anonymous_bytes
                    .zip(ending.anonymous_at_fork_bytes)
                    .map(|(peak, start)| peak.saturating_sub(start) as f64);
                made.errno = ending.report.output_errno;
                made.signal = match (ending.stopped, ending.reaped.ended) {
                    (None, Ended::Killed(signal)) => Some(signal),
                    _ => None,
                };
                match outcome::outcome(*ending) {
                    Ok(outcome) => {
                        made.byte_length = outcome.output_bytes.map(|bytes| bytes as f64);
                        made.value = Some(outcome.value.into());
                        made.thrown = (!outcome.thrown.is_empty()).then(|| outcome.thrown.into());
                    }
                    Err(failure) => made.fail(failure),
                }
            }
        }
        made
    }
}

impl ProbeEvent {
    fn fail(&mut self, failure: Failure) {
        self.code = Some(failure.code.as_str());
        self.message = Some(failure.message);
    }
}

/// Starts a probe and returns its number. `on_event` is called until the probe is closed, and keeps the event loop alive until then.
#[napi(catch_unwind)]
pub fn probe_start(
    env: Env,
    options: ProbeOptions,
    on_event: Function<ProbeEvent, ()>,
) -> Result<u32> {
    let slots = slots::slots()?.to_vec();
    let emit = on_event
        .build_threadsafe_function()
        .callee_handled::<false>()
        .build()
        .map_err(|error| Failure::new(Code::Internal, error.reason.clone()))?;
    let id = session::start(
        Options {
            output: options.output.map(PathBuf::from),
            pool_size: options.pool_size as usize,
            expected_bytes: options.expected_bytes.map(|bytes| bytes as u64),
            scratch: match options.scratch.as_str() {
                "memory" => ScratchPlace::Memory,
                "disk" => ScratchPlace::Disk,
                _ => ScratchPlace::Auto,
            },
            exclude_memory: options.exclude_memory,
            min_free_disk_bytes: options.min_free_disk_bytes as u64,
            slots,
        },
        move |event| emit.call(event.into(), ThreadsafeFunctionCallMode::NonBlocking) == Status::Ok,
    )?;
    end_with_thread(&env)?;
    Ok(id)
}

thread_local! {
    static ENDS_WITH_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// Without this, a worker that ends before its probe would block all later probes of the process. One hook per thread, because hooks
/// per probe would accumulate.
fn end_with_thread(env: &Env) -> Result<()> {
    if !ENDS_WITH_THREAD.get() {
        env.add_env_cleanup_hook((), |()| session::abandon_from_this_thread())
            .map_err(|error| Failure::new(Code::Internal, error.reason.clone()))?;
        ENDS_WITH_THREAD.set(true);
    }
    Ok(())
}

/// What a fork cost.
#[napi(object, object_from_js = false)]
pub struct ProbeFork {
    /// How long the JavaScript thread stood still.
    pub pause_ms: f64,
    /// How much of it was the fork alone.
    pub fork_ms: f64,
    /// Whether V8's helper threads were all idle.
    pub quiet: bool,
    /// The child.
    pub pid: i32,
    /// How many mappings that V8 marks not to be forked were forked nevertheless.
    pub included_count: u32,
    /// How many bytes were excluded from the fork.
    pub excluded_bytes: f64,
}

/// Forks. In the parent: what it cost, or `null` when V8's helper threads are busy. In the child: runs `work`, which
/// must not throw, and ends the process.
#[napi(catch_unwind)]
pub fn probe_fork(
    id: u32,
    quiesce_limit_ms: f64,
    although_busy: bool,
    timeout_ms: f64,
    work: Function<(), ()>,
) -> Result<Option<ProbeFork>> {
    let session =
        session::find(id).ok_or_else(|| Failure::new(Code::Internal, "the probe has ended"))?;
    let limit = Duration::from_secs_f64(quiesce_limit_ms / 1000.0);
    let timeout = Duration::from_secs_f64(timeout_ms / 1000.0);
    match session.fork_child(limit, although_busy, timeout, &hold_locks)? {
        None => Ok(None),
        Some(Process::Parent(forked)) => Ok(Some(ProbeFork {
            pause_ms: forked.pause.as_secs_f64() * 1000.0,
            fork_ms: forked.fork.as_secs_f64() * 1000.0,
            quiet: forked.quiet,
            pid: forked.pid,
            included_count: forked.included_count as u32,
            excluded_bytes: forked.excluded_bytes as f64,
        })),
        Some(Process::Child(child, output)) => {
            OUTPUT_FD.store(output.unwrap_or(-1), Ordering::Relaxed);
            // An error, like a panic, drops `child`, and that ends the process.
            if work.call(()).is_err() {
                drop(child);
                report::end(EXIT_BUG);
            }
            child.end()
        }
    }
}

/// How long to wait for each lock. Readings hold a lock for microseconds. If a lock is held longer, the child that needs it ends, and
/// another attempt is made.
const LOCK_LIMIT: Duration = Duration::from_millis(1);

/// The locks of offheap's own functions that may be called in the child.
fn hold_locks() -> Vec<Box<dyn Held>> {
    process::hold_locks(LOCK_LIMIT)
        .chain(hooks::hold_locks(LOCK_LIMIT))
        .chain(super::addons::hold_lock(LOCK_LIMIT))
        .collect()
}

static OUTPUT_FD: AtomicI32 = AtomicI32::new(-1);
static OUTPUT_BYTES: AtomicU64 = AtomicU64::new(0);

fn in_child() -> Result<()> {
    if report::RESULT_FD.load(Ordering::Relaxed) < 0 {
        return Err(Failure::new(Code::Internal, "only a probe's child can report").into());
    }
    Ok(())
}

/// Child only: sends bytes of one kind (`value`, `thrown` or `refused`) to the parent, waiting for it where need be.
#[napi(catch_unwind)]
pub fn probe_child_say(kind: String, bytes: BufferSlice) -> Result<()> {
    in_child()?;
    let kind = match kind.as_str() {
        "value" => Kind::Value,
        "thrown" => Kind::Thrown,
        _ => Kind::Refused,
    };
    for piece in bytes.chunks(MAX_PAYLOAD) {
        report::say(kind, piece);
    }
    Ok(())
}

/// Child only: its process id.
#[napi(catch_unwind)]
pub fn probe_child_pid() -> Result<u32> {
    in_child()?;
    Ok(std::process::id())
}

/// Child only: nothing more will be sent.
#[napi(catch_unwind)]
pub fn probe_child_done() -> Result<()> {
    in_child()?;
    report::say(Kind::Done, &[]);
    Ok(())
}

/// Child only: appends to the output file. Where that fails, reports the reason and ends the child.
#[napi(catch_unwind)]
pub fn probe_child_output(bytes: BufferSlice) -> Result<()> {
    in_child()?;
    let fd: RawFd = OUTPUT_FD.load(Ordering::Relaxed);
    if !report::write_all(fd, &bytes) {
        output_failed();
    }
    OUTPUT_BYTES.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    Ok(())
}

/// Child only: the output is complete; returns when it is on the disk.
#[napi(catch_unwind)]
pub fn probe_child_output_done() -> Result<()> {
    in_child()?;
    if !report::sync(OUTPUT_FD.load(Ordering::Relaxed)) {
        output_failed();
    }
    report::say(
        Kind::OutputDone,
        &OUTPUT_BYTES.load(Ordering::Relaxed).to_le_bytes(),
    );
    Ok(())
}

/// Child only: the function asked for `process.exit()`; ends the child.
#[napi(catch_unwind)]
pub fn probe_child_exit_called() -> Result<()> {
    in_child()?;
    report::say(Kind::ExitCalled, &[]);
    report::end(EXIT_CALLED)
}

fn output_failed() -> ! {
    report::say(Kind::OutputFailed, &report::errno().to_le_bytes());
    report::end(EXIT_OUTPUT)
}

/// Prepares another attempt of a probe whose child has ended.
#[napi(catch_unwind)]
pub fn probe_again(id: u32) -> Result<()> {
    if let Some(session) = session::find(id) {
        session.again();
    }
    Ok(())
}

/// Ends the child; the probe's end is still reported.
#[napi(catch_unwind)]
pub fn probe_stop(id: u32) -> Result<()> {
    if let Some(session) = session::find(id) {
        session.stop(Stopped::Aborted);
    }
    Ok(())
}

/// Ends the probe. After its child was reaped, no more events follow but `closed`.
#[napi(catch_unwind)]
pub fn probe_close(id: u32) -> Result<()> {
    if let Some(session) = session::find(id) {
        session.close();
    }
    Ok(())
}

/// The process is about to exit: kills the child and removes what it has written, at once.
#[napi(catch_unwind)]
pub fn probe_abandon(id: u32) -> Result<()> {
    if let Some(session) = session::find(id) {
        session.abandon();
    }
    Ok(())
}

/// From now on an abort of this process waits for `output`, for at most `limit_ms`, and renames it to `path`; until
/// `probeDelayAbortEnd`. Returns whether it will.
#[napi(catch_unwind)]
pub fn probe_delay_abort_begin(output: String, path: String, limit_ms: f64) -> bool {
    let limit = Duration::from_secs_f64(limit_ms / 1000.0);
    delay_abort::begin(&PathBuf::from(output), &PathBuf::from(path), limit)
}

/// From now on an abort is not delayed.
#[napi(catch_unwind)]
pub fn probe_delay_abort_end() {
    delay_abort::end();
}
