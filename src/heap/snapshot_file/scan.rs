//! The tokens of a snapshot: JSON read as a stream, made for arrays of millions of small integers.
//!
//! Knows: bytes, offsets, strings, integers. Out of scope: what a node is.
//! Limitations: integers are unsigned and below 2^64 (V8 writes no others where they matter); floats, signs and
//! exponents are skipped as values and refused as integers.

#![forbid(unsafe_code)]

use std::cell::Cell;
use std::slice::ChunksExact;

use crate::base::error::{Code, Failure};
use crate::heap::snapshot_file::integers;
use crate::heap::snapshot_file::source::{Chunk, Feed, HEADROOM, MAX_TAIL};

/// Nesting of a value that is skipped or read into memory. V8 nests five deep, and trace trees as deep as a
/// stack. The scanner keeps one counter for it, so the limit is against nonsense and not against the use of memory.
const MAX_DEPTH: usize = 100_000;
/// Records longer than this are nonsense; V8 has had up to seven fields.
pub(crate) const MAX_FIELDS: usize = 32;
/// Integers that are read at once where no other thread has read them: 16 kB, which stay in the first-level cache.
const BATCH: usize = 2048;

/// Reads tokens from a [`Feed`].
pub(crate) struct Scanner {
    feed: Feed,
    chunk: Chunk,
    position: usize,
    /// Integers from `position` on that have been handed out before `position` moves past all of them.
    taken: Cell<usize>,
    /// Room for the integers that this thread reads at once.
    batch: Vec<u64>,
    /// Offset in the stream of `chunk[HEADROOM]`.
    base: u64,
    ended: bool,
    /// What messages call the stream.
    name: String,
    /// What is being read, for messages.
    pub(crate) section: &'static str,
}

/// Integers that stand one after the other in the text.
struct Batch {
    values: Vec<u64>,
    count: usize,
    /// Where the next integer begins.
    end: usize,
    is_ahead: bool,
}

/// Records that stand one after the other in the text.
pub(crate) struct Records<'a> {
    records: ChunksExact<'a, u64>,
    width: usize,
    /// The scanner's, that it knows where an error is; a single record has been passed already.
    taken: Option<&'a Cell<usize>>,
}

impl Records<'_> {
    fn one(record: &[u64]) -> Records<'_> {
        Records {
            records: record.chunks_exact(record.len()),
            width: 0,
            taken: None,
        }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = &'a [u64];

    #[inline]
    fn next(&mut self) -> Option<&'a [u64]> {
        let record = self.records.next()?;
        if let Some(taken) = self.taken {
            taken.set(taken.get() + self.width);
        }
        Some(record)
    }
}

/// The record that is being read, and how many were.
struct Fields {
    width: usize,
    record: [u64; MAX_FIELDS],
    filled: usize,
    count: u64,
}

impl Scanner {
    pub(crate) fn new(feed: Feed, name: String) -> Scanner {
        Scanner {
            feed,
            chunk: Chunk::empty(),
            position: HEADROOM,
            taken: Cell::new(0),
            batch: Vec::new(),
            base: 0,
            ended: false,
            name,
            section: "the beginning",
        }
    }

    /// Offset of the next byte in the (uncompressed) stream. Slow while records are handed out: looks for what has been handed out.
    pub(crate) fn offset(&self) -> u64 {
        let mut bytes = self.chunk.text[self.position..].iter();
        let taken = (0..self.taken.get())
            .filter_map(|_| bytes.position(|&byte| byte == b','))
            .map(|digits| digits as u64 + 1)
            .sum::<u64>();
        (self.base + self.position as u64 + taken).saturating_sub(HEADROOM as u64)
    }

    /// How far the stream has been read, to within a chunk.
    pub(crate) fn passed(&self) -> u64 {
        (self.base + self.position as u64).saturating_sub(HEADROOM as u64)
    }

    /// Moves on to the next chunk, keeping the unread tail of this one (at most [`MAX_TAIL`] bytes).
    fn refill(&mut self) -> Result<(), Failure> {
        if self.ended {
            return Ok(());
        }
        let text = &self.chunk.text;
        let tail_length = text.len() - self.position;
        debug_assert!(tail_length <= MAX_TAIL);
        let mut tail = [0u8; MAX_TAIL];
        tail[..tail_length].copy_from_slice(&text[self.position..]);
        self.base += (text.len() - HEADROOM) as u64;
        let used = std::mem::replace(&mut self.chunk, Chunk::empty());
        self.position = HEADROOM;
        let next = self.feed.next(used)?;
        self.ended = next.text.len() <= HEADROOM;
        self.chunk = next;
        self.position = HEADROOM - tail_length;
        self.chunk.text[self.position..HEADROOM].copy_from_slice(&tail[..tail_length]);
        Ok(())
    }

    #[inline]
    fn peek(&mut self) -> Result<Option<u8>, Failure> {
        if self.position == self.chunk.text.len() {
            self.refill()?;
        }
        Ok(self.chunk.text.get(self.position).copied())
    }

    #[inline]
    fn next_byte(&mut self) -> Result<u8, Failure> {
        match self.peek()? {
            Some(byte) => {
                self.position += 1;
                Ok(byte)
            }
            None => Err(self.truncated()),
        }
    }

    /// The next byte that is not white space, not taken.
    pub(crate) fn peek_token(&mut self) -> Result<u8, Failure> {
        loop {
            match self.peek()? {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.position += 1,
                Some(byte) => return Ok(byte),
                None => return Err(self.truncated()),
            }
        }
    }

    /// Takes `wanted`, which must be the next byte after white space.
    pub(crate) fn expect(&mut self, wanted: u8) -> Result<(), Failure> {
        let found = self.peek_token()?;
        if found != wanted {
            return Err(self.unexpected(&format!("'{}'", char::from(wanted)), found));
        }
        self.position += 1;
        Ok(())
    }

    /// Takes `wanted` if it is next.
    pub(crate) fn accept(&mut self, wanted: u8) -> Result<bool, Failure> {
        let found = self.peek_token()? == wanted;
        if found {
            self.position += 1;
        }
        Ok(found)
    }

    /// After an item: true for a comma (taken), false for `close` (taken).
    pub(crate) fn more(&mut self, close: u8) -> Result<bool, Failure> {
        let found = self.peek_token()?;
        if found == b',' || found == close {
            self.position += 1;
            return Ok(found == b',');
        }
        Err(self.unexpected(&format!("',' or '{}'", char::from(close)), found))
    }

    /// Fails unless only white space is left.
    pub(crate) fn expect_end(&mut self) -> Result<(), Failure> {
        while let Some(byte) = self.peek()? {
            if !byte.is_ascii_whitespace() {
                return Err(self.unexpected("the end", byte));
            }
            self.position += 1;
        }
        Ok(())
    }

    pub(crate) fn truncated(&self) -> Failure {
        Failure::new(
            Code::SnapshotTruncated,
            format!(
                "{} ends at byte {} in {}; the snapshot is not whole",
                self.name,
                self.offset(),
                self.section
            ),
        )
    }

    fn unexpected(&self, wanted: &str, found: u8) -> Failure {
        let found = match found {
            0x20..=0x7e => format!("'{}'", char::from(found)),
            _ => format!("byte 0x{found:02x}"),
        };
        self.syntax(&format!("expected {wanted}, found {found}"))
    }

    /// An `ERR_OFFHEAP_SNAPSHOT_SYNTAX` at the next byte.
    pub(crate) fn syntax(&self, what: &str) -> Failure {
        Failure::new(
            Code::SnapshotSyntax,
            format!(
                "{} is not a heap snapshot: {what} at byte {} in {}",
                self.name,
                self.offset(),
                self.section
            ),
        )
    }

    /// An `ERR_OFFHEAP_SNAPSHOT_FORMAT` about a field.
    pub(crate) fn format(&self, what: &str) -> Failure {
        Failure::new(
            Code::SnapshotFormat,
            format!(
                "{} is not a usable heap snapshot: {what} (before byte {}, in {})",
                self.name,
                self.offset(),
                self.section
            ),
        )
    }

    /// An `ERR_OFFHEAP_SNAPSHOT_TOO_LARGE` about a count.
    pub(crate) fn too_large(&self, what: &str) -> Failure {
        Failure::new(
            Code::SnapshotTooLarge,
            format!(
                "{} is too large: {what} (at byte {}, in {})",
                self.name,
                self.offset(),
                self.section
            ),
        )
    }

    /// One unsigned integer, byte by byte.
    pub(crate) fn integer(&mut self) -> Result<u64, Failure> {
        let first = self.peek_token()?;
        if !first.is_ascii_digit() {
            return Err(self.unexpected("an integer", first));
        }
        let mut value = 0u64;
        while let Some(byte @ b'0'..=b'9') = self.peek()? {
            value = value
                .checked_mul(10)
                .and_then(|value| value.checked_add(u64::from(byte - b'0')))
                .ok_or_else(|| self.syntax("an integer of 2^64 or more"))?;
            self.position += 1;
        }
        match self.peek()? {
            Some(byte @ (b'.' | b'e' | b'E')) => Err(self.unexpected("an integer", byte)),
            Some(_) => Ok(value),
            // Integers are in arrays: if the file ends here, there may have been more digits.
            None => Err(self.truncated()),
        }
    }

    /// An array of integers, `width` at a time; `each` gets some records and the scanner's error makers.
    ///
    /// Fails when the array ends in the middle of a record. Returns the number of records.
    pub(crate) fn records(
        &mut self,
        width: usize,
        mut each: impl FnMut(Records, &Scanner) -> Result<(), Failure>,
    ) -> Result<u64, Failure> {
        debug_assert!((1..=MAX_FIELDS).contains(&width));
        let mut fields = Fields {
            width,
            record: [0; MAX_FIELDS],
            filled: 0,
            count: 0,
        };
        self.expect(b'[')?;
        if self.accept(b']')? {
            return Ok(0);
        }
        loop {
            // Here an integer begins.
            if let Some(batch) = self.next_batch(fields.filled == 0) {
                self.hand_out(batch, &mut fields, &mut each)?;
            } else {
                // The last record, unusual white space, or an error.
                fields.record[fields.filled] = self.integer()?;
                fields.filled += 1;
                if fields.filled == width {
                    fields.filled = 0;
                    fields.count += 1;
                    each(Records::one(&fields.record[..width]), self)?;
                }
                if !self.more(b']')? {
                    if fields.filled > 0 {
                        return Err(self.format(&format!(
                            "the array ends after {} of the {width} fields of a record",
                            fields.filled
                        )));
                    }
                    return Ok(fields.count);
                }
            }
            if self.chunk.text.len() - self.position < MAX_TAIL {
                self.refill()?;
            }
        }
    }

    /// The integers that come next, if they look as usual: those that the reading thread has read, or some that are read now.
    ///
    /// What that thread has read is the integers of a text from one place on, whatever the text is. They are the ones wanted
    /// if this scanner comes to that place and an integer must begin there.
    fn next_batch(&mut self, is_record: bool) -> Option<Batch> {
        let ahead = &mut self.chunk.ahead;
        if ahead.count > 0 && self.position <= ahead.start {
            if self.position < ahead.start {
                return None;
            }
            return Some(Batch {
                count: std::mem::take(&mut ahead.count),
                values: std::mem::take(&mut ahead.values),
                end: ahead.end,
                is_ahead: true,
            });
        }
        if !is_record {
            return None;
        }
        let mut values = std::mem::take(&mut self.batch);
        values.resize(BATCH, 0);
        let (count, end) = integers::read(&self.chunk.text, self.position, &mut values);
        if count == 0 {
            self.batch = values;
            return None;
        }
        Some(Batch {
            values,
            count,
            end,
            is_ahead: false,
        })
    }

    /// Hands out the records of a batch, and keeps the beginning of one that ends behind it.
    fn hand_out(
        &mut self,
        batch: Batch,
        fields: &mut Fields,
        each: &mut impl FnMut(Records, &Scanner) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let Fields { width, filled, .. } = *fields;
        let values = &batch.values[..batch.count];
        // What is missing of a record that began earlier.
        let (missing, rest) = values.split_at(((width - filled) % width).min(values.len()));
        fields.record[filled..filled + missing.len()].copy_from_slice(missing);
        fields.filled += missing.len();
        self.taken.set(missing.len());
        if fields.filled == width {
            fields.filled = 0;
            fields.count += 1;
            each(Records::one(&fields.record[..width]), self)?;
        }
        let records = rest.chunks_exact(width);
        let last = records.remainder();
        fields.count += records.len() as u64;
        let taken = Some(&self.taken);
        each(
            Records {
                records,
                width,
                taken,
            },
            self,
        )?;
        if !last.is_empty() {
            fields.record[..last.len()].copy_from_slice(last);
            fields.filled = last.len();
        }
        self.taken.set(0);
        self.position = batch.end;
        match batch.is_ahead {
            true => self.chunk.ahead.values = batch.values,
            false => self.batch = batch.values,
        }
        Ok(())
    }

    /// A string, decoded to UTF-8 and added to `out`; at most `limit` bytes of it are kept, cut between
    /// characters. Returns its length in UTF-16 code units, as JavaScript counts, and whether it was cut.
    pub(crate) fn string(
        &mut self,
        out: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(u64, bool), Failure> {
        self.expect(b'"')?;
        let start = out.len();
        let mut units = 0u64;
        let mut cut = false;
        loop {
            if self.position == self.chunk.text.len() {
                self.refill()?;
                if self.position == self.chunk.text.len() {
                    return Err(self.truncated());
                }
            }
            let rest = &self.chunk.text[self.position..];
            let run = plain_run(rest);
            if run > 0 {
                let room = limit.saturating_sub(out.len() - start);
                let kept = if cut { 0 } else { run.min(room) };
                out.extend_from_slice(&rest[..kept]);
                cut |= kept < run;
                units += run as u64;
                self.position += run;
                continue;
            }
            let byte = rest[0];
            let character = match byte {
                b'"' => {
                    self.position += 1;
                    return Ok((units, cut));
                }
                b'\\' => self.escape()?,
                0x80.. => self.multibyte()?,
                _ => return Err(self.unexpected("a character of a string", byte)),
            };
            units += character.len_utf16() as u64;
            let mut encoded = [0u8; 4];
            let encoded = character.encode_utf8(&mut encoded).as_bytes();
            if cut || out.len() - start + encoded.len() > limit {
                cut = true;
            } else {
                out.extend_from_slice(encoded);
            }
        }
    }

    fn escape(&mut self) -> Result<char, Failure> {
        self.position += 1;
        let byte = self.next_byte()?;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.hex4()?;
                if !(0xd800..0xe000).contains(&unit) {
                    return Ok(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                // A lone surrogate is legal in JavaScript and has no UTF-8: it becomes U+FFFD.
                if unit >= 0xdc00 || !self.low_surrogate_follows()? {
                    return Ok(char::REPLACEMENT_CHARACTER);
                }
                self.position += 2;
                let low = self.hex4()?;
                char::from_u32(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00))
                    .unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => return Err(self.unexpected("an escape", byte)),
        })
    }

    fn hex4(&mut self) -> Result<u32, Failure> {
        let mut unit = 0;
        for _ in 0..4 {
            let byte = self.next_byte()?;
            let digit = char::from(byte)
                .to_digit(16)
                .ok_or_else(|| self.unexpected("a hexadecimal digit", byte))?;
            unit = unit * 16 + digit;
        }
        Ok(unit)
    }

    /// Whether `\udc00` to `\udfff` is next; looks six bytes ahead without taking them.
    fn low_surrogate_follows(&mut self) -> Result<bool, Failure> {
        if self.chunk.text.len() - self.position < 6 {
            self.refill()?;
        }
        let Some(ahead) = self.chunk.text[self.position..].first_chunk::<6>() else {
            return Ok(false);
        };
        Ok(ahead[0] == b'\\'
            && ahead[1] == b'u'
            && matches!(ahead[2], b'd' | b'D')
            && matches!(ahead[3], b'c'..=b'f' | b'C'..=b'F')
            && ahead[4].is_ascii_hexdigit()
            && ahead[5].is_ascii_hexdigit())
    }

    /// One character of two to four bytes. V8 escapes everything beyond ASCII; other writers need not.
    fn multibyte(&mut self) -> Result<char, Failure> {
        let mut bytes = [0u8; 4];
        bytes[0] = self.next_byte()?;
        let length = match bytes[0] {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => return Err(self.syntax("invalid UTF-8")),
        };
        for slot in &mut bytes[1..length] {
            *slot = self.next_byte()?;
        }
        std::str::from_utf8(&bytes[..length])
            .ok()
            .and_then(|text| text.chars().next())
            .ok_or_else(|| self.syntax("invalid UTF-8"))
    }

    /// The text of a number, `true`, `false` or `null`.
    pub(crate) fn plain(&mut self) -> Result<String, Failure> {
        let first = self.peek_token()?;
        let mut text = String::new();
        while let Some(byte @ (b'0'..=b'9' | b'a'..=b'z' | b'E' | b'+' | b'-' | b'.')) =
            self.peek()?
        {
            if text.len() == 64 {
                return Err(self.syntax("a value that never ends"));
            }
            text.push(char::from(byte));
            self.position += 1;
        }
        if text.is_empty() {
            return Err(self.unexpected("a value", first));
        }
        Ok(text)
    }

    /// Skips one value of any kind, checking brackets and strings only.
    pub(crate) fn skip_value(&mut self) -> Result<(), Failure> {
        let mut open: Vec<u8> = Vec::new();
        loop {
            let byte = self.peek_token()?;
            match byte {
                b'[' | b'{' => {
                    if open.len() == MAX_DEPTH {
                        return Err(self.syntax("values nested too deeply"));
                    }
                    open.push(if byte == b'[' { b']' } else { b'}' });
                    self.position += 1;
                    continue;
                }
                b']' | b'}' => {
                    if open.pop() != Some(byte) {
                        return Err(self.unexpected("a value", byte));
                    }
                    self.position += 1;
                }
                b'"' => {
                    self.string(&mut Vec::new(), 0)?;
                }
                b',' | b':' if !open.is_empty() => {
                    self.position += 1;
                    continue;
                }
                b'0'..=b'9' | b'-' | b't' | b'f' | b'n' => {
                    while let Some(b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'+' | b'-' | b'.') =
                        self.peek()?
                    {
                        self.position += 1;
                    }
                }
                _ => return Err(self.unexpected("a value", byte)),
            }
            if open.is_empty() {
                return Ok(());
            }
        }
    }
}

/// How many bytes at the start of `bytes` stand for themselves in a string: ASCII, no quote, no backslash, no
/// control character.
#[inline]
fn plain_run(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let mut position = 0;
    while let Some(block) = bytes[position..].first_chunk::<8>() {
        let word = u64::from_le_bytes(*block);
        let quote = word ^ (ONES * u64::from(b'"'));
        let backslash = word ^ (ONES * u64::from(b'\\'));
        // Borrows run upwards only, so the lowest marked byte is always right.
        let special = (word
            | quote.wrapping_sub(ONES)
            | backslash.wrapping_sub(ONES)
            | word.wrapping_sub(ONES * 0x20))
            & HIGHS;
        if special != 0 {
            return position + special.trailing_zeros() as usize / 8;
        }
        position += 8;
    }
    position
        + bytes[position..]
            .iter()
            .take_while(|byte| matches!(byte, 0x20..=0x7f) && !matches!(byte, b'"' | b'\\'))
            .count()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::heap::snapshot_file::source::Source;
    use std::io::{Cursor, Read};

    /// Gives one byte at a time, or as many as asked for.
    struct Dribble(Cursor<Vec<u8>>, usize);

    impl Read for Dribble {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let count = out.len().min(self.1);
            self.0.read(&mut out[..count])
        }
    }

    fn scanner(text: &[u8]) -> Scanner {
        let reader = Dribble(Cursor::new(text.to_vec()), 3);
        let source = Source::from_reader(Box::new(reader), None, "test".to_owned()).unwrap();
        Scanner::new(Feed::new(source, 1), "test".to_owned())
    }

    fn numbers(text: &str, width: usize) -> Result<Vec<u64>, Failure> {
        let mut all = Vec::new();
        scanner(text.as_bytes()).records(width, |records, _| {
            all.extend(records.flatten());
            Ok(())
        })?;
        Ok(all)
    }

    #[test]
    fn integers_of_every_length_are_read_exactly() {
        let wanted: Vec<u64> = (0..20)
            .flat_map(|power| {
                let value = 10u64.pow(power);
                [value - 1, value, value + 1, value.saturating_mul(7) / 3]
            })
            .chain([u64::MAX, u64::from(u32::MAX)])
            .collect();
        for separator in [",", "\n,", " ,\t", ",\r\n"] {
            let text: Vec<String> = wanted.iter().map(u64::to_string).collect();
            // Padded, so that the fast way is taken and not only the slow one.
            let text = format!("[{}{}1]", text.join(separator), ",1".repeat(2000));
            let read = numbers(&text, 1).unwrap();
            assert_eq!(&read[..wanted.len()], &wanted[..], "{separator:?}");
            assert_eq!(read.len(), wanted.len() + 2000);
        }
    }

    #[test]
    fn a_record_may_lie_across_two_chunks() {
        let count = 400_000u64;
        let text: Vec<String> = (0..count).map(|value| (value * 7).to_string()).collect();
        let text = format!("[{}]", text.join(","));
        assert!(text.len() > 2_000_000);
        let read = numbers(&text, 5).unwrap();
        assert!(read
            .iter()
            .enumerate()
            .all(|(index, value)| *value == index as u64 * 7));
        assert_eq!(read.len() as u64, count);
    }

    #[test]
    fn what_is_no_integer_is_refused_with_its_offset() {
        for (text, offset, code) in [
            ("[-1]", 1, Code::SnapshotSyntax),
            ("[1.5]", 2, Code::SnapshotSyntax),
            ("[1e3]", 2, Code::SnapshotSyntax),
            ("[\"1\"]", 1, Code::SnapshotSyntax),
            ("[1,]", 3, Code::SnapshotSyntax),
            ("[1 2]", 3, Code::SnapshotSyntax),
            ("[18446744073709551616]", 20, Code::SnapshotSyntax),
            ("[1,2", 4, Code::SnapshotTruncated),
            ("[1,2,3]", 7, Code::SnapshotFormat),
        ] {
            let failure = numbers(text, 2).unwrap_err();
            assert_eq!(failure.code, code, "{text}: {failure}");
            assert!(
                failure.message.contains(&format!("byte {offset}")),
                "{text}: {failure}"
            );
        }
    }

    /// The scanner of a long text, whose chunks another thread reads if `threads` is 2.
    fn long_scanner(text: &str, threads: usize) -> Scanner {
        let reader = Cursor::new(text.to_owned().into_bytes());
        let source = Source::from_reader(Box::new(reader), None, "test".to_owned()).unwrap();
        Scanner::new(Feed::new(source, threads), "test".to_owned())
    }

    #[test]
    fn integers_that_were_read_ahead_are_those_of_the_text() {
        let mut state = 1u64;
        let mut random = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % below
        };
        for (width, separators) in [
            (3, [",", ",", ",", "\n,"]),
            (7, [",", "\n,", ", ", "\n\n, "]),
            (1, ["\n,", "\n,", "\n,", "\n,"]),
            (32, [",", ",", ",", ","]),
        ] {
            // A text before the array that looks like another array, as the strings of a snapshot may.
            let mut text = format!("\"{}\"[", "1,2,".repeat(5_000));
            let mut wanted = Vec::new();
            for index in 0..width * 50_000 {
                let digits = random(20) as u32;
                let value =
                    random(u64::from(u32::MAX)) * random(u64::from(u32::MAX)) % 10u64.pow(digits);
                wanted.push(value);
                if index > 0 {
                    text.push_str(separators[random(4) as usize]);
                }
                text.push_str(&value.to_string());
            }
            text.push(']');
            for threads in [1, 2] {
                let mut scanner = long_scanner(&text, threads);
                scanner.string(&mut Vec::new(), 0).unwrap();
                let mut read: Vec<u64> = Vec::new();
                let count = scanner
                    .records(width, |records, _| {
                        read.extend(records.flatten());
                        Ok(())
                    })
                    .unwrap();
                assert_eq!(count, 50_000);
                assert!(read == wanted, "width {width}, threads {threads}");
                assert_eq!(scanner.offset(), text.len() as u64);
            }
        }
    }

    #[test]
    fn the_offset_of_a_refused_record_is_behind_it_and_its_comma() {
        let before = "\n,12,345,6789012".repeat(100_000);
        let text = format!("[1,2,3{before}\n,7,8,9\n,1,2,3{before}]");
        let offset = text.find("7,8,9").unwrap() + "7,8,9\n,".len();
        for threads in [1, 2] {
            let failure = long_scanner(&text, threads)
                .records(3, |mut records, scanner| {
                    match records.any(|record| record == [7, 8, 9]) {
                        true => Err(scanner.format("7 is refused")),
                        false => Ok(()),
                    }
                })
                .unwrap_err();
            assert!(
                failure.message.contains(&format!("byte {offset},")),
                "{failure}"
            );
        }
    }

    fn text(json: &[u8]) -> Result<(String, u64), Failure> {
        let mut out = Vec::new();
        let (units, _) = scanner(json).string(&mut out, usize::MAX)?;
        Ok((String::from_utf8(out).unwrap(), units))
    }

    #[test]
    fn strings_are_decoded_and_counted_as_javascript_counts() {
        let cases: [(&[u8], &str, u64); 7] = [
            (b"\"\"", "", 0),
            (
                b"\"plain, and more than eight bytes\"",
                "plain, and more than eight bytes",
                32,
            ),
            (br#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t", 8),
            (br#""\u00e9\ud83d\ude00x""#, "\u{e9}\u{1f600}x", 4),
            (br#""\ud83dx\ude00""#, "\u{fffd}x\u{fffd}", 3),
            (
                "\"\u{e9}\u{20ac}\u{1f600}\"".as_bytes(),
                "\u{e9}\u{20ac}\u{1f600}",
                4,
            ),
            (b"\"\x7f\"", "\u{7f}", 1),
        ];
        for (json, wanted, units) in cases {
            assert_eq!(text(json).unwrap(), (wanted.to_owned(), units));
        }
    }

    #[test]
    fn a_string_is_cut_between_characters() {
        let mut out = b"before".to_vec();
        let (units, cut) = scanner(br#""ab\u20acdefghijklmnop""#)
            .string(&mut out, 4)
            .unwrap();
        assert_eq!((units, cut), (16, true));
        assert_eq!(out, b"beforeab");
    }

    #[test]
    fn broken_strings_are_refused() {
        for json in [
            &b"\"\xff\""[..],
            b"\"\xc3\x28\"",
            b"\"\xed\xa0\x80\"",
            b"\"a\nb\"",
            b"\"\\x\"",
            b"\"\\u12g4\"",
        ] {
            assert_eq!(
                text(json).unwrap_err().code,
                Code::SnapshotSyntax,
                "{json:?}"
            );
        }
        for json in [&b"\"abc"[..], b"\"abc\\", b"\"abc\\u12", b"\"\xe2\x82"] {
            assert_eq!(
                text(json).unwrap_err().code,
                Code::SnapshotTruncated,
                "{json:?}"
            );
        }
    }

    #[test]
    fn any_value_can_be_skipped_but_not_a_bracket_too_many() {
        let mut good = scanner(br#"{"a":[1,-2.5e3,null,{"b":"]}"}],"c":true} 7 "#);
        good.skip_value().unwrap();
        assert_eq!(good.integer().unwrap(), 7);
        assert_eq!(
            scanner(b"[1}").skip_value().unwrap_err().code,
            Code::SnapshotSyntax
        );
        assert_eq!(
            scanner(b"[1").skip_value().unwrap_err().code,
            Code::SnapshotTruncated
        );
        let deep = "[".repeat(MAX_DEPTH + 1);
        assert_eq!(
            scanner(deep.as_bytes()).skip_value().unwrap_err().code,
            Code::SnapshotSyntax
        );
    }
}
