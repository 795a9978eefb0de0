//! Decides which mappings a fork must include, and which it excludes.
//!
//! Knows: V8 marks its heap pages `MADV_DONTFORK` (madvise(2)); a child without them dies of a segmentation fault at its first
//! step. Only `smaps` shows the mark (`dc`, "do not copy"). To read `smaps` costs about 9 ms per GB of resident memory, so it
//! is read before, on the probe's thread, and what has changed since is found out by a trick (see [`splits`]).
//! Out of scope: how `maps` is read and how a mapping is marked; [`super::fork`].
//! Limitations: what a mapping is used for.
#![forbid(unsafe_code)]

use super::maps::{private_anonymous, AnonymousMapping, Range};

/// What a fork includes and excludes, from one reading of `maps`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Marked `MADV_DONTFORK` by V8, and needed by the child.
    pub include: Vec<Range>,
    /// New since `smaps` was read: it is not known whether they carry the mark.
    pub unknown: Vec<Range>,
    /// Of what was to be excluded, what still lies in writable memory.
    pub exclude: Vec<Range>,
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
    use super::super::maps::anonymous_mappings;
    use super::super::maps::tests::{range, SMAPS};
    use super::*;

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
