//! Which watch is on and what it looks for, on which thread we are, and when. `[unsafe]`
//!
//! Knows: the number of the watch, its options, the thread and the time: what every hook asks for.
//! Duties of this file: nothing is locked or allocated.
//! Out of scope: who asks, and what is counted.
//! Limitations: a hook that runs while the watch ends may still see it.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Which watch is on; 0 while none is. Each has a number of its own: what was counted under another is void.
static EPOCH: AtomicU32 = AtomicU32::new(0);

/// Whether the end of Buffers that Node allocates is looked for under this watch.
static BUFFER_ENDS: AtomicBool = AtomicBool::new(false);

/// Every nth thing is sampled under this watch; 0 for none.
static SAMPLED_EVERY: AtomicU32 = AtomicU32::new(0);

/// Which watch is on; 0 while none is.
#[inline]
pub fn epoch() -> u32 {
    EPOCH.load(Ordering::Relaxed)
}

/// Whether a watch is on.
#[inline]
pub fn is_on() -> bool {
    epoch() != 0
}

/// A watch begins, and looks for nothing that nobody has asked for yet.
pub(super) fn begin_watch() {
    static LAST: AtomicU32 = AtomicU32::new(0);
    let mut next = LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
    if next == 0 {
        next = LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
    }
    BUFFER_ENDS.store(false, Ordering::Relaxed);
    SAMPLED_EVERY.store(0, Ordering::Relaxed);
    EPOCH.store(next, Ordering::Relaxed);
}

/// The watch is over.
pub(super) fn end_watch() {
    EPOCH.store(0, Ordering::Relaxed);
}

/// From now on the end of Buffers that Node allocates is looked for.
pub fn look_for_buffer_ends() {
    BUFFER_ENDS.store(true, Ordering::Relaxed);
}

/// Whether it is.
#[inline]
pub fn looks_for_buffer_ends() -> bool {
    BUFFER_ENDS.load(Ordering::Relaxed)
}

/// From now on one thing in `every` is sampled.
pub fn sample_every(every: u32) {
    SAMPLED_EVERY.store(every, Ordering::Relaxed);
}

/// One thing in how many is sampled; 0 for none.
#[inline]
pub fn sampled_every() -> u32 {
    SAMPLED_EVERY.load(Ordering::Relaxed)
}

/// The system's number of this thread. In a forked child it is that of the thread which forked: the child has that thread's
/// environments, and no other thread.
pub fn current_thread() -> i32 {
    thread_local! {
        static NUMBER: Cell<i32> = const { Cell::new(0) };
    }
    let known = NUMBER.get();
    if known != 0 {
        return known;
    }
    // SAFETY: no arguments — gettid(2).
    let number = unsafe { libc::syscall(libc::SYS_gettid) as i32 };
    NUMBER.set(number);
    number
}

/// Milliseconds of the calendar.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}
