//! Waits until V8's helper threads have nothing in hand.
//!
//! Knows: which threads of the process belong to V8's platform, and what `/proc` says they are doing.
//! Must never know: why somebody wants them idle.
//! Cannot see: a helper that wakes up between the last look and the fork. The child then runs into a wait that nobody
//! will end, says so, and the fork is tried again.
//! A helper that is sweeping, marking or compiling at the moment of the fork leaves its job unfinished for ever in the
//! child, which then hangs: that is why this room exists. libuv's threads and other workers' threads are harmless.
#![forbid(unsafe_code)]

use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// V8's platform threads, found once and then looked at again and again.
#[derive(Debug, Default)]
pub struct PlatformThreads {
    syscall: Vec<PathBuf>,
    stat: Vec<PathBuf>,
}

/// What a thread is doing, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Waiting on a condition variable: nothing in hand.
    Waiting,
    /// Running, or blocked on something that it will come back from (a mutex, a page fault).
    Working,
    /// The kernel does not say.
    Unknown,
}

/// `/proc/self/task/<tid>/syscall`: `running`, or the number and arguments of the call it sleeps in.
///
/// A platform thread without work sleeps in `pthread_cond_wait`, which is futex(2) with FUTEX_WAIT_BITSET (9). One that
/// waits for a mutex uses FUTEX_WAIT (0): asleep as well, but in the middle of its work. The state letter of `stat`
/// cannot tell the two apart.
pub fn doing(syscall: &[u8]) -> Doing {
    const FUTEX: &[u8] = b"202";
    const COMMAND: usize = 0x7f;
    const WAIT_BITSET: usize = 9;
    let text = syscall.trim_ascii();
    if text == b"running" {
        return Doing::Working;
    }
    let mut fields = text.split(|&byte| byte == b' ');
    match (fields.next(), fields.next(), fields.next()) {
        (Some(number), Some(_), Some(operation)) if number == FUTEX => {
            match operation
                .strip_prefix(b"0x")
                .and_then(|digits| std::str::from_utf8(digits).ok())
            {
                Some(digits) => match usize::from_str_radix(digits, 16) {
                    Ok(operation) if operation & COMMAND == WAIT_BITSET => Doing::Waiting,
                    Ok(_) => Doing::Working,
                    Err(_) => Doing::Unknown,
                },
                None => Doing::Unknown,
            }
        }
        (Some(number), _, _) if !number.is_empty() && number.iter().all(u8::is_ascii_digit) => {
            Doing::Working
        }
        _ => Doing::Unknown,
    }
}

/// `/proc/self/task/<tid>/stat`: the state letter stands behind the name, which may hold spaces and parentheses.
pub fn is_sleeping(stat: &[u8]) -> bool {
    match stat.iter().rposition(|&byte| byte == b')') {
        Some(end) => stat.get(end + 2) == Some(&b'S'),
        None => false,
    }
}

/// Which of the threads, named in the order in which they were started, belong to V8's platform.
///
/// Node 24 and 26 name them (`V8Worker`, `node-V8Worker`). On 20 and 22 they are the `pool_size` threads started
/// after the delayed-task scheduler, which is the first thread after the main one.
pub fn platform(names: &[String], pool_size: usize) -> Vec<usize> {
    let named: Vec<usize> = (0..names.len())
        .filter(|&index| names[index].ends_with("V8Worker"))
        .collect();
    if !named.is_empty() {
        return named;
    }
    let scheduler = names
        .iter()
        .position(|name| name.starts_with("DelayedTaskSche"))
        .unwrap_or(1);
    (scheduler + 1..names.len()).take(pool_size).collect()
}

impl PlatformThreads {
    /// Finds them. Reads one small file per thread of the process, so not on the JavaScript thread.
    pub fn find(pool_size: usize) -> std::io::Result<Self> {
        let mut folders = Vec::new();
        let mut names = Vec::new();
        // The kernel lists threads in the order in which they were started (proc_task_readdir walks the group's list).
        for entry in fs::read_dir("/proc/self/task")? {
            let folder = entry?.path();
            // A thread that ended meanwhile is no platform thread: those live as long as the process.
            if let Ok(name) = fs::read_to_string(folder.join("comm")) {
                names.push(name.trim_end().to_string());
                folders.push(folder);
            }
        }
        let mine = platform(&names, pool_size);
        Ok(PlatformThreads {
            syscall: mine
                .iter()
                .map(|&index| folders[index].join("syscall"))
                .collect(),
            stat: mine
                .iter()
                .map(|&index| folders[index].join("stat"))
                .collect(),
        })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.stat.len()
    }

    /// Looks until all of them wait for work, or until `limit` has passed; returns whether they do.
    pub fn quiesce(&self, limit: Duration) -> bool {
        let start = Instant::now();
        loop {
            if self.all_idle() {
                return true;
            }
            if start.elapsed() >= limit {
                return false;
            }
            // The helpers may need this very CPU to come to an end.
            std::thread::yield_now();
        }
    }

    fn all_idle(&self) -> bool {
        let mut buffer = [0u8; 512];
        self.syscall.iter().zip(&self.stat).all(|(syscall, stat)| {
            match doing(read_some(syscall, &mut buffer)) {
                Doing::Waiting => true,
                Doing::Working => false,
                // Kernels without that file, or that forbid it: the state letter has to do.
                Doing::Unknown => is_sleeping(read_some(stat, &mut buffer)),
            }
        })
    }
}

fn read_some<'buffer>(path: &PathBuf, buffer: &'buffer mut [u8]) -> &'buffer [u8] {
    match fs::File::open(path).and_then(|mut file| file.read(buffer)) {
        Ok(length) => &buffer[..length],
        Err(_) => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_wait_on_a_condition_variable_counts_as_idle() {
        let cases: [(&str, Doing); 8] = [
            (
                "202 0x1c04f320 0x189 0x0 0x0 0x0 0xffffffff 0x7fbd6f61bc70 0x7fbd6fea3f16\n",
                Doing::Waiting,
            ),
            (
                "202 0x1c04f320 0x89 0x0 0x0 0x0 0xffffffff 0x7fbd6f61bc70 0x7fbd6fea3f16\n",
                Doing::Waiting,
            ),
            // A mutex: asleep, but with work in hand.
            (
                "202 0x1c04f320 0x80 0x2 0x0 0x0 0x0 0x7fbd6f61bc70 0x7fbd6fea3f16\n",
                Doing::Working,
            ),
            ("running\n", Doing::Working),
            // In a page fault: no system call, the kernel prints -1.
            ("-1 0x7ffc 0x55\n", Doing::Unknown),
            ("281 0x9 0x7fbd6fe19cf0 0x400\n", Doing::Working),
            ("", Doing::Unknown),
            ("202 0x1 zz\n", Doing::Unknown),
        ];
        for (text, expected) in cases {
            assert_eq!(doing(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn the_state_letter_is_found_behind_a_name_with_parentheses() {
        assert!(is_sleeping(b"12 (a) R (b) S 1 12 12 0"));
        assert!(!is_sleeping(b"12 (a) S (b) R 1 12 12 0"));
        assert!(!is_sleeping(b""));
        assert!(!is_sleeping(b"12 (node)"));
    }

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| name.to_string()).collect()
    }

    #[test]
    fn platform_threads_are_found_on_every_node_line() {
        let node_20 = names(&["node"; 12]);
        assert_eq!(platform(&node_20, 4), [2, 3, 4, 5]);
        let node_22 = names(&[
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
        let node_24 = names(&[
            "MainThread",
            "DelayedTaskSche",
            "V8Worker",
            "V8Worker",
            "SignalInspector",
            "libuv-worker",
        ]);
        assert_eq!(platform(&node_24, 4), [2, 3]);
        let node_26 = names(&[
            "node-MainThread",
            "DelayedTaskSche",
            "node-V8Worker",
            "libuv-worker",
        ]);
        assert_eq!(platform(&node_26, 4), [2]);
        // A thread that a preloaded library started first.
        let preloaded = names(&["node", "agent", "DelayedTaskSche", "node", "node", "node"]);
        assert_eq!(platform(&preloaded, 2), [3, 4]);
        assert_eq!(platform(&names(&["node"]), 4), [0usize; 0]);
    }
}
