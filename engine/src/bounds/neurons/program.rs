//! A network of affine maps and ReLUs over one box, with everything that a backward sweep with free multipliers reads.
//!
//! Rounding is paid as follows. The multipliers `lambda` that a sweep computes count as exact: any numbers will do, and what
//! `sup { c relu(a) - lambda a }` amounts to for exactly these is part of the offsets below. The products `W^T lambda` and the
//! sums `lambda . b` err by at most `sum |lambda_i| error_i`, which the affine node's `error` pays.

use std::fmt::Debug;
use std::sync::Arc;

use super::chain::Effort;
use super::compact::Room;
use super::known::Known;
use super::record::{Neuron, Recorder};
use crate::bounds::Bounds;
use crate::bounds::chain::Objective;
use crate::kernels::Kernel;
use crate::kernels::rows::BLOCK_ROUNDINGS;

/// A linear map of one affine node: rows are flat, of the widths of the nodes.
pub trait Map<F>: Debug + Send + Sync {
    /// `x = W^T y` for operand `operand` (plus the old `x` if `accumulate`).
    fn back(&self, operand: usize, y: &[F], x: &mut [F], rows: usize, accumulate: bool, room: &mut Room<F>);
    /// `y = W x` (plus the old `y` if `accumulate`).
    fn forth(&self, operand: usize, x: &[F], y: &mut [F], rows: usize, accumulate: bool, room: &mut Room<F>);
}

/// A node of a program.
#[derive(Clone, Debug)]
pub enum Node<'m, F> {
    /// Inputs: a box.
    Input(Input<F>),
    /// `a = sum_k W_k h_k + b`.
    Affine(Affine<'m, F>),
    /// `h = relu(a)`.
    Hinge(Hinge<F>),
}

/// The box.
#[derive(Clone, Debug)]
pub struct Input<F> {
    /// Its middle, exact in `F`.
    pub middle: Vec<F>,
    /// Its radius, inflated so that a sum of `|v| radius` computed in `F` is an upper bound.
    pub radius: Vec<F>,
    /// True if the middle is zero (the maps above have taken it in).
    pub centred: bool,
}

/// An affine node.
#[derive(Clone, Debug)]
pub struct Affine<'m, F> {
    /// Nodes that it reads.
    pub operands: Vec<usize>,
    /// The weights.
    pub map: Arc<dyn Map<F> + 'm>,
    /// The constants.
    pub bias: Vec<F>,
    /// Allowance for rounding and for the deployed network per unit of absolute coefficient.
    pub error: Vec<F>,
    /// Allowance per sweep for products that underflow.
    pub underflow: f64,
}

/// A layer of ReLUs.
#[derive(Clone, Debug)]
pub struct Hinge<F> {
    /// The node that it reads.
    pub operand: usize,
    /// Slope of the line above: the chord's, 1 for active neurons, 0 for inactive ones.
    pub up: Vec<F>,
    /// What a unit of positive coefficient pays for that line, rounding included.
    pub offset: Vec<F>,
    /// Least lower slope.
    pub least: Vec<F>,
    /// Greatest lower slope; equal to the least where the neuron is not unstable.
    pub most: Vec<F>,
    /// The slope to start from (CROWN's).
    pub start: Vec<F>,
    /// What the reader of the pre-activations pays per unit of coefficient beside what the affine node itself pays: the deployed
    /// network's error where a block ends here, and adding to what other readers pass. Empty where there is nothing to pay.
    pub error: Vec<F>,
    /// Allowance per sweep for products that underflow.
    pub underflow: f64,
}

/// The whole network below the rows.
#[derive(Clone, Debug)]
pub struct Program<'m, F> {
    /// Nodes, every operand before its readers; the first is the input.
    pub nodes: Vec<Node<'m, F>>,
}

/// Where a row starts: `c` on the values of node `node`, plus a constant.
#[derive(Clone, Debug)]
pub struct Start<F> {
    /// The node.
    pub node: usize,
    /// One coefficient per element of the node.
    pub coefficients: Vec<F>,
    /// The constant.
    pub constant: f64,
    /// Allowance for rounding of the above, and for the deployed network.
    pub error: f64,
}

/// A network over one box whose neurons' bounds can be tightened.
pub trait Relaxed<F> {
    /// Tightens the bounds of all neurons from the bottom up; each layer's rows read the layers below as they are by then.
    fn tighten(&mut self, effort: Effort, recorder: Option<&mut Recorder>, stop: &(dyn Fn() -> bool + Sync));
    /// Takes over what is known already.
    fn inherit(&mut self, known: &Known);
    /// From now on only neurons are tightened that the rows of `objectives` pay most for, together `share` of it; all at a share of 1.
    /// Chains tighten all.
    fn aim(&mut self, _objectives: &[&Objective<F>], _share: f64) {}
    /// How a certificate names a neuron of the program: activation and element.
    fn name(&self, neuron: Neuron) -> Option<(usize, usize)>;
    /// What sweeps run on.
    fn program(&self) -> &Program<'_, F>;
    /// The row of an objective without coefficients of inputs, after [`Relaxed::tighten`].
    fn start(&self, objective: &Objective<F>) -> Start<F>;
    /// Proved bounds of all nodes, where the program's nodes are the graph's.
    fn bounds(&self) -> Option<&Bounds>;
    /// A point of the program's inputs as a point of the box.
    fn point(&self, inputs: &[F]) -> Vec<f64>;
    /// True if some range turned out empty: nothing of the box is left.
    fn is_empty(&self) -> bool;
    /// Unstable neurons of each layer.
    fn unstable(&self) -> Vec<usize>;
}

impl<F: Kernel> Node<'_, F> {
    /// Number of elements.
    pub fn width(&self) -> usize {
        match self {
            Node::Input(input) => input.radius.len(),
            Node::Affine(affine) => affine.bias.len(),
            Node::Hinge(hinge) => hinge.up.len(),
        }
    }
}

/// Roundings in `F` that a term of a sweep's constants may meet, with room for adding up nodes in `f64`.
pub const CONSTANT_ROUNDINGS: usize = BLOCK_ROUNDINGS + 64;

/// What a unit of coefficient pays, rounded up in `F`: nothing, or so much that products with coefficients are no subnormal numbers, which take
/// processors a hundred times as long.
pub fn allowance<F: Kernel>(error: f64) -> F {
    if error == 0.0 { F::ZERO } else { F::from_f64_up(error.next_up().max(F::TINY / F::UNIT.powi(2))) }
}

impl<F: Kernel> Input<F> {
    /// The box around `middle`.
    pub fn new(middle: Vec<F>, radius: &[f64]) -> Input<F> {
        let inflate = 1.0 + (CONSTANT_ROUNDINGS as f64) * F::UNIT * 1.01;
        let centred = middle.iter().all(|&m| m == F::ZERO);
        let up = |&r: &f64| if r == 0.0 { F::ZERO } else { F::from_f64_up((r * inflate).next_up() + F::TINY) };
        Input { middle, radius: radius.iter().map(up).collect(), centred }
    }
}

impl<F: Kernel> Hinge<F> {
    /// A layer without neurons, reading `operand`.
    pub fn empty(operand: usize) -> Hinge<F> {
        Hinge { operand, up: vec![], offset: vec![], least: vec![], most: vec![], start: vec![], error: vec![], underflow: 0.0 }
    }

    /// Adds a neuron whose pre-activation lies in `[low, high]`; `identity` if it is a value that is only passed on.
    pub fn push(&mut self, low: f64, high: f64, identity: bool) {
        let size = low.abs().max(high.abs());
        self.underflow += F::TINY * 4.0 * (1.0 + size);
        let [up, offset, least, most, start] = if identity || low >= 0.0 {
            [F::ONE, F::ZERO, F::ONE, F::ONE, F::ONE]
        } else if high <= 0.0 {
            [F::ZERO; 5]
        } else {
            let chord = high / (high - low);
            let t = if chord.is_finite() { F::from_f64(chord).min(F::ONE).max(F::ZERO) } else { F::ZERO };
            let at = |a: f64, f: f64| f - t.to_f64() * a;
            // The multiplier is `c t` rounded: off by at most `u c t`, times the operand's size; and so is this very line.
            let slack = t.to_f64() * size * (F::UNIT * 1.01 + 4.0 * f64::EPSILON);
            let above = at(high, high).max(at(low, 0.0)).max(0.0) + slack;
            let inflated = above * (1.0 + (CONSTANT_ROUNDINGS + 4) as f64 * F::UNIT * 1.01) + F::TINY;
            let offset = if inflated.is_finite() { F::from_f64_up(inflated) } else { F::from_f64(f64::INFINITY) };
            [t, offset, F::ZERO, F::ONE, if high > -low { F::ONE } else { F::ZERO }]
        };
        self.up.push(up);
        self.offset.push(offset);
        self.least.push(least);
        self.most.push(most);
        self.start.push(start);
    }

    /// True if neuron `i` may be on either side.
    pub fn unstable(&self, i: usize) -> bool {
        self.least[i] < self.most[i]
    }
}
