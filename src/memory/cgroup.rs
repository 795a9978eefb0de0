#![forbid(unsafe_code)]
//! The cgroup limit that binds this process, and the usage of that same cgroup.
//!
//! Knows: `/proc/self/cgroup`, `/proc/self/mountinfo`, the memory files of cgroup v1 and v2 (cgroups(7)).
//! Out of scope: how a file is read. A [`Files`] reads it.
//!
//! The limit of every ancestor binds. So all ancestors up to the mount point are looked at, and the smallest limit counts. The usage
//! of that cgroup includes everything below it, other processes as well.
//!
//! Limitations: ancestors above the cgroup namespace or the mount on v2 (on v1, `hierarchical_memory_limit` includes
//! their limits, but their usage is not known); `memory.high`, which slows down and does not kill; swap limits.

/// Reads whole files; `None` when there is no such file or it may not be read.
pub trait Files {
    /// The text of the file at this absolute path.
    fn read(&self, path: &str) -> Option<String>;
}

/// Which hierarchy counts memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// The `memory` controller of a v1 hierarchy.
    V1,
    /// The unified hierarchy.
    V2,
}

impl Version {
    /// 1 or 2.
    pub fn number(self) -> u8 {
        match self {
            Version::V1 => 1,
            Version::V2 => 2,
        }
    }
}

/// Where this process's memory cgroup is in the file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Which files are there.
    pub version: Version,
    /// The hierarchy's mount point: the walk ends here.
    pub mount_point: String,
    /// The process's own cgroup, at or below the mount point.
    pub directory: String,
}

/// The cgroup figures of one reading, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Which hierarchy it was read from.
    pub version: Version,
    /// The smallest limit of the process's cgroup and its ancestors; `None` when there is none.
    pub limit_bytes: Option<u64>,
    /// What the cgroup with that limit uses, file cache included. Without a limit: the process's own cgroup.
    pub usage_bytes: Option<u64>,
    /// Usage less the file cache that the kernel would drop first (`inactive_file`); what Kubernetes calls working set.
    pub working_set_bytes: Option<u64>,
}

struct Mount<'a> {
    root: String,
    point: String,
    filesystem: &'a str,
    super_options: &'a str,
}

/// Finds the process's memory cgroup. `None`: no visible hierarchy counts memory.
///
/// On a hybrid system (v1 controllers beside an empty v2 tree) the v1 hierarchy counts it.
pub fn locate(proc_cgroup: &str, mountinfo: &str, files: &impl Files) -> Option<Location> {
    let mounts: Vec<Mount> = mountinfo.lines().filter_map(parse_mount).collect();
    let v1 = membership(proc_cgroup, |controllers| {
        controllers.split(',').any(|name| name == "memory")
    });
    if let Some(path) = v1 {
        let found = resolve(path, &mounts, |mount| {
            mount.filesystem == "cgroup"
                && mount.super_options.split(',').any(|name| name == "memory")
        });
        if let Some((mount_point, directory)) = found {
            return Some(Location {
                version: Version::V1,
                mount_point,
                directory,
            });
        }
    }
    let path = membership(proc_cgroup, str::is_empty)?;
    let (mount_point, directory) = resolve(path, &mounts, |mount| mount.filesystem == "cgroup2")?;
    let location = Location {
        version: Version::V2,
        mount_point,
        directory,
    };
    let accounts = location.levels().any(|level| {
        files
            .read(&format!("{level}/cgroup.controllers"))
            .is_some_and(|text| text.split_whitespace().any(|name| name == "memory"))
    });
    accounts.then_some(location)
}

/// The path in the line of `/proc/self/cgroup` whose controller list is accepted: `id:controllers:path`.
fn membership(proc_cgroup: &str, accept: impl Fn(&str) -> bool) -> Option<&str> {
    proc_cgroup.lines().find_map(|line| {
        let (id, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        // A v1 hierarchy without controllers has a name (`1:name=systemd:/`); only v2 has an empty list, and id 0.
        if controllers.is_empty() && id != "0" {
            return None;
        }
        accept(controllers).then_some(path)
    })
}

/// One line of mountinfo: `36 35 98:0 /root /point options [optional fields] - fstype source super-options`.
fn parse_mount(line: &str) -> Option<Mount<'_>> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ');
    let root = unescape(left.nth(3)?);
    let point = unescape(left.next()?);
    let mut right = right.split(' ');
    let filesystem = right.next()?;
    let super_options = right.nth(1)?;
    Some(Mount {
        root,
        point,
        filesystem,
        super_options,
    })
}

/// Undoes the kernel's octal escapes (`\040` is a space).
fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 4).unwrap_or_default();
        if bytes[at] == b'\\'
            && digits.len() == 3
            && digits.iter().all(|digit| (b'0'..=b'7').contains(digit))
        {
            let code = digits
                .iter()
                .fold(0u32, |code, digit| code * 8 + u32::from(digit - b'0'));
            if let Ok(byte) = u8::try_from(code) {
                plain.push(byte);
                at += 4;
                continue;
            }
        }
        plain.push(bytes[at]);
        at += 1;
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// Mount point and directory of `path`, from the mount that shows the most ancestors; of equals the one mounted last,
/// which covers the others.
fn resolve(
    path: &str,
    mounts: &[Mount],
    accept: impl Fn(&Mount) -> bool,
) -> Option<(String, String)> {
    // Outside our cgroup namespace: the files of that cgroup cannot be seen.
    let path = (!path.split('/').any(|part| part == "..")).then_some(path);
    let direct = mounts
        .iter()
        .filter(|mount| accept(mount))
        .filter_map(|mount| Some((mount, below(path?, &mount.root)?)))
        .rev()
        .min_by_key(|(mount, _)| mount.root.len());
    if let Some((mount, rest)) = direct {
        let point = mount.point.trim_end_matches('/');
        let directory = if rest.is_empty() {
            point.to_string()
        } else {
            format!("{point}/{rest}")
        };
        return Some((point.to_string(), directory));
    }
    // A mount made outside our cgroup namespace has a root like `/../..`: an ancestor of ours, whose limit binds too.
    let above = mounts.iter().rev().find(|mount| {
        accept(mount)
            && mount.root.starts_with("/..")
            && mount.root.split('/').skip(1).all(|part| part == "..")
    })?;
    let point = above.point.trim_end_matches('/').to_string();
    Some((point.clone(), point))
}

/// The part of `path` below `root`, in whole components.
fn below<'a>(path: &'a str, root: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(root.trim_end_matches('/'))?;
    if rest.is_empty() {
        return Some("");
    }
    Some(rest.strip_prefix('/')?.trim_end_matches('/'))
}

impl Location {
    /// The process's cgroup and its ancestors, the innermost first, the mount point last.
    pub fn levels(&self) -> impl Iterator<Item = &str> {
        let mount_point = self.mount_point.as_str();
        std::iter::successors(Some(self.directory.as_str()), move |level| {
            if level.len() <= mount_point.len() {
                return None;
            }
            level
                .rfind('/')
                .map(|slash| &level[..slash])
                .filter(|parent| parent.len() >= mount_point.len())
        })
    }

    /// Reads the limit that binds, and the usage of the cgroup it belongs to.
    pub fn read(&self, files: &impl Files) -> Reading {
        let (limit_file, usage_file, cache_field) = match self.version {
            Version::V1 => (
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                "total_inactive_file",
            ),
            Version::V2 => ("memory.max", "memory.current", "inactive_file"),
        };
        let read = |level: &str, file: &str| files.read(&format!("{level}/{file}"));

        let limits = self.levels().filter_map(|level| {
            let limit = parse_limit(&read(level, limit_file)?)?;
            Some((level, limit))
        });
        // On v1 the kernel itself reports the limit that binds. It knows ancestors that we cannot see, and whether an
        // ancestor's limit reaches down here at all (`memory.use_hierarchy`).
        let own_stat = (self.version == Version::V1)
            .then(|| read(&self.directory, "memory.stat"))
            .flatten();
        let hierarchical = own_stat
            .as_deref()
            .and_then(|text| stat_field(text, "hierarchical_memory_limit"));
        let binding = match hierarchical {
            Some(bytes) if is_no_limit(bytes) => None,
            Some(bytes) => {
                let owner = limits
                    .filter(|&(_, limit)| limit == bytes)
                    .map(|(level, _)| level)
                    .next();
                if owner.is_none() {
                    // The limit is of a cgroup that cannot be seen, and so its usage cannot be read.
                    return Reading {
                        version: self.version,
                        limit_bytes: Some(bytes),
                        usage_bytes: None,
                        working_set_bytes: None,
                    };
                }
                owner.map(|level| (level, bytes))
            }
            // Of equal limits the inner one: its usage includes fewer processes.
            None => limits.min_by_key(|&(_, limit)| limit),
        };

        // Without a limit: our own cgroup, or the nearest ancestor that counts memory.
        let (level, usage) = match binding {
            Some((level, _)) => (Some(level), read(level, usage_file)),
            None => self
                .levels()
                .find_map(|level| Some((Some(level), Some(read(level, usage_file)?))))
                .unwrap_or_default(),
        };
        let usage_bytes = usage.and_then(|text| text.trim().parse::<u64>().ok());
        let stat = match level {
            Some(level) if own_stat.is_some() && level == self.directory => own_stat,
            Some(level) => read(level, "memory.stat"),
            None => None,
        };
        let cache_bytes = stat.and_then(|text| stat_field(&text, cache_field));
        Reading {
            version: self.version,
            limit_bytes: binding.map(|(_, limit)| limit),
            usage_bytes,
            working_set_bytes: match (usage_bytes, cache_bytes) {
                (Some(usage), Some(cache)) => Some(usage.saturating_sub(cache)),
                _ => None,
            },
        }
    }
}

/// The bytes of `memory.max` or `memory.limit_in_bytes`; `None` for "no limit".
fn parse_limit(text: &str) -> Option<u64> {
    // "max" on v2 is no number.
    text.trim()
        .parse()
        .ok()
        .filter(|&bytes| !is_no_limit(bytes))
}

/// v1 says "no limit" as the largest page count: 0x7FFFFFFFFFFFF000 with 4 KiB pages, 0x7FFFFFFFFFFF0000 with 64 KiB.
fn is_no_limit(bytes: u64) -> bool {
    bytes >= 1 << 62
}

/// The number in the line `name 123` of `memory.stat`.
fn stat_field(stat: &str, name: &str) -> Option<u64> {
    stat.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .and_then(|value| value.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    struct Tree(HashMap<&'static str, &'static str>);

    impl Files for Tree {
        fn read(&self, path: &str) -> Option<String> {
            self.0.get(path).map(|text| (*text).to_string())
        }
    }

    fn tree(files: &[(&'static str, &'static str)]) -> Tree {
        Tree(files.iter().copied().collect())
    }

    fn reading(
        cgroup: &str,
        mountinfo: &str,
        files: &[(&'static str, &'static str)],
    ) -> Option<Reading> {
        let files = tree(files);
        Some(locate(cgroup, mountinfo, &files)?.read(&files))
    }

    const NO_LIMIT_V1: &str = "9223372036854771712\n";

    // Debian 12 with systemd, unified.
    const V2_MOUNT: &str = "24 30 0:22 / /proc rw,nosuid,nodev,noexec,relatime shared:13 - proc proc rw\n\
        29 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n";

    #[test]
    fn on_systemd_the_smallest_limit_among_the_ancestors_wins_with_its_own_usage() {
        let found = reading(
            "0::/system.slice/web.service/worker\n",
            V2_MOUNT,
            &[
                ("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory hugetlb pids rdma misc\n"),
                ("/sys/fs/cgroup/system.slice/web.service/worker/memory.max", "2147483648\n"),
                ("/sys/fs/cgroup/system.slice/web.service/worker/memory.current", "111\n"),
                ("/sys/fs/cgroup/system.slice/web.service/memory.max", "536870912\n"),
                ("/sys/fs/cgroup/system.slice/web.service/memory.current", "400000000\n"),
                ("/sys/fs/cgroup/system.slice/web.service/memory.stat", "anon 250000000\nfile 150000000\ninactive_anon 1\ninactive_file 100000000\nactive_file 5\n"),
                ("/sys/fs/cgroup/system.slice/memory.max", "max\n"),
                ("/sys/fs/cgroup/system.slice/memory.current", "9000000000\n"),
            ],
        );
        assert_eq!(
            found,
            Some(Reading {
                version: Version::V2,
                limit_bytes: Some(536_870_912),
                usage_bytes: Some(400_000_000),
                working_set_bytes: Some(300_000_000),
            })
        );
    }

    #[test]
    fn of_equal_limits_the_inner_cgroup_counts() {
        let found = reading(
            "0::/a/b\n",
            V2_MOUNT,
            &[
                ("/sys/fs/cgroup/cgroup.controllers", "memory\n"),
                ("/sys/fs/cgroup/a/b/memory.max", "1000\n"),
                ("/sys/fs/cgroup/a/b/memory.current", "7\n"),
                ("/sys/fs/cgroup/a/memory.max", "1000\n"),
                ("/sys/fs/cgroup/a/memory.current", "9\n"),
            ],
        )
        .expect("a v2 cgroup");
        assert_eq!(
            (found.limit_bytes, found.usage_bytes),
            (Some(1000), Some(7))
        );
        assert_eq!(found.working_set_bytes, None, "there is no memory.stat");
    }

    #[test]
    fn in_a_container_with_a_cgroup_namespace_the_mount_point_is_our_own_cgroup() {
        let mountinfo = "1200 1190 0:29 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate\n";
        let found = reading(
            "0::/\n",
            mountinfo,
            &[
                ("/sys/fs/cgroup/cgroup.controllers", "cpu memory pids\n"),
                ("/sys/fs/cgroup/memory.max", "1073741824\n"),
                ("/sys/fs/cgroup/memory.current", "104857600\n"),
                ("/sys/fs/cgroup/memory.stat", "inactive_file 4857600\n"),
            ],
        );
        assert_eq!(
            found,
            Some(Reading {
                version: Version::V2,
                limit_bytes: Some(1 << 30),
                usage_bytes: Some(104_857_600),
                working_set_bytes: Some(100_000_000),
            })
        );
    }

    #[test]
    fn max_is_no_limit_and_the_usage_is_then_that_of_the_nearest_cgroup_that_counts() {
        // GIVEN a user session: the memory controller is switched on two levels up only
        let found = reading(
            "0::/user.slice/user-1000.slice/session-4.scope\n",
            V2_MOUNT,
            &[
                (
                    "/sys/fs/cgroup/user.slice/cgroup.controllers",
                    "cpu memory pids\n",
                ),
                (
                    "/sys/fs/cgroup/user.slice/user-1000.slice/memory.max",
                    "max\n",
                ),
                (
                    "/sys/fs/cgroup/user.slice/user-1000.slice/memory.current",
                    "77\n",
                ),
                ("/sys/fs/cgroup/user.slice/memory.max", "max\n"),
                ("/sys/fs/cgroup/user.slice/memory.current", "99\n"),
            ],
        )
        .expect("a v2 cgroup");
        assert_eq!((found.limit_bytes, found.usage_bytes), (None, Some(77)));
    }

    #[test]
    fn the_root_of_v2_has_neither_limit_nor_usage() {
        let found = reading(
            "0::/\n",
            V2_MOUNT,
            &[("/sys/fs/cgroup/cgroup.controllers", "memory\n")],
        );
        assert_eq!(
            found,
            Some(Reading {
                version: Version::V2,
                limit_bytes: None,
                usage_bytes: None,
                working_set_bytes: None
            })
        );
    }

    // Docker 19 on cgroup v1 without a cgroup namespace: what is mounted is the container's own directory.
    const DOCKER_V1: (&str, &str) = (
        "12:pids:/docker/3f1a\n11:memory:/docker/3f1a\n10:cpu,cpuacct:/docker/3f1a\n1:name=systemd:/docker/3f1a\n0::/system.slice/containerd.service\n",
        "700 690 0:35 /docker/3f1a /sys/fs/cgroup/cpu,cpuacct ro,nosuid - cgroup cgroup rw,cpu,cpuacct\n\
         701 690 0:36 /docker/3f1a /sys/fs/cgroup/memory ro,nosuid,nodev,noexec,relatime master:17 - cgroup cgroup rw,memory\n",
    );

    #[test]
    fn docker_on_v1_reads_the_mounted_directory() {
        let (cgroup, mountinfo) = DOCKER_V1;
        let found = reading(
            cgroup,
            mountinfo,
            &[
                ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n"),
                ("/sys/fs/cgroup/memory/memory.usage_in_bytes", "200000000\n"),
                ("/sys/fs/cgroup/memory/memory.stat", "cache 5\ninactive_file 1\nhierarchical_memory_limit 536870912\ntotal_inactive_file 50000000\n"),
            ],
        );
        assert_eq!(
            found,
            Some(Reading {
                version: Version::V1,
                limit_bytes: Some(536_870_912),
                usage_bytes: Some(200_000_000),
                working_set_bytes: Some(150_000_000),
            })
        );
    }

    #[test]
    fn a_v1_limit_of_an_ancestor_out_of_sight_binds_and_its_usage_is_unknown() {
        // GIVEN a Kubernetes pod whose limit is set on the pod's cgroup, above the mounted container's
        let (cgroup, mountinfo) = DOCKER_V1;
        let found = reading(
            cgroup,
            mountinfo,
            &[
                ("/sys/fs/cgroup/memory/memory.limit_in_bytes", NO_LIMIT_V1),
                ("/sys/fs/cgroup/memory/memory.usage_in_bytes", "200000000\n"),
                (
                    "/sys/fs/cgroup/memory/memory.stat",
                    "hierarchical_memory_limit 268435456\ntotal_inactive_file 5\n",
                ),
            ],
        );
        assert_eq!(
            found,
            Some(Reading {
                version: Version::V1,
                limit_bytes: Some(268_435_456),
                usage_bytes: None,
                working_set_bytes: None,
            })
        );
    }

    const HYBRID_MOUNTS: &str =
        "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
        35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";

    #[test]
    fn on_a_hybrid_system_the_v1_memory_controller_counts_not_the_empty_v2_tree() {
        let found = reading(
            "9:name=systemd:/\n4:memory:/service/worker\n3:cpuset:/\n0::/\n",
            HYBRID_MOUNTS,
            &[
                ("/sys/fs/cgroup/unified/cgroup.controllers", "\n"),
                (
                    "/sys/fs/cgroup/memory/service/worker/memory.limit_in_bytes",
                    NO_LIMIT_V1,
                ),
                (
                    "/sys/fs/cgroup/memory/service/worker/memory.usage_in_bytes",
                    "3\n",
                ),
                (
                    "/sys/fs/cgroup/memory/service/worker/memory.stat",
                    "hierarchical_memory_limit 1000000\n",
                ),
                (
                    "/sys/fs/cgroup/memory/service/memory.limit_in_bytes",
                    "1000000\n",
                ),
                (
                    "/sys/fs/cgroup/memory/service/memory.usage_in_bytes",
                    "600000\n",
                ),
                (
                    "/sys/fs/cgroup/memory/service/memory.stat",
                    "total_inactive_file 700000\n",
                ),
                ("/sys/fs/cgroup/memory/memory.limit_in_bytes", NO_LIMIT_V1),
            ],
        );
        assert_eq!(
            found,
            Some(Reading {
                version: Version::V1,
                limit_bytes: Some(1_000_000),
                usage_bytes: Some(600_000),
                working_set_bytes: Some(0),
            })
        );
    }

    #[test]
    fn on_v1_an_ancestors_limit_that_does_not_reach_down_is_not_taken() {
        // GIVEN memory.use_hierarchy 0 above: the kernel says that our own limit binds, though the parent's is smaller
        let found = reading(
            "4:memory:/a/b\n",
            HYBRID_MOUNTS,
            &[
                ("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "9000\n"),
                ("/sys/fs/cgroup/memory/a/b/memory.usage_in_bytes", "30\n"),
                (
                    "/sys/fs/cgroup/memory/a/b/memory.stat",
                    "hierarchical_memory_limit 9000\n",
                ),
                ("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1000\n"),
            ],
        )
        .expect("a v1 cgroup");
        assert_eq!(
            (found.limit_bytes, found.usage_bytes),
            (Some(9000), Some(30))
        );
    }

    #[test]
    fn without_hierarchical_memory_limit_v1_is_walked_like_v2() {
        let found = reading(
            "4:memory:/a/b\n",
            HYBRID_MOUNTS,
            &[
                ("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "9000\n"),
                ("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1000\n"),
                ("/sys/fs/cgroup/memory/a/memory.usage_in_bytes", "40\n"),
            ],
        )
        .expect("a v1 cgroup");
        assert_eq!(
            (found.limit_bytes, found.usage_bytes),
            (Some(1000), Some(40))
        );
    }

    #[test]
    fn every_way_of_v1_to_say_no_limit_is_none() {
        for text in [
            "9223372036854771712\n",
            "9223372036854710272\n",
            "9223372036854775807\n",
            "-1\n",
            "18446744073709551615\n",
        ] {
            assert_eq!(parse_limit(text), None, "{text:?}");
        }
        assert_eq!(parse_limit("max\n"), None);
        assert_eq!(parse_limit("0\n"), Some(0), "a limit of nothing is a limit");
    }

    #[test]
    fn controllers_mounted_together_and_paths_with_spaces_are_found() {
        let mountinfo = "50 40 0:40 /a\\040b /mnt/my\\040groups/cpu\\134memory rw - cgroup cgroup rw,cpuset,cpu,memory\n";
        let location =
            locate("5:cpuset,cpu,memory:/a b/c\n", mountinfo, &tree(&[])).expect("a v1 cgroup");
        assert_eq!(location.mount_point, "/mnt/my groups/cpu\\memory");
        assert_eq!(location.directory, "/mnt/my groups/cpu\\memory/c");
    }

    #[test]
    fn a_path_may_hold_colons_and_a_prefix_must_end_at_a_slash() {
        let mountinfo = "1 1 0:1 /kubepods /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
        let location =
            locate("4:memory:/kubepods/cri:abc:1\n", mountinfo, &tree(&[])).expect("a v1 cgroup");
        assert_eq!(location.directory, "/sys/fs/cgroup/memory/cri:abc:1");
        assert_eq!(
            locate("4:memory:/kubepods-besteffort/x\n", mountinfo, &tree(&[])),
            None
        );
    }

    #[test]
    fn of_several_mounts_the_one_that_shows_the_most_ancestors_is_used() {
        let mountinfo =
            "1 1 0:1 /pod/ctr /inner rw - cgroup2 none rw\n2 1 0:1 / /outer rw - cgroup2 none rw\n";
        let files = tree(&[("/outer/cgroup.controllers", "memory\n")]);
        let location = locate("0::/pod/ctr\n", mountinfo, &files).expect("a v2 cgroup");
        assert_eq!(
            (location.mount_point.as_str(), location.directory.as_str()),
            ("/outer", "/outer/pod/ctr")
        );
        let levels: Vec<&str> = location.levels().collect();
        assert_eq!(levels, ["/outer/pod/ctr", "/outer/pod", "/outer"]);
    }

    #[test]
    fn a_mount_made_outside_our_namespace_is_an_ancestor_of_ours() {
        let mountinfo = "1 1 0:1 /../.. /sys/fs/cgroup rw - cgroup2 none rw\n";
        let files = tree(&[
            ("/sys/fs/cgroup/cgroup.controllers", "memory\n"),
            ("/sys/fs/cgroup/memory.max", "5000\n"),
            ("/sys/fs/cgroup/memory.current", "4000\n"),
        ]);
        let found = locate("0::/\n", mountinfo, &files)
            .expect("an ancestor")
            .read(&files);
        assert_eq!(
            (found.limit_bytes, found.usage_bytes),
            (Some(5000), Some(4000))
        );
    }

    #[test]
    fn no_hierarchy_that_accounts_for_memory_is_no_cgroup() {
        let cases = [
            ("", "", "nothing at all"),
            ("0::/\n", "", "no mount"),
            ("0::/\n", V2_MOUNT, "v2 without the memory controller"),
            (
                "4:memory:/\n",
                "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n",
                "v1 not mounted here",
            ),
            (
                "9:name=systemd:/\n8:pids:/\n",
                HYBRID_MOUNTS,
                "v1 without the memory controller",
            ),
            ("0::/../other\n", V2_MOUNT, "moved out of its namespace"),
            (
                "0:/\n::\n:\nx\n",
                "- - -\n1 2 3 - cgroup2\n1 2 3 / /x - cgroup2 n\n",
                "no sense",
            ),
        ];
        for (cgroup, mountinfo, case) in cases {
            assert_eq!(reading(cgroup, mountinfo, &[]), None, "{case}");
        }
    }

    #[test]
    fn a_hierarchy_mounted_at_the_root_of_the_file_system_is_walked_too() {
        let files = tree(&[
            ("/a/cgroup.controllers", "memory\n"),
            ("/a/memory.max", "10\n"),
            ("/memory.max", "5\n"),
        ]);
        let location =
            locate("0::/a\n", "1 1 0:1 / / rw - cgroup2 none rw\n", &files).expect("a v2 cgroup");
        assert_eq!(location.levels().collect::<Vec<_>>(), ["/a", ""]);
        assert_eq!(location.read(&files).limit_bytes, Some(5));
    }
}
