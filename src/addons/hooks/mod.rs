//! Every addon's Node-API calls, seen from inside the process.
//!
//! Knows: how to lead the calls of every addon, loaded before or after, through hooks of ours, and how to undo that.
//! Out of scope: what anybody wants to know of the counts; `crate::addons` keeps them.
//! Limitations: addons that use V8's C++ API; what happened before the watch began; calls that were looked up before it
//! began and are kept on a heap.
//!
//! Read [`watch`] first (the order of things), then [`loader`] (how addons are met) and [`calls`] (what is counted).
//!
//! | file | unsafe | what it does |
//! |---|---|---|
//! | [`watch`] | no | which images are patched, from beginning to end |
//! | [`functions`] | no | the functions that are hooked |
//! | [`plan`] | no | what is stored into one image, or why nothing |
//! | [`originals`] | no | where the functions really are |
//! | [`shared`] | no | things that any thread may end |
//! | [`slots`] | yes | stores into slots |
//! | [`loader`] | yes | stands in for `dlopen` and `dlsym` |
//! | [`environments`] | yes | which addon is calling |
//! | [`any_thread`] | yes | external strings and SharedArrayBuffers, whose end comes on any thread |
//! | [`moment`] | yes | which watch is on, which thread, when |
//! | [`table`] | no | the table that hooks read without a lock |
//! | [`stack`] | yes | who is calling, function by function |
//! | `outputs` | yes | what lies behind the pointers that an addon passes |
//! | [`calls`] | yes | stands in for Node's functions |

pub mod any_thread;
pub mod calls;
pub mod environments;
pub mod functions;
pub mod loader;
pub mod moment;
pub mod originals;
mod outputs;
pub mod plan;
pub mod shared;
pub mod slots;
pub mod stack;
pub mod table;
pub mod watch;

/// Takes the locks of this room, each within `limit`.
pub fn hold_locks(
    limit: std::time::Duration,
) -> impl Iterator<Item = Box<dyn crate::base::fork_lock::Held>> {
    [
        watch::hold_lock(limit),
        environments::hold_lock(limit),
        loader::hold_lock(limit),
    ]
    .into_iter()
    .chain(shared::hold_locks(limit))
    .flatten()
}
