//! The child's `malloc` in a file: the functions of the `malloc` family over a [`Region`]. `[unsafe]`
//!
//! What V8's snapshot generator allocates is then file cache, which the kernel writes back and takes away where memory is short,
//! instead of anonymous memory, for which it kills.
//!
//! Duties of this file: run only in the child, on its only thread (nothing here is locked); hand foreign blocks (made
//! before the fork, or inside the C library) to the allocator that made them; never call a function that may reach a slot
//! which leads here; never panic.
//! Out of scope: what is allocated, and why.
//! Limitations: a full disk; see [`super::scratch_region`].

use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::os::fd::RawFd;

use crate::probe::allocator::Originals;

use super::excluded_memory;
use super::scratch_region::{Region, UNIT};
use super::size_classes::LARGEST;

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

struct Scratch {
    region: Region,
    originals: Option<Originals>,
}

struct OnlyThread(UnsafeCell<Scratch>);

// SAFETY: used only in the child, which has one thread; the parent never touches it (`start` is called from
// `set_up::set_up`, and the slots that lead here are written there).
unsafe impl Sync for OnlyThread {}

static SCRATCH: OnlyThread = OnlyThread(UnsafeCell::new(Scratch {
    region: Region::EMPTY,
    originals: None,
}));

/// Maps the file. In the child, before any slot leads here; whether that worked.
pub fn start(file: RawFd, region_bytes: usize, originals: Originals) -> bool {
    let Some(region) = Region::map(file, region_bytes) else {
        return false;
    };
    *scratch() = Scratch {
        region,
        originals: Some(originals),
    };
    true
}

#[allow(
    clippy::mut_from_ref,
    reason = "the child's only thread; no caller keeps one across a call of another function here"
)]
fn scratch() -> &'static mut Scratch {
    // SAFETY: one thread (see `OnlyThread`), and no function here holds the reference while it calls another that
    // takes it again: `malloc`, `free` and their kin each take it once and pass it down.
    unsafe { &mut *SCRATCH.0.get() }
}

/// # Safety
///
/// As malloc(3).
unsafe extern "C" fn malloc(size: usize) -> *mut c_void {
    scratch().region.allocate(size).0 as *mut c_void
}

/// # Safety
///
/// As calloc(3).
unsafe extern "C" fn calloc(count: usize, each: usize) -> *mut c_void {
    let Some(size) = count.checked_mul(each) else {
        return std::ptr::null_mut();
    };
    let (addr, zeroed) = scratch().region.allocate(size);
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
    let scratch = scratch();
    match scratch.region.unit_of(block as usize) {
        Some(unit) => scratch.region.release(block as usize, unit),
        // Excluded from the fork: there is nothing to free, and no header to read.
        None if excluded_memory::contains(block as usize) => {}
        None => {
            if let Some(originals) = scratch.originals {
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
        return scratch().region.allocate(size).0 as *mut c_void;
    }
    if size == 0 {
        // SAFETY: our caller's promise.
        unsafe { free(block) };
        return std::ptr::null_mut();
    }
    // SAFETY: our caller's promise.
    let capacity = unsafe { malloc_usable_size(block) };
    let is_ours = scratch().region.unit_of(block as usize).is_some();
    if is_ours && size <= capacity && size > capacity / 2 {
        return block;
    }
    let made = scratch().region.allocate(size).0 as *mut c_void;
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
    let scratch = scratch();
    match (scratch.region.unit_of(block as usize), scratch.originals) {
        (Some(unit), _) => scratch.region.capacity(unit),
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
    scratch().region.allocate(size).0 as *mut c_void
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    /// The bytes of a live block.
    fn bytes(block: usize, size: usize) -> &'static mut [u8] {
        // SAFETY: the tests ask only for blocks that are live and at least that long, one at a time.
        unsafe { std::slice::from_raw_parts_mut(block as *mut u8, size) }
    }

    /// One test, because there is one scratch in a process: random allocations against a plain model of what is live.
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
        let mut most_bytes = 0;
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
            most_bytes = most_bytes.max(scratch().region.used_bytes());
        }
        let mut ranges: Vec<_> = live
            .iter()
            .map(|&(block, size, _)| (block, block + size))
            .collect();
        ranges.sort_unstable();
        assert!(ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0));
        // 400 live blocks, 5 % of them up to 2 MiB: about 30 MB at a time.
        assert!(most_bytes < 160 << 20, "{} MiB", most_bytes >> 20);

        // A foreign block goes to the process's allocator.
        // SAFETY: any size.
        let foreign = unsafe { libc::malloc(100) };
        bytes(foreign as usize, 100).fill(7);
        // SAFETY: a live block.
        let moved = unsafe { realloc(foreign, 200) };
        assert!(scratch().region.unit_of(moved as usize).is_some());
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
