//! Napi references.
//!
//! Knows: how many `napi_ref`s this package itself holds, on which thread's account, strong or weak.
//! Must never know: what they refer to.
//! Limits: only our own references so far; other addons' come with interposition.

pub mod own;
