//! The tokens of a snapshot: JSON read as a stream, made for arrays of millions of small integers.
//!
//! Knows: bytes, offsets, strings, integers. Out of scope: what a node is.
//! Limitations: integers are unsigned and below 2^64 (V8 writes no others where they matter); floats, signs and
//! exponents are skipped as values and refused as integers.

#![forbid(unsafe_code)]

use crate::base::error::{Code, Failure};
use crate::heap::snapshot_file::source::{Feed, HEADROOM};

/// Nesting of a value that is skipped or read into memory. V8 nests five deep, and trace trees as deep as a
/// stack. The scanner keeps one counter for it, so the limit is against nonsense and not against the use of memory.
const MAX_DEPTH: usize = 100_000;
/// Records longer than this are nonsense; V8 has had up to seven fields.
pub(crate) const MAX_FIELDS: usize = 32;
/// The longest integer is 20 digits; with separators this is more than one can take in the buffer.
const INTEGER_ROOM: usize = 32;

/// Reads tokens from a [`Feed`].
pub(crate) struct Scanner {
    feed: Feed,
    chunk: Vec<u8>,
    position: usize,
    /// Offset in the stream of `chunk[HEADROOM]`.
    base: u64,
    ended: bool,
    /// What messages call the stream.
    name: String,
    /// What is being read, for messages.
    pub(crate) section: &'static str,
}

impl Scanner {
    pub(crate) fn new(feed: Feed, name: String) -> Scanner {
        Scanner {
            feed,
            chunk: vec![0; HEADROOM],
            position: HEADROOM,
            base: 0,
            ended: false,
            name,
            section: "the beginning",
        }
    }

    /// Offset of the next byte in the (uncompressed) stream.
    pub(crate) fn offset(&self) -> u64 {
        (self.base + self.position as u64).saturating_sub(HEADROOM as u64)
    }

    /// Moves on to the next chunk, keeping the unread tail of this one (at most [`HEADROOM`] bytes).
    fn refill(&mut self) -> Result<(), Failure> {
        if self.ended {
            return Ok(());
        }
        let tail_length = self.chunk.len() - self.position;
        debug_assert!(tail_length <= HEADROOM);
        let mut tail = [0u8; HEADROOM];
        tail[..tail_length].copy_from_slice(&self.chunk[self.position..]);
        self.base += (self.chunk.len() - HEADROOM) as u64;
        let used = std::mem::take(&mut self.chunk);
        self.chunk = vec![0; HEADROOM];
        self.position = HEADROOM;
        let next = self.feed.next(used)?;
        self.ended = next.len() <= HEADROOM;
        self.chunk = next;
        self.position = HEADROOM - tail_length;
        self.chunk[self.position..HEADROOM].copy_from_slice(&tail[..tail_length]);
        Ok(())
    }

    #[inline]
    fn peek(&mut self) -> Result<Option<u8>, Failure> {
        if self.position == self.chunk.len() {
            self.refill()?;
        }
        Ok(self.chunk.get(self.position).copied())
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

    /// An array of integers, `width` at a time; `each` gets the record and the scanner's error makers.
    ///
    /// Fails when the array ends in the middle of a record. Returns the number of records.
    pub(crate) fn records(
        &mut self,
        width: usize,
        mut each: impl FnMut(&[u64], &Scanner) -> Result<(), Failure>,
    ) -> Result<u64, Failure> {
        debug_assert!((1..=MAX_FIELDS).contains(&width));
        let mut record = [0u64; MAX_FIELDS];
        let mut count = 0u64;
        self.expect(b'[')?;
        if self.accept(b']')? {
            return Ok(0);
        }
        loop {
            // Here a record begins.
            while self.chunk.len() - self.position >= width * INTEGER_ROOM {
                match fast_record(&self.chunk, self.position, &mut record[..width]) {
                    Some(next) => {
                        self.position = next;
                        count += 1;
                        each(&record[..width], self)?;
                    }
                    // The last record, unusual white space, or an error: the code below finds out.
                    None => break,
                }
            }
            for (field, slot) in record[..width].iter_mut().enumerate() {
                *slot = self.integer()?;
                if field + 1 < width && !self.more(b']')? {
                    return Err(self.format(&format!(
                        "the array ends after {} of the {width} fields of a record",
                        field + 1
                    )));
                }
            }
            count += 1;
            each(&record[..width], self)?;
            if !self.more(b']')? {
                return Ok(count);
            }
            if self.chunk.len() - self.position < HEADROOM {
                self.refill()?;
            }
        }
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
            if self.position == self.chunk.len() {
                self.refill()?;
                if self.position == self.chunk.len() {
                    return Err(self.truncated());
                }
            }
            let rest = &self.chunk[self.position..];
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
        if self.chunk.len() - self.position < 6 {
            self.refill()?;
        }
        let Some(ahead) = self.chunk[self.position..].first_chunk::<6>() else {
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

/// Reads a whole record and the comma after it. `None` if it does not look as usual; then nothing is taken.
#[inline]
fn fast_record(chunk: &[u8], mut position: usize, record: &mut [u64]) -> Option<usize> {
    for slot in record {
        let (value, digits) = fast_integer(chunk, position)?;
        *slot = value;
        position += digits;
        match chunk.get(position)? {
            b',' => position += 1,
            // Node up to 22 breaks the line before the comma.
            b'\n' if chunk.get(position + 1) == Some(&b',') => position += 2,
            _ => return None,
        }
    }
    Some(position)
}

/// The integer at `position` and its number of digits; `None` if there is none or it is unusually long.
///
/// Eight bytes at a time: the first byte that is no digit is found and the digits before it are added up
/// without a branch per digit, which would be mispredicted on every other number.
#[inline]
fn fast_integer(chunk: &[u8], position: usize) -> Option<(u64, usize)> {
    let (value, digits) = eight_digits(chunk, position)?;
    if digits == 0 {
        return None;
    }
    if digits < 8 {
        return Some((value, digits));
    }
    let (low, low_digits) = eight_digits(chunk, position + 8)?;
    if low_digits == 8 {
        // 16 digits or more.
        return None;
    }
    const POWERS: [u64; 8] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];
    Some((value * POWERS[low_digits] + low, 8 + low_digits))
}

#[inline]
fn eight_digits(chunk: &[u8], position: usize) -> Option<(u64, usize)> {
    let word = u64::from_le_bytes(*chunk.get(position..)?.first_chunk::<8>()?);
    let marks = (word.wrapping_add(0x4646_4646_4646_4646)
        | word.wrapping_sub(0x3030_3030_3030_3030)
        | word)
        & 0x8080_8080_8080_8080;
    let digits = marks.trailing_zeros() as usize / 8;
    if digits == 0 {
        return Some((0, 0));
    }
    // Digits to the top, zeros below: leading zeros.
    let word = (word & 0x0f0f_0f0f_0f0f_0f0f) << (64 - 8 * digits);
    let pairs = word.wrapping_mul(10).wrapping_add(word >> 8);
    let value = ((pairs & 0x0000_00ff_0000_00ff).wrapping_mul(0x000f_4240_0000_0064))
        .wrapping_add(((pairs >> 16) & 0x0000_00ff_0000_00ff).wrapping_mul(0x0000_2710_0000_0001))
        >> 32;
    Some((value & 0xffff_ffff, digits))
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
        scanner(text.as_bytes()).records(width, |record, _| {
            all.extend_from_slice(record);
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
