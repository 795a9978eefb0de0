//! Finds large blocks of `malloc` that the child most likely does not need: the backing stores of Buffers.
//!
//! Knows: how glibc lays out blocks that it maps one by one (malloc/malloc.c, "mmapped chunks"): page-aligned, a header of
//! two words, the size in the second with its lowest bits for marks. The kernel joins neighbours into one mapping.
//! Out of scope: how memory is read (the caller's closure reads it, and may fail), and what is done with the result.
//! Limitations: whether a block is a backing store. This file guesses. A wrong guess is found in the child, at the first touch of
//! the block, and costs one attempt.
#![forbid(unsafe_code)]

use super::maps::{AnonymousMapping, Range};

/// A run of blocks below this is not worth the splitting of a mapping: 4 MiB are 0.1 ms of a fork.
const WORTH_IT: usize = 4 << 20;

const PAGE: usize = 4096;
const MARKS: usize = 7;
/// "This block was mapped by itself", and not: "the one before is in use", "from another arena".
const IS_MMAPPED: usize = 2;

/// The size of the block whose second header word this is, if it can be one that was mapped by itself.
fn block_length(word: usize) -> Option<usize> {
    let length = word & !MARKS;
    (word & MARKS == IS_MMAPPED && length > 0 && length.is_multiple_of(PAGE)).then_some(length)
}

/// Runs of such blocks, without those that were `touched` by an earlier child.
///
/// `read(addr)` gives the word there, `None` when it cannot be read.
pub fn runs(
    known: &[AnonymousMapping],
    touched: &[usize],
    mut read: impl FnMut(usize) -> Option<usize>,
) -> Vec<Range> {
    let mut runs = Vec::new();
    for mapping in known {
        if mapping.dont_fork || !mapping.writable || mapping.resident_bytes < WORTH_IT {
            continue;
        }
        let mut at = mapping.range.start;
        let mut run = at;
        let mut close = |run: usize, end: usize| {
            if end.saturating_sub(run) >= WORTH_IT {
                runs.push(Range { start: run, end });
            }
        };
        // The newest block lies lowest, where the mapping begins; the walk ends where something else does.
        while at < mapping.range.end {
            let Some(length) = read(at + 8).and_then(block_length) else {
                break;
            };
            let Some(end) = at
                .checked_add(length)
                .filter(|&end| end <= mapping.range.end)
            else {
                break;
            };
            if touched.iter().any(|&addr| addr >= at && addr < end) {
                close(run, at);
                run = end;
            }
            at = end;
        }
        close(run, at);
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn mapping(start: usize, end: usize) -> AnonymousMapping {
        AnonymousMapping {
            range: Range { start, end },
            dont_fork: false,
            resident_bytes: end - start,
            writable: true,
        }
    }

    /// Blocks of the given sizes, one after the other from `start`.
    fn blocks(start: usize, lengths: &[usize]) -> std::collections::HashMap<usize, usize> {
        let mut at = start;
        let mut words = std::collections::HashMap::new();
        for &length in lengths {
            words.insert(at + 8, length | IS_MMAPPED);
            at += length;
        }
        words
    }

    #[test]
    fn neighbouring_blocks_are_one_run_up_to_where_something_else_begins() {
        let words = blocks(16 * MIB, &[3 * MIB, 2 * MIB + PAGE, PAGE]);
        let known = [mapping(16 * MIB, 40 * MIB)];
        assert_eq!(
            runs(&known, &[], |addr| words.get(&addr).copied()),
            [Range {
                start: 16 * MIB,
                end: 21 * MIB + 2 * PAGE
            }]
        );
    }

    #[test]
    fn a_block_that_was_touched_is_not_excluded_again() {
        let words = blocks(16 * MIB, &[5 * MIB, 2 * MIB, 6 * MIB]);
        let known = [mapping(16 * MIB, 29 * MIB)];
        assert_eq!(
            runs(&known, &[22 * MIB], |addr| words.get(&addr).copied()),
            [
                Range {
                    start: 16 * MIB,
                    end: 21 * MIB
                },
                Range {
                    start: 23 * MIB,
                    end: 29 * MIB
                }
            ]
        );
        assert_eq!(
            runs(&known, &[16 * MIB], |addr| words.get(&addr).copied()),
            [Range {
                start: 21 * MIB,
                end: 29 * MIB
            }]
        );
    }

    #[test]
    fn what_is_not_such_a_block_is_left_alone() {
        let known = [mapping(16 * MIB, 40 * MIB)];
        let run = |word: Option<usize>| runs(&known, &[], |_| word);
        // Nothing there; a block of the heap; one of an arena; not whole pages; longer than the mapping; endless.
        for word in [
            None,
            Some(0),
            Some((8 * MIB) | 1),
            Some((8 * MIB) | 6),
            Some((8 * MIB + 16) | 2),
            Some((25 * MIB) | 2),
            Some(usize::MAX & !5),
        ] {
            assert_eq!(run(word), [], "{word:?}");
        }
        for change in [
            |known: &mut AnonymousMapping| known.dont_fork = true,
            |known: &mut AnonymousMapping| known.writable = false,
            |known: &mut AnonymousMapping| known.resident_bytes = 0,
        ] {
            let mut other = known[0];
            change(&mut other);
            assert_eq!(runs(&[other], &[], |_| Some((8 * MIB) | 2)), []);
        }
    }
}
