//! Sums of products of two variables: Mul of two operands, MatMul of two operands.
//!
//! A term `c x y` gets the multipliers `c y0` for x and `c x0` for y with the centres `(x0, y0)`: the mean of McCormick's two
//! planes (McCormick, Mathematical Programming 1976). The rest `c x y - l x - m y` is bilinear, so the four corners of the box
//! decide. `x * x` is allowed: the box of both operands holds the diagonal.

use dashu::rational::RBig;

use super::rules::broadcast::{broadcast_indices, broadcast_shape, element_count};
use super::rules::ledger::{Ledger, largest, range, usable};
use super::{DeployedError, General, Ranges};
use crate::numerics::{Interval, rounding};

/// Output `o` is `sum_k a[first.0 + k step.0] b[first.1 + k step.1]` with `first` of its own and common steps.
#[derive(Debug)]
pub struct Bilinear {
    name: &'static str,
    sizes: [usize; 2],
    shape: Vec<usize>,
    first: Vec<(usize, usize)>,
    step: (usize, usize),
    depth: usize,
}

impl Bilinear {
    /// The elementwise product, with broadcasting.
    pub fn product(a: &[usize], b: &[usize]) -> Result<Bilinear, String> {
        let sizes = [element_count(a)?, element_count(b)?];
        let shape = broadcast_shape(&[a, b])?;
        element_count(&shape)?;
        let first = broadcast_indices(a, &shape).into_iter().zip(broadcast_indices(b, &shape)).collect();
        Ok(Bilinear { name: "Mul", sizes, shape, first, step: (0, 0), depth: 1 })
    }

    /// The matrix product, with NumPy's rules for vectors and for stacks of matrices.
    pub fn matrix(a: &[usize], b: &[usize]) -> Result<Bilinear, String> {
        let refuse = || format!("MatMul of shapes {a:?} and {b:?}");
        let sizes = [element_count(a)?, element_count(b)?];
        let (stack_a, rows, depth) = match a {
            [] => return Err(refuse()),
            [k] => (&a[..0], 1, *k),
            [stack @ .., m, k] => (stack, *m, *k),
        };
        let (stack_b, inner, columns) = match b {
            [] => return Err(refuse()),
            [k] => (&b[..0], *k, 1),
            [stack @ .., k, n] => (stack, *k, *n),
        };
        if depth != inner || depth == 0 {
            return Err(refuse());
        }
        let stack = broadcast_shape(&[stack_a, stack_b])?;
        let mut shape = stack.clone();
        shape.extend((a.len() > 1).then_some(rows));
        shape.extend((b.len() > 1).then_some(columns));
        let mut first = Vec::with_capacity(element_count(&shape)?);
        for (p, q) in broadcast_indices(stack_a, &stack).into_iter().zip(broadcast_indices(stack_b, &stack)) {
            for row in 0..rows {
                first.extend((0..columns).map(|column| ((p * rows + row) * depth, q * depth * columns + column)));
            }
        }
        Ok(Bilinear { name: "MatMul", sizes, shape, first, step: (1, columns), depth })
    }

    /// Shape of the output.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Indices of the pairs that output `o` multiplies.
    fn terms(&self, o: usize) -> impl Iterator<Item = (usize, usize)> {
        let ((a, b), (step_a, step_b)) = (self.first[o], self.step);
        (0..self.depth).map(move |k| (a + k * step_a, b + k * step_b))
    }
}

/// At least `sup c x y - l x - m y` over the box: every corner rounded up.
fn corners(c: f64, l: f64, m: f64, x: Interval, y: Interval) -> f64 {
    let point = Interval::point;
    let corner = |x: f64, y: f64| (point(c) * (point(x) * point(y)) - point(l) * point(x) - point(m) * point(y)).high;
    largest([x.low, x.high].into_iter().flat_map(|x| [y.low, y.high].map(|y| corner(x, y))))
}

impl General for Bilinear {
    fn name(&self) -> &str {
        self.name
    }

    fn output_len(&self, inputs: &[usize]) -> Result<usize, String> {
        if inputs == self.sizes {
            Ok(self.first.len())
        } else {
            Err(format!("operands of {inputs:?} elements where {:?} are needed", self.sizes))
        }
    }

    fn eval(&self, inputs: &[&[f64]], output: &mut [f64]) {
        for (o, y) in output.iter_mut().enumerate() {
            *y = self.terms(o).map(|(i, j)| inputs[0][i] * inputs[1][j]).sum();
        }
    }

    fn eval_f32(&self, inputs: &[&[f32]], output: &mut [f32]) {
        for (o, y) in output.iter_mut().enumerate() {
            *y = self.terms(o).map(|(i, j)| inputs[0][i] * inputs[1][j]).fold(0.0, |sum, p| sum + p);
        }
    }

    fn pull_back(&self, inputs: &[&[f64]], gradient: &[f64], back: &mut [Vec<f64>]) {
        for (o, &g) in gradient.iter().enumerate() {
            for (i, j) in self.terms(o) {
                back[0][i] += g * inputs[1][j];
                back[1][j] += g * inputs[0][i];
            }
        }
    }

    fn interval(&self, inputs: &[&Ranges]) -> Ranges {
        let product = |(i, j)| range(inputs, 0, i) * range(inputs, 1, j);
        let sum = |o: usize| self.terms(o).map(product).reduce(|a, b| a + b).unwrap_or(Interval::WHOLE);
        Ranges::collect((0..self.first.len()).map(sum))
    }

    fn relax_row(&self, c: &[f64], inputs: &[&Ranges], back: &mut [Vec<f64>]) -> f64 {
        let mut ledger = Ledger::new(inputs, back);
        for (o, &c) in c.iter().enumerate().filter(|(_, c)| **c != 0.0) {
            if !c.is_finite() {
                return f64::NAN;
            }
            for (i, j) in self.terms(o) {
                let (x, y) = (ledger.range(0, i), ledger.range(1, j));
                let (l, m) = (usable(c * y.middle()), usable(c * x.middle()));
                ledger.charge(corners(c, l, m, x, y));
                ledger.add(0, i, l);
                ledger.add(1, j, m);
            }
        }
        ledger.bound()
    }

    /// Of one product. Sums of several have an error that depends on the operands: see [`General::deployed_errors`].
    fn deployed_error(&self) -> DeployedError {
        let absolute = if self.depth == 1 { f32::MIN_POSITIVE as f64 } else { f64::INFINITY };
        DeployedError { absolute, relative: rounding::gamma::<f32>(1) }
    }

    /// The dot product in any order, with or without fused multiply-add.
    fn deployed_errors(&self, inputs: &[&Ranges], _outputs: &Ranges) -> Vec<f64> {
        let (gamma, underflow) = (rounding::gamma::<f32>(self.depth), rounding::underflow::<f32>(2 * self.depth));
        let size = |o: usize| {
            let product = |(i, j)| (range(inputs, 0, i).magnitude() * range(inputs, 1, j).magnitude()).next_up();
            self.terms(o).map(product).fold(0.0, |sum: f64, p| (sum + p).next_up())
        };
        (0..self.first.len()).map(|o| ((gamma * size(o)).next_up() + underflow).next_up()).collect()
    }

    fn eval_exact(&self, inputs: &[&[RBig]]) -> Option<Vec<RBig>> {
        let sum = |o: usize| self.terms(o).fold(RBig::ZERO, |sum, (i, j)| sum + &inputs[0][i] * &inputs[1][j]);
        Some((0..self.first.len()).map(sum).collect())
    }
}
