//! The console: what was logged while an inspector was attached is kept for it, up to a thousand messages.
//!
//! Knows: how V8 names these handles. Out of scope: what was logged.
//! Limitations: what the program holds as well is not the console's; what several messages share is no one's.

#![forbid(unsafe_code)]

use super::{commonest_class, Groups, Limits, Suspect};
use crate::base::error::Failure;
use crate::heap::graph::kinds::{EdgeKind, NodeKind};
use crate::heap::graph::Ordinal;
use crate::heap::subject::Subject;

const LIMITS: Limits = Limits {
    few: 1,
    many: 100,
    heavy_percent: 1,
};

/// V8's name of such a handle, after its number.
const HANDLE: &[u8] = b" / DevTools console";

pub(crate) fn find(subject: &Subject, suspects: &mut Vec<Suspect>) -> Result<(), Failure> {
    let graph = subject.graph();
    let mut kept: Vec<Ordinal> = Vec::new();
    for node in graph.nodes() {
        if graph.kind(node) != NodeKind::Synthetic {
            continue;
        }
        for edge in graph.edges(node) {
            let to = graph.to(edge);
            if graph.edge_kind(edge) == EdgeKind::Internal
                && graph.strings.bytes(graph.edge_name(edge)).ends_with(HANDLE)
                && graph.kind(subject.analysis.retained.dominator[to as usize])
                    == NodeKind::Synthetic
            {
                kept.push(to);
            }
        }
    }
    kept.sort_unstable();
    kept.dedup();
    let Some(largest) = kept
        .iter()
        .copied()
        .max_by_key(|&node| (subject.retained(node), std::cmp::Reverse(node)))
    else {
        return Ok(());
    };
    let mut groups = Groups::new(graph);
    let group = groups.add_group();
    for &node in &kept {
        groups.add(node, group);
    }
    let bytes = groups.bytes(subject)?[group as usize];
    let count = kept.len() as u64;
    if LIMITS.judge(subject.retained(graph.root), count, bytes) {
        suspects.push(Suspect {
            kind: "console-messages",
            node: largest,
            count,
            bytes,
            text: format!(
                "{count} logged values that only the console of an inspector keeps, mostly {}",
                commonest_class(subject, kept.iter().copied())
            ),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{lines_about, sketch_with_global};

    #[test]
    fn what_the_program_holds_as_well_is_not_the_consoles() {
        // GIVEN a heavy object that was logged twice, and one that the global object holds too
        let (mut sketch, global) = sketch_with_global();
        let roots = sketch.node("synthetic", "(GC roots)", 0);
        let handles = sketch.node("synthetic", "(Global handles)", 0);
        let logged = sketch.node("object", "Request", 1_500_000);
        let held = sketch.node("object", "Server", 2_000_000);
        sketch.edge(0, "element", "1", roots);
        sketch.edge(roots, "element", "1", handles);
        sketch.edge(handles, "internal", "1 / DevTools console", logged);
        sketch.edge(handles, "internal", "2 / DevTools console", logged);
        sketch.edge(handles, "internal", "3 / DevTools console", held);
        sketch.edge(global, "property", "server", held);
        // WHEN suspects are looked for
        let text = "1 logged values that only the console of an inspector keeps, mostly Request";
        assert_eq!(
            lines_about(&sketch),
            [("console-messages", 1, 1_500_000, text.to_owned())]
        );
    }
}
