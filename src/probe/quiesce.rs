//! Waits until V8's helper threads have no work.
//!
//! A helper that sweeps, marks or compiles at the moment of the fork never finishes its job in the child, and the child then
//! hangs. The threads of libuv and of other workers are harmless.
//!
//! Knows: what `/proc` says of a thread that waits for work.
//! Out of scope: which threads they are; [`super::platform_threads`].
//! Limitations: a helper that wakes up between the last look and the fork. The child then runs into a wait that nobody
//! will end, says so, and the fork is tried again.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::platform_threads;
use super::sys::read_some;

/// V8's platform threads. Found once, then looked at repeatedly.
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

impl PlatformThreads {
    /// Finds them. Not on the JavaScript thread.
    pub fn find(pool_size: usize) -> std::io::Result<Self> {
        let folders = platform_threads::find(pool_size)?;
        let files = |name: &str| folders.iter().map(|folder| folder.join(name)).collect();
        Ok(PlatformThreads {
            syscall: files("syscall"),
            stat: files("stat"),
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
            // The helpers may need this CPU to finish.
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
}
