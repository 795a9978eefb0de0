//! The binding of `watchAddons()` where addons cannot be watched: only the reason. `lib/addons/addons.js` asks first and calls nothing else.

use napi_derive::napi;

/// Why addons cannot be watched here.
#[napi(catch_unwind)]
pub fn watch_unsupported_reason() -> Option<String> {
    Some(format!(
        "the slots of addons are known only for Linux x86-64 with glibc, and this is {} {}",
        std::env::consts::OS,
        std::env::consts::ARCH
    ))
}
