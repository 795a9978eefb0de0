//! The format of pprof: a gzip'd protobuf, as `go tool pprof`, speedscope and Pyroscope read it.
//!
//! Knows: the messages of `profile.proto` (github.com/google/pprof) that a profile of memory needs, written by hand: they are
//! eight, and a generator would bring more code than they have.
//! Out of scope: what the values and the labels are.
//! Limitations: no mappings and no addresses.
#![forbid(unsafe_code)]

use std::io::{self, Write};

use flate2::write::GzEncoder;
use flate2::Compression;
use rustc_hash::FxHashMap;

use super::Stacks;

/// A name and its unit, as pprof's tools know them: `("inuse_space", "bytes")`.
pub type ValueType<'a> = (&'a str, &'a str);

/// What was sampled with one stack and the same labels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row<'a, const N: usize> {
    /// Which of the stacks.
    pub stack: u32,
    /// Keys and texts.
    pub labels: &'a [(&'a str, &'a str)],
    /// In the order of [`Document::value_types`].
    pub values: [f64; N],
}

/// A profile to be written.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a, const N: usize> {
    /// What the values of a row are. The tools show the last first.
    pub value_types: [ValueType<'a>; N],
    /// All places and stacks.
    pub stacks: Stacks<'a>,
    /// What was sampled.
    pub rows: &'a [Row<'a, N>],
    /// When sampling began, in ms since 1970.
    pub started_at_ms: f64,
    /// How long it has gone on.
    pub duration_ms: f64,
    /// What is between two samples.
    pub period_type: ValueType<'a>,
    /// How much of it, on average.
    pub period: f64,
}

/// The numbers of the fields in `profile.proto`.
mod field {
    pub(super) mod profile {
        pub(crate) const SAMPLE_TYPE: u32 = 1;
        pub(crate) const SAMPLE: u32 = 2;
        pub(crate) const LOCATION: u32 = 4;
        pub(crate) const FUNCTION: u32 = 5;
        pub(crate) const STRING_TABLE: u32 = 6;
        pub(crate) const TIME_NANOS: u32 = 9;
        pub(crate) const DURATION_NANOS: u32 = 10;
        pub(crate) const PERIOD_TYPE: u32 = 11;
        pub(crate) const PERIOD: u32 = 12;
        pub(crate) const DEFAULT_SAMPLE_TYPE: u32 = 14;
    }
    pub(super) mod value_type {
        pub(crate) const TYPE: u32 = 1;
        pub(crate) const UNIT: u32 = 2;
    }
    pub(super) mod sample {
        pub(crate) const LOCATION_ID: u32 = 1;
        pub(crate) const VALUE: u32 = 2;
        pub(crate) const LABEL: u32 = 3;
    }
    pub(super) mod label {
        pub(crate) const KEY: u32 = 1;
        pub(crate) const STR: u32 = 2;
    }
    pub(super) mod location {
        pub(crate) const ID: u32 = 1;
        pub(crate) const LINE: u32 = 4;
    }
    pub(super) mod line {
        pub(crate) const FUNCTION_ID: u32 = 1;
        pub(crate) const LINE: u32 = 2;
        pub(crate) const COLUMN: u32 = 3;
    }
    pub(super) mod function {
        pub(crate) const ID: u32 = 1;
        pub(crate) const NAME: u32 = 2;
        pub(crate) const SYSTEM_NAME: u32 = 3;
        pub(crate) const FILENAME: u32 = 4;
    }
}

/// A protobuf message as it is written: fields of two wire types, varint (0) and bytes (2).
#[derive(Debug, Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn tag(&mut self, field: u32, wire_type: u32) {
        self.varint(u64::from(field << 3 | wire_type));
    }

    /// Zero is left out: it is what readers assume.
    fn number(&mut self, field: u32, value: u64) {
        if value != 0 {
            self.tag(field, 0);
            self.varint(value);
        }
    }

    fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.tag(field, 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn message(&mut self, field: u32, build: impl FnOnce(&mut Message)) {
        let mut inner = Message::default();
        build(&mut inner);
        self.bytes(field, &inner.0);
    }

    fn packed(&mut self, field: u32, values: impl IntoIterator<Item = u64>) {
        self.message(field, |inner| {
            for value in values {
                inner.varint(value);
            }
        });
    }
}

/// Each string once; the first is empty, as the format wants.
#[derive(Debug)]
struct Strings<'a> {
    all: Vec<&'a str>,
    places: FxHashMap<&'a str, u64>,
}

impl<'a> Strings<'a> {
    fn new() -> Self {
        Strings {
            all: vec![""],
            places: FxHashMap::from_iter([("", 0)]),
        }
    }

    fn place(&mut self, text: &'a str) -> u64 {
        let next = self.all.len() as u64;
        *self.places.entry(text).or_insert_with(|| {
            self.all.push(text);
            next
        })
    }
}

/// What is not a number of something, or below zero, is nothing; casts from f64 end at the limits.
fn whole(value: f64) -> u64 {
    value.round() as u64
}

/// The protobuf, not compressed.
pub fn encode<const N: usize>(document: &Document<'_, N>) -> Vec<u8> {
    use field::{function, label, line, location, profile, sample, value_type};

    let mut strings = Strings::new();
    let mut out = Message::default();
    for (name, unit) in document.value_types {
        let (name, unit) = (strings.place(name), strings.place(unit));
        out.message(profile::SAMPLE_TYPE, |message| {
            message.number(value_type::TYPE, name);
            message.number(value_type::UNIT, unit);
        });
    }
    for row in document.rows {
        let Some(stack) = document.stacks.stacks.get(row.stack as usize) else {
            continue;
        };
        let labels: Vec<(u64, u64)> = row
            .labels
            .iter()
            .map(|(key, text)| (strings.place(key), strings.place(text)))
            .collect();
        out.message(profile::SAMPLE, |message| {
            // Numbers of locations begin at 1.
            message.packed(
                sample::LOCATION_ID,
                stack.iter().map(|frame| u64::from(*frame) + 1),
            );
            message.packed(sample::VALUE, row.values.map(whole));
            for (key, text) in labels {
                message.message(sample::LABEL, |message| {
                    message.number(label::KEY, key);
                    message.number(label::STR, text);
                });
            }
        });
    }
    let mut functions = FxHashMap::default();
    for (index, frame) in document.stacks.frames.iter().enumerate() {
        let next = functions.len() as u64 + 1;
        let id = *functions
            .entry((frame.function, frame.file))
            .or_insert(next);
        if id == next {
            let (name, file) = (strings.place(frame.function), strings.place(frame.file));
            out.message(profile::FUNCTION, |message| {
                message.number(function::ID, id);
                message.number(function::NAME, name);
                message.number(function::SYSTEM_NAME, name);
                message.number(function::FILENAME, file);
            });
        }
        out.message(profile::LOCATION, |message| {
            message.number(location::ID, index as u64 + 1);
            message.message(location::LINE, |message| {
                message.number(line::FUNCTION_ID, id);
                message.number(line::LINE, u64::from(frame.line));
                message.number(line::COLUMN, u64::from(frame.column));
            });
        });
    }
    out.number(profile::TIME_NANOS, whole(document.started_at_ms * 1e6));
    out.number(profile::DURATION_NANOS, whole(document.duration_ms * 1e6));
    let (name, unit) = document.period_type;
    let (name, unit) = (strings.place(name), strings.place(unit));
    out.message(profile::PERIOD_TYPE, |message| {
        message.number(value_type::TYPE, name);
        message.number(value_type::UNIT, unit);
    });
    out.number(profile::PERIOD, whole(document.period));
    if let Some((name, _)) = document.value_types.last() {
        out.number(profile::DEFAULT_SAMPLE_TYPE, strings.place(name));
    }
    for text in strings.all {
        out.bytes(profile::STRING_TABLE, text.as_bytes());
    }
    out.0
}

/// The protobuf, gzip'd.
///
/// # Errors
///
/// None that a writer into memory can have.
pub fn write<const N: usize>(document: &Document<'_, N>) -> io::Result<Vec<u8>> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&encode(document))?;
    gzip.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_varint_has_seven_bits_a_byte() {
        // GIVEN the example of the encoding's own documentation: 150 is 96 01
        for (value, bytes) in [
            (0, vec![0]),
            (127, vec![127]),
            (150, vec![0x96, 0x01]),
            (u64::MAX, [vec![0xFF; 9], vec![0x01]].concat()),
        ] {
            let mut message = Message::default();
            message.varint(value);
            assert_eq!(message.0, bytes);
        }
    }

    #[test]
    fn a_message_is_its_tag_its_length_and_its_fields() {
        let mut message = Message::default();
        message.message(3, |inner| inner.number(1, 150));
        message.number(2, 0);
        message.packed(4, [3, 270, 86_942]);

        // The last is the documentation's example of a packed field.
        let packed = [0x22, 0x06, 0x03, 0x8E, 0x02, 0x9E, 0xA7, 0x05];
        assert_eq!(
            message.0,
            [&[0x1A, 0x03, 0x08, 0x96, 0x01][..], &packed].concat()
        );
    }

    #[test]
    fn a_row_of_a_stack_that_is_not_there_is_left_out() {
        let document = Document {
            value_types: [("inuse_space", "bytes")],
            stacks: Stacks {
                frames: &[],
                stacks: &[],
            },
            rows: &[Row {
                stack: 0,
                labels: &[("route", "GET /")],
                values: [1.0],
            }],
            started_at_ms: 0.0,
            duration_ms: 0.0,
            period_type: ("space", "bytes"),
            period: 1.0,
        };
        let without = Document {
            rows: &[],
            ..document
        };

        assert_eq!(encode(&document), encode(&without));
    }

    #[test]
    fn what_cannot_be_a_count_is_none() {
        assert_eq!(
            [f64::NAN, -1.0, 2.5, f64::INFINITY].map(whole),
            [0, 0, 3, u64::MAX]
        );
    }
}
