//! What the child says to its parent, and how it ends. `[unsafe]`
//!
//! Duties of this file: call only what is async-signal-safe, allocate nothing, and do not panic: signal handlers and overrides
//! call it, and so does a child whose memory may be exhausted.
//! Out of scope: what is said; [`crate::probe::pipe_protocol`] has the kinds.
//! Limitations: a parent that is gone reads nothing.

use std::ffi::c_int;
use std::sync::atomic::{AtomicI32, Ordering};

use crate::probe::pipe_protocol::{self, Kind};

/// Where the child reports; -1 in the parent.
pub static RESULT_FD: AtomicI32 = AtomicI32::new(-1);

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
