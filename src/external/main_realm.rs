//! What all copies of lib/external/ on a thread have together: the object that lib/external/main-realm.js makes.
//!
//! Knows: the object, and the pending batch in it. It is made in the main realm: one of jest's realms would be kept alive by it.
//! Out of scope: what JavaScript keeps in it.
//! Limitations: it belongs to the first Node-API environment of its thread and goes with it; the next one makes another.
#![forbid(unsafe_code)]

use super::pending_batch::PendingBatch;
use super::raw::{self, Env, Value};
use super::references::{References, StrongReference};

const SCRIPT: &str = include_str!("../../lib/external/main-realm.js");

/// The object of one thread.
#[derive(Debug)]
pub(super) struct MainRealm {
    batch: PendingBatch,
}

impl MainRealm {
    /// Evaluates the script.
    pub(super) fn new(env: Env, references: &References) -> Option<Self> {
        let object = raw::run_script(env, SCRIPT)?;
        let batch = PendingBatch::of(env, object, references)?;
        Some(MainRealm { batch })
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

    /// Has JavaScript go on with the sweep in its next turns. Where it cannot (an environment that is ending), the next
    /// collection or reading does.
    pub(super) fn sweep_later(&self, env: Env) -> Option<()> {
        let object = self.object()?;
        let sweep_later = raw::property(env, object, "sweepLater")?;
        raw::call(env, object, sweep_later, &[])?;
        Some(())
    }
}
