//! What all threads have together: the tallies of the process, and the names of labels and routes.
//!
//! Knows: the ledger of all environments, those that have ended included; a key for each name, the same on every thread.
//! Each is behind a mutex that is held for one update or one reading, and never while Node is called.
//! Out of scope: which values are counted.
//! Limitations: [`LABEL_LIMIT`] labels and [`ROUTE_LIMIT`] routes are kept apart; later ones are counted as `(other)`.
#![forbid(unsafe_code)]

use std::time::Duration;

use once_cell::sync::Lazy;
use parking_lot::Mutex;

use crate::base::fork_lock::{self, Held};
use crate::base::ledger::{Entry, Interner, Key, Ledger, Run};

/// Distinct labels that are kept apart.
pub const LABEL_LIMIT: usize = 4_096;

/// Distinct routes that are kept apart.
pub const ROUTE_LIMIT: usize = 1_024;

const _: () = assert!(
    LABEL_LIMIT + 2 < 1 << 16 && ROUTE_LIMIT + 2 < 1 << 15,
    "keys must fit a small integer"
);

static LEDGER: Mutex<Ledger> = Mutex::new(Ledger::new());

static LABELS: Lazy<Mutex<Interner>> =
    Lazy::new(|| Mutex::new(Interner::new("(unlabelled)", "(other)", LABEL_LIMIT)));

static ROUTES: Lazy<Mutex<Interner>> =
    Lazy::new(|| Mutex::new(Interner::new("(no route)", "(other)", ROUTE_LIMIT)));

/// Takes the locks of this room, each within `limit`.
pub fn hold_locks(limit: Duration) -> impl Iterator<Item = Box<dyn Held>> {
    [
        fork_lock::hold(&LEDGER, limit),
        fork_lock::hold(&LABELS, limit),
        fork_lock::hold(&ROUTES, limit),
    ]
    .into_iter()
    .flatten()
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

/// Reads the ledger of the process. The closure must not call into Node.
pub fn with_ledger<T>(read: impl FnOnce(&Ledger) -> T) -> T {
    read(&LEDGER.lock())
}

/// Counts new entries.
pub(super) fn add_run(run: Run) {
    LEDGER.lock().add_run(run);
}

/// Stops counting entries. Totals and peaks stay.
pub(super) fn remove_run(run: Run) {
    LEDGER.lock().remove_run(run);
}

/// Counts an entry as another from now on.
pub(super) fn change(from: Entry, to: Entry) {
    LEDGER.lock().change(from, to);
}
