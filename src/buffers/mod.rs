//! Which Buffers share which bytes: slabs, slices and backing stores.
//!
//! Knows: where each view lies in its backing store, by numbers alone.
//! Out of scope: napi, libc, how the views were found, whether one is still reachable.
//! Limitations: views nobody gave it, such as those that other threads have of shared memory.
//!
//! ```text
//! lib/buffers/census/ finds and sorts objects ─► census: one usage per backing store ─► totals, largest offenders
//!                                                └─ slabs: what one of them is, and what of it is wasted
//! ```

#![forbid(unsafe_code)]

pub mod census;
pub mod profile;
pub mod slabs;
