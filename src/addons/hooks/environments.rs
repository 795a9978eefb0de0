//! Which addon calls: from a `napi_env` to its holdings. `[unsafe]`
//!
//! An environment here is one addon on one JavaScript thread; Node makes a `napi_env` for each. The holdings of one are
//! touched by its own thread alone; everything else here is atomic or behind a mutex that no hook takes while an
//! original runs.
//!
//! Duties of this file: no reference to holdings lives across a call into Node; an environment's memory stays as long as
//! Node may call a finalizer of it.
//! Out of scope: which function was called.
//! Limitations: the number that `worker_threads` gives a thread; `lib/addons/addons.js` tells it for threads that offheap is loaded on.

use std::cell::UnsafeCell;
use std::ffi::{c_char, c_void, CStr};
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::sync::Arc;

use napi::sys;
use once_cell::sync::OnceCell;
use parking_lot::Mutex;
use rustc_hash::FxHashSet;

use super::moment::{current_thread, is_on, now, EPOCH};
use super::table::{Inserted, Table};
use crate::addons::figures::{Figures, NUMBERS};
use crate::addons::holdings::{Finalizer, Holdings, RecordId};
use crate::addons::stacks::Site;

/// Called with the number of an environment whose counts are void: it has ended, or is counted anew.
static WHEN_VOID: OnceCell<fn(u32)> = OnceCell::new();

/// Who else counts by environment hears of those whose counts are void. The first to ask is the only one.
pub fn when_void(forget: fn(u32)) {
    // Asked by each watch, always for the same function.
    let _ = WHEN_VOID.set(forget);
}

fn void(id: u32) {
    if let Some(forget) = WHEN_VOID.get() {
        forget(id);
    }
}

/// Whether the end of Buffers that Node allocates is looked for under this watch.
static BUFFERS: AtomicBool = AtomicBool::new(false);

/// Every nth thing is sampled under this watch; 0 for none.
static EVERY: AtomicU32 = AtomicU32::new(0);

/// One addon on one JavaScript thread.
#[derive(Debug)]
pub struct Environment {
    id: u32,
    raw: usize,
    thread: i32,
    /// What Node calls the file: a URL, or nothing.
    told: String,
    /// The same, or the path of the file that was opened for it.
    file: String,
    /// When it was first seen, in milliseconds of the calendar.
    seen_at: AtomicU64,
    /// Every call since its beginning was seen.
    full: AtomicBool,
    epoch: AtomicU32,
    /// Its holdings were given back after the watch that they were of.
    given_back: AtomicBool,
    /// Node tells us of its end.
    end_is_told: AtomicBool,
    ended: AtomicBool,
    /// The figures.
    pub figures: Figures,
    holdings: UnsafeCell<Holdings>,
}

// SAFETY: `holdings` is only used through `Environment::holdings`, on the environment's own thread; the rest is atomic or constant.
unsafe impl Sync for Environment {}
// SAFETY: as above; dropping it on another thread frees plain memory.
unsafe impl Send for Environment {}

/// An environment, on its own thread: who has one may work on the holdings.
#[derive(Debug, Clone, Copy)]
pub struct Calling {
    environment: &'static Environment,
    /// Stays on the thread.
    _thread: PhantomData<*const ()>,
}

impl Deref for Calling {
    type Target = Environment;

    fn deref(&self) -> &Environment {
        self.environment
    }
}

impl Calling {
    /// # Safety
    ///
    /// The caller is on the environment's own thread, and the environment has not been given back.
    unsafe fn new(environment: &'static Environment) -> Self {
        Calling {
            environment,
            _thread: PhantomData,
        }
    }

    /// Works on the holdings. `work` calls nothing of Node's.
    #[inline]
    pub fn holdings<T>(self, work: impl FnOnce(&mut Holdings, &Figures) -> T) -> T {
        // SAFETY: this is the environment's thread (`Calling::new`), and no other reference is alive: each lives as long as
        // one `work`, and none of them calls into Node, where hooks could come back here.
        let holdings = unsafe { &mut *self.environment.holdings.get() };
        work(holdings, &self.environment.figures)
    }

    /// A share of the environment, for what may live longer than it.
    pub fn share(self) -> Arc<Environment> {
        let address = ptr::from_ref(self.environment);
        // SAFETY: every environment is in an Arc (`add`), and this one is in `ALL`: it has not ended, and can only end on
        // this thread — `Arc::increment_strong_count`.
        unsafe { Arc::increment_strong_count(address) };
        // SAFETY: the share that was added in the line above — `Arc::from_raw`.
        unsafe { Arc::from_raw(address) }
    }
}

impl Environment {
    /// The watch that it was last counted under.
    pub fn epoch(&self) -> u32 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// Whether what was counted under this watch still counts. From any thread.
    pub fn counts_under(&self, epoch: u32) -> bool {
        epoch == self.epoch()
            && epoch == EPOCH.load(Ordering::Relaxed)
            && !self.ended.load(Ordering::Relaxed)
    }

    /// Whether every call since its beginning was seen.
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Its number, for things that know their environment from any thread.
    pub fn id(&self) -> u32 {
        self.id
    }
}

// ── from a napi_env to its environment: read by every hook ──────────────────────────────────────────────────────────────

/// Replaced by one twice as large when it is half full; the old one is never freed, as a hook on another thread may be reading it.
static TABLE: AtomicPtr<Table<Environment>> = AtomicPtr::new(ptr::null_mut());

#[inline]
fn table() -> Option<&'static Table<Environment>> {
    // SAFETY: null or a leaked Box, written out before it was stored with Release — `add`.
    unsafe { TABLE.load(Ordering::Acquire).as_ref() }
}

/// # Safety
///
/// The caller is on the thread of this `napi_env`.
#[inline]
unsafe fn lookup(raw: usize) -> Option<Calling> {
    let environment = table()?.find(raw)?;
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
    if environment.epoch.load(Ordering::Relaxed) == EPOCH.load(Ordering::Relaxed) {
        return Some(environment);
    }
    known_slow(environment)
}

#[cold]
fn known_slow(environment: Calling) -> Option<Calling> {
    let epoch = EPOCH.load(Ordering::Relaxed);
    if epoch == 0 {
        give_back(environment);
        return None;
    }
    // Another watch than the one it was last counted under: what happened between them was not seen.
    environment.holdings(|holdings, figures| holdings.detach(figures));
    void(environment.id);
    environment.full.store(false, Ordering::Relaxed);
    environment.seen_at.store(now(), Ordering::Relaxed);
    environment.given_back.store(false, Ordering::Relaxed);
    environment.epoch.store(epoch, Ordering::Relaxed);
    Some(environment)
}

/// No watch is on: what an environment counted is void, and its memory is given back. Once.
fn give_back(environment: Calling) {
    if !environment.given_back.swap(true, Ordering::Relaxed) {
        environment.holdings(|holdings, figures| holdings.detach(figures));
        void(environment.id);
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
    if EPOCH.load(Ordering::Relaxed) == 0 {
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
    if EPOCH.load(Ordering::Relaxed) == 0 {
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

// ── all environments: read by `addons()` ────────────────────────────────────────────────────────────────────────────────

#[derive(Debug, Default)]
struct All {
    environments: Vec<Arc<Environment>>,
    last_id: u32,
    /// Rows of [`TABLE`] that are not empty.
    used_rows: usize,
    /// Chunks of the directory whose environments have all ended.
    spare_chunks: Vec<&'static Chunk>,
}

static ALL: Mutex<All> = Mutex::new(All {
    environments: Vec::new(),
    last_id: 0,
    used_rows: 0,
    spare_chunks: Vec::new(),
});

/// Takes the lock of this file within `limit`.
pub fn hold_lock(limit: std::time::Duration) -> Option<Box<dyn crate::base::fork_lock::Held>> {
    crate::base::fork_lock::hold(&ALL, limit)
}

/// # Safety
///
/// `raw` is the environment of the running call, on its thread.
unsafe fn add(raw: sys::napi_env, told: String) -> Option<Calling> {
    let thread = current_thread();
    let opened = super::loader::just_opened(thread, &told);
    let full = opened.is_some();
    let file = match opened {
        Some(path) => String::from_utf8_lossy(&path).into_owned(),
        None => told.clone(),
    };
    let mut all = ALL.lock();
    let id = all.last_id.checked_add(1).filter(|id| *id < MAX_ID)?;
    let environment = Arc::new(Environment {
        id,
        raw: raw as usize,
        thread,
        told,
        file,
        seen_at: AtomicU64::new(now()),
        full: AtomicBool::new(full),
        epoch: AtomicU32::new(EPOCH.load(Ordering::Relaxed)),
        given_back: AtomicBool::new(false),
        end_is_told: AtomicBool::new(false),
        ended: AtomicBool::new(false),
        figures: Figures::default(),
        holdings: UnsafeCell::new(Holdings::new()),
    });
    let address = Arc::as_ptr(&environment).cast_mut();
    let place = match by_id(id) {
        Some(place) => place,
        None => {
            let spare = all.spare_chunks.pop();
            make_chunk(id, spare)?
        }
    };
    place.store(address, Ordering::Release);
    all.last_id = id;
    all.environments.push(environment);
    let rows = table().map_or(0, Table::size);
    if (all.used_rows + 1) * 2 > rows {
        let larger = Table::of_size((all.environments.len() * 8).next_power_of_two().max(256));
        for environment in &all.environments {
            let address = Arc::as_ptr(environment).cast_mut();
            // Not those that have ended, and wait for their last finalizers.
            if table().and_then(|table| table.find(environment.raw)) == Some(address) {
                larger.insert(environment.raw, address);
            }
        }
        all.used_rows = larger.used();
        TABLE.store(Box::into_raw(Box::new(larger)), Ordering::Release);
    }
    if table()?.insert(raw as usize, address) == Inserted::Fresh {
        all.used_rows += 1;
    }
    drop(all);
    // SAFETY: it is in `ALL` until it ends, on this thread.
    let environment = unsafe { address.as_ref() }?;
    // SAFETY: our caller's promise, and as above.
    Some(unsafe { Calling::new(environment) })
}

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
    environment.holdings(|holdings, figures| holdings.detach(figures));
    super::loader::forget_opened(environment.thread, &environment.file);
    void(environment.id);
    {
        let mut all = ALL.lock();
        if let Some(table) = table() {
            // A later environment may have the same address already.
            if table.find(environment.raw)
                == Some(ptr::from_ref(environment.environment).cast_mut())
            {
                all.used_rows -= table.remove(environment.raw).min(all.used_rows);
            }
        }
    }
    retire_if_done(environment);
}

/// Gives the memory of an ended environment back, once Node cannot call any finalizer of it.
fn retire_if_done(environment: Calling) {
    let done = environment.ended.load(Ordering::Relaxed)
        && environment.holdings(|holdings, _| holdings.outstanding()) == 0;
    if !done {
        return;
    }
    let id = environment.id;
    if let Some(place) = by_id(id) {
        place.store(ptr::null_mut(), Ordering::Release);
    }
    let mut all = ALL.lock();
    if id as usize / CHUNK != all.last_id as usize / CHUNK {
        all.spare_chunks.extend(take_empty_chunk(id));
    }
    if let Some(place) = all.environments.iter().position(|other| other.id == id) {
        all.environments.swap_remove(place);
    }
}

// ── from a number to its environment: read by finalizers ────────────────────────────────────────────────────────────────

const CHUNK: usize = 1_024;
/// 24 bits of a finalizer's hint.
const MAX_ID: u32 = 1 << 24;

type Chunk = [AtomicPtr<Environment>; CHUNK];

static DIRECTORY: [AtomicPtr<Chunk>; MAX_ID as usize / CHUNK] =
    [const { AtomicPtr::new(ptr::null_mut()) }; MAX_ID as usize / CHUNK];

fn by_id(id: u32) -> Option<&'static AtomicPtr<Environment>> {
    let chunk = DIRECTORY.get(id as usize / CHUNK)?.load(Ordering::Acquire);
    // SAFETY: null, or a Box that is never freed (`make_chunk`).
    unsafe { chunk.as_ref() }?.get(id as usize % CHUNK)
}

/// Makes room for a number. Only `add` does, under the lock of [`ALL`].
fn make_chunk(id: u32, spare: Option<&'static Chunk>) -> Option<&'static AtomicPtr<Environment>> {
    let chunk = spare
        .unwrap_or_else(|| Box::leak(Box::new([const { AtomicPtr::new(ptr::null_mut()) }; CHUNK])));
    DIRECTORY
        .get(id as usize / CHUNK)?
        .store(ptr::from_ref(chunk).cast_mut(), Ordering::Release);
    chunk.get(id as usize % CHUNK)
}

/// The chunk of a number, if all environments in it have ended: another range of numbers gets it. It is not freed, so
/// that a look that comes too late finds nothing rather than freed memory.
fn take_empty_chunk(id: u32) -> Option<&'static Chunk> {
    let slot = DIRECTORY.get(id as usize / CHUNK)?;
    // SAFETY: as in `by_id`.
    let chunk = unsafe { slot.load(Ordering::Acquire).as_ref() }?;
    if chunk
        .iter()
        .any(|place| !place.load(Ordering::Acquire).is_null())
    {
        return None;
    }
    slot.store(ptr::null_mut(), Ordering::Release);
    Some(chunk)
}

/// # Safety
///
/// The caller is on the thread of the environment with this number.
unsafe fn find(id: u32) -> Option<Calling> {
    let address = by_id(id)?.load(Ordering::Acquire);
    // SAFETY: null, or an environment that is in `ALL`: it leaves both on its own thread, which is the one that asks.
    let environment = unsafe { address.as_ref() }?;
    // SAFETY: our caller's promise, and as above.
    Some(unsafe { Calling::new(environment) })
}

/// What Node keeps for us beside a finalizer: the environment's number, and the record's name.
pub fn hint(environment: &Environment, record: RecordId) -> *mut c_void {
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
    if environment.ended.load(Ordering::Relaxed) {
        retire_if_done(environment);
    }
    finalizer
}

/// Runs `read` with the figures of an environment, from any thread; nothing when it has ended.
pub fn with_figures(id: u32, read: impl FnOnce(&Figures)) {
    let environment = {
        let all = ALL.lock();
        all.environments
            .iter()
            .find(|environment| environment.id == id)
            .map(Arc::clone)
    };
    if let Some(environment) = environment {
        if !environment.ended.load(Ordering::Relaxed) {
            read(&environment.figures);
        }
    }
}

// ── readings ────────────────────────────────────────────────────────────────────────────────────────────────────────────

/// One environment at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Its number; no other has it, now or later.
    pub id: u32,
    /// A URL, a path, or empty.
    pub file: String,
    /// The system's number of its thread.
    pub thread: i32,
    /// When it was first seen, in milliseconds of the calendar.
    pub seen_at_ms: f64,
    /// Every call since its beginning was seen.
    pub full: bool,
    /// See `Figures::numbers`.
    pub numbers: [f64; NUMBERS],
}

/// How many entries are looked at for outlived references in one reading of one environment.
const OUTLIVED_LIMIT: usize = 8_192;

/// All environments that the watch has met and that have not ended. What ended ones held is in no reading.
///
/// # Safety
///
/// Called by JavaScript, so that Node may be asked about references of environments of this thread.
pub unsafe fn read_all() -> Vec<Reading> {
    let epoch = EPOCH.load(Ordering::Relaxed);
    if epoch == 0 {
        return Vec::new();
    }
    let thread = current_thread();
    let environments = ALL.lock().environments.clone();
    environments
        .iter()
        .filter(|environment| {
            !environment.ended.load(Ordering::Relaxed)
                && environment.epoch.load(Ordering::Relaxed) == epoch
        })
        .map(|environment| {
            // SAFETY: our caller's promise, and the environment has not ended.
            if let Some(own) = unsafe { on_this_thread(environment, thread) } {
                // SAFETY: our caller's promise.
                unsafe { find_outlived(own) };
            }
            Reading {
                id: environment.id,
                file: environment.file.clone(),
                thread: environment.thread,
                seen_at_ms: environment.seen_at.load(Ordering::Relaxed) as f64,
                full: environment.full.load(Ordering::Relaxed),
                numbers: environment.figures.numbers(),
            }
        })
        .collect()
}

/// The environment, if it is one of this thread.
///
/// # Safety
///
/// It has not ended.
unsafe fn on_this_thread(environment: &Arc<Environment>, thread: i32) -> Option<Calling> {
    if environment.thread != thread {
        return None;
    }
    // SAFETY: it is in `ALL` until it ends, which it does on this thread.
    let environment = unsafe { Arc::as_ptr(environment).as_ref() }?;
    // SAFETY: compared above.
    Some(unsafe { Calling::new(environment) })
}

/// # Safety
///
/// JavaScript is running on the environment's thread, and the environment has not ended.
unsafe fn find_outlived(environment: Calling) {
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

/// A watch begins. Its number.
pub fn begin() {
    static LAST: AtomicU32 = AtomicU32::new(0);
    let mut next = LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
    if next == 0 {
        next = LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
    }
    BUFFERS.store(false, Ordering::Relaxed);
    EVERY.store(0, Ordering::Relaxed);
    EPOCH.store(next, Ordering::Relaxed);
}

/// The watch is over: hooks that are still called pass everything on. What was counted for environments of this thread is
/// given back; for those of others when something of theirs is next finalized, or with them.
pub fn finish() {
    EPOCH.store(0, Ordering::Relaxed);
    let thread = current_thread();
    let environments = ALL.lock().environments.clone();
    for environment in environments
        .iter()
        .filter(|environment| !environment.ended.load(Ordering::Relaxed))
    {
        // SAFETY: it has not ended, and if it is of this thread it does not end meanwhile.
        if let Some(own) = unsafe { on_this_thread(environment, thread) } {
            give_back(own);
        }
    }
}

/// From now on the end of Buffers that Node allocates is looked for.
pub fn watch_buffers() {
    BUFFERS.store(true, Ordering::Relaxed);
}

/// Whether it is.
#[inline]
pub fn watches_buffers() -> bool {
    BUFFERS.load(Ordering::Relaxed)
}

/// From now on one thing in `every` is sampled.
pub fn watch_stacks(every: u32) {
    EVERY.store(every, Ordering::Relaxed);
}

/// One thing in how many is sampled; 0 for none.
#[inline]
pub fn stacks_every() -> u32 {
    EVERY.load(Ordering::Relaxed)
}

/// Where sampled things of an environment of this thread were made; nothing for others. The system's number of the thread
/// that the environment belongs to must be the caller's: Node-API values of it are not touched.
pub fn sites_of(id: u32) -> Vec<Site> {
    let thread = current_thread();
    let environment = {
        let all = ALL.lock();
        all.environments
            .iter()
            .find(|environment| environment.id == id)
            .map(Arc::clone)
    };
    environment
        .filter(|environment| !environment.ended.load(Ordering::Relaxed))
        // SAFETY: it has not ended, and if it is of this thread it does not end meanwhile.
        .and_then(|environment| unsafe { on_this_thread(&environment, thread) })
        .map(|environment| environment.holdings(|holdings, _| holdings.stacks.sites().to_vec()))
        .unwrap_or_default()
}

/// Where the bytes of all external Buffers and ArrayBuffers are that addons of this thread have not got back yet.
pub fn external_places() -> FxHashSet<usize> {
    let epoch = EPOCH.load(Ordering::Relaxed);
    let thread = current_thread();
    let environments = ALL.lock().environments.clone();
    environments
        .iter()
        .filter(|environment| environment.counts_under(epoch) && epoch != 0)
        // SAFETY: it has not ended, and if it is of this thread it does not end meanwhile.
        .filter_map(|environment| unsafe { on_this_thread(environment, thread) })
        .flat_map(|environment| {
            environment.holdings(|holdings, _| holdings.external_places().collect::<Vec<_>>())
        })
        .collect()
}

/// For tests: environments that still take memory.
pub fn environment_count() -> usize {
    ALL.lock().environments.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_leads_to_its_place_and_a_range_of_numbers_is_used_again_once_it_is_empty() {
        // The last two ranges of numbers, which no test gives out.
        let (first, second) = (MAX_ID - 1, MAX_ID - 1 - CHUNK as u32);
        assert!(by_id(first).is_none());
        let place = make_chunk(first, None).expect("the number is in range");
        // Never looked into: it stands for an environment.
        let environment = ptr::without_provenance_mut::<Environment>(64);
        place.store(environment, Ordering::Release);
        let found = by_id(first).map(|place| place.load(Ordering::Acquire));
        assert_eq!(found, Some(environment));
        assert!(take_empty_chunk(first).is_none(), "one is still there");

        place.store(ptr::null_mut(), Ordering::Release);
        let spare = take_empty_chunk(first).expect("all are gone");
        assert!(by_id(first).is_none());
        let again = make_chunk(second, Some(spare)).expect("the number is in range");
        assert!(again.load(Ordering::Acquire).is_null());
        assert!(by_id(second).is_some() && by_id(first).is_none());
        assert!(take_empty_chunk(second).is_some());
    }

    #[test]
    fn numbers_that_were_never_given_lead_nowhere() {
        assert!(by_id(MAX_ID).is_none());
        assert!(by_id(u32::MAX).is_none());
        assert!(make_chunk(MAX_ID, None).is_none());
        assert!(take_empty_chunk(MAX_ID).is_none());
    }
}
