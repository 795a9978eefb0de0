//! The rule of one threshold: what its metric is compared with.
//!
//! Knows: the arithmetic from a limit in bytes, in percent or of growth to levels in bytes.
//! Out of scope: samples, and whether the threshold fires ([`super::threshold`]).
//! Limitations: whether a rule makes sense; `lib/monitor/thresholds.js` checks that.
#![forbid(unsafe_code)]

use super::measured;

/// The default re-arm level, as a share of the limit: the value must fall below it before the threshold can fire again.
/// Without this margin a value that varies around its limit would make the threshold fire again and again.
pub const REARM_SHARE: f64 = 0.95;

/// What a metric is compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// In bytes.
    Bytes(f64),
    /// In percent of a base, which may change from sample to sample (a pod can be resized while it runs).
    Percent(f64),
    /// Bytes gained within a time; see [`super::growth`].
    Growth {
        /// Bytes gained.
        bytes: f64,
        /// Milliseconds to gain them in.
        over_ms: f64,
        /// Samples are rare, and come at no fixed times; see [`super::growth`].
        rare: bool,
    },
}

/// One threshold, as its user set it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// What the metric is compared with.
    pub limit: Limit,
    /// How many samples in a row must be at or over the limit. At least 1.
    pub for_samples: u32,
    /// The re-arm level: the value must fall below it before the threshold can fire again. In the unit of the limit; `None` is
    /// [`REARM_SHARE`] of the limit.
    pub rearm_below: Option<f64>,
    /// It fires at most once in this time.
    pub cooldown_ms: f64,
}

/// What one sample is compared with, in bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Levels {
    /// At or above it the sample counts.
    pub limit: f64,
    /// Below it the threshold re-arms.
    pub rearm_below: f64,
}

impl Rule {
    /// The levels at this base; `None` where the limit is a share of it and it is not measured, or 0: then no limit is set.
    pub fn levels(&self, base: f64) -> Option<Levels> {
        let (limit, unit) = match self.limit {
            Limit::Bytes(bytes) | Limit::Growth { bytes, .. } => (bytes, 1.0),
            Limit::Percent(percent) => {
                let base = measured(base).filter(|&base| base > 0.0)?;
                (base * percent / 100.0, base / 100.0)
            }
        };
        let rearm_below = self
            .rearm_below
            .map_or(limit * REARM_SHARE, |level| level * unit);
        Some(Levels { limit, rearm_below })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_in_bytes_whatever_the_unit_of_the_rule() {
        let growth = Limit::Growth {
            bytes: 200.0,
            over_ms: 1.0,
            rare: false,
        };
        // Limit, stated re-arm level, base, limit and re-arm level in bytes.
        let cases = [
            (Limit::Bytes(200.0), None, f64::NAN, Some((200.0, 190.0))),
            (Limit::Bytes(200.0), Some(50.0), 7.0, Some((200.0, 50.0))),
            (growth, None, f64::NAN, Some((200.0, 190.0))),
            (growth, Some(0.0), f64::NAN, Some((200.0, 0.0))),
            (Limit::Percent(80.0), None, 1000.0, Some((800.0, 760.0))),
            (
                Limit::Percent(80.0),
                Some(50.0),
                1000.0,
                Some((800.0, 500.0)),
            ),
            (Limit::Percent(80.0), None, 0.0, None),
            (Limit::Percent(80.0), None, f64::NAN, None),
            (Limit::Percent(80.0), Some(50.0), -1.0, None),
        ];
        for (limit, rearm_below, base, expected) in cases {
            let rule = Rule {
                limit,
                for_samples: 1,
                rearm_below,
                cooldown_ms: 0.0,
            };
            let levels = rule
                .levels(base)
                .map(|levels| (levels.limit, levels.rearm_below));
            assert_eq!(levels, expected, "{limit:?} of {base}");
        }
    }
}
