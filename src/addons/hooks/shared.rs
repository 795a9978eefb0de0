//! Things of an environment that other threads use and end: thread-safe functions, asynchronous cleanup hooks.
//!
//! Knows: to which environment each belongs, and how many threads hold a thread-safe function.
//! Out of scope: napi.
//! Limits: behind a mutex, which is taken for one look and never while an original runs. Creating, acquiring and
//! releasing are rare; `napi_call_threadsafe_function`, which is not, is not hooked.

#![forbid(unsafe_code)]

use parking_lot::Mutex;

use super::environments::with_figures;
use crate::addons::figures::Figures;
use crate::addons::pointer_table::PointerTable;
use crate::base::fork_lock;

#[derive(Debug, Clone, Copy, Default)]
struct Held {
    environment: u32,
    threads: u64,
}

/// Takes the locks of this file, each within `limit`.
pub fn hold_locks(limit: std::time::Duration) -> [Option<Box<dyn fork_lock::Held>>; 2] {
    [
        fork_lock::hold(&FUNCTIONS, limit),
        fork_lock::hold(&CLEANUP_HOOKS, limit),
    ]
}

static FUNCTIONS: Mutex<PointerTable<Held>> = Mutex::new(PointerTable::new());
static CLEANUP_HOOKS: Mutex<PointerTable<Held>> = Mutex::new(PointerTable::new());

/// A thread-safe function was created, for this many threads.
pub fn function_created(environment: u32, figures: &Figures, address: usize, threads: usize) {
    let held = Held {
        environment,
        threads: threads as u64,
    };
    if FUNCTIONS.lock().insert(address, held).is_ok() {
        figures.threadsafe_functions.begin_on_any_thread(0);
    }
}

/// One more thread holds it.
pub fn function_acquired(address: usize) {
    if let Some(held) = FUNCTIONS.lock().get_mut(address) {
        held.threads += 1;
    }
}

/// One thread less is about to hold it; `abort` closes it for all. Before the original: afterwards it may be gone, and
/// another have its address.
pub fn function_released(address: usize, abort: bool) {
    let mut functions = FUNCTIONS.lock();
    let Some(held) = functions.get_mut(address) else {
        return;
    };
    held.threads = held.threads.saturating_sub(1);
    if !abort && held.threads > 0 {
        return;
    }
    let environment = held.environment;
    functions.remove(address);
    drop(functions);
    with_figures(environment, |figures| {
        figures.threadsafe_functions.end_on_any_thread(0);
    });
}

/// An asynchronous cleanup hook was added.
pub fn cleanup_hook_added(environment: u32, figures: &Figures, address: usize) {
    let held = Held {
        environment,
        threads: 0,
    };
    if CLEANUP_HOOKS.lock().insert(address, held).is_ok() {
        figures.async_cleanup_hooks.begin_on_any_thread(0);
    }
}

/// It is about to be removed.
pub fn cleanup_hook_removed(address: usize) {
    let removed = CLEANUP_HOOKS.lock().remove(address);
    if let Some(held) = removed {
        with_figures(held.environment, |figures| {
            figures.async_cleanup_hooks.end_on_any_thread(0);
        });
    }
}

/// An environment has ended, or is counted anew: its things count no more.
pub fn forget(environment: u32) {
    for table in [&FUNCTIONS, &CLEANUP_HOOKS] {
        let mut table = table.lock();
        let mut addresses = Vec::new();
        let all = table.entry_count();
        table.visit(0, all, |address, held| {
            if held.environment == environment {
                addresses.push(address);
            }
        });
        for address in addresses {
            table.remove(address);
        }
    }
}
