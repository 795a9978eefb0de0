//! One probe at a time in a process, whichever copy of the package starts it. `[unsafe]`
//!
//! Two installations of offheap are two images, each with its own statics. If two threads forked at the same time, each would mark
//! V8's pages, and restore the marks while the other thread still needs them. So all copies use one word: that of the copy that
//! was loaded first. It is found by the name of its symbol.
//!
//! Duties of this file: the symbol's name and type never change; a change of its meaning needs another name.
//! Out of scope: what a probe does.
//! Limitations: a copy whose file was renamed.

use std::sync::atomic::{AtomicU32, Ordering};

use once_cell::sync::Lazy;

use crate::base::elf::images;

const NAME: &str = "offheap_probe_under_way_1";
/// What the file of every copy is called (`scripts/build.js`).
const FILE: &[u8] = b"/offheap.node";

/// 1 while a probe is under way.
#[no_mangle]
#[used]
#[allow(
    non_upper_case_globals,
    reason = "the name is looked for in the tables of images"
)]
pub static offheap_probe_under_way_1: AtomicU32 = AtomicU32::new(0);

static WORD: Lazy<&'static AtomicU32> = Lazy::new(|| {
    let mut first = None;
    images::each_mapped(|mapped| {
        // By the file's name first: to look through the symbols of the node executable takes 3 to 15 ms.
        let may_be = first.is_none() && mapped.name.ends_with(FILE);
        if may_be && matches!(mapped.exports_any(&[NAME]), Ok(true)) {
            first = Some(mapped.name.clone());
        }
    });
    let addr = first
        .and_then(|name| images::symbol_in(&name, NAME))
        .filter(|addr| addr.is_multiple_of(align_of::<AtomicU32>()));
    match addr {
        // SAFETY: the symbol of a copy of this file: an AtomicU32 that lives as long as its image, and the images of this
        // package are never unmapped (napi_build links them with `-z nodelete`).
        Some(addr) => unsafe { &*(addr as *const AtomicU32) },
        None => &offheap_probe_under_way_1,
    }
});

/// The right to have a probe, until dropped.
#[derive(Debug)]
pub struct Permit(());

/// Takes the permit, if nobody has it.
pub fn take_permit() -> Option<Permit> {
    WORD.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire)
        .is_ok()
        .then_some(Permit(()))
}

impl Drop for Permit {
    fn drop(&mut self) {
        WORD.store(0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_permit_at_a_time() {
        let permit = take_permit().expect("nobody has it");
        assert!(take_permit().is_none());
        drop(permit);
        assert!(take_permit().is_some());
    }
}
