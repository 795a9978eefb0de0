//! One addon on one JavaScript thread: Node makes a `napi_env` for each. `[unsafe]`
//!
//! Knows: what is constant or atomic in an environment, which any thread may read, and its holdings, which its own thread alone may touch.
//! Duties of this file: no reference to holdings lives across a call into Node.
//! Out of scope: which environments there are, and when one begins and ends; `environments.rs` knows that.
//! Limitations: that the caller is on the environment's thread cannot be checked on every call. Who makes a [`Calling`] promises it.

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::Arc;

use super::moment::{self, current_thread};
use crate::addons::figures::{Figures, FiguresShare};
use crate::addons::holdings::Holdings;

/// One addon on one JavaScript thread. What every hook looks at comes first, in one cache line: between two calls of an addon V8 has
/// used the cache for something else.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct AddonEnvironment {
    /// The watch that it was last counted under.
    pub(super) epoch: AtomicU32,
    /// Its number; no other has it, now or later.
    pub(super) id: u32,
    /// Node tells us of its end.
    pub(super) end_is_told: AtomicBool,
    pub(super) ended: AtomicBool,
    /// Every call since its beginning was seen.
    pub(super) full: AtomicBool,
    /// Its holdings were given back after the watch that they were of.
    pub(super) given_back: AtomicBool,
    pub(super) thread: i32,
    /// The figures. Things that may end on any thread have a share of them.
    pub figures: Arc<Figures>,
    holdings: UnsafeCell<Holdings>,
    /// The address of its `napi_env`.
    pub(super) raw: usize,
    /// What Node calls the file: a URL, or nothing.
    pub(super) told: String,
    /// The same, or the path of the file that was opened for it.
    pub(super) file: String,
    /// When it was first seen, in milliseconds of the calendar.
    pub(super) seen_at: AtomicU64,
}

// SAFETY: `holdings` is only used through `Calling::holdings`, on the environment's own thread; the rest is atomic or constant.
unsafe impl Sync for AddonEnvironment {}
// SAFETY: as above; dropping it on another thread frees plain memory.
unsafe impl Send for AddonEnvironment {}

impl AddonEnvironment {
    /// One that is seen for the first time, on its own thread. `full`: no call of it came before.
    pub(super) fn new(id: u32, raw: usize, told: String, file: String, full: bool) -> Self {
        AddonEnvironment {
            id,
            raw,
            thread: current_thread(),
            told,
            file,
            seen_at: AtomicU64::new(moment::now()),
            full: AtomicBool::new(full),
            epoch: AtomicU32::new(moment::epoch()),
            given_back: AtomicBool::new(false),
            end_is_told: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            figures: Arc::default(),
            holdings: UnsafeCell::new(Holdings::new()),
        }
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Whether it has not ended, and what it counted is of the watch that is on.
    pub(super) fn counts(&self) -> bool {
        let epoch = moment::epoch();
        epoch != 0 && self.epoch.load(Ordering::Relaxed) == epoch && !self.has_ended()
    }

    /// Whether every call since its beginning was seen.
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }
}

/// An environment, on its own thread: who has one may work on the holdings.
#[derive(Debug, Clone, Copy)]
pub struct Calling {
    environment: &'static AddonEnvironment,
    /// Stays on the thread.
    _thread: PhantomData<*const ()>,
}

impl Deref for Calling {
    type Target = AddonEnvironment;

    fn deref(&self) -> &AddonEnvironment {
        self.environment
    }
}

impl Calling {
    /// # Safety
    ///
    /// - The caller is on the environment's own thread.
    /// - The memory of the environment is not given back while this is used.
    pub(super) unsafe fn new(environment: &'static AddonEnvironment) -> Self {
        Calling {
            environment,
            _thread: PhantomData,
        }
    }

    /// The environment, if it is one of this thread and has not ended.
    ///
    /// # Safety
    ///
    /// What is made here is not used after a call into Node, where the environment may end.
    pub(super) unsafe fn own(environment: &Arc<AddonEnvironment>) -> Option<Self> {
        if environment.thread != current_thread() || environment.has_ended() {
            return None;
        }
        // SAFETY: `environments.rs` keeps an environment that has not ended, and it ends on this thread, in a call of Node's.
        let environment = unsafe { Arc::as_ptr(environment).as_ref() }?;
        // SAFETY: compared above; our caller's promise.
        Some(unsafe { Calling::new(environment) })
    }

    /// The environment.
    pub(super) fn environment(self) -> &'static AddonEnvironment {
        self.environment
    }

    /// Works on the holdings. `work` calls nothing of Node's.
    #[inline]
    pub fn holdings<T>(self, work: impl FnOnce(&mut Holdings, &Figures) -> T) -> T {
        // SAFETY: this is the environment's thread (`Calling::new`), and no other reference is alive: each lives as long as
        // one `work`, and none of them calls into Node, where hooks could come back here.
        let holdings = unsafe { &mut *self.environment.holdings.get() };
        work(holdings, &self.environment.figures)
    }

    /// A share of the figures, for a thing that may end on any thread, or after the environment.
    pub fn share(self) -> FiguresShare {
        FiguresShare::of(&self.environment.figures)
    }
}
