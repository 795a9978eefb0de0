//! How often an action may run.
//!
//! Knows: when the action ran before; the caller records it.
//! Out of scope: what the action is, and whether it succeeded.
//! Limitations: actions of other processes, unless the caller records them too ([`Limits::record`]).
#![forbid(unsafe_code)]

use std::collections::VecDeque;

use super::Clock;

/// The time in which a daily limit counts. It is a sliding window, so that two days' actions cannot run around midnight.
pub const DAY_MS: f64 = 86_400_000.0;

/// Why an action may not run now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The last one is too recent.
    Cooldown,
    /// The daily limit was reached in the last 24 hours.
    PerDay,
}

/// The limits on one action, and its history.
#[derive(Debug, Clone)]
pub struct Limits {
    cooldown_ms: f64,
    max_per_day: usize,
    clock: Clock,
    /// When it ran, oldest first: at most as many as the limit, and of the last day.
    attempts: VecDeque<f64>,
}

impl Limits {
    /// At most one run in `cooldown_ms`, and at most `max_per_day` in any 24 hours.
    pub fn new(cooldown_ms: f64, max_per_day: u32) -> Self {
        Limits {
            cooldown_ms,
            max_per_day: max_per_day as usize,
            clock: Clock::default(),
            attempts: VecDeque::new(),
        }
    }

    /// `Ok` when the action may run now; else why not, and in how many milliseconds it may.
    pub fn check(&mut self, now_ms: f64) -> Result<(), (Refusal, f64)> {
        let now_ms = self.clock.tick(now_ms);
        while self
            .attempts
            .front()
            .is_some_and(|&at| now_ms - at >= DAY_MS)
        {
            self.attempts.pop_front();
        }
        if self.attempts.len() >= self.max_per_day {
            // With a limit of 0 no attempt will ever leave the window.
            let wait = self
                .attempts
                .front()
                .map_or(f64::INFINITY, |&at| at + DAY_MS - now_ms);
            return Err((Refusal::PerDay, wait));
        }
        match self.attempts.back() {
            Some(&at) if now_ms - at < self.cooldown_ms => {
                Err((Refusal::Cooldown, at + self.cooldown_ms - now_ms))
            }
            _ => Ok(()),
        }
    }

    /// Records a run at `at_ms`. Times may be given in any order: at the start the caller records what it finds from before.
    pub fn record(&mut self, at_ms: f64) {
        if !at_ms.is_finite() {
            return;
        }
        let place = self.attempts.partition_point(|&known| known <= at_ms);
        self.attempts.insert(place, at_ms);
        while self.attempts.len() > self.max_per_day.max(1) {
            self.attempts.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: f64 = 3_600_000.0;

    #[test]
    fn the_cooldown_and_the_day_are_kept() {
        let mut limits = Limits::new(HOUR_MS, 3);
        let steps = [
            (0.0, Ok(())),
            (0.5, Err((Refusal::Cooldown, 0.5))),
            (1.0, Ok(())),
            (1.9, Err((Refusal::Cooldown, 0.1))),
            (5.0, Ok(())),
            (6.5, Err((Refusal::PerDay, 17.5))),
            (23.9, Err((Refusal::PerDay, 0.1))),
            // The first has left the 24 hours.
            (24.0, Ok(())),
            (24.5, Err((Refusal::PerDay, 0.5))),
        ];
        for (hours, expected) in steps {
            let now_ms = hours * HOUR_MS;
            let answer = limits.check(now_ms);
            match (answer, expected) {
                (Ok(()), Ok(())) => limits.record(now_ms),
                (Err((got, wait)), Err((wanted, hours_left))) => {
                    assert_eq!(got, wanted, "after {hours} h");
                    assert!(
                        (wait - hours_left * HOUR_MS).abs() < 1.0,
                        "after {hours} h: {wait}"
                    );
                }
                (got, wanted) => panic!("after {hours} h: {got:?}, wanted {wanted:?}"),
            }
        }
    }

    #[test]
    fn a_limit_of_none_a_day_never_lets_one_run() {
        assert_eq!(
            Limits::new(0.0, 0).check(0.0),
            Err((Refusal::PerDay, f64::INFINITY))
        );
    }

    #[test]
    fn what_is_found_from_before_counts_in_its_place() {
        let mut limits = Limits::new(HOUR_MS, 2);
        limits.record(-0.5 * HOUR_MS);
        limits.record(-30.0 * HOUR_MS);
        limits.record(f64::NAN);
        assert_eq!(limits.check(0.0), Err((Refusal::Cooldown, 0.5 * HOUR_MS)));
        assert_eq!(limits.check(0.5 * HOUR_MS), Ok(()));
    }

    #[test]
    fn a_clock_that_jumps_back_cuts_no_cooldown_short_and_lengthens_none() {
        let mut limits = Limits::new(HOUR_MS, 9);
        assert_eq!(limits.check(10.0 * HOUR_MS), Ok(()));
        limits.record(10.0 * HOUR_MS);
        assert_eq!(limits.check(0.0), Err((Refusal::Cooldown, HOUR_MS)));
        assert_eq!(limits.check(11.0 * HOUR_MS), Ok(()));
    }

    #[test]
    fn the_history_is_bounded_by_the_limit() {
        let mut limits = Limits::new(0.0, 3);
        for minute in 0..1000 {
            limits.record(f64::from(minute));
        }
        assert_eq!(limits.attempts, [997.0, 998.0, 999.0]);
    }
}
