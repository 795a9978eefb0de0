//! Decides when a threshold fires, and when an action may run.
//!
//! Knows: numbers, and the times at which they were taken. The caller gives both.
//! Out of scope: napi, clocks, files, and where a number comes from.
//! Limitations: what happened between two samples. A peak between two samples is not seen.
//!
//! | file | what it decides |
//! |---|---|
//! | [`rule`] | what the metric of a threshold is compared with |
//! | [`threshold`] | whether one threshold fires: its state machine |
//! | [`growth`] | how much a figure grew: the measure of growth thresholds |
//! | [`limits`] | how often an action may run |
//! | [`detector`] | holds the thresholds, the clock and the limits of one Monitor |
//!
//! All are pure, and each is tested with a table of cases. `bindings::monitor` calls [`detector`] for `lib/monitor/`.
#![forbid(unsafe_code)]

pub mod detector;
pub mod growth;
pub mod limits;
pub mod rule;
pub mod threshold;

/// A measured figure, or `None` for what cannot be measured.
///
/// Not-a-number, infinite and negative figures count as not measured: compared with them, a threshold would never fire, or
/// fire at once.
pub fn measured(figure: f64) -> Option<f64> {
    (figure.is_finite() && figure >= 0.0).then_some(figure)
}

/// A clock that never runs backwards.
///
/// Callers pass the time of a monotonic clock. A suspended machine or a mocked clock may still give an earlier time. This
/// clock then keeps its latest time until the given time passes it, so that no cooldown is shortened and no age is negative.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock {
    latest_ms: Option<f64>,
}

impl Clock {
    /// The time to use when the caller's clock says `now_ms`.
    pub fn tick(&mut self, now_ms: f64) -> f64 {
        let latest = match self.latest_ms {
            Some(latest) if !now_ms.is_finite() || now_ms < latest => latest,
            None if !now_ms.is_finite() => 0.0,
            _ => now_ms,
        };
        self.latest_ms = Some(latest);
        latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_finite_figures_from_zero_up_count_as_measured() {
        let cases = [
            (0.0, Some(0.0)),
            (1_234_567.0, Some(1_234_567.0)),
            (-1.0, None),
            (f64::NAN, None),
            (f64::INFINITY, None),
            (f64::NEG_INFINITY, None),
        ];
        for (figure, expected) in cases {
            assert_eq!(measured(figure), expected, "{figure}");
        }
    }

    #[test]
    fn a_clock_that_jumps_back_stands_still_until_the_given_time_passes_it() {
        let mut clock = Clock::default();
        let read: Vec<f64> = [100.0, 200.0, 150.0, f64::NAN, 199.0, 201.0]
            .into_iter()
            .map(|now| clock.tick(now))
            .collect();
        assert_eq!(read, [100.0, 200.0, 200.0, 200.0, 200.0, 201.0]);
    }
}
