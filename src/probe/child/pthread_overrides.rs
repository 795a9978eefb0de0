//! What the child calls instead of the thread functions of the C library. `[unsafe]`
//!
//! After a fork only the forking thread exists. Whatever the others held stays held, and nobody answers. So, in the
//! child and only there:
//!
//! | function | override | the failure it prevents |
//! |---|---|---|
//! | `pthread_cond_signal`, `_broadcast` | does nothing | glibc's waits for waiters that no longer exist: most children hung |
//! | `pthread_cond_wait`, `_timedwait` | ends the child | nobody will ever signal: the child would hang until its timeout |
//! | `pthread_mutex_lock`, `pthread_rwlock_rdlock`, `_wrlock`, `sem_wait` | tries once, else ends the child | the owner is gone |
//! | `pthread_join`, `pthread_barrier_wait` | ends the child | the other thread is gone |
//! | `syscall(SYS_futex, …)` that would wait | ends the child | Abseil and Rust's library, which Node 26 contains, wait there and not in `pthread_*`, and so do our own locks: children hung until their timeout |
//! | `pthread_create`, `fork`, `vfork` | refuses with EAGAIN | V8 and libuv would start threads that find everybody else's locks taken |
//! | `kill` | refuses with EPERM, except to the child itself | Node keeps the process id of the service: `process.kill(process.pid)` killed the service |
//! | `exit` | ends the child | it would run the service's own exit functions a second time |
//!
//! Duties of this file: every override has the signature of its original (POSIX), allocates nothing, takes no lock,
//! and cannot panic.
//! The slots are those of the node image, and some of our own ([`IN_OUR_IMAGE`]). Every other wait, in whatever library and in the C
//! library itself, ends in the system call `futex`: the child's filter ([`super::confine`]) turns one that waits into SIGSYS, and
//! the handler here ends the child.
//!
//! Out of scope: how slots are written, or what the child was forked for.
//! Limitations: a lock that spins instead of waiting; and, where the kernel refuses the filter, waits in other libraries. Those end
//! at the timeout.

use std::ffi::{c_int, c_long, c_void};
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use super::confine::WAITS;
use super::pipe_protocol::{self, Kind};

/// The exit code of a child that met a wait that nobody would end.
pub const EXIT_DEADLOCK: c_int = 91;
/// The exit code of a child in which our own code panicked, or that was about to return where it must not.
pub const EXIT_BUG: c_int = 92;
/// The exit code of a child whose function asked for `process.exit()`.
pub const EXIT_CALLED: c_int = 93;
/// The exit code of a child that could not be set up.
pub const EXIT_SETUP: c_int = 94;
/// The exit code of a child whose output file could not be written.
pub const EXIT_OUTPUT: c_int = 95;

/// Where the child reports; -1 in the parent.
pub static RESULT_FD: AtomicI32 = AtomicI32::new(-1);

/// What a child would have waited for for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Wait {
    /// A condition variable.
    Condition = 1,
    /// A mutex.
    Mutex = 2,
    /// A read-write lock.
    ReadWriteLock = 3,
    /// A semaphore.
    Semaphore = 4,
    /// Another thread's end.
    Thread = 5,
    /// A futex, directly.
    Futex = 6,
}

impl Wait {
    /// Its name, for messages.
    pub fn name(byte: u8) -> &'static str {
        match byte {
            1 => "a condition variable",
            2 => "a mutex",
            3 => "a read-write lock",
            4 => "a semaphore",
            5 => "the end of another thread",
            6 => "a futex",
            _ => "something unknown",
        }
    }
}

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

/// Ends the child at once: no exit functions, no buffers flushed. They are the parent's.
pub fn end(code: c_int) -> ! {
    // SAFETY: ends the process; takes no memory — _exit(2).
    unsafe { libc::_exit(code) }
}

/// Sends one message without allocating. Fails silently: a parent that is gone reads nothing.
pub fn say(kind: Kind, payload: &[u8]) {
    let fd = RESULT_FD.load(Ordering::Relaxed);
    for bytes in [&pipe_protocol::header(kind, payload.len())[..], payload] {
        if !write_all(fd, bytes) {
            return;
        }
    }
}

/// Writes all of `bytes`, waiting for the reader where need be; whether that worked (else see errno).
pub fn write_all(fd: c_int, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        // SAFETY: pointer and length are those of a live slice — write(2).
        let written = unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
        match usize::try_from(written) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or(&[]),
            Err(_) if errno() == libc::EINTR => {}
            Err(_) => return false,
        }
    }
    true
}

/// Waits until a file's contents are on its disk; whether that worked (else see errno).
pub fn sync(fd: c_int) -> bool {
    // SAFETY: one integer, no memory — fsync(2).
    unsafe { libc::fsync(fd) == 0 }
}

/// The calling thread's error number.
pub fn errno() -> c_int {
    // SAFETY: returns a valid pointer to the calling thread's errno, always — errno(3).
    let location = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    unsafe { *location }
}

fn deadlock(wait: Wait) -> ! {
    say(Kind::Deadlock, &[wait as u8]);
    end(EXIT_DEADLOCK)
}

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

const FUTEX_FLAGS: c_int = libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME;

/// Whether this futex(2) call would sleep: the kernel returns at once where the word has another value already.
fn would_wait(word: usize, operation: c_int, expected: u32) -> bool {
    match operation & !FUTEX_FLAGS {
        libc::FUTEX_WAIT | libc::FUTEX_WAIT_BITSET => {
            // SAFETY: the caller passes an aligned 32-bit word that lives through the call — futex(2).
            let word = unsafe { AtomicU32::from_ptr(word as *mut u32) };
            word.load(Ordering::SeqCst) == expected
        }
        _ => false,
    }
}

/// Has the waits that the filter catches end the child.
pub fn catch_waits() {
    set_handler(libc::SIGSYS, caught as *const () as usize, libc::SA_SIGINFO);
}

/// Async-signal-safe.
fn set_handler(signal: c_int, handler: usize, flags: c_int) {
    // SAFETY: sigaction is plain numbers and an optional function, for which all-zero bytes are a valid value.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = flags;
    // SAFETY: the pointer is to a local that lives through the call, and the handler is SIG_DFL or `caught`, which has the
    // signature that SA_SIGINFO asks for — sigaction(2).
    unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) };
}

/// The part of siginfo_t that SIGSYS has — asm-generic/siginfo.h.
#[repr(C)]
struct CaughtCall {
    signo: c_int,
    errno: c_int,
    code: c_int,
    padding: c_int,
    address: *mut c_void,
    number: c_int,
    architecture: u32,
}

/// A system call that the filter did not let through: the wait for a futex.
///
/// # Safety
///
/// As a signal handler with SA_SIGINFO: `info` and `context` are valid for the call — sigaction(2).
unsafe extern "C" fn caught(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    const SYS_SECCOMP: c_int = 1;
    // SAFETY: our caller's promise; a siginfo_t is larger than this, and the kernel fills this part in where the code is
    // SYS_SECCOMP, and is not read as anything but integers otherwise — seccomp(2), "SECCOMP_RET_TRAP".
    let call = unsafe { info.cast::<CaughtCall>().as_ref() };
    // SAFETY: our caller's promise: with SA_SIGINFO the third argument is a ucontext_t — sigaction(2).
    let context = unsafe { context.cast::<libc::ucontext_t>().as_mut() };
    let (Some(call), Some(context)) = (call, context) else {
        return;
    };
    let number = c_long::from(call.number);
    let is_futex = number == libc::SYS_futex;
    if call.code != SYS_SECCOMP || !(is_futex || WAITS.contains(&number)) {
        // From a filter of the service's own, or sent: it ends the child, as it would have without this handler.
        set_handler(signal, libc::SIG_DFL, 0);
        // SAFETY: one integer — raise(3), async-signal-safe. It is blocked here, and comes when the handler returns.
        unsafe { libc::raise(signal) };
        return;
    }
    let registers = &mut context.uc_mcontext.gregs;
    let [word, operation, expected] =
        [libc::REG_RDI, libc::REG_RSI, libc::REG_RDX].map(|register| registers[register as usize]);
    // Only another process can have changed the word: the child has one thread. A lock that passes on its owner's priority is
    // the kernel's to judge, and its owner is gone.
    let is_plain = matches!(
        operation as c_int & !FUTEX_FLAGS,
        libc::FUTEX_WAIT | libc::FUTEX_WAIT_BITSET
    );
    if !is_futex || !is_plain || would_wait(word as usize, operation as c_int, expected as u32) {
        deadlock(Wait::Futex);
    }
    registers[libc::REG_RAX as usize] = i64::from(-libc::EAGAIN);
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
