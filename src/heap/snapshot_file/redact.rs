//! Redaction: the same graph without the data. Every string value is replaced by its length and a keyed hash.
//!
//! Knows: which strings are names (of classes, functions, properties, variables, files) and which are values.
//! Out of scope: where the key is from. It works on a stream and holds one bit per string, not the graph.
//! Limitations: names stay, also those that are secrets. An object used as a dictionary has its keys as property names; a value that is
//! also a name somewhere stays too.

#![forbid(unsafe_code)]

use std::io::Write;
use std::path::Path;

use crate::base::error::Failure;
use crate::heap::control::{Control, Phase};
use crate::heap::graph::kinds::{EdgeKind, NodeKind};
use crate::heap::graph::{Bits, Graph};
use crate::heap::json::JsonWriter;
use crate::heap::snapshot_file::head::{Json, Meta};
use crate::heap::snapshot_file::keyed_hash::SipKey;
use crate::heap::snapshot_file::new_file::{write_failure, NewFile};
use crate::heap::snapshot_file::parse::{is_value, weak_map_entry};
use crate::heap::snapshot_file::scan::Scanner;
use crate::heap::snapshot_file::source::Feed;
use crate::heap::snapshot_file::Input;

/// Texts that V8 writes instead of a value; they reveal nothing.
const CONSTANTS: [&str; 9] = [
    "",
    "(concatenated string)",
    "(sliced string)",
    "heap number",
    "smi number",
    "bigint",
    "symbol",
    "number",
    "string",
];

/// What became of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Redacted {
    /// Strings that were replaced.
    pub redacted_count: u64,
    /// Names that were kept.
    pub kept_count: u64,
    /// Length of the new file, before compression.
    pub snapshot_bytes: u64,
}

/// Writes a redacted copy of a snapshot to `out` (gzip if its name ends in `.gz`), readable by its owner only.
///
/// `key` keys the hash: with one key, equal strings stay equal, also across files; without it, a hash says
/// nothing, as long as the key is random and forgotten.
///
/// # Errors
///
/// Any `ERR_OFFHEAP_SNAPSHOT_…`, `ERR_OFFHEAP_ABORTED`. After an error nothing is left behind; an existing file is
/// never overwritten.
pub fn redact(
    input: Input,
    out: &Path,
    key: [u8; 16],
    threads: usize,
    control: &Control,
) -> Result<Redacted, Failure> {
    let target = NewFile::create(out)?;
    let mut output = target.open()?;
    let result = redact_stream(input, &mut output, key, threads, control).and_then(|redacted| {
        output
            .finish()
            .map_err(|error| write_failure(out, &error))?;
        Ok(redacted)
    });
    match result {
        Ok(redacted) => target.publish().map(|()| redacted),
        Err(failure) => {
            target.discard();
            Err(failure)
        }
    }
}

/// Redacts from one stream into another; [`redact`] without the files.
///
/// # Errors
///
/// As [`redact`].
pub fn redact_stream(
    input: Input,
    writer: &mut dyn Write,
    key: [u8; 16],
    threads: usize,
    control: &Control,
) -> Result<Redacted, Failure> {
    let source = input.into_source();
    let name = source.name.clone();
    let plain_bytes = source.plain_bytes;
    let mut copier = Copier {
        scanner: Scanner::new(Feed::new(source, threads), name),
        plain_bytes,
        control,
        writer,
        buffer: Vec::with_capacity(FLUSH + 4096),
        key: SipKey::new(key),
        meta: None,
        names: Bits::default(),
        seen: Vec::new(),
        result: Redacted::default(),
    };
    copier.run()?;
    Ok(copier.result)
}

const FLUSH: usize = 256 * 1024;

struct Copier<'a> {
    scanner: Scanner,
    plain_bytes: Option<u64>,
    control: &'a Control,
    writer: &'a mut dyn Write,
    buffer: Vec<u8>,
    key: SipKey,
    meta: Option<Meta>,
    /// Strings that are somebody's name.
    names: Bits,
    seen: Vec<&'static str>,
    result: Redacted,
}

/// The sections that are copied. Others are excluded, because they may hold anything.
const SECTIONS: [&str; 8] = [
    "snapshot",
    "nodes",
    "edges",
    "trace_function_infos",
    "trace_tree",
    "samples",
    "locations",
    "strings",
];

impl Copier<'_> {
    fn run(&mut self) -> Result<(), Failure> {
        self.scanner.expect(b'{')?;
        self.buffer.push(b'{');
        let mut first = true;
        if !self.scanner.accept(b'}')? {
            let mut key = Vec::new();
            loop {
                key.clear();
                self.scanner.section = "a section name";
                self.scanner.string(&mut key, 64)?;
                self.scanner.expect(b':')?;
                match SECTIONS.iter().find(|known| known.as_bytes() == key) {
                    Some(&section) => {
                        if !first {
                            self.buffer.extend_from_slice(b",\n");
                        }
                        first = false;
                        self.buffer
                            .extend_from_slice(format!("\"{section}\":").as_bytes());
                        self.section(section)?;
                    }
                    None => {
                        self.scanner.section = "a section that is not copied";
                        self.scanner.skip_value()?;
                    }
                }
                self.scanner.section = "the sections";
                if !self.scanner.more(b'}')? {
                    break;
                }
            }
        }
        self.scanner.expect_end()?;
        for section in ["snapshot", "nodes", "edges", "strings"] {
            if !self.seen.contains(&section) {
                return Err(self
                    .scanner
                    .format(&format!("the section \"{section}\" is missing")));
            }
        }
        self.buffer.extend_from_slice(b"}\n");
        self.flush(0)
    }

    fn flush(&mut self, above: usize) -> Result<(), Failure> {
        if self.buffer.len() > above {
            self.writer
                .write_all(&self.buffer)
                .map_err(|error| write_failure(Path::new("the redacted snapshot"), &error))?;
            self.result.snapshot_bytes += self.buffer.len() as u64;
            self.buffer.clear();
            match self.plain_bytes {
                Some(total) => self
                    .control
                    .report(Phase::Read, self.scanner.passed(), total)?,
                None => self.control.check()?,
            }
        }
        Ok(())
    }

    fn section(&mut self, section: &'static str) -> Result<(), Failure> {
        self.scanner.section = section;
        if self.seen.contains(&section) {
            return Err(self
                .scanner
                .format(&format!("the section \"{section}\" stands twice")));
        }
        let needs: &[&str] = match section {
            "snapshot" => &[],
            // Names must be known before the strings come.
            "strings" => &["snapshot", "nodes", "edges"],
            _ => &["snapshot"],
        };
        if let Some(missing) = needs.iter().find(|need| !self.seen.contains(need)) {
            return Err(self.scanner.format(&format!(
                "the section \"{section}\" comes before \"{missing}\""
            )));
        }
        self.seen.push(section);
        if section == "snapshot" {
            return self.head();
        }
        if section == "strings" {
            return self.strings();
        }
        let Some(meta) = self.meta.clone() else {
            return Err(self.scanner.format("the section \"snapshot\" is missing"));
        };
        match section {
            "nodes" => self.records(meta.node_width, |record, names, scanner| {
                let kind = usize::try_from(record[meta.node_type])
                    .ok()
                    .and_then(|kind| meta.node_kinds.get(kind));
                // What has an unknown type may be a value.
                if kind.is_some_and(|&kind| !is_value(kind) && kind != NodeKind::Other) {
                    mark(names, record[meta.node_name], scanner)?;
                }
                Ok(())
            }),
            "edges" => self.records(meta.edge_width, |record, names, scanner| {
                let kind = usize::try_from(record[meta.edge_type])
                    .ok()
                    .and_then(|kind| meta.edge_kinds.get(kind));
                if kind.is_some_and(|kind| kind.has_string_name() && *kind != EdgeKind::Other) {
                    mark(names, record[meta.edge_name], scanner)?;
                }
                Ok(())
            }),
            "locations" => match meta.locations {
                Some((width, _)) => self.records(width, |_, _, _| Ok(())),
                None => self.numbers(),
            },
            "trace_function_infos" => match &meta.trace_functions {
                Some((width, places)) => self.records(*width, |record, names, scanner| {
                    for &place in places {
                        mark(names, record[place], scanner)?;
                    }
                    Ok(())
                }),
                None => self.numbers(),
            },
            _ => self.numbers(),
        }
    }

    /// The head, with every string outside `meta` redacted.
    fn head(&mut self) -> Result<(), Failure> {
        let head = Json::read(&mut self.scanner)?;
        self.meta = Some(Meta::from_json(&head, &self.scanner)?);
        let mut text = String::new();
        self.write_head(&head, false, &mut text);
        self.buffer.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn write_head(&self, value: &Json, keep: bool, out: &mut String) {
        match value {
            Json::Plain(text) => out.push_str(text),
            Json::Text(text) if keep => out.push_str(&quoted(text)),
            Json::Text(text) => {
                out.push_str(&quoted(
                    &self.replacement(text.as_bytes(), text.encode_utf16().count() as u64),
                ));
            }
            Json::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    self.write_head(item, keep, out);
                }
                out.push(']');
            }
            Json::Object(fields) => {
                out.push('{');
                for (index, (name, item)) in fields.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    out.push_str(&quoted(name));
                    out.push(':');
                    self.write_head(item, keep || name == "meta", out);
                }
                out.push('}');
            }
        }
    }

    fn records(
        &mut self,
        width: usize,
        mut each: impl FnMut(&[u64], &mut Bits, &Scanner) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.buffer.push(b'[');
        let mut first = true;
        // The scanner is borrowed while it hands out records, so the other fields are borrowed one by one.
        let Copier {
            scanner,
            writer,
            buffer,
            names,
            result,
            control,
            plain_bytes,
            ..
        } = self;
        scanner.records(width, |records, scanner| {
            for record in records {
                each(record, names, scanner)?;
                for &number in record {
                    if !first {
                        buffer.push(b',');
                    }
                    first = false;
                    push_number(buffer, number);
                }
                if buffer.len() > FLUSH {
                    writer.write_all(buffer).map_err(|error| {
                        write_failure(Path::new("the redacted snapshot"), &error)
                    })?;
                    result.snapshot_bytes += buffer.len() as u64;
                    buffer.clear();
                    match *plain_bytes {
                        Some(total) => control.report(Phase::Read, scanner.passed(), total)?,
                        None => control.check()?,
                    }
                }
            }
            Ok(())
        })?;
        self.buffer.push(b']');
        Ok(())
    }

    /// A value of arrays and integers only.
    fn numbers(&mut self) -> Result<(), Failure> {
        let mut depth = 0u32;
        loop {
            match self.scanner.peek_token()? {
                b'[' => {
                    self.scanner.expect(b'[')?;
                    self.buffer.push(b'[');
                    depth += 1;
                    if !self.scanner.accept(b']')? {
                        continue;
                    }
                    self.buffer.push(b']');
                    depth -= 1;
                }
                _ => {
                    let number = self.scanner.integer()?;
                    push_number(&mut self.buffer, number);
                }
            }
            self.flush(FLUSH)?;
            // After a value: a comma, or as many closing brackets as there are.
            while depth > 0 && !self.scanner.more(b']')? {
                self.buffer.push(b']');
                depth -= 1;
            }
            if depth == 0 {
                return Ok(());
            }
            self.buffer.push(b',');
        }
    }

    fn strings(&mut self) -> Result<(), Failure> {
        self.scanner.expect(b'[')?;
        self.buffer.push(b'[');
        let mut index = 0u64;
        let mut text = Vec::new();
        let mut more = !self.scanner.accept(b']')?;
        while more {
            text.clear();
            let (units, _) = self.scanner.string(&mut text, usize::MAX)?;
            if index > 0 {
                self.buffer.extend_from_slice(b",\n");
            }
            let is_name = u32::try_from(index).is_ok_and(|index| self.names.get(index));
            let shown = if is_name {
                self.result.kept_count += 1;
                self.name(&String::from_utf8_lossy(&text))
            } else if CONSTANTS.iter().any(|known| known.as_bytes() == text) {
                String::from_utf8_lossy(&text).into_owned()
            } else {
                self.result.redacted_count += 1;
                self.replacement(&text, units)
            };
            self.buffer.extend_from_slice(quoted(&shown).as_bytes());
            self.flush(FLUSH)?;
            index += 1;
            more = self.scanner.more(b']')?;
        }
        self.buffer.push(b']');
        Ok(())
    }

    fn replacement(&self, text: &[u8], units: u64) -> String {
        format!("[{units} chars {:016x}]", self.key.hash(text))
    }

    /// A name, without the values that V8 has written into it.
    ///
    /// - The edges of a WeakMap entry carry the texts of key and value:
    ///   `3 / part of key (Session @5) -> value (hunter2 @7) pair in WeakMap (table @9)`.
    /// - Chrome writes the attributes of elements: `<a href="…">`.
    fn name(&self, name: &str) -> String {
        let hide =
            |text: &str| self.replacement(text.as_bytes(), text.encode_utf16().count() as u64);
        if let Some(entry) = weak_map_entry(name) {
            return format!(
                "{} / part of key ({} @{}) -> value ({} @{}) pair in WeakMap (table @{})",
                entry.index,
                hide(entry.key),
                entry.key_id,
                hide(entry.value),
                entry.value_id,
                entry.table_id
            );
        }
        // Nearly one: a text with a line break in it.
        if name.contains(" / part of key (") {
            return hide(name);
        }
        for (prefix, skip) in [("<", 0), ("Detached <", 9)] {
            if name.starts_with(prefix) && !name.starts_with("<symbol") {
                if let Some(space) = name[skip..].find(' ') {
                    return format!("{}>", &name[..skip + space]);
                }
            }
        }
        name.to_owned()
    }
}

fn mark(names: &mut Bits, index: u64, scanner: &Scanner) -> Result<(), Failure> {
    if index > Graph::MAX_STRING {
        return Err(scanner.too_large(&format!("a name is string {index}")));
    }
    names.set_growing(index as u32);
    Ok(())
}

fn quoted(text: &str) -> String {
    let mut json = JsonWriter::default();
    json.text(text);
    json.finish()
}

fn push_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_they_were() {
        for number in [0, 7, 10, 12_345, u64::MAX] {
            let mut out = Vec::new();
            push_number(&mut out, number);
            assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
        }
    }
}
