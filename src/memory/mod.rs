//! Where the process's memory is, as the kernel and the C library count it.
//!
//! Knows: the resident set and its kinds (`/proc/self/status`, `smaps`), the cgroup limit that binds this process and
//! the usage of that same cgroup, the machine's memory, and what glibc's malloc holds.
//! Out of scope: napi; V8, apart from the few numbers that the caller passes in.
//! Limitations: which part of the process allocated a block; what other allocators (mimalloc, jemalloc) do with the pages that
//! they hold; memory of the GPU; page tables and other kernel memory outside the resident set.
//!
//! | file | |
//! |---|---|
//! | [`status`] | \[pure\] `/proc/self/status`, `/proc/meminfo` |
//! | [`cgroup`] | \[pure\] from `/proc/self/cgroup` and `mountinfo` to the limit that binds, over a [`cgroup::Files`] |
//! | [`mappings`] | \[pure\] `/proc/self/smaps` |
//! | [`glibc_heaps`] | \[pure\] finds malloc's own mappings by their headers, over a [`glibc_heaps::Memory`] |
//! | [`mod@breakdown`] | \[pure\] the additive table |
//! | `linux` | reads the files and puts the pieces together |
//! | `malloc` | \[unsafe\] glibc's `mallinfo2` and `malloc_trim`, looked up at run time |
//! | `unsupported` | replaces `linux` and `malloc` on other platforms: everything is `None` |

pub mod breakdown;
pub mod cgroup;
pub mod glibc_heaps;
pub mod mappings;
pub mod status;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod malloc;
#[cfg(not(target_os = "linux"))]
mod unsupported;

#[cfg(target_os = "linux")]
pub use linux::{available, breakdown, memory, trim, JsThread};
#[cfg(not(target_os = "linux"))]
pub use unsupported::{available, breakdown, memory, trim, JsThread};

/// What of this room works here. Where something does not, its field has the reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Available {
    /// Why the cgroup figures are missing.
    pub cgroup: Option<String>,
    /// Why there is no breakdown.
    pub breakdown: Option<String>,
    /// Why `trim` cannot give anything back.
    pub trim: Option<String>,
    /// 1 or 2: the version of the hierarchy that counts this process's memory.
    pub cgroup_version: Option<u8>,
}

/// The figures of one cheap reading. `None` means that a figure cannot be measured; it never means zero.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProcessMemory {
    /// The resident set, by kind.
    pub resident: Option<status::Resident>,
    /// The machine's memory.
    pub machine: Option<status::Machine>,
    /// The cgroup that binds.
    pub cgroup: Option<cgroup::Reading>,
}

/// The effect of [`trim`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trimmed {
    /// Resident bytes before, minus resident bytes after. Not below 0: other threads may have allocated in between.
    pub released_bytes: u64,
    /// How long malloc took to give memory back, in nanoseconds.
    pub duration_ns: u64,
}
