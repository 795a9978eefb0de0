#![forbid(unsafe_code)]
//! Finds the mappings that glibc's malloc made, by the headers it writes into them.
//!
//! Knows: `heap_info` at the start of an arena's 64 MiB-aligned heap (malloc/arena.c), the two words before a block
//! that has a mapping of its own, and the chain of chunks in a piece of the main arena that lies outside `[heap]`, where
//! the break could not grow (`sysmalloc_mmap_fallback` in malloc/malloc.c), as they are since glibc 2.3.
//! Out of scope: how memory is read. A [`Memory`] reads it, and returns `None` instead of faulting.
//! Limitations: a block with a mapping of its own and an alignment above a page is not found (its header is inside a
//! page). The kernel joins neighbouring anonymous mappings, so where the chain of headers ends, blocks are looked for at each
//! resident page, up to a budget; [`Found::complete`] says whether it was enough. Data of another allocator that looks exactly
//! like a header at the start of a page is taken for malloc's.

use super::mappings::{Kind, Mapping};

/// A range of addresses, end excluded.
pub type Range = std::ops::Range<u64>;

/// The memory of a process, read so that nothing can fault.
pub trait Memory {
    /// Four words from this address; `None` when they cannot be read.
    fn words(&self, address: u64) -> Option<[u64; 4]>;
    /// For each page of the range, whether it is in memory; `None` where this cannot be determined.
    fn resident_pages(&self, range: &Range) -> Option<Vec<bool>>;
    /// The size of a page in bytes.
    fn page_bytes(&self) -> u64;
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The heaps of arenas, without the main arena's `[heap]`.
    pub arena_heaps: Vec<Range>,
    /// Blocks that have a mapping of their own.
    pub mapped_blocks: Vec<Range>,
    /// Pieces of the main arena outside `[heap]`.
    pub main_arena_pieces: Vec<Range>,
    /// Every page at which a block can start was looked at, and could be read.
    pub complete: bool,
}

/// `HEAP_MAX_SIZE` of every 64-bit glibc.
const HEAP_ALIGNMENT: u64 = 64 << 20;
/// How many pages are probed at most: about 60 ms of reading on another thread.
pub const PROBE_BUDGET: usize = 65_536;
/// Pages per look.
const WINDOW_PAGES: u64 = 65_536;
/// Fewer bytes of the main arena outside `[heap]` are not looked for: counts are taken a moment before addresses.
const LEAST_ELSEWHERE: u64 = 1 << 20;
/// How many chunks of pieces are followed at most: about 150 ms of reading on another thread. Where the chain is longer
/// the piece is taken to end where its mapping does.
const CHUNK_BUDGET: usize = 262_144;

/// A piece without fence posts that malloc's own count does not vouch for must show at least this many chunks.
const CHUNKS_WITHOUT_COUNT: usize = 64;

/// Looks through the anonymous mappings. `arenas_bytes` is malloc's own count of all arenas: pieces of the main arena are
/// looked for only when that is more than what lies where arenas are expected, and no more than that is taken for them.
/// Where malloc was not asked, their chains of chunks decide alone.
pub fn find(
    mappings: &[Mapping],
    memory: &impl Memory,
    arenas_bytes: Option<u64>,
    probe_budget: usize,
) -> Found {
    let Some(arenas_bytes) = arenas_bytes else {
        return look_through(
            mappings,
            memory,
            u64::MAX,
            CHUNKS_WITHOUT_COUNT,
            probe_budget,
        );
    };
    let found = look_through(mappings, memory, 0, 0, probe_budget);
    let by_break = mappings
        .iter()
        .filter(|mapping| mapping.kind == Kind::Brk)
        .map(|mapping| mapping.end - mapping.start);
    let in_heaps = found.arena_heaps.iter().map(|heap| heap.end - heap.start);
    let elsewhere = arenas_bytes.saturating_sub(by_break.chain(in_heaps).sum());
    if elsewhere < LEAST_ELSEWHERE {
        return found;
    }
    look_through(mappings, memory, elsewhere, 0, probe_budget)
}

/// `elsewhere`: bytes of the main arena that lie in pieces, at most; 0 when none are looked for.
fn look_through(
    mappings: &[Mapping],
    memory: &impl Memory,
    elsewhere: u64,
    least_chunks: usize,
    probe_budget: usize,
) -> Found {
    let mut found = Found {
        complete: true,
        ..Found::default()
    };
    let mut search = Search {
        probes_left: probe_budget,
        elsewhere,
        least_chunks,
        chunks_left: CHUNK_BUDGET,
    };
    for mapping in mappings {
        if mapping.kind != Kind::Anonymous || !mapping.writable || mapping.resident_bytes == 0 {
            continue;
        }
        let mut from = mapping.start;
        let mut next_heap = mapping.start.next_multiple_of(HEAP_ALIGNMENT);
        while from < mapping.end {
            while next_heap < mapping.end {
                if let Some(heap) = arena_heap(next_heap, mapping.end, memory) {
                    blocks(from..heap.start, memory, &mut search, &mut found);
                    from = heap.end;
                    next_heap = heap.end.next_multiple_of(HEAP_ALIGNMENT);
                    found.arena_heaps.push(heap);
                } else {
                    next_heap += HEAP_ALIGNMENT;
                }
            }
            blocks(from..mapping.end, memory, &mut search, &mut found);
            from = mapping.end;
        }
    }
    found
}

/// What is left of the budget of a search.
struct Search {
    probes_left: usize,
    /// Bytes of the main arena's pieces that were not found yet.
    elsewhere: u64,
    /// Chunks that a piece without fence posts must show.
    least_chunks: usize,
    /// Chunks that may still be followed.
    chunks_left: usize,
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
    // The heap may have grown since the mappings were read.
    (sizes_fit && near_start && linked).then(|| start..end.min(start + committed))
}

/// Adds the blocks in a range that lie end to end, and looks for the next one where the chain ends.
fn blocks(range: Range, memory: &impl Memory, search: &mut Search, found: &mut Found) {
    let page = memory.page_bytes();
    let mut at = range.start;
    while at < range.end {
        if search.probes_left == 0 {
            found.complete = false;
            return;
        }
        search.probes_left -= 1;
        let Some(words) = memory.words(at) else {
            // It may not be read, or was unmapped meanwhile.
            found.complete = false;
            return;
        };
        if let Some(block) = mapped_block(at, words, range.end, memory) {
            at = block.end;
            found.mapped_blocks.push(block);
            continue;
        }
        if search.elsewhere > 0 {
            let end = range.end.min(at.saturating_add(search.elsewhere));
            if let Some(piece) = main_arena_piece(at..end, words, search, memory) {
                at = piece.end;
                search.elsewhere -= piece.end - piece.start;
                found.main_arena_pieces.push(piece);
                continue;
            }
        }
        match next_resident(at + page..range.end, memory) {
            Some(next) => at = next,
            None => return,
        }
    }
}

/// The piece of the main arena whose first chunk stands at this page's start: a chain of chunks up to the fence posts at
/// its end, or up to its top chunk, which ends with a page.
fn main_arena_piece(
    range: Range,
    mut words: [u64; 4],
    search: &mut Search,
    memory: &impl Memory,
) -> Option<Range> {
    const PREVIOUS_IN_USE: u64 = 1;
    const FLAGS: u64 = 7;
    const FENCE_POST: u64 = 16;
    const LEAST_CHUNK: u64 = 32;
    let page = memory.page_bytes();
    let least_chunks = search.least_chunks;
    let piece = |end: u64, chunks: usize| (chunks >= least_chunks).then_some(range.start..end);
    let mut at = range.start;
    let mut followed = 0;
    while search.chunks_left > 0 {
        let [before, head, _, next_head] = words;
        let (size, flags) = (head & !FLAGS, head & FLAGS);
        // Nothing lies before the first chunk.
        let is_first = followed == 0;
        if is_first && (before != 0 || flags != PREVIOUS_IN_USE) {
            return None;
        }
        if size == FENCE_POST {
            // Two of them end a piece and its last page.
            let end = at + 2 * FENCE_POST;
            let are_two = next_head & !FLAGS == FENCE_POST && end.is_multiple_of(page);
            return (are_two && end <= range.end).then_some(range.start..end);
        }
        let fits = flags & !PREVIOUS_IN_USE == 0
            && size >= LEAST_CHUNK
            && size.is_multiple_of(16)
            && size <= range.end - at;
        if !fits {
            // After a top chunk another owner's memory begins.
            return if is_first || !at.is_multiple_of(page) {
                None
            } else {
                piece(at, followed)
            };
        }
        at += size;
        if at == range.end {
            return piece(at, followed + 1);
        }
        words = memory.words(at)?;
        followed += 1;
        search.chunks_left -= 1;
    }
    piece(range.end, followed)
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
            // Not known: any page may be the one.
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
        let found = find(&[anonymous(base, 8 * PAGE, 8 * PAGE)], &memory, None, 100);
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
        let found = find(
            &[anonymous(base, 1002 * PAGE, 3 * PAGE)],
            &memory,
            None,
            100,
        );
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
        let found = find(&[anonymous(base, 50 * PAGE, 50 * PAGE)], &memory, None, 100);
        assert_eq!((found.mapped_blocks.len(), found.complete), (0, false));
        assert_eq!(memory.probed.get(), 1);
    }

    #[test]
    fn a_budget_that_runs_out_is_told() {
        let base = 0x7f00_0000_1000;
        let memory = Invented::default();
        let found = find(&[anonymous(base, 50 * PAGE, 50 * PAGE)], &memory, None, 10);
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
            let found = find(&[anonymous(base, 4 * PAGE, PAGE)], &memory, None, 100);
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
            None,
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
        let found = find(&[anonymous(start, 10 * PAGE, PAGE)], &memory, None, 100);
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
            let found = find(&[anonymous(start, 10 * PAGE, PAGE)], &memory, None, 100);
            assert_eq!(found.arena_heaps, [], "{case}");
        }
    }

    /// A heap of `heap_bytes` by the break, and `extra` bytes of arenas that malloc counts besides.
    fn with_pieces(mappings: &[Mapping], memory: &Invented, extra: u64) -> Vec<Range> {
        let mut heap = anonymous(0x100_0000, 3 * MIB, MIB);
        heap.kind = Kind::Brk;
        let mut all = vec![heap];
        all.extend_from_slice(mappings);
        find(&all, memory, Some(3 * MIB + extra), 1000).main_arena_pieces
    }

    /// Chunks of a piece, one after the other, and the fence posts at its end when `fenced`.
    fn piece(memory: &mut Invented, start: u64, sizes: &[u64], fenced: bool) -> u64 {
        let mut at = start;
        for (index, size) in sizes.iter().enumerate() {
            let before = if index == 0 { 0 } else { 77 };
            memory.words.insert(at, [before, size | 1, 0, 0]);
            at += size;
        }
        if fenced {
            memory.words.insert(at, [5, 16, 0, 16 | 1]);
            at += 32;
        }
        at
    }

    #[test]
    fn pieces_of_the_main_arena_are_found_by_their_chain_of_chunks() {
        // GIVEN the newest piece with its top chunk, an older one above it that ends in fence posts, then a block
        let base = 0x7f00_0000_1000;
        let mut memory = Invented::default();
        let second = piece(&mut memory, base, &[64, 4096, 2 * MIB - 4160], false);
        let end = piece(&mut memory, second, &[48, 4 * PAGE - 80], true);
        memory.words.insert(end, [0, (3 * PAGE) | 2, 0, 0]);
        let mapping = anonymous(base, 2 * MIB + 7 * PAGE, 2 * MIB);
        assert_eq!(
            with_pieces(std::slice::from_ref(&mapping), &memory, 3 * MIB),
            vec![base..end]
        );
        // WHEN malloc counts nothing beyond the break THEN nothing is taken for a piece
        let mapping = [mapping];
        assert_eq!(with_pieces(&mapping, &memory, 0), []);
        // WHEN malloc was not asked THEN the fence posts are proof enough
        assert_eq!(
            find(&mapping, &memory, None, 1000).main_arena_pieces,
            vec![base..end]
        );
    }

    #[test]
    fn where_malloc_was_not_asked_a_piece_without_fence_posts_must_be_a_long_chain() {
        let base = 0x7f00_0000_1000;
        for (chunks, is_found) in [(8, false), (64, true)] {
            let mut memory = Invented::default();
            let sizes = vec![MIB / chunks; chunks as usize];
            let end = piece(&mut memory, base, &sizes, false);
            let found = find(&[anonymous(base, MIB, MIB)], &memory, None, 1000);
            let ends: Vec<u64> = found.main_arena_pieces.iter().map(|one| one.end).collect();
            let expected = if is_found { vec![end] } else { vec![] };
            assert_eq!(ends, expected, "{chunks} chunks");
        }
    }

    #[test]
    fn a_piece_ends_where_a_strangers_memory_begins() {
        let base = 0x7f00_0000_1000;
        let mut memory = Invented::default();
        let end = piece(&mut memory, base, &[64, MIB - 64], false);
        memory.words.insert(end, [9, 9, 9, 9]);
        assert_eq!(
            with_pieces(&[anonymous(base, 5 * MIB, MIB)], &memory, 4 * MIB),
            vec![base..end]
        );
    }

    #[test]
    fn what_only_resembles_a_chunk_starts_no_piece() {
        let base = 0x7f00_0000_1000;
        for (words, case) in [
            ([0, (2 * MIB) | 2, 0, 0], "a flag of another kind"),
            ([0, (2 * MIB) | 5, 0, 0], "of another arena"),
            ([8, (2 * MIB) | 1, 0, 0], "something before it"),
            ([0, 2 * MIB, 0, 0], "the one before it free"),
            ([0, (2 * MIB + 8) | 1, 0, 0], "a size of no chunk"),
            ([0, (9 * MIB) | 1, 0, 0], "past the end"),
        ] {
            let memory = Invented {
                words: [(base, words)].into(),
                resident: Some(HashSet::new()),
                ..Invented::default()
            };
            let found = with_pieces(&[anonymous(base, 2 * MIB, MIB)], &memory, 2 * MIB);
            assert_eq!(found, [], "{case}");
        }
    }

    #[test]
    fn mappings_of_a_known_kind_or_without_pages_are_not_looked_at() {
        let memory = Invented::default();
        let mut v8 = anonymous(0x1000, PAGE, PAGE);
        v8.kind = Kind::V8;
        let mut read_only = anonymous(0x3000, PAGE, PAGE);
        read_only.writable = false;
        find(
            &[v8, read_only, anonymous(0x5000, PAGE, 0)],
            &memory,
            None,
            100,
        );
        assert_eq!(memory.probed.get(), 0);
    }
}
