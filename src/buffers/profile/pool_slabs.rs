//! Which slabs of Node's pool are alive.
//!
//! Knows: for each observed slab its size, and how many it stands for.
//! Out of scope: how its collection is noticed.
//! Limitations: where one in `k` slabs is observed, the count is an estimate, with the variance of `(1 − 1/k) · k²` for each.
#![forbid(unsafe_code)]

use rustc_hash::FxHashMap;

/// The observed slabs of a thread.
#[derive(Debug, Default)]
pub struct PoolSlabs {
    observed: FxHashMap<u64, (f64, u32)>,
    next: u64,
    count: u64,
    bytes: f64,
    variance: f64,
}

impl PoolSlabs {
    /// Adds a slab of this size that stands for `stands_for` slabs; its number.
    pub fn add(&mut self, bytes: f64, stands_for: u32) -> u64 {
        let number = self.next;
        self.next += 1;
        self.observed.insert(number, (bytes, stands_for));
        self.count += u64::from(stands_for);
        self.bytes += bytes * f64::from(stands_for);
        self.variance += variance(stands_for);
        number
    }

    /// Takes one out. Whether it was there.
    pub fn remove(&mut self, number: u64) -> bool {
        let Some((bytes, stands_for)) = self.observed.remove(&number) else {
            return false;
        };
        self.count -= u64::from(stands_for);
        self.bytes -= bytes * f64::from(stands_for);
        self.variance -= variance(stands_for);
        true
    }

    /// How many are alive, their bytes, and the standard error of their number.
    pub fn read(&self) -> [f64; 3] {
        [self.count as f64, self.bytes, self.variance.max(0.0).sqrt()]
    }
}

fn variance(stands_for: u32) -> f64 {
    f64::from(stands_for) * (f64::from(stands_for) - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slabs_that_stand_for_themselves_are_counted_exactly() {
        let mut slabs = PoolSlabs::default();
        let first = slabs.add(8_192.0, 1);
        slabs.add(65_536.0, 1);

        assert_eq!(slabs.read(), [2.0, 73_728.0, 0.0]);
        assert!(slabs.remove(first));
        assert!(!slabs.remove(first));
        assert_eq!(slabs.read(), [1.0, 65_536.0, 0.0]);
    }

    #[test]
    fn one_that_stands_for_four_brings_an_error() {
        let mut slabs = PoolSlabs::default();
        let only = slabs.add(8_192.0, 4);

        assert_eq!(slabs.read(), [4.0, 32_768.0, 12f64.sqrt()]);
        assert!(slabs.remove(only));
        assert_eq!(slabs.read(), [0.0, 0.0, 0.0]);
    }
}
