//! \[unsafe\] What glibc's malloc counts (`mallinfo2`), and `malloc_trim`.
//!
//! Duties: both functions are looked up in the C library itself, at run time: `mallinfo2` came with glibc 2.33, musl has
//! neither, and with a symbol that is missing at load time the addon would not load. They are not looked up in the global
//! scope, where the executable's `malloc` family can be found first (on some Node lines it is).
//! `mallinfo` (no 2) is not used: its fields are `int` and wrong above 2 GiB.
//! Both functions lock each arena in turn. Other threads may wait for them inside malloc.

use std::ffi::{c_int, c_void, CStr};

use once_cell::sync::Lazy;

use super::breakdown::Malloc;

/// `struct mallinfo2` (mallinfo(3)).
#[repr(C)]
struct Mallinfo2 {
    arena: usize,
    ordblks: usize,
    smblks: usize,
    hblks: usize,
    hblkhd: usize,
    usmblks: usize,
    fsmblks: usize,
    uordblks: usize,
    fordblks: usize,
    keepcost: usize,
}

type Mallinfo2Fn = unsafe extern "C" fn() -> Mallinfo2;
type MallocTrimFn = unsafe extern "C" fn(usize) -> c_int;

#[derive(Clone, Copy)]
struct Functions {
    mallinfo2: Option<Mallinfo2Fn>,
    malloc_trim: Option<MallocTrimFn>,
}

static FUNCTIONS: Lazy<Functions> = Lazy::new(look_up);

fn look_up() -> Functions {
    // SAFETY: the name is a C string; RTLD_NOLOAD only finds what is loaded already (dlopen(3)). The handle is never
    // closed, and libc.so.6 is never unloaded.
    let libc = unsafe { libc::dlopen(c"libc.so.6".as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
    if libc.is_null() {
        return Functions {
            mallinfo2: None,
            malloc_trim: None,
        };
    }
    let mallinfo2 = symbol(libc, c"mallinfo2").map(|address| {
        // SAFETY: glibc declares `struct mallinfo2 mallinfo2(void)` (malloc.h, mallinfo(3)), which is this type.
        unsafe { std::mem::transmute::<*mut c_void, Mallinfo2Fn>(address) }
    });
    let malloc_trim = symbol(libc, c"malloc_trim").map(|address| {
        // SAFETY: glibc declares `int malloc_trim(size_t)` (malloc.h, malloc_trim(3)), which is this type.
        unsafe { std::mem::transmute::<*mut c_void, MallocTrimFn>(address) }
    });
    Functions {
        mallinfo2,
        malloc_trim,
    }
}

fn symbol(handle: *mut c_void, name: &CStr) -> Option<*mut c_void> {
    // SAFETY: the handle came from dlopen and was never closed, the name is a C string (dlsym(3)).
    let address = unsafe { libc::dlsym(handle, name.as_ptr()) };
    (!address.is_null()).then_some(address)
}

/// What malloc counts. `None` without glibc 2.33 or newer.
pub(super) fn figures() -> Option<Malloc> {
    let mallinfo2 = FUNCTIONS.mallinfo2?;
    // SAFETY: takes no arguments, is safe to call from any thread and locks what it reads (mallinfo(3), glibc ≥ 2.33).
    let info = unsafe { mallinfo2() };
    Some(Malloc {
        arenas_bytes: info.arena as u64,
        in_use_bytes: info.uordblks as u64,
        free_bytes: info.fordblks as u64,
        mapped_bytes: info.hblkhd as u64,
    })
}

/// Whether this is glibc. Elsewhere [`give_back`] has no effect.
pub(super) fn is_glibc() -> bool {
    FUNCTIONS.malloc_trim.is_some()
}

/// Gives malloc's free pages back to the kernel. Has no effect without glibc.
pub(super) fn give_back() {
    if let Some(malloc_trim) = FUNCTIONS.malloc_trim {
        // SAFETY: any pad is allowed, and it is safe to call from any thread (malloc_trim(3), "MT-Safe").
        unsafe { malloc_trim(0) };
    }
}

/// The size of a page in bytes.
pub(super) fn page_bytes() -> u64 {
    // SAFETY: takes no pointer, and _SC_PAGESIZE is always known (sysconf(3)).
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(bytes).unwrap_or(4096)
}

/// The calling thread's id, as `/proc/self/task` names it.
pub(super) fn thread_id() -> i32 {
    // SAFETY: takes no arguments and cannot fail (gettid(2)); the system call is used because glibc < 2.30 has no wrapper.
    let id = unsafe { libc::syscall(libc::SYS_gettid) };
    id as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_given_out_is_counted_as_in_use_and_as_free_when_it_is_given_back() {
        let Some(before) = figures() else { return };
        let block = std::hint::black_box(vec![1u8; 7_654_321]);
        let with = figures().expect("mallinfo2 is still there");
        assert!(
            with.in_use_bytes + with.mapped_bytes
                >= before.in_use_bytes + before.mapped_bytes + 7_000_000
        );
        drop(block);
    }

    #[test]
    fn pages_are_a_power_of_two() {
        assert!(page_bytes().is_power_of_two());
    }
}
