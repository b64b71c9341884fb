//! Boxes, points and what the real network is there, exactly.

use dashu::rational::RBig;
use engine::graph::Graph;
use engine::ops::{Operation, Ranges};

use crate::graphs::Dice;

/// The exact value of a finite number.
pub fn exact(x: f64) -> RBig {
    RBig::try_from(x).expect("finite")
}

/// A box whose ends are binary32 numbers: a point, narrow, ordinary, large.
pub fn random_box(dice: &mut Dice, n: usize) -> Ranges {
    let width = [0.0, 1e-6, 0.05, 0.5, 2.0, 100.0][dice.below(6)];
    let middle = [1.0, 1.0, 30.0, 1e-5][dice.below(4)];
    let (mut low, mut high) = (Vec::new(), Vec::new());
    for _ in 0..n {
        let centre = dice.number(middle) as f64;
        let reach = if dice.one_in(5) { 0.0 } else { width * dice.unit() };
        low.push((centre - reach) as f32 as f64);
        high.push((centre + reach) as f32 as f64);
    }
    Ranges { low, high }
}

/// Points of the box that are binary32 numbers: corners, the middle, random ones, and the given ones rounded inward.
pub fn points(dice: &mut Dice, region: &Ranges, given: &[Vec<f64>], random: usize) -> Vec<Vec<f64>> {
    let n = region.len();
    let mut all = vec![region.low.clone(), region.high.clone()];
    for k in 0..random {
        let pick = |d: usize, dice: &mut Dice| {
            let (l, h) = (region.low[d], region.high[d]);
            if k % 2 == 0 { [l, h][dice.below(2)] } else { l + (h - l) * dice.unit() }
        };
        all.push((0..n).map(|d| pick(d, dice)).collect());
    }
    all.extend(given.iter().cloned());
    let inside = |x: f64, d: usize| (x as f32 as f64).clamp(region.low[d], region.high[d]);
    all.iter().map(|p| p.iter().enumerate().map(|(d, &x)| inside(x, d)).collect()).collect()
}

/// The values of all nodes in exact arithmetic; `None` where an operator does not map rationals to rationals, or its
/// constants only stand for real ones.
pub fn exact_values(graph: &Graph, point: &[f64]) -> Option<Vec<Vec<RBig>>> {
    let mut values: Vec<Vec<RBig>> = Vec::new();
    for node in &graph.nodes {
        let operands: Vec<&[RBig]> = node.inputs.iter().map(|&p| &values[p][..]).collect();
        let value = match &node.operation {
            Operation::Input => point.iter().map(|&x| exact(x)).collect(),
            Operation::Constant(c) => (0..c.len()).map(|i| exact(c.at(i))).collect(),
            Operation::Affine(op) => {
                if op.weight_error() > 0.0 || op.bias_error().is_some() {
                    return None;
                }
                let mut y: Vec<RBig> = (0..node.len()).map(|i| op.bias().map_or(RBig::ZERO, |b| exact(b.at(i)))).collect();
                for (k, x) in operands.iter().enumerate() {
                    op.for_each_weight(k, &mut |o, i, w| y[o] += exact(w) * &x[i]);
                }
                y
            }
            Operation::Scalar(op) => operands[0].iter().map(|x| op.eval_exact(x)).collect::<Option<_>>()?,
            Operation::General(op) => op.eval_exact(&operands)?,
        };
        values.push(value);
    }
    Some(values)
}
