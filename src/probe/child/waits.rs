//! A wait that nobody would end ends the child. `[unsafe]`
//!
//! Knows: which calls of futex(2) wait, and what the system call filter ([`super::confine`]) turns into SIGSYS.
//! Duties of this file: call only what is async-signal-safe, allocate nothing, take no lock, do not panic.
//! Out of scope: the thread functions; [`super::pthread_overrides`].
//! Limitations: a lock that spins instead of waiting. The child then ends at its timeout.

use std::ffi::{c_int, c_long, c_void};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::probe::pipe_protocol::{Kind, Wait, EXIT_DEADLOCK};

use super::confine::WAITS;
use super::report::{end, say};

/// Says what the child would have waited for, and ends it.
pub fn deadlock(wait: Wait) -> ! {
    say(Kind::Deadlock, &[wait as u8]);
    end(EXIT_DEADLOCK)
}

const FUTEX_FLAGS: c_int = libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME;

/// Whether this futex(2) call would sleep: the kernel returns at once where the word has another value already.
pub fn would_wait(word: usize, operation: c_int, expected: u32) -> bool {
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
    // The child has one thread: only another process can have changed the word. Whether a lock with priority inheritance is free,
    // only the kernel can say; its owner does not exist any more.
    let is_plain = matches!(
        operation as c_int & !FUTEX_FLAGS,
        libc::FUTEX_WAIT | libc::FUTEX_WAIT_BITSET
    );
    if !is_futex || !is_plain || would_wait(word as usize, operation as c_int, expected as u32) {
        deadlock(Wait::Futex);
    }
    registers[libc::REG_RAX as usize] = i64::from(-libc::EAGAIN);
}
