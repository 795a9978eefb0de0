//! Where sampled things were made.
//!
//! Knows: for each distinct stack and kind, how many of the sampled things are live, and how many there ever were.
//! Out of scope: how a stack is captured, or what its addresses mean.
//! Limitations: a thousand distinct ones; what is made at another place after that is not sampled.

#![forbid(unsafe_code)]

use rustc_hash::FxHashMap;

/// More distinct stacks than this are not kept.
const LIMIT: usize = 1_000;

/// One stack, and what was made there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// What: as `Kind` numbers them, or [`REFERENCE`].
    pub kind: u8,
    /// Return addresses, innermost first.
    pub frames: Box<[usize]>,
    /// Sampled things that are live.
    pub live: u32,
    /// Sampled things ever.
    pub total: u32,
}

/// The kind of references.
pub const REFERENCE: u8 = u8::MAX;

/// All sites. A site's number is its place plus 1; 0 is none.
#[derive(Debug, Default)]
pub struct Stacks {
    sites: Vec<Site>,
    numbers: FxHashMap<(u8, Box<[usize]>), u32>,
    every: u32,
    until: u32,
}

impl Stacks {
    /// Samples one thing in `every` from now on; none with 0.
    pub fn set_every(&mut self, every: u32) {
        if every != self.every {
            self.every = every;
            // The first one is sampled: so a single one is seen.
            self.until = 1;
        }
    }

    /// Whether the thing that is being made is to be sampled.
    #[inline]
    pub fn is_due(&mut self) -> bool {
        if self.every == 0 {
            return false;
        }
        self.until = self.until.saturating_sub(1);
        if self.until > 0 {
            return false;
        }
        self.until = self.every;
        true
    }

    /// A sampled thing was made; the number of its site.
    pub fn begin(&mut self, kind: u8, frames: &[usize]) -> u32 {
        let key = (kind, Box::from(frames));
        let number = match self.numbers.get(&key) {
            Some(number) => *number,
            None if self.sites.len() >= LIMIT => return 0,
            None => {
                self.sites.push(Site {
                    kind,
                    frames: Box::from(frames),
                    live: 0,
                    total: 0,
                });
                let number = self.sites.len() as u32;
                self.numbers.insert(key, number);
                number
            }
        };
        if let Some(site) = self.sites.get_mut(number as usize - 1) {
            site.live += 1;
            site.total += 1;
        }
        number
    }

    /// A sampled thing has ended.
    #[inline]
    pub fn end(&mut self, number: u32) {
        if number != 0 {
            if let Some(site) = self.sites.get_mut(number as usize - 1) {
                site.live = site.live.saturating_sub(1);
            }
        }
    }

    /// All sites.
    pub fn sites(&self) -> &[Site] {
        &self.sites
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Stacks::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_n_is_sampled_beginning_with_the_first() {
        let mut stacks = Stacks::default();
        assert!(!stacks.is_due());
        stacks.set_every(3);
        let due: Vec<bool> = (0..7).map(|_| stacks.is_due()).collect();
        assert_eq!(due, [true, false, false, true, false, false, true]);
    }

    #[test]
    fn equal_stacks_of_one_kind_are_one_site() {
        let mut stacks = Stacks::default();
        let first = stacks.begin(REFERENCE, &[1, 2, 3]);
        assert_eq!(stacks.begin(REFERENCE, &[1, 2, 3]), first);
        let other = stacks.begin(0, &[1, 2, 3]);
        assert_ne!(other, first);
        stacks.end(first);
        stacks.end(0);
        let counts: Vec<(u32, u32)> = stacks
            .sites()
            .iter()
            .map(|site| (site.live, site.total))
            .collect();
        assert_eq!(counts, [(1, 2), (1, 1)]);
    }

    #[test]
    fn there_is_a_bound() {
        let mut stacks = Stacks::default();
        for address in 0..2_000 {
            stacks.begin(0, &[address]);
        }
        assert_eq!(stacks.sites().len(), 1_000);
        assert_eq!(stacks.begin(0, &[5_000]), 0);
        assert_eq!(stacks.begin(0, &[5]), 6);
    }
}
