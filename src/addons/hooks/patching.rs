//! Stores hooks into an image, and takes them out again.
//!
//! Knows: where each function really is, what the slots of an image hold, and which words of it hold a function's address.
//! Out of scope: which images are patched, and when.
//! Limitations: pointers that an addon keeps on a heap. A hook passes on what reaches it after the end of the watch.

#![forbid(unsafe_code)]

use std::ffi::CString;

use super::functions::Function;
use super::image_kind::is_c_library;
use super::plan::{self, Import, Place, Write};
use super::slots::{store_all, Protections, Store};
use super::{calls, loader, originals};
use crate::base::elf::images::{self, Mapped};
use crate::base::elf::reader::{Image, ReadError};

/// Finds where the functions really are; or why that is not possible. Nothing is patched yet, or no longer.
pub(super) fn find_originals(executable: &Image) -> Result<(), String> {
    let (dlopen, dlsym) = loader::find_originals(|address| !executable.contains(address, 1))
        .ok_or("the C library's dlopen and dlsym were not found")?;
    for function in Function::ALL {
        let found = match function {
            Function::Dlopen => dlopen,
            Function::Dlsym => dlsym,
            _ => {
                let name = CString::new(function.name()).unwrap_or_default();
                let found = loader::global_symbol(&name);
                // Defined by something else than Node: another tool, by LD_PRELOAD.
                if found != 0 && !executable.contains(found, 1) {
                    return Err(format!(
                        "{} is not the node executable's own: another tool has redirected it",
                        function.name()
                    ));
                }
                found
            }
        };
        originals::set(*function, found, hook_of(*function));
    }
    Ok(())
}

fn hook_of(function: Function) -> usize {
    match function {
        Function::Dlopen => loader::dlopen_hook(),
        Function::Dlsym => loader::dlsym_hook(),
        _ => calls::address(function),
    }
}

/// Patches the slots of the functions that are `wanted`: all of them, or none. What was stored, or why nothing was.
pub(super) fn patch(
    mapped: &Mapped,
    protections: &Protections,
    wanted: impl Fn(Function) -> bool,
) -> Result<Vec<Write>, String> {
    let mut imports = Vec::new();
    let walked = mapped.each_import(|name, addr| {
        if let Some(function) = Function::named(name).filter(|function| wanted(*function)) {
            let addr = addr?;
            let current = mapped.word(addr).ok_or(ReadError::Slot {
                offset: mapped.image.offset_of(addr),
            })?;
            imports.push(Import {
                function,
                addr,
                current,
            });
        }
        Ok(())
    });
    walked.map_err(|error| format!("its import tables were refused: {error}"))?;
    let writes = plan::plan(&imports, originals::replacement, |addr| {
        place_of(mapped, addr)
    })?;
    let stores: Vec<Store> = writes.iter().map(Store::of).collect();
    store_all(mapped, &stores, protections)?;
    Ok(writes)
}

fn place_of(mapped: &Mapped, addr: usize) -> Place {
    if mapped.image.contains(addr, 1) {
        return if mapped.is_executable {
            Place::Node
        } else {
            Place::OwnImage
        };
    }
    let mut place = Place::Elsewhere;
    images::each_mapped(|other| {
        if other.image.contains(addr, 1) {
            if other.is_executable {
                place = Place::Node;
            } else if is_c_library(&other.name) {
                place = Place::CLibrary;
            }
        }
    });
    place
}

/// Patches the pointers that an image looked up before it was patched, but for those in `writes`. What was stored.
pub(super) fn patch_pointers(
    mapped: &Mapped,
    writes: &[Write],
    protections: &Protections,
) -> Vec<Write> {
    let found: Vec<Write> = find_pointers(mapped, originals::address)
        .into_iter()
        .filter(|(addr, _)| writes.iter().all(|write| write.addr != *addr))
        .map(|(addr, function)| {
            let replacement = originals::replacement(function);
            Write {
                addr,
                before: replacement.original,
                after: replacement.hook,
            }
        })
        .collect();
    let stores: Vec<Store> = found.iter().map(Store::of).collect();
    if store_all(mapped, &stores, protections).is_ok() {
        found
    } else {
        Vec::new()
    }
}

/// Gives every slot and pointer that still holds our hook back what it held. `uses_node_api`: the image may have looked up hooks meanwhile.
pub(super) fn restore(
    mapped: &Mapped,
    writes: &[Write],
    pointers: &[Write],
    uses_node_api: bool,
    protections: &Protections,
) {
    let mut stores: Vec<Store> = writes
        .iter()
        .chain(pointers)
        .map(|write| Store {
            addr: write.addr,
            expected: write.after,
            value: write.before,
        })
        .collect();
    if uses_node_api {
        stores.extend(
            find_pointers(mapped, |function| originals::replacement(function).hook)
                .into_iter()
                .filter(|(addr, _)| pointers.iter().all(|write| write.addr != *addr))
                .map(|(addr, function)| {
                    let replacement = originals::replacement(function);
                    Store {
                        addr,
                        expected: replacement.hook,
                        value: replacement.original,
                    }
                }),
        );
    }
    // What holds something else by now is somebody else's. What cannot be made writable passes everything on.
    let _ = store_all(mapped, &stores, protections);
}

/// Aligned words of the writable segments that hold one of the addresses that `address_of` gives.
fn find_pointers(
    mapped: &Mapped,
    address_of: impl Fn(Function) -> usize,
) -> Vec<(usize, Function)> {
    let mut wanted: Vec<(usize, Function)> = Function::ALL
        .iter()
        .filter(|function| function.is_node_api())
        .map(|function| (address_of(*function), *function))
        .filter(|(address, _)| *address != 0)
        .collect();
    wanted.sort_unstable_by_key(|(address, _)| *address);
    let (Some(lowest), Some(highest)) = (wanted.first(), wanted.last()) else {
        return Vec::new();
    };
    let range = lowest.0..=highest.0;
    let mut found = Vec::new();
    for (start, end) in &mapped.writable {
        let mut addr = start.next_multiple_of(8);
        while addr + 8 <= *end {
            if let Some(word) = mapped.word(addr).filter(|word| range.contains(word)) {
                if let Ok(place) = wanted.binary_search_by_key(&word, |(address, _)| *address) {
                    if let Some((_, function)) = wanted.get(place) {
                        found.push((addr, *function));
                    }
                }
            }
            addr += 8;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_function_has_a_hook_of_its_own() {
        let hooks: HashSet<usize> = Function::ALL.iter().map(|one| hook_of(*one)).collect();
        assert_eq!(hooks.len(), Function::ALL.len());
        assert!(!hooks.contains(&0));
    }
}
