//! Records: one for each finalizer of ours that stands in for an addon's.
//!
//! Knows: the state of each record, which records are free, and how much memory all of them take.
//! Out of scope: what a record counts as, and which wraps belong together; [`super::Holdings`] and `wraps.rs` know that.
//! Limitations: a name has 8 bits of generation. A name that is used after its place was used 256 times more, or its block given back as often,
//! reaches another record. A block that gave its memory back still takes 20 bytes, until the environment or the watch ends.
//!
//! Records are in blocks of 32, and an empty block gives its memory back by itself. One list of all records had to be moved when it grew and
//! gone through when it shrank. That, and the pages that it took from the system anew after every collection, was a third of what watching added
//! to a wrap that is collected, and half of what it added to an external Buffer.
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

/// Records of a block.
const BLOCK: usize = 32;
/// This many empty blocks keep their memory: with one in use that is 256 KiB.
const KEPT_BLOCKS: u32 = 127;
/// And one more for each block that had given its memory back and took it again, up to this many: an addon whose things become garbage together
/// and are made anew, from collection to collection, would otherwise take all of it from the allocator again each time. 1.8 MiB.
const MOST_REFILLED: u16 = 897;

/// The memory of a block: places that come one after the other. `None` while it takes none.
type Block = Option<Box<[Record; BLOCK]>>;

/// What is known of a block. Apart from its memory, so that the memory is found without it.
#[derive(Debug, Default)]
struct Head {
    /// The first free record, as its place plus 1. 0 when all are in use, and while there is no memory.
    free: u32,
    /// The next block with a place to use, as its number plus 1.
    next: u32,
    /// Records that are not free.
    used: u8,
    /// The generation of records that are made when the block gets memory. It is above that of every record that was here before.
    generation: u8,
}

impl Head {
    /// Gives a block memory. `first`: the place of its first record.
    #[cold]
    fn fill(&mut self, block: &mut Block, first: u32) -> Result<(), NoMemory> {
        let mut records: Vec<Record> = Vec::new();
        records.try_reserve_exact(BLOCK).map_err(|_| NoMemory)?;
        for place in first..first + BLOCK as u32 {
            let is_last = place + 1 == first + BLOCK as u32;
            records.push(Record {
                next: if is_last { 0 } else { place + 2 },
                generation: self.generation,
                ..Record::default()
            });
        }
        *block = records.into_boxed_slice().try_into().ok();
        self.free = first + 1;
        Ok(())
    }

    /// Takes the memory of an empty block.
    #[cold]
    fn give_back(&mut self, block: &mut Block) {
        let records = block.take();
        let highest = records.iter().flat_map(|records| records.iter());
        // A name from before must not reach a later record at the same place.
        if let Some(highest) = highest.map(|record| record.generation).max() {
            self.generation = self.generation.max(highest).wrapping_add(1);
        }
        self.free = 0;
    }
}

/// All records of one environment.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Records {
    blocks: Vec<Block>,
    /// The first block with a place to use, as its number plus 1: one with a free record, or without memory.
    open: u32,
    /// Records that are not free.
    outstanding: u32,
    /// Empty blocks that have memory.
    empty: u32,
    /// Blocks that took memory again, up to [`MOST_REFILLED`].
    refilled: u16,
    /// The generation of a new block. It is above that of every block that `detach` removed.
    first_generation: u8,
    /// One for each block.
    heads: Vec<Head>,
}

impl Records {
    /// Records that Node may still call.
    pub(super) fn outstanding(&self) -> u32 {
        self.outstanding
    }

    /// How many places there are.
    pub(super) fn len(&self) -> usize {
        self.blocks.len() * BLOCK
    }

    /// For tests: how many places it takes memory for.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.iter().count()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Record> {
        self.blocks
            .iter()
            .flatten()
            .flat_map(|records| records.iter())
    }

    #[inline]
    pub(super) fn get(&self, place: u32) -> Option<&Record> {
        let records = self.blocks.get(place as usize / BLOCK)?.as_ref()?;
        records.get(place as usize % BLOCK)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, place: u32) -> Option<&mut Record> {
        let records = self.blocks.get_mut(place as usize / BLOCK)?.as_mut()?;
        records.get_mut(place as usize % BLOCK)
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
        if self.open == 0 {
            self.grow()?;
        }
        let number = self.open - 1;
        let head = self.heads.get_mut(number as usize).ok_or(NoMemory)?;
        let block = self.blocks.get_mut(number as usize).ok_or(NoMemory)?;
        if head.free == 0 {
            head.fill(block, number * BLOCK as u32)?;
            if head.generation != self.first_generation {
                self.refilled = (self.refilled + 1).min(MOST_REFILLED);
            }
        } else if head.used == 0 {
            self.empty -= 1;
        }
        let records = block.as_mut().ok_or(NoMemory)?;
        let place = head.free - 1;
        let record = records.get_mut(place as usize % BLOCK).ok_or(NoMemory)?;
        let next = record.next;
        let generation = record.generation;
        *record = Record {
            state: RecordState::InCall,
            kind,
            generation,
            finalizer,
            bytes,
            native,
            ..Record::default()
        };
        head.free = next;
        head.used += 1;
        if next == 0 {
            self.open = head.next;
        } else if let Some(record) = records.get((next - 1) as usize % BLOCK) {
            // The next call finds it in the cache.
            std::hint::black_box(record.next);
        }
        self.outstanding += 1;
        Ok(RecordId { place, generation })
    }

    /// Frees a record. The site where its thing was made; 0 for none.
    #[inline]
    pub(super) fn release(&mut self, place: u32) -> u32 {
        let number = place as usize / BLOCK;
        let (Some(block), Some(head)) = (self.blocks.get_mut(number), self.heads.get_mut(number))
        else {
            return 0;
        };
        let Some(record) = block
            .as_mut()
            .and_then(|records| records.get_mut(place as usize % BLOCK))
        else {
            return 0;
        };
        let site = record.site;
        *record = Record {
            generation: record.generation.wrapping_add(1),
            next: head.free,
            ..Record::default()
        };
        if head.free == 0 {
            head.next = self.open;
            self.open = number as u32 + 1;
        }
        head.free = place + 1;
        head.used -= 1;
        self.outstanding -= 1;
        if head.used == 0 {
            if self.empty < KEPT_BLOCKS + u32::from(self.refilled) {
                self.empty += 1;
            } else {
                head.give_back(block);
            }
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

    /// Takes all records out of what is counted, and gives back the memory of all blocks that are empty.
    pub(super) fn detach(&mut self) {
        for (block, head) in self.blocks.iter_mut().zip(&mut self.heads) {
            if head.used == 0 {
                head.give_back(block);
            }
            for record in block.iter_mut().flat_map(|records| records.iter_mut()) {
                if record.state == RecordState::Live {
                    record.state = RecordState::Stray;
                }
                if record.state != RecordState::Free {
                    record.reference = 0;
                    record.site = 0;
                }
            }
        }
        self.empty = 0;
        self.refilled = 0;
        while let Some(last) = self.heads.pop_if(|head| head.used == 0) {
            self.first_generation = self.first_generation.max(last.generation);
        }
        self.heads.shrink_to_fit();
        self.blocks.truncate(self.heads.len());
        self.blocks.shrink_to_fit();
        self.open = 0;
        for (number, head) in self.heads.iter_mut().enumerate().rev() {
            if head.free != 0 || head.used == 0 {
                head.next = std::mem::replace(&mut self.open, number as u32 + 1);
            }
        }
    }

    /// Adds a block.
    #[cold]
    fn grow(&mut self) -> Result<(), NoMemory> {
        if self.len() + BLOCK >= u32::MAX as usize
            || self.heads.try_reserve(1).is_err()
            || self.blocks.try_reserve(1).is_err()
        {
            return Err(NoMemory);
        }
        self.heads.push(Head {
            generation: self.first_generation,
            ..Head::default()
        });
        self.blocks.push(None);
        self.open = self.blocks.len() as u32;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addons::figures::Figures;
    use crate::addons::holdings::tests::{wrap, ADDON};
    use crate::addons::holdings::Holdings;

    const KEPT_RECORDS: usize = 4_096;

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
    fn one_record_in_a_block_keeps_that_block_alone() {
        let (mut holdings, figures) = (Holdings::new(), Figures::default());
        let ids: Vec<RecordId> = (1..100_000usize)
            .map(|n| wrap(&mut holdings, &figures, n * 16, 0))
            .collect();
        let (kept, others): (Vec<RecordId>, Vec<RecordId>) =
            ids.iter().partition(|id| id.place % 25_000 == 24_999);
        assert_eq!(kept.len(), 3);
        for id in others {
            assert_eq!(holdings.finalize(&figures, id), Some(ADDON));
        }
        let capacity = holdings.records.capacity();
        assert!(capacity <= KEPT_RECORDS + 3 * BLOCK, "{capacity}");
        for id in kept {
            assert_eq!(holdings.finalize(&figures, id), Some(ADDON));
        }
        assert!(holdings.records.capacity() <= KEPT_RECORDS);
        assert_eq!(holdings.outstanding(), 0);
    }

    #[test]
    fn blocks_that_gave_their_memory_back_are_used_again_and_their_old_names_reach_nothing() {
        let (mut holdings, figures) = (Holdings::new(), Figures::default());
        let mut before: Vec<RecordId> = Vec::new();
        for _ in 0..5 {
            let ids: Vec<RecordId> = (1..10_000usize)
                .map(|n| wrap(&mut holdings, &figures, n * 16, 0))
                .collect();
            assert!(holdings.records.len() < 10_000 + BLOCK);
            for id in &before {
                assert_eq!(holdings.finalize(&figures, *id), None);
            }
            assert_eq!(figures.wraps.live.get(), 9_999);
            for id in ids.iter().rev() {
                assert_eq!(holdings.finalize(&figures, *id), Some(ADDON));
            }
            before = ids;
        }
    }

    #[test]
    fn memory_that_is_taken_again_and_again_is_kept_up_to_a_limit() {
        let mut records = Records::default();
        let mut cycle = |count: usize| {
            let ids: Vec<RecordId> = (0..count)
                .map(|n| records.reserve(Kind::Wrap, ADDON, n, 0).expect("memory"))
                .collect();
            for id in ids {
                records.release(id.place);
            }
            records.capacity()
        };
        assert!(cycle(20_000) <= KEPT_RECORDS);
        cycle(20_000);
        assert!((15_000..=20_000).contains(&cycle(20_000)));
        for _ in 0..5 {
            assert!(cycle(200_000) <= 32_768);
        }
        records.detach();
        assert_eq!(records.capacity(), 0);
    }

    #[test]
    fn any_order_of_reserving_and_releasing_keeps_each_record_to_itself() {
        let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
        let mut random = move |below: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed % below as u64) as usize
        };
        let mut records = Records::default();
        let mut held: Vec<(RecordId, usize)> = Vec::new();
        for step in 0..200_000usize {
            // It grows to some thousands, and shrinks to nothing, by turns.
            let grows = step / 20_000 % 2 == 0;
            if held.is_empty() || random(10) < if grows { 8 } else { 2 } {
                let id = records.reserve(Kind::Wrap, ADDON, step, 0).expect("memory");
                held.push((id, step));
            } else {
                let (id, native) = held.swap_remove(random(held.len()));
                assert_eq!(records.named(id).map(|record| record.native), Some(native));
                records.release(id.place);
                assert!(records.named(id).is_none());
            }
            assert_eq!(records.outstanding() as usize, held.len());
        }
        for (id, native) in &held {
            assert_eq!(
                records.named(*id).map(|record| record.native),
                Some(*native)
            );
        }
        records.detach();
        let in_use = records
            .iter()
            .filter(|record| record.state != RecordState::Free)
            .count();
        assert_eq!(in_use, held.len());
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
