//! The file that a probe's child writes: made before the fork, and given its name when it is complete.
//!
//! Knows: how a file is made so that nobody else can read it, and so that an incomplete one does not stay on the disk.
//! Out of scope: what is written. Directories and final names: `lib/heap/snapshot-file/`.
//! Limitations: on file systems without O_TMPFILE the file has its name from the start. It is then removed however the probe
//! ends, but not when the process is killed.
#![forbid(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::base::error::Failure;

use super::messages::Refusal;
use super::outcome;
use super::sys;

/// The output of a probe.
pub struct OutputFile {
    /// Open for reading and writing.
    pub file: File,
    /// The name that it has, or gets when it is complete.
    pub path: PathBuf,
    nameless: bool,
}

impl OutputFile {
    /// Makes it. It must not exist.
    pub fn create(path: &Path) -> Result<Self, Refusal> {
        let (file, nameless) = private_file(path)?;
        Ok(OutputFile {
            file,
            path: path.to_path_buf(),
            nameless,
        })
    }

    /// Its path, if the file has its name.
    pub fn named_path(&self) -> Option<&Path> {
        (!self.nameless).then_some(self.path.as_path())
    }

    /// Removes what an earlier attempt wrote.
    pub fn empty(&self) -> Result<(), Refusal> {
        self.file
            .set_len(0)
            .and_then(|()| io::Seek::rewind(&mut &self.file))
            .map_err(|error| write_failed(&self.path, &error))
    }

    /// Gives it its name, if it has none yet. Or why not.
    pub fn complete(&mut self) -> Result<(), String> {
        if self.nameless {
            sys::link(&self.file, &self.path)
                .map_err(|error| write_failed(&self.path, &error).failure.message)?;
            self.nameless = false;
        }
        Ok(())
    }

    /// Removes it. A file without a name is removed by the kernel when it is closed.
    pub fn discard(self) {
        if !self.nameless {
            let _ = std::fs::remove_file(self.path);
        }
    }
}

/// The path of an incomplete output that has a name. When the process exits, the file must be removed at once.
#[derive(Debug, Default)]
pub struct NamedOutput(Mutex<Option<PathBuf>>);

impl NamedOutput {
    /// Records the path, or that there is none.
    pub fn set(&self, path: Option<&Path>) {
        *self.0.lock() = path.map(Path::to_path_buf);
    }

    /// Removes the file, if there is one.
    pub fn remove(&self) {
        if let Some(path) = self.0.lock().take() {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// A new file and whether it has no name: 0600, and never through a symbolic link or over a file that exists. It has
/// no name where the file system allows that (ext4, xfs, btrfs, tmpfs, overlay): then nothing stays on the disk, however the
/// process ends.
fn private_file(path: &Path) -> Result<(File, bool), Refusal> {
    let mut how = OpenOptions::new();
    how.read(true).write(true).mode(0o600);
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let nameless = how
        .clone()
        .custom_flags(libc::O_TMPFILE | libc::O_CLOEXEC)
        .open(folder);
    if let Ok(file) = nameless {
        return Ok((file, true));
    }
    let file = how
        .create_new(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(path)
        .map_err(|error| write_failed(path, &error))?;
    Ok((file, false))
}

/// A file that never outlives this process and its child.
pub fn nameless_file(path: &Path) -> Result<File, Refusal> {
    let (file, nameless) = private_file(path)?;
    if !nameless {
        std::fs::remove_file(path).map_err(|error| write_failed(path, &error))?;
    }
    Ok(file)
}

fn write_failed(path: &Path, error: &io::Error) -> Refusal {
    let errno = error.raw_os_error();
    let message = format!("{} could not be written: {error}", path.display());
    Refusal {
        failure: Failure::new(outcome::write_code(errno), message),
        errno,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A folder of the test's own, which is removed with it.
    pub(crate) struct Folder(pub PathBuf);

    impl Folder {
        pub(crate) fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("offheap-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).expect("a folder can be made");
            Folder(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn an_output_is_for_its_owner_alone_and_never_over_what_exists() {
        use std::os::unix::fs::PermissionsExt;
        let folder = Folder::new("output");
        let path = folder.0.join("a.partial");
        let (file, nameless) = private_file(&path).expect("it can be written");
        let mode = file.metadata().expect("it is open").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(path.exists(), !nameless);

        let scratch = folder.0.join("b.partial");
        let file = nameless_file(&scratch).expect("it can be written");
        assert!(!scratch.exists());
        file.set_len(4_096).expect("it can be used");

        let missing = folder.0.join("nosuch").join("c.partial");
        let refusal = private_file(&missing).expect_err("there is no such folder");
        assert_eq!(refusal.errno, Some(libc::ENOENT));
        assert!(refusal.failure.message.contains("c.partial"));
    }

    #[test]
    fn an_output_gets_its_name_when_it_is_complete_and_loses_it_when_it_is_discarded() {
        use std::io::Write;
        let folder = Folder::new("complete");
        let path = folder.0.join("a.partial");
        let mut output = OutputFile::create(&path).expect("it can be written");
        let named = NamedOutput::default();
        named.set(output.named_path());
        (&output.file).write_all(b"1234567").expect("there is room");
        output.empty().expect("it can be emptied");
        (&output.file).write_all(b"12345").expect("there is room");
        assert_eq!(output.complete(), Ok(()));
        assert_eq!(output.complete(), Ok(()));
        assert_eq!(output.named_path(), Some(path.as_path()));
        assert_eq!(std::fs::read(&path).expect("it has its name"), b"12345");
        // Another may not take its place.
        let taken = OutputFile::create(&path).and_then(|mut other| {
            other.complete().map_err(|message| Refusal {
                failure: Failure::new(crate::base::error::Code::SnapshotWriteFailed, message),
                errno: None,
            })
        });
        assert!(taken.is_err());
        output.discard();
        assert!(!path.exists());

        std::fs::write(&path, b"x").expect("there is room");
        named.set(Some(&path));
        named.remove();
        named.remove();
        assert!(!path.exists());
    }
}
