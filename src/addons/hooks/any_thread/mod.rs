//! What belongs to an environment and may end on any thread.
//!
//! Knows: [`finalizers`] of external strings and SharedArrayBuffers; [`handles`] of thread-safe functions and asynchronous cleanup hooks.
//! Out of scope: what ends on the environment's own thread; `crate::addons::holdings` has that.
//! Limitations: a count on another thread is atomic, which costs more than a plain store.
//!
//! Each thing has a share of the figures that it is counted in. The share is void once they start anew, and outlives the environment.

pub mod finalizers;
pub mod handles;
