//! A file that gets its name when it is whole, plain or gzip.
//!
//! Knows: that no existing file is overwritten, that only the owner can read it, and that nothing is left behind after an error.
//! Out of scope: what is in it.
//! Limitations: a process that is killed leaves a file called `<name>.<pid>.partial`.

#![forbid(unsafe_code)]

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::write::GzEncoder;
use flate2::Compression;

use crate::base::error::{Code, Failure};

const BUFFER_BYTES: usize = 256 * 1024;

/// A file in the making under another name.
pub(super) struct NewFile {
    partial: PathBuf,
    path: PathBuf,
    gzip: bool,
}

impl NewFile {
    pub(super) fn create(path: &Path) -> Result<NewFile, Failure> {
        if fs::symlink_metadata(path).is_ok() {
            return Err(write_failure(
                path,
                &io::Error::from(io::ErrorKind::AlreadyExists),
            ));
        }
        let mut partial = path.as_os_str().to_owned();
        partial.push(format!(".{}.partial", std::process::id()));
        Ok(NewFile {
            partial: PathBuf::from(partial),
            path: path.to_owned(),
            gzip: path.extension().is_some_and(|extension| extension == "gz"),
        })
    }

    pub(super) fn open(&self) -> Result<Output, Failure> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file: File = options
            .open(&self.partial)
            .map_err(|error| write_failure(&self.partial, &error))?;
        Ok(if self.gzip {
            Output::Gzip(Box::new(GzEncoder::new(
                BufWriter::with_capacity(BUFFER_BYTES, file),
                Compression::fast(),
            )))
        } else {
            Output::Plain(file)
        })
    }

    /// Gives the file its name, unless something has taken the name meanwhile.
    pub(super) fn publish(&self) -> Result<(), Failure> {
        let linked = fs::hard_link(&self.partial, &self.path);
        let result = match linked {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            // A file system without hard links.
            Err(_) if fs::symlink_metadata(&self.path).is_err() => {
                return fs::rename(&self.partial, &self.path).map_err(|error| {
                    self.discard();
                    write_failure(&self.path, &error)
                });
            }
            Err(error) => Err(error),
        };
        self.discard();
        result.map_err(|error| write_failure(&self.path, &error))
    }

    pub(super) fn discard(&self) {
        // It may not be there; there is nothing better to do if it cannot be removed.
        let _ = fs::remove_file(&self.partial);
    }
}

/// An open file, plain or gzip.
pub(super) enum Output {
    Plain(File),
    Gzip(Box<GzEncoder<BufWriter<File>>>),
}

impl Output {
    /// Writes what is still held back. Dropping would do it too, and swallow a full disk.
    pub(super) fn finish(self) -> io::Result<()> {
        match self {
            Output::Plain(_) => Ok(()),
            Output::Gzip(encoder) => encoder.finish()?.flush(),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Output::Plain(file) => file.write(bytes),
            Output::Gzip(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Output::Plain(file) => file.flush(),
            Output::Gzip(encoder) => encoder.flush(),
        }
    }
}

pub(super) fn write_failure(path: &Path, error: &io::Error) -> Failure {
    Failure::new(
        Code::SnapshotWriteFailed,
        format!("Could not write {}: {error}", path.display()),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    /// A path in a new folder of this process.
    fn path(name: &str) -> PathBuf {
        let folder = format!("offheap-new-file-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        fs::create_dir(&folder).unwrap();
        folder.join(name)
    }

    fn remove_folder(path: &Path) {
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_file_has_its_name_when_it_is_published_and_no_file_is_left_beside_it() {
        let path = path("published");
        let file = NewFile::create(&path).unwrap();
        let mut output = file.open().unwrap();
        output.write_all(b"whole").unwrap();
        assert!(!path.exists());
        output.finish().unwrap();
        file.publish().unwrap();

        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert!(!file.partial.exists());
        assert!(NewFile::create(&path).is_err());
        remove_folder(&path);
    }

    #[test]
    fn a_file_that_was_made_meanwhile_stays_as_it_is() {
        let path = path("meanwhile");
        let file = NewFile::create(&path).unwrap();
        file.open().unwrap().finish().unwrap();
        fs::write(&path, b"another's").unwrap();

        assert!(file.publish().is_err());
        assert_eq!(fs::read(&path).unwrap(), b"another's");
        assert!(!file.partial.exists());
        remove_folder(&path);
    }
}
