//! The census for JavaScript: addresses in batches, and flat arrays of numbers in and out.

use std::io::Cursor;

use napi::bindgen_prelude::{
    Array, ArrayBuffer, BufferSlice, Float64Array, Uint32Array, Uint8Array,
};
use napi_derive::napi;

use super::Result;
use crate::buffers::census::{largest, totals, usages, Buffer, Sum, Usage, View};
use crate::error::{Code, Failure};
use crate::external::finalizer;
use crate::external::registry::RecordId;
use crate::heap_snapshot::{holders, Input};

fn internal(error: napi::Error) -> Failure {
    Failure::new(Code::Internal, error.reason.clone())
}

fn address(bytes: &[u8]) -> f64 {
    // Of an empty slice the pointer says nothing.
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
    let environment = finalizer::current();
    let flags = addresses.iter().map(|&address| {
        u8::from(
            environment
                .as_ref()
                .is_some_and(|environment| environment.is_external(address as usize)),
        )
    });
    Ok(Uint8Array::new(flags.collect()))
}

/// The label and the route that something at each address is tracked under, two by two; `null` where nothing is.
#[napi(catch_unwind)]
pub fn names_at(addresses: &[f64]) -> Vec<Option<String>> {
    let environment = finalizer::current();
    addresses
        .iter()
        .flat_map(|&address| {
            let names = environment
                .as_ref()
                .and_then(|environment| environment.names_at(address as usize));
            match names {
                Some((label, route)) => [Some(label), Some(route)],
                None => [None, None],
            }
        })
        .collect()
}

/// The label and the route of a record; empty where it is gone.
#[napi(catch_unwind)]
pub fn names_of(id: f64) -> Vec<String> {
    finalizer::current()
        .and_then(|environment| environment.names_of(RecordId::from_number(id as u64)))
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
                    usage.longest_view.map_or(-1.0, f64::from),
                    f64::from(u8::from(usage.whole)),
                ]
            })
            .collect(),
    )
}

/// For each of `count` ArrayBuffers that were marked: who holds its views, as JSON (see `heap_snapshot::holders`).
/// `pieces` are the pieces of a gzip'd snapshot, in order. Works on this thread, and on no other.
#[napi(catch_unwind)]
pub fn buffer_holders(pieces: Array, count: u32, limit: u32) -> Result<String> {
    let mut bytes = Vec::new();
    for index in 0..pieces.len() {
        if let Some(piece) = pieces.get::<BufferSlice>(index).map_err(internal)? {
            bytes.extend_from_slice(&piece);
        }
    }
    let input = Input::stream(Box::new(Cursor::new(bytes)), "the census's snapshot")?;
    Ok(holders(input, count as usize, limit as usize)?)
}
