//! The unsafe edge of `external`: weak handles on JavaScript values, and native memory handed to JavaScript.
//!
//! Duties of this file:
//! - Every function here runs on the JavaScript thread of its environment; nothing here is shared with another
//!   thread except the process's ledger, behind a mutex that is never held while Node is called.
//! - No `RefCell` borrow is held across a call that can run JavaScript or a finalizer.
//! - Panics end in `function` and `finalizer`: one in an `extern "C"` function aborts the host.
//! - It keeps no value alive: handles are weak (count 0), the sentinels refer to nothing.
//!
//! # Why one finalizer per garbage collection, and not one per value
//!
//! A Node-API finalizer per value costs 1.5 to 3 times what `FinalizationRegistry.prototype.register` does: a
//! finalizer is queued in a hash set and called in a scope of its own for each value that dies. A weak reference
//! without one costs a third of that. So values get a weak reference each, and one *sentinel* object gets a
//! finalizer: it dies in the next collection, and its finalizer looks which references have become empty
//! ([`Registry::sweep`]). `docs/external.md` has the measurements.
//!
//! ```text
//!  minor sentinel: a fresh object          → dies in any collection          → sweep young records
//!  major sentinel: an object in the old    → dies in a major collection only → sweep all records, a step in
//!                  generation, taken from a reserve of objects held strongly       each turn of the event loop
//!                  until they are needed
//! ```
//!
//! The reserve is there because a new object is young: weak from the start, it would die in a minor collection.

use std::alloc::{alloc_zeroed, dealloc, Layout};
use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use napi::sys;
use once_cell::sync::{Lazy, OnceCell};
use parking_lot::Mutex;

use super::block_owner::{owner_after, Owner};
use super::registry::{Ends, Record, RecordId, Registry, ADDRESS_CHAIN_LIMIT, PLACES_PER_STEP};
use crate::addons::own::OwnReferences;
use crate::base::error::{Code, Failure};
use crate::base::fork_lock::{self, Held};
use crate::base::ledger::{Entry, Interner, Key, Ledger, Run, NONE};

/// Distinct labels that are kept apart; later ones are counted as `(other)`.
pub const LABEL_LIMIT: usize = 4_096;

/// Distinct routes that are kept apart.
pub const ROUTE_LIMIT: usize = 1_024;

/// How many old objects wait to become the major sentinel. One is used up by each major collection and a new one is
/// old after the next, so two would do; the rest is for collections in quick succession.
const RESERVE: usize = 4;

/// How many values the nursery of lib/external/pending-batch.js has room for.
const NURSERY: usize = 64;

/// Takes the locks of this room, each within `limit`.
pub fn hold_locks(limit: Duration) -> impl Iterator<Item = Box<dyn Held>> {
    [
        fork_lock::hold(&PROCESS, limit),
        fork_lock::hold(&LABELS, limit),
        fork_lock::hold(&ROUTES, limit),
    ]
    .into_iter()
    .flatten()
}

/// The tallies of the process: all environments, living and ended.
static PROCESS: Mutex<Ledger> = Mutex::new(Ledger::new());

/// Label names; keys are the same in every environment.
static LABELS: Lazy<Mutex<Interner>> =
    Lazy::new(|| Mutex::new(Interner::new("(unlabelled)", "(other)", LABEL_LIMIT)));

/// Route names.
static ROUTES: Lazy<Mutex<Interner>> =
    Lazy::new(|| Mutex::new(Interner::new("(no route)", "(other)", ROUTE_LIMIT)));

/// Environments that still take memory. For the test that ended workers leave none.
static ENVIRONMENTS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static CURRENT: RefCell<Option<Rc<Environment>>> = const { RefCell::new(None) };
}

/// What one JavaScript thread has tracked. All copies of this addon on the thread (required twice, jest) share it.
#[derive(Debug)]
pub struct Environment {
    registry: RefCell<Registry>,
    ledger: RefCell<Ledger>,
    references: Cell<OwnReferences>,
    /// The Node-API environments that loaded us on this thread; a record names its own by place.
    owners: RefCell<Vec<sys::napi_env>>,
    /// How many of them are still there.
    users: Cell<usize>,
    minor_armed: Cell<bool>,
    major_armed: Cell<bool>,
    /// Objects held strongly until one is needed as the major sentinel: their references, with their environments.
    reserve: RefCell<Vec<(sys::napi_env, sys::napi_ref)>>,
    /// The object that all copies of lib/external/track.js on this thread share, and the environment of its reference.
    shared: Cell<Option<(sys::napi_env, sys::napi_ref)>>,
    /// The figures of the nursery, which is part of the shared object.
    nursery: Cell<Option<Figures>>,
    /// Set by a test: behave as on an engine that refuses external buffers.
    refuse_external: Cell<bool>,
}

impl Drop for Environment {
    fn drop(&mut self) {
        ENVIRONMENTS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many environments still take memory.
pub fn environment_count() -> usize {
    ENVIRONMENTS.load(Ordering::Relaxed)
}

/// Called when a watched value is collected, on the thread that watches it, with the registry borrowed: it must not call this file.
static WATCHER: OnceCell<fn(u64)> = OnceCell::new();

/// Sets what is called at the deaths of watched values, once for the process.
pub fn set_watcher(watcher: fn(u64)) {
    let _ = WATCHER.set(watcher);
}

fn tell_watcher(number: u64) {
    if let Some(watcher) = WATCHER.get() {
        watcher(number);
    }
}

/// This thread's environment, if the addon is loaded on it.
pub fn current() -> Option<Rc<Environment>> {
    CURRENT.with(|current| current.borrow().clone())
}

/// The key of a label.
pub fn label_key(name: &str) -> Key {
    LABELS.lock().intern(name)
}

/// The key of a route.
pub fn route_key(name: &str) -> Key {
    ROUTES.lock().intern(name)
}

/// The name of a label.
pub fn label_name(key: Key) -> String {
    LABELS.lock().name(key).to_owned()
}

/// The name of a route.
pub fn route_name(key: Key) -> String {
    ROUTES.lock().name(key).to_owned()
}

/// Whether labels, and routes, were folded into `(other)` because there were too many.
pub fn folded() -> (bool, bool) {
    (
        LABELS.lock().folded_count() > 0,
        ROUTES.lock().folded_count() > 0,
    )
}

/// Reads the process's ledger. The closure must not call into Node.
pub fn with_process<T>(read: impl FnOnce(&Ledger) -> T) -> T {
    read(&PROCESS.lock())
}

impl Environment {
    fn new() -> Self {
        ENVIRONMENTS.fetch_add(1, Ordering::Relaxed);
        Environment {
            registry: RefCell::new(Registry::new()),
            ledger: RefCell::new(Ledger::new()),
            references: Cell::new(OwnReferences::default()),
            owners: RefCell::new(Vec::new()),
            users: Cell::new(0),
            minor_armed: Cell::new(false),
            major_armed: Cell::new(false),
            reserve: RefCell::new(Vec::new()),
            shared: Cell::new(None),
            nursery: Cell::new(None),
            refuse_external: Cell::new(false),
        }
    }

    /// Reads this environment's ledger. The closure must not call into Node.
    pub fn with_ledger<T>(&self, read: impl FnOnce(&Ledger) -> T) -> T {
        read(&self.ledger.borrow())
    }

    /// The napi references that offheap holds in this environment.
    pub fn references(&self) -> OwnReferences {
        self.references.get()
    }

    /// Whether memory of `alloc_external` begins at this address.
    pub fn is_external(&self, address: usize) -> bool {
        let registry = self.registry.borrow();
        let mut records = registry.at_address(address);
        address != 0 && records.any(|(_, record)| record.ends == Ends::WithItsMemory)
    }

    /// The label and the route of the newest record at this address.
    pub fn names_at(&self, address: usize) -> Option<(String, String)> {
        let registry = self.registry.borrow();
        let (_, record) = registry.at_address(address).next()?;
        (address != 0).then(|| {
            (
                label_name(record.entry.label),
                route_name(record.entry.route),
            )
        })
    }

    /// The label and the route of a record, if it is still there.
    pub fn names_of(&self, id: RecordId) -> Option<(String, String)> {
        let entry = self.registry.borrow().get(id)?.entry;
        Some((label_name(entry.label), route_name(entry.route)))
    }

    /// Bytes of our own that the records take, besides a weak reference of Node's for each.
    pub fn record_bytes(&self) -> usize {
        self.registry.borrow().capacity_bytes()
    }

    /// For tests: behave as on an engine that refuses external buffers, such as Electron.
    pub fn refuse_external_buffers(&self, refuse: bool) {
        self.refuse_external.set(refuse);
    }

    /// Counts a record as something else from now on; parts that are `None` stay. Whether the record was still there.
    pub fn change(
        &self,
        id: RecordId,
        bytes: Option<u64>,
        label: Option<Key>,
        route: Option<Key>,
    ) -> bool {
        let mut registry = self.registry.borrow_mut();
        let Some(from) = registry.get(id).map(|record| record.entry) else {
            return false;
        };
        let to = Entry {
            bytes: bytes.unwrap_or(from.bytes),
            label: label.unwrap_or(from.label),
            route: route.unwrap_or(from.route),
        };
        if to != from {
            registry.change(id, to);
            self.ledger.borrow_mut().change(from, to);
            PROCESS.lock().change(from, to);
        }
        true
    }

    /// Stops counting a record. Whether it was still there.
    pub fn release(&self, id: RecordId) -> bool {
        let removed = self.registry.borrow_mut().remove(id);
        match removed {
            Some(record) => {
                self.settle(record);
                true
            }
            None => false,
        }
    }

    /// Takes a record that left the registry out of the tallies, and deletes its handle.
    fn settle(&self, record: Record) {
        if record.ends == Ends::Watched {
            tell_watcher(record.entry.bytes);
        } else {
            self.uncount(Run::of(record.entry));
        }
        self.delete_handle(record);
    }

    fn delete_handle(&self, record: Record) {
        let env = self.owner(record.owner);
        if env.is_null() {
            return;
        }
        // SAFETY: `insert` took the handle from `create_reference` for this owner, which has not ended (`owner` gives null for one
        // that has), and the record has just left the registry.
        unsafe { self.delete_reference(env, record.handle as sys::napi_ref, false) };
    }

    fn owner(&self, place: u32) -> sys::napi_env {
        self.owners
            .borrow()
            .get(place as usize)
            .copied()
            .unwrap_or(ptr::null_mut())
    }

    fn create_reference(
        &self,
        env: sys::napi_env,
        value: sys::napi_value,
        strong: bool,
    ) -> Option<sys::napi_ref> {
        let mut reference = ptr::null_mut();
        // SAFETY: `env` and `value` come from the Node-API call that is running on this thread, and `reference` is
        // ours to write — Node — "napi_create_reference" in the Node-API documentation.
        let status =
            unsafe { sys::napi_create_reference(env, value, u32::from(strong), &mut reference) };
        if status != sys::Status::napi_ok {
            return None;
        }
        self.count_reference(|references| references.created(strong));
        Some(reference)
    }

    /// # Safety
    ///
    /// - `create_reference` made `reference` for this `env`, which has not ended.
    /// - Whatever held it has given it up: it is deleted once.
    unsafe fn delete_reference(&self, env: sys::napi_env, reference: sys::napi_ref, strong: bool) {
        // SAFETY: our caller's promise — "napi_delete_reference".
        let status = unsafe { sys::napi_delete_reference(env, reference) };
        if status == sys::Status::napi_ok {
            self.count_reference(|references| references.deleted(strong));
        }
    }

    fn count_reference(&self, count: impl FnOnce(&mut OwnReferences)) {
        let mut references = self.references.get();
        count(&mut references);
        self.references.set(references);
    }

    /// The value behind a record's weak handle; null when it was collected. Opens no handle scope.
    fn value_of(&self, record: &Record) -> sys::napi_value {
        let env = self.owner(record.owner);
        let mut value = ptr::null_mut();
        if env.is_null() {
            return value;
        }
        // SAFETY: the record is in the registry, so its reference has not been deleted, and `env` is the one it was made
        // for — "napi_get_reference_value": sets null for a collected object.
        unsafe { sys::napi_get_reference_value(env, record.handle as sys::napi_ref, &mut value) };
        value
    }

    /// The record of this very value among those at `address`, and how many there are.
    fn find(
        &self,
        env: sys::napi_env,
        value: sys::napi_value,
        address: usize,
    ) -> (Option<RecordId>, usize) {
        let registry = self.registry.borrow();
        let mut count = 0;
        for (id, record) in registry.at_address(address) {
            count += 1;
            if self.is_value_of(env, value, &record) {
                return (Some(id), count);
            }
        }
        (None, count)
    }

    fn is_value_of(&self, env: sys::napi_env, value: sys::napi_value, record: &Record) -> bool {
        let known = self.value_of(record);
        if known.is_null() {
            return false;
        }
        let mut same = false;
        // SAFETY: both values are live handles of the running call; comparing two objects runs no JavaScript —
        // "napi_strict_equals", ECMAScript IsStrictlyEqual.
        let status = unsafe { sys::napi_strict_equals(env, value, known, &mut same) };
        status == sys::Status::napi_ok && same
    }

    /// Counts `value` from now on. `None` when Node gave no reference (no memory, environment ending): then the value is
    /// not counted, and nothing else happens.
    fn add(
        self: &Rc<Self>,
        env: sys::napi_env,
        value: sys::napi_value,
        address: usize,
        entry: Entry,
        ends: Ends,
    ) -> Option<RecordId> {
        let owner = self.owner_place(env)?;
        let id = self.insert(env, value, |handle| Record {
            entry,
            handle,
            address,
            owner,
            ends,
        })?;
        self.count(Run::of(entry));
        self.arm_if_needed(env);
        Some(id)
    }

    fn owner_place(&self, env: sys::napi_env) -> Option<u32> {
        let place = self
            .owners
            .borrow()
            .iter()
            .position(|known| *known == env)?;
        u32::try_from(place).ok()
    }

    /// Gives `value` a weak handle and a record, and counts nothing yet.
    #[inline]
    fn insert(
        &self,
        env: sys::napi_env,
        value: sys::napi_value,
        record: impl FnOnce(usize) -> Record,
    ) -> Option<RecordId> {
        let handle = self.create_reference(env, value, false)?;
        let record = record(handle as usize);
        let id = self.registry.borrow_mut().insert(record);
        if id.is_none() {
            self.delete_handle(record);
        }
        id
    }

    fn count(&self, run: Run) {
        if run.count > 0 {
            self.ledger.borrow_mut().add_run(run);
            PROCESS.lock().add_run(run);
        }
    }

    /// Counts what is left in the nursery of a worker that was terminated in the middle of a job: tracked, and gone.
    fn count_unborn(&self) {
        let Some(figures) = self.nursery.get() else {
            return;
        };
        for place in 0..figures.count() {
            if let Some((bytes, label, route, _)) = figures.read(place) {
                let run = Run::of(Entry {
                    bytes,
                    label,
                    route,
                });
                self.count(run);
                self.uncount(run);
            }
        }
    }

    fn arm_if_needed(self: &Rc<Self>, env: sys::napi_env) {
        let armed = self.minor_armed.get() && self.major_armed.get();
        if !armed && !self.registry.borrow().is_empty() {
            self.arm(env);
        }
    }

    /// Makes sure that the next collection, and the next major one, will be noticed.
    #[cold]
    fn arm(self: &Rc<Self>, env: sys::napi_env) {
        if !self.minor_armed.get() {
            if let Some(object) = create_object(env) {
                self.minor_armed
                    .set(self.add_sentinel(env, object, on_minor_sentinel));
            }
        }
        while self.reserve.borrow().len() < RESERVE {
            let object = create_object(env);
            let Some(reference) = object.and_then(|it| self.create_reference(env, it, true)) else {
                return;
            };
            self.reserve.borrow_mut().push((env, reference));
        }
        if !self.major_armed.get() {
            // The oldest of the reserve. At the very start it is young still and dies in a minor collection: one
            // full sweep too many, nothing else.
            let (owner, reference) = self.reserve.borrow_mut().remove(0);
            let mut object = ptr::null_mut();
            // SAFETY: the reference is strong and was in the reserve, so `owner`, its environment, is still there
            // (`close` empties the reserve of its own) — "napi_get_reference_value".
            unsafe { sys::napi_get_reference_value(owner, reference, &mut object) };
            if !object.is_null() {
                self.major_armed
                    .set(self.add_sentinel(env, object, on_major_sentinel));
            }
            // SAFETY: as above; it was taken out of the reserve.
            unsafe { self.delete_reference(owner, reference, true) };
        }
    }

    /// Lets go of the objects that wait to become sentinels; of all, or of one ending environment's.
    fn drop_reserve(&self, of: Option<sys::napi_env>) {
        let (gone, kept) = std::mem::take(&mut *self.reserve.borrow_mut())
            .into_iter()
            .partition(|(owner, _)| of.is_none_or(|env| env == *owner));
        *self.reserve.borrow_mut() = kept;
        let gone: Vec<_> = gone;
        for (owner, reference) in gone {
            // SAFETY: it was in the reserve, whose owners have not ended (`close` empties it of its own), and is no more.
            unsafe { self.delete_reference(owner, reference, true) };
        }
    }

    /// The object that all copies of lib/external/track.js on this thread share; it holds their WeakMap. Made in the main
    /// realm: one of jest's realms would be kept alive by it.
    fn shared(&self, env: sys::napi_env) -> Option<sys::napi_value> {
        let mut value = ptr::null_mut();
        if let Some((owner, reference)) = self.shared.get() {
            // SAFETY: the reference is strong and of `owner`, which has not ended (`close` forgets it) —
            // "napi_get_reference_value".
            unsafe { sys::napi_get_reference_value(owner, reference, &mut value) };
            return (!value.is_null()).then_some(value);
        }
        let source = create_string(env, SHARED_SOURCE)?;
        // SAFETY: `source` is a live handle of the running call — "napi_run_script".
        let status = unsafe { sys::napi_run_script(env, source, &mut value) };
        if status != sys::Status::napi_ok {
            return None;
        }
        let bytes = typed_array_data(env, value, "bytes", NURSERY + 1)?.cast();
        let keys = typed_array_data(env, value, "keys", NURSERY)?.cast();
        let tickets = typed_array_data(env, value, "tickets", NURSERY)?.cast();
        // SAFETY: `typed_array_data` has checked the lengths. The shared object holds the arrays, `self.shared` holds it, and
        // `close` forgets both together; only native functions of this thread use them.
        let figures = unsafe { Figures::new(bytes, keys, tickets) };
        let reference = self.create_reference(env, value, true)?;
        self.shared.set(Some((env, reference)));
        self.nursery.set(Some(figures));
        Some(value)
    }

    /// Gives `object` a finalizer that owns a share of this environment.
    fn add_sentinel(
        self: &Rc<Self>,
        env: sys::napi_env,
        object: sys::napi_value,
        on_death: unsafe extern "C" fn(sys::napi_env, *mut c_void, *mut c_void),
    ) -> bool {
        let share = Rc::into_raw(Rc::clone(self)).cast_mut().cast::<c_void>();
        // SAFETY: `object` is a live handle of the running call; `share` stays valid until the finalizer takes it back, and
        // Node calls a finalizer once, on this thread, after collection or at the environment's end —
        // "napi_add_finalizer", "Object lifetime management".
        let status = unsafe {
            sys::napi_add_finalizer(
                env,
                object,
                share,
                Some(on_death),
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        if status != sys::Status::napi_ok {
            // SAFETY: made above for the finalizer, which `napi_add_finalizer` refuses without taking it: it makes nothing before
            // its checks (js_native_api_v8.cc, Node 20 to 26).
            unsafe { drop_share(share) };
        }
        status == sys::Status::napi_ok
    }

    /// Finds out which values were collected, as far as one turn of the event loop should take.
    fn sweep(&self, env: sys::napi_env, after_major: bool) {
        self.sweeping(env, |registry, is_dead, removed| {
            registry.sweep(after_major, is_dead, removed);
        });
    }

    /// Goes on with a sweep, for at most this many places of the table. Whether there is more to do.
    fn sweep_on(&self, env: sys::napi_env, places: usize) -> bool {
        if self.pending_places() == 0 {
            return false;
        }
        let more = self.sweeping(env, |registry, is_dead, removed| {
            registry.sweep_on(places, is_dead, removed)
        });
        if self.registry.borrow().is_empty() {
            self.drop_reserve(None);
        }
        more
    }

    /// Does what is left of a sweep, so that a reading counts nothing that the last noticed collection has freed.
    ///
    /// `env` must be the environment of the running call.
    pub fn finish_sweep(&self, env: sys::napi_env) {
        self.sweep_on(env, usize::MAX);
    }

    /// How many places of the table are still to be looked at.
    pub fn pending_places(&self) -> usize {
        self.registry.borrow().pending()
    }

    /// Lends a sweep what asks whether a value is dead, and what settles its record.
    fn sweeping<T>(
        &self,
        env: sys::napi_env,
        sweep: impl FnOnce(&mut Registry, &mut dyn FnMut(&Record) -> bool, &mut dyn FnMut(Record)) -> T,
    ) -> T {
        let mut scope = HandleScope::open(env);
        let mut asked = 0usize;
        let mut run = Run::default();
        let result = sweep(
            &mut self.registry.borrow_mut(),
            &mut |record| {
                asked += 1;
                if asked.is_multiple_of(1_024) {
                    // A live value takes a handle each; without this a million of them would take 8 MB at once.
                    scope = HandleScope::reopen(scope.take(), env);
                }
                self.value_of(record).is_null()
            },
            &mut |record| {
                self.delete_handle(record);
                if record.ends == Ends::Watched {
                    tell_watcher(record.entry.bytes);
                } else if !run.extend(record.entry) {
                    self.uncount(run.take());
                    run.extend(record.entry);
                }
            },
        );
        drop(scope);
        self.uncount(run);
        result
    }

    /// Has JavaScript go on with the sweep in its next turns. Where it cannot (an environment that is ending), the next
    /// collection or reading does.
    fn sweep_later(&self, env: sys::napi_env) {
        let Some(shared) = self.shared(env) else {
            return;
        };
        let (mut later, mut result) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: `env` is the environment of the running finalizer, in which JavaScript may be called, `shared` is a live handle,
        // the name is NUL-terminated, and outputs are ours — "napi_get_named_property".
        let status = unsafe {
            sys::napi_get_named_property(env, shared, c"sweepLater".as_ptr(), &mut later)
        };
        if status != sys::Status::napi_ok {
            return;
        }
        // SAFETY: as above; no borrow of ours is held, and without arguments none are read — "napi_call_function".
        let status =
            unsafe { sys::napi_call_function(env, shared, later, 0, ptr::null(), &mut result) };
        if status == sys::Status::napi_pending_exception {
            // It is ours, not the host's: left pending, it would surface as an uncaught exception.
            // SAFETY: as above — "napi_get_and_clear_last_exception".
            unsafe { sys::napi_get_and_clear_last_exception(env, &mut result) };
        }
    }

    fn uncount(&self, run: Run) {
        if run.count > 0 {
            self.ledger.borrow_mut().remove_run(run);
            PROCESS.lock().remove_run(run);
        }
    }

    /// One Node-API environment of this thread is ending: its values die with it, finalizers or not. Its records are
    /// removed; the totals stay.
    fn close(&self, env: sys::napi_env) {
        let owner = self.owners.borrow().iter().position(|known| *known == env);
        if let Some(owner) = owner {
            let ended: Vec<RecordId> = {
                let registry = self.registry.borrow();
                registry
                    .records()
                    .filter(|(_, record)| record.owner as usize == owner)
                    .map(|(id, _)| id)
                    .collect()
            };
            for id in ended {
                self.release(id);
            }
            self.drop_reserve(Some(env));
            if let Some((_, reference)) = self.shared.get().filter(|(owner, _)| *owner == env) {
                self.count_unborn();
                // SAFETY: the reference is of `env`, which is only about to end, and is forgotten in the next line.
                unsafe { self.delete_reference(env, reference, true) };
                self.shared.set(None);
                self.nursery.set(None);
            }
            if let Some(known) = self.owners.borrow_mut().get_mut(owner) {
                *known = ptr::null_mut();
            }
        }
        self.users.set(self.users.get().saturating_sub(1));
        if self.users.get() == 0 {
            CURRENT.with(|current| current.borrow_mut().take());
        }
    }
}

/// What all copies of lib/external/track.js and lib/external/pending-batch.js on a thread share. Made in the main realm: one of jest's realms would
/// be kept alive by it.
const SHARED_SOURCE: &str = include_str!("../../lib/external/main-realm.js");

/// The figures that lib/external/pending-batch.js puts beside its values: the bytes of three typed arrays of the shared object, which
/// JavaScript changes between our calls, hence the cells.
#[derive(Debug, Clone, Copy)]
struct Figures {
    bytes: *const [Cell<f64>; NURSERY + 1],
    keys: *const [Cell<u32>; NURSERY],
    tickets: *const [Cell<f64>; NURSERY],
}

impl Figures {
    /// # Safety
    ///
    /// - The three arrays stay where they are as long as a copy of this is used: the shared object holds them, the
    ///   environment holds that and forgets both together, and nobody can transfer ArrayBuffers that only
    ///   lib/external/pending-batch.js can reach.
    /// - It is used on JavaScript's thread alone, so that nobody writes meanwhile.
    unsafe fn new(
        bytes: *const [Cell<f64>; NURSERY + 1],
        keys: *const [Cell<u32>; NURSERY],
        tickets: *const [Cell<f64>; NURSERY],
    ) -> Self {
        Figures {
            bytes,
            keys,
            tickets,
        }
    }

    /// How many values there are: the last of `bytes`.
    fn count(self) -> usize {
        // SAFETY: the promise of whoever called `new`.
        let bytes = unsafe { &*self.bytes };
        bytes
            .last()
            .map_or(0, |count| count.get() as usize)
            .min(NURSERY)
    }

    /// Bytes, label, route and ticket of a value.
    fn read(self, place: usize) -> Option<(u64, Key, Key, u64)> {
        // SAFETY: as in `count`.
        let bytes = unsafe { &*self.bytes };
        // SAFETY: as in `count`; the length is NURSERY.
        let keys = unsafe { &*self.keys };
        // SAFETY: as above.
        let tickets = unsafe { &*self.tickets };
        let packed = keys.get(place)?.get();
        Some((
            bytes.get(place)?.get() as u64,
            Key::from_u32(packed & 0xFFFF),
            Key::from_u32(packed >> 16),
            tickets.get(place)?.get() as u64,
        ))
    }

    /// Marks a value that could not be counted by its address.
    fn refuse(self, place: usize) {
        // SAFETY: as in `read`.
        let tickets = unsafe { &*self.tickets };
        if let Some(ticket) = tickets.get(place) {
            ticket.set(-1.0);
        }
    }
}

/// Where the numbers of `object[name]`, a typed array of `length`, are.
fn typed_array_data(
    env: sys::napi_env,
    object: sys::napi_value,
    name: &str,
    length: usize,
) -> Option<*mut c_void> {
    let key = create_string(env, name)?;
    let mut array = ptr::null_mut();
    // SAFETY: both handles are live in the running call — "napi_get_property".
    let status = unsafe { sys::napi_get_property(env, object, key, &mut array) };
    if status != sys::Status::napi_ok {
        return None;
    }
    let (mut found, mut data) = (0, ptr::null_mut());
    // SAFETY: `array` is a live handle; another type gives a status; outputs that are not wanted may be null —
    // "napi_get_typedarray_info".
    let status = unsafe {
        sys::napi_get_typedarray_info(
            env,
            array,
            ptr::null_mut(),
            &mut found,
            &mut data,
            ptr::null_mut(),
            ptr::null_mut(),
        )
    };
    (status == sys::Status::napi_ok && found == length && !data.is_null()).then_some(data)
}

/// A handle scope that closes itself. Scopes nest; this one is opened and closed within one call.
struct HandleScope {
    env: sys::napi_env,
    scope: sys::napi_handle_scope,
}

impl HandleScope {
    fn open(env: sys::napi_env) -> Option<Self> {
        let mut scope = ptr::null_mut();
        // SAFETY: `env` is the environment of the running callback — "napi_open_handle_scope".
        let status = unsafe { sys::napi_open_handle_scope(env, &mut scope) };
        (status == sys::Status::napi_ok).then_some(HandleScope { env, scope })
    }

    fn reopen(old: Option<Self>, env: sys::napi_env) -> Option<Self> {
        drop(old);
        Self::open(env)
    }
}

impl Drop for HandleScope {
    fn drop(&mut self) {
        // SAFETY: opened by `open` in the same callback and closed once, in reverse order — "napi_close_handle_scope".
        unsafe { sys::napi_close_handle_scope(self.env, self.scope) };
    }
}

fn create_object(env: sys::napi_env) -> Option<sys::napi_value> {
    let mut object = ptr::null_mut();
    // SAFETY: `env` is the environment of the running callback — "napi_create_object".
    let status = unsafe { sys::napi_create_object(env, &mut object) };
    (status == sys::Status::napi_ok).then_some(object)
}

/// # Safety
///
/// - `share` was given out by `Rc::into_raw` in this file and not taken back yet.
/// - This is the thread that it was given out on.
unsafe fn take_share(share: *mut c_void) -> Rc<Environment> {
    // SAFETY: our caller's promise — `Rc::from_raw`.
    unsafe { Rc::from_raw(share.cast::<Environment>()) }
}

/// # Safety
///
/// As for [`take_share`].
unsafe fn drop_share(share: *mut c_void) {
    // SAFETY: our caller's promise.
    drop(unsafe { take_share(share) });
}

/// A garbage collection has run.
unsafe extern "C" fn on_minor_sentinel(env: sys::napi_env, share: *mut c_void, _: *mut c_void) {
    finalizer(|| {
        // SAFETY: the sentinel's own share, and Node calls its finalizer once, on the thread that made it.
        let environment = unsafe { take_share(share) };
        environment.minor_armed.set(false);
        noticed(&environment, env, false);
    });
}

/// A major garbage collection has run.
unsafe extern "C" fn on_major_sentinel(env: sys::napi_env, share: *mut c_void, _: *mut c_void) {
    finalizer(|| {
        // SAFETY: as in `on_minor_sentinel`.
        let environment = unsafe { take_share(share) };
        environment.major_armed.set(false);
        noticed(&environment, env, true);
    });
}

fn noticed(environment: &Rc<Environment>, env: sys::napi_env, major: bool) {
    // At the end of an environment Node runs all finalizers; by then `close` has seen to its records, and
    // nothing may be created any more.
    if !environment.owners.borrow().contains(&env) {
        return;
    }
    environment.sweep(env, major);
    if environment.pending_places() > 0 {
        environment.sweep_later(env);
    }
    if environment.registry.borrow().is_empty() {
        environment.drop_reserve(None);
    } else {
        environment.arm(env);
    }
}

/// Called once for each Node-API environment that loads the addon. The share it returns is the `data` of the native
/// functions, and goes back through [`leave`].
pub fn enter(env: sys::napi_env) -> *mut c_void {
    let environment = CURRENT.with(|current| {
        Rc::clone(
            current
                .borrow_mut()
                .get_or_insert_with(|| Rc::new(Environment::new())),
        )
    });
    environment.users.set(environment.users.get() + 1);
    {
        let mut owners = environment.owners.borrow_mut();
        match owners.iter().position(|known| known.is_null()) {
            Some(place) => owners[place] = env,
            None => owners.push(env),
        }
    }
    Rc::into_raw(environment).cast_mut().cast()
}

/// The Node-API environment that [`enter`] was called for is ending.
///
/// # Safety
///
/// `share` is what [`enter`] returned for this `env`; this is its thread, and the only call with it.
pub unsafe fn leave(env: sys::napi_env, share: *mut c_void) {
    // SAFETY: our caller's promise.
    unsafe { take_share(share) }.close(env);
}

/// Runs a native function: finds its environment and its arguments (missing ones are `undefined`), and returns
/// `undefined` where `body` has nothing to return. A panic ends here: in an `extern "C"` function it would abort the host.
fn function<const N: usize>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
    body: impl FnOnce(&Rc<Environment>, [sys::napi_value; N]) -> Option<sys::napi_value>,
) -> sys::napi_value {
    let mut arguments = [ptr::null_mut(); N];
    let mut count = N;
    let mut data = ptr::null_mut();
    // SAFETY: `env` and `info` are those of the running callback, and `arguments` has room for `count` —
    // "napi_get_cb_info".
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
    if status != sys::Status::napi_ok || data.is_null() {
        return ptr::null_mut();
    }
    let shared = data.cast::<Environment>().cast_const();
    // SAFETY: `data` is the pointer that `enter` made with `Rc::into_raw`; `leave` takes it back only when the environment
    // ends, after which no function of it can be called — Rc::increment_strong_count.
    unsafe { Rc::increment_strong_count(shared) };
    // SAFETY: the share that was added in the line above.
    let environment = unsafe { take_share(data) };
    catch_unwind(AssertUnwindSafe(|| body(&environment, arguments)))
        .ok()
        .flatten()
        .unwrap_or(ptr::null_mut())
}

/// Runs the body of a finalizer. A panic ends here; what it was to count stays as it was.
fn finalizer(body: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(body));
}

fn number(env: sys::napi_env, value: sys::napi_value) -> Option<f64> {
    let mut number = 0.0;
    // SAFETY: `value` is an argument of the running callback — "napi_get_value_double".
    let status = unsafe { sys::napi_get_value_double(env, value, &mut number) };
    (status == sys::Status::napi_ok).then_some(number)
}

const _: () = assert!(
    LABEL_LIMIT + 2 < 1 << 16 && ROUTE_LIMIT + 2 < 1 << 15,
    "keys must fit a small integer"
);

fn to_number(env: sys::napi_env, number: f64) -> sys::napi_value {
    let mut value = ptr::null_mut();
    // SAFETY: `env` is the environment of the running callback — "napi_create_double".
    unsafe { sys::napi_create_double(env, number, &mut value) };
    value
}

/// The address of a view's first byte; 0 when it has none.
#[inline]
fn address_of(env: sys::napi_env, value: sys::napi_value) -> Option<usize> {
    let mut data = ptr::null_mut();
    // SAFETY: `value` is an argument of the running callback; a value of another type gives a status, not a crash;
    // outputs that are not wanted may be null — "napi_get_typedarray_info".
    let status = unsafe {
        sys::napi_get_typedarray_info(
            env,
            value,
            ptr::null_mut(),
            ptr::null_mut(),
            &mut data,
            ptr::null_mut(),
            ptr::null_mut(),
        )
    };
    if status == sys::Status::napi_ok {
        return Some(data as usize);
    }
    let mut length = 0;
    // SAFETY: as above — "napi_get_dataview_info".
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

/// `trackBatch(...values)`: counts the values of the nursery, which come as the arguments, with the figures that lib/external/pending-batch.js
/// has put beside them. A value that is known already takes the new label and byteLength. Returns nothing, or `true` when
/// there were views that their address cannot tell from others; their tickets are set to −1.
unsafe extern "C" fn track_batch(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> sys::napi_value {
    function(env, info, |environment, arguments: [_; NURSERY]| {
        let figures = environment.nursery.get()?;
        let owner = environment.owner_place(env)?;
        let mut run = Run::default();
        let mut undecided = false;
        for (place, value) in arguments.iter().enumerate().take(figures.count()) {
            let Some((bytes, label, route, ticket)) = figures.read(place) else {
                break;
            };
            let address = if ticket != 0 {
                ticket_address(ticket)
            } else {
                match address_of(env, *value) {
                    Some(address) if address != 0 => address,
                    _ => {
                        figures.refuse(place);
                        undecided = true;
                        continue;
                    }
                }
            };
            if environment.registry.borrow().knows_address(address) {
                match environment.find(env, *value, address) {
                    (Some(id), _) => {
                        environment.count(run.take());
                        environment.change(id, Some(bytes), (label != NONE).then_some(label), None);
                        continue;
                    }
                    (None, neighbours) if neighbours >= ADDRESS_CHAIN_LIMIT => {
                        figures.refuse(place);
                        undecided = true;
                        continue;
                    }
                    _ => {}
                }
            }
            let entry = Entry {
                bytes,
                label,
                route,
            };
            let record = |handle| Record {
                entry,
                handle,
                address,
                owner,
                ends: Ends::WithItsValue,
            };
            if environment.insert(env, *value, record).is_some() && !run.extend(entry) {
                environment.count(run.take());
                run.extend(entry);
            }
        }
        environment.count(run.take());
        environment.arm_if_needed(env);
        undecided.then(|| to_number(env, 1.0))
    })
}

/// `sweepSome()`: goes on with the sweep. Returns `true` when there is more to do, otherwise nothing.
unsafe extern "C" fn sweep_some(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> sys::napi_value {
    function(env, info, |environment, _: [_; 0]| {
        environment
            .sweep_on(env, PLACES_PER_STEP)
            .then(|| to_number(env, 1.0))
    })
}

/// Where a ticket's record is indexed: no address of a process is that high.
fn ticket_address(ticket: u64) -> usize {
    (1 << 63) | (ticket << 6) as usize
}

/// `watch(value, number)`: tells the watcher the number when the object has been collected. In no tally.
unsafe extern "C" fn watch(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    function(env, info, |environment, arguments: [_; 2]| {
        let number = number(env, arguments[1])?;
        let owner = environment.owner_place(env)?;
        let entry = Entry {
            bytes: number as u64,
            label: NONE,
            route: NONE,
        };
        environment.insert(env, arguments[0], |handle| Record {
            entry,
            handle,
            address: 0,
            owner,
            ends: Ends::Watched,
        })?;
        environment.arm_if_needed(env);
        None
    })
}

/// `findTicket(ticket)`: the id of the record of the value with this ticket, or nothing.
unsafe extern "C" fn find_ticket(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> sys::napi_value {
    function(env, info, |environment, arguments: [_; 1]| {
        let found = number(env, arguments[0]).and_then(|ticket| {
            let registry = environment.registry.borrow();
            let found = registry.at_address(ticket_address(ticket as u64)).next();
            found.map(|(id, _)| id)
        });
        to_id(env, found)
    })
}

/// `findView(value)`: the id of the record that counts this view, or nothing.
unsafe extern "C" fn find_view(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> sys::napi_value {
    function(env, info, |environment, arguments: [_; 1]| {
        let found = address_of(env, arguments[0])
            .filter(|address| *address != 0)
            .and_then(|address| environment.find(env, arguments[0], address).0);
        to_id(env, found)
    })
}

/// `findDetached(value)`: the id of the record that counts this view, whose address was lost when its ArrayBuffer was
/// detached, or nothing. Looks at every record.
unsafe extern "C" fn find_detached(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> sys::napi_value {
    function(env, info, |environment, arguments: [_; 1]| {
        let found = environment
            .registry
            .borrow()
            .records()
            .filter(|(_, record)| record.address != 0)
            .find(|(_, record)| {
                let _scope = HandleScope::open(env);
                environment.is_value_of(env, arguments[0], record)
            })
            .map(|(id, _)| id);
        to_id(env, found)
    })
}

fn to_id(env: sys::napi_env, id: Option<RecordId>) -> Option<sys::napi_value> {
    id.map(|id| to_number(env, id.to_number() as f64))
}

/// Native memory of ours behind an external Buffer.
struct Block {
    environment: Rc<Environment>,
    layout: Layout,
    record: Option<RecordId>,
    /// Set by the finalizer; `alloc_external` looks at it after the call that may run it.
    finalized: Rc<Cell<bool>>,
}

/// The memory of an external Buffer is no longer used by anybody.
unsafe extern "C" fn release_block(_env: sys::napi_env, data: *mut c_void, block: *mut c_void) {
    // SAFETY: `block` is the box that `alloc_external` leaked for this finalizer, and Node calls it once —
    // "napi_create_external_buffer"; `Box::from_raw`.
    let block = unsafe { Box::from_raw(block.cast::<Block>()) };
    block.finalized.set(true);
    // SAFETY: `alloc_external` allocated it with this layout, and V8 has given the backing store up.
    unsafe { free_block(data.cast(), block.layout) };
    finalizer(|| {
        if let Some(id) = block.record {
            block.environment.release(id);
        }
    });
}

/// # Safety
///
/// - `alloc_external` has allocated `data` with this layout.
/// - Nobody uses it any more, and nobody else frees it.
unsafe fn free_block(data: *mut u8, layout: Layout) {
    // SAFETY: our caller's promise — `std::alloc::dealloc`.
    unsafe { dealloc(data, layout) };
}

/// Allocates `byte_length` (at least 1) zeroed bytes and hands them to JavaScript as an external Buffer, counted under
/// these keys until the memory is freed. On an engine that refuses external buffers, the Buffer is a copy in
/// V8's own memory, counted until it is collected.
///
/// # Errors
///
/// [`Code::OutOfMemory`] when the memory cannot be had; nothing has been counted then.
///
/// # Safety
///
/// `env` must be the environment of the running callback, on its own thread.
pub unsafe fn alloc_external(
    env: sys::napi_env,
    byte_length: usize,
    label: Key,
    route: Key,
) -> Result<sys::napi_value, Failure> {
    let out_of_memory = || {
        Failure::new(
            Code::OutOfMemory,
            format!(
                "Could not allocate {byte_length} bytes of native memory; nothing was allocated"
            ),
        )
    };
    let environment = current()
        .ok_or_else(|| Failure::new(Code::Internal, "The addon is not loaded on this thread"))?;
    let layout = Layout::from_size_align(byte_length, 16).map_err(|_| out_of_memory())?;
    if byte_length == 0 {
        return Err(Failure::new(
            Code::Internal,
            "An external allocation of 0 bytes",
        ));
    }
    // SAFETY: the layout's size is not 0 — `std::alloc::alloc_zeroed`.
    let data = unsafe { alloc_zeroed(layout) };
    if data.is_null() {
        return Err(out_of_memory());
    }

    let finalized = Rc::new(Cell::new(false));
    let block = Box::into_raw(Box::new(Block {
        environment: Rc::clone(&environment),
        layout,
        record: None,
        finalized: Rc::clone(&finalized),
    }));
    let mut value = ptr::null_mut();
    let refused = environment.refuse_external.get();
    let status = if refused {
        sys::Status::napi_no_external_buffers_allowed
    } else {
        // SAFETY: `data` has `byte_length` bytes, belongs to nobody else, and stays valid until `release_block`, which owns
        // `block`, frees it — "napi_create_external_buffer".
        unsafe {
            sys::napi_create_external_buffer(
                env,
                byte_length,
                data.cast(),
                Some(release_block),
                block.cast(),
                &mut value,
            )
        }
    };

    let entry = Entry {
        bytes: byte_length as u64,
        label,
        route,
    };
    if status == sys::Status::napi_ok {
        let id = environment.add(env, value, data as usize, entry, Ends::WithItsMemory);
        // SAFETY: `block` is freed by `release_block` alone, and that cannot have run: `value` is a live handle of this
        // call, so its memory is in use.
        unsafe { (*block).record = id };
        return Ok(value);
    }

    if owner_after(status, finalized.get()) == Owner::Us {
        // SAFETY: Node has not taken the block, and its finalizer neither has run nor will (`owner_after`) — `Box::from_raw`.
        drop(unsafe { Box::from_raw(block) });
        // SAFETY: allocated above with this layout, and as above.
        unsafe { free_block(data, layout) };
    }
    if status != sys::Status::napi_no_external_buffers_allowed {
        return Err(out_of_memory());
    }
    let mut copy = ptr::null_mut();
    // SAFETY: outputs are ours; Node allocates — "napi_create_buffer".
    let status = unsafe { sys::napi_create_buffer(env, byte_length, &mut copy, &mut value) };
    if status != sys::Status::napi_ok || copy.is_null() {
        return Err(out_of_memory());
    }
    // SAFETY: `copy` points to `byte_length` bytes that Node has just allocated and not yet filled — "napi_create_buffer".
    unsafe { ptr::write_bytes(copy.cast::<u8>(), 0, byte_length) };
    environment.add(env, value, copy as usize, entry, Ends::WithItsValue);
    Ok(value)
}

/// A function that Node calls.
type Callback = unsafe extern "C" fn(sys::napi_env, sys::napi_callback_info) -> sys::napi_value;

/// The native functions whose cost per call matters, with the name each has on the binding.
const FUNCTIONS: [(&str, Callback); 5] = [
    ("trackBatch", track_batch),
    ("watch", watch),
    ("findTicket", find_ticket),
    ("findView", find_view),
    ("findDetached", find_detached),
];

/// Puts the functions of this file on `exports`, and the object that all copies of lib/external/track.js share.
///
/// # Safety
///
/// - `env` and `exports` belong to the running module registration, on its own thread.
/// - `share` is what [`enter`] returned for this `env`.
pub unsafe fn define_functions(
    env: sys::napi_env,
    exports: sys::napi_value,
    share: *mut c_void,
) -> Result<(), Failure> {
    let define = |object, name: &str, function: Callback| {
        let mut value = ptr::null_mut();
        // SAFETY: the name is a valid string of the given length; `share` outlives every call of the function (see
        // `call`) — the caller; "napi_create_function".
        let status = unsafe {
            sys::napi_create_function(
                env,
                name.as_ptr().cast(),
                name.len() as isize,
                Some(function),
                share,
                &mut value,
            )
        };
        if status != sys::Status::napi_ok {
            return Err(could_not_export(name));
        }
        set_property(env, object, name, value)
    };
    for (name, function) in FUNCTIONS {
        define(exports, name, function)?;
    }
    let environment = current().ok_or_else(|| could_not_export("shared"))?;
    let shared = environment
        .shared(env)
        .ok_or_else(|| could_not_export("shared"))?;
    // By the environment that the shared object goes with.
    if environment
        .shared
        .get()
        .is_some_and(|(owner, _)| owner == env)
    {
        define(shared, "sweepSome", sweep_some)?;
    }
    set_property(env, exports, "shared", shared)
}

fn could_not_export(name: &str) -> Failure {
    Failure::new(Code::Internal, format!("Could not export {name}"))
}

fn create_string(env: sys::napi_env, text: &str) -> Option<sys::napi_value> {
    let mut value = ptr::null_mut();
    // SAFETY: the text is valid for the given length — "napi_create_string_utf8".
    let status = unsafe {
        sys::napi_create_string_utf8(env, text.as_ptr().cast(), text.len() as isize, &mut value)
    };
    (status == sys::Status::napi_ok).then_some(value)
}

fn set_property(
    env: sys::napi_env,
    object: sys::napi_value,
    name: &str,
    value: sys::napi_value,
) -> Result<(), Failure> {
    let key = create_string(env, name).ok_or_else(|| could_not_export(name))?;
    // SAFETY: all handles are live in the running call — "napi_set_property".
    let status = unsafe { sys::napi_set_property(env, object, key, value) };
    if status == sys::Status::napi_ok {
        Ok(())
    } else {
        Err(could_not_export(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No environment of Node's: a record of this owner has a handle that nobody deletes.
    const NOBODY: u32 = u32::MAX;

    fn entry(bytes: u64, label: &str) -> Entry {
        Entry {
            bytes,
            label: label_key(label),
            route: NONE,
        }
    }

    /// Counts a record as `add` does, without a value of Node's.
    fn count(environment: &Environment, entry: Entry, address: usize, ends: Ends) -> RecordId {
        let record = Record {
            entry,
            handle: 0,
            address,
            owner: NOBODY,
            ends,
        };
        let id = environment.registry.borrow_mut().insert(record);
        environment.count(Run::of(entry));
        id.expect("there is room")
    }

    fn live(environment: &Environment) -> (u64, u64) {
        environment.with_ledger(|ledger| {
            let tally = ledger.overall();
            (tally.live_bytes, tally.live_count)
        })
    }

    #[test]
    fn a_record_is_counted_until_it_is_released_and_released_once() {
        let environment = Environment::new();
        let id = count(
            &environment,
            entry(1_009, "released once"),
            0,
            Ends::WithItsValue,
        );
        assert_eq!(live(&environment), (1_009, 1));
        assert!(environment.change(id, Some(2_003), None, None));
        assert_eq!(live(&environment), (2_003, 1));
        assert!(environment.release(id));
        assert!(!environment.release(id));
        assert!(!environment.change(id, Some(1), None, None));
        assert_eq!(live(&environment), (0, 0));
    }

    #[test]
    fn only_memory_of_ours_is_external() {
        let environment = Environment::new();
        count(
            &environment,
            entry(10, "a value"),
            0x1000,
            Ends::WithItsValue,
        );
        count(
            &environment,
            entry(10, "a block"),
            0x2000,
            Ends::WithItsMemory,
        );
        assert!(!environment.is_external(0x1000));
        assert!(environment.is_external(0x2000));
        assert!(!environment.is_external(0));
        let names = environment.names_at(0x2000).expect("it is counted");
        assert_eq!(names.0, "a block");
    }

    #[test]
    fn a_block_is_freed_and_uncounted_by_its_finalizer() {
        let environment = Rc::new(Environment::new());
        let layout = Layout::from_size_align(4_096, 16).expect("a valid layout");
        // SAFETY: the layout is not empty.
        let data = unsafe { alloc_zeroed(layout) };
        let finalized = Rc::new(Cell::new(false));
        let record = count(
            &environment,
            entry(4_096, "a block"),
            data as usize,
            Ends::WithItsMemory,
        );
        let block = Box::new(Block {
            environment: environment.clone(),
            layout,
            record: Some(record),
            finalized: finalized.clone(),
        });
        // SAFETY: both are what `alloc_external` hands to Node, which calls this once.
        unsafe { release_block(ptr::null_mut(), data.cast(), Box::into_raw(block).cast()) };
        assert!(finalized.get());
        assert_eq!(live(&environment), (0, 0));
        assert!(!environment.is_external(data as usize));
        assert_eq!(Rc::strong_count(&environment), 1);
    }

    #[test]
    fn what_a_terminated_worker_left_in_its_nursery_was_counted_and_is_gone() {
        let bytes: [Cell<f64>; NURSERY + 1] = std::array::from_fn(|_| Cell::new(0.0));
        let keys: [Cell<u32>; NURSERY] = std::array::from_fn(|_| Cell::new(0));
        let tickets: [Cell<f64>; NURSERY] = std::array::from_fn(|_| Cell::new(0.0));
        let label = label_key("unborn");
        for (place, length) in [100.0, 2_000.0].into_iter().enumerate() {
            bytes[place].set(length);
            keys[place].set(label.as_u32());
        }
        // More than there is room for is what a broken count says.
        bytes[NURSERY].set(2.0);
        let environment = Environment::new();
        // SAFETY: the arrays outlive the environment's use of them, on this thread alone.
        let figures = unsafe { Figures::new(&bytes, &keys, &tickets) };
        environment.nursery.set(Some(figures));
        environment.count_unborn();
        let tally = environment.with_ledger(Ledger::overall);
        assert_eq!(
            (tally.live_bytes, tally.total_bytes, tally.total_count),
            (0, 2_100, 2)
        );

        bytes[NURSERY].set(1e9);
        assert_eq!(figures.count(), NURSERY);
        figures.refuse(1);
        figures.refuse(NURSERY);
        assert_eq!((tickets[0].get(), tickets[1].get()), (0.0, -1.0));
        assert_eq!(figures.read(NURSERY), None);
    }

    #[test]
    fn the_address_of_a_ticket_is_none_of_a_process() {
        // Addresses of a process are below 2^47, or 2^56 with five levels of pages.
        for ticket in [0, 1, (1 << 53) - 1] {
            assert!(ticket_address(ticket) >= 1 << 63);
        }
        assert_ne!(ticket_address(1), ticket_address(2));
    }
}
