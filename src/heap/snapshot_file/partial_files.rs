//! Files that are being written, and go when their writer is gone.
//!
//! Knows: the paths of temporary files, and which environment writes each.
//! Out of scope: what is in them, or how they are named.
//! Limitations: a process that is killed (SIGKILL, out of memory). What it leaves is found and removed by the next writer:
//! names carry the process, and [`process_token`] tells processes with the same number apart.
//!
//! JavaScript cannot do this: no handler runs in a worker that is terminated, and none of its promises settles.
//! The other way round, `process.exit` in the main thread runs no cleanup hook (seen on Node 20 to 26): there a
//! handler in `lib/heap/snapshot-file/destination.js` does the same.
#![forbid(unsafe_code)]

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::path::PathBuf;

use once_cell::sync::Lazy;
use parking_lot::Mutex;

/// The files being written in this process.
#[derive(Debug, Default)]
pub struct Unfinished {
    last: u32,
    files: Vec<(usize, u32, PathBuf)>,
    environments: Vec<usize>,
}

/// All of this process: workers are written down here by their own threads.
pub static UNFINISHED: Lazy<Mutex<Unfinished>> = Lazy::new(Mutex::default);

impl Unfinished {
    /// Notes a file that `environment` writes. The number is for [`Unfinished::forget`].
    pub fn note(&mut self, environment: usize, path: PathBuf) -> u32 {
        self.last = self.last.wrapping_add(1);
        self.files.push((environment, self.last, path));
        self.last
    }

    /// The file is finished, or gone.
    pub fn forget(&mut self, number: u32) {
        self.files.retain(|(_, known, _)| *known != number);
    }

    /// Whether this is the first that is heard of `environment`: its end has to be listened to.
    pub fn is_new(&mut self, environment: usize) -> bool {
        let is_new = !self.environments.contains(&environment);
        if is_new {
            self.environments.push(environment);
        }
        is_new
    }

    /// The environment is gone: its files, for the caller to remove.
    pub fn abandon(&mut self, environment: usize) -> Vec<PathBuf> {
        self.environments.retain(|known| *known != environment);
        let (gone, left) = std::mem::take(&mut self.files)
            .into_iter()
            .partition(|(owner, _, _)| *owner == environment);
        self.files = left;
        gone.into_iter()
            .map(|(_, _, path): (usize, u32, PathBuf)| path)
            .collect()
    }
}

/// Tells this process from any other that had or has its number: in containers every service is process 1 or 7.
pub fn process_token() -> &'static str {
    static TOKEN: Lazy<String> = Lazy::new(|| {
        // The standard library seeds this from the operating system's randomness.
        let random = RandomState::new().build_hasher().finish();
        format!("{:08x}", random as u32)
    });
    &TOKEN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_that_ends_gives_up_its_own_files_only() {
        let mut unfinished = Unfinished::default();
        let finished = unfinished.note(1, "/a".into());
        unfinished.note(1, "/b".into());
        unfinished.note(2, "/c".into());
        unfinished.forget(finished);
        assert_eq!(unfinished.abandon(1), [PathBuf::from("/b")]);
        assert_eq!(unfinished.abandon(1), [] as [PathBuf; 0]);
        assert_eq!(unfinished.abandon(2), [PathBuf::from("/c")]);
    }

    #[test]
    fn an_environment_is_new_once_until_it_ends() {
        let mut unfinished = Unfinished::default();
        assert!(unfinished.is_new(7));
        assert!(!unfinished.is_new(7));
        unfinished.abandon(7);
        assert!(unfinished.is_new(7));
    }

    #[test]
    fn the_token_is_eight_hex_digits_and_stays() {
        assert_eq!(process_token().len(), 8);
        assert!(process_token().bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(process_token(), process_token());
    }
}
