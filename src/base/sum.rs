//! How many, and how many bytes.
//!
//! Knows: addition. Out of scope: of what. A count that goes down again, and its highest value, are a
//! [`Tally`](super::ledger::Tally).
//! Limitations: bytes saturate.
#![forbid(unsafe_code)]

/// How many, and how many bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many.
    pub count: u64,
    /// How many bytes.
    pub bytes: u64,
}

impl Sum {
    /// Adds one of this size.
    #[inline]
    pub fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}
