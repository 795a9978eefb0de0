//! Wraps by native object: which of them a `napi_remove_wrap` was about.
//!
//! Knows: the wraps of each native object, and how many of them were removed. Node does not say which of several objects that wrap
//! the same native one was removed; so it is decided when as many were removed as are left.
//! Out of scope: what a wrap counts as; the caller counts what it is answered.
//! Limitations: wraps from before the watch began are unknown. Where there may be some, a removal may have been of one of them, and Node may still
//! call the finalizer of the known one: its record stays as a stray. A stray is freed when its native object is wrapped anew, because the addon has then
//! freed that object and the allocator has given its address out again. Not so in an addon that wraps one native object several times at once. An addon that does
//! so only with a wrap from before the watch may lose one finalizer; a stray for each removal would be a leak.
//!
//! The index exists from the first removal on, as few addons ever remove a wrap.

#![forbid(unsafe_code)]

use super::records::{RecordState, Records};
use crate::addons::figures::Kind;
use crate::addons::pointer_table::{NoMemory, PointerTable};

/// Wraps of one native object.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct WrapsOfOne {
    /// The record of the latest, plus 1.
    pub(super) head: u32,
    count: u32,
    /// How many of them were removed without our knowing which. They are counted no more.
    removed: u32,
    /// How many finalizers of removed ones are counted no more.
    pub(super) removed_pending: u32,
    /// A removed one may be one that we do not know.
    pub(super) uncertain: bool,
}

/// What a removal was about.
#[derive(Debug)]
pub(super) enum Removal {
    /// A wrap that we do not know.
    Unknown,
    /// The wrap of this record, which the index knows no more.
    Known(u32),
    /// One of several.
    OneOfSeveral {
        /// A finalizer is counted no more.
        pending: bool,
        /// As many were removed as are left: these.
        left: Option<WrapsOfOne>,
    },
}

/// The wraps of one environment by native object.
#[derive(Debug, Default)]
pub(super) struct WrapIndex {
    by_native: PointerTable<WrapsOfOne>,
    exists: bool,
    /// Two wraps of one native object were alive at the same time.
    shares: bool,
    /// The record of the stray of a native object, plus 1.
    strays: PointerTable<u32>,
}

impl WrapIndex {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.by_native.clear();
        self.exists = false;
        self.shares = false;
        self.strays.clear();
    }

    /// For tests: whether no wrap is in it.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.by_native.is_empty()
    }

    /// A wrap was made.
    #[inline]
    pub(super) fn enter(&mut self, records: &mut Records, place: u32) -> Result<(), NoMemory> {
        if !self.exists {
            return Ok(());
        }
        let Some(native) = records.get(place).map(|record| record.native) else {
            return Ok(());
        };
        let first = WrapsOfOne {
            head: place + 1,
            count: 1,
            ..WrapsOfOne::default()
        };
        let next = match self.by_native.get_or_insert(native, first)? {
            Some(wraps) => {
                wraps.count += 1;
                self.shares = true;
                std::mem::replace(&mut wraps.head, place + 1)
            }
            None => {
                if !self.strays.is_empty() {
                    self.free_stray(records, native);
                }
                return Ok(());
            }
        };
        if let Some(record) = records.get_mut(place) {
            record.next = next;
        }
        if next != 0 {
            if let Some(record) = records.get_mut(next - 1) {
                record.previous = place + 1;
            }
        }
        Ok(())
    }

    /// The record of a removed wrap is a stray from now on.
    pub(super) fn note_stray(&mut self, records: &Records, place: u32) {
        if self.shares {
            return;
        }
        if let Some(record) = records.get(place) {
            // Without memory for the entry the stray stays.
            let _ = self.strays.insert(record.native, place + 1);
        }
    }

    /// A native object is wrapped that nothing known wraps.
    #[cold]
    fn free_stray(&mut self, records: &mut Records, native: usize) {
        if self.shares {
            return;
        }
        let Some(place) = self
            .strays
            .remove(native)
            .and_then(|place| place.checked_sub(1))
        else {
            return;
        };
        // A wrap with a reference ends when the addon deletes that. And the place may have been used for something else since.
        let is_it = records.get(place).is_some_and(|record| {
            record.state == RecordState::Stray
                && record.kind == Kind::Wrap
                && record.native == native
                && record.reference == 0
        });
        if is_it {
            records.release(place);
        }
    }

    /// A wrap has ended, and its record is about to be released. What is left of its native object's wraps, if all of that was removed.
    #[inline]
    pub(super) fn leave(&mut self, records: &mut Records, place: u32) -> Option<WrapsOfOne> {
        if !self.exists {
            return None;
        }
        let record = records.get(place)?;
        let (native, next, previous) = (record.native, record.next, record.previous);
        if previous != 0 {
            if let Some(record) = records.get_mut(previous - 1) {
                record.next = next;
            }
        }
        if next != 0 {
            if let Some(record) = records.get_mut(next - 1) {
                record.previous = previous;
            }
        }
        self.by_native
            .change(native, |wraps| {
                wraps.count = wraps.count.saturating_sub(1);
                if wraps.head == place + 1 {
                    wraps.head = next;
                }
                wraps.count != wraps.removed
            })
            .filter(|wraps| wraps.removed > 0)
    }

    /// A wrap of this native object will not be finalized. Whether it is one of those that were removed without our knowing
    /// which, and so is counted no more; and its finalizer.
    pub(super) fn take_removed(&mut self, native: usize, has_callback: bool) -> (bool, bool) {
        let Some(wraps) = self
            .by_native
            .get_mut(native)
            .filter(|wraps| wraps.removed > 0)
        else {
            return (false, false);
        };
        wraps.removed -= 1;
        let pending = has_callback && wraps.removed_pending > 0;
        wraps.removed_pending -= u32::from(pending);
        (true, pending)
    }

    /// Makes the index. `Err` when a wrap is not in it for lack of memory.
    #[cold]
    fn make(&mut self, records: &mut Records) -> Result<(), NoMemory> {
        self.exists = true;
        let mut made = Ok(());
        for place in 0..records.len() as u32 {
            let is_wrap = records.get(place).is_some_and(|record| {
                record.kind == Kind::Wrap && record.state == RecordState::Live
            });
            if is_wrap {
                made = made.and(self.enter(records, place));
            }
        }
        made
    }

    /// `napi_remove_wrap` succeeded for an object that wrapped `native`: which one it was, and whether the index is complete.
    /// `all_are_known`: no wrap of this addon was made without our seeing it.
    pub(super) fn remove(
        &mut self,
        records: &mut Records,
        native: usize,
        all_are_known: bool,
    ) -> (Removal, Result<(), NoMemory>) {
        let made = if self.exists {
            Ok(())
        } else {
            self.make(records)
        };
        (self.removal(records, native, all_are_known), made)
    }

    /// Where it is known which one was removed, the index knows that one no more.
    fn removal(&mut self, records: &Records, native: usize, all_are_known: bool) -> Removal {
        let mut removal = Removal::Unknown;
        let gone = self.by_native.change(native, |wraps| {
            // What came from before the watch stays unknown, so a guess once made stays a guess.
            wraps.uncertain |= !all_are_known;
            if wraps.count == 1 && !wraps.uncertain {
                removal = Removal::Known(wraps.head - 1);
                return false;
            }
            let pending = records
                .get(wraps.head.wrapping_sub(1))
                .is_some_and(|record| record.has_callback());
            wraps.removed += 1;
            wraps.removed_pending += u32::from(pending);
            removal = Removal::OneOfSeveral {
                pending,
                left: None,
            };
            wraps.removed != wraps.count
        });
        if let Removal::OneOfSeveral { left, .. } = &mut removal {
            *left = gone;
        }
        removal
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addons::figures::Figures;
    use crate::addons::holdings::tests::{wrap, ADDON};
    use crate::addons::holdings::{Holdings, RecordId};

    #[test]
    fn a_removal_is_of_a_known_wrap_only_where_no_other_can_be_meant() {
        // GIVEN one wrap of 1, two wraps of 2
        let mut records = Records::default();
        let mut index = WrapIndex::default();
        let mut made = |native| {
            let id = records
                .reserve(Kind::Wrap, ADDON, native, 0)
                .expect("memory");
            if let Some(record) = records.named(id) {
                record.state = RecordState::Live;
            }
            id.place
        };
        let (alone, first, second) = (made(1), made(2), made(2));
        // WHEN one of each is removed, and one of an object that nobody saw being wrapped
        let mut remove = |native| {
            let (removal, indexed) = index.remove(&mut records, native, true);
            assert_eq!(indexed, Ok(()));
            removal
        };
        // THEN
        assert!(matches!(remove(1), Removal::Known(place) if place == alone));
        assert!(matches!(remove(3), Removal::Unknown));
        assert!(matches!(
            remove(2),
            Removal::OneOfSeveral {
                pending: true,
                left: None
            }
        ));
        let Removal::OneOfSeveral {
            left: Some(left), ..
        } = remove(2)
        else {
            panic!("both are removed");
        };
        assert_eq!((left.removed_pending, left.uncertain), (2, false));
        let linked = records.get(left.head - 1).map(|record| record.next);
        assert_eq!(
            [Some(left.head), linked].map(|place| place.map(|place| place - 1)),
            // Records are gone through from the first place to the last.
            [first.max(second), first.min(second)].map(Some)
        );
    }

    #[test]
    fn a_removed_wrap_leaves_its_reference() {
        let (mut holdings, figures) = (Holdings::new(), Figures::default());
        wrap(&mut holdings, &figures, 0x1000, 0x10);
        holdings.wrap_removed(&figures, 0x1000, true);
        assert_eq!(figures.wraps.live.get(), 0);
        assert_eq!(figures.weak.get(), 1);
        assert_eq!(holdings.outstanding(), 0);
        holdings.reference_deleted(&figures, 0x10);
        assert_eq!(figures.deleted.get(), 1);
        assert_eq!(holdings.outstanding(), 0);
    }

    #[test]
    fn several_wraps_of_one_native_object_are_counted_one_by_one() {
        // GIVEN three objects that wrap the null pointer
        let (mut holdings, figures) = (Holdings::new(), Figures::default());
        let ids: Vec<RecordId> = (0..3)
            .map(|_| wrap(&mut holdings, &figures, 0, 0))
            .collect();
        // WHEN one is collected, and the others are removed
        assert_eq!(holdings.finalize(&figures, ids[1]), Some(ADDON));
        holdings.wrap_removed(&figures, 0, true);
        assert_eq!(figures.wraps.live.get(), 1);
        holdings.wrap_removed(&figures, 0, true);
        // THEN none is left
        assert_eq!(figures.wraps.live.get(), 0);
        assert_eq!(figures.finalizers_pending.get(), 0);
        assert_eq!(holdings.outstanding(), 0);
        assert!(holdings.wraps.is_empty());
    }

    #[test]
    fn what_is_left_of_several_wraps_is_freed_when_the_others_are_collected() {
        let (mut holdings, figures) = (Holdings::new(), Figures::default());
        let ids: Vec<RecordId> = (0..5)
            .map(|n| wrap(&mut holdings, &figures, 0x1000, 0x10 * (n + 1)))
            .collect();
        holdings.wrap_removed(&figures, 0x1000, true);
        assert_eq!(figures.wraps.live.get(), 4);
        assert_eq!(figures.finalizers_pending.get(), 4);
        // Its reference is deleted: now it is known which one it was.
        holdings.reference_deleted(&figures, 0x30);
        assert_eq!(figures.wraps.live.get(), 4);
        holdings.wrap_removed(&figures, 0x1000, true);
        for id in [ids[0], ids[3], ids[4]] {
            assert_eq!(holdings.finalize(&figures, id), Some(ADDON));
        }
        assert_eq!(figures.wraps.live.get(), 0);
        assert_eq!(figures.finalizers_pending.get(), 0);
        assert_eq!(holdings.outstanding(), 0);
        assert!(holdings.wraps.is_empty());
    }

    #[test]
    fn a_removed_wrap_that_may_be_an_unknown_one_leaves_the_finalizer_of_the_known_one() {
        let (mut holdings, figures) = (Holdings::new(), Figures::default());
        // GIVEN one known wrap, and one from before the watch, of the same native object
        let known = wrap(&mut holdings, &figures, 0x1000, 0);
        // WHEN one of the two is removed
        holdings.wrap_removed(&figures, 0x1000, false);
        // THEN none is counted, and the known one still finds the addon's finalizer
        assert_eq!(figures.wraps.live.get(), 0);
        assert_eq!(figures.finalizers_pending.get(), 0);
        assert_eq!(holdings.finalize(&figures, known), Some(ADDON));
        assert_eq!(holdings.outstanding(), 0);
    }

    #[test]
    fn removals_that_may_be_of_unknown_wraps_take_no_memory_for_good() {
        // GIVEN an addon from before the watch that wraps and removes, again and again at the address that malloc gives out again
        let (mut holdings, figures) = (Holdings::new(), Figures::default());
        for _ in 0..1_000 {
            wrap(&mut holdings, &figures, 0x1000, 0);
            holdings.wrap_removed(&figures, 0x1000, false);
        }
        // THEN one record is left, of the last
        assert_eq!(figures.wraps.live.get(), 0);
        assert_eq!(figures.finalizers_pending.get(), 0);
        assert_eq!(holdings.outstanding(), 1);
    }

    #[test]
    fn in_an_addon_that_wraps_one_native_object_several_times_no_stray_is_freed() {
        let (mut holdings, figures) = (Holdings::new(), Figures::default());
        // GIVEN an addon that does so, which is seen at its first removal
        let shared: Vec<RecordId> = (0..2)
            .map(|_| wrap(&mut holdings, &figures, 0x2000, 0))
            .collect();
        let known = wrap(&mut holdings, &figures, 0x1000, 0);
        // WHEN a wrap is removed that may have been an unknown one, and the same native object is wrapped once more
        holdings.wrap_removed(&figures, 0x1000, false);
        let third = wrap(&mut holdings, &figures, 0x1000, 0);
        // THEN every finalizer is found
        for id in [known, third, shared[0], shared[1]] {
            assert_eq!(holdings.finalize(&figures, id), Some(ADDON));
        }
        assert_eq!(holdings.outstanding(), 0);
    }

    #[test]
    fn of_several_wraps_one_of_them_unknown_no_finalizer_is_lost() {
        let (mut holdings, figures) = (Holdings::new(), Figures::default());
        let known: Vec<RecordId> = (0..3)
            .map(|n| wrap(&mut holdings, &figures, 0x1000, 0x10 * (n + 1)))
            .collect();
        for removed in 1..=3 {
            holdings.wrap_removed(&figures, 0x1000, false);
            assert_eq!(figures.wraps.live.get(), 3 - removed);
            assert_eq!(figures.finalizers_pending.get(), 3 - removed);
        }
        // Deleting its reference says that the finalizer of the second will not run.
        holdings.reference_deleted(&figures, 0x20);
        assert_eq!(holdings.outstanding(), 2);
        assert_eq!(holdings.finalize(&figures, known[0]), Some(ADDON));
        assert_eq!(holdings.finalize(&figures, known[1]), None);
        // The reference outlives its object, and what is deleted with it is not a record of later.
        assert_eq!(figures.outlived.get(), 1);
        let later = wrap(&mut holdings, &figures, 0x2000, 0);
        holdings.reference_deleted(&figures, 0x10);
        assert_eq!(holdings.finalize(&figures, later), Some(ADDON));
        assert_eq!(holdings.finalize(&figures, known[2]), Some(ADDON));
        assert_eq!(holdings.outstanding(), 0);
        assert!(holdings.wraps.is_empty());
    }
}
