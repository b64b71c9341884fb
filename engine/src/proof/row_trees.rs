//! Row trees that exclude a disjunct, or a part of it: read from steps, to go on from their open leaves and to join them.

use std::collections::BTreeMap;
use std::io;

use super::Steps;
use super::steps::{damaged, number, take};

/// An element of an activation, as a certificate names it.
pub type Element = (usize, usize);

/// The tree of a step that excludes a disjunct by one of its rows.
#[derive(Clone, Debug, PartialEq)]
pub struct RowTree {
    /// The disjunct.
    pub disjunct: usize,
    /// The number of its row.
    pub row: usize,
    /// Elements whose lower slope every leaf gives, ascending.
    pub free: Vec<Element>,
    /// In pre-order.
    pub leaves: Vec<RowLeaf>,
}

/// A leaf with the multipliers that bound the row there, or from which a search goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct RowLeaf {
    /// The way from the root: the element, its side (true for active), and the multiplier of that fact.
    pub path: Box<[(Element, bool, f32)]>,
    /// Slopes of the free elements, in 255ths.
    pub slopes: Box<[u8]>,
    /// Nothing is claimed here.
    pub open: bool,
}

impl RowTree {
    /// Reads a step after its code; activations have `lens` elements. Leaves what follows in `rest`.
    pub fn read(rest: &mut &[u8], lens: &[usize]) -> io::Result<RowTree> {
        let (disjunct, row) = (number(rest)?, number(rest)?);
        let mut free = Vec::new();
        for (activation, &len) in lens.iter().enumerate() {
            for first in (0..len).step_by(8) {
                let byte = take::<1>(rest)?[0];
                free.extend((0..8).filter(|bit| byte >> bit & 1 == 1).map(|bit| (activation, first + bit)));
            }
        }
        let (mut leaves, mut path): (Vec<RowLeaf>, Vec<(Element, bool)>) = (Vec::new(), Vec::new());
        loop {
            let kind = take::<1>(rest)?[0];
            if kind == 1 {
                path.push(((number(rest)?, number(rest)?), false));
                continue;
            }
            let betas = path.iter().map(|&(element, active)| Ok((element, active, f32::from_le_bytes(take(rest)?))));
            let betas = betas.collect::<io::Result<_>>()?;
            let (slopes, after) = rest.split_at_checked(free.len()).ok_or_else(|| damaged("it ends early"))?;
            *rest = after;
            leaves.push(RowLeaf { path: betas, slopes: slopes.into(), open: kind == 2 });
            while path.pop_if(|(_, second)| *second).is_some() {}
            match path.last_mut() {
                Some((_, second)) => *second = true,
                None => return Ok(RowTree { disjunct, row, free, leaves }),
            }
        }
    }

    /// The step.
    pub fn write(&self, lens: &[usize], steps: &mut Steps) {
        let mut masks: Vec<Vec<u8>> = lens.iter().map(|len| vec![0; len.div_ceil(8)]).collect();
        self.free.iter().for_each(|&(activation, element)| masks[activation][element / 8] |= 1 << (element % 8));
        let mut tree = Steps::default();
        let mut before: &[(Element, bool, f32)] = &[];
        for (at, leaf) in self.leaves.iter().enumerate() {
            // Splits that no leaf before this one went through are new; the one at which it turns off is not.
            let shared = before.iter().zip(&leaf.path).take_while(|(a, b)| a.1 == b.1).count() + (at > 0) as usize;
            leaf.path.iter().skip(shared).for_each(|&((activation, element), _, _)| tree.tree_split(activation, element));
            tree.tree_leaf(leaf.open, leaf.path.iter().map(|p| p.2), leaf.slopes.iter().copied());
            before = &leaf.path;
        }
        steps.drop_by_tree(self.disjunct, self.row, &masks.concat(), &tree);
    }

    /// True if no leaf is open.
    pub fn is_whole(&self) -> bool {
        !self.leaves.iter().any(|leaf| leaf.open)
    }

    /// Nodes of the tree.
    pub fn nodes(&self) -> u64 {
        2 * self.leaves.len() as u64 - 1
    }

    /// The share that is closed, a half per split.
    pub fn closed(&self) -> f64 {
        self.leaves.iter().filter(|leaf| !leaf.open).map(|leaf| 0.5f64.powi(leaf.path.len() as i32)).sum()
    }

    /// This tree, and in place of its open leaves what another tree of the same row has there: a leaf, or a subtree where it goes on.
    pub fn join(&self, other: &RowTree) -> RowTree {
        let mut free: Vec<Element> = self.free.iter().chain(&other.free).copied().collect();
        free.sort_unstable();
        free.dedup();
        let mut leaves = Vec::new();
        // Leaves below the same node of both trees, and its depth.
        let mut stack = vec![(&self.leaves[..], &other.leaves[..], 0)];
        while let Some((mine, theirs, depth)) = stack.pop() {
            let split = |leaves: &[RowLeaf]| leaves[0].path.get(depth).map(|p| p.0);
            match (split(mine), split(theirs)) {
                (None, _) if mine[0].open && theirs.iter().any(|leaf| !leaf.open) => {
                    leaves.extend(theirs.iter().map(|leaf| leaf.with(&other.free, &free)));
                }
                (Some(a), Some(b)) if a == b => {
                    let second = |leaves: &[RowLeaf]| leaves.partition_point(|leaf| !leaf.path[depth].1);
                    let (mine, theirs) = (mine.split_at(second(mine)), theirs.split_at(second(theirs)));
                    stack.extend([(mine.1, theirs.1, depth + 1), (mine.0, theirs.0, depth + 1)]);
                }
                _ => leaves.extend(mine.iter().map(|leaf| leaf.with(&self.free, &free))),
            }
        }
        RowTree { disjunct: self.disjunct, row: self.row, free, leaves }
    }
}

impl RowLeaf {
    /// The leaf with slopes for other elements, slope 1 where it has none: any slope is valid.
    fn with(&self, own: &[Element], free: &[Element]) -> RowLeaf {
        let known: BTreeMap<&Element, u8> = own.iter().zip(self.slopes.iter().copied()).collect();
        RowLeaf { slopes: free.iter().map(|element| known.get(element).copied().unwrap_or(255)).collect(), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree over two activations of 9 and 2 elements: split at (0, 8), its active side at (1, 1).
    fn tree(open: [bool; 3]) -> RowTree {
        let leaf = |path: &[(Element, bool, f32)], slopes: [u8; 2], open| RowLeaf { path: path.into(), slopes: slopes.into(), open };
        let (first, second) = ((0, 8), (1, 1));
        let leaves = vec![
            leaf(&[(first, false, 0.5)], [1, 2], open[0]),
            leaf(&[(first, true, -0.0), (second, false, 2.0)], [3, 4], open[1]),
            leaf(&[(first, true, 1.0), (second, true, 0.0)], [5, 6], open[2]),
        ];
        RowTree { disjunct: 3, row: 1, free: vec![(0, 0), (0, 8)], leaves }
    }

    #[test]
    fn trees_come_back() {
        for open in [[false; 3], [true, false, true]] {
            let (tree, mut steps) = (tree(open), Steps::default());
            tree.write(&[9, 2], &mut steps);
            let mut rest = &[&steps.bytes()[1..], &[7]].concat()[..];
            assert_eq!(RowTree::read(&mut rest, &[9, 2]).expect("well formed"), tree);
            assert_eq!(rest, [7]);
            for cut in 1..steps.bytes().len() {
                assert!(RowTree::read(&mut &steps.bytes()[1..cut], &[9, 2]).is_err());
            }
        }
        assert_eq!((tree([true, false, true]).closed(), tree([false; 3]).closed(), tree([false; 3]).nodes()), (0.25, 1.0, 5));
    }

    #[test]
    fn halves_make_a_whole() {
        let (one, other) = (tree([false, true, true]), tree([true, false, false]));
        assert_eq!(one.join(&other), tree([false; 3]));
        assert_eq!(other.join(&one), tree([false; 3]));
        assert_eq!(one.join(&tree([true; 3])), one);
        // A coarser tree: its open leaf is where the other goes on. And other free elements.
        let mut coarse = tree([false; 3]);
        coarse.leaves.truncate(2);
        coarse.leaves[1] = RowLeaf { path: Box::new([((0, 8), true, 0.0)]), slopes: Box::new([9, 9]), open: true };
        assert_eq!(coarse.join(&other), tree([false; 3]));
        let mut fewer = one.clone();
        fewer.free.pop();
        fewer.leaves.iter_mut().for_each(|leaf| leaf.slopes = leaf.slopes[..1].into());
        let joined = fewer.join(&other);
        assert_eq!(
            (joined.free, &joined.leaves[0].slopes[..], &joined.leaves[1].slopes[..]),
            (one.free.clone(), &[1, 255][..], &[3, 4][..])
        );
    }
}
