//! Stands in for `dlopen` and `dlsym`. `[unsafe]`
//!
//! Both find out by their return address who is calling, and look where that image would look. So a call that is not ours
//! to handle is passed on by a jump, with the caller's stack as it was:
//!
//! | call | what happens |
//! |---|---|
//! | `dlopen` of a path | the original; then what it mapped is patched |
//! | `dlopen(NULL)`, a name without `/`, one with `$ORIGIN` | a jump to the original; looked at with the next one |
//! | `dlsym` of a hooked function of Node's | our hook |
//! | any other `dlsym` | a jump to the original |
//!
//! Duties of this file: keep `errno` and what `dlerror` will say; take no lock while an original runs.
//! Out of scope: what is patched.
//! Limitations: `dlmopen`, `dlvsym`.

use std::ffi::{c_char, c_int, c_void, CStr};
use std::sync::atomic::{AtomicUsize, Ordering};

use once_cell::sync::OnceCell;
use parking_lot::Mutex;

use super::functions::Function;
use super::{moment, originals};
use crate::base::elf::images;

type Dlopen = unsafe extern "C" fn(*const c_char, c_int) -> *mut c_void;
type Dlsym = unsafe extern "C" fn(*mut c_void, *const c_char) -> *mut c_void;

/// The C library's own functions, for the jumps.
static DLOPEN: AtomicUsize = AtomicUsize::new(0);
static DLSYM: AtomicUsize = AtomicUsize::new(0);

/// Calls of `dlopen` that are under way through our hook.
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);

/// Whether a thread is opening a file, and will look at what came with it.
pub fn is_opening() -> bool {
    UNDER_WAY.load(Ordering::Acquire) > 0
}

/// Finds the C library's `dlopen` and `dlsym`, where the hooks jump to. Before anything is patched.
/// `accept`: whether an address may be one of them.
pub fn find_originals(accept: impl Fn(usize) -> bool) -> Option<(usize, usize)> {
    // Since glibc 2.34 both are in the C library itself.
    let find = |name: &CStr| {
        [c"libc.so.6", c"libdl.so.2"]
            .into_iter()
            .map(|library| symbol_of(library, name))
            .find(|found| *found != 0 && accept(*found))
    };
    let (dlopen, dlsym) = (find(c"dlopen")?, find(c"dlsym")?);
    DLOPEN.store(dlopen, Ordering::Release);
    DLSYM.store(dlsym, Ordering::Release);
    Some((dlopen, dlsym))
}

/// The C library's `dlopen`; only after [`find_originals`].
fn original_dlopen() -> Dlopen {
    let address = DLOPEN.load(Ordering::Acquire);
    // SAFETY: `find_originals` has set it, before anything was patched, to the function that has this type — dlopen(3).
    unsafe { std::mem::transmute::<usize, Dlopen>(address) }
}

/// The C library's `dlsym`; only after [`find_originals`].
fn original_dlsym() -> Dlsym {
    let address = DLSYM.load(Ordering::Acquire);
    // SAFETY: as in `original_dlopen` — dlsym(3).
    unsafe { std::mem::transmute::<usize, Dlsym>(address) }
}

/// The stand-in for `dlopen`.
pub fn dlopen_hook() -> usize {
    hook_dlopen as *const () as usize
}

/// The stand-in for `dlsym`.
pub fn dlsym_hook() -> usize {
    hook_dlsym as *const () as usize
}

/// # Safety
///
/// As for dlopen(3).
#[unsafe(naked)]
unsafe extern "C" fn hook_dlopen(path: *const c_char, flags: c_int) -> *mut c_void {
    // Both arguments are kept over the question; 8 more bytes so that the stack is aligned for the call (psABI, 3.2.2).
    core::arch::naked_asm!(
        "push rdi",
        "push rsi",
        "sub rsp, 8",
        "call {is_ours}",
        "add rsp, 8",
        "pop rsi",
        "pop rdi",
        "test eax, eax",
        "jz 2f",
        "jmp {open}",
        "2: jmp qword ptr [rip + {original}]",
        is_ours = sym is_ours,
        open = sym open,
        original = sym DLOPEN,
    )
}

/// # Safety
///
/// As for dlsym(3).
#[unsafe(naked)]
unsafe extern "C" fn hook_dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void {
    core::arch::naked_asm!(
        "push rdi",
        "push rsi",
        "sub rsp, 8",
        "call {find}",
        "add rsp, 8",
        "pop rsi",
        "pop rdi",
        "test rax, rax",
        "jz 2f",
        "ret",
        "2: jmp qword ptr [rip + {original}]",
        find = sym find,
        original = sym DLSYM,
    )
}

/// Called with the path of each file that was opened, on the thread that has opened it, before anybody can call it.
static WHEN_OPENED: OnceCell<fn(&[u8])> = OnceCell::new();

/// Who patches what was opened. The first to ask is the only one.
pub fn when_opened(patch: fn(&[u8])) {
    // Asked by each watch, always for the same function.
    let _ = WHEN_OPENED.set(patch);
}

/// Whether a file of this name is loaded.
fn is_image(path: &[u8]) -> bool {
    let mut found = false;
    images::each_mapped(|mapped| found |= mapped.name == path);
    found
}

/// Whether a `dlopen` is handled here.
unsafe extern "C" fn is_ours(path: *const c_char) -> c_int {
    if path.is_null() || !moment::is_on() {
        return 0;
    }
    // SAFETY: a NUL-terminated string, as dlopen(3) demands of its caller.
    let path = unsafe { CStr::from_ptr(path) }.to_bytes();
    c_int::from(path.contains(&b'/') && !path.contains(&b'$'))
}

/// `dlopen` of a path.
unsafe extern "C" fn open(path: *const c_char, flags: c_int) -> *mut c_void {
    let original = original_dlopen();
    UNDER_WAY.fetch_add(1, Ordering::AcqRel);
    // SAFETY: our caller's own arguments — dlopen(3).
    let handle = unsafe { original(path, flags) };
    UNDER_WAY.fetch_sub(1, Ordering::AcqRel);
    if !handle.is_null() {
        // SAFETY: errno(3) is always valid for the calling thread.
        let errno = unsafe { libc::__errno_location() };
        // SAFETY: as above.
        let before = unsafe { *errno };
        // SAFETY: as in `is_ours`.
        let path = unsafe { CStr::from_ptr(path) }.to_bytes().to_vec();
        // A panic must not cross into Node; what was not patched then is looked at with the next dlopen.
        if let Some(opened) = WHEN_OPENED.get() {
            let _ = std::panic::catch_unwind(|| opened(&path));
        }
        // SAFETY: as above.
        unsafe { *errno = before };
    }
    handle
}

/// Our hook, if that is what a `dlsym` is for; else 0.
unsafe extern "C" fn find(handle: *mut c_void, name: *const c_char) -> usize {
    if name.is_null() || handle == libc::RTLD_NEXT || !moment::is_on() {
        return 0;
    }
    // SAFETY: a NUL-terminated string, as dlsym(3) demands of its caller.
    let Some(function) = Function::named(unsafe { CStr::from_ptr(name) }.to_bytes()) else {
        return 0;
    };
    let replacement = originals::replacement(function);
    if replacement.original == 0 {
        return 0;
    }
    let original = original_dlsym();
    // The caller may look into a library of its own that has a function of this name.
    // SAFETY: our caller's own arguments — dlsym(3).
    let found = unsafe { original(handle, name) };
    if found as usize == replacement.original {
        replacement.hook
    } else {
        0
    }
}

/// Waits until every `dlopen` and `dlclose` that is under way in another thread is over: they hold the loader's lock
/// to their end. Images that were listed before are relocated and protected after it.
pub fn wait_for_others() {
    let original = original_dlopen();
    // SAFETY: the executable's own handle: loads nothing — dlopen(3).
    let handle = unsafe { original(std::ptr::null(), libc::RTLD_LAZY) };
    if !handle.is_null() {
        // SAFETY: the handle from above, once — dlclose(3).
        unsafe { libc::dlclose(handle) };
    }
}

/// Looks a symbol up in a library that is loaded already; 0 when there is none.
pub fn symbol_of(library: &CStr, name: &CStr) -> usize {
    // SAFETY: a NUL-terminated name; RTLD_NOLOAD loads nothing — dlopen(3).
    let handle = unsafe { libc::dlopen(library.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
    if handle.is_null() {
        return 0;
    }
    // SAFETY: a valid handle and a NUL-terminated name — dlsym(3).
    let found = unsafe { libc::dlsym(handle, name.as_ptr()) } as usize;
    // SAFETY: the handle from above, once; the library stays, the process needs it — dlclose(3).
    unsafe { libc::dlclose(handle) };
    found
}

/// Looks a symbol up in the global scope, where the executable comes first; 0 when there is none.
pub fn global_symbol(name: &CStr) -> usize {
    // SAFETY: RTLD_DEFAULT is a valid handle, the name is NUL-terminated — dlsym(3).
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) as usize }
}

// ── who opened what ─────────────────────────────────────────────────────────────────────────────────────────────────────

struct Opened {
    thread: i32,
    path: Vec<u8>,
    /// Openings whose environment was not seen yet.
    waiting: u32,
    /// The first time, in milliseconds of the calendar.
    at: u64,
    /// Counts openings: the latest has the highest.
    turn: u64,
}

/// Takes the lock of this file within `limit`.
pub fn hold_lock(limit: std::time::Duration) -> Option<Box<dyn crate::base::fork_lock::Held>> {
    crate::base::fork_lock::hold(&OPENED, limit)
}

static OPENED: Mutex<Vec<Opened>> = Mutex::new(Vec::new());
/// A thread that opens more files than this is not using addons.
const OPENED_LIMIT: usize = 4_096;

/// Notes that this thread opened a file whose slots are all patched.
pub fn note_opened(path: &[u8]) {
    let thread = moment::current_thread();
    let mut opened = OPENED.lock();
    make_room(&mut opened, OPENED_LIMIT, thread_exists);
    let room = opened.len() < OPENED_LIMIT;
    let turn = opened.iter().map(|opened| opened.turn).max().unwrap_or(0) + 1;
    match opened
        .iter_mut()
        .find(|opened| opened.thread == thread && opened.path == path)
    {
        Some(opened) => {
            opened.waiting += 1;
            opened.turn = turn;
        }
        None if room => opened.push(Opened {
            thread,
            path: path.to_vec(),
            waiting: 1,
            at: moment::now(),
            turn,
        }),
        None => {}
    }
}

/// Where the list is full, what threads opened that have ended goes: a worker whose addon registered nothing, or that opened
/// a library, leaves its entry behind. Without this 4,096 such workers made every later addon one that was "loaded before".
fn make_room(opened: &mut Vec<Opened>, limit: usize, mut is_alive: impl FnMut(i32) -> bool) {
    if opened.len() < limit {
        return;
    }
    let mut last = None;
    opened.retain(|entry| match last {
        Some((thread, alive)) if thread == entry.thread => alive,
        _ => {
            let alive = is_alive(entry.thread);
            last = Some((entry.thread, alive));
            alive
        }
    });
    if opened.len() >= limit {
        // Of threads that open more files than there is room for, the latest count.
        opened.sort_unstable_by_key(|entry| entry.turn);
        opened.drain(..limit / 2);
    }
}

fn thread_exists(thread: i32) -> bool {
    // SAFETY: no arguments — getpid(2).
    let process = unsafe { libc::getpid() };
    // SAFETY: integers only; signal 0 sends nothing — tgkill(2).
    unsafe { libc::syscall(libc::SYS_tgkill, process, thread, 0) == 0 }
}

/// The file of an environment that is seen for the first time, if Node has made it since the watch began.
///
/// `told` is what Node calls the file: a URL. `process.dlopen` takes it from the module that it is given, so it may be nothing,
/// or the script that called: then the file is the one that was opened last.
pub fn just_opened(thread: i32, told: &str) -> Option<Vec<u8>> {
    let path = path_of_url(told);
    let is_image = path.as_ref().is_some_and(|path| is_image(path));
    let mut opened = OPENED.lock();
    let entry = opened
        .iter_mut()
        .filter(|opened| opened.thread == thread && opened.waiting > 0)
        .filter(|opened| !is_image || path.as_ref() == Some(&opened.path))
        .max_by_key(|opened| opened.turn)?;
    entry.waiting -= 1;
    Some(entry.path.clone())
}

/// When a file was first opened under this watch, in milliseconds of the calendar.
pub fn first_opened(path: &[u8]) -> Option<u64> {
    let opened = OPENED.lock();
    opened
        .iter()
        .filter(|opened| opened.path == path)
        .map(|opened| opened.at)
        .min()
}

/// An environment has ended; another thread may get the number of its thread.
pub fn forget_opened(thread: i32, file: &str) {
    let path = path_of_url(file).unwrap_or_else(|| file.as_bytes().to_vec());
    OPENED
        .lock()
        .retain(|opened| opened.thread != thread || opened.path != path);
}

/// A watch begins.
pub fn forget_all_opened() {
    OPENED.lock().clear();
}

/// The path in a `file://` URL.
pub fn path_of_url(url: &str) -> Option<Vec<u8>> {
    let rest = url.strip_prefix("file://")?;
    let mut path = Vec::with_capacity(rest.len());
    let mut bytes = rest.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            path.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
        path.push((high * 16 + low) as u8);
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_file_url_is_decoded() {
        assert_eq!(
            path_of_url("file:///a%20b/%C3%A4.node"),
            Some("/a b/ä.node".as_bytes().to_vec())
        );
        assert_eq!(path_of_url("file:///a%2"), None);
        assert_eq!(path_of_url("https://a/b"), None);
        assert_eq!(path_of_url(""), None);
    }

    fn opened(thread: i32, turn: u64) -> Opened {
        Opened {
            thread,
            path: b"/a.node".to_vec(),
            waiting: 1,
            at: 0,
            turn,
        }
    }

    #[test]
    fn what_ended_threads_opened_makes_room() {
        let mut list: Vec<Opened> = (1..=8).map(|n| opened(n, n as u64)).collect();
        make_room(&mut list, 9, |_| panic!("there is room"));
        assert_eq!(list.len(), 8);

        make_room(&mut list, 8, |thread| thread % 4 == 0);
        assert_eq!(
            list.iter().map(|entry| entry.thread).collect::<Vec<_>>(),
            [4, 8]
        );

        // All are alive: the latest stay.
        let mut list: Vec<Opened> = (1..=8).rev().map(|n| opened(n, n as u64)).collect();
        make_room(&mut list, 8, |_| true);
        assert_eq!(
            list.iter().map(|entry| entry.thread).collect::<Vec<_>>(),
            [5, 6, 7, 8]
        );
    }

    #[test]
    fn this_thread_exists_and_an_ended_one_does_not() {
        let ended = std::thread::spawn(moment::current_thread)
            .join()
            .expect("a thread");
        assert!(thread_exists(moment::current_thread()));
        // The join is over when the thread's memory is free, which the kernel does at its very end.
        while thread_exists(ended) {
            std::thread::yield_now();
        }
    }

    #[test]
    fn the_c_library_s_own_dlsym_is_found() {
        let found = symbol_of(c"libc.so.6", c"malloc");
        assert_ne!(found, 0);
        assert_eq!(symbol_of(c"libc.so.6", c"no_such_function_anywhere"), 0);
        assert_eq!(symbol_of(c"libno-such-library.so", c"malloc"), 0);
    }
}
