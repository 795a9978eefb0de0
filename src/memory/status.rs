#![forbid(unsafe_code)]
//! `/proc/self/status` and `/proc/meminfo`: the resident set by kind, the machine's memory.
//!
//! Knows: the text of both files, as the kernel prints them (proc(5)).
//! Out of scope: how the text was read.
//! Limitations: the kernel counts the resident set per CPU and adds the counts up lazily (since 6.2), so it can be wrong by some
//! hundred KiB. `smaps` is exact and costs more ([`super::mappings`]). Inside LXC, lxcfs may print its own meminfo.

/// The resident set by kind. The kernel prints the sum of the three parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resident {
    /// `VmRSS`.
    pub rss_bytes: u64,
    /// `RssAnon`: heap, stacks, all memory without a file. Linux ≥ 4.5.
    pub anon_bytes: Option<u64>,
    /// `RssFile`: pages of mapped files, the Node binary among them.
    pub file_bytes: Option<u64>,
    /// `RssShmem`: shared memory and tmpfs.
    pub shmem_bytes: Option<u64>,
}

/// The machine's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// `MemTotal`.
    pub total_bytes: u64,
    /// `MemAvailable`: what can be allocated without swapping. Linux ≥ 3.14.
    pub available_bytes: Option<u64>,
}

/// Reads the resident set out of `/proc/self/status`.
pub fn parse_resident(status: &str) -> Option<Resident> {
    Some(Resident {
        rss_bytes: kib_field(status, "VmRSS")?,
        anon_bytes: kib_field(status, "RssAnon"),
        file_bytes: kib_field(status, "RssFile"),
        shmem_bytes: kib_field(status, "RssShmem"),
    })
}

/// Reads the machine's memory out of `/proc/meminfo`.
pub fn parse_machine(meminfo: &str) -> Option<Machine> {
    Some(Machine {
        total_bytes: kib_field(meminfo, "MemTotal")?,
        available_bytes: kib_field(meminfo, "MemAvailable"),
    })
}

/// The bytes of a line `Name:   123 kB`.
pub(super) fn kib_field(text: &str, name: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .and_then(kib)
}

/// The bytes of `   123 kB`. The kernel's "kB" is 1,024 bytes.
pub(super) fn kib(value: &str) -> Option<u64> {
    let number = value.trim().strip_suffix("kB")?.trim_end();
    number.parse::<u64>().ok()?.checked_mul(1024)
}

/// The stack pointer in `/proc/self/task/*/syscall`: `nr args… sp pc`, or `-1 sp pc`. A running thread has none.
pub fn parse_stack_pointer(syscall: &str) -> Option<u64> {
    let mut words = syscall.split_ascii_whitespace().rev();
    let (_program_counter, pointer, _) = (words.next()?, words.next()?, words.next()?);
    u64::from_str_radix(pointer.strip_prefix("0x")?, 16).ok()
}

/// The soft limit in the line `Max stack size` of `/proc/self/limits`; `None` when unlimited.
pub fn parse_stack_limit(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max stack size"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\tnode\nUmask:\t0022\nState:\tR (running)\nVmPeak:\t 1064948 kB\nVmHWM:\t   49836 kB\n\
                          VmRSS:\t   49708 kB\nRssAnon:\t   11360 kB\nRssFile:\t   38344 kB\nRssShmem:\t       4 kB\nThreads:\t11\n";

    #[test]
    fn the_resident_set_is_read_by_kind_in_bytes() {
        let resident = parse_resident(STATUS).expect("a process with memory");
        assert_eq!(resident.rss_bytes, 49_708 * 1024);
        assert_eq!(resident.anon_bytes, Some(11_360 * 1024));
        assert_eq!(resident.file_bytes, Some(38_344 * 1024));
        assert_eq!(resident.shmem_bytes, Some(4 * 1024));
        let parts = 11_360 + 38_344 + 4;
        assert_eq!(resident.rss_bytes, parts * 1024);
    }

    #[test]
    fn a_kernel_that_does_not_split_the_resident_set_still_gives_its_size() {
        let resident = parse_resident("Name:\tnode\nVmRSS:\t  100 kB\n").expect("VmRSS is there");
        assert_eq!(resident.rss_bytes, 102_400);
        assert_eq!(resident.anon_bytes, None);
    }

    #[test]
    fn what_is_not_there_or_not_a_number_is_nothing() {
        for text in [
            "",
            "VmRSS:",
            "VmRSS:\t kB\n",
            "VmRSS:\t 12 MB\n",
            "VmRSS:\t -1 kB\n",
            "VmRSS:\t 99999999999999999999 kB\n",
            "VmRSS:\t 18446744073709551615 kB\n",
            "XVmRSS:\t 12 kB\n",
        ] {
            assert_eq!(parse_resident(text), None, "{text:?}");
        }
    }

    #[test]
    fn meminfo_gives_total_and_available() {
        let text = "MemTotal:       24684084 kB\nMemFree:        20880264 kB\nMemAvailable:   24079256 kB\nBuffers: 1 kB\n";
        assert_eq!(
            parse_machine(text),
            Some(Machine {
                total_bytes: 24_684_084 * 1024,
                available_bytes: Some(24_079_256 * 1024)
            })
        );
        assert_eq!(parse_machine("MemFree: 1 kB\n"), None);
    }

    #[test]
    fn a_thread_that_waits_shows_its_stack_pointer_and_one_that_runs_does_not() {
        for (text, expected) in [
            (
                "232 0xd 0x7f1c25ffa9c0 0x400 0xffffffff 0x0 0x8 0x7f1c25ffa990 0x7f1c2b2aae46\n",
                Some(0x7f1c_25ff_a990),
            ),
            ("-1 0x7ffe16 0x7f1c2b\n", Some(0x7f_fe16)),
            ("running\n", None),
            ("", None),
        ] {
            assert_eq!(parse_stack_pointer(text), expected, "{text:?}");
        }
    }

    #[test]
    fn the_stack_limit_is_a_number_or_nothing() {
        let head =
            "Limit                     Soft Limit           Hard Limit           Units     \n";
        let line = |soft: &str| {
            format!("{head}Max stack size            {soft}              unlimited            bytes     \n")
        };
        assert_eq!(parse_stack_limit(&line("8388608")), Some(8_388_608));
        assert_eq!(parse_stack_limit(&line("unlimited")), None);
        assert_eq!(parse_stack_limit(head), None);
    }
}
