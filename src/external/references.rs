//! References of offheap's own: made, read, deleted, and counted. `[unsafe]`
//!
//! Knows: how many there are in one environment, strong and weak ([`OwnReferences`]).
//! Duties: [`StrongReference`] has one owner and is deleted once; it is released before its Node-API environment ends
//! (`Environment::close`). A weak one is a plain number, because a million of them stand in the registry: who deletes or reads
//! one promises that it is still there (`weak_references`).
//! Out of scope: what the values are.
//! Limitations: one thread.

use std::cell::{Cell, RefCell};

use super::raw::{self, Env, Reference, Value};
use super::weak_references::WeakReferences;
use crate::addons::own::OwnReferences;

/// Makes and deletes the references of one environment.
#[derive(Debug, Default)]
pub(super) struct References {
    counts: Cell<OwnReferences>,
    weak: RefCell<WeakReferences>,
}

/// Keeps a value alive until it is released.
#[derive(Debug)]
pub(super) struct StrongReference {
    env: Env,
    reference: Reference,
}

impl StrongReference {
    /// The Node-API environment that it was made for.
    pub(super) fn env(&self) -> Env {
        self.env
    }

    /// The value that it keeps alive.
    pub(super) fn value(&self) -> Option<Value> {
        // SAFETY: `References::hold` made the reference for this environment, which has not ended (see the header), and it is
        // deleted with this value only.
        let value = unsafe { raw::referenced(self.env, self.reference) };
        (!value.is_null()).then_some(value)
    }
}

impl References {
    /// How many there are.
    pub(super) fn counts(&self) -> OwnReferences {
        self.counts.get()
    }

    /// Keeps `value` alive. `None` when Node gives no reference: no memory, or the environment is ending.
    pub(super) fn hold(&self, env: Env, value: Value) -> Option<StrongReference> {
        let reference = raw::create_reference(env, value, true)?;
        self.count(|counts| counts.created(true));
        Some(StrongReference { env, reference })
    }

    /// Keeps the value alive no longer.
    pub(super) fn release(&self, strong: StrongReference) {
        // SAFETY: `hold` made it for this environment, which has not ended (see the header); it is ours, and gone with this call.
        if unsafe { raw::delete_reference(strong.env, strong.reference) } {
            self.count(|counts| counts.deleted(true));
        }
    }

    /// A weak reference to `value`, as a number. `None` as for [`References::hold`].
    #[inline]
    pub(super) fn create_weak(&self, env: Env, value: Value) -> Option<usize> {
        let handle = self.weak.borrow_mut().create(env, value)?;
        self.count(|counts| counts.created(false));
        Some(handle)
    }

    /// # Safety
    ///
    /// - [`References::create_weak`] made `handle` for this `env`, which has not ended.
    /// - It has not been deleted, and is not used again.
    pub(super) unsafe fn delete_weak(&self, env: Env, handle: usize) {
        // SAFETY: our caller's promise.
        if unsafe { self.weak.borrow_mut().delete(env, handle) } {
            self.count(|counts| counts.deleted(false));
        }
    }

    /// Whether the object of a weak reference was collected. Opens no handle scope.
    ///
    /// # Safety
    ///
    /// [`References::create_weak`] made `handle` for this `env`; neither has ended nor was deleted.
    #[inline]
    pub(super) unsafe fn is_dead(env: Env, handle: usize) -> bool {
        // SAFETY: our caller's promise.
        unsafe { WeakReferences::is_dead(env, handle) }
    }

    /// Whether the object of a weak reference is `value`. Opens no handle scope.
    ///
    /// # Safety
    ///
    /// As for [`References::is_dead`].
    pub(super) unsafe fn is_of(env: Env, handle: usize, value: Value) -> bool {
        // SAFETY: our caller's promise.
        unsafe { WeakReferences::is_of(env, handle, value) }
    }

    /// A number of the object that it keeps all its life, and that few others have. `None` for what is no object, and where the engine is not a
    /// known one.
    #[inline]
    pub(super) fn identity_hash(&self, env: Env, object: Value) -> Option<u32> {
        if !raw::is_object(env, object) {
            return None;
        }
        self.weak.borrow_mut().identity_hash(env, object)
    }

    /// Whether there are identity hashes.
    pub(super) fn has_engine(&self, env: Env) -> bool {
        self.weak.borrow_mut().has_engine(env)
    }

    /// Whether weak references are the engine's from now on, where it is a known one.
    pub(super) fn use_engine(&self, use_it: bool) {
        self.weak.borrow_mut().use_engine(use_it);
    }

    /// Gives back the memory of weak references if there is none.
    pub(super) fn give_back(&self) {
        self.weak.borrow_mut().give_back();
    }

    /// Bytes of our own that weak references take.
    pub(super) fn capacity_bytes(&self) -> usize {
        self.weak.borrow().capacity_bytes()
    }

    fn count(&self, count: impl FnOnce(&mut OwnReferences)) {
        let mut counts = self.counts.get();
        count(&mut counts);
        self.counts.set(counts);
    }
}
