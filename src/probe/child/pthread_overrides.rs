//! What the child calls instead of the thread functions of the C library. `[unsafe]`
//!
//! After a fork only the thread that forked exists. A lock that another thread held is never released, and no other thread signals.
//! So, only in the child:
//!
//! | function | override | the failure it prevents |
//! |---|---|---|
//! | `pthread_cond_signal`, `_broadcast` | does nothing | glibc's function waits for waiters that do not exist any more: most children hung |
//! | `pthread_cond_wait`, `_timedwait` | ends the child | nobody will ever signal: the child would hang until its timeout |
//! | `pthread_mutex_lock`, `pthread_rwlock_rdlock`, `_wrlock`, `sem_wait` | tries once, else ends the child | the owner does not exist any more |
//! | `pthread_join`, `pthread_barrier_wait` | ends the child | the other thread does not exist any more |
//! | `syscall(SYS_futex, …)` that would wait | ends the child | Abseil and Rust's library (both in Node 26) wait there and not in `pthread_*`, and so do our own locks: children hung until their timeout |
//! | `pthread_create`, `fork`, `vfork` | refuses with EAGAIN | V8 and libuv would start threads, which would wait for locks that are never released |
//! | `kill` | refuses with EPERM, except to the child itself | Node remembers the process id of the service: `process.kill(process.pid)` killed the service |
//! | `exit` | ends the child | it would run the service's own exit functions a second time |
//!
//! Duties of this file: every override has the signature of its original (POSIX), allocates nothing, takes no lock,
//! and cannot panic.
//!
//! The slots are those of the node image, and some of our own ([`IN_OUR_IMAGE`]). Every other wait, in whatever library and in the C
//! library itself, ends in the system call `futex`. The child's filter ([`super::confine`]) turns one that waits into SIGSYS, and
//! the handler of [`super::waits`] ends the child.
//!
//! Out of scope: how slots are written, and what the child does.
//! Limitations: a lock that spins instead of waiting; and, where the kernel refuses the filter, waits in other libraries. Such a
//! child ends at its timeout.

use std::ffi::{c_int, c_long, c_void};

use crate::probe::pipe_protocol::{Kind, Wait, EXIT_CALLED};

use super::report::{end, errno, say};
use super::waits::{deadlock, would_wait};

/// The functions that are replaced: name, override, and whether a node image without a slot for it is refused.
pub fn table() -> [(&'static str, usize, bool); 17] {
    [
        ("pthread_cond_signal", cond_wake as *const () as usize, true),
        (
            "pthread_cond_broadcast",
            cond_wake as *const () as usize,
            true,
        ),
        ("pthread_cond_wait", cond_wait as *const () as usize, true),
        (
            "pthread_cond_timedwait",
            cond_timed_wait as *const () as usize,
            true,
        ),
        (
            "pthread_cond_clockwait",
            cond_clock_wait as *const () as usize,
            false,
        ),
        ("pthread_mutex_lock", mutex_lock as *const () as usize, true),
        (
            "pthread_rwlock_rdlock",
            rwlock_read as *const () as usize,
            false,
        ),
        (
            "pthread_rwlock_wrlock",
            rwlock_write as *const () as usize,
            false,
        ),
        ("sem_wait", semaphore_wait as *const () as usize, false),
        (
            "sem_timedwait",
            semaphore_timed_wait as *const () as usize,
            false,
        ),
        ("pthread_join", thread_join as *const () as usize, false),
        (
            "pthread_barrier_wait",
            barrier_wait as *const () as usize,
            false,
        ),
        ("pthread_create", thread_create as *const () as usize, false),
        ("fork", refuse_fork as *const () as usize, false),
        ("syscall", syscall as *const () as usize, false),
        ("kill", kill as *const () as usize, false),
        ("exit", exit as *const () as usize, false),
    ]
}

/// Those that are replaced in our own image too. Rust's locks and those of parking_lot wait by `syscall`: a child that met
/// one which a thread of the service held at the fork hung until its timeout. Not the others: this file calls the real ones.
pub const IN_OUR_IMAGE: [&str; 3] = ["syscall", "pthread_create", "pthread_join"];

extern "C" fn cond_wake(_cond: *mut c_void) -> c_int {
    0
}

extern "C" fn cond_wait(_cond: *mut c_void, _mutex: *mut c_void) -> c_int {
    deadlock(Wait::Condition)
}

extern "C" fn cond_timed_wait(
    _cond: *mut c_void,
    _mutex: *mut c_void,
    _until: *const c_void,
) -> c_int {
    // Not "timed out" either: V8 waits in loops, and a loop of timeouts is a hang with a busy CPU.
    deadlock(Wait::Condition)
}

extern "C" fn cond_clock_wait(
    _cond: *mut c_void,
    _mutex: *mut c_void,
    _clock: c_int,
    _until: *const c_void,
) -> c_int {
    deadlock(Wait::Condition)
}

extern "C" fn mutex_lock(mutex: *mut libc::pthread_mutex_t) -> c_int {
    // SAFETY: the caller passes what it would have passed to pthread_mutex_lock, a mutex — pthread_mutex_trylock(3).
    let result = unsafe { libc::pthread_mutex_trylock(mutex) };
    if result == libc::EBUSY {
        deadlock(Wait::Mutex);
    }
    result
}

extern "C" fn rwlock_read(lock: *mut libc::pthread_rwlock_t) -> c_int {
    // SAFETY: the caller passes a read-write lock, as to pthread_rwlock_rdlock — pthread_rwlock_tryrdlock(3).
    let result = unsafe { libc::pthread_rwlock_tryrdlock(lock) };
    if result == libc::EBUSY {
        deadlock(Wait::ReadWriteLock);
    }
    result
}

extern "C" fn rwlock_write(lock: *mut libc::pthread_rwlock_t) -> c_int {
    // SAFETY: the caller passes a read-write lock, as to pthread_rwlock_wrlock — pthread_rwlock_trywrlock(3).
    let result = unsafe { libc::pthread_rwlock_trywrlock(lock) };
    if result == libc::EBUSY {
        deadlock(Wait::ReadWriteLock);
    }
    result
}

extern "C" fn semaphore_wait(semaphore: *mut libc::sem_t) -> c_int {
    // SAFETY: the caller passes a semaphore, as to sem_wait — sem_trywait(3).
    let result = unsafe { libc::sem_trywait(semaphore) };
    if result != 0 && errno() == libc::EAGAIN {
        deadlock(Wait::Semaphore);
    }
    result
}

extern "C" fn semaphore_timed_wait(semaphore: *mut libc::sem_t, _until: *const c_void) -> c_int {
    semaphore_wait(semaphore)
}

extern "C" fn thread_join(_thread: usize, _result: *mut c_void) -> c_int {
    deadlock(Wait::Thread)
}

extern "C" fn barrier_wait(_barrier: *mut c_void) -> c_int {
    deadlock(Wait::Thread)
}

extern "C" fn thread_create(
    _thread: *mut c_void,
    _attr: *const c_void,
    _start: *const c_void,
    _arg: *mut c_void,
) -> c_int {
    libc::EAGAIN
}

/// `syscall` is variadic: with this convention (x86-64 psABI, "Variable Argument Lists") a callee that names all seven
/// finds them where the caller put them; those that were not passed are whatever was there, and not looked at.
extern "C" fn syscall(
    number: c_long,
    a: c_long,
    b: c_long,
    c: c_long,
    d: c_long,
    e: c_long,
    f: c_long,
) -> c_long {
    if number == libc::SYS_futex && would_wait(a as usize, b as c_int, c as u32) {
        deadlock(Wait::Futex);
    }
    raw_syscall(number, [a, b, c, d, e, f])
}

/// What the C library's `syscall` does. Not by calling it: our own slot for it leads here.
fn raw_syscall(number: c_long, [a, b, c, d, e, f]: [c_long; 6]) -> c_long {
    let result: c_long;
    // SAFETY: the caller's own arguments, in the registers of the system call convention, which changes rcx and r11 besides —
    // syscall(2), "Architecture calling conventions". What the call does to memory is what its caller asked for.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a,
            in("rsi") b,
            in("rdx") c,
            in("r10") d,
            in("r8") e,
            in("r9") f,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    const HIGHEST_ERROR: c_long = 4_095;
    if (-HIGHEST_ERROR..0).contains(&result) {
        return c_long::from(fail(-result as c_int));
    }
    result
}

extern "C" fn refuse_fork() -> c_int {
    fail(libc::EAGAIN)
}

extern "C" fn kill(pid: libc::pid_t, signal: c_int) -> c_int {
    // SAFETY: no arguments — getpid(2).
    if pid != unsafe { libc::getpid() } {
        return fail(libc::EPERM);
    }
    // SAFETY: integers only; the child signals itself — kill(2).
    unsafe { libc::kill(pid, signal) }
}

/// What a function of the C library does when it fails: sets errno and returns -1.
fn fail(number: c_int) -> c_int {
    // SAFETY: returns a valid pointer to the calling thread's errno, always — errno(3).
    let location = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    unsafe { *location = number };
    -1
}

extern "C" fn exit(_code: c_int) -> c_int {
    say(Kind::ExitCalled, &[]);
    end(EXIT_CALLED)
}
