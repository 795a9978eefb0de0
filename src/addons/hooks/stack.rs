//! Who is calling: the return addresses of this thread, and the functions that they are in. `[unsafe]`
//!
//! Duties of this file: nothing of Node's is called; the unwinder is given no address but those it finds itself.
//! Out of scope: why a stack is wanted.
//! Limitations: beyond a function without unwind tables, and V8 makes such: a stack ends where JavaScript begins. Functions that
//! an addon does not export have no name here, only an address in their file.

use std::ffi::{c_int, c_void, CStr};

use crate::base::elf::images;

/// More frames than this are left out; the innermost are kept.
pub const LIMIT: usize = 24;

/// What the unwinder shows of a frame; opaque.
enum Context {}

type Trace = extern "C" fn(*mut Context, *mut c_void) -> c_int;

extern "C" {
    // Itanium C++ ABI, "Exception Handling", as libgcc and LLVM implement it; Rust's own panics go through the same library.
    fn _Unwind_Backtrace(trace: Trace, data: *mut c_void) -> c_int;
    fn _Unwind_GetIP(context: *mut Context) -> usize;
}

struct Walk<'a> {
    frames: &'a mut [usize; LIMIT],
    count: usize,
    own: (usize, usize),
}

/// Fills in the return addresses outside of this library, innermost first; how many there are.
pub fn capture(frames: &mut [usize; LIMIT]) -> usize {
    let mut walk = Walk {
        frames,
        count: 0,
        own: own_range(),
    };
    // SAFETY: `add_frame` has the type that is asked for and uses the pointer as the `Walk` that it is, which lives through the
    // call — Itanium C++ ABI, "_Unwind_Backtrace".
    unsafe { _Unwind_Backtrace(add_frame, (&raw mut walk).cast()) };
    walk.count
}

extern "C" fn add_frame(context: *mut Context, data: *mut c_void) -> c_int {
    const CONTINUE: c_int = 0;
    const STOP: c_int = 4;
    // SAFETY: the pointer that `capture` passed, used by nobody else meanwhile.
    let Some(walk) = (unsafe { data.cast::<Walk>().as_mut() }) else {
        return STOP;
    };
    // SAFETY: the unwinder passes a valid context for the duration of the call — as above.
    let address = unsafe { _Unwind_GetIP(context) };
    if address == 0 {
        return STOP;
    }
    // The hook's own frames come first.
    if walk.count == 0 && (walk.own.0..walk.own.1).contains(&address) {
        return CONTINUE;
    }
    match walk.frames.get_mut(walk.count) {
        Some(frame) => {
            *frame = address;
            walk.count += 1;
            CONTINUE
        }
        None => STOP,
    }
}

/// Where this library lies.
fn own_range() -> (usize, usize) {
    use once_cell::sync::Lazy;
    static RANGE: Lazy<(usize, usize)> = Lazy::new(|| {
        let image = images::containing(capture as *const () as usize);
        let segments = image.map(|image| image.segments).unwrap_or_default();
        let start = segments.iter().map(|segment| segment.0).min();
        let end = segments.iter().map(|segment| segment.1).max();
        (start.unwrap_or(0), end.unwrap_or(0))
    });
    *RANGE
}

/// Makes sure that nothing has to be found out at the first capture.
pub fn prepare() {
    own_range();
    capture(&mut [0; LIMIT]);
}

/// The function that a return address is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The file; empty when it is none, or is no longer loaded.
    pub file: String,
    /// The function, as the file calls it; empty when it does not export it.
    pub symbol: String,
    /// How far into the function; or, without one, into the file as it is loaded.
    pub offset: usize,
}

/// Finds the function that a return address is in.
pub fn name(address: usize) -> Frame {
    // SAFETY: Dl_info is pointers, for which zero bytes mean null.
    let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
    // The call lies before the address that it returns to.
    let call = address.wrapping_sub(1);
    // SAFETY: any address may be asked about, the result is ours — dladdr(3).
    if unsafe { libc::dladdr(call as *const c_void, &mut info) } == 0 {
        return Frame {
            file: String::new(),
            symbol: String::new(),
            offset: address,
        };
    }
    let text = |text: *const std::ffi::c_char| {
        if text.is_null() {
            return String::new();
        }
        // SAFETY: NUL-terminated, in the image's own memory, and copied at once — dladdr(3).
        unsafe { CStr::from_ptr(text) }
            .to_string_lossy()
            .into_owned()
    };
    let start = if info.dli_sname.is_null() {
        info.dli_fbase
    } else {
        info.dli_saddr
    };
    Frame {
        file: text(info.dli_fname),
        symbol: text(info.dli_sname),
        offset: call.wrapping_sub(start as usize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_is_bounded_and_addresses_of_nowhere_have_no_name() {
        let mut frames = [0; LIMIT];
        // In the test binary everything is in the same image as `capture`.
        assert!(capture(&mut frames) <= LIMIT);
        assert_eq!(name(8).file, "");
        let libc = name(libc::strlen as *const () as usize + 1);
        assert!(libc.file.contains("libc"), "{libc:?}");
    }
}
