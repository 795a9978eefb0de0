//! Records: one for each finalizer of ours that stands in for an addon's.
//!
//! Knows: the state of each record, which records are free, and how much memory all of them take.
//! Out of scope: what a record counts as, and which wraps belong together; [`super::Holdings`] and `wraps.rs` know that.
//! Limitations: a name has 8 bits of generation. A name that is used after its place was used 256 times more reaches another record.
//!
//! ```text
//!   reserve ──▶ InCall ──▶ commit ──▶ Live ──▶ finalize ─────────────▶ free
//!                  │                   └─────▶ forget (remove_wrap, ─▶ free
//!                  │                           reference deleted)
//!                  ├──▶ finalize ──▶ Finalized ──▶ commit ───────────▶ free
//!                  └──▶ abandon ──▶ free, or Stray when Node may still call
//! ```

#![forbid(unsafe_code)]

use crate::addons::figures::Kind;
use crate::addons::pointer_table::NoMemory;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum RecordState {
    #[default]
    Free,
    /// The original is running.
    InCall,
    /// Node called the finalizer while the original was running.
    Finalized,
    /// It is counted.
    Live,
    /// It is not counted, and Node may still call its finalizer.
    Stray,
}

/// What a finalizer of ours has to know to stand in for the addon's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Finalizer {
    /// The addon's function; 0 when it gave none.
    pub callback: usize,
    /// What the addon wants to be called with.
    pub hint: usize,
}

/// One cache line: objects are collected in any order.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
pub(super) struct Record {
    pub(super) state: RecordState,
    pub(super) kind: Kind,
    generation: u8,
    pub(super) finalizer: Finalizer,
    pub(super) bytes: u64,
    /// The native object of a wrap; where the bytes of an external Buffer or ArrayBuffer are.
    pub(super) native: usize,
    /// The reference that came with it; 0 for none.
    pub(super) reference: usize,
    /// Where it was made, if it was sampled; 0 if not.
    pub(super) site: u32,
    /// Its neighbours among wraps of the same native object, plus 1. `next` also links free records.
    pub(super) next: u32,
    pub(super) previous: u32,
}

impl Record {
    pub(super) fn has_callback(&self) -> bool {
        self.finalizer.callback != 0
    }
}

/// Names a record towards Node; see [`super::Holdings::finalize`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordId {
    /// Its place.
    pub place: u32,
    /// How often the place was used before, in the lowest 8 bits.
    pub generation: u8,
}

/// `shrink` is called when fewer than one record in 16 is in use.
const SHRINK_AT: u32 = 16;
/// A shorter list stays.
const KEPT_RECORDS: usize = 4_096;

/// All records of one environment.
#[derive(Debug, Default)]
pub(super) struct Records {
    all: Vec<Record>,
    /// The first free record, plus 1.
    free: u32,
    /// Records that are not free.
    outstanding: u32,
    /// When fewer records than this are in use, `shrink` gives the memory of the free ones at the end back.
    shrink_below: u32,
    /// The generation of a newly made record. It is above that of every record that `shrink` removed, as a later record may get the
    /// same place.
    first_generation: u8,
}

impl Records {
    /// Records that Node may still call.
    pub(super) fn outstanding(&self) -> u32 {
        self.outstanding
    }

    /// How many places there are.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// For tests: how many places it takes memory for.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.all.capacity()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Record> {
        self.all.iter()
    }

    #[inline]
    pub(super) fn get(&self, place: u32) -> Option<&Record> {
        self.all.get(place as usize)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, place: u32) -> Option<&mut Record> {
        self.all.get_mut(place as usize)
    }

    /// The record of this name, unless its place has been used again since.
    #[inline]
    pub(super) fn named(&mut self, id: RecordId) -> Option<&mut Record> {
        self.get_mut(id.place)
            .filter(|record| record.generation == id.generation)
    }

    /// A record for a call that is about to be made.
    #[inline]
    pub(super) fn reserve(
        &mut self,
        kind: Kind,
        finalizer: Finalizer,
        native: usize,
        bytes: u64,
    ) -> Result<RecordId, NoMemory> {
        if self.free == 0 {
            self.grow()?;
        }
        let place = self.free - 1;
        let record = self.all.get_mut(place as usize).ok_or(NoMemory)?;
        self.free = record.next;
        *record = Record {
            state: RecordState::InCall,
            kind,
            generation: record.generation,
            finalizer,
            bytes,
            native,
            ..Record::default()
        };
        self.outstanding += 1;
        Ok(RecordId {
            place,
            generation: record.generation,
        })
    }

    /// Frees a record. The site where its thing was made; 0 for none.
    #[inline]
    pub(super) fn release(&mut self, place: u32) -> u32 {
        let Some(record) = self.all.get_mut(place as usize) else {
            return 0;
        };
        let site = record.site;
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
        site
    }

    /// Takes a record out of what is counted: Node may still call its finalizer. The site where its thing was made; 0 for none.
    pub(super) fn make_stray(&mut self, place: u32) -> u32 {
        let Some(record) = self.get_mut(place) else {
            return 0;
        };
        record.state = RecordState::Stray;
        record.next = 0;
        record.previous = 0;
        std::mem::take(&mut record.site)
    }

    /// Takes all records out of what is counted, and gives back the memory of those at the end that are free.
    pub(super) fn detach(&mut self) {
        for record in &mut self.all {
            if record.state == RecordState::Live {
                record.state = RecordState::Stray;
            }
            record.reference = 0;
            record.site = 0;
        }
        self.shrink();
    }

    #[cold]
    fn grow(&mut self) -> Result<(), NoMemory> {
        let more = self.all.len().clamp(32, 4_096);
        if self.all.try_reserve(more).is_err() || self.all.len() + more >= u32::MAX as usize {
            return Err(NoMemory);
        }
        for _ in 0..more {
            let place = self.all.len() as u32;
            self.all.push(Record {
                next: self.free,
                generation: self.first_generation,
                ..Record::default()
            });
            self.free = place + 1;
        }
        if self.all.len() > KEPT_RECORDS {
            self.shrink_below = self.all.len() as u32 / SHRINK_AT;
        }
        Ok(())
    }

    /// Gives the memory of free records at the end back, if that is at least half of it: what is left is then gone through
    /// once, so that all shrinking together takes no longer than the growing did.
    #[cold]
    fn shrink(&mut self) {
        let kept = self
            .all
            .iter()
            .rposition(|record| record.state != RecordState::Free)
            .map_or(0, |last| last + 1)
            .next_multiple_of(64)
            .min(self.all.len());
        if kept > self.all.len() / 2 {
            self.shrink_when_fewer();
            return;
        }
        let highest = self.all.drain(kept..).map(|record| record.generation);
        // A name from before must not reach a later record at the same place.
        if let Some(highest) = highest.max() {
            self.first_generation = self.first_generation.max(highest).wrapping_add(1);
        }
        self.all.shrink_to_fit();
        self.free = 0;
        for (place, record) in self.all.iter_mut().enumerate().rev() {
            if record.state == RecordState::Free {
                record.next = std::mem::replace(&mut self.free, place as u32 + 1);
            }
        }
        self.shrink_when_fewer();
    }

    /// One record in use at the end keeps all below it: tried again when half as many are in use.
    fn shrink_when_fewer(&mut self) {
        self.shrink_below = if self.all.len() > KEPT_RECORDS {
            (self.outstanding / 2)
                .min(self.all.len() as u32 / SHRINK_AT)
                .max(1)
        } else {
            0
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addons::figures::Figures;
    use crate::addons::holdings::tests::{wrap, ADDON};
    use crate::addons::holdings::Holdings;

    #[test]
    fn a_name_reaches_its_record_until_the_record_is_released() {
        let mut records = Records::default();
        let first = records.reserve(Kind::Wrap, ADDON, 7, 0).expect("memory");
        let second = records.reserve(Kind::Wrap, ADDON, 8, 0).expect("memory");
        assert_ne!(first.place, second.place);
        records.named(first).expect("it is in use").site = 5;
        assert_eq!(records.release(first.place), 5);
        assert!(records.named(first).is_none());
        let third = records.reserve(Kind::Wrap, ADDON, 9, 0).expect("memory");
        assert_eq!(third.place, first.place);
        assert!(records.named(first).is_none());
        assert_eq!(records.named(third).map(|record| record.native), Some(9));
        assert_eq!(records.outstanding(), 2);
        assert_eq!(records.release(u32::MAX), 0);
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
        let mut before = holdings.records.shrink_below;
        for (at, id) in ids.iter().enumerate() {
            if at != others {
                holdings.finalize(&figures, *id);
            }
            looks += usize::from(before != holdings.records.shrink_below);
            before = holdings.records.shrink_below;
        }
        assert!(looks < 20, "{looks}");
        holdings.finalize(&figures, last);
        assert!(holdings.records.capacity() <= KEPT_RECORDS);
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
