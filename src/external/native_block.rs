//! Native memory of ours, handed to JavaScript as an external Buffer. `[unsafe]`
//!
//! Knows: how a block is allocated, whose it is, and when it is freed.
//! Duties: a block is freed once, by its finalizer or here (`block_owner` decides), with the layout that it was allocated with.
//! Out of scope: what it is counted as.
//! Limitations: an engine that refuses external buffers gets a copy in V8's own memory.

use std::alloc::{alloc_zeroed, dealloc, Layout};
use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;
use std::rc::Rc;

use napi::sys;

use super::block_owner::{owner_after, Owner};
use super::environment::{current, Environment};
use super::raw::{self, Env, Value};
use super::registry::{Ends, RecordId};
use crate::base::error::{Code, Failure};
use crate::base::ledger::{Entry, Key};

/// Native memory of ours behind an external Buffer.
struct Block {
    environment: Rc<Environment>,
    layout: Layout,
    record: Option<RecordId>,
    /// Set by the finalizer; `allocate` looks at it after the call that may run it.
    finalized: Rc<Cell<bool>>,
}

/// The memory of an external Buffer is no longer used by anybody.
unsafe extern "C" fn release_block(_env: Env, data: *mut c_void, block: *mut c_void) {
    // SAFETY: `block` is the box that `allocate` leaked for this finalizer, and Node calls it once —
    // "napi_create_external_buffer"; `Box::from_raw`.
    let block = unsafe { Box::from_raw(block.cast::<Block>()) };
    block.finalized.set(true);
    // SAFETY: `allocate` allocated it with this layout, and V8 has given the backing store up.
    unsafe { free_block(data.cast(), block.layout) };
    raw::catch_panic(|| {
        if let Some(id) = block.record {
            block.environment.values().release(id);
        }
    });
}

/// # Safety
///
/// - `allocate` has allocated `data` with this layout.
/// - Nobody uses it any more, and nobody else frees it.
unsafe fn free_block(data: *mut u8, layout: Layout) {
    // SAFETY: our caller's promise — `std::alloc::dealloc`.
    unsafe { dealloc(data, layout) };
}

/// Allocates `byte_length` (at least 1) zeroed bytes and hands them to JavaScript as an external Buffer, counted under
/// these keys until the memory is freed. On an engine that refuses external buffers, the Buffer is a copy in
/// V8's own memory, counted until it is collected.
///
/// # Errors
///
/// [`Code::OutOfMemory`] when the memory cannot be had; nothing has been counted then.
///
/// # Safety
///
/// `env` must be the environment of the running callback, on its own thread.
pub unsafe fn allocate(
    env: Env,
    byte_length: usize,
    label: Key,
    route: Key,
) -> Result<Value, Failure> {
    let out_of_memory = || {
        Failure::new(
            Code::OutOfMemory,
            format!(
                "Could not allocate {byte_length} bytes of native memory; nothing was allocated"
            ),
        )
    };
    let environment = current()
        .ok_or_else(|| Failure::new(Code::Internal, "The addon is not loaded on this thread"))?;
    let layout = Layout::from_size_align(byte_length, 16).map_err(|_| out_of_memory())?;
    if byte_length == 0 {
        return Err(Failure::new(
            Code::Internal,
            "An external allocation of 0 bytes",
        ));
    }
    // SAFETY: the layout's size is not 0 — `std::alloc::alloc_zeroed`.
    let data = unsafe { alloc_zeroed(layout) };
    if data.is_null() {
        return Err(out_of_memory());
    }

    let finalized = Rc::new(Cell::new(false));
    let block = Box::into_raw(Box::new(Block {
        environment: Rc::clone(&environment),
        layout,
        record: None,
        finalized: Rc::clone(&finalized),
    }));
    let mut value = ptr::null_mut();
    let refused = environment.refuses_external_buffers();
    let status = if refused {
        sys::Status::napi_no_external_buffers_allowed
    } else {
        // SAFETY: `data` has `byte_length` bytes, belongs to nobody else, and stays valid until `release_block`, which owns
        // `block`, frees it — "napi_create_external_buffer".
        unsafe {
            sys::napi_create_external_buffer(
                env,
                byte_length,
                data.cast(),
                Some(release_block),
                block.cast(),
                &mut value,
            )
        }
    };

    let entry = Entry {
        bytes: byte_length as u64,
        label,
        route,
    };
    if status == sys::Status::napi_ok {
        let id = environment.add(env, value, data as usize, entry, Ends::WithItsMemory);
        // SAFETY: `block` is freed by `release_block` alone, and that cannot have run: `value` is a live handle of this
        // call, so its memory is in use.
        unsafe { (*block).record = id };
        return Ok(value);
    }

    if owner_after(status, finalized.get()) == Owner::Us {
        // SAFETY: Node has not taken the block, and its finalizer neither has run nor will (`owner_after`) — `Box::from_raw`.
        drop(unsafe { Box::from_raw(block) });
        // SAFETY: allocated above with this layout, and as above.
        unsafe { free_block(data, layout) };
    }
    if status != sys::Status::napi_no_external_buffers_allowed {
        return Err(out_of_memory());
    }
    let mut copy = ptr::null_mut();
    // SAFETY: outputs are ours; Node allocates — "napi_create_buffer".
    let status = unsafe { sys::napi_create_buffer(env, byte_length, &mut copy, &mut value) };
    if status != sys::Status::napi_ok || copy.is_null() {
        return Err(out_of_memory());
    }
    // SAFETY: `copy` points to `byte_length` bytes that Node has just allocated and not yet filled — "napi_create_buffer".
    unsafe { ptr::write_bytes(copy.cast::<u8>(), 0, byte_length) };
    environment.add(env, value, copy as usize, entry, Ends::WithItsValue);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::super::tracked_values::tests::{count, entry, live};
    use super::*;

    #[test]
    fn a_block_is_freed_and_uncounted_by_its_finalizer() {
        let environment = Rc::new(Environment::new());
        let layout = Layout::from_size_align(4_096, 16).expect("a valid layout");
        // SAFETY: the layout is not empty.
        let data = unsafe { alloc_zeroed(layout) };
        let finalized = Rc::new(Cell::new(false));
        let record = count(
            environment.values(),
            entry(4_096, "a block"),
            data as usize,
            Ends::WithItsMemory,
        );
        let block = Box::new(Block {
            environment: environment.clone(),
            layout,
            record: Some(record),
            finalized: finalized.clone(),
        });
        // SAFETY: both are what `allocate` hands to Node, which calls this once.
        unsafe { release_block(ptr::null_mut(), data.cast(), Box::into_raw(block).cast()) };
        assert!(finalized.get());
        assert_eq!(live(environment.values()), (0, 0));
        assert!(!environment.values().is_external(data as usize));
        assert_eq!(Rc::strong_count(&environment), 1);
    }
}
