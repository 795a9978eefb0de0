//! Immediate dominators: the nearest object without which a node would be collected.
//!
//! Knows: the graph and which edges count. Out of scope: sizes.
//! Method: semidominators as Lengauer and Tarjan find them (1979), then each immediate dominator as the nearest
//! common ancestor of tree parent and semidominator (Georgiadis's Semi-NCA), found through jump pointers, so
//! that both halves stay near-linear on every graph: climbing one by one takes a list of a million objects that
//! ends in a million shared ones to 10^12 steps. Iterative throughout; all arrays are numbered in depth-first
//! order, which keeps them local.
//! Limitations: nodes that the root does not reach follow DevTools. Those that nothing essential refers to hang from
//! the root and retain what they refer to; cycles among the rest hang from the root one by one.

#![forbid(unsafe_code)]

use crate::base::error::Failure;
use crate::heap::control::{Control, Phase, Ticker};
use crate::heap::graph::{Graph, Ordinal};
use crate::heap::solve::essential::Essential;

/// The dominator tree, in depth-first numbers from 0 (the root) and back to ordinals.
pub(crate) struct Dominators {
    /// The ordinal of each number. A dominator has a lower number than what it dominates.
    pub(crate) order: Vec<Ordinal>,
    /// The number of the immediate dominator of each number; the root's is the root.
    pub(crate) parent: Vec<u32>,
}

impl Dominators {
    pub(crate) fn find(
        graph: &Graph,
        essential: &Essential,
        control: &Control,
    ) -> Result<Dominators, Failure> {
        let tree = DepthFirst::walk(graph, essential, control)?;
        control.report(Phase::Dominators, 1, 4)?;
        let incoming = Incoming::build(graph, essential, &tree, control)?;
        control.report(Phase::Dominators, 2, 4)?;
        let DepthFirst {
            number,
            order,
            parent,
            ..
        } = tree;
        drop(number);
        let (semi, scratch) = incoming.semidominators(&parent, control)?;
        control.report(Phase::Dominators, 3, 4)?;
        let parent = nearest_common_ancestors(parent, &semi, scratch, control)?;
        Ok(Dominators { order, parent })
    }
}

/// A depth-first spanning tree that reaches every node.
struct DepthFirst {
    /// Number of each ordinal.
    number: Vec<u32>,
    order: Vec<Ordinal>,
    /// Number of the tree parent of each number.
    parent: Vec<u32>,
    /// From this number on nodes are in unreachable cycles; their edges count for nothing.
    stray: u32,
}

impl DepthFirst {
    fn walk(
        graph: &Graph,
        essential: &Essential,
        control: &Control,
    ) -> Result<DepthFirst, Failure> {
        let count = graph.node_count();
        let mut walk = Walk {
            graph,
            essential,
            number: vec![u32::MAX; count],
            order: Vec::with_capacity(count),
            parent: Vec::with_capacity(count),
            cursor: vec![0; count],
            ticker: Ticker::new(control),
        };
        walk.from(graph.root, 0)?;
        for node in graph.nodes() {
            if walk.number[node as usize] == u32::MAX && !essential.is_retained(node) {
                walk.from(node, 0)?;
            }
        }
        let stray = walk.order.len() as u32;
        for node in graph.nodes() {
            if walk.number[node as usize] == u32::MAX {
                walk.add(node, 0);
            }
        }
        Ok(DepthFirst {
            number: walk.number,
            order: walk.order,
            parent: walk.parent,
            stray,
        })
    }
}

struct Walk<'a> {
    graph: &'a Graph,
    essential: &'a Essential,
    number: Vec<u32>,
    order: Vec<Ordinal>,
    parent: Vec<u32>,
    /// The next edge to follow, by number: with `parent` it takes the place of a stack.
    cursor: Vec<u32>,
    ticker: Ticker<'a>,
}

impl Walk<'_> {
    fn add(&mut self, node: Ordinal, parent: u32) -> u32 {
        let number = self.order.len() as u32;
        self.number[node as usize] = number;
        self.order.push(node);
        self.parent.push(parent);
        number
    }

    fn from(&mut self, start: Ordinal, parent: u32) -> Result<(), Failure> {
        let first = self.add(start, parent);
        self.cursor[first as usize] = self.graph.edges(start).start;
        let mut current = first;
        loop {
            self.ticker.tick()?;
            let end = self.graph.edges(self.order[current as usize]).end;
            let mut edge = self.cursor[current as usize];
            let mut next = None;
            while edge < end {
                let to = self.graph.to(edge);
                if self.number[to as usize] == u32::MAX && self.essential.edge(edge) {
                    next = Some(to);
                    edge += 1;
                    break;
                }
                edge += 1;
            }
            self.cursor[current as usize] = edge;
            match next {
                Some(to) => {
                    current = self.add(to, current);
                    self.cursor[current as usize] = self.graph.edges(to).start;
                }
                None if current == first => return Ok(()),
                None => current = self.parent[current as usize],
            }
        }
    }
}

/// The edges that semidominators need, by the number they lead to.
///
/// An edge from a lower to a higher number counts as soon as it is seen (its start has not been linked when its
/// end is looked at, so it stands for itself). Only edges from higher to lower numbers are kept: a third less
/// memory at the moment when most is needed.
struct Incoming {
    first: Vec<u32>,
    from: Vec<u32>,
    /// The lowest start of an edge from below, by number.
    lowest: Vec<u32>,
}

/// Visits every essential edge from a node that the search has reached, by the numbers of its ends.
fn each_numbered_edge(
    graph: &Graph,
    essential: &Essential,
    tree: &DepthFirst,
    control: &Control,
    mut visit: impl FnMut(u32, u32),
) -> Result<(), Failure> {
    let mut ticker = Ticker::new(control);
    for node in graph.nodes() {
        ticker.tick()?;
        let from = tree.number[node as usize];
        if from >= tree.stray {
            continue;
        }
        for edge in graph.edges(node) {
            if essential.edge(edge) {
                visit(from, tree.number[graph.to(edge) as usize]);
            }
        }
    }
    Ok(())
}

impl Incoming {
    fn build(
        graph: &Graph,
        essential: &Essential,
        tree: &DepthFirst,
        control: &Control,
    ) -> Result<Incoming, Failure> {
        let count = graph.node_count();
        let mut first = vec![0u32; count + 1];
        let mut lowest = tree.parent.clone();
        each_numbered_edge(graph, essential, tree, control, |from, to| {
            if from > to {
                first[to as usize] += 1;
            } else if to < tree.stray && from < lowest[to as usize] {
                lowest[to as usize] = from;
            }
        })?;
        let mut total = 0u32;
        for slot in &mut first {
            // Below 2^32: there are fewer edges than that.
            total += *slot;
            *slot = total;
        }
        let mut from_numbers = vec![0u32; total as usize];
        each_numbered_edge(graph, essential, tree, control, |from, to| {
            if from > to {
                let slot = &mut first[to as usize];
                *slot -= 1;
                from_numbers[*slot as usize] = from;
            }
        })?;
        Ok(Incoming {
            first,
            from: from_numbers,
            lowest,
        })
    }

    /// Consumes the edges: they are the largest array of all and are not needed afterwards. Returns with the semidominators two arrays
    /// whose content is no longer needed.
    fn semidominators(
        self,
        parent: &[u32],
        control: &Control,
    ) -> Result<(Vec<u32>, [Vec<u32>; 2]), Failure> {
        let count = parent.len();
        let mut semi = self.lowest;
        // Lowest semidominator on the compressed path from a number up to `ancestor`, that one not included.
        let mut label = semi.clone();
        let mut ancestor = parent.to_vec();
        let mut path: Vec<u32> = Vec::new();
        let mut ticker = Ticker::new(control);
        for number in (1..count as u32).rev() {
            ticker.tick()?;
            let mut lowest = semi[number as usize];
            let range = self.first[number as usize]..self.first[number as usize + 1];
            for &from in &self.from[range.start as usize..range.end as usize] {
                if lowest == 0 {
                    break;
                }
                // Numbers above this one are linked to their parents. Climb to the highest linked one.
                let mut top = from;
                while ancestor[top as usize] > number {
                    path.push(top);
                    top = ancestor[top as usize];
                }
                let mut best = label[top as usize];
                let end = ancestor[top as usize];
                while let Some(below) = path.pop() {
                    let own = &mut label[below as usize];
                    if best < *own {
                        *own = best;
                    } else {
                        best = *own;
                    }
                    ancestor[below as usize] = end;
                }
                lowest = lowest.min(best);
            }
            semi[number as usize] = lowest;
            label[number as usize] = lowest;
        }
        Ok((semi, [label, ancestor]))
    }
}

/// Turns tree parents into immediate dominators, in place: the highest ancestor, in the tree as far as it is
/// known, whose number is not above the semidominator.
fn nearest_common_ancestors(
    mut parent: Vec<u32>,
    semi: &[u32],
    scratch: [Vec<u32>; 2],
    control: &Control,
) -> Result<Vec<u32>, Failure> {
    let count = parent.len();
    // Skew-binary jump pointers: `jump` leaps, and two leaps of one length make the next one longer. All but the root's are written
    // before they are read.
    let [mut jump, mut depth] = scratch;
    (jump[0], depth[0]) = (0, 0);
    let mut ticker = Ticker::new(control);
    for number in 1..count {
        ticker.tick()?;
        let limit = semi[number];
        let mut at = parent[number];
        while at > limit {
            let leap = jump[at as usize];
            at = if leap > limit {
                leap
            } else {
                parent[at as usize]
            };
        }
        parent[number] = at;
        let dominator = at as usize;
        depth[number] = depth[dominator] + 1;
        let leap = jump[dominator] as usize;
        jump[number] = if depth[dominator] - depth[leap] == depth[leap] - depth[jump[leap] as usize]
        {
            jump[leap]
        } else {
            at
        };
    }
    Ok(parent)
}
