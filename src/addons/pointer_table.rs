//! Pointers to small values: what a hook looks up on every call.
//!
//! Knows: for each address one value; 16 bytes an entry and at least half the entries empty.
//! Out of scope: what is at the address.
//! Limitations: no address is 0 or `usize::MAX - 1`. Growing moves everything at once: some milliseconds per million.

#![forbid(unsafe_code)]

const EMPTY: usize = 0;
/// Stands for the address 0, which addons do wrap.
const NULL: usize = usize::MAX - 1;
const MIN_ENTRIES: usize = 32;
/// `remove` makes the table a quarter as large when fewer than one entry in 16 is in use. One in four is in use then, so the
/// table neither grows nor shrinks again soon.
const SHRINK_AT: usize = 16;
/// Smaller ones stay.
const KEPT_ENTRIES: usize = 4_096;

/// An open-addressing table, linear probing, deletion by shifting back.
#[derive(Debug)]
pub struct PointerTable<V> {
    entries: Vec<(usize, V)>,
    len: usize,
}

impl<V: Copy + Default> Default for PointerTable<V> {
    fn default() -> Self {
        Self::new()
    }
}

fn key(address: usize) -> usize {
    if address == 0 {
        NULL
    } else {
        address
    }
}

impl<V: Copy + Default> PointerTable<V> {
    /// An empty table; takes no memory yet.
    pub const fn new() -> Self {
        PointerTable {
            entries: Vec::new(),
            len: 0,
        }
    }

    /// How many addresses there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many entries it takes memory for.
    pub fn entry_count(&self) -> usize {
        self.entries.len()
    }

    #[inline]
    fn mask(&self) -> usize {
        self.entries.len().wrapping_sub(1)
    }

    #[inline]
    fn home(&self, key: usize) -> usize {
        // Neighbouring blocks of malloc differ from the fourth bit on; the multiplier is 2^64 divided by the golden ratio.
        ((key >> 4) as u64)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(26) as usize
            & self.mask()
    }

    /// Where the key is, or where it would go.
    #[inline]
    fn probe(&self, key: usize) -> Result<usize, usize> {
        let mut at = self.home(key);
        loop {
            match self.entries.get(at) {
                Some(&(found, _)) if found == key => return Ok(at),
                None | Some(&(EMPTY, _)) => return Err(at),
                Some(_) => at = (at + 1) & self.mask(),
            }
        }
    }

    /// The value of an address.
    #[inline]
    pub fn get(&self, address: usize) -> Option<V> {
        let at = self.probe(key(address)).ok()?;
        self.entries.get(at).map(|entry| entry.1)
    }

    /// The value of an address, to be changed.
    #[inline]
    pub fn get_mut(&mut self, address: usize) -> Option<&mut V> {
        let at = self.probe(key(address)).ok()?;
        self.entries.get_mut(at).map(|entry| &mut entry.1)
    }

    /// Sets the value of an address; the one it had before. `Err` when there is no memory: then nothing has changed.
    #[inline]
    pub fn insert(&mut self, address: usize, value: V) -> Result<Option<V>, NoMemory> {
        if (self.len + 1) * 2 > self.entries.len() {
            self.resize((self.entries.len() * 2).max(MIN_ENTRIES))?;
        }
        let key = key(address);
        match self.probe(key) {
            Ok(at) => Ok(self
                .entries
                .get_mut(at)
                .map(|entry| std::mem::replace(&mut entry.1, value))),
            Err(at) => {
                if let Some(entry) = self.entries.get_mut(at) {
                    *entry = (key, value);
                    self.len += 1;
                }
                Ok(None)
            }
        }
    }

    /// The value of an address that has one, to be changed; an address that has none gets this one. `Err` when there is no memory: then
    /// nothing has changed.
    #[inline]
    pub fn get_or_insert(&mut self, address: usize, value: V) -> Result<Option<&mut V>, NoMemory> {
        if (self.len + 1) * 2 > self.entries.len() {
            self.resize((self.entries.len() * 2).max(MIN_ENTRIES))?;
        }
        let key = key(address);
        match self.probe(key) {
            Ok(at) => Ok(self.entries.get_mut(at).map(|entry| &mut entry.1)),
            Err(at) => {
                if let Some(entry) = self.entries.get_mut(at) {
                    *entry = (key, value);
                    self.len += 1;
                }
                Ok(None)
            }
        }
    }

    /// Shows the value of an address, to be changed, and forgets it unless `keeps` says to keep it. The value that was forgotten.
    #[inline]
    pub fn change(&mut self, address: usize, keeps: impl FnOnce(&mut V) -> bool) -> Option<V> {
        let at = self.probe(key(address)).ok()?;
        if keeps(&mut self.entries.get_mut(at)?.1) {
            return None;
        }
        self.remove_at(at)
    }

    /// Forgets an address; the value it had.
    #[inline]
    pub fn remove(&mut self, address: usize) -> Option<V> {
        let at = self.probe(key(address)).ok()?;
        self.remove_at(at)
    }

    #[inline]
    fn remove_at(&mut self, at: usize) -> Option<V> {
        let mut hole = at;
        let removed = self.entries.get(hole).map(|entry| entry.1);
        let mask = self.mask();
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let entry = self.entries.get(at).copied().unwrap_or_default();
            if entry.0 == EMPTY {
                break;
            }
            // It may move into the hole if the hole lies between its home and where it is now.
            let home = self.home(entry.0);
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.set(hole, entry);
                hole = at;
            }
        }
        self.set(hole, (EMPTY, V::default()));
        self.len -= 1;
        if self.len * SHRINK_AT < self.entries.len() && self.entries.len() > KEPT_ENTRIES {
            // Without memory for a smaller one it stays as it is.
            let _ = self.resize(self.entries.len() / 4);
        }
        removed
    }

    fn set(&mut self, at: usize, entry: (usize, V)) {
        if let Some(old) = self.entries.get_mut(at) {
            *old = entry;
        }
    }

    /// Visits up to `limit` entries from the place `from` on, and says where to go on: `None` at the end.
    ///
    /// Removals in between may move an entry past the cursor: it is met again in the next round.
    pub fn visit(
        &mut self,
        from: usize,
        limit: usize,
        mut visit: impl FnMut(usize, &mut V),
    ) -> Option<usize> {
        let end = from.saturating_add(limit).min(self.entries.len());
        for entry in self.entries.get_mut(from..end).into_iter().flatten() {
            if entry.0 != EMPTY {
                visit(if entry.0 == NULL { 0 } else { entry.0 }, &mut entry.1);
            }
        }
        (end < self.entries.len()).then_some(end)
    }

    /// Forgets everything and gives the memory back.
    pub fn clear(&mut self) {
        self.entries = Vec::new();
        self.len = 0;
    }

    #[cold]
    fn resize(&mut self, entries: usize) -> Result<(), NoMemory> {
        let mut new: Vec<(usize, V)> = Vec::new();
        new.try_reserve_exact(entries).map_err(|_| NoMemory)?;
        new.resize(entries, (EMPTY, V::default()));
        let old = std::mem::replace(&mut self.entries, new);
        for entry in old.into_iter().filter(|entry| entry.0 != EMPTY) {
            if let Err(at) = self.probe(entry.0) {
                self.set(at, entry);
            }
        }
        Ok(())
    }
}

/// Memory could not be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoMemory;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn one_look_finds_or_inserts_and_one_changes_or_forgets() {
        let mut table = PointerTable::new();
        assert_eq!(table.get_or_insert(0, 7), Ok(None));
        assert_eq!(
            table.get_or_insert(0, 8).map(|found| found.copied()),
            Ok(Some(7))
        );
        if let Ok(Some(value)) = table.get_or_insert(0, 9) {
            *value += 10;
        }
        assert_eq!((table.get(0), table.len()), (Some(17), 1));
        assert_eq!(table.change(16, |_| false), None);
        let keep = |value: &mut i32| {
            *value += 1;
            *value != 19
        };
        assert_eq!(table.change(0, keep), None);
        assert_eq!(table.change(0, keep), Some(19));
        assert_eq!((table.get(0), table.len()), (None, 0));
    }

    #[test]
    fn it_agrees_with_the_standard_map_over_a_random_history() {
        let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
        let mut random = move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        let mut table = PointerTable::new();
        let mut map = HashMap::new();
        for step in 0..20_000u32 {
            // Addresses 16 bytes apart, as of neighbouring blocks, and the null pointer.
            let address = (random() % 700) as usize * 16;
            if random() % 5 < 3 {
                assert_eq!(table.insert(address, step), Ok(map.insert(address, step)));
            } else {
                assert_eq!(table.remove(address), map.remove(&address));
            }
            assert_eq!(table.len(), map.len());
        }
        for (address, value) in &map {
            assert_eq!(table.get(*address), Some(*value));
        }
        let mut visited = HashMap::new();
        let mut from = Some(0);
        while let Some(at) = from {
            from = table.visit(at, 13, |address, value| {
                visited.insert(address, *value);
            });
        }
        assert_eq!(visited, map);
    }

    #[test]
    fn an_empty_table_has_nothing_and_takes_no_memory() {
        let mut table = PointerTable::<u32>::new();
        assert_eq!(table.get(16), None);
        assert_eq!(table.remove(16), None);
        assert_eq!(table.entry_count(), 0);
        table.insert(16, 1).expect("memory");
        table.clear();
        assert!(table.is_empty() && table.entry_count() == 0);
    }
}
