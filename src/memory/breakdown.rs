#![forbid(unsafe_code)]
//! The additive table: every resident byte is in exactly one row.
//!
//! Knows: the mappings, which of them malloc made, the threads' stack pointers, what malloc and V8 count.
//! Out of scope: how this was read.
//!
//! The table combines two kinds of numbers. The kernel's are exact, and divide the resident set without overlap: V8's pages, files,
//! shared memory, stacks, malloc's heaps and mapped blocks, the rest. Those of malloc and V8 are allocated bytes, resident or
//! not. They only divide malloc's share further, and are limited to it. So no row is negative, the rows add up, and a count that
//! exceeds the resident bytes appears in `not_resident_bytes`.
//!
//! Only memory that is known to be malloc's is subtracted from malloc's share. ArrayBuffers are: Node allocates them with malloc.
//! Other external memory may come from another allocator, or may never have been touched: it is reported beside the rows.
//!
//! Limitations: which of malloc's blocks is an ArrayBuffer. Allocated blocks that were never touched are assumed to be
//! ArrayBuffers (a large `Buffer.alloc`).

use super::glibc_heaps::{Found, Memory, Range};
use super::mappings::{Kind, Mapping};

/// What V8 and Node count in the calling isolate, in allocated bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Engine {
    /// `process.memoryUsage().arrayBuffers`
    pub array_buffers_bytes: u64,
    /// `process.memoryUsage().external`: most ArrayBuffers, addons' external buffers, strings outside the heap.
    pub external_bytes: u64,
    /// The isolate's external counter: most ArrayBuffers, addons' external buffers, what is declared.
    pub declared_bytes: u64,
    /// WebAssembly memory is part of `external_bytes` (before V8 14). The counter has its first size. It has the growth since then
    /// twice (Node 20 and 22), once (24) or not at all (26).
    pub external_counts_web_assembly: bool,
    /// `total_physical_size`. Used only where the kernel does not show which pages are V8's.
    pub v8_physical_bytes: u64,
}

/// What glibc's malloc counts, in bytes (mallinfo(3)).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Malloc {
    /// `arena`: all that the arenas got from the kernel, also what they gave back.
    pub arenas_bytes: u64,
    /// `uordblks`: in use in the arenas.
    pub in_use_bytes: u64,
    /// `fordblks`: free in the arenas, resident or not.
    pub free_bytes: u64,
    /// `hblkhd`: in blocks with a mapping of their own, all of them in use.
    pub mapped_bytes: u64,
}

/// What the table is computed from.
pub struct Input<'a, M> {
    /// The mappings, in the order of addresses.
    pub mappings: &'a [Mapping],
    /// Which of them malloc made.
    pub found: &'a Found,
    /// Answers which pages are resident, in mappings that have several owners.
    pub memory: &'a M,
    /// The threads' stack pointers.
    pub stack_pointers: &'a [u64],
    /// The largest size of a stack.
    pub stack_limit_bytes: u64,
    /// malloc's own count; `None` where it cannot be read or was not wanted.
    pub malloc: Option<Malloc>,
    /// V8's own count.
    pub engine: Engine,
}

/// The rows. All of them but the last five add up to `rss_bytes`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// The resident set, as the sum of all mappings.
    pub rss_bytes: u64,
    /// What V8 mapped, of all isolates, without WebAssembly's memory.
    pub v8_heap_bytes: u64,
    /// WebAssembly's memory.
    pub web_assembly_bytes: u64,
    /// ArrayBuffers of the calling isolate.
    pub array_buffers_bytes: u64,
    /// In use in malloc beside ArrayBuffers, at most; `None` where ArrayBuffers claim more than all of it.
    pub malloc_in_use_bytes: Option<u64>,
    /// Free, but not given back by malloc, at least.
    pub malloc_free_bytes: Option<u64>,
    /// malloc's other memory, where malloc was not asked how much is in use.
    pub malloc_undivided_bytes: Option<u64>,
    /// Stacks of threads.
    pub thread_stacks_bytes: u64,
    /// Mapped files, pages changed since included.
    pub file_mappings_bytes: u64,
    /// Shared memory.
    pub shared_memory_bytes: u64,
    /// Anonymous memory that is known not to be any of these: images' zeroed data, mappings with a name.
    pub other_anonymous_bytes: u64,
    /// Anonymous memory that no known owner explains.
    pub unexplained_bytes: u64,
    /// External memory that was reported to the calling isolate, beside ArrayBuffers and WebAssembly's; `None` where ArrayBuffers
    /// without an object exceed it.
    pub other_external_bytes: Option<u64>,
    /// Free, but not given back by malloc, at most.
    pub malloc_free_at_most_bytes: Option<u64>,
    /// In malloc's blocks with a mapping of their own, and not resident: never touched, or swapped out.
    pub not_resident_bytes: Option<u64>,
    /// Of all mappings, in swap.
    pub swapped_bytes: u64,
    /// The largest regions behind `unexplained_bytes`, largest first.
    pub largest: Vec<Region>,
}

#[cfg(test)]
impl Table {
    /// The sum of the rows, which must be `rss_bytes`.
    pub fn sum(&self) -> u64 {
        let measured = [
            self.v8_heap_bytes,
            self.web_assembly_bytes,
            self.array_buffers_bytes,
            self.thread_stacks_bytes,
            self.file_mappings_bytes,
            self.shared_memory_bytes,
            self.other_anonymous_bytes,
            self.unexplained_bytes,
        ];
        let by_malloc = [
            self.malloc_in_use_bytes,
            self.malloc_free_bytes,
            self.malloc_undivided_bytes,
        ];
        measured.into_iter().sum::<u64>() + by_malloc.into_iter().flatten().sum::<u64>()
    }
}

/// A region without a known owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// First address.
    pub start: u64,
    /// First address behind it.
    pub end: u64,
    /// Resident bytes in it.
    pub resident_bytes: u64,
}

/// How many regions are listed.
const LARGEST: usize = 5;
/// V8 reserves at least this much address space for one WebAssembly memory with its guard.
const WEB_ASSEMBLY_RESERVATION: u64 = 4 << 30;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    Arena,
    Block,
    Stack,
}

/// Fills the table.
pub fn breakdown<M: Memory>(input: &Input<M>) -> Table {
    let mut table = Table::default();
    let mut arenas = 0;
    let mut blocks = 0;
    let mut regions = Vec::new();
    let claims = claims(input);

    for (index, mapping) in input.mappings.iter().enumerate() {
        let resident = mapping.resident_bytes;
        table.rss_bytes += resident;
        table.swapped_bytes += mapping.swapped_bytes;
        match mapping.kind {
            Kind::V8 if is_web_assembly(mapping, input.mappings.get(index + 1)) => {
                table.web_assembly_bytes += resident;
            }
            Kind::V8 => table.v8_heap_bytes += resident,
            Kind::Brk => arenas += resident,
            Kind::MainStack => table.thread_stacks_bytes += resident,
            Kind::File => table.file_mappings_bytes += resident,
            Kind::Shared => table.shared_memory_bytes += resident,
            Kind::Named => table.other_anonymous_bytes += resident,
            Kind::Anonymous => {
                let mut rest = resident;
                for (range, owner) in within(&claims, mapping) {
                    let bytes = resident_in(range, mapping, input.memory).min(rest);
                    rest -= bytes;
                    match owner {
                        Owner::Arena => arenas += bytes,
                        Owner::Block => blocks += bytes,
                        Owner::Stack => table.thread_stacks_bytes += bytes,
                    }
                }
                let behind_file = index > 0 && {
                    let previous = &input.mappings[index - 1];
                    previous.kind == Kind::File && previous.end == mapping.start
                };
                if behind_file {
                    table.other_anonymous_bytes += rest;
                } else if rest > 0 {
                    table.unexplained_bytes += rest;
                    regions.push(Region {
                        start: mapping.start,
                        end: mapping.end,
                        resident_bytes: rest,
                    });
                }
            }
        }
    }

    if !input
        .mappings
        .iter()
        .any(|mapping| mapping.kind == Kind::V8)
    {
        // The kernel does not show which pages are V8's. V8's own count of this isolate is used, limited to what is left.
        let taken = input.engine.v8_physical_bytes.min(table.unexplained_bytes);
        table.unexplained_bytes -= taken;
        table.v8_heap_bytes += taken;
    }

    divide(input, &mut table, arenas, blocks);
    regions.sort_by_key(|region| std::cmp::Reverse(region.resident_bytes));
    regions.truncate(LARGEST);
    table.largest = if table.unexplained_bytes == 0 {
        Vec::new()
    } else {
        regions
    };
    table
}

/// Divides malloc's share by what malloc and V8 count.
fn divide<M>(input: &Input<M>, table: &mut Table, arenas: u64, blocks: u64) {
    let found: u64 = input
        .found
        .mapped_blocks
        .iter()
        .map(|block| block.end - block.start)
        .sum();
    let mut in_use;
    let never_touched;
    match input.malloc {
        Some(malloc) => {
            let mut blocks = blocks;
            if !input.found.complete {
                // Not every block was found. malloc's own total is used, limited to what is left.
                let missing = malloc
                    .mapped_bytes
                    .saturating_sub(found)
                    .min(table.unexplained_bytes);
                table.unexplained_bytes -= missing;
                blocks += missing;
            }
            let free = arenas
                .saturating_sub(malloc.in_use_bytes)
                .min(malloc.free_bytes);
            never_touched = malloc.mapped_bytes.saturating_sub(blocks);
            in_use = arenas - free + blocks;
            table.malloc_free_bytes = Some(free);
            // Small blocks in use that were never touched make the difference too small. Nothing makes it too large.
            table.malloc_free_at_most_bytes = Some(malloc.free_bytes.min(arenas));
            table.not_resident_bytes = Some(never_touched);
        }
        // malloc was not asked, or cannot be: the memory is malloc's, in use or not.
        None => {
            never_touched = found.saturating_sub(blocks);
            in_use = arenas + blocks;
        }
    }

    let engine = &input.engine;
    let touched = engine.array_buffers_bytes.saturating_sub(never_touched);
    let from_malloc = touched.min(in_use);
    in_use -= from_malloc;
    let missing = touched - from_malloc;
    // Another allocator replaces malloc (jemalloc, preloaded).
    let from_elsewhere = missing.min(table.unexplained_bytes);
    table.unexplained_bytes -= from_elsewhere;
    table.array_buffers_bytes = from_malloc + from_elsewhere;

    let web_assembly = table.web_assembly_bytes;
    let in_external = if engine.external_counts_web_assembly {
        web_assembly
    } else {
        0
    };
    let external = engine.external_bytes.saturating_sub(in_external);
    let declared = engine.declared_bytes.saturating_sub(web_assembly);
    // Addons' external buffers are in both, and it is not known how many. The larger one is certain; the sum is not.
    table.other_external_bytes = external
        .max(declared)
        .checked_sub(engine.array_buffers_bytes);
    match input.malloc {
        // Small untouched ArrayBuffers were counted against memory that others use. A 0 would not be a measurement.
        Some(_) => table.malloc_in_use_bytes = (missing == 0).then_some(in_use),
        None => table.malloc_undivided_bytes = Some(in_use),
    }
}

/// V8 reserves the address space of a WebAssembly memory at once, with a guard after the used part.
fn is_web_assembly(mapping: &Mapping, next: Option<&Mapping>) -> bool {
    !mapping.reserved
        && next.is_some_and(|next| {
            next.kind == Kind::V8
                && next.reserved
                && next.start == mapping.end
                && next.end - mapping.start >= WEB_ASSEMBLY_RESERVATION
        })
}

/// The owner of each part, in the order of addresses, without overlap.
fn claims<M>(input: &Input<M>) -> Vec<(Range, Owner)> {
    let mut claims: Vec<(Range, Owner)> = Vec::new();
    let heaps = input
        .found
        .arena_heaps
        .iter()
        .chain(&input.found.main_arena_pieces)
        .map(|range| (range.clone(), Owner::Arena));
    let blocks = input
        .found
        .mapped_blocks
        .iter()
        .map(|range| (range.clone(), Owner::Block));
    claims.extend(heaps.chain(blocks));
    claims.sort_by_key(|(range, _)| range.start);
    for &pointer in input.stack_pointers {
        let Some(mapping) = input.mappings.iter().find(|mapping| {
            mapping.kind == Kind::Anonymous && (mapping.start..mapping.end).contains(&pointer)
        }) else {
            continue;
        };
        if claims.iter().any(|(range, _)| range.contains(&pointer)) {
            continue;
        }
        // A stack starts at its guard, which ends the mapping below. Above it the kernel may have joined another mapping to it.
        let below = claims
            .iter()
            .map(|(range, _)| range.end)
            .filter(|&end| end <= pointer)
            .max();
        let start = below.map_or(mapping.start, |end| end.max(mapping.start));
        let above = claims
            .iter()
            .map(|(range, _)| range.start)
            .filter(|&at| at > pointer)
            .min();
        let end = above
            .map_or(mapping.end, |at| at.min(mapping.end))
            .min(start.saturating_add(input.stack_limit_bytes));
        if pointer < end {
            claims.push((start..end, Owner::Stack));
            claims.sort_by_key(|(range, _)| range.start);
        }
    }
    claims
}

fn within<'a>(
    claims: &'a [(Range, Owner)],
    mapping: &'a Mapping,
) -> impl Iterator<Item = (&'a Range, Owner)> {
    let first = claims.partition_point(|(range, _)| range.start < mapping.start);
    claims[first..]
        .iter()
        .take_while(|(range, _)| range.start < mapping.end)
        .map(|(range, owner)| (range, *owner))
}

/// The resident bytes of a part of a mapping; all of the part where the pages cannot be looked at.
fn resident_in(range: &Range, mapping: &Mapping, memory: &impl Memory) -> u64 {
    let size = range.end - range.start;
    let whole = mapping.end - mapping.start;
    if size == whole || mapping.resident_bytes == whole {
        return size.min(mapping.resident_bytes);
    }
    match memory.resident_pages(range) {
        Some(pages) => {
            pages.iter().filter(|&&resident| resident).count() as u64 * memory.page_bytes()
        }
        None => size,
    }
}

#[cfg(test)]
mod tests {
    use super::super::glibc_heaps::tests::{anonymous, Invented, PAGE};
    use super::*;

    const MIB: u64 = 1 << 20;

    fn mapping(kind: Kind, start: u64, resident_bytes: u64) -> Mapping {
        Mapping {
            kind,
            ..anonymous(start, resident_bytes.max(PAGE), resident_bytes)
        }
    }

    struct Case {
        mappings: Vec<Mapping>,
        found: Found,
        memory: Invented,
        stack_pointers: Vec<u64>,
        malloc: Option<Malloc>,
        engine: Engine,
    }

    impl Case {
        fn new(mappings: Vec<Mapping>) -> Self {
            Case {
                mappings,
                found: Found {
                    complete: true,
                    ..Found::default()
                },
                memory: Invented::default(),
                stack_pointers: Vec::new(),
                malloc: Some(Malloc::default()),
                engine: Engine::default(),
            }
        }

        /// The table, after checking what must hold for every table.
        fn table(&self) -> Table {
            let table = breakdown(&Input {
                mappings: &self.mappings,
                found: &self.found,
                memory: &self.memory,
                stack_pointers: &self.stack_pointers,
                stack_limit_bytes: 8 * MIB,
                malloc: self.malloc,
                engine: self.engine,
            });
            let rss: u64 = self
                .mappings
                .iter()
                .map(|mapping| mapping.resident_bytes)
                .sum();
            assert_eq!(table.rss_bytes, rss);
            assert_eq!(table.sum(), rss, "the rows add up: {table:?}");
            table
        }
    }

    #[test]
    fn every_kind_of_mapping_has_its_row() {
        let table = Case::new(vec![
            mapping(Kind::File, 0x1_0000, 11 * PAGE),
            mapping(Kind::V8, 0x10_0000, 13 * PAGE),
            mapping(Kind::Shared, 0x20_0000, 17 * PAGE),
            mapping(Kind::Named, 0x30_0000, 19 * PAGE),
            mapping(Kind::Anonymous, 0x40_0000, 23 * PAGE),
            mapping(Kind::MainStack, 0x50_0000, 29 * PAGE),
        ])
        .table();
        assert_eq!(table.file_mappings_bytes, 11 * PAGE);
        assert_eq!(table.v8_heap_bytes, 13 * PAGE);
        assert_eq!(table.shared_memory_bytes, 17 * PAGE);
        assert_eq!(table.other_anonymous_bytes, 19 * PAGE);
        assert_eq!(table.unexplained_bytes, 23 * PAGE);
        assert_eq!(table.thread_stacks_bytes, 29 * PAGE);
        let region = Region {
            start: 0x40_0000,
            end: 0x40_0000 + 23 * PAGE,
            resident_bytes: 23 * PAGE,
        };
        assert_eq!(table.largest, [region]);
    }

    #[test]
    fn mallocs_share_is_divided_by_what_malloc_and_v8_count() {
        // GIVEN 100 MiB of arenas, 40 of them free, and a block of 50 MiB
        let mut case = Case::new(vec![
            mapping(Kind::Brk, 0x100_0000, 100 * MIB),
            mapping(Kind::Anonymous, 0x7f00_0000_0000, 50 * MIB),
        ]);
        case.found
            .mapped_blocks
            .push(0x7f00_0000_0000..0x7f00_0000_0000 + 50 * MIB);
        case.malloc = Some(Malloc {
            in_use_bytes: 60 * MIB,
            free_bytes: 40 * MIB,
            mapped_bytes: 50 * MIB,
            ..Malloc::default()
        });
        case.engine.array_buffers_bytes = 55 * MIB;
        case.engine.external_bytes = 62 * MIB;
        let table = case.table();
        assert_eq!(table.malloc_free_bytes, Some(40 * MIB));
        assert_eq!(table.malloc_free_at_most_bytes, Some(40 * MIB));
        assert_eq!(table.array_buffers_bytes, 55 * MIB);
        assert_eq!(table.other_external_bytes, Some(7 * MIB));
        assert_eq!(
            table.malloc_in_use_bytes,
            Some(55 * MIB),
            "where other external memory lies is not known"
        );
        assert_eq!(table.not_resident_bytes, Some(0));
        assert_eq!(table.unexplained_bytes, 0);
    }

    #[test]
    fn free_memory_that_was_given_back_is_not_resident_and_not_counted() {
        // GIVEN what mallinfo2 says after malloc_trim: still 40 MiB free, of which the kernel has 39
        let mut case = Case::new(vec![mapping(Kind::Brk, 0x100_0000, 61 * MIB)]);
        case.malloc = Some(Malloc {
            in_use_bytes: 60 * MIB,
            free_bytes: 40 * MIB,
            ..Malloc::default()
        });
        let table = case.table();
        assert_eq!(table.malloc_free_bytes, Some(MIB));
        assert_eq!(table.malloc_in_use_bytes, Some(60 * MIB));
    }

    #[test]
    fn a_large_array_buffer_never_touched_is_no_memory() {
        let start = 0x7f00_0000_1000;
        let mut case = Case::new(vec![anonymous(start, 500 * MIB, PAGE)]);
        case.found.mapped_blocks.push(start..start + 500 * MIB);
        case.memory.resident = Some([start].into());
        case.malloc = Some(Malloc {
            mapped_bytes: 500 * MIB,
            ..Malloc::default()
        });
        case.engine.array_buffers_bytes = 500 * MIB - 16;
        let table = case.table();
        assert_eq!(table.array_buffers_bytes, PAGE - 16);
        assert_eq!(table.malloc_in_use_bytes, Some(16), "the block's header");
        assert_eq!(table.not_resident_bytes, Some(500 * MIB - PAGE));
    }

    #[test]
    fn counts_that_claim_more_than_is_there_are_cut_down() {
        let mut case = Case::new(vec![mapping(Kind::Brk, 0x100_0000, 10 * MIB)]);
        case.malloc = Some(Malloc {
            in_use_bytes: 900 * MIB,
            free_bytes: 900 * MIB,
            ..Malloc::default()
        });
        case.engine.array_buffers_bytes = 6 * MIB;
        case.engine.external_bytes = u64::MAX;
        let table = case.table();
        assert_eq!(table.array_buffers_bytes, 6 * MIB);
        assert_eq!(table.malloc_in_use_bytes, Some(4 * MIB));
        assert_eq!(
            (table.malloc_free_bytes, table.malloc_free_at_most_bytes),
            (Some(0), Some(10 * MIB)),
            "untouched blocks in use leave a range"
        );
        case.engine.array_buffers_bytes = 10 * MIB;
        assert_eq!(case.table().malloc_in_use_bytes, Some(0));
        case.engine.array_buffers_bytes = 11 * MIB;
        let table = case.table();
        assert_eq!(
            (table.array_buffers_bytes, table.malloc_in_use_bytes),
            (10 * MIB, None),
            "what else is in use is not known"
        );
    }

    #[test]
    fn external_memory_of_an_allocator_of_its_own_takes_nothing_off_malloc() {
        let mut case = Case::new(vec![
            mapping(Kind::Brk, 0x100_0000, 79 * MIB),
            mapping(Kind::Anonymous, 0x7f00_0000_0000, 203 * MIB),
        ]);
        case.malloc = Some(Malloc {
            in_use_bytes: 79 * MIB,
            ..Malloc::default()
        });
        case.engine.external_bytes = 202 * MIB;
        case.engine.declared_bytes = 201 * MIB;
        case.engine.array_buffers_bytes = MIB;
        let table = case.table();
        assert_eq!(
            (table.malloc_in_use_bytes, table.unexplained_bytes),
            (Some(78 * MIB), 203 * MIB)
        );
        assert_eq!(table.other_external_bytes, Some(201 * MIB));
    }

    #[test]
    fn where_array_buffers_without_an_object_outweigh_it_other_external_memory_is_not_known() {
        let mut case = Case::new(vec![mapping(Kind::Brk, 0x100_0000, 80 * MIB)]);
        case.engine.array_buffers_bytes = 70 * MIB;
        case.engine.external_bytes = 6 * MIB;
        assert_eq!(case.table().other_external_bytes, None);
    }

    #[test]
    fn array_buffers_of_another_allocator_come_out_of_the_unexplained() {
        let mut case = Case::new(vec![mapping(Kind::Anonymous, 0x7f00_0000_0000, 80 * MIB)]);
        case.engine.array_buffers_bytes = 30 * MIB;
        let table = case.table();
        assert_eq!(
            (table.array_buffers_bytes, table.unexplained_bytes),
            (30 * MIB, 50 * MIB)
        );
    }

    #[test]
    fn without_mallocs_count_its_share_is_not_divided_and_the_rest_still_adds_up() {
        let start = 0x7f00_0000_1000;
        let mut case = Case::new(vec![
            mapping(Kind::Brk, 0x100_0000, 10 * MIB),
            anonymous(start, 4 * MIB, PAGE),
        ]);
        case.found.mapped_blocks.push(start..start + 4 * MIB);
        case.memory.resident = Some([start].into());
        case.malloc = None;
        case.engine.array_buffers_bytes = 7 * MIB - PAGE;
        let table = case.table();
        assert_eq!(
            (table.malloc_in_use_bytes, table.malloc_free_bytes),
            (None, None)
        );
        assert_eq!(
            table.array_buffers_bytes,
            3 * MIB,
            "the untouched block is taken off"
        );
        assert_eq!(table.malloc_undivided_bytes, Some(7 * MIB + PAGE));
        assert_eq!(
            (table.not_resident_bytes, table.unexplained_bytes),
            (None, 0)
        );
    }

    #[test]
    fn blocks_that_were_not_all_found_are_filled_up_to_mallocs_total() {
        let mut case = Case::new(vec![mapping(Kind::Anonymous, 0x7f00_0000_0000, 80 * MIB)]);
        case.found.complete = false;
        case.found
            .mapped_blocks
            .push(0x7f00_0000_0000..0x7f00_0000_0000 + 10 * MIB);
        case.malloc = Some(Malloc {
            mapped_bytes: 60 * MIB,
            ..Malloc::default()
        });
        let table = case.table();
        assert_eq!(table.malloc_in_use_bytes, Some(60 * MIB));
        assert_eq!(table.unexplained_bytes, 20 * MIB);
    }

    #[test]
    fn a_mapping_of_several_owners_is_divided_by_its_pages() {
        // GIVEN a thread's stack with a block of malloc's grown on above it, and a stranger above that
        let start = 0x7f00_0000_1000;
        let stack = start..start + 8 * MIB;
        let block = stack.end..stack.end + MIB;
        let mut case = Case::new(vec![anonymous(start, 16 * MIB, 9 * PAGE)]);
        case.found.mapped_blocks.push(block.clone());
        case.stack_pointers.push(stack.end - 3 * PAGE);
        case.memory.resident = Some(
            [
                stack.end - PAGE,
                stack.end - 2 * PAGE,
                block.start,
                block.end,
                block.end + PAGE,
            ]
            .into(),
        );
        let table = case.table();
        assert_eq!(table.thread_stacks_bytes, 2 * PAGE);
        assert_eq!(table.malloc_in_use_bytes, Some(PAGE));
        assert_eq!(
            table.unexplained_bytes,
            6 * PAGE,
            "what smaps counts beyond the pages seen a moment later"
        );
    }

    #[test]
    fn a_stack_pointer_in_mallocs_memory_claims_nothing() {
        let start = 0x7f00_0000_0000;
        let mut case = Case::new(vec![anonymous(start, MIB, MIB)]);
        case.found.mapped_blocks.push(start..start + MIB);
        case.stack_pointers = vec![start + 5, 3];
        let table = case.table();
        assert_eq!(
            (table.thread_stacks_bytes, table.malloc_in_use_bytes),
            (0, Some(MIB))
        );
    }

    #[test]
    fn web_assembly_is_told_by_the_address_space_set_aside_behind_it() {
        let start = 0x7f00_0000_0000;
        let guard = |start: u64, end: u64| Mapping {
            end,
            reserved: true,
            ..mapping(Kind::V8, start, 0)
        };
        let mut case = Case::new(vec![
            mapping(Kind::V8, start, 20 * MIB),
            guard(start + 20 * MIB, start + (8 << 30)),
            mapping(Kind::V8, start + (9 << 30), MIB),
            guard(start + (9 << 30) + MIB, start + (9 << 30) + 128 * MIB),
        ]);
        case.engine.external_bytes = 25 * MIB;
        case.engine.declared_bytes = 24 * MIB;
        case.engine.external_counts_web_assembly = true;
        case.mappings
            .push(mapping(Kind::Brk, start + (20 << 30), 8 * MIB));
        case.malloc = Some(Malloc {
            in_use_bytes: 8 * MIB,
            ..Malloc::default()
        });
        let table = case.table();
        assert_eq!(
            (table.web_assembly_bytes, table.v8_heap_bytes),
            (20 * MIB, MIB)
        );
        assert_eq!(
            (table.other_external_bytes, table.malloc_in_use_bytes),
            (Some(5 * MIB), Some(8 * MIB))
        );
        case.engine.external_counts_web_assembly = false;
        case.engine.external_bytes = 2 * MIB;
        assert_eq!(
            case.table().other_external_bytes,
            Some(4 * MIB),
            "what addons declared besides"
        );
    }

    #[test]
    fn where_the_kernel_does_not_mark_v8s_pages_v8s_own_word_is_taken() {
        let mut case = Case::new(vec![mapping(Kind::Anonymous, 0x7f00_0000_0000, 50 * MIB)]);
        case.engine.v8_physical_bytes = 30 * MIB;
        let table = case.table();
        assert_eq!(
            (table.v8_heap_bytes, table.unexplained_bytes),
            (30 * MIB, 20 * MIB)
        );
    }

    #[test]
    fn zeroed_data_behind_an_image_is_not_unexplained() {
        let file = mapping(Kind::File, 0x40_0000, 4 * PAGE);
        let bss = mapping(Kind::Anonymous, file.end, 3 * PAGE);
        let table = Case::new(vec![file, bss]).table();
        assert_eq!(
            (table.other_anonymous_bytes, table.unexplained_bytes),
            (3 * PAGE, 0)
        );
        assert_eq!(table.largest, []);
    }
}
