//! Slabs, slices and backing stores: what one of them is, and how much of it is wasted.
//!
//! Knows: of one backing store its kind, its length, and what views reach of it, as numbers.
//! Out of scope: how that was found (`census`); JavaScript objects, which rows name by their index.
//! Limitations: an ArrayBuffer that somebody holds without a view looks like one that only its views hold.
//!
//! A backing store is, in this order of precedence:
//!
//! | class | what it is | waste |
//! |---|---|---|
//! | slab | a slab of Node's Buffer pool | what no slice reaches; of the slab in use, nothing |
//! | sliced | only views of parts of it are left | what none of them reaches |
//! | whole | a view reaches all of it, or nothing views it, or it is shared with other threads or WebAssembly | nothing |

#![forbid(unsafe_code)]

/// Other threads may have views of it.
pub const SHARED: u8 = 1;
/// The memory of a WebAssembly module.
pub const WASM: u8 = 2;
/// It can grow and shrink.
pub const RESIZABLE: u8 = 4;
/// A slab of Node's Buffer pool.
pub const SLAB: u8 = 8;
/// Its memory is not V8's: `allocExternal`.
pub const EXTERNAL: u8 = 16;
/// The slab that the pool is handing out: Node itself holds it.
pub const CURRENT: u8 = 32;
/// Node marked it as it marks slabs, and its length is none that slabs are known to have: a slab from before
/// `Buffer.poolSize` was changed, or memory of an addon. What its views look like decides.
pub const MARKED: u8 = 64;

/// Its memory is a watched addon's.
pub const ADDON: u8 = 128;

/// A backing store and what is reached of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// The index of its ArrayBuffer; of several, the longest.
    pub buffer: u32,
    /// Its length.
    pub bytes: u64,
    /// What it is.
    pub kind: u8,
    /// Where its bytes are.
    pub address: u64,
    /// Bytes that at least one view reaches.
    pub used_bytes: u64,
    /// Views of it.
    pub view_count: u32,
    /// The index of its longest view; of equals, the first.
    pub longest_view: Option<u32>,
    /// Whether one view reaches all of it.
    pub whole: bool,
}

impl Usage {
    /// Whether it is a slab of the pool.
    pub fn is_slab(&self) -> bool {
        self.kind & SLAB != 0
    }

    /// Decides whether a [`MARKED`] store is a slab, by the length of its longest view: the pool hands out less than half a slab at a
    /// time, and never all of it.
    pub(super) fn decide(&mut self, longest: Option<u64>) {
        if self.kind & (MARKED | EXTERNAL) == MARKED
            && longest.is_some_and(|bytes| bytes < self.bytes / 2)
        {
            self.kind |= SLAB;
        }
    }

    /// Whether only views of parts of it are left.
    pub fn is_sliced(&self) -> bool {
        self.view_count > 0 && !self.whole && self.kind & (SLAB | SHARED | WASM) == 0
    }

    /// Whether slices alone keep it alive.
    pub fn is_pinned(&self) -> bool {
        self.is_sliced() || (self.is_slab() && self.view_count > 0 && self.kind & CURRENT == 0)
    }

    /// Bytes that are alive only because something smaller points at them.
    pub fn waste_bytes(&self) -> u64 {
        match self.is_pinned() {
            true => self.bytes - self.used_bytes,
            false => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wasted_follows_from_the_kind_and_from_what_views_reach() {
        // GIVEN stores of 8,192 bytes of which two views reach 82
        let waste = |kind, whole, view_count| {
            Usage {
                buffer: 0,
                bytes: 8_192,
                kind,
                address: 0,
                used_bytes: 82,
                view_count,
                longest_view: None,
                whole,
            }
            .waste_bytes()
        };
        for (kind, whole, view_count, bytes) in [
            (SLAB, false, 2, 8_110),
            (SLAB | CURRENT, false, 2, 0),
            (SLAB, false, 0, 0),
            (0, false, 2, 8_110),
            (RESIZABLE, false, 2, 8_110),
            (0, true, 2, 0),
            (0, false, 0, 0),
            (SHARED, false, 2, 0),
            (WASM, false, 2, 0),
        ] {
            assert_eq!(waste(kind, whole, view_count), bytes, "{kind} {whole}");
        }
    }
}
