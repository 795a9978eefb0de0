//! The samples of one thread.
//!
//! Knows: each live sample by its number, and the sums over all there ever were, by call site and route.
//! Out of scope: what the numbers of sites and routes stand for.
//! Limitations: a sample whose route changes after it was released stays in the totals of the route it had then.
#![forbid(unsafe_code)]

use rustc_hash::FxHashMap;

use super::estimate::Estimate;
use super::gap::Gaps;
use crate::base::ledger::{Key, NONE};

/// Where samples are summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cell {
    /// The call site.
    pub site: u32,
    /// The route.
    pub route: Key,
}

/// The number of a sample; no two of a profile have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SampleId(u64);

impl SampleId {
    /// As a number below 2^53.
    pub fn to_number(self) -> f64 {
        self.0 as f64
    }

    /// The id that [`SampleId::to_number`] made this number of.
    pub fn from_number(number: f64) -> Self {
        SampleId(number as u64)
    }
}

/// The estimates of one cell.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Estimates {
    /// Of what is alive.
    pub live: Estimate,
    /// Of all there ever was.
    pub total: Estimate,
}

/// All samples of a thread.
#[derive(Debug)]
pub struct Profile {
    gaps: Gaps,
    live: FxHashMap<SampleId, (Cell, Estimate)>,
    estimates: FxHashMap<Cell, Estimates>,
    next: u64,
}

impl Default for Profile {
    fn default() -> Self {
        Profile::new(0)
    }
}

impl Profile {
    /// A profile without samples.
    pub fn new(seed: u64) -> Self {
        Profile {
            gaps: Gaps::new(seed),
            live: FxHashMap::default(),
            estimates: FxHashMap::default(),
            next: 0,
        }
    }

    /// Removes all samples. A number of an old one finds nothing afterwards.
    pub fn reset(&mut self, seed: u64) {
        *self = Profile {
            next: self.next,
            ..Profile::new(seed)
        };
    }

    /// Bytes until the next sample.
    pub fn next_gap(&mut self, interval: f64) -> f64 {
        self.gaps.next(interval)
    }

    /// Adds a sample, outside of any route.
    pub fn add(&mut self, site: u32, bytes: f64, charged: f64, interval: f64) -> SampleId {
        let id = SampleId(self.next);
        self.next += 1;
        let cell = Cell { site, route: NONE };
        let estimate = Estimate::of(bytes, charged, interval);
        let estimates = self.estimates.entry(cell).or_default();
        estimates.live += estimate;
        estimates.total += estimate;
        self.live.insert(id, (cell, estimate));
        id
    }

    /// Takes a sample out of what is alive. Whether it was.
    pub fn release(&mut self, id: SampleId) -> bool {
        let Some((cell, estimate)) = self.live.remove(&id) else {
            return false;
        };
        if let Some(estimates) = self.estimates.get_mut(&cell) {
            estimates.live -= estimate;
        }
        true
    }

    /// Counts a live sample under another route. Whether it was alive.
    pub fn change_route(&mut self, id: SampleId, route: Key) -> bool {
        let Some((cell, estimate)) = self.live.get_mut(&id) else {
            return false;
        };
        if let Some(estimates) = self.estimates.get_mut(cell) {
            estimates.live -= *estimate;
            estimates.total -= *estimate;
            if estimates.total.samples == 0 {
                self.estimates.remove(cell);
            }
        }
        cell.route = route;
        let estimates = self.estimates.entry(*cell).or_default();
        estimates.live += *estimate;
        estimates.total += *estimate;
        true
    }

    /// All cells with their estimates, in order of their sites.
    pub fn cells(&self) -> Vec<(Cell, Estimates)> {
        let mut cells: Vec<_> = self
            .estimates
            .iter()
            .map(|(cell, estimates)| (*cell, *estimates))
            .collect();
        cells.sort_unstable_by_key(|(cell, _)| (cell.site, cell.route.as_u32()));
        cells
    }

    /// The live bytes of each call site that has some, as whole numbers: those with the most first, and of equals those with the most
    /// bytes ever.
    pub fn live_bytes_by_site(&self) -> Vec<(u32, u64)> {
        let mut sites: Vec<(u32, f64, f64)> = Vec::new();
        for (cell, Estimates { live, total }) in self.cells() {
            match sites.last_mut() {
                Some((site, live_bytes, total_bytes)) if *site == cell.site => {
                    *live_bytes += live.bytes;
                    *total_bytes += total.bytes;
                }
                _ => sites.push((cell.site, live.bytes, total.bytes)),
            }
        }
        let mut rows: Vec<(u32, u64, u64)> = sites
            .into_iter()
            .map(|(site, live, total)| (site, live.round() as u64, total.round() as u64))
            .filter(|(_, live, _)| *live > 0)
            .collect();
        rows.sort_by_key(|&(_, live, total)| std::cmp::Reverse((live, total)));
        rows.into_iter()
            .map(|(site, live, _)| (site, live))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HUGE: f64 = 1e12;

    fn read(profile: &Profile) -> Vec<(u32, u32, f64, f64)> {
        profile
            .cells()
            .iter()
            .map(|(cell, estimates)| {
                (
                    cell.site,
                    cell.route.as_u32(),
                    estimates.live.bytes,
                    estimates.total.bytes,
                )
            })
            .collect()
    }

    #[test]
    fn released_samples_leave_what_is_alive_and_stay_in_the_total() {
        let mut profile = Profile::new(1);
        let first = profile.add(5, HUGE, HUGE, 1.0);
        profile.add(5, 2.0 * HUGE, HUGE, 1.0);

        assert!(profile.release(first));
        assert!(!profile.release(first));
        assert_eq!(read(&profile), [(5, 0, 2.0 * HUGE, 3.0 * HUGE)]);
    }

    #[test]
    fn call_sites_come_by_their_live_bytes_and_those_without_not_at_all() {
        // GIVEN a site under two routes, two sites with the same live bytes and different totals, and one whose only sample was released
        let mut profile = Profile::new(1);
        let routed = profile.add(1, HUGE, HUGE, 1.0);
        profile.change_route(routed, Key::from_u32(7));
        profile.add(1, HUGE, HUGE, 1.0);
        profile.add(3, HUGE, HUGE, 1.0);
        profile.add(4, HUGE, HUGE, 1.0);
        let gone = profile.add(4, HUGE, HUGE, 1.0);
        profile.release(gone);
        let only = profile.add(5, HUGE, HUGE, 1.0);
        profile.release(only);

        let huge = HUGE as u64;
        assert_eq!(
            profile.live_bytes_by_site(),
            [(1, 2 * huge), (4, huge), (3, huge)]
        );
    }

    #[test]
    fn numbers_from_before_a_reset_find_nothing() {
        let mut profile = Profile::new(1);
        let old = profile.add(5, HUGE, HUGE, 1.0);
        profile.reset(1);
        profile.add(6, HUGE, HUGE, 1.0);

        assert!(!profile.release(old));
        assert_eq!(read(&profile), [(6, 0, HUGE, HUGE)]);
    }

    #[test]
    fn a_sample_takes_what_it_stands_for_to_another_route() {
        let mut profile = Profile::new(1);
        let first = profile.add(5, HUGE, HUGE, 1.0);
        let gone = profile.add(6, HUGE, HUGE, 1.0);
        profile.release(gone);

        assert!(profile.change_route(first, Key::from_u32(7)));
        assert!(!profile.change_route(gone, Key::from_u32(7)));
        assert_eq!(read(&profile), [(5, 7, HUGE, HUGE), (6, 0, 0.0, HUGE)]);
    }
}
