//! What the child says to its parent: messages in a pipe, and its exit code.
//!
//! Knows the format of the messages: `[kind: u8][length: u32 little-endian][payload]`, any number of them, cut anywhere by the pipe.
//! Out of scope: pipes, processes, and what a payload means.
//! Limitations: a child that died between two messages. The reader must check whether [`Kind::Done`] arrived.
#![forbid(unsafe_code)]

use std::ffi::c_int;

/// The exit code of a child that met a wait that nobody would end.
pub const EXIT_DEADLOCK: c_int = 91;
/// The exit code of a child in which our own code panicked, or that was about to return where it must not.
pub const EXIT_BUG: c_int = 92;
/// The exit code of a child whose function asked for `process.exit()`.
pub const EXIT_CALLED: c_int = 93;
/// The exit code of a child that could not be set up.
pub const EXIT_SETUP: c_int = 94;
/// The exit code of a child whose output file could not be written.
pub const EXIT_OUTPUT: c_int = 95;

/// The exit code of a child that touched memory which was excluded from the fork.
pub const EXIT_TOUCHED: c_int = 96;

/// The longest payload of one message; longer ones are sent as several.
pub const MAX_PAYLOAD: usize = 1 << 20;
/// Bytes before the payload.
pub const HEADER: usize = 5;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $value:literal,)*) => {
        /// What one message is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Kind {
            $($(#[$doc])* $name = $value,)*
        }

        impl Kind {
            /// The kind with this number.
            pub fn from_byte(byte: u8) -> Option<Kind> {
                match byte {
                    $($value => Some(Kind::$name),)*
                    _ => None,
                }
            }
        }
    };
}

kinds! {
    /// A piece of the result.
    Value = 1,
    /// A piece of what the function threw.
    Thrown = 2,
    /// A piece of the reason why the result cannot be sent.
    Refused = 3,
    /// All of it was sent; nothing follows.
    Done = 4,
    /// The child would have waited for ever; the payload is one byte, a [`Wait`].
    Deadlock = 5,
    /// The output file could not be written; the payload is the error number, 4 bytes.
    OutputFailed = 6,
    /// The output is complete; the payload is its size, 8 bytes.
    OutputDone = 7,
    /// The function asked for `process.exit()`.
    ExitCalled = 8,
    /// The child could not be set up; the payload is a text.
    SetupFailed = 9,
    /// Memory that was excluded from the fork was touched; the payload is the address, 8 bytes.
    Touched = 10,
}

/// What a child would have waited for for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Wait {
    /// A condition variable.
    Condition = 1,
    /// A mutex.
    Mutex = 2,
    /// A read-write lock.
    ReadWriteLock = 3,
    /// A semaphore.
    Semaphore = 4,
    /// Another thread's end.
    Thread = 5,
    /// A futex, directly.
    Futex = 6,
}

impl Wait {
    /// Its name, for messages.
    pub fn name(byte: u8) -> &'static str {
        match byte {
            1 => "a condition variable",
            2 => "a mutex",
            3 => "a read-write lock",
            4 => "a semaphore",
            5 => "the end of another thread",
            6 => "a futex",
            _ => "something unknown",
        }
    }
}

/// The header of a message.
pub fn header(kind: Kind, length: usize) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[0] = kind as u8;
    bytes[1..].copy_from_slice(&(length as u32).to_le_bytes());
    bytes
}

/// Everything a child said, put together.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The result, as the child serialized it.
    pub value: Vec<u8>,
    /// What the function threw, as the child serialized it; empty when it did not.
    pub thrown: Vec<u8>,
    /// Why the result cannot be sent.
    pub refused: Option<String>,
    /// All of it arrived.
    pub done: bool,
    /// What it would have waited for for ever.
    pub deadlock: Option<u8>,
    /// The error number of a failed write to the output file.
    pub output_errno: Option<i32>,
    /// The size of the finished output file.
    pub output_bytes: Option<u64>,
    /// The function asked for `process.exit()`.
    pub exit_called: bool,
    /// Why the child could not be set up.
    pub setup_failed: Option<String>,
    /// The address in excluded memory that it touched.
    pub touched: Option<u64>,
}

/// Puts messages together from pieces.
#[derive(Debug, Default)]
pub struct MessageReader {
    pending: Vec<u8>,
    report: Report,
    broken: bool,
}

impl MessageReader {
    /// Takes the next piece of the stream.
    pub fn push(&mut self, piece: &[u8]) {
        if self.broken {
            return;
        }
        self.pending.extend_from_slice(piece);
        let mut at = 0;
        while let Some(header) = self.pending.get(at..at + HEADER) {
            let length = u32::from_le_bytes([header[1], header[2], header[3], header[4]]) as usize;
            let Some(kind) = Kind::from_byte(header[0]).filter(|_| length <= MAX_PAYLOAD) else {
                // A bug of offheap, or a child with corrupt memory: what follows cannot be understood.
                self.broken = true;
                self.report.done = false;
                break;
            };
            let Some(payload) = self.pending.get(at + HEADER..at + HEADER + length) else {
                break;
            };
            self.report.take(kind, payload);
            at += HEADER + length;
        }
        self.pending.drain(..at);
    }

    /// What was said, once the stream has ended.
    pub fn finish(self) -> Report {
        self.report
    }
}

impl Report {
    fn take(&mut self, kind: Kind, payload: &[u8]) {
        let text = || String::from_utf8_lossy(payload).into_owned();
        match kind {
            Kind::Value => self.value.extend_from_slice(payload),
            Kind::Thrown => self.thrown.extend_from_slice(payload),
            Kind::Refused => self.refused.get_or_insert_default().push_str(&text()),
            Kind::Done => self.done = true,
            Kind::Deadlock => self.deadlock = Some(payload.first().copied().unwrap_or(0)),
            Kind::OutputFailed => {
                self.output_errno = Some(payload.try_into().map_or(0, i32::from_le_bytes));
            }
            Kind::OutputDone => {
                self.output_bytes = payload.try_into().ok().map(u64::from_le_bytes);
            }
            Kind::ExitCalled => self.exit_called = true,
            Kind::Touched => self.touched = payload.try_into().ok().map(u64::from_le_bytes),
            Kind::SetupFailed => self.setup_failed = Some(text()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: Kind, payload: &[u8]) -> Vec<u8> {
        [&header(kind, payload.len())[..], payload].concat()
    }

    #[test]
    fn a_stream_cut_anywhere_gives_the_same_report() {
        let stream = [
            message(Kind::Value, b"ab"),
            message(Kind::Value, b""),
            message(Kind::Value, b"cde"),
            message(Kind::OutputDone, &7u64.to_le_bytes()),
            message(Kind::Done, b""),
        ]
        .concat();
        let expected = Report {
            value: b"abcde".to_vec(),
            output_bytes: Some(7),
            done: true,
            ..Report::default()
        };
        for cut in 0..=stream.len() {
            let mut reader = MessageReader::default();
            reader.push(&stream[..cut]);
            reader.push(&stream[cut..]);
            assert_eq!(reader.finish(), expected);
        }
        let mut reader = MessageReader::default();
        stream.iter().for_each(|byte| reader.push(&[*byte]));
        assert_eq!(reader.finish(), expected);
    }

    #[test]
    fn a_stream_that_stops_early_is_not_done() {
        let mut reader = MessageReader::default();
        reader.push(&message(Kind::Value, b"abc")[..6]);
        assert_eq!(reader.finish(), Report::default());
    }

    #[test]
    fn an_unknown_kind_or_an_absurd_length_ends_the_stream() {
        for bad in [
            [0, 0, 0, 0, 0],
            [99, 0, 0, 0, 0],
            [1, 0xff, 0xff, 0xff, 0xff],
        ] {
            let mut reader = MessageReader::default();
            reader.push(&bad);
            reader.push(&message(Kind::Done, b""));
            assert!(!reader.finish().done);
        }
    }
}
