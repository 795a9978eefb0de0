//! The head of a snapshot: which fields a node, an edge and a location have, in which order, and what the type
//! numbers mean. Nothing else in the room knows an offset.
//!
//! Knows: the object under `"snapshot"`. Out of scope: nodes or edges themselves.
//! Limitations: unknown node types are kept by name; unknown fields are skipped; a missing field that the graph
//! needs is `ERR_OFFHEAP_SNAPSHOT_FORMAT`.

#![forbid(unsafe_code)]

use crate::base::error::Failure;
use crate::heap::graph::kinds::{EdgeKind, NodeKind};
use crate::heap::snapshot_file::scan::{Scanner, MAX_FIELDS};

/// Values in the head; V8 writes about 150. Bounds what a made-up head can allocate.
const MAX_VALUES: usize = 100_000;
const MAX_DEPTH: usize = 64;

/// A JSON value of the head.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    /// Text of a number, `true`, `false` or `null`, as it stands.
    Plain(String),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object, in the order of the file.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads the value that comes next.
    pub(crate) fn read(scanner: &mut Scanner) -> Result<Json, Failure> {
        let mut budget = MAX_VALUES;
        Json::read_within(scanner, MAX_DEPTH, &mut budget)
    }

    fn read_within(
        scanner: &mut Scanner,
        depth: usize,
        budget: &mut usize,
    ) -> Result<Json, Failure> {
        if depth == 0 {
            return Err(scanner.syntax("values nested too deeply"));
        }
        if *budget == 0 {
            return Err(scanner.syntax("more values than a head has"));
        }
        *budget -= 1;
        match scanner.peek_token()? {
            b'"' => Ok(Json::Text(text(scanner)?)),
            b'[' => {
                scanner.expect(b'[')?;
                let mut items = Vec::new();
                if scanner.accept(b']')? {
                    return Ok(Json::List(items));
                }
                loop {
                    items.push(Json::read_within(scanner, depth - 1, budget)?);
                    if !scanner.more(b']')? {
                        return Ok(Json::List(items));
                    }
                }
            }
            b'{' => {
                scanner.expect(b'{')?;
                let mut fields = Vec::new();
                if scanner.accept(b'}')? {
                    return Ok(Json::Object(fields));
                }
                loop {
                    let name = text(scanner)?;
                    scanner.expect(b':')?;
                    let value = Json::read_within(scanner, depth - 1, budget)?;
                    if fields.iter().any(|(known, _)| *known == name) {
                        return Err(scanner.format(&format!("\"{name}\" stands twice")));
                    }
                    fields.push((name, value));
                    if !scanner.more(b'}')? {
                        return Ok(Json::Object(fields));
                    }
                }
            }
            _ => Ok(Json::Plain(scanner.plain()?)),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Json> {
        match self {
            Json::Object(fields) => fields
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    fn as_u64(&self) -> Option<u64> {
        match self {
            Json::Plain(text) => text.parse().ok(),
            _ => None,
        }
    }

    fn texts(&self) -> Option<Vec<String>> {
        match self {
            Json::List(items) => items
                .iter()
                .map(|item| match item {
                    Json::Text(text) => Some(text.clone()),
                    _ => None,
                })
                .collect(),
            _ => None,
        }
    }
}

fn text(scanner: &mut Scanner) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    scanner.string(&mut bytes, usize::MAX)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The layout of one file.
#[derive(Debug, Clone)]
pub(crate) struct Meta {
    pub(crate) node_width: usize,
    pub(crate) node_type: usize,
    pub(crate) node_name: usize,
    pub(crate) node_id: usize,
    pub(crate) node_self_size: usize,
    pub(crate) node_edge_count: usize,
    pub(crate) node_detachedness: Option<usize>,
    /// The node types by number.
    pub(crate) node_type_names: Vec<String>,
    pub(crate) node_kinds: Vec<NodeKind>,
    pub(crate) edge_width: usize,
    pub(crate) edge_type: usize,
    pub(crate) edge_name: usize,
    pub(crate) edge_to: usize,
    pub(crate) edge_kinds: Vec<EdgeKind>,
    /// Width, and the places of object_index, script_id, line and column.
    pub(crate) locations: Option<(usize, [usize; 4])>,
    /// Width, and the places of the two names in trace_function_infos.
    pub(crate) trace_functions: Option<(usize, Vec<usize>)>,
    pub(crate) node_count: u64,
    pub(crate) edge_count: u64,
    /// Offset of the root in the flat array, as the file gives it.
    pub(crate) root_index: u64,
    /// Native memory that belongs to no node (Node 24 and up).
    pub(crate) extra_native_bytes: u64,
}

impl Meta {
    /// Reads the object under `"snapshot"`.
    pub(crate) fn read(scanner: &mut Scanner) -> Result<Meta, Failure> {
        let head = Json::read(scanner)?;
        Meta::from_json(&head, scanner)
    }

    pub(crate) fn from_json(head: &Json, scanner: &Scanner) -> Result<Meta, Failure> {
        let wrong = |what: &str| scanner.format(what);
        let meta = head
            .get("meta")
            .ok_or_else(|| wrong("snapshot.meta is missing"))?;
        let fields = |name: &str| -> Result<Vec<String>, Failure> {
            let fields = meta
                .get(name)
                .and_then(Json::texts)
                .ok_or_else(|| wrong(&format!("snapshot.meta.{name} is not a list of names")))?;
            if fields.is_empty() || fields.len() > MAX_FIELDS {
                return Err(wrong(&format!(
                    "snapshot.meta.{name} has {} fields; 1 to {MAX_FIELDS} are possible",
                    fields.len()
                )));
            }
            for (index, field) in fields.iter().enumerate() {
                if fields[..index].contains(field) {
                    return Err(wrong(&format!(
                        "snapshot.meta.{name} has \"{field}\" twice"
                    )));
                }
            }
            Ok(fields)
        };
        let place = |name: &str, fields: &[String], field: &str| -> Result<usize, Failure> {
            fields
                .iter()
                .position(|known| known == field)
                .ok_or_else(|| wrong(&format!("snapshot.meta.{name} has no \"{field}\"")))
        };
        let types = |name: &str, at: usize| -> Result<Vec<String>, Failure> {
            let all = match meta.get(name) {
                Some(Json::List(items)) => items.get(at).and_then(Json::texts),
                _ => None,
            };
            let all = all.ok_or_else(|| {
                wrong(&format!(
                    "snapshot.meta.{name}[{at}] is not a list of type names"
                ))
            })?;
            if all.is_empty() || all.len() > 256 {
                return Err(wrong(&format!(
                    "snapshot.meta.{name}[{at}] has {} types; 1 to 256 are possible",
                    all.len()
                )));
            }
            Ok(all)
        };
        let number = |name: &str, needed: bool| -> Result<u64, Failure> {
            match head.get(name) {
                Some(value) => value
                    .as_u64()
                    .ok_or_else(|| wrong(&format!("snapshot.{name} is not a count"))),
                None if needed => Err(wrong(&format!("snapshot.{name} is missing"))),
                None => Ok(0),
            }
        };

        let node_fields = fields("node_fields")?;
        let node = |field: &str| place("node_fields", &node_fields, field);
        let node_type = node("type")?;
        let node_type_names = types("node_types", node_type)?;
        let edge_fields = fields("edge_fields")?;
        let edge = |field: &str| place("edge_fields", &edge_fields, field);
        let edge_type = edge("type")?;
        // Optional sections: absent fields mean an absent section.
        let location_fields = match meta.get("location_fields") {
            Some(Json::List(items)) if !items.is_empty() => Some(fields("location_fields")?),
            _ => None,
        };
        let locations = match &location_fields {
            None => None,
            Some(fields) => Some((
                fields.len(),
                [
                    place("location_fields", fields, "object_index")?,
                    place("location_fields", fields, "script_id")?,
                    place("location_fields", fields, "line")?,
                    place("location_fields", fields, "column")?,
                ],
            )),
        };
        let trace_functions = match meta.get("trace_function_info_fields") {
            Some(Json::List(items)) if !items.is_empty() => {
                let fields = fields("trace_function_info_fields")?;
                let names = ["name", "script_name"]
                    .iter()
                    .filter_map(|name| fields.iter().position(|field| field == name))
                    .collect();
                Some((fields.len(), names))
            }
            _ => None,
        };
        Ok(Meta {
            node_width: node_fields.len(),
            node_type,
            node_name: node("name")?,
            node_id: node("id")?,
            node_self_size: node("self_size")?,
            node_edge_count: node("edge_count")?,
            node_detachedness: node_fields.iter().position(|field| field == "detachedness"),
            node_kinds: node_type_names
                .iter()
                .map(|name| NodeKind::from_name(name))
                .collect(),
            node_type_names,
            edge_width: edge_fields.len(),
            edge_type,
            edge_name: edge("name_or_index")?,
            edge_to: edge("to_node")?,
            edge_kinds: types("edge_types", edge_type)?
                .iter()
                .map(|name| EdgeKind::from_name(name))
                .collect(),
            locations,
            trace_functions,
            node_count: number("node_count", true)?,
            edge_count: number("edge_count", true)?,
            root_index: number("root_index", false)?,
            extra_native_bytes: number("extra_native_bytes", false)?,
        })
    }
}
