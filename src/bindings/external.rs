//! Tracked external allocations: registration, and what lib/external/track.js and lib/external/external-allocations.js need.

use napi::bindgen_prelude::{Float64Array, Object};
use napi::{sys, Env, JsValue};
use napi_derive::napi;

use super::Result;
use crate::base::error::{Code, Failure};
use crate::base::ledger::{Key, Ledger, Tally};
use crate::external::finalizer;
use crate::external::registry::RecordId;

/// Runs once for each environment (the main thread, each worker, each time the addon is loaded again).
#[napi(module_exports)]
pub fn register(exports: Object, env: Env) -> napi::Result<()> {
    let raw = env.raw();
    finalizer::set_watcher(super::buffer_profile::on_death);
    let share = finalizer::enter(raw);
    let share_address = share as usize;
    env.add_env_cleanup_hook(raw as usize, move |raw| {
        // SAFETY: what `enter` returned for this environment; Node calls a cleanup hook once, on the environment's thread —
        // "napi_add_env_cleanup_hook".
        unsafe {
            finalizer::leave(raw as sys::napi_env, share_address as *mut std::ffi::c_void);
        }
    })?;
    // SAFETY: this runs inside the registration of `env` on its own thread (Node-API, "Module registration"), and `share`
    // was made for it three lines up.
    unsafe { finalizer::define_functions(raw, exports.raw(), share) }
        .map_err(|failure| napi::Error::from_reason(failure.to_string()))
}

fn environment() -> Result<std::rc::Rc<finalizer::Environment>> {
    finalizer::current().ok_or_else(|| {
        Failure::new(Code::Internal, "The addon is not loaded on this thread").into()
    })
}

/// The key of a label.
#[napi(catch_unwind)]
pub fn label_key(name: String) -> u32 {
    finalizer::label_key(&name).as_u32()
}

/// The key of a route.
#[napi(catch_unwind)]
pub fn route_key(name: String) -> u32 {
    finalizer::route_key(&name).as_u32()
}

/// Counts a record as something else; negative numbers leave a part as it is. Whether the record was still there.
#[napi(catch_unwind)]
pub fn change_record(id: f64, byte_length: f64, label: i32, route: i32) -> Result<bool> {
    let key = |number: i32| u32::try_from(number).ok().map(Key::from_u32);
    Ok(environment()?.change(
        RecordId::from_number(id as u64),
        (byte_length >= 0.0).then_some(byte_length as u64),
        key(label),
        key(route),
    ))
}

/// Stops counting a record. Whether it was still there.
#[napi(catch_unwind)]
pub fn release_record(id: f64) -> Result<bool> {
    Ok(environment()?.release(RecordId::from_number(id as u64)))
}

/// Zeroed native memory as an external Buffer.
#[napi(catch_unwind, ts_return_type = "Buffer")]
pub fn alloc_external<'env>(
    env: &'env Env,
    byte_length: f64,
    label: u32,
    route: u32,
) -> Result<Object<'env>> {
    // SAFETY: `env` is the environment of this call (napi passes it in), on its own thread.
    let value = unsafe {
        finalizer::alloc_external(
            env.raw(),
            byte_length as usize,
            Key::from_u32(label),
            Key::from_u32(route),
        )
    }?;
    Ok(Object::from_raw(env.raw(), value))
}

/// For tests: behave as on an engine that refuses external buffers.
#[napi(catch_unwind)]
pub fn refuse_external_buffers(refuse: bool) -> Result<()> {
    environment()?.refuse_external_buffers(refuse);
    Ok(())
}

/// For tests: bytes of our own that the records of this environment take.
#[napi(catch_unwind)]
pub fn record_bytes(env: &Env) -> Result<f64> {
    let environment = environment()?;
    environment.finish_sweep(env.raw());
    Ok(environment.record_bytes() as f64)
}

/// For tests: how much of the table is still to be looked at after the last major collection.
#[napi(catch_unwind)]
pub fn pending_records() -> Result<f64> {
    Ok(environment()?.pending_places() as f64)
}

/// For tests: environments that still take memory.
#[napi(catch_unwind)]
pub fn environment_count() -> u32 {
    u32::try_from(finalizer::environment_count()).unwrap_or(u32::MAX)
}

/// The napi references that offheap holds in this environment: strong, weak, total ever created.
#[napi(catch_unwind)]
pub fn own_references(env: &Env) -> Result<Vec<f64>> {
    let environment = environment()?;
    environment.finish_sweep(env.raw());
    let references = environment.references();
    Ok(vec![
        references.strong_count as f64,
        references.weak_count as f64,
        references.total_count as f64,
    ])
}

/// Live bytes alone, for `memory()`: no names, no allocation, and no waiting for a sweep that is under way.
#[napi(catch_unwind)]
pub fn tracked_bytes() -> Result<f64> {
    Ok(environment()?.with_ledger(|ledger| ledger.overall().live_bytes as f64))
}

/// A reading: names in order, and six numbers for each, overall first. lib/external/external-allocations.js makes an object of it.
#[napi(object, object_from_js = false)]
pub struct AllocationsReading {
    /// Names of the labels, in the order of their numbers.
    pub labels: Vec<String>,
    /// Names of the routes, which follow the labels.
    pub routes: Vec<String>,
    /// liveBytes, liveCount, totalBytes, totalCount, peakBytes, peakCount: of everything, each label, each route.
    pub numbers: Float64Array,
    /// Whether labels were folded into `(other)`.
    pub labels_folded: bool,
    /// Whether routes were.
    pub routes_folded: bool,
}

/// The tallies of this environment, or of the process.
#[napi(catch_unwind)]
pub fn read_allocations(env: &Env, process: bool) -> Result<AllocationsReading> {
    let environment = environment()?;
    environment.finish_sweep(env.raw());
    let copy = |ledger: &Ledger| {
        (
            ledger.overall(),
            ledger.labels().collect::<Vec<_>>(),
            ledger.routes().collect::<Vec<_>>(),
        )
    };
    let (overall, labels, routes) = if process {
        finalizer::with_process(copy)
    } else {
        environment.with_ledger(copy)
    };
    let tallies = std::iter::once(&overall)
        .chain(labels.iter().map(|(_, tally)| tally))
        .chain(routes.iter().map(|(_, tally)| tally));
    let numbers: Vec<f64> = tallies.flat_map(six).collect();
    let (labels_folded, routes_folded) = finalizer::folded();
    Ok(AllocationsReading {
        labels: labels
            .iter()
            .map(|(key, _)| finalizer::label_name(*key))
            .collect(),
        routes: routes
            .iter()
            .map(|(key, _)| finalizer::route_name(*key))
            .collect(),
        numbers: Float64Array::new(numbers),
        labels_folded,
        routes_folded,
    })
}

fn six(tally: &Tally) -> [f64; 6] {
    [
        tally.live_bytes as f64,
        tally.live_count as f64,
        tally.total_bytes as f64,
        tally.total_count as f64,
        tally.peak_bytes as f64,
        tally.peak_count as f64,
    ]
}
