//! Random tiny networks, their exact and their deployed evaluation, and a prover that writes certificates.
#![allow(dead_code)] // every test file uses a part of it

pub mod narrows;
pub mod prover;
pub mod smooth;
pub mod trees;

use checker::Semantics;
use checker::case::Prepared;
use checker::certificate::Cursor;
use checker::exact::Rational;
use checker::network::{Affine, Convolution, Linear, Network, Node, Operation};
use checker::plan::Plan;
use checker::query::{Constraint, Query};
use checker::relax::Relaxed;
use checker::rounding::Deployed;
use checker::state::State;
use checker::steps::Stepper;
use prover::{constraint, query};

/// A generator of pseudo-random numbers (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    /// Uniform in `[-1, 1]`.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    /// A binary32 number; sometimes hostile.
    pub fn weight(&mut self, hostile: bool) -> f64 {
        let scale = if hostile && self.below(4) == 0 { [0.0, 1e-45, 1e-38, 1e-20, 1e6, 1e-3][self.below(6)] } else { 1.0 };
        (self.unit() * scale) as f32 as f64
    }

    pub fn weights(&mut self, n: usize, hostile: bool) -> Vec<f64> {
        (0..n).map(|_| self.weight(hostile)).collect()
    }
}

/// Builds networks node by node.
#[derive(Default)]
pub struct Builder {
    pub network: Network,
}

impl Builder {
    pub fn node(&mut self, len: usize, inputs: Vec<usize>, operation: Operation) -> usize {
        let id = self.network.nodes.len();
        if matches!(operation, Operation::Input) {
            self.network.inputs.push(id);
        }
        self.network.nodes.push(Node { name: format!("n{id}"), len, inputs, operation });
        id
    }

    pub fn len(&self, id: usize) -> usize {
        self.network.nodes[id].len
    }

    pub fn dense(&mut self, from: usize, len: usize, bias: bool, hostile: bool, random: &mut Random) -> usize {
        let weights = random.weights(len * self.len(from), hostile);
        let bias = if bias { random.weights(len, hostile) } else { Vec::new() };
        self.affine(vec![(from, Linear::Dense(weights))], len, bias)
    }

    pub fn affine(&mut self, parts: Vec<(usize, Linear)>, len: usize, bias: Vec<f64>) -> usize {
        let (inputs, parts) = parts.into_iter().unzip();
        self.node(len, inputs, Operation::Affine(Affine { parts, bias, relative_error: 0.0 }))
    }
}

/// A random network of a few layers with skip connections, convolutions, maxima and hinges of several slopes.
pub fn random_network(random: &mut Random, inputs: usize, hostile: bool) -> Network {
    grow(random, inputs, hostile, |_, at, _| at)
}

/// The same with functions that are not piecewise linear, and products, between the layers.
pub fn random_smooth_network(random: &mut Random, inputs: usize, hostile: bool) -> Network {
    grow(random, inputs, hostile, |b, at, random| match random.below(3) {
        0 => at,
        1 => smooth::random_curve(b, at, random),
        _ => smooth::random_product(b, at, random),
    })
}

fn grow(random: &mut Random, inputs: usize, hostile: bool, more: impl Fn(&mut Builder, usize, &mut Random) -> usize) -> Network {
    let mut b = Builder::default();
    let mut at = b.node(inputs, vec![], Operation::Input);
    let mut earlier = vec![at];
    for _ in 0..1 + random.below(4) {
        at = more(&mut b, at, random);
        earlier.push(at);
        at = match random.below(9) {
            0 if b.len(at) > 2 => {
                let groups =
                    (0..b.len(at) - 1).map(|i| vec![i as u32, (i as u32 + 1 + random.below(2) as u32) % b.len(at) as u32]).collect();
                b.node(b.len(at) - 1, vec![at], Operation::Maximum(groups))
            }
            1 => {
                let len = b.len(at);
                let c = Convolution {
                    weights: random.weights(2 * 2, hostile),
                    input: [1, 1, len],
                    output: [2, 1, len],
                    kernel: [1, 2],
                    strides: [1, 1],
                    pads: [0, 1],
                    dilations: [1, 1],
                    groups: 1,
                };
                let bias = random.weights(2 * len, hostile);
                b.affine(vec![(at, Linear::Convolution(c))], 2 * len, bias)
            }
            2 => {
                let len = b.len(at);
                let same: Vec<usize> = earlier.iter().copied().filter(|&e| b.len(e) == len).collect();
                let other = same[random.below(same.len())];
                let scale = random.weights(len, hostile);
                b.affine(vec![(at, Linear::Scale(vec![1.0; len])), (other, Linear::Scale(scale))], len, vec![])
            }
            3 => {
                let len = b.len(at);
                let source = (0..len as u32 + 1).map(|i| if i == 1 { u32::MAX } else { (i * 7 + 1) % len as u32 }).collect();
                b.affine(vec![(at, Linear::Select(source))], len + 1, vec![])
            }
            4 => {
                let (len, own) = (b.len(at), 1 + random.below(4));
                let starts = (0..=own).map(|o| o.min(len)).collect::<Vec<_>>();
                let count = own.min(len);
                let linear = Linear::Sparse { starts, columns: (0..count as u32).collect(), weights: random.weights(count, hostile) };
                let bias = random.weights(own, hostile);
                b.affine(vec![(at, linear)], own, bias)
            }
            6 => {
                // Numbers of the file as a node of their own, through weights or beside the values.
                let (len, own) = (b.len(at), 1 + random.below(4));
                let numbers = b.node(own, vec![], Operation::Constant(random.weights(own, hostile)));
                let numbers = if random.below(3) == 0 { b.node(own, vec![numbers], Operation::Hinge(0.125)) } else { numbers };
                let weights = Linear::Dense(random.weights(len * own, hostile));
                b.affine(vec![(at, Linear::Scale(vec![1.0; len])), (numbers, weights)], len, vec![])
            }
            5 => {
                // A bias added as a node of its own.
                let len = 2 + random.below(4);
                let product = b.dense(at, len, false, hostile, random);
                let bias = random.weights(len, hostile);
                b.affine(vec![(product, Linear::Scale(vec![1.0; len]))], len, bias)
            }
            _ => b.dense(at, 2 + random.below(5), random.below(3) > 0, hostile, random),
        };
        earlier.push(at);
        if random.below(4) > 0 {
            let slope = [0.0, 0.0, 0.0, 0.0, 0.125, -1.0, 1.0, 0.1f32 as f64][random.below(8)];
            at = b.node(b.len(at), vec![at], Operation::Hinge(slope));
            earlier.push(at);
        }
    }
    let out = if random.below(3) == 0 { at } else { b.dense(at, 2, true, hostile, random) };
    b.network.outputs.push(out);
    b.network
}

/// Gives every weight and bias all bits of binary64, so that every product rounds.
pub fn roughen(network: &mut Network, random: &mut Random) {
    for node in &mut network.nodes {
        let Operation::Affine(affine) = &mut node.operation else { continue };
        let mut numbers: Vec<&mut Vec<f64>> = vec![&mut affine.bias];
        for part in &mut affine.parts {
            match part {
                Linear::Dense(w) | Linear::Scale(w) | Linear::Sparse { weights: w, .. } => numbers.push(w),
                Linear::Convolution(c) => numbers.push(&mut c.weights),
                Linear::Select(_) => (),
            }
        }
        numbers.into_iter().flatten().for_each(|x| *x *= 1.0 + 0.1 * random.unit());
    }
}

/// Makes every weight and bias so small that products underflow even in binary64.
pub fn shrink(network: &mut Network, by: f64) {
    for node in &mut network.nodes {
        let Operation::Affine(affine) = &mut node.operation else { continue };
        affine.bias.iter_mut().for_each(|x| *x *= by * by);
        for part in &mut affine.parts {
            if let Linear::Dense(w) = part {
                w.iter_mut().for_each(|x| *x *= by);
            }
        }
    }
}

/// The state after some steps.
pub fn after(steps: &[u8], plan: &Plan, semantics: Semantics, low: &[f64], high: &[f64]) -> State {
    let mut stepper = Stepper::new(Relaxed::new(plan, Deployed::new(semantics, plan.double)));
    after_others(&mut stepper, steps, plan, semantics, low, high)
}

/// The state after some steps, taken by a stepper that may have taken others before.
pub fn after_others(stepper: &mut Stepper, steps: &[u8], plan: &Plan, semantics: Semantics, low: &[f64], high: &[f64]) -> State {
    let query = prover::query(low, high, plan.outputs.len(), vec![vec![]]);
    let case = Prepared::new(&query.cases[0], plan, semantics, stepper.relaxed.deployed).unwrap();
    let mut state = case.root(&mut stepper.relaxed, &mut stepper.batch);
    let bytes = [steps, &[0x52]].concat();
    stepper.node(&mut Cursor::new(&bytes, 0, bytes.len()), &case, true, &mut state).unwrap();
    state
}

pub fn exact(x: f64) -> Rational {
    Rational::from_f64(x).expect("finite")
}

pub fn less(a: &Rational, b: &Rational) -> bool {
    a.minus(b).sign() < 0
}

/// All values of a network at a point, exactly.
pub fn evaluate(network: &Network, point: &[Rational]) -> Vec<Vec<Rational>> {
    let mut values: Vec<Vec<Rational>> = Vec::new();
    let mut offset = 0;
    for node in &network.nodes {
        let value = match &node.operation {
            Operation::Input => {
                offset += node.len;
                point[offset - node.len..offset].to_vec()
            }
            Operation::Constant(numbers) => numbers.iter().map(|&x| exact(x)).collect(),
            Operation::Affine(affine) => (0..node.len)
                .map(|o| {
                    let mut sum = affine.bias.get(o).map_or(exact(0.0), |&b| exact(b));
                    for (part, &p) in affine.parts.iter().zip(&node.inputs) {
                        each_weight(part, o, values[p].len(), &mut |i, w| sum = sum.plus(&exact(w).times(&values[p][i])));
                    }
                    sum
                })
                .collect(),
            Operation::Hinge(s) => {
                let hinge = |a: &Rational| if a.sign() < 0 { a.times(&exact(*s)) } else { a.clone() };
                values[node.inputs[0]].iter().map(hinge).collect()
            }
            Operation::Maximum(groups) => {
                let below = &values[node.inputs[0]];
                let greatest = |g: &Vec<u32>| g.iter().map(|&i| below[i as usize].clone()).reduce(|a, b| if less(&a, &b) { b } else { a });
                groups.iter().map(|g| greatest(g).expect("not empty")).collect()
            }
            Operation::Curve(f) => values[node.inputs[0]].iter().map(|a| smooth::value(*f, a)).collect(),
            Operation::Product => {
                let (a, b) = values[node.inputs[0]].split_at(node.len);
                a.iter().zip(b).map(|(a, b)| a.times(b)).collect()
            }
        };
        values.push(value);
    }
    values
}

/// All values in binary32, each sum in a random order, with or without fused multiply-add.
pub fn evaluate_f32(network: &Network, point: &[f32], random: &mut Random) -> Vec<Vec<f32>> {
    let mut values: Vec<Vec<f32>> = Vec::new();
    let mut offset = 0;
    for node in &network.nodes {
        let value = match &node.operation {
            Operation::Input => {
                offset += node.len;
                point[offset - node.len..offset].to_vec()
            }
            Operation::Constant(numbers) => numbers.iter().map(|&x| x as f32).collect(),
            Operation::Affine(affine) => (0..node.len)
                .map(|o| {
                    let mut terms = Vec::new();
                    for (part, &p) in affine.parts.iter().zip(&node.inputs) {
                        each_weight(part, o, values[p].len(), &mut |i, w| terms.push((w as f32, values[p][i])));
                    }
                    (0..terms.len()).for_each(|i| terms.swap(i, random.below(i + 1)));
                    let fused = random.below(2) == 0;
                    let first = affine.bias.get(o).map_or(0.0, |&b| b as f32);
                    terms.iter().fold(first, |sum, (w, x)| if fused { w.mul_add(*x, sum) } else { sum + w * x })
                })
                .collect(),
            Operation::Hinge(s) => values[node.inputs[0]].iter().map(|&a| if a < 0.0 { a * *s as f32 } else { a }).collect(),
            Operation::Maximum(groups) => {
                let below = &values[node.inputs[0]];
                groups.iter().map(|g| g.iter().map(|&i| below[i as usize]).fold(f32::NEG_INFINITY, f32::max)).collect()
            }
            Operation::Curve(f) => values[node.inputs[0]].iter().map(|&a| smooth::deployed(*f, a, random)).collect(),
            Operation::Product => {
                let (a, b) = values[node.inputs[0]].split_at(node.len);
                a.iter().zip(b).map(|(a, b)| a * b).collect()
            }
        };
        values.push(value);
    }
    values
}

/// The entries of row `o`, written from the definitions and not from the checker.
pub fn each_weight(linear: &Linear, o: usize, inputs: usize, f: &mut dyn FnMut(usize, f64)) {
    match linear {
        Linear::Dense(weights) => (0..inputs).for_each(|i| f(i, weights[o * inputs + i])),
        Linear::Sparse { starts, columns, weights } => (starts[o]..starts[o + 1]).for_each(|k| f(columns[k] as usize, weights[k])),
        Linear::Scale(weights) => f(o, weights[o]),
        Linear::Select(source) => {
            if source[o] != u32::MAX {
                f(source[o] as usize, 1.0);
            }
        }
        Linear::Convolution(c) => {
            let (area, per_group) = (c.output[1] * c.output[2], c.input[0] / c.groups);
            let (filter, y, x) = (o / area, o % area / c.output[2], o % c.output[2]);
            let group = filter / (c.output[0] / c.groups);
            for channel in 0..per_group {
                for ky in 0..c.kernel[0] {
                    for kx in 0..c.kernel[1] {
                        let row = (y * c.strides[0] + ky * c.dilations[0]) as i64 - c.pads[0] as i64;
                        let column = (x * c.strides[1] + kx * c.dilations[1]) as i64 - c.pads[1] as i64;
                        if (0..c.input[1] as i64).contains(&row) && (0..c.input[2] as i64).contains(&column) {
                            let i = ((group * per_group + channel) * c.input[1] + row as usize) * c.input[2] + column as usize;
                            f(i, c.weights[((filter * per_group + channel) * c.kernel[0] + ky) * c.kernel[1] + kx]);
                        }
                    }
                }
            }
        }
    }
}

/// A random query about which nothing is known.
pub fn random_query(random: &mut Random, network: &Network, dims: usize) -> Query {
    let outputs = network.nodes[network.outputs[0]].len;
    let low: Vec<f64> = (0..dims).map(|_| random.unit() as f32 as f64).collect();
    let high: Vec<f64> = low.iter().map(|l| (l + random.unit().abs()) as f32 as f64).collect();
    let row = |random: &mut Random| {
        let terms: Vec<(usize, f64)> = (0..outputs.min(2)).map(|o| (o, random.unit())).collect();
        let mut row = constraint(&terms, 2.0 * random.unit() - 0.4, random.below(2) == 0);
        if random.below(4) == 0 {
            row.inputs.push((random.below(dims), exact(random.unit())));
        }
        row
    };
    let disjuncts = (0..1 + random.below(2)).map(|_| (0..1 + random.below(2)).map(|_| row(random)).collect()).collect();
    let mut query = query(&low, &high, outputs, disjuncts);
    if random.below(4) == 0 {
        // A half-space through the box.
        let inputs = (0..dims).map(|d| (d, exact(random.unit()))).collect();
        query.cases[0].cuts.push(Constraint { inputs, outputs: vec![], constant: exact(random.unit()), strict: false });
    }
    query
}
