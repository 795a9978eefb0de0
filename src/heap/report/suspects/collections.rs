//! Collections with very many entries, or many heavy ones: Maps, Sets, arrays, objects used as dictionaries.
//!
//! Knows: edges by kind. Out of scope: whether it is a cache.
//! Limitations: small integers have no edge, so there are at least as many entries as said.

#![forbid(unsafe_code)]

use rustc_hash::FxHashSet;

use super::tables::{entry_count, entry_edges};
use super::{title, Limits, Names, Suspect};
use crate::base::error::Failure;
use crate::heap::control::Ticker;
use crate::heap::graph::kinds::NodeKind;
use crate::heap::graph::Ordinal;
use crate::heap::subject::Subject;

pub(crate) const KIND: &str = "large-collection";
/// A tagged value, or a number.
const SLOT_BYTES: u64 = 8;
const LIMITS: Limits = Limits {
    few: 1_000,
    many: 10_000,
    heavy_percent: 5,
};

pub(crate) fn find(
    subject: &Subject,
    names: &Names,
    suspects: &mut Vec<Suspect>,
) -> Result<(), Failure> {
    let graph = subject.graph();
    let mut ticker = Ticker::new(subject.control);
    for &(node, table) in &names.tables {
        ticker.tick()?;
        judge(subject, node, entry_count(graph, node, table), suspects);
    }
    let total = subject.retained(graph.root);
    let has_table: FxHashSet<Ordinal> = names.tables.iter().map(|&(node, _)| node).collect();
    for node in graph.nodes() {
        ticker.tick()?;
        let edges = graph.edges(node);
        let is_large = u64::from(edges.end - edges.start) >= LIMITS.few
            || graph.is_named(node, "Array")
                && LIMITS.is_heavy(total, subject.analysis.sizes.get(node));
        if graph.kind(node) != NodeKind::Object || !is_large || has_table.contains(&node) {
            continue;
        }
        let count = entry_edges(graph, node).count() as u64;
        judge(subject, node, count, suspects);
    }
    Ok(())
}

fn judge(subject: &Subject, node: Ordinal, count: u64, suspects: &mut Vec<Suspect>) {
    let graph = subject.graph();
    let bytes = subject.retained(node);
    let total = subject.retained(graph.root);
    let own = subject.analysis.sizes.get(node);
    let is_large = LIMITS.judge(total, count, bytes);
    // Numbers have no edge and no size of their own: their table has.
    if !is_large && !LIMITS.is_heavy(total, own) {
        return;
    }
    let what = title(graph, node);
    let what = if what == "Object" { "object" } else { &what };
    // A slot takes 8 bytes; of a Map's entry, three of them.
    suspects.push(Suspect {
        kind: KIND,
        node,
        count,
        bytes,
        text: match !is_large && count < own / SLOT_BYTES / 4 {
            true => format!(
                "{what} with a table of {:.1} MB, mostly numbers or free",
                own as f64 / 1e6
            ),
            false => format!("{what} with at least {count} entries"),
        },
    });
}
