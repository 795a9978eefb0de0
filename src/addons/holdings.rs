//! What one addon holds in one environment, one entry for each thing.
//!
//! Knows: every reference with its count; every finalizer that has yet to run; every deferred and async work.
//! Out of scope: napi. Addresses are keys here; nothing behind them is looked at.
//! Limits: one thread; things from before the watch began are unknown, and what happens to them is not counted.
//!
//! ```text
//!  a record (a finalizer of the addon's, ours in its place):
//!
//!   reserve ──▶ InCall ──▶ commit ──▶ Live ──▶ finalize ─────────────▶ free
//!                  │                   └─────▶ forget (remove_wrap, ─▶ free
//!                  │                           reference deleted)
//!                  ├──▶ finalize ──▶ Finalized ──▶ commit ───────────▶ free
//!                  └──▶ abandon ──▶ free, or Stray when Node may still call
//! ```

#![forbid(unsafe_code)]

use super::figures::{Figures, Kind};
use super::pointer_table::PointerTable;
use super::stacks::Stacks;

/// One reference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Reference {
    count: u32,
    /// The record whose finalizer ends with the same object, plus 1; 0 for none.
    record: u32,
    /// Where it was made, if it was sampled; 0 if not.
    site: u32,
    /// Its object is known to be gone.
    outlived: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Free,
    InCall,
    Finalized,
    Live,
    Stray,
}

/// What a finalizer of ours must know to stand in for the addon's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Finalizer {
    /// The addon's function; 0 when it gave none.
    pub callback: usize,
    /// What the addon wants to be called with.
    pub hint: usize,
}

/// One cache line: collected objects come in any order.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
struct Record {
    state: State,
    kind: Kind,
    generation: u8,
    finalizer: Finalizer,
    bytes: u64,
    /// The native object of a wrap; where the bytes of an external Buffer or ArrayBuffer are.
    native: usize,
    /// The reference that came with it; 0 for none.
    reference: usize,
    /// Where it was made, if it was sampled; 0 if not.
    site: u32,
    /// Its neighbours among wraps of the same native object, plus 1. `next` also links free records.
    next: u32,
    previous: u32,
}

/// Names a record towards Node; see [`Holdings::finalize`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordId {
    /// Its place.
    pub place: u32,
    /// How often the place was used before, in the lowest 8 bits.
    pub generation: u8,
}

/// Wraps of one native object.
#[derive(Debug, Clone, Copy, Default)]
struct Wraps {
    /// The record of the latest, plus 1.
    head: u32,
    count: u32,
    /// How many of them were removed without our knowing which. They are counted no more.
    removed: u32,
    /// How many finalizers of removed ones are counted no more.
    removed_pending: u32,
    /// One may have been removed that is not in the holdings.
    uncertain: bool,
}

/// `shrink` is called when fewer than one record in 16 is in use.
const SHRINK_AT: u32 = 16;
/// A shorter list stays.
const KEPT_RECORDS: usize = 4_096;

/// All entries.
#[derive(Debug, Default)]
pub struct Holdings {
    references: PointerTable<Reference>,
    records: Vec<Record>,
    /// The first free record, plus 1.
    free: u32,
    /// Records that are not free.
    outstanding: u32,
    /// When fewer records than this are in use, `shrink` gives the memory of the free ones at the end back.
    shrink_below: u32,
    /// The generation of a newly made record. It is above that of every record that `shrink` removed, as a later record may get the
    /// same place.
    first_generation: u8,
    /// By native object; kept from the first removed wrap on, as few addons ever remove one.
    wraps: PointerTable<Wraps>,
    wraps_are_indexed: bool,
    deferreds: PointerTable<()>,
    async_works: PointerTable<()>,
    /// Where the search for outlived references goes on.
    cursor: usize,
    /// Where sampled things were made.
    pub stacks: Stacks,
    /// Something could not be entered because there was no memory.
    incomplete: bool,
}

impl Holdings {
    /// Empty holdings; they take no memory yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Records that Node may still call.
    pub fn outstanding(&self) -> u32 {
        self.outstanding
    }

    /// Whether something could not be entered.
    pub fn incomplete(&self) -> bool {
        self.incomplete
    }

    /// Forgets everything but the records that Node may still call; those no longer count anywhere.
    pub fn detach(&mut self, figures: &Figures) {
        self.references.clear();
        self.wraps.clear();
        self.wraps_are_indexed = false;
        self.deferreds.clear();
        self.async_works.clear();
        self.cursor = 0;
        self.incomplete = false;
        self.stacks.clear();
        for record in &mut self.records {
            if record.state == State::Live {
                record.state = State::Stray;
            }
            record.reference = 0;
            record.site = 0;
        }
        self.shrink();
        figures.clear();
    }

    // ── references ──────────────────────────────────────────────────────────────────────────────────────────────

    /// A reference was created with this count.
    #[inline]
    pub fn reference_created(&mut self, figures: &Figures, address: usize, count: u32) {
        self.enter_reference(figures, address, count, 0);
    }

    /// Where the reference that was just created was made.
    pub fn reference_made_at(&mut self, address: usize, site: u32) {
        if let Some(entry) = self.references.get_mut(address) {
            entry.site = site;
        }
    }

    /// Where the thing that was just committed was made.
    pub fn record_made_at(&mut self, id: RecordId, site: u32) {
        match self.records.get_mut(id.place as usize) {
            Some(record) if record.generation == id.generation => record.site = site,
            // It has ended within the call.
            _ => self.stacks.end(site),
        }
    }

    #[inline]
    fn enter_reference(&mut self, figures: &Figures, address: usize, count: u32, record: u32) {
        let entry = Reference {
            count,
            record,
            site: 0,
            outlived: false,
        };
        figures.references.add(1);
        match self.references.insert(address, entry) {
            Ok(None) => {}
            // Deleted where we could not see it.
            Ok(Some(old)) => {
                Self::uncount_reference(figures, old);
                self.stacks.end(old.site);
            }
            Err(_) => {
                self.incomplete = true;
                return;
            }
        }
        if count > 0 {
            figures.strong.add(1);
            figures.count_sum.add(u64::from(count));
            figures.highest.raise(u64::from(count));
        } else {
            figures.weak.add(1);
        }
    }

    #[inline]
    fn uncount_reference(figures: &Figures, entry: Reference) {
        if entry.count > 0 {
            figures.strong.take(1);
            figures.count_sum.take(u64::from(entry.count));
        } else {
            figures.weak.take(1);
            if entry.outlived {
                figures.outlived.take(1);
            }
        }
    }

    /// A reference was deleted. A finalizer that came with it will not run any more.
    #[inline]
    pub fn reference_deleted(&mut self, figures: &Figures, address: usize) {
        let Some(entry) = self.references.remove(address) else {
            return;
        };
        Self::uncount_reference(figures, entry);
        self.stacks.end(entry.site);
        figures.deleted.add(1);
        if entry.record != 0 {
            self.forget(figures, entry.record - 1);
        }
    }

    /// The count of a reference changed.
    #[inline]
    pub fn reference_counted(&mut self, figures: &Figures, address: usize, count: u32) {
        let Some(entry) = self.references.get_mut(address) else {
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

    /// Asks `is_gone` about weak references whose object was there when last asked, up to `limit` entries; goes on where
    /// it stopped the last time. Whether all have been asked.
    pub fn find_outlived(
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
            .references
            .visit(self.cursor, limit, |address, reference| {
                if reference.count == 0 && !reference.outlived && is_gone(address) {
                    reference.outlived = true;
                    figures.outlived.add(1);
                }
            });
        self.cursor = next.unwrap_or(0);
        from_start && next.is_none()
    }

    /// Where the bytes of external Buffers and ArrayBuffers are that the addon has not got back yet.
    pub fn external_places(&self) -> impl Iterator<Item = usize> + '_ {
        self.records
            .iter()
            .filter(|record| {
                record.state == State::Live
                    && record.bytes > 0
                    && matches!(
                        record.kind,
                        Kind::ExternalBuffer | Kind::ExternalArrayBuffer
                    )
            })
            .map(|record| record.native)
    }

    // ── records ─────────────────────────────────────────────────────────────────────────────────────────────────

    /// A record for a call that is about to be made. `None` when there is no memory.
    #[inline]
    pub fn reserve(
        &mut self,
        kind: Kind,
        finalizer: Finalizer,
        native: usize,
        bytes: u64,
    ) -> Option<RecordId> {
        if self.free == 0 {
            self.grow()?;
        }
        let place = self.free - 1;
        let record = self.records.get_mut(place as usize)?;
        self.free = record.next;
        *record = Record {
            state: State::InCall,
            kind,
            generation: record.generation,
            finalizer,
            bytes,
            native,
            ..Record::default()
        };
        self.outstanding += 1;
        Some(RecordId {
            place,
            generation: record.generation,
        })
    }

    #[cold]
    fn grow(&mut self) -> Option<()> {
        let more = self.records.len().clamp(32, 4_096);
        if self.records.try_reserve(more).is_err() || self.records.len() + more >= u32::MAX as usize
        {
            self.incomplete = true;
            return None;
        }
        for _ in 0..more {
            let place = self.records.len() as u32;
            self.records.push(Record {
                next: self.free,
                generation: self.first_generation,
                ..Record::default()
            });
            self.free = place + 1;
        }
        if self.records.len() > KEPT_RECORDS {
            self.shrink_below = self.records.len() as u32 / SHRINK_AT;
        }
        Some(())
    }

    /// Gives the memory of free records at the end back, if that is at least half of it: what is left is then gone through
    /// once, so that all shrinking together takes no longer than the growing did.
    #[cold]
    fn shrink(&mut self) {
        let kept = self
            .records
            .iter()
            .rposition(|record| record.state != State::Free)
            .map_or(0, |last| last + 1)
            .next_multiple_of(64)
            .min(self.records.len());
        if kept > self.records.len() / 2 {
            self.shrink_when_fewer();
            return;
        }
        let highest = self.records.drain(kept..).map(|record| record.generation);
        // A name from before must not reach a record that comes to the same place.
        if let Some(highest) = highest.max() {
            self.first_generation = self.first_generation.max(highest).wrapping_add(1);
        }
        self.records.shrink_to_fit();
        self.free = 0;
        for (place, record) in self.records.iter_mut().enumerate().rev() {
            if record.state == State::Free {
                record.next = std::mem::replace(&mut self.free, place as u32 + 1);
            }
        }
        self.shrink_when_fewer();
    }

    /// One record in use at the end keeps all below it: tried again when half as many are in use.
    fn shrink_when_fewer(&mut self) {
        self.shrink_below = if self.records.len() > KEPT_RECORDS {
            (self.outstanding / 2)
                .min(self.records.len() as u32 / SHRINK_AT)
                .max(1)
        } else {
            0
        };
    }

    /// The call succeeded. `reference` is the one that it made, or 0.
    #[inline]
    pub fn commit(&mut self, figures: &Figures, id: RecordId, reference: usize) {
        let Some(record) = self.records.get_mut(id.place as usize) else {
            return;
        };
        let (kind, bytes, native) = (record.kind, record.bytes, record.native);
        let finalized = record.state == State::Finalized;
        let has_callback = record.finalizer.callback != 0;
        record.reference = reference;
        if finalized {
            figures.of(kind).pass(bytes);
            self.release(id.place);
        } else {
            record.state = State::Live;
            figures.of(kind).begin(bytes);
            if has_callback {
                figures.finalizers_pending.add(1);
            }
            if kind == Kind::Wrap && self.wraps_are_indexed {
                self.enter_wrap(id.place, native);
            }
        }
        if reference != 0 {
            let record = if finalized { 0 } else { id.place + 1 };
            self.enter_reference(figures, reference, 0, record);
        }
    }

    /// The call failed. `certain`: Node will not call the finalizer.
    #[inline]
    pub fn abandon(&mut self, id: RecordId, certain: bool) {
        let Some(record) = self.records.get_mut(id.place as usize) else {
            return;
        };
        if certain || record.state == State::Finalized {
            self.release(id.place);
        } else {
            record.state = State::Stray;
        }
    }

    /// Node calls the finalizer of a record. What the addon's own is to be called with; `None` for a record that is not
    /// outstanding.
    #[inline]
    pub fn finalize(&mut self, figures: &Figures, id: RecordId) -> Option<Finalizer> {
        let record = self.records.get_mut(id.place as usize)?;
        if record.generation != id.generation {
            return None;
        }
        let finalizer = record.finalizer;
        match record.state {
            State::Free | State::Finalized => return None,
            // The hook that made it is still on the stack and will release it.
            State::InCall => record.state = State::Finalized,
            State::Stray => {
                let reference = record.reference;
                if reference != 0 {
                    self.object_is_gone(figures, reference);
                }
                self.release(id.place);
            }
            State::Live => {
                let (kind, bytes, reference) = (record.kind, record.bytes, record.reference);
                figures.of(kind).end(bytes);
                if finalizer.callback != 0 {
                    figures.finalizers_pending.take(1);
                }
                if reference != 0 {
                    self.object_is_gone(figures, reference);
                }
                if kind == Kind::Wrap && self.wraps_are_indexed {
                    self.leave_wrap(figures, id.place);
                }
                self.release(id.place);
            }
        }
        Some(finalizer)
    }

    fn object_is_gone(&mut self, figures: &Figures, reference: usize) {
        let Some(entry) = self.references.get_mut(reference) else {
            return;
        };
        entry.record = 0;
        // At the end of an environment finalizers run for objects that are still there, strongly held.
        if entry.count == 0 && !entry.outlived {
            entry.outlived = true;
            figures.outlived.add(1);
        }
    }

    /// Node will not call the finalizer of a record any more.
    fn forget(&mut self, figures: &Figures, place: u32) {
        let Some(record) = self.records.get(place as usize).copied() else {
            return;
        };
        if record.state == State::Stray {
            // Counted no more already.
            self.release(place);
            return;
        }
        if record.state != State::Live {
            return;
        }
        let has_callback = record.finalizer.callback != 0;
        let (removed, removed_pending) = if record.kind == Kind::Wrap {
            self.take_removed(record.native, has_callback)
        } else {
            (false, false)
        };
        if !removed {
            figures.of(record.kind).end(record.bytes);
        }
        if has_callback && !removed_pending {
            figures.finalizers_pending.take(1);
        }
        if record.kind == Kind::Wrap && self.wraps_are_indexed {
            self.leave_wrap(figures, place);
        }
        self.release(place);
    }

    /// Whether this is one of those that were removed without our knowing which, and so is counted no more; and its
    /// finalizer.
    fn take_removed(&mut self, native: usize, has_callback: bool) -> (bool, bool) {
        let Some(wraps) = self.wraps.get_mut(native).filter(|wraps| wraps.removed > 0) else {
            return (false, false);
        };
        wraps.removed -= 1;
        let pending = has_callback && wraps.removed_pending > 0;
        wraps.removed_pending -= u32::from(pending);
        (true, pending)
    }

    #[inline]
    fn release(&mut self, place: u32) {
        if let Some(record) = self.records.get_mut(place as usize) {
            self.stacks.end(record.site);
            *record = Record {
                generation: record.generation.wrapping_add(1),
                next: self.free,
                ..Record::default()
            };
            self.free = place + 1;
            self.outstanding -= 1;
            if self.outstanding < self.shrink_below {
                self.shrink();
            }
        }
    }

    // ── wraps ───────────────────────────────────────────────────────────────────────────────────────────────────

    #[inline]
    fn enter_wrap(&mut self, place: u32, native: usize) {
        let next = match self.wraps.get_mut(native) {
            Some(wraps) => {
                wraps.count += 1;
                std::mem::replace(&mut wraps.head, place + 1)
            }
            None => {
                let wraps = Wraps {
                    head: place + 1,
                    count: 1,
                    ..Wraps::default()
                };
                if self.wraps.insert(native, wraps).is_err() {
                    self.incomplete = true;
                    return;
                }
                0
            }
        };
        if let Some(record) = self.records.get_mut(place as usize) {
            record.next = next;
        }
        if next != 0 {
            if let Some(record) = self.records.get_mut(next as usize - 1) {
                record.previous = place + 1;
            }
        }
    }

    #[inline]
    fn leave_wrap(&mut self, figures: &Figures, place: u32) {
        let Some(record) = self.records.get(place as usize).copied() else {
            return;
        };
        if record.previous != 0 {
            if let Some(previous) = self.records.get_mut(record.previous as usize - 1) {
                previous.next = record.next;
            }
        }
        if record.next != 0 {
            if let Some(next) = self.records.get_mut(record.next as usize - 1) {
                next.previous = record.previous;
            }
        }
        let Some(wraps) = self.wraps.get_mut(record.native) else {
            return;
        };
        wraps.count = wraps.count.saturating_sub(1);
        if wraps.head == place + 1 {
            wraps.head = record.next;
        }
        if wraps.count == wraps.removed {
            self.end_removed(figures, record.native);
        }
    }

    /// As many wraps of a native object were removed as are left in the holdings.
    ///
    /// Where all wraps are known these are the removed ones, and Node calls none of their finalizers. Where some are not, an
    /// unknown one may be the one that was removed, and Node may still call a finalizer of those that are left: their
    /// records stay, counted no more. A record that is freed too early would swallow the addon's finalizer.
    fn end_removed(&mut self, figures: &Figures, native: usize) {
        let Some(wraps) = self.wraps.remove(native) else {
            return;
        };
        let (mut next, mut pending) = (wraps.head, 0);
        while let Some(place) = next.checked_sub(1) {
            let Some(record) = self.records.get(place as usize).copied() else {
                break;
            };
            if wraps.uncertain {
                self.make_stray(place);
            } else {
                self.unlink_reference(place);
                self.release(place);
            }
            pending += u64::from(record.finalizer.callback != 0);
            next = record.next;
        }
        figures
            .finalizers_pending
            .take(pending.saturating_sub(u64::from(wraps.removed_pending)));
    }

    /// Takes a record out of what is counted. Node may still call its finalizer.
    fn make_stray(&mut self, place: u32) {
        if let Some(record) = self.records.get_mut(place as usize) {
            record.state = State::Stray;
            record.next = 0;
            record.previous = 0;
            let site = std::mem::take(&mut record.site);
            self.stacks.end(site);
        }
    }

    #[cold]
    fn index_wraps(&mut self) {
        self.wraps_are_indexed = true;
        for place in 0..self.records.len() {
            let record = self.records.get(place).copied().unwrap_or_default();
            if record.kind == Kind::Wrap && record.state == State::Live {
                self.enter_wrap(place as u32, record.native);
            }
        }
    }

    /// `napi_remove_wrap` succeeded for an object that wrapped `native`: its finalizer will not run.
    /// `all_are_known`: no wrap of this addon was made without our seeing it.
    pub fn wrap_removed(&mut self, figures: &Figures, native: usize, all_are_known: bool) {
        if !self.wraps_are_indexed {
            self.index_wraps();
        }
        let Some(wraps) = self.wraps.get_mut(native) else {
            return;
        };
        // What came from before the watch stays unknown, so a guess once made stays a guess.
        wraps.uncertain |= !all_are_known;
        if wraps.count == 1 && !wraps.uncertain {
            let place = wraps.head - 1;
            self.unlink_reference(place);
            self.forget(figures, place);
            return;
        }
        // Node does not say which of several objects that wrap the same native one this was. One is counted no more; what
        // becomes of the records is decided when as many were removed as are left.
        let pending = self
            .records
            .get(wraps.head.wrapping_sub(1) as usize)
            .is_some_and(|record| record.finalizer.callback != 0);
        wraps.removed += 1;
        wraps.removed_pending += u32::from(pending);
        let all_removed = wraps.removed == wraps.count;
        figures.wraps.live.take(1);
        if pending {
            figures.finalizers_pending.take(1);
        }
        if all_removed {
            self.end_removed(figures, native);
        }
    }

    /// The reference of a removed wrap stays, and is the addon's to delete.
    fn unlink_reference(&mut self, place: u32) {
        let reference = self
            .records
            .get(place as usize)
            .map_or(0, |record| record.reference);
        if reference != 0 {
            if let Some(entry) = self.references.get_mut(reference) {
                entry.record = 0;
            }
        }
    }

    // ── deferreds and async works ───────────────────────────────────────────────────────────────────────────────

    /// A promise was created.
    pub fn deferred_created(&mut self, figures: &Figures, address: usize) {
        match self.deferreds.insert(address, ()) {
            Ok(None) => figures.deferreds.begin(0),
            Ok(Some(())) => figures.deferreds.pass(0),
            Err(_) => self.incomplete = true,
        }
    }

    /// Its deferred was resolved or rejected.
    pub fn deferred_settled(&mut self, figures: &Figures, address: usize) {
        if self.deferreds.remove(address).is_some() {
            figures.deferreds.end(0);
        }
    }

    /// An async work was created.
    pub fn async_work_created(&mut self, figures: &Figures, address: usize) {
        match self.async_works.insert(address, ()) {
            Ok(None) => figures.async_works.begin(0),
            Ok(Some(())) => figures.async_works.pass(0),
            Err(_) => self.incomplete = true,
        }
    }

    /// It was deleted.
    pub fn async_work_deleted(&mut self, figures: &Figures, address: usize) {
        if self.async_works.remove(address).is_some() {
            figures.async_works.end(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDON: Finalizer = Finalizer {
        callback: 0xF00,
        hint: 0x77,
    };

    fn wrap(
        holdings: &mut Holdings,
        figures: &Figures,
        native: usize,
        reference: usize,
    ) -> RecordId {
        let id = holdings
            .reserve(Kind::Wrap, ADDON, native, 0)
            .expect("memory");
        holdings.commit(figures, id, reference);
        id
    }

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
    fn the_places_of_external_buffers_are_known_until_they_are_finalized() {
        let (mut holdings, figures) = (Holdings::new(), Figures::default());
        let made = |holdings: &mut Holdings, kind, native, bytes| {
            let id = holdings
                .reserve(kind, ADDON, native, bytes)
                .expect("memory");
            holdings.commit(&figures, id, 0);
            id
        };
        wrap(&mut holdings, &figures, 0x10, 0);
        let buffer = made(&mut holdings, Kind::ExternalBuffer, 0x20, 5);
        made(&mut holdings, Kind::ExternalArrayBuffer, 0x30, 7);
        made(&mut holdings, Kind::ExternalBuffer, 0x40, 0);
        holdings
            .reserve(Kind::ExternalBuffer, ADDON, 0x50, 9)
            .expect("memory");
        let mut places: Vec<usize> = holdings.external_places().collect();
        places.sort_unstable();
        assert_eq!(places, [0x20, 0x30]);
        holdings.finalize(&figures, buffer);
        assert_eq!(holdings.external_places().collect::<Vec<_>>(), [0x30]);
    }

    #[test]
    fn what_happens_to_unknown_things_is_not_counted() {
        let (mut holdings, figures) = (Holdings::new(), Figures::default());
        holdings.reference_deleted(&figures, 0x10);
        holdings.reference_counted(&figures, 0x10, 3);
        holdings.deferred_settled(&figures, 0x30);
        holdings.async_work_deleted(&figures, 0x40);
        holdings.wrap_removed(&figures, 0x50, true);
        assert_eq!(figures.numbers(), Figures::default().numbers());
    }

    #[test]
    fn an_address_that_comes_again_was_deleted_unseen() {
        let (mut holdings, figures) = (Holdings::new(), Figures::default());
        holdings.reference_created(&figures, 0x10, 3);
        holdings.reference_created(&figures, 0x10, 0);
        assert_eq!(figures.numbers()[..7], [1., 0., 1., 0., 2., 0., 0.]);
    }

    #[test]
    fn a_wrap_ends_with_its_finalizer_and_its_reference_outlives_it() {
        let (mut holdings, figures) = (Holdings::new(), Figures::default());
        let id = wrap(&mut holdings, &figures, 0x1000, 0x10);
        assert_eq!(figures.wraps.live.get(), 1);
        assert_eq!(figures.finalizers_pending.get(), 1);

        assert_eq!(holdings.finalize(&figures, id), Some(ADDON));
        assert_eq!(holdings.finalize(&figures, id), None);
        assert_eq!(figures.wraps.live.get(), 0);
        assert_eq!(figures.finalizers_pending.get(), 0);
        assert_eq!(figures.outlived.get(), 1);

        holdings.reference_deleted(&figures, 0x10);
        assert_eq!(figures.outlived.get(), 0);
        assert_eq!(holdings.outstanding(), 0);
        assert!(holdings.wraps.is_empty());
    }

    #[test]
    fn deleting_the_reference_of_a_wrap_ends_its_finalizer() {
        let (mut holdings, figures) = (Holdings::new(), Figures::default());
        let id = wrap(&mut holdings, &figures, 0x1000, 0x10);
        holdings.reference_deleted(&figures, 0x10);
        assert_eq!(holdings.outstanding(), 0);
        assert_eq!(figures.wraps.live.get(), 0);
        assert_eq!(holdings.finalize(&figures, id), None);
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

    #[test]
    fn a_finalizer_that_runs_inside_the_call_is_counted_as_passed() {
        let (mut holdings, figures) = (Holdings::new(), Figures::default());
        let id = holdings
            .reserve(Kind::External, ADDON, 0, 9)
            .expect("memory");
        assert_eq!(holdings.finalize(&figures, id), Some(ADDON));
        holdings.commit(&figures, id, 0);
        assert_eq!(figures.externals.live.get(), 0);
        assert_eq!(figures.externals.total_bytes.get(), 9);
        assert_eq!(holdings.outstanding(), 0);
    }

    #[test]
    fn a_failed_call_counts_nothing_and_its_finalizer_may_still_come() {
        let (mut holdings, figures) = (Holdings::new(), Figures::default());
        let sure = holdings.reserve(Kind::Wrap, ADDON, 1, 0).expect("memory");
        holdings.abandon(sure, true);
        assert_eq!(holdings.outstanding(), 0);
        let unsure = holdings
            .reserve(Kind::ExternalBuffer, ADDON, 0, 5)
            .expect("memory");
        holdings.abandon(unsure, false);
        assert_eq!(holdings.finalize(&figures, unsure), Some(ADDON));
        assert_eq!(holdings.finalize(&figures, sure), None);
        assert_eq!(holdings.outstanding(), 0);
        assert_eq!(figures.numbers(), Figures::default().numbers());
    }

    #[test]
    fn records_from_before_a_pause_still_find_the_addon_s_finalizer_and_no_longer_count() {
        let (mut holdings, figures) = (Holdings::new(), Figures::default());
        let id = wrap(&mut holdings, &figures, 0x1000, 0x10);
        holdings.detach(&figures);
        assert_eq!(figures.wraps.live.get(), 0);
        assert_eq!(holdings.finalize(&figures, id), Some(ADDON));
        assert_eq!(figures.wraps.live.get(), 0);
        assert_eq!(holdings.outstanding(), 0);
    }

    #[test]
    fn what_a_burst_took_is_given_back() {
        let (mut holdings, figures) = (Holdings::new(), Figures::default());
        let early = wrap(&mut holdings, &figures, 0x10, 0x10);
        let ids: Vec<RecordId> = (2..200_000usize)
            .map(|n| wrap(&mut holdings, &figures, n * 16, n * 16))
            .collect();
        assert!(holdings.records.capacity() >= 200_000);
        for (n, id) in ids.iter().enumerate() {
            assert_eq!(holdings.finalize(&figures, *id), Some(ADDON));
            holdings.reference_deleted(&figures, (n + 2) * 16);
        }
        assert!(
            holdings.records.capacity() <= KEPT_RECORDS,
            "{}",
            holdings.records.capacity()
        );
        assert!(
            holdings.references.entry_count() <= 4_096,
            "{}",
            holdings.references.entry_count()
        );
        // What is left is still known, and old names reach nothing that comes to their places.
        let again: Vec<RecordId> = (2..100_000usize)
            .map(|n| wrap(&mut holdings, &figures, n * 16, 0))
            .collect();
        for id in &ids[..1_000] {
            assert_eq!(holdings.finalize(&figures, *id), None);
        }
        assert_eq!(holdings.finalize(&figures, early), Some(ADDON));
        for id in again {
            assert_eq!(holdings.finalize(&figures, id), Some(ADDON));
        }
        assert_eq!(holdings.outstanding(), 0);
    }

    #[test]
    fn a_record_at_the_end_does_not_make_every_release_look_for_memory() {
        let (mut holdings, figures) = (Holdings::new(), Figures::default());
        let ids: Vec<RecordId> = (1..100_000usize)
            .map(|n| wrap(&mut holdings, &figures, n * 16, 0))
            .collect();
        let (last, others) = ids
            .iter()
            .enumerate()
            .max_by_key(|(_, id)| id.place)
            .map(|(at, last)| (*last, at))
            .expect("one");
        let mut looks = 0;
        let mut before = holdings.shrink_below;
        for (at, id) in ids.iter().enumerate() {
            if at != others {
                holdings.finalize(&figures, *id);
            }
            looks += usize::from(before != holdings.shrink_below);
            before = holdings.shrink_below;
        }
        assert!(looks < 20, "{looks}");
        holdings.finalize(&figures, last);
        assert!(holdings.records.capacity() <= KEPT_RECORDS);
    }

    #[test]
    fn detaching_gives_back_all_but_what_node_may_still_call() {
        let (mut holdings, figures) = (Holdings::new(), Figures::default());
        let early = wrap(&mut holdings, &figures, 0x10, 0x10);
        for n in 2..50_000usize {
            holdings.reference_created(&figures, n * 16, 1);
            let id = wrap(&mut holdings, &figures, n * 16, 0);
            holdings.finalize(&figures, id);
        }
        holdings.detach(&figures);
        assert_eq!(holdings.references.entry_count(), 0);
        assert!(
            holdings.records.capacity() <= 64,
            "{}",
            holdings.records.capacity()
        );
        assert_eq!(holdings.finalize(&figures, early), Some(ADDON));
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

    #[test]
    fn records_are_used_again_and_old_names_do_not_reach_new_ones() {
        let (mut holdings, figures) = (Holdings::new(), Figures::default());
        let first = wrap(&mut holdings, &figures, 0x10, 0);
        holdings.finalize(&figures, first);
        let second = wrap(&mut holdings, &figures, 0x20, 0);
        assert_eq!(second.place, first.place);
        assert_eq!(holdings.finalize(&figures, first), None);
        for n in 0..10_000 {
            let id = wrap(&mut holdings, &figures, n * 16, 0);
            holdings.finalize(&figures, id);
        }
        assert!(holdings.records.len() <= 32);
    }
}
