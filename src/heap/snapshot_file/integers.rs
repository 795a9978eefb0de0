//! Integers in JSON arrays, many at a time: where each one ends is found for 64 bytes at once, so that the next one is begun before the
//! last one is known.
//!
//! Knows: digits, commas, and the line break that V8 writes before some commas. Out of scope: records, sections, errors. Whatever is
//! unusual is left to the scanner, which reads byte by byte and says what is wrong.
//! Limitations: integers of more than 16 digits, and those at the end of a chunk, are left to the scanner too.

#![forbid(unsafe_code)]

/// Bytes that are looked at together; a bit of a `u64` for each.
const BLOCK: usize = 64;
/// The most integers that can end in a block.
const PER_BLOCK: usize = BLOCK / 2;
/// Bytes before a block that must be there: an integer that ends in it may begin that far before it.
const BEFORE: usize = 32;
/// A block with what is before it and after it. Any place in a block, and [`BEFORE`] it, is below `PLACES`.
const WINDOW: usize = PLACES + 8;
const PLACES: usize = 128;

/// Reads integers that are each followed by a comma, or by a line break and a comma, from `start` on, where an integer begins. Writes
/// them to `out` and returns how many they are, and where the next one begins.
pub(super) fn read(chunk: &[u8], start: usize, out: &mut [u64]) -> (usize, usize) {
    let mut count = 0;
    // Where the integer begins that ends next.
    let mut begin = start;
    let mut at = start;
    // Arrays of fixed lengths, so that no place in them needs to be checked.
    while let (Some(window), Some(room)) = (
        at.checked_sub(BEFORE)
            .and_then(|first| chunk.get(first..)?.first_chunk::<WINDOW>()),
        out.get_mut(count..)
            .and_then(|rest| rest.first_chunk_mut::<PER_BLOCK>()),
    ) {
        let (mut ends, mut done) = (no_digits(window), 0);
        // From here on places are counted from the start of the window.
        let mut from = begin.wrapping_sub(at - BEFORE);
        let mut is_usual = true;
        while ends != 0 {
            let end = BEFORE + ends.trailing_zeros() as usize;
            ends &= ends - 1;
            let length = end.wrapping_sub(from);
            let value = if length == 1 {
                // Half of all: types, flags and small counts.
                u64::from(window[from % PLACES] & 0xf)
            } else if length.wrapping_sub(1) < 8 {
                eight_digits(window, from, length)
            } else if length == usize::MAX {
                // The comma after a line break, in the next block.
                continue;
            } else if let Some(value) = long_integer(window, from, length) {
                value
            } else {
                is_usual = false;
                break;
            };
            let mut next = end + 1;
            if window[end % PLACES] != b',' {
                // Node up to 22 breaks the line before the comma.
                if window[end % PLACES] != b'\n' || window[next % PLACES] != b',' {
                    is_usual = false;
                    break;
                }
                ends &= ends.wrapping_sub(1);
                next += 1;
            }
            room[done % PER_BLOCK] = value;
            done += 1;
            from = next;
        }
        count += done;
        begin = from.wrapping_add(at - BEFORE);
        if !is_usual {
            break;
        }
        at += BLOCK;
    }
    (count, begin)
}

/// Which bytes of the block in a window are no digits.
#[inline]
fn no_digits(window: &[u8; WINDOW]) -> u64 {
    const SEVEN_BITS: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let mut bits = 0;
    for (at, word) in window[BEFORE..BEFORE + BLOCK].chunks_exact(8).enumerate() {
        let word = word
            .first_chunk()
            .map_or(0, |bytes| u64::from_le_bytes(*bytes));
        // Digits become 0 to 9; everything from 10 on gets its highest bit.
        let value = word ^ 0x3030_3030_3030_3030;
        let marks = (((value & SEVEN_BITS) + 0x7676_7676_7676_7676) | value) & !SEVEN_BITS;
        // The highest bits of eight bytes, side by side.
        bits |= (marks.wrapping_mul(0x0002_0408_1020_4081) >> 56) << (8 * at);
    }
    bits
}

/// The integer of more than 8 digits at `from`; `None` if it has none, or more than 16.
#[cold]
fn long_integer(window: &[u8; WINDOW], from: usize, length: usize) -> Option<u64> {
    const POWERS: [u64; 9] = [
        1,
        10,
        100,
        1_000,
        10_000,
        100_000,
        1_000_000,
        10_000_000,
        100_000_000,
    ];
    let power = POWERS.get(length.checked_sub(8)?)?;
    Some(eight_digits(window, from, 8) * power + eight_digits(window, from + 8, length - 8))
}

/// The value of `length` digits, 1 to 8 of them, without a branch per digit.
#[inline]
fn eight_digits(window: &[u8; WINDOW], from: usize, length: usize) -> u64 {
    let from = from % PLACES;
    let word = window[from..from + 8]
        .first_chunk()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes));
    // Digits to the top, zeros below: leading zeros.
    let word = (word & 0x0f0f_0f0f_0f0f_0f0f) << ((64 - 8 * length) % 64);
    let pairs = word.wrapping_mul(10).wrapping_add(word >> 8);
    let value = ((pairs & 0x0000_00ff_0000_00ff).wrapping_mul(0x000f_4240_0000_0064))
        .wrapping_add(((pairs >> 16) & 0x0000_00ff_0000_00ff).wrapping_mul(0x0000_2710_0000_0001))
        >> 32;
    value & 0xffff_ffff
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    /// The integers of a text, to which enough is added for the last one to be read, and what is left of the text.
    fn integers(text: &str) -> (Vec<u64>, String) {
        let padded = format!("{}{text}{}", "x".repeat(BEFORE), "x".repeat(WINDOW));
        let mut out = [0; 4096];
        let (count, next) = read(padded.as_bytes(), BEFORE, &mut out);
        (
            out[..count].to_vec(),
            padded[next..].trim_end_matches('x').to_owned(),
        )
    }

    #[test]
    fn every_byte_is_a_digit_or_not() {
        for byte in 0..=255u8 {
            for others in [b'0', b'9', 0, 0x7f, 0x80, 0xff] {
                for at in [0, 7, 8, 15, 16, 31, 32, 63] {
                    let mut window = [others; WINDOW];
                    window[BEFORE + at] = byte;
                    let wanted = window[BEFORE..][..BLOCK]
                        .iter()
                        .enumerate()
                        .map(|(at, byte)| u64::from(!byte.is_ascii_digit()) << at)
                        .sum::<u64>();
                    assert_eq!(no_digits(&window), wanted, "{byte} {others} {at}");
                }
            }
        }
    }

    #[test]
    fn integers_are_read_up_to_the_first_unusual_byte() {
        let cases: [(&str, &[u64], &str); 14] = [
            ("", &[], ""),
            ("1,2,3", &[1, 2], "3"),
            ("1,23,456,", &[1, 23, 456], ""),
            ("1\n,2\n,3\n]", &[1, 2], "3\n]"),
            ("1,2]", &[1], "2]"),
            (",1,2,", &[], ",1,2,"),
            ("1,,2,", &[1], ",2,"),
            ("\n,1,", &[], "\n,1,"),
            ("1\n\n,2,", &[], "1\n\n,2,"),
            ("1,\n2,", &[1], "\n2,"),
            ("1, 2,", &[1], " 2,"),
            ("1,-2,", &[1], "-2,"),
            ("1,2.5,3,", &[1], "2.5,3,"),
            (
                "12345678,123456789,9999999999999999,10000000000000000,1,",
                &[12_345_678, 123_456_789, 9_999_999_999_999_999],
                "10000000000000000,1,",
            ),
        ];
        for (text, wanted, left) in cases {
            for before in 0..130 {
                // At every place of a block.
                let text = format!("{}{text}", "7,".repeat(before));
                let wanted = [vec![7; before], wanted.to_vec()].concat();
                // What is unusual at the very beginning is so after a comma as well.
                assert_eq!(integers(&text), (wanted, left.to_owned()), "{text}");
            }
        }
    }

    #[test]
    fn no_more_is_read_than_there_is_room_for() {
        let text = "1,".repeat(1000);
        for room in 0..200 {
            let mut out = vec![0; room];
            let (count, next) = read(text.as_bytes(), 40, &mut out);
            assert!(count <= room && next == 40 + 2 * count);
            assert!(out[..count].iter().all(|&value| value == 1));
        }
    }
}
