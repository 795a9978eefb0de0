//! Finds what in a snapshot belongs to offheap itself, so that reports about the service leave it out.
//!
//! Knows: how offheap's scripts are found (beside its addon, or by a comment at their beginning), its functions, the
//! objects of its classes and of its async functions, and the names under which it leaves something with others.
//! Out of scope: how distances and reports treat it.
//! Limitations: a copy of offheap inside a bundle has no scripts of its own and is not recognised; nor is one whose snapshot
//! was redacted, where its folder is not called `offheap`.

#![forbid(unsafe_code)]

use rustc_hash::{FxHashMap, FxHashSet};

use crate::base::error::Failure;
use crate::heap::control::{Control, Ticker};
use crate::heap::graph::kinds::{EdgeKind, NodeKind};
use crate::heap::graph::scripts::{file_of, script_of_closure};
use crate::heap::graph::{Bits, Graph, Ordinal};

/// The names of edges that offheap makes in objects of others: what it puts on the global object, on functions and on
/// requests (lib/faces/register.js, lib/buffers/main-realm.js, lib/buffers/census/realms.js, lib/faces/express.js).
const EDGES: [&str; 4] = [
    "<symbol offheap.registered>",
    "<symbol offheap.wrapped>",
    "<symbol offheap.realm>",
    "<symbol offheap request route>",
];

/// How the scripts begin that are part of the addon and so have no file (lib/buffers/main-realm.js).
const EMBEDDED: &[u8] = b"// offheap: evaluated once per thread, in the main realm";

/// Where a package lies whose addon is not known: in a redacted snapshot.
const INSTALLED: &str = "/node_modules/offheap/";

/// Files in `lib/` of every copy of offheap that are loaded with it. An addon of that name without these files is not offheap.
const FILES: [&str; 3] = [
    "lib/base/load.js",
    "lib/base/validate.js",
    "lib/external/pending-batch.js",
];

/// Functions that are looked through for the one that is bound.
const MAX_BOUND: usize = 4;

/// What is offheap's own in one graph.
pub(crate) struct Ours {
    /// Names of edges.
    edges: Vec<u32>,
    /// Functions of offheap's scripts, and objects that they have made: instances, and runs of async functions.
    nodes: Bits,
    prototype: Option<u32>,
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
        Ok(Ours {
            edges,
            nodes,
            prototype: graph.strings.find("prototype"),
        })
    }

    /// Whether an edge was added by offheap to an object of others: a path goes over it only if there is no other way.
    #[inline]
    pub(crate) fn is_edge(&self, kind: EdgeKind, name: u32) -> bool {
        kind == EdgeKind::Property && !self.edges.is_empty() && self.edges.contains(&name)
    }

    #[inline]
    pub(crate) fn is_node(&self, node: Ordinal) -> bool {
        self.nodes.get(node)
    }

    /// Whether what an edge from an object of offheap's leads to is offheap's as well, if nothing else holds it: all that plain objects
    /// hold, but of an instance only the private fields, and of a function not what others have put on it.
    pub(crate) fn passes_on(&self, graph: &Graph, from: Ordinal, edge: u32) -> bool {
        let kind = graph.edge_kind(edge);
        if kind == EdgeKind::Internal
            && graph.kind(from) == NodeKind::Object
            && graph.is_named(from, "Promise")
            && graph.strings.bytes(graph.edge_name(edge)) == b"reactions_or_result"
        {
            return self.is_awaited_by_ours(graph, graph.to(edge));
        }
        if kind != EdgeKind::Property || !self.is_node(from) {
            return true;
        }
        let name = graph.edge_name(edge);
        match graph.kind(from) {
            NodeKind::Closure => Some(name) == self.prototype,
            _ => graph.strings.bytes(name).starts_with(b"#"),
        }
    }

    /// Whether an async function of offheap's waits in a promise's reaction; what its result is, is offheap's as well.
    fn is_awaited_by_ours(&self, graph: &Graph, reaction: Ordinal) -> bool {
        if graph.kind(reaction) == NodeKind::Object {
            return true;
        }
        // The handler is a function of V8's, in whose scope is the run that goes on then.
        graph.edges(reaction).any(|edge| {
            let handler = graph.to(edge);
            let scope = || graph.find_edge(handler, EdgeKind::Internal, "context");
            graph.kind(handler) == NodeKind::Closure
                && (self.is_node(handler)
                    || scope().is_some_and(|scope| {
                        let scope = graph.to(scope);
                        graph.edges(scope).any(|edge| {
                            graph.kind(graph.to(edge)) == NodeKind::Object
                                && self.is_node(graph.to(edge))
                        })
                    }))
        })
    }

    /// Whether a node is the program's, whoever holds it: a function that it has written, what such a function runs, an instance of a class of its own or
    /// of Node's (a request, a Buffer, a signal), or what waits for a promise. Of what offheap holds, those were handed to it.
    pub(crate) fn is_of_others(&self, graph: &Graph, node: Ordinal) -> bool {
        match graph.kind(node) {
            NodeKind::Closure => self.is_function_of_others(graph, node, MAX_BOUND),
            NodeKind::Object if !self.is_node(node) => {
                let function = |kind, name| {
                    let edge = graph.find_edge(node, kind, name)?;
                    Some(graph.to(edge))
                };
                // The run of an async function, or of a generator.
                let running = function(EdgeKind::Internal, "function");
                let made_by = || {
                    let prototype = function(EdgeKind::Property, "__proto__")?;
                    let edge = graph.find_edge(prototype, EdgeKind::Property, "constructor")?;
                    Some(graph.to(edge))
                };
                running.or_else(made_by).is_some_and(|function| {
                    // What is built into V8, a Map or an array, has no file: it is whose it hangs from.
                    graph.kind(function) == NodeKind::Closure
                        && !self.is_node(function)
                        && script_of_closure(graph, function)
                            .is_some_and(|script| file_of(graph, script).is_some())
                })
            }
            _ => false,
        }
    }

    fn is_function_of_others(&self, graph: &Graph, function: Ordinal, depth: usize) -> bool {
        if self.is_node(function) {
            return false;
        }
        if let Some(script) = script_of_closure(graph, function) {
            // Built into V8: no file. Made of a text: a file without a name.
            return file_of(graph, script)
                .is_some_and(|file| !graph.strings.bytes(file).starts_with(b"node:"));
        }
        let bound = graph.find_edge(function, EdgeKind::Internal, "bound_function");
        match (bound, depth.checked_sub(1)) {
            (Some(edge), Some(depth)) => self.is_function_of_others(graph, graph.to(edge), depth),
            _ => false,
        }
    }
}

struct Scripts {
    /// The strings that are the names of offheap's files.
    files: FxHashSet<u32>,
    /// The strings that are texts of scripts without a file.
    embedded: FxHashSet<u32>,
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
            roots.extend(addon.map(<[u8]>::to_vec));
        }
        roots.retain(|root| {
            FILES.iter().all(|file| {
                let file = [root, file.as_bytes()].concat();
                texts().any(|(_, text)| text == file)
            })
        });
        let installed = |text: &[u8]| {
            let at = String::from_utf8_lossy(text).rfind(INSTALLED)?;
            Some(text[at + INSTALLED.len()..].to_vec())
        };
        let is_file = |inside: &[u8]| {
            inside == b"index.js" || inside.starts_with(b"lib/") && inside.ends_with(b".js")
        };
        let mut scripts = Scripts {
            files: FxHashSet::default(),
            embedded: FxHashSet::default(),
        };
        for (index, text) in texts() {
            let is_ours = text.ends_with(b".js")
                && (roots
                    .iter()
                    .any(|root| text.strip_prefix(&root[..]).is_some_and(is_file))
                    || installed(text).is_some_and(|inside| is_file(&inside)));
            if is_ours {
                scripts.files.insert(index);
            } else if text.starts_with(EMBEDDED) {
                scripts.embedded.insert(index);
            }
        }
        scripts
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
    let is_ours = |script: Ordinal| match file_of(graph, script) {
        Some(file) if !graph.strings.bytes(file).is_empty() => scripts.files.contains(&file),
        _ => graph
            .find_edge(script, EdgeKind::Internal, "source")
            .is_some_and(|edge| scripts.embedded.contains(&graph.name(graph.to(edge)))),
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
        // Who catches an error has it, with all that it carries.
        if graph.strings.bytes(graph.name(node)).ends_with(b"Error") {
            continue;
        }
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
