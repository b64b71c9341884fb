//! From a graph to a chain, where that is exact.

use std::collections::BTreeMap;

use super::{Chain, Layer};
use crate::graph::Graph;
use crate::kernels::Kernel;
use crate::ops::{Affine, Operation};

/// A chain's matrices are stored dense: beyond this many weights the general sweep is the better engine.
const MOST_WEIGHTS: usize = 8 << 20;
/// As [`MOST_WEIGHTS`], where all inputs can be split: no convolutions of pictures, which would be multiplied as matrices.
const MOST_WEIGHTS_OF_FEW: usize = 16 << 20;
/// So many inputs are few.
const FEW_INPUTS: usize = 64;

/// Smaller matrices are multiplied as they are, even if they are mostly zeros.
const LEAST_SPARSE: usize = 4096;

/// One element of a value as a weighted sum of variables (inputs and hinge outputs).
#[derive(Clone, Debug, Default)]
pub(in crate::bounds) struct Expression {
    /// Variables, each once, and their weights; exact.
    pub terms: Vec<(usize, f64)>,
    pub bias: f64,
    /// How far `bias` may be from the true constant.
    pub bias_error: f64,
    /// Sum of the absolute constants in it.
    pub bias_magnitude: f64,
    /// Most roundings on any path through the affine block that ends here.
    pub roundings: usize,
}

/// A variable: input or hinge output, with the layer that makes it.
#[derive(Debug)]
pub(in crate::bounds) struct Variable {
    layer: usize,
    /// What the hinge reads, and its slope below zero; none for an input.
    pub hinge: Option<(Expression, f64)>,
    /// True for an affine value kept as identity neurons: for the deployed network it is inside an affine block,
    /// which may be computed fused, so its magnitude counts as the sum of its absolute terms.
    pub joined: bool,
    /// Activation and element.
    pub origin: (u32, u32),
}

/// A graph as variables in order of dependence: each reads only earlier ones.
#[derive(Debug)]
pub(in crate::bounds) struct Unrolled {
    pub variables: Vec<Variable>,
    pub outputs: Vec<Expression>,
}

/// The chain of `graph` in working type `F`, or `None` if the graph has other operators than affine ones and hinges,
/// or if joining its affine operators would round or cancel (then rounding-error constants would not carry over).
pub fn compile<F: Kernel>(graph: &Graph) -> Option<Chain<F>> {
    let Unrolled { variables, outputs } = unroll::<F>(graph)?;
    Compiler { variables, values: Vec::new() }.layers::<F>(graph.input_len(), outputs)
}

/// The variables of `graph`, where [`compile`] could make a chain of it were it not too large for dense layers.
pub(in crate::bounds) fn unroll<F: Kernel>(graph: &Graph) -> Option<Unrolled> {
    let mut compiler = Compiler { variables: Vec::new(), values: Vec::new() };
    let mut activations = 0;
    for node in &graph.nodes {
        let operands: Vec<usize> = node.inputs.clone();
        let value = match &node.operation {
            Operation::Input => (0..node.len()).map(|_| compiler.variable(0, None, false, (0, 0))).collect(),
            Operation::Constant(numbers) => (0..numbers.len()).map(|i| constant(numbers.at(i))).collect(),
            Operation::Affine(op) => compiler.affine::<F>(op.as_ref(), &operands, node.len())?,
            Operation::Scalar(op) => {
                let slope = op.hinge().filter(|s| s.abs() <= 1.0 && F::from_f64(*s).to_f64() == *s)?;
                activations += 1;
                compiler.hinges(operands[0], slope, Some(activations - 1))
            }
            Operation::General(_) => return None,
        };
        compiler.values.push(value);
    }
    let outputs: Vec<Expression> = graph.outputs.iter().flat_map(|&o| compiler.values[o].clone()).collect();
    // Inputs are numbered in the order of their nodes; the query numbers them in the order of the file.
    if !graph.inputs.is_sorted() {
        return None;
    }
    Some(Unrolled { variables: compiler.variables, outputs })
}

fn constant(x: f64) -> Expression {
    Expression { bias: x, bias_magnitude: x.abs(), ..Expression::default() }
}

struct Compiler {
    variables: Vec<Variable>,
    values: Vec<Vec<Expression>>,
}

impl Compiler {
    fn variable(&mut self, layer: usize, hinge: Option<(Expression, f64)>, joined: bool, origin: (u32, u32)) -> Expression {
        let roundings = hinge.as_ref().filter(|_| joined).map_or(0, |h| h.0.roundings);
        self.variables.push(Variable { layer, hinge, joined, origin });
        Expression { roundings, terms: vec![(self.variables.len() - 1, 1.0)], ..Expression::default() }
    }

    fn layer_of(&self, e: &Expression) -> usize {
        e.terms.iter().map(|t| self.variables[t.0].layer).max().unwrap_or(0)
    }

    /// Hinges on a value: those of an activation, or identities that keep a value of an affine block.
    fn hinges(&mut self, operand: usize, slope: f64, activation: Option<u32>) -> Vec<Expression> {
        let value = self.values[operand].clone();
        let layer = value.iter().map(|e| self.layer_of(e)).max().unwrap_or(0) + 1;
        let (joined, activation) = (activation.is_none(), activation.unwrap_or_default());
        let elements = value.into_iter().zip(0..);
        elements.map(|(e, i)| self.variable(layer, Some((e, slope)), joined, (activation, i))).collect()
    }

    /// The affine operator's value; operands that cannot be joined exactly become identity neurons first.
    fn affine<F: Kernel>(&mut self, op: &dyn Affine, operands: &[usize], len: usize) -> Option<Vec<Expression>> {
        if let Some(value) = self.join::<F>(op, operands, len) {
            return Some(value);
        }
        for &operand in operands {
            if self.values[operand].iter().any(|e| !is_unit(e)) {
                self.values[operand] = self.hinges(operand, 1.0, None);
            }
        }
        self.join::<F>(op, operands, len)
    }

    fn join<F: Kernel>(&self, op: &dyn Affine, operands: &[usize], len: usize) -> Option<Vec<Expression>> {
        if op.weight_error() > 0.0 || op.bias_error().is_some() {
            // Weights that stand for other reals: the sweeps of the general engine account for them.
            return None;
        }
        let mut value = vec![Expression::default(); len];
        let exact = |x: f64| F::from_f64(x).to_f64() == x;
        let mut fits = true;
        let mut weights = 0usize;
        for (k, &operand) in operands.iter().enumerate() {
            op.for_each_weight(k, &mut |o, i, w| {
                if !fits || w == 0.0 {
                    return;
                }
                let (target, source) = (&mut value[o], &self.values[operand][i]);
                weights += source.terms.len();
                fits &= weights <= MOST_WEIGHTS;
                for &(v, c) in &source.terms {
                    fits &= (w.abs() == 1.0 || c.abs() == 1.0) && exact(w * c);
                    target.terms.push((v, w * c));
                }
                add_bias(target, w, source.bias, source.bias_error, source.bias_magnitude);
                target.roundings = target.roundings.max(source.roundings);
            });
        }
        if let Some(bias) = op.bias() {
            for (o, target) in value.iter_mut().enumerate() {
                add_bias(target, 1.0, bias.at(o), 0.0, bias.at(o).abs());
            }
        }
        let roundings = if op.is_selection() { 0 } else { op.fan_in() };
        for e in &mut value {
            e.roundings += roundings;
            fits &= merge::<F>(e);
        }
        fits.then_some(value)
    }

    fn layers<F: Kernel>(mut self, inputs: usize, outputs: Vec<Expression>) -> Option<Chain<F>> {
        let depth = outputs.iter().map(|e| self.layer_of(e)).max().unwrap_or(0) + 1;
        // `needed[v]`: the last layer that reads variable v; until there it is carried along by identities.
        let mut needed = vec![0; self.variables.len()];
        let mut read = |e: &Expression, by: usize| e.terms.iter().for_each(|t| needed[t.0] = needed[t.0].max(by));
        outputs.iter().for_each(|e| read(e, depth));
        for v in self.variables.iter().rev() {
            if let Some((e, _)) = &v.hinge {
                read(e, v.layer);
            }
        }
        let mut layers = Vec::new();
        let mut below: Vec<usize> = (0..inputs).collect();
        let mut stored = 0;
        for k in 1..=depth {
            let made = (0..self.variables.len()).filter(|&v| self.variables[v].layer == k && needed[v] > k);
            let carried = below.iter().copied().filter(|&v| self.variables[v].layer < k && needed[v] > k);
            let now: Vec<usize> = if k == depth { Vec::new() } else { made.chain(carried).collect() };
            let neurons: Vec<Neuron> = match k == depth {
                true => outputs.iter().map(|e| Neuron { sum: e.clone(), slope: 1.0, joined: false, origin: (0, 0) }).collect(),
                false => now.iter().map(|&v| self.neuron(v, k)).collect(),
            };
            stored += neurons.len() * below.len();
            if stored > if inputs <= FEW_INPUTS { MOST_WEIGHTS_OF_FEW } else { MOST_WEIGHTS } {
                return None;
            }
            layers.push(layer::<F>(&neurons, &below)?);
            below = now;
        }
        self.variables.clear();
        Some(Chain { inputs, layers })
    }

    fn neuron(&self, v: usize, layer: usize) -> Neuron {
        let Variable { layer: made, hinge, joined, origin } = &self.variables[v];
        let (sum, slope) = match hinge {
            Some((e, slope)) if *made == layer => (e.clone(), *slope),
            _ => (Expression { terms: vec![(v, 1.0)], ..Expression::default() }, 1.0),
        };
        Neuron { sum, slope, joined: *joined, origin: *origin }
    }
}

/// One neuron of a layer: a sum of the layer below, its hinge, and whether it is inside an affine block.
struct Neuron {
    sum: Expression,
    slope: f64,
    joined: bool,
    origin: (u32, u32),
}

fn is_unit(e: &Expression) -> bool {
    e.bias == 0.0 && e.bias_magnitude == 0.0 && matches!(e.terms[..], [(_, 1.0)])
}

/// Adds `weight * bias` to the constant, with the exact rounding errors of product and sum.
fn add_bias(e: &mut Expression, weight: f64, bias: f64, error: f64, magnitude: f64) {
    let product = weight * bias;
    let sum = e.bias + product;
    let tail = sum - e.bias; // Knuth's TwoSum: `residue` is exactly what the sum dropped
    let residue = (e.bias - (sum - tail)) + (product - tail);
    let dropped = weight.mul_add(bias, -product).abs() + residue.abs();
    e.bias = sum;
    let inherited = weight.abs() * error;
    if dropped + inherited > 0.0 {
        e.bias_error = (e.bias_error + inherited.next_up() + dropped.next_up()).next_up();
    }
    e.bias_magnitude = (e.bias_magnitude + (weight.abs() * magnitude).next_up()).next_up();
}

/// Adds up terms of the same variable; false if that rounds or cancels.
fn merge<F: Kernel>(e: &mut Expression) -> bool {
    if e.terms.is_sorted_by(|a, b| a.0 < b.0) {
        return true;
    }
    let mut sums: BTreeMap<usize, f64> = BTreeMap::new();
    for &(v, w) in &e.terms {
        let sum = sums.entry(v).or_insert(0.0);
        let total = *sum + w;
        let exact = total - *sum == w && total - w == *sum && F::from_f64(total).to_f64() == total;
        if !exact || total.abs() < w.abs().max(sum.abs()) {
            return false;
        }
        *sum = total;
    }
    e.terms = sums.into_iter().collect();
    true
}

fn layer<F: Kernel>(neurons: &[Neuron], below: &[usize]) -> Option<Layer<F>> {
    let place: BTreeMap<usize, usize> = below.iter().enumerate().map(|(i, &v)| (v, i)).collect();
    let mut weights = vec![F::ZERO; neurons.len() * below.len()];
    for (j, neuron) in neurons.iter().enumerate() {
        for (v, w) in &neuron.sum.terms {
            weights[j * below.len() + place.get(v)?] = F::from_f64(*w);
        }
    }
    let finite = |e: &Expression| e.bias.is_finite() && e.bias_magnitude.is_finite() && e.bias_error.is_finite();
    if !neurons.iter().all(|n| finite(&n.sum)) || !weights.iter().all(|w| w.is_finite()) {
        return None;
    }
    let nonzero = weights.iter().filter(|w| **w != F::ZERO).count();
    Some(Layer {
        neurons: neurons.len(),
        below: below.len(),
        sparse: weights.len() >= LEAST_SPARSE && nonzero < weights.len() / 4,
        weights,
        bias: neurons.iter().map(|n| n.sum.bias).collect(),
        bias_error: neurons.iter().map(|n| n.sum.bias_error).collect(),
        bias_magnitude: neurons.iter().map(|n| n.sum.bias_magnitude).collect(),
        terms: neurons.iter().map(|n| n.sum.roundings).max().unwrap_or(0),
        slope: neurons.iter().map(|n| F::from_f64(n.slope)).collect(),
        joined: neurons.iter().map(|n| n.joined).collect(),
        origin: neurons.iter().map(|n| n.origin).collect(),
    })
}
