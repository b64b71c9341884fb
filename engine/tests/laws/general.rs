//! Laws of general operators: intervals enclose, and a backward step's bound holds for exactly the multipliers it added.

use dashu::rational::RBig;
use engine::numerics::Interval;
use engine::ops::examples::examples;
use engine::ops::{General, Operation, Ranges};
use proptest::prelude::*;

use crate::reference::{Enclosed, dominates, exact, general_value};
use crate::samples::{Dice, HOSTILE, intervals};

struct Case {
    op: Box<dyn General>,
    sizes: Vec<usize>,
    outputs: usize,
}

fn cases() -> Vec<Case> {
    let case = |e: engine::ops::examples::Example| {
        let outputs = e.operation.output_len(&e.sizes).expect("examples fit");
        let Operation::General(op) = e.operation else { return None };
        Some(Case { op, sizes: e.sizes, outputs })
    };
    examples().into_iter().filter_map(case).collect()
}

/// How ranges of operands are drawn.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Moderate,
    Positive,
    Narrow,
    Hostile,
}

fn ranges(dice: &mut Dice, n: usize, kind: Kind) -> Ranges {
    let hostile = intervals(dice, 0);
    Ranges::collect((0..n).map(|_| match kind {
        Kind::Hostile => hostile[dice.below(hostile.len())],
        Kind::Positive => {
            let low = 0.01 + 3.0 * dice.unit();
            Interval { low, high: low * (1.0 + dice.unit()) }
        }
        Kind::Moderate | Kind::Narrow => {
            let low = 6.0 * dice.unit() - 3.0;
            let width = if matches!(kind, Kind::Narrow) { 1e-9 } else { 3.0 } * dice.unit();
            Interval { low, high: if dice.below(5) == 0 { low } else { low + width } }
        }
    }))
}

/// A point of the box, all finite: a corner, a random one or a mixture.
fn point(dice: &mut Dice, ranges: &Ranges) -> Vec<f64> {
    let style = dice.below(3);
    let coordinate = |i: usize| {
        let x = ranges.at(i);
        let (low, high) = (x.low.max(f64::MIN), x.high.min(f64::MAX));
        match (style, dice.below(2)) {
            (0, 0) => low,
            (0, _) => high,
            (1, 0) => (low + dice.unit() * (high - low)).clamp(low, high),
            _ => [low, high, (low / 2.0 + high / 2.0).clamp(low, high), 0.0f64.clamp(low, high)][dice.below(4)],
        }
    };
    (0..ranges.len()).map(coordinate).collect()
}

fn coefficients(dice: &mut Dice, n: usize) -> Vec<f64> {
    (0..n).map(|_| if dice.below(4) == 0 { 0.0 } else { dice.number() }).collect()
}

fn sum(terms: impl Iterator<Item = RBig>) -> RBig {
    terms.fold(RBig::ZERO, |a, b| a + b)
}

/// At most `sup c f` at this point, as the enclosures tell: a definite lower bound.
fn weighed(c: &[f64], values: &[Enclosed]) -> Option<RBig> {
    let term = |(&c, f): (&f64, &Enclosed)| match c {
        0.0 => Some(RBig::ZERO),
        c if c > 0.0 => Some(exact(c) * &f.low),
        c => f.high.as_ref().map(|h| exact(c) * h),
    };
    c.iter().zip(values).try_fold(RBig::ZERO, |total, pair| Some(total + term(pair)?))
}

fn assert_laws(case: &Case, inputs: &[Ranges], c: &[f64], before: &[Vec<f64>], points: &[Vec<Vec<f64>>]) {
    let op = &case.op;
    let operands: Vec<&Ranges> = inputs.iter().collect();
    let mut back = before.to_vec();
    let bound = op.relax_row(c, &operands, &mut back);
    let interval = op.interval(&operands);
    let sound = back.iter().flatten().all(|m| m.is_finite());
    assert!(sound || !bound.is_finite(), "{op:?}: bound {bound} with multipliers {back:?}");
    for p in points {
        let exact_point: Vec<Vec<RBig>> = p.iter().map(|v| v.iter().map(|&x| exact(x)).collect()).collect();
        let Some(values) = general_value(&**op, p) else { continue };
        for (o, f) in values.iter().enumerate() {
            let y = interval.at(o);
            assert!(dominates(y.high, &f.low), "{op:?} at {p:?} output {o}: {f:?} not in {y:?}");
            assert!(
                y.low == f64::NEG_INFINITY || f.high.as_ref().is_none_or(|h| exact(y.low) <= *h),
                "{op:?} at {p:?} output {o}: {f:?} not in {y:?}"
            );
        }
        if !sound {
            continue;
        }
        let added = |k: usize, i: usize| exact(back[k][i]) - exact(before[k][i]);
        let passed = sum((0..p.len()).flat_map(|k| (0..p[k].len()).map(move |i| (k, i))).map(|(k, i)| added(k, i) * &exact_point[k][i]));
        let Some(value) = weighed(c, &values) else { continue };
        assert!(dominates(bound, &(value - passed)), "{op:?} on {inputs:?} at {p:?}: bound {bound} for {c:?}, back {before:?} -> {back:?}");
    }
}

fn rows(dice: &mut Dice, sizes: &[usize], start: usize) -> Vec<Vec<f64>> {
    let entry = |dice: &mut Dice| if start == 0 { 0.0 } else { dice.number() };
    sizes.iter().map(|&n| (0..n).map(|_| entry(dice)).collect()).collect()
}

#[test]
fn bounds_hold_for_exactly_the_multipliers_added() {
    for case in cases() {
        let mut dice = Dice::new(21);
        for kind in [Kind::Moderate, Kind::Positive, Kind::Narrow] {
            for trial in 0..60 {
                let inputs: Vec<Ranges> = case.sizes.iter().map(|&n| ranges(&mut dice, n, kind)).collect();
                let c = coefficients(&mut dice, case.outputs);
                let before = rows(&mut dice, &case.sizes, trial % 3);
                let points: Vec<_> = (0..12).map(|_| inputs.iter().map(|r| point(&mut dice, r)).collect()).collect();
                assert_laws(&case, &inputs, &c, &before, &points);
            }
        }
    }
}

/// Every corner of the box, one output at a time: where the supremum of piecewise linear and bilinear functions lies.
#[test]
fn bounds_hold_at_all_corners_of_single_outputs() {
    for case in cases() {
        let total: usize = case.sizes.iter().sum();
        let mut dice = Dice::new(22);
        for trial in 0..40 {
            let kind = if trial % 2 == 0 { Kind::Moderate } else { Kind::Positive };
            let inputs: Vec<Ranges> = case.sizes.iter().map(|&n| ranges(&mut dice, n, kind)).collect();
            let mut c = vec![0.0; case.outputs];
            c[dice.below(case.outputs)] = dice.number();
            let before = rows(&mut dice, &case.sizes, 0);
            let corner = |dice: &mut Dice, mask: usize| {
                let mut bit = 0;
                let mut end = |x: Interval| {
                    bit += 1;
                    let upper = if total <= 8 { mask >> (bit - 1) & 1 == 1 } else { dice.below(2) == 1 };
                    if upper { x.high } else { x.low }
                };
                inputs.iter().map(|r| (0..r.len()).map(|i| end(r.at(i))).collect()).collect()
            };
            let points: Vec<_> = (0..1usize << total.min(8)).map(|mask| corner(&mut dice, mask)).collect();
            assert_laws(&case, &inputs, &c, &before, &points);
        }
    }
}

#[test]
fn hostile_ranges_and_coefficients_prove_nothing_wrong() {
    for case in cases() {
        let mut dice = Dice::new(23);
        for trial in 0..150 {
            let mut inputs: Vec<Ranges> = case.sizes.iter().map(|&n| ranges(&mut dice, n, Kind::Hostile)).collect();
            if trial % 3 == 0 {
                inputs = case.sizes.iter().map(|&n| ranges(&mut dice, n, Kind::Moderate)).collect();
            }
            let c: Vec<f64> =
                (0..case.outputs).map(|_| HOSTILE[dice.below(HOSTILE.len())]).map(|c| if c.is_finite() { c } else { 1.0 }).collect();
            let before = rows(&mut dice, &case.sizes, trial % 2);
            let points: Vec<_> = (0..6).map(|_| inputs.iter().map(|r| point(&mut dice, r)).collect()).collect();
            assert_laws(&case, &inputs, &c, &before, &points);
        }
    }
}

#[test]
fn nonsense_gives_no_finite_bound() {
    for case in cases() {
        let mut dice = Dice::new(24);
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let inputs: Vec<Ranges> = case.sizes.iter().map(|&n| ranges(&mut dice, n, Kind::Moderate)).collect();
            let mut c = vec![0.0; case.outputs];
            c[dice.below(case.outputs)] = bad;
            let operands: Vec<&Ranges> = inputs.iter().collect();
            let bound = case.op.relax_row(&c, &operands, &mut rows(&mut dice, &case.sizes, 0));
            assert!(!bound.is_finite() && bound != f64::NEG_INFINITY, "{:?}: {bound} for a coefficient {bad}", case.op);
        }
        // Ranges that are no intervals say nothing about their elements: whatever is claimed must hold everywhere.
        let nan: Vec<Ranges> = case.sizes.iter().map(|&n| Ranges { low: vec![f64::NAN; n], high: vec![f64::NAN; n] }).collect();
        let anywhere: Vec<Ranges> = case.sizes.iter().map(|&n| Ranges::collect(vec![Interval::WHOLE; n])).collect();
        let points: Vec<_> = (0..6).map(|_| anywhere.iter().map(|r| point(&mut dice, r)).collect()).collect();
        let c = coefficients(&mut dice, case.outputs);
        assert_laws(&case, &nan, &c, &rows(&mut dice, &case.sizes, 0), &points);
    }
}

/// Evaluation in `f64` and one deployed evaluation agree with the real function within the stated error.
#[test]
fn evaluation_agrees_with_the_real_function() {
    for case in cases() {
        let mut dice = Dice::new(25);
        for _ in 0..200 {
            let inputs: Vec<Ranges> = case.sizes.iter().map(|&n| ranges(&mut dice, n, Kind::Positive)).collect();
            let narrow: Vec<Vec<f32>> = inputs.iter().map(|r| point(&mut dice, r).into_iter().map(|x| x as f32).collect()).collect();
            let p: Vec<Vec<f64>> = narrow.iter().map(|v| v.iter().map(|&x| x as f64).collect()).collect();
            let (mut deployed, mut plain) = (vec![0.0f32; case.outputs], vec![0.0f64; case.outputs]);
            case.op.eval_f32(&narrow.iter().map(|v| &v[..]).collect::<Vec<_>>(), &mut deployed);
            case.op.eval(&p.iter().map(|v| &v[..]).collect::<Vec<_>>(), &mut plain);
            let at_point: Vec<Ranges> = p.iter().map(|v| Ranges { low: v.clone(), high: v.clone() }).collect();
            let operands: Vec<&Ranges> = at_point.iter().collect();
            let errors = case.op.deployed_errors(&operands, &case.op.interval(&operands));
            for (o, f) in general_value(&*case.op, &p).expect("defined on positive numbers").into_iter().enumerate() {
                let high = f.high.expect("bounded");
                let size = if f.low < RBig::ZERO { -f.low.clone() } else { high.clone() };
                let allowed = exact(errors[o]);
                let y = exact(deployed[o] as f64);
                assert!(y.clone() - &high <= allowed && f.low.clone() - y <= allowed, "{:?} at {p:?}: deployed {deployed:?}", case.op);
                let (y, near) = (exact(plain[o]), exact(1e-13) * (size + RBig::ONE));
                assert!(y.clone() - high <= near && f.low - y <= near, "{:?} at {p:?}: plain {plain:?}", case.op);
            }
        }
    }
}

/// Not soundness but use: at the box's centre the relaxation is at least as good as the interval.
#[test]
fn relaxations_are_no_worse_than_intervals_at_the_centre() {
    for case in cases() {
        let mut dice = Dice::new(26);
        for _ in 0..100 {
            let inputs: Vec<Ranges> = case.sizes.iter().map(|&n| ranges(&mut dice, n, Kind::Positive)).collect();
            let operands: Vec<&Ranges> = inputs.iter().collect();
            let y = case.op.interval(&operands);
            let c: Vec<f64> = (0..case.outputs).map(|_| 2.0 * dice.unit() - 1.0).collect();
            let mut back = rows(&mut dice, &case.sizes, 0);
            let bound = case.op.relax_row(&c, &operands, &mut back);
            let centre: f64 = inputs.iter().zip(&back).flat_map(|(r, b)| (0..r.len()).map(move |i| b[i] * r.at(i).middle())).sum();
            let interval: f64 = c.iter().enumerate().map(|(o, &c)| (c * y.low[o]).max(c * y.high[o])).sum();
            assert!(
                bound + centre <= interval + 1e-9 * (1.0 + interval.abs()),
                "{:?} on {inputs:?}: {} above {interval}",
                case.op,
                bound + centre
            );
        }
    }
}

/// Gradients for attacks agree with difference quotients where the function is smooth.
#[test]
fn gradients_agree_with_differences() {
    for case in cases() {
        let mut dice = Dice::new(27);
        let p: Vec<Vec<f64>> = case.sizes.iter().map(|&n| (0..n).map(|_| 1.0 + dice.unit()).collect()).collect();
        let gradient: Vec<f64> = (0..case.outputs).map(|_| dice.unit()).collect();
        let weighed = |p: &[Vec<f64>]| {
            let mut y = vec![0.0; case.outputs];
            case.op.eval(&p.iter().map(|v| &v[..]).collect::<Vec<_>>(), &mut y);
            y.iter().zip(&gradient).map(|(y, g)| y * g).sum::<f64>()
        };
        let mut back = rows(&mut dice, &case.sizes, 0);
        case.op.pull_back(&p.iter().map(|v| &v[..]).collect::<Vec<_>>(), &gradient, &mut back);
        for (k, i) in (0..p.len()).flat_map(|k| (0..p[k].len()).map(move |i| (k, i))) {
            let (mut above, mut below) = (p.clone(), p.clone());
            above[k][i] += 1e-6;
            below[k][i] -= 1e-6;
            let slope = (weighed(&above) - weighed(&below)) / 2e-6;
            assert!((slope - back[k][i]).abs() < 1e-6, "{:?} operand {k} element {i}: {} where {slope} is measured", case.op, back[k][i]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn bounds_hold_for_any_seed(seed in any::<u64>()) {
        let mut dice = Dice::new(seed);
        for case in cases() {
            let inputs: Vec<Ranges> = case.sizes.iter().map(|&n| ranges(&mut dice, n, Kind::Moderate)).collect();
            let c = coefficients(&mut dice, case.outputs);
            let before = rows(&mut dice, &case.sizes, 1);
            let points: Vec<_> = (0..4).map(|_| inputs.iter().map(|r| point(&mut dice, r)).collect()).collect();
            assert_laws(&case, &inputs, &c, &before, &points);
        }
    }
}
