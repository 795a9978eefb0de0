//! Delays an abort of this process until the child has written its snapshot. `[unsafe]`
//!
//! A full heap ends in `abort()`. The child ends with the process, seconds before it has written the snapshot that would
//! explain the full heap. So while such a snapshot is being written, a handler for SIGABRT waits for the child, renames the
//! file to its final name, and then lets the process abort. A child that outlives the service would not help in a container:
//! when process 1 ends, the kernel ends every process in it.
//!
//! ```text
//!  begin ── Idle ── fork ── Writing ─┬─ complete ── Complete ── end
//!                     ▲              └─ the child failed ── Idle     (JavaScript may try again)
//!                     └──────────────────────────────────────┘
//!  SIGABRT: Idle: aborts at once · Writing: waits, within its limit · Complete: renames · then aborts
//! ```
//!
//! Knows: the file that is being written, its final name, and how long an abort may be delayed.
//! Duties of this file: the handler calls only async-signal-safe functions (signal-safety(7)): no allocation, no lock, no
//! JavaScript. It ends the process in every case. It never replaces a handler of somebody else, and restores the default.
//! Out of scope: V8; what caused the abort (one by an addon's failed assertion is delayed as well).
//! Limitations: SIGKILL, `_exit`, and signals other than SIGABRT. An abort that another process sends (`kill -ABRT`, a
//! watchdog) is not delayed.

use std::ffi::{c_int, c_void, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How often the handler reads the phase.
const POLL: Duration = Duration::from_millis(5);

const IDLE: u32 = 0;
const WRITING: u32 = 1;
const COMPLETE: u32 = 2;

/// What the handler reads. Never changed while the handler can reach it.
struct Delay {
    pid: i32,
    limit: Duration,
    from: CString,
    to: CString,
}

static DELAY: AtomicPtr<Delay> = AtomicPtr::new(ptr::null_mut());
static PHASE: AtomicU32 = AtomicU32::new(IDLE);
/// How many threads are in the handler, on their way to the process's end.
static ENTERED: AtomicUsize = AtomicUsize::new(0);
/// The file that an abort waits for. Read by the probe's thread. One at a time.
static OUTPUT: Mutex<Option<PathBuf>> = Mutex::new(None);

/// From now on an abort waits for `from`, once a child is writing it, and renames it to `to`. Returns whether it will: not
/// while an abort already waits for another file, and not where somebody else handles SIGABRT.
pub fn begin(from: &Path, to: &Path, limit: Duration) -> bool {
    let mut output = OUTPUT.lock();
    if output.is_some() || !is_default() {
        return false;
    }
    let name = |path: &Path| CString::new(path.as_os_str().as_bytes());
    let (Ok(from_name), Ok(to_name)) = (name(from), name(to)) else {
        return false;
    };
    let delay = Box::new(Delay {
        pid: std::process::id() as i32,
        limit,
        from: from_name,
        to: to_name,
    });
    PHASE.store(IDLE, Ordering::SeqCst);
    DELAY.store(Box::into_raw(delay), Ordering::SeqCst);
    *output = Some(from.to_path_buf());
    set_handler(on_abort as *const () as usize);
    true
}

/// From now on an abort is not delayed.
pub fn end() {
    let mut output = OUTPUT.lock();
    if output.take().is_none() {
        return;
    }
    // A handler that somebody else has installed over ours stays.
    if current_handler() == on_abort as *const () as usize {
        set_handler(libc::SIG_DFL);
    }
    let delay = DELAY.swap(ptr::null_mut(), Ordering::SeqCst);
    if ENTERED.load(Ordering::SeqCst) == 0 {
        // SAFETY: made by Box::into_raw in `begin`, and taken out of DELAY by this swap alone. The handler counts itself
        // before it reads DELAY, both SeqCst: none is running, and one that starts from now on finds null — Box::from_raw.
        drop(unsafe { Box::from_raw(delay) });
    }
    // Otherwise the process is about to end, and the kernel frees its memory.
}

/// A child is writing the output, until [`Writing::complete`] is called or this is dropped.
#[derive(Debug)]
pub struct Writing(());

/// A child has begun to write `output`. `None`: no abort waits for that file.
pub fn writing(output: Option<&Path>) -> Option<Writing> {
    let awaited = OUTPUT.lock();
    (output.is_some() && awaited.as_deref() == output).then(|| {
        PHASE.store(WRITING, Ordering::SeqCst);
        Writing(())
    })
}

impl Writing {
    /// The file is complete, under its first name.
    pub fn complete(self) {
        PHASE.store(COMPLETE, Ordering::SeqCst);
        std::mem::forget(self);
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        PHASE.store(IDLE, Ordering::SeqCst);
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
    let delay = unsafe { DELAY.load(Ordering::SeqCst).as_ref() };
    // A process that this one forked inherits the handler, but the child is not its own.
    if let Some(delay) = delay.filter(|delay| sender == own && delay.pid == own) {
        wait_and_rename(delay);
    }
    set_handler(libc::SIG_DFL);
    // The signal is blocked while the handler runs. It is delivered when the handler returns, to the stack frame that aborted, and
    // a core dump shows that frame.
    // SAFETY: one integer — raise(3), async-signal-safe.
    unsafe { libc::raise(signal) };
}

/// Async-signal-safe: `Instant::now` is clock_gettime, `sleep` is nanosleep.
fn wait_and_rename(delay: &Delay) {
    let start = Instant::now();
    while PHASE.load(Ordering::SeqCst) == WRITING && start.elapsed() < delay.limit {
        std::thread::sleep(POLL);
    }
    if PHASE.load(Ordering::SeqCst) == COMPLETE {
        // Fails where JavaScript has renamed the file already: then nothing has the first name.
        // SAFETY: two NUL-terminated strings that live as long as `delay` — rename(2), async-signal-safe.
        unsafe { libc::rename(delay.from.as_ptr(), delay.to.as_ptr()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test, because a process has one delay.
    #[test]
    fn an_abort_waits_for_one_file_at_a_time_and_the_default_handler_is_restored() {
        let (from, to) = (Path::new("/nowhere/a.partial"), Path::new("/nowhere/a"));
        assert!(begin(from, to, Duration::from_secs(1)));
        assert!(!is_default());
        assert!(!begin(from, to, Duration::from_secs(1)));
        assert!(writing(None).is_none());
        assert!(writing(Some(Path::new("/nowhere/b.partial"))).is_none());
        let failed = writing(Some(from)).expect("an abort waits for it");
        assert_eq!(PHASE.load(Ordering::SeqCst), WRITING);
        drop(failed);
        assert_eq!(PHASE.load(Ordering::SeqCst), IDLE);
        writing(Some(from))
            .expect("an abort waits for it")
            .complete();
        assert_eq!(PHASE.load(Ordering::SeqCst), COMPLETE);
        end();
        assert!(is_default() && DELAY.load(Ordering::SeqCst).is_null());
        end();
        assert!(!begin(Path::new("/nowhere/\0"), to, Duration::from_secs(1)));
        assert!(is_default());
    }
}
