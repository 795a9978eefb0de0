//! What one Monitor holds: its thresholds, its clock, and the limits on its action.
//!
//! Knows: for each threshold which column of a sample it looks at.
//! Out of scope: what the columns are called; `lib/monitor/thresholds.js` names them.
//! Limitations: whether its Monitor still exists; it is closed by it, and ends with its thread ([`Watches`]).
#![forbid(unsafe_code)]

use rustc_hash::FxHashMap;

use super::limits::Limits;
use super::threshold::{Breach, Rule, Threshold};
use super::Clock;

/// One column of a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// The metric, in bytes; anything that is not measured is not-a-number.
    pub value: f64,
    /// What a percentage of it is taken of, in bytes; not-a-number where there is no such thing.
    pub base: f64,
}

/// The state of one Monitor.
#[derive(Debug, Clone)]
pub struct Watch {
    clock: Clock,
    thresholds: Vec<(usize, Threshold)>,
    /// The limits on its action.
    pub limits: Limits,
}

impl Watch {
    /// Thresholds, each with the column it looks at, and the limits on the action.
    pub fn new(rules: impl IntoIterator<Item = (usize, Rule)>, limits: Limits) -> Self {
        Watch {
            clock: Clock::default(),
            thresholds: rules
                .into_iter()
                .map(|(column, rule)| (column, Threshold::new(rule)))
                .collect(),
            limits,
        }
    }

    /// Takes one sample; the thresholds that fire, by their position.
    pub fn observe(&mut self, now_ms: f64, sample: &[Figure]) -> Vec<(usize, Breach)> {
        let now_ms = self.clock.tick(now_ms);
        self.thresholds
            .iter_mut()
            .enumerate()
            .filter_map(|(position, (column, threshold))| {
                let figure = sample.get(*column)?;
                Some((
                    position,
                    threshold.observe(now_ms, figure.value, figure.base)?,
                ))
            })
            .collect()
    }
}

/// The watches of one JS thread, by a number that is never used twice.
///
/// Monitors hold the number only. A reference that N-API keeps for them would be one of ours in a tally of references.
#[derive(Debug, Default)]
pub struct Watches {
    last: u32,
    open: FxHashMap<u32, Watch>,
}

impl Watches {
    /// Keeps a watch, and says under which number.
    pub fn open(&mut self, watch: Watch) -> u32 {
        self.last += 1;
        self.open.insert(self.last, watch);
        self.last
    }

    /// The watch of this number, unless it was closed.
    pub fn get(&mut self, number: u32) -> Option<&mut Watch> {
        self.open.get_mut(&number)
    }

    /// Frees a watch; one that is closed already stays so.
    pub fn close(&mut self, number: u32) {
        self.open.remove(&number);
    }

    /// How many are open.
    pub fn count(&self) -> usize {
        self.open.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::threshold::Limit;
    use super::*;

    fn at_least(bytes: f64) -> Rule {
        Rule {
            limit: Limit::Bytes(bytes),
            for_samples: 1,
            rearm_below: None,
            cooldown_ms: 0.0,
        }
    }

    fn figures(values: &[f64]) -> Vec<Figure> {
        values
            .iter()
            .map(|&value| Figure {
                value,
                base: f64::NAN,
            })
            .collect()
    }

    #[test]
    fn every_threshold_looks_at_its_own_column() {
        let rules = [
            (0, at_least(10.0)),
            (1, at_least(10.0)),
            (1, at_least(20.0)),
            (7, at_least(1.0)),
        ];
        let mut watch = Watch::new(rules, Limits::new(0.0, 1));
        let fired: Vec<usize> = watch
            .observe(0.0, &figures(&[9.0, 15.0]))
            .into_iter()
            .map(|(position, _)| position)
            .collect();
        assert_eq!(fired, [1]);
        let fired: Vec<usize> = watch
            .observe(1.0, &figures(&[10.0, 20.0]))
            .into_iter()
            .map(|(position, _)| position)
            .collect();
        assert_eq!(fired, [0, 2]);
    }

    #[test]
    fn a_clock_that_jumps_back_does_not_end_a_cooldown() {
        let rule = Rule {
            cooldown_ms: 1000.0,
            ..at_least(10.0)
        };
        let mut watch = Watch::new([(0, rule)], Limits::new(0.0, 1));
        let fired: Vec<bool> = [(5000.0, 10.0), (100.0, 0.0), (5999.0, 10.0), (6000.0, 10.0)]
            .into_iter()
            .map(|(now_ms, value)| !watch.observe(now_ms, &figures(&[value])).is_empty())
            .collect();
        assert_eq!(fired, [true, false, false, true]);
    }

    #[test]
    fn numbers_are_never_used_twice() {
        let mut watches = Watches::default();
        let watch = Watch::new([], Limits::new(0.0, 1));
        let first = watches.open(watch.clone());
        watches.close(first);
        watches.close(first);
        let second = watches.open(watch);
        assert_ne!(first, second);
        assert!(watches.get(first).is_none());
        assert!(watches.get(second).is_some());
        assert_eq!(watches.count(), 1);
    }
}
