//! What all copies of lib/external/ on a thread have together: the object that lib/external/main-realm.js makes.
//!
//! Knows: the object, and the pending batch in it. It is made in the main realm: one of jest's realms would be kept alive by it.
//! Out of scope: what JavaScript keeps in it.
//! Limitations: it belongs to the first Node-API environment of its thread and goes with it; the next one makes another.
#![forbid(unsafe_code)]

use std::cell::Cell;

use super::pending_batch::{PendingBatch, BY_ENGINE, CAPACITY};
use super::raw::{self, Env, Value};
use super::references::{References, StrongReference};

/// A function that gets the capacity of the pending batch, and what stands for "the engine identifies it" where the engine is a known one (0
/// elsewhere), and returns the object. The object says whether the engine is used.
const SCRIPT: &str = include_str!("../../lib/external/main-realm.js");

/// The object of one thread.
#[derive(Debug)]
pub(super) struct MainRealm {
    batch: PendingBatch,
    /// Whether JavaScript has been asked to call `sweepSome` and has not done it yet.
    sweep_scheduled: Cell<bool>,
}

impl MainRealm {
    /// Evaluates the script.
    pub(super) fn new(env: Env, references: &References) -> Option<Self> {
        let function = raw::run_script(env, SCRIPT)?;
        let by_engine = if references.has_engine(env) {
            BY_ENGINE
        } else {
            0.0
        };
        let arguments = [CAPACITY as f64, by_engine].map(|number| raw::to_number(env, number));
        let object = raw::call(env, function, &arguments)?;
        let decided = raw::property(env, object, "byEngine").and_then(|it| raw::number(env, it));
        references.use_engine(decided == Some(BY_ENGINE));
        Some(MainRealm {
            batch: PendingBatch::of(env, object, references)?,
            sweep_scheduled: Cell::new(false),
        })
    }

    /// The values that are to be counted.
    pub(super) fn batch(&self) -> &PendingBatch {
        &self.batch
    }

    /// The object itself.
    pub(super) fn object(&self) -> Option<Value> {
        self.batch.object().value()
    }

    /// Whether it goes with this Node-API environment.
    pub(super) fn belongs_to(&self, env: Env) -> bool {
        self.batch.object().env() == env
    }

    /// Gives the object up.
    pub(super) fn into_object(self) -> StrongReference {
        self.batch.into_object()
    }

    /// Has Node call `sweepSome` in the next turn of the event loop, once. Where it cannot (an environment that is ending), the
    /// next collection or reading goes on with the sweep.
    pub(super) fn schedule_sweep(&self, env: Env) {
        if self.sweep_scheduled.get() {
            return;
        }
        let done = self
            .object()
            .and_then(|object| raw::property(env, object, "sweepLater"))
            .and_then(|sweep_later| raw::call(env, sweep_later, &[]));
        self.sweep_scheduled.set(done.is_some());
    }

    /// Node has called `sweepSome`.
    pub(super) fn sweep_is_running(&self) {
        self.sweep_scheduled.set(false);
    }
}
