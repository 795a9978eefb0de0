//! Decides about a child that runs: whether it goes on, waits, or is ended, and why.
//!
//! Knows: the figures of one look, and what was decided before.
//! Out of scope: processes, pipes, clocks. [`super::observe`] looks, and carries out the verdict.
//! Limitations: what happens between two looks.
//!
//! ```text
//!            ┌── short of memory that is only waiting for the disk ──▶ waits ──┐
//!  goes on ──┤                                                                │ enough is written,
//!     ▲      └── out of time, memory or disk; a command ──▶ ended             │ or it has waited long enough
//!     └───────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! A child whose working memory is a file fills the file cache faster than a slow disk can write it. The kernel can take file cache
//! back, so this is no reason to end the child. But the kernel needs time to write. So the child is stopped (SIGSTOP) for a moment,
//! and then goes on.
#![forbid(unsafe_code)]

use std::time::Duration;

use super::headroom::Room;
use super::outcome::Stopped;

/// The time between two looks at the child's memory and output.
const TICK: Duration = Duration::from_millis(20);
/// The same where memory is short. It is brief, because a busy machine may wake the thread late.
const SHORT_TICK: Duration = Duration::from_millis(4);
/// The longest time that the child waits for the disk without a break.
const LONGEST_WAIT: Duration = Duration::from_millis(200);
/// The shortest time that it then runs, so that it finishes on any disk.
const SHORTEST_RUN: Duration = Duration::from_millis(20);

/// What bounds a child.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// How long it may take.
    pub time: Duration,
    /// The output's disk must keep this many bytes free.
    pub min_free_disk_bytes: u64,
    /// Whether its working memory is a file.
    pub scratch_is_file: bool,
}

/// The figures of one look.
#[derive(Debug, Clone, Copy, Default)]
pub struct Look<'a> {
    /// Since the fork.
    pub elapsed: Duration,
    /// The tightest limit on memory.
    pub room: Option<&'a Room>,
    /// Anonymous memory of the child.
    pub anonymous_bytes: Option<u64>,
    /// Free bytes on the disk of the output.
    pub free_disk_bytes: Option<u64>,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    GoOn,
    /// The child is to stand still, and the scratch file to be written to the disk.
    Wait,
    /// The child is to run again.
    Resume,
    /// The child is to be ended. Said once.
    End,
}

/// Decides about one child.
#[derive(Debug)]
pub struct Watchdog {
    bounds: Bounds,
    stopped: Option<Stopped>,
    /// Since when it has been waiting, or running again.
    waits: bool,
    since: Duration,
    tick: Duration,
}

impl Watchdog {
    /// A watchdog of a child that has just been forked.
    pub fn new(bounds: Bounds) -> Self {
        Watchdog {
            bounds,
            stopped: None,
            waits: false,
            since: Duration::ZERO,
            tick: TICK,
        }
    }

    /// How long until the next look.
    pub fn tick(&self) -> Duration {
        self.tick
    }

    /// Why offheap ended the child, if it did.
    pub fn stopped(&self) -> Option<Stopped> {
        self.stopped
    }

    /// The child is to be ended. The first reason is kept.
    pub fn on_command(&mut self, reason: Stopped) -> Verdict {
        self.end(reason)
    }

    fn end(&mut self, reason: Stopped) -> Verdict {
        if self.stopped.is_some() {
            return Verdict::GoOn;
        }
        self.stopped = Some(reason);
        Verdict::End
    }

    /// A look at the time alone. It is cheap, and made more often.
    pub fn on_time(&mut self, elapsed: Duration) -> Verdict {
        if elapsed >= self.bounds.time {
            return self.end(Stopped::Timeout);
        }
        Verdict::GoOn
    }

    /// A look at memory and disk.
    pub fn on_tick(&mut self, look: Look<'_>) -> Verdict {
        if self.stopped.is_some() {
            return Verdict::GoOn;
        }
        if let Some(free) = look
            .free_disk_bytes
            .filter(|free| *free < self.bounds.min_free_disk_bytes)
        {
            return self.end(Stopped::Disk(free, self.bounds.min_free_disk_bytes));
        }
        let Some(room) = look.room else {
            return Verdict::GoOn;
        };
        let reserve = room.reserve_bytes();
        // File cache in use is the service's, unless the child's own working memory is file cache.
        let available = if self.bounds.scratch_is_file {
            room.available_bytes.saturating_add(room.cached_bytes)
        } else {
            room.available_bytes
        };
        if available < reserve {
            return self.end(Stopped::Memory {
                used: look.anonymous_bytes,
                left: available,
            });
        }
        self.tick = if available < reserve.saturating_mul(6) {
            SHORT_TICK
        } else {
            TICK
        };
        if !self.bounds.scratch_is_file {
            return Verdict::GoOn;
        }
        let at_once = available.saturating_sub(room.waiting_bytes);
        let so_far = look.elapsed.saturating_sub(self.since);
        if self.waits {
            let enough = at_once >= reserve.saturating_mul(2) || so_far >= LONGEST_WAIT;
            return self.set_waiting(!enough, look.elapsed, Verdict::Resume);
        }
        let short = at_once < reserve && (so_far >= SHORTEST_RUN || self.since.is_zero());
        self.set_waiting(short, look.elapsed, Verdict::Wait)
    }

    fn set_waiting(&mut self, waits: bool, elapsed: Duration, verdict: Verdict) -> Verdict {
        if waits == self.waits {
            return Verdict::GoOn;
        }
        self.waits = waits;
        self.since = elapsed;
        if waits {
            self.tick = SHORT_TICK;
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;

    /// A limit of 512 MB, of which 16 stay with the service.
    fn room(available_mb: u64, waiting_mb: u64, cached_mb: u64) -> Room {
        Room {
            available_bytes: available_mb * MB,
            waiting_bytes: waiting_mb * MB,
            cached_bytes: cached_mb * MB,
            limit_bytes: 512 * MB,
            limit: "memory.max".into(),
        }
    }

    fn watchdog(scratch_is_file: bool) -> Watchdog {
        Watchdog::new(Bounds {
            time: Duration::from_secs(60),
            min_free_disk_bytes: 100,
            scratch_is_file,
        })
    }

    fn look(room: &Room, milliseconds: u64) -> Look<'_> {
        Look {
            elapsed: Duration::from_millis(milliseconds),
            room: Some(room),
            anonymous_bytes: Some(7),
            free_disk_bytes: Some(100),
        }
    }

    #[test]
    fn a_child_with_room_goes_on() {
        let mut watchdog = watchdog(false);
        assert_eq!(watchdog.on_tick(look(&room(300, 0, 0), 20)), Verdict::GoOn);
        assert_eq!(watchdog.tick(), TICK);
        assert_eq!(watchdog.on_tick(look(&room(95, 0, 0), 40)), Verdict::GoOn);
        assert_eq!(watchdog.tick(), SHORT_TICK);
        assert_eq!(watchdog.stopped(), None);
        assert_eq!(watchdog.on_tick(Look::default()), Verdict::GoOn);
    }

    #[test]
    fn without_room_it_is_ended_once_with_the_figures() {
        let mut watchdog = watchdog(false);
        assert_eq!(watchdog.on_tick(look(&room(15, 0, 400), 20)), Verdict::End);
        let reason = Some(Stopped::Memory {
            used: Some(7),
            left: 15 * MB,
        });
        assert_eq!(watchdog.stopped(), reason);
        assert_eq!(watchdog.on_tick(look(&room(1, 0, 0), 40)), Verdict::GoOn);
        assert_eq!(watchdog.on_time(Duration::from_secs(61)), Verdict::GoOn);
        assert_eq!(watchdog.on_command(Stopped::Aborted), Verdict::GoOn);
        assert_eq!(watchdog.stopped(), reason);
    }

    #[test]
    fn time_disk_and_commands_end_it() {
        let mut late = watchdog(false);
        assert_eq!(late.on_time(Duration::from_millis(59_999)), Verdict::GoOn);
        assert_eq!(late.on_time(Duration::from_secs(60)), Verdict::End);
        assert_eq!(late.stopped(), Some(Stopped::Timeout));

        let mut full = watchdog(true);
        let room = room(300, 0, 0);
        let mut seen = look(&room, 20);
        seen.free_disk_bytes = Some(99);
        assert_eq!(full.on_tick(seen), Verdict::End);
        assert_eq!(full.stopped(), Some(Stopped::Disk(99, 100)));

        let mut unwanted = watchdog(true);
        assert_eq!(unwanted.on_command(Stopped::Aborted), Verdict::End);
        assert_eq!(unwanted.stopped(), Some(Stopped::Aborted));
    }

    /// As it was seen: 16,519,168 bytes left of the kind that was looked at, 32 MB of anonymous memory, the rest file cache in use.
    #[test]
    fn file_cache_of_a_child_with_its_memory_on_disk_is_no_reason_to_end_it() {
        let mut watchdog = watchdog(true);
        assert_eq!(watchdog.on_tick(look(&room(15, 0, 200), 20)), Verdict::GoOn);
        assert_eq!(watchdog.on_tick(look(&room(5, 0, 10), 40)), Verdict::End);
    }

    #[test]
    fn it_waits_for_a_slow_disk_and_goes_on_in_any_case() {
        let mut watchdog = watchdog(true);
        // Nearly all that is left waits for the disk.
        let slow = room(150, 140, 0);
        assert_eq!(watchdog.on_tick(look(&slow, 20)), Verdict::Wait);
        assert_eq!(watchdog.on_tick(look(&slow, 60)), Verdict::GoOn);
        assert_eq!(watchdog.on_tick(look(&slow, 219)), Verdict::GoOn);
        assert_eq!(watchdog.on_tick(look(&slow, 220)), Verdict::Resume);
        // It runs for a while before it waits again.
        assert_eq!(watchdog.on_tick(look(&slow, 230)), Verdict::GoOn);
        assert_eq!(watchdog.on_tick(look(&slow, 240)), Verdict::Wait);
        // Enough was written.
        assert_eq!(
            watchdog.on_tick(look(&room(150, 110, 0), 250)),
            Verdict::Resume
        );
        assert_eq!(
            watchdog.on_tick(look(&room(150, 110, 0), 300)),
            Verdict::GoOn
        );
    }

    #[test]
    fn a_child_in_memory_never_waits() {
        let mut watchdog = watchdog(false);
        assert_eq!(
            watchdog.on_tick(look(&room(150, 149, 0), 20)),
            Verdict::GoOn
        );
    }

    #[test]
    fn one_that_waits_is_ended_when_its_time_is_over() {
        let mut watchdog = watchdog(true);
        assert_eq!(
            watchdog.on_tick(look(&room(150, 149, 0), 20)),
            Verdict::Wait
        );
        assert_eq!(watchdog.on_time(Duration::from_secs(60)), Verdict::End);
    }
}
