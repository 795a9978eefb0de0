//! The child's `malloc` over a shared mapping of a nameless file. `[unsafe]`
//!
//! What V8's snapshot generator allocates is then file cache, which the kernel writes back and takes away under
//! pressure, instead of anonymous memory, for which it kills. Blocks have no header and lie in runs of one size, in the
//! order of their allocation: what the generator walks together lies together, and under pressure the size of that
//! working set is everything.
//!
//! ```text
//!  region:  | unit 64 KiB | unit | unit | unit …                | not touched yet |
//!           | class 3     | class 9 | large ─────────── | free  |
//!  kinds:   one byte per unit: a class, the head or the rest of a large block, or nothing
//! ```
//!
//! Duties of this file: run only in the child, on its only thread (nothing here is locked); hand foreign blocks (made
//! before the fork, or inside the C library) to the allocator that made them; never call a function that may come back
//! through a slot that leads here; never panic.
//! Out of scope: what is allocated, or why.
//! Limitations: a disk that runs full, which shows as SIGBUS at the next touch; the reaper watches for it and kills first.

use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::os::fd::RawFd;

use super::allocator::Originals;
use super::excluded_memory;
use super::size_classes::{self, COUNT, LARGEST};

const UNIT: usize = 64 << 10;
/// Large blocks of at least this are given back to the disk when they are freed.
const GIVE_BACK: usize = 1 << 20;
const SPANS: usize = 4096;

// Kinds of units; 1..=COUNT are classes.
const FREE: u8 = 0;
const LARGE: u8 = 254;
const LARGE_REST: u8 = 255;
const _: () = assert!(COUNT < LARGE as usize, "a class must fit a unit's kind");

/// The functions that are replaced in the child when its scratch is on disk.
pub fn table() -> [(&'static str, usize); 8] {
    [
        ("malloc", malloc as *const () as usize),
        ("calloc", calloc as *const () as usize),
        ("realloc", realloc as *const () as usize),
        ("free", free as *const () as usize),
        ("posix_memalign", posix_memalign as *const () as usize),
        ("aligned_alloc", aligned_alloc as *const () as usize),
        ("memalign", aligned_alloc as *const () as usize),
        (
            "malloc_usable_size",
            malloc_usable_size as *const () as usize,
        ),
    ]
}

struct State {
    originals: Option<Originals>,
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

struct OnlyThread(UnsafeCell<State>);

// SAFETY: used only in the child, which has one thread; the parent never touches it (`start` is called from
// `child::set_up`, and the slots that lead here are written there).
unsafe impl Sync for OnlyThread {}

static STATE: OnlyThread = OnlyThread(UnsafeCell::new(State {
    originals: None,
    base: 0,
    unit_count: 0,
    fresh: 0,
    kinds: std::ptr::null_mut(),
    lengths: std::ptr::null_mut(),
    free_blocks: [0; COUNT],
    runs: [(0, 0); COUNT],
    spans: std::ptr::null_mut(),
    span_count: 0,
}));

/// Maps the file and makes ready. In the child, before any slot leads here; whether that worked.
pub fn start(file: RawFd, region_bytes: usize, originals: Originals) -> bool {
    let unit_count = region_bytes / UNIT;
    // SAFETY: integers only — ftruncate(2). The file stays sparse: only what is touched takes room.
    if unsafe { libc::ftruncate(file, (unit_count * UNIT) as libc::off_t) } != 0 {
        return false;
    }
    let shared = libc::MAP_SHARED | libc::MAP_NORESERVE;
    let private = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // One unit more, so that the first can be aligned to units (which aligned blocks rely on).
    let Some(region) = map((unit_count + 1) * UNIT, private, -1) else {
        return false;
    };
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
        return false;
    }
    // Reading around a page that is wanted evicts others that will be: 93 s instead of 109 s at a third of the memory.
    // SAFETY: a range of our own mapping; advice only — madvise(2).
    unsafe { libc::madvise(mapped, unit_count * UNIT, libc::MADV_RANDOM) };
    let tables = [
        unit_count,
        unit_count * size_of::<u32>(),
        SPANS * size_of::<Span>(),
    ];
    let [Some(kinds), Some(lengths), Some(spans)] =
        tables.map(|byte_length| map(byte_length, private, -1))
    else {
        return false;
    };
    let state = state();
    state.originals = Some(originals);
    state.base = base;
    state.unit_count = unit_count;
    state.kinds = kinds as *mut u8;
    state.lengths = lengths as *mut u32;
    state.spans = spans as *mut Span;
    true
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

#[allow(
    clippy::mut_from_ref,
    reason = "the child's only thread; no caller keeps one across a call of another function here"
)]
fn state() -> &'static mut State {
    // SAFETY: one thread (see `OnlyThread`), and no function here holds the reference while it calls another that
    // takes it again: `malloc`, `free` and their kin each take it once and pass it down.
    unsafe { &mut *STATE.0.get() }
}

impl State {
    fn kinds(&mut self) -> &mut [u8] {
        // SAFETY: `start` mapped one byte per unit, and nothing else uses them.
        unsafe { std::slice::from_raw_parts_mut(self.kinds, self.unit_count) }
    }

    fn lengths(&mut self) -> &mut [u32] {
        // SAFETY: `start` mapped one entry per unit, and nothing else uses them.
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
    fn unit_of(&self, addr: usize) -> Option<usize> {
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
            // Full: these units are lost to this short-lived process, and nothing worse.
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
    fn allocate(&mut self, size: usize) -> (usize, bool) {
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
    fn capacity(&mut self, unit: usize) -> usize {
        match self.kind(unit) {
            LARGE => self.length(unit) * UNIT,
            FREE | LARGE_REST => 0,
            class => size_classes::size_of(usize::from(class) - 1),
        }
    }

    fn release(&mut self, addr: usize, unit: usize) {
        match self.kind(unit) {
            LARGE => {
                let count = self.length(unit);
                self.give_units(unit, count);
            }
            // Freed twice, or never allocated: glibc would end the process, and so do we by doing nothing worse.
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

/// # Safety
///
/// As malloc(3).
unsafe extern "C" fn malloc(size: usize) -> *mut c_void {
    state().allocate(size).0 as *mut c_void
}

/// # Safety
///
/// As calloc(3).
unsafe extern "C" fn calloc(count: usize, each: usize) -> *mut c_void {
    let Some(size) = count.checked_mul(each) else {
        return std::ptr::null_mut();
    };
    let (addr, zeroed) = state().allocate(size);
    if addr != 0 && !zeroed {
        // SAFETY: a block of at least `size` bytes that was just allocated.
        unsafe { std::ptr::write_bytes(addr as *mut u8, 0, size) };
    }
    addr as *mut c_void
}

/// # Safety
///
/// As free(3): a block that is allocated, or null.
unsafe extern "C" fn free(block: *mut c_void) {
    if block.is_null() {
        return;
    }
    let state = state();
    match state.unit_of(block as usize) {
        Some(unit) => state.release(block as usize, unit),
        // Left out of the fork: there is nothing to give back, and no header to read.
        None if excluded_memory::contains(block as usize) => {}
        None => {
            if let Some(originals) = state.originals {
                // SAFETY: not from our region, so from the process's allocator (our caller's promise: an allocated block).
                unsafe { (originals.free)(block) };
            }
        }
    }
}

/// # Safety
///
/// As realloc(3): a block that is allocated, or null.
unsafe extern "C" fn realloc(block: *mut c_void, size: usize) -> *mut c_void {
    if block.is_null() {
        return state().allocate(size).0 as *mut c_void;
    }
    if size == 0 {
        // SAFETY: our caller's promise.
        unsafe { free(block) };
        return std::ptr::null_mut();
    }
    // SAFETY: our caller's promise.
    let capacity = unsafe { malloc_usable_size(block) };
    let is_ours = state().unit_of(block as usize).is_some();
    if is_ours && size <= capacity && size > capacity / 2 {
        return block;
    }
    let made = state().allocate(size).0 as *mut c_void;
    if !made.is_null() {
        // SAFETY: both blocks are allocated, apart from each other, and have room for that many bytes.
        unsafe {
            std::ptr::copy_nonoverlapping(block.cast::<u8>(), made.cast::<u8>(), size.min(capacity))
        };
        // SAFETY: our caller's promise; the contents were moved.
        unsafe { free(block) };
    }
    made
}

/// # Safety
///
/// As malloc_usable_size(3): a block that is allocated, or null.
unsafe extern "C" fn malloc_usable_size(block: *mut c_void) -> usize {
    if block.is_null() {
        return 0;
    }
    let state = state();
    match (state.unit_of(block as usize), state.originals) {
        (Some(unit), _) => state.capacity(unit),
        // SAFETY: not from our region, so from the process's allocator (our caller's promise: an allocated block).
        (None, Some(originals)) => unsafe { (originals.usable_size)(block) },
        (None, None) => 0,
    }
}

/// # Safety
///
/// As aligned_alloc(3).
unsafe extern "C" fn aligned_alloc(alignment: usize, size: usize) -> *mut c_void {
    aligned(alignment, size)
}

/// # Safety
///
/// As posix_memalign(3): `result` points to a pointer.
unsafe extern "C" fn posix_memalign(
    result: *mut *mut c_void,
    alignment: usize,
    size: usize,
) -> c_int {
    if !alignment.is_power_of_two() || alignment < size_of::<usize>() {
        return libc::EINVAL;
    }
    let block = aligned(alignment, size);
    if block.is_null() {
        return libc::ENOMEM;
    }
    // SAFETY: our caller's promise.
    unsafe { *result = block };
    0
}

/// Blocks of a power of two lie at its multiples, because units do; everything lies at multiples of 16.
fn aligned(alignment: usize, size: usize) -> *mut c_void {
    if alignment > UNIT || !alignment.is_power_of_two() {
        return std::ptr::null_mut();
    }
    let size = match size.max(alignment).checked_next_power_of_two() {
        Some(rounded) if alignment > 16 && rounded <= LARGEST => rounded,
        // Larger ones begin at a unit.
        Some(_) if alignment > 16 => size.max(LARGEST + 1),
        _ => size,
    };
    state().allocate(size).0 as *mut c_void
}

#[cfg(test)]
mod tests {
    use super::super::allocator::originals;
    use super::*;
    use crate::base::elf::images;
    use std::os::fd::AsRawFd;

    /// The bytes of a live block.
    fn bytes(block: usize, size: usize) -> &'static mut [u8] {
        // SAFETY: the tests ask only for blocks that are live and at least that long, one at a time.
        unsafe { std::slice::from_raw_parts_mut(block as *mut u8, size) }
    }

    #[test]
    fn the_allocator_is_the_image_that_the_slots_lead_to_or_there_is_none() {
        let at = |name| images::symbol_in(b"libc.so.6", name).expect("the C library's");
        let (malloc, free) = (at("malloc"), at("free"));
        assert!(originals(&[("malloc", malloc), ("free", free)]).is_ok());

        let elsewhere = originals as *const () as usize;
        let cases: [(&[(&str, usize)], &str); 5] = [
            (&[], "does not import malloc"),
            (&[("malloc", malloc)], "does not import free"),
            (&[("malloc", 8), ("free", free)], "in no image"),
            (
                &[("malloc", malloc), ("free", free), ("realloc", elsewhere)],
                "realloc does not",
            ),
            // This test's executable defines no allocator.
            (
                &[("malloc", elsewhere), ("free", elsewhere)],
                "no malloc_usable_size",
            ),
        ];
        for (bound, reason) in cases {
            let error = originals(bound).expect_err(reason);
            assert!(error.contains(reason), "{error}");
        }
    }

    /// One test, because the state is the process's: random allocations against a plain model of what is live.
    #[test]
    fn blocks_never_overlap_keep_their_contents_and_are_used_again() {
        let file = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(std::env::temp_dir().join(format!("offheap-scratch-{}", std::process::id())))
            .expect("a file");
        std::fs::remove_file(
            std::env::temp_dir().join(format!("offheap-scratch-{}", std::process::id())),
        )
        .expect("removed");
        let region = 256 << 20;
        assert!(start(
            file.as_raw_fd(),
            region,
            Originals {
                free: libc::free,
                usable_size: libc::malloc_usable_size,
            }
        ));

        let mut seed = 0x2545_f491_4f6c_dd1du64;
        let mut random = move |limit: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed % limit as u64) as usize
        };
        let mut live: Vec<(usize, usize, u8)> = Vec::new();
        let mut most_units = 0;
        for round in 0..12_000usize {
            let size = match random(20) {
                0 => random(2 << 20) + 1,
                1..=3 => random(40_000) + 1,
                _ => random(300) + 1,
            };
            let mark = round as u8;
            match random(10) {
                0..=4 if live.len() < 400 => {
                    let kind = random(3);
                    let alignment = 1usize << (4 + random(9));
                    let block = match kind {
                        // SAFETY: any size.
                        0 => unsafe { malloc(size) },
                        // SAFETY: any size.
                        1 => unsafe { calloc(1, size) },
                        _ => aligned(alignment, size),
                    } as usize;
                    assert!(block != 0);
                    assert_eq!(block % if kind == 2 { alignment } else { 16 }, 0);
                    if kind == 1 {
                        assert!(bytes(block, size).iter().all(|&byte| byte == 0));
                    }
                    bytes(block, size).fill(mark);
                    live.push((block, size, mark));
                }
                5 if !live.is_empty() => {
                    let index = random(live.len());
                    let (block, old, kept) = live[index];
                    // SAFETY: a live block.
                    let moved = unsafe { realloc(block as *mut c_void, size) } as usize;
                    assert!(moved != 0);
                    let moved_bytes = bytes(moved, size);
                    assert!(moved_bytes.iter().take(old).all(|&byte| byte == kept));
                    moved_bytes.fill(kept);
                    live[index] = (moved, size, kept);
                }
                _ if !live.is_empty() => {
                    let (block, size, kept) = live.swap_remove(random(live.len()));
                    assert!(bytes(block, size).iter().all(|&byte| byte == kept));
                    // SAFETY: a live block.
                    unsafe { free(block as *mut c_void) };
                }
                _ => {}
            }
            most_units = most_units.max(state().fresh);
        }
        let mut ranges: Vec<_> = live
            .iter()
            .map(|&(block, size, _)| (block, block + size))
            .collect();
        ranges.sort_unstable();
        assert!(ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0));
        // 400 live blocks, 5 % of them up to 2 MiB: about 30 MB at a time.
        assert!(
            most_units * UNIT < 160 << 20,
            "{} MiB",
            (most_units * UNIT) >> 20
        );

        // A foreign block goes to the process's allocator.
        // SAFETY: any size.
        let foreign = unsafe { libc::malloc(100) };
        bytes(foreign as usize, 100).fill(7);
        // SAFETY: a live block.
        let moved = unsafe { realloc(foreign, 200) };
        assert!(state().unit_of(moved as usize).is_some());
        assert!(bytes(moved as usize, 100).iter().all(|&byte| byte == 7));
        // SAFETY: any size.
        let foreign = unsafe { libc::malloc(10) };
        // SAFETY: a live block of the C library.
        unsafe { free(foreign) };

        // Full: null, not a crash.
        // SAFETY: any size.
        assert!(unsafe { malloc(region) }.is_null());
        // SAFETY: any sizes.
        assert!(unsafe { calloc(usize::MAX, 2) }.is_null());
    }
}
