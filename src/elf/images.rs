//! Finds the images that are mapped in this process, and reads their import slots. `[unsafe]`
//!
//! Duties of this file: copy out of the loader's structures during its callback and keep no pointer; read image
//! memory only inside segments that the loader mapped.
//! Must never know: what the slots will be used for.
//! Cannot see: images that were mapped by hand, without the loader.

use std::ffi::{c_int, c_void, CStr};

use super::reader::{self, Image, Refusal, Slot};

struct Found {
    name: Vec<u8>,
    image: Image,
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

/// Whether the executable itself offers Node-API, rather than a libnode.so beside it.
pub fn executable_is_node(executable: &Image) -> bool {
    let name = c"napi_create_reference";
    // SAFETY: RTLD_DEFAULT is a valid handle, the name is NUL-terminated — dlsym(3).
    let addr = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    !addr.is_null() && executable.contains(addr as usize, 1)
}

/// The slots of `image` for the functions in `wanted`.
pub fn slots(image: &Image, wanted: &[&str]) -> Result<Vec<Slot>, Refusal> {
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
    // SAFETY: the loader passes a valid structure for the duration of the call — dl_iterate_phdr(3).
    let Some(info) = (unsafe { info.as_ref() }) else {
        return CONTINUE;
    };
    // SAFETY: our caller's promise: `data` is the Vec, and it is not used elsewhere during the call.
    let Some(found) = (unsafe { data.cast::<Vec<Found>>().as_mut() }) else {
        return CONTINUE;
    };
    if info.dlpi_phdr.is_null() {
        return CONTINUE;
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
    for header in headers {
        // Observed negative on old kernels, hence wrapping.
        let start = bias.wrapping_add(header.p_vaddr as usize);
        let byte_length = header.p_memsz as usize;
        match header.p_type {
            libc::PT_LOAD => {
                if let Some(end) = start.checked_add(byte_length) {
                    image.segments.push((start, end));
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
    found.push(Found { name, image });
    CONTINUE
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
