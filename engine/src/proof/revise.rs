//! Trees made shorter, and trees of the same query put together.

use std::io;
use std::ops::Range;

use super::frontier::all;
use super::log::{Entry, Log, NodeId};
use super::row_trees::RowTree;
use super::steps::{self, End, Steps};

impl Log {
    /// Nodes whose children are both closed leaves, with the steps that would close them if one child's steps (the second's, if
    /// `second`) did so in the whole of their region.
    pub fn fusible(&self, disjuncts: usize, second: bool) -> io::Result<Vec<(NodeId, Vec<u8>)>> {
        let mut found = Vec::new();
        let mut stack = vec![(0, all(disjuncts))];
        while let Some((node, open)) = stack.pop() {
            let Some(own) = self.recorded(node, &open)?.filter(|own| own.first_child != 0) else { continue };
            let entries = [0, 1].map(|second| self.taken(own.first_child + second));
            if entries.iter().all(|e| e.first_child == 0 && !e.is_open()) {
                let mut child = Vec::new();
                self.records().read(entries[second as usize], &mut child)?;
                found.push((node, [&own.bytes[..own.ending], &child].concat()));
            }
            stack.extend([(own.first_child + 1, own.end.open(&own.open, true)), (own.first_child, own.end.open(&own.open, false))]);
        }
        Ok(found)
    }

    /// Closed leaves that refresh their lines, with their steps but for that: the lines of nodes above may do.
    pub fn lighter(&self, disjuncts: usize) -> io::Result<Vec<(NodeId, Vec<u8>)>> {
        let mut found = Vec::new();
        let mut stack = vec![(0, all(disjuncts))];
        while let Some((node, open)) = stack.pop() {
            let Some(own) = self.recorded(node, &open)? else { continue };
            match own.first_child {
                0 if own.end == End::Closed && own.bytes.first() == Some(&steps::REFRESH_ALL) => {
                    found.push((node, own.bytes[1..].to_vec()))
                }
                0 => {}
                first => stack.extend([(first + 1, own.open.clone()), (first, own.open)]),
            }
        }
        Ok(found)
    }

    /// Nodes that are reached from the root and have a record.
    pub fn reached(&self) -> usize {
        let records = self.records();
        let (mut count, mut stack) = (0, vec![0]);
        while let Some(node) = stack.pop() {
            let entry = records.entry(node);
            count += (entry.length > 0) as usize;
            if entry.first_child != 0 {
                stack.extend([entry.first_child, entry.first_child + 1]);
            }
        }
        count
    }

    /// The number of the node at the end of `path` (true for a second child), if the path exists.
    pub fn node_at(&self, path: &[bool]) -> Option<NodeId> {
        let records = self.records();
        path.iter().try_fold(0, |node, &second| match records.entry(node).first_child {
            0 => None,
            first => Some(first + second as NodeId),
        })
    }

    /// What is recorded of a node, to put it back with [`Log::put_back`].
    pub(crate) fn taken(&self, node: NodeId) -> Entry {
        self.records().entry(node)
    }

    /// Undoes a new record of a node.
    pub(crate) fn put_back(&self, node: NodeId, entry: Entry) {
        if let Some(own) = self.records().entries.get_mut(node as usize) {
            *own = entry;
        }
    }

    /// This tree, and where it is open what `other` has there, as long as both were split alike on the way.
    pub fn join(&self, other: &Log, disjuncts: usize) -> io::Result<Log> {
        let joined = Log::about(&self.lens);
        // Nodes of the result with what each tree has there: its node and open disjuncts; none where its way ends.
        let root = || Some((0, all(disjuncts)));
        let mut stack = vec![(0, root(), root())];
        while let Some((node, mine, theirs)) = stack.pop() {
            let read = |log: &Log, at: &Option<(NodeId, Vec<u32>)>| at.as_ref().map_or(Ok(None), |(node, open)| log.recorded(*node, open));
            let (mine, theirs) = (read(self, &mine)?, read(other, &theirs)?);
            let Some(kept) = mine.as_ref().or(theirs.as_ref()) else { continue };
            if kept.first_child == 0 {
                match (&mine, &theirs) {
                    (Some(a), Some(b)) if a.end == End::Open => joined.add_parts(node, a, b)?,
                    _ if kept.end == End::Open => joined.pause(node, &kept.bytes),
                    _ => joined.end(node, &kept.bytes),
                }
                continue;
            }
            let first = joined.children();
            joined.split(node, &kept.bytes, first);
            let alike = mine.as_ref().zip(theirs.as_ref()).is_none_or(|(a, b)| a.end == b.end);
            for second in [1, 0] {
                let child = |n: &Option<Recorded>| {
                    let there = n.as_ref().filter(|n| n.first_child != 0);
                    there.map(|n| (n.first_child + second, n.end.open(&n.open, second == 1)))
                };
                stack.push((first + second, child(&mine), if alike { child(&theirs) } else { None }));
            }
        }
        Ok(joined)
    }

    /// The steps of `mine`, an open node, then those of `theirs`, and where neither excludes a disjunct, what their trees leave of it.
    fn add_parts(&self, node: NodeId, mine: &Recorded, theirs: &Recorded) -> io::Result<()> {
        if let End::Closed = theirs.end {
            self.end(node, &theirs.bytes);
            return Ok(());
        }
        let parts = if let End::Open = theirs.end { &[mine, theirs][..] } else { &[mine][..] };
        let (mut joined, mut trees, mut open): (Steps, Vec<RowTree>, _) = (Steps::default(), Vec::new(), mine.open.clone());
        for part in parts {
            let mut at = 0;
            for place in &part.parts {
                joined.resume(&part.bytes[at..place.start]);
                trees.push(RowTree::read(&mut &part.bytes[place.start + 1..place.end], &self.lens)?);
                at = place.end;
            }
            joined.resume(&part.bytes[at..part.ending]);
            open.retain(|d| part.open.contains(d));
        }
        while let Some(mut tree) = trees.pop() {
            while let Some(other) = trees.iter().position(|t| (t.disjunct, t.row) == (tree.disjunct, tree.row)) {
                tree = trees.remove(other).join(&tree);
            }
            let disjunct = tree.disjunct as u32;
            if open.contains(&disjunct) {
                tree.write(&self.lens, &mut joined);
                open.retain(|&d| d != disjunct || !tree.is_whole());
            }
        }
        if open.is_empty() {
            joined.leaf();
            self.end(node, joined.bytes());
        } else {
            joined.open();
            self.pause(node, joined.bytes());
        }
        Ok(())
    }

    /// What is recorded of a node at which these disjuncts are open.
    fn recorded(&self, node: NodeId, open: &[u32]) -> io::Result<Option<Recorded>> {
        let records = self.records();
        let entry = records.entry(node);
        if entry.length == 0 {
            return Ok(None);
        }
        let (mut bytes, mut open) = (Vec::new(), open.to_vec());
        records.read(entry, &mut bytes)?;
        let read = steps::read(&bytes, &self.lens, &mut open)?;
        Ok(Some(Recorded { bytes, first_child: entry.first_child, end: read.end, ending: read.ending, parts: read.parts, open }))
    }
}

/// A node.
struct Recorded {
    bytes: Vec<u8>,
    first_child: NodeId,
    end: End,
    /// Where the step that ends it starts.
    ending: usize,
    /// Where the trees lie that leave their disjuncts open.
    parts: Vec<Range<usize>>,
    /// Disjuncts that are still open below.
    open: Vec<u32>,
}

#[cfg(test)]
mod tests {
    use super::super::Steps;
    use super::super::tree::Order;
    use super::*;

    fn split(input: usize) -> Vec<u8> {
        let mut steps = Steps::default();
        steps.refresh_all();
        steps.split_input(input, 0.5);
        steps.bytes().to_vec()
    }

    fn written(log: &Log) -> Vec<u8> {
        let mut bytes = Vec::new();
        Order::new(log).write(&mut bytes).expect("in memory");
        bytes
    }

    /// A split of input 7, and below its side `closed` a leaf.
    fn half(closed: u64) -> Log {
        let log = Log::default();
        let first = log.children();
        log.split(0, &split(7), first);
        log.end(first + closed, &[0x20, 0, closed as u8, 0x50]);
        log
    }

    #[test]
    fn two_halves_make_a_whole() {
        let whole = half(0).join(&half(1), 1).expect("well formed");
        assert_eq!(written(&whole), written(&half(1).join(&half(0), 1).expect("well formed")));
        assert!(whole.frontier(1).expect("well formed").is_empty());
        assert_eq!(whole.reached(), 3);
        // Other splits do not fit: what is open stays so.
        let other = Log::default();
        let first = other.children();
        other.split(0, &split(8), first);
        other.end(first + 1, &[0x50]);
        assert_eq!(written(&half(0).join(&other, 1).expect("well formed")), written(&half(0)));
        assert_eq!(written(&Log::default().join(&other, 1).expect("well formed")), written(&other));
    }

    #[test]
    fn siblings_that_are_leaves_can_be_tried_as_one() {
        let whole = half(0).join(&half(1), 1).expect("well formed");
        let expected = |side: u8| vec![(0, vec![0x10, 0x20, 0, side, 0x50])];
        assert_eq!(whole.fusible(1, false).expect("well formed"), expected(0));
        assert_eq!(whole.fusible(1, true).expect("well formed"), expected(1));
        assert!(half(0).fusible(1, false).expect("well formed").is_empty());
        assert_eq!((whole.node_at(&[true]), whole.node_at(&[true, true])), (Some(2), None));
    }
}
