//! Growth of a figure over a stretch of time, measured between floors.
//!
//! Knows: the samples of one metric, back to one and a half stretches ago.
//! Out of scope: thresholds.
//! Limitations: it measures nothing until one full stretch has passed.
//!
//! The size of a garbage-collected heap looks like a saw: it rises, and falls at each collection. The difference between two
//! samples depends on where in a tooth they were taken. A leak raises the floor under the teeth. So growth is the *floor now* minus the *floor one stretch ago*, where the floor at a time is the lowest
//! sample in the half stretch up to it:
//!
//! ```text
//!                                                 /|  /|
//!                       /|  /|              /|  /  | / |
//!   /|  /|  /|  /|    /  | / |  /|  /|    /  | /   |/
//!  / | / | / | / |  /    |/  |/  | / |  /    |/         ┐
//! /  |/  |/  |/  |/                |/  |/                │ growth
//! ──────────────┐                                       ┘
//!     ├─ half ─┤├──────── one stretch (over_ms) ────────┤
//!                                              ├─ half ─┤
//!   floor one stretch ago                      floor now
//! ```
//!
//! - Steady growth of r bytes/ms measures r × `over_ms`: both floors lag by the same half stretch.
//! - A saw whose teeth are shorter than half a stretch measures 0, however tall they are.
//! - A step that stays measures in full, half a stretch after it happened.
//! - Until one and a half stretches have been seen it may measure too little, never too much.
//! - After a gap in regular samples the newest sample before it is the floor, and what happened in the gap counts in full.
//! - Rare samples, which come at no fixed times, may lie further apart than one stretch where there are fewer than three in a half stretch. Then the rise is
//!   reduced to one stretch: steady growth still measures r × `over_ms`, and a step too little rather than too much.
#![forbid(unsafe_code)]

use std::collections::VecDeque;

/// Only the lowest sample of each slice of time is kept, in at most this many slices: a day that is sampled every second costs
/// a few kilobytes instead of megabytes.
const MAX_SLICES: usize = 512;

/// With this many samples in a half stretch the floor is the floor of a saw; with fewer it is where a sample happened to be taken.
const DENSE: usize = 3;

/// The lowest sample of a half stretch.
#[derive(Debug, Clone, Copy)]
struct Floor {
    at_ms: f64,
    value: f64,
    /// How many samples there were.
    samples: usize,
}

/// The samples behind one growth threshold.
#[derive(Debug, Clone)]
pub struct Growth {
    over_ms: f64,
    rare: bool,
    /// Start of a slice of time, and the lowest sample in it; oldest first.
    slices: VecDeque<(f64, f64)>,
}

impl Growth {
    /// Measures growth over `over_ms`. `rare`: samples come at no fixed times, and further apart than a part of that.
    pub fn new(over_ms: f64, rare: bool) -> Self {
        Growth {
            over_ms,
            rare,
            slices: VecDeque::new(),
        }
    }

    /// Takes a sample. Returns how much the floor rose over the last stretch; negative when it fell, `None` until one full
    /// stretch has passed.
    pub fn add(&mut self, now_ms: f64, value: f64) -> Option<f64> {
        let slice_ms = self.over_ms * 1.5 / MAX_SLICES as f64;
        match self.slices.back_mut() {
            Some((start, lowest)) if now_ms - *start < slice_ms => *lowest = lowest.min(value),
            _ => self.slices.push_back((now_ms, value)),
        }
        let ago_ms = now_ms - self.over_ms;
        // One sample older than the oldest floor is kept: after a gap in the samples it is the floor.
        while self.slices.len() > 1 && self.slices[1].0 <= ago_ms - self.over_ms / 2.0 {
            self.slices.pop_front();
        }
        let (now, ago) = (self.floor(now_ms)?, self.floor(ago_ms)?);
        let rise = now.value - ago.value;
        let apart_ms = now.at_ms - ago.at_ms;
        if self.rare && now.samples.min(ago.samples) < DENSE && apart_ms > self.over_ms {
            return Some(rise * self.over_ms / apart_ms);
        }
        Some(rise)
    }

    /// The lowest sample in the half stretch up to `at_ms`, or the newest one before it where there is none.
    fn floor(&self, at_ms: f64) -> Option<Floor> {
        let from_ms = at_ms - self.over_ms / 2.0;
        let mut newest_before = None;
        let mut lowest: Option<Floor> = None;
        for &(start, value) in &self.slices {
            if start > at_ms {
                break;
            }
            let this = Floor {
                at_ms: start,
                value,
                samples: 1,
            };
            if start <= from_ms {
                newest_before = Some(this);
                continue;
            }
            let samples = lowest.map_or(0, |floor| floor.samples) + 1;
            let lower = lowest.filter(|floor| floor.value <= value).unwrap_or(this);
            lowest = Some(Floor { samples, ..lower });
        }
        lowest.or(newest_before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a growth over 60 s measures at the last of these samples, taken every 5 s.
    fn every_five_seconds(values: &[f64]) -> Option<f64> {
        let mut growth = Growth::new(60_000.0, false);
        let mut last = None;
        for (index, &value) in values.iter().enumerate() {
            last = growth.add(index as f64 * 5_000.0, value);
        }
        last
    }

    #[test]
    fn growth_is_measured_between_floors() {
        let saw: Vec<f64> = (0..60)
            .map(|i| 100.0 + 50.0 * f64::from(i % 4) / 3.0)
            .collect();
        let rising_saw: Vec<f64> = (0..60)
            .map(|i| 100.0 + 12.0 * f64::from(i / 4) + 50.0 * f64::from(i % 4) / 3.0)
            .collect();
        let cases: Vec<(&str, Vec<f64>, Option<f64>)> = vec![
            ("less than one stretch is not measured", vec![1.0; 12], None),
            ("a flat line", vec![7.0; 13], Some(0.0)),
            (
                "steady growth measures what it gained in one stretch",
                (0..40).map(|i| 1000.0 + 10.0 * f64::from(i)).collect(),
                Some(120.0),
            ),
            (
                "steady decline is negative",
                (0..40).map(|i| 1000.0 - 10.0 * f64::from(i)).collect(),
                Some(-120.0),
            ),
            ("a saw with teeth of 20 s and 50 tall", saw, Some(0.0)),
            (
                "the same saw on a floor that rises 12 every 20 s",
                rising_saw,
                Some(36.0),
            ),
            (
                "a single peak",
                [vec![10.0; 20], vec![90.0]].concat(),
                Some(0.0),
            ),
            (
                "a step that has stayed for 25 s is not the floor yet",
                [vec![10.0; 20], vec![90.0; 5]].concat(),
                Some(0.0),
            ),
            (
                "a step that has stayed for half a stretch",
                [vec![10.0; 20], vec![90.0; 6]].concat(),
                Some(80.0),
            ),
            (
                "a step of more than a stretch and a half ago is history",
                [vec![10.0; 5], vec![90.0; 19]].concat(),
                Some(0.0),
            ),
        ];
        for (case, values, expected) in cases {
            assert_eq!(every_five_seconds(&values), expected, "{case}");
        }
    }

    #[test]
    fn after_a_gap_the_newest_sample_before_it_is_the_floor() {
        let mut growth = Growth::new(60_000.0, false);
        assert_eq!(growth.add(0.0, 10.0), None);
        assert_eq!(growth.add(5_000.0, 20.0), None);
        assert_eq!(growth.add(600_000.0, 50.0), Some(30.0));
    }

    #[test]
    fn a_day_sampled_every_second_stays_small_and_right() {
        let day_ms = 86_400_000.0;
        let mut growth = Growth::new(day_ms, false);
        let mut last = None;
        for second in 0..(2 * 86_400) {
            last = growth.add(f64::from(second) * 1000.0, f64::from(second));
        }
        assert!(growth.slices.len() <= MAX_SLICES + 2);
        let gained = last.expect("more than a day was seen");
        // One slice of time is 1/341 of a day.
        assert!((gained - 86_400.0).abs() <= 86_400.0 / 341.0, "{gained}");
    }

    #[test]
    fn rare_samples_measure_no_more_than_one_stretch() {
        // GIVEN steady growth of 10 per second, sampled at times that are further apart than half a stretch of 4 s
        let mut growth = Growth::new(4_000.0, true);
        let measured: Vec<f64> = [0.0, 3.1, 7.9, 10.2, 16.0, 21.5, 24.0, 33.0]
            .iter()
            .filter_map(|seconds| growth.add(seconds * 1_000.0, seconds * 10.0))
            .collect();
        // THEN it is measured as 40 in one stretch, or less
        assert!(measured.len() >= 5);
        for rise in &measured {
            assert!(*rise <= 40.001, "{measured:?}");
        }
        assert!(
            measured.last().is_some_and(|rise| *rise > 39.9),
            "{measured:?}"
        );
    }
}
