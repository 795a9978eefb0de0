//! The child cannot change files, and does not wait for threads that do not exist: a system call filter, which the kernel
//! enforces. `[unsafe]`
//!
//! The child shares no memory with the service, but it shares the file system, and it runs code that was written for the service: with `--heapsnapshot-near-heap-limit` or `--report-on-fatalerror` Node wrote snapshots and reports into the
//! service's folder; a database that is closed by the child's garbage collection deletes its journal. So every call
//! that would create, change or remove a file by its path fails with EROFS, as on a read-only file system.
//!
//! | call | answer |
//! |---|---|
//! | `open`, `openat` for writing, or with O_CREAT, O_TRUNC, O_TMPFILE; `creat` | EROFS |
//! | `openat2` | ENOSYS: its flags are in memory, which a filter cannot read; the C library then uses another call |
//! | `unlink`, `rename`, `link`, `symlink`, `mkdir`, `rmdir`, `mknod`, `truncate`, and their kin | EROFS |
//! | `chmod`, `chown`, `utimensat`, `setxattr`, `removexattr`, and their kin | EROFS |
//! | `io_uring_setup` | ENOSYS: it would do all of this without a system call |
//! | `futex` that waits, `futex_wait`, `futex_waitv` | SIGSYS, and [`super::waits`] ends the child: nobody will ever wake it |
//!
//! Files that were opened before (the result pipe, the output, the scratch file) can be written.
//!
//! Duties of this file: run only in the child, after it has opened what it needs.
//! Out of scope: what is sent through sockets that the child opens itself.
//! Limitations: where the kernel has no seccomp, or a sandbox forbids it, the child runs without.

use libc::{
    sock_filter, sock_fprog, BPF_ABS, BPF_ALU, BPF_AND, BPF_JEQ, BPF_JMP, BPF_JSET, BPF_K, BPF_LD,
    BPF_RET, BPF_W,
};

/// `struct seccomp_data`: where the fields lie — seccomp(2).
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENT_1: u32 = 24;
const ARGUMENT_2: u32 = 32;
/// AUDIT_ARCH_X86_64 — linux/audit.h.
const X86_64: u32 = 0xc000_003e;

const WRITING: u32 = (libc::O_WRONLY
    | libc::O_RDWR
    | libc::O_CREAT
    | libc::O_TRUNC
    | (libc::O_TMPFILE & !libc::O_DIRECTORY)) as u32;

/// Calls that change the file system, whatever their arguments.
const REFUSED: [i64; 34] = [
    libc::SYS_creat,
    libc::SYS_unlink,
    libc::SYS_unlinkat,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_link,
    libc::SYS_linkat,
    libc::SYS_symlink,
    libc::SYS_symlinkat,
    libc::SYS_mkdir,
    libc::SYS_mkdirat,
    libc::SYS_rmdir,
    libc::SYS_mknod,
    libc::SYS_mknodat,
    libc::SYS_truncate,
    libc::SYS_chmod,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchmodat2,
    libc::SYS_chown,
    libc::SYS_fchown,
    libc::SYS_lchown,
    libc::SYS_fchownat,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_utimensat,
    libc::SYS_futimesat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
];

/// Calls that could do the same, and whose arguments a filter cannot read.
const UNKNOWN: [i64; 2] = [libc::SYS_openat2, libc::SYS_io_uring_setup];

/// Waits for another thread, whatever their arguments: futex_waitv, futex_wait.
pub const WAITS: [i64; 2] = [449, 455];

/// The operations of futex(2) that wait; the last is FUTEX_LOCK_PI2.
const WAITING: [u32; 5] = [
    libc::FUTEX_WAIT as u32,
    libc::FUTEX_WAIT_BITSET as u32,
    libc::FUTEX_LOCK_PI as u32,
    libc::FUTEX_WAIT_REQUEUE_PI as u32,
    13,
];
/// An operation without FUTEX_PRIVATE_FLAG and FUTEX_CLOCK_REALTIME.
const OPERATION: u32 = 0x7f;

const fn statement(code: u32, k: u32) -> sock_filter {
    sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k,
    }
}

/// Skips `if_so` statements when the test holds, and `if_not` statements when it does not.
const fn jump(test: u32, k: u32, if_so: u8, if_not: u8) -> sock_filter {
    sock_filter {
        code: (BPF_JMP | test | BPF_K) as u16,
        jt: if_so,
        jf: if_not,
        k,
    }
}

const fn answer(errno: i32) -> sock_filter {
    statement(
        BPF_RET | BPF_K,
        libc::SECCOMP_RET_ERRNO | (errno as u32 & libc::SECCOMP_RET_DATA),
    )
}

const fn load(offset: u32) -> sock_filter {
    statement(BPF_LD | BPF_W | BPF_ABS, offset)
}

const ALLOW: sock_filter = statement(BPF_RET | BPF_K, libc::SECCOMP_RET_ALLOW);

const TRAP: sock_filter = statement(BPF_RET | BPF_K, libc::SECCOMP_RET_TRAP);

const FUTEX_LENGTH: usize = 3 + 2 * WAITING.len() + 1;
const LENGTH: usize =
    4 + 2 * (REFUSED.len() + UNKNOWN.len() + WAITS.len()) + 2 * 5 + FUTEX_LENGTH + 1;

fn program() -> [sock_filter; LENGTH] {
    let refused = REFUSED
        .iter()
        .map(|number| (*number, libc::EROFS))
        .chain(UNKNOWN.iter().map(|number| (*number, libc::ENOSYS)))
        .flat_map(|(number, errno)| [jump(BPF_JEQ, number as u32, 0, 1), answer(errno)]);
    let opening = [(libc::SYS_open, ARGUMENT_1), (libc::SYS_openat, ARGUMENT_2)]
        .into_iter()
        .flat_map(|(number, flags)| {
            [
                jump(BPF_JEQ, number as u32, 0, 4),
                load(flags),
                jump(BPF_JSET, WRITING, 0, 1),
                answer(libc::EROFS),
                ALLOW,
            ]
        });
    let waits = WAITS
        .iter()
        .flat_map(|number| [jump(BPF_JEQ, *number as u32, 0, 1), TRAP]);
    let futex = [
        jump(BPF_JEQ, libc::SYS_futex as u32, 0, FUTEX_LENGTH as u8 - 1),
        load(ARGUMENT_1),
        statement(BPF_ALU | BPF_AND | BPF_K, OPERATION),
    ]
    .into_iter()
    .chain(
        WAITING
            .iter()
            .flat_map(|operation| [jump(BPF_JEQ, *operation, 0, 1), TRAP]),
    )
    .chain([ALLOW]);
    // Calls of another architecture have other numbers; there are none in this process.
    let first = [
        load(ARCHITECTURE),
        jump(BPF_JEQ, X86_64, 1, 0),
        ALLOW,
        load(NUMBER),
    ];
    let mut filter = [ALLOW; LENGTH];
    for (place, statement) in filter.iter_mut().zip(
        first
            .into_iter()
            .chain(refused)
            .chain(waits)
            .chain(opening)
            .chain(futex),
    ) {
        *place = statement;
    }
    filter
}

/// From now on this process, and no other, cannot change files by their paths. Whether the kernel agreed.
pub fn confine() -> bool {
    let mut filter = program();
    let program = sock_fprog {
        len: LENGTH as u16,
        filter: filter.as_mut_ptr(),
    };
    // The kernel accepts a filter only from a process that cannot gain privileges.
    // SAFETY: integers only — PR_SET_NO_NEW_PRIVS(2const).
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
        return false;
    }
    // SAFETY: the program and its statements are locals that live through the call, which copies them — PR_SET_SECCOMP(2const).
    unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
        ) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would answer, by the meaning of the few statements that are used — Linux Socket Filtering.
    fn run(architecture: u32, number: i64, arguments: [u32; 3]) -> u32 {
        let program = program();
        let (mut at, mut accumulator) = (0, 0);
        loop {
            let sock_filter { code, jt, jf, k } = program[at];
            at += 1;
            match u32::from(code) {
                code if code == BPF_LD | BPF_W | BPF_ABS => {
                    accumulator = match k {
                        NUMBER => number as u32,
                        ARCHITECTURE => architecture,
                        offset => arguments[(offset as usize - 16) / 8],
                    }
                }
                code if code == BPF_ALU | BPF_AND | BPF_K => accumulator &= k,
                code if code == BPF_RET | BPF_K => return k,
                code => {
                    let holds = if code == BPF_JMP | BPF_JEQ | BPF_K {
                        accumulator == k
                    } else {
                        accumulator & k != 0
                    };
                    at += usize::from(if holds { jt } else { jf });
                }
            }
        }
    }

    #[test]
    fn files_can_be_read_and_not_changed() {
        let refused = |errno: i32| libc::SECCOMP_RET_ERRNO | errno as u32;
        let open = |flags: i32| run(X86_64, libc::SYS_open, [0, flags as u32, 0]);
        let openat = |flags: i32| run(X86_64, libc::SYS_openat, [0, 0, flags as u32]);
        for flags in [
            libc::O_RDONLY,
            libc::O_RDONLY | libc::O_CLOEXEC | libc::O_DIRECTORY | libc::O_NOFOLLOW,
        ] {
            assert_eq!(open(flags), libc::SECCOMP_RET_ALLOW);
            assert_eq!(openat(flags), libc::SECCOMP_RET_ALLOW);
        }
        for flags in [
            libc::O_WRONLY,
            libc::O_RDWR,
            libc::O_CREAT,
            libc::O_TRUNC,
            libc::O_TMPFILE,
            libc::O_WRONLY | libc::O_CREAT | libc::O_CLOEXEC,
        ] {
            assert_eq!(open(flags), refused(libc::EROFS), "{flags:o}");
            assert_eq!(openat(flags), refused(libc::EROFS), "{flags:o}");
        }
        for number in REFUSED {
            assert_eq!(run(X86_64, number, [0; 3]), refused(libc::EROFS));
        }
        for number in UNKNOWN {
            assert_eq!(run(X86_64, number, [0; 3]), refused(libc::ENOSYS));
        }
        for number in [
            libc::SYS_write,
            libc::SYS_fsync,
            libc::SYS_ftruncate,
            libc::SYS_mmap,
            libc::SYS_madvise,
            libc::SYS_exit_group,
            libc::SYS_readlink,
        ] {
            assert_eq!(run(X86_64, number, [u32::MAX; 3]), libc::SECCOMP_RET_ALLOW);
        }
        assert_eq!(run(0, libc::SYS_unlink, [0; 3]), libc::SECCOMP_RET_ALLOW);
    }
    #[test]
    fn a_futex_that_would_wait_is_caught_and_one_that_wakes_is_not() {
        let futex = |operation: i32| run(X86_64, libc::SYS_futex, [0, operation as u32, 0]);
        for operation in [
            libc::FUTEX_WAIT,
            libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
            libc::FUTEX_WAIT_BITSET | libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME,
            libc::FUTEX_LOCK_PI,
            libc::FUTEX_WAIT_REQUEUE_PI,
            13,
        ] {
            assert_eq!(futex(operation), libc::SECCOMP_RET_TRAP, "{operation}");
        }
        for operation in [
            libc::FUTEX_WAKE,
            libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
            libc::FUTEX_WAKE_BITSET,
            libc::FUTEX_CMP_REQUEUE,
            libc::FUTEX_UNLOCK_PI,
            libc::FUTEX_TRYLOCK_PI,
        ] {
            assert_eq!(futex(operation), libc::SECCOMP_RET_ALLOW, "{operation}");
        }
        for number in WAITS {
            assert_eq!(run(X86_64, number, [0; 3]), libc::SECCOMP_RET_TRAP);
        }
    }
}
