//! The ELF images of this process, and the slots through which they call each other.
//!
//! Knows: where each image lies, what it imports and exports, and through which slots.
//! Out of scope: what will be written into a slot, or why.
//! Limitations: images that were mapped by hand, without the loader.
//! Used by `probe` (in the child) and `addons::hooks`. [`reader`] and `format` are pure; [`images`] reads the process's memory.

mod format;
pub mod images;
pub mod reader;
