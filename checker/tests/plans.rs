//! Networks and cases that contradict themselves are refused, whoever made them; and sums that select nothing round.

mod support;

use checker::Semantics;
use checker::case::Prepared;
use checker::certificate::Cursor;
use checker::function::Function;
use checker::network::{Affine, Linear, Network, Operation};
use checker::plan::Plan;
use checker::query::{Case, Constraint};
use checker::rounding::Deployed;
use support::{Builder, after, exact, less};

/// Three inputs, and one node of `len` elements that reads them; an output.
fn with(len: usize, inputs: Vec<usize>, operation: Operation) -> Network {
    let mut b = Builder::default();
    b.node(3, vec![], Operation::Input);
    let id = b.node(len, inputs, operation);
    b.network.outputs.push(id);
    b.network
}

fn affine(parts: Vec<Linear>, bias: Vec<f64>, relative_error: f64) -> Operation {
    Operation::Affine(Affine { parts, bias, relative_error })
}

fn scale() -> Linear {
    Linear::Scale(vec![1.0; 3])
}

#[test]
fn networks_that_contradict_themselves_are_refused() {
    let fits = |len: usize, inputs: &[usize], operation: Operation| Plan::new(&with(len, inputs.to_vec(), operation)).is_ok();
    assert!(fits(3, &[0], Operation::Hinge(0.5)));
    assert!(!fits(4, &[0], Operation::Hinge(0.5)) && !fits(2, &[0], Operation::Hinge(0.5)));
    assert!(!fits(3, &[0], Operation::Hinge(1.5)) && !fits(3, &[0], Operation::Hinge(f64::NAN)));
    assert!(!fits(3, &[1], Operation::Hinge(0.5)) && !fits(3, &[2], Operation::Hinge(0.5)));
    assert!(!fits(3, &[0, 0], Operation::Hinge(0.5)) && !fits(3, &[], Operation::Hinge(0.5)));
    let groups = |groups: &[&[u32]]| Operation::Maximum(groups.iter().map(|g| g.to_vec()).collect());
    assert!(fits(2, &[0], groups(&[&[0, 1], &[2]])));
    assert!(!fits(2, &[0], groups(&[&[0, 1]])) && !fits(2, &[0], groups(&[&[0], &[]])) && !fits(2, &[0], groups(&[&[0], &[3]])));
    assert!(fits(3, &[0], affine(vec![scale()], vec![0.5; 3], 0.0)));
    assert!(!fits(3, &[0], affine(vec![scale()], vec![0.5; 2], 0.0)) && !fits(3, &[0], affine(vec![scale()], vec![0.5; 4], 0.0)));
    assert!(!fits(3, &[0], affine(vec![scale(), scale()], vec![], 0.0)) && !fits(3, &[0, 0], affine(vec![scale()], vec![], 0.0)));
    assert!(!fits(3, &[0], affine(vec![scale()], vec![f64::INFINITY; 3], 0.0)));
    for wrong in [-1e-9, 0.5, f64::NAN, f64::INFINITY] {
        assert!(!fits(3, &[0], affine(vec![scale()], vec![], wrong)), "{wrong}");
    }
    assert!(fits(2, &[], Operation::Constant(vec![1.0, 2.0])));
    assert!(!fits(2, &[], Operation::Constant(vec![1.0])) && !fits(2, &[], Operation::Constant(vec![1.0, f64::NAN])));
    assert!(fits(3, &[0], Operation::Curve(Function::Power(2))));
    for function in [Function::Power(1), Function::Power(17), Function::Clip(1.0, 0.0)] {
        assert!(!fits(3, &[0], Operation::Curve(function)), "{function:?}");
    }
    assert!(!fits(2, &[0], Operation::Curve(Function::Power(2))) && !fits(2, &[0], Operation::Product));
}

/// `x0 + x1` as deployed, of two selections or what looks alike: 1 and `2^-30` make 1.
#[test]
fn a_sum_of_selections_rounds() {
    let small = 2f64.powi(-30);
    let pick = |i: u32| Linear::Select(vec![i]);
    let dense = Linear::Dense(vec![0.0, 1.0]);
    let sums = [vec![pick(0), pick(1)], vec![pick(1), pick(0)], vec![pick(0), dense.clone()], vec![dense, pick(0)], vec![pick(0)]];
    for (number, sum) in sums.into_iter().enumerate() {
        for sign in [1.0, -1.0] {
            let mut b = Builder::default();
            let input = b.node(2, vec![], Operation::Input);
            let bias = if sum.len() == 1 { vec![sign * small] } else { vec![] };
            let sum = b.affine(sum.iter().map(|part| (input, part.clone())).collect(), 1, bias);
            let out = b.node(1, vec![sum], Operation::Hinge(0.0));
            b.network.outputs.push(out);
            let plan = Plan::new(&b.network).expect("a network");
            let x = [sign, sign * small];
            let state = after(&[0x10, 0x13, 0], &plan, Semantics::Both, &x, &x);
            assert!(state.below[0] <= sign && state.above[0] >= sign, "{number}: {} to {}", state.below[0], state.above[0]);
            assert!(state.below[0] <= sign + sign * small && state.above[0] >= sign + sign * small);
        }
    }
}

/// Sixty small coefficients and a large one sum at the input, where each rounds.
#[test]
fn values_that_many_nodes_read_pay_for_every_sum() {
    for (large, small) in [(2f64.powi(53), 1.0001), (2f64.powi(53), 0.9999), (-(2f64.powi(53)), 0.9999)] {
        for last in [false, true] {
            let mut b = Builder::default();
            let input = b.node(1, vec![], Operation::Input);
            let mut weights = vec![small; 60];
            weights.insert(if last { 60 } else { 0 }, large);
            let readers: Vec<usize> = weights.iter().map(|&w| b.affine(vec![(input, Linear::Scale(vec![w]))], 1, vec![])).collect();
            let sum = b.affine(readers.into_iter().map(|r| (r, Linear::Scale(vec![1.0]))).collect(), 1, vec![]);
            let out = b.node(1, vec![sum], Operation::Hinge(1.0));
            b.network.outputs.push(out);
            let plan = Plan::new(&b.network).expect("a network");
            let state = after(&[0x10], &plan, Semantics::Real, &[1.0], &[1.0]);
            let value = weights.iter().fold(exact(0.0), |sum, &w| sum.plus(&exact(w)));
            assert!(!less(&value, &exact(state.below[0])) && !less(&exact(state.above[0]), &value), "{large} {small} {last}");
        }
    }
}

/// The cap of a leaky hinge alone is what the deployed hinge may be at most.
#[test]
fn caps_of_leaky_hinges_pay_for_their_product() {
    let mut b = Builder::default();
    let input = b.node(1, vec![], Operation::Input);
    let out = b.node(1, vec![input], Operation::Hinge(0.1f32 as f64));
    b.network.outputs.push(out);
    let plan = Plan::new(&b.network).expect("a network");
    let mut random = support::Random(62);
    for case in 0..300 {
        let x = [-1.0, -1e-38, -1e-44, -1e30][case % 4] * random.unit().abs() as f32;
        let state = after(&[0x31, 0, 0, 0], &plan, Semantics::Both, &[x.into()], &[x.into()]);
        let shown = format!("{:?}", state.caps[0]);
        let bias = shown.split("bias: ").nth(1).and_then(|b| b.split([' ', ',']).next()).expect("a constant");
        let bias: f64 = bias.parse().expect("a number");
        assert!((x * 0.1f32) as f64 <= bias && bias < 0.5 * x as f64 * 0.1 + 1e-30, "{x:e}: {bias:e}");
    }
}

#[test]
fn cases_of_other_shapes_are_refused() {
    let network = with(3, vec![0], Operation::Hinge(0.0));
    let plan = Plan::new(&network).expect("a network");
    let deployed = Deployed::new(Semantics::Real, false);
    let term = |i: usize| (i, exact(1.0));
    let fits = |low: usize, high: usize, outputs: &[usize], inputs: &[usize], cut: &[usize]| {
        let constraint = |inputs: &[usize], outputs: &[usize]| Constraint {
            inputs: inputs.iter().map(|&i| term(i)).collect(),
            outputs: outputs.iter().map(|&o| term(o)).collect(),
            constant: exact(0.0),
            strict: false,
        };
        let (low, high) = (vec![exact(0.0); low], vec![exact(1.0); high]);
        let case = Case { low, high, cuts: vec![constraint(cut, &[])], disjuncts: vec![vec![constraint(inputs, outputs)]] };
        Prepared::new(&case, &plan, Semantics::Real, deployed).is_ok()
    };
    assert!(fits(3, 3, &[0, 2], &[0, 1, 2], &[1, 2]));
    assert!(!fits(2, 3, &[0], &[0], &[]) && !fits(3, 2, &[0], &[0], &[]) && !fits(4, 3, &[0], &[0], &[]) && !fits(3, 4, &[0], &[0], &[]));
    assert!(!fits(3, 3, &[3], &[0], &[]) && !fits(3, 3, &[0], &[3], &[]) && !fits(3, 3, &[0], &[0], &[3]));
    assert!(!fits(3, 3, &[1, 0], &[0], &[]) && !fits(3, 3, &[1, 1], &[0], &[]));
    assert!(!fits(3, 3, &[0], &[2, 1], &[]) && !fits(3, 3, &[0], &[1, 1], &[]) && !fits(3, 3, &[0], &[0], &[1, 1]));
    let beyond = exact(f64::MAX).times(&exact(16.0));
    for number in [beyond.clone(), beyond.negated()] {
        let constraint = Constraint { inputs: vec![(0, number.clone())], outputs: vec![], constant: exact(0.0), strict: false };
        let case = Case { low: vec![exact(0.0); 3], high: vec![exact(1.0); 3], cuts: vec![], disjuncts: vec![vec![constraint]] };
        assert!(Prepared::new(&case, &plan, Semantics::Real, deployed).is_err());
    }
}

/// A third and two thirds sum to one, but not as binary32 numbers.
#[test]
fn cuts_and_boxes_allow_for_inputs_that_are_rounded() {
    let network = with(3, vec![0], Operation::Hinge(0.0));
    let plan = Plan::new(&network).expect("a network");
    let deployed = Deployed::new(Semantics::Both, false);
    let mut random = support::Random(61);
    for _ in 0..2000 {
        let x: Vec<f64> = (0..3).map(|_| random.unit() * [1.0, 1e-3, 1e6][random.below(3)]).collect();
        let a: Vec<f64> = (0..3).map(|_| random.unit()).collect();
        let value = a.iter().zip(&x).fold(exact(0.0), |sum, (&a, &x)| sum.plus(&exact(a).times(&exact(x))));
        let inputs = a.iter().map(|&a| exact(a)).enumerate().collect();
        let cut = Constraint { inputs, outputs: vec![], constant: value.negated(), strict: false };
        let ends = |by: f64| -> Vec<_> { x.iter().map(|&x| exact(x + by)).collect() };
        let case = Case { low: ends(-1.0), high: ends(1.0), cuts: vec![cut], disjuncts: vec![vec![]] };
        let case = Prepared::new(&case, &plan, Semantics::Both, deployed).expect("a case");
        let (v, k) = &case.cuts[0];
        let alone = Case { low: ends(0.0), high: ends(0.0), cuts: vec![], disjuncts: vec![] };
        let alone = Prepared::new(&alone, &plan, Semantics::Both, deployed).expect("a case");
        let inside = |(d, &x): (usize, &f64)| [x, x as f32 as f64].iter().all(|&x| alone.low[d] <= x && x <= alone.high[d]);
        assert!(x.iter().enumerate().all(inside), "{x:?}");
        for point in [x.clone(), x.iter().map(|&x| x as f32 as f64).collect()] {
            let sum = v.iter().zip(&point).fold(exact(*k), |sum, (&v, &x)| sum.plus(&exact(v).times(&exact(x))));
            assert!(sum.sign() >= 0, "{point:?} is cut off");
        }
    }
}

#[test]
fn masks_name_only_elements_that_exist() {
    for (byte, len, fits) in
        [(0b111, 3, true), (0b1000, 3, false), (0b1000_0000, 7, false), (0b100_0000, 7, true), (0xff, 8, true), (2, 1, false)]
    {
        let mask = Cursor::new(&[byte], 0, 1).mask(len);
        assert_eq!(mask.is_ok(), fits, "{byte:b} of {len}");
        assert!(mask.is_err() || mask.expect("fits").iter().all(|&i| (i as usize) < len));
    }
    assert!(Cursor::new(&[0xff, 0b100], 0, 2).mask(10).is_err());
    assert_eq!(Cursor::new(&[1, 0b10], 0, 2).mask(10).expect("fits"), [0, 9]);
}
