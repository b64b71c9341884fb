//! The replay of witnesses on networks made by hand and at random: against values in exact arithmetic, and in binary32.

mod support;

use checker::Semantics::{self, Float32, Real};
use checker::exact::Rational;
use checker::function::Function;
use checker::network::{Affine, Linear, Network, Operation};
use checker::query::{Case, Constraint, Query};
use checker::witness::{deployed_outputs, replay};
use support::smooth::random_product;
use support::{Builder, Random, each_weight, evaluate, exact, random_network};

/// `sign (Y_o - value) >= 0`, or `> 0`.
fn beside(output: usize, sign: f64, value: &Rational, strict: bool) -> Constraint {
    let constant = exact(-sign).times(value);
    Constraint { inputs: vec![], outputs: vec![(output, exact(sign))], constant, strict }
}

fn case(low: &[f64], high: &[f64], disjuncts: Vec<Vec<Constraint>>) -> Case {
    let ends = |x: &[f64]| x.iter().map(|&x| exact(x)).collect();
    Case { low: ends(low), high: ends(high), cuts: vec![], disjuncts }
}

fn accepted(network: &Network, semantics: Semantics, cases: Vec<Case>, point: &[String]) -> bool {
    let of = |ids: &[usize]| ids.iter().map(|&id| network.nodes[id].len).sum();
    let query = Query { inputs: of(&network.inputs), outputs: of(&network.outputs), cases };
    let point: Vec<&[u8]> = point.iter().map(|text| text.as_bytes()).collect();
    replay(network, &query, semantics, &point).is_ok()
}

/// The outputs lie between these numbers, and nothing better is known of them.
fn assert_between(network: &Network, semantics: Semantics, point: &[String], output: usize, (low, high): (&Rational, &Rational)) {
    let wide = vec![1e9; point.len()];
    let below: Vec<f64> = wide.iter().map(|x| -x).collect();
    for (sign, end) in [(1.0, low), (-1.0, high)] {
        let holds = |strict| {
            let cases = vec![case(&below, &wide, vec![vec![beside(output, sign, end, strict)]])];
            accepted(network, semantics, cases, point)
        };
        assert!(holds(false) && !holds(true), "{:?} {sign}: {network:?} at {point:?}", end.nearest_f64());
    }
}

/// One input of so many elements, then these nodes, of which the last is the output; each reads the node before it.
fn chain(inputs: usize, nodes: Vec<(usize, Operation)>) -> Network {
    let mut b = Builder::default();
    let mut at = b.node(inputs, vec![], Operation::Input);
    for (len, operation) in nodes {
        at = b.node(len, vec![at], operation);
    }
    b.network.outputs = vec![at];
    b.network
}

fn affine(weights: &[f64], bias: &[f64], relative_error: f64) -> (usize, Operation) {
    (bias.len(), Operation::Affine(Affine { parts: vec![Linear::Dense(weights.to_vec())], bias: bias.to_vec(), relative_error }))
}

/// In binary32, sums from left to right and the bias last.
fn outputs_in_order(network: &Network, point: &[f32]) -> Vec<f32> {
    let mut values: Vec<Vec<f32>> = Vec::new();
    for node in &network.nodes {
        let below = |k: usize| &values[node.inputs[k]];
        let value = match &node.operation {
            Operation::Input => point.to_vec(),
            Operation::Constant(numbers) => numbers.iter().map(|&x| x as f32).collect(),
            Operation::Affine(affine) => {
                let one = |o: usize| {
                    let mut sum = 0.0f32;
                    for (k, part) in affine.parts.iter().enumerate() {
                        each_weight(part, o, below(k).len(), &mut |i, w| sum += w as f32 * below(k)[i]);
                    }
                    affine.bias.get(o).map_or(sum, |b| sum + *b as f32)
                };
                (0..node.len).map(one).collect()
            }
            Operation::Hinge(slope) => below(0).iter().map(|&a| if a < 0.0 { *slope as f32 * a } else { a }).collect(),
            Operation::Maximum(groups) => {
                groups.iter().map(|g| g.iter().map(|&i| below(0)[i as usize]).fold(f32::NEG_INFINITY, f32::max)).collect()
            }
            Operation::Product => (0..node.len).map(|j| below(0)[j] * below(0)[node.len + j]).collect(),
            other => panic!("{other:?}"),
        };
        values.push(value);
    }
    network.outputs.iter().flat_map(|&id| values[id].clone()).collect()
}

#[test]
fn outputs_are_the_exact_ones_and_those_in_binary32() {
    let (mut random, mut rounded) = (Random(77), 0);
    for _ in 0..150 {
        let inputs = 1 + random.below(3);
        let mut b = Builder { network: random_network(&mut random, inputs, false) };
        let last = b.network.outputs[0];
        let product = random_product(&mut b, last, &mut random);
        b.network.outputs.push(product);
        let point: Vec<String> = (0..inputs).map(|_| format!("{}e-1", random.below(21) as i64 - 10)).collect();
        let exactly: Vec<Rational> = point.iter().map(|text| Rational::parse(text.as_bytes()).unwrap()).collect();
        let values = evaluate(&b.network, &exactly);
        let outputs: Vec<&Rational> = b.network.outputs.iter().flat_map(|&id| &values[id]).collect();
        let near: Vec<f32> = exactly.iter().map(|x| x.nearest_f64().unwrap() as f32).collect();
        let deployed = outputs_in_order(&b.network, &near);
        let wide: Vec<f64> = near.iter().map(|&x| f64::from(x)).collect();
        assert_eq!(deployed_outputs(&b.network, &wide), Ok(deployed.iter().map(|&y| f64::from(y)).collect()));
        for (o, value) in outputs.iter().enumerate() {
            assert_between(&b.network, Real, &point, o, (value, value));
            let deployed = exact(deployed[o].into());
            assert_between(&b.network, Float32, &point, o, (&deployed, &deployed));
            rounded += usize::from(deployed != **value);
        }
    }
    assert!(rounded > 50, "{rounded}");
}

/// `x0 + x1` over two boxes that touch no other, of which each asks something else.
#[test]
fn every_coordinate_lies_in_the_box_whose_question_is_answered() {
    let net = chain(2, vec![affine(&[1.0, 1.0], &[0.0], 0.0)]);
    let at_least = |value: f64| vec![vec![beside(0, 1.0, &exact(value), false)]];
    let cases = || vec![case(&[0.0, 0.0], &[1.0, 2.0], at_least(3.0)), case(&[5.0, 5.0], &[6.0, 6.0], at_least(12.0))];
    for semantics in [Real, Float32] {
        let holds = |x: &str, y: &str| accepted(&net, semantics, cases(), &[x.into(), y.into()]);
        assert!(holds("1", "2") && holds("6", "6"));
        // Outside by one coordinate, above or below; between the boxes.
        for (x, y) in
            [("1", "2.5"), ("1.5", "2"), ("6.5", "6"), ("6", "6.5"), ("-0.5", "2"), ("1", "5"), ("6", "2"), ("3", "4"), ("9", "9")]
        {
            assert!(!holds(x, y), "{x} {y}");
        }
        // In the second box, with what the first one asks.
        assert!(!holds("5", "6") && !holds("5", "5"));
    }
    // A number that only rounds into the box is outside.
    assert!(!accepted(&net, Float32, cases(), &["1.000000000000000000001".into(), "2".into()]));
    let below = vec![case(&[0.0, 0.0], &[1.0, 2.0], at_least(0.0))];
    assert!(accepted(&net, Real, below.clone(), &["0".into(), "0".into()]));
    assert!(
        !accepted(&net, Real, below.clone(), &["-0.25".into(), "1".into()]) && !accepted(&net, Real, below, &["1".into(), "-0.25".into()])
    );
}

/// Of the region only what satisfies every cut; of a disjunct every constraint.
#[test]
fn cuts_and_constraints_hold_together() {
    let net = chain(2, vec![affine(&[1.0, -1.0], &[0.0], 0.0)]);
    let cut =
        |i: usize, constant: f64, strict| Constraint { inputs: vec![(i, exact(1.0))], outputs: vec![], constant: exact(constant), strict };
    let both = |low: f64, high: f64| vec![vec![beside(0, 1.0, &exact(low), false), beside(0, -1.0, &exact(high), false)]];
    let holds = |cuts: Vec<Constraint>, disjuncts: Vec<Vec<Constraint>>| {
        let cases = vec![Case { cuts, ..case(&[0.0, 0.0], &[1.0, 1.0], disjuncts) }];
        [Real, Float32].map(|semantics| accepted(&net, semantics, cases.clone(), &["0.75".into(), "0.25".into()]))
    };
    assert_eq!(holds(vec![cut(0, -0.75, false), cut(1, -0.25, false)], both(0.5, 0.5)), [true; 2]);
    assert_eq!(holds(vec![cut(0, -0.75, true), cut(1, -0.25, false)], both(0.5, 0.5)), [false; 2]);
    assert_eq!(holds(vec![cut(0, -0.75, false), cut(1, -0.5, false)], both(0.5, 0.5)), [false; 2]);
    assert_eq!(holds(vec![], both(0.25, 0.375)), [false; 2]);
    assert_eq!(holds(vec![], both(0.625, 0.75)), [false; 2]);
    assert_eq!(holds(vec![], [both(0.625, 0.75), both(0.25, 0.5)].concat()), [true; 2]);
    // A disjunct of no constraints is satisfied, no disjunct is not.
    assert_eq!(holds(vec![], vec![vec![]]), [true; 2]);
    assert_eq!(holds(vec![], vec![]), [false; 2]);
}

/// Weights known to within a quarter of themselves: `3 x + 1` at 2 is 7 to within 7/4.
#[test]
fn all_numbers_that_the_weights_may_be_count() {
    let first = || affine(&[3.0], &[1.0], 0.25);
    let check = |more: Vec<(usize, Operation)>, low: f64, high: f64| {
        let net = chain(1, [vec![first()], more].concat());
        assert_between(&net, Real, &["2".into()], 0, (&exact(low), &exact(high)));
    };
    check(vec![], 5.25, 8.75);
    // -2 (7 +- 7/4), exactly or again to within a quarter: 2 (7/4 + 1/4 (7/4 + 7)) = 63/8.
    check(vec![affine(&[-2.0], &[0.0], 0.0)], -17.5, -10.5);
    check(vec![affine(&[-2.0], &[0.0], 0.25)], -21.875, -6.125);
    check(vec![affine(&[-2.0], &[4.0], 0.25)], -18.875, -1.125);
    // A hinge moves no further than what it reads, also where its slope is smaller.
    check(vec![affine(&[-1.0], &[0.0], 0.0), (1, Operation::Hinge(0.5))], -5.25, -1.75);
    // Products of (7 +- 7/4) with itself: 49 +- (2 7 7/4 + 49/16).
    let twice = || (2, Operation::Affine(Affine { parts: vec![Linear::Select(vec![0, 0])], bias: vec![], relative_error: 0.0 }));
    check(vec![twice(), (1, Operation::Product)], 21.4375, 76.5625);
    check(vec![(1, Operation::Curve(Function::Power(2)))], 21.4375, 76.5625);
    check(vec![(1, Operation::Curve(Function::Floor))], 5.0, 8.0);
    check(vec![(1, Operation::Curve(Function::Clip(0.0, 6.0)))], 4.25, 7.75);
    check(vec![(1, Operation::Curve(Function::Clip(9.0, f64::INFINITY)))], 7.25, 10.75);
    // Of 7 +- 7/4 and exactly 8, the maximum and the sum, in both orders.
    for (weights, bias) in [([1.0, 0.0], [0.0, 8.0]), ([0.0, 1.0], [8.0, 0.0])] {
        check(vec![affine(&weights, &bias, 0.0), (1, Operation::Maximum(vec![vec![0, 1]]))], 6.25, 9.75);
        check(vec![affine(&weights, &bias, 0.0), affine(&[1.0, 1.0], &[0.0], 0.0)], 13.25, 16.75);
    }
    // The sum of what is exact and what is not, from two nodes.
    for first_exact in [true, false] {
        let mut b = Builder::default();
        let input = b.node(1, vec![], Operation::Input);
        let (len, operation) = first();
        let ball = b.node(len, vec![input], operation);
        let from = if first_exact { [input, ball] } else { [ball, input] };
        let sum = b.affine(from.map(|id| (id, Linear::Dense(vec![1.0]))).to_vec(), 1, vec![]);
        b.network.outputs = vec![sum];
        assert_between(&b.network, Real, &["2".into()], 0, (&exact(7.25), &exact(10.75)));
    }
}

/// Numbers of ninety digits are shortened to binary64 numbers, and what lies at the ends of the true ball still counts.
#[test]
fn shortened_numbers_keep_all_that_they_may_be() {
    let error = 2f64.powi(-40);
    let net = chain(1, vec![affine(&[3.0], &[0.0], error)]);
    for k in 1..40 {
        let text = format!("0.{k}00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000001");
        let centre = Rational::parse(text.as_bytes()).unwrap().times(&exact(3.0));
        let ends = [1.0, -1.0].map(|sign| centre.minus(&centre.times(&exact(sign * error))));
        for (sign, end) in [(1.0, &ends[0]), (-1.0, &ends[1])] {
            let near = end.minus(&exact(sign * 2f64.powi(-45)));
            let holds = |end, strict| {
                let cases = vec![case(&[0.0], &[1.0], vec![vec![beside(0, sign, end, strict)]])];
                accepted(&net, Real, cases, std::slice::from_ref(&text))
            };
            assert!(!holds(end, true) && holds(&near, false), "{text}");
        }
    }
}

/// Between two binary64 numbers functions take both of them.
#[test]
fn functions_of_numbers_between_two_binary64_numbers_take_both() {
    let curve = |function| chain(1, vec![(1, Operation::Curve(function))]);
    let holds = |function, point: &str, sign: f64, end: &str| {
        let end = Rational::parse(end.as_bytes()).unwrap();
        let cases = vec![case(&[-9.0], &[9.0], vec![vec![beside(0, sign, &end, false)]])];
        accepted(&curve(function), Real, cases, &[point.into()])
    };
    // 1 / (1 + 1e-30) is above 1 - 2^-53, and 1 / (1 + 2^-51 - 2e-30) below 1 - 1.75 2^-52.
    let above = "1.000000000000000000000000000001";
    assert!(!holds(Function::Reciprocal, above, -1.0, "0.99999999999999995"));
    assert!(holds(Function::Reciprocal, above, -1.0, "1.000000000000001"));
    let below = "1.00000000000000044408920985006";
    assert!(!holds(Function::Reciprocal, below, 1.0, "0.99999999999999961142"));
    assert!(holds(Function::Reciprocal, below, 1.0, "0.999999999999999"));
    for (point, whole, next) in [("0.99999999999999999999999999999", "0", "1"), ("-0.00000000000000000000000000001", "-1", "0")] {
        assert!(holds(Function::Floor, point, 1.0, whole) && holds(Function::Floor, point, -1.0, whole));
        assert!(!holds(Function::Floor, point, 1.0, next));
    }
}

/// Floor, limits, squares and cubes in binary32.
#[test]
fn functions_that_every_library_computes_alike_are_taken_in_binary32() {
    for (function, x, value) in [
        (Function::Floor, 0.75, 0.0),
        (Function::Floor, -0.25, -1.0),
        (Function::Floor, 3.0, 3.0),
        (Function::Clip(-0.5, 6.0), -0.75, -0.5),
        (Function::Clip(-0.5, 6.0), 6.5, 6.0),
        (Function::Clip(-0.5, 6.0), 5.5, 5.5),
        (Function::Power(2), -1.5, 2.25),
        (Function::Power(3), -1.5, -3.375),
    ] {
        assert_eq!(deployed_outputs(&chain(1, vec![(1, Operation::Curve(function))]), &[x]), Ok(vec![value]), "{function:?} {x}");
    }
}

/// Numbers that are not finite are refused, wherever they stand.
#[test]
fn numbers_that_are_not_finite_are_refused() {
    for bad in [f64::INFINITY, f64::NAN] {
        for (weights, bias) in [([bad, 1.0], [1.0]), ([1.0, bad], [1.0]), ([1.0, 1.0], [bad])] {
            for error in [0.0, 0.25] {
                let net = chain(2, vec![affine(&weights, &bias, error)]);
                let anything = || vec![case(&[0.0; 2], &[1.0; 2], vec![vec![]])];
                assert!(!accepted(&net, Real, anything(), &["1".into(), "0.5".into()]), "{weights:?} {bias:?} {error}");
                assert!(!accepted(&net, Float32, anything(), &["1".into(), "0.5".into()]), "{weights:?} {bias:?} {error}");
            }
        }
    }
    // One element overflows in binary32, and would come out as 1.
    let huge = || (2, Operation::Affine(Affine { parts: vec![Linear::Scale(vec![1e30, 1.0])], bias: vec![], relative_error: 0.0 }));
    let limited = chain(2, vec![huge(), huge(), (2, Operation::Curve(Function::Clip(0.0, 1.0)))]);
    assert!(deployed_outputs(&limited, &[1.0, 0.5]).unwrap_err().contains("not finite"));
    assert_eq!(deployed_outputs(&limited, &[1e-30, 0.5]), Ok(vec![1.0, 0.5]));
}
