//! How number and bytes together make a suspect.
//!
//! Knows: the limits of a kind. Out of scope: what is counted.
//! Limitations: from one snapshot; a program whose work is such a pattern is suspected too.

#![forbid(unsafe_code)]

/// From how many bytes on something is heavy, beside its share of the heap.
const HEAVY_BYTES: u64 = 1_000_000;

/// When a pattern is a suspect: `many` of it that hold a thousandth of the heap, or `few` of it that are heavy.
/// docs/heap-analysis.md states these numbers.
pub(super) struct Limits {
    pub(super) few: u64,
    pub(super) many: u64,
    /// Per cent of the heap that is heavy.
    pub(super) heavy_percent: u64,
}

impl Limits {
    /// `total` is what the whole heap holds.
    pub(super) fn judge(&self, total: u64, count: u64, bytes: u64) -> bool {
        count >= self.few && self.is_heavy(total, bytes)
            || count >= self.many && share(bytes, total) >= 1
    }

    pub(super) fn is_heavy(&self, total: u64, bytes: u64) -> bool {
        bytes >= HEAVY_BYTES && share(bytes, total) >= 10 * u128::from(self.heavy_percent)
    }
}

/// Thousandths of the whole.
fn share(bytes: u64, total: u64) -> u128 {
    u128::from(bytes) * 1000 / u128::from(total.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_and_bytes_make_a_suspect_together() {
        let limits = Limits {
            few: 10,
            many: 100,
            heavy_percent: 5,
        };
        let (small, large) = (4_000_000, 1_000_000_000);
        for (total, count, bytes, is_suspect) in [
            // Few are a suspect from a megabyte and five per cent on.
            (small, 10, 999_999, false),
            (small, 10, 1_000_000, true),
            (small, 9, 4_000_000, false),
            (large, 10, 49_999_999, false),
            (large, 10, 50_000_000, true),
            // Many are one from a thousandth on.
            (small, 100, 4_000, true),
            (small, 100, 3_999, false),
            (small, 99, 4_000, false),
            (large, 100, 1_000_000, true),
            (large, 100, 999_999, false),
            // Sums of a broken file do not overflow.
            (0, 100, 0, false),
            (u64::MAX, 100, u64::MAX, true),
        ] {
            assert_eq!(
                limits.judge(total, count, bytes),
                is_suspect,
                "{count} of {bytes} bytes in {total}"
            );
        }
    }
}
