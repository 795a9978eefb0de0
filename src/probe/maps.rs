//! Reads `/proc/self/maps` and `smaps`, and decides which mappings a fork must include.
//!
//! Knows: text in, ranges out.
//! Out of scope: libc, or how the text was read.
//! Limitations: what a mapping is used for. `dc` ("do not copy", madvise(2) `MADV_DONTFORK`) is the only mark that V8's
//! heap pages carry, and only `smaps` shows it; reading that costs about 9 ms per GB of resident memory, so it is
//! read off the JavaScript thread, and what has changed since is found out by a trick (see [`splits`]).
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

/// What a fork has to do, decided from one reading of `maps`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Marked `MADV_DONTFORK` by V8, and needed by the child.
    pub include: Vec<Range>,
    /// New since `smaps` was read: it is not known whether they carry the mark.
    pub unknown: Vec<Range>,
    /// Of what was to be excluded, what still lies in writable memory.
    pub exclude: Vec<Range>,
}

/// Calls `each` for every private anonymous mapping of `maps`: V8's pages are such.
fn private_anonymous(maps: &[u8], mut each: impl FnMut(Range, &[u8])) {
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

/// Memory that is shared with other processes, or with whoever else has the same file mapped, and can be written to.
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

/// What to include, given the mappings of now and what was known of them a moment ago.
///
/// Only a mapping with the very same range counts as known: one that grew, shrank or moved is looked at again.
/// `exclude`, sorted, is what the child does not need.
pub fn plan(maps: &[u8], known: &[AnonymousMapping], exclude: &[Range]) -> Plan {
    let mut plan = Plan::default();
    private_anonymous(maps, |range, permissions| {
        if permissions.starts_with(b"rw") {
            let from = exclude.partition_point(|other| other.start < range.start);
            plan.exclude.extend(
                exclude[from..]
                    .iter()
                    .take_while(|other| other.end <= range.end),
            );
        }
        match known.binary_search_by(|other| other.range.start.cmp(&range.start)) {
            Ok(index) if known[index].range == range => {
                if known[index].dont_fork {
                    plan.include.push(range);
                }
            }
            _ => plan.unknown.push(range),
        }
    });
    plan
}

/// Which of `unknown` were marked `MADV_DONTFORK`, seen from the mappings after `MADV_DOFORK` on the first page of each:
/// the kernel splits a mapping only if that changed its flags, so a boundary behind the first page gives it away.
/// (Reading the flags themselves would mean reading `smaps`, 9 ms per GB, on the JavaScript thread.)
///
/// A mapping of one page cannot be split. V8 cuts such pages out of its code range while it compiles: one that touches a
/// mapping with the mark (`included`, or found here) counts as marked too. Without it the child died when it next
/// changed the page's protection (seen on Node 22, under constant compilation).
pub fn splits(maps: &[u8], unknown: &[Range], included: &[Range], page: usize) -> Vec<Range> {
    let mut starts = Vec::new();
    private_anonymous(maps, |range, _| starts.push(range.start));
    let (mut found, mut single) = (Vec::new(), Vec::new());
    for &range in unknown {
        if range.byte_length() <= page {
            single.push(range);
        } else if starts.binary_search(&(range.start + page)).is_ok() {
            found.push(range);
        }
    }
    // Again while something was found: two such pages may lie side by side.
    loop {
        let before = single.len();
        single.retain(|&range| {
            let touches = included
                .iter()
                .chain(&found)
                .any(|other| other.end == range.start || range.end == other.start);
            if touches {
                found.push(range);
            }
            !touches
        });
        if single.len() == before {
            return found;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
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

    fn range(start: usize, end: usize) -> Range {
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
    fn a_mapping_without_flags_is_unknown() {
        let without = SMAPS.replace("VmFlags:", "Other:");
        assert_eq!(anonymous_mappings(without.as_bytes()), []);

        let one = SMAPS.replacen("VmFlags: rd wr mr mw me ac dc nh\n", "", 1);
        let ranges: Vec<_> = anonymous_mappings(one.as_bytes())
            .iter()
            .map(|known| known.range)
            .collect();
        assert_eq!(
            ranges,
            [
                range(0x7f0000000000, 0x7f0000021000),
                range(0x7f2000000000, 0x7f2000040000)
            ]
        );
        let maps = "236be40000-236be80000 rw-p 00000000 00:00 0 \n";
        assert_eq!(
            plan(maps.as_bytes(), &anonymous_mappings(one.as_bytes()), &[]).unknown,
            [range(0x236be40000, 0x236be80000)]
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
    fn an_unchanged_mapping_is_known_and_one_that_grew_is_not() {
        let known = anonymous_mappings(SMAPS.as_bytes());
        let now = "236be40000-236be80000 rw-p 00000000 00:00 0 \n\
7f0000000000-7f0000021000 rw-p 00000000 00:00 0 \n\
7f2000000000-7f2000080000 ---p 00000000 00:00 0 \n\
7f3000000000-7f3000040000 rw-p 00000000 00:00 0 \n";
        assert_eq!(
            plan(now.as_bytes(), &known, &[]),
            Plan {
                exclude: vec![],
                include: vec![range(0x236be40000, 0x236be80000)],
                unknown: vec![
                    range(0x7f2000000000, 0x7f2000080000),
                    range(0x7f3000000000, 0x7f3000040000)
                ],
            }
        );
    }

    #[test]
    fn a_split_behind_the_first_page_gives_away_that_a_mapping_was_marked() {
        let unknown = [
            range(0x1000, 0x5000),
            range(0x8000, 0x9000),
            range(0x20000, 0x24000),
        ];
        // The first was split, the second is one page long and cannot be, the third stayed whole.
        let after = "1000-2000 rw-p 0 00:00 0 \n2000-5000 rw-p 0 00:00 0 \n8000-9000 rw-p 0 00:00 0 \n20000-24000 rw-p 0 00:00 0 \n";
        assert_eq!(
            splits(after.as_bytes(), &unknown, &[], 0x1000),
            [range(0x1000, 0x5000)]
        );
    }

    #[test]
    fn a_single_page_counts_as_marked_where_it_touches_what_is() {
        let unknown = [
            range(0x3000, 0x4000),
            range(0x4000, 0x5000),
            range(0x9000, 0xa000),
            range(0xc000, 0xd000),
        ];
        let included = [range(0x5000, 0x8000), range(0xa000, 0xb000)];
        let mut found = splits(b"", &unknown, &included, 0x1000);
        found.sort_unstable();
        assert_eq!(found, unknown[..3]);
    }

    #[test]
    fn a_first_page_that_merged_with_the_mapping_before_it_still_counts() {
        let after = "800-2000 rw-p 0 00:00 0 \n2000-5000 rw-p 0 00:00 0 \n";
        assert_eq!(
            splits(after.as_bytes(), &[range(0x1000, 0x5000)], &[], 0x1000),
            [range(0x1000, 0x5000)]
        );
    }

    #[test]
    fn what_is_to_be_excluded_must_still_be_there() {
        let now =
            "1000-9000 rw-p 0 00:00 0 \n9000-a000 r--p 0 00:00 0 \nb000-c000 rw-p 0 00:00 0 \n";
        let exclude = [
            range(0x500, 0x2000),
            range(0x2000, 0x4000),
            range(0x8000, 0xa000),
            range(0x9000, 0xa000),
            range(0xb000, 0xc000),
        ];
        assert_eq!(
            plan(now.as_bytes(), &[], &exclude).exclude,
            [range(0x2000, 0x4000), range(0xb000, 0xc000)]
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
            assert_eq!(plan(text.as_bytes(), &[], &[]), Plan::default(), "{text}");
        }
    }
}
