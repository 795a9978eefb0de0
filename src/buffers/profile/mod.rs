//! The sampled profile of Buffers: which call sites allocated how much, and how much of that is alive.
//!
//! Knows: the samples of one thread, by call site and route as numbers; what they stand for, and how sure that is.
//! Out of scope: napi, stacks in words, Buffers. `lib/buffers/main-realm.js` decides what is sampled, in the main realm of the thread, and
//! `lib/buffers/profile/` names things.
//! Limitations: allocations that pass no wrapped function.
//! Next: [`estimate`] has the statistics, [`pace`] how far apart samples are, [`samples`] the samples, [`pool_slabs`] the pool.
//! Other tools' formats are in [`crate::base::profile_format`].
#![forbid(unsafe_code)]

pub mod estimate;
pub mod gap;
pub mod pace;
pub mod pool_slabs;
pub mod samples;
