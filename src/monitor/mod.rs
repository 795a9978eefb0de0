//! When something has to happen, and when it must not.
//!
//! Knows: numbers and the times they were taken at, as its caller tells them.
//! Out of scope: napi, clocks, files, or where a number comes from.
//! Limitations: what happened between two samples. A peak that rose and fell in between never existed here.
//! Four parts, each pure and each with its table of cases:
//! [`threshold`] is the state machine of one threshold, [`growth`] the measure behind growth thresholds,
//! [`limits`] how often an action may run, [`retention`] which files go. [`watch`] holds what one Monitor needs of them.
//! The JavaScript side is `lib/monitor/`; `bindings::trigger` stands in between.
#![forbid(unsafe_code)]

pub mod growth;
pub mod limits;
pub mod retention;
pub mod threshold;
pub mod watch;

/// A measured figure, or `None` for what cannot be measured.
///
/// Not-a-number, infinite and negative figures count as not measured: a threshold that compared with them would
/// stay silent for ever, or fire at once.
pub fn measured(figure: f64) -> Option<f64> {
    (figure.is_finite() && figure >= 0.0).then_some(figure)
}

/// A clock that never runs backwards, whatever it is fed.
///
/// Callers pass a monotonic clock; a suspended machine or a mocked clock may still hand out an earlier time.
/// Time then stands still until it is caught up with, so that no cooldown is cut short and no age is negative.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock {
    latest_ms: Option<f64>,
}

impl Clock {
    /// The time to work with for a caller that says it is `now_ms`.
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
    fn a_clock_that_jumps_back_stands_still_until_it_is_caught_up_with() {
        let mut clock = Clock::default();
        let read: Vec<f64> = [100.0, 200.0, 150.0, f64::NAN, 199.0, 201.0]
            .into_iter()
            .map(|now| clock.tick(now))
            .collect();
        assert_eq!(read, [100.0, 200.0, 200.0, 200.0, 200.0, 201.0]);
    }
}
