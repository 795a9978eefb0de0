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
//! | [`error`] | every code there is; no napi types |
//! | `elf` | the images of this process and their import slots; Linux x86-64 glibc |
//! | [`probe`] | the copy-on-write child: fork, set-up, watching and reaping it; Linux x86-64 glibc |
//! | [`resident`] | where the resident set is, the cgroup that binds, what malloc holds |
//! | [`trigger`] | thresholds, limits on actions, retention; pure |
//! | [`unfinished`] | files being written, and whose; pure |
//! | [`buffer_profile`] | samples of Buffers by call site: estimates, pprof; pure |
//! | [`bindings`] | the only `#[napi]`: convert, call the room, map the result |
//! | [`heap_snapshot`] | `.heapsnapshot` files: classes, retained sizes, retaining paths, differences, redaction |
//! | [`buffers`] | slabs, slices and backing stores: which bytes are reached, which are pinned; pure |
//! | [`fork_lock`] | locks that a forked child finds free |
//! | [`ledger`] | live / total / peak tallies by key |
//! | [`external`] | tracked external allocations |
//! | [`references`] | napi references and what else addons hold: the package's own, and every addon's |
//! | `interpose` | hooks in every addon's Node-API calls; Linux x86-64 glibc |
//!
//! Direction: `bindings` → rooms → `error`. Rooms do not import each other, except through `ledger`, `elf` and
//! `fork_lock`.

pub mod bindings;
pub mod buffer_profile;
pub mod buffers;
#[cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]
pub mod elf;
pub mod error;
pub mod external;
pub mod fork_lock;
pub mod heap_snapshot;
#[cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]
pub mod interpose;
pub mod ledger;
#[cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]
pub mod probe;
#[cfg(not(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")))]
#[path = "probe/unsupported.rs"]
pub mod probe;
pub mod references;
pub mod resident;
pub mod trigger;
pub mod unfinished;
