//! The only place with `#[napi]`: convert, call the room, map the result.
//!
//! One file per room; of buffers the profile has its own, and `partial_files` and `process` belong to snapshot files and to the process. State is only what a
//! room needs once per thread (its detectors, its profile), behind the room's own types. No arithmetic here. Every export catches panics: one that crossed into
//! Node would abort the host.
//! Numbers cross as `f64`, exact to 2^53 − 1; `lib/base/validate.js` has checked them before they get here.

#[cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]
pub mod addons;
#[cfg(not(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")))]
#[path = "addons_unsupported.rs"]
pub mod addons;
pub mod buffer_profile;
pub mod buffers;
pub mod external;
pub mod heap;
pub mod memory;
pub mod monitor;
pub mod partial_files;
#[cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]
pub mod probe;
#[cfg(not(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")))]
#[path = "probe_unsupported.rs"]
pub mod probe;
pub mod process;

use crate::base::error::{Code, Failure};

/// What an export returns: a value, or an error whose `code` is one of ours.
pub(crate) type Result<T> = std::result::Result<T, napi::Error<Code>>;

impl From<Failure> for napi::Error<Code> {
    fn from(failure: Failure) -> Self {
        napi::Error::new(failure.code, failure.message)
    }
}

/// napi itself failed: no memory for a handle, an exception pending, the environment going away.
impl From<napi::Status> for Code {
    fn from(_: napi::Status) -> Self {
        Code::Internal
    }
}
