//! Nodes in groups, for the bytes that each group retains.
//!
//! Knows: the group of each node. Out of scope: why they are one.
//! Limitations: a node is in one group.

#![forbid(unsafe_code)]

use crate::base::error::Failure;
use crate::heap::graph::{Graph, Ordinal, NONE};
use crate::heap::subject::Subject;

/// The groups of one graph.
pub(super) struct Groups {
    by_node: Vec<u32>,
    count: u32,
}

impl Groups {
    pub(super) fn new(graph: &Graph) -> Groups {
        Groups {
            by_node: vec![NONE; graph.node_count()],
            count: 0,
        }
    }

    pub(super) fn add_group(&mut self) -> u32 {
        self.count += 1;
        self.count - 1
    }

    /// Whether the node was in no group before; it stays in the one it is in.
    pub(super) fn add(&mut self, node: Ordinal, group: u32) -> bool {
        let slot = &mut self.by_node[node as usize];
        let is_free = *slot == NONE;
        if is_free {
            *slot = group;
        }
        is_free
    }

    /// What each group retains; a node that another one of its group dominates is not counted twice.
    pub(super) fn bytes(&self, subject: &Subject) -> Result<Vec<u64>, Failure> {
        subject.dominated.group_bytes(
            subject.graph().root,
            self.count as usize,
            &subject.analysis.retained.bytes,
            |node| {
                let group = self.by_node[node as usize];
                (group != NONE).then_some(group)
            },
            subject.control,
        )
    }
}
