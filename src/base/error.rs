//! Failures and their permanent codes.
//!
//! Knows: every `ERR_OFFHEAP_…` code there is, and the text that goes with one failure.
//! Out of scope: napi. `bindings` turns a [`Failure`] into a JavaScript error.
//! Limitations: wrong arguments never get here; `lib/base/validate.js` refuses them with Node's own codes.
//! To add a code: a variant here, a row in `docs/errors.md`, a test that provokes it (a test compares the lists).

use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident => $text:literal,)*) => {
        /// A permanent error code. Codes are never renamed and never reused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// Every code, in the order of `docs/errors.md`.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// The text that users see as `error.code`.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Code::$name => $text,)*
                }
            }
        }
    };
}

codes! {
    /// The addon could not be loaded; the message lists what was tried.
    BindingLoadFailed => "ERR_OFFHEAP_BINDING_LOAD_FAILED",
    /// This platform, runtime or process cannot do what was asked.
    UnsupportedPlatform => "ERR_OFFHEAP_UNSUPPORTED_PLATFORM",
    /// Native memory could not be had.
    OutOfMemory => "ERR_OFFHEAP_OUT_OF_MEMORY",
    /// One probe is under way in this process already.
    ProbeInProgress => "ERR_OFFHEAP_PROBE_IN_PROGRESS",
    /// The probe's child could not be made; the message names the cause.
    ProbeFailed => "ERR_OFFHEAP_PROBE_FAILED",
    /// The probe's child took longer than it was given, and was killed.
    ProbeTimeout => "ERR_OFFHEAP_PROBE_TIMEOUT",
    /// The probe's child died before its work was done.
    ProbeCrashed => "ERR_OFFHEAP_PROBE_CRASHED",
    /// The probe's child met a lock that a thread of the parent held, in every attempt.
    ProbeDeadlock => "ERR_OFFHEAP_PROBE_DEADLOCK",
    /// What the function gave back cannot be sent from the child.
    ProbeResultRefused => "ERR_OFFHEAP_PROBE_RESULT_REFUSED",
    /// There is not enough memory or disk for what was asked; the message has the figures.
    NoHeadroom => "ERR_OFFHEAP_NO_HEADROOM",
    /// The caller's `AbortSignal` fired.
    Aborted => "ERR_OFFHEAP_ABORTED",
    /// The snapshot file could not be written; `cause` is the file system's error.
    SnapshotWriteFailed => "ERR_OFFHEAP_SNAPSHOT_WRITE_FAILED",
    /// The snapshot's path is a symlink, a directory, or something else that is not written through.
    SnapshotPathRefused => "ERR_OFFHEAP_SNAPSHOT_PATH_REFUSED",
    /// Too little disk is free for a snapshot, or it ran full.
    SnapshotNoDiskSpace => "ERR_OFFHEAP_SNAPSHOT_NO_DISK_SPACE",
    /// A snapshot file ends before it is complete.
    SnapshotTruncated => "ERR_OFFHEAP_SNAPSHOT_TRUNCATED",
    /// Another snapshot with another destination is being written.
    SnapshotInProgress => "ERR_OFFHEAP_SNAPSHOT_IN_PROGRESS",
    /// The last snapshot is too recent.
    SnapshotCooldown => "ERR_OFFHEAP_SNAPSHOT_COOLDOWN",
    /// Another census of this thread is being taken, with other options.
    CensusInProgress => "ERR_OFFHEAP_CENSUS_IN_PROGRESS",
    /// A census that is to be compared with another could not read all realms in its time.
    CensusIncomplete => "ERR_OFFHEAP_CENSUS_INCOMPLETE",
    /// A threshold needs a figure that cannot be measured here.
    MetricUnavailable => "ERR_OFFHEAP_METRIC_UNAVAILABLE",
    /// A listener of a Monitor threw; `cause` is what it threw.
    ListenerFailed => "ERR_OFFHEAP_LISTENER_FAILED",
    /// A condition that garbage collection was to bring about did not come true.
    GcTimeout => "ERR_OFFHEAP_GC_TIMEOUT",
    /// The function under test left external memory behind each time it ran.
    ExternalGrowth => "ERR_OFFHEAP_EXTERNAL_GROWTH",
    /// The function under test made Buffers keep more bytes alive each time it ran.
    BufferGrowth => "ERR_OFFHEAP_BUFFER_GROWTH",
    /// The function under test left an addon with more references each time it ran.
    AddonGrowth => "ERR_OFFHEAP_ADDON_GROWTH",
    /// A heap snapshot is not JSON of the kind V8 writes; the message gives the byte offset.
    SnapshotSyntax => "ERR_OFFHEAP_SNAPSHOT_SYNTAX",
    /// A heap snapshot is JSON, but a field of it contradicts the format or the rest of the file.
    SnapshotFormat => "ERR_OFFHEAP_SNAPSHOT_FORMAT",
    /// A heap snapshot has more of something than 32-bit indices can number.
    SnapshotTooLarge => "ERR_OFFHEAP_SNAPSHOT_TOO_LARGE",
    /// A heap snapshot could not be read from the disk or the pipe.
    SnapshotReadFailed => "ERR_OFFHEAP_SNAPSHOT_READ_FAILED",
    /// No object of the snapshot has the id that was asked for.
    SnapshotObjectNotFound => "ERR_OFFHEAP_SNAPSHOT_OBJECT_NOT_FOUND",
    /// Addons cannot be watched in this process: the node image could not be patched, or somebody else has patched it.
    WatchRefused => "ERR_OFFHEAP_WATCH_REFUSED",
    /// What the system says of this process could not be read at this moment.
    ReadFailed => "ERR_OFFHEAP_READ_FAILED",
    /// A bug in offheap; the message carries the panic.
    Internal => "ERR_OFFHEAP_INTERNAL",
}

impl AsRef<str> for Code {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

/// What went wrong: a permanent code, and a message of fact, value and remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The permanent code.
    pub code: Code,
    /// Fact, value, remedy; no full stop at the end.
    pub message: String,
}

impl Failure {
    /// A failure with this code and message.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Failure {
            code,
            message: without_numbers(message.into()),
        }
    }
}

/// Rust adds the number to the system's words, ` (os error 2)`, which tells nobody anything.
pub fn without_numbers(message: String) -> String {
    const START: &str = " (os error ";
    let mut parts = message.split(START);
    let Some(mut kept) = parts.next().map(str::to_owned) else {
        return message;
    };
    for part in parts {
        let rest = part.trim_start_matches(|digit: char| digit.is_ascii_digit());
        match rest.strip_prefix(')') {
            Some(after) if rest.len() < part.len() => kept.push_str(after),
            _ => {
                kept.push_str(START);
                kept.push_str(part);
            }
        }
    }
    kept
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_systems_words_without_their_number() {
        let text = |message: &str| Failure::new(Code::Internal, message).message;
        let error = std::io::Error::from_raw_os_error(2);
        assert_eq!(
            text(&format!("a: {error}; b ({error})")),
            "a: No such file or directory; b (No such file or directory)"
        );
        for other in [
            "",
            "nothing",
            "x (os error )",
            "x (os error 2",
            "x (os error two)",
        ] {
            assert_eq!(text(other), other);
        }
    }

    #[test]
    fn every_code_carries_the_house_prefix_and_is_unique() {
        let mut seen = std::collections::HashSet::new();
        for code in Code::ALL {
            assert!(code.as_str().starts_with("ERR_OFFHEAP_"));
            assert!(seen.insert(code.as_str()), "{} stands twice", code.as_str());
        }
    }
}
