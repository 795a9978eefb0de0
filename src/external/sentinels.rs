//! Notices garbage collections: objects that nothing refers to, each with a finalizer.
//!
//! Knows: which sentinels are waiting for a collection, and the reserve of objects for the next ones.
//! Out of scope: what is to be done after a collection; whoever arms them is called.
//! Limitations: a collection is noticed when Node runs its finalizers, which is a turn of the event loop later at the latest. Several
//! collections until then are noticed as one.
//!
//! # Why one finalizer per garbage collection, and not one per value
//!
//! A Node-API finalizer per value costs 1.5 to 3 times what `FinalizationRegistry.prototype.register` does: Node queues each one
//! in a hash set, and calls it in a scope of its own. A weak reference without a finalizer costs a third of that. So each
//! tracked value gets a weak reference, and one *sentinel* object gets a finalizer. The sentinel dies in the next collection, and its
//! finalizer starts the sweep, which finds the references that have become empty. `docs/external.md` has the measurements.
//!
//! ```text
//!  minor sentinel: a new object            → dies in any collection          → sweep young records
//!  major sentinel: an object in the old    → dies in a major collection only → sweep all records, a step in
//!                  generation, taken from a reserve of objects held strongly       each turn of the event loop
//!                  until they are needed
//! ```
//!
//! The reserve is there because a new object is young: weak from the start, it would die in a minor collection.
#![forbid(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::raw::{self, Env, Value};
use super::references::{References, StrongReference};

/// How many old objects wait to become the major sentinel. One is used up by each major collection and a new one is
/// old after the next, so two would do; the rest is for collections in quick succession.
const RESERVE: usize = 4;

/// What was collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Collection {
    /// Young objects, at least.
    Minor,
    /// Old objects too.
    Major,
}

/// The sentinels of one environment.
#[derive(Debug)]
pub(super) struct Sentinels {
    references: Rc<References>,
    minor_armed: Cell<bool>,
    major_armed: Cell<bool>,
    reserve: RefCell<Vec<StrongReference>>,
}

impl Sentinels {
    pub(super) fn new(references: Rc<References>) -> Self {
        Sentinels {
            references,
            minor_armed: Cell::new(false),
            major_armed: Cell::new(false),
            reserve: RefCell::new(Vec::new()),
        }
    }

    /// Whether the next collection, and the next major one, will be noticed.
    pub(super) fn are_armed(&self) -> bool {
        self.minor_armed.get() && self.major_armed.get()
    }

    /// Makes sure of that. `noticed` is called once for each sentinel, with a share of `whom`, and says [`Sentinels::died`].
    #[cold]
    pub(super) fn arm<T: 'static>(
        &self,
        env: Env,
        whom: &Rc<T>,
        noticed: fn(&Rc<T>, Env, Collection),
    ) {
        let add = |object: Value, collection: Collection| {
            let whom = Rc::clone(whom);
            let finalizer = move |env| noticed(&whom, env, collection);
            raw::add_finalizer(env, object, Box::new(finalizer))
        };
        if !self.minor_armed.get() {
            if let Some(object) = raw::create_object(env) {
                self.minor_armed.set(add(object, Collection::Minor));
            }
        }
        while self.reserve.borrow().len() < RESERVE {
            let object = raw::create_object(env);
            let Some(held) = object.and_then(|it| self.references.hold(env, it)) else {
                return;
            };
            self.reserve.borrow_mut().push(held);
        }
        if !self.major_armed.get() {
            // The oldest of the reserve. At the very start it is young still and dies in a minor collection: one
            // full sweep too many, nothing else.
            let held = self.reserve.borrow_mut().remove(0);
            if let Some(object) = held.value() {
                self.major_armed.set(add(object, Collection::Major));
            }
            self.references.release(held);
        }
    }

    /// The sentinel of such a collection has died: there is none until the next [`Sentinels::arm`].
    pub(super) fn died(&self, collection: Collection) {
        match collection {
            Collection::Minor => self.minor_armed.set(false),
            Collection::Major => self.major_armed.set(false),
        }
    }

    /// Releases the objects of the reserve: all, or those of one Node-API environment that is ending.
    pub(super) fn release_reserve(&self, of: Option<Env>) {
        let (released, kept): (Vec<_>, Vec<_>) = self
            .reserve
            .take()
            .into_iter()
            .partition(|held| of.is_none_or(|env| env == held.env()));
        self.reserve.replace(kept);
        for held in released {
            self.references.release(held);
        }
    }
}
