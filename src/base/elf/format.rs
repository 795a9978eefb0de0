//! The records of an ELF image, as they lie in memory.
//!
//! Knows: the fields of each record, 64-bit and little-endian — System V gABI, chapters 4 and 5; x86-64 psABI, table 4.9; the GNU hash table as
//! binutils writes it.
//! Out of scope: where a record lies, and whether what it says is true.
//! Limitations: other byte orders and sizes.

#![forbid(unsafe_code)]

pub(super) const DT_NULL: u64 = 0;
pub(super) const DT_PLTRELSZ: u64 = 2;
pub(super) const DT_HASH: u64 = 4;
pub(super) const DT_STRTAB: u64 = 5;
pub(super) const DT_SYMTAB: u64 = 6;
pub(super) const DT_RELA: u64 = 7;
pub(super) const DT_RELASZ: u64 = 8;
pub(super) const DT_RELAENT: u64 = 9;
pub(super) const DT_STRSZ: u64 = 10;
pub(super) const DT_SYMENT: u64 = 11;
pub(super) const DT_PLTREL: u64 = 20;
pub(super) const DT_JMPREL: u64 = 23;
pub(super) const DT_GNU_HASH: u64 = 0x6fff_fef5;

pub(super) const R_X86_64_64: u32 = 1;
pub(super) const R_X86_64_GLOB_DAT: u32 = 6;
pub(super) const R_X86_64_JUMP_SLOT: u32 = 7;

/// Takes fields off the beginning of some bytes.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn half(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn word(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn xword(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}

/// An entry of the dynamic section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dynamic {
    pub(super) tag: u64,
    /// An address or a number, by the tag.
    pub(super) value: u64,
}

impl Dynamic {
    pub(super) const SIZE: usize = 16;

    #[inline]
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        Some(Dynamic {
            tag: fields.xword()?,
            value: fields.xword()?,
        })
    }
}

/// A relocation with an addend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rela {
    /// The slot, before the load bias is added.
    pub(super) offset: u64,
    /// How the slot is filled.
    pub(super) kind: u32,
    /// The index of the symbol that fills it; 0 for none.
    pub(super) symbol: u32,
    pub(super) addend: u64,
}

impl Rela {
    pub(super) const SIZE: usize = 24;

    #[inline]
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        Some(Rela {
            offset: fields.xword()?,
            // r_info: the type is its low half, the symbol its high one.
            kind: fields.word()?,
            symbol: fields.word()?,
            addend: fields.xword()?,
        })
    }

    /// Whether its slot is one through which a function of another image is called. A pointer into the middle of a function or an object is
    /// none.
    #[inline]
    pub(super) fn is_import(&self) -> bool {
        let is_slot = match self.kind {
            R_X86_64_JUMP_SLOT | R_X86_64_GLOB_DAT => true,
            R_X86_64_64 => self.addend == 0,
            _ => false,
        };
        is_slot && self.symbol != 0
    }
}

/// A symbol, as far as it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Symbol {
    /// Where its name begins in the string table.
    pub(super) name: u32,
    /// The section that defines it; 0 for another image's.
    section: u16,
}

impl Symbol {
    pub(super) const SIZE: usize = 24;

    #[inline]
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let name = fields.word()?;
        let _info_and_other = fields.half()?;
        Some(Symbol {
            name,
            section: fields.half()?,
        })
    }

    pub(super) fn is_defined(&self) -> bool {
        self.section != 0
    }
}

/// The beginning of a hash table as the gABI has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hash {
    /// As many as there are symbols.
    pub(super) chain_count: u32,
}

impl Hash {
    pub(super) const SIZE: usize = 8;

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let _bucket_count = fields.word()?;
        Some(Hash {
            chain_count: fields.word()?,
        })
    }
}

/// The beginning of a GNU hash table. After it come the words of a Bloom filter, the buckets and the chains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GnuHash {
    pub(super) bucket_count: u32,
    /// The index of the first symbol that is in the table.
    pub(super) first_symbol: u32,
    /// Words of 8 bytes.
    pub(super) bloom_count: u32,
}

impl GnuHash {
    pub(super) const SIZE: usize = 16;

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        Some(GnuHash {
            bucket_count: fields.word()?,
            first_symbol: fields.word()?,
            bloom_count: fields.word()?,
        })
    }

    /// The hash of a name.
    pub(super) fn of(name: &[u8]) -> u32 {
        name.iter().fold(5381u32, |hash, &byte| {
            hash.wrapping_mul(33).wrapping_add(u32::from(byte))
        })
    }
}

/// A bucket of a GNU hash table (the index of its first symbol), or a link of a chain (a hash whose lowest bit marks the end).
pub(super) fn word(bytes: &[u8]) -> Option<u32> {
    Fields(bytes).word()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_field_by_field_and_not_from_too_few_bytes() {
        let bytes: Vec<u8> = (1..=24).collect();
        assert_eq!(
            Dynamic::from_bytes(&bytes),
            Some(Dynamic {
                tag: 0x0807_0605_0403_0201,
                value: 0x100f_0e0d_0c0b_0a09
            })
        );
        assert_eq!(
            Rela::from_bytes(&bytes),
            Some(Rela {
                offset: 0x0807_0605_0403_0201,
                kind: 0x0c0b_0a09,
                symbol: 0x100f_0e0d,
                addend: 0x1817_1615_1413_1211
            })
        );
        assert_eq!(
            Symbol::from_bytes(&bytes),
            Some(Symbol {
                name: 0x0403_0201,
                section: 0x0807
            })
        );
        assert_eq!(
            Hash::from_bytes(&bytes).map(|hash| hash.chain_count),
            Some(0x0807_0605)
        );
        assert_eq!(
            GnuHash::from_bytes(&bytes),
            Some(GnuHash {
                bucket_count: 0x0403_0201,
                first_symbol: 0x0807_0605,
                bloom_count: 0x0c0b_0a09
            })
        );
        assert_eq!(Dynamic::from_bytes(&bytes[..15]), None);
        assert_eq!(Rela::from_bytes(&bytes[..23]), None);
        assert_eq!(Symbol::from_bytes(&bytes[..7]), None);
        assert_eq!(Hash::from_bytes(&bytes[..7]), None);
        assert_eq!(GnuHash::from_bytes(&bytes[..11]), None);
        assert_eq!(word(&bytes[..3]), None);
    }

    #[test]
    fn a_relocation_is_an_import_by_its_type_its_symbol_and_its_addend() {
        let is_import = |kind, symbol, addend| {
            Rela {
                offset: 8,
                kind,
                symbol,
                addend,
            }
            .is_import()
        };
        assert!(is_import(R_X86_64_JUMP_SLOT, 1, 7) && is_import(R_X86_64_GLOB_DAT, 1, 0));
        assert!(is_import(R_X86_64_64, 1, 0) && !is_import(R_X86_64_64, 1, 8));
        assert!(!is_import(R_X86_64_JUMP_SLOT, 0, 0) && !is_import(8, 1, 0));
    }
}
