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

use super::environments::{self, Calling};
use super::functions::Function;
use super::{any_thread, moment, originals, shared, stack};
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
type Status = sys::napi_status;
type Finalize = Option<unsafe extern "C" fn(Env, *mut c_void, *mut c_void)>;
type FinalizeAnywhere = Option<unsafe extern "C" fn(*mut c_void, *mut c_void)>;
type Data = *mut c_void;
type Opaque = *mut c_void;

const OK: Status = sys::Status::napi_ok;

/// Calls the original of a function.
macro_rules! call {
    ($function:ident as fn($($type:ty),*); $($passed:expr),*) => {{
        let address = originals::address(Function::$function);
        // SAFETY: the address of Node's own function of this name, whose signature this is — the headers of Node-API. It is
        // known before any slot leads here (`originals::find`).
        let original = unsafe {
            std::mem::transmute::<usize, unsafe extern "C" fn($($type),*) -> Status>(address)
        };
        // SAFETY: our caller's own arguments, and stand-ins of the same type.
        unsafe { original($($passed),*) }
    }};
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

/// What lies behind an output that the addon asked for and Node has filled.
///
/// # Safety
///
/// `output` is null, or valid for reading: the original has just written to it.
#[inline]
unsafe fn filled<T: Copy>(output: *mut T) -> Option<T> {
    // SAFETY: our caller's promise.
    unsafe { output.as_ref() }.copied()
}

/// Replaces an output that the addon did not ask for.
#[inline]
fn or_local<T>(output: *mut T, local: &mut T) -> *mut T {
    if output.is_null() {
        local
    } else {
        output
    }
}

/// Where a thing is being made, if this one is to be sampled; 0 if not. Called outside of the originals.
#[inline]
fn site(environment: Calling, kind: u8) -> u32 {
    let every = environments::stacks_every();
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
    let finalizer = unsafe { any_thread::finalize(hint) };
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
    let finalizer = unsafe { any_thread::finalize(hint) };
    // SAFETY: an address that the addon passed as such a finalizer, or null.
    let callback = unsafe { std::mem::transmute::<usize, FinalizeAnywhere>(finalizer.callback) };
    if let Some(callback) = callback {
        // SAFETY: Node's data, the addon's hint: what Node would have called it with.
        unsafe { callback(data, finalizer.hint as *mut c_void) };
    }
}

#[inline]
fn begin_on_any_thread(
    env: Env,
    kind: AnyThreadKind,
    callback: usize,
    hint: Data,
    bytes: u64,
) -> Option<any_thread::Begun> {
    let finalizer = Finalizer {
        callback,
        hint: hint as usize,
    };
    Some(any_thread::begin(calling(env)?, kind, finalizer, bytes))
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

/// Calls an original that writes its value last, and says whether a failure came before that: then nothing was made.
/// The addon's variable is as it was afterwards.
///
/// # Safety
///
/// `result` is null, or valid for writing.
#[inline]
unsafe fn creating(result: *mut Value, original: impl FnOnce() -> Status) -> (Status, bool) {
    if result.is_null() {
        return (original(), true);
    }
    // Most addons leave it uninitialized.
    let slot = result.cast::<std::mem::MaybeUninit<Value>>();
    // SAFETY: our caller's promise; any bytes are a valid MaybeUninit.
    let before = unsafe { slot.read() };
    // SAFETY: our caller's promise.
    unsafe { result.write(ptr::null_mut()) };
    let status = original();
    if status == OK {
        return (status, false);
    }
    // SAFETY: written above, and by Node at most once more.
    let nothing = unsafe { result.read() }.is_null();
    if nothing {
        // SAFETY: our caller's promise.
        unsafe { slot.write(before) };
    }
    (status, nothing)
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
    let status = call!(CreateReference as fn(Env, Value, u32, *mut Ref); env, value, count, result);
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
    let status = call!(DeleteReference as fn(Env, Ref); env, reference);
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
    let status = call!(ReferenceRef as fn(Env, Ref, *mut u32); env, reference, result);
    // SAFETY: the caller's own, or our local.
    counted(env, reference, status, unsafe { filled(result) });
    status
}

unsafe extern "C" fn reference_unref(env: Env, reference: Ref, result: *mut u32) -> Status {
    let mut local = 0;
    let result = or_local(result, &mut local);
    let status = call!(ReferenceUnref as fn(Env, Ref, *mut u32); env, reference, result);
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
    let Some(begun) = begun else {
        return call!(Wrap as fn(Env, Value, Data, Finalize, Data, *mut Ref);
            env, object, native, callback, hint, result);
    };
    let status = call!(Wrap as fn(Env, Value, Data, Finalize, Data, *mut Ref);
        env, object, native, Some(finalize), begun.hint(), result);
    // SAFETY: null, or written by Node, which succeeded where that matters.
    begun.end(
        status,
        reference_in(status, unsafe { filled_if(status, result) }),
    );
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
    let Some(begun) = begun else {
        return call!(AddFinalizer as fn(Env, Value, Data, Finalize, Data, *mut Ref);
            env, object, data, callback, hint, result);
    };
    let status = call!(AddFinalizer as fn(Env, Value, Data, Finalize, Data, *mut Ref);
        env, object, data, Some(finalize), begun.hint(), result);
    // SAFETY: as in `wrap`.
    begun.end(
        status,
        reference_in(status, unsafe { filled_if(status, result) }),
    );
    status
}

/// # Safety
///
/// With [`OK`], `output` is null or has been written to.
#[inline]
unsafe fn filled_if<T: Copy>(status: Status, output: *mut T) -> Option<T> {
    if status == OK {
        // SAFETY: our caller's promise.
        unsafe { filled(output) }
    } else {
        None
    }
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
    let status = call!(RemoveWrap as fn(Env, Value, *mut Data); env, object, result);
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
    let Some(begun) = begin(env, Kind::External, callback, hint, 0, 0) else {
        return call!(CreateExternal as fn(Env, Data, Finalize, Data, *mut Value);
            env, data, callback, hint, result);
    };
    let status = call!(CreateExternal as fn(Env, Data, Finalize, Data, *mut Value);
        env, data, Some(finalize), begun.hint(), result);
    begun.end(status, 0);
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
    let bytes = byte_length as u64;
    let place = data as usize;
    let Some(begun) = begin(env, Kind::ExternalArrayBuffer, callback, hint, place, bytes) else {
        return call!(CreateExternalArrayBuffer as fn(Env, Data, usize, Finalize, Data, *mut Value);
            env, data, byte_length, callback, hint, result);
    };
    let original = || {
        call!(CreateExternalArrayBuffer as fn(Env, Data, usize, Finalize, Data, *mut Value);
            env, data, byte_length, Some(finalize), begun.hint(), result)
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
    let bytes = byte_length as u64;
    let place = data as usize;
    let Some(begun) = begin(env, Kind::ExternalBuffer, callback, hint, place, bytes) else {
        return call!(CreateExternalBuffer as fn(Env, usize, Data, Finalize, Data, *mut Value);
            env, byte_length, data, callback, hint, result);
    };
    let original = || {
        call!(CreateExternalBuffer as fn(Env, usize, Data, Finalize, Data, *mut Value);
            env, byte_length, data, Some(finalize), begun.hint(), result)
    };
    // SAFETY: what Node demands of its caller — "napi_create_external_buffer".
    let (status, nothing) = unsafe { creating(result, original) };
    begun.end_made(status, 0, !nothing);
    status
}

/// The length of a string that an addon left to Node to find out.
///
/// # Safety
///
/// With `length` being `NAPI_AUTO_LENGTH`, `text` is null or ends with a unit of 0.
unsafe fn unit_count<T: Copy + Default + PartialEq>(text: *const T, length: usize) -> usize {
    const AUTO_LENGTH: usize = usize::MAX;
    if length != AUTO_LENGTH || text.is_null() {
        return length;
    }
    let mut count = 0;
    loop {
        // SAFETY: not beyond the unit of 0, which ends it: our caller's promise.
        let at = unsafe { text.add(count) };
        // SAFETY: as above.
        if unsafe { at.read() } == T::default() {
            return count;
        }
        count += 1;
    }
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
    let Some(begun) = begin_on_any_thread(env, kind, address, hint, byte_length as u64) else {
        return call!(CreateExternalSharedArrayBuffer as
            fn(Env, Data, usize, FinalizeAnywhere, Data, *mut Value);
            env, data, byte_length, callback, hint, result);
    };
    let original = || {
        call!(CreateExternalSharedArrayBuffer as
            fn(Env, Data, usize, FinalizeAnywhere, Data, *mut Value);
            env, data, byte_length, Some(finalize_shared_array_buffer), begun.hint(), result)
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
    let address = callback.map_or(0, |callback| callback as usize);
    let kind = AnyThreadKind::ExternalString;
    let Some(begun) = begin_on_any_thread(env, kind, address, hint, bytes) else {
        return call!(CreateExternalStringLatin1 as fn(Env, *mut c_char, usize, Finalize, Data, *mut Value, *mut bool);
            env, text, length, callback, hint, result, copied);
    };
    let status = call!(CreateExternalStringLatin1 as fn(Env, *mut c_char, usize, Finalize, Data, *mut Value, *mut bool);
        env, text, length, Some(finalize_string), begun.hint(), result, copied);
    begun.end(status == OK, refused(status));
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
    let address = callback.map_or(0, |callback| callback as usize);
    let kind = AnyThreadKind::ExternalString;
    let Some(begun) = begin_on_any_thread(env, kind, address, hint, bytes) else {
        return call!(CreateExternalStringUtf16 as fn(Env, *mut u16, usize, Finalize, Data, *mut Value, *mut bool);
            env, text, length, callback, hint, result, copied);
    };
    let status = call!(CreateExternalStringUtf16 as fn(Env, *mut u16, usize, Finalize, Data, *mut Value, *mut bool);
        env, text, length, Some(finalize_string), begun.hint(), result, copied);
    begun.end(status == OK, refused(status));
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
        .filter(|_| environments::watches_buffers())
        .and_then(|value| Some((begin(env, kind, None, ptr::null_mut(), 0, bytes)?, value)));
    let Some((begun, value)) = begun else {
        environment.figures.of(kind).pass(bytes);
        return;
    };
    // Leaves no error behind when it succeeds, and it is the addon's own call that succeeded before.
    let status = call!(AddFinalizer as fn(Env, Value, Data, Finalize, Data, *mut Ref);
        env, value, ptr::null_mut(), Some(finalize), begun.hint(), ptr::null_mut());
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
    let status = call!(CreateBuffer as fn(Env, usize, *mut Data, *mut Value);
        env, byte_length, data, result);
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
    let status = call!(CreateBufferCopy as fn(Env, usize, *const c_void, *mut Data, *mut Value);
        env, byte_length, data, result_data, result);
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
    let status = call!(CreateArrayBuffer as fn(Env, usize, *mut Data, *mut Value);
        env, byte_length, data, result);
    if status == OK {
        // SAFETY: Node refuses a null result, so it has written to this one.
        allocated(env, Kind::ArrayBuffer, byte_length, unsafe {
            filled(result)
        });
    }
    status
}

unsafe extern "C" fn adjust_external_memory(env: Env, change: i64, result: *mut i64) -> Status {
    let status = call!(AdjustExternalMemory as fn(Env, i64, *mut i64); env, change, result);
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
    let status = call!(CreateThreadsafeFunction as
        fn(Env, Value, Value, Value, usize, usize, Data, Finalize, Data, Opaque, *mut Opaque);
        env, function, resource, resource_name, max_queue_size, initial_thread_count,
        finalize_data, callback, context, call_js, result);
    // SAFETY: Node refuses a null result, so it has written to this one.
    if let Some(made) = unsafe { filled_if(status, result) } {
        if let Some(environment) = calling(env) {
            shared::function_created(
                environment.id(),
                &environment.figures,
                made as usize,
                initial_thread_count,
            );
        }
    }
    status
}

unsafe extern "C" fn acquire_threadsafe_function(function: Opaque) -> Status {
    let status = call!(AcquireThreadsafeFunction as fn(Opaque); function);
    if status == OK && moment::is_on() {
        shared::function_acquired(function as usize);
    }
    status
}

unsafe extern "C" fn release_threadsafe_function(function: Opaque, mode: c_int) -> Status {
    const ABORT: c_int = 1;
    if moment::is_on() {
        shared::function_released(function as usize, mode == ABORT);
    }
    call!(ReleaseThreadsafeFunction as fn(Opaque, c_int); function, mode)
}

unsafe extern "C" fn create_promise(
    env: Env,
    deferred: *mut Opaque,
    promise: *mut Value,
) -> Status {
    let status = call!(CreatePromise as fn(Env, *mut Opaque, *mut Value); env, deferred, promise);
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
    let status = call!(ResolveDeferred as fn(Env, Opaque, Value); env, deferred, value);
    settled(env, deferred, status);
    status
}

unsafe extern "C" fn reject_deferred(env: Env, deferred: Opaque, value: Value) -> Status {
    let status = call!(RejectDeferred as fn(Env, Opaque, Value); env, deferred, value);
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
    let status = call!(CreateAsyncWork as fn(Env, Value, Value, Opaque, Opaque, Data, *mut Opaque);
        env, resource, resource_name, execute, complete, data, result);
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
    let status = call!(DeleteAsyncWork as fn(Env, Opaque); env, work);
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
    let status = call!(AddAsyncCleanupHook as fn(Env, Opaque, Data, *mut Opaque);
        env, hook, argument, handle);
    // SAFETY: the caller's own, or our local.
    if let Some(handle) = unsafe { filled_if(status, handle) } {
        // SAFETY: `env` is the environment of the running call; Node has just accepted it, and left no error behind.
        if let Some(environment) = unsafe { environments::calling_basic(env) } {
            shared::cleanup_hook_added(environment.id(), &environment.figures, handle as usize);
        }
    }
    status
}

unsafe extern "C" fn remove_async_cleanup_hook(handle: Opaque) -> Status {
    if moment::is_on() && !handle.is_null() {
        shared::cleanup_hook_removed(handle as usize);
    }
    call!(RemoveAsyncCleanupHook as fn(Opaque); handle)
}

unsafe extern "C" fn set_instance_data(
    env: Env,
    data: Data,
    callback: Finalize,
    hint: Data,
) -> Status {
    let status = call!(SetInstanceData as fn(Env, Data, Finalize, Data); env, data, callback, hint);
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
    let status = call!(CreateFunction as fn(Env, *const c_char, usize, Opaque, Data, *mut Value);
        env, name, length, callback, data, result);
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
    let status = call!(DefineClass as
        fn(Env, *const c_char, usize, Opaque, Data, usize, *const c_void, *mut Value);
        env, name, length, constructor, data, property_count, properties, result);
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
    let status = call!(DefineProperties as fn(Env, Value, usize, *const c_void);
        env, object, property_count, properties);
    if status == OK {
        calling(env);
    }
    status
}

/// The address of a hook.
pub fn address(function: Function) -> usize {
    match function {
        // The loader's.
        Function::Dlopen | Function::Dlsym => 0,
        Function::CreateReference => create_reference as *const () as usize,
        Function::DeleteReference => delete_reference as *const () as usize,
        Function::ReferenceRef => reference_ref as *const () as usize,
        Function::ReferenceUnref => reference_unref as *const () as usize,
        Function::Wrap => wrap as *const () as usize,
        Function::RemoveWrap => remove_wrap as *const () as usize,
        Function::AddFinalizer => add_finalizer as *const () as usize,
        Function::CreateExternal => create_external as *const () as usize,
        Function::CreateExternalArrayBuffer => create_external_array_buffer as *const () as usize,
        Function::CreateExternalBuffer => create_external_buffer as *const () as usize,
        Function::CreateExternalSharedArrayBuffer => {
            create_external_shared_array_buffer as *const () as usize
        }
        Function::CreateExternalStringLatin1 => create_external_string_latin1 as *const () as usize,
        Function::CreateExternalStringUtf16 => create_external_string_utf16 as *const () as usize,
        Function::CreateBuffer => create_buffer as *const () as usize,
        Function::CreateBufferCopy => create_buffer_copy as *const () as usize,
        Function::CreateArrayBuffer => create_array_buffer as *const () as usize,
        Function::AdjustExternalMemory => adjust_external_memory as *const () as usize,
        Function::CreateThreadsafeFunction => create_threadsafe_function as *const () as usize,
        Function::AcquireThreadsafeFunction => acquire_threadsafe_function as *const () as usize,
        Function::ReleaseThreadsafeFunction => release_threadsafe_function as *const () as usize,
        Function::CreatePromise => create_promise as *const () as usize,
        Function::ResolveDeferred => resolve_deferred as *const () as usize,
        Function::RejectDeferred => reject_deferred as *const () as usize,
        Function::CreateAsyncWork => create_async_work as *const () as usize,
        Function::DeleteAsyncWork => delete_async_work as *const () as usize,
        Function::AddAsyncCleanupHook => add_async_cleanup_hook as *const () as usize,
        Function::RemoveAsyncCleanupHook => remove_async_cleanup_hook as *const () as usize,
        Function::SetInstanceData => set_instance_data as *const () as usize,
        Function::CreateFunction => create_function as *const () as usize,
        Function::DefineClass => define_class as *const () as usize,
        Function::DefineProperties => define_properties as *const () as usize,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    /// A value that is never looked into.
    fn value(number: usize) -> Value {
        ptr::without_provenance_mut(number)
    }

    #[test]
    fn an_original_that_makes_its_value_is_never_called_refused() {
        let mut result = value(7);
        // SAFETY: the output is a local.
        let made = unsafe { creating(&mut result, || OK) };
        assert_eq!(made, (OK, false));
        let slot: *mut Value = &mut result;
        let write = || {
            // SAFETY: a local; as Node writes to the same output.
            unsafe { slot.write(value(9)) };
            sys::Status::napi_pending_exception
        };
        // SAFETY: the output is a local.
        let failed_later = unsafe { creating(slot, write) };
        assert_eq!(failed_later, (sys::Status::napi_pending_exception, false));
        assert_eq!(result, value(9));
    }

    #[test]
    fn after_a_refusal_the_addons_variable_is_as_it_was() {
        let mut result = value(7);
        // SAFETY: the output is a local.
        let refused = unsafe { creating(&mut result, || sys::Status::napi_invalid_arg) };
        assert_eq!(refused, (sys::Status::napi_invalid_arg, true));
        assert_eq!(result, value(7));
        // SAFETY: null is allowed.
        let without = unsafe { creating(ptr::null_mut(), || sys::Status::napi_invalid_arg) };
        assert_eq!(without, (sys::Status::napi_invalid_arg, true));
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

    #[test]
    fn outputs_that_an_addon_did_not_ask_for_are_our_own() {
        let (mut theirs, mut ours) = (1u32, 2u32);
        let asked: *mut u32 = &mut theirs;
        assert_eq!(or_local(asked, &mut ours), asked);
        assert_ne!(or_local(ptr::null_mut(), &mut ours), asked);
        // SAFETY: null, or a local.
        let read = |output: *mut u32| unsafe { filled(output) };
        assert_eq!([read(asked), read(ptr::null_mut())], [Some(1), None]);
        // SAFETY: a local.
        let read_if = |status| unsafe { filled_if(status, asked) };
        assert_eq!([read_if(OK), read_if(1)], [Some(1), None]);
        let reference: Ref = ptr::without_provenance_mut(64);
        assert_eq!(reference_in(OK, Some(reference)), 64);
        assert_eq!(reference_in(1, Some(reference)), 0);
        assert_eq!(reference_in(OK, None), 0);
    }

    #[test]
    fn a_string_without_a_length_ends_with_its_unit_of_0() {
        let latin1 = b"seven!!\0beyond";
        let utf16: Vec<u16> = "five5\0beyond".encode_utf16().collect();
        // SAFETY: null, or a text that holds a unit of 0.
        let latin1_count = |text: *const u8, length| unsafe { unit_count(text, length) };
        // SAFETY: as above.
        let utf16_count = unsafe { unit_count(utf16.as_ptr(), usize::MAX) };
        assert_eq!(latin1_count(latin1.as_ptr(), usize::MAX), 7);
        assert_eq!(utf16_count, 5);
        assert_eq!(latin1_count(latin1.as_ptr(), 3), 3);
        assert_eq!(latin1_count(ptr::null(), 3), 3);
    }
}
