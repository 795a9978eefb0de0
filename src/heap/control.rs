//! Progress and cancellation of one run: one thread works, another one asks.
//!
//! Knows: a flag and two numbers. Out of scope: who asks.
//! Limitations: a system call that hangs is not stopped.

#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::Arc;

use once_cell::sync::Lazy;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::base::error::{Code, Failure};

/// What a run is doing. The order is that of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Phase {
    /// Reading and scanning the file.
    Read = 0,
    /// Finding out who dominates whom.
    Dominators = 1,
    /// Distances and shortest paths from the roots.
    Distances = 2,
    /// Classes, suspects, texts.
    Report = 3,
}

/// The shared state of one run.
#[derive(Debug, Default)]
pub struct Control {
    cancelled: AtomicBool,
    phase: AtomicU32,
    permille: AtomicU32,
}

impl Control {
    /// A run that nobody has cancelled.
    pub fn new() -> Self {
        Control::default()
    }

    /// Asks the run to stop. It does so within some ten thousand items, with `ERR_OFFHEAP_ABORTED`.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// The phase (see [`Phase`]) and how much of it is done, in thousandths.
    pub fn progress(&self) -> (u32, u32) {
        (
            self.phase.load(Ordering::Relaxed),
            self.permille.load(Ordering::Relaxed),
        )
    }

    /// Fails once the run has been cancelled.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(Failure::new(Code::Aborted, "The operation was aborted"));
        }
        Ok(())
    }

    /// Notes how far a phase has come; fails once the run has been cancelled.
    pub(crate) fn report(&self, phase: Phase, done: u64, total: u64) -> Result<(), Failure> {
        let permille = if total == 0 {
            0
        } else {
            (u128::from(done.min(total)) * 1000 / u128::from(total)) as u32
        };
        self.phase.store(phase as u32, Ordering::Relaxed);
        self.permille.store(permille, Ordering::Relaxed);
        self.check()
    }
}

/// The runs that are going on, by number: the thread that asks holds a number, not a pointer.
#[derive(Default)]
pub struct Runs {
    next: u32,
    controls: FxHashMap<u32, Arc<Control>>,
}

/// The runs of this process, of all its environments.
pub static RUNS: Lazy<Mutex<Runs>> = Lazy::new(Mutex::default);

impl Runs {
    /// A new run; [`Runs::end`] must be called with its number.
    pub fn begin(&mut self) -> u32 {
        loop {
            self.next = self.next.wrapping_add(1);
            if !self.controls.contains_key(&self.next) {
                self.controls.insert(self.next, Arc::new(Control::new()));
                return self.next;
            }
        }
    }

    /// The control of a run that has not ended; for any other number, a new one that no run has.
    pub fn control(&self, run: u32) -> Arc<Control> {
        self.controls.get(&run).cloned().unwrap_or_default()
    }

    /// Forgets a run.
    pub fn end(&mut self, run: u32) {
        self.controls.remove(&run);
    }
}

/// Polls a [`Control`] once every 16,384 steps of a loop: often enough to stop at once, and too rarely to cost anything.
pub(crate) struct Ticker<'a> {
    control: &'a Control,
    steps: u32,
}

impl<'a> Ticker<'a> {
    pub(crate) fn new(control: &'a Control) -> Self {
        Ticker { control, steps: 0 }
    }

    #[inline]
    pub(crate) fn tick(&mut self) -> Result<(), Failure> {
        self.steps = self.steps.wrapping_add(1);
        if self.steps & 0x3fff == 0 {
            self.control.check()?;
        }
        Ok(())
    }
}
