//! From addresses to pointers: read by many threads without a lock, written by one at a time.
//!
//! Knows: keys and what they lead to, in open addressing with linear probing.
//! Out of scope: what a pointer points to, and when that may be freed.
//! Limitations: it does not grow; `growing_table.rs` replaces it by a larger one. 0 and 1 are not keys.
//!
//! ```text
//!  a row:  EMPTY ──insert──▶ key ──remove──▶ GONE ──▶ EMPTY   as soon as the row behind it is empty
//!                             ▲               │
//!                             └────insert─────┘
//! ```
//!
//! A reader stops at an empty row. So a row may become empty only when nothing lies behind it that a reader could still be
//! looking for: `remove` empties rows from the end of their run backwards. Without that every environment that ever was would
//! keep a row, and 100,000 workers one after the other would leave 782 tables.

#![forbid(unsafe_code)]

use std::ptr;

#[cfg(not(all(loom, test)))]
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

#[cfg(all(loom, test))]
use loom::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

const EMPTY: usize = 0;
const GONE: usize = 1;

#[derive(Debug)]
struct Row<T> {
    key: AtomicUsize,
    value: AtomicPtr<T>,
}

/// The table. Its size is a power of two.
#[derive(Debug)]
pub struct Table<T> {
    rows: Box<[Row<T>]>,
}

/// What became of an insertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// It took a row that was empty.
    Fresh,
    /// It took a row that another key had left.
    Reused,
    /// There is no room.
    Full,
}

impl<T> Table<T> {
    /// An empty table with this number of rows, a power of two.
    pub fn of_size(rows: usize) -> Self {
        let row = || Row {
            key: AtomicUsize::new(EMPTY),
            value: AtomicPtr::new(ptr::null_mut()),
        };
        Table {
            rows: (0..rows).map(|_| row()).collect(),
        }
    }

    /// How many rows it has.
    pub fn size(&self) -> usize {
        self.rows.len()
    }

    #[inline]
    fn mask(&self) -> usize {
        self.rows.len().wrapping_sub(1)
    }

    /// The rows that a key may be in, in their order.
    #[inline]
    fn run(&self, key: usize) -> impl Iterator<Item = (usize, &Row<T>)> {
        let home = (key >> 4) ^ (key >> 12);
        (0..self.rows.len()).map_while(move |step| {
            let at = (home + step) & self.mask();
            Some((at, self.rows.get(at)?))
        })
    }

    #[inline]
    fn place(&self, key: usize) -> Option<(usize, &Row<T>)> {
        for (at, row) in self.run(key) {
            match row.key.load(Ordering::Acquire) {
                found if found == key => return Some((at, row)),
                EMPTY => return None,
                _ => {}
            }
        }
        None
    }

    /// Where a key leads to. From any thread, at any time.
    #[inline]
    pub fn find(&self, key: usize) -> Option<*mut T> {
        let (_, row) = self.place(key)?;
        // The key was seen with Acquire, and `insert` had stored the pointer before it.
        Some(row.value.load(Ordering::Relaxed))
    }

    /// Adds a key that is not there. One writer at a time.
    pub fn insert(&self, key: usize, value: *mut T) -> Inserted {
        for (_, row) in self.run(key) {
            let before = row.key.load(Ordering::Relaxed);
            if before <= GONE {
                row.value.store(value, Ordering::Relaxed);
                row.key.store(key, Ordering::Release);
                return if before == EMPTY {
                    Inserted::Fresh
                } else {
                    Inserted::Reused
                };
            }
        }
        Inserted::Full
    }

    /// Takes a key out; how many rows are empty now that were not. One writer at a time.
    pub fn remove(&self, key: usize) -> usize {
        let Some((at, row)) = self.place(key) else {
            return 0;
        };
        row.key.store(GONE, Ordering::Release);
        let mut emptied = 0;
        while emptied < self.rows.len() {
            let here = at.wrapping_sub(emptied) & self.mask();
            let behind = (here + 1) & self.mask();
            let key_of = |at: usize| {
                self.rows
                    .get(at)
                    .map_or(GONE, |row| row.key.load(Ordering::Relaxed))
            };
            if key_of(here) != GONE || key_of(behind) != EMPTY {
                break;
            }
            if let Some(row) = self.rows.get(here) {
                row.key.store(EMPTY, Ordering::Release);
            }
            emptied += 1;
        }
        emptied
    }

    /// All keys, and where they lead to. While nobody writes.
    pub fn entries(&self) -> Vec<(usize, *mut T)> {
        self.rows
            .iter()
            .map(|row| (row.key.load(Ordering::Relaxed), row))
            .filter(|(key, _)| *key > GONE)
            .map(|(key, row)| (key, row.value.load(Ordering::Relaxed)))
            .collect()
    }

    /// How many rows are not empty.
    pub fn used(&self) -> usize {
        self.rows
            .iter()
            .filter(|row| row.key.load(Ordering::Relaxed) != EMPTY)
            .count()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn pointer(number: usize) -> *mut u8 {
        number as *mut u8
    }

    /// Keys whose home in a table of 8 rows is this one.
    fn with_home(home: usize, number: usize) -> usize {
        (number << 8 | home) << 4
    }

    #[test]
    fn a_key_behind_one_that_is_gone_is_found() {
        let table = Table::of_size(8);
        let (first, second) = (with_home(3, 16), with_home(3, 32));
        assert_eq!(table.insert(first, pointer(1)), Inserted::Fresh);
        assert_eq!(table.insert(second, pointer(2)), Inserted::Fresh);

        assert_eq!(table.remove(first), 0);
        assert_eq!(table.find(first), None);
        assert_eq!(table.find(second), Some(pointer(2)));
        assert_eq!(table.insert(first, pointer(3)), Inserted::Reused);
        assert_eq!(table.find(first), Some(pointer(3)));
    }

    #[test]
    fn rows_at_the_end_of_a_run_become_empty_again() {
        let table = Table::of_size(8);
        let keys: Vec<usize> = (1..=3).map(|number| with_home(7, number * 16)).collect();
        for key in &keys {
            table.insert(*key, pointer(*key));
        }
        assert_eq!(table.remove(keys[1]), 0);
        assert_eq!(table.remove(keys[2]), 2);
        assert_eq!(table.used(), 1);
        assert_eq!(table.find(keys[0]), Some(pointer(keys[0])));
        assert_eq!(table.remove(keys[0]), 1);
        assert_eq!(table.used(), 0);
        assert_eq!(table.remove(keys[0]), 0);
    }

    #[test]
    fn a_full_table_says_so_and_a_missing_key_ends_the_search() {
        let table = Table::of_size(4);
        for number in 1..=4 {
            assert_eq!(table.insert(number << 4, pointer(number)), Inserted::Fresh);
        }
        assert_eq!(table.insert(5 << 4, pointer(5)), Inserted::Full);
        assert_eq!(table.find(5 << 4), None);
        assert_eq!(Table::<u8>::of_size(0).find(16), None);
    }

    #[test]
    fn a_hundred_thousand_keys_one_after_the_other_need_no_more_rows_than_one() {
        let table = Table::of_size(256);
        let mut used = 0usize;
        for number in 1..=100_000usize {
            // Addresses as malloc gives them out: near each other, and some of them again.
            let key = 0x7f00_0000_0000 + number.wrapping_mul(7_919) % 65_536 * 16;
            used += usize::from(table.insert(key, pointer(number)) == Inserted::Fresh);
            assert_eq!(table.find(key), Some(pointer(number)));
            used -= table.remove(key);
        }
        assert_eq!((used, table.used()), (0, 0));
    }

    /// Against a plain map, with keys that collide.
    #[test]
    fn it_agrees_with_a_map() {
        let table = Table::of_size(64);
        let mut map: HashMap<usize, usize> = HashMap::new();
        let mut used = 0usize;
        let mut seed = 0x9e37_79b9_7f4a_7c15u64;
        for round in 1..200_000usize {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let key = ((seed % 40) as usize + 1) << 4;
            if map.remove(&key).is_some() {
                used -= table.remove(key);
            } else if map.len() < 30 {
                map.insert(key, round);
                used += usize::from(table.insert(key, pointer(round)) == Inserted::Fresh);
            }
            assert_eq!(used, table.used());
        }
        for key in (1..=40).map(|number| number << 4) {
            assert_eq!(table.find(key), map.get(&key).map(|value| pointer(*value)));
        }
    }
}

/// All interleavings: `npm run test:loom`.
#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    const HOME: usize = 2;

    fn key(number: usize) -> usize {
        (number << 8 | HOME) << 4
    }

    fn pointer(number: usize) -> *mut u8 {
        number as *mut u8
    }

    /// A reader finds its own key, whatever a writer adds to the same run of rows and takes out of it.
    #[test]
    fn a_reader_finds_its_key_while_others_are_added_and_removed() {
        loom::model(|| {
            let table = Arc::new(Table::of_size(4));
            table.insert(key(16), pointer(1));
            table.insert(key(32), pointer(2));
            let reader = {
                let table = table.clone();
                thread::spawn(move || {
                    assert_eq!(table.find(key(32)), Some(pointer(2)));
                    assert_eq!(table.find(key(32)), Some(pointer(2)));
                })
            };
            // Before it, and behind it.
            table.remove(key(16));
            table.insert(key(48), pointer(3));
            table.remove(key(48));
            reader.join().expect("the reader");
        });
    }

    /// A key that is being inserted leads to its pointer as soon as it can be seen.
    #[test]
    fn a_key_that_is_seen_leads_to_its_own_pointer() {
        loom::model(|| {
            let table = Arc::new(Table::of_size(4));
            table.insert(key(16), pointer(1));
            let reader = {
                let table = table.clone();
                thread::spawn(move || {
                    let found = table.find(key(32));
                    assert!(found.is_none() || found == Some(pointer(2)), "{found:?}");
                })
            };
            table.remove(key(16));
            // Takes the row that the first one has left.
            table.insert(key(32), pointer(2));
            reader.join().expect("the reader");
        });
    }
}
