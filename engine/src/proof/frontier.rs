//! The open nodes of a tree: where a search starts, goes on, or mends.

use std::io;

use super::log::{Entry, Log, NodeId};
use super::steps::{self, End, Split};

/// One split on the way from the root, the side taken, and what was done at the node before it was split.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Turn {
    /// The split.
    pub split: Split,
    /// False for at most (the number, or 0), true for at least.
    pub second: bool,
    /// Lines were refreshed there.
    pub refreshed: bool,
    /// The box was clipped there.
    pub clipped: bool,
}

/// A node of which nothing is proved.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenNode {
    /// Its number in the log.
    pub node: NodeId,
    /// The way from the root.
    pub turns: Vec<Turn>,
    /// Disjuncts that no step above excludes.
    pub open: Vec<u32>,
}

impl Log {
    /// The tree of a certificate about a network whose activations have `lens` elements. Of the steps of open nodes only row trees
    /// are kept: they are much work and need nothing above them.
    pub fn read(tree: &[u8], disjuncts: usize, lens: &[usize]) -> io::Result<Log> {
        let log = Log::about(lens);
        let mut rest = tree;
        // Nodes to come, in the order of the file, with their open disjuncts.
        let mut stack = vec![(0, all(disjuncts))];
        while let Some((node, mut open)) = stack.pop() {
            let read = steps::read(rest, lens, &mut open)?;
            let (own, after) = rest.split_at(read.length);
            rest = after;
            match read.end {
                End::Open if read.row_trees => log.pause(node, own),
                End::Open => {}
                End::Closed => log.end(node, own),
                End::Split(_) => {
                    let first = log.children();
                    log.split(node, own, first);
                    rest = steps::skip_varint(rest)?;
                    stack.extend([(first + 1, read.end.open(&open, true)), (first, read.end.open(&open, false))]);
                }
            }
        }
        if rest.is_empty() { Ok(log) } else { Err(steps::damaged("bytes are left over")) }
    }

    /// Forgets what is recorded of the node at the end of `path` (true for a second child) and below it. Returns its number.
    pub fn reopen(&self, path: &[bool]) -> NodeId {
        let mut records = self.records();
        let mut node = 0;
        for &second in path {
            match records.entry(node).first_child {
                0 => return node,
                first => node = first + second as NodeId,
            }
        }
        if let Some(entry) = records.entries.get_mut(node as usize) {
            *entry = Entry::default();
        }
        node
    }

    /// All open nodes, in the order of the tree.
    pub fn frontier(&self, disjuncts: usize) -> io::Result<Vec<OpenNode>> {
        let records = self.records();
        let mut found = Vec::new();
        let mut bytes = Vec::new();
        let mut stack = vec![OpenNode { node: 0, turns: Vec::new(), open: all(disjuncts) }];
        while let Some(mut at) = stack.pop() {
            let entry = records.entry(at.node);
            if entry.is_open() {
                found.push(at);
                continue;
            }
            if entry.first_child == 0 {
                continue;
            }
            records.read(entry, &mut bytes)?;
            let read = steps::read(&bytes, &self.lens, &mut at.open)?;
            if let End::Split(split) = read.end {
                let child = |second: bool| {
                    let mut turns = at.turns.clone();
                    turns.push(Turn { split, second, refreshed: read.refreshed, clipped: read.clipped });
                    OpenNode { node: entry.first_child + second as NodeId, turns, open: read.end.open(&at.open, second) }
                };
                stack.extend([child(true), child(false)]);
            }
        }
        Ok(found)
    }
}

/// All disjuncts.
pub(super) fn all(disjuncts: usize) -> Vec<u32> {
    (0..disjuncts as u32).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Fact, Steps};
    use super::*;

    /// Root: drops disjunct 1, splits input 2; its second child splits a neuron, whose first child is closed.
    fn log() -> Log {
        let log = Log::default();
        let (a, b) = (log.children(), log.children());
        let mut steps = Steps::default();
        steps.refresh_all();
        steps.drop_row(1, 0);
        let mut lists = Steps::default();
        lists.weights([(Fact::Row(0), 1.0)].into_iter());
        lists.weights([(Fact::Cut(0), 0.5), (Fact::Phase(3), 0.5)].into_iter());
        steps.clip(&lists);
        steps.split_input(2, 0.25);
        log.split(0, steps.bytes(), a);
        steps.clear();
        steps.split_neuron(1, 300);
        log.split(a + 1, steps.bytes(), b);
        steps.clear();
        steps.drop_combined(0, [(Fact::Row(0), 0.5)].into_iter());
        steps.drop_clipped(2, [].into_iter());
        steps.leaf();
        log.end(b, steps.bytes());
        log
    }

    #[test]
    fn open_nodes_know_their_way_and_their_disjuncts() {
        let input = |second| Turn { split: Split::Input { input: 2, at: 0.25 }, second, refreshed: true, clipped: true };
        let neuron = |second| Turn { split: Split::Neuron { activation: 1, element: 300 }, second, refreshed: false, clipped: false };
        let expected = [
            OpenNode { node: 1, turns: vec![input(false)], open: vec![0, 2] },
            OpenNode { node: 4, turns: vec![input(true), neuron(true)], open: vec![0, 2] },
        ];
        assert_eq!(log().frontier(3).expect("well formed"), expected);
    }

    #[test]
    fn a_tree_reads_back_as_it_was_written() {
        let bytes = |log: &Log| {
            let mut bytes = Vec::new();
            super::super::tree::Order::new(log).write(&mut bytes).expect("in memory");
            bytes
        };
        let tree = bytes(&log());
        assert_eq!(bytes(&Log::read(&tree, 3, &[]).expect("well formed")), tree);
        for cut in 0..tree.len() {
            assert!(Log::read(&tree[..cut], 3, &[]).is_err(), "cut at {cut}");
        }
        assert!(Log::read(&[&tree[..], &[0x50]].concat(), 3, &[]).is_err());
    }

    #[test]
    fn a_reopened_node_is_open_with_all_below_it() {
        let log = log();
        log.reopen(&[true]);
        let open: Vec<NodeId> = log.frontier(3).expect("well formed").iter().map(|o| o.node).collect();
        assert_eq!(open, [1, 2]);
        log.reopen(&[true, false, true]);
        log.reopen(&[]);
        assert_eq!(log.frontier(3).expect("well formed").len(), 1);
    }
}
