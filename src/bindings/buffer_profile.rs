//! Node's pool and the sampled profile of Buffers: see `crate::buffer_profile`.
//!
//! The profile of a JS thread lives in that thread and ends with it.

use std::cell::RefCell;

use napi::bindgen_prelude::Unknown;
use napi::Env;
use napi_derive::napi;

use crate::buffer_profile::profile::{Profile, SampleId};
use crate::ledger::Key;

/// What all copies of lib/buffer-pool.js on a thread share. Made in the main realm: one of jest's realms would be kept alive by it.
const SHARED_SOURCE: &str = include_str!("../buffer_profile/shared.js");

thread_local! {
    static PROFILE: RefCell<Profile> = RefCell::default();
}

/// Evaluates `shared.js` in the main realm; a function.
#[napi(catch_unwind, ts_return_type = "Function")]
pub fn buffer_script(env: &Env) -> napi::Result<Unknown<'_>> {
    env.run_script(SHARED_SOURCE)
}

/// Forgets all samples. The seed makes the gaps that follow.
#[napi(catch_unwind)]
pub fn reset_samples(seed: f64) {
    PROFILE.with_borrow_mut(|profile| profile.reset(seed.to_bits()));
}

/// Bytes until the next sample, at so many on average.
#[napi(catch_unwind)]
pub fn next_sample_gap(interval_bytes: f64) -> f64 {
    PROFILE.with_borrow_mut(|profile| profile.next_gap(interval_bytes))
}

/// Adds a sample and returns its number.
#[napi(catch_unwind)]
pub fn add_sample(site: u32, bytes: f64, charged_bytes: f64, interval_bytes: f64) -> f64 {
    PROFILE.with_borrow_mut(|profile| {
        profile
            .add(site, bytes, charged_bytes, interval_bytes)
            .to_number()
    })
}

/// Counts a sample under another route. Whether it was still there.
#[napi(catch_unwind)]
pub fn change_sample_route(id: f64, route: u32) -> bool {
    PROFILE.with_borrow_mut(|profile| {
        profile.change_route(SampleId::from_number(id), Key::from_u32(route))
    })
}

/// The sampled allocation is gone. Whether it was still there.
#[napi(catch_unwind)]
pub fn release_sample(id: f64) -> bool {
    PROFILE.with_borrow_mut(|profile| profile.release(SampleId::from_number(id)))
}
