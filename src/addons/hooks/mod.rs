//! Every addon's Node-API calls, seen from inside the process.
//!
//! Knows: how to lead the calls of every addon, loaded before or after, through hooks of ours, and how to undo that.
//! Out of scope: the counts; `crate::addons` keeps them.
//! Limitations: addons that use V8's C++ API; what happened before the watch began; calls that were looked up before it
//! began and are kept on a heap.
//!
//! Read [`watch`] first (the order of things), then [`loader`] (how addons are met) and [`calls`] (what is counted).
//!
//! | file | unsafe | what it does |
//! |---|---|---|
//! | [`watch`] | no | the one watch: which images are patched, from beginning to end |
//! | [`functions`] | no | the table of functions that are hooked |
//! | [`plan`] | no | what is stored into one image, or why nothing |
//! | [`image_kind`] | no | what an image is: an addon, part of the system, ours |
//! | `patching` | no | stores hooks into one image, and takes them out |
//! | [`originals`] | no | where the functions really are |
//! | [`slots`] | yes | stores into slots |
//! | [`loader`] | yes | stands in for `dlopen` and `dlsym` |
//! | [`calls`] | yes | stands in for Node's functions |
//! | `outputs` | yes | what lies behind the pointers that an addon passes |
//! | [`environments`] | yes | which addon is calling; its beginning and its end |
//! | [`addon_environment`] | yes | one addon on one thread |
//! | `directory` | yes | from a number to what it stands for, without a lock |
//! | [`table`], `growing_table` | no, yes | from an address to what it stands for, without a lock |
//! | [`readings`] | yes | what JavaScript reads |
//! | [`any_thread`] | yes | what may end on any thread |
//! | [`moment`] | yes | which watch is on and what it looks for, which thread, when |
//! | [`stack`] | yes | who is calling, function by function |

pub mod addon_environment;
pub mod any_thread;
pub mod calls;
mod directory;
pub mod environments;
pub mod functions;
mod growing_table;
pub mod image_kind;
pub mod loader;
pub mod moment;
pub mod originals;
mod outputs;
mod patching;
pub mod plan;
pub mod readings;
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
    .chain(any_thread::handles::hold_locks(limit))
    .flatten()
}
