//! Observes a child while it runs: what it says and prints, how much memory it takes, and how it ends.
//!
//! Knows: what to look at, and how often. [`super::watchdog`] decides; this file carries out the verdict.
//! Out of scope: V8, napi, how the child was made.
//! Limitations: how a child ended that other code reaped (a `waitpid(-1)` in the process). This file waits only for the pid that
//! was forked here, and does not touch SIGCHLD: the service's own children are not affected.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, PipeReader, Read};
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::headroom::Sources;
use super::messages::{Command, Event, Inbox, Running};
use super::outcome::{Ending, Stopped};
use super::pipe_protocol::{MessageReader, Report};
use super::sys::{self, Reaped};
use super::watchdog::{Bounds, Look, Verdict, Watchdog};

/// The time between two looks at the pipes after the child's end.
const DRAIN_TICK: Duration = Duration::from_millis(20);
/// How long to wait for the rest of the pipes after the child's end. Another process that was just being started may
/// have a copy of the writing end until its exec.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);
/// How much of what the child printed is kept.
const PRINTED_LIMIT: usize = 4096;
/// How much is read from a pipe at a time.
const PIECE: usize = 256 << 10;

/// The pid of a child until it is reaped, so that another thread can kill it. After that the pid may belong to another process.
#[derive(Debug, Default)]
pub struct ChildPid(Mutex<Option<i32>>);

impl ChildPid {
    /// There is a child.
    pub fn set(&self, pid: i32) {
        *self.0.lock() = Some(pid);
    }

    /// Kills the child, if there is one. The lock is held while killing, so that the child cannot be reaped meanwhile.
    pub fn kill(&self) {
        if let Some(pid) = *self.0.lock() {
            sys::kill(pid);
        }
    }

    /// Reaps the child, if it has ended.
    fn reap(&self, pid: i32) -> Option<Reaped> {
        let mut child = self.0.lock();
        let reaped = sys::reap(pid, false)?;
        *child = None;
        Some(reaped)
    }
}

/// What to observe, and within which bounds.
pub struct Observed<'a> {
    /// The child.
    pub running: Running,
    /// Its pid, for a thread that has to kill it at once.
    pub pid: &'a ChildPid,
    /// Its output.
    pub output: Option<&'a File>,
    /// The file that is its working memory.
    pub scratch_file: Option<&'a File>,
    /// The output's disk must keep this many bytes free.
    pub min_free_disk_bytes: u64,
    /// Whether the memory that is left is looked at.
    pub bounds_memory: bool,
}

/// Observes a child until it is reaped and has said everything.
pub fn observe(
    observed: &Observed<'_>,
    mut pipes: Pipes,
    inbox: &mut Inbox,
    emit: &dyn Fn(Event) -> bool,
) -> Ending {
    let Running {
        pid,
        start,
        limit,
        excluded_bytes,
    } = observed.running;
    let anonymous_at_fork =
        anonymous_bytes("self").map(|bytes| bytes.saturating_sub(excluded_bytes as u64));
    let sources = observed.bounds_memory.then(Sources::find);
    let pidfd = sys::pidfd(pid);
    let mut watchdog = Watchdog::new(Bounds {
        time: limit,
        min_free_disk_bytes: observed.min_free_disk_bytes,
        scratch_is_file: observed.scratch_file.is_some(),
    });
    let carry_out = |verdict| match verdict {
        Verdict::GoOn => {}
        // A stopped process can be killed as well.
        Verdict::End => sys::kill(pid),
        Verdict::Wait => {
            sys::stop(pid);
            if let Some(file) = observed.scratch_file {
                sys::start_writing(file);
            }
        }
        Verdict::Resume => sys::resume(pid),
    };
    let mut reported = 0;
    let mut peak_anonymous = None;
    let mut last_tick = start;
    let reaped = loop {
        let [result, prints] = pipes.fds();
        let ready = sys::poll_readable(
            [
                Some(inbox.as_raw_fd()),
                result,
                prints,
                pidfd.as_ref().map(AsRawFd::as_raw_fd),
            ],
            Some(watchdog.tick()),
        );
        let [woken, result_ready, prints_ready, ended] = ready.unwrap_or([true; 4]);
        if woken {
            inbox.clear_wake();
        }
        while let Some(command) = inbox.next() {
            match command {
                Command::Stop(reason) => carry_out(watchdog.on_command(reason)),
                Command::Close => carry_out(watchdog.on_command(Stopped::Aborted)),
                Command::Again | Command::Forked(_) => {}
            }
        }
        pipes.read([result_ready, prints_ready]);
        // Without a pidfd the child is looked at on every tick, and whenever it says something.
        if ended || pidfd.is_none() {
            if let Some(reaped) = observed.pid.reap(pid) {
                break reaped;
            }
        }
        carry_out(watchdog.on_time(start.elapsed()));
        if last_tick.elapsed() < watchdog.tick() {
            continue;
        }
        last_tick = Instant::now();
        let anonymous = anonymous_bytes(&pid.to_string());
        peak_anonymous = peak_anonymous.max(anonymous);
        // The service may grow as well: what counts is what is left now, not what was planned.
        let room = sources.as_ref().and_then(Sources::memory);
        let free_disk_bytes = observed
            .output
            .and_then(|output| sys::file_system(output).ok())
            .map(|(free, _)| free);
        carry_out(watchdog.on_tick(Look {
            elapsed: start.elapsed(),
            room: room.as_ref(),
            anonymous_bytes: anonymous,
            free_disk_bytes,
        }));
        let size = observed
            .output
            .and_then(|output| output.metadata().ok())
            .map_or(0, |metadata| metadata.len());
        if size > reported {
            reported = size;
            emit(Event::Progress(size));
        }
    };
    pipes.drain(DRAIN_LIMIT);
    let (report, printed) = pipes.finish();
    Ending {
        report,
        printed,
        reaped,
        stopped: watchdog.stopped(),
        link_error: None,
        peak_anonymous_bytes: peak_anonymous,
        anonymous_at_fork_bytes: anonymous_at_fork,
    }
}

/// The two pipes of a child: what it says, and what it prints.
pub struct Pipes {
    result: Option<PipeReader>,
    prints: Option<PipeReader>,
    messages: MessageReader,
    printed: Vec<u8>,
    piece: Vec<u8>,
}

impl Pipes {
    /// Of the reading ends.
    pub fn new(result: PipeReader, prints: PipeReader) -> Self {
        Pipes {
            result: Some(result),
            prints: Some(prints),
            messages: MessageReader::default(),
            printed: Vec::new(),
            piece: vec![0; PIECE],
        }
    }

    /// The descriptors to wait for; `None` for a pipe that has ended.
    fn fds(&self) -> [Option<RawFd>; 2] {
        [&self.result, &self.prints].map(|pipe| pipe.as_ref().map(AsRawFd::as_raw_fd))
    }

    /// Reads a piece of each pipe that is ready.
    fn read(&mut self, [result_ready, prints_ready]: [bool; 2]) {
        if result_ready {
            read_piece(&mut self.result, &mut self.piece, |bytes| {
                self.messages.push(bytes)
            });
        }
        if prints_ready {
            read_piece(&mut self.prints, &mut self.piece, |bytes| {
                keep_tail(&mut self.printed, bytes)
            });
        }
    }

    /// Reads until both have ended, or until `limit` has passed.
    fn drain(&mut self, limit: Duration) {
        let deadline = Instant::now() + limit;
        while (self.result.is_some() || self.prints.is_some()) && Instant::now() < deadline {
            let ready = sys::poll_readable(self.fds(), Some(DRAIN_TICK)).unwrap_or([true; 2]);
            self.read(ready);
        }
    }

    /// What the child said, and the end of what it printed.
    fn finish(self) -> (Report, String) {
        let printed = String::from_utf8_lossy(&self.printed).into_owned();
        (self.messages.finish(), printed)
    }
}

/// Reads what is there, and closes a pipe that has ended.
fn read_piece(pipe: &mut Option<PipeReader>, piece: &mut [u8], mut take: impl FnMut(&[u8])) {
    let Some(reader) = pipe else {
        return;
    };
    match reader.read(piece) {
        Ok(length) if length > 0 => take(&piece[..length]),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
        Ok(_) | Err(_) => *pipe = None,
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
    use std::io::Write;

    use super::super::pipe_protocol::{header, Kind};
    use super::*;

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
        let (reader, mut writer) = io::pipe().expect("a pipe");
        writer.write_all(b"some").expect("there is room");
        let mut pipe = Some(reader);
        let mut piece = [0; 16];
        let mut seen = Vec::new();
        read_piece(&mut pipe, &mut piece, |bytes| seen.extend_from_slice(bytes));
        assert!(pipe.is_some());
        drop(writer);
        read_piece(&mut pipe, &mut piece, |bytes| seen.extend_from_slice(bytes));
        assert!(pipe.is_none());
        read_piece(&mut pipe, &mut piece, |bytes| seen.extend_from_slice(bytes));
        assert_eq!(seen, b"some");
    }

    #[test]
    fn pipes_are_drained_and_a_writer_that_stays_open_is_not_waited_for_longer_than_the_limit() {
        let (result, mut says) = io::pipe().expect("a pipe");
        let (prints, mut print) = io::pipe().expect("a pipe");
        let mut pipes = Pipes::new(result, prints);
        says.write_all(&header(Kind::Done, 0))
            .expect("there is room");
        print.write_all(b"hello").expect("there is room");
        drop(says);
        pipes.drain(Duration::from_millis(60));
        assert_eq!(pipes.fds()[0], None);
        drop(print);
        pipes.drain(DRAIN_LIMIT);
        assert_eq!(pipes.fds(), [None, None]);
        let (report, printed) = pipes.finish();
        assert!(report.done);
        assert_eq!(printed, "hello");
    }

    #[test]
    fn anonymous_memory_is_that_of_the_process_and_unknown_where_there_is_none() {
        assert!(anonymous_bytes("self").is_some_and(|bytes| bytes > 100_000));
        assert_eq!(anonymous_bytes("0"), None);
    }
}
