//! References: each with its count.
//!
//! Knows: the count of every reference, the record whose finalizer belongs to the same object, and whether its object is gone.
//! Out of scope: napi. An address is a key here; nothing reads what is behind it.
//! Limitations: references from before the watch began are unknown.

#![forbid(unsafe_code)]

use crate::addons::figures::Figures;
use crate::addons::pointer_table::{NoMemory, PointerTable};

/// One reference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Reference {
    count: u32,
    /// The record whose finalizer ends with the same object, plus 1; 0 for none.
    pub(super) record: u32,
    /// Where it was made, if it was sampled; 0 if not.
    pub(super) site: u32,
    /// Its object is known to be gone.
    outlived: bool,
}

/// All references of one environment.
#[derive(Debug, Default)]
pub(super) struct References {
    by_address: PointerTable<Reference>,
    /// Where the search for outlived references goes on.
    cursor: usize,
}

impl References {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.by_address.clear();
        self.cursor = 0;
    }

    /// A reference was created. The one that had its address before, if its end was not seen.
    #[inline]
    pub(super) fn enter(
        &mut self,
        figures: &Figures,
        address: usize,
        count: u32,
        record: u32,
    ) -> Result<Option<Reference>, NoMemory> {
        let entry = Reference {
            count,
            record,
            site: 0,
            outlived: false,
        };
        figures.references.add(1);
        let replaced = self.by_address.insert(address, entry)?;
        if let Some(replaced) = replaced {
            replaced.uncount(figures);
        }
        if count > 0 {
            figures.strong.add(1);
            figures.count_sum.add(u64::from(count));
            figures.highest.raise(u64::from(count));
        } else {
            figures.weak.add(1);
        }
        Ok(replaced)
    }

    /// A reference was deleted; nothing if it is unknown.
    #[inline]
    pub(super) fn remove(&mut self, figures: &Figures, address: usize) -> Option<Reference> {
        let entry = self.by_address.remove(address)?;
        entry.uncount(figures);
        figures.deleted.add(1);
        Some(entry)
    }

    /// The count of a reference changed.
    #[inline]
    pub(super) fn set_count(&mut self, figures: &Figures, address: usize, count: u32) {
        let Some(entry) = self.by_address.get_mut(address) else {
            return;
        };
        let before = entry.count;
        entry.count = count;
        if count > before {
            figures.count_sum.add(u64::from(count - before));
            figures.highest.raise(u64::from(count));
        } else {
            figures.count_sum.take(u64::from(before - count));
        }
        match (before > 0, count > 0) {
            (false, true) => {
                figures.weak.take(1);
                figures.strong.add(1);
            }
            (true, false) => {
                figures.strong.take(1);
                figures.weak.add(1);
            }
            _ => {}
        }
    }

    /// Where a reference was made.
    pub(super) fn set_site(&mut self, address: usize, site: u32) {
        if let Some(entry) = self.by_address.get_mut(address) {
            entry.site = site;
        }
    }

    /// No finalizer belongs to the object of a reference any more.
    pub(super) fn unlink(&mut self, address: usize) {
        if let Some(entry) = self.by_address.get_mut(address) {
            entry.record = 0;
        }
    }

    /// The finalizer of the object of a reference has run.
    pub(super) fn object_is_gone(&mut self, figures: &Figures, address: usize) {
        let Some(entry) = self.by_address.get_mut(address) else {
            return;
        };
        entry.record = 0;
        // At the end of an environment finalizers run for objects that are still there, strongly held.
        if entry.count == 0 && !entry.outlived {
            entry.outlived = true;
            figures.outlived.add(1);
        }
    }

    /// Asks `is_gone` about weak references whose object was there when last asked, up to `limit` entries; goes on where
    /// it stopped the last time. Whether all have been asked.
    pub(super) fn find_outlived(
        &mut self,
        figures: &Figures,
        limit: usize,
        mut is_gone: impl FnMut(usize) -> bool,
    ) -> bool {
        if figures.weak.get() == figures.outlived.get() {
            return true;
        }
        let from_start = self.cursor == 0;
        let next = self
            .by_address
            .visit(self.cursor, limit, |address, reference| {
                if reference.count == 0 && !reference.outlived && is_gone(address) {
                    reference.outlived = true;
                    figures.outlived.add(1);
                }
            });
        self.cursor = next.unwrap_or(0);
        from_start && next.is_none()
    }

    /// For tests: how many entries it takes memory for.
    #[cfg(test)]
    pub(super) fn entry_count(&self) -> usize {
        self.by_address.entry_count()
    }
}

impl Reference {
    #[inline]
    fn uncount(self, figures: &Figures) {
        if self.count > 0 {
            figures.strong.take(1);
            figures.count_sum.take(u64::from(self.count));
        } else {
            figures.weak.take(1);
            if self.outlived {
                figures.outlived.take(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addons::holdings::Holdings;

    #[test]
    fn a_reference_goes_from_strong_to_weak_and_back_and_is_gone() {
        let (mut holdings, figures) = (Holdings::new(), Figures::default());
        holdings.reference_created(&figures, 0x10, 2);
        holdings.reference_created(&figures, 0x20, 0);
        holdings.reference_counted(&figures, 0x10, 5);
        assert_eq!(figures.numbers()[..8], [2., 1., 1., 0., 2., 0., 5., 5.]);

        holdings.reference_counted(&figures, 0x10, 0);
        holdings.reference_counted(&figures, 0x20, 1);
        assert_eq!(figures.numbers()[..8], [2., 1., 1., 0., 2., 0., 1., 5.]);

        holdings.reference_deleted(&figures, 0x10);
        holdings.reference_deleted(&figures, 0x20);
        assert_eq!(figures.numbers()[..8], [0., 0., 0., 0., 2., 2., 0., 5.]);
    }

    #[test]
    fn an_address_that_comes_again_was_deleted_unseen() {
        let (mut holdings, figures) = (Holdings::new(), Figures::default());
        holdings.reference_created(&figures, 0x10, 3);
        holdings.reference_created(&figures, 0x10, 0);
        assert_eq!(figures.numbers()[..7], [1., 0., 1., 0., 2., 0., 0.]);
    }

    #[test]
    fn outlived_references_are_found_in_several_rounds() {
        let (mut holdings, figures) = (Holdings::new(), Figures::default());
        for place in 1..=100 {
            holdings.reference_created(&figures, place * 16, u32::from(place % 2 == 0));
        }
        let mut asked = 0;
        // 256 entries in pieces of 64
        for _ in 0..4 {
            let all = holdings.find_outlived(&figures, 64, |address| {
                asked += 1;
                address % 32 == 16 && address < 800
            });
            assert!(!all);
        }
        assert_eq!(figures.outlived.get(), 25);
        assert_eq!(asked, 50);
        // A strong one whose count falls is asked from then on.
        holdings.reference_counted(&figures, 32, 0);
        while figures.outlived.get() < 26 {
            holdings.find_outlived(&figures, 1_000, |address| address == 32);
        }
    }
}
