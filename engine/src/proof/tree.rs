//! From records in any order to a tree in pre-order with lengths.

use std::io::{self, Write};
use std::sync::MutexGuard;

use super::log::{Entry, Log, NodeId, Records};
use super::steps::{OPEN, varint};

/// A finished log, ready to be written.
pub(super) struct Order<'a> {
    records: MutexGuard<'a, Records>,
    sizes: Vec<u64>,
}

impl<'a> Order<'a> {
    /// Measures all subtrees.
    pub fn new(log: &'a Log) -> Order<'a> {
        let records = log.records();
        let sizes = sizes(&records);
        Order { records, sizes }
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
            let entry = entry_of(&self.records, node);
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

fn entry_of(records: &Records, node: NodeId) -> Entry {
    records.entries.get(node as usize).copied().unwrap_or_default()
}

/// Bytes of the subtree of every node that has an entry. Children have greater numbers than their parents.
fn sizes(records: &Records) -> Vec<u64> {
    let mut sizes = vec![1; records.entries.len()];
    for (node, entry) in records.entries.iter().enumerate().rev().filter(|(_, e)| e.length != 0) {
        sizes[node] = entry.length as u64;
        if entry.first_child != 0 {
            let first = size_of(&sizes, entry.first_child);
            sizes[node] += varint_length(first) + first + size_of(&sizes, entry.first_child + 1);
        }
    }
    sizes
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
    fn lengths_of_varints() {
        for value in [0, 1, 127, 128, 16383, 16384, u64::MAX] {
            let mut bytes = Vec::new();
            varint(&mut bytes, value);
            assert_eq!(varint_length(value), bytes.len() as u64);
        }
    }
}
