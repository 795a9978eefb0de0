//! A keyed hash of a text.
//!
//! Knows: SipHash-2-4. Out of scope: where the key is from.
//! Limitations: 64 bits, so that among billions of texts two may have one hash.

#![forbid(unsafe_code)]

/// SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash made for short inputs. Without the key nothing can be
/// tried out against it.
pub(super) struct SipKey {
    k0: u64,
    k1: u64,
}

impl SipKey {
    pub(super) fn new(key: [u8; 16]) -> SipKey {
        let half = |range: std::ops::Range<usize>| {
            key[range]
                .iter()
                .rev()
                .fold(0u64, |word, &byte| word << 8 | u64::from(byte))
        };
        SipKey {
            k0: half(0..8),
            k1: half(8..16),
        }
    }

    pub(super) fn hash(&self, text: &[u8]) -> u64 {
        let mut v = [
            self.k0 ^ 0x736f_6d65_7073_6575,
            self.k1 ^ 0x646f_7261_6e64_6f6d,
            self.k0 ^ 0x6c79_6765_6e65_7261,
            self.k1 ^ 0x7465_6462_7974_6573,
        ];
        let word = |bytes: &[u8]| {
            bytes
                .iter()
                .rev()
                .fold(0u64, |word, &byte| word << 8 | u64::from(byte))
        };
        let blocks = text.chunks_exact(8);
        let last = word(blocks.remainder()) | (text.len() as u64) << 56;
        for block in blocks.map(word).chain([last]) {
            v[3] ^= block;
            round(&mut v);
            round(&mut v);
            v[0] ^= block;
        }
        v[2] ^= 0xff;
        for _ in 0..4 {
            round(&mut v);
        }
        v[0] ^ v[1] ^ v[2] ^ v[3]
    }
}

fn round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[2] = v[2].rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_siphash_2_4() {
        // The vectors of the paper: key 00…0f, input 00, 00 01, 00 01 02, …
        let key = SipKey::new(std::array::from_fn(|index| index as u8));
        let input: Vec<u8> = (0..15).collect();
        assert_eq!(key.hash(&[]), 0x726f_db47_dd0e_0e31);
        assert_eq!(key.hash(&input), 0xa129_ca61_49be_45e5);
    }
}
