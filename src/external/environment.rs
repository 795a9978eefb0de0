//! The environment: one for each JavaScript thread that loaded the addon, however often it is required there.
//!
//! Knows: when it begins and ends, and what it has: tracked values, references, sentinels, the object of the main realm.
//! Every function runs on that thread. Only the tallies and names in `process` are other threads' too.
//! It keeps no value alive: handles of tracked values are weak, and the sentinels refer to nothing.
//! Out of scope: how Node is called (`raw`).
//! Limitations: Node-API has an environment of its own for each time the addon is loaded (`Env`); one that ends takes its own records
//! with it, and the thread's environment ends with the last.
#![forbid(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::main_realm::MainRealm;
use super::raw::{Env, Value};
use super::references::References;
use super::registry::{Ends, RecordId, PLACES_PER_STEP};
use super::sentinels::{Collection, Sentinels};
use super::tracked_values::TrackedValues;
use crate::addons::own::OwnReferences;
use crate::base::ledger::Entry;

/// Environments that still take memory. For the test that ended workers leave none.
static ENVIRONMENTS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static CURRENT: RefCell<Option<Rc<Environment>>> = const { RefCell::new(None) };
}

/// What one JavaScript thread has of this room. All copies of the addon on the thread (required twice, jest) have one.
#[derive(Debug)]
pub struct Environment {
    values: TrackedValues,
    references: Rc<References>,
    sentinels: Sentinels,
    main_realm: RefCell<Option<Rc<MainRealm>>>,
    /// How many Node-API environments of this thread are still there.
    users: Cell<usize>,
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

/// This thread's environment, if the addon is loaded on it.
pub fn current() -> Option<Rc<Environment>> {
    CURRENT.with(|current| current.borrow().clone())
}

impl Environment {
    pub(super) fn new() -> Self {
        ENVIRONMENTS.fetch_add(1, Ordering::Relaxed);
        let references = Rc::new(References::default());
        Environment {
            values: TrackedValues::new(Rc::clone(&references)),
            sentinels: Sentinels::new(Rc::clone(&references)),
            references,
            main_realm: RefCell::new(None),
            users: Cell::new(0),
            refuse_external: Cell::new(false),
        }
    }

    /// Called once for each Node-API environment that loads the addon; [`Environment::close`] is its counterpart.
    pub fn enter(env: Env) -> Rc<Self> {
        let environment = CURRENT.with(|current| {
            Rc::clone(
                current
                    .borrow_mut()
                    .get_or_insert_with(|| Rc::new(Environment::new())),
            )
        });
        environment.users.set(environment.users.get() + 1);
        environment.values.add_owner(env);
        environment
    }

    /// The Node-API environment that [`Environment::enter`] was called for is ending: its values die with it, finalizers or not. Its
    /// records are removed; the totals stay.
    pub fn close(&self, env: Env) {
        if let Some(owner) = self.values.owner_place(env) {
            self.values.release_all_of(owner);
            self.sentinels.release_reserve(Some(env));
            self.release_main_realm(env);
            self.values.remove_owner(owner);
        }
        self.users.set(self.users.get().saturating_sub(1));
        if self.users.get() == 0 {
            CURRENT.with(|current| current.borrow_mut().take());
        }
    }

    fn release_main_realm(&self, env: Env) {
        let Some(main_realm) = self
            .main_realm
            .borrow_mut()
            .take_if(|it| it.belongs_to(env))
        else {
            return;
        };
        main_realm.batch().count_lost(&self.values);
        // Nobody else has it: those who do are calls that have returned. If one had not, Node would delete the reference.
        if let Some(main_realm) = Rc::into_inner(main_realm) {
            self.references.release(main_realm.into_object());
        }
    }

    /// The tracked values.
    pub fn values(&self) -> &TrackedValues {
        &self.values
    }

    /// The references that offheap holds in this environment, whether Node-API's or the engine's.
    pub fn references(&self) -> OwnReferences {
        self.references.counts()
    }

    /// For tests: behave as on an engine that refuses external buffers, such as Electron.
    pub fn refuse_external_buffers(&self, refuse: bool) {
        self.refuse_external.set(refuse);
    }

    /// For tests: makes weak references of Node-API only from now on, as where the engine is not a known one; or what the process has.
    pub fn use_node_api_references(&self, only: bool) {
        self.references.use_engine(!only);
    }

    /// Whether external buffers are refused for a test.
    pub(super) fn refuses_external_buffers(&self) -> bool {
        self.refuse_external.get()
    }

    /// The object that all copies of lib/external/ on this thread have together, made when it is first asked for; and whether it
    /// belongs to `env`.
    pub fn main_realm_object(&self, env: Env) -> Option<(Value, bool)> {
        if self.main_realm.borrow().is_none() {
            let main_realm = MainRealm::new(env, &self.references)?;
            self.main_realm.replace(Some(Rc::new(main_realm)));
        }
        let main_realm = self.main_realm()?;
        Some((main_realm.object()?, main_realm.belongs_to(env)))
    }

    /// A share, so that nothing is borrowed while it is used.
    fn main_realm(&self) -> Option<Rc<MainRealm>> {
        self.main_realm.borrow().clone()
    }

    /// Counts the values of the pending batch. Whether there were views that their address cannot tell from others.
    pub fn take_pending_batch(self: &Rc<Self>, env: Env, values: &[Value]) -> bool {
        let undecided = self
            .main_realm()
            .is_some_and(|it| it.batch().take_over(env, values, &self.values));
        self.arm_if_needed(env);
        undecided
    }

    /// Counts `value` from now on; see [`TrackedValues::add`].
    pub(super) fn add(
        self: &Rc<Self>,
        env: Env,
        value: Value,
        address: usize,
        entry: Entry,
        ends: Ends,
    ) -> Option<RecordId> {
        let id = self.values.add(env, value, address, entry, ends)?;
        self.arm_if_needed(env);
        Some(id)
    }

    /// Has the observer called with this number when `value` has been collected.
    pub fn observe(self: &Rc<Self>, env: Env, value: Value, number: u64) {
        if self.values.observe(env, value, number).is_some() {
            self.arm_if_needed(env);
        }
    }

    #[inline]
    fn arm_if_needed(self: &Rc<Self>, env: Env) {
        if !self.sentinels.are_armed() && !self.values.is_empty() {
            self.arm(env);
        }
    }

    fn arm(self: &Rc<Self>, env: Env) {
        self.sentinels
            .arm(env, self, Environment::noticed, self.values.has_old());
    }

    /// A garbage collection has run.
    fn noticed(self: &Rc<Self>, env: Env, collection: Collection) {
        self.sentinels.died(collection);
        // At the end of an environment Node runs all finalizers; by then `close` has seen to its records, and
        // nothing may be created any more.
        if self.values.owner_place(env).is_none() {
            return;
        }
        self.values.sweep(env, collection == Collection::Major);
        self.schedule_sweep(env);
        // A service that tracks per request has no values after each minor collection. Its reserve has to grow old, and its tables stay.
        if self.values.is_without_memory() {
            self.sentinels.release_reserve(None);
        } else {
            self.arm(env);
        }
    }

    /// Has Node call [`Environment::sweep_some`] in the next turn of the event loop, if there is something left to do.
    fn schedule_sweep(&self, env: Env) {
        if self.values.pending_places() > 0 {
            if let Some(main_realm) = self.main_realm() {
                main_realm.schedule_sweep(env);
            }
        }
    }

    /// Goes on with a sweep, as far as one turn of the event loop should take.
    pub fn sweep_some(&self, env: Env) {
        if let Some(main_realm) = self.main_realm() {
            main_realm.sweep_is_running();
        }
        self.sweep_on(env, PLACES_PER_STEP);
        self.schedule_sweep(env);
    }

    /// Does what is left of a sweep, so that a reading counts nothing that the last noticed collection has freed.
    pub fn finish_sweep(&self, env: Env) {
        self.sweep_on(env, usize::MAX);
    }

    fn sweep_on(&self, env: Env, places: usize) {
        if self.values.pending_places() == 0 {
            return;
        }
        self.values.sweep_on(env, places);
        if self.values.is_without_memory() {
            self.sentinels.release_reserve(None);
        }
    }
}
