//! One probe from its start to its end, and that there is one at a time.
//!
//! ```text
//!            the probe's thread                        JavaScript thread
//!  Preparing: reads smaps, finds threads,
//!             opens pipes and the output ── Prepared ─▶ fork_child ── Forked ─┐
//!  Prepared  ◀────────────────────────────────────────────────────────────────┘
//!  Running:   reads the pipes, memory, time;
//!             kills where need be; reaps ── Ended ────▶ Again (another attempt) or Close
//! ```
//!
//! Knows: the work of each phase ([`super::phase`]): [`super::prepare`], [`super::fork`], [`super::observe`].
//! Out of scope: napi, V8.
//! Limitations: the JavaScript thread may end at any moment (a worker that is terminated). Then `emit` returns false, and the probe
//! is closed.
#![forbid(unsafe_code)]

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::base::error::{Code, Failure};
use crate::base::fork_lock::Held;

use super::across_copies;
use super::child::set_up::Child;
use super::delay_abort;
use super::fork::{self, Forked, NoFork, Request, Side};
use super::messages::{commands, Command, Commands, Event, Inbox, Refusal, Running};
use super::observe::{observe, ChildPid, Observed, Pipes};
use super::outcome::{Ending, Stopped};
use super::output_file::{NamedOutput, OutputFile};
use super::phase::{Phase, Step};
use super::prepare::{note_touched, prepare, Attempt, Options, Prepared};

/// One probe.
pub struct Session {
    /// Tells it from earlier ones.
    pub id: u32,
    /// The JavaScript thread that started it.
    owner: ThreadId,
    commands: Commands,
    prepared: Mutex<Option<Prepared>>,
    child: ChildPid,
    named_output: NamedOutput,
}

/// The one probe that is under way in this process.
static ACTIVE: Mutex<Option<Arc<Session>>> = Mutex::new(None);
static NEXT_ID: AtomicU32 = AtomicU32::new(1);

/// Starts a probe. `emit` is called on the probe's own thread and returns whether the event can be delivered.
pub fn start(
    options: Options,
    emit: impl Fn(Event) -> bool + Send + 'static,
) -> Result<u32, Failure> {
    let mut active = ACTIVE.lock();
    let permit = across_copies::take_permit().filter(|_| active.is_none());
    let Some(permit) = permit else {
        return Err(Failure::new(
            Code::ProbeInProgress,
            "Another probe is under way in this process, and there can be only one at a time; try again when it has ended",
        ));
    };
    let (commands, inbox) = commands().map_err(|error: io::Error| {
        Failure::new(Code::ProbeFailed, format!("No pipe for the probe: {error}"))
    })?;
    let session = Arc::new(Session {
        id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
        owner: std::thread::current().id(),
        commands,
        prepared: Mutex::new(None),
        child: ChildPid::default(),
        named_output: NamedOutput::default(),
    });
    let id = session.id;
    let thread = SessionThread {
        session: session.clone(),
        options,
        inbox,
        attempts: 0,
    };
    std::thread::Builder::new()
        .name("offheap-probe".into())
        .spawn(move || {
            thread.run(&emit);
            let mut active = ACTIVE.lock();
            if active.as_ref().is_some_and(|session| session.id == id) {
                *active = None;
            }
            drop(active);
            drop(permit);
            emit(Event::Closed);
        })
        .map_err(|error| {
            Failure::new(
                Code::ProbeFailed,
                format!("No thread for the probe: {}", fork::cause(&error)),
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

/// The JavaScript environment of this thread ends, and a probe that it started with it.
pub fn abandon_from_this_thread() {
    let active = ACTIVE.lock().clone();
    if let Some(session) = active.filter(|session| session.owner == std::thread::current().id()) {
        session.abandon();
    }
}

/// Which process [`Session::fork_child`] returns in.
#[derive(Debug)]
pub enum Process {
    /// The service.
    Parent(Forked),
    /// The child, and the descriptor of its output.
    Child(Child, Option<i32>),
}

impl Session {
    /// Forks, on the JavaScript thread. `hold` takes the locks that the child must find free. `Ok(None)`: V8's helper threads
    /// are busy; try again in a moment.
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
            mappings: &prepared.mappings,
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
                self.child.set(forked.pid);
                drop(prepared);
                self.commands.send(Command::Forked(Running {
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
                format!("fork was refused with {}", fork::cause(&error)),
            )),
            Err(NoFork::Maps(error)) => Err(Failure::new(
                Code::ProbeFailed,
                format!("/proc/self/maps cannot be read: {error}"),
            )),
        }
    }

    /// Prepares another attempt.
    pub fn again(&self) {
        self.commands.send(Command::Again);
    }

    /// Ends the child, for this reason.
    pub fn stop(&self, reason: Stopped) {
        self.commands.send(Command::Stop(reason));
    }

    /// Ends everything.
    pub fn close(&self) {
        self.commands.send(Command::Close);
    }

    /// The process is about to exit: kills the child and removes what it has written so far, at once.
    pub fn abandon(&self) {
        self.child.kill();
        self.named_output.remove();
        self.close();
    }
}

/// What the probe's thread has.
struct SessionThread {
    session: Arc<Session>,
    options: Options,
    inbox: Inbox,
    /// How many children were prepared.
    attempts: u32,
}

impl SessionThread {
    fn run(mut self, emit: &dyn Fn(Event) -> bool) {
        let mut phase = Phase::Preparing;
        let mut output: Option<OutputFile> = None;
        let mut attempt: Option<Attempt> = None;
        let mut running: Option<Running> = None;
        while phase != Phase::Closed {
            let step = match phase {
                Phase::Preparing => match self.prepare(output.take()) {
                    Ok(ready) => {
                        let scratch = ready.scratch;
                        attempt = Some(ready);
                        heard(emit(Event::Prepared(scratch)), Step::Ready)
                    }
                    Err(refusal) => {
                        emit(Event::Failed(refusal));
                        Step::Refused
                    }
                },
                Phase::Prepared => {
                    let command = self.inbox.wait();
                    if let Command::Forked(child) = command {
                        running = Some(child);
                    }
                    Step::from(&command)
                }
                Phase::Running => {
                    let Some((attempt, running)) = attempt.take().zip(running.take()) else {
                        break;
                    };
                    let (ending, kept) = self.observe(running, attempt, emit);
                    if let Some(addr) = ending.report.touched {
                        note_touched(addr as usize);
                    }
                    // A complete output stays, if the JavaScript thread learns of it.
                    let complete = ending.succeeded() && ending.link_error.is_none();
                    let delivered = emit(Event::Ended(Box::new(ending)));
                    output = kept.filter(|_| !(complete && delivered));
                    heard(delivered, Step::Reaped)
                }
                Phase::Ended => Step::from(&self.inbox.wait()),
                Phase::Closed => break,
            };
            phase = phase.after(step);
        }
        if let Some(output) = output.or_else(|| attempt.and_then(|attempt| attempt.output)) {
            output.discard();
        }
        self.session.named_output.set(None);
        *self.session.prepared.lock() = None;
    }

    fn prepare(&mut self, output: Option<OutputFile>) -> Result<Attempt, Refusal> {
        self.attempts += 1;
        let (prepared, attempt) = prepare(
            &self.options,
            self.attempts,
            output,
            &self.session.named_output,
        )?;
        *self.session.prepared.lock() = Some(prepared);
        Ok(attempt)
    }

    /// Observes the child until it is reaped, and gives its output its name. Returns the output as well.
    fn observe(
        &mut self,
        running: Running,
        attempt: Attempt,
        emit: &dyn Fn(Event) -> bool,
    ) -> (Ending, Option<OutputFile>) {
        let Attempt {
            result,
            prints,
            mut output,
            scratch_file,
            ..
        } = attempt;
        let writing = delay_abort::writing(self.options.output.as_deref());
        let observed = Observed {
            running,
            pid: &self.session.child,
            output: output.as_ref().map(|output| &output.file),
            scratch_file: scratch_file.as_ref(),
            min_free_disk_bytes: self.options.min_free_disk_bytes,
            bounds_memory: self.options.expected_bytes.is_some(),
        };
        let pipes = Pipes::new(result, prints);
        let mut ending = observe(&observed, pipes, &mut self.inbox, emit);
        if ending.succeeded() {
            if let Some(output) = &mut output {
                ending.link_error = output.complete().err();
            }
        }
        if let Some(writing) = writing {
            let has_name = output
                .as_ref()
                .is_some_and(|output| output.named_path().is_some());
            if ending.succeeded() && has_name {
                writing.complete();
            }
        }
        (ending, output)
    }
}

/// The step, where its event was delivered.
fn heard(delivered: bool, step: Step) -> Step {
    if delivered {
        step
    } else {
        Step::Unheard
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{channel, Receiver};

    use super::super::output_file::tests::Folder;
    use super::super::scratch_place::ScratchPlace;
    use super::*;

    fn options() -> Options {
        Options {
            output: None,
            pool_size: 4,
            expected_bytes: None,
            scratch: ScratchPlace::Memory,
            exclude_memory: false,
            min_free_disk_bytes: 0,
            slots: Vec::new(),
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
    fn there_is_one_probe_at_a_time_until_it_is_closed_however_it_ends() {
        // GIVEN no thread that could be V8's
        let without_v8 = Options {
            pool_size: 0,
            ..options()
        };
        let (id, received) = started(without_v8).expect("no other is under way");
        // THEN it fails before anything happens, and the next can start
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
}
