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
use super::registry::YOUNG_SWEEPS;

/// After this many noticed collections an object of the reserve is old. The records that were there when it was made are old then, too; until then
/// the sweep of young records looks at all there are.
const OLD_AFTER: u8 = YOUNG_SWEEPS;

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
    reserve: RefCell<Vec<Waiting>>,
}

/// An object of the reserve.
#[derive(Debug)]
struct Waiting {
    object: StrongReference,
    /// How many collections it has survived, as far as they were noticed.
    survived: u8,
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

    /// Whether the next collection will be noticed.
    pub(super) fn are_armed(&self) -> bool {
        self.minor_armed.get()
    }

    /// Makes sure of that; of the next major collection, when there are old records, or an old object of the reserve to notice it with.
    /// `noticed` is called once for each sentinel, with a share of `whom`, and says [`Sentinels::died`].
    #[cold]
    pub(super) fn arm<T: 'static>(
        &self,
        env: Env,
        whom: &Rc<T>,
        noticed: fn(&Rc<T>, Env, Collection),
        has_old_records: bool,
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
            self.reserve.borrow_mut().push(Waiting {
                object: held,
                survived: 0,
            });
        }
        let is_old = self
            .reserve
            .borrow()
            .first()
            .is_some_and(|waiting| waiting.survived >= OLD_AFTER);
        if !self.major_armed.get() && (is_old || has_old_records) {
            // After collections in quick succession it may be young, and die in a minor one: one full sweep too many, nothing else.
            let Waiting { object: held, .. } = self.reserve.borrow_mut().remove(0);
            if let Some(object) = held.value() {
                self.major_armed.set(add(object, Collection::Major));
            }
            self.references.release(held);
        }
    }

    /// The sentinel of such a collection has died: there is none until the next [`Sentinels::arm`].
    pub(super) fn died(&self, collection: Collection) {
        match collection {
            Collection::Minor => {
                self.minor_armed.set(false);
                for waiting in self.reserve.borrow_mut().iter_mut() {
                    waiting.survived = waiting.survived.saturating_add(1);
                }
            }
            Collection::Major => self.major_armed.set(false),
        }
    }

    /// Releases the objects of the reserve: all, or those of one Node-API environment that is ending.
    pub(super) fn release_reserve(&self, of: Option<Env>) {
        let (released, kept): (Vec<_>, Vec<_>) = self
            .reserve
            .take()
            .into_iter()
            .partition(|waiting| of.is_none_or(|env| env == waiting.object.env()));
        self.reserve.replace(kept);
        for waiting in released {
            self.references.release(waiting.object);
        }
    }
}
