//! The allocator of the process. Only it can free what it has allocated. `[unsafe]`
//!
//! Knows: where its functions are.
//! Duties of this file: call them with the types that the C library gives them.
//! Out of scope: the child's own allocator ([`super::child::scratch_malloc`]).
//! Limitations: a process that mixes two allocators. It gets none, with the reason.

use std::ffi::c_void;

use crate::base::elf::images;

pub(super) type Free = unsafe extern "C" fn(*mut c_void);
pub(super) type UsableSize = unsafe extern "C" fn(*mut c_void) -> usize;

/// The functions of the process's allocator: the C library's, or those of a library that was preloaded (jemalloc, tcmalloc,
/// mimalloc). Every block from before the fork is its, so only it can free them.
#[derive(Debug, Clone, Copy)]
pub struct Originals {
    pub(super) free: Free,
    pub(super) usable_size: UsableSize,
}

/// Finds the process's allocator, or says why it cannot be found. Runs in the parent, before the fork: the loader takes locks.
///
/// `bound`: where the node image's own slots of the family lead to, by name. Not what the C library defines: under a preloaded
/// allocator every child that freed a block through it died of `free(): invalid size`. Not what `dlsym(RTLD_DEFAULT)` finds:
/// that is node's own PLT entry on Node 20 to 24, which leads to the slot that leads here. And not our own import slots: on Node 26
/// `free` there leads to node's.
pub fn originals(bound: &[(&str, usize)]) -> Result<Originals, String> {
    let at = |name: &str| {
        bound
            .iter()
            .find(|(bound, _)| *bound == name)
            .map(|(_, addr)| *addr)
    };
    let missing = |name: &str| format!("the node image does not import {name} through a slot");
    let malloc = at("malloc").ok_or_else(|| missing("malloc"))?;
    let free = at("free").ok_or_else(|| missing("free"))?;
    let (image, path) =
        images::named_containing(malloc).ok_or("malloc lies in no image of the loader's")?;
    let allocator = String::from_utf8_lossy(&path).into_owned();
    // Parts of two allocators: it cannot be known which of them made a block.
    if let Some((name, _)) = bound.iter().find(|(_, addr)| !image.contains(*addr, 1)) {
        return Err(format!(
            "malloc comes from {allocator}, and {name} does not: two allocators are mixed in this process"
        ));
    }
    let usable_size = images::symbol_in(&path, "malloc_usable_size")
        .filter(|addr| image.contains(*addr, 1))
        .ok_or_else(|| format!("{allocator} has no malloc_usable_size"))?;
    Ok(Originals {
        // SAFETY: node calls this address as `free`, whose type this is — free(3).
        free: unsafe { std::mem::transmute::<usize, Free>(free) },
        // SAFETY: the function of this name of an image that defines the whole family — malloc_usable_size(3).
        usable_size: unsafe { std::mem::transmute::<usize, UsableSize>(usable_size) },
    })
}

impl Originals {
    /// The process's `free`.
    ///
    /// # Safety
    ///
    /// As free(3): a block of the process's allocator that is allocated, or null.
    pub unsafe fn free(&self, block: *mut c_void) {
        // SAFETY: our caller's promise.
        unsafe { (self.free)(block) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
