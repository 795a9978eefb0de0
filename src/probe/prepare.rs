//! Prepares a fork: reads what it needs to know of this process, and opens what the child needs.
//!
//! Knows: which descriptors a child has, where its working memory comes from, and which memory it most likely does not need.
//! Everything here happens on the probe's thread, while the service goes on.
//! Out of scope: V8, napi, and the fork.
//! Limitations: what changes between the preparation and the fork. [`super::fork`] checks the mappings again.
#![forbid(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io::{self, PipeReader};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Duration;

use parking_lot::Mutex;

use crate::base::error::{Code, Failure};

use super::child::set_up::{ScratchFile, Setup};
use super::headroom::{self, Sources};
use super::malloc_mappings;
use super::maps::{self, AnonymousMapping, Range};
use super::messages::Refusal;
use super::output_file::{nameless_file, NamedOutput, OutputFile};
use super::quiesce::PlatformThreads;
use super::scratch_place::{decide, Question, ScratchPlace};
use super::slots::{self, SlotWrite};
use super::sys;

/// How many attempts exclude what the child most likely does not need. The next one includes everything.
const GUESSES: u32 = 2;
/// The type of a ramfs, which libc does not name (statfs(2)).
const RAMFS_MAGIC: i64 = 0x8584_58f6;

/// What a probe is to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the child's output goes once it is complete; must not exist.
    pub output: Option<PathBuf>,
    /// How many platform threads V8 has, where they carry no names.
    pub pool_size: usize,
    /// What the child is expected to need in memory; `None` where nothing is to be checked.
    pub expected_bytes: Option<u64>,
    /// Where that memory comes from.
    pub scratch: ScratchPlace,
    /// Whether the contents of large Buffers may be missing in the child.
    pub exclude_memory: bool,
    /// The output's disk must keep this many bytes free.
    pub min_free_disk_bytes: u64,
    /// The slots that are written in the child.
    pub slots: Vec<SlotWrite>,
}

/// What the JavaScript thread needs for a fork.
pub struct Prepared {
    /// The private anonymous mappings, and which of them a fork does not copy.
    pub mappings: Vec<AnonymousMapping>,
    /// What to exclude from the fork.
    pub exclude: Vec<Range>,
    /// `/proc/self/maps`, open.
    pub maps: File,
    /// V8's helper threads.
    pub threads: PlatformThreads,
    /// What the child needs.
    pub setup: Setup,
    /// The child's ends of the pipes, and what else must be open at the fork. Closed in the parent afterwards.
    _open: Vec<OwnedFd>,
    /// Room for what is read while the service stands still.
    pub text: Vec<u8>,
    /// How long the JavaScript thread stood still in looks that found V8's helpers busy.
    pub looked: Duration,
}

/// The parent's ends, for one attempt.
pub struct Attempt {
    /// What the child says.
    pub result: PipeReader,
    /// What the child prints.
    pub prints: PipeReader,
    /// What the child writes.
    pub output: Option<OutputFile>,
    /// Where its working memory comes from.
    pub scratch: ScratchPlace,
    /// The scratch file. Kept open, so that its pages can be written to the disk where memory is short.
    pub scratch_file: Option<File>,
}

/// Addresses of excluded memory that children touched. Later children get that memory. Once the list is full, nothing is excluded.
static TOUCHED: Mutex<Vec<usize>> = Mutex::new(Vec::new());
const TOUCHED_LIMIT: usize = 256;

/// A child touched excluded memory at this address.
pub fn note_touched(addr: usize) {
    TOUCHED.lock().push(addr);
}

/// The blocks that the next child can most likely do without.
fn large_blocks(mappings: &[AnonymousMapping]) -> Vec<Range> {
    let touched = TOUCHED.lock();
    if touched.len() >= TOUCHED_LIMIT {
        return Vec::new();
    }
    // Through the file, not through pointers: another thread may unmap the block at any moment.
    let Ok(memory) = File::open("/proc/self/mem") else {
        return Vec::new();
    };
    malloc_mappings::runs(mappings, &touched, |addr| {
        let mut word = [0; 8];
        memory.read_exact_at(&mut word, addr as u64).ok()?;
        Some(usize::from_le_bytes(word))
    })
}

fn failed(what: &str, error: io::Error) -> Failure {
    Failure::new(Code::ProbeFailed, format!("{what}: {error}"))
}

/// Prepares the attempt with this number, the first being 1. `output`: that of the attempt before, if there was one. `named`
/// takes note of a new one that has a name.
pub fn prepare(
    options: &Options,
    attempt: u32,
    output: Option<OutputFile>,
    named: &NamedOutput,
) -> Result<(Prepared, Attempt), Refusal> {
    let threads = PlatformThreads::find(options.pool_size).map_err(|error| {
        failed(
            "The threads of this process cannot be listed in /proc",
            error,
        )
    })?;
    if threads.count() == 0 {
        let reason = "V8's platform threads were not found in /proc/self/task";
        return Err(Failure::new(Code::ProbeFailed, reason).into());
    }
    let output = match (output, &options.output) {
        (Some(output), _) => {
            output.empty()?;
            Some(output)
        }
        (None, Some(path)) => {
            let output = OutputFile::create(path)?;
            named.set(output.named_path());
            Some(output)
        }
        (None, None) => None,
    };
    let (scratch, scratch_file) = choose_scratch(options, output.as_ref())?;
    let (result, result_writer) =
        io::pipe().map_err(|error| failed("No pipe for the result", error))?;
    let (prints, prints_writer) =
        io::pipe().map_err(|error| failed("No pipe for what is printed", error))?;
    let nothing = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(|error| failed("/dev/null cannot be opened", error))?;
    let nothing_to_read =
        File::open("/dev/null").map_err(|error| failed("/dev/null cannot be opened", error))?;
    // All of them above 2: the child replaces those three.
    let above = |fd: OwnedFd| {
        if fd.as_raw_fd() > 2 {
            Ok(fd)
        } else {
            fd.try_clone()
        }
    };
    let no_descriptor = |error| failed("No descriptor for the probe", error);
    let mut open = vec![
        above(result_writer.into()).map_err(no_descriptor)?,
        above(prints_writer.into()).map_err(no_descriptor)?,
        above(nothing.into()).map_err(no_descriptor)?,
        above(nothing_to_read.into()).map_err(no_descriptor)?,
    ];
    if let Some(output) = &output {
        open.push(output.file.try_clone().map_err(no_descriptor)?.into());
    }
    let scratch_setup = match &scratch_file {
        Some(file) => {
            open.push(file.try_clone().map_err(no_descriptor)?.into());
            let slots =
                slots::scratch_slots().map_err(|reason| Failure::new(Code::ProbeFailed, reason))?;
            let region = options
                .expected_bytes
                .unwrap_or(0)
                .saturating_mul(3)
                .max(4 << 30);
            let file = open.last().map_or(-1, AsRawFd::as_raw_fd);
            Some(ScratchFile {
                file,
                region_bytes: region as usize,
                slots,
            })
        }
        None => None,
    };
    let setup = Setup {
        result: open[0].as_raw_fd(),
        prints: open[1].as_raw_fd(),
        executable: slots::executable_range(),
        nothing: open[2].as_raw_fd(),
        nothing_to_read: open[3].as_raw_fd(),
        keep: open[4..].iter().map(AsRawFd::as_raw_fd).collect(),
        slots: options.slots.clone(),
        scratch: scratch_setup,
        malloc_slots: slots::scratch_slots()
            .ok()
            .filter(|_| options.exclude_memory && attempt <= GUESSES),
        parent_pid: std::process::id() as i32,
        alarm_seconds: 0,
        page: sys::page_size(),
    };
    // Last, because it goes out of date fastest: what V8 maps after this must be found while the service stands still.
    let smaps = std::fs::read("/proc/self/smaps").unwrap_or_default();
    let mappings = maps::anonymous_mappings(&smaps);
    let exclude = if setup.malloc_slots.is_some() {
        large_blocks(&mappings)
    } else {
        Vec::new()
    };
    let maps = File::open("/proc/self/maps")
        .map_err(|error| failed("/proc/self/maps cannot be opened", error))?;
    // Room for what is read there, so that nothing is allocated while the service stands still.
    let text = Vec::with_capacity(smaps.len() / 4 + (64 << 10));
    let prepared = Prepared {
        mappings,
        exclude,
        maps,
        threads,
        setup,
        _open: open,
        text,
        looked: Duration::ZERO,
    };
    let attempt = Attempt {
        result,
        prints,
        output,
        scratch,
        scratch_file,
    };
    Ok((prepared, attempt))
}

/// Where the child's working memory comes from, and the file for it.
fn choose_scratch(
    options: &Options,
    output: Option<&OutputFile>,
) -> Result<(ScratchPlace, Option<File>), Refusal> {
    let Some(expected_bytes) = options.expected_bytes else {
        return Ok((ScratchPlace::Memory, None));
    };
    let no_headroom = |reason: String| {
        Failure::new(
            Code::NoHeadroom,
            format!("There is no room for the probe's child: {reason}"),
        )
    };
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let address_space = headroom::address_space(sys::limit(libc::RLIMIT_AS), &status);
    let file_system = output.and_then(|output| sys::file_system(&output.file).ok());
    let no_disk_because = match file_system {
        Some((_, libc::TMPFS_MAGIC | RAMFS_MAGIC)) => Some(
            "the output lies on a tmpfs, which is memory, so scratch cannot be on disk there"
                .to_string(),
        ),
        _ => slots::scratch_slots().err(),
    };
    let question = Question {
        wanted: options.scratch,
        expected_bytes,
        rooms: Sources::find()
            .memory()
            .into_iter()
            .chain(address_space)
            .collect(),
        disk: file_system.map(|(free, _)| (free, options.min_free_disk_bytes)),
        no_disk_because,
    };
    let scratch = decide(&question).map_err(no_headroom)?;
    if scratch != ScratchPlace::Disk {
        return Ok((scratch, None));
    }
    let beside = output.map(|output| output.path.with_extension("scratch.partial"));
    let Some(path) = beside else {
        return Err(
            no_headroom("there is no output file beside which scratch could lie".into()).into(),
        );
    };
    let file = nameless_file(&path)?;
    Ok((scratch, Some(file)))
}
