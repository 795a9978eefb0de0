//! Partial files: temporary files, removed if the environment that writes them ends before they are complete.
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

/// The partial files of this process.
#[derive(Debug, Default)]
pub struct PartialFiles {
    last: u32,
    files: Vec<(usize, u32, PathBuf)>,
    environments: Vec<usize>,
}

/// Those of all threads.
pub static PARTIAL_FILES: Lazy<Mutex<PartialFiles>> = Lazy::new(Mutex::default);

impl PartialFiles {
    /// Notes a file that `environment` writes. The number is for [`PartialFiles::forget`].
    pub fn note(&mut self, environment: usize, path: PathBuf) -> u32 {
        self.last = self.last.wrapping_add(1);
        self.files.push((environment, self.last, path));
        self.last
    }

    /// The file is complete, or removed.
    pub fn forget(&mut self, number: u32) {
        self.files.retain(|(_, known, _)| *known != number);
    }

    /// Whether `environment` has noted none yet: the caller has to listen for its end.
    pub fn is_new(&mut self, environment: usize) -> bool {
        let is_new = !self.environments.contains(&environment);
        if is_new {
            self.environments.push(environment);
        }
        is_new
    }

    /// The environment has ended: its files, for the caller to remove.
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
        let mut partial_files = PartialFiles::default();
        let complete = partial_files.note(1, "/a".into());
        partial_files.note(1, "/b".into());
        partial_files.note(2, "/c".into());
        partial_files.forget(complete);
        assert_eq!(partial_files.abandon(1), [PathBuf::from("/b")]);
        assert_eq!(partial_files.abandon(1), [] as [PathBuf; 0]);
        assert_eq!(partial_files.abandon(2), [PathBuf::from("/c")]);
    }

    #[test]
    fn an_environment_is_new_once_until_it_ends() {
        let mut partial_files = PartialFiles::default();
        assert!(partial_files.is_new(7));
        assert!(!partial_files.is_new(7));
        partial_files.abandon(7);
        assert!(partial_files.is_new(7));
    }

    #[test]
    fn the_token_is_eight_hex_digits_and_stays() {
        assert_eq!(process_token().len(), 8);
        assert!(process_token().bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(process_token(), process_token());
    }
}
