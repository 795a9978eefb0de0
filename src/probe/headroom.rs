//! How much memory is left: in the cgroups of this process, on the machine, and in its address space.
//!
//! Knows: the texts of `/proc` and of the cgroup files, and the arithmetic over them.
//! Out of scope: how much the child will need, and what follows from that ([`super::scratch_place`], [`super::watchdog`]).
//! Limitations: what other processes are about to take, limits outside this container's view of its cgroups, and
//! memory that a hypervisor does not have.
//!
//! With `memory.oom.group=1` (Kubernetes from 1.28 on cgroup v2) a child that exceeds the limit takes the whole
//! container with it, whatever its `oom_score_adj`. So it is not started where it would, and ended before it does.
#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};

/// What is left of a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Bytes that can still be taken.
    pub available_bytes: u64,
    /// Bytes of file cache that are not on the disk yet: the kernel can take them back only after it has written them.
    pub waiting_bytes: u64,
    /// Bytes of file cache that are in use. The kernel can take them back as well, but they are then read again. A child whose
    /// working memory is a file fills them.
    pub cached_bytes: u64,
    /// The limit that binds.
    pub limit_bytes: u64,
    /// What sets that limit.
    pub limit: String,
}

impl Room {
    /// What must stay free for the service: the child is ended when less is left.
    /// V8's generator takes up to about 500 MB a second, 10 MB between two looks.
    pub fn reserve_bytes(&self) -> u64 {
        (self.limit_bytes / 32).clamp(16 << 20, 256 << 20)
    }
}

/// One cgroup that this process belongs to: itself or an ancestor. Each of them binds.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Level {
    limit: PathBuf,
    usage: PathBuf,
    stat: PathBuf,
}

/// The files to look at, found once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    levels: Vec<Level>,
}

/// The memory cgroup of this process in `/proc/self/cgroup`: its path, and whether it is of version 2.
fn memory_cgroup(text: &str) -> Option<(&str, bool)> {
    // v1 first: on a hybrid system the memory controller is there, and the v2 line has no memory files.
    for line in text.lines() {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        if controllers.split(',').any(|name| name == "memory") {
            return Some((path, false));
        }
    }
    text.lines()
        .find_map(|line| line.strip_prefix("0::"))
        .map(|path| (path, true))
}

/// A limit file's number; `max`, and the huge numbers that v1 writes for it, mean none.
fn limit_of(text: &str) -> Option<u64> {
    text.trim()
        .parse::<u64>()
        .ok()
        .filter(|&limit| limit < 1 << 60)
}

/// The number behind `name` in a file of `name value` lines (`memory.stat`) or `name: value kB` (`/proc/meminfo`).
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix([' ', ':']))?;
    let mut words = line.split_ascii_whitespace();
    let number = words.next()?.parse::<u64>().ok()?;
    Some(if words.next() == Some("kB") {
        number.saturating_mul(1024)
    } else {
        number
    })
}

/// A figure of `memory.stat`: of the cgroup with those below it, where version 1 says so.
fn stat_field(stat: &str, v1: &str, v2: &str) -> u64 {
    field(stat, v1).or_else(|| field(stat, v2)).unwrap_or(0)
}

/// What a cgroup has left. File cache that is not in use counts as free: the kernel takes it back before it kills.
fn left(limit: u64, usage: u64, stat: &str) -> u64 {
    let reclaimable = stat_field(stat, "total_inactive_file", "inactive_file");
    limit.saturating_sub(usage.saturating_sub(reclaimable))
}

/// File cache of a cgroup that waits for the disk.
fn waiting(stat: &str) -> u64 {
    stat_field(stat, "total_dirty", "file_dirty").saturating_add(stat_field(
        stat,
        "total_writeback",
        "file_writeback",
    ))
}

impl Sources {
    /// Finds the cgroup of this process and all its ancestors.
    pub fn find() -> Self {
        let text = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let Some((path, is_v2)) = memory_cgroup(&text) else {
            return Sources::default();
        };
        let roots: &[&str] = if is_v2 {
            &["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        } else {
            &["/sys/fs/cgroup/memory"]
        };
        let names = if is_v2 {
            ("memory.max", "memory.current")
        } else {
            ("memory.limit_in_bytes", "memory.usage_in_bytes")
        };
        let mut levels = Vec::new();
        for root in roots {
            let root = Path::new(root);
            // In a container without a cgroup namespace the path is the host's, and does not exist here. The container's cgroup is the root.
            let mut folder = Some(root.join(path.trim_start_matches('/')));
            while let Some(at) = folder {
                if at.join(names.1).exists() {
                    levels.push(Level {
                        limit: at.join(names.0),
                        usage: at.join(names.1),
                        stat: at.join("memory.stat"),
                    });
                }
                folder = (at != root)
                    .then(|| at.parent().map(Path::to_path_buf))
                    .flatten();
            }
        }
        Sources { levels }
    }

    /// The tightest of the cgroup's limits, its ancestors', and the machine's memory. `None`: nothing can be read.
    pub fn memory(&self) -> Option<Room> {
        let read = |path: &Path| fs::read_to_string(path).ok();
        let in_cgroups = self.levels.iter().filter_map(|level| {
            let limit_bytes = limit_of(&read(&level.limit)?)?;
            let usage = read(&level.usage)?.trim().parse().ok()?;
            let stat = read(&level.stat).unwrap_or_default();
            Some(Room {
                available_bytes: left(limit_bytes, usage, &stat),
                waiting_bytes: waiting(&stat),
                cached_bytes: stat_field(&stat, "total_active_file", "active_file"),
                limit_bytes,
                limit: format!("{}", level.limit.display()),
            })
        });
        let machine = read(Path::new("/proc/meminfo")).and_then(|text| {
            Some(Room {
                available_bytes: field(&text, "MemAvailable")?,
                // MemAvailable is an estimate that already includes both.
                waiting_bytes: 0,
                cached_bytes: 0,
                limit_bytes: field(&text, "MemTotal")?,
                limit: "the machine's memory".to_string(),
            })
        });
        in_cgroups
            .chain(machine)
            .min_by_key(|room| room.available_bytes.saturating_sub(room.reserve_bytes()))
    }
}

/// What is left of RLIMIT_AS, where one is set.
pub fn address_space(limit: Option<u64>, status: &str) -> Option<Room> {
    let limit_bytes = limit?;
    let available_bytes = limit_bytes.saturating_sub(field(status, "VmSize")?);
    Some(Room {
        available_bytes,
        waiting_bytes: 0,
        cached_bytes: 0,
        limit_bytes,
        limit: "RLIMIT_AS".to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_cgroup_is_found_in_both_versions() {
        assert_eq!(
            memory_cgroup("4:memory:/a/b\n1:cpu:/\n0::/\n"),
            Some(("/a/b", false))
        );
        assert_eq!(memory_cgroup("3:cpu,memory:/x\n"), Some(("/x", false)));
        assert_eq!(
            memory_cgroup("0::/kubepods/pod:1\n"),
            Some(("/kubepods/pod:1", true))
        );
        assert_eq!(memory_cgroup("1:cpu:/\n"), None);
    }

    #[test]
    fn no_limit_is_none() {
        for text in ["max\n", "9223372036854771712\n", "", "x"] {
            assert_eq!(limit_of(text), None);
        }
        assert_eq!(limit_of("536870912\n"), Some(536_870_912));
    }

    #[test]
    fn idle_file_cache_counts_as_free() {
        assert_eq!(left(100, 80, "inactive_file 30\nactive_file 50\n"), 50);
        assert_eq!(
            left(100, 80, "inactive_file 5\ntotal_inactive_file 10\n"),
            30
        );
        assert_eq!(left(100, 120, ""), 0);
    }

    #[test]
    fn file_cache_that_waits_for_the_disk_is_counted_in_both_versions() {
        assert_eq!(waiting("file_dirty 3\nfile_writeback 4\n"), 7);
        assert_eq!(
            waiting("dirty 1\nwriteback 1\ntotal_dirty 30\ntotal_writeback 40\n"),
            70
        );
        assert_eq!(waiting(""), 0);
    }

    #[test]
    fn fields_have_their_units() {
        assert_eq!(
            field("MemTotal: 9 kB\nMemAvailable:     3 kB\n", "MemAvailable"),
            Some(3072)
        );
        assert_eq!(
            field("inactive_file_x 1\ninactive_file 7\n", "inactive_file"),
            Some(7)
        );
        assert_eq!(field("", "x"), None);
    }

    #[test]
    fn an_address_space_limit_leaves_what_is_not_mapped_yet() {
        let room =
            address_space(Some(10 << 20), "VmPeak: 1 kB\nVmSize: 4096 kB\n").expect("a room");
        assert_eq!(room.available_bytes, 6 << 20);
        assert_eq!(address_space(None, "VmSize: 1 kB\n"), None);
    }

    #[test]
    fn this_process_has_some_memory_left() {
        let room = Sources::find().memory().expect("a room");
        assert!(room.available_bytes > 0 && room.available_bytes <= room.limit_bytes);
    }
}
