//! Decides where the child's working memory ("scratch") comes from, and whether there is room for it.
//!
//! Knows: the arithmetic over what is left ([`super::headroom`]) and what the child is expected to need.
//! Out of scope: how much the child will need; its caller estimates that.
//! Limitations: an estimate that is too low. [`super::watchdog`] ends a child that needs more.
#![forbid(unsafe_code)]

use super::headroom::Room;

/// Where the child's working memory comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScratchPlace {
    /// Anonymous memory, as usual.
    Memory,
    /// A file, whose pages the kernel can write back and take away.
    Disk,
    /// Memory where there is room, a file where there is not.
    Auto,
}

/// What is known before the decision.
#[derive(Debug, Clone)]
pub struct Question {
    /// What was asked for.
    pub wanted: ScratchPlace,
    /// What the child is expected to need in memory.
    pub expected_bytes: u64,
    /// What there is.
    pub rooms: Vec<Room>,
    /// Free bytes on the disk of the output, and how many of them are to stay free.
    pub disk: Option<(u64, u64)>,
    /// Why a file cannot serve, if it cannot.
    pub no_disk_because: Option<String>,
}

/// Anonymous memory that a child with its scratch on disk still takes: V8's own pages, and copies of what it touches.
/// Measured: 75 to 105 MB at a heap of 100 MB.
pub fn anonymous_beside_disk(expected_bytes: u64) -> u64 {
    (expected_bytes / 10).max(64 << 20)
}

/// The decision: where the working memory comes from, or why there can be no child.
pub fn decide(question: &Question) -> Result<ScratchPlace, String> {
    let short = |needed: u64| {
        question
            .rooms
            .iter()
            .find(|room| room.available_bytes < needed.saturating_add(room.reserve_bytes()))
    };
    let memory = match short(question.expected_bytes) {
        None => Ok(ScratchPlace::Memory),
        Some(room) => Err(format!(
            "the child is expected to need {} bytes of memory, and {} leaves {} of {} bytes, of which {} stay with the service",
            question.expected_bytes,
            room.limit,
            room.available_bytes,
            room.limit_bytes,
            room.reserve_bytes()
        )),
    };
    let disk = || {
        if let Some(reason) = &question.no_disk_because {
            return Err(reason.clone());
        }
        if let Some(room) = short(anonymous_beside_disk(question.expected_bytes)) {
            return Err(format!(
                "even with its scratch on disk the child needs about {} bytes of memory, and {} leaves {} bytes",
                anonymous_beside_disk(question.expected_bytes),
                room.limit,
                room.available_bytes
            ));
        }
        match question.disk {
            Some((free, keep)) if free < question.expected_bytes.saturating_add(keep) => Err(format!(
                "the scratch file is expected to grow to {} bytes, and of the disk's {free} free bytes {keep} are to stay free",
                question.expected_bytes
            )),
            Some(_) => Ok(ScratchPlace::Disk),
            None => Err("there is no output file beside which scratch could lie".to_string()),
        }
    };
    match question.wanted {
        ScratchPlace::Memory => memory,
        ScratchPlace::Disk => disk(),
        ScratchPlace::Auto => {
            memory.or_else(|in_memory| disk().map_err(|on_disk| format!("{in_memory}; {on_disk}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;

    fn question(wanted: ScratchPlace, available_mb: u64, disk: Option<(u64, u64)>) -> Question {
        Question {
            wanted,
            expected_bytes: 1000 * MB,
            rooms: vec![Room {
                available_bytes: available_mb * MB,
                waiting_bytes: 0,
                cached_bytes: 0,
                limit_bytes: 2048 * MB,
                limit: "memory.max".into(),
            }],
            disk,
            no_disk_because: None,
        }
    }

    #[test]
    fn auto_takes_memory_where_there_is_room_and_disk_where_there_is_not() {
        let disk = Some((5000 * MB, 100 * MB));
        // (wanted, available MB, decision)
        let cases = [
            (ScratchPlace::Auto, 1100, Some(ScratchPlace::Memory)),
            (ScratchPlace::Auto, 1050, Some(ScratchPlace::Disk)),
            (ScratchPlace::Auto, 100, None),
            (ScratchPlace::Memory, 1050, None),
            (ScratchPlace::Memory, 1064, Some(ScratchPlace::Memory)),
            (ScratchPlace::Disk, 5000, Some(ScratchPlace::Disk)),
            (ScratchPlace::Disk, 163, None),
            (ScratchPlace::Disk, 164, Some(ScratchPlace::Disk)),
        ];
        for (wanted, available, expected) in cases {
            assert_eq!(
                decide(&question(wanted, available, disk)).ok(),
                expected,
                "{wanted:?} {available}"
            );
        }
    }

    #[test]
    fn a_refusal_has_the_figures() {
        let reason = decide(&question(
            ScratchPlace::Auto,
            500,
            Some((1099 * MB, 100 * MB)),
        ))
        .expect_err("a refusal");
        for figure in ["1048576000", "524288000", "memory.max", "1152385024"] {
            assert!(reason.contains(figure), "{figure} in {reason}");
        }
        assert!(decide(&question(ScratchPlace::Disk, 5000, None)).is_err());
        let mut on_tmpfs = question(ScratchPlace::Disk, 5000, Some((5000 * MB, 0)));
        on_tmpfs.no_disk_because = Some("tmpfs".into());
        assert_eq!(decide(&on_tmpfs), Err("tmpfs".into()));
    }
}
