//! The system calls of the probe's parent side, each behind a safe function. `[unsafe]`
//!
//! Knows: how each call is made.
//! Duties of this file: pass only pointers that are valid for the call, keep none of them, and turn every failure into an
//! `io::Error` or a value that says so.
//! Out of scope: what a probe does.
//! Limitations: whether a process id belongs to another process by now. Only the caller, which alone reaps the child, can know.

use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It ended with this exit code.
    Exited(i32),
    /// This signal ended it.
    Killed(i32),
    /// Other code in the process reaped it (a `waitpid(-1)`), so it is not known how it ended.
    Unknown,
}

/// A child that was reaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reaped {
    /// How it ended.
    pub ended: Ended,
    /// Its largest resident memory, shared pages included.
    pub peak_rss_bytes: Option<u64>,
}

/// Waits until one of `fds` can be read (or has been closed at the other end), or until `timeout` has passed.
pub fn poll_readable<const N: usize>(
    fds: [Option<RawFd>; N],
    timeout: Option<Duration>,
) -> io::Result<[bool; N]> {
    let mut entries = fds.map(|fd| libc::pollfd {
        fd: fd.unwrap_or(-1),
        events: libc::POLLIN,
        revents: 0,
    });
    // Rounded up: a timeout of 0.4 ms must not become a busy loop.
    let milliseconds = timeout.map_or(-1, |time| {
        i32::try_from(time.as_micros().div_ceil(1000)).unwrap_or(i32::MAX)
    });
    // SAFETY: `entries` is an array of N pollfds that lives through the call; a negative fd is ignored — poll(2).
    let ready = unsafe { libc::poll(entries.as_mut_ptr(), N as libc::nfds_t, milliseconds) };
    if ready < 0 {
        let error = io::Error::last_os_error();
        if error.kind() == io::ErrorKind::Interrupted {
            return Ok([false; N]);
        }
        return Err(error);
    }
    Ok(entries.map(|entry| entry.revents != 0))
}

/// A descriptor that becomes readable when the process ends; `None` where the kernel has none (before 5.3, or seccomp).
pub fn pidfd(pid: i32) -> Option<OwnedFd> {
    // SAFETY: two integers, no memory — pidfd_open(2).
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if fd < 0 {
        return None;
    }
    // SAFETY: a descriptor that was just opened for us and that nobody else holds — pidfd_open(2).
    Some(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Ends a child of ours that has not been reaped yet: works on a stopped one as well.
pub fn kill(pid: i32) {
    // SAFETY: two integers, no memory — kill(2). `pid` is a child that only we reap, so the number is still its own.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

/// Stops a child of ours.
pub fn stop(pid: i32) {
    // SAFETY: as in `kill`.
    unsafe { libc::kill(pid, libc::SIGSTOP) };
}

/// Lets a stopped child run again.
pub fn resume(pid: i32) {
    // SAFETY: as in `kill`.
    unsafe { libc::kill(pid, libc::SIGCONT) };
}

/// Tells the kernel to start writing a file's cached pages, and does not wait for it.
pub fn start_writing(file: &impl AsRawFd) {
    // SAFETY: integers only; writes out what is in the file cache already — sync_file_range(2).
    unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE) };
}

/// Reaps this child, and no other: offheap does not touch the service's own children. `None` while it is running.
pub fn reap(pid: i32, wait: bool) -> Option<Reaped> {
    let mut status = 0;
    loop {
        // SAFETY: rusage is plain numbers, for which all-zero bytes are a valid value.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        let flags = if wait { 0 } else { libc::WNOHANG };
        // SAFETY: both pointers are to locals that live through the call — wait4(2).
        let got = unsafe { libc::wait4(pid, &mut status, flags, &mut usage) };
        if got == 0 {
            return None;
        }
        if got == pid {
            let ended = if libc::WIFEXITED(status) {
                Ended::Exited(libc::WEXITSTATUS(status))
            } else {
                Ended::Killed(libc::WTERMSIG(status))
            };
            return Some(Reaped {
                ended,
                peak_rss_bytes: u64::try_from(usage.ru_maxrss).ok().map(|kb| kb * 1024),
            });
        }
        if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            // ECHILD: SIGCHLD is ignored in this process, or other code waits for all children.
            return Some(Reaped {
                ended: Ended::Unknown,
                peak_rss_bytes: None,
            });
        }
    }
}

/// The limit on this process, `None` when there is none.
pub fn limit(resource: libc::__rlimit_resource_t) -> Option<u64> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointer is to a local that lives through the call — getrlimit(2).
    let failed = unsafe { libc::getrlimit(resource, &mut limit) } != 0;
    (!failed && limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur)
}

/// The size of a page.
pub fn page_size() -> usize {
    // SAFETY: one integer, no memory — sysconf(3).
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// Free bytes that this process may use, and the type, of the file system that `file` lies on.
pub fn file_system(file: &impl AsRawFd) -> io::Result<(u64, i64)> {
    // SAFETY: statfs is plain numbers, for which all-zero bytes are a valid value.
    let mut info: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor is open and the pointer is to a local that lives through the call — fstatfs(2).
    if unsafe { libc::fstatfs(file.as_raw_fd(), &mut info) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let block = u64::try_from(info.f_bsize).unwrap_or(0);
    Ok((info.f_bavail.saturating_mul(block), info.f_type))
}

/// Gives a nameless file (O_TMPFILE) a name. No file may have that name yet.
pub fn link(file: &impl AsRawFd, path: &std::path::Path) -> io::Result<()> {
    let from = std::ffi::CString::new(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    let to = std::ffi::CString::new(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()))?;
    // SAFETY: both are NUL-terminated strings that live through the call — linkat(2), "O_TMPFILE" in open(2).
    let failed = unsafe {
        libc::linkat(
            libc::AT_FDCWD,
            from.as_ptr(),
            libc::AT_FDCWD,
            to.as_ptr(),
            libc::AT_SYMLINK_FOLLOW,
        )
    };
    if failed != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Changes how a range of this process's memory is treated; whether the kernel agreed.
pub fn advise(start: usize, byte_length: usize, advice: Advice) -> bool {
    let advice = match advice {
        Advice::DoFork => libc::MADV_DOFORK,
        Advice::DontFork => libc::MADV_DONTFORK,
    };
    // SAFETY: these two kinds of advice change only what a later fork copies, never the contents of this process's
    // memory; a range that is not mapped any more is refused with ENOMEM — madvise(2).
    unsafe { libc::madvise(start as *mut libc::c_void, byte_length, advice) == 0 }
}

/// What a fork does with a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// Copies it (the default).
    DoFork,
    /// Leaves it out.
    DontFork,
}

/// The beginning of a file, as much as fits into `buffer`; nothing where it cannot be read.
pub fn read_some<'buffer>(path: &std::path::Path, buffer: &'buffer mut [u8]) -> &'buffer [u8] {
    match std::fs::File::open(path).and_then(|mut file| file.read(buffer)) {
        Ok(length) => &buffer[..length],
        Err(_) => &[],
    }
}
