//! The fork itself: what stops the JavaScript thread, and nothing else. `[unsafe]`
//!
//! ```text
//!  quiesce ── read maps ── MADV_DOFORK ── fork ─┬─ parent: MADV_DONTFORK back, go on
//!  └──────────── the measured pause ────────────┘  child:  set up, work, _exit
//! ```
//!
//! Duties of this file: run on the JavaScript thread; on every way out, restore the parent's signal mask and the marks of its
//! mappings; in the child, return a [`Child`] that cannot return into the service's program.
//! Out of scope: V8, napi, what the child does.
//! Limitations: mappings that other threads make or remove between the reading of `maps` and the fork.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::time::{Duration, Instant};

use crate::base::fork_lock::Held;

use super::child::set_up::{self, Child, Setup};
use super::fork_plan;
use super::maps::{AnonymousMapping, Range};
use super::quiesce::PlatformThreads;
use super::sys::{self, Advice};

/// How long to wait for helpers that woke up again.
const SECOND_LOOK: Duration = Duration::from_millis(1);

/// Which of the two processes this is.
#[derive(Debug)]
pub enum Side {
    /// The one that goes on.
    Parent(Forked),
    /// The one that works and ends.
    Child(Child),
}

/// What the fork cost the parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forked {
    /// The child.
    pub pid: i32,
    /// How long this thread stood still. [`super::session`] adds the time of earlier looks.
    pub pause: Duration,
    /// How much of it was the fork alone.
    pub fork: Duration,
    /// Whether V8's helper threads were all idle.
    pub quiet: bool,
    /// How many mappings of V8, marked not to be forked, were forked nevertheless.
    pub included_count: usize,
    /// How many bytes were excluded from the fork.
    pub excluded_bytes: usize,
}

/// Why there was no fork.
#[derive(Debug)]
pub enum NoFork {
    /// V8's helper threads were busy until the time limit.
    Busy(Duration),
    /// The kernel refused to fork.
    Refused(io::Error),
    /// `/proc/self/maps` cannot be read.
    Maps(io::Error),
}

/// How to fork.
pub struct Request<'a> {
    /// V8's helper threads.
    pub threads: &'a PlatformThreads,
    /// How long to wait for them.
    pub quiesce_limit: Duration,
    /// Whether to fork although they are busy.
    pub although_busy: bool,
    /// The private anonymous mappings as they were a moment ago.
    pub mappings: &'a [AnonymousMapping],
    /// The memory that the child most likely does not need.
    pub exclude: &'a [Range],
    /// `/proc/self/maps`, already open: at the limit of descriptors it could not be opened here.
    pub maps: &'a File,
    /// What the child needs.
    pub setup: &'a Setup,
    /// Takes the locks that the child must find free. They are released in both processes after the fork.
    pub hold: &'a dyn Fn() -> Vec<Box<dyn Held>>,
}

/// Forks, and makes the other process a probe child.
pub fn fork(request: &Request<'_>, text: &mut Vec<u8>) -> Result<Side, NoFork> {
    let start = Instant::now();
    let quiet = request.threads.quiesce(request.quiesce_limit);
    if !quiet && !request.although_busy {
        return Err(NoFork::Busy(start.elapsed()));
    }
    let (include, exclude) = plan(request, text).map_err(NoFork::Maps)?;
    let included = Marked::new(include, Advice::DoFork, Advice::DontFork);
    let excluded = Marked::new(exclude, Advice::DontFork, Advice::DoFork);
    // With thousands of mappings this took a while, and another thread may have woken a helper.
    let quiet = quiet && request.threads.quiesce(SECOND_LOOK);
    if !quiet && !request.although_busy {
        return Err(NoFork::Busy(start.elapsed()));
    }
    let held = (request.hold)();
    // No handler of Node's may run in the child before it has been set up.
    let signals = BlockedSignals::new();

    let before = Instant::now();
    // SAFETY: the child goes on with this one thread. glibc's fork leaves malloc usable in it. `set_up::set_up` deals with
    // everything else that other threads may have held — fork(2), "NOTES"; pthread_atfork(3).
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // No guard may be dropped here: `set_up` resets the mask, and the marks are the parent's.
        std::mem::forget(signals);
        let excluded = std::mem::ManuallyDrop::new(excluded);
        std::mem::forget(included);
        let child = set_up::set_up(request.setup, excluded.ranges.clone());
        // After the set-up: releasing a lock may take another one.
        for lock in held {
            // SAFETY: a forked process has one thread — fork(2).
            unsafe { lock.give_back_in_child() };
        }
        return Ok(Side::Child(child));
    }
    let error = io::Error::last_os_error();
    let fork = before.elapsed();
    drop(signals);
    drop(held);
    let (included_count, excluded_bytes) = (
        included.ranges.len(),
        excluded
            .ranges
            .iter()
            .map(|range| range.byte_length())
            .sum(),
    );
    drop(included);
    drop(excluded);
    if pid < 0 {
        return Err(NoFork::Refused(error));
    }
    Ok(Side::Parent(Forked {
        pid,
        pause: start.elapsed(),
        fork,
        quiet,
        included_count,
        excluded_bytes,
    }))
}

/// What to include: the mappings that V8 has marked `MADV_DONTFORK`. And what to exclude of the memory that the child does not need:
/// nothing that V8 has mapped in its place meanwhile.
fn plan(request: &Request<'_>, text: &mut Vec<u8>) -> io::Result<(Vec<Range>, Vec<Range>)> {
    read_maps(request.maps, text)?;
    let mut plan = fork_plan::plan(text, request.mappings, request.exclude);
    if !plan.unknown.is_empty() {
        let page = request.setup.page;
        for range in &plan.unknown {
            if range.byte_length() > page {
                sys::advise(range.start, page, Advice::DoFork);
            }
        }
        read_maps(request.maps, text)?;
        let mut found = fork_plan::splits(text, &plan.unknown, &plan.include, page);
        plan.include.append(&mut found);
    }
    let included = plan.include;
    plan.exclude.retain(|range| {
        !included
            .iter()
            .any(|other| other.start < range.end && range.start < other.end)
    });
    Ok((included, plan.exclude))
}

fn read_maps(mut maps: &File, text: &mut Vec<u8>) -> io::Result<()> {
    text.clear();
    maps.rewind()?;
    maps.read_to_end(text)?;
    Ok(())
}

/// Marks ranges for the fork. Dropping this restores their marks.
struct Marked {
    ranges: Vec<Range>,
    before: Advice,
}

impl Marked {
    fn new(ranges: Vec<Range>, now: Advice, before: Advice) -> Self {
        for range in &ranges {
            sys::advise(range.start, range.byte_length(), now);
        }
        Marked { ranges, before }
    }
}

impl Drop for Marked {
    fn drop(&mut self) {
        for range in &self.ranges {
            sys::advise(range.start, range.byte_length(), self.before);
        }
    }
}

/// Blocks every signal on this thread until it is dropped.
struct BlockedSignals(libc::sigset_t);

impl BlockedSignals {
    fn new() -> Self {
        // SAFETY: a sigset is plain bits; sigfillset below initializes it.
        let mut all: libc::sigset_t = unsafe { std::mem::zeroed() };
        // SAFETY: the pointer is to a local — sigfillset(3).
        unsafe { libc::sigfillset(&mut all) };
        let mut before = all;
        // SAFETY: both pointers are to locals that live through the call — pthread_sigmask(3).
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before) };
        BlockedSignals(before)
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        // SAFETY: the mask is the one that pthread_sigmask gave out in `new` — pthread_sigmask(3).
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, std::ptr::null_mut()) };
    }
}

/// Why the kernel refused a thread or a process, with the limits that are the likely cause.
pub fn cause(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EAGAIN) => {
            let processes = sys::limit(libc::RLIMIT_NPROC)
                .map_or("none".to_string(), |limit| limit.to_string());
            let pids = ["/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/pids/pids.max"]
                .iter()
                .find_map(|path| std::fs::read_to_string(path).ok());
            format!(
                "EAGAIN: a limit on processes and threads is reached; RLIMIT_NPROC is {processes}, pids.max of the cgroup is {}",
                pids.as_deref().map_or("not known", str::trim)
            )
        }
        Some(libc::ENOMEM) => {
            "ENOMEM: the kernel does not promise the memory; see vm.overcommit_memory and RLIMIT_AS"
                .into()
        }
        Some(libc::EPERM | libc::ENOSYS) => format!("{error}: a seccomp filter forbids it"),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_fork_names_the_limit_that_is_the_likely_cause() {
        let of = |errno| cause(&io::Error::from_raw_os_error(errno));
        assert!(of(libc::EAGAIN).contains("RLIMIT_NPROC is"));
        assert!(of(libc::ENOMEM).contains("vm.overcommit_memory"));
        assert!(of(libc::EPERM).contains("seccomp"));
        assert!(of(libc::EINTR).contains("Interrupted"));
    }
}
