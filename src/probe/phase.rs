//! The phases of one probe, and what leads from one to the next.
//!
//! Knows: the order of the phases.
//! Out of scope: threads, processes, pipes. [`super::session`] does the work of each phase.
//! Limitations: none; this is the whole state machine.
//!
//! ```text
//!             ready              forked             reaped
//!  Preparing ───────▶ Prepared ─────────▶ Running ─────────▶ Ended
//!   │     ▲              │                                   │   │
//!   │     └──────────────┼──────────────── again ────────────┘   │ anything else
//!   │ refused            │ stop, close                           │
//!   └────────────────────┴────────────▶ Closed ◀─────────────────┘
//! ```
//!
//! When an event cannot be delivered (the JavaScript thread has ended), every phase leads to Closed.
#![forbid(unsafe_code)]

use super::messages::Command;

/// What the probe's thread is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It reads what a fork needs to know, and opens what the child needs.
    Preparing,
    /// It waits for the JavaScript thread to fork.
    Prepared,
    /// It observes the child, and ends it where need be.
    Running,
    /// The child was reaped; the JavaScript thread decides whether there is another attempt.
    Ended,
    /// The probe is over.
    Closed,
}

/// What leads from one phase to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Everything is prepared.
    Ready,
    /// It could not be prepared.
    Refused,
    /// The JavaScript thread has forked.
    Forked,
    /// The child was reaped.
    Reaped,
    /// The JavaScript thread wants another attempt.
    Again,
    /// The JavaScript thread wants the child ended.
    Stop,
    /// The JavaScript thread wants everything ended.
    Close,
    /// An event could not be delivered.
    Unheard,
}

impl From<&Command> for Step {
    fn from(command: &Command) -> Self {
        match command {
            Command::Forked(_) => Step::Forked,
            Command::Stop(_) => Step::Stop,
            Command::Again => Step::Again,
            Command::Close => Step::Close,
        }
    }
}

impl Phase {
    /// The phase after this step.
    pub fn after(self, step: Step) -> Phase {
        match (self, step) {
            (_, Step::Unheard) | (Phase::Closed, _) => Phase::Closed,
            (Phase::Preparing, Step::Ready) => Phase::Prepared,
            (Phase::Preparing, Step::Refused) => Phase::Closed,
            (Phase::Preparing, _) => Phase::Preparing,
            (Phase::Prepared, Step::Forked) => Phase::Running,
            (Phase::Prepared, Step::Stop | Step::Close) => Phase::Closed,
            (Phase::Prepared, _) => Phase::Prepared,
            // Commands to end the child go to the watchdog; the child is always reaped.
            (Phase::Running, Step::Reaped) => Phase::Ended,
            (Phase::Running, _) => Phase::Running,
            (Phase::Ended, Step::Again) => Phase::Preparing,
            (Phase::Ended, _) => Phase::Closed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Phase::{Closed, Ended, Prepared, Preparing, Running};
    use super::Step::{Again, Close, Forked, Ready, Reaped, Refused, Stop, Unheard};
    use super::*;

    fn after(steps: &[Step]) -> Phase {
        steps
            .iter()
            .fold(Preparing, |phase, &step| phase.after(step))
    }

    #[test]
    fn a_probe_runs_once_or_again_until_it_is_closed() {
        let cases: [(&[Step], Phase); 7] = [
            (&[Ready], Prepared),
            (&[Ready, Forked], Running),
            (&[Ready, Forked, Reaped], Ended),
            (&[Ready, Forked, Reaped, Close], Closed),
            (&[Ready, Forked, Reaped, Again], Preparing),
            (&[Ready, Forked, Reaped, Again, Ready, Forked], Running),
            (&[Refused], Closed),
        ];
        for (steps, expected) in cases {
            assert_eq!(after(steps), expected, "{steps:?}");
        }
    }

    #[test]
    fn a_child_is_reaped_before_its_probe_can_be_over() {
        assert_eq!(after(&[Ready, Forked, Stop, Close]), Running);
        assert_eq!(after(&[Ready, Forked, Stop, Close, Reaped]), Ended);
    }

    #[test]
    fn without_a_child_a_stop_is_the_end() {
        assert_eq!(after(&[Ready, Stop]), Closed);
        assert_eq!(after(&[Ready, Close]), Closed);
        assert_eq!(after(&[Ready, Forked, Reaped, Stop]), Closed);
        // "Again" says nothing while a fork is awaited.
        assert_eq!(after(&[Ready, Again, Again]), Prepared);
    }

    #[test]
    fn every_phase_ends_where_nobody_listens_and_the_end_is_the_end() {
        for phase in [Preparing, Prepared, Running, Ended, Closed] {
            assert_eq!(phase.after(Unheard), Closed);
        }
        for step in [Ready, Refused, Forked, Reaped, Again, Stop, Close, Unheard] {
            assert_eq!(Closed.after(step), Closed);
        }
    }
}
