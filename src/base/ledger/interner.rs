//! Names to small integers, with a bound.
//!
//! Knows: the key of each name. Out of scope: what the names are of.
//! Limitations: names after the limit share one key.

#![forbid(unsafe_code)]

use rustc_hash::FxHashMap;

/// A name's number. Only an [`Interner`] makes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(u32);

/// The key of things that were given no name.
pub const NONE: Key = Key(0);

/// The key that all names share that came after the limit.
pub const FOLDED: Key = Key(1);

impl Key {
    /// Its place in a table.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The number that crosses to JavaScript.
    pub fn as_u32(self) -> u32 {
        self.0
    }

    /// The key that this number came from; see [`Key::as_u32`].
    pub fn from_u32(number: u32) -> Self {
        Key(number)
    }

    /// The key at this place of a table.
    pub(super) fn from_index(index: usize) -> Self {
        Key(u32::try_from(index).unwrap_or(FOLDED.0))
    }
}

/// Gives each distinct name a key, up to a limit; later names share [`FOLDED`].
#[derive(Debug)]
pub struct Interner {
    keys: FxHashMap<Box<str>, Key>,
    names: Vec<Box<str>>,
    limit: usize,
    folded_count: u64,
}

impl Interner {
    /// An interner of at most `limit` names, besides the two fixed ones.
    pub fn new(none: &str, folded: &str, limit: usize) -> Self {
        let names: Vec<Box<str>> = vec![none.into(), folded.into()];
        let keys = FxHashMap::from_iter([(names[0].clone(), NONE), (names[1].clone(), FOLDED)]);
        Interner {
            keys,
            names,
            limit,
            folded_count: 0,
        }
    }

    /// The key of `name`; a new one while there is room.
    pub fn intern(&mut self, name: &str) -> Key {
        if let Some(key) = self.keys.get(name) {
            return *key;
        }
        if self.names.len() - 2 >= self.limit {
            self.folded_count += 1;
            return FOLDED;
        }
        let key = Key::from_index(self.names.len());
        self.names.push(name.into());
        self.keys.insert(name.into(), key);
        key
    }

    /// The name of a key.
    pub fn name(&self, key: Key) -> &str {
        self.names.get(key.index()).map_or("", |name| name)
    }

    /// How often a name past the limit was folded.
    pub fn folded_count(&self) -> u64 {
        self.folded_count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_always_has_the_same_key() {
        let mut interner = Interner::new("(none)", "(other)", 10);
        let a = interner.intern("a");
        let b = interner.intern("b");

        assert_ne!(a, b);
        assert_eq!(interner.intern("a"), a);
        assert_eq!(interner.name(b), "b");
    }

    #[test]
    fn names_past_the_limit_share_one_key_and_are_counted() {
        let mut interner = Interner::new("(none)", "(other)", 2);
        interner.intern("a");
        interner.intern("b");

        for n in 0..1_000 {
            assert_eq!(interner.intern(&format!("late {n}")), FOLDED);
        }
        assert_eq!(interner.folded_count(), 1_000);
        assert_eq!(interner.names.len(), 4);
        assert_ne!(interner.intern("a"), FOLDED);
    }

    #[test]
    fn the_fixed_names_can_be_asked_for_by_name() {
        let mut interner = Interner::new("(none)", "(other)", 2);

        assert_eq!(interner.intern("(none)"), NONE);
        assert_eq!(interner.intern("(other)"), FOLDED);
    }
}
