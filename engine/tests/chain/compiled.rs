//! A compiled chain is the graph's function, and covers whatever the deployed graph may do.

use engine::bounds::Deployed;
use engine::bounds::chain::{Bounder, Chain, compile};
use engine::graph::{Element, Graph, NodeId};
use engine::numerics::{Numbers, Random};
use engine::ops::{Abs, Affine, Dense, LeakyRelu, Operation, Relu, Selection, Spread, Sum};

use super::exact::{Dyadic, dot};
use super::follow::Hunt;
use super::networks::*;
use super::soundness::objectives;

/// A graph under construction; every operand is one of the values made so far.
struct Builder<'r> {
    graph: Graph,
    style: Style,
    random: &'r mut Random,
}

impl Builder<'_> {
    fn add(&mut self, operation: Operation, inputs: &[NodeId], len: usize) -> NodeId {
        self.graph.add("node", operation, inputs, &[1, len]).expect("sizes fit")
    }

    fn numbers(&mut self, count: usize) -> Numbers {
        Numbers::F32((0..count).map(|_| weight(self.style, self.random)).collect())
    }

    fn dense(&mut self, from: NodeId) -> NodeId {
        let (inputs, outputs) = (self.graph.nodes[from].len(), 1 + below(5, self.random));
        let bias = if once_in(4, self.random) { None } else { Some(self.numbers(outputs)) };
        let op = Dense::new("Gemm", inputs, outputs, self.numbers(inputs * outputs), bias).expect("sizes fit");
        self.add(Operation::Affine(Box::new(op)), &[from], outputs)
    }

    fn hinge(&mut self, from: NodeId) -> NodeId {
        let operation = match below(6, self.random) {
            0 => Operation::Scalar(Box::new(Abs)),
            1 => Operation::Scalar(Box::new(LeakyRelu::new(0.25).expect("a number"))),
            2 => Operation::Scalar(Box::new(LeakyRelu::new(0.1).expect("a number"))),
            _ => Operation::Scalar(Box::new(Relu)),
        };
        let len = self.graph.nodes[from].len();
        self.add(operation, &[from], len)
    }

    /// A sum or difference of two values, the second one spread over the first.
    fn sum(&mut self, first: NodeId, second: NodeId) -> NodeId {
        let (n, m) = (self.graph.nodes[first].len(), self.graph.nodes[second].len());
        let spread = Spread::new(m, (0..n).map(|_| below(m, self.random) as u32).collect()).expect("elements exist");
        let terms = vec![(Spread::same(n), once_in(4, self.random)), (spread, once_in(2, self.random))];
        self.add(Operation::Affine(Box::new(Sum::new("Add", terms).expect("sizes fit"))), &[first, second], n)
    }

    fn selection(&mut self, first: NodeId, second: NodeId) -> NodeId {
        let sizes = [self.graph.nodes[first].len(), self.graph.nodes[second].len()];
        let count = 1 + below(5, self.random);
        let picks: Vec<_> = (0..count)
            .map(|_| {
                let k = below(2, self.random);
                (!once_in(6, self.random)).then(|| (k as u32, below(sizes[k], self.random) as u32))
            })
            .collect();
        let op = Selection::new("Concat", &sizes, picks.into_iter()).expect("elements exist");
        self.add(Operation::Affine(Box::new(op)), &[first, second], count)
    }

    fn constant(&mut self) -> NodeId {
        let count = 1 + below(4, self.random);
        let numbers = self.numbers(count);
        self.add(Operation::Constant(numbers), &[], count)
    }
}

fn graph(style: Style, random: &mut Random) -> Graph {
    let mut builder = Builder { graph: Graph::new(Element::F32), style, random };
    let size = 1 + below(4, builder.random);
    let input = builder.graph.add_input("X", &[1, size]);
    let mut values = vec![input];
    for _ in 0..2 + below(6, builder.random) {
        let last = values[values.len() - 1];
        let other = pick(&values, builder.random);
        let made = match below(10, builder.random) {
            0..=2 => builder.dense(last),
            3..=6 => builder.hinge(last),
            7 => builder.sum(last, other),
            8 => builder.selection(last, other),
            _ => builder.constant(),
        };
        values.push(made);
    }
    let last = values[values.len() - 1];
    let top = builder.dense(last);
    builder.graph.outputs = if once_in(3, builder.random) { vec![top, last] } else { vec![top] };
    builder.graph
}

fn weights(op: &dyn Affine, operands: usize, len: usize) -> Vec<Vec<(usize, usize, f64)>> {
    let mut rows = vec![Vec::new(); len];
    (0..operands).for_each(|k| op.for_each_weight(k, &mut |o, i, w| rows[o].extend((w != 0.0).then_some((k, i, w)))));
    rows
}

/// A value as it is, the sum of its absolute terms since the block's operands, and the roundings on the way.
#[derive(Clone)]
struct Value {
    exact: Dyadic,
    size: Dyadic,
    roundings: usize,
}

impl Value {
    fn known(exact: Dyadic) -> Value {
        Value { size: exact.abs(), exact, roundings: 0 }
    }

    /// What a reader outside the block may see.
    fn seen(&self, deployed: Deployed, random: &mut Random) -> Dyadic {
        if self.roundings == 0 || deployed.unit == 0.0 {
            return self.exact.clone();
        }
        let error = &Dyadic::of(deployed.relative(self.roundings)) * &self.size;
        &self.exact + &(&error * &Dyadic::of(pick(&[-1.0, 0.0, 1.0], random)))
    }
}

/// The outputs of a deployed graph whose affine blocks err as much as they may, each reader of a block seeing its own error.
fn outputs(graph: &Graph, x: &[f64], deployed: Deployed, random: &mut Random) -> Vec<Dyadic> {
    let mut values: Vec<Vec<Value>> = Vec::new();
    for node in &graph.nodes {
        let value = match &node.operation {
            Operation::Input => x.iter().map(|&x| Value::known(Dyadic::of(x))).collect(),
            Operation::Constant(numbers) => numbers.to_f64().into_iter().map(|x| Value::known(Dyadic::of(x))).collect(),
            Operation::Affine(op) => affine(op.as_ref(), &node.inputs, node.len(), &values),
            Operation::Scalar(op) => {
                let slope = op.hinge().expect("only hinges are built");
                let bend = |a: Dyadic| if a.sign() < 0 { &a * &Dyadic::of(slope) } else { a };
                values[node.inputs[0]].iter().map(|v| Value::known(bend(v.seen(deployed, random)))).collect()
            }
            Operation::General(_) => unreachable!("not built"),
        };
        values.push(value);
    }
    graph.outputs.iter().flat_map(|&o| values[o].clone()).map(|v| v.seen(deployed, random)).collect()
}

fn affine(op: &dyn Affine, operands: &[NodeId], len: usize, values: &[Vec<Value>]) -> Vec<Value> {
    let own = if op.is_selection() { 0 } else { op.fan_in() };
    let element = |(o, row): (usize, Vec<(usize, usize, f64)>)| {
        let of = |&(k, i, _): &(usize, usize, f64)| &values[operands[k]][i];
        let bias = op.bias().map_or(0.0, |b| b.at(o));
        Value {
            exact: &dot(row.iter().map(|t| t.2), row.iter().map(|t| &of(t).exact)) + &Dyadic::of(bias),
            size: &dot(row.iter().map(|t| t.2.abs()), row.iter().map(|t| &of(t).size)) + &Dyadic::of(bias.abs()),
            roundings: own + row.iter().map(|t| of(t).roundings).max().unwrap_or(0),
        }
    };
    weights(op, operands.len(), len).into_iter().enumerate().map(element).collect()
}

/// The graph node by node in binary32, every sum in an order of its own; none where numbers end.
fn single_precision(graph: &Graph, x: &[f64], random: &mut Random) -> Option<Vec<Dyadic>> {
    let mut values: Vec<Vec<f32>> = Vec::new();
    for node in &graph.nodes {
        let value: Vec<f32> = match &node.operation {
            Operation::Input => x.iter().map(|&x| x as f32).collect(),
            Operation::Constant(numbers) => numbers.to_f64().iter().map(|&x| x as f32).collect(),
            Operation::Affine(op) => {
                let rows = weights(op.as_ref(), node.inputs.len(), node.len());
                let sum = |(o, row): (usize, Vec<(usize, usize, f64)>)| {
                    let mut terms: Vec<(f32, f32)> = row.iter().map(|&(k, i, w)| (w as f32, values[node.inputs[k]][i])).collect();
                    terms.extend(op.bias().map(|b| (1.0, b.at(o) as f32)));
                    shuffled_sum(&mut terms, random)
                };
                rows.into_iter().enumerate().map(sum).collect()
            }
            Operation::Scalar(op) => values[node.inputs[0]].iter().map(|&a| op.eval_f32(a)).collect(),
            Operation::General(_) => unreachable!("not built"),
        };
        if value.iter().any(|x| !x.is_finite()) {
            return None;
        }
        values.push(value);
    }
    Some(graph.outputs.iter().flat_map(|&o| values[o].iter().map(|&y| Dyadic::of(y as f64))).collect())
}

/// The chain's outputs without any error, and how far its constants allow the true ones to be.
fn chain_outputs(chain: &Chain<f32>, x: &[f64]) -> Vec<(Dyadic, Dyadic)> {
    let mut values: Vec<(Dyadic, Dyadic)> = x.iter().map(|&x| (Dyadic::of(x), Dyadic::zero())).collect();
    for layer in &chain.layers {
        let neuron = |j: usize| {
            let row = || layer.weights[j * layer.below..(j + 1) * layer.below].iter().map(|&w| w as f64);
            let a = &dot(row(), values.iter().map(|v| &v.0)) + &Dyadic::of(layer.bias[j]);
            let error = &dot(row().map(f64::abs), values.iter().map(|v| &v.1)) + &Dyadic::of(layer.bias_error[j]);
            (if a.sign() < 0 { &a * &Dyadic::of(layer.slope[j] as f64) } else { a }, error)
        };
        values = (0..layer.neurons).map(neuron).collect();
    }
    values
}

#[test]
fn a_compiled_chain_is_the_graph_exactly() {
    let (mut compiled, mut joined, mut rounded, mut skipped) = (0, 0, 0, 0);
    for seed in 0..3000 {
        let random = &mut Random::new(seed);
        let style = pick(&[Style::Integers, Style::Plain, Style::Wild], random);
        let graph = graph(style, random);
        let Some(chain) = compile::<f32>(&graph) else { continue };
        compiled += 1;
        joined += chain.layers.iter().any(|l| l.joined.contains(&true)) as usize;
        skipped += chain.hidden().iter().any(|l| l.slope.contains(&1.0)) as usize;
        let (low, high) = sides(graph.input_len(), random);
        for _ in 0..4 {
            let x = point(&low, &high, random);
            let truth = outputs(&graph, &x, Deployed::REAL, random);
            for (y, (own, error)) in truth.iter().zip(chain_outputs(&chain, &x)) {
                assert!((y - &own).abs() <= error, "seed {seed}: {graph:?} and {chain:?} differ at {x:?}");
                rounded += (error.sign() > 0) as usize;
            }
        }
    }
    println!(
        "{compiled} compiled, {joined} with values inside blocks, {skipped} with identities, {rounded} outputs with constants rounded"
    );
    assert!(compiled > 2000 && joined > 200 && skipped > 500 && rounded > 100);
}

/// Follows the graph's own counterexamples down the chain's tree.
fn follow(seed: u64, float: bool) -> usize {
    let random = &mut Random::new(seed);
    let style = pick(&[Style::Integers, Style::Plain, Style::Plain, Style::Wild], random);
    let graph = graph(style, random);
    let Some(chain) = compile::<f32>(&graph) else { return 0 };
    let deployed = Deployed::evaluated_in(Element::F32);
    let (low, high) = sides(graph.input_len(), random);
    let sample = |_| {
        let x: Vec<f64> = point(&low, &high, random).iter().map(|&x| x as f32 as f64).collect();
        let outputs = if float { single_precision(&graph, &x, random)? } else { outputs(&graph, &x, deployed, random) };
        Some(Sample { x, pre: Vec::new(), outputs })
    };
    let samples: Vec<Sample> = (0..14).filter_map(sample).collect();
    if samples.is_empty() {
        return 0;
    }
    let objectives = objectives(graph.input_len(), graph.output_len(), style, &samples, 0.0, random);
    let mut double = Bounder::new(chain.convert::<f64>(), objectives.widen(), deployed);
    let mut single = Bounder::new(chain, objectives, deployed);
    // What the graph's neurons do is not known here: only splits of inputs can be followed.
    (single.neuron_split_below, double.neuron_split_below) = (0, 0);
    let hunt = |name: &str| Hunt { samples: &samples, sign: 0.0, parts: 30, note: format!("seed {seed}, {name}") };
    let root = single.root(low.clone(), high.clone());
    let first = hunt("f32").run(&single, &double, root, random).followed;
    let wide = |v: &[f32]| v.iter().map(|&x| x as f64).collect::<Vec<f64>>();
    let root = double.root(wide(&low), wide(&high));
    first + hunt("f64").run(&double, &double, root, random).followed
}

#[test]
fn a_deployed_graph_whose_blocks_err_as_they_may_is_covered() {
    let followed: usize = (0..2000).map(|seed| follow(seed, false)).sum();
    assert!(followed > 10_000, "{followed}");
}

#[test]
fn a_graph_in_binary32_is_covered() {
    let followed: usize = (50_000..51_500).map(|seed| follow(seed, true)).sum();
    assert!(followed > 5_000, "{followed}");
}
