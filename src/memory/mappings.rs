#![forbid(unsafe_code)]
//! `/proc/self/smaps`: every mapping of the process, and its resident bytes.
//!
//! Knows: the text as the kernel prints it (proc(5)), and the kind of a mapping as far as the text shows it.
//! Out of scope: how the text was read.
//! Limitations: what is inside an anonymous mapping. Kernels without `VmFlags` (before 3.8) do not show which pages are V8's.

use super::status::kib;

/// The kind of a mapping, by what the kernel prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Anonymous and marked `MADV_DONTFORK` (`dc`): Node builds V8 so that it marks all its own mappings this way.
    V8,
    /// glibc's main arena, `[heap]`, grown by brk(2).
    Brk,
    /// The main thread's stack, `[stack]`.
    MainStack,
    /// A mapped file, changed private pages included.
    File,
    /// Memory that other processes may map as well: `/dev/shm`, memfd, System V, shared anonymous.
    Shared,
    /// Anonymous, but with a name given by its owner, or one of the kernel's own (`[vdso]`).
    Named,
    /// Anonymous, private, nameless.
    Anonymous,
}

/// One mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
    /// Its kind.
    pub kind: Kind,
    /// It can be written to.
    pub writable: bool,
    /// It can be neither read, written nor executed: reserved address space.
    pub reserved: bool,
    /// Pages in memory.
    pub resident_bytes: u64,
    /// Pages in swap.
    pub swapped_bytes: u64,
    /// The path or name, empty when there is none.
    pub name: String,
}

/// Every mapping in `smaps`, in the order of addresses. Lines that cannot be parsed are skipped.
pub fn parse(smaps: &str) -> Vec<Mapping> {
    let mut mappings: Vec<Mapping> = Vec::with_capacity(512);
    for line in smaps.lines() {
        // Field names start with a capital; a mapping's line starts with its address in lower-case hexadecimal.
        if line.starts_with(|first: char| first.is_ascii_uppercase()) {
            if let Some(mapping) = mappings.last_mut() {
                apply_field(mapping, line);
            }
        } else if let Some(mapping) = parse_head(line) {
            mappings.push(mapping);
        }
    }
    mappings
}

fn apply_field(mapping: &mut Mapping, line: &str) {
    if let Some(value) = line.strip_prefix("Rss:") {
        mapping.resident_bytes = kib(value).unwrap_or(0);
    } else if let Some(value) = line.strip_prefix("Swap:") {
        mapping.swapped_bytes = kib(value).unwrap_or(0);
    } else if let Some(flags) = line.strip_prefix("VmFlags:") {
        let marked = flags.split_ascii_whitespace().any(|flag| flag == "dc");
        if marked && mapping.kind == Kind::Anonymous {
            mapping.kind = Kind::V8;
        }
    }
}

/// `start-end perms offset major:minor inode   path`
fn parse_head(line: &str) -> Option<Mapping> {
    let mut rest = line;
    let mut word = || {
        let (first, after) = rest.split_once(' ').unwrap_or((rest, ""));
        rest = after;
        (!first.is_empty()).then_some(first)
    };
    let (start, end) = word()?.split_once('-')?;
    let permissions = word()?;
    let _offset = word()?;
    let _device = word()?;
    let inode = word()?;
    let name = rest.trim_start();
    let start = u64::from_str_radix(start, 16).ok()?;
    let end = u64::from_str_radix(end, 16).ok()?;
    if start >= end {
        return None;
    }
    Some(Mapping {
        start,
        end,
        kind: kind(permissions, inode != "0", name),
        writable: permissions.as_bytes().get(1) == Some(&b'w'),
        reserved: permissions.starts_with("---"),
        resident_bytes: 0,
        swapped_bytes: 0,
        name: name.to_string(),
    })
}

fn kind(permissions: &str, has_inode: bool, name: &str) -> Kind {
    let in_shared_memory = ["/dev/shm/", "/memfd:", "/dev/zero", "/SYSV", "[anon_shmem"];
    if in_shared_memory
        .iter()
        .any(|prefix| name.starts_with(prefix))
    {
        return Kind::Shared;
    }
    match name {
        "[heap]" => Kind::Brk,
        "[stack]" => Kind::MainStack,
        _ if has_inode || name.starts_with('/') => Kind::File,
        _ if permissions.as_bytes().get(3) == Some(&b's') => Kind::Shared,
        "" => Kind::Anonymous,
        // `[anon:…]`, `[vdso]`, `[vvar]`
        _ => Kind::Named,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
00400000-00dd7000 r--p 00000000 fd:00 2621 /usr/local/bin/node (deleted)
Size:              10076 kB
Rss:                8244 kB
Swap:                  0 kB
VmFlags: rd mr mw me sd 
0565d000-05689000 rw-p 00000000 00:00 0 
Rss:                 164 kB
Swap:                  8 kB
VmFlags: rd wr mr mw me ac sd 
09d1a000-0a0b3000 rw-p 00000000 00:00 0                                  [heap]
Rss:                2716 kB
VmFlags: rd wr mr mw me ac sd 
3cd83eb80000-3cd83ebc0000 rw-p 00000000 00:00 0 
Rss:                 256 kB
VmFlags: rd wr mr mw me dc nr sd 
7f3dec000000-7f3e6c000000 ---p 00000000 00:00 0 
Rss:                   0 kB
VmFlags: mr mw me dc nr sd 
7f4000000000-7f4000021000 rw-s 00000000 00:01 5 /dev/zero (deleted)
Rss:                   4 kB
7f5000000000-7f5000001000 rw-p 00000000 00:00 0                          [anon:mimalloc]
Rss:                   4 kB
7ffca4610000-7ffca4630000 rw-p 00000000 00:00 0                          [stack]
Rss:                  64 kB
";

    #[test]
    fn every_mapping_is_told_by_the_kernels_words() {
        let kinds: Vec<(Kind, u64)> = parse(SMAPS)
            .iter()
            .map(|mapping| (mapping.kind, mapping.resident_bytes / 1024))
            .collect();
        assert_eq!(
            kinds,
            [
                (Kind::File, 8244),
                (Kind::Anonymous, 164),
                (Kind::Brk, 2716),
                (Kind::V8, 256),
                (Kind::V8, 0),
                (Kind::Shared, 4),
                (Kind::Named, 4),
                (Kind::MainStack, 64),
            ]
        );
    }

    #[test]
    fn addresses_rights_swap_and_names_are_kept() {
        let mappings = parse(SMAPS);
        assert_eq!(mappings[0].name, "/usr/local/bin/node (deleted)");
        assert_eq!((mappings[0].start, mappings[0].end), (0x40_0000, 0xdd_7000));
        assert!(!mappings[0].writable);
        assert!(mappings[1].writable);
        assert_eq!(mappings[1].swapped_bytes, 8 * 1024);
        assert!(mappings[4].reserved && !mappings[3].reserved);
        assert_eq!(mappings[6].name, "[anon:mimalloc]");
    }

    #[test]
    fn shared_memory_is_told_by_name_or_by_its_flag() {
        for (name, permissions, inode, expected) in [
            ("/dev/shm/sem.x", "rw-s", true, Kind::Shared),
            ("/memfd:pulse (deleted)", "rw-s", true, Kind::Shared),
            ("/SYSV00000000 (deleted)", "rw-s", true, Kind::Shared),
            ("", "rw-s", false, Kind::Shared),
            ("/data/lmdb/data.mdb", "r--s", true, Kind::File),
            ("anon_inode:[io_uring]", "rw-s", true, Kind::File),
            ("[vvar]", "r--p", false, Kind::Named),
        ] {
            assert_eq!(kind(permissions, inode, name), expected, "{name}");
        }
    }

    #[test]
    fn a_text_cut_short_or_without_sense_harms_nothing() {
        for end in 0..SMAPS.len() {
            let Some(part) = SMAPS.get(..end) else {
                continue;
            };
            assert!(parse(part).len() <= 8);
        }
        assert_eq!(
            parse("zz-yy rw-p 0 0:0 0\nRss: 1 kB\n5-4 rw-p 0 0:0 0\n\n"),
            []
        );
    }
}
