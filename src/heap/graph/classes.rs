//! Classes: what DevTools groups objects by.
//!
//! Knows: how a node's kind and name make its class. Out of scope: sizes.
//! Limitations: a class is a name; two constructors of one name are one class.

#![forbid(unsafe_code)]

use std::borrow::Cow;

use rustc_hash::FxHashMap;

use crate::heap::graph::kinds::NodeKind;
use crate::heap::graph::{Graph, Ordinal, NONE};

/// The class of every node, as a number.
pub(crate) struct Classes {
    names: Vec<Cow<'static, str>>,
    by_string: Vec<u32>,
    by_type: Vec<u32>,
}

impl Classes {
    pub(crate) fn find(graph: &Graph) -> Classes {
        let mut classes = Classes {
            names: Vec::new(),
            by_string: vec![NONE; graph.strings.len()],
            by_type: vec![NONE; graph.node_kinds.len()],
        };
        let mut known: FxHashMap<String, u32> = FxHashMap::default();
        for node in graph.nodes() {
            let node_type = graph.node_type[node as usize] as usize;
            let slot = match graph.kind(node) {
                NodeKind::Object | NodeKind::Native => {
                    &mut classes.by_string[graph.name(node) as usize]
                }
                _ => &mut classes.by_type[node_type],
            };
            if *slot != NONE {
                continue;
            }
            let name = class_name(graph, node).into_owned();
            let names = &mut classes.names;
            *slot = *known.entry(name).or_insert_with_key(|name| {
                names.push(Cow::Owned(name.clone()));
                names.len() as u32 - 1
            });
        }
        classes
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    #[inline]
    pub(crate) fn of(&self, graph: &Graph, node: Ordinal) -> u32 {
        let node_type = graph.node_type[node as usize] as usize;
        match graph.node_kinds[node_type] {
            NodeKind::Object | NodeKind::Native => self.by_string[graph.name(node) as usize],
            _ => self.by_type[node_type],
        }
    }

    pub(crate) fn name(&self, class: u32) -> &str {
        &self.names[class as usize]
    }
}

/// The class of a node, by DevTools' rules.
pub(crate) fn class_name(graph: &Graph, node: Ordinal) -> Cow<'_, str> {
    let node_type = graph.node_type[node as usize] as usize;
    match graph.kind(node) {
        NodeKind::Hidden => Cow::Borrowed("(system)"),
        NodeKind::Code => Cow::Borrowed("(compiled code)"),
        NodeKind::Closure => Cow::Borrowed("Function"),
        NodeKind::RegExp => Cow::Borrowed("RegExp"),
        NodeKind::Object | NodeKind::Native => element_class(graph.name_text(node)),
        _ => Cow::Owned(format!("({})", graph.node_type_names[node_type])),
    }
}

/// `<div id="x">` is of the class `<div>`.
fn element_class(name: Cow<'_, str>) -> Cow<'_, str> {
    let skip = if name.starts_with('<') {
        0
    } else if name.starts_with("Detached <") {
        "Detached ".len()
    } else {
        return name;
    };
    match name[skip..].find(' ') {
        Some(space) => Cow::Owned(format!("{}>", &name[..skip + space])),
        None => name,
    }
}
