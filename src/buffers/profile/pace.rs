//! How far apart samples are, so that they cost no more than they may, and what may have gone unsampled meanwhile.
//!
//! Knows: the interval, the time that samples took, how many bytes went by at each interval.
//! Out of scope: what was sampled, and where.
//! Limitations: Buffers of up to 64 bytes that live in V8's heap; the limit by external memory does not hold for those.
//!
//! **The time.** Samples may use a share of the thread's time, and what they left unused in the last ten seconds. So a burst, which is
//! what people ask about afterwards, is sampled as finely as anything else until that is spent. Then the interval is doubled
//! until the share is kept. It returns to the one that was asked for as soon as that is possible.
//!
//! **What was not sampled.** The variance of an estimate is estimated from its samples, so without samples it would be 0, and with
//! few of them too small. An error of √(n + 2) intervals for `n` samples, and not of √n, covers the truth as often as it
//! should, also where `n` is 0. So two squared intervals are added to the variance. For each interval that was ever used: what went by at that interval, or what of it can be
//! alive, limits it.
#![forbid(unsafe_code)]

/// Unused time is kept for this long.
const KEPT_MS: f64 = 10_000.0;
/// The longest interval, as a multiple of the one that was asked for.
const LONGEST: f64 = 4096.0;
/// What a sample takes until it has been measured.
const USUAL_COST_MS: f64 = 0.03;
/// What a sample is taken to have cost at most: the rest is time that the thread did not have the processor.
const MOST_COST_MS: f64 = 0.25;
/// How much the last look says about the cost of a sample, and not those before.
const SMOOTHING: f64 = 0.3;
/// How many squared intervals are added to a variance.
const UNSEEN: f64 = 2.0;

/// What happened since the last look.
#[derive(Debug, Clone, Copy, Default)]
pub struct Look {
    /// The time, in ms since anything.
    pub now_ms: f64,
    /// What samples took of it.
    pub spent_ms: f64,
    /// How many there were.
    pub samples: u32,
    /// Bytes that were charged.
    pub passed_bytes: f64,
    /// All external memory that is alive now, ArrayBuffers included.
    pub external_bytes: f64,
}

/// What went by at one interval.
#[derive(Debug, Clone, Copy)]
struct Level {
    interval: f64,
    passed_bytes: f64,
    /// No more than this of it is alive.
    alive_bytes: f64,
}

/// The interval, now and before.
#[derive(Debug)]
pub struct Pace {
    base: f64,
    interval: f64,
    max_share: f64,
    credit_ms: f64,
    cost_ms: f64,
    last_ms: f64,
    levels: Vec<Level>,
}

impl Pace {
    /// Begins with `base` bytes from sample to sample, and with all the credit there can be.
    pub fn new(base: f64, max_share: f64, now_ms: f64) -> Self {
        Pace {
            base,
            interval: base,
            max_share,
            credit_ms: max_share * KEPT_MS,
            cost_ms: USUAL_COST_MS,
            last_ms: now_ms,
            levels: Vec::new(),
        }
    }

    /// Another interval was asked for.
    pub fn set_base(&mut self, base: f64) {
        self.base = base;
        self.interval = base;
    }

    /// Takes into account what happened, and says how far apart samples are from now on.
    pub fn look(&mut self, look: Look) -> f64 {
        self.pass(look.passed_bytes);
        self.observe(look.external_bytes);
        if self.max_share >= 1.0 {
            return self.interval;
        }
        // The clock has steps of a few microseconds, and may have been set.
        let elapsed = (look.now_ms - self.last_ms).max(0.001);
        self.last_ms = look.now_ms;
        let most = self.max_share * KEPT_MS;
        let samples = f64::from(look.samples);
        let spent = look.spent_ms.min(samples * MOST_COST_MS);
        self.credit_ms = (self.credit_ms + elapsed * self.max_share - spent).min(most);
        if samples > 0.0 {
            self.cost_ms += SMOOTHING * (spent / samples - self.cost_ms);
        }
        // At this interval samples would take their share and no more, if all goes on as it did since the last look.
        let just_affordable = look.passed_bytes / elapsed * self.cost_ms / self.max_share;
        if self.credit_ms >= 0.0 {
            let affordable = 2.0 * just_affordable;
            let mut interval = self.base;
            while interval < affordable && interval < self.interval {
                interval *= 2.0;
            }
            self.interval = interval.min(self.interval);
        } else if self.interval < just_affordable {
            self.interval = (self.interval * 2.0).min(self.base * LONGEST);
        }
        self.interval
    }

    /// Bytes went by at this interval.
    fn pass(&mut self, bytes: f64) {
        if bytes <= 0.0 {
            return;
        }
        let interval = self.interval;
        let known = self
            .levels
            .iter_mut()
            .find(|level| level.interval == interval);
        match known {
            Some(level) => {
                level.passed_bytes += bytes;
                level.alive_bytes += bytes;
            }
            None => self.levels.push(Level {
                interval,
                passed_bytes: bytes,
                alive_bytes: bytes,
            }),
        }
    }

    /// Notes all external memory that is alive: no more than this is alive of what went by at any interval.
    pub fn observe(&mut self, external_bytes: f64) {
        for level in &mut self.levels {
            level.alive_bytes = level.alive_bytes.min(external_bytes);
        }
    }

    /// What is to be added to the variance of any sum of live bytes, and of any sum of all bytes.
    pub fn unseen_variance(&self) -> (f64, f64) {
        let sum = |bytes: fn(&Level) -> f64| {
            self.levels
                .iter()
                .map(|level| UNSEEN * level.interval.min(bytes(level)).powi(2))
                .sum()
        };
        (
            sum(|level| level.alive_bytes),
            sum(|level| level.passed_bytes),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffers::profile::estimate::Estimate;
    use crate::buffers::profile::gap::Gaps;

    const KIB: f64 = 1024.0;
    const MIB: f64 = 1024.0 * KIB;
    const COST_MS: f64 = 0.03;
    /// As in `lib/buffers/main-realm.js`.
    const MOST_BYTES_PER_LOOK: f64 = 16.0 * MIB;
    const SAMPLES_PER_LOOK: u32 = 8;

    /// One allocation of a program: its size, the time it takes, whether it stays alive.
    #[derive(Clone, Copy)]
    struct Allocation {
        bytes: f64,
        takes_ms: f64,
        stays: bool,
    }

    /// What a profile said of a program.
    struct Said {
        live: Estimate,
        live_variance: f64,
        truth: f64,
        spent_ms: f64,
        took_ms: f64,
        interval: f64,
    }

    /// Runs a program under a profile, as `lib/buffers/main-realm.js` samples it; garbage is collected at the end.
    fn profiled(program: &[Allocation], seed: u64, max_share: f64) -> Said {
        let mut gaps = Gaps::new(seed);
        let mut pace = Pace::new(512.0 * KIB, max_share, 0.0);
        let mut interval = 512.0 * KIB;
        let mut gap = gaps.next(interval);
        let (mut now, mut spent_in_all, mut alive, mut truth) = (0.0, 0.0, 0.0, 0.0);
        let mut look = Look::default();
        let mut live = Estimate::default();
        for allocation in program {
            now += allocation.takes_ms;
            alive += allocation.bytes;
            if allocation.stays {
                truth += allocation.bytes;
            }
            look.passed_bytes += allocation.bytes;
            gap -= allocation.bytes;
            if gap < 0.0 {
                if allocation.stays {
                    live += Estimate::of(allocation.bytes, allocation.bytes, interval);
                }
                look.samples += 1;
                look.spent_ms += COST_MS;
                spent_in_all += COST_MS;
                now += COST_MS;
                gap = gaps.next(interval);
            }
            if look.samples >= SAMPLES_PER_LOOK || look.passed_bytes >= MOST_BYTES_PER_LOOK {
                look.now_ms = now;
                look.external_bytes = alive;
                let before = interval;
                interval = pace.look(look);
                look = Look::default();
                if interval != before {
                    gap = gaps.next(interval);
                }
            }
        }
        look.now_ms = now;
        look.external_bytes = truth;
        interval = pace.look(look);
        let (live_variance, _) = pace.unseen_variance();
        Said {
            live,
            live_variance: live.bytes_variance + live_variance,
            truth,
            spent_ms: spent_in_all,
            took_ms: now,
            interval,
        }
    }

    /// Sizes between 1 and 200 KB, of which every fourth stays: `bytes` in all, `bytes_per_ms` of them each ms.
    fn steady(bytes: f64, bytes_per_ms: f64) -> Vec<Allocation> {
        let mut made = 0.0;
        let mut allocations = Vec::new();
        while made < bytes {
            let index = allocations.len();
            let bytes = 1_000.0 + (index * 7_919 % 199_000) as f64;
            made += bytes;
            allocations.push(Allocation {
                bytes,
                takes_ms: bytes / bytes_per_ms,
                stays: index.is_multiple_of(4),
            });
        }
        allocations
    }

    fn garbage(count: usize, bytes: f64, bytes_per_ms: f64) -> Vec<Allocation> {
        vec![
            Allocation {
                bytes,
                takes_ms: bytes / bytes_per_ms,
                stays: false
            };
            count
        ]
    }

    /// A burst of a gigabyte of garbage at start-up, within a third of a second; then a quiet service.
    fn after_a_burst() -> Vec<Allocation> {
        let mut program = garbage(4_000, 256.0 * KIB, 3.0 * MIB);
        program.extend(steady(80.0 * MIB, 20.0 * KIB));
        program
    }

    /// Seconds of quiet between bursts, in each of which something stays.
    fn bursts() -> Vec<Allocation> {
        let mut program = Vec::new();
        for _ in 0..5 {
            program.extend(steady(10.0 * MIB, 10.0 * KIB));
            program.extend(garbage(1_000, 100.0 * KIB, 2.0 * MIB));
            program.extend(steady(20.0 * MIB, 2.0 * MIB));
        }
        program
    }

    /// How many of 400 profiles have the truth within twice their standard error.
    fn coverage(program: &[Allocation], max_share: f64) -> f64 {
        let runs = 400;
        let covered = (0..runs)
            .filter(|&seed| {
                let said = profiled(program, seed, max_share);
                (said.live.bytes - said.truth).abs() <= 2.0 * said.live_variance.sqrt()
            })
            .count();
        covered as f64 / runs as f64
    }

    #[test]
    fn the_truth_is_within_twice_the_error_19_times_of_20_whatever_the_program_does() {
        for (name, program) in [
            ("steady", steady(160.0 * MIB, 50.0 * KIB)),
            ("fast", steady(400.0 * MIB, 3.0 * MIB)),
            ("after a burst", after_a_burst()),
            ("bursts", bursts()),
        ] {
            let covered = coverage(&program, 0.01);
            assert!((0.93..=0.97).contains(&covered), "{name}: {covered}");
            // With hardly a sample the error is an upper limit.
            let covered = coverage(&program, 0.001);
            assert!(
                covered >= 0.93,
                "{name}, a thousandth of the time: {covered}"
            );
        }
    }

    #[test]
    fn after_a_burst_the_interval_is_the_one_that_was_asked_for() {
        for seed in 0..50 {
            let said = profiled(&after_a_burst(), seed, 0.01);
            assert_eq!(said.interval, 512.0 * KIB, "{seed}");
            assert!(said.live_variance.sqrt() < 0.35 * said.truth);
        }
    }

    #[test]
    fn samples_take_no_more_than_their_share_and_what_they_left_unused() {
        for (program, max_share) in [
            (steady(400.0 * MIB, 3.0 * MIB), 0.01),
            (after_a_burst(), 0.01),
            (steady(4_000.0 * MIB, 3.0 * MIB), 0.001),
            (steady(20_000.0 * MIB, 10.0 * MIB), 0.01),
        ] {
            let said = profiled(&program, 1, max_share);
            // A doubling comes after eight samples.
            let slack = 12.0 * f64::from(SAMPLES_PER_LOOK) * COST_MS;
            let most = max_share * (KEPT_MS + said.took_ms) + slack;
            assert!(said.spent_ms <= most, "{} of {most}", said.spent_ms);
        }
    }

    #[test]
    fn time_without_the_processor_is_not_charged_to_samples() {
        let mut pace = Pace::new(512.0 * KIB, 0.01, 0.0);
        for round in 1..100 {
            let interval = pace.look(Look {
                now_ms: f64::from(round) * 100.0,
                spent_ms: 40.0,
                samples: 1,
                passed_bytes: 512.0 * KIB,
                external_bytes: MIB,
            });
            assert_eq!(interval, 512.0 * KIB, "{round}");
        }
    }

    #[test]
    fn without_samples_the_error_is_what_may_have_gone_by_unseen() {
        let mut pace = Pace::new(512.0 * KIB, 0.01, 0.0);
        assert_eq!(pace.unseen_variance(), (0.0, 0.0));
        pace.look(Look {
            now_ms: 5.0,
            passed_bytes: 1_000.0,
            external_bytes: 1e9,
            ..Look::default()
        });
        assert_eq!(pace.unseen_variance(), (2e6, 2e6));
        // WHEN only 100 bytes are left of anything
        pace.observe(100.0);
        assert_eq!(pace.unseen_variance(), (2e4, 2e6));
    }

    #[test]
    fn where_every_sample_is_wanted_time_does_not_matter() {
        let mut pace = Pace::new(64.0, 1.0, 0.0);
        let interval = pace.look(Look {
            now_ms: 1.0,
            spent_ms: 1_000.0,
            samples: 8,
            passed_bytes: 640.0,
            external_bytes: 640.0,
        });
        assert_eq!(interval, 64.0);
    }
}
