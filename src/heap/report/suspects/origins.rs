//! Whose a function is: Node's own, or the program's.
//!
//! Knows: how a closure leads to its script. Out of scope: who keeps it.
//! Limitations: V8's built-in functions (what `new Promise` hands out) have no script and count as the program's.

#![forbid(unsafe_code)]

use rustc_hash::FxHashMap;

use crate::heap::graph::kinds::{EdgeKind, NodeKind};
use crate::heap::graph::scripts::script_name;
use crate::heap::graph::{Graph, Ordinal};

/// Functions within functions that are looked through.
const MAX_WRAPPERS: usize = 8;

/// Remembers the answer for the code that several closures have in common.
pub(crate) struct Origins<'a> {
    graph: &'a Graph,
    known: FxHashMap<Ordinal, bool>,
}

impl<'a> Origins<'a> {
    pub(crate) fn new(graph: &'a Graph) -> Origins<'a> {
        Origins {
            graph,
            known: FxHashMap::default(),
        }
    }

    /// The function behind `once` or `bind`.
    pub(crate) fn meant(&self, mut function: Ordinal) -> Ordinal {
        let graph = self.graph;
        for _ in 0..MAX_WRAPPERS {
            let inner = graph
                .find_edge(function, EdgeKind::Property, "listener")
                .or_else(|| graph.find_edge(function, EdgeKind::Internal, "bound_function"))
                .map(|edge| graph.to(edge));
            match inner {
                Some(inner) if graph.kind(inner) == NodeKind::Closure && inner != function => {
                    function = inner;
                }
                _ => break,
            }
        }
        function
    }

    /// Whether Node's own JavaScript wrote it.
    pub(crate) fn is_nodes_own(&mut self, function: Ordinal) -> bool {
        let graph = self.graph;
        let function = self.meant(function);
        let Some(shared) = graph.find_edge(function, EdgeKind::Internal, "shared") else {
            return false;
        };
        *self.known.entry(graph.to(shared)).or_insert_with(|| {
            script_name(graph, function).is_some_and(|name| name.starts_with("node:"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::sketch::Sketch;

    #[test]
    fn a_function_is_whose_the_innermost_one_is() {
        // GIVEN Node's wrapper around a function of the program, as `once` makes it: bound, with a property
        let mut sketch = Sketch::new();
        let mut function = |script: Option<&str>| {
            let function = sketch.node("closure", "f", 8);
            let shared = sketch.node("code", "f", 8);
            sketch.edge(function, "internal", "shared", shared);
            if let Some(script) = script {
                let code = sketch.node("code", script, 8);
                let name = sketch.node("string", script, 8);
                sketch.edge(shared, "internal", "script_or_debug_info", code);
                sketch.edge(code, "internal", "name", name);
            }
            function as u32
        };
        let program = function(Some("/service/server.js"));
        let node = function(Some("node:events"));
        let built_in = function(None);
        let bound = sketch.node("closure", "native_bind", 8);
        sketch.edge(bound, "internal", "bound_function", node as usize);
        let once = sketch.node("closure", "native_bind", 8);
        sketch.edge(once, "internal", "bound_function", node as usize);
        sketch.edge(once, "property", "listener", program as usize);
        let ring = sketch.node("closure", "native_bind", 8);
        let other = sketch.node("closure", "native_bind", 8);
        sketch.edge(ring, "internal", "bound_function", other);
        sketch.edge(other, "internal", "bound_function", ring);
        let graph = sketch.graph();
        // WHEN asked whose they are
        let mut origins = Origins::new(&graph);
        let owns: Vec<bool> = [
            program,
            node,
            built_in,
            bound as u32,
            once as u32,
            ring as u32,
        ]
        .map(|function| origins.is_nodes_own(function))
        .into();
        // THEN only what Node alone has written is Node's
        assert_eq!(owns, [false, true, false, true, false, false]);
    }
}
