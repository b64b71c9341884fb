//! Operators: one file each, with its meaning, its interval rule and its relaxation.
//!
//! Three kinds (style.md section 3, design.md section 2):
//! * [`Affine`]: a weighted sum of its operands plus constants. One loop over the weights is its whole meaning;
//!   evaluation, interval bounds and transposition are derived from it, or are faster twins held to it by tests.
//! * [`Scalar`]: one function applied to every element. For proofs it gives the two offsets
//!   `sup f(a) - t a` and `sup t a - f(a)` over an interval, for *any* slope `t`.
//! * [`General`]: everything else of several operands (max-pool, products), with its own rule for proofs.

mod abs;
mod bilinear;
mod clip;
mod columns;
mod conv;
mod conv_lanes;
mod dense;
#[doc(hidden)]
pub mod examples;
mod exp;
mod extremum;
mod floor;
mod hard_sigmoid;
mod leaky_relu;
mod matmul;
mod max_pool;
mod pool;
mod pow;
mod quotient;
mod reciprocal;
mod reduce_extremum;
mod relu;
pub mod rules;
mod scale;
mod selection;
mod sigmoid;
mod sign;
mod softmax;
mod softplus;
mod sparse;
mod spread;
mod sum;
mod tanh;
mod wave;
mod window;
mod working;

pub use abs::Abs;
pub use bilinear::Bilinear;
pub use clip::Clip;
pub use conv::Conv;
pub use dense::Dense;
pub use exp::Exp;
pub use extremum::{Extreme, Extremum};
pub use floor::Floor;
pub use hard_sigmoid::HardSigmoid;
pub use leaky_relu::LeakyRelu;
pub use matmul::{MatMul, MatrixShape, Strides};
pub use max_pool::{MaxPool, PoolAxis};
pub use pool::AveragePool;
pub use pow::Pow;
pub use quotient::Quotient;
pub use reciprocal::Reciprocal;
pub use reduce_extremum::ReduceExtremum;
pub use relu::Relu;
pub use rules::smooth::Curve;
pub use scale::{Factors, Scale};
pub use selection::{Pick, Selection};
pub use sigmoid::Sigmoid;
pub use sign::Sign;
pub use softmax::Softmax;
pub use softplus::Softplus;
pub use sparse::Sparse;
pub use spread::Spread;
pub use sum::Sum;
pub use tanh::Tanh;
pub use wave::Wave;
pub use window::Window;
pub use working::Working;

use std::fmt::Debug;

use crate::kernels::Kernel;
use crate::kernels::lanes::{Lanes, add_times};
use crate::numerics::{Interval, Numbers, Real};

/// What a node computes.
#[derive(Debug)]
pub enum Operation {
    /// An input of the network.
    Input,
    /// Constants that other nodes read as if they were variables.
    Constant(Numbers),
    /// A weighted sum of the operands plus constants.
    Affine(Box<dyn Affine>),
    /// One function applied to every element of the single operand.
    Scalar(Box<dyn Scalar>),
    /// Any other function.
    General(Box<dyn General>),
}

impl Operation {
    /// The ONNX name, for messages.
    pub fn name(&self) -> &str {
        match self {
            Operation::Input => "Input",
            Operation::Constant(_) => "Constant",
            Operation::Affine(op) => op.name(),
            Operation::Scalar(op) => op.name(),
            Operation::General(op) => op.name(),
        }
    }

    /// Number of output elements for operands of these sizes, or what does not fit.
    pub fn output_len(&self, inputs: &[usize]) -> Result<usize, String> {
        let operands = |n: usize| match inputs.len() == n {
            true => Ok(()),
            false => Err(format!("{} takes {n} operands, not {}", self.name(), inputs.len())),
        };
        match self {
            Operation::Input => Err("an input is added by add_input".into()),
            Operation::Constant(values) => operands(0).map(|()| values.len()),
            Operation::Affine(op) => op.output_len(inputs),
            Operation::Scalar(_) => operands(1).map(|()| inputs[0]),
            Operation::General(op) => op.output_len(inputs),
        }
    }
}

/// `y = sum_k W_k x_k + b` over operands `x_k`, all flat.
pub trait Affine: Debug + Send + Sync {
    /// The ONNX name.
    fn name(&self) -> &str;

    /// Number of output elements for operands of these sizes, or what does not fit.
    fn output_len(&self, inputs: &[usize]) -> Result<usize, String>;

    /// Calls `visit(output, input, weight)` for every weight of operand `operand`: the meaning of the operator.
    ///
    /// Outputs in ascending order, within an output inputs in ascending order.
    /// A pair may be visited more than once; the weights add up. The weights are those of the network, exactly,
    /// unless [`Affine::weight_error`] says otherwise.
    fn for_each_weight(&self, operand: usize, visit: &mut dyn FnMut(usize, usize, f64));

    /// The constants `b`, if any.
    fn bias(&self) -> Option<&Numbers> {
        None
    }

    /// A relative bound `e` on how far the constants given here are from the real ones `w` (and `b`) that they stand for:
    /// `|given - w| <= e |given|`. Not zero only where the real constant is no `f64`: 1/k of an average,
    /// `scale / sqrt(variance + epsilon)`, the inverse of a divisor.
    ///
    /// This holds for the weights and, beside [`Affine::bias_error`], for the bias.
    fn weight_error(&self) -> f64 {
        0.0
    }

    /// A further absolute bound for each output element on how far the bias is from the real one
    /// (it comes from a difference, so no relative bound holds): `|given - b| <= weight_error |given| + bias_error`.
    fn bias_error(&self) -> Option<Vec<f64>> {
        None
    }

    /// True if some weight or bias constant is not a binary32 number, so that binary32 sweeps must add the error of
    /// rounding it, `u |W|` (or find it infinite). Always false for constants that an `f32` network stores.
    fn inexact_in_f32(&self) -> bool {
        false
    }

    /// Most terms that one output element sums, over all operands, bias included.
    fn fan_in(&self) -> usize;

    /// Most terms that one element of operand `operand` contributes to.
    fn fan_out(&self, operand: usize) -> usize;

    /// Most roundings that a term meets in the transposed product as computed here: at most [`Affine::fan_out`], fewer
    /// where partial sums are added up.
    fn back_roundings(&self, operand: usize) -> usize {
        self.fan_out(operand)
    }

    /// True if every output is a copy of at most one input element (or zero), so that computing it never rounds.
    fn is_selection(&self) -> bool {
        false
    }

    /// `y += W x` for every row of a row-major batch, or `y += |W| x` if `absolute`.
    fn apply_f32(&self, operand: usize, x: &[f32], y: &mut [f32], rows: usize, absolute: bool) {
        apply_by_weights(self, operand, x, y, rows, absolute)
    }
    /// As [`Affine::apply_f32`].
    fn apply_f64(&self, operand: usize, x: &[f64], y: &mut [f64], rows: usize, absolute: bool) {
        apply_by_weights(self, operand, x, y, rows, absolute)
    }
    /// `x += W^T y` for every row of a row-major batch.
    fn transpose_f32(&self, operand: usize, y: &[f32], x: &mut [f32], rows: usize) {
        transpose_by_weights(self, operand, y, x, rows)
    }
    /// As [`Affine::transpose_f32`].
    fn transpose_f64(&self, operand: usize, y: &[f64], x: &mut [f64], rows: usize) {
        transpose_by_weights(self, operand, y, x, rows)
    }
    /// `x += W^T y` for a block of rows stored element by element; elements of `x` that are not `wanted` may be left out (all are
    /// wanted if that is empty). Returns the multiplications.
    fn transpose_lanes_f32(&self, operand: usize, y: &Lanes<f32>, x: &mut Lanes<f32>, wanted: &[bool]) -> f64 {
        transpose_lanes_by_weights(self, operand, y, x, wanted)
    }
    /// As [`Affine::transpose_lanes_f32`].
    fn transpose_lanes_f64(&self, operand: usize, y: &Lanes<f64>, x: &mut Lanes<f64>, wanted: &[bool]) -> f64 {
        transpose_lanes_by_weights(self, operand, y, x, wanted)
    }

    /// A number for output `output` such that outputs with neighbouring numbers read nearly the same inputs; none where outputs are in
    /// such an order already, or where all read all.
    fn neighbourhood(&self, _output: usize) -> Option<usize> {
        None
    }
}

fn apply_by_weights<F: Real, A: Affine + ?Sized>(op: &A, operand: usize, x: &[F], y: &mut [F], rows: usize, absolute: bool) {
    let (n, m) = row_lengths(x, y, rows);
    op.for_each_weight(operand, &mut |o, i, w| {
        let w = F::from_f64(if absolute { w.abs() } else { w });
        for r in 0..rows {
            y[r * m + o] += w * x[r * n + i];
        }
    });
}

fn transpose_by_weights<F: Real, A: Affine + ?Sized>(op: &A, operand: usize, y: &[F], x: &mut [F], rows: usize) {
    let (n, m) = row_lengths(x, y, rows);
    op.for_each_weight(operand, &mut |o, i, w| {
        let w = F::from_f64(w);
        for r in 0..rows {
            x[r * n + i] += w * y[r * m + o];
        }
    });
}

fn transpose_lanes_by_weights<F: Kernel, A: Affine + ?Sized>(
    op: &A,
    operand: usize,
    y: &Lanes<F>,
    x: &mut Lanes<F>,
    wanted: &[bool],
) -> f64 {
    let mut count = 0;
    op.for_each_weight(operand, &mut |o, i, w| {
        if y.live[o] && wanted.get(i).is_none_or(|&w| w) {
            add_times(x.element(i), F::from_f64(w), &y.values[o * y.lanes..][..y.lanes]);
            count += y.lanes;
        }
    });
    count as f64
}

fn row_lengths<F>(x: &[F], y: &[F], rows: usize) -> (usize, usize) {
    (x.len().checked_div(rows).unwrap_or(0), y.len().checked_div(rows).unwrap_or(0))
}

/// How far a deployed elementary function may be from the real one: `|computed - exact| <= absolute + relative * |exact|`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DeployedError {
    /// Absolute part.
    pub absolute: f64,
    /// Relative part.
    pub relative: f64,
}

/// One real function applied to every element.
pub trait Scalar: Debug + Send + Sync {
    /// The ONNX name.
    fn name(&self) -> &str;

    /// The function in `f64`, to nearest as well as the library can: for attacks and plain evaluation, never for proofs.
    fn eval(&self, x: f64) -> f64;

    /// One deployed `f32` evaluation.
    fn eval_f32(&self, x: f32) -> f32 {
        self.eval(x as f64) as f32
    }

    /// A slope of the function near `x`, for attacks.
    fn derivative(&self, x: f64) -> f64;

    /// An enclosure of the real function's values on `x`.
    fn interval(&self, x: Interval) -> Interval;

    /// At least `sup { f(a) - t a : a in x }`, for any finite `t`.
    fn upper_offset(&self, t: f64, x: Interval) -> f64;

    /// At least `sup { t a - f(a) : a in x }`, for any finite `t`.
    fn lower_offset(&self, t: f64, x: Interval) -> f64;

    /// The slope of CROWN's upper line on `x` (any finite number is sound).
    fn upper_slope(&self, x: Interval) -> f64;

    /// The slope of CROWN's lower line on `x` (any finite number is sound).
    fn lower_slope(&self, x: Interval) -> f64;

    /// The least and greatest lower slope worth trying on `x`; equal ends where there is no choice.
    fn lower_slope_range(&self, x: Interval) -> (f64, f64);

    /// The least and greatest upper slope worth trying on `x`.
    fn upper_slope_range(&self, x: Interval) -> (f64, f64) {
        let t = self.upper_slope(x);
        (t, t)
    }

    /// A point of `x` where `f(a) - t a` is (nearly) largest; among ties the one nearest to `near`.
    fn upper_touch(&self, t: f64, x: Interval, near: f64) -> f64;

    /// A point of `x` where `t a - f(a)` is (nearly) largest; among ties the one nearest to `near`.
    fn lower_touch(&self, t: f64, x: Interval, near: f64) -> f64;

    /// How far the deployed `f32` function may be from the real one.
    fn deployed_error(&self) -> DeployedError;

    /// `Some(s)` if the function is `x` for `x >= 0` and `s x` for `x < 0`, with `s <= 1`.
    fn hinge(&self) -> Option<f64> {
        None
    }

    /// The function in exact rationals, where it maps rationals to rationals.
    fn eval_exact(&self, _x: &dashu::rational::RBig) -> Option<dashu::rational::RBig> {
        None
    }
}

/// Proved intervals of every element of a value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ranges {
    /// Lower ends.
    pub low: Vec<f64>,
    /// Upper ends.
    pub high: Vec<f64>,
}

impl Ranges {
    /// The interval of element `i`.
    #[inline]
    pub fn at(&self, i: usize) -> Interval {
        Interval { low: self.low[i], high: self.high[i] }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.low.len()
    }

    /// True if there are no elements.
    pub fn is_empty(&self) -> bool {
        self.low.is_empty()
    }

    /// From intervals.
    pub fn collect(intervals: impl IntoIterator<Item = Interval>) -> Ranges {
        let (low, high) = intervals.into_iter().map(|i| (i.low, i.high)).unzip();
        Ranges { low, high }
    }
}

/// A function of several operands, or one that mixes elements, that is not affine.
pub trait General: Debug + Send + Sync {
    /// The ONNX name.
    fn name(&self) -> &str;

    /// Number of output elements for operands of these sizes, or what does not fit.
    fn output_len(&self, inputs: &[usize]) -> Result<usize, String>;

    /// The function in `f64` for one point, to nearest: for attacks and plain evaluation, never for proofs.
    fn eval(&self, inputs: &[&[f64]], output: &mut [f64]);

    /// One deployed `f32` evaluation.
    fn eval_f32(&self, inputs: &[&[f32]], output: &mut [f32]);

    /// Adds `gradient(output) . d output / d input` to each operand's gradient, at the point `inputs`: for attacks.
    fn pull_back(&self, inputs: &[&[f64]], gradient: &[f64], back: &mut [Vec<f64>]);

    /// Enclosures of the real function's values.
    fn interval(&self, inputs: &[&Ranges]) -> Ranges;

    /// One backward step of a row of coefficients `c` on the outputs: *adds* multipliers of the operands' elements
    /// to `back[operand]` and returns at least `sup { c . f(p) - sum_k back_k . p_k }` over the operands' ranges,
    /// where `back` counts only what this call added.
    fn relax_row(&self, c: &[f64], inputs: &[&Ranges], back: &mut [Vec<f64>]) -> f64;

    /// How far the deployed `f32` function may be from the real one on equal operands.
    fn deployed_error(&self) -> DeployedError;

    /// How far each output of the deployed `f32` function may be from the real one, on equal operands inside `inputs`;
    /// `outputs` are the real function's enclosures there. For sums that cancel [`General::deployed_error`] cannot say it.
    fn deployed_errors(&self, _inputs: &[&Ranges], outputs: &Ranges) -> Vec<f64> {
        let error = self.deployed_error();
        let at = |y: Interval| (error.absolute + (error.relative * y.magnitude()).next_up()).next_up();
        (0..outputs.len()).map(|o| at(outputs.at(o))).collect()
    }

    /// The function in exact rationals, where it maps rationals to rationals.
    fn eval_exact(&self, _inputs: &[&[dashu::rational::RBig]]) -> Option<Vec<dashu::rational::RBig>> {
        None
    }
}
