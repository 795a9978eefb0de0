//! The references that offheap itself holds.
//!
//! Knows: creations and deletions as `external::references` reports them, for one environment.
//! Out of scope: what they refer to.
//! Limitations: one thread. No other part of the package holds a reference (no `#[napi]` class, no stored callback).

#![forbid(unsafe_code)]

/// References of one environment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OwnReferences {
    /// References now with a count above 0, which keep their object alive.
    pub strong_count: u64,
    /// References now with a count of 0, which do not.
    pub weak_count: u64,
    /// References ever created.
    pub total_count: u64,
}

impl OwnReferences {
    /// One more reference.
    pub fn created(&mut self, strong: bool) {
        self.total_count += 1;
        if strong {
            self.strong_count += 1;
        } else {
            self.weak_count += 1;
        }
    }

    /// One reference less.
    pub fn deleted(&mut self, strong: bool) {
        let count = if strong {
            &mut self.strong_count
        } else {
            &mut self.weak_count
        };
        *count = count.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_counts_return_to_zero_and_the_total_stays() {
        let mut references = OwnReferences::default();
        references.created(true);
        references.created(false);
        references.created(false);
        references.deleted(true);
        references.deleted(false);

        assert_eq!(
            references,
            OwnReferences {
                strong_count: 0,
                weak_count: 1,
                total_count: 3
            }
        );
    }
}
