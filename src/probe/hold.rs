//! Holds this process's own abort until the child's snapshot is there. `[unsafe]`
//!
//! A heap that is full ends in `abort()`, and that would take the child along seconds before it is done with the very
//! snapshot that explains it. So while such a snapshot is written, a handler for SIGABRT waits for it, gives it its name,
//! and lets the process die as it would have. A child that outlived the service would be no help where it matters: with
//! process 1 of a container ends everything in it.
//!
//! ```text
//!  begin ── Idle ── fork ── Writing ─┬─ complete ── Complete ── end
//!                     ▲              └─ the child failed ── Idle     (JavaScript may try again)
//!                     └──────────────────────────────────────┘
//!  SIGABRT: Idle: dies at once · Writing: waits, within its limit · Complete: renames · then dies
//! ```
//!
//! Knows: one file that is written, its final name, and how long a death may be held up.
//! Duties of this file: in the handler call only what is async-signal-safe (signal-safety(7)): no allocation, no lock, no
//! JavaScript; end the process in every case; never displace another's handler, and leave the default behind.
//! Out of scope: V8; whether it was the heap that ended the process (an assertion of an addon is held as well).
//! Limitations: SIGKILL, `_exit`, and signals other than SIGABRT. What others send (`kill -ABRT`, a watchdog) is not held.

use std::ffi::{c_int, c_void, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How often the handler looks.
const LOOK: Duration = Duration::from_millis(5);

const IDLE: u32 = 0;
const WRITING: u32 = 1;
const COMPLETE: u32 = 2;

/// What the handler reads; it is never changed while it can be seen.
struct Held {
    pid: i32,
    limit: Duration,
    from: CString,
    to: CString,
}

static HELD: AtomicPtr<Held> = AtomicPtr::new(ptr::null_mut());
static STATE: AtomicU32 = AtomicU32::new(IDLE);
/// How many threads are in the handler, on their way to the process's end.
static ENTERED: AtomicUsize = AtomicUsize::new(0);
/// The file that is held for, for the probe's thread. One at a time.
static OUTPUT: Mutex<Option<PathBuf>> = Mutex::new(None);

/// From now on an abort waits for `from`, once a child is writing it, and renames it to `to`. Whether it does: not while
/// another is held for, and not where somebody else handles SIGABRT.
pub fn begin(from: &Path, to: &Path, limit: Duration) -> bool {
    let mut output = OUTPUT.lock();
    if output.is_some() || !is_default() {
        return false;
    }
    let name = |path: &Path| CString::new(path.as_os_str().as_bytes());
    let (Ok(from_name), Ok(to_name)) = (name(from), name(to)) else {
        return false;
    };
    let held = Box::new(Held {
        pid: std::process::id() as i32,
        limit,
        from: from_name,
        to: to_name,
    });
    STATE.store(IDLE, Ordering::SeqCst);
    HELD.store(Box::into_raw(held), Ordering::SeqCst);
    *output = Some(from.to_path_buf());
    set_handler(on_abort as *const () as usize);
    true
}

/// An abort is an abort again.
pub fn end() {
    let mut output = OUTPUT.lock();
    if output.take().is_none() {
        return;
    }
    // Who has put a handler of their own over ours meanwhile keeps it.
    if current_handler() == on_abort as *const () as usize {
        set_handler(libc::SIG_DFL);
    }
    let held = HELD.swap(ptr::null_mut(), Ordering::SeqCst);
    if ENTERED.load(Ordering::SeqCst) == 0 {
        // SAFETY: made by Box::into_raw in `begin`, and taken out of HELD by this swap alone. The handler counts itself
        // before it reads HELD, both SeqCst: none is in there, so whichever comes finds null — Box::from_raw.
        drop(unsafe { Box::from_raw(held) });
    }
    // Otherwise the process is ending, and its memory with it.
}

/// A child that writes `output`, watched by the probe's thread, until [`Writing::complete`] or dropped.
#[derive(Debug)]
pub struct Writing(());

/// A child has begun to write `output`. `None`: nobody holds for that file.
pub fn writing(output: Option<&Path>) -> Option<Writing> {
    let held = OUTPUT.lock();
    (output.is_some() && held.as_deref() == output).then(|| {
        STATE.store(WRITING, Ordering::SeqCst);
        Writing(())
    })
}

impl Writing {
    /// The file is whole, and has the name that it was begun with.
    pub fn complete(self) {
        STATE.store(COMPLETE, Ordering::SeqCst);
        std::mem::forget(self);
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        STATE.store(IDLE, Ordering::SeqCst);
    }
}

fn is_default() -> bool {
    current_handler() == libc::SIG_DFL
}

fn current_handler() -> usize {
    // SAFETY: sigaction is plain numbers and an optional function, for which all-zero bytes are a valid value.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: reads only; the pointer is to a local that lives through the call — sigaction(2).
    unsafe { libc::sigaction(libc::SIGABRT, ptr::null(), &mut action) };
    action.sa_sigaction
}

/// Async-signal-safe.
fn set_handler(handler: usize) {
    // SAFETY: as in `current_handler`.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: the pointer is to a local that lives through the call, and the handler is SIG_DFL or `on_abort`, which has the
    // signature that SA_SIGINFO asks for — sigaction(2).
    unsafe { libc::sigaction(libc::SIGABRT, &action, ptr::null_mut()) };
}

extern "C" fn on_abort(signal: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    ENTERED.fetch_add(1, Ordering::SeqCst);
    // SAFETY: the kernel hands over a valid siginfo_t to a handler with SA_SIGINFO, with si_pid set for tgkill, which raise()
    // and abort() use, and for kill — sigaction(2).
    let info = unsafe { &*info };
    // SAFETY: as above.
    let sender = unsafe { info.si_pid() };
    // SAFETY: no arguments — getpid(2), async-signal-safe.
    let own = unsafe { libc::getpid() };
    // SAFETY: null, or from Box::into_raw in `begin`, and not freed while ENTERED is above 0 (see `end`) — pointer::as_ref.
    let held = unsafe { HELD.load(Ordering::SeqCst).as_ref() };
    // A process that this one forked has the handler as well, but not the child.
    if let Some(held) = held.filter(|held| sender == own && held.pid == own) {
        wait_and_rename(held);
    }
    set_handler(libc::SIG_DFL);
    // Blocked while the handler runs, so it is delivered as it returns, to the frame that aborted: core dumps show it.
    // SAFETY: one integer — raise(3), async-signal-safe.
    unsafe { libc::raise(signal) };
}

/// Async-signal-safe: `Instant::now` is clock_gettime, `sleep` is nanosleep.
fn wait_and_rename(held: &Held) {
    let start = Instant::now();
    while STATE.load(Ordering::SeqCst) == WRITING && start.elapsed() < held.limit {
        std::thread::sleep(LOOK);
    }
    if STATE.load(Ordering::SeqCst) == COMPLETE {
        // Where it has been renamed already there is nothing under the first name, and this fails.
        // SAFETY: two NUL-terminated strings that live as long as `held` — rename(2), async-signal-safe.
        unsafe { libc::rename(held.from.as_ptr(), held.to.as_ptr()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test, because there is one hold in a process.
    #[test]
    fn one_file_is_held_for_at_a_time_and_the_default_comes_back() {
        let (from, to) = (Path::new("/nowhere/a.partial"), Path::new("/nowhere/a"));
        assert!(begin(from, to, Duration::from_secs(1)));
        assert!(!is_default());
        assert!(!begin(from, to, Duration::from_secs(1)));
        assert!(writing(None).is_none());
        assert!(writing(Some(Path::new("/nowhere/b.partial"))).is_none());
        let failed = writing(Some(from)).expect("held for");
        assert_eq!(STATE.load(Ordering::SeqCst), WRITING);
        drop(failed);
        assert_eq!(STATE.load(Ordering::SeqCst), IDLE);
        writing(Some(from)).expect("held for").complete();
        assert_eq!(STATE.load(Ordering::SeqCst), COMPLETE);
        end();
        assert!(is_default() && HELD.load(Ordering::SeqCst).is_null());
        end();
        assert!(!begin(Path::new("/nowhere/\0"), to, Duration::from_secs(1)));
        assert!(is_default());
    }
}
