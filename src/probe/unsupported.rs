//! The probe where it does not exist: says so, and why.
//!
//! The recipe rests on Linux (`/proc`, `madvise`), on glibc (`fork` that leaves `malloc` usable, the names of the thread
//! functions) and on the relocation types of x86-64; elsewhere none of it was tried.
#![forbid(unsafe_code)]

/// Why there is no probe.
pub fn reason() -> String {
    format!(
        "the probe is known to work only on Linux x86-64 with glibc, and this is {} {}",
        std::env::consts::OS,
        std::env::consts::ARCH
    )
}
