//! Reads the text of `/proc/self/maps` and `smaps`.
//!
//! Knows: which mappings are private and anonymous (V8's pages are such), which are shared, and which a fork does not copy.
//! Out of scope: libc, and how the text was read.
//! Limitations: what a mapping is used for.
#![forbid(unsafe_code)]

/// A range of addresses, `[start, end)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range {
    /// First address.
    pub start: usize,
    /// First address after the range.
    pub end: usize,
}

impl Range {
    /// Bytes from start to end.
    pub fn byte_length(self) -> usize {
        self.end.saturating_sub(self.start)
    }
}

/// A private anonymous mapping whose `dc` mark was read from `smaps`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnonymousMapping {
    /// Where it lies.
    pub range: Range,
    /// Whether it is marked `MADV_DONTFORK`: a fork does not copy it.
    pub dont_fork: bool,
    /// Resident bytes.
    pub resident_bytes: usize,
    /// Whether it can be read and written.
    pub writable: bool,
}

/// Calls `each` for every private anonymous mapping of `maps`: V8's pages are such.
pub fn private_anonymous(maps: &[u8], mut each: impl FnMut(Range, &[u8])) {
    for line in maps.split(|&byte| byte == b'\n') {
        if let Some((range, permissions, rest)) = header(line) {
            if permissions.get(3) == Some(&b'p') && is_anonymous(rest) {
                each(range, permissions);
            }
        }
    }
}

/// `start-end perms offset dev inode path`: the range, the permissions, and the rest after them.
fn header(line: &[u8]) -> Option<(Range, &[u8], &[u8])> {
    let (start, line) = hex(line)?;
    let (end, line) = hex(line.strip_prefix(b"-")?)?;
    let line = line.strip_prefix(b" ")?;
    let permissions = line.get(..4)?;
    if start >= end || line.get(4) != Some(&b' ') {
        return None;
    }
    Some((Range { start, end }, permissions, line.get(5..)?))
}

/// Inode 0 and no name, or a name that only labels anonymous memory (`[anon:…]`, prctl(2) PR_SET_VMA_ANON_NAME).
/// `[heap]` and `[stack]` are anonymous as well, but never V8's.
fn is_anonymous(rest: &[u8]) -> bool {
    let mut fields = rest
        .split(|&byte| byte == b' ')
        .filter(|field| !field.is_empty());
    let (_, _, inode) = (fields.next(), fields.next(), fields.next());
    inode == Some(b"0") && fields.next().is_none_or(|name| name.starts_with(b"[anon"))
}

/// A mapping that can be written to, and whose memory is shared with other processes or with other mappings of the same file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedMapping {
    /// Where it lies.
    pub range: Range,
    /// Whether it can be executed as well.
    pub executable: bool,
    /// Where in the file it begins.
    pub offset: usize,
    /// The file's number on its file system.
    pub inode: u64,
    /// The file's name, if it has one. It may have been renamed or deleted since, or come from another name space.
    pub path: Vec<u8>,
}

/// The shared mappings of `maps` that can be written to.
pub fn shared_mappings(maps: &[u8]) -> Vec<SharedMapping> {
    let mut found = Vec::new();
    for line in maps.split(|&byte| byte == b'\n') {
        let Some((range, permissions, rest)) = header(line) else {
            continue;
        };
        if permissions.get(1) != Some(&b'w') || permissions.get(3) != Some(&b's') {
            continue;
        }
        // `offset device inode`, then spaces, then the path, which may hold spaces itself.
        let mut fields = rest.splitn(4, |&byte| byte == b' ');
        let offset = fields.next().and_then(hex).map_or(0, |(offset, _)| offset);
        let inode = fields
            .nth(1)
            .and_then(|text| std::str::from_utf8(text).ok()?.parse().ok())
            .unwrap_or(0);
        found.push(SharedMapping {
            range,
            executable: permissions.get(2) == Some(&b'x'),
            offset,
            inode,
            path: fields.next().unwrap_or(b"").trim_ascii_start().to_vec(),
        });
    }
    found
}

fn hex(text: &[u8]) -> Option<(usize, &[u8])> {
    let digits = text
        .iter()
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count();
    if digits == 0 || digits > 16 {
        return None;
    }
    let mut value = 0usize;
    for &byte in &text[..digits] {
        value = value << 4 | (byte as char).to_digit(16)? as usize;
    }
    Some((value, &text[digits..]))
}

/// The private anonymous mappings of `smaps`, in the order of their addresses. One without a line of flags (some sandboxes write
/// none) is not listed: whether a fork copies it is not known.
pub fn anonymous_mappings(smaps: &[u8]) -> Vec<AnonymousMapping> {
    let mut found: Vec<AnonymousMapping> = Vec::new();
    let mut counts = false;
    let mut has_flags = true;
    for line in smaps.split(|&byte| byte == b'\n') {
        if let Some((range, permissions, rest)) = header(line) {
            if !has_flags {
                found.pop();
            }
            counts = permissions.get(3) == Some(&b'p') && is_anonymous(rest);
            has_flags = !counts;
            if counts {
                found.push(AnonymousMapping {
                    range,
                    dont_fork: false,
                    resident_bytes: 0,
                    writable: permissions.starts_with(b"rw"),
                });
            }
        } else if counts {
            let Some(last) = found.last_mut() else {
                continue;
            };
            if let Some(flags) = line.strip_prefix(b"VmFlags:") {
                has_flags = true;
                last.dont_fork = flags.split(|&byte| byte == b' ').any(|flag| flag == b"dc");
            } else if let Some(kilobytes) = line.strip_prefix(b"Rss:") {
                last.resident_bytes = kilobytes_of(kilobytes);
            }
        }
    }
    if !has_flags {
        found.pop();
    }
    found
}

fn kilobytes_of(text: &[u8]) -> usize {
    text.iter()
        .filter(|byte| byte.is_ascii_digit())
        .fold(0usize, |sum, &digit| {
            sum.saturating_mul(10)
                .saturating_add((digit - b'0') as usize)
        })
        .saturating_mul(1024)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const SMAPS: &str = "\
00400000-0076f000 r--p 00000000 fe:00 10025                              /usr/bin/node
Rss:                1024 kB
VmFlags: rd mr mw me
1c04a000-1d800000 rw-p 00000000 00:00 0                                  [heap]
Rss:               20000 kB
VmFlags: rd wr mr mw me ac
236be40000-236be80000 rw-p 00000000 00:00 0 \n\
Rss:                 256 kB
VmFlags: rd wr mr mw me ac dc nh
7f0000000000-7f0000021000 rw-p 00000000 00:00 0 \n\
Rss:                   4 kB
VmFlags: rd wr mr mw me ac
7f1000000000-7f1000001000 rw-s 00000000 00:01 77                         /dev/zero (deleted)
VmFlags: rd wr sh mr mw me ms dc
7f2000000000-7f2000040000 ---p 00000000 00:00 0                          [anon:v8]
VmFlags: mr mw me dc
";

    pub(crate) fn range(start: usize, end: usize) -> Range {
        Range { start, end }
    }

    #[test]
    fn smaps_gives_the_mark_of_every_private_anonymous_mapping() {
        let seen: Vec<_> = anonymous_mappings(SMAPS.as_bytes())
            .iter()
            .map(|known| {
                (
                    known.range,
                    known.dont_fork,
                    known.resident_bytes,
                    known.writable,
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                (range(0x236be40000, 0x236be80000), true, 256 * 1024, true),
                (range(0x7f0000000000, 0x7f0000021000), false, 4096, true),
                (range(0x7f2000000000, 0x7f2000040000), true, 0, false),
            ]
        );
    }

    #[test]
    fn shared_memory_that_can_be_written_to_is_found_with_its_file() {
        let text = "\
1000-2000 rw-p 00000000 00:00 0 \n\
2000-4000 rw-s 00003000 fd:01 4711                         /srv/a b/data.db-shm\n\
4000-5000 r--s 00000000 fd:01 4712                         /srv/locale\n\
5000-6000 rw-s 00000000 00:01 77                           /dev/zero (deleted)\n\
6000-7000 rwxs 10000000 00:10 675924                       anon_inode:[io_uring]\n\
7000-8000 -w-s 0 00:00 0\n";
        let expected = |start, end, executable, offset, inode, path: &str| SharedMapping {
            range: range(start, end),
            executable,
            offset,
            inode,
            path: path.as_bytes().to_vec(),
        };
        assert_eq!(
            shared_mappings(text.as_bytes()),
            [
                expected(0x2000, 0x4000, false, 0x3000, 4711, "/srv/a b/data.db-shm"),
                expected(0x5000, 0x6000, false, 0, 77, "/dev/zero (deleted)"),
                expected(
                    0x6000,
                    0x7000,
                    true,
                    0x1000_0000,
                    675924,
                    "anon_inode:[io_uring]"
                ),
                expected(0x7000, 0x8000, false, 0, 0, ""),
            ]
        );
    }

    #[test]
    fn lines_that_are_not_mappings_are_passed_over() {
        for text in [
            "",
            "x",
            "-",
            "1000-",
            "2000-1000 rw-p 0 00:00 0",
            "1000-2000 rw",
            "10000000000000000-1 rw-p 0 00:00 0 ",
        ] {
            private_anonymous(text.as_bytes(), |range, _| panic!("{range:?} in {text}"));
            assert_eq!(anonymous_mappings(text.as_bytes()), [], "{text}");
            assert_eq!(shared_mappings(text.as_bytes()), [], "{text}");
        }
    }
}
