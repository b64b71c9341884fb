//! Laws of affine operators: the fast twins compute what `for_each_weight` means, and the counts behind gamma are true.

use dashu::rational::RBig;
use engine::kernels::lanes::Lanes;
use engine::numerics::rounding::{gamma, underflow};
use engine::ops::examples::{Example, examples};
use engine::ops::{Affine, Operation};

use crate::reference::exact;
use crate::samples::Dice;

/// One affine example with its weights listed: `(operand, output, input, weight)`.
struct Case {
    op: Box<dyn Affine>,
    sizes: Vec<usize>,
    outputs: usize,
    weights: Vec<(usize, usize, usize, f64)>,
}

fn cases() -> Vec<Case> {
    let case = |Example { operation, sizes, .. }| {
        let outputs = operation.output_len(&sizes).expect("examples fit");
        let Operation::Affine(op) = operation else { return None };
        let mut weights = Vec::new();
        for k in 0..sizes.len() {
            op.for_each_weight(k, &mut |o, i, w| weights.push((k, o, i, w)));
        }
        Some(Case { op, sizes, outputs, weights })
    };
    examples().into_iter().filter_map(case).collect()
}

impl Case {
    /// `sum W x` (or `|W| x`) of one operand plus what was there, exactly.
    fn applied(&self, operand: usize, x: &[f64], before: &[f64], absolute: bool) -> Vec<RBig> {
        let mut y: Vec<RBig> = before.iter().map(|&b| exact(b)).collect();
        for &(_, o, i, w) in self.weights.iter().filter(|w| w.0 == operand) {
            y[o] += exact(if absolute { w.abs() } else { w }) * exact(x[i]);
        }
        y
    }

    /// `W^T y` of one operand plus what was there, exactly.
    fn transposed(&self, operand: usize, y: &[f64], before: &[f64]) -> Vec<RBig> {
        let mut x: Vec<RBig> = before.iter().map(|&b| exact(b)).collect();
        for &(_, o, i, w) in self.weights.iter().filter(|w| w.0 == operand) {
            x[i] += exact(w) * exact(y[o]);
        }
        x
    }

    /// True if sums with integers below 10 are exact in binary32.
    fn has_small_weights(&self) -> bool {
        self.weights.iter().all(|w| w.3.abs() <= 64.0 && (w.3 * 16.0).fract() == 0.0)
    }

    /// Largest number of nonzero weights that share a key.
    fn most(&self, operands: impl Fn(usize) -> bool, key: impl Fn(&(usize, usize, usize, f64)) -> usize) -> usize {
        let mut counts = std::collections::BTreeMap::new();
        for w in self.weights.iter().filter(|w| operands(w.0) && w.3 != 0.0) {
            *counts.entry(key(w)).or_insert(0) += 1;
        }
        counts.into_values().max().unwrap_or(0)
    }
}

fn integers(dice: &mut Dice, n: usize) -> Vec<f64> {
    (0..n).map(|_| dice.below(19) as f64 - 9.0).collect()
}

fn narrow(v: &[f64]) -> Vec<f32> {
    v.iter().map(|&x| x as f32).collect()
}

fn wide(v: &[f32]) -> Vec<f64> {
    v.iter().map(|&x| x as f64).collect()
}

fn assert_equal(op: &dyn Affine, what: &str, got: &[f64], expected: &[RBig]) {
    for (i, (g, e)) in got.iter().zip(expected).enumerate() {
        assert!(exact(*g) == *e, "{} {op:?}: element {i} is {g}, not {e}", what);
    }
}

#[test]
fn weights_are_visited_in_order_and_in_range() {
    for case in cases() {
        for k in 0..case.sizes.len() {
            let visited: Vec<(usize, usize)> = case.weights.iter().filter(|w| w.0 == k).map(|w| (w.1, w.2)).collect();
            assert!(visited.is_sorted(), "{:?} operand {k}: {visited:?}", case.op);
            assert!(visited.iter().all(|&(o, i)| o < case.outputs && i < case.sizes[k]), "{:?} operand {k}", case.op);
        }
        assert!(case.op.bias().is_none_or(|b| b.len() == case.outputs), "{:?}: length of the bias", case.op);
    }
}

#[test]
fn apply_is_the_sum_over_weights_and_adds() {
    for case in cases() {
        let mut dice = Dice::new(11);
        let small = case.has_small_weights();
        for (k, &n) in case.sizes.iter().enumerate() {
            // Few rows and many take different ways.
            for (absolute, rows) in [(false, 2), (true, 2), (false, 7), (true, 7)] {
                let (x, before) = (integers(&mut dice, rows * n), integers(&mut dice, rows * case.outputs));
                let (mut y64, mut y32) = (before.clone(), narrow(&before));
                case.op.apply_f64(k, &x, &mut y64, rows, absolute);
                case.op.apply_f32(k, &narrow(&x), &mut y32, rows, absolute);
                for r in 0..rows {
                    let (m, y32) = (case.outputs, wide(&y32));
                    let expected = case.applied(k, &x[r * n..][..n], &before[r * m..][..m], absolute);
                    if small {
                        assert_equal(&*case.op, "apply_f64", &y64[r * m..][..m], &expected);
                        assert_equal(&*case.op, "apply_f32", &y32[r * m..][..m], &expected);
                    }
                }
            }
        }
    }
}

#[test]
fn transpose_is_the_adjoint_and_adds() {
    for case in cases().iter().filter(|c| c.has_small_weights()) {
        let mut dice = Dice::new(12);
        for (k, n, rows) in case.sizes.iter().enumerate().flat_map(|(k, &n)| [(k, n, 2), (k, n, 7)]) {
            let m = case.outputs;
            let (mut y, before) = (integers(&mut dice, rows * m), integers(&mut dice, rows * n));
            // Rows that are mostly zero take short cuts.
            for row in y.chunks_mut(m).step_by(2) {
                row.iter_mut().for_each(|y| *y = if dice.below(m) == 0 { *y } else { 0.0 });
            }
            let (mut x64, mut x32) = (before.clone(), narrow(&before));
            case.op.transpose_f64(k, &y, &mut x64, rows);
            case.op.transpose_f32(k, &narrow(&y), &mut x32, rows);
            for r in 0..rows {
                let expected = case.transposed(k, &y[r * m..][..m], &before[r * n..][..n]);
                assert_equal(&*case.op, "transpose_f64", &x64[r * n..][..n], &expected);
                assert_equal(&*case.op, "transpose_f32", &wide(&x32)[r * n..][..n], &expected);
            }
        }
    }
}

/// Blocks of rows stored element by element: dead elements are zero whatever is stored there, unwanted ones may be left out.
#[test]
fn transposing_lanes_is_the_adjoint_and_adds() {
    for case in cases().iter().filter(|c| c.has_small_weights()) {
        let mut dice = Dice::new(14);
        for (k, &n) in case.sizes.iter().enumerate() {
            for rows in [1, 7, 40] {
                let (mut y, before) = (Lanes::<f64>::new(rows, case.outputs), Lanes::new(rows, n));
                let (mut x, lanes) = (before, y.lanes);
                for (lanes, all) in [(&mut y, case.outputs), (&mut x, n)] {
                    let numbers = integers(&mut dice, lanes.values.len());
                    lanes.values.copy_from_slice(&numbers);
                    lanes.live = (0..all).map(|_| dice.below(2) == 0).collect();
                }
                let wanted: Vec<bool> = if rows == 7 { Vec::new() } else { (0..n).map(|_| dice.below(3) > 0).collect() };
                let column = |lanes: &Lanes<f64>, r: usize| -> Vec<f64> {
                    let at = |i: usize| if lanes.live[i] { lanes.values[i * lanes.lanes + r] } else { 0.0 };
                    (0..lanes.live.len()).map(at).collect()
                };
                let expected: Vec<Vec<RBig>> = (0..rows).map(|r| case.transposed(k, &column(&y, r), &column(&x, r))).collect();
                let mut single = Lanes::<f32>::new(rows, n);
                single.values.copy_from_slice(&narrow(&x.values));
                single.live.clone_from(&x.live);
                let mut narrow_y = Lanes::<f32>::new(rows, case.outputs);
                narrow_y.values.copy_from_slice(&narrow(&y.values));
                narrow_y.live.clone_from(&y.live);
                case.op.transpose_lanes_f64(k, &y, &mut x, &wanted);
                case.op.transpose_lanes_f32(k, &narrow_y, &mut single, &wanted);
                for (r, expected) in expected.iter().enumerate() {
                    for i in (0..n).filter(|&i| wanted.get(i).is_none_or(|&w| w)) {
                        let single = if single.live[i] { single.values[i * lanes + r] as f64 } else { 0.0 };
                        assert_equal(&*case.op, "transpose_lanes_f64", &column(&x, r)[i..=i], &expected[i..=i]);
                        assert_equal(&*case.op, "transpose_lanes_f32", &[single], &expected[i..=i]);
                    }
                }
            }
        }
    }
}

/// On numbers with full mantissas transposed products of few rows, of many and of lanes err by no more than `back_roundings` promise.
#[test]
fn rounding_backwards_stays_below_gamma_of_its_count() {
    const ROWS: usize = 9;
    for case in cases() {
        let mut dice = Dice::new(15);
        let m = case.outputs;
        for (k, &n) in case.sizes.iter().enumerate() {
            let y: Vec<f64> = (0..ROWS * m).map(|_| dice.unit() - 0.5).collect();
            let (mut few, mut many, mut lanes) = (vec![0.0; n], vec![0.0; ROWS * n], Lanes::new(ROWS, n));
            case.op.transpose_f64(k, &y, &mut few, 1);
            case.op.transpose_f64(k, &y, &mut many, ROWS);
            case.op.transpose_lanes_f64(k, &Lanes::from_rows(&y, ROWS, m, m), &mut lanes, &[]);
            let mut weighed = vec![RBig::ZERO; n];
            for &(_, o, i, w) in case.weights.iter().filter(|w| w.0 == k) {
                weighed[i] += exact(w.abs()) * exact(y[o].abs());
            }
            for (i, truth) in case.transposed(k, &y[..m], &vec![0.0; n]).into_iter().enumerate() {
                let first = if lanes.live[i] { lanes.values[i * lanes.lanes] } else { 0.0 };
                for got in [few[i], many[i], first] {
                    // One more for the sum with what was there.
                    assert_within(&case, exact(got) - &truth, case.op.back_roundings(k) + 1, &weighed[i]);
                }
            }
        }
    }
}

/// On numbers with full mantissas the error stays below what `fan_in` and `fan_out` promise, exactly measured.
#[test]
fn rounding_stays_below_gamma_of_the_counts() {
    for case in cases() {
        let mut dice = Dice::new(13);
        for (k, &n) in case.sizes.iter().enumerate() {
            let m = case.outputs;
            let (x, y): (Vec<f64>, Vec<f64>) = ((0..n).map(|_| dice.unit() - 0.5).collect(), (0..m).map(|_| dice.unit() - 0.5).collect());
            let absolute = |v: &[f64]| v.iter().map(|x| x.abs()).collect::<Vec<f64>>();
            let (mut ahead, mut size, mut back) = (vec![0.0; m], vec![0.0; m], vec![0.0; n]);
            case.op.apply_f64(k, &x, &mut ahead, 1, false);
            case.op.transpose_f64(k, &y, &mut back, 1);
            case.op.apply_f64(k, &absolute(&x), &mut size, 1, true);
            let sizes = case.applied(k, &absolute(&x), &vec![0.0; m], true);
            for (o, truth) in case.applied(k, &x, &vec![0.0; m], false).into_iter().enumerate() {
                assert_within(&case, exact(ahead[o]) - truth, case.op.fan_in(), &sizes[o]);
                assert_within(&case, exact(size[o]) - &sizes[o], case.op.fan_in(), &sizes[o]);
            }
            let mut weighed = vec![RBig::ZERO; n];
            for &(_, o, i, w) in case.weights.iter().filter(|w| w.0 == k) {
                weighed[i] += exact(w.abs()) * exact(y[o].abs());
            }
            for (i, truth) in case.transposed(k, &y, &vec![0.0; n]).into_iter().enumerate() {
                assert_within(&case, exact(back[i]) - truth, case.op.fan_out(k), &weighed[i]);
            }
        }
    }
}

fn assert_within(case: &Case, error: RBig, terms: usize, size: &RBig) {
    let allowed = exact(gamma::<f64>(terms)) * size + exact(underflow::<f64>(terms));
    assert!(error.clone() <= allowed && -error <= allowed, "{:?}: error above gamma of {terms} terms", case.op);
}

#[test]
fn counts_are_at_least_the_true_ones() {
    for case in cases() {
        let bias = case.op.bias().is_some() as usize;
        let fan_in = case.most(|_| true, |w| w.1) + bias;
        assert!(case.op.fan_in() >= fan_in, "{:?}: fan-in {} where {fan_in} terms are summed", case.op, case.op.fan_in());
        for k in 0..case.sizes.len() {
            let fan_out = case.most(|operand| operand == k, |w| w.2);
            assert!(case.op.fan_out(k) >= fan_out, "{:?}: fan-out {} where {fan_out} terms are fed", case.op, case.op.fan_out(k));
        }
    }
}

/// Constants that binary32 sweeps would round are announced.
#[test]
fn inexact_constants_are_announced() {
    let is_binary32 = |x: f64| x as f32 as f64 == x;
    for case in cases().iter().filter(|c| !c.op.inexact_in_f32()) {
        let weights = case.weights.iter().map(|w| w.3);
        let bias = case.op.bias().map(|b| b.to_f64()).unwrap_or_default();
        assert!(weights.chain(bias).all(is_binary32), "{:?} has constants that are no binary32 numbers", case.op);
    }
}

#[test]
fn a_selection_only_copies() {
    for case in cases().iter().filter(|c| c.op.is_selection()) {
        assert!(case.op.bias().is_none(), "{:?} adds constants", case.op);
        assert!(case.weights.iter().all(|w| w.3 == 1.0 || w.3 == 0.0), "{:?} has other weights than 1", case.op);
        assert!(case.most(|_| true, |w| w.1) <= 1, "{:?} sums", case.op);
    }
}
