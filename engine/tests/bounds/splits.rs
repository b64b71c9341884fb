//! Rows of any graph with splits, free slopes and betas: they stay above the network wherever the splits hold.

use std::sync::Arc;

use dashu::rational::RBig;
use engine::bounds::chain::Objective;
use engine::bounds::neurons::{Batch, Effort, GraphRows, Node, Relaxed, Row, Settings, Split, Step};
use engine::bounds::{Deployed, Network, Plan, Relaxation};
use engine::graph::{Element, Graph, NodeId};
use engine::numerics::Real;
use engine::ops::{Ranges, Working};

use super::deployed::{self, Style};
use super::graphs::{Dice, Kind, describe, random_graph};
use super::points::{exact, exact_values, points, random_box};

/// The value of an element of a node, where it has one.
type Value<'v> = &'v dyn Fn(NodeId, usize) -> Option<RBig>;

/// A bounded region: the splits and the bound of the objective.
struct Claim<F> {
    splits: Vec<Split<F>>,
    bound: f64,
}

/// Bounds of one objective of `graph` in random regions, after tightening neurons with a few nodes each.
fn claims<F: Working>(graph: &Graph, region: &Ranges, outputs: &[f32], deployed: Deployed, dice: &mut Dice) -> Option<Vec<Claim<F>>> {
    let network = Network::new(graph, deployed);
    let stop = || false;
    let plan = Plan { steps: dice.below(4), ..Plan::crown(&stop) };
    let mut rows = GraphRows::new(Relaxation::<F>::planned(&network, region, plan))?;
    let settings = Settings { root_steps: 3, ..Settings::rows() };
    let objective = Objective { outputs: outputs.iter().map(|&c| F::from_f64(c as f64)).collect(), ..Objective::default() };
    rows.aim(&[&objective], [0.3, 0.8, 1.0][dice.below(3)]);
    rows.tighten(Effort { nodes: [1, 2, 9][dice.below(3)], settings, threads: 1, memory: 1 << 28 }, None, &stop);
    assert!(!rows.is_empty());
    let start = Arc::new(rows.start(&objective));
    let mut batch = Batch::new(rows.program(), start.node, 6);
    for tag in 0..6 {
        let mut splits = Vec::new();
        for (node, kind) in rows.program().nodes.iter().enumerate() {
            let Node::Hinge(hinge) = kind else { continue };
            for neuron in (0..hinge.up.len()).filter(|&n| hinge.unstable(n)) {
                if dice.one_in(3) {
                    let beta = F::from_f64([0.0, 1e-6, 0.3, 2.0, 1e3][dice.below(5)]);
                    splits.push(Split { node: node as u32, neuron: neuron as u32, active: dice.one_in(2), beta });
                }
            }
        }
        batch.add(start.clone(), splits, None, tag);
    }
    let step = Step { rate: [0.0, 0.1, 3.0][dice.below(3)], beta_rate: [0.0, 0.1, 50.0][dice.below(3)], decay: 0.9 };
    let mut found = Vec::new();
    for _ in 0..3 {
        batch.sweep();
        // The program has only the elements that matter; points are judged by the graph's.
        let element = |s: &Split<F>| rows.name((s.node, s.neuron)).expect("a neuron of the graph").1 as u32;
        let splits = |r: &Row<F>| r.splits.iter().map(|s| Split { neuron: element(s), ..*s }).collect();
        found.extend(batch.rows.iter().map(|r| Claim { splits: splits(r), bound: r.bound }));
        batch.climb(step);
    }
    Some(found)
}

/// Counts the claims that speak about a point (and those with splits); the first one that is false there.
fn broken<F: Real>(claims: &[Claim<F>], graph: &Graph, outputs: &[f32], value: Value) -> (usize, usize, Option<f64>) {
    let (mut spoken, mut split, mut first) = (0, 0, None);
    let node = graph.outputs[0];
    let terms: Option<Vec<RBig>> = outputs.iter().enumerate().map(|(i, &c)| Some(exact(c as f64) * value(node, i)?)).collect();
    let Some(sum) = terms.map(|t| t.into_iter().fold(RBig::ZERO, |a, b| a + b)) else { return (0, 0, None) };
    for claim in claims.iter().filter(|c| c.bound.is_finite()) {
        let holds = |s: &Split<F>| {
            let a = value(graph.nodes[s.node as usize].inputs[0], s.neuron as usize);
            a.is_some_and(|a| if s.active { a >= RBig::ZERO } else { a <= RBig::ZERO })
        };
        if claim.splits.iter().all(holds) {
            spoken += 1;
            split += !claim.splits.is_empty() as usize;
            if sum > exact(claim.bound) {
                first.get_or_insert(claim.bound);
            }
        }
    }
    (spoken, split, first)
}

fn run<F: Working>(deployed: Deployed, graphs: u64) {
    let (mut spoken, mut split) = (0, 0);
    for seed in 0..graphs {
        let dice = &mut Dice::new(9000 + seed);
        let graph = random_graph(dice, Kind::Hinges);
        let region = random_box(dice, graph.input_len());
        let outputs = dice.numbers(graph.output_len(), 1.0);
        let Some(claims) = claims::<F>(&graph, &region, &outputs, deployed, dice) else { continue };
        for point in points(dice, &region, &[], 8) {
            let real = exact_values(&graph, &point);
            let style = Style::random(dice);
            let float = deployed::evaluate(&graph, &point, style, dice);
            let finite = float.iter().flatten().flatten().all(|x| x.is_finite());
            let value_real = |id: NodeId, i: usize| real.as_ref().map(|v| v[id][i].clone());
            let value_float = |id: NodeId, i: usize| float[id].as_ref().map(|v| exact(v[i] as f64));
            let mut values: Vec<Value> = vec![&value_real];
            if deployed.unit > 0.0 && finite {
                values.push(&value_float);
            }
            for value in values {
                let (s, t, wrong) = broken(&claims, &graph, &outputs, value);
                assert!(wrong.is_none(), "{seed} at {point:?} {style:?}: above {wrong:?}\n{}", describe(&graph));
                (spoken, split) = (spoken + s, split + t);
            }
        }
    }
    println!("{spoken} claims checked, {split} of them with splits");
    assert!(spoken as u64 > 20 * graphs && split as u64 > graphs, "{spoken} and {split}");
}

#[test]
fn split_rows_of_real_graphs_hold_in_f32() {
    run::<f32>(Deployed::REAL, 800);
}

#[test]
fn split_rows_of_real_graphs_hold_in_f64() {
    run::<f64>(Deployed::REAL, 400);
}

#[test]
fn split_rows_of_deployed_graphs_hold() {
    run::<f32>(Deployed::evaluated_in(Element::F32), 800);
}
