//! What kinds of objects and references there are, by V8's names.
//!
//! Knows: the names. Out of scope: where a graph comes from.
//! Limitations: a kind that a later V8 adds is `Other`.

#![forbid(unsafe_code)]

/// What kind of thing a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are V8's")]
pub(crate) enum NodeKind {
    Hidden,
    Array,
    String,
    Object,
    Code,
    Closure,
    RegExp,
    Number,
    Native,
    Synthetic,
    ConsString,
    SlicedString,
    Symbol,
    BigInt,
    ObjectShape,
    /// One that this version does not know.
    Other,
}

impl NodeKind {
    pub(crate) fn from_name(name: &str) -> NodeKind {
        match name {
            "hidden" => NodeKind::Hidden,
            "array" => NodeKind::Array,
            "string" => NodeKind::String,
            "object" => NodeKind::Object,
            "code" => NodeKind::Code,
            "closure" => NodeKind::Closure,
            "regexp" => NodeKind::RegExp,
            "number" => NodeKind::Number,
            "native" => NodeKind::Native,
            "synthetic" => NodeKind::Synthetic,
            "concatenated string" => NodeKind::ConsString,
            "sliced string" => NodeKind::SlicedString,
            "symbol" => NodeKind::Symbol,
            "bigint" => NodeKind::BigInt,
            "object shape" => NodeKind::ObjectShape,
            _ => NodeKind::Other,
        }
    }
}

/// What kind of reference an edge is. Fits three bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum EdgeKind {
    /// A variable of a closure's context.
    Context = 0,
    /// An array element; named by its index.
    Element = 1,
    /// A property.
    Property = 2,
    /// A field of the engine's own, with a name.
    Internal = 3,
    /// A field of the engine's own, with a number.
    Hidden = 4,
    /// A short cut that DevTools draws; from the root it marks what the user owns.
    Shortcut = 5,
    /// A reference that keeps nothing alive.
    Weak = 6,
    /// One that this version does not know; its name is not looked up.
    Other = 7,
}

impl EdgeKind {
    pub(crate) fn from_name(name: &str) -> EdgeKind {
        match name {
            "context" => EdgeKind::Context,
            "element" => EdgeKind::Element,
            "property" => EdgeKind::Property,
            "internal" => EdgeKind::Internal,
            "hidden" => EdgeKind::Hidden,
            "shortcut" => EdgeKind::Shortcut,
            "weak" => EdgeKind::Weak,
            _ => EdgeKind::Other,
        }
    }

    /// The inverse of `kind as u8`.
    #[inline]
    pub(crate) fn from_bits(bits: u32) -> EdgeKind {
        match bits & 7 {
            0 => EdgeKind::Context,
            1 => EdgeKind::Element,
            2 => EdgeKind::Property,
            3 => EdgeKind::Internal,
            4 => EdgeKind::Hidden,
            5 => EdgeKind::Shortcut,
            6 => EdgeKind::Weak,
            _ => EdgeKind::Other,
        }
    }

    /// Whether the label of such an edge is a string (else it is a number).
    #[inline]
    pub(crate) fn has_string_name(self) -> bool {
        !matches!(self, EdgeKind::Element | EdgeKind::Hidden | EdgeKind::Other)
    }

    /// The name V8 gives it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            EdgeKind::Context => "context",
            EdgeKind::Element => "element",
            EdgeKind::Property => "property",
            EdgeKind::Internal => "internal",
            EdgeKind::Hidden => "hidden",
            EdgeKind::Shortcut => "shortcut",
            EdgeKind::Weak => "weak",
            EdgeKind::Other => "other",
        }
    }
}
