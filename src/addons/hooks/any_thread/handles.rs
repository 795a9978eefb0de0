//! Handles of an environment that other threads use and end: thread-safe functions, asynchronous cleanup hooks.
//!
//! Knows: in whose figures each is counted, and how many threads hold a thread-safe function.
//! Out of scope: napi.
//! Limitations: behind a mutex, which is taken for one look and never while an original runs. Creating, acquiring and
//! releasing are rare; `napi_call_threadsafe_function`, which is not, is not hooked.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::addons::figures::{Figures, FiguresShare};
use crate::base::fork_lock;

#[derive(Debug)]
struct Handle {
    share: FiguresShare,
    threads: u64,
}

type Handles = Mutex<FxHashMap<usize, Handle>>;

/// Takes the locks of this file, each within `limit`.
pub fn hold_locks(limit: std::time::Duration) -> [Option<Box<dyn fork_lock::Held>>; 2] {
    [
        fork_lock::hold(&FUNCTIONS, limit),
        fork_lock::hold(&CLEANUP_HOOKS, limit),
    ]
}

static FUNCTIONS: Handles = Mutex::new(HashMap::with_hasher(FxBuildHasher));
static CLEANUP_HOOKS: Handles = Mutex::new(HashMap::with_hasher(FxBuildHasher));

/// Whether it was entered: not without memory.
fn enter(handles: &Handles, address: usize, handle: Handle) -> bool {
    let mut handles = handles.lock();
    let has_room = handles.try_reserve(1).is_ok();
    if has_room {
        handles.insert(address, handle);
    }
    has_room
}

/// A thread-safe function was created, for this many threads.
pub fn function_created(share: FiguresShare, address: usize, threads: usize) {
    let handle = Handle {
        share: share.clone(),
        threads: threads as u64,
    };
    if enter(&FUNCTIONS, address, handle) {
        if let Some(figures) = share.live() {
            figures.threadsafe_functions.begin_on_any_thread(0);
        }
    }
}

/// One more thread holds it.
pub fn function_acquired(address: usize) {
    if let Some(handle) = FUNCTIONS.lock().get_mut(&address) {
        handle.threads += 1;
    }
}

/// One thread less is about to hold it; `abort` closes it for all. Before the original: afterwards it may be gone, and
/// another have its address.
pub fn function_released(address: usize, abort: bool) {
    let mut functions = FUNCTIONS.lock();
    let Some(handle) = functions.get_mut(&address) else {
        return;
    };
    handle.threads = handle.threads.saturating_sub(1);
    if !abort && handle.threads > 0 {
        return;
    }
    let removed = functions.remove(&address);
    drop(functions);
    if let Some(figures) = removed.as_ref().and_then(|handle| handle.share.live()) {
        figures.threadsafe_functions.end_on_any_thread(0);
    }
}

/// An asynchronous cleanup hook was added.
pub fn cleanup_hook_added(share: FiguresShare, address: usize) {
    let handle = Handle {
        share: share.clone(),
        threads: 0,
    };
    if enter(&CLEANUP_HOOKS, address, handle) {
        if let Some(figures) = share.live() {
            figures.async_cleanup_hooks.begin_on_any_thread(0);
        }
    }
}

/// It is about to be removed.
pub fn cleanup_hook_removed(address: usize) {
    let removed = CLEANUP_HOOKS.lock().remove(&address);
    if let Some(figures) = removed.as_ref().and_then(|handle| handle.share.live()) {
        figures.async_cleanup_hooks.end_on_any_thread(0);
    }
}

/// The figures of an environment are void, as it has ended, or is counted anew. Its handles are forgotten.
pub fn forget(figures: &Arc<Figures>) {
    for handles in [&FUNCTIONS, &CLEANUP_HOOKS] {
        let mut handles = handles.lock();
        handles.retain(|_, handle| !handle.share.is_of(figures));
        // What a burst took is given back.
        let kept = handles.len() * 2;
        if kept < handles.capacity() / 8 {
            handles.shrink_to(kept);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Addresses that no other test uses.
    const FUNCTION: usize = 0x7001;
    const HOOK: usize = 0x7002;

    fn counts(figures: &Figures) -> [u64; 4] {
        let (functions, hooks) = (&figures.threadsafe_functions, &figures.async_cleanup_hooks);
        [&functions.live, &functions.total, &hooks.live, &hooks.total].map(|count| count.get())
    }

    #[test]
    fn a_thread_safe_function_lives_until_its_last_thread_releases_it() {
        let figures = Arc::new(Figures::default());
        function_created(FiguresShare::of(&figures), FUNCTION, 1);
        function_acquired(FUNCTION);
        function_released(FUNCTION, false);
        assert_eq!(counts(&figures), [1, 1, 0, 0]);
        function_released(FUNCTION, false);
        function_released(FUNCTION, false);
        assert_eq!(counts(&figures), [0, 1, 0, 0]);

        function_created(FiguresShare::of(&figures), FUNCTION, 7);
        function_released(FUNCTION, true);
        assert_eq!(counts(&figures), [0, 2, 0, 0]);
    }

    #[test]
    fn handles_of_figures_that_are_void_count_no_more() {
        let (figures, others) = (Arc::new(Figures::default()), Arc::new(Figures::default()));
        cleanup_hook_added(FiguresShare::of(&figures), HOOK);
        cleanup_hook_added(FiguresShare::of(&others), HOOK + 1);
        assert_eq!(counts(&figures), [0, 0, 1, 1]);
        figures.clear();
        figures.async_cleanup_hooks.begin(0);
        cleanup_hook_removed(HOOK);
        assert_eq!(counts(&figures), [0, 0, 1, 1]);

        forget(&others);
        cleanup_hook_removed(HOOK + 1);
        assert_eq!(counts(&others), [0, 0, 1, 1]);
    }
}
