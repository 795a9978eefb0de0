//! Finds the images that are mapped in this process, and reads their import slots. `[unsafe]`
//!
//! Duties of this file: copy out of the loader's structures during its callback and keep no pointer; read image
//! memory only inside segments that the loader mapped.
//! Out of scope: what the slots will be used for.
//! Limitations: images that were mapped by hand, without the loader.

use std::ffi::{c_int, c_void, CStr, CString};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::reader::{self, Image, ReadError, Slot};

struct Found {
    name: Vec<u8>,
    image: Image,
}

/// One image that the loader keeps mapped as long as this exists: see [`each_mapped`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Mapped {
    /// The name that it was loaded under; empty for the executable.
    pub name: Vec<u8>,
    /// Where it lies.
    pub image: Image,
    /// Those of its segments that are writable after loading, as `(start, end)`.
    pub writable: Vec<(usize, usize)>,
    /// Whether it is the executable.
    pub is_executable: bool,
}

impl Mapped {
    /// Visits the import slots: see [`reader::each_import`].
    pub fn each_import(
        &self,
        visit: impl FnMut(&[u8], Result<usize, ReadError>) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        reader::each_import(&self.image, copy_mapped, visit)
    }

    /// Whether the image defines one of these symbols: see [`reader::exports_any`].
    pub fn exports_any(&self, names: &[&str]) -> Result<bool, ReadError> {
        reader::exports_any(&self.image, names, copy_mapped)
    }

    /// The word at an aligned address of this image.
    pub fn word(&self, addr: usize) -> Option<usize> {
        if !addr.is_multiple_of(8) || !self.image.contains(addr, 8) {
            return None;
        }
        // SAFETY: aligned and inside a loaded segment, which stays mapped as long as `self` exists (see `each_mapped`).
        // Other threads may write to it meanwhile, hence atomically — `AtomicUsize::from_ptr`.
        let word = unsafe { AtomicUsize::from_ptr(addr as *mut usize) };
        Some(word.load(Ordering::Relaxed))
    }
}

/// For ranges that `reader` checked to be inside a segment of an image that is being visited.
fn copy_mapped(addr: usize, buffer: &mut [u8]) {
    // SAFETY: called by `reader` only for ranges inside a loaded segment (`Image::contains`), and only during
    // `each_mapped`, in which the loader unmaps nothing. The tables of an image are not written to after it was
    // relocated; one that is being relocated is read as it is, and planned anew before anything is written.
    unsafe {
        std::ptr::copy_nonoverlapping(addr as *const u8, buffer.as_mut_ptr(), buffer.len());
    };
}

/// How many images were ever added, and how many removed: equal readings have the same images between them.
pub fn generation() -> (u64, u64) {
    let mut counts = (0, 0);
    // SAFETY: `read_generation` uses `data` as the pair that it is, and it lives through the call — dl_iterate_phdr(3).
    unsafe { libc::dl_iterate_phdr(Some(read_generation), (&raw mut counts).cast()) };
    counts
}

/// # Safety
///
/// - `info` is valid for the duration of the call.
/// - `data` is the pair of [`generation`], and nobody else uses it meanwhile.
unsafe extern "C" fn read_generation(
    info: *mut libc::dl_phdr_info,
    size: usize,
    data: *mut c_void,
) -> c_int {
    // Kernels and libraries of old lack the two counters: `size` says whether they are there — dl_iterate_phdr(3).
    // SAFETY: our caller's promise.
    let counts = unsafe { data.cast::<(u64, u64)>().as_mut() };
    // SAFETY: our caller's promise.
    let info = unsafe { info.as_ref() };
    if let (Some(counts), Some(info)) = (counts, info) {
        if size >= std::mem::size_of::<libc::dl_phdr_info>() {
            *counts = (info.dlpi_adds, info.dlpi_subs);
        }
    }
    1
}

/// Visits every image. As long as it runs the loader unmaps none: it holds the lock that `dlclose` needs for that.
///
/// `visit` must not call the loader, nor wait for a thread that does.
pub fn each_mapped(visit: impl FnMut(&Mapped)) {
    let mut visitor = Visitor {
        visit,
        seen: 0,
        panic: None,
    };
    let callback = visit_one(&visitor);
    // SAFETY: `callback` is `visit_mapped` for the type of `visitor`, which lives through the call — dl_iterate_phdr(3).
    unsafe { libc::dl_iterate_phdr(Some(callback), (&raw mut visitor).cast()) };
    if let Some(panic) = visitor.panic {
        std::panic::resume_unwind(panic);
    }
}

struct Visitor<F> {
    visit: F,
    seen: usize,
    panic: Option<Box<dyn std::any::Any + Send>>,
}

type Callback = unsafe extern "C" fn(*mut libc::dl_phdr_info, usize, *mut c_void) -> c_int;

/// Names the type that the compiler knows and we cannot write.
fn visit_one<F: FnMut(&Mapped)>(_: &Visitor<F>) -> Callback {
    visit_mapped::<F>
}

/// # Safety
///
/// - `info` is valid for the duration of the call.
/// - `data` is the `Visitor<F>` of [`each_mapped`], and nobody else uses it meanwhile.
unsafe extern "C" fn visit_mapped<F: FnMut(&Mapped)>(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    data: *mut c_void,
) -> c_int {
    // SAFETY: our caller's promise: `data` is the visitor, and it is not used elsewhere during the call.
    let Some(visitor) = (unsafe { data.cast::<Visitor<F>>().as_mut() }) else {
        return 1;
    };
    // SAFETY: our caller's promise: `info` is valid for the duration of the call.
    let Some((found, writable)) = (unsafe { describe(info) }) else {
        return 0;
    };
    let mapped = Mapped {
        name: found.name,
        image: found.image,
        writable,
        // The first one is the executable — dl_iterate_phdr(3).
        is_executable: visitor.seen == 0,
    };
    visitor.seen += 1;
    // A panic must not cross the loader.
    let visited = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        (visitor.visit)(&mapped);
    }));
    match visited {
        Ok(()) => 0,
        Err(panic) => {
            visitor.panic = Some(panic);
            1
        }
    }
}

/// The executable of this process.
pub fn executable() -> Option<Image> {
    // The first one is the executable — dl_iterate_phdr(3).
    images().into_iter().next().map(|found| found.image)
}

/// The image whose file is called `file_name`.
pub fn library(file_name: &str) -> Option<Image> {
    images()
        .into_iter()
        .find(|found| found.name.rsplit(|&byte| byte == b'/').next() == Some(file_name.as_bytes()))
        .map(|found| found.image)
}

/// The image that `addr` lies in.
pub fn containing(addr: usize) -> Option<Image> {
    images()
        .into_iter()
        .map(|found| found.image)
        .find(|image| image.contains(addr, 1))
}

/// The image that `addr` lies in, and the name that it was loaded under: empty for the executable.
pub fn named_containing(addr: usize) -> Option<(Image, Vec<u8>)> {
    images()
        .into_iter()
        .find(|found| found.image.contains(addr, 1))
        .map(|found| (found.image, found.name))
}

/// Where import slots of the executable lead to: for each slot of one of the functions in `wanted` its name and what it holds.
/// Slots that hold an address of the executable itself are left out: its own PLT entry, which leads on through another slot.
pub fn bound_in_executable<'a>(wanted: &[&'a str]) -> Result<Vec<(&'a str, usize)>, ReadError> {
    let mut bound = Ok(Vec::new());
    each_mapped(|mapped| {
        if mapped.is_executable {
            bound = reader::slots(&mapped.image, wanted, copy_mapped).map(|slots| {
                slots
                    .iter()
                    .filter_map(|slot| Some((*wanted.get(slot.wanted)?, mapped.word(slot.addr)?)))
                    .filter(|(_, addr)| !mapped.image.contains(*addr, 1))
                    .collect()
            });
        }
    });
    bound
}

/// The address of a symbol that a loaded image defines, or that something it needs does. `path`: the name that it was loaded under.
pub fn symbol_in(path: &[u8], name: &str) -> Option<usize> {
    let (path, name) = (CString::new(path).ok()?, CString::new(name).ok()?);
    // SAFETY: a NUL-terminated name of a library that is loaded already; nothing is run — dlopen(3), RTLD_NOLOAD.
    let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
    if handle.is_null() {
        return None;
    }
    // SAFETY: a handle from dlopen, a NUL-terminated name — dlsym(3).
    let addr = unsafe { libc::dlsym(handle, name.as_ptr()) } as usize;
    // SAFETY: the handle from above, once — dlclose(3).
    unsafe { libc::dlclose(handle) };
    (addr != 0).then_some(addr)
}

/// Whether the executable itself offers Node-API, rather than a libnode.so beside it. By its own symbol table: `dlsym` may be
/// another copy's of offheap, which watches addons and gives its hooks.
pub fn executable_is_node(executable: &Image) -> bool {
    reader::exports_any(executable, &["napi_create_reference"], copy_mapped).unwrap_or(false)
}

/// The slots of `image` for the functions in `wanted`.
pub fn slots(image: &Image, wanted: &[&str]) -> Result<Vec<Slot>, ReadError> {
    reader::slots(image, wanted, |addr, buffer| {
        // SAFETY: `reader::slots` asks only for ranges inside one loaded segment (`Image::contains`), which the loader
        // keeps mapped and readable: neither the executable nor libstdc++, which it needs, is ever unmapped. Nothing
        // writes to the tables of an image after it was relocated — System V gABI, chapter 5. The buffer is ours.
        unsafe {
            std::ptr::copy_nonoverlapping(addr as *const u8, buffer.as_mut_ptr(), buffer.len())
        };
    })
}

fn images() -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    // SAFETY: `collect` has the type that is asked for and uses `data` as the Vec that it is; the Vec lives through
    // the call — dl_iterate_phdr(3).
    unsafe { libc::dl_iterate_phdr(Some(collect), (&raw mut found).cast()) };
    found
}

/// # Safety
///
/// - `info` is valid for the duration of the call.
/// - `data` is the `Vec<Found>` of [`images`], and nobody else uses it meanwhile.
unsafe extern "C" fn collect(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    data: *mut c_void,
) -> c_int {
    const CONTINUE: c_int = 0;
    // SAFETY: our caller's promise: `data` is the Vec, and it is not used elsewhere during the call.
    let Some(all) = (unsafe { data.cast::<Vec<Found>>().as_mut() }) else {
        return CONTINUE;
    };
    // SAFETY: our caller's promise: `info` is valid for the duration of the call.
    if let Some((found, _)) = unsafe { describe(info) } {
        all.push(found);
    }
    CONTINUE
}

/// Copies what the loader says of one image, and which of its segments are writable.
///
/// # Safety
///
/// `info` is what dl_iterate_phdr passed to the callback that is running.
unsafe fn describe(info: *mut libc::dl_phdr_info) -> Option<(Found, Vec<(usize, usize)>)> {
    // SAFETY: the loader passes a valid structure for the duration of the call — dl_iterate_phdr(3).
    let info = unsafe { info.as_ref() }?;
    if info.dlpi_phdr.is_null() {
        return None;
    }
    // SAFETY: dlpi_phnum is documented as the length of the array at dlpi_phdr — dl_iterate_phdr(3).
    let headers =
        unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    let bias = info.dlpi_addr as usize;
    let mut image = Image {
        load_bias: bias,
        dynamic: (0, 0),
        segments: Vec::new(),
    };
    let mut writable = Vec::new();
    for header in headers {
        // Observed negative on old kernels, hence wrapping.
        let start = bias.wrapping_add(header.p_vaddr as usize);
        let byte_length = header.p_memsz as usize;
        match header.p_type {
            libc::PT_LOAD => {
                if let Some(end) = start.checked_add(byte_length) {
                    image.segments.push((start, end));
                    if header.p_flags & libc::PF_W != 0 {
                        writable.push((start, end));
                    }
                }
            }
            libc::PT_DYNAMIC => image.dynamic = (start, byte_length),
            _ => {}
        }
    }
    let name = if info.dlpi_name.is_null() {
        Vec::new()
    } else {
        // SAFETY: dlpi_name is a NUL-terminated string, valid during the call; it is copied — dl_iterate_phdr(3).
        unsafe { CStr::from_ptr(info.dlpi_name) }
            .to_bytes()
            .to_vec()
    };
    Some((Found { name, image }, writable))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_executable_is_found_and_imports_write() {
        let image = executable().expect("an executable");
        assert!(image.segments.len() >= 2);
        let slots = slots(&image, &["write", "no_such_function"]).expect("a readable image");
        assert!(slots.iter().any(|slot| slot.wanted == 0));
        assert!(slots.iter().all(|slot| slot.wanted != 1));
    }

    #[test]
    fn a_program_without_node_api_is_not_node() {
        assert!(!executable_is_node(&executable().expect("an executable")));
    }
}
