//! The Node-API calls that this room makes by itself, each as a function. `[unsafe]`
//!
//! Knows: how each call is made, and what its status means.
//! Duties: every function gets the environment of the call that Node is running on this thread, and values that are live in
//! it. The callers are the other files of this room, and `bindings::external`, whose functions have both from Node.
//! A panic in a finalizer ends here: in an `extern "C"` function it would abort the host.
//! Out of scope: what a value is to offheap.
//! Limitations: only what is called too often for the wrappers of the `napi` crate, or is not in them.

use std::ffi::c_void;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr;

use napi::sys;

/// A Node-API environment.
pub(crate) type Env = sys::napi_env;

/// A handle on a value, live until the running call returns.
pub(crate) type Value = sys::napi_value;

/// What Node passes to a native function beside the environment.
pub(crate) type CallInfo = sys::napi_callback_info;

/// A reference, not counted: `references` counts them.
pub(super) type Reference = sys::napi_ref;

/// A function that Node calls.
pub(crate) type Callback = unsafe extern "C" fn(Env, CallInfo) -> Value;

/// A handle scope that closes itself. Scopes nest; this one is opened and closed within one call.
pub(super) struct HandleScope {
    env: Env,
    scope: sys::napi_handle_scope,
}

impl HandleScope {
    pub(super) fn open(env: Env) -> Option<Self> {
        let mut scope = ptr::null_mut();
        // SAFETY: `env` is the environment of the running call — "napi_open_handle_scope".
        let status = unsafe { sys::napi_open_handle_scope(env, &mut scope) };
        (status == sys::Status::napi_ok).then_some(HandleScope { env, scope })
    }

    pub(super) fn reopen(old: Option<Self>, env: Env) -> Option<Self> {
        drop(old);
        Self::open(env)
    }
}

impl Drop for HandleScope {
    fn drop(&mut self) {
        // SAFETY: opened by `open` in the same call and closed once, in reverse order — "napi_close_handle_scope".
        unsafe { sys::napi_close_handle_scope(self.env, self.scope) };
    }
}

/// A new, empty object.
pub(super) fn create_object(env: Env) -> Option<Value> {
    let mut object = ptr::null_mut();
    // SAFETY: `env` is the environment of the running call — "napi_create_object".
    let status = unsafe { sys::napi_create_object(env, &mut object) };
    (status == sys::Status::napi_ok).then_some(object)
}

fn create_string(env: Env, text: &str) -> Option<Value> {
    let mut value = ptr::null_mut();
    // SAFETY: the text is valid for the given length — "napi_create_string_utf8".
    let status = unsafe {
        sys::napi_create_string_utf8(env, text.as_ptr().cast(), text.len() as isize, &mut value)
    };
    (status == sys::Status::napi_ok).then_some(value)
}

/// A native function. It finds `data` again by [`arguments`].
pub(crate) fn create_function(
    env: Env,
    name: &str,
    function: Callback,
    data: *mut c_void,
) -> Option<Value> {
    let mut value = ptr::null_mut();
    // SAFETY: the name is a valid string of the given length; `data` is handed through and not looked at —
    // "napi_create_function".
    let status = unsafe {
        sys::napi_create_function(
            env,
            name.as_ptr().cast(),
            name.len() as isize,
            Some(function),
            data,
            &mut value,
        )
    };
    (status == sys::Status::napi_ok).then_some(value)
}

/// The arguments of the running native function (missing ones are `undefined`), and the `data` that it was made with.
#[inline]
pub(crate) fn arguments<const N: usize>(
    env: Env,
    info: CallInfo,
) -> Option<([Value; N], *mut c_void)> {
    let mut arguments = [ptr::null_mut(); N];
    let mut count = N;
    let mut data = ptr::null_mut();
    // SAFETY: `env` and `info` are those of the running call, and `arguments` has room for `count` — "napi_get_cb_info".
    let status = unsafe {
        sys::napi_get_cb_info(
            env,
            info,
            &mut count,
            arguments.as_mut_ptr(),
            ptr::null_mut(),
            &mut data,
        )
    };
    (status == sys::Status::napi_ok).then_some((arguments, data))
}

/// `object[name]`.
pub(super) fn property(env: Env, object: Value, name: &str) -> Option<Value> {
    let key = create_string(env, name)?;
    let mut value = ptr::null_mut();
    // SAFETY: both handles are live in the running call — "napi_get_property".
    let status = unsafe { sys::napi_get_property(env, object, key, &mut value) };
    (status == sys::Status::napi_ok).then_some(value)
}

/// Sets `object[name]`. `None` when that failed.
pub(crate) fn set_property(env: Env, object: Value, name: &str, value: Value) -> Option<()> {
    let key = create_string(env, name)?;
    // SAFETY: all handles are live in the running call — "napi_set_property".
    let status = unsafe { sys::napi_set_property(env, object, key, value) };
    (status == sys::Status::napi_ok).then_some(())
}

/// Evaluates a script in the realm that loaded the addon.
pub(super) fn run_script(env: Env, source: &str) -> Option<Value> {
    let source = create_string(env, source)?;
    let mut value = ptr::null_mut();
    // SAFETY: `source` is a live handle of the running call — "napi_run_script".
    let status = unsafe { sys::napi_run_script(env, source, &mut value) };
    (status == sys::Status::napi_ok).then_some(value)
}

/// Calls a function of JavaScript that does not use its `this`. The caller holds no borrow: the function may call native ones. What it throws is
/// cleared: it is ours, not the host's, and left pending it would surface as an uncaught exception.
pub(super) fn call(env: Env, function: Value, arguments: &[Value]) -> Option<Value> {
    let mut result = ptr::null_mut();
    // SAFETY: all handles are live in the running call, and the length that is passed is that of `arguments` —
    // "napi_call_function".
    let status = unsafe {
        sys::napi_call_function(
            env,
            function,
            function,
            arguments.len(),
            arguments.as_ptr(),
            &mut result,
        )
    };
    if status == sys::Status::napi_pending_exception {
        // SAFETY: the output is ours — "napi_get_and_clear_last_exception".
        unsafe { sys::napi_get_and_clear_last_exception(env, &mut result) };
    }
    (status == sys::Status::napi_ok).then_some(result)
}

/// A number that JavaScript passed.
pub(crate) fn number(env: Env, value: Value) -> Option<f64> {
    let mut number = 0.0;
    // SAFETY: `value` is a live handle of the running call; another type gives a status — "napi_get_value_double".
    let status = unsafe { sys::napi_get_value_double(env, value, &mut number) };
    (status == sys::Status::napi_ok).then_some(number)
}

/// A number for JavaScript.
pub(crate) fn to_number(env: Env, number: f64) -> Value {
    let mut value = ptr::null_mut();
    // SAFETY: `env` is the environment of the running call — "napi_create_double".
    unsafe { sys::napi_create_double(env, number, &mut value) };
    value
}

/// The line of Node, such as 24; `None` in another program.
pub(super) fn node_line(env: Env) -> Option<u32> {
    let mut version: *const sys::napi_node_version = ptr::null();
    // SAFETY: the output is ours; what it points to is Node's for good — "napi_get_node_version".
    let status = unsafe { sys::napi_get_node_version(env, &mut version) };
    if status != sys::Status::napi_ok || version.is_null() {
        return None;
    }
    // SAFETY: as above.
    let version = unsafe { &*version };
    // SAFETY: the name is a C string of Node's.
    let release = unsafe { std::ffi::CStr::from_ptr(version.release) };
    (release == c"node").then_some(version.major)
}

/// Whether a value is an object: a function or an addon's external too.
#[inline]
pub(super) fn is_object(env: Env, value: Value) -> bool {
    let mut kind = -1;
    // SAFETY: `value` is a live handle of the running call, or null, which gives a status — "napi_typeof".
    let status = unsafe { sys::napi_typeof(env, value, &mut kind) };
    status == sys::Status::napi_ok
        && [
            sys::ValueType::napi_object,
            sys::ValueType::napi_function,
            sys::ValueType::napi_external,
        ]
        .contains(&kind)
}

/// Whether two values are the same object.
pub(super) fn is_same(env: Env, one: Value, other: Value) -> bool {
    let mut same = false;
    // SAFETY: both values are live handles of the running call; comparing two objects runs no JavaScript —
    // "napi_strict_equals", ECMAScript IsStrictlyEqual.
    let status = unsafe { sys::napi_strict_equals(env, one, other, &mut same) };
    status == sys::Status::napi_ok && same
}

/// The address of a view's first byte; 0 when it has none. `None` for what is no view.
#[inline]
pub(super) fn address_of(env: Env, value: Value) -> Option<usize> {
    if let Some((_, data)) = typed_array(env, value) {
        return Some(data as usize);
    }
    let (mut length, mut data) = (0, ptr::null_mut());
    // SAFETY: `value` is a live handle of the running call; another type gives a status; outputs that are not wanted may be
    // null — "napi_get_dataview_info".
    let status = unsafe {
        sys::napi_get_dataview_info(
            env,
            value,
            &mut length,
            &mut data,
            ptr::null_mut(),
            ptr::null_mut(),
        )
    };
    (status == sys::Status::napi_ok).then_some(data as usize)
}

/// How many numbers a typed array has, and where they are.
#[inline]
pub(super) fn typed_array(env: Env, value: Value) -> Option<(usize, *mut c_void)> {
    let (mut length, mut data) = (0, ptr::null_mut());
    // SAFETY: `value` is a live handle of the running call; another type gives a status, not a crash; outputs that are not
    // wanted may be null — "napi_get_typedarray_info".
    let status = unsafe {
        sys::napi_get_typedarray_info(
            env,
            value,
            ptr::null_mut(),
            &mut length,
            &mut data,
            ptr::null_mut(),
            ptr::null_mut(),
        )
    };
    (status == sys::Status::napi_ok).then_some((length, data))
}

/// A reference: strong, so that it keeps the value alive, or weak.
#[inline]
pub(super) fn create_reference(env: Env, value: Value, strong: bool) -> Option<Reference> {
    let mut reference = ptr::null_mut();
    // SAFETY: `env` and `value` are those of the running call, and `reference` is ours to write — "napi_create_reference".
    let status =
        unsafe { sys::napi_create_reference(env, value, u32::from(strong), &mut reference) };
    (status == sys::Status::napi_ok).then_some(reference)
}

/// Deletes a reference. Whether it could.
///
/// # Safety
///
/// - [`create_reference`] made `reference` for this `env`, which has not ended.
/// - It has not been deleted, and is not used again.
pub(super) unsafe fn delete_reference(env: Env, reference: Reference) -> bool {
    // SAFETY: our caller's promise — "napi_delete_reference".
    let status = unsafe { sys::napi_delete_reference(env, reference) };
    status == sys::Status::napi_ok
}

/// What a reference refers to; null when it was collected. Opens no handle scope.
///
/// # Safety
///
/// [`create_reference`] made `reference` for this `env`, neither has ended nor was deleted.
#[inline]
pub(super) unsafe fn referenced(env: Env, reference: Reference) -> Value {
    let mut value = ptr::null_mut();
    // SAFETY: our caller's promise — "napi_get_reference_value": sets null for a collected object.
    unsafe { sys::napi_get_reference_value(env, reference, &mut value) };
    value
}

/// What a finalizer does.
type Finalizer = Box<dyn FnOnce(Env)>;

/// Has `finalizer` called on this thread once `object` was collected, or at the end of the environment. Whether it will be;
/// otherwise it is dropped.
pub(super) fn add_finalizer(env: Env, object: Value, finalizer: Finalizer) -> bool {
    let data = Box::into_raw(Box::new(finalizer)).cast::<c_void>();
    // SAFETY: `object` is a live handle of the running call; `data` stays valid until `finalize` takes it back, and Node calls
    // a finalizer once, on this thread, after collection or at the environment's end — "napi_add_finalizer", "Object
    // lifetime management".
    let status = unsafe {
        sys::napi_add_finalizer(
            env,
            object,
            data,
            Some(finalize),
            ptr::null_mut(),
            ptr::null_mut(),
        )
    };
    if status != sys::Status::napi_ok {
        // SAFETY: made above, and `napi_add_finalizer` refuses without taking it: it makes nothing before its checks
        // (js_native_api_v8.cc, Node 20 to 26) — `Box::from_raw`.
        drop(unsafe { Box::from_raw(data.cast::<Finalizer>()) });
    }
    status == sys::Status::napi_ok
}

unsafe extern "C" fn finalize(env: Env, data: *mut c_void, _: *mut c_void) {
    catch_panic(|| {
        // SAFETY: the box that `add_finalizer` leaked for this call, which Node makes once — "napi_add_finalizer";
        // `Box::from_raw`.
        let finalizer = unsafe { Box::from_raw(data.cast::<Finalizer>()) };
        finalizer(env);
    });
}

/// Runs what Node calls. A panic ends here: what it was to count stays as it was.
pub(crate) fn catch_panic<T>(body: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(body)).ok()
}
