//! The native part of one Monitor: its thresholds, its clock, and the limits on its action.
//!
//! Knows: which column of a sample each threshold reads.
//! Out of scope: the names of the columns; `lib/monitor/thresholds.js` has them.
//! Limitations: it cannot see whether its Monitor still exists. The Monitor closes it; otherwise it ends with its thread.
#![forbid(unsafe_code)]

use rustc_hash::FxHashMap;

use super::limits::Limits;
use super::rule::Rule;
use super::threshold::{Breach, Threshold};
use super::Clock;

/// One column of a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// The metric, in bytes; not-a-number where it is not measured.
    pub value: f64,
    /// The base of a percentage, in bytes; not-a-number where the metric has no base.
    pub base: f64,
}

/// The thresholds of one Monitor, and the limits on its action.
#[derive(Debug, Clone)]
pub struct Detector {
    clock: Clock,
    thresholds: Vec<(usize, Threshold)>,
    /// The limits on its action.
    pub limits: Limits,
}

impl Detector {
    /// Makes one from rules, each with the column that it reads, and the limits on the action.
    pub fn new(rules: impl IntoIterator<Item = (usize, Rule)>, limits: Limits) -> Self {
        Detector {
            clock: Clock::default(),
            thresholds: rules
                .into_iter()
                .map(|(column, rule)| (column, Threshold::new(rule)))
                .collect(),
            limits,
        }
    }

    /// Takes one sample. Returns the thresholds that fire, by their position.
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

/// The detectors of one JavaScript thread. Each has a number that is never used twice.
///
/// A Monitor keeps the number and no native object: `addons()` would count offheap's own Node-API reference to it.
#[derive(Debug, Default)]
pub struct Detectors {
    last: u32,
    open: FxHashMap<u32, Detector>,
}

impl Detectors {
    /// Keeps a detector, and returns its number.
    pub fn open(&mut self, detector: Detector) -> u32 {
        self.last += 1;
        self.open.insert(self.last, detector);
        self.last
    }

    /// The detector with this number, unless it was closed.
    pub fn get(&mut self, number: u32) -> Option<&mut Detector> {
        self.open.get_mut(&number)
    }

    /// Frees a detector. Closing it a second time does nothing.
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
    use super::super::rule::Limit;
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
    fn every_threshold_reads_its_own_column() {
        let rules = [
            (0, at_least(10.0)),
            (1, at_least(10.0)),
            (1, at_least(20.0)),
            (7, at_least(1.0)),
        ];
        let mut detector = Detector::new(rules, Limits::new(0.0, 1));
        let fired: Vec<usize> = detector
            .observe(0.0, &figures(&[9.0, 15.0]))
            .into_iter()
            .map(|(position, _)| position)
            .collect();
        assert_eq!(fired, [1]);
        let fired: Vec<usize> = detector
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
        let mut detector = Detector::new([(0, rule)], Limits::new(0.0, 1));
        let fired: Vec<bool> = [(5000.0, 10.0), (100.0, 0.0), (5999.0, 10.0), (6000.0, 10.0)]
            .into_iter()
            .map(|(now_ms, value)| !detector.observe(now_ms, &figures(&[value])).is_empty())
            .collect();
        assert_eq!(fired, [true, false, false, true]);
    }

    #[test]
    fn numbers_are_never_used_twice() {
        let mut detectors = Detectors::default();
        let detector = Detector::new([], Limits::new(0.0, 1));
        let first = detectors.open(detector.clone());
        detectors.close(first);
        detectors.close(first);
        let second = detectors.open(detector);
        assert_ne!(first, second);
        assert!(detectors.get(first).is_none());
        assert!(detectors.get(second).is_some());
        assert_eq!(detectors.count(), 1);
    }
}
