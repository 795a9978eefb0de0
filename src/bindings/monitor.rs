//! Thresholds of the Monitor: converts, and calls [`crate::monitor::detector`].
//!
//! The detectors of a JavaScript thread are kept by that thread, and end with it.

use std::cell::RefCell;

use napi_derive::napi;

use super::Result;
use crate::base::error::{Code, Failure};
use crate::heap::snapshot_file::retention;
use crate::monitor::detector::{Detector, Detectors, Figure};
use crate::monitor::limits::{Limits, Refusal};
use crate::monitor::rule::{Limit, Rule};

thread_local! {
    static DETECTORS: RefCell<Detectors> = RefCell::default();
}

/// One threshold. Exactly one of `bytes`, `percent` and `growth_bytes` (with `over_ms`) is set.
#[napi(object)]
pub struct ThresholdRule {
    /// Which column of a sample it reads.
    pub column: u32,
    /// A limit in bytes.
    pub bytes: Option<f64>,
    /// A limit in percent of the column's base.
    pub percent: Option<f64>,
    /// A limit in bytes gained.
    pub growth_bytes: Option<f64>,
    /// The time to gain them in.
    pub over_ms: Option<f64>,
    /// Whether its samples are rare, and come at no fixed times.
    pub rare: Option<bool>,
    /// How many samples in a row.
    pub for_samples: u32,
    /// The re-arm level, in the unit of the limit.
    pub rearm_below: Option<f64>,
    /// It fires at most once in this time.
    pub cooldown_ms: f64,
}

/// A threshold that fired.
#[napi(object)]
pub struct Firing {
    /// Its position among the rules.
    pub position: u32,
    /// What was compared with the limit, in bytes.
    pub value: f64,
    /// The limit in bytes.
    pub limit: f64,
}

/// Whether the action may run.
#[napi(object)]
pub struct ActionCheck {
    /// Nothing, `cooldown` or `daily-limit`.
    pub refusal: Option<String>,
    /// How long until it may run; 0 when it may run now.
    pub retry_after_ms: f64,
}

fn rule(from: &ThresholdRule) -> Result<Rule> {
    let limit = match (from.bytes, from.percent, from.growth_bytes, from.over_ms) {
        (Some(bytes), None, None, None) => Limit::Bytes(bytes),
        (None, Some(percent), None, None) => Limit::Percent(percent),
        (None, None, Some(bytes), Some(over_ms)) => Limit::Growth {
            bytes,
            over_ms,
            rare: from.rare.unwrap_or(false),
        },
        _ => {
            return Err(
                Failure::new(Code::Internal, "a threshold with no limit, or with several").into(),
            )
        }
    };
    Ok(Rule {
        limit,
        for_samples: from.for_samples,
        rearm_below: from.rearm_below,
        cooldown_ms: from.cooldown_ms,
    })
}

/// Opens a detector and returns its number. `past_attempts_ms`: when the action ran before.
#[napi(catch_unwind)]
pub fn open_detector(
    rules: Vec<ThresholdRule>,
    cooldown_ms: f64,
    max_per_day: u32,
    past_attempts_ms: Vec<f64>,
) -> Result<u32> {
    let mut limits = Limits::new(cooldown_ms, max_per_day);
    for at_ms in past_attempts_ms {
        limits.record(at_ms);
    }
    let rules = rules
        .iter()
        .map(|from| Ok((from.column as usize, rule(from)?)))
        .collect::<Result<Vec<_>>>()?;
    Ok(DETECTORS.with_borrow_mut(|detectors| detectors.open(Detector::new(rules, limits))))
}

/// Takes one sample: values and bases by column, not-a-number for what is not measured. Returns nothing for a closed detector.
#[napi(catch_unwind)]
pub fn observe_sample(number: u32, now_ms: f64, values: Vec<f64>, bases: Vec<f64>) -> Vec<Firing> {
    let sample: Vec<Figure> = values
        .into_iter()
        .zip(bases)
        .map(|(value, base)| Figure { value, base })
        .collect();
    DETECTORS.with_borrow_mut(|detectors| {
        let Some(detector) = detectors.get(number) else {
            return Vec::new();
        };
        detector
            .observe(now_ms, &sample)
            .into_iter()
            .map(|(position, breach)| Firing {
                position: position as u32,
                value: breach.value,
                limit: breach.limit,
            })
            .collect()
    })
}

/// Asks whether the action may run now.
#[napi(catch_unwind)]
pub fn check_action(number: u32, now_ms: f64) -> ActionCheck {
    let answer = DETECTORS.with_borrow_mut(|detectors| match detectors.get(number) {
        Some(detector) => detector.limits.check(now_ms),
        None => Ok(()),
    });
    match answer {
        Ok(()) => ActionCheck {
            refusal: None,
            retry_after_ms: 0.0,
        },
        Err((refusal, retry_after_ms)) => ActionCheck {
            refusal: Some(String::from(match refusal {
                Refusal::Cooldown => "cooldown",
                Refusal::PerDay => "daily-limit",
            })),
            retry_after_ms,
        },
    }
}

/// Records one run of the action.
#[napi(catch_unwind)]
pub fn record_action(number: u32, now_ms: f64) {
    DETECTORS.with_borrow_mut(|detectors| {
        if let Some(detector) = detectors.get(number) {
            detector.limits.record(now_ms);
        }
    });
}

/// Frees a detector. Closing it again does nothing.
#[napi(catch_unwind)]
pub fn close_detector(number: u32) {
    DETECTORS.with_borrow_mut(|detectors| detectors.close(number));
}

/// How many detectors are open in this thread.
#[napi(catch_unwind)]
pub fn detector_count() -> u32 {
    DETECTORS.with_borrow(|detectors| detectors.count() as u32)
}

/// How many of the oldest files are to be deleted. Sizes: oldest first.
#[napi(catch_unwind)]
pub fn excess_files(sizes: Vec<f64>, max_files: Option<f64>, max_total_bytes: Option<f64>) -> u32 {
    retention::excess(&sizes, max_files, max_total_bytes) as u32
}
