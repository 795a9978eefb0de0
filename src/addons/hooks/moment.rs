//! Which watch is on, on which thread we are, and when. `[unsafe]`
//!
//! Knows: numbers that every hook asks for. Out of scope: who asks, and what is counted.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Which watch is on; 0 while none is. Each has a number of its own: what was counted under another is void.
pub(super) static EPOCH: AtomicU32 = AtomicU32::new(0);

/// Whether a watch is on.
#[inline]
pub fn is_on() -> bool {
    EPOCH.load(Ordering::Relaxed) != 0
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
