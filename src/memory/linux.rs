#![forbid(unsafe_code)]
//! Reads `/proc` and the cgroup files, and puts the pure parts together.
//!
//! Knows: which files there are, and which are read again each time. The cgroup's directory is looked up once, and again when
//! `/proc/self/cgroup` changes: `mountinfo` has thousands of lines on some hosts.
//! Out of scope: napi.
//! Limitations: a hierarchy that is mounted later is not seen until the process changes its cgroup.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use super::breakdown::{self, Engine, Input, Table};
use super::cgroup::{self, Files, Location};
use super::glibc_heaps::{self, Memory, Range};
use super::mappings;
use super::{malloc, status, Available, ProcessMemory, Trimmed};
use crate::base::error::{without_numbers, Code, Failure};

struct FileSystem;

impl Files for FileSystem {
    /// The kernel reports a size of 0 for these files. `fs::read_to_string` then starts with 32 bytes and doubles: eight reads
    /// instead of two, 30 µs more in all.
    fn read(&self, path: &str) -> Option<String> {
        const USUAL_BYTES: usize = 8192;
        let mut file = File::open(path).ok()?;
        let mut bytes = vec![0; USUAL_BYTES];
        let mut length = 0;
        loop {
            match file.read(&mut bytes[length..]) {
                Ok(0) => break,
                Ok(read) => length += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
            if length == bytes.len() {
                bytes.resize(length * 2, 0);
            }
        }
        bytes.truncate(length);
        String::from_utf8(bytes).ok()
    }
}

/// Where the cgroup is, as long as `/proc/self/cgroup` has this text.
type Located = Option<(String, Option<Arc<Location>>)>;
static LOCATED: Mutex<Located> = Mutex::new(None);

fn location() -> Option<Arc<Location>> {
    let proc_cgroup = FileSystem.read("/proc/self/cgroup")?;
    let mut located = LOCATED.lock();
    if let Some((text, location)) = located.as_ref() {
        if *text == proc_cgroup {
            return location.clone();
        }
    }
    let mountinfo = FileSystem.read("/proc/self/mountinfo")?;
    let location = cgroup::locate(&proc_cgroup, &mountinfo, &FileSystem).map(Arc::new);
    *located = Some((proc_cgroup, location.clone()));
    location
}

/// The cheap reading: a few small files.
pub fn memory() -> ProcessMemory {
    ProcessMemory {
        resident: FileSystem
            .read("/proc/self/status")
            .and_then(|text| status::parse_resident(&text)),
        machine: FileSystem
            .read("/proc/meminfo")
            .and_then(|text| status::parse_machine(&text)),
        cgroup: location().map(|location| location.read(&FileSystem)),
    }
}

/// What works here.
pub fn available() -> Available {
    let location = location();
    let missing = |what: &str| Some(what.to_string());
    Available {
        cgroup: match location {
            Some(_) => None,
            None => Some(unread("/proc/self/cgroup").unwrap_or_else(|| {
                "no cgroup hierarchy that accounts for memory is mounted here".to_string()
            })),
        },
        cgroup_version: location.map(|location| location.version.number()),
        breakdown: unread("/proc/self/smaps"),
        trim: if malloc::is_glibc() {
            None
        } else {
            missing("the C library has no malloc_trim (it is glibc's)")
        },
    }
}

/// Why a file cannot be opened now; `None` where it can.
fn unread(path: &str) -> Option<String> {
    let error = File::open(path).err()?;
    Some(without_numbers(format!("{path} cannot be read ({error})")))
}

/// The thread that requests a breakdown. It may be running while its stack pointer is looked for.
#[derive(Debug, Clone, Copy)]
pub struct JsThread {
    id: i32,
    stack_pointer: u64,
}

impl JsThread {
    /// The calling thread.
    pub fn current() -> Self {
        let here = 0u8;
        JsThread {
            id: malloc::thread_id(),
            stack_pointer: std::ptr::from_ref(&here) as u64,
        }
    }
}

/// The additive table. Reads `smaps`, which takes 60 ms at 1.4 GB in 3,500 mappings: not for the JavaScript thread.
///
/// `ask_malloc`: malloc counts by walking its lists of free blocks, and keeps the arena locked. With 1.5 million free blocks,
/// every thread that allocated waited 290 to 780 ms (glibc 2.36).
pub fn breakdown(engine: Engine, js_thread: JsThread, ask_malloc: bool) -> Result<Table, Failure> {
    // malloc first. What it allocates between the two readings is then unexplained, instead of claimed twice.
    let malloc = if ask_malloc { malloc::figures() } else { None };
    let smaps = fs::read_to_string("/proc/self/smaps").map_err(|error| unreadable(&error))?;
    let mappings = mappings::parse(&smaps);
    let memory = OwnMemory::open();
    let found = if malloc::is_glibc() {
        let arenas_bytes = malloc.map(|malloc| malloc.arenas_bytes);
        glibc_heaps::find(&mappings, &memory, arenas_bytes, glibc_heaps::PROBE_BUDGET)
    } else {
        glibc_heaps::Found::default()
    };
    Ok(breakdown::breakdown(&Input {
        mappings: &mappings,
        found: &found,
        memory: &memory,
        stack_pointers: &stack_pointers(js_thread),
        stack_limit_bytes: stack_limit_bytes(),
        malloc,
        engine,
    }))
}

/// Why `smaps` could not be read: there is no such file, or a resource was exhausted at this moment.
fn unreadable(error: &std::io::Error) -> Failure {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::PermissionDenied => Failure::new(
            Code::UnsupportedPlatform,
            format!("/proc/self/smaps cannot be read ({error}); support().residentBreakdown says the same"),
        ),
        _ => Failure::new(
            Code::ReadFailed,
            format!("/proc/self/smaps could not be read at this moment: {error}; where descriptors are short, RLIMIT_NOFILE is the limit"),
        ),
    }
}

/// Gives malloc's free pages back, and measures the effect. `None` where malloc has no such function.
pub fn trim() -> Option<Trimmed> {
    if !malloc::is_glibc() {
        return None;
    }
    let resident = || {
        let text = FileSystem.read("/proc/self/status")?;
        Some(status::parse_resident(&text)?.rss_bytes)
    };
    let before = resident()?;
    let start = Instant::now();
    malloc::give_back();
    let duration = start.elapsed();
    Some(Trimmed {
        released_bytes: before.saturating_sub(resident()?),
        duration_ns: u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX),
    })
}

/// This process's memory through `/proc`. To read what is not mapped is an error there, not a fault.
struct OwnMemory {
    mem: Option<File>,
    pagemap: Option<File>,
    page_bytes: u64,
}

impl OwnMemory {
    fn open() -> Self {
        OwnMemory {
            mem: File::open("/proc/self/mem").ok(),
            pagemap: File::open("/proc/self/pagemap").ok(),
            page_bytes: malloc::page_bytes(),
        }
    }
}

impl Memory for OwnMemory {
    fn words(&self, address: u64) -> Option<[u64; 4]> {
        let mut bytes = [0u8; 32];
        self.mem.as_ref()?.read_exact_at(&mut bytes, address).ok()?;
        let mut words = [0u64; 4];
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_ne_bytes(*bytes);
        }
        Some(words)
    }

    fn resident_pages(&self, range: &Range) -> Option<Vec<bool>> {
        const ENTRY_BYTES: u64 = 8;
        const PRESENT: u64 = 1 << 63;
        let pages = (range.end - range.start).div_ceil(self.page_bytes);
        let mut bytes = vec![0u8; usize::try_from(pages * ENTRY_BYTES).ok()?];
        let offset = range.start / self.page_bytes * ENTRY_BYTES;
        self.pagemap
            .as_ref()?
            .read_exact_at(&mut bytes, offset)
            .ok()?;
        let entries = bytes.as_chunks::<8>().0.iter();
        Some(
            entries
                .map(|entry| u64::from_ne_bytes(*entry) & PRESENT != 0)
                .collect(),
        )
    }

    fn page_bytes(&self) -> u64 {
        self.page_bytes
    }
}

/// The stack pointers of all threads. A thread that waits in the kernel shows it in `syscall`. A thread that runs does not, and
/// is looked at again.
fn stack_pointers(js_thread: JsThread) -> Vec<u64> {
    const TRIES: usize = 3;
    let here = 0u8;
    let own = malloc::thread_id();
    let mut pointers = vec![js_thread.stack_pointer, std::ptr::from_ref(&here) as u64];
    let Ok(tasks) = fs::read_dir("/proc/self/task") else {
        return pointers;
    };
    for task in tasks.flatten() {
        let name = task.file_name();
        let Some(id) = name.to_str() else { continue };
        if id == own.to_string() || id == js_thread.id.to_string() {
            continue;
        }
        let path = format!("/proc/self/task/{id}/syscall");
        for _ in 0..TRIES {
            let Some(text) = FileSystem.read(&path) else {
                break;
            };
            if let Some(pointer) = status::parse_stack_pointer(&text) {
                pointers.push(pointer);
                break;
            }
            std::thread::yield_now();
        }
    }
    pointers
}

/// The soft limit of a stack. It is glibc's default size of a thread's stack; libuv rounds it and uses less.
fn stack_limit_bytes() -> u64 {
    const DEFAULT: u64 = 8 << 20;
    FileSystem
        .read("/proc/self/limits")
        .and_then(|text| status::parse_stack_limit(&text))
        .map_or(DEFAULT, |bytes| bytes.max(DEFAULT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_for_a_moment_is_not_called_unsupported() {
        let code = |errno| unreadable(&std::io::Error::from_raw_os_error(errno)).code;
        for missing in [2, 13] {
            assert_eq!(code(missing), Code::UnsupportedPlatform);
        }
        // EMFILE, ENFILE, ENOMEM, EIO
        for short in [24, 23, 12, 5] {
            assert_eq!(code(short), Code::ReadFailed);
        }
    }

    #[test]
    fn this_process_adds_up() {
        let table =
            breakdown(Engine::default(), JsThread::current(), true).expect("smaps can be read");
        assert_eq!(table.sum(), table.rss_bytes);
        assert!(table.file_mappings_bytes > 0 && table.thread_stacks_bytes > 0);
    }

    #[test]
    fn reading_what_is_not_mapped_is_an_error_not_a_fault() {
        let memory = OwnMemory::open();
        assert_eq!(memory.words(4096), None);
        assert_eq!(memory.words(u64::MAX - 64), None);
        let word = [7u64, 8, 9, 10];
        assert_eq!(memory.words(std::ptr::from_ref(&word) as u64), Some(word));
    }

    #[test]
    fn the_cheap_reading_sees_this_process() {
        let memory = memory();
        let resident = memory.resident.expect("/proc/self/status");
        assert!(resident.rss_bytes > 100_000);
        assert!(memory.machine.expect("/proc/meminfo").total_bytes > resident.rss_bytes);
    }
}
