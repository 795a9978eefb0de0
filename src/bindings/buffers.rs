//! The census for JavaScript: addresses in batches, and flat arrays of numbers in and out.

use std::io::Cursor;

use napi::bindgen_prelude::{
    Array, ArrayBuffer, BufferSlice, Float64Array, Uint32Array, Uint8Array,
};
use napi_derive::napi;
use rustc_hash::FxHashMap;

use super::Result;
use crate::base::error::{Code, Failure};
use crate::base::sum::Sum;
use crate::buffers::census::{largest, totals, usages, Buffer, View};
use crate::buffers::slabs::Usage;
use crate::external::environment;
use crate::external::registry::RecordId;
use crate::heap::{holders, snapshot_file, Control, Input};

fn internal(error: napi::Error) -> Failure {
    Failure::new(Code::Internal, error.reason.clone())
}

fn address(bytes: &[u8]) -> f64 {
    // The pointer of an empty slice is no address.
    if bytes.is_empty() {
        0.0
    } else {
        bytes.as_ptr() as usize as f64
    }
}

/// Where the bytes of each ArrayBuffer are; 0 for one without bytes. Nothing is read or kept.
#[napi(catch_unwind)]
pub fn array_buffer_addresses(buffers: Array) -> Result<Float64Array> {
    let mut addresses = Vec::with_capacity(buffers.len() as usize);
    for index in 0..buffers.len() {
        let buffer: Option<ArrayBuffer> = buffers.get(index).map_err(internal)?;
        addresses.push(buffer.map_or(0.0, |buffer| address(&buffer)));
    }
    Ok(Float64Array::new(addresses))
}

/// Where the bytes of each view are; 0 for one without bytes. Nothing is read or kept.
#[napi(catch_unwind)]
pub fn view_addresses(views: Array) -> Result<Float64Array> {
    let mut addresses = Vec::with_capacity(views.len() as usize);
    for index in 0..views.len() {
        let view: Option<BufferSlice> = views.get(index).map_err(internal)?;
        addresses.push(view.map_or(0.0, |view| address(&view)));
    }
    Ok(Float64Array::new(addresses))
}

/// Whether each address is the start of memory that `allocExternal` handed out.
#[napi(catch_unwind)]
pub fn are_external(addresses: &[f64]) -> Result<Uint8Array> {
    let environment = environment::current();
    let flags = addresses.iter().map(|&address| {
        u8::from(
            environment
                .as_ref()
                .is_some_and(|environment| environment.values().is_external(address as usize)),
        )
    });
    Ok(Uint8Array::new(flags.collect()))
}

/// What is tracked at some addresses.
#[napi(object, object_from_js = false)]
pub struct NamesReading {
    /// For each address the number of its names, from 1; 0 where nothing is tracked.
    pub numbers: Uint32Array,
    /// A label and a route for each number, one after the other.
    pub names: Vec<String>,
}

/// The label and the route that something at each address is tracked under. Each pair of them comes once.
#[napi(catch_unwind)]
pub fn names_at(addresses: &[f64]) -> NamesReading {
    let environment = environment::current();
    let mut known: FxHashMap<(String, String), u32> = FxHashMap::default();
    let mut names = Vec::new();
    let numbers = addresses.iter().map(|&address| {
        let found = environment
            .as_ref()
            .and_then(|environment| environment.values().names_at(address as usize));
        found.map_or(0, |pair| {
            let next = known.len() as u32 + 1;
            *known.entry(pair).or_insert_with_key(|(label, route)| {
                names.extend([label.clone(), route.clone()]);
                next
            })
        })
    });
    NamesReading {
        numbers: Uint32Array::new(numbers.collect()),
        names,
    }
}

/// The label and the route of a record; empty where it is gone.
#[napi(catch_unwind)]
pub fn names_of(id: f64) -> Vec<String> {
    environment::current()
        .and_then(|environment| {
            environment
                .values()
                .names_of(RecordId::from_number(id as u64))
        })
        .map_or_else(Vec::new, |(label, route)| vec![label, route])
}

/// What a census comes to. Rows are seven numbers each: the index of the ArrayBuffer, its bytes, its kind, bytes that
/// views reach, views, the index of the longest one (-1: none), whether one reaches everything.
#[napi(object, object_from_js = false)]
pub struct BufferReading {
    /// In the order of `Totals`, counts before bytes.
    pub totals: Float64Array,
    /// Slabs that waste most.
    pub slabs: Float64Array,
    /// Other stores that waste most.
    pub slices: Float64Array,
    /// The longest stores.
    pub large: Float64Array,
    /// All stores that are not empty.
    pub stores: StoreColumns,
}

/// A number per store in each.
#[napi(object, object_from_js = false)]
pub struct StoreColumns {
    /// The index of its ArrayBuffer.
    pub buffers: Uint32Array,
    /// Its length.
    pub bytes: Float64Array,
    /// What it is.
    pub kinds: Uint8Array,
    /// Bytes that views reach.
    pub used_bytes: Float64Array,
    /// Bytes that are alive only because something smaller points at them.
    pub waste_bytes: Float64Array,
    /// Views of it.
    pub view_counts: Uint32Array,
    /// The index of its longest view; -1 without one.
    pub longest_views: Float64Array,
}

impl StoreColumns {
    fn of(usages: &[Usage]) -> Self {
        let stores: Vec<&Usage> = usages.iter().filter(|usage| usage.bytes > 0).collect();
        fn column<T>(stores: &[&Usage], value: impl Fn(&Usage) -> T) -> Vec<T> {
            stores.iter().map(|usage| value(usage)).collect()
        }
        Self {
            buffers: Uint32Array::new(column(&stores, |usage| usage.buffer)),
            bytes: Float64Array::new(column(&stores, |usage| usage.bytes as f64)),
            kinds: Uint8Array::new(column(&stores, |usage| usage.kind)),
            used_bytes: Float64Array::new(column(&stores, |usage| usage.used_bytes as f64)),
            waste_bytes: Float64Array::new(column(&stores, |usage| usage.waste_bytes() as f64)),
            view_counts: Uint32Array::new(column(&stores, |usage| usage.view_count)),
            longest_views: Float64Array::new(column(&stores, longest_view)),
        }
    }
}

fn longest_view(usage: &Usage) -> f64 {
    usage.longest_view.map_or(-1.0, f64::from)
}

/// Works out a census. `addresses`, `lengths` and `kinds` have one number per ArrayBuffer; `view_buffers`,
/// `view_starts` and `view_lengths` one per view.
#[napi(catch_unwind)]
pub fn buffer_census(
    addresses: &[f64],
    lengths: &[f64],
    kinds: &[u8],
    view_buffers: Uint32Array,
    view_starts: &[f64],
    view_lengths: &[f64],
    top: u32,
) -> Result<BufferReading> {
    let buffers: Vec<Buffer> = addresses
        .iter()
        .zip(lengths)
        .zip(kinds)
        .map(|((&address, &bytes), &kind)| Buffer {
            address: address as u64,
            bytes: bytes as u64,
            kind,
        })
        .collect();
    let views: Vec<View> = view_buffers
        .iter()
        .zip(view_starts)
        .zip(view_lengths)
        .map(|((&buffer, &start), &bytes)| View {
            buffer,
            start: start as u64,
            bytes: bytes as u64,
        })
        .collect();
    let usages = usages(&buffers, &views);
    let top = top as usize;
    let sums = totals(&usages);
    let pair = |sum: Sum| [sum.count as f64, sum.bytes as f64];
    let numbers = [
        pair(sums.stores),
        pair(sums.unviewed),
        pair(sums.small),
        pair(sums.shared),
        pair(sums.wasm),
        pair(sums.resizable),
        pair(sums.external),
        pair(sums.from_node),
        pair(sums.of_isolate),
        pair(sums.unshared_wasm),
        pair(sums.unshared_resizable),
        pair(sums.slabs),
        pair(sums.slab_slices),
        pair(sums.pinned_slabs),
        pair(sums.sliced),
        pair(sums.slices),
        [sums.slab_waste_bytes as f64, sums.slice_waste_bytes as f64],
    ]
    .concat();
    let waste = |slab: bool| {
        move |usage: &Usage| match usage.is_slab() == slab {
            true => usage.waste_bytes(),
            false => 0,
        }
    };
    Ok(BufferReading {
        totals: Float64Array::new(numbers),
        slabs: rows(largest(&usages, top, waste(true))),
        slices: rows(largest(&usages, top, waste(false))),
        large: rows(largest(&usages, top, |usage| usage.bytes)),
        stores: StoreColumns::of(&usages),
    })
}

fn rows(usages: Vec<Usage>) -> Float64Array {
    Float64Array::new(
        usages
            .iter()
            .flat_map(|usage| {
                [
                    f64::from(usage.buffer),
                    usage.bytes as f64,
                    f64::from(usage.kind),
                    usage.used_bytes as f64,
                    f64::from(usage.view_count),
                    longest_view(usage),
                    f64::from(u8::from(usage.whole)),
                ]
            })
            .collect(),
    )
}

/// For each of `count` objects that were marked: who holds it, as JSON (see `heap::report::holders`). The first
/// `full_count` are written with up to `limit` holders, the others with the nearest one. `pieces` are the pieces of a gzip'd
/// snapshot, in order. Works on this thread, and on no other.
#[napi(catch_unwind)]
pub fn buffer_holders(pieces: Array, full_count: u32, count: u32, limit: u32) -> Result<String> {
    let mut bytes = Vec::new();
    for index in 0..pieces.len() {
        if let Some(piece) = pieces.get::<BufferSlice>(index).map_err(internal)? {
            bytes.extend_from_slice(&piece);
        }
    }
    let input = Input::stream(Box::new(Cursor::new(bytes)), "the census's snapshot")?;
    let (full_count, count) = (full_count as usize, count as usize);
    let graph = snapshot_file::read(input, 1, &Control::new())?;
    Ok(holders(&graph, full_count, count, limit as usize)?)
}
