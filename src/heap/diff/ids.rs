//! Whether equal ids of two snapshots mean equal objects.
//!
//! Knows: how many objects with one id are the same, and how many are not, part by part.
//! Out of scope: how two objects are compared.
//! Limitations: it is judged by strings and classes; fewer than [`ENOUGH`] of them prove nothing.

#![forbid(unsafe_code)]

/// Ids are compared in this many parts, by size: children of one fork agree on what an earlier snapshot numbered
/// and disagree on the rest.
pub(super) const PARTS: usize = 16;
/// Fewer common strings than this prove nothing.
const ENOUGH: u64 = 20;

/// Agreement of the ids, part by part.
#[derive(Default, Clone, Copy)]
pub(super) struct Agreement {
    pub(super) same: u64,
    pub(super) different: u64,
}

/// Ids of two snapshots that do not mean the same objects.
pub(super) struct Disagreement {
    pub(super) reason: String,
    /// They do in this many parts, from the lowest ids on.
    pub(super) agreeing_parts: usize,
}

/// Whether and how the ids of two snapshots do not mean the same objects; `None` if they do.
pub(super) fn disagreement(
    parts: &[Agreement],
    common: u64,
    possible: u64,
) -> Option<Disagreement> {
    if common * 5 < possible {
        return Some(Disagreement {
            reason: format!(
                "only {common} of {possible} ids are in both snapshots: they are not of the same process"
            ),
            agreeing_parts: 0,
        });
    }
    let disagrees = |part: &Agreement| {
        let all = part.same + part.different;
        all >= ENOUGH && part.different * 10 > all
    };
    let agreeing_parts = parts.iter().position(disagrees)?;
    let part = &parts[agreeing_parts];
    let all = part.same + part.different;
    Some(Disagreement {
        reason: format!(
            "{} of {all} equal ids are different objects: each file has numbered {} by itself, as children of the probe and different processes do",
            part.different,
            if agreeing_parts == 0 { "them" } else { "what is younger than the last numbering" }
        ),
        agreeing_parts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of parts with these numbers of equal and of different objects.
    fn judged(parts: &[(u64, u64)], common: u64, possible: u64) -> Option<(usize, String)> {
        let parts: Vec<Agreement> = parts
            .iter()
            .map(|&(same, different)| Agreement { same, different })
            .collect();
        disagreement(&parts, common, possible).map(|found| (found.agreeing_parts, found.reason))
    }

    #[test]
    fn ids_mean_the_same_objects_until_a_tenth_of_a_part_disagrees() {
        assert_eq!(judged(&[(1_000, 0), (90, 10)], 1_100, 1_100), None);
        // Fewer than twenty prove nothing.
        assert_eq!(judged(&[(0, 19)], 19, 19), None);

        let (agreeing, reason) = judged(&[(1_000, 0), (89, 11)], 1_100, 1_100).expect("they do");
        assert_eq!(agreeing, 1);
        assert!(
            reason.starts_with("11 of 100 equal ids are different objects"),
            "{reason}"
        );
        assert!(reason.contains("what is younger"), "{reason}");
        let (agreeing, reason) = judged(&[(0, 20)], 20, 20).expect("they do");
        assert_eq!(agreeing, 0);
        assert!(reason.contains("has numbered them by itself"), "{reason}");
    }

    #[test]
    fn with_less_than_a_fifth_of_the_ids_in_common_they_are_of_two_processes() {
        assert_eq!(judged(&[(20, 0)], 20, 100), None);
        let (agreeing, reason) = judged(&[(19, 0)], 19, 100).expect("they are");
        assert_eq!(agreeing, 0);
        assert!(reason.starts_with("only 19 of 100 ids"), "{reason}");
    }
}
