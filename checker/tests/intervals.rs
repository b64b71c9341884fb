//! Interval arithmetic alone: it covers every rounding, weights that are not known exactly, and gives away nothing else.

mod support;

use checker::Semantics;
use checker::exact::Rational;
use checker::network::{Linear, Network, Operation};
use checker::plan::Plan;
use checker::state::State;
use support::{Builder, Random, after, evaluate, exact, less, roughen};

/// Two layers of hinges: the second one is not directly above the inputs, so that nothing but intervals is known of it.
fn deep(dims: usize, width: usize, random: &mut Random) -> Network {
    let mut b = Builder::default();
    let input = b.node(dims, vec![], Operation::Input);
    let a = b.dense(input, width, true, false, random);
    let h = b.node(width, vec![a], Operation::Hinge([0.0, 1.0][random.below(2)]));
    let a = b.dense(h, 4, true, false, random);
    let out = b.node(4, vec![a], Operation::Hinge(0.0));
    b.network.outputs.push(out);
    roughen(&mut b.network, random);
    b.network
}

/// Elements of the second layer whose exact values at `x` its intervals do not hold.
fn outside(network: &Network, state: &State, width: usize, x: &[Rational]) -> usize {
    let values = evaluate(network, x);
    let beyond = |j: usize, a: &Rational| less(a, &exact(state.below[width + j])) || less(&exact(state.above[width + j]), a);
    values[3].iter().enumerate().filter(|(j, a)| beyond(*j, a)).count()
}

#[test]
fn intervals_pay_for_every_rounding() {
    let mut random = Random(31);
    for case in 0..300 {
        let width = 1 + random.below(40);
        let network = deep(3, width, &mut random);
        let plan = Plan::new(&network).unwrap();
        // A box that is a point: all that its intervals are wide is rounding.
        let scale = [1e-3, 1.0, 1e9, 1e-160][case % 4];
        let x: Vec<f64> = (0..3).map(|_| scale * random.unit()).collect();
        let state = after(&[0x13, 0, 0x13, 1], &plan, Semantics::Real, &x, &x);
        assert!(state.below[width].is_finite() && state.above[width] - state.below[width] < 1e-9 * scale.max(1.0), "case {case}");
        let x: Vec<Rational> = x.iter().map(|&x| exact(x)).collect();
        assert_eq!(outside(&network, &state, width, &x), 0, "case {case}");
    }
}

#[test]
fn intervals_pay_for_weights_that_are_not_known_exactly() {
    let mut random = Random(32);
    for case in 0..100 {
        let width = 1 + random.below(8);
        let mut network = deep(3, width, &mut random);
        let truth = network.clone();
        for node in &mut network.nodes {
            let Operation::Affine(affine) = &mut node.operation else { continue };
            affine.relative_error = 9e-4;
            for part in &mut affine.parts {
                let Linear::Dense(weights) = part else { continue };
                weights.iter_mut().for_each(|w| *w *= 1.0 + 8.99e-4 * random.unit());
            }
        }
        let plan = Plan::new(&network).unwrap();
        let x: Vec<f64> = (0..3).map(|_| random.unit()).collect();
        let state = after(&[0x13, 0, 0x13, 1], &plan, Semantics::Real, &x, &x);
        let x: Vec<Rational> = x.iter().map(|&x| exact(x)).collect();
        assert_eq!(outside(&truth, &state, width, &x), 0, "case {case}");
    }
}

/// A sound but useless checker would pass the tests above.
#[test]
fn intervals_are_as_tight_as_the_method_allows() {
    let mut b = Builder::default();
    let input = b.node(2, vec![], Operation::Input);
    let a = b.affine(vec![(input, Linear::Dense(vec![1.0, 1.0, 1.0, -1.0]))], 2, vec![0.5, 0.0]);
    let h = b.node(2, vec![a], Operation::Hinge(0.0));
    let a = b.affine(vec![(h, Linear::Dense(vec![1.0, -2.0]))], 1, vec![0.25]);
    let leaky = b.node(1, vec![a], Operation::Hinge(0.5));
    let last = b.node(1, vec![leaky], Operation::Hinge(0.0));
    b.network.outputs.push(last);
    let plan = Plan::new(&b.network).unwrap();
    let state = after(&[0x13, 0, 0x13, 1, 0x13, 2], &plan, Semantics::Real, &[0.0, -1.0], &[1.0, 1.0]);
    // x + y + 0.5, x - y; of their positive parts the first less twice the second plus 0.25; and that, or half of it where negative.
    let expected = [(-0.5, 2.5), (-1.0, 2.0), (-3.75, 2.75), (-1.875, 2.75)];
    for (j, (low, high)) in expected.into_iter().enumerate() {
        let found = (state.below[j], state.above[j]);
        assert!((found.0 - low).abs() < 1e-12 && (found.1 - high).abs() < 1e-12, "{j}: {found:?}");
    }
}
