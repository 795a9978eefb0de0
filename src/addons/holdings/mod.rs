//! What one addon holds in one environment, one entry for each thing.
//!
//! Knows: every reference with its count (`references.rs`), every finalizer that has yet to run (`records.rs`), which wraps share a
//! native object (`wraps.rs`), every deferred and async work.
//! Out of scope: napi. An address is a key here; nothing reads what is behind it.
//! Limitations: one thread. Things from before the watch began are unknown, and what happens to them is not counted.

#![forbid(unsafe_code)]

mod records;
mod references;
mod wraps;

pub use records::{Finalizer, RecordId};

use records::{RecordState, Records};
use references::References;
use wraps::{Removal, WrapIndex, WrapsOfOne};

use super::figures::{Figures, Kind};
use super::pointer_table::PointerTable;
use super::stacks::Stacks;

/// All entries. In this order: see `AddonEnvironment`.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Holdings {
    records: Records,
    references: References,
    wraps: WrapIndex,
    deferreds: PointerTable<()>,
    async_works: PointerTable<()>,
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
        self.records.outstanding()
    }

    /// Whether something could not be entered.
    pub fn incomplete(&self) -> bool {
        self.incomplete
    }

    /// Forgets everything but the records that Node may still call; those no longer count anywhere.
    pub fn detach(&mut self, figures: &Figures) {
        self.references.clear();
        self.wraps.clear();
        self.deferreds.clear();
        self.async_works.clear();
        self.incomplete = false;
        self.stacks.clear();
        self.records.detach();
        figures.clear();
    }

    // ── references ──────────────────────────────────────────────────────────────────────────────────────────────

    /// A reference was created with this count.
    #[inline]
    pub fn reference_created(&mut self, figures: &Figures, address: usize, count: u32) {
        self.enter_reference(figures, address, count, 0);
    }

    #[inline]
    fn enter_reference(&mut self, figures: &Figures, address: usize, count: u32, record: u32) {
        match self.references.enter(figures, address, count, record) {
            Ok(None) => {}
            // Deleted where we could not see it.
            Ok(Some(replaced)) => self.stacks.end(replaced.site),
            Err(_) => self.incomplete = true,
        }
    }

    /// Where the reference that was just created was made.
    pub fn reference_made_at(&mut self, address: usize, site: u32) {
        self.references.set_site(address, site);
    }

    /// A reference was deleted. A finalizer that came with it will not run any more.
    #[inline]
    pub fn reference_deleted(&mut self, figures: &Figures, address: usize) {
        let Some(entry) = self.references.remove(figures, address) else {
            return;
        };
        self.stacks.end(entry.site);
        if entry.record != 0 {
            self.forget(figures, entry.record - 1);
        }
    }

    /// The count of a reference changed.
    #[inline]
    pub fn reference_counted(&mut self, figures: &Figures, address: usize, count: u32) {
        self.references.set_count(figures, address, count);
    }

    /// Asks `is_gone` about weak references whose object was there when last asked, up to `limit` entries; goes on where
    /// it stopped the last time. Whether all have been asked.
    pub fn find_outlived(
        &mut self,
        figures: &Figures,
        limit: usize,
        is_gone: impl FnMut(usize) -> bool,
    ) -> bool {
        self.references.find_outlived(figures, limit, is_gone)
    }

    // ── records ─────────────────────────────────────────────────────────────────────────────────────────────────

    /// Where the bytes of external Buffers and ArrayBuffers are that the addon has not got back yet.
    pub fn external_places(&self) -> impl Iterator<Item = usize> + '_ {
        self.records
            .iter()
            .filter(|record| {
                record.state == RecordState::Live
                    && record.bytes > 0
                    && matches!(
                        record.kind,
                        Kind::ExternalBuffer | Kind::ExternalArrayBuffer
                    )
            })
            .map(|record| record.native)
    }

    /// A record for a call that is about to be made. `None` when there is no memory.
    #[inline]
    pub fn reserve(
        &mut self,
        kind: Kind,
        finalizer: Finalizer,
        native: usize,
        bytes: u64,
    ) -> Option<RecordId> {
        let reserved = self.records.reserve(kind, finalizer, native, bytes);
        self.incomplete |= reserved.is_err();
        reserved.ok()
    }

    /// The call succeeded. `reference` is the one that it made, or 0.
    #[inline]
    pub fn commit(&mut self, figures: &Figures, id: RecordId, reference: usize) {
        let Some(record) = self.records.get_mut(id.place) else {
            return;
        };
        let (kind, bytes) = (record.kind, record.bytes);
        let finalized = record.state == RecordState::Finalized;
        let has_callback = record.has_callback();
        record.reference = reference;
        if finalized {
            figures.of(kind).pass(bytes);
            self.release(id.place);
        } else {
            record.state = RecordState::Live;
            figures.of(kind).begin(bytes);
            if has_callback {
                figures.finalizers_pending.add(1);
            }
            if kind == Kind::Wrap {
                self.incomplete |= self.wraps.enter(&mut self.records, id.place).is_err();
            }
        }
        if reference != 0 {
            let record = if finalized { 0 } else { id.place + 1 };
            self.enter_reference(figures, reference, 0, record);
        }
    }

    /// Where the thing that was just committed was made.
    pub fn record_made_at(&mut self, id: RecordId, site: u32) {
        match self.records.named(id) {
            Some(record) => record.site = site,
            // It has ended within the call.
            None => self.stacks.end(site),
        }
    }

    /// The call failed. `certain`: Node will not call the finalizer.
    #[inline]
    pub fn abandon(&mut self, id: RecordId, certain: bool) {
        let Some(record) = self.records.get_mut(id.place) else {
            return;
        };
        if certain || record.state == RecordState::Finalized {
            self.release(id.place);
        } else {
            record.state = RecordState::Stray;
        }
    }

    /// Node calls the finalizer of a record. What the addon's own is to be called with; `None` for a record that is not
    /// outstanding.
    #[inline]
    pub fn finalize(&mut self, figures: &Figures, id: RecordId) -> Option<Finalizer> {
        let record = self.records.named(id)?;
        let finalizer = record.finalizer;
        let (kind, bytes, reference) = (record.kind, record.bytes, record.reference);
        match record.state {
            RecordState::Free | RecordState::Finalized => return None,
            // The hook that made it is still on the stack and will release it.
            RecordState::InCall => record.state = RecordState::Finalized,
            RecordState::Stray => {
                if reference != 0 {
                    self.references.object_is_gone(figures, reference);
                }
                self.release(id.place);
            }
            RecordState::Live => {
                figures.of(kind).end(bytes);
                if finalizer.callback != 0 {
                    figures.finalizers_pending.take(1);
                }
                if reference != 0 {
                    self.references.object_is_gone(figures, reference);
                }
                if kind == Kind::Wrap {
                    self.leave_wrap(figures, id.place);
                }
                self.release(id.place);
            }
        }
        Some(finalizer)
    }

    /// Node will not call the finalizer of a record any more.
    fn forget(&mut self, figures: &Figures, place: u32) {
        let Some(record) = self.records.get(place).copied() else {
            return;
        };
        match record.state {
            // Counted no more already.
            RecordState::Stray => return self.release(place),
            RecordState::Live => {}
            RecordState::Free | RecordState::InCall | RecordState::Finalized => return,
        }
        let has_callback = record.has_callback();
        let (removed, removed_pending) = if record.kind == Kind::Wrap {
            self.wraps.take_removed(record.native, has_callback)
        } else {
            (false, false)
        };
        if !removed {
            figures.of(record.kind).end(record.bytes);
        }
        if has_callback && !removed_pending {
            figures.finalizers_pending.take(1);
        }
        if record.kind == Kind::Wrap {
            self.leave_wrap(figures, place);
        }
        self.release(place);
    }

    #[inline]
    fn release(&mut self, place: u32) {
        let site = self.records.release(place);
        self.stacks.end(site);
    }

    // ── wraps ───────────────────────────────────────────────────────────────────────────────────────────────────

    /// `napi_remove_wrap` succeeded for an object that wrapped `native`: its finalizer will not run.
    /// `all_are_known`: no wrap of this addon was made without our seeing it.
    pub fn wrap_removed(&mut self, figures: &Figures, native: usize, all_are_known: bool) {
        let (removal, indexed) = self.wraps.remove(&mut self.records, native, all_are_known);
        self.incomplete |= indexed.is_err();
        match removal {
            Removal::Unknown => {}
            Removal::Known(place) => {
                let Some(record) = self.records.get(place) else {
                    return;
                };
                let (has_callback, reference) = (record.has_callback(), record.reference);
                figures.wraps.end(0);
                if has_callback {
                    figures.finalizers_pending.take(1);
                }
                if reference != 0 {
                    self.references.unlink(reference);
                }
                self.release(place);
            }
            Removal::OneOfSeveral { pending, left } => {
                figures.wraps.live.take(1);
                if pending {
                    figures.finalizers_pending.take(1);
                }
                if let Some(left) = left {
                    self.end_removed(figures, left);
                }
            }
        }
    }

    #[inline]
    fn leave_wrap(&mut self, figures: &Figures, place: u32) {
        if let Some(left) = self.wraps.leave(&mut self.records, place) {
            self.end_removed(figures, left);
        }
    }

    /// As many wraps of a native object were removed as are left.
    ///
    /// Where all wraps are known these are the removed ones, and Node calls none of their finalizers. Where some are not, an
    /// unknown one may be the one that was removed, and Node may still call a finalizer of those that are left: their
    /// records stay, counted no more. A record that is freed too early would swallow the addon's finalizer.
    fn end_removed(&mut self, figures: &Figures, left: WrapsOfOne) {
        let (mut next, mut pending) = (left.head, 0);
        while let Some(place) = next.checked_sub(1) {
            let Some(record) = self.records.get(place).copied() else {
                break;
            };
            if left.uncertain {
                let site = self.records.make_stray(place);
                self.stacks.end(site);
                self.wraps.note_stray(&self.records, place);
            } else {
                self.unlink_reference(place);
                self.release(place);
            }
            pending += u64::from(record.has_callback());
            next = record.next;
        }
        figures
            .finalizers_pending
            .take(pending.saturating_sub(u64::from(left.removed_pending)));
    }

    /// The reference of a removed wrap stays, and is the addon's to delete.
    fn unlink_reference(&mut self, place: u32) {
        let reference = self.records.get(place).map_or(0, |record| record.reference);
        if reference != 0 {
            self.references.unlink(reference);
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

    pub(super) const ADDON: Finalizer = Finalizer {
        callback: 0xF00,
        hint: 0x77,
    };

    pub(super) fn wrap(
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
}
