//! Finds the memory that V8's own tools do not explain, inside a running Node service.
//!
//! # Limits first
//!
//! - Tested on Linux x86-64 with glibc, on Node 20, 22, 24 and 26. Elsewhere the portable rooms work and the
//!   rest says that it does not, and why.
//! - It is a guest in somebody's process: nothing here may panic across the FFI, print, or wait for long on the
//!   JavaScript thread.
//!
//! # Rooms
//!
//! | room | what it knows |
//! |---|---|
//! | [`base`] | errors, ledger, locks across a fork, the images of this process |
//! | [`external`] | tracked external allocations |
//! | [`addons`] | what every addon holds through Node-API, and the hooks that see it |
//! | [`buffers`] | slabs, slices and backing stores: which bytes are reached, which are pinned; the sampled profile |
//! | [`memory`] | where the resident set is, the cgroup that binds, what malloc holds |
//! | [`monitor`] | thresholds, limits on actions; pure |
//! | [`probe`] | the copy-on-write child: fork, set-up, observing and reaping it; Linux x86-64 glibc |
//! | [`heap`] | heap snapshots: classes, retained sizes, retaining paths, differences; reading, redacting and keeping their files |
//! | [`bindings`] | the only `#[napi]`: convert, call the room, map the result |
//!
//! Direction: `bindings` → rooms → `base`. docs/architecture.md names the imports between rooms, and a test keeps them.

pub mod addons;
pub mod base;
pub mod bindings;
pub mod buffers;
pub mod external;
pub mod heap;
pub mod memory;
pub mod monitor;
#[cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]
pub mod probe;
#[cfg(not(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")))]
#[path = "probe/unsupported.rs"]
pub mod probe;
