//! How far it is to the next sample: exponentially distributed gaps, which make a Poisson process.
//!
//! Knows: the state of a generator. Out of scope: what is sampled.
//! Limitations: not for secrets.
#![forbid(unsafe_code)]

/// Random numbers by SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", 2014). Not for secrets.
#[derive(Debug, Clone)]
pub struct Gaps {
    state: u64,
}

impl Gaps {
    /// The same seed gives the same gaps.
    pub fn new(seed: u64) -> Self {
        Gaps { state: seed }
    }

    fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// The next gap, `mean` on average.
    pub fn next(&mut self, mean: f64) -> f64 {
        // Uniform in (0, 1]: the logarithm of 0 would be an infinite gap.
        let uniform = ((self.next_u64() >> 11) + 1) as f64 / (1u64 << 53) as f64;
        -mean * uniform.ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_have_the_mean_and_the_spread_of_an_exponential_distribution() {
        let mut gaps = Gaps::new(7);
        let drawn: Vec<f64> = (0..100_000).map(|_| gaps.next(512.0)).collect();

        let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
        let variance =
            drawn.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / drawn.len() as f64;
        assert!((mean / 512.0 - 1.0).abs() < 0.02, "mean {mean}");
        assert!(
            (variance.sqrt() / 512.0 - 1.0).abs() < 0.02,
            "spread {}",
            variance.sqrt()
        );
        assert!(drawn.iter().all(|gap| gap.is_finite() && *gap >= 0.0));
    }

    #[test]
    fn a_seed_gives_the_same_gaps_again() {
        let draw = |seed| {
            let mut gaps = Gaps::new(seed);
            [gaps.next(1.0), gaps.next(1.0)]
        };

        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }
}
