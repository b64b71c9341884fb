//! The part of a graph that matters over one box, and linear maps between its elements.
//!
//! Most ReLUs of an image classifier are inactive over a small box: the values below and above them, and what only they read, are left
//! out of every sweep.

use std::collections::HashMap;

use super::program::Map;
use crate::graph::{Graph, NodeId};
use crate::kernels::columns::{pick, put, to_columns, to_rows};
use crate::kernels::{Aligned, Kernel, LANES, View};
use crate::ops::{Affine, Operation, Working};

/// Most weights of one map, each stored twice.
const MOST_WEIGHTS: usize = 1 << 25;
/// The place of an element that is left out.
const NOWHERE: u32 = u32::MAX;

/// For each node of a graph of affine operators and one-operand functions the elements, in order, that its output depends on and that
/// may be other than zero, where the functions' `dead(node, element)` are zero; a function keeps what its operand keeps.
pub fn kept(graph: &Graph, dead: &dyn Fn(NodeId, usize) -> bool) -> Vec<Vec<u32>> {
    let alive = alive(graph, dead);
    let mut needed: Vec<Vec<bool>> = graph.nodes.iter().map(|node| vec![false; node.len()]).collect();
    graph.outputs.iter().for_each(|&o| needed[o].fill(true));
    for (id, node) in graph.nodes.iter().enumerate().rev() {
        let (below, above) = needed.split_at_mut(id);
        let own = &above[0];
        match &node.operation {
            Operation::Affine(op) => {
                for (k, &p) in node.inputs.iter().enumerate() {
                    op.for_each_weight(k, &mut |o, i, w| below[p][i] |= own[o] && w != 0.0 && alive[p][i]);
                }
            }
            _ => node.inputs.iter().for_each(|&p| below[p].iter_mut().zip(own).for_each(|(b, &n)| *b |= n)),
        }
    }
    for (id, node) in graph.nodes.iter().enumerate() {
        if let (Operation::Scalar(_), &[p]) = (&node.operation, &node.inputs[..]) {
            needed[id] = needed[p].clone();
        }
    }
    needed.into_iter().map(|n| (0..n.len() as u32).filter(|&i| n[i as usize]).collect()).collect()
}

/// The elements of each node that may be other than zero.
fn alive(graph: &Graph, dead: &dyn Fn(NodeId, usize) -> bool) -> Vec<Vec<bool>> {
    let mut alive: Vec<Vec<bool>> = Vec::with_capacity(graph.nodes.len());
    for (id, node) in graph.nodes.iter().enumerate() {
        let own = match &node.operation {
            Operation::Affine(op) => {
                let constant = op.bias().map(|b| b.to_f64());
                let wrong = op.bias_error().is_some();
                let mut own: Vec<bool> = (0..node.len()).map(|i| wrong || constant.as_ref().is_some_and(|b| b[i] != 0.0)).collect();
                for (k, &p) in node.inputs.iter().enumerate() {
                    op.for_each_weight(k, &mut |o, i, w| own[o] |= w != 0.0 && alive[p][i]);
                }
                own
            }
            Operation::Scalar(_) => (0..node.len()).map(|i| !dead(id, i)).collect(),
            _ => vec![true; node.len()],
        };
        alive.push(own);
    }
    alive
}

/// Outputs that read the same inputs, such as all channels at one place.
#[derive(Debug)]
struct Block<F> {
    inputs: Box<[u32]>,
    outputs: Box<[u32]>,
    /// Inputs by outputs.
    back: Box<[F]>,
    /// Outputs by inputs.
    forth: Box<[F]>,
}

/// `W` of an affine operator between kept elements, in dense blocks.
#[derive(Debug)]
pub struct Compact<F> {
    inputs: usize,
    outputs: usize,
    blocks: Vec<Block<F>>,
    /// Output, input and weight where every block is one number: there rows need not be turned.
    pairs: Option<Vec<(u32, u32, F)>>,
}

impl<F: Kernel> Compact<F> {
    /// None where it would be large, or where a term could meet more roundings than the operator says.
    pub fn new(op: &dyn Affine, operand: usize, outputs: &[u32], inputs: &[u32]) -> Option<Compact<F>> {
        let (output_places, input_places) = (places(outputs), places(inputs));
        // By all inputs that an output reads: operators promise few outputs for each such set.
        let mut found: HashMap<Vec<u32>, usize> = HashMap::new();
        let mut parts: Vec<(Vec<u32>, Vec<u32>, Vec<F>)> = Vec::new();
        let (mut now, mut read, mut weights, mut total) = (None, Vec::new(), Vec::new(), 0);
        let mut close = |o: u32, read: &mut Vec<u32>, weights: &mut Vec<F>| {
            let number = *found.entry(std::mem::take(read)).or_insert_with_key(|read| {
                let inputs = read.iter().map(|&i| place(&input_places, i as usize)).filter(|&i| i != NOWHERE).collect();
                parts.push((inputs, Vec::new(), Vec::new()));
                parts.len() - 1
            });
            parts[number].1.push(o);
            parts[number].2.append(weights);
        };
        op.for_each_weight(operand, &mut |o, i, w| {
            let o = place(&output_places, o);
            if o == NOWHERE || total > MOST_WEIGHTS {
                return;
            }
            if now != Some(o) {
                now.into_iter().for_each(|now| close(now, &mut read, &mut weights));
                now = Some(o);
            }
            read.push(i as u32);
            if place(&input_places, i) != NOWHERE {
                weights.push(F::from_f64(w));
                total += 1;
            }
        });
        now.into_iter().for_each(|now| close(now, &mut read, &mut weights));
        let blocks: Vec<Block<F>> = parts.into_iter().filter(|p| !p.0.is_empty()).map(Block::new).collect();
        let single = blocks.iter().all(|b| b.forth.len() == 1);
        let pairs = single.then(|| blocks.iter().map(|b| (b.outputs[0], b.inputs[0], b.forth[0])).collect());
        let map = Compact { inputs: inputs.len(), outputs: outputs.len(), blocks, pairs };
        (total <= MOST_WEIGHTS && map.back_roundings() <= op.back_roundings(operand)).then_some(map)
    }

    /// Most roundings that a term of `W^T y` meets: its block's sum, then the sum of blocks.
    fn back_roundings(&self) -> usize {
        let (mut blocks, mut longest) = (vec![0; self.inputs], vec![0; self.inputs]);
        for block in &self.blocks {
            for &i in &block.inputs {
                blocks[i as usize] += 1;
                longest[i as usize] = block.outputs.len().max(longest[i as usize]);
            }
        }
        // A sum starts from zero, which rounds nothing.
        blocks.iter().zip(longest).map(|(b, l)| (b + l).saturating_sub(1)).max().unwrap_or(0)
    }
}

impl<F: Kernel> Block<F> {
    fn new((inputs, outputs, forth): (Vec<u32>, Vec<u32>, Vec<F>)) -> Block<F> {
        let (n, m) = (inputs.len(), outputs.len());
        let back = (0..n * m).map(|k| forth[k % m * n + k / m]).collect();
        Block { inputs: inputs.into(), outputs: outputs.into(), back, forth: forth.into() }
    }
}

/// Buffers of products, kept from one to the next.
#[derive(Debug, Default)]
pub struct Room<F> {
    from: Aligned<F>,
    to: Aligned<F>,
    /// One block's operand and result.
    terms: Aligned<F>,
    sums: Aligned<F>,
}

impl<F: Kernel> Room<F> {
    /// `to[targets] += W from[sources]` for columns of [`LANES`] rows.
    fn multiply(&mut self, weights: &[F], sources: &[u32], targets: &[u32]) {
        let (n, m) = (targets.len(), sources.len());
        pick(&self.from, sources, &mut self.terms);
        let (a, b) = (View { data: weights, stride: m }, View { data: &self.terms[..m * LANES], stride: LANES });
        F::product(n, m, LANES, a, b, &mut self.sums[..n * LANES], LANES, false, false);
        put(&self.sums, targets, &mut self.to);
    }
}

impl<F: Kernel> Compact<F> {
    /// `x = W^T y` if `back`, or `y = W x`, for rows of kept elements (plus the old ones if `add`).
    pub fn run(&self, back: bool, from: &[F], to: &mut [F], rows: usize, add: bool, room: &mut Room<F>) {
        let (sources, targets) = if back { (self.outputs, self.inputs) } else { (self.inputs, self.outputs) };
        if !add {
            to[..rows * targets].fill(F::ZERO);
        }
        if sources == 0 || targets == 0 {
            return;
        }
        if let Some(pairs) = &self.pairs {
            for (from, to) in from.chunks_exact(sources).zip(to.chunks_exact_mut(targets)).take(rows) {
                for &(o, i, w) in pairs {
                    let (s, t) = if back { (o, i) } else { (i, o) };
                    to[t as usize] += w * from[s as usize];
                }
            }
            return;
        }
        let longest = self.blocks.iter().map(|b| b.inputs.len().max(b.outputs.len())).max().unwrap_or(0);
        room.terms.grow(longest * LANES);
        room.sums.grow(longest * LANES);
        for first in (0..rows).step_by(LANES) {
            let end = rows.min(first + LANES);
            room.from.grow(sources * LANES);
            to_columns(&from[first * sources..end * sources], sources, &mut room.from);
            room.to.reset(targets * LANES);
            for block in &self.blocks {
                match back {
                    true => room.multiply(&block.back, &block.outputs, &block.inputs),
                    false => room.multiply(&block.forth, &block.inputs, &block.outputs),
                }
            }
            to_rows(&room.to, &mut to[first * targets..end * targets], targets, add);
        }
    }
}

/// An affine operator as it is, between kept elements: where a compact map would be too large.
#[derive(Debug)]
pub struct Whole<'n> {
    /// The operator.
    pub op: &'n dyn Affine,
    /// Number of elements of the output, and those of them that are kept.
    pub output: (usize, Vec<u32>),
    /// Likewise of each operand.
    pub inputs: Vec<(usize, Vec<u32>)>,
}

/// Rows of kept elements as rows of all, the others zero.
fn spread<F: Working>(rows: &[F], (len, kept): &(usize, Vec<u32>), count: usize) -> Vec<F> {
    let mut all = vec![F::ZERO; count * len];
    for (row, all) in rows.chunks_exact(kept.len().max(1)).zip(all.chunks_exact_mut((*len).max(1))) {
        kept.iter().zip(row).for_each(|(&i, &x)| all[i as usize] = x);
    }
    all
}

/// The inverse of [`spread`], added to the old rows if `add`.
fn collect<F: Working>(all: &[F], (len, kept): &(usize, Vec<u32>), rows: &mut [F], add: bool) {
    for (row, all) in rows.chunks_exact_mut(kept.len().max(1)).zip(all.chunks_exact((*len).max(1))) {
        kept.iter().zip(row).for_each(|(&i, x)| *x = if add { *x + all[i as usize] } else { all[i as usize] });
    }
}

impl<F: Working> Map<F> for Whole<'_> {
    fn back(&self, operand: usize, y: &[F], x: &mut [F], rows: usize, accumulate: bool, _room: &mut Room<F>) {
        let input = &self.inputs[operand];
        let mut sums = vec![F::ZERO; rows * input.0];
        F::transpose(self.op, operand, &spread(y, &self.output, rows), &mut sums, rows);
        collect(&sums, input, x, accumulate);
    }

    fn forth(&self, operand: usize, x: &[F], y: &mut [F], rows: usize, accumulate: bool, _room: &mut Room<F>) {
        let mut sums = vec![F::ZERO; rows * self.output.0];
        F::apply(self.op, operand, &spread(x, &self.inputs[operand], rows), &mut sums, rows, false);
        collect(&sums, &self.output, y, accumulate);
    }
}

/// Where each element is among `kept`.
fn places(kept: &[u32]) -> Vec<u32> {
    let mut places = vec![NOWHERE; kept.last().map_or(0, |&i| i as usize + 1)];
    kept.iter().enumerate().for_each(|(place, &i)| places[i as usize] = place as u32);
    places
}

fn place(places: &[u32], i: usize) -> u32 {
    places.get(i).copied().unwrap_or(NOWHERE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::examples::examples;

    /// Every affine operator between random kept elements, against its weights one by one: small integers, so that every order is exact.
    #[test]
    fn a_compact_map_is_the_operator_between_kept_elements() {
        fn run<F: Working>() -> (usize, usize) {
            let (mut compact, mut paired) = (0, 0);
            for (number, example) in examples().iter().enumerate() {
                let Operation::Affine(op) = &example.operation else { continue };
                let len = op.output_len(&example.sizes).expect("examples fit");
                for (operand, &size) in example.sizes.iter().enumerate() {
                    for (seed, rows) in [(0, 1), (1, 3), (2, 16), (3, 21), (4, 33)] {
                        let keep = |len: usize, salt: usize| -> Vec<u32> {
                            (0..len as u32).filter(|&i| seed == 0 || !(i as usize * 31 + salt + number + seed).is_multiple_of(3)).collect()
                        };
                        let (outputs, inputs) = (keep(len, 1), keep(size, 2));
                        let Some(map) = Compact::<F>::new(op.as_ref(), operand, &outputs, &inputs) else { continue };
                        compact += 1;
                        paired += map.pairs.is_some() as usize;
                        let mut dense = vec![vec![0.0; inputs.len()]; outputs.len()];
                        op.for_each_weight(operand, &mut |o, i, w| {
                            if let (Ok(o), Ok(i)) = (outputs.binary_search(&(o as u32)), inputs.binary_search(&(i as u32))) {
                                dense[o][i] += w;
                            }
                        });
                        compare(&map, &dense, rows);
                        // The operator as it is has to agree with it.
                        let inputs = example.sizes.iter().map(|&n| (n, if n == size { inputs.clone() } else { Vec::new() })).collect();
                        same(&map, &Whole { op: op.as_ref(), output: (len, outputs), inputs }, operand, rows);
                    }
                }
            }
            (compact, paired)
        }

        fn compare<F: Kernel>(map: &Compact<F>, dense: &[Vec<f64>], rows: usize) {
            let room = &mut Room::default();
            for back in [true, false] {
                let (from_len, to_len) = if back { (map.outputs, map.inputs) } else { (map.inputs, map.outputs) };
                let from: Vec<F> = (0..rows * from_len).map(|k| F::from_f64((k * 7 % 13) as f64 - 6.0)).collect();
                for add in [true, false] {
                    let mut to = vec![F::from_f64(5.0); rows * to_len];
                    map.run(back, &from, &mut to, rows, add, room);
                    for (k, value) in to.iter().enumerate() {
                        let (r, t) = (k / to_len, k % to_len);
                        let weight = |s: usize| if back { dense[s][t] } else { dense[t][s] };
                        let sum: f64 = (0..from_len).map(|s| weight(s) * from[r * from_len + s].to_f64()).sum();
                        let expected = sum + if add { 5.0 } else { 0.0 };
                        let near = (value.to_f64() - expected).abs() <= 64.0 * F::UNIT * (1.0 + expected.abs());
                        assert!(near, "{value:?} for {expected}, back {back}, add {add}");
                    }
                }
            }
        }

        fn same<F: Working>(map: &Compact<F>, whole: &Whole, operand: usize, rows: usize) {
            let room = &mut Room::default();
            for (back, add) in [(true, true), (true, false), (false, true), (false, false)] {
                let (from_len, to_len) = if back { (map.outputs, map.inputs) } else { (map.inputs, map.outputs) };
                let from: Vec<F> = (0..rows * from_len).map(|k| F::from_f64((k * 5 % 11) as f64 - 5.0)).collect();
                let (mut a, mut b) = (vec![F::ONE; rows * to_len], vec![F::ONE; rows * to_len]);
                map.run(back, &from, &mut a, rows, add, room);
                match back {
                    true => whole.back(operand, &from, &mut b, rows, add, room),
                    false => whole.forth(operand, &from, &mut b, rows, add, room),
                }
                let near = |(x, y): (&F, &F)| (x.to_f64() - y.to_f64()).abs() <= 64.0 * F::UNIT * (1.0 + x.to_f64().abs());
                assert!(a.iter().zip(&b).all(near), "{a:?} and {b:?}, back {back}, add {add}");
            }
        }

        let ((compact, paired), (again, _)) = (run::<f32>(), run::<f64>());
        assert!(compact > 50 && paired > 10 && compact > paired + 20 && again == compact, "{compact} maps, {paired} of them pairs");
    }

    /// Where a value cannot be other than zero, or nothing reads it, it is left out; what is read beside a dead ReLU is kept.
    #[test]
    fn only_what_matters_is_kept() {
        use crate::numerics::Numbers;
        use crate::ops::{Dense, Relu, Spread, Sum};
        let dense = |weights: Vec<f32>, bias: Option<Vec<f32>>, inputs: usize, outputs: usize| {
            let op = Dense::new("Gemm", inputs, outputs, Numbers::F32(weights), bias.map(Numbers::F32)).expect("sizes fit");
            Operation::Affine(Box::new(op))
        };
        let mut graph = Graph::new(crate::graph::Element::F32);
        let x = graph.add_input("x", &[1, 3]);
        // The third pre-activation reads nothing and has no constant: zero.
        let a = graph.add("a", dense(vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0], None, 3, 3), &[x], &[1, 3]).expect("fits");
        let h = graph.add("h", Operation::Scalar(Box::new(Relu)), &[a], &[1, 3]).expect("fits");
        let sum = Sum::new("Add", vec![(Spread::same(3), false), (Spread::same(3), false)]).expect("fits");
        let s = graph.add("s", Operation::Affine(Box::new(sum)), &[a, h], &[1, 3]).expect("fits");
        let y = graph.add("y", dense(vec![1.0, 0.0, 2.0], None, 3, 1), &[s], &[1, 1]).expect("fits");
        graph.outputs = vec![y];
        let nothing_dead = kept(&graph, &|_, _| false);
        assert_eq!(nothing_dead, [vec![0], vec![0, 2], vec![0, 2], vec![0, 2], vec![0]]);
        let first_dead = kept(&graph, &|id, i| id == h && i != 1);
        assert_eq!(first_dead, [vec![0], vec![0], vec![0], vec![0], vec![0]]);
    }
}
