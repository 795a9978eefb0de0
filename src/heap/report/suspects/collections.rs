//! Collections with very many entries, or many heavy ones: Maps, Sets, arrays, objects used as dictionaries.
//!
//! Knows: edges by kind. Does not know: whether it is a cache.
//! Limits: small integers have no edge, so there are at least as many entries as said.

#![forbid(unsafe_code)]

use super::tables::{entry_count, entry_edges};
use super::{title, Limits, Names, Suspect};
use crate::base::error::Failure;
use crate::heap::control::Ticker;
use crate::heap::graph::kinds::NodeKind;
use crate::heap::graph::Ordinal;
use crate::heap::view::View;

pub(crate) const KIND: &str = "large-collection";
const LIMITS: Limits = Limits {
    few: 1_000,
    many: 10_000,
    heavy_percent: 5,
};

pub(crate) fn find(view: &View, names: &Names, suspects: &mut Vec<Suspect>) -> Result<(), Failure> {
    let graph = view.graph();
    let mut ticker = Ticker::new(view.control);
    for &(node, table) in &names.tables {
        ticker.tick()?;
        judge(view, node, entry_count(graph, node, table), suspects);
    }
    for node in graph.nodes() {
        ticker.tick()?;
        let edges = graph.edges(node);
        if graph.kind(node) != NodeKind::Object || u64::from(edges.end - edges.start) < LIMITS.few {
            continue;
        }
        let count = entry_edges(graph, node).count() as u64;
        judge(view, node, count, suspects);
    }
    Ok(())
}

fn judge(view: &View, node: Ordinal, count: u64, suspects: &mut Vec<Suspect>) {
    let graph = view.graph();
    let bytes = view.retained(node);
    if LIMITS.judge(view.retained(graph.root), count, bytes) {
        let what = title(graph, node);
        let what = if what == "Object" { "object" } else { &what };
        suspects.push(Suspect {
            kind: KIND,
            node,
            count,
            bytes,
            text: format!("{what} with at least {count} entries"),
        });
    }
}
