//! Which of the old files in a folder are deleted.
//!
//! Knows: the sizes of the files, oldest first.
//! Out of scope: their names, and how a file is deleted.
//! Limitations: other files on the disk.
#![forbid(unsafe_code)]

/// How many of the oldest files to delete, so that at most `max_files` with at most `max_total_bytes` are left.
/// The newest file is always kept, also where it alone exceeds the limit: it has just been written for somebody.
pub fn excess(
    sizes_oldest_first: &[f64],
    max_files: Option<f64>,
    max_total_bytes: Option<f64>,
) -> usize {
    let max_files = max_files.unwrap_or(f64::INFINITY);
    let max_total_bytes = max_total_bytes.unwrap_or(f64::INFINITY);
    let mut total: f64 = sizes_oldest_first.iter().sum();
    let mut left = sizes_oldest_first.len();
    let mut gone = 0;
    for size in sizes_oldest_first {
        let fits = left as f64 <= max_files && total <= max_total_bytes;
        if fits || left <= 1 {
            break;
        }
        total -= size;
        left -= 1;
        gone += 1;
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_and_the_newest_stays() {
        type Case = (
            &'static str,
            &'static [f64],
            Option<f64>,
            Option<f64>,
            usize,
        );
        let cases: &[Case] = &[
            ("nothing there", &[], Some(1.0), Some(1.0), 0),
            ("no limit", &[9.0; 50], None, None, 0),
            ("as many as allowed", &[1.0, 1.0, 1.0], Some(3.0), None, 0),
            ("one too many", &[1.0, 1.0, 1.0, 1.0], Some(3.0), None, 1),
            (
                "exactly the bytes allowed",
                &[40.0, 60.0],
                None,
                Some(100.0),
                0,
            ),
            ("one byte too many", &[40.0, 61.0], None, Some(100.0), 1),
            (
                "a small old file goes before a large new one",
                &[1.0, 90.0, 20.0],
                None,
                Some(100.0),
                2,
            ),
            (
                "both limits",
                &[50.0, 50.0, 1.0, 1.0],
                Some(3.0),
                Some(10.0),
                2,
            ),
            (
                "the newest stays though it is too large",
                &[5.0, 500.0],
                Some(9.0),
                Some(100.0),
                1,
            ),
            (
                "the newest stays though no file is allowed",
                &[5.0, 6.0],
                Some(0.0),
                None,
                1,
            ),
        ];
        for &(case, sizes, max_files, max_total_bytes, expected) in cases {
            assert_eq!(
                excess(sizes, max_files, max_total_bytes),
                expected,
                "{case}"
            );
        }
    }
}
