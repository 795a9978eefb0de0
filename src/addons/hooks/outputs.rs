//! What lies behind the pointers that an addon passes to a function of Node's. `[unsafe]`
//!
//! Duties of this file: an output is read only after Node has written to it, or after this file has.
//! Out of scope: which function it is.
//! Limitations: a pointer that is neither null nor valid. Node would fail on it as well.

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::ptr;

/// `napi_status` — the headers of Node-API.
pub(super) type Status = c_int;

/// `napi_ok`.
pub(super) const OK: Status = 0;

/// What lies behind an output that the addon asked for and Node has filled.
///
/// # Safety
///
/// `output` is null, or valid for reading: the original has just written to it.
#[inline]
pub(super) unsafe fn filled<T: Copy>(output: *mut T) -> Option<T> {
    // SAFETY: our caller's promise.
    unsafe { output.as_ref() }.copied()
}

/// # Safety
///
/// With [`OK`], `output` is null or has been written to.
#[inline]
pub(super) unsafe fn filled_if<T: Copy>(status: Status, output: *mut T) -> Option<T> {
    if status == OK {
        // SAFETY: our caller's promise.
        unsafe { filled(output) }
    } else {
        None
    }
}

/// Replaces an output that the addon did not ask for.
#[inline]
pub(super) fn or_local<T>(output: *mut T, local: &mut T) -> *mut T {
    if output.is_null() {
        local
    } else {
        output
    }
}

/// Calls an original that writes its value last, and says whether a failure came before that: then nothing was made.
/// The addon's variable is as it was afterwards.
///
/// # Safety
///
/// `result` is null, or valid for writing.
#[inline]
pub(super) unsafe fn creating<T>(
    result: *mut *mut T,
    original: impl FnOnce() -> Status,
) -> (Status, bool) {
    if result.is_null() {
        return (original(), true);
    }
    // Most addons leave it uninitialized.
    let slot = result.cast::<MaybeUninit<*mut T>>();
    // SAFETY: our caller's promise; any bytes are a valid MaybeUninit.
    let before = unsafe { slot.read() };
    // SAFETY: our caller's promise.
    unsafe { result.write(ptr::null_mut()) };
    let status = original();
    if status == OK {
        return (status, false);
    }
    // SAFETY: written above, and by Node at most once more.
    let nothing = unsafe { result.read() }.is_null();
    if nothing {
        // SAFETY: our caller's promise.
        unsafe { slot.write(before) };
    }
    (status, nothing)
}

/// The length of a string that an addon left to Node to find out.
///
/// # Safety
///
/// With `length` being `NAPI_AUTO_LENGTH`, `text` is null or ends with a unit of 0.
pub(super) unsafe fn unit_count<T: Copy + Default + PartialEq>(
    text: *const T,
    length: usize,
) -> usize {
    const AUTO_LENGTH: usize = usize::MAX;
    if length != AUTO_LENGTH || text.is_null() {
        return length;
    }
    let mut count = 0;
    loop {
        // SAFETY: not beyond the unit of 0, which ends it: our caller's promise.
        let at = unsafe { text.add(count) };
        // SAFETY: as above.
        if unsafe { at.read() } == T::default() {
            return count;
        }
        count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVALID_ARG: Status = 1;
    const PENDING_EXCEPTION: Status = 10;

    /// A value that is never looked into.
    fn value(number: usize) -> *mut u8 {
        ptr::without_provenance_mut(number)
    }

    #[test]
    fn an_original_that_makes_its_value_is_never_called_refused() {
        let mut result = value(7);
        // SAFETY: the output is a local.
        let made = unsafe { creating(&mut result, || OK) };
        assert_eq!(made, (OK, false));
        let slot: *mut *mut u8 = &mut result;
        let write = || {
            // SAFETY: a local; as Node writes to the same output.
            unsafe { slot.write(value(9)) };
            PENDING_EXCEPTION
        };
        // SAFETY: the output is a local.
        let failed_later = unsafe { creating(slot, write) };
        assert_eq!(failed_later, (PENDING_EXCEPTION, false));
        assert_eq!(result, value(9));
    }

    #[test]
    fn after_a_refusal_the_addons_variable_is_as_it_was() {
        let mut result = value(7);
        // SAFETY: the output is a local.
        let refused = unsafe { creating(&mut result, || INVALID_ARG) };
        assert_eq!(refused, (INVALID_ARG, true));
        assert_eq!(result, value(7));
        // SAFETY: null is allowed.
        let without = unsafe { creating(ptr::null_mut::<*mut u8>(), || INVALID_ARG) };
        assert_eq!(without, (INVALID_ARG, true));
    }

    #[test]
    fn outputs_that_an_addon_did_not_ask_for_are_our_own() {
        let (mut theirs, mut ours) = (1u32, 2u32);
        let asked: *mut u32 = &mut theirs;
        assert_eq!(or_local(asked, &mut ours), asked);
        assert_ne!(or_local(ptr::null_mut(), &mut ours), asked);
        // SAFETY: null, or a local.
        let read = |output: *mut u32| unsafe { filled(output) };
        assert_eq!([read(asked), read(ptr::null_mut())], [Some(1), None]);
        // SAFETY: a local.
        let read_if = |status| unsafe { filled_if(status, asked) };
        assert_eq!([read_if(OK), read_if(1)], [Some(1), None]);
    }

    #[test]
    fn a_string_without_a_length_ends_with_its_unit_of_0() {
        let latin1 = b"seven!!\0beyond";
        let utf16: Vec<u16> = "five5\0beyond".encode_utf16().collect();
        // SAFETY: null, or a text that holds a unit of 0.
        let latin1_count = |text: *const u8, length| unsafe { unit_count(text, length) };
        // SAFETY: as above.
        let utf16_count = unsafe { unit_count(utf16.as_ptr(), usize::MAX) };
        assert_eq!(latin1_count(latin1.as_ptr(), usize::MAX), 7);
        assert_eq!(utf16_count, 5);
        assert_eq!(latin1_count(latin1.as_ptr(), 3), 3);
        assert_eq!(latin1_count(ptr::null(), 3), 3);
    }
}
