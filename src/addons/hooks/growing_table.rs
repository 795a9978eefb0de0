//! A [`Table`] that is replaced by a larger one when it is half full. `[unsafe]`
//!
//! Knows: the table that is current, and how many of its rows are not empty.
//! Duties of this file: a table that was replaced is never freed, as a hook on another thread may be reading it.
//! Out of scope: what a pointer points to, and when that may be freed.
//! Limitations: who writes sees to it that nobody else does.

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use super::table::{Inserted, Table};

/// The smallest table has this many rows.
const MIN_ROWS: usize = 256;
/// A new table has this many rows for each key.
const ROWS_PER_KEY: usize = 8;

/// The table.
#[derive(Debug)]
pub(super) struct GrowingTable<T: 'static> {
    current: AtomicPtr<Table<T>>,
    /// Rows that are not empty; only for who writes.
    used: AtomicUsize,
}

impl<T> GrowingTable<T> {
    /// An empty one; it takes no memory yet.
    pub(super) const fn new() -> Self {
        GrowingTable {
            current: AtomicPtr::new(ptr::null_mut()),
            used: AtomicUsize::new(0),
        }
    }

    #[inline]
    fn current(&self) -> Option<&'static Table<T>> {
        // SAFETY: null or a leaked Box, written out before it was stored with Release — `insert`.
        unsafe { self.current.load(Ordering::Acquire).as_ref() }
    }

    /// Where a key leads to. From any thread, at any time.
    #[inline]
    pub(super) fn find(&self, key: usize) -> Option<*mut T> {
        self.current()?.find(key)
    }

    /// Adds a key that is not there. One writer at a time.
    pub(super) fn insert(&self, key: usize, value: *mut T) {
        let used = self.used.load(Ordering::Relaxed);
        let mut table = self
            .current()
            .filter(|table| (used + 1) * 2 <= table.size());
        if table.is_none() {
            let entries = self.current().map_or_else(Vec::new, Table::entries);
            let rows = (entries.len() + 1) * ROWS_PER_KEY;
            let larger = Table::of_size(rows.next_power_of_two().max(MIN_ROWS));
            for (key, value) in entries {
                larger.insert(key, value);
            }
            self.used.store(larger.used(), Ordering::Relaxed);
            let larger: &'static Table<T> = Box::leak(Box::new(larger));
            self.current
                .store(ptr::from_ref(larger).cast_mut(), Ordering::Release);
            table = Some(larger);
        }
        if table.is_some_and(|table| table.insert(key, value) == Inserted::Fresh) {
            self.used.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes a key out. One writer at a time.
    pub(super) fn remove(&self, key: usize) {
        let emptied = self.current().map_or(0, |table| table.remove(key));
        let used = self.used.load(Ordering::Relaxed);
        self.used
            .store(used.saturating_sub(emptied), Ordering::Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn pointer(number: usize) -> *mut u8 {
        ptr::without_provenance_mut(number)
    }

    #[test]
    fn all_keys_are_in_the_larger_table_and_those_that_were_removed_are_not() {
        let table = GrowingTable::new();
        assert_eq!(table.find(16), None);
        for number in 1..=1_000 {
            table.insert(number * 16, pointer(number));
            if number % 3 == 0 {
                table.remove(number * 16);
            }
        }
        for number in 1..=1_000 {
            let found = (number % 3 != 0).then(|| pointer(number));
            assert_eq!(table.find(number * 16), found, "{number}");
        }
        let rows = table.current().map_or(0, Table::size);
        assert!(rows >= 1_334, "{rows}");
    }

    #[test]
    fn a_hundred_thousand_keys_one_after_the_other_need_few_tables() {
        let table = GrowingTable::new();
        table.insert(16, pointer(1));
        let (mut current, mut tables) = (ptr::null_mut(), 0);
        for number in 2..100_000usize {
            let key = number.wrapping_mul(7_919) % 65_536 * 16 + 32;
            table.insert(key, pointer(number));
            table.remove(key);
            tables += usize::from(current != table.current.load(Ordering::Relaxed));
            current = table.current.load(Ordering::Relaxed);
        }
        // In front of a key that stays, rows of removed keys stay as well.
        assert!(tables < 10, "{tables}");
        assert_eq!(table.current().map_or(0, Table::size), MIN_ROWS);
        let used = table.current().map_or(0, Table::used);
        assert_eq!(table.used.load(Ordering::Relaxed), used);
        assert_eq!(table.find(16), Some(pointer(1)));
    }
}
