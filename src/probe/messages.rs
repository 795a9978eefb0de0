//! What the probe's thread and the JavaScript thread tell each other.
//!
//! Knows: the events, the commands, and how a command wakes a thread that waits in poll(2).
//! Out of scope: what follows from them.
//! Limitations: a command that is sent after the probe's thread has ended is lost.
#![forbid(unsafe_code)]

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::time::{Duration, Instant};

use crate::base::error::Failure;

use super::outcome::{Ending, Stopped};
use super::scratch_place::ScratchPlace;

/// Why a probe could not be prepared.
#[derive(Debug)]
pub struct Refusal {
    /// The error for the caller.
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

/// What the probe's thread tells the JavaScript thread.
#[derive(Debug)]
pub enum Event {
    /// Ready for [`super::session::Session::fork_child`]; where the child's working memory comes from.
    Prepared(ScratchPlace),
    /// Could not be prepared; nothing happened. With the error number, where the output is to blame.
    Failed(Refusal),
    /// The output has grown to this many bytes.
    Progress(u64),
    /// The child was reaped.
    Ended(Box<Ending>),
    /// The probe is over, and the next one can start.
    Closed,
}

/// What the JavaScript thread tells the probe's thread.
#[derive(Debug)]
pub enum Command {
    /// It has forked.
    Forked(Running),
    /// The child is to be ended, for this reason.
    Stop(Stopped),
    /// Another attempt is to be prepared.
    Again,
    /// Everything is to be ended.
    Close,
}

/// A child that was just forked.
#[derive(Debug, Clone, Copy)]
pub struct Running {
    /// Its process id.
    pub pid: i32,
    /// When it was forked.
    pub start: Instant,
    /// How long it may take.
    pub limit: Duration,
    /// How many bytes were excluded from the fork.
    pub excluded_bytes: usize,
}

/// The end at which commands are sent.
pub struct Commands {
    sender: Sender<Command>,
    wake: PipeWriter,
    /// Kept open as long as anybody can write: a write to a pipe without a reader raises SIGPIPE, which ends a service that
    /// does not ignore it (pipe(7)).
    _wake_reader: PipeReader,
}

/// The end at which they are received.
pub struct Inbox {
    receiver: Receiver<Command>,
    wake: PipeReader,
}

/// Both ends.
pub fn commands() -> io::Result<(Commands, Inbox)> {
    let (wake_reader, wake) = io::pipe()?;
    let kept_reader = wake_reader.try_clone()?;
    let (sender, receiver) = channel();
    Ok((
        Commands {
            sender,
            wake,
            _wake_reader: kept_reader,
        },
        Inbox {
            receiver,
            wake: wake_reader,
        },
    ))
}

impl Commands {
    /// Sends a command, and wakes the thread.
    pub fn send(&self, command: Command) {
        // Both fail only when the thread has ended, and then nobody needs the command.
        let _ = self.sender.send(command);
        let _ = (&self.wake).write_all(&[0]);
    }
}

impl Inbox {
    /// Waits for the next command. When the sender was dropped, that is [`Command::Close`].
    pub fn wait(&self) -> Command {
        self.receiver.recv().unwrap_or(Command::Close)
    }

    /// The next command, if there is one.
    pub fn next(&self) -> Option<Command> {
        self.receiver.try_recv().ok()
    }

    /// Empties the pipe that woke the thread.
    pub fn clear_wake(&mut self) {
        let mut bytes = [0; 16];
        let _ = self.wake.read(&mut bytes);
    }
}

impl AsRawFd for Inbox {
    fn as_raw_fd(&self) -> RawFd {
        self.wake.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::super::sys;
    use super::*;

    #[test]
    fn a_command_wakes_a_thread_that_polls_and_a_dropped_sender_closes() {
        let (commands, mut inbox) = commands().expect("a pipe");
        let woken = |inbox: &Inbox| {
            sys::poll_readable([Some(inbox.as_raw_fd())], Some(Duration::ZERO)).expect("a poll")
        };
        assert_eq!(woken(&inbox), [false]);
        assert!(inbox.next().is_none());
        commands.send(Command::Again);
        assert_eq!(woken(&inbox), [true]);
        inbox.clear_wake();
        assert_eq!(woken(&inbox), [false]);
        assert!(matches!(inbox.wait(), Command::Again));
        drop(commands);
        assert!(matches!(inbox.wait(), Command::Close));
    }

    #[test]
    fn a_command_to_a_thread_that_has_ended_is_lost() {
        let (commands, inbox) = commands().expect("a pipe");
        drop(inbox);
        commands.send(Command::Close);
    }
}
