//! Turns the end of a child into the result or the error for the caller.
//!
//! Knows: what the child said, how it ended, whether offheap ended it, and what it printed.
//! Out of scope: processes and pipes. Everything here is plain data.
//! Limitations: who sent a signal. A SIGKILL that offheap did not send is most often from the kernel, out of memory.
#![forbid(unsafe_code)]

use crate::base::error::{Code, Failure};

use super::pipe_protocol::{Report, Wait, EXIT_BUG};
use super::sys::{Ended, Reaped};

/// Why offheap ended a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// It took longer than it was given.
    Timeout,
    /// The caller aborted it.
    Aborted,
    /// Memory ran short while the child worked.
    Memory {
        /// The child's anonymous memory, where it was measured.
        used: Option<u64>,
        /// What was left.
        left: u64,
    },
    /// The output's disk has fewer free bytes than it must keep: `(free, bound)`.
    Disk(u64, u64),
}

/// All that is known of a child's end.
#[derive(Debug)]
pub struct Ending {
    /// What it said.
    pub report: Report,
    /// The end of what it printed.
    pub printed: String,
    /// How it ended.
    pub reaped: Reaped,
    /// Why offheap ended it, if it did.
    pub stopped: Option<Stopped>,
    /// The error that kept the finished output from getting its name.
    pub link_error: Option<String>,
    /// The largest anonymous memory that was measured.
    pub peak_anonymous_bytes: Option<u64>,
    /// What the child started with: the service's anonymous memory just after the fork, minus what was excluded.
    pub anonymous_at_fork_bytes: Option<u64>,
}

impl Ending {
    /// Whether the child finished its work and ended by itself.
    pub fn succeeded(&self) -> bool {
        self.report.done
            && self.stopped.is_none()
            && matches!(self.reaped.ended, Ended::Exited(0) | Ended::Unknown)
    }
}

/// The result of a child that finished its work.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The serialized result; empty when the function threw.
    pub value: Vec<u8>,
    /// What the function threw, serialized; empty when it did not.
    pub thrown: Vec<u8>,
    /// The size of the finished output file.
    pub output_bytes: Option<u64>,
}

/// The result for the caller, or the error.
pub fn outcome(ending: Ending) -> Result<Outcome, Failure> {
    let succeeded = ending.succeeded();
    let report = ending.report;
    let printed = |text: String| {
        let tail = ending.printed.trim();
        if tail.is_empty() {
            text
        } else {
            format!("{text}; it printed:\n{tail}")
        }
    };
    // First what offheap did to the child: everything else is a consequence of that.
    match ending.stopped {
        Some(Stopped::Aborted) => {
            return Err(Failure::new(Code::Aborted, "The operation was aborted"))
        }
        Some(Stopped::Timeout) => {
            return Err(Failure::new(
                Code::ProbeTimeout,
                printed(
                    "The probe's child did not finish within timeoutMs and was killed".to_string(),
                ),
            ));
        }
        Some(Stopped::Memory { used, left }) => {
            let used = used.map_or(String::new(), |used| {
                format!(" It had {used} bytes of anonymous memory by then.")
            });
            return Err(Failure::new(
                Code::NoHeadroom,
                format!(
                    "Memory ran short while the probe's child worked: {left} bytes were left, and it was killed before \
                     the kernel would have chosen whom to kill.{used} Give the container more memory, or use scratch: 'disk'"
                ),
            ));
        }
        Some(Stopped::Disk(free, bound)) => {
            return Err(Failure::new(
                Code::SnapshotNoDiskSpace,
                format!(
                    "Only {free} bytes were left on the disk, fewer than minFreeDiskBytes ({bound}), and the probe's \
                     child was killed; free some space, or use another directory"
                ),
            ));
        }
        None => {}
    }
    if report.touched.is_some() {
        // Callers never see this: the next attempt includes that memory.
        return Err(Failure::new(
            Code::ProbeDeadlock,
            "The probe's child touched memory that had been excluded from it; try again",
        ));
    }
    if let Some(what) = report.deadlock {
        return Err(Failure::new(
            Code::ProbeDeadlock,
            format!(
                "The probe's child would have waited for {} for ever, because the thread that would end the wait does not exist in it; the service is not affected, try again",
                Wait::name(what)
            ),
        ));
    }
    if let Some(errno) = report.output_errno {
        return Err(Failure::new(
            write_code(Some(errno)),
            format!(
                "The output of the probe could not be written: {}",
                std::io::Error::from_raw_os_error(errno)
            ),
        ));
    }
    if report.exit_called {
        return Err(Failure::new(
            Code::ProbeResultRefused,
            "The function called process.exit() in the probe's child, which has nothing to return then",
        ));
    }
    if let Some(reason) = report.refused {
        return Err(Failure::new(Code::ProbeResultRefused, reason));
    }
    if let Some(reason) = report.setup_failed {
        return Err(Failure::new(
            Code::ProbeFailed,
            format!("The probe's child could not be set up: {reason}"),
        ));
    }
    if !succeeded {
        let how = match ending.reaped.ended {
            Ended::Exited(EXIT_BUG) => "ended before its work was done, by a bug of offheap".to_string(),
            Ended::Exited(code) => format!("ended with exit code {code} before its work was done"),
            Ended::Killed(libc::SIGKILL) => {
                "was killed by SIGKILL, which was not offheap's doing: most often it is the kernel, out of memory".to_string()
            }
            Ended::Killed(libc::SIGBUS) => {
                "was killed by SIGBUS: its scratch file could not grow any more, the disk is full".to_string()
            }
            Ended::Killed(signal) => format!("was killed by {}", signal_name(signal)),
            Ended::Unknown => "ended before its work was done".to_string(),
        };
        return Err(Failure::new(
            Code::ProbeCrashed,
            printed(format!("The probe's child {how}")),
        ));
    }
    if let Some(error) = ending.link_error {
        return Err(Failure::new(Code::SnapshotWriteFailed, error));
    }
    Ok(Outcome {
        value: report.value,
        thrown: report.thrown,
        output_bytes: report.output_bytes,
    })
}

/// The code of a write that failed: a full disk has one of its own.
pub fn write_code(errno: Option<i32>) -> Code {
    match errno {
        Some(libc::ENOSPC | libc::EDQUOT) => Code::SnapshotNoDiskSpace,
        _ => Code::SnapshotWriteFailed,
    }
}

/// The name of a signal, as Node's `os.constants.signals` has it.
pub fn signal_name(signal: i32) -> String {
    let name = match signal {
        libc::SIGHUP => "SIGHUP",
        libc::SIGINT => "SIGINT",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGILL => "SIGILL",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGKILL => "SIGKILL",
        libc::SIGUSR1 => "SIGUSR1",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGUSR2 => "SIGUSR2",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGALRM => "SIGALRM",
        libc::SIGTERM => "SIGTERM",
        libc::SIGSTKFLT => "SIGSTKFLT",
        libc::SIGCHLD => "SIGCHLD",
        libc::SIGCONT => "SIGCONT",
        libc::SIGSTOP => "SIGSTOP",
        libc::SIGTSTP => "SIGTSTP",
        libc::SIGTTIN => "SIGTTIN",
        libc::SIGTTOU => "SIGTTOU",
        libc::SIGURG => "SIGURG",
        libc::SIGXCPU => "SIGXCPU (a CPU time limit)",
        libc::SIGXFSZ => "SIGXFSZ (a file size limit)",
        libc::SIGVTALRM => "SIGVTALRM",
        libc::SIGPROF => "SIGPROF",
        libc::SIGWINCH => "SIGWINCH",
        libc::SIGIO => "SIGIO",
        libc::SIGPWR => "SIGPWR",
        libc::SIGSYS => "SIGSYS (a seccomp filter)",
        real_time => return real_time_name(real_time),
    };
    name.to_string()
}

/// As kill(1) lists them; the C library keeps the first two for itself.
fn real_time_name(signal: i32) -> String {
    const FIRST: i32 = 34;
    match signal - FIRST {
        0 => "SIGRTMIN".to_string(),
        above @ 1.. => format!("SIGRTMIN+{above}"),
        _ => format!("signal {signal} of the C library"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ending(ended: Ended) -> Ending {
        Ending {
            report: Report::default(),
            printed: String::new(),
            reaped: Reaped {
                ended,
                peak_rss_bytes: None,
            },
            stopped: None,
            link_error: None,
            peak_anonymous_bytes: None,
            anonymous_at_fork_bytes: None,
        }
    }

    fn code(ending: Ending) -> Result<(), Code> {
        outcome(ending).map(|_| ()).map_err(|failure| failure.code)
    }

    #[test]
    fn every_signal_that_can_end_a_child_has_its_name() {
        for signal in 1..=31 {
            let name = signal_name(signal);
            assert!(name.starts_with("SIG"), "{signal}: {name}");
        }
        assert_eq!(
            [10, 12, 31, 34, 40, 64].map(signal_name),
            [
                "SIGUSR1",
                "SIGUSR2",
                "SIGSYS (a seccomp filter)",
                "SIGRTMIN",
                "SIGRTMIN+6",
                "SIGRTMIN+30"
            ]
        );
    }

    #[test]
    fn a_child_that_was_done_and_ended_well_gives_its_value() {
        let mut good = ending(Ended::Exited(0));
        good.report = Report {
            value: vec![7],
            output_bytes: Some(3),
            done: true,
            ..Report::default()
        };
        assert_eq!(
            outcome(good),
            Ok(Outcome {
                value: vec![7],
                thrown: vec![],
                output_bytes: Some(3)
            })
        );
    }

    #[test]
    fn somebody_elses_waitpid_does_not_turn_success_into_failure() {
        let mut reaped_by_another = ending(Ended::Unknown);
        reaped_by_another.report.done = true;
        assert_eq!(code(reaped_by_another), Ok(()));
        assert_eq!(code(ending(Ended::Unknown)), Err(Code::ProbeCrashed));
    }

    #[test]
    fn each_way_to_fail_has_its_code() {
        let with = |change: fn(&mut Ending)| {
            let mut ending = ending(Ended::Exited(0));
            change(&mut ending);
            code(ending)
        };
        assert_eq!(with(|_| {}), Err(Code::ProbeCrashed));
        assert_eq!(
            with(|e| e.reaped.ended = Ended::Killed(libc::SIGSEGV)),
            Err(Code::ProbeCrashed)
        );
        assert_eq!(
            with(|e| e.report.deadlock = Some(2)),
            Err(Code::ProbeDeadlock)
        );
        assert_eq!(
            with(|e| e.report.refused = Some("no".into())),
            Err(Code::ProbeResultRefused)
        );
        assert_eq!(
            with(|e| e.report.exit_called = true),
            Err(Code::ProbeResultRefused)
        );
        assert_eq!(
            with(|e| e.report.output_errno = Some(libc::ENOSPC)),
            Err(Code::SnapshotNoDiskSpace)
        );
        assert_eq!(
            with(|e| e.report.output_errno = Some(libc::EFBIG)),
            Err(Code::SnapshotWriteFailed)
        );
        assert_eq!(
            with(|e| e.report.setup_failed = Some("no".into())),
            Err(Code::ProbeFailed)
        );
        assert_eq!(
            with(|e| e.stopped = Some(Stopped::Memory {
                used: Some(2),
                left: 1
            })),
            Err(Code::NoHeadroom)
        );
        assert_eq!(
            with(|e| e.stopped = Some(Stopped::Disk(1, 2))),
            Err(Code::SnapshotNoDiskSpace)
        );
        // Done, but offheap had already ended it: the caller that aborted it must not get a value.
        let late = |stopped| {
            let mut ending = ending(Ended::Exited(0));
            ending.report.done = true;
            ending.stopped = Some(stopped);
            code(ending)
        };
        assert_eq!(late(Stopped::Timeout), Err(Code::ProbeTimeout));
        assert_eq!(late(Stopped::Aborted), Err(Code::Aborted));
    }

    #[test]
    fn a_value_from_a_child_that_crashed_afterwards_is_not_trusted() {
        let mut crashed = ending(Ended::Killed(libc::SIGABRT));
        crashed.report.done = true;
        crashed.printed = "FATAL ERROR: out of memory\n".into();
        let failure = outcome(crashed).expect_err("a failure");
        assert_eq!(failure.code, Code::ProbeCrashed);
        assert!(failure.message.contains("SIGABRT"));
        assert!(failure.message.ends_with("FATAL ERROR: out of memory"));
    }
}
