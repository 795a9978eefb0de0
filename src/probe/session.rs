//! One probe from its start to its end: the thread that prepares it, watches the child, and reaps it.
//!
//! ```text
//!            thread                                   JavaScript thread
//!  Starting: reads smaps, finds threads,
//!            opens pipes and the output ── Prepared ─▶ fork_child ── Forked ─┐
//!  Waiting ◀─────────────────────────────────────────────────────────────────┘
//!  Watching: reads the pipes, memory, time;
//!            kills where need be; reaps ── Ended ────▶ Again (another attempt) or Close
//! ```
//!
//! Knows: the order of things, and that there is one probe per process at a time.
//! Out of scope: napi, V8.
//! Limitations: the JavaScript thread. It may be gone at any moment (a worker that ends): then `emit` says so.
//! The service's children are its own: only the pid that was forked here is ever waited for, and SIGCHLD is not touched.
#![forbid(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::Arc;
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::base::error::{Code, Failure};
use crate::base::fork_lock::Held;

use super::across_copies;
use super::child::{self, Child, Setup, SlotWrite};
use super::delay_abort;
use super::fork::{self, Forked, NoFork, Request, Side};
use super::headroom::{self, Question, Scratch, Sources};
use super::judge::{Bounds, Judge, Look, Verdict};
use super::malloc_mappings;
use super::maps::{self, AnonymousMapping, Range};
use super::outcome::{self, Ending, Stopped};
use super::pipe_protocol::MessageReader;
use super::sys;
use super::threads::PlatformThreads;

/// How often the rest of the pipes is looked at after the child's end.
const TICK: Duration = Duration::from_millis(20);
/// How many attempts leave out what they most likely do not need. The next one takes everything along.
const GUESSES: u32 = 2;
/// How much of what the child printed is kept.
const PRINTED_LIMIT: usize = 4096;
/// How long to wait for the rest of the pipes after the child's end. Another process that was just being started may
/// hold a copy of the writing end until its exec.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);

/// Why a probe could not be prepared.
#[derive(Debug)]
pub struct Refusal {
    /// What the caller is told.
    pub failure: Failure,
    /// The error number of the output file.
    pub errno: Option<i32>,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Refusal {
            failure,
            errno: None,
        }
    }
}

/// What a probe is to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the child's output goes once it is complete; must not exist.
    pub output: Option<PathBuf>,
    /// How many platform threads V8 has, where they carry no names.
    pub pool_size: usize,
    /// What the child is expected to need in memory; `None` where nothing is to be checked.
    pub expected_bytes: Option<u64>,
    /// Where that memory comes from.
    pub scratch: Scratch,
    /// Whether the contents of large Buffers may be missing in the child.
    pub exclude_memory: bool,
    /// The output's disk must keep this many bytes free.
    pub min_free_disk_bytes: u64,
    /// The slots that are written in the child.
    pub slots: Vec<SlotWrite>,
}

/// What the thread tells the JavaScript thread.
#[derive(Debug)]
pub enum Event {
    /// Ready for [`Session::fork_child`]; where the child's working memory comes from.
    Prepared(Scratch),
    /// Could not be prepared; nothing happened. With the error number, where the output is to blame.
    Failed(Refusal),
    /// The output has grown to this many bytes.
    Progress(u64),
    /// The child is gone.
    Ended(Box<Ending>),
    /// The probe is over, and the next one can start.
    Closed,
}

enum Command {
    Forked(Running),
    Stop(Stopped),
    Again,
    Close,
}

/// A child that was just forked.
#[derive(Debug, Clone, Copy)]
struct Running {
    pid: i32,
    start: Instant,
    limit: Duration,
    excluded_bytes: usize,
}

/// What the JavaScript thread needs for a fork.
struct Prepared {
    known: Vec<AnonymousMapping>,
    exclude: Vec<Range>,
    maps: File,
    threads: PlatformThreads,
    setup: Setup,
    /// The child's ends of the pipes, and what else must be open at the fork. Closed in the parent afterwards.
    _open: Vec<OwnedFd>,
    text: Vec<u8>,
    /// How long the JavaScript thread stood still for looks that found V8's helpers at work.
    looked: Duration,
}

/// One probe.
pub struct Session {
    /// Tells it from earlier ones.
    pub id: u32,
    /// The JavaScript thread that started it.
    owner: ThreadId,
    commands: Sender<Command>,
    wake: PipeWriter,
    /// Open as long as anybody can write: to a pipe that nobody can read any more, a write raises SIGPIPE, which ends a
    /// service that does not ignore it (pipe(7)).
    _wake_reader: PipeReader,
    prepared: Mutex<Option<Prepared>>,
    child: Mutex<Option<i32>>,
    named_output: Mutex<Option<PathBuf>>,
}

/// What children touched although it had been left out; the next ones get it. Bounded: beyond it nothing is left out.
static TOUCHED: Mutex<Vec<usize>> = Mutex::new(Vec::new());
const TOUCHED_LIMIT: usize = 256;

/// The blocks that the next child can most likely do without.
fn large_blocks(known: &[AnonymousMapping]) -> Vec<Range> {
    let touched = TOUCHED.lock();
    if touched.len() >= TOUCHED_LIMIT {
        return Vec::new();
    }
    // Through the file, not through pointers: another thread may unmap the block at any moment.
    let Ok(memory) = File::open("/proc/self/mem") else {
        return Vec::new();
    };
    malloc_mappings::runs(known, &touched, |addr| {
        let mut word = [0; 8];
        memory.read_exact_at(&mut word, addr as u64).ok()?;
        Some(usize::from_le_bytes(word))
    })
}

/// The one probe that is under way in this process.
static ACTIVE: Mutex<Option<Arc<Session>>> = Mutex::new(None);
static NEXT_ID: AtomicU32 = AtomicU32::new(1);

/// Starts a probe. `emit` is called on the probe's own thread and returns whether somebody still listens.
pub fn start(
    options: Options,
    emit: impl Fn(Event) -> bool + Send + 'static,
) -> Result<u32, Failure> {
    let mut active = ACTIVE.lock();
    let turn = across_copies::take_turn().filter(|_| active.is_none());
    let Some(turn) = turn else {
        return Err(Failure::new(
            Code::ProbeInProgress,
            "Another probe is under way in this process, and there can be only one at a time; try again when it has ended",
        ));
    };
    let failed =
        |what: &str, error: io::Error| Failure::new(Code::ProbeFailed, format!("{what}: {error}"));
    let (wake_reader, wake) = io::pipe().map_err(|error| failed("No pipe for the probe", error))?;
    let kept_reader = wake_reader
        .try_clone()
        .map_err(|error| failed("No pipe for the probe", error))?;
    let (commands, inbox) = channel();
    let session = Arc::new(Session {
        id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
        owner: std::thread::current().id(),
        commands,
        wake,
        _wake_reader: kept_reader,
        prepared: Mutex::new(None),
        child: Mutex::new(None),
        named_output: Mutex::new(None),
    });
    let id = session.id;
    let run = Run {
        session: session.clone(),
        attempts: 0,
        options,
        inbox,
        wake: wake_reader,
    };
    std::thread::Builder::new()
        .name("offheap-probe".into())
        .spawn(move || {
            run.run(&emit);
            let mut active = ACTIVE.lock();
            if active.as_ref().is_some_and(|session| session.id == id) {
                *active = None;
            }
            drop(active);
            drop(turn);
            emit(Event::Closed);
        })
        .map_err(|error| {
            Failure::new(
                Code::ProbeFailed,
                format!("No thread for the probe: {}", cause(&error)),
            )
        })?;
    *active = Some(session);
    Ok(id)
}

/// The probe with this number, while it is under way.
pub fn find(id: u32) -> Option<Arc<Session>> {
    ACTIVE
        .lock()
        .as_ref()
        .filter(|session| session.id == id)
        .cloned()
}

/// The JavaScript environment of this thread is going away, and a probe that it started with it.
pub fn abandon_from_this_thread() {
    let active = ACTIVE.lock().clone();
    if let Some(session) = active.filter(|session| session.owner == std::thread::current().id()) {
        session.abandon();
    }
}

impl Session {
    /// Forks, on the JavaScript thread. `hold` takes the locks that the child is to find free. `Ok(None)`: V8's helper threads are busy; try again in a moment.
    pub fn fork_child(
        &self,
        quiesce_limit: Duration,
        although_busy: bool,
        time_limit: Duration,
        hold: &dyn Fn() -> Vec<Box<dyn Held>>,
    ) -> Result<Option<Process>, Failure> {
        let Some(mut prepared) = self.prepared.lock().take() else {
            return Err(Failure::new(Code::Internal, "the probe is not prepared"));
        };
        prepared.setup.alarm_seconds = u32::try_from(time_limit.as_secs())
            .unwrap_or(u32::MAX)
            .saturating_add(30);
        let request = Request {
            threads: &prepared.threads,
            quiesce_limit,
            although_busy,
            known: &prepared.known,
            exclude: &prepared.exclude,
            maps: &prepared.maps,
            setup: &prepared.setup,
            hold,
        };
        match fork::fork(&request, &mut prepared.text) {
            Ok(Side::Child(child)) => {
                let output = prepared.setup.keep.first().copied();
                // The child needs those descriptors, and it never returns to where they would be closed.
                std::mem::forget(prepared);
                Ok(Some(Process::Child(child, output)))
            }
            Ok(Side::Parent(mut forked)) => {
                forked.pause += prepared.looked;
                *self.child.lock() = Some(forked.pid);
                drop(prepared);
                self.send(Command::Forked(Running {
                    pid: forked.pid,
                    start: Instant::now(),
                    limit: time_limit,
                    excluded_bytes: forked.excluded_bytes,
                }));
                Ok(Some(Process::Parent(forked)))
            }
            Err(NoFork::Busy(looked)) => {
                prepared.looked += looked;
                *self.prepared.lock() = Some(prepared);
                Ok(None)
            }
            Err(NoFork::Refused(error)) => Err(Failure::new(
                Code::ProbeFailed,
                format!("fork was refused with {}", cause(&error)),
            )),
            Err(NoFork::Maps(error)) => Err(Failure::new(
                Code::ProbeFailed,
                format!("/proc/self/maps cannot be read: {error}"),
            )),
        }
    }

    /// Prepares another attempt.
    pub fn again(&self) {
        self.send(Command::Again);
    }

    /// Ends the child, for this reason.
    pub fn stop(&self, reason: Stopped) {
        self.send(Command::Stop(reason));
    }

    /// Ends everything.
    pub fn close(&self) {
        self.send(Command::Close);
    }

    /// The process is about to end: kills the child and removes what it has written so far, at once.
    pub fn abandon(&self) {
        // Held while killing, so that the thread cannot reap it meanwhile and the number pass to another process.
        let child = self.child.lock();
        if let Some(pid) = *child {
            sys::kill(pid);
        }
        drop(child);
        if let Some(path) = self.named_output.lock().take() {
            let _ = std::fs::remove_file(path);
        }
        self.close();
    }

    fn send(&self, command: Command) {
        // Both fail only when the thread has ended, and then there is nothing left to command.
        let _ = self.commands.send(command);
        let _ = (&self.wake).write_all(&[0]);
    }
}

/// Which process [`Session::fork_child`] came back in.
#[derive(Debug)]
pub enum Process {
    /// The service.
    Parent(Forked),
    /// The child, and the descriptor of its output.
    Child(Child, Option<i32>),
}

/// Why the kernel refused a thread or a process, with the limits that are the likely cause.
fn cause(error: &io::Error) -> String {
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

struct Run {
    session: Arc<Session>,
    /// How many children were prepared.
    attempts: u32,
    options: Options,
    inbox: Receiver<Command>,
    wake: PipeReader,
}

/// The parent's ends, for one attempt.
struct Attempt {
    result: PipeReader,
    prints: PipeReader,
    output: Option<Output>,
    scratch: Scratch,
    /// The scratch file is kept open: what it holds is written to the disk where memory is short.
    scratch_file: Option<File>,
}

struct Output {
    file: File,
    path: PathBuf,
    nameless: bool,
}

impl Run {
    fn run(mut self, emit: &dyn Fn(Event) -> bool) {
        let mut output = None;
        loop {
            self.attempts += 1;
            let attempt = match self.prepare(output.take()) {
                Ok(attempt) => attempt,
                Err(failure) => {
                    emit(Event::Failed(failure));
                    break;
                }
            };
            if !emit(Event::Prepared(attempt.scratch)) {
                output = attempt.output;
                break;
            }
            let running = loop {
                match self.inbox.recv() {
                    Ok(Command::Forked(running)) => break running,
                    Ok(Command::Again) => {}
                    Ok(Command::Stop(_) | Command::Close) | Err(_) => {
                        return self.discard(attempt.output)
                    }
                }
            };
            let (ending, kept) = self.watch(running, attempt, emit);
            output = kept;
            if let Some(addr) = ending.report.touched {
                TOUCHED.lock().push(addr as usize);
            }
            let complete = ending.succeeded() && ending.link_error.is_none();
            if !emit(Event::Ended(Box::new(ending))) {
                break;
            }
            if complete {
                output = None;
            }
            match self.inbox.recv() {
                Ok(Command::Again) => {}
                _ => break,
            }
        }
        self.discard(output);
    }

    /// Removes an output that has a name and is not complete. One without a name vanishes by itself.
    fn discard(&self, output: Option<Output>) {
        if let Some(output) = output {
            if !output.nameless {
                let _ = std::fs::remove_file(output.path);
            }
        }
        *self.session.named_output.lock() = None;
        *self.session.prepared.lock() = None;
    }

    fn prepare(&self, output: Option<Output>) -> Result<Attempt, Refusal> {
        let failed = |what: &str, error: io::Error| {
            Failure::new(Code::ProbeFailed, format!("{what}: {error}"))
        };
        let threads = PlatformThreads::find(self.options.pool_size).map_err(|error| {
            failed(
                "The threads of this process cannot be listed in /proc",
                error,
            )
        })?;
        if threads.count() == 0 {
            let reason = "V8's platform threads were not found in /proc/self/task";
            return Err(Failure::new(Code::ProbeFailed, reason).into());
        }
        let output = match (output, &self.options.output) {
            (Some(output), _) => {
                // What an earlier attempt left.
                output
                    .file
                    .set_len(0)
                    .map_err(|error| write_failed(&output.path, &error))?;
                io::Seek::rewind(&mut &output.file)
                    .map_err(|error| write_failed(&output.path, &error))?;
                Some(output)
            }
            (None, Some(path)) => Some(self.open_output(path)?),
            (None, None) => None,
        };
        let (scratch, scratch_file) = self.choose_scratch(output.as_ref())?;
        let (result, result_writer) =
            io::pipe().map_err(|error| failed("No pipe for the result", error))?;
        let (prints, prints_writer) =
            io::pipe().map_err(|error| failed("No pipe for what is printed", error))?;
        let nothing = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/null")
            .map_err(|error| failed("/dev/null cannot be opened", error))?;
        let nothing_to_read =
            File::open("/dev/null").map_err(|error| failed("/dev/null cannot be opened", error))?;
        // All of them above 2: the child gives those three numbers away.
        let above = |fd: OwnedFd| {
            if fd.as_raw_fd() > 2 {
                Ok(fd)
            } else {
                fd.try_clone()
            }
        };
        let no_descriptor = |error| failed("No descriptor for the probe", error);
        let mut open = vec![
            above(result_writer.into()).map_err(no_descriptor)?,
            above(prints_writer.into()).map_err(no_descriptor)?,
            above(nothing.into()).map_err(no_descriptor)?,
            above(nothing_to_read.into()).map_err(no_descriptor)?,
        ];
        if let Some(output) = &output {
            open.push(output.file.try_clone().map_err(no_descriptor)?.into());
        }
        let scratch_setup = match &scratch_file {
            Some(file) => {
                open.push(file.try_clone().map_err(no_descriptor)?.into());
                let slots = super::scratch_slots()
                    .map_err(|reason| Failure::new(Code::ProbeFailed, reason))?;
                let region = self
                    .options
                    .expected_bytes
                    .unwrap_or(0)
                    .saturating_mul(3)
                    .max(4 << 30);
                let file = open.last().map_or(-1, AsRawFd::as_raw_fd);
                Some(child::Scratch {
                    file,
                    region_bytes: region as usize,
                    slots,
                })
            }
            None => None,
        };
        let setup = Setup {
            result: open[0].as_raw_fd(),
            prints: open[1].as_raw_fd(),
            executable: super::executable_range(),
            nothing: open[2].as_raw_fd(),
            nothing_to_read: open[3].as_raw_fd(),
            keep: open[4..].iter().map(AsRawFd::as_raw_fd).collect(),
            slots: self.options.slots.clone(),
            scratch: scratch_setup,
            malloc_slots: super::scratch_slots()
                .ok()
                .filter(|_| self.options.exclude_memory && self.attempts <= GUESSES),
            parent_pid: std::process::id() as i32,
            alarm_seconds: 0,
            page: sys::page_size(),
        };
        // Last, because it ages fastest: what V8 maps after this has to be found out with the service standing still.
        let smaps = std::fs::read("/proc/self/smaps").unwrap_or_default();
        let known = maps::anonymous_mappings(&smaps);
        let exclude = if setup.malloc_slots.is_some() {
            large_blocks(&known)
        } else {
            Vec::new()
        };
        let maps = File::open("/proc/self/maps")
            .map_err(|error| failed("/proc/self/maps cannot be opened", error))?;
        // Room for what is read there, so that nothing is allocated while the service stands still.
        let text = Vec::with_capacity(smaps.len() / 4 + (64 << 10));
        *self.session.prepared.lock() = Some(Prepared {
            known,
            exclude,
            maps,
            threads,
            setup,
            _open: open,
            text,
            looked: Duration::ZERO,
        });
        Ok(Attempt {
            result,
            prints,
            output,
            scratch,
            scratch_file,
        })
    }

    /// Where the child's working memory comes from, and the file for it.
    fn choose_scratch(&self, output: Option<&Output>) -> Result<(Scratch, Option<File>), Refusal> {
        let Some(expected_bytes) = self.options.expected_bytes else {
            return Ok((Scratch::Memory, None));
        };
        let no_headroom = |reason: String| {
            Failure::new(
                Code::NoHeadroom,
                format!("There is no room for the probe's child: {reason}"),
            )
        };
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let address_space = headroom::address_space(sys::limit(libc::RLIMIT_AS), &status);
        let file_system = output.and_then(|output| sys::file_system(&output.file).ok());
        let no_disk_because = match file_system {
            Some((_, libc::TMPFS_MAGIC | RAMFS_MAGIC)) => Some(
                "the output lies on a tmpfs, which is memory, so scratch cannot be on disk there"
                    .to_string(),
            ),
            _ => super::scratch_slots().err(),
        };
        let question = Question {
            wanted: self.options.scratch,
            expected_bytes,
            rooms: Sources::find()
                .memory()
                .into_iter()
                .chain(address_space)
                .collect(),
            disk: file_system.map(|(free, _)| (free, self.options.min_free_disk_bytes)),
            no_disk_because,
        };
        let scratch = headroom::decide(&question).map_err(no_headroom)?;
        if scratch != Scratch::Disk {
            return Ok((scratch, None));
        }
        let beside = output.map(|output| output.path.with_extension("scratch.partial"));
        let Some(path) = beside else {
            return Err(no_headroom(
                "there is no output file beside which scratch could lie".into(),
            )
            .into());
        };
        let file = nameless_file(&path)?;
        Ok((scratch, Some(file)))
    }

    fn open_output(&self, path: &Path) -> Result<Output, Refusal> {
        let (file, nameless) = private_file(path)?;
        if !nameless {
            *self.session.named_output.lock() = Some(path.to_path_buf());
        }
        Ok(Output {
            file,
            path: path.to_path_buf(),
            nameless,
        })
    }

    fn watch(
        &mut self,
        running: Running,
        attempt: Attempt,
        emit: &dyn Fn(Event) -> bool,
    ) -> (Ending, Option<Output>) {
        let Running {
            pid,
            start,
            limit,
            excluded_bytes,
        } = running;
        let Attempt {
            mut result,
            mut prints,
            mut output,
            scratch_file,
            ..
        } = attempt;
        let anonymous_at_fork =
            anonymous_bytes("self").map(|bytes| bytes.saturating_sub(excluded_bytes as u64));
        let writing = delay_abort::writing(self.options.output.as_deref());
        let sources = self.options.expected_bytes.map(|_| Sources::find());
        let pidfd = sys::pidfd(pid);
        let mut reader = MessageReader::default();
        let mut printed = Vec::new();
        let mut piece = vec![0u8; 256 << 10];
        let (mut result_open, mut prints_open) = (true, true);
        let mut judge = Judge::new(Bounds {
            time: limit,
            min_free_disk_bytes: self.options.min_free_disk_bytes,
            scratch_is_file: scratch_file.is_some(),
        });
        let carry_out = |verdict| match verdict {
            Verdict::GoOn => {}
            // A stopped process can be killed as well.
            Verdict::End => sys::kill(pid),
            Verdict::Wait => {
                sys::stop(pid);
                if let Some(file) = &scratch_file {
                    sys::start_writing(file);
                }
            }
            Verdict::Resume => sys::resume(pid),
        };
        let mut reported = 0;
        let mut peak_anonymous = None;
        let mut last_tick = start;
        let reaped = loop {
            let ready = sys::poll_readable(
                [
                    Some(self.wake.as_raw_fd()),
                    result_open.then(|| result.as_raw_fd()),
                    prints_open.then(|| prints.as_raw_fd()),
                    pidfd.as_ref().map(AsRawFd::as_raw_fd),
                ],
                Some(judge.tick()),
            );
            let [woken, result_ready, prints_ready, ended] = ready.unwrap_or([true; 4]);
            if woken {
                let mut bytes = [0; 16];
                let _ = self.wake.read(&mut bytes);
            }
            while let Ok(command) = self.inbox.try_recv() {
                match command {
                    Command::Stop(reason) => carry_out(judge.on_command(reason)),
                    Command::Close => carry_out(judge.on_command(Stopped::Aborted)),
                    Command::Again | Command::Forked(..) => {}
                }
            }
            if result_ready {
                result_open = read_piece(&mut result, &mut piece, |bytes| reader.push(bytes));
            }
            if prints_ready {
                prints_open = read_piece(&mut prints, &mut piece, |bytes| {
                    keep_tail(&mut printed, bytes)
                });
            }
            // Without a pidfd the child is looked at on every tick, and whenever it says something.
            if ended || pidfd.is_none() {
                let mut child = self.session.child.lock();
                if let Some(reaped) = sys::reap(pid, false) {
                    *child = None;
                    break reaped;
                }
            }
            carry_out(judge.on_time(start.elapsed()));
            if last_tick.elapsed() >= judge.tick() {
                last_tick = Instant::now();
                let anonymous = anonymous_bytes(&pid.to_string());
                peak_anonymous = peak_anonymous.max(anonymous);
                // The service may grow as well: what counts is what is left now, not what was planned.
                let room = sources.as_ref().and_then(Sources::memory);
                let free_disk_bytes = output
                    .as_ref()
                    .and_then(|output| sys::file_system(&output.file).ok())
                    .map(|(free, _)| free);
                carry_out(judge.on_tick(Look {
                    elapsed: start.elapsed(),
                    room: room.as_ref(),
                    anonymous_bytes: anonymous,
                    free_disk_bytes,
                }));
                if let Some(output) = &output {
                    let size = output.file.metadata().map_or(0, |metadata| metadata.len());
                    if size > reported {
                        reported = size;
                        emit(Event::Progress(size));
                    }
                }
            }
        };
        let deadline = Instant::now() + DRAIN_LIMIT;
        while (result_open || prints_open) && Instant::now() < deadline {
            let fds = [
                result_open.then(|| result.as_raw_fd()),
                prints_open.then(|| prints.as_raw_fd()),
            ];
            let [result_ready, prints_ready] =
                sys::poll_readable(fds, Some(TICK)).unwrap_or([true; 2]);
            if result_ready {
                result_open = read_piece(&mut result, &mut piece, |bytes| reader.push(bytes));
            }
            if prints_ready {
                prints_open = read_piece(&mut prints, &mut piece, |bytes| {
                    keep_tail(&mut printed, bytes)
                });
            }
        }
        let mut ending = Ending {
            report: reader.finish(),
            printed: String::from_utf8_lossy(&printed).into_owned(),
            reaped,
            stopped: judge.stopped(),
            link_error: None,
            peak_anonymous_bytes: peak_anonymous,
            anonymous_at_fork_bytes: anonymous_at_fork,
        };
        if let Some(output) = output
            .as_mut()
            .filter(|output| output.nameless && ending.succeeded())
        {
            match sys::link(&output.file, &output.path) {
                Ok(()) => output.nameless = false,
                Err(error) => {
                    ending.link_error = Some(write_failed(&output.path, &error).failure.message)
                }
            }
        }
        if let Some(writing) = writing {
            let linked = output.as_ref().is_some_and(|output| !output.nameless);
            if ending.succeeded() && linked {
                writing.complete();
            }
        }
        (ending, output)
    }
}

/// The type of a ramfs, which libc does not name (statfs(2)).
const RAMFS_MAGIC: i64 = 0x8584_58f6;

/// A new file and whether it has no name: 0600, and never through a symbolic link or over something that exists. Without
/// a name where the file system can (ext4, xfs, btrfs, tmpfs, overlay): then nothing is left behind however the process
/// ends.
fn private_file(path: &Path) -> Result<(File, bool), Refusal> {
    let mut how = OpenOptions::new();
    how.read(true).write(true).mode(0o600);
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let nameless = how
        .clone()
        .custom_flags(libc::O_TMPFILE | libc::O_CLOEXEC)
        .open(folder);
    if let Ok(file) = nameless {
        return Ok((file, true));
    }
    let file = how
        .create_new(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(path)
        .map_err(|error| write_failed(path, &error))?;
    Ok((file, false))
}

/// A file that never outlives this process and its child.
fn nameless_file(path: &Path) -> Result<File, Refusal> {
    let (file, nameless) = private_file(path)?;
    if !nameless {
        std::fs::remove_file(path).map_err(|error| write_failed(path, &error))?;
    }
    Ok(file)
}

fn write_failed(path: &Path, error: &io::Error) -> Refusal {
    let errno = error.raw_os_error();
    let message = format!("{} could not be written: {error}", path.display());
    Refusal {
        failure: Failure::new(outcome::write_code(errno), message),
        errno,
    }
}

/// Reads what is there; whether there may be more.
fn read_piece(pipe: &mut PipeReader, piece: &mut [u8], mut take: impl FnMut(&[u8])) -> bool {
    match pipe.read(piece) {
        Ok(0) => false,
        Ok(length) => {
            take(&piece[..length]);
            true
        }
        Err(error) => error.kind() == io::ErrorKind::Interrupted,
    }
}

fn keep_tail(kept: &mut Vec<u8>, bytes: &[u8]) {
    kept.extend_from_slice(bytes);
    if kept.len() > PRINTED_LIMIT {
        kept.drain(..kept.len() - PRINTED_LIMIT);
    }
}

/// The anonymous memory of a process: what counts against its cgroup and cannot be written back to a file.
fn anonymous_bytes(pid: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.split_ascii_whitespace()
        .next()?
        .parse::<u64>()
        .ok()
        .map(|kilobytes| kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options {
            output: None,
            pool_size: 4,
            expected_bytes: None,
            scratch: Scratch::Memory,
            exclude_memory: false,
            min_free_disk_bytes: 0,
            slots: Vec::new(),
        }
    }

    /// A folder of the test's own, which is removed with it.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("offheap-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).expect("a folder can be made");
            Folder(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// Starts a probe whose events can be received.
    fn started(options: Options) -> Result<(u32, Receiver<Event>), Failure> {
        let (events, received) = channel();
        let id = start(options, move |event| events.send(event).is_ok())?;
        Ok((id, received))
    }

    // One test, since there is one probe at a time in a process.
    #[test]
    fn one_probe_at_a_time_has_its_turn_until_it_is_closed_however_it_ends() {
        // GIVEN no thread that could be V8's
        let without_v8 = Options {
            pool_size: 0,
            ..options()
        };
        let (id, received) = started(without_v8).expect("no other is under way");
        // THEN it fails before anything happens, and gives its turn back
        let Ok(Event::Failed(Refusal { failure, errno })) = received.recv() else {
            panic!("it was prepared without V8");
        };
        assert_eq!((failure.code, errno), (Code::ProbeFailed, None));
        assert!(matches!(received.recv(), Ok(Event::Closed)));
        assert!(find(id).is_none());

        // GIVEN one that waits for its fork: the threads of the tests pass for V8's
        let folder = Folder::new("session");
        let writing = Options {
            output: Some(folder.0.join("a.partial")),
            ..options()
        };
        type End = fn(&Session);
        let ends: [End; 3] = [
            |session| session.stop(Stopped::Aborted),
            Session::close,
            Session::abandon,
        ];
        for end in ends {
            let (id, received) = started(writing.clone()).expect("no other is under way");
            assert!(matches!(received.recv(), Ok(Event::Prepared(_))));
            // WHEN another is wanted THEN it is refused
            let refused = started(options()).map(|(id, _)| id);
            assert_eq!(
                refused.expect_err("one is enough").code,
                Code::ProbeInProgress
            );
            // WHEN it is ended THEN it is closed, and has left no file
            end(&find(id).expect("it is under way"));
            assert!(matches!(received.recv(), Ok(Event::Closed)));
            assert!(find(id).is_none());
            let left = std::fs::read_dir(&folder.0).expect("it is there").count();
            assert_eq!(left, 0);
        }
    }

    #[test]
    fn an_output_is_for_its_owner_alone_and_never_over_what_exists() {
        use std::os::unix::fs::PermissionsExt;
        let folder = Folder::new("output");
        let path = folder.0.join("a.partial");
        let (file, nameless) = private_file(&path).expect("it can be written");
        let mode = file.metadata().expect("it is open").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(path.exists(), !nameless);

        let scratch = folder.0.join("b.partial");
        let file = nameless_file(&scratch).expect("it can be written");
        assert!(!scratch.exists());
        file.set_len(4_096).expect("it can be used");

        let missing = folder.0.join("nosuch").join("c.partial");
        let refusal = private_file(&missing).expect_err("there is no such folder");
        assert_eq!(refusal.errno, Some(libc::ENOENT));
        assert!(refusal.failure.message.contains("c.partial"));
    }

    #[test]
    fn what_a_child_printed_is_kept_from_its_end() {
        let mut kept = Vec::new();
        keep_tail(&mut kept, b"first ");
        keep_tail(&mut kept, &[b'x'; PRINTED_LIMIT - 4]);
        keep_tail(&mut kept, b"last");
        assert_eq!(kept.len(), PRINTED_LIMIT);
        assert!(kept.starts_with(b"xx") && kept.ends_with(b"xlast"));
    }

    #[test]
    fn a_pipe_is_read_until_its_last_writer_is_gone() {
        let (mut reader, mut writer) = io::pipe().expect("a pipe");
        writer.write_all(b"some").expect("there is room");
        let mut piece = [0; 16];
        let mut seen = Vec::new();
        assert!(read_piece(&mut reader, &mut piece, |bytes| seen
            .extend_from_slice(bytes)));
        drop(writer);
        assert!(!read_piece(&mut reader, &mut piece, |bytes| seen
            .extend_from_slice(bytes)));
        assert_eq!(seen, b"some");
    }

    #[test]
    fn a_refused_fork_names_the_limit_that_is_the_likely_cause() {
        let of = |errno| cause(&io::Error::from_raw_os_error(errno));
        assert!(of(libc::EAGAIN).contains("RLIMIT_NPROC is"));
        assert!(of(libc::ENOMEM).contains("vm.overcommit_memory"));
        assert!(of(libc::EPERM).contains("seccomp"));
        assert!(of(libc::EINTR).contains("Interrupted"));
    }

    #[test]
    fn anonymous_memory_is_that_of_the_process_and_unknown_where_there_is_none() {
        assert!(anonymous_bytes("self").is_some_and(|bytes| bytes > 100_000));
        assert_eq!(anonymous_bytes("0"), None);
    }
}
