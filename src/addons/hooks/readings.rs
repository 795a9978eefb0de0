//! What JavaScript reads of the environments. `[unsafe]`
//!
//! Knows: the environments that the watch has met and that have not ended. What ended ones held is in no reading.
//! Duties of this file: the holdings of other threads' environments are not touched, only their figures are read.
//! Out of scope: when an environment begins and ends.
//! Limitations: outlived references and sampled sites of another thread's environments.

use std::sync::atomic::Ordering;
use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::addon_environment::{AddonEnvironment, Calling};
use super::environments;
use crate::addons::figures::NUMBERS;
use crate::addons::stacks::Site;

/// One environment at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Its number; no other has it, now or later.
    pub id: u32,
    /// A URL, a path, or empty.
    pub file: String,
    /// The system's number of its thread.
    pub thread: i32,
    /// When it was first seen, in milliseconds of the calendar.
    pub seen_at_ms: f64,
    /// Every call since its beginning was seen.
    pub full: bool,
    /// See `Figures::numbers`.
    pub numbers: [f64; NUMBERS],
}

/// All environments that the watch has met and that have not ended.
///
/// # Safety
///
/// Called by JavaScript, so that Node may be asked about references of environments of this thread.
pub unsafe fn read_all() -> Vec<Reading> {
    counted()
        .iter()
        .map(|environment| {
            // SAFETY: it is used for the one question below, which ends no environment.
            if let Some(own) = unsafe { Calling::own(environment) } {
                // SAFETY: our caller's promise; the environment has not ended.
                unsafe { environments::find_outlived(own) };
            }
            Reading {
                id: environment.id,
                file: environment.file.clone(),
                thread: environment.thread,
                seen_at_ms: environment.seen_at.load(Ordering::Relaxed) as f64,
                full: environment.is_full(),
                numbers: environment.figures.numbers(),
            }
        })
        .collect()
}

fn counted() -> Vec<Arc<AddonEnvironment>> {
    let mut all = environments::all();
    all.retain(|environment| environment.counts());
    all
}

/// Where sampled things of an environment of this thread were made; nothing for others.
pub fn sites_of(id: u32) -> Vec<Site> {
    environments::all()
        .iter()
        .find(|environment| environment.id == id)
        // SAFETY: it is used for the look below, which does not call Node.
        .and_then(|environment| unsafe { Calling::own(environment) })
        .map(|environment| environment.holdings(|holdings, _| holdings.stacks.sites().to_vec()))
        .unwrap_or_default()
}

/// Where the bytes of all external Buffers and ArrayBuffers are that addons of this thread have not got back yet.
pub fn external_places() -> FxHashSet<usize> {
    counted()
        .iter()
        // SAFETY: it is used for the look below, which does not call Node.
        .filter_map(|environment| unsafe { Calling::own(environment) })
        .flat_map(|environment| {
            environment.holdings(|holdings, _| holdings.external_places().collect::<Vec<_>>())
        })
        .collect()
}
