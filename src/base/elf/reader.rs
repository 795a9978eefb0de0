//! Finds the import slots of an ELF image that is mapped in this process, and the symbols that it defines.
//!
//! Knows: the dynamic section, `.rela.plt`, `.rela.dyn` and the hash tables of one 64-bit little-endian image, as bytes.
//! Out of scope: how those bytes are read (the caller's closure does that), and what will be written into a slot.
//! Limitations: calls that do not go through a slot (a statically linked libpthread, calls inside libc).
//!
//! ELF data is untrusted: every sum is checked, every table is bounded, an unknown relocation type is skipped.

#![forbid(unsafe_code)]

use std::fmt;

use super::format::{self, Dynamic, GnuHash, Hash, Rela, Symbol};

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

    /// An address as the file has it: what `readelf` shows.
    pub fn offset_of(&self, addr: usize) -> usize {
        addr.wrapping_sub(self.load_bias)
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

/// A table of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Symbols.
    Symbols,
    /// The names of symbols.
    Strings,
    /// Relocations.
    Relocations,
}

/// Why an image was not read: what failed, and where. An offset is an address as the file has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadError {
    /// The dynamic section is not in a loaded segment.
    Dynamic {
        /// Where it begins.
        offset: usize,
    },
    /// The image has no such table.
    Missing {
        /// Which.
        table: Table,
    },
    /// The entries of a table have another size than the gABI gives them.
    EntrySize {
        /// Which.
        table: Table,
        /// The size that the image says.
        size: u64,
    },
    /// The relocations of the PLT have another type than RELA.
    PltRelocations {
        /// The tag of the type.
        tag: u64,
    },
    /// A table of relocations is not in a loaded segment, or too large.
    Relocations {
        /// Where it begins.
        offset: usize,
    },
    /// The string table is not in a loaded segment, or too large.
    Strings {
        /// Where it begins.
        offset: usize,
    },
    /// A symbol, or all of them, are not in a loaded segment.
    Symbols {
        /// Where it begins.
        offset: usize,
    },
    /// A name does not begin or end in the string table.
    Name {
        /// Where it begins in the string table.
        index: usize,
    },
    /// A slot is not aligned, or not in a loaded segment.
    Slot {
        /// Where it is.
        offset: usize,
    },
    /// A part of the hash table is not in a loaded segment.
    Hash {
        /// Where the table begins.
        offset: usize,
    },
    /// A part of the GNU hash table is not in a loaded segment.
    GnuHash {
        /// Where the table begins.
        offset: usize,
    },
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Table::Symbols => "symbol table",
            Table::Strings => "string table",
            Table::Relocations => "relocation table",
        })
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outside = |f: &mut fmt::Formatter<'_>, what: &str, offset: &usize| {
            write!(f, "{what} at {offset:#x} is not in a loaded segment")
        };
        let table = |f: &mut fmt::Formatter<'_>, table: Table, offset: &usize| {
            write!(
                f,
                "the {table} at {offset:#x} is not in a loaded segment, or larger than {} MiB",
                TABLE_LIMIT >> 20
            )
        };
        match self {
            ReadError::Dynamic { offset } => outside(f, "the dynamic section", offset),
            ReadError::Missing { table } => write!(f, "there is no {table}"),
            ReadError::EntrySize { table, size } => {
                write!(f, "the entries of the {table} have {size} bytes")
            }
            ReadError::PltRelocations { tag } => {
                write!(
                    f,
                    "the relocations of the PLT have the type {tag}, not RELA"
                )
            }
            ReadError::Relocations { offset } => table(f, Table::Relocations, offset),
            ReadError::Strings { offset } => table(f, Table::Strings, offset),
            ReadError::Symbols { offset } => outside(f, "a symbol", offset),
            ReadError::Name { index } => {
                write!(f, "the name at {index:#x} of the string table has no end")
            }
            ReadError::Slot { offset } => {
                write!(
                    f,
                    "a slot at {offset:#x} is not aligned, or not in a loaded segment"
                )
            }
            ReadError::Hash { offset } => outside(f, "a part of the hash table", offset),
            ReadError::GnuHash { offset } => outside(f, "a part of the GNU hash table", offset),
        }
    }
}

/// No table that we read is larger: a corrupt size must not make us allocate gigabytes.
const TABLE_LIMIT: usize = 64 << 20;

/// Tables are read in pieces. The string table of Node 20 has 5 MB: a copy of it, read once, stayed in malloc's heap for good.
const NAME_PIECE: usize = 128;
/// In entries.
const RELOCATIONS_PIECE: usize = 64;

/// The memory of one image, read by a closure of the caller's.
struct Memory<'a, R> {
    image: &'a Image,
    read: R,
}

impl<R: FnMut(usize, &mut [u8])> Memory<'_, R> {
    /// The bytes of a table, if they are in a loaded segment and not too many.
    fn table(&mut self, addr: usize, len: usize) -> Option<Vec<u8>> {
        if !self.has_table(addr, len) {
            return None;
        }
        let mut bytes = vec![0; len];
        (self.read)(addr, &mut bytes);
        Some(bytes)
    }

    /// The bytes of entry `index` of the table at `addr`, if they are in a loaded segment.
    #[inline]
    fn entry<const SIZE: usize>(&mut self, addr: usize, index: usize) -> Option<[u8; SIZE]> {
        let addr = entry_address(addr, index, SIZE)?;
        if !self.image.contains(addr, SIZE) {
            return None;
        }
        let mut bytes = [0; SIZE];
        (self.read)(addr, &mut bytes);
        Some(bytes)
    }

    /// Word `index` of those at `addr`, if it is in a loaded segment.
    fn word(&mut self, addr: usize, index: u32) -> Option<u32> {
        self.entry::<4>(addr, index as usize)
            .and_then(|bytes| format::word(&bytes))
    }

    fn tables(&mut self) -> Result<Tables, ReadError> {
        let (addr, len) = self.image.dynamic;
        let dynamic = self.table(addr, len).ok_or(ReadError::Dynamic {
            offset: self.image.offset_of(addr),
        })?;
        Tables::from_dynamic(self.image, &dynamic)
    }

    /// Whether a table of this length may be read, piece by piece.
    fn has_table(&self, addr: usize, len: usize) -> bool {
        len <= TABLE_LIMIT && self.image.contains(addr, len)
    }

    fn check_strings(&self, tables: &Tables) -> Result<(), ReadError> {
        if self.has_table(tables.strings, tables.strings_len) {
            return Ok(());
        }
        Err(ReadError::Strings {
            offset: self.image.offset_of(tables.strings),
        })
    }

    /// Reads the name at a place of the string table into `name`. Only after [`Memory::check_strings`].
    fn name_at(
        &mut self,
        tables: &Tables,
        index: usize,
        name: &mut Vec<u8>,
    ) -> Result<(), ReadError> {
        name.clear();
        let mut at = index;
        while at < tables.strings_len {
            let mut bytes = [0; NAME_PIECE];
            let len = NAME_PIECE.min(tables.strings_len - at);
            let (Some(piece), Some(addr)) = (bytes.get_mut(..len), tables.strings.checked_add(at))
            else {
                break;
            };
            (self.read)(addr, piece);
            if let Some(end) = piece.iter().position(|&byte| byte == 0) {
                name.extend(piece.iter().take(end));
                return Ok(());
            }
            name.extend_from_slice(piece);
            at += len;
        }
        Err(ReadError::Name { index })
    }

    /// Visits the relocations of a table, a piece at a time.
    fn each_relocation(
        &mut self,
        start: usize,
        len: usize,
        mut visit: impl FnMut(&mut Self, Rela) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let outside = ReadError::Relocations {
            offset: self.image.offset_of(start),
        };
        if !self.has_table(start, len) {
            return Err(outside);
        }
        let mut bytes = [0; RELOCATIONS_PIECE * Rela::SIZE];
        let mut at = 0;
        while at < len {
            let piece = bytes
                .get_mut(..(len - at).min(RELOCATIONS_PIECE * Rela::SIZE))
                .ok_or(outside)?;
            (self.read)(start.checked_add(at).ok_or(outside)?, piece);
            for relocation in piece.chunks_exact(Rela::SIZE).filter_map(Rela::from_bytes) {
                visit(self, relocation)?;
            }
            at += piece.len();
        }
        Ok(())
    }

    fn symbol(&mut self, tables: &Tables, index: usize) -> Result<Symbol, ReadError> {
        self.entry::<{ Symbol::SIZE }>(tables.symbols, index)
            .and_then(|bytes| Symbol::from_bytes(&bytes))
            .ok_or_else(|| ReadError::Symbols {
                offset: self
                    .image
                    .offset_of(tables.symbols)
                    .wrapping_add(index.wrapping_mul(Symbol::SIZE)),
            })
    }
}

fn entry_address(addr: usize, index: usize, size: usize) -> Option<usize> {
    addr.checked_add(index.checked_mul(size)?)
}

/// Where the tables of an image are.
#[derive(Debug)]
struct Tables {
    symbols: usize,
    strings: usize,
    strings_len: usize,
    /// `.rela.plt` and `.rela.dyn`, if there are: address and length.
    relocations: [Option<(usize, usize)>; 2],
    hash: Option<usize>,
    gnu_hash: Option<usize>,
}

impl Tables {
    fn from_dynamic(image: &Image, dynamic: &[u8]) -> Result<Self, ReadError> {
        // The loader of glibc writes absolute addresses into a writable dynamic section; others leave them
        // relative. An address below the bias can only be relative.
        let address = |value: u64| {
            let raw = value as usize;
            Some(if raw < image.load_bias {
                raw.wrapping_add(image.load_bias)
            } else {
                raw
            })
        };
        let entry_size = |table, size: u64, expected: usize| {
            if size as usize == expected {
                Ok(())
            } else {
                Err(ReadError::EntrySize { table, size })
            }
        };
        let (mut strings, mut symbols, mut hash, mut gnu_hash) = (None, None, None, None);
        let (mut plt, mut plt_len, mut rela, mut rela_len) = (None, 0, None, 0);
        let mut strings_len = 0;
        let entries = dynamic.chunks_exact(Dynamic::SIZE);
        for Dynamic { tag, value } in entries.filter_map(Dynamic::from_bytes) {
            match tag {
                format::DT_NULL => break,
                format::DT_HASH => hash = address(value),
                format::DT_GNU_HASH => gnu_hash = address(value),
                format::DT_STRTAB => strings = address(value),
                format::DT_STRSZ => strings_len = value as usize,
                format::DT_SYMTAB => symbols = address(value),
                format::DT_RELA => rela = address(value),
                format::DT_RELASZ => rela_len = value as usize,
                format::DT_JMPREL => plt = address(value),
                format::DT_PLTRELSZ => plt_len = value as usize,
                format::DT_RELAENT => entry_size(Table::Relocations, value, Rela::SIZE)?,
                format::DT_SYMENT => entry_size(Table::Symbols, value, Symbol::SIZE)?,
                format::DT_PLTREL if value != format::DT_RELA => {
                    return Err(ReadError::PltRelocations { tag: value })
                }
                _ => {}
            }
        }
        let missing = |table| ReadError::Missing { table };
        Ok(Tables {
            symbols: symbols.ok_or(missing(Table::Symbols))?,
            strings: strings.ok_or(missing(Table::Strings))?,
            strings_len,
            relocations: [
                plt.map(|addr| (addr, plt_len)),
                rela.map(|addr| (addr, rela_len)),
            ],
            hash,
            gnu_hash,
        })
    }
}

/// The slots through which `image` reaches the functions in `wanted`.
///
/// `read(addr, buffer)` fills the buffer from the image and is called only for ranges inside its segments.
pub fn slots(
    image: &Image,
    wanted: &[&str],
    read: impl FnMut(usize, &mut [u8]),
) -> Result<Vec<Slot>, ReadError> {
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
    read: impl FnMut(usize, &mut [u8]),
    mut visit: impl FnMut(&[u8], Result<usize, ReadError>) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let mut memory = Memory { image, read };
    let tables = memory.tables()?;
    memory.check_strings(&tables)?;
    let mut name = Vec::new();
    for (start, len) in tables.relocations.into_iter().flatten() {
        memory.each_relocation(start, len, |memory, relocation| {
            if !relocation.is_import() {
                return Ok(());
            }
            let symbol = memory.symbol(&tables, relocation.symbol as usize)?;
            memory.name_at(&tables, symbol.name as usize, &mut name)?;
            let offset = relocation.offset as usize;
            let addr = offset.wrapping_add(image.load_bias);
            let slot = if addr.is_multiple_of(8) && image.contains(addr, 8) {
                Ok(addr)
            } else {
                Err(ReadError::Slot { offset })
            };
            visit(&name, slot)
        })?;
    }
    Ok(())
}

/// Whether `image` itself defines one of the symbols in `names`, for others to use.
///
/// `read` as for [`slots`]. An image without a GNU hash table (`-Wl,--hash-style=sysv`) is looked through symbol by symbol.
pub fn exports_any(
    image: &Image,
    names: &[&str],
    read: impl FnMut(usize, &mut [u8]),
) -> Result<bool, ReadError> {
    let mut memory = Memory { image, read };
    let tables = memory.tables()?;
    if let Some(hash) = tables.gnu_hash {
        for name in names {
            if gnu_hash_defines(&mut memory, &tables, hash, name.as_bytes())? {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    let Some(hash) = tables.hash else {
        return Ok(false);
    };
    memory.check_strings(&tables)?;
    let header = memory
        .entry::<{ Hash::SIZE }>(hash, 0)
        .and_then(|bytes| Hash::from_bytes(&bytes))
        .ok_or(ReadError::Hash {
            offset: image.offset_of(hash),
        })?;
    let count = header.chain_count as usize;
    let outside = ReadError::Symbols {
        offset: image.offset_of(tables.symbols),
    };
    let len = count.checked_mul(Symbol::SIZE).ok_or(outside)?;
    if !memory.has_table(tables.symbols, len) {
        return Err(outside);
    }
    let mut name = Vec::new();
    for index in 0..count {
        let symbol = memory.symbol(&tables, index)?;
        if !symbol.is_defined() {
            continue;
        }
        memory.name_at(&tables, symbol.name as usize, &mut name)?;
        if names.iter().any(|want| want.as_bytes() == name) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Looks a name up as the loader does: one bucket of the GNU hash table, a few symbols. Node's own table has some 60,000, and reading all of
/// them took milliseconds.
fn gnu_hash_defines<R: FnMut(usize, &mut [u8])>(
    memory: &mut Memory<'_, R>,
    tables: &Tables,
    hash: usize,
    name: &[u8],
) -> Result<bool, ReadError> {
    let wanted = GnuHash::of(name);
    let outside = ReadError::GnuHash {
        offset: memory.image.offset_of(hash),
    };
    let header = memory
        .entry::<{ GnuHash::SIZE }>(hash, 0)
        .and_then(|bytes| GnuHash::from_bytes(&bytes))
        .ok_or(outside)?;
    if header.bucket_count == 0 {
        return Ok(false);
    }
    let bloom = entry_address(hash, 1, GnuHash::SIZE).ok_or(outside)?;
    let buckets = entry_address(bloom, header.bloom_count as usize, 8).ok_or(outside)?;
    let chains = entry_address(buckets, header.bucket_count as usize, 4).ok_or(outside)?;
    let mut index = memory
        .word(buckets, wanted % header.bucket_count)
        .ok_or(outside)?;
    if index < header.first_symbol {
        return Ok(false);
    }
    loop {
        let chained = memory
            .word(chains, index - header.first_symbol)
            .ok_or(outside)?;
        if chained | 1 == wanted | 1 {
            let symbol = memory.symbol(tables, index as usize)?;
            if symbol.is_defined() && is_name(memory, tables, symbol.name as usize, name)? {
                return Ok(true);
            }
        }
        // The lowest bit marks the end of a chain.
        if chained & 1 == 1 {
            return Ok(false);
        }
        index = index.checked_add(1).ok_or(outside)?;
    }
}

/// Whether this name stands at a place of the string table.
fn is_name<R: FnMut(usize, &mut [u8])>(
    memory: &mut Memory<'_, R>,
    tables: &Tables,
    index: usize,
    name: &[u8],
) -> Result<bool, ReadError> {
    let text = tables
        .strings
        .checked_add(index)
        .and_then(|addr| memory.table(addr, name.len() + 1))
        .ok_or(ReadError::Name { index })?;
    Ok(text.strip_suffix(&[0]) == Some(name))
}

#[cfg(test)]
mod tests {
    use super::format::*;
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
        put(0x100 + Symbol::SIZE, &[1, 0, 0, 8]);
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

    fn find(image: &Image, bytes: &[u8], wanted: &[&str]) -> Result<Vec<Slot>, ReadError> {
        slots(image, wanted, reader(bytes))
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

    /// Reads from the bytes of an image; a range outside of it panics.
    fn reader(bytes: &[u8]) -> impl FnMut(usize, &mut [u8]) + '_ {
        |addr, buffer| buffer.copy_from_slice(&bytes[addr - BASE..addr - BASE + buffer.len()])
    }

    #[test]
    fn a_large_table_is_read_in_small_pieces() {
        // GIVEN an image whose string table ends in a name of 1,000 bytes, and 200 relocations
        let (image, mut bytes) = image(0);
        bytes.resize(0x4000, 0);
        let image = Image {
            segments: vec![(BASE, BASE + 0x4000)],
            ..image
        };
        let long = "n".repeat(1_000);
        let mut put = |at: usize, value: usize| {
            bytes[at..at + 8].copy_from_slice(&(value as u64).to_le_bytes());
        };
        let (strings, relocations) = (BASE + 0x1000, BASE + 0x2000);
        for (entry, value) in [(0, strings), (1, 1_014), (3, relocations), (4, 200 * 24)] {
            put(entry * 16 + 8, value);
        }
        for index in 0..200 {
            put(0x2000 + index * 24, BASE + 0x500 + index % 16 * 8);
            let kind = R_X86_64_GLOB_DAT as usize;
            put(0x2000 + index * 24 + 8, 2 << 32 | kind);
        }
        bytes[0x1000..0x100d].copy_from_slice(b"\0malloc\0free\0");
        bytes[0x100d..0x100d + 1_000].copy_from_slice(long.as_bytes());
        // The second symbol has the long name.
        bytes[0x100 + 2 * Symbol::SIZE..][..4].copy_from_slice(&13u32.to_le_bytes());
        // WHEN it is walked
        let (mut largest, mut names) = (0, 0);
        let read = |addr: usize, buffer: &mut [u8]| {
            largest = largest.max(buffer.len());
            reader(&bytes)(addr, buffer);
        };
        let walked = each_import(&image, read, |name, _| {
            assert_eq!(name, long.as_bytes());
            names += 1;
            Ok(())
        });
        // THEN every name is whole, and no copy is as large as a table
        assert_eq!(walked, Ok(()));
        assert_eq!(names, 201);
        assert!(largest <= 64 * Rela::SIZE, "{largest}");
    }

    #[test]
    fn any_single_corrupted_byte_is_refused_or_read_without_leaving_the_image() {
        let names = ["wanted_elsewhere", "malloc", "napi_wrap", "free"];
        // GIVEN every byte of an image replaced in turn, by values that make sizes and addresses overflow
        for (image, good) in [image(0), image(BASE), hashed(&names), listed(&names)] {
            for at in 0..good.len() {
                for value in [0x00, 0x01, 0x7f, 0x80, 0xff] {
                    let mut bytes = good.clone();
                    bytes[at] = value;
                    // THEN reading ends, whatever is asked; a range outside the image would panic in `reader`
                    if let Ok(slots) = find(&image, &bytes, &["malloc", "free"]) {
                        assert!(slots.iter().all(|slot| image.contains(slot.addr, 8)));
                    }
                    let walked = each_import(&image, reader(&bytes), |_, slot| {
                        assert!(slot.is_err() || slot.is_ok_and(|addr| image.contains(addr, 8)));
                        Ok(())
                    });
                    let asked = exports_any(&image, &["napi_wrap", "absent"], reader(&bytes));
                    for error in [walked.err(), asked.err()].into_iter().flatten() {
                        assert!(!error.to_string().is_empty());
                    }
                }
            }
        }
    }

    #[test]
    fn a_slot_outside_the_segments_refuses_the_image() {
        let (image, mut bytes) = image(0);
        bytes[0x300..0x308].copy_from_slice(&u64::MAX.to_le_bytes());
        let refused = Err(ReadError::Slot { offset: usize::MAX });
        assert_eq!(find(&image, &bytes, &["free"]), refused);
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
            put(0x100 + place * Symbol::SIZE, &(offset as u32).to_le_bytes());
            let section: u16 = u16::from(*name != names[0]);
            put(0x100 + place * Symbol::SIZE + 6, &section.to_le_bytes());
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

    /// The same symbols in an image with a hash table of the gABI's.
    fn listed(names: &[&str]) -> (Image, Vec<u8>) {
        let (image, mut bytes) = hashed(names);
        // The tag of the fourth entry.
        bytes[0x30..0x38].copy_from_slice(&DT_HASH.to_le_bytes());
        bytes[0x404..0x408].copy_from_slice(&(names.len() as u32 + 1).to_le_bytes());
        (image, bytes)
    }

    #[test]
    fn a_name_is_found_among_all_symbols_where_there_is_no_gnu_hash_table() {
        let names = ["wanted_elsewhere", "napi_wrap", "main"];
        let (image, mut bytes) = listed(&names);
        let defines = |bytes: &[u8], name: &str| exports_any(&image, &[name], reader(bytes));
        assert_eq!(defines(&bytes, "napi_wrap"), Ok(true));
        assert_eq!(defines(&bytes, "main"), Ok(true));
        assert_eq!(defines(&bytes, "wanted_elsewhere"), Ok(false));
        assert_eq!(defines(&bytes, "absent"), Ok(false));
        // More symbols than the image has room for.
        bytes[0x404..0x408].copy_from_slice(&u32::MAX.to_le_bytes());
        let refused = Err(ReadError::Symbols { offset: 0x100 });
        assert_eq!(defines(&bytes, "main"), refused);
    }

    #[test]
    fn a_refusal_says_what_failed_and_where() {
        let (image, good) = image(0);
        let failed = |at: usize, value: u64| {
            let mut bytes = good.clone();
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
            find(&image, &bytes, &["free"]).expect_err("it is refused")
        };
        // Values of the dynamic section, in the order of `image`.
        let strings = failed(8, 0x9000);
        assert_eq!(strings, ReadError::Strings { offset: 0x9000 });
        assert_eq!(
            strings.to_string(),
            "the string table at 0x9000 is not in a loaded segment, or larger than 64 MiB"
        );
        // Of free, the second symbol.
        let symbols = failed(40, 0x9000);
        assert_eq!(symbols, ReadError::Symbols { offset: 0x9030 });
        assert_eq!(
            symbols.to_string(),
            "a symbol at 0x9030 is not in a loaded segment"
        );
        assert_eq!(failed(56, 0x9000).to_string(), {
            "the relocation table at 0x9000 is not in a loaded segment, or larger than 64 MiB"
        });
        assert_eq!(
            failed(88, 7).to_string(),
            "the entries of the relocation table have 7 bytes"
        );
        assert_eq!(
            failed(104, 16).to_string(),
            "the entries of the symbol table have 16 bytes"
        );
        assert_eq!(
            failed(120, 17).to_string(),
            "the relocations of the PLT have the type 17, not RELA"
        );
        // The tags of the string table and of the symbol table.
        assert_eq!(failed(0, 99).to_string(), "there is no string table");
        assert_eq!(failed(32, 99).to_string(), "there is no symbol table");
        // The name of free.
        assert_eq!(
            failed(0x100 + 2 * Symbol::SIZE, 99).to_string(),
            "the name at 0x63 of the string table has no end"
        );
        assert_eq!(
            failed(0x300, 0x501).to_string(),
            "a slot at 0x501 is not aligned, or not in a loaded segment"
        );
        let nowhere = Image {
            dynamic: (BASE + 0x500, 0x160),
            ..image.clone()
        };
        assert_eq!(
            find(&nowhere, &good, &[]),
            Err(ReadError::Dynamic {
                offset: BASE + 0x500
            })
        );
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
        let defines = |name: &str| exports_any(&image, &[name], reader(&bytes));
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
        let found = exports_any(&image, &["absent"], reader(&bytes));
        assert_eq!(found, Err(ReadError::GnuHash { offset: 0x400 }));
    }
}
