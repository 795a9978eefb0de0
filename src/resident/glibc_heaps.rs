#![forbid(unsafe_code)]
//! Finds the mappings that glibc's malloc made, by the headers it writes into them.
//!
//! Knows: `heap_info` at the start of an arena's 64 MiB-aligned heap (malloc/arena.c) and the two words before a block
//! that has a mapping of its own (malloc/malloc.c), as they are since glibc 2.3.
//! Must never know: how memory is read; it asks a [`Memory`], which fails instead of faulting.
//! Limits: a block with a mapping of its own and an alignment above a page is not found (its header stands inside a
//! page). Anonymous mappings grow together in the kernel's list, so blocks are looked for at each resident page where
//! the chain of headers breaks off, up to a budget; [`Found::complete`] says whether it sufficed. Whoever keeps data
//! that looks exactly like a header at the start of a page, outside malloc, is taken for malloc.

use super::mappings::{Kind, Mapping};

/// A range of addresses, end excluded.
pub type Range = std::ops::Range<u64>;

/// The memory of a process, read without risk.
pub trait Memory {
    /// Four words from this address; `None` when they cannot be read.
    fn words(&self, address: u64) -> Option<[u64; 4]>;
    /// For each page of the range, whether it is in memory; `None` when that cannot be found out.
    fn resident_pages(&self, range: &Range) -> Option<Vec<bool>>;
    /// The size of a page in bytes.
    fn page_bytes(&self) -> u64;
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The heaps of arenas, the main arena's `[heap]` left out.
    pub arena_heaps: Vec<Range>,
    /// Blocks that have a mapping of their own.
    pub mapped_blocks: Vec<Range>,
    /// Every page that could start a block was looked at, and could be read.
    pub complete: bool,
}

/// `HEAP_MAX_SIZE` of every 64-bit glibc.
const HEAP_ALIGNMENT: u64 = 64 << 20;
/// How many pages are probed at most: about 60 ms of reading on another thread.
pub const PROBE_BUDGET: usize = 65_536;
/// Pages asked about at a time.
const WINDOW_PAGES: u64 = 65_536;

/// Looks through the anonymous mappings.
pub fn find(mappings: &[Mapping], memory: &impl Memory, probe_budget: usize) -> Found {
    let mut found = Found {
        complete: true,
        ..Found::default()
    };
    let mut probes_left = probe_budget;
    for mapping in mappings {
        if mapping.kind != Kind::Anonymous || !mapping.writable || mapping.resident_bytes == 0 {
            continue;
        }
        let mut from = mapping.start;
        let mut next_heap = mapping.start.next_multiple_of(HEAP_ALIGNMENT);
        while from < mapping.end {
            while next_heap < mapping.end {
                if let Some(heap) = arena_heap(next_heap, mapping.end, memory) {
                    blocks(from..heap.start, memory, &mut probes_left, &mut found);
                    from = heap.end;
                    next_heap = heap.end.next_multiple_of(HEAP_ALIGNMENT);
                    found.arena_heaps.push(heap);
                } else {
                    next_heap += HEAP_ALIGNMENT;
                }
            }
            blocks(from..mapping.end, memory, &mut probes_left, &mut found);
            from = mapping.end;
        }
    }
    found
}

/// The arena heap that starts at this 64 MiB-aligned address: `{ arena, previous heap, size, committed size }`.
fn arena_heap(start: u64, end: u64, memory: &impl Memory) -> Option<Range> {
    let [arena, previous, size, committed] = memory.words(start)?;
    let page = memory.page_bytes();
    let sizes_fit = size > 0
        && size <= committed
        && committed <= HEAP_ALIGNMENT
        && size.is_multiple_of(page)
        && committed.is_multiple_of(page);
    // The first heap of an arena holds the arena itself, right behind this header; the others point back to it.
    let near_start = arena % 8 == 0 && (1..4096).contains(&(arena % HEAP_ALIGNMENT));
    let here = arena - arena % HEAP_ALIGNMENT == start;
    let linked = if previous == 0 {
        here
    } else {
        previous % HEAP_ALIGNMENT == 0 && !here
    };
    // It may have grown since the mappings were read.
    (sizes_fit && near_start && linked).then(|| start..end.min(start + committed))
}

/// Adds the blocks in a range that lie end to end, and looks for the next one where the chain breaks off.
fn blocks(range: Range, memory: &impl Memory, probes_left: &mut usize, found: &mut Found) {
    let page = memory.page_bytes();
    let mut at = range.start;
    while at < range.end {
        if *probes_left == 0 {
            found.complete = false;
            return;
        }
        *probes_left -= 1;
        let Some(words) = memory.words(at) else {
            // Not allowed to look, or unmapped meanwhile.
            found.complete = false;
            return;
        };
        match mapped_block(at, words, range.end, memory) {
            Some(block) => {
                at = block.end;
                found.mapped_blocks.push(block);
            }
            None => match next_resident(at + page..range.end, memory) {
                Some(next) => at = next,
                None => return,
            },
        }
    }
}

/// The block whose header stands at this page's start: `{ 0, size | 2 }`, where the size is whole pages.
fn mapped_block(start: u64, words: [u64; 4], end: u64, memory: &impl Memory) -> Option<Range> {
    const IS_MMAPPED: u64 = 2;
    const FLAGS: u64 = 7;
    let [before, head, ..] = words;
    let size = head & !FLAGS;
    let is_block = before == 0
        && head & FLAGS == IS_MMAPPED
        && size > 0
        && size.is_multiple_of(memory.page_bytes())
        && size <= end - start;
    is_block.then(|| start..start + size)
}

/// The first page of the range that is in memory: a header always is, unless it was swapped out.
fn next_resident(range: Range, memory: &impl Memory) -> Option<u64> {
    let page = memory.page_bytes();
    let mut from = range.start;
    while from < range.end {
        // Nearby pages first: after a break the next header is usually close.
        let pages = if from == range.start {
            64
        } else {
            WINDOW_PAGES
        };
        let to = range.end.min(from + pages * page);
        let Some(states) = memory.resident_pages(&(from..to)) else {
            // Not known: every page may be the one.
            return Some(from);
        };
        if let Some(index) = states.iter().position(|&resident| resident) {
            return Some(from + index as u64 * page);
        }
        from = to;
    }
    None
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::collections::{HashMap, HashSet};

    pub(crate) const PAGE: u64 = 4096;
    const MIB: u64 = 1 << 20;

    /// Memory invented for a test: words at addresses, resident pages.
    #[derive(Default)]
    pub(crate) struct Invented {
        pub(crate) words: HashMap<u64, [u64; 4]>,
        pub(crate) resident: Option<HashSet<u64>>,
        pub(crate) unreadable: bool,
        pub(crate) probed: std::cell::Cell<usize>,
    }

    impl Memory for Invented {
        fn words(&self, address: u64) -> Option<[u64; 4]> {
            self.probed.set(self.probed.get() + 1);
            (!self.unreadable).then(|| self.words.get(&address).copied().unwrap_or_default())
        }

        fn resident_pages(&self, range: &Range) -> Option<Vec<bool>> {
            let resident = self.resident.as_ref()?;
            Some(
                (range.start..range.end)
                    .step_by(PAGE as usize)
                    .map(|page| resident.contains(&page))
                    .collect(),
            )
        }

        fn page_bytes(&self) -> u64 {
            PAGE
        }
    }

    pub(crate) fn anonymous(start: u64, bytes: u64, resident_bytes: u64) -> Mapping {
        Mapping {
            start,
            end: start + bytes,
            kind: Kind::Anonymous,
            writable: true,
            reserved: false,
            resident_bytes,
            swapped_bytes: 0,
            name: String::new(),
        }
    }

    #[test]
    fn blocks_that_grew_together_into_one_mapping_are_told_apart() {
        let base = 0x7f00_0000_1000;
        let mut memory = Invented::default();
        memory.words.insert(base, [0, (3 * PAGE) | 2, 0, 0]);
        memory
            .words
            .insert(base + 3 * PAGE, [0, (5 * PAGE) | 2, 0, 0]);
        let found = find(&[anonymous(base, 8 * PAGE, 8 * PAGE)], &memory, 100);
        assert_eq!(
            found.mapped_blocks,
            [base..base + 3 * PAGE, base + 3 * PAGE..base + 8 * PAGE]
        );
        assert!(found.complete);
    }

    #[test]
    fn after_a_stranger_only_resident_pages_are_probed() {
        // GIVEN 1,000 pages of somebody else's, two of them resident, then a block
        let base = 0x7f00_0000_0000 + PAGE;
        let block = base + 1000 * PAGE;
        let mut memory = Invented {
            resident: Some([base, base + 7 * PAGE, block].into()),
            ..Invented::default()
        };
        memory.words.insert(base, [1, 2, 3, 4]);
        memory.words.insert(base + 7 * PAGE, [0, 0, 0, 0]);
        memory.words.insert(block, [0, (2 * PAGE) | 2, 9, 9]);
        let found = find(&[anonymous(base, 1002 * PAGE, 3 * PAGE)], &memory, 100);
        assert_eq!(found.mapped_blocks, vec![block..block + 2 * PAGE]);
        assert_eq!(memory.probed.get(), 3);
    }

    #[test]
    fn memory_that_may_not_be_read_is_told() {
        let base = 0x7f00_0000_1000;
        let memory = Invented {
            unreadable: true,
            ..Invented::default()
        };
        let found = find(&[anonymous(base, 50 * PAGE, 50 * PAGE)], &memory, 100);
        assert_eq!((found.mapped_blocks.len(), found.complete), (0, false));
        assert_eq!(memory.probed.get(), 1);
    }

    #[test]
    fn a_budget_that_runs_out_is_told() {
        let base = 0x7f00_0000_1000;
        let memory = Invented::default();
        let found = find(&[anonymous(base, 50 * PAGE, 50 * PAGE)], &memory, 10);
        assert_eq!((found.mapped_blocks.len(), found.complete), (0, false));
    }

    #[test]
    fn what_only_resembles_a_header_is_no_block() {
        let base = 0x7f00_0000_1000;
        for (words, case) in [
            ([0, (3 * PAGE) | 1, 0, 0], "in use, not mapped"),
            ([0, (3 * PAGE) | 3, 0, 0], "two flags"),
            ([0, (3 * PAGE) | 6, 0, 0], "of another arena"),
            ([0, (100 * PAGE) | 2, 0, 0], "past the end"),
            ([0, (3 * PAGE + 16) | 2, 0, 0], "not whole pages"),
            ([0, 2, 0, 0], "empty"),
            ([16, (3 * PAGE) | 2, 0, 0], "something before it"),
            ([0, !7 | 2, 0, 0], "absurd"),
        ] {
            let memory = Invented {
                words: [(base, words)].into(),
                resident: Some(HashSet::new()),
                ..Invented::default()
            };
            let found = find(&[anonymous(base, 4 * PAGE, PAGE)], &memory, 100);
            assert_eq!(found.mapped_blocks, [], "{case}");
        }
    }

    #[test]
    fn arena_heaps_are_found_at_their_alignment_even_inside_a_larger_mapping() {
        // GIVEN a block, a full first heap of an arena, its second heap, another block: one mapping for the kernel
        let heap = 0x7f00_0000_0000;
        let before = heap - 2 * PAGE;
        let second = heap + 64 * MIB;
        let after = second + 10 * PAGE;
        let mut memory = Invented {
            resident: Some(HashSet::new()),
            ..Invented::default()
        };
        memory.words.insert(before, [0, (2 * PAGE) | 2, 0, 0]);
        memory
            .words
            .insert(heap, [heap + 48, 0, 64 * MIB, 64 * MIB]);
        memory
            .words
            .insert(second, [heap + 48, heap, 8 * PAGE, 10 * PAGE]);
        memory.words.insert(after, [0, PAGE | 2, 0, 0]);
        let found = find(
            &[anonymous(before, 64 * MIB + 13 * PAGE, MIB)],
            &memory,
            100,
        );
        assert_eq!(found.arena_heaps, [heap..second, second..after]);
        assert_eq!(found.mapped_blocks, [before..heap, after..after + PAGE]);
    }

    #[test]
    fn an_arena_heap_that_grew_since_the_mappings_were_read_ends_with_its_mapping() {
        let start = 0x7f00_0000_0000;
        let words = [start + 48, 0, 8 * PAGE, 99 * PAGE];
        let memory = Invented {
            words: [(start, words)].into(),
            ..Invented::default()
        };
        let found = find(&[anonymous(start, 10 * PAGE, PAGE)], &memory, 100);
        assert_eq!(found.arena_heaps, vec![start..start + 10 * PAGE]);
    }

    #[test]
    fn a_64_mib_aligned_stranger_is_no_arena() {
        let start = 0x7f00_0000_0000;
        for (words, case) in [
            ([0, 0, 0, 0], "empty"),
            (
                [start + 48, 0, 9 * PAGE, 8 * PAGE],
                "more used than committed",
            ),
            ([start + 48, 0, 8 * PAGE, 128 * MIB], "too large"),
            ([start + 49, 0, 8 * PAGE, 8 * PAGE], "crooked pointer"),
            (
                [start + 64 * MIB + 48, 0, 8 * PAGE, 8 * PAGE],
                "a first heap whose arena is elsewhere",
            ),
            (
                [start + 48, start - 64 * MIB, 8 * PAGE, 8 * PAGE],
                "a second heap that holds the arena",
            ),
            (
                [start + 5 * PAGE, 0, 8 * PAGE, 8 * PAGE],
                "arena not behind the header",
            ),
        ] {
            let memory = Invented {
                words: [(start, words)].into(),
                resident: Some(HashSet::new()),
                ..Invented::default()
            };
            let found = find(&[anonymous(start, 10 * PAGE, PAGE)], &memory, 100);
            assert_eq!(found.arena_heaps, [], "{case}");
        }
    }

    #[test]
    fn mappings_of_a_known_kind_or_without_pages_are_not_looked_at() {
        let memory = Invented::default();
        let mut v8 = anonymous(0x1000, PAGE, PAGE);
        v8.kind = Kind::V8;
        let mut read_only = anonymous(0x3000, PAGE, PAGE);
        read_only.writable = false;
        find(&[v8, read_only, anonymous(0x5000, PAGE, 0)], &memory, 100);
        assert_eq!(memory.probed.get(), 0);
    }
}
