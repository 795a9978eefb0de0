//! Profiles in the formats of other tools. Every profile of offheap's is written here.
//!
//! Knows: a profile as places, stacks of them, and rows of values.
//! Out of scope: what was sampled, and how. Names and values are the caller's.
//! Limitations: a place has a name, a file, a line and a column, and no address.
#![forbid(unsafe_code)]

pub mod folded;
pub mod pprof;

/// One place in the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The function's name.
    pub function: &'a str,
    /// The file, or the URL; empty where there is none.
    pub file: &'a str,
    /// Counted from 1; 0 is unknown.
    pub line: u32,
    /// Counted from 1; 0 is unknown.
    pub column: u32,
}

/// All places, and all stacks.
#[derive(Debug, Clone, Copy)]
pub struct Stacks<'a> {
    /// The places.
    pub frames: &'a [Frame<'a>],
    /// Places by number, the innermost first.
    pub stacks: &'a [Vec<u32>],
}

impl<'a> Stacks<'a> {
    /// The places of a stack, the innermost first; a place that is not there is left out.
    pub fn frames_of(&self, stack: u32) -> Option<impl DoubleEndedIterator<Item = Frame<'a>>> {
        let (frames, stack) = (self.frames, self.stacks.get(stack as usize)?);
        Some(
            stack
                .iter()
                .filter_map(|&frame| frames.get(frame as usize).copied()),
        )
    }
}
