//! What every room stands on.
//!
//! | file | what it knows |
//! |---|---|
//! | [`error`] | every code there is; no napi types |
//! | [`fork_lock`] | locks that a forked child finds free |
//! | [`ledger`] | live / total / peak tallies by key |
//! | [`profile_format`] | profiles as other tools read them: pprof, folded stacks |
//! | [`sum`] | how many, and how many bytes |
//! | [`elf`] | the images of this process and their import slots; Linux x86-64 glibc |

#[cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]
pub mod elf;
pub mod error;
pub mod fork_lock;
pub mod ledger;
pub mod profile_format;
pub mod sum;
