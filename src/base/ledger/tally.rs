//! One live / total / peak tally.
//!
//! Knows: addition and subtraction. Out of scope: of what.
//! Limitations: bytes saturate; a removal too many stays at zero.

#![forbid(unsafe_code)]

/// How much there is now, how much there ever was, and how much there was at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Bytes now.
    pub live_bytes: u64,
    /// Entries now.
    pub live_count: u64,
    /// Bytes ever counted.
    pub total_bytes: u64,
    /// Entries ever counted.
    pub total_count: u64,
    /// The highest `live_bytes` seen.
    pub peak_bytes: u64,
    /// The highest `live_count` seen (not necessarily at the same moment).
    pub peak_count: u64,
}

impl Tally {
    /// All zero.
    pub const fn new() -> Self {
        Tally {
            live_bytes: 0,
            live_count: 0,
            total_bytes: 0,
            total_count: 0,
            peak_bytes: 0,
            peak_count: 0,
        }
    }

    /// Counts `count` more entries of `bytes` together.
    #[inline]
    pub fn add(&mut self, bytes: u64, count: u64) {
        self.live_bytes = self.live_bytes.saturating_add(bytes);
        self.live_count += count;
        self.total_bytes = self.total_bytes.saturating_add(bytes);
        self.total_count += count;
        self.peak_bytes = self.peak_bytes.max(self.live_bytes);
        self.peak_count = self.peak_count.max(self.live_count);
    }

    /// Counts `count` entries less, of `bytes` together; total and peak stay.
    #[inline]
    pub fn remove(&mut self, bytes: u64, count: u64) {
        self.live_bytes = self.live_bytes.saturating_sub(bytes);
        self.live_count = self.live_count.saturating_sub(count);
    }

    /// Undoes an `add`, the total included: the entry is to be counted elsewhere. The peak stays.
    #[inline]
    pub fn retract(&mut self, bytes: u64, count: u64) {
        self.remove(bytes, count);
        self.total_bytes = self.total_bytes.saturating_sub(bytes);
        self.total_count = self.total_count.saturating_sub(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_the_highest_live_value_ever_seen() {
        let mut tally = Tally::new();
        tally.add(300, 1);
        tally.add(30, 1);
        tally.remove(300, 1);
        tally.add(3, 1);

        assert_eq!(
            tally,
            Tally {
                live_bytes: 33,
                live_count: 2,
                total_bytes: 333,
                total_count: 3,
                peak_bytes: 330,
                peak_count: 2,
            }
        );
    }

    #[test]
    fn a_removal_too_many_stays_at_zero() {
        let mut tally = Tally::new();
        tally.remove(1, 1);

        assert_eq!(tally, Tally::new());
    }
}
