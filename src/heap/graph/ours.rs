//! What in a snapshot is offheap itself: it stands in the service's memory, and is no answer to what holds it.
//!
//! Knows: how offheap's scripts are found (beside its addon, or by a comment at their beginning), its functions, the
//! objects of its classes and of its async functions, and the names under which it leaves something with others.
//! Limits: a copy of offheap inside a bundle has no scripts of its own and is not recognised; nor is one whose snapshot
//! was redacted, where its folder is not called `offheap`.

#![forbid(unsafe_code)]

use rustc_hash::{FxHashMap, FxHashSet};

use crate::base::error::Failure;
use crate::heap::control::{Control, Ticker};
use crate::heap::graph::kinds::{EdgeKind, NodeKind};
use crate::heap::graph::scripts::{file_of, script_of_closure};
use crate::heap::graph::{Bits, Graph, Ordinal};

/// How edges of offheap's own are called: what it puts on the global object and on requests, and how a Monitor hangs on its
/// timer and its signal (lib/register.js, lib/express.js, lib/monitor/monitor.js, src/buffers/profile/shared.js).
const EDGES: [&str; 5] = [
    "<symbol offheap.registered>",
    "<symbol offheap.wrapped>",
    "<symbol offheap.realm>",
    "<symbol offheap request route>",
    "offheapMonitor",
];

/// How the scripts begin that are part of the addon and so have no file (src/buffers/profile/shared.js).
const EMBEDDED: &[u8] = b"// offheap: ";

/// Where a package lies whose addon is not known: in a redacted snapshot.
const INSTALLED: &str = "/node_modules/offheap/";

/// What is offheap's own in one graph.
pub(crate) struct Ours {
    /// Names of edges.
    edges: Vec<u32>,
    /// Functions of offheap's scripts, and objects that they have made: instances, and runs of async functions.
    nodes: Bits,
}

impl Ours {
    pub(crate) fn find(graph: &Graph, control: &Control) -> Result<Ours, Failure> {
        let edges = EDGES
            .iter()
            .filter_map(|name| graph.strings.find(name))
            .collect();
        let scripts = Scripts::find(graph);
        let mut nodes = Bits::new(0);
        if !scripts.files.is_empty() {
            nodes = Bits::new(graph.node_count());
            mark(graph, &scripts, &mut nodes, control)?;
        }
        Ok(Ours { edges, nodes })
    }

    /// Whether an edge leads from an object of others to one of offheap's.
    #[inline]
    pub(crate) fn is_edge(&self, kind: EdgeKind, name: u32) -> bool {
        !self.edges.is_empty() && kind.has_string_name() && self.edges.contains(&name)
    }

    #[inline]
    pub(crate) fn is_node(&self, node: Ordinal) -> bool {
        self.nodes.get(node)
    }

    /// Whether a node is a function that the service has written: what offheap holds for it, such as a listener, is the
    /// service's.
    pub(crate) fn is_function_of_others(&self, graph: &Graph, node: Ordinal) -> bool {
        graph.kind(node) == NodeKind::Closure
            && !self.is_node(node)
            && script_of_closure(graph, node)
                .and_then(|script| file_of(graph, script))
                .is_some_and(|file| {
                    let file = graph.strings.bytes(file);
                    !file.is_empty() && !file.starts_with(b"node:")
                })
    }
}

struct Scripts {
    /// The strings that are the names of offheap's files, or the text of an embedded script.
    files: FxHashSet<u32>,
}

impl Scripts {
    fn find(graph: &Graph) -> Scripts {
        let texts =
            || (0..graph.strings.len() as u32).map(|index| (index, graph.strings.bytes(index)));
        let mut roots: Vec<Vec<u8>> = vec![];
        for (_, text) in texts() {
            let addon = text.strip_suffix(b"/offheap.node").and_then(|folder| {
                let end = folder.iter().rposition(|&byte| byte == b'/')?;
                folder[..end].strip_suffix(b"prebuilds")
            });
            if let Some(root) = addon {
                roots.push(root.to_vec());
            }
        }
        let installed = |text: &[u8]| {
            let at = String::from_utf8_lossy(text).rfind(INSTALLED)?;
            Some(text[at + INSTALLED.len()..].to_vec())
        };
        let is_file = |inside: &[u8]| {
            inside == b"index.js" || inside.starts_with(b"lib/") && inside.ends_with(b".js")
        };
        let files = texts()
            .filter(|(_, text)| {
                text.starts_with(EMBEDDED)
                    || text.ends_with(b".js")
                        && (roots
                            .iter()
                            .any(|root| text.strip_prefix(&root[..]).is_some_and(is_file))
                            || installed(text).is_some_and(|inside| is_file(&inside)))
            })
            .map(|(index, _)| index)
            .collect();
        Scripts { files }
    }
}

/// Marks the functions of our scripts, and then what they have made.
fn mark(
    graph: &Graph,
    scripts: &Scripts,
    nodes: &mut Bits,
    control: &Control,
) -> Result<(), Failure> {
    let mut ticker = Ticker::new(control);
    let mut known: FxHashMap<Ordinal, bool> = FxHashMap::default();
    let mut prototypes: FxHashSet<Ordinal> = FxHashSet::default();
    let is_ours = |script: Ordinal| {
        let source = graph
            .find_edge(script, EdgeKind::Internal, "source")
            .map(|edge| graph.name(graph.to(edge)));
        [file_of(graph, script), source]
            .into_iter()
            .flatten()
            .any(|text| scripts.files.contains(&text))
    };
    for node in graph.nodes() {
        ticker.tick()?;
        if graph.kind(node) != NodeKind::Closure {
            continue;
        }
        let Some(script) = script_of_closure(graph, node) else {
            continue;
        };
        if !*known.entry(script).or_insert_with(|| is_ours(script)) {
            continue;
        }
        nodes.set(node);
        if let Some(edge) = graph.find_edge(node, EdgeKind::Property, "prototype") {
            prototypes.insert(graph.to(edge));
        }
    }
    let (prototype, function) = (
        graph.strings.find("__proto__"),
        graph.strings.find("function"),
    );
    for node in graph.nodes() {
        ticker.tick()?;
        if graph.kind(node) != NodeKind::Object {
            continue;
        }
        let made = prototypes.contains(&node)
            || graph.edges(node).any(|edge| {
                let name = Some(graph.edge_name(edge));
                match graph.edge_kind(edge) {
                    EdgeKind::Property => name == prototype && prototypes.contains(&graph.to(edge)),
                    // The run of an async function.
                    EdgeKind::Internal => {
                        name == function
                            && graph.kind(graph.to(edge)) == NodeKind::Closure
                            && nodes.get(graph.to(edge))
                    }
                    _ => false,
                }
            });
        if made {
            nodes.set(node);
        }
    }
    Ok(())
}
