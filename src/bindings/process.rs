//! What the addon knows about itself.

use std::sync::OnceLock;
use std::time::Instant;

use napi_derive::napi;

use crate::base::error::Code;

/// Every error code, for the test that compares the lists.
#[napi(catch_unwind)]
pub fn error_codes() -> Vec<&'static str> {
    Code::ALL.iter().map(|code| code.as_str()).collect()
}

/// The moment of the first call of [`now`].
static EPOCH: OnceLock<Instant> = OnceLock::new();

/// Milliseconds by a clock that nobody sets, as those of `performance.now()`, from another moment on. Mocked clocks leave it alone.
#[napi(catch_unwind)]
pub fn now() -> f64 {
    EPOCH.get_or_init(Instant::now).elapsed().as_secs_f64() * 1e3
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
