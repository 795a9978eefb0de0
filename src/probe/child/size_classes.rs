//! Which block sizes the scratch allocator hands out.
//!
//! Knows: arithmetic. Multiples of 16 up to 1 KiB (a snapshot's nodes, edges and map entries lie there, and 16-byte
//! steps waste least), then eight steps per doubling up to 32 KiB.
//! Out of scope: memory.
//! Limitations: larger sizes; those are whole units.
#![forbid(unsafe_code)]

/// The largest size that has a class.
pub const LARGEST: usize = 32 << 10;
/// How many classes there are.
pub const COUNT: usize = FINE + 5 * STEPS;

const FINE: usize = 64;
const FINE_LIMIT: usize = 1024;
const STEPS: usize = 8;

/// The class of a size from 1 to [`LARGEST`]; 0 counts as 1.
pub fn class_of(size: usize) -> usize {
    if size <= FINE_LIMIT {
        return size.saturating_sub(1) / 16;
    }
    // 1024·2^octave < size <= 1024·2^(octave+1), each octave in eight equal steps.
    let octave = ((size - 1) / FINE_LIMIT).ilog2() as usize;
    let base = FINE_LIMIT << octave;
    let step = base / STEPS;
    FINE + octave * STEPS + (size - base - 1) / step
}

/// The block size of a class.
pub fn size_of(class: usize) -> usize {
    if class < FINE {
        return (class + 1) * 16;
    }
    let (octave, step) = ((class - FINE) / STEPS, (class - FINE) % STEPS);
    let base = FINE_LIMIT << octave;
    base + (step + 1) * (base / STEPS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_fits_its_class_and_not_the_one_before() {
        for size in 1..=LARGEST {
            let class = class_of(size);
            assert!(class < COUNT);
            assert!(size_of(class) >= size, "{size}");
            assert!(class == 0 || size_of(class - 1) < size, "{size}");
        }
        assert_eq!(class_of(0), 0);
        assert_eq!(size_of(COUNT - 1), LARGEST);
    }

    #[test]
    fn blocks_are_multiples_of_16_and_waste_at_most_an_eighth() {
        for class in 0..COUNT {
            assert_eq!(size_of(class) % 16, 0);
        }
        for size in 129..=LARGEST {
            assert!(size_of(class_of(size)) - size <= size / 8, "{size}");
        }
    }

    #[test]
    fn powers_of_two_are_their_own_class() {
        for shift in 4..=15 {
            assert_eq!(size_of(class_of(1 << shift)), 1 << shift);
        }
    }
}
