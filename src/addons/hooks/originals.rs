//! Where the functions really are.
//!
//! Knows: for each hooked function its original and our hook.
//! Must never know: what they do.

#![forbid(unsafe_code)]

use std::ffi::CString;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::functions::{Function, COUNT};
use super::plan::Known;
use super::{calls, loader};
use crate::base::elf::reader::Image;

static ORIGINALS: [AtomicUsize; COUNT] = [const { AtomicUsize::new(0) }; COUNT];

/// The address of an original; 0 when this Node does not have it.
#[inline]
pub fn address(function: Function) -> usize {
    ORIGINALS
        .get(function as usize)
        .map_or(0, |original| original.load(Ordering::Relaxed))
}

/// The original and our hook.
pub fn known(function: Function) -> Known {
    Known {
        original: address(function),
        hook: calls::address(function),
    }
}

/// Finds them; or why that is not possible. Nothing is patched yet, or no longer.
pub fn find(executable: &Image) -> Result<(), String> {
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
        if let Some(original) = ORIGINALS.get(*function as usize) {
            original.store(found, Ordering::Release);
        }
    }
    Ok(())
}
