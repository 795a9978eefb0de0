//! Finds V8's helper threads: the threads of its platform.
//!
//! Knows: how Node names them, in which order it starts them, and what `/proc` shows of a thread.
//! Out of scope: what is done with them; [`super::quiesce`].
//! Limitations: on Node 20 and 22 they have no names of their own, and are known by their order and by what they wait for.
#![forbid(unsafe_code)]

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::sys::read_some;

/// How much of a thread's stack is looked at. The frame of a V8 worker's loop lies some 200 bytes above the C library's.
const STACK_BYTES: usize = 2_048;

/// What is known of a thread, beside its position in the order in which threads were started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadFacts {
    /// Its name.
    pub name: String,
    /// It waits for something that no platform thread ever waits for.
    pub waits_elsewhere: bool,
    /// Its stack shows that it runs the executable's code; `None` where the stack cannot be read.
    pub runs_executable: Option<bool>,
}

/// Whether a thread waits in a call that V8's platform threads never make: for events, for time, for a signal, for bytes.
pub fn waits_elsewhere(syscall: &[u8]) -> bool {
    // The numbers of Linux x86-64: read, poll, select, pause, nanosleep, accept, recvfrom, recvmsg, rt_sigtimedwait,
    // rt_sigsuspend, clock_nanosleep, epoll_wait, pselect6, ppoll, epoll_pwait, accept4, recvmmsg, epoll_pwait2.
    const CALLS: [u16; 18] = [
        0, 7, 23, 34, 35, 43, 45, 47, 128, 130, 230, 232, 270, 271, 281, 288, 299, 441,
    ];
    syscall
        .split(|&byte| byte == b' ')
        .next()
        .and_then(|field| std::str::from_utf8(field).ok()?.parse::<u16>().ok())
        .is_some_and(|number| CALLS.contains(&number))
}

/// The stack pointer in `/proc/self/task/<tid>/syscall`: the last field but one, of nine where the thread is in a call, of
/// three where it is not.
fn stack_pointer(syscall: &[u8]) -> Option<u64> {
    let fields: Vec<&[u8]> = syscall.trim_ascii().split(|&byte| byte == b' ').collect();
    let field = fields.get(fields.len().checked_sub(2)?)?;
    let digits = std::str::from_utf8(field.strip_prefix(b"0x")?).ok()?;
    u64::from_str_radix(digits, 16).ok()
}

/// Where the executable's code lies: its executable mappings in `/proc/self/maps`.
fn code_of(maps: &str, executable: &str) -> Vec<(u64, u64)> {
    maps.lines()
        .filter(|line| line.ends_with(executable))
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let (start, end) = fields.next()?.split_once('-')?;
            let is_code = fields.next()?.contains('x');
            let address = |digits| u64::from_str_radix(digits, 16).ok();
            is_code.then_some((address(start)?, address(end)?))
        })
        .collect()
}

/// Whether one of these words points into the code.
fn points_into(words: &[u8], code: &[(u64, u64)]) -> bool {
    words.chunks_exact(8).any(|word| {
        let word = word.try_into().map_or(0, u64::from_le_bytes);
        code.iter().any(|&(start, end)| start <= word && word < end)
    })
}

/// Which of the threads, in the order in which they were started, belong to V8's platform.
///
/// Node 24 and 26 name them (`V8Worker`, `node-V8Worker`). On 20 and 22 they are the first `pool_size` threads that run node's
/// code and wait for work. Not the main thread; not the delayed-task scheduler before them, which waits for events; not threads
/// that a preloaded library has started, before Node did: their stacks show none of node's code.
pub fn platform(threads: &[ThreadFacts], pool_size: usize) -> Vec<usize> {
    let named: Vec<usize> = (0..threads.len())
        .filter(|&index| threads[index].name.ends_with("V8Worker"))
        .collect();
    if !named.is_empty() {
        return named;
    }
    let is_scheduler = |thread: &ThreadFacts| {
        thread.name.starts_with("DelayedTaskSche")
            || thread.waits_elsewhere && thread.runs_executable != Some(false)
    };
    // Where the kernel does not say what threads wait for, the scheduler is known by its place alone: the first.
    let unseen = usize::from(!threads.iter().skip(1).any(is_scheduler));
    (1..threads.len())
        .filter(|&index| {
            let thread = &threads[index];
            !thread.waits_elsewhere
                && thread.runs_executable != Some(false)
                && !is_scheduler(thread)
        })
        .skip(unseen)
        .take(pool_size)
        .collect()
}

/// Whether a file of a thread cannot be read because the thread has ended: ENOENT when it is opened, ESRCH when it is read.
fn has_ended(error: &std::io::Error) -> bool {
    const ESRCH: i32 = 3;
    error.kind() == std::io::ErrorKind::NotFound || error.raw_os_error() == Some(ESRCH)
}

/// The folders in `/proc` of V8's platform threads. Reads one small file per thread of the process, so not on the JavaScript
/// thread.
pub fn find(pool_size: usize) -> std::io::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    let mut threads = Vec::new();
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let executable = fs::read_link("/proc/self/exe").unwrap_or_default();
    let code = code_of(&maps, &executable.to_string_lossy());
    let memory = fs::File::open("/proc/self/mem").ok();
    // The kernel lists threads in the order in which they were started (proc_task_readdir walks the group's list).
    for entry in fs::read_dir("/proc/self/task")? {
        let folder = entry?.path();
        // A thread that has ended is no platform thread: those live as long as the process. Any other error (no descriptor
        // left) means that the list would be incomplete.
        let name = match fs::read_to_string(folder.join("comm")) {
            Ok(name) => Some(name),
            Err(error) if has_ended(&error) => None,
            Err(error) => return Err(error),
        };
        if let Some(name) = name {
            let mut buffer = [0u8; 512];
            let syscall = read_some(&folder.join("syscall"), &mut buffer);
            let runs_executable = memory
                .as_ref()
                .filter(|_| !code.is_empty())
                .zip(stack_pointer(syscall))
                .and_then(|(memory, stack)| {
                    // A thread that waits is two or three calls deep in the C library, and its caller comes next.
                    let mut words = [0u8; STACK_BYTES];
                    let length = memory.read_at(&mut words, stack).ok()?;
                    Some(points_into(words.get(..length)?, &code))
                });
            threads.push(ThreadFacts {
                name: name.trim_end().to_string(),
                waits_elsewhere: waits_elsewhere(syscall),
                runs_executable,
            });
            folders.push(folder);
        }
    }
    Ok(platform(&threads, pool_size)
        .into_iter()
        .map(|index| folders[index].clone())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOLL: &[u8] =
        b"281 0x9 0x7f05f8319cf0 0x400 0xffffffff 0x0 0x8 0x7f05f8318f90 0x7f05f8426cae";
    const WORKER: &[u8] =
        b"202 0x6ee5d30 0x189 0x0 0x0 0x0 0xffffffff 0x7f05f7b1bc70 0x7f05f83a3f16\n";

    #[test]
    fn a_thread_that_waits_for_events_time_or_signals_is_no_platform_thread() {
        assert!(waits_elsewhere(EPOLL));
        assert!(waits_elsewhere(b"34 0x0 0x0"));
        assert!(waits_elsewhere(b"230 0x0"));
        assert!(!waits_elsewhere(WORKER));
        assert!(!waits_elsewhere(b"28 0x7f 0x1000 0x4"));
        assert!(!waits_elsewhere(b"running"));
        assert!(!waits_elsewhere(b""));
    }

    #[test]
    fn the_stack_pointer_is_the_last_field_but_one() {
        assert_eq!(stack_pointer(WORKER), Some(0x7f05_f7b1_bc70));
        assert_eq!(stack_pointer(b"-1 0x7ffc 0x55\n"), Some(0x7ffc));
        for text in [&b"running\n"[..], b"", b"202 0x1"] {
            assert_eq!(stack_pointer(text), None);
        }
    }

    #[test]
    fn code_is_what_is_executable_of_the_executable() {
        let maps = "00400000-00c66000 r--p 00000000 fe:00 1 /usr/bin/node\n\
                    00c67000-02a00000 r-xp 00866000 fe:00 1 /usr/bin/node\n\
                    7f0000000000-7f0000010000 r-xp 00000000 fe:00 2 /lib/libc.so.6\n";
        let code = code_of(maps, "/usr/bin/node");
        assert_eq!(code, [(0x00c6_7000, 0x02a0_0000)]);
        let words = |word: u64| [[0u8; 8], word.to_le_bytes()].concat();
        assert!(points_into(&words(0x00c6_7000), &code));
        assert!(!points_into(&words(0x0040_0000), &code));
        assert!(!points_into(&words(0x02a0_0000), &code));
        assert!(!points_into(&[1, 2, 3], &code));
    }

    /// `.` waits for work in node's code, `e` for events there, `p` is of a preloaded library and waits for work of its own,
    /// `?` waits for work with a stack that cannot be read.
    fn unnamed(threads: &str) -> Vec<ThreadFacts> {
        threads
            .chars()
            .map(|kind| ThreadFacts {
                name: "node".into(),
                waits_elsewhere: kind == 'e',
                runs_executable: (kind != '?').then_some(kind != 'p'),
            })
            .collect()
    }

    fn named(list: &[&str]) -> Vec<ThreadFacts> {
        list.iter()
            .map(|name| ThreadFacts {
                name: name.to_string(),
                waits_elsewhere: false,
                runs_executable: Some(true),
            })
            .collect()
    }

    #[test]
    fn platform_threads_are_found_on_every_node_line() {
        // The first is the main thread, then the scheduler, then V8's, then others of Node's.
        assert_eq!(platform(&unnamed(".e........."), 4), [2, 3, 4, 5]);
        let node_22 = named(&[
            "node",
            "DelayedTaskSche",
            "node",
            "node",
            "node",
            "node",
            "node",
            "libuv-worker",
        ]);
        assert_eq!(platform(&node_22, 4), [2, 3, 4, 5]);
        let node_24 = named(&[
            "MainThread",
            "DelayedTaskSche",
            "V8Worker",
            "V8Worker",
            "SignalInspector",
            "libuv-worker",
        ]);
        assert_eq!(platform(&node_24, 4), [2, 3]);
        let node_26 = named(&[
            "node-MainThread",
            "DelayedTaskSche",
            "node-V8Worker",
            "libuv-worker",
        ]);
        assert_eq!(platform(&node_26, 4), [2]);
        assert_eq!(platform(&named(&["node"]), 4), [0usize; 0]);
    }

    #[test]
    fn threads_of_preloaded_libraries_are_not_taken_for_v8s() {
        // Before Node's, among them, waiting for events, and with the stack hidden from everybody.
        assert_eq!(platform(&unnamed(".pe......"), 4), [3, 4, 5, 6]);
        assert_eq!(platform(&unnamed(".ppppe....."), 4), [6, 7, 8, 9]);
        assert_eq!(platform(&unnamed(".ee.p..."), 4), [3, 5, 6, 7]);
        assert_eq!(platform(&unnamed("?e????"), 4), [2, 3, 4, 5]);
        // Nothing is known of any: the scheduler is the first after the main thread. Or busy at this very moment.
        assert_eq!(platform(&unnamed("???????"), 4), [2, 3, 4, 5]);
        assert_eq!(platform(&unnamed(".p........"), 4), [3, 4, 5, 6]);
    }
}
