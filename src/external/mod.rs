//! Tracked external allocations: which values are counted, until when, as what.
//!
//! Knows: every tracked value of this thread by the address of its bytes, and what it is counted as.
//! Out of scope: JavaScript beyond one weak handle per value.
//! Limitations: values nobody tracked; whether the bytes are resident; memory behind a plain object, whose size is
//! what the caller said.
//!
//! | file | what it knows |
//! |---|---|
//! | `environment` | one per JavaScript thread: its begin and its end |
//! | `tracked_values` | how a value is counted, found again, and swept |
//! | `registry`, `address_index` | the records alone; pure |
//! | `sentinels` | how garbage collections are noticed |
//! | `pending_batch`, `main_realm` | the values that JavaScript holds until they are counted |
//! | `native_block`, `block_owner` | `allocExternal` |
//! | `references`, `weak_references`, `raw` | offheap's own references; the Node-API calls |
//! | `process` | what all threads have together: tallies and names |
//!
//! # Why an address
//!
//! Tracking a value twice must count once, so each call has to find out whether the value is known. JavaScript's
//! own answer, a `WeakMap`, costs more than everything else in `track` together. Backing stores do not move,
//! so the address of a view's first byte tells almost always that a value is *new*, for the price of one hash
//! lookup; where an address is known already, the weak references behind it are compared with the value itself.
//! Values without a usable address (plain objects, SharedArrayBuffers, empty, detached and on-heap views) are
//! looked up in the same way by their identity hash, the number that a WeakMap uses; where the engine is not a known
//! one, by a ticket that `lib/external/identity.js` gives them.

pub mod address_index;
mod block_owner;
pub mod environment;
mod main_realm;
pub mod native_block;
pub(crate) mod pending_batch;
pub mod process;
pub(crate) mod raw;
mod references;
pub mod registry;
mod sentinels;
pub mod tracked_values;
mod weak_references;
