//! The import slots that the child writes: which they are, and what goes into them.
//!
//! Knows: which images have them: node, libstdc++ and this addon. [`crate::base::elf`] finds the slots in an image.
//! Out of scope: the functions that they lead to, and the writing ([`super::child`]).
//! Limitations: a function that is called in another way than through a slot (a static build, a pointer that was taken before).
#![forbid(unsafe_code)]

use once_cell::sync::Lazy;

use crate::base::elf::images;
use crate::base::error::{Code, Failure};

use super::allocator;
use super::child::{excluded_memory, pthread_overrides, scratch_malloc};

/// One slot, and what goes into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotWrite {
    /// A pointer-aligned address inside a loaded image.
    pub addr: usize,
    /// The function that is called through it from now on.
    pub value: usize,
}

/// What a child needs for its scratch to be on disk.
#[derive(Debug, Clone)]
pub struct ScratchSlots {
    /// The slots of the `malloc` family.
    pub slots: Vec<SlotWrite>,
    /// The slots of `free` alone, for a child without the excluded memory.
    pub free_slots: Vec<SlotWrite>,
    /// The process's allocator.
    pub originals: allocator::Originals,
}

static SCRATCH: Lazy<Result<ScratchSlots, String>> = Lazy::new(find_scratch_slots);

/// The slots of the `malloc` family, or why scratch cannot be on disk.
pub fn scratch_slots() -> Result<&'static ScratchSlots, String> {
    SCRATCH.as_ref().map_err(Clone::clone)
}

/// In node, in libstdc++ (whose `operator new` calls `malloc`), and in this addon. A block that one of them allocates may be freed or
/// grown by another, and one of our blocks in the process's allocator would end the child.
fn find_scratch_slots() -> Result<ScratchSlots, String> {
    let bound = images::bound_in_executable(&["malloc", "calloc", "realloc", "free"])
        .map_err(|error| format!("the executable's import tables were refused: {error}"))?;
    let originals = allocator::originals(&bound)?;
    let executable = images::executable().ok_or("the executable's image was not found")?;
    let this = images::containing(find_scratch_slots as *const () as usize)
        .ok_or("the addon's own image was not found")?;
    let table = scratch_malloc::table();
    let wanted: Vec<&str> = table.iter().map(|(name, _)| *name).collect();
    let free = excluded_memory::free as *const () as usize;
    let mut writes = Vec::new();
    let mut free_slots = Vec::new();
    for image in [
        Some(executable),
        images::library("libstdc++.so.6"),
        Some(this),
    ]
    .into_iter()
    .flatten()
    {
        let slots = images::slots(&image, &wanted)
            .map_err(|error| format!("the import tables of an image were refused: {error}"))?;
        free_slots.extend(
            slots
                .iter()
                .filter(|slot| wanted[slot.wanted] == "free")
                .map(|slot| SlotWrite {
                    addr: slot.addr,
                    value: free,
                }),
        );
        writes.extend(slots.iter().map(|slot| SlotWrite {
            addr: slot.addr,
            value: table[slot.wanted].1,
        }));
    }
    Ok(ScratchSlots {
        slots: writes,
        free_slots,
        originals,
    })
}

/// The addresses of the executable; empty where it cannot be found.
pub fn executable_range() -> (usize, usize) {
    static RANGE: Lazy<(usize, usize)> = Lazy::new(|| {
        let segments = images::executable().map_or_else(Vec::new, |image| image.segments);
        let start = segments.iter().map(|segment| segment.0).min();
        let end = segments.iter().map(|segment| segment.1).max();
        start.zip(end).unwrap_or((0, 0))
    });
    *RANGE
}

static SLOTS: Lazy<Result<Vec<SlotWrite>, String>> = Lazy::new(find_slots);

/// The slots of the thread functions, or why there can be no child.
pub fn slots() -> Result<&'static [SlotWrite], Failure> {
    match &*SLOTS {
        Ok(slots) => Ok(slots),
        Err(reason) => Err(Failure::new(Code::UnsupportedPlatform, reason.clone())),
    }
}

/// Decided by the slots that are there, not by version numbers.
fn find_slots() -> Result<Vec<SlotWrite>, String> {
    if !std::path::Path::new("/proc/self/task").is_dir() {
        return Err(
            "/proc is not mounted, and the probe reads the process's threads and mappings there"
                .into(),
        );
    }
    let executable = images::executable().ok_or("the executable's image was not found")?;
    if !images::executable_is_node(&executable) {
        return Err(
            "Node-API is not in the executable itself (a Node that is linked to libnode.so?)"
                .into(),
        );
    }
    let table = pthread_overrides::table();
    let wanted: Vec<&str> = table.iter().map(|(name, _, _)| *name).collect();
    let slots = images::slots(&executable, &wanted)
        .map_err(|error| format!("the executable's import tables were refused: {error}"))?;
    for (index, (name, _, needed)) in table.iter().enumerate() {
        if *needed && !slots.iter().any(|slot| slot.wanted == index) {
            return Err(format!(
                "the executable does not import {name} through a slot (a static build?)"
            ));
        }
    }
    // Our own locks wait by `syscall`, and a thread of the service may hold one at the moment of the fork.
    let this = images::containing(find_slots as *const () as usize)
        .ok_or("the addon's own image was not found")?;
    let own: Vec<&str> = pthread_overrides::IN_OUR_IMAGE.to_vec();
    let own_slots = images::slots(&this, &own)
        .map_err(|error| format!("the addon's import tables were refused: {error}"))?;
    let override_of = |name: &str| {
        table
            .iter()
            .find(|(replaced, _, _)| *replaced == name)
            .map(|(_, value, _)| *value)
    };
    Ok(slots
        .iter()
        .map(|slot| (slot.addr, Some(table[slot.wanted].1)))
        .chain(
            own_slots
                .iter()
                .map(|slot| (slot.addr, override_of(own[slot.wanted]))),
        )
        .filter_map(|(addr, value)| {
            Some(SlotWrite {
                addr,
                value: value?,
            })
        })
        .collect())
}
