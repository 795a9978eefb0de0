//! From the number of an addon environment to the environment: read by many threads without a lock, written by one at a time. `[unsafe]`
//!
//! Knows: chunks of 1,024 numbers; a chunk is allocated when its first number is given out.
//! Duties of this file: a chunk is never freed, so that a look that comes too late finds nothing rather than freed memory.
//! Out of scope: what a pointer points to, and when that may be freed.
//! Limitations: 16,777,216 numbers, the 24 bits that a finalizer's hint has for one.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

const CHUNK: usize = 1_024;

/// The first number that is none.
pub(super) const END: u32 = 1 << 24;

const CHUNKS: usize = END as usize / CHUNK;

/// The places of 1,024 numbers in a row.
pub(super) type Chunk<T> = [AtomicPtr<T>; CHUNK];

/// The directory.
#[derive(Debug)]
pub(super) struct Directory<T: 'static> {
    chunks: [AtomicPtr<Chunk<T>>; CHUNKS],
}

impl<T> Directory<T> {
    /// An empty one.
    pub(super) const fn new() -> Self {
        Directory {
            chunks: [const { AtomicPtr::new(ptr::null_mut()) }; CHUNKS],
        }
    }

    fn chunk(&self, number: u32) -> Option<&'static Chunk<T>> {
        let chunk = self
            .chunks
            .get(number as usize / CHUNK)?
            .load(Ordering::Acquire);
        // SAFETY: null, or a Box that is never freed (`place_of_new`).
        unsafe { chunk.as_ref() }
    }

    /// The place of a number, if its chunk is there. From any thread, at any time.
    #[inline]
    pub(super) fn place(&self, number: u32) -> Option<&'static AtomicPtr<T>> {
        self.chunk(number)?.get(number as usize % CHUNK)
    }

    /// Where a number leads to; null if nowhere. From any thread, at any time.
    #[inline]
    pub(super) fn find(&self, number: u32) -> *mut T {
        self.place(number)
            .map_or(ptr::null_mut(), |place| place.load(Ordering::Acquire))
    }

    /// The place of a number that is given out; its chunk is made, if need be, from one of `spare`. One writer at a time.
    pub(super) fn place_of_new(
        &self,
        number: u32,
        spare: &mut Vec<&'static Chunk<T>>,
    ) -> Option<&'static AtomicPtr<T>> {
        if let Some(place) = self.place(number) {
            return Some(place);
        }
        let slot = self.chunks.get(number as usize / CHUNK)?;
        let chunk = spare.pop().unwrap_or_else(|| {
            Box::leak(Box::new([const { AtomicPtr::new(ptr::null_mut()) }; CHUNK]))
        });
        slot.store(ptr::from_ref(chunk).cast_mut(), Ordering::Release);
        chunk.get(number as usize % CHUNK)
    }

    /// Takes the chunk of a number out, if none of its numbers leads anywhere: another chunk of numbers gets it. `last` is the last number
    /// that was given out: its chunk stays. One writer at a time.
    pub(super) fn take_empty_chunk(&self, number: u32, last: u32) -> Option<&'static Chunk<T>> {
        if number as usize / CHUNK == last as usize / CHUNK {
            return None;
        }
        let chunk = self.chunk(number)?;
        if chunk
            .iter()
            .any(|place| !place.load(Ordering::Acquire).is_null())
        {
            return None;
        }
        self.chunks
            .get(number as usize / CHUNK)?
            .store(ptr::null_mut(), Ordering::Release);
        Some(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_leads_to_its_place_and_a_chunk_of_numbers_is_used_again_once_it_is_empty() {
        static DIRECTORY: Directory<u8> = Directory::new();
        let (first, second, last) = (END - 1, END - 1 - CHUNK as u32, 0);
        let mut spare = Vec::new();
        assert!(DIRECTORY.place(first).is_none());
        let place = DIRECTORY
            .place_of_new(first, &mut spare)
            .expect("the number is in range");
        // Never looked into.
        let pointer = ptr::without_provenance_mut::<u8>(64);
        place.store(pointer, Ordering::Release);
        assert_eq!(DIRECTORY.find(first), pointer);
        assert!(
            DIRECTORY.take_empty_chunk(first, last).is_none(),
            "one is still there"
        );

        place.store(ptr::null_mut(), Ordering::Release);
        assert!(
            DIRECTORY.take_empty_chunk(first, first - 1).is_none(),
            "numbers of it are still given out"
        );
        spare.extend(DIRECTORY.take_empty_chunk(first, last));
        assert_eq!(spare.len(), 1);
        assert!(DIRECTORY.place(first).is_none());
        let again = DIRECTORY
            .place_of_new(second, &mut spare)
            .expect("the number is in range");
        assert!(again.load(Ordering::Acquire).is_null() && spare.is_empty());
        assert!(DIRECTORY.place(second).is_some() && DIRECTORY.place(first).is_none());
        assert!(DIRECTORY.take_empty_chunk(second, last).is_some());
    }

    #[test]
    fn numbers_that_were_never_given_lead_nowhere() {
        static DIRECTORY: Directory<u8> = Directory::new();
        for number in [0, END, u32::MAX] {
            assert!(DIRECTORY.place(number).is_none());
            assert!(DIRECTORY.find(number).is_null());
        }
        assert!(DIRECTORY.place_of_new(END, &mut Vec::new()).is_none());
        assert!(DIRECTORY.take_empty_chunk(END, 0).is_none());
    }
}
