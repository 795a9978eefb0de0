//! What happens when the child uses memory that was excluded from the fork. `[unsafe]`
//!
//! A fork copies page tables, 20 to 28 ms per GB. Large backing stores, which a snapshot does not read, are excluded. Where that
//! guess was wrong, the first touch ends the child with the address, and the next attempt includes that memory.
//!
//! Duties of this file: run only in the child, on its only thread; allocate nothing in the signal handler; hand every
//! block that was not excluded to the process's allocator.
//! Out of scope: how the guess was made.
//! Limitations: a system call that is given such memory: it fails with EFAULT. V8's generator does not make such a call.

use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::probe::allocator::Originals;
use crate::probe::maps::Range;
use crate::probe::pipe_protocol::{Kind, EXIT_TOUCHED};

use super::report;

struct OnlyThread(UnsafeCell<(&'static [Range], Option<Originals>)>);

// SAFETY: written once, in the child, by its only thread, before anything reads it (`start`).
unsafe impl Sync for OnlyThread {}

static STATE: OnlyThread = OnlyThread(UnsafeCell::new((&[], None)));

/// Records what was excluded, and catches touches. `ranges` are sorted.
pub fn start(ranges: &'static [Range], originals: Originals) {
    // SAFETY: the child's only thread, before the handler and the override below can run.
    unsafe { *STATE.0.get() = (ranges, Some(originals)) };
    // The stack that overflowed cannot run a handler: a stack overflow must stay one.
    let stack = libc::stack_t {
        ss_sp: ALTERNATE_STACK.0.get().cast(),
        ss_flags: 0,
        ss_size: ALTERNATE_STACK_BYTES,
    };
    // SAFETY: the stack is static and used by nothing else — sigaltstack(2).
    unsafe { libc::sigaltstack(&stack, std::ptr::null_mut()) };
    // SAFETY: sigaction is plain numbers and a function, for which all-zero bytes mean no flags.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = touched as *const () as usize;
    // Not SA_RESETHAND: there may be more than one fault that V8 knows.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: as above.
    let mut before: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: `touched` has the type that SA_SIGINFO asks for; the pointers are to locals — sigaction(2).
    unsafe { libc::sigaction(libc::SIGSEGV, &action, &mut before) };
    // Of all handlers only V8's is still there (`child::reset_signals`).
    if before.sa_flags & libc::SA_SIGINFO != 0 {
        V8S.store(before.sa_sigaction, Ordering::Relaxed);
    }
}

/// V8's handler, which knows the faults of WebAssembly; 0 for none.
static V8S: AtomicUsize = AtomicUsize::new(0);

const ALTERNATE_STACK_BYTES: usize = 64 << 10;

struct Stack(UnsafeCell<[u8; ALTERNATE_STACK_BYTES]>);

// SAFETY: only the kernel writes to it, for the one thread that sigaltstack was called on.
unsafe impl Sync for Stack {}

static ALTERNATE_STACK: Stack = Stack(UnsafeCell::new([0; ALTERNATE_STACK_BYTES]));

/// Whether this address was excluded.
pub fn contains(addr: usize) -> bool {
    // SAFETY: written once by `start`, before; in the parent it is empty and never written.
    let (ranges, _) = unsafe { &*STATE.0.get() };
    match ranges.binary_search_by(|range| range.start.cmp(&addr)) {
        Ok(_) => true,
        Err(after) => after > 0 && addr < ranges[after - 1].end,
    }
}

/// # Safety
///
/// As a signal handler with SA_SIGINFO: `info` is valid for the call — sigaction(2).
unsafe extern "C" fn touched(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let raw = info;
    // SAFETY: our caller's promise.
    let Some(info) = (unsafe { raw.as_ref() }) else {
        return;
    };
    // SAFETY: for SIGSEGV the kernel fills in the address — sigaction(2).
    let addr = unsafe { info.si_addr() } as usize;
    if contains(addr) {
        report::say(Kind::Touched, &(addr as u64).to_le_bytes());
        report::end(EXIT_TOUCHED);
    }
    let v8s = V8S.load(Ordering::Relaxed);
    if v8s != 0 {
        // SAFETY: the kernel would have called this address with these arguments: it was set with SA_SIGINFO — sigaction(2).
        let handler = unsafe { std::mem::transmute::<usize, Handler>(v8s) };
        // SAFETY: as above. For a fault that is not WebAssembly's, V8's handler resets the signal and raises it, which ends the process.
        unsafe { handler(signal, raw, context) };
        return;
    }
    // SAFETY: sigaction is plain numbers and an optional function; all-zero bytes mean the default.
    let default: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a local — sigaction(2), async-signal-safe.
    unsafe { libc::sigaction(libc::SIGSEGV, &default, std::ptr::null_mut()) };
    if info.si_code <= 0 {
        // Sent by kill(2) rather than by a fault: returning would lose it.
        // SAFETY: integers only — raise(3).
        unsafe { libc::raise(libc::SIGSEGV) };
    }
    // Anything else: the same instruction now ends the child as it would have.
}

type Handler = unsafe extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

/// The child's `free`. An excluded block does not exist in the child, so there is nothing to free.
///
/// # Safety
///
/// As free(3): a block that is allocated, or null.
pub unsafe extern "C" fn free(block: *mut c_void) {
    if contains(block as usize) {
        return;
    }
    // SAFETY: written once by `start`, before the slot that leads here.
    let (_, originals) = unsafe { &*STATE.0.get() };
    if let Some(originals) = originals {
        // SAFETY: our caller's promise.
        unsafe { originals.free(block) };
    }
}
