//! Two proofs about the same query put together.

use super::proof::{ClassProof, Proof, Record};

impl Proof {
    /// This proof, and where it is open what `other`, about the same network and query, has there. The tightenings of both are kept: every
    /// bound below is at most what it was without those of the other.
    pub fn join(&self, other: &Proof) -> Proof {
        let mut shared = self.shared.clone();
        shared.extend(other.shared.iter().filter(|record| !self.shared.contains(record)).cloned());
        let classes = self.classes.iter().zip(&other.classes);
        let join =
            |(a, b): (&ClassProof, &ClassProof)| ClassProof { class: a.class, records: Tree::new(&a.records).join(&Tree::new(&b.records)) };
        Proof { shared, classes: classes.map(join).collect() }
    }
}

/// A tree's records in pre-order.
struct Tree<'a> {
    records: &'a [Record],
    /// For each record, as if a node began with it, where what follows the node begins.
    ends: Vec<usize>,
    /// Likewise: open leaves, a half per split.
    open: Vec<f64>,
}

impl<'a> Tree<'a> {
    fn new(records: &'a [Record]) -> Tree<'a> {
        let (mut ends, mut open) = (vec![records.len(); records.len()], vec![0.0f64; records.len()]);
        for at in (0..records.len()).rev() {
            (ends[at], open[at]) = match records[at] {
                Record::Empty | Record::Leaf(_) => (at + 1, 0.0),
                Record::Open => (at + 1, 1.0),
                Record::Tighten { .. } => (ends[at + 1], open[at + 1]),
                Record::Split { .. } => {
                    let second = ends[at + 1];
                    // However deep it lies, it is open.
                    let share = 0.5 * open[at + 1] + 0.5 * open[second];
                    (ends[second], if open[at + 1] + open[second] > 0.0 { share.max(f64::MIN_POSITIVE) } else { 0.0 })
                }
            };
        }
        Tree { records, ends, open }
    }

    /// The record that ends the node at `node`, after its tightenings.
    fn ending(&self, node: usize) -> usize {
        node + self.records[node..].iter().take_while(|record| matches!(record, Record::Tighten { .. })).count()
    }

    /// This tree with the subtrees of another one where that one is less open and their ways do not part.
    fn join(&self, other: &Tree) -> Vec<Record> {
        let mut joined: Vec<Record> = Vec::new();
        let mut stack = vec![(0, 0)];
        while let Some((mine, theirs)) = stack.pop() {
            let (own, their) = (self.ending(mine), other.ending(theirs));
            let tightened = &self.records[mine..own];
            joined.extend_from_slice(tightened);
            joined.extend(other.records[theirs..their].iter().filter(|record| !tightened.contains(record)).cloned());
            match (&self.records[own], &other.records[their]) {
                (Record::Split { split: a, second_first }, Record::Split { split: b, second_first: other_first }) if a == b => {
                    joined.push(self.records[own].clone());
                    let children = [(own + 1), self.ends[own + 1]];
                    let mut alike = [their + 1, other.ends[their + 1]];
                    if second_first != other_first {
                        alike.reverse();
                    }
                    stack.extend([(children[1], alike[1]), (children[0], alike[0])]);
                }
                _ if other.open[their] < self.open[own] => joined.extend_from_slice(&other.records[their..other.ends[their]]),
                _ => joined.extend_from_slice(&self.records[own..self.ends[own]]),
            }
        }
        joined
    }
}

#[cfg(test)]
mod tests {
    use super::super::problem::{Multipliers, Split};
    use super::*;

    fn leaf(rise: i64) -> Record {
        Record::Leaf(Multipliers { rise, cap: 1, layers: vec![] })
    }

    fn split(last: i64, second_first: bool) -> Record {
        Record::Split { split: Split::Input { index: 0, last }, second_first }
    }

    fn tighten(neuron: usize) -> Record {
        Record::Tighten { layer: 0, neuron, sign: 1, unit: 1, multipliers: vec![] }
    }

    fn proof(shared: Vec<Record>, records: Vec<Record>) -> Proof {
        Proof { shared, classes: vec![ClassProof { class: 1, records }] }
    }

    #[test]
    fn halves_make_a_whole_whichever_comes_first() {
        let lower = proof(vec![tighten(0)], vec![tighten(1), split(4, false), leaf(1), Record::Open]);
        // Its second half comes first, and is split again.
        let upper = proof(vec![tighten(2)], vec![tighten(3), split(4, true), split(7, false), Record::Empty, leaf(2), Record::Open]);
        let whole = [tighten(1), tighten(3), split(4, false), leaf(1), split(7, false), Record::Empty, leaf(2)];
        assert_eq!(lower.join(&upper), proof(vec![tighten(0), tighten(2)], whole.to_vec()));
        let turned = [tighten(3), tighten(1), split(4, true), split(7, false), Record::Empty, leaf(2), leaf(1)];
        assert_eq!(upper.join(&lower), proof(vec![tighten(2), tighten(0)], turned.to_vec()));
        assert_eq!(lower.join(&lower), lower);
    }

    #[test]
    fn where_ways_part_the_less_open_one_is_kept() {
        let open = proof(vec![], vec![split(4, false), leaf(1), Record::Open]);
        let less = proof(vec![], vec![split(5, false), leaf(1), split(7, false), leaf(2), Record::Open]);
        for (a, b) in [(&open, &less), (&less, &open)] {
            assert_eq!(a.join(b), less);
        }
        let closed = proof(vec![], vec![leaf(3)]);
        assert_eq!((open.join(&closed), closed.join(&open)), (closed.clone(), closed));
        assert_eq!(proof(vec![], vec![Record::Open]).join(&open), open);
    }

    /// An open leaf below more splits than halves have exponents is open.
    #[test]
    fn deep_leaves_are_open() {
        let chain = |last: Record| (0..2000).flat_map(|k| [split(k, false), leaf(1)]).chain([last]).collect::<Vec<_>>();
        let (open, closed) = (proof(vec![], chain(Record::Open)), proof(vec![], vec![leaf(3)]));
        assert_eq!(open.join(&closed), closed);
        assert!(!open.join(&proof(vec![], chain(leaf(1)))).is_open());
    }
}
