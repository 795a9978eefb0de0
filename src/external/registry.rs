//! The records of one thread, and the index that finds them by address.
//!
//! Knows: a record per tracked value: what it is counted as, and its weak handle as an opaque number; which records
//! are young and which are old, in the sense of V8's generations.
//! Out of scope: what a handle is, or whether its value is alive; the sweep calls a closure for that.
//! Limitations: one thread only; [`ADDRESS_CHAIN_LIMIT`] values per address.
//!
//! # Generations
//!
//! ```text
//!            insert            survived YOUNG_SWEEPS sweeps
//!   (track) ───────▶ young ───────────────────────────────▶ old
//!                      │ every garbage collection             │ after every major one, in steps, and
//!                      ▼ looks at all of them                 ▼ a little of the table at every minor one
//!                    removed when the value is dead         removed when the value is dead
//! ```
//!
//! The *sweep* looks which weak handles have become empty. A minor collection frees young objects only, so after it the sweep looks at
//! the young records. An object that survived two minor collections is in the old generation. A record that was taken for
//! old too early is found after the next major collection at the latest.
//!
//! Looking at a million records takes 25 ms, which is too long at once: after a major collection each turn of the event loop looks
//! at [`PLACES_PER_STEP`] places. A reading of the tallies finishes the sweep first ([`Registry::sweep_on`]).

#![forbid(unsafe_code)]

use super::address_index::AddressIndex;
use crate::base::ledger::Entry;

/// More values than this at one address are not indexed by it: finding one would take too long. They are identified as objects are
/// (lib/external/identity.js). (Seen with thousands of views made over the start of one large ArrayBuffer.)
pub const ADDRESS_CHAIN_LIMIT: usize = 8;

/// After this many sweeps a record counts as old.
pub(super) const YOUNG_SWEEPS: u8 = 2;

/// How many places of the table a minor sweep looks at besides the young records.
const OLD_PLACES_PER_MINOR_SWEEP: usize = 2_048;

/// How many places of the table are looked at in a turn after a major collection: about a millisecond.
pub const PLACES_PER_STEP: usize = 32_768;

/// Ends a chain.
const NO_RECORD: u32 = u32::MAX;

/// The generation is kept to this many bits, so that an id is exact as a double.
const GENERATION_BITS: u32 = 20;

/// Which record: its place, and a number that tells it from earlier ones there, so that a stale id finds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordId {
    place: u32,
    generation: u32,
}

impl RecordId {
    /// The id as one number below 2^52.
    pub fn to_number(self) -> u64 {
        (u64::from(self.generation) << 32) | u64::from(self.place)
    }

    /// The id that [`RecordId::to_number`] made this number of.
    pub fn from_number(number: u64) -> Self {
        RecordId {
            place: number as u32,
            generation: (number >> 32) as u32,
        }
    }
}

/// A tracked value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// What it is counted as.
    pub entry: Entry,
    /// Its weak handle, never dereferenced here.
    pub handle: usize,
    /// The address it is indexed under; 0 for none.
    pub address: usize,
    /// Which of the thread's environments the handle belongs to.
    pub owner: u32,
    /// What ends it.
    pub ends: Ends,
}

/// What ends a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// A sweep that finds its value collected.
    WithItsValue,
    /// The finalizer of its memory: views made over the same bytes may outlive the value.
    WithItsMemory,
    /// A sweep that finds its value collected. It is in no ledger: the observer is called with the number that its entry has in the
    /// place of bytes.
    Observed,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    record: Record,
    /// The next record at the same address, or the next free place.
    next: u32,
    generation: u32,
    sweeps: u8,
    used: bool,
}

/// Tells the address index the address of a place.
#[inline]
fn addresses(slots: &[Slot]) -> impl Fn(u32) -> usize + '_ {
    |place| {
        slots
            .get(place as usize)
            .map_or(0, |slot| slot.record.address)
    }
}

/// All records of one thread.
#[derive(Debug)]
pub struct Registry {
    slots: Vec<Slot>,
    free: u32,
    live: usize,
    by_address: AddressIndex,
    young: Vec<RecordId>,
    cursor: usize,
    /// How many places have not been looked at since the last major collection.
    pending: usize,
    /// Whether there is a new record since the last major collection.
    inserted: bool,
    /// That of the next record: no two among a million in a row have the same.
    generation: u32,
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl Registry {
    /// An empty registry; takes no memory yet.
    pub fn new() -> Self {
        Registry {
            slots: Vec::new(),
            free: NO_RECORD,
            live: 0,
            by_address: AddressIndex::new(),
            young: Vec::new(),
            cursor: 0,
            pending: 0,
            inserted: false,
            generation: 0,
        }
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.live
    }

    /// Bytes that the tables take, used or not.
    pub fn capacity_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
            + self.young.capacity() * size_of::<RecordId>()
            + self.by_address.bucket_count() * size_of::<u64>()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Whether there are old records; just after a sweep this is exact.
    pub fn has_old(&self) -> bool {
        self.live > self.young.len()
    }

    /// Whether anything is indexed under this address: the one question that every `track` asks.
    #[inline]
    pub fn knows_address(&self, address: usize) -> bool {
        self.first_at(address).is_some()
    }

    /// Brings what [`Registry::knows_address`] looks at into the cache.
    #[inline]
    pub fn touch(&self, addresses: &[usize]) {
        self.by_address.touch(addresses);
    }

    #[inline]
    fn first_at(&self, address: usize) -> Option<u32> {
        self.by_address.get(address, addresses(&self.slots))
    }

    /// Adds a record, young; its address is indexed unless it is 0. `None` when 2^32 − 1 records are live.
    #[inline]
    pub fn insert(&mut self, record: Record) -> Option<RecordId> {
        let place = match self.slots.get(self.free as usize) {
            Some(slot) => {
                let place = self.free;
                self.free = slot.next;
                place
            }
            None => u32::try_from(self.slots.len())
                .ok()
                .filter(|place| *place != NO_RECORD)?,
        };
        let generation = self.generation;
        self.generation = (generation + 1) & ((1 << GENERATION_BITS) - 1);
        let slot = Slot {
            record,
            next: NO_RECORD,
            generation,
            sweeps: 0,
            used: true,
        };
        match self.slots.get_mut(place as usize) {
            Some(free) => *free = slot,
            None => self.slots.push(slot),
        }
        self.index(place);
        let id = RecordId { place, generation };
        if record.ends != Ends::WithItsMemory {
            self.young.push(id);
        }
        self.live += 1;
        self.inserted = true;
        Some(id)
    }

    fn slot(&self, id: RecordId) -> Option<&Slot> {
        self.slots
            .get(id.place as usize)
            .filter(|slot| slot.used && slot.generation == id.generation)
    }

    /// The record with this id, if it is still there.
    pub fn get(&self, id: RecordId) -> Option<&Record> {
        self.slot(id).map(|slot| &slot.record)
    }

    /// Counts a record as `entry` from now on; what it was counted as before.
    pub fn change(&mut self, id: RecordId, entry: Entry) -> Option<Entry> {
        self.slot(id)?;
        let slot = self.slots.get_mut(id.place as usize)?;
        Some(std::mem::replace(&mut slot.record.entry, entry))
    }

    /// Removes a record. `None` if it is gone already: removing twice does no harm.
    pub fn remove(&mut self, id: RecordId) -> Option<Record> {
        let slot = *self.slot(id)?;
        if slot.record.address != 0 {
            self.unlink(slot.record.address, id.place, slot.next);
        }
        self.free(id);
        Some(slot.record)
    }

    fn free(&mut self, id: RecordId) {
        if let Some(slot) = self.slots.get_mut(id.place as usize) {
            slot.used = false;
            slot.next = self.free;
            self.free = id.place;
            self.live -= 1;
        }
    }

    /// Puts the record at this place into the index, in front of others with its address.
    #[inline]
    fn index(&mut self, place: u32) {
        let address = match self.slots.get(place as usize) {
            Some(slot) if slot.used && slot.record.address != 0 => slot.record.address,
            _ => return,
        };
        let before = self
            .by_address
            .insert(address, place, addresses(&self.slots));
        if let Some(slot) = self.slots.get_mut(place as usize) {
            slot.next = before.unwrap_or(NO_RECORD);
        }
    }

    fn unlink(&mut self, address: usize, place: u32, next: u32) {
        let Some(head) = self.first_at(address) else {
            return;
        };
        if head == place {
            if next == NO_RECORD {
                self.by_address.remove(address, addresses(&self.slots));
            } else {
                self.by_address
                    .insert(address, next, addresses(&self.slots));
            }
            return;
        }
        let mut at = head;
        while let Some(slot) = self.slots.get_mut(at as usize) {
            if slot.next == place {
                slot.next = next;
                return;
            }
            at = slot.next;
        }
    }

    /// Removes the young records whose handle `is_dead`, and hands each to `removed`; and of the others as many as are to be
    /// looked at in one turn. After a major collection, [`Registry::sweep_on`] does the rest.
    pub fn sweep(
        &mut self,
        after_major: bool,
        mut is_dead: impl FnMut(&Record) -> bool,
        removed: impl FnMut(Record),
    ) {
        let mut dead = Vec::new();
        let mut young = std::mem::take(&mut self.young);
        young.retain(|id| {
            let Some(record) = self.get(*id) else {
                return false;
            };
            if is_dead(record) {
                dead.push(*id);
                return false;
            }
            let Some(slot) = self.slots.get_mut(id.place as usize) else {
                return false;
            };
            slot.sweeps += 1;
            slot.sweeps < YOUNG_SWEEPS
        });
        self.young = young;

        let places = if after_major {
            // It begins where the last one stopped. If it began at the start each time, collections in quick succession would keep
            // it from ever reaching the end of the table.
            self.pending = self.slots.len();
            PLACES_PER_STEP
        } else {
            OLD_PLACES_PER_MINOR_SWEEP
        };
        self.look(places, is_dead, &mut dead);
        self.remove_all(dead, removed);
        if after_major {
            self.give_back();
        }
    }

    /// Goes on after a major collection with at most this many places of the table. Whether there is more to do.
    pub fn sweep_on(
        &mut self,
        places: usize,
        is_dead: impl FnMut(&Record) -> bool,
        removed: impl FnMut(Record),
    ) -> bool {
        if self.pending > 0 {
            let mut dead = Vec::new();
            self.look(places.min(self.pending), is_dead, &mut dead);
            self.remove_all(dead, removed);
            self.give_back();
        }
        self.pending > 0
    }

    /// How many places have not been looked at since the last major collection.
    pub fn pending(&self) -> usize {
        self.pending
    }

    /// Notes the dead among the old records in the next places of the table.
    fn look(
        &mut self,
        places: usize,
        mut is_dead: impl FnMut(&Record) -> bool,
        dead: &mut Vec<RecordId>,
    ) {
        let places = places.min(self.slots.len());
        self.pending = self.pending.saturating_sub(places);
        for _ in 0..places {
            if self.cursor >= self.slots.len() {
                self.cursor = 0;
            }
            let place = self.cursor;
            self.cursor += 1;
            let Some(slot) = self.slots.get(place) else {
                break;
            };
            // Young records have been asked above, so none is asked twice.
            if slot.used
                && slot.sweeps >= YOUNG_SWEEPS
                && slot.record.ends != Ends::WithItsMemory
                && is_dead(&slot.record)
            {
                dead.push(RecordId {
                    place: place as u32,
                    generation: slot.generation,
                });
            }
        }
    }

    /// Removes many records. When most of a well-filled index goes, making it anew for the rest is cheaper than taking out one
    /// by one: each of those steps misses the cache.
    fn remove_all(&mut self, ids: Vec<RecordId>, mut removed: impl FnMut(Record)) {
        let few = ids.len() * 16 < self.by_address.bucket_count();
        if few || ids.len() * 2 < self.by_address.len() {
            for id in ids {
                if let Some(record) = self.remove(id) {
                    removed(record);
                }
            }
            return;
        }
        self.by_address.clear();
        for id in ids {
            if let Some(record) = self.slot(id).map(|slot| slot.record) {
                self.free(id);
                removed(record);
            }
        }
        if self.live > 0 {
            for place in 0..self.slots.len() {
                self.index(place as u32);
            }
        }
    }

    /// Gives memory back after a burst: a million values that were tracked and released leave nothing behind. It is called only at the
    /// end of a sweep after a major collection, because a service that tracks per request empties its table at every minor one. And an empty
    /// table stays until the next major collection finds that it was not needed: growing it costs a fifth of what `track()` costs.
    fn give_back(&mut self) {
        let was_needed = std::mem::take(&mut self.inserted);
        if self.live == 0 {
            if was_needed {
                return;
            }
            // The generations go on, because an external Buffer that was untracked may still have an old id.
            *self = Registry {
                generation: self.generation,
                ..Registry::new()
            };
            return;
        }
        if self.pending > 0 {
            return;
        }
        self.by_address.shrink();
        if self.young.len() * 8 < self.young.capacity() {
            self.young.shrink_to(self.young.len() * 2);
        }
    }

    /// The records at this address, newest first.
    pub fn at_address(&self, address: usize) -> impl Iterator<Item = (RecordId, Record)> + '_ {
        let mut at = self.first_at(address).unwrap_or(NO_RECORD);
        std::iter::from_fn(move || {
            let place = at;
            let slot = self.slots.get(place as usize)?;
            at = slot.next;
            Some((
                RecordId {
                    place,
                    generation: slot.generation,
                },
                slot.record,
            ))
        })
    }

    /// Every record.
    pub fn records(&self) -> impl Iterator<Item = (RecordId, Record)> + '_ {
        self.slots
            .iter()
            .zip(0u32..)
            .filter(|(slot, _)| slot.used)
            .map(|(slot, place)| {
                (
                    RecordId {
                        place,
                        generation: slot.generation,
                    },
                    slot.record,
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ledger::{FOLDED, NONE};

    fn record(address: usize, handle: usize) -> Record {
        Record {
            entry: Entry {
                bytes: 1_234,
                label: NONE,
                route: FOLDED,
            },
            handle,
            address,
            owner: 0,
            ends: Ends::WithItsValue,
        }
    }

    fn registry_of(records: impl IntoIterator<Item = Record>) -> (Registry, Vec<RecordId>) {
        let mut registry = Registry::new();
        let ids = records
            .into_iter()
            .map(|record| registry.insert(record).expect("there is room"))
            .collect();
        (registry, ids)
    }

    fn handles(registry: &Registry, address: usize) -> Vec<usize> {
        registry
            .at_address(address)
            .map(|(_, record)| record.handle)
            .collect()
    }

    /// Sweeps with these handles dead; the handles that were removed and those that were asked about.
    fn sweep(registry: &mut Registry, major: bool, dead: &[usize]) -> (Vec<usize>, Vec<usize>) {
        let (mut removed, mut asked) = (Vec::new(), Vec::new());
        registry.sweep(
            major,
            |record| {
                asked.push(record.handle);
                dead.contains(&record.handle)
            },
            |record| removed.push(record.handle),
        );
        (removed, asked)
    }

    #[test]
    fn a_record_is_found_by_its_address_until_it_is_removed() {
        let (mut registry, ids) = registry_of([record(4_096, 1), record(8_192, 2)]);

        assert_eq!(handles(&registry, 4_096), [1]);
        assert_eq!(registry.remove(ids[0]).map(|record| record.handle), Some(1));
        assert!(!registry.knows_address(4_096));
        assert!(registry.knows_address(8_192));
        assert_eq!(registry.len(), 1);
    }

    #[test]
    fn several_values_at_one_address_are_all_found_whichever_goes_first() {
        for gone in 0..3 {
            let (mut registry, ids) = registry_of((0..3).map(|n| record(4_096, n)));
            registry.remove(ids[gone]);

            let expected: Vec<usize> = [2, 1, 0].into_iter().filter(|n| *n != gone).collect();
            assert_eq!(handles(&registry, 4_096), expected);
        }
    }

    #[test]
    fn removing_twice_removes_once() {
        let (mut registry, ids) = registry_of([record(4_096, 1)]);

        assert!(registry.remove(ids[0]).is_some());
        assert!(registry.remove(ids[0]).is_none());
        assert_eq!(registry.len(), 0);
    }

    #[test]
    fn a_stale_id_does_not_find_the_record_that_took_its_place() {
        let (mut registry, ids) = registry_of([record(4_096, 1), record(64, 9)]);
        registry.remove(ids[0]);
        let new = registry.insert(record(4_096, 2)).expect("there is room");

        assert_eq!(ids[0].place, new.place);
        assert_eq!(registry.get(ids[0]), None);
        assert!(registry.remove(ids[0]).is_none());
        assert_eq!(registry.get(new).map(|record| record.handle), Some(2));
    }

    #[test]
    fn an_id_survives_the_way_through_a_double() {
        let id = RecordId {
            place: u32::MAX - 1,
            generation: (1 << GENERATION_BITS) - 1,
        };

        assert_eq!(RecordId::from_number(id.to_number() as f64 as u64), id);
    }

    #[test]
    fn a_stale_id_finds_nothing_after_the_table_was_given_back() {
        // An external Buffer that was untracked keeps its id until its memory is freed.
        let (mut registry, ids) = registry_of([record(4_096, 1)]);
        registry.remove(ids[0]);
        registry.sweep(true, |_| true, |_| {});
        registry.sweep(true, |_| true, |_| {});
        assert_eq!(registry.capacity_bytes(), 0);
        let new = registry.insert(record(4_096, 2)).expect("there is room");

        assert_eq!(ids[0].place, new.place);
        assert!(registry.remove(ids[0]).is_none());
        assert_eq!(registry.len(), 1);
    }

    #[test]
    fn records_without_an_address_are_not_indexed() {
        let (registry, _) = registry_of([record(0, 1)]);

        assert!(!registry.knows_address(0));
        assert_eq!(registry.records().count(), 1);
    }

    #[test]
    fn a_minor_sweep_asks_about_young_records_until_they_are_old() {
        let (mut registry, _) = registry_of([record(64, 1), record(128, 2)]);

        assert_eq!(sweep(&mut registry, false, &[1]), (vec![1], vec![1, 2]));
        assert_eq!(
            sweep(&mut registry, false, &[]).1,
            [2, 2],
            "once as young, and once more now that it is old"
        );
        assert!(registry.young.is_empty());
    }

    #[test]
    fn a_major_sweep_removes_old_records_that_died() {
        let (mut registry, _) = registry_of((1..=10_000).map(|n| record(n * 64, n)));
        sweep(&mut registry, false, &[]);
        sweep(&mut registry, false, &[]);

        let (removed, _) = sweep(&mut registry, true, &[9_999, 5_000]);
        assert_eq!(removed, [5_000, 9_999]);
        assert_eq!(registry.len(), 9_998);
    }

    #[test]
    fn after_a_major_collection_a_large_table_is_looked_at_in_steps() {
        let count = 3 * PLACES_PER_STEP + 17;
        let (mut registry, _) = registry_of((1..=count).map(|n| record(n * 64, n)));
        sweep(&mut registry, false, &[]);
        sweep(&mut registry, false, &[]);

        let dead = [count, 1, PLACES_PER_STEP * 2];
        let mut removed = Vec::new();
        let mut asked = sweep(&mut registry, true, &[]).1.len();
        assert_eq!(asked, PLACES_PER_STEP);
        let mut steps = 0;
        loop {
            let before = asked;
            let more = registry.sweep_on(
                PLACES_PER_STEP,
                |record| {
                    asked += 1;
                    dead.contains(&record.handle)
                },
                |record| removed.push(record.handle),
            );
            assert!(asked - before <= PLACES_PER_STEP);
            steps += 1;
            if !more {
                break;
            }
        }
        assert_eq!((steps, asked), (3, count));
        // The two minor sweeps had moved the cursor past the first of them, so it was removed last.
        removed.sort_unstable();
        assert_eq!(removed, [1, PLACES_PER_STEP * 2, count]);
        assert!(!registry.sweep_on(usize::MAX, |_| panic!("all were asked"), |_| {}));
    }

    #[test]
    fn collections_in_quick_succession_reach_the_end_of_the_table() {
        let count = 3 * PLACES_PER_STEP;
        let (mut registry, _) = registry_of((1..=count).map(|n| record(n * 64, n)));
        sweep(&mut registry, false, &[]);
        sweep(&mut registry, false, &[]);

        let removed: Vec<usize> = (0..4)
            .flat_map(|_| sweep(&mut registry, true, &[count]).0)
            .collect();
        assert_eq!(removed, [count]);
        assert!(registry.pending() > 0);
    }

    #[test]
    fn minor_sweeps_get_round_the_whole_table_in_the_end() {
        let (mut registry, _) = registry_of((1..=10_000).map(|n| record(n * 64, n)));
        sweep(&mut registry, false, &[]);
        sweep(&mut registry, false, &[]);

        let rounds = 10_000 / OLD_PLACES_PER_MINOR_SWEEP + 1;
        let removed: Vec<usize> = (0..rounds)
            .flat_map(|_| sweep(&mut registry, false, &[9_999]).0)
            .collect();
        assert_eq!(removed, [9_999]);
    }

    #[test]
    fn a_record_that_ends_with_its_memory_is_not_swept() {
        let mut external = record(64, 1);
        external.ends = Ends::WithItsMemory;
        let (mut registry, ids) = registry_of([external]);

        assert_eq!(sweep(&mut registry, true, &[1]).0, [0; 0]);
        assert!(registry.remove(ids[0]).is_some());
    }

    #[test]
    fn a_burst_that_is_all_released_leaves_no_memory_behind() {
        let (mut registry, _) = registry_of((1..=100_000).map(|n| record(n * 64, n)));
        registry.sweep(true, |_| true, |_| {});
        assert!(
            registry.capacity_bytes() > 0,
            "the next burst may need it as well"
        );
        registry.sweep(true, |_| true, |_| {});

        assert_eq!(registry.capacity_bytes(), 0);
    }

    #[test]
    fn places_are_used_again() {
        let (mut registry, ids) = registry_of([record(64, 0)]);
        for n in 1..=100_000 {
            let id = registry.insert(record(n * 128, n)).expect("there is room");
            registry.remove(id);
            registry.sweep(false, |_| false, |_| {});
        }

        assert_eq!(registry.slots.len(), 2);
        assert_eq!(registry.young.len(), 0);
        assert!(registry.get(ids[0]).is_some());
    }

    #[test]
    fn a_random_history_agrees_with_a_plain_list() {
        let mut seed = 0x2545_F491_4F6C_DD1D_u64;
        let mut random = move |below: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed % below
        };
        let mut registry = Registry::new();
        let mut list: Vec<(RecordId, usize, usize)> = Vec::new();
        for handle in 1..50_000 {
            if list.is_empty() || random(5) < 3 {
                let address = (random(200) * 64) as usize;
                let id = registry
                    .insert(record(address, handle))
                    .expect("there is room");
                list.push((id, address, handle));
            } else {
                let (id, _, handle) = list.swap_remove(random(list.len() as u64) as usize);
                assert_eq!(
                    registry.remove(id).map(|record| record.handle),
                    Some(handle)
                );
            }
            if random(100) == 0 {
                let dead: Vec<usize> = list
                    .iter()
                    .map(|item| item.2)
                    .filter(|_| random(3) == 0)
                    .collect();
                let (mut removed, _) = sweep(&mut registry, true, &dead);
                removed.sort_unstable();
                let mut expected = dead.clone();
                expected.sort_unstable();
                // A major sweep removes young and old records alike.
                assert_eq!(removed, expected);
                list.retain(|item| !dead.contains(&item.2));
            }
            assert_eq!(registry.len(), list.len());
        }
        for address in (64..200 * 64).step_by(64) {
            let mut found = handles(&registry, address);
            found.sort_unstable();
            let mut expected: Vec<usize> = list
                .iter()
                .filter(|item| item.1 == address)
                .map(|item| item.2)
                .collect();
            expected.sort_unstable();
            assert_eq!(found, expected);
        }
    }
}
