//! Where the functions really are.
//!
//! Knows: for each hooked function its original and our hook. `patching.rs` writes them down before anything is patched.
//! Out of scope: how they are found, and what they do.
//! Limitations: a function that this Node does not have has the original 0.

#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicUsize, Ordering};

use super::functions::{Function, COUNT};

/// What is replaced by what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replacement {
    /// Where the function really is; 0 when this Node does not have it.
    pub original: usize,
    /// What is to be called instead.
    pub hook: usize,
}

static ORIGINALS: [AtomicUsize; COUNT] = [const { AtomicUsize::new(0) }; COUNT];
static HOOKS: [AtomicUsize; COUNT] = [const { AtomicUsize::new(0) }; COUNT];

/// The address of an original; 0 when this Node does not have it.
#[inline]
pub fn address(function: Function) -> usize {
    ORIGINALS
        .get(function as usize)
        .map_or(0, |original| original.load(Ordering::Relaxed))
}

/// The original and our hook.
pub fn replacement(function: Function) -> Replacement {
    Replacement {
        original: address(function),
        hook: HOOKS
            .get(function as usize)
            .map_or(0, |hook| hook.load(Ordering::Relaxed)),
    }
}

/// Writes down an original (0 when this Node does not have it), and our hook. Nothing is patched yet, or no longer.
pub fn set(function: Function, original: usize, hook: usize) {
    for (table, address) in [(&HOOKS, hook), (&ORIGINALS, original)] {
        if let Some(place) = table.get(function as usize) {
            place.store(address, Ordering::Release);
        }
    }
}
