//! Locks that are held across a fork, so that the child finds them free. `[unsafe]`
//!
//! In the child only the forking thread exists. A lock that another thread held at that moment is never unlocked there, and
//! what it guards may be half changed. So the forking thread takes the locks before the fork: then what they guard is whole, and
//! the child may unlock them.
//!
//! Duties of this file: in the child, give back only what was held.
//! Out of scope: what the locks guard, and who forks.
//! Limitations: locks of this package only.

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
        // A thread that waited for the lock is in its queue in the child too, and parking_lot hands the lock on to a thread that has
        // waited for long: the lock would belong to a thread that does not exist. Each round takes one thread out of the queue.
        while mutex.is_locked() {
            // SAFETY: this thread owned the guard that was forgotten above, or the lock was handed to a thread that does not exist
            // (our caller's promise) — `Mutex::force_unlock`.
            unsafe { mutex.force_unlock() };
        }
    }
}

/// Takes a lock, unless that takes longer than `limit`. The caller then forks without it, and a child that needs the lock ends.
pub fn hold<T: 'static>(mutex: &'static Mutex<T>, limit: Duration) -> Option<Box<dyn Held>> {
    let guard = mutex.try_lock_for(limit)?;
    Some(Box::new(One { mutex, guard }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicI32, Ordering};

    static FREE: Mutex<u32> = Mutex::new(0);
    static QUEUED: Mutex<u32> = Mutex::new(0);
    static THREADS: [AtomicI32; 3] = [const { AtomicI32::new(0) }; 3];

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

    /// What the system call of a thread is, by its number.
    fn waits_for_a_futex(thread: i32) -> bool {
        std::fs::read_to_string(format!("/proc/self/task/{thread}/syscall"))
            .is_ok_and(|call| call.starts_with("202 "))
    }

    /// In a real child, because only there the threads of the queue are gone. With one `force_unlock` instead of the loop it ends
    /// with 1: parking_lot hands a lock on to a thread that has waited for a while.
    #[test]
    fn in_a_child_a_lock_with_a_queue_is_free() {
        let held = hold(&QUEUED, Duration::from_millis(1)).expect("free");
        let threads: Vec<_> = THREADS
            .iter()
            .map(|thread| {
                std::thread::spawn(|| {
                    // SAFETY: no arguments — gettid(2).
                    let own = unsafe { libc::syscall(libc::SYS_gettid) };
                    thread.store(own as i32, Ordering::SeqCst);
                    *QUEUED.lock() += 1;
                })
            })
            .collect();
        while !THREADS
            .iter()
            .all(|thread| waits_for_a_futex(thread.load(Ordering::SeqCst)))
        {
            std::thread::yield_now();
        }
        // SAFETY: the child calls only what takes no lock but the one that it holds, and ends at once — fork(2).
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: one integer — alarm(2). Ends a child that hangs.
            unsafe { libc::alarm(10) };
            // SAFETY: a forked process has one thread — fork(2).
            unsafe { held.give_back_in_child() };
            // SAFETY: ends the child — _exit(2).
            unsafe { libc::_exit(i32::from(QUEUED.is_locked())) };
        }
        let mut status = -1;
        // SAFETY: the pointer is to a local; the child is the one that was just forked — waitpid(2).
        unsafe { libc::waitpid(child, &mut status, 0) };
        drop(held);
        for thread in threads {
            thread.join().expect("a thread");
        }
        assert_eq!((status, *QUEUED.lock()), (0, 3));
    }
}
