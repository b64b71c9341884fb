//! Rows of graphs whose sums cancel: nothing but allowances for rounding stands between a bound and the value.

use std::sync::Arc;

use dashu::rational::RBig;
use engine::bounds::chain::Objective;
use engine::bounds::neurons::{Batch, Effort, GraphRows, Relaxed, Settings, Step};
use engine::bounds::{Deployed, Network, Plan, Relaxation};
use engine::graph::{Element, Graph, NodeId};
use engine::numerics::Numbers;
use engine::ops::{Dense, Operation, Ranges, Relu, Selection, Working};

use super::deployed::{self, Style};
use super::graphs::Dice;
use super::points::{exact, exact_values, points};

/// The `n` elements of a node and then all inputs.
fn beside(graph: &mut Graph, id: NodeId, n: usize) -> NodeId {
    let inputs = graph.input_len();
    let picks = (0..n as u32).map(|i| Some((0, i))).chain((0..inputs as u32).map(|i| Some((1, i))));
    let op = Selection::new("Concat", &[n, inputs], picks).expect("fits");
    graph.add(&format!("c{id}"), Operation::Affine(Box::new(op)), &[id, 0], &[1, n + inputs]).expect("fits")
}

/// Dense layers over a box around a point where sums are 1 or more, or cancel but for their constant's rounding.
fn cancelling(dice: &mut Dice) -> (Graph, Ranges) {
    let mut graph = Graph::new(Element::F32);
    let mut n = 1 + dice.below(6);
    let mut at = graph.add_input("x", &[1, n]);
    let scale = [1.0, 1.0, 1e-18, 1e3][dice.below(4)];
    let mut values: Vec<f64> = dice.numbers(n, 1.0).iter().map(|&x| x as f64).collect();
    let inputs = values.clone();
    let width = [0.0, 1e-7, 1e-4][dice.below(3)];
    let end = |x: f64, by: f64| (x + by) as f32 as f64;
    let region = Ranges {
        low: values.iter().map(|&x| end(x, -width * dice.unit())).collect(),
        high: values.iter().map(|&x| end(x, width * dice.unit())).collect(),
    };
    let layers = 1 + dice.below(4);
    for layer in 0..=layers {
        let m = if layer == layers { 1 } else { 1 + dice.below(6) };
        // Beside the values of the layer below the inputs themselves, which have no error.
        let skips = layer > 0 && dice.one_in(2);
        if skips {
            at = beside(&mut graph, at, n);
            values.extend(&inputs);
            n = values.len();
        }
        let small = [1.0, 1.0, 1e-6][dice.below(3)];
        let mut weights = dice.numbers(n * m, if layer == 0 { scale * small } else { small });
        let sum = |w: &[f32], values: &[f64]| w.iter().zip(values).map(|(&w, v)| w as f64 * v).sum::<f64>();
        if skips {
            let below = n - inputs.len();
            weights.chunks_exact_mut(n).flat_map(|w| &mut w[..below]).for_each(|w| *w *= 1e-9);
        }
        let plain = dice.one_in(3);
        if plain {
            weights.chunks_exact_mut(n).filter(|w| sum(w, &values) < 0.0).for_each(|w| w.iter_mut().for_each(|w| *w = -*w));
        }
        let sums: Vec<f64> = weights.chunks_exact(n).map(|w| sum(w, &values)).collect();
        let constant = |s: &f64| match dice.below(3) {
            _ if plain => 0.0,
            0 => -s as f32,
            1 => (s.abs() + scale) as f32,
            _ => dice.number(3.0 * scale).abs(),
        };
        let bias: Vec<f32> = sums.iter().map(constant).collect();
        values = sums.iter().zip(&bias).map(|(s, &b)| (s + b as f64).max(0.0)).collect();
        let op = Dense::new("Gemm", n, m, Numbers::F32(weights), Some(Numbers::F32(bias))).expect("fits");
        at = graph.add(&format!("a{layer}"), Operation::Affine(Box::new(op)), &[at], &[1, m]).expect("fits");
        if layer < layers {
            at = graph.add(&format!("h{layer}"), Operation::Scalar(Box::new(Relu)), &[at], &[1, m]).expect("fits");
        }
        n = m;
    }
    graph.outputs = vec![at];
    (graph, region)
}

/// Ranges of all nodes after their rows were bounded once more, and upper bounds of the output and of its negative.
fn proved<F: Working>(graph: &Graph, region: &Ranges, deployed: Deployed, dice: &mut Dice) -> (Vec<Ranges>, [Vec<f64>; 2]) {
    let network = Network::new(graph, deployed);
    let stop = || false;
    let plan = Plan { steps: dice.below(3), ..Plan::crown(&stop) };
    let mut rows = GraphRows::new(Relaxation::<F>::planned(&network, region, plan)).expect("affine operators and ReLUs");
    rows.tighten(Effort { nodes: [2, 9][dice.below(2)], settings: Settings::rows(), threads: 1, memory: 1 << 28 }, None, &stop);
    assert!(!rows.is_empty());
    let bounds = [F::ONE, -F::ONE].map(|sign| {
        let start = Arc::new(rows.start(&Objective { outputs: vec![sign], ..Objective::default() }));
        let mut batch = Batch::new(rows.program(), start.node, 1);
        batch.add(start, Vec::new(), None, 0);
        let step = Step { rate: 0.1, beta_rate: 0.1, decay: 0.9 };
        let bound = |_| {
            batch.sweep();
            let bound = batch.rows[0].bound;
            batch.climb(step);
            bound
        };
        (0..3).map(bound).collect()
    });
    (rows.bounds().expect("a graph").ranges.clone(), bounds)
}

fn run<F: Working>(deployed: Deployed, graphs: u64) {
    let mut checked = 0;
    for seed in 0..graphs {
        let dice = &mut Dice::new(31_000 + seed);
        let (graph, region) = cancelling(dice);
        let (ranges, bounds) = proved::<F>(&graph, &region, deployed, dice);
        for point in points(dice, &region, &[], 6) {
            let mut all: Vec<Vec<Vec<RBig>>> = vec![exact_values(&graph, &point).expect("rational")];
            if deployed.unit > 0.0 {
                let style = Style::random(dice);
                let float = deployed::evaluate(&graph, &point, style, dice);
                let node = |v: Option<Vec<f32>>| v.expect("nothing to fold").iter().map(|&x| exact(x as f64)).collect();
                all.push(float.into_iter().map(node).collect());
            }
            for values in all {
                for (id, range) in ranges.iter().enumerate().filter(|(id, _)| graph.nodes[*id].operation.name() == "Gemm") {
                    for (i, a) in values[id].iter().enumerate() {
                        let inside = *a >= exact(range.low[i]) && *a <= exact(range.high[i]);
                        assert!(inside, "graph {seed}: element {i} of node {id} is {a} at {point:?}, outside of {:?}", range.at(i));
                    }
                }
                let output = &values[graph.outputs[0]][0];
                for (bounds, value) in bounds.iter().zip([output.clone(), -output.clone()]) {
                    assert!(bounds.iter().all(|&b| value <= exact(b)), "graph {seed}: {value} at {point:?}, above {bounds:?}");
                    checked += bounds.len() as u64;
                }
            }
        }
    }
    assert!(checked > 20 * graphs, "{checked}");
}

#[test]
fn rows_of_cancelling_sums_pay_for_rounding_in_f32() {
    run::<f32>(Deployed::REAL, 1500);
}

#[test]
fn rows_of_cancelling_sums_pay_for_rounding_in_f64() {
    run::<f64>(Deployed::REAL, 500);
}

#[test]
fn rows_of_cancelling_sums_pay_for_the_deployed_network() {
    run::<f64>(Deployed::evaluated_in(Element::F32), 1500);
}
