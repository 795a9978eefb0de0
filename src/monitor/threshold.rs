//! The state machine of one threshold.
//!
//! Knows: one rule, and the samples of one metric in the order in which they were taken.
//! Out of scope: which metric it is, and what happens when the threshold fires.
//! Limitations: what happened between two samples.
#![forbid(unsafe_code)]

use super::growth::Growth;
use super::measured;
use super::rule::{Levels, Limit, Rule};

/// The phase of a threshold.
///
/// ```text
///                 `for_samples` samples in a row at or over the limit
///        ┌───────────────────────────────────────────────────────────┐
///        │                                                           ▼
///   ┌─────────┐      the cooldown has passed      ┌─────────┐   ┌─────────┐
///   │  Armed  │ ◄──────────────────────────────── │ Cooling │ ◄─│  Fired  │
///   └─────────┘                                   └─────────┘   └─────────┘
///                                          the value fell below the re-arm level
/// ```
///
/// A sample that could not be measured changes nothing: it does not count, it does not end a row, and it does not re-arm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Phase {
    /// Ready; this many samples in a row were at or over the limit.
    Armed {
        /// Length of the row so far.
        row: u32,
    },
    /// Fired, and the value has not fallen below the re-arm level. It does not fire a second time for this breach.
    Fired {
        /// When it fired.
        at_ms: f64,
    },
    /// The value fell below the re-arm level, and the cooldown has not ended. Until it ends the value has no effect.
    Cooling {
        /// When it fired.
        at_ms: f64,
    },
}

/// What a threshold reports when it fires.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Breach {
    /// What was compared with the limit: the metric, or its growth. Bytes.
    pub value: f64,
    /// The limit at this sample, in bytes.
    pub limit: f64,
}

/// One threshold and its phase.
#[derive(Debug, Clone)]
pub struct Threshold {
    rule: Rule,
    phase: Phase,
    growth: Option<Growth>,
}

impl Threshold {
    /// Makes an armed threshold.
    pub fn new(rule: Rule) -> Self {
        let growth = match rule.limit {
            Limit::Growth { over_ms, rare, .. } => Some(Growth::new(over_ms, rare)),
            Limit::Bytes(_) | Limit::Percent(_) => None,
        };
        Threshold {
            rule,
            phase: Phase::Armed { row: 0 },
            growth,
        }
    }

    /// Its phase.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Takes one sample. Returns the breach if the threshold fires. `now_ms` must not run backwards ([`super::Clock`]).
    /// `value` and `base` may be any number; one that is not [`measured`] changes nothing.
    pub fn observe(&mut self, now_ms: f64, value: f64, base: f64) -> Option<Breach> {
        let sample = self.compare(now_ms, value, base)?;
        if let Phase::Fired { at_ms } = self.phase {
            if sample.value >= sample.levels.rearm_below {
                return None;
            }
            self.phase = Phase::Cooling { at_ms };
        }
        if let Phase::Cooling { at_ms } = self.phase {
            if now_ms - at_ms < self.rule.cooldown_ms {
                return None;
            }
            self.phase = Phase::Armed { row: 0 };
        }
        let Phase::Armed { row } = self.phase else {
            return None;
        };
        if sample.value < sample.levels.limit {
            self.phase = Phase::Armed { row: 0 };
            return None;
        }
        let row = row.saturating_add(1);
        if row < self.rule.for_samples {
            self.phase = Phase::Armed { row };
            return None;
        }
        self.phase = Phase::Fired { at_ms: now_ms };
        Some(Breach {
            value: sample.value,
            limit: sample.levels.limit,
        })
    }

    /// The sample and the levels that it is compared with, all in bytes; `None` where one of them is not measured.
    fn compare(&mut self, now_ms: f64, value: f64, base: f64) -> Option<Sample> {
        let value = measured(value)?;
        let levels = self.rule.levels(base)?;
        let value = match &mut self.growth {
            Some(growth) => growth.add(now_ms, value)?,
            None => value,
        };
        Some(Sample { value, levels })
    }
}

struct Sample {
    value: f64,
    levels: Levels,
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAN: f64 = f64::NAN;

    fn rule(limit: Limit, for_samples: u32, cooldown_ms: f64) -> Rule {
        Rule {
            limit,
            for_samples,
            rearm_below: None,
            cooldown_ms,
        }
    }

    /// The times, in seconds, at which a threshold fires when it is fed one value per second.
    fn fires(rule: Rule, values: &[f64]) -> Vec<usize> {
        let mut threshold = Threshold::new(rule);
        (0..values.len())
            .filter(|&second| {
                threshold
                    .observe(second as f64 * 1000.0, values[second], NAN)
                    .is_some()
            })
            .collect()
    }

    #[test]
    fn a_threshold_of_100_bytes_fires_when_it_should() {
        let bytes = Limit::Bytes(100.0);
        type Case = (&'static str, u32, f64, &'static [f64], &'static [usize]);
        let cases: &[Case] = &[
            ("never over", 2, 0.0, &[1.0, 99.0, 99.9], &[]),
            ("at the limit counts", 1, 0.0, &[99.0, 100.0], &[1]),
            (
                "one peak is not two in a row",
                2,
                0.0,
                &[100.0, 1.0, 100.0, 1.0],
                &[],
            ),
            ("two in a row", 2, 0.0, &[1.0, 100.0, 100.0], &[2]),
            (
                "three in a row, after a row of two",
                3,
                0.0,
                &[100.0, 100.0, 1.0, 100.0, 100.0, 100.0],
                &[5],
            ),
            ("once per breach", 2, 0.0, &[100.0; 10], &[1]),
            (
                "falling to the margin is not falling below it",
                1,
                0.0,
                &[100.0, 95.0, 100.0, 100.0],
                &[0],
            ),
            (
                "falling below the margin re-arms",
                1,
                0.0,
                &[100.0, 94.9, 100.0],
                &[0, 2],
            ),
            (
                "hovering at the limit fires once",
                1,
                0.0,
                &[100.0, 99.0, 101.0, 98.0, 102.0, 96.0],
                &[0],
            ),
            (
                "below the margin, but the cooldown of 4 s still runs",
                1,
                4000.0,
                &[100.0, 1.0, 1.0, 100.0],
                &[0],
            ),
            (
                "the cooldown has passed while it was low",
                1,
                4000.0,
                &[100.0, 1.0, 1.0, 1.0, 1.0, 100.0],
                &[0, 5],
            ),
            (
                "it fell during the cooldown and is up again when that ends",
                1,
                4000.0,
                &[100.0, 1.0, 100.0, 100.0, 100.0, 100.0],
                &[0, 4],
            ),
            (
                "the row starts when the cooldown ends",
                2,
                4000.0,
                &[100.0, 100.0, 1.0, 100.0, 100.0, 100.0, 100.0],
                &[1, 6],
            ),
            (
                "the cooldown alone does not re-arm",
                1,
                2000.0,
                &[100.0; 10],
                &[0],
            ),
            (
                "not measured: no fire",
                1,
                0.0,
                &[NAN, f64::INFINITY, -1.0, NAN],
                &[],
            ),
            (
                "not measured: neither counts nor breaks a row",
                2,
                0.0,
                &[100.0, NAN, 100.0],
                &[2],
            ),
            (
                "not measured: no re-arm",
                1,
                0.0,
                &[100.0, NAN, 100.0, NAN, 100.0],
                &[0],
            ),
            (
                "back to 0 bytes is a measured value",
                1,
                0.0,
                &[100.0, 0.0, 100.0],
                &[0, 2],
            ),
        ];
        for &(case, for_samples, cooldown_ms, values, expected) in cases {
            assert_eq!(
                fires(rule(bytes, for_samples, cooldown_ms), values),
                expected,
                "{case}"
            );
        }
    }

    #[test]
    fn a_stated_re_arm_level_replaces_the_margin() {
        let stated = Rule {
            rearm_below: Some(50.0),
            ..rule(Limit::Bytes(100.0), 1, 0.0)
        };
        assert_eq!(
            fires(stated, &[100.0, 60.0, 100.0, 50.0, 100.0, 49.0, 100.0]),
            [0, 6]
        );
    }

    #[test]
    fn a_percentage_follows_its_base() {
        let mut threshold = Threshold::new(rule(Limit::Percent(80.0), 1, 0.0));
        // Value, base, and what it says.
        let cases = [
            (790.0, 1000.0, None),
            (799.0, NAN, None),
            (799.0, 0.0, None),
            (
                790.0,
                900.0,
                Some(Breach {
                    value: 790.0,
                    limit: 720.0,
                }),
            ),
            (790.0, 900.0, None),
            // The pod was resized: the same value is now far below, which re-arms.
            (790.0, 2000.0, None),
            (
                1600.0,
                2000.0,
                Some(Breach {
                    value: 1600.0,
                    limit: 1600.0,
                }),
            ),
        ];
        for (second, (value, base, expected)) in cases.into_iter().enumerate() {
            assert_eq!(
                threshold.observe(second as f64 * 1000.0, value, base),
                expected,
                "sample {second}"
            );
        }
    }

    #[test]
    fn a_re_arm_level_of_a_percentage_is_one_too() {
        let mut threshold = Threshold::new(Rule {
            rearm_below: Some(50.0),
            ..rule(Limit::Percent(80.0), 1, 0.0)
        });
        let fired: Vec<bool> = [800.0, 600.0, 800.0, 499.0, 800.0]
            .into_iter()
            .enumerate()
            .map(|(second, value)| threshold.observe(second as f64, value, 1000.0).is_some())
            .collect();
        assert_eq!(fired, [true, false, false, false, true]);
    }

    #[test]
    fn growth_fires_once_for_one_leak_and_not_for_a_saw() {
        let growth = Limit::Growth {
            bytes: 50.0,
            over_ms: 10_000.0,
            rare: false,
        };
        let leak: Vec<f64> = (0..60)
            .map(|second| 1000.0 + 6.0 * f64::from(second))
            .collect();
        let saw: Vec<f64> = (0..60)
            .map(|second| 1000.0 + 40.0 * f64::from(second % 5))
            .collect();
        // A leak of 6 bytes/s for 20 s, flat for 20 s, then again.
        let twice: Vec<f64> = (0..60)
            .map(|second: i32| 1000.0 + 6.0 * f64::from(second.min(20) + (second - 40).max(0)))
            .collect();
        assert_eq!(fires(rule(growth, 2, 0.0), &leak), [14]);
        assert_eq!(fires(rule(growth, 2, 0.0), &saw), [] as [usize; 0]);
        assert_eq!(fires(rule(growth, 2, 0.0), &twice).len(), 2);
    }

    #[test]
    fn each_phase_follows_from_the_one_before() {
        let mut threshold = Threshold::new(rule(Limit::Bytes(100.0), 2, 5000.0));
        let steps = [
            (0.0, 100.0, Phase::Armed { row: 1 }),
            (1000.0, 100.0, Phase::Fired { at_ms: 1000.0 }),
            (2000.0, 100.0, Phase::Fired { at_ms: 1000.0 }),
            (3000.0, 10.0, Phase::Cooling { at_ms: 1000.0 }),
            (5999.0, 100.0, Phase::Cooling { at_ms: 1000.0 }),
            (6000.0, 100.0, Phase::Armed { row: 1 }),
            (7000.0, 10.0, Phase::Armed { row: 0 }),
        ];
        for (now_ms, value, expected) in steps {
            threshold.observe(now_ms, value, NAN);
            assert_eq!(threshold.phase(), expected, "at {now_ms} ms");
        }
    }
}
