//! The region of the child's scratch: a shared mapping of a nameless file, cut into blocks. `[unsafe]`
//!
//! Blocks have no header. They lie in runs of one size, in the order of their allocation: what V8's generator walks together lies
//! together, and where memory is short the size of that working set decides how long a snapshot takes.
//!
//! ```text
//!  region:  | unit 64 KiB | unit | unit | unit …                | not touched yet |
//!           | class 3     | class 9 | large ─────────── | free  |
//!  kinds:   one byte per unit: a class, the head or the rest of a large block, or nothing
//! ```
//!
//! Duties of this file: never allocate, never call a function that may reach the `malloc` family, never panic.
//! Out of scope: who allocates; blocks of other allocators.
//! Limitations: a disk that runs full, which shows as SIGBUS at the next touch. The parent sees it coming and ends the child first.

use std::ffi::{c_int, c_void};
use std::os::fd::RawFd;

use super::size_classes::{self, COUNT, LARGEST};

/// What the region is cut into; blocks of a power of two lie at its multiples, because units do.
pub const UNIT: usize = 64 << 10;
/// Large blocks of at least this are given back to the disk when they are freed.
const GIVE_BACK: usize = 1 << 20;
const SPANS: usize = 4096;

// Kinds of units; 1..=COUNT are classes.
const FREE: u8 = 0;
const LARGE: u8 = 254;
const LARGE_REST: u8 = 255;
const _: () = assert!(COUNT < LARGE as usize, "a class must fit a unit's kind");

/// The blocks of one region, and where it has room.
pub struct Region {
    base: usize,
    unit_count: usize,
    /// The first unit that was never used.
    fresh: usize,
    /// One kind per unit.
    kinds: *mut u8,
    /// The number of units of the large block that begins at a unit.
    lengths: *mut u32,
    /// The first free block of each class; each holds the address of the next.
    free_blocks: [usize; COUNT],
    /// What is left of the unit that each class is cutting: next block, and end.
    runs: [(usize, usize); COUNT],
    /// Free spans of units, sorted: first unit, count, and whether they read as zero.
    spans: *mut Span,
    span_count: usize,
}

#[derive(Clone, Copy)]
struct Span {
    first: usize,
    count: usize,
    zeroed: bool,
}

impl Region {
    /// A region without room.
    pub const EMPTY: Region = Region {
        base: 0,
        unit_count: 0,
        fresh: 0,
        kinds: std::ptr::null_mut(),
        lengths: std::ptr::null_mut(),
        free_blocks: [0; COUNT],
        runs: [(0, 0); COUNT],
        spans: std::ptr::null_mut(),
        span_count: 0,
    };

    /// Maps a file, which becomes as large as the region and stays sparse. `None` where that is refused.
    pub fn map(file: RawFd, region_bytes: usize) -> Option<Region> {
        let unit_count = region_bytes / UNIT;
        // SAFETY: integers only — ftruncate(2). Only what is touched takes room on the disk.
        if unsafe { libc::ftruncate(file, (unit_count * UNIT) as libc::off_t) } != 0 {
            return None;
        }
        let shared = libc::MAP_SHARED | libc::MAP_NORESERVE;
        let private = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // One unit more, so that the first can be aligned to units (which aligned blocks rely on).
        let region = map((unit_count + 1) * UNIT, private, -1)?;
        let base = region.next_multiple_of(UNIT);
        // SAFETY: replaces pages of the mapping made one line up, which nobody uses yet — mmap(2), MAP_FIXED.
        let mapped = unsafe {
            libc::mmap(
                base as *mut c_void,
                unit_count * UNIT,
                libc::PROT_READ | libc::PROT_WRITE,
                shared | libc::MAP_FIXED,
                file,
                0,
            )
        };
        if mapped == libc::MAP_FAILED {
            return None;
        }
        // Reading around a page that is wanted evicts others that will be: 93 s instead of 109 s at a third of the memory.
        // SAFETY: a range of our own mapping; advice only — madvise(2).
        unsafe { libc::madvise(mapped, unit_count * UNIT, libc::MADV_RANDOM) };
        Some(Region {
            base,
            unit_count,
            kinds: map(unit_count, private, -1)? as *mut u8,
            lengths: map(unit_count * size_of::<u32>(), private, -1)? as *mut u32,
            spans: map(SPANS * size_of::<Span>(), private, -1)? as *mut Span,
            ..Region::EMPTY
        })
    }

    /// The first byte that no unit was ever cut from, counted from the region's start.
    #[cfg(test)]
    pub(super) fn used_bytes(&self) -> usize {
        self.fresh * UNIT
    }

    fn kinds(&mut self) -> &mut [u8] {
        // SAFETY: `map` mapped one byte per unit, and nothing else uses them.
        unsafe { std::slice::from_raw_parts_mut(self.kinds, self.unit_count) }
    }

    fn lengths(&mut self) -> &mut [u32] {
        // SAFETY: `map` mapped one entry per unit, and nothing else uses them.
        unsafe { std::slice::from_raw_parts_mut(self.lengths, self.unit_count) }
    }

    fn kind(&mut self, unit: usize) -> u8 {
        self.kinds()[unit]
    }

    fn set_kinds(&mut self, first: usize, count: usize, kind: u8) {
        self.kinds()[first..first + count].fill(kind);
    }

    fn length(&mut self, unit: usize) -> usize {
        self.lengths()[unit] as usize
    }

    fn set_length(&mut self, unit: usize, count: usize) {
        self.lengths()[unit] = count as u32;
    }

    fn spans(&mut self) -> &mut [Span] {
        // SAFETY: `spans` has room for SPANS entries, of which the first `span_count` were written.
        unsafe { std::slice::from_raw_parts_mut(self.spans, self.span_count) }
    }

    /// The unit that an address lies in; `None` for a foreign block.
    pub fn unit_of(&self, addr: usize) -> Option<usize> {
        let offset = addr.checked_sub(self.base)?;
        let unit = offset / UNIT;
        (self.base != 0 && unit < self.unit_count).then_some(unit)
    }

    /// Units in a row, and whether they read as zero.
    fn take_units(&mut self, count: usize) -> Option<(usize, bool)> {
        // The first that fits: low addresses fill up first, and the file stays short.
        if let Some(index) = self.spans().iter().position(|span| span.count >= count) {
            let span = &mut self.spans()[index];
            let (first, zeroed) = (span.first, span.zeroed);
            span.first += count;
            span.count -= count;
            if span.count == 0 {
                self.remove_span(index);
            }
            return Some((first, zeroed));
        }
        let first = self.fresh;
        if count > self.unit_count - first {
            return None;
        }
        self.fresh += count;
        Some((first, true))
    }

    fn give_units(&mut self, first: usize, count: usize) {
        self.set_kinds(first, count, FREE);
        let mut zeroed = false;
        if count * UNIT >= GIVE_BACK {
            let addr = (self.base + first * UNIT) as *mut c_void;
            // SAFETY: units of our own region that hold no block any more; they read as zero afterwards — madvise(2).
            zeroed = unsafe { libc::madvise(addr, count * UNIT, libc::MADV_REMOVE) } == 0;
        }
        if first + count == self.fresh && zeroed {
            self.fresh = first;
            return;
        }
        let at = self.spans().partition_point(|span| span.first < first);
        let touches_next = self
            .spans()
            .get(at)
            .is_some_and(|next| first + count == next.first && next.zeroed == zeroed);
        let touches_previous = at > 0 && {
            let previous = self.spans()[at - 1];
            previous.first + previous.count == first && previous.zeroed == zeroed
        };
        match (touches_previous, touches_next) {
            (true, true) => {
                let next = self.spans()[at].count;
                self.spans()[at - 1].count += count + next;
                self.remove_span(at);
            }
            (true, false) => self.spans()[at - 1].count += count,
            (false, true) => {
                let next = &mut self.spans()[at];
                next.first = first;
                next.count += count;
            }
            // The table is full: this short-lived process cannot use these units again.
            (false, false) if self.span_count == SPANS => {}
            (false, false) => {
                self.span_count += 1;
                let spans = self.spans();
                spans.copy_within(at..spans.len() - 1, at + 1);
                spans[at] = Span {
                    first,
                    count,
                    zeroed,
                };
            }
        }
    }

    fn remove_span(&mut self, index: usize) {
        self.spans().copy_within(index + 1.., index);
        self.span_count -= 1;
    }

    /// A block, and whether it reads as zero; 0 when the region is full.
    pub fn allocate(&mut self, size: usize) -> (usize, bool) {
        if size > LARGEST {
            let count = size.div_ceil(UNIT);
            let Some((first, zeroed)) = self.take_units(count) else {
                return (0, false);
            };
            self.set_kinds(first, 1, LARGE);
            self.set_kinds(first + 1, count - 1, LARGE_REST);
            self.set_length(first, count);
            return (self.base + first * UNIT, zeroed);
        }
        let class = size_classes::class_of(size);
        let free = self.free_blocks[class];
        if free != 0 {
            // SAFETY: a free block of this class: at least 16 bytes, aligned to 16, and its first word was written by
            // `release`.
            self.free_blocks[class] = unsafe { *(free as *const usize) };
            return (free, false);
        }
        let block = size_classes::size_of(class);
        let (next, end) = self.runs[class];
        if end - next >= block {
            self.runs[class].0 = next + block;
            return (next, self.run_is_zeroed(next));
        }
        let Some((unit, zeroed)) = self.take_units(1) else {
            return (0, false);
        };
        self.set_kinds(unit, 1, class as u8 + 1);
        self.set_length(unit, usize::from(zeroed));
        let start = self.base + unit * UNIT;
        self.runs[class] = (start + block, start + UNIT);
        (start, zeroed)
    }

    /// For units of a class, `lengths` tells whether the unit read as zero when it was taken.
    fn run_is_zeroed(&mut self, addr: usize) -> bool {
        self.unit_of(addr)
            .is_some_and(|unit| self.length(unit) == 1)
    }

    /// The bytes that a block of ours has room for.
    pub fn capacity(&mut self, unit: usize) -> usize {
        match self.kind(unit) {
            LARGE => self.length(unit) * UNIT,
            FREE | LARGE_REST => 0,
            class => size_classes::size_of(usize::from(class) - 1),
        }
    }

    /// Frees a block of this unit.
    pub fn release(&mut self, addr: usize, unit: usize) {
        match self.kind(unit) {
            LARGE => {
                let count = self.length(unit);
                self.give_units(unit, count);
            }
            // Freed twice, or never allocated. Nothing is done about it: there is no block to reuse.
            FREE | LARGE_REST => {}
            class => {
                let class = usize::from(class) - 1;
                // SAFETY: a block of this class that its owner has given up: at least 16 bytes, aligned to 16.
                unsafe { *(addr as *mut usize) = self.free_blocks[class] };
                self.free_blocks[class] = addr;
            }
        }
    }
}

fn map(byte_length: usize, flags: c_int, file: RawFd) -> Option<usize> {
    // SAFETY: a new mapping at an address of the kernel's choice; touches no memory in use — mmap(2).
    let addr = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            byte_length,
            libc::PROT_READ | libc::PROT_WRITE,
            flags,
            file,
            0,
        )
    };
    (addr != libc::MAP_FAILED).then_some(addr as usize)
}
