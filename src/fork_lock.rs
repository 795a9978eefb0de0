//! Locks that are held across a fork, so that the child finds them free. `[unsafe]`
//!
//! In the child only the forking thread exists. A lock that another thread held at that moment stays locked there for ever, and
//! what it guards may be half changed. One that the forking thread holds itself is whole, and its own to give back.
//!
//! Duties of this file: in the child, give back only what was held.
//! Out of scope: what the locks guard, and who forks.

use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

/// A lock that is held until this is dropped, or given back in the child.
pub trait Held {
    /// Gives the lock back in the child of a fork.
    ///
    /// # Safety
    ///
    /// The caller is the only thread of its process.
    unsafe fn give_back_in_child(self: Box<Self>);
}

struct One<T: 'static> {
    mutex: &'static Mutex<T>,
    guard: MutexGuard<'static, T>,
}

impl<T: 'static> Held for One<T> {
    unsafe fn give_back_in_child(self: Box<Self>) {
        let One { mutex, guard } = *self;
        std::mem::forget(guard);
        // A thread that waited for the lock is in its queue here too, and parking_lot hands the lock on to one that has waited
        // for long: then it would be locked again, by nobody. Each round takes one out of the queue.
        while mutex.is_locked() {
            // SAFETY: this thread owned the guard that was forgotten above, or the lock was handed to a thread that does not exist
            // (our caller's promise) — `Mutex::force_unlock`.
            unsafe { mutex.force_unlock() };
        }
    }
}

/// Takes a lock, unless that takes longer than `limit`. Whoever holds it for that long ends the child, if the child needs it.
pub fn hold<T: 'static>(mutex: &'static Mutex<T>, limit: Duration) -> Option<Box<dyn Held>> {
    let guard = mutex.try_lock_for(limit)?;
    Some(Box::new(One { mutex, guard }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    static FREE: Mutex<u32> = Mutex::new(0);
    static QUEUED: Mutex<u32> = Mutex::new(0);
    static STARTED: AtomicU32 = AtomicU32::new(0);

    #[test]
    fn one_that_somebody_holds_is_not_waited_for() {
        let guard = FREE.lock();
        let taken = std::thread::spawn(|| hold(&FREE, Duration::from_millis(1)).is_some())
            .join()
            .expect("a thread");
        assert!(!taken);
        drop(guard);
        let held = hold(&FREE, Duration::from_millis(1)).expect("free");
        assert!(FREE.is_locked());
        drop(held);
        assert!(!FREE.is_locked());
    }

    /// Without the loop the lock is handed to one of the queue, which in a child does not exist.
    #[test]
    fn a_lock_with_a_queue_is_free_afterwards() {
        let held = hold(&QUEUED, Duration::from_millis(1)).expect("free");
        let threads: Vec<_> = (0..3)
            .map(|_| {
                std::thread::spawn(|| {
                    STARTED.fetch_add(1, Ordering::SeqCst);
                    *QUEUED.lock() += 1;
                })
            })
            .collect();
        while STARTED.load(Ordering::SeqCst) < 3 {
            std::thread::yield_now();
        }
        drop(held);
        for thread in threads {
            thread.join().expect("a thread");
        }
        assert_eq!(*QUEUED.lock(), 3);
    }
}
