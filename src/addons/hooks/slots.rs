//! Writes slots. `[unsafe]`
//!
//! Duties of this file: all pages of an image are made writable before the first slot is stored to, and get their
//! protection back afterwards; when one cannot be, nothing is stored. Each store is one atomic exchange of a value that
//! was read before for a new one.
//! Out of scope: what a slot is for.
//! Limitations: who else calls through a slot meanwhile. They get the old function or the new one.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::plan::Write;
use crate::base::elf::images::Mapped;

/// One store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Store {
    /// A slot of the image that is being visited.
    pub addr: usize,
    /// Left alone unless it holds this.
    pub expected: usize,
    /// What it is to hold.
    pub value: usize,
}

impl Store {
    /// The one that a write is made by.
    pub fn of(write: &Write) -> Self {
        Store {
            addr: write.addr,
            expected: write.before,
            value: write.after,
        }
    }
}

/// The mappings of this process, as far as protection goes.
#[derive(Debug)]
pub struct Protections(Vec<(usize, usize, libc::c_int)>);

impl Protections {
    /// Reads them from `/proc/self/maps`.
    pub fn read() -> Result<Self, String> {
        let maps = std::fs::read("/proc/self/maps")
            .map_err(|error| format!("/proc/self/maps cannot be read: {error}"))?;
        Ok(Self::parse(&maps))
    }

    fn parse(maps: &[u8]) -> Self {
        let line = |line: &[u8]| -> Option<(usize, usize, libc::c_int)> {
            let line = std::str::from_utf8(line.get(..64.min(line.len()))?).ok()?;
            let (range, rest) = line.split_once(' ')?;
            let (start, end) = range.split_once('-')?;
            let mut flags = rest.bytes();
            let mut protection = 0;
            for (letter, bit) in [
                (b'r', libc::PROT_READ),
                (b'w', libc::PROT_WRITE),
                (b'x', libc::PROT_EXEC),
            ] {
                if flags.next()? == letter {
                    protection |= bit;
                }
            }
            Some((
                usize::from_str_radix(start, 16).ok()?,
                usize::from_str_radix(end, 16).ok()?,
                protection,
            ))
        };
        Protections(maps.split(|&byte| byte == b'\n').filter_map(line).collect())
    }

    fn of(&self, page: usize) -> Option<libc::c_int> {
        self.0
            .iter()
            .find(|(start, end, _)| (*start..*end).contains(&page))
            .map(|(_, _, protection)| *protection)
    }
}

/// Makes all of `stores`, or none and says why. How many slots held something else than expected.
pub fn store_all(
    image: &Mapped,
    stores: &[Store],
    protections: &Protections,
) -> Result<usize, String> {
    if stores
        .iter()
        .any(|store| !store.addr.is_multiple_of(8) || !image.image.contains(store.addr, 8))
    {
        return Err("a slot lies outside of the image".into());
    }
    // SAFETY: no arguments but a number — sysconf(3).
    let page_size = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4_096);
    let mut pages: Vec<usize> = stores
        .iter()
        .map(|store| store.addr & !(page_size - 1))
        .collect();
    pages.sort_unstable();
    pages.dedup();

    let mut opened: Vec<(usize, libc::c_int)> = Vec::new();
    let mut failure = None;
    for page in pages {
        match protections.of(page) {
            Some(protection) if protection & libc::PROT_WRITE != 0 => {}
            Some(protection) => {
                if protect(page, page_size, protection | libc::PROT_WRITE) {
                    opened.push((page, protection));
                } else {
                    let error = std::io::Error::last_os_error();
                    failure = Some(format!(
                        "mprotect refused to make its import slots writable ({error}); nothing was patched"
                    ));
                    break;
                }
            }
            None => {
                failure = Some("its import slots are not in /proc/self/maps".into());
                break;
            }
        }
    }
    let mut missed = 0;
    if failure.is_none() {
        for store in stores {
            // SAFETY: aligned and inside a loaded segment of `image` (checked above), which the loader keeps mapped while
            // `image` exists (`each_mapped`), and writable since the loop above. Other threads call through it
            // meanwhile: one atomic exchange, so they see the old function or the new — `AtomicUsize::from_ptr`.
            let slot = unsafe { AtomicUsize::from_ptr(store.addr as *mut usize) };
            let stored = slot.compare_exchange(
                store.expected,
                store.value,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            missed += usize::from(stored.is_err());
        }
    }
    for (page, protection) in opened {
        protect(page, page_size, protection);
    }
    match failure {
        None => Ok(missed),
        Some(reason) => Err(reason),
    }
}

fn protect(page: usize, page_size: usize, protection: libc::c_int) -> bool {
    // SAFETY: one page of a loaded image; it stays readable, and executable if it was, so nobody's use of it breaks —
    // mprotect(2).
    unsafe { libc::mprotect(page as *mut libc::c_void, page_size, protection) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protections_are_read_from_the_lines_of_maps() {
        let protections = Protections::parse(
            b"00400000-00500000 r--p 00000000 fd:00 1 /bin/node\n00500000-00600000 r-xp 0 0 0\n7f0000000000-7f0000001000 rw-p 00000000 00:00 0 [heap]\ngarbage\n",
        );
        assert_eq!(protections.of(0x40_0000), Some(libc::PROT_READ));
        assert_eq!(
            protections.of(0x5F_F000),
            Some(libc::PROT_READ | libc::PROT_EXEC)
        );
        assert_eq!(
            protections.of(0x7f00_0000_0000),
            Some(libc::PROT_READ | libc::PROT_WRITE)
        );
        assert_eq!(protections.of(0x60_0000), None);
    }
}
