//! From records in any order to a tree in pre-order with lengths.

use std::io::{self, Write};
use std::sync::MutexGuard;

use super::log::{Entry, Log, NodeId, Records};
use super::steps::{OPEN, varint};

/// A finished log, ready to be written.
pub(super) struct Order<'a> {
    records: MutexGuard<'a, Records>,
    /// How much of each node is written.
    parts: Option<Vec<Part>>,
    sizes: Vec<u64>,
}

/// How much of a node is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// Nothing: it is left open.
    Nothing,
    /// The node, as there is something below it.
    Node,
    /// The node and all below it.
    Subtree,
}

impl<'a> Order<'a> {
    /// Measures all subtrees.
    pub fn new(log: &'a Log) -> Order<'a> {
        Order { records: log.records(), parts: None, sizes: Vec::new() }.measured()
    }

    /// As [`Order::new`], but of the tree only the subtrees of `nodes` and the ways to them; the rest is left open.
    pub fn only(log: &'a Log, nodes: &[NodeId]) -> Order<'a> {
        let records = log.records();
        let mut parts = vec![Part::Nothing; records.entries.len()];
        for &node in nodes {
            if let Some(part) = parts.get_mut(node as usize) {
                *part = Part::Subtree;
            }
        }
        let children = |node: usize| [0, 1].map(|second| (records.entries[node].first_child + second) as usize);
        let inner = |node: &usize| records.entries[*node].first_child != 0;
        // Children have greater numbers than their parents.
        for node in (0..parts.len()).filter(inner) {
            if parts[node] == Part::Subtree {
                children(node).into_iter().filter_map(|c| parts.get_mut(c).map(|p| *p = Part::Subtree)).for_each(drop);
            }
        }
        for node in (0..parts.len()).rev().filter(inner) {
            let below = children(node).into_iter().any(|c| parts.get(c).is_some_and(|&p| p != Part::Nothing));
            if below {
                parts[node] = parts[node].max(Part::Node);
            }
        }
        Order { records, parts: Some(parts), sizes: Vec::new() }.measured()
    }

    /// Bytes of the subtree of every node that has an entry. Children have greater numbers than their parents.
    fn measured(mut self) -> Order<'a> {
        let mut sizes = vec![1; self.records.entries.len()];
        for node in (0..sizes.len()).rev() {
            let entry = self.entry(node as NodeId);
            if entry.length == 0 {
                continue;
            }
            sizes[node] = entry.length as u64;
            if entry.first_child != 0 {
                let first = size_of(&sizes, entry.first_child);
                sizes[node] += varint_length(first) + first + size_of(&sizes, entry.first_child + 1);
            }
        }
        self.sizes = sizes;
        self
    }

    /// The entry of a node, empty where it is left open.
    fn entry(&self, node: NodeId) -> Entry {
        let left_open = self.parts.as_ref().is_some_and(|parts| parts.get(node as usize).is_none_or(|&p| p == Part::Nothing));
        if left_open { Entry::default() } else { self.records.entry(node) }
    }

    /// Bytes of the whole tree.
    pub fn len(&self) -> u64 {
        size_of(&self.sizes, 0)
    }

    /// Writes the tree from the root; a node without a record is open.
    pub fn write(&self, to: &mut dyn Write) -> io::Result<()> {
        let mut bytes = Vec::new();
        let mut stack: Vec<NodeId> = vec![0];
        while let Some(node) = stack.pop() {
            let entry = self.entry(node);
            if entry.length == 0 {
                to.write_all(&[OPEN])?;
                continue;
            }
            self.records.read(entry, &mut bytes)?;
            if entry.first_child != 0 {
                varint(&mut bytes, size_of(&self.sizes, entry.first_child));
                stack.extend([entry.first_child + 1, entry.first_child]);
            }
            to.write_all(&bytes)?;
        }
        Ok(())
    }
}

fn size_of(sizes: &[u64], node: NodeId) -> u64 {
    sizes.get(node as usize).copied().unwrap_or(1)
}

fn varint_length(value: u64) -> u64 {
    (64 - (value | 1).leading_zeros() as u64).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::super::Steps;
    use super::*;

    fn split(input: usize) -> Steps {
        let mut steps = Steps::default();
        steps.split_input(input, 0.5);
        steps
    }

    fn in_order(log: &Log) -> Vec<u8> {
        let order = Order::new(log);
        let mut bytes = Vec::new();
        order.write(&mut bytes).expect("in memory");
        assert_eq!(order.len(), bytes.len() as u64);
        bytes
    }

    #[test]
    fn an_empty_log_is_one_open_node() {
        assert_eq!(in_order(&Log::default()), [OPEN]);
    }

    #[test]
    fn records_in_any_order_give_the_same_tree() {
        let orders: [[usize; 4]; 3] = [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]];
        let trees = orders.map(|order| {
            let log = Log::default();
            let (a, b) = (log.children(), log.children());
            for record in order {
                match record {
                    0 => log.split(0, split(7).bytes(), a),
                    1 => log.end(a, &[0x50]),
                    2 => log.split(a + 1, split(8).bytes(), b),
                    _ => log.end(b + 1, &[0x51]),
                }
            }
            in_order(&log)
        });
        let half = 0.5f64.to_le_bytes();
        let expected = [&[0x40, 7][..], &half, &[1, 0x50, 0x40, 8], &half, &[1, OPEN, 0x51]].concat();
        assert!(trees.iter().all(|t| *t == expected), "{trees:?}");
    }

    #[test]
    fn a_part_of_a_tree_leaves_the_rest_open() {
        let log = Log::default();
        let (a, b) = (log.children(), log.children());
        log.split(0, split(7).bytes(), a);
        log.end(a, &[0x50]);
        log.split(a + 1, split(8).bytes(), b);
        log.end(b, &[0x50]);
        log.end(b + 1, &[0x51]);
        let only = |nodes: &[NodeId]| {
            let mut bytes = Vec::new();
            Order::only(&log, nodes).write(&mut bytes).expect("in memory");
            bytes
        };
        let half = 0.5f64.to_le_bytes();
        assert_eq!(only(&[]), [OPEN]);
        assert_eq!(only(&[b]), [&[0x40, 7][..], &half, &[1, OPEN, 0x40, 8], &half, &[1, 0x50, OPEN]].concat());
        assert_eq!(only(&[a + 1]), [&[0x40, 7][..], &half, &[1, OPEN, 0x40, 8], &half, &[1, 0x50, 0x51]].concat());
        assert_eq!(only(&[0]), in_order(&log));
    }

    #[test]
    fn lengths_of_varints() {
        for value in [0, 1, 127, 128, 16383, 16384, u64::MAX] {
            let mut bytes = Vec::new();
            varint(&mut bytes, value);
            assert_eq!(varint_length(value), bytes.len() as u64);
        }
    }
}
