//! Two pieces of work, at the same time where a second thread may be used and can be had.
//!
//! Knows: threads, and that a panic of either is the caller's. Out of scope: what the work is.
//! Limitations: the second piece runs after the first where there is one thread only.

#![forbid(unsafe_code)]

use std::thread;

/// Does `here` on this thread and `there` on a thread called `name`; with `threads` below 2, or when no thread can be had, `there` runs
/// here too, afterwards.
pub(crate) fn both<Here, There: Send>(
    threads: usize,
    name: &str,
    here: impl FnOnce() -> Here,
    there: impl Fn() -> There + Sync,
) -> (Here, There) {
    thread::scope(|scope| {
        let spawned = (threads >= 2).then(|| {
            thread::Builder::new()
                .name(name.to_owned())
                .spawn_scoped(scope, &there)
        });
        let here = here();
        let there = match spawned {
            Some(Ok(handle)) => handle
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            _ => there(),
        };
        (here, there)
    })
}

#[cfg(test)]
mod tests {
    use super::both;
    use std::thread;

    #[test]
    fn the_second_piece_has_a_thread_of_its_own_only_if_two_may_be_used() {
        let this = thread::current().id();
        for (threads, is_here) in [(1, true), (2, false)] {
            let (here, there) = both(
                threads,
                "test",
                || thread::current().id(),
                || thread::current().id(),
            );
            assert_eq!((here == this, there == this), (true, is_here));
        }
    }

    #[test]
    #[should_panic(expected = "over there")]
    fn a_panic_of_the_second_piece_is_the_callers() {
        both(2, "test", || (), || panic!("over there"));
    }
}
