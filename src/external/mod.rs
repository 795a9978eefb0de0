//! Tracked external allocations: which values are counted, until when, as what.
//!
//! Knows: every tracked value of this thread by the address of its bytes, and what it is counted as.
//! Out of scope: JavaScript beyond one weak handle per value; `finalizer` holds that part.
//! Limitations: values nobody tracked; whether the bytes are resident; memory behind a plain object, whose size is
//! what the caller said.
//! Next: `registry` is the pure bookkeeping, `finalizer` the unsafe edge to Node-API, [`crate::base::ledger`] the tallies.
//!
//! # Why an address
//!
//! Tracking a value twice must count once, so each call has to find out whether the value is known. JavaScript's
//! own answer, a `WeakMap`, costs more than everything else in `track` together. Backing stores do not move,
//! so the address of a view's first byte tells almost always that a value is *new*, for the price of one hash
//! lookup; where an address is known already, the weak references behind it are compared with the value itself.
//! Values without a usable address (plain objects, SharedArrayBuffers, empty, detached and on-heap views) are
//! looked up in a WeakMap by `lib/external/track.js`.

pub mod address_index;
mod block_owner;
pub mod finalizer;
pub mod registry;
