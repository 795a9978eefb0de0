//! External strings and SharedArrayBuffers: whose finalizers may run on any thread. `[unsafe]`
//!
//! Node 26 was seen to free strings on a thread of V8's, with the environment's pointer or without, and strings live
//! longer than their environment; a SharedArrayBuffer ends with the last thread that has it. So they have no record in the
//! holdings: each is a block of its own, with a share of the figures, and counts atomically.
//!
//! ```text
//!  begin ──▶ IN_CALL ──▶ end ──▶ LIVE ──▶ finalize ──▶ freed
//!               │         end, failed ──▶ freed, or STRAY when Node may still call ──▶ finalize ──▶ freed
//!               └──▶ finalize ──▶ DONE ──▶ end ──▶ freed
//! ```
//!
//! Duties of this file: a block is freed by the last of its two users, the hook that made it and the finalizer.
//! Out of scope: what is in them.
//! Limitations: a block whose finalizer Node never calls stays.

use std::ffi::c_void;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::addons::figures::{AnyThreadKind, FiguresShare};
use crate::addons::holdings::Finalizer;

const IN_CALL: u8 = 0;
const LIVE: u8 = 1;
const STRAY: u8 = 2;
const DONE: u8 = 3;

/// One of them, or one that is being made.
#[derive(Debug)]
struct Block {
    state: AtomicU8,
    kind: AnyThreadKind,
    share: FiguresShare,
    finalizer: Finalizer,
    bytes: u64,
}

impl Block {
    fn count_begin(&self) {
        if let Some(figures) = self.share.live() {
            figures
                .of_any_thread(self.kind)
                .begin_on_any_thread(self.bytes);
            if self.is_pending() {
                figures.any_thread_finalizers_pending.add_on_any_thread(1);
            }
        }
    }

    fn count_end(&self) {
        if let Some(figures) = self.share.live() {
            figures
                .of_any_thread(self.kind)
                .end_on_any_thread(self.bytes);
            if self.is_pending() {
                figures.any_thread_finalizers_pending.take_on_any_thread(1);
            }
        }
    }

    fn is_pending(&self) -> bool {
        self.finalizer.callback != 0
    }
}

/// A call that gives Node one.
#[derive(Debug)]
pub struct Begun(*mut Block);

/// One is about to be made.
pub fn begin(share: FiguresShare, kind: AnyThreadKind, finalizer: Finalizer, bytes: u64) -> Begun {
    Begun(Box::into_raw(Box::new(Block {
        state: AtomicU8::new(IN_CALL),
        kind,
        share,
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
        let block = unsafe { &*self.0 };
        if succeeded {
            // Counted first: the finalizer, on any thread, may end it at once.
            block.count_begin();
        }
        let next = if succeeded { LIVE } else { STRAY };
        let left_to_finalizer = (succeeded || !certain)
            && block
                .state
                .compare_exchange(IN_CALL, next, Ordering::AcqRel, Ordering::Acquire)
                .is_ok();
        if left_to_finalizer {
            return;
        }
        // The finalizer ran inside the call, or never will.
        if succeeded {
            block.count_end();
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
    let pointer = hint.cast::<Block>();
    // SAFETY: our caller's promise; it is freed below, or by `Begun::end` after the exchange.
    let block = unsafe { &*pointer };
    let finalizer = block.finalizer;
    let before = block
        .state
        .compare_exchange(IN_CALL, DONE, Ordering::AcqRel, Ordering::Acquire);
    if before.is_ok() {
        return finalizer;
    }
    if before == Err(LIVE) {
        block.count_end();
    }
    // SAFETY: the hook that made it has returned (it is not IN_CALL), and this is the only call with it.
    drop(unsafe { Box::from_raw(pointer) });
    finalizer
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::addons::figures::Figures;

    const ADDON: Finalizer = Finalizer {
        callback: 0xF00,
        hint: 0x77,
    };

    fn begun(figures: &Arc<Figures>) -> Begun {
        let kind = AnyThreadKind::ExternalString;
        begin(FiguresShare::of(figures), kind, ADDON, 5)
    }

    /// Live, total, and finalizers that have yet to run.
    fn counts(figures: &Figures) -> [u64; 3] {
        let strings = &figures.external_strings;
        let pending = &figures.any_thread_finalizers_pending;
        [&strings.live, &strings.total, pending].map(|count| count.get())
    }

    fn finalized(hint: *mut c_void) -> Finalizer {
        // SAFETY: each test calls it once for a hint.
        unsafe { finalize(hint) }
    }

    #[test]
    fn one_is_live_from_its_call_to_its_finalizer_wherever_that_runs() {
        let figures = Arc::new(Figures::default());
        let one = begun(&figures);
        let hint = one.hint() as usize;
        one.end(true, false);
        assert_eq!(counts(&figures), [1, 1, 1]);
        let on_another = std::thread::spawn(move || finalized(hint as *mut c_void));
        assert_eq!(on_another.join().expect("a thread"), ADDON);
        assert_eq!(counts(&figures), [0, 1, 0]);
    }

    #[test]
    fn one_whose_finalizer_runs_within_its_call_has_passed() {
        let figures = Arc::new(Figures::default());
        let one = begun(&figures);
        assert_eq!(finalized(one.hint()), ADDON);
        assert_eq!(counts(&figures), [0, 0, 0]);
        one.end(true, false);
        assert_eq!(counts(&figures), [0, 1, 0]);
    }

    #[test]
    fn a_failed_call_counts_nothing_and_its_finalizer_may_still_run() {
        let figures = Arc::new(Figures::default());
        begun(&figures).end(false, true);
        let one = begun(&figures);
        let hint = one.hint();
        one.end(false, false);
        assert_eq!(finalized(hint), ADDON);
        assert_eq!(counts(&figures), [0, 0, 0]);
    }

    #[test]
    fn one_outlives_the_figures_that_it_was_counted_in() {
        let figures = Arc::new(Figures::default());
        let (one, other) = (begun(&figures), begun(&figures));
        let hints = [one.hint(), other.hint()];
        one.end(true, false);
        figures.clear();
        // Begun before, it is not counted after.
        other.end(true, false);
        assert_eq!(counts(&figures), [0, 0, 0]);
        drop(figures);
        assert_eq!(hints.map(finalized), [ADDON, ADDON]);
    }
}
