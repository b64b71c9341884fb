//! A point that satisfies every constraint with equality: no step may exclude it or leave it out of a box, however sums cancel.

mod support;

use checker::Semantics;
use checker::case::Prepared;
use checker::certificate::{Cursor, write_varint};
use checker::exact::Rational;
use checker::network::{Linear, Network, Operation};
use checker::plan::{Plan, Step};
use checker::query::{Case, Constraint};
use checker::relax::Relaxed;
use checker::rounding::Deployed;
use checker::state::{Phase, State};
use checker::steps::{End, Stepper};
use support::{Builder, Random, evaluate, exact, less, random_network};

/// Numbers of many sizes with a full mantissa.
fn number(random: &mut Random) -> f64 {
    [1e-12, 1.0, 1.0, 1e9][random.below(4)] * random.unit()
}

/// `sum c (v - value of v) >= 0` over inputs and outputs, two of them at random and the third the negated sum of both.
fn through(random: &mut Random, x: &[Rational], y: &[Rational]) -> Vec<Constraint> {
    let terms = |values: &[Rational], random: &mut Random| -> Vec<Rational> { values.iter().map(|_| exact(number(random))).collect() };
    let row = |a: &[Rational], c: &[Rational]| {
        let sum = a.iter().zip(x).chain(c.iter().zip(y)).fold(exact(0.0), |sum, (c, v)| sum.plus(&c.times(v)));
        let named = |list: &[Rational]| list.iter().cloned().enumerate().collect();
        Constraint { inputs: named(a), outputs: named(c), constant: sum.negated(), strict: false }
    };
    let [a, b] = std::array::from_fn(|_| (terms(x, random), terms(y, random)));
    let against = |a: &[Rational], b: &[Rational]| -> Vec<Rational> { a.iter().zip(b).map(|(a, b)| a.plus(b).negated()).collect() };
    vec![row(&a.0, &a.1), row(&b.0, &b.1), row(&against(&a.0, &b.0), &against(&a.1, &b.1))]
}

/// As many inputs as there are dimensions, and one sum of them before leaky hinges.
fn several_inputs(random: &mut Random, dims: usize) -> Network {
    let mut b = Builder::default();
    let inputs: Vec<usize> = (0..dims).map(|_| b.node(1, vec![], Operation::Input)).collect();
    let parts = inputs.into_iter().map(|input| (input, Linear::Dense(random.weights(3, false)))).collect();
    let bias = random.weights(3, false);
    let sum = b.affine(parts, 3, bias);
    let hinge = b.node(3, vec![sum], Operation::Hinge([0.0, 0.1f32 as f64][random.below(2)]));
    let out = b.dense(hinge, 2, true, false, random);
    b.network.outputs.push(out);
    b.network
}

/// A point, and a box around it: itself, a few units wide, or wide.
fn around(random: &mut Random, dims: usize) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let x: Vec<f64> = (0..dims).map(|_| number(random)).collect();
    let width = [0.0, 1e-15, 1e-3][random.below(3)];
    let end = |sign: f64, random: &mut Random| x.iter().map(|x| x + sign * width * x.abs() * random.unit().abs()).collect();
    (end(-1.0, random), end(1.0, random), x.clone())
}

/// Weights of all rows, cuts and phases: the same one, or different ones.
fn weights(random: &mut Random, [rows, cuts, phases]: [usize; 3]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_varint(&mut bytes, (rows + cuts + phases) as u64);
    let same = random.below(2) == 0;
    let one = random.unit().abs() as f32;
    let kinds = [rows, cuts, phases].into_iter().enumerate();
    for reference in kinds.flat_map(|(kind, count)| (0..count).map(move |i| 4 * i + kind)) {
        write_varint(&mut bytes, reference as u64);
        bytes.extend(if same { one } else { random.unit().abs() as f32 }.to_le_bytes());
    }
    bytes
}

/// All steps that use the only disjunct's rows, the cuts and the phases.
fn steps(plan: &Plan, random: &mut Random, [rows, cuts, phases]: [usize; 3]) -> Vec<Vec<u8>> {
    let mut steps: Vec<Vec<u8>> = if random.below(2) == 0 { vec![vec![0x10]] } else { vec![] };
    steps.extend((0..rows).map(|row| vec![0x20, 0, row as u8]));
    for code in [&[0x21, 0][..], &[0x22, 0], &[0x30], &[0x21, 0]] {
        steps.push([code, &weights(random, [rows, cuts, phases])].concat());
    }
    for _ in 0..3 {
        // No multipliers are given: those of the lines, or none.
        steps.push([&[0x14, random.below(2) as u8][..], &weights(random, [rows, cuts, 0]), &[0]].concat());
    }
    steps.extend(support::narrows::several(plan, [rows, cuts], 0, random));
    steps
}

/// Fixes some hinges to the side on which the point is, either one where it is on both.
fn fix(state: &mut State, plan: &Plan, values: &[Vec<Rational>], network: &Network, random: &mut Random) {
    for (number, activation) in plan.activations.iter().enumerate() {
        if !matches!(plan.nodes[activation.node].step, Step::Hinge(..)) {
            continue;
        }
        for element in (0..activation.len).filter(|_| random.below(3) == 0).collect::<Vec<_>>() {
            let sign = values[network.nodes[activation.node].inputs[0]][element].sign();
            let active = sign > 0 || (sign == 0 && random.below(2) == 0);
            state.fix(plan, Phase { activation: number as u32, element: element as u32, active });
        }
    }
}

fn assert_kept(state: &State, x: &[f64], what: &str) {
    for line in state.phase_lines.chunks_exact(x.len() + 1).filter(|line| line.iter().all(|k| k.is_finite())) {
        let sum = x.iter().zip(line).fold(exact(line[x.len()]), |sum, (&x, &v)| sum.plus(&exact(v).times(&exact(x))));
        assert!(sum.sign() >= 0, "{what}: a phase's line is negative");
    }
    assert!(!state.void && state.open == [0], "{what} excludes the point");
    let inside = x.iter().zip(&state.low).zip(&state.high).all(|((x, l), h)| l <= x && x <= h);
    assert!(inside, "{what} leaves {x:?} out of {:?} to {:?}", state.low, state.high);
}

/// The operands of activations at the point stay in their intervals.
fn assert_intervals(network: &Network, state: &State, values: &[Vec<Rational>], what: &str) {
    let has_operand = |operation: &Operation| matches!(operation, Operation::Hinge(_) | Operation::Maximum(_));
    let operands = network.nodes.iter().filter(|n| has_operand(&n.operation)).flat_map(|n| &values[n.inputs[0]]);
    for (j, a) in operands.enumerate() {
        let (low, high) = (state.below[j], state.above[j]);
        assert!(low == f64::NEG_INFINITY || !less(a, &exact(low)), "{what}: element {j} is below {low:e}");
        assert!(high == f64::INFINITY || !less(&exact(high), a), "{what}: element {j} is above {high:e}");
    }
}

#[test]
fn no_step_excludes_a_counterexample_on_the_boundary_of_everything() {
    let mut random = Random(51);
    let mut accepted = 0;
    for seed in 0..1500 {
        let dims = 1 + random.below(3);
        let network = match seed % 5 {
            4 => several_inputs(&mut random, dims),
            _ => random_network(&mut random, dims, seed % 4 == 0),
        };
        let plan = Plan::new(&network).expect("a network");
        let (low, high, x) = around(&mut random, dims);
        let point: Vec<Rational> = x.iter().map(|&x| exact(x)).collect();
        let values = evaluate(&network, &point);
        let outputs: Vec<Rational> = plan.outputs.iter().map(|&(id, j)| values[id][j].clone()).collect();
        let rows = through(&mut random, &point, &outputs);
        let cuts = if random.below(3) > 0 { through(&mut random, &point, &[]) } else { vec![] };
        let all = |x: &[f64]| x.iter().map(|&x| exact(x)).collect();
        let counts = [rows.len(), cuts.len()];
        let case = Case { low: all(&low), high: all(&high), cuts, disjuncts: vec![rows] };
        let deployed = Deployed::new(Semantics::Real, false);
        let Ok(case) = Prepared::new(&case, &plan, Semantics::Real, deployed) else { continue };
        let mut stepper = Stepper::new(Relaxed::new(&plan, deployed));
        let mut state = case.root(&mut stepper.relaxed, &mut stepper.batch);
        if random.below(2) == 0 {
            fix(&mut state, &plan, &values, &network, &mut random);
        }
        let steps = steps(&plan, &mut random, [counts[0], counts[1], state.phases.len()]);
        assert_kept(&state, &x, "the root");
        for step in steps {
            let what = format!("network {seed}: step {:#x}", step[0]);
            let bytes = [&step[..], &[0x52]].concat();
            let mut next = state.clone();
            if stepper.node(&mut Cursor::new(&bytes, 0, bytes.len()), &case, true, &mut next) == Ok(End::Open) {
                accepted += 1;
                state = next;
            }
            assert_kept(&state, &x, &what);
            assert_intervals(&network, &state, &values, &what);
        }
    }
    assert!(accepted > 8000, "{accepted}");
}

/// Intervals of one number are not empty.
#[test]
fn intervals_of_one_number_are_not_empty() {
    let mut b = Builder::default();
    let input = b.node(1, vec![], Operation::Input);
    let out = b.node(1, vec![input], Operation::Hinge(0.0));
    b.network.outputs.push(out);
    let plan = Plan::new(&b.network).expect("a network");
    let point = || {
        let mut state = State::root(&plan, vec![0.0], vec![0.0], 1);
        (state.below[0], state.above[0]) = (0.0, 0.0);
        state
    };
    assert!(!point().void);
    for active in [false, true] {
        let mut state = point();
        state.fix(&plan, Phase { activation: 0, element: 0, active });
        assert!(!state.void);
    }
    let mut state = point();
    state.notice_empty();
    state.concretise();
    state.meet(0, false, 0.0);
    state.meet(0, true, 0.0);
    state.fixed[0] = true;
    state.adopt(&plan, 0, false, &[1.0], 0.0);
    state.adopt(&plan, 0, true, &[-1.0], 0.0);
    assert!(!state.void && (state.below[0], state.above[0]) == (0.0, 0.0));
    let empty = State::root(&plan, vec![0.0], vec![-1.0], 1);
    assert!(empty.void);
}
