//! The network prepared for sweeps: shapes checked, trivial steps joined where that is exact, roundings counted.

use std::collections::BTreeSet;

use crate::function::Function;
use crate::kernel::LANES;
use crate::linear::Map;
use crate::network::{Network, Operation};

/// The prepared network; nodes keep their numbers.
#[derive(Debug)]
pub struct Plan {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// Hinges, maxima, functions and products in the order of the nodes.
    pub activations: Vec<Activation>,
    /// Elements of all activations' operands.
    pub elements: usize,
    /// Input elements.
    pub inputs: usize,
    /// Element `i` of the outputs is element `.1` of node `.0`.
    pub outputs: Vec<(usize, usize)>,
    /// At least the number of roundings that a term of a row's constant meets on its way down: partial sums are kept per
    /// lane through all nodes.
    pub constant_roundings: usize,
    /// True if the file computes in binary64.
    pub double: bool,
    /// Lines of all elements are kept (networks of few inputs).
    pub lined: bool,
}

/// With more inputs than this, lines are kept for elements of fixed phase only.
pub const MOST_LINED_INPUTS: usize = 64;

/// A node.
#[derive(Debug)]
pub struct Node {
    /// Elements.
    pub len: usize,
    /// What it computes.
    pub step: Step,
    /// Most roundings that a term of a coefficient of this node meets when all its readers have passed theirs on.
    pub terms: usize,
    /// Coefficients and constants of provably zero elements are left out.
    pub compressed: bool,
}

/// What a node computes.
#[derive(Debug)]
pub enum Step {
    /// Joined with its only reader.
    Joined,
    /// Input elements from this one on.
    Input(usize),
    /// Numbers.
    Constant(Vec<f64>),
    /// An affine function.
    Affine(Sum),
    /// `max(a, s a)`; with `Operand::Joined`, `a` is read by nothing else.
    Hinge(usize, f64, Operand),
    /// The greatest elements of groups of the node's elements.
    Maximum(usize, Vec<Vec<u32>>, usize),
    /// A function of the node's elements.
    Curve(usize, Function, usize),
    /// Products of the node's elements `j` and `len + j`.
    Product(usize, usize),
}

/// What a hinge reads.
#[derive(Debug)]
pub enum Operand {
    /// An affine function of its own.
    Joined(Sum),
    /// A node.
    Node(usize),
}

/// `bias + sum of maps of nodes`.
#[derive(Debug)]
pub struct Sum {
    /// Nodes and maps.
    pub parts: Vec<(usize, Map)>,
    /// Constants; empty for none.
    pub bias: Vec<f64>,
    /// Relative error of weights and bias as stored.
    pub relative: f64,
    /// Terms of an element.
    pub fan_in: usize,
    /// At least the roundings that a term of the affine block that ends here can meet; 0 if nothing rounds.
    pub roundings: usize,
}

/// A hinge, a maximum, a function or a product.
#[derive(Debug)]
pub struct Activation {
    /// Its node.
    pub node: usize,
    /// Where its elements start among those of all activations.
    pub start: usize,
    /// Elements of its operand.
    pub len: usize,
    /// No activation below it.
    pub shallow: bool,
}

impl Plan {
    /// Prepares `network`; says what is wrong with it otherwise.
    pub fn new(network: &Network) -> Result<Plan, String> {
        let mut builder = Builder::read(network)?;
        builder.join_hinges();
        builder.compress();
        builder.count();
        builder.finish(network)
    }

    /// The node of input element `i`, and the element that it starts with.
    pub fn input_at(&self, i: usize) -> Option<(usize, usize)> {
        self.nodes.iter().enumerate().find_map(|(id, node)| match node.step {
            Step::Input(offset) if (offset..offset + node.len).contains(&i) => Some((id, offset)),
            _ => None,
        })
    }
}

struct Builder {
    nodes: Vec<Node>,
    outputs: Vec<usize>,
}

impl Builder {
    fn read(network: &Network) -> Result<Builder, String> {
        let mut builder = Builder { nodes: Vec::new(), outputs: Vec::new() };
        let mut offset = 0;
        let mut offsets = vec![None; network.nodes.len()];
        for &i in &network.inputs {
            let len = network.nodes.get(i).map(|n| n.len).ok_or("an input is missing")?;
            if offsets[i].replace(offset).is_some() {
                return Err("an input is named twice".into());
            }
            offset = len.checked_add(offset).ok_or("too many inputs")?;
        }
        for (id, node) in network.nodes.iter().enumerate() {
            let wrong = |reason: &str| format!("node {id} `{}`: {reason}", node.name);
            if node.len == 0 {
                return Err(wrong("it has no elements"));
            }
            if node.inputs.iter().any(|&p| p >= id) {
                return Err(wrong("it reads a node that is not before it"));
            }
            let step = step_of(network, id, offsets[id]).map_err(wrong)?;
            builder.nodes.push(Node { len: node.len, step, terms: 0, compressed: false });
        }
        for &o in &network.outputs {
            builder.nodes.get(o).ok_or("an output is missing")?;
            builder.outputs.push(o);
        }
        Ok(builder)
    }

    /// How often each node is read, as an operand or as an output.
    fn readers(&self) -> Vec<usize> {
        let mut readers = vec![0; self.nodes.len()];
        self.nodes.iter().for_each(|n| each_operand(&n.step, |p, _| readers[p] += 1));
        self.outputs.iter().for_each(|&o| readers[o] += 1);
        readers
    }

    fn join_hinges(&mut self) {
        let readers = self.readers();
        for h in 0..self.nodes.len() {
            let Step::Hinge(_, _, Operand::Node(p)) = self.nodes[h].step else { continue };
            if readers[p] != 1 || !matches!(self.nodes[p].step, Step::Affine(_)) {
                continue;
            }
            if let (Step::Affine(sum), Step::Hinge(_, _, operand)) =
                (std::mem::replace(&mut self.nodes[p].step, Step::Joined), &mut self.nodes[h].step)
            {
                *operand = Operand::Joined(sum);
            }
        }
    }

    /// Hinges between dense matrices only.
    fn compress(&mut self) {
        let dense = |map: &Map| matches!(map, Map::Matrix { .. });
        let mut compressed: Vec<bool> = self
            .nodes
            .iter()
            .map(|n| matches!(&n.step, Step::Hinge(_, _, Operand::Joined(sum)) if sum.parts.iter().all(|p| dense(&p.1))))
            .collect();
        self.nodes.iter().for_each(|n| each_operand(&n.step, |p, map| compressed[p] &= map.is_some_and(dense)));
        self.outputs.iter().for_each(|&o| compressed[o] = false);
        self.nodes.iter_mut().zip(compressed).for_each(|(n, c)| n.compressed = c);
    }

    fn count(&mut self) {
        let mut terms = vec![2usize; self.nodes.len()];
        for node in &self.nodes {
            each_operand(&node.step, |p, map| {
                let own = map.map_or_else(|| fan_out_of(&node.step, self.nodes[p].len), |m| m.fan_out(self.nodes[p].len));
                terms[p] = terms[p].saturating_add(own + 1);
            });
        }
        self.nodes.iter_mut().zip(terms).for_each(|(n, t)| n.terms = t);
        self.count_roundings();
    }

    /// A term meets at most the additions of all sums of its block, each counted once: also where a kernel adds up one sum
    /// upon another (the sum of two branches begun with one of them).
    fn count_roundings(&mut self) {
        let mut readers = self.readers();
        let own = |node: &Node| if let Step::Affine(sum) = &node.step { sum.fan_in.saturating_add(2) } else { 0 };
        let additions: Vec<usize> = self.nodes.iter().map(own).collect();
        let (mut blocks, mut most) = (vec![BTreeSet::new(); self.nodes.len()], vec![0usize; self.nodes.len()]);
        for q in 0..self.nodes.len() {
            let (Step::Affine(sum) | Step::Hinge(_, _, Operand::Joined(sum))) = &mut self.nodes[q].step else { continue };
            let mut block = BTreeSet::new();
            for &(p, _) in &sum.parts {
                readers[p] -= 1;
                let below = if readers[p] == 0 { std::mem::take(&mut blocks[p]) } else { blocks[p].clone() };
                if block.len() < below.len() { block = below.into_iter().chain(block).collect() } else { block.extend(below) }
            }
            let below: usize = block.iter().fold(0, |all: usize, &p: &usize| all.saturating_add(additions[p]));
            let roundings = match selects(sum) {
                true => sum.parts.iter().map(|p| most[p.0]).max().unwrap_or(0),
                false => {
                    block.insert(q);
                    below.saturating_add(sum.fan_in).saturating_add(2)
                }
            };
            sum.roundings = roundings;
            if matches!(self.nodes[q].step, Step::Affine(_)) {
                most[q] = roundings;
                blocks[q] = block;
            }
        }
    }

    fn finish(mut self, network: &Network) -> Result<Plan, String> {
        let mut activations: Vec<Activation> = Vec::new();
        let (mut shallow, mut elements) = (vec![true; self.nodes.len()], 0usize);
        for id in 0..self.nodes.len() {
            let mut free = true;
            each_operand(&self.nodes[id].step, |p, _| free &= shallow[p]);
            shallow[id] = free;
            let number = activations.len();
            let source_len = |p: usize| self.nodes[p].len;
            let len = match &self.nodes[id].step {
                Step::Hinge(..) => self.nodes[id].len,
                Step::Maximum(_, _, p) | Step::Curve(_, _, p) | Step::Product(_, p) => source_len(*p),
                _ => continue,
            };
            if let Step::Hinge(a, ..) | Step::Maximum(a, ..) | Step::Curve(a, ..) | Step::Product(a, _) = &mut self.nodes[id].step {
                *a = number;
            }
            activations.push(Activation { node: id, start: elements, len, shallow: free });
            elements = elements.checked_add(len).ok_or("too many activations")?;
            shallow[id] = false;
        }
        let inputs = network.inputs.iter().map(|&i| network.nodes[i].len).sum();
        let outputs = self.outputs.iter().flat_map(|&o| (0..self.nodes[o].len).map(move |e| (o, e))).collect();
        let lined = inputs <= MOST_LINED_INPUTS;
        let sums =
            |node: &Node| if matches!(node.step, Step::Maximum(..) | Step::Product(..)) { node.len } else { node.len.div_ceil(LANES) };
        let constant_roundings = 16 + self.nodes.iter().map(|node| sums(node) + 2).sum::<usize>();
        Ok(Plan { nodes: self.nodes, activations, elements, inputs, outputs, constant_roundings, double: network.double, lined })
    }
}

/// What node `id` computes; its operands come before it.
fn step_of(network: &Network, id: usize, offset: Option<usize>) -> Result<Step, &'static str> {
    let node = &network.nodes[id];
    let operand = |k: usize| node.inputs.get(k).copied().ok_or("an operand is missing");
    let one = || if node.inputs.len() == 1 { operand(0) } else { Err("it needs one operand") };
    match &node.operation {
        Operation::Input => Ok(Step::Input(offset.ok_or("it is not among the network's inputs")?)),
        Operation::Constant(numbers) if numbers.len() == node.len && numbers.iter().all(|x| x.is_finite()) => {
            Ok(Step::Constant(numbers.clone()))
        }
        Operation::Constant(_) => Err("the constant does not fit"),
        Operation::Affine(affine) => {
            if affine.parts.len() != node.inputs.len() || !(affine.bias.is_empty() || affine.bias.len() == node.len) {
                return Err("parts or bias do not fit");
            }
            if !affine.bias.iter().all(|b| b.is_finite()) || !(0.0..=1.0 / 1024.0).contains(&affine.relative_error) {
                return Err("a bias is not finite, or the weights' relative error not in [0, 1/1024]");
            }
            let part = |(k, l): (usize, &_)| Ok((operand(k)?, Map::new(l, node.len, network.nodes[node.inputs[k]].len)?));
            let parts: Vec<_> = affine.parts.iter().enumerate().map(part).collect::<Result<_, &'static str>>()?;
            let fan_in = parts.iter().map(|p| p.1.fan_in()).fold(0, usize::saturating_add);
            Ok(Step::Affine(Sum { parts, bias: affine.bias.clone(), relative: affine.relative_error, fan_in, roundings: 0 }))
        }
        Operation::Hinge(slope) => {
            let source = one()?;
            if !(-1.0..=1.0).contains(slope) || network.nodes[node.inputs[0]].len != node.len {
                return Err("the hinge's slope or shape does not fit");
            }
            Ok(Step::Hinge(0, *slope, Operand::Node(source)))
        }
        Operation::Curve(function) => {
            let source = one()?;
            let fits = match function {
                Function::Power(n) => (2..=16).contains(n),
                Function::Clip(low, high) => low <= high,
                _ => true,
            };
            if !fits || network.nodes[source].len != node.len {
                return Err("the exponent, the limits or the shape do not fit");
            }
            Ok(Step::Curve(0, *function, source))
        }
        Operation::Product => {
            let source = one()?;
            let fits = node.len.checked_mul(2) == Some(network.nodes[source].len);
            if fits { Ok(Step::Product(0, source)) } else { Err("the factors of a product do not fit") }
        }
        Operation::Maximum(groups) => {
            let source = one()?;
            let len = network.nodes[node.inputs[0]].len;
            if groups.len() != node.len || groups.iter().any(|g| g.is_empty() || g.iter().any(|&i| i as usize >= len)) {
                return Err("the groups of a maximum do not fit");
            }
            Ok(Step::Maximum(0, groups.clone(), source))
        }
    }
}

/// True if every element is one element of one operand, or zero.
fn selects(sum: &Sum) -> bool {
    let chosen = |part: &(usize, Map), o: usize| matches!(&part.1, Map::Select(source) if source[o] != u32::MAX);
    let rows = |part: &(usize, Map)| if let Map::Select(source) = &part.1 { Some(source.len()) } else { None };
    let Some(len) = sum.parts.first().and_then(rows) else { return false };
    sum.bias.is_empty()
        && sum.parts.iter().all(|p| rows(p) == Some(len))
        && (0..len).all(|o| sum.parts.iter().filter(|p| chosen(p, o)).count() <= 1)
}

/// The nodes that a step reads, with the map for affine ones.
fn each_operand(step: &Step, mut f: impl FnMut(usize, Option<&Map>)) {
    match step {
        Step::Joined | Step::Input(_) | Step::Constant(_) => (),
        Step::Affine(sum) | Step::Hinge(_, _, Operand::Joined(sum)) => sum.parts.iter().for_each(|p| f(p.0, Some(&p.1))),
        Step::Hinge(_, _, Operand::Node(p)) | Step::Maximum(_, _, p) | Step::Curve(_, _, p) | Step::Product(_, p) => f(*p, None),
    }
}

/// How many elements of a step read the same element of its operand.
fn fan_out_of(step: &Step, operand_len: usize) -> usize {
    let Step::Maximum(_, groups, _) = step else { return 1 };
    let mut counts = vec![0usize; operand_len];
    groups.iter().flatten().for_each(|&i| counts[i as usize] += 1);
    counts.into_iter().max().unwrap_or(1)
}
