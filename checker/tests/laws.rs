//! Every derived fact holds, exactly: random networks, hostile numbers, sampled points and corners, and what a deployed
//! network may compute.

mod support;

use checker::Semantics;
use checker::exact::Rational;
use checker::network::Network;
use checker::plan::{Plan, Step};
use checker::state::State;
use support::{Random, after, evaluate, evaluate_f32, exact, less, random_network, random_smooth_network, roughen};

/// The state after refreshing everything on the box, twice.
fn refreshed(plan: &Plan, semantics: Semantics, low: &[f64], high: &[f64]) -> State {
    after(&[0x10, 0x10], plan, semantics, low, high)
}

/// Intervals and random row trees for both ends of every activation's elements, twice.
fn random_trees(plan: &Plan, random: &mut Random) -> Vec<u8> {
    let mut steps = if random.below(2) == 0 { vec![0x10] } else { vec![] };
    for activation in (0..plan.activations.len()).chain(0..plan.activations.len()) {
        if random.below(4) > 0 {
            steps.extend([0x13, activation as u8]);
        }
        let len = plan.activations[activation].len;
        let rows = support::trees::random(plan, activation, 2 * len, random, |row| vec![row as u8]);
        steps.extend([0x12, activation as u8]);
        steps.extend(rows);
    }
    steps
}

/// Random sums with multipliers and upper bounds of hinges.
fn random_narrows(plan: &Plan, random: &mut Random) -> Vec<u8> {
    let mut steps = if random.below(2) == 0 { vec![0x10] } else { vec![] };
    steps.extend(support::narrows::several(plan, [0, 0], 0, random).concat());
    // Rows one by one, as propagation does.
    for activation in (0..plan.activations.len()).filter(|&a| matches!(plan.nodes[plan.activations[a].node].step, Step::Hinge(..))) {
        for element in 0..plan.activations[activation].len {
            for sign in [1f32, -1.0] {
                steps.extend([0x14, 0, 0, 1, activation as u8, 2 * element as u8]);
                steps.extend(sign.to_le_bytes());
            }
        }
    }
    steps
}

/// `v . x + k` of a stored line.
fn line_at(lines: &[f64], n: usize, j: usize, x: &[Rational]) -> Option<Rational> {
    let k = lines[x.len() * n + j];
    k.is_finite().then(|| x.iter().enumerate().fold(exact(k), |sum, (d, x)| sum.plus(&exact(lines[d * n + j]).times(x))))
}

fn assert_holds(network: &Network, state: &State, x: &[Rational], operands: &[Vec<Rational>], what: &str) {
    assert!(!state.void, "{what}: a box with a point in it is called empty");
    let (n, mut j) = (state.below.len(), 0);
    for node in &network.nodes {
        use checker::network::Operation::{Affine, Constant, Input};
        if matches!(node.operation, Input | Constant(_) | Affine(_)) {
            continue;
        }
        for a in &operands[node.inputs[0]] {
            let (low, high) = (state.below[j], state.above[j]);
            assert!(low == f64::NEG_INFINITY || !less(a, &exact(low)), "{what}: {} element {j} is below {low:e}", node.name);
            assert!(high == f64::INFINITY || !less(&exact(high), a), "{what}: {} element {j} is above {high:e}", node.name);
            if let Some(line) = line_at(&state.lower, n, j, x) {
                assert!(!less(a, &line), "{what}: {} element {j} is below its line", node.name);
            }
            if let Some(line) = line_at(&state.upper, n, j, x) {
                assert!(!less(&line, a), "{what}: {} element {j} is above its line", node.name);
            }
            j += 1;
        }
    }
}

fn points(random: &mut Random, low: &[f64], high: &[f64]) -> Vec<Vec<f64>> {
    let coordinate = |random: &mut Random, d: usize| match random.below(3) {
        0 => low[d],
        1 => high[d],
        _ => (low[d] + (high[d] - low[d]) * random.unit().abs()).clamp(low[d], high[d]) as f32 as f64,
    };
    let inside = |x: &Vec<f64>| x.iter().zip(low).zip(high).all(|((x, l), h)| l <= x && x <= h);
    (0..8).map(|_| (0..low.len()).map(|d| coordinate(random, d)).collect()).filter(inside).collect()
}

fn random_box(random: &mut Random, dims: usize, hostile: bool) -> (Vec<f64>, Vec<f64>) {
    let scale = if hostile { [1e-30, 1.0, 1e9][random.below(3)] } else { 1.0 };
    let low: Vec<f64> = (0..dims).map(|_| (random.unit() * scale) as f32 as f64).collect();
    let width = [0.0, 1e-3, 1.0][random.below(3)];
    let high = low.iter().map(|l| ((l + scale * width * random.unit().abs()) as f32 as f64).max(*l)).collect();
    (low, high)
}

/// A random network of so many inputs, perhaps with hostile numbers.
type Make = fn(&mut Random, usize, bool) -> Network;

/// What a test does to a network's plan: bytes of steps.
type Steps = fn(&Plan, &mut Random) -> Vec<u8>;

fn refresh_twice(_: &Plan, _: &mut Random) -> Vec<u8> {
    vec![0x10, 0x10]
}

/// Checks the facts of `steps` on 2,000 random networks in exact arithmetic. Gives the number of points, and of networks on which
/// an interval is better than refreshing alone makes it.
fn hold_exactly(make: Make, steps: Steps, random: &mut Random) -> (usize, usize) {
    let (mut checked, mut better) = (0, 0);
    for seed in 0..2000 {
        let (dims, hostile) = (1 + random.below(3), seed % 3 == 0);
        let mut network = make(random, dims, hostile);
        if seed % 2 == 0 {
            roughen(&mut network, random);
        }
        let plan = Plan::new(&network).unwrap();
        let (low, high) = random_box(random, dims, hostile);
        let state = after(&steps(&plan, random), &plan, Semantics::Real, &low, &high);
        for x in points(random, &low, &high) {
            let x: Vec<Rational> = x.iter().map(|&x| exact(x)).collect();
            assert_holds(&network, &state, &x, &evaluate(&network, &x), &format!("network {seed}"));
            checked += 1;
        }
        let without = refreshed(&plan, Semantics::Real, &low, &high);
        better += state.above.iter().zip(&without.above).any(|(a, b)| a < b) as usize;
    }
    (checked, better)
}

/// Checks the facts of `steps` on what 1,500 random networks compute in binary32.
fn hold_as_deployed(make: Make, steps: Steps, random: &mut Random) {
    for seed in 0..1500 {
        let (dims, hostile) = (1 + random.below(3), seed % 3 == 0);
        let network = make(random, dims, hostile);
        let plan = Plan::new(&network).unwrap();
        let (low, high) = random_box(random, dims, hostile);
        let state = after(&steps(&plan, random), &plan, Semantics::Both, &low, &high);
        for point in points(random, &low, &high) {
            let x: Vec<f32> = point.iter().map(|&x| x as f32).collect();
            let values = evaluate_f32(&network, &x, random);
            if values.iter().flatten().any(|v| !v.is_finite()) {
                continue;
            }
            let values: Vec<Vec<Rational>> = values.iter().map(|v| v.iter().map(|&v| exact(v.into())).collect()).collect();
            let x: Vec<Rational> = x.iter().map(|&x| exact(x.into())).collect();
            assert_holds(&network, &state, &x, &values, &format!("network {seed}"));
        }
    }
}

#[test]
fn derived_facts_hold_exactly() {
    let (checked, _) = hold_exactly(random_network, refresh_twice, &mut Random(1));
    assert!(checked > 8000, "{checked}");
}

#[test]
fn what_a_deployed_network_computes_is_covered() {
    hold_as_deployed(random_network, refresh_twice, &mut Random(2));
}

#[test]
fn facts_of_row_trees_and_of_intervals_hold_exactly() {
    let (checked, better) = hold_exactly(random_network, random_trees, &mut Random(3));
    assert!(checked > 8000 && better > 200, "{checked} {better}");
}

#[test]
fn facts_of_row_trees_cover_what_a_deployed_network_computes() {
    hold_as_deployed(random_network, random_trees, &mut Random(4));
}

#[test]
fn facts_of_narrowing_hold_exactly() {
    let (checked, better) = hold_exactly(random_network, random_narrows, &mut Random(5));
    assert!(checked > 8000 && better > 200, "{checked} {better}");
}

#[test]
fn facts_of_narrowing_cover_what_a_deployed_network_computes() {
    hold_as_deployed(random_network, random_narrows, &mut Random(6));
}

#[test]
fn facts_about_smooth_functions_and_products_hold_exactly() {
    for (steps, seed) in [(refresh_twice as Steps, 11), (random_trees, 12), (random_narrows, 13)] {
        let (checked, _) = hold_exactly(random_smooth_network, steps, &mut Random(seed));
        assert!(checked > 8000, "{checked}");
    }
}

#[test]
fn facts_about_smooth_functions_and_products_cover_what_a_deployed_network_computes() {
    for (steps, seed) in [(refresh_twice as Steps, 14), (random_trees, 15), (random_narrows, 16)] {
        hold_as_deployed(random_smooth_network, steps, &mut Random(seed));
    }
}

/// Every addition of a block counts once: a kernel may add one branch up upon the other, and a value that is read twice is one sum.
#[test]
fn the_additions_of_a_block_count_once() {
    use checker::network::{Linear, Operation};
    let mut b = support::Builder::default();
    let input = b.node(3, vec![], Operation::Input);
    let branch = |b: &mut support::Builder, from: usize| b.affine(vec![(from, Linear::Dense(vec![1.0; 9]))], 3, vec![]);
    let both = |b: &mut support::Builder, p: usize, q: usize| {
        b.affine(vec![(p, Linear::Scale(vec![1.0; 3])), (q, Linear::Scale(vec![1.0; 3]))], 3, vec![])
    };
    let (first, second) = (branch(&mut b, input), branch(&mut b, input));
    let sum = both(&mut b, first, second);
    let again = both(&mut b, sum, first);
    let sides = b.affine(vec![(again, Linear::Select(vec![0, 1, 2])), (second, Linear::Select(vec![u32::MAX; 3]))], 3, vec![]);
    let above = b.node(3, vec![sides], Operation::Hinge(-1.0));
    let last = branch(&mut b, above);
    b.network.outputs.push(last);
    let plan = Plan::new(&b.network).unwrap();
    let roundings = |id: usize| match &plan.nodes[id].step {
        Step::Affine(sum) | Step::Hinge(_, _, checker::plan::Operand::Joined(sum)) => sum.roundings,
        step => panic!("{step:?}"),
    };
    assert_eq!([first, second, sum, again, above, last].map(roundings), [5, 5, 5 + 5 + 4, 5 + 5 + 4 + 4, 18, 5]);
}

/// Large terms cancel before a function: what a deployed sum is off by counts as often as the function is steep.
#[test]
fn functions_and_products_of_cancelling_sums_are_covered() {
    use checker::function::Function;
    use checker::network::{Linear, Operation};
    let mut random = Random(17);
    for case in 0..3000 {
        let mut b = support::Builder::default();
        let input = b.node(4, vec![], Operation::Input);
        let x: Vec<f64> = (0..4).map(|_| f64::from(random.unit() as f32)).collect();
        let weights: Vec<f64> = (0..8).map(|_| f64::from((1e4 * random.unit()) as f32)).collect();
        let rest = |row: &[f64]| f64::from((2.0 * random.unit() - row.iter().zip(&x).map(|(w, x)| w * x).sum::<f64>()) as f32);
        let bias = weights.chunks(4).map(rest).collect();
        let sums = b.affine(vec![(input, Linear::Dense(weights))], 2, bias);
        let (operation, len) = match case % 3 {
            0 => (Operation::Curve(Function::Power(2)), 2),
            1 => (Operation::Curve(Function::Sine), 2),
            _ => (Operation::Product, 1),
        };
        let curved = b.node(len, vec![sums], operation);
        let last = b.node(len, vec![curved], Operation::Hinge(0.0));
        b.network.outputs.push(last);
        let plan = Plan::new(&b.network).unwrap();
        let states = [refreshed(&plan, Semantics::Both, &x, &x), after(&random_trees(&plan, &mut random), &plan, Semantics::Both, &x, &x)];
        let point: Vec<f32> = x.iter().map(|&x| x as f32).collect();
        let x: Vec<Rational> = x.iter().map(|&x| exact(x)).collect();
        for _ in 0..8 {
            let deployed = evaluate_f32(&b.network, &point, &mut random);
            let values: Vec<Vec<Rational>> = deployed.iter().map(|v| v.iter().map(|&v| exact(v.into())).collect()).collect();
            states.iter().for_each(|state| assert_holds(&b.network, state, &x, &values, &format!("case {case}")));
        }
    }
}

/// Sums with many terms below a function, and many constants in a row: what their rounding may cost is paid.
#[test]
fn lines_and_planes_pay_for_what_they_pass_on() {
    use checker::curve::Curve;
    use checker::function::Function;
    use checker::network::Operation;
    for operation in [Operation::Curve(Function::Power(2)), Operation::Product] {
        let mut b = support::Builder::default();
        let input = b.node(2, vec![], Operation::Input);
        let len = if operation == Operation::Product { 1 } else { 2 };
        let out = b.node(len, vec![input], operation.clone());
        b.network.outputs.push(out);
        let least = |terms: usize, constants: usize| {
            let mut plan = Plan::new(&b.network).unwrap();
            (plan.nodes[input].terms, plan.constant_roundings) = (terms, constants);
            let mut relaxed = checker::relax::Relaxed::new(&plan, checker::rounding::Deployed::new(Semantics::Real, false));
            let mut state = State::root(&plan, vec![3.0; 2], vec![5.0; 2], 1);
            (state.below, state.above) = (vec![3.0; state.below.len()], vec![5.0; state.above.len()]);
            relaxed.prepare(plan.nodes.len(), &state);
            let default = relaxed.nodes[out].lines().error[0];
            match operation {
                // A row's own line at the middle is the default one, whose error is that of both together.
                Operation::Curve(function) => {
                    let curve = Curve::new(function, 3.0, 5.0);
                    let [above, below] =
                        [true, false].map(|above| relaxed.line_at((function, input, 0), (&curve, (3.0, 5.0)), above, 0.5)[2]);
                    assert!(above.max(below) <= default && above.max(below) > 0.99 * default, "{above:e} {below:e} {default:e}");
                    above.min(below)
                }
                _ => default,
            }
        };
        // 2^-20 of the slopes times the operands (8 * 5, or twice 4 * 5), and of a constant of about 16.
        let (few, many, constants) = (least(2, 16), least(1 << 33, 16), least(2, 1 << 33));
        assert!(few < 1e-12 && many > 40.0 * 0.99 / (1 << 20) as f64 && constants > 15.0 / (1 << 20) as f64, "{few} {many} {constants}");
    }
}

/// Values beyond binary64: intervals without an end give no line that could be wrong.
#[test]
fn intervals_without_an_end_prove_nothing_false() {
    for (slope, sign) in [(0.0, 1.0), (0.125, -1.0), (-1.0, 1.0), (1.0, -1.0)] {
        let mut b = support::Builder::default();
        let mut at = b.node(1, vec![], checker::network::Operation::Input);
        for weight in [sign * 1e300, 1e300, 1e-300, 1e-300, -1.0] {
            at = b.affine(vec![(at, checker::network::Linear::Dense(vec![weight]))], 1, vec![0.5]);
            at = b.node(1, vec![at], checker::network::Operation::Hinge(slope));
        }
        b.network.outputs.push(at);
        let plan = Plan::new(&b.network).unwrap();
        let state = refreshed(&plan, Semantics::Real, &[-1.0], &[1.0]);
        assert!(state.above[1] == f64::INFINITY && state.above[2] == f64::INFINITY);
        for x in [-1.0, -0.5, 0.0, 0.25, 1.0] {
            let x = [exact(x)];
            assert_holds(&b.network, &state, &x, &evaluate(&b.network, &x), "overflow");
        }
    }
}

/// No affine block between the hinges pays for the product with the slope.
#[test]
fn the_product_with_a_leaky_slope_rounds() {
    let mut b = support::Builder::default();
    let input = b.node(1, vec![], checker::network::Operation::Input);
    let leaky = b.node(1, vec![input], checker::network::Operation::Hinge(0.1f32 as f64));
    let out = b.node(1, vec![leaky], checker::network::Operation::Hinge(-1.0));
    b.network.outputs.push(out);
    let plan = Plan::new(&b.network).unwrap();
    let mut random = Random(7);
    for case in 0..200 {
        let x = [-1.0, -1e-38, -1e-44, -3e38][case % 4] * random.unit().abs() as f32;
        let row = |sign: f32| [&[0x14, 0, 0, 1, 1, 0][..], &sign.to_le_bytes()].concat();
        let narrowed = after(&[row(1.0), row(-1.0)].concat(), &plan, Semantics::Both, &[x.into()], &[x.into()]);
        let state = refreshed(&plan, Semantics::Both, &[x.into()], &[x.into()]);
        let exact_values = |v: &Vec<f32>| v.iter().map(|&v| exact(v.into())).collect();
        let values: Vec<Vec<Rational>> = evaluate_f32(&b.network, &[x], &mut random).iter().map(exact_values).collect();
        for state in [state, narrowed] {
            assert_holds(&b.network, &state, &[exact(x.into())], &values, &format!("{x:e}"));
        }
    }
}

/// Neither a state nor a verdict depends on the regions that the same thread has looked at before.
#[test]
fn regions_that_were_looked_at_before_leave_nothing_behind() {
    let mut random = Random(8);
    for seed in 0..400 {
        let dims = 1 + random.below(3);
        let network = random_network(&mut random, dims, false);
        let plan = Plan::new(&network).unwrap();
        let semantics = [Semantics::Real, Semantics::Both][seed % 2];
        let steps: [Vec<u8>; 2] = std::array::from_fn(|_| match random.below(4) {
            0 => random_trees(&plan, &mut random),
            1 => random_narrows(&plan, &mut random),
            2 => vec![0x10],
            _ => (0..plan.activations.len() as u8).flat_map(|a| [0x13, a]).collect(),
        });
        let boxes = [random_box(&mut random, dims, false), random_box(&mut random, dims, false)];
        let mut stepper =
            checker::steps::Stepper::new(checker::relax::Relaxed::new(&plan, checker::rounding::Deployed::new(semantics, false)));
        for (steps, (low, high)) in [(&steps[0], &boxes[0]), (&steps[1], &boxes[1]), (&steps[0], &boxes[1])] {
            let used = support::after_others(&mut stepper, steps, &plan, semantics, low, high);
            assert_eq!(format!("{used:?}"), format!("{:?}", after(steps, &plan, semantics, low, high)), "network {seed}");
        }
    }
}

/// What underflows is paid for: nothing but such payments covers these values.
#[test]
fn facts_hold_where_products_underflow() {
    let mut random = Random(9);
    for seed in 0..600 {
        let dims = 1 + random.below(2);
        let mut network = random_network(&mut random, dims, false);
        support::shrink(&mut network, [1e-160, 1e-110, 1e-80][seed % 3]);
        let plan = Plan::new(&network).unwrap();
        let (low, high) = random_box(&mut random, dims, false);
        let steps = [random_trees(&plan, &mut random), random_narrows(&plan, &mut random), vec![0x10]];
        let state = after(&steps[seed % 3], &plan, Semantics::Real, &low, &high);
        for x in points(&mut random, &low, &high) {
            let x: Vec<Rational> = x.iter().map(|&x| exact(x)).collect();
            assert_holds(&network, &state, &x, &evaluate(&network, &x), &format!("network {seed}"));
        }
    }
}

/// A large constant at the top, and below it sixty small ones: each rounds where it is added to the sum.
#[test]
fn constants_pay_for_every_rounding_on_their_way() {
    use checker::network::{Linear, Operation};
    for (large, small) in [(2f64.powi(53), 1.0001), (2f64.powi(53), 0.9999), (-(2f64.powi(53)), 0.9999)] {
        let mut b = support::Builder::default();
        let mut at = b.node(1, vec![], Operation::Input);
        for constant in [vec![small; 60], vec![large]].concat() {
            at = b.affine(vec![(at, Linear::Dense(vec![1.0]))], 1, vec![constant]);
            // The identity, which keeps the nodes apart.
            at = b.node(1, vec![at], Operation::Hinge(1.0));
        }
        b.network.outputs.push(at);
        let plan = Plan::new(&b.network).unwrap();
        let x = [exact(0.5)];
        let steps: Vec<u8> = (0..plan.activations.len() as u8).flat_map(|activation| [0x11, activation, 1]).collect();
        let state = after(&steps, &plan, Semantics::Real, &[0.5], &[0.5]);
        assert_holds(&b.network, &state, &x, &evaluate(&b.network, &x), "constants");
        assert!(state.above[60] - state.below[60] < 1000.0, "{}", state.above[60] - state.below[60]);
    }
}

/// A sound but useless checker would pass the tests above.
#[test]
fn derived_facts_are_as_tight_as_the_method_allows() {
    // h1 = relu(x + y), h2 = relu(x - y), z = h1 - h2 on [-1, 1]^2: the chords give z in [-2, 2] with slopes 1/2.
    let mut b = support::Builder::default();
    let input = b.node(2, vec![], checker::network::Operation::Input);
    let a = b.affine(vec![(input, checker::network::Linear::Dense(vec![1.0, 1.0, 1.0, -1.0]))], 2, vec![]);
    let h = b.node(2, vec![a], checker::network::Operation::Hinge(0.0));
    let z = b.affine(vec![(h, checker::network::Linear::Dense(vec![1.0, -1.0]))], 1, vec![0.25]);
    let out = b.node(1, vec![z], checker::network::Operation::Hinge(0.0));
    b.network.outputs.push(out);
    let plan = Plan::new(&b.network).unwrap();
    let state = refreshed(&plan, Semantics::Real, &[-1.0, -1.0], &[1.0, 1.0]);
    for (got, expected) in state.above.iter().zip([2.0, 2.0, 2.25]) {
        assert!((got - expected).abs() < 1e-12, "{got} {expected}");
    }
    assert!((state.below[2] + 1.75).abs() < 1e-12, "{}", state.below[2]);
    // Where both are split on, the true ends [-2, 2] + 1/4 are found: h1 - h2 is 2 at (1, 1).
    let beta = 0f32.to_le_bytes();
    let both = |end: u8| {
        [&[end, 1, 0, 0, 1, 0, 1, 0][..], &beta, &beta, &[0], &beta, &beta, &[1, 0, 1, 0], &beta, &beta, &[0], &beta, &beta].concat()
    };
    let trees = [&[0x12, 1, 0, 2][..], &both(0), &both(1)].concat();
    let split = after(&trees, &plan, Semantics::Real, &[-1.0, -1.0], &[1.0, 1.0]);
    let loose = after(&[0x13, 1], &plan, Semantics::Real, &[-1.0, -1.0], &[1.0, 1.0]);
    assert!(split.above[2] < loose.above[2] + 1e-12 && split.above[2] < 2.2500001 && split.below[2] > -1.7500001, "{split:?}");
}
