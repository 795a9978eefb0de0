//! Tracked external allocations: registration, and what lib/external/ needs. `[unsafe]`
//!
//! Duties of this file: native functions find the environment of their thread as long as they can be called (`function`).
//! Out of scope: what is counted; `external` knows that.

use std::ffi::c_void;
use std::ptr;
use std::rc::Rc;

use napi::bindgen_prelude::{Float64Array, Object};
use napi::{Env, JsValue};
use napi_derive::napi;

use super::Result;
use crate::base::error::{Code, Failure};
use crate::base::ledger::{Key, Ledger, Tally};
use crate::external::environment::{self, Environment};
use crate::external::native_block;
use crate::external::pending_batch::CAPACITY;
use crate::external::process;
use crate::external::raw::{self, CallInfo, Callback, Env as RawEnv, Value};
use crate::external::registry::RecordId;
use crate::external::tracked_values;

/// Runs once for each Node-API environment (the main thread, each worker, each time the addon is loaded again).
#[napi(module_exports)]
pub fn register(exports: Object, env: Env) -> napi::Result<()> {
    let raw = env.raw();
    tracked_values::set_observer(super::buffer_profile::on_death);
    let environment = Environment::enter(raw);
    let entered = Rc::clone(&environment);
    env.add_env_cleanup_hook(raw as usize, move |raw| entered.close(raw as RawEnv))?;
    define_functions(raw, exports.raw(), &environment)
        .map_err(|failure| napi::Error::from_reason(failure.to_string()))
}

/// The functions whose cost per call matters, with the name each has on the binding: they do without napi's wrappers.
const FUNCTIONS: [(&str, Callback); 6] = [
    ("trackBatch", track_batch),
    ("observe", observe),
    ("findTicket", find_ticket),
    ("findObject", find_object),
    ("findView", find_view),
    ("findDetached", find_detached),
];

/// The name of the object that all copies of lib/external/ on a thread have together.
const THREAD_STATE: &str = "threadState";

/// Puts these functions on `exports`, and the object that all copies of lib/external/ on the thread have together.
///
/// The environment that they find again is held by the cleanup hook: until their Node-API environment ends.
fn define_functions(
    env: RawEnv,
    exports: Value,
    environment: &Rc<Environment>,
) -> std::result::Result<(), Failure> {
    let failed = |name: &str| Failure::new(Code::Internal, format!("Could not export {name}"));
    let define = |object, name: &str, function: Callback| {
        let data = Rc::as_ptr(environment).cast_mut().cast::<c_void>();
        raw::create_function(env, name, function, data)
            .and_then(|function| raw::set_property(env, object, name, function))
            .ok_or_else(|| failed(name))
    };
    for (name, function) in FUNCTIONS {
        define(exports, name, function)?;
    }
    let (object, is_ours) = environment
        .main_realm_object(env)
        .ok_or_else(|| failed(THREAD_STATE))?;
    if is_ours {
        define(object, "sweepSome", sweep_some)?;
    }
    raw::set_property(env, exports, THREAD_STATE, object).ok_or_else(|| failed(THREAD_STATE))
}

/// Runs one of the functions: finds its environment and its arguments (missing ones are `undefined`), and returns
/// `undefined` where `body` has nothing to return. A panic ends here: in an `extern "C"` function it would abort the host.
fn function<const N: usize>(
    env: RawEnv,
    info: CallInfo,
    body: impl FnOnce(&Rc<Environment>, [Value; N]) -> Option<Value>,
) -> Value {
    let Some((arguments, data)) = raw::arguments::<N>(env, info) else {
        return ptr::null_mut();
    };
    let data = data.cast::<Environment>().cast_const();
    if data.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: `data` is what `define_functions` got from `Rc::as_ptr`; the cleanup hook holds that `Rc` until the Node-API
    // environment ends, after which no function of it can be called — `Rc::increment_strong_count`.
    unsafe { Rc::increment_strong_count(data) };
    // SAFETY: the share that was added in the line above — `Rc::from_raw`.
    let environment = unsafe { Rc::from_raw(data) };
    raw::catch_panic(|| body(&environment, arguments))
        .flatten()
        .unwrap_or(ptr::null_mut())
}

/// `trackBatch(...values)`: counts the values of the pending batch, which come as the arguments. Returns nothing, or a number when there
/// were views that their address cannot tell from others; their tickets are set to −1.
unsafe extern "C" fn track_batch(env: RawEnv, info: CallInfo) -> Value {
    function(env, info, |environment, values: [_; CAPACITY]| {
        environment
            .take_pending_batch(env, &values)
            .then(|| raw::to_number(env, 1.0))
    })
}

/// `sweepSome()`: goes on with the sweep.
unsafe extern "C" fn sweep_some(env: RawEnv, info: CallInfo) -> Value {
    function(env, info, |environment, _: [_; 0]| {
        environment.sweep_some(env);
        None
    })
}

/// `observe(value, number)`: calls the observer with the number when the object has been collected. In no tally.
unsafe extern "C" fn observe(env: RawEnv, info: CallInfo) -> Value {
    function(env, info, |environment, [value, number]| {
        environment.observe(env, value, raw::number(env, number)? as u64);
        None
    })
}

/// `findTicket(ticket)`: the id of the record of the value with this ticket, or nothing.
unsafe extern "C" fn find_ticket(env: RawEnv, info: CallInfo) -> Value {
    function(env, info, |environment, [ticket]| {
        let ticket = raw::number(env, ticket)? as u64;
        to_id(env, environment.values().find_ticket(ticket))
    })
}

/// `findObject(value)`: the id of the record that counts this object by the identity that the engine gives it, or nothing.
unsafe extern "C" fn find_object(env: RawEnv, info: CallInfo) -> Value {
    function(env, info, |environment, [object]| {
        to_id(env, environment.values().find_object(env, object))
    })
}

/// `findView(value)`: the id of the record that counts this view, or nothing.
unsafe extern "C" fn find_view(env: RawEnv, info: CallInfo) -> Value {
    function(env, info, |environment, [view]| {
        to_id(env, environment.values().find_view(env, view))
    })
}

/// `findDetached(value)`: the id of the record that counts this view, whose address was lost when its ArrayBuffer was
/// detached, or nothing. Looks at every record.
unsafe extern "C" fn find_detached(env: RawEnv, info: CallInfo) -> Value {
    function(env, info, |environment, [view]| {
        to_id(env, environment.values().find_detached(env, view))
    })
}

fn to_id(env: RawEnv, id: Option<RecordId>) -> Option<Value> {
    id.map(|id| raw::to_number(env, id.to_number() as f64))
}

fn environment() -> Result<Rc<Environment>> {
    environment::current().ok_or_else(|| {
        Failure::new(Code::Internal, "The addon is not loaded on this thread").into()
    })
}

/// The key of a label.
#[napi(catch_unwind)]
pub fn label_key(name: String) -> u32 {
    process::label_key(&name).as_u32()
}

/// The key of a route.
#[napi(catch_unwind)]
pub fn route_key(name: String) -> u32 {
    process::route_key(&name).as_u32()
}

/// Counts a record as something else; negative numbers leave a part as it is. Whether the record was still there.
#[napi(catch_unwind)]
pub fn change_record(id: f64, byte_length: f64, label: i32, route: i32) -> Result<bool> {
    let key = |number: i32| u32::try_from(number).ok().map(Key::from_u32);
    Ok(environment()?.values().change(
        RecordId::from_number(id as u64),
        (byte_length >= 0.0).then_some(byte_length as u64),
        key(label),
        key(route),
    ))
}

/// Stops counting a record. Whether it was still there.
#[napi(catch_unwind)]
pub fn release_record(id: f64) -> Result<bool> {
    Ok(environment()?
        .values()
        .release(RecordId::from_number(id as u64)))
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
        native_block::allocate(
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

/// For tests: makes weak references of Node-API only from now on, as where the engine is not a known one; or what the process has.
#[napi(catch_unwind)]
pub fn use_node_api_references(only: bool) -> Result<()> {
    environment()?.use_node_api_references(only);
    Ok(())
}

/// For tests: bytes of our own that the records of this environment take.
#[napi(catch_unwind)]
pub fn record_bytes(env: &Env) -> Result<f64> {
    let environment = environment()?;
    environment.finish_sweep(env.raw());
    Ok(environment.values().record_bytes() as f64)
}

/// For tests: how much of the table is still to be looked at after the last major collection.
#[napi(catch_unwind)]
pub fn pending_records() -> Result<f64> {
    Ok(environment()?.values().pending_places() as f64)
}

/// For tests: environments that still take memory.
#[napi(catch_unwind)]
pub fn environment_count() -> u32 {
    u32::try_from(environment::environment_count()).unwrap_or(u32::MAX)
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
    Ok(environment()?
        .values()
        .with_ledger(|ledger| ledger.overall().live_bytes as f64))
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
        process::with_ledger(copy)
    } else {
        environment.values().with_ledger(copy)
    };
    let tallies = std::iter::once(&overall)
        .chain(labels.iter().map(|(_, tally)| tally))
        .chain(routes.iter().map(|(_, tally)| tally));
    let numbers: Vec<f64> = tallies.flat_map(six).collect();
    let (labels_folded, routes_folded) = process::folded();
    Ok(AllocationsReading {
        labels: labels
            .iter()
            .map(|(key, _)| process::label_name(*key))
            .collect(),
        routes: routes
            .iter()
            .map(|(key, _)| process::route_name(*key))
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
