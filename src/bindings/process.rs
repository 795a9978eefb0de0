//! What the addon knows about itself.

use napi_derive::napi;

use crate::base::error::Code;

/// Every error code, for the test that compares the lists.
#[napi(catch_unwind)]
pub fn error_codes() -> Vec<&'static str> {
    Code::ALL.iter().map(|code| code.as_str()).collect()
}

/// The C library that this build links: `glibc`, `musl`, or `unknown`.
#[napi(catch_unwind)]
pub fn c_library() -> &'static str {
    match () {
        () if cfg!(target_env = "gnu") => "glibc",
        () if cfg!(target_env = "musl") => "musl",
        () => "unknown",
    }
}
