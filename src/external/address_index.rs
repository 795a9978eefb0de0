//! From the address of a tracked value to the index of its record, with one cache line for a look-up.
//!
//! Knows: for each address one index. It does not keep the address itself: where two addresses have the same hash, it asks the registry.
//! Out of scope: what is at the address.
//! Limitations: 2^31 entries; an entry costs 16 to 32 bytes.
//!
//! A general hash map cost a third of `track()` when a hundred thousand values were live: it scatters neighbouring
//! addresses over memory, and every step of it misses the cache. Buffers are made in runs of neighbouring addresses (slices of
//! one slab), so here the addresses of 512 neighbouring bytes share a home line of eight buckets.

#![forbid(unsafe_code)]

/// A bucket that holds nothing.
const EMPTY: u64 = u64::MAX;

const BUCKETS_PER_LINE: usize = 8;
const MIN_BUCKETS: usize = 64;

/// An open-addressing table of (position, place) pairs, linear probing, deletion by shifting back.
#[derive(Debug, Default)]
pub struct AddressIndex {
    /// The position hash in the high half, the place in the low one.
    buckets: Vec<u64>,
    len: usize,
}

/// Where an address belongs: its home in a table of 2^32 buckets; smaller tables take the low bits.
#[inline]
fn position(address: usize) -> u32 {
    // The multiplier is 2^64 divided by the golden ratio: its high product bits depend on all bits of the line.
    let line = ((address >> 9) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 35;
    ((line as u32) << 3) | ((address >> 6) as u32 & 7)
}

#[inline]
fn pack(position: u32, place: u32) -> u64 {
    (u64::from(position) << 32) | u64::from(place)
}

#[inline]
fn position_of(bucket: u64) -> u32 {
    (bucket >> 32) as u32
}

#[inline]
fn place_of(bucket: u64) -> u32 {
    bucket as u32
}

impl AddressIndex {
    /// An empty index; takes no memory yet.
    pub const fn new() -> Self {
        AddressIndex {
            buckets: Vec::new(),
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

    /// How many buckets it takes memory for.
    pub fn bucket_count(&self) -> usize {
        self.buckets.len()
    }

    #[inline]
    fn mask(&self) -> usize {
        self.buckets.len().wrapping_sub(1)
    }

    /// The bucket with this address, or where it would go.
    #[inline]
    fn probe(&self, address: usize, address_at: impl Fn(u32) -> usize) -> Result<usize, usize> {
        let wanted = position(address);
        let mut at = wanted as usize & self.mask();
        loop {
            match self.buckets.get(at).copied() {
                None | Some(EMPTY) => return Err(at),
                Some(bucket)
                    if position_of(bucket) == wanted && address_at(place_of(bucket)) == address =>
                {
                    return Ok(at);
                }
                Some(_) => at = (at + 1) & self.mask(),
            }
        }
    }

    /// Reads the bucket where each of these belongs. No read depends on another one, so the processor waits for all of them together.
    #[inline]
    pub fn touch(&self, addresses: &[usize]) {
        let taken = addresses.iter().fold(0, |sum: u64, address| {
            let at = position(*address) as usize & self.mask();
            sum ^ self.buckets.get(at).copied().unwrap_or(EMPTY)
        });
        std::hint::black_box(taken);
    }

    /// The place of an address. `address_at` tells the address of a place.
    #[inline]
    pub fn get(&self, address: usize, address_at: impl Fn(u32) -> usize) -> Option<u32> {
        let at = self.probe(address, address_at).ok()?;
        self.buckets.get(at).map(|bucket| place_of(*bucket))
    }

    /// Sets the place of an address; the one it had before.
    #[inline]
    pub fn insert(
        &mut self,
        address: usize,
        place: u32,
        address_at: impl Fn(u32) -> usize,
    ) -> Option<u32> {
        if (self.len + 1) * 2 > self.buckets.len() {
            self.resize((self.buckets.len() * 2).max(MIN_BUCKETS));
        }
        let packed = pack(position(address), place);
        match self.probe(address, address_at) {
            Ok(at) => self
                .buckets
                .get_mut(at)
                .map(|bucket| place_of(std::mem::replace(bucket, packed))),
            Err(at) => {
                if let Some(bucket) = self.buckets.get_mut(at) {
                    *bucket = packed;
                    self.len += 1;
                }
                None
            }
        }
    }

    /// Forgets an address.
    pub fn remove(&mut self, address: usize, address_at: impl Fn(u32) -> usize) {
        let Ok(mut hole) = self.probe(address, address_at) else {
            return;
        };
        let mask = self.mask();
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let bucket = self.buckets.get(at).copied().unwrap_or(EMPTY);
            if bucket == EMPTY {
                break;
            }
            // It may move into the hole if the hole lies between its home and where it is now.
            let home = position_of(bucket) as usize & mask;
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.set(hole, bucket);
                hole = at;
            }
        }
        self.set(hole, EMPTY);
        self.len -= 1;
    }

    fn set(&mut self, at: usize, bucket: u64) {
        if let Some(old) = self.buckets.get_mut(at) {
            *old = bucket;
        }
    }

    /// Forgets all addresses, and keeps the memory.
    pub fn clear(&mut self) {
        self.buckets.fill(EMPTY);
        self.len = 0;
    }

    /// Gives memory back when it holds far less than it once did.
    pub fn shrink(&mut self) {
        if self.len == 0 {
            self.buckets = Vec::new();
        } else if self.len * 16 < self.buckets.len() {
            self.resize((self.len * 4).next_power_of_two().max(MIN_BUCKETS));
        }
    }

    #[cold]
    fn resize(&mut self, buckets: usize) {
        debug_assert!(buckets.is_power_of_two() && buckets.is_multiple_of(BUCKETS_PER_LINE));
        let old = std::mem::replace(&mut self.buckets, vec![EMPTY; buckets]);
        let mask = self.mask();
        for bucket in old.into_iter().filter(|bucket| *bucket != EMPTY) {
            let mut at = position_of(bucket) as usize & mask;
            while self.buckets.get(at).is_some_and(|taken| *taken != EMPTY) {
                at = (at + 1) & mask;
            }
            self.set(at, bucket);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// A random history against the standard map; the table of addresses is the list of all places.
    fn history(addresses: impl Fn(u64) -> usize, steps: usize) {
        let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
        let mut random = move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        let mut index = AddressIndex::new();
        let mut map = HashMap::new();
        let mut table = Vec::new();
        for _ in 0..steps {
            let address = addresses(random());
            let table_now = table.clone();
            let address_at = |place: u32| table_now[place as usize];
            if random() % 5 < 3 {
                let place = table.len() as u32;
                table.push(address);
                assert_eq!(
                    index.insert(address, place, address_at),
                    map.insert(address, place)
                );
            } else {
                index.remove(address, address_at);
                map.remove(&address);
            }
            assert_eq!(index.len(), map.len());
        }
        let address_at = |place: u32| table[place as usize];
        for address in &table {
            assert_eq!(index.get(*address, address_at), map.get(address).copied());
        }
        index.shrink();
        for address in &table {
            assert_eq!(index.get(*address, address_at), map.get(address).copied());
        }
    }

    #[test]
    fn it_agrees_with_the_standard_map_on_neighbouring_addresses() {
        history(
            |random| 0x7F00_0000_0000 + (random % 600) as usize * 8,
            4_000,
        );
    }

    #[test]
    fn it_agrees_with_the_standard_map_on_page_aligned_addresses() {
        history(
            |random| 0x7F00_0000_0010 + (random % 500) as usize * 4_096,
            4_000,
        );
    }

    #[test]
    fn dense_slices_of_many_slabs_are_found_within_a_few_steps() {
        let addresses: Vec<usize> = (0..1_000)
            .flat_map(|slab| {
                (0..80).map(move |slice| 0x7F00_0000_0000 + slab * 65_536 + slice * 104)
            })
            .collect();
        let mut index = AddressIndex::new();
        for (place, address) in addresses.iter().enumerate() {
            index.insert(*address, place as u32, |place| addresses[place as usize]);
        }
        let mask = index.mask();
        let steps: usize = addresses
            .iter()
            .map(|address| {
                let at = index
                    .probe(*address, |place| addresses[place as usize])
                    .expect("it is there");
                at.wrapping_sub(position(*address) as usize) & mask
            })
            .sum();

        assert!(
            steps / addresses.len() < 8,
            "{} steps on average",
            steps / addresses.len()
        );
    }

    #[test]
    fn an_emptied_index_gives_its_memory_back() {
        let mut index = AddressIndex::new();
        let address = |place: u32| 64 * (place as usize + 1);
        for place in 0..10_000 {
            index.insert(address(place), place, address);
        }
        for place in 0..10_000 {
            index.remove(address(place), address);
        }
        index.shrink();

        assert_eq!(index.bucket_count(), 0);
    }
}
