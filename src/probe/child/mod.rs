//! Everything that runs in the child, and nothing else. `[unsafe]`
//!
//! The child is a copy of a process that has many threads. Only the thread that forked exists in it, and what the other threads
//! held at that moment stays held for ever. POSIX therefore promises a child only async-signal-safe functions (fork(2),
//! signal-safety(7)). V8 needs more than that, so each file here says what it may call, and why that works:
//!
//! | where | may call | why |
//! |---|---|---|
//! | [`set_up`] | also `malloc`, and the file functions of Rust's library | glibc's `fork` leaves its `malloc` usable in the child; a preloaded allocator has to do the same. The first step of the set-up is that a lock which another thread held ends the child instead of hanging it |
//! | [`report`], [`pthread_overrides`], [`confine`], every signal handler | async-signal-safe functions only, and in an override the `try` function of its lock: no allocation, no wait, no panic | they run in the middle of anything: of V8, of `malloc`, of a function that holds a lock |
//! | [`scratch_malloc`], [`scratch_region`], [`excluded_memory`] | no allocation, and nothing that may call the `malloc` family | they are the `malloc` family |
//! | the work itself (`lib/probe/child.js`) | V8, synchronously | its helper threads were idle at the fork; where it waits for one nevertheless, [`pthread_overrides`] ends the child |
//!
//! Duties of every file: run on the child's only thread; change nothing that the parent shares (files, signals, memory that is
//! mapped shared); never return to the parent's program. Every way out is `_exit`.
//! Out of scope: how the child is made ([`super::fork`]) and observed ([`super::observe`]); which slots are written
//! ([`super::slots`]).
//!
//! | file | unsafe | what it does |
//! |---|---|---|
//! | [`set_up`] | yes | turns a freshly forked process into a probe's child, in the necessary order |
//! | [`report`] | yes | what the child says, and how it ends |
//! | [`pthread_overrides`] | yes | what the child calls instead of the thread functions |
//! | [`waits`] | yes | a wait that nobody would end ends the child |
//! | [`confine`] | yes | the child cannot change files, and does not wait for threads that are gone |
//! | [`excluded_memory`] | yes | what happens when the child uses memory that was excluded from the fork |
//! | [`scratch_malloc`] | yes | the child's `malloc` in a file |
//! | [`scratch_region`] | yes | the blocks in that file |
//! | [`size_classes`] | no | their sizes |

pub mod confine;
pub mod excluded_memory;
pub mod pthread_overrides;
pub mod report;
pub mod scratch_malloc;
pub mod scratch_region;
pub mod set_up;
pub mod size_classes;
pub mod waits;
