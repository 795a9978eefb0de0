//! The probe's binding where there is no probe: only the reason. `lib/probe/` asks first and calls nothing else.

use napi_derive::napi;

/// Why no probe is possible here; `null` where one is.
#[napi(catch_unwind)]
pub fn probe_unsupported_reason() -> Option<String> {
    Some(crate::probe::reason())
}
