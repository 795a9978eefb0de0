//! Napi references, and the other things that an addon holds through Node-API.
//!
//! Knows: how many `napi_ref`s this package itself holds ([`own`]), and what each addon holds in each environment, as
//! [`hooks`] report it: [`holdings`], entry by entry, and [`figures`], as numbers with their names.
//! Out of scope: what they refer to.
//! Limitations: what was created before the watch began, or through V8's C++ API.

pub mod figures;
pub mod holdings;
#[cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]
pub mod hooks;
pub mod own;
pub mod pointer_table;
pub mod stacks;
