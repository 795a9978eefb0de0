//! Which addon calls: from a `napi_env`, or the hint of a finalizer, to its environment. `[unsafe]`
//!
//! Knows: when an environment begins (its first call under a watch), when it ends (Node tells), and when its memory may go.
//! Duties of this file: the memory of an environment stays as long as Node may call a finalizer of it. What any thread may read here
//! is atomic or behind a mutex that no hook takes while an original runs.
//! Out of scope: which function was called.
//! Limitations: the number that `worker_threads` gives a thread; `lib/addons/addons.js` tells it for threads that offheap is loaded on.
//!
//! ```text
//!   first call ──▶ counted ──▶ Node ends it ──▶ ended ──▶ its last finalizer has run ──▶ memory given back
//!                    │  ▲
//!   the watch is over▼  │first call under another watch: what was counted is void
//!                   given back
//! ```

use std::ffi::{c_char, c_void, CStr};
use std::ptr;
use std::sync::atomic::Ordering;
use std::sync::Arc;

use napi::sys;
use parking_lot::Mutex;

use super::addon_environment::{AddonEnvironment, Calling};
use super::any_thread::handles;
use super::directory::{self, Chunk, Directory};
use super::growing_table::GrowingTable;
use super::moment::{self, is_on};
use crate::addons::holdings::{Finalizer, RecordId};

/// From a `napi_env` to its environment: read by every hook.
static BY_ENV: GrowingTable<AddonEnvironment> = GrowingTable::new();

/// From a number to its environment: read by finalizers.
static BY_ID: Directory<AddonEnvironment> = Directory::new();

/// All environments: read by `addons()`. Its lock is also that of who writes to [`BY_ENV`] and [`BY_ID`].
#[derive(Debug, Default)]
struct All {
    environments: Vec<Arc<AddonEnvironment>>,
    last_id: u32,
    /// Chunks of the directory whose environments have all ended.
    spare_chunks: Vec<&'static Chunk<AddonEnvironment>>,
}

static ALL: Mutex<All> = Mutex::new(All {
    environments: Vec::new(),
    last_id: 0,
    spare_chunks: Vec::new(),
});

/// Takes the lock of this file within `limit`.
pub fn hold_lock(limit: std::time::Duration) -> Option<Box<dyn crate::base::fork_lock::Held>> {
    crate::base::fork_lock::hold(&ALL, limit)
}

/// All environments that still take memory.
pub(super) fn all() -> Vec<Arc<AddonEnvironment>> {
    ALL.lock().environments.clone()
}

/// For tests: environments that still take memory.
pub fn environment_count() -> usize {
    ALL.lock().environments.len()
}

// ── who calls ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/// # Safety
///
/// The caller is on the thread of this `napi_env`.
#[inline]
unsafe fn lookup(raw: usize) -> Option<Calling> {
    let environment = BY_ENV.find(raw)?;
    // SAFETY: the row holds an environment that is in `ALL` until it ends, and it ends on the thread of its `napi_env`
    // (`on_end`), which is the one that is calling.
    let environment = unsafe { environment.as_ref() }?;
    // SAFETY: our caller's promise, and as above.
    Some(unsafe { Calling::new(environment) })
}

/// The environment that calls, if it is known and a watch is on.
///
/// # Safety
///
/// `raw` is the environment of the running call, on its thread.
#[inline]
pub unsafe fn known(raw: sys::napi_env) -> Option<Calling> {
    // SAFETY: our caller's promise.
    let environment = unsafe { lookup(raw as usize) }?;
    if environment.epoch.load(Ordering::Relaxed) == moment::epoch() {
        return Some(environment);
    }
    known_slow(environment)
}

#[cold]
fn known_slow(environment: Calling) -> Option<Calling> {
    let epoch = moment::epoch();
    if epoch == 0 {
        give_back(environment);
        return None;
    }
    // Another watch than the one it was last counted under: what happened between them was not seen.
    void(environment);
    environment.full.store(false, Ordering::Relaxed);
    environment.seen_at.store(moment::now(), Ordering::Relaxed);
    environment.given_back.store(false, Ordering::Relaxed);
    environment.epoch.store(epoch, Ordering::Relaxed);
    Some(environment)
}

/// No watch is on: what an environment counted is void, and its memory is given back. Once.
fn give_back(environment: Calling) {
    if !environment.given_back.swap(true, Ordering::Relaxed) {
        void(environment);
    }
}

/// The environment that calls. Seen for the first time it gets holdings, for which Node is asked two things; so only
/// before or after an original that leaves no error behind.
///
/// # Safety
///
/// A function that needs a handle scope is being called with this `env`, on its thread: so a context is entered, and no
/// garbage collection runs.
#[inline]
pub unsafe fn calling(raw: sys::napi_env) -> Option<Calling> {
    // SAFETY: our caller's promise.
    if let Some(environment) = unsafe { known(raw) } {
        if environment.end_is_told.load(Ordering::Relaxed) {
            return Some(environment);
        }
    }
    if moment::epoch() == 0 {
        return None;
    }
    // SAFETY: our caller's promise.
    unsafe { meet(raw, true) }
}

/// As [`calling`], for a function that may be called without a context. Not told of its end until [`calling`] meets it.
///
/// # Safety
///
/// `raw` is the environment of the running call, on its thread.
#[inline]
pub unsafe fn calling_basic(raw: sys::napi_env) -> Option<Calling> {
    // SAFETY: our caller's promise.
    if let Some(environment) = unsafe { known(raw) } {
        return Some(environment);
    }
    if moment::epoch() == 0 {
        return None;
    }
    // SAFETY: our caller's promise.
    unsafe { meet(raw, false) }
}

/// # Safety
///
/// As for [`calling`] when `in_context`, else as for [`calling_basic`].
#[cold]
unsafe fn meet(raw: sys::napi_env, in_context: bool) -> Option<Calling> {
    if raw.is_null() {
        return None;
    }
    // SAFETY: our caller's promise: `raw` is the environment of the running call.
    let told = unsafe { told_file(raw) };
    // SAFETY: as above.
    let environment = match unsafe { lookup(raw as usize) } {
        // One whose end was not told may have gone, and another have its address.
        Some(environment) if environment.told == told => environment,
        Some(environment) => {
            end(environment);
            // SAFETY: as above.
            unsafe { add(raw, told) }?
        }
        // SAFETY: as above.
        None => unsafe { add(raw, told) }?,
    };
    if in_context && !environment.end_is_told.load(Ordering::Relaxed) {
        // SAFETY: a context is entered (our caller's promise), which Node needs to find its environment;
        // `on_end` takes the number as it is; no other hook has the same pair — "napi_add_env_cleanup_hook".
        let status = unsafe {
            sys::napi_add_env_cleanup_hook(
                raw,
                Some(on_end),
                environment.id as usize as *mut c_void,
            )
        };
        environment
            .end_is_told
            .store(status == sys::Status::napi_ok, Ordering::Relaxed);
    }
    Some(environment)
}

/// # Safety
///
/// `raw` is the environment of the running call.
unsafe fn told_file(raw: sys::napi_env) -> String {
    let mut name: *const c_char = ptr::null();
    // SAFETY: `raw` is valid (our caller's promise), the result is ours to write — "node_api_get_module_file_name".
    let status = unsafe { sys::node_api_get_module_file_name(raw, &mut name) };
    if status != sys::Status::napi_ok || name.is_null() {
        return String::new();
    }
    // SAFETY: a NUL-terminated string that lives as long as the environment; it is copied — as above.
    unsafe { CStr::from_ptr(name) }
        .to_string_lossy()
        .into_owned()
}

/// # Safety
///
/// `raw` is the environment of the running call, on its thread.
unsafe fn add(raw: sys::napi_env, told: String) -> Option<Calling> {
    let opened = super::loader::just_opened(moment::current_thread(), &told);
    let full = opened.is_some();
    let file = match opened {
        Some(path) => String::from_utf8_lossy(&path).into_owned(),
        None => told.clone(),
    };
    let mut all = ALL.lock();
    let id = all
        .last_id
        .checked_add(1)
        .filter(|id| *id < directory::END)?;
    let place = BY_ID.place_of_new(id, &mut all.spare_chunks)?;
    let environment = Arc::new(AddonEnvironment::new(id, raw as usize, told, file, full));
    let address = Arc::as_ptr(&environment).cast_mut();
    place.store(address, Ordering::Release);
    all.last_id = id;
    all.environments.push(environment);
    BY_ENV.insert(raw as usize, address);
    drop(all);
    // SAFETY: it is in `ALL` until it ends, on this thread.
    let environment = unsafe { address.as_ref() }?;
    // SAFETY: our caller's promise, and as above.
    Some(unsafe { Calling::new(environment) })
}

// ── the end of an environment, and of a watch ───────────────────────────────────────────────────────────────────────────

/// Node is taking an environment down. Its finalizers run after this, on the same thread.
///
/// # Safety
///
/// Called by Node, on the environment's thread.
unsafe extern "C" fn on_end(id: *mut c_void) {
    // SAFETY: our caller's promise — "napi_add_env_cleanup_hook".
    if let Some(environment) = unsafe { find(id as usize as u32) } {
        end(environment);
    }
}

fn end(environment: Calling) {
    if environment.ended.swap(true, Ordering::Relaxed) {
        return;
    }
    void(environment);
    super::loader::forget_opened(environment.thread, &environment.file);
    {
        let _writing = ALL.lock();
        // A later environment may have the same address already.
        if BY_ENV.find(environment.raw) == Some(ptr::from_ref(environment.environment()).cast_mut())
        {
            BY_ENV.remove(environment.raw);
        }
    }
    retire_if_done(environment);
}

/// What an environment has counted is void.
fn void(environment: Calling) {
    environment.holdings(|holdings, figures| holdings.detach(figures));
    handles::forget(&environment.figures);
}

/// Gives the memory of an ended environment back, once Node cannot call any finalizer of it.
fn retire_if_done(environment: Calling) {
    let done =
        environment.has_ended() && environment.holdings(|holdings, _| holdings.outstanding()) == 0;
    if !done {
        return;
    }
    let id = environment.id;
    if let Some(place) = BY_ID.place(id) {
        place.store(ptr::null_mut(), Ordering::Release);
    }
    let mut all = ALL.lock();
    let last = all.last_id;
    all.spare_chunks.extend(BY_ID.take_empty_chunk(id, last));
    if let Some(place) = all.environments.iter().position(|other| other.id == id) {
        all.environments.swap_remove(place);
    }
}

/// The watch is over: hooks that are still called pass everything on. What was counted for environments of this thread is
/// given back; for those of others when something of theirs is next finalized, or with them.
pub(super) fn end_watch() {
    moment::end_watch();
    for environment in all() {
        // SAFETY: it is used for the line below, which does not call Node.
        if let Some(own) = unsafe { Calling::own(&environment) } {
            give_back(own);
        }
    }
}

// ── finalizers ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/// # Safety
///
/// The caller is on the thread of the environment with this number.
unsafe fn find(id: u32) -> Option<Calling> {
    // SAFETY: null, or an environment that is in `ALL`: it leaves both on its own thread, which is the one that asks.
    let environment = unsafe { BY_ID.find(id).as_ref() }?;
    // SAFETY: our caller's promise, and as above.
    Some(unsafe { Calling::new(environment) })
}

/// What Node keeps for us beside a finalizer: the environment's number, and the record's name.
pub fn hint(environment: &AddonEnvironment, record: RecordId) -> *mut c_void {
    let packed = u64::from(environment.id) << 40
        | u64::from(record.generation) << 32
        | u64::from(record.place);
    packed as usize as *mut c_void
}

/// Counts the end of a record, and says what the addon's finalizer is to be called with.
///
/// # Safety
///
/// Called by Node for a finalizer with this hint, which [`hint`] made: so on the thread of its environment.
#[inline]
pub unsafe fn finalize(hint: *mut c_void) -> Option<Finalizer> {
    let packed = hint as usize as u64;
    // SAFETY: our caller's promise.
    let environment = unsafe { find((packed >> 40) as u32) }?;
    let record = RecordId {
        place: packed as u32,
        generation: (packed >> 32) as u8,
    };
    let finalizer = environment.holdings(|holdings, figures| holdings.finalize(figures, record));
    if !is_on() {
        // The watch has ended on another thread.
        give_back(environment);
    }
    if environment.has_ended() {
        retire_if_done(environment);
    }
    finalizer
}

// ── outlived references ─────────────────────────────────────────────────────────────────────────────────────────────────

/// How many entries are looked at for outlived references in one reading of one environment.
const OUTLIVED_LIMIT: usize = 8_192;

/// Asks Node which weak references have outlived their object.
///
/// # Safety
///
/// JavaScript is running on the environment's thread, and the environment has not ended.
pub(super) unsafe fn find_outlived(environment: Calling) {
    let weak = environment.figures.weak.get();
    if weak == environment.figures.outlived.get() {
        return;
    }
    let raw = environment.raw as sys::napi_env;
    let mut scope = ptr::null_mut();
    // SAFETY: our caller's promise; closed below, before anything else is opened — "napi_open_handle_scope".
    if unsafe { sys::napi_open_handle_scope(raw, &mut scope) } != sys::Status::napi_ok {
        return;
    }
    // `is_gone` does call into Node, but into two functions that run no JavaScript, no finalizer and no hook.
    environment.holdings(|holdings, figures| {
        holdings.find_outlived(figures, OUTLIVED_LIMIT, |address| {
            let mut value = ptr::null_mut();
            // SAFETY: the reference is in the holdings, so it has not been deleted — "napi_get_reference_value": null for a
            // collected object.
            let status =
                unsafe { sys::napi_get_reference_value(raw, address as sys::napi_ref, &mut value) };
            status == sys::Status::napi_ok && value.is_null()
        })
    });
    // SAFETY: opened above, and the innermost one.
    unsafe { sys::napi_close_handle_scope(raw, scope) };
}
