//! What addons call instead of Node's functions. `[unsafe]`
//!
//! Every hook calls its original exactly once, with the caller's arguments (a finalizer and its hint excepted, which ours
//! stand in for), and returns what it returned. It counts before or after, never while the original runs, and nothing
//! is locked or allocated meanwhile. Originals run garbage collections, finalizers and JavaScript, and so these hooks again.
//!
//! | what an addon could notice | why it does not |
//! |---|---|
//! | `napi_get_last_error_info` | nothing of Node's is called after an original that failed |
//! | a result it did not ask for | a local takes it |
//! | data and hint of its finalizer | ours passes on the addon's, once, in the environment Node calls it with |
//! | no finalizer, or a null one where Node demands one | a null one stays null there, and Node refuses |
//!
//! Duties of this file: each hook has the signature of its original (`js_native_api.h`, `node_api.h`); no panic.
//! Out of scope: what the counts are for.
//! Limitations: calls inside Node itself, such as `napi_create_external_arraybuffer` using `_buffer`.

use std::ffi::{c_char, c_int, c_void};
use std::ptr;

use napi::sys;

use super::addon_environment::Calling;
use super::any_thread::{finalizers, handles};
use super::environments;
use super::functions::{node_api_functions, Function};
use super::outputs::{creating, filled, filled_if, or_local, unit_count, Status, OK};
use super::{moment, originals, stack};
use crate::addons::figures::{AnyThreadKind, Kind};
use crate::addons::holdings::{Finalizer, RecordId};
use crate::addons::stacks::REFERENCE;

/// By this another copy of the package knows that it is not the first: see `watch::MARKER`.
#[no_mangle]
#[used]
#[allow(
    non_upper_case_globals,
    reason = "the name is looked for in the tables of images"
)]
pub static offheap_interposition: u8 = 1;

type Env = sys::napi_env;
type Value = sys::napi_value;
type Ref = sys::napi_ref;
type Finalize = Option<unsafe extern "C" fn(Env, *mut c_void, *mut c_void)>;
type FinalizeAnywhere = Option<unsafe extern "C" fn(*mut c_void, *mut c_void)>;
type Data = *mut c_void;
type Opaque = *mut c_void;

macro_rules! hooks {
    ($($function:ident $name:literal $hook:ident,)*) => {
        /// The address of a hook; 0 for those of the loader.
        pub fn address(function: Function) -> usize {
            match function {
                Function::Dlopen | Function::Dlsym => 0,
                $(Function::$function => $hook as *const () as usize,)*
            }
        }

        /// The function that a hook stands in for.
        #[allow(non_upper_case_globals, reason = "each has the name of its hook")]
        mod hooked {
            use super::Function;
            $(pub(super) const $hook: Function = Function::$function;)*
        }
    };
}

node_api_functions!(hooks);

/// Calls the original of a hook: `original!(wrap(env, …))`. It has the type of the hook, so a signature stands once.
macro_rules! original {
    ($hook:ident($($passed:expr),* $(,)?)) => {{
        let address = originals::address(hooked::$hook);
        // SAFETY: the address of Node's own function of this name; the hook has its signature — the headers of Node-API. It is
        // known before any slot leads here (`originals::set`).
        let original = unsafe {
            std::mem::transmute::<usize, unsafe extern "C" fn($(inferred!($passed)),*) -> Status>(address)
        };
        let original = same_type(original, $hook);
        // SAFETY: our caller's own arguments, and stand-ins of the same type.
        unsafe { original($($passed),*) }
    }};
}

macro_rules! inferred {
    ($passed:expr) => {
        _
    };
}

#[inline(always)]
fn same_type<F>(original: F, _hook: F) -> F {
    original
}

/// The environment that calls a function which needs a handle scope.
#[inline]
fn calling(env: Env) -> Option<Calling> {
    // SAFETY: such a function is being called with this `env`, on its thread: the hooks below say which are.
    unsafe { environments::calling(env) }
}

/// The environment that calls, if it is known.
#[inline]
fn known(env: Env) -> Option<Calling> {
    // SAFETY: a function of Node-API is being called with this `env`, on its thread: "must be called from the thread of the
    // environment"; the three that may be called from any thread do not come here.
    unsafe { environments::known(env) }
}

/// Where a thing is being made, if this one is to be sampled; 0 if not. Called outside of the originals.
#[inline]
fn site(environment: Calling, kind: u8) -> u32 {
    let every = moment::sampled_every();
    if every == 0 {
        return 0;
    }
    let due = environment.holdings(|holdings, _| {
        holdings.stacks.set_every(every);
        holdings.stacks.is_due()
    });
    if due {
        sample(environment, kind)
    } else {
        0
    }
}

#[cold]
fn sample(environment: Calling, kind: u8) -> u32 {
    let mut frames = [0; stack::LIMIT];
    let count = stack::capture(&mut frames);
    environment.holdings(|holdings, _| {
        holdings
            .stacks
            .begin(kind, frames.get(..count).unwrap_or_default())
    })
}

// ── finalizers ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/// The stand-in for every finalizer: counts, and runs the addon's own.
///
/// # Safety
///
/// Called by Node, with a hint that [`begin`] made.
unsafe extern "C" fn finalize(env: Env, data: Data, hint: *mut c_void) {
    // SAFETY: our caller's promise.
    let Some(finalizer) = (unsafe { environments::finalize(hint) }) else {
        return;
    };
    // SAFETY: an address that the addon passed as a finalizer, or null — `begin`.
    let callback = unsafe { std::mem::transmute::<usize, Finalize>(finalizer.callback) };
    if let Some(callback) = callback {
        // SAFETY: Node's environment and data, the addon's hint: what Node would have called it with.
        unsafe { callback(env, data, finalizer.hint as *mut c_void) };
    }
}

/// The stand-in for finalizers of strings, on any thread.
///
/// # Safety
///
/// Called by Node, once, with a hint that [`begin_on_any_thread`] made.
unsafe extern "C" fn finalize_string(env: Env, data: Data, hint: *mut c_void) {
    // SAFETY: our caller's promise.
    let finalizer = unsafe { finalizers::finalize(hint) };
    // SAFETY: as in `finalize`.
    let callback = unsafe { std::mem::transmute::<usize, Finalize>(finalizer.callback) };
    if let Some(callback) = callback {
        // SAFETY: as in `finalize`.
        unsafe { callback(env, data, finalizer.hint as *mut c_void) };
    }
}

/// The stand-in for finalizers of SharedArrayBuffers, on any thread: they are not told of an environment.
///
/// # Safety
///
/// As for [`finalize_string`].
unsafe extern "C" fn finalize_shared_array_buffer(data: Data, hint: *mut c_void) {
    // SAFETY: our caller's promise.
    let finalizer = unsafe { finalizers::finalize(hint) };
    // SAFETY: an address that the addon passed as such a finalizer, or null.
    let callback = unsafe { std::mem::transmute::<usize, FinalizeAnywhere>(finalizer.callback) };
    if let Some(callback) = callback {
        // SAFETY: Node's data, the addon's hint: what Node would have called it with.
        unsafe { callback(data, finalizer.hint as *mut c_void) };
    }
}

/// What Node gets in place of the finalizer of a string, and of its hint.
fn string_passed_on(
    begun: Option<&finalizers::Begun>,
    callback: Finalize,
    hint: Data,
) -> (Finalize, Data) {
    match begun {
        Some(begun) => (Some(finalize_string), begun.hint()),
        None => (callback, hint),
    }
}

fn begin_string(env: Env, callback: Finalize, hint: Data, bytes: u64) -> Option<finalizers::Begun> {
    let address = callback.map_or(0, |callback| callback as usize);
    begin_on_any_thread(env, AnyThreadKind::ExternalString, address, hint, bytes)
}

#[inline]
fn begin_on_any_thread(
    env: Env,
    kind: AnyThreadKind,
    callback: usize,
    hint: Data,
    bytes: u64,
) -> Option<finalizers::Begun> {
    let finalizer = Finalizer {
        callback,
        hint: hint as usize,
    };
    Some(finalizers::begin(
        calling(env)?.share(),
        kind,
        finalizer,
        bytes,
    ))
}

/// Whether Node refused before anything was made; after other failures it may still call the finalizer.
///
/// By the sources of Node 20 to 26: the first three come from checks of the arguments. The other two come from the preamble of a
/// function, because an exception is pending or JavaScript may not run. `napi_pending_exception` also ends a function that has
/// caught an exception; of those that take a finalizer only the two of external buffers could, and they are asked for more
/// (`creating`): `napi_wrap` and `napi_create_external` run nothing that throws once the finalizer is theirs.
fn refused(status: Status) -> bool {
    matches!(
        status,
        sys::Status::napi_invalid_arg
            | sys::Status::napi_object_expected
            | sys::Status::napi_no_external_buffers_allowed
            | sys::Status::napi_pending_exception
            | sys::Status::napi_cannot_run_js
    )
}

/// A call that gives Node a finalizer, from before the original to after it.
struct Begun {
    environment: Calling,
    record: RecordId,
    kind: Kind,
}

#[inline]
fn begin(
    env: Env,
    kind: Kind,
    callback: Finalize,
    hint: Data,
    native: usize,
    bytes: u64,
) -> Option<Begun> {
    let environment = calling(env)?;
    let finalizer = Finalizer {
        callback: callback.map_or(0, |callback| callback as usize),
        hint: hint as usize,
    };
    let record =
        environment.holdings(|holdings, _| holdings.reserve(kind, finalizer, native, bytes))?;
    Some(Begun {
        environment,
        record,
        kind,
    })
}

/// What Node gets in place of the addon's finalizer and its hint: ours, if the call is one of those that are counted.
#[inline]
fn passed_on(begun: Option<&Begun>, callback: Finalize, hint: Data) -> (Finalize, Data) {
    match begun {
        Some(begun) => (Some(finalize), begun.hint()),
        None => (callback, hint),
    }
}

impl Begun {
    fn hint(&self) -> *mut c_void {
        environments::hint(&self.environment, self.record)
    }

    /// The original has returned. `reference` is the one that it made, if any.
    #[inline]
    fn end(self, status: Status, reference: usize) {
        self.end_made(status, reference, false);
    }

    /// As [`Begun::end`], of an original that may fail with something made. `made`: it was.
    #[inline]
    fn end_made(self, status: Status, reference: usize, made: bool) {
        self.environment.holdings(|holdings, figures| {
            if status == OK {
                holdings.commit(figures, self.record, reference);
            } else {
                holdings.abandon(self.record, refused(status) && !made);
            }
        });
        if status == OK {
            let site = site(self.environment, self.kind as u8);
            if site != 0 {
                self.environment
                    .holdings(|holdings, _| holdings.record_made_at(self.record, site));
            }
        }
    }
}

// ── references ──────────────────────────────────────────────────────────────────────────────────────────────────────────

unsafe extern "C" fn create_reference(
    env: Env,
    value: Value,
    count: u32,
    result: *mut Ref,
) -> Status {
    let status = original!(create_reference(env, value, count, result));
    if status == OK {
        // SAFETY: Node refuses a null result, so it has written to this one.
        if let (Some(environment), Some(reference)) = (calling(env), unsafe { filled(result) }) {
            environment.holdings(|holdings, figures| {
                holdings.reference_created(figures, reference as usize, count);
            });
            let site = site(environment, REFERENCE);
            if site != 0 {
                environment
                    .holdings(|holdings, _| holdings.reference_made_at(reference as usize, site));
            }
        }
    }
    status
}

unsafe extern "C" fn delete_reference(env: Env, reference: Ref) -> Status {
    let status = original!(delete_reference(env, reference));
    if status == OK {
        if let Some(environment) = known(env) {
            environment.holdings(|holdings, figures| {
                holdings.reference_deleted(figures, reference as usize);
            });
        }
    }
    status
}

unsafe extern "C" fn reference_ref(env: Env, reference: Ref, result: *mut u32) -> Status {
    let mut local = 0;
    let result = or_local(result, &mut local);
    let status = original!(reference_ref(env, reference, result));
    // SAFETY: the caller's own, or our local.
    counted(env, reference, status, unsafe { filled(result) });
    status
}

unsafe extern "C" fn reference_unref(env: Env, reference: Ref, result: *mut u32) -> Status {
    let mut local = 0;
    let result = or_local(result, &mut local);
    let status = original!(reference_unref(env, reference, result));
    // SAFETY: the caller's own, or our local.
    counted(env, reference, status, unsafe { filled(result) });
    status
}

#[inline]
fn counted(env: Env, reference: Ref, status: Status, count: Option<u32>) {
    if let (OK, Some(count)) = (status, count) {
        if let Some(environment) = known(env) {
            environment.holdings(|holdings, figures| {
                holdings.reference_counted(figures, reference as usize, count);
            });
        }
    }
}

// ── wraps and finalizers ────────────────────────────────────────────────────────────────────────────────────────────────

unsafe extern "C" fn wrap(
    env: Env,
    object: Value,
    native: Data,
    callback: Finalize,
    hint: Data,
    result: *mut Ref,
) -> Status {
    // With a result and without a finalizer Node refuses: let it see that.
    let begun = if callback.is_none() && !result.is_null() {
        None
    } else {
        begin(env, Kind::Wrap, callback, hint, native as usize, 0)
    };
    let (callback, hint) = passed_on(begun.as_ref(), callback, hint);
    let status = original!(wrap(env, object, native, callback, hint, result));
    if let Some(begun) = begun {
        // SAFETY: null, or written by Node, which succeeded where that matters.
        let reference = unsafe { filled_if(status, result) };
        begun.end(status, reference_in(status, reference));
    }
    status
}

unsafe extern "C" fn add_finalizer(
    env: Env,
    object: Value,
    data: Data,
    callback: Finalize,
    hint: Data,
    result: *mut Ref,
) -> Status {
    let begun = callback.and_then(|_| begin(env, Kind::Finalizer, callback, hint, 0, 0));
    let (callback, hint) = passed_on(begun.as_ref(), callback, hint);
    let status = original!(add_finalizer(env, object, data, callback, hint, result));
    if let Some(begun) = begun {
        // SAFETY: as in `wrap`.
        let reference = unsafe { filled_if(status, result) };
        begun.end(status, reference_in(status, reference));
    }
    status
}

#[inline]
fn reference_in(status: Status, reference: Option<Ref>) -> usize {
    match (status, reference) {
        (OK, Some(reference)) => reference as usize,
        _ => 0,
    }
}

unsafe extern "C" fn remove_wrap(env: Env, object: Value, result: *mut Data) -> Status {
    let mut local = ptr::null_mut();
    let result = or_local(result, &mut local);
    let status = original!(remove_wrap(env, object, result));
    // SAFETY: the caller's own, or our local.
    if let (OK, Some(native)) = (status, unsafe { filled(result) }) {
        if let Some(environment) = known(env) {
            let all_are_known = environment.is_full();
            environment.holdings(|holdings, figures| {
                holdings.wrap_removed(figures, native as usize, all_are_known);
            });
        }
    }
    status
}

// ── externals ───────────────────────────────────────────────────────────────────────────────────────────────────────────

unsafe extern "C" fn create_external(
    env: Env,
    data: Data,
    callback: Finalize,
    hint: Data,
    result: *mut Value,
) -> Status {
    let begun = begin(env, Kind::External, callback, hint, 0, 0);
    let (callback, hint) = passed_on(begun.as_ref(), callback, hint);
    let status = original!(create_external(env, data, callback, hint, result));
    if let Some(begun) = begun {
        begun.end(status, 0);
    }
    status
}

unsafe extern "C" fn create_external_array_buffer(
    env: Env,
    data: Data,
    byte_length: usize,
    callback: Finalize,
    hint: Data,
    result: *mut Value,
) -> Status {
    let (place, bytes) = (data as usize, byte_length as u64);
    let begun = begin(env, Kind::ExternalArrayBuffer, callback, hint, place, bytes);
    let (callback, hint) = passed_on(begun.as_ref(), callback, hint);
    let original = || {
        original!(create_external_array_buffer(
            env,
            data,
            byte_length,
            callback,
            hint,
            result
        ))
    };
    let Some(begun) = begun else {
        return original();
    };
    // SAFETY: what Node demands of its caller — "napi_create_external_arraybuffer".
    let (status, nothing) = unsafe { creating(result, original) };
    begun.end_made(status, 0, !nothing);
    status
}

unsafe extern "C" fn create_external_buffer(
    env: Env,
    byte_length: usize,
    data: Data,
    callback: Finalize,
    hint: Data,
    result: *mut Value,
) -> Status {
    let (place, bytes) = (data as usize, byte_length as u64);
    let begun = begin(env, Kind::ExternalBuffer, callback, hint, place, bytes);
    let (callback, hint) = passed_on(begun.as_ref(), callback, hint);
    let original = || {
        original!(create_external_buffer(
            env,
            byte_length,
            data,
            callback,
            hint,
            result
        ))
    };
    let Some(begun) = begun else {
        return original();
    };
    // SAFETY: what Node demands of its caller — "napi_create_external_buffer".
    let (status, nothing) = unsafe { creating(result, original) };
    begun.end_made(status, 0, !nothing);
    status
}

unsafe extern "C" fn create_external_shared_array_buffer(
    env: Env,
    data: Data,
    byte_length: usize,
    callback: FinalizeAnywhere,
    hint: Data,
    result: *mut Value,
) -> Status {
    let address = callback.map_or(0, |callback| callback as usize);
    let kind = AnyThreadKind::ExternalSharedArrayBuffer;
    let begun = begin_on_any_thread(env, kind, address, hint, byte_length as u64);
    let (callback, hint) = match &begun {
        Some(begun) => (Some(finalize_shared_array_buffer as _), begun.hint()),
        None => (callback, hint),
    };
    let original = || {
        original!(create_external_shared_array_buffer(
            env,
            data,
            byte_length,
            callback,
            hint,
            result
        ))
    };
    let Some(begun) = begun else {
        return original();
    };
    // SAFETY: what Node demands of its caller — "node_api_create_external_sharedarraybuffer".
    let (status, nothing) = unsafe { creating(result, original) };
    begun.end(status == OK, refused(status) && nothing);
    status
}

unsafe extern "C" fn create_external_string_latin1(
    env: Env,
    text: *mut c_char,
    length: usize,
    callback: Finalize,
    hint: Data,
    result: *mut Value,
    copied: *mut bool,
) -> Status {
    // SAFETY: what Node demands of its caller — "node_api_create_external_string_latin1".
    let bytes = unsafe { unit_count(text, length) } as u64;
    let begun = begin_string(env, callback, hint, bytes);
    let (callback, hint) = string_passed_on(begun.as_ref(), callback, hint);
    let status = original!(create_external_string_latin1(
        env, text, length, callback, hint, result, copied
    ));
    if let Some(begun) = begun {
        begun.end(status == OK, refused(status));
    }
    status
}

unsafe extern "C" fn create_external_string_utf16(
    env: Env,
    text: *mut u16,
    length: usize,
    callback: Finalize,
    hint: Data,
    result: *mut Value,
    copied: *mut bool,
) -> Status {
    // SAFETY: what Node demands of its caller — "node_api_create_external_string_utf16".
    let bytes = (unsafe { unit_count(text, length) } as u64).saturating_mul(2);
    let begun = begin_string(env, callback, hint, bytes);
    let (callback, hint) = string_passed_on(begun.as_ref(), callback, hint);
    let status = original!(create_external_string_utf16(
        env, text, length, callback, hint, result, copied
    ));
    if let Some(begun) = begun {
        begun.end(status == OK, refused(status));
    }
    status
}

// ── memory that Node allocates, and bytes that are only declared ────────────────────────────────────────────────────────

/// Counts memory that Node has allocated for an addon; and, on request, gives it a finalizer, as nobody else tells of its end.
#[inline]
fn allocated(env: Env, kind: Kind, byte_length: usize, value: Option<Value>) {
    let Some(environment) = calling(env) else {
        return;
    };
    let bytes = byte_length as u64;
    let begun = value
        .filter(|_| moment::looks_for_buffer_ends())
        .and_then(|value| Some((begin(env, kind, None, ptr::null_mut(), 0, bytes)?, value)));
    let Some((begun, value)) = begun else {
        environment.figures.of(kind).pass(bytes);
        return;
    };
    // Leaves no error behind when it succeeds, and it is the addon's own call that succeeded before.
    let status = original!(add_finalizer(
        env,
        value,
        ptr::null_mut(),
        Some(finalize),
        begun.hint(),
        ptr::null_mut()
    ));
    begun.end(status, 0);
    if status != OK {
        environment.figures.of(kind).pass(bytes);
    }
}

unsafe extern "C" fn create_buffer(
    env: Env,
    byte_length: usize,
    data: *mut Data,
    result: *mut Value,
) -> Status {
    let status = original!(create_buffer(env, byte_length, data, result));
    if status == OK {
        // SAFETY: Node refuses a null result, so it has written to this one.
        allocated(env, Kind::Buffer, byte_length, unsafe { filled(result) });
    }
    status
}

unsafe extern "C" fn create_buffer_copy(
    env: Env,
    byte_length: usize,
    data: *const c_void,
    result_data: *mut Data,
    result: *mut Value,
) -> Status {
    let status = original!(create_buffer_copy(
        env,
        byte_length,
        data,
        result_data,
        result
    ));
    if status == OK {
        // SAFETY: Node refuses a null result, so it has written to this one.
        allocated(env, Kind::Buffer, byte_length, unsafe { filled(result) });
    }
    status
}

unsafe extern "C" fn create_array_buffer(
    env: Env,
    byte_length: usize,
    data: *mut Data,
    result: *mut Value,
) -> Status {
    let status = original!(create_array_buffer(env, byte_length, data, result));
    if status == OK {
        // SAFETY: Node refuses a null result, so it has written to this one.
        allocated(env, Kind::ArrayBuffer, byte_length, unsafe {
            filled(result)
        });
    }
    status
}

unsafe extern "C" fn adjust_external_memory(env: Env, change: i64, result: *mut i64) -> Status {
    let status = original!(adjust_external_memory(env, change, result));
    if status == OK {
        // May be called in a finalizer during a garbage collection, where there is no context.
        // SAFETY: `env` is the environment of the running call; Node has just accepted it, and left no error behind.
        if let Some(environment) = unsafe { environments::calling_basic(env) } {
            environment.figures.adjust(change);
        }
    }
    status
}

// ── other things that stay until they are ended ─────────────────────────────────────────────────────────────────────────

unsafe extern "C" fn create_threadsafe_function(
    env: Env,
    function: Value,
    resource: Value,
    resource_name: Value,
    max_queue_size: usize,
    initial_thread_count: usize,
    finalize_data: Data,
    callback: Finalize,
    context: Data,
    call_js: Opaque,
    result: *mut Opaque,
) -> Status {
    let status = original!(create_threadsafe_function(
        env,
        function,
        resource,
        resource_name,
        max_queue_size,
        initial_thread_count,
        finalize_data,
        callback,
        context,
        call_js,
        result
    ));
    // SAFETY: Node refuses a null result, so it has written to this one.
    if let Some(made) = unsafe { filled_if(status, result) } {
        if let Some(environment) = calling(env) {
            handles::function_created(environment.share(), made as usize, initial_thread_count);
        }
    }
    status
}

unsafe extern "C" fn acquire_threadsafe_function(function: Opaque) -> Status {
    let status = original!(acquire_threadsafe_function(function));
    if status == OK && moment::is_on() {
        handles::function_acquired(function as usize);
    }
    status
}

unsafe extern "C" fn release_threadsafe_function(function: Opaque, mode: c_int) -> Status {
    const ABORT: c_int = 1;
    if moment::is_on() {
        handles::function_released(function as usize, mode == ABORT);
    }
    original!(release_threadsafe_function(function, mode))
}

unsafe extern "C" fn create_promise(
    env: Env,
    deferred: *mut Opaque,
    promise: *mut Value,
) -> Status {
    let status = original!(create_promise(env, deferred, promise));
    // SAFETY: Node refuses a null result, so it has written to this one.
    if let Some(deferred) = unsafe { filled_if(status, deferred) } {
        if let Some(environment) = calling(env) {
            environment.holdings(|holdings, figures| {
                holdings.deferred_created(figures, deferred as usize);
            });
        }
    }
    status
}

unsafe extern "C" fn resolve_deferred(env: Env, deferred: Opaque, value: Value) -> Status {
    let status = original!(resolve_deferred(env, deferred, value));
    settled(env, deferred, status);
    status
}

unsafe extern "C" fn reject_deferred(env: Env, deferred: Opaque, value: Value) -> Status {
    let status = original!(reject_deferred(env, deferred, value));
    settled(env, deferred, status);
    status
}

/// Node frees the deferred also when resolving it failed.
fn settled(env: Env, deferred: Opaque, status: Status) {
    if matches!(status, OK | sys::Status::napi_generic_failure) {
        if let Some(environment) = known(env) {
            environment.holdings(|holdings, figures| {
                holdings.deferred_settled(figures, deferred as usize);
            });
        }
    }
}

unsafe extern "C" fn create_async_work(
    env: Env,
    resource: Value,
    resource_name: Value,
    execute: Opaque,
    complete: Opaque,
    data: Data,
    result: *mut Opaque,
) -> Status {
    let status = original!(create_async_work(
        env,
        resource,
        resource_name,
        execute,
        complete,
        data,
        result
    ));
    // SAFETY: Node refuses a null result, so it has written to this one.
    if let Some(work) = unsafe { filled_if(status, result) } {
        if let Some(environment) = calling(env) {
            environment.holdings(|holdings, figures| {
                holdings.async_work_created(figures, work as usize);
            });
        }
    }
    status
}

unsafe extern "C" fn delete_async_work(env: Env, work: Opaque) -> Status {
    let status = original!(delete_async_work(env, work));
    if status == OK {
        if let Some(environment) = known(env) {
            environment.holdings(|holdings, figures| {
                holdings.async_work_deleted(figures, work as usize);
            });
        }
    }
    status
}

unsafe extern "C" fn add_async_cleanup_hook(
    env: Env,
    hook: Opaque,
    argument: Data,
    handle: *mut Opaque,
) -> Status {
    let mut local = ptr::null_mut();
    let handle = or_local(handle, &mut local);
    let status = original!(add_async_cleanup_hook(env, hook, argument, handle));
    // SAFETY: the caller's own, or our local.
    if let Some(handle) = unsafe { filled_if(status, handle) } {
        // SAFETY: `env` is the environment of the running call; Node has just accepted it, and left no error behind.
        if let Some(environment) = unsafe { environments::calling_basic(env) } {
            handles::cleanup_hook_added(environment.share(), handle as usize);
        }
    }
    status
}

unsafe extern "C" fn remove_async_cleanup_hook(handle: Opaque) -> Status {
    if moment::is_on() && !handle.is_null() {
        handles::cleanup_hook_removed(handle as usize);
    }
    original!(remove_async_cleanup_hook(handle))
}

unsafe extern "C" fn set_instance_data(
    env: Env,
    data: Data,
    callback: Finalize,
    hint: Data,
) -> Status {
    let status = original!(set_instance_data(env, data, callback, hint));
    if status == OK {
        // SAFETY: `env` is the environment of the running call; Node has just accepted it, and left no error behind.
        if let Some(environment) = unsafe { environments::calling_basic(env) } {
            environment.figures.instance_data.set();
        }
    }
    status
}

// ── seen, not counted: every addon calls one of these when it is loaded ─────────────────────────────────────────────────

unsafe extern "C" fn create_function(
    env: Env,
    name: *const c_char,
    length: usize,
    callback: Opaque,
    data: Data,
    result: *mut Value,
) -> Status {
    let status = original!(create_function(env, name, length, callback, data, result));
    if status == OK {
        calling(env);
    }
    status
}

unsafe extern "C" fn define_class(
    env: Env,
    name: *const c_char,
    length: usize,
    constructor: Opaque,
    data: Data,
    property_count: usize,
    properties: *const c_void,
    result: *mut Value,
) -> Status {
    let status = original!(define_class(
        env,
        name,
        length,
        constructor,
        data,
        property_count,
        properties,
        result
    ));
    if status == OK {
        calling(env);
    }
    status
}

unsafe extern "C" fn define_properties(
    env: Env,
    object: Value,
    property_count: usize,
    properties: *const c_void,
) -> Status {
    let status = original!(define_properties(env, object, property_count, properties));
    if status == OK {
        calling(env);
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_was_made_only_where_the_call_succeeded() {
        assert_eq!(OK, sys::Status::napi_ok);
        let reference: Ref = ptr::without_provenance_mut(64);
        assert_eq!(reference_in(OK, Some(reference)), 64);
        assert_eq!(reference_in(1, Some(reference)), 0);
        assert_eq!(reference_in(OK, None), 0);
    }

    #[test]
    fn only_what_comes_before_anything_was_made_is_a_refusal() {
        for status in [
            sys::Status::napi_invalid_arg,
            sys::Status::napi_object_expected,
            sys::Status::napi_no_external_buffers_allowed,
            sys::Status::napi_pending_exception,
            sys::Status::napi_cannot_run_js,
        ] {
            assert!(refused(status), "{status}");
        }
        for status in [
            OK,
            sys::Status::napi_generic_failure,
            sys::Status::napi_queue_full,
            sys::Status::napi_closing,
        ] {
            assert!(!refused(status), "{status}");
        }
    }
}
