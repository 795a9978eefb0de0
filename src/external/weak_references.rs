//! Weak references to tracked values. `[unsafe]`
//!
//! Knows two kinds, and which one this process has:
//!
//! | kind | made by | an object that was collected |
//! |---|---|---|
//! | Node-API's | `napi_create_reference`, count 0 | is found by asking Node for the value |
//! | V8's | what `v8::Global` and `SetWeak()` compile to | has made V8 write null into our cell |
//!
//! V8's costs 30 to 70 ns from the creation to the death, garbage collection included, and Node-API's 125 to 200: Node allocates an object for
//! each, and V8 calls it back. (docs/external.md, "How a release is noticed".) V8's functions are exported by Node for addons that use V8's API; an
//! addon that was compiled for a line of Node calls exactly these. So they are used on the lines that the tests run on, where their symbols have
//! the parameter types that are named here, and where lib/external/main-realm.js finds no other runtime.
//!
//! Duties:
//! - A cell stays where it is, and is not used for anything else, until V8 has written null into it or its reference was disposed of.
//! - Everything happens on the thread of the isolate.
//!
//! Out of scope: counting (`references`).
//! Limitations: V8's kind on Linux x86-64 in Node 20, 22, 24 and 26.

use std::ffi::{c_void, CStr};
use std::sync::atomic::{AtomicUsize, Ordering};

use once_cell::sync::OnceCell;

use super::raw::{self, Env, Reference, Value};

/// Set in the handle of a Node-API reference. Cells and references are aligned to eight bytes.
const OF_NODE_API: usize = 1;

/// The lines of Node that the tests run on.
const TESTED_LINES: [u32; 4] = [20, 22, 24, 26];

/// How many cells are allocated together.
const CELLS_PER_CHUNK: usize = 1_024;

/// The weak references of one thread.
#[derive(Debug, Default)]
pub(super) struct WeakReferences {
    cells: Cells,
    isolate: Option<Isolate>,
    /// Make Node-API references only.
    without_engine: bool,
}

impl WeakReferences {
    /// A weak reference to `value`, as a number that is not 0. `None` when Node gives none: no memory, or the environment is ending.
    #[inline]
    pub(super) fn create(&mut self, env: Env, value: Value) -> Option<usize> {
        match self.engine(env) {
            Some((engine, isolate)) if is_slot(value) => {
                let cell = self.cells.take();
                engine.make_weak(isolate, value, cell);
                Some(cell as usize)
            }
            _ => {
                let reference = raw::create_reference(env, value, false)?;
                Some(reference as usize | OF_NODE_API)
            }
        }
    }

    /// Deletes a reference. Whether it could.
    ///
    /// # Safety
    ///
    /// - [`WeakReferences::create`] of this object made `handle` for this `env`, which has not ended.
    /// - It has not been deleted, and is not used again.
    pub(super) unsafe fn delete(&mut self, env: Env, handle: usize) -> bool {
        if handle & OF_NODE_API != 0 {
            // SAFETY: our caller's promise; the number is what `create` made of a reference.
            return unsafe { raw::delete_reference(env, (handle & !OF_NODE_API) as Reference) };
        }
        let cell = handle as *const AtomicUsize;
        // SAFETY: our caller's promise: the cell is one of ours, and is in use.
        let global = unsafe { &*cell }.load(Ordering::Relaxed);
        if global != 0 {
            if let Some(engine) = Engine::get() {
                engine.dispose(global);
            }
        }
        // SAFETY: as above. V8 does not write into it any more: it has written null, or the reference was disposed of.
        unsafe { self.cells.give_back(cell) };
        true
    }

    /// Whether the object was collected.
    ///
    /// # Safety
    ///
    /// As for [`WeakReferences::delete`], but that the handle may be used again.
    #[inline]
    pub(super) unsafe fn is_dead(env: Env, handle: usize) -> bool {
        if handle & OF_NODE_API != 0 {
            // SAFETY: our caller's promise.
            return unsafe { raw::referenced(env, (handle & !OF_NODE_API) as Reference) }.is_null();
        }
        // SAFETY: our caller's promise: the cell is one of ours, and is in use.
        unsafe { &*(handle as *const AtomicUsize) }.load(Ordering::Relaxed) == 0
    }

    /// Whether the object is `value`, a live handle of the running call.
    ///
    /// # Safety
    ///
    /// As for [`WeakReferences::is_dead`].
    pub(super) unsafe fn is_of(env: Env, handle: usize, value: Value) -> bool {
        if handle & OF_NODE_API != 0 {
            // SAFETY: our caller's promise.
            let known = unsafe { raw::referenced(env, (handle & !OF_NODE_API) as Reference) };
            return !known.is_null() && raw::is_same(env, value, known);
        }
        // SAFETY: our caller's promise: the cell is one of ours, and is in use.
        let global = unsafe { &*(handle as *const AtomicUsize) }.load(Ordering::Relaxed);
        // A slot holds the address of its object, so two slots of one object are equal.
        global != 0 && is_slot(value) && object_at(global) == object_at(value as usize)
    }

    /// A number of the object that it keeps all its life, and that few others have. `None` where the engine is not a known one. Only for objects.
    #[inline]
    pub(super) fn identity_hash(&mut self, env: Env, object: Value) -> Option<u32> {
        let (engine, _) = self.engine(env)?;
        is_slot(object).then(|| engine.identity_hash(object))
    }

    /// Whether there are identity hashes.
    pub(super) fn has_engine(&mut self, env: Env) -> bool {
        self.engine(env).is_some()
    }

    /// Whether references are the engine's from now on, where it is a known one.
    pub(super) fn use_engine(&mut self, use_it: bool) {
        self.without_engine = !use_it;
    }

    /// Gives the memory of the cells back if none is used.
    pub(super) fn give_back(&mut self) {
        self.cells.release_unused();
    }

    /// How many bytes the cells take.
    pub(super) fn capacity_bytes(&self) -> usize {
        self.cells.chunks.len() * CELLS_PER_CHUNK * size_of::<AtomicUsize>()
    }

    #[inline]
    fn engine(&mut self, env: Env) -> Option<(&'static Engine, Isolate)> {
        if self.without_engine {
            return None;
        }
        let engine = Engine::of_process(env)?;
        let isolate = match self.isolate {
            Some(isolate) => isolate,
            None => *self.isolate.insert(engine.isolate()?),
        };
        Some((engine, isolate))
    }
}

/// Whether a value of Node-API is the address of a slot, and not the object itself, as in an engine with direct handles.
#[inline]
fn is_slot(value: Value) -> bool {
    !value.is_null() && (value as usize).is_multiple_of(align_of::<usize>())
}

/// What a slot refers to, as a number to compare.
fn object_at(slot: usize) -> usize {
    // SAFETY: `slot` is a live handle of the running call, or what V8 gave us for a reference that it has not reset: the address of a word that V8
    // keeps as long (v8-internal.h, `ValueHelper::ValueAsAddress`).
    unsafe { (slot as *const usize).read() }
}

/// The isolate of this thread.
#[derive(Debug, Clone, Copy)]
struct Isolate(*mut c_void);

/// `v8::api_internal::GlobalizeReference`: its second parameter was a slot until V8 11, and is what the slot refers to since V8 12.
#[derive(Debug, Clone, Copy)]
enum Globalize {
    BySlot(unsafe extern "C" fn(*mut c_void, *const usize) -> *mut usize),
    ByObject(unsafe extern "C" fn(*mut c_void, usize) -> *mut usize),
}

/// The functions of V8's that `v8::Global` is compiled to.
#[derive(Debug)]
struct Engine {
    globalize: Globalize,
    make_weak: unsafe extern "C" fn(*const AtomicUsize),
    dispose: unsafe extern "C" fn(*mut usize),
    current_isolate: unsafe extern "C" fn() -> *mut c_void,
    identity_hash: unsafe extern "C" fn(Value) -> i32,
}

static ENGINE: OnceCell<Option<Engine>> = OnceCell::new();

impl Engine {
    #[inline]
    fn get() -> Option<&'static Engine> {
        ENGINE.get()?.as_ref()
    }

    /// The engine of this process, if it is a known one.
    #[inline]
    fn of_process(env: Env) -> Option<&'static Engine> {
        ENGINE
            .get_or_init(|| is_known(env).then(Engine::find).flatten())
            .as_ref()
    }

    fn find() -> Option<Self> {
        let by_slot = symbol(c"_ZN2v812api_internal18GlobalizeReferenceEPNS_8internal7IsolateEPm");
        let by_object = symbol(c"_ZN2v812api_internal18GlobalizeReferenceEPNS_8internal7IsolateEm");
        let make_weak = symbol(c"_ZN2v812api_internal8MakeWeakEPPm")?;
        let dispose = symbol(c"_ZN2v812api_internal13DisposeGlobalEPm")?;
        let current_isolate = symbol(c"_ZN2v87Isolate10GetCurrentEv")?;
        let identity_hash = symbol(c"_ZN2v86Object15GetIdentityHashEv")?;
        let globalize = match (by_object, by_slot) {
            // SAFETY: the mangled name has the types of the parameters: `v8::internal::Isolate*`, `unsigned long`. The result is in
            // v8-persistent-handle.h, V8 12 to 14.
            (Some(address), _) => Globalize::ByObject(unsafe {
                std::mem::transmute::<
                    *mut c_void,
                    unsafe extern "C" fn(*mut c_void, usize) -> *mut usize,
                >(address)
            }),
            // SAFETY: the same with `unsigned long*`, V8 11.
            (None, Some(address)) => Globalize::BySlot(unsafe {
                std::mem::transmute::<
                    *mut c_void,
                    unsafe extern "C" fn(*mut c_void, *const usize) -> *mut usize,
                >(address)
            }),
            (None, None) => return None,
        };
        Some(Engine {
            globalize,
            // SAFETY: the mangled name has the type of the parameter: `unsigned long**`, the address of our cell.
            make_weak: unsafe {
                std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*const AtomicUsize)>(
                    make_weak,
                )
            },
            // SAFETY: the same: `unsigned long*`.
            dispose: unsafe {
                std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut usize)>(dispose)
            },
            // SAFETY: the same: no parameter; `static Isolate* GetCurrent()` in v8-isolate.h.
            current_isolate: unsafe {
                std::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> *mut c_void>(
                    current_isolate,
                )
            },
            // SAFETY: the same: `int GetIdentityHash()` in v8-object.h; `this` is the address of the slot, as `Local::operator->` passes it.
            identity_hash: unsafe {
                std::mem::transmute::<*mut c_void, unsafe extern "C" fn(Value) -> i32>(
                    identity_hash,
                )
            },
        })
    }

    fn isolate(&self) -> Option<Isolate> {
        // SAFETY: it reads a variable of the thread — `v8::Isolate::GetCurrent`.
        let isolate = unsafe { (self.current_isolate)() };
        (!isolate.is_null()).then_some(Isolate(isolate))
    }

    /// Has `cell` refer weakly to what `value` refers to. V8 writes null into the cell when that was collected.
    #[inline]
    fn make_weak(&self, isolate: Isolate, value: Value, cell: *const AtomicUsize) {
        let global = match self.globalize {
            // SAFETY: the isolate is that of this thread, and the slot is a live handle of the running call — `PersistentBase::New`.
            Globalize::BySlot(globalize) => unsafe { globalize(isolate.0, value.cast()) },
            // SAFETY: the same; the object is what the slot refers to.
            Globalize::ByObject(globalize) => unsafe {
                globalize(isolate.0, object_at(value as usize))
            },
        };
        // SAFETY: `Cells::take` gave it, and nobody else uses it.
        unsafe { &*cell }.store(global as usize, Ordering::Relaxed);
        // SAFETY: the cell holds a reference that was just made, and stays where it is until V8 has written null into it or `delete` has
        // disposed of the reference (the header) — `PersistentBase::SetWeak()`, "the callback-free version".
        unsafe { (self.make_weak)(cell) };
    }

    #[inline]
    fn identity_hash(&self, object: Value) -> u32 {
        // SAFETY: a live handle of the running call, on an object: `References::identity_hash` has asked — `v8::Object::GetIdentityHash`. It is
        // what a WeakMap does with its keys: the object keeps the number, and the program cannot see it.
        let hash = unsafe { (self.identity_hash)(object) };
        hash.unsigned_abs()
    }

    fn dispose(&self, global: usize) {
        // SAFETY: `make_weak` stored it, and V8 has not reset it, because the cell was not null — `PersistentBase::Reset`.
        unsafe { (self.dispose)(global as *mut usize) };
    }
}

fn symbol(name: &CStr) -> Option<*mut c_void> {
    // SAFETY: the name ends with a null; the handle is the one for all images, Node's first — dlsym(3).
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!address.is_null()).then_some(address)
}

fn is_known(env: Env) -> bool {
    cfg!(all(
        target_os = "linux",
        target_arch = "x86_64",
        target_pointer_width = "64"
    )) && raw::node_line(env).is_some_and(|line| TESTED_LINES.contains(&line))
}

/// The cells that V8 writes into. They stay where they are.
#[derive(Debug, Default)]
struct Cells {
    chunks: Vec<Box<[AtomicUsize; CELLS_PER_CHUNK]>>,
    /// The first free cell. A free cell has the address of the next one.
    free: usize,
    used: usize,
}

impl Cells {
    fn take(&mut self) -> *const AtomicUsize {
        if self.free == 0 {
            let chunk = Box::new([const { AtomicUsize::new(0) }; CELLS_PER_CHUNK]);
            for cell in chunk.iter() {
                cell.store(self.free, Ordering::Relaxed);
                self.free = std::ptr::from_ref(cell) as usize;
            }
            self.chunks.push(chunk);
        }
        let cell = self.free as *const AtomicUsize;
        // SAFETY: the cell is free, so it is in one of our chunks, which are there as long as this object.
        self.free = unsafe { &*cell }.load(Ordering::Relaxed);
        self.used += 1;
        cell
    }

    /// # Safety
    ///
    /// [`Cells::take`] of this object gave the cell, and nobody uses it any more.
    unsafe fn give_back(&mut self, cell: *const AtomicUsize) {
        self.used -= 1;
        // SAFETY: our caller's promise; the chunks are there until no cell is used.
        unsafe { &*cell }.store(self.free, Ordering::Relaxed);
        self.free = cell as usize;
    }

    fn release_unused(&mut self) {
        if self.used == 0 {
            self.chunks.clear();
            self.free = 0;
        }
    }
}

impl Drop for Cells {
    fn drop(&mut self) {
        // V8 still writes into cells that are used.
        if self.used > 0 {
            std::mem::forget(std::mem::take(&mut self.chunks));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_used_again_and_leave_no_memory_behind() {
        let mut cells = Cells::default();
        let taken: Vec<_> = (0..3 * CELLS_PER_CHUNK).map(|_| cells.take()).collect();
        let mut addresses: Vec<usize> = taken.iter().map(|cell| *cell as usize).collect();
        addresses.sort_unstable();
        addresses.dedup();
        assert_eq!(addresses.len(), 3 * CELLS_PER_CHUNK);
        assert_eq!(cells.chunks.len(), 3);

        let (first, rest) = taken.split_at(1);
        // SAFETY: each was taken, and is given back once.
        rest.iter()
            .for_each(|cell| unsafe { cells.give_back(*cell) });
        let again = cells.take();
        assert!(addresses.contains(&(again as usize)) && again != first[0]);
        assert_eq!(cells.chunks.len(), 3);

        for cell in [again, first[0]] {
            // SAFETY: each was taken, and is given back once.
            unsafe { cells.give_back(cell) };
        }
        cells.release_unused();
        assert_eq!((cells.chunks.len(), cells.used), (0, 0));
    }

    #[test]
    fn a_cell_that_is_used_outlives_the_others() {
        let mut cells = Cells::default();
        let cell = cells.take();
        drop(cells);
        // SAFETY: what V8 does at the next garbage collection: the cell is still there.
        unsafe { &*cell }.store(0, Ordering::Relaxed);
    }
}
