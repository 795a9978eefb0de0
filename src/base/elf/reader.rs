//! Finds the import slots of an ELF image that is mapped in this process.
//!
//! Knows: the dynamic section, `.rela.plt` and `.rela.dyn` of one 64-bit little-endian image, as bytes.
//! Out of scope: how those bytes are read (the caller's closure does that) or what will be written into a slot.
//! Limitations: calls that do not go through a slot (a statically linked libpthread, calls inside libc).
//! ELF data is untrusted: every sum is checked, every table is bounded, an unknown relocation type is skipped.
#![forbid(unsafe_code)]

/// Where one image lies, as its program headers say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// What was added to the addresses in the file (0 for an executable that is not position-independent).
    pub load_bias: usize,
    /// Address and length of the dynamic section.
    pub dynamic: (usize, usize),
    /// The loaded segments, as `(start, end)`.
    pub segments: Vec<(usize, usize)>,
}

impl Image {
    /// Whether all of `[addr, addr + len)` lies inside one loaded segment.
    pub fn contains(&self, addr: usize, len: usize) -> bool {
        let Some(end) = addr.checked_add(len) else {
            return false;
        };
        self.segments
            .iter()
            .any(|&(from, to)| addr >= from && end <= to)
    }
}

/// One import slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Index into the list of wanted names.
    pub wanted: usize,
    /// The slot's address; pointer-aligned and inside a segment.
    pub addr: usize,
}

/// Why an image was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A table lies outside the loaded segments.
    OutOfBounds,
    /// A table or an entry size that the gABI does not allow here.
    Malformed,
}

// Tags of the dynamic section and relocation types (System V gABI, chapter 5; x86-64 psABI, table 4.9).
const DT_NULL: u64 = 0;
const DT_PLTRELSZ: u64 = 2;
const DT_HASH: u64 = 4;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const DT_RELA: u64 = 7;
const DT_RELASZ: u64 = 8;
const DT_RELAENT: u64 = 9;
const DT_STRSZ: u64 = 10;
const DT_SYMENT: u64 = 11;
const DT_PLTREL: u64 = 20;
const DT_JMPREL: u64 = 23;
const DT_GNU_HASH: u64 = 0x6fff_fef5;
const R_X86_64_64: u32 = 1;
const R_X86_64_GLOB_DAT: u32 = 6;
const R_X86_64_JUMP_SLOT: u32 = 7;

const DYN_SIZE: usize = 16;
const RELA_SIZE: usize = 24;
const SYM_SIZE: usize = 24;
/// No table that we read is larger: a corrupt size must not make us allocate gigabytes.
const TABLE_LIMIT: usize = 64 << 20;

#[derive(Default)]
struct Tables {
    strtab: Option<usize>,
    strsz: usize,
    symtab: Option<usize>,
    rela: Option<usize>,
    relasz: usize,
    jmprel: Option<usize>,
    pltrelsz: usize,
    hash: Option<usize>,
    gnu_hash: Option<usize>,
}

/// The slots through which `image` reaches the functions in `wanted`.
///
/// `read(addr, buffer)` fills the buffer from the image and is called only for ranges inside its segments.
pub fn slots(
    image: &Image,
    wanted: &[&str],
    read: impl FnMut(usize, &mut [u8]),
) -> Result<Vec<Slot>, Refusal> {
    let mut found = Vec::new();
    each_import(image, read, |name, addr| {
        if let Some(wanted) = wanted.iter().position(|want| want.as_bytes() == name) {
            found.push(Slot {
                wanted,
                addr: addr?,
            });
        }
        Ok(())
    })?;
    Ok(found)
}

/// Visits every import slot of `image`: the symbol's name, and the slot's address, or why that is none.
///
/// `read` as for [`slots`]. What `visit` refuses ends the walk.
pub fn each_import(
    image: &Image,
    mut read: impl FnMut(usize, &mut [u8]),
    mut visit: impl FnMut(&[u8], Result<usize, Refusal>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let mut fetch = |addr: usize, len: usize| fetch(image, &mut read, addr, len);
    let tables = tables(image, &fetch(image.dynamic.0, image.dynamic.1)?)?;
    let (Some(strtab), Some(symtab)) = (tables.strtab, tables.symtab) else {
        return Err(Refusal::Malformed);
    };
    let strings = fetch(strtab, tables.strsz)?;

    for (start, len) in [
        (tables.jmprel, tables.pltrelsz),
        (tables.rela, tables.relasz),
    ] {
        let Some(start) = start else { continue };
        let relocations = fetch(start, len)?;
        for entry in relocations.chunks_exact(RELA_SIZE) {
            let info = word(entry, 8)?;
            let kind = info as u32;
            if !matches!(kind, R_X86_64_JUMP_SLOT | R_X86_64_GLOB_DAT | R_X86_64_64) {
                continue;
            }
            // A pointer into the middle of a function or object is not an import slot.
            if kind == R_X86_64_64 && word(entry, 16)? != 0 {
                continue;
            }
            let symbol = (info >> 32) as usize;
            if symbol == 0 {
                continue;
            }
            let addr = symbol
                .checked_mul(SYM_SIZE)
                .and_then(|offset| symtab.checked_add(offset));
            let symbol = fetch(addr.ok_or(Refusal::Malformed)?, SYM_SIZE)?;
            let name = name_at(&strings, word(&symbol, 0)? as u32 as usize)?;
            let addr = (word(entry, 0)? as usize).wrapping_add(image.load_bias);
            let slot = if addr.is_multiple_of(8) && image.contains(addr, 8) {
                Ok(addr)
            } else {
                Err(Refusal::OutOfBounds)
            };
            visit(name, slot)?;
        }
    }
    Ok(())
}

/// Whether `image` itself defines one of the symbols in `names`, for others to use.
///
/// `read` as for [`slots`]. An image without a GNU hash table (`-Wl,--hash-style=sysv`) is looked through symbol by symbol.
pub fn exports_any(
    image: &Image,
    names: &[&str],
    mut read: impl FnMut(usize, &mut [u8]),
) -> Result<bool, Refusal> {
    let mut fetch = |addr: usize, len: usize| fetch(image, &mut read, addr, len);
    let tables = tables(image, &fetch(image.dynamic.0, image.dynamic.1)?)?;
    let (Some(strtab), Some(symtab)) = (tables.strtab, tables.symtab) else {
        return Err(Refusal::Malformed);
    };
    if let Some(hash) = tables.gnu_hash {
        for name in names {
            if gnu_defines(&mut fetch, hash, symtab, strtab, name.as_bytes())? {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    let Some(hash) = tables.hash else {
        return Ok(false);
    };
    let strings = fetch(strtab, tables.strsz)?;
    // nchain, the second word of the table, is the number of symbols — System V gABI, "Hash Table".
    let count = (word(&fetch(hash, 8)?, 0)? >> 32) as usize;
    let bytes = count.checked_mul(SYM_SIZE).ok_or(Refusal::Malformed)?;
    for symbol in fetch(symtab, bytes)?.chunks_exact(SYM_SIZE) {
        // st_shndx, the third field: 0 is a symbol that is defined elsewhere.
        let defined = word(symbol, 0)? >> 48 != 0;
        if !defined {
            continue;
        }
        let name = name_at(&strings, word(symbol, 0)? as u32 as usize)?;
        if names.iter().any(|want| want.as_bytes() == name) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Looks a name up as the loader does: one bucket of the GNU hash table, a few symbols. Node's own table has some 60,000, and reading all of
/// them took milliseconds.
fn gnu_defines(
    fetch: &mut impl FnMut(usize, usize) -> Result<Vec<u8>, Refusal>,
    hash: usize,
    symtab: usize,
    strtab: usize,
    name: &[u8],
) -> Result<bool, Refusal> {
    let wanted = name.iter().fold(5381u32, |hash, &byte| {
        hash.wrapping_mul(33).wrapping_add(u32::from(byte))
    });
    let at = |start: usize, count: usize, size: usize| {
        count
            .checked_mul(size)
            .and_then(|bytes| start.checked_add(bytes))
            .ok_or(Refusal::Malformed)
    };
    let header = fetch(hash, 16)?;
    let (buckets, first, bloom) = (half(&header, 0)?, half(&header, 4)?, half(&header, 8)?);
    if buckets == 0 {
        return Ok(false);
    }
    let bucket_table = at(hash + 16, bloom as usize, 8)?;
    let chains = at(bucket_table, buckets as usize, 4)?;
    let bucket = fetch(at(bucket_table, (wanted % buckets) as usize, 4)?, 4)?;
    let mut index = half(&bucket, 0)?;
    if index < first {
        return Ok(false);
    }
    loop {
        let chain = fetch(at(chains, (index - first) as usize, 4)?, 4)?;
        let chained = half(&chain, 0)?;
        if chained | 1 == wanted | 1 {
            let symbol = fetch(at(symtab, index as usize, SYM_SIZE)?, SYM_SIZE)?;
            // st_name, then st_info, st_other and st_shndx: 0 is a symbol that is defined elsewhere.
            let (offset, defined) = (half(&symbol, 0)?, half(&symbol, 4)? >> 16 != 0);
            if defined {
                let text = fetch(at(strtab, offset as usize, 1)?, name.len() + 1)?;
                if text.strip_suffix(&[0]) == Some(name) {
                    return Ok(true);
                }
            }
        }
        // The lowest bit marks the end of a chain.
        if chained & 1 == 1 {
            return Ok(false);
        }
        index = index.checked_add(1).ok_or(Refusal::Malformed)?;
    }
}

fn fetch(
    image: &Image,
    read: &mut impl FnMut(usize, &mut [u8]),
    addr: usize,
    len: usize,
) -> Result<Vec<u8>, Refusal> {
    if len > TABLE_LIMIT || !image.contains(addr, len) {
        return Err(Refusal::OutOfBounds);
    }
    let mut bytes = vec![0; len];
    read(addr, &mut bytes);
    Ok(bytes)
}

fn tables(image: &Image, dynamic: &[u8]) -> Result<Tables, Refusal> {
    let mut tables = Tables::default();
    for entry in dynamic.chunks_exact(DYN_SIZE) {
        let value = word(entry, 8)?;
        // The loader of glibc writes absolute addresses into a writable dynamic section; others leave them
        // relative. An address below the bias can only be relative.
        let pointer = || {
            let raw = value as usize;
            Some(if raw < image.load_bias {
                raw.wrapping_add(image.load_bias)
            } else {
                raw
            })
        };
        match word(entry, 0)? {
            DT_NULL => break,
            DT_HASH => tables.hash = pointer(),
            DT_GNU_HASH => tables.gnu_hash = pointer(),
            DT_STRTAB => tables.strtab = pointer(),
            DT_STRSZ => tables.strsz = value as usize,
            DT_SYMTAB => tables.symtab = pointer(),
            DT_RELA => tables.rela = pointer(),
            DT_RELASZ => tables.relasz = value as usize,
            DT_JMPREL => tables.jmprel = pointer(),
            DT_PLTRELSZ => tables.pltrelsz = value as usize,
            DT_RELAENT if value as usize != RELA_SIZE => return Err(Refusal::Malformed),
            DT_SYMENT if value as usize != SYM_SIZE => return Err(Refusal::Malformed),
            DT_PLTREL if value != DT_RELA => return Err(Refusal::Malformed),
            _ => {}
        }
    }
    Ok(tables)
}

fn half(bytes: &[u8], offset: usize) -> Result<u32, Refusal> {
    let end = offset.checked_add(4).ok_or(Refusal::Malformed)?;
    let bytes = bytes.get(offset..end).ok_or(Refusal::Malformed)?;
    Ok(u32::from_le_bytes(
        bytes.try_into().map_err(|_| Refusal::Malformed)?,
    ))
}

fn word(bytes: &[u8], offset: usize) -> Result<u64, Refusal> {
    let end = offset.checked_add(8).ok_or(Refusal::Malformed)?;
    let bytes = bytes.get(offset..end).ok_or(Refusal::Malformed)?;
    Ok(u64::from_le_bytes(
        bytes.try_into().map_err(|_| Refusal::Malformed)?,
    ))
}

fn name_at(strings: &[u8], offset: usize) -> Result<&[u8], Refusal> {
    let tail = strings.get(offset..).ok_or(Refusal::OutOfBounds)?;
    let end = tail
        .iter()
        .position(|&byte| byte == 0)
        .ok_or(Refusal::Malformed)?;
    Ok(&tail[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    // An invented image at 0x10000:
    //   +0x000 dynamic   +0x100 symbols (null, malloc, free)   +0x200 strings
    //   +0x300 .rela.plt (free)   +0x400 .rela.dyn (malloc, a RELATIVE one)   +0x500 slots
    const BASE: usize = 0x10000;

    fn image(bias: usize) -> (Image, Vec<u8>) {
        let mut bytes = vec![0u8; 0x600];
        let mut put = |at: usize, words: &[u64]| {
            for (index, value) in words.iter().enumerate() {
                bytes[at + index * 8..at + index * 8 + 8].copy_from_slice(&value.to_le_bytes());
            }
        };
        let at = |offset: usize| (BASE + offset - bias) as u64;
        put(
            0,
            &[
                DT_STRTAB,
                at(0x200),
                DT_STRSZ,
                13,
                DT_SYMTAB,
                at(0x100),
                DT_RELA,
                at(0x400),
                DT_RELASZ,
                48,
                DT_RELAENT,
                24,
                DT_SYMENT,
                24,
                DT_PLTREL,
                7,
                DT_JMPREL,
                at(0x300),
                DT_PLTRELSZ,
                24,
                DT_NULL,
                0,
            ],
        );
        put(0x100 + SYM_SIZE, &[1, 0, 0, 8]);
        put(
            0x300,
            &[at(0x500), 2 << 32 | u64::from(R_X86_64_JUMP_SLOT), 0],
        );
        put(
            0x400,
            &[
                at(0x508),
                1 << 32 | u64::from(R_X86_64_GLOB_DAT),
                0,
                at(0x510),
                8,
                0x77,
            ],
        );
        bytes[0x200..0x20d].copy_from_slice(b"\0malloc\0free\0");
        let image = Image {
            load_bias: bias,
            dynamic: (BASE, 0x160),
            segments: vec![(BASE, BASE + 0x600)],
        };
        (image, bytes)
    }

    fn find(image: &Image, bytes: &[u8], wanted: &[&str]) -> Result<Vec<Slot>, Refusal> {
        slots(image, wanted, |addr, buffer| {
            buffer.copy_from_slice(&bytes[addr - BASE..addr - BASE + buffer.len()]);
        })
    }

    #[test]
    fn both_tables_are_walked_and_other_relocations_skipped() {
        let (image, bytes) = image(0);
        assert_eq!(
            find(&image, &bytes, &["malloc", "free", "calloc"]),
            Ok(vec![
                Slot {
                    wanted: 1,
                    addr: BASE + 0x500
                },
                Slot {
                    wanted: 0,
                    addr: BASE + 0x508
                }
            ])
        );
    }

    #[test]
    fn addresses_below_the_load_bias_are_relative_to_it() {
        let (image, bytes) = image(0x10000);
        assert_eq!(
            find(&image, &bytes, &["free"]),
            Ok(vec![Slot {
                wanted: 0,
                addr: BASE + 0x500
            }])
        );
    }

    #[test]
    fn any_single_corrupted_byte_is_refused_or_read_without_leaving_the_image() {
        // GIVEN every byte of the image replaced in turn, by values that make sizes and addresses overflow
        let (image, good) = image(0);
        for at in 0..good.len() {
            for value in [0x00, 0x01, 0x7f, 0xff] {
                let mut bytes = good.clone();
                bytes[at] = value;
                // THEN reading ends; a range outside the image would panic in `find`
                if let Ok(slots) = find(&image, &bytes, &["malloc", "free"]) {
                    assert!(slots.iter().all(|slot| image.contains(slot.addr, 8)));
                }
            }
        }
    }

    #[test]
    fn a_slot_outside_the_segments_refuses_the_image() {
        let (image, mut bytes) = image(0);
        bytes[0x300..0x308].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(find(&image, &bytes, &["free"]), Err(Refusal::OutOfBounds));
    }

    #[test]
    fn a_range_that_wraps_around_is_not_inside() {
        let (image, _) = image(0);
        assert!(!image.contains(usize::MAX - 3, 8));
    }

    /// An image with a GNU hash table of two buckets, in which these symbols are (the first one undefined).
    fn hashed(names: &[&str]) -> (Image, Vec<u8>) {
        let mut bytes = vec![0u8; 0x600];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        let at = |offset: usize| (BASE + offset) as u64;
        let dynamic = [
            DT_STRTAB,
            at(0x200),
            DT_STRSZ,
            0x80,
            DT_SYMTAB,
            at(0x100),
            DT_GNU_HASH,
            at(0x400),
            0,
            0,
        ];
        for (index, value) in dynamic.iter().enumerate() {
            put(index * 8, &value.to_le_bytes());
        }
        let hash = |name: &str| {
            name.bytes().fold(5381u32, |hash, byte| {
                hash.wrapping_mul(33).wrapping_add(u32::from(byte))
            })
        };
        let mut sorted: Vec<&str> = names.to_vec();
        sorted.sort_by_key(|name| hash(name) % 2);
        let (buckets, first, bloom) = (2u32, 1u32, 1u32);
        for (index, value) in [buckets, first, bloom, 6].iter().enumerate() {
            put(0x400 + index * 4, &value.to_le_bytes());
        }
        let mut offset = 1;
        for (index, name) in sorted.iter().enumerate() {
            let place = index + 1;
            put(0x200 + offset, name.as_bytes());
            put(0x100 + place * SYM_SIZE, &(offset as u32).to_le_bytes());
            let section: u16 = u16::from(*name != names[0]);
            put(0x100 + place * SYM_SIZE + 6, &section.to_le_bytes());
            offset += name.len() + 1;
            let bucket = hash(name) % 2;
            let is_last = sorted
                .get(index + 1)
                .is_none_or(|next| hash(next) % 2 != bucket);
            let chained = hash(name) & !1 | u32::from(is_last);
            put(0x400 + 16 + 8 + 8 + index * 4, &chained.to_le_bytes());
            let is_first = index == 0 || hash(sorted[index - 1]) % 2 != bucket;
            if is_first {
                put(
                    0x400 + 16 + 8 + bucket as usize * 4,
                    &(place as u32).to_le_bytes(),
                );
            }
        }
        let image = Image {
            load_bias: BASE,
            dynamic: (BASE, 0x60),
            segments: vec![(BASE, BASE + 0x600)],
        };
        (image, bytes)
    }

    #[test]
    fn a_name_is_found_by_the_gnu_hash_table_where_the_image_defines_it() {
        let names = [
            "wanted_elsewhere",
            "napi_create_reference",
            "napi_wrap",
            "uv_run",
            "main",
        ];
        let (image, bytes) = hashed(&names);
        let defines = |name: &str| {
            exports_any(&image, &[name], |addr, out| {
                out.copy_from_slice(&bytes[addr - BASE..addr - BASE + out.len()]);
            })
        };
        for name in &names[1..] {
            assert_eq!(defines(name), Ok(true), "{name}");
        }
        for name in [
            names[0],
            "napi_create_referenc",
            "napi_create_reference2",
            "",
            "absent",
        ] {
            assert_eq!(defines(name), Ok(false), "{name}");
        }
    }

    #[test]
    fn a_gnu_hash_table_that_leads_astray_is_refused_and_not_followed_for_ever() {
        let (image, mut bytes) = hashed(&["a", "b", "c"]);
        // No chain ends any more.
        for chain in 0..64 {
            let at = 0x400 + 16 + 8 + 8 + chain * 4;
            if at < bytes.len() {
                bytes[at] &= !1;
            }
        }
        let found = exports_any(&image, &["absent"], |addr, out| {
            out.copy_from_slice(&bytes[addr - BASE..addr - BASE + out.len()]);
        });
        assert_eq!(found, Err(Refusal::OutOfBounds));
    }
}
