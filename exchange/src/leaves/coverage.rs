//! Do boxes cover a box? Exactly, by cutting along faces of the boxes until one box holds a whole piece.
//!
//! Boxes are closed and finitely many, so it is enough to cover all but a set of measure zero of each piece.

use std::collections::BTreeSet;

use engine::numerics::Decimal;

use super::read::Leaves;

/// Most visits of a leaf: leaves that come from splits need few; other sets of boxes can need exponentially many.
const MOST_VISITS: usize = 400_000_000;

/// What the search for a hole came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Coverage {
    /// Every point of the root lies in a leaf.
    Covered,
    /// This point lies in none.
    Hole(Vec<Decimal>),
    /// Given up.
    Undecided,
}

/// A box as places in each input's sorted list of faces.
type Places = Vec<(u32, u32)>;

/// Are all points of the root in some leaf?
pub fn coverage(leaves: &Leaves) -> Coverage {
    let inputs = leaves.root.len();
    let faces: Vec<Vec<&Decimal>> = (0..inputs).map(|d| sorted_faces(leaves, d)).collect();
    let place = |d: usize, x: &Decimal| faces[d].binary_search(&x).unwrap_or_default() as u32;
    let places = |ends: &crate::nodes::Ends| -> Places {
        (0..inputs).map(|d| (place(d, &ends.low[d].exact), place(d, &ends.high[d].exact))).collect()
    };
    let boxes: Vec<Places> = leaves.leaves.iter().map(|leaf| places(&leaf.region)).collect();
    let root = places(&leaves.root);
    let near = (0..boxes.len() as u32).filter(|&b| meets(&boxes[b as usize], &root)).collect::<Vec<u32>>();
    let mut pieces = vec![(root, near)];
    let mut visits = 0usize;
    while let Some((piece, near)) = pieces.pop() {
        visits = visits.saturating_add(near.len().saturating_mul(inputs));
        if visits > MOST_VISITS {
            return Coverage::Undecided;
        }
        if near.iter().any(|&b| holds(&boxes[b as usize], &piece)) {
            continue;
        }
        let Some((d, at)) = cut(&piece, &near, &boxes) else { return Coverage::Hole(middle(&piece, &faces)) };
        for half in [(piece[d].0, at), (at, piece[d].1)] {
            let mut part = piece.clone();
            part[d] = half;
            let own = near.iter().copied().filter(|&b| meets(&boxes[b as usize], &part)).collect();
            pieces.push((part, own));
        }
    }
    Coverage::Covered
}

/// All ends of root and leaves along one input.
fn sorted_faces(leaves: &Leaves, d: usize) -> Vec<&Decimal> {
    let boxes = std::iter::once(&leaves.root).chain(leaves.leaves.iter().map(|leaf| &leaf.region));
    let all: BTreeSet<&Decimal> = boxes.flat_map(|ends| [&ends.low[d].exact, &ends.high[d].exact]).collect();
    all.into_iter().collect()
}

fn holds(outer: &Places, inner: &Places) -> bool {
    outer.iter().zip(inner).all(|(o, i)| o.0 <= i.0 && i.1 <= o.1)
}

/// True if the common part is as thick as the piece: overlap in a face alone covers nothing of it.
fn meets(own: &Places, piece: &Places) -> bool {
    let along = |(o, p): (&(u32, u32), &(u32, u32))| match p.0 == p.1 {
        true => o.0 <= p.0 && p.0 <= o.1,
        false => o.0 < o.1 && o.0 < p.1 && p.0 < o.1,
    };
    own.iter().zip(piece).all(along)
}

/// The face to cut along: through as few boxes as possible, then as near to the middle of the boxes. `None` if no box has a face
/// inside; as none holds the whole piece either, nothing covers it.
fn cut(piece: &Places, near: &[u32], boxes: &[Places]) -> Option<(usize, u32)> {
    let mut best: Option<((usize, usize), (usize, u32))> = None;
    let mut events: Vec<(u32, bool)> = Vec::new();
    for (d, &(from, to)) in piece.iter().enumerate() {
        events.clear();
        for &b in near {
            let (low, high) = boxes[b as usize][d];
            events.extend([(low, false), (high, true)].into_iter().filter(|(at, _)| from < *at && *at < to));
        }
        events.sort_unstable();
        // Boxes that begin before the piece are under way from the start.
        let mut below = near.iter().filter(|&&b| boxes[b as usize][d].0 <= from).count();
        let mut ended = 0;
        for same in events.chunk_by(|a, b| a.0 == b.0) {
            let (begins, ends) = (same.iter().filter(|e| !e.1).count(), same.iter().filter(|e| e.1).count());
            ended += ends;
            let crossing = below - ended;
            let uneven = ended.abs_diff(near.len() - below);
            let score = (crossing, uneven);
            if best.is_none_or(|(own, _)| score < own) {
                best = Some((score, (d, same[0].0)));
            }
            below += begins;
        }
    }
    best.map(|(_, place)| place)
}

fn middle(piece: &Places, faces: &[Vec<&Decimal>]) -> Vec<Decimal> {
    let half = Decimal::from_f64(0.5).expect("a finite number");
    piece.iter().zip(faces).map(|(&(a, b), f)| &(f[a as usize] + f[b as usize]) * &half).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Number;
    use crate::leaves::Leaf;
    use crate::nodes::Ends;
    use engine::numerics::Random;

    fn ends(ranges: &[(i64, i64)]) -> Ends {
        let number = |n: i64| Number::new(Decimal::from(n));
        Ends { low: ranges.iter().map(|r| number(r.0)).collect(), high: ranges.iter().map(|r| number(r.1)).collect() }
    }

    fn leaves(root: &[(i64, i64)], boxes: &[Vec<(i64, i64)>]) -> Leaves {
        let leaf = |b: &Vec<(i64, i64)>| Leaf { region: ends(b), lower_bounds: vec![], thresholds: vec![], witness: None, margin: None };
        Leaves { root: ends(root), leaves: boxes.iter().map(leaf).collect() }
    }

    #[test]
    fn slivers_corners_and_missing_leaves_are_found() {
        let root = [(0, 10), (0, 10)];
        let quarters = [vec![(0, 5), (0, 5)], vec![(5, 10), (0, 5)], vec![(0, 5), (5, 10)], vec![(5, 10), (5, 10)]];
        assert_eq!(coverage(&leaves(&root, &quarters)), Coverage::Covered);
        for missing in 0..4 {
            let rest: Vec<_> = quarters.iter().enumerate().filter(|(i, _)| *i != missing).map(|(_, b)| b.clone()).collect();
            let Coverage::Hole(point) = coverage(&leaves(&root, &rest)) else { panic!("a hole") };
            assert!(point.iter().zip(&quarters[missing]).all(|(x, r)| Decimal::from(r.0) <= *x && *x <= Decimal::from(r.1)));
        }
        // Five boxes around a middle one: no cut goes through without splitting a box.
        let pinwheel = [vec![(0, 6), (0, 4)], vec![(6, 10), (0, 6)], vec![(4, 10), (6, 10)], vec![(0, 4), (4, 10)], vec![(4, 6), (4, 6)]];
        assert_eq!(coverage(&leaves(&root, &pinwheel)), Coverage::Covered);
        assert_eq!(coverage(&leaves(&root, &pinwheel[..4])), Coverage::Hole(vec![Decimal::from(5), Decimal::from(5)]));
        // Inputs of no width, and leaves that are thinner than the root.
        assert_eq!(coverage(&leaves(&[(3, 3), (0, 2)], &[vec![(3, 3), (0, 2)]])), Coverage::Covered);
        assert!(matches!(coverage(&leaves(&root, &[vec![(0, 10), (3, 3)]])), Coverage::Hole(_)));
    }

    #[test]
    fn random_boxes_are_judged_as_by_counting_cells() {
        let mut random = Random::new(3);
        let mut covered = 0;
        for _ in 0..400 {
            let mut below = |n: u64| (random.bits() % n) as i64;
            let count = 1 + below(14);
            let mut side = || {
                let (a, b) = (below(5), below(5));
                if a == b { (0, 4) } else { (a.min(b), a.max(b)) }
            };
            let boxes: Vec<Vec<(i64, i64)>> = (0..count).map(|_| (0..3).map(|_| side()).collect()).collect();
            let cell = |x: i64, y: i64, z: i64| boxes.iter().any(|b| [x, y, z].iter().zip(b).all(|(c, r)| r.0 <= *c && *c < r.1));
            let all = (0..64).all(|k| cell(k % 4, k / 4 % 4, k / 16));
            covered += all as usize;
            let found = coverage(&leaves(&[(0, 4); 3], &boxes));
            assert_eq!(found == Coverage::Covered, all, "{boxes:?}");
            if let Coverage::Hole(point) = found {
                let inside = |b: &Vec<(i64, i64)>| point.iter().zip(b).all(|(x, r)| Decimal::from(r.0) < *x && *x < Decimal::from(r.1));
                assert!(!boxes.iter().any(inside), "{point:?} {boxes:?}");
            }
        }
        assert!(covered > 20 && covered < 380, "{covered}");
    }
}
