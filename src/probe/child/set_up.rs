//! Turns a freshly forked process into a probe's child, step by step. The order matters, and each step says why. `[unsafe]`
//!
//! Duties of this file: those of [`super`]. Out of scope: V8, and what work the child will do.
//! Limitations: a library that uses a descriptor in another way than by its number.

use std::ffi::c_int;
use std::os::fd::RawFd;
use std::sync::atomic::Ordering;

use crate::probe::maps::{self, Range, SharedMapping};
use crate::probe::pipe_protocol::{Kind, EXIT_BUG, EXIT_SETUP};
use crate::probe::slots::{ScratchSlots, SlotWrite};
use crate::probe::sys;

use super::confine;
use super::excluded_memory;
use super::report;
use super::scratch_malloc;
use super::waits;

/// Working memory in a file.
#[derive(Debug)]
pub struct ScratchFile {
    /// A nameless file.
    pub file: RawFd,
    /// How large it may become.
    pub region_bytes: usize,
    /// The slots of the `malloc` family, and the process's allocator.
    pub slots: &'static ScratchSlots,
}

/// What the child needs, all of it made before the fork.
#[derive(Debug)]
pub struct Setup {
    /// Where the child reports.
    pub result: RawFd,
    /// What the child prints goes here instead of into the service's logs.
    pub prints: RawFd,
    /// The addresses of the node image: a handler for SIGSEGV in this range is V8's.
    pub executable: (usize, usize),
    /// `/dev/null`, opened for reading only.
    pub nothing_to_read: RawFd,
    /// `/dev/null`, opened for reading and writing.
    pub nothing: RawFd,
    /// Further descriptors to keep: the output file.
    pub keep: Vec<RawFd>,
    /// The slots of the thread functions.
    pub slots: Vec<SlotWrite>,
    /// The child's working memory, if it is not anonymous memory.
    pub scratch: Option<ScratchFile>,
    /// The slots of the `malloc` family, where memory may be excluded from the fork.
    pub malloc_slots: Option<&'static ScratchSlots>,
    /// The process that forked.
    pub parent_pid: i32,
    /// After this many seconds the child ends by itself, if the parent has not ended it.
    pub alarm_seconds: u32,
    /// The size of a page.
    pub page: usize,
}

/// Proof that this process is the child. When it is dropped in any other way than by [`Child::end`], the child ends: so no error
/// and no panic can return into the service's program.
#[derive(Debug)]
pub struct Child(());

impl Child {
    /// Ends the child, when it has said everything.
    pub fn end(self) -> ! {
        report::end(0)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        report::end(EXIT_BUG);
    }
}

/// Makes this process a probe child. Signals are still blocked when it starts.
///
/// `excluded`: what the fork did not copy.
pub fn set_up(setup: &Setup, excluded: Vec<Range>) -> Child {
    let child = Child(());
    report::RESULT_FD.store(setup.result, Ordering::Relaxed);

    // Before anything else: from here on, a lock that another thread held ends the child instead of hanging it.
    write_slots(&setup.slots, setup.page);
    // Before the scratch file is mapped: that mapping is shared, but the child's own.
    separate_shared_memory();
    if let Some(scratch) = &setup.scratch {
        if !scratch_malloc::start(scratch.file, scratch.region_bytes, scratch.slots.originals) {
            give_up("the scratch file could not be mapped (RLIMIT_AS, RLIMIT_FSIZE?)");
        }
        write_slots(&scratch.slots.slots, setup.page);
    }
    die_with_parent(setup.parent_pid);
    give_way_to_the_service();
    reset_signals(setup.executable);
    replace_descriptors(setup);
    waits::catch_waits();
    // Where the kernel or a sandbox refuses the filter, the child works without it (docs/probe.md): it can then change files, and it
    // waits for a lock of another library until the timeout.
    confine::confine();
    if let Some(slots) = setup.malloc_slots.filter(|_| !excluded.is_empty()) {
        excluded_memory::start(excluded.leak(), slots.originals);
        if setup.scratch.is_none() {
            write_slots(&slots.free_slots, setup.page);
        }
    }

    // SAFETY: one integer, no memory — alarm(2). The parent kills a late child long before.
    unsafe { libc::alarm(setup.alarm_seconds) };
    child
}

/// Says why the child cannot go on, and ends it.
fn give_up(what: &str) -> ! {
    report::say(Kind::SetupFailed, what.as_bytes());
    report::end(EXIT_SETUP)
}

fn write_slots(slots: &[SlotWrite], page_size: usize) {
    for slot in slots {
        let page = slot.addr & !(page_size - 1);
        // The slots lie in RELRO, read-only since the image was loaded. They stay writable: the child is short-lived.
        // SAFETY: one page of a loaded image; the child's own copy, and making it writable breaks nothing — mprotect(2).
        let failed = unsafe {
            libc::mprotect(
                page as *mut libc::c_void,
                page_size,
                libc::PROT_READ | libc::PROT_WRITE,
            )
        } != 0;
        if failed {
            give_up("mprotect refused to make an import slot of the node image writable");
        }
        // SAFETY: the address comes from a JUMP_SLOT, GLOB_DAT or 64 relocation of a loaded image: mapped and
        // pointer-aligned (elf::reader::slots checks both; psABI, "Relocation"), and writable since two lines up. This is the
        // only thread, so nobody calls through the slot meanwhile. The value is a function of the slot's own type.
        unsafe { (slot.addr as *mut usize).write_volatile(slot.value) };
    }
}

/// Without this, the child and the service would both write to what the service has mapped shared (the index of a database's log,
/// a ring of the kernel's). A file is mapped again, privately. Anything else becomes read-only, and a write to it ends the child.
fn separate_shared_memory() {
    let text = std::fs::read("/proc/self/maps").unwrap_or_else(|error| {
        give_up(&format!(
            "/proc/self/maps cannot be read, so shared memory cannot be told from the child's: {error}"
        ))
    });
    for shared in maps::shared_mappings(&text) {
        if !map_privately(&shared) && !make_read_only(&shared) {
            give_up("mprotect refused to make shared memory read-only");
        }
    }
}

/// Whether the file was found, and is now mapped in the same place for this process alone.
fn map_privately(shared: &SharedMapping) -> bool {
    use std::os::fd::AsRawFd;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::MetadataExt;

    // The device is not compared: on overlay file systems `maps` and stat(2) name different ones.
    let is_the_file = |found: std::fs::Metadata| found.is_file() && found.ino() == shared.inode;
    let path = std::path::Path::new(std::ffi::OsStr::from_bytes(&shared.path));
    // Checked before it is opened: opening a device or a pipe can have an effect.
    if !path.is_absolute() || !std::fs::metadata(path).is_ok_and(is_the_file) {
        return false;
    }
    let Ok(file) = std::fs::File::open(path) else {
        return false;
    };
    if !file.metadata().is_ok_and(is_the_file) {
        return false;
    }
    let executable = if shared.executable {
        libc::PROT_EXEC
    } else {
        0
    };
    // SAFETY: replaces a mapping that `maps` has just shown, by one of the same range and the same file, so a reader finds the
    // same bytes. This is the process's only thread — mmap(2), MAP_FIXED.
    let mapped = unsafe {
        libc::mmap(
            shared.range.start as *mut libc::c_void,
            shared.range.byte_length(),
            libc::PROT_READ | libc::PROT_WRITE | executable,
            libc::MAP_PRIVATE | libc::MAP_FIXED,
            file.as_raw_fd(),
            shared.offset as libc::off_t,
        )
    };
    mapped != libc::MAP_FAILED
}

fn make_read_only(shared: &SharedMapping) -> bool {
    // SAFETY: takes a permission from a mapping that `maps` has just shown; memory is not touched — mprotect(2).
    let result = unsafe {
        libc::mprotect(
            shared.range.start as *mut libc::c_void,
            shared.range.byte_length(),
            libc::PROT_READ,
        )
    };
    result == 0
}

/// The parent may be killed at any moment. Nobody would use the snapshot, or end the child.
fn die_with_parent(parent_pid: i32) {
    // SAFETY: integers only — PR_SET_PDEATHSIG(2const). It fires when the forking *thread* ends: a worker that is
    // terminated takes its probe with it.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) };
    // SAFETY: no arguments — getppid(2).
    if unsafe { libc::getppid() } != parent_pid {
        // The parent ended before the line above.
        report::end(EXIT_SETUP);
    }
    // Signals to the service's process group (Ctrl-C, a supervisor) are for the service, not for the child.
    // SAFETY: integers only — setpgid(2).
    unsafe { libc::setpgid(0, 0) };
    // SAFETY: the string is NUL-terminated and at most 16 bytes — PR_SET_NAME(2const). The name that `ps` and `top` show.
    unsafe { libc::prctl(libc::PR_SET_NAME, c"offheap-probe".as_ptr(), 0, 0, 0) };
}

/// Where memory or CPU time is short, the child yields to the service.
fn give_way_to_the_service() {
    // If a step here fails (no /proc in a sandbox, a seccomp filter), the child is less polite, but still correct.
    write_file(c"/proc/self/oom_score_adj", b"1000");
    // No core dump: it would be as large as the service. 1 rather than 0, because a handler behind a pipe is skipped
    // only for the value 1 — core(5).
    let limit = libc::rlimit {
        rlim_cur: 1,
        rlim_max: 1,
    };
    // SAFETY: the pointer is to a local that lives through the call — setrlimit(2).
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &limit) };
    write_file(c"/proc/self/coredump_filter", b"0");
    // Low, not lowest: at 19 a child on a machine with no CPU to spare gets 1.5 % of one, and a snapshot of 0.3 s had not
    // ended after 60 s. In all that time the service pays for a copy of every page that it writes to. 10 is about 10 %.
    // SAFETY: integers only — setpriority(2).
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 10) };
    const IOPRIO_WHO_PROCESS: c_int = 1;
    const LOWEST_BEST_EFFORT: c_int = 2 << 13 | 7;
    // SAFETY: integers only — ioprio_set(2).
    unsafe {
        libc::syscall(
            libc::SYS_ioprio_set,
            IOPRIO_WHO_PROCESS,
            0,
            LOWEST_BEST_EFFORT,
        )
    };
}

fn write_file(path: &std::ffi::CStr, bytes: &[u8]) {
    // SAFETY: the path is NUL-terminated — open(2).
    let fd = unsafe { libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC) };
    if fd >= 0 {
        report::write_all(fd, bytes);
        // SAFETY: a descriptor that was opened three lines up, and that nobody else uses — close(2).
        unsafe { libc::close(fd) };
    }
}

/// The parent's handlers write into pipes that the child shares with the parent: through them a signal to the child would reach
/// the parent. Signals were blocked for the fork, and are unblocked here, after the handlers are reset.
///
/// V8's handler for SIGSEGV stays: it turns an access beyond the end of a WebAssembly memory into an error. Any other fault ends the
/// process, as it would without the handler.
fn reset_signals((start, end): (usize, usize)) {
    for signal in 1..=64 {
        if signal == libc::SIGSEGV {
            let action = action_of(signal);
            // libuv's handler is in the node image as well, and is installed where a service listens for the signal. It takes no
            // siginfo_t.
            let is_v8s = action.sa_flags & libc::SA_SIGINFO != 0;
            if is_v8s && (start..end).contains(&action.sa_sigaction) {
                continue;
            }
        }
        // With SIGXFSZ ignored, a write beyond RLIMIT_FSIZE fails with EFBIG, which the child can report.
        let handler = if signal == libc::SIGXFSZ {
            libc::SIG_IGN
        } else {
            libc::SIG_DFL
        };
        // SAFETY: sigaction is plain numbers and an optional function, for which all-zero bytes
        // mean no flags.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = handler;
        // Refused for SIGKILL, SIGSTOP and the two that glibc keeps for itself, which cannot have a handler of Node's.
        // SAFETY: the pointer is to a local that lives through the call — sigaction(2).
        unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) };
    }
    // SAFETY: a sigset is plain bits; sigemptyset below initializes it.
    let mut none: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a local — sigemptyset(3).
    unsafe { libc::sigemptyset(&mut none) };
    // SAFETY: the pointer is to a local that lives through the call — pthread_sigmask(3).
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &none, std::ptr::null_mut()) };
}

/// The present action of a signal.
fn action_of(signal: c_int) -> libc::sigaction {
    // SAFETY: sigaction is plain numbers and an optional function, for which all-zero bytes are a valid value.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: reads only; the pointer is to a local that lives through the call — sigaction(2).
    unsafe { libc::sigaction(signal, std::ptr::null(), &mut action) };
    action
}

/// Whether a descriptor is of a regular file.
fn is_regular(fd: RawFd) -> bool {
    // SAFETY: stat is plain numbers, for which all-zero bytes are a valid value.
    let mut status: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a local that lives through the call — fstat(2).
    let failed = unsafe { libc::fstat(fd, &mut status) } != 0;
    !failed && status.st_mode & libc::S_IFMT == libc::S_IFREG
}

/// Replaces every inherited descriptor. With a socket still open in the child, a connection that the parent closes would stay open
/// until the child ends. They are replaced, not closed: libuv aborts when its eventfd is closed, and a free number would be given
/// to the next file that is opened. Regular files are replaced by a file that refuses writes: a write that is lost must not
/// succeed (a database that believes its journal written deletes it).
fn replace_descriptors(setup: &Setup) {
    let Ok(folder) = std::fs::read_dir("/proc/self/fd") else {
        give_up("/proc/self/fd cannot be read, so inherited descriptors cannot be replaced");
    };
    // Collected first: the folder's own descriptor is in the list, and is closed before the first one is replaced.
    let open: Vec<RawFd> = folder
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for fd in open {
        if fd > 2
            && fd != setup.result
            && fd != setup.prints
            && fd != setup.nothing
            && fd != setup.nothing_to_read
            && !setup.keep.contains(&fd)
        {
            let nothing = if is_regular(fd) {
                setup.nothing_to_read
            } else {
                setup.nothing
            };
            // The folder's own number, closed by now, is opened again by this. It is harmless: /dev/null.
            // SAFETY: integers only; both are descriptors of this process, and nobody uses the old one — dup3(2).
            if unsafe { libc::dup3(nothing, fd, libc::O_CLOEXEC) } < 0 {
                // A number above RLIMIT_NOFILE cannot be replaced. It was opened before the limit was lowered, so it is none of Node's,
                // and no file can be given that number. It is closed.
                let is_above_limit = sys::limit(libc::RLIMIT_NOFILE)
                    .is_some_and(|limit| u64::try_from(fd).is_ok_and(|fd| fd >= limit));
                // SAFETY: an integer only; nobody uses the descriptor in this process — close(2).
                if !is_above_limit || unsafe { libc::close(fd) } != 0 {
                    give_up("dup3 refused to replace an inherited descriptor");
                }
            }
        }
    }
    // What the child prints does not belong in the service's logs, and a slow reader of the logs must not block the child.
    for (from, to) in [(setup.nothing, 0), (setup.prints, 1), (setup.prints, 2)] {
        // SAFETY: integers only — dup2(2).
        if unsafe { libc::dup2(from, to) } < 0 {
            give_up("dup2 refused to replace a standard descriptor");
        }
    }
}
