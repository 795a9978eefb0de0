//! Where the bytes of a snapshot come from: a file, a gzip file, standard input, memory.
//!
//! Knows: chunks, and that gzip begins with 1f 8b. Out of scope: JSON.
//! Limitations: the length of a pipe or a compressed stream is not known, so their progress is estimated or absent.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::mpsc::{sync_channel, Receiver, SyncSender};
use std::thread;

use flate2::read::MultiGzDecoder;

use crate::base::error::{Code, Failure};
use crate::heap::snapshot_file::integers;

/// The most that may be left unread of a chunk when the next one is taken.
pub(crate) const MAX_TAIL: usize = 64;
/// Bytes before the data of each chunk: the unread tail of the chunk before, and what `integers` wants to be there.
pub(crate) const HEADROOM: usize = 2 * MAX_TAIL;
/// Large enough that the switch costs nothing, small enough to stay in the second-level cache.
const CHUNK: usize = 256 * 1024;
/// The first chunk; each next one is twice as large, up to [`CHUNK`]. Small files should not pay for large ones.
const FIRST_CHUNK: usize = 8 * 1024;

/// Integers that are read ahead of a chunk, at most: those of V8 take five bytes on average.
const MAX_AHEAD: usize = CHUNK / 4;
/// Bytes at the start of a chunk in which a comma is looked for. More than an integer has.
const COMMA_WITHIN: usize = 32;

/// Bytes that follow each other in the stream.
pub(crate) struct Chunk {
    /// [`HEADROOM`] bytes for the taker, then data. Without data it is the end of the stream.
    pub(crate) text: Vec<u8>,
    pub(crate) ahead: Ahead,
}

/// The integers at the beginning of a chunk's data, read on the thread that reads the bytes. It does not know what the text is:
/// whether they are wanted is for the taker to say.
#[derive(Default)]
pub(crate) struct Ahead {
    pub(crate) values: Vec<u64>,
    /// How many of `values` are read; 0 if none.
    pub(crate) count: usize,
    /// Where in the text the first one begins.
    pub(crate) start: usize,
    /// Where in the text the next one begins.
    pub(crate) end: usize,
}

impl Chunk {
    pub(crate) fn empty() -> Chunk {
        Chunk {
            text: vec![0; HEADROOM],
            ahead: Ahead::default(),
        }
    }

    fn read_ahead(&mut self) {
        let Ahead {
            values,
            count,
            start,
            end,
        } = &mut self.ahead;
        let comma = self.text[HEADROOM..]
            .iter()
            .take(COMMA_WITHIN)
            .position(|&byte| byte == b',');
        if let Some(comma) = comma {
            values.resize(MAX_AHEAD, 0);
            *start = HEADROOM + comma + 1;
            (*count, *end) = integers::read(&self.text, *start, values);
        }
    }
}

/// A stream of bytes and what is known of its length.
pub(crate) struct Source {
    reader: Box<dyn Read + Send>,
    is_gzip: bool,
    /// Bytes that the scanner will see; `None` unless the file is plain.
    pub(crate) plain_bytes: Option<u64>,
    /// What messages call it.
    pub(crate) name: String,
    /// Length of the next chunk.
    chunk: usize,
}

impl Source {
    /// Opens a plain or gzip file.
    pub(crate) fn open(path: &Path) -> Result<Source, Failure> {
        let name = path.display().to_string();
        let read_failed = |error: io::Error| {
            Failure::new(
                Code::SnapshotReadFailed,
                format!("Could not open {name}: {error}"),
            )
        };
        let file = File::open(path).map_err(read_failed)?;
        let metadata = file.metadata().map_err(read_failed)?;
        if metadata.is_dir() {
            return Err(Failure::new(
                Code::SnapshotReadFailed,
                format!("Could not read {name}: it is a directory"),
            ));
        }
        let length = metadata.is_file().then_some(metadata.len());
        Source::from_reader(Box::new(file), length, name)
    }

    /// Reads standard input.
    pub(crate) fn stdin() -> Result<Source, Failure> {
        Source::from_reader(Box::new(io::stdin()), None, "standard input".to_owned())
    }

    /// Any stream; gzip is recognised by its first two bytes.
    pub(crate) fn from_reader(
        mut reader: Box<dyn Read + Send>,
        file_bytes: Option<u64>,
        name: String,
    ) -> Result<Source, Failure> {
        let mut head = [0u8; 2];
        let mut have = 0;
        while have < head.len() {
            match reader.read(&mut head[have..]) {
                Ok(0) => break,
                Ok(count) => have += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(read_failure(&name, &error)),
            }
        }
        let gzip = have == 2 && head == [0x1f, 0x8b];
        let whole = io::Cursor::new(head).take(have as u64).chain(reader);
        let reader: Box<dyn Read + Send> = if gzip {
            Box::new(MultiGzDecoder::new(io::BufReader::with_capacity(
                CHUNK, whole,
            )))
        } else {
            Box::new(whole)
        };
        Ok(Source {
            reader,
            is_gzip: gzip,
            plain_bytes: if gzip { None } else { file_bytes },
            name,
            chunk: FIRST_CHUNK,
        })
    }
}

fn read_failure(name: &str, error: &io::Error) -> Failure {
    match error.kind() {
        // What flate2 says when a gzip stream stops in the middle.
        io::ErrorKind::UnexpectedEof => Failure::new(
            Code::SnapshotTruncated,
            format!("The gzip stream of {name} ends before its end; take the snapshot again"),
        ),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => Failure::new(
            Code::SnapshotSyntax,
            format!("The gzip stream of {name} is damaged: {error}"),
        ),
        _ => Failure::new(
            Code::SnapshotReadFailed,
            format!("Could not read {name}: {error}"),
        ),
    }
}

/// Hands out chunks.
pub(crate) enum Feed {
    /// Reads when asked.
    Direct(Source),
    /// Another thread reads ahead: bytes, and either inflates them or reads the integers in them.
    Ahead {
        full: Receiver<Result<Chunk, Failure>>,
        empty: SyncSender<Chunk>,
    },
}

impl Feed {
    /// Reads on this thread, or on one of its own when `threads` allows it.
    ///
    /// The thread ends when the source or the feed ends; a feed that is dropped early leaves it at most one
    /// read to finish.
    pub(crate) fn new(source: Source, threads: usize) -> Feed {
        if threads < 2 {
            return Feed::Direct(source);
        }
        let (full_sender, full) = sync_channel(2);
        let (empty, empty_receiver) = sync_channel::<Chunk>(4);
        // The source goes over a channel so that it is still here when no thread can be had.
        let (hand_over, take_over) = sync_channel::<Source>(1);
        let spawned = thread::Builder::new()
            .name("offheap-read".to_owned())
            .spawn(move || {
                let Ok(mut source) = take_over.recv() else {
                    return;
                };
                loop {
                    let chunk = empty_receiver.try_recv().unwrap_or_else(|_| Chunk::empty());
                    let mut result = fill(&mut source, chunk);
                    let last = !matches!(&result, Ok(chunk) if chunk.text.len() > HEADROOM);
                    // Inflating is work enough for one thread.
                    if let (Ok(chunk), false) = (&mut result, source.is_gzip) {
                        chunk.read_ahead();
                    }
                    if full_sender.send(result).is_err() || last {
                        return;
                    }
                }
            });
        if spawned.is_err() {
            return Feed::Direct(source);
        }
        match hand_over.send(source) {
            Ok(()) => Feed::Ahead { full, empty },
            Err(returned) => Feed::Direct(returned.0),
        }
    }

    /// The next chunk. `used` is one that the caller no longer needs.
    pub(crate) fn next(&mut self, used: Chunk) -> Result<Chunk, Failure> {
        match self {
            Feed::Direct(source) => fill(source, used),
            Feed::Ahead { full, empty } => {
                // A full return queue only costs an allocation.
                let _ = empty.try_send(used);
                full.recv().unwrap_or_else(|_| {
                    Err(Failure::new(
                        Code::SnapshotReadFailed,
                        "The thread that reads the snapshot ended early",
                    ))
                })
            }
        }
    }
}

fn fill(source: &mut Source, mut chunk: Chunk) -> Result<Chunk, Failure> {
    let text = &mut chunk.text;
    text.resize(HEADROOM + source.chunk, 0);
    source.chunk = (source.chunk * 2).min(CHUNK);
    let mut end = HEADROOM;
    while end < text.len() {
        match source.reader.read(&mut text[end..]) {
            Ok(0) => break,
            Ok(count) => end += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(read_failure(&source.name, &error)),
        }
    }
    text.truncate(end);
    chunk.ahead.count = 0;
    Ok(chunk)
}
