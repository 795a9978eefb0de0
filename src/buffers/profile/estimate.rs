//! What samples stand for.
//!
//! Knows: sums over samples and their variance. Out of scope: which allocations were sampled.
//! Limitations: without samples the variance is 0; `pace` adds what may have gone unsampled.
//!
//! A Poisson process puts points on the bytes as they are allocated, one per `interval` bytes on average. An allocation is
//! sampled when a point falls into it. So one of `c` charged bytes is sampled with probability
//!
//! ```text
//!   p = 1 − e^(−c / interval)
//! ```
//!
//! independently of all others. Counting each sampled one as `1/p` allocations of its size gives sums that are right on average
//! (Horvitz and Thompson, 1952), whether all allocations are summed up or only those alive: being freed has nothing
//! to do with being sampled. The variance of such a sum is estimated, again without bias, by the sum of `(1 − p) / p² · size²` over the
//! samples; its root is the standard error.
#![forbid(unsafe_code)]

use std::ops::{AddAssign, SubAssign};

/// Sums over some samples.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Estimate {
    /// How many samples.
    pub samples: u64,
    /// Allocations that they stand for.
    pub count: f64,
    /// Bytes that they stand for.
    pub bytes: f64,
    /// The variance of `count`.
    pub count_variance: f64,
    /// The variance of `bytes`.
    pub bytes_variance: f64,
}

impl Estimate {
    /// What one sampled allocation of `bytes` stands for, charged with `charged`.
    pub fn of(bytes: f64, charged: f64, interval: f64) -> Self {
        // 1 − e^−x, exact for small x too.
        let probability = -(-charged / interval).exp_m1();
        let weight = 1.0 / probability;
        let variance = (1.0 - probability) * weight * weight;
        Estimate {
            samples: 1,
            count: weight,
            bytes: bytes * weight,
            count_variance: variance,
            bytes_variance: variance * bytes * bytes,
        }
    }
}

impl AddAssign for Estimate {
    fn add_assign(&mut self, other: Self) {
        self.samples += other.samples;
        self.count += other.count;
        self.bytes += other.bytes;
        self.count_variance += other.count_variance;
        self.bytes_variance += other.bytes_variance;
    }
}

impl SubAssign for Estimate {
    fn sub_assign(&mut self, other: Self) {
        self.samples = self.samples.saturating_sub(other.samples);
        // Without samples there is nothing left, not even a rounding error.
        if self.samples == 0 {
            *self = Estimate::default();
            return;
        }
        self.count -= other.count;
        self.bytes -= other.bytes;
        self.count_variance = (self.count_variance - other.count_variance).max(0.0);
        self.bytes_variance = (self.bytes_variance - other.bytes_variance).max(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffers::profile::gap::Gaps;

    /// Allocates sizes in turn and samples them as `lib/buffers/main-realm.js` does.
    fn sample(sizes: &[f64], rounds: usize, interval: f64, seed: u64) -> Estimate {
        let mut gaps = Gaps::new(seed);
        let mut left = gaps.next(interval);
        let mut sum = Estimate::default();
        for size in sizes.iter().cycle().take(sizes.len() * rounds) {
            left -= size;
            if left < 0.0 {
                sum += Estimate::of(*size, *size, interval);
                left = gaps.next(interval);
            }
        }
        sum
    }

    #[test]
    fn an_allocation_far_above_the_interval_stands_for_itself() {
        let estimate = Estimate::of(1e9, 1e9, 1000.0);

        assert_eq!((estimate.count, estimate.bytes), (1.0, 1e9));
        assert_eq!(estimate.bytes_variance, 0.0);
    }

    #[test]
    fn one_far_below_stands_for_an_interval_of_bytes() {
        let estimate = Estimate::of(10.0, 10.0, 1e9);

        assert!((estimate.bytes / 1e9 - 1.0).abs() < 1e-6, "{estimate:?}");
        assert!((estimate.count / 1e8 - 1.0).abs() < 1e-6, "{estimate:?}");
    }

    #[test]
    fn estimates_are_right_on_average_and_their_errors_as_large_as_stated() {
        let sizes = [100.0, 5_000.0, 700_000.0];
        let rounds = 60;
        let truth: f64 = sizes.iter().sum::<f64>() * rounds as f64;
        let runs = 400;

        let estimates: Vec<Estimate> = (0..runs)
            .map(|seed| sample(&sizes, rounds, 524_288.0, seed))
            .collect();

        let mean = estimates.iter().map(|estimate| estimate.bytes).sum::<f64>() / runs as f64;
        let stated = (estimates
            .iter()
            .map(|estimate| estimate.bytes_variance)
            .sum::<f64>()
            / runs as f64)
            .sqrt();
        let seen = (estimates
            .iter()
            .map(|estimate| (estimate.bytes - truth).powi(2))
            .sum::<f64>()
            / runs as f64)
            .sqrt();
        assert!(
            (mean - truth).abs() < 3.0 * stated / (runs as f64).sqrt(),
            "{mean} instead of {truth}"
        );
        assert!(
            (seen / stated - 1.0).abs() < 0.15,
            "stated {stated}, seen {seen}"
        );
    }

    #[test]
    fn what_is_taken_away_in_full_leaves_nothing() {
        let (one, other) = (
            Estimate::of(0.1, 8.1, 100.0),
            Estimate::of(3.3, 11.3, 100.0),
        );
        let mut sum = Estimate::default();
        sum += one;
        sum += other;
        sum -= one;
        sum -= other;

        assert_eq!(sum, Estimate::default());
    }
}
