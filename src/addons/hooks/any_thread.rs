//! External strings and SharedArrayBuffers: whose finalizers may run on any thread. `[unsafe]`
//!
//! Node 26 was seen to free strings on a thread of V8's, with the environment's pointer or without, and strings live
//! longer than their environment; a SharedArrayBuffer ends with the last thread that has it. So their records are not in the
//! holdings: each is a block of its own, which holds a share of its environment and counts atomically.
//!
//! ```text
//!  begin ──▶ IN_CALL ──▶ end ──▶ LIVE ──▶ finalize ──▶ freed
//!               │         end, failed ──▶ freed, or STRAY when Node may still call ──▶ finalize ──▶ freed
//!               └──▶ finalize ──▶ DONE ──▶ end ──▶ freed
//! ```
//!
//! Duties of this file: a record is freed by the last of its two users, the hook that made it and the finalizer.
//! Out of scope: what is in them.

use std::ffi::c_void;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::Arc;

use super::environments::{Calling, Environment};
use crate::addons::figures::{AnyThreadKind, Things};
use crate::addons::holdings::Finalizer;

const IN_CALL: u8 = 0;
const LIVE: u8 = 1;
const STRAY: u8 = 2;
const DONE: u8 = 3;

/// One of them, or one that is being made.
#[derive(Debug)]
pub struct Record {
    state: AtomicU8,
    kind: AnyThreadKind,
    environment: Arc<Environment>,
    epoch: u32,
    finalizer: Finalizer,
    bytes: u64,
}

impl Record {
    fn things(&self) -> &Things {
        self.environment.figures.of_any_thread(self.kind)
    }

    fn counts(&self) -> bool {
        self.environment.counts_under(self.epoch)
    }
}

/// A call that gives Node one.
#[derive(Debug)]
pub struct Begun(*mut Record);

/// One is about to be made.
pub fn begin(environment: Calling, kind: AnyThreadKind, finalizer: Finalizer, bytes: u64) -> Begun {
    let environment = environment.share();
    Begun(Box::into_raw(Box::new(Record {
        state: AtomicU8::new(IN_CALL),
        kind,
        epoch: environment.epoch(),
        environment,
        finalizer,
        bytes,
    })))
}

impl Begun {
    /// What Node is to keep beside the finalizer.
    pub fn hint(&self) -> *mut c_void {
        self.0.cast()
    }

    /// The call has returned. `certain`, when it failed: Node will not call the finalizer.
    pub fn end(self, succeeded: bool, certain: bool) {
        // SAFETY: made by `begin`; in the state IN_CALL the finalizer leaves it to us.
        let record = unsafe { &*self.0 };
        let pending = record.finalizer.callback != 0;
        let figures = &record.environment.figures;
        if succeeded {
            // Counted before the finalizer, on whatever thread, may take it away again.
            record.things().begin_on_any_thread(record.bytes);
            if pending {
                figures.any_thread_finalizers_pending.add_on_any_thread(1);
            }
        }
        let next = if succeeded { LIVE } else { STRAY };
        let left_to_finalizer = (succeeded || !certain)
            && record
                .state
                .compare_exchange(IN_CALL, next, Ordering::AcqRel, Ordering::Acquire)
                .is_ok();
        if left_to_finalizer {
            return;
        }
        // The finalizer ran inside the call, or never will.
        if succeeded {
            record.things().end_on_any_thread(record.bytes);
            if pending {
                figures.any_thread_finalizers_pending.take_on_any_thread(1);
            }
        }
        // SAFETY: Node has called its finalizer or will not; nobody else knows of it — `Box::from_raw`.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

/// Node calls the finalizer of one, on any thread. What the addon's own is to be called with.
///
/// # Safety
///
/// `hint` is from [`Begun::hint`], and this is the only call with it.
pub unsafe fn finalize(hint: *mut c_void) -> Finalizer {
    let pointer = hint.cast::<Record>();
    // SAFETY: our caller's promise; it is freed below, or by `Begun::end` after the exchange.
    let record = unsafe { &*pointer };
    let finalizer = record.finalizer;
    let before = record
        .state
        .compare_exchange(IN_CALL, DONE, Ordering::AcqRel, Ordering::Acquire);
    if before.is_ok() {
        return finalizer;
    }
    if before == Err(LIVE) && record.counts() {
        let figures = &record.environment.figures;
        record.things().end_on_any_thread(record.bytes);
        if finalizer.callback != 0 {
            figures.any_thread_finalizers_pending.take_on_any_thread(1);
        }
    }
    // SAFETY: the hook that made it has returned (it is not IN_CALL), and this is the only call with it.
    drop(unsafe { Box::from_raw(pointer) });
    finalizer
}
