//! Facts: what their weighted sum bounds and what they leave of a box, against exact arithmetic.

mod support;

use checker::exact::Rational;
use checker::facts::Facts;
use support::{Random, exact, less};

/// Numbers of any size, signs and zeros included.
fn number(random: &mut Random) -> f64 {
    [0.0, 5e-324, 1e-300, 1e-20, 1.0, 1.0, 1.0, 1e12][random.below(8)] * random.unit()
}

/// The greatest value of `v . x + k` over a box.
fn greatest(v: &[Rational], k: &Rational, low: &[f64], high: &[f64]) -> Rational {
    v.iter().zip(low.iter().zip(high)).fold(k.clone(), |sum, (v, (&l, &h))| sum.plus(&v.times(&exact(if v.sign() > 0 { h } else { l }))))
}

#[test]
fn the_weighted_sum_is_bounded_exactly() {
    let mut random = Random(21);
    for case in 0..4000 {
        let (count, dims) = (1 + random.below(5), 1 + random.below(4));
        let low: Vec<f64> = (0..dims).map(|_| number(&mut random)).collect();
        let high: Vec<f64> = low.iter().map(|l| l.max(l + number(&mut random).abs())).collect();
        let mut facts = Facts::default();
        let (mut v, mut k) = (vec![exact(0.0); dims], exact(0.0));
        let mut previous: Option<(Vec<f64>, f64, f64)> = None;
        for _ in 0..count {
            // Every other fact nearly cancels the one before it.
            let cancels = previous.is_some() && random.below(2) == 0;
            let (row, constant, weight): (Vec<f64>, f64, f64) = match previous.take() {
                Some((row, constant, weight)) if cancels => {
                    (row.iter().map(|x| -x * (1.0 + 1e-15 * random.unit())).collect(), -constant, weight)
                }
                _ => ((0..dims).map(|_| number(&mut random)).collect(), number(&mut random), number(&mut random).abs() as f32 as f64),
            };
            facts.push(&row, constant, weight, false);
            previous = Some((row.clone(), constant, weight));
            v.iter_mut().zip(&row).for_each(|(v, &x)| *v = v.plus(&exact(weight).times(&exact(x))));
            k = k.plus(&exact(weight).times(&exact(constant)));
        }
        let bound = facts.bound(&low, &high);
        assert!(!less(&exact(bound), &greatest(&v, &k, &low, &high)), "case {case}: {bound:e}");
    }
}

/// `v_d (high_d - left_d) >= t` exactly, for every fact and its exact greatest value `t` over the box.
#[test]
fn clipping_leaves_every_point_that_satisfies_the_facts() {
    let mut random = Random(22);
    let (mut shrunk, mut empty) = (0, 0);
    for case in 0..4000 {
        let dims = 1 + random.below(3);
        let low: Vec<f64> = (0..dims).map(|_| random.unit()).collect();
        let high: Vec<f64> = low.iter().map(|l| l + random.unit().abs()).collect();
        let mut facts = Facts::default();
        let row: Vec<f64> = (0..dims).map(|_| number(&mut random)).collect();
        let constant = number(&mut random);
        facts.push(&row, constant, random.below(2) as f64, false);
        let v: Vec<Rational> = row.iter().map(|&x| exact(x)).collect();
        let most = greatest(&v, &exact(constant), &low, &high);
        let Some((left, right)) = facts.clip(&low, &high) else {
            assert!(most.sign() < 0, "case {case}: a fact that can hold leaves nothing");
            empty += 1;
            continue;
        };
        for d in 0..dims {
            // The point at which all other inputs are at their best.
            let moved = if row[d] > 0.0 { exact(high[d]).minus(&exact(left[d])) } else { exact(low[d]).minus(&exact(right[d])) };
            let enough = !less(&v[d].times(&moved), &most) || left[d] == low[d] && right[d] == high[d];
            assert!(row[d] == 0.0 || enough, "case {case}: input {d} is cut too far");
            shrunk += (left[d] > low[d] || right[d] < high[d]) as usize;
        }
    }
    assert!(shrunk > 300 && empty > 300, "{shrunk} {empty}");
}

#[test]
fn a_fact_that_holds_in_one_corner_leaves_the_corner() {
    let mut facts = Facts::default();
    facts.push(&[1.0, -1.0], -1.0, 1.0, false);
    let (low, high) = facts.clip(&[0.0, 0.0], &[1.0, 1.0]).expect("the corner (1, 0) satisfies it");
    assert!(low[0] <= 1.0 && low[0] > 0.999 && high[1] >= 0.0 && high[1] < 0.001, "{low:?} {high:?}");
}

#[test]
fn only_a_strict_fact_with_weight_makes_the_sum_strict() {
    for (strict, weight, expected) in [(true, 1.0, true), (true, 0.0, false), (false, 1.0, false)] {
        let mut facts = Facts::default();
        facts.push(&[1.0], 0.0, weight, strict);
        assert_eq!(facts.strict, expected);
    }
}

#[test]
fn numbers_that_end_exclude_nothing() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut facts = Facts::default();
        facts.push(&[bad, 0.0], -5.0, 1.0, false);
        let bound = facts.bound(&[0.0, 0.0], &[1.0, 1.0]);
        assert!(bound.is_nan() || bound == f64::INFINITY, "{bad}: {bound}");
        assert!(facts.clip(&[0.0, 0.0], &[1.0, 1.0]).is_some(), "{bad}");
    }
}

#[test]
fn zero_excludes_only_what_must_be_positive() {
    use checker::case::excludes;
    assert!(excludes(-5e-324, false) && excludes(0.0, true) && excludes(-0.0, true));
    assert!(!excludes(0.0, false) && !excludes(5e-324, true) && !excludes(f64::NAN, true) && !excludes(f64::NAN, false));
}

#[test]
fn ends_of_lines_are_outside_the_exact_ones() {
    use checker::network::{Network, Node, Operation};
    use checker::plan::Plan;
    use checker::state::{State, upper_end};
    let mut random = Random(23);
    for case in 0..3000 {
        let (dims, n) = (1 + random.below(4), 1 + random.below(11));
        let node = |len, inputs, operation| Node { name: String::new(), len, inputs, operation };
        // An input whose first element is read n times over by a hinge: only the number of elements matters.
        let spread =
            checker::network::Affine { parts: vec![checker::network::Linear::Select(vec![0; n])], bias: vec![], relative_error: 0.0 };
        let nodes = vec![
            node(dims, vec![], Operation::Input),
            node(n, vec![0], Operation::Affine(spread)),
            node(n, vec![1], Operation::Hinge(0.0)),
        ];
        let plan = Plan::new(&Network { nodes, inputs: vec![0], outputs: vec![2], double: false }).unwrap();
        let low: Vec<f64> = (0..dims).map(|_| number(&mut random)).collect();
        let high: Vec<f64> = low.iter().map(|l| l.max(l + number(&mut random).abs())).collect();
        let mut state = State::root(&plan, low.clone(), high.clone(), 1);
        let stride = state.below.len();
        for lines in [&mut state.lower, &mut state.upper] {
            (0..=dims).for_each(|d| (0..n).for_each(|j| lines[d * stride + j] = number(&mut random)));
        }
        state.concretise();
        for j in 0..n {
            let line = |lines: &[f64], sign: f64| -> (Vec<f64>, f64) {
                ((0..dims).map(|d| sign * lines[d * stride + j]).collect(), sign * lines[dims * stride + j])
            };
            for (lines, sign, end) in [(&state.upper, 1.0, state.above[j]), (&state.lower, -1.0, -state.below[j])] {
                let (v, k) = line(lines, sign);
                let true_end = greatest(&v.iter().map(|&x| exact(x)).collect::<Vec<_>>(), &exact(k), &low, &high);
                assert!(!less(&exact(end), &true_end), "case {case}: concretised to {end:e}");
                assert!(!less(&exact(upper_end(&v, k, &low, &high)), &true_end), "case {case}: upper end");
            }
        }
    }
}

/// The rounding of a point on the border of a cut may lie outside of it.
#[test]
fn cuts_hold_for_rounded_points() {
    use checker::case::Prepared;
    use checker::{Semantics, plan::Plan, query::Constraint, rounding::Deployed};
    let mut b = support::Builder::default();
    let input = b.node(1, vec![], checker::network::Operation::Input);
    b.network.outputs.push(input);
    let plan = Plan::new(&b.network).unwrap();
    let mut random = Random(24);
    for _ in 0..500 {
        let border = random.unit() * [1.0, 1e-20, 1e-44][random.below(3)];
        let mut query = support::prover::query(&[-1.0], &[1.0], 1, vec![vec![]]);
        let constant = exact(border).negated();
        query.cases[0].cuts.push(Constraint { inputs: vec![(0, exact(1.0))], outputs: vec![], constant, strict: false });
        let case = Prepared::new(&query.cases[0], &plan, Semantics::Both, Deployed::new(Semantics::Both, false)).unwrap();
        let (v, k) = &case.cuts[0];
        let value = exact(v[0]).times(&exact((border as f32).into())).plus(&exact(*k));
        assert!(value.sign() >= 0, "{border:e}");
    }
}
