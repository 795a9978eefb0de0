//! The copy-on-write probe: a forked child that sees the service's heap as it was at one instant, while the service
//! goes on.
//!
//! Knows: how to fork a running Node process so that the child can use V8 on its one remaining thread, and how to
//! observe and reap that child.
//! Out of scope: napi, and what the child computes.
//! Limitations: the heaps of other isolates (a worker's heap is probed from that worker); anything asynchronous, because the
//! child ends before the next tick of its event loop.
//!
//! Read [`session`] and [`phase`] first (the order of things), then [`fork`] (what the service pays), then [`child`] (each step in
//! the child, and the failure that it prevents).
//!
//! | file | unsafe | what it does |
//! |---|---|---|
//! | [`session`] | no | one probe from start to end; one per process |
//! | [`phase`] | no | the phases of a probe: the state machine |
//! | [`messages`] | no | what the probe's thread and the JavaScript thread tell each other |
//! | [`prepare`] | no | reads and opens what a fork needs |
//! | [`platform_threads`], [`quiesce`] | no | which threads are V8's helpers; waits until they have no work |
//! | [`maps`], [`fork_plan`] | no | which mappings there are; which of them the fork has to include |
//! | [`malloc_mappings`] | no | which large blocks the child most likely does not need |
//! | [`headroom`], [`scratch_place`] | no | how much memory is left; whether there is room for a child, and where |
//! | [`slots`] | no | which import slots the child writes |
//! | [`fork`] | yes | the fork |
//! | [`child`] | yes | everything that runs in the child |
//! | [`observe`], [`watchdog`] | no | looks at the child while it runs; decides whether it goes on, waits, or is ended |
//! | [`pipe_protocol`], [`outcome`] | no | what the child says; what the caller gets |
//! | [`output_file`] | no | the file that the child writes |
//! | [`across_copies`] | yes | one probe at a time, also with two copies of the package |
//! | [`allocator`] | yes | the `malloc` of the process |
//! | [`delay_abort`] | yes | an abort of the service waits for its snapshot |
//! | [`sys`] | yes | system calls of the parent |

pub mod across_copies;
pub mod allocator;
pub mod child;
pub mod delay_abort;
pub mod fork;
pub mod fork_plan;
pub mod headroom;
pub mod malloc_mappings;
pub mod maps;
pub mod messages;
pub mod observe;
pub mod outcome;
pub mod output_file;
pub mod phase;
pub mod pipe_protocol;
pub mod platform_threads;
pub mod prepare;
pub mod quiesce;
pub mod scratch_place;
pub mod session;
pub mod slots;
pub mod sys;
pub mod watchdog;
