//! The arithmetic of a census: every backing store with the bytes of it that views can reach, and what all of them come to.
//!
//! Knows: addresses and lengths as numbers. Out of scope: JavaScript objects, which rows name by their index; what a store wastes
//! (`slabs`).
//! Limitations: views that nobody gave it, such as those of other threads. What several views reach counts once (interval union).

#![forbid(unsafe_code)]

use std::cmp::Reverse;

use super::slabs::{Usage, ADDON, EXTERNAL, RESIZABLE, SHARED, SLAB, WASM};
use crate::base::sum::Sum;

/// A typed array of up to this many bytes is made inside V8's heap, and moved out when somebody asks for its
/// ArrayBuffer; looking for all objects does that to every one of them.
pub const ON_HEAP_LIMIT: u64 = 64;

/// An ArrayBuffer or SharedArrayBuffer as it was found. Several may have one backing store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buffer {
    /// Where its bytes are; 0 when it is not known or there are none.
    pub address: u64,
    /// Its length.
    pub bytes: u64,
    /// What it is: the bits above.
    pub kind: u8,
}

/// A Buffer, another typed array, or a DataView.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// The index of its ArrayBuffer.
    pub buffer: u32,
    /// Where in it the view begins.
    pub start: u64,
    /// Its length.
    pub bytes: u64,
}

/// Every backing store, in the order of their ArrayBuffers. Views of buffers that do not exist are left out.
pub fn usages(buffers: &[Buffer], views: &[View]) -> Vec<Usage> {
    let (mut usages, store_of) = stores(buffers);
    let mut order: Vec<u32> = (0..views.len() as u32)
        .filter(|&view| (views[view as usize].buffer as usize) < buffers.len())
        .collect();
    let store = |view: u32| store_of[views[view as usize].buffer as usize];
    order.sort_unstable_by_key(|&view| (store(view), views[view as usize].start, view));
    let mut reached = 0u64;
    let mut current = None;
    for &index in &order {
        let view = views[index as usize];
        if current != Some(store(index)) {
            current = Some(store(index));
            reached = 0;
        }
        let usage = &mut usages[store(index) as usize];
        // A view that reaches beyond the end cannot be; a wrong number must not become a wrong sum.
        let end = view.start.saturating_add(view.bytes).min(usage.bytes);
        usage.used_bytes += end.saturating_sub(view.start.max(reached));
        reached = reached.max(end);
        usage.view_count += 1;
        usage.whole |= view.start == 0 && end == usage.bytes;
        let longest = usage
            .longest_view
            .map(|longest| views[longest as usize].bytes);
        if longest.is_none_or(|longest| view.bytes > longest)
            || (longest == Some(view.bytes) && usage.longest_view > Some(index))
        {
            usage.longest_view = Some(index);
        }
    }
    for usage in &mut usages {
        let longest = usage.longest_view.map(|view| views[view as usize].bytes);
        usage.decide(longest);
    }
    usages
}

/// One usage per backing store, not looked at yet, and the store of each buffer. Buffers at one address are one store.
fn stores(buffers: &[Buffer]) -> (Vec<Usage>, Vec<u32>) {
    let mut by_address: Vec<u32> = (0..buffers.len() as u32).collect();
    by_address.sort_unstable_by_key(|&index| {
        let buffer = &buffers[index as usize];
        (buffer.address, Reverse(buffer.bytes), index)
    });
    // The first of each run of equal addresses speaks for it.
    let mut speaker: Vec<u32> = (0..buffers.len() as u32).collect();
    let mut kinds: Vec<u8> = buffers.iter().map(|buffer| buffer.kind).collect();
    for pair in by_address.windows(2) {
        let [one, other] = [pair[0] as usize, pair[1] as usize];
        if buffers[one].address != 0 && buffers[one].address == buffers[other].address {
            speaker[other] = speaker[one];
            kinds[speaker[one] as usize] |= buffers[other].kind;
        }
    }
    let mut usages = Vec::new();
    let mut store_of = vec![0u32; buffers.len()];
    for index in 0..buffers.len() {
        if speaker[index] as usize == index {
            store_of[index] = usages.len() as u32;
            usages.push(Usage {
                buffer: index as u32,
                bytes: buffers[index].bytes,
                kind: kinds[index],
                address: buffers[index].address,
                used_bytes: 0,
                view_count: 0,
                longest_view: None,
                whole: false,
            });
        }
    }
    for index in 0..buffers.len() {
        store_of[index] = store_of[speaker[index] as usize];
    }
    (usages, store_of)
}

/// What all backing stores come to. Empty ones are counted nowhere: there are no bytes behind them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// All of them.
    pub stores: Sum,
    /// Those that nothing views.
    pub unviewed: Sum,
    /// Those that may have been inside V8's heap until somebody looked for them ([`ON_HEAP_LIMIT`]).
    pub small: Sum,
    /// Shared with other threads.
    pub shared: Sum,
    /// Memories of WebAssembly modules.
    pub wasm: Sum,
    /// Those that can grow and shrink.
    pub resizable: Sum,
    /// Memory of `allocExternal`.
    pub external: Sum,
    /// Memory of Node's ArrayBuffer allocator, as far as that can be told: that of addons nobody watches is among it.
    pub from_node: Sum,
    /// Neither shared nor WebAssembly's: V8 counts all of these as external.
    pub of_isolate: Sum,
    /// WebAssembly memory that is not shared: V8 counts it as external on some of Node's lines.
    pub unshared_wasm: Sum,
    /// Those that can grow and shrink and are not shared: Node 20 and 22 count them with the length they had first.
    pub unshared_resizable: Sum,
    /// Slabs of the pool.
    pub slabs: Sum,
    /// Views of slabs; the bytes count once however many views reach them.
    pub slab_slices: Sum,
    /// Slabs that slices alone keep alive.
    pub pinned_slabs: Sum,
    /// Of those, bytes that no slice reaches.
    pub slab_waste_bytes: u64,
    /// Stores of which only views of parts are left.
    pub sliced: Sum,
    /// Those views, and the bytes they reach.
    pub slices: Sum,
    /// Bytes that they do not reach.
    pub slice_waste_bytes: u64,
}

/// Adds up.
pub fn totals(usages: &[Usage]) -> Totals {
    let mut totals = Totals::default();
    for usage in usages.iter().filter(|usage| usage.bytes > 0) {
        totals.stores.add(usage.bytes);
        if usage.view_count == 0 {
            totals.unviewed.add(usage.bytes);
        }
        if usage.kind == 0 && usage.view_count == 1 && usage.whole && usage.bytes <= ON_HEAP_LIMIT {
            totals.small.add(usage.bytes);
        }
        for (bit, sum) in [
            (SHARED, &mut totals.shared),
            (WASM, &mut totals.wasm),
            (RESIZABLE, &mut totals.resizable),
            (EXTERNAL, &mut totals.external),
            (SLAB, &mut totals.slabs),
        ] {
            if usage.kind & bit != 0 {
                sum.add(usage.bytes);
            }
        }
        if usage.kind & (WASM | RESIZABLE | EXTERNAL | ADDON) == 0 {
            totals.from_node.add(usage.bytes);
        }
        match usage.kind & (SHARED | WASM) {
            0 => totals.of_isolate.add(usage.bytes),
            WASM => totals.unshared_wasm.add(usage.bytes),
            _ => {}
        }
        if usage.kind & (SHARED | RESIZABLE) == RESIZABLE {
            totals.unshared_resizable.add(usage.bytes);
        }
        if usage.is_slab() {
            totals.slab_slices.count += u64::from(usage.view_count);
            totals.slab_slices.bytes += usage.used_bytes;
            if usage.is_pinned() {
                totals.pinned_slabs.add(usage.bytes);
            }
            totals.slab_waste_bytes += usage.waste_bytes();
        }
        if usage.is_sliced() {
            totals.sliced.add(usage.bytes);
            totals.slices.count += u64::from(usage.view_count);
            totals.slices.bytes += usage.used_bytes;
            totals.slice_waste_bytes += usage.waste_bytes();
        }
    }
    totals
}

/// The `limit` usages for which `size` is largest, largest first; those without a size are left out.
pub fn largest(usages: &[Usage], limit: usize, size: impl Fn(&Usage) -> u64) -> Vec<Usage> {
    let mut wanted: Vec<(u64, Usage)> = usages
        .iter()
        .map(|usage| (size(usage), *usage))
        .filter(|(size, _)| *size > 0)
        .collect();
    // Of equals the lower address: a forked child has the same addresses, and not the same order of objects.
    let key = |(size, usage): &(u64, Usage)| (Reverse(*size), usage.address, usage.buffer);
    if wanted.len() > limit && limit > 0 {
        wanted.select_nth_unstable_by_key(limit - 1, key);
    }
    wanted.truncate(limit);
    wanted.sort_unstable_by_key(key);
    wanted.into_iter().map(|(_, usage)| usage).collect()
}

#[cfg(test)]
mod tests {
    use super::super::slabs::{CURRENT, MARKED};
    use super::*;

    fn buffer(bytes: u64, kind: u8) -> Buffer {
        Buffer {
            address: 0,
            bytes,
            kind,
        }
    }

    fn view(buffer: u32, start: u64, bytes: u64) -> View {
        View {
            buffer,
            start,
            bytes,
        }
    }

    fn one(bytes: u64, kind: u8, views: &[(u64, u64)]) -> Usage {
        let views: Vec<View> = views
            .iter()
            .map(|&(start, bytes)| view(0, start, bytes))
            .collect();
        usages(&[buffer(bytes, kind)], &views)[0]
    }

    #[test]
    fn overlapping_slices_count_their_bytes_once() {
        // GIVEN 100..150, 120..170 and 110..120 of a store of 10,007 bytes
        let usage = one(10_007, 0, &[(100, 50), (120, 50), (110, 10)]);
        // THEN 70 bytes are reached, by three views
        assert_eq!((usage.used_bytes, usage.view_count), (70, 3));
        assert_eq!(usage.waste_bytes(), 10_007 - 70);
        assert!(usage.is_sliced());
    }

    #[test]
    fn a_view_of_the_whole_store_is_no_slice_and_slices_beside_it_waste_nothing() {
        for views in [
            &[(0, 1_237)][..],
            &[(0, 1_237), (5, 3)],
            &[(5, 3), (0, 1_237)],
        ] {
            let usage = one(1_237, 0, views);
            assert!(!usage.is_sliced(), "{views:?}");
            assert_eq!(
                (usage.used_bytes, usage.waste_bytes()),
                (1_237, 0),
                "{views:?}"
            );
        }
    }

    #[test]
    fn halves_that_reach_everything_are_slices_without_waste() {
        let usage = one(1_000, 0, &[(0, 600), (500, 500)]);
        assert!(usage.is_sliced());
        assert_eq!((usage.used_bytes, usage.waste_bytes()), (1_000, 0));
    }

    #[test]
    fn a_view_without_length_pins_all_of_its_store() {
        let usage = one(4_099, 0, &[(17, 0)]);
        assert_eq!(
            (usage.used_bytes, usage.waste_bytes(), usage.view_count),
            (0, 4_099, 1)
        );
    }

    #[test]
    fn a_store_that_nothing_views_wastes_nothing() {
        let usage = one(4_099, 0, &[]);
        assert_eq!((usage.is_pinned(), usage.waste_bytes()), (false, 0));
        assert_eq!(
            totals(&[usage]).unviewed,
            Sum {
                count: 1,
                bytes: 4_099
            }
        );
    }

    #[test]
    fn shared_memory_and_webassembly_waste_nothing() {
        for kind in [SHARED, WASM, SHARED | WASM] {
            let usage = one(65_536, kind, &[(0, 5)]);
            assert_eq!((usage.is_sliced(), usage.waste_bytes()), (false, 0));
        }
    }

    #[test]
    fn who_counts_a_store_follows_from_what_it_is() {
        let buffers = [
            (1, 0),
            (2, SLAB),
            (4, SHARED),
            (8, WASM),
            (16, SHARED | WASM),
            (32, RESIZABLE),
            (64, SHARED | RESIZABLE),
            (128, EXTERNAL),
            (256, WASM | RESIZABLE),
            (512, ADDON),
        ]
        .map(|(bytes, kind)| buffer(bytes, kind));
        let totals = totals(&usages(&buffers, &[]));
        assert_eq!(totals.from_node, Sum { count: 3, bytes: 7 });
        assert_eq!(
            totals.of_isolate,
            Sum {
                count: 5,
                bytes: 1 + 2 + 32 + 128 + 512
            }
        );
        assert_eq!(
            totals.unshared_wasm,
            Sum {
                count: 2,
                bytes: 8 + 256
            }
        );
        assert_eq!(
            totals.unshared_resizable,
            Sum {
                count: 2,
                bytes: 32 + 256
            }
        );
    }

    #[test]
    fn the_slab_in_use_wastes_nothing_and_others_what_no_slice_reaches() {
        let buffers = [buffer(8_192, SLAB), buffer(8_192, SLAB | CURRENT)];
        let usages = usages(
            &buffers,
            &[view(0, 8, 50), view(0, 40, 50), view(1, 8, 101)],
        );
        assert_eq!(usages[0].waste_bytes(), 8_192 - 82);
        assert_eq!(usages[1].waste_bytes(), 0);
        let totals = totals(&usages);
        assert_eq!(
            totals.slabs,
            Sum {
                count: 2,
                bytes: 16_384
            }
        );
        assert_eq!(
            totals.slab_slices,
            Sum {
                count: 3,
                bytes: 183
            }
        );
        assert_eq!(
            totals.pinned_slabs,
            Sum {
                count: 1,
                bytes: 8_192
            }
        );
        assert_eq!(totals.slab_waste_bytes, 8_192 - 82);
        assert_eq!(totals.sliced, Sum::default());
    }

    #[test]
    fn a_marked_store_of_unknown_length_is_a_slab_when_its_views_are_such_as_the_pool_hands_out() {
        let is_slab = |kind, views: &[(u64, u64)]| one(10_001, kind, views).is_slab();
        assert!(is_slab(MARKED, &[(8, 50), (64, 4_999)]));
        assert!(!is_slab(MARKED, &[(0, 10_001)]));
        assert!(!is_slab(MARKED, &[(8, 50), (64, 5_000)]));
        assert!(!is_slab(MARKED, &[]));
        assert!(!is_slab(MARKED | EXTERNAL, &[(8, 50)]));
        assert!(!is_slab(0, &[(8, 50)]));
    }

    #[test]
    fn buffers_at_one_address_are_one_store_with_the_longest_length() {
        // GIVEN a shared memory that grew from 65,536 to 131,072 bytes, seen by both lengths, and an unrelated one
        let at = |address, bytes, kind| Buffer {
            address,
            bytes,
            kind,
        };
        let buffers = [
            at(4_096, 65_536, SHARED),
            at(8_192, 11, 0),
            at(4_096, 131_072, SHARED | WASM),
        ];
        let usages = usages(
            &buffers,
            &[view(0, 0, 65_536), view(2, 65_000, 1_000), view(1, 0, 11)],
        );
        assert_eq!(usages.len(), 2);
        assert_eq!(
            (usages[1].buffer, usages[1].bytes, usages[1].kind),
            (2, 131_072, SHARED | WASM)
        );
        assert_eq!(
            (
                usages[1].used_bytes,
                usages[1].view_count,
                usages[1].longest_view
            ),
            (66_000, 2, Some(0))
        );
        assert_eq!(
            (usages[0].buffer, usages[0].used_bytes, usages[0].whole),
            (1, 11, true)
        );
    }

    #[test]
    fn one_plain_view_of_all_of_a_store_of_up_to_64_bytes_may_have_been_on_the_heap() {
        let buffers = [
            buffer(64, 0),
            buffer(65, 0),
            buffer(5, SHARED),
            buffer(6, 0),
            buffer(7, 0),
            buffer(9, 0),
        ];
        let views = [
            view(0, 0, 64),
            view(1, 0, 65),
            view(2, 0, 5),
            view(3, 0, 5),
            view(4, 0, 7),
            view(4, 0, 7),
        ];
        let sums = totals(&usages(&buffers, &views));
        assert_eq!(
            sums.small,
            Sum {
                count: 1,
                bytes: 64
            }
        );
        assert_eq!(sums.unviewed, Sum { count: 1, bytes: 9 });
    }

    #[test]
    fn empty_stores_have_no_identity_and_count_nowhere() {
        let usages = usages(&[buffer(0, 0), buffer(0, SLAB)], &[view(0, 0, 0)]);
        assert_eq!(usages.len(), 2);
        assert_eq!(totals(&usages), Totals::default());
    }

    #[test]
    fn numbers_that_cannot_be_do_not_become_wrong_sums() {
        let usage = one(100, 0, &[(90, 50), (200, 7), (u64::MAX, u64::MAX)]);
        assert_eq!(usage.used_bytes, 10);
        assert_eq!(usages(&[buffer(1, 0)], &[view(7, 0, 1)])[0].view_count, 0);
    }

    #[test]
    fn the_largest_come_first_and_none_without_a_size() {
        let buffers: Vec<Buffer> = [5, 900, 0, 31, 900]
            .iter()
            .map(|&bytes| buffer(bytes, 0))
            .collect();
        let usages = usages(&buffers, &[]);
        let rows = |limit| -> Vec<u32> {
            largest(&usages, limit, |usage| usage.bytes)
                .iter()
                .map(|usage| usage.buffer)
                .collect()
        };
        assert_eq!(rows(3), [1, 4, 3]);
        assert_eq!(rows(99), [1, 4, 3, 0]);
        assert_eq!(rows(0), [0u32; 0]);
    }

    /// xorshift64: the same numbers on every run.
    struct Random(u64);

    impl Random {
        fn below(&mut self, limit: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % limit
        }
    }

    #[test]
    fn random_views_agree_with_a_model_that_marks_every_byte() {
        for seed in 1..=400u64 {
            // GIVEN some buffers, some of them at the same address, and views anywhere in them
            let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let buffers: Vec<Buffer> = (0..1 + random.below(9))
                .map(|_| Buffer {
                    address: random.below(5) * 4_096,
                    bytes: random.below(97),
                    kind: 1 << random.below(6),
                })
                .collect();
            let views: Vec<View> = (0..random.below(40))
                .map(|_| {
                    let buffer = random.below(buffers.len() as u64);
                    let bytes = buffers[buffer as usize].bytes;
                    let start = random.below(bytes + 1);
                    view(buffer as u32, start, random.below(bytes - start + 1))
                })
                .collect();

            // WHEN a naive model keeps a list of buffers per store and marks each byte
            let same = |a: usize, b: usize| {
                a == b || (buffers[a].address != 0 && buffers[a].address == buffers[b].address)
            };
            let mut expected = Vec::new();
            for first in 0..buffers.len() {
                if (0..first).any(|earlier| same(earlier, first)) {
                    continue;
                }
                let members: Vec<usize> = (first..buffers.len())
                    .filter(|&other| same(first, other))
                    .collect();
                let bytes = members
                    .iter()
                    .map(|&member| buffers[member].bytes)
                    .max()
                    .unwrap_or(0);
                let mine: Vec<&View> = views
                    .iter()
                    .filter(|view| members.contains(&(view.buffer as usize)))
                    .collect();
                let mut marked = vec![false; bytes as usize];
                for view in &mine {
                    for byte in view.start..view.start + view.bytes {
                        marked[byte as usize] = true;
                    }
                }
                expected.push((
                    bytes,
                    marked.iter().filter(|&&marked| marked).count() as u64,
                    mine.len() as u32,
                    mine.iter()
                        .any(|view| view.start == 0 && view.bytes == bytes),
                    mine.iter().map(|view| view.bytes).max(),
                    members
                        .iter()
                        .fold(0, |kind, &member| kind | buffers[member].kind),
                ));
            }

            // THEN both say the same of every store
            let mut found: Vec<_> = usages(&buffers, &views)
                .iter()
                .map(|usage| {
                    let longest = usage.longest_view.map(|view| views[view as usize].bytes);
                    (
                        usage.bytes,
                        usage.used_bytes,
                        usage.view_count,
                        usage.whole,
                        longest,
                        usage.kind,
                    )
                })
                .collect();
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected, "seed {seed}");
        }
    }
}
